"""--trace-denied: what the sandbox keeps from COMMAND, and the options that would allow it."""
import errno
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from lines import FORMS, forms
from sandbox import (BASE, BINARY, ENV, FULL, IS_ROOT, IS_SANITIZED, REPO, as_user, assert_ok, close, data_fd, in_pid_namespace_with_outer_proc, line_from, mark, pipe,
                     processes_with, python, readable, refused, run, start, status_fields, wait_for)

SCHEMA = REPO / "man" / "denied.schema.json"
HIDDEN = ["--ro-bind", "/", "/", "--dev", "/dev", "--tmpfs", "/tmp"]


@pytest.fixture(scope="module")
def validate():
    jsonschema = pytest.importorskip("jsonschema", reason="no python3-jsonschema here to hold the lines against the schema")
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema).validate


def lines_of(fd):
    os.lseek(fd, 0, os.SEEK_SET)
    with os.fdopen(os.dup(fd), errors="surrogateescape") as lines:
        return [json.loads(line) for line in lines]


def denied(args, command, **options):
    """(the kinds, the options, the result)"""
    fd = data_fd()
    result = run([*args, "--trace-denied", fd], command, **options)
    *kinds, last = lines_of(fd)
    return kinds, last["options"], result


def told(kinds):
    return [(kind["call"], kind["path"], kind["errno"]) for kind in kinds]


# ---- the options make programs run ----

PROGRAMS = {
    "bash": ["bash", "-c", "echo hello | cat"],
    "python3": ["/usr/bin/python3", "-c", "import json, subprocess; print(subprocess.check_output(['echo', 'hello'], text=True))"],
    "git": ["git", "init", "-q", "/tmp/new"],
    "node": ["node", "-e", "require('https'); console.log('hello')"],
    "gcc": ["sh", "-c", "echo 'int printf(const char *, ...); int main(void) { return printf(\"hello\") < 0; }' >/tmp/a.c && "
            "gcc -o /tmp/a /tmp/a.c && /tmp/a"],
}


def need_to_run_in_two_rounds(args, command, **options):
    for _ in range(2):
        _, words, _ = denied(args, command, **options)
        args = [*args, *shlex.split(words)]
    result = run(args, command, **options)
    assert result.returncode == 0, (args, result)
    return args


@pytest.mark.programs
@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("form", [[], ["--unshare-all"]], ids=["plain", "everything"])
def test_two_rounds_of_options_make_a_program_run_in_an_empty_root(name, form):
    command = PROGRAMS[name]
    if not all(shutil.which(word, path=ENV["PATH"]) for word in (command[0], name)):
        pytest.skip(f"no {name} here")
    if form and name == "node":
        pytest.skip("large: once is enough")
    need_to_run_in_two_rounds([*form, "--tmpfs", "/tmp"], command)


@pytest.fixture
def display():
    if not shutil.which("Xvfb"):
        pytest.skip("no Xvfb here")
    sockets = Path("/tmp/.X11-unix")
    with open(shutil.which("Xvfb"), "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one at a time knows whether the directory is its own
        was_there = sockets.exists()
        reader, writer = pipe()
        server = subprocess.Popen(["Xvfb", "-displayfd", str(writer), "-nolisten", "tcp"], pass_fds=[writer], stderr=subprocess.DEVNULL)
        close(writer)
        assert readable(reader, 20)
        yield ":" + os.read(reader, 16).decode().strip()
        server.terminate()
        server.wait()
        if not was_there and not list(sockets.iterdir()):
            sockets.rmdir()


@pytest.mark.programs
def test_two_rounds_of_options_open_a_window_of_gtk(display):
    """By the display's socket in a directory: that of a name alone is not to be reached with --unshare-all."""
    if not shutil.which("gtk3-demo"):
        pytest.skip("no gtk3-demo here")
    args = need_to_run_in_two_rounds(["--unshare-all", "--tmpfs", "/tmp"], ["gtk3-demo", "--run=clipboard", "--autoquit"],
                                     env={**ENV, "DISPLAY": display})
    assert f"/tmp/.X11-unix/X{display[1:]}" in args


# ---- what is told ----

@forms
def test_what_is_hidden_is_told_once_with_its_option_and_what_is_there_is_not(form, validate):
    args = [*[data_fd() if word is None else word for word in FORMS[form]], *HIDDEN, "--tmpfs", "/etc"]
    kinds, options, result = denied(args, ["sh", "-c", "cat /etc/hostname; cat /etc/hostname /usr/bin/env >/dev/null; cat /etc/nowhere"])
    assert result.returncode == 1
    assert [kind for kind in kinds if kind["path"] == "/etc/hostname"] == [
        {"call": "openat", "path": "/etc/hostname", "errno": "ENOENT", "option": "--ro-bind-try /etc/hostname /etc/hostname"}]
    assert "--ro-bind-try /etc/hostname /etc/hostname" in options
    assert not [kind for kind in kinds if kind["path"] in ("/usr/bin/env", "/etc/nowhere")]
    for line in [*kinds, {"options": options}]:
        validate(line)


def test_the_last_line_comes_where_command_could_not_be_executed():
    kinds, options, result = denied([], ["/usr/bin/env"])
    assert result.returncode == 1 and "what --trace-denied has written" in result.stderr, result
    assert told(kinds)[0] == ("execve", "/usr/bin/env", "ENOENT")
    assert "--ro-bind-try /usr/bin/env /usr/bin/env" in options


def test_the_loader_of_a_program_that_is_there_is_told():
    """The kernel says of the program that it does not exist."""
    kinds, _, _ = denied(["--ro-bind", "/usr/bin/env", "/usr/bin/env"], ["/usr/bin/env"])
    assert len(kinds) == 1 and "/ld-" in kinds[0]["path"] and kinds[0]["errno"] == "ENOENT", kinds


def test_the_interpreters_of_a_script_are_told(box):
    script = box / "script"
    script.write_text(f"#!{box}/other\n")
    (box / "other").write_text("#! /usr/bin/env\n")
    for path in (script, box / "other"):
        path.chmod(0o755)
    kinds, _, _ = denied(["--ro-bind", script, script], [script])
    assert [path for _, path, _ in told(kinds)][:2] == [f"{box}/other", "/usr/bin/env"]


CALLS = {
    "openat": "open('FILE')", "newfstatat": "os.stat('FILE')", "access": "os.access('FILE', os.R_OK) or open('FILE')",
    "readlink": "os.readlink('LINK')", "chdir": "os.chdir('BOX')", "execve": "os.execv('FILE', ['x'])",
    "mkdir": "os.mkdir('BOX/new')", "mknod": "os.mkfifo('BOX/new')", "rename": "os.rename('FILE', 'BOX/new')",
    "unlink": "os.unlink('FILE')", "rmdir": "os.rmdir('DIR')", "symlink": "os.symlink('x', 'BOX/new')", "link": "os.link('FILE', 'BOX/new')",
    "connect": "socket.socket(socket.AF_UNIX).connect('SOCKET')", "bind": "socket.socket(socket.AF_UNIX).bind('BOX/new')",
}


@pytest.fixture
def things(box):
    (box / "file").write_text("#!/bin/true\n")
    (box / "file").chmod(0o755)
    (box / "link").symlink_to("file")
    (box / "dir").mkdir()
    here = socket.socket(socket.AF_UNIX)
    here.bind(str(box / "socket"))
    here.listen()
    yield {"BOX": str(box), "FILE": f"{box}/file", "LINK": f"{box}/link", "DIR": f"{box}/dir", "SOCKET": f"{box}/socket"}
    here.close()


def with_things(code, things):
    for word, path in things.items():
        code = code.replace(word, path)
    return python(f"import os, socket\ntry: {code}\nexcept OSError as e: print(e.errno)")


@pytest.mark.parametrize("call", CALLS)
def test_each_call_is_told_as_the_kernel_denies_it(call, things):
    kinds, options, result = denied(HIDDEN, with_things(CALLS[call], things))
    mine = [kind for kind in kinds if kind["path"] and kind["path"].startswith(things["BOX"])]
    assert result.stdout == f"{errno.ENOENT}\n" and mine, (kinds, result)
    assert {kind["errno"] for kind in mine} == {"ENOENT"}
    assert re.sub("at2?$", "", call) in {re.sub("at2?$", "", kind["call"]) for kind in mine}, mine
    kinds, _, _ = denied([*HIDDEN, "--bind", things["BOX"], things["BOX"]], with_things(CALLS[call], things))
    assert not [path for _, path, _ in told(kinds) if path.startswith(things["BOX"])], "where it is allowed it is not told"


@pytest.mark.parametrize("code", ["open('FILE', 'a')", "os.mkdir('BOX/new')", "os.unlink('FILE')", "os.access('BOX', os.W_OK) or os.open('x', 0)"], ids=str)
def test_what_is_read_only_inside_is_told_where_it_is_writable_outside(code, things):
    kinds, options, _ = denied(["--ro-bind", "/", "/", "--dev", "/dev"], with_things(code, things))
    assert "EROFS" in {kind["errno"] for kind in kinds} and options == "--tmpfs /tmp", kinds
    if not IS_ROOT:
        os.chmod(things["BOX"], 0o555)
        os.chmod(things["FILE"], 0o555)
        kinds, options, _ = denied(["--ro-bind", "/", "/", "--dev", "/dev"], with_things(code, things))
        os.chmod(things["BOX"], 0o755)
        assert (kinds, options) == ([], "")


def test_what_fails_outside_too_is_not_told(things):
    for code in ("open('BOX/nowhere')", "os.mkdir('DIR')", "os.chdir('FILE')", "os.open('DIR', os.O_WRONLY)", "open('FILE/x')"):
        assert denied(["--bind", "/", "/", "--dev", "/dev"], with_things(code, things))[:2] == ([], ""), code


def test_links_into_proc_are_followed_in_the_sandboxs():
    code = "import os\nr, w = os.pipe()\nos.close(os.open(f'/dev/fd/{r}', os.O_RDONLY)); os.stat('/dev/stdin'); open('/proc/self/stat'); os.readlink('/proc/self/exe')"
    kinds, options, result = denied([*FULL, "--unshare-pid"], python(code))
    assert_ok(result)
    assert not [kind for kind in kinds if kind["path"].startswith(("/proc", "/dev"))], kinds


def test_proc_and_dev_are_told_as_their_options():
    kinds, options, _ = denied(BASE, ["sh", "-c", "cat /proc/self/stat </dev/null; echo >/dev/null; : </dev/fd/0"])
    assert "--proc /proc" in options and "--dev /dev" in options and "/dev/null" not in options, options


def test_paths_are_understood_from_the_directories_that_the_process_has(things):
    code = """import os, threading, ctypes
os.chdir('/usr')
top = os.open('/usr/lib', os.O_PATH)
def absent(*args, **more):
    try: os.stat(*args, **more)
    except OSError: pass
absent('../etc/hostname'); absent('../../etc/passwd', dir_fd=top)
def elsewhere():
    assert ctypes.CDLL(None).unshare(0x200) == 0  # CLONE_FS
    os.chdir('/'); absent('etc/os-release')
thread = threading.Thread(target=elsewhere); thread.start(); thread.join()
absent('etc/os-release')"""
    kinds, _, result = denied([*HIDDEN, "--tmpfs", "/etc"], python(code))
    assert_ok(result)
    mine = {path for call, path, _ in told(kinds) if "stat" in call and "etc/" in path and "python" not in path}
    assert {"/usr/../etc/hostname", "/usr/lib/../../etc/passwd"} <= mine, mine
    assert ("/etc/os-release" in mine) == os.path.exists("/etc/os-release") and "/usr/etc/os-release" not in mine


def test_a_directory_that_was_passed_on_says_nothing_of_the_sandbox(things):
    folder = os.open(things["DIR"], os.O_RDONLY)
    try:
        (Path(things["DIR"]) / "x").write_text("")
        kinds, _, result = denied(HIDDEN, python(f"import os; os.stat('x', dir_fd={folder}); os.stat('.', dir_fd={folder})"), pass_fds=[folder])
    finally:
        os.close(folder)
    assert_ok(result)
    assert not [path for _, path, _ in told(kinds) if things["DIR"] in path]


# ---- what is not told ----

def test_no_option_leads_to_secrets_or_to_a_whole_home(box):
    home = box / "home" / "me"
    for name in (".ssh", ".config/gh", "project"):
        (home / name).mkdir(parents=True)
    for name in (".ssh/id_rsa", ".config/gh/hosts.yml", ".netrc", ".bash_history", "project/.env", "project/code"):
        (home / name).write_text("x")
    code = f"""import os
os.chdir('/')
for name in ('', '.ssh', '.ssh/id_rsa', '.config', '.config/gh/hosts.yml', '.netrc', '.bash_history', 'project/.env', 'project/code'):
    try: os.open({str(home)!r} + '/' + name, 0)
    except OSError: pass"""
    kinds, options, _ = denied(HIDDEN, python(code), env={**ENV, "HOME": str(home)})
    by_path = {kind["path"].removeprefix(str(home)): kind["option"] for kind in kinds if str(home) in kind["path"]}
    assert {name for name, option in by_path.items() if option is None} == {
        "/.ssh", "/.ssh/id_rsa", "/.config/gh/hosts.yml", "/.netrc", "/.bash_history", "/project/.env"}, by_path
    words = shlex.split(options)
    assert ["--dir", str(home)] == words[words.index("--dir"):][:2] and f"{home}/project/code" in words
    assert str(home) not in [word for before, word in zip(words, words[1:]) if before != "--dir"]
    assert not re.search(r"\.ssh|gh|netrc|history|\.env", options)


def test_what_the_line_masks_or_protects_is_told_with_its_option_and_not_undone(box, validate):
    for name in ("masked", "globbed", "protected", "open"):
        (box / name).mkdir()
        (box / name / "x").touch()
    lock = ["--unshare-user", "--cap-drop", "ALL"]  # root's COMMAND could take a mask off
    masks = ["--mask", box / "masked", "--mask-glob", box / "glob*", "--protect", box / "protected"]
    args = [*BASE, *lock, "--bind", box, box, "--mount-flags", "ro", "--bind", box / "open", box / "open", *masks]
    first = len(args) - len(masks) + 1
    code = "".join(f"open('{box}/{name}/x', '{mode}')\n" if name != "masked" else f"__import__('os').stat('{box}/{name}/x')\n"
                   for name, mode in (("masked", "r"), ("globbed", "r"), ("protected", "a"), ("open", "a")))
    code = "".join(f"try: {line}\nexcept OSError: pass\n" for line in code.splitlines())
    kinds, options, _ = denied(args, python(code))
    assert {kind["path"].split("/")[-2]: (kind["option"], kind.get("held-by")) for kind in kinds if str(box) in kind["path"]} == {
        "masked": (None, f"--mask (argument {first})"), "globbed": (None, f"--mask-glob (argument {first + 2})"),
        "protected": (None, f"--protect (argument {first + 4})"), "open": (f"--bind-try {box}/open/x {box}/open/x", None)}
    assert f"--bind-try {box}/open/x {box}/open/x" in options and "ed/x" not in options
    for kind in kinds:
        validate(kind)


def test_what_a_mount_of_the_line_keeps_from_being_renamed_or_removed_is_told_with_its_option(box, validate):
    for name in ("git/config", "git/new", "deep/er/masked/x", "file", "busy"):
        (box / name).parent.mkdir(parents=True, exist_ok=True)
        (box / name).touch()
    lock = ["--unshare-user", "--cap-drop", "ALL"]  # root's COMMAND could take a mask off
    args = [*BASE, *lock, "--bind", box, box, "--ro-bind", "/etc/passwd", box / "busy", "--protect", box / "git/config", "--mask", box / "deep/er/masked",
            "--protect", box / "later"]
    code = f"""import os
os.chdir('{box}')
for call in (lambda: os.rename('git/new', 'git/config'), lambda: os.rename('deep/er', 'away'), lambda: os.rmdir('deep/er/masked'), lambda: os.remove('busy'),
             lambda: os.remove('later'), lambda: os.remove('file'), lambda: os.rename('git/new', 'git/other')):
    try: call()
    except OSError as e: print(e.errno, end=' ')"""
    kinds, options, result = denied(args, python(code))
    assert result.stdout == f"{errno.EBUSY} " * 5, result
    first = len(args) - 8
    mine = {kind["path"].removeprefix(f"{box}/"): kind for kind in kinds if str(box) in kind["path"]}
    assert {name: (kind["call"], kind["errno"], kind["option"], kind.get("held-by")) for name, kind in mine.items()} == {
        "git/config": ("rename", "EBUSY", None, f"--protect (argument {first + 3})"), "deep/er": ("rename", "EBUSY", None, f"--mask (argument {first + 5})"),
        "deep/er/masked": ("rmdir", "EBUSY", None, f"--mask (argument {first + 5})"), "busy": ("unlink", "EBUSY", None, f"--ro-bind (argument {first})"),
        "later": ("unlink", "EBUSY", None, f"--protect (argument {first + 7})")}
    for kind in kinds:
        validate(kind)


def test_what_the_line_masks_is_not_undone_by_another_way_to_it(box):
    (box / "real/masked").mkdir(parents=True)
    (box / "real/masked/x").touch()
    (box / "link").symlink_to("real")
    lock = ["--unshare-user", "--cap-drop", "ALL"]  # root's COMMAND could take a mask off
    code = f"""import os
os.symlink('masked', '{box}/real/alias')
for path in 'real/alias/x', 'real/masked/x':
    try: os.stat('{box}/' + path)
    except OSError: pass"""
    for name in "real", "link":
        kinds, options, _ = denied([*BASE, *lock, "--bind", box, box, "--mask", box / name / "masked"], python(code))
        held = {kind["path"].removeprefix(f"{box}/"): (kind["option"], kind.get("held-by", "")[:6]) for kind in kinds if str(box) in kind["path"]}
        assert held == {"real/alias/x": (None, "--mask"), "real/masked/x": (None, "--mask")}
        assert "masked" not in options
        (box / "real/alias").unlink()


@pytest.mark.skipif(IS_ROOT, reason="nothing is closed to root")
def test_what_the_caller_may_not_do_outside_is_not_told():
    code = "import os\nfor path in ('/etc/shadow', '/root/x'):\n  try: open(path)\n  except OSError: pass\ntry: os.mkdir('/usr/new')\nexcept OSError: pass"
    kinds, _, _ = denied([*HIDDEN, "--tmpfs", "/etc", "--tmpfs", "/root"], python(code))
    assert not [path for _, path, _ in told(kinds) if path in ("/etc/shadow", "/root/x", "/usr/new")]


def test_another_root_that_command_has_made_is_its_own_affair():
    code = """import os
os.mkdir('/tmp/jail'); os.chroot('/tmp/jail'); os.chdir('/')
try: open('/usr/bin/env')
except OSError as e: print(e.errno)"""
    kinds, _, result = denied([*HIDDEN, "--unshare-user", "--uid", "0", "--gid", "0", "--cap-add", "CAP_SYS_CHROOT"], python(code))
    assert result.stdout == f"{errno.ENOENT}\n" and "/usr/bin/env" not in [path for _, path, _ in told(kinds)], (kinds, result)


def test_paths_are_quoted_for_a_shell_and_in_json(box, validate):
    name = f"{box}/it's \"a\"\n b"
    Path(name).write_text("x")
    raw = os.fsencode(str(box)) + b"/\xff"
    Path(os.fsdecode(raw)).write_text("x")
    code = f"import os\nfor path in ({os.fsencode(name)!r}, {raw!r}):\n  try: os.open(path, 0)\n  except OSError: pass"
    kinds, options, _ = denied(HIDDEN, python(code))
    assert {os.fsencode(kind["path"]) for kind in kinds if str(box) in kind["path"]} == {os.fsencode(name), raw}
    words = shlex.split(options)
    assert name in words and os.fsdecode(raw) in words


# ---- beside other filters ----

def test_a_trace_of_calls_and_one_of_paths_share_the_listener():
    fd, calls = data_fd(), data_fd()
    code = "import os\ntry: os.stat('/etc/hostname')\nexcept OSError: pass\nos.mkdir('/tmp/x'); os.getpgid(0)"
    result = run([*HIDDEN, "--tmpfs", "/etc", "--trace-denied", fd, "--seccomp-deny", "mkdir,mkdirat,getpgid", "--seccomp-trace", calls], python(code))
    assert_ok(result)
    assert "/etc/hostname" in [line.get("path") for line in lines_of(fd)]
    assert {line.get("call") for line in lines_of(calls)} - {"mkdirat"} == {"mkdir", "getpgid", None}


def test_what_a_filter_denies_stays_denied():
    code = "import os\ntry: os.mkdir('/tmp/x')\nexcept OSError as e: print(e.errno)"
    _, _, result = denied([*HIDDEN, "--seccomp-deny", "mkdir:ENOTTY,mkdirat:ENOTTY"], python(code))
    assert result.stdout == f"{errno.ENOTTY}\n", result


@pytest.mark.parametrize("inner", [["--trace-denied", "1"], ["--seccomp-deny", "ptrace", "--seccomp-trace", "1"]], ids=lambda words: words[-2])
def test_a_second_listener_is_refused(inner):
    _, _, result = denied(["--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev", "--unshare-pid", "--proc", "/proc"],
                          [BINARY, "--ro-bind", "/", "/", *inner, "/usr/bin/true"])
    assert result.returncode == 1 and "listener of its own" in result.stderr and result.stderr.count("\n") == 1, result


def test_a_listener_of_commands_own_is_refused_and_the_run_goes_on():
    """As the kernel refuses it: seccomp(2) with SECCOMP_FILTER_FLAG_NEW_LISTENER."""
    code = """import ctypes, platform
libc = ctypes.CDLL(None, use_errno=True)
code = (ctypes.c_uint64 * 1)(0x7fff000000000006)
filter = (ctypes.c_ulong * 2)(1, ctypes.addressof(code))
number = {'x86_64': 317, 'aarch64': 277}[platform.machine()]
print(libc.syscall(number, 1, 8, ctypes.byref(filter)), ctypes.get_errno())
try: open('/etc/hostname')
except OSError: print('and on')"""
    kinds, _, result = denied([*HIDDEN, "--tmpfs", "/etc"], python(code))
    assert result.stdout == f"-1 {errno.EBUSY}\nand on\n", result
    assert "/etc/hostname" in [kind["path"] for kind in kinds]


# ---- a hostile COMMAND ----

def test_a_path_that_changes_in_memory_harms_nobody(validate):
    code = """import ctypes, threading, os
libc = ctypes.CDLL(None)
path = ctypes.create_string_buffer(b'/etc/hostname\\0' + b'x' * 6000)
stop = False
def race():
    i = 0
    while not stop:
        i += 1
        ctypes.memmove(path, [b'/etc/hostname\\0', b'/etc/passwd\\0', b'/' * 6000, b'x' * 6000][i % 4], 12)
thread = threading.Thread(target=race); thread.start()
for _ in range(300): libc.open(path, 0); libc.open(ctypes.c_void_p(8), 0); libc.open(ctypes.c_void_p(2**64 - 8), 0)
stop = True
thread.join()
print('done')"""
    kinds, _, result = denied([*HIDDEN, "--tmpfs", "/etc"], python(code))
    assert result.stdout == "done\n" and result.returncode == 0, result
    for kind in kinds:
        validate(kind)


def test_kinds_without_number_are_bounded_and_that_is_said(box, validate):
    code = f"import os\nfor i in range(1100): os.path.exists(f'{box}/{{i}}')"
    for i in range(1100):
        os.mkfifo(box / str(i))
    fd = data_fd()
    result = run([*HIDDEN, "--trace-denied", fd], python(code))
    assert_ok(result)
    lines = lines_of(fd)
    assert len(lines) == 1001 and lines[-1]["truncated"] is True
    validate(lines[-1])


def test_where_nobody_reads_what_is_told_command_goes_on(box):
    code = f"import os\nfor i in range(300): os.access(f'{box}/{{i:0240}}', 0)\nprint('done')"
    for i in range(300):
        (box / f"{i:0240}").touch()
    reader, unread = pipe()
    result = run([*HIDDEN, "--trace-denied", unread], python(code))
    assert (result.returncode, result.stdout) == (0, "done\n") and "nobody has read it for two seconds; no more is told" in result.stderr
    close(reader)
    result = run([*HIDDEN, "--trace-denied", unread], python(code))
    assert (result.returncode, result.stdout) == (0, "done\n") and "Broken pipe; no more is told" in result.stderr and result.stderr.count("\n") == 1, result


def test_a_pipe_outside_is_not_opened_and_nobody_waits_for_it(box):
    os.mkfifo(box / "pipe")
    kinds, options, _ = denied(HIDDEN, python(f"open('{box}/pipe')"))
    assert (box / "pipe").as_posix() in [kind["path"] for kind in kinds] and f"--ro-bind-try {box}/pipe" in options


LOOKING = "import os, sys\nprint('ready', flush=True)\nsys.stdin.readline()\nfor i in range(3): os.path.exists('/etc/hostname')\nprint('done', flush=True)\nsys.stdin.readline()"


@pytest.mark.parametrize("form", [[], ["--unshare-pid"]], ids=["plain", "with pid 1"])
def test_a_helper_that_is_killed_ends_the_run_with_a_clear_line(form):
    with start([*form, *HIDDEN, "--trace-denied", data_fd()], python(LOOKING), stdin=subprocess.PIPE) as process:
        assert line_from(process) == "ready"
        for pid in helpers(process):
            os.kill(pid, signal.SIGKILL)
        assert process.wait(20) == 1
        error = process.stderr.read()
        assert "--trace-denied" in error and "was ended" in error and error.count("\n") == 1, error


def helpers(process):
    """The supervisor's children that are no process of the sandbox: in the supervisor's own mount namespace."""
    own = os.readlink("/proc/self/ns/mnt")
    found = []
    for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        try:
            inside = os.readlink(f"/proc/{pid}/ns/mnt") != own
        except OSError:  # it is not dumpable, as our processes are
            inside = False
        if not inside:
            found.append(int(pid))
    return found


def test_a_helper_that_does_not_come_back_holds_up_neither_command_nor_the_end():
    """As one that waits for a file server; stopped, it looks the same."""
    fd = data_fd()
    with start([*HIDDEN, "--tmpfs", "/etc", "--trace-denied", fd], python(LOOKING), stdin=subprocess.PIPE) as process:
        assert line_from(process) == "ready"
        for pid in helpers(process):
            os.kill(pid, signal.SIGSTOP)
        process.stdin.write("\n\n")
        process.stdin.flush()
        assert line_from(process) == "done" and process.wait(20) == 0, process.stderr.read()
    lines = lines_of(fd)
    assert [line for line in lines if "does not answer" in line.get("unknown", "")], lines
    assert "/etc/hostname" in [line.get("path") for line in lines if line.get("errno")], "its successor has looked"


@pytest.mark.root
def test_a_process_that_cannot_be_looked_into_is_told_once_for_each_call(box, validate):
    """A program that only root may read: what it has in memory is nobody's who may not read it (ptrace(2), PR_SET_DUMPABLE)."""
    shutil.copy("/usr/bin/cat", box / "cat")
    (box / "cat").chmod(0o711)
    kinds, _, result = denied([*HIDDEN, "--ro-bind", box / "cat", "/tmp/cat", "--tmpfs", "/etc"], ["/tmp/cat", "/etc/hostname", "/etc/passwd"],
                              prefix=as_user())
    assert result.returncode == 1
    unknown = [kind for kind in kinds if "cannot be looked into" in kind.get("unknown", "")]
    assert [kind["call"] for kind in unknown].count("openat") == 1, kinds
    for kind in kinds:
        validate(kind)


def test_the_helper_can_change_nothing_and_reach_nobody():
    """It is confined by a filter and has no capability, and nothing of the caller's but what it needs."""
    with start([*HIDDEN, "--trace-denied", data_fd()], python(LOOKING), stdin=subprocess.PIPE) as process:
        assert line_from(process) == "ready"
        (helper,) = helpers(process)
        status = status_fields(Path(f"/proc/{helper}/status").read_text())
        assert status["Seccomp"] == "2" and int(status["NoNewPrivs"]) == 1
        assert IS_ROOT or {int(status[caps], 16) for caps in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
        assert int(status["CapPrm"], 16) & ~(1 << 19 | 1 << 2) == 0, "CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, of root's"
        if IS_ROOT:
            assert not {"0", "1", "2"} & set(os.listdir(f"/proc/{helper}/fd")) and len(os.listdir(f"/proc/{helper}/fd")) == 4


def test_command_may_end_while_its_threads_wait():
    code = """import os, threading
def look():
    while True: os.path.exists('/etc/hostname')
for _ in range(8): threading.Thread(target=look, daemon=True).start()
os.path.exists('/etc/passwd')
os._exit(7)"""
    for _ in range(3):
        kinds, _, result = denied([*HIDDEN, "--tmpfs", "/etc"], python(code))
        assert result.returncode == 7 and not result.stderr and "/etc/passwd" in [kind["path"] for kind in kinds], result


@forms
def test_what_command_leaves_behind_ends_with_it_and_so_does_all_with_the_supervisor(form):
    seconds = mark()
    args = [*[data_fd() if word is None else word for word in FORMS[form]], *HIDDEN]
    _, _, result = denied(args, ["sh", "-c", f"(setsid sleep {seconds} &) ; exit 3"])
    assert result.returncode == 3
    wait_for(lambda: not processes_with(seconds), what="the end of what was left")
    with start([*args, "--trace-denied", data_fd()], ["sh", "-c", f"echo ready; exec sleep {seconds}"]) as process:
        assert line_from(process) == "ready"
        process.kill()
        process.wait()
        wait_for(lambda: not processes_with(seconds), what="the end with the supervisor")


def test_signals_without_number_do_not_begin_calls_anew_for_ever():
    code = """import os, signal
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
for _ in range(200): os.path.exists('/etc/hostname')
print('done')"""
    _, _, result = denied([*HIDDEN, "--tmpfs", "/etc"], python(code))
    assert result.stdout == "done\n", result


def test_it_needs_the_proc_of_its_own_pid_namespace():
    refused(["--unshare-pid", *BASE, "--trace-denied", data_fd()], "--trace-denied", "/proc shows another pid namespace",
            prefix=in_pid_namespace_with_outer_proc())


def test_it_holds_no_descriptor_of_the_callers_open(box):
    """Whoever waits for the end of what COMMAND writes."""
    read_end, write_end = pipe()
    assert run([*HIDDEN, "--trace-denied", data_fd()], ["true"], stdout=write_end).returncode == 0
    os.close(os.dup(write_end))


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer needs memory of its own")
def test_it_costs_memory_by_kinds_and_not_by_calls():
    code = """import os
def look(times):
    for _ in range(times): os.path.exists('/etc/hostname')
    print('done', flush=True); input()
look(100); look(5000)"""
    with start([*HIDDEN, "--tmpfs", "/etc", "--trace-denied", data_fd()], python(code), stdin=subprocess.PIPE) as process:
        used = []
        for _ in range(2):
            assert line_from(process) == "done"
            pids = [process.pid, *helpers(process)]
            used.append(sum(int(re.search(r"VmRSS:\s*(\d+)", Path(f"/proc/{pid}/status").read_text())[1]) for pid in pids))
            process.stdin.write("\n")
            process.stdin.flush()
    assert used[1] - used[0] < 1000, used
