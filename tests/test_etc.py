"""--resolv-conf and --hosts: how COMMAND finds the addresses of names."""
import os

import pytest

from lines import form_args, forms
from sandbox import (BASE, IS_ROOT, PREFIX, assert_ok, assert_refused, host_mounts, inside, mounts_inside, refused, run, shell, user_ids)

pytestmark = pytest.mark.core
RESOLVER = "nameserver 192.0.2.53\noptions edns0\n"
LOCAL = "127.0.0.1\tlocalhost\n::1\tlocalhost\n"


@pytest.fixture
def etc(box):
    """A prefix: the host's /etc is the box's, and its resolv.conf a link into what no line shows."""
    (box / "run").mkdir()
    (box / "run" / "conf").write_text(RESOLVER)
    (box / "resolv.conf").symlink_to("/run/resolver/conf")
    return host_mounts(f"mount -t tmpfs t /run; mkdir /run/resolver; mount --bind {box}/run /run/resolver; mount --bind {box} /etc",
                       user=user_ids()[0] if IS_ROOT else None)


@forms
@pytest.mark.parametrize("before", [[], ["--ro-bind", "/etc", "/etc"], ["--dir", "/etc", "--symlink", "/nowhere", "/etc/resolv.conf"],
                                    ["--tmpfs", "/etc", "--perms", "0600", "--data", "old", "/etc/resolv.conf"]],
                         ids=["nothing", "a link to nowhere, read-only", "a link to nowhere", "a file"])
def test_the_hosts_resolver_is_shown_wherever_its_file_is(before, form, etc):
    assert shell([*form_args(form), *before, "--resolv-conf", "auto"], "cat /etc/resolv.conf; stat -c '%F %a' /etc/resolv.conf", prefix=etc) == \
        RESOLVER + "regular file 444\n"


def test_it_is_read_only_and_nothing_changes_on_the_host(box):
    (box / "resolv.conf").symlink_to("elsewhere")
    args = ["--bind", box, "/etc", "--resolv-conf", "auto", "--hosts", "a=::1"]
    assert "ro" in mounts_inside(args)["/etc/resolv.conf"].options
    assert shell(args, "(echo x >/etc/resolv.conf) 2>&1 | grep -o Read-only; rm /etc/resolv.conf 2>&1 | grep -o busy; ls /etc") == \
        "Read-only\nbusy\nhosts\nresolv.conf\n"
    assert os.readlink(box / "resolv.conf") == "elsewhere" and not (box / "elsewhere").exists()


def test_more_can_be_made_beside_it_in_a_read_only_directory(box):
    (box / "resolv.conf").symlink_to("/nowhere")
    args = ["--ro-bind", box, "/etc", "--hosts", "a=::1", "--resolv-conf", "auto", "--dir", "/etc/more", "--hosts", "b=::2"]
    assert shell(args, "ls /etc; cat /etc/hosts; test -s /etc/resolv.conf") == f"hosts\nmore\nresolv.conf\n::2\tb\n::1\ta\n{LOCAL}"


def test_without_one_on_the_host_the_cure_is_told(box):
    for content, why in ((None, "No such file or directory; name a resolver: --data \"nameserver ADDRESS\" /etc/resolv.conf"), ("fifo", "it is no regular file")):
        if content:
            os.mkfifo(box / "resolv.conf")
        result = run([*BASE, "--resolv-conf", "auto"], ["echo", "COMMAND RAN"], prefix=host_mounts(f"mount --bind {box} /etc"))
        assert_refused(result, f"--resolv-conf (argument {len(BASE) + 1}): Can't read the host's /etc/resolv.conf: {why}")


def test_hosts_stand_before_what_is_there_at_that_point(box):
    (box / "hosts").write_text("192.0.2.1 old")
    asked = ["--hosts", "a.example=192.0.2.7", "--hosts", "a.example=2001:db8::7"]
    lines = "192.0.2.7\ta.example\n2001:db8::7\ta.example\n"
    assert shell(asked, "cat /etc/hosts") == lines + LOCAL
    assert shell(["--ro-bind", box, "/etc", *asked], "cat /etc/hosts") == lines + "192.0.2.1 old"
    assert shell([*asked[:2], "--dir", "/x", *asked[2:]], "cat /etc/hosts; stat -c %a /etc/hosts") == \
        "2001:db8::7\ta.example\n192.0.2.7\ta.example\n" + LOCAL + "444\n"
    result = run([*BASE, *asked, "--ro-bind", box, "/etc"], ["cat", "/etc/hosts"])
    place = len(BASE) + 1
    assert (result.returncode, result.stdout, result.stderr) == (
        0, "192.0.2.1 old", f"{PREFIX}--hosts (argument {place}): hidden by --ro-bind (argument {place + 4}): put that first, or leave this out\n")


def test_a_name_has_that_address():
    args = ["--hosts", "db.example=127.0.0.7", "--data", "hosts: files", "/etc/nsswitch.conf"]
    assert inside(args, "__import__('socket').gethostbyname('db.example')") == "127.0.0.7"


def test_a_link_that_an_earlier_command_left_shows_nothing_in_hosts(box):
    (box / "hosts").symlink_to("/proc/self/environ")
    refused(["--bind", box, "/etc", "--proc", "/proc", "--hosts", "a=::1"], "--hosts (argument 18): Can't show /etc/hosts: the link /etc/hosts in what --bind (argument 13) shows",
            base=BASE)


@pytest.mark.parametrize("word, why", [
    ("name", '"name" is not NAME=ADDR'), ("=::1", 'Invalid host name: ""'), ("-a=::1", 'Invalid host name: "-a"'), ("a..b=::1", 'Invalid host name: "a..b"'),
    ("a b=::1", 'Invalid host name: "a b"'), ("a\n=::1", r'Invalid host name: "a\x0a"'), ("1.2.3=::1", 'Invalid host name: "1.2.3"'),
    (f"{'a' * 64}=::1", "Invalid host name"), ("a=", 'Invalid address: ""'), ("a=1.2.3", 'Invalid address: "1.2.3"'), ("a=b", 'Invalid address: "b"'),
    ("a=::1 b", 'Invalid address: "::1 b"'), ("a=fe80::1%lo", 'Invalid address: "fe80::1%lo"')])
def test_what_is_no_name_and_no_address_is_refused(word, why):
    refused(["--hosts", word], f"--hosts (argument 1): {why}")


def test_auto_is_the_only_source():
    refused(["--resolv-conf", "/etc/resolv.conf"], '--resolv-conf (argument 1): Invalid source: "/etc/resolv.conf" is not auto; for a file of your own there are --ro-bind')


def test_verbose_says_where_a_network_has_no_resolver(etc):
    note = f"{PREFIX}There is a network and no /etc/resolv.conf inside, so that programs find no addresses of names: --resolv-conf auto shows the host's resolver\n"
    for args, is_told in (([], True), (["--ro-bind", "/etc", "/etc"], True), (["--unshare-net"], False), (["--resolv-conf", "auto"], False)):
        result = run([*BASE, "--verbose", *args], ["true"], prefix=etc)
        assert result.returncode == 0 and (note in result.stderr) == is_told, result.stderr
    assert_ok(run(BASE, ["true"], prefix=etc))


def test_dry_run_tells_of_both():
    result = run(["--resolv-conf", "auto", "--hosts", "a=::1", "--hosts", "b=192.0.2.1", "--dry-run"], ["true"])
    assert_ok(result)
    assert "--resolv-conf (argument 1): show a copy of the host's resolv.conf read-only at /etc/resolv.conf\n" in result.stdout
    assert "--hosts (argument 3): what is at /etc/hosts by then, and a is ::1, b is 192.0.2.1, read-only there\n" in result.stdout


def test_hosts_can_be_added_to_a_root_that_is_the_hosts():
    """Made read-only where it is, with all that lies on it, which what is written to cannot be."""
    assert shell(["--hosts", "a=1.2.3.4"], "head -1 /etc/hosts; ! test -w /etc/hosts", base=["--ro-bind", "/", "/"]) == "1.2.3.4\ta\n"
