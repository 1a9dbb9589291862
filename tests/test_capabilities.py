"""Capabilities: none unless asked for, and what was asked for cannot undo setup."""
import os

import pytest

from sandbox import (BASE, CAP_SETS, IS_ROOT, assert_ok, errno_inside, inside, refused, run, run_python, status_fields,
                     status_inside)

WITH_PROC = [*BASE, "--proc", "/proc"]
CHOWN, NET_ADMIN, SYS_ADMIN = 1 << 0, 1 << 12, 1 << 21
LAST = int(open("/proc/sys/kernel/cap_last_cap").read())
ALL = (1 << (LAST + 1)) - 1
MNT_DETACH = 2
KERNEL = tuple(map(int, os.uname().release.split(".")[:2]))


def caps(args, **options):
    status = status_inside(args, **options)
    return {name: int(status[name], 16) for name in CAP_SETS}


def all_are(value):
    return dict.fromkeys(CAP_SETS, value)


@pytest.mark.user
@pytest.mark.parametrize("args", [[], ["--unshare-all"], ["--unshare-user", "--uid", "0", "--gid", "0"],
                                  ["--unshare-pid"], ["--unshare-pid", "--as-pid-1"], ["--die-with-parent"],
                                  ["--cap-drop", "ALL"],
                                  ["--cap-add", "ALL", "--cap-drop", "all"], ["--unshare-user", "--disable-userns"]],
                         ids=str)
def test_a_users_command_has_no_capability_in_any_set(args):
    assert caps(args) == all_are(0)


@pytest.mark.root
@pytest.mark.parametrize("args", [["--cap-drop", "ALL"], ["--unshare-all", "--cap-drop", "ALL"],
                                  ["--unshare-user", "--uid", "7", "--cap-drop", "ALL"]], ids=str)
def test_roots_command_loses_all_with_cap_drop_all(args):
    assert caps(args) == all_are(0)


@pytest.mark.root
def test_root_keeps_its_own_capabilities_minus_those_dropped():
    own = status_fields(open("/proc/self/status").read())
    for args in ([], ["--unshare-pid"], ["--unshare-net"]):
        assert caps(args)["CapEff"] == int(own["CapEff"], 16)
    dropped = caps(["--cap-drop", "CAP_CHOWN"])
    assert not any(dropped[name] & CHOWN for name in CAP_SETS)
    assert dropped["CapEff"] == int(own["CapEff"], 16) & ~CHOWN


@pytest.mark.parametrize("name", ["CAP_NET_ADMIN", "cap_net_admin", "Cap_Net_Admin"])
def test_cap_add_gives_it_in_all_sets_of_the_sandboxs_user_namespace(name):
    args = ["--unshare-user", "--cap-drop", "ALL", "--cap-add", name]
    assert caps(args) == all_are(NET_ADMIN)


def test_cap_add_and_drop_apply_in_order():
    base = ["--unshare-user", "--cap-drop", "ALL"]
    assert caps([*base, "--cap-add", "ALL", "--cap-drop", "CAP_CHOWN"])["CapEff"] == ALL & ~CHOWN
    assert caps([*base, "--cap-add", "CAP_CHOWN", "--cap-drop", "CAP_CHOWN"]) == all_are(0)
    assert caps([*base, "--cap-drop", "CAP_CHOWN", "--cap-add", "CAP_CHOWN"]) == all_are(CHOWN)


@pytest.mark.parametrize("ids", [[], ["--uid", "0", "--gid", "0"], ["--uid", "1000"]], ids=str)
def test_added_capabilities_survive_an_exec(ids):
    result = run([*WITH_PROC, "--unshare-user", *ids, "--cap-drop", "ALL", "--cap-add", "CAP_NET_ADMIN"],
                 ["sh", "-c", "exec cat /proc/self/status"])
    assert int(status_fields(result.stdout)["CapEff"], 16) == NET_ADMIN


@pytest.mark.parametrize("args", [["--unshare-all"], ["--unshare-user"], ["--unshare-user", "--uid", "0", "--gid", "0"],
                                  ["--unshare-all", "--uid", "0", "--gid", "0"]], ids=" ".join)
@pytest.mark.parametrize("cap", ["ALL", "CAP_SYS_ADMIN"])
def test_added_capabilities_mount_but_cannot_undo_setup(args, cap, box):
    code = """import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def call(result): return "OK" if result == 0 else errno.errorcode[ctypes.get_errno()]
print("tmpfs", call(libc.mount(b"none", b"/t", b"tmpfs", 0, None)))
print("rw", call(libc.mount(None, b"/box", None, ctypes.c_ulong(32 | 4096), None)))
print("dev", call(libc.mount(None, b"/box", None, ctypes.c_ulong(32 | 4096 | 1 | 2), None)))
print("umount", call(libc.umount2(b"/box", 2)))
print("usr", call(libc.umount2(b"/usr", 2)))
print("sys", call(libc.umount2(b"/proc/sys", 2)))
print("root", call(libc.umount2(b"/", 2)))
try: open("/box/new", "w"); print("WROTE")
except OSError: print("safe")"""
    result = run_python([*args, "--cap-add", cap, "--ro-bind", box, "/box", "--dir", "/t"], code, base=WITH_PROC)
    assert_ok(result)
    answers = dict(line.split() for line in result.stdout.splitlines()[:-1])
    assert answers.pop("tmpfs") == "OK" and "OK" not in answers.values() and result.stdout.endswith("safe\n"), answers
    assert os.listdir(box) == []


@pytest.mark.parametrize("ids", [[], ["--uid", "0", "--gid", "0"]], ids=str)
def test_cap_add_all_can_make_a_network_and_a_hostname(ids):
    args = ["--unshare-all", *ids, "--cap-add", "ALL"]
    result = run([*BASE, "--ro-bind-try", "/sbin", "/sbin", *args],
                 ["sh", "-c",
                  "ip link add a type veth peer name b 2>/dev/null || ip link add type veth; ip -o link | wc -l"])
    if "not found" in result.stderr or not result.stdout:
        pytest.skip("no ip(8) here")
    assert int(result.stdout) >= 3
    assert inside(args, errno_inside("libc.sethostname(b'mine', 4)")) == "OK"


@pytest.mark.parametrize("args", [["--unshare-user"], ["--unshare-all"]], ids=str)
def test_without_capabilities_nothing_can_be_mounted(args):
    code = """import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for call in (lambda: libc.mount(b"x", b"/usr", b"tmpfs", 0, None), lambda: libc.umount2(b"/usr", 2),
             lambda: libc.chroot(b"/usr"),
             lambda: libc.syscall(428, -100, b"/", 1 | 0x8000), lambda: libc.syscall(430, b"tmpfs", 0),
             lambda: libc.mknod(b"/n", 0o60666, 0x800), lambda: libc.sethostname(b"x", 1), lambda: libc.setns(3, 0)):
    print(call() >= 0)"""
    result = run_python([*args, "--cap-drop", "ALL"], code)
    assert result.stdout == "False\n" * 8, result


@pytest.mark.user
def test_a_user_without_a_namespace_option_still_gets_caps_only_inside():
    assert caps(["--cap-add", "CAP_SYS_ADMIN"]) == all_are(SYS_ADMIN)


@pytest.mark.root
def test_root_cannot_be_given_what_it_does_not_have():
    prefix = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"]
    refused(["--cap-add", "CAP_NET_ADMIN"], "--cap-add", base=BASE, prefix=prefix)


def test_inherited_and_ambient_capabilities_of_the_caller_do_not_pass():
    prefix = ["unshare", "--user", "--map-current-user", "--keep-caps"]
    args = ["--unshare-user"] if not IS_ROOT else ["--unshare-user", "--cap-drop", "ALL"]
    assert caps(args, prefix=prefix) == all_are(0)


@pytest.mark.root
@pytest.mark.parametrize("more", [[], ["--unshare-pid"]], ids=str)
def test_capabilities_are_dropped_without_the_right_to_change_the_bounding_set(more):
    """What stays in that can be gained by nothing. Before Linux 6.8 it takes CAP_SYS_CHROOT to know that / is no chroot."""
    prefix = ["setpriv", "--bounding-set=-all,+sys_admin" + ("" if KERNEL >= (6, 8) else ",+sys_chroot")]
    result = run([*BASE, "--proc", "/proc", *more, "--cap-drop", "ALL"],
                 ["sh", "-c", "sh -c 'grep -E \"Cap(Inh|Prm|Eff|Amb)|NoNewPrivs\" /proc/self/status'"], prefix=prefix)
    assert_ok(result)
    assert [line.split()[1].strip("0") for line in result.stdout.splitlines()] == [""] * 4 + ["1"], result
