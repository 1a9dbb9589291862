"""--lock-file."""
import fcntl
import os
import subprocess

import pytest

from sandbox import BASE, READY, assert_ok, close, keep, line_from, pipe, python, refused, run, start, wait_for


def locked(path):
    with open(path, "r+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return False
        except OSError:
            return True


def test_lock_file_is_held_before_command_starts_and_until_it_ends(box):
    (box / "lock").touch()
    line = [*BASE, "--bind", box, "/b", "--lock-file", "/b/lock"]
    attempt = "__import__('fcntl').lockf(open('/b/lock', 'r+'), 6)"
    for _ in range(10):
        result = run(line, python(f"try: {attempt}; print('FREE')\nexcept OSError: print('held')"))
        assert result.stdout == "held\n", result
    with start(line, READY, stdin=subprocess.PIPE) as process:
        line_from(process)
        assert locked(box / "lock")
        process.communicate("\n", timeout=10)
    wait_for(lambda: not locked(box / "lock"), what="the lock's end")


@pytest.mark.parametrize("more", [[], ["--unshare-pid"], ["--close-fds"]], ids=str)
def test_lock_file_is_held_although_descriptors_of_the_same_file_are_closed(more, box):
    (box / "lock").touch()
    inherited = keep(os.open(box / "lock", os.O_RDWR))
    with start([*BASE, *more, "--bind", box, "/b", "--lock-file", "/b/lock", "--lock-file", "/b/lock"], READY,
               stdin=subprocess.PIPE, pass_fds=[inherited]) as process:
        assert line_from(process) == "ready"
        assert locked(box / "lock")
        process.communicate("\n", timeout=10)
    wait_for(lambda: not locked(box / "lock"), what="the lock's end")


def test_lock_file_is_a_shared_lock_and_repeatable(box):
    (box / "one").touch()
    (box / "two").touch()
    line = [*BASE, "--ro-bind", box, "/b", "--lock-file", "/b/one", "--lock-file", "/b/two"]
    with start(line, READY, stdin=subprocess.PIPE) as first, start(line, READY, stdin=subprocess.PIPE) as second:
        assert line_from(first) == line_from(second) == "ready"
        assert locked(box / "one") and locked(box / "two")
        first.communicate("\n", timeout=10)
        assert locked(box / "one")


def test_lock_file_is_held_by_the_sandbox_as_long_as_a_daemon_lives(box):
    (box / "lock").touch()
    orders, order = pipe()
    daemon = f"import os\nif os.fork(): os._exit(0)\nos.read({orders}, 9)"
    run([*BASE, "--unshare-pid", "--bind", box, "/b", "--lock-file", "/b/lock"], python(daemon), pass_fds=[orders],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    assert locked(box / "lock")
    close(order)
    wait_for(lambda: not locked(box / "lock"), what="the lock's end")


def test_a_lock_file_that_is_not_there_is_refused():
    refused(["--lock-file", "/missing"], "--lock-file", "/missing", "No such file or directory", base=BASE)


def test_a_lock_that_someone_else_holds_exclusively_is_refused_or_waited_for(box):
    (box / "lock").touch()
    with open(box / "lock", "r+") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        refused(["--bind", box, "/b", "--lock-file", "/b/lock"], "--lock-file", base=BASE)


def test_the_lock_is_gone_when_a_run_that_waits_for_the_end_of_all_returns(box):
    (box / "lock").touch()
    for _ in range(10):
        assert_ok(run([*BASE, "--unshare-all", "--die-with-command", "--bind", box, "/b", "--lock-file", "/b/lock"], ["true"]))
        assert not locked(box / "lock")
