"""Descriptors: what COMMAND inherits, what options consume; waiting for one and holding one."""
import fcntl
import os
import subprocess

import pytest

from lines import JOINED, TAKE_FD, descriptor_for, each, form_args, forms
from sandbox import (BASE, FULL, READY, WITH_PROC, Holder, assert_ok, at_eof, bpf, close, data_fd, inside, keep, line_from,
                     need_locks_without_descriptors, pipe, python, readable, refused, run, run_python, start, wait_for)

pytestmark = pytest.mark.core


# ---- what is inherited ----

LIST_FDS = "print(sorted(int(n) for n in os.listdir('/proc/self/fd') if os.path.lexists(f'/proc/self/fd/{n}')))"


@forms
@pytest.mark.parametrize("more", [[], ["--dev", "/dev", "--dir", "/d", "--tmpfs", "/t", "--dev-bind", "/usr", "/u"]],
                         ids=str)
def test_command_has_no_descriptor_but_the_standard_three(form, more):
    result = run_python([*form_args(form), *more], f"import os\n{LIST_FDS}", base=WITH_PROC)
    assert result.stdout == "[0, 1, 2]\n"


@forms
def test_inherited_descriptors_pass_unless_close_fds(form):
    numbers = [data_fd("inherited") for _ in range(3)]
    high = keep(os.dup2(numbers[0], 500))
    for args, expected in (([], [*numbers, high]), (["--close-fds"], []),
                           (["--keep-fd", str(numbers[1]), "--close-fds"], [numbers[1]]),
                           (["--close-fds", "--keep-fd", "500", "--keep-fd", str(numbers[0])], [numbers[0], 500])):
        result = run_python([*form_args(form), *args], f"import os\n{LIST_FDS}", base=WITH_PROC,
                            pass_fds=[*numbers, high])
        assert eval(result.stdout) == [0, 1, 2, *expected], args


def test_an_inherited_descriptor_is_the_same_open_file():
    fd = data_fd("0123456789")
    assert inside([], f"os.read({fd}, 4)", pass_fds=[fd]) == b"0123" and os.read(fd, 2) == b"45"


@each(TAKE_FD)
@pytest.mark.parametrize("form", ["alone", "with pid 1"])
def test_consumed_descriptors_never_pass(option, form, box):
    if option.use == "passed":
        pytest.skip("it is there to pass one")
    if option.name == "--userns-block-fd":
        pytest.skip("COMMAND waits for maps: test_userns_block_fd_lets_newuidmap_write_the_maps lists its descriptors")
    if option.name in ("--check-json", "--features-json"):
        pytest.skip("COMMAND does not run")
    second = ["unshare", "--user", "--map-current-user"] if option.name == "--userns2" else []
    kind = JOINED.get(option.name, "user")
    made = ["--pid", "--" + kind] if kind not in ("user", "pid") else ["--pid"]
    with Holder("--user", "--map-current-user", "--keep-caps", *made, "--fork", "--kill-child", inner=second) as holder:
        fd = descriptor_for(option, box, holder)
        joined = []
        if option.name == "--userns2":
            joined = ["--userns", keep(fcntl.ioctl(fd, 0xb702))]  # NS_GET_PARENT
        elif kind != "user":
            joined = ["--userns", holder.namespace("user")]
        result = run_python([*form_args(form), *joined, *option.line(fd)], f"import os\n{LIST_FDS}", base=WITH_PROC)
    assert (result.returncode, result.stdout) == (0, "[0, 1, 2]\n"), result


def test_keep_fd_of_a_consumed_descriptor_passes_or_is_refused_but_never_wrong():
    fd = data_fd("text")
    result = run_python(["--close-fds", "--keep-fd", fd, "--file", fd, "/f"], f"import os\n{LIST_FDS}", base=WITH_PROC)
    assert result.returncode in (0, 1) and (result.returncode or eval(result.stdout) in ([0, 1, 2], [0, 1, 2, fd]))


@pytest.mark.parametrize("closed", ["0", "1", "2", "01", "02", "12", "012"])
@pytest.mark.parametrize("form", ["alone", "with pid 1", "die with parent"])
def test_closed_standard_descriptors_break_nothing_and_show_nothing(closed, form, box):
    code = """import os, stat
def what(n):
    try: s = os.fstat(n)
    except OSError: return "closed"
    return "null" if stat.S_ISCHR(s.st_mode) and s.st_rdev == os.makedev(1, 3) else "other"
found = repr([what(n) for n in range(3)])
open("/box/out", "w").write(found)"""
    shut = " ".join(f"{n}<&-" for n in closed)
    run([*FULL, *form_args(form), "--file", data_fd("x"), "/f", "--bind", box, "/box"], python(code),
        prefix=["sh", "-c", f'exec "$@" {shut}', "sh"], stdin=data_fd())
    # Python itself puts /dev/null or nothing in their place; what must not be there is one of ours.
    assert [state in ("closed", "null") for state in eval((box / "out").read_text())] == \
        [str(n) in closed for n in range(3)]


# ---- block-fd, sync-fd ----

@pytest.mark.parametrize("args", [[], ["--unshare-pid"], ["--unshare-all", "--die-with-parent"]], ids=str)
@pytest.mark.parametrize("end", ["byte", "eof"])
def test_block_fd_waits_for_a_byte_or_the_end_after_all_setup(args, end, box):
    wait_end, go_end = pipe()
    with start([*BASE, *args, "--bind", box, "/b", "--file", data_fd(), "/b/set-up", "--block-fd", wait_end],
               ["echo", "ran"]) as process:
        wait_for((box / "set-up").exists, 20)
        assert not readable(process.stdout, 0.1), "COMMAND started too early"
        if end == "byte":
            os.write(go_end, b"x")
        close(go_end)
        assert line_from(process) == "ran" and process.wait(10) == 0


def test_seccomp_is_read_after_block_fd(box):
    wait_end, go_end = pipe()
    program_read, program_write = pipe()
    with start([*WITH_PROC, "--block-fd", wait_end, "--seccomp", program_read],
               ["grep", "Seccomp:", "/proc/self/status"]) as process:
        os.write(go_end, b"x")
        assert not readable(process.stdout, 0.1)
        os.write(program_write, bpf({}))
        close(program_write)
        assert line_from(process) == "Seccomp:\t2"


@pytest.mark.parametrize("args", [[], ["--unshare-pid"], ["--unshare-pid", "--as-pid-1"],
                                  ["--unshare-pid", "--seccomp-deny", "ptrace"],
                                  ["--unshare-all", "--die-with-parent"]], ids=str)
def test_each_sync_fd_stays_open_while_the_sandbox_lives_and_is_invisible(args):
    pipes = [pipe() for _ in range(3)]
    with start([*WITH_PROC, *args, *(word for _, held in pipes for word in ("--sync-fd", held))],
               ["sh", "-c", f"ls /proc/self/fd | grep -xE '{'|'.join(str(held) for _, held in pipes)}'; echo ready; read x"],
               stdin=subprocess.PIPE) as process:
        for _, held in pipes:
            close(held)
        assert line_from(process) == "ready"
        assert not any(readable(life, 0.1) for life, _ in pipes)
        process.communicate("\n", timeout=10)
        assert all(at_eof(life) for life, _ in pipes)


def test_the_last_sync_fd_may_be_the_first_once_more():
    life, held = pipe()
    with start([*BASE, "--sync-fd", held, "--sync-fd", held], ["sh", "-c", "echo ready; read x"],
               stdin=subprocess.PIPE) as process:
        close(held)
        assert line_from(process) == "ready" and not readable(life, 0.1)
        process.communicate("\n", timeout=10)
        assert at_eof(life)


@pytest.mark.parametrize("most, args", [
    (9, ["--unshare-user", "--unshare-pid", "--disable-userns", "--proc", "/proc"]),
    (10, ["--unshare-all", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]),
    (10, ["--ro-bind", "/etc/passwd", "/lock", "--lock-file", "/lock", "--sync-fd", "3", "--sync-fd", "4"]),
    (8, [word for i in range(9) for word in ("--ro-bind", "/etc/passwd", f"/l{i}", "--lock-file", f"/l{i}")]),
    (10, ["--unshare-pid", "--as-pid-1", "--die-with-parent", "--sync-fd", "3", "--sync-fd", "4"]),
], ids=["no namespaces", "all namespaces", "held", "locks", "as pid 1"])
def test_as_few_descriptors_are_enough_as_with_bubblewrap(most, args):
    held = 'exec prlimit --nofile="$0:$0" "$@"' + " 3</dev/null 4</dev/null" * ("3" in args)
    if "--lock-file" in args:
        need_locks_without_descriptors("/etc/passwd")
    assert run([*BASE, *args], ["sh", "-c", "exit 6"], prefix=["sh", "-c", held, most]).returncode == 6


def test_a_lock_is_held_also_on_a_file_that_cannot_be_mapped():
    """What holds a lock is a mapping of the file, where it lets itself be mapped."""
    code = """import os
file = os.stat("/proc/uptime")
name = "%02x:%02x:%d" % (os.major(file.st_dev), os.minor(file.st_dev), file.st_ino)
print([line.split()[1] for line in open("/proc/locks") if name in line.split()])"""
    assert run_python(["--unshare-pid", "--lock-file", "/proc/uptime"], code, base=WITH_PROC).stdout == "['OFDLCK']\n"


def test_sync_fd_stays_open_as_long_as_a_daemon_lives():
    life, held = pipe()
    orders, order = pipe()
    daemon = f"import os\nif os.fork(): os._exit(0)\nos.read({orders}, 9)"
    run([*BASE, "--unshare-pid", "--sync-fd", held], python(daemon), pass_fds=[orders], stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL)
    close(held)
    assert not readable(life, 0.1)
    close(order)
    assert at_eof(life)


def read_until(fd, words):
    text = b""
    while words not in text:
        more = os.read(fd, 4096)
        assert more, text
        text += more


def test_sync_fd_is_held_although_another_option_uses_the_descriptor():
    for args in ([], ["--unshare-pid"], ["--unshare-pid", "--as-pid-1"]):
        for option in ("--info-fd", "--json-status-fd"):
            life, held = pipe()
            with start([*BASE, *args, option, held, "--sync-fd", held], READY, stdin=subprocess.PIPE) as process:
                close(held)
                assert line_from(process) == "ready"
                read_until(life, b"started" if option == "--json-status-fd" else b"child-pid")
                assert not readable(life, 0.1), (args, option)
                process.communicate("\n", timeout=10)
                if option == "--json-status-fd":
                    read_until(life, b"exit-code")
                assert at_eof(life), (args, option)


# ---- read to the end ----

@each([option for option in TAKE_FD if "wants-end" in option.traits])
def test_a_pipe_that_its_own_descriptor_keeps_open_is_refused(option, box):
    os.mkfifo(box / "fifo")
    fd = keep(os.open(box / "fifo", os.O_RDWR))
    refused([*BASE, *option.line(fd)], f"{option.name} (argument {len(BASE) + 1}): Descriptor {fd} is open for writing, too, and so has no end: open it by {fd}<")


def test_a_byte_may_come_through_such_a_pipe(box):
    os.mkfifo(box / "fifo")
    fd = keep(os.open(box / "fifo", os.O_RDWR))
    os.write(fd, b"x")
    assert run([*BASE, "--block-fd", fd], ["true"]).returncode == 0


@pytest.mark.parametrize("content, args", [(b"words", ["--file", "/x"]), (b"words", ["--ro-bind-data", "/x"]), (bpf({}), ["--seccomp"]), (bpf({}), ["--add-seccomp-fd"])],
                         ids=str)
def test_what_comes_late_is_waited_for_also_where_the_descriptor_does_not_block(content, args):
    read_end, write_end = pipe()
    os.set_blocking(read_end, False)
    with start([*BASE, args[0], read_end, *args[1:]], ["sh", "-c", "echo runs; test ! -e /x || cat /x"]) as process:
        assert not readable(process.stdout.fileno(), 0.05)
        os.write(write_end, content)
        close(write_end)
        assert process.communicate(timeout=10)[0] == "runs\n" + (content.decode() if "/x" in args else "")


# ---- written to ----

@each([option for option in TAKE_FD if {"writes", "supervisor-writes"} & set(option.traits)])
def test_what_is_not_open_for_writing_is_refused_before_command_runs(option):
    for flags in os.O_RDONLY, os.O_PATH:
        fd = keep(os.open("/dev/null", flags))
        refused([*BASE, *option.line(fd)], f"{option.name} (argument ", f"Descriptor {fd} is not open for writing: open it by {fd}>")


# ---- one number twice, and numbers that nobody has given ----

def test_a_closed_standard_descriptor_is_not_open_to_any_option(box):
    (box / "file").write_text("kept")
    for fd, args in ((0, ["--args", "0"]), (2, ["--args", "2"]), (0, ["--file", "0", "/box/file"]),
                     (0, ["--bind-fd", "0", "/box/file"]), (0, ["--ro-bind-data", "0", "/box/file"]),
                     (0, ["--overlay-src-fd", "0", "--tmp-overlay", "/o"]), (0, ["--block-fd", "0"]),
                     (1, ["--info-fd", "1"]), (1, ["--json-status-fd", "1"]), (0, ["--sync-fd", "0"]),
                     (0, ["--seccomp", "0"]), (0, ["--add-seccomp-fd", "0"]), (0, ["--userns", "0"]),
                     (1, ["--seccomp-deny", "@clock", "--seccomp-dump", "1"]), (0, ["--close-fds", "--keep-fd", "0"])):
        shut = f"{fd}<&-"
        result = run([*BASE, "--bind", box, "/box", *args], ["touch", "/box/ran"],
                     prefix=["sh", "-c", f'exec "$@" {shut}', "sh"])
        assert result.returncode == 1, (args, result)
        assert fd == 2 or f"descriptor {fd} is not open" in result.stderr, (args, result)
        assert os.listdir(box) == ["file"] and (box / "file").read_text() == "kept", args


def test_a_number_that_was_read_to_its_end_never_stands_for_what_is_ours(box):
    (box / "file").write_text("kept")
    program = bpf({})
    for content_, last in ((b"--setenv\0A\0B\0", "--args"), (program, "--add-seccomp-fd")):
        for args in (["--bind-fd", "FD", "/x"], ["--file", "FD", "/box/file"], ["--sync-fd", "FD"],
                     ["--close-fds", "--keep-fd", "FD"], ["--overlay-src-fd", "FD", "--tmp-overlay", "/x"]):
            fd = data_fd(content_)
            refused([*BASE, "--bind", box, "/box", *(fd if word == "FD" else word for word in args), last, fd],
                    f"{last} (argument ", f"descriptor {fd} is that of --")
            assert (box / "file").read_text() == "kept"


def test_one_descriptor_is_copied_shown_and_held_as_often_as_it_is_named(box):
    (box / "file").write_text("text")
    fd = keep(os.open(box / "file", os.O_RDONLY))
    result = run([*BASE, "--file", fd, "/a", "--ro-bind-data", fd, "/b", "--ro-bind-fd", fd, "/c", "--sync-fd", fd],
                 ["cat", "/a", "/b", "/c"])
    assert_ok(result)
    assert result.stdout == "text" * 3
