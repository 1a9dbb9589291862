"""Signals, from the terminal and from others, reach who is meant."""
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from lines import PID_FORMS, form_args, forms
from sandbox import (BASE, BINARY, FLOOD, LONG, SHELL, WITH_PROC, Life, Terminal, in_pid_namespace_with_outer_proc,
                     line_from, pipe, python, python_prefix, read_json, refused, run, session_members, start)

pytestmark = pytest.mark.core


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


@pytest.mark.parametrize("form", ["supervised", "with pid 1", "die with parent", "alone"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1], ids=lambda n: n.name)
def test_a_signal_to_bwrapish_reaches_command(form, number):
    if number in (signal.SIGHUP, signal.SIGUSR1) and form != "alone":
        pytest.skip("only SIGTERM and SIGINT are promised through a supervisor")
    code = f"""import os, signal, time
def caught(n, f): os.write(1, b"caught %d\\n" % n); os._exit(5)
signal.signal({int(number)}, caught)
os.write(1, b"ready\\n")
while True: time.sleep(0.01)"""
    with start([*BASE, *form_args(form)], python(code)) as process:
        assert line_from(process) == "ready"
        process.send_signal(number)
        assert line_from(process) == f"caught {int(number)}"
        assert process.wait(10) == 5


def test_a_command_that_sigterm_kills_is_143():
    with start([*BASE, "--unshare-pid"], ["sh", "-c", "echo ready; exec sleep 30"]) as process:
        line_from(process)
        process.terminate()
        assert process.wait(10) == 143


@pytest.mark.parametrize("form", ["supervised", "with pid 1", "die with parent", "all", "new session"])
def test_a_signal_that_was_ignored_on_arrival_does_not_end_setup(form):
    (status, info), (block, go) = pipe(), pipe()
    with start([*BASE, *form_args(form), "--info-fd", info, "--block-fd", block], ["sh", "-c", "echo ran; exit 5"],
               prefix=python_prefix("for n in (1, 2, 15): signal.signal(n, signal.SIG_IGN)")) as process:
        read_json(status)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            process.send_signal(number)
        time.sleep(0.1)
        os.write(go, b"\n")
        assert line_from(process) == "ran" and process.wait(10) == 5


@pytest.mark.parametrize("form", ["supervised", "with pid 1"])
def test_a_signal_that_was_ignored_on_arrival_still_reaches_a_command_that_wants_it(form):
    """... as a server under nohup(1) that reads its configuration again."""
    code = """import os, signal, time
signal.signal(signal.SIGHUP, lambda *_: (os.write(1, b"caught\\n"), os._exit(5)))
os.write(1, b"ready\\n")
while True: time.sleep(0.01)"""
    with start([*BASE, *form_args(form)], python(code),
               prefix=python_prefix("signal.signal(signal.SIGHUP, signal.SIG_IGN)")) as process:
        assert line_from(process) == "ready"
        process.send_signal(signal.SIGHUP)
        assert line_from(process) == "caught" and process.wait(10) == 5


@forms
@pytest.mark.parametrize("more", [[], ["--timeout", "60"], ["--timeout", "60", "--die-with-parent"]], ids=" ".join)
def test_sigchld_is_default_and_unblocked_and_the_rest_inherited(form, more):
    prefix = python_prefix("""from signal import *
for n in (SIGCHLD, SIGUSR1, SIGALRM): signal(n, SIG_IGN)
for n in (SIGPIPE, SIGXFSZ): signal(n, SIG_DFL)
pthread_sigmask(SIG_BLOCK, [SIGCHLD, SIGUSR2, SIGRTMIN + 3])""")
    result = run([*WITH_PROC, *form_args(form), *more], ["cat", "/proc/self/status"], prefix=prefix)
    fields = dict(line.split(":\t") for line in result.stdout.splitlines() if line.startswith("Sig"))
    bit = {name: 1 << (number - 1) for name, number in (("CHLD", signal.SIGCHLD), ("USR1", signal.SIGUSR1), ("ALRM", signal.SIGALRM),
                                                        ("USR2", signal.SIGUSR2), ("RT", signal.SIGRTMIN + 3))}
    ignored, blocked = int(fields["SigIgn"], 16), int(fields["SigBlk"], 16)
    assert ignored == bit["USR1"] | bit["ALRM"] and blocked == bit["USR2"] | bit["RT"], fields


def test_the_supervisor_survives_an_ignored_or_blocked_sigchld():
    for code in ("signal.signal(signal.SIGCHLD, signal.SIG_IGN)",
                 "signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))"):
        assert run([*BASE, "--unshare-pid"], ["sh", "-c", "exit 9"], prefix=python_prefix(code)).returncode == 9


def test_a_signal_that_pid_1_would_not_hear_ends_it_also_where_proc_is_of_another_pid_namespace():
    with start([*BASE, "--unshare-pid", "--as-pid-1"], ["sh", "-c", "echo ready; read x"], stdin=subprocess.PIPE,
               prefix=in_pid_namespace_with_outer_proc()) as process:
        assert line_from(process) == "ready"
        supervisor, = [pid for pid in session_members(process.pid)
                       if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(os.fsencode(BINARY) + b"\0")]
        os.kill(supervisor, signal.SIGTERM)
        assert process.wait(10) == 128 + signal.SIGTERM


def test_where_proc_is_of_another_pid_namespace_none_is_joined():
    read_end, _ = pipe()
    refused(["--pidns", read_end], "/proc shows another pid namespace", base=BASE, prefix=in_pid_namespace_with_outer_proc())
    refused(["--userns", read_end, "--unshare-pid"], "/proc shows another pid namespace", base=BASE, prefix=in_pid_namespace_with_outer_proc())
