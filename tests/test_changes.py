"""--overlay-changes: the list of what was changed."""
import os
import re
import shlex
import shutil

import pytest

from overlays import (BACKENDS, CALLERS, changes, fuse_prefix, give, has_user_xattrs, layers, listed, merge,
                      need_kernel_overlay, needs_fuse, tree)
from sandbox import BASE, IS_SANITIZED, assert_ok, close, data_fd, keep, mark, pipe, processes_with, python, run

SCRIPT = """cd /m; echo 2 >file; chmod 700 dir; rm -r gone; rm both; mkdir -p fresh/deep; mkfifo fresh/deep/fifo; ln -s a fresh/link
rm -r dir/sub; mkdir dir/sub; echo 3 >dir/sub/three"""


@pytest.mark.parametrize("pid", [[], ["--unshare-pid"]])
@pytest.mark.parametrize("how", ["tmp", "upper"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("caller", CALLERS)
def test_changes_are_listed(caller, backend, how, pid, tree):
    where = ["--tmp-overlay", "/m"] if how == "tmp" else ["--overlay", tree / "up", tree / "work", "/m"]
    _, lines = listed(tree, caller, backend, SCRIPT, where, pid)
    assert {path: (line["change"], line["type"]) for path, line in lines.items()} == {
        "/m/file": ("changed", "file"), "/m/dir": ("changed", "directory"), "/m/gone": ("removed", "directory"),
        "/m/both": ("removed", "file"), "/m/fresh": ("added", "directory"), "/m/fresh/deep": ("added", "directory"),
        "/m/fresh/deep/fifo": ("added", "fifo"), "/m/fresh/link": ("added", "symlink"),
        "/m/dir/sub": ("opaque", "directory"), "/m/dir/sub/three": ("added", "file")}, lines
    assert lines["/m/dir"]["mode"] == "0700" and lines["/m/file"]["size"] == 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_changed_is_an_empty_list(backend, tree):
    assert listed(tree, CALLERS[-1], backend, "cat /m/dir/old >/dev/null; ls -R /m >/dev/null", ["--tmp-overlay", "/m"])[1] == {}


@needs_fuse
def test_fuse_tells_what_was_renamed(tree):
    _, lines = listed(tree, CALLERS[-1], "fuse", "mv /m/file /m/dir/other", ["--tmp-overlay", "/m"])
    if has_user_xattrs("/dev/shm"):
        assert lines["/m/dir/other"]["change"] == "renamed" and lines["/m/dir/other"]["from"] == "/m/file"
    else:  # where it would be noted
        assert lines["/m/dir/other"]["change"] == "added"
    assert lines["/m/file"]["change"] == "removed"


# What COMMAND can write of the marks that backends use: attributes, and files that hide others, with something in them.
FORGERY = """
import itertools, os
names = [f"{prefix}.{what}" for prefix in ("user.overlay", "trusted.overlay", "user.fuseoverlayfs") for what in ("opaque", "redirect", "origin")]
for path, name in itertools.product((".", "dir"), names):
    try:
        os.setxattr(path, name, b"y" if name.endswith("opaque") else b"/../../../etc")
    except OSError:
        pass
os.mkdir(".wh.gone")
for path in (".wh.both", ".wh..wh..opq", "dir/.wh..wh..opq"):
    os.mknod(path)
open("plain", "w").write("x")
os.rename("plain", ".wh.file")
open(".wh.gone/inside", "w").write("x")
"""
# -f: fuse-overlayfs may look again in the meantime (after a second), obey a mark and hide what it hides.
HONEST = "cd /m; echo 2 >file; rm -f both; rm -rf gone; rm -f dir/old; echo 3 >dir/new"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("caller", CALLERS)
def test_a_command_cannot_hide_changes_with_marks_of_its_own(caller, backend, tree):
    forgery = shlex.join(python(FORGERY))
    _, honest = listed(tree, caller, backend, HONEST, ["--tmp-overlay", "/m"])
    _, forged = listed(tree, caller, backend, f"cd /m; {forgery}; {HONEST}", ["--tmp-overlay", "/m"])
    for path, line in honest.items():  # fuse-overlayfs notes no removal in a directory whose mark it obeys
        assert path in forged or forged[os.path.dirname(path)]["change"] == "opaque", path
        assert path not in forged or forged[path]["change"] == line["change"], path
    if backend == "kernel":
        assert {*honest, "/m/.wh.file"} <= set(forged) and "opaque" not in {line["change"] for line in forged.values()}
    assert {"/m/.wh.gone", "/m/.wh.gone/inside"} <= set(forged)
    assert not [line for line in forged.values() if "from" in line], forged


@needs_fuse
def test_what_fuse_would_hide_from_now_on_is_listed(tree):
    """It obeys some marks of COMMAND's, when the upper directory is used again; 1.14 refuses to set the attribute."""
    how = ["--overlay", tree / "up", tree / "work", "/m"]
    script = shlex.join(python("""import os
try: os.setxattr('/m/dir', 'user.overlay.opaque', b'y')
except PermissionError: print('refused')
os.mknod('/m/.wh.file')"""))
    said, lines = listed(tree, CALLERS[-1], "fuse", script, how)
    changed = {path: line["change"] for path, line in lines.items()}
    assert changed == {"/m/file": "removed"} | ({} if said else {"/m/dir": "opaque"})
    left = "new\nold\nsub\n" if said else ""
    assert merge(tree, CALLERS[-1], "fuse", "ls /m /m/dir", how).stdout == f"/m:\nboth\ndir\ngone\n\n/m/dir:\n{left}"


@needs_fuse
@pytest.mark.parametrize("caller", CALLERS)
def test_a_mark_that_names_no_file_is_listed_as_the_file_that_it_is(caller, tree):
    """fuse-overlayfs refuses to open such a name, but not to link or make a directory of it; 1.14 may refuse more."""
    script = shlex.join(python("""import os
open("/m/dir/old", "w")
for make, name in ((os.mkdir, "."), (lambda path: os.link("/m/dir/old", path), ".."), (lambda path: os.link("/m/dir/old", path), "")):
    try:
        make(f"/m/dir/.wh.{name}")
        print(f"/m/dir/.wh.{name}")
    except OSError:
        pass"""))
    made, lines = listed(tree, caller, "fuse", script, ["--tmp-overlay", "/m"])
    assert set(lines) == {"/m/dir/old", *made.split()} and "removed" not in {line["change"] for line in lines.values()}, lines


@needs_fuse
def test_a_hidden_file_that_was_changed_in_fuse_was_not_renamed(tree):
    (tree / "low/.hidden").write_text("x")
    (tree / "low/dir/.hidden").write_text("x")
    _, lines = listed(tree, CALLERS[-1], "fuse", "cd /m; echo y >.hidden; echo y >>dir/.hidden; echo y >>dir/old", ["--tmp-overlay", "/m"])
    assert {path: line["change"] for path, line in lines.items()} == dict.fromkeys(
        ("/m/.hidden", "/m/dir/.hidden", "/m/dir/old"), "changed")


@pytest.mark.root
def test_root_is_told_a_renamed_directory_with_redirect_dir(tree):
    _, lines = listed(tree, "root", "kernel", "mv /m/dir /m/gone/moved; rm /m/gone/moved/old", ["--tmp-overlay", "/m"],
                      ["--overlay-opt", "redirect_dir=on"])
    assert lines["/m/gone/moved"] | {"size": 0} == {"change": "renamed", "path": "/m/gone/moved", "type": "directory",
                                                    "mode": "0755", "size": 0, "from": "/m/dir"}
    assert lines["/m/gone/moved/old"]["change"] == "removed" and lines["/m/dir"]["change"] == "removed"


def test_any_file_name_survives_the_list(tree):
    name = b"a\"b\\c\nd\te\xff\xc3\xa9\xc3"
    _, lines = listed(tree, CALLERS[-1], "kernel", "printf '\"' >/dev/null; touch \"$(printf '/m/a\"b\\\\c\\nd\\te\\377\\303\\251\\303')\"",
                      ["--tmp-overlay", "/m"])
    assert [os.fsencode(path) for path in lines] == [b"/m/" + name]


@pytest.mark.parametrize("pid", [[], ["--unshare-pid"]])
def test_the_sandbox_ends_with_the_command(pid, tree):
    """What is left behind is killed before the list is made, also when it has left its session."""
    read_fd, write_fd = pipe()
    result = merge(tree, CALLERS[-1], "kernel", "(setsid sh -c 'sleep 1; while :; do echo late >>/m/late; done' &) ; exit 0",
                   more=[*pid, "--overlay-changes", write_fd])
    close(write_fd)
    assert result.returncode == 0 and changes(read_fd) == []


@pytest.mark.root
@pytest.mark.parametrize("backend", BACKENDS)
def test_processes_of_other_users_end_with_the_command(backend, tree):
    read_fd, write_fd = pipe()
    long = mark()
    result = merge(tree, "root", backend, f"(setsid setpriv --reuid=1234 --clear-groups sleep {long} &) ; touch /m/x",
                   more=["--overlay-changes", write_fd], timeout=20)
    close(write_fd)
    assert result.returncode == 0 and [line["path"] for line in changes(read_fd)] == ["/m/x"]
    assert not processes_with(long)


def test_the_exit_status_is_the_command_s(tree):
    _, write_fd = pipe()
    assert merge(tree, CALLERS[-1], "kernel", "exit 7", more=["--overlay-changes", write_fd]).returncode == 7


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("caller", CALLERS)
def test_unreadable_directories_are_listed_too(caller, backend, tree):
    _, lines = listed(tree, caller, backend, "mkdir /m/secret; touch /m/secret/file; chmod 0 /m/secret/file /m/secret",
                      ["--tmp-overlay", "/m"])
    assert set(lines) == {"/m/secret", "/m/secret/file"} and lines["/m/secret"]["mode"] == "0000"


@pytest.mark.skipif(IS_SANITIZED, reason="a sanitizer needs memory of its own")
def test_listing_needs_no_memory_for_what_has_been_listed(tree):
    """There may be as many paths as COMMAND likes."""
    need_kernel_overlay(CALLERS[-1])
    give(CALLERS[-1], tree)
    script = ("import os\nos.chdir('/m')\nfor i in range(250):\n    os.mkdir('d' * 250)\n    os.chdir('d' * 250)\n"
              "open('f', 'w')\nfor i in range(30000): os.link('f', str(i))")
    args = ["--overlay-backend", "kernel", "--overlay-changes", keep(os.open("/dev/null", os.O_WRONLY)), *layers(tree)]
    assert_ok(run([*BASE, *args, "--tmp-overlay", "/m"], python(script),
                  prefix=[*fuse_prefix(CALLERS[-1]), "prlimit", f"--as={100 << 20}"]))


@pytest.mark.parametrize("what", ["os.chmod({d!r}, 0o711)", "os.utime({d!r}, (1, 1))", "os.setxattr({d!r}, 'user.mine', b'1')",
                                  "os.setxattr({d!r}, 'system.posix_acl_default', ACL)"])
@pytest.mark.parametrize("where", ["/m", "/m/dir/sub", "/m/gone"])
@pytest.mark.parametrize("how", ["tmp", "upper"])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("caller", CALLERS)
def test_what_is_changed_of_a_directory_itself_is_listed(caller, backend, how, where, what, tree):
    on = tree if how == "upper" else "/dev/shm"
    if "setxattr" in what and not (has_user_xattrs(on) and has_user_xattrs(tree)):
        pytest.skip("no user xattrs")
    if where == "/m/gone":  # its time alone would be explained by what is in it
        (tree / "low/gone/x").unlink()
    code = "import os, struct\nACL = struct.pack('<I' + 'HHI' * 5, 2, 1, 7, 2**32 - 1, 2, 5, os.getuid(), 4, 5, 2**32 - 1, 16, 5, 2**32 - 1, 32, 0, 2**32 - 1)\n"
    where_to = ["--tmp-overlay", "/m"] if how == "tmp" else ["--overlay", tree / "up", tree / "work", "/m"]
    tried, lines = listed(tree, caller, backend, shlex.join(python(code + f"""
try:
    {what.format(d=where)}
except OSError as error:
    print(error.strerror)""")), where_to)
    if "not supported" in tried:
        pytest.skip(f"{tried.strip()}: no such attributes where writes go")
    assert not tried and {path: line["change"] for path, line in lines.items()} == {where: "changed"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_in_a_directory_explains_its_time(backend, tree):
    _, lines = listed(tree, CALLERS[-1], backend, "touch /m/dir/sub/x /m/gone/x; rm /m/dir/old", ["--tmp-overlay", "/m"])
    assert set(lines) == {"/m/dir/sub/x", "/m/gone/x", "/m/dir/old"}


@needs_fuse
def test_a_directory_in_one_that_claims_to_hide_what_was_there_is_listed(tree):
    """fuse-overlayfs lets COMMAND take its own mark away, so its lack proves nothing."""
    _, lines = listed(tree, CALLERS[-1], "fuse", "rm -r /m/dir; mkdir -p /m/dir/sub; exec " + shlex.join(python("""
import os
def attempt(what, *args):
    try:
        what(*args)
    except OSError:
        pass
for path in ("/m/dir", "/m/dir/sub"):
    for name in ("user.fuseoverlayfs.opaque", "user.overlay.opaque", "trusted.overlay.opaque"):
        attempt(os.removexattr, path, name)
attempt(os.mknod, "/m/dir/sub/.wh..wh..opq")
attempt(os.unlink, "/m/dir/sub/.wh..wh..opq")""")), ["--tmp-overlay", "/m"])
    assert lines["/m/dir"]["change"] == "opaque" and "/m/dir/sub" in lines


@pytest.mark.parametrize("backend, name", [("kernel", "d" * 250), ("kernel", "d"), pytest.param("fuse", "d", marks=needs_fuse)])
def test_a_tree_of_any_depth_is_listed_whole_and_shortly(backend, name, tree):
    depth = 1800
    script = f"import os\nos.chdir('/m')\nfor i in range({depth}):\n    os.mkdir({name!r})\n    os.chdir({name!r})\nopen('end', 'w')\n" \
             "os.chdir('/m')\nos.unlink('file')\nopen('z', 'w')"
    give(CALLERS[-1], tree)
    need_kernel_overlay(CALLERS[-1])
    fd = data_fd()
    result = run([*BASE, "--overlay-backend", backend, "--overlay-changes", fd, *layers(tree), "--tmp-overlay", "/m"], python(script),
                 prefix=[*fuse_prefix(CALLERS[-1]), "prlimit", "--nofile=256"], timeout=120)
    assert result.returncode == 0, result
    assert os.fstat(fd).st_size < depth * 5000
    os.lseek(fd, 0, os.SEEK_SET)
    lines = changes(fd)
    assert [line["path"] for line in lines] == [*("/m" + f"/{name}" * i for i in range(1, depth + 1)), "/m" + f"/{name}" * depth + "/end",
                                                "/m/file", "/m/z"]


def deep_layers(tree, depth, ends):
    """`low` as deep as that, `high` down to where it ends; what is in both is taken away from below."""
    for layer, levels in (("low", depth), ("high", ends)):
        fd = os.open(tree / layer, os.O_PATH)
        for level in range(levels):
            os.mkdir("d", dir_fd=fd)
            below = os.open("d", os.O_PATH, dir_fd=fd)
            os.close(fd)
            fd = below
            os.close(os.open(f"only-{layer}", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=fd))
        os.close(fd)


# Goes down as deep as that, and at each level takes away what it finds and makes one file.
CHANGE_ALL = """import os
os.chdir("/m")
for level in range({depth}):
    os.chdir("d")
    for name in os.listdir("."):
        if name != "d": os.unlink(name)
    open("z", "w").close()"""


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace to count with")
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("caller", CALLERS)
def test_what_is_deep_in_the_layers_is_listed_in_steps_that_grow_with_the_depth(caller, backend, tree):
    depth, ends = 300, 40
    deep_layers(tree, depth, ends)
    need_kernel_overlay(caller)
    give(caller, tree)
    fd = data_fd()
    result = run([*BASE, "--overlay-backend", backend, "--overlay-changes", fd, *layers(tree), "--tmp-overlay", "/m"],
                 python(CHANGE_ALL.format(depth=depth)),
                 prefix=[*fuse_prefix(caller), "strace", "-ff", "-qqq", "-o", tree / "calls", "-e", "trace=openat", "-e", "signal=none"],
                 timeout=120)
    assert result.returncode == 0, result
    os.lseek(fd, 0, os.SEEK_SET)
    found = {line["path"].removeprefix("/m"): line["change"] for line in changes(fd)}
    assert found == {"/d" * level + name: change for level in range(1, depth + 1) for name, change, levels in (
        ("/z", "added", depth), ("/only-low", "removed", depth), ("/only-high", "removed", ends)) if level <= levels}
    # Of what is not dumpable strace cannot read the names.
    most = max(len(re.findall(r"O_RDONLY\|(?:O_NOFOLLOW\|)?O_CLOEXEC\|O_DIRECTORY\)", path.read_text())) for path in tree.glob("calls.*"))
    assert 2 * depth < most < 10 * depth


# Goes down as deep as that, and makes a chain of directories in each of the last levels.
ADD_CHAINS = """import os
os.chdir("/m")
for level in range({depth}):
    os.chdir("d")
    if level >= {depth} - {chains}:
        here = os.open(".", os.O_PATH)
        for i in range({length}):
            os.mkdir("n")
            os.chdir("n")
        os.fchdir(here)
        os.close(here)"""


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace to count with")
def test_what_was_added_deep_in_the_layers_does_not_lead_through_them_again(tree):
    caller, depth, chains, length = CALLERS[0], 300, 20, 100
    deep_layers(tree, depth, depth)
    need_kernel_overlay(caller)
    give(caller, tree)
    fd = data_fd()
    result = run([*BASE, "--overlay-backend", "kernel", "--overlay-changes", fd, *layers(tree), "--tmp-overlay", "/m"],
                 python(ADD_CHAINS.format(depth=depth, chains=chains, length=length)),
                 prefix=[*fuse_prefix(caller), "strace", "-ff", "-qqq", "-o", tree / "calls", "-e", "trace=openat", "-e", "signal=none"],
                 timeout=120)
    assert result.returncode == 0, result
    os.lseek(fd, 0, os.SEEK_SET)
    assert len(changes(fd)) == chains * length
    most = max(len(re.findall(r"O_RDONLY\|(?:O_NOFOLLOW\|)?O_CLOEXEC\|O_DIRECTORY\)", path.read_text())) for path in tree.glob("calls.*"))
    assert most < 3 * (depth + chains * length)
