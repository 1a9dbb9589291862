"""Limits: resource limits, control groups, time; and that nothing is left behind."""
import fcntl
import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from sandbox import (BASE, BINARY, FULL, IS_ROOT, NO_RIGHTS, PYTHON, REPO, Holder, assert_ok, close, command_line, data_fd,
                     host_mounts, in_pid_namespace_with_outer_proc, keep, kill_session, line_from, pipe, python,
                     read_json, refused, run, start, status_fields, user_ids, wait_for)

TOP = Path("/sys/fs/cgroup")
V2 = next((path for path in (TOP, TOP / "unified") if (path / "cgroup.controllers").exists()), None)
HAS = V2.joinpath("cgroup.controllers").read_text().split() if V2 else []
LIMIT_FORMS = {"plain": [], "pid namespace": ["--unshare-pid"], "everything": ["--unshare-all"],
               "joinable": ["--lock-file", "/usr/bin/env"]}
limit_forms = pytest.mark.parametrize("form", LIMIT_FORMS)
RESOURCES = ["as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nofile", "nproc", "rss", "rtprio",
             "rttime", "sigpending", "stack"]


def seconds_of(*args, **options):
    began = time.monotonic()
    result = run(*args, **options)
    return result, time.monotonic() - began


def content(fd):
    return [json.loads(line) for line in os.pread(fd, 65536, 0).decode().splitlines()]


def processes_with(mark):
    """Processes, zombies aside, that have `mark` among their arguments."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if mark in Path(f"/proc/{entry}/cmdline").read_bytes().decode(errors="replace").split("\0"):
                found.append(int(entry))
        except OSError:
            pass
    return found


def mark():
    return f"1{random.randrange(10**8, 10**9)}"  # as seconds for sleep(1), which nobody else has


# ---- --rlimit ----

@pytest.mark.parametrize("name", RESOURCES)
def test_rlimit_sets_soft_and_hard(name):
    soft, hard = (0, 1) if name in ("core", "rtprio", "locks") else (2 ** 29, 2 ** 30)
    if name in ("nofile", "nproc", "memlock", "msgqueue", "sigpending", "rtprio"):
        soft, hard = 0, 0
    if name == "nofile":
        soft = hard = 16
    code = f"print(*resource.getrlimit(resource.RLIMIT_{name.upper()}))"
    if name in ("locks",):
        code = "print(*resource.prlimit(0, 10))"
    if name in ("sigpending", "msgqueue", "rtprio", "rttime"):
        number = {"sigpending": 11, "msgqueue": 12, "rtprio": 14, "rttime": 15}[name]
        code = f"print(*resource.prlimit(0, {number}))"
    result = run([*BASE, "--rlimit", name, f"{soft}:{hard}"], [PYTHON, "-I", "-c", "import resource; " + code])
    assert_ok(result)
    assert result.stdout == f"{soft} {hard}\n"


@pytest.mark.parametrize("word, value", [("64", "64 64"), ("1K", "1024 1024"), ("1k:2k", "1024 2048")])
def test_rlimit_takes_units_and_one_value_for_both(word, value):
    result = run([*BASE, "--rlimit", "nofile", word],
                 [PYTHON, "-I", "-c", "import resource; print(*resource.getrlimit(resource.RLIMIT_NOFILE))"])
    assert_ok(result)
    assert result.stdout.strip() == value


def test_of_two_rlimits_for_a_resource_the_last_one_counts():
    result = run([*BASE, "--rlimit", "nofile", "8", "--rlimit", "core", "0", "--rlimit", "NOFILE", "9"], ["sh", "-c", "ulimit -n"])
    assert result.returncode == 0 and result.stdout == "9\n", result
    assert result.stderr == "bwrapish: Only the last --rlimit nofile will take effect\n"


@limit_forms
def test_small_rlimits_do_not_break_setup(form):
    binds = [word for i in range(100) for word in ("--ro-bind", "/usr", f"/many/{i}")]
    result = run([*FULL, *binds, *LIMIT_FORMS[form], "--rlimit", "nproc", "0", "--rlimit", "nofile", "4", "--rlimit", "fsize", "0"],
                 ["echo", "ran"])
    assert_ok(result)
    assert result.stdout == "ran\n"


def test_rlimit_is_the_commands_and_not_the_reapers():
    with start([*FULL, "--unshare-pid", "--rlimit", "core", "0:0", "--rlimit", "nofile", "17"],
               ["sh", "-c", "echo $(cat /proc/1/limits); read x"], stdin=subprocess.PIPE) as process:
        text = line_from(process)
    assert not re.search(r"Max open files +17 ", text)


@pytest.mark.parametrize("args, message", [
    (["nofil", "3"], "is nofile meant?"), (["nofile", "3:2"], "the soft limit 3 is above the hard limit 2"),
    (["nofile", "x"], "Invalid limit: x"), (["nofile", ""], "Invalid limit"), (["nofile", "1:"], "Invalid limit"),
    (["as", "20000000T"], "Invalid limit"), (["core", "-1"], "Invalid limit"), (["core", " 1"], "Invalid limit"),
    (["nofile", "1G"], "the caller's own hard limit is")])
def test_a_bad_rlimit_is_refused(args, message):
    refused(["--rlimit", *args], "--rlimit (argument ", message, base=BASE)


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
    result, seconds = seconds_of([*BASE, *LIMIT_FORMS[form], "--timeout", "1", "--kill-after", "0.3"],
                                 ["sh", "-c", "trap '' TERM; sleep 20; sleep 20"])
    assert result.returncode == 137
    assert 1.3 <= seconds < 20


def test_a_handler_has_its_time():
    result = run([*FULL, "--timeout", "0.3"], ["sh", "-c", "trap 'echo tidied; exit 0' TERM; sleep 20 & wait"])
    assert (result.returncode, result.stdout) == (124, "tidied\n")


def test_pid_1_hears_sigterm_only_with_a_handler():
    args = [*BASE, "--unshare-pid", "--as-pid-1"]
    assert run([*args, "--timeout", "1", "--kill-after", "0.2"], ["sleep", "20"]).returncode == 137
    assert run([*args, "--timeout", "2"], python("import signal, time, os; signal.signal(15, lambda *_: os._exit(0)); time.sleep(20)")).returncode == 124


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
                                  ["--timeout", "5", "--lock-file", "/usr/bin/env"]], ids=str)
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
NO_STRACE = "needs strace, which makes calls slow or fail"
needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason=NO_STRACE)
NO_KILL, NO_SIGNAL = (["strace", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", "-e", f"inject={calls}:error=EPERM"]
                      for calls in ("kill", "kill,pidfd_send_signal"))


def slowly(*calls, seconds, when="enter"):
    """A prefix: before these calls of bwrapish itself, or after them ("exit"), some time passes."""
    return ["strace", "-qq", "-o", "/dev/null", "-e", "trace=" + ",".join(calls),
            "-e", f"inject={','.join(calls)}:delay_{when}={int(seconds * 1e6)}"]


@needs_strace
@pytest.mark.parametrize("prefix", [[], NO_KILL], ids=["children first", "only by all of proc"])
def test_nobody_beside_or_above_bwrapish_is_ended_with_what_the_command_left(prefix):
    """In a pid namespace of its own, or a mistake here would end the test suite."""
    line = command_line(["--ro-bind", "/", "/", "--dev", "/dev", "--timeout", "20"],
                        ["sh", "-c", "setsid sleep 50 & setsid sh -c 'sleep 50 & sleep 50' & sleep 1"], prefix=prefix)
    script = """"$@" & run=$!
        sleep 0.5; sleep 50 & sh -c 'sleep 50 & sleep 50; true' &
        wait $run; echo $?; sleep 0.1; ps -eo ppid=,comm= | grep -c ' sleep$'"""
    result = subprocess.run(["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc",
                             "sh", "-c", script, "sh", *line], stdout=subprocess.PIPE, text=True, timeout=30)
    assert result.stdout == "0\n3\n", result


@needs_strace
def test_processes_that_replace_each_other_faster_than_proc_is_read_end_with_the_time(box):
    box.chmod(0o777)
    args = ["--ro-bind", "/", "/", "--dev", "/dev", "--bind", box, box, "--timeout", "0.3", "--kill-after", "0.1"]
    result = run(args, [*python(CHAIN), box / "lived"], prefix=slowly("getdents64", seconds=0.1, when="exit"))
    assert result.returncode == 124 and not result.stderr, result
    time.sleep(0.1)
    assert not processes_with(str(box / "lived"))
    assert not (box / "lived").exists(), "the last of them came to its own end"


@pytest.mark.root
def test_what_runs_as_another_user_ends_with_the_time_also_where_proc_hides_it():
    sleep, (uid, gid) = mark(), user_ids()
    script = f"setsid setpriv --reuid={uid} --clear-groups sh -c 'sleep {sleep} & sleep {sleep}' & sleep 50"
    result = run(["--ro-bind", "/", "/", "--timeout", "0.5", "--kill-after", "0.2"], ["sh", "-c", script],
                 prefix=host_mounts(f"mount -t proc -o hidepid=2,gid={gid} proc /proc"))
    assert result.returncode == 124
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


REUSE = """
import os, signal, subprocess, sys, time
run = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
pid = int(run.stdout.readline())
while os.path.exists(f"/proc/{pid}"): time.sleep(0.01)
victim = 0
while victim != pid:
    open("/proc/sys/kernel/ns_last_pid", "w").write(str(pid - 1))
    victim = os.fork()
    if victim == 0: time.sleep(50); os._exit(0)
    if victim != pid: os.kill(victim, 9)
run.wait()
print(os.waitpid(victim, os.WNOHANG))
"""


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
        inner = max(holder.pids)
        joined = ["--userns", holder.namespace("user", inner), "--pidns", holder.namespace("pid", inner)]
        refused([*joined, "--timeout", "5"], "--timeout (argument ", "needs --unshare-pid or --limit", base=BASE)


ORPHANS = "setsid sleep {0} & (setsid sleep {0} &) ; (trap '' TERM; sleep {0}) & "


@pytest.mark.parametrize("end, status", [("exit 3", 3), ("sleep 99", 124)])
def test_below_a_joined_pid_namespace_a_new_one_ends_with_the_command(end, status):
    sleep = mark()
    with Holder("--user", "--map-current-user", "--pid", "--fork", "--kill-child") as holder:
        inner = max(holder.pids)
        result = run([*FULL, "--userns", holder.namespace("user", inner), "--pidns", holder.namespace("pid", inner),
                      "--unshare-pid", "--timeout", "1"], ["sh", "-c", ORPHANS.format(sleep) + end])
        assert result.returncode == status, result
        assert not processes_with(sleep)


@pytest.mark.root
@pytest.mark.parametrize("more", [[], ["--timeout", "1"], ["--unshare-pid"], ["--unshare-pid", "--timeout", "1"]], ids="-".join)
@pytest.mark.parametrize("end", ["exit 3", "sleep 99"])
def test_with_a_group_everything_ends_in_a_joined_pid_namespace_too(group, more, end):
    if end == "sleep 99" and "--timeout" not in more:
        pytest.skip("nothing would end it")
    sleep = mark()
    with Holder("--user", "--map-current-user", "--pid", "--fork", "--kill-child") as holder:
        inner = max(holder.pids)
        result = run([*FULL, "--userns", holder.namespace("user", inner), "--pidns", holder.namespace("pid", inner),
                      *LIMIT, *more], ["sh", "-c", ORPHANS.format(sleep) + end], prefix=group.prefix[:-len(group.as_user)])
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
            wait_for(lambda: any(Path(f"/proc/{pid}/comm").read_text() == "sleep\n" for pid in processes_with(sleep)))
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


def test_use_is_told_before_the_exit_code():
    fd = data_fd()
    run([*BASE, "--timeout", "20", "--json-status-fd", fd], python("x = bytearray(50 << 20); sum(range(10**6)); raise SystemExit(3)"))
    child, use, end = content(fd)
    assert "child-pid" in child and end == {"exit-code": 3}
    assert use["ended-by"] == "exit" and use["max-rss-bytes"] > 50 << 20 and use["cpu-us"] > 1000


def test_a_reader_that_goes_away_costs_nobody_the_status():
    status, write_end = pipe()
    with start([*BASE, "--timeout", "20", "--json-status-fd", write_end], ["sh", "-c", "read x; exit 7"],
               stdin=subprocess.PIPE) as process:
        close(write_end)
        assert os.read(status, 1000)
        close(status)
        assert process.communicate("\n", timeout=20) == ("", "") and process.returncode == 7


@pytest.mark.parametrize("command, cause", [("kill -9 $$", "signal"), ("sleep 20", "timeout")])
def test_the_cause_of_the_end_is_told(command, cause):
    fd = data_fd()
    run([*BASE, "--timeout", "0.4", "--json-status-fd", fd], ["sh", "-c", command])
    assert content(fd)[-2]["ended-by"] == cause


@limit_forms
@pytest.mark.parametrize("more", [[], ["--as-pid-1"]])
def test_what_a_killed_command_has_used_is_told(form, more):
    if more and form not in ("pid namespace", "everything"):
        pytest.skip("--as-pid-1 needs --unshare-pid")
    fd = data_fd()
    result = run([*BASE, *LIMIT_FORMS[form], *more, "--timeout", "1.6", "--kill-after", "0.2", "--json-status-fd", fd],
                 python("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass"))
    assert result.returncode == 137, result
    usage = content(fd)[-2]
    assert usage["ended-by"] == "timeout"
    assert usage["cpu-us"] > 40_000 and usage["max-rss-bytes"] > 4_000_000, usage


# ---- --limit: words ----

@pytest.mark.parametrize("args, message", [
    (["memory.maxx", "1M"], "is memory.max meant?"), (["memory", "1M"], "is memory.max meant?"),
    (["mem.high", "1M"], "is memory.high meant?"), (["../x", "1"], "Unknown key"), (["cgroup.procs", "0"], "Unknown key"),
    (["memory.max", "1Q"], "Invalid size: 1Q"), (["pids.max", "many"], "neither a number nor max"),
    (["cpu.max", "0%"], "Invalid limit: 0%"), (["cpu.max", "50"], "50%"), (["cpu.max", "5000 50"], "50%"),
    (["cpu.weight", "0"], "not a number from 1 to 10000"),
    (["cpu.weight.nice", "-21"], "not a number from -20 to 19"), (["io.max", ""], "empty")])
def test_a_bad_limit_is_refused(args, message):
    refused(["--limit", *args], "--limit (argument ", message, base=BASE)
    refused(["--limit-try", *args], "--limit-try (argument ", message, base=BASE)


@pytest.mark.user
def test_without_a_group_to_write_to_the_error_names_it_and_the_cure():
    message = refused(["--limit", "cgroup.max.depth", "3"], "--limit (argument ", "is not writable",
                      "systemd's user manager gives no other: XDG_RUNTIME_DIR is not set", "Delegate=yes", base=BASE)
    assert "/sys/fs/cgroup" in message


@pytest.mark.user
def test_limit_try_warns_and_goes_on():
    result = run([*BASE, "--limit-try", "memory.max", "1G"], ["echo", "ran"])
    assert (result.returncode, result.stdout) == (0, "ran\n")
    assert result.stderr.count("\n") == 1 and "Going on without memory.max" in result.stderr


def test_cgroup_has_to_be_one():
    refused(["--cgroup", "/usr"], "--cgroup (argument ", "/usr is no control group of version 2", base=BASE)
    refused(["--cgroup", "/missing"], "--cgroup (argument ", "No such file", base=BASE)


# ---- --limit: version 2, for a user with a delegated group ----

def groups_of_ours(path):
    """Outer and inner ones; unlike rglob(), os.walk() does not mind what vanishes meanwhile."""
    found = []
    for top, names, _ in os.walk(path):
        below = top.removeprefix(str(path))
        found += [Path(top) / name for name in names if "bwrapish" in f"{below}/{name}"]
        if below.count("/") > 9:  # what somebody nests in one
            names.clear()
    return found


class Delegated:
    """A group that a user may do with what it likes; `leaf` is where that user's processes are started."""

    def __init__(self, controllers):
        self.path = V2 / f"test-{os.getpid()}-{time.monotonic_ns()}"
        self.leaf = self.path / "leaf"
        self.uid, self.gid = user_ids()
        self.switch(V2, controllers)
        self.path.mkdir()
        self.switch(self.path, controllers)
        self.leaf.mkdir()
        for directory in (self.path, self.leaf):
            for name in (".", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
                os.chown(directory / name, self.uid, self.gid)

    @staticmethod
    def switch(path, controllers):
        if controllers:
            (path / "cgroup.subtree_control").write_text(" ".join("+" + name for name in controllers))

    @property
    def prefix(self):
        """In the leaf, with a process beside it."""
        return ["sh", "-c", f'echo $$ >{self.leaf}/cgroup.procs; "$@"; exit $?', "sh", *self.as_user]

    @property
    def alone(self):
        return ["sh", "-c", f'echo $$ >{self.leaf}/cgroup.procs; exec "$@"', "sh", *self.as_user]

    @property
    def as_user(self):
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]

    def left(self):
        return groups_of_ours(self.path)

    def remove(self):
        for path in sorted((p for p in self.path.rglob("*") if p.is_dir()), reverse=True):
            path.rmdir()
        self.path.rmdir()


@pytest.fixture
def group():
    if V2 is None:
        pytest.skip("no cgroup v2 here")
    delegated = Delegated([name for name in HAS if name in ("hugetlb", "memory", "pids", "cpu", "cpuset")])
    yield delegated
    wait_for(lambda: (delegated.path / "cgroup.events").read_text().startswith("populated 0"))
    delegated.remove()


def needs(controller):
    return pytest.mark.skipif(controller not in HAS, reason=f"{controller} is not on cgroup v2 here (tools/other-kernel has it)")


LIMIT = ["--limit", "cgroup.max.descendants", "7"] if "hugetlb" not in HAS else ["--limit", "hugetlb.2MB.max", "4M"]


@pytest.mark.root
@limit_forms
@pytest.mark.parametrize("where", ["prefix", "alone"])
def test_a_fresh_group_holds_exactly_the_sandbox_and_goes_with_it(group, form, where):
    sleep = mark()
    script = f"setsid sleep {sleep} & (setsid sleep {sleep} &) ; echo $(cat /proc/self/cgroup); read x; exit 5"
    with start([*FULL, *LIMIT_FORMS[form], *LIMIT], ["sh", "-c", script], prefix=getattr(group, where),
               stdin=subprocess.PIPE) as process:
        lines = line_from(process).split()
        outer, = [path for path in group.left() if (path / "in").exists()]
        members = set(map(int, (outer / "in" / "cgroup.procs").read_text().split()))
        assert set(processes_with(sleep)) - {process.pid} <= members | set(parents(members))
        assert process.pid not in members
        assert any(line.startswith("0::") for line in lines)
        process.communicate("x\n", timeout=20)
        assert process.returncode == 5
    assert not group.left() and not processes_with(sleep)
    assert where != "alone" or not (group.leaf / "cgroup.subtree_control").read_text().strip()


# Nests groups below COMMAND's own, named by /proc/self/cgroup's line that begins with sys.argv[2], below sys.argv[1].
NEST = """import os, sys
line, = [line for line in open("/proc/self/cgroup") if sys.argv[2] in line.split(":", 2)[1].split(",")]
os.chdir(sys.argv[1] + line.split(":", 2)[2].strip())
made = 0
try:
    while made < 200:
        os.mkdir("n")
        os.chdir("n")
        made += 1
except OSError as error: print(os.strerror(error.errno), file=sys.stderr)
print(made, flush=True)"""


@pytest.mark.root
def test_groups_that_command_nests_are_few_and_go_with_the_sandbox(group):
    result = run(["--bind", "/", "/", "--proc", "/proc", *LIMIT, "--limit", "cgroup.max.descendants", "max"],
                 [*python(NEST), V2, ""], prefix=group.prefix)
    assert result.returncode == 0 and int(result.stdout) == 63, result
    assert result.stderr == "Resource temporarily unavailable\n"
    assert not group.left()


@pytest.mark.root
@pytest.mark.skipif(not (TOP / "pids" / "cgroup.procs").exists() or "pids" in HAS, reason="needs cgroup v1's pids")
def test_groups_nested_deeper_than_descriptors_last_are_removed():
    with start(["--bind", "/", "/", "--proc", "/proc", "--limit", "pids.max", "50"], [*python(NEST), TOP / "pids", "pids"],
               prefix=["prlimit", "--nofile=64:64"]) as process:
        out, error = process.communicate(timeout=120)
    assert (process.returncode, out, error) == (0, "200\n", "")
    assert not [path for path in (TOP / "pids").iterdir() if path.name.startswith(f"bwrapish-{process.pid}-")]


@pytest.mark.root
@pytest.mark.parametrize("option, runs", [("--unshare-cgroup-try", True), ("--unshare-cgroup", False)])
def test_a_cgroup_namespace_that_the_limit_forbids_is_skipped_with_groups_too(group, option, runs):
    setup = 'echo 0 >/proc/sys/user/max_cgroup_namespaces; exec "$@"'
    prefix = [*group.prefix, "unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-ec", setup, "sh",
              *NO_RIGHTS]
    result = run([*BASE, *LIMIT, option], ["echo", "ran"], prefix=prefix)
    assert (result.stdout == "ran\n") == runs, result
    assert runs or "a limit was reached" in result.stderr, result


@pytest.mark.root
@needs("cpuset")
def test_a_cpuset_that_the_kernel_does_not_grant_is_refused(group):
    line = ["--limit", "cpuset.cpus", "0", "--limit", "cpuset.cpus.partition", "root"]
    refused(line, "--limit (argument ", "cpuset.cpus.partition: The kernel does not grant root", "invalid", base=BASE,
            prefix=group.prefix)
    warned = run([*BASE, "--limit", "cpuset.cpus", "0", "--limit-try", "cpuset.cpus.partition", "root"],
                 ["echo", "ran"], prefix=group.prefix)
    assert warned.stdout == "ran\n" and "Going on without cpuset.cpus.partition" in warned.stderr, warned
    assert_ok(run([*BASE, "--limit", "cpuset.cpus", "0", "--limit", "cpuset.cpus.partition", "member"], ["true"],
                  prefix=group.prefix))
    if len(os.sched_getaffinity(0)) < 2:
        return
    (group.path / "cpuset.cpus").write_text("0")
    refused(["--limit", "cpuset.cpus", "1"], "cpuset.cpus: The kernel does not grant 1", "it is 0", base=BASE,
            prefix=group.prefix)
    assert_ok(run([*BASE, "--limit", "cpuset.cpus", "0-1"], ["true"], prefix=group.prefix))


def parents(pids):
    for pid in pids:
        yield int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


@pytest.mark.root
def test_the_limit_is_written_where_the_command_cannot_undo_it(group):
    script = "mount -t cgroup2 none /mnt && ls /mnt && cat /proc/self/cgroup && ls -d /mnt/*.max"
    result = run(["--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc", *LIMIT],
                 ["unshare", "-UrmC", "sh", "-c", script], prefix=group.prefix)
    key = LIMIT[1]
    assert "0::/\n" in result.stdout and "cgroup.procs" in result.stdout
    assert key == "cgroup.max.descendants" or key not in result.stdout


@pytest.mark.root
def test_cgroup_says_where(group):
    result = run([*FULL, "--cgroup", group.path, *LIMIT], ["cat", "/proc/self/cgroup"], prefix=group.prefix)
    assert_ok(result)
    assert re.search(rf"^0::.*/{group.path.name}/bwrapish-\d+-\d+/in$", result.stdout, re.M)


@pytest.mark.root
@pytest.mark.parametrize("args, command", [
    ([], ["/missing"]), (["--ro-bind", "/missing", "/x"], ["true"]), (["--limit", "rdma.max", "x"], ["true"]),
    (["--limit", "cgroup.max.depth", "1", "--chdir", "/missing"], ["true"])])
def test_a_run_that_fails_leaves_no_group(group, args, command):
    result = run([*BASE, *LIMIT, *args], command, prefix=group.prefix)
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert not group.left()


@pytest.mark.root
def test_without_clone3_the_process_is_moved(group):
    result = run([*FULL, *LIMIT], ["cat", "/proc/self/cgroup"],
                 prefix=[*group.prefix, "strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=clone3:error=ENOSYS"])
    assert re.search(r"/bwrapish-\d+-\d+/in$", result.stdout, re.M), result
    assert not group.left()


@pytest.mark.root
def test_what_a_killed_supervisor_left_is_swept_by_the_next(group):
    sleep = mark()
    with start([*FULL, *LIMIT], ["sh", "-c", f"setsid sleep {sleep} & echo ready; read x"], prefix=group.prefix,
               stdin=subprocess.PIPE) as process:
        line_from(process)
        stale, = group.left()[:1]
        os.kill(int(stale.name.split("-")[1]), signal.SIGKILL)
        process.wait()
        assert_ok(run([*BASE, *LIMIT], ["true"], prefix=group.prefix))
        assert not processes_with(sleep)
    assert not group.left()


TAKING_THE_LOCK = """
import fcntl, os, sys
top, mark = sys.argv[1:]
own, = (line.split(":", 2)[2].strip() for line in open("/proc/self/cgroup") if line.startswith("0::"))
if os.fork() == 0:
    fd = os.open(top + own.rsplit("/", 1)[0], os.O_RDONLY)
    print("ready", flush=True)
    fcntl.flock(fd, fcntl.LOCK_EX)
    os.set_inheritable(fd, True)
    if os.fork() == 0: os.execvp("sleep", ["sleep", "1" + mark])
    os._exit(0)
sys.stdin.read()
"""


@pytest.mark.root
def test_what_a_killed_supervisor_left_is_swept_whoever_in_it_has_taken_its_lock(group):
    sleep = mark()
    with start(["--ro-bind", "/", "/", "--dev", "/dev", *LIMIT], [*python(TAKING_THE_LOCK), V2, sleep],
               prefix=group.prefix, stdin=subprocess.PIPE) as process:
        line_from(process)
        stale, = group.left()[:1]
        os.kill(int(stale.name.split("-")[1]), signal.SIGKILL)
        process.wait()
        wait_for(lambda: processes_with("1" + sleep))
        assert_ok(run([*BASE, *LIMIT], ["true"], prefix=group.prefix))
        wait_for(lambda: not processes_with("1" + sleep))
    assert not group.left()


@pytest.mark.root
def test_no_other_user_can_open_the_directory_of_a_group(group):
    with start([*FULL, *LIMIT], ["sh", "-c", "echo ready; read x"], prefix=group.prefix,
               stdin=subprocess.PIPE) as process:
        line_from(process)
        assert {path.stat().st_mode & 0o077 for path in group.left() if path.name != "in"} == {0}


@pytest.mark.root
def test_a_living_supervisors_group_is_not_swept(group):
    with start([*FULL, *LIMIT], ["sh", "-c", "echo ready; read x; echo $x"], prefix=group.prefix,
               stdin=subprocess.PIPE) as process:
        line_from(process)
        assert_ok(run([*BASE, *LIMIT], ["true"], prefix=group.prefix))
        assert process.communicate("well\n", timeout=20)[0] == "well\n"


def supervisors_capabilities(args, group=None):
    enter = group and (lambda: (group.leaf / "cgroup.procs").write_text("0"))
    with start([*FULL, *args], ["sh", "-c", "echo ready; read x"], stdin=subprocess.PIPE, preexec_fn=enter) as process:
        line_from(process)
        found = int(status_fields(Path(f"/proc/{process.pid}/status").read_text())["CapPrm"], 16)
        process.communicate("x\n", timeout=20)
        assert process.returncode == 0
    return found


@pytest.mark.root
def test_a_root_callers_supervisor_keeps_only_the_capabilities_that_the_end_needs(group):
    dac_override, kill = 1 << 1, 1 << 5
    beside = subprocess.Popen(["sleep", "60"], preexec_fn=lambda: (group.leaf / "cgroup.procs").write_text("0"))
    assert supervisors_capabilities(["--timeout", "9"]) == kill
    assert supervisors_capabilities(["--timeout", "9", "--unshare-user"]) == 0
    assert supervisors_capabilities(LIMIT, group) == kill | dac_override
    assert supervisors_capabilities([*LIMIT, "--unshare-user"], group) == dac_override
    os.chown(group.path, 0, 0)
    assert supervisors_capabilities([*LIMIT, "--unshare-user"], group) == 0
    group.path.chmod(0o555)
    assert supervisors_capabilities([*LIMIT, "--unshare-user"], group) == dac_override
    beside.kill()
    beside.wait()
    assert not group.left()


@pytest.mark.skipif(not os.path.exists("/usr/bin/strace"), reason="needs strace")
@pytest.mark.parametrize("args", [["--timeout", "9"], ["--unshare-pid"], ["--die-with-parent"]])
def test_a_message_that_cannot_be_sent_leaves_nobody_waiting(args):
    """The supervisor's first write(2) tells setup that it may go on."""
    refused(args, "Can't reach the other side of the sandbox; nothing was run", base=BASE,
            prefix=["strace", "-qqq", "-o", "/dev/null", "-e", "inject=write:error=ENOBUFS:when=1"])


@pytest.mark.parametrize("args", [["--timeout", "30"], ["--unshare-pid"]])
def test_a_supervisor_sleeps_while_setup_waits(args):
    def n_wakes():
        return int(status_fields(Path(f"/proc/{process.pid}/status").read_text())["voluntary_ctxt_switches"])

    read_end, write_end = pipe()
    with start([*FULL, *args, "--block-fd", read_end], ["true"]) as process:
        time.sleep(0.7)
        before = n_wakes()
        time.sleep(1)
        assert n_wakes() - before <= 1
        close(write_end)
        process.communicate(timeout=20)


@pytest.mark.root
@pytest.mark.skipif(not os.path.exists("/usr/bin/strace"), reason="needs strace")
@pytest.mark.parametrize("args", [["--timeout", "9"], ["--unshare-pid"], ["--die-with-parent", "--info-fd", "2"]])
def test_command_is_not_started_before_the_supervisor_has_lost_its_privilege(args):
    # Only the supervisor asks for its capabilities a second time.
    slowly = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", "inject=capget:delay_enter=500000:when=2"]
    with start([*FULL, *args], ["sh", "-c", "echo ready; read x"], stdin=subprocess.PIPE, prefix=slowly) as process:
        line_from(process)
        supervisor = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0]
        fields = status_fields(Path(f"/proc/{supervisor}/status").read_text())
        process.communicate("x\n", timeout=20)
    assert int(fields["CapPrm"], 16) & ~(1 << 5) == 0


@pytest.mark.root
def test_what_became_another_user_is_ended_too():
    sleep = mark()
    script = f"setpriv --reuid=1 --clear-groups setsid sleep {sleep} & sleep 0.3"
    result = run([*FULL, "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--timeout", "9"], ["sh", "-c", script])
    assert_ok(result)
    assert not processes_with(sleep)


@pytest.mark.root
def test_two_hundred_of_which_a_third_is_killed_leave_nothing(group):
    sleep, chance = mark(), random.Random(5)
    running = []
    beside = subprocess.Popen(["sleep", "60"], preexec_fn=lambda: (group.leaf / "cgroup.procs").write_text("0"))
    for i in range(200):
        args = [*FULL, *(["--unshare-pid"] if i % 2 else []), *LIMIT, "--timeout", "20"]
        running.append(subprocess.Popen(
            command_line(args, ["sh", "-c", f"setsid sleep {sleep} & sleep 0.01"], prefix=group.as_user),
            preexec_fn=lambda: (group.leaf / "cgroup.procs").write_text("0"),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        if i % 3 == 0:
            time.sleep(chance.random() * 0.03)  # from before its first step to after its last
            running[-1].kill()
        if i >= 4:
            running[i - 4].wait()
    statuses = [process.wait() for process in running]
    assert statuses.count(-signal.SIGKILL) > 20 and statuses.count(0) > 100, statuses
    beside.kill()
    beside.wait()
    assert_ok(run([*BASE, *LIMIT], ["true"], prefix=group.prefix))
    wait_for(lambda: not processes_with(sleep))
    assert not group.left()


@pytest.mark.root
@needs("memory")
def test_every_kind_of_value_arrives_in_its_file(group):
    told = {"memory.high": ("30M", "31457280"), "memory.max": ("max", "max"), "pids.max": ("70", "70"),
            "cpu.max": ("150%", "150000 100000"), "cpu.weight": ("50", "50"), "cpuset.cpus": ("0", "0")}
    words = [word for key, (value, _) in told.items() for word in ("--limit", key, value)]
    with start([*FULL, *words], ["sh", "-c", "nproc; read x"], prefix=group.prefix, stdin=subprocess.PIPE) as process:
        assert line_from(process) == "1"
        outer = next(path for path in group.left() if (path / "in").exists())
        assert {key: (outer / key).read_text().strip() for key in told} == {key: value for key, (_, value) in told.items()}
        process.communicate("x\n", timeout=20)
    assert not group.left()


@pytest.mark.root
@needs("memory")
def test_an_oom_kill_is_told_apart(group):
    fd = data_fd()
    result = run([*FULL, "--limit", "memory.max", "20M", "--limit-try", "memory.swap.max", "0", "--verbose",
                  "--json-status-fd", fd], python("x = b'x' * 50000000"), prefix=group.prefix)
    use = content(fd)[-2]
    assert result.returncode == 137 and "out of memory" in result.stderr
    assert use["ended-by"] == "oom-kill" and use["oom-kills"] >= 1 and use["memory-peak-bytes"] <= 20 << 20


@pytest.mark.root
@needs("memory")
def test_the_seven_megabytes_of_the_readme_word_for_word(group, box):
    lines = next(block for block in re.findall(r"```sh\n(.*?)```", (REPO / "README.md").read_text(), re.S) if "7500000" in block)
    (box / "build").mkdir()
    (box / "build" / "bwrapish").symlink_to(BINARY)
    os.chown(box, group.uid, group.gid)
    result = subprocess.run([*group.prefix, "sh", "-c", lines], cwd=box, capture_output=True, text=True)
    assert result.returncode == 137 and "still here" not in result.stdout
    assert '"ended-by": "oom-kill"' in result.stdout.splitlines()[-2]


@pytest.mark.root
@needs("memory")
def test_too_little_memory_to_start_is_said(group):
    args = ["--limit", "memory.max", "4K", "--limit-try", "memory.swap.max", "0"]
    result = run([*BASE, *args], ["true"], prefix=group.prefix)
    assert result.returncode == 1, result
    assert re.search(r"--limit \(argument \d+\) (allows is not enough to start|leaves no room)", result.stderr), result
    assert not group.left()


@pytest.mark.root
@pytest.mark.skipif(not os.path.exists("/usr/bin/strace"), reason="needs strace")
@pytest.mark.skipif(not (TOP / "cpuset" / "tasks").exists(), reason="needs cgroup v1 with the cpuset controller")
def test_limit_try_goes_on_without_a_cpuset_that_cannot_be_filled():
    """The first thing written is the new group's cpuset.cpus."""
    result = run([*BASE, "--limit-try", "cpuset.cpus", "0"], ["echo", "ran"],
                 prefix=["strace", "-qqq", "-o", "/dev/null", "-e", "inject=write:error=ENOSPC:when=1"])
    assert (result.returncode, result.stdout) == (0, "ran\n"), result
    assert result.stderr.count("\n") == 1 and "Going on without cpuset.cpus" in result.stderr, result


@pytest.mark.root
@pytest.mark.skipif(not all((TOP / name / "tasks").exists() for name in ("pids", "freezer")), reason="needs cgroup v1")
def test_what_command_has_frozen_ends_too():
    sleep = mark()
    script = f"""
        group={TOP}/freezer$(sed -n 's/.*:freezer://p' /proc/self/cgroup)/frozen
        mkdir "$group"
        sleep {sleep} &
        echo $! >"$group/cgroup.procs"
        echo FROZEN >"$group/freezer.state"
        exit 5"""
    result, took = seconds_of(["--bind", "/", "/", "--dev", "/dev", "--limit", "pids.max", "50"], ["sh", "-ec", script])
    assert (result.returncode, result.stderr) == (5, "") and took < 5, (result, took)
    assert not processes_with(sleep)


@pytest.mark.root
@pytest.mark.skipif(not (TOP / "memory" / "tasks").exists(), reason="needs cgroup v1 with the memory controller")
def test_no_memory_at_all_is_said():
    refused(["--limit", "memory.max", "0"], "the memory.max of --limit (argument ", "leaves no room for it", base=BASE)


@pytest.mark.root
def test_a_given_group_that_the_caller_is_not_near_is_said(group):
    result = run([*BASE, "--cgroup", group.path], ["true"],
                 prefix=["setpriv", f"--reuid={group.uid}", f"--regid={group.gid}", "--clear-groups"])
    assert result.returncode == 1, result
    assert re.match(r"bwrapish: --cgroup \(argument \d+\): .* below the same delegated one", result.stderr), result
    assert not group.left()


@pytest.mark.root
@needs("memory")
def test_too_little_memory_in_a_group_that_was_given_is_said(group):
    given = group.path / "given"
    given.mkdir()
    for name in (".", "cgroup.procs", "cgroup.subtree_control"):
        os.chown(given / name, group.uid, group.gid)
    (given / "memory.max").write_text("2M")
    group.switch(given, ["memory"])  # or ours would not know of it
    result = run([*BASE, "--cgroup", given, "--file", data_fd(bytes(16 << 20)), "/f"], ["true"], prefix=group.prefix)
    assert result.returncode == 1, result
    assert re.search(r"the memory that --cgroup \(argument \d+\) allows is not enough to start", result.stderr), result
    assert not group.left()


@pytest.mark.root
@needs("pids")
@pytest.mark.parametrize("form", ["plain", "everything"])
def test_a_fork_bomb_under_pids_max_leaves_nothing(group, form):
    result = run([*FULL, *LIMIT_FORMS[form], "--limit", "pids.max", "50", "--timeout", "2"],
                 ["bash", "-c", "f() { f | f & }; f; sleep 99"], prefix=group.prefix)
    assert result.returncode in (124, 137)
    assert not group.left()


@pytest.mark.root
@needs("pids")
@pytest.mark.parametrize("value", ["0", "1"])
def test_too_few_processes_to_start_is_said(group, value):
    result = run([*BASE, "--unshare-pid", "--limit", "pids.max", value], ["true"], prefix=group.prefix)
    assert result.returncode == 1 and "pids.max" in result.stderr and result.stderr.count("\n") == 1
    assert not group.left()


@pytest.mark.root
@needs("cpu")
def test_a_share_of_a_cpu_throttles(group):
    fd = data_fd()
    run([*BASE, "--limit", "cpu.max", "20%", "--timeout", "2", "--json-status-fd", fd], ["sh", "-c", "while :; do :; done"],
        prefix=group.prefix)
    use = content(fd)[-2]
    assert use["throttled"] > 3 and use["cpu-us"] < 1000000 and use["ended-by"] == "timeout"


# ---- --limit: a scope of systemd's ----

SYSTEMD = "/lib/systemd/systemd"
SCOPE_LIMIT = ["--limit", "pids.max", "50"] if "pids" in HAS else ["--limit", "cgroup.max.descendants", "7"]


class UserManager:
    """A systemd --user in a mount namespace of its own, where version 2 is all there is; `prefix` starts a user's process
    beside it, as a login session does: in a group that is not the user's, from where the manager may fetch it."""

    def __init__(self):
        self.group = V2 / f"test-{os.getpid()}-{time.monotonic_ns()}"
        self.session, managers = self.group / "session", self.group / "manager"
        uid, gid = user_ids()
        Delegated.switch(V2, [name for name in HAS if name in ("memory", "pids", "cpu")])
        for path in (self.group, self.session, managers):
            path.mkdir()
            Delegated.switch(path.parent, [name for name in HAS if name in ("memory", "pids", "cpu")])
        for path in (managers, managers / "cgroup.procs", managers / "cgroup.subtree_control", self.group / "cgroup.procs"):
            os.chown(path, uid, gid)
        self.runtime = Path(tempfile.mkdtemp(prefix="bwrapish-test-", dir="/tmp"))
        os.chown(self.runtime, uid, gid)
        environment = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups",
                       "env", "-i", "PATH=/usr/bin:/bin", "HOME=/nonexistent", f"XDG_RUNTIME_DIR={self.runtime}"]
        # systemd and busctl want to know the user's name
        names = self.runtime / "passwd"
        names.write_text(f"{Path('/etc/passwd').read_text()}manager:x:{uid}:{gid}::/:/bin/sh\n")
        # sd_booted(3) looks for that directory
        script = f"""mount --bind {names} /etc/passwd && {'mount -t cgroup2 none ' + str(TOP) if V2 != TOP else ':'} && mkdir -p /run/systemd && mount -t tmpfs none /run/systemd &&
            mkdir /run/systemd/system && echo $$ >{TOP / managers.relative_to(V2)}/cgroup.procs && exec "$@" """
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *environment, SYSTEMD, "--user"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        self.enter = ["nsenter", f"--mount=/proc/{self.process.pid}/ns/mnt", "sh", "-c"]
        self.join = f"echo $$ >{TOP / self.session.relative_to(V2)}/cgroup.procs && "
        self.environment = environment
        self.prefix = [*self.enter, self.join + '"$@"; exit $?', "sh", *environment]

    def wait(self):
        private = self.runtime / "systemd" / "private"
        wait_for(lambda: private.is_socket() or self.process.poll() is not None, 120, "the manager's start")
        assert self.process.poll() is None

    def in_place_of_busctl(self, path):
        """A prefix: the same, with something else where busctl is."""
        own = f'mount --bind {path} /usr/bin/busctl && {self.join} exec "$@"'
        return [*self.enter, 'exec unshare --mount sh -c "$@"', "sh", own, "sh", *self.environment]

    def left(self):
        return groups_of_ours(self.group)

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(60)
        finally:
            kill_session(self.process.pid)
            wait_for(lambda: (self.group / "cgroup.events").read_text().startswith("populated 0"), 20)
            for path in sorted((p for p in self.group.rglob("*") if p.is_dir()), reverse=True):
                path.rmdir()
            self.group.rmdir()
            shutil.rmtree(self.runtime)


@pytest.fixture(scope="module")
def manager():
    if V2 is None:
        pytest.skip("no cgroup v2 here")
    for path in (SYSTEMD, "/usr/bin/busctl", "/usr/lib/systemd/user/dbus.socket"):
        if not os.path.exists(path):
            pytest.skip(f"no {path} here (packages systemd, dbus-user-session)")
    started = UserManager()
    try:
        started.wait()
        yield started
    finally:
        started.end()


def nothing_is_left(manager):
    wait_for(lambda: not manager.left(), 10, "the end of the scope")  # by systemd, a moment after our end


@pytest.mark.root
@pytest.mark.parametrize("form", ["plain", "everything"])
def test_systemds_user_manager_gives_a_scope_where_no_group_is_writable(manager, form):
    result = run([*FULL, *LIMIT_FORMS[form], *SCOPE_LIMIT], ["sh", "-c", "cat /proc/self/cgroup; exit 3"], prefix=manager.prefix)
    assert (result.returncode, result.stderr) == (3, "")
    where = "^0::.*/bwrapish-[0-9]+-[0-9]+[.]scope/bwrapish-[0-9]+-[0-9]+/in$" if form == "plain" else "^0::/$"
    assert re.search(where, result.stdout, re.M), result
    nothing_is_left(manager)


@pytest.mark.root
@needs("memory")
def test_in_a_scope_an_oom_kill_is_told_apart(manager):
    fd = data_fd()
    result = run([*FULL, "--limit", "memory.max", "20M", "--limit-try", "memory.swap.max", "0", "--limit", "pids.max", "9",
                  "--json-status-fd", fd], python("x = b'x' * 50000000"), prefix=manager.prefix)
    assert result.returncode == 137 and content(fd)[-2]["ended-by"] == "oom-kill", result
    nothing_is_left(manager)


@pytest.mark.root
@pytest.mark.parametrize("args, command", [([], ["/missing"]), (["--ro-bind", "/missing", "/x"], ["true"])])
def test_a_run_that_fails_leaves_no_scope(manager, args, command):
    result = run([*BASE, *SCOPE_LIMIT, *args], command, prefix=manager.prefix)
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    nothing_is_left(manager)


@pytest.mark.root
def test_a_scope_goes_with_a_supervisor_that_is_killed(manager):
    sleep = mark()
    with start([*FULL, "--unshare-pid", *SCOPE_LIMIT], ["sh", "-c", f"sleep {sleep} & echo ready; wait"],
               prefix=manager.prefix) as process:
        line_from(process)
        supervisor = next(int(path.name.split("-")[1]) for path in manager.left())
        os.kill(supervisor, signal.SIGKILL)
        wait_for(lambda: not processes_with(sleep))
        nothing_is_left(manager)


@pytest.mark.root
def test_without_busctl_the_error_says_so(manager):
    refused(SCOPE_LIMIT, "is not writable", "busctl, which asks it, is not installed (package systemd)", "Delegate=yes",
            base=BASE, prefix=manager.in_place_of_busctl("/dev/null"))


@pytest.mark.root
@pytest.mark.parametrize("end, status", [("bound", 1), ("signal", 143), ("time", 124)])
def test_a_bus_that_does_not_answer_is_waited_for_within_bounds(manager, box, end, status):
    box.chmod(0o777)
    fake = box / "busctl"
    fake.write_text(f"#!/bin/sh\ntrap '' ALRM\n: >{box}/asked\nexec /usr/bin/sleep 60\n")
    fake.chmod(0o755)
    with start([*BASE, *SCOPE_LIMIT, *(["--timeout", "2"] if end == "time" else [])], ["echo", "COMMAND RAN"],
               prefix=manager.in_place_of_busctl(fake)) as process:
        wait_for((box / "asked").exists, 20, "the question")
        if end == "signal":
            process.terminate()
        said, complaint = process.communicate(timeout=30)
        assert process.returncode == status and said == "", complaint
    assert ("no answer within 5 seconds" in complaint) == (end == "bound")
    nothing_is_left(manager)


@pytest.mark.root
def test_busctl_gets_nothing_of_the_callers_and_its_words_are_passed_on(manager, box):
    fake, data, passed = box / "busctl", data_fd("x"), keep(os.open("/dev/null", os.O_RDONLY))
    fake.write_text(f"#!/bin/sh\nfor n in {data} {passed}; do [ ! -e /proc/$$/fd/$n ] || echo has $n >&2; done\n"
                    "echo $(tr '\\0' ' ' </proc/$$/environ)and no more >&2\nexit 1\n")
    fake.chmod(0o755)
    prefix = [*manager.in_place_of_busctl(fake), "env", "SECRET=x", "DBUS_SESSION_BUS_ADDRESS=unixexec:path=/bin/true"]
    refused([*BASE, "--ro-bind-data", data, "/x", *SCOPE_LIMIT], f": XDG_RUNTIME_DIR={manager.runtime} and no more;",
            prefix=prefix, pass_fds=[passed])


@pytest.mark.root
def test_what_busctl_says_is_not_believed(manager):
    refused(SCOPE_LIMIT, "did not move this process", base=BASE, prefix=manager.in_place_of_busctl("/bin/true"))


@pytest.mark.root
def test_a_manager_that_knows_us_by_another_pid_is_not_asked(manager):
    refused(SCOPE_LIMIT, "is in another pid namespace", base=BASE,
            prefix=[*manager.prefix[:-len(manager.environment)], "unshare", "--pid", "--fork", "--mount-proc",
                    *manager.environment])


@pytest.mark.root
def test_a_slice_is_systemds_even_if_the_user_may_write_to_it(group):
    slice = group.path / "x.slice"
    (slice / "leaf").mkdir(parents=True)
    group.switch(slice, LIMIT[1].split(".")[:1] if "hugetlb" in HAS else [])
    for path in (slice, *(slice / name for name in ("cgroup.procs", "cgroup.subtree_control", "leaf/cgroup.procs"))):
        os.chown(path, group.uid, group.gid)
    prefix = ["sh", "-c", f'echo $$ >{slice}/leaf/cgroup.procs; "$@"; exit $?', "sh", *group.as_user]
    refused(LIMIT, "is not writable", "XDG_RUNTIME_DIR is not set", base=BASE, prefix=prefix)


# ---- --limit: version 1, for root ----

def needs_v1(controller):
    here = (TOP / controller / "cgroup.procs").exists() and controller not in HAS
    return pytest.mark.skipif(not here, reason=f"{controller} is not on cgroup v1 here")


def left_v1():
    # os.walk(), unlike glob(), does not mind what disappears
    groups = [Path(path) for path, _, _ in os.walk(TOP) if os.path.basename(path).startswith("bwrapish-")]
    return [str(path) for path in groups if "/test-" not in str(path) and not is_locked(path)]


def is_locked(path):
    """By its supervisor: one of a test that runs beside this one."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return not path.exists()
    except BlockingIOError:
        return True
    finally:
        os.close(fd)


@pytest.mark.root
@needs_v1("memory")
def test_v1_memory_max_is_mapped_and_an_oom_kill_told():
    fd = data_fd()
    result = run([*FULL, "--unshare-all", "--limit", "memory.max", "20M", "--json-status-fd", fd], python("x = b'x' * 50000000"))
    assert result.returncode == 137 and content(fd)[-2]["ended-by"] == "oom-kill"
    assert not left_v1()


@pytest.mark.root
@needs_v1("memory")
@needs_strace
def test_v1_without_a_freezer_whoever_gets_the_number_of_a_member_is_not_killed_for_it():
    script = "sh -c 'sleep 1 & echo $!; wait; sleep 50' & sleep 0.3"
    line = command_line(["--ro-bind", "/", "/", "--dev", "/dev", "--limit", "memory.max", "1G"], ["sh", "-c", script])
    prefix = host_mounts(f"mount -t proc proc /proc; mount -t tmpfs none {TOP}/freezer")
    result = subprocess.run(["unshare", "--pid", "--fork", "--kill-child", *prefix, *python(REUSE),
                             *slowly("kill", "pidfd_send_signal", seconds=2), *line],
                            stdout=subprocess.PIPE, text=True, timeout=90)
    assert result.stdout == "(0, 0)\n"
    assert not left_v1()


@pytest.mark.root
@needs_v1("pids")
def test_v1_pids_max_holds_a_fork_bomb_and_nothing_is_left():
    result = run([*FULL, "--limit", "pids.max", "50", "--timeout", "1", "--kill-after", "1"],
                 ["bash", "-c", "f() { f | f & }; f; sleep 99"])
    assert result.returncode in (124, 137)
    assert not left_v1()


@pytest.mark.root
@needs_v1("pids")
def test_v1_what_is_killed_one_by_one_is_frozen_first(box):
    """Or it could go on making processes meanwhile."""
    trace = box / "trace"
    result = run([*FULL, "--limit", "pids.max", "50"], ["sh", "-c", "setsid sleep 99 & exit 3"],
                 prefix=["strace", "-o", trace, "-e", "trace=write"])
    assert result.returncode == 3 and re.search(r'write\(\d+, "FROZEN", 6\) += 6', trace.read_text())


@pytest.mark.root
@needs_v1("cpuset")
def test_v1_cpuset_and_cpu_are_mapped():
    result = run([*FULL, "--limit", "cpuset.cpus", "0", "--limit", "cpu.weight", "50", "--limit", "cpu.max", "50%"], ["nproc"])
    assert_ok(result)
    assert result.stdout == "1\n"
    assert not left_v1()


@pytest.mark.root
@needs_v1("memory")
def test_v1_says_what_it_has_no_equal_for():
    refused(["--limit", "memory.high", "3M"], "memory.high: it has no equal in cgroup version 1", base=BASE)
    assert not left_v1()
