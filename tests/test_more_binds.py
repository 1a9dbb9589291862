"""Binds with more than a source and a destination: one word for both, a source that is made, a source inside; and the whole host at /."""
import errno
import os
import re
import stat
from collections import Counter

import pytest

from lines import TAKE_WORDS, descriptor_for, each, form_args, forms
from masks import DROP
from overlays import CALLERS, fuse_prefix, needs_fuse, tree  # noqa: F401 (a fixture)
from sandbox import BASE, TIMEOUT, assert_ok, assert_refused, bpf, data_fd, host_mounts, inside, mounts_inside, parse_mountinfo, refused, run, shell, start
from test_causes import refusing
from test_mounts import submounts

pytestmark = pytest.mark.core


def tree_names(box):
    return sorted(str(path.relative_to(box)) for path in box.rglob("*"))


# ---- the same path on both sides ----

@pytest.mark.parametrize("option, as_option", [("--same-bind", "--bind"), ("--same-bind-try", "--bind-try"),
                                               ("--same-ro-bind", "--ro-bind"), ("--same-ro-bind-try", "--ro-bind-try")])
def test_one_word_is_the_path_on_both_sides(option, as_option, box):
    (box / "s" / "a").mkdir(parents=True)
    prefix = host_mounts(f"mount -t tmpfs none {box}/s; mkdir {box}/s/a; mount -t tmpfs -o noexec none {box}/s/a; mount --make-rshared {box}/s",
                         then='"$@"; exit $?')
    for path in (f"{box}/s", f"{box}//s/./a/"):
        one, two = (mounts_inside(args, prefix=prefix) for args in ([option, path], [as_option, path, path]))
        below = [{point: mount[1:] for point, mount in mounts.items() if point.startswith(str(box))} for mounts in (one, two)]
        assert below[0] == below[1] and below[0]


@pytest.mark.parametrize("option", ["--same-bind", "--same-ro-bind"])
def test_a_same_path_that_does_not_exist_is_refused_but_by_the_try_form(option, box):
    refused([option, box / "missing"], f"Can't find source path {box}/missing", option, base=BASE)
    assert shell([f"{option}-try", box / "missing"], "ls -A /") == "bin\nlib\nlib64\nusr\n"


@pytest.mark.parametrize("option", ["--same-bind", "--same-bind-try", "--same-ro-bind", "--same-ro-bind-try"])
@pytest.mark.parametrize("path, why", [("usr", 'usr is relative, and would be /usr inside: write "$PWD/usr"'), (".", '. inside: write "$PWD/."'), ("", "PATH is an empty path"),
                                       ("--dir", "PATH is missing")])
def test_a_same_path_that_is_not_the_same_on_both_sides_is_refused(option, path, why):
    refused([option, path], f"{option} (argument {len(BASE) + 1})", why, base=BASE)


def test_a_same_path_through_a_link_is_there_under_that_name(box):
    (box / "real").mkdir()
    (box / "real" / "f").touch()
    (box / "link").symlink_to("real")
    assert shell(["--same-ro-bind", box / "link"], f"ls {box}; ls {box}/link") == "link\nf\n"


# ---- a source that is made ----

def test_a_missing_source_is_made_for_its_owner_alone(box):
    args = ["--bind-create", box / "new", "/n", "--bind-create", box / "dir/", "/d"]
    assert shell(args, "echo made >/n/f; echo too >/d/f", umask=0o277) == ""
    for name in ("new", "dir"):
        status = (box / name).stat()
        assert stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o700 and status.st_uid == os.getuid()
    assert shell(args, "cat /n/f /d/f") == "made\ntoo\n"  # and then it is there


def test_a_source_that_exists_is_shown_as_it_is(box):
    (box / "d").mkdir(mode=0o755)
    (box / "f").write_text("file\n")
    (box / "l").symlink_to("d")
    args = ["--bind-create", box / "d", "/d", "--bind-create", box / "f", "/f", "--bind-create", box / "l", "/l"]
    assert shell(args, "stat -c %a /d; cat /f; touch /l/x; ls /d") == "755\nfile\nx\n"


def test_a_relative_source_is_made_where_the_caller_is(box):
    shell(["--bind-create", "new", "/n", "--bind-create", "../" + box.name + "/other", "/o"], "touch /n/x", cwd=box)
    assert tree_names(box) == ["new", "new/x", "other"]


def test_what_is_made_can_be_the_source_of_more(box):
    args = ["--bind-create", box / "a", "/a", "--bind-create", box / "a" / "b", "/b", "--ro-bind", box / "a", "/c",
            "--mount-flags", "ro,noexec", "--bind-create", box / "r", "/r"]
    assert shell(args, "touch /b/x; ls -R /c; touch /r/x 2>&- || echo ro") == "/c:\nb\n\n/c/b:\nx\nro\n"


def test_nothing_is_made_by_a_dry_run_or_a_line_with_a_mistake(box):
    args = [*BASE, "--bind-create", box / "new", "/n"]
    assert run([*args, "--dry-run"], ["true"]).returncode == 0
    refused([*args, "--no-such-option"], "Unknown option")
    refused([*args, "--ro-bind", box / "missing", "/m"], f"Can't find source path {box}/missing", f"--ro-bind (argument {len(args) + 1})")
    refused([*args, "--bind-create", box / "missing" / "deep", "/m"], f"Can't find source path {box}/missing/deep",
            f"--bind-create (argument {len(args) + 1})", "has to exist")
    refused([*args, "--bind-create", "", "/m"], "SRC is an empty path")
    assert tree_names(box) == []


LATER = {"--tmpfs": ["--tmpfs", "/usr/bin/env"], "--mask": ["--mask", "/usr/bin/env/none"], "--dir": ["--dir", "/usr/bin/env"],
         "--overlay": ["--overlay-src", "/usr/bin/env", "--ro-overlay", "/o"], "--data": ["--data", "x", "/usr"],
         "--chmod": ["--chmod", "0700", "/none"], "--chdir": ["--chdir", "/none"], "--seccomp": ["--seccomp", b"not a filter"],
         "none": []}


@pytest.mark.parametrize("later", LATER)
@forms
def test_a_made_source_goes_when_a_later_operation_fails(box, later, form):
    args = [*BASE, *form_args(form), *DROP, "--bind-create", box / "new", "/n", "--bind-create", box / "new/in/", "/in",
            *[data_fd(word) if isinstance(word, bytes) else word for word in LATER[later]]]
    result = run(args, [box / "no-such-command"])
    assert result.returncode == 1 and result.stderr.count("\n") == 1, result
    assert tree_names(box) == []


@forms
@pytest.mark.parametrize("more", [[], ["--cap-drop", "ALL"]], ids=["", "without capabilities"])
def test_a_made_source_that_is_shown_at_its_own_path_goes_too(box, more, form):
    for later in "--tmpfs", "--chdir", "none":
        args = ["--ro-bind", "/", "/", *form_args(form), *more, "--bind-create", box / "new", box / "new",
                "--bind-create", box / "new/in", box / "new/in", *LATER[later]]
        refused([*args], command=[box / "no-such-command"], base=[])
        assert tree_names(box) == []


@forms
def test_the_command_gets_no_descriptor_of_where_a_source_was_made(box, form):
    args = [*BASE, *form_args(form), *DROP, "--proc", "/proc", "--bind-create", box / "new", "/n"]
    assert inside(args, "[fd for fd in os.listdir('/proc/self/fd') if 'bwrapish-test' in os.path.realpath('/proc/self/fd/' + fd)]", []) == []


def test_a_made_source_in_which_something_was_put_stays(box):
    args = [*BASE, "--bind-create", box / "new", "/n", "--bind-create", box / "other", "/o", "--dir", "/n/x", "--tmpfs", "/usr/bin/env"]
    refused(args, "--tmpfs (argument")
    assert tree_names(box) == ["new", "new/x"]


def test_a_made_source_goes_whatever_else_is_open(box):
    args = [*BASE, "--bind-create", box / "new", "/n", "--close-fds"]
    refused(args, "execvp", command=["no-such-command"])
    assert tree_names(box) == []


def test_a_filter_that_kills_whoever_removes_something_hides_no_failure(box):
    args = [*BASE, "--bind-create", box / "new", "/n", "--seccomp", data_fd(bpf({"unlinkat": 0x80000000}))]
    refused(args, "execvp", command=["no-such-command"])
    assert tree_names(box) == ["new"]


def test_no_parent_is_made(box):
    refused(["--bind-create", box / "a" / "b", "/n"], "has to exist", f"{box}/a/b", base=BASE)
    refused(["--bind-create", f"{box}/a/.", "/n"], "has to exist", base=BASE)
    assert tree_names(box) == []


def test_nothing_is_made_through_a_link_that_leads_nowhere(box):
    (box / "link").symlink_to(box / "elsewhere")
    (box / "far").symlink_to("/no/such/place")
    for name in ("link", "far"):
        refused(["--bind-create", box / name, "/n"], "leads nowhere", f"{box}/{name}", base=BASE)
    assert tree_names(box) == ["far", "link"]


@pytest.mark.user
def test_a_source_that_the_caller_may_not_make_is_refused():
    refused(["--bind-create", "/usr/no-such-directory", "/n"], "Can't make the directory", "Permission denied", base=BASE)


def test_nothing_is_made_below_a_file(box):
    (box / "file").touch()
    refused(["--bind-create", box / "file" / "new", "/n"], "Not a directory", base=BASE)


def test_many_at_once_make_one(box):
    runs = [start([*BASE, "--bind-create", box / "new", "/n"], ["sh", "-c", "echo x >/n/$0", i]) for i in range(12)]
    for one in runs:
        with one:
            assert one.communicate(timeout=TIMEOUT) == ("", "") and one.returncode == 0
    assert len(tree_names(box)) == 13


# ---- a source inside ----

def test_a_place_of_the_sandbox_is_shown_at_a_second_one(box):
    (box / "f").write_text("host\n")
    args = ["--bind", box, "/b", "--tmpfs", "/b/t", "--data", "text\n", "/b/t/x", "--bind-inner", "/b", "/p/q", "--bind-inner", "/b/t/x", "/file"]
    assert shell(args, "cat /p/q/f /p/q/t/x /file; touch /p/q/new /p/q/t/y; ls /b/t") == "host\ntext\ntext\nx\ny\n"
    assert tree_names(box) == ["f", "new", "t"]  # the last is where --tmpfs is


def test_it_is_what_is_there_by_then_and_not_the_hosts(box):
    args = ["--tmpfs", "/t", "--data", "one", "/t/f", "--bind-inner", "/t", "/u", "--data", "two", "/t/f"]
    assert shell(args, "cat /u/f /t/f") == "onetwo"
    refused(["--bind-inner", box, "/u"], f"Can't find source path {box}", "--bind-inner (argument ", "looked for in the sandbox", base=BASE)
    refused(["--bind-inner", "/u", "/u2", "--tmpfs", "/u"], "Can't find source path /u", base=BASE)


def test_it_has_the_flags_of_what_it_shows_and_more_only_if_asked(box):
    args = ["--mount-flags", "noexec", "--bind", box, "/b", "--bind-inner", "/b", "/c", "--ro-bind", box, "/r", "--bind-inner", "/r", "/s",
            "--mount-flags", "ro,nosymfollow", "--bind-inner", "/b", "/d", "--dev", "/dev", "--bind-inner", "/dev/null", "/null"]
    mounts = mounts_inside(args)
    assert mounts["/c"].has("rw", "noexec", "nosuid", "nodev") and mounts["/s"].has("ro", "nosuid", "nodev")
    assert mounts["/d"].has("ro", "noexec", "nosymfollow") and mounts["/null"].has("nosuid")
    assert shell(args, "echo x >/null; touch /s/x 2>&- || echo no; touch /d/x 2>&- || echo no") == "no\nno\n"


@pytest.mark.parametrize("args, propagation", [
    (["--bind", "S", "/s", "--bind-inner", "/s", "/t"], {"master"}), (["--ro-bind", "S", "/s", "--bind-inner", "/s", "/t"], set()),
    (["--bind", "S", "/s", "--mount-flags", "ro", "--bind-inner", "/s", "/t"], set()),
    (["--bind", "S", "/s", "--propagation", "private", "--bind-inner", "/s", "/t"], set())], ids=str)
def test_its_propagation_is_that_of_what_it_shows_unless_it_is_read_only(args, propagation, box):
    prefix = host_mounts(f"mkdir {box}/s; mount -t tmpfs none {box}/s; mount --make-shared {box}/s", then='"$@"; exit $?')
    assert mounts_inside([box / "s" if word == "S" else word for word in args], prefix=prefix)["/t"].propagation == propagation


def test_its_links_lead_nowhere_out_of_the_sandbox(box):
    (box / "abs").symlink_to(box)
    (box / "up").symlink_to("../../../../../../../usr")
    for name, why in (("abs", "No such file"), ("/proc/self/root", "loop of symbolic links|Too many levels")):
        source = name if name.startswith("/") else f"/b/{name}"
        result = run([*BASE, "--proc", "/proc", "--bind", box, "/b", "--bind-inner", source, "/x"], ["true"])
        assert result.returncode == 1 and re.search(why, result.stderr), result
    assert shell(["--symlink", "../../../usr", "/b/up", "--bind-inner", "/b/up", "/x"], "ls -d /x/bin") == "/x/bin\n"


@pytest.mark.parametrize("target", ["/secret", "own", "/", "/secret/../b/own"])
def test_a_link_that_an_earlier_command_left_shows_nothing_that_is_covered_later(target, box):
    for name in ("w/own", "secret"):
        (box / name).mkdir(parents=True)
        (box / name / "key").write_text("key")
    (box / "w" / "trap").symlink_to(target)
    args = ["--bind", box / "w", "/b", "--ro-bind", box / "secret", "/secret", "--bind-inner", "/b/trap", "/x", "--tmpfs", "/secret", "--tmpfs", "/b/own"]
    refused(args, "--bind-inner (argument ", "Can't show /b/trap: the link /b/trap in what --bind (argument ", base=BASE)
    assert shell(["--bind", box / "w", "/b", "--bind-inner", "/b/own", "/x"], "cat /x/key") == "key"


def test_the_root_itself_can_be_shown_and_covered():
    assert shell(["--tmpfs", "/t", "--bind-inner", "/", "/r"], "ls /r; ls /r/r; ls /r/usr/bin/env").split() \
        == ["bin", "lib", "lib64", "r", "t", "usr", "/r/usr/bin/env"]
    assert shell(["--ro-bind", "/usr", "/new/usr", "--symlink", "usr/bin", "/new/bin", "--symlink", "usr/lib", "/new/lib",
                  "--symlink", "usr/lib64", "/new/lib64", "--bind-inner", "/new", "/"], "ls /") == "bin\nlib\nlib64\nusr\n"


def test_what_made_it_read_only_is_named(box):
    refused(["--ro-bind", box, "/b", "--bind-inner", "/b", "/c", "--chmod", "0755", "/c"], f"--ro-bind (argument {len(BASE) + 1}) made it read-only", base=BASE)
    refused(["--bind", box, "/b", "--remount-ro", "/b", "--bind-inner", "/b", "/c", "--chmod", "0755", "/c"],
            f"--remount-ro (argument {len(BASE) + 4}) made it read-only", base=BASE)
    refused(["--bind", box, "/b", "--mount-flags", "ro", "--bind-inner", "/b", "/c", "--chmod", "0755", "/c"],
            f"--bind-inner (argument {len(BASE) + 6}) made it read-only", base=BASE)
    assert tree_names(box) == []


def test_nothing_is_changed_through_a_link_into_what_it_shows(box):
    for name in ("proj", "safe"):
        (box / name).mkdir()
    (box / "proj" / "way").symlink_to("/again")
    args = ["--bind", box / "proj", "/proj", "--bind", box / "safe", "/safe", "--bind-inner", "/safe", "/again", "--dir", "/proj/way/new"]
    refused(args, "the link /proj/way in what", f"--bind-inner (argument {len(BASE) + 7}) shows", base=BASE)
    assert tree_names(box / "safe") == []


@pytest.mark.parametrize("args, why", [(["--bind-inner", "", "/x"], "SRC is an empty path"), (["--bind-inner", "/usr", ""], "DEST is an empty path"),
                                       (["--bind-inner", "/usr/bin/env", "/usr"], "it is not a file"), (["--perms", "0700", "--bind-inner", "/usr", "/x"], "--perms")])
def test_a_source_inside_that_cannot_be_shown_is_refused(args, why):
    refused(args, why, base=BASE)


@needs_fuse
@pytest.mark.parametrize("caller", CALLERS)
def test_nothing_is_mounted_in_a_second_view_of_a_fuse_overlay(caller, tree):
    args = [*BASE, "--overlay-backend", "fuse", "--overlay-src", tree / "low", "--tmp-overlay", "/o", "--bind-inner", "/o", "/p"]
    result = run([*args, "--tmpfs", "/p/dir"], ["echo", "COMMAND RAN"], prefix=fuse_prefix(caller))
    assert_refused(result, f"--tmpfs (argument {len(args) + 1})", "--bind-inner shows the overlay of --tmp-overlay")
    assert_ok(run(args, ["test", "-d", "/p/dir"], prefix=fuse_prefix(caller)))


# ---- the host itself ----

@pytest.mark.parametrize("option", ["--ro-bind", "--bind", "--dev-bind", "--bind-try"])
def test_the_host_at_root_is_no_second_copy_of_its_mounts(option):
    """Then nothing has to be left behind, and pivot_root(2) may be refused: an initial ramfs cannot be left at all."""
    result = run(["--unshare-user", option, "/", "/", "--tmpfs", "/tmp"], ["ls", "-A", "/tmp"], prefix=refusing({"pivot_root": errno.EINVAL}))
    assert_ok(result)
    assert result.stdout == ""


@pytest.mark.parametrize("limit", [32, 64])
@pytest.mark.parametrize("args", [["--ro-bind", "/", "/"], ["--bind", "/", "/"], ["--dev-bind", "/", "/"], ["--propagation", "slave", "--ro-bind", "/", "/"],
                                  ["--mount-flags", "noexec", "--bind", "/", "/", "--ro-bind", "/usr", "/usr"]], ids=" ".join)
def test_the_host_at_root_has_the_mounts_that_a_copy_has(args, limit, box):
    """With few descriptors it is a copy, which goes into a tmpfs meanwhile: from the beginning, or when so many nodes are taken."""
    prefix = submounts(box, "mount --make-rshared src/a; mount -t tmpfs none src/b")
    line = ["--unshare-user", *args, *(["--dev", "/dev"] * 6), "--proc", "/proc"]
    stays, copied = (run(line, ["cat", "/proc/self/mountinfo"], prefix=[*prefix, *how]) for how in ([], ["prlimit", f"--nofile={limit}:{limit}"]))
    assert_ok(stays)
    assert_ok(copied)
    stays, copied = (Counter(parse_mountinfo(result.stdout)) for result in (stays, copied))
    assert stays == copied and {f"{box}/src/b/deep", f"{box}/src/closed/inner"} <= {mount.point for mount in stays}


# Those of overlays have the host's tree copied, the other two want something there already.
SHOWN = [option for option in TAKE_WORDS if "DEST" in option.words and not option.name.endswith("overlay") and option.name not in ("--lock-file", "--remount-ro")]


@each(SHOWN)
def test_nothing_of_setups_is_left_on_a_root_that_is_the_hosts(option, box):
    """Whatever is shown below: there are the host's mounts, and what the line says."""
    first = {"SRC": "/usr", "DEST": "/tmp/x", "TEXT": "text"}.get(option.words[0])
    lines = [["--unshare-all", "--ro-bind", "/", "/", "--proc", "/proc", "--tmpfs", "/tmp", *("/tmp/x" if word == "/x" else word for word in
              option.line(descriptor_for(option, box, None) if first is None else first))] for _ in range(2)]
    stays, copied = (run(line, ["cat", "/proc/self/mountinfo"], prefix=prefix) for line, prefix in zip(lines, ([], ["prlimit", "--nofile=32:32"])))
    assert_ok(stays)
    assert_ok(copied)
    assert Counter(parse_mountinfo(stays.stdout)) == Counter(parse_mountinfo(copied.stdout))
