"""Which processes there are, and sandboxes in sandboxes."""
import os
import re
import subprocess

import pytest

from lines import form_args
from sandbox import (BASE, BINARY, ENV, FULL, IS_ROOT, REFUSE, WITH_PROC, command_line, inside, is_descendant,
                     line_from, python, run, shell, start)

pytestmark = pytest.mark.core


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


def test_new_session_of_a_group_leader_still_works():
    with start([*BASE, "--new-session"], python("import os; print(os.getsid(0) == os.getpid())")) as process:
        assert line_from(process) == "True"  # start() made it a session leader, so setsid needs a child


def test_command_is_pid_2_below_a_reaper_and_pid_1_with_as_pid_1():
    assert shell(["--unshare-pid"], "echo $$").strip() != "1"
    assert shell(["--unshare-pid", "--as-pid-1"], "echo $$") == "1\n"
    assert inside(["--unshare-pid"], "os.getppid()") == 1


# ---- what is inherited ----

def test_two_hundred_runs_at_once_all_succeed():
    line = command_line([*FULL, "--unshare-all", "--die-with-parent"], ["true"])
    for _ in range(4):
        processes = [subprocess.Popen(line, stdin=subprocess.DEVNULL, env=ENV, cwd="/") for _ in range(25)]
        assert [process.wait(60) for process in processes] == [0] * 25


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
    assert "No space left" not in result.stderr and "user namespaces" in result.stderr
