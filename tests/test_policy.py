"""Lists of system calls and profiles: every denied call is tried for real, on every architecture the kernel takes."""
import errno
import fcntl
import json
import os
import platform
import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

from sandbox import (BASE, BINARY, FULL, IS_ROOT, IS_SANITIZED, REPO, Terminal, assert_ok, bpf, data_fd, errno_inside, inside,
                     keep, line_from, pipe, python, refused, run, shell, start, status_fields, status_inside)

PROFILES = Path(BINARY).with_name("profiles")
NATIVE = platform.machine()
OTHERS = {"x86_64": ["i386", "x32"], "aarch64": ["arm"]}.get(NATIVE, [])  # that its kernels also take
OF_32_BITS = ("i386", "arm")
ARM_COMPILER = "arm-linux-gnueabihf-gcc"
PROFILE = ["--seccomp-profile", "default"]
WITH_PROC = [*BASE, "--proc", "/proc"]
HIGH = 1 << 32
ASYNC = 0o20000  # O_ASYNC, on all architectures here


# ---- the tables, as the build has them ----

def table(*args):
    lines = subprocess.run([PROFILES, *args], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.split(" ") for line in lines]


def numbers(arch):
    return {name: int(number) for a, name, number in table("--numbers") if a == arch}


class Rule:
    def __init__(self, verdict, name, word, index, mask, value, clear, action):
        self.denies, self.name, self.whole, self.word = verdict == "deny", name, word == "-", word
        self.index, self.mask, self.value, self.clear = int(index), int(mask, 0), int(value, 0), int(clear, 0)
        self.error = getattr(errno, action)

    def values(self):
        """Arguments that the rule means, with and without bits that the kernel does not look at."""
        if self.whole:
            return [None]
        if self.mask == 0:
            return [self.value, self.value + 1, 255]
        return [self.value, self.value | HIGH, self.value | 0xFFFFFFFF << 32]

    def __str__(self):
        return self.name if self.whole else f"{self.name}:{self.word}"


def rules(profile):
    return [Rule(*fields) for fields in table("--calls", profile)]


# ---- making calls ----

@pytest.fixture(scope="session")
def callers(compiled):
    """For each architecture the program that makes its calls, and what that is told."""
    source = (REPO / "tests" / "helpers" / "rawcalls.c").read_text()
    if NATIVE == "x86_64":
        program = compiled("rawcalls", source)
        return {"x86_64": (program, "native"), "x32": (program, "native"), "i386": (program, "i386")}
    if NATIVE == "aarch64":
        programs = {"aarch64": (compiled("rawcalls", source), "native")}
        if shutil.which(ARM_COMPILER):
            programs["arm"] = (compiled("rawcalls-arm", source, "-static", compiler=ARM_COMPILER), "native")
        return programs
    return {}


def calling(callers, arch):
    if arch not in callers:
        pytest.skip(f"no raw system calls of {arch}" + (f": no {ARM_COMPILER}" if arch == "arm" else ""))
    return callers[arch]


@pytest.fixture(scope="session")
def raw(callers):
    """Makes calls inside: raw(ARGS, [(ARCH, NUMBER, {INDEX: VALUE})]) is the list of errors, 0 for success."""

    def call_all(args, calls):
        lines, programs = [], set()
        for arch, number, arguments in calls:
            program, word = calling(callers, arch)
            programs.add(program)
            filled = [arguments.get(i, 2**64 - 1) for i in range(6)]
            lines.append(" ".join(map(str, [word, number, *filled])))
        result = run([*BASE, "--ro-bind", programs.pop(), "/rawcalls", *args], ["/rawcalls"],
                     stdin=data_fd("\n".join(lines) + "\n"))
        assert_ok(result)
        assert not programs and result.stdout.count("\n") == len(calls), result
        return [int(line) for line in result.stdout.split()]

    return call_all


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


# ---- trace ----

def trace(args, command, base=FULL, expect=0, last=("flags",)):
    output = data_fd()
    result = run([*base, *args, "--seccomp-trace", output], command)
    assert result.returncode == expect, result
    os.lseek(output, 0, os.SEEK_SET)
    with os.fdopen(os.dup(output)) as lines:
        found = [json.loads(line) for line in lines]
    assert list(found[-1]) == list(last)
    return [line["call"] for line in found[:-1]], found[-1]["flags"].split(" "), found, result


@pytest.mark.parametrize("form", [[], ["--unshare-all"]], ids=str)
def test_a_trace_tells_each_kind_once_and_lets_it_through(form):
    code = "import os\nfor i in range(5): os.mkdir(f'/tmp/{i}')\nassert len(os.listdir('/tmp')) == 5"
    calls, flags, found, _ = trace([*form, "--seccomp-deny", "mkdir,mkdirat,rmdir,unlinkat"], python(code))
    assert calls == ["mkdir" if NATIVE == "x86_64" else "mkdirat"]
    assert found[0]["arch"] == NATIVE and len(found[0]["arguments"]) == 6
    assert flags[0] == "--seccomp-deny" and "rmdir" in flags[1] and calls[0] not in flags[1].split(",")


@pytest.mark.parametrize("policy, command", [
    (["--seccomp-profile", "default"], ["/usr/bin/unshare", "-U", "true"]),
    (PROFILE, python("import socket\ntry: socket.socket(17, 3)\nexcept OSError as e: raise SystemExit(e.errno == 97)")),
    (["--seccomp-deny", "@file-system"], ["/usr/bin/ls", "/usr"]),
    (["--seccomp-allow", "@basic-io"], ["/bin/sh", "-c", "ls -l / | wc -l; mkdir /tmp/y; (exit 0)"]),
    (["--seccomp-profile", "minimal"], ["/bin/bash", "-c", "echo hi | cat; mkdir /tmp/y"]),
    (["--seccomp-profile", "minimal", "--seccomp-deny", "getpid"],
     python("import os; os.getpid(); os.mkdir('/tmp/y')")),
], ids=str)
def test_the_flags_that_a_trace_ends_with_allow_the_command(policy, command):
    calls, flags, _, result = trace(policy, command)
    assert calls
    again = run([*FULL, *flags], command)
    assert (again.returncode, again.stdout) == (0, result.stdout), (flags, again)
    assert trace(flags, command)[0] == []


def test_a_trace_of_a_command_that_stays_within_the_policy_is_its_own_flags():
    calls, flags, _, _ = trace(["--seccomp-profile", "default"], ["/usr/bin/true"])
    assert (calls, flags) == ([], ["--seccomp-profile", "default"])


def test_a_trace_sees_every_process(raw):
    calls, _, _, _ = trace(["--unshare-pid", "--seccomp-deny", "mkdir,mkdirat"], ["sh", "-c", "(mkdir /tmp/a) & wait"])
    assert calls == ["mkdir" if NATIVE == "x86_64" else "mkdirat"]


@pytest.mark.parametrize("arch", [NATIVE, *OTHERS])
def test_a_trace_tells_architectures_apart(callers, arch):
    program, word = calling(callers, arch)
    read_end, write_end = pipe()
    result = run([*BASE, "--ro-bind", program, "/rawcalls", "--seccomp-deny", "getpid", "--seccomp-trace", write_end],
                 ["/rawcalls"], stdin=data_fd(f"{word} {numbers(arch)['getpid']}\n" * 2))
    assert_ok(result)
    os.close(write_end)
    with os.fdopen(os.dup(read_end)) as lines:
        assert [json.loads(line).get("arch") for line in lines] == [arch, None]


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer needs memory of its own")
def test_a_trace_costs_memory_by_kinds_and_not_by_calls():
    code = """import fcntl, os
def ask(times, requests):
    for i in range(times):
        os.getsid(0)
        try: fcntl.ioctl(0, 0x5000 + i % requests)
        except OSError: pass
    print('done', flush=True)
    input()
ask(300, 100)
ask(20000, 100)"""
    with start([*FULL, "--seccomp-profile", "minimal", "--seccomp-trace", keep(os.open("/dev/null", os.O_WRONLY))], python(code),
               stdin=subprocess.PIPE) as process:
        used = []
        for _ in range(2):
            assert line_from(process, 200) == "done"
            used.append(int(status_fields(Path(f"/proc/{process.pid}/status").read_text())["VmRSS"].split()[0]))
            process.stdin.write("\n")
            process.stdin.flush()
    assert used[1] - used[0] < 1000, used


def test_a_trace_of_too_many_kinds_says_that_there_were_more():
    # None that a C library makes: isatty(3) is ioctl TCGETS2 (0x802c542a) since glibc 2.42.
    code = "import ctypes\nlibc = ctypes.CDLL(None)\nfor i in range(3000): libc.ioctl(99, 0xfff00000 + i, 0)"
    calls, flags, found, _ = trace(["--seccomp-deny", "ioctl:0xfff00000+"], python(code), last=["flags", "truncated"])
    assert len(calls) == 1000 == len(set(calls)) and found[-1]["truncated"] is True
    calls, flags, found, _ = trace(["--seccomp-deny", "ioctl:0xfff00000+"], python(code.replace("3000", "1000")))
    assert len(calls) == 1000


def test_trace_and_a_promise_of_safety_exclude_each_other():
    trace_args = ["--seccomp-deny", "mkdir", "--seccomp-trace", pipe()[1]]
    refused([*trace_args, "--add-seccomp-fd", data_fd(bpf({}))], "--seccomp-trace", "promise", base=BASE)
    refused([*trace_args, "--seccomp", data_fd(bpf({}))], "--seccomp-trace", "promise", base=BASE)
    refused([*trace_args, "--unshare-user", "--disable-userns"], "--seccomp-trace", "promise", base=BASE)
    refused([*trace_args, "--unshare-pid", "--as-pid-1"], "--seccomp-trace", "--as-pid-1", base=BASE)
    refused(["--seccomp-trace", pipe()[1]], "--seccomp-trace", "needs something to be denied", base=BASE)


OUTER = ["--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev", "--unshare-pid", "--proc", "/proc"]
INNER_TRACE = [BINARY, "--ro-bind", "/", "/", "--seccomp-deny", "ptrace", "--seccomp-trace", "1", "/usr/bin/true"]


def test_a_trace_within_a_trace_is_refused():
    """The kernel allows one listener."""
    result = run([*OUTER, "--seccomp-deny", "ptrace", "--seccomp-trace", pipe()[1]], INNER_TRACE)
    assert result.returncode == 1 and "listener of its own" in result.stderr and result.stderr.count("\n") == 1, result


def test_a_trace_where_a_filter_outside_forbids_notification_is_refused():
    seccomp = numbers(NATIVE)["seccomp"]
    outer = struct.pack("HBBI", 0x20, 0, 0, 0) + struct.pack("HBBI", 0x15, 0, 1, seccomp) + \
        struct.pack("HBBI", 0x06, 0, 0, 0x00050000 | errno.EPERM) + bpf({})[-8:]
    result = run([*OUTER, "--add-seccomp-fd", data_fd(outer)], INNER_TRACE)
    assert result.returncode == 1 and "forbids it" in result.stderr and result.stderr.count("\n") == 1, result


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


# ---- real programs ----

DEFAULT = [*FULL, "--ro-bind-try", "/etc", "/etc", "--unshare-all", "--setenv", "HOME", "/tmp", "--chdir", "/tmp"]


def need(*programs):
    for program in programs:
        if not shutil.which(program, path="/usr/bin:/bin"):
            pytest.skip(f"no {program} here")


@pytest.mark.parametrize("profile", ["default", "build"])
def test_bash_works(profile):
    args = [*DEFAULT, "--seccomp-profile", profile]
    script = "echo a b | tr a c | (read x y; echo $y$x); kill -0 $$; trap 'echo t' EXIT"
    assert shell(args, script, base=[]) == "bc\nt\n"


@pytest.mark.programs
@pytest.mark.parametrize("profile", ["default", "build"])
def test_python_works(profile):
    code = ("import threading, subprocess, multiprocessing, tempfile, ssl, sqlite3, asyncio, ctypes\n"
            "async def f(): await (await asyncio.create_subprocess_exec('true')).wait()\n"
            "asyncio.run(f())\n"
            "t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()\n"
            "print(multiprocessing.Pool(2).map(abs, [-1, -2]))\n"
            "print(subprocess.check_output(['echo', 'sub'], text=True))")
    result = run([*DEFAULT, "--seccomp-profile", profile], python(code), timeout=120)
    assert_ok(result)
    assert "thread" in result.stdout and "[1, 2]" in result.stdout and "sub" in result.stdout


@pytest.mark.programs
@pytest.mark.parametrize("profile", ["default", "build"])
def test_git_works(profile):
    need("git")
    out = shell([*DEFAULT, "--seccomp-profile", profile, "--setenv", "GIT_CONFIG_GLOBAL", "/dev/null"], """
        git init -q r; cd r; echo x > f; git add f
        git -c user.name=n -c user.email=e@e commit -qm first
        git gc -q; git clone -q . ../c; git -C ../c log --format=%s""", base=[])
    assert out == "first\n"


@pytest.mark.programs
def test_curl_reaches_loopback_under_default():
    need("curl")
    out = shell([*DEFAULT, "--seccomp-profile", "default"], """
        echo content > page; python3 -m http.server 8123 --bind 127.0.0.1 2>/dev/null & server=$!
        curl -s --retry 20 --retry-connrefused --retry-delay 1 http://127.0.0.1:8123/page; kill $server""", base=[])
    assert out == "content\n"


@pytest.mark.programs
def test_node_works_under_default():
    need("node")
    script = ("const w = require('worker_threads'); const cp = require('child_process'); const fs = require('fs');"
              "if (w.isMainThread) { new w.Worker(process.argv[1]).on('exit', () => {"
              "fs.promises.readdir('/').then(d => "
              "console.log(d.length > 2, cp.execSync('echo sub').toString().trim())) }) }")
    result = run([*DEFAULT, "--ro-bind-data", data_fd(script), "/tmp/a.js", *PROFILE], ["/usr/bin/node", "/tmp/a.js"])
    assert_ok(result)
    assert result.stdout == "true sub\n"


@pytest.mark.programs
@pytest.mark.parametrize("args", [["--no-sandbox"], []], ids=["alone", "with its own sandbox"])
def test_chromium_works_under_default(args):
    """Its own sandbox wants namespaces, which are an exception then."""
    binary = shutil.which("chromium") or shutil.which("chromium-headless-shell")
    if not binary:
        pytest.skip("no chromium here; tools/check installs it")
    exceptions = [] if args else ["--seccomp-allow", "@namespaces,chroot"]
    if not args and IS_ROOT:
        pytest.skip("chromium refuses its own sandbox for root")
    line = [*DEFAULT, "--ro-bind", "/sys", "/sys", *PROFILE, *exceptions]
    result = run(line, [binary, "--headless", *args, "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom",
                        "data:text/html,<p id=x></p><script>x.textContent = 6 * 7</script>"], timeout=120)
    assert ">42<" in result.stdout, result


PROJECT = {
    "lib.c": "int twice(int x) { return 2 * x; }\n",
    "test.c": "int twice(int);\nint main(void) { return twice(21) != 42; }\n",
    "configure.ac": "AC_INIT([p], [1])\nAM_INIT_AUTOMAKE([foreign])\nAC_PROG_CC\nAC_CHECK_HEADERS([unistd.h])\n"
                    "AC_CHECK_FUNCS([fork])\nAC_CONFIG_FILES([Makefile])\nAC_OUTPUT\n",
    "Makefile.am": "check_PROGRAMS = t\nt_SOURCES = test.c lib.c\nTESTS = t\n",
    "CMakeLists.txt": "cmake_minimum_required(VERSION 3.10)\nproject(p C)\nadd_executable(t test.c lib.c)\n"
                      "enable_testing()\nadd_test(NAME t COMMAND t)\n",
    "meson.build": "project('p', 'c')\ntest('t', executable('t', 'test.c', 'lib.c'))\n",
}
BUILDS = {
    "autotools": (["autoreconf", "automake", "make", "cc"], "autoreconf -i; ./configure; make -j2 check"),
    "cmake": (["cmake", "make", "cc"], "cmake -B b .; cmake --build b -j2; cd b; ctest --output-on-failure"),
    "meson": (["meson", "ninja", "cc"], "meson setup b; ninja -C b; meson test -C b"),
}


@pytest.mark.programs
@pytest.mark.parametrize("profile", ["build", "default"])
@pytest.mark.parametrize("how", BUILDS)
def test_builds_and_their_tests_pass(how, profile, box):
    programs, script = BUILDS[how]
    need(*programs)
    for name, text in PROJECT.items():
        (box / name).write_text(text)
        (box / name).chmod(0o755)
    result = run([*DEFAULT, "--bind", box, "/work", "--chdir", "/work", "--seccomp-profile", profile],
                 ["sh", "-ec", script], timeout=120)
    assert result.returncode == 0, result


def test_build_leaves_debuggers_and_nested_sandboxes_alone():
    line = [*DEFAULT, "--seccomp-profile", "build"]
    assert_ok(run(line, ["/usr/bin/unshare", "-Urm", "mount", "-t", "tmpfs", "none", "/tmp"]))
    if shutil.which("strace", path="/usr/bin"):
        assert run(line, ["strace", "-f", "-o", "/dev/null", "sh", "-c", "true; true"]).returncode == 0


# ---- the manual ----

def test_the_manual_lists_every_profile_call_by_call():
    manual = (REPO / "man" / "bwrapish.1").read_text()
    wanted = subprocess.run([PROFILES, "--manual"], capture_output=True, text=True, check=True).stdout
    assert wanted in manual, "put the output of `build/profiles --manual` into man/bwrapish.1"
