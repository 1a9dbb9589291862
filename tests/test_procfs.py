"""--proc-pid and --proc-try: procfs where a whole one cannot be had, as in a container."""
import os
import subprocess

import pytest

from lines import FORMS, PID_FORMS, form_args, forms, pid_forms
from sandbox import (BASE, BINARY, Holder, assert_ok, content, data_fd, inside, mounts_inside, needs_strace, refused, run, run_python,
                     without_rights)

pytestmark = pytest.mark.core

# As in a container: a part of the visible /proc is covered.
IN_CONTAINER = without_rights("mount -t tmpfs none /proc/irq", "--mount", "--propagation", "private")
PROCESSES = {"self", "thread-self"}


def of_processes_alone(names):
    return PROCESSES <= set(names) and all(name.isdigit() for name in set(names) - PROCESSES)


def kernel_makes_one(*options):
    line = ["unshare", "--user", "--map-current-user", "--keep-caps", "--mount", "--pid", "--fork", "mount", "-t", "proc", *options, "none", "/tmp"]
    return subprocess.run([*IN_CONTAINER, *line], stderr=subprocess.DEVNULL).returncode == 0


def kernel_makes_one_of_processes_alone():
    """Although the visible /proc is partly covered: since Linux 7.2."""
    return kernel_makes_one("-o", "subset=pid")


@pytest.fixture
def in_container():
    if kernel_makes_one():
        pytest.skip("another procfs is visible here, as a whole")
    return IN_CONTAINER


def proc_lines(fd):
    return [line["proc"] for line in content(fd) if "proc" in line]


@pid_forms
def test_processes_and_nothing_else_are_in_it(form):
    args = [*PID_FORMS[form], "--proc-pid", "/proc"]
    assert of_processes_alone(inside(args, "os.listdir('/proc')"))
    mount = mounts_inside(args, base=BASE)["/proc"]
    assert mount.type == "proc" and mount.has("nosuid", "nodev", "noexec")
    assert inside(args, "[os.path.exists(f'/proc/{name}') for name in ('sys', 'kcore', 'sysrq-trigger', 'meminfo', 'fs')]") == [False] * 5


@pytest.mark.parametrize("more", [[], ["--uid", "0", "--cap-add", "ALL"]], ids=["plain", "all capabilities"])
@pytest.mark.parametrize("flags", ["REMOUNT", "REMOUNT | BIND"])
def test_it_does_not_become_a_whole_one(more, flags):
    code = f"""import ctypes
REMOUNT, BIND = 32, 4096
for data in b"", b"hidepid=0", b"subset=":
    ctypes.CDLL(None).mount(b"none", b"/proc", b"proc", {flags}, data)
print([os.path.exists(f"/proc/{{name}}") for name in ("sys", "kcore", "meminfo")])"""
    result = run_python(["--unshare-user", "--unshare-pid", "--proc-pid", "/proc", *more], "import os\n" + code)
    assert_ok(result)
    assert result.stdout == "[False, False, False]\n", result


@pytest.mark.user
def test_one_of_the_present_pid_namespace_is_not_a_users_to_make():
    message = refused(["--proc-pid", "/proc"], "--proc-pid (argument", "Can't mount proc on /proc: Operation not permitted", base=BASE)
    assert "without --unshare-pid it takes CAP_SYS_ADMIN" in message


@pytest.mark.root
@pytest.mark.parametrize("option", ["--proc-pid", "--proc-try"])
def test_root_makes_one_of_the_present_pid_namespace(option):
    names = inside([option, "/proc"], "os.listdir('/proc')")
    assert str(os.getpid()) in names
    assert of_processes_alone(names) == (option == "--proc-pid")


@pid_forms
def test_a_whole_one_is_tried_first(form):
    fd = data_fd()
    args = [*PID_FORMS[form], "--json-status-fd", fd, "--proc-try", "/proc"]
    result = run([*BASE, *args], ["sh", "-c", "ls -d /proc/sys /proc/meminfo"])
    assert_ok(result)
    assert proc_lines(fd) == []


@forms
@pytest.mark.parametrize("more", [[], ["--unshare-user", "--cap-add", "CAP_NET_RAW"]], ids=["plain", "capability"])
def test_in_a_container_each_step_down_is_told(form, more, in_container):
    """With a new pid namespace the visible one, of the processes of another, is no step: that ends the run."""
    pid_namespace = "--unshare-pid" in FORMS[form] or "--unshare-all" in FORMS[form]
    fd = data_fd()
    told = form != "alone"  # to be told takes a supervisor
    args = [*(form_args(form) if form != "supervised" else []), *more, *(["--json-status-fd", fd] if told else []), "--proc-try", "/proc"]
    if pid_namespace and not kernel_makes_one_of_processes_alone():
        message = refused(args, "--proc-try (argument", "Can't mount proc on /proc: Operation not permitted", base=BASE, prefix=in_container)
        assert "without --unshare-pid the visible one is shown instead" in message
        assert proc_lines(fd) == []
        return
    result = run([*BASE, *args], ["ls", "/proc"], prefix=in_container)
    steps = ["subset=pid"] if pid_namespace else ["subset=pid", "visible"]
    assert result.returncode == 0 and proc_lines(fd) == (steps if told else [])
    assert not told or content(fd)[0]["child-pid"]  # is still the first line
    warnings = result.stderr.splitlines()
    assert len(warnings) == len(steps) and all("--proc-try (argument" in line and "Operation not permitted" in line for line in warnings)
    assert of_processes_alone(result.stdout.split()) == pid_namespace


def test_in_a_container_proc_names_what_would_help(in_container):
    message = refused(["--unshare-pid", "--proc", "/proc"], "Can't mount proc on /proc", base=BASE, prefix=in_container)
    assert ("--proc-pid or --proc-try" in message) == kernel_makes_one_of_processes_alone()
    assert "without --unshare-pid the visible one is shown" in message


def test_in_a_container_the_processes_alone_are_shown_or_the_run_ends(in_container):
    args = ["--unshare-pid", "--proc-pid", "/proc"]
    if kernel_makes_one_of_processes_alone():
        assert of_processes_alone(inside(args, "os.listdir('/proc')", prefix=in_container))
    else:
        assert "before Linux 7.2" in refused(args, "Can't mount proc on /proc", base=BASE, prefix=in_container)


def failing_fsmount(error, when):
    return ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", "trace=fsmount", "-e", f"inject=fsmount:error={error}:when={when}"]


@needs_strace
@pytest.mark.root
def test_with_a_joined_pid_namespace_the_visible_one_is_not_shown():
    """It tells of the processes of another."""
    with Holder("--pid", "--fork", "--kill-child") as holder:
        joined = ["--pidns", holder.namespace("pid")]
        assert "1" in inside([*joined, "--proc-try", "/proc"], "os.listdir('/proc')")
        assert of_processes_alone(inside([*joined, "--proc-pid", "/proc"], "os.listdir('/proc')"))
        refused([*joined, "--proc-try", "/proc"], "Can't mount proc on /proc: Operation not permitted", base=BASE,
                prefix=failing_fsmount("EPERM", "1..4"))


@needs_strace
@pytest.mark.parametrize("error", ["ENOMEM", "ENOSYS", "EINVAL"])
def test_only_what_is_not_permitted_is_stepped_over(error):
    refused(["--unshare-pid", "--proc-try", "/proc"], "Can't mount proc on /proc", base=BASE, prefix=failing_fsmount(error, "1"))


@needs_strace
def test_a_kernel_that_makes_a_whole_one_in_spite_of_it_ends_the_run():
    prefix = ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", "trace=fsconfig", "-e", "inject=fsconfig:retval=0:when=1"]
    refused(["--unshare-pid", "--proc-pid", "/proc"], "the kernel has made a whole one", base=BASE, prefix=prefix)


@pytest.mark.parametrize("inner", [["--proc", "/proc"], ["--unshare-user", "--proc-try", "/proc"], ["--bind", "/proc", "/proc"]], ids=lambda line: line[-2])
def test_a_sandbox_in_the_sandbox_shows_the_processes(inner):
    self = ["--ro-bind", os.path.dirname(BINARY), os.path.dirname(BINARY)]
    outer = [*BASE, *self, "--unshare-user", "--unshare-pid", "--proc-pid", "/proc"]
    result = run(outer, [BINARY, *BASE, *inner, "ls", "/proc"])
    assert result.returncode == 0 and of_processes_alone(result.stdout.split()), result


@pytest.mark.parametrize("outer", [["--unshare-user"], ["--unshare-user", "--unshare-pid"], ["--unshare-pid"]], ids=" ".join)
@pytest.mark.parametrize("inner", [["--proc", "/proc"], ["--unshare-user", "--proc-try", "/proc"]], ids=lambda line: line[-2])
def test_a_sandbox_in_the_sandbox_shows_what_is_covered_in_the_outer_one(outer, inner):
    self = ["--ro-bind", os.path.dirname(BINARY), os.path.dirname(BINARY)]
    result = run([*BASE, *self, "--proc", "/proc", *outer], [BINARY, *BASE, *inner, "sh", "-c", "ls -d /proc/sys; echo x 2>&- >/proc/sys/kernel/hostname"])
    assert result.stdout == "/proc/sys\n" and result.returncode != 0, result


def test_limits_of_user_namespaces_are_missing_in_it():
    self = ["--ro-bind", os.path.dirname(BINARY), os.path.dirname(BINARY)]
    outer = [*BASE, *self, "--unshare-user", "--unshare-pid", "--proc-pid", "/proc"]
    result = run(outer, [BINARY, *BASE, "--unshare-user", "--disable-userns", "echo", "COMMAND RAN"])
    assert (result.returncode, result.stdout) == (1, "")
    assert "No such file or directory; the /proc that is visible here is one of processes alone" in result.stderr
