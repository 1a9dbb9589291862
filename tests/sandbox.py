"""How the tests call bwrapish and judge its answers.

Nothing is mocked: every call starts the real binary (environment BWRAPISH, else <repo>/build/bwrapish) as whoever
started pytest.  An int among the arguments of a call is a descriptor: it is passed on under its own number.
"""
import contextlib
import errno
import functools
import grp
import json
import os
import platform
import pwd
import random
import re
import select
import shutil
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path
from typing import NamedTuple

import pytest

REPO = Path(__file__).resolve().parent.parent
BINARY = os.path.abspath(os.environ.get("BWRAPISH", REPO / "build" / "bwrapish"))
PREFIX = "bwrap: " if os.path.basename(BINARY) == "bwrap" else "bwrapish: "
PYTHON = "/usr/bin/python3"
IS_ROOT = os.getuid() == 0
IS_SANITIZED = os.path.exists(BINARY) and b"__asan_init" in Path(BINARY).read_bytes()
PATIENCE = int(os.environ.get("BWRAPISH_PATIENCE", 1))  # more on an emulated machine, where all takes long
TIMEOUT = 30 * PATIENCE  # seconds; generous, for sanitizer builds
LONG = 20  # seconds: more than any of these takes, less than COMMAND would
REFUSE = []   # conftest.py: the prefix that takes openat2 away

# A system without a home, a network name or a secret: what almost every test starts from.
BASE = ["--ro-bind", "/usr", "/usr", "--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib",
        "--symlink", "usr/lib64", "/lib64"]
FULL = [*BASE, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
ENV = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C",
       **{k: v for k, v in os.environ.items() if k.startswith(("ASAN_", "UBSAN_", "LSAN_", "LLVM_", "GCOV_"))}}


# ---- calling ----

def words(args):
    return [str(arg) for arg in args]


def command_line(args, command=None, program=BINARY, prefix=()):
    command = ["--", *command] if command is not None else []
    return words([*prefix, *REFUSE, program, *args, *command])


def _popen_options(args, options):
    options.setdefault("stdin", subprocess.DEVNULL)
    options.setdefault("env", ENV)
    options.setdefault("cwd", "/")
    options["pass_fds"] = [*options.get("pass_fds", ()), *(arg for arg in args if type(arg) is int)]
    return options


def run(args, command=None, *, program=BINARY, prefix=(), timeout=30, **options):
    """Runs bwrapish to its end, within `timeout` seconds of a machine that is not emulated; the output is text."""
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    if options.setdefault("text", True):
        options["errors"] = "backslashreplace"
    return subprocess.run(command_line(args, command, program, prefix), timeout=timeout * PATIENCE,
                          **_popen_options(args, options))


class start(subprocess.Popen):
    """A bwrapish that is running.  Leaving the `with` block ends it and all it started (its session)."""

    def __init__(self, args, command=None, *, program=BINARY, prefix=(), **options):
        options.setdefault("stdout", subprocess.PIPE)
        options.setdefault("stderr", subprocess.PIPE)
        options.setdefault("start_new_session", True)
        super().__init__(command_line(args, command, program, prefix), text=True, **_popen_options(args, options))

    def __exit__(self, *exception):
        kill_session(self.pid)
        return super().__exit__(*exception)


def kill_session(session):
    """And the children of its leader: with --new-session COMMAND is in none but its own."""
    for pid in list(session_members(session)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def session_members(session):
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if str(session) in (fields[1], fields[3]) and fields[0] != "Z":
                yield int(entry)


def python(code):
    return [PYTHON, "-I", "-S", "-c", code]


def run_python(args, code, base=BASE, **options):
    """Runs Python code inside, on top of `base`."""
    return run([*base, *args], python(code), **options)


def inside(args, code, base=BASE, **options):
    """What the Python expression `code` is worth inside; the run itself must succeed."""
    result = run_python(args, f"import os, stat\nprint(repr(({code})))", base, **options)
    assert_ok(result)
    return eval(result.stdout)


def shell(args, script, base=BASE, **options):
    """The standard output of a shell script inside, which must succeed."""
    result = run([*base, *args], ["sh", "-ec", script], **options)
    assert_ok(result)
    return result.stdout


def python_prefix(code):
    """A prefix that does `code` and then becomes what follows."""
    return [PYTHON, "-I", "-S", "-c",
            f"import os, signal, sys\n{code}\nos.execvp(sys.argv[1], sys.argv[1:])"]


# ---- judging ----

def assert_ok(result):
    assert result.returncode == 0 and not result.stderr, result


def assert_refused(result, *substrings, prefix=PREFIX):
    """Exit 1, one line that says so, and COMMAND did not speak."""
    assert result.returncode == 1, result
    assert result.stdout == "", result
    assert result.stderr.endswith("\n") and result.stderr.count("\n") == 1, result.stderr
    assert result.stderr.startswith(prefix), result.stderr
    for substring in substrings:
        assert substring in result.stderr, result.stderr


def refused(args, *substrings, base=(), command=("echo", "COMMAND RAN"), **options):
    """Runs a line that must be refused; returns its message."""
    result = run([*base, *args], command, **options)
    assert_refused(result, *substrings)
    return result.stderr


def tree(path):
    """Everything below a host directory, to compare before and after."""
    return sorted((str(p), p.lstat().st_mode, p.lstat().st_size) for p in Path(path).rglob("*"))


class Mount(NamedTuple):
    point: str
    type: str
    options: frozenset
    propagation: frozenset

    def has(self, *options):
        return set(options) <= self.options


def parse_mountinfo(text):
    mounts = []
    for line in text.strip().splitlines():
        left, right = line.split(" - ", 1)
        fields = left.split()
        point = fields[4].encode().decode("unicode_escape")
        tags = frozenset(tag.split(":")[0] for tag in fields[6:])
        mounts.append(Mount(point, right.split()[0], frozenset(fields[5].split(",")), tags))
    return mounts


def mounts_inside(args, base=(*BASE, "--proc", "/proc"), **options):
    """{mount point: the topmost Mount there} as COMMAND sees it."""
    result = run([*base, *args], ["cat", "/proc/self/mountinfo"], **options)
    assert_ok(result)
    return {mount.point: mount for mount in parse_mountinfo(result.stdout)}


def status_fields(text):
    return {key: value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}


def status_inside(args, base=(*BASE, "--proc", "/proc"), **options):
    """/proc/self/status of COMMAND."""
    result = run([*base, *args], ["cat", "/proc/self/status"], **options)
    assert_ok(result)
    return status_fields(result.stdout)


CAP_SETS = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")


# ---- descriptors ----

_opened = []


def keep(fd):
    """Remembers a descriptor; it is closed when the test ends."""
    _opened.append(fd)
    return fd


def close_kept():
    while _opened:
        try:
            os.close(_opened.pop())
        except OSError:
            pass


def data_fd(content=b""):
    """A descriptor that reads `content` (bytes or text) from its start."""
    fd = keep(os.memfd_create("data"))
    os.write(fd, content.encode() if isinstance(content, str) else content)
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def args_fd(args):
    return data_fd(b"".join(os.fsencode(str(arg)) + b"\0" for arg in args))


def pipe():
    """(read end, write end)"""
    return tuple(map(keep, os.pipe()))


def close(fd):
    _opened.remove(fd)
    os.close(fd)


def readable(fd, seconds):
    return bool(select.select([fd], [], [], seconds)[0])


def at_eof(fd, seconds=LONG):
    """Whether every writer of the pipe is gone, within `seconds`."""
    return readable(fd, seconds) and os.read(fd, 1) == b""


def read_json(fd, seconds=TIMEOUT):
    """One whole JSON object from a pipe that may stay open."""
    text = ""
    end = time.monotonic() + seconds
    while time.monotonic() < end and readable(fd, 0.5 if text else seconds):
        chunk = os.read(fd, 4096).decode()
        text += chunk
        try:
            return json.loads(text)
        except ValueError:
            if not chunk:
                break
    raise AssertionError(f"no JSON object: {text!r}")


def wait_for(condition, seconds=LONG, what="it"):
    """Polls until `condition()` is true."""
    end = time.monotonic() + seconds * PATIENCE
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen within {seconds} s"
        time.sleep(0.005)


def line_from(process, seconds=TIMEOUT):
    """The next line of a running sandbox's standard output."""
    assert readable(process.stdout, seconds), "no line in time"
    return process.stdout.readline().rstrip("\n")


# ---- fixtures of the host ----

NO_RIGHTS = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all"]


def without_rights(setup, *unshare_flags, then='exec "$@"'):
    """A prefix: shell code `setup` in a user namespace of its own, then the tool in it, without capabilities.

    Root becomes a normal user first: without rights nobody may map its id 0 any further.
    """
    return [*(as_user() if IS_ROOT else []), "unshare", "--user", "--map-current-user", "--keep-caps", *unshare_flags,
            "sh", "-ec", f"{setup}\n{then}", "sh", *NO_RIGHTS]


def in_pid_namespace_with_outer_proc():
    """A prefix: the tool in a pid namespace whose /proc is that of the one around it, with other numbers in it."""
    return without_rights("", "--pid", "--fork", "--kill-child")


def host_mounts(setup, then='exec "$@"', user=None):
    """A prefix: shell code `setup` in a mount namespace of its own, then the tool in it.

    A normal user gets it inside a user namespace and the tool runs there without capabilities.  Root keeps its own
    rights; `user` (a uid) makes the tool run as that one.
    """
    if not IS_ROOT:
        return without_rights(setup, "--mount", "--propagation", "private", then=then)
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", f"{setup}\n{then}", "sh",
            *(as_user(user) if user is not None else [])]


def need_locks_without_descriptors(path):
    """What holds a lock is a mapping of the file, where its file system is one that keeps the file for that."""
    kind = subprocess.run(["stat", "--file-system", "--format=%T", path], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    if kind not in ("ext2/ext3", "xfs", "btrfs", "tmpfs"):
        pytest.skip(f"a lock on {kind} takes a descriptor")


def overflow_id(kind):
    """What the kernel shows in place of a "uid" or "gid" that is not mapped: nobody's on many systems."""
    return int(Path(f"/proc/sys/kernel/overflow{kind}").read_text())


@functools.cache
def user_ids():
    """(uid, gid) of a user without rights, for root's tests: BWRAPISH_USER (a name), else a number that nobody has.

    Never an overflow id: "is this file mine?" would be answered yes for every file whose owner is not mapped.
    """
    if name := os.environ.get("BWRAPISH_USER"):
        entry = pwd.getpwnam(name)
        return entry.pw_uid, entry.pw_gid
    taken = {overflow_id("uid"), overflow_id("gid"), *(n for entry in pwd.getpwall() for n in entry[2:4]),
             *(entry.gr_gid for entry in grp.getgrall())}
    number = next(number for number in range(23000, 60000) if number not in taken)
    return number, number


def as_user(uid=None):
    uid, gid = (uid, uid) if uid is not None else user_ids()
    return ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]


class Holder:
    """A sleeping process whose namespaces (made by `unshare FLAGS`) can be joined."""

    def __init__(self, *flags, inner=()):
        command = ["unshare", *flags, *inner, "sh", "-c", "echo $$; exec sleep 60"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self.process.stdout.readline()
        self.pid = self.process.pid  # the youngest: not always the one with the highest number
        while children := Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            self.pid, = map(int, children)

    def namespace(self, kind):
        """A descriptor of the namespace of the youngest process."""
        return keep(os.open(f"/proc/{self.pid}/ns/{kind}", os.O_RDONLY))

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        kill_session(self.process.pid)
        self.process.wait()


@contextlib.contextmanager
def swapping(one, other):
    """Two paths change places all the time, as fast as it goes."""
    code = """import ctypes, os, sys
libc = ctypes.CDLL(None)
print("swapping", flush=True)
while True: libc.renameat2(-100, os.fsencode(sys.argv[1]), -100, os.fsencode(sys.argv[2]), 2)"""
    process = subprocess.Popen([*python(code), one, other], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


# ---- seccomp ----

_NUMBERS = {
    "x86_64": dict(clone=56, clone3=435, fork=57, vfork=58, unshare=272, mount=165, open_tree=428, move_mount=429,
                   fsopen=430, mount_setattr=442, prctl=157, capset=126, setns=308, add_key=248, request_key=249, keyctl=250, mkdirat=258,
                   getuid=102, getgid=104, sethostname=170, umount2=166, pivot_root=155, close_range=436,
                   setuid=105, setgroups=116, setsid=112, chroot=161, execve=59, wait4=61, waitid=247, pidfd_open=434, seccomp=317),
    "aarch64": dict(clone=220, clone3=435, unshare=97, mount=40, open_tree=428, move_mount=429, fsopen=430,
                    mount_setattr=442, prctl=167, capset=91, setns=268, add_key=217, request_key=218, keyctl=219, mkdirat=34, getuid=174,
                    getgid=176, sethostname=161, umount2=39, pivot_root=41, close_range=436, setuid=146, setgroups=159,
                    setsid=157, chroot=51, execve=221, wait4=260, waitid=95, pidfd_open=434, seccomp=277),
}


def syscall_number(name):
    """None where the architecture has no such call."""
    if platform.machine() not in _NUMBERS:
        pytest.skip(f"no system call numbers for {platform.machine()}")
    return _NUMBERS[platform.machine()].get(name)


ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000


def bpf(denied):
    """A classic BPF program that answers {system call name: errno, or KILL} and allows the rest."""
    program = struct.pack("HBBI", 0x20, 0, 0, 0)
    for name, error in denied.items():
        if (number := syscall_number(name)) is not None:
            program += struct.pack("HBBI", 0x15, 0, 1, number) + struct.pack("HBBI", 0x06, 0, 0, ERRNO | error)
    return program + struct.pack("HBBI", 0x06, 0, 0, ALLOW)


def killed_by(name):
    """A prefix: whoever makes this system call dies of SIGSYS, as under a strict filter around the tool."""
    return filtered_by(bpf({name: KILL}))


def filtered_by(program):
    """A prefix: a seccomp program around the tool."""
    return python_prefix(f"""import ctypes, resource
libc, code = ctypes.CDLL(None, use_errno=True), ctypes.create_string_buffer({program!r})
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
filter = (ctypes.c_ulong * 2)({len(program) // 8}, ctypes.addressof(code))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, ctypes.byref(filter)) == 0""")


def errno_inside(call):
    """Python code: the name of the errno that libc's `call` ends with, or 'OK'."""
    return (f"(lambda libc: 'OK' if {call} >= 0 else __import__('errno').errorcode[__import__('ctypes').get_errno()])"
            "(__import__('ctypes').CDLL(None, use_errno=True))")


# ---- terminals ----

class Terminal:
    """bwrapish in the foreground of a terminal of its own."""

    def __init__(self, args, command, *, stdout=None, **options):
        self.master, slave = os.openpty()
        self.modes = termios.tcgetattr(slave)  # before anybody can change them
        # setsid(1) forks when it leads a process group, which a child of ours never does.
        prefix = ["setsid", "--ctty", *options.pop("prefix", ())]
        self.process = subprocess.Popen(command_line(args, command, prefix=prefix), stderr=slave,
                                        stdout=slave if stdout is None else stdout,
                                        **_popen_options(args, {**options, "stdin": slave}))
        os.close(slave)
        self.text = ""

    def type(self, text):
        os.write(self.master, text.encode())

    def read_until(self, pattern, seconds=TIMEOUT):
        """Reads until the regular expression is found in all that was shown; returns the match."""
        end = time.monotonic() + seconds
        while not (match := re.search(pattern, self.text)):
            left = end - time.monotonic()
            assert left > 0 and readable(self.master, left), f"{pattern!r} not shown: {self.text!r}"
            try:
                chunk = os.read(self.master, 4096)
            except OSError as error:
                assert error.errno == errno.EIO
                chunk = b""
            assert chunk, f"{pattern!r} not shown at the end: {self.text!r}"
            self.text += chunk.decode(errors="replace").replace("\r\n", "\n")
        return match

    def wait(self, seconds=TIMEOUT):
        """Shows the rest and returns the exit status."""
        try:
            self.read_until(r"(?!)", seconds)
        except AssertionError:
            pass
        return self.process.wait(seconds)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        kill_session(self.process.pid)
        self.process.wait()
        os.close(self.master)


# ---- of processes that stay, stop, flood and are waited for ----

def seconds_of(*args, **options):
    began = time.monotonic()
    result = run(*args, **options)
    return result, time.monotonic() - began


def content(fd):
    return [json.loads(line) for line in os.pread(fd, 65536, 0).decode().splitlines()]


def processes_with(mark, program=None):
    """Processes, zombies aside, that have `mark` among their arguments, and are of `program`."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            args = Path(f"/proc/{entry}/cmdline").read_bytes().decode(errors="replace").split("\0")
            if mark in args and program in (None, args[0]):
                found.append(int(entry))
    return found


def mark():
    return f"1{random.randrange(10**8, 10**9)}"  # as seconds for sleep(1), which nobody else has


NO_STRACE = "needs strace, which makes calls slow or fail"
needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason=NO_STRACE)


def slowly(*calls, seconds, when="enter"):
    """A prefix: before these calls of bwrapish itself, or after them ("exit"), some time passes."""
    return ["strace", "-qq", "-o", "/dev/null", "-e", "trace=" + ",".join(calls),
            "-e", f"inject={','.join(calls)}:delay_{when}={int(seconds * 1e6)}"]


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

# An interactive shell: its only job, what follows, has a process group of its own, which is in the foreground.
SHELL = python_prefix("""signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = os.fork()
if job:
    while True:
        status = os.waitpid(job, os.WUNTRACED)[1]
        if not os.WIFSTOPPED(status): break
        os.write(1, b"job stopped\\n")
    os._exit(os.waitstatus_to_exitcode(status) % 256)
os.setpgid(0, 0)
os.tcsetpgrp(0, os.getpid())
signal.signal(signal.SIGTTOU, signal.SIG_DFL)""")


class Life:
    """Whether a process that has got `held` is still there."""

    def __init__(self):
        self.end, self.held = pipe()

    def assert_over(self):
        close(self.held)
        assert at_eof(self.end, LONG), "somebody is left"

    def assert_silent(self):
        """... where others have got it, too: nobody writes to it any more."""
        end = time.monotonic() + LONG
        while readable(self.end, 0.5) and os.read(self.end, 4096):
            assert time.monotonic() < end, "somebody is left"


FLOOD = """import os, signal
for n in range(1, 32):
    if n not in (signal.SIGCHLD, signal.SIGKILL, signal.SIGSTOP): signal.signal(n, signal.SIG_IGN)
if MANY: os.fork()
os.write(1, b"ready\\n")
for _ in range(COUNT): os.kill(0, NUMBER)
os.write(1, b"done\\n")
while True: os.kill(0, NUMBER) if MANY else signal.pause()
"""
WITH_PROC = [*BASE, "--proc", "/proc"]


def is_descendant(pid, ancestor):
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            return False
        if pid == ancestor:
            return True
    return False


READY = ["sh", "-c", "echo ready; read x; exit 6"]
