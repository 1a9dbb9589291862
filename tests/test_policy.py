"""Lists of system calls and profiles: every denied call is tried for real, on every architecture the kernel takes."""
import errno
import fcntl
import os
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

from sandbox import (BASE, BINARY, FULL, REPO, WITH_PROC, Terminal, assert_ok, bpf, data_fd, errno_inside, inside, keep,
                     pipe, python, refused, run, status_inside)
from syscalls import HIGH, NATIVE, OTHERS, PROFILE, PROFILES, Rule, callers, calling, numbers, raw, table, trace

OF_32_BITS = ("i386", "arm")
ASYNC = 0o20000  # O_ASYNC, on all architectures here


# ---- the tables, as the build has them ----

def rules(profile):
    return [Rule(*fields) for fields in table("--calls", profile)]


# ---- making calls ----

def tried(rule, arch, numbers_of_arch):
    width = HIGH if arch in OF_32_BITS else HIGH * HIGH
    return [(arch, numbers_of_arch[rule.name], {} if value is None else {rule.index: value % width})
            for value in rule.values()]


def assert_denied(raw, args, wanted, arches):
    """`wanted`: [(Rule, error)]."""
    for arch in arches:
        known = numbers(arch)
        calls, expected = [], []
        for rule, error in wanted:
            if rule.name in known:
                made = tried(rule, arch, known)
                calls += made
                expected += [(str(rule), call, error) for call in made]
        assert len(calls) > 20, "too few to mean anything"
        wrong = [(arch, name, call[2], errno.errorcode.get(answer, answer))
                 for (name, call, error), answer in zip(expected, raw(args, calls)) if answer != error]
        assert not wrong


@pytest.mark.parametrize("arch", [NATIVE, *OTHERS])
@pytest.mark.parametrize("profile", ["default", "build"])
def test_every_call_that_a_profile_denies_is_denied(raw, profile, arch):
    assert_denied(raw, ["--seccomp-profile", profile], [(rule, rule.error) for rule in rules(profile)], [arch])


@pytest.mark.parametrize("arch", [NATIVE, *OTHERS])
def test_a_denial_by_a_profile_is_the_filters_own(raw, arch):
    """EXDEV is nothing that these calls would say themselves."""
    wanted = [(rule, errno.EXDEV if rule.error == errno.EPERM else rule.error) for rule in rules("default")]
    assert_denied(raw, ["--seccomp-profile", "default", "--seccomp-errno", "EXDEV"], wanted, [arch])


# The kernel makes these itself where a probe of its own was put, and looks at no filter then: since 6.14, and in older
# ones that were mended. From anywhere else they are SIGILL.
PASSED_BY_THE_KERNEL = {"x86_64": {"uretprobe", "uprobe"}}


@pytest.mark.parametrize("arch", [NATIVE, *OTHERS])
def test_every_call_that_minimal_does_not_allow_is_denied(raw, arch):
    allowed = {rule.name for rule in rules("minimal") if not rule.denies}
    calls = [(arch, number, {}) for name, number in numbers(arch).items()
             if name not in allowed | {"clone3"} | PASSED_BY_THE_KERNEL.get(arch, set())]
    answers = raw(["--seccomp-profile", "minimal"], calls)
    assert len(calls) > 200 and set(answers) == {errno.EPERM}, [c for c, a in zip(calls, answers) if a != errno.EPERM]


@pytest.mark.parametrize("arch", [NATIVE, *OTHERS])
def test_minimal_judges_arguments(raw, arch):
    known = numbers(arch)
    high = 0 if arch in OF_32_BITS else HIGH
    calls = [(arch, known["openat"], {2: flags})
             for flags in (os.O_WRONLY, os.O_RDWR, os.O_CREAT, os.O_TRUNC, os.O_TMPFILE, os.O_WRONLY | high)]
    calls += [(arch, known["ioctl"], {1: request}) for request in (0x5412, 0x541C, 0x5412 | high, 0x5402)]
    calls += [(arch, known["clone"], {0: flags}) for flags in (17, 0x10000000, 0x10000 | 0x10000000)]
    assert set(raw(["--seccomp-profile", "minimal"], calls)) == {errno.EPERM}
    read_only = [(arch, known["openat"], {0: 2**64 - 100, 1: 0, 2: os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY})]
    answer, = raw(["--seccomp-profile", "minimal"], read_only)
    assert answer == errno.EFAULT or (arch == "x32" and answer == errno.ENOSYS)  # few kernels have x32
    assert raw(["--seccomp-profile", "minimal"], [(arch, known["clone3"], {})]) == [errno.ENOSYS]


@pytest.mark.parametrize("arch", [NATIVE, *OTHERS])
def test_an_allow_list_has_no_signal_sent_to_anybody(raw, arch):
    """F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY, F_SETFL with O_ASYNC, and the limits of another process."""
    known = numbers(arch)
    high = 0 if arch in OF_32_BITS else HIGH
    calls = [(arch, known[name], {0: 0, 1: command | bits, 2: 0}) for name in ("fcntl", "fcntl64") if name in known
             for command in (8, 10, 15, 1024, 1026) for bits in {0, high}]
    calls += [(arch, known[name], {0: 0, 1: 4 | bits, 2: flags}) for name in ("fcntl", "fcntl64") if name in known
              for flags in (ASYNC, ASYNC | os.O_NONBLOCK, ASYNC | high) for bits in {0, high}]
    calls += [(arch, known["prlimit64"], {0: pid, 1: 0, 2: 0, 3: 0}) for pid in (1, os.getpid(), high | 1)]
    for args in (["--seccomp-profile", "minimal"], ["--seccomp-allow", "@basic-io"]):
        assert set(raw(args, calls)) == {errno.EPERM}
    free = [(NATIVE, numbers(NATIVE)["fcntl"], {0: 0, 1: command, 2: 0}) for command in (0, 1, 2, 3, 4, 1030)]
    free += [(NATIVE, numbers(NATIVE)["fcntl"], {0: 0, 1: 4, 2: os.O_NONBLOCK})]
    assert raw(["--seccomp-profile", "minimal"], [*free, (NATIVE, numbers(NATIVE)["prlimit64"], {0: 0, 1: 7, 2: 0, 3: 0})]) == [0] * 8


def test_what_an_allow_list_judges_by_flags_is_allowed_by_number(raw):
    calls = [(NATIVE, numbers(NATIVE)["fcntl"], {0: 0, 1: 4, 2: flags}) for flags in (ASYNC, 0)]
    for word in ("fcntl:4", "fcntl:0x4", "fcntl"):
        for args in (["--seccomp-profile", "minimal", "--seccomp-allow", word], ["--seccomp-allow", f"{word},@basic-io"],
                     ["--seccomp-allow", f"@basic-io,{word}"]):
            assert raw(args, calls) == [0, 0], args


@pytest.mark.parametrize("arch", [NATIVE, *OTHERS])
def test_the_terminals_guard_knows_every_architecture(raw, arch):
    known = numbers(arch)
    high = 0 if arch in OF_32_BITS else HIGH
    master, terminal = os.openpty()
    keep(master), keep(terminal)
    calls = [(arch, known["ioctl"], {0: 0, 1: request | bits, 2: 0}) for request in (0x5412, 0x541C, 0x5452) for bits in {0, high}]
    free = [(arch, known["ioctl"], {0: 0, 1: 0x5451, 2: 0})]  # FIOCLEX
    for name in {"fcntl", "fcntl64"} & set(known):
        calls += [(arch, known[name], {0: 0, 1: 10 | bits, 2: 9}) for bits in {0, high}]
        calls += [(arch, known[name], {0: 0, 1: 4 | bits, 2: ASYNC | os.O_RDWR | other}) for bits in {0, high} for other in {0, high}]
        free += [(arch, known[name], {0: 0, 1: 4, 2: os.O_NONBLOCK}), (arch, known[name], {0: 0, 1: 1, 2: ASYNC})]
    for more in ([], ["--seccomp-profile", "default"], ["--seccomp-deny", "ptrace"]):
        args = ["--close-fds", "--keep-fd", terminal, *more]
        assert set(raw(args, calls)) == {errno.EPERM}
        answers = set(raw(args, free))
        assert answers == {0} or (arch == "x32" and answers == {errno.ENOSYS})  # few kernels have x32


@pytest.mark.parametrize("call", ["fcntl.fcntl(0, fcntl.F_SETOWN, os.getppid())", "fcntl.fcntl(0, fcntl.F_SETSIG, 9)",
                                  "fcntl.fcntl(0, fcntl.F_SETFL, os.O_ASYNC)",
                                  "resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (0, 0))"])
def test_minimal_kills_nobody_outside(call):
    code = f"import fcntl, os, resource\nos.getppid()\ntry: {call}\nexcept PermissionError: print('denied')"
    result = run([*BASE, "--seccomp-profile", "minimal"], python(code))
    assert_ok(result)
    assert result.stdout == "denied\n"


def test_default_leaves_what_programs_use(raw):
    known = numbers(NATIVE)
    free = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
    calls = [(NATIVE, known["socket"], {0: family, 1: 3 if family == 16 else 1, 2: 0}) for family in free.values()]
    calls += [(NATIVE, known["personality"], {0: 0xFFFFFFFF}), (NATIVE, known["personality"], {0: 0x40000}),
              (NATIVE, known["personality"], {0: 8})]
    assert raw(["--seccomp-profile", "default"], calls) == [0] * 7


# 335 and 336 are uretprobe and uprobe, which pass every filter by the kernel's choice (6.14).
NEWER = {"x86_64": (337, 400, 423, 999, 5000), "x32": (0x40000000 + 400, 0x40000000 + 999, 0x40000000 + 548),
         "i386": (390, 999, 0x40000000 + 999), "aarch64": (300, 400, 423, 999, 5000), "arm": (402, 999, 0x0F0000)}


@pytest.mark.parametrize("arch", [NATIVE, *OTHERS])
def test_a_call_that_libseccomp_has_no_name_for_is_answered_enosys(raw, arch):
    for args in (["--seccomp-profile", "build"], ["--seccomp-profile", "default"], ["--seccomp-profile", "minimal"], ["--seccomp-deny", "ptrace"],
                 ["--seccomp-allow", "@basic-io"], ["--seccomp-allow", "@basic-io", "--seccomp-errno", "kill"]):
        assert set(raw(args, [(arch, number, {}) for number in NEWER[arch]])) == {errno.ENOSYS}, args


# ---- lists ----

def mkdir_fails(args, **options):
    return getattr(errno, inside(args, errno_inside("libc.mkdir(b'/x', 511)"), **options))


@pytest.mark.parametrize("args, error", [
    (["--seccomp-deny", "mkdir,mkdirat"], errno.EPERM),
    (["--seccomp-deny", "mkdir:EXDEV,mkdirat:EXDEV"], errno.EXDEV),
    (["--seccomp-deny", "mkdir,mkdirat", "--seccomp-errno", "ENOSPC"], errno.ENOSPC),
    (["--seccomp-deny", "mkdir:EXDEV,mkdirat:EXDEV", "--seccomp-errno", "ENOSPC"], errno.EXDEV),
    (["--seccomp-deny", "@file-system", "--seccomp-deny", "mkdir:EXDEV,mkdirat:EXDEV", "--seccomp-errno", "log"],
     errno.EXDEV),
    (["--seccomp-deny", "mkdir,mkdirat", "--seccomp-deny", "mkdir:EIO,mkdirat:EIO"], errno.EIO),
    ([*PROFILE, "--seccomp-deny", "mkdir:EXDEV,mkdirat:EXDEV"], errno.EXDEV),
    ([*PROFILE, "--seccomp-allow", "mount", "--seccomp-deny", "mkdir:EXDEV,mkdirat:EXDEV"], errno.EXDEV),
], ids=str)
@pytest.mark.parametrize("form", [[], ["--unshare-all"], ["--die-with-parent"]], ids=str)
def test_a_denied_call_fails_with_the_error_asked_for(args, error, form):
    assert mkdir_fails([*form, *args]) == error


def test_kill_ends_command():
    for args in (["--seccomp-deny", "mkdir:kill,mkdirat:kill"],
                 ["--seccomp-deny", "mkdir,mkdirat", "--seccomp-errno", "kill"]):
        result = run([*FULL, *args], python("import os; os.mkdir('/tmp/x')"))
        assert result.returncode in (-31, 128 + 31), result


def test_log_lets_pass():
    args = ["--seccomp-deny", "mkdir,mkdirat", "--seccomp-errno", "log"]
    assert inside(args, "os.mkdir('/tmp/x')", base=FULL) is None


def test_an_allow_list_denies_the_rest_but_what_execve_and_the_loader_need():
    result = run([*BASE, "--seccomp-allow", "@basic-io"], ["/usr/bin/echo", "spoken"])
    assert_ok(result)
    assert result.stdout == "spoken\n"
    result = run([*BASE, "--seccomp-allow", "@basic-io"], ["/usr/bin/uname"])
    assert_ok(result)
    assert run([*FULL, "--seccomp-allow", "@basic-io"], ["/usr/bin/mkdir", "/tmp/x"]).returncode == 1


def test_denying_wins_over_allowing():
    allow = ["--seccomp-allow", "@basic-io,@file-system"]
    assert run([*FULL, *allow], ["/usr/bin/mkdir", "/tmp/x"]).returncode == 0
    assert run([*FULL, *allow, "--seccomp-deny", "mkdir,mkdirat"], ["/usr/bin/mkdir", "/tmp/x"]).returncode == 1
    assert run([*FULL, "--seccomp-deny", "mkdir,mkdirat", *allow], ["/usr/bin/mkdir", "/tmp/x"]).returncode == 1


@pytest.mark.skipif(b"__asan_init" in Path(BINARY).read_bytes(),
                    reason="AddressSanitizer needs calls of its own in pid 1")
def test_pid_1_keeps_what_it_needs_and_is_filtered():
    for args in (["--seccomp-profile", "minimal"], ["--seccomp-allow", "@basic-io"],
                 ["--seccomp-deny", "wait4,waitid,write,exit_group:kill"]):
        result = run([*WITH_PROC, "--unshare-pid", *args], ["/usr/bin/cat", "/proc/1/status"])
        if "wait4" not in args[1]:
            assert_ok(result)
            assert "Seccomp:\t2\n" in result.stdout
    result = run([*BASE, "--unshare-pid", "--seccomp-deny", "wait4:kill,waitid:kill"], ["sh", "-c", "exit 3"])
    assert (result.returncode, result.stderr) == (3, ""), result
    assert run([*BASE, "--unshare-pid", "--seccomp-profile", "minimal"], ["/usr/bin/false"]).returncode == 1


def test_it_stacks_with_programs_of_the_callers_own():
    args = ["--add-seccomp-fd", data_fd(bpf({"mkdirat": errno.EXDEV})), "--seccomp-deny", "mkdir:EIO,mkdirat:EIO"]
    assert mkdir_fails(args) == errno.EIO
    assert status_inside(["--add-seccomp-fd", data_fd(bpf({})), "--seccomp-deny", "mkdir"])["Seccomp_filters"] == "2"


def test_socket_families_are_judged_on_the_low_32_bits(raw):
    known = numbers(NATIVE)
    calls = [(NATIVE, known["socket"], {0: family, 1: 3, 2: 0}) for family in (16, 16 | HIGH, 16 | 0xFFFFFFFF << 32, 1)]
    assert raw(["--seccomp-deny", "socket:AF_NETLINK:EXDEV"], calls) == [errno.EXDEV] * 3 + [0]
    assert raw(["--seccomp-deny", "socket:16:EXDEV"], calls)[:3] == [errno.EXDEV] * 3
    assert raw(["--seccomp-deny", "socket:AF_INET6+:EXDEV"], calls)[:3] == [errno.EXDEV] * 3


SOME_CALLS = {"ptrace": {0: 99}, "mount": {}, "AF_UNIX": {0: 1, 1: 1, 2: 0}, "AF_NETLINK": {0: 16, 1: 3, 2: 0},
              "clone": {0: 0x10000000}, "clone3": {}, "getpid": {}}


def answers_to(raw, args, *names):
    known = numbers(NATIVE)
    return raw(args, [(NATIVE, known["socket" if name.startswith("AF_") else name], SOME_CALLS[name]) for name in names])


@pytest.mark.parametrize("args, answers", [
    (["--seccomp-profile", "minimal", "--seccomp-deny", "ptrace:log"], {"ptrace": errno.EPERM}),
    (["--seccomp-allow", "@basic-io", "--seccomp-deny", "ptrace:log"], {"ptrace": errno.EPERM}),
    (["--seccomp-allow", "@basic-io,getpid", "--seccomp-deny", "getpid:log"], {"getpid": 0}),
    (["--seccomp-profile", "default", "--seccomp-deny", "mount:log"], {"mount": errno.EPERM}),
    (["--seccomp-profile", "default", "--seccomp-errno", "EXDEV", "--seccomp-deny", "mount:log"], {"mount": errno.EXDEV}),
    (["--seccomp-profile", "default", "--seccomp-deny", "clone:log"], {"clone": errno.EPERM, "clone3": errno.ENOSYS}),
    (["--seccomp-profile", "default", "--seccomp-deny", "clone:log", "--seccomp-errno", "EXDEV"],
     {"clone": errno.EXDEV, "clone3": errno.ENOSYS}),
    (["--seccomp-profile", "default", "--seccomp-allow", "mount", "--seccomp-deny", "clone:log,mount:log"],
     {"clone": errno.EPERM, "clone3": errno.ENOSYS, "mount": errno.EFAULT}),
    (["--seccomp-deny", "socket:log,socket:AF_NETLINK:EXDEV"], {"AF_NETLINK": errno.EXDEV, "AF_UNIX": 0}),
    (["--seccomp-deny", "socket:EXDEV,socket:AF_NETLINK:log"], {"AF_NETLINK": errno.EXDEV, "AF_UNIX": errno.EXDEV}),
    (["--seccomp-deny", "clone:CLONE_NEWUSER:EXDEV,clone3:log"], {"clone": errno.EXDEV, "clone3": errno.ENOSYS}),
    (["--seccomp-deny", "clone:log,clone:CLONE_NEWUSER:EXDEV"], {"clone": errno.EXDEV, "clone3": errno.ENOSYS}),
    (["--seccomp-deny", "socket:AF_NETLINK:EXDEV,socket", "--seccomp-errno", "log"],
     {"AF_NETLINK": errno.EXDEV, "AF_UNIX": 0}),
], ids=str)
def test_what_is_only_logged_opens_nothing_that_another_rule_closes(raw, args, answers):
    assert answers_to(raw, args, *answers) == list(answers.values())


@pytest.mark.parametrize("words", [["socket:EXDEV", "socket:AF_NETLINK:EIO"], ["socket:AF_NETLINK:EIO", "socket:EXDEV"]], ids=str)
@pytest.mark.parametrize("more", [[], ["--seccomp-profile", "build"], ["--seccomp-profile", "build", "--seccomp-errno", "EPERM"],
                                  ["--seccomp-allow", "@basic-io"]], ids=str)
def test_a_rule_for_one_argument_decides_before_one_for_the_whole_call(raw, words, more):
    assert answers_to(raw, ["--seccomp-deny", ",".join(words), *more], "AF_NETLINK", "AF_UNIX") == [errno.EIO, errno.EXDEV]


def test_what_is_allowed_for_one_argument_is_not_for_another_with_high_bits(raw):
    """The kernel takes the low half of these arguments: bits in the other must not make a denied value an allowed one."""
    known = numbers(NATIVE)
    allow = ["--seccomp-allow", "@basic-io,socket:AF_UNIX,ioctl:TCGETS,openat:O_RDONLY,clone:CLONE_THREAD"]
    highs = [1 << bit for bit in (32, 33, 47, 63)] + [0xFFFFFFFF << 32]
    calls = [(NATIVE, known[name], {index: value | high}) for high in highs for name, index, value in
             [("socket", 0, 2), ("socket", 0, 16), ("ioctl", 1, 0x5412), ("openat", 2, os.O_RDWR), ("openat", 2, os.O_CREAT),
              ("clone", 0, 17), ("clone", 0, 0x10010000)]]
    assert set(raw(allow, calls)) == {errno.EPERM}


@pytest.mark.skipif(NATIVE != "x86_64", reason="i386 on x86_64")
def test_i386_cannot_get_round_families_through_socketcall(raw):
    socketcall = [("i386", numbers("i386")["socketcall"], {0: 1, 1: 0})]
    assert raw(["--seccomp-deny", "socket:AF_NETLINK:EXDEV"], socketcall) == [errno.EXDEV]
    assert raw(["--seccomp-allow", "socket:AF_UNIX"], socketcall) == [errno.EPERM]
    assert raw(["--seccomp-allow", "socket"], socketcall) == [errno.EFAULT]
    assert raw(["--seccomp-allow", "socket:AF_UNIX,socketcall:SOCKET"], socketcall) == [errno.EFAULT]
    assert raw(PROFILE, socketcall) == [errno.EAFNOSUPPORT]
    assert raw([*PROFILE, "--seccomp-allow", "socket:AF_VSOCK"], socketcall) == [errno.EAFNOSUPPORT]
    assert raw([*PROFILE, "--seccomp-allow", "socketcall:SOCKETPAIR"], socketcall) == [errno.EAFNOSUPPORT]
    denied_anew = ["--seccomp-allow", "socketcall", "--seccomp-deny", "socket:AF_NETLINK:EAFNOSUPPORT"]
    assert raw([*PROFILE, *denied_anew], socketcall) == [errno.EAFNOSUPPORT]
    assert raw(["--seccomp-deny", "socket:AF_NETLINK:log,socket:AF_INET:EXDEV"], socketcall) == [errno.EXDEV]
    assert raw([*PROFILE, "--seccomp-deny", "socket:EXDEV"], socketcall) == [errno.EXDEV]
    for allowed in ("socketcall", "socketcall:SOCKET", "socket"):
        assert raw([*PROFILE, "--seccomp-allow", allowed], socketcall) == [errno.EFAULT]


@pytest.mark.skipif(NATIVE != "x86_64", reason="i386 on x86_64")
def test_programs_of_i386_work_under_default(compiled):
    """Older C libraries have sockets by socketcall only, which is an exception then; the trace says so."""
    source = """
        #include <pthread.h>
        #include <stdio.h>
        #include <sys/socket.h>
        #include <sys/wait.h>
        #include <unistd.h>
        static void *run(void *worked) { *(int *) worked = 1; return NULL; }
        int main(int argc, char **argv) {
            (void) argv;
            pthread_t thread;
            int worked = 0, pair[2];
            if (pthread_create(&thread, NULL, run, &worked) || pthread_join(thread, NULL) || !worked) return 2;
            pid_t pid = fork();
            if (pid == 0) _exit(3);
            int status;
            if (waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 3 || !fopen("/proc/self/maps", "r")) return 4;
            return argc > 1 && (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || socket(AF_UNIX, SOCK_STREAM, 0) < 0);
        }"""
    try:
        program = compiled("of-i386", source, "-m32")
    except subprocess.CalledProcessError:
        pytest.skip("cc -m32 makes no programs here")
    line = [*FULL, "--symlink", "usr/lib32", "/lib32", "--ro-bind", program, "/program"]
    assert_ok(run([*line, "--seccomp-profile", "default"], ["/program"]))
    _, flags, _, result = trace(["--seccomp-profile", "default"], ["/program", "socket"], base=line)
    assert_ok(result)
    assert_ok(run([*line, *flags], ["/program", "socket"]))


@pytest.mark.skipif(NATIVE != "x86_64", reason="i386 on x86_64")
def test_i386_cannot_get_round_system_v_ipc_through_the_version_of_ipc(raw):
    ipc = [("i386", numbers("i386")["ipc"], {0: 23 | version << 16}) for version in (0, 1, 255)]
    assert raw(["--seccomp-deny", "shmget:EXDEV"], ipc) == [errno.EXDEV] * 3


def test_clone_flags_are_judged_by_mask_and_clone3_answers_enosys(raw):
    known = numbers(NATIVE)
    calls = [(NATIVE, known["clone"], {0: 0x10000000 | extra}) for extra in (17, 0x20000, 0x40000000, HIGH)]
    assert raw(["--seccomp-deny", "clone:CLONE_NEWUSER:EXDEV"], [*calls, (NATIVE, known["clone3"], {})]) == \
        [errno.EXDEV] * 4 + [errno.ENOSYS]
    threads = "[t.start() or t.join() for t in [__import__('threading').Thread(target=print)]] and os.system('true')"
    assert inside(["--seccomp-deny", "clone:CLONE_NEWUSER"], threads) == 0


def test_exceptions_to_a_profile(raw):
    known = numbers(NATIVE)
    vsock, packet = ((NATIVE, known["socket"], {0: family, 1: 99, 2: 0}) for family in (40, 17))
    unshare = (NATIVE, known["unshare"], {0: 0x10000000})
    assert raw(["--seccomp-profile", "default"], [vsock, packet, unshare]) == [errno.EAFNOSUPPORT] * 2 + [errno.EPERM]
    answers = raw(["--seccomp-profile", "default", "--seccomp-allow", "socket:AF_VSOCK"], [vsock, packet, unshare])
    assert answers[0] != errno.EPERM and answers[1:] == [errno.EAFNOSUPPORT, errno.EPERM]
    assert raw([*PROFILE, "--seccomp-allow", "@namespaces"], [unshare, packet]) == [0, errno.EAFNOSUPPORT]
    clone3 = (NATIVE, known["clone3"], {0: 0, 1: 0})
    assert raw(PROFILE, [clone3]) == [errno.ENOSYS]
    assert raw([*PROFILE, "--seccomp-allow", "clone3"], [clone3]) == [errno.EINVAL]
    assert raw(["--seccomp-profile", "minimal", "--seccomp-allow", "unshare"], [unshare]) == [0]


@pytest.mark.parametrize("args, substrings", [
    (["--seccomp-deny", "mkdri"], ["--seccomp-deny (argument", "mkdri", "mkdir meant"]),
    (["--seccomp-allow", "read,wirte"], ["--seccomp-allow", "wirte", "write meant"]),
    (["--seccomp-deny", "@montu"], ["@montu", "@mount meant"]),
    (["--seccomp-deny", "@mount:EPERM:EIO"], ["--seccomp-deny (argument", "EIO behind @mount"]),
    (["--seccomp-deny", "mkdir:EPREM"], ["EPREM", "EPERM meant"]),
    (["--seccomp-deny", "socket:AF_NETLINC"], ["AF_NETLINC", "AF_NETLINK meant"]),
    (["--seccomp-deny", "mkdir,,rmdir"], ["empty name"]),
    (["--seccomp-deny", ""], ["empty name"]),
    (["--seccomp-allow", "read:EPERM"], ["cannot have an error"]),
    (["--seccomp-allow", "@mount:EPERM"], ["cannot have an error"]),
    (["--seccomp-allow", "clone:CLONE_NEWUSER"], ["--seccomp-allow", "deny the others"]),
    (["--seccomp-allow", "socket:AF_PACKET+"], ["--seccomp-allow (argument", "socket:AF_PACKET+ is a range"]),
    (["--seccomp-allow", "ioctl:0x5400+"], ["--seccomp-allow", "ioctl:0x5400+ is a range"]),
    (["--seccomp-profile", "minimal", "--seccomp-allow", "socket:40+"], ["--seccomp-allow", "socket:40+ is a range"]),
    (["--seccomp-profile", "default", "--seccomp-allow", "socket:40+"], ["--seccomp-allow", "socket:40+ is a range"]),
    (["--seccomp-errno", "EPREM"], ["--seccomp-errno", "EPERM meant"]),
    (["--seccomp-errno", "EPERM"], ["--seccomp-errno", "needs something to be denied"]),
    (["--seccomp-log"], ["--seccomp-log", "needs something"]),
    (["--seccomp-profile", "defualt"], ["--seccomp-profile", "default meant"]),
], ids=str)
def test_mistakes_are_told_with_the_nearest_name(args, substrings):
    refused(args, *substrings, base=BASE)


def test_a_list_that_cannot_be_loaded_never_runs():
    seccomp = numbers(NATIVE)["seccomp"]
    denied = struct.pack("HBBI", 0x20, 0, 0, 0) + struct.pack("HBBI", 0x15, 0, 1, seccomp) + \
        struct.pack("HBBI", 0x06, 0, 0, 0x00050000 | errno.EPERM) + bpf({})[-8:]
    for form in ([], ["--unshare-pid"]):
        refused([*form, "--add-seccomp-fd", data_fd(denied), "--seccomp-deny", "mkdir"],
                "seccomp lists", "already in force", base=BASE)


@pytest.mark.parametrize("content, looks", [
    (b"\x7fELF\x02\x01\x01" + b"\0" * 9, "an ELF file"), (b"#!/bin/sh\necho hello\nexit 12\n\n", "text"),
    (b"abcdefgh", "text"), (b"", "empty")], ids=str)
def test_what_is_no_program_is_told_apart(content, looks):
    for option in ("--seccomp", "--add-seccomp-fd"):
        refused([option, data_fd(content)], option, looks, base=BASE)


def test_profiles_and_disable_userns_work_together():
    for profile in ("default", "build"):
        line = [*BASE, "--unshare-user", "--disable-userns", "--seccomp-profile", profile]
        assert run(line, ["/usr/bin/true"]).returncode == 0
        assert run(line, ["/usr/bin/unshare", "-U", "true"]).returncode == 1


@pytest.mark.root
def test_log_is_seen_in_the_kernels_log():
    kernel_log = Path("/dev/kmsg")
    if not kernel_log.exists() or "errno" not in Path("/proc/sys/kernel/seccomp/actions_logged").read_text():
        pytest.skip("the kernel logs no errors of filters, or there is no /dev/kmsg")
    fd = keep(os.open(kernel_log, os.O_RDONLY | os.O_NONBLOCK))
    os.lseek(fd, 0, os.SEEK_END)
    text, denied, end = "", f"syscall={numbers(NATIVE)['mkdirat']} ", time.monotonic() + 20
    while denied not in text:  # the kernel prints a few such lines each five seconds
        assert time.monotonic() < end, text
        code = f"import ctypes; ctypes.CDLL(None).syscall({numbers(NATIVE)['mkdirat']}, -100, b'/x', 511)"
        assert run([*FULL, "--seccomp-deny", "mkdirat", "--seccomp-log"], python(code)).returncode == 0
        time.sleep(0.5)
        try:
            while True:
                text += os.read(fd, 8192).decode(errors="replace")
        except BlockingIOError:
            pass
    assert "python3" in text


# ---- dump and dry run ----

def dump(args):
    read_end, write_end = pipe()
    result = run([*BASE, *args, "--seccomp-dump", write_end], ["/usr/bin/true"])
    assert_ok(result)
    os.close(write_end)
    data = b""
    while chunk := os.read(read_end, 65536):
        data += chunk
    return data


@pytest.mark.parametrize("args", [
    PROFILE, ["--seccomp-deny", "mkdir:EXDEV,mkdirat:EXDEV"],
    ["--seccomp-allow", "@basic-io,@file-system,@process,@memory,@signal,@thread",
     "--seccomp-deny", "mkdir,mkdirat,unshare"],
], ids=str)
def test_a_dump_loads_in_bubblewrap_and_here(args):
    program = dump(args)
    assert program and len(program) % 8 == 0
    bwrap = shutil.which("bwrap", path="/usr/bin:/bin")
    for tool in filter(None, [BINARY, bwrap]):
        line = [*FULL, "--unshare-user", "--seccomp", data_fd(program)]
        assert run(line, ["/usr/bin/true"], program=tool).returncode == 0
        denied = ["/usr/bin/unshare", "-U", "true"] if "default" in args else ["/usr/bin/mkdir", "/tmp/x"]
        line[-1] = data_fd(program)
        assert run(line, denied, program=tool).returncode == 1, tool


def test_dry_run_tells_the_calls_one_by_one():
    result = run([*BASE, "--dry-run", *PROFILE, "--seccomp-deny", "mkdir:EXDEV", "--seccomp-dump", 1], ["true"],
                 pass_fds=[])
    assert_ok(result)
    for rule in rules("default"):
        assert str(rule) in result.stdout
    assert "deny with EXDEV: mkdir" in result.stdout
    assert "allow everything else" in result.stdout


# ---- the terminal guard, beyond what test_terminal.py has ----

@pytest.mark.parametrize("arch", [NATIVE, *OTHERS])
def test_the_guard_holds_for_every_architecture_and_for_high_bits(callers, arch):
    program, word = calling(callers, arch)
    calls = [f"{word} {numbers(arch)['ioctl']} 0 {request | high} 0" for request in (0x5412, 0x541C)
             for high in ((0,) if arch in OF_32_BITS else (0, HIGH, 1 << 63))]
    script = f"printf '{chr(92)}n'; /rawcalls < /calls; echo end"
    listed = data_fd("\n".join(calls) + "\n")
    with Terminal([*FULL, "--ro-bind", program, "/rawcalls", "--ro-bind-data", listed, "/calls"],
                  ["sh", "-c", script]) as terminal:
        terminal.read_until("end")
    assert [line for line in terminal.text.split() if line.isdigit()] == ["1"] * len(calls), terminal.text


@pytest.mark.parametrize("args", [[], ["--unshare-pid"], ["--die-with-parent"], PROFILE], ids=str)
def test_a_shells_job_control_works_under_the_guard(args):
    with Terminal([*FULL, *args, "--setenv", "PS1", "ready> "], ["bash", "--norc", "--noediting", "-i"]) as terminal:
        terminal.read_until("ready> ")
        terminal.type("sh -c 'trap \"echo re\"\"sumed\" CONT; echo be\"\"gun; while :; do :; done'\n")
        terminal.read_until("begun")
        terminal.type("\x1a")
        terminal.read_until("Stopped(.|\n)*ready> $")
        terminal.type("fg\n")
        terminal.read_until("resumed")
        terminal.type("\x03")
        terminal.read_until("\\^C\\s*ready> $")
        terminal.type("echo sta''tus $?\n")
        terminal.read_until("status 130")
        fcntl.ioctl(terminal.master, 0x5414, struct.pack("4H", 33, 77, 0, 0))
        terminal.type("stty size; echo fin''ished\n")
        terminal.read_until("33 77")
        terminal.read_until("finished")


# ---- the manual ----

def test_the_manual_lists_every_profile_call_by_call():
    manual = (REPO / "man" / "bwrapish.1").read_text()
    wanted = subprocess.run([PROFILES, "--manual"], capture_output=True, text=True, check=True).stdout
    assert wanted in manual, "put the output of `build/profiles --manual` into man/bwrapish.1"
