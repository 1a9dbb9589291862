"""--timeout: when the time is up the sandbox ends, whatever COMMAND does, and nothing is left behind."""
import contextlib
import os
import signal
import subprocess
import time

import pytest

from cgroups import LIMIT, group
from lines import LIMIT_FORMS, PID_FORMS, SHORT, SOON, limit_forms, pid_forms
from sandbox import (BASE, ENV, FULL, IS_ROOT, LONG, REUSE, SHELL, Holder, Life, Terminal, as_user, close, command_line,
                     content, data_fd, host_mounts, in_pid_namespace_with_outer_proc, keep, line_from, mark,
                     needs_strace, pipe, processes_with, python, python_prefix, read_json, readable, refused, run,
                     seconds_of, slowly, start, user_ids, wait_for)

pytestmark = pytest.mark.core


# ---- --timeout ----

@limit_forms
def test_what_the_caller_had_started_before_it_became_bwrapish_is_left_alone(form):
    """A shell that execs bwrapish leaves its background jobs to it as children."""
    line = command_line([*FULL, *LIMIT_FORMS[form], "--timeout", "5"], ["true"])
    script = 'sleep 30 >/dev/null & echo $!; exec "$@"'
    result = subprocess.run(["sh", "-c", script, "sh", *map(str, line)], stdout=subprocess.PIPE, text=True, timeout=30)
    job = int(result.stdout)
    assert result.returncode == 0
    os.kill(job, signal.SIGKILL)  # ProcessLookupError: it was killed


@pytest.mark.parametrize("option", ["--timeout", "--limit"])
@limit_forms
def test_what_the_callers_earlier_jobs_orphan_later_is_left_alone(form, option, request):
    """It becomes the supervisor's child, as COMMAND's orphans do."""
    args, prefix = ["--timeout", "5"], []
    if option == "--limit":
        group = request.getfixturevalue("group") if IS_ROOT else pytest.skip("needs root")
        args, prefix = LIMIT, group.prefix
    line = command_line([*FULL, *LIMIT_FORMS[form], *args], ["sleep", "0.5"])
    script = '(sleep 0.2; sleep 30 >/dev/null & echo $!) & exec "$@"'
    result = subprocess.run([*prefix, "sh", "-c", script, "sh", *line], stdout=subprocess.PIPE, text=True, timeout=30)
    assert result.returncode == 0
    os.kill(int(result.stdout), signal.SIGKILL)  # ProcessLookupError: it was killed


@limit_forms
def test_timeout_ends_the_command_with_124(form):
    result, seconds = seconds_of([*BASE, *LIMIT_FORMS[form], "--timeout", "0.3"], ["sleep", "20"])
    assert result.returncode == 124
    assert 0.3 <= seconds < 20


@limit_forms
def test_kill_after_ends_what_does_not_listen_with_137(form):
    result, seconds = seconds_of([*BASE, *LIMIT_FORMS[form], *SHORT], ["sh", "-c", "trap '' TERM; sleep 20; sleep 20"])
    assert result.returncode == 137
    assert SOON + 0.2 <= seconds < 20


def test_a_handler_has_its_time():
    result = run([*FULL, "--timeout", SOON], ["sh", "-c", "trap 'echo tidied; exit 0' TERM; sleep 20 & wait"])
    assert (result.returncode, result.stdout) == (124, "tidied\n")


def test_pid_1_hears_sigterm_only_with_a_handler():
    args = [*BASE, "--unshare-pid", "--as-pid-1"]
    assert run([*args, *SHORT], ["sleep", "20"]).returncode == 137
    assert run([*args, "--timeout", SOON], python("import signal, time, os; signal.signal(15, lambda *_: os._exit(0)); time.sleep(20)")).returncode == 124


def test_a_stopped_command_is_ended():
    result, seconds = seconds_of([*FULL, "--timeout", "0.3"], ["sh", "-c", "kill -STOP $$"])
    assert result.returncode == 124 and seconds < 20


@limit_forms
def test_with_a_timeout_the_exit_status_is_the_commands_and_nothing_is_left(form):
    sleep = mark()
    script = f"setsid sleep {sleep} & (setsid sleep {sleep} &); (trap '' TERM HUP; sleep {sleep}) & exit 7"
    result, seconds = seconds_of([*FULL, *LIMIT_FORMS[form], "--timeout", "20"], ["sh", "-c", script])
    assert result.returncode == 7 and seconds < 20
    assert not processes_with(sleep)


def test_a_fork_bomb_ends_with_its_time():
    sleep = mark()
    bomb = f"import os, time\nfor i in range(6):\n    os.fork(); os.setsid() if i == 4 and os.getpid() != os.getpgid(0) else 0\n" \
           f"os.execlp('sleep', 'sleep', '{sleep}')"
    result = run([*FULL, "--timeout", "0.5"], python(bomb))
    assert result.returncode == 124
    assert not processes_with(sleep)


@pytest.mark.parametrize("args", [["--timeout", "5"], ["--limit-try", "memory.max", "1G"],
                                  ["--timeout", "5", "--lock-file", "/usr/bin/env"], ["--die-with-command"]], ids=str)
def test_where_proc_is_of_another_pid_namespace_nothing_is_started_that_would_have_to_be_found_there(args):
    refused(args, f"{args[0]} (argument ", "/proc shows another pid namespace", base=BASE,
            prefix=in_pid_namespace_with_outer_proc())


def test_where_proc_is_of_another_pid_namespace_a_new_one_ends_with_its_time():
    """Nobody outside is touched, whatever number it has there."""
    sleep = mark()
    line = [*BASE, "--unshare-pid", "--timeout", "0.3"]
    command = ["sh", "-c", f"setsid sleep {sleep} & sleep {sleep}"]
    script = f'sleep {sleep} & for i in 1 2 3; do sleep {sleep} & done; "$@"; echo $? $(jobs -r | wc -l); kill $(jobs -p)'
    result = subprocess.run([*in_pid_namespace_with_outer_proc(), "bash", "-c", script, "bash",
                             *command_line(line, command)], stdout=subprocess.PIPE, text=True, timeout=30)
    assert result.stdout == "124 4\n"
    wait_for(lambda: not processes_with(sleep))


CHAIN = """
import os, signal, sys, time
if os.fork(): time.sleep(50)
os.setsid()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
end = time.monotonic() + 5
while time.monotonic() < end:
    if os.fork(): os._exit(0)
    time.sleep(0.005)
open(sys.argv[1], "w")
"""
NO_KILL, NO_SIGNAL = (["strace", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={calls}:error=EPERM"]
                      for calls in ("kill", "kill,pidfd_send_signal"))


@needs_strace
@pytest.mark.parametrize("prefix", [[], NO_KILL], ids=["children first", "only by all of proc"])
def test_nobody_beside_or_above_bwrapish_is_ended_with_what_the_command_left(prefix):
    """In a pid namespace of its own, or a mistake here would end the test suite."""
    line = command_line(["--ro-bind", "/", "/", "--dev", "/dev", "--timeout", "20"],
                        ["sh", "-c", "setsid sleep 50 & setsid sh -c 'sleep 50 & sleep 50' & sleep 1"], prefix=prefix)
    script = """"$@" & run=$!
        others() { ps -eo args= | grep -c '^sleep 51$'; }
        sleep 51 & sh -c 'sleep 51 & sleep 51; true' &
        until [ "$(others)" = 3 ]; do sleep 0.01; done
        wait $run; echo $?; others; ps -eo args= | grep -c '^sleep 50$'"""
    result = subprocess.run(["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc",
                             "sh", "-c", script, "sh", *line], stdout=subprocess.PIPE, text=True, timeout=30)
    assert result.stdout == "0\n3\n0\n", result


@needs_strace
def test_processes_that_replace_each_other_faster_than_proc_is_read_end_with_the_time(box):
    box.chmod(0o777)
    args = ["--ro-bind", "/", "/", "--dev", "/dev", "--bind", box, box, "--timeout", "0.3", "--kill-after", "0.1"]
    result = run(args, [*python(CHAIN), box / "lived"], prefix=slowly("getdents64", seconds=0.1, when="exit"))
    assert result.returncode in (124, 137) and result.stderr.count("\n") == 1, result
    assert not processes_with(str(box / "lived"))
    assert not (box / "lived").exists(), "the last of them came to its own end"


@pytest.mark.root
def test_what_runs_as_another_user_ends_with_the_time_also_where_proc_hides_it():
    sleep, (uid, gid) = mark(), user_ids()
    script = f"setsid setpriv --reuid={uid} --clear-groups sh -c 'sleep {sleep} & sleep {sleep}' & sleep 50"
    result = run(["--ro-bind", "/", "/", "--timeout", "0.5", "--kill-after", "0.2"], ["sh", "-c", script],
                 prefix=host_mounts(f"mount -t proc -o hidepid=2,gid={gid} proc /proc"))
    assert result.returncode in (124, 137)
    assert not processes_with(sleep)


@needs_strace
@pytest.mark.skipif(not os.environ.get("BWRAPISH_WAITS"), reason="waits half a minute; BWRAPISH_WAITS=1, as tools/check has it, runs it")
def test_what_does_not_end_is_told_of_and_not_waited_for_for_ever():
    sleep = mark()
    result = run(["--ro-bind", "/", "/", "--dev", "/dev", "--timeout", "20"],
                 ["sh", "-c", f"setsid sleep {sleep} >/dev/null 2>&1 & exit 0"], prefix=NO_SIGNAL, timeout=60)
    left = processes_with(sleep)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert f"Process {left[0]} of the sandbox does not end" in result.stderr and "--unshare-pid" in result.stderr


@needs_strace
def test_whoever_gets_the_number_of_a_descendant_is_not_killed_for_it():
    script = "sh -c 'sleep 1 & echo $!; wait; sleep 50' & sleep 0.3"
    line = command_line(["--ro-bind", "/", "/", "--dev", "/dev", "--timeout", "20"], ["sh", "-c", script])
    result = subprocess.run(["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc",
                             *python(REUSE), *slowly("kill", "pidfd_send_signal", seconds=2), *line],
                            stdout=subprocess.PIPE, text=True, timeout=60)
    assert result.stdout == "(0, 0)\n"


def test_setup_that_waits_for_ever_is_in_time_too():
    read_end, write_end = os.pipe()
    result = run([*BASE, "--timeout", "0.3", "--block-fd", keep(read_end)], ["echo", "ran"])
    keep(write_end)
    assert (result.returncode, result.stdout) == (124, "")
    assert "The time was up before COMMAND was started" in result.stderr


def test_in_a_joined_pid_namespace_a_time_alone_cannot_find_what_is_left():
    with Holder("--user", "--map-current-user", "--pid", "--fork", "--kill-child") as holder:
        joined = ["--userns", holder.namespace("user"), "--pidns", holder.namespace("pid")]
        refused([*joined, "--timeout", "5"], "--timeout (argument ", "needs --unshare-pid or --limit", base=BASE)


ORPHANS = "setsid sleep {0} & (setsid sleep {0} &) ; (trap '' TERM; sleep {0}) & "


@pytest.mark.parametrize("end, status", [("exit 3", 3), ("sleep 99", 124)])
def test_below_a_joined_pid_namespace_a_new_one_ends_with_the_command(end, status):
    sleep = mark()
    with Holder("--user", "--map-current-user", "--pid", "--fork", "--kill-child") as holder:
        result = run([*FULL, "--userns", holder.namespace("user"), "--pidns", holder.namespace("pid"),
                      "--unshare-pid", "--timeout", SOON], ["sh", "-c", ORPHANS.format(sleep) + end])
        assert result.returncode == status, result
        assert not processes_with(sleep)


@pytest.mark.root
@pytest.mark.parametrize("more", [[], ["--unshare-pid"]], ids="-".join)
@pytest.mark.parametrize("end, timed", [("exit 3", []), ("exit 3", ["--timeout", "20"]), ("sleep 99", ["--timeout", SOON])],
                         ids=["its end", "its end in time", "its time"])
def test_with_a_group_everything_ends_in_a_joined_pid_namespace_too(group, more, end, timed):
    sleep = mark()
    with Holder("--user", "--map-current-user", "--pid", "--fork", "--kill-child") as holder:
        result = run([*FULL, "--userns", holder.namespace("user"), "--pidns", holder.namespace("pid"),
                      *LIMIT, *more, *timed], ["sh", "-c", ORPHANS.format(sleep) + end], prefix=group.prefix[:-len(group.as_user)])
        assert result.returncode == (3 if end == "exit 3" else 124), result
        assert not processes_with(sleep) and not group.left()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda n: n.name)
@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("option", ["--timeout", "--limit"])
def test_a_signal_ends_setup_and_the_command_and_leaves_nothing(number, where, option, request):
    """Before COMMAND runs it ends the supervisor, after that it is COMMAND's; either way the status is the signal's, and
    there is an exit code to report only where there was a COMMAND."""
    args, enter, group = ["--timeout", "20"], None, None
    if option == "--limit":
        group = request.getfixturevalue("group") if IS_ROOT else pytest.skip("needs root")
        args = ["--cgroup", group.path, *LIMIT]
        enter = lambda: (group.leaf / "cgroup.procs").write_text("0")
    sleep, status = mark(), data_fd()
    read_end, (info, info_write) = pipe()[0], pipe()
    block = ["--block-fd", read_end] if where == "before" else []
    with start([*FULL, *args, "--json-status-fd", status, "--info-fd", info_write, *block], ["sleep", sleep],
               preexec_fn=enter) as process:
        close(info_write)
        read_json(info)
        if where == "after":
            wait_for(lambda: processes_with(sleep, program="sleep"))
        process.send_signal(number)
        assert process.communicate(timeout=20) == ("", "")
        assert process.returncode == 128 + number
    codes = [line["exit-code"] for line in content(status) if "exit-code" in line]
    assert codes == ([] if where == "before" else [128 + number])
    assert not processes_with(sleep) and not (group and group.left())


@pytest.mark.parametrize("form", ["plain", "everything"])
def test_when_the_supervisor_is_killed_the_command_dies(form):
    sleep = mark()
    with start([*FULL, *LIMIT_FORMS[form], "--timeout", "60"], ["sleep", sleep]) as process:
        wait_for(lambda: processes_with(sleep) and len(processes_with(sleep)) > 1)
        process.kill()
        wait_for(lambda: not processes_with(sleep), what="the command's end")


@pytest.mark.parametrize("word", ["0", "-1", "x", "1e3", "", ".", "1.x", "99999999999", " 1"])
def test_a_bad_time_is_refused(word):
    refused(["--timeout", word], "--timeout (argument ", "Invalid time", base=BASE)


def test_kill_after_needs_a_timeout():
    refused(["--kill-after", "1"], "--kill-after (argument ", "needs --timeout", base=BASE)


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
