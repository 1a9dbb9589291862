"""The caller's kernel keys: out of COMMAND's reach in every form of run, on every architecture, unless --allow-keys is given."""
import errno
import os
import struct
import subprocess
from pathlib import Path

import pytest

from sandbox import (ALLOW, BASE, BINARY, ERRNO, FULL, IS_SANITIZED, PYTHON, Terminal, assert_ok, bpf, close, data_fd, pipe,
                     python, read_json, refused, run, run_python, start, status_inside, syscall_number, wait_for)
from syscalls import NATIVE, OTHERS, callers, numbers, raw  # noqa: F401 (fixtures)
from test_profiles import AUDIT, RUNS, simulate

FORMS = {"alone": [], "supervised": ["--die-with-parent"], "with pid 1": ["--unshare-pid"],
         "with all": ["--unshare-all", "--die-with-parent"], "with a lock": ["--lock-file", "/usr/bin/env"],
         "as pid 1": ["--unshare-pid", "--as-pid-1"], "without user namespaces": ["--unshare-all", "--unshare-user", "--disable-userns"],
         "with capabilities": ["--unshare-user", "--unshare-pid", "--cap-add", "ALL"], "filtered": ["--seccomp-deny", "acct"],
         "with pid 1, filtered": ["--unshare-pid", "--seccomp-deny", "acct"],
         "allow list": ["--seccomp-allow", "@basic-io,@file-system,@memory,@signal,@process,@thread,@time,@keyring,sysinfo,ioctl"],
         "allow list that only logs": ["--seccomp-allow", "@basic-io", "--seccomp-errno", "log"],
         "denied and logged": ["--seccomp-deny", "@keyring:log"], "exception": ["--seccomp-profile", "build", "--seccomp-allow", "@keyring"]}
forms = pytest.mark.parametrize("form", FORMS)

KEYS = f"""
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    numbers = dict(add_key={syscall_number('add_key')}, request_key={syscall_number('request_key')}, keyctl={syscall_number('keyctl')})
    made = libc.syscall(numbers[name], *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    return made if made >= 0 else errno.errorcode[ctypes.get_errno()]
GET_ID, JOIN, UPDATE, SETPERM, READ, SESSION_TO_PARENT, SESSION = 0, 1, 2, 5, 11, 18, -3
"""
# A caller with a session keyring of its own and two secrets in it: one for whoever has the keyring, one for the user.
CALLER = KEYS + """
def have(description, permissions):
    key = call("add_key", b"user", description, b"hunter2", 7, SESSION)
    assert call("keyctl", SETPERM, key, permissions) == 0
    return key
def read(key):
    buffer = ctypes.create_string_buffer(20)
    length = call("keyctl", READ, key, buffer, 20)
    return length if isinstance(length, str) else buffer.raw[:length].decode()
session = call("keyctl", JOIN, None)
possessed, users = have(b"bwrapish-possessed", 0x3f000000), have(b"bwrapish-users", 0x3f3f0000)
import subprocess
result = subprocess.run([*sys.argv[1:], str(session), str(users)])
print("afterwards", read(users), call("keyctl", GET_ID, SESSION, 0) == session)
sys.exit(result.returncode)
"""


def with_a_keyring(args, code):
    """What a caller with keys and the code, whose argv[1:] are the keyring and a key, print."""
    line = [PYTHON, "-I", "-S", "-c", CALLER, BINARY, *FULL, *args, PYTHON, "-I", "-S", "-c", KEYS + code]
    result = subprocess.run(list(map(str, line)), capture_output=True, text=True, timeout=60, cwd="/")
    if "AssertionError" in result.stderr:
        pytest.skip("the kernel, or a filter outside, has no keys")
    assert_ok(result)
    return result.stdout


@forms
def test_calls_on_keys_are_answered_as_by_a_kernel_without_keys(form):
    code = KEYS + """
for call_is in (("add_key", b"user", b"x", b"y", 1, SESSION), ("request_key", b"user", b"x", None, 0), ("keyctl", GET_ID, SESSION, 0)):
    print(call(*call_is))"""
    result = run_python(FORMS[form], code)
    assert_ok(result)
    assert result.stdout.split() == ["ENOSYS"] * 3


@pytest.mark.parametrize("arch", [NATIVE, *OTHERS])
@pytest.mark.parametrize("form", ["alone", "with pid 1", "filtered", "exception"])
def test_calls_on_keys_are_denied_on_every_architecture_that_the_kernel_takes(raw, form, arch):  # noqa: F811
    known = numbers(arch)
    around = [known["add_key"] - 1, known["keyctl"] + 1]
    calls = [(arch, known[name], {}) for name in ("add_key", "request_key", "keyctl")]
    assert raw(FORMS[form], calls) == [errno.ENOSYS] * 3
    if arch == NATIVE:
        assert errno.ENOSYS not in raw(FORMS[form], [(arch, number, {}) for number in around])


@forms
def test_no_key_of_the_caller_is_read_or_changed(form):
    code = """
print(call("keyctl", READ, int(sys.argv[2]), ctypes.create_string_buffer(20), 20), call("keyctl", UPDATE, int(sys.argv[2]), b"changed", 7))"""
    assert with_a_keyring(FORMS[form], code).splitlines() == ["ENOSYS ENOSYS", "afterwards hunter2 True"]


@pytest.mark.parametrize("form", ["alone", "supervised", "with pid 1"])
def test_command_cannot_give_the_caller_another_session_keyring(form):
    """KEYCTL_SESSION_TO_PARENT: where bwrapish becomes COMMAND, the parent is the caller."""
    assert "afterwards hunter2 True" in with_a_keyring(FORMS[form], 'call("keyctl", SESSION_TO_PARENT)')


@pytest.mark.parametrize("form", ["alone", "supervised", "with pid 1", "with all", "as pid 1"])
def test_the_kernel_finds_no_key_of_the_caller_by_itself(form):
    """It looks into the session keyring, which is a fresh one: a key that only its possessor may see is not seen."""
    code = "print('bwrapish-possessed' in open('/proc/keys').read())"
    assert with_a_keyring(FORMS[form], code).splitlines()[0] == "False"
    assert with_a_keyring([*FORMS[form], "--allow-keys"], code).splitlines()[0] == "True"


@pytest.mark.parametrize("form", ["alone", "supervised", "with pid 1", "with all", "as pid 1", "filtered", "exception"])
def test_allow_keys_leaves_command_the_callers_keys(form):
    code = """
buffer = ctypes.create_string_buffer(20)
print(call("keyctl", GET_ID, SESSION, 0) == int(sys.argv[1]), call("keyctl", READ, int(sys.argv[2]), buffer, 20), buffer.value)"""
    assert with_a_keyring([*FORMS[form], "--allow-keys"], code).splitlines()[0] == "True 7 b'hunter2'"


def test_a_profile_denies_keys_with_allow_keys_too():
    for profile in ("default", "build"):
        assert with_a_keyring(["--allow-keys", "--seccomp-profile", profile], 'print(call("keyctl", GET_ID, SESSION, 0))') \
            .splitlines()[0] == "ENOSYS"


def test_what_the_caller_wants_answered_is_answered():
    code = KEYS + 'print(call("keyctl", GET_ID, SESSION, 0))'
    assert run_python(["--seccomp-deny", "keyctl:EXDEV"], code).stdout == "EXDEV\n"


@pytest.mark.skipif(not os.path.exists("/usr/bin/strace"), reason="needs strace")
@pytest.mark.parametrize("form", [[], ["--unshare-pid"]], ids=str)
def test_a_guard_that_the_kernel_says_to_have_loaded_and_has_not_ends_the_run(form):
    prefix = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", "trace=seccomp", "-e", "inject=seccomp:retval=0"]
    refused(form, "does not hold", "--allow-keys", base=BASE, prefix=prefix)
    for more in (["--seccomp-profile", "default"], ["--seccomp-profile", "minimal"],
                 ["--allow-keys", "--seccomp-deny", "mkdir", "--seccomp-errno", "kill"]):
        refused([*form, *more], "does not hold", base=BASE, prefix=prefix)


LOADED = """
import ctypes, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long] * 4
pid = int(sys.argv[1])
if libc.ptrace(0x4206, pid, 0, 0) or libc.ptrace(0x4207, pid, 0, 0): sys.exit(f"SEIZE {ctypes.get_errno()}")
os.waitpid(pid, 0)
code = ctypes.create_string_buffer(4096 * 8)
n = libc.ptrace(0x420C, pid, int(sys.argv[2]), ctypes.addressof(code))  # PTRACE_SECCOMP_GET_FILTER
print(ctypes.get_errno() if n < 0 else code.raw[:n * 8].hex())"""


@pytest.mark.root
@pytest.mark.skipif(NATIVE not in RUNS, reason="the simulation does not know this architecture")
def test_what_is_loaded_denies_exactly_the_calls_on_keys():
    """... on both architectures, and with the numbers of x32, which few kernels have."""
    info, told = pipe()
    with start([*BASE, "--info-fd", told], ["sleep", "60"]) as process:
        close(told)
        child = str(read_json(info)["child-pid"])
        wait_for(lambda: Path(f"/proc/{child}/comm").read_text() == "sleep\n")
        loaded = subprocess.run([*python(LOADED), child, "0"], capture_output=True, text=True)
    if loaded.stdout.strip() in map(str, (errno.EACCES, errno.EIO, errno.EINVAL, errno.EPERM)):
        pytest.skip("the kernel does not show filters (CONFIG_CHECKPOINT_RESTORE), or we are under one ourselves")
    program = list(struct.iter_unpack("=HBBI", bytes.fromhex(loaded.stdout)))
    assert len(program) == 13
    for arch in RUNS[NATIVE]:
        keys = {number | bits for name, number in numbers(arch).items() if name in ("add_key", "request_key", "keyctl")
                for bits in ((0, 1 << 30) if arch == "x86_64" else (0,))}
        for number in (*range(0, 600), *range(1 << 30, (1 << 30) + 600), (1 << 31) - 1, 1 << 31, (1 << 32) - 1):
            expected = ERRNO | errno.ENOSYS if number in keys else ALLOW
            assert simulate(program, arch, number, {}) == expected, (arch, number)
    for arch in set(AUDIT) - set(RUNS[NATIVE]):
        assert simulate(program, arch, 1, {}) == ERRNO | errno.ENOSYS or AUDIT[arch] >> 30 & 1 == 0


# ---- one program, in every process of the sandbox ----

WITH_PROC = [*BASE, "--proc", "/proc"]


@pytest.mark.parametrize("args, more", [([], 0), (["--seccomp-profile", "default"], 0), (["--seccomp-profile", "build"], 0),
                                        (["--seccomp-deny", "acct"], 0), (["--seccomp-allow", "@basic-io,@file-system"], 0),
                                        (["--add-seccomp-fd"], 1)], ids=str)
@pytest.mark.parametrize("form", [[], ["--unshare-pid"], ["--die-with-parent"], ["--unshare-pid", "--disable-userns", "--unshare-user"]],
                         ids=str)
def test_the_guards_are_one_program_with_each_other_and_with_a_policy(form, args, more):
    if IS_SANITIZED and "--unshare-pid" in form and "--seccomp-allow" in args:
        pytest.skip("AddressSanitizer calls sigaltstack(2) when pid 1 ends, which such a list does not allow")
    if more:
        args = [*args, data_fd(bpf({}))]
    counted = status_inside([*form, *args])
    if "Seccomp_filters" not in counted:
        pytest.skip("the kernel does not count filters")
    assert (counted["Seccomp"], counted["Seccomp_filters"]) == ("2", str(1 + more))
    if "--unshare-pid" in form:
        result = run([*WITH_PROC, *form, *args[:-1], *([data_fd(bpf({}))] if more else args[-1:])], ["cat", "/proc/1/status"])
        assert_ok(result)
        assert f"Seccomp_filters:\t{1 + more}\n" in result.stdout
    if not more:
        with Terminal([*WITH_PROC, *form, *args], ["grep", "Seccomp_filters:", "/proc/self/status"]) as terminal:
            assert terminal.read_until(r"Seccomp_filters:\t(\d)")[1] == "1"


def test_nothing_is_filtered_when_nothing_is_guarded():
    assert status_inside(["--allow-keys"])["Seccomp"] == "0"


@pytest.mark.user
@pytest.mark.skipif(not os.path.exists("/usr/bin/strace"), reason="needs strace")
@pytest.mark.skipif(IS_SANITIZED, reason="AddressSanitizer knows one stack for a thread: nothing is lent")
def test_the_guard_lets_pid_1_lend_its_memory():
    traced = ["strace", "-f", "-qqq", "-e", "trace=clone", "-e", "signal=none"]
    result = run([*BASE, "--unshare-pid"], ["true"], prefix=traced)
    assert result.returncode == 0 and "CLONE_VFORK" in result.stderr, result


def test_a_dump_is_what_the_options_say_without_the_guards():
    dumped = []
    for more in ([], ["--allow-keys"]):
        fd = data_fd()
        assert_ok(run([*BASE, *more, "--seccomp-deny", "acct", "--seccomp-dump", fd], ["true"]))
        dumped.append(os.pread(fd, 65536, 0))
    assert dumped[0] and dumped[0] == dumped[1]


def test_keys_are_denied_in_a_trace_too():
    code = KEYS + 'print(call("keyctl", GET_ID, SESSION, 0))'
    fd = data_fd()
    assert run_python(["--seccomp-profile", "default", "--seccomp-trace", fd], code).stdout == "ENOSYS\n"


def test_a_program_of_the_callers_opens_nothing():
    """Of all answers to a call the kernel takes the strictest; a notification is less strict than an error."""
    notify = struct.pack("HBBI", 0x20, 0, 0, 0) + struct.pack("HBBI", 0x15, 0, 1, numbers(NATIVE)["keyctl"]) + \
        struct.pack("HBBI", 0x06, 0, 0, 0x7FC00000) + struct.pack("HBBI", 0x06, 0, 0, ALLOW)
    code = KEYS + 'print(call("keyctl", GET_ID, SESSION, 0))'
    assert run_python(["--seccomp", data_fd(notify)], code).stdout == "ENOSYS\n"


@pytest.mark.parametrize("args", [[], ["--unshare-pid"], ["--unshare-all"]], ids=str)
def test_a_sandbox_in_a_sandbox_works(args):
    outer = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", *args]
    nested = [*outer, BINARY, "--ro-bind", "/", "/", "--unshare-user", *args, "/usr/bin/grep", "Seccomp_filters", "/proc/self/status"]
    result = run(nested)
    assert_ok(result)
    assert result.stdout == "Seccomp_filters:\t2\n"


def test_a_sandbox_in_a_container_that_denies_keys_works():
    outer = ["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", "--allow-keys", "--add-seccomp-fd",
             data_fd(bpf(dict.fromkeys(["keyctl", "add_key", "request_key"], errno.EPERM)))]
    result = run(outer, [BINARY, *BASE, "--unshare-user", "--unshare-pid", *python(KEYS + 'print(call("keyctl", GET_ID, SESSION, 0))')])
    assert_ok(result)
    assert result.stdout == "ENOSYS\n"


# ---- fail closed ----

@pytest.mark.skipif(not os.path.exists("/usr/bin/strace"), reason="needs strace")
@pytest.mark.parametrize("form", [[], ["--unshare-pid"], ["--die-with-parent"]], ids=str)
@pytest.mark.parametrize("error", ["ENOSYS", "EINVAL", "EPERM", "EACCES"])
def test_without_seccomp_nothing_runs_unless_keys_are_allowed(error, form):
    prefix = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", "trace=seccomp", "-e", f"inject=seccomp:error={error}"]
    said = refused(form, "kernel keys", "--allow-keys", base=BASE, prefix=prefix)
    assert "no valid" not in said
    result = run([*BASE, *form, "--allow-keys"], ["echo", "ran"], prefix=prefix)
    assert result.stdout == "ran\n", result


@pytest.mark.skipif(not os.path.exists("/usr/bin/strace"), reason="needs strace")
@pytest.mark.parametrize("error, runs", [("ENOSYS", True), ("EPERM", True), ("EDQUOT", True), ("ENOMEM", False), ("EACCES", False)])
def test_a_keyring_that_cannot_be_had_ends_the_run_unless_there_is_a_reason(error, runs):
    prefix = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", "trace=keyctl", "-e", f"inject=keyctl:error={error}:when=1"]
    if runs:
        result = run([*BASE, "--unshare-pid"], ["echo", "ran"], prefix=prefix)
        assert result.stdout == "ran\n", result
    else:
        refused(["--unshare-pid"], "session keyring", base=BASE, prefix=prefix)
    result = run([*BASE, "--unshare-pid", "--allow-keys"], ["echo", "ran"], prefix=prefix)
    assert result.stdout == "ran\n", result


def test_the_message_of_a_failing_exec_blames_no_filter_that_nobody_asked_for():
    assert "seccomp" not in refused(["--dir", "/d"], "execvp /d: Permission denied", base=BASE, command=["/d"])
