"""--dry-run tells and does nothing; --verbose tells the same and does it."""
import os
import re

import pytest

from sandbox import BASE, PREFIX, assert_ok, assert_refused, data_fd, refused, run, start, tree

pytestmark = pytest.mark.core

LINE = ["--bind", "/usr", "/u", "--ro-bind", "/usr/bin", "/b", "--dev-bind-try", "/usr", "/m", "--tmpfs", "/t",
        "--dir", "/d", "--symlink", "d", "/l", "--chmod", "0700", "/d", "--proc", "/proc", "--dev", "/dev",
        "--remount-ro", "/t"]
OPERATIONS = [(word, position) for position, word in enumerate([*BASE, *LINE], 1)
              if word.startswith("--") and word != "--"]


def test_dry_run_names_each_operation_with_its_position_in_order():
    result = run([*BASE, *LINE, "--unshare-pid", "--dry-run"], ["true"])
    assert_ok(result)
    found = [(name, int(number)) for name, number in re.findall(r"(--[a-z-]+) \(argument (\d+)\)", result.stdout)]
    assert [pair for pair in found if pair in OPERATIONS] == OPERATIONS


def test_dry_run_does_nothing_at_all(box):
    before = tree(box)
    result = run(["--bind", box, "/b", "--dir", "/b/made", "--file", data_fd("x"), "/b/f", *BASE, "--dry-run"],
                 ["touch", "/b/ran"], cwd=box)
    assert_ok(result)
    assert tree(box) == before


def test_dry_run_works_where_the_sandbox_would_not():
    result = run(["--ro-bind", "/missing", "/x", "--remount-ro", "/nowhere", "--dry-run"], ["/missing/command"])
    assert (result.returncode, result.stderr) == (0, f"{PREFIX}--ro-bind (argument 1): there is no source /missing: No such file or directory\n")


@pytest.mark.skipif(not os.path.exists("/usr/bin/strace"), reason="needs strace")
def test_dry_run_makes_no_process_and_no_namespace():
    calls = "clone,clone3,fork,vfork,unshare,mount,open_tree,fsopen"
    result = run([*BASE, "--unshare-all", "--dry-run"], ["true"],
                 prefix=["strace", "-f", "-qqq", "-e", f"trace={calls}", "-e", "signal=none", "--"])
    assert_ok(result)


def test_dry_run_still_checks_the_line():
    refused(["--dry-run", "--unknown"], "Unknown option --unknown")
    refused(["--dry-run", "--hostname", "x"], "--hostname")
    assert_refused(run(["--dry-run", "--bind", "/usr"]), "--bind")


def test_dry_run_escapes_control_characters():
    result = run(["--ro-bind", "/a\x1b[2Jb\nc", "/x", "--setenv", "A", "\x07", "--dry-run"], ["true\x1b"])
    assert result.returncode == 0
    assert all(ch.isprintable() or ch == "\n" for ch in result.stdout + result.stderr) and "\\x1b[2J" in result.stdout


def test_dry_run_tells_the_command_and_why_a_process_stays():
    text = run([*BASE, "--unshare-pid", "--dry-run"], ["program", "argument"]).stdout
    assert "program" in text and "--unshare-pid" in text


@pytest.mark.parametrize("more", [[], ["--unshare-all", "--die-with-parent"]], ids=str)
def test_verbose_says_the_same_words_of_each_operation_and_runs(more):
    line = [*BASE, *LINE, *more]
    dry = run([*line, "--dry-run"], ["true"]).stdout
    told = run([*line, "--verbose"], ["sh", "-c", "echo ran; exit 4"])
    assert (told.returncode, told.stdout) == (4, "ran\n")
    for option, position in OPERATIONS:
        words = re.search(rf"{option} \(argument {position}\).*", dry)[0]
        assert words in told.stderr, words


def test_verbose_and_a_failure_end_with_the_failures_line():
    result = run([*BASE, "--verbose", "--remount-ro", "/missing"], ["echo", "COMMAND RAN"])
    assert result.returncode == 1 and result.stdout == ""
    assert "--remount-ro" in result.stderr.splitlines()[-1]


def test_starting_says_nothing():
    with start([*BASE], ["true"]) as process:
        assert process.communicate(timeout=20) == ("", "")


@pytest.mark.parametrize("more", [[], ["--unshare-user", "--disable-userns"]], ids=str)
def test_what_is_protected_in_a_writable_bind_is_warned_about_when_somebody_asks(more, box):
    (box / "a" / "b").mkdir(parents=True)
    line = [*BASE, "--bind", box, "/box", "--ro-bind", box / "a" / "b", "/box/a/b", "--tmpfs", "/t", *more]
    warning = f"it lies in what --bind (argument {len(BASE) + 1}) shows writable: "
    for asked in ("--dry-run", "--verbose"):
        result = run([*line, asked], ["true"])
        told = [text for text in (result.stdout + result.stderr).splitlines() if warning in text]
        assert result.returncode == 0 and len(told) == 1 and "in place of a directory above" in told[0], result
        assert ("without --disable-userns" in told[0]) == (not more)
    assert_ok(run(line, ["true"]))


def risks(*line):
    told = run([*BASE, *line, "--dry-run"], ["true"])
    assert_ok(told)
    return re.findall(r"it lies in what .*", told.stdout)


def test_a_bind_whose_source_may_be_missing_may_cover_nothing():
    n = len(BASE)
    for line, shown in (
            (["--bind", "/usr", "/b", "--ro-bind-try", "/none", "/b/a", "--ro-bind", "/usr", "/b/a/git"],
             [f"--bind (argument {n + 1})"] * 2),
            (["--bind", "/usr", "/b", "--bind-try", "/none", "/b/a", "--ro-bind", "/usr", "/b/a/git"],
             [f"--bind-try (argument {n + 4}) or --bind (argument {n + 1})"]),
            (["--bind", "/usr", "/b", "--ro-bind", "/usr", "/b/a", "--ro-bind", "/usr", "/b/a/git"],
             [f"--bind (argument {n + 1})"]),
            (["--bind-try", "/none", "/b", "--ro-bind-try", "/none", "/c", "--ro-bind", "/usr", "/c/git"], [])):
        found = risks(*line)
        assert len(found) == len(shown), found
        assert all(f"it lies in what {words} shows writable: " in text for words, text in zip(shown, found))


@pytest.mark.parametrize("more", [[], ["--unshare-pid"]], ids=str)
def test_verbose_tells_of_a_root_that_nothing_is_in(more):
    result = run(["--verbose", *more], ["true"])
    assert result.returncode == 1 and "execvp true: No such file or directory; " in result.stderr.splitlines()[-1], result


def test_verbose_knows_which_sources_are_missing(box):
    (box / "a").mkdir()
    n = len(BASE)
    told = run([*BASE, "--bind", box, "/b", "--ro-bind-try", "/none", "/b/x", "--bind-try", "/none", "/b/a", "--ro-bind", "/usr",
                "/b/a/git", "--verbose"], ["true"])
    assert told.returncode == 0, told
    [risk] = re.findall(r".*it lies in what .*", told.stderr)
    assert f"--ro-bind (argument {n + 10}): it lies in what --bind (argument {n + 1}) shows writable: " in risk


def test_what_is_protected_on_an_overlay_that_keeps_changes_is_warned_about():
    overlay = ["--overlay-src", "/low", "--overlay", "/rw", "/work", "/proj"]
    for more, deep, off in ((["/proj/.git"], False, True), (["/proj/a/.git"], True, True),
                            (["/proj/a/.git", "--unshare-user", "--disable-userns"], True, False)):
        [text] = risks(*overlay, "--ro-bind", "/usr", *more)
        assert f"--overlay (argument {len(BASE) + 3}) shows writable: " in text and "on the host" not in text
        assert ("in place of a directory above" in text) == deep and ("without --disable-userns" in text) == off
    assert not risks(*overlay, "--ro-bind", "/usr", "/proj/.git", "--unshare-user", "--disable-userns")
    assert not risks(*overlay, "--ro-bind", "/usr", "/proj/.git", "--remount-ro", "/proj")
    assert not risks("--overlay-src", "/low", "--tmp-overlay", "/proj", "--ro-bind", "/usr", "/proj/.git")
