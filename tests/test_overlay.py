"""Layers merged into one tree, by the kernel and by fuse-overlayfs."""
import errno
import json
import os
import shlex
import shutil
import signal
import subprocess
import uuid
from pathlib import Path

import pytest

from overlays import (BACKENDS, CALLERS, FUSE_DEVICE, HAS_FUSE, changes, fuse_prefix, give, has_user_xattrs, layers,
                      listed, merge, need_kernel_overlay, needs_fuse, tree)
from sandbox import (BASE, BINARY, IS_ROOT, WITH_PROC, as_user, assert_ok, assert_refused, at_eof, close, command_line,
                     data_fd, host_mounts, keep, line_from, mounts_inside, parse_mountinfo, pipe, python, python_prefix,
                     readable, refused, run, session_members, start, user_ids, wait_for)


def host_state(path):
    return sorted((str(p), p.lstat().st_mode, p.lstat().st_size, p.lstat().st_mtime_ns) for p in Path(path).rglob("*"))


# ---- what is seen ----

@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("caller", CALLERS)
def test_the_last_layer_is_the_topmost(caller, backend, tree):
    result = merge(tree, caller, backend, "cat /m/both /m/dir/old /m/dir/new; ls /m", ["--ro-overlay", "/m"])
    assert result.stdout == "higholdnewboth\ndir\nfile\ngone\n", result


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("caller", CALLERS)
def test_a_ro_overlay_takes_no_writes(caller, backend, tree):
    result = merge(tree, caller, backend, "touch /m/x 2>&1 | grep -c Read-only; grep -c ' /m ro,nosuid,nodev' /proc/self/mountinfo",
                   ["--ro-overlay", "/m"])
    assert result.stdout == "1\n1\n", result


@pytest.mark.parametrize("caller", CALLERS)
def test_missing_parents_are_the_users_alone_as_above_a_bind(caller, tree):
    result = merge(tree, caller, "kernel", "stat -c %a /a /a/b /a/b/c", ["--tmp-overlay", "/a/b/c"])
    assert result.stdout == "700\n700\n755\n", result


# mkfifo -m: fuse-overlayfs 1.14 does not apply the umask to what is made by mknod(2).
EVERYTHING = """cd /m
echo changed >file; chmod 600 both; rm -r gone; mv dir/old dir/moved; mv dir/sub renamed 2>/dev/null || { cp -r dir/sub renamed; rm -r dir/sub; }
rm dir/new; mkdir fresh; echo y >fresh/y; mkfifo -m 640 fresh/fifo; ln -s y fresh/sym; ln fresh/y fresh/hard
mkdir gone; echo z >gone/z
cat fresh/hard; find . | sort; stat -c '%n %a %F %h' both fresh/y fresh/fifo fresh/sym; rm -r gone fresh; mkdir gone; echo z >gone/z; ls gone"""


@pytest.mark.parametrize("how", ["tmp", "upper"])
@pytest.mark.parametrize("caller", CALLERS)
def test_writes_look_alike_in_both_backends_and_leave_the_layers_alone(caller, how, tree):
    before = host_state(tree / "low"), host_state(tree / "high")
    seen = []
    for backend in ("kernel", "fuse") if HAS_FUSE else ("kernel",):
        for name in ("up", "work"):
            (tree / name / backend).mkdir()
        where = (["--tmp-overlay", "/m"] if how == "tmp" else
                 ["--overlay", tree / "up" / backend, tree / "work" / backend, "/m"])
        result = merge(tree, caller, backend, EVERYTHING, where)
        assert result.returncode == 0 and not result.stderr, result
        seen.append(result.stdout)
    assert len(set(seen)) == 1, seen
    assert (host_state(tree / "low"), host_state(tree / "high")) == before


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("caller", CALLERS)
def test_rm_r_of_a_merged_tree_leaves_nothing(caller, backend, tree):
    result = merge(tree, caller, backend, "rm -r /m/*; ls -A /m; mkdir /m/dir; ls -A /m/dir",
                   ["--overlay", tree / "up", tree / "work", "/m"])
    assert result.returncode == 0 and result.stdout == "", result


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("caller", CALLERS)
def test_an_upper_directory_can_be_used_again(caller, backend, tree):
    how = ["--overlay", tree / "up", tree / "work", "/m"]
    assert merge(tree, caller, backend, "rm /m/file; echo 2 >/m/two", how).returncode == 0
    assert merge(tree, caller, backend, "ls /m; cat /m/two", how).stdout == "both\ndir\ngone\ntwo\n2\n"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("caller", CALLERS)
def test_the_mount_is_nosuid_and_nodev(caller, backend, tree):
    result = merge(tree, caller, backend, "grep ' /m ' /proc/self/mountinfo")
    assert " rw,nosuid,nodev," in result.stdout, result


# A mount's flags, and whether a writable overlay of it has them.
@pytest.mark.root
@pytest.mark.parametrize("where", ["low", "high", "up"])
@pytest.mark.parametrize("flag", ["noexec", "nosymfollow"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("caller", CALLERS)
def test_what_the_mount_of_a_layer_forbids_is_forbidden_on_the_overlay(caller, backend, flag, where, tree):
    (tree / where / "program").write_text("#!/bin/sh\necho ran")
    (tree / where / "program").chmod(0o755)
    (tree / where / "link").symlink_to("program")
    give(caller, tree)
    if backend == "kernel":
        need_kernel_overlay(caller, tree)
    part = tree if where == "up" else tree / where  # RWSRC and WORKDIR have to be on one mount
    prefix = fuse_prefix(caller, f"mount --bind {part} {part}; mount -o remount,bind,{flag} {part} || exit 77")
    script = "/m/program; read x </m/link && echo followed; true"
    result = run([*BASE, "--overlay-backend", backend, *layers(tree), "--overlay", tree / "up", tree / "work", "/m"],
                 ["sh", "-c", script], prefix=prefix)
    if result.returncode == 77:
        pytest.skip(f"mount(8) does not know {flag}")
    assert result.returncode == 0 and result.stdout == ("followed\n" if flag == "noexec" else "ran\n"), result


@pytest.mark.parametrize("options", [[], ["--overlay-opt", "volatile"]])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("caller", CALLERS)
def test_what_is_left_in_the_work_directory_can_be_removed_by_its_owner(caller, backend, options, tree):
    result = merge(tree, caller, backend, "echo 1 >/m/file; rm -r /m/gone; mv /m/both /m/dir", ["--overlay", tree / "up", tree / "work", "/m"],
                   options)
    assert result.returncode == 0, result
    owner = as_user() if caller == "user" and IS_ROOT else []
    assert subprocess.run([*owner, "rm", "-r", tree / "work"], stderr=subprocess.PIPE, stdin=subprocess.DEVNULL).returncode == 0
    for path, _, _ in os.walk(tree / "work"):
        assert os.stat(path).st_mode & 0o700 == 0o700


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["with:colon", "with,comma", "back\\slash", "a space", "new\nline", "lowerdir=x"])
def test_paths_need_no_escaping(name, backend, tree):
    if backend == "kernel":
        need_kernel_overlay(CALLERS[-1], tree)
    (tree / name).mkdir()
    # fuse-overlayfs alone cannot do with a colon in RWSRC's own name
    upper = tree / name / ("up" if (name, backend) == ("with:colon", "fuse") else f"up {name}")
    work = tree / name / f"work {name}"
    (tree / "low").rename(tree / f"low {name}")
    (tree / "up").rename(upper)
    (tree / "work").rename(work)
    give(CALLERS[-1], tree)
    result = run([*BASE, "--overlay-backend", backend, "--overlay-src", tree / f"low {name}",
                  "--overlay", upper, work, "/m"], ["sh", "-c", "cat /m/file; echo 1 >/m/one"], prefix=fuse_prefix(CALLERS[-1]))
    assert result.stdout == "low" and not result.stderr, result
    assert (upper / "one").read_text() == "1\n"


@needs_fuse
def test_fuse_overlayfs_takes_no_upper_directory_whose_name_has_a_colon(tree):
    (tree / "up").rename(tree / "up:x")
    give(CALLERS[-1], tree)
    refused(["--overlay-backend", "fuse", *layers(tree), "--overlay", tree / "up:x", tree / "work", "/m"],
            "no RWSRC whose name has a colon", base=BASE, prefix=fuse_prefix(CALLERS[-1]))


@pytest.mark.parametrize("how", ["tmp", "upper"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_layer_within_another_is_a_mistake_up_to_the_root(backend, how, tree):
    give(CALLERS[-1], tree)
    where = ["--tmp-overlay", "/m"] if how == "tmp" else ["--overlay", tree / "up", tree / "work", "/m"]
    refused(["--overlay-backend", backend, "--overlay-src", "/", "--overlay-src", tree / "low", *where],
            f"the layer {tree / 'low'} and the layer / overlap", base=BASE, prefix=fuse_prefix(CALLERS[-1]))
    assert not list((tree / "work").iterdir())


@pytest.mark.parametrize("caller", CALLERS)
def test_a_layer_by_descriptor(caller, tree):
    give(caller, tree)
    fd = keep(os.open(tree / "low", os.O_PATH))
    result = run([*WITH_PROC, "--overlay-src-fd", fd, "--tmp-overlay", "/m"],
                 ["sh", "-c", f"cat /m/file; [ ! -e /proc/self/fd/{fd} ] || echo LEAKED"], prefix=fuse_prefix(caller))
    assert result.stdout == "low", result


def test_a_descriptor_whose_directory_was_replaced_is_refused(tree):
    fd = keep(os.open(tree / "low", os.O_PATH))
    (tree / "low").rename(tree / "elsewhere")
    assert run([*BASE, "--overlay-src-fd", fd, "--tmp-overlay", "/m"], ["true"]).returncode == 0
    shutil.rmtree(tree / "elsewhere")
    refused(["--overlay-src-fd", fd, "--tmp-overlay", "/m"], "--overlay-src-fd", base=BASE)


@pytest.mark.parametrize("number", [1, 10, 100, 500])
def test_many_layers(number, tree):
    sources = []
    for i in range(number):
        (tree / f"l{i}").mkdir()
        (tree / f"l{i}/f{i}").touch()
        sources += ["--overlay-src", tree / f"l{i}"]
    give(CALLERS[0], tree)
    version = tuple(map(int, os.uname().release.split(".")[:2]))
    result = run([*BASE, "--overlay-backend", "kernel", *sources, "--tmp-overlay", "/m"], ["ls", "/m"],
                 prefix=fuse_prefix(CALLERS[0]))
    if not IS_ROOT:
        need_kernel_overlay("user")
    if version < (6, 7) and number > 60:
        assert_refused(result, "Linux 6.7")
    else:
        assert len(result.stdout.splitlines()) == number, result


def test_an_overlay_can_be_the_root(tree):
    give(CALLERS[-1], tree)
    result = run([*layers(tree), "--tmp-overlay", "/", *WITH_PROC], ["sh", "-c", "ls /; cat /both"],
                 prefix=fuse_prefix(CALLERS[-1]))
    assert result.stdout == "bin\nboth\ndir\nfile\ngone\nlib\nlib64\nproc\nusr\nhigh", result


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


# ---- limits ----

def can_limit_memory():
    top = Path("/sys/fs/cgroup")
    lists = [path for path in (top / "cgroup.controllers", top / "unified/cgroup.controllers") if path.exists()]
    return (top / "memory/cgroup.procs").exists() or any("memory" in path.read_text().split() for path in lists)


limits_memory = pytest.mark.skipif(not can_limit_memory(), reason="no memory controller")
LIMIT = ["--limit", "memory.max", "60M", "--limit-try", "memory.swap.max", "0"]


def groups_of(pid):
    # os.walk(), unlike glob(), does not mind what disappears
    return [path for path, _, _ in os.walk("/sys/fs/cgroup") if os.path.basename(path).startswith(f"bwrapish-{pid}-")]


def helpers_with_limits(supervisor):
    return {int(pid) for path in groups_of(supervisor) if os.path.exists(f"{path}/helper")
            for pid in Path(path, "helper/cgroup.procs").read_text().split()}


@pytest.mark.root
@limits_memory
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_memory_limit_holds_for_what_is_written_to_an_overlay(backend, tree):
    """Whoever keeps it for COMMAND."""
    fd = data_fd()
    result = merge(tree, "root", backend, "head -c 100M /dev/zero >/m/big || stat -c %s /m/big || true", timeout=100,
                   more=["--limit", "memory.max", "20M", *LIMIT[3:], "--json-status-fd", fd])
    use = [json.loads(line) for line in os.pread(fd, 65536, 0).decode().splitlines()][-2]
    assert use["oom-kills"] >= 1 and use["memory-peak-bytes"] <= 20 << 20
    assert int(result.stdout or 0) < 20 << 20


@pytest.mark.root
@limits_memory
@pytest.mark.parametrize("backend", BACKENDS)
def test_changes_are_listed_where_limits_are_set(backend, tree):
    """The helper is in the group that is killed, and still writes everything before."""
    how = ["--overlay", tree / "up", tree / "work", "/m"]
    script = ("(setsid sh -c 'while :; do echo x >/m/dir/late; done' &)\n"
              "echo 2 >/m/file; rm /m/both; exec 5</m/dir/old; rm /m/dir/old")
    _, lines = listed(tree, "root", backend, script, how, LIMIT)
    assert [lines[f"/m/{name}"]["change"] for name in ("file", "both", "dir/old")] == ["changed", "removed", "removed"]
    if backend == "fuse":  # its files that are unlinked and still open
        assert not [path for path in (tree / "work").rglob("*") if path.is_file()]


@needs_fuse
@pytest.mark.root
@limits_memory
@pytest.mark.parametrize("end", ["end", "SIGTERM before the start", "time", "parent"])
def test_a_helper_with_limits_ends_with_the_sandbox(end, tree):
    give("root", tree)
    block_fd, go_fd = pipe()
    options = {"end": [], "time": ["--timeout", "1"], "parent": ["--die-with-parent"],
               "SIGTERM before the start": ["--block-fd", block_fd]}
    args = [*WITH_PROC, *LIMIT, *options[end], "--overlay-backend", "fuse", *layers(tree), "--tmp-overlay", "/m"]
    script = "echo 1 >/m/x; sleep 1" if end == "end" else "sleep 50"
    with start(args, ["sh", "-c", script], prefix=["sh", "-c", '"$@" & echo $!; wait', "sh"]) as parent:
        supervisor = int(line_from(parent))
        wait_for(lambda: helpers_of(tree), 20, "the start")
        assert helpers_with_limits(supervisor) == helpers_of(tree)
        if end == "SIGTERM before the start":
            os.kill(supervisor, signal.SIGTERM)
        elif end == "parent":
            parent.kill()
        wait_for(lambda: not groups_of(supervisor) and not helpers_of(tree), 20, "the end")
    close(go_fd)


# ---- helpers that COMMAND meddles with ----

# The supervisor's other children are the helpers.
FIND_HELPERS = """
import ctypes, os, signal, struct, sys, time
def parent(pid):
    try:
        return int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0
helpers = [int(p) for p in os.listdir("/proc") if p.isdigit() and int(p) != os.getpid() and parent(p) == os.getppid()]
assert helpers
"""


@pytest.mark.parametrize("caller", CALLERS)
def test_a_killed_reader_is_told(caller, tree):
    read_fd, write_fd = pipe()
    script = "exec " + shlex.join(python(FIND_HELPERS + "os.kill(helpers[0], 9)\nos.unlink('/m/file')"))
    result = merge(tree, caller, "kernel", script, more=["--overlay-changes", write_fd])
    close(write_fd)
    assert result.returncode == 1 and "Can't list changes: the process that lists them was ended by signal 9" in result.stderr
    assert result.stderr.count("\n") == 1 and at_eof(read_fd)


@needs_fuse
@pytest.mark.parametrize("caller", CALLERS)
def test_a_killed_fuse_overlayfs_is_told(caller, tree):
    read_fd, write_fd = pipe()
    script = "exec " + shlex.join(python(FIND_HELPERS + "for pid in helpers:\n    if 'fuse' in open(f'/proc/{pid}/comm').read(): os.kill(pid, 9)"))
    result = merge(tree, caller, "fuse", script, more=["--overlay-changes", write_fd])
    close(write_fd)
    assert result.returncode == 1 and "Can't list changes: fuse-overlayfs was ended by signal 9" in result.stderr
    assert at_eof(read_fd)


@pytest.mark.root
def test_a_process_with_the_number_of_a_dead_helper_is_neither_spared_nor_waited_for(tree):
    script = FIND_HELPERS + """
os.kill(helpers[0], 9)
while os.path.exists(f"/proc/{helpers[0]}"): time.sleep(0.01)
os.unlink("/m/file")
number = (ctypes.c_int * 1)(helpers[0])
args = ctypes.create_string_buffer(struct.pack("11Q", 0, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, ctypes.addressof(number), 1, 0))
if ctypes.CDLL(None).syscall(435, args, 88) == 0:  # clone3() with set_tid
    os.setsid()
    for fd in range(3): os.close(fd)
    time.sleep(5)
    os._exit(0)
assert os.path.exists(f"/proc/{helpers[0]}")
print(helpers[0])
"""
    read_fd, write_fd = pipe()
    result = merge(tree, "root", "kernel", "exec " + shlex.join(python(script)), more=["--overlay-changes", write_fd])
    close(write_fd)
    assert result.returncode == 1 and "Can't list changes" in result.stderr and at_eof(read_fd), result
    assert not os.path.exists(f"/proc/{int(result.stdout)}")


@pytest.mark.parametrize("more", [[], pytest.param(LIMIT, marks=[pytest.mark.root, limits_memory])], ids=["", "limits"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("caller", CALLERS)
def test_stopped_helpers_hold_nothing_up(caller, backend, more, tree):
    """Who waits for an answer of fuse-overlayfs's cannot even be killed."""
    script = FIND_HELPERS + """
for i in range(3):
    if os.fork() == 0:
        while True: open(f"/m/{i}", "w").close(); os.unlink(f"/m/{i}")
os.unlink("/m/file")
time.sleep(0.1)
for pid in helpers: os.kill(pid, signal.SIGSTOP)
time.sleep(0.2)
"""
    if more and caller == "user":
        pytest.skip("a user without a group of its own")
    _, lines = listed(tree, caller, backend, "exec " + shlex.join(python(script)), ["--tmp-overlay", "/m"], more)
    assert lines["/m/file"]["change"] == "removed"


def listing_for_ever(tree, *more):
    """(a command line whose list nobody reads to its end, the descriptor where it begins)"""
    need_kernel_overlay(CALLERS[-1])
    give(CALLERS[-1], tree)
    read_fd, write_fd = pipe()
    args = [*BASE, *more, "--overlay-backend", "kernel", "--overlay-changes", write_fd, *layers(tree), "--tmp-overlay", "/m"]
    return args, python("for i in range(1000): open(f'/m/{i}' + 'x' * 200, 'w')"), read_fd


def test_a_signal_ends_the_listing(tree):
    args, command, read_fd = listing_for_ever(tree)
    with start(args, command, prefix=fuse_prefix(CALLERS[-1])) as process:
        assert readable(read_fd, 20)
        process.terminate()
        assert process.wait(10) == 128 + 15
        wait_for(lambda: not list(session_members(process.pid)), what="the reader's end")


def test_the_parents_death_ends_the_listing(tree):
    args, command, read_fd = listing_for_ever(tree, "--die-with-parent")
    line = command_line(args, command, prefix=fuse_prefix(CALLERS[-1]))
    with subprocess.Popen(["sh", "-c", '"$@" & echo $!; wait', "sh", *line], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          pass_fds=[arg for arg in args if type(arg) is int]) as parent:
        supervisor = int(parent.stdout.readline())
        assert readable(read_fd, 20)
        parent.kill()
        wait_for(lambda: not os.path.exists(f"/proc/{supervisor}"), what="the supervisor's end")


@pytest.fixture
def package(box):
    """(its name, its file): a file, a configuration file, and a script that writes when it is installed."""
    name = f"bwrapish-test-{uuid.uuid4().hex[:8]}"
    root = box / "package"
    for path, text in ((f"usr/share/{name}", "installed"), (f"etc/{name}", "configuration"),
                       ("DEBIAN/conffiles", f"/etc/{name}\n"),
                       ("DEBIAN/control", f"Package: {name}\nVersion: 1\nArchitecture: all\n"
                                          "Maintainer: x <x@y>\nDescription: x\n"),
                       ("DEBIAN/postinst", f"#!/bin/sh\necho $1 >/var/lib/{name}\n")):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    (root / "DEBIAN/postinst").chmod(0o755)
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", root, box / "p.deb"], check=True, stdout=subprocess.DEVNULL)
    return name, box / "p.deb"


@pytest.mark.skipif(not shutil.which("apt-get") or not os.path.exists("/var/lib/dpkg/info/bubblewrap.list"),
                    reason="no apt, or no bubblewrap installed to remove")
@pytest.mark.parametrize("caller", [pytest.param("root", marks=pytest.mark.root), pytest.param("user", marks=needs_fuse)])
def test_packages_come_and_go_in_a_copy_of_the_host(caller, package, box):
    """By dpkg and apt themselves; a normal user is root with one id, and brings what root keeps to itself."""
    name, file = package
    options, own = [], []
    if caller == "user":
        options = ["--unshare-pid", "--uid", "0", "--gid", "0"]
        for path in ("lock", "lock-frontend", "triggers/Lock"):
            own += ["--bind-data", data_fd(), f"/var/lib/dpkg/{path}"]
        for path in ("/var/lib/apt/lists", "/var/cache/apt", "/var/cache/debconf", "/var/log/apt"):
            own += ["--tmpfs", path]
    give(caller, box)
    script = f"""exec >/dev/null
        dpkg -i {file}; [ "$(cat /usr/share/{name} /etc/{name} /var/lib/{name})" = "installedconfigurationconfigure" ]
        dpkg -r {name}; [ ! -e /usr/share/{name} ]; [ -e /etc/{name} ]
        apt-get -o APT::Sandbox::User=root -o Dpkg::Use-Pty=0 -qq -y install {file}; [ -e /usr/share/{name} ]
        dpkg -r --force-depends bubblewrap; ! [ -e /usr/bin/bwrap ]"""
    read_fd, write_fd = pipe()
    result = run([*options, "--overlay-changes", write_fd, "--overlay-src", "/", "--tmp-overlay", "/", "--dev", "/dev",
                  "--proc", "/proc", *own], ["sh", "-ec", script], prefix=fuse_prefix(caller), timeout=900,
                 env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"})
    close(write_fd)
    assert result.returncode == 0, result
    # Where files came and went, a directory has another time: /tmp.
    lines = {line["path"]: line["change"] for line in changes(read_fd) if (line["change"], line["type"]) != ("changed", "directory")}
    expected = {f"/usr/share/{name}": "added", f"/etc/{name}": "added", f"/var/lib/{name}": "added",
                "/usr/bin/bwrap": "removed",
                "/var/lib/dpkg/status": "changed", f"/var/lib/dpkg/info/{name}.list": "added",
                "/var/lib/dpkg/info/bubblewrap.md5sums": "removed"}
    if caller == "root":  # with fuse-overlayfs 1.10 it is back when what dpkg renamed over it is removed
        expected["/var/lib/dpkg/info/bubblewrap.list"] = "removed"
    assert {path: lines.get(path) for path in expected} == expected
    gone = set(Path("/var/lib/dpkg/info/bubblewrap.list").read_text().split())
    assert [path for path in lines if path not in expected and path not in gone
            and not path.startswith(("/var/lib/dpkg/", "/var/lib/apt/", "/var/log/", "/var/cache/"))] == []
    assert os.path.exists("/usr/bin/bwrap")
    for path in ("/var/lib/dpkg/status", "/var/log/dpkg.log"):
        assert not os.path.exists(path) or name.encode() not in Path(path).read_bytes()
    assert not [path for path in (f"/usr/share/{name}", f"/etc/{name}", f"/var/lib/{name}") if os.path.exists(path)]


# ---- mistakes ----

@pytest.mark.parametrize("args, words", [
    (["--overlay-src", "low", "--overlay-src", "low", "--ro-overlay", "/m"], ["the layer low and the layer low overlap"]),
    (["--overlay-src", "low", "--overlay-src", "low/dir", "--ro-overlay", "/m"], ["the layer low/dir and the layer low overlap"]),
    (["--overlay-src", "low", "--overlay-src", "low/dir", "--tmp-overlay", "/m"], ["low/dir and the layer low overlap"]),
    (["--overlay-src", "low", "--overlay", "up", "missing", "/m"], ["--overlay", "missing: No such file"]),
    (["--overlay-src", "low", "--overlay", "up", "high", "/m"], ["WORKDIR", "high is not empty"]),
    (["--overlay-src", "low", "--overlay", "up", "/dev/shm", "/m"], ["WORKDIR /dev/shm", "another file system"]),
    (["--overlay-src", "low", "--overlay", "up", "up", "/m"], ["RWSRC up and WORKDIR up overlap"]),
    (["--overlay-src", "low", "--overlay", "low", "work", "/m"], ["RWSRC low and the layer low overlap"]),
    (["--overlay-src", "low/file", "--tmp-overlay", "/m"], ["low/file is no directory"]),
    (["--overlay-src", "nowhere", "--tmp-overlay", "/m"], ["Can't find source path nowhere"]),
    (["--overlay-src", "low", "--ro-overlay", "/m"], ["--ro-overlay requires at least two --overlay-src", "--ro-overlay (argument"]),
    (["--tmp-overlay", "/m"], ["--tmp-overlay requires at least one --overlay-src"]),
    (["--overlay-src", "low"], ["--overlay-src", "must be followed by"]),
    (["--overlay-src", "low", "--dir", "/x"], ["--overlay-src", "must be followed by"]),
    (["--overlay-src", "low"] * 501 + ["--tmp-overlay", "/m"], ["too many layers: 501"]),
    (["--overlay-backend", "best", "--overlay-src", "low", "--tmp-overlay", "/m"], ["neither auto, kernel nor fuse"]),
    (["--overlay-opt", "flux=9", "--overlay-src", "low", "--tmp-overlay", "/m"], ["Unknown overlay option flux=9"]),
    (["--overlay-opt", "lowerdir=/", "--overlay-src", "low", "--tmp-overlay", "/m"], ["Unknown overlay option lowerdir=/"]),
    (["--overlay-opt", "volatile,lowerdir=/", "--overlay-src", "low", "--tmp-overlay", "/m"], ["volatile,lowerdir=/"]),
    (["--overlay-opt", "index=maybe", "--overlay-src", "low", "--tmp-overlay", "/m"], ["index=maybe"]),
    (["--overlay-backend", "fuse", "--overlay-opt", "index=off", "--overlay-src", "low", "--tmp-overlay", "/m"], ["index=off"]),
    (["--overlay-changes", "1", *["--overlay-src", "low"] * 2, "--ro-overlay", "/m"], ["nothing can change"]),
])
def test_a_mistake_is_one_line_and_leaves_nothing(args, words, tree):
    if "index=maybe" in args:
        need_kernel_overlay(CALLERS[-1])
    give(CALLERS[-1], tree)
    before = host_state(tree / "low"), host_state(tree / "up"), host_state(tree / "work")
    refused(args, *words, base=BASE, cwd=tree, prefix=fuse_prefix(CALLERS[-1]))
    assert (host_state(tree / "low"), host_state(tree / "up"), host_state(tree / "work")) == before


def test_a_reader_of_changes_that_is_killed_during_setup_is_one_line(tree):
    # It closes descriptors before anybody else does.
    killed = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", "inject=close_range:signal=KILL:when=1"]
    need_kernel_overlay("user")
    give(CALLERS[-1], tree)
    refused(["--overlay-backend", "kernel", *layers(tree), "--overlay-changes", data_fd(), "--tmp-overlay", "/m"],
            "--overlay-changes (argument ", "was ended; nothing was run\n", base=BASE, prefix=killed)


@pytest.mark.root
@pytest.mark.skipif(not os.access("/usr/bin/fuse-overlayfs", os.X_OK), reason="no fuse-overlayfs to take away")
@pytest.mark.parametrize("setup, words", [
    ("mount -t tmpfs none /dev/shm; touch /dev/shm/none; chmod 0 /dev/shm/none; mount --bind /dev/shm/none /usr/bin/fuse-overlayfs",
     "not installed"),
    (FUSE_DEVICE.replace("-m 666", "-m 600"), "Can't open /dev/fuse: Permission denied; usually everybody may open it (mode 0666)"),
    ("mount --bind /dev/null /dev/fuse", "Can't make a FUSE mount"),
], ids=["no helper", "no right to the device", "not the device"])
def test_fuse_that_cannot_be_had_is_one_line(setup, words, tree):
    give("user", tree)
    refused(["--overlay-backend", "fuse", "--overlay-src", tree / "low", "--tmp-overlay", "/m"], words, base=BASE,
            prefix=host_mounts(setup, user=user_ids()[0]))


def test_options_reach_the_kernel(tree):
    need_kernel_overlay(CALLERS[-1])
    give(CALLERS[-1], tree)
    mounts = mounts_inside(["--overlay-opt", "volatile", *layers(tree), "--tmp-overlay", "/m"], prefix=fuse_prefix(CALLERS[-1]))
    assert mounts["/m"].type == "overlay"


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_lock_on_a_file_in_an_overlay_is_held(backend, tree):
    """Where overlayfs maps a file it keeps the one below, and not what was locked."""
    caller = CALLERS[0]
    give(caller, tree)
    need_kernel_overlay(caller)
    attempt = "try: __import__('fcntl').lockf(open('/m/both', 'r+'), 6); print('free')\nexcept OSError: print('held')"
    result = run([*BASE, "--unshare-pid", "--overlay-backend", backend, *layers(tree), "--tmp-overlay", "/m", "--lock-file", "/m/both"],
                 python(attempt), prefix=fuse_prefix(caller))
    assert result.stdout == "held\n", result


@pytest.mark.parametrize("kind, most", [("ro", 9), ("tmp", 9), ("rw", 11), ("three of six layers", 13)])
def test_few_descriptors_are_enough_for_overlays(kind, most, tree):
    caller = CALLERS[0]
    more = [tree / name for name in "abcd"]
    for path in more:
        path.mkdir()
    give(caller, tree)
    need_kernel_overlay(caller, tree / "up" if kind == "rw" else "/dev/shm")
    if tuple(map(int, os.uname().release.split(".")[:2])) < (6, 7):
        most += 1  # layers are one string, relative to a directory
    args = {"ro": [*layers(tree), "--ro-overlay", "/o"],
            "tmp": [*layers(tree), "--tmp-overlay", "/o"],
            "rw": [*layers(tree), "--overlay", tree / "up", tree / "work", "/o"],
            "three of six layers": [word for i in range(3) for word in (
                *layers(tree), *(w for path in more for w in ("--overlay-src", path)), "--tmp-overlay", f"/o{i}")]}[kind]
    result = run([*BASE, *args], ["sh", "-c", "cat /o*/both"], prefix=["prlimit", f"--nofile={most}:{most}"])
    assert_ok(result)
    assert result.stdout == "high" * (3 if "three" in kind else 1)


@needs_fuse
@pytest.mark.parametrize("most", [11, 14, 17, 20, 24, 29, 64])
def test_few_descriptors_are_enough_where_fuse_overlayfs_would_take_more(most, tree):
    give("user", tree)
    need_kernel_overlay("user")
    result = run([*BASE, "--overlay-src", "/usr", *layers(tree), "--tmp-overlay", "/o"], ["cat", "/o/both"],
                 prefix=[*fuse_prefix("user"), "prlimit", f"--nofile={most}:{most}"])
    assert (result.returncode, result.stdout) == (0, "high"), result
    assert ("taking fuse-overlayfs" in result.stderr) == (most == 64)
    assert ("files of other users cannot be changed in /o: " in result.stderr) == (most < 64)


@needs_fuse
def test_fuse_overlayfs_is_begun_with_few_descriptors_where_it_was_asked_for(tree):
    give("user", tree)
    result = run([*BASE, "--overlay-backend", "fuse", *layers(tree), "--tmp-overlay", "/o"], ["cat", "/o/both"],
                 prefix=[*fuse_prefix("user"), "prlimit", "--nofile=30:30"])
    assert (result.returncode, result.stdout, result.stderr) == (0, "high", "")


@pytest.mark.root
@pytest.mark.skipif(not os.path.exists("/dev/fuse"), reason="no /dev/fuse to take away")
def test_fuse_that_cannot_be_had_takes_no_descriptors(tree):
    give("user", tree)
    need_kernel_overlay("user")
    most = 10 + (tuple(map(int, os.uname().release.split(".")[:2])) < (6, 7))
    args = [word for i in range(3) for word in ("--overlay-src", "/usr", *layers(tree), "--tmp-overlay", f"/o{i}")]
    result = run([*BASE, *args], ["sh", "-c", "cat /o*/both"],
                 prefix=[*host_mounts(FUSE_DEVICE.replace("-m 666", "-m 600"), user=user_ids()[0]),
                         "prlimit", f"--nofile={most}:{most}"])
    assert (result.returncode, result.stdout) == (0, "high" * 3), result
    assert result.stderr.count("files of other users cannot be changed") == 3
