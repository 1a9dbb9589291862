"""What the machine's own sysctls forbid, set for real and named as the cause.

They hold for everybody on the machine, so this runs as root where the machine is the test's own: BWRAPISH_OWN_MACHINE is
set, as tools/check does under tools/other-kernel. Nothing else may run beside it.
"""
import os
import subprocess
from pathlib import Path

import pytest

from sandbox import BASE, as_user, assert_ok, run
from test_causes import cause_of

pytestmark = [pytest.mark.root, pytest.mark.skipif(not os.environ.get("BWRAPISH_OWN_MACHINE"), reason="sysctls are set only on a machine of the test's own")]
NEW = [*BASE, "--unshare-user"]


@pytest.fixture
def sysctl():
    before = {}

    def write(name, value):
        file = Path("/proc/sys") / name.replace(".", "/")
        if not file.exists():
            pytest.skip(f"this kernel has no {name}")
        before.setdefault(file, file.read_text())
        file.write_text(str(value))
    yield write
    for file, value in before.items():
        file.write_text(value)


def test_debians_switch_is_named_and_its_cure_cures(sysctl):
    sysctl("kernel.unprivileged_userns_clone", 0)
    assert cause_of(NEW, as_user(), "No permissions to create a new namespace", "sysctl kernel.unprivileged_userns_clone=1")[0] == "userns-sysctl-debian"
    subprocess.run(["sysctl", "-q", "kernel.unprivileged_userns_clone=1"], check=True)
    assert_ok(run(NEW, ["true"], prefix=as_user()))


def test_root_needs_no_switch_but_for_a_second_user_namespace(sysctl):
    sysctl("kernel.unprivileged_userns_clone", 0)
    assert_ok(run([*BASE, "--unshare-pid"], ["true"]))
    assert cause_of([*NEW, "--disable-userns"], (), "sysctl kernel.unprivileged_userns_clone=1")[0] == "userns-sysctl-debian"


@pytest.mark.parametrize("kind", ["user", "net"])
def test_the_machines_limit_of_namespaces_is_named(kind, sysctl):
    sysctl(f"user.max_{kind}_namespaces", 0)
    cause, message = cause_of([*NEW, "--unshare-net"], as_user(), "a limit was reached")
    assert cause == "namespace-none" and f"/proc/sys/user/max_{kind}_namespaces is 0" in message


def test_the_machines_limit_of_mounts_is_named(sysctl):
    sysctl("fs.mount-max", len(Path("/proc/self/mountinfo").read_text().splitlines()) + 2)
    assert cause_of([*BASE, *["--tmpfs", "/tmp"] * 8], as_user(), "fs.mount-max")[0] == "mount-limit"


def test_check_names_debians_switch(sysctl):
    sysctl("kernel.unprivileged_userns_clone", 0)
    result = run(["--check"], [], prefix=as_user())
    assert result.returncode == 1 and "sysctl kernel.unprivileged_userns_clone=1" in result.stdout, result
