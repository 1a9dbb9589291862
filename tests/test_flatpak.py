"""Flatpak itself, told to call bwrapish for bwrap: a runtime and an app of busybox are built, run and entered."""
import os
import shutil
import subprocess

import pytest

from sandbox import BINARY, IS_ROOT, REFUSE

NEEDED = ("flatpak", "dbus-run-session", "busybox")
pytestmark = [pytest.mark.skipif(IS_ROOT, reason="flatpak is run as a user"),
              pytest.mark.skipif(bool(REFUSE), reason="flatpak calls one program, without arguments of its own before it"),
              pytest.mark.skipif(not all(map(shutil.which, NEEDED)), reason="needs " + ", ".join(NEEDED))]
RUNTIME, APP = "org.example.Platform", "org.example.App"


class Flatpak:
    def __init__(self, home):
        self.home = home
        (home / "run").mkdir(mode=0o700)
        self.env = {"PATH": "/usr/bin:/bin", "HOME": str(home), "XDG_RUNTIME_DIR": str(home / "run"), "LC_ALL": "C.UTF-8",
                    "FLATPAK_USER_DIR": str(home / "flatpak"), "FLATPAK_BWRAP": BINARY}

    def __call__(self, *words):
        result = subprocess.run(["flatpak", *map(str, words)], env=self.env, cwd=self.home, capture_output=True, text=True,
                                stdin=subprocess.DEVNULL, timeout=60)
        assert result.returncode == 0, result
        return result.stdout

    def in_session(self, script):
        """Runs a shell script on a bus of its own, which stands for the system's too."""
        line = ["dbus-run-session", "--", "sh", "-ec",
                f'export DBUS_SYSTEM_BUS_ADDRESS="$DBUS_SESSION_BUS_ADDRESS"\n{script}']
        result = subprocess.run(line, env=self.env, cwd=self.home, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                                timeout=60)
        assert result.returncode == 0, result
        return result.stdout.splitlines()


@pytest.fixture
def flatpak(box):
    flatpak = Flatpak(box)
    arch = flatpak("--default-arch").strip()
    (box / "usr/bin").mkdir(parents=True)
    shutil.copy(shutil.which("busybox"), box / "usr/bin/busybox")
    for name in ("sh", "id", "sleep", "cat", "readlink", "touch"):
        (box / "usr/bin" / name).symlink_to("busybox")
    (box / "runtime/files").mkdir(parents=True)
    (box / "runtime/metadata").write_text(f"[Runtime]\nname={RUNTIME}\nruntime={RUNTIME}/{arch}/1\nsdk={RUNTIME}/{arch}/1\n")
    (box / "app/files/bin").mkdir(parents=True)
    (box / "app/export").mkdir()
    (box / "app/files/bin/app").write_text('#!/usr/bin/sh\nexec "$@"\n')
    (box / "app/files/bin/app").chmod(0o755)
    (box / "app/metadata").write_text(
        f"[Application]\nname={APP}\nruntime={RUNTIME}/{arch}/1\nsdk={RUNTIME}/{arch}/1\ncommand=app\n")
    flatpak("build-export", "--runtime", f"--files={box}/usr", box / "repo", box / "runtime", 1)
    flatpak("build-export", box / "repo", box / "app", 1)
    flatpak("--user", "remote-add", "--no-gpg-verify", "here", box / "repo")
    flatpak.in_session(f"flatpak --user install -y --noninteractive here {RUNTIME}//1 {APP}//1 >&2")
    return flatpak


def test_flatpak_runs_an_app_and_enters_it(flatpak):
    seen = flatpak.in_session(f"""
        flatpak run {APP} sh -c 'id -u; readlink /proc/self/ns/pid; touch /usr/x 2>/dev/null || echo read-only; cat /.flatpak-info' 2>&1
        flatpak run --instance-id-fd=3 {APP} sh -c 'echo ready; readlink /proc/self/ns/mnt; exec sleep 30' >told 2>&1 3>instance &
        until grep -q mnt told; do sleep 0.1; done
        pid=$(flatpak ps --columns=instance,child-pid | grep "^$(cat instance)" | cut -f 2)
        echo entered; flatpak enter "$pid" readlink /proc/self/ns/mnt
        kill -9 "$pid"
        wait""")
    assert seen[0] == str(os.getuid()) and seen[1] != os.readlink("/proc/self/ns/pid") and seen[2] == "read-only"
    assert f"name={APP}" in seen
    assert (flatpak.home / "told").read_text().split() == ["ready", seen[seen.index("entered") + 1]]
