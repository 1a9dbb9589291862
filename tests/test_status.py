"""What happens, as events on --json-status-fd: each in the schema, each in every topology, also when nothing was started."""
import errno
import fcntl
import json
import os
import re
import signal
import subprocess

import pytest

from lines import FORMS
from overlays import layers, need_kernel_overlay, tree
from sandbox import (BASE, ENV, LONG, PATIENCE, PREFIX, READY, REPO, Terminal, args_fd, assert_refused, at_eof, bpf, close, command_line,
                     content, data_fd, filtered_by, keep, line_from, pipe, readable, refused, run, start, without_rights)

SCHEMA = REPO / "man" / "status.schema.json"
# --json-status-fd is what makes the plain form a supervised one.
status_forms = pytest.mark.parametrize("form", [form for form in FORMS if form != "supervised"])


@pytest.fixture(scope="module")
def validate():
    jsonschema = pytest.importorskip("jsonschema", reason="no python3-jsonschema here to hold the events against the schema")
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)

    def check(lines):
        for line in lines:
            validator.validate(line)
    return check


def told(form, args, command=("sh", "-c", "exit 6"), base=BASE, **options):
    """(result, the lines)"""
    fd = data_fd()
    result = run(["--json-status-fd", fd, *FORMS[form], *base, *args], command, **options)
    return result, content(fd)


def events(lines):
    return [line["event"] for line in lines if "event" in line]


def lines_from(fd, n):
    """The next `n` lines of a pipe that stays open."""
    text = b""
    while text.count(b"\n") < n:
        assert readable(fd, LONG), text
        more = os.read(fd, 4096)
        assert more, text
        text += more
    return [json.loads(line) for line in text.splitlines()]


# ---- COMMAND was started ----

@status_forms
def test_start_and_end_are_told_between_the_old_lines(form):
    result, lines = told(form, [])
    assert result.returncode == 6
    assert "child-pid" in lines[0] and lines[-1] == {"exit-code": 6}
    assert events(lines[1:-1]) == ["started", "exited"] and lines[2] == {"event": "exited", "code": 6}


@status_forms
def test_the_started_process_is_the_one_that_the_caller_sees(form):
    status, write_end = pipe()
    with start(["--json-status-fd", write_end, *FORMS[form], *BASE], READY, stdin=subprocess.PIPE) as process:
        close(write_end)
        child, begun = lines_from(status, 2)
        assert begun["event"] == "started"
        assert line_from(process) == "ready"
        pid = begun["pid"]
        with open(f"/proc/{pid}/cmdline") as cmdline:
            assert cmdline.read().split("\0")[:3] == READY[:3], "it is COMMAND, no reaper, and it has been executed"
        assert os.stat(f"/proc/{pid}/ns/user").st_ino == begun["user-namespace"]
        has_reaper = "--unshare-pid" in FORMS[form] or "--unshare-all" in FORMS[form]
        assert (pid == child["child-pid"]) == (not has_reaper or "--as-pid-1" in FORMS[form])
        process.communicate("\n", timeout=LONG)


@status_forms
def test_the_signal_that_ended_command_is_told(form):
    _, lines = told(form, [], ["sh", "-c", "kill -9 $$; exit 3"])
    if "--as-pid-1" in FORMS[form]:
        assert lines[-2] == {"event": "exited", "code": 3}, "pid 1 cannot kill itself"
    else:
        assert lines[-2:] == [{"event": "exited", "signal": 9, "core-dumped": False}, {"exit-code": 137}]


@status_forms
def test_that_the_time_was_up_is_told(form):
    seconds = 2 * PATIENCE  # COMMAND has to be started before
    _, lines = told(form, ["--timeout", f"{seconds}", "--kill-after", "0.2"], ["sleep", "60"])
    assert events(lines) == ["started", "timed-out", "exited"]
    assert lines[2]["timeout-ms"] == 1000 * seconds and lines[-2]["ended-by"] == "timeout"


# ---- it was not ----

LATE = {  # what stands behind the forms' options, and what is told of it
    "unknown option": (["--bogus=3"], dict(stage="read", option="--bogus=3")),
    "no number": (["--uid", "x"], dict(stage="read", option="--uid")),
    "contradiction": (["--disable-userns"], dict(stage="check", option="--disable-userns")),
    "no socket": (["--pidfd-socket", None], dict(stage="split", option="--pidfd-socket", errno="ENOTSOCK")),
    "no source": (["--bind", "/missing", "/x"], dict(stage="pin", option="--bind", path="/missing", errno="ENOENT")),
    "no mount": (["--remount-ro", "/missing"], dict(stage="build", option="--remount-ro", path="/missing", errno="ENOENT")),
    "read-only": (["--chmod", "0700", "/usr/bin/env"], dict(stage="build", option="--chmod", path="/usr/bin/env", errno="EROFS")),
    "no directory": (["--chdir", "/missing"], dict(stage="prepare", option="--chdir", path="/missing", errno="ENOENT")),
}


@status_forms
@pytest.mark.parametrize("what", LATE)
def test_why_setup_failed_is_told_as_data(form, what, validate):
    args, expected = LATE[what]
    fd = data_fd()
    before = ["--json-status-fd", fd, *FORMS[form], *BASE]
    result = run([*before, *(data_fd() if arg is None else arg for arg in args)], ["echo", "COMMAND RAN"])
    assert_refused(result)
    lines = content(fd)
    assert lines[-1] == {"event": "setup-failed", **expected, "argument": len(before) + 1,
                         "message": result.stderr.removeprefix(PREFIX).rstrip("\n")}
    assert len(lines) == 1 or (len(lines) == 2 and "child-pid" in lines[0])
    validate(lines)


@status_forms
@pytest.mark.parametrize("command, errno, cause", [("/missing", "ENOENT", {}), ("missing", "ENOENT", {"cause": "exec-path"}),
                                                   ("/usr", "EACCES", {"cause": "exec-directory"})])
def test_that_command_could_not_be_executed_is_told_apart(form, command, errno, cause, validate):
    result, lines = told(form, [], [command])
    assert result.returncode == 1 and "child-pid" in lines[0]
    assert lines[1:] == [{"event": "exec-failed", "stage": "go", "path": command, "errno": errno, **cause,
                          "message": result.stderr.removeprefix(PREFIX).rstrip("\n")}]
    validate(lines)


def test_words_that_are_no_text_arrive_whole(validate):
    path = b"/a\"b\\c\n\x1b\x7f\xc3\xa9\xff\xc2\x85"
    line = told("alone", ["--bind", os.fsdecode(path), "/x"])[1][-1]
    path_told, message = (line[name].encode("utf-8", "surrogateescape") for name in ("path", "message"))
    assert path_told == path
    assert message == b"Can't find source path %b: No such file or directory, at --bind (argument %d)" % (path, len(BASE) + 3)
    validate([line])


def test_the_word_of_args_is_told(validate):
    _, (line,) = told("alone", ["--args", args_fd(["--uid", "x"])])
    assert (line["option"], line["argument"], line["word"]) == ("--uid", len(BASE) + 3, 1)
    validate([line])


def test_a_path_that_looks_like_a_position_is_none(validate):
    for command in ("--bind (argument 1)", "x, at --bind (argument 1)"):
        _, lines = told("alone", ["--setenv", "PATH", "/x, at --bind (argument 1)"], ["/" + command])
        assert "option" not in lines[-1]
        validate(lines)


def test_where_it_is_not_known_yet_that_somebody_listens_nothing_is_told():
    fd = data_fd()
    refused(["--bogus", "--json-status-fd", fd], "Unknown option")
    assert content(fd) == []


@pytest.mark.parametrize("args", [["--help"], ["--version"], ["--dry-run"], ["--dry-run", "--hostname", "x"]], ids=" ".join)
def test_where_nothing_is_to_be_run_nothing_is_told(args):
    fd = data_fd()
    run(["--json-status-fd", fd, *args], ["true"])
    assert content(fd) == []


@status_forms
def test_that_the_time_was_up_before_the_start_is_told(form, validate):
    wait_end, _ = pipe()
    result, lines = told(form, ["--timeout", "0.5", "--block-fd", wait_end])
    assert result.returncode == 124 and events(lines) == ["timed-out", "setup-failed"]
    assert lines[-1]["option"] == "--timeout"
    validate(lines)


@status_forms
def test_a_signal_that_came_before_the_start_is_told(form, validate):
    status, write_end = pipe()
    wait_end, _ = pipe()
    with start(["--json-status-fd", write_end, *FORMS[form], *BASE, "--block-fd", wait_end], ["echo", "COMMAND RAN"]) as process:
        close(write_end)
        lines_from(status, 1)
        process.terminate()
        lines = lines_from(status, 1)
        assert process.wait(LONG) == 143 and lines == [{"event": "setup-failed", "signal": 15, "message": "Signal 15 came before COMMAND was started"}]
        validate(lines)


@pytest.mark.parametrize("args", [["--unshare-pid"], ["--unshare-all", "--die-with-parent"]], ids=" ".join)
def test_the_end_of_setup_by_a_signal_is_told(args, validate):
    status, write_end = pipe()
    wait_end, _ = pipe()
    with start(["--json-status-fd", write_end, *args, *BASE, "--block-fd", wait_end], ["echo", "COMMAND RAN"]) as process:
        close(write_end)
        (child,) = lines_from(status, 1)
        os.kill(child["child-pid"], signal.SIGKILL)
        lines = lines_from(status, 1)
        assert process.wait(LONG) == 137
        assert lines == [{"event": "setup-failed", "signal": 9, "message": "Setup was ended by signal 9"}]
        validate(lines)


@status_forms
def test_that_the_parent_ended_before_the_start_is_told(form, validate):
    if "--die-with-parent" not in FORMS[form]:
        pytest.skip("it does not end with its parent")
    status, write_end = pipe()
    wait_end, _ = pipe()
    line = command_line(["--json-status-fd", write_end, *FORMS[form], *BASE, "--block-fd", wait_end], ["echo", "COMMAND RAN"])
    with subprocess.Popen(["sh", "-c", '"$@" & wait', "sh", *line], pass_fds=[write_end, wait_end], env=ENV) as parent:
        close(write_end)
        lines_from(status, 1)
        parent.kill()
        lines = lines_from(status, 1)
    assert lines == [{"event": "setup-failed", "message": "The sandbox ended before COMMAND was started"}]
    validate(lines)


def assert_told_whole(result, lines, **expected):
    assert lines[-1] == {"event": "setup-failed", **expected, "message": result.stderr.removeprefix(PREFIX).rstrip("\n")}


def test_why_the_list_of_changes_cannot_be_made_is_told_by_its_helper(tree, validate):
    need_kernel_overlay("root" if os.getuid() == 0 else "user")
    fd, changes = data_fd(), data_fd()
    args = ["--json-status-fd", fd, *BASE, "--overlay-backend", "kernel", "--overlay-changes", changes, *layers(tree), "--tmp-overlay", "/m"]
    result = run(args, ["echo", "COMMAND RAN"], prefix=filtered_by(bpf({"setsid": errno.EPERM})))
    assert_refused(result)
    assert_told_whole(result, content(fd), stage="pin", option="--overlay-changes", argument=args.index("--overlay-changes") + 1, errno="EPERM")
    validate(content(fd))


@status_forms
def test_why_a_terminal_cannot_be_relayed_is_told_by_its_helper(form, validate):
    fd = data_fd()
    args = ["--json-status-fd", fd, *FORMS[form], *BASE, "--pty"]
    with Terminal(args, ["echo", "COMMAND RAN"], prefix=filtered_by(bpf({"seccomp": errno.EPERM}))) as terminal:
        assert terminal.wait() == 1
    result = subprocess.CompletedProcess(args, 1, "", terminal.text)
    assert_told_whole(result, content(fd), option="--pty", argument=len(args), errno="EPERM")
    assert "Can't confine the process that relays the terminal" in result.stderr
    validate(content(fd))


# ---- who reads ----

@status_forms
def test_a_reader_that_never_reads_costs_neither_signals_nor_status(form, validate):
    status, write_end = pipe()
    wait_end, go = pipe()
    script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"
    with start(["--json-status-fd", write_end, *FORMS[form], *BASE, "--block-fd", wait_end], ["sh", "-c", script]) as process:
        assert readable(status, LONG), "the first line"
        with open(f"/proc/self/fd/{write_end}", "wb", buffering=0, opener=lambda path, flags: os.open(path, os.O_WRONLY | os.O_NONBLOCK)) as full:
            while full.write(b" " * 4096):
                pass
            while full.write(b" "):
                pass
        os.write(go, b"x")
        assert line_from(process) == "ready"
        process.terminate()
        assert process.wait(LONG) == 9
        close(write_end)
        text = b""
        while more := os.read(status, 65536):
            text += more
        lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        assert len(lines) == 1, "and no part of another one"
        validate(lines)


@status_forms
def test_a_reader_that_comes_late_gets_it_all(form):
    status, write_end = pipe()
    fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, 4096)
    wait_end, go = pipe()
    with start(["--json-status-fd", write_end, *FORMS[form], *BASE, "--block-fd", wait_end], READY, stdin=subprocess.PIPE) as process:
        (first,) = lines_from(status, 1)
        full = keep(os.open(f"/proc/self/fd/{write_end}", os.O_WRONLY | os.O_NONBLOCK))
        os.write(full, b" " * 4096)
        os.write(go, b"x")
        assert line_from(process) == "ready"
        close(write_end)
        close(full)
        text = os.read(status, 4096)
        process.communicate("\n", timeout=LONG)
        while more := os.read(status, 4096):
            text += more
        assert b'"started"' in text and text.endswith(b'{ "exit-code": 6 }\n')


# ---- the schema ----

def test_all_that_is_written_of_good_and_bad_runs_is_in_the_schema(validate):
    for form in FORMS:
        if form != "supervised":
            for command in (["true"], ["sh", "-c", "kill -11 $$"], ["/missing"]):
                validate(told(form, ["--timeout", "20"], command)[1])


def test_a_step_down_is_in_the_schema(validate):
    _, lines = told("alone", ["--proc-try", "/proc"], prefix=without_rights("mount -t tmpfs none /proc/irq", "--mount", "--propagation", "private"))
    assert {"proc": "visible", "at": f"--proc-try (argument {len(BASE) + 3})"} in lines
    validate(lines)


def test_the_schema_refuses_what_is_not_written(validate):
    jsonschema = pytest.importorskip("jsonschema")
    for line in ({"event": "bogus"}, {"event": "exited"}, {"event": "started", "pid": 0, "user-namespace": 1}, {"exit-code": 300}, {},
                 {"event": "setup-failed", "errno": "2", "message": "m"}, {"event": "setup-failed"}, {"event": "exited", "code": 1, "signal": 1, "core-dumped": False}):
        with pytest.raises(jsonschema.ValidationError):
            validate([line])


def test_the_manual_names_every_event_of_the_schema():
    manual = (REPO / "man" / "bwrapish.1").read_text()
    definitions = json.loads(SCHEMA.read_text())["$defs"]
    names = [shape["properties"]["event"]["const"] for shape in definitions.values() if "event" in shape.get("properties", ())]
    assert names and [name for name in names if not re.search(rf"^\.It {name}$", manual, re.M)] == []
