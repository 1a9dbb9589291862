"""Words for the tests of --mask and --protect: what a command inside tries, and what came of it."""
import json

from sandbox import FULL, IS_ROOT, assert_ok, host_mounts, run_python

# Root's command has to give its capabilities up, or it could take mounts off.
DROP = ["--cap-drop", "ALL"] if IS_ROOT else []
ONLY_ACCIDENTS = ["--protect-accidents-only"]

# Lines that show at a second path what they are to keep as it is: (words, who shows it where). {0} is a directory with proj, in
# which are .git/hooks/pre-commit, .git/config and a, more, work; HOST: what the host has mounted.
SECOND_PATHS = {
    "by a bind": ("--bind {0}/proj /p --protect /p/.git/config --bind {0}/proj/.git /git", "--bind (argument", "/git/config"),
    "of what is above it": ("--bind {0}/proj/.git /git --protect /git/config --bind {0} /all", "--bind (argument", "/all/proj/.git/config"),
    "of a part": ("--bind {0}/proj /p --protect /p/.git --bind {0}/proj/.git/hooks /hooks", "--bind (argument", "a part of it, at /hooks"),
    "by a bind on a link": ("--bind {0}/proj /p --dir /there --symlink there /link --bind {0}/proj/.git /link --protect /p/.git",
                            "--bind (argument", "/there"),
    "of what was shown anew": ("--ro-bind {0}/proj /p --bind {0}/proj /p/new --protect /p/.git", "--bind (argument", "/p/new/.git"),
    "of what is missing there": ("--ro-bind {0}/proj /p --bind {0}/proj/.git /p/new --protect /p/.git/none", "--bind (argument", "/p/new"),
    "of what was mounted below": ("--bind {0}/proj /p --bind {0}/more /p/a --protect /p --bind {0}/more /more", "--bind (argument",
                                  "a part of it, at /more"),
    "in the layers": ("--overlay-src {0}/work --overlay-src {0}/proj --ro-overlay /o --bind-inner /o /i --protect /i/.git/config --bind {0}/proj/.git /git",
                      "--bind (argument", "/git/config"),
    "by an overlay": ("--bind {0}/proj /p --protect /p/.git/config --overlay-src {0}/proj/a --overlay {0}/proj/.git {0}/work /o",
                      "--overlay (argument", "/o/config"),
    "of a part, by an overlay": ("--bind {0}/proj /p --protect /p/.git --overlay-src {0}/proj/a --overlay {0}/proj/.git/hooks {0}/work /o",
                                 "--overlay (argument", "a part of it, at /o"),
    "by what is shown of an overlay": ("--bind {0}/proj /p --protect /p/.git/config --overlay-src {0}/proj/a --overlay {0}/proj/.git {0}/work /o"
                                       " --bind-inner /o /i --tmpfs /o", "--bind-inner (argument", "/i/config"),
    "by what protects it on an overlay": ("--bind {0}/proj /p --overlay-src {0}/proj/a --overlay {0}/proj/.git {0}/work /o --protect /o/config"
                                          " --mask /p/.git/config", "--overlay (argument", "/o/config"),
    "by a mount of the host's": ("--bind {0}/proj /p --protect /p/.git/config --bind {0}/more /more", "--bind (argument", "/more/git/config"),
    "of a part, by a mount of the host's": ("--bind {0} /all --mask /all/proj", "--bind (argument", "a part of it, at /all/more/git"),
    "of what the host has mounted": ("--bind {0}/more /more --protect /more/git/config --bind {0}/proj/.git /git", "--bind (argument",
                                     "/git/config"),
    "by a layer that the host has mounted": ("--bind {0}/proj /p --overlay-src {0}/more/git --tmp-overlay /o --mask /p/.git/config",
                                            "--tmp-overlay (argument", "/o/config"),
}
HOST = "mount --bind {0}/proj/.git {0}/more/git"


def second_path(name, box):
    """The line, where it is run, and the words about it."""
    for directory in ("proj/.git/hooks", "proj/a", "more/git", "work"):
        (box / directory).mkdir(parents=True)
    (box / "proj/.git/config").write_text("config")
    args, *words = SECOND_PATHS[name]
    return [*FULL, *args.format(box).split(), "--unshare-user", "--cap-drop", "ALL"], host_mounts(HOST.format(box)), words


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
