"""The man page is prose by hand; its option headings are compared with the option table, both ways."""
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

import sandbox
from lines import TABLE

MANUAL, DIAGNOSTICS = (sandbox.REPO / "man" / name for name in ("bwrapish.1", "bwrapish-diagnostics.7"))

# Those of bubblewrap 0.13.1.
BUBBLEWRAPS = {f"--{name}" for name in """
add-seccomp-fd args argv0 as-pid-1 assert-userns-disabled bind bind-data bind-fd bind-try block-fd cap-add cap-drop chdir chmod
clearenv dev dev-bind dev-bind-try die-with-parent dir disable-userns exec-label file file-label gid help hostname info-fd
json-status-fd level-prefix lock-file mqueue new-session not-a-security-boundary overlay overlay-src perms pidns proc remount-ro
ro-bind ro-bind-data ro-bind-fd ro-bind-try ro-overlay seccomp setenv share-net size symlink sync-fd tmp-overlay tmpfs uid
unsetenv unshare-all unshare-cgroup unshare-cgroup-try unshare-ipc unshare-net unshare-pid unshare-user unshare-user-try
unshare-uts userns userns-block-fd userns2 version
""".split()}


def table():
    assert TABLE, "no options-dump beside the program"
    return Counter((option.name, " ".join(option.words)) for option in TABLE.values())


def headings():
    """`.It Fl Fl bind Ar SRC DEST` or `.It Fl -bind Ar SRC Ar DEST` as ("--bind", "SRC DEST")."""
    found = Counter()
    for option, words in re.findall(r"^\.It Fl (?:Fl |-)(\S+)(.*)$", MANUAL.read_text(), re.M):
        found["--" + option.replace("\\-", "-"), " ".join(word for word in words.split() if word != "Ar")] += 1
    return found


def test_every_option_of_the_table_has_one_heading_with_its_words():
    assert not table() - headings()


def test_every_heading_is_an_option_of_the_table():
    assert not headings() - table()


def test_every_option_that_bubblewrap_has_not_is_told_as_a_difference():
    differences = re.search(r"^\.Sh DIFFERENCES FROM BUBBLEWRAP\n(.*?)^\.Sh ", MANUAL.read_text(), re.M | re.S)[1]
    told = {f"--{name}" for name in re.findall(r"Fl Fl ([a-z0-9-]+)", differences)}
    assert {option.name for option in TABLE.values()} - BUBBLEWRAPS <= told


def named(begin, end):
    """The options between two lines of the page."""
    return set(re.findall(r"--[a-z0-9-]+", MANUAL.read_text().split(f"\n{begin}\n")[1].split(f"\n{end}\n")[0].replace("Fl Fl ", "--")))


def having(trait):
    return {option.name for option in TABLE.values() if trait in option.traits}


def test_the_page_lists_those_of_which_the_last_counts():
    assert named("Where an option sets one value", "and is given twice, the last one counts, and a warning says so.") == having("last-wins") | {"--rlimit"}


def test_the_page_lists_those_that_need_another_process():
    assert named(".It a supervisor", ".It a supervisor, and a reaper as pid 1") == having("supervised") | {"--mask", "--protect"}
    assert named(".It a supervisor, and a reaper as pid 1", "Without a new pid namespace the reaper is an ordinary process.") == having("with-init")


def test_the_page_lists_those_that_end_what_is_left():
    assert named("So do", "With a new pid namespace, or a control group that") == having("ends-with-command") - {"--die-with-command"}


def test_the_causes_of_the_diagnostics_are_those_of_the_messages():
    program = Path(sandbox.BINARY).with_name("causes")
    if not program.exists():
        pytest.skip("no causes beside the program")
    printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    assert DIAGNOSTICS.read_text().split(".\\\" begin: build/causes\n")[1].split(".\\\" end: build/causes\n")[0] == printed


@pytest.mark.parametrize("page", [MANUAL, DIAGNOSTICS], ids=lambda page: page.name)
def test_mandoc_finds_nothing_to_say(page):
    if not shutil.which("mandoc"):
        pytest.skip("no mandoc here")
    result = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True)
    assert (result.returncode, result.stdout + result.stderr) == (0, "")
