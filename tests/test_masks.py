"""--mask: what is hidden, from whom, and what stays possible beside it."""
import errno
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from masks import DROP, ONLY_ACCIDENTS, attacks
from overlays import need_kernel_overlay
from sandbox import BASE, FULL, REFUSE, assert_ok, assert_refused, host_mounts, inside, python_prefix, refused, run, run_python, shell, tree

pytestmark = pytest.mark.core


@pytest.fixture
def home(box):
    """A home with secrets in it."""
    (box / "home/.ssh").mkdir(parents=True)
    (box / "home/.ssh/id").write_text("secret")
    (box / "home/proj/src").mkdir(parents=True)
    (box / "home/proj/.env").write_text("secret")
    (box / "home/proj/other").write_text("other")
    (box / "home/link").symlink_to("proj")
    return box / "home"


def bind(home):
    return [*FULL, "--bind", home, "/home"]


def test_a_directory_becomes_an_empty_one(home):
    assert inside(["--mask", "/home/.ssh", *DROP], "os.listdir('/home/.ssh')", bind(home)) == []


def test_a_file_becomes_an_empty_one_that_can_be_read(home):
    assert inside(["--mask", "/home/proj/.env", *DROP], "open('/home/proj/.env').read()", bind(home)) == ""


def test_a_link_is_followed_and_stays_a_link(home):
    code = "os.readlink('/home/link'), open('/home/link/.env').read(), open('/home/proj/.env').read()"
    assert inside(["--mask", "/home/link/.env", *DROP], code, bind(home)) == ("proj", "", "")


def test_a_socket_answers_as_one_that_nobody_listens_at(home):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(home / "socket"))
        listener.listen()
        code = """
import errno, os, socket
def error(act):
    try:
        act()
    except OSError as error:
        return errno.errorcode[error.errno]
print(error(lambda: socket.socket(socket.AF_UNIX).connect('/home/socket')), error(lambda: open('/home/socket')))"""
        result = run([*bind(home), "--mask", "/home/socket", *DROP], ["/usr/bin/python3", "-I", "-S", "-c", code])
    assert_ok(result)
    assert result.stdout.split() == ["ECONNREFUSED", "ENXIO"]


def test_a_fifo_answers_at_once(home):
    os.mkfifo(home / "fifo")
    result = run([*bind(home), "--mask", "/home/fifo", *DROP], ["sh", "-c", "cat /home/fifo"])
    assert "No such device or address" in result.stderr


def test_a_device_is_hidden():
    code = "stat.S_ISSOCK(os.stat('/dev/zero').st_mode)"
    assert inside(["--mask", "/dev/zero", *DROP], code, FULL)


@pytest.mark.parametrize("name", [".ssh", "proj/.env"])
def test_nothing_inside_gets_at_what_is_hidden(home, name):
    before = tree(home)
    assert attacks(["--mask", f"/home/{name}"], f"/home/{name}", ["/home/proj"] if "/" in name else [],
                   "/home/proj/other", bind(home)) == []
    assert tree(home) == before


def test_nothing_inside_gets_at_what_is_hidden_behind_a_link(home):
    assert attacks(["--mask", "/home/link/.env"], "/home/link/.env", ["/home/link", "/home/proj"],
                   "/home/proj/other", bind(home)) == []


def test_what_is_beside_it_is_renamed_as_ever(home):
    shell(["--mask", "/home/proj/.env", *DROP], "mv /home/proj/src /home/proj/s2; mv /home/proj/other /home/o", bind(home))
    assert (home / "proj/s2").is_dir() and (home / "o").exists()


def test_what_later_operations_put_below_is_there(home):
    args = ["--mask", "/home", "--bind", home / "proj", "/home/proj", *DROP]
    assert shell(args, "ls -A /home; cat /home/proj/other; echo new >/home/proj/new", bind(home)) == "proj\nother"
    assert (home / "proj/new").exists()
    assert "Read-only file system" in run([*bind(home), *args], ["touch", "/home/x"]).stderr


# ---- nothing there ----

@pytest.mark.parametrize("between, last", [
    ([], "/home/d/2/f"), ([], "/home/d/../d/./2/f"), ([], "/home//d/2/f"), ([], "/home/link/../d/2/f"), ([], "/home/d/3/../2/f"),
    ([], "/home/d/to/f"), (["--protect", "/home/d"], "/home/d/2/f"), (["--protect", "/home"], "/home/d/2/f"),
    (["--bind", "{}/../e", "/home/d/2"], "/home/d/2/f"),
    (["--ro-bind", "{}/../e", "/home/d/2", "--dir", "/home/d/2/new"], "/home/d/2/f")])
def test_many_beside_each_other_are_hidden_each_where_it_is(home, between, last):
    for name in ("d/0", "d/1", "d/2", "d/3", "../e"):
        (home / name).mkdir(parents=True)
        (home / name / "f").write_text(name)
    (home / "d/to").symlink_to("2")
    args = [word for path in ("/home/d/0/f", "/home/d/1/f") for word in ("--mask", path)]
    args += [*[word.format(home) for word in between], "--mask", last, "--mask", "/home/d/3/f", *DROP]
    assert shell(args, "cat /home/d/?/f", bind(home)) == ""
    if not between:
        assert attacks(args, "/home/d/2/f", ["/home/d/2", "/home/d"], "/home/proj/other", bind(home)) == []


def test_what_lies_in_a_hidden_directory_is_hidden_after_it(home):
    args = [word for path in ("/home/proj/src", "/home/proj/.env", "/home/proj", "/home/proj/other", "/home/proj/src") for word in ("--mask", path)]
    assert shell([*args, *DROP], "ls -A /home/proj", bind(home)) == ""


def test_where_nothing_can_be_made_nothing_is_done(home):
    args = ["--ro-bind", home, "/home", "--mask", "/home/none", *DROP]
    assert inside(args, "os.path.lexists('/home/none')", FULL) is False
    assert not (home / "none").exists()


def test_a_directory_of_somebody_else_is_no_place_to_make_it():
    if os.getuid() == 0:
        pytest.skip("all directories are root's to write to")
    args = ["--bind", "/usr", "/usr2", "--mask", "/usr2/none"]
    assert inside(args, "os.path.lexists('/usr2/none')", FULL) is False


@pytest.mark.parametrize("path, first", [("/tmp/none", "none"), ("/tmp/none/", "none"), ("/tmp/none/x", "none")])
def test_a_stand_in_is_made_in_a_tmpfs(path, first):
    assert attacks(["--file", 0, "/tmp/other", "--mask", path], f"/tmp/{first}", [], "/tmp/other") == []


def test_a_try_goes_on_without(home):
    result = run([*bind(home), "--mask-try", "/home/none", *DROP], ["true"])
    assert result.returncode == 0 and "/home/none stays as it is" in result.stderr


def test_a_link_that_leads_nowhere_is_an_error_that_names_it(home):
    (home / "dangling").symlink_to("gone/away")
    refused([*bind(home), "--mask", "/home/dangling", *DROP], "/home/dangling", "leads to what does not exist")
    result = run([*bind(home), "--mask-try", "/home/dangling", *DROP], ["true"])
    assert result.returncode == 0 and "stays as it is" in result.stderr


# ---- what takes it back ----

def test_a_later_operation_over_it_is_an_error_that_names_both(home):
    message = refused([*bind(home), "--mask", "/home/.ssh", "--bind", home, "/home", *DROP])
    assert "--bind (argument" in message and "--mask (argument" in message


def test_a_later_operation_over_it_through_a_link_is_an_error_that_names_both(home):
    (home / "also").symlink_to(".ssh")
    message = refused([*bind(home), "--mask", "/home/.ssh", "--bind", home / "proj", "/home/also", *DROP])
    assert "--bind (argument" in message and "--mask (argument" in message


def test_a_later_mask_above_it_is_none(home):
    args = ["--mask", "/home/proj/.env", "--mask", "/home/proj", *DROP]
    assert inside(args, "os.listdir('/home/proj')", bind(home)) == []


@pytest.mark.parametrize("option", ["--bind", "--ro-bind"])
def test_a_bind_that_shows_it_once_more_is_an_error_that_names_both(home, option):
    message = refused([*bind(home), "--mask", "/home/.ssh/id", option, home / ".ssh", "/keys", *DROP])
    assert f"{option} (argument" in message and "--mask (argument" in message and "/keys/id" in message
    run([*bind(home), "--mask", "/home/.ssh/id", option, home / "proj", "/proj", *DROP], ["true"]).check_returncode()


def test_a_bind_through_a_link_that_shows_it_once_more_is_an_error(home):
    (home.parent / "alias").symlink_to(home)
    refused([*FULL, "--ro-bind", home.parent / "alias", "/all", *bind(home), "--mask", "/home/.ssh", *DROP],
            "/all/.ssh")


@pytest.mark.parametrize("protected", ["/again/proj/.env", "/again/proj", "/again"])
@pytest.mark.parametrize("comes_first", [True, False])
def test_a_protection_that_shows_it_once_more_is_an_error(home, protected, comes_first):
    words = ["--protect", protected, "--mask", "/home/proj/.env"]
    args = [*FULL, "--ro-bind", home, "/home", "--ro-bind", home, "/again", "--ro-bind", home / "proj", "/again/proj",
            *(words if comes_first else words[2:] + words[:2])]
    refused([*args, *DROP], "--mask (argument", "/again/proj/.env")


@pytest.mark.parametrize("place", [["--bind-inner", "/home/proj", "/again", "--mask", "/home/proj/.env"],
                                   ["--bind-inner", "/home/proj", "/again", "--mask", "/again/.env"],
                                   ["--symlink", "home/proj", "/link", "--bind-inner", "/link", "/again", "--mask", "/home/proj/.env"]])
def test_a_place_of_the_sandbox_that_shows_it_once_more_is_an_error(home, place):
    message = refused([*bind(home), *place, *DROP], "once more")
    assert "--bind-inner (argument" in message or "--bind (argument" in message
    after = ["--mask", "/home/proj/.env", "--bind-inner", "/home/proj", "/again", *DROP]
    assert shell(after, "cat /again/.env", bind(home)) == ""


def test_a_file_of_the_sandbox_that_is_shown_once_more_is_an_error():
    for first in (["--dir", "/d"], ["--tmpfs", "/d"]):
        args = [*FULL, *first, "--file", 0, "/d/secret", "--bind-inner", "/d", "/e"]
        refused([*args, "--mask", "/d/secret", *DROP], "/e/secret")
        refused([*args, "--mask", "/e/secret", *DROP], "/d/secret; add --mask /d/secret\n")
        run([*args, "--mask", "/e/secret", "--mask", "/d/secret", *DROP], ["true"]).check_returncode()


def test_an_overlay_that_shows_it_once_more_is_an_error(home):
    need_kernel_overlay("user")  # the other backend is announced in a line of its own
    refused([*bind(home), "--overlay-src", home, "--tmp-overlay", "/view", "--mask", "/home/.ssh", *DROP],
            "shows it once more, at /view/.ssh; add --mask /view/.ssh\n")


# ---- whom it holds against ----

def test_user_namespaces_stay_where_nothing_can_be_taken_off(home):
    args = ["--ro-bind", home, "/home", "--mask", "/home/.ssh"]
    run([*FULL, *args, *DROP], ["unshare", "-Um", "true"]).check_returncode()
    assert "umount" in run([*FULL, *args, *DROP], ["unshare", "-Um", "umount", "/home/.ssh"]).stderr


def test_with_accidents_only_user_namespaces_stay(home):
    args = [*bind(home), "--mask", "/home/.ssh", *ONLY_ACCIDENTS]
    run(args, ["unshare", "-U", "true"]).check_returncode()
    assert shell(["--mask", "/home/.ssh", *ONLY_ACCIDENTS], "ls -A /home/.ssh", bind(home)) == ""


@pytest.mark.user
def test_kept_capabilities_are_an_error(home):
    refused([*bind(home), "--unshare-user", "--cap-add", "CAP_SYS_ADMIN", "--mask", "/home/.ssh"],
            "--cap-drop", "--unshare-user")


@pytest.mark.root
def test_roots_capabilities_are_an_error(home):
    refused([*bind(home), "--mask", "/home/.ssh"], "--cap-drop", "--unshare-user")
    refused([*FULL, "--ro-bind", home, "/home", "--mask", "/home/.ssh"], "--cap-drop", "--unshare-user")


@pytest.mark.parametrize("form", [[], ["--die-with-parent"], ["--unshare-pid"], ["--unshare-all"],
                                  ["--unshare-pid", "--as-pid-1"]])
def test_in_every_topology_nothing_else_is_mounted_below_the_root(home, form):
    args = [*bind(home), "--mask", "/home/.ssh", *form, *DROP]
    assert shell(args, "ls -A /home/.ssh; ls -A / | sort | tr '\\n' ' '", []) == "bin dev home lib lib64 proc tmp usr "
    assert "cover" not in shell(args, "cat /proc/self/mountinfo", [])


def test_many_masks_and_few_descriptors(home):
    for i in range(60):
        (home / f"s{i}").mkdir()
    masks = [word for i in range(60) for word in ("--mask", f"/home/s{i}")]
    result = run([*bind(home), *masks, *DROP], ["ls", "/home/s7"], prefix=["prlimit", "--nofile=40"])
    assert_ok(result)


def test_a_path_that_is_none_is_refused():
    for words, text in [([""], "empty path"), (["--bind"], "forgotten"), ([], "takes 1")]:
        assert run(["--mask", *words]).returncode == 1, text
    refused([*BASE, "--mask", "/usr/.."], "root")
    assert_refused(run([*BASE, "--protect-accidents-only"], ["echo"]), "needs --mask or --protect")


# ---- what is mounted when somebody asks for it ----

# An automount at the first argument. Where there is a second, it has a secret as soon as somebody asks for what is in it.
AUTOMOUNT = """
import ctypes, fcntl, struct
libc = ctypes.CDLL(None, use_errno=True)
def mount(kind, options):
    if libc.mount(kind, place.encode(), kind, 0, options.encode()) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
place, secret = sys.argv.pop(1), sys.argv.pop(1)
ready = os.pipe()
if os.fork():
    os.close(ready[1])
    if not os.read(ready[0], 1): sys.exit("no automount")
else:
    libc.prctl(1, signal.SIGKILL)
    os.setpgid(0, 0)
    asked, asks = os.pipe()
    mount(b"autofs", f"fd={asks},pgrp={os.getpgrp()},minproto=5,maxproto=5,direct")
    root = os.open(place, os.O_RDONLY)
    os.write(ready[1], b".")
    while True:
        token = struct.unpack_from("=iii", os.read(asked, 304))[2]
        if secret:
            mount(b"tmpfs", "mode=0777")
            with open(place + "/secret", "w") as file: file.write(secret)
        fcntl.ioctl(root, 0x9360 if secret else 0x9361, token)
"""


@pytest.mark.root
@pytest.mark.parametrize("secret", ["secret", ""])
def test_what_is_mounted_once_somebody_asks_for_it_is_hidden_or_an_error(home, secret):
    if "autofs" not in Path("/proc/filesystems").read_text().split():
        pytest.skip("the kernel has no automounts")
    if REFUSE:
        pytest.skip("without openat2 nothing asks for it, and it is an error always")
    prefix = [*host_mounts(f"mount -t tmpfs none {home}; mount --make-shared {home}; mkdir {home}/auto"),
              *python_prefix(AUTOMOUNT), home / "auto", secret]
    for later in ([], ["--dir", "/tmp/x"]):
        result = run([*bind(home), "--mask", "/home/auto/secret", *later, *DROP], ["cat", "/home/auto/secret"], prefix=prefix)
        assert "secret" not in result.stdout
        if secret:
            assert_ok(result)
        else:
            assert_refused(result, "--mask (argument", "/home/auto is an automount where nothing is mounted")


# ---- what a file system can do beside its mounts ----

# A subvolume of btrfs has in it what is masked; its owner asks for a snapshot of it, and for its removal.
SUBVOLUME = """
import fcntl, struct
def ask(request, fd, name):
    directory = os.open("{0}", os.O_RDONLY)
    try:
        fcntl.ioctl(directory, request, bytearray(struct.pack("=q4088s", fd, name)))
        return 0
    except OSError as error:
        return error.errno
"""


@pytest.mark.root
def test_no_snapshot_and_no_removal_of_a_subvolume_undoes_it(box):
    make = shutil.which("mkfs.btrfs", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if not make or "btrfs" not in Path("/proc/filesystems").read_text().split():
        pytest.skip("no mkfs.btrfs, or no btrfs in the kernel")
    with open(box / "image", "wb") as image:
        image.truncate(120 << 20)
    subprocess.run([make, "-q", box / "image"], check=True, stdout=subprocess.DEVNULL)
    (box / "top").mkdir()
    code = SUBVOLUME.format(box / "top")
    mounted = host_mounts(f"mount -o loop,user_subvol_rm_allowed {box}/image {box}/top")
    args = [*FULL, "--bind", box / "top", box / "top", "--unshare-user", *DROP]
    for name, words, answers in (("a", [], [errno.EPERM] * 2), ("b", ONLY_ACCIDENTS, [0, 0])):
        volume = box / "top" / name
        prefix = [*mounted, *python_prefix(f"{code}assert ask(0x5000940e, 0, b'{name}') == 0\nos.mkdir('{volume}/kept')")]
        attack = f"import os{code}print(ask(0x50009401, os.open('{volume}', os.O_RDONLY), b'{name}+'), ask(0x5000940f, 0, b'{name}'))"
        result = run_python(["--protect", volume / "kept", *words], attack, args, prefix=prefix)
        if result.stderr.startswith("mount:"):
            pytest.skip(f"no loop device: {result.stderr}")
        assert_ok(result)
        assert result.stdout.split() == [str(answer) for answer in answers]
