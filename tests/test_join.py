"""--netns, --ipcns, --utsns, --cgroupns, --timens: namespaces that a descriptor names are joined, and no others."""
import os
import time

import pytest

from lines import JOINED, form_args, forms
from sandbox import (BASE, IS_ROOT, WITH_PROC, Holder, as_user, data_fd, in_pid_namespace_with_outer_proc, inside, keep,
                     refused, run, shell)

OWNED = {option: kind for option, kind in JOINED.items() if kind not in ("user", "pid")}
owned = pytest.mark.parametrize("option, kind", OWNED.items())
MINE = ["--user", "--map-current-user", "--keep-caps", "--fork", "--kill-child"]
ALL = [f"--{kind}" for kind in OWNED.values()]  # of unshare(1)
AS_USER = as_user() if IS_ROOT else []


def link(fd):
    return os.readlink(f"/proc/self/fd/{fd}")


def ours(kind):
    return keep(os.open(f"/proc/self/ns/{kind}", os.O_RDONLY))


def join_all(holder):
    """The options that join what a holder has, and what then is to be seen inside."""
    fds = {option: holder.namespace(kind) for option, kind in OWNED.items()}
    return [word for pair in fds.items() for word in pair], {kind: link(fds[option]) for option, kind in OWNED.items()}


def seen_inside(args, **options):
    return inside(args, f"{{k: os.readlink('/proc/self/ns/' + k) for k in {list(OWNED.values())}}}", base=WITH_PROC, **options)


# ---- joined ----

@forms
@pytest.mark.core
def test_all_kinds_are_joined_in_every_form(form):
    with Holder(*MINE, *ALL) as holder:
        args, joined = join_all(holder)
        more = ["--unshare-pid", "--die-with-parent"] if form == "all" else form_args(form)
        assert seen_inside(["--userns", holder.namespace("user"), *args, *more]) == joined


@owned
@pytest.mark.parametrize("more", [[], ["--unshare-pid"]], ids=" ".join)
def test_one_kind_is_joined_and_no_other(option, kind, more):
    outside = {other: link(ours(other)) for other in OWNED.values()}
    with Holder(*MINE, *ALL) as holder:
        fd = holder.namespace(kind)
        assert seen_inside(["--userns", holder.namespace("user"), option, fd, *more]) == outside | {kind: link(fd)}


@pytest.mark.root
@pytest.mark.parametrize("more", [[], ["--unshare-user"], ["--unshare-user", "--unshare-pid"], ["--json-status-fd", None],
                                  ["--unshare-user", "--uid", "7", "--cap-add", "ALL"], ["--unshare-user", "--disable-userns"]], ids=str)
@pytest.mark.parametrize("whose", ["root's", "a user's"])
def test_root_joins_before_it_makes_a_user_namespace(whose, more):
    user = [*as_user(), "unshare", *MINE] if whose == "a user's" else ["unshare", "--fork"]
    with Holder("--mount", inner=[*user, *ALL]) as holder:
        args, joined = join_all(holder)
        assert seen_inside([*args, *(data_fd() if word is None else word for word in more)]) == joined


def test_a_joined_network_is_left_as_it_is_and_sysfs_shows_it():
    with Holder(*MINE, "--net") as holder:
        args = ["--userns", holder.namespace("user"), "--netns", holder.namespace("net")]
        assert shell([*args, "--sys", "/sys"], "ls /sys/class/net; cat /sys/class/net/lo/operstate") == "lo\ndown\n"


def test_a_joined_host_name_is_seen():
    with Holder(*MINE, "--uts", inner=["sh", "-c", 'hostname joined; exec "$@"', "sh"]) as holder:
        assert inside(["--userns", holder.namespace("user"), "--utsns", holder.namespace("uts")], "os.uname().nodename") == "joined"


@pytest.mark.parametrize("form", [["--die-with-parent"], ["--unshare-pid"]], ids=" ".join)
def test_the_time_limit_is_kept_by_the_clock_outside(form):
    """Pid 1 counts by the joined clock, which is a million seconds ahead."""
    with Holder(*MINE, "--time", "--monotonic", "1000000") as holder:
        args = ["--userns", holder.namespace("user"), "--timens", holder.namespace("time"), *form]
        ahead = inside([*args, "--timeout", "20"], "__import__('time').clock_gettime(1)") - time.clock_gettime(1)
        assert 990_000 < ahead < 1_010_000
        result = run([*BASE, *args, "--timeout", "0.1"], ["sleep", "30"])
        assert result.returncode == 124, result


def test_command_has_no_power_over_what_was_joined():
    code = """import fcntl, socket, struct
try: fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 1)); print("up")  # SIOCSIFFLAGS, IFF_UP
except OSError as error: print(error.strerror)"""
    with Holder(*MINE, "--net") as holder:
        for more in ([], ["--unshare-pid"], ["--cap-add", "ALL"]):
            drop = ["--cap-drop", "ALL", *more]
            result = run([*BASE, "--userns", holder.namespace("user"), "--netns", holder.namespace("net"), *drop],
                         ["/usr/bin/python3", "-I", "-S", "-c", code])
            assert result.stdout == "Operation not permitted\n", (more, result)


# ---- refused ----

@owned
@pytest.mark.parametrize("form", ["alone", "with pid 1"])
def test_what_another_user_namespace_owns_is_refused_with_its_number(option, kind, form):
    with Holder(*MINE, *ALL) as holder:
        refused([option, holder.namespace(kind), *form_args(form)], f"{option} (argument ", "Operation not permitted",
                f"it is owned by the user namespace {link(holder.namespace('user'))}: join that as well: --userns", base=BASE, prefix=AS_USER)


@owned
@pytest.mark.core
def test_what_nobody_let_us_have_is_refused(option, kind):
    refused([option, ours(kind)], f"{option} (argument ", "it is owned by the present user namespace, where that takes CAP_SYS_ADMIN", base=BASE, prefix=AS_USER)
    with Holder(*MINE) as holder:
        refused(["--userns", holder.namespace("user"), option, ours(kind)], f"{option} (argument ",
                "neither the present one nor below it", base=BASE)


@owned
@pytest.mark.core
def test_a_descriptor_of_something_else_is_refused(option, kind):
    other = "uts" if kind != "uts" else "ipc"
    for more in ([], ["--unshare-pid"], ["--json-status-fd", data_fd()]):
        refused([option, ours(other), *more], f"{option} (argument ", f"but one of another kind: {other.upper()};", base=BASE)
    for fd in (keep(os.open("/usr", os.O_RDONLY)), keep(os.pidfd_open(os.getpid())), data_fd()):
        refused([option, fd], f"{option} (argument ", f"/proc/PID/ns/{kind}", base=BASE)


@owned
def test_a_namespace_is_joined_or_made(option, kind):
    fd = ours(kind)
    for maker in [f"--unshare-{kind}", *(["--unshare-all"] if kind != "time" else []),
                  *(["--unshare-cgroup-try"] if kind == "cgroup" else [])]:
        for args in ([maker, option, fd], [option, fd, maker]):
            refused(args, f"{option} (argument ", f"cannot be combined with --unshare-{kind}", base=BASE)
    refused(["--utsns", fd, "--hostname", "x"], "--hostname", "needs --unshare-uts", base=BASE)


def test_a_new_pid_namespace_beside_it_needs_a_proc_of_ones_own():
    refused(["--netns", ours("net"), "--unshare-pid"], "--netns", "/proc shows another pid namespace", base=BASE,
            prefix=in_pid_namespace_with_outer_proc())
