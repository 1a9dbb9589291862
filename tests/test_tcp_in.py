"""--tcp-in: what listens inside is reached from outside, by one address and no other."""
import contextlib
import hashlib
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import threading

import pytest

from lines import form_args, forms
from peers import NET, Server, allow_many_sockets, client, find_carrier, find_init, is_gone
from sandbox import (ALLOW, ERRNO, FULL, IS_ROOT, Holder, assert_ok, assert_refused, filtered_by, line_from, refused, run, start,
                     status_fields, syscall_number, wait_for)

pytestmark = pytest.mark.core

SERVER = """import threading
def listen(port=8000, host="127.0.0.1"):
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=4096)
def talk_to_all(talk, listener):
    print("ready", flush=True)
    while True: threading.Thread(target=talk, args=(listener.accept()[0],), daemon=True).start()
def echo(connection):
    while data := connection.recv(1 << 16): connection.sendall(data)
    connection.close()
def digest(connection):
    total = hashlib.sha256()
    while data := connection.recv(1 << 20): total.update(data)
    connection.sendall(total.digest())
    connection.close()
"""
ECHO = "talk_to_all(echo, listen())"


class Place:
    """An address of this machine's, with a port, that no other test has."""

    def __init__(self, host=None, port=8080):
        self.host, self.port = host or "127.%d.%d.%d" % tuple(random.randrange(1, 255) for _ in range(3)), port
        self.word = f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"

    def connect(self):
        return socket.create_connection((self.host, self.port), 30)

    def ask(self, words):
        with self.connect() as connection:
            connection.sendall(words)
            return connection.recv(65536)


@pytest.fixture
def place():
    return Place()


@contextlib.contextmanager
def serving(place, code, *args, base=NET, **options):
    """The process of a sandbox in which a server has begun to listen."""
    with start([*base, *args, "--tcp-in", place.word, "8000"], client(SERVER + code), **options) as process:
        assert line_from(process) == "ready", process.stderr.read()
        yield process


@forms
def test_a_server_inside_is_reached_in_every_shape(form, place):
    with serving(place, ECHO, *form_args(form)):
        assert place.ask(b"words") == b"words"


@pytest.mark.parametrize("more", [["--cap-add", "ALL", "--unshare-user"], ["--disable-userns", "--unshare-user"], ["--uid", "0", "--unshare-user"],
                                  ["--seccomp-profile", "default"], ["--tcp-out", "80", "unix:/none"]], ids=lambda words: words[0])
def test_other_options_make_no_difference(more, place):
    with serving(place, ECHO, *more):
        assert place.ask(b"words") == b"words"


def test_a_joined_user_namespace_makes_no_difference(place):
    with Holder("-Ur") as holder, serving(place, ECHO, "--userns", holder.namespace("user")):
        assert place.ask(b"words") == b"words"


def test_it_may_be_of_ipv6_outside():
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as unused:
        place = Place("::1", unused.getsockname()[1])
    with serving(place, ECHO):
        assert place.ask(b"words") == b"words"


def test_it_may_be_of_ipv6_inside(place):
    with serving(place, "talk_to_all(echo, listen(host='::1'))"):
        assert place.ask(b"words") == b"words"


def test_many_addresses_may_lead_to_many_ports(place):
    other, third = Place(), Place()
    code = """first, other = listen(), listen(8001)
threading.Thread(target=talk_to_all, args=(echo, other), daemon=True).start()
talk_to_all(lambda connection: connection.sendall(b"first, " + connection.recv(99)), first)"""
    with serving(place, code, "--tcp-in", other.word, "8000", "--tcp-in", third.word, "8001"):
        assert (place.ask(b"x"), other.ask(b"y"), third.ask(b"third")) == (b"first, x", b"first, y", b"third")


def is_reset(place):
    try:
        return place.ask(b"words") == b""
    except ConnectionResetError:
        return True


def test_nobody_is_reached_before_the_server_listens_and_never_a_server_outside(place):
    code = """print("ready", flush=True)
sys.stdin.read(1)
connection, _ = listen().accept()
echo(connection)"""
    with Server(lambda connection: connection.sendall(b"outside"), ("127.0.0.1", 0)) as outside:
        with start([*NET, "--tcp-in", place.word, str(outside.port)], client(SERVER.replace("8000", str(outside.port)) + code),
                   stdin=subprocess.PIPE) as process:
            assert line_from(process) == "ready"
            assert is_reset(place)
            process.stdin.write("x")
            process.stdin.flush()
            wait_for(lambda: not is_reset(place), what="a server")


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
def test_a_web_server_is_reached_by_curl(place, box):
    (box / "page").write_text("what it says")
    code = """import http.server
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8000), http.server.SimpleHTTPRequestHandler)
print("ready", flush=True)
server.serve_forever()"""
    with serving(place, code, "--ro-bind", box, box, "--chdir", box, stderr=subprocess.DEVNULL):
        result = subprocess.run(["curl", "-sS", f"http://{place.word}/page"], capture_output=True, text=True)
    assert result.stdout == "what it says", result.stderr


# ---- all of it ----

MB = 1000 if os.environ.get("BWRAPISH_WAITS") else 50


def test_all_arrives_both_ways_as_it_was_sent(place):
    block, got, sent = os.urandom(1 << 20), hashlib.sha256(), hashlib.sha256()

    def send():
        for _ in range(MB):
            connection.sendall(block)
        connection.shutdown(socket.SHUT_WR)
    with serving(place, ECHO), place.connect() as connection:
        threading.Thread(target=send).start()
        while data := connection.recv(1 << 20):
            got.update(data)
    for _ in range(MB):
        sent.update(block)
    assert got.digest() == sent.digest()


def test_what_one_side_ends_the_other_still_answers(place):
    with serving(place, "talk_to_all(digest, listen())"), place.connect() as connection:
        connection.sendall(b"x" * 1000)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == hashlib.sha256(b"x" * 1000).digest()


def test_what_the_server_ends_still_hears(place):
    code = """listener = listen()
print("ready", flush=True)
connection, _ = listener.accept()
connection.shutdown(socket.SHUT_WR)
print(connection.recv(100))"""
    with serving(place, code) as process, place.connect() as connection:
        assert connection.recv(9) == b""
        connection.sendall(b"late")
        assert line_from(process) == "b'late'"


def test_a_thousand_connections_at_once(place):
    allow_many_sockets()
    code = """import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
listener = listen()
print("ready", flush=True)
connections = [listener.accept()[0] for _ in range(1000)]
for connection in connections: connection.sendall(connection.recv(9))"""
    with serving(place, code), contextlib.ExitStack() as stack:
        connections = [stack.enter_context(place.connect()) for _ in range(1000)]
        for number, connection in enumerate(connections):
            connection.sendall(b"%d" % number)
        assert all(connection.recv(9) == b"%d" % number for number, connection in enumerate(connections))


@pytest.mark.parametrize("who", ["the server", "the client"])
def test_who_never_reads_holds_nobody_up(who, place):
    code = """flood = bytes(1 << 22)
def talk(connection):
    first = connection.recv(1)
    if first == b"e": echo(connection)
    if first == b"f": connection.sendall(flood)
    threading.Event().wait()
talk_to_all(talk, listen())"""
    with serving(place, code), contextlib.ExitStack() as stack:
        for _ in range(20):
            stuck = stack.enter_context(place.connect())
            stuck.sendall(b"f" if who == "the client" else b"s")
            stuck.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while who == "the server":
                    stuck.send(bytes(1 << 16))
        with place.connect() as other:
            other.sendall(b"echo")
            assert other.recv(9) == b"cho"


# ---- the end ----

def assert_closed(place):
    with pytest.raises(ConnectionRefusedError):
        place.connect()


@pytest.mark.parametrize("form", ["supervised", "with pid 1", "as pid 1"])
def test_what_the_server_sent_last_arrives_and_then_the_port_is_closed(form, place):
    code = """listener = listen()
print("ready", flush=True)
connection, _ = listener.accept()
connection.sendall(connection.recv(4) * 100000)
os._exit(0)"""
    with serving(place, code, *form_args(form)) as process, place.connect() as connection:
        connection.sendall(b"last")
        assert b"".join(iter(lambda: connection.recv(1 << 16), b"")) == b"last" * 100000
        assert process.wait(20) == 0
        assert_closed(place)


@pytest.mark.parametrize("whom", ["the supervisor", "COMMAND"])
def test_it_ends_with_the_sandbox(whom, place):
    with serving(place, ECHO, "--unshare-pid", "--die-with-parent") as process, place.connect() as connection:
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"
        carrier = find_carrier(process)
        os.kill(process.pid if whom == "the supervisor" else find_init(process), signal.SIGKILL)
        wait_for(lambda: is_gone(carrier), what="its end")
        assert connection.recv(1) == b""
        assert_closed(place)
        process.wait(20)


def test_its_end_is_told_and_nothing_is_reached_after_it(place):
    with serving(place, ECHO, "--unshare-pid") as process:
        os.kill(find_carrier(process), signal.SIGKILL)
        assert process.stderr.readline() == (f"bwrapish: --tcp-in (argument {len(NET) + 2}): The process that carries its connections was ended "
                                             "by signal 9: there are none any more\n")
        assert_closed(place)


def test_another_run_has_the_port_at_once(place):
    for _ in range(2):
        with serving(place, ECHO) as process, place.connect() as connection:
            connection.sendall(b"x")
            assert connection.recv(1) == b"x"
            process.terminate()
            process.wait(20)


def test_the_process_that_carries_has_nothing_and_is_nobodys(place):
    with serving(place, ECHO, "--unshare-pid") as process:
        pid = find_carrier(process)
        with open(f"/proc/{pid}/status") as status:
            fields = status_fields(status.read())
        assert [fields[name] for name in ("CapPrm", "CapEff", "CapAmb", "Seccomp", "NoNewPrivs")] == [*["0" * 16] * 3, "2", "1"]
        if not IS_ROOT:
            with pytest.raises(PermissionError):
                os.listdir(f"/proc/{pid}/fd")
            return
        assert {os.readlink(f"/proc/{pid}/fd/{fd}").split(":")[0] for fd in os.listdir(f"/proc/{pid}/fd")} == {"socket", "anon_inode"}
        assert os.readlink(f"/proc/{pid}/ns/net") != os.readlink("/proc/self/ns/net")
        for kind in ("pid", "mnt"):
            assert os.readlink(f"/proc/{pid}/ns/{kind}") == os.readlink(f"/proc/self/ns/{kind}")


def test_command_has_none_of_its_sockets(place):
    code = "print(*(os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd') if int(fd) > 2 and os.path.exists(f'/proc/self/fd/{fd}')))"
    result = run([*FULL, "--unshare-net", "--tcp-in", place.word, "8000"], client(code))
    assert_ok(result)
    assert result.stdout in ("\n", "/proc/self/fd\n")


# ---- what cannot be had ----

def test_a_port_in_use_is_told(place):
    words = f"--tcp-in (argument {len(NET) + 1}): Can't listen on {place.word}: Address already in use"
    with socket.create_server((place.host, place.port)):
        refused([*NET, "--tcp-in", place.word, "80"], words)
        assert "Address already in use" in run([*NET, "--tcp-in", place.word, "80", "--check"], ["true"]).stdout
    assert run([*NET, "--tcp-in", place.word, "80", "--check"], ["true"]).returncode == 0


def test_an_address_of_another_machine_is_told():
    refused([*NET, "--tcp-in", "192.0.2.1:8080", "80"], "Can't listen on 192.0.2.1:8080: Cannot assign requested address")


@pytest.mark.user
def test_a_port_of_roots_is_told(place):
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as file:
        if int(file.read()) <= 1:
            pytest.skip("every port is everybody's here")
    refused([*NET, "--tcp-in", f"{place.host}:1", "80"], f"Can't listen on {place.host}:1: Permission denied; it is below ip_unprivileged_port_start (", "): take a higher one")


def test_a_namespace_that_was_not_entered_ends_the_run(place):
    """A filter around the tool answers setns(2) for the kernel: what was reached would be the host's."""
    number = syscall_number("setns")
    program = b"".join(struct.pack("HBBI", *row) for row in [(0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, ERRNO), (0x06, 0, 0, ALLOW)])
    assert_refused(run([*NET, "--tcp-in", place.word, "80"], ["echo", "COMMAND RAN"], prefix=filtered_by(program)),
                   "The process is not in the namespace it was told to join")


@pytest.mark.parametrize("words, why", [
    (["127.0.0.1", "80"], 'Invalid address: "127.0.0.1" has no port behind a colon'),
    (["127.0.0.1:0", "80"], 'Invalid port: "0" is no number from 1 to 65535'),
    (["localhost:80", "80"], '"localhost" is neither an IPv4 address nor an IPv6 address in brackets; 127.0.0.1 is for this machine\'s users, 0.0.0.0 or [::] for all'),
    (["*:80", "80"], "0.0.0.0 or [::] for all"), ([":80", "80"], "0.0.0.0 or [::] for all"),
    (["::1:80", "80"], '"::1" is neither an IPv4 address nor an IPv6 address in brackets'),
    (["127.0.0.1:80", "0"], 'Invalid port: "0"'),
    (["127.0.0.1:80", "http"], 'Invalid port: "http"'),
    (["127.0.0.1:80", "80", "--tcp-in", "127.0.0.1:80", "81"], "the port of 127.0.0.1:80 is that of --tcp-in"),
    (["0.0.0.0:80", "80", "--tcp-in", "127.0.0.1:80", "81"], "the port of 127.0.0.1:80 is that of --tcp-in"),
    (["[::1]:80", "80", "--tcp-in", "[0::1]:80", "81"], "the port of [0::1]:80 is that of --tcp-in"),
    (["[::1]:80", "80", "--net-pasta", "--publish", "80"], "the port of [::1]:80 is that of --publish"),
    (["127.0.0.1:80", "80", "--tcp-out", "80", "unix:/x"], "port 80 is that of --tcp-in")], ids=str)
def test_bad_words_are_refused(words, why):
    refused([*NET, "--tcp-in", *words], f"--tcp-{'out' if '--tcp-out' in words else 'in'} (argument ", why)


def test_a_new_network_namespace_is_needed():
    refused([*FULL, "--tcp-in", "127.0.0.1:8080", "80"], "needs --unshare-net")
