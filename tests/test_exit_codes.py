"""--exit-codes: how the caller tells what fails before COMMAND from COMMAND."""
import os
import signal
import subprocess

import pytest

from lines import form_args, forms
from sandbox import BASE, FULL, Holder, args_fd, command_line, data_fd, keep, killed_by, pipe, run

pytestmark = pytest.mark.core
ENV_CODES = ["--exit-codes", "env"]
SETUP, NOT_EXECUTABLE, NOT_FOUND = 125, 126, 127


def code_of(args, command=("echo", "COMMAND RAN"), **options):
    result = run(args, command, **options)
    assert result.stdout == "" and result.stderr.count("\n") == 1, result
    return result.returncode


# ---- COMMAND cannot be executed ----

COMMANDS = {"missing": NOT_FOUND, "/usr/missing/tool": NOT_FOUND, "": NOT_FOUND, "/usr": NOT_EXECUTABLE, "/usr/share/dict-of-nobody": NOT_FOUND,
            "/usr/bin/env/tool": NOT_EXECUTABLE, "/data": NOT_EXECUTABLE}


@forms
@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_not_there_is_127_and_what_cannot_be_executed_is_126(form, command):
    line = [*BASE, "--ro-bind-data", data_fd(b"x"), "/data"]
    assert code_of([*line, *form_args(form), *ENV_CODES], [command]) == COMMANDS[command]
    os.lseek(line[-2], 0, os.SEEK_SET)
    assert code_of([*line, *form_args(form)], [command]) == 1


@forms
@pytest.mark.parametrize("status", [0, 1, SETUP, NOT_EXECUTABLE, NOT_FOUND, 255])
def test_a_status_of_commands_own_stays(form, status):
    assert run([*BASE, *form_args(form), *ENV_CODES], ["sh", "-c", f"exit {status}"]).returncode == status


# ---- setup fails ----

FAILING = {"a source": ["--ro-bind", "/missing", "/x"], "a destination": ["--bind-data", None, "/usr/bin/env/x"],
           "a directory": ["--chdir", "/missing"], "a lock": ["--lock-file", "/missing"], "a proc": ["--tmpfs", "/usr/bin/env/x"],
           "a filter": ["--seccomp", None]}


@forms
@pytest.mark.parametrize("what", FAILING)
def test_a_step_of_setup_that_fails_is_125(form, what):
    if (form, what) == ("as pid 1", "a lock"):
        pytest.skip("a contradiction")
    failing = [data_fd(b"xyz") if word is None else word for word in FAILING[what]]
    assert code_of([*BASE, *failing, *form_args(form), *ENV_CODES]) == SETUP


@forms
def test_setup_that_a_signal_ends_is_125_where_somebody_is_left_to_say_it(form):
    result = run([*BASE, *form_args(form), *ENV_CODES], ["echo", "COMMAND RAN"], prefix=killed_by("pivot_root"))
    assert result.stdout == "" and result.returncode in ((-signal.SIGSYS, SETUP) if form in ("alone", "new session") else (SETUP,))


def test_setup_that_fails_in_joined_namespaces_is_125():
    with Holder("--user", "--map-current-user", "--pid", "--fork", "--kill-child") as holder:
        joined = ["--userns", holder.namespace("user"), "--pidns", holder.namespace("pid"), *ENV_CODES]
        for more in ([], ["--unshare-pid"]):
            assert code_of([*BASE, *joined, *more, "--ro-bind", "/missing", "/x"]) == SETUP
            assert code_of([*BASE, *joined, *more], ["missing"]) == NOT_FOUND
            assert run([*BASE, *joined, *more], ["true"], prefix=killed_by("setns")).returncode == SETUP


def test_time_that_is_up_before_command_started_stays_124():
    waits, _ = pipe()
    assert code_of([*BASE, *ENV_CODES, "--timeout", "0.3", "--block-fd", waits]) == 124


# ---- the line cannot be read ----

@pytest.mark.parametrize("line", [
    [*ENV_CODES, "--bogus"], ["--bogus", *ENV_CODES], ["--uid", "x", *ENV_CODES], [*ENV_CODES, "--as-pid-1"], ["--as-pid-1", *ENV_CODES],
    ["--exit-codes", "bwrap", *ENV_CODES, "--bogus"], [*ENV_CODES, "--ro-bind", "/"], [*ENV_CODES, "--block-fd", "99"],
    [*ENV_CODES, "--size", "0"]], ids=" ".join)
def test_a_fault_of_the_line_is_125_before_and_behind_the_option(line):
    assert code_of(line) == SETUP


@pytest.mark.parametrize("line", [["--bogus"], ["--exit-codes", "x"], ["--exit-codes", ""], ["--bogus", "--exit-codes", "bwrap"],
                                  ["--bogus", "--", *ENV_CODES]], ids=" ".join)
def test_a_fault_of_the_line_is_1_otherwise(line):
    assert code_of(line) == 1


def test_a_fault_behind_the_option_is_125_where_that_comes_from_args():
    assert code_of(["--args", args_fd(ENV_CODES), "--bogus"]) == SETUP
    assert code_of(["--args", args_fd([*ENV_CODES, "--bogus"])]) == SETUP


def test_a_line_without_command_is_125():
    result = run(ENV_CODES)
    assert result.returncode == SETUP and "no COMMAND: --exit-codes (argument 1) took env as its CODES; what is to be run stands behind that" in result.stderr


def test_words_that_are_none_of_the_codes_are_told():
    result = run(["--exit-codes", "docker"], ["true"])
    assert result.returncode == 1 and "--exit-codes (argument 1): Unknown exit codes docker; they are bwrap and env" in result.stderr


def test_what_cannot_be_printed_is_125():
    full = keep(os.open("/dev/full", os.O_WRONLY))
    assert run([*ENV_CODES, "--help"], stdout=full).returncode == SETUP
    assert run([*ENV_CODES, "--dry-run", *BASE], ["true"], stdout=full).returncode == SETUP


def test_a_signal_that_was_sent_to_bwrapish_before_command_started_is_told_by_its_number():
    """It is neither setup's failure nor COMMAND's: who sent it knows."""
    waits, _ = pipe()
    line = command_line([*FULL, *ENV_CODES, "--json-status-fd", "1", "--block-fd", waits], ["true"])
    process = subprocess.Popen(line, stdout=subprocess.PIPE, pass_fds=[waits])
    process.stdout.readline()
    process.terminate()
    assert process.wait(30) == 128 + signal.SIGTERM
    process.stdout.close()
