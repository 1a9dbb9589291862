"""More ids than one: --map-auto, --uid-map, --gid-map, --keep-groups; who writes the maps, and what COMMAND can do with them."""
import ctypes
import errno
import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from lines import SOON, form_args
from overlays import BACKENDS, FUSE_DEVICE, give
from packages import install, make_package, needs_dpkg, package_root
from sandbox import (BASE, CAP_SETS, ENV, FULL, IS_ROOT, WITH_PROC, Terminal, assert_ok, bpf, close, content, data_fd, errno_inside, filtered_by, host_mounts, inside,
                     mark, pipe, processes_with, python, python_prefix, read_json, refused, run, run_python, shell, start, status_inside, tree, user_ids,
                     wait_for)

NINE = "00000000800400fb"  # CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SYS_CHROOT SETFCAP
NO_PRIVS = python_prefix("__import__('ctypes').CDLL(None).prctl(38, 1, 0, 0, 0)")


class Ranges(NamedTuple):
    """A user who has subordinate ids, the same numbers of uids and gids."""
    prefix: list  # becomes that user
    uid: int
    first: int
    count: int
    fuse_prefix: list  # with /dev/fuse for everybody


def granted(path, owner):
    lines = [line.split(":") for line in Path(path).read_text().splitlines()]
    return [(int(line[1]), int(line[2])) for line in lines if line[0] == owner]


def bound(files, uid, more="", user=True):
    """A prefix: the system with these files of ours, {path: path of ours}; then the tool as that user."""
    setup = "".join(f"mount --bind {ours} {path}\n" for path, ours in files.items())
    return host_mounts(setup + more, user=uid if user else None)


def system_files(box, uid, subids, name="seven"):
    """/etc/passwd and its like, in which the uid has a name and these lines of subordinate ids."""
    files = {"/etc/passwd": f"root:x:0:0::/root:/bin/sh\n{name}:x:{uid}:{uid}::/:/bin/sh\n",
             "/etc/group": f"root:x:0:\n{name}:x:{uid}:\n", "/etc/subuid": subids, "/etc/subgid": subids}
    for path, content in files.items():
        (box / os.path.basename(path)).write_text(content)
    return {path: box / os.path.basename(path) for path in files}


@pytest.fixture
def ranges(tmp_path):
    if not shutil.which("newuidmap"):
        pytest.skip("needs newuidmap (package uidmap)")
    if not IS_ROOT:
        name = pwd.getpwuid(os.getuid()).pw_name
        found = granted("/etc/subuid", name)
        if not found or found != granted("/etc/subgid", name) or len(found) != 1 or found[0][1] < 65535:
            pytest.skip("this user has no subordinate ids in /etc/subuid and /etc/subgid")
        if ctypes.CDLL(None).prctl(39, 0, 0, 0, 0):
            pytest.skip("no_new_privs is set: newuidmap has no rights")
        return Ranges([], os.getuid(), *found[0], [])
    tmp_path.chmod(0o755)
    uid = user_ids()[0]
    files = system_files(tmp_path, uid, "seven:1000000:65536\n")
    fuse = f"[ ! -e /dev/fuse ] || {{ {FUSE_DEVICE}; }}"
    return Ranges(bound(files, uid), uid, 1000000, 65536, bound(files, uid, fuse))


@pytest.fixture
def own(ranges, box):
    """A directory of that user's."""
    if IS_ROOT:
        os.chown(box, ranges.uid, ranges.uid)
    yield box
    assert_ok(run([*BASE, "--map-auto", "--bind", box, "/b"], ["sh", "-c", "rm -rf /b/* /b/.[!.]*"], prefix=ranges.prefix))


# ---- who is there ----

def test_the_caller_is_0_and_its_subordinate_ids_are_1_and_up(ranges):
    maps = inside(["--map-auto"], "[open('/proc/self/' + f).read().split() for f in ('uid_map', 'gid_map', 'setgroups')]",
                  base=WITH_PROC, prefix=ranges.prefix)
    assert [maps[0][0], maps[0][2:4], maps[0][5]] == ["0", ["1", "1"], str(ranges.count)] and maps[1] == maps[0]
    assert maps[2] == ["allow"]
    assert inside(["--map-auto"], "os.getresuid() + os.getresgid() + tuple(os.getgroups())", prefix=ranges.prefix) == (0,) * 6


@pytest.mark.parametrize("more", [[], ["--die-with-parent"], ["--unshare-all"], ["--unshare-all", "--as-pid-1"],
                                  ["--unshare-user", "--disable-userns", "--timeout", "20"]], ids=str)
def test_command_becomes_any_of_them_in_every_topology(ranges, more):
    script = "setpriv --reuid 7 --regid 8 --groups 9,65534 sh -c 'id -u; id -g; id -G'"
    assert shell(["--map-auto", *more], script, base=WITH_PROC, prefix=ranges.prefix).split() == ["7", "8", "8", "9", "65534"]


def test_command_is_who_it_is_told_to_be(ranges):
    args = ["--map-auto", "--uid", "33", "--gid", "34"]
    assert inside(args, "os.getresuid() + os.getresgid() + tuple(os.getgroups())", prefix=ranges.prefix) == (33,) * 3 + (34,) * 3
    assert {status_inside(args, prefix=ranges.prefix)[name] for name in CAP_SETS} == {"0" * 16}
    for kind in ("uid", "gid"):
        assert inside([f"--{kind}-map", "0", str(ranges.first), "5", f"--{kind}", "2"], f"os.get{kind}()", prefix=ranges.prefix) == 2


def test_files_of_every_owner_are_seen_from_both_sides(ranges, own):
    shell(["--map-auto", "--bind", own, "/b"], """mkdir -m 700 /b/d; touch /b/d/f /b/own
        chown -R 33:34 /b/d; chown -h 65534:1 /b/d/f; setpriv --reuid 5 --regid 6 --clear-groups touch /b/d/none || true
        test ! -e /b/d/none""", prefix=ranges.prefix, stderr=subprocess.DEVNULL)
    stat = "[(s.st_uid, s.st_gid) for s in map(os.stat, ('/b', '/b/own', '/b/d', '/b/d/f'))]"
    assert inside(["--map-auto", "--bind", own, "/b"], stat, prefix=ranges.prefix) == [(0, 0), (0, 0), (33, 34), (65534, 1)]
    outside = (own / "d").stat()
    assert (outside.st_uid, outside.st_gid) == (ranges.first + 32, ranges.first + 33)
    assert (own / "own").stat().st_uid == ranges.uid


@pytest.mark.parametrize("no_privs", [[], NO_PRIVS], ids=["", "no_new_privs"])
def test_a_map_of_the_callers_own_id_needs_nobody(no_privs):
    args = ["--unshare-user", "--uid-map", "0", str(os.getuid()), "1", "--gid-map", "5", str(os.getgid()), "1"]
    assert inside(args, "(os.getuid(), os.getgid())", prefix=no_privs) == (0, 5)
    assert status_inside(args, prefix=no_privs)["CapEff"] == NINE


def test_the_callers_groups_are_left_unless_they_are_to_be_kept(ranges):
    if not IS_ROOT:
        pytest.skip("only root can give itself groups")
    prefix = [word.replace("--clear-groups", f"--groups={ranges.uid},4321") for word in ranges.prefix]
    groups = "sorted(set(os.getgroups()) - {0})"
    assert inside(["--map-auto"], groups, prefix=prefix) == []
    assert inside(["--map-auto", "--keep-groups"], groups, prefix=prefix) == [65534]
    assert inside(["--map-auto", "--keep-groups", "--uid", "5"], groups, prefix=prefix) == [65534]


@pytest.mark.root
@pytest.mark.parametrize("answer", [0, errno.EPERM])
def test_groups_that_a_filter_around_keeps_end_the_run(answer):
    args = [word for kind in ("uid", "gid") for word in (f"--{kind}-map", "0", "700000", "10", f"--{kind}", "0")]
    prefix = ["setpriv", "--groups=4321", *filtered_by(bpf({"setgroups": answer}))]
    refused(args, "Can't leave the caller's groups: ", "; --keep-groups keeps them", base=BASE, prefix=prefix)
    assert inside([*args, "--keep-groups"], "os.getgroups()", prefix=prefix) == [65534]


# ---- capabilities ----

def test_root_inside_has_what_package_tools_need_and_nothing_else(ranges):
    sets = status_inside(["--map-auto"], prefix=ranges.prefix)
    assert [sets[name] for name in CAP_SETS] == ["0" * 16, NINE, NINE, NINE, "0" * 16]
    assert status_inside(["--map-auto", "--cap-drop", "CAP_SETFCAP"], prefix=ranges.prefix)["CapEff"] == "00000000000400fb"
    assert status_inside(["--map-auto", "--cap-drop", "ALL"], prefix=ranges.prefix)["CapBnd"] == "0" * 16
    assert status_inside(["--map-auto", "--cap-add", "CAP_SYS_ADMIN"], prefix=ranges.prefix)["CapEff"] == "00000000802400fb"
    mount = errno_inside("libc.mount(b'x', b'/mnt', b'tmpfs', 0, None)")
    assert inside(["--map-auto", "--dir", "/mnt"], mount, prefix=ranges.prefix) == "EPERM"


@pytest.mark.parametrize("more", [[], ["--cap-drop", "ALL"], ["--uid", "5"], ["--uid", "5", "--cap-drop", "ALL"]], ids=str)
def test_nobody_inside_reaches_pid_1(ranges, more):
    reach = """
import ctypes, errno
libc, found = ctypes.CDLL(None, use_errno=True), []
for uid in (None, 0, 5, 7):
    if os.fork() == 0:
        if uid is not None:
            try: os.setresuid(uid, uid, uid)
            except OSError: os._exit(0)
        for name in ("environ", "mem", "fd", "root/", "exe"):
            try:
                os.open("/proc/1/" + name, os.O_RDONLY) if name != "exe" else os.readlink("/proc/1/exe")
                print("reached", name, uid)
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EPERM): print("strange", name, uid, error)
        if libc.ptrace(16, 1, None, None) == 0: print("traced", uid)
        os._exit(0)
    os.wait()
os.kill(1, 9); os.kill(1, 15)
print("alive")
"""
    result = run_python(["--unshare-pid", "--map-auto", *more], "import os\n" + reach.replace(
        "os.kill(1, 9); os.kill(1, 15)", "exec('try: os.kill(1, 9); os.kill(1, 15)\\nexcept PermissionError: pass')"),
        base=WITH_PROC, prefix=ranges.prefix)
    assert (result.returncode, result.stdout, result.stderr) == (0, "alive\n", ""), result


def test_a_command_that_is_somebody_else_is_ended_all_the_same(ranges):
    result = run([*BASE, "--map-auto", "--timeout", "0.05"], ["setpriv", "--reuid", "7", "--clear-groups", "sleep", "20"], prefix=ranges.prefix)
    assert result.returncode == 124, result


# ---- other options ----

def test_command_has_no_child_that_it_does_not_know(ranges):
    assert inside(["--map-auto"], errno_inside("(libc.waitpid(-1, None, 0))"), prefix=ranges.prefix) == "ECHILD"


OWNERS = "[os.fstat(os.openpty()[1])[4:6], os.stat('/dev/pts/ptmx')[4:6]]"


def test_a_terminal_belongs_to_who_opened_it_and_to_the_group_tty_where_that_is_mapped(ranges):
    first = str(ranges.first)
    for args, owners in [(["--map-auto"], (0, 5)), (["--map-auto", "--cap-add", "ALL"], (0, 5)), (["--map-auto", "--uid", "33", "--gid", "34"], (33, 5)),
                         (["--gid-map", "0", first, "5", "--gid", "2"], (ranges.uid, 2)), (["--unshare-user", "--gid", "5"], (ranges.uid, 5)),
                         (["--unshare-user", "--gid", "7"], (ranges.uid, 7))]:
        assert inside([*args, "--dev", "/dev"], OWNERS, base=WITH_PROC, prefix=ranges.prefix)[0] == owners, args


def test_the_terminal_of_pty_is_the_group_ttys(ranges):
    for more in [[], ["--dev", "/dev"]]:
        with Terminal([*WITH_PROC, "--map-auto", "--pty", *more], python("import os; print([os.fstat(n)[4:6] for n in range(3)])"),
                      prefix=ranges.prefix) as terminal:
            assert terminal.wait() == 0
        assert terminal.text == "[(0, 5), (0, 5), (0, 5)]\n"


@pytest.mark.skipif(not shutil.which("script"), reason="needs script (package bsdutils)")
def test_programs_that_make_terminals_run_as_root_inside(ranges):
    script = "script -qec 'stat -Lc %u:%g:%a /dev/fd/0' /dev/null </dev/null"
    assert shell(["--map-auto", "--dev", "/dev"], script, base=WITH_PROC, prefix=ranges.prefix).split() == ["0:5:620"]


@pytest.mark.root
def test_the_terminal_of_a_root_without_a_user_namespace_is_the_group_ttys():
    assert inside(["--dev", "/dev"], OWNERS, base=WITH_PROC)[0] == (0, 5)


@pytest.mark.parametrize("args, command", [
    ([], ["setpriv", "--reuid", "7", "--clear-groups"]), (["--uid", "33", "--gid", "34"], []), (["--uid", "33", "--unshare-pid"], [])], ids=str)
def test_what_is_denied_to_somebody_who_is_not_the_caller_is_told(ranges, args, command):
    told = data_fd()
    line = [*FULL, "--map-auto", *args, "--trace-denied", told]
    result = run(line, [*command, *python("import os; d = os.open('/usr', 0); os.path.exists('/etc/hostname'); os.access('bin', 4, dir_fd=d)")],
                 prefix=ranges.prefix)
    kinds = content(told)
    assert result.returncode == 0, result
    assert '--ro-bind-try /etc/hostname /etc/hostname' in [kind.get("option") for kind in kinds], kinds
    unknown = [kind["call"] for kind in kinds if "unknown" in kind]
    assert len(unknown) == 1 and unknown[0].startswith("faccessat"), kinds  # by a descriptor of somebody else's


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("ids", ["auto", "none of the caller's own"])
def test_overlays_copy_files_of_every_mapped_owner_up_and_list_them(ranges, own, backend, ids):
    args = ["--map-auto"] if ids == "auto" else [
        "--uid-map", "0", str(ranges.first), "60000", "--uid", "0", "--gid-map", "0", str(ranges.first), "60000", "--gid", "0"]
    shell(["--map-auto", "--bind", own, "/b"], f"""mkdir /b/l; chown {0 if ids == 'auto' else 1} /b/l; cd /b/l
        for i in 2 33 5000; do mkdir -m 700 d$i; echo x > d$i/f; chmod 600 d$i/f; chown -R $i:$i d$i; done""", prefix=ranges.prefix)
    shift = 0 if ids == "auto" else 1
    read_end, write_end = os.pipe()
    try:
        result = run([*BASE, *args, "--overlay-backend", backend, "--overlay-src", own / "l", "--overlay-changes", write_end, "--tmp-overlay", "/m"],
                     ["sh", "-ec", "cd /m; for d in d*; do echo y >> $d/f; done; stat -c '%n %u %g %s' */f; mkdir new; chown 7:8 new; stat -c %u:%g new"],
                     prefix=ranges.fuse_prefix)
    finally:
        os.close(write_end)
    with os.fdopen(read_end) as changes:
        listed = changes.read()
    assert_ok(result)
    assert result.stdout.splitlines() == [f"d{i}/f {i - shift} {i - shift} 4" for i in (2, 33, 5000)] + ["7:8"]
    assert [part in listed for part in ('"/m/d2/f"', '"/m/d33/f"', '"/m/d5000/f"', '"/m/new"', '"complete": true, "changes": 4')] == [True] * 5, listed


# ---- package tools ----

@needs_dpkg
def test_a_package_with_a_user_of_its_own_is_installed(ranges, own):
    root = package_root(own)
    make_package(own, "useradd --system --user-group --no-create-home --shell /usr/sbin/nologin tiny\nchown tiny:tiny /opt/tiny/file\nchmod 4750 /opt/tiny/file")
    if IS_ROOT:
        give("user", own)
    result = run([*root, "--map-auto", "--bind", own, own], install(own), prefix=ranges.prefix)
    assert result.returncode == 0, result
    user = next(line.split(":") for line in (own / "etc/passwd").read_text().splitlines() if line.startswith("tiny:"))
    status = (own / "opt/tiny/file").stat()
    assert int(user[2]) > 0 and (status.st_uid, status.st_mode & 0o7777) == (ranges.first + int(user[2]) - 1, 0o4750)


@pytest.mark.skipif(not os.environ.get("BWRAPISH_FETCHES"), reason="fetches a Debian; BWRAPISH_FETCHES=1, as tools/check --long has it, runs it")
@pytest.mark.skipif(not shutil.which("mmdebstrap"), reason="needs mmdebstrap")
def test_a_debian_is_made_and_used_by_one_user(ranges, own):
    sources = next(Path("/etc/apt/sources.list.d").glob("debian.sources"), None)
    if not sources:
        pytest.skip("no sources of Debian packages to take from")
    for name in ("root", "tmp"):
        (own / name).mkdir()
    if IS_ROOT:
        give("user", own)
    environment = ["--clearenv", "--setenv", "PATH", "/usr/sbin:/usr/bin:/sbin:/bin", "--setenv", "DEBIAN_FRONTEND", "noninteractive"]
    machine = ["--map-auto", "--unshare-pid", "--proc", "/proc", "--dev", "/dev", *environment]
    made = run(["--ro-bind", "/", "/", "--tmpfs", "/run", "--bind", own / "tmp", "/tmp", "--bind", own, own, *machine, "--cap-add", "CAP_SYS_ADMIN"],
               ["mmdebstrap", "--variant=essential", "--include=apt", "--mode=root", "bookworm", own / "root", sources],
               prefix=ranges.prefix, timeout=900)
    if "Temporary failure resolving" in made.stderr or "Could not connect" in made.stderr:
        pytest.skip("no registry of packages can be reached")
    assert made.returncode == 0, made
    apt = [word for path in ("/etc/apt/sources.list.d", "/etc/apt/apt.conf.d", "/etc/resolv.conf") for word in ("--ro-bind", path, path)]
    used = run(["--overlay-src", own / "root", "--tmp-overlay", "/", *apt, *machine],
               ["sh", "-ec", "rm -f /etc/apt/sources.list; apt-get -qq update; apt-get -qq -y --no-install-recommends install dbus >/dev/null 2>&1\n"
                "getent passwd messagebus >/dev/null; stat -c %u:%g /usr/lib/dbus-1.0/dbus-daemon-launch-helper; dpkg-query -W -f '${Status}' dbus"],
               prefix=ranges.prefix, timeout=600)
    owner, status = used.stdout.split("\n")
    assert (used.returncode, owner.split(":")[0], status) == (0, "0", "install ok installed") and owner != "0:0", used
    assert not (own / "root/usr/lib/dbus-1.0").exists()


# ---- what is refused ----

@pytest.mark.user
@pytest.mark.parametrize("args, words", [
    (["--uid-map", "0", "0", "1", "--uid", "0"], "newuidmap: uid range [0-1) -> [0-1) not allowed"),
    (["--gid-map", "0", "0", "1", "--gid", "0"], "newgidmap: gid range [0-1) -> [0-1) not allowed"),
])
def test_a_refusal_is_quoted_with_its_cause(ranges, args, words):
    message = refused(args, "setting up", words, base=BASE)
    assert "the ids that may be mapped are" in message or "there is no entry in /etc/sub" in message


def test_an_id_that_is_none_of_them_is_refused(ranges):
    refused(["--map-auto", "--uid", "999999"], "--uid (argument 14): 999999 is none of the ids", base=BASE, prefix=ranges.prefix)


def test_no_new_privs_around_is_named(ranges):
    refused(["--map-auto"], "no_new_privs was set before", base=BASE, prefix=[*ranges.prefix, *NO_PRIVS])


def many(inner, outer, count=190):
    """Ranges of one id each; with inner numbers of ten digits the text is longer than a page where the outer ones are, too."""
    return [(inner + 2 * i, outer + 2 * i, 1) for i in range(count)]


small_pages = pytest.mark.skipif(os.sysconf("SC_PAGESIZE") != 4096, reason="340 ranges go into a page here")


@small_pages
@pytest.mark.parametrize("outer, more, where", [
    (3000000000, [], "setting up uid map: "), (None, ["--unshare-pid"], "setting up uid map of the second user namespace: "),
    (None, ["--cap-add", "ALL"], "setting up uid map of the second user namespace: ")], ids=str)
def test_a_map_that_the_kernel_takes_in_no_one_write_is_named_beforehand(ranges, outer, more, where):
    rows = [str(word) for row in many(4000000000, outer or ranges.first) for word in ("--uid-map", *row)]
    refused([*rows, "--uid", "4000000000", *more], "--uid-map (argument 769): " + where, "190 ranges take 4560 bytes, and the kernel takes fewer than "
            "4096 in a map; name fewer of them, or smaller numbers", base=BASE, prefix=ranges.prefix)


@small_pages
@pytest.mark.root
def test_maps_of_the_callers_that_do_not_go_into_a_second_namespace_are_named():
    (info, told), (wait_end, go_end) = pipe(), pipe()
    line = [*BASE, "--unshare-user", "--unshare-pid", "--uid", "4000000000", "--info-fd", told, "--userns-block-fd", wait_end]
    with start(line, ["echo", "ran"]) as process:
        close(told)
        child = read_json(info)["child-pid"]
        Path(f"/proc/{child}/uid_map").write_text("".join("%d %d %d\n" % row for row in many(4000000000, 700000)))
        Path(f"/proc/{child}/gid_map").write_text("0 0 1\n")
        os.write(go_end, b"x")
        out, error = process.communicate(timeout=20)
    assert (process.returncode, out, error.count("\n")) == (1, "", 1)
    assert "setting up /proc/self/uid_map of the second user namespace: 190 ranges take 4560 bytes" in error


def as_seven(tmp_path, subids, files=(), more="", fakes=()):
    """Root's: a user of that number, and a system that has these files."""
    tmp_path.chmod(0o755)
    bound_files = {**system_files(tmp_path, 23456, subids), **dict(files)}
    for path, content in dict(fakes).items():
        ours = tmp_path / ("fake-" + os.path.basename(path))
        ours.write_text(content)
        ours.chmod(0o4755)
        bound_files[path] = ours
    return bound(bound_files, 23456, more)


@pytest.mark.root
def test_all_ranges_of_the_name_and_of_the_number_are_taken_and_none_twice(tmp_path):
    prefix = as_seven(tmp_path, "other:5:5\nseven:200000:10\nbroken\nseven:x:3\nseven:200005:10\n23456:300000:5\nseven:1:99999999999\n")
    lines = inside(["--map-auto"], "[line.split() for line in open('/proc/self/uid_map')]", base=WITH_PROC, prefix=prefix)
    assert [(line[0], line[2]) for line in lines] == [("0", "1"), ("1", "10"), ("11", "5"), ("16", "5")]


@pytest.mark.root
@pytest.mark.parametrize("subids, more, words", [
    ("other:5:5\n", "", "there is no entry in /etc/subuid for seven"),
    ("seven:200000:10\n", "mount --bind /dev/null /usr/bin/newgidmap", "newgidmap is not installed"),
    ("seven:200000:10\n", "mount --bind /usr/bin/true /usr/bin/newuidmap", "newuidmap is not set-user-id root"),
    ("seven:200000:10\n", "mount --bind /usr /usr; mount -o remount,bind,nosuid /usr", "/usr/bin/newuidmap is on a nosuid mount"),
    ("".join(f"seven:{n}00000:1\n" for n in range(1, 400)), "", "/etc/subuid gives more than the kernel takes"),
])
def test_what_is_in_the_way_is_named_before_anything_is_entered(tmp_path, subids, more, words):
    refused(["--map-auto"], "--map-auto (argument 13): setting up ", words, base=BASE, prefix=as_seven(tmp_path, subids, more=more))


@pytest.mark.root
def test_the_helper_gets_nothing_of_the_callers(tmp_path):
    script = """#!/bin/sh
printf '%s|%s\\033[31m\\nsecond\\n' "$(/usr/bin/env | /usr/bin/sort | /usr/bin/tr '\\n' ,)" "$(/usr/bin/ls -m /proc/self/fd)" >&2
exit 1
"""
    prefix = as_seven(tmp_path, "seven:200000:10\n", fakes={"/usr/bin/newuidmap": script})
    message = refused(["--map-auto", "--setenv", "A", "b"], "setting up uid map: PWD=/,|0, 1, 2, 3\\x1b[31m", base=BASE, prefix=prefix,
                      env={**ENV, "LD_PRELOAD_": "x", "SECRET": "y"})
    assert "second" not in message and "SECRET" not in message


@pytest.mark.root
def test_ranges_that_come_from_elsewhere_are_asked_of_getsubids(tmp_path):
    (tmp_path / "nsswitch.conf").write_text("passwd: files\nsubid: files\n")
    prefix = as_seven(tmp_path, "seven:200000:10\n", files={"/etc/nsswitch.conf": tmp_path / "nsswitch.conf"},
                      fakes={"/usr/bin/getsubids": "#!/bin/sh\necho \"0: $1 200002 3\" | sed s/-g/seven/\n"})
    assert inside(["--map-auto"], "open('/proc/self/uid_map').read().split()[3::2]", base=WITH_PROC, prefix=prefix) == ["1", "3"]


@pytest.mark.root
def test_root_writes_any_map_itself(tmp_path):
    args = ["--uid-map", "0", "700000", "10", "--gid-map", "0", "0", "1", "--gid-map", "1", "700000", "9", "--uid", "0"]
    more = "mount --bind /dev/null /usr/bin/newuidmap; mount --bind /dev/null /usr/bin/newgidmap"
    assert inside(args, "(os.getuid(), os.getgid(), open('/proc/self/gid_map').read().split()[3:])", base=WITH_PROC,
                  prefix=host_mounts(more)) == (0, 0, ["1", "1", "9"])


@pytest.mark.root
@pytest.mark.parametrize("form", ["alone", "supervised", "with pid 1", "new session"])
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL, "--timeout"], ids=str)
def test_a_helper_that_hangs_ends_with_the_run(tmp_path, form, end):
    if end == "--timeout" and form == "alone":
        pytest.skip("--timeout takes a supervisor")
    number, silent = mark(), "exec 2>&-;" if form == "supervised" else ""
    prefix = as_seven(tmp_path, "seven:200000:10\n", fakes={"/usr/bin/newuidmap": f"#!/bin/sh\n{silent} exec sleep {number}\n"})
    timeout = ["--timeout", SOON] if end == "--timeout" else []
    with start([*BASE, "--map-auto", *form_args(form), *timeout], ["true"], prefix=prefix) as process:
        if not timeout:
            wait_for(lambda: processes_with(number), what="newuidmap")
            process.send_signal(end)
        status = process.wait(20)
        assert status == 124 if timeout else status in (-end, 128 + end)
        wait_for(lambda: not processes_with(number), what="the end of newuidmap")


@pytest.mark.root
def test_a_getsubids_that_hangs_ends_with_the_run(tmp_path):
    number = mark()
    (tmp_path / "nsswitch.conf").write_text("subid: sss\n")
    prefix = as_seven(tmp_path, "", files={"/etc/nsswitch.conf": tmp_path / "nsswitch.conf"},
                      fakes={"/usr/bin/getsubids": f"#!/bin/sh\nexec sleep {number}\n"})
    with start([*BASE, "--map-auto"], ["true"], prefix=prefix) as process:
        wait_for(lambda: processes_with(number), what="getsubids")
        process.send_signal(signal.SIGKILL)
        wait_for(lambda: not processes_with(number), what="the end of getsubids")
