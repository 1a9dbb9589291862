"""--tcp-out and --unix-out: what is inside reaches what the line names outside, and nothing else."""
import hashlib
import os
import resource
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from lines import PID_FORMS, form_args, forms, pid_forms
from peers import NET, Server, allow_many_sockets, client, digest, echo, find_carrier, find_init, find_waiting_carrier, is_gone
from sandbox import (BASE, FULL, IS_ROOT, Holder, assert_ok, assert_refused, keep, line_from, needs_strace, pipe, refused, run, start,
                     status_fields, wait_for)

pytestmark = pytest.mark.core


def says(args, code, base=NET, **options):
    """What a client inside prints."""
    result = run([*base, *args], client(code), **options)
    assert_ok(result)
    return result.stdout.strip()


def peer(kind, box):
    """Where a server of that kind listens."""
    return {"unix": str(box / "socket"), "abstract": b"\0" + str(box).encode(), "ipv4": ("127.0.0.1", 0), "ipv6": ("::1", 0)}[kind]


def serving(serve, kind, box):
    return Server(serve, peer(kind, box), socket.AF_INET6 if kind == "ipv6" else None)


@forms
def test_a_port_inside_leads_to_the_target_in_every_shape(form, box):
    with Server(echo, str(box / "socket")) as server:
        assert says([*form_args(form), "--tcp-out", "80", server.target],
                    "print(ask(connect(80), b'four'), ask(connect(80, '::1'), b'six'))") == "b'four' b'six'"


@pytest.mark.parametrize("kind", ["unix", "abstract", "ipv4", "ipv6"])
def test_a_target_is_a_socket_of_any_kind(kind, box):
    with serving(echo, kind, box) as server:
        assert says(["--tcp-out", "8080", server.target], "print(ask(connect(8080), b'words'))") == "b'words'"


def test_a_relative_path_is_the_callers(box):
    with Server(echo, str(box / "socket")):
        assert says(["--tcp-out", "80", "unix:socket"], "print(ask(connect(80), b'words'))", cwd=box) == "b'words'"


@pytest.mark.parametrize("more", [["--cap-add", "ALL", "--unshare-user"], ["--disable-userns", "--unshare-user"], ["--uid", "0", "--unshare-user"],
                                  ["--seccomp-profile", "default"]], ids=lambda words: words[0])
def test_other_privileges_make_no_difference(more, box):
    with Server(echo, str(box / "socket")) as server:
        assert says([*more, "--tcp-out", "80", server.target], "print(ask(connect(80), b'words'))") == "b'words'"


def test_a_joined_user_namespace_makes_no_difference(box):
    with Holder("-Ur") as holder, Server(echo, str(box / "socket")) as server:
        assert says(["--userns", holder.namespace("user"), "--tcp-out", "80", server.target], "print(ask(connect(80), b'words'))") == "b'words'"


@pytest.mark.parametrize("way", ["socket", "sub", "link"])
def test_what_command_puts_in_place_of_a_target_leads_nowhere(way, box):
    """COMMAND can write to where the socket is: a link of its making is followed by nobody outside."""
    shared, other = box / "shared", box / "other"
    for directory in (shared, shared / "sub", other):
        directory.mkdir()
    (box / "link").symlink_to(shared / "sub")
    path = {"socket": shared / "socket", "sub": shared / "sub" / "socket", "link": box / "link" / "socket"}[way]
    code = f"""print(ask(connect(80), b"words"))
name = "/shared/{'socket' if way == 'socket' else 'sub'}"
os.rename(name, name + ".old")
os.symlink("{other}" + {'"/socket"' if way == "socket" else '""'}, name)
print(error_of(lambda: ask(connect(80), b"words")))
os.unlink(name)
os.rename(name + ".old", name)
print(ask(connect(80), b"again"))"""
    with Server(echo, str(path)) as server, Server(lambda connection: connection.sendall(b"secret"), str(other / "socket")):
        assert says(["--bind", shared, "/shared", "--tcp-out", "80", server.target], code).split("\n") == \
            ["b'words'", "ConnectionResetError", "b'again'"]


def test_a_target_may_be_made_anew_and_be_missing_at_first(box):
    code = """sys.stdin.readline()
print(ask(connect(80), b"words"))"""
    with start([*NET, "--tcp-out", "80", f"unix:{box}/new/./socket"], client("print('asks', error_of(lambda: ask(connect(80), b'x')), flush=True)\n" + code),
               stdin=subprocess.PIPE) as process:
        assert line_from(process) == "asks ConnectionResetError"
        (box / "new").mkdir()
        with Server(echo, str(box / "new" / "socket")):
            process.stdin.write("\n")
            process.stdin.flush()
            assert line_from(process) == "b'words'"


def test_nothing_else_is_reached():
    with Server(echo) as server, Server(echo) as other:
        code = f"""print(*(error_of(lambda: connect(port, host)) for host, port in
            [("127.0.0.1", {other.port}), ("127.0.0.1", {server.port}), ("192.0.2.1", 80), ("2001:db8::1", 80)]))
print(open("/proc/net/route").read().count("\\n"))
try: connect(80, "192.0.2.1")
except OSError as error: print(error.errno)"""
        base = [*FULL, "--unshare-all"]
        assert says(["--tcp-out", "80", server.target], code, base).split("\n") == \
            ["ConnectionRefusedError ConnectionRefusedError OSError OSError", "1", "101"]


def test_what_one_side_ends_the_other_still_answers(box):
    with Server(digest, str(box / "socket")) as server:
        code = """connection = connect(80)
connection.sendall(b"x" * 1000)
connection.shutdown(socket.SHUT_WR)
print(rest(connection).decode() == hashlib.sha256(b"x" * 1000).hexdigest())"""
        assert says(["--tcp-out", "80", server.target], code) == "True"


def test_what_the_target_ends_still_hears(box):
    def serve(connection):
        connection.shutdown(socket.SHUT_WR)
        heard.append(connection.recv(100))
    heard = []
    with Server(serve, str(box / "socket")) as server:
        assert says(["--tcp-out", "80", server.target], "connection = connect(80); print(connection.recv(9)); connection.sendall(b'late')") == "b''"
        wait_for(lambda: heard == [b"late"])


MB = 1000 if os.environ.get("BWRAPISH_WAITS") else 100
BOTH_WAYS = """import threading
block = os.urandom(1 << 20)
connection = connect(80)
def send():
    for _ in range(%d): connection.sendall(block)
    connection.shutdown(socket.SHUT_WR)
threading.Thread(target=send).start()
sent, got = hashlib.sha256(), hashlib.sha256()
while data := connection.recv(1 << 20): got.update(data)
for _ in range(%d): sent.update(block)
print(sent.digest() == got.digest())"""


@pytest.mark.parametrize("kind", ["unix", "ipv4"])
def test_all_arrives_as_it_was_sent(kind, box):
    with serving(echo, kind, box) as server:
        assert says(["--tcp-out", "80", server.target], BOTH_WAYS % (MB, MB), timeout=30 + MB // 5) == "True"


MANY = """import resource, selectors
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
connections = [connect(80) for _ in range(%d)]
for number, connection in enumerate(connections): connection.sendall(b"%%d" %% number)
"""


def many(connection):
    """For a thousand a thread each is too much: nobody is heard before all are here."""
    connection.sendall(connection.recv(100))


def test_a_thousand_connections_at_once(box):
    allow_many_sockets()
    code = MANY % 1000 + "print(all(connection.recv(9) == b'%d' % number for number, connection in enumerate(connections)))"
    with Server(many, str(box / "socket")) as server:
        assert says(["--tcp-out", "80", server.target], code, timeout=60) == "True"


def few_descriptors():
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100))


def test_more_than_there_can_be_wait_for_their_turn(box):
    with Server(echo, str(box / "socket")) as server:
        code = """connections = [connect(80) for _ in range(40)]
for number, connection in enumerate(connections): connection.sendall(b"%d" % number)
first = connections[0].recv(9)
connections[39].settimeout(0.05)
print(first, error_of(lambda: connections[39].recv(9)))
connections[39].settimeout(None)
for connection in connections[:39]: connection.close()
print(connections[39].recv(9))"""
        assert says(["--tcp-out", "80", server.target], code, preexec_fn=few_descriptors).split("\n") == ["b'0' TimeoutError", "b'39'"]


def test_where_not_one_can_be_nothing_runs(box):
    def none():
        resource.setrlimit(resource.RLIMIT_NOFILE, (22, 22))
    refused([*NET, "--tcp-out", "80", "unix:/x"], "The limit of open files, 22, is too small to carry a connection", preexec_fn=none)


def test_a_peer_that_never_reads_holds_nobody_up(box):
    def serve(connection):
        if connection.recv(1) == b"e":
            echo(connection)
        released.wait()
    released = threading.Event()
    code = """stuck = [connect(80) for _ in range(20)]
for connection in stuck:
    connection.setblocking(False)
    connection.send(b"s")
    while type(error_of(lambda: connection.send(bytes(1 << 16)))) is int: pass
print(ask(connect(80), b"echo"))"""
    with Server(serve, str(box / "socket")) as server:
        assert says(["--tcp-out", "80", server.target], code) == "b'cho'"
    released.set()


def test_urgent_data_holds_up_nothing(box):
    code = """for last in (b"tail", b""):
    connection = connect(80)
    for words, how in ((b"head", 0), (b"!", socket.MSG_OOB), (last, 0)): connection.send(words, how)
    connection.shutdown(socket.SHUT_WR)
    print(rest(connection).decode())"""
    with Server(digest, str(box / "socket")) as server:
        assert says(["--tcp-out", "80", server.target], code).split("\n") == [hashlib.sha256(b"head" + last).hexdigest() for last in (b"tail", b"")]


def test_a_refusal_is_a_reset(box):
    code = "print(*(error_of(lambda: ask(connect(port), b'words')) for port in (80, 81)))"
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert says(["--tcp-out", "80", f"unix:{box}/none", "--tcp-out", "81", f"tcp:127.0.0.1:{unused.getsockname()[1]}"], code) == \
            "ConnectionResetError ConnectionResetError"


LINGER = b"\1\0\0\0\0\0\0\0"


def test_a_reset_is_passed_on_in_both_directions():
    def serve(connection):
        connection.sendall(connection.recv(9))
        try:
            while connection.recv(9):
                pass
        except ConnectionResetError:
            resets.append(True)
        if not resets:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER)
    resets = []
    with Server(serve) as server:
        code = """one = connect(80)
print(ask(one, b"one"))
one.shutdown(socket.SHUT_WR)
print(error_of(lambda: one.recv(9)))
other = connect(80)
print(ask(other, b"other"))
other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, %r)
other.close()""" % LINGER
        assert says(["--tcp-out", "80", server.target], code).split("\n") == ["b'one'", "ConnectionResetError", "b'other'"]
        wait_for(lambda: resets, what="a reset")


@pytest.mark.parametrize("form", ["supervised", "with pid 1", "as pid 1"])
def test_what_command_sent_last_arrives(form, box):
    def serve(connection):
        got.append(b"".join(iter(lambda: connection.recv(1 << 16), b"")))
    got = []
    code = """for number in range(20):
    connection = connect(80)
    connection.sendall(b"%02d" % number * 50000)
os._exit(0)"""
    with Server(serve, str(box / "socket")) as server:
        says([*form_args(form), "--tcp-out", "80", server.target], code)
        wait_for(lambda: sorted(got) == [b"%02d" % number * 50000 for number in range(20)], what="all of it")


def test_a_target_whose_queue_is_full_is_asked_again(box):
    open_for_all = threading.Event()

    class Late(Server):
        def _accept(self):
            open_for_all.wait()
            super()._accept()
    code = """connections = [connect(80) for _ in range(30)]
print("asked", flush=True)
print(all(ask(connection, b"x") == b"x" for connection in connections))"""
    with Late(echo, str(box / "socket"), backlog=1) as server, start([*NET, "--tcp-out", "80", server.target], client(code)) as process:
        assert line_from(process) == "asked"
        open_for_all.set()
        assert line_from(process) == "True"


# ---- descriptors ----

def handed(sock):
    return keep(sock.detach())


def test_a_connected_socket_is_for_the_first_connection():
    here, there = socket.socketpair()
    fd = handed(there)
    code = """first = connect(80)
print(ask(first, b"ask"), error_of(lambda: connect(80)))"""
    with start([*NET, "--tcp-out", "80", f"fd:{fd}"], client(code), pass_fds=[fd]) as process:
        assert here.recv(9) == b"ask"
        here.sendall(b"answer")
        assert line_from(process) == "b'answer' ConnectionRefusedError"
        os.close(keep(os.dup(fd)))
        assert here.recv(9) == b""
    here.close()


def test_a_listening_socket_gives_one_connection_for_each():
    listener = socket.create_server(("127.0.0.1", 0))
    address, fd = listener.getsockname(), handed(listener)
    code = """pair = [connect(80), connect(80)]
print("both", flush=True)
print(*(connection.recv(9) for connection in pair))"""
    with start([*NET, "--tcp-out", "80", f"fd:{fd}"], client(code), pass_fds=[fd]) as process:
        assert line_from(process) == "both"
        peers = [socket.create_connection(address) for _ in range(2)]
        for peer in peers:
            peer.sendall(b"hello")
        assert line_from(process) == "b'hello' b'hello'"
        for peer in peers:
            peer.close()


def test_standard_input_can_be_the_socket(box):
    here, there = socket.socketpair()
    with start([*NET, "--tcp-out", "80", "fd:0"], client("print(ask(connect(80), b'ask'))"), stdin=there) as process:
        assert here.recv(9) == b"ask"
        here.sendall(b"answer")
        assert line_from(process) == "b'answer'"
    here.close()
    there.close()


@pytest.mark.parametrize("make, why", [
    (lambda: keep(os.open("/dev/null", os.O_RDWR)), "cannot be used: Socket operation on non-socket"),
    (lambda: handed(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)), "is no stream socket, TCP or unix"),
    (lambda: handed(socket.socket()), "neither listens nor is connected")], ids=["file", "datagrams", "unconnected"])
def test_a_descriptor_that_is_no_such_socket_is_refused(make, why):
    fd = make()
    refused([*NET, "--tcp-out", "80", f"fd:{fd}"], f"--tcp-out (argument {len(NET) + 1}): Descriptor {fd} {why}", pass_fds=[fd])


# ---- bad lines ----

@pytest.mark.parametrize("words, why", [
    (["0", "unix:/x"], 'Invalid port: "0" is no number from 1 to 65535'),
    (["65536", "unix:/x"], 'Invalid port: "65536"'),
    (["http", "unix:/x"], 'Invalid port: "http"'),
    (["80", "/x"], 'Invalid target: "/x" is none of unix:PATH, unix-abstract:NAME, tcp:ADDR:PORT and fd:N'),
    (["80", "unix:"], "Invalid target: it names no socket"),
    (["80", "unix-abstract:"], "Invalid target: it names no socket"),
    (["80", "unix:/" + 107 * "x"], "the name of a unix socket has at most 107 bytes"),
    (["80", "tcp:localhost:80"], "names are looked up by a proxy, not here"),
    (["80", "tcp:::1:80"], '"::1" is neither an IPv4 address nor an IPv6 address in brackets'),
    (["80", "tcp:[127.0.0.1]:80"], "neither an IPv4"),
    (["80", "tcp:127.0.0.1"], "has no port behind a colon"),
    (["80", "tcp:127.0.0.1:0"], 'Invalid port: "0"'),
    (["80", "fd:99"], "descriptor 99 is not open"),
    (["80", "fd:x"], "x is not a descriptor's number")], ids=str)
def test_bad_words_are_refused(words, why):
    refused([*NET, "--tcp-out", *words], f"--tcp-out (argument {len(NET) + 1}): ", why)


def test_a_port_leads_to_one_target():
    refused([*NET, "--tcp-out", "80", "unix:/x", "--tcp-out", "80", "unix:/y"], "port 80 is that of --tcp-out")


def test_a_new_network_namespace_is_needed():
    refused([*BASE, "--tcp-out", "80", "unix:/x"], "needs --unshare-net")
    refused([*BASE, "--unshare-all", "--share-net", "--tcp-out", "80", "unix:/x"],
            f"needs --unshare-net, which --share-net (argument {len(BASE) + 2}) has taken back")
    refused([*BASE, "--unshare-all", "--share-net", "--sys", "/sys"], f"needs --unshare-net, which --share-net (argument {len(BASE) + 2}) has taken back, or --netns")


# ---- what cannot be had ----

def failing(call, error, when):
    return ["strace", "-f", "-qqq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={when}"]


@needs_strace
@pytest.mark.parametrize("call, error", [("bind", "EADDRNOTAVAIL"), ("socket", "EAFNOSUPPORT")])
def test_without_ipv6_there_is_the_other_one(call, error, box):
    """Which call it is shows in a run in which none fails."""
    log = box / "log"
    run([*NET, "--tcp-out", "80", "unix:/x"], ["true"], prefix=["strace", "-f", "-qqq", "-o", log, "-e", f"trace={call}"])
    lines = [line for line in log.read_text().split("\n") if f"{call}(" in line]
    number = next(i for i, line in enumerate(line for line in lines if line.split()[0] == lines[-1].split()[0]) if "INET6" in line) + 1
    with Server(echo, str(box / "socket")) as server:
        result = run([*NET, "--verbose", "--tcp-out", "80", server.target], client("print(ask(connect(80), b'x'), error_of(lambda: connect(80, '::1')))"),
                     prefix=failing(call, error, number))
    assert result.stdout == "b'x' ConnectionRefusedError\n", result.stderr
    assert "nothing listens on [::1], so that clients take 127.0.0.1: " in result.stderr


@needs_strace
@pytest.mark.parametrize("call, error, words", [
    ("bind", "EADDRINUSE", "Can't listen on port 80 inside: Address already in use"),
    ("listen", "EADDRINUSE", "Can't listen on port 80 inside: Address already in use"),
    ("epoll_create1", "EMFILE", "Can't watch its sockets: Too many open files")])
def test_what_cannot_be_carried_keeps_command_from_running(call, error, words):
    assert_refused(run([*NET, "--tcp-out", "80", "unix:/x"], ["echo", "COMMAND RAN"], prefix=failing(call, error, "1")), words)


# ---- the process ----

WAIT = "connection = connect(80); ask(connection, b'hello'); print('ready', flush=True); import time; time.sleep(60)"


@pytest.fixture
def carried(box):
    """A sandbox that has a connection: its process, and its carrier's number."""
    with Server(echo, str(box / "socket")) as server, \
            start([*NET, "--unshare-pid", "--die-with-parent", "--tcp-out", "80", server.target], client(WAIT)) as process:
        assert line_from(process) == "ready"
        yield process


def test_the_process_that_carries_has_nothing_and_is_nobodys(carried):
    pid = find_carrier(carried)
    fields = status_fields(Path(f"/proc/{pid}/status").read_text())
    assert [fields[name] for name in ("CapPrm", "CapEff", "CapAmb", "Seccomp", "NoNewPrivs")] == [*["0" * 16] * 3, "2", "1"]
    if not IS_ROOT:
        with pytest.raises(PermissionError):
            os.listdir(f"/proc/{pid}/fd")
        return
    links = [os.readlink(entry) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    assert {link.split(":")[0] for link in links} <= {"socket", "anon_inode", "pipe", "/"}, links
    for kind in ("user", "net", "pid", "mnt"):
        assert os.readlink(f"/proc/{pid}/ns/{kind}") == os.readlink(f"/proc/self/ns/{kind}")


@pytest.mark.parametrize("whom", ["the supervisor", "COMMAND"])
def test_it_ends_with_the_sandbox(carried, whom):
    pid = find_carrier(carried)
    if whom == "COMMAND":
        os.kill(find_init(carried), signal.SIGKILL)
    else:
        carried.kill()
    wait_for(lambda: is_gone(pid), what="its end")
    carried.wait(20)


def test_its_end_is_told_and_nothing_is_reached_after_it(box):
    code = "connection = connect(80); print(ask(connection, b'x'), flush=True); print(error_of(lambda: connection.recv(1)), error_of(lambda: connect(80)), flush=True); sys.stdin.read()"
    with Server(echo, str(box / "socket")) as server, \
            start([*NET, "--unshare-pid", "--tcp-out", "80", server.target], client(code), stdin=subprocess.PIPE) as process:
        assert line_from(process) == "b'x'"
        os.kill(find_carrier(process), signal.SIGKILL)
        assert line_from(process) in ("b'' ConnectionRefusedError", "ConnectionResetError ConnectionRefusedError")
        assert process.stderr.readline() == ("bwrapish: --tcp-out (argument %d): The process that carries its connections was ended by signal 9: "
                                             "there are none any more\n" % (len(NET) + 2))
        process.stdin.close()
        assert process.wait(20) == 0


@pid_forms
def test_its_end_is_told_although_command_has_ended_of_it(form, box):
    """The supervisor sees both ends at once."""
    code = "connection = connect(80); print(ask(connection, b'x'), flush=True); error_of(lambda: connection.recv(1))"
    with Server(echo, str(box / "socket")) as server, \
            start([*NET, *PID_FORMS[form], "--tcp-out", "80", server.target], client(code)) as process:
        assert line_from(process) == "b'x'"
        init, carrier = find_init(process), find_carrier(process)
        process.send_signal(signal.SIGSTOP)
        os.kill(carrier, signal.SIGKILL)
        wait_for(lambda: is_gone(init), what="COMMAND's end")
        process.send_signal(signal.SIGCONT)
        assert process.wait(20) == 0
        assert process.stderr.read() == ("bwrapish: --tcp-out (argument %d): The process that carries its connections was ended by signal 9: "
                                         "there are none any more\n" % (len([*NET, *PID_FORMS[form]]) + 1))


@pid_forms
def test_its_end_is_told_although_command_has_not_started(form):
    block, go = pipe()
    with start([*NET, *PID_FORMS[form], "--block-fd", block, "--tcp-out", "80", "unix:/x"], ["true"]) as process:
        wait_for(lambda: find_waiting_carrier(process), what="the carrier")
        carrier = find_waiting_carrier(process)
        os.kill(carrier, signal.SIGKILL)
        wait_for(lambda: not os.path.exists(f"/proc/{carrier}"), what="that it is known")
        os.write(go, b"x")
        assert process.wait(20) == 0
        assert "The process that carries its connections was ended by signal 9: there are none any more\n" in process.stderr.read()


def test_what_command_leaves_behind_with_pid_1_is_still_connected(box):
    code = """if os.fork() == 0:
    os.close(1)
    while os.getppid() != 1: pass
    assert ask(connect(80), b"left") == b"left"
    open(sys.argv[1], "w").write("done")"""
    with Server(echo, str(box / "socket")) as server:
        result = run([*NET, "--bind", box, box, "--unshare-pid", "--tcp-out", "80", server.target], [*client(code), box / "result"],
                     stderr=subprocess.DEVNULL)
        assert result.returncode == 0
        wait_for(lambda: (box / "result").exists() and (box / "result").read_text() == "done", what="its words")


def test_command_has_none_of_its_sockets():
    code = "print(*(os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd') if int(fd) > 2 and os.path.exists(f'/proc/self/fd/{fd}')))"
    here, there = socket.socketpair()
    fd = handed(there)
    assert says(["--tcp-out", "80", f"fd:{fd}"], code, [*FULL, "--unshare-net"], pass_fds=[fd]) in ("", "/proc/self/fd")
    here.close()


def test_dry_run_tells_where_a_port_leads():
    result = run([*NET, "--dry-run", "--tcp-out", "3128", "unix:/run/proxy"], ["true"])
    assert f"--tcp-out (argument {len(NET) + 2}): port 3128 of 127.0.0.1 and [::1] leads to unix:/run/proxy" in result.stdout


# ---- --unix-out ----

AT_PATH = """def at(path):
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(path)
    return connection
"""


def says_at(args, code, base=BASE, **options):
    return says(args, AT_PATH + code, base, **options)


@forms
def test_a_socket_inside_leads_to_the_target_in_every_shape(form, box):
    with Server(echo) as server:
        assert says_at([*form_args(form), "--unix-out", "/run/s", server.target], "print(ask(at('/run/s'), b'words'))") == "b'words'"


@pytest.mark.parametrize("where", [["--tmpfs", "/d"], ["--dir", "/d"], ["--bind", "BOX", "/d"], ["--ro-bind", "BOX", "/d"], ["--ro-bind", "BOX/file", "/d/s"]],
                         ids=" ".join)
def test_it_stands_wherever_something_can_be_mounted(where, box):
    (box / "file").touch()
    (box / "s").touch()
    where = [word.replace("BOX", str(box)) for word in where]
    with Server(echo, b"\0" + str(box).encode()) as server:
        code = """import stat
print(ask(at("/d/s"), b"words"), oct(os.stat("/d/s").st_mode), error_of(lambda: os.unlink("/d/s")))"""
        assert says_at([*where, "--unix-out", "/d/s", server.target], code) == f"b'words' {oct(0o140600)} OSError"
    assert (box / "s").is_file()


def test_its_mode_is_what_perms_says(box):
    assert says_at(["--perms", "0666", "--unix-out", "/s", "unix:/x"], "print(oct(os.stat('/s').st_mode & 0o777))") == "0o666"


def test_all_arrives_by_a_path_too(box):
    with Server(digest, str(box / "socket")) as server:
        code = """connection = at("/s")
connection.sendall(b"x" * 3000000)
connection.shutdown(socket.SHUT_WR)
print(rest(connection).decode() == hashlib.sha256(b"x" * 3000000).hexdigest())"""
        assert says_at(["--unix-out", "/s", server.target], code) == "True"


def test_no_descriptor_goes_with_the_bytes(box):
    def serve(connection):
        heard.append(socket.recv_fds(connection, 9, 4)[:2])
        connection.sendall(b"x")
    heard = []
    with Server(serve, str(box / "socket")) as server:
        code = "connection = at('/s'); socket.send_fds(connection, [b'words'], [1]); print(connection.recv(9))"
        assert says_at(["--unix-out", "/s", server.target], code) == "b'x'"
    assert heard == [(b"words", [])]


def test_the_network_may_be_the_hosts_or_none(box):
    with Server(echo, str(box / "socket")) as server:
        assert says_at(["--unshare-all", "--unix-out", "/s", server.target], "print(ask(at('/s'), b'words'))") == "b'words'"


def test_a_path_needs_a_target_that_is_one():
    refused([*BASE, "--unix-out", "/s", "/x"], f"--unix-out (argument {len(BASE) + 1}): Invalid target")


def test_dry_run_tells_of_the_socket():
    result = run([*BASE, "--dry-run", "--unix-out", "/s", "tcp:127.0.0.1:80"], ["true"])
    assert f"--unix-out (argument {len(BASE) + 2}): a socket at /s, mode 0600, that leads to tcp:127.0.0.1:80" in result.stdout
