"""--env-fd, and that what options set or take away is in COMMAND's environment, or nowhere in /proc."""
import json
import os
import random
from pathlib import Path

import pytest

from lines import FORMS
from sandbox import (BASE, ENV, FULL, IS_ROOT, LONG, Holder, args_fd, data_fd, line_from, pipe, python, refused, run,
                     run_python, start, wait_for)

pytestmark = pytest.mark.core
SHAPES = {**FORMS, "joinable": ["--lock-file", "/usr/bin/env"], "capabilities": ["--unshare-all", "--cap-add", "ALL"],
          "filters": ["--unshare-pid", "--seccomp-deny", "acct"], "uid 0": ["--unshare-all", "--uid", "0", "--gid", "0"],
          "ends": ["--die-with-command"], "second": ["--unshare-user", "--unshare-pid", "--disable-userns"],
          "list": ["--overlay-src", "/usr/share", "--overlay-changes", None, "--tmp-overlay", "/tmp/x"]}
shapes = pytest.mark.parametrize("shape", SHAPES)


def shape_args(shape):
    return [data_fd() if word is None else word for word in SHAPES[shape]]


def secret():
    return f"secret-{random.randrange(10**12)}-of-nobody"


# Every process that shows itself, but the one that asks: where each of the words on standard input is found.
SCAN = """import json, os, sys
secrets, found = json.load(sys.stdin), []
for pid in filter(str.isdigit, os.listdir('/proc')):
    if int(pid) == os.getpid(): continue
    for name in ('cmdline', 'environ', 'comm', 'stat'):
        try: text = open(f'/proc/{pid}/{name}', 'rb').read().decode(errors='replace')
        except OSError: continue
        found += [[what, name, pid] for what, word in secrets.items() if word in text]
print(json.dumps([found, {word: [k for k, v in os.environ.items() if v == word] for word in secrets.values()}]))"""


def scan(args, secrets, **options):
    result = run([*FULL, *args], python(SCAN), stdin=data_fd(json.dumps(secrets)), **options)
    assert result.returncode == 0, result  # an overlay may warn
    return json.loads(result.stdout)


@shapes
def test_nothing_that_is_set_can_be_read_of_another_process(shape):
    words = {how: secret() for how in ("on the line", "in args", "by descriptor")}
    line, args, descriptor = words.values()
    found, own = scan([*shape_args(shape), "--setenv", "ONE", line, "--args", args_fd(["--setenv", "TWO", args]),
                       "--env-fd", data_fd(f"THREE={descriptor}\0")], words)
    assert own == {line: ["ONE"], args: ["TWO"], descriptor: ["THREE"]}
    if IS_ROOT:  # pid 1 shows COMMAND's variables to who may trace it, as root's COMMAND may in its own pid namespace
        found = [[what, name, pid] for what, name, pid in found if (name, pid) != ("environ", "1")]
    assert not found


@shapes
@pytest.mark.parametrize("taking", [["--clearenv"], ["--unsetenv", "TAKEN"], ["--setenv", "TAKEN", "other"], ["--env-fd", None]],
                         ids=lambda taking: taking[0])
def test_nothing_that_is_taken_away_can_be_read_of_any_process(shape, taking):
    word = secret()
    taking = [data_fd("TAKEN=other") if part is None else part for part in taking]
    assert scan([*shape_args(shape), *taking], {"taken": word}, env={**ENV, "TAKEN": word}) == [[], {word: []}]


@shapes
def test_the_host_cannot_read_a_value_in_the_command_line_once_setup_has_begun(shape):
    word, (read_end, write_end) = secret(), pipe()
    with start([*FULL, *shape_args(shape), "--setenv", "NAME", word, "--block-fd", read_end], ["sh", "-c", "echo $NAME"]) as process:
        line = Path(f"/proc/{process.pid}/cmdline")
        wait_for(lambda: b"--setenv\0NAME\0" + b"*" * len(word) + b"\0" in line.read_bytes(), LONG)
        os.write(write_end, b"x")
        assert line_from(process) == word


# ---- --env-fd ----

def environment(args, **options):
    result = run_python(args, "import json, os\nprint(json.dumps(dict(os.environ)))", **options)
    assert result.returncode == 0, result  # an overlay may warn
    return json.loads(result.stdout)


@shapes
def test_variables_of_a_descriptor_are_set_where_it_stands(shape):
    data = "A=1\0B=x=y\0EMPTY=\0LINES=one\ntwo\0A=2"
    seen = environment([*shape_args(shape), "--setenv", "B", "before", "--env-fd", data_fd(data), "--setenv", "EMPTY", "after"], base=FULL)
    assert (seen["A"], seen["B"], seen["EMPTY"], seen["LINES"]) == ("2", "x=y", "after", "one\ntwo")


def test_what_proc_shows_of_an_environment_can_be_given():
    seen = environment(["--clearenv", "--env-fd", data_fd("HOME=/x\0LC_ALL=C\0")])
    assert seen == {"HOME": "/x", "LC_ALL": "C", "PWD": "/"}
    assert environment(["--env-fd", data_fd("")]) == environment([])


def test_a_variable_of_a_descriptor_can_be_forgotten_again():
    assert "A" not in environment(["--env-fd", data_fd("A=1"), "--unsetenv", "A"])


def test_ten_thousand_variables_can_be_given():
    seen = environment(["--env-fd", data_fd("".join(f"V{n}={n}\0" for n in range(10000)))])
    assert seen["V0"] == "0" and seen["V9999"] == "9999"


@pytest.mark.parametrize("data, words", [
    ("A=1\0SECRET\0", "entry 2 of descriptor {} has no = in it"), ("=SECRET\0", "entry 1 of descriptor {} has no name"),
    ("A=1\0\0SECRET=2", "entry 2 of descriptor {} is empty"), ("\0", "entry 1 of descriptor {} is empty")])
def test_a_wrong_entry_is_told_by_its_number_alone(data, words):
    fd = data_fd(data)
    message = refused(["--env-fd", fd], f"--env-fd (argument 1): Invalid variable: {words.format(fd)}", base=[])
    assert "SECRET" not in message


def test_lines_are_no_entries():
    fd = data_fd("A=SECRET\nB=2\n")
    assert "SECRET" not in refused(["--env-fd", fd], f"a variable of descriptor {fd} ends with a NUL and not with a newline: tr '\\n' '\\0'", base=[])
    assert environment(["--clearenv", "--env-fd", data_fd("A=1\n2\0")])["A"] == "1\n2"


def test_a_descriptor_is_read_once_and_closed():
    fd = data_fd("A=1")
    refused(["--env-fd", fd, "--env-fd", fd], "--env-fd (argument 3)", "has read all of it and closed it", base=[])
    refused(["--env-fd", "99"], "descriptor 99 is not open", base=BASE)
    refused(["--env-fd", "x"], "not a descriptor's number", base=BASE)
    directory = os.open("/", os.O_RDONLY)
    refused(["--env-fd", directory], f"--env-fd (argument 1): Can't read descriptor {directory}: Is a directory", base=[])
    os.close(directory)


def test_dry_run_names_the_variables_and_no_value():
    result = run(["--dry-run", *BASE, "--env-fd", data_fd("NAMED=hidden")], ["true"])
    assert "environment: set NAMED\n" in result.stdout and "hidden" not in result.stdout


def test_in_a_joined_pid_namespace_no_value_is_seen_either():
    word = secret()
    with Holder("--user", "--map-current-user", "--pid", "--fork", "--kill-child") as holder:
        joined = ["--userns", holder.namespace("user"), "--pidns", holder.namespace("pid")]
        found, own = scan([*joined, "--setenv", "ONE", word], {"set": word})
    assert not found and own == {word: ["ONE"]}
