"""Stubs: what stands on the host for what is missing below --mask and --protect, as long as a sandbox needs it."""
import fcntl
import os
import random
import resource
import signal
import stat
import time

import pytest

from lines import form_args, forms
from masks import DROP, ONLY_ACCIDENTS, attacks
from sandbox import BASE, FULL, IS_ROOT, PYTHON, Holder, as_user, assert_ok, line_from, needs_strace, python, refused, run, start, user_ids, wait_for

FILE, DIRECTORY = stat.S_IFREG | stat.S_ISVTX | 0o444, stat.S_IFDIR | stat.S_ISVTX | 0o555


@pytest.fixture
def project(box):
    (box / "project").mkdir()
    return box / "project"


def line(project, *args):
    """Without .env and .git, which COMMAND must not make."""
    return [*FULL, "--bind", project, "/p", "--mask", "/p/.env", "--protect", "/p/.git/hooks", *DROP, *args]


def modes(project):
    return {entry.name: entry.lstat().st_mode for entry in project.iterdir()}


def waits(project, *args):
    """A sandbox that has begun, and ends with its input."""
    sandbox = start(line(project, *args), python("import sys; print('begun', flush=True); sys.stdin.read()"), stdin=-1)
    assert line_from(sandbox) == "begun"
    return sandbox


def end(sandbox):
    sandbox.stdin.close()
    assert sandbox.wait() == 0


BOTH = {".env": FILE, ".git": DIRECTORY}


@pytest.mark.core
@forms
def test_what_is_missing_cannot_be_made_and_leaves_nothing_on_the_host(project, form):
    (project / "other").touch()
    for path, above in (("/p/.env", []), ("/p/.git", []), ("/p/.git/hooks", ["/p/.git"])):
        assert attacks([*line(project)[len(FULL):], *form_args(form)], path, above, "/p/other") == []
    assert os.listdir(project) == ["other"]


def test_a_stub_bears_a_mark_and_goes_with_the_last_sandbox_that_needs_it(project):
    with waits(project) as first, waits(project, "--unshare-pid") as second:
        assert modes(project) == BOTH
        end(first)
        assert modes(project) == BOTH
        end(second)
    assert not modes(project)


@pytest.mark.core
def test_a_line_that_fails_leaves_no_stub(project):
    refused([*line(project), "--chmod", "700", "/p/missing/x"], "missing")
    refused(line(project), "No such file", command=["/nonexistent"])
    assert not modes(project)


@needs_strace
@pytest.mark.parametrize("call, number", [("mkdirat", 1), ("sendmsg", 1), ("sendmsg", 2), ("sendmsg", 3), ("sendmsg", 4)])
def test_setup_that_is_killed_leaves_no_stub(project, call, number):
    """What it sends are descriptors: of the place, and of the stub once that is locked."""
    prefix = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}",
              "-e", f"inject={call}:signal=SIGKILL:when={number}"]
    result = run([*BASE, "--bind", project, "/p", "--protect", "/p/.git/hooks", "--mask", "/p/.env", *DROP],
                 ["echo", "COMMAND RAN"], prefix=prefix)
    assert result.returncode and "COMMAND RAN" not in result.stdout
    assert not modes(project)


@pytest.mark.parametrize("form", [[], ["--unshare-pid"]])
def test_whoever_ends_the_sandbox_no_stub_stays(project, form):
    assert run(line(project, "--timeout", "0.5", "--kill-after", "0", *form), ["sleep", "60"]).returncode
    assert not modes(project)
    with waits(project, *form) as sandbox:
        sandbox.terminate()
        sandbox.wait()
    assert not modes(project)


@pytest.mark.parametrize("form", [[], ["--unshare-pid"]])
def test_no_stub_stays_when_the_parent_is_killed(project, form):
    parent = [PYTHON, "-c", "import subprocess, sys; subprocess.run(sys.argv[1:])"]
    with start(line(project, "--die-with-parent", *form), python("print('begun', flush=True); input()"),
               prefix=parent, stdin=-1) as sandbox:
        assert line_from(sandbox) == "begun"
        assert modes(project) == BOTH
        sandbox.kill()
        sandbox.wait()
        wait_for(lambda: not os.listdir(project), what="the stubs' end")


@pytest.mark.parametrize("form", [[], ["--unshare-pid"]])
def test_what_a_killed_supervisor_leaves_the_next_run_takes_over(project, form):
    with waits(project, *form) as sandbox:
        sandbox.kill()
        sandbox.wait()
        assert modes(project) == BOTH
        assert_ok(run(line(project), ["true"]))
    assert not modes(project)


def test_a_stub_that_was_killed_while_it_was_removed_goes_with_the_next_run(project):
    hidden = project / ".bwrapish-stub-.env"
    hidden.touch()
    hidden.chmod(stat.S_IMODE(FILE))
    assert_ok(run(line(project), ["true"]))
    assert not modes(project)


def replace(project):
    (project / "new").write_text("the user's")
    (project / "new").rename(project / ".env")
    return {".env": stat.S_IFREG | 0o644}


def write(project):
    (project / ".env").chmod(0o644)
    (project / ".env").write_text("the user's")
    return {".env": stat.S_IFREG | 0o644}


def link(project):
    os.link(project / ".env", project / "link")
    return {".env": FILE, "link": FILE}


def fill(project):
    (project / ".git").chmod(0o755)
    (project / ".git/config").write_text("the user's")
    (project / ".git").chmod(stat.S_IMODE(DIRECTORY))
    return {".git": DIRECTORY}


@pytest.mark.parametrize("act", [replace, write, link, fill])
def test_what_somebody_has_made_of_a_stub_stays(project, act):
    with waits(project) as sandbox:
        os.umask(0o022)
        expected = act(project)
        end(sandbox)
        assert sandbox.stderr.read() == ""
    assert modes(project) == expected


@pytest.mark.skipif(IS_ROOT, reason="root's supervisor looks into every directory")
def test_a_stub_in_a_directory_that_the_command_has_closed_is_told_and_goes_with_the_next_run(project):
    args = [*FULL, "--bind", project, "/p", "--mask", "/p/d/.env"]
    (project / "d").mkdir()
    result = run(args, ["chmod", "0", "/p/d"])
    assert "--mask (argument" in result.stderr and "stays on the host" in result.stderr
    (project / "d").chmod(0o755)
    assert modes(project / "d") == {".env": FILE}
    assert_ok(run(args, ["true"]))
    assert modes(project / "d") == {}


def test_a_directory_with_the_mark_is_no_stub_when_something_is_in_it(project):
    (project / "d").mkdir()
    (project / "d/x").write_text("shown")
    (project / "d").chmod(stat.S_IMODE(DIRECTORY))
    result = run([*BASE, "--bind", project, "/p", "--protect", "/p/d/x", *DROP], ["cat", "/p/d/x"])
    assert_ok(result)
    assert result.stdout == "shown"
    assert modes(project) == {"d": DIRECTORY}


def test_a_stub_that_somebody_locks_alone_ends_the_run_in_time(project):
    (project / ".env").touch()
    (project / ".env").chmod(stat.S_IMODE(FILE))
    fd = os.open(project / ".env", os.O_RDONLY)
    fcntl.flock(fd, fcntl.LOCK_EX)
    refused(line(project), "--mask (argument", "somebody keeps it locked")
    os.close(fd)
    assert_ok(run(line(project), ["true"]))
    assert not modes(project)


@pytest.mark.user
def test_a_lease_on_a_stub_keeps_nobody_waiting(project):
    """The kernel lets whoever opens it wait for 45 seconds, in which the lease is to be given back (fcntl(2))."""
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    fd = os.open(project / ".env", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
    os.fchmod(fd, stat.S_IMODE(FILE))
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    refused(line(project), "--mask (argument", "somebody keeps it locked")
    os.close(fd)
    signal.signal(signal.SIGIO, before)
    assert modes(project) == {".env": FILE}


def test_a_directory_in_which_a_stub_could_not_be_removed_gets_none(project):
    project.chmod(0o555)
    refused([*BASE, "--bind", project, "/p", "--mask", "/p/.env", *DROP], "--mask (argument", "Permission denied", "--mask-try")
    assert not modes(project)


def test_a_try_form_makes_no_stub(project):
    result = run([*BASE, "--bind", project, "/p", "--mask-try", "/p/.env", *DROP], ["ls", "-A", "/p"])
    assert (result.returncode, result.stdout) == (0, "")
    assert "--mask-try (argument" in result.stderr and "/p/.env" in result.stderr


def test_a_second_path_to_a_stub_is_an_error_unless_it_is_read_only(project):
    refused(line(project, "--bind", project, "/q"), "--mask (argument", "/q/.env")
    assert not modes(project)
    assert_ok(run(line(project, "--ro-bind", project, "/q"), ["true"]))
    assert not modes(project)


@pytest.mark.root
def test_a_joined_pid_namespace_which_may_keep_processes_gets_no_stub(project):
    with Holder("--pid", "--fork", "--kill-child") as holder:
        refused([*BASE, "--bind", project, "/p", "--mask", "/p/.env", "--pidns", holder.namespace("pid"), *ONLY_ACCIDENTS],
                "--mask (argument", "add --unshare-pid")
    assert not modes(project)


def test_a_joined_user_namespace_in_which_nobody_may_be_the_caller_gets_no_stub(project):
    with Holder("--user", "--map-root-user") as holder:
        refused([*BASE, "--bind", project, "/p", "--mask", "/p/.env", "--userns", holder.namespace("user"), *ONLY_ACCIDENTS],
                "--mask (argument", "depends on the id maps")
    assert not modes(project)


def test_a_later_remount_leaves_no_stub(project):
    assert_ok(run(line(project, "--remount-ro", "/p"), ["true"]))
    assert not modes(project)


def test_stubs_for_hundreds_are_refused_in_one_line(project):
    many = [word for i in range(200) for word in ("--mask", f"/p/{i}")]
    refused([*BASE, "--bind", project, "/p", *many, *DROP], "are the most")
    assert not modes(project)


def test_too_few_descriptors_for_stubs_are_told(project):
    many = [word for i in range(100) for word in ("--mask", f"/p/{i}")]
    refused([*BASE, "--bind", project, "/p", *many, *DROP], "ulimit -n", preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (100, 4096)))
    assert not modes(project)


def test_the_command_gets_no_descriptor_of_a_stub(project):
    code = "import os; print(*[os.readlink(f'/proc/self/fd/{fd}') for fd in sorted(os.listdir('/proc/self/fd'), key=int)[3:-1]])"
    result = run(line(project), python(code))
    assert_ok(result)
    assert result.stdout.split() == []


def test_a_name_of_any_length_gets_a_stub(project):
    for name in ("n" * 255, "\xe4" * 120, "n" * 56, "n" * 57):
        result = run([*BASE, "--bind", project, "/p", "--mask", f"/p/{name}", *DROP], ["ls", "-A", "/p"])
        assert_ok(result)
        assert result.stdout.strip() == name or "\xe4" in name
        assert not modes(project)


@pytest.mark.root
def test_root_removes_its_stub_in_a_users_directory(project):
    uid, gid = user_ids()
    os.chown(project, uid, gid)
    result = run([*BASE, "--bind", project, "/p", "--mask", "/p/.env", *ONLY_ACCIDENTS], ["ls", "-A", "/p"])
    assert_ok(result)
    assert result.stdout == ".env\n"
    assert not modes(project)


@pytest.mark.root
def test_a_stub_of_another_user_is_shared_and_left_to_that_one(project):
    uid, gid = user_ids()
    project.chmod(0o777)
    with waits(project) as ours:
        assert_ok(run([word for word in line(project) if word not in DROP], ["true"], prefix=as_user()))
        assert modes(project) == BOTH
        end(ours)
    assert not modes(project)


STUBBORN = """
import os, sys, time
end = time.monotonic() + float(sys.argv[1])
acts = [lambda: open('/p/.env', 'w'), lambda: os.mkdir('/p/.git/x'), lambda: os.rename('/p/.env', '/p/y'), lambda: os.rename('/p/.git', '/p/z')]
while True:
    if not os.path.exists('/p/.env') or not os.path.isdir('/p/.git'):
        sys.exit('a stub is gone')
    for act in acts:
        try:
            act()
        except OSError:
            continue
        sys.exit('a stub was taken away')
    if time.monotonic() > end:
        break
    time.sleep(0.01)
"""


def side_by_side(project, seconds):
    """Twenty sandboxes, a third of which is killed; what those say that live."""
    said = []
    sandboxes = [start(line(project, *(["--unshare-pid"] if i % 2 else [])),
                       [*python(STUBBORN), str(random.uniform(0, seconds))]) for i in range(20)]
    victims = random.sample(sandboxes, 7)
    for victim in victims:
        time.sleep(random.uniform(0, seconds / 4))
        victim.kill()
    for sandbox in sandboxes:
        _, errors = sandbox.communicate()
        if sandbox not in victims and (sandbox.returncode or errors):
            said.append((sandbox.returncode, errors))
    return said


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_twenty_side_by_side_a_third_killed_leave_no_stub_after_the_next_run(project, seconds):
    assert side_by_side(project, seconds) == []
    assert_ok(run(line(project), ["true"]))
    assert not modes(project)
