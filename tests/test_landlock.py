"""--connect-tcp, --bind-tcp, --connect-udp, --bind-udp, --connect-unix, --scope: whom COMMAND may reach; and --mdwe."""
import contextlib
import ctypes
import errno
import os
import socket
import struct

import pytest

from lines import form_args, forms
from sandbox import (ALLOW, BASE, BINARY, ERRNO, FULL, IS_ROOT, WITH_PROC, filtered_by, inside, python, refused, run,
                     run_python, syscall_number)
from syscalls import HIGH, NATIVE, callers, numbers, raw  # noqa: F401 (fixtures)

VERSIONS = {"--connect-tcp": (4, "6.7"), "--bind-tcp": (4, "6.7"), "--scope": (6, "6.12"), "--connect-unix": (9, "7.1"),
            "--connect-udp": (10, "7.2"), "--bind-udp": (10, "7.2")}
OPERANDS = {"--scope": "signal", "--connect-unix": "/usr"}
MPTCP, FASTOPEN = 262, 0x20000000
EACCES, EPERM = errno.EACCES, errno.EPERM


# Filters that answer for the kernel: the numbers are the same everywhere.
CREATE, ADD, RESTRICT = 444, 445, 446


def abi():
    return max(0, ctypes.CDLL(None).syscall(CREATE, None, ctypes.c_size_t(0), 1))


def needs(option):
    wanted, version = VERSIONS[option]
    return pytest.mark.skipif(abi() < wanted, reason=f"{option} takes Landlock's ABI {wanted} (Linux {version}), and this is {abi()}")


def answered(number, error, first=None):
    """A prefix: this call, or only with this first argument, is answered with `error` by a filter around the tool."""
    rows = [(0x20, 0, 0, 0), (0x15, 0, 3, number), (0x20, 0, 0, 16), (0x15, 0, 1, first), (0x06, 0, 0, ERRNO | error), (0x06, 0, 0, ALLOW)]
    if first is None:
        rows = [rows[0], (0x15, 0, 1, number), *rows[4:]]
    return filtered_by(b"".join(struct.pack("HBBI", *row) for row in rows))


def tries(args, calls, base=BASE, **options):
    """What becomes of each call inside: 0, or its errno.  `calls` are Python statements over `socket` and `os`."""
    code = "import ctypes, os, socket\nlibc = ctypes.CDLL(None, use_errno=True)\nanswers = []\nfor call in " + repr(list(calls)) + """:
    try:
        exec(call)
        answers.append(0)
    except OSError as error:
        answers.append(error.errno)
print(answers)"""
    result = run_python(args, code, base, **options)
    assert result.returncode == 0, result
    return eval(result.stdout)


@contextlib.contextmanager
def servers(*kinds):
    """For each (family, type) a bound socket, one of a stream that listens."""
    with contextlib.ExitStack() as stack:
        opened = []
        for family, kind, address in kinds:
            server = stack.enter_context(socket.socket(family, kind))
            server.bind(address)
            if kind == socket.SOCK_STREAM:
                server.listen()
            opened.append(server)
        yield opened


LOCAL = ("127.0.0.1", 0)
TCP, UDP = (socket.AF_INET, socket.SOCK_STREAM, LOCAL), (socket.AF_INET, socket.SOCK_DGRAM, LOCAL)


def port(server):
    return server.getsockname()[1]


def connect(number, host="127.0.0.1", protocol=0):
    family = "AF_INET6" if ":" in host else "AF_INET"
    return f"socket.socket(socket.{family}, socket.SOCK_STREAM, {protocol}).connect(({host!r}, {number}))"


def bind(number, kind="SOCK_STREAM"):
    return f"socket.socket(socket.AF_INET, socket.{kind}).bind(('127.0.0.1', {number}))"


def send(number):
    return f"socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', {number}))"


# ---- TCP ----

@forms
@needs("--connect-tcp")
@pytest.mark.core
def test_tcp_is_connected_to_the_ports_named_and_no_other(form):
    args = form_args(form)
    if form == "all":  # its network is its own, where nobody listens
        assert tries(["--connect-tcp", "443", *args], [connect(443), connect(80)]) == [errno.ECONNREFUSED, EACCES]
        return
    with servers(TCP, TCP, TCP, UDP) as (one, other, third, udp):
        allow = ["--connect-tcp", str(port(one)), "--connect-tcp", f"{port(third)}-{port(third)}"]
        assert tries([*allow, *args], [connect(port(one)), connect(port(third)), connect(port(other)), connect(port(other), "::ffff:127.0.0.1"),
                                       send(port(udp)), bind(0), "socket.socketpair()"]) == [0, 0, EACCES, EACCES, 0, 0, 0]


@needs("--connect-tcp")
def test_a_range_of_ports_has_both_its_ends():
    calls = [connect(n) for n in (7999, 8000, 8001, 9023, 9024)]
    assert tries(["--unshare-net", "--connect-tcp", "8000-9023"], calls) == [EACCES, *[errno.ECONNREFUSED] * 3, EACCES]
    assert tries(["--unshare-net", "--connect-tcp", "0"], [connect(1), connect(65535)]) == [EACCES, EACCES]
    assert tries(["--unshare-net", "--connect-tcp", "65535"], [connect(65534), connect(65535)]) == [EACCES, errno.ECONNREFUSED]


@needs("--bind-tcp")
def test_tcp_servers_are_at_the_ports_named_and_at_no_other():
    calls = [bind(8000), bind(8001), bind(0), bind(8001, "SOCK_DGRAM"), connect(8001)]
    assert tries(["--unshare-net", "--bind-tcp", "8000"], calls) == [0, EACCES, EACCES, 0, errno.ECONNREFUSED]
    assert tries(["--unshare-net", "--bind-tcp", "0", "--bind-tcp", "8000-8002"], calls[:3]) == [0, 0, 0]


@needs("--connect-tcp")
@pytest.mark.parametrize("option", ["--connect-tcp", "--bind-tcp"])
@pytest.mark.core
def test_there_is_no_other_door_to_tcp(option):
    """Without a filter the first four reach a port that Landlock denies."""
    with servers(TCP) as (server,):
        fast = f"('127.0.0.1', {port(server)})"
        calls = [connect(port(server), protocol=MPTCP), f"socket.socket().sendto(b'x', {FASTOPEN}, {fast})",
                 f"socket.socket().sendmsg([b'x'], [], {FASTOPEN}, {fast})",
                 "if libc.syscall(425, 1, None) < 0: raise OSError(ctypes.get_errno(), '')",
                 "socket.socket(43, 1)", "socket.socket(2, 1, 256)"]
        expected = [errno.EPROTONOSUPPORT, errno.EOPNOTSUPP, errno.EOPNOTSUPP, errno.EPERM, errno.EPROTONOSUPPORT, errno.EPROTONOSUPPORT]
        assert tries([option, "1"], calls) == expected
        assert tries([option, "1", "--seccomp-profile", "default", "--unshare-pid"], calls[:3]) == expected[:3]


@needs("--connect-tcp")
@pytest.mark.skipif(NATIVE not in ("x86_64", "aarch64"), reason="the numbers of other machines")
def test_the_other_doors_are_shut_on_every_architecture(raw):  # noqa: F811
    denied, passed = [], []
    for arch in {"x86_64": ["x86_64", "i386", "x32"], "aarch64": ["aarch64"]}[NATIVE]:
        known = numbers(arch)
        for high in (0, HIGH) if arch not in ("i386",) else (0,):
            denied += [((arch, known["socket"], {0: 2, 1: 1, 2: MPTCP | high}), errno.EPROTONOSUPPORT),
                       ((arch, known["socket"], {0: 10, 1: 1, 2: 256 | high}), errno.EPROTONOSUPPORT),
                       ((arch, known["socket"], {0: 43 | high, 1: 1}), errno.EPROTONOSUPPORT)]
            for name, index in (("sendto", 3), ("sendmsg", 2), ("sendmmsg", 3)):
                denied.append(((arch, known[name], {0: HIGH - 1, index: FASTOPEN | 0x4000 | high}), errno.EOPNOTSUPP))
        denied.append(((arch, known["io_uring_setup"], {0: 1}), errno.EPERM))
        passed += [(arch, known[name], {0: HIGH - 1, index: 0x4000}) for name, index in (("sendto", 3), ("sendmsg", 2))]
        if "socketcall" in known:
            denied += [((arch, known["socketcall"], {0: call}), errno.EPERM) for call in (1, 11, 16, 20)]
            passed.append((arch, known["socketcall"], {0: 3}))
    answers = raw(["--connect-tcp", "443"], [call for call, _ in denied] + passed)
    wrong = [(call, errno.errorcode.get(answer, answer)) for (call, error), answer in zip(denied, answers)
             if answer not in (error, errno.ENOSYS if call[0] == "x32" else error)]
    assert not wrong
    assert not {errno.EPERM, errno.EOPNOTSUPP} & set(answers[len(denied):])


# ---- UDP ----

@needs("--connect-udp")
def test_udp_goes_to_the_ports_named_and_to_no_other():
    with servers(UDP, UDP, TCP) as (one, other, tcp):
        calls = [send(port(one)), send(port(other)), f"socket.socket(2, 2).connect(('127.0.0.1', {port(other)}))", connect(port(tcp)),
                 bind(0, "SOCK_DGRAM")]
        assert tries(["--connect-udp", str(port(one))], calls) == [0, EACCES, EACCES, 0, 0]


@needs("--bind-udp")
def test_udp_comes_from_the_ports_named_and_from_no_other():
    calls = [bind(8000, "SOCK_DGRAM"), bind(8001, "SOCK_DGRAM"), bind(0, "SOCK_DGRAM"), bind(8001), send(9)]
    assert tries(["--unshare-net", "--bind-udp", "8000"], calls) == [0, EACCES, EACCES, 0, EACCES]
    assert tries(["--unshare-net", "--bind-udp", "0"], calls)[2:] == [0, 0, 0]


# ---- Unix sockets ----

CONNECT_UNIX = "socket.socket(socket.AF_UNIX).connect({!r})".format
SEND_UNIX = "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', {!r})".format
AMONG_OURSELVES = """a = socket.socket(socket.AF_UNIX); a.bind({0!r}); a.listen()
socket.socket(socket.AF_UNIX).connect({0!r})""".format


def unix(path, kind=socket.SOCK_STREAM):
    return (socket.AF_UNIX, kind, str(path))


@needs("--connect-unix")
@pytest.mark.parametrize("form", [[], ["--unshare-pid"], ["--unshare-all", "--die-with-parent"]], ids=str)
def test_unix_sockets_outside_are_reached_at_the_paths_named_and_no_other(form, box):
    for name in ("a", "b"):
        (box / name).mkdir()
    with servers(unix(box / "a" / "1"), unix(box / "a" / "2"), unix(box / "b" / "3"), unix(box / "b" / "4", socket.SOCK_DGRAM)):
        paths = ["/box/a/1", "/box/a/2", "/box/b/3"]
        calls = [*map(CONNECT_UNIX, paths), AMONG_OURSELVES("/tmp/own"), "os.mkdir('/tmp/d')\nos.rename('/tmp/own', '/tmp/d/own')"]
        args = [*form, "--ro-bind", box, "/box"]
        assert tries([*args, "--connect-unix", "/box/a/1"], calls, FULL) == [0, EACCES, EACCES, 0, 0]
        assert tries([*args, "--connect-unix", "/box/a"], calls, FULL) == [0, 0, EACCES, 0, 0]
        assert tries([*args, "--connect-unix", "/box/a/2", "--connect-unix", "/box/b"], calls, FULL) == [EACCES, 0, 0, 0, 0]
        assert tries([*args, "--connect-unix", "/usr"], calls, FULL) == [EACCES, EACCES, EACCES, 0, 0]
        for path, answer in (("/box/a", EACCES), ("/box/b", 0), ("/box/b/4", 0)):
            assert tries([*args, "--connect-unix", path], [SEND_UNIX("/box/b/4")], FULL) == [answer]


@needs("--connect-unix")
def test_a_socket_is_not_moved_to_where_it_may_be_reached(box):
    box.chmod(0o777)
    for name in ("yes", "no"):
        (box / name).mkdir()
        (box / name).chmod(0o777)
    with servers(unix(box / "no" / "s")):
        calls = ["os.link('/box/no/s', '/box/yes/l')", "os.rename('/box/no/s', '/box/yes/s')", CONNECT_UNIX("/box/no/s")]
        answers = tries(["--bind", box, "/box", "--connect-unix", "/box/yes"], calls)
    assert answers == [errno.EXDEV, errno.EXDEV, EACCES]


@needs("--connect-unix")
def test_a_link_that_an_earlier_command_left_allows_nothing(box):
    if IS_ROOT:
        pytest.skip("root's links count as the system's where owners do not tell")
    (box / "proj").mkdir()
    (box / "run").mkdir()
    (box / "proj" / "socket").symlink_to("/run/s")
    with servers(unix(box / "run" / "s")):
        refused(["--bind", box / "proj", "/proj", "--bind", box / "run", "/run", "--connect-unix", "/proj/socket"],
                "--connect-unix (argument ", "Can't allow /proj/socket", base=BASE)


@needs("--connect-unix")
def test_with_paths_nothing_can_be_mounted_inside():
    nested = ["/bwrapish", "--ro-bind", "/", "/", "true"]
    args = [*WITH_PROC, "--ro-bind", BINARY, "/bwrapish"]
    assert run([*args, "--connect-tcp", "1", "--scope", "signal"], nested).returncode == 0
    assert run([*args, "--connect-unix", "/usr"], nested).returncode == 1


@needs("--connect-unix")
def test_a_path_that_is_missing_is_refused():
    refused(["--connect-unix", "/nothing"], "--connect-unix (argument ", "Can't allow /nothing: No such file", base=BASE)


@needs("--scope")
@forms
@pytest.mark.core
def test_abstract_sockets_of_others_are_out_of_scope(form, box):
    name = f"\0bwrapish-test-{os.getpid()}-{form}"
    with servers(unix(name), unix(name + "d", socket.SOCK_DGRAM), unix(box / "s")):
        calls = [CONNECT_UNIX(name), SEND_UNIX(name + "d"), AMONG_OURSELVES(name + "inner"), CONNECT_UNIX("/box/s")]
        args = [*form_args(form), "--ro-bind", box, "/box"]
        other = errno.ECONNREFUSED if form == "all" else EPERM  # that of another network
        assert tries([*args, "--scope", "abstract-unix"], calls) == [other, other, 0, 0]
        assert form == "all" or tries([*args, "--scope", "signal"], calls) == [0, 0, 0, 0]


# ---- signals ----

@needs("--scope")
@pytest.mark.core
@pytest.mark.parametrize("form", [[], ["--die-with-parent"], ["--lock-file", "/usr/bin/env"]], ids=str)
def test_signals_reach_no_process_outside(form):
    calls = [f"os.kill({os.getpid()}, 0)", "os.kill(os.getppid(), 0)",
             "pid = os.fork()\nif not pid:\n    import time; time.sleep(60)\nos.kill(pid, 9)\nassert os.waitpid(pid, 0)[1] == 9"]
    assert tries([*form, "--scope", "signal"], calls) == [EPERM, EPERM, 0]
    assert tries([*form, "--scope", "abstract-unix"], calls[:1]) == [0]


@needs("--scope")
@pytest.mark.parametrize("form", [[], ["--unshare-pid"], ["--unshare-pid", "--as-pid-1"]], ids=str)
def test_what_ends_the_sandbox_still_ends_it(form):
    args = [*BASE, *form, "--scope", "signal", "--timeout", "0.1", "--kill-after", "0.1"]
    assert run(args, ["sleep", "30"]).returncode in (124, 137)


# ---- in force, or not run ----

@needs("--scope")
@forms
def test_the_rules_hold_for_all_that_command_starts_and_leave_no_descriptor(form):
    args = ["--connect-tcp", "443", "--scope", "signal", *form_args(form)]
    assert inside(args, "sorted(os.listdir('/proc/self/fd'))", WITH_PROC) == ["0", "1", "2", "3"]  # 3 is listdir's
    child = "import os, socket\nif not os.fork(): socket.socket().connect(('127.0.0.1', 80))\nos.wait()"
    assert "PermissionError" in run_python([*BASE, *args], child, base=[]).stderr


@pytest.mark.parametrize("option", VERSIONS)
def test_a_kernel_that_cannot_do_it_is_told_and_can_be_gone_without(option):
    wanted, version = VERSIONS[option]
    if abi() < wanted:
        prefixes = [[]]
    else:
        prefixes = [answered(CREATE, error) for error in (errno.ENOSYS, errno.EOPNOTSUPP)]
    line = [option, OPERANDS.get(option, "443")]
    for prefix in prefixes:
        refused(line, f"{option} (argument {len(BASE) + 1}): Can't restrict COMMAND; ", f"Linux {version}", "--landlock-try", base=BASE,
                prefix=prefix)
        result = run([*BASE, *line, "--landlock-try"], ["echo", "ran"], prefix=prefix)
        assert (result.returncode, result.stdout) == (0, "ran\n") and f"{option} (argument " in result.stderr, result
        assert "goes on without" not in result.stderr
    for error in (errno.EPERM, errno.ENOMEM):
        refused([*line, "--landlock-try"], option, os.strerror(error), base=BASE,
                prefix=answered(CREATE, error))


@needs("--scope")
def test_what_the_kernel_can_do_is_done_beside_what_it_cannot():
    if abi() >= 10:
        pytest.skip("this kernel can do all")
    result = run_python(["--landlock-try", "--bind-udp", "1", "--scope", "signal"],
                        f"import os\ntry: os.kill({os.getpid()}, 0)\nexcept OSError: print('no')")
    assert result.stdout == "no\n" and result.stderr.count("\n") == 1, result


@needs("--scope")
@pytest.mark.parametrize("number", [CREATE, RESTRICT])
@pytest.mark.parametrize("form", [[], ["--unshare-pid"]], ids=str)
def test_a_filter_that_answers_for_the_kernel_ends_the_run(number, form):
    refused([*form, "--scope", "signal"], "--scope (argument ", base=BASE, prefix=answered(number, 0))
    refused([*form, "--connect-tcp", "1"], "--connect-tcp (argument ", base=BASE, prefix=answered(number, 0))


@needs("--connect-tcp")
@pytest.mark.parametrize("error", [0, errno.EPERM], ids=str)
def test_tcp_is_not_restricted_by_halves(error):
    """The other doors cannot be shut, and --allow-keys leaves out the filter that is loaded before."""
    refused(["--allow-keys", "--no-tty-guard", "--connect-tcp", "443"], "--connect-tcp (argument ", "another door", base=BASE,
            prefix=answered(syscall_number("seccomp"), error))


@needs("--scope")
def test_rules_of_a_filter_that_takes_none_deny_all():
    assert tries(["--connect-tcp", "443"], [connect(443)], prefix=answered(ADD, 0)) == [EACCES]


@pytest.mark.parametrize("words, message", [
    (["--connect-tcp", "x"], "Invalid port: x"), (["--connect-tcp", ""], "Invalid port"), (["--bind-tcp", "65536"], "Invalid port: 65536"),
    (["--bind-udp", "9-8"], "ends before it begins"), (["--connect-udp", "1-1025"], "1025 ports"), (["--connect-tcp", "-1"], "Invalid port"),
    (["--connect-tcp", "1-2-3"], "Invalid port"), (["--connect-tcp", " 1"], "Invalid port"), (["--scope", "all"], "neither abstract-unix nor signal"),
    (["--connect-unix", ""], "--connect-unix"), (["--landlock-try"], "needs something to be restricted")], ids=str)
def test_bad_words_are_refused(words, message):
    refused(words, f"{words[0]} (argument ", message, base=BASE)


# ---- memory ----

MEMORY = """import mmap
libc.mmap.restype = ctypes.c_void_p
libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
def call(answer):
    if answer in (-1, 2 ** 64 - 1, 2 ** 32 - 1): raise OSError(ctypes.get_errno(), '')
    return answer
"""
MAKE = MEMORY + "call(libc.mmap(None, 4096, 7, 0x22, -1, 0))"
CHANGE = MEMORY + "call(libc.mprotect(call(libc.mmap(None, 4096, 3, 0x22, -1, 0)), 4096, 5))"
TAKE_BACK = "if libc.prctl(65, 0, 0, 0, 0): raise OSError(ctypes.get_errno(), '')"


def has_mdwe():
    return ctypes.CDLL(None).prctl(66, 0, 0, 0, 0) >= 0


@pytest.mark.skipif(not has_mdwe(), reason="--mdwe takes Linux 6.3")
@forms
@pytest.mark.core
def test_written_memory_is_never_executed(form):
    assert tries(["--mdwe", *form_args(form)], [MAKE, CHANGE, TAKE_BACK]) == [EACCES, EACCES, EPERM]


@pytest.mark.skipif(not has_mdwe(), reason="--mdwe takes Linux 6.3")
def test_without_mdwe_it_can_be_and_what_command_starts_has_it_too():
    assert tries([], [MAKE, CHANGE]) == [0, 0]
    child = "import os, sys; os.execv(sys.executable, [sys.executable, '-I', '-S', '-c', 'import ctypes; print(ctypes.CDLL(None).prctl(66, 0, 0, 0, 0))'])"
    assert run([*BASE, "--mdwe"], python(child)).stdout == "1\n"


def test_a_kernel_without_mdwe_or_a_filter_that_pretends_it_runs_nothing():
    """Both by a filter around; prctl(2) is refused for what is asked late alone."""
    for value, message in ((errno.EINVAL, "Linux 6.3"), (0, "reported")):
        refused(["--mdwe"], "--mdwe (argument ", message, base=BASE, prefix=answered(syscall_number("prctl"), value, 65))
