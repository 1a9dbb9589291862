"""The recipes of the manual that take another program do what it says: pasted into a shell as they stand."""
import contextlib
import errno
import functools
import http.server
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading

import pytest

from sandbox import BINARY, ENV, REPO, TIMEOUT, kill_session, line_from, processes_with, session_members, wait_for


def recipe(beginning):
    """The shell code of the manual that begins with these words, as mandoc(1) would show it."""
    blocks = re.findall(r"^\.Bd -literal -offset indent\n(.*?)^\.Ed$", (REPO / "man" / "bwrapish.1").read_text(), re.M | re.S)
    return next(block for block in blocks if beginning in block).replace("\\e", "\\")


@contextlib.contextmanager
def pasted(code, command, folder, **environment):
    """A shell that runs it with another COMMAND, of shell code, where it stands on the last line, and finds our program first."""
    (folder / "bwrapish").symlink_to(BINARY)
    (folder / "command").write_text(command)
    options = code.rstrip("\n)").rsplit("\n", 1)[0]
    with subprocess.Popen(["sh", "-c", f"{options}\n    --ro-bind {folder} {folder} sh {folder}/command\n)"], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
                          env={**ENV, "PATH": f"{folder}:/usr/bin:/bin:/usr/sbin:/sbin", "TMPDIR": str(folder), **environment}) as shell:
        try:
            yield shell
            assert not list(folder.glob("tmp.*")), "a directory is left"
            wait_for(lambda: not list(session_members(shell.pid)), what="the end of the proxy")
        finally:
            kill_session(shell.pid)


def needs(*programs):
    missing = [program for program in programs if not shutil.which(program)]
    return pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")


# ---- the session bus ----

@pytest.fixture
def bus(box):
    """The address of a session bus of the test's own, on which com.example.Allowed and .Other say in the box that they were started."""
    for name in ("Allowed", "Other"):
        (box / f"{name}.service").write_text(f"[D-BUS Service]\nName=com.example.{name}\nExec=/bin/sh -c 'touch {box}/{name}; exit 1'\n")
    (box / "conf").write_text(f"""<busconfig><type>session</type><listen>unix:path={box}/session</listen><servicedir>{box}</servicedir>
        <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy></busconfig>""")
    daemon = subprocess.Popen(["dbus-daemon", f"--config-file={box}/conf", "--nofork", "--print-address"], stdout=subprocess.PIPE, text=True)
    try:
        yield daemon.stdout.readline().strip()
    finally:
        daemon.kill()
        daemon.wait()
        daemon.stdout.close()


CALL = "dbus-send --session --print-reply --dest=com.example.{} / com.example.Do 2>&1"


def bus_recipe():
    return recipe("xdg-dbus-proxy").replace("org.freedesktop.Notifications", "com.example.Allowed")


needs_a_bus = needs("xdg-dbus-proxy", "dbus-daemon", "dbus-send")


@needs_a_bus
def test_the_proxy_of_the_session_bus_lets_one_name_be_reached_and_ends(box, bus):
    calls = "\n".join(CALL.format(name) for name in ("Other", "Allowed"))
    with pasted(bus_recipe(), calls, box, DBUS_SESSION_BUS_ADDRESS=bus) as shell:
        out, error = shell.communicate(timeout=TIMEOUT)
    assert shell.returncode == 1 and len(out.splitlines()) == 2 and "ServiceUnknown" in out.splitlines()[0] and not error, (out, error)
    assert (box / "Allowed").exists() and not (box / "Other").exists()


@needs_a_bus
def test_a_proxy_of_the_session_bus_that_ends_takes_the_sandbox_with_it(box, bus):
    with pasted(bus_recipe(), "echo ready; exec sleep 60", box, DBUS_SESSION_BUS_ADDRESS=bus) as shell:
        assert line_from(shell) == "ready"
        proxy, = processes_with(bus, program="xdg-dbus-proxy")
        os.kill(proxy, signal.SIGKILL)
        shell.wait(TIMEOUT)


# ---- one domain and nothing else ----

@pytest.fixture
def site(box):
    """(its port, the port that the proxy may have) of a server for the name localhost: a file, a git repository, a registry of one package."""
    pages = box / "pages"
    pages.mkdir()
    (pages / "hello").write_text("hello\n")
    version = {"name": "tiny", "version": "1.2.3", "dist": {"tarball": "http://localhost/tiny.tgz"}}
    (pages / "tiny").write_text(json.dumps({"name": "tiny", "dist-tags": {"latest": "1.2.3"}, "versions": {"1.2.3": version}}))
    handler = type("Quiet", (http.server.SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=pages)) as server, socket.socket() as free:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # the proxy does so, too, and listens on it; nobody else gets it
        free.bind(("127.0.0.1", 0))
        yield server.server_port, free.getsockname()[1]
        server.shutdown()


def reach(box, site, command):
    """What COMMAND says, where the proxy has that site on its list and PORT is the site's."""
    code = recipe("tinyproxy").replace("example\\.org", "localhost").replace("8888", str(site[1])).replace("ConnectPort 443", f"ConnectPort {site[0]}")
    with pasted(code, "cd /tmp; export HOME=/tmp\n" + command.replace("PORT", str(site[0])), box) as shell:
        out, error = shell.communicate(timeout=TIMEOUT)
    assert shell.returncode == 0, (out, error)
    return out.splitlines()


def resolves_localhost():
    try:
        return bool(socket.getaddrinfo("localhost", 80))
    except OSError:  # a bare root has no /etc/hosts
        return False


def needs_a_proxy(test):
    test = needs("tinyproxy", "curl")(test)
    return pytest.mark.skipif(not resolves_localhost(), reason="the proxy would find no name of this machine: localhost has no address")(test)


@needs_a_proxy
def test_one_domain_is_reached_and_nothing_else(box, site):
    assert reach(box, site, """set -e
        curl -sS http://localhost:PORT/hello
        curl -sS --proxytunnel http://localhost:PORT/hello
        curl -s -o /dev/null -w '%{http_code}\\n' http://other.example/
        curl -s --proxytunnel -w '%{http_connect}\\n' http://other.example:PORT/ || echo $?
        curl -s --proxytunnel -w '%{http_connect}\\n' http://localhost:1/ || echo $?
        python3 -c 'import socket; print(socket.socket().connect_ex(("192.0.2.1", 80)), socket.socket().connect_ex(("127.0.0.1", PORT)))'
        """) == ["hello", "hello", "403", "403", "56", "403", "56", f"{errno.ENETUNREACH} {errno.ECONNREFUSED}"]


@needs_a_proxy
@needs("git")
def test_git_takes_that_way(box, site):
    subprocess.run(["sh", "-ec", """git init -q --bare repo; cd repo; git update-ref refs/heads/main $(git commit-tree -m x $(git mktree </dev/null))
        git update-server-info"""], cwd=box / "pages", check=True,
                   env={**ENV, **{f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}})
    lines = reach(box, site, "git ls-remote http://localhost:PORT/repo; git ls-remote http://other.example/repo || echo refused")
    assert lines[0].endswith("\trefs/heads/main") and lines[-1] == "refused", lines


@needs_a_proxy
@needs("npm")
@pytest.mark.programs
def test_npm_takes_that_way(box, site):
    assert reach(box, site, """npm --registry http://localhost:PORT/ view tiny version
        npm --registry http://other.example/ --fetch-retries 0 view tiny version || echo refused""") == ["1.2.3", "refused"]
