"""Resource limits: --rlimit."""
import re
import subprocess

import pytest

from lines import LIMIT_FORMS, limit_forms
from sandbox import BASE, FULL, PYTHON, assert_ok, line_from, refused, run, start

RESOURCES = ["as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nofile", "nproc", "rss", "rtprio",
             "rttime", "sigpending", "stack"]


# ---- --rlimit ----

@pytest.mark.parametrize("name", RESOURCES)
def test_rlimit_sets_soft_and_hard(name):
    soft, hard = (0, 1) if name in ("core", "rtprio", "locks") else (2 ** 29, 2 ** 30)
    if name in ("nofile", "nproc", "memlock", "msgqueue", "sigpending", "rtprio"):
        soft, hard = 0, 0
    if name == "nofile":
        soft = hard = 16
    code = f"print(*resource.getrlimit(resource.RLIMIT_{name.upper()}))"
    if name in ("locks",):
        code = "print(*resource.prlimit(0, 10))"
    if name in ("sigpending", "msgqueue", "rtprio", "rttime"):
        number = {"sigpending": 11, "msgqueue": 12, "rtprio": 14, "rttime": 15}[name]
        code = f"print(*resource.prlimit(0, {number}))"
    result = run([*BASE, "--rlimit", name, f"{soft}:{hard}"], [PYTHON, "-I", "-c", "import resource; " + code])
    assert_ok(result)
    assert result.stdout == f"{soft} {hard}\n"


@pytest.mark.parametrize("word, value", [("64", "64 64"), ("1K", "1024 1024"), ("1k:2k", "1024 2048")])
def test_rlimit_takes_units_and_one_value_for_both(word, value):
    result = run([*BASE, "--rlimit", "nofile", word],
                 [PYTHON, "-I", "-c", "import resource; print(*resource.getrlimit(resource.RLIMIT_NOFILE))"])
    assert_ok(result)
    assert result.stdout.strip() == value


def test_of_two_rlimits_for_a_resource_the_last_one_counts():
    result = run([*BASE, "--rlimit", "nofile", "8", "--rlimit", "core", "0", "--rlimit", "NOFILE", "9"], ["sh", "-c", "ulimit -n"])
    assert result.returncode == 0 and result.stdout == "9\n", result
    assert result.stderr == "bwrapish: Only the last --rlimit nofile will take effect\n"


@limit_forms
def test_small_rlimits_do_not_break_setup(form):
    binds = [word for i in range(100) for word in ("--ro-bind", "/usr", f"/many/{i}")]
    result = run([*FULL, *binds, *LIMIT_FORMS[form], "--rlimit", "nproc", "0", "--rlimit", "nofile", "4", "--rlimit", "fsize", "0"],
                 ["echo", "ran"])
    assert_ok(result)
    assert result.stdout == "ran\n"


def test_rlimit_is_the_commands_and_not_the_reapers():
    with start([*FULL, "--unshare-pid", "--rlimit", "core", "0:0", "--rlimit", "nofile", "17"],
               ["sh", "-c", "echo $(cat /proc/1/limits); read x"], stdin=subprocess.PIPE) as process:
        text = line_from(process)
    assert not re.search(r"Max open files +17 ", text)


@pytest.mark.parametrize("args, message", [
    (["nofil", "3"], "is nofile meant?"), (["nofile", "3:2"], "the soft limit 3 is above the hard limit 2"),
    (["nofile", "x"], "Invalid limit: x"), (["nofile", ""], "Invalid limit"), (["nofile", "1:"], "Invalid limit"),
    (["as", "20000000T"], "Invalid limit"), (["core", "-1"], "Invalid limit"), (["core", " 1"], "Invalid limit"),
    (["nofile", "1G"], "the caller's own hard limit is")])
def test_a_bad_rlimit_is_refused(args, message):
    refused(["--rlimit", *args], "--rlimit (argument ", message, base=BASE)
