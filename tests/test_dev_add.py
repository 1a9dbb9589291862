"""--dev-add: devices of the host's in the sandbox's /dev, and nothing else that stands there."""
import os

import pytest

from sandbox import BASE, IS_ROOT, host_mounts, inside, mounts_inside, refused, run, shell, user_ids

pytestmark = pytest.mark.core
DEV = ["--dev", "/dev"]


def host_dev(box, setup=""):
    """A host whose /dev is a directory with bound nodes: a normal user can make none."""
    return host_mounts(f"""mkdir {box}/dev; cd {box}/dev; mkdir dri snd net
        for name in null zero full random urandom tty; do touch $name; mount --bind /dev/$name $name; done
        for name in dri/card0 dri/renderD128 snd/timer net/tun video0 video12 nvidia0 nvidiactl nvidia-uvm-tools; do touch $name; mount --bind /dev/zero $name; done
        touch video video1x dri/other; mkdir dri/by-path; ln -s ../card0 dri/by-path/pci; ln -s dri/card0 link; ln -s dri dir
        {setup}
        mount --rbind {box}/dev /dev""", user=user_ids()[0] if IS_ROOT else None)


@pytest.mark.parametrize("names, found", [
    (["dri"], ["dri/card0", "dri/renderD128"]), (["video"], ["video0", "video12"]), (["tun"], ["net/tun"]), (["snd"], ["snd/timer"]),
    (["nvidia"], ["nvidia-uvm-tools", "nvidia0", "nvidiactl"]), (["dri/card0"], ["dri/card0"]), (["dri", "dri/card0", "dri"], ["dri/card0", "dri/renderD128"]),
    (["null", "tty"], [])], ids=str)
def test_the_nodes_of_a_group_or_one_node_are_added(names, found, box):
    args = [*DEV, *(word for name in names for word in ("--dev-add", name))]
    code = "[(p, stat.S_ISCHR(os.stat('/dev/' + p).st_mode), open('/dev/' + p, 'rb').read(2)) for p in %r]" % found
    assert inside(args, code, prefix=host_dev(box)) == [(name, True, b"\0\0") for name in found]
    more = inside(args, "sorted(os.path.relpath(os.path.join(d, f), '/dev') for d, _, fs in os.walk('/dev') for f in fs if d != '/dev' or f[:4] in ('vide', 'nvid', 'link'))",
                  prefix=host_dev_again(box))
    assert [name for name in more if not name.startswith("pts/")] == sorted(found)


def host_dev_again(box):
    os.system(f"rm -r {box}/dev")
    return host_dev(box)


def test_added_nodes_go_into_the_last_dev_before(box):
    args = ["--dev", "/one", "--dev", "/dev", "--dev-add", "dri", "--tmpfs", "/t", "--dev-add", "tun"]
    assert shell(args, "ls -d /one/dri /one/net 2>&- || ls /dev/dri /dev/net", prefix=host_dev(box)).split() \
        == ["/dev/dri:", "card0", "renderD128", "/dev/net:", "tun"]
    assert all(mount.has("nosuid") for mount in mounts_inside(args, prefix=host_dev_again(box)).values())


def test_added_nodes_are_there_with_few_descriptors(box):
    prefix = ["sh", "-c", 'ulimit -n 40; exec "$@"', "sh"]
    assert shell([*DEV, "--dev-add", "dri", "--dev-add", "video"], "ls /dev/dri", prefix=[*host_dev(box), *prefix]) == "card0\nrenderD128\n"


@pytest.mark.parametrize("name", ["kvm", "no-such-node", "snd/no-such"])
def test_what_is_not_there_is_refused_but_by_the_try_form(name, box):
    refused([*DEV, "--dev-add", name], f"--dev-add (argument {len(BASE) + 3})", name, "on the host", base=BASE, prefix=host_dev(box))
    assert shell([*DEV, "--dev-add-try", name], "echo on", prefix=host_dev_again(box)) == "on\n"


@pytest.mark.parametrize("name, why", [("video", None), ("dri/other", "is no device"), ("link", "name what the link leads to"), ("dri", None),
                                       ("dri/by-path/pci", "name what the link leads to"), ("snd", None), ("dri/by-path", "is no device")])
def test_only_devices_are_shown_and_no_link_followed(name, why, box):
    result = run([*BASE, *DEV, "--dev-add", name], ["true"], prefix=host_dev(box))
    assert (result.returncode, why is None or why in result.stderr) == (1 if why else 0, True), result


@pytest.mark.parametrize("name", ["", "/dev/kvm", "../etc/passwd", "dri/../null", "dri/", "/", ".", "..", "dri//card0", "console", "pts/0", "ptmx", "shm", "fd/0"])
def test_a_name_that_is_none_is_refused(name):
    for option in ("--dev-add", "--dev-add-try"):
        refused([*DEV, option, name], f"{option} (argument {len(BASE) + 3})", "Invalid device", "write kvm" if name == "/dev/kvm" else "", base=BASE)


@pytest.mark.parametrize("args", [[], ["--dev-bind", "/dev", "/dev"]], ids=str)
def test_without_a_dev_before_it_there_is_nothing_to_add_to(args):
    refused([*args, "--dev-add", "kvm"], "--dev-add (argument ", "no --dev before it", base=BASE)
    refused([*args, "--dev-add", "kvm", "--dev", "/dev2"], "--dev-add (argument ", "no --dev before it", base=BASE)
