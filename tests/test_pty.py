"""--pty: a terminal of the sandbox's own, relayed; the caller's out of reach, and left as it was."""
import hashlib
import os
import re
import signal
import termios
import time
from pathlib import Path

import pytest

from lines import SHORT
from sandbox import (BASE, FULL, LONG, SHELL, Life, Terminal, close, inside, keep, pipe, python, python_prefix, read_json, refused, run,
                     wait_for)

pytestmark = pytest.mark.core

PTY_FORMS = {"supervised": [], "with pid 1": ["--unshare-pid"], "everything": ["--unshare-all", "--die-with-parent"],
             "as pid 1": ["--unshare-pid", "--as-pid-1"], "new session": ["--new-session"], "timeout": ["--timeout", "60"],
             "capabilities": ["--unshare-user", "--cap-add", "ALL"]}
pty_forms = pytest.mark.parametrize("form", PTY_FORMS)


def pty(form="supervised", base=FULL):
    return [*base, "--pty", *PTY_FORMS[form]]


class Modes:
    """Of a terminal: as they were in the beginning, and now."""

    def __init__(self, terminal):
        self.terminal, self.before = terminal, terminal.modes

    def are_raw(self):
        return not termios.tcgetattr(self.terminal.master)[3] & termios.ICANON

    def are_back(self):
        return termios.tcgetattr(self.terminal.master) == self.before


READY = ["sh", "-c", "echo ready; read x; exit 6"]


@pty_forms
def test_command_has_a_terminal_of_its_own(form):
    code = """import os
print([os.ttyname(fd) for fd in range(3)], os.getsid(0) == os.getpid() == os.tcgetpgrp(0) == os.getpgrp())
print(*{os.fstat(os.open(name, os.O_RDWR)).st_rdev == os.fstat(0).st_rdev for name in ("/dev/pts/0", "/dev/console")}, os.listdir("/dev/pts"))
print("said", file=open("/dev/tty", "w"))
os._exit(5)"""
    with Terminal(pty(form), python(code)) as terminal:
        assert terminal.wait() == 5
    lines = terminal.text.split("\n")
    assert lines[:3] == ["['/dev/pts/0', '/dev/pts/0', '/dev/pts/0'] True", "True ['0', 'ptmx']", "said"], terminal.text


@pty_forms
def test_a_terminal_needs_no_dev(form):
    with Terminal(pty(form, base=BASE), ["sh", "-c", "stty -a; test -t 0 && test -t 1 && test -t 2 && exit 4"]) as terminal:
        assert terminal.wait() == 4
    assert "isig icanon" in terminal.text


# Each way to the caller's terminal, as its device and inode outside, that COMMAND might have.
REACH = """import ctypes, fcntl, os, sys
found = []
DEVICE, INODE = int(os.environ["DEVICE"]), int(os.environ["INODE"])
libc = ctypes.CDLL(None, use_errno=True)
def look(name):
    try: fd = os.open(name, os.O_RDWR | os.O_NOCTTY) if type(name) is str else name
    except OSError: return
    try: found.append((os.fstat(fd).st_dev, os.fstat(fd).st_ino) == (DEVICE, INODE))
    except OSError: pass
for name in [*range(64), "/dev/tty", "/dev/console", "/dev/stdin", *(f"/dev/pts/{n}" for n in range(99))]: look(name)
for pid in filter(str.isdigit, os.listdir("/proc")):
    for fd in range(12): look(f"/proc/{pid}/fd/{fd}")
    pidfd = libc.syscall(434, int(pid), 0)
    for fd in range(12):
        got = libc.syscall(438, pidfd, fd, 0)
        if got >= 0: look(got)
print("reached" if any(found) else "out of reach", len(found) > 4)
"""


@pty_forms
def test_nothing_of_the_callers_terminal_is_reached(form):
    seen = python_prefix("status = os.fstat(0)\nos.environ |= dict(DEVICE=str(status.st_dev), INODE=str(status.st_ino))\nos.dup2(0, 9)\nos.dup2(0, 40)")
    # Root's COMMAND has root's power over bwrapish, unless it is in a user namespace.
    with Terminal([*pty(form), "--unshare-user"], python(REACH), prefix=seen) as terminal:
        assert terminal.wait(LONG) == 0, terminal.text
    assert "out of reach True" in terminal.text


def test_a_terminal_is_not_kept_for_command():
    with Terminal([*BASE, "--pty", "--close-fds", "--keep-fd", "9"], ["echo", "ran"], prefix=python_prefix("os.dup2(0, 9)")) as terminal:
        assert terminal.wait() == 1
    assert re.fullmatch(r"bwrap(ish)?: --keep-fd \(argument \d+\): Descriptor 9 is a terminal, and --pty keeps the caller's from COMMAND\n", terminal.text)


@pytest.mark.parametrize("more", [[], ["--unshare-pid"]], ids=str)
def test_nothing_is_typed_into_the_callers_terminal(more):
    code = "import fcntl\nfor fd in 0, 1, 2:\n    try: fcntl.ioctl(fd, 0x5412, b'Q')\n    except OSError as error: print(error.errno)\nprint('tried all')"
    with Terminal([*FULL, "--pty", *more], python(code), prefix=["sh", "-c", '"$@"; read -r x; echo "read $x"', "sh"]) as terminal:
        terminal.read_until("tried all")
        time.sleep(0.2)
        terminal.type("it\n")
        terminal.read_until("read it")


# ---- pipes ----

BYTES = bytes(range(256)) * 300 + b"\n\r\n\x04\x03end"


@pty_forms
def test_what_is_no_terminal_passes_as_it_is(form):
    result = run([*BASE, "--pty", *PTY_FORMS[form]], ["cat"], input=BYTES, text=False, stdin=None)
    assert result.stdout == BYTES and result.returncode == 0 and not result.stderr


def test_without_a_terminal_none_is_in_reach():
    assert inside(["--pty"], "[os.isatty(fd) for fd in range(3)], os.getsid(0) == os.getpid()") == ([False] * 3, True)


def test_standard_output_may_be_a_pipe():
    read_end, write_end = os.pipe()
    with Terminal([*FULL, "--pty"], ["sh", "-c", r"test ! -t 1 && test -t 0 && test -t 2 && printf 'a\nb\r\n'; read x; echo $x; echo said >&2"],
                  stdout=write_end) as terminal:
        os.close(write_end)
        modes = Modes(terminal)
        assert os.read(read_end, 99) == b"a\nb\r\n"
        assert not modes.are_raw()  # who reads the pipe may want the terminal
        terminal.type("typed\n")
        terminal.read_until("said")
        assert os.read(read_end, 99) == b"typed\n" and os.read(read_end, 1) == b""
        assert terminal.wait() == 0 and terminal.text.count("typed") == 1
    os.close(read_end)


def test_keys_are_left_to_who_reads_standard_output():
    """As less(1), which sets modes of its own."""
    reader = python_prefix("""import termios, tty
read_end, write_end = os.pipe()
if os.fork() == 0:
    os.dup2(write_end, 1)
    os.close(read_end)
    os.execvp(sys.argv[1], sys.argv[1:])
os.close(write_end)
old = termios.tcgetattr(0)
tty.setraw(0)
os.write(2, b"reads\\r\\n")
keys = b""
while b"q" not in keys: keys += os.read(0, 1)
os.write(2, b"has %r\\r\\n" % keys)
termios.tcsetattr(0, termios.TCSANOW, old)
while os.read(read_end, 4096): pass
os._exit(os.waitstatus_to_exitcode(os.wait()[1]))""")
    with Terminal([*FULL, "--pty"], ["sh", "-c", "echo ready >&2; sleep 1; exit 7"], prefix=reader) as terminal:
        modes = Modes(terminal)
        terminal.read_until("reads")
        terminal.read_until("ready")
        for key in "abcdefghq":
            terminal.type(key)
            time.sleep(0.02)
        terminal.read_until("has b'abcdefghq'")
        assert terminal.wait() == 7 and modes.are_back()


def test_standard_input_may_be_a_pipe():
    read_end, write_end = os.pipe()
    with Terminal([*FULL, "--pty"], ["sh", "-c", "cat; read x </dev/tty; echo got $x; test ! -t 0 && test -t 1"],
                  prefix=python_prefix(f"os.dup2({read_end}, 0)"), pass_fds=[read_end]) as terminal:
        os.write(write_end, b"piped\n")
        os.close(write_end)
        terminal.read_until("piped")
        terminal.type("key\n")
        terminal.read_until("got key")
        assert terminal.wait() == 0
    os.close(read_end)


# ---- what is relayed ----

@pytest.mark.parametrize("base", [FULL, BASE], ids=["dev", "no dev"])
def test_all_output_arrives(base):
    code = "import os\nfor n in range(100): os.write(1, b'%07d' % n * 500 + b'\\n')\nos.write(1, b'last')"
    with Terminal([*base, "--pty", "--unshare-pid"], python(code)) as terminal:
        assert terminal.wait(LONG) == 0
    text = terminal.text.replace("\r\n", "\n")  # one may have come in two parts
    assert text == "".join(f"{n:07}" * 500 + "\n" for n in range(100)) + "last"


def test_100_mb_pass_without_loss():
    code = """import os, hashlib
import termios
modes = termios.tcgetattr(1); modes[1] &= ~termios.OPOST; termios.tcsetattr(1, 0, modes)
block = bytes(range(256)) * 256
for n in range(1600): os.write(1, n.to_bytes(4, "big") + block[4:])"""
    block = bytes(range(256)) * 256
    wanted = hashlib.sha256(b"".join(n.to_bytes(4, "big") + block[4:] for n in range(1600))).hexdigest()
    found, n = hashlib.sha256(), 0
    with Terminal([*FULL, "--pty"], python(code)) as terminal:
        while True:
            try:
                chunk = os.read(terminal.master, 65536)
            except OSError:
                break
            found.update(chunk)
            n += len(chunk)
        assert terminal.process.wait(LONG) == 0
    assert n == 1600 * 65536 and found.hexdigest() == wanted


def test_much_input_arrives():
    code = """import hashlib, os, termios, tty
tty.setraw(0)
os.write(1, b"ready")
sum, n = hashlib.sha256(), 0
while n < 1 << 20:
    bytes = os.read(0, 4096)
    n += len(bytes)
    sum.update(bytes)
print(sum.hexdigest())"""
    data = os.urandom(1 << 20)
    with Terminal([*FULL, "--pty"], python(code)) as terminal:
        terminal.read_until("ready")
        sent = 0
        while sent < len(data):
            sent += os.write(terminal.master, data[sent:sent + 4096])
        terminal.read_until(hashlib.sha256(data).hexdigest(), LONG)


def test_the_end_of_file_is_typed():
    with Terminal(pty(), ["sh", "-c", "echo ready; cat; echo end; exit 3"]) as terminal:
        terminal.read_until("ready")
        terminal.type("line\n")
        terminal.read_until("line\nline\n")
        terminal.type("\x04")
        assert terminal.wait() == 3
    assert terminal.text == "ready\nline\nline\nend\n"


@pty_forms
def test_the_size_is_the_callers(form):
    def resize(terminal, rows, columns):
        termios.tcsetwinsize(terminal.master, (rows, columns))
    script = "trap 'stty size; exit 2' WINCH; stty size; echo ready; while :; do sleep 0.05; done"
    with Terminal(pty(form), ["sh", "-c", script], prefix=python_prefix("import termios; termios.tcsetwinsize(0, (33, 77))")) as terminal:
        terminal.read_until("33 77\nready")
        resize(terminal, 44, 88)
        terminal.read_until("44 88")
        assert terminal.wait() == 2


def test_a_command_that_could_not_be_started_is_told_of():
    for args, command, said in (([], ["/nowhere"], "execvp /nowhere: No such file or directory"),
                                (["--chdir", "/nowhere"], ["true"], "Can't chdir to /nowhere"),
                                (["--ro-bind", "/nowhere", "/x"], ["true"], "Can't find source path /nowhere")):
        with Terminal([*FULL, "--pty", *args], command) as terminal:
            modes = Modes(terminal)
            assert terminal.wait() == 1 and modes.are_back()
        assert re.fullmatch(f"bwrap(ish)?: [^\r\n]*{re.escape(said)}[^\r\n]*\n", terminal.text), terminal.text


# ---- how it ends ----

@pty_forms
def test_the_terminal_is_raw_while_command_runs_and_back_afterwards(form):
    with Terminal(pty(form), READY) as terminal:
        modes = Modes(terminal)
        terminal.read_until("ready")
        wait_for(modes.are_raw)
        terminal.type("\n")
        assert terminal.wait() == 6
        assert modes.are_back()


def relay_of(supervisor, child):
    relay, = [int(pid) for pid in Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text().split()
              if int(pid) != child and "Seccomp:\t2" in Path(f"/proc/{pid}/status").read_text()]
    return relay


@pytest.mark.parametrize("who", ["command", "child", "supervisor", "relay"])
@pytest.mark.parametrize("front", ["a shell with job control", "a script"])
@pty_forms
def test_whatever_is_killed_leaves_the_terminal_as_it_was(form, who, front):
    if form == "as pid 1" and who == "supervisor":
        pytest.skip("a pid 1 hears no hangup; --die-with-parent ends it")
    (info, status), life = pipe(), Life()
    prefix = SHELL if front == "a shell with job control" else ["sh", "-c", '"$@"; exit $(($? % 256))', "sh"]
    with Terminal([*pty(form), "--info-fd", status], ["sh", "-c", "echo ready $$; exec sleep 60"], prefix=prefix, pass_fds=[life.held]) as terminal:
        modes = Modes(terminal)
        child = read_json(info)["child-pid"]
        terminal.read_until("ready")
        wait_for(modes.are_raw)
        supervisor = int(Path(f"/proc/{child}/status").read_text().split("PPid:\t")[1].split()[0])
        if who == "command":
            children = Path(f"/proc/{child}/task/{child}/children").read_text().split()
            victim = int(children[0]) if form in ("with pid 1", "everything") else child
        else:
            victim = {"child": child, "supervisor": supervisor, "relay": relay_of(supervisor, child)}[who]
        os.kill(victim, signal.SIGKILL)
        wait_for(modes.are_back, LONG)
        life.assert_over()  # what has lost its terminal is hung up
        if who == "relay":
            terminal.read_until("The process that relays the terminal was ended by signal 9: COMMAND has none any more\n")
        terminal.process.wait(LONG)
        assert modes.are_back()


@pytest.mark.parametrize("form", ["supervised", "with pid 1", "everything"])
def test_modes_that_somebody_else_has_set_are_left_alone(form):
    """As those of a shell that reads a line again when bwrapish was killed."""
    (info, status), life = pipe(), Life()
    with Terminal([*pty(form), "--info-fd", status], ["sh", "-c", "echo ready; exec sleep 60"], prefix=SHELL, pass_fds=[life.held]) as terminal:
        modes = Modes(terminal)
        child = read_json(info)["child-pid"]
        terminal.read_until("ready")
        wait_for(modes.are_raw)
        theirs = termios.tcgetattr(terminal.master)
        theirs[1] |= termios.OPOST
        theirs[3] |= termios.ISIG
        termios.tcsetattr(terminal.master, termios.TCSANOW, theirs)
        supervisor = int(Path(f"/proc/{child}/status").read_text().split("PPid:\t")[1].split()[0])
        os.kill(supervisor, signal.SIGKILL)
        life.assert_over()
        terminal.process.wait(LONG)
        time.sleep(0.1)
        assert termios.tcgetattr(terminal.master) == theirs


@pytest.mark.parametrize("form", ["supervised", "with pid 1"])
def test_what_is_left_behind_keeps_nobody_from_ending(form):
    life = Life()
    script = "trap '' HUP; (while echo more; do :; done) & echo end; exit 5"
    with Terminal(pty(form), ["sh", "-c", script], pass_fds=[life.held]) as terminal:
        modes = Modes(terminal)
        assert terminal.wait(LONG) == 5 and modes.are_back()
        life.assert_over()  # it writes to a terminal that is gone
    assert "end\n" in terminal.text


def test_command_may_close_its_terminal_and_open_it_again():
    script = "exec <&- >&- 2>&-; sleep 0.3; echo again >/dev/tty; sleep 0.3; echo and again >/dev/tty"
    with Terminal(pty(), ["sh", "-c", script]) as terminal:
        assert terminal.wait() == 0
    assert terminal.text == "again\nand again\n"


@pty_forms
def test_a_closed_terminal_ends_command(form):
    life = Life()
    with Terminal(pty(form), ["sh", "-c", "echo ready; sleep 60; sleep 60"], pass_fds=[life.held]) as terminal:
        terminal.read_until("ready")
        time.sleep(0.2)
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, terminal.master)
        os.close(null)
        assert terminal.process.wait(LONG) in (129, 128 + signal.SIGHUP)
        life.assert_over()


@pytest.mark.parametrize("form", ["supervised", "with pid 1", "everything"])
def test_a_terminal_that_takes_nothing_does_not_stop_the_time(form):
    """Nobody reads what COMMAND writes, and the terminal is full."""
    life = Life()
    with Terminal([*pty(form), *SHORT], ["sh", "-c", "while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done"], pass_fds=[life.held]) as terminal:
        modes = Modes(terminal)
        assert terminal.process.wait(LONG) in (124, 137) and modes.are_back()
        life.assert_over()


def test_a_terminal_that_takes_nothing_does_not_keep_a_signal_out():
    life = Life()
    with Terminal(pty(), ["sh", "-c", "echo ready; while :; do echo xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; done"], pass_fds=[life.held]) as terminal:
        terminal.read_until("ready")
        time.sleep(0.3)
        terminal.process.terminate()
        life.assert_over()

        def is_over():  # one that came before COMMAND's end was noticed was for COMMAND
            terminal.process.terminate()
            return terminal.process.poll() is not None
        wait_for(is_over, LONG)  # nobody waits for what is still to be shown
        assert terminal.process.wait() == 143


# ---- signals and job control ----

@pty_forms
def test_a_signal_to_bwrapish_reaches_command_at_its_terminal(form):
    code = """import os, signal, time
signal.signal(signal.SIGTERM, lambda *_: os._exit(9))
print("ready", flush=True)
while True: time.sleep(0.01)"""
    with Terminal(pty(form), python(code)) as terminal:
        terminal.read_until("ready")
        terminal.process.terminate()
        assert terminal.wait() == 9


@pty_forms
def test_ctrl_c_is_of_commands_terminal(form):
    code = """import os, signal, time
times = []
signal.signal(signal.SIGINT, lambda *_: times.append(os.write(1, b"caught\\n")))
print("ready", flush=True)
while len(times) < 2: time.sleep(0.01)
os._exit(9)"""
    with Terminal(pty(form), python(code), prefix=SHELL) as terminal:
        terminal.read_until("ready")
        terminal.type("\x03")
        terminal.read_until("caught")
        terminal.type("\x03")
        assert terminal.wait() == 9
    assert terminal.text.count("^C") == 2


@pytest.mark.parametrize("form", ["supervised", "with pid 1", "everything"])
def test_suspending_bwrapish_gives_the_terminal_back_and_going_on_takes_it_again(form):
    script = "echo ready; while read x; do echo got $x; done"
    with Terminal(pty(form), ["sh", "-c", script], prefix=SHELL) as terminal:
        modes = Modes(terminal)
        terminal.read_until("ready")
        wait_for(modes.are_raw)
        job = os.tcgetpgrp(terminal.master)
        for whom in (lambda number: os.kill(job, number), lambda number: os.killpg(job, number)):
            whom(signal.SIGTSTP)
            terminal.read_until("job stopped\r?\n")
            terminal.text = ""
            assert modes.are_back()
            whom(signal.SIGCONT)
            wait_for(modes.are_raw)
            terminal.type("on\n")
            terminal.read_until("got on")
        terminal.type("\x04")
        assert terminal.wait() == 0 and modes.are_back()


def test_in_the_background_the_terminal_is_not_touched():
    shell = python_prefix("""import time
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = os.fork()
if job == 0:
    os.setpgid(0, 0)
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execvp(sys.argv[1], sys.argv[1:])
line = os.read(0, 99)
os.write(1, b"shell has %r\\n" % line)
os.tcsetpgrp(0, job)
status = os.waitpid(job, os.WUNTRACED)[1]
os.tcsetpgrp(0, os.getpgrp())
os.write(1, b"status %d\\n" % os.waitstatus_to_exitcode(status))""" + "\nos._exit(0)")
    with Terminal(pty(), ["sh", "-c", "echo ready; read x; echo got $x; exit 8"], prefix=shell) as terminal:
        modes = Modes(terminal)
        terminal.read_until("ready")  # it writes from there, as others do
        time.sleep(0.5)
        assert modes.are_back()
        terminal.type("mine\n")
        terminal.read_until(r"shell has b'mine\\n'")
        wait_for(modes.are_raw)  # in the foreground now
        terminal.type("yours\n")
        terminal.read_until("got yours")
        terminal.read_until("status 8")
        assert modes.are_back()


# ---- bad input ----

def test_what_pty_cannot_have_ends_the_run():
    refused(["--pty=yes"], "Unknown option", base=BASE)


def test_the_relay_has_no_privilege_and_is_confined():
    info, status = pipe()
    with Terminal([*pty("with pid 1"), "--info-fd", status], READY) as terminal:
        child = read_json(info)["child-pid"]
        terminal.read_until("ready")
        relay = relay_of(terminal.process.pid, child)
        text = Path(f"/proc/{relay}/status").read_text()
        for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert f"{name}:\t{0:016x}" in text
        assert "NoNewPrivs:\t1" in text and "Seccomp:\t2" in text
        assert os.stat(f"/proc/{relay}/mem").st_uid == 0  # not dumpable
        terminal.type("\n")
        assert terminal.wait() == 6
