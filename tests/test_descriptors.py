"""What callers hear and say through descriptors: info, status, block, sync, id maps, locks."""
import fcntl
import json
import os
import re
import subprocess

import pytest

from sandbox import (BASE, assert_ok, at_eof, bpf, close, data_fd, keep, line_from, pipe, python, read_json,
                     readable, refused, run, start, wait_for)

WITH_PROC = [*BASE, "--proc", "/proc"]
READY = ["sh", "-c", "echo ready; read x; exit 6"]
KINDS = {"cgroup": "--unshare-cgroup", "ipc": "--unshare-ipc", "net": "--unshare-net", "pid": "--unshare-pid",
         "uts": "--unshare-uts"}


def content(fd):
    os.lseek(fd, 0, os.SEEK_SET)
    return os.read(fd, 65536).decode()


def members(args):
    kinds = [kind for kind in ("cgroup", "ipc", "mnt", "net", "pid", "uts") if kind == "mnt" or KINDS[kind] in args]
    return ["child-pid", *(f"{kind}-namespace" for kind in kinds)]


INFO_ARGS = [[], ["--unshare-pid"], [*KINDS.values()], ["--unshare-net", "--unshare-uts"],
             ["--unshare-pid", "--as-pid-1"], ["--unshare-user", "--unshare-net", "--unshare-pid", "--cap-add", "ALL"]]
infos = pytest.mark.parametrize("args", INFO_ARGS, ids=" ".join)


@infos
def test_info_fd_is_one_json_object_byte_for_byte(args):
    fd = data_fd()
    assert_ok(run([*BASE, *args, "--info-fd", fd], ["true"]))
    expected = ",\n".join(rf'    "{name}": \d+' for name in members(args))
    assert re.fullmatch(r"\{\n" + expected + r"\n\}\n", content(fd)), content(fd)


@infos
def test_json_status_fd_is_two_lines_byte_for_byte(args):
    fd = data_fd()
    assert run([*BASE, *args, "--json-status-fd", fd], ["sh", "-c", "exit 6"]).returncode == 6
    expected = ", ".join(rf'"{name}": \d+' for name in members(args))
    assert re.fullmatch(r"\{ " + expected + r" \}\n" + r'\{ "exit-code": 6 \}\n', content(fd)), content(fd)


@infos
def test_the_reported_namespaces_are_those_of_the_reported_process(args):
    info, write_end = pipe()
    with start([*BASE, *args, "--info-fd", write_end], READY, stdin=subprocess.PIPE) as process:
        close(write_end)
        report = read_json(info)
        assert at_eof(info), "--info-fd is closed once written"
        assert line_from(process) == "ready"
        for name in members(args)[1:]:
            kind = name.removesuffix("-namespace")
            assert os.stat(f"/proc/{report['child-pid']}/ns/{kind}").st_ino == report[name], name
        process.communicate("\n", timeout=10)
        assert process.returncode == 6


def test_json_status_of_a_killed_command_is_128_plus_the_signal():
    fd = data_fd()
    run([*BASE, "--json-status-fd", fd], ["sh", "-c", "kill -9 $$"])
    assert json.loads(content(fd).splitlines()[-1]) == {"exit-code": 137}


@pytest.mark.parametrize("args", [[], ["--unshare-pid"]], ids=str)
def test_json_status_has_no_exit_code_when_command_was_not_started(args):
    fd = data_fd()
    refused([*args, "--json-status-fd", fd], "execvp", base=BASE, command=["/missing"])
    assert "exit-code" not in content(fd)
    fd = data_fd()
    refused([*args, "--json-status-fd", fd, "--chdir", "/missing"], "--chdir", base=BASE)
    assert "exit-code" not in content(fd)


def test_info_that_cannot_be_written_means_no_command():
    read_end, write_end = pipe()
    close(read_end)
    refused(["--info-fd", write_end], "--info-fd", base=BASE)
    refused(["--unshare-pid", "--info-fd", keep(os.open("/dev/null", os.O_RDONLY))], "--info-fd",
            "it is not open for writing", base=BASE)


def test_info_comes_before_setup_begins():
    fd = data_fd()
    refused(["--info-fd", fd, "--remount-ro", "/missing"], "--remount-ro", base=BASE)
    assert json.loads(content(fd))["child-pid"] > 0


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
    assert run([*BASE, *args], ["sh", "-c", "exit 6"], prefix=["sh", "-c", held, most]).returncode == 6


def test_a_lock_is_held_also_on_a_file_that_cannot_be_mapped():
    """What holds a lock is a mapping of the file, where it lets itself be mapped."""
    listed = 'grep -c "OFDLCK .* [^ ]*:$(stat -c %i /proc/uptime) " /proc/locks'
    result = run([*WITH_PROC, "--unshare-pid", "--lock-file", "/proc/uptime"], ["sh", "-c", listed])
    assert_ok(result)
    assert result.stdout == "1\n"


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


def test_sync_fd_is_held_although_another_option_uses_the_descriptor():
    for args in ([], ["--unshare-pid"], ["--unshare-pid", "--as-pid-1"]):
        for option in ("--info-fd", "--json-status-fd"):
            life, held = pipe()
            with start([*BASE, *args, option, held, "--sync-fd", held], READY, stdin=subprocess.PIPE) as process:
                close(held)
                assert line_from(process) == "ready"
                assert b"child-pid" in os.read(life, 4096)
                assert not readable(life, 0.1), (args, option)
                process.communicate("\n", timeout=10)
                if option == "--json-status-fd":
                    assert b"exit-code" in os.read(life, 4096)
                assert at_eof(life), (args, option)


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


# ---- userns-block-fd ----

@pytest.mark.user
@pytest.mark.parametrize("more", [[], ["--unshare-pid", "--proc", "/proc", "--dev", "/dev"], ["--unshare-all"]],
                         ids=str)
def test_userns_block_fd_lets_newuidmap_write_the_maps(more):
    uid, gid = os.getuid(), os.getgid()
    (info, told), (wait_end, go_end) = pipe(), pipe()
    with start([*BASE, "--ro-bind", "/proc", "/proc", "--unshare-user", "--uid", "0", "--gid", "0", *more,
                "--info-fd", told, "--userns-block-fd", wait_end],
               ["sh", "-c", "cat /proc/self/uid_map /proc/self/gid_map; id -u; id -g"]) as process:
        close(told)
        child = str(read_json(info)["child-pid"])
        for tool, own in (("newuidmap", uid), ("newgidmap", gid)):
            result = subprocess.run([tool, child, "0", str(own), "1", "1", "100000", "65535"],
                                    capture_output=True, text=True)
            if result.returncode == 1 and "not allowed" in result.stderr:
                pytest.skip("no subordinate ids for this user: " + result.stderr.strip())
            assert_ok(result)
        assert not readable(process.stdout, 0.05)
        os.write(go_end, b"x")
        out, error = process.communicate(timeout=20)
    fields = [line.split() for line in out.splitlines()]
    assert (process.returncode, error) == (0, "")
    assert [row[::2] for row in fields] == [["0", "1"], ["1", "65535"]] * 2 + [["0"]] * 2


@pytest.mark.user
def test_userns_block_fd_that_ends_without_maps_is_refused_or_runs_unmapped():
    (info, told), (wait_end, go_end) = pipe(), pipe()
    with start([*BASE, "--unshare-user", "--info-fd", told, "--userns-block-fd", wait_end], ["echo", "ran"]) as process:
        close(told)
        read_json(info)
        close(go_end)
        out, error = process.communicate(timeout=20)
    assert process.returncode == 1 and out == "" and error.count("\n") == 1, (out, error)


# ---- lock-file ----

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
