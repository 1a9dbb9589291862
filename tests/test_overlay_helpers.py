"""The helpers of an overlay: the limits they run under, and what COMMAND does to them."""
import json
import os
import shlex
import signal
import subprocess
from pathlib import Path

import pytest

from lines import SOON
from overlays import (BACKENDS, CALLERS, fuse_prefix, give, helpers_of, layers, listed, merge, need_kernel_overlay,
                      needs_fuse, tree)
from sandbox import (BASE, WITH_PROC, at_eof, close, command_line, data_fd, line_from, pipe, python, readable,
                     session_members, start, wait_for)


# ---- limits ----

def can_limit_memory():
    top = Path("/sys/fs/cgroup")
    lists = [path for path in (top / "cgroup.controllers", top / "unified/cgroup.controllers") if path.exists()]
    return (top / "memory/cgroup.procs").exists() or any("memory" in path.read_text().split() for path in lists)


limits_memory = pytest.mark.skipif(not can_limit_memory(), reason="no memory controller")
LIMIT = ["--limit", "memory.max", "60M", "--limit-try", "memory.swap.max", "0"]


def groups_of(pid):
    # os.walk(), unlike glob(), does not mind what disappears
    return [path for path, _, _ in os.walk("/sys/fs/cgroup") if os.path.basename(path).startswith(f"bwrapish-{pid}-")]


def helpers_with_limits(supervisor):
    return {int(pid) for path in groups_of(supervisor) if os.path.exists(f"{path}/helper")
            for pid in Path(path, "helper/cgroup.procs").read_text().split()}


@pytest.mark.root
@limits_memory
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_memory_limit_holds_for_what_is_written_to_an_overlay(backend, tree):
    """Whoever keeps it for COMMAND.  What the kernel was to write to a FUSE server that is gone is told by fsync(2) alone."""
    fd = data_fd()
    result = merge(tree, "root", backend, "head -c 100M /dev/zero >/m/big && sync /m/big && echo kept || true", timeout=100,
                   more=["--limit", "memory.max", "20M", *LIMIT[3:], "--json-status-fd", fd])
    use = [json.loads(line) for line in os.pread(fd, 65536, 0).decode().splitlines()][-2]
    assert use["oom-kills"] >= 1 and use["memory-peak-bytes"] <= 20 << 20
    assert result.stdout == "", result


@pytest.mark.root
@limits_memory
@pytest.mark.parametrize("backend", BACKENDS)
def test_changes_are_listed_where_limits_are_set(backend, tree):
    """The helper is in the group that is killed, and still writes everything before."""
    how = ["--overlay", tree / "up", tree / "work", "/m"]
    script = ("(setsid sh -c 'while :; do echo x >/m/dir/late; done' &)\n"
              "echo 2 >/m/file; rm /m/both; exec 5</m/dir/old; rm /m/dir/old")
    _, lines = listed(tree, "root", backend, script, how, LIMIT)
    assert [lines[f"/m/{name}"]["change"] for name in ("file", "both", "dir/old")] == ["changed", "removed", "removed"]
    if backend == "fuse":  # its files that are unlinked and still open
        assert not [path for path in (tree / "work").rglob("*") if path.is_file()]


@needs_fuse
@pytest.mark.root
@limits_memory
@pytest.mark.parametrize("end", ["end", "SIGTERM before the start", "time", "parent"])
def test_a_helper_with_limits_ends_with_the_sandbox(end, tree):
    give("root", tree)
    block_fd, go_fd = pipe()
    options = {"end": [], "time": ["--timeout", SOON], "parent": ["--die-with-parent"],
               "SIGTERM before the start": ["--block-fd", block_fd]}
    args = [*WITH_PROC, *LIMIT, *options[end], "--overlay-backend", "fuse", *layers(tree), "--tmp-overlay", "/m"]
    script = "echo 1 >/m/x; sleep 1" if end == "end" else "sleep 50"
    with start(args, ["sh", "-c", script], prefix=["sh", "-c", '"$@" & echo $!; wait', "sh"]) as parent:
        supervisor = int(line_from(parent))
        wait_for(lambda: helpers_of(tree), 20, "the start")
        assert helpers_with_limits(supervisor) == helpers_of(tree)
        if end == "SIGTERM before the start":
            os.kill(supervisor, signal.SIGTERM)
        elif end == "parent":
            parent.kill()
        wait_for(lambda: not groups_of(supervisor) and not helpers_of(tree), 20, "the end")
    close(go_fd)


# ---- helpers that COMMAND meddles with ----

# The supervisor's other children are the helpers.
FIND_HELPERS = """
import ctypes, os, signal, struct, sys, time
def state_and_parent(pid):
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[:2]
    except OSError:
        return ["X", "0"]
helpers = [int(p) for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid() and int(state_and_parent(p)[1]) == os.getppid()]
assert helpers
"""


@pytest.mark.parametrize("caller", CALLERS)
def test_a_killed_reader_is_told(caller, tree):
    read_fd, write_fd = pipe()
    script = "exec " + shlex.join(python(FIND_HELPERS + "os.kill(helpers[0], 9)\nos.unlink('/m/file')"))
    result = merge(tree, caller, "kernel", script, more=["--overlay-changes", write_fd])
    close(write_fd)
    assert result.returncode == 1 and "Can't list changes: the process that lists them was ended by signal 9" in result.stderr
    assert result.stderr.count("\n") == 1 and at_eof(read_fd)


KILL_FUSE = "exec " + shlex.join(python(FIND_HELPERS + """
for pid in helpers:
    if "fuse" in open(f"/proc/{pid}/comm").read():
        os.kill(pid, 9)
        while state_and_parent(pid)[0] not in "ZX": time.sleep(0.001)  # or the end of COMMAND might be the first to be seen
"""))


@needs_fuse
@pytest.mark.parametrize("caller", CALLERS)
def test_a_killed_fuse_overlayfs_is_told_although_command_ends_at_once(caller, tree):
    result = merge(tree, caller, "fuse", KILL_FUSE, more=["--die-with-parent"])
    assert (result.returncode, result.stderr) == (0, "bwrapish: fuse-overlayfs was ended by signal 9: what it has merged cannot be used any more\n")


@needs_fuse
@pytest.mark.parametrize("caller", CALLERS)
def test_a_list_that_a_killed_fuse_overlayfs_has_cut_short_is_told(caller, tree):
    read_fd, write_fd = pipe()
    result = merge(tree, caller, "fuse", KILL_FUSE, more=["--overlay-changes", write_fd])
    close(write_fd)
    assert result.returncode == 1 and "Can't list changes: fuse-overlayfs was ended by signal 9" in result.stderr
    assert at_eof(read_fd)


@pytest.mark.root
def test_a_process_with_the_number_of_a_dead_helper_is_neither_spared_nor_waited_for(tree):
    script = FIND_HELPERS + """
os.kill(helpers[0], 9)
while os.path.exists(f"/proc/{helpers[0]}"): time.sleep(0.01)
os.unlink("/m/file")
number = (ctypes.c_int * 1)(helpers[0])
args = ctypes.create_string_buffer(struct.pack("11Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(number), 1, 0))
if ctypes.CDLL(None).syscall(435, args, 88) == 0:  # clone3() with set_tid
    os.setsid()
    for fd in range(3): os.close(fd)
    time.sleep(5)
    os._exit(0)
assert os.path.exists(f"/proc/{helpers[0]}")
print(helpers[0])
"""
    read_fd, write_fd = pipe()
    result = merge(tree, "root", "kernel", "exec " + shlex.join(python(script)), more=["--overlay-changes", write_fd])
    close(write_fd)
    assert result.returncode == 1 and "Can't list changes" in result.stderr and at_eof(read_fd), result
    assert not os.path.exists(f"/proc/{int(result.stdout)}")


@pytest.mark.parametrize("more", [[], pytest.param(LIMIT, marks=[pytest.mark.root, limits_memory])], ids=["", "limits"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("caller", CALLERS)
def test_stopped_helpers_hold_nothing_up(caller, backend, more, tree):
    """Who waits for an answer of fuse-overlayfs's cannot even be killed."""
    script = FIND_HELPERS + """
for i in range(3):
    if os.fork() == 0:
        while True: open(f"/m/{i}", "w").close(); os.unlink(f"/m/{i}")
os.unlink("/m/file")
time.sleep(0.1)
for pid in helpers: os.kill(pid, signal.SIGSTOP)
time.sleep(0.2)
"""
    if more and caller == "user":
        pytest.skip("a user without a group of its own")
    _, lines = listed(tree, caller, backend, "exec " + shlex.join(python(script)), ["--tmp-overlay", "/m"], more)
    assert lines["/m/file"]["change"] == "removed"


def listing_for_ever(tree, *more):
    """(a command line whose list nobody reads to its end, the descriptor where it begins)"""
    need_kernel_overlay(CALLERS[-1])
    give(CALLERS[-1], tree)
    read_fd, write_fd = pipe()
    args = [*BASE, *more, "--overlay-backend", "kernel", "--overlay-changes", write_fd, *layers(tree), "--tmp-overlay", "/m"]
    return args, python("for i in range(1000): open(f'/m/{i}' + 'x' * 200, 'w')"), read_fd


def test_a_signal_ends_the_listing(tree):
    args, command, read_fd = listing_for_ever(tree)
    with start(args, command, prefix=fuse_prefix(CALLERS[-1])) as process:
        assert readable(read_fd, 20)
        process.terminate()
        assert process.wait(10) == 128 + 15
        wait_for(lambda: not list(session_members(process.pid)), what="the reader's end")


def test_the_parents_death_ends_the_listing(tree):
    args, command, read_fd = listing_for_ever(tree, "--die-with-parent")
    line = command_line(args, command, prefix=fuse_prefix(CALLERS[-1]))
    with subprocess.Popen(["sh", "-c", '"$@" & echo $!; wait', "sh", *line], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          pass_fds=[arg for arg in args if type(arg) is int]) as parent:
        supervisor = int(parent.stdout.readline())
        assert readable(read_fd, 20)
        parent.kill()
        wait_for(lambda: not os.path.exists(f"/proc/{supervisor}"), what="the supervisor's end")
