"""SELinux: what a policy denies is told with the domain or the label, and the labels asked for are there.

Runs as root where the machine is the test's own (BWRAPISH_OWN_MACHINE) and was started with security=selinux, as tools/check
does under tools/other-kernel. The policies are a few lines long, for a domain of the caller and one for everybody else, and
allow what they do not name.
"""
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sandbox import as_user, assert_ok, data_fd, run
from test_causes import cause_of

pytestmark = [pytest.mark.root, pytest.mark.skipif(not os.environ.get("BWRAPISH_OWN_MACHINE"), reason="a policy is loaded only on a machine of the test's own")]
SELINUX = Path("/sys/fs/selinux")
EVERYTHING = ["--unshare-all", "--ro-bind", "/", "/", "--tmpfs", "/tmp", "--proc", "/proc", "--dev", "/dev"]
N_INITIAL_SIDS = 27  # they have numbers in the kernel, and are to be named by a policy
CLASSES = {"process": ["transition", "dyntransition"], "process2": ["nnp_transition", "nosuid_transition"], "user_namespace": ["create"],
           "filesystem": ["mount", "unmount"], "dir": ["mounton"], "file": ["mounton"], "cap_userns": ["sys_admin"]}


def policy_without(denied):
    rules = []
    for name, permissions in CLASSES.items():
        rules.append(f"allow kernel_t {{ kernel_t caller_t }}:{name} {{ {' '.join(permissions)} }};")
        rules += [f"allow caller_t {{ kernel_t caller_t }}:{name} {one};" for one in permissions if f"{name} {one}" != denied]
    sids = [f"sid s{number}" for number in range(N_INITIAL_SIDS)]
    return "\n".join([*(f"class {name}" for name in CLASSES), *sids, *(f"class {name} {{ {' '.join(all)} }}" for name, all in CLASSES.items()),
                      "policycap nnp_nosuid_transition;", "type kernel_t; type caller_t; role r; role r types { kernel_t caller_t };", *rules,
                      "user u roles r;", *(f"{sid} u:r:kernel_t" for sid in sids), "fs_use_trans tmpfs u:r:kernel_t;\n"])


@pytest.fixture
def caller(box):
    """Loads a policy that denies the caller's domain one thing; returns the prefix of who is in it."""
    if "selinux" not in Path("/sys/kernel/security/lsm").read_text():
        pytest.skip("this kernel has no SELinux, or was started without it")
    if not shutil.which("checkpolicy"):
        pytest.skip("no checkpolicy here")
    if not (SELINUX / "load").exists():
        subprocess.run(["mount", "-t", "selinuxfs", "none", SELINUX], check=True)

    def load(denied=None):
        (box / "text").write_text(policy_without(denied))
        subprocess.run(["checkpolicy", "-U", "allow", "-c", "31", "-o", box / "policy", box / "text"], check=True, stdout=subprocess.DEVNULL)
        (SELINUX / "load").write_bytes((box / "policy").read_bytes())
        (SELINUX / "enforce").write_text("1")
        return ["sh", "-c", 'printf u:r:caller_t >/proc/self/attr/exec && exec "$@"', "sh", *as_user()]
    return load


def test_a_domain_that_may_do_all_has_a_sandbox(caller):
    result = run(EVERYTHING, ["cat", "/proc/self/attr/current"], prefix=caller())
    assert_ok(result)
    assert result.stdout.rstrip("\0") == "u:r:caller_t"


@pytest.mark.parametrize("denied", ["user_namespace create", "cap_userns sys_admin"])
def test_a_domain_without_user_namespaces_is_named(caller, denied):
    assert cause_of(EVERYTHING, caller(denied), "SELinux is enforcing, and may forbid it to u:r:caller_t: ", "ausearch")[0] == "selinux"


@pytest.mark.parametrize("denied", ["filesystem mount", "filesystem unmount", "dir mounton"])
def test_mounts_that_it_denies_are_told(caller, denied):
    assert cause_of(EVERYTHING, caller(denied), "Permission denied; a security module forbids mounts: ", "ausearch")[0] == "mount-denied"


def test_a_label_is_commands_and_one_that_it_may_not_have_is_named(caller):
    labelled = [*EVERYTHING, "--exec-label", "u:r:kernel_t"]
    for denied in ("process2 nnp_transition", "process transition"):
        assert cause_of(labelled, caller(denied), "SELinux does not let this process become u:r:kernel_t: ")[0] == "exec-label"
    result = run(labelled, ["cat", "/proc/self/attr/current"], prefix=caller())
    assert_ok(result)
    assert result.stdout.rstrip("\0") == "u:r:kernel_t"


def test_files_that_are_made_have_the_label_and_so_has_what_command_makes_beside_them(caller):
    args = [*EVERYTHING, "--file-label", "u:r:caller_t", "--file", data_fd("x"), "/tmp/file", "--ro-bind-data", data_fd("x"), "/tmp/data", "--dir", "/tmp/dir"]
    places = "/tmp /tmp/file /tmp/data /tmp/dir /tmp/new /dev /dev/shm /dev/shm/new"
    result = run(args, ["sh", "-c", f"touch /tmp/new /dev/shm/new && stat -c %C {places}"], prefix=caller())
    assert_ok(result)
    assert result.stdout == "u:r:caller_t\n" * len(places.split())
