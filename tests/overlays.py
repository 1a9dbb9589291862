"""Layers, the two callers and the two backends that the tests of overlays share."""
import json
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from sandbox import IS_ROOT, WITH_PROC, close, host_mounts, pipe, run, user_ids

# /dev/fuse as udev would leave it, in a mount namespace of its own
FUSE_DEVICE = ("d=$(mktemp -d /run/fuse.XXXXXX); mknod -m 666 $d/fuse c 10 229; mount --bind $d/fuse /dev/fuse; rm -r $d")
HAS_FUSE = bool(shutil.which("fuse-overlayfs")) and (IS_ROOT or os.access("/dev/fuse", os.R_OK | os.W_OK))
needs_fuse = pytest.mark.skipif(not HAS_FUSE, reason="no fuse-overlayfs, or /dev/fuse is not usable")
CALLERS = ["root", "user"] if IS_ROOT else ["user"]
BACKENDS = ["kernel", pytest.param("fuse", marks=needs_fuse)]


def fuse_prefix(caller, setup=""):
    """What makes /dev/fuse usable and the caller who it should be."""
    if not IS_ROOT:
        return host_mounts(setup) if setup else []
    return host_mounts(f"[ ! -e /dev/fuse ] || {{ {FUSE_DEVICE}; }}\n{setup}",
                       user=user_ids()[0] if caller == "user" else None)


def give(caller, *paths):
    """Makes the trees the caller's own: a normal user's kernel overlay copies up nobody else's."""
    uid, gid = (0, 0) if caller == "root" else user_ids() if IS_ROOT else (os.getuid(), os.getgid())
    for path in paths:
        for directory, names, files in os.walk(path):
            for name in [directory, *(os.path.join(directory, n) for n in names + files)]:
                os.chown(name, uid, uid if caller == "user" and IS_ROOT else gid, follow_symlinks=False)


@pytest.fixture
def tree(box):
    """Two layers, an upper and a work directory on the box's file system."""
    for name in ("low/dir/sub", "low/gone", "high/dir", "up", "work"):
        (box / name).mkdir(parents=True)
    (box / "low/file").write_text("low")
    (box / "low/both").write_text("low")
    (box / "high/both").write_text("high")
    (box / "low/dir/old").write_text("old")
    (box / "high/dir/new").write_text("new")
    (box / "low/gone/x").write_text("x")
    return box


def layers(tree):
    return ["--overlay-src", tree / "low", "--overlay-src", tree / "high"]


def has_user_xattrs(directory):
    """tmpfs has none before Linux 6.6."""
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        try:
            os.setxattr(file.name, "user.bwrapish", b"")
        except OSError:
            return False
    return True


def need_kernel_overlay(caller, upper="/dev/shm"):
    """A normal user's overlay wants user xattrs where writes go: in `upper`, or on a tmpfs."""
    if caller == "user" and not has_user_xattrs(upper):
        pytest.skip("no user xattrs where writes go")


def merge(tree, caller, backend, script, how=None, more=(), **options):
    how = how or ["--tmp-overlay", "/m"]
    if backend == "kernel" and how[0] != "--ro-overlay":
        need_kernel_overlay(caller, tree if how[0] == "--overlay" else "/dev/shm")
    give(caller, tree)
    return run([*WITH_PROC, "--dev", "/dev", *more, "--overlay-backend", backend, *layers(tree), *how],
               ["sh", "-ec", script], prefix=fuse_prefix(caller), **options)


def changes(result_fd):
    """The lines but the last, which says that the list is whole; all with absolute paths."""
    with os.fdopen(os.dup(result_fd)) as lines:
        *found, last = [json.loads(line) for line in lines]
    assert last == {"complete": True, "changes": sum("change" in line for line in found)}
    for line in found:
        if "in" in line:
            line["path"] = f'{found[line.pop("in") - 1]["path"]}/{line["path"]}'
    return [line for line in found if "change" in line]


def listed(tree, caller, backend, script, how, more=()):
    """(what the command printed, {path: its line in the list})"""
    read_fd, write_fd = pipe()
    result = merge(tree, caller, backend, script, how, [*more, "--overlay-changes", write_fd])
    close(write_fd)
    assert result.returncode == 0, result
    return result.stdout, {line["path"]: line for line in changes(read_fd)}


def host_state(path):
    return sorted((str(p), p.lstat().st_mode, p.lstat().st_size, p.lstat().st_mtime_ns) for p in Path(path).rglob("*"))


def helpers_of(tree):
    """The processes that serve a layer of this very tree, whatever other tests have running."""
    found = set()
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if Path(f"/proc/{entry}/comm").read_text() == "fuse-overlayfs\n":
                mounts = Path(f"/proc/{entry}/mountinfo").read_text().splitlines()
                found |= {int(entry) for line in mounts if f"{tree.name}/low /layers/" in line}
        except OSError:
            pass
    return found
