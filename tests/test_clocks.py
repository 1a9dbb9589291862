"""Time namespaces: --unshare-time, and what the clocks in them show."""
import fcntl
import os
import signal
import time
from pathlib import Path

import pytest

from lines import PID_FORMS, SHORT, form_args, forms
from sandbox import (BASE, BINARY, WITH_PROC, Holder, Life, assert_ok, close, data_fd, inside, line_from, needs_strace, pipe, python_prefix,
                     read_json, refused, run, start, without_rights)

pytestmark = [pytest.mark.core, pytest.mark.skipif(not os.path.exists("/proc/self/ns/time"), reason="needs a kernel with time namespaces")]

CLOCKS = (time.CLOCK_MONOTONIC, time.CLOCK_BOOTTIME, time.CLOCK_REALTIME)
SHOW = f"[__import__('time').clock_gettime_ns(clock) for clock in {CLOCKS}]"
SECOND = 10**9


def host_clocks():
    return [time.clock_gettime_ns(clock) for clock in CLOCKS]


def offset(monotonic=None, boottime=None):
    return ["--unshare-time", *(["--monotonic-offset", monotonic] if monotonic else []), *(["--boottime-offset", boottime] if boottime else [])]


def assert_clocks(args, monotonic_ns, boottime_ns, **options):
    """What the clocks inside show is what they show outside at the same time, and so much more."""
    before = host_clocks()
    seen = inside(["--bind", "/proc", "/proc", *args], SHOW, **options)
    after = host_clocks()
    for low, shown, high, more in zip(before, seen, after, (monotonic_ns, boottime_ns, 0)):
        assert low <= shown - more <= high


@forms
@pytest.mark.parametrize("more", [[], ["--unshare-user", "--cap-add", "ALL"], ["--unshare-user", "--disable-userns"]], ids=" ".join)
def test_clocks_show_what_was_added_and_the_wall_clock_is_the_hosts(form, more):
    assert_clocks([*form_args(form), *more, *offset("1000000", "-1.5")], 10**6 * SECOND, -1_500_000_000)


@pytest.mark.parametrize("word, ns", [("3", 3 * SECOND), ("+0.000000001", 1), ("-0.75", -750_000_000), ("0", 0), ("4000000000", 4 * 10**9 * SECOND)])
def test_an_offset_has_a_sign_and_nanoseconds(word, ns):
    assert_clocks(offset(word), ns, 0)
    assert_clocks(offset(None, word), 0, ns)


def test_the_last_offset_counts():
    args = ["--unshare-time", "--monotonic-offset", "5", "--monotonic-offset", "50"]
    assert run([*BASE, *args], ["true"]).stderr.count("Only the last --monotonic-offset option will take effect") == 1


@forms
def test_the_namespace_is_new_and_told(form):
    args, fd = form_args(form), data_fd()
    seen = inside([*args, "--unshare-time", "--info-fd", fd], "[os.stat(f'/proc/self/ns/{name}').st_ino for name in ('time', 'time_for_children')]",
                  base=WITH_PROC)
    told = read_json_at_start(fd)
    assert seen == [told["time-namespace"]] * 2 and list(told)[-1] == "time-namespace"
    assert told["time-namespace"] != os.stat("/proc/self/ns/time").st_ino


def read_json_at_start(fd):
    os.lseek(fd, 0, os.SEEK_SET)
    return read_json(fd)


@forms
def test_without_it_the_namespace_is_the_hosts(form):
    fd = data_fd()
    assert inside([*form_args(form), "--info-fd", fd], "os.stat('/proc/self/ns/time').st_ino", base=WITH_PROC) == os.stat("/proc/self/ns/time").st_ino
    assert "time-namespace" not in read_json_at_start(fd)


def owner(pid):
    NS_GET_USERNS = 0xB701
    with open(f"/proc/{pid}/ns/time") as namespace:
        fd = fcntl.ioctl(namespace, NS_GET_USERNS)
    try:
        return os.fstat(fd).st_ino
    finally:
        os.close(fd)


@pytest.mark.parametrize("more", [[], ["--unshare-pid"], ["--unshare-pid", "--cap-add", "ALL"], ["--disable-userns"]], ids=" ".join)
def test_the_reported_process_is_in_it_and_its_user_namespace_owns_it(more):
    end, told = pipe()
    with start([*BASE, "--unshare-user", *more, *offset("7"), "--info-fd", told], ["sh", "-c", "echo ready; exec sleep 60"]) as process:
        close(told)
        child = read_json(end)["child-pid"]
        line_from(process)
        # Without a pid 1 that is COMMAND, which may be in the second one.
        assert "--unshare-pid" not in more or owner(child) == os.stat(f"/proc/{child}/ns/user").st_ino
        assert Path(f"/proc/{child}/timens_offsets").read_text().split() == ["monotonic", "7", "0", "boottime", "0", "0"]


@pytest.mark.parametrize("more", [[], ["--unshare-pid"], ["--die-with-parent"], ["--cap-add", "ALL"], ["--unshare-pid", "--as-pid-1"]], ids=" ".join)
def test_in_a_joined_user_namespace_the_clocks_are_set_too(more):
    with Holder("--user", "--map-current-user") as holder:
        assert_clocks(["--userns", holder.namespace("user"), *more, *offset("100", "-0.5")], 100 * SECOND, -500_000_000)


@pytest.mark.parametrize("more", [[], ["--unshare-pid"]], ids=" ".join)
def test_in_joined_user_and_pid_namespaces_the_clocks_are_set_too(more):
    with Holder("--user", "--map-current-user", "--pid", "--fork", "--kill-child") as holder:
        joined = ["--userns", holder.namespace("user"), "--pidns", holder.namespace("pid")]
        assert_clocks([*joined, *more, *offset("100", "-0.5")], 100 * SECOND, -500_000_000)


@pytest.mark.user
@pytest.mark.parametrize("more", [[], ["--unshare-pid"]], ids=" ".join)
def test_the_clocks_are_set_where_the_caller_writes_the_maps(more):
    (info, told), (wait_end, go_end) = pipe(), pipe()
    with start([*WITH_PROC, "--unshare-user", *more, *offset("9"), "--info-fd", told, "--userns-block-fd", wait_end],
               ["head", "-n", "1", "/proc/self/timens_offsets"]) as process:
        close(told)
        child = Path(f"/proc/{read_json(info)['child-pid']}")
        (child / "setgroups").write_text("deny")
        (child / "uid_map").write_text(f"{os.getuid()} {os.getuid()} 1")
        (child / "gid_map").write_text(f"{os.getgid()} {os.getgid()} 1")
        os.write(go_end, b"x")
        out, error = process.communicate(timeout=20)
    assert (process.returncode, out.split(), error) == (0, ["monotonic", "9", "0"], "")


def test_an_offset_in_the_sandbox_in_the_sandbox_is_to_what_the_outer_one_shows():
    folder = os.path.dirname(BINARY)
    outer = [*WITH_PROC, "--ro-bind", folder, folder, "--unshare-user", "--unshare-pid", *offset("500", "20")]
    result = run(outer, [BINARY, *WITH_PROC, *offset("-500", "3"), "cat", "/proc/self/timens_offsets"])
    assert_ok(result)
    assert result.stdout.split() == ["monotonic", "0", "0", "boottime", "23", "0"]


# ---- the end ----

NO_TIMERS = python_prefix("import resource\nresource.setrlimit(resource.RLIMIT_SIGPENDING, (0, 0))")


@pytest.mark.parametrize("form", PID_FORMS)
@pytest.mark.parametrize("back", [False, True], ids=["later", "earlier"])
def test_pid_1_keeps_the_time_by_a_clock_that_shows_another(form, back):
    """The supervisor is stopped, and nothing continues it."""
    monotonic = str(-int(time.monotonic() - 1)) if back else "1000000"
    life = Life()
    with start([*BASE, *PID_FORMS[form], *offset(monotonic), *SHORT], ["sh", "-c", "echo ready; exec sleep 60"],
               prefix=NO_TIMERS, pass_fds=[life.held]) as process:
        assert line_from(process) == "ready"
        process.send_signal(signal.SIGSTOP)
        life.assert_over()
        assert process.wait(20) in (124, 137)


# ---- what is refused ----

@pytest.mark.parametrize("option", ["--monotonic-offset", "--boottime-offset"])
@pytest.mark.parametrize("word", ["", "-", "+", ".", "1.", ".5", "abc", "1e3", "--5", "+-5", "1.-1", "0x10", " 1", "0.1234567891", "4611686019", "-99999999999999999999"])
def test_what_is_no_offset_is_refused(option, word):
    refused(["--unshare-time", option, word], f"{option} (argument 2): Invalid time: {word} is not a number of seconds")


@pytest.mark.parametrize("option", ["--monotonic-offset", "--boottime-offset"])
def test_an_offset_needs_the_namespace(option):
    refused([option, "1"], f"{option} (argument 1): needs --unshare-time")
    refused(["--unshare-all", option, "1"], "needs --unshare-time")  # that is bubblewrap's list


@forms
@pytest.mark.parametrize("option, clock", [("--monotonic-offset", "CLOCK_MONOTONIC"), ("--boottime-offset", "CLOCK_BOOTTIME")])
@pytest.mark.parametrize("word", ["-4611686018", "4611686018"])
def test_a_clock_shows_neither_less_than_nothing_nor_too_much(form, option, clock, word):
    refused([*form_args(form), "--unshare-time", option, word], f"{option} (argument", f"Can't set {clock}: Numerical result out of range; it shows",
            base=BASE)


@pytest.mark.root
def test_root_without_the_right_to_set_clocks_is_told_what_it_takes():
    prefix = ["setpriv", "--bounding-set=-sys_time", "--inh-caps=-sys_time"]
    refused(offset("1"), "--monotonic-offset (argument", "Operation not permitted; it takes CAP_SYS_TIME, or --unshare-user", base=BASE, prefix=prefix)
    assert_clocks(["--unshare-user", *offset("1")], SECOND, 0, prefix=prefix)


@forms
def test_a_limit_is_told(form):
    refused([*form_args(form), "--unshare-time"], "--unshare-time (argument", "Creating new namespace failed: a limit was reached; /proc/sys/user/max_time_namespaces",
            base=BASE, prefix=without_rights("echo 0 >/proc/sys/user/max_time_namespaces"))


def failing(call, how):
    return ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:{how}"]


@needs_strace
def test_a_kernel_without_is_told():
    refused(["--unshare-pid", "--unshare-time"], "Creating new namespace failed: Invalid argument; this kernel was built without", base=BASE,
            prefix=failing("unshare", "error=EINVAL"))


@needs_strace
@pytest.mark.parametrize("call", ["unshare", "setns"])
@pytest.mark.parametrize("more", [[], offset("5")[1:]], ids=["no offset", "offset"])
def test_a_call_that_pretends_to_succeed_ends_the_run(call, more):
    told = "the clocks are not as they were set" if call == "setns" else "Can't set CLOCK_MONOTONIC" if more else "Can't enter the new time namespace"
    refused(["--unshare-user", "--unshare-pid", "--unshare-time", *more], told, base=BASE, prefix=failing(call, "retval=0:when=1"))
