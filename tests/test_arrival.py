"""What bwrapish refuses to be: setuid, setgid, with file capabilities; and the root caller's special cases."""
import os
import shutil
import stat
import subprocess

import pytest

from sandbox import BASE, BINARY, PREFIX, as_user, assert_ok, run, user_ids


@pytest.fixture
def privileged_copy(box):
    """A copy of the binary, changed by one root action, on a file system where set-id bits count."""
    def make(change):
        path = box / "bwrapish"
        shutil.copy(BINARY, path)
        path.chmod(0o755)
        change(path)
        return path
    if os.statvfs(box).f_flag & os.ST_NOSUID:
        pytest.skip(f"{box} is mounted nosuid")
    return make


def set_capability(path):
    subprocess.run(["setcap", "cap_sys_admin=ep", path], check=True)


@pytest.mark.root
@pytest.mark.parametrize("change", [lambda p: p.chmod(0o4755), set_capability], ids=["setuid", "file capabilities"])
def test_bwrapish_refuses_to_run_with_more_rights_than_its_caller(change, privileged_copy):
    result = run([*BASE], ["echo", "COMMAND RAN"], program=privileged_copy(change), prefix=as_user())
    assert (result.returncode, result.stdout) == (1, "") and result.stderr.count("\n") == 1, result
    assert result.stderr.startswith(PREFIX) and "set" in result.stderr


@pytest.mark.root
def test_bwrapish_refuses_to_run_setgid(privileged_copy):
    def change(path):
        os.chown(path, 0, 12)
        path.chmod(0o2755 | stat.S_ISGID)
    result = run([*BASE], ["echo", "COMMAND RAN"], program=privileged_copy(change), prefix=as_user())
    assert (result.returncode, result.stdout) == (1, "") and "set" in result.stderr, result


@pytest.mark.root
def test_a_setuid_binary_is_fine_for_the_user_who_owns_it(privileged_copy):
    def change(path):
        os.chown(path, *user_ids())
        path.chmod(0o4755)
    result = run([*BASE], ["echo", "ran"], program=privileged_copy(change), prefix=as_user())
    assert result.stdout == "ran\n" or (result.returncode == 1 and result.stderr.count("\n") == 1), result


@pytest.mark.root
@pytest.mark.parametrize("args", [[], ["--unshare-all"], ["--unshare-pid", "--proc", "/proc", "--dev", "/dev"]],
                         ids=str)
def test_a_user_started_by_root_gets_the_same_sandbox(args):
    result = run([*BASE, *args], ["id", "-u"], prefix=as_user())
    assert_ok(result)
    assert result.stdout == f"{user_ids()[0]}\n"


@pytest.mark.root
def test_roots_sandbox_leaves_the_hosts_mounts_alone(box):
    for args in ([], ["--unshare-all"], ["--tmpfs", "/t", "--remount-ro", "/t", "--dev", "/dev", "--proc", "/proc"]):
        assert_ok(run([*BASE, *args, "--bind", box, "/b"], ["true"]))
    assert str(box) not in open("/proc/self/mountinfo").read()
