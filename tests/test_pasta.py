"""--net-pasta: a network by pasta, or slirp4netns, for a new network namespace; and none where that fails.

The real thing runs in a network that root makes for it, which is the host's as far as bwrapish knows: 10.9.0.2 is its own address,
10.9.0.1 the gateway, 10.9.0.3 somebody else, and all of them the same machine.
"""
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import threading
from pathlib import Path

import pytest

from lines import SOON, form_args, forms
from peers import Server, client, echo
from sandbox import (BASE, IS_ROOT, PREFIX, as_user, assert_ok, assert_refused, host_mounts, line_from, refused, run, session_members, start,
                     status_fields, wait_for)

NET = [*BASE, "--unshare-net", "--net-pasta"]
HOST, GATEWAY, OTHER = "10.9.0.2", "10.9.0.1", "10.9.0.3"
SETUP = f"""ip link set lo up
ip link add v0 type veth peer name v1
ip address add {HOST}/24 dev v0
ip address add {GATEWAY}/24 dev v1
ip address add {OTHER}/32 dev lo
ip link set v0 up
ip link set v1 up
ip route replace default via {GATEWAY} dev v0
mkdir -p "$1/etc"
mknod -m 666 "$1/tun" c 10 200
mount --bind "$1/tun" /dev/net/tun
echo nameserver 127.0.0.53 >"$1/etc/resolv.conf"
mount --bind "$1/etc" /etc
echo ready
exec sleep 1000"""


class World:
    """That network, as a process that lives in it."""

    def __init__(self, box):
        self.process = subprocess.Popen(["unshare", "--net", "--mount", "--propagation", "private", "sh", "-ec", SETUP, "sh", box],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self.process.stdout.readline() != "ready\n":
            pytest.skip(f"no network can be made: {self.process.stderr.read().strip()}")

    def prefix(self, caller):
        return ["nsenter", f"--target={self.process.pid}", "--net", "--mount", "--", *(as_user() if caller == "user" else [])]

    def here(self, act):
        """What `act` returns in that network: a socket belongs to the one where it was made."""
        def enter_and_act():
            with open(f"/proc/{self.process.pid}/ns/net") as file:
                assert ctypes.CDLL(None).setns(file.fileno(), 0) == 0
            result.append(act())
        result = []
        thread = threading.Thread(target=enter_and_act)
        thread.start()
        thread.join()
        return result[0]

    def server(self, host, port=0):
        return self.here(lambda: Server(echo, (host, port)))

    def pastas(self):
        """Those that carry this network."""
        found, network = [], os.readlink(f"/proc/{self.process.pid}/ns/net")
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.readlink(f"/proc/{entry}/ns/net") == network and b"--no-netns-quit" in open(f"/proc/{entry}/cmdline", "rb").read():
                    found.append(int(entry))
            except OSError:
                pass
        return found

    def end(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    if not IS_ROOT:
        pytest.skip("a network and a device that may be opened are root's to make, who does all this as a user, too")
    need("ip", "nsenter", "pasta")
    world = World(str(tmp_path_factory.mktemp("world")))
    yield world
    world.end()


@pytest.fixture(params=["user", "root"])
def prefix(world, request):
    return world.prefix(request.param)


@pytest.fixture
def user(world):
    return world.prefix("user")


def says(args, code, prefix, base=NET, **options):
    result = run([*base, *args], client(code), prefix=prefix, **options)
    assert_ok(result)
    return result.stdout.strip()


def pasta_of(world, process):
    """The pasta of a bwrapish that is running."""
    def parent(pid):
        return int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
    return next(pid for pid in world.pastas() if parent(pid) == process.pid)


# ---- what is reached, and what is not ----

@forms
def test_what_the_host_reaches_is_reached_in_every_shape(form, world, user):
    with world.server(OTHER) as server:
        assert says(form_args(form), f"print(ask(connect({server.port}, '{OTHER}'), b'words'))", user) == "b'words'"


@pytest.mark.parametrize("more", [["--unshare-uts"], ["--unshare-user", "--cap-add", "ALL"], ["--unshare-user", "--disable-userns"], ["--unshare-user", "--uid", "0", "--unshare-pid"],
                                  ["--seccomp-profile", "default"]], ids=lambda words: words[-1])
def test_other_privileges_make_no_difference(more, world, prefix):
    with world.server(OTHER) as server:
        assert says(more, f"print(ask(connect({server.port}, '{OTHER}'), b'words'))", prefix) == "b'words'"


def test_the_hosts_loopback_is_closed_and_so_is_its_gateway(world, prefix):
    with world.server("127.0.0.1") as server:
        code = "print({error_of(lambda: socket.create_connection((host, %d), timeout=0.3)) for host in ('127.0.0.1', '%s', '%s')} <= {'ConnectionRefusedError', 'TimeoutError'})"
        assert says([], code % (server.port, GATEWAY, HOST), prefix) == "True"


def nothing_for_loopback_leaves(world, prefix):
    """Of who binds sockets to the device that pasta carries."""
    code = """import errno, struct
port, name, device = int(sys.argv[1]), *next((name, number) for number, name in socket.if_nameindex() if name != "lo")
sent = []
def send(kind, host, family=socket.AF_INET):
    bound = socket.socket(family, kind)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, name.encode())
    bound.setblocking(False)
    error = bound.connect_ex((host, port))
    error_of(lambda: bound.send(b"bound"))
    sent.append(bound)
    return error
for host in "127.0.0.1", "127.1.2.3":
    send(socket.SOCK_DGRAM, host)
    send(socket.SOCK_STREAM, host)
IP_PKTINFO = 8
told = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
error_of(lambda: told.sendmsg([b"told"], [(socket.IPPROTO_IP, IP_PKTINFO, struct.pack("i8x", device))], 0, ("127.0.0.1", port)))
print(error_of(lambda: send(socket.SOCK_STREAM, "::1", socket.AF_INET6)) == errno.ENETUNREACH, ask(connect(int(sys.argv[2]), sys.argv[3]), b"behind these"))"""
    def listen():
        of_both = [socket.socket(socket.AF_INET, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM)]
        for listener in of_both:
            listener.bind(("", of_both[0].getsockname()[1]))
            listener.setblocking(False)
        of_both[1].listen()
        return of_both
    datagrams, connections = world.here(listen)
    with datagrams, connections, world.server(OTHER) as server:
        result = run(NET, [*client(code), datagrams.getsockname()[1], server.port, OTHER], prefix=prefix)
        assert_ok(result)
        assert result.stdout == "False b'behind these'\n"
        for receive in (lambda: datagrams.recv(9), connections.accept):
            with pytest.raises(BlockingIOError):
                receive()


def test_a_socket_bound_to_pastas_device_does_not_reach_the_hosts_loopback_either(world, prefix):
    nothing_for_loopback_leaves(world, prefix)


def test_the_hosts_loopback_can_be_asked_for(world, user):
    with world.server("127.0.0.1") as server:
        assert says(["--pasta-opt", "-T", "--pasta-opt", str(server.port)], f"print(ask(connect({server.port}), b'words'))", user) == "b'words'"


def test_a_resolver_on_the_hosts_loopback_is_reached_where_resolv_conf_says(world, prefix):
    resolver = world.here(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    resolver.settimeout(20)
    resolver.bind(("127.0.0.53", 53))

    def answer():
        question, peer = resolver.recvfrom(512)
        resolver.sendto(question[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question[12:] + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\7", peer)
    thread = threading.Thread(target=answer)
    thread.start()
    code = """print(open("/etc/resolv.conf").read().strip())
asked = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
asked.settimeout(10)
asked.sendto(b"\\1\\2\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0\\1a\\7example\\0\\0\\1\\0\\1", (open("/etc/resolv.conf").read().split()[1], 53))
print(asked.recv(512)[-4:])"""
    try:
        assert says(["--resolv-conf", "auto"], code, prefix) == "nameserver 169.254.1.1\nb'\\xc0\\x00\\x02\\x07'"
    finally:
        thread.join()
        resolver.close()


def test_published_ports_are_reached_from_outside(world, prefix):
    code = """one, other = (socket.create_server(("", port)) for port in (8080, 7071))
print("listens", flush=True)
for listener in one, other:
    connection, _ = listener.accept()
    connection.sendall(connection.recv(9))
    connection.close()"""
    with start([*NET, "--publish", f"{HOST}:7070:8080", "--publish", "7071"], client(code), prefix=prefix) as process:
        assert line_from(process) == "listens"
        for address in ((HOST, 7070), ("127.0.0.1", 7071)):
            with world.here(lambda: socket.create_connection(address, timeout=5)) as connection:
                connection.sendall(b"words")
                assert connection.recv(9) == b"words"
        assert world.here(lambda: socket.socket().connect_ex(("127.0.0.1", 7070))) != 0
        assert process.wait(10) == 0


# ---- none where that fails ----

@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_port_that_is_taken_ends_the_run(family, world, user):
    def listen():
        taken = socket.socket(family)
        if family == socket.AF_INET6:
            taken.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        taken.bind(("", 0))
        taken.listen()
        return taken
    with world.here(listen) as taken:
        port = taken.getsockname()[1]
        result = run([*NET, "--publish", f"{port}:80"], ["echo", "COMMAND RAN"], prefix=user)
        assert_refused(result, f"--publish (argument {len(NET) + 1}): Can't listen on port {port}: Address already in use; another process has that port, it is below what")


def test_a_port_of_an_address_that_is_taken_ends_the_run(world, prefix):
    with world.server(HOST) as server:
        result = run([*NET, "--publish", f"{HOST}:{server.port}"], ["echo", "COMMAND RAN"], prefix=prefix)
        assert_refused(result, f"--net-pasta (argument {len(NET)}): There is no network: pasta has ended: ", str(server.port),
                       "; another process has that port, it is below what")
    wait_for(lambda: not world.pastas())


def test_what_pasta_does_not_know_ends_the_run_in_its_own_words(user):
    result = run([*NET, "--pasta-opt", "--bogus"], ["echo", "COMMAND RAN"], prefix=user)
    assert_refused(result, "There is no network: pasta has ended: ", "unrecognized option '--bogus'\n")


def test_an_ignored_signal_of_the_callers_makes_no_difference(world, user):
    with world.server(OTHER) as server:
        ignoring = ["sh", "-c", "trap '' PIPE CHLD USR1 TERM; exec \"$@\"", "sh"]
        assert says([], f"print(ask(connect({server.port}, '{OTHER}'), b'words'))", [*user, *ignoring]) == "b'words'"


# ---- the end ----

@pytest.mark.parametrize("form, end", [([], "SIGKILL"), ([], "SIGTERM"), (["--unshare-pid"], "SIGKILL"), (["--unshare-pid"], "COMMAND's"),
                                       (["--unshare-pid", "--as-pid-1"], "SIGKILL")], ids=str)
def test_nothing_is_left_whoever_ends(form, end, user, world):
    with start([*NET, *form], ["sh", "-c", "echo runs; read end"], prefix=user, stdin=subprocess.PIPE) as process:
        assert line_from(process) == "runs"
        pasta = pasta_of(world, process)
        assert os.getsid(pasta) == pasta
        if end == "COMMAND's":
            process.stdin.write("\n")
            process.stdin.flush()
        else:
            process.send_signal(getattr(signal, end))
        process.wait(10)
        wait_for(lambda: pasta not in world.pastas() and not list(session_members(process.pid)))


def test_a_pasta_that_is_killed_is_told_and_the_network_gone(world, user):
    with world.server(OTHER) as server:
        code = f"""connection = connect({server.port}, '{OTHER}')
print("connected", flush=True)
sys.stdin.readline()
print(error_of(lambda: socket.create_connection(('{OTHER}', {server.port}), timeout=0.3)) in ("OSError", "TimeoutError"))"""
        with start(NET, client(code), prefix=user, stdin=subprocess.PIPE) as process:
            assert line_from(process) == "connected"
            pasta = pasta_of(world, process)
            os.kill(pasta, signal.SIGKILL)
            wait_for(lambda: not os.path.exists(f"/proc/{pasta}"))
            out, err = process.communicate("\n", timeout=10)
            assert out == "True\n" and err == f"{PREFIX}--net-pasta (argument {len(NET)}): There is no network any more: what carried it was ended by signal 9\n"


def test_nobody_inside_looks_into_pasta(user, world):
    code = """print([error_of(lambda: open(f"/proc/{sys.argv[1]}/{name}").read(1)) for name in ("environ", "maps", "mem")] == ["PermissionError"] * 3)"""
    with start(NET, ["sh", "-c", "echo runs; read end"], prefix=user, stdin=subprocess.PIPE) as process:
        assert line_from(process) == "runs"
        pasta = pasta_of(world, process)
        result = run([*BASE, "--ro-bind", "/proc", "/proc"], [*client(code), pasta], prefix=user)
        assert_ok(result)
        assert result.stdout == "True\n"
        assert [os.readlink(f"/proc/{pasta}/fd/{fd}").split(":")[0] for fd in range(3)] == ["net", "user", "pipe"]


def test_what_the_command_leaves_behind_ends_with_it(user, world):
    result = run([*NET, "--dev", "/dev", "--unshare-pid"], ["sh", "-c", "sleep 1000 & echo done"], prefix=user)
    assert_ok(result)
    assert not world.pastas()


# ---- slirp4netns ----

WITHOUT_PASTA = 'for program in /usr/bin/pasta /usr/local/bin/pasta; do test ! -e $program || mount --bind /dev/null $program; done\n'


def test_slirp4netns_stands_in_for_pasta(world, prefix):
    need("slirp4netns")
    prefix = [*prefix[:5], "unshare", "--mount", "--propagation", "private", "sh", "-ec", WITHOUT_PASTA + 'exec "$@"', "sh", *prefix[5:]]
    nothing_for_loopback_leaves(world, prefix)
    with world.server(OTHER) as server, world.server("127.0.0.1") as closed:
        code = f"""print(ask(connect({server.port}, '{OTHER}'), b'words'), open("/etc/resolv.conf").read().strip(),
            error_of(lambda: socket.create_connection(("10.0.2.2", {closed.port}), timeout=1)))"""
        assert says(["--resolv-conf", "auto"], code, prefix) in (f"b'words' nameserver 10.0.2.3 {error}" for error in ("TimeoutError", "OSError", "ConnectionRefusedError"))
    with start(NET, ["sh", "-c", "echo runs; read end"], prefix=prefix, stdin=subprocess.PIPE) as process:
        assert line_from(process) == "runs"
        helpers = [status_fields(Path(f"/proc/{pid}/status").read_text())
                   for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
        assert [fields["Seccomp"] for fields in helpers if fields["Name"] == "slirp4netns"] == ["2"]
    result = run([*NET, "--publish", "7072"], ["echo", "COMMAND RAN"], prefix=prefix)
    assert_refused(result, f"--publish (argument {len(NET) + 1}): There would be no such network; that takes pasta, and only slirp4netns is installed: install pasta: package passt")


# ---- without a network of root's making ----

def programs(pasta):
    """A prefix: what stands in for both programs, wherever they are."""
    return host_mounts("".join(f'test ! -e {place}/{program} || mount --bind {pasta} {place}/{program}\n' for place in ("/usr/bin", "/usr/local/bin")
                               for program in ("pasta", "slirp4netns")))


def test_without_the_programs_the_cure_is_told(box):
    (box / "none").write_text("")
    result = run(NET, ["echo", "COMMAND RAN"], prefix=programs(box / "none"))
    assert_refused(result, f"--net-pasta (argument {len(NET)}): There would be no network; neither pasta nor slirp4netns is installed, which carry one: install pasta: package passt")


def may_open_tun():
    try:
        os.close(os.open("/dev/net/tun", os.O_RDWR))
        return True
    except OSError:
        return False


def test_without_the_device_the_cure_is_told():
    need("pasta")
    if may_open_tun():
        pytest.skip("/dev/net/tun may be opened")
    refused(NET, f"--net-pasta (argument {len(NET)}): There would be no network: Can't open /dev/net/tun: ", "; ", ": as root, ")


@pytest.fixture
def fake(box, request):
    """A prefix: a program that does what a script says in place of pasta."""
    if not may_open_tun() or not shutil.which("pasta"):
        pytest.skip("needs pasta, and /dev/net/tun open")

    def of_script(script):
        (box / "fake").write_text(f"#!/bin/sh\n{script}\n")
        (box / "fake").chmod(0o755)
        return programs(box / "fake")
    return of_script


@pytest.mark.parametrize("script, why", [("exit 0", "has ended without a word"), ("echo one >&2; echo two >&2; exit 3", "has ended: one; two"),
                                         ("echo 12x >&2; kill -9 $$", "has ended: 12x"),
                                         ("printf 12 >&2; sleep 0.1; echo x >&2; exit 3", "has ended: 12x")])
def test_a_pasta_that_ends_is_no_network(script, why, fake):
    result = run(NET, ["echo", "COMMAND RAN"], prefix=fake(script))
    assert_refused(result, f"--net-pasta (argument {len(NET)}): There is no network: pasta {why}\n")


def test_a_pasta_that_never_gets_ready_is_ended_with_the_run(fake, box):
    script = f"echo $$ >{box}/pid; sleep 1000 & wait"
    result = run([*NET, "--timeout", SOON], ["echo", "COMMAND RAN"], prefix=fake(script))
    assert (result.returncode, result.stdout) == (124, ""), result
    assert not list(session_members(int((box / "pid").read_text())))
    if os.environ.get("BWRAPISH_WAITS"):
        result = run(NET, ["echo", "COMMAND RAN"], prefix=fake(script))
        assert_refused(result, f"--net-pasta (argument {len(NET)}): There is no network: pasta is not ready after 10 s, and ended without a word\n")
        assert not list(session_members(int((box / "pid").read_text())))


@pytest.mark.core
@pytest.mark.parametrize("word, why", [("0", 'Invalid port: "0"'), ("80:", 'Invalid port: ""'), (":80", 'Invalid address: ""'), ("65536", 'Invalid port: "65536"'),
                                       ("1.2.3.4", 'Invalid port: ""'), ("1.2.3:80", 'Invalid address: "1.2.3"'), ("::1:80", 'Invalid address: ""'),
                                       ("[::1:80", 'Invalid port: "[::1:80"'), ("[1.2.3.4]:80", 'Invalid address: "[1.2.3.4]"'), ("80:81:82", 'Invalid port: "81:82"'),
                                       ("name:80", 'Invalid address: "name"'), ("*:80", 'Invalid address: "*"'), ("name", 'Invalid port: "name"'),
                                       ("80:80 --publish 81:80 --publish 127.0.0.1:80", "the port of 127.0.0.1:80 is that of --publish (argument"),
                                       ("[::1]:80 --publish [0:0:0:0:0:0:0:1]:80:81", "the port of [0:0:0:0:0:0:0:1]:80:81 is that of --publish (argument"),
                                       ("[::1]:80 --publish [::]:80", "the port of [::]:80 is that of"), ("0.0.0.0:80 --publish 127.0.0.1:80", "the port of 127.0.0.1:80 is that of"),
                                       ("80/udp", 'Invalid port: "80/udp"')])
def test_what_cannot_be_published_is_refused(word, why):
    words = word.split()
    refused([*NET, "--publish", *words], f"--publish (argument {len(NET) + len(words)}): {why}")


@pytest.mark.core
def test_each_needs_what_it_is_about():
    refused(["--net-pasta"], "--net-pasta (argument 1): needs --unshare-net")
    refused(["--unshare-all", "--share-net", "--net-pasta"], "needs --unshare-net, which --share-net (argument 2) has taken back")
    refused(["--unshare-net", "--publish", "80"], "--publish (argument 2): needs --net-pasta")
    refused(["--unshare-net", "--pasta-opt", "-4"], "--pasta-opt (argument 2): needs --net-pasta")


@pytest.mark.core
def test_no_word_of_pastas_is_taken_for_its_being_ready():
    refused([*NET, "--pasta-opt", "--bogus\n1\n"], f"--pasta-opt (argument {len(NET) + 1}): A line break is in ")


@pytest.mark.core
def test_dry_run_tells_pastas_words():
    result = run(["--dry-run", "--unshare-user", "--unshare-net", "--net-pasta", "--publish", "[0::1]:80:8080", "--publish", "127.0.0.1:80", "--publish", "81", "--pasta-opt", "-T5432", "--pasta-opt", "a b"], ["true"])
    assert_ok(result)
    runas = " --runas 0" if IS_ROOT else ""
    assert (f"--net-pasta: a network by pasta --foreground --quiet --config-net --no-map-gw -t ::1/80:8080 -t 127.0.0.1/80:80 -t 81:81 -u none -U none{runas} --no-netns-quit "
            "--pid /proc/self/fd/2 --netns /proc/self/fd/0 --userns /proc/self/fd/1 -T5432 'a b'\n") in result.stdout


def test_check_publishes_nothing_and_needs_pasta_where_the_line_does(world, user, box):
    with world.server("0.0.0.0") as server:
        result = run([*NET, "--publish", str(server.port), "--check"], ["true"], prefix=user)
        assert result.returncode == 0, result
    (box / "none").write_text("")
    result = run([*NET, "--check"], ["true"], prefix=programs(box / "none"))
    assert result.returncode != 0 and "There would be no network; neither pasta nor slirp4netns is installed" in result.stdout + result.stderr
    wait_for(lambda: not world.pastas())
