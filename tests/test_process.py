"""Processes: how many, who their ids are, what they inherit, how they end."""
import ctypes
import fcntl
import os
import random
import re
import signal
import struct
import subprocess
import termios
import threading
import time
from pathlib import Path

import pytest

from sandbox import (BASE, BINARY, ENV, FULL, IS_ROOT, IS_SANITIZED, PREFIX, REFUSE, Holder, assert_ok, at_eof, close, command_line, data_fd,
                     in_pid_namespace_with_outer_proc, inside, keep, killed_by, line_from, pipe, python, python_prefix, read_json, readable,
                     refused, run, run_python, session_members, shell, start, syscall_number, wait_for)

pytestmark = pytest.mark.core
WITH_PROC = [*BASE, "--proc", "/proc"]
FORMS = {"alone": [], "supervised": ["--json-status-fd", None], "with pid 1": ["--unshare-pid"],
         "as pid 1": ["--unshare-pid", "--as-pid-1"], "die with parent": ["--die-with-parent"],
         "all": ["--unshare-all", "--die-with-parent"], "new session": ["--new-session"]}
forms = pytest.mark.parametrize("form", FORMS)


def form_args(form):
    return [data_fd() if word is None else word for word in FORMS[form]]


# ---- how many ----

@pytest.mark.parametrize("args", [[], ["--unshare-user"], ["--unshare-net", "--unshare-uts", "--unshare-ipc"],
                                  ["--new-session"], ["--tmpfs", "/t", "--dev", "/dev", "--proc", "/proc"],
                                  ["--chdir", "/usr"]], ids=" ".join)
def test_bwrapish_becomes_the_command_where_nothing_outlives_setup(args):
    with start([*BASE, *args], ["sh", "-c", "echo $$"], start_new_session=False) as process:
        assert line_from(process) == str(process.pid)


@pytest.mark.parametrize("form, count", [("alone", 0), ("supervised", 1), ("as pid 1", 1), ("die with parent", 1),
                                         ("with pid 1", 2), ("all", 2)])
def test_there_is_no_process_that_nobody_needs(form, count):
    with start([*WITH_PROC, *form_args(form)], ["sh", "-c", "echo ready; read x"], stdin=subprocess.PIPE) as process:
        line_from(process)
        members = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
                   if is_descendant(pid, process.pid)]
        assert len(members) == count, members


def is_descendant(pid, ancestor):
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            return False
        if pid == ancestor:
            return True
    return False


def test_new_session_of_a_group_leader_still_works():
    with start([*BASE, "--new-session"], python("import os; print(os.getsid(0) == os.getpid())")) as process:
        assert line_from(process) == "True"  # start() made it a session leader, so setsid needs a child


def test_command_is_pid_2_below_a_reaper_and_pid_1_with_as_pid_1():
    assert shell(["--unshare-pid"], "echo $$").strip() != "1"
    assert shell(["--unshare-pid", "--as-pid-1"], "echo $$") == "1\n"
    assert inside(["--unshare-pid"], "os.getppid()") == 1


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


def test_bwrapish_returns_when_command_ends_though_a_daemon_stays_alive():
    (life, held), (orders, order) = pipe(), pipe()
    daemon = f"import os\nif os.fork(): os._exit(3)\nos.read({orders}, 9)\nos.write({held}, b'done\\n')"
    began = time.monotonic()
    result = run([*BASE, "--unshare-pid"], python(daemon), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                 pass_fds=[held, orders])
    assert result.returncode == 3 and time.monotonic() - began < 10
    close(held)
    assert not readable(life, 0.1), "the daemon died with COMMAND"
    os.write(order, b"end\n")
    assert readable(life, 5) and os.read(life, 10) == b"done\n"
    assert at_eof(life)


def test_the_reaper_reaps_and_goes_with_the_last_process():
    code = """import os, time
for i in range(20):
    if os.fork() == 0:
        if os.fork() == 0: os._exit(0)
        os._exit(0)
    os.wait()
end = time.time() + 5
def is_zombie(p):
    try: return ') Z ' in open(f'/proc/{p}/stat').read()
    except OSError: return False  # reaped this very moment
def zombies():
    return [p for p in os.listdir('/proc') if p.isdigit() and is_zombie(p)]
while zombies() and time.time() < end:
    time.sleep(0.01)
print(zombies())"""
    assert run_python(["--unshare-pid"], code, base=WITH_PROC).stdout == "[]\n"


# ---- signals ----

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
    code = """import os, signal
signal.signal(signal.SIGHUP, lambda *_: (os.write(1, b"caught\\n"), os._exit(5)))
os.write(1, b"ready\\n")
while True: signal.pause()"""
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


# ---- what is inherited ----

@forms
def test_umask_is_the_callers(form):
    result = run([*BASE, *form_args(form)], ["sh", "-c", "umask"], prefix=["sh", "-c", 'umask 0147; exec "$@"', "sh"])
    assert result.stdout == "0147\n"


LIST_FDS = "print(sorted(int(n) for n in os.listdir('/proc/self/fd') if os.path.lexists(f'/proc/self/fd/{n}')))"


@forms
@pytest.mark.parametrize("more", [[], ["--dev", "/dev", "--dir", "/d", "--tmpfs", "/t", "--dev-bind", "/usr", "/u"]],
                         ids=str)
def test_command_has_no_descriptor_but_the_standard_three(form, more):
    result = run_python([*form_args(form), *more], f"import os\n{LIST_FDS}", base=WITH_PROC)
    assert result.stdout == "[0, 1, 2]\n"


@forms
def test_inherited_descriptors_pass_unless_close_fds(form):
    numbers = [data_fd("inherited") for _ in range(3)]
    high = keep(os.dup2(numbers[0], 500))
    for args, expected in (([], [*numbers, high]), (["--close-fds"], []),
                           (["--keep-fd", str(numbers[1]), "--close-fds"], [numbers[1]]),
                           (["--close-fds", "--keep-fd", "500", "--keep-fd", str(numbers[0])], [numbers[0], 500])):
        result = run_python([*form_args(form), *args], f"import os\n{LIST_FDS}", base=WITH_PROC,
                            pass_fds=[*numbers, high])
        assert eval(result.stdout) == [0, 1, 2, *expected], args


def test_an_inherited_descriptor_is_the_same_open_file():
    fd = data_fd("0123456789")
    assert inside([], f"os.read({fd}, 4)", pass_fds=[fd]) == b"0123" and os.read(fd, 2) == b"45"


@pytest.mark.parametrize("option, destination", [("--file", "/f"), ("--bind-data", "/f"), ("--ro-bind-data", "/f"),
                                                 ("--args", None), ("--info-fd", None), ("--json-status-fd", None),
                                                 ("--sync-fd", None), ("--block-fd", None), ("--bind-fd", "/f"),
                                                 ("--ro-bind-fd", "/f")])
@pytest.mark.parametrize("form", ["alone", "with pid 1"])
def test_consumed_descriptors_never_pass(option, destination, form, box):
    fd = keep(os.open(box, os.O_PATH)) if option.endswith("bind-fd") else data_fd()
    result = run_python([*form_args(form), option, fd, *([destination] if destination else [])],
                        f"import os\n{LIST_FDS}", base=WITH_PROC)
    assert_ok(result)
    assert result.stdout == "[0, 1, 2]\n"


def test_keep_fd_of_a_consumed_descriptor_passes_or_is_refused_but_never_wrong():
    fd = data_fd("text")
    result = run_python(["--close-fds", "--keep-fd", fd, "--file", fd, "/f"], f"import os\n{LIST_FDS}", base=WITH_PROC)
    assert result.returncode in (0, 1) and (result.returncode or eval(result.stdout) in ([0, 1, 2], [0, 1, 2, fd]))


@pytest.mark.parametrize("closed", ["0", "1", "2", "01", "02", "12", "012"])
@pytest.mark.parametrize("form", ["alone", "with pid 1", "die with parent"])
def test_closed_standard_descriptors_break_nothing_and_show_nothing(closed, form, box):
    code = """import os, stat
def what(n):
    try: s = os.fstat(n)
    except OSError: return "closed"
    return "null" if stat.S_ISCHR(s.st_mode) and s.st_rdev == os.makedev(1, 3) else "other"
found = repr([what(n) for n in range(3)])
open("/box/out", "w").write(found)"""
    shut = " ".join(f"{n}<&-" for n in closed)
    run([*FULL, *form_args(form), "--file", data_fd("x"), "/f", "--bind", box, "/box"], python(code),
        prefix=["sh", "-c", f'exec "$@" {shut}', "sh"], stdin=data_fd())
    # Python itself puts /dev/null or nothing in their place; what must not be there is one of ours.
    assert [state in ("closed", "null") for state in eval((box / "out").read_text())] == \
        [str(n) in closed for n in range(3)]


@forms
def test_no_new_privs_is_always_set(form):
    result = run([*WITH_PROC, *form_args(form)], ["cat", "/proc/self/status"])
    assert "NoNewPrivs:\t1\n" in result.stdout


def test_resource_limits_and_niceness_are_the_callers():
    result = run(BASE, ["sh", "-c", "ulimit -Sn; ulimit -Hn; ulimit -c; nice"],
                 prefix=["nice", "-n", "3", "prlimit", "--nofile=111:222", "--core=0"])
    assert result.stdout.split() == ["111", "222", "0", str(min(os.nice(0) + 3, 19))]


def test_the_oom_score_is_the_callers():
    adjustment = inside([], "open('/proc/self/oom_score_adj').read()", base=WITH_PROC)
    assert adjustment == open("/proc/self/oom_score_adj").read()


def test_two_hundred_runs_at_once_all_succeed():
    line = command_line([*FULL, "--unshare-all", "--die-with-parent"], ["true"])
    for _ in range(4):
        processes = [subprocess.Popen(line, stdin=subprocess.DEVNULL, env=ENV, cwd="/") for _ in range(25)]
        assert [process.wait(60) for process in processes] == [0] * 25


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


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_survives_a_kill_at_a_random_instant(shape):
    """Without a pid namespace it is COMMAND that dies with the supervisor, not what it has started."""
    for _ in range(6):
        sandbox = ParentAndSandbox([*BASE, *SHAPES[shape]], ["sleep", "30"] if shape == "without" else SPAWN)
        sandbox.wait_until_it_reads()
        supervisor, moment = sandbox.supervisor(), random.uniform(0, 0.02)
        whom = "parent" if shape == "timed alone" else random.choice(["parent", "supervisor"])
        sandbox.go_on()
        time.sleep(moment)
        if whom == "supervisor":
            os.kill(supervisor, signal.SIGKILL)
        sandbox.end()
        assert at_eof(sandbox.gone, 20), f"survivors when the {whom} was killed after {moment * 1000:.1f} ms"


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


# ---- within each other ----

NESTED = ["--ro-bind", BINARY, "/bwrapish", *(["--ro-bind", os.path.dirname(REFUSE[0]), "/refuse"] if REFUSE else [])]


@pytest.mark.parametrize("outer", [[], ["--unshare-pid"], ["--unshare-all"]], ids=str)
# Root's sandbox covers the writable parts of /proc, and below a covered one the kernel gives nobody a new one.
@pytest.mark.parametrize("inner", [[], ["--unshare-pid"],
                                   ["--unshare-all", "--dev", "/dev", *([] if IS_ROOT else ["--proc", "/proc"])]],
                         ids=str)
def test_bwrapish_runs_inside_bwrapish(outer, inner):
    result = run([*FULL, *NESTED, *outer],
                 ["/bwrapish", "--ro-bind", "/", "/", *inner, "sh", "-c", "echo nested; exit 4"])
    assert (result.returncode, result.stdout, result.stderr) == (4, "nested\n", "")


def test_five_levels_deep():
    levels = ["/bwrapish", "--bind", "/", "/", "--unshare-pid"] * 4
    assert run([*FULL, *NESTED], [*levels, "echo", "deep"]).stdout == "deep\n"


def test_no_right_to_nest_is_told_as_such_and_not_as_no_space():
    result = run([*FULL, *NESTED, "--unshare-user", "--disable-userns"],
                 ["/bwrapish", "--unshare-user", "--ro-bind", "/", "/", "echo", "COMMAND RAN"])
    assert result.returncode == 1 and "COMMAND" not in result.stdout and result.stderr.count("\n") == 1
    assert re.search("No permissions to create a new namespace|Creating new namespace failed", result.stderr)
    assert "No space left" not in result.stderr and "_namespaces" in result.stderr
