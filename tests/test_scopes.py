"""--limit where no group is writable: a scope from systemd's user manager."""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

from cgroups import HAS, LIMIT, TOP, V2, Delegated, group, groups_of_ours, needs
from lines import LIMIT_FORMS
from sandbox import (BASE, FULL, content, data_fd, keep, kill_session, line_from, mark, processes_with, python, refused,
                     run, start, user_ids, wait_for)

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
        # Its first answer, over a bus that is started for that, takes longest.
        ping = ["busctl", "--user", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.DBus.Peer", "Ping"]
        wait_for(lambda: subprocess.run([*self.prefix, *ping], capture_output=True).returncode == 0, 120, "the manager's answer")

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
