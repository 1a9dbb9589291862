"""One test per published advisory of the trust bar that can be shown at run time: bwrapish is immune to its class."""
import errno
import os
import socket

import pytest

from sandbox import (BASE, BINARY, FULL, IS_ROOT, PREFIX, Terminal, as_user, bpf, data_fd, errno_inside, inside,
                     keep, mounts_inside, python, refused, run, run_python, status_inside, swapping, tree)

WITH_PROC = [*BASE, "--proc", "/proc"]
CLONE_NEWUSER = 0x10000000


@pytest.fixture
def victim(box):
    """A host directory outside of everything that is bound; it must stay empty."""
    (box / "victim").mkdir()
    (box / "bound").mkdir()
    yield box / "victim"
    assert os.listdir(box / "victim") == []


# ---- setup follows a link or `..` to the host ----

def test_cve_2026_87766_symlinks_in_a_bound_tree_do_not_lead_setup_to_the_host(victim, box):
    for number, target in enumerate((victim, "../victim", f"/oldroot{victim}", f"/proc/self/root{victim}",
                                     f"/../oldroot{victim}", f"/newroot/../oldroot{victim}")):
        (box / "bound" / f"l{number}").symlink_to(target)
        for args in (["--dir", f"/b/l{number}/x"], ["--file", data_fd("x"), f"/b/l{number}/x"],
                     ["--dev", f"/b/l{number}/x"],
                     ["--ro-bind", "/usr", f"/b/l{number}/x/y"], ["--symlink", "x", f"/b/l{number}/x"]):
            run([*BASE, "--bind", box / "bound", "/b", "--proc", "/proc", *args], ["true"])


@pytest.mark.parametrize("number", ["CVE-2024-42472", "CVE-2026-34078"])
def test_a_source_that_is_swapped_for_a_link_is_pinned_by_descriptor(number, box):
    """CVE-2024-42472, CVE-2026-34078: what was checked is what is mounted."""
    (box / "data").mkdir()
    (box / "secret").mkdir()
    (box / "secret" / "key").touch()
    fd = keep(os.open(box / "data", os.O_PATH))
    (box / "data").rename(box / "moved")
    (box / "data").symlink_to("secret")
    assert "key" not in inside(["--ro-bind-fd", fd, "/x"], "os.listdir('/x')")


def test_cve_2021_30465_a_racing_rename_never_shows_another_object(box):
    (box / "good").mkdir()
    (box / "evil").mkdir()
    (box / "evil" / "SECRET").touch()
    with swapping(box / "good", box / "evil"):
        for _ in range(60):
            fd = os.open(box / "good", os.O_PATH)
            secret = "SECRET" in os.listdir(f"/proc/self/fd/{fd}")
            result = run([*BASE, "--ro-bind-fd", str(fd), "/x"], ["ls", "/x"], pass_fds=[fd])
            os.close(fd)
            if result.returncode == 0:
                assert (result.stdout == "SECRET\n") == secret, "another object than the descriptor's was shown"
            else:
                assert result.stderr.count("\n") == 1 and result.stdout == ""


def test_cve_2024_45310_no_file_or_directory_is_created_on_the_host_by_a_race(victim, box):
    (box / "bound" / "a").mkdir()
    (box / "bound" / "b").symlink_to(victim)
    with swapping(box / "bound" / "a", box / "bound" / "b"):
        for number in range(40):
            run([*BASE, "--bind", box / "bound", "/b", "--tmpfs", f"/b/a/t{number}", "--ro-bind", "/usr/bin/env",
                 f"/b/a/f{number}"], ["true"])


# ---- /proc/self/exe and ptrace of helpers ----

def test_cve_2019_5736_the_binary_cannot_be_reached_or_overwritten_from_inside(box):
    copy = box / "bwrapish"
    copy.write_bytes(open(BINARY, "rb").read())
    copy.chmod(0o755)
    before = copy.read_bytes()
    code = """import os
for pid in {1, os.getppid(), *(int(p) for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid())}:
    for flags in (os.O_WRONLY, os.O_RDONLY):
        try:
            fd = os.open(f"/proc/{pid}/exe", flags)
            if os.readlink(f"/proc/self/fd/{fd}").endswith("bwrapish"): print("OPENED", pid, flags)
        except OSError: pass
print("done")"""
    args = ["--unshare-all", "--cap-drop", "ALL"]
    result = run([*WITH_PROC, *args], python(code), program=copy)
    assert result.stdout == "done\n" and copy.read_bytes() == before, result


@pytest.mark.parametrize("number", ["CVE-2019-8308", "CVE-2016-8659", "CVE-2026-41163", "CVE-2019-12499"])
def test_helpers_cannot_be_traced_or_entered(number):
    """One class under four numbers, one way of asking each."""
    args, code = {
        "CVE-2016-8659": (["--unshare-pid"], "libc.ptrace(16, 1, 0, 0) == 0"),
        "CVE-2026-41163": (["--unshare-all", "--die-with-parent"], "libc.ptrace(0x4206, 1, 0, 0) == 0"),
        "CVE-2019-8308": (["--unshare-all"],
                          "any(reach(f'/proc/1/{n}') for n in ('root', 'exe', 'cwd', 'fd/0', 'ns/mnt', 'ns/user'))"),
        "CVE-2019-12499": (["--unshare-all", "--unshare-user", "--uid", "0", "--gid", "0"],
                           "any(reach(f'/proc/1/root/{n}') for n in ('', 'etc', 'proc'))"),
    }[number]
    program = ("import ctypes, os\nlibc = ctypes.CDLL(None)\ndef reach(path):\n try: os.readlink(path); return True\n"
               f" except OSError: return False\nprint({code})")
    assert run_python([*args, "--cap-drop", "ALL"], program, base=WITH_PROC).stdout == "False\n"


# ---- leaked descriptor or directory ----

def test_cve_2016_9962_no_descriptor_of_ours_is_open_in_any_process_inside():
    code = """import os
for pid in (p for p in os.listdir('/proc') if p.isdigit()):
    for fd in range(64):
        try: link = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError: continue
        if fd > 2: print(pid, fd, link)
print("done")"""
    for args in (["--unshare-all"], ["--unshare-pid", "--as-pid-1"],
                 ["--unshare-pid", "--cap-add", "ALL", "--unshare-user"]):
        result = run_python(args, code, base=[*FULL])
        lines = result.stdout.splitlines()
        assert [line for line in lines if not (IS_ROOT and line.startswith("1 "))] == ["done"], result


def test_cve_2024_21626_the_working_directory_is_never_a_host_directory(box):
    for args, cwd in (([], box), (["--unshare-all"], box), ([], "/root" if IS_ROOT else "/tmp")):
        assert inside(args, "(os.getcwd(), os.readlink('/proc/self/cwd'))", base=WITH_PROC, cwd=cwd) == ("/", "/")
    for path in ("/proc/self/fd/9", "/proc/self/fd/7/../../..", "/proc/1/root"):
        result = run([*WITH_PROC, "--unshare-pid", "--chdir", path], ["cat", "/etc/hostname"], cwd=box)
        assert result.returncode != 0 and result.stdout == ""


# ---- faked procfs, swapped /dev nodes or masks ----

def test_cve_2019_19921_and_2025_52881_proc_is_a_real_procfs_whatever_lies_below_it(box):
    (box / "fake").mkdir()
    (box / "fake" / "self").mkdir()
    mounts = mounts_inside(["--bind", box, "/b", "--symlink", "/b/fake", "/p", "--unshare-pid", "--proc", "/p"])
    assert mounts["/b/fake"].type == "proc"
    assert inside(["--bind", box, "/b", "--unshare-pid"], "os.readlink('/proc/self')", base=WITH_PROC).isdigit()


def test_cve_2025_31133_and_52565_dev_nodes_are_real_whatever_a_bound_dev_holds(victim, box):
    (box / "bound" / "null").symlink_to(victim / "null")
    (box / "bound" / "pts").symlink_to(victim)
    (box / "bound" / "console").symlink_to(victim / "console")
    assert inside(["--bind", box / "bound", "/dev", "--dev", "/dev"],
                  "(stat.S_ISCHR(os.lstat('/dev/null').st_mode), os.path.islink('/dev/pts'))") == (True, False)


def test_cve_2026_41579_kernel_controls_stay_read_only_when_proc_is_mounted_twice():
    code = """import os
bad = []
for p in ("/proc", "/p2"):
    for n in ("sys/kernel/core_pattern", "sysrq-trigger", "irq/default_smp_affinity", "sys/vm/drop_caches"):
        try: os.close(os.open(f"{p}/{n}", os.O_WRONLY)); bad.append(f"{p}/{n}")
        except OSError: pass
print(bad)"""
    for args in (["--unshare-pid"], []):
        assert run_python([*args, "--proc", "/p2"], code, base=WITH_PROC).stdout == "[]\n"


# ---- terminal input ----

@pytest.mark.parametrize("number, request_code", [("CVE-2017-5226", 0x5412), ("CVE-2019-10063", 0x5412 | 1 << 32),
                                                  ("CVE-2023-28100", 0x541C)])
def test_terminal_input_is_refused(number, request_code):
    code = f"""import ctypes
libc = ctypes.CDLL(None, use_errno=True)
libc.ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]
print("answer", libc.ioctl(0, {request_code}, ctypes.create_string_buffer(b"\\x02Q")), ctypes.get_errno() in (1, 13))"""
    with Terminal(FULL, python(code)) as terminal:
        terminal.read_until("answer -1 True")


# ---- numbers and option words ----

def test_cve_2024_32462_a_path_that_looks_like_an_option_is_refused():
    refused(["--ro-bind", "--bind", "/", "/x"], "--ro-bind", base=BASE)
    refused(["--chdir", "--share-net"], "--chdir", base=BASE)
    refused(BASE, "execvp --bind", command=["--bind", "/", "/", "id"])


def test_cve_2024_40635_ids_do_not_overflow_to_root():
    for number in ("4294967296", "18446744073709551616", "-4294967296", "4294967295"):
        refused(["--unshare-user", "--uid", number], "--uid", base=BASE)
        refused(["--unshare-user", "--gid", number], "--gid", base=BASE)


def test_cve_2026_30892_descriptors_and_sizes_do_not_wrap():
    for number in ("4294967297", "18446744073709551617", "0x1", "01e0", "-0"):
        refused(["--info-fd", number], "--info-fd", base=BASE)
    refused(["--size", "18446744073709551617", "--tmpfs", "/t"], "--size", base=BASE)
    refused(["--perms", "40000000777", "--dir", "/d"], "--perms", base=BASE)


# ---- fail open ----

@pytest.mark.parametrize("number", ["CVE-2025-66479", "CVE-2026-25725"])
def test_what_cannot_be_applied_ends_the_run(number, box):
    cases = {"CVE-2025-66479": (["--seccomp", data_fd(b"")], ["--cap-drop", "CAP_NOT_THERE"], ["--hostname", "h"],
                                ["--unshare-nothing"], ["--exec-label", "x"]),
             "CVE-2026-25725": (["--ro-bind", box / "settings.json", "/x"], ["--remount-ro", "/missing"],
                                ["--ro-bind", box / "missing", box / "missing"], ["--chmod", "0", "/missing"])}[number]
    for args in cases:
        refused([*args, "--bind", box, "/b"], base=BASE, command=["touch", "/b/ran"])
    assert tree(box) == []


@pytest.mark.skipif(not os.path.exists("/usr/bin/strace"), reason="needs strace")
@pytest.mark.parametrize("call", ["mount_setattr", "prctl", "capset", "unshare", "pivot_root", "umount2", "move_mount"])
def test_fail_open_no_refused_system_call_lets_command_run_unrestricted(call, box):
    """Invariant 1: the kernel says no to one step; either it is not needed or nothing runs."""
    filter = ["--seccomp", data_fd(bpf({"mkdirat": errno.EXDEV}))]
    for when in ("1", "2", "3"):
        prefix = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", f"trace={call}", "-e",
                  f"inject={call}:error=EPERM:when={when}", "--"]
        os.lseek(filter[1], 0, 0)
        result = run([*WITH_PROC, "--unshare-all", "--cap-drop", "ALL", "--ro-bind", box, "/b", *filter],
                     ["sh", "-c", "grep -E 'Cap|NoNew|Seccomp:' /proc/self/status; touch /b/ran"], prefix=prefix)
        if result.returncode in (0, 1) and "NoNewPrivs" in result.stdout:
            values = dict(line.split(":\t") for line in result.stdout.splitlines())
            assert all(int(v, 16) == 0 for k, v in values.items() if k.startswith("Cap")), values
            assert (values["NoNewPrivs"], values["Seccomp"]) == ("1", "2")
        else:
            assert result.returncode == 1 and result.stdout == "" and result.stderr.startswith(PREFIX), result
        assert os.listdir(box) == []


# ---- nested namespaces, new system calls a filter forgot ----

def test_cve_2021_41133_nested_namespaces_and_mount_calls_are_denied_where_asked():
    code = """import ctypes
libc = ctypes.CDLL(None)
print(*[call() >= 0 for call in (lambda: libc.unshare(0x10000000), lambda: libc.syscall(428, -100, b"/", 0x8001),
    lambda: libc.syscall(430, b"tmpfs", 0), lambda: libc.syscall(442, -100, b"/usr", 0, bytes(32), 32),
    lambda: libc.syscall(429, -100, b"/usr", -100, b"/bin", 0),
    lambda: libc.mount(b"x", b"/usr", b"tmpfs", 0, None))])"""
    result = run_python(["--unshare-all", "--unshare-user", "--disable-userns", "--cap-drop", "ALL"], code)
    assert result.stdout == "False False False False False False\n", result


def test_cve_2022_0185_disable_userns_takes_away_the_way_to_fsconfig():
    assert inside(["--unshare-user", "--disable-userns", "--cap-drop", "ALL"],
                  "(" + errno_inside(f"libc.unshare({CLONE_NEWUSER})") + ", "
                  + errno_inside("libc.syscall(430, b'ext4', 0)") + ")") == ("ENOSPC", "EPERM")


# ---- abstract sockets, inherited capabilities, groups ----

def test_cve_2020_15257_abstract_sockets_of_the_host_are_unreachable_with_a_new_network():
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("\0bwrapish-advisory-%d" % os.getpid())
        server.listen()
        name = server.getsockname()
        call = f"__import__('socket').socket(1).connect_ex({name!r})"
        assert inside(["--unshare-net"], call) == errno.ECONNREFUSED
        assert inside([], call) == 0, "shared on purpose without --unshare-net"


def test_cve_2022_29162_no_inheritable_or_ambient_capability_passes():
    prefix = ["unshare", "--user", "--map-current-user", "--keep-caps"]
    status = status_inside(["--unshare-user", "--cap-drop", "ALL"], prefix=prefix)
    assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}


def test_cve_2023_25173_supplementary_groups_cannot_be_dropped_to_gain_access():
    for more in ([], ["--cap-add", "ALL"]):
        assert inside(["--unshare-user", "--uid", "0", "--gid", "0", *more],
                      errno_inside("libc.setgroups(0, None)")) == "EPERM"


@pytest.mark.root
def test_cve_2023_25173_a_group_that_denies_still_denies(box):
    (box / "f").write_text("x")
    os.chown(box / "f", 0, 4242)
    (box / "f").chmod(0o604)
    prefix = [word for word in as_user() if word != "--clear-groups"] + ["--groups", "4242"]
    result = run([*BASE, "--unshare-user", "--uid", "0", "--gid", "0", "--ro-bind", box, "/b"], ["cat", "/b/f"],
                 prefix=prefix)
    assert result.returncode == 1 and "Permission denied" in result.stderr
