"""What binds and mounts look like inside: flags on every submount, propagation, numbers."""
import os
from pathlib import Path

import pytest

from sandbox import (BASE, BINARY, FULL, IS_ROOT, PYTHON, REFUSE, Holder, args_fd, assert_ok, data_fd,
                     errno_inside, host_mounts, inside, keep, mounts_inside, python_prefix, refused, run, run_python, shell,
                     user_ids)

pytestmark = pytest.mark.core
WITH_PROC = [*BASE, "--proc", "/proc"]


def submounts(box, more=""):
    """A host tree with submounts of different flags, as a prefix; the box itself is on the same file system."""
    return host_mounts(f"""cd {box}; mkdir -p src/a src/b src/plain src/closed
        mount -t tmpfs -o nosuid,nodev,noexec,noatime none src/a
        mount -t tmpfs none src/b; mkdir src/b/deep; mount -t tmpfs -o ro none src/b/deep
        mount -t tmpfs none src/closed; mkdir src/closed/inner; mount -t tmpfs none src/closed/inner
        chmod 0 src/closed
        {more}""")


# ---- flags ----

@pytest.mark.parametrize("option, present, absent", [
    ("--ro-bind", {"ro", "nosuid", "nodev"}, set()),
    ("--bind", {"rw", "nosuid", "nodev"}, {"ro"}),
    ("--dev-bind", {"rw", "nosuid"}, {"nodev", "ro"}),
])
def test_a_bind_has_its_flags_on_every_submount(option, present, absent, box):
    mounts = mounts_inside([option, box / "src", "/src"], prefix=submounts(box))
    for point in ("/src", "/src/a", "/src/b", "/src/b/deep", "/src/closed", "/src/closed/inner"):
        options = mounts[point].options
        expected = present - ({"rw"} if point == "/src/b/deep" else set())
        assert expected <= options, (point, options)
        kept = {"nodev", "noexec", "noatime"} if point == "/src/a" else set()
        kept |= {"ro"} if point == "/src/b/deep" else set()
        assert kept <= options, (point, options)
        if not IS_ROOT or point not in ("/src/a", "/src/b/deep"):
            assert not options & (absent - kept - {"nodev"}), (point, options)


def test_ro_bind_covers_submounts_below_unsearchable_directory(box):
    mounts = mounts_inside(["--ro-bind", box / "src", "/src"], prefix=submounts(box))
    assert mounts["/src/closed/inner"].has("ro", "nosuid", "nodev")


@pytest.mark.root
def test_a_user_who_cannot_reach_a_submount_gets_it_read_only_too(box):
    prefix = host_mounts(f"""mkdir -p {box}/src/root/x; mount -t tmpfs none {box}/src/root/x; chmod 700 {box}/src/root
        mkdir {box}/src/root/x/y; mount -t tmpfs none {box}/src/root/x/y""", user=user_ids()[0])
    for option, flag in (("--ro-bind", "ro"), ("--bind", "rw")):
        mounts = mounts_inside([option, box / "src", "/src"], prefix=prefix)
        assert all(mounts[f"/src{point}"].has(flag, "nosuid", "nodev") for point in ("", "/root/x", "/root/x/y"))


def test_ro_bind_of_the_whole_host_covers_every_mount():
    for point, mount in mounts_inside(["--ro-bind", "/", "/"], base=[]).items():
        assert mount.has("ro", "nosuid", "nodev"), mount


def test_nothing_can_be_written_below_a_ro_bind(box):
    code = """for p in ("/src/x", "/src/a/x", "/src/b/x", "/src/plain/x"):
    try: open(p, "w"); print("WROTE", p)
    except OSError as e: print(os.path.dirname(p), e.strerror)"""
    result = run_python(["--ro-bind", box / "src", "/src"], "import os\n" + code, prefix=submounts(box))
    assert_ok(result)
    assert [line.split(" ", 1)[1] for line in result.stdout.splitlines()] == ["Read-only file system"] * 4


def test_nosymfollow_of_the_host_is_kept(box):
    prefix = host_mounts(f"mkdir {box}/n; mount -t tmpfs -o nosymfollow none {box}/n || exit 77")
    result = run([*WITH_PROC, "--bind", box / "n", "/n"], ["cat", "/proc/self/mountinfo"], prefix=prefix)
    if result.returncode == 77:
        pytest.skip("mount(8) does not know nosymfollow")
    assert_ok(result)
    assert [line for line in result.stdout.splitlines() if " /n " in line and "nosymfollow" in line]


@pytest.mark.root
def test_device_nodes_work_only_below_dev_bind(box):
    setup = f"mount -t tmpfs none {box}; mknod -m 666 {box}/null c 1 3"
    for option, outcome in (("--bind", "Permission denied"), ("--ro-bind", "Permission denied"), ("--dev-bind", "ok")):
        result = run_python([option, box, "/b"], "try: open('/b/null', 'w').write('x'); print('ok')\n"
                            "except OSError as e: print(e.strerror)", prefix=host_mounts(setup, user=user_ids()[0]))
        assert result.stdout == outcome + "\n", result


@pytest.mark.root
def test_suid_programs_are_inert(box):
    setup = f"mount -t tmpfs none {box}; cp /usr/bin/id {box}/id; chmod 4755 {box}/id"
    uid = user_ids()[0]
    for option in ("--bind", "--ro-bind", "--dev-bind"):
        result = run([*BASE, option, box, "/b"], ["/b/id", "-u"], prefix=host_mounts(setup, user=uid))
        assert result.stdout == f"{uid}\n", result
    assert_ok(run([*BASE, "--unshare-user", "--uid", "7", "--ro-bind", "/usr", "/u"], ["/u/bin/env", "true"]))


# ---- propagation ----

def shared_source(box):
    """The shell stays: a slave's master lasts only as long as someone is in the mount namespace it was made in."""
    return host_mounts(f"mkdir {box}/s; mount -t tmpfs none {box}/s; mount --make-shared {box}/s; mkdir {box}/s/m",
                       then='"$@"; exit $?')


@pytest.mark.parametrize("args, propagation", [
    (["--ro-bind"], set()), (["--bind"], {"master"}), (["--dev-bind"], {"master"}),
    (["--propagation", "slave", "--ro-bind"], {"master"}), (["--propagation", "private", "--bind"], set()),
    (["--propagation", "private", "--dev-bind"], set()), (["--propagation", "slave", "--bind"], {"master"}),
], ids=" ".join)
def test_read_only_binds_are_private_and_writable_ones_slaves_unless_said_otherwise(args, propagation, box):
    mounts = mounts_inside([*args, box / "s", "/s"], prefix=shared_source(box))
    assert mounts["/s"].propagation == propagation


def test_the_propagation_of_one_bind_is_not_the_next_ones(box):
    mounts = mounts_inside(["--propagation", "slave", "--ro-bind", box / "s", "/one", "--ro-bind", box / "s", "/two"],
                           prefix=shared_source(box))
    assert (mounts["/one"].propagation, mounts["/two"].propagation) == ({"master"}, set())


@pytest.mark.parametrize("args, appears", [
    (["--ro-bind", "SRC", "/s"], False), (["--bind", "SRC", "/s"], True),
    (["--propagation", "private", "--bind", "SRC", "/s"], False),
    (["--propagation", "slave", "--ro-bind", "SRC", "/s"], True),
    (["--mount-flags", "noexec", "--bind", "SRC", "/s"], False), (["--bind", "SRC", "/b", "--mount-flags", "nosuid", "--bind-inner", "/b", "/s"], False),
    (["--mount-flags", "noatime", "--bind", "SRC", "/s"], True) if IS_ROOT else (["--bind", "SRC", "/b", "--bind-inner", "/b", "/s"], True),
    (["--mount-flags", "noexec", "--propagation", "slave", "--bind", "SRC", "/s"], True),
    (["--bind", "SRC", "/s", "--remount-ro", "/s"], False),
    (["--propagation", "slave", "--ro-bind", "SRC", "/s", "--remount-ro", "/s"], False),
], ids=str)
def test_a_mount_that_the_host_adds_later_appears_only_in_a_slave(args, appears, box):
    (box / "sync").mkdir(mode=0o777)
    setup = f"mkdir {box}/s; mount -t tmpfs none {box}/s; mount --make-shared {box}/s; mkdir {box}/s/m"
    # The tool runs in the background while its host mounts something; wait tells how it ended.
    then = f"""drop=; while [ "$1" = setpriv ] || [ "${{1#--}}" != "$1" ]; do drop="$drop $1"; shift; done
        $drop "$@" & while [ ! -e {box}/sync/ready ]; do kill -0 $!; sleep 0.01; done
        mount -t tmpfs none {box}/s/m; touch {box}/s/m/new {box}/sync/mounted; wait $!"""
    result = run([*BASE, "--bind", box / "sync", "/sync", *(box / "s" if word == "SRC" else word for word in args)],
                 ["sh", "-c", "touch /sync/ready; until [ -e /sync/mounted ]; do sleep 0.01; done; ls /s/m"],
                 prefix=host_mounts(setup, then))
    assert_ok(result)
    assert result.stdout == ("new\n" if appears else "")


def test_mounts_made_in_the_sandbox_never_reach_the_host():
    before = open("/proc/self/mountinfo").read()
    run([*FULL, "--bind", "/tmp", "/mnt", "--tmpfs", "/mnt", "--unshare-all"], ["true"])
    new = set(open("/proc/self/mountinfo").read().splitlines()) - set(before.splitlines())
    assert not [line for line in new if "/mnt" in line or "newroot" in line or "bwrapish" in line]


# ---- the new root ----

def test_the_new_root_is_an_empty_writable_tmpfs():
    mounts = mounts_inside([])
    assert mounts["/"].type == "tmpfs" and mounts["/"].has("rw", "nosuid", "nodev")
    assert inside([], "sorted(os.listdir('/')), os.mkdir('/new'), oct(os.stat('/').st_mode & 0o7777)") \
        == (["bin", "lib", "lib64", "usr"], None, "0o755")


def test_only_requested_mounts_exist():
    assert set(mounts_inside([])) - {p for p in mounts_inside([]) if p.startswith("/proc/")} == {"/", "/usr", "/proc"}


def test_a_bind_can_be_the_root():
    mounts = mounts_inside(["--ro-bind", "/", "/", "--tmpfs", "/tmp"], base=[])
    assert mounts["/"].has("ro") and mounts["/tmp"].type == "tmpfs"


def test_later_operations_cover_earlier_ones(box):
    (box / "f").write_text("host")
    assert shell(["--ro-bind", box, "/b", "--tmpfs", "/b"], "ls /b") == ""
    assert shell(["--tmpfs", "/b", "--dir", "/b/x", "--ro-bind", box, "/b"], "ls /b") == "f\n"
    assert inside(["--tmpfs", "/", "--dir", "/only", *BASE], "'only' in os.listdir('/')", base=[])


def test_file_binds_show_the_file(box):
    (box / "f").write_text("one")
    assert shell(["--bind", box / "f", "/x"], "cat /x; echo two >/x") == "one"
    assert (box / "f").read_text() == "two\n"


def test_a_socket_a_fifo_and_a_device_can_be_bound(box):
    os.mkfifo(box / "fifo")
    assert inside(["--bind", box / "fifo", "/f", "--dev-bind", "/dev/null", "/null"],
                  "stat.S_ISFIFO(os.stat('/f').st_mode), open('/null', 'w').write('x')") == (True, 1)


# Whatever name is looked up is a directory, and each of them claims the inode number of the top.
ONE_INODE_NUMBER = r"""
import ctypes, os, signal, struct, sys
fd = os.open("/dev/fuse", os.O_RDWR)
data = f"fd={fd},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()},allow_other"
if ctypes.CDLL(None).mount(b"none", sys.argv[1].encode(), b"fuse", 0, data.encode()):
    sys.exit("the mount was refused")
server = os.fork()
if server:
    print(server, flush=True)
    os._exit(0)
os.close(1)
signal.alarm(60)
INIT, LOOKUP, GETATTR, FORGET, BATCH_FORGET, OPENDIR, RELEASEDIR = 26, 1, 3, 2, 42, 27, 29
attributes = struct.pack("<6Q10I", 1, 0, 0, 0, 0, 0, 0, 0, 0, 0o40755, 2, os.getuid(), os.getgid(), 0, 4096, 0)
nodes = {}
while True:
    request = os.read(fd, 1 << 18)
    _, call, unique, parent = struct.unpack_from("<IIQQ", request)
    answer, error = b"", 0
    if call == INIT:
        answer = struct.pack("<4I2H2I2HI7I", 7, 31, 0, 0, 0, 0, 4096, 1, 0, 0, *[0] * 8)
    elif call == LOOKUP:
        node = nodes.setdefault((parent, request[40:]), len(nodes) + 2)
        answer = struct.pack("<4Q2I", node, 0, 60, 60, 0, 0) + attributes
    elif call == GETATTR:
        answer = struct.pack("<Q2I", 60, 0, 0) + attributes
    elif call == OPENDIR:
        answer = bytes(16)
    elif call in (FORGET, BATCH_FORGET):
        continue
    elif call != RELEASEDIR:
        error = -38
    os.write(fd, struct.pack("<IiQ", 16 + len(answer), error, unique) + answer)
"""


@pytest.mark.root
def test_another_users_fuse_mount_can_be_covered(box):
    (box / "fuse").mkdir()
    (box / "shown").mkdir()
    (box / "shown" / "file").touch()
    mount = f"""import ctypes
fd = os.open("/dev/fuse", os.O_RDWR)
os.set_inheritable(fd, True)
data = f"fd={{fd}},rootmode=40000,user_id={user_ids()[0]},group_id=0"
assert ctypes.CDLL(None).mount(b"none", b"{box}/fuse", b"fuse", 0, data.encode()) == 0"""
    prefix = ["unshare", "--mount", "--propagation", "private", *python_prefix(mount)]
    for args, shown in ((["--tmpfs", "/b/fuse"], []), (["--ro-bind", box / "shown", "/b/fuse"], ["file"]),
                        (["--dir", "/b/fuse", "--tmpfs", "/b/fuse"], [])):
        result = run_python(["--bind", box, "/b", *args], "import os; print(os.listdir('/b/fuse'))", prefix=prefix)
        assert result.returncode == 0 and result.stdout == f"{shown}\n", result
    refused(["--bind", box, "/b", "--ro-bind", "/etc/passwd", "/b/fuse"], "it is not a file", base=BASE, prefix=prefix)


@pytest.mark.skipif(not IS_ROOT and not os.access("/dev/fuse", os.R_OK | os.W_OK), reason="/dev/fuse is not usable")
def test_a_directory_with_the_inode_number_of_the_root_is_not_the_root(box):
    """btrfs has such ones, too: the top of each subvolume."""
    setup = f"mkdir {box}/fuse; server=$({PYTHON} -I -S -c '{ONE_INODE_NUMBER}' {box}/fuse)"
    prefix = host_mounts(setup, then='"$@" && status=0 || status=$?; kill $server; exit $status')
    args = ["--bind", box / "fuse", "/", *WITH_PROC[:3], "--ro-bind", "/usr/bin", "/bin", "--ro-bind", "/usr/lib", "/lib",
            "--ro-bind", "/usr/lib64", "/lib64", "--tmpfs", "/d", "--dir", "/d/made", "--tmpfs", "/e/../f"]
    result = run([*args, "--proc", "/proc"], ["sh", "-c", "ls /d; grep -o ' /f tmpfs' /proc/mounts"], prefix=prefix)
    assert_ok(result)
    assert result.stdout == "made\n /f tmpfs\n"


# ---- remount-ro ----

def test_remount_ro_is_one_mount_and_not_its_submounts(box):
    mounts = mounts_inside(["--bind", box, "/b", "--tmpfs", "/b", "--tmpfs", "/b/sub", "--remount-ro", "/b"])
    assert mounts["/b"].has("ro", "nosuid", "nodev") and mounts["/b/sub"].has("rw")


def test_remount_ro_of_the_root_closes_it():
    assert inside(["--tmpfs", "/tmp", "--remount-ro", "/"],
                  f"{errno_inside('libc.mkdir(b`/new`, 448)'.replace('`', chr(34)))}, os.mkdir('/tmp/ok')") \
        == ("EROFS", None)


def test_remount_ro_keeps_the_other_flags(box):
    mounts = mounts_inside(["--dev-bind", "/dev/shm", "/one", "--remount-ro", "/one", "--bind", box, "/two",
                            "--remount-ro", "/two"])
    assert mounts["/one"].has("ro", "nosuid") and mounts["/two"].has("ro", "nosuid", "nodev")


@pytest.mark.parametrize("path", ["/d", "/usr/bin", "/missing"])
def test_remount_ro_of_what_is_no_mount_point_is_refused(path):
    refused(["--dir", "/d", "--remount-ro", path], "--remount-ro", path, base=BASE)


# ---- binds by descriptor ----

@pytest.mark.parametrize("flags", [os.O_RDONLY, os.O_PATH])
def test_bind_fd_shows_the_object_and_closes_the_descriptor(flags, box):
    (box / "d").mkdir()
    (box / "d" / "f").write_text("F")
    for option, outcome in (("--bind-fd", "wrote"), ("--ro-bind-fd", "Read-only file system")):
        fd = keep(os.open(box / "d", flags))
        code = (f"import os\nprint(open('/x/f').read(), os.path.exists('/proc/self/fd/{fd}'))\n"
                "try: open('/x/new', 'w'); print('wrote')\nexcept OSError as e: print(e.strerror)")
        result = run_python([option, fd, "/x"], code, base=WITH_PROC)
        assert result.stdout == f"F False\n{outcome}\n", result


def test_bind_fd_of_a_file_works(box):
    (box / "f").write_text("F")
    assert shell(["--ro-bind-fd", keep(os.open(box / "f", os.O_RDONLY)), "/x"], "cat /x") == "F"


def test_bind_fd_finds_a_renamed_object(box):
    (box / "one").mkdir()
    fd = keep(os.open(box / "one", os.O_PATH))
    (box / "one").rename(box / "two")
    (box / "two" / "f").touch()
    assert shell(["--ro-bind-fd", fd, "/x"], "ls /x") == "f\n"


def test_bind_fd_of_something_replaced_or_deleted_is_refused(box):
    for other in (False, True):
        (box / "one").mkdir(exist_ok=True)
        fd = keep(os.open(box / "one", os.O_PATH))
        os.rmdir(box / "one")
        if other:
            (box / "other").mkdir()
            (box / "one").symlink_to("other")
        refused(["--ro-bind-fd", fd, "/x"], "--ro-bind-fd", base=BASE)


def test_bind_fd_of_a_pipe_is_refused():
    refused(["--bind-fd", keep(os.memfd_create("m")), "/x"], "--bind-fd", base=BASE)


# ---- tmpfs, dev, proc, mqueue ----

@pytest.mark.parametrize("args, mode", [([], "755"), (["--perms", "1777"], "1777"), (["--perms", "0"], "0")])
def test_tmpfs_is_empty_with_its_mode_and_flags(args, mode):
    assert inside([*args, "--tmpfs", "/t"], "oct(os.stat('/t').st_mode & 0o7777)[2:]") == mode
    assert mounts_inside([*args, "--tmpfs", "/t"])["/t"].has("rw", "nosuid", "nodev")


def test_a_tmpfs_holds_no_more_files_than_its_inodes():
    for inodes in (8, 1):
        assert shell(["--inodes", inodes, "--tmpfs", "/t"], "while touch /t/$((n += 1)) 2>&-; do :; done; ls /t | wc -l") == f"{inodes - 1}\n"
    assert inside(["--inodes", "2K", "--size", "1M", "--tmpfs", "/t"], "os.statvfs('/t').f_files") == 2048
    assert inside(["--inodes", "9", "--tmpfs", "/", *BASE], "os.statvfs('/').f_files", base=[]) == 9


@pytest.mark.parametrize("word", ["0", "-1", "", "1x", "0x10", "1e3", "99999999999999999999"])
def test_a_number_of_inodes_that_is_none_is_refused(word):
    refused(["--inodes", word, "--tmpfs", "/t"], "--inodes (argument ", "Invalid number of inodes", base=BASE)


def test_a_tmpfs_too_small_for_what_is_made_in_it_ends_the_run():
    refused(["--inodes", "1", "--tmpfs", "/t", "--dir", "/t/d"], "--dir (argument ", "No space left on device", base=BASE)


@pytest.mark.parametrize("size", ["1048576", "0x100000", "04000000", "1024k", "1M"])
def test_tmpfs_has_the_size_that_was_asked(size):
    assert inside(["--size", size, "--perms", "0700", "--tmpfs", "/t"],
                  "(lambda s: s.f_blocks * s.f_frsize)(os.statvfs('/t'))") == 1048576


def test_dev_is_exactly_the_small_set():
    names = "null zero full random urandom tty stdin stdout stderr fd core pts ptmx shm".split()
    assert inside(["--dev", "/dev"], "sorted(os.listdir('/dev'))") == sorted(names)
    mount = mounts_inside(["--dev", "/dev"])["/dev"]
    assert mount.type == "tmpfs" and mount.has("nosuid")


def test_dev_nodes_are_the_hosts_and_work():
    code = """import os, stat
numbers = [os.stat(f"/dev/{n}").st_rdev for n in "null zero full random urandom tty".split()]
print([(os.major(number), os.minor(number)) for number in numbers])
print(open("/dev/zero", "rb").read(2), len(open("/dev/urandom", "rb").read(3)), open("/dev/null", "w").write("x"))
print({n: os.readlink(f"/dev/{n}") for n in "stdin stdout stderr fd core ptmx".split()})
open("/dev/shm/x", "w")"""
    result = run_python(["--dev", "/dev"], code, base=WITH_PROC)
    assert_ok(result)
    devices, worked, links = result.stdout.splitlines()
    assert eval(devices) == [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0)] and worked == r"b'\x00\x00' 3 1"
    assert eval(links) == {"stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2",
                           "fd": "/proc/self/fd", "core": "/proc/kcore", "ptmx": "pts/ptmx"}


@pytest.mark.parametrize("args", [[], ["--unshare-all"], ["--unshare-user", "--uid", "7"]], ids=str)
def test_dev_has_a_private_devpts_with_a_working_terminal(args):
    code = "import os\na, b = os.openpty()\nprint(os.ttyname(b), oct(os.stat('/dev/pts/ptmx').st_mode & 0o777), " \
           "oct(os.fstat(b).st_mode & 0o777), sorted(os.listdir('/dev/pts')))"
    result = run_python([*args, "--dev", "/dev"], code)
    assert result.stdout == "/dev/pts/0 0o666 0o620 ['0', 'ptmx']\n", result


def test_dev_has_no_console_without_a_terminal():
    assert not inside(["--dev", "/dev"], "os.path.lexists('/dev/console')")


def test_proc_is_new_with_a_pid_namespace():
    mounts = mounts_inside(["--unshare-pid"])
    assert mounts["/proc"].type == "proc" and mounts["/proc"].has("nosuid", "nodev", "noexec")
    assert inside(["--unshare-pid"], "max(int(n) for n in os.listdir('/proc') if n.isdigit())", base=WITH_PROC) < 10


def test_proc_is_the_hosts_without_one():
    pid = os.getpid()
    assert inside([], f"os.path.exists('/proc/{pid}')", base=WITH_PROC)


PROC_CONTROLS = ["/proc/sys/kernel/core_pattern", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger",
                 "/proc/irq/default_smp_affinity", "/proc/sys/kernel/hostname"]


@pytest.mark.parametrize("option", ["--proc", "--proc-pid", "--proc-try"])
@pytest.mark.parametrize("args", [[], ["--unshare-pid"],
                                  ["--unshare-all", "--unshare-user", "--uid", "0", "--gid", "0"],
                                  ["--unshare-all", "--uid", str(os.getuid())],
                                  ["--unshare-all", "--unshare-user", "--uid", "65534"],
                                  ["--unshare-user", "--unshare-pid", "--uid", "0", "--cap-add", "ALL"]], ids=" ".join)
def test_kernel_controls_in_proc_are_never_writable(option, args):
    if option == "--proc-pid" and not args and not IS_ROOT:
        pytest.skip("a user has none without a new pid namespace")
    code = f"""import os
for p in {PROC_CONTROLS}:
    try: os.close(os.open(p, os.O_WRONLY)); print("WRITABLE", p)
    except OSError: pass
try: os.close(os.open("/proc/kcore", os.O_RDWR)); print("WRITABLE kcore")
except OSError: print("done")"""
    result = run_python([*args, option, "/proc"], code)
    assert result.stdout == "done\n", result


@pytest.mark.root
def test_kernel_controls_in_proc_are_not_writable_for_a_host_root_of_another_number():
    with Holder("--user", "--keep-caps") as holder:
        for kind in ("uid_map", "gid_map"):
            Path(f"/proc/{holder.pid}/{kind}").write_text("0 100000 1\n65534 0 1\n")
        code = f"""import os
os.setresgid(65534, 65534, 65534); os.setresuid(65534, 65534, 65534)
for p in {PROC_CONTROLS}:
    try: os.close(os.open(p, os.O_WRONLY)); print("WRITABLE", p)
    except OSError: pass
print("done")"""
        result = run_python(["--userns", holder.namespace("user"), "--uid", "0", "--gid", "0", "--cap-add", "ALL"], code,
                            base=WITH_PROC)
    assert_ok(result)
    assert result.stdout == "done\n", result


SELF = ["--ro-bind", os.path.dirname(BINARY), os.path.dirname(BINARY)]


@pytest.mark.parametrize("outer", [["--unshare-user"], ["--unshare-user", "--unshare-pid"], ["--unshare-pid"]], ids=" ".join)
@pytest.mark.parametrize("inner", [["--unshare-pid"], ["--unshare-user", "--unshare-pid"]], ids=" ".join)
def test_a_sandbox_in_the_sandbox_has_a_procfs_of_its_own(outer, inner):
    result = run([*WITH_PROC, *SELF, *outer],
                 [BINARY, "--ro-bind", "/", "/", "--proc", "/proc", *inner, "sh", "-c", "echo /proc/[0-9]*"])
    assert_ok(result)
    assert set(result.stdout.split()) <= {"/proc/1", "/proc/2", "/proc/3"}, result


@pytest.mark.root
@pytest.mark.parametrize("args", [["--unshare-user"], ["--unshare-user", "--unshare-pid"]], ids=" ".join)
def test_a_procfs_that_roots_command_mounts_itself_is_read_only(args):
    code = """import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
assert libc.unshare(0x20020000) == 0  # CLONE_NEWPID, CLONE_NEWNS
if os.fork():
    raise SystemExit(os.wait()[1])
RDONLY, REMOUNT, BIND = 1, 32, 4096
print([libc.mount(b"proc", b"/tmp", b"proc", flags, None) for flags in (0, RDONLY)])
print([libc.mount(None, b"/tmp", None, flags, None) for flags in (REMOUNT, REMOUNT | BIND)])
for top in "/tmp", "/proc":
    try: open(f"{top}/sys/vm/swappiness", "r+"); print("WRITABLE", top)
    except OSError: pass
print(libc.umount2(b"/proc/sys", 0), libc.umount2(b"/proc", 2))"""
    result = run_python(["--tmpfs", "/tmp", *args], code, base=WITH_PROC)
    assert_ok(result)
    assert result.stdout == "[-1, 0]\n[-1, -1]\n-1 -1\n", result


def test_mqueue_is_mounted_in_a_new_ipc_namespace():
    mounts = mounts_inside(["--unshare-ipc", "--mqueue", "/q"])
    assert mounts["/q"].type == "mqueue" and mounts["/q"].has("nosuid", "nodev")


# ---- read-only trees ----

@pytest.mark.parametrize("operation", [["--chmod", "0700", "/b"], ["--chmod", "0700", "/b/."]], ids=" ".join)
@pytest.mark.parametrize("read_only", [["--ro-bind", "SRC", "/b"], ["--tmpfs", "/b", "--remount-ro", "/b"]],
                         ids=" ".join)
def test_what_a_read_only_tree_refuses_names_the_option_that_made_it_so(read_only, operation, box):
    args = [box if word == "SRC" else word for word in read_only]
    culprit = len(BASE) + (1 if "SRC" in read_only else 3)
    refused([*args, *operation], f"{operation[0]} (argument {len(BASE) + len(args) + 1})", operation[-1],
            f"{[word for word in args if str(word).startswith('--')][-1]} (argument {culprit})", base=BASE)


def test_a_destination_that_exists_in_a_read_only_tree_is_fine(box):
    (box / "d").mkdir()
    (box / "f").touch()
    args = ["--ro-bind", box, "/b", "--tmpfs", "/b/d", "--ro-bind-data", data_fd("x"), "/b/f", "--dir", "/b/d"]
    assert shell(args, "cat /b/f; ls /b/d") == "x"


# ---- numbers ----

def binds(count):
    return [word for number in range(count) for word in ("--ro-bind", "/usr/bin/env", f"/d/{number}")]


def test_three_thousand_binds_with_sixty_four_descriptors():
    code = ("import os, resource\nprint(len(os.listdir('/d')), open('/proc/self/mountinfo').read().count(' /d/'), "
            "resource.getrlimit(resource.RLIMIT_NOFILE))")
    result = run_python(["--args", args_fd(binds(3000))], code, base=WITH_PROC, prefix=["prlimit", "--nofile=64:64"])
    assert_ok(result)
    assert result.stdout == "3000 3000 (64, 64)\n"


@pytest.mark.parametrize("soft", ["64:1024", "256:4096"])
def test_a_raised_soft_descriptor_limit_is_restored(soft):
    result = run([*BASE, "--args", args_fd(binds(1000))], ["sh", "-c", "ulimit -Sn; ulimit -Hn; ls /d | wc -l"],
                 prefix=["prlimit", f"--nofile={soft}"])
    assert_ok(result)
    assert result.stdout == "{}\n{}\n1000\n".format(*soft.split(":"))


MANY_MOUNTS = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
for number in range(1000):
    os.mkdir(f"{sys.argv[1]}/{number}")
    assert libc.mount(b"none", f"{sys.argv[1]}/{number}".encode(), b"tmpfs", 0, b"size=4096") == 0, number
"""


def test_a_host_with_a_thousand_mounts_is_read_only_everywhere(box):
    prefix = host_mounts(f"{PYTHON} -I -S -c '{MANY_MOUNTS}' {box}")
    result = run(["--ro-bind", "/", "/"], ["cat", "/proc/self/mountinfo"], prefix=prefix)
    assert_ok(result)
    lines = result.stdout.splitlines()
    assert sum(f" {box}/" in line for line in lines) == 1000
    assert all(line.split()[5].startswith("ro,") for line in lines)


CALLS = ["open", "openat", "openat2", "stat", "lstat", "fstat", "newfstatat", "fstatat64", "statx", "mkdir", "mkdirat", "mknod",
         "mknodat", "open_tree", "mount_setattr", "move_mount", "close"]


@pytest.mark.skipif(not os.path.exists("/usr/bin/strace"), reason="needs strace")
@pytest.mark.parametrize("where, most", [("/d/{}", 6), ("/run/user/d/{}", 6), ("/host/{}", 8)])
def test_a_further_bind_takes_few_system_calls(where, most, box):
    """Clone, flags, type; make, attach, close. On what the host has: find, look, attach, close both."""
    (box / "host").mkdir()
    for number in range(110):
        (box / "host" / str(number)).touch()

    def calls(n):
        trace = f"{box}/{n}"
        binds = [word for number in range(n) for word in ("--ro-bind", "/usr/bin/env", where.format(number))]
        prefix = ["strace", "-f", "-qqq", "-o", trace, "-e", "signal=none", "-e",
                  "trace=" + ",".join(f"?{call}" for call in CALLS)]
        args = [*BASE, "--tmpfs", "/run", "--ro-bind", box / "host", "/host", "--args", args_fd(binds)]
        assert_ok(run(args, ["true"], prefix=prefix))
        with open(trace, encoding="utf-8") as lines:
            return sum(1 for _ in lines)

    # Without openat2(2) a look-up is a walk.
    assert calls(110) - calls(10) <= 100 * (most + (6 if REFUSE and "host" in where else 0))


def test_a_bind_over_a_bind_many_times():
    args = ["--args", args_fd(["--ro-bind", "/usr/share", "/d"] * 300)]
    assert inside(args, "os.path.isdir('/d/doc')")


@pytest.mark.parametrize("args, most", [
    (["--unshare-all", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--dir", "/run"], 12),
    (["--unshare-all", "--die-with-parent", "--chdir", "/", "--dev", "/dev", "--tmpfs", "/tmp", "--ro-bind-try", "/missing", "/m"], 12),
    (["--dev", "/dev", "--proc", "/proc", "--dev", "/d2", "--dev", "/d3", "--bind", "/usr/share", "/a/b/c"], 12),
    (["--unshare-pid", "--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev", "--ro-bind", "/usr", "/dev/shm/usr"], 12),
], ids=["desktop", "image loader", "several dev", "below dev"])
def test_few_descriptors_are_enough(args, most):
    """glycin gives its loaders few; --dev alone shows eight things of the host's."""
    script = "test -c /dev/null -a -c /dev/tty -a -d /dev/pts -a -L /dev/stdin && echo x >/dev/null && echo ran"
    result = run([*BASE, *args], ["sh", "-c", script], prefix=["prlimit", f"--nofile={most}:{most}"])
    assert_ok(result)
    assert result.stdout == "ran\n"


@pytest.mark.parametrize("args, shown", [([*BASE, "--ro-bind", "/", "/host"], "/host"),
                                         (["--ro-bind", "/usr", "/", "--ro-bind", "/", "/share"], "/share")],
                         ids=["own root", "bound root"])
def test_the_hosts_root_is_shown_as_it_is_with_few_descriptors(args, shown):
    """What has been set aside for want of descriptors lies on top of it."""
    results = [run(args, ["/bin/ls", "-A", shown], prefix=["prlimit", f"--nofile={few}:{few}"]) for few in (12, 256)]
    for result in results:
        assert_ok(result)
    assert results[0].stdout == results[1].stdout and "usr" in results[0].stdout.split()
