"""Directories, files, data, links and modes inside the new root."""
import os

import pytest

from sandbox import BASE, PYTHON, assert_ok, data_fd, host_mounts, inside, keep, mounts_inside, pipe, refused, run, shell

pytestmark = pytest.mark.core
DATA = ["--file", "--bind-data", "--ro-bind-data"]


def mode(args, path):
    return oct(inside(args, f"os.lstat({path!r}).st_mode & 0o7777"))[2:]


@pytest.mark.parametrize("args, expected", [([], "755"), (["--perms", "0700"], "700"), (["--perms", "1777"], "1777"),
                                            (["--perms", "0"], "0")])
def test_dir_has_its_mode(args, expected):
    assert mode([*args, "--dir", "/d"], "/d") == expected


def test_dir_leaves_an_existing_directory_as_it_is(box):
    (box / "d").mkdir(mode=0o711)
    assert mode(["--bind", box, "/b", "--perms", "0700", "--dir", "/b/d"], "/b/d") == "711"
    assert mode(["--dir", "/"], "/") == "755"


@pytest.mark.parametrize("expected, args", [
    ("755", ["--dir"]), ("755", ["--tmpfs"]), ("755", ["--file", "FD"]), ("750", ["--perms", "0750", "--dir"]), ("700", ["--bind-data", "FD"]),
    ("700", ["--ro-bind", "/usr"]), ("700", ["--symlink", "x"]), ("700", ["--proc"]), ("700", ["--dev"])], ids=str)
def test_missing_parents_are_as_open_as_bubblewraps(expected, args):
    fd = data_fd()
    assert mode([*(fd if word == "FD" else word for word in args), "/new/place"], "/new") == expected


@pytest.mark.parametrize("option, default", zip(DATA, ["666", "600", "600"]))
def test_data_has_its_mode_and_content(option, default):
    for perms, expected in (([], default), (["--perms", "0444"], "444"), (["--perms", "0755"], "755")):
        assert shell([*perms, option, data_fd("text"), "/f"], "stat -c %a /f; cat /f") == f"{expected}\ntext"


def test_data_may_be_empty_large_and_binary():
    big = os.urandom(3_000_000)
    for content in (b"", b"\0\n\xff", big):
        for option in DATA:
            assert inside([option, data_fd(content), "/f"], "__import__('zlib').crc32(open('/f', 'rb').read())") \
                == __import__("zlib").crc32(content)


def test_data_may_come_from_a_pipe_that_is_written_slowly():
    writer = "import sys, time\nfor i in range(5): sys.stdout.write(str(i)); sys.stdout.flush(); time.sleep(0.01)"
    import subprocess
    with subprocess.Popen([PYTHON, "-I", "-S", "-c", writer], stdout=subprocess.PIPE) as process:
        assert shell(["--file", process.stdout.fileno(), "/f"], "cat /f") == "01234"


def test_data_is_read_from_where_the_descriptor_stands():
    fd = data_fd("0123456789")
    os.lseek(fd, 4, os.SEEK_SET)
    assert shell(["--ro-bind-data", fd, "/f"], "cat /f") == "456789"


@pytest.mark.parametrize("option", DATA)
def test_data_from_what_cannot_be_read_is_refused(option, box):
    refused([option, keep(os.open(box, os.O_RDONLY)), "/f"], option, base=BASE)
    refused([option, pipe()[1], "/f"], option, base=BASE)


def test_one_descriptor_serves_several_files_from_a_file_and_a_pipe():
    read_end, write_end = pipe()
    os.write(write_end, b"piped")
    os.close(write_end)
    for fd, text in ((data_fd("filed"), "filed"), (read_end, "piped")):
        args = ["--file", fd, "/a", "--ro-bind-data", fd, "/b", "--bind-data", fd, "/c",
                "--perms", "0600", "--file", fd, "/d"]
        assert shell(args, "cat /a /b /c /d") == text * 4


def test_ro_bind_data_cannot_be_written_and_bind_data_can():
    args = ["--ro-bind-data", data_fd("x"), "/ro", "--bind-data", data_fd("x"), "/rw"]
    assert shell(args, "echo y >/rw; cat /rw; echo z 2>&- >/ro || echo no; cat /ro") == "y\nno\nx"
    mounts = mounts_inside(["--ro-bind-data", data_fd("x"), "/ro", "--bind-data", data_fd("x"), "/rw"])
    assert mounts["/ro"].has("ro", "nosuid", "nodev") and mounts["/rw"].has("rw", "nosuid", "nodev")


# ---- data on the line ----

@pytest.mark.parametrize("text", ["", "one\ntwo\n", "no newline", "--looks like an option", "\udcff\udc80\x1b[0m", "x" * 100_000])
def test_a_text_of_the_line_is_what_the_file_holds(text):
    code = "import sys; sys.stdout.buffer.write(open('/f', 'rb').read())"
    result = run([*BASE, "--data", text, "/f"], [PYTHON, "-I", "-S", "-c", code], text=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, os.fsencode(text), b"")


def test_a_text_of_the_line_is_a_private_read_only_file(box):
    (box / "f").write_text("host")
    assert shell(["--bind", box, "/b", "--perms", "0644", "--data", "mine", "/b/f", "--data", "two", "/g"],
                 "cat /b/f /g; stat -c %a /b/f /g; echo x 2>&- >/b/f || echo no; chmod 600 /b/f 2>&- || echo no") == "minetwo644\n600\nno\nno\n"
    assert (box / "f").read_text() == "host" and os.listdir(box) == ["f"]
    assert mounts_inside(["--data", "x", "/f"])["/f"].has("ro", "nosuid", "nodev")


@pytest.mark.parametrize("args, why", [(["--data", "x"], "takes TEXT DEST"), (["--data", "x", ""], "DEST is an empty path"),
                                       (["--data", "x", "/usr"], "it is not a file"), (["--size", "1", "--data", "x", "/f"], "--size")], ids=str)
def test_a_text_that_can_be_nowhere_is_refused(args, why):
    refused(args, why, base=BASE, command=None if args == ["--data", "x"] else ("echo", "COMMAND RAN"))


def test_data_over_an_existing_host_file_leaves_the_host_file(box):
    (box / "f").write_text("host")
    assert shell(["--bind", box, "/b", "--ro-bind-data", data_fd("inside"), "/b/f"], "cat /b/f") == "inside"
    assert (box / "f").read_text() == "host" and os.listdir(box) == ["f"]


def test_file_in_a_bound_directory_is_the_hosts(box):
    shell(["--bind", box, "/b", "--perms", "0640", "--file", data_fd("asked for"), "/b/f"], "true")
    assert (box / "f").read_text() == "asked for" and (box / "f").stat().st_mode & 0o777 == 0o640


def test_scratch_files_of_data_are_reachable_nowhere_else():
    args = ["--ro-bind-data", data_fd("x"), "/f", "--bind-data", data_fd("y"), "/d/g"]
    assert shell(args, "ls -A / /d") == "/:\nbin\nd\nf\nlib\nlib64\nusr\n\n/d:\ng\n"
    assert inside(args, "os.stat('/f').st_nlink", base=BASE) in (0, 1)


# ---- symlink ----

@pytest.mark.parametrize("target", ["/abs/target", "../rel", "x y\n", "-dash", "x" * 4000])
def test_symlink_says_what_it_was_told(target):
    assert inside(["--symlink", target, "/p/l"], "os.readlink('/p/l')") == target


def test_symlink_that_is_there_with_the_same_target_is_fine():
    assert inside(["--symlink", "a", "/l", "--symlink", "a", "/l"], "os.readlink('/l')") == "a"


@pytest.mark.parametrize("there", [["--symlink", "b", "/l"], ["--symlink", "aa", "/l"], ["--dir", "/l"]], ids=" ".join)
def test_symlink_over_anything_else_is_refused(there):
    refused([*there, "--symlink", "a", "/l"], f"--symlink (argument {len(BASE) + len(there) + 1})", "/l", base=BASE)


def test_symlink_over_a_file_is_refused():
    refused(["--file", data_fd(), "/l", "--symlink", "a", "/l"], "--symlink", base=BASE)


# ---- chmod ----

@pytest.mark.parametrize("before, path", [(["--dir", "/d"], "/d"), (["--tmpfs", "/t"], "/t"), ([], "/")], ids=str)
def test_chmod_changes_what_is_there(before, path):
    assert mode([*before, "--chmod", "1711", path], path) == "1711"


def test_chmod_follows_links_and_takes_files():
    assert mode(["--file", data_fd(), "/f", "--symlink", "f", "/l", "--chmod", "0400", "/l"], "/f") == "400"


def test_chmod_of_what_does_not_exist_is_refused():
    refused(["--chmod", "0700", "/missing"], "--chmod", "/missing", "No such file or directory", base=BASE)


# ---- labels ----

@pytest.mark.parametrize("option", ["--exec-label", "--file-label"])
@pytest.mark.skipif(os.path.isdir("/sys/fs/selinux/booleans"), reason="SELinux is active here")
def test_labels_are_an_error_without_selinux(option):
    refused([option, "system_u:object_r:usr_t:s0"], option, "SELinux", base=BASE)


@pytest.mark.root
@pytest.mark.skipif(os.path.isdir("/sys/fs/selinux/booleans"), reason="SELinux is active here")
@pytest.mark.parametrize("maker", ["--file", "--ro-bind-data"])
def test_the_label_is_there_before_what_it_is_for(maker):
    """On a system without SELinux that looks as if it had it: nothing was copied when the label could not be set."""
    data = data_fd("kept")
    fake = host_mounts("mount -t tmpfs none /sys/fs; mkdir /sys/fs/selinux; touch /sys/fs/selinux/enforce")
    refused(["--file-label", "none", maker, data, "/f"], "--file-label (argument ", "Can't set the label none", base=BASE, prefix=fake)
    assert os.lseek(data, 0, os.SEEK_CUR) == 0


# ---- order ----

def test_operations_run_in_command_line_order():
    args = ["--file", data_fd("first"), "/f", "--file", data_fd("second"), "/f", "--dir", "/d", "--chmod", "0500", "/d",
            "--chmod", "0711", "/d", "--symlink", "d", "/l", "--perms", "0701", "--dir", "/l/e"]
    assert shell(args, "cat /f; stat -c %a /d /d/e") == "second711\n701\n"


def test_a_line_that_fails_late_tells_only_the_late_operation():
    result = run([*BASE, "--dir", "/a", "--chmod", "0700", "/b"], ["true"])
    assert result.returncode == 1 and "--dir" not in result.stderr
    assert_ok(run([*BASE, "--dir", "/a", "--chmod", "0700", "/a"], ["true"]))
