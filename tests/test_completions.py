"""The completions are what the option table makes, and offer what the grammar allows at each place of the line."""
import shutil
import subprocess

import pytest

import sandbox
from lines import DUMP, TABLE

COMPLETIONS = sandbox.REPO / "completions"
RUN_BASH = """
source "$1" && shift
compopt() { :; }                                    # outside of readline it only complains
_comp_command_offset() { COMPREPLY=("offset $1"); } # bash-completion's, where COMMAND's own completion begins
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_bwrapish
((${#COMPREPLY[@]} == 0)) || printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "box").mkdir()
    (tmp_path / "boxes.txt").touch()
    return tmp_path


def complete_bash(folder, *line):
    result = subprocess.run(["bash", "--norc", "-c", RUN_BASH, "bash", COMPLETIONS / "bwrapish.bash", "bwrapish", *line],
                            cwd=folder, capture_output=True, text=True, check=True)
    assert result.stderr == ""
    return result.stdout.split("\n")[:-1]


def complete_fish(folder, *line):
    if not shutil.which("fish"):
        pytest.skip("no fish here")
    script = f"source {COMPLETIONS / 'bwrapish.fish'}; complete -C (string join ' ' -- bwrapish $argv)"
    result = subprocess.run(["fish", "--no-config", "-c", script, "--", *line], cwd=folder, capture_output=True, text=True,
                            check=True, env={"PATH": sandbox.ENV["PATH"], "HOME": str(folder), "LANG": "C.UTF-8"})
    assert result.stderr == ""
    return [answer.split("\t")[0].rstrip("/") for answer in result.stdout.splitlines()]


def test_checked_in_files_are_what_the_option_table_makes():
    result = subprocess.run([sandbox.PYTHON, sandbox.REPO / "tools" / "completions", "--check", DUMP],
                            capture_output=True, text=True)
    assert result.returncode == 0, "run tools/completions:\n" + result.stdout + result.stderr


@pytest.mark.parametrize("shell, name", [("bash", "bwrapish.bash"), ("zsh", "_bwrapish"), ("fish", "bwrapish.fish")])
def test_the_shell_itself_reads_its_file(shell, name):
    if not shutil.which(shell):
        pytest.skip(f"no {shell} here")
    result = subprocess.run([shell, "-n", COMPLETIONS / name], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")


def test_bash_offers_every_option_of_the_table(folder):
    assert complete_bash(folder, "--") == list(TABLE)


COMPLETERS = pytest.mark.parametrize("complete", [complete_bash, complete_fish])
CASES = [
    (["--ro-bind-t"], ["--ro-bind-try"]),
    (["--bind", "bo"], ["box", "boxes.txt"]),
    (["--bind", "/a", "bo"], ["box", "boxes.txt"]),
    (["--bind", "/a", "/b", "--unshare-i"], ["--unshare-ipc"]),
    (["--bind-data", "3", "bo"], ["box", "boxes.txt"]),
    (["--bind-data", "bo"], []),
    (["--chdir", "bo"], ["box"]),
    (["--cap-add", "CAP_SYS_AD"], ["CAP_SYS_ADMIN"]),
    (["--propagation", "sl"], ["slave"]),
    (["--overlay-backend", "k"], ["kernel"]),
    (["--unsetenv", "HOM"], ["HOME"]),
    (["--setenv", "HOME", "bo"], []),
    (["--uid", "1", "--tmpfs", "box"], ["box", "boxes.txt"]),
]


@COMPLETERS
@pytest.mark.parametrize("line, answers", CASES, ids=[" ".join(line) for line, _ in CASES])
def test_each_word_of_an_option_completes_to_its_kind(folder, complete, line, answers):
    assert sorted(complete(folder, *line)) == answers


@COMPLETERS
@pytest.mark.parametrize("before", [[], ["--"], ["--bind", "--", "--"]])
def test_command_itself_completes_to_commands(folder, complete, before):
    assert "setpriv" in complete(folder, *before, "setpri")


@pytest.mark.parametrize("line, command", [
    (["ls", "--bind", ""], 1),
    (["--unshare-net", "--", "ls", ""], 3),
    (["--bind", "--", "ls", "cat", ""], 4),
])
def test_bash_leaves_the_words_of_command_to_its_own_completion(folder, line, command):
    assert complete_bash(folder, *line) == [f"offset {command}"]


def test_fish_leaves_the_words_of_command_to_its_own_completion(folder):
    assert complete_fish(folder, "--unshare-net", "cat", "bo") == ["box", "boxes.txt"]
