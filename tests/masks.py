"""Words for the tests of --mask and --protect: what a command inside tries, and what came of it."""
import json

from sandbox import FULL, IS_ROOT, assert_ok, run_python

# Root's command has to give its capabilities up, or it could take mounts off.
DROP = ["--cap-drop", "ALL"] if IS_ROOT else []
ONLY_ACCIDENTS = ["--protect-accidents-only"]

# Tries all that could change, move, replace or uncover PATH, and tells what succeeded.
ATTACKS = r"""
import ctypes, json, os, stat, sys
libc = ctypes.CDLL(None, use_errno=True)
PATH, ABOVE, OTHER = %r, %r, %r
done = []

def call(name, *args):
    result = getattr(libc, name)(*[a.encode() if isinstance(a, str) else a for a in args])
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def attempt(name, act):
    try:
        act()
        done.append(name)
    except (OSError, ValueError):
        pass

def write(path, flags=0):
    fd = os.open(path, os.O_WRONLY | os.O_NONBLOCK | flags)
    os.write(fd, b"changed")
    os.close(fd)

def through_proc(path):
    fd = os.open(path, os.O_PATH)
    try:
        write("/proc/self/fd/%%d" %% fd)
    finally:
        os.close(fd)

def below(path):
    fd = os.open(path, os.O_PATH)
    try:
        os.mkdir("/proc/self/fd/%%d/new" %% fd)
    finally:
        os.close(fd)

CLONE_NEWNS, CLONE_NEWUSER, MS_BIND, MNT_DETACH, RENAME_EXCHANGE, AT_FDCWD = 0x20000, 0x10000000, 4096, 2, 2, -100

def attack():
    for entry in [PATH, *ABOVE]:
        attempt("rename " + entry, lambda: os.rename(entry, OTHER + ".moved"))
        attempt("exchange " + entry, lambda: call("renameat2", AT_FDCWD, entry, AT_FDCWD, OTHER, RENAME_EXCHANGE))
        attempt("exchange " + entry, lambda: call("renameat2", AT_FDCWD, OTHER, AT_FDCWD, entry, RENAME_EXCHANGE))
        attempt("unlink " + entry, lambda: os.unlink(entry))
        attempt("rmdir " + entry, lambda: os.rmdir(entry))
        attempt("rename over " + entry, lambda: os.rename(OTHER, entry))
        attempt("mount on " + entry, lambda: call("mount", OTHER, entry, 0, MS_BIND, 0))
    attempt("umount", lambda: call("umount2", PATH, MNT_DETACH))
    attempt("link", lambda: os.link(PATH, OTHER + ".link", follow_symlinks=False))
    attempt("symlink", lambda: os.symlink("/etc", PATH))
    attempt("write", lambda: write(PATH))
    attempt("truncate", lambda: os.truncate(PATH, 0))
    attempt("create", lambda: write(PATH, os.O_CREAT))
    attempt("write through /proc", lambda: through_proc(PATH))
    attempt("make below through /proc", lambda: below(PATH))
    attempt("make below", lambda: os.mkdir(PATH + "/new"))
    attempt("chmod", lambda: os.chmod(PATH, 0o777))
    attempt("utime", lambda: os.utime(PATH))
    attempt("xattr", lambda: os.setxattr(PATH, "user.x", b"y"))

attack()
attempt("mount namespace", lambda: call("unshare", CLONE_NEWNS))
attempt("user namespace", lambda: call("unshare", CLONE_NEWUSER | CLONE_NEWNS))
for action in ("chdir", "chroot"):
    attempt(action, lambda: call(action, "/") if action == "chroot" else None)
attack()
print(json.dumps([d for d in done if d != "chdir"]))
"""


def attacks(args, path, above, other, base=FULL, **options):
    """What a command inside could do to `path` and what is above it; `other` is a file it may change."""
    result = run_python([*args, *DROP], ATTACKS % (str(path), [str(a) for a in above], str(other)), base, **options)
    assert_ok(result)
    return json.loads(result.stdout)
