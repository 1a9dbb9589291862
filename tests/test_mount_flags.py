"""--mount-flags: what the next mount may not do, whatever it is, with all that is mounted below it."""
import pytest

from sandbox import BASE, FULL, IS_ROOT, REFUSE, assert_ok, data_fd, host_mounts, inside, mounts_inside, refused, run, shell

pytestmark = pytest.mark.core
ALL = {"noexec", "nosuid", "nodev", "nosymfollow", "ro"}
# The operation, where it mounts, and what belongs before it.
OPERATIONS = {
    "bind": (["--bind", "/usr/share", "/m"], "/m"), "bind-try": (["--bind-try", "/usr/share", "/m"], "/m"),
    "ro-bind": (["--ro-bind", "/usr/share", "/m"], "/m"), "a file": (["--bind", "/usr/bin/env", "/m"], "/m"),
    "the root": (["--ro-bind", "/", "/"], "/"), "tmpfs": (["--tmpfs", "/m"], "/m"),
    "bind-data": (["--bind-data", None, "/m"], "/m"), "ro-bind-data": (["--ro-bind-data", None, "/m"], "/m"),
    "tmp-overlay": (["--overlay-src", "LOWER", "--tmp-overlay", "/m"], "/m"),
    "ro-overlay": (["--overlay-src", "LOWER", "--overlay-src", "/usr/include", "--ro-overlay", "/m"], "/m"),
    "mqueue": (["--unshare-ipc", "--mount-flags", "FLAGS", "--mqueue", "/m"], "/m"),
    "the host's proc": (["--proc", "/m"], "/m"), "a new proc": (["--unshare-pid", "--mount-flags", "FLAGS", "--proc", "/m"], "/m"),
}
operations = pytest.mark.parametrize("operation", OPERATIONS)


def line(flags, operation, box="/usr"):
    args, point = OPERATIONS[operation]
    args = [data_fd(b"data") if word is None else {"FLAGS": flags, "LOWER": box}.get(word, word) for word in args]
    return args if flags in args else ["--mount-flags", flags, *args], point


def overlay_or_skip(operation, box):
    if "overlay" in operation and "Can't make overlay" in run([*BASE, *line("noexec", operation, box)[0]], ["true"]).stderr:
        pytest.skip("no overlay here")


@operations
def test_every_operation_that_mounts_takes_every_flag(operation, box):
    overlay_or_skip(operation, box)
    for flags in (",".join(sorted(ALL - {"nosymfollow"})), "noexec", "ro,nosuid"):
        args, point = line(flags, operation, box)
        if operation == "the root" and "noexec" in flags:
            continue
        base = ["--proc", "/proc"] if operation == "the root" else [*BASE, "--proc", "/proc"]
        mounts = mounts_inside([], base=[*args, *base] if point == "/" else [*base, *args])
        assert mounts[point].has(*flags.split(","), "nosuid"), (flags, mounts[point])


def test_the_flags_hold_on_every_mount_below(box):
    prefix = host_mounts(f"cd {box}; mkdir -p s/a; mount -t tmpfs -o noatime none s/a; mkdir s/a/b; mount -t tmpfs -o ro none s/a/b")
    mounts = mounts_inside(["--mount-flags", "noexec", "--bind", box / "s", "/s"], prefix=prefix)
    for point in ("/s", "/s/a", "/s/a/b"):
        assert mounts[point].has("noexec", "nosuid", "nodev"), mounts[point]
    assert mounts["/s/a"].has("rw", "noatime") and mounts["/s/a/b"].has("ro")  # the host's own are kept
    mounts = mounts_inside(["--mount-flags", "ro", "--bind", box / "s", "/s"], prefix=prefix)
    assert all(mounts[point].has("ro") for point in ("/s", "/s/a", "/s/a/b"))


def test_a_bind_that_is_ro_is_a_ro_bind_in_every_respect(box):
    prefix = host_mounts(f"mkdir -p {box}/s; mount -t tmpfs none {box}/s; mount --make-shared {box}/s", then='"$@"; exit $?')
    mounts = mounts_inside(["--mount-flags", "ro", "--bind", box / "s", "/s"], prefix=prefix)
    assert mounts["/s"].propagation == set() and mounts["/s"].has("ro")
    mounts = mounts_inside(["--propagation", "slave", "--mount-flags", "ro", "--bind", box / "s", "/s"], prefix=prefix)
    assert mounts["/s"].propagation == {"master"} and mounts["/s"].has("ro")
    refused(["--mount-flags", "ro", "--bind", box, "/b", "--chmod", "0755", "/b"],
            f"--bind (argument {len(BASE) + 3}) made it read-only", base=BASE)
    assert [p.name for p in box.iterdir()] == ["s"]


def test_the_flags_are_the_next_operations_alone():
    mounts = mounts_inside(["--mount-flags", "noexec", "--tmpfs", "/one", "--tmpfs", "/two"])
    assert mounts["/one"].has("noexec") and not mounts["/two"].has("noexec")


def test_nothing_runs_from_what_is_noexec(box):
    (box / "program").write_text("#!/bin/sh\necho ran\n")
    (box / "program").chmod(0o755)
    for extra, status in ([], 0), (["--mount-flags", "noexec"], 126):
        assert run([*BASE, *extra, "--bind", box, "/b"], ["sh", "-c", "/b/program"]).returncode == status
        assert run([*BASE, *extra, "--tmpfs", "/t"], ["sh", "-c", "cp /usr/bin/true /t; /t/true"]).returncode == status


def test_a_tmpfs_that_is_ro_stays_empty():
    assert shell(["--mount-flags", "ro", "--tmpfs", "/t"], "touch /t/x 2>&- || ls -A /t") == ""
    refused(["--mount-flags", "ro", "--tmpfs", "/t", "--chmod", "0755", "/t"], f"--tmpfs (argument {len(BASE) + 3}) made it read-only", base=BASE)


def test_a_dev_that_is_ro_has_devices_that_work():
    args = ["--proc", "/proc", "--mount-flags", "ro,noexec", "--dev", "/dev", "--tmpfs", "/dev/shm"]
    assert shell(args, "echo x >/dev/null; touch /dev/shm/x; touch /dev/x 2>/dev/null || echo no") == "no\n"
    assert inside(args, "os.close(os.openpty()[0])", base=BASE) is None
    mounts = mounts_inside(["--mount-flags", "ro,noexec", "--dev", "/dev"])
    assert all(mounts[point].has("ro", "noexec") for point in ("/dev", "/dev/null", "/dev/pts"))


def test_an_overlay_that_is_ro_takes_no_writes(box):
    overlay_or_skip("tmp-overlay", box)
    for name in ("lower", "upper", "work"):
        (box / name).mkdir()
    (box / "lower" / "f").write_text("lower")
    (box / "upper" / "g").write_text("upper")
    args = ["--mount-flags", "ro", "--overlay-src", box / "lower", "--overlay", box / "upper", box / "work", "/o"]
    assert shell(args, "cat /o/f /o/g; touch /o/new 2>&- || echo; rm /o/g 2>&- || echo no") == "lowerupper\nno\n"
    assert [p.name for p in (box / "upper").iterdir()] == ["g"]
    refused(["--mount-flags", "ro", "--overlay-changes", data_fd(), "--overlay-src", box / "lower", "--tmp-overlay", "/o"],
            "--overlay-changes (argument ", "nothing can change", base=BASE)


@pytest.mark.root
def test_the_mounts_below_an_overlays_layers_have_its_flags(box):
    overlay_or_skip("tmp-overlay", box)
    prefix = host_mounts(f"mkdir -p {box}/l/sub {box}/l/proc; mount -t tmpfs none {box}/l/sub; mount -t proc none {box}/l/proc")
    args = ["--mount-flags", "noexec,ro,noatime", "--overlay-src", box / "l", "--tmp-overlay", "/o"]
    mounts = mounts_inside(args, prefix=prefix)
    assert mounts["/o"].has("noexec", "ro", "noatime")
    assert mounts["/o/sub"].has("noexec", "ro") and mounts["/o/proc"].has("noexec", "ro")


def test_no_link_is_followed_where_that_is_said(box):
    (box / "link").symlink_to("/usr")
    code = "try: print(os.listdir('/b/link'))\nexcept OSError as e: print(e.strerror)"
    result = run([*BASE, "--mount-flags", "nosymfollow", "--bind", box, "/b"], ["python3", "-c", "import os\n" + code])
    assert result.stdout == "Too many levels of symbolic links\n", result
    refused(["--mount-flags", "nosymfollow", "--ro-bind", box, "/b", "--tmpfs", "/b/link/share"], "--tmpfs", base=BASE)
    refused(["--mount-flags", "nosymfollow", "--bind", box, "/b", "--dir", "/b/link/x"], "--dir", base=BASE)
    assert not (box / "x").exists()


# ---- noatime ----

def test_what_is_mounted_for_the_sandbox_alone_can_be_noatime(box):
    overlay_or_skip("tmp-overlay", box)
    args = ["--mount-flags", "noatime", "--tmpfs", "/t", "--mount-flags", "noatime", "--dev", "/dev", "--mount-flags", "noatime",
            "--ro-bind-data", data_fd(), "/d", "--mount-flags", "noatime,noexec", "--overlay-src", box, "--tmp-overlay", "/o"]
    mounts = mounts_inside(args)
    assert all(mounts[point].has("noatime") for point in ("/t", "/dev", "/d", "/o"))


@pytest.mark.parametrize("operation", ["bind", "ro-bind", "a file", "the host's proc", "a new proc"])
def test_the_access_times_of_the_hosts_mounts_are_not_ours_in_a_user_namespace(operation):
    args, _ = line("noatime", operation)
    refused([*BASE, "--unshare-user", *args], "noatime", "in a user namespace")
    refused([*BASE, "--dry-run", "--unshare-user", *args], "noatime")


@pytest.mark.root
def test_without_a_user_namespace_a_bind_can_be_noatime(box):
    assert mounts_inside(["--mount-flags", "noatime", "--bind", box, "/b"])["/b"].has("noatime")


# ---- what is refused ----

@pytest.mark.parametrize("word, why", [
    ("", '"" is none of'), ("noexec,", '"" is none of'), ("noexec,noexec", "noexec is there twice"), ("rw", '"rw" is none of'),
    ("exec", '"exec" is none of'), ("noexec nodev", "is none of"), ("NOEXEC", "is none of"), (",ro", '"" is none of'),
    ("noexe", '"noexe" is none of'), ("ro,nosuid,ro", "ro is there twice"), ("size=1", "is none of")])
def test_a_list_of_flags_that_is_none_is_refused(word, why):
    refused(["--mount-flags", word, "--tmpfs", "/t"], f"--mount-flags (argument {len(BASE) + 1})", why, base=BASE)


@pytest.mark.parametrize("args", [["--dir", "/d"], ["--symlink", "a", "/l"], ["--remount-ro", "/"], ["--chmod", "0755", "/"],
                                  ["--file", None, "/f"], []], ids=str)
def test_what_mounts_nothing_has_no_flags(args):
    refused(["--mount-flags", "noexec", *(data_fd() if word is None else word for word in args)],
            "--mount-flags", "must be followed by an operation that mounts something", base=BASE)


def test_flags_are_given_once_for_an_operation():
    refused(["--mount-flags", "noexec", "--mount-flags", "ro", "--tmpfs", "/t"], "was already given", base=BASE)


@pytest.mark.parametrize("args", [["--dev", "/dev"], ["--dev-bind", "/dev", "/dev"], ["--dev-bind-try", "/dev", "/dev"]], ids=" ".join)
def test_devices_are_not_to_be_nodev(args):
    refused(["--mount-flags", "ro,nodev", *args], "--mount-flags", f"what {args[0]} is for", base=BASE)


def test_a_flag_that_cannot_be_set_ends_the_run(box):
    trace = ["strace", "-f", "-o", "/dev/null", "-e", f"inject=mount_setattr:error=EPERM:when={3 if IS_ROOT else 2}"]
    if run(["--version"], prefix=trace[:4]).returncode:
        pytest.skip("strace does not work here")
    if REFUSE:
        pytest.skip("one tracer at a time")
    refused(["--mount-flags", "noexec", "--bind", box, "/tmp"], f"--bind (argument {len(BASE) + 3})", "Can't set the mount flags", base=BASE, prefix=trace)
