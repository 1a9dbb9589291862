"""--seccomp-trace."""
import errno
import json
import os
import struct
import subprocess
from pathlib import Path

import pytest

from sandbox import (BASE, BINARY, FULL, IS_SANITIZED, assert_ok, bpf, data_fd, keep, line_from, pipe, python, refused,
                     run, start, status_fields)
from syscalls import NATIVE, OTHERS, PROFILE, callers, calling, numbers, raw, trace


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
