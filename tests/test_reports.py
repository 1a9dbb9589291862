"""What is told to the caller by descriptor: --info-fd, --json-status-fd, what was used."""
import json
import os
import re
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from lines import LIMIT_FORMS, SHORT, SOON, limit_forms
from sandbox import (BASE, LONG, READY, assert_ok, assert_refused, at_eof, close, content, data_fd, keep, line_from, pipe, python,
                     read_json, refused, run, start, wait_for)


# ---- --timeout ----

def test_use_is_told_before_the_exit_code():
    fd = data_fd()
    run([*BASE, "--timeout", "20", "--json-status-fd", fd], python("x = bytearray(50 << 20); sum(range(10**6)); raise SystemExit(3)"))
    child, _, _, use, end = content(fd)
    assert "child-pid" in child and end == {"exit-code": 3}
    assert use["ended-by"] == "exit" and use["max-rss-bytes"] > 50 << 20 and use["cpu-us"] > 1000


def test_a_reader_that_goes_away_costs_nobody_the_status():
    status, write_end = pipe()
    with start([*BASE, "--timeout", "20", "--json-status-fd", write_end], ["sh", "-c", "read x; exit 7"],
               stdin=subprocess.PIPE) as process:
        close(write_end)
        assert os.read(status, 1000)
        close(status)
        assert process.communicate("\n", timeout=20) == ("", "") and process.returncode == 7


@pytest.mark.parametrize("command, cause", [("kill -9 $$", "signal"), ("sleep 20", "timeout")])
def test_the_cause_of_the_end_is_told(command, cause):
    fd = data_fd()
    run([*BASE, "--timeout", SOON, "--json-status-fd", fd], ["sh", "-c", command])
    assert content(fd)[-2]["ended-by"] == cause


@limit_forms
@pytest.mark.parametrize("more", [[], ["--as-pid-1"]])
def test_what_a_killed_command_has_used_is_told(form, more):
    if more and form not in ("pid namespace", "everything"):
        pytest.skip("--as-pid-1 needs --unshare-pid")
    fd = data_fd()
    result = run([*BASE, *LIMIT_FORMS[form], *more, *SHORT, "--json-status-fd", fd],
                 python("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: pass"))
    assert result.returncode == 137, result
    usage = content(fd)[-2]
    assert usage["ended-by"] == "timeout"
    assert usage["cpu-us"] > 40_000 and usage["max-rss-bytes"] > 4_000_000, usage


# ---- blocked ----

def full_pipe():
    read_end, write_end = pipe()
    os.set_blocking(write_end, False)
    try:
        while True:
            os.write(write_end, b"x" * 4096)
    except BlockingIOError:
        os.set_blocking(write_end, True)
    return read_end, write_end


@pytest.mark.parametrize("option", ["--info-fd", "--json-status-fd"])
@pytest.mark.parametrize("end", ["time", "signal"])
def test_a_report_that_nobody_takes_is_not_waited_for_beyond_the_end(option, end):
    _, write_end = full_pipe()
    with start([*BASE, "--unshare-pid", *(SHORT if end == "time" else []), option, write_end],
               ["echo", "COMMAND RAN"]) as process:
        if end == "signal":
            wait_for(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text, what="the sandbox")
            time.sleep(0.2)
            process.terminate()
        assert process.wait(LONG) == (124 if end == "time" else 143)
        assert process.stdout.read() == ""


KINDS = {"cgroup": "--unshare-cgroup", "ipc": "--unshare-ipc", "net": "--unshare-net", "pid": "--unshare-pid",
         "uts": "--unshare-uts"}


def written(fd):
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
    assert re.fullmatch(r"\{\n" + expected + r"\n\}\n", written(fd)), written(fd)


@infos
def test_json_status_fd_begins_and_ends_as_bubblewraps_byte_for_byte(args):
    fd = data_fd()
    assert run([*BASE, *args, "--json-status-fd", fd], ["sh", "-c", "exit 6"]).returncode == 6
    expected = ", ".join(rf'"{name}": \d+' for name in members(args))
    events = r'(\{ "event": .* \}\n){2}'
    assert re.fullmatch(r"\{ " + expected + r" \}\n" + events + r'\{ "exit-code": 6 \}\n', written(fd)), written(fd)


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace to make writing fail")
def test_a_connection_that_timed_out_cannot_be_reported_to():
    result = run([*BASE, "--info-fd", data_fd()], ["echo", "COMMAND RAN"],
                 prefix=["strace", "-qqq", "-o", "/dev/null", "-e", "trace=write", "-e", "inject=write:error=ETIMEDOUT:when=1"])
    assert_refused(result, "--info-fd", "Can't write to descriptor", "Connection timed out")


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
    assert json.loads(written(fd).splitlines()[-1]) == {"exit-code": 137}


@pytest.mark.parametrize("args", [[], ["--unshare-pid"]], ids=str)
def test_json_status_has_no_exit_code_when_command_was_not_started(args):
    fd = data_fd()
    refused([*args, "--json-status-fd", fd], "execvp", base=BASE, command=["/missing"])
    assert "exit-code" not in written(fd)
    fd = data_fd()
    refused([*args, "--json-status-fd", fd, "--chdir", "/missing"], "--chdir", base=BASE)
    assert "exit-code" not in written(fd)


def test_info_that_cannot_be_written_means_no_command():
    read_end, write_end = pipe()
    close(read_end)
    refused(["--info-fd", write_end], "--info-fd", base=BASE)


def test_info_comes_before_setup_begins():
    fd = data_fd()
    refused(["--info-fd", fd, "--remount-ro", "/missing"], "--remount-ro", base=BASE)
    assert json.loads(written(fd))["child-pid"] > 0
