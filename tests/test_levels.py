"""What is made where a read-only tree lacks the place for it."""
import os
import subprocess

import pytest

from lines import form_args, forms
from sandbox import (BASE, FULL, IS_ROOT, args_fd, as_user, assert_ok, data_fd, host_mounts, inside, mounts_inside,
                     python_prefix, refused, run, shell, swapping, tree, user_ids)

pytestmark = pytest.mark.core


@pytest.fixture
def level(box):
    """box/b, a directory with one of each, and box/shown, which is bound into it."""
    (box / "b" / "dir" / "deep").mkdir(parents=True)
    (box / "b" / "dir" / "deep" / "file").write_text("deep")
    (box / "b" / "file").write_text("precious")
    (box / "b" / "link").symlink_to("dir/deep")
    os.mkfifo(box / "b" / "fifo")
    (box / "b").chmod(0o751)
    (box / "shown").mkdir()
    (box / "shown" / "mine").write_text("mine")
    return box


def on(box, *operations):
    return ["--ro-bind", box / "b", "/b", *operations]


OPERATIONS = [["--bind", "SHOWN", "/b/new"], ["--ro-bind", "SHOWN", "/b/p/q/new"], ["--dev-bind", "SHOWN", "/b/new"], ["--tmpfs", "/b/new"],
              ["--ro-bind", "/usr/bin/env", "/b/new"], ["--ro-bind-data", "DATA", "/b/p/new"], ["--bind-data", "DATA", "/b/new"],
              ["--file", "DATA", "/b/new"], ["--dir", "/b/p/new"], ["--symlink", "file", "/b/new"], ["--proc", "/b/new"],
              ["--dev", "/b/new"], ["--unshare-ipc", "--mqueue", "/b/new"], ["--overlay-src", "SHOWN", "--tmp-overlay", "/b/new"],
              ["--bind-try", "SHOWN", "/b/dir/new"], ["--tmpfs", "/b/link/new"], ["--tmpfs", "/b/p/../new"]]


@pytest.mark.parametrize("operation", OPERATIONS, ids=" ".join)
def test_what_a_read_only_tree_lacks_is_made_without_touching_the_host(operation, level):
    before = tree(level)
    words = {"SHOWN": lambda: level / "shown", "DATA": lambda: data_fd("data")}
    operation = [words[word]() if word in words else word for word in operation]
    place = operation[-1]
    script = f"test -e {place}; cat /b/file /b/link/file; ! touch /b/x 2>&1; ! touch /b/dir/x 2>&1; ! touch /b/file 2>&1; ! rm /b/link 2>&1"
    out = shell(on(level, *operation), script)
    assert out.startswith("preciousdeep") and out.count("Read-only file system") == 4
    assert tree(level) == before


def test_what_is_made_there_is_what_it_would_be_elsewhere(level):
    args = on(level, "--bind", level / "shown", "/b/one/two", "--tmpfs", "/b/dir/new", "--file", data_fd("words"), "/b/text",
              "--symlink", "text", "/b/to")
    script = "cat /b/one/two/mine /b/to; echo more >/b/one/two/more; touch /b/dir/new/x; ls /b /b/dir; stat -c %a /b/one"
    assert shell(args, script) == "minewords/b:\ndir\nfifo\nfile\nlink\none\ntext\nto\n\n/b/dir:\ndeep\nnew\n700\n"
    assert (level / "shown" / "more").read_text() == "more\n"


def test_its_entries_are_the_same_objects_with_the_same_modes_and_kinds(level):
    code = """{name: (oct(s.st_mode), s.st_ino if not stat.S_ISLNK(s.st_mode) else os.readlink('/b/' + name), s.st_size)
               for name in ('dir', 'file', 'link', 'fifo') for s in [os.lstat('/b/' + name)]}, oct(os.stat('/b').st_mode)"""
    assert inside(on(level, "--tmpfs", "/b/new"), code) == inside(on(level), code)
    kinds = "sorted((e.name, e.is_dir(follow_symlinks=False), e.is_symlink()) for e in os.scandir('/b'))"
    assert [kind for kind in inside(on(level, "--tmpfs", "/b/new"), kinds) if kind[0] != "new"] == inside(on(level), kinds)


@forms
def test_the_root_is_such_a_level_in_every_form(form, level):
    args = ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--bind", level / "shown", "/new/place", *form_args(form)]
    script = "cat /new/place/mine; echo x >/dev/null; test -e /proc/self/stat; touch /new/place/w; ! touch /new/x 2>&-; ! touch /usr/x 2>&1; ls /"
    out = shell(args, script, base=[])
    assert out.startswith("mine") and "Read-only file system" in out
    assert {"new", *(name for name in os.listdir("/") if name[0] != ".")} <= set(out.split())
    assert (level / "shown" / "w").exists() and not os.path.lexists("/new")


def test_operations_below_the_same_level_find_it_and_return_to_it(level):
    args = on(level, "--tmpfs", "/b/1", "--tmpfs", "/b/dir/1", "--tmpfs", "/b/2", "--dir", "/b/dir/2", "--tmpfs", "/b/1/x", "--tmpfs", "/b/dir/deep/1",
              "--tmpfs", "/new", "--tmpfs", "/b/3")
    script = "ls /b /b/dir /b/dir/deep; for d in /b /b/dir /b/dir/deep /b/dir/2; do ! touch $d/x 2>&1; done; touch /b/1/x/y /b/3/y"
    out = shell(args, script)
    assert out.startswith("/b:\n1\n2\n3\ndir\nfifo\nfile\nlink\n\n/b/dir:\n1\n2\ndeep\n\n/b/dir/deep:\n1\nfile\n") and out.count("Read-only") == 4
    assert sum(mount.type == "tmpfs" and point in ("/b", "/b/dir", "/b/dir/deep") for point, mount in mounts_inside(args).items()) == 3


def test_what_was_mounted_before_is_still_there_and_hides_what_it_hid(level):
    (level / "empty").mkdir()
    args = on(level, "--tmpfs", "/b/dir/deep", "--bind", level / "shown", "/b/dir/deep/below", "--ro-bind", level / "empty", "/b/dir/deep/below",
              "--bind-data", data_fd("other"), "/b/file", "--tmpfs", "/b/dir", "--dir", "/b/dir/sub", "--tmpfs", "/b/dir/sub", "--dir", "/b/new",
              "--tmpfs", "/b/dir/sub/more", "--bind", level / "shown", "/b/last")
    script = "ls -A /b /b/dir /b/dir/sub; cat /b/file /b/last/mine; touch /b/dir/x /b/dir/sub/x; echo >>/b/file; ! ls /b/link/ 2>&-"
    assert shell(args, script) == "/b:\ndir\nfifo\nfile\nlast\nlink\nnew\n\n/b/dir:\nsub\n\n/b/dir/sub:\nmore\nothermine"
    assert (level / "b" / "file").read_text() == "precious"


def test_mounts_that_lie_on_another_keep_their_order(level):
    args = on(level, "--tmpfs", "/b/dir", "--bind", level / "shown", "/b/dir", "--ro-bind", "/usr/share", "/b/dir", "--dir", "/b/new")
    assert shell(args, "test -d /b/dir/man; ! touch /b/dir/x 2>&-; tac /proc/self/mountinfo | grep -c ' /b/dir '", base=FULL) == "4\n"


def test_submounts_of_the_host_are_shown_with_the_flags_they_had(level):
    prefix = host_mounts(f"mount -t tmpfs -o noexec none {level}/b/dir && mkdir {level}/b/dir/s && mount -t tmpfs -o noatime none {level}/b/dir/s"
                         f" && echo there >{level}/b/dir/s/file")
    args = ["--ro-bind", level / "b", "/b", "--tmpfs", "/b/dir/s/x/y", "--tmpfs", "/b/new", "--tmpfs", "/b/dir/new"]
    mounts = mounts_inside(args, prefix=prefix)
    assert mounts["/b/dir"].has("ro", "nosuid", "nodev", "noexec") and mounts["/b/dir/s/file"].has("ro", "nosuid", "nodev", "noatime")
    assert shell(args, "cat /b/dir/s/file; ! touch /b/dir/s/y 2>&-; touch /b/dir/s/x/y/z", prefix=prefix) == "there\n"


def test_submounts_of_the_host_that_lie_on_others_or_behind_a_closed_directory_stay_where_they_are(level):
    b = level / "b"
    prefix = host_mounts(f"""mkdir -p {b}/dir/s/t {b}/closed/in; mount -t tmpfs none {b}/dir/s; mkdir {b}/dir/s/t; mount -t tmpfs none {b}/dir/s/t
        mount -t tmpfs none {b}/dir/s; mount -t tmpfs none {b}/closed/in; mkdir {b}/closed/in/x; mount -t tmpfs none {b}/closed/in/x
        mount -t tmpfs none {b}/dir; mkdir {b}/dir/top; chmod 0 {b}/closed""", user=user_ids()[0])
    level.chmod(0o755)
    b.chmod(0o755)
    args = ["--ro-bind", b, "/b", "--tmpfs", "/b/dir/top", "--dir", "/b/dir/top/mine", "--tmpfs", "/b/new"]
    mounts = mounts_inside(args, prefix=prefix)
    assert all(mounts[f"/b/{point}"].has("ro", "nosuid", "nodev") for point in ("", "dir", "dir/s/t", "closed/in", "closed/in/x") if point)
    assert shell(args, "ls /b/dir /b/dir/top", prefix=prefix).split() == ["/b/dir:", "top", "/b/dir/top:", "mine"]
    os.chmod(b / "closed", 0o700)


@pytest.mark.parametrize("operations, place", [
    (["--tmpfs", "/b/new", "--bind-inner", "/b", "/view"], "/view/x"), (["--file", "DATA", "/b/new", "--bind-inner", "/b", "/view"], "/view/x"),
    (["--tmpfs", "/b/dir/new", "--bind-inner", "/", "/view"], "/view/b/dir/x"),
    (["--tmpfs", "/b/new", "--bind-inner", "/b", "/view", "--dir", "/b/more", "--bind-inner", "/b", "/view"], "/view/more/x"),
    (["--tmpfs", "/t", "--remount-ro", "/t", "--dir", "/t/new", "--bind-inner", "/t", "/view"], "/view/new/x"),
    (["--mount-flags", "ro", "--tmpfs", "/t", "--dir", "/t/new", "--bind-inner", "/t/new", "/view"], "/view/x")], ids=str)
def test_a_second_view_of_it_is_as_read_only_as_the_first(operations, place, level):
    operations = [data_fd("data") if word == "DATA" else word for word in operations]
    assert "Read-only file system" in shell(on(level, *operations), f"! touch {place} 2>&1")


@pytest.mark.parametrize("cover", [["--ro-bind", "/", "/"], ["--bind-inner", "/b/new", "/"], ["--tmpfs", "/"]], ids=" ".join)
@pytest.mark.parametrize("descriptors", [40, 1000])
def test_a_root_that_covers_it_is_all_that_there_is(cover, descriptors, level):
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({descriptors}, {descriptors}))"
    args = [*BASE, *on(level, "--tmpfs", "/b/new"), *["--ro-bind", "/usr", "/many"] * 50, *cover, *BASE]
    assert_ok(run(args, ["test", "!", "-e", "/b/new"], prefix=python_prefix(limit)))


@pytest.mark.parametrize("made", [["--remount-ro", "/b"], ["--remount-ro", "/b/./"]], ids=" ".join)
def test_a_tree_that_was_remounted_read_only_is_such_a_tree(made, level):
    before = tree(level / "b")
    args = ["--bind", level / "b", "/b", *made, "--tmpfs", "/b/new"]
    assert "Read-only" in shell(args, "ls -d /b/new; ! touch /b/x 2>&1")
    assert tree(level / "b") == before


def test_a_read_only_overlay_is_such_a_tree(level):
    args = ["--overlay-src", level / "b", "--overlay-src", level / "shown", "--ro-overlay", "/o", "--tmpfs", "/o/new"]
    assert shell(args, "ls /o; cat /o/mine /o/link/file") == "dir\nfifo\nfile\nlink\nmine\nnew\nminedeep"


def test_a_source_that_may_be_missing_makes_no_level(level):
    args = on(level, "--bind-try", level / "missing", "/b/new")
    assert "/b" in mounts_inside(args) and mounts_inside(args)["/b"].type == mounts_inside(on(level))["/b"].type
    assert "new" not in inside(args, "os.listdir('/b')")


# ---- where it cannot be had ----

@pytest.mark.root
def test_what_cannot_be_read_names_the_option_that_made_the_tree_read_only(level):
    level.chmod(0o755)
    (level / "b").chmod(0o711)
    refused([*BASE, *on(level, "--tmpfs", "/b/new")], f"--ro-bind (argument {len(BASE) + 1}) made it read-only, and /b cannot be read",
            prefix=as_user())


def test_a_directory_with_very_many_entries_is_refused(level):
    for number in range(4097):
        (level / "b" / "dir" / str(number)).touch()
    refused([*BASE, *on(level, "--tmpfs", "/b/dir/new")], f"--ro-bind (argument {len(BASE) + 1}) made it read-only, and /b/dir has more than 4096 entries",
            "create it on the host")
    assert shell(on(level, "--tmpfs", "/b/new"), "ls /b/dir | wc -l") == "4098\n"


@pytest.mark.parametrize("place", ["/sys/new", "/dev/new", "/dev/pts/new"])
def test_what_the_kernel_makes_as_it_is_looked_at_is_no_level(place):
    if not os.path.isdir(os.path.dirname(place)):
        pytest.skip(f"no {os.path.dirname(place)} here")
    refused(["--ro-bind", "/", "/", "--tmpfs", place], "--ro-bind (argument 1) made it read-only, and", "cannot be shown by mounts")


def test_below_a_file_nothing_is_made(level):
    for operations in (["--tmpfs", "/b/file/new"], ["--ro-bind", level / "b" / "file", "/f", "--tmpfs", "/f/new"]):
        refused([*BASE, *on(level, *operations)], "Not a directory", operations[-1])


def test_a_link_that_leads_nowhere_is_no_place(level):
    (level / "b" / "nowhere").symlink_to("gone")
    refused([*BASE, *on(level, "--tmpfs", "/b/nowhere/new")], "the link /b/nowhere, which says gone, leads to what does not exist there")


def test_a_mode_in_a_read_only_tree_stays_what_it_is(level):
    refused([*BASE, *on(level, "--tmpfs", "/b/new", "--chmod", "0700", "/b/dir")], "--chmod", "Read-only file system; --ro-bind")


# ---- links and neighbours ----

def test_links_in_it_lead_where_they_led(level):
    (level / "b" / "abs").symlink_to("/b/dir")
    (level / "b" / "up").symlink_to("../../../b/link")
    args = on(level, "--tmpfs", "/b/new", "--tmpfs", "/b/abs/made")
    assert shell(args, "readlink /b/abs /b/up; cat /b/up/file; ls /b/dir") == "/b/dir\n../../../b/link\ndeepdeep\nmade\n"


def test_a_link_that_an_earlier_command_left_in_it_leads_no_change_elsewhere(level):
    (level / "b" / "trap").symlink_to("/safe")
    (level / "safe").mkdir()
    args = ["--bind", level / "b", "/b", "--remount-ro", "/b", "--bind", level / "safe", "/safe", "--tmpfs", "/b/new"]
    refused([*BASE, *args, "--file", data_fd("x"), "/b/trap/x"], "the link /b/trap in what --bind", "leads into what --bind")
    assert not os.listdir(level / "safe")


@pytest.mark.root
def test_a_link_of_roots_in_it_is_the_systems(level):
    (level / "b" / "proj").symlink_to("/safe")
    (level / "safe").mkdir()
    for path in (level, level / "b"):
        path.chmod(0o755)
    os.chown(level / "safe", *user_ids())
    args = on(level, "--bind", level / "safe", "/safe", "--tmpfs", "/b/new", "--file", data_fd("x"), "/b/proj/x")
    assert_ok(run([*BASE, *args], ["cat", "/b/proj/x"], prefix=as_user()))
    assert os.listdir(level / "safe") == ["x"]


@pytest.mark.root
def test_links_of_others_in_a_directory_for_all_are_left_out(level):
    (level / "b").chmod(0o1777)
    level.chmod(0o755)
    (level / "b" / "own").symlink_to("file")
    os.chown(level / "b" / "own", *user_ids(), follow_symlinks=False)
    result = run([*BASE, *on(level, "--tmpfs", "/b/new")], ["ls", "/b"], prefix=as_user())
    assert_ok(result)
    assert result.stdout.split() == ["dir", "fifo", "file", "new", "own"]


@pytest.mark.root
def test_the_owner_of_the_directory_is_kept_for_root(level):
    os.chown(level / "b", 1234, 1235)
    assert shell(on(level, "--tmpfs", "/b/new"), "stat -c '%u %g %a' /b") == "1234 1235 751\n"


def test_a_neighbour_that_exchanges_entries_gets_nothing_made_or_shown_elsewhere(level):
    (level / "outside").mkdir()
    (level / "outside" / "secret").write_text("secret")
    (level / "b" / "trap").symlink_to(level / "outside")
    (level / "b" / "victim").mkdir()
    with swapping(level / "b" / "victim", level / "b" / "trap"):
        for _ in range(40):
            result = run([*BASE, *on(level, "--tmpfs", "/b/victim/x", "--bind", level / "shown", "/b/new")],
                         ["sh", "-c", "cat /b/victim/secret /b/trap/secret 2>&-; cat /b/new/mine"])
            assert "secret" not in result.stdout and (result.returncode == 0) == (result.stdout == "mine"), result
    assert os.listdir(level / "outside") == ["secret"] and sorted(os.listdir(level / "shown")) == ["mine"]


def test_entries_that_come_and_go_meanwhile_break_nothing(level):
    code = f"""
import os
print("busy", flush=True)
n = 0
while True:
    n += 1
    open(f"{level}/b/t{{n % 50}}", "w").close()
    try: os.unlink(f"{level}/b/t{{(n * 7) % 50}}")
    except FileNotFoundError: pass"""
    with subprocess.Popen(["/usr/bin/python3", "-I", "-S", "-c", code], stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            for _ in range(20):
                assert shell(on(level, "--bind", level / "shown", "/b/new"), "cat /b/file /b/new/mine") == "preciousmine"
        finally:
            process.kill()


# ---- few descriptors, many places ----

def test_it_takes_no_descriptor_for_each_level_or_entry(level):
    for number in range(60):
        (level / "b" / f"d{number}").mkdir()
    words = [word for number in range(60) for word in ("--bind", level / "shown", f"/b/d{number}/new", "--dir", f"/b/n{number}")]
    binds = [word for number in range(60) for word in ("--ro-bind", "/usr/bin/env", f"/r/{number}")]
    args = ["--ro-bind", level / "b", "/b", *words, *binds]
    result = run([*BASE, "--args", args_fd(args)], ["sh", "-ec", "cat /b/d59/new/mine; ls /b | wc -l; ls /r | wc -l; ! touch /b/d0/x 2>&-"],
                 prefix=["prlimit", "--nofile=48:48"])
    assert_ok(result)
    assert result.stdout == "mine124\n60\n"


def test_the_root_is_a_level_with_few_descriptors_too(level):
    binds = [word for number in range(60) for word in ("--ro-bind", "/usr/bin/env", f"/r/{number}")]
    args = ["--ro-bind", "/", "/", "--dev", "/dev", *binds, "--bind", level / "shown", "/new"]
    result = run(["--args", args_fd(args)], ["sh", "-ec", "cat /new/mine; ls /r | wc -l; ! touch /x 2>&-; ls /root/root /0 2>&- || echo x >/dev/null"],
                 prefix=["prlimit", "--nofile=48:48"])
    assert_ok(result)
    assert result.stdout == "mine60\n"


@pytest.mark.user
def test_a_sandbox_in_the_sandbox_can_show_the_level_and_take_none_of_it_off(level):
    script = "mount --rbind /b /mnt; cat /mnt/new/mine /mnt/file; ! umount /b 2>&-; ! umount /b/new 2>&-"
    args = [*FULL, "--tmpfs", "/mnt", *on(level, "--bind", level / "shown", "/b/new")]
    result = run(args, ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", script])
    assert_ok(result)
    assert result.stdout == "mineprecious"
