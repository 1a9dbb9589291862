"""Success without doing: --seccomp-deny NAME:0, --fake-chown, --suppress-sync."""
import os

import pytest

from overlays import give
from packages import install, make_package, needs_dpkg, package_root
from sandbox import IS_ROOT, as_user, inside, refused, run, shell
from syscalls import NATIVE, OTHERS, callers, numbers, raw  # noqa: F401 (fixtures)

CHOWN = ["chown", "lchown", "fchown", "fchownat", "chown32", "lchown32", "fchown32"]
SYNC = ["sync", "syncfs", "fsync", "fdatasync", "sync_file_range", "msync"]
XATTR = [f"{form}{verb}xattr" for verb in ("set", "remove") for form in ("", "l", "f")]
ROOT = ["--unshare-user", "--uid", "0", "--gid", "0"]


@pytest.mark.parametrize("arch", [NATIVE, *OTHERS])
@pytest.mark.parametrize("args, names", [(["--fake-chown"], CHOWN), (["--suppress-sync"], SYNC),
                                         (["--seccomp-deny", "@sync:0,fchown:0"], [*SYNC, "fchown"]),
                                         (["--seccomp-deny", ",".join(f"{name}:0" for name in XATTR)], XATTR)], ids=str)
def test_they_succeed_on_every_architecture(raw, arch, args, names):  # noqa: F811
    known = numbers(arch)
    calls = [(arch, known[name], {}) for name in names if name in known]
    assert len(calls) >= min(4, len(names)) and set(raw(args, calls)) == {0}


def test_what_was_not_named_is_done_as_ever(box):
    code = """[os.chown('/b/f', 5, 6), os.lchown('/b/f', 5, 6), os.fsync(os.open('/b/f', os.O_RDONLY)), os.chmod('/b/f', 0o640),
        os.stat('/b/f').st_uid, oct(os.stat('/b/f').st_mode & 0o777)]"""
    (box / "f").touch()
    args = [*ROOT, "--bind", box, "/b", "--fake-chown"]
    assert inside(args, code)[-2:] == [0, "0o640"]
    assert inside([*args, "--suppress-sync"], code)[-2:] == [0, "0o640"]
    assert (box / "f").stat().st_uid == os.getuid()


@pytest.mark.parametrize("more", [[], ["--die-with-parent"], ["--unshare-pid"]], ids=str)
def test_chown_of_a_tree_succeeds_and_stat_shows_the_old_owner(box, more):
    (box / "d").mkdir()
    script = "touch /b/d/f; chown -R 33:44 /b/d; chown 5 /b/d/f; cp -a /b/d /b/e; stat -c %u:%g /b/d /b/e/f"
    assert shell([*ROOT, "--bind", box, "/b", "--fake-chown", *more], script).split() == ["0:0", "0:0"]


def test_an_allow_list_and_a_profile_go_with_it():
    assert inside(["--fake-chown", "--seccomp-profile", "default"], "os.chown('/usr', 5, 5)") is None


@pytest.mark.parametrize("item", ["read", "mmap", "mkdirat", "dup", "setuid", "@file-system", "getpid"])
def test_what_returns_something_is_never_pretended(item):
    refused(["--seccomp-deny", f"{item}:0"], "--seccomp-deny (argument 1): ", "cannot answer 0 without being done; those that can are chown,chown32,")


@pytest.mark.parametrize("item", ["openat", "clone"])
def test_zero_behind_a_call_that_is_judged_by_an_argument_is_one(item):
    refused(["--seccomp-deny", f"{item}:0"], f"0 behind {item} is neither an error")


def test_zero_is_no_answer_to_all():
    refused(["--seccomp-deny", "read", "--seccomp-errno", "0"], "0 is neither kill nor log")
    refused(["--seccomp-allow", "chown:0"], "chown is to be allowed, so it cannot have an error")


def test_dry_run_tells_what_is_pretended():
    told = run(["--dry-run", "--fake-chown", "--seccomp-deny", "fsync:0"], ["true"]).stdout
    assert "do nothing and answer 0: chown " in told and " fsync" in told


@needs_dpkg
def test_a_package_with_files_of_others_is_installed_without_any_ids(box):
    root = package_root(box)
    make_package(box, "chown 12:34 /opt/tiny/file")
    if IS_ROOT:
        give("user", box)
    prefix = as_user() if IS_ROOT else []
    line = [*root, *ROOT, "--bind", box, box]
    assert run(line, install(box), prefix=prefix).returncode != 0
    result = run([*line, "--fake-chown", "--suppress-sync"], install(box), prefix=prefix)
    assert result.returncode == 0, result
    assert (box / "opt/tiny/file").read_text() == "tiny\n"
    assert "Status: install ok installed" in (box / "var/lib/dpkg/status").read_text()
