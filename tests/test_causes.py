"""Why it failed: each cause made for real, told in the one line with its cure, and by its name in the status events."""
import errno
import os
import re
import shutil
import subprocess

import pytest

from sandbox import (BASE, BINARY, FULL, IS_ROOT, IS_SANITIZED, args_fd, as_user, assert_ok, bpf, data_fd, host_mounts, pipe, python_prefix, refused, run,
                     without_rights)

USER = as_user() if IS_ROOT else []  # who may make namespaces only in a user namespace
NEW = ["--unshare-user", "--unshare-net"]


def refusing(denied):
    """A prefix: a filter around the tool answers {system call: errno}."""
    program = bpf(denied)
    return [*USER, *python_prefix(f"""import ctypes
libc, code = ctypes.CDLL(None, use_errno=True), ctypes.create_string_buffer({program!r})
filter = (ctypes.c_ulong * 2)({len(program) // 8}, ctypes.addressof(code))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(filter)) == 0""")]


def cause_of(args, prefix, *words, command=("echo", "COMMAND RAN"), **options):
    """The message, and the cause by which a status event names it."""
    lines = args if callable(args) else lambda: args
    message = refused(lines(), *words, prefix=prefix, command=command, **options)
    reader, writer = pipe()
    run([*lines(), "--json-status-fd", writer], command, prefix=prefix, **options)
    os.set_blocking(reader, False)
    told = re.findall(r'"cause": "([a-z0-9-]+)"', os.read(reader, 1 << 20).decode())
    assert len(told) == 1, told
    return told[0], message


# ---- namespaces ----

@pytest.mark.parametrize("kind", ["user", "mnt", "net", "pid", "ipc", "uts", "cgroup"])
def test_a_limit_of_zero_is_named_for_each_kind(kind):
    cause, message = cause_of([*BASE, "--unshare-all", "--unshare-cgroup"], without_rights(f"echo 0 >/proc/sys/user/max_{kind}_namespaces"),
                              "Creating new namespace failed: a limit was reached")
    assert cause == "namespace-none" and f"/proc/sys/user/max_{kind}_namespaces is 0: as root" in message


@pytest.mark.parametrize("kind", ["mnt", "net", "uts"])
def test_a_limit_that_is_used_up_is_named(kind):
    full = without_rights(f"echo 1 >/proc/sys/user/max_{kind}_namespaces; unshare --{dict(mnt='mount').get(kind, kind)} sleep 60 & "
                          "sleeper=$!; trap 'kill $sleeper' EXIT; while [ \"$(readlink /proc/$sleeper/ns/" + kind + ")\" = "
                          "\"$(readlink /proc/self/ns/" + kind + ")\" ]; do :; done", then='"$@"')
    cause, message = cause_of([*BASE, "--unshare-all"], full)
    assert cause == "namespace-limit" and f"/proc/sys/user/max_{kind}_namespaces, or the same of a user namespace around" in message


def test_a_sandbox_that_allows_no_user_namespaces_is_named():
    inner = [BINARY, *BASE, "--unshare-user", "true"]
    result = run([*FULL, "--ro-bind", BINARY, BINARY, "--unshare-user", "--disable-userns"], inner, prefix=USER)
    assert result.returncode == 1 and "a limit was reached; the sandbox or container around this one allows no further user" in result.stderr, result


@pytest.mark.parametrize("path, words, cause", [
    ("kernel/unprivileged_userns_clone", "kernel.unprivileged_userns_clone=1", "userns-sysctl-debian"),
    ("kernel/apparmor_restrict_unprivileged_userns", 'give the program a profile that has "userns,"', "userns-apparmor")])
def test_a_sysctl_that_forbids_user_namespaces_is_named(path, words, cause, box):
    """A stand-in for a kernel that has it; what the kernel then says, a chroot makes it say here."""
    value = "0" if "clone" in path else "1"
    (box / "sys" / "kernel").mkdir(parents=True)
    (box / "sys" / path).write_text(value)
    box.chmod(0o755)
    found = in_chroot(box, f"mount --bind {box}/sys $root/proc/sys")
    assert cause_of([*BASE, "--unshare-user"], found, words, "No permissions to create a new namespace: Operation not permitted")[0] == cause


def in_chroot(box, setup=""):
    """A prefix: the tool, without rights, in a chroot that is a directory of the host's, and so is no mount."""
    (box / "root").mkdir()
    return host_mounts(f"""root={box}/root/in; mount -t tmpfs none {box}/root; mkdir $root
for name in usr proc dev tmp; do mkdir $root/$name; done
for name in bin lib lib64; do ln -s usr/$name $root/$name; done
mount --rbind /usr $root/usr; mount --rbind /proc $root/proc; mount --rbind /dev $root/dev
mkdir -p $root{os.path.dirname(BINARY)}; mount --bind {os.path.dirname(BINARY)} $root{os.path.dirname(BINARY)}
{setup}""", then="exec unshare --root=$root " + " ".join(USER) + ' "$@"')


def test_a_chroot_is_named(box):
    cause, message = cause_of([*BASE, "--unshare-user"], in_chroot(box), "No permissions to create a new namespace")
    assert cause == "chroot" and "the present root is a chroot" in message


@pytest.mark.parametrize("call, error, beginning", [("unshare", errno.EPERM, "No permissions to create a new namespace"),
                                                    ("unshare", errno.ENOSYS, "Creating new namespace failed: Function not implemented")])
def test_a_filter_around_that_refuses_user_namespaces_is_named(call, error, beginning):
    message = refused([*BASE, *NEW], beginning, "a seccomp filter around this process forbids it", f"the call {call}", prefix=refusing({call: error}))
    assert message.count(";") == 1


def test_the_facts_are_told_with_verbose():
    result = run([*BASE, *NEW, "--verbose"], ["true"], prefix=refusing({"unshare": errno.EPERM}))
    assert 'unshare answers "Operation not permitted" where the kernel would say "Invalid argument"' in result.stderr, result
    result = run([*BASE, "--unshare-all", "--verbose"], ["true"], prefix=without_rights("echo 0 >/proc/sys/user/max_net_namespaces"))
    assert "/proc/sys/user/max_net_namespaces is 0\n" in result.stderr, result


def test_no_number_in_the_user_namespace_around_is_named():
    prefix = [*USER, "unshare", "--user"]
    cause, message = cause_of([*BASE, *NEW], prefix, "No permissions to create a new namespace")
    assert cause == "ids-unmapped" and "this user has no number in the user namespace around" in message


@pytest.mark.user
def test_the_limit_of_the_users_processes_is_named():
    message = refused([*BASE, "--unshare-pid"], "this user may have 1 processes and threads (RLIMIT_NPROC): end some, or raise ulimit -u",
                      prefix=["prlimit", "--nproc=1"])
    assert "Resource temporarily unavailable" in message


@pytest.mark.user
def test_a_full_control_group_is_told_from_the_users_limit(box):
    """Stand-ins for its files; the limit of this user makes the kernel say what that of a group does."""
    groups = "".join(f"mkdir -p /sys/fs/cgroup/{top}{path}; echo 7 >/sys/fs/cgroup/{top}{path}/pids.max; echo 7 >/sys/fs/cgroup/{top}{path}/pids.current\n"
                     for top, path in pid_groups())
    full = [*host_mounts("mount -t tmpfs none /sys/fs/cgroup\n" + groups), "prlimit", "--nproc=1"]
    cause, message = cause_of([*BASE, "--unshare-pid"], full, "the control group may have 7 processes and threads (pids.max)")
    assert cause == "pids-max"


def pid_groups():
    """The groups that may limit the number of our processes: (hierarchy, path)."""
    for line in open("/proc/self/cgroup"):
        number, controllers, path = line.rstrip("\n").split(":", 2)
        if number == "0" or "pids" in controllers.split(","):
            yield "pids" if controllers else "", "" if path == "/" else path


# ---- /proc ----

def test_a_read_only_proc_is_named():
    cause, message = cause_of([*BASE, "--unshare-user"], host_mounts("mount --bind /proc /proc; mount -o remount,bind,ro /proc", user=user_id()))
    assert cause == "proc-read-only" and "setting up" in message and "should give --proc /proc" in message


def user_id():
    return int(subprocess.run([*USER, "id", "-u"], stdout=subprocess.PIPE, text=True, check=True).stdout)


def test_a_covered_proc_is_named():
    covered = host_mounts("mount --bind /dev/null /proc/version", user=user_id())
    cause, message = cause_of([*BASE, "--unshare-user", "--unshare-pid", "--proc", "/proc"], covered, "Can't mount proc on /newroot/proc")
    assert cause in ("proc-covered", "proc-covered-whole") and "parts of the /proc that is visible here are covered" in message


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer reads its maps in /proc, and complains")
def test_no_proc_is_named():
    cause, message = cause_of([*BASE, "--unshare-user"], host_mounts("mount -t tmpfs none /proc", user=user_id()))
    assert cause == "proc-missing" and "a mounted /proc is needed" in message


def without_kind(kind):
    """A prefix: what /proc shows of our process is as in a kernel that was built without them. The descriptor keeps it so when
    that has left the mount namespace."""
    others = " ".join({"mnt", "user", "net", "cgroup"} - {kind})
    return host_mounts(f"exec 9</proc/$$/ns/mnt; mount -t tmpfs none /proc/$$/ns; cd /proc/$$/ns; touch {others}; cd /", user=user_id())


@pytest.mark.parametrize("kind, error, cause", [("user", errno.EPERM, "userns-missing"), ("user", errno.EINVAL, "userns-missing"),
                                                ("net", errno.EINVAL, "namespace-missing")])
def test_a_kernel_without_a_kind_of_namespaces_is_named(kind, error, cause):
    """To a user Debian's say EPERM where they have no user namespaces."""
    prefix = [*without_kind(kind), *refusing({call: error for call in ("unshare", "clone", "clone3")})[len(USER):]]
    assert cause_of(["--unshare-user", f"--unshare-{kind}"], prefix, "this kernel was built without")[0] == cause


def test_a_kernel_without_time_namespaces_is_named():
    refused([*BASE, "--unshare-user", "--unshare-time"], "this kernel was built without time namespaces: leave out", prefix=without_kind("time"))


def test_a_kernel_that_only_makes_as_if_it_had_cgroup_namespaces_is_named():
    args = [*BASE, "--unshare-user"]
    refused([*args, "--unshare-cgroup"], "this kernel was built without cgroup namespaces", prefix=without_kind("cgroup"))
    fd = data_fd()
    assert_ok(run([*args, "--unshare-cgroup-try", "--info-fd", fd], ["true"], prefix=without_kind("cgroup")))
    assert os.pread(fd, 1, 0) and b"cgroup" not in os.pread(fd, 4096, 0)


# ---- mounts ----

@pytest.mark.parametrize("call", ["fsmount", "move_mount", "pivot_root", "umount2"])
def test_what_a_security_module_denies_of_mounts_is_told(call):
    """As SELinux does, for one of its permissions on file systems and on directories; the trial that follows is none it looks at."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    denied = [*USER, "strace", "-f", "-qqq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:error=EACCES:when=1"]
    assert cause_of([*BASE, "--unshare-user", "--tmpfs", "/tmp"], denied, "Permission denied; a security module forbids mounts")[0] == "mount-denied"


@pytest.mark.parametrize("call", ["open_tree", "move_mount", "fsopen", "mount_setattr"])
@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOSYS], ids=errno.errorcode.get)
def test_a_filter_that_knows_only_old_mount_calls_is_named(call, error):
    args = [*BASE, "--unshare-user", "--tmpfs", "/tmp"]
    cause, message = cause_of(args, refusing({call: error}), f"a seccomp filter around this process forbids the call {call} ")
    assert cause == "mount-filter" and "Can't find source path" not in message and f": {os.strerror(error)}; " in message


def test_a_missing_device_node_is_named():
    cause, message = cause_of([*BASE, "--unshare-user", "--dev", "/dev"], host_mounts("mount -t tmpfs none /dev", user=user_id()))
    assert cause == "dev-node" and "Can't find source path /dev/null: No such file or directory, at --dev (argument" in message


@pytest.mark.parametrize("call, error, words, cause", [
    ("move_mount", errno.ENOSPC, "the limit of mounts in a namespace is reached (fs.mount-max)", "mount-limit"),
    ("pivot_root", errno.EINVAL, "the present root is the initial ramfs", "initramfs")])
def test_what_the_kernel_says_of_a_root_is_decoded(call, error, words, cause):
    """A filter says it in the kernel's place, which takes 100,000 mounts, or a machine that is starting."""
    assert cause_of([*BASE, "--unshare-user"], refusing({call: error}), words)[0] == cause


def test_a_kernel_that_is_too_old_is_named():
    """One that says so of itself."""
    old = [*refusing({"open_tree": errno.ENOSYS}), "setarch", "--uname-2.6"]
    assert cause_of([*BASE, "--unshare-user"], old, "Linux 5.12 or newer is needed, and this is 2.6.")[0] == "kernel-too-old"


def test_a_flag_that_is_too_new_is_named():
    old = [*refusing({"mount_setattr": errno.EINVAL}), "setarch", "--uname-2.6"]
    args = ["--mount-flags", "nosymfollow", *BASE, "--unshare-user"]
    assert cause_of(args, old, "the mount flag nosymfollow needs Linux 5.14, and this is 2.6.")[0] == "flag-too-new"


@pytest.mark.parametrize("error", [errno.EINVAL, errno.ENOSYS], ids=errno.errorcode.get)
def test_a_kernel_that_makes_no_namespaces_is_told(error):
    """A filter says it in the kernel's place: of ENOSYS that is found out, the kernel's own EINVAL is believed."""
    message = refused(["--unshare-user", *BASE], "Creating new namespace failed", prefix=refusing({"unshare": error}))
    assert ("forbids it" if error == errno.ENOSYS else "this kernel was built without some of these namespaces") in message


# ---- COMMAND ----

def test_noexec_is_named_with_what_made_it(box):
    program = box / "program"
    program.write_text("#!/bin/sh\necho COMMAND RAN\n")
    program.chmod(0o755)
    bound = ["--mount-flags", "noexec", "--ro-bind", box, "/x"]
    cause, message = cause_of([*BASE, *bound], USER, "execvp /x/program: Permission denied", command=["/x/program"])
    assert cause == "exec-noexec" and f"it lies on a noexec mount, that of --ro-bind (argument {len(BASE) + 3}), by the --mount-flags before it" in message
    hosts = host_mounts(f"mount --bind {box} {box}; mount -o remount,bind,noexec {box}", user=user_id())
    message = refused([*BASE, "--ro-bind", box, "/x", "--setenv", "PATH", "/x"], "it lies on a noexec mount, that of --ro-bind (argument",
                      "whose source is one on the host", prefix=hosts, command=["program"])


def test_a_plain_file_is_no_program(box):
    (box / "plain").write_text("")
    assert cause_of([*BASE, "--ro-bind", box, "/x"], USER, "it is not executable for this user", command=["/x/plain"])[0] == "exec-mode"


@pytest.mark.parametrize("command, variables, words, cause", [
    (["echo", "x" * 100000, "x" * 100000], {}, "COMMAND's arguments take 200", "arguments-too-long"),
    (["echo"], {"ONE": "x" * 100000, "TWO": "x" * 100000}, "its environment takes 200", "environment-too-long"),
    (["echo"], {"LONG": "x" * 131072}, "the variable LONG is longer than the 128 KB", "variable-too-long")],
    ids=["arguments", "environment", "variable"])
def test_words_that_are_too_long_are_told_apart(command, variables, words, cause):
    """What there is for both is a quarter of the stack's limit, and 128 KB at least."""
    def args():
        return [*BASE, "--rlimit", "stack", "600K", "--args", args_fd([word for name, value in variables.items() for word in ("--setenv", name, value)])]
    assert cause_of(args, USER, "execvp echo: Argument list too long", words, command=command)[0] == cause


def test_what_is_missing_is_named(box):
    assert cause_of(["--tmpfs", "/"], USER, "execvp", command=["nothing-such"])[0] == "exec-path"
    assert cause_of(["--unshare-user"], USER, "nothing is bound into the sandbox", command=["ls"])[0] == "exec-empty-root"
    (box / "script").write_text("#!/opt/missing\n")
    (box / "outer").write_text("#!/x/script\n")
    for name in ("script", "outer"):
        (box / name).chmod(0o755)
    args = [*BASE, "--ro-bind", box, "/x"]
    assert cause_of(args, USER, "it exists, but /opt/missing, which runs it", command=["/x/script"])[0] == "exec-interpreter"
    assert cause_of(args, USER, "/x/script exists, but /opt/missing, which runs it", command=["/x/outer"])[0] == "exec-interpreter"
