"""Who reaches our processes: the caller from outside does, COMMAND from inside does not."""
import fcntl
import os
import re
import subprocess
import time
from pathlib import Path

import pytest

from sandbox import (BASE, FULL, IS_ROOT, Holder, args_fd, assert_ok, close, keep, line_from, pipe, python,
                     python_prefix, read_json, run, start, wait_for)

WITH_PROC = [*BASE, "--proc", "/proc"]
READY = ["sh", "-c", "echo ready; read x"]

# What can be done to the processes in sys.argv from inside, as a list of names; [] is right.
REACH = r"""
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def reach(pid):
    found = []
    for name in ("environ", "mem", "maps", "stack", "auxv", "io", "root/etc/hostname", "cwd/etc/hostname"):
        try:
            with open(f"/proc/{pid}/{name}", "rb") as file:
                if file.read(1): found.append(name)  # of a zombie there is nothing
        except OSError: pass
    for name in ("ns/mnt", "ns/user", "cwd", "exe", "root", *(f"fd/{n}" for n in range(10))):
        try: os.readlink(f"/proc/{pid}/{name}"); found.append(name)
        except OSError: pass
    for number, name in ((16, "ATTACH"), (0x4206, "SEIZE")):
        if libc.ptrace(number, pid, 0, 0) == 0:
            found.append("PTRACE_" + name)
            libc.ptrace(17, pid, 0, 0)
    try:
        pidfd = os.pidfd_open(pid)
        if any(libc.syscall(438, pidfd, fd, 0) >= 0 for fd in range(8)): found.append("PIDFD_GETFD")
    except OSError: pass
    return found
def parents():
    pid, all = os.getppid(), []
    while pid > 0 and os.path.exists(f"/proc/{pid}/stat"):
        if open(f"/proc/{pid}/comm").read().strip()[:7] not in ("bwrapis", "bwrap"): break
        all.append(pid)
        pid = int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
    return all
print(len(parents()), [(pid, reach(pid)) for pid in parents() if reach(pid)])
"""

WAYS = {"with pid 1": (["--unshare-pid"], 1), "all": (["--unshare-all"], 1),
        "disable-userns": (["--unshare-all", "--unshare-user", "--disable-userns"], 1),
        "uid 0": (["--unshare-all", "--uid", "0", "--gid", "0"], 1),
        "supervised": (["--die-with-parent"], 1), "sync": (["--sync-fd", "0"], 2),
        "lock": (["--lock-file", "/usr/bin/env"], 2)}


@pytest.mark.user
@pytest.mark.parametrize("way", WAYS)
def test_nothing_of_our_processes_is_reachable_from_inside(way):
    args, count = WAYS[way]
    result = run([*WITH_PROC, *args], python(REACH))
    assert_ok(result)
    assert result.stdout == f"{count} []\n"


@pytest.mark.user
@pytest.mark.parametrize("args", [["--unshare-all"], ["--unshare-user", "--unshare-pid"],
                                  ["--unshare-user", "--die-with-parent"]],
                         ids=" ".join)
def test_nothing_is_reachable_with_every_capability_inside(args):
    result = run([*WITH_PROC, *args, "--uid", "0", "--gid", "0", "--cap-add", "ALL"], python(REACH))
    assert_ok(result)
    assert result.stdout == "1 []\n"


@pytest.mark.user
@pytest.mark.parametrize("more", [[], ["--unshare-pid"], ["--die-with-parent"], ["--cap-add", "ALL"]], ids=str)
def test_nothing_is_reachable_in_a_joined_user_namespace(more):
    with Holder("--user", "--map-current-user") as holder:
        result = run([*WITH_PROC, "--userns", holder.namespace("user"), *more], python(REACH))
        assert_ok(result)
        assert result.stdout.endswith(" []\n")


@pytest.mark.user
@pytest.mark.parametrize("more", [[], ["--unshare-pid"]], ids=str)
def test_nothing_is_reachable_in_a_joined_pid_namespace(more):
    with Holder("--user", "--map-current-user", "--pid", "--fork", "--kill-child") as holder:
        result = run([*WITH_PROC, "--userns", holder.namespace("user"), "--pidns", holder.namespace("pid"), *more], python(REACH))
        assert_ok(result)
        assert result.stdout.endswith(" []\n")


# Root of a joined namespace looks at every process of ours, as fast as it goes, until a line comes; [] is right.
# One that has executed something since, or has ended, may have been seen as what it has become.
SPY = REACH.rsplit("def parents", 1)[0] + """
import select
found, looks = set(), 0
def is_ours(pid):
    try: return open(f"/proc/{pid}/comm").read().strip()[:7] in ("bwrapis", "bwrap")
    except OSError: return False
print("spying", flush=True)
stop = False
while not stop:
    stop = select.select([0], [], [], 0)[0]  # and look at all of them once more
    for pid in filter(str.isdigit, os.listdir("/proc")):
        seen = is_ours(pid) and reach(int(pid))
        if is_ours(pid):
            found |= set(seen)
            looks += 1
print(looks > 0, sorted(found))
"""


def seen_by_root_of(namespace, line, box):
    """What SPY in the user namespace says of a sandbox that has everything but COMMAND."""
    block, _ = pipe()
    spy = subprocess.Popen(["nsenter", f"--user=/proc/self/fd/{namespace}",
                            *([] if IS_ROOT else ["--preserve-credentials"]), *python(SPY)],
                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           pass_fds=[namespace])
    try:
        assert spy.stdout.readline() == "spying\n"
        marker = box / "set-up"
        with start([*BASE, "--bind", box, "/box", "--file", args_fd([]), "/box/set-up", *line, "--setenv", "A", "b",
                    "--block-fd", block], ["echo", "COMMAND RAN"]) as process:
            wait_for(lambda: marker.exists() or process.poll() is not None, 20, "setup")
            time.sleep(0.3)
            if process.poll() is None:
                out = spy.communicate("\n", timeout=20)[0]
                marker.unlink()
                return out
            return f"it ended: {process.stderr.read()}"
    finally:
        spy.kill()
        spy.wait()


@pytest.mark.user
@pytest.mark.parametrize("more", [[], ["--unshare-pid"], ["--unshare-pid", "--as-pid-1"]], ids=str)
def test_setup_is_out_of_reach_of_root_of_a_joined_user_namespace(more, box):
    with Holder("--user", "--map-root-user") as holder:
        namespace = holder.namespace("user")
        for line in ([], ["--cap-add", "ALL"], ["--unshare-net", "--cap-add", "CAP_NET_ADMIN"]):
            assert seen_by_root_of(namespace, ["--userns", namespace, *line, *more], box) == "True []\n", line


@pytest.mark.user
@pytest.mark.parametrize("more", [[], ["--unshare-pid"], ["--die-with-parent"]], ids=str)
def test_setup_is_out_of_reach_of_root_of_a_namespace_that_is_joined_second(more, box):
    with Holder("--user", "--map-root-user", inner=["unshare", "--user", "--map-root-user"]) as holder:
        inner = holder.namespace("user")
        outer = keep(fcntl.ioctl(inner, 0xB702))  # NS_GET_PARENT
        assert seen_by_root_of(inner, ["--userns", outer, "--userns2", inner, *more], box) == "True []\n"


@pytest.mark.root
@pytest.mark.parametrize("line", [[], ["--cap-add", "ALL"], ["--unshare-pid"], ["--unshare-pid", "--cap-add", "ALL"]],
                         ids=str)
def test_setup_is_out_of_reach_of_root_of_a_joined_namespace_with_other_ids(line, box):
    box.chmod(0o777)
    with Holder("--user", "--keep-caps") as holder:
        for kind in ("uid_map", "gid_map"):
            Path(f"/proc/{holder.pid}/{kind}").write_text("0 100000 1000\n1000 0 1\n")
        namespace = holder.namespace("user")
        args = ["--userns", namespace, "--uid", "7", "--gid", "7", *line]
        assert seen_by_root_of(namespace, args, box) == "True []\n"
        result = run([*BASE, "--proc", "/proc", *args],
                     ["sh", "-c", "id -u; id -g; grep -E CapEff /proc/self/status; cat /proc/self/uid_map"])
        assert_ok(result)
        shown = result.stdout.split()
        assert shown[:2] == ["7", "7"] and (shown[3] != "0" * 16) == ("--cap-add" in line)
        assert shown[4:] == (["0", "0", "1000", "1000", "1000", "1"] if "--cap-add" in line
                             else ["0", "100000", "1000", "1000", "0", "1"])


NO_STRACE = pytest.mark.skipif(not os.path.exists("/usr/bin/strace"), reason="needs strace")


def calls_of(args, calls, *more, follow=("-f",)):
    """What the processes of a run say by `calls`, as strace writes it, and how it ended."""
    read_end, write_end = pipe()
    prefix = ["strace", *follow, "-qqq", "-o", f"/proc/self/fd/{write_end}", "-e", f"trace={calls}", *more]
    result = run([*BASE, *args], ["true"], prefix=prefix, pass_fds=[write_end])
    close(write_end)
    lines, begun = [], {}  # a call during which another process made one is written in two parts
    with open(read_end, closefd=False) as file:
        for pid, text in (line.split(" ", 1) for line in file.read().splitlines()):
            if text.endswith(" <unfinished ...>"):
                begun[pid] = text.removesuffix(" <unfinished ...>")
                continue
            lines.append(f"{pid} {re.sub(r'^ *<... [a-z0-9_]+ resumed>', lambda _: begun.pop(pid), text)}")
    return lines, result


@NO_STRACE
@pytest.mark.parametrize("more", [[], ["--unshare-pid"], ["--die-with-parent"], ["--uid", "0", "--gid", "0"]], ids=str)
def test_processes_hide_again_after_what_may_show_them(more):
    """A change of ids or of the user namespace sets dumpable to what fs.suid_dumpable says."""
    with Holder("--user", "--map-root-user") as holder:
        lines, result = calls_of(["--userns", holder.namespace("user"), *more], "setns,setresuid,setresgid,prctl")
    assert_ok(result)
    shown = set()
    for pid, line in (line.split(" ", 1) for line in lines):
        if re.search(r"setns\(\d+, CLONE_NEWUSER|setres[ug]id\(", line):
            shown.add(pid)
        elif "PR_GET_DUMPABLE" in line and line.endswith("= 0 (SUID_DUMP_DISABLE)"):
            shown.discard(pid)
        assert not (pid in shown and "PR_CAPBSET_DROP" in line), lines
    assert not shown and any("CLONE_NEWUSER" in line for line in lines), lines


@NO_STRACE
def test_nothing_is_run_where_processes_cannot_hide():
    with Holder("--user", "--map-root-user") as holder:
        args = ["--userns", holder.namespace("user"), "--die-with-parent"]
        lines, _ = calls_of(args, "prctl")
        asked = {}  # by each process
        for pid, call in (line.split(" ", 1) for line in lines):
            asked.setdefault(pid, []).append("PR_GET_DUMPABLE" in call)
        when = next(calls.index(True) + 1 for calls in asked.values() if True in calls)
        _, result = calls_of(args, "prctl", "-e", f"inject=prctl:retval=1:when={when}")
    assert result.returncode == 1 and "Can't hide" in result.stderr, result


@NO_STRACE
def test_a_kernel_that_lets_no_memory_file_be_executed_is_told():
    with Holder("--user", "--map-root-user") as holder:
        args = ["--userns", holder.namespace("user"), "--cap-add", "CAP_NET_ADMIN", "--unshare-net"]
        _, result = calls_of(args, "memfd_create", "-e", "inject=memfd_create:error=EACCES")
        assert result.returncode == 1 and "vm.memfd_noexec" in result.stderr, result
        lines, result = calls_of(args, "memfd_create", "-e", "inject=memfd_create:error=EINVAL:when=1", follow=())
        assert_ok(result)  # before 6.3 there was no such flag
        assert sum("memfd_create(" in line for line in lines) == 2, lines


@pytest.mark.parametrize("line", [["--unshare-all", "--share-net"], ["--unshare-all", "--cap-add", "ALL"]], ids=" ".join)
def test_who_gains_capabilities_by_running_us_gets_a_sandbox_with_them(line):
    """As root below pasta: a process that gains them is not dumpable, and nobody without rights follows it."""
    lose = """import ctypes
assert ctypes.CDLL(None).capset((ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()) == 0"""
    prefix = [*([] if IS_ROOT else ["unshare", "--user", "--map-root-user"]), *python_prefix(lose)]
    result = run([*WITH_PROC, *line], ["grep", "CapEff", "/proc/self/status"], prefix=prefix)
    assert_ok(result)
    assert int(result.stdout.split()[1], 16)


@pytest.mark.user
def test_host_processes_of_the_same_user_are_not_reachable():
    code = REACH.rsplit("print(", 1)[0] + "print(reach(int(sys.argv[1])))"
    victim = subprocess.Popen(["sleep", "30"], env={"TOKEN": "x"})
    try:
        result = run([*WITH_PROC, "--unshare-user"], [*python(code), str(victim.pid)])
    finally:
        victim.kill()
        victim.wait()
    assert result.stdout == "[]\n", result


@pytest.mark.root
@pytest.mark.parametrize("args", [["--unshare-all"], ["--unshare-pid"], ["--die-with-parent"]], ids=str)
def test_nothing_is_reachable_from_roots_command_without_capabilities(args):
    result = run([*WITH_PROC, *args, "--cap-drop", "ALL"], python(REACH))
    assert_ok(result)
    assert result.stdout == "1 []\n"


# ---- no secrets in pid 1 ----

@pytest.mark.parametrize("how", ["line", "args", "clearenv", "unsetenv"])
@pytest.mark.parametrize("more", [[], ["--unshare-all", "--die-with-parent"], ["--as-pid-1"]], ids=str)
def test_pid_1_shows_no_secret(how, more):
    """Neither what was taken from the environment nor, on its command line, what was set."""
    env = {"PATH": "/usr/bin:/bin", "TAKEN": "t4k3n"}
    given = {"line": ["--setenv", "OTHER", "s3t", "--unsetenv", "TAKEN"],
             "args": ["--args", args_fd(["--setenv", "OTHER", "s3t", "--unsetenv", "TAKEN"])],
             "clearenv": ["--clearenv"], "unsetenv": ["--unsetenv", "TAKEN"]}[how]
    info, told = pipe()
    script = "cat /proc/1/cmdline; cat /proc/1/environ; echo; read x"
    with start([*WITH_PROC, "--unshare-pid", *more, *given, "--info-fd", told], ["sh", "-c", script], env=env,
               stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        close(told)
        child = read_json(info)["child-pid"]
        inside = line_from(process)
        assert "t4k3n" not in inside
        command_line, environment = (Path(f"/proc/{child}/{name}").read_bytes() for name in ("cmdline", "environ"))
        assert b"t4k3n" not in command_line + environment and b"s3t" not in command_line


def test_child_pids_environ_is_commands_for_those_who_enter_it():
    """flatpak enter starts its program with it."""
    for form in (["--unshare-pid"], ["--unshare-all"], []):
        process, child = started([*form, "--setenv", "A", "1", "--unsetenv", "LC_ALL"])
        with process:
            assert line_from(process) == "ready"
            variables = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
            assert b"A=1" in variables and b"LC_ALL=C" not in variables


# ---- the handle for callers ----

HANDLES = {"alone": [], "pid": ["--unshare-pid"], "all": ["--unshare-all"], "supervised": ["--die-with-parent"],
           "net": ["--unshare-net"], "dev and proc": ["--unshare-all", "--dev", "/dev", "--proc", "/proc"],
           "caps": ["--unshare-all", "--uid", "0", "--gid", "0", "--cap-add", "ALL"],
           "disable-userns": ["--unshare-all", "--unshare-user", "--disable-userns"]}


def started(args):
    info, told = pipe()
    process = start([*FULL, *args, "--info-fd", told], READY, stdin=subprocess.PIPE)
    close(told)
    return process, read_json(info)["child-pid"]


@pytest.mark.parametrize("way", HANDLES)
def test_child_pid_is_readable_from_outside(way):
    process, child = started(HANDLES[way])
    with process:
        assert line_from(process) == "ready"
        for kind in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup"):
            assert os.readlink(f"/proc/{child}/ns/{kind}").startswith(kind)
        assert sorted(os.listdir(f"/proc/{child}/root")) == ["bin", "dev", "lib", "lib64", "proc", "tmp", "usr"]
        assert os.readlink(f"/proc/{child}/root") == "/"
        Path(f"/proc/{child}/environ").read_bytes()


@pytest.mark.parametrize("way", HANDLES)
def test_the_same_user_enters_child_pid_with_nsenter(way):
    process, child = started(HANDLES[way])
    with process:
        assert line_from(process) == "ready"
        new = [kind for kind in ("user", "net", "uts", "ipc", "pid", "mnt", "cgroup")
               if os.readlink(f"/proc/{child}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")]
        flags = ["--mount" if kind == "mnt" else f"--{kind}" for kind in new]
        result = subprocess.run(["nsenter", "--target", str(child), *flags, "--preserve-credentials", "--root", "--wd",
                                 "ls", "/"], capture_output=True, text=True, timeout=20)
        assert_ok(result)
        assert result.stdout.split() == ["bin", "dev", "lib", "lib64", "proc", "tmp", "usr"]


@pytest.mark.user
@pytest.mark.parametrize("way", ["all", "dev and proc", "net"])
def test_child_pids_user_namespace_owns_its_net_pid_and_mount_namespaces(way):
    process, child = started(HANDLES[way])
    with process:
        assert line_from(process) == "ready"
        user = os.stat(f"/proc/{child}/ns/user").st_ino
        for kind in ("net", "mnt", *(["pid"] if way != "net" else [])):
            fd = os.open(f"/proc/{child}/ns/{kind}", os.O_RDONLY)
            owner = fcntl.ioctl(fd, 0xB701)  # NS_GET_USERNS
            assert os.fstat(owner).st_ino == user, kind
            os.close(owner)
            os.close(fd)


@pytest.mark.user
def test_a_network_can_be_configured_from_outside():
    """What pasta and slirp4netns do: enter the user and network namespaces of child-pid with full rights there."""
    process, child = started(HANDLES["dev and proc"])
    with process:
        assert line_from(process) == "ready"
        code = f"""import ctypes, fcntl, os, socket, struct
libc = ctypes.CDLL(None, use_errno=True)
namespaces = [os.open("/proc/{child}/ns/" + kind, os.O_RDONLY) for kind in ("user", "net")]
for fd in namespaces: assert libc.setns(fd, 0) == 0, os.strerror(ctypes.get_errno())
fcntl.ioctl(socket.socket(2, 2), 0x8922, struct.pack("16si12x", b"lo", 1234))  # SIOCSIFMTU
print("set")"""
        result = subprocess.run(python(code), capture_output=True, text=True)
        assert result.stdout == "set\n", result


def test_our_processes_hold_no_capability_and_only_needed_descriptors():
    process, child = started(["--unshare-pid", "--unshare-user", "--die-with-parent"])
    with process:
        assert line_from(process) == "ready"
        for pid in (process.pid, child):
            status = Path(f"/proc/{pid}/status").read_text()
            assert "CapEff:\t0000000000000000" in status and "CapPrm:\t0000000000000000" in status, (pid, status)

        def host_paths():
            links = [os.readlink(f"/proc/{child}/fd/{name}") for name in os.listdir(f"/proc/{child}/fd")]
            return [link for link in links if link.startswith("/") and link != "/dev/null"]
        # Where pid 1 has lent its memory it closes them while COMMAND starts.
        wait_for(lambda: not host_paths(), what="closing of the host's paths")
