"""--pidfd-socket: COMMAND's pidfd, over a socket of the caller's."""
import os
import signal
import socket
import subprocess

import pytest

from lines import forms, form_args
from sandbox import BASE, LONG, READY, close, keep, line_from, pipe, readable, refused, run, start


def socket_pair(kind=socket.SOCK_STREAM):
    """(ours, the number of theirs)"""
    ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
    return ours, keep(theirs.detach())


def received(ours):
    """The descriptor that comes over it."""
    assert readable(ours, LONG)
    byte, fds, _, _ = socket.recv_fds(ours, 10, 10)
    assert byte == b"\0" and len(fds) == 1
    return keep(fds[0])


def pid_of(pidfd):
    with open(f"/proc/self/fdinfo/{pidfd}") as info:
        return next(int(line.split()[1]) for line in info if line.startswith("Pid:"))


@forms
def test_it_is_commands_own(form):
    ours, theirs = socket_pair()
    with ours, start([*form_args(form), *BASE, "--pidfd-socket", theirs], READY, stdin=subprocess.PIPE) as process:
        close(theirs)
        pidfd = received(ours)
        assert line_from(process) == "ready"
        with open(f"/proc/{pid_of(pidfd)}/cmdline") as cmdline:
            assert cmdline.read().split("\0")[:3] == READY[:3], "and not that of a reaper"
        assert ours.recv(1) == b"", "nobody has the other end any more"
        assert not readable(pidfd, 0)
        process.communicate("\n", timeout=LONG)
        assert process.returncode == 6 and readable(pidfd, LONG)


@forms
def test_a_signal_by_it_reaches_command(form):
    ours, theirs = socket_pair()
    with ours, start([*form_args(form), *BASE, "--pidfd-socket", theirs], ["sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done"]) as process:
        close(theirs)
        pidfd = received(ours)
        assert line_from(process) == "ready"
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        assert process.wait(LONG) == 7


@forms
def test_command_has_neither_it_nor_the_socket(form):
    ours, theirs = socket_pair()
    with ours:
        result = run([*form_args(form), *BASE, "--proc", "/proc", "--pidfd-socket", theirs], ["sh", "-c", "for fd in /proc/self/fd/*; do readlink $fd; done; true"])
        assert result.returncode == 0 and "socket" not in result.stdout and "pidfd" not in result.stdout, result


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM], ids=lambda kind: kind.name)
def test_each_kind_of_unix_socket_will_do(kind):
    ours, theirs = socket_pair(kind)
    with ours:
        assert run([*BASE, "--pidfd-socket", theirs], ["true"]).returncode == 0
        assert readable(received(ours), LONG)


@forms
def test_it_comes_before_command_and_so_also_where_that_cannot_be_executed(form):
    ours, theirs = socket_pair()
    with ours:
        refused([*form_args(form), *BASE, "--pidfd-socket", theirs], "execvp", command=["/missing"])
        close(theirs)
        assert readable(received(ours), LONG), "it has ended"


@forms
def test_without_a_reader_command_does_not_run(form):
    ours, theirs = socket_pair()
    ours.close()
    refused([*form_args(form), *BASE, "--pidfd-socket", theirs], "--pidfd-socket", "Broken pipe")


@forms
def test_a_socket_that_is_full_is_not_waited_for(form):
    ours, theirs = socket_pair()
    with ours, socket.socket(fileno=os.dup(theirs)) as filler:
        try:
            while filler.send(b"x" * 4096, socket.MSG_DONTWAIT):
                pass
        except BlockingIOError:
            pass
        refused([*form_args(form), *BASE, "--pidfd-socket", theirs], "--pidfd-socket", "it is full, and nobody reads")


def test_nothing_but_a_connected_unix_socket_is_taken():
    _, write_end = pipe()
    refused([*BASE, "--pidfd-socket", write_end], "--pidfd-socket", "Socket operation on non-socket")
    with socket.socket(socket.AF_UNIX) as alone:
        refused([*BASE, "--pidfd-socket", alone.fileno()], "--pidfd-socket", "not connected")
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as tcp:
        refused([*BASE, "--pidfd-socket", tcp.fileno()], "--pidfd-socket", "is no Unix socket")
    refused([*BASE, "--pidfd-socket", "99"], "--pidfd-socket", "not open")
