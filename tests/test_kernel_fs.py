"""--sys and --cgroup2: what the kernel shows of the sandbox's own namespaces, and no more."""
import pytest

import sandbox
from cgroups import HAS, V2, Delegated
from sandbox import (BASE, FULL, IS_ROOT, assert_ok, host_mounts, inside, mounts_inside, refused, run, shell, user_ids,
                     without_rights)

pytestmark = pytest.mark.core
NET = ["--unshare-net", "--sys", "/sys"]


@pytest.fixture(scope="module", autouse=True)
def sysfs():
    result = run([*BASE, *NET], ["true"])
    if "as in a container" in result.stderr:
        pytest.skip("a part of /sys is covered here")


# ---- sysfs ----

@pytest.mark.parametrize("args", [[], ["--unshare-all"], ["--unshare-user", "--uid", "0"], ["--unshare-net", "--cap-add", "ALL"],
                                  ["--unshare-pid", "--die-with-parent"]], ids=str)
def test_sysfs_shows_the_new_network_alone_and_is_read_only(args):
    mount = mounts_inside([*args, *NET])["/sys"]
    assert mount.type == "sysfs" and mount.has("ro", "nosuid", "nodev", "noexec")
    assert inside([*args, *NET], "sorted(os.listdir('/sys/class/net'))") == ["lo"]
    assert "cgroup2" not in shell([*args, *NET, "--proc", "/proc"], "cat /proc/self/mountinfo")


def test_nothing_in_sysfs_can_be_written_with_capabilities_either():
    script = """echo 1 2>&- >/sys/class/net/lo/mtu || echo no
        mount -o remount,rw /sys 2>/dev/null && echo remounted; umount /sys 2>/dev/null && echo gone
        mkdir /tmp/s; mount -t sysfs none /tmp/s 2>/dev/null && { grep -q ' /tmp/s ro' /proc/self/mountinfo || echo writable; }; echo end"""
    args = ["--unshare-user", "--uid", "0", "--cap-add", "ALL", "--unshare-net"]
    assert shell([*args, "--sys", "/sys"], script, base=FULL) == "no\nend\n"


def test_sysfs_takes_flags_and_can_be_mounted_on():
    mounts = mounts_inside(["--unshare-net", "--mount-flags", "nosymfollow", "--sys", "/sys", "--tmpfs", "/sys/fs/cgroup"])
    assert mounts["/sys"].has("nosymfollow", "ro") and mounts["/sys/fs/cgroup"].type == "tmpfs"
    refused(["--unshare-user", "--unshare-net", "--mount-flags", "noatime", "--sys", "/sys"], "noatime", base=BASE)
    refused([*NET, "--dir", "/sys/new"], f"--sys (argument {len(BASE) + 2}) made it read-only", base=BASE)


@pytest.mark.parametrize("args", [[], ["--unshare-all", "--share-net"], ["--unshare-net", "--share-net"], ["--unshare-user", "--unshare-ipc"]], ids=str)
def test_without_a_new_network_there_is_no_sysfs(args):
    for more in ([], ["--dry-run"]):
        refused([*args, *more, "--sys", "/sys"], "--sys (argument ", "needs --unshare-net", base=BASE)


def test_a_sysfs_that_is_partly_covered_allows_no_new_one():
    prefix = host_mounts("mount -t tmpfs none /sys/kernel", user=user_ids()[0] if IS_ROOT else None)
    refused([*NET], "--sys (argument ", "Can't mount sysfs on /sys", "as in a container", base=BASE, prefix=prefix)


# ---- control groups ----

def need_v2():
    if "cgroup2" not in open("/proc/filesystems").read():
        pytest.skip("no cgroup version 2")


@pytest.mark.parametrize("args", [["--unshare-cgroup"], ["--unshare-all"], ["--unshare-cgroup", "--cap-add", "ALL"],
                                  ["--unshare-cgroup-try", "--unshare-pid"]], ids=str)
def test_control_groups_are_those_of_the_new_namespace(args):
    need_v2()
    mount = mounts_inside([*args, "--cgroup2", "/cg"])["/cg"]
    assert mount.type == "cgroup2" and mount.has("ro", "nosuid", "nodev", "noexec")
    assert "cgroup.procs" in inside([*args, "--cgroup2", "/cg"], "os.listdir('/cg')")
    assert "Read-only" in run([*BASE, *args, "--cgroup2", "/cg"], ["sh", "-c", "echo 1 >/cg/cgroup.kill"]).stderr


@pytest.mark.parametrize("args", [[], ["--unshare-net"], ["--unshare-user", "--unshare-pid"]], ids=str)
def test_without_a_new_cgroup_namespace_there_are_none(args):
    refused([*args, "--cgroup2", "/cg"], "--cgroup2 (argument ", "needs --unshare-cgroup", base=BASE)


@pytest.mark.parametrize("args", [["--unshare-cgroup-try"], ["--unshare-all"]], ids=str)
def test_those_of_the_host_are_not_shown_where_a_try_form_has_skipped(args):
    prefix = without_rights("echo 0 >/proc/sys/user/max_cgroup_namespaces")
    refused([*args, "--cgroup2", "/cg"], "--cgroup2 (argument ", "there are no cgroup namespaces to be had here", base=BASE, prefix=prefix)


@pytest.mark.root
@pytest.mark.skipif("hugetlb" not in HAS, reason="no hugetlb in the hierarchy of version 2")
def test_the_limits_of_the_sandbox_are_not_in_what_it_is_shown():
    """Their files belong to the caller's uid, and so to COMMAND's."""
    group = Delegated(["hugetlb"])
    try:
        for form in ([], ["--unshare-pid"], ["--json-status-fd", sandbox.data_fd()]):
            result = run([*BASE, "--limit", "hugetlb.2MB.max", "4194304", "--unshare-cgroup", *form, "--cgroup2", "/cg"],
                         ["sh", "-c", "ls -A /cg; cat /cg/hugetlb.2MB.max 2>&-; echo max 2>&- >/cg/hugetlb.2MB.max && echo raised; :"], prefix=group.prefix)
            assert_ok(result)
            assert "4194304" not in result.stdout and "raised" not in result.stdout, result.stdout
    finally:
        group.remove()


@pytest.mark.root
@pytest.mark.parametrize("options", [["--limit-try", "hugetlb.2MB.max", "4194304"], ["--cgroup", "{}"], []], ids=str)
def test_groups_of_the_sandboxs_own_can_be_written_to_and_no_others(options):
    need_v2()
    group = Delegated(["hugetlb"] if "hugetlb" in HAS else [])
    try:
        args = [*BASE, "--proc", "/proc", *[word.format(group.path) for word in options], "--unshare-cgroup", "--cgroup2", "/cg"]
        script = "mkdir /cg/own 2>&- && rmdir /cg/own && echo writable || echo closed; ls -d /cg/cgroup.procs"
        result = run(args, ["sh", "-c", script], prefix=group.prefix)
        mine = "--cgroup" in options or (options and "hugetlb" in HAS)
        assert result.returncode == 0 and result.stdout.split() == ["writable" if mine else "closed", "/cg/cgroup.procs"], result
    finally:
        group.remove()


@pytest.mark.parametrize("option", ["--sys", "--cgroup2"])
@pytest.mark.parametrize("path, why", [("", "DEST is an empty path"), ("--dir", "DEST is missing"), ("/usr/bin/env", "it is not a directory")])
def test_a_place_that_is_none_is_refused(option, path, why):
    refused(["--unshare-all", option, path], f"{option} (argument {len(BASE) + 2})", why, base=BASE)
