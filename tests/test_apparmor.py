"""AppArmor: the profile that is installed is loaded and allows what it is for; one that denies is told with its name.

Runs where the kernel has AppArmor and its parser knows `userns,` (AppArmor 4), as a Debian of 6.12 or newer under
tools/other-kernel with sid's parser, whose command BWRAPISH_APPARMOR_PARSER is then. Each profile is for a copy of
the program, and goes with it.
"""
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from sandbox import BINARY, REPO, as_user, assert_ok, refused, run

pytestmark = pytest.mark.root
PARSER = os.environ.get("BWRAPISH_APPARMOR_PARSER", "apparmor_parser")
HEAD = "abi <abi/4.0>,\ninclude <tunables/global>\nprofile {name} {program} flags=(attach_disconnected) {{\n  capability, network, unix, signal, ptrace, file, "
# What profiles for bubblewrap say of its mounts, as glycin.bwrap of AppArmor 5 does.
MOUNTS_OF_BUBBLEWRAP = """
  mount options=(rw rbind) -> /newroot/{{,**}},
  mount options=(rw rbind) /tmp/newroot/ -> /tmp/newroot/,
  mount fstype=tmpfs options=(rw nosuid nodev) tmpfs -> /newroot/{{,**}},
  mount fstype=tmpfs options=(rw nosuid nodev) tmpfs -> /tmp/,
  mount options=(rw silent make-rslave) /,
  mount options=(rw silent make-rprivate) /oldroot/,
  remount /newroot/{{,**}}, umount /, umount /oldroot/,
  pivot_root oldroot=/newroot/ /newroot/, pivot_root oldroot=/tmp/oldroot/ /tmp/,
"""


@pytest.fixture
def profile(box):
    """Loads a text for a copy of the program; returns the copy and the profile's name."""
    if not Path("/sys/kernel/security/apparmor/profiles").exists():
        pytest.skip("no AppArmor in this kernel, or securityfs is not mounted")
    if not shutil.which(PARSER):
        pytest.skip("no apparmor_parser here")
    program, name, file = box / "bwrapish", f"bwrapish-test-{os.getpid()}", box / "profile"
    shutil.copy(BINARY, program)

    def load(text):
        file.write_text(text.format(name=name, program=program))
        checked = subprocess.run([PARSER, "--skip-kernel-load", "--skip-cache", file], capture_output=True, text=True)
        if "userns" in checked.stderr:
            pytest.skip("this apparmor_parser knows no userns rule (AppArmor 4 does)")
        assert checked.returncode == 0, checked
        subprocess.run([PARSER, "--replace", "--skip-cache", file], check=True, capture_output=True)
        return program, name
    yield load
    if file.exists() and name in Path("/sys/kernel/security/apparmor/profiles").read_text():
        subprocess.run([PARSER, "--remove", file], check=True, capture_output=True)


EVERYTHING = ["--unshare-all", "--ro-bind", "/", "/", "--tmpfs", "/tmp", "--proc", "/proc", "--dev", "/dev"]


def test_the_profile_that_is_installed_allows_a_sandbox(profile):
    text = (REPO / "apparmor" / "bwrapish.in").read_text().replace("{", "{{").replace("}", "}}")
    program, name = profile(text.replace("profile bwrapish @program@", "profile {name} {program}"))
    result = run(EVERYTHING, ["cat", "/proc/self/attr/current"], program=program, prefix=as_user())
    assert_ok(result)
    assert result.stdout.strip() == f"{name} (unconfined)"


def test_a_profile_that_denies_user_namespaces_is_told_with_its_name(profile):
    program, name = profile(HEAD + "mount, umount, pivot_root,\n}}\n")
    refused(["--ro-bind", "/", "/"], "Creating new namespace failed: Permission denied", f"the AppArmor profile {name}", "\"userns,\"",
            program=program, prefix=as_user())


def test_under_a_profile_that_lists_the_mounts_of_bubblewrap_it_is_told_and_mount_is_what_it_takes(profile):
    program, _ = profile(HEAD + "userns," + MOUNTS_OF_BUBBLEWRAP + "}}\n")
    refused(["--ro-bind", "/", "/"], "Can't attach the new root: Permission denied; a security module forbids mounts", "\"mount,\"",
            program=program, prefix=as_user())
    program, _ = profile(HEAD + "userns, mount, umount, pivot_root,\n}}\n")
    result = run(EVERYTHING, ["echo", "ran"], program=program, prefix=as_user())
    assert_ok(result)
    assert result.stdout == "ran\n"
