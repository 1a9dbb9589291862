"""User and group ids, inside and on the files; who writes the maps."""
import os
import subprocess

import pytest

from sandbox import (BASE, WITH_PROC, assert_ok, close, errno_inside, inside, overflow_id, pipe, read_json, readable,
                     start)


# ---- userns-block-fd ----

@pytest.mark.user
@pytest.mark.parametrize("more", [[], ["--unshare-pid", "--proc", "/proc", "--dev", "/dev"], ["--unshare-all"]],
                         ids=str)
def test_userns_block_fd_lets_newuidmap_write_the_maps(more):
    uid, gid = os.getuid(), os.getgid()
    (info, told), (wait_end, go_end) = pipe(), pipe()
    with start([*BASE, "--ro-bind", "/proc", "/proc", "--unshare-user", "--uid", "0", "--gid", "0", *more,
                "--info-fd", told, "--userns-block-fd", wait_end],
               ["sh", "-c", "cat /proc/self/uid_map /proc/self/gid_map; id -u; id -g; ls /proc/self/fd"]) as process:
        close(told)
        child = str(read_json(info)["child-pid"])
        for tool, own in (("newuidmap", uid), ("newgidmap", gid)):
            result = subprocess.run([tool, child, "0", str(own), "1", "1", "100000", "65535"],
                                    capture_output=True, text=True)
            if result.returncode == 1 and "not allowed" in result.stderr:
                pytest.skip("no subordinate ids for this user: " + result.stderr.strip())
            assert_ok(result)
        assert not readable(process.stdout, 0.05)
        os.write(go_end, b"x")
        out, error = process.communicate(timeout=20)
    fields = [line.split() for line in out.splitlines()]
    assert (process.returncode, error) == (0, "")
    assert [row[::2] for row in fields] == [["0", "1"], ["1", "65535"]] * 2 + [["0"]] * 2 + [["0"], ["1"], ["2"], ["3"]]  # 3 is ls's own


@pytest.mark.user
def test_userns_block_fd_that_ends_without_maps_is_refused_or_runs_unmapped():
    (info, told), (wait_end, go_end) = pipe(), pipe()
    with start([*BASE, "--unshare-user", "--info-fd", told, "--userns-block-fd", wait_end], ["echo", "ran"]) as process:
        close(told)
        read_json(info)
        close(go_end)
        out, error = process.communicate(timeout=20)
    assert process.returncode == 1 and out == "" and error.count("\n") == 1, (out, error)


# ---- ids ----

def test_one_id_is_mapped_and_setgroups_denied():
    args = ["--unshare-user", "--uid", "5", "--gid", "6"]
    maps = inside(args, "[open('/proc/self/' + f).read().split() for f in ('uid_map', 'gid_map', 'setgroups')]",
                  base=WITH_PROC)
    assert [maps[0][0], maps[0][2], maps[1][0], maps[1][2], maps[2]] == ["5", "1", "6", "1", ["deny"]]
    assert inside(args, "(os.getuid(), os.geteuid(), os.getgid(), os.getegid())") == (5, 5, 6, 6)
    assert "EPERM" == inside(["--unshare-user", "--uid", "0", "--gid", "0"], errno_inside("libc.setgroups(0, None)"))


def test_the_callers_ids_are_kept_by_default():
    for args in ([], ["--unshare-user"], ["--unshare-all"]):
        assert inside(args, "(os.getuid(), os.getgid())") == (os.getuid(), os.getgid())


def test_supplementary_groups_give_no_more_inside():
    assert set(inside(["--unshare-all"], "os.getgroups()")) <= {overflow_id("gid"), os.getgid(), *os.getgroups()}


def test_files_are_the_callers_inside(box):
    assert inside(["--unshare-user", "--uid", "77", "--gid", "78", "--bind", box, "/b"],
                  "(os.stat('/b').st_uid, os.stat('/b').st_gid, open('/b/new', 'w').close())")[:2] == (77, 78)
    assert ((box / "new").stat().st_uid, (box / "new").stat().st_gid) == (os.getuid(), os.getgid())


def test_things_made_in_the_new_root_belong_to_the_user():
    assert inside(["--unshare-user", "--uid", "77", "--gid", "78", "--dir", "/a/b", "--tmpfs", "/t", "--dev", "/dev"],
                  "{os.stat(p).st_uid for p in ('/', '/a', '/a/b', '/t', '/dev', '/dev/shm')}") == {77}
