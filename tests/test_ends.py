"""How a sandbox ends: exit statuses, signals, daemons, zombies."""
import os
import re
import signal
import subprocess

import pytest

from lines import form_args, forms
from sandbox import (BASE, ENV, FULL, IS_ROOT, IS_SANITIZED, LONG, PREFIX, REPO, WITH_PROC, Holder, Life, Terminal, as_user, at_eof,
                     close, command_line, content, data_fd, killed_by, line_from, pipe, python, python_prefix, read_json, readable, refused, run,
                     run_python, start)

pytestmark = pytest.mark.core


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


def zombies_below(before, args, most):
    """How many are left, `most` or more, when a pid 1 that has done `before`, and takes nobody's status from then on, has five sandboxes run."""
    pid_1 = """import os, sys, time
%s
over, held = os.pipe()
if os.fork() == 0:
    for n in range(5):
        if os.spawnv(os.P_WAIT, sys.argv[1], sys.argv[1:]): os._exit(1)
    def is_zombie(pid):
        try:
            return open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()[0] == 'Z'
        except OSError:
            return False
    end = time.monotonic() + %d
    while (left := sum(is_zombie(pid) for pid in os.listdir('/proc') if pid.isdigit())) > %d and time.monotonic() < end:
        time.sleep(0.01)
    print(left, flush=True)
    os._exit(0)
os.close(held)
os.read(over, 1)  # no wait(2), not even one that takes no status""" % (before, LONG, most)
    result = subprocess.run([*(as_user() if IS_ROOT else []), "unshare", "--user", "--map-current-user", "--keep-caps", "--pid", "--fork", "--kill-child",
                             "--mount-proc", *python(pid_1), *command_line([*BASE, *args], ["true"])],
                            stdout=subprocess.PIPE, text=True, env=ENV, pass_fds=[a for a in args if type(a) is int])
    return int(result.stdout)


@pytest.mark.parametrize("args", [[], ["--unshare-pid"], ["--unshare-all"], ["--json-status-fd", None],
                                  ["--unshare-all", "--timeout", "20"]], ids=str)
def test_no_zombie_is_left_below_a_pid_1_that_reaps_nobody(args):
    assert zombies_below("", [data_fd() if word is None else word for word in args], 0) == 0


def test_no_zombie_is_left_below_a_pid_1_that_waits_for_its_own_alone():
    """It has taken a status, and one of its children has been dead for a while."""
    before = """os.spawnv(os.P_WAIT, "/bin/true", ["true"])
if os.fork() == 0: os._exit(0)
time.sleep(7)"""
    assert zombies_below(before, ["--unshare-all"], 1) == 1


IN_PID_1S_PLACE = """
import array, ctypes, os, socket, struct, time
libc = ctypes.CDLL(None)
pidfd = libc.syscall(434, 1, 0)  # pidfd_open(), pidfd_getfd()
taken = [fd for fd in (libc.syscall(438, pidfd, number, 0) for number in range(3, 64)) if fd >= 0]
for fd in taken:
    try:
        socket.socket(fileno=fd).sendmsg([MESSAGE], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", FDS))] if FDS else [])
    except OSError:  # no socket, or to nobody
        pass
time.sleep(PATIENCE)
print("alive")"""


def assert_ended_for(args, message, fds, name):
    """Root's COMMAND can take pid 1's socket to the supervisor, outside."""
    code = IN_PID_1S_PLACE.replace("MESSAGE", message).replace("FDS", repr(fds)).replace("PATIENCE", str(LONG))
    status = data_fd()
    result = run([*BASE, "--proc", "/proc", "--unshare-pid", *args, "--json-status-fd", status], python(code))
    assert (result.returncode, result.stdout) == (1, "") and result.stderr.endswith(f"{name} out of turn and is ended for it\n"), result
    last = content(status)[-1]
    assert last["event"] == "supervisor-failed" and last["message"] in result.stderr


CAPACITY = re.search(r"MESSAGE_CAPACITY = (\d+)", (REPO / "sys" / "channel.h").read_text())[1]


@pytest.mark.root
@pytest.mark.parametrize("kind, attached", [("NAMESPACES", False), ("START_HELPER", True), ("PINNED", False), ("STARTING", True), ("CHILD", True), ("GOING", False),
                                            ("READY", False), ("PROTECTED", False), ("NOT_STARTED", True), ("ENDED", True)])
@pytest.mark.parametrize("more", [[], ["--die-with-parent"]], ids=["with init", "and with its parent"])
def test_a_message_out_of_turn_ends_the_sandbox(more, kind, attached):
    kinds = re.search(r"enum message_kind {(.*?)}", (REPO / "process" / "protocol.h").read_text(), re.S)[1]
    number = re.findall(r"^\s*MESSAGE_(\w+)", kinds, re.M).index(kind) + 1
    assert_ended_for(more, f"struct.pack('Ii{CAPACITY}Q', {number}, *[0] * (1 + {CAPACITY}))", [1] * attached, kind)


@pytest.mark.root
@pytest.mark.parametrize("message, fds", [("b''", []), ("b'ENDED'", []), (f"struct.pack('I', 16) + bytes(4 + 8 * {CAPACITY})", [1, 1])],
                         ids=["empty", "short", "two descriptors"])
def test_what_is_no_message_is_out_of_turn_too(message, fds):
    assert_ended_for([], message, fds, "of no known kind")


# ---- how they end ----

@forms
def test_the_exit_status_is_the_commands(form):
    for status in (0, 1, 7, 255):
        assert run([*BASE, *form_args(form)], ["sh", "-c", f"exit {status}"]).returncode == status


@forms
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV])
def test_death_by_a_signal_is_128_plus_it_or_the_signal_itself(form, number):
    if form == "as pid 1":
        pytest.skip("pid 1 does not die of its own signals")
    result = run([*BASE, *form_args(form)], ["sh", "-c", f"ulimit -c 0; kill -{int(number)} $$"])
    assert result.returncode in ((-number,) if form == "alone" else
                                 (-number, 128 + number) if form == "new session" else (128 + number,))


def ended_setup(args, call):
    """How it ends when whoever makes `call` is killed by SIGSYS: 159 is what glycin takes for "no sandbox here"."""
    result = run([*BASE, *args], ["echo", "COMMAND RAN"], prefix=killed_by(call))
    says = f"{PREFIX}Setup was ended by signal {signal.SIGSYS.value}\n"
    assert result.stderr == ("" if result.returncode == -signal.SIGSYS else says)
    assert result.stdout == ""
    return result.returncode


@forms
def test_setup_that_a_signal_ends_is_128_plus_it_or_the_signal_itself(form):
    alone = form in ("alone", "new session")
    assert ended_setup(form_args(form), "pivot_root") == (-signal.SIGSYS if alone else 128 + signal.SIGSYS)


@pytest.mark.skipif(IS_SANITIZED, reason="no memory is lent under AddressSanitizer, and pid 1 has said then that COMMAND starts")
def test_a_signal_that_ends_setup_beside_pid_1_is_told_too():
    lent = ["--unshare-user", "--uid", "1", "--unshare-pid", "--cap-drop", "ALL"]
    assert ended_setup([*lent, "--new-session"], "setsid") == 128 + signal.SIGSYS
    assert ended_setup([*lent, "--seccomp-deny", "ptrace"], "unshare") == 128 + signal.SIGSYS


@pytest.mark.parametrize("more", [[], ["--unshare-pid"]], ids=["joined", "parent of a new one"])
@pytest.mark.parametrize("call", ["setns", "pidfd_open", "pivot_root"])
def test_a_signal_that_ends_setup_in_a_joined_pid_namespace_is_told_too(call, more):
    with Holder("--user", "--map-current-user", "--pid", "--fork", "--kill-child") as holder:
        args = ["--userns", holder.namespace("user"), "--pidns", holder.namespace("pid"), *more]
        assert ended_setup(args, call) == 128 + signal.SIGSYS


@forms
def test_a_command_that_is_not_there_is_exit_1_and_one_line(form):
    refused(form_args(form), "execvp missing: No such file or directory", base=BASE, command=["missing"])


@forms
def test_bwrapish_returns_when_command_ends_though_a_daemon_stays_alive(form):
    (life, held), (orders, order) = pipe(), pipe()
    daemon = f"import os\nif os.fork(): os._exit(3)\nos.setsid()\nos.read({orders}, 9)\nos.write({held}, b'done\\n')"
    result = run([*BASE, *form_args(form)], python(daemon), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                 pass_fds=[held, orders], timeout=LONG)
    assert result.returncode == 3
    close(held)
    if form in ("as pid 1", "all"):  # it ends with its pid 1, or that with the supervisor
        assert at_eof(life)
        return
    assert not readable(life, 0.1), "the daemon died with COMMAND"
    os.write(order, b"end\n")
    assert readable(life, 5) and os.read(life, 10) == b"done\n"
    assert at_eof(life)


DAEMONS = {
    "orphan": "if os.fork(): os._exit(7)",
    "daemon": """if os.fork(): os.close(tell); os.read(told, 1); os._exit(7)
os.setsid()
if os.fork(): os._exit(0)
for n in set(range(1, 32)) - {9, 19}: signal.signal(n, signal.SIG_IGN)
os.close(tell)""",
    "stopped": """if job := os.fork(): os.waitpid(job, os.WUNTRACED); os._exit(7)
os.kill(os.getpid(), signal.SIGSTOP)""",
    "many": """if os.fork(): os._exit(7)
for _ in range(6): os.fork(); os.setpgid(0, 0)""",
    "of a command that a signal ends": "if os.fork(): os.kill(os.getpid(), 9)"}


@forms
@pytest.mark.parametrize("kind", DAEMONS)
def test_nothing_that_command_left_is_there_any_more_when_bwrapish_returns(form, kind):
    if (form, kind) == ("as pid 1", "of a command that a signal ends"):
        pytest.skip("pid 1 does not die of its own signals")
    life = Life()
    code = f"import os, signal, time\ntold, tell = os.pipe()\n{DAEMONS[kind]}\ntime.sleep(60)"
    result = run([*FULL, *form_args(form), "--die-with-command"], python(code), pass_fds=[life.held], stdout=subprocess.DEVNULL)
    assert (result.returncode, result.stderr) == (137 if kind.startswith("of") else 7, "")
    close(life.held)
    assert at_eof(life.end, 0), "somebody is left"


def test_what_a_joined_pid_namespace_takes_in_cannot_be_found():
    with Holder("--user", "--map-current-user", "--pid", "--fork", "--kill-child") as holder:
        joined = ["--userns", holder.namespace("user"), "--pidns", holder.namespace("pid")]
        refused([*joined, "--die-with-command"], "--die-with-command (argument 5): with --pidns needs --unshare-pid", base=[])
        life = Life()
        assert run([*FULL, *joined, "--unshare-pid", "--die-with-command"], ["sh", "-c", "setsid sleep 60 & exit 7"],
                   pass_fds=[life.held], stdout=subprocess.DEVNULL).returncode == 7
        close(life.held)
        assert at_eof(life.end, 0), "somebody is left"


def test_the_reaper_reaps_and_goes_with_the_last_process():
    code = """import os, time
for i in range(20):
    if os.fork() == 0:
        if os.fork() == 0: os._exit(0)
        os._exit(0)
    os.wait()
end = time.time() + 5
def others():
    return [p for p in os.listdir('/proc') if p.isdigit() and int(p) not in (1, os.getpid())]
while (left := others()) and time.time() < end:
    time.sleep(0.01)
print(left)"""
    assert run_python(["--unshare-pid"], code, base=WITH_PROC).stdout == "[]\n"


# ---- the signal that ended it ----

@forms
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV, signal.SIGRTMIN + 1])
def test_exit_signal_is_what_the_caller_sees(form, number):
    code = f"import os, signal\nsignal.signal(signal.SIGRTMIN + 1, signal.SIG_DFL)\nos.kill(os.getpid(), {int(number)})\nos._exit(7)"
    status = run([*BASE, *form_args(form), "--exit-signal"], python(code)).returncode
    assert status == (7 if form == "as pid 1" else -number)  # no signal of its own ends a pid 1


@forms
def test_exit_signal_changes_no_other_status(form):
    for code in (0, 1, 130, 143):
        assert run([*BASE, *form_args(form), "--exit-signal"], ["sh", "-c", f"exit {code}"]).returncode == code
    refused([*form_args(form), "--exit-signal", "--chdir", "/nowhere"], "Can't chdir to /nowhere", base=BASE)


@forms
def test_exit_signal_writes_no_second_core(form):
    if form in ("alone", "new session"):
        pytest.skip("nobody but COMMAND dies here")
    limit = python_prefix("import resource\nresource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)")
    with start([*BASE, *form_args(form), "--exit-signal"], python("import os, resource, signal\n"
               "resource.setrlimit(resource.RLIMIT_CORE, (0, 0))\nos.write(1, b'ready\\n')\nwhile True: signal.pause()"), prefix=limit) as process:
        assert line_from(process) == "ready"
        process.send_signal(signal.SIGQUIT)
        end = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert (end.si_code, end.si_status) == (os.CLD_KILLED, signal.SIGQUIT)


@forms
def test_exit_signal_counts_before_command_runs(form):
    (status, info), (block, _) = pipe(), pipe()
    life = Life()
    with start([*BASE, *form_args(form), "--exit-signal", "--info-fd", info, "--block-fd", block], ["true"], pass_fds=[life.held]) as process:
        read_json(status)
        process.terminate()
        assert process.wait(LONG) == -signal.SIGTERM
        life.assert_over()


def test_exit_signal_lets_a_script_stop_at_ctrl_c():
    script = '"$@"; echo goes on'
    for more, word in (([], "goes on"), (["--exit-signal"], r"(?!)")):
        with Terminal([*BASE, "--unshare-pid", *more], python("import os, signal, time\nsignal.signal(2, lambda *_: (signal.signal(2, signal.SIG_DFL), os.kill(os.getpid(), 2)))\n"
                      "os.write(1, b'ready\\n')\nwhile True: time.sleep(0.01)"), prefix=["bash", "-c", script, "bash"]) as terminal:
            terminal.read_until("ready")
            terminal.type("\x03")
            terminal.wait()
        assert ("goes on" in terminal.text) == (not more), terminal.text


def test_exit_signal_leaves_the_status_of_timeout():
    assert run([*BASE, "--timeout", "0.2", "--exit-signal"], ["sleep", "60"]).returncode == 124
