"""Namespaces: made, shared, joined; closing further user namespaces."""
import errno
import fcntl
import os
import re
import socket

import pytest

from sandbox import (BASE, BINARY, IS_ROOT, WITH_PROC, Holder, args_fd, as_user, assert_ok, bpf, data_fd, errno_inside,
                     inside, keep, python, refused, run, run_python, shell, without_rights)

KINDS = {"user": "--unshare-user", "ipc": "--unshare-ipc", "pid": "--unshare-pid", "net": "--unshare-net",
         "uts": "--unshare-uts", "cgroup": "--unshare-cgroup"}
CLONE_NEWUSER = 0x10000000


def namespaces(args, base=WITH_PROC):
    return inside(args, f"{{k: os.readlink('/proc/self/ns/' + k) for k in {[*KINDS, 'mnt']}}}", base=base)


def ours():
    return {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in (*KINDS, "mnt")}


def new(args):
    return {kind for kind, link in namespaces(args).items() if link != ours()[kind]}


ALWAYS = {"mnt"} if IS_ROOT else {"mnt", "user"}


@pytest.mark.parametrize("kind", KINDS)
def test_unshare_makes_that_namespace_and_no_other(kind):
    assert new([KINDS[kind]]) == ALWAYS | {kind}


def test_without_options_only_what_must_be_is_new():
    assert new([]) == ALWAYS


def test_unshare_all_makes_all_and_share_net_keeps_one():
    # user-try: root may do without, but where it can be made it is
    assert new(["--unshare-all"]) == {*KINDS, "mnt"}
    assert new(["--unshare-all", "--share-net"]) == {*KINDS, "mnt"} - {"net"}


@pytest.mark.parametrize("option, kind", [("--unshare-user-try", "user"), ("--unshare-cgroup-try", "cgroup")])
def test_the_try_forms_make_it_where_they_can(option, kind):
    assert new([option]) == ALWAYS | {kind}


def test_cgroup_namespace_hides_where_we_are():
    assert inside(["--unshare-cgroup"], "all(l.strip().endswith(':/') for l in open('/proc/self/cgroup'))",
                  base=WITH_PROC)


def test_hostname_is_set_inside_only():
    before = os.uname().nodename
    assert inside(["--unshare-uts", "--hostname", "boxed"], "os.uname().nodename") == "boxed"
    assert inside(["--unshare-uts", "--hostname", "x" * 64], "os.uname().nodename") == "x" * 64
    assert os.uname().nodename == before
    refused(["--unshare-uts", "--hostname", "x" * 65], "--hostname", base=BASE)


def test_network_is_isolated_with_its_loopback_up():
    server = socket.create_server(("127.0.0.1", 0))
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind("\0bwrapish-test-%d" % os.getpid())
    abstract.listen()
    code = f"""import socket
print([line.split(":")[0].strip() for line in open("/proc/net/dev") if ":" in line])
for family, address in ((2, {server.getsockname()!r}), (1, {abstract.getsockname()!r})):
    try: socket.socket(family).connect(address); print("CONNECTED")
    except OSError: print("not")
s = socket.create_server(("127.0.0.1", 0)); socket.create_connection(s.getsockname()); print("loopback up")
"""
    result = run_python(["--unshare-net"], code, base=WITH_PROC)
    server.close()
    abstract.close()
    assert result.stdout == "['lo']\nnot\nnot\nloopback up\n", result


def test_system_v_ipc_is_isolated():
    assert inside(["--unshare-ipc"], "open('/proc/sysvipc/shm').read().count(chr(10))", base=WITH_PROC) == 1


def test_pid_namespace_shows_only_its_own():
    pids = inside(["--unshare-pid"], "sorted(int(p) for p in os.listdir('/proc') if p.isdigit())", base=WITH_PROC)
    assert pids[0] == 1 and len(pids) == 2


# ---- joining ----

def test_userns_joins():
    with Holder("--user", "--map-root-user") as holder:
        fd = holder.namespace("user")
        joined = os.readlink(f"/proc/self/fd/{fd}")
        seen = shell(["--userns", fd, "--cap-drop", "ALL"], "readlink /proc/self/ns/user; id -u", base=WITH_PROC)
        assert seen == f"{joined}\n0\n"


def test_userns_joins_with_other_ids():
    with Holder("--user", "--map-root-user") as holder:
        assert shell(["--userns", holder.namespace("user"), "--uid", "0", "--gid", "0"], "id -u") == "0\n"


def test_pidns_joins_and_is_the_parent_of_a_new_one():
    with Holder("--user", "--map-current-user", "--pid", "--fork", "--kill-child") as holder:
        pidns, userns = holder.namespace("pid"), holder.namespace("user")
        link = os.readlink(f"/proc/self/fd/{pidns}")
        assert shell(["--userns", userns, "--pidns", pidns], "readlink /proc/self/ns/pid; test -e /proc/1",
                     base=WITH_PROC).strip() == link
        seen = inside(["--userns", userns, "--pidns", pidns, "--unshare-pid"],
                      "(os.readlink('/proc/self/ns/pid'), os.getppid())", base=WITH_PROC)
        assert seen[0] != link and seen[1] == 1


@pytest.mark.skipif(not os.path.exists("/usr/bin/strace"), reason="needs strace")
def test_the_supervisor_knows_its_child_before_command_runs():
    """Also where the intermediate process, which joins the pid namespace, is slow (delayed here)."""
    with Holder("--user", "--map-current-user", "--pid", "--fork", "--kill-child") as holder:
        result = run([*BASE, "--userns", holder.namespace("user"), "--pidns", holder.namespace("pid")],
                     ["sh", "-c", "exit 7"],
                     prefix=["strace", "-f", "-qqq", "-o", "/dev/null", "-e", "inject=sendmsg:delay_enter=300000"])
        assert result.returncode == 7 and not result.stderr, result


def test_userns2_is_entered_after_setup():
    with Holder("--user", "--map-current-user", "--keep-caps",
                inner=["unshare", "--user", "--map-current-user"]) as holder:
        second = holder.namespace("user")
        parent = fcntl.ioctl(second, 0xb702)  # NS_GET_PARENT
        seen = shell(["--userns", keep(parent), "--userns2", second], "readlink /proc/self/ns/user", base=WITH_PROC)
        assert seen.strip() == os.readlink(f"/proc/self/fd/{second}")


@pytest.mark.parametrize("option, kind", [("--userns", "net"), ("--userns2", "mnt"), ("--pidns", "user")])
def test_joining_the_wrong_kind_of_descriptor_is_refused(option, kind):
    refused([option, keep(os.open(f"/proc/self/ns/{kind}", os.O_RDONLY))], option, base=BASE)
    refused([option, keep(os.open("/usr", os.O_RDONLY))], option, base=BASE)


# ---- no further user namespaces ----

@pytest.mark.parametrize("args", [[], ["--uid", "0", "--gid", "0"], ["--unshare-pid"], ["--unshare-all"],
                                  ["--uid", "0", "--gid", "0", "--cap-add", "ALL"]], ids=str)
def test_disable_userns_is_final(args):
    args = [*args, "--unshare-user", "--disable-userns"]
    code = f"""import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def attempt():
    return libc.unshare({CLONE_NEWUSER}), errno.errorcode.get(ctypes.get_errno())
print(attempt()[0])
try: open("/proc/sys/user/max_user_namespaces", "w").write("99")
except OSError: pass
print(attempt()[0])"""
    result = run_python(args, code, base=WITH_PROC)
    assert result.stdout == "-1\n-1\n", result
    assert_ok(run([*BASE, *args, "--assert-userns-disabled"], ["true"]))


def test_without_disable_userns_further_ones_can_be_made():
    assert inside(["--unshare-user"], errno_inside(f"libc.unshare({CLONE_NEWUSER})")) == "OK"


def test_assert_userns_disabled_refuses_where_one_can_be_made():
    refused(["--assert-userns-disabled"], "--assert-userns-disabled", base=BASE)
    refused(["--unshare-user", "--assert-userns-disabled"], "--assert-userns-disabled", base=BASE)


@pytest.mark.parametrize("denied", [["unshare"], ["clone3"], ["unshare", "clone3"]], ids=str)
def test_assert_userns_disabled_asks_every_call_that_makes_one(denied):
    """A filter around the caller, as container engines have, may answer EPERM to some of them only."""
    outer = ["--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev", "--unshare-pid", "--proc", "/proc",
             "--add-seccomp-fd", data_fd(bpf(dict.fromkeys(denied, errno.EPERM)))]
    line = [BINARY, *BASE, "--unshare-user", "--unshare-pid", "--cap-drop", "ALL", "--assert-userns-disabled",
            "echo", "COMMAND RAN"]
    result = run(outer, line)
    assert result.returncode == 1 and not result.stdout, result
    assert "--assert-userns-disabled (argument " in result.stderr and "can still be made" in result.stderr, result


# ---- when the kernel says no ----

@pytest.mark.parametrize("limit, option", [*KINDS.items(), ("mnt", "--unshare-user")])
def test_a_namespace_limit_of_zero_is_told_as_such(limit, option):
    prefix = without_rights(f"echo 0 >/proc/sys/user/max_{limit}_namespaces")
    message = refused([option], f"max_{limit}_namespaces", base=BASE, prefix=prefix)
    assert "Creating new namespace failed" in message and "No space left" not in message


def test_a_limit_of_processes_is_told_as_such():
    prefix = [*(as_user() if IS_ROOT else []), "prlimit", "--nproc=1"]
    message = refused(["--unshare-pid"], "RLIMIT_NPROC", "ulimit -u", base=BASE, prefix=prefix)
    assert "Creating new namespace failed: Resource temporarily unavailable" in message


@pytest.mark.user
@pytest.mark.parametrize("args", [["--unshare-cgroup-try"], ["--unshare-all"]], ids=str)
def test_a_try_form_skips_where_the_limit_is_zero(args):
    prefix = without_rights("echo 0 >/proc/sys/user/max_cgroup_namespaces")
    assert run([*BASE, *args], ["echo", "ran"], prefix=prefix).stdout == "ran\n"


@pytest.mark.root
def test_root_without_cap_sys_admin_gets_a_user_namespace():
    prefix = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    for args in ([], ["--unshare-all"], ["--unshare-pid", "--dev", "/dev"]):
        result = run([*WITH_PROC, *args], ["readlink", "/proc/self/ns/user"], prefix=prefix)
        assert_ok(result)
        assert result.stdout.strip() != os.readlink("/proc/self/ns/user")


CHROOTS = {"a mount": "mount --rbind / {0}", "a directory": """for path in /*; do
    if [ -L $path ]; then cp -P $path {0}; elif [ -d $path ]; then mkdir {0}$path; mount --rbind $path {0}$path; fi
    done""", "where /proc is a link": """mkdir {0}/process; mount --rbind /proc {0}/process; ln -s process {0}/proc; for path in /*; do
    if [ -L $path ]; then cp -P $path {0}; elif [ -d $path -a $path != /proc ]; then mkdir {0}$path; mount --rbind $path {0}$path; fi
    done"""}
TO_THE_ROOT = """import ctypes, os
print(ctypes.CDLL(None).setns(os.open("/proc/self/ns/mnt", os.O_RDONLY), 0), sorted(os.listdir("/")))"""


def chrooted(box, kind):
    """In a chroot of that kind, in a mount namespace whose mounts are peers of those around it."""
    (box / "root").mkdir()
    return ["unshare", "--mount", "sh", "-ec", f"""mount --make-rprivate /; {CHROOTS[kind].format(box / "root")}; cd /
        mount --make-rshared /; before=$(cat /proc/self/mountinfo); "$0" "$@"
        test "$before" = "$(cat /proc/self/mountinfo)" || echo other mounts >&2""", "/usr/sbin/chroot",
            box / "root"]


@pytest.mark.root
@pytest.mark.parametrize("more", [[], ["--unshare-pid"], ["--die-with-parent"]], ids=str)
@pytest.mark.parametrize("kind", CHROOTS)
def test_root_in_a_chroot_leaves_nothing_of_the_host_in_the_mount_namespace(kind, more, box):
    """The namespace's root is not the chroot's, and a command with root's capabilities finds it."""
    args = ["--tmpfs", "/newroot", *more]
    result = run([*WITH_PROC, *args], python(TO_THE_ROOT), prefix=chrooted(box, kind))
    assert (result.stdout, result.stderr) == ("0 ['bin', 'lib', 'lib64', 'newroot', 'proc', 'usr']\n", ""), result


@pytest.mark.root
@pytest.mark.parametrize("kind", CHROOTS)
def test_private_files_in_a_chroot_leave_nothing_on_the_host(kind, box):
    result = run([*WITH_PROC, "--ro-bind-data", data_fd("one"), "/1", "--bind-data", data_fd("two"), "/2"], ["cat", "/1", "/2"],
                 prefix=chrooted(box, kind))
    assert (result.stdout, result.stderr) == ("onetwo", ""), result


@pytest.mark.root
@pytest.mark.parametrize("kind", CHROOTS)
@pytest.mark.parametrize("few", [[], ["prlimit", "--nofile=64:64"]], ids=["", "few descriptors"])
def test_sources_and_directory_in_a_chroot_are_the_chroots(few, kind, box):
    (box / "f").write_text("chroot")
    prefix = [*chrooted(box, kind), "sh", "-c", f'cd {box}; exec "$@"', "sh", *few]
    many = args_fd([word for number in range(300) for word in ("--ro-bind", "f", f"/d/{number}")])
    result = run([*WITH_PROC, "--bind", ".", box, "--args", many], ["sh", "-c", "pwd; cat f /d/299"], prefix=prefix)
    assert result.stdout == f"{box}\nchrootchroot", result


NO_CHROOT = ["setpriv", "--bounding-set=-sys_chroot"]


@pytest.mark.root
@pytest.mark.parametrize("kind", CHROOTS)
def test_root_who_cannot_leave_a_chroot_is_told_what_to_do(kind, box):
    refused([], "CAP_SYS_CHROOT, or --unshare-user", base=BASE, prefix=[*chrooted(box, kind), *NO_CHROOT])


@pytest.mark.root
def test_root_without_the_right_to_chroot_runs_in_a_user_namespace():
    assert_ok(run([*BASE, "--unshare-user"], ["true"], prefix=NO_CHROOT))


@pytest.mark.root
@pytest.mark.skipif(tuple(map(int, os.uname().release.split(".")[:2])) < (6, 8), reason="needs statmount(2), Linux 6.8")
def test_root_without_the_right_to_chroot_runs_where_no_chroot_is():
    assert inside(["--bind", "/tmp", "/tmp"], "sorted(os.listdir('/'))", prefix=NO_CHROOT) == \
        ["bin", "lib", "lib64", "tmp", "usr"]


@pytest.mark.parametrize("more", [[], ["--seccomp-deny", "ptrace"]], ids=["lent memory", "forked"])
def test_without_a_second_user_namespace_pid_1_protects_itself(more):
    prefix = without_rights("echo 1 >/proc/sys/user/max_user_namespaces")
    seen = inside(["--unshare-all", *more], """[line.split()[1] for line in open("/proc/self/status") if line[:3] == "Cap"],
{os.stat(f"/proc/1/{name}").st_uid == os.getuid() for name in ("environ", "maps")},
open("/proc/1/cmdline").read().strip(chr(0)).count(chr(0))""",
                  base=WITH_PROC, prefix=prefix)
    assert seen == (["0" * 16] * 5, {False}, 0)


def test_proc_that_cannot_be_new_is_told_as_callers_match_it():
    """As in a container: the visible proc is partly covered, so the kernel refuses a new one."""
    prefix = without_rights("mount -t tmpfs none /proc/irq", "--mount", "--propagation", "private")
    message = refused(["--unshare-pid", "--proc", "/proc"], base=BASE, prefix=prefix)
    assert re.search("Can't mount proc on /newroot/proc: .*Operation not permitted", message)  # bubblewrap < 0.12
    assert "Can't mount proc on /proc: Operation not permitted" in message
    assert_ok(run([*BASE, "--unshare-user", "--proc", "/proc"], ["true"], prefix=prefix))
