"""--protect: what stays as and where it is."""
import os
import shutil

import pytest

from masks import DROP, ONLY_ACCIDENTS, SECOND_PATHS, attacks, second_path
from overlays import need_kernel_overlay
from sandbox import BINARY, FULL, REFUSE, assert_ok, inside, refused, run, shell, tree

pytestmark = pytest.mark.core


@pytest.fixture
def proj(box):
    """A project with hooks that must not change."""
    (box / "proj/.git/hooks").mkdir(parents=True)
    (box / "proj/.git/hooks/pre-commit").write_text("hook")
    (box / "proj/.git/config").write_text("config")
    (box / "proj/a/b/c").mkdir(parents=True)
    (box / "proj/a/b/c/file").write_text("file")
    (box / "proj/other").write_text("other")
    (box / "proj/link").symlink_to("a/b")
    return box / "proj"


def bind(proj):
    return [*FULL, "--bind", proj, "/proj"]


ABOVE = {".git/hooks": [".git"], ".git/config": [".git"], "a/b/c/file": ["a/b/c", "a/b", "a"],
         "link/c/file": ["link", "a/b/c", "a/b", "a"], "link": ["link"], "a/../.git/config": [".git"]}


@pytest.mark.parametrize("name", [name for name in ABOVE])
def test_nothing_inside_changes_or_moves_it(proj, name):
    before = tree(proj)
    done = attacks(["--protect", f"/proj/{name}"], f"/proj/{name}", [f"/proj/{above}" for above in ABOVE[name]],
                   "/proj/other", bind(proj))
    if name == "link":  # a second name for a link changes nothing that the first one leads to
        done.remove("link")
        (proj / "other.link").unlink()
    assert done == []
    assert tree(proj) == before


def test_it_can_be_read(proj):
    assert inside(["--protect", "/proj/.git", *DROP], "open('/proj/.git/hooks/pre-commit').read()", bind(proj)) == "hook"


def test_all_below_a_directory_is_protected(proj):
    assert attacks(["--protect", "/proj/.git"], "/proj/.git/hooks/pre-commit", ["/proj/.git/hooks", "/proj/.git"],
                   "/proj/other", bind(proj)) == []


def test_what_is_beside_it_is_renamed_as_ever(proj):
    shell(["--protect", "/proj/a/b/c/file", *DROP], "mv /proj/other /proj/a/b/c/other; mv /proj/.git/hooks /proj/a/hooks",
          bind(proj))
    assert (proj / "a/b/c/other").exists() and (proj / "a/hooks/pre-commit").exists()


@pytest.mark.parametrize("order", [1, -1])
def test_several_share_what_is_above_them(proj, order):
    pairs = [("--protect", "/proj/a/b/c/file"), ("--protect", "/proj/a/b"), ("--protect", "/proj/.git/hooks"),
             ("--mask", "/proj/.git/config")]
    args = [word for pair in pairs[::order] for word in pair]
    for path, above in [("/proj/a/b/c/file", ["/proj/a/b/c", "/proj/a/b", "/proj/a"]), ("/proj/.git/config", ["/proj/.git"])]:
        assert attacks(args, path, above, "/proj/other", bind(proj)) == []


def test_what_is_above_a_bind_in_a_bind_is_kept_too(proj):
    (proj.parent / "more").mkdir()
    (proj.parent / "more/config").write_text("config")
    args = ["--bind", proj.parent / "more", "/proj/a/b/c", "--protect", "/proj/a/b/c/config"]
    assert attacks(args, "/proj/a/b/c/config", ["/proj/a/b", "/proj/a"], "/proj/other", bind(proj)) == []


def test_a_mount_point_can_be_protected(proj):
    before = tree(proj)
    done = attacks(["--protect", "/proj"], "/proj/.git/config", ["/proj/.git"], "/proj/other", bind(proj))
    # user namespaces stay, as nothing can be taken off; what is mounted there is seen there alone
    assert {name.split()[0] for name in done} <= {"user", "mount", "umount", "chroot"}
    assert tree(proj) == before


def test_below_the_hosts_root_shown_whole(proj):
    base = ["--bind", "/", "/", "--proc", "/proc"]
    path = proj / ".git/hooks"
    assert attacks(["--protect", path], path, [proj / ".git", proj, proj.parent], proj / "other", base) == []


def test_below_a_read_only_root_and_a_writable_home(proj):
    path = proj / ".git/config"
    assert attacks(["--protect", path], path, [proj / ".git"], proj / "other", ["--ro-bind", "/", "/", "--bind", proj, proj]) == []


def test_a_device_works_on():
    args = ["--dev-bind", "/dev", "/dev", "--protect", "/dev/null", *DROP]
    shell(args, "echo >/dev/null")


@pytest.mark.parametrize("overlay", [["--tmp-overlay"], ["--ro-overlay"]])
def test_on_an_overlay(proj, overlay):
    base = [*FULL, "--overlay-backend", "kernel", "--overlay-src", "/usr/share/doc", "--overlay-src", proj, *overlay, "/o", "--file", 0, "/tmp/other"]
    result = run([*base, "--unshare-user", *DROP], ["true"])
    if result.returncode:
        pytest.skip(f"no overlay: {result.stderr}")
    done = attacks(["--protect", "/o/.git/config", "--mask", "/o/a/b/c/file"], "/o/.git/config", ["/o/.git"],
                   "/o/other", base)
    assert {name.split()[0] for name in done} <= {"user", "mount", "umount", "chroot"}
    assert inside(["--mask", "/o/a/b/c/file", *DROP], "open('/o/a/b/c/file').read()", base) == ""


def test_what_is_missing_on_an_overlay_whose_changes_go(proj):
    base = [*FULL, "--overlay-backend", "kernel", "--overlay-src", proj, "--tmp-overlay", "/o"]
    if run([*base, "--unshare-user", *DROP], ["true"]).returncode:
        pytest.skip("no overlay")
    assert attacks(["--protect", "/o/none"], "/o/none", [], "/o/other", base) == []
    assert not (proj / "none").exists()


def test_what_is_missing_on_an_overlay_whose_changes_stay_is_an_error(proj, box):
    (box / "rw").mkdir()
    (box / "work").mkdir()
    base = [*FULL, "--overlay-backend", "kernel", "--overlay-src", proj, "--overlay", box / "rw", box / "work", "/o"]
    if run([*base, "--unshare-user", *DROP], ["true"]).returncode:
        pytest.skip("no overlay")
    refused([*base, "--protect", "/o/none", *DROP], "RWSRC", "create it")
    assert os.listdir(box / "rw") == []


def test_a_missing_path_cannot_be_made(proj):
    args = ["--ro-bind", proj, "/proj", "--tmpfs", "/w", "--protect", "/proj/none", "--protect", "/w/.git/hooks", *DROP]
    assert "Read-only" in run([*FULL, *args], ["mkdir", "/w/.git/hooks"]).stderr
    assert run([*bind(proj), "--protect-try", "/proj/none", *DROP], ["true"]).returncode == 0


@pytest.mark.parametrize("option", ["--protect", "--protect-try", "--mask"])
def test_a_missing_path_is_kept_whatever_can_be_written_elsewhere_in_its_directory(proj, option):
    base = [*FULL, "--ro-bind", proj, "/proj", "--bind", proj / "a", "/proj/a", "--tmpfs", "/proj/.git", "--unshare-user", "--disable-userns"]
    for path in "/proj/none", "/proj/none/deeper", "/none":
        assert attacks([option, path], path, ["/proj/none", "/proj", "/proj/a"], "/proj/a/b", base) == []
    assert sorted(os.listdir(proj)) == [".git", "a", "link", "other"]
    assert "works" in run([*base, option, "/proj/none", "--check", *DROP], ["true"]).stdout


@pytest.mark.parametrize("option", ["--protect", "--mask"])
def test_a_missing_path_to_which_a_later_operation_leads_elsewhere_is_an_error(proj, option):
    args = [*FULL, "--ro-bind", proj, "/proj", "--tmpfs", "/w", option, "/proj/none/deeper/file"]
    refused([*args, "--symlink", "/w", "/proj/none", *DROP], f"{option} (argument", "a later operation")
    refused([*args, "--bind-try", proj / "a", "/proj/none/deeper", *DROP], f"{option} (argument", "--bind-try (argument")
    assert_ok(run([*args, "--dir", "/proj/none/deeper", *DROP], ["true"]))


@pytest.mark.parametrize("option", ["--protect", "--mask"])
def test_a_missing_path_that_can_be_made_at_a_second_path_is_an_error_that_names_both(proj, option):
    args = [*FULL, "--ro-bind", proj, "/ro", "--bind", proj / ".git", "/proj", option, "/ro/.git/new/pre-commit", *DROP]
    refused(args, f"{option} (argument", "--bind (argument", "in /proj")
    assert_ok(run([*FULL, "--ro-bind", proj, "/ro", "--ro-bind", proj, "/proj", "--bind", proj / "a", "/a", option, "/ro/.git/new",
                   *DROP], ["true"]))


def test_a_missing_path_that_an_overlay_makes_on_the_host_is_an_error_that_names_both(proj, box):
    need_kernel_overlay("user", box)
    (box / "work").mkdir()
    args = [*FULL, "--ro-bind", proj, "/ro", "--overlay-src", proj / "a", "--overlay", proj / ".git", box / "work", "/view",
            "--protect", "/ro/.git/new", *DROP]
    refused(args, "--protect (argument", "--overlay (argument", "in /view")


@pytest.mark.parametrize("option", ["--protect", "--mask"])
@pytest.mark.parametrize("place", ["--bind", "--ro-bind", "--tmpfs"])
def test_a_way_up_from_what_is_missing_is_an_error(proj, option, place):
    source = [] if place == "--tmpfs" else [proj]
    args = [*FULL, place, *source, "/proj", option, "/proj/missing/x/../../other", *DROP]
    before = tree(proj)
    refused(args, f"{option} (argument", "missing, from which .. leads on")
    assert tree(proj) == before


def test_a_link_of_procfs_is_an_error_as_it_leads_each_process_elsewhere(proj):
    for path in "/proc/self/environ", "/proc/mounts":
        refused([*bind(proj), "--mask", path, *DROP], "--mask (argument", "of procfs")
    result = run([*bind(proj), "--mask-try", "/proc/self/environ", *DROP], ["true"])
    assert result.returncode == 0 and "--mask-try (argument" in result.stderr


@pytest.mark.parametrize("name", SECOND_PATHS)
def test_a_second_path_is_an_error_that_names_both(box, name):
    args, prefix, words = second_path(name, box)
    if "layer" in name or "overlay" in name:
        need_kernel_overlay("user")
    refused(args, "--mask (argument" if "--mask" in args else "--protect (argument", *words, prefix=prefix)
    harmless = ["--ro-bind" if arg == "--bind" else arg for arg in args]
    if not {"--mask", "--overlay"} & {*args}:
        assert_ok(run(harmless, ["true"], prefix=prefix))


def test_a_part_is_named_as_the_line_names_it_and_a_tmpfs_is_none_of_the_hosts_root(proj):
    args = [*FULL, "--tmpfs", "/w", "--dir", "/w/a/b", "--bind-inner", "/w/a/b", "/part", "--protect", "/w/a"]
    refused([*args, *DROP], "--bind-inner (argument", "a part of it, at /part, which")
    assert_ok(run([*FULL, "--tmpfs", "/w", "--ro-bind", "/", "/host", "--protect", "/host", *DROP], ["true"]))


@pytest.mark.parametrize("option", ["--protect", "--mask"])
def test_a_second_path_to_what_was_mounted_below_what_bind_inner_shows_is_an_error_that_names_both(option):
    args = [*FULL, "--tmpfs", "/w", "--dir", "/w/a/b", "--dir", "/w/other", "--remount-ro", "/"]
    for path, seen in ("/w/a", "/again/w/a"), ("/w/a/b", "/again/w/a/b"):
        refused([*args, "--bind-inner", "/", "/again", option, path, *DROP], f"{option} (argument", "--bind-inner (argument", f"at {seen}")
        script = f"! touch {seen}/x 2>/dev/null && ls -A {path}"
        assert shell([*args, option, path, "--bind-inner", "/", "/again", *DROP], script, []) == ("b\n" if (option, path) == ("--protect", "/w/a") else "")
    parts = [*args, "--tmpfs", "/w/a/m", "--bind-inner", "/w/a/m", "/again", "--protect", "/w/a", *DROP]
    refused(parts, "--protect (argument", "--bind-inner (argument", "a part of it, at /again, which")


def test_a_hole_that_comes_later_is_one(proj):
    args = ["--protect", "/proj/.git", "--bind", proj / ".git/hooks", "/proj/.git/hooks", *DROP]
    shell(args, "echo new >/proj/.git/hooks/new; ! touch /proj/.git/new 2>/dev/null", bind(proj))
    assert (proj / ".git/hooks/new").exists()


@pytest.fixture
def ways(proj, box):
    """Ways into the project, and the operations that show both where nothing can be written."""
    (box / "ways/above/mount").mkdir(parents=True)
    (box / "ways/link").symlink_to("/git")
    args = [*FULL, "--ro-bind", proj / ".git", "/git", "--ro-bind", box / "ways", "/ways", "--ro-bind", proj / "a", "/ways/above/mount"]
    return box / "ways", args


@pytest.mark.parametrize("option", ["--protect", "--mask"])
@pytest.mark.parametrize("path, replaced", [
    ("/ways/link/config", "/again/link"), ("/ways/above/../link/config", "/again/above"),
    ("/ways/above/mount/b", "/again/above"), ("/ways/above/mount", "/again/above"),
    ("/ways/above/mount/none", "/again/above")])
def test_a_way_that_can_be_replaced_at_a_second_path_is_an_error_that_names_both(ways, option, path, replaced):
    ways, args = ways
    refused([*args, option, path, "--bind", ways, "/again", *DROP], f"{option} (argument", "--bind (argument",
            f"{replaced}, that")
    assert_ok(run([*args, option, path, "--ro-bind", ways, "/again", *DROP], ["true"]))


def test_a_way_that_can_be_replaced_to_what_a_pattern_matches_is_an_error_that_names_both(ways):
    ways, args = ways
    refused([*args, "--mask-glob", "/ways/link/con*", "--bind", ways, "/again", *DROP], "--mask-glob (argument", "/again/link, that")


def test_a_mount_point_that_can_be_replaced_at_a_second_path_is_an_error_where_user_namespaces_stay(ways):
    ways, args = ways
    args = [*args, "--protect", "/ways/above/mount", "--bind", ways / "above", "/again", *DROP]
    refused(args, "--protect (argument", "--bind (argument", "/again/mount, that")
    script = "cd /again; ! mv mount moved 2>/dev/null && ! rmdir mount 2>/dev/null && cat /ways/above/mount/b/c/file"
    assert shell([*args, "--unshare-user", "--disable-userns"], script, []) == "file"


@pytest.mark.parametrize("option", ["--protect", "--mask"])
@pytest.mark.parametrize("path", ["/kept/a", "/kept/a/b/c/file"])
def test_what_something_else_covers_at_a_second_path_is_an_error_where_user_namespaces_stay(proj, option, path):
    args = [*FULL, "--ro-bind", proj, "/kept", "--bind", proj, "/again", "--tmpfs", "/again/a", option, path, *DROP]
    refused(args, f"{option} (argument", "COMMAND can replace", "by another path, /again/a, that --bind (argument")
    shell([*args, "--unshare-user", "--disable-userns"], "! mv /again/a /again/moved 2>/dev/null && ! rmdir /again/a 2>/dev/null", [])


def test_what_something_else_covers_in_rwsrc_is_an_error_where_user_namespaces_stay(proj, box):
    (box / "work").mkdir()
    base = [*FULL, "--ro-bind", proj, "/kept", "--overlay-backend", "kernel", "--overlay-src", box / "proj/a",
            "--overlay", proj / ".git", box / "work", "/o", "--ro-bind", "/usr/bin/env", "/o/config", *DROP]
    if run([*base, "--unshare-user"], ["true"]).returncode:
        pytest.skip("no overlay")
    refused([*base, "--protect", "/kept/.git/config"], "--protect (argument", "COMMAND can replace it by another path, /o/config")
    assert_ok(run([*base, "--protect", "/kept/.git/config", "--unshare-user", "--disable-userns"], ["true"]))


def test_a_way_through_a_layer_that_can_be_replaced_is_an_error_that_names_both(ways):
    ways, args = ways
    args = [*args, "--overlay-backend", "kernel", "--overlay-src", "/usr/share/doc", "--overlay-src", ways, "--ro-overlay", "/o"]
    if run([*args, *DROP], ["true"]).returncode:
        pytest.skip("no overlay")
    refused([*args, "--bind", ways, "/again", "--protect", "/o/link/config", *DROP], "--protect (argument", "/again/link, that")


def test_a_way_that_is_kept_at_its_second_path_is_none_to_be_replaced(ways):
    ways, args = ways
    args = [*args, "--bind", ways, "/again", *DROP]
    for option in "--protect", "--mask":
        both = [option, "/ways/link/config", option, "/again/link/config"]
        assert shell([*args, *both], "! mv /again/link /again/moved 2>/dev/null", []) == ""
    (ways / "given-up").symlink_to("/proc/self/stat")
    result = run([*args, "--protect-try", "/ways/given-up"], ["true"])
    assert result.returncode == 0 and "stays as it is" in result.stderr


def test_a_way_on_which_two_tries_gave_up_is_looked_at_once_more(ways, box):
    ways, args = ways
    (box / "there/a").mkdir(parents=True)
    (box / "there/a/kept").write_text("kept")
    tries = [word for name in ("one", "two") for word in ("--protect-try", f"/ways/above/mount/a/{name}")]
    args = [*args, "--bind", box / "there", "/ways/above/mount", "--bind", ways, "/again"]
    result = run([*args, *tries, "--protect", "/ways/above/mount/a/kept", *DROP], ["echo", "COMMAND RAN"])
    assert (result.returncode, result.stdout) == (1, "") and "/again/above, that" in result.stderr


def test_a_second_name_of_a_link_that_is_kept_is_none_that_is(ways, box):
    ways, args = ways
    (box / "other").mkdir()
    os.link(ways / "link", box / "other/name", follow_symlinks=False)
    args = [*args, "--bind", box / "other", "/other", "--bind", ways, "/again", "--protect", "/other/name/config"]
    refused([*args, "--protect", "/ways/link/config", "--unshare-user", "--disable-userns", *DROP],
            "--protect (argument", "/again/link, that")


def test_what_shows_a_way_anew_is_no_second_path_of_it(ways):
    ways, args = ways
    args = [*args, "--dir", "/ways/new", "--bind", ways, "/again", "--protect", "/ways/link/config", *DROP]
    assert shell(args, "ln -sfn /tmp /again/link; cat /ways/link/config", []) == "config"


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: os.mknod(path, 0o140600)])
def test_a_socket_or_fifo_stays_where_it_is(proj, make):
    make(proj / "a/special")
    done = attacks(["--protect", "/proj/a/special"], "/proj/a/special", ["/proj/a"], "/proj/other", bind(proj))
    assert done == []


def test_a_second_name_is_warned_of(proj):
    os.link(proj / ".git/config", proj / "second")
    result = run([*bind(proj), "--protect", "/proj/.git/config", *DROP], ["true"])
    assert result.returncode == 0 and "2 names" in result.stderr


def test_a_later_operation_over_it_is_an_error_that_names_both(proj):
    message = refused([*bind(proj), "--protect", "/proj/.git", "--tmpfs", "/proj/./.git", *DROP])
    assert "--tmpfs (argument" in message and "--protect (argument" in message


def test_user_namespaces_are_the_commands_own_and_the_last(proj):
    args = [*bind(proj), "--protect", "/proj/.git"]
    assert "unshare failed" in run([*args, *DROP], ["unshare", "-U", "true"]).stderr
    assert run([*args, *ONLY_ACCIDENTS], ["unshare", "-U", "true"]).returncode == 0


def test_a_link_into_what_can_be_written_is_an_error_where_user_namespaces_stay(proj, box):
    (box / "ro").mkdir()
    (box / "ro/in").symlink_to("/proj/.git")
    args = [*bind(proj), "--ro-bind", box / "ro", "/ro", "--remount-ro", "/", "--protect", "/ro/in/config", *DROP]
    refused(args, "--protect (argument", "leads to /proj", "--disable-userns")
    run([*args, "--unshare-user", "--disable-userns"], ["true"]).check_returncode()
    refused([*args, "--unshare-user", "--disable-userns", "--cap-add", "CAP_SYS_ADMIN"], "leads to /proj", "mount namespace of its own")


@pytest.mark.parametrize("program", [BINARY, "/usr/bin/bwrap"])
def test_a_sandbox_in_the_sandbox_has_it_too(proj, program):
    if not shutil.which(program):
        pytest.skip(f"no {program}")
    outer = ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--ro-bind", proj, "/tmp/proj",
             "--protect", "/tmp/proj/.git", "--mask", "/tmp/proj/a", "--bind", os.path.dirname(BINARY), "/tmp/program",
             "--protect-accidents-only"]
    inner = program if program != BINARY else "/tmp/program/bwrapish"
    result = run([*outer, "--", inner, "--unshare-user", "--ro-bind", "/", "/", "--", "sh", "-c",
                  "cat /tmp/proj/.git/config; ls -A /tmp/proj/a; touch /tmp/proj/.git/x"], stdin=None)
    if REFUSE and program != BINARY and "Can't open source /: Function not implemented" in result.stderr:
        pytest.skip("this bubblewrap needs openat2")
    assert result.stdout == "config" and "Read-only" in result.stderr, result


@pytest.mark.root
def test_roots_capabilities_are_an_error(proj):
    refused([*bind(proj), "--protect", "/proj/.git"], "--cap-drop")


def test_joined_namespaces_are_an_error(proj):
    with open("/proc/self/ns/user") as own:
        refused([*bind(proj), "--userns2", own.fileno(), "--unshare-user", "--protect", "/proj/.git", *DROP],
                "--userns2 (argument", "--protect (argument")


def test_the_last_words_hold_when_the_root_is_covered_late(proj):
    args = [*bind(proj), "--bind", "/", "/", "--protect", proj / ".git/config"]
    assert attacks(args, proj / ".git/config", [proj / ".git", proj], proj / "other", ["--proc", "/proc"]) == []
    assert_ok(run([*args, *DROP], ["true"]))
