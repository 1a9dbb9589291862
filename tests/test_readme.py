"""The runs to copy from the README protect from what it says they do, and show what it says they show."""
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from sandbox import BINARY, IS_ROOT, REPO, assert_ok, python

RUNS = [shlex.split(block.replace("\\\n", " "), comments=True) for block in
        re.findall(r"```sh\n(.*?)```", (REPO / "README.md").read_text(), re.S) if "\nbuild/bwrapish" in block and "cp " not in block]
ONLY_THIS, HOME_COVERED, AGENT, LOOK, DRY = RUNS


@pytest.fixture
def place(tmp_path):
    """A home with a key in it, and a project in the home."""
    home = tmp_path / "home"
    project = home / "project"
    project.mkdir(parents=True)
    (home / "key").write_text("secret")
    return project


def outcome(run_to_copy, project, expression, before=""):
    """What a Python expression is worth in the sandbox of that run, instead of its COMMAND."""
    home = str(project.parent)
    words = [word.replace("$PWD", str(project)).replace("$HOME", home) for word in run_to_copy]
    options = words[1:words.index("--") + 1]
    result = subprocess.run([BINARY, *options, *python(f"import os\n{before}print(repr({expression}))")], cwd=project, text=True,
                            capture_output=True, env={"HOME": home, "PATH": os.environ["PATH"], "TOKEN": "secret"})
    assert_ok(result)
    return eval(result.stdout)


def can_write(path):
    return f"os.access({str(path)!r}, os.W_OK)"


@pytest.mark.parametrize("run_to_copy", [ONLY_THIS, HOME_COVERED], ids=["only this directory", "home covered"])
def test_a_run_of_the_readme_shows_this_directory_for_writing_and_nothing_else_of_the_home(place, run_to_copy):
    assert outcome(run_to_copy, place, f"os.listdir({str(place.parent)!r})") == ["project"]
    assert outcome(run_to_copy, place, can_write(place))
    assert not outcome(run_to_copy, place, can_write("/usr"))


def test_the_first_run_of_the_readme_passes_no_secret_in_the_environment(place):
    assert outcome(ONLY_THIS, place, "os.environ.get('TOKEN')") is None
    assert outcome(ONLY_THIS, place, "os.environ['HOME']") == "/tmp"


@pytest.fixture
def agents_project():
    """In a home that no mask or tmpfs of the run covers; not there: .envrc, .npmrc, ~/.aws and its like."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="bwrapish-test-") as folder:
        home = Path(folder)
        project = home / "project"
        (project / ".git" / "hooks").mkdir(parents=True)
        (project / "sub").mkdir()
        (home / ".ssh").mkdir()
        for path in (project / ".git/config", project / ".git/HEAD", project / ".git/hooks/pre-commit", project / ".env", project / "sub/.env.local", home / ".ssh/id"):
            path.write_text("secret")
        yield project


# What could not be done of it.
PLANT = """[attempt for attempt in (
    "open('.git/hooks/pre-commit', 'w')", "open('.git/hooks/post-commit', 'w')", "open('.git/config', 'w')", "open('.envrc', 'w')",
    "open('.git/commondir', 'w')", "os.unlink('.git/HEAD')", "os.mkdir('.git/modules')",
    "open('.npmrc', 'w')", "os.rename('.git', 'git')", "os.unlink('.git/config')", "os.rmdir('.git/hooks')", "os.unlink('.env')",
    "os.symlink('x', os.environ['HOME'] + '/.aws')", "os.listdir(os.environ['HOME'] + '/.ssh')[0]", "open('sub/.env.local').read()[0]",
) if not fails(attempt)]"""
FAILS = """def fails(attempt):
    try:
        eval(attempt)
    except (OSError, IndexError):
        return True
"""


def test_the_run_of_the_readme_for_an_agent_lets_it_work_but_plant_and_read_nothing(agents_project):
    drop = ["--cap-drop", "ALL"] if IS_ROOT else []  # root's command would keep what takes mounts off
    run_to_copy = [*AGENT[:AGENT.index("--")], *drop, "--"]
    before = sorted(map(str, agents_project.rglob("*")))
    assert outcome(run_to_copy, agents_project, PLANT, FAILS) == []
    assert sorted(map(str, agents_project.rglob("*"))) == before  # no stub is left
    assert outcome(run_to_copy, agents_project, "open('made', 'w').close()") is None
    assert (agents_project / "made").exists()


def test_a_commit_in_the_run_of_the_readme_for_an_agent_takes_in_no_stub_and_nothing_that_is_masked(agents_project):
    if not shutil.which("git"):
        pytest.skip("no git")
    drop = ["--cap-drop", "ALL"] if IS_ROOT else []
    before = next(block for block in re.findall(r"```sh\n(.*?)```", (REPO / "README.md").read_text(), re.S) if "--skip-worktree" in block)
    commit = "git -c user.name=x -c user.email=x commit -qm"
    shutil.rmtree(agents_project / ".git")

    def outside(script):
        return subprocess.run(["sh", "-ec", script], cwd=agents_project, check=True, capture_output=True, text=True,
                              env={"HOME": str(agents_project.parent), "PATH": os.environ["PATH"]}).stdout

    outside(f"git init -q; mkdir -p .git/info; git add .env; {commit} first; {before}")
    instead = shlex.split(re.search(r"To let it commit, take `(.*?)` for `--protect \"\$PWD/.git\"`", (REPO / "README.md").read_text())[1])
    at = AGENT.index("$PWD/.git") - 1
    run_to_copy = [*AGENT[:at], *instead, *AGENT[at + 2:AGENT.index("--")], *drop, "--"]
    assert outcome(run_to_copy, agents_project, f"os.system('touch made; git add -A; {commit} second -a')") == 0
    assert outside("git show --name-only --format=; cat .env") == "made\nsecret"


def test_the_run_of_the_readme_that_only_looks_can_read_the_home_and_change_nothing(place):
    # The test's own home lies below /tmp, which that run covers.
    shown = [*LOOK[:LOOK.index("--")], "--ro-bind", str(place.parent), str(place.parent), "--"]
    assert outcome(shown, place, f"open({str(place.parent / 'key')!r}).read()") == "secret"
    assert not outcome(shown, place, can_write(place))
    assert not outcome(LOOK, place, can_write("/usr"))


@pytest.mark.parametrize("run_to_copy", [ONLY_THIS, HOME_COVERED, LOOK], ids=["only this directory", "home covered", "look"])
def test_a_run_of_the_readme_has_no_network_and_no_other_processes(place, run_to_copy):
    assert outcome(run_to_copy, place, "[line.split(':')[0].strip() for line in open('/proc/net/dev')][2:]") == ["lo"]
    assert outcome(run_to_copy, place, "len([name for name in os.listdir('/proc') if name.isdigit()])") == 2


def test_the_dry_run_of_the_readme_does_nothing(place):
    result = subprocess.run([BINARY, *DRY[1:]], cwd=place, capture_output=True, text=True)
    assert_ok(result)
    assert "run id" in result.stdout and "uid=" not in result.stdout
