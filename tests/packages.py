"""A tiny Debian package, and a system that it is installed into: shared by the tests of ids."""
import shutil
import subprocess

import pytest

from sandbox import BASE

needs_dpkg = pytest.mark.skipif(not all(map(shutil.which, ("dpkg", "dpkg-deb", "useradd"))), reason="needs dpkg and useradd")


def make_package(box, postinst):
    """box/tiny.deb: /opt/tiny/file, and a script that is run once that is there."""
    tree = box / "package"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "opt/tiny").mkdir(parents=True)
    (tree / "opt/tiny/file").write_text("tiny\n")
    (tree / "DEBIAN/control").write_text("Package: tiny\nVersion: 1\nArchitecture: all\nMaintainer: nobody <n@example.org>\nDescription: tiny\n")
    (tree / "DEBIAN/postinst").write_text(f"#!/bin/sh -e\n{postinst}\n")
    (tree / "DEBIAN/postinst").chmod(0o755)
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, box / "tiny.deb"], check=True, capture_output=True)


def package_root(box):
    """Options: the host's programs, and /etc, /var and /opt of our own in which dpkg knows of no package."""
    for name in ("etc", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log", "var/mail", "opt"):
        (box / name).mkdir(parents=True)
    for name in ("status", "available"):
        (box / "var/lib/dpkg" / name).touch()
    (box / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (box / "etc/group").write_text("root:x:0:\n")
    for name in ("shadow", "gshadow"):
        (box / "etc" / name).write_text("root:*:::::::\n" if name == "shadow" else "root:*::\n")
    return [*BASE, "--symlink", "usr/sbin", "/sbin", "--bind", box / "etc", "/etc", "--bind", box / "var", "/var", "--bind", box / "opt", "/opt",
            "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--setenv", "PATH", "/usr/sbin:/usr/bin:/sbin:/bin"]


def install(box):
    return ["dpkg", "--force-depends", "--install", box / "tiny.deb"]
