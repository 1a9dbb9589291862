"""--check and --features: what works here and what does not, found out by the run's own code, with nothing changed or left."""
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

from lines import forms, form_args
from masks import SECOND_PATHS, second_path
from overlays import need_kernel_overlay
from sandbox import (BASE, FULL, IS_ROOT, PREFIX, REPO, args_fd, as_user, at_eof, close, data_fd, host_mounts, pipe, read_json, readable, refused, run, start, tree,
                     without_rights)
from test_causes import in_chroot, refusing, user_id

SCHEMA = REPO / "man" / "check.schema.json"
USER = as_user() if IS_ROOT else []

MACHINE = ["user-namespace", "id-map", "mounts", "pid-namespace", "proc", "dev", "network-namespace", "ipc-namespace", "uts-namespace",
           "cgroup-namespace", "filters", "no-more-user-namespaces", "proc-pid", "overlay-kernel", "time-namespace", "notification",
           "overlay-fuse", "landlock", "newuidmap", "control-groups", "pasta"]
STAGES = ["read", "split", "become", "pin", "move in", "build", "lock", "prepare", "go"]


def hold_against_schema(document):
    try:
        import jsonschema
    except ImportError:
        return document  # on a machine without it the tests say what else they say
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(document)
    return document


def check(args=(), command=None, prefix=USER, **options):
    """({name: finding}, the result) of what --check-json has to say."""
    reader, writer = pipe()
    result = run(["--check-json", writer, *args], command, prefix=prefix, **options)
    assert result.stdout == "", result
    os.set_blocking(reader, False)
    document = hold_against_schema(json.loads(os.read(reader, 1 << 20)))
    assert result.returncode == (not document["works"]), result
    for finding in document["checks"]:  # BASE has next to nothing
        notes = [note for note in finding.pop("notes", []) if not note.startswith("there is no /")]
        finding.update({"notes": notes} if notes else {})
    return {finding["name"]: finding for finding in document["checks"]}, result


def failing(findings):
    return {name: finding.get("cause") for name, finding in findings.items() if finding["verdict"] == "fails"}


def untried(findings):
    return [name for name, finding in findings.items() if finding["verdict"] == "not tried"]


# ---- as it is written ----

GOLDEN = REPO / "tests" / "golden" / "check"
GOLDEN_LINES = {"line-that-works": ([*BASE, "--proc", "/proc", "--tmpfs", "/a/b", "--unshare-pid", "--unshare-net"], "true"),
                "line-that-fails": ([*BASE, "--dir", "/a/b", "--tmpfs", "/a", "--chdir", "/nowhere"], "true"),
                "line-without-its-command": ([*BASE, "--setenv", "PATH", "/usr/bin:/bin"], "nothing\x1b"),
                "line-of-a-script": ([*BASE, "--setenv", "PATH", "/bin", "--perms", "0755", "--ro-bind-data", None, "/script"], "/script"),
                "line-for-nowhere": ([*BASE, "--as-pid-2"], "true"), "no-line": ([], None)}


def without_the_machine(text):
    """What every machine says alike: without the verdicts, and what they are given for."""
    text = re.sub(r"^(?:ok |no |-  ) (\S+(?: \(.*?\))?): .*\n(?: {6}.*\n)*", r"VERDICT \1: WORDS\n", text, flags=re.MULTILINE)
    text = re.sub('"verdict": "[^"]*"', '"verdict": "VERDICT"', text)
    return re.sub(r'("for": "[^"]*"|"VERDICT")(?:, "(?:message|cause|option|notes|argument)".*?)?( },?)$', r"\1\2", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", GOLDEN_LINES)
def test_what_it_says_is_as_written(name):
    args, command = GOLDEN_LINES[name]
    args = [data_fd(b"#!/usr/bin/env nothing\n") if word is None else word for word in args]
    said = run(["--check", "--check-json", 1, *args], [command] if command else None, prefix=USER).stdout
    said = said if args else without_the_machine(said)
    said = re.sub(r'^ {6}there is no /etc/.*\n|, "there is no /etc/[^"]*"', "", said, flags=re.MULTILINE)  # as the host has it or not
    said = re.sub('"version": "[^"]*"', '"version": "VERSION"', said)
    if os.environ.get("UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(said)
    assert said == (GOLDEN / name).read_text()


# ---- the machine ----

def test_all_that_a_sandbox_may_need_is_told_in_the_order_of_importance():
    findings, result = check()
    assert list(findings) == MACHINE and not result.stderr, result
    lines = run(["--check"], prefix=USER)
    told = [line.split(":")[0].split()[:2] for line in lines.stdout.splitlines()[:-1]]
    assert [name for _, name in told] == MACHINE and {mark for mark, _ in told} <= {"ok", "no", "-"}, lines
    assert lines.stdout.splitlines()[-1] == "A sandbox can be had here." and lines.returncode == 0 and not lines.stderr


def test_lines_and_data_can_be_had_together():
    reader, writer = pipe()
    result = run(["--check", "--check-json", writer], prefix=USER)
    assert result.stdout.startswith("ok  user-namespace (a normal user's sandbox): works\n") and read_json(reader)["works"] is True


@pytest.mark.parametrize("kind, name", [("net", "network-namespace"), ("ipc", "ipc-namespace"), ("uts", "uts-namespace"), ("cgroup", "cgroup-namespace"),
                                        ("time", "time-namespace")])
def test_what_one_limit_forbids_is_all_that_fails(kind, name):
    if not os.path.exists(f"/proc/self/ns/{kind}"):
        pytest.skip(f"a kernel without {kind} namespaces")
    lacking = failing(check(prefix=without_rights("true"))[0])  # as an overlay of a /usr that the kernel cannot merge
    findings, result = check(prefix=without_rights(f"echo 0 >/proc/sys/user/max_{kind}_namespaces"))
    failed = failing(findings)
    # that of time is made in the new user namespace, from which the limit around cannot be read
    assert failed.pop(name) == ("namespace-limit" if kind == "time" else "namespace-none") and result.returncode == 0, findings
    assert failed == lacking, failed


def test_without_user_namespaces_nothing_works_and_it_is_said_once():
    findings, result = check(prefix=without_rights("echo 0 >/proc/sys/user/max_user_namespaces"))
    assert result.returncode == 1 and findings["user-namespace"]["cause"] == "namespace-none"
    assert set(untried(findings)) == set(MACHINE[1:16]) and findings["mounts"]["message"] == "for the same reason as user-namespace"


def test_a_chroot_is_named(box):
    findings, result = check(prefix=in_chroot(box))
    assert result.returncode == 1 and findings["user-namespace"]["cause"] == "chroot"


@pytest.mark.parametrize("denied, name, cause", [({"unshare": errno.EPERM}, "user-namespace", "namespace-filter"),
                                                 ({"open_tree": errno.EPERM, "move_mount": errno.EPERM}, "mounts", "mount-filter"),
                                                 ({"fsopen": errno.ENOSYS}, "mounts", "mount-filter")])
def test_a_filter_around_is_named(denied, name, cause):
    findings, result = check(prefix=refusing(denied))
    assert result.returncode == 1 and failing(findings)[name] == cause, findings


def test_a_covered_proc_is_named():
    covered = host_mounts("mount --bind /dev/null /proc/version", user=user_id())
    assert run(["--check"], prefix=covered).stdout.endswith("\nA sandbox can be had here, but none with a /proc of its own.\n")
    findings, result = check(prefix=covered)
    assert result.returncode == 1 and findings["proc"]["cause"].startswith("proc-covered") and findings["pid-namespace"]["verdict"] == "works"


def test_a_wrong_device_is_no_obstacle_for_all_else():
    findings, result = check(prefix=host_mounts("mount --bind /dev/null /dev/zero", user=user_id()))
    assert list(failing(findings))[:1] == ["dev"] and "not the device it should be" in findings["dev"]["message"] and result.returncode == 0, findings


def test_too_few_descriptors_are_named():
    result = run(["--check"], prefix=[*USER, "sh", "-c", 'ulimit -n 8; exec "$@"', "sh"])
    assert os.strerror(errno.EMFILE) in result.stdout and result.stdout.endswith(" be had here.\n") and not result.stderr, result


@pytest.mark.root
def test_root_needs_no_user_namespace():
    deny = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"', "sh"]
    findings, result = check(prefix=deny)
    assert findings["user-namespace"]["cause"] == "namespace-none" and findings["mounts"]["verdict"] == "works", findings
    assert result.returncode == 0


def test_nothing_is_left():
    """No mount, and no process: a pipe that all of them hold is at its end as soon as it returns."""
    compare = """before=$(cat /proc/self/mountinfo) status=0; "$@" || status=$?
        test "$before" = "$(cat /proc/self/mountinfo)" || exit 99; exit $status"""
    reader, writer = pipe()
    check(pass_fds=[writer], prefix=host_mounts("mount --make-rshared /", compare))
    close(writer)
    assert at_eof(reader)


# ---- features ----

def test_features_are_told_without_a_verdict():
    reader, writer = pipe()
    result = run(["--features", "--features-json", writer], prefix=[*USER, "sh", "-c", 'ulimit -n 64; exec "$@"', "sh"])
    document = hold_against_schema(read_json(reader))
    names = ["kernel", *MACHINE, "proc-pid-below-covers", "openat2", "clone3", "statmount"]
    assert list(document["features"]) == names and result.returncode == 0 and not result.stderr, result
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == names
    assert document["features"]["kernel"]["words"] == os.uname().release


def test_features_are_no_verdict():
    result = run(["--features"], prefix=without_rights("echo 0 >/proc/sys/user/max_user_namespaces"))
    assert result.returncode == 0 and "user-namespace: no (Creating new namespace failed" in result.stdout, result


# ---- a line ----

@forms
def test_a_line_that_works_is_told_stage_by_stage(form):
    findings, result = check([*FULL, *form_args(form)], ["echo", "COMMAND RAN"])
    assert list(findings) == STAGES and not failing(findings) and not untried(findings), findings
    assert result.returncode == 0 and not result.stderr


# What fails, at its stage, with the message of the run itself.
WRONG = {
    "a missing source": (["--ro-bind", "/no/such", "/x"], ["true"], "pin"),
    "a file below a file": ([*BASE, "--tmpfs", "/usr/bin/env"], ["true"], "build"),
    "no such command": (BASE, ["no-such"], "go"),
    "no such command, with pid 1": ([*BASE, "--unshare-all"], ["no-such"], "go"),
    "no such command, supervised": ([*BASE, "--die-with-parent"], ["/no/such"], "go"),
    "a directory": (BASE, ["/usr"], "go"),
    "no loader": (["--ro-bind", "/usr/bin", "/usr/bin"], ["/usr/bin/env"], "go"),
    "noexec": (["--mount-flags", "noexec", *BASE], ["env"], "go"),
    "too long": ([*BASE, "--rlimit", "stack", "600K"], ["echo", "x" * 100000, "x" * 100000], "go"),
    "no such directory": ([*BASE, "--chdir", "/no/such"], ["true"], "prepare"),
    "exec denied": ([*BASE, "--seccomp-deny", "execve"], ["true"], "go"),
    "a lock that is not there": ([*BASE, "--lock-file", "/no/such"], ["true"], "lock"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_line_fails_where_the_run_fails_with_the_same_words(name):
    args, command, stage = WRONG[name]
    findings, result = check(args, command)
    shown = run(["--unsetenv", "NOTHING", *args], command, prefix=USER)  # as many words as --check-json has
    assert result.returncode == 1 and list(failing(findings)) == [stage], findings
    place = STAGES.index(stage)
    assert untried(findings) == STAGES[place + 1:]
    assert shown.stderr == f"{PREFIX}{findings[stage]['message']}\n" and shown.returncode == 1, (shown, findings)


@pytest.mark.parametrize("args, stage, words", [(["--bind", "x"], "read", "--bind (argument 3): takes SRC DEST"), (["--no-such"], "read", "Unknown option --no-such"),
                                                (["--userns", "0", "--unshare-user", "true"], "check", "a user namespace is joined or made")])
def test_a_line_that_is_unsound_is_told_as_data_too(args, stage, words):
    findings, _ = check(args)
    assert list(findings) == [stage] and words in findings[stage]["message"], findings
    assert findings[stage]["argument"] == 3
    result = run(["--check", *args])
    assert result.stdout.startswith(f"no  {stage}: ") and result.returncode == 1 and not result.stderr, result


def test_a_line_needs_no_command():
    findings, result = check([*BASE, "--unshare-all"])
    assert list(findings) == STAGES and result.returncode == 0


def test_warnings_are_told_with_the_words_they_are_about():
    findings, result = check([*BASE, "--chdir", "/", "--chdir", "/usr"], ["true"])
    assert findings["read"]["notes"] == ["Only the last --chdir option will take effect"] and not result.stderr


def test_the_status_of_a_failure_is_that_of_the_run():
    assert run(["--check", "--exit-codes", "env", *BASE], ["no-such"], prefix=USER).returncode == 125


def test_nothing_on_the_host_is_changed(box):
    (box / "dir").mkdir()
    (box / "file").write_text("old")
    (box / "upper").mkdir()
    (box / "work").mkdir()
    os.chmod(box / "dir", 0o700)
    if USER:
        subprocess.run(["chown", "-R", str(user_id()), box], check=True)
        box.chmod(0o755)
    before = tree(box)
    findings, result = check([*BASE, "--bind", box, "/box", "--tmpfs", "/box/new", "--dir", "/box/dir/made", "--file", data_fd("new"), "/box/file",
                              "--file", data_fd("new"), "/box/other", "--symlink", "/x", "/box/link", "--chmod", "0755", "/box/dir",
                              "--bind-create", box / "create", "/create",
                              "--bind-create", box / "create/in", "/in", "--ro-bind", box / "create/in", "/again", "--mask", "/box/secret", "--protect", "/box/safe",
                              "--ro-bind-data", data_fd("x"), "/box/data", "--overlay-src", "/usr/share", "--overlay", box / "upper", box / "work", "/merged"],
                             ["sh", "-c", "echo ran >/box/ran"])
    assert result.returncode == 0 and tree(box) == before and (box / "file").read_text() == "old", (findings, result)
    notes = findings["build"]["notes"]
    assert sum("is not tried: it would change the host" in note for note in notes) == 3, notes
    assert [note.split()[0] for note in notes if "would make" in note] == ["--tmpfs", "--dir", "--symlink", "--bind-create",
                                                                                     "--bind-create", "--ro-bind-data"], notes


def test_nobody_is_waited_for_or_told():
    empty, others = pipe()[0], [pipe() for _ in range(5)]
    args = ["--block-fd", empty, "--info-fd", others[0][1], "--json-status-fd", others[1][1], "--seccomp-deny", "acct",
            "--seccomp-dump", others[2][1], "--seccomp-trace", others[3][1], "--trace-denied", others[4][1], "--userns-block-fd", pipe()[0], "--unshare-user"]
    findings, result = check([*BASE, *args], ["true"])
    assert result.returncode == 0, findings
    assert not any(readable(reader, 0) for reader, _ in others)


@pytest.mark.parametrize("form", [[], ["--unshare-pid"], ["--die-with-parent"]])
def test_command_does_not_run_whatever_signals_come(form):
    """As when a terminal is resized: a traced process stops for it, too, here while it looks for COMMAND in many directories."""
    reader, writer = pipe()
    path = "/x:" * 20000 + "/usr/bin:/bin"
    line = ["--check", "--setenv", "PATH", path, *BASE, *form, "sh", "-c", f"echo COMMAND RAN >&{writer}"]
    with start(line, prefix=USER, pass_fds=[writer], stderr=subprocess.STDOUT) as checking:
        close(writer)
        while checking.poll() is None:
            os.killpg(checking.pid, signal.SIGWINCH)
            time.sleep(0.001)
        assert checking.stdout.read().endswith("\nThis line works here.\n")
    assert os.read(reader, 100) == b""


# Of the box, which is the caller's own; what each line makes or would write to.
WRONG_OUTSIDE = {
    "a parent that is missing": ["--bind-create", "new/deep", "/x"],
    "a parent that is not writable": ["--bind-create", "/etc/bwrapish-is-not-to-make-this", "/x"],
    "a link that leads nowhere": ["--bind-create", "link", "/x"],
    "a directory of others": ["--overlay-src", "low", "--overlay", "/usr", "work", "/x"],
    "a full WORKDIR": ["--overlay-src", "low", "--overlay", "up", "full", "/x"],
    "a WORKDIR elsewhere": ["--overlay-src", "low", "--overlay", "up", "/dev/shm", "/x"],
    "RWSRC as WORKDIR": ["--overlay-src", "low", "--overlay", "up", "up", "/x"],
    "RWSRC in WORKDIR": ["--overlay-src", "low", "--overlay", "full/up", "full", "/x"],
    "a stub in a directory that may not be written to": ["--bind", ".", "/w", "--mask", "/w/locked/new"],
    "what is below a stub that is a file": ["--bind", ".", "/w", "--protect", "/w/new", "--protect", "/w/new/below"],
    "a mode of what is missing": ["--bind", ".", "/w", "--dir", "/w/new", "--chmod", "0700", "/w/new", "--chmod", "0700", "/w/none"],
    "a file on a directory": ["--bind", ".", "/w", "--file", 0, "/w/up"],
    "RWSRC as a layer": ["--overlay-src", "up", "--overlay", "up", "work", "/x"],
}


@pytest.fixture
def own(box):
    for name in ("low", "up", "work", "full/up", "locked"):
        (box / name).mkdir(parents=True)
    (box / "link").symlink_to("nowhere")
    (box / "locked").chmod(0o555)
    if USER:
        subprocess.run(["chown", "-Rh", f"{user_id()}:{user_id()}", box], check=True)
        box.chmod(0o755)
    return box


def check_and_run(own, words):
    """What both say, with places in the box."""
    line = [*BASE, *(data_fd() if word == 0 else own / word if word[0] not in "-/" else word for word in words)]
    before = tree(own)
    findings, _ = check(line, ["true"])
    assert tree(own) == before
    shown = run(["--unsetenv", "NOTHING", *line], ["true"], prefix=USER)
    return "".join(f"{PREFIX}{finding['message']}\n" for finding in findings.values() if finding["verdict"] == "fails"), shown


@pytest.mark.parametrize("name", WRONG_OUTSIDE)
def test_what_the_host_does_not_have_or_allow_is_told_as_the_run_tells_it(own, name):
    told, shown = check_and_run(own, WRONG_OUTSIDE[name])
    assert told and shown.stderr == told and shown.returncode == 1, (told, shown)


def test_what_the_line_makes_or_finds_may_get_a_mode(own):
    before = tree(own)
    for words in (["--chmod", "0700", "/w/locked"], ["--dir", "/w/new", "--chmod", "0700", "/w/new"], ["--file", data_fd("x"), "/w/file", "--chmod", "0600", "/w/file"]):
        findings, _ = check([*BASE, "--bind", own, "/w", *words], ["true"])
        assert not failing(findings) and "is not tried" in findings["build"]["notes"][-1] and tree(own) == before, findings


@pytest.mark.root
def test_a_device_keeps_its_mode():
    own_device = "d=$(mktemp -d /run/null.XXXXXX); mknod -m 666 $d/null c 1 3; mount --bind $d/null /dev/null"
    prefix = host_mounts(own_device, 'status=0; "$@" || status=$?; mode=$(stat -c %a /dev/null); rm -r $d; test $mode = 666 || exit 99; exit $status')
    for place in ("/dev/null", "/x"):
        findings, _ = check([*BASE, "--dev", "/dev", "--symlink", "/dev/null", "/x", "--chmod", "0600", place], ["true"], prefix=prefix)
        assert not failing(findings), findings


def test_nobody_is_kept_from_directories_of_his_own(own):
    told, shown = check_and_run(own, ["--bind-create", "locked/new", "/x"])
    assert not told and shown.returncode == 0, (told, shown)
    need_kernel_overlay("user", own)
    (own / "up").chmod(0o555)
    told, shown = check_and_run(own, ["--overlay-src", "low", "--overlay", "up", "work", "/x"])
    assert not told and shown.returncode == 0, (told, shown)


def test_what_cannot_be_made_on_the_host_fails_as_it_does_in_the_run():
    for top, place in ("/etc", "/etc/"), ("etc", "//etc/./"), ("/", ""):
        args = [*BASE, "--bind", top and "/etc", top, "--dir", f"{place}bwrapish-is-not-to-make-this"]
        findings, _ = check(args, ["true"])
        assert "bwrapish-is-not-to-make-this on the host, for /etc is not writable" in findings["build"]["message"], findings
        assert run(args, ["true"], prefix=USER).returncode == 1


@pytest.mark.parametrize("words", [["--bind", "locked", "/w", "--bind-try", "none", "/w/new"], ["--bind", "up", "/w", "--bind-try", "none", "/w/none", "--dir", "/w/none/x"],
                                   ["--bind", "up", "/w", "--symlink", "/low", "/w/new", "--tmpfs", "/low", "--remount-ro", "/w/new"]], ids=lambda words: words[-2])
def test_what_does_nothing_on_the_host_is_not_refused(own, words):
    told, shown = check_and_run(own, words)
    assert not told and shown.returncode == 0, (told, shown)


@pytest.mark.root
def test_root_has_no_rights_over_others_in_a_user_namespace_of_its_own(own):
    place = own / "up" / "new"
    for words in (["--bind", own / "up", "/w", "--dir", "/w/new"], ["--bind-create", place, "/x"]):
        assert not failing(check([*BASE, *words], ["true"], prefix=[])[0])
        message = check([*BASE, "--unshare-user", *words], ["true"], prefix=[])[0]["build" if words[0] == "--bind" else "pin"]["message"]
        assert words[-2 if words[0] == "--bind" else 0] in message and run([*BASE, "--unshare-user", *words], ["true"]).returncode == 1 and not place.exists(), message


def test_a_present_directory_that_is_not_inside_is_told(box):
    told = f"COMMAND starts in /; the present directory, {box}, is not in the sandbox: bind it, or name another by --chdir DIR"
    assert check(BASE, ["true"], cwd=box)[0]["go"]["notes"] == [told]
    assert f"{PREFIX}{told}\n" in run(["--verbose", *BASE, "--unshare-pid"], ["true"], cwd=box, prefix=USER).stderr
    assert not run(BASE, ["true"], cwd=box, prefix=USER).stderr and "notes" not in check([*BASE, "--chdir", "/usr"], ["true"], cwd=box)[0]["go"]


def test_what_programs_miss_inside_is_told_where_the_host_has_it(box):
    env = {"PATH": "/usr/bin:/bin", "HOME": "/home/of/somebody", "DISPLAY": ":77.0", "XDG_RUNTIME_DIR": "/run/me", "WAYLAND_DISPLAY": "w",
           "DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/me/bus,guid=1"}

    def told(*args, command="true"):
        lines = run(["--check", *args], [command], prefix=USER, env=env).stdout.splitlines()
        return "".join(f"{line.strip()}\n" for line in lines if line.startswith("      there is no ") or "no rights" in line)
    for words in ("/dev/null inside: --dev /dev\n", "/proc inside: --proc /proc\n", "/tmp inside: --tmpfs /tmp\n", "/etc/passwd inside: --ro-bind /etc/passwd",
                  "HOME inside, which is /home/of/somebody", "socket /tmp/.X11-unix/X77 inside", "socket /run/me/w inside", "socket /run/me/bus inside"):
        assert f"there is no {words}" in told(*BASE), words
    assert "resolv.conf" not in told(*BASE, "--unshare-net") and ("resolv.conf" in told(*BASE)) == os.path.exists("/etc/resolv.conf")
    assert "there is no /" not in told("--ro-bind", "/", "/") and "su gains no rights inside" in told(*BASE, command="su")
    refused(BASE, "cd is a word of the shell's, and no program: sh -c", command=["cd", "/"])


def test_one_question_is_asked_at_a_time():
    for first, second in (("--check", "--dry-run"), ("--features", "--check"), ("--features", "--dry-run")):
        refused([first, second, *BASE], "asks something else: give one of the two")
    refused(["--check-json", 1, "--features-json", 1], "--features-json (argument 3): --check-json (argument 1) asks")


def test_words_from_a_descriptor_are_checked():
    findings, _ = check(["--args", args_fd([*BASE, "--tmpfs", "/usr/bin/env"])], ["true"])
    assert findings["build"]["option"] == "--tmpfs" and findings["build"]["word"] == len(BASE) + 1, findings


# ---- libraries ----

@pytest.fixture
def program(box):
    """Of the box: it needs liba.so, which needs libb.so; nothing runs it but the kernel."""
    if not shutil.which("cc"):
        pytest.skip("needs a C compiler")
    script = """cc() { command cc -nostdlib -Wl,--no-as-needed,--allow-shlib-undefined "$@"; }
        echo 'int f(void) { return 0; }' >f.c; echo 'int f(void); void _start(void) { f(); }' >p.c
        cc -shared -o libb.so f.c; cc -shared -o liba.so f.c -L. -lb
        cc -Wl,--no-dynamic-linker -o program p.c -L. -la; cc -Wl,--no-dynamic-linker,-rpath,/x -o elsewhere p.c -L. -la"""
    subprocess.run(["sh", "-ec", script], cwd=box, check=True)
    return box


def notes_on(program, *args, name="program"):
    findings, result = check(["--ro-bind", program / name, "/program", *args], ["/program"])
    assert result.returncode == 0, findings
    return findings["go"].get("notes", [])


def test_a_library_that_is_nowhere_inside_is_told(program):
    told = notes_on(program)
    assert len(told) == 1 and told[0].startswith("the library liba.so, which /program needs, may be missing: "), told
    told = notes_on(program, "--ro-bind", program / "liba.so", "/lib/liba.so")
    assert len(told) == 1 and told[0].startswith("the library libb.so, which liba.so needs, may be missing: "), told


def test_a_library_that_a_mask_has_emptied_is_told(program):
    told = notes_on(program, "--tmpfs", "/lib", "--ro-bind", program / "liba.so", "/lib/liba.so", "--mask", "/lib/liba.so", "--unshare-user", "--cap-drop", "ALL")
    assert told == ["the library liba.so, which /program needs, is an empty file, as --mask shows one"]


def test_what_is_no_file_is_not_opened_for_a_library(program):
    os.mkfifo(program / "pipe")
    opened = []
    writer = threading.Thread(target=lambda: opened.append(os.close(os.open(program / "pipe", os.O_WRONLY))))
    writer.start()
    try:
        notes_on(program, "--ro-bind", program / "pipe", "/lib/liba.so")
        assert not opened
    finally:
        os.close(os.open(program / "pipe", os.O_RDONLY | os.O_NONBLOCK))
        writer.join()


@pytest.mark.parametrize("line", ["#!/program", "#! /usr/bin/env program", "#!/usr/bin/env -S program -x", "#!/usr/bin/env -Sprogram", "#!/other"])
def test_a_script_is_followed_to_the_libraries_of_what_runs_it(program, line):
    def file(content, path):
        return ["--perms", "0755", "--ro-bind-data", data_fd(content.encode()), path]
    args = [*BASE, "--ro-bind", program / "program", "/program", *file(f"{line}\n", "/script"), *file("#!/program", "/other"), "--setenv", "PATH", "/bin:/"]
    findings, _ = check(args, ["/script"])
    assert len(findings["go"]["notes"]) == 1 and "the library liba.so, which /program needs" in findings["go"]["notes"][0].replace("//", "/"), findings
    findings, _ = check(["--ro-bind", program / "program", "/program", *args[len(BASE):], "--ro-bind", program / "program", "/usr/bin/env"], ["/script"])
    assert len(findings["go"]["notes"]) == 1, findings


@pytest.mark.parametrize("line", ["#!/usr/bin/env", "#!/usr/bin/env -i nothing", "#!/usr/bin/env A=b nothing", "#!/usr/bin/env -S ${NOTHING}", "#!/usr/bin/envy x"])
def test_what_env_is_told_in_other_ways_is_not_followed(line):
    args = [*BASE, "--perms", "0755", "--ro-bind-data", data_fd(f"{line}\n".encode()), "/script"]
    assert not check(args, ["/script"])[0]["go"].get("notes")


def test_libraries_that_are_found_or_may_be_elsewhere_are_not_told(program):
    assert not notes_on(program, "--ro-bind", program / "liba.so", "/lib/liba.so", "--ro-bind", program / "libb.so", "/usr/lib64/libb.so")
    assert not notes_on(program, "--setenv", "LD_LIBRARY_PATH", "/x")
    assert not notes_on(program, name="elsewhere")
    cached = ["--ro-bind-data", data_fd(b"\0liba.so\0/opt/liba.so\0libb.so\0/opt/libb.so\0"), "/etc/ld.so.cache"]
    assert not notes_on(program, "--ro-bind", program, "/opt", *cached)
    for command in ("sh", "python3", "git"):
        assert not [note for note in check(FULL, [command, "--version"])[0]["go"].get("notes", []) if "library" in note], command


# ---- masks ----

@pytest.mark.parametrize("name", SECOND_PATHS)
def test_a_second_path_is_told_as_the_run_tells_it(box, name):
    args, prefix, words = second_path(name, box)
    findings, _ = check(args, ["true"], prefix=prefix)
    message = findings["build"].get("message", "")
    assert all(word in message for word in words), findings
    assert run(["--unsetenv", "NOTHING", *args], ["true"], prefix=prefix).stderr.endswith(f"{PREFIX}{message}\n")


def test_a_mask_that_does_not_hold_is_told_as_the_run_tells_it(box):
    for name in ("proj", "rw", "work"):
        (box / name).mkdir()
    (box / "proj/link").symlink_to("/w/file")
    (box / "rw/file").write_text("file")
    lines = [["--ro-bind", box / "proj", "/proj", "--bind", box / "rw", "/w", "--protect", "/proj/link"],
             ["--overlay-src", box / "proj", "--overlay", box / "rw", box / "work", "/o", "--mask", "/o/none"],
             ["--bind", box / "rw", "/w", "--mask", "/w/none", "--ro-bind", box / "proj", "/w/new"],
             ["--bind", box / "rw", "/w", "--mask", "/w/none", "--bind", box / "rw", "/again"],
             ["--bind", box, "/w", "--mask", "/w/proj/none/x", "--bind-try", box / "rw", "/w/proj"]]
    for args in lines:
        if "--overlay" in args:
            need_kernel_overlay("user")
        findings, _ = check([*FULL, *args, "--unshare-user", "--cap-drop", "ALL"], ["true"], prefix=[])
        done = run(["--unsetenv", "NOTHING", *FULL, *args, "--unshare-user", "--cap-drop", "ALL"], ["true"])
        told = "".join(f"{PREFIX}{finding['message']}\n" for finding in findings.values() if "message" in finding)
        assert done.returncode == bool(told) and done.stderr.endswith(told)


# ---- links ----

def test_a_link_that_may_be_an_earlier_commands_is_told_as_the_run_tells_it(box):
    for name in ("a/s", "a/d", "b"):
        (box / name).mkdir(parents=True)
    (box / "a/s/up").symlink_to("../d")
    (box / "a/out").symlink_to("/b")
    for args in (["--bind", box / "a", "/a", "--bind-inner", "/a/s/up", "/c"], ["--bind", box / "a", "/a", "--bind", box / "b", "/b", "--dir", "/a/out/x"]):
        findings, _ = check([*FULL, *args], ["true"], prefix=[])
        message = findings["build"]["message"]
        assert "may have been made for that" in message
        assert run(["--unsetenv", "NOTHING", *FULL, *args], ["true"]).stderr == f"{PREFIX}{message}\n"
    assert not list((box / "b").iterdir())


# ---- no process, no COMMAND, no /dev/null ----

@pytest.mark.user
@pytest.mark.parametrize("args", [[], [*FULL, "--unshare-all"]], ids=["the machine", "a line"])
def test_who_may_have_no_more_processes_is_told_so(args):
    findings, _ = check(args, ["true"] if args else None, prefix=["prlimit", "--nproc=1"])
    message = findings["split" if args else "user-namespace"]["message"]
    assert "this user may have 1 processes and threads (RLIMIT_NPROC): end some, or raise ulimit -u" in message


@pytest.mark.parametrize("args", [["--ro-bind", "/", "ls"], [*FULL, "--data", "hello", "true"], [*FULL, "--chdir", "x"]], ids=str)
def test_an_option_that_took_command_is_told_as_the_run_tells_it(args):
    findings, _ = check(args)
    message = findings["read"]["message"]
    assert "no COMMAND: " in message
    assert run(["--unsetenv", "NOTHING", *args]).stderr.endswith(f"{PREFIX}{message}\n")


@pytest.mark.parametrize("args", [["--unshare-all"], [*FULL, "--tmpfs", "/x/y"], [*FULL, "--unshare-uts", "--hostname", "ls"]], ids=str)
def test_a_line_that_needs_no_command_is_judged_without_one(args):
    assert not failing(check(args)[0])


def test_the_machine_is_judged_where_dev_null_cannot_be_opened():
    findings, _ = check(prefix=host_mounts("mount -t tmpfs none /dev", user=23000))
    assert findings["user-namespace"]["verdict"] == "works", findings
