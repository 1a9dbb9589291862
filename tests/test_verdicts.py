"""What is said on stderr once COMMAND was ended by something else than itself: the time, a filter, the memory of its group."""
import pytest

from cgroups import group, needs
from lines import SHORT, SOON, form_args
from sandbox import BASE, BINARY, FULL, KILL, PREFIX, bpf, data_fd, python, python_prefix, run

with_supervisor = pytest.mark.parametrize("form", ["supervised", "with pid 1", "as pid 1", "die with parent"])


def at(args, option):
    return f"{option} (argument {args.index(option) + 1})"


@pytest.fixture(params=["bwrapish", "bwrap"])
def name(request, box):
    (box / request.param).symlink_to(BINARY)
    return box / request.param


@pytest.mark.parametrize("form", ["supervised", "with pid 1", "die with parent"])
def test_the_end_of_the_time_is_told(form):
    args = [*BASE, *form_args(form), "--timeout", str(SOON)]
    result = run(args, ["sleep", "60"])
    assert (result.returncode, result.stderr) == (124, f"{PREFIX}{at(args, '--timeout')}: the time was up after {round(SOON * 1000)} ms: COMMAND was asked to end by SIGTERM\n")


def test_that_the_end_of_the_time_took_a_kill_is_told():
    args = [*BASE, "--unshare-pid", *SHORT]
    result = run(args, ["sleep", "60"], prefix=python_prefix("signal.signal(signal.SIGTERM, signal.SIG_IGN)"))
    assert result.returncode == 137 and "was asked to end by SIGTERM, and killed 200 ms later, since it did not\n" in result.stderr


@with_supervisor
def test_the_end_by_a_filter_is_told_with_the_calls_that_it_may_have_been_for(form):
    args = [*BASE, *form_args(form), "--seccomp-deny", "uname,acct:kill", "--seccomp-errno", "kill"]
    result = run(args, ["uname"])
    assert result.returncode == 159
    assert result.stderr == (f"{PREFIX}COMMAND was ended by SIGSYS, as a seccomp filter does for a call that it denies; "
                             f"{at(args, '--seccomp-errno')} does so for uname, acct\n")


def test_the_end_by_what_filters_are_not_the_lists_is_told_as_such():
    def told(args, command):
        result = run([*BASE, "--unshare-pid", *args], command)
        assert result.returncode == 159, result
        return result.stderr
    assert "none of this line's has that to do, but one around it or of COMMAND's own may" in told([], ["sh", "-c", "kill -SYS $$"])
    args = ["--seccomp", data_fd(bpf({"getuid": KILL}))]
    assert f"the program of --seccomp (argument {len(BASE) + 2}) may" in told(args, python("import os; os.getuid()"))
    args = ["--seccomp-profile", "default", "--seccomp-errno", "kill"]
    assert "does so for what is denied, and --seccomp-trace FD in its place tells what that is" in told(args, ["unshare", "--user", "true"])


@pytest.mark.parametrize("command", [["true"], ["false"], ["sh", "-c", "kill -TERM $$"], ["sh", "-c", "exit 159"]], ids=str)
def test_nothing_is_told_of_what_command_did_itself(command):
    assert run([*BASE, "--unshare-pid", "--timeout", "30", "--seccomp-deny", "acct", "--seccomp-errno", "kill"], command).stderr == ""


def test_under_the_name_bwrap_it_is_told_only_with_verbose(name):
    kill = ["sh", "-c", "kill -SYS $$"]
    quiet, loud = run([*BASE, "--unshare-pid"], kill, program=name), run([*BASE, "--unshare-pid", "--verbose"], kill, program=name)
    assert ("COMMAND was ended by SIGSYS" in quiet.stderr) == (name.name == "bwrapish")
    assert "COMMAND was ended by SIGSYS" in loud.stderr and quiet.returncode == loud.returncode == 159


@pytest.mark.root
@needs("memory")
def test_the_end_for_want_of_memory_is_told(group):
    args = [*FULL, "--limit", "memory.max", "20M", "--limit-try", "memory.swap.max", "0"]
    eat = python("x = b'x' * 50000000")
    result = run(args, eat, prefix=group.prefix)
    assert result.returncode == 137
    assert result.stderr == f"{PREFIX}the kernel has killed COMMAND, out of the memory that {at(args, '--limit')} allows\n"
    # one that COMMAND waits for, and goes on without
    result = run(args, ["sh", "-c", '"$@"; exit 3', "sh", *eat], prefix=group.prefix)
    assert result.returncode == 3 and "has killed 1 of the sandbox's processes, out of the memory" in result.stderr
