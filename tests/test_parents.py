"""--die-with-parent: nothing survives the parent or a supervisor that is killed."""
import ctypes
import fcntl
import os
import random
import signal
import struct
import subprocess
import termios
import threading
import time
import warnings

import pytest

from lines import PID_FORMS, pid_forms
from sandbox import (BASE, ENV, FLOOD, LONG, Life, at_eof, bpf, close, command_line, data_fd, is_descendant,
                     kill_session, line_from, pipe, python, readable, session_members, start, wait_for)

pytestmark = pytest.mark.core


# ---- stopped ----

STOPPER = """
import ctypes, os, signal
libc = ctypes.CDLL(None)
libc.prctl(1, 0)  # PR_SET_PDEATHSIG
if BELOW:
    libc.unshare(0x10000000); libc.unshare(0x20000000)  # CLONE_NEWUSER, CLONE_NEWPID
    if os.fork(): signal.pause()
os.write(LIFE, b"started")
while True: os.kill(0, signal.SIGSTOP)"""


@pid_forms
@pytest.mark.parametrize("more", ["", "filters", "profile", "time"])
def test_a_command_that_stops_its_process_group_for_ever_does_not_survive_the_parent(form, more):
    """Nor is a stopped supervisor left."""
    life = Life()
    args = {"": [], "filters": ["--seccomp", data_fd(bpf({}))], "profile": ["--seccomp-deny", "kill:log,ppoll"],
            "time": ["--timeout", "60"]}[more]
    if (form, more) == ("as pid 1", "profile"):
        pytest.skip("there is no pid 1 of ours whose filter could matter")
    code = STOPPER.replace("BELOW", str(form != "as pid 1")).replace("LIFE", str(life.held))
    line = command_line([*BASE, *PID_FORMS[form], "--die-with-parent", *args], python(code))
    fds = [life.held, *(a for a in args if type(a) is int)]
    parent = subprocess.Popen([*python(f"import subprocess, sys\nsubprocess.call(sys.argv[1:], pass_fds={fds})"), *line], pass_fds=fds,
                              start_new_session=True, env=ENV, cwd="/")
    try:
        assert readable(life.end, LONG) and os.read(life.end, 64) == b"started"
        time.sleep(0.2)
        parent.kill()
        parent.wait()
        life.assert_over()
        wait_for(lambda: not any(session_members(parent.pid)), LONG, "the end of the supervisor")
    finally:
        kill_session(parent.pid)
        parent.wait()


@pytest.mark.parametrize("option", ["--die-with-parent", "--timeout"])
def test_a_pid_1_of_the_callers_does_not_survive_a_killed_supervisor(option):
    """... although it has taken back that it dies with it."""
    life = Life()
    code = f"import ctypes, os, time\nctypes.CDLL(None).prctl(1, 0)\nos.write({life.held}, b'x')\ntime.sleep(60)"
    with start([*BASE, "--unshare-pid", "--as-pid-1", option, *(["60"] if option == "--timeout" else [])], python(code),
               pass_fds=[life.held]) as process:
        assert os.read(life.end, 1) == b"x"
        process.kill()
        life.assert_over()


def test_children_that_end_for_ever_keep_nobody_from_noticing_what_is_due():
    """... as the end of the parent, and of COMMAND itself."""
    hostile = """import os
if os.fork() == 0:
    for n in range(3): os.fork()
    while True:
        if os.fork() == 0:
            if os.fork() == 0: os._exit(0)
            os._exit(0)
        os.wait()
os._exit(3)"""
    life = Life()
    with start([*BASE, "--unshare-pid", "--die-with-parent"], python(hostile), pass_fds=[life.held]) as process:
        assert process.wait(LONG) == 3
        life.assert_over()


# ---- signals ----

@pytest.mark.parametrize("args", [["--unshare-pid"], ["--unshare-pid", "--as-pid-1"]], ids=str)
def test_a_parents_death_is_heard_among_signals_that_do_not_end(args):
    life = Life()
    line = command_line([*BASE, *args, "--die-with-parent"], python(FLOOD.replace("MANY", "True").replace("COUNT", "9").replace("NUMBER", "28")))
    code = f"import subprocess, sys\nsubprocess.run(sys.argv[1:], pass_fds=[{life.held}], process_group=0)"
    with subprocess.Popen([*python(code), *line], stdout=subprocess.PIPE, text=True, env=ENV, pass_fds=[life.held]) as parent:
        assert line_from(parent) == "ready"
        parent.kill()
        life.assert_over()


# ---- die-with-parent ----

PARENT = """import os, subprocess, sys
tool = subprocess.Popen(sys.argv[2:], pass_fds=[int(sys.argv[1])], stdin=subprocess.DEVNULL)
tool.wait()"""
DIE_FORMS = {"with pid 1": ["--unshare-all"], "without": [], "as pid 1": ["--unshare-pid", "--as-pid-1"]}


class ParentAndSandbox:
    """A parent that started a sandbox; `gone` reads EOF once nobody of the sandbox is left."""

    def __init__(self, args, command):
        self.gone, held = pipe()
        self.args_read, self.args_write = pipe()
        line = command_line(["--args", self.args_read, *args], command)
        os.set_inheritable(self.args_read, True)
        os.set_inheritable(held, True)
        code = PARENT.replace("[int(sys.argv[1])]", f"[int(sys.argv[1]), {self.args_read}]")
        self.parent = subprocess.Popen([*python(code), str(held), *line], stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL, pass_fds=[held, self.args_read], cwd="/", env=ENV)
        close(held)
        close(self.args_read)

    def wait_until_it_reads(self):
        """... its arguments: it is in main() then, and goes no further before go_on()."""
        os.write(self.args_write, b"--die-with-parent\0")
        wait_for(lambda: unread(self.args_write) == 0, what="the reading of --args")

    def go_on(self):
        close(self.args_write)

    def supervisor(self):
        return next(pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if is_descendant(pid, self.parent.pid))

    def end(self):
        self.parent.kill()
        self.parent.wait()


def unread(fd):
    """How many bytes wait in the pipe."""
    return struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))[0]


SPAWN = ["sh", "-c", "sleep 30 | sleep 30"]


@pytest.mark.parametrize("form", DIE_FORMS)
def test_nothing_survives_a_parent_killed_at_whatever_instant(form):
    for number in range(16):
        sandbox = ParentAndSandbox([*BASE, *DIE_FORMS[form]], SPAWN if form == "with pid 1" else ["sleep", "30"])
        sandbox.wait_until_it_reads()
        sandbox.go_on()
        time.sleep(number * 0.0007)
        sandbox.end()
        assert at_eof(sandbox.gone), f"survivors when killed after {number * 0.7:.1f} ms"


@pytest.fixture(params=["init", "a reaper of our session"])
def new_parent(request):
    """Who takes the place of a parent that has gone."""
    prctl, set_child_subreaper = ctypes.CDLL(None).prctl, 36
    if request.param != "init":
        assert prctl(set_child_subreaper, 1) == 0
    yield
    prctl(set_child_subreaper, 0)
    try:
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass
    except ChildProcessError:
        pass


@pytest.mark.parametrize("form", DIE_FORMS)
def test_nothing_starts_when_the_parent_is_gone_before_the_option_is_read(form, new_parent, box):
    (box / "d").mkdir(mode=0o777)
    sandbox = ParentAndSandbox([*BASE, *DIE_FORMS[form], "--bind", box / "d", "/d"],
                               ["sh", "-c", "touch /d/ran; sleep 30"])
    sandbox.wait_until_it_reads()
    sandbox.end()
    sandbox.go_on()
    assert at_eof(sandbox.gone)
    assert not (box / "d/ran").exists()


@pytest.mark.parametrize("form", DIE_FORMS)
def test_an_orphan_runs(form, new_parent):
    """Whoever wants a sandbox to live on its own hands it over before (`(./wrapper &)`, a window manager)."""
    out, held = pipe()
    line = command_line([*BASE, *DIE_FORMS[form], "--die-with-parent"], ["echo", "ran"])
    code = f"""import os, sys, time
parent = os.getpid()
if os.fork(): os._exit(0)
while os.getppid() == parent: time.sleep(0.001)
os.dup2({held}, 1)
os.execv(sys.argv[1], sys.argv[1:])"""
    subprocess.run([*python(code), *line], pass_fds=[held], env=ENV)
    close(held)
    assert readable(out, 10) and os.read(out, 10) == b"ran\n"


@pytest.mark.parametrize("form", ["with pid 1", "as pid 1"])
def test_nothing_survives_a_supervisor_killed_at_whatever_instant(form):
    for number in range(16):
        gone, held = pipe()
        with start([*BASE, *DIE_FORMS[form], "--die-with-parent"], SPAWN, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL, pass_fds=[held], start_new_session=False) as process:
            close(held)
            time.sleep(number * 0.0007)
            process.kill()
            process.wait()
            assert at_eof(gone), f"survivors when killed after {number * 0.7:.1f} ms"


SHAPES = {**DIE_FORMS, "timed": ["--unshare-all", "--timeout", "60"], "timed alone": ["--timeout", "60"],
          "new session": ["--unshare-all", "--new-session"], "capabilities": ["--unshare-all", "--cap-add", "ALL"],
          "closed": ["--unshare-all", "--unshare-user", "--disable-userns"]}


KILLS = int(os.environ.get("BWRAPISH_KILLS") or 0)  # of all shapes together; then it is told how long the end took


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_survives_a_kill_at_a_random_instant(shape):
    """Without a pid namespace it is COMMAND that dies with the supervisor, not what it has started."""
    seconds = []
    for _ in range(max(6, KILLS // len(SHAPES))):
        sandbox = ParentAndSandbox([*BASE, *SHAPES[shape]], ["sleep", "30"] if shape == "without" else SPAWN)
        sandbox.wait_until_it_reads()
        supervisor, moment = sandbox.supervisor(), random.uniform(0, 0.01)
        whom = "parent" if shape == "timed alone" else random.choice(["parent", "supervisor"])
        sandbox.go_on()
        time.sleep(moment)
        if whom == "supervisor":
            os.kill(supervisor, signal.SIGKILL)
        sandbox.end()
        began = time.monotonic()
        assert at_eof(sandbox.gone, 20), f"survivors when the {whom} was killed after {moment * 1000:.1f} ms"
        seconds.append(time.monotonic() - began)
        close(sandbox.gone)
    if KILLS:
        warnings.warn(f"{shape}: {len(seconds)} kills, over after 200 ms {sum(s <= 0.2 for s in seconds)}, the last after {max(seconds) * 1000:.0f} ms")


def test_command_dies_with_a_killed_supervisor_without_a_pid_namespace():
    gone, held = pipe()
    with start([*BASE, "--die-with-parent"], ["sh", "-c", "echo ready; exec sleep 30"], pass_fds=[held]) as process:
        close(held)
        line_from(process)
        process.kill()
        assert at_eof(gone)


def test_the_end_of_the_parents_thread_is_not_the_parents():
    for form in DIE_FORMS.values():
        started = []
        thread = threading.Thread(target=lambda: started.append(
            start([*BASE, *form, "--die-with-parent"], ["sh", "-c", "echo ready; read x; echo alive"],
                  stdin=subprocess.PIPE)))
        thread.start()
        thread.join()
        with started[0] as process:
            assert line_from(process) == "ready"
            assert process.communicate("\n", timeout=10)[0] == "alive\n"


def test_without_the_option_command_outlives_its_parent():
    life, held = pipe()
    orders, order = pipe()
    line = command_line(BASE, python(f"import os\nos.read({orders}, 9)\nos.write({held}, b'alive\\n')"))
    subprocess.run(["sh", "-c", '"$@" & ', "sh", *line], pass_fds=[orders, held], stdin=subprocess.DEVNULL, env=ENV)
    close(held)
    os.write(order, b"\n")
    assert readable(life, 10) and os.read(life, 10) == b"alive\n"
