"""--mask-glob and --protect-glob: what is found, what is not looked into, and that all that was found is covered."""
import os
import resource

import pytest

from masks import DROP, attacks
from sandbox import BASE, FULL, IS_ROOT, args_fd, as_user, assert_ok, refused, run, run_python

pytestmark = pytest.mark.core


@pytest.fixture
def project(box):
    project = box / "project"
    for directory in (".", "a", "a/.hidden", "a/b/c", "d"):
        (project / directory).mkdir(parents=True, exist_ok=True)
        (project / directory / ".env").write_text("secret")
        (project / directory / "other").write_text("shown")
    (project / "a/.env.local").write_text("secret")
    (project / "link").symlink_to("a")
    return project


SHOWN = """
import os
for way, directories, names in os.walk("/p"):
    for name in names:
        path = os.path.join(way, name)
        if not os.path.islink(path) and open(path).read():
            print(os.path.relpath(path, "/p"))
"""


def shown(project, *args, **options):
    """The files with something in them."""
    result = run_python(["--bind", project, "/p", *args, *DROP], SHOWN, FULL, **options)
    assert_ok(result)
    return sorted(result.stdout.split())


OTHERS = ["a/.hidden/other", "a/b/c/other", "a/other", "d/other", "other"]


def test_all_of_a_name_are_hidden_at_whatever_depth(project):
    assert shown(project, "--mask-glob", "/p/**/.env*") == OTHERS


def test_names_that_begin_with_a_dot_are_matched_by_stars_too(project):
    assert "a/.env.local" not in shown(project, "--mask-glob", "/p/a/*.local")
    assert shown(project, "--mask-glob", "/p/*/.env") == [
        ".env", "a/.env.local", "a/.hidden/.env", "a/.hidden/other", "a/b/c/.env", *OTHERS[1:]]


def test_what_is_below_a_match_goes_with_it(project):
    assert shown(project, "--mask-glob", "/p/**/a") == [".env", "d/.env", "d/other", "other"]
    assert shown(project, "--mask-glob", "/p/**") == []


def test_all_that_matches_is_protected_with_what_is_above_it(project):
    args = ["--bind", project, "/p", "--protect-glob", "/p/**/c"]
    assert attacks(args, "/p/a/b/c", ["/p/a", "/p/a/b"], "/p/other") == []
    assert attacks(args, "/p/a/b/c/.env", [], "/p/other") == []


def test_nothing_is_looked_for_behind_a_link_but_what_a_match_leads_to_is_hidden(project):
    result = run(["--verbose", *BASE, "--bind", project, "/p", "--mask-glob", "/p/**/b", *DROP], ["true"])
    assert "matches: 1," in result.stderr
    (project / "d/secret").symlink_to("../a/b/c/.env")
    assert "a/b/c/.env" not in shown(project, "--mask-glob", "/p/d/secre?")
    assert "a/b/c/.env" in shown(project, "--mask-glob", "/p/link/**/x*")


def test_the_beginning_without_wildcards_is_followed(project):
    assert "a/b/c/.env" not in shown(project, "--mask-glob", "/p/link/**/c")


def test_a_link_that_leads_nowhere_is_passed_over(project):
    (project / "d/.env.old").symlink_to("nowhere")
    assert shown(project, "--mask-glob", "/p/**/.env*") == OTHERS
    assert not (project / "d/nowhere").exists()


def test_no_match_is_none_and_numbers_are_told(project):
    assert shown(project, "--mask-glob", "/p/**/*.pem", "--mask-glob", "/missing/*") == shown(project)
    result = run(["--verbose", *BASE, "--bind", project, "/p", "--mask-glob", "/p/**/other", *DROP], ["true"])
    assert result.returncode == 0
    assert "): matches: 5, names looked at: 17" in result.stderr


@pytest.mark.parametrize("name, pattern, words", [
    ("[x]", "/p/[x]/**/.env*", r"/p/[x] exists, and is not what PATTERN means: write a \ before each [ * ? of its name"),
    ("x", "/p/{x,y}/*", "nothing matches: {x,y} is no wildcard here, but the characters themselves: give a PATTERN for each"),
    ("x", "/p/@(x|y)/*", "nothing matches: @(x|y) is no wildcard"),
    ("[x]", r"/p/\[x]/.env*", ""), ("x*", "/p/x*/none", ""), ("{x,y}", "/p/{x,y}/.e*", "")])
def test_a_pattern_that_hardly_means_what_is_there_is_warned_of(box, name, pattern, words):
    (box / name).mkdir()
    (box / name / ".env").touch()
    line = [*BASE, "--bind", box, "/p", *DROP, "--mask-glob", pattern]
    told = run(line, ["true"]).stderr
    assert f"--mask-glob (argument {len(line) - 1}): {words}" in told if words else told == ""


def test_a_slash_at_the_end_is_for_directories(project):
    (project / "d/a").write_text("shown")
    assert "d/a" in shown(project, "--mask-glob", "/p/**/a/")
    assert "a/other" not in shown(project, "--mask-glob", "/p/**/a/")


def test_another_mount_is_looked_into_only_when_asked(project, box):
    (box / "x").mkdir()
    (box / "x/.env").write_text("secret")
    (project / "mount").mkdir()
    args = [*FULL, "--bind", project, "/p", "--bind", box / "x", "/p/mount", *DROP]
    result = run([*args, "--mask-glob", "/p/**/.env"], ["cat", "/p/mount/.env"])
    assert result.returncode == 0 and result.stdout == "secret"
    assert "/p/mount was not looked into" in result.stderr and "--glob-across-mounts" in result.stderr
    result = run([*args, "--mask-glob", "/p/**/.env", "--glob-across-mounts"], ["cat", "/p/mount/.env"])
    assert_ok(result)
    assert result.stdout == ""


def test_a_writable_mount_that_is_looked_into_locks_user_namespaces(project, box):
    (box / "x").mkdir()
    (box / "x/.env").write_text("secret")
    (project / "mount").mkdir()
    (project / "mount/other").touch()
    args = ["--ro-bind", project, "/p", "--bind", box / "x", "/p/mount", "--mask-glob", "/p/**/.env", "--glob-across-mounts"]
    assert attacks(args, "/p/mount/.env", [], "/p/mount/other") == []


def test_a_directory_that_the_command_cannot_read_is_passed_over(project):
    """Its names can be looked up all the same, where they are known."""
    if not IS_ROOT:
        (project / "d").chmod(0o311)
        assert "d/.env" not in shown(project, "--mask-glob", "/p/**/.env")
        return
    project.chmod(0o755)
    (project / "d").chmod(0o711)
    result = run(["--verbose", *BASE, "--bind", project, "/p", "--mask-glob", "/p/*/.env"], ["cat", "/p/d/.env"], prefix=as_user())
    assert (result.returncode, result.stdout) == (0, "")
    result = run(["--verbose", *BASE, "--bind", project, "/p", "--mask-glob", "/p/**/*.x"], ["true"], prefix=as_user())
    assert result.returncode == 0 and "closed directories: 1" in result.stderr


def test_too_many_matches_are_an_error():
    names = [word for i in range(10001) for word in ("--dir", f"/t/x{i}")]
    refused([*BASE, "--tmpfs", "/t", "--args", args_fd(names), "--mask-glob", "/t/x*", *DROP],
            "more than 10000 names", "--mask-glob (argument")


def test_a_chain_of_directories_takes_no_descriptor_for_each(project):
    (project / "d" / "/".join(["n"] * 200)).mkdir(parents=True)
    (project / "d" / "/".join(["n"] * 200) / ".env").write_text("secret")
    assert shown(project, "--mask-glob", "/p/**/.env*", preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (100, 100))) == OTHERS


def test_a_way_longer_than_a_path_is_an_error(project):
    """Which a command can have made, step by step: it fits no path, and all of them no memory."""
    fd, ways = os.open(project, os.O_PATH), []
    for _ in range(20):
        os.mkdir("n" * 255, dir_fd=fd)
        ways.append(fd)
        fd = os.open("n" * 255, os.O_PATH, dir_fd=fd)
    os.close(fd)
    message = refused([*FULL, "--bind", project, "/p", "--mask-glob", "/p/**/.env", *DROP], "--mask-glob (argument", "too long")
    for fd in reversed(ways):
        os.rmdir("n" * 255, dir_fd=fd)
        os.close(fd)
    assert len(message) < 1000


@pytest.mark.parametrize("pattern, words", [
    ("/p/a", "no wildcard"), ("/p/\\*", "no wildcard"), ("/p/[a", "without its ]"), ("/p/*/..", ".. as a component"),
    ("/p/*\\", "backslash"), ("", "empty"), ("--x", "missing")])
def test_a_pattern_that_is_none_is_refused(pattern, words):
    refused([*BASE, "--mask-glob", pattern], words)
    refused([*BASE, "--protect-glob", pattern], words)


def test_across_mounts_needs_a_pattern():
    refused([*BASE, "--glob-across-mounts"], "needs --mask-glob or --protect-glob")


@pytest.mark.parametrize("before", [["--protect", "/p/.env-missing"], ["--mask", "/p/.env-missing"], ["--protect", "/p/a"],
                                    ["--mask", "/p/.env", "--mask", "/p/a/.env"], ["--mask", "/p/link/.env"]])
def test_what_is_hidden_or_protected_already_is_looked_into_and_hidden_once(project, before):
    assert shown(project, *before, "--mask-glob", "/p/**/.env*") == OTHERS
    assert not (project / ".env-missing").exists()
