"""--listen-fds, and a service that tells when it is ready."""
import json
import os
import re
import socket
import subprocess

import pytest

from lines import FORMS
from sandbox import BASE, BINARY, ENV, FULL, LONG, REPO, TIMEOUT, assert_refused, keep, python, python_prefix, run

pytestmark = pytest.mark.core
SHAPES = {**FORMS, "supervised": ["--die-with-command"], "closed": ["--close-fds"], "closed with pid 1": ["--unshare-pid", "--close-fds"], "cleared": ["--unshare-pid", "--clearenv"],
          "joinable": ["--lock-file", "/usr/bin/env"], "filters": ["--unshare-pid", "--seccomp-deny", "acct"],
          "overridden": ["--unshare-all", "--setenv", "LISTEN_PID", "1", "--setenv", "LISTEN_FDS", "9", "--unsetenv", "LISTEN_FDNAMES"]}
shapes = pytest.mark.parametrize("shape", SHAPES)
REPORT = """import json, os
def listens(fd):
    try: import socket; return socket.socket(fileno=os.dup(fd)).getsockname().decode()
    except OSError: return None
print(json.dumps([{k: v for k, v in os.environ.items() if k.startswith('LISTEN_')}, os.getpid(), [listens(fd) for fd in range(3, 7)]]))"""


def activated(args, command, *, count=2, pid="os.getpid()", variables="", base=FULL, **options):
    """As a service manager starts it: sockets from descriptor 3 on, and the variables that say so."""
    sockets = [socket.socket(socket.AF_UNIX) for _ in range(count)]
    for number, one in enumerate(sockets):
        one.bind(f"\0{os.getpid()}-{id(sockets)}-{number}")
        one.listen()
    names = [one.getsockname().decode() for one in sockets]
    fds = [keep(os.dup(one.fileno())) for one in sockets]
    for one in sockets:
        one.close()
    start = f"""fds = [os.dup(fd) for fd in {fds}]
high = [__import__('fcntl').fcntl(fd, 0, 100) for fd in fds]  # F_DUPFD
for fd in [*fds, *{fds}]: os.close(fd)
for number, fd in enumerate(high): os.dup2(fd, 3 + number, inheritable=True); os.close(fd)
os.environ.update(LISTEN_PID=str({pid}), LISTEN_FDS='{count}', LISTEN_FDNAMES='one:other', LISTEN_PIDFDID='1')
{variables}"""
    return run([*base, *args], command, prefix=python_prefix(start), pass_fds=fds, **options), names


@shapes
def test_the_sockets_are_commands_own(shape):
    result, names = activated(["--listen-fds", *SHAPES[shape]], python(REPORT))
    assert result.returncode == 0 and not result.stderr, result
    variables, pid, sockets = json.loads(result.stdout)
    assert variables == {"LISTEN_PID": str(pid), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "one:other"}
    assert sockets == [*names, None, None]


@shapes
@pytest.mark.parametrize("pid, variables", [("1", ""), ("os.getpid()", "del os.environ['LISTEN_PID']"), ("os.getpid()", "del os.environ['LISTEN_FDS']")],
                         ids=["another's", "no process", "no number"])
def test_what_was_opened_for_somebody_else_is_nobodys(shape, pid, variables):
    result, _ = activated(["--listen-fds", *SHAPES[shape]], python(REPORT), pid=pid, variables=variables)
    assert result.returncode == 0 and not result.stderr, result
    seen, *_ = json.loads(result.stdout)
    assert seen == {}


@pytest.mark.parametrize("variables, words", [
    ("os.environ['LISTEN_FDS'] = 'x'", "LISTEN_FDS is no number of descriptors: x"), ("os.environ['LISTEN_FDS'] = '0'", "no number of descriptors: 0"),
    ("os.environ['LISTEN_FDS'] = '99999999999'", "LISTEN_FDS is no number"), ("os.environ['LISTEN_FDS'] = '-1'", "LISTEN_FDS is no number"),
    ("os.environ['LISTEN_PID'] = 'x'", "LISTEN_PID is no process's number: x"), ("os.environ['LISTEN_FDS'] = '3'", "LISTEN_FDS is 3, but descriptor 5 is not open"),
    ("os.close(3)", "LISTEN_FDS is 2, but descriptor 3 is not open")])
def test_what_cannot_be_is_refused(variables, words):
    result, _ = activated(["--listen-fds"], ["echo", "COMMAND RAN"], variables=variables)
    assert_refused(result, "--listen-fds (argument ", words)


@pytest.mark.parametrize("args", [["--sync-fd", "3"], ["--block-fd", "4"], ["--json-status-fd", "4"], ["--ro-bind-data", "3", "/x"], ["--seccomp", "4"],
                                  ["--die-with-fd", "3"]], ids=" ".join)
def test_no_other_option_can_have_one_of_them(args):
    result, _ = activated(["--listen-fds", *args], ["echo", "COMMAND RAN"], base=BASE)
    assert_refused(result, f"{args[0]} (argument {len(BASE) + 2}): descriptor {args[1]} is one of the 2 from 3 that --listen-fds passes to COMMAND")


def test_one_that_another_option_has_read_and_closed_is_missing():
    result, _ = activated(["--listen-fds", "--env-fd", "3"], ["echo", "COMMAND RAN"], base=BASE,
                          variables="import tempfile; file = tempfile.TemporaryFile(); os.dup2(file.fileno(), 3)")
    assert_refused(result, "LISTEN_FDS is 2, but descriptor 3 is not open")


def test_keep_fd_may_name_them_too():
    result, names = activated(["--listen-fds", "--close-fds", "--keep-fd", "4"], python(REPORT))
    assert json.loads(result.stdout)[2] == [*names, None, None]


def test_without_the_option_the_variables_are_passed_as_they_are():
    result, names = activated(["--unshare-pid"], python(REPORT))
    variables, pid, sockets = json.loads(result.stdout)
    assert variables["LISTEN_PID"] != str(pid) and sockets[:2] == names


def test_dry_run_tells_of_them():
    result, _ = activated(["--listen-fds", "--dry-run"], ["true"])
    assert "descriptors passed on as LISTEN_FDS: 2 from 3\n" in result.stdout


# ---- the manual's example ----

SERVER = """#!/usr/bin/python3 -IS
import os, socket
assert os.environ["LISTEN_PID"] == str(os.getpid()) and os.environ["LISTEN_FDS"] == "1", os.environ
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager: manager.sendto(b"READY=1", os.environ["NOTIFY_SOCKET"])
socket.socket(fileno=3).accept()[0].sendall(b"served")
"""


def test_the_manuals_service_is_activated_and_tells_when_it_is_ready(box):
    page = (REPO / "man" / "bwrapish.1").read_text()
    line = re.search(r"^bwrapish --listen-fds.*?\./server$", page, re.M | re.S)[0].replace("\\e\n", "\\\n")
    (box / "server").write_text(SERVER)
    (box / "server").chmod(0o755)
    box.chmod(0o755)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager, socket.socket(socket.AF_UNIX) as listener:
        manager.bind(str(box / "notify"))
        manager.settimeout(LONG)
        listener.bind(str(box / "listener"))
        listener.listen()
        fd = keep(os.dup(listener.fileno()))
        start = f"os.dup2({fd}, 3)\nos.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')"
        script = line.replace("bwrapish ", 'exec "$0" ', 1)
        with subprocess.Popen([*python_prefix(start), "sh", "-c", script, BINARY], cwd=box, env={**ENV, "NOTIFY_SOCKET": str(box / "notify")},
                              pass_fds=[fd]) as process, socket.socket(socket.AF_UNIX) as client:
            try:
                assert manager.recv(100) == b"READY=1"
                client.connect(str(box / "listener"))
                client.settimeout(LONG)
                assert client.recv(100) == b"served"
                assert process.wait(TIMEOUT) == 0
            finally:
                process.kill()
