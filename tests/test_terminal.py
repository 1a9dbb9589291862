"""Terminals: guarded against input that COMMAND forges, and otherwise as usable as without a sandbox."""
import os
import re
import signal
from pathlib import Path

import pytest

from sandbox import BASE, BINARY, FULL, Terminal, pipe, python, python_prefix, status_inside

TTY_INPUT = """
FIRST = 0
import ctypes, fcntl, os
libc = ctypes.CDLL(None, use_errno=True)
libc.ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]
for path in (FIRST, "/dev/tty", "/dev/console"):
    try: fd = path if path == FIRST else os.open(path, os.O_RDWR | os.O_NOCTTY)
    except OSError as error: continue
    for name, request in (("STI", 0x5412), ("LINUX", 0x541C)):
        for high in (0, 1 << 32, 0xFFFFFFFF << 32, 1 << 63):
            data = ctypes.create_string_buffer(b"\\x02Q" if name == "LINUX" else b"Q")
            if libc.ioctl(fd, request | high, data) == 0: print("INJECTED", path, name, hex(high))
            elif ctypes.get_errno() not in (1, 13): print("UNGUARDED", path, name, hex(high), ctypes.get_errno())
print("tried all")
"""


@pytest.mark.parametrize("args", [[], ["--unshare-all"], ["--unshare-pid"], ["--die-with-parent"], ["--new-session"],
                                  ["--unshare-user", "--cap-add", "ALL"]], ids=str)
def test_terminal_input_cannot_be_forged(args):
    with Terminal([*FULL, *args], python(TTY_INPUT)) as terminal:
        terminal.read_until("tried all")
    assert "INJECTED" not in terminal.text and "UNGUARDED" not in terminal.text, terminal.text


def test_terminal_input_cannot_be_forged_through_an_inherited_descriptor():
    """... even where none of the standard three is the terminal."""
    with Terminal(FULL, python(TTY_INPUT.replace("FIRST = 0", "FIRST = 9")),
                  prefix=["sh", "-c", 'exec "$@" 9<>/dev/tty </dev/null', "sh"]) as terminal:
        terminal.read_until("tried all")
    assert "INJECTED" not in terminal.text and "UNGUARDED" not in terminal.text, terminal.text


# Keeps the foreground of the terminal for a reader, and goes on in the background.
BEHIND_A_READER = """import os, signal
ready, started = os.pipe()
if os.fork() == 0:
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.tcsetpgrp(0, os.getpid())
    os.write(started, b"x")
    print("the reader has", os.read(0, 9), flush=True)
    os._exit(0)
os.read(ready, 1)"""

SIGNALS = """import fcntl, os, struct
def try_to(name, call, *arguments):
    try: call(0, *arguments)
    except PermissionError: print(name, "is denied")
    else: print(name, "IS DONE")
try_to("F_SETSIG", fcntl.fcntl, 10, 9)
try_to("O_ASYNC", fcntl.fcntl, 4, fcntl.fcntl(0, 3) | 0o20000)
{last}
print("tried all", flush=True)
os.read(WAIT, 1)"""


@pytest.mark.parametrize("args, last", [([], True), (["--unshare-all"], True), (["--unshare-all", "--new-session"], True),
                                        (["--unshare-all", "--seccomp-profile", "default"], True),
                                        (["--unshare-all", "--seccomp-profile", "minimal"], False),
                                        (["--unshare-all", "--seccomp-profile", "minimal", "--no-tty-guard"], False)], ids=str)
def test_no_signal_is_sent_to_the_foreground_of_the_terminal(args, last):
    """The kernel sends what F_SETSIG says to whoever is there, at the next key, in whatever pid namespace."""
    read_end, write_end = pipe()
    # the request of FIOASYNC is of no profile that allows few, and not the same everywhere
    last = "import termios\ntry_to('FIOASYNC', fcntl.ioctl, termios.FIOASYNC, struct.pack('i', 1))" if last else ""
    code = SIGNALS.replace("{last}", last).replace("WAIT", str(read_end))
    with Terminal([*BASE, *args], python(code), prefix=python_prefix(BEHIND_A_READER), pass_fds=[read_end]) as terminal:
        terminal.read_until("tried all")
        terminal.type("keys\n")
        terminal.read_until("the reader has b'keys")
        assert "DONE" not in terminal.text and terminal.text.count("is denied") == (3 if last else 2)
        os.write(write_end, b"x")


@pytest.mark.parametrize("args", [[], ["--unshare-all"]], ids=str)
def test_flags_of_the_terminal_can_be_set_otherwise(args):
    code = """import fcntl, os
flags = fcntl.fcntl(0, fcntl.F_GETFL)
fcntl.fcntl(0, fcntl.F_SETFL, flags | os.O_NONBLOCK | os.O_APPEND)
print("set", fcntl.fcntl(0, fcntl.F_GETFL) & os.O_NONBLOCK != 0, fcntl.fcntl(0, 11), fcntl.fcntl(0, fcntl.F_DUPFD, 0o20000 // 64))"""
    with Terminal([*BASE, *args], python(code)) as terminal:
        terminal.read_until("set True 0 128")


# As in a container: with none of the standard three a terminal, and what is at /dev/tty not it.
@pytest.mark.parametrize("device", [[], ["--dir", "/dev/tty"], ["--symlink", "tty", "/dev/tty"]], ids=str)
def test_a_controlling_terminal_is_in_reach_whatever_is_at_dev_tty(device):
    read_end, write_end = os.pipe()
    outer = [*BASE, "--proc", "/proc", "--ro-bind", BINARY, "/bwrapish", "--no-tty-guard", "--allow-keys", *device]
    inner = ["/bwrapish", "--ro-bind", "/", "/", "--unshare-user", "--allow-keys", "grep", "Seccomp:", "/proc/self/status"]
    for more, mode in (([], "2"), (["--new-session"], "0")):
        with Terminal([*outer, *more], ["sh", "-c", 'exec "$@" <&- 2>&1', "sh", *inner], stdout=write_end) as terminal:
            terminal.wait()
        if not (mode == "0" and device):  # then it cannot be told
            assert os.read(read_end, 999) == f"Seccomp:\t{mode}\n".encode(), more
    os.close(read_end)
    os.close(write_end)


def test_no_tty_guard_passes_it_on():
    legacy = Path("/proc/sys/dev/tty/legacy_tiocsti")  # since 6.2
    if legacy.exists() and legacy.read_text().strip() != "1":
        pytest.skip("the kernel refuses TIOCSTI itself (dev.tty.legacy_tiocsti=0)")
    with Terminal([*FULL, "--no-tty-guard"],
                  python("import fcntl\nfcntl.ioctl(0, 0x5412, b'Q')\nprint('injected')")) as terminal:
        terminal.read_until("injected")


def test_the_guard_is_a_filter_only_where_a_terminal_is_in_reach():
    assert status_inside(["--allow-keys"])["Seccomp"] == "0"
    with Terminal([*BASE, "--proc", "/proc", "--allow-keys"], ["grep", "Seccomp:", "/proc/self/status"]) as terminal:
        assert terminal.read_until(r"Seccomp:\t(\d)")[1] == "2"


def test_the_guard_makes_the_kernel_mitigate_nothing_more():
    """... which would slow every call; a filter does where spec_store_bypass_disable=seccomp, the default before 5.16."""
    outside = [line for line in open("/proc/self/status").read().splitlines() if line.startswith("Speculation")]
    with Terminal([*BASE, "--proc", "/proc"], ["sh", "-c", "cat /proc/self/status; echo shown"]) as terminal:
        terminal.read_until("shown")
    assert [line for line in terminal.text.splitlines() if line.startswith("Speculation")] == outside


def test_ordinary_terminal_requests_work():
    code = """import os, sys, termios, fcntl, struct
a = termios.tcgetattr(0); a[3] &= ~termios.ECHO; termios.tcsetattr(0, termios.TCSANOW, a)
fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", 11, 22, 0, 0))
print(os.get_terminal_size(), os.isatty(0), os.ttyname(0) if os.path.exists("/dev/pts/0") else "", flush=True)
print("got", sys.stdin.readline())"""
    with Terminal([*BASE, "--bind", "/dev/pts", "/dev/pts"], python(code)) as terminal:
        terminal.read_until(r"columns=22, lines=11\) True")
        terminal.type("hello\n")
        terminal.read_until("got hello")


@pytest.mark.parametrize("args", [[], ["--unshare-pid"], ["--die-with-parent"], ["--unshare-all", "--die-with-parent"]],
                         ids=str)
def test_ctrl_c_reaches_command(args):
    code = """import os, signal, time
def caught(n, f): os.write(1, b"interrupted\\n"); os._exit(9)
signal.signal(signal.SIGINT, caught)
os.write(1, b"ready\\n")
while True: time.sleep(0.01)"""
    with Terminal([*BASE, *args], python(code)) as terminal:
        terminal.read_until("ready")
        terminal.type("\x03")
        terminal.read_until("interrupted")
        assert terminal.wait() == 9


@pytest.mark.parametrize("args", [[], ["--unshare-pid"], ["--unshare-all", "--die-with-parent"], ["--new-session"], ["--pty"], ["--pty", "--unshare-pid", "--as-pid-1"]], ids=str)
def test_each_of_two_ctrl_c_reaches_command_once(args):
    code = """import os, signal
caught = 0
def count(n, f):
    global caught
    caught += 1
    os.write(1, b"caught %d\\n" % caught)
signal.signal(signal.SIGINT, count)
os.write(1, b"ready\\n")
while not os.read(0, 99).startswith(b"end"): pass
os._exit(caught)"""
    with Terminal([*FULL, *args], python(code)) as terminal:
        terminal.read_until("ready")
        for text in ("caught 1", "caught 2"):
            terminal.type("\x03")
            terminal.read_until(text)
        terminal.type("end\n")
        assert terminal.wait() == 2


@pytest.mark.parametrize("args, code", [([], -signal.SIGINT), (["--unshare-pid"], 130)], ids=str)
def test_ctrl_c_ends_a_command_that_does_not_care(args, code):
    with Terminal([*BASE, *args], ["sh", "-c", "echo ready; exec sleep 30"]) as terminal:
        terminal.read_until("ready")
        terminal.type("\x03")
        assert terminal.wait() in (code, 130)


@pytest.mark.parametrize("args", [[], ["--unshare-pid"], ["--die-with-parent"]], ids=str)
def test_job_control_works(args):
    code = """import os, signal
assert os.tcgetpgrp(0) == os.getpgrp() or os.getpgrp() == 0, (os.tcgetpgrp(0), os.getpgrp())
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
pid = os.fork()
if pid == 0:
    os.setpgid(0, 0); os.kill(os.getpid(), signal.SIGSTOP); os._exit(4)
os.waitpid(pid, os.WUNTRACED)
os.tcsetpgrp(0, pid)
print("foreground", os.tcgetpgrp(0) == pid, flush=True)
os.kill(pid, signal.SIGCONT)
print("ended", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)"""
    with Terminal([*BASE, *args], python(code)) as terminal:
        terminal.read_until("foreground True")
        terminal.read_until("ended 4")


def test_new_session_takes_the_terminal_away():
    code = """import os
print("session", os.getsid(0) == os.getpid())
try: os.open("/dev/tty", os.O_RDWR)
except OSError as error: print("tty", error.errno)"""
    with Terminal([*FULL, "--new-session"], python(code)) as terminal:
        terminal.read_until("session True")
        terminal.read_until("tty 6")


def test_dev_console_is_the_callers_terminal_where_stdout_is_one():
    code = """import os
print(os.stat("/dev/console").st_rdev == os.fstat(1).st_rdev, os.isatty(1))
open("/dev/console", "w").write("spoken\\n")"""
    with Terminal(FULL, python(code)) as terminal:
        terminal.read_until("True True")
        terminal.read_until("spoken")


def test_there_is_no_console_where_only_stdin_is_a_terminal():
    read_end, write_end = os.pipe()
    with Terminal(FULL, python("import os\nprint(os.path.lexists('/dev/console'))"), stdout=write_end) as terminal:
        os.close(write_end)
        terminal.wait()
    assert os.read(read_end, 99) == b"False\n"
    os.close(read_end)


def test_messages_cannot_steer_the_terminal():
    with Terminal(["--ro-bind", "/\x1b]0;title\x07\x1b[2J", "/x"], ["true"]) as terminal:
        assert terminal.wait() == 1
    assert "Can't find source path" in terminal.text and not re.search("[\x00-\x09\x0b-\x1f]", terminal.text)
