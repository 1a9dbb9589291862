"""Peers outside of the sandbox for tests of its network: servers on real sockets, each connection in a thread."""
import hashlib
import re
import resource
import socket
import threading
from pathlib import Path

from sandbox import BASE, PYTHON, status_fields


def allow_many_sockets():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Server:
    """Listens as long as the `with` block lasts, and has `serve(connection)` talk to whoever comes."""

    def __init__(self, serve, address=("127.0.0.1", 0), family=None, backlog=1024):
        family = family or (socket.AF_UNIX if isinstance(address, (str, bytes)) else socket.AF_INET)
        self.serve, self.listener = serve, socket.socket(family)
        self.listener.bind(address)
        self.listener.listen(backlog)
        if family == socket.AF_UNIX:
            self.target = f"unix:{address}" if isinstance(address, str) else f"unix-abstract:{address[1:].decode()}"
        else:
            host, self.port = self.listener.getsockname()[:2]
            self.target = f"tcp:[{host}]:{self.port}" if ":" in host else f"tcp:{host}:{self.port}"

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection):
        with connection:
            try:
                self.serve(connection)
            except OSError:  # the other side may go when it likes
                pass

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exception):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()


def echo(connection):
    while data := connection.recv(1 << 16):
        connection.sendall(data)


def digest(connection):
    """Answers what it has got once that is over."""
    total = hashlib.sha256()
    while data := connection.recv(1 << 20):
        total.update(data)
    connection.sendall(total.hexdigest().encode())


# What clients inside are made of.
CLIENT = """import hashlib, os, socket, sys
def connect(port, host="127.0.0.1"):
    return socket.create_connection((host, port))
def ask(connection, words):
    connection.sendall(words)
    return connection.recv(65536)
def rest(connection):
    return b"".join(iter(lambda: connection.recv(1 << 20), b""))
def error_of(act):
    try:
        return act()
    except OSError as error:
        return type(error).__name__
"""


def client(code):
    return [PYTHON, "-I", "-S", "-c", CLIENT + code]


NET = [*BASE, "--unshare-net"]


def _children_at(process, depth):
    """Those that are so many pid namespaces below the supervisor's."""
    for child in map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()):
        try:
            numbers = re.search(r"NSpid:(.*)", Path(f"/proc/{child}/status").read_text())[1].split()
        except OSError:
            continue
        if len(numbers) == depth + 1:
            yield child


def find_carrier(process):
    """The only child of the supervisor's that is outside."""
    carrier, = _children_at(process, 0)
    return carrier


def find_waiting_carrier(process):
    """The same once it is confined and waits; or None."""
    for pid in _children_at(process, 0):
        fields = status_fields(Path(f"/proc/{pid}/status").read_text())
        if fields["Seccomp"] == "2" and fields["State"].startswith("S"):
            return pid
    return None


def find_init(process):
    """Pid 1 of the sandbox."""
    init, = _children_at(process, 1)
    return init


def is_gone(pid):
    try:
        return status_fields(Path(f"/proc/{pid}/status").read_text())["State"].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):  # the latter between opening and reading
        return True
