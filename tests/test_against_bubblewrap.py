"""The same command lines through the distribution's bubblewrap, whatever its version, and through bwrapish: same output,
status and mounts inside.

Where bwrapish differs on purpose the difference itself is asserted: expected() below, and the tests at the end.
"""
import contextlib
import json
import os
import re
import shutil
import signal
import struct
import subprocess

import pytest

from sandbox import (BASE, BINARY, ENV, IS_ROOT, at_eof, bpf, close, data_fd, keep, line_from, need_locks_without_descriptors,
                     parse_mountinfo, pipe, python, readable, run, start)

BUBBLEWRAP = "/usr/bin/bwrap"


def their(option):
    """What bubblewrap says to --version or --help; "" where there is none."""
    if not os.path.exists(BUBBLEWRAP):
        return ""
    return subprocess.run([BUBBLEWRAP, option], capture_output=True, text=True).stdout


# Called bwrap, bwrapish says "bubblewrap 0.13.1 (bwrapish 0.1.0)".
IS_THERE = re.fullmatch(r"bubblewrap [0-9.]+\n", their("--version"))
VERSION = tuple(map(int, re.findall(r"\d+", their("--version")))) if IS_THERE else ()
THEIR_OPTIONS = set(re.findall(r"^ +(--[a-z0-9-]+)", their("--help"), re.M))
pytestmark = pytest.mark.skipif(not IS_THERE, reason="bubblewrap is not installed, or bwrapish is in its place")


def needs(args):
    """Skips what this bubblewrap has no option for."""
    missing = {word for word in args if type(word) is str and re.match("--[a-z]", word)} - THEIR_OPTIONS
    if missing:
        pytest.skip(f"bubblewrap {'.'.join(map(str, VERSION))} has no {', '.join(sorted(missing))}")

# Prints what a command can tell about its sandbox: where it is, who it is, what it has, and the mount table.
OBSERVE = """
import json, os, stat
def tree(top):
    found = []
    for directory, names, files in os.walk(top):
        for name in sorted(names + files):
            path = os.path.join(directory, name)
            s = os.lstat(path)
            owner = (s.st_uid, s.st_gid) if name != "pts" else ()  # the kernel's root user, mapped or not
            found.append((path, oct(s.st_mode), *owner, os.readlink(path) if stat.S_ISLNK(s.st_mode) else ""))
            if stat.S_ISREG(s.st_mode) and os.access(path, os.R_OK):
                found.append(open(path, "rb").read(100).decode(errors="replace"))
        names[:] = sorted(name for name in names if os.path.join(directory, name) not in
                          ("/usr", "/proc", "/sys", "/dev/pts", "/host", "/u", "/u2", "/run/host/share", "/b"))
    return found
status = dict(line.rstrip("\\n").split(":\\t", 1) for line in open("/proc/self/status"))
print(json.dumps({
    "tree": tree("/"), "cwd": os.getcwd(), "ids": [os.getuid(), os.getgid(), os.geteuid()],
    "maps": [open("/proc/self/" + n).read().split()[::2] for n in ("uid_map", "gid_map")],
    "environ": sorted(k + "=" + v for k, v in os.environ.items() if not k.startswith(("ASAN", "UBSAN", "LSAN"))),
    "status": {k: status[k] for k in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp",
                                      "SigIgn", "SigBlk")},
    "fds": sorted(int(n) for n in os.listdir("/proc/self/fd") if os.path.lexists("/proc/self/fd/" + n)),
    "host": os.uname().nodename, "pid": os.getpid() < 10,
    "interfaces": [l.split(":")[0].strip() for l in open("/proc/net/dev") if ":" in l],
    "umask": oct(os.umask(0)), "statvfs": [os.statvfs("/t").f_blocks if os.path.ismount("/t") else 0]}))
print("----")
print(open("/proc/self/mountinfo").read())
"""

PROC = ["--proc", "/proc"]
F = object()  # a descriptor with some text
class Fd(str): """a descriptor of this path"""


# {}: a directory on the host that holds trees to merge, low and high, and an empty up and work for each program.
LAYERS = ["--overlay-src", "{}/low", "--overlay-src", "{}/high"]
LINES = {
    "nothing more": [],
    "bind": ["--bind", "/usr/share", "/u"],
    "ro-bind": ["--ro-bind", "/usr/share", "/u"],
    "dev-bind": ["--dev-bind", "/dev", "/u"],
    "bind of a file": ["--bind", "/usr/bin/env", "/d/env"],
    "ro-bind of a file": ["--ro-bind", "/usr/bin/env", "/d/e/env"],
    "bind-try there": ["--bind-try", "/usr/share", "/u", "--ro-bind-try", "/usr/lib", "/u2",
                       "--dev-bind-try", "/dev/null", "/n"],
    "bind-try missing": ["--bind-try", "/missing", "/u", "--ro-bind-try", "/missing", "/u2",
                         "--dev-bind-try", "/missing", "/u3"],
    "bind below a bind": ["--bind", "/usr", "/u", "--tmpfs", "/u/share", "--bind", "/usr/lib", "/u/share/lib"],
    "the whole host": ["--bind", "/", "/host"],
    "the whole host, ro": ["--ro-bind", "/", "/host"],
    "sysfs": ["--ro-bind", "/sys", "/sys"],
    "tmpfs": ["--tmpfs", "/t"],
    "tmpfs with mode": ["--perms", "1777", "--tmpfs", "/t"],
    "tmpfs with size": ["--size", "1048576", "--tmpfs", "/t", "--size", "0x200000",
                        "--perms", "0700", "--tmpfs", "/t2", "--size", "04000000", "--tmpfs", "/t3"],
    "tmpfs deep": ["--tmpfs", "/a/b/c"],
    "dir": ["--dir", "/a/b/c", "--perms", "0700", "--dir", "/p/q", "--perms", "0750", "--dir", "/r/s"],
    "dir twice": ["--dir", "/a", "--perms", "0700", "--dir", "/a"],
    "file": ["--file", F, "/a/f", "--perms", "0640", "--file", F, "/b/f"],
    "file over file": ["--file", F, "/f", "--perms", "0600", "--file", F, "/f"],
    "bind-data": ["--bind-data", F, "/a/f", "--perms", "0644", "--bind-data", F, "/b/f"],
    "ro-bind-data": ["--ro-bind-data", F, "/a/f", "--perms", "0444", "--ro-bind-data", F, "/b/f"],
    "symlink": ["--symlink", "../x y", "/a/l", "--symlink", "/abs", "/l2"],
    "chmod": ["--dir", "/a", "--chmod", "0711", "/a", "--file", F, "/f", "--chmod", "0400", "/f"],
    "bind-fd": ["--bind-fd", Fd("/usr/share"), "/u", "--bind-fd", Fd("/usr/bin/env"), "/d/env"],
    "ro-bind-fd": ["--ro-bind-fd", Fd("/usr/share"), "/u", "--ro-bind-fd", Fd("/usr/bin/env"), "/d/env"],
    "bind-fd of a tree with mounts": ["--bind-fd", Fd("/dev"), "/u"],
    "ro-overlay": [*LAYERS, "--ro-overlay", "/o"],
    "tmp-overlay": [*LAYERS, "--tmp-overlay", "/o"],
    "tmp-overlay deep": ["--overlay-src", "{}/low", "--tmp-overlay", "/a/b/c"],
    "overlay": [*LAYERS, "--overlay", "{}/up", "{}/work", "/o"],
    "overlays one after the other": ["--overlay-src", "{}/low", "--tmp-overlay", "/o", "--ro-bind", "{}/high", "/o/dir",
                                     *LAYERS, "--ro-overlay", "/p"],
    "not-a-security-boundary": ["--not-a-security-boundary", "--ro-bind", "/usr/share", "/u", "--dev", "/dev"],
    "level-prefix": ["--level-prefix"],
    "several sync-fd": ["--sync-fd", F, "--sync-fd", F],
    "block-fd": ["--block-fd", F],
    "add-seccomp-fd": ["--add-seccomp-fd", bpf({}), "--add-seccomp-fd", bpf({})],
    "seccomp": ["--seccomp", bpf({})],
    "unshare-user-try": ["--unshare-user-try", "--unshare-cgroup-try"],
    "lock-file": ["--ro-bind", "{}/low/file", "/lock", "--lock-file", "/lock"],
    "setenv and the rest": ["--setenv", "A", "1", "--unsetenv", "A", "--setenv", "PATH", "/usr/bin"],
    "remount-ro": ["--tmpfs", "/t", "--remount-ro", "/t"],
    "remount-ro of a mount with mounts": ["--tmpfs", "/t", "--tmpfs", "/t/u", "--remount-ro", "/t"],
    "symlink twice": ["--symlink", "a", "/l", "--symlink", "a", "/l"],
    "remount-ro of the root": ["--dir", "/a", "--remount-ro", "/"],
    "remount-ro of a bind": ["--bind", "/usr/share", "/u", "--remount-ro", "/u"],
    "dev": ["--dev", "/dev"],
    "dev elsewhere": ["--dev", "/a/dev"],
    "mqueue": ["--unshare-ipc", "--mqueue", "/q"],
    "unshare-user": ["--unshare-user"],
    "unshare-user with ids": ["--unshare-user", "--uid", "33", "--gid", "44"],
    "uid 0": ["--unshare-user", "--uid", "0", "--gid", "0"],
    "unshare-pid": ["--unshare-pid"],
    "as-pid-1": ["--unshare-pid", "--as-pid-1"],
    "unshare-net": ["--unshare-net"],
    "unshare-ipc": ["--unshare-ipc"],
    "unshare-uts": ["--unshare-uts", "--hostname", "box"],
    "unshare-cgroup": ["--unshare-cgroup-try"],
    "unshare-all": ["--unshare-all"],
    "unshare-all share-net": ["--unshare-all", "--share-net"],
    "unshare-all dev": ["--unshare-all", "--dev", "/dev", "--tmpfs", "/tmp"],
    "new-session": ["--new-session"],
    "die-with-parent": ["--die-with-parent", "--unshare-pid"],
    "chdir": ["--chdir", "/usr/bin"],
    "clearenv": ["--clearenv", "--setenv", "A", "1", "--setenv", "B", "x=y z"],
    "unsetenv": ["--unsetenv", "HOME", "--setenv", "C", "", "--unsetenv", "NOT_THERE"],
    "cap-drop": ["--unshare-user", "--cap-drop", "ALL"],
    "disable-userns": ["--unshare-user", "--disable-userns", "--assert-userns-disabled"],
    "desktop": ["--unshare-all", "--share-net", "--dev", "/dev", "--tmpfs", "/tmp", "--dir", "/run/user/1000",
                "--symlink", "/run", "/var/run", "--ro-bind-data", F, "/etc/passwd",
                "--ro-bind", "/usr/share", "/run/host/share", "--perms", "0700", "--dir", "/home/u", "--chdir",
                "/home/u",
                "--setenv", "XDG_RUNTIME_DIR", "/run/user/1000", "--die-with-parent", "--new-session"],
}


@pytest.fixture
def trees(box):
    """The directory that {} stands for, for each program."""
    made = []
    for name in ("theirs", "ours"):
        for path in ("low/dir", "high/dir", "up", "work"):
            (box / name / path).mkdir(parents=True)
        for path in ("low/file", "low/dir/old", "high/file", "high/dir/new"):
            (box / name / path).write_text(path)
        for path in (box / name).rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        made.append(box / name)
    return made


SINCE = {"several sync-fd": (0, 12), "symlink twice": (0, 11)}  # when bubblewrap came to do it


def value_of(word, tree):
    if word is F:
        return data_fd("text of a file\n")
    if isinstance(word, Fd):
        return keep(os.open(word, os.O_PATH))
    return data_fd(word) if isinstance(word, bytes) else word.replace("{}", str(tree))


def observe(program, args, tree):
    return run([*BASE, *PROC, *(value_of(word, tree) for word in args)], python(OBSERVE), program=program)


def normalised(text):
    """{mount point: (type, options, propagation)}; only the top one of each point."""
    return {mount.point: (mount.type, mount.options, mount.propagation) for mount in parse_mountinfo(text)}


def expected(point, theirs, ours):
    """What bwrapish differs in on purpose, applied to bubblewrap's mount."""
    kind, options, propagation = theirs
    if "ro" in options and point.split("/")[1] not in ("proc", "") and not propagation <= ours[2]:
        propagation = frozenset()  # read-only binds are private
    if kind == "mqueue":
        options = options | {"nosuid", "nodev", "noexec"}  # every mount is
    if kind == "overlay" and "ro" in ours[1]:
        options = options - {"rw"} | {"ro"}  # theirs cannot be written to either: it has no upper directory
    return kind, options, propagation


@pytest.mark.parametrize("name", LINES)
def test_the_same_line_makes_the_same_sandbox(name, trees):
    needs(LINES[name])
    if VERSION < SINCE.get(name, ()):
        pytest.skip("an older bubblewrap does otherwise")
    theirs, ours = (observe(program, LINES[name], tree) for program, tree in zip((BUBBLEWRAP, BINARY), trees))
    assert (ours.returncode, ours.stderr) == (theirs.returncode, theirs.stderr) == (0, "")
    (their_facts, their_mounts), (our_facts, our_mounts) = (result.stdout.split("----\n") for result in (theirs, ours))

    their_facts, our_facts = json.loads(their_facts), json.loads(our_facts)
    if name == "uid 0" or IS_ROOT:  # capabilities of root: the bounding set is kept small, see test_capabilities.py
        for facts in (their_facts, our_facts):
            facts["status"].pop("CapBnd")
    assert our_facts["status"].pop("Seccomp") == "2"  # what keeps the caller's kernel keys out of reach
    their_facts["status"].pop("Seccomp")
    for key, value in their_facts.items():
        assert our_facts[key] == value, key
    their_mounts, our_mounts = normalised(their_mounts), normalised(our_mounts)
    # What would be writable in proc is covered in both, by more covers here; below one of them lies a read-only procfs, for a
    # sandbox in the sandbox.
    covers = {point for point in their_mounts.keys() ^ our_mounts.keys() if re.fullmatch(r"/proc/[^/]+(/proc)?", point)}
    assert their_mounts.keys() - covers == our_mounts.keys() - covers
    assert all("ro" in our_mounts[point][1] for point in covers & our_mounts.keys())
    for point in their_mounts.keys() & our_mounts.keys():
        assert our_mounts[point] == expected(point, their_mounts[point], our_mounts[point]), point


COMMANDS = {
    "exit status": ([], ["sh", "-c", "exit 42"]),
    "killed": (["--unshare-pid"], ["sh", "-c", "kill -9 $$"]),
    "output on both": ([], ["sh", "-c", "echo out; echo err >&2; exit 1"]),
    "missing command": ([], ["missing"]),
    "missing command below pid 1": (["--unshare-pid"], ["missing"]),
    "argv0": (["--argv0", "a name"], ["sh", "-c", "echo $0"]),
    "argv0 of what is not there": (["--argv0", "sh"], ["missing"]),
    "level prefix of an error": (["--level-prefix", "--nonsense"], ["true"]),
    "level prefix of a warning": (["--level-prefix", "--chdir", "/usr", "--chdir", "/"], ["pwd"]),
    "a layer that nobody takes": (["--overlay-src", "/usr", "--tmpfs", "/t"], ["true"]),
    "an overlay without layers": (["--tmp-overlay", "/t"], ["true"]),
    "a ro-overlay of one layer": (["--overlay-src", "/usr", "--ro-overlay", "/t"], ["true"]),
    "a missing layer": (["--overlay-src", "/missing", "--tmp-overlay", "/t"], ["true"]),
    "size of nothing": (["--size", "0", "--tmpfs", "/t"], ["true"]),
    "size with trailing text": (["--size", "1x", "--tmpfs", "/t"], ["true"]),
    "size below zero": (["--size", "-1", "--tmpfs", "/t"], ["true"]),
    "size above all": (["--size", "0xffffffffffffffff", "--tmpfs", "/t"], ["true"]),
    "size of a directory": (["--size", "1", "--dir", "/t"], ["true"]),
    "size twice": (["--size", "1", "--size", "1", "--tmpfs", "/t"], ["true"]),
    "perms of a bind": (["--perms", "700", "--bind", "/usr", "/u"], ["true"]),
    "no permission": ([], ["/usr/share"]),
    "arguments": ([], ["printf", "%s|", "a b", "", "*", "--"]),
    "missing source": (["--ro-bind", "/missing", "/x"], ["true"]),
    "missing chdir": (["--chdir", "/missing"], ["true"]),
    "unknown option": (["--nonsense"], ["true"]),
    "bad destination": (["--remount-ro", "/missing"], ["true"]),
    "contradiction": (["--hostname", "x"], ["true"]),
    "orphans": (["--unshare-pid"], ["sh", "-c", "(sleep 0.05; echo late) & echo early; exit 5"]),
    "environment": (["--clearenv", "--setenv", "A", "1"], ["/usr/bin/env"]),
    "pid of the shell": (["--unshare-pid", "--as-pid-1"], ["sh", "-c", "echo $$"]),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_same_line_ends_the_same_way(name):
    args, command = COMMANDS[name]
    needs(args)
    theirs, ours = (run([*BASE, *args], command, program=program) for program in (BUBBLEWRAP, BINARY))
    assert (ours.returncode, ours.stdout) == (theirs.returncode, theirs.stdout)
    assert bool(ours.stderr) == bool(theirs.stderr)
    for fragment in ("Can't find source path", "execvp missing: No such file or directory", "Unknown option",
                     "Only the last --chdir option will take effect", "<3>", "<4>", "must be followed by another"):
        assert (fragment in ours.stderr) == (fragment in theirs.stderr)


def covered(*names):
    return [word for name in names for word in ("--perms", "555", "--tmpfs", f"{{}}/{name}", "--remount-ro", f"{{}}/{name}")]


# The lines of programs that run each command of a coding agent in a sandbox, of late 2026. {} is the project.
AGENTS = {
    "codex": ["--as-pid-1", "--new-session", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev", "--bind", "{}", "{}",
              "--ro-bind", "{}/.git", "{}/.git", *covered(".agents", ".codex"), "--unshare-user", "--unshare-pid", "--unshare-ipc",
              "--unshare-net", "--proc", "/proc", "--cap-drop", "ALL"],
    "codex, trying whether it can": ["--as-pid-1", "--new-session", "--die-with-parent", "--tmpfs", "/", "--dev", "/dev",
                                     *(word for name in ("bin", "etc", "lib", "lib64", "sbin", "usr") for word in ("--ro-bind", f"/{name}", f"/{name}")),
                                     "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-net", "--proc", "/proc", "--cap-drop", "ALL"],
    "sandbox-runtime": ["--new-session", "--die-with-parent", "--unshare-net", "--setenv", "SANDBOX_RUNTIME", "1", "--setenv", "https_proxy", "http://localhost:3128",
                        "--ro-bind", "/", "/", "--ro-bind", "{}/.git", "{}/.git", "--bind", "{}", "{}", "--tmpfs", "{}/.ssh", "--ro-bind", "/dev/null", "{}/.env",
                        "--ro-bind", "{}/.git/hooks", "{}/.git/hooks", "--ro-bind", "/dev/null", "{}/.gitmodules", "--ro-bind", "{}/empty", "{}/.claude",
                        "--dev", "/dev", "--unshare-pid", "--unshare-user", "--cap-drop", "ALL", "--proc", "/proc"],
}


@pytest.mark.parametrize("name", AGENTS)
def test_an_agents_line_does_the_same(name, box):
    needs(AGENTS[name])
    script = """cd {}; ls -A; cat .ssh/key .env; echo x >new; echo x >.git/x; echo x >.git/hooks/x; mkdir .codex/x; mv .git .g; rm .env
        id -u; echo $$ $SANDBOX_RUNTIME $https_proxy; cat /proc/net/dev; grep -E "Cap(Eff|Bnd)|NoNewPrivs" /proc/self/status; exit 7"""
    results = []
    for program in (BUBBLEWRAP, BINARY):
        project = box / "project"
        for path in (".git/hooks", ".ssh", "empty"):
            (project / path).mkdir(parents=True)
        (project / ".ssh" / "key").write_text("secret\n")
        result = run([word.replace("{}", str(project)) for word in AGENTS[name]], ["sh", "-c", script.replace("{}", str(project))], program=program)
        left = sorted((str(path.relative_to(project)), path.is_dir()) for path in project.rglob("*"))
        results.append((result.returncode, result.stdout, result.stderr.replace("bwrapish", "bwrap"), left))
        shutil.rmtree(project)
    assert results[0] == results[1]
    assert results[0][0] == 7


@pytest.mark.parametrize("option", ["--info-fd", "--json-status-fd"])
@pytest.mark.parametrize("args", [[], ["--unshare-all"], ["--unshare-pid", "--unshare-net"]], ids=str)
def test_reports_are_the_same_but_for_numbers_and_events(option, args):
    texts = []
    for program in (BUBBLEWRAP, BINARY):
        fd = data_fd()
        assert run([*BASE, *args, option, fd], ["sh", "-c", "exit 3"], program=program).returncode == 3
        os.lseek(fd, 0, os.SEEK_SET)
        text = re.sub(r'^\{ "event": .*\n', "", os.read(fd, 9999).decode(), flags=re.M)
        texts.append(re.sub(r"(?<=: )\d{2,}", "N", text))
    assert texts[0] == texts[1]


@pytest.mark.parametrize("args", [[], ["--unshare-pid"], ["--unshare-pid", "--as-pid-1"]], ids=str)
def test_every_sync_fd_is_held_by_both(args):
    if VERSION < (0, 12):
        pytest.skip("bubblewrap before 0.12 holds the last one only")
    for program in (BUBBLEWRAP, BINARY):
        pipes = [pipe() for _ in range(2)]
        with start([*BASE, *args, *(word for _, held in pipes for word in ("--sync-fd", held))],
                   ["sh", "-c", "echo ready; read x"], stdin=subprocess.PIPE, program=program) as process:
            for _, held in pipes:
                close(held)
            assert line_from(process) == "ready" and not any(readable(life, 0.1) for life, _ in pipes)
            assert process.communicate("\n", timeout=10)[1] == ""
            assert all(at_eof(life) for life, _ in pipes)


# Lines, and the descriptors that they are given: what a shell opens.
FEW = {
    "image loader": (["--unshare-all", "--die-with-parent", "--chdir", "/", "--dev", "/dev", "--ro-bind-try", "/missing", "/m",
                      "--tmpfs", "/home", "--clearenv", "--setenv", "HOME", "/home", "--seccomp", "3"], "3<{}/filter"),
    "several dev": ([word for i in range(4) for word in ("--dev", f"/dev{i}")], ""),
    "bind-fd": ([word for fd in range(3, 9) for word in ("--bind-fd", str(fd), f"/b{fd}")],
                " ".join(f"{fd}</usr/share" for fd in range(3, 9))),
    "lock files": ([word for i in range(7) for word in ("--ro-bind", "/etc/passwd", f"/l{i}", "--lock-file", f"/l{i}")], ""),
    "tmp-overlay": ([*LAYERS, "--tmp-overlay", "/o"], ""),
    "several overlays": ([word for i in range(3) for word in (*LAYERS, "--overlay-src", "/usr", "--tmp-overlay", f"/o{i}")], ""),
}


@pytest.mark.parametrize("name", FEW)
def test_these_lines_need_no_more_descriptors(name, box):
    if VERSION < (0, 13):
        pytest.skip("bubblewrap before 0.13 needs others")
    (box / "filter").write_bytes(struct.pack("=HBBI", 6, 0, 0, 0x7fff0000))  # allows all
    for layer in ("low", "high"):
        (box / layer).mkdir()
    args, opened = FEW[name]
    if "--lock-file" in args:
        need_locks_without_descriptors("/etc/passwd")
    args = [word.format(box) for word in args]

    def runs(program, most):
        line = ["sh", "-c", f'exec "$@" {opened.format(box)}', "sh", "prlimit", f"--nofile={most}:{most}", program, *BASE, *args,
                "sh", "-c", "exit 42"]
        with subprocess.Popen(line, env=ENV, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                              start_new_session=True) as process:
            status = process.wait(timeout=20)
            with contextlib.suppress(ProcessLookupError):  # bubblewrap may leave a process that waits for it
                os.killpg(process.pid, signal.SIGKILL)
        return status == 42
    theirs = next(most for most in range(6, 64) if runs(BUBBLEWRAP, most))
    assert runs(BINARY, theirs), theirs


# ---- where bwrapish is better on purpose ----

def both(args, command=("echo", "ran"), **options):
    return [run([*BASE, *args], command, program=program, **options) for program in (BUBBLEWRAP, BINARY)]


def test_difference_an_empty_bind_is_refused():
    theirs, ours = both(["--bind-try", "", "/x"])
    assert ours.returncode == 1 and ours.stdout == ""
    assert theirs.stdout == ("ran\n" if VERSION < (0, 12) else "")  # it binds all of the host


def test_difference_more_than_9000_words_work():
    theirs, ours = both(["--setenv", "A", "1"] * 3100)
    assert theirs.returncode == 1 and ours.stdout == "ran\n"


def test_difference_one_descriptor_serves_twice():
    results = []
    for program in (BUBBLEWRAP, BINARY):
        fd = data_fd("x")
        results.append(run([*BASE, "--ro-bind-data", fd, "/a", "--ro-bind-data", fd, "/b"], ["cat", "/a", "/b"],
                           program=program))
    assert results[0].stdout != "xx" and results[1].stdout == "xx"


def test_difference_no_process_that_nobody_needs():
    for program, same in ((BUBBLEWRAP, False), (BINARY, True)):
        with subprocess.Popen([program, *BASE, "sh", "-c", "echo $$"], stdout=subprocess.PIPE, text=True,
                              env=ENV, cwd="/") as process:
            assert (process.stdout.read() == f"{process.pid}\n") == same


def test_difference_a_stray_word_in_args_is_refused():
    fd = data_fd("--setenv\0A\0001\0--\0")
    assert run([*BASE, "--args", fd], ["echo", "ran"]).returncode == 1
