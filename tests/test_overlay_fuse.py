"""Where fuse-overlayfs takes the kernel's place, and what it could be brought to do for COMMAND."""
import errno
import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from overlays import (BACKENDS, CALLERS, FUSE_DEVICE, HAS_FUSE, fuse_prefix, give, has_user_xattrs, helpers_of,
                      host_state, layers, merge, need_kernel_overlay, needs_fuse, tree)
from sandbox import (BASE, BINARY, WITH_PROC, as_user, assert_ok, host_mounts, line_from, parse_mountinfo, pipe,
                     python, python_prefix, refused, run, start, user_ids, wait_for)


# ---- falling back ----

@pytest.mark.parametrize("caller", CALLERS)
def test_auto_merges_everywhere_and_says_when_it_is_not_the_kernel(caller, tree):
    old = caller == "user" and not has_user_xattrs("/dev/shm")
    if old and not HAS_FUSE:
        pytest.skip("neither user xattrs nor FUSE")
    result = merge(tree, caller, "auto", "echo 2 >/m/file; rm -r /m/dir; cat /m/file")
    assert result.returncode == 0 and result.stdout == "2\n", result
    assert ("no user extended attributes" in result.stderr) if old else result.stderr == ""


# What the kernel does not write to, mounted over the tree's upper directories.
NO_UPPER = {
    "another overlay": 'mkdir -p o/l o/u o/w; mount -t overlay -o lowerdir=o/l,upperdir=o/u,workdir=o/w none upper',
    "no xattrs": "mount -t ramfs none upper",
}


@needs_fuse
@pytest.mark.root
@pytest.mark.parametrize("kind", NO_UPPER)
@pytest.mark.parametrize("caller", CALLERS)
def test_auto_takes_fuse_where_the_kernel_cannot_write(caller, kind, tree):
    (tree / "upper").mkdir()
    give(caller, tree)
    owner = "root" if caller == "root" else user_ids()[0]
    prefix = fuse_prefix(caller, f"cd {tree}; {NO_UPPER[kind]}; cd upper; mkdir -p up work; chown {owner} up work; cd /")
    line = [*layers(tree), "--overlay", tree / "upper/up", tree / "upper/work", "/m"]
    result = run([*BASE, *line], ["sh", "-ec", "echo 2 >/m/file; rm -r /m/dir; cat /m/file; ls /m"], prefix=prefix)
    assert result.returncode == 0 and result.stdout == "2\nboth\nfile\ngone\n", result
    assert result.stderr.count("\n") == 1 and "taking fuse-overlayfs: the kernel's overlay refuses" in result.stderr
    why = "extended attributes" if kind == "no xattrs" else "write to"
    refused(["--overlay-backend", "kernel", *line], "--overlay", why, base=BASE, prefix=prefix)


@needs_fuse
@pytest.mark.root
def test_fuse_overlayfs_is_begun_with_few_descriptors_where_the_kernel_refuses_too(tree):
    """Layers of others' are fuse-overlayfs's first, if enough descriptors are left for it, then the kernel's."""
    (tree / "upper").mkdir()
    give("user", tree)
    prefix = fuse_prefix("user", f"cd {tree}; {NO_UPPER['no xattrs']}; cd upper; mkdir up work; chown {user_ids()[0]} up work; cd /")
    result = run([*BASE, "--overlay-src", "/usr", *layers(tree), "--overlay", tree / "upper/up", tree / "upper/work", "/m"],
                 ["cat", "/m/both"], prefix=[*prefix, "prlimit", "--nofile=34:34"])
    assert (result.returncode, result.stdout) == (0, "high"), result
    assert "taking fuse-overlayfs: the kernel's overlay refuses" in result.stderr


@needs_fuse
@pytest.mark.parametrize("caller", CALLERS)
def test_an_overlay_in_a_sandbox_writes_to_the_overlay_around_it(caller, tree):
    need_kernel_overlay(caller)  # within fuse-overlayfs another cannot note what was removed
    give(caller, tree)
    inner = shlex.join([BINARY, "--ro-bind", "/", "/", "--overlay-src", "/mnt/dir", "--overlay", "/mnt/up", "/mnt/work",
                        "/mnt/gone", "sh", "-ec", "cd /mnt/gone; echo 1 >one; rm old; ls"])
    result = run(["--ro-bind", "/", "/", "--proc", "/proc", "--dev-bind", "/dev", "/dev", *layers(tree),
                  "--tmp-overlay", "/mnt"], ["sh", "-ec", f"mkdir /mnt/up /mnt/work; {inner}; cat /mnt/up/one"],
                 prefix=fuse_prefix(caller))
    assert result.returncode == 0 and result.stdout == "new\none\nsub\n1\n", result
    assert "--overlay (argument 6): taking fuse-overlayfs: the kernel's overlay refuses" in result.stderr


@pytest.mark.parametrize("caller", CALLERS)
def test_an_upper_directory_on_a_read_only_mount_is_a_mistake(caller, tree):
    """Neither a reason to fall back nor a read-only overlay, which the kernel makes of it."""
    give(caller, tree)
    refused(["--overlay-src", tree / "low", "--overlay", tree / "up", tree / "work", "/m"],
            f"--overlay (argument 15): Can't write to RWSRC {tree / 'up'}: Read-only file system", base=BASE,
            prefix=fuse_prefix(caller, f"mount --bind {tree} {tree}; mount -o remount,bind,ro {tree}"))


@pytest.mark.root
@pytest.mark.parametrize("part, word", [("up", "RWSRC"), ("work", "WORKDIR")])
def test_an_upper_directory_of_another_user_is_a_mistake(part, word, tree):
    give("user", tree)
    os.chown(tree / part, 0, 0)
    refused(["--overlay-src", tree / "low", "--overlay", tree / "up", tree / "work", "/m"],
            f"Can't write to {word} {tree / part}: Permission denied", base=BASE, prefix=fuse_prefix("user"))


@needs_fuse
@pytest.mark.parametrize("error", ["EINVAL", "EACCES", "ENODEV", "EOPNOTSUPP"])
def test_auto_falls_back_where_the_kernel_refuses(error, tree):
    """EACCES is what NFS answers. Without -f, which would refuse the helper too."""
    give(CALLERS[-1], tree)
    inject = ["strace", "-o", "/dev/null", "-e", f"inject=fsmount:error={error}:when=1"]
    result = run([*BASE, *layers(tree), "--overlay", tree / "up", tree / "work", "/m"], ["cat", "/m/file"],
                 prefix=[*fuse_prefix(CALLERS[-1]), *inject])
    assert result.stdout == "low", result
    assert result.stderr.count("\n") == 1 and "taking fuse-overlayfs" in result.stderr


@pytest.mark.parametrize("error", ["EPERM", "EBUSY", "ELOOP", "ESTALE"])
def test_auto_does_not_fall_back_where_the_cause_may_be_a_mistake(error, tree):
    give(CALLERS[-1], tree)
    inject = ["strace", "-f", "-o", "/dev/null", "-e", f"inject=fsmount:error={error}:when=1"]
    refused(["--overlay-src", tree / "low", "--overlay", tree / "up", tree / "work", "/m"],
            f"Can't make overlay mount on /m: {os.strerror(getattr(errno, error))}\n", base=BASE,
            prefix=[*fuse_prefix(CALLERS[-1]), *inject])
    assert not list((tree / "work").iterdir())


@needs_fuse
@pytest.mark.parametrize("pid", [[], ["--unshare-pid"], ["--unshare-all"]])
def test_a_copy_of_the_host_is_writable_for_a_normal_user(pid, box):
    give(CALLERS[-1], box)
    script = "touch /usr/bin/bwrapish-was-here /bwrapish-was-here; rm -r /usr/share/perl5; test ! -e /usr/share/perl5"
    result = run(["--overlay-src", "/", "--tmp-overlay", "/", "--proc", "/proc", "--dev", "/dev", *pid], ["sh", "-ec", script],
                 prefix=fuse_prefix("user"), timeout=150)
    assert result.returncode == 0, result
    assert result.stderr.count("\n") == 1 and "taking fuse-overlayfs" in result.stderr
    assert not os.path.exists("/usr/bin/bwrapish-was-here") and os.path.exists("/usr/share/perl5")


@pytest.mark.root
def test_a_copy_of_the_host_is_writable_for_root_mount_by_mount(box):
    prefix = fuse_prefix("root", f"mkdir {box}/own; mount -t tmpfs -o mode=1777 none {box}/own; echo host >{box}/own/f")
    result = run(["--overlay-src", "/", "--tmp-overlay", "/", "--dev", "/dev", "--proc", "/proc"],
                 ["sh", "-ec", f"cat {box}/own/f; echo new >{box}/own/f; cat {box}/own/f; stat -c %a {box}/own; touch /usr/was-here"],
                 prefix=prefix)
    assert result.stdout == "host\nnew\n1777\n" and not result.stderr, result
    assert not os.path.exists("/usr/was-here")


@pytest.mark.root
def test_root_is_told_which_mounts_below_a_layer_cannot_be_written_to(box):
    (box / "src/own").mkdir(parents=True)
    (box / "src/file").touch()
    (box / "src/proc").mkdir()
    (box / "src/proc-x").mkdir()
    prefix = host_mounts(f"cd {box}/src; mount -t tmpfs none own; mount -t proc proc proc;"
                         " mount -t tmpfs none proc/sys; mount -t proc proc proc-x; mount --bind /etc/passwd file; cd /")
    result = run([*BASE, "--verbose", "--overlay-src", box / "src", "--tmp-overlay", "/m"],
                 ["sh", "-c", "cd /m; touch own/x x; ! touch file && ! touch proc/sys/x && ls . own"], prefix=prefix)
    assert result.returncode == 0 and result.stdout == ".:\nfile\nown\nproc\nproc-x\nx\n\nown:\nx\n", result
    for why in (", a file)", "proc (proc)"):
        assert f"{why} is no layer: shown read-only" in result.stderr
    refused(["--overlay-opt", "index=on", "--overlay-src", box / "src", "--tmp-overlay", "/m"],
            "--tmp-overlay (argument 17): the kernel takes neither index=on nor nfs_export=on with a mount below a layer",
            base=BASE, prefix=prefix)


@pytest.mark.root
@pytest.mark.parametrize("more", [1, 120])
def test_the_kernel_alone_says_why_it_refuses_submounts(more, box):
    """Also with more layers than one option string holds, which is another refusal of old kernels only."""
    sources = ["--overlay-src", box / "src"]
    for i in range(more):
        (box / f"l{i}").mkdir()
        sources += ["--overlay-src", box / f"l{i}"]
    old = tuple(map(int, os.uname().release.split(".")[:2])) < (6, 7)
    prefix = fuse_prefix("user", f"mkdir -p {box}/src/own; mount -t tmpfs none {box}/src/own")
    refused(["--overlay-backend", "kernel", *sources, "--ro-overlay", "/m"], "Can't make overlay mount on /m",
            "Linux 6.7" if old and more > 60 else "a mount below a layer", base=BASE, prefix=prefix)


@needs_fuse
@pytest.mark.root
def test_a_submount_is_seen_and_writable_for_a_normal_user(box):
    prefix = fuse_prefix("user", f"mkdir -p {box}/src/own; mount -t tmpfs none {box}/src/own; echo host >{box}/src/own/f")
    result = run([*BASE, "--overlay-src", box / "src", "--tmp-overlay", "/m"],
                 ["sh", "-ec", "cat /m/own/f; echo new >/m/own/f; cat /m/own/f"], prefix=prefix)
    assert result.stdout == "host\nnew\n", result


# A FUSE file system whose server, the descriptor that the tool inherits, never answers. Nobody but root may use it, or all may.
SILENT_FUSE = """
import ctypes
fuse = os.open("/dev/fuse", os.O_RDWR)
os.set_inheritable(fuse, True)
libc = ctypes.CDLL(None, use_errno=True)
assert libc.mount(b"silent", b"%s", b"fuse", 6, b"fd=%%d,rootmode=40000,user_id=0,group_id=0%s" %% fuse) == 0
"""


@needs_fuse
@pytest.mark.root
@pytest.mark.parametrize("pid", [[], ["--unshare-pid"]])
@pytest.mark.parametrize("who", ["", ",allow_other"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("caller", CALLERS)
def test_a_fuse_mount_below_a_layer_that_does_not_answer_holds_nothing_up(caller, backend, who, pid, tree):
    """Nor one that answers somebody else only; what else is in its directory is there."""
    if backend == "kernel" and caller == "user":
        pytest.skip("a normal user's copy of the host's mounts is nothing that the kernel takes")
    (tree / "low/dir/mnt").mkdir()
    give(caller, tree)
    prefix = [*fuse_prefix("root"), *python_prefix(SILENT_FUSE % (tree / "low/dir/mnt", who)), *(as_user() if caller == "user" else [])]
    result = run([*BASE, *pid, "--overlay-backend", backend, *layers(tree), "--tmp-overlay", "/m"],
                 ["sh", "-ec", "ls /m/dir; echo 1 >/m/dir/more; cat /m/dir/more"], prefix=prefix)
    assert result.returncode == 0 and result.stdout == "mnt\nnew\nold\nsub\n1\n", result


@needs_fuse
@pytest.mark.root
@pytest.mark.parametrize("who", ["", ",allow_other"])
@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("args", [["--tmpfs", "/b/mnt"], ["--ro-bind", "/usr", "/b/mnt"], ["--dir", "/b/mnt"], ["--remount-ro", "/b/mnt"],
                                  ["--ro-bind", "{mnt}", "/x"]], ids=" ".join)
def test_a_fuse_mount_that_does_not_answer_is_covered_and_shown_unasked(args, caller, who, tree):
    (tree / "mnt").mkdir()
    give(caller, tree)
    prefix = [*fuse_prefix("root"), *python_prefix(SILENT_FUSE % (tree / "mnt", who)), *(as_user() if caller == "user" else [])]
    bind = [] if "/x" in args else ["--bind", tree, "/b"]
    assert_ok(run([*BASE, *bind, *[arg.format(mnt=tree / "mnt") for arg in args]], ["true"], prefix=prefix, timeout=20))


@needs_fuse
@pytest.mark.root
@pytest.mark.parametrize("mode", [0o711, 0o744])
def test_fuse_overlayfs_takes_no_layer_that_the_user_cannot_read(mode, tree):
    """It would show an empty directory."""
    give("root", tree)
    (tree / "low").chmod(mode)
    refused(["--overlay-backend", "fuse", *layers(tree), "--tmp-overlay", "/m"], f"Can't read the layer {tree / 'low'}: Permission denied",
            base=BASE, prefix=fuse_prefix("user"))


@needs_fuse
def test_what_the_user_cannot_read_stays_unreadable():
    result = run(["--overlay-src", "/", "--tmp-overlay", "/", "--dev", "/dev"], ["cat", "/etc/shadow"], prefix=fuse_prefix("user"))
    assert result.returncode == 1 and result.stdout == "" and "Permission denied" in result.stderr


@needs_fuse
def test_the_helper_cannot_be_read_through_a_layer_of_proc():
    result = run(["--overlay-src", "/", "--tmp-overlay", "/", "--verbose"], ["sh", "-c", "cat /proc/self/comm"],
                 prefix=fuse_prefix("user"))
    assert result.stdout == "cat\n", result
    assert "proc (proc) is no layer: shown read-only" in result.stderr


@needs_fuse
@pytest.mark.parametrize("options", [[], ["--unshare-pid"], ["--unshare-pid", "--as-pid-1"], ["--die-with-parent"]])
@pytest.mark.parametrize("caller", CALLERS)
def test_the_helper_is_out_of_reach_and_ends_with_the_sandbox(caller, options, tree):
    give(caller, tree)
    # Without a pid namespace the helper is found in the host's /proc; what must not be reached is tried.
    code = """for p in /proc/[0-9]*; do
        [ "$(cat $p/comm)" = fuse-overlayfs ] || continue
        said="$said tried:${p#/proc/}"
        for f in environ maps mem; do (: <$p/$f) && said="$said $p/$f"; done
        for d in root cwd; do ls $p/$d/ >/dev/null && said="$said $p/$d"; done
        for f in $p/fd/*; do readlink $f >/dev/null && said="$said $f"; done
    done 2>/dev/null; echo ready $said; read x"""
    drop = ["--cap-drop", "ALL"] if caller == "root" else []
    with start([*WITH_PROC, "--dev", "/dev", *options, *drop, "--overlay-backend", "fuse", *layers(tree),
                "--tmp-overlay", "/m"], ["sh", "-c", code],
               prefix=fuse_prefix(caller), stdin=subprocess.PIPE) as process:
        said = line_from(process).split()
        (helper,) = helpers_of(tree)
        assert said[0] == "ready" and ("--unshare-pid" in options) != (f"tried:{helper}" in said)
        # Of other tests' helpers some have ended and wait to be reaped: those can be looked into.
        assert not [word for word in said if word.startswith(f"/proc/{helper}/")]
        process.kill() if "--die-with-parent" in options else process.stdin.close()
        process.wait()
        wait_for(lambda: not helpers_of(tree), what="the end of the helper")


@needs_fuse
def test_fuse_is_ready_before_the_command_starts(tree):
    for _ in range(5):
        assert merge(tree, CALLERS[-1], "fuse", "cat /m/file").stdout == "low"


# ---- what fuse-overlayfs could be brought to do for COMMAND ----

# A directory of RWSRC becomes a link, which some of fuse-overlayfs's calls would follow.
LINK_ATTACK = """
import os, sys
target, up = sys.argv[1:]
def attempt(what):
    try:
        return what()
    except OSError as error:
        return error.strerror
os.mkdir("/m/d")
open("/m/d/id", "wb").write(bytes(1000))
directory = os.open("/m/d", os.O_PATH)
os.listdir("/m/d"); os.stat("/m/d/id")
os.rename(up + "/d", up + "/d2")
os.symlink(target, up + "/d")
attempt(lambda: os.link("id", "/m/stolen", src_dir_fd=directory))
print(attempt(lambda: open(up + "/stolen").read()))
print(attempt(lambda: os.stat("id", dir_fd=directory).st_size))
attempt(lambda: open(up + "/stolen", "a").write("changed"))
attempt(lambda: os.mkdir("made", dir_fd=directory))
attempt(lambda: os.chmod("id", 0o777, dir_fd=directory))
attempt(lambda: os.truncate("/m/d/id", 0))
attempt(lambda: os.unlink("id", dir_fd=directory))
"""


@needs_fuse
@pytest.mark.parametrize("target", ["../secret", "{tree}/secret", "/writable/secret"])
@pytest.mark.parametrize("caller", CALLERS)
def test_fuse_overlayfs_follows_no_link_that_the_command_makes(caller, target, tree):
    """RWSRC is seen by a bind as well, and has the directory above in common with WORKDIR."""
    (tree / "secret").mkdir()
    (tree / "secret/id").write_text("SECRET")
    (tree / "secret/id").chmod(0o600)
    script = shlex.join([*python(LINK_ATTACK), target.format(tree=tree), "/up"])
    give(caller, tree)
    before = host_state(tree / "secret")
    result = merge(tree, caller, "fuse", script, ["--overlay", tree / "up", tree / "work", "/m", "--bind", tree / "up", "/up"])
    assert result.returncode == 0 and "SECRET" not in result.stdout and "\n6\n" not in result.stdout, result
    assert host_state(tree / "secret") == before and (tree / "secret/id").read_text() == "SECRET"


@needs_fuse
@pytest.mark.root
@pytest.mark.parametrize("pid", [[], ["--unshare-pid"]])
@pytest.mark.parametrize("caller", [*CALLERS, "root in a chroot"])
def test_the_helpers_see_the_layers_and_their_libraries_alone(caller, pid, tree):
    prefix = fuse_prefix(caller)
    if caller == "root in a chroot":
        (tree / "chroot").mkdir()
        prefix = host_mounts(f"{FUSE_DEVICE}; mount --rbind / {tree}/chroot", then=f'exec /usr/sbin/chroot {tree}/chroot "$@"')
        caller = "root"
    give(caller, tree)
    _, changes_fd = pipe()
    with start([*WITH_PROC, *pid, "--overlay-backend", "fuse", "--overlay-changes", changes_fd, *layers(tree), "--overlay", tree / "up",
                tree / "work", "/m"], ["sh", "-c", "echo ready; read x"], prefix=prefix, stdin=subprocess.PIPE) as process:
        assert line_from(process) == "ready", process.stderr.read()
        (helper,) = helpers_of(tree)
        assert set(os.listdir(f"/proc/{helper}/root")) <= {
            "layers", "writable", "covers", "proc", "usr", "bin", "lib", "lib32", "lib64", "libx32", "etc"}
        assert os.listdir(f"/proc/{helper}/root/etc") in ([], ["ld.so.cache"])
        points = {mount.point: mount for mount in parse_mountinfo(Path(f"/proc/{helper}/mountinfo").read_text())}
        assert [point for point in points if point.startswith(("/layers/", "/writable"))]
        for point, mount in points.items():
            assert mount.has("nosymfollow") or not point.startswith(("/layers/", "/writable")), mount
            assert mount.has("ro") or point == "/writable", mount
            assert point == "/" or point.split("/")[1] in ("layers", "writable", "proc", "usr", "bin", "lib", "lib32", "lib64", "libx32", "etc")
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        assert str(helper) in children
        assert [] in [os.listdir(f"/proc/{child}/root") for child in children]  # the reader's is RWSRC, where nothing is yet
        process.stdin.close()
        process.wait()


# FILE is new, DIRECTORY is a layer's, NAMEs in it are mount points: fuse-overlayfs 1.10 can be confused into saying that they are gone.
TAKE_OFF = """
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
new, directory, *names = sys.argv[1:]
def attempt(what, *args):
    try:
        return what(*args)
    except OSError as error:
        return error.strerror
def exchange(a, b):
    libc.renameat2(-100, a.encode(), -100, b.encode(), 2)
def look(name):
    path = f"{directory}/{name}"
    return attempt(os.listdir, path) if os.path.isdir(path) else attempt(lambda: open(path).read())
open(new, "w").close()
open("/tmp/elsewhere", "w").close()
exchange(new, directory)
for name in names:
    attempt(os.link, "/tmp/elsewhere", f"{new}/{name}")
exchange(directory, new)
print("mounts", sum(f" {directory}/" in line for line in open("/proc/self/mountinfo")))
for i in range(3):  # fuse-overlayfs reads the directory again when something in it was renamed
    attempt(os.mkdir, f"{directory}/t{i}")
    attempt(os.rename, f"{directory}/t{i}", f"{directory}/v{i}")
    attempt(os.listdir, directory)
    for name in names:
        print(look(name))
        for secret in ("id", "deep/id"):
            print(attempt(lambda: open(f"{directory}/{name}/{secret}").read()))
"""
MASKED = {
    "by its name": (["--tmpfs", "/m/u/.ssh", "--ro-bind", "/dev/null", "/m/u/.netrc"], ""),
    "by a link in a layer": (["--tmpfs", "/m/link/.ssh", "--ro-bind", "/dev/null", "/m/abs/.netrc"], ""),
    "by a link of the sandbox": (["--symlink", "/m/u", "/way", "--tmpfs", "/way/.ssh", "--ro-bind", "/dev/null", "/way/../u/.netrc"], ""),
    "by a link that an earlier run has left": (["--tmpfs", "/m/left/.ssh", "--ro-bind", "/dev/null", "/m/left/.netrc"], "ln -s u /m/left"),
    "in RWSRC": (["--tmpfs", "/m/u/.ssh", "--ro-bind", "/dev/null", "/m/u/.netrc"],
                 "mkdir -p /m/u/.ssh/deep; for f in .ssh/id .ssh/deep/id .netrc; do echo SECRET >/m/u/$f; done"),
    "what is below first": (["--tmpfs", "/m/u/.ssh/deep", "--tmpfs", "/m/u/.ssh", "--ro-bind", "/dev/null", "/m/u/.netrc"], ""),
}


@pytest.mark.parametrize("how, more", [*((how, []) for how in MASKED), ("by its name", ["--unshare-all"]),
                                       ("by its name", ["--unshare-user", "--disable-userns"])])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("caller", CALLERS)
def test_nothing_of_the_layers_is_behind_a_mount_on_an_overlay(caller, backend, how, more, tree):
    masks, earlier = MASKED[how]
    (tree / "high/u/.ssh/deep").mkdir(parents=True)
    for path in ("high/u/.ssh/id", "high/u/.ssh/deep/id", "high/u/.netrc"):
        (tree / path).write_text("SECRET")
    (tree / "low/link").symlink_to("u")
    (tree / "high/abs").symlink_to("/m/u")
    where = ["--overlay", tree / "up", tree / "work", "/m"]
    if earlier:
        assert merge(tree, caller, backend, earlier, where).returncode == 0
        shutil.rmtree(tree / "work")
        (tree / "work").mkdir()
    script = shlex.join([*python(TAKE_OFF), "/m/new", "/m/u", ".ssh", ".netrc"])
    result = merge(tree, caller, backend, script, [*where, "--tmpfs", "/tmp", *masks], more)
    assert result.returncode == 0 and "mounts" in result.stdout, result
    assert "SECRET" not in result.stdout and "deep" not in result.stdout and "'id'" not in result.stdout, result
    assert backend == "fuse" or "mounts 0" not in result.stdout


@needs_fuse
@pytest.mark.parametrize("caller", CALLERS)
def test_it_is_told_that_a_mount_on_fuse_can_be_taken_off(caller, tree):
    (tree / "high/file").touch()
    result = merge(tree, caller, "fuse", "true", ["--tmp-overlay", "/m", "--ro-bind", "/dev/null", "/m/file", "--tmpfs", "/m/gone",
                                                  "--tmpfs", "/m/gone/x", "--tmpfs", "/m"], ["--verbose"])
    told = [line for line in result.stderr.splitlines() if "COMMAND can take off what is mounted" in line]
    assert result.returncode == 0 and len(told) == 2 and "/m/file" in told[0] and "/m/gone" in told[1], result
    assert "take off" not in merge(tree, caller, "fuse", "true", ["--tmp-overlay", "/m", "--tmpfs", "/m/gone"]).stderr


@needs_fuse
@pytest.mark.root
@pytest.mark.parametrize("caller", CALLERS)
def test_a_mount_on_another_fuse_file_system_is_warned_about(caller, tree):
    (tree / "mnt").mkdir()
    give(caller, tree)
    prefix = fuse_prefix(caller, f"fuse-overlayfs -o allow_other,lowerdir={tree}/low {tree}/mnt 2>/dev/null")
    result = run([*BASE, "--bind", tree / "mnt", "/f", "--tmpfs", "/f/dir", "--tmpfs", "/f/gone", "--tmpfs", "/other"], ["cat", "/f/file"],
                 prefix=prefix)
    assert result.returncode == 0 and result.stdout == "low", result
    assert result.stderr.count("\n") == 1 and "/f/dir is on a FUSE file system: COMMAND may be able to take off" in result.stderr


def test_a_mount_on_virtiofs_which_the_virtual_machines_host_serves_is_not_warned_about():
    found = [entry.path for mount in parse_mountinfo(Path("/proc/self/mountinfo").read_text()) if mount.type == "virtiofs"
             and os.path.isdir(mount.point) for entry in os.scandir(mount.point) if entry.is_dir(follow_symlinks=False)]
    if not found:
        pytest.skip("no directory on a virtiofs here")
    assert_ok(run([*BASE, "--bind", os.path.dirname(found[0]), "/f", "--tmpfs", f"/f/{os.path.basename(found[0])}"], ["true"]))
