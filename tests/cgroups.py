"""Control groups for the tests: one that a user may write to, and who is left in any."""
import os
import time
from pathlib import Path

import pytest

from sandbox import user_ids, wait_for

TOP = Path("/sys/fs/cgroup")
V2 = next((path for path in (TOP, TOP / "unified") if (path / "cgroup.controllers").exists()), None)
HAS = V2.joinpath("cgroup.controllers").read_text().split() if V2 else []


def groups_of_ours(path):
    """Outer and inner ones; unlike rglob(), os.walk() does not mind what vanishes meanwhile."""
    found = []
    for top, names, _ in os.walk(path):
        below = top.removeprefix(str(path))
        found += [Path(top) / name for name in names if "bwrapish" in f"{below}/{name}"]
        if below.count("/") > 9:  # what somebody nests in one
            names.clear()
    return found


class Delegated:
    """A group that a user may do with what it likes; `leaf` is where that user's processes are started."""

    def __init__(self, controllers):
        self.path = V2 / f"test-{os.getpid()}-{time.monotonic_ns()}"
        self.leaf = self.path / "leaf"
        self.uid, self.gid = user_ids()
        self.switch(V2, controllers)
        self.path.mkdir()
        self.switch(self.path, controllers)
        self.leaf.mkdir()
        for directory in (self.path, self.leaf):
            for name in (".", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"):
                os.chown(directory / name, self.uid, self.gid)

    @staticmethod
    def switch(path, controllers):
        if controllers:
            (path / "cgroup.subtree_control").write_text(" ".join("+" + name for name in controllers))

    @property
    def prefix(self):
        """In the leaf, with a process beside it."""
        return ["sh", "-c", f'echo $$ >{self.leaf}/cgroup.procs; "$@"; exit $?', "sh", *self.as_user]

    @property
    def alone(self):
        return ["sh", "-c", f'echo $$ >{self.leaf}/cgroup.procs; exec "$@"', "sh", *self.as_user]

    @property
    def as_user(self):
        return ["setpriv", f"--reuid={self.uid}", f"--regid={self.gid}", "--clear-groups"]

    def left(self):
        return groups_of_ours(self.path)

    def remove(self):
        for path in sorted((p for p in self.path.rglob("*") if p.is_dir()), reverse=True):
            path.rmdir()
        self.path.rmdir()


@pytest.fixture
def group():
    if V2 is None:
        pytest.skip("no cgroup v2 here")
    delegated = Delegated([name for name in HAS if name in ("hugetlb", "memory", "pids", "cpu", "cpuset")])
    yield delegated
    wait_for(lambda: (delegated.path / "cgroup.events").read_text().startswith("populated 0"))
    delegated.remove()


def needs(controller):
    return pytest.mark.skipif(controller not in HAS, reason=f"{controller} is not on cgroup v2 here (tools/other-kernel has it)")


LIMIT = ["--limit", "cgroup.max.descendants", "7"] if "hugetlb" not in HAS else ["--limit", "hugetlb.2MB.max", "4M"]
