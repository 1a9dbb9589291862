"""Who reaches our processes: the caller from outside does, COMMAND from inside does not."""
import fcntl
import os
import subprocess
from pathlib import Path

import pytest

from sandbox import (BASE, FULL, Holder, args_fd, assert_ok, close, line_from, pipe, python, read_json, run, start,
                     wait_for)

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
                file.read(1)
                found.append(name)
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
        pid = max(holder.pids)
        result = run([*WITH_PROC, "--userns", holder.namespace("user", pid), "--pidns", holder.namespace("pid", pid),
                      *more],
                     python(REACH))
        assert_ok(result)
        assert result.stdout.endswith(" []\n")


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
