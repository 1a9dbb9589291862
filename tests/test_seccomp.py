"""Filters: raw BPF programs, read and loaded as asked or nothing runs."""
import errno
import os
import struct

import pytest

from sandbox import (ALLOW, BASE, FULL, assert_ok, bpf, data_fd, errno_inside, inside, keep, pipe, refused, run, shell,
                     status_inside, syscall_number)

WITH_PROC = [*BASE, "--proc", "/proc"]
FORMS = pytest.mark.parametrize("form", [[], ["--unshare-all"], ["--die-with-parent"], ["--unshare-pid", "--as-pid-1"]],
                                ids=str)


def fails_with(name):
    return errno_inside(f"libc.syscall({syscall_number(name)}, -100, b'/made', 511)")


@FORMS
@pytest.mark.parametrize("option", ["--seccomp", "--add-seccomp-fd"])
def test_a_filter_applies(option, form):
    assert inside([*form, option, data_fd(bpf({"mkdirat": errno.EXDEV}))], fails_with("mkdirat")) == "EXDEV"
    assert status_inside([*form, option, data_fd(bpf({}))])["Seccomp"] == "2"


def test_filters_stack_in_order():
    one, two = data_fd(bpf({"mkdirat": errno.EXDEV})), data_fd(bpf({"sethostname": errno.ENOANO}))
    hostname = errno_inside("libc.sethostname(b'x', 1)")
    assert inside(["--add-seccomp-fd", one, "--add-seccomp-fd", two], f"({fails_with('mkdirat')}, {hostname})") \
        == ("EXDEV", "ENOANO")
    status = status_inside(["--add-seccomp-fd", data_fd(bpf({})), "--add-seccomp-fd", data_fd(bpf({}))])
    assert status["Seccomp"] == "2" and int(status["Seccomp_filters"]) >= 2


def test_a_filter_may_come_through_a_pipe():
    read_end, write_end = pipe()
    os.write(write_end, bpf({"mkdirat": errno.EXDEV}))
    os.close(write_end)
    assert inside(["--add-seccomp-fd", read_end], fails_with("mkdirat")) == "EXDEV"


SETUP = ["clone", "clone3", "fork", "vfork", "unshare", "setns", "mount", "umount2", "pivot_root", "open_tree",
         "move_mount",
         "fsopen", "mount_setattr", "prctl", "capset", "setuid", "setsid", "chroot", "keyctl", "sethostname"]


@FORMS
@pytest.mark.parametrize("option", ["--seccomp", "--add-seccomp-fd"])
def test_a_filter_that_denies_what_setup_needs_does_not_break_setup(option, form):
    line = [*FULL, *form, "--new-session", option, data_fd(bpf(dict.fromkeys(SETUP, errno.EPERM)))]
    if "--unshare-all" in form:
        line += ["--hostname", "box"]
    result = run(line, ["echo", "ran"])
    assert_ok(result)
    assert result.stdout == "ran\n"


@FORMS
def test_the_first_filter_does_not_stop_the_loading_of_the_second(form):
    first = data_fd(bpf({"prctl": errno.EPERM, "close_range": errno.EPERM}))
    assert inside([*form, "--add-seccomp-fd", first, "--add-seccomp-fd", data_fd(bpf({"mkdirat": errno.EXDEV}))],
                  fails_with("mkdirat")) == "EXDEV"


BAD = {"empty": b"", "short": b"\0" * 7, "odd": bpf({}) + b"\0", "bad opcode": b"\xff" * 8,
       "jump past the end": struct.pack("HBBI", 0x15, 200, 200, 0) + bpf({}),
       "no return": struct.pack("HBBI", 0x20, 0, 0, 0),
       "4097 instructions": struct.pack("HBBI", 0x06, 0, 0, ALLOW) * 4097, "huge": b"\0" * 2_000_000}


@pytest.mark.parametrize("option", ["--seccomp", "--add-seccomp-fd"])
@pytest.mark.parametrize("name", BAD)
def test_bad_programs_never_run(name, option, box):
    for form in ([], ["--unshare-pid"]):
        refused([*form, "--bind", box, "/b", option, data_fd(BAD[name])], option, base=BASE,
                command=["touch", "/b/ran"])
    assert os.listdir(box) == []


@pytest.mark.parametrize("option", ["--seccomp", "--add-seccomp-fd"])
def test_a_filter_that_cannot_be_read_never_runs(option, box):
    refused([option, keep(os.open(box, os.O_RDONLY))], option, base=BASE)
    refused([option, pipe()[1]], option, base=BASE)


def test_a_filter_of_4096_instructions_is_loaded():
    program = struct.pack("HBBI", 0x20, 0, 0, 0) * 4095 + struct.pack("HBBI", 0x06, 0, 0, ALLOW)
    result = run([*BASE, "--seccomp", data_fd(program)], ["echo", "ran"])
    assert result.stdout == "ran\n", result


def test_a_filter_that_denies_execve_is_told_in_one_line():
    for form in ([], ["--unshare-pid"]):
        refused([*form, "--seccomp", data_fd(bpf({"execve": errno.EACCES}))], "execvp echo: Permission denied",
                base=BASE)


def test_a_later_program_needs_prctl_and_no_seccomp_of_an_earlier_one():
    """bubblewrap loads by prctl(2), and its callers' allow lists are made for that."""
    for form in ([], ["--unshare-pid"]):
        programs = [data_fd(bpf({"seccomp": errno.ENOSYS})), data_fd(bpf({"mkdirat": errno.EXDEV}))]
        args = [word for program in programs for word in ("--add-seccomp-fd", program)]
        assert inside([*form, *args], fails_with("mkdirat")) == "EXDEV"


@FORMS
@pytest.mark.parametrize("more", [["--seccomp-profile", "default"], ["--seccomp-profile", "minimal"], ["--seccomp-deny", "mkdir"],
                                  ["--allow-keys", "--seccomp-deny", "mkdir:kill", "--seccomp-errno", "kill"]], ids=str)
def test_a_filter_that_pretends_to_load_another_ends_the_run(more, form):
    for option in ("--seccomp", "--add-seccomp-fd"):
        refused([*form, option, data_fd(bpf({"seccomp": 0})), *more], "seccomp lists", "does not hold", base=BASE)


@FORMS
def test_a_filter_that_pretends_to_load_one_of_the_callers_ends_the_run(form):
    refused([*form, "--add-seccomp-fd", data_fd(bpf({"prctl": 0})), "--add-seccomp-fd", data_fd(bpf({"mkdirat": errno.EXDEV}))],
            "--add-seccomp-fd", "does not hold", base=BASE)


def test_pid_1_runs_under_the_same_filters():
    seen = shell(["--unshare-pid", "--seccomp", data_fd(bpf({}))], "grep Seccomp: /proc/1/status", base=WITH_PROC)
    assert seen == "Seccomp:\t2\n"


def test_a_filter_without_wait_either_runs_or_is_told_as_the_cause():
    """pid 1 runs under it and needs wait, too."""
    program = bpf({"wait4": errno.EPERM, "waitid": errno.EPERM})
    for option in ("--seccomp", "--add-seccomp-fd"):
        result = run([*BASE, "--unshare-pid", option, data_fd(program)], ["sh", "-c", "exit 3"])
        assert result.returncode == 3 or (result.returncode == 1 and result.stderr.count("\n") == 1
                                          and "seccomp" in result.stderr), result
