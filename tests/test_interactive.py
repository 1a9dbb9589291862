"""What people do at a terminal: a shell with jobs, an editor, a pager; in place, through a supervisor and with --pty."""
import os
import shutil
import signal
import termios
import time

import pytest

from sandbox import FULL, LONG, SHELL, Terminal, python_prefix, wait_for

pytestmark = pytest.mark.core

WAYS = {"in place": [], "--unshare-pid": ["--unshare-pid"], "--new-session": ["--new-session"], "--pty": ["--pty"],
        "--pty --unshare-all": ["--pty", "--unshare-all", "--die-with-parent"]}
ways = pytest.mark.parametrize("way", WAYS)
SIZE = python_prefix("import termios; termios.tcsetwinsize(0, (24, 80))")


def program(*names):
    """Its own path: below /usr/bin may be a link to /etc/alternatives, which is not shown."""
    for name in names:
        if path := shutil.which(name, path="/usr/bin:/bin"):
            return os.path.realpath(path)
    pytest.skip(f"needs {names[0]}")


def at_terminal(way, command):
    return Terminal([*FULL, "--setenv", "TERM", "xterm", "--setenv", "PS1", "prompt> ", *WAYS[way]], command, prefix=[*SHELL, *SIZE])


def say(terminal, line, answer):
    terminal.text = ""
    terminal.type(line)
    return terminal.read_until(answer)


@ways
def test_a_shell_has_jobs(way):
    with at_terminal(way, [program("bash"), "--norc", "--noprofile", "--noediting", "-i"]) as terminal:
        terminal.read_until("prompt> ")
        say(terminal, "sleep 60; echo status $?\n", "sleep 60")
        time.sleep(0.3)
        say(terminal, "\x03", "prompt> ")
        say(terminal, "\x03", "prompt> ")  # a second one, at the prompt
        if way != "--new-session":  # there the shell says that it has no job control
            say(terminal, "sh -c 'echo job runs; read x; echo job has $x'\n", "job runs\n")
            say(terminal, "\x1a", r"Stopped(.|\n)*prompt> ")
            say(terminal, "jobs; echo listed\n", r"Stopped(.|\n)*listed")
            say(terminal, "fg\n", "read x; echo job has")
            time.sleep(0.2)
            say(terminal, "it\n", "job has it")
            say(terminal, "sleep 60 & kill %1; wait %1; echo waited $?\n", "waited 143")
        say(terminal, "stty size; echo sized\n", "24 80\nsized")
        terminal.type("exit 7\n")
        assert terminal.wait(LONG) == 7


@ways
def test_a_shell_sees_the_size_change(way):
    with at_terminal(way, [program("bash"), "--norc", "--noprofile", "--noediting", "-i"]) as terminal:
        terminal.read_until("prompt> ")
        termios.tcsetwinsize(terminal.master, (30, 100))
        end = time.monotonic() + LONG
        while not say(terminal, "stty size; echo sized\n", r"(\d+ \d+)\nsized")[1] == "30 100":
            assert time.monotonic() < end
        terminal.type("exit\n")
        assert terminal.wait(LONG) == 0


@ways
def test_an_editor_starts_and_is_left(way):
    with at_terminal(way, [program("vim", "vim.tiny", "vi"), "-u", "NONE", "-i", "NONE", "-N", "-n", "/tmp/file"]) as terminal:
        terminal.read_until("/tmp/file")
        terminal.type("isome text\x1b")
        terminal.read_until("some text")
        terminal.type(":wq\r")
        assert terminal.wait(LONG) == 0
        assert termios.tcgetattr(terminal.master) == terminal.modes


@ways
def test_a_pager_starts_and_is_left(way):
    with at_terminal(way, [program("less"), "/usr/share/common-licenses/GPL-3" if os.path.exists("/usr/share/common-licenses/GPL-3")
                           else "/usr/bin/env"]) as terminal:
        terminal.read_until(r"GPL-3|binary")
        if "binary" in terminal.text:
            say(terminal, "y", "ELF")
        terminal.type(" ")
        time.sleep(0.2)
        terminal.type("q")
        assert terminal.wait(LONG) == 0
        assert termios.tcgetattr(terminal.master) == terminal.modes


@pytest.mark.parametrize("way", ["in place", "--unshare-pid", "--pty", "--pty --unshare-all"])
def test_a_whole_sandbox_is_stopped_and_continued(way):
    """As by Ctrl-Z where the terminal is the caller's, and kill -TSTP where it is not."""
    with at_terminal(way, ["sh", "-c", "echo ready; read x; echo got $x; exit 4"]) as terminal:
        terminal.read_until("ready")
        time.sleep(0.2)
        job = os.tcgetpgrp(terminal.master)
        terminal.type("\x1a") if "--pty" not in way else os.killpg(job, signal.SIGTSTP)
        terminal.read_until("job stopped")
        os.killpg(job, signal.SIGCONT)
        wait_for(lambda: os.tcgetpgrp(terminal.master) == job)
        time.sleep(0.2)
        terminal.type("it\n")
        terminal.read_until("got it")
        assert terminal.wait(LONG) == 4
