"""--limit: control groups of version 1 and 2, and what is left of them."""
import fcntl
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

from cgroups import HAS, LIMIT, TOP, V2, group, needs
from lines import LIMIT_FORMS, limit_forms
from sandbox import (BASE, BINARY, FULL, NO_RIGHTS, PREFIX, REPO, REUSE, assert_ok, close, command_line, content, data_fd,
                     host_mounts, line_from, mark, needs_strace, pipe, processes_with, python, refused, run, seconds_of,
                     slowly, start, status_fields, wait_for)


# ---- --limit: words ----

@pytest.mark.parametrize("args, message", [
    (["memory.maxx", "1M"], "is memory.max meant?"), (["memory", "1M"], "is memory.max meant?"),
    (["mem.high", "1M"], "is memory.high meant?"), (["memory=1M", "ls"], "memory 1M; is memory.max meant?"), (["../x", "1"], "Unknown key"), (["cgroup.procs", "0"], "Unknown key"),
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

    def sleeps():  # that is nothing it does while it polls
        before = n_wakes()
        time.sleep(1)
        return n_wakes() - before <= 1

    read_end, write_end = pipe()
    with start([*FULL, *args, "--block-fd", read_end], ["true"]) as process:
        wait_for(sleeps, what="a second's sleep")
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
    assert result.returncode == 137 and "the kernel has killed COMMAND, out of the memory that --limit (argument " in result.stderr
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


# ---- --limit: version 1, for root ----

def needs_v1(controller):
    here = (TOP / controller / "cgroup.procs").exists() and controller not in HAS
    return pytest.mark.skipif(not here, reason=f"{controller} is not on cgroup v1 here")


def left_v1():
    # os.walk(), unlike glob(), does not mind what disappears
    groups = [Path(path) for path, _, _ in os.walk(TOP) if os.path.basename(path).startswith("bwrapish-")]
    return [str(path) for path in groups if "/test-" not in str(path) and not is_in_use(path)]


def is_in_use(path):
    """By its supervisor: one of a test that runs beside this one. It is made first, then locked."""
    if os.path.exists(f"/proc/{path.name.split('-')[1]}"):
        return True
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
    assert re.fullmatch(PREFIX + r"the kernel has killed COMMAND, out of the memory that --limit \(argument \d+\) allows\n", result.stderr)
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
