"""--die-with-fd: the sandbox ends when a pipe, a socket or a process does."""
import os
import random
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

from lines import FORMS
from sandbox import BASE, LONG, Life, at_eof, bpf, close, data_fd, keep, line_from, pipe, python, refused, run, start

pytestmark = pytest.mark.core
SHAPES = {**FORMS, "joinable": ["--lock-file", "/usr/bin/env"], "filters": ["--unshare-pid", "--seccomp", None],
          "parent": ["--unshare-pid", "--die-with-parent"], "time": ["--timeout", "60"], "capabilities": ["--unshare-all", "--cap-add", "ALL"]}
shapes = pytest.mark.parametrize("shape", SHAPES)


def shape_args(shape):
    return [data_fd(bpf({}) if shape == "filters" else b"") if word is None else word for word in SHAPES[shape]]


class Pipe:
    def __init__(self):
        self.fd, self.other = pipe()

    def end(self):
        close(self.other)


class Socket:
    def __init__(self):
        one, other = socket.socketpair()
        self.fd, self.other = keep(one.detach()), keep(other.detach())

    def end(self):
        close(self.other)


class HalfSocket(Socket):
    def end(self):
        socket.socket(fileno=os.dup(self.other)).shutdown(socket.SHUT_WR)


class Fifo:
    def __init__(self):
        one, other = pipe()
        self.fd = keep(os.open(f"/proc/self/fd/{one}", os.O_RDONLY | os.O_NONBLOCK))
        close(one)
        self.other = other

    def end(self):
        os.write(self.other, b"x" * 100)  # which nobody reads
        close(self.other)


class Process:
    def __init__(self):
        self.process = subprocess.Popen(["sleep", "600"])
        self.fd = keep(os.pidfd_open(self.process.pid))

    def end(self):
        self.process.kill()
        self.process.wait()


KINDS = {"pipe": Pipe, "socket": Socket, "half of a socket": HalfSocket, "full pipe": Fifo, "process": Process}
kinds = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)


@shapes
@kinds
def test_the_sandbox_ends_with_the_descriptor(shape, kind):
    lifeline, life = kind(), Life()
    with start([*BASE, *shape_args(shape), "--die-with-fd", lifeline.fd], ["sh", "-c", "echo ready; sleep 600; true"],
               pass_fds=[life.held]) as process:
        assert line_from(process) == "ready"
        close(lifeline.fd)  # nobody but bwrapish has it
        close(life.held)
        assert process.poll() is None
        lifeline.end()
        assert process.wait(LONG) == 137
        if "--unshare-pid" in SHAPES[shape] or "--unshare-all" in SHAPES[shape] or shape == "time":
            assert at_eof(life.end, LONG), "somebody is left"


@shapes
@kinds
def test_what_ended_before_is_seen_and_nothing_is_run(shape, kind):
    lifeline = kind()
    lifeline.end()
    refused([*BASE, *shape_args(shape), "--die-with-fd", lifeline.fd], f": Descriptor {lifeline.fd} has ended already; nothing was run")


@shapes
def test_what_ends_while_setup_waits_is_told(shape):
    lifeline, (waits, _) = Pipe(), pipe()
    with start([*BASE, *shape_args(shape), "--die-with-fd", lifeline.fd, "--block-fd", waits], ["echo", "COMMAND RAN"]) as process:
        time.sleep(0.3)
        lifeline.end()
        output, errors = process.communicate(timeout=LONG)
        assert (process.returncode, output) == (1, "") and errors.count("\n") == 1, errors
        assert "--die-with-fd (argument " in errors and ("The end came before COMMAND was started" in errors or "has ended already" in errors)


@shapes
def test_without_its_end_the_status_is_the_commands_and_what_came_is_left_to_read(shape):
    lifeline = Pipe()
    os.write(lifeline.other, b"still there")
    assert run([*BASE, *shape_args(shape), "--die-with-fd", lifeline.fd], ["sh", "-c", "exit 7"]).returncode == 7
    assert os.read(lifeline.fd, 99) == b"still there"


@shapes
def test_nobody_is_left_whenever_the_descriptor_or_the_supervisor_ends(shape):
    for number in range(12):
        lifeline, life = Pipe(), Life()
        command = ["sleep", "600"]
        with start([*BASE, *shape_args(shape), "--die-with-fd", lifeline.fd], command, pass_fds=[life.held], stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL) as process:
            close(life.held)
            time.sleep(random.uniform(0, 0.01))
            if number % 2:
                process.kill()
            else:
                lifeline.end()
            process.wait(LONG)
            assert at_eof(life.end, LONG), "somebody is left"


@shapes
def test_a_stopped_supervisor_does_not_keep_the_sandbox(shape):
    """As one that Ctrl-Z or its caller has stopped."""
    lifeline, life = Pipe(), Life()
    with start([*BASE, *shape_args(shape), "--die-with-fd", lifeline.fd], ["sh", "-c", "echo ready; exec sleep 600"],
               pass_fds=[life.held]) as process:
        assert line_from(process) == "ready"
        close(life.held)
        os.kill(process.pid, signal.SIGSTOP)
        lifeline.end()
        assert at_eof(life.end, LONG), "somebody is left"
        assert process.wait(LONG) == 137


@shapes
def test_a_command_that_takes_its_death_signal_back_ends_with_a_killed_supervisor(shape):
    """As every program does that changes its credentials: prctl(2)."""
    if shape == "joinable":
        pytest.skip("the reaper's child is nobody's whom the guard could end")
    lifeline, life = Pipe(), Life()
    code = "import ctypes, time\nctypes.CDLL(None).prctl(1, 0)  # PR_SET_PDEATHSIG\nprint('ready', flush=True)\ntime.sleep(600)"
    with start([*BASE, *shape_args(shape), "--die-with-fd", lifeline.fd], python(code), pass_fds=[life.held]) as process:
        assert line_from(process) == "ready"
        close(life.held)
        process.kill()
        assert at_eof(life.end, LONG), "somebody is left"


@pytest.mark.parametrize("shape", [[], ["--unshare-pid", "--as-pid-1"]], ids=["no pid namespace", "as pid 1"])
def test_nothing_goes_on_unguarded(shape):
    life = Life()
    with start([*BASE, *shape, "--die-with-fd", Pipe().fd], ["sh", "-c", "echo ready; exec sleep 600"], pass_fds=[life.held]) as process:
        assert line_from(process) == "ready"
        close(life.held)
        # In a process group of its own, as nobody else is.
        (guard,) = [pid for pid in map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()) if os.getpgid(pid) == pid]
        os.kill(guard, signal.SIGKILL)
        assert at_eof(life.end, LONG), "somebody is left"
        assert process.wait(LONG) == 1
        error = process.stderr.read()
        assert "--die-with-fd" in error or "--as-pid-1" in error
        assert "was ended, and so is the sandbox" in error and error.count("\n") == 1, error


def test_the_reader_of_the_status_is_told():
    lifeline, fd = Pipe(), data_fd()
    with start([*BASE, "--json-status-fd", fd, "--die-with-fd", lifeline.fd], ["sh", "-c", "echo ready; sleep 600"]) as process:
        line_from(process)
        lifeline.end()
        process.wait(LONG)
    assert '"exit-code": 137' in os.pread(fd, 65536, 0).decode()


# ---- bad input ----

def test_what_has_no_end_is_refused():
    for fd in (data_fd(), keep(os.open("/", os.O_RDONLY)), keep(os.open("/dev/null", os.O_RDWR)), keep(os.eventfd(0))):
        refused([*BASE, "--die-with-fd", fd], f"--die-with-fd (argument 13): Descriptor {fd} has no end to wait for")
    _, write_end = pipe()
    refused([*BASE, "--die-with-fd", write_end], f"Descriptor {write_end} has no end to wait for")
    both = keep(os.open(f"/proc/self/fd/{write_end}", os.O_RDWR))
    refused([*BASE, "--die-with-fd", both], f"--die-with-fd (argument 13): Descriptor {both} is open for writing, too, and so has no end: open it by {both}<")
    refused(["--die-with-fd", "99"], "--die-with-fd (argument 1): Invalid fd: descriptor 99 is not open")
    refused(["--die-with-fd", "-1"], "--die-with-fd (argument 1): Invalid fd: -1 is not a descriptor's number")


def test_an_end_that_command_itself_would_hold_back_is_refused():
    read_end, write_end = pipe()
    line = [*BASE, "--die-with-fd", read_end]
    never = f"Descriptor {read_end} would never end: descriptor "
    refused(line, f"{never}{write_end}, which COMMAND would get", pass_fds=[write_end])
    refused([*line, "--close-fds", "--keep-fd", write_end], never)
    assert run([*line, "--close-fds"], ["true"], pass_fds=[write_end]).returncode == 0
    both = keep(os.open(f"/proc/self/fd/{read_end}", os.O_RDWR))
    close(write_end)
    refused([*BASE, "--die-with-fd", read_end], never, pass_fds=[both])


def test_the_last_of_two_counts():
    one, other = Pipe(), Pipe()
    one.end()
    result = run([*BASE, "--die-with-fd", one.fd, "--die-with-fd", other.fd], ["echo", "ran"])
    assert (result.returncode, result.stdout) == (0, "ran\n") and "Only the last --die-with-fd option will take effect" in result.stderr
