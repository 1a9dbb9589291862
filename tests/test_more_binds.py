"""Binds with more than a source and a destination: one word for both, a source that is made, a source inside."""
import os
import stat

import pytest

from sandbox import BASE, TIMEOUT, host_mounts, mounts_inside, refused, run, shell, start

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
@pytest.mark.parametrize("path, why", [("usr", "no absolute path"), ("./usr", "no absolute path"), ("", "PATH is an empty path"),
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
