"""The supervisor: nothing that COMMAND does keeps it from ending the sandbox in time; signals and the terminal reach who
is meant."""
import contextlib
import os
import re
import signal
import subprocess
import time

import pytest

from sandbox import (BASE, ENV, IS_ROOT, REPO, Terminal, as_user, at_eof, bpf, close, command_line, data_fd, keep, kill_session,
                     line_from, pipe, python, python_prefix, readable, run, session_members, start, wait_for)

pytestmark = pytest.mark.core
PID_FORMS = {"with pid 1": ["--unshare-pid"], "everything": ["--unshare-all"], "as pid 1": ["--unshare-pid", "--as-pid-1"]}
pid_forms = pytest.mark.parametrize("form", PID_FORMS)
SHORT = ["--timeout", "1", "--kill-after", "0.2"]  # COMMAND has to become hostile before
LONG = 20  # seconds: more than any of these takes, less than COMMAND would

# An interactive shell: its only job, what follows, has a process group of its own, which is in the foreground.
SHELL = python_prefix("""signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = os.fork()
if job:
    while True:
        status = os.waitpid(job, os.WUNTRACED)[1]
        if not os.WIFSTOPPED(status): break
        os.write(1, b"job stopped\\n")
    os._exit(os.waitstatus_to_exitcode(status) % 256)
os.setpgid(0, 0)
os.tcsetpgrp(0, os.getpid())
signal.signal(signal.SIGTTOU, signal.SIG_DFL)""")

# A process that goes on in a process group of its own, in the foreground if there is a terminal.
SURVIVOR = """
import os, signal, time
life = LIFE
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
if os.fork() == 0:
    for n in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT): signal.signal(n, signal.SIG_IGN)
    os.setpgid(0, 0)
    if os.isatty(0): os.tcsetpgrp(0, os.getpid())
    os.write(1, b"survivor\\n")
    while True:
        os.write(life, b"x")
        time.sleep(0.1)
time.sleep(0.3)
signal.signal(signal.SIGTTOU, signal.SIG_DFL)
"""


class Life:
    """Whether a process that has got `held` is still there."""

    def __init__(self):
        self.end, self.held = pipe()

    def assert_over(self):
        close(self.held)
        assert at_eof(self.end, LONG), "somebody is left"

    def assert_silent(self):
        """... where others have got it, too: nobody writes to it any more."""
        end = time.monotonic() + LONG
        while readable(self.end, 0.5) and os.read(self.end, 4096):
            assert time.monotonic() < end, "somebody is left"


# ---- stopped ----

@pid_forms
@pytest.mark.parametrize("wrapped", [[], ["sh", "-c", '"$@"; exit $?', "sh"]], ids=["a job", "below a script"])
def test_a_read_from_the_background_does_not_stop_the_time(form, wrapped):
    """It stops the whole process group, the supervisor included."""
    life = Life()
    with Terminal([*BASE, *PID_FORMS[form], *SHORT], python(SURVIVOR.replace("LIFE", str(life.held)) + "os.read(0, 1)\ntime.sleep(60)"),
                  prefix=[*SHELL, *wrapped], pass_fds=[life.held]) as terminal:
        terminal.read_until("survivor")
        life.assert_silent()


@pid_forms
@pytest.mark.parametrize("way", ["from below", "itself"])
def test_a_command_that_stops_its_process_group_for_ever_does_not_stop_the_time(form, way):
    """... to which the supervisor belongs, in whatever pid namespace; who does it is not stopped with it when it is pid 1."""
    below = "libc.unshare(0x10000000); libc.unshare(0x20000000)  # CLONE_NEWUSER, CLONE_NEWPID\nif os.fork(): signal.pause()"
    hostile = f"""
import ctypes, os, signal
libc = ctypes.CDLL(None)
libc.prctl(1, 0)  # PR_SET_PDEATHSIG
signal.signal(signal.SIGTERM, signal.SIG_IGN)
{below if way == "from below" else ""}
while True: os.kill(0, signal.SIGSTOP)"""
    if form != "as pid 1" and way == "itself":
        pytest.skip("COMMAND stops itself")
    life = Life()
    with start([*BASE, *PID_FORMS[form], *SHORT], python(hostile), pass_fds=[life.held]) as process:
        life.assert_over()
        assert process.wait(LONG) == 137


@pid_forms
@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGWINCH, signal.SIGTSTP], ids=lambda n: n.name)
def test_a_command_that_sends_signals_to_its_process_group_for_ever_does_not_stop_the_time(form, number):
    hostile = f"""
import os, signal
signal.signal({int(number)}, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
os.fork()
while True: os.kill(0, {int(number)})"""
    life = Life()
    with start([*BASE, *PID_FORMS[form], *SHORT], python(hostile), pass_fds=[life.held]) as process:
        life.assert_over()
        assert process.wait(LONG) == 137


# Has the terminal send a signal to its foreground process group, the supervisor's, whenever there is room for output.
DRIVER = """
import ctypes, fcntl, os, signal, time
libc = ctypes.CDLL(None)
libc.prctl(1, 0)  # PR_SET_PDEATHSIG
for n in (signal.SIGTERM, signal.SIGHUP, signal.SIGTTOU, signal.SIGCONT): signal.signal(n, signal.SIG_IGN)
fcntl.fcntl(0, fcntl.F_SETSIG, SIGNAL)
fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC | os.O_NONBLOCK)
last = 0
while True:
    try: os.write(0, b"x" * 64)
    except BlockingIOError: time.sleep(0.0001)
    except OSError: time.sleep(0.01)
    if time.monotonic() - last > 0.1:
        os.write(LIFE, b"x")
        last = time.monotonic()"""


@pid_forms
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=lambda n: n.name)
def test_a_command_in_a_new_session_that_drives_the_terminal_does_not_stop_the_time(form, number):
    life = Life()
    code = DRIVER.replace("SIGNAL", str(int(number))).replace("LIFE", str(life.held))
    with Terminal([*BASE, "--no-tty-guard", "--new-session", *PID_FORMS[form], *SHORT], python(code), pass_fds=[life.held],
                  prefix=SHELL) as terminal:
        assert readable(life.end, LONG)
        with draining(terminal.master):
            life.assert_silent()


@contextlib.contextmanager
def draining(fd):
    """Somebody reads from it as fast as it goes."""
    reader = subprocess.Popen(python(f"import os\ntry:\n    while os.read({fd}, 65536): pass\nexcept OSError: pass"), pass_fds=[fd])
    try:
        yield
    finally:
        reader.kill()
        reader.wait()


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


@pid_forms
def test_a_stopped_supervisor_goes_on_when_the_time_is_up(form):
    with start([*BASE, *PID_FORMS[form], *SHORT], ["sh", "-c", "echo ready; exec sleep 60"]) as process:
        line_from(process)
        process.send_signal(signal.SIGSTOP)
        assert process.wait(LONG) in (124, 137)


def test_a_job_with_a_timeout_stops_and_goes_on():
    with Terminal([*BASE, "--unshare-pid", "--timeout", "60"], ["sh", "-c", "echo ready; read x; echo got $x"],
                  prefix=SHELL) as terminal:
        terminal.read_until("ready")
        terminal.type("\x1a")
        terminal.read_until("job stopped")
        group = os.tcgetpgrp(terminal.master)
        os.killpg(group, signal.SIGCONT)
        terminal.type("it\n")
        terminal.read_until("got it")
        assert terminal.wait() == 0


# ---- blocked ----

TRACE = ["--seccomp-profile", "minimal", "--seccomp-trace", "2"]


@pid_forms
@pytest.mark.parametrize("more", [["--verbose"], TRACE, ["--verbose", "--new-session"]], ids=lambda more: more[0])
def test_a_stopped_terminal_does_not_block_the_time(form, more):
    if form == "as pid 1" and "--seccomp-trace" in more:
        pytest.skip("the two cannot be combined")
    life = Life()
    stop = "import os, termios, time\nos.write(1, b'ready\\n'); termios.tcdrain(1); time.sleep(0.2)\ntermios.tcflow(1, termios.TCOOFF)\n"
    calls = "try: os.listxattr('/')\nexcept OSError: pass\nos.sched_getaffinity(0); os.nice(0)\ntime.sleep(60)"
    with Terminal([*BASE, *PID_FORMS[form], *SHORT, *more], python(stop + calls), pass_fds=[life.held]) as terminal:
        terminal.read_until("ready")
        life.assert_over()
        assert terminal.process.wait(LONG) in (124, 137)


@pid_forms
def test_a_pipe_that_command_has_filled_does_not_block_the_time(form):
    life = Life()
    with start([*BASE, *PID_FORMS[form], *SHORT, "--verbose"], python("import os\nwhile True: os.write(2, b'x' * 65536)"),
               pass_fds=[life.held]) as process:
        life.assert_over()
        assert process.wait(LONG) in (124, 137)


def full_pipe():
    read_end, write_end = pipe()
    os.set_blocking(write_end, False)
    try:
        while True:
            os.write(write_end, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(write_end, True)
    return read_end, write_end


@pytest.mark.parametrize("option", ["--info-fd", "--json-status-fd"])
@pytest.mark.parametrize("end", ["time", "signal"])
def test_a_report_that_nobody_takes_is_not_waited_for_beyond_the_end(option, end):
    _, write_end = full_pipe()
    with start([*BASE, "--unshare-pid", *(SHORT if end == "time" else []), option, write_end],
               ["echo", "COMMAND RAN"]) as process:
        if end == "signal":
            time.sleep(0.5)
            process.terminate()
        assert process.wait(LONG) == (124 if end == "time" else 143)
        assert process.stdout.read() == ""


# ---- without timers ----

# As a program of the same user brings it about that queues as many signals to itself as it may have.
NO_TIMERS = python_prefix("import resource\nresource.setrlimit(resource.RLIMIT_SIGPENDING, (0, 0))")


@pytest.mark.parametrize("form", [*PID_FORMS, "alone"])
@pytest.mark.parametrize("more", [[], ["--die-with-parent"], ["--timeout", "60"]], ids=str)
def test_a_sandbox_starts_where_the_kernel_gives_no_timer(form, more):
    with start([*BASE, *PID_FORMS.get(form, []), *more], ["sh", "-c", "echo ok; exit 3"], prefix=NO_TIMERS) as process:
        assert line_from(process) == "ok"
        assert process.wait(LONG) == 3


@pid_forms
@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_the_time_is_kept_where_the_kernel_gives_no_timer(form, stopped):
    life = Life()
    with start([*BASE, *PID_FORMS[form], *SHORT], ["sh", "-c", "echo ready; exec sleep 60"], prefix=NO_TIMERS, pass_fds=[life.held]) as process:
        line_from(process)
        if stopped:
            process.send_signal(signal.SIGSTOP)
        life.assert_over()
        assert process.wait(LONG) in (124, 137)


@pid_forms
def test_a_full_pipe_does_not_block_the_time_where_the_kernel_gives_no_timer(form):
    life = Life()
    with start([*BASE, *PID_FORMS[form], *SHORT, "--verbose"], python("import os\nwhile True: os.write(2, b'x' * 65536)"),
               prefix=NO_TIMERS, pass_fds=[life.held]) as process:
        life.assert_over()
        assert process.wait(LONG) in (124, 137)


# ---- in somebody else's pid namespace ----

# Stops all others of its pid namespace, as fast as it goes.
RESIDENT = python("""import os, signal
while True:
    try: os.kill(-1, signal.SIGSTOP)
    except OSError: pass""")


@pytest.mark.parametrize("end", ["time", "signal", "parent"])
@pytest.mark.parametrize("more", [[], ["--unshare-pid"]], ids=["joined", "below"])
def test_a_resident_of_a_joined_pid_namespace_does_not_delay_the_end(end, more):
    if end == "time" and not more:
        pytest.skip("--timeout needs --unshare-pid there")
    as_normal = as_user() if IS_ROOT else []
    command = [*as_normal, "unshare", "--user", "--map-current-user", "--pid", "--fork", "--kill-child", "--mount-proc",
               "sh", "-c", 'echo $$; "$@" & sleep 60', "sh", *RESIDENT]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as around:
        try:
            around.stdout.readline()
            resident = first_child(around.pid)
            ns = {kind: keep(os.open(f"/proc/{resident}/ns/{kind}", os.O_RDONLY)) for kind in ("user", "pid")}
            time.sleep(0.2)
            life, (block, _) = Life(), pipe()
            args = [*BASE, "--block-fd", block, "--userns", ns["user"], "--pidns", ns["pid"], *more, *(SHORT if end == "time" else []),
                    *(["--die-with-parent"] if end == "parent" else [])]
            line = command_line(args, ["sleep", "60"])
            parent = subprocess.Popen([*as_normal, *python(f"import os, subprocess, sys\nt = subprocess.Popen(sys.argv[1:], pass_fds={[life.held, block, *ns.values()]})\n"
                                       "print(t.pid, flush=True)\nos._exit(t.wait() % 256)"), *line], stdout=subprocess.PIPE, text=True, env=ENV,
                                      pass_fds=[life.held, block, *ns.values()])
            supervisor = int(parent.stdout.readline())
            time.sleep(0.5)
            if end == "parent":
                parent.kill()
            elif end == "signal":
                os.kill(supervisor, signal.SIGTERM)
            life.assert_over()
            assert parent.wait(LONG) == {"time": 124, "signal": 143, "parent": -9}[end]
            parent.stdout.close()
        finally:
            around.kill()


def first_child(pid):
    return int(open(f"/proc/{pid}/task/{pid}/children").read().split()[0])


# ---- traced ----

TRACER = """
import ctypes, os, signal, time
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.prctl(0x59616d61, ctypes.c_ulong(-1), 0, 0, 0)  # PR_SET_PTRACER, for Yama
traced = os.getpid()
if os.fork() == 0:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    assert libc.ptrace(0x4206, traced, None, None) == 0, ctypes.get_errno()  # PTRACE_SEIZE
    os.write(1, b"traced\\n")
    time.sleep(60)
time.sleep(60)"""


def test_a_child_that_traces_command_does_not_delay_the_end():
    life = Life()
    began = time.monotonic()
    with start([*BASE, "--dev", "/dev", *SHORT], python(TRACER), pass_fds=[life.held]) as process:
        assert line_from(process) == "traced"
        life.assert_over()
        assert process.wait(LONG) in (124, 137)
    assert time.monotonic() - began < LONG


# ---- signals ----

@pytest.mark.parametrize("args", [["--unshare-all"], ["--unshare-all", "--die-with-parent"], ["--die-with-parent"],
                                  ["--timeout", "60"]], ids=str)
def test_ctrl_c_ends_a_shell_that_waits_for_its_child_in_a_new_session(args):
    with Terminal([*BASE, *args, "--new-session"], ["bash", "-c", "echo ready; sleep 61; echo end"], prefix=SHELL) as terminal:
        terminal.read_until("ready")
        time.sleep(0.2)
        terminal.type("\x03")
        assert terminal.wait() == 130
    assert "end" not in terminal.text


@pytest.mark.parametrize("more", [[], ["--timeout", "60"]], ids=str)
def test_ctrl_z_leaves_no_stopped_supervisor_of_a_new_session_behind(more):
    with Terminal([*BASE, "--unshare-all", *more, "--new-session"], ["sh", "-c", "echo ready; sleep 0.5; echo end; exit 3"],
                  prefix=SHELL) as terminal:
        terminal.read_until("ready")
        terminal.type("\x1a")
        assert terminal.wait() == 3
    assert "stopped" not in terminal.text


COUNTER = """import os, signal, time
times = []
signal.signal(signal.SIGTERM, lambda *_: times.append(1))
os.write(1, b"ready\\n")
end = time.monotonic() + 30
while not times and time.monotonic() < end: time.sleep(0.01)
time.sleep(0.5)
os._exit(len(times))"""


@pytest.mark.parametrize("form", ["with pid 1", "everything"])
@pytest.mark.parametrize("whom", ["the group", "both", "bwrapish"])
def test_a_signal_that_reaches_all_reaches_command_once(form, whom):
    """timeout(1) sends it to the process that it has started, and then to the group."""
    with start([*BASE, *PID_FORMS[form]], python(COUNTER)) as process:
        assert line_from(process) == "ready"
        process.send_signal(signal.SIGSTOP)  # or it might look before both have been sent
        if whom != "the group":
            process.terminate()
        if whom != "bwrapish":
            os.killpg(process.pid, signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        assert process.wait(LONG) == 1


# What bubblewrap's supervisor dies of ends COMMAND here, wherever that is: a signal that comes twice does less harm than one
# that is lost.
ELSEWHERE = {"a new session": (["--new-session"], []), "setsid": ([], ["setsid"]), "a group": ([], python_prefix("os.setpgid(0, 0)"))}
elsewhere = pytest.mark.parametrize("where", ELSEWHERE)


@pytest.mark.parametrize("form", ["with pid 1", "everything"])
@elsewhere
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT], ids=lambda n: n.name)
def test_a_signal_to_the_group_reaches_a_command_that_is_elsewhere(form, where, number):
    """As timeout(1) sends it, which would have to kill it then."""
    args, prefix = ELSEWHERE[where]
    life = Life()
    with start([*BASE, *PID_FORMS[form], *args], [*prefix, "sh", "-c", "echo ready; exec sleep 60"], pass_fds=[life.held]) as process:
        assert line_from(process) == "ready"
        os.killpg(process.pid, number)
        assert process.wait(LONG) == 128 + number
        life.assert_over()


@pytest.mark.parametrize("args", [["--unshare-pid"], ["--die-with-parent"], ["--unshare-pid", "--die-with-parent", "--timeout", "60"]], ids=str)
@elsewhere
def test_ctrl_c_ends_a_command_that_is_elsewhere(args, where):
    more, prefix = ELSEWHERE[where]
    with Terminal([*BASE, *args, *more], [*prefix, "sh", "-c", "echo ready; exec sleep 60"], prefix=SHELL) as terminal:
        terminal.read_until("ready")
        time.sleep(0.2)
        terminal.type("\x03")
        assert terminal.wait(LONG) == 130


@pytest.mark.parametrize("args", [["--unshare-pid"], ["--die-with-parent"], ["--unshare-all", "--die-with-parent"],
                                  ["--unshare-pid", "--timeout", "60"], ["--unshare-pid", "--new-session"]], ids=str)
def test_a_hangup_ends_a_command_whose_supervisor_leads_the_session(args):
    """As in a window of its own: the kernel tells the leader only."""
    life = Life()
    with Terminal([*BASE, *args], ["sh", "-c", "echo ready; sleep 60; sleep 60"], pass_fds=[life.held]) as terminal:
        terminal.read_until("ready")
        time.sleep(0.2)
        null = os.open("/dev/null", os.O_RDWR)
        os.dup2(null, terminal.master)
        os.close(null)
        assert terminal.process.wait(LONG) == 129
        life.assert_over()


@pytest.mark.parametrize("args", [["--unshare-pid"], ["--die-with-parent"], ["--unshare-pid", "--as-pid-1"], ["--unshare-pid", "--new-session"],
                                  ["--unshare-pid", "--timeout", "60"]], ids=str)
def test_an_alarm_from_before_bwrapish_was_executed_ends_command(args):
    life = Life()
    with start([*BASE, *args], ["sleep", "60"], prefix=python_prefix("signal.alarm(1)"), pass_fds=[life.held]) as process:
        assert process.wait(LONG) == 142
        life.assert_over()


@pytest.mark.parametrize("way", ["sigwait", "signalfd", "handler"])
def test_a_pid_1_that_waits_for_its_signals_gets_them(way):
    """tini, dumb-init and systemd block them for that."""
    arrange = {"sigwait": "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\nend = lambda: signal.sigwait([signal.SIGTERM])",
               "signalfd": "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])\n"
                           "def end():\n    while signal.SIGTERM not in signal.sigpending(): time.sleep(0.01)",
               "handler": "signal.signal(signal.SIGTERM, lambda *_: os._exit(7))\nend = signal.pause"}[way]
    code = f"import os, signal, time\n{arrange}\nos.write(1, b'ready\\n')\nend()\nos._exit(7)"
    with start([*BASE, "--unshare-pid", "--as-pid-1"], python(code)) as process:
        assert line_from(process) == "ready"
        process.terminate()
        assert process.wait(LONG) == 7


FLOOD = """import os, signal
for n in range(1, 32):
    if n not in (signal.SIGCHLD, signal.SIGKILL, signal.SIGSTOP): signal.signal(n, signal.SIG_IGN)
if MANY: os.fork()
os.write(1, b"ready\\n")
for _ in range(COUNT): os.kill(0, NUMBER)
os.write(1, b"done\\n")
while True: os.kill(0, NUMBER) if MANY else signal.pause()
"""


def resident_kib(pid):
    return next(int(line.split()[1]) for line in open(f"/proc/{pid}/status") if line.startswith("VmRSS:"))


@pytest.mark.parametrize("args,number", [(["--as-pid-1"], signal.SIGUSR1), ([], signal.SIGUSR1), (["--timeout", "60"], signal.SIGALRM)], ids=str)
def test_signals_cost_the_supervisor_no_memory(args, number):
    code = FLOOD.replace("MANY", "False").replace("COUNT", "200").replace("NUMBER", f"{int(number)}); signal.sigtimedwait([], 0.01")
    with start([*BASE, "--unshare-pid", *args], python(code)) as process:
        assert line_from(process) == "ready"
        time.sleep(0.3)  # once it has given back the code of its start, it maps anew what signals need
        process.send_signal(number)
        time.sleep(0.3)
        before = resident_kib(process.pid)
        assert line_from(process) == "done"
        time.sleep(0.3)
        assert resident_kib(process.pid) < before + 256
        process.kill()


@pytest.mark.parametrize("args", [["--unshare-pid"], ["--unshare-pid", "--as-pid-1"]], ids=str)
def test_a_parents_death_is_heard_among_signals_that_do_not_end(args):
    life = Life()
    line = command_line([*BASE, *args, "--die-with-parent"], python(FLOOD.replace("MANY", "True").replace("COUNT", "9").replace("NUMBER", "28")))
    code = f"import subprocess, sys\nsubprocess.run(sys.argv[1:], pass_fds=[{life.held}], process_group=0)"
    with subprocess.Popen([*python(code), *line], stdout=subprocess.PIPE, text=True, env=ENV, pass_fds=[life.held]) as parent:
        assert line_from(parent) == "ready"
        parent.kill()
        life.assert_over()


# ---- what is left ----

def test_a_dead_foreground_group_is_not_left_at_the_terminal():
    """As an interactive shell without control of the group outside of its pid namespace leaves it."""
    code = """import os, signal
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
os.setpgid(0, 0)
os.tcsetpgrp(0, os.getpid())"""
    script = '"$@"; read x; echo "read $x"'
    with Terminal([*BASE, "--unshare-pid"], python(code), prefix=["sh", "-c", script, "sh"]) as terminal:
        terminal.type("it\n")
        terminal.read_until("read it")


def zombies_below(before, args):
    """How many are left when a pid 1 that has done `before`, and takes nobody's status from then on, has five sandboxes run."""
    pid_1 = """import os, sys, time
%s
over, held = os.pipe()
if os.fork() == 0:
    for n in range(5):
        if os.spawnv(os.P_WAIT, sys.argv[1], sys.argv[1:]): os._exit(1)
    time.sleep(0.5)
    states = [open(f'/proc/{p}/stat').read().rsplit(')', 1)[1].split()[0] for p in os.listdir('/proc') if p.isdigit()]
    print(states.count('Z'), flush=True)
    os._exit(0)
os.close(held)
os.read(over, 1)  # no wait(2), not even one that takes no status""" % before
    result = subprocess.run([*(as_user() if IS_ROOT else []), "unshare", "--user", "--map-current-user", "--keep-caps", "--pid", "--fork", "--kill-child",
                             "--mount-proc", *python(pid_1), *command_line([*BASE, *args], ["true"])],
                            stdout=subprocess.PIPE, text=True, env=ENV, pass_fds=[a for a in args if type(a) is int])
    return int(result.stdout)


@pytest.mark.parametrize("args", [[], ["--unshare-pid"], ["--unshare-all"], ["--json-status-fd", None],
                                  ["--unshare-all", "--timeout", "20"]], ids=str)
def test_no_zombie_is_left_below_a_pid_1_that_reaps_nobody(args):
    assert zombies_below("", [data_fd() if word is None else word for word in args]) == 0


def test_no_zombie_is_left_below_a_pid_1_that_waits_for_its_own_alone():
    """It has taken a status, and one of its children has been dead for a while."""
    before = """os.spawnv(os.P_WAIT, "/bin/true", ["true"])
if os.fork() == 0: os._exit(0)
time.sleep(7)"""
    assert zombies_below(before, ["--unshare-all"]) == 1


@pytest.mark.root
@pytest.mark.parametrize("kind, attached", [("NAMESPACES", False), ("START_HELPER", True), ("PINNED", False), ("STARTING", True), ("CHILD", True),
                                            ("READY", False), ("PROTECTED", False), ("NOT_STARTED", True), ("ENDED", True)])
@pytest.mark.parametrize("more", [[], ["--die-with-parent"]], ids=["with init", "and with its parent"])
def test_a_message_out_of_turn_ends_the_sandbox(more, kind, attached):
    """Root's COMMAND can take pid 1's socket to the supervisor, outside."""
    kinds = re.search(r"enum message_kind {(.*?)}", (REPO / "process" / "protocol.h").read_text(), re.S)[1]
    number = re.findall(r"^\s*MESSAGE_(\w+)", kinds, re.M).index(kind) + 1
    code = f"""
import array, ctypes, os, socket, struct, time
libc = ctypes.CDLL(None)
pidfd = libc.syscall(434, 1, 0)  # pidfd_open(), pidfd_getfd()
taken = [fd for fd in (libc.syscall(438, pidfd, number, 0) for number in range(3, 64)) if fd >= 0]
message = struct.pack("Ii7Q", {number}, 0, *[0] * 7)
attached = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [1]))] if {attached} else []
for fd in taken:
    try:
        socket.socket(fileno=fd).sendmsg([message], attached)
    except OSError:  # no socket, or to nobody
        pass
time.sleep({LONG})
print("alive")"""
    result = run([*BASE, "--proc", "/proc", "--unshare-pid", *more], python(code))
    assert (result.returncode, result.stdout) == (1, "") and result.stderr.endswith(f"{kind} out of turn and is ended for it\n"), result
