"""Layers merged into one tree, by the kernel and by fuse-overlayfs alike, and mistakes in asking for it."""
import os
import shutil
import subprocess
import uuid
from pathlib import Path

import pytest

from overlays import (BACKENDS, CALLERS, FUSE_DEVICE, HAS_FUSE, changes, fuse_prefix, give, host_state, layers, merge,
                      need_kernel_overlay, needs_fuse, tree)
from sandbox import (BASE, IS_ROOT, WITH_PROC, as_user, assert_ok, assert_refused, close, data_fd, host_mounts, keep,
                     mounts_inside, pipe, python, refused, run, user_ids)


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


# ---- packages ----

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


@pytest.mark.programs
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
