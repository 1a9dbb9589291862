"""Links that an earlier command left in what it could write to, and what setup does when it meets them."""
import os
import subprocess

import pytest

from sandbox import (BASE, IS_ROOT, REFUSE, args_fd, as_user, assert_ok, assert_refused, data_fd, host_mounts, mounts_inside, run,
                     shell, swapping, tree, user_ids)

pytestmark = pytest.mark.core


@pytest.fixture
def trees(box):
    """box/proj, in which a hostile command has been, and box/safe, which it never saw."""
    for name in ("proj", "safe"):
        (box / name).mkdir()
    (box / "safe" / "dir").mkdir()
    (box / "safe" / "file").write_text("precious")
    (box / "safe" / "file").chmod(0o640)
    return box


def plant(trees, **links):
    """The first run: all it has is /proj."""
    script = "".join(f"ln -s {target} /proj/{name};" for name, target in links.items())
    assert_ok(run([*BASE, "--bind", trees / "proj", "/proj"], ["sh", "-ec", script]))


def both(trees):
    return [*BASE, "--bind", trees / "proj", "/proj", "--bind", trees / "safe", "/safe"]


def words(trees, operation):
    names = {"DATA": lambda: data_fd("evil"), "DIR": lambda: trees / "proj", "FILE": lambda: "/usr/bin/env"}
    return [names[word]() if word in names else word for word in operation]


CHANGES = [
    ["--file", "DATA", "/proj/conf"], ["--file", "DATA", "/proj/dir/new"], ["--file", "DATA", "/proj/dir/p/new"],
    ["--dir", "/proj/dir/new"], ["--dir", "/proj/dir/p/q/new"], ["--chmod", "0777", "/proj/conf"],
    ["--chmod", "0777", "/proj/dir"], ["--symlink", "x", "/proj/dir/new"], ["--bind", "DIR", "/proj/dir/new"],
    ["--ro-bind", "FILE", "/proj/dir/new"], ["--dev-bind", "DIR", "/proj/dir/p/new"],
    ["--ro-bind-try", "DIR", "/proj/dir/new"], ["--ro-bind-data", "DATA", "/proj/dir/new"],
    ["--bind-data", "DATA", "/proj/dir/p/new"], ["--tmpfs", "/proj/dir/new"], ["--proc", "/proj/dir/new"],
    ["--dev", "/proj/dir/new"], ["--unshare-ipc", "--mqueue", "/proj/dir/new"], ["--lock-file", "/proj/conf"],
    ["--overlay-src", "DIR", "--tmp-overlay", "/proj/dir/new"],
]


@pytest.mark.parametrize("operation", CHANGES, ids=" ".join)
def test_nothing_is_changed_through_a_link_of_another_command(operation, trees):
    plant(trees, conf="/safe/file", dir="/safe/dir")
    before = tree(trees)
    result = run([*both(trees), *words(trees, operation)], ["echo", "COMMAND RAN"])
    link = "/proj/conf" if "/proj/conf" in operation else "/proj/dir"
    option = [word for word in operation if word.startswith("--")][-1]
    assert_refused(result, option, f"the link {link} in what --bind (argument {len(BASE) + 1}) shows leads into what "
                   f"--bind (argument {len(BASE) + 4}) shows")
    assert tree(trees) == before and (trees / "safe" / "file").read_text() == "precious"


@pytest.mark.parametrize("links", [
    dict(way="../safe"), dict(way="/safe/"), dict(way="../proj/../safe/."), dict(way="other", other="/safe"),
    dict(way="/proj/other", other="../../../safe"), dict(way="top/safe", top="/"),
], ids=str)
def test_every_form_of_link_is_seen(links, trees):
    plant(trees, **links)
    (trees / "proj" / "x").mkdir()
    before = tree(trees)
    for operation in (["--file", data_fd("evil"), "/proj/way/file"], ["--dir", "//proj/./way/new/"],
                      ["--dir", "/proj/x/../way/dir/new"], ["--dir", "/usr/../proj/way/dir/../dir/new"]):
        assert_refused(run([*both(trees), *operation], ["true"]), "the link /proj/", "in what --bind")
        assert tree(trees) == before


def test_a_link_that_leads_on_through_a_link_of_ours_is_seen(trees):
    plant(trees, way="/own/on")
    args = [*both(trees), "--dir", "/own", "--symlink", "/safe", "/own/on"]
    assert_refused(run([*args, "--file", data_fd("evil"), "/proj/way/file"], ["true"]), "the link /proj/way in what")
    assert_refused(run([*args, "--symlink", "/proj/way", "/l", "--dir", "/l/new"], ["true"]), "the link /proj/way in")
    assert not (trees / "safe" / "new").exists() and (trees / "safe" / "file").read_text() == "precious"


def test_the_way_back_is_no_excuse(trees):
    """A link in the second tree that leads into the first is as good a trap."""
    plant(trees, way="/safe/back")
    (trees / "safe" / "back").symlink_to("/proj")
    assert_refused(run([*both(trees), "--dir", "/proj/way/new"], ["true"]), "the link /safe/back in what")
    assert not (trees / "proj" / "new").exists()


def test_a_root_that_is_a_bind_is_a_tree_like_another(trees):
    for name in ("usr", "bin", "lib", "lib64", "safe", "proj"):
        (trees / "proj" / name).mkdir()
    plant(trees, conf="/safe/file", back="/bin")
    root = ["--bind", trees / "proj", "/", "--ro-bind", "/usr", "/usr", *(
        word for name in ("bin", "lib", "lib64") for word in ("--ro-bind", f"/usr/{name}", f"/{name}"))]
    args = [*root, "--bind", trees / "safe", "/safe"]
    assert_refused(run([*args, "--file", data_fd("evil"), "/conf"], ["true"]), "the link /conf in what --bind (argument 1)")
    for more in ([], ["--tmpfs", "/"]):  # the root again, later
        line = [*more, *args, "--chmod", "0777", "/conf"]
        assert_refused(run(line, ["true"]), f"the link /conf in what --bind (argument {1 + len(more)})")
    assert (trees / "safe" / "file").read_text() == "precious"


@pytest.mark.parametrize("order", [("proj", "safe"), ("safe", "proj")])
def test_many_sources_and_few_descriptors_change_nothing(order, trees):
    plant(trees, conf="/safe/file")
    many = args_fd([word for number in range(200) for word in ("--bind", "/usr/bin/env", f"/d/{number}")])
    args = [*BASE, "--args", many, *(word for name in order for word in ("--bind", trees / name, f"/{name}"))]
    result = run([*args, "--file", data_fd("evil"), "/proj/conf"], ["true"], prefix=["prlimit", "--nofile=64:64"])
    assert_refused(result, "the link /proj/conf in what --bind")
    assert (trees / "safe" / "file").read_text() == "precious"


def test_a_writable_overlay_is_a_tree_on_both_sides(trees):
    for name in ("work", "low"):
        (trees / name).mkdir()
    for low, there in ((trees / "proj", "safe"), (trees / "safe", "proj")):
        args = [*BASE, "--bind", low, f"/{low.name}", "--overlay-src", trees / "low", "--overlay", trees / there,
                trees / "work", f"/{there}"]
        if run(args, ["true"]).returncode:
            pytest.skip("no overlay here")
        plant(trees, **{f"conf{there}": "/safe/file"})
        assert_refused(run([*args, "--file", data_fd("evil"), f"/proj/conf{there}"], ["true"]), "--overlay (argument",
                       f"the link /proj/conf{there} in what")
        assert (trees / "safe" / "file").read_text() == "precious"


def test_submounts_belong_to_their_operation(trees):
    """Within one tree links lead where they like; out of a submount into another tree they do not."""
    setup = f"""cd {trees}; mkdir -p proj/m safe/m; mount -t tmpfs none proj/m; mount -t tmpfs none safe/m
        echo precious >safe/m/file; ln -s /safe/m proj/m/out; ln -sfn /proj/m proj/in; ln -s /proj proj/m/up; cd /"""
    prefix = host_mounts(setup, then=f'"$@" && status=0 || status=$?; cat {trees}/safe/m/file; exit $status')
    result = run([*both(trees), "--file", data_fd("new"), "/proj/in/new", "--dir", "/proj/m/up/made"],
                 ["cat", "/proj/m/new"], prefix=prefix)
    assert result.stdout == "newprecious\n" and (trees / "proj" / "made").is_dir(), result
    result = run([*both(trees), "--file", data_fd("evil"), "/proj/m/out/file"], ["true"], prefix=prefix)
    assert result.returncode == 1 and result.stdout == "precious\n", result
    assert "the link /proj/m/out in what" in result.stderr


@pytest.mark.parametrize("closed", ["remount", "bind", "overlay"])
def test_a_tree_that_was_writable_once_still_holds_traps(closed, trees):
    plant(trees, conf="/safe/file", dir="/safe/dir")
    proj = {"bind": ["--ro-bind", trees / "proj", "/proj"], "overlay": ["--overlay-src", trees / "proj", "--ro-overlay", "/proj"],
            "remount": ["--bind", trees / "proj", "/proj", "--remount-ro", "/proj"]}[closed]
    if IS_ROOT and closed != "remount":
        pytest.skip("which links are root's own nothing tells")
    if closed == "overlay":
        proj[2:2] = ["--overlay-src", "/usr/lib"]
    before = tree(trees)
    args = [*BASE, *proj, "--bind", trees / "safe", "/safe"]
    if run(args, ["true"]).returncode:
        pytest.skip("no overlay here")
    for operation in (["--file", data_fd("evil"), "/proj/conf"], ["--dir", "/proj/dir/new"], ["--chmod", "0777", "/proj/conf"]):
        assert_refused(run([*args, *operation], ["true"]), "the link /proj/", "shows leads into what --bind (argument")
    assert (trees / "safe" / "file").read_text() == "precious" and tree(trees) == before


@pytest.mark.parametrize("target, operation", [
    ("/dev/null", ["--chmod", "0600", "/proj/conf"]), ("/dev/full", ["--file", "DATA", "/proj/conf"]),
    ("/dev/tty", ["--lock-file", "/proj/conf"]),
], ids=str)
def test_no_device_is_changed_through_a_link(target, operation, trees):
    plant(trees, conf=target)
    before = os.stat(target).st_mode
    for dev in (["--dev", "/dev", "--bind", trees / "proj", "/proj"], ["--bind", trees / "proj", "/proj", "--dev", "/dev"]):
        assert_refused(run([*BASE, *dev, *words(trees, operation)], ["true"]),
                       "the link /proj/conf in what --bind", "leads into what --dev (argument")
    assert os.stat(target).st_mode == before


def test_nothing_in_the_hosts_proc_is_changed_through_a_link(trees):
    plant(trees, conf=f"/proc/{os.getpid()}/oom_score_adj")
    before = open("/proc/self/oom_score_adj").read()
    args = [*BASE, "--proc", "/proc", "--bind", trees / "proj", "/proj", "--file", data_fd("777"), "/proj/conf"]
    assert_refused(run(args, ["true"]), "the link /proj/conf in what --bind", "leads into what --proc (argument")
    assert open("/proc/self/oom_score_adj").read() == before


@pytest.mark.skipif(not os.path.exists("/usr/bin/strace"), reason="needs strace")
def test_the_kernels_own_refusal_to_cross_names_no_link(trees):
    result = run([*both(trees), "--chmod", "0700", "/proj"], ["true"],
                 prefix=["strace", "-f", "-qqq", "-o", "/dev/null", "-e", "inject=openat2:error=EXDEV", "--"])
    assert_refused(result, "Invalid cross-device link")
    assert "the link" not in result.stderr


# ---- what goes on as ever ----

@pytest.mark.parametrize("operation, shown", [
    (["--ro-bind", "FILE", "/proj/conf"], "/safe/file"), (["--tmpfs", "/proj/dir"], "/safe/dir"),
    (["--bind", "DIR", "/proj/dir"], "/safe/dir"), (["--ro-bind-data", "DATA", "/proj/conf"], "/safe/file"),
    (["--dev", "/proj/dir"], "/safe/dir"),
], ids=str)
def test_what_is_only_mounted_follows_the_link_and_verbose_names_it(operation, shown, trees):
    plant(trees, conf="/safe/file", dir="/safe/dir")
    before = tree(trees)
    args = [*both(trees), *words(trees, operation), "--proc", "/proc"]
    assert shown in mounts_inside(args, base=[])
    result = run([*both(trees), *words(trees, operation), "--verbose"], ["true"])
    link = operation[-1]
    notes = [line for line in result.stderr.splitlines() if "the link" in line]
    assert result.returncode == 0 and len(notes) == 1, result
    assert f"{operation[0]} (argument {len(both(trees)) + 1}): follows the link {link}" in notes[0]
    assert f"--bind (argument {len(BASE) + 1})" in notes[0]
    assert tree(trees) == before


def test_verbose_names_a_link_where_there_is_one_tree_only(trees):
    plant(trees, dir="/usr/share")
    args = [*BASE, "--bind", trees / "proj", "/proj", "--tmpfs", "/proj/dir", "--remount-ro", "/proj/dir"]
    assert_ok(run(args, ["true"]))
    result = run([*args, "--verbose"], ["true"])
    assert result.stderr.count("follows the link /proj/dir") == 2, result


def test_a_directory_that_exists_behind_the_link_is_left_as_it_is(trees):
    plant(trees, dir="/safe/dir")
    before = tree(trees)
    assert_ok(run([*both(trees), "--dir", "/proj/dir"], ["true"]))
    assert tree(trees) == before


@pytest.mark.parametrize("args, path", [
    (["--symlink", "/safe", "/l"], "/l/new"),
    (["--tmpfs", "/proj/t", "--symlink", "/safe", "/proj/t/l"], "/proj/t/l/new"),
    (["--tmpfs", "/proj/t", "--dir", "/proj/t/a/b", "--symlink", "../../../../safe", "/proj/t/a/b/l"], "/proj/t/a/b/l/new"),
], ids=str)
def test_links_of_our_own_making_lead_where_they_say(args, path, trees):
    (trees / "proj" / "t").mkdir()
    assert_ok(run([*both(trees), *args, "--file", data_fd("new"), path, "--dir", f"{path}-dir/deep"], ["true"]))
    assert (trees / "safe" / "new").read_text() == "new" and (trees / "safe" / "new-dir" / "deep").is_dir()


@pytest.mark.skipif(IS_ROOT, reason="which links are root's own nothing tells")
def test_links_in_read_only_trees_into_their_own_parts_and_into_what_is_ours_lead_where_they_say(trees):
    plant(trees, own="/safe/dir", tmp="/tmp")
    args = [*BASE, "--ro-bind", trees, "/all", "--ro-bind", trees / "proj", "/proj", "--bind", trees / "safe", "/safe",
            "--tmpfs", "/tmp"]
    assert_ok(run([*args, "--file", data_fd("new"), "/all/proj/own/new", "--dir", "/proj/tmp/new"], ["true"]))
    assert (trees / "safe" / "dir" / "new").read_text() == "new"


@pytest.mark.skipif(not IS_ROOT, reason="a user's own links in read-only trees are traps")
def test_links_in_read_only_trees_lead_root_where_they_say(trees):
    plant(trees, conf="/safe/file")
    args = [*BASE, "--ro-bind", trees / "proj", "/proj", "--bind", trees / "safe", "/safe"]
    assert_ok(run([*args, "--file", data_fd("text"), "/proj/conf"], ["true"]))
    assert (trees / "safe" / "file").read_text() == "text"


def test_links_within_a_tree_and_into_what_is_ours_lead_where_they_say(trees):
    plant(trees, inside="there", absolute="/proj/there", up="../proj/there/../there", ours="/tmp", out="/tmp/back")
    (trees / "proj" / "there").mkdir()
    args = [*both(trees), "--tmpfs", "/tmp", "--symlink", "/proj/there", "/tmp/back"]
    for name in ("inside", "absolute", "up", "out"):
        args += ["--file", data_fd(name), f"/proj/{name}/{name}"]
    assert shell([*args, "--dir", "/proj/ours/made"], "ls /tmp/made; cat /proj/there/*", base=[]) == "absoluteinsideoutup"


def test_a_new_place_for_a_bind_behind_a_link_of_ours_in_a_home_is_made(trees):
    """As ostree has it: /home is a link to var/home."""
    args = [*BASE, "--bind", trees / "proj", "/var/home/me", "--symlink", "var/home", "/home",
            "--bind", trees / "safe", "/home/me/safe", "--file", data_fd("new"), "/home/me/safe/new"]
    assert_ok(run(args, ["true"]))
    assert (trees / "safe" / "new").read_text() == "new"


def host_root(box, owner=None):
    """box/R, as ostree has it: links of the system's own where the system alone writes, and one home."""
    root = box / "R"
    for name in ("usr", "bin", "lib", "lib64", "sbin", "proc", "run/user/1", "var/home/me"):
        (root / name).mkdir(parents=True)
    (root / "home").symlink_to("var/home")
    (root / "var" / "run").symlink_to("../run")
    for path in (root / "var/home/me", root / "run/user/1") if owner else ():
        os.chown(path, *owner)
    system = [word for name in ("usr", "usr/bin", "usr/lib", "usr/lib64")
              for word in ("--ro-bind-try", f"/{name}", f"/{name.split('/')[-1]}")]
    return ["--bind", root, "/", *system, "--bind", root / "var/home/me", "/var/home/me",
            "--bind", root / "run/user/1", "/run/user/1"]


IN_A_HOST_ROOT = [["--dir", "/home/me/.cache/x"], ["--ro-bind", "FILE", "/home/me/.config/app/conf"],
                  ["--bind", "DIR", "/var/run/user/1/app"], ["--file", "DATA", "/home/me/made"]]


@pytest.mark.parametrize("operation", IN_A_HOST_ROOT, ids=" ".join)
def test_what_is_bound_twice_is_one_tree(operation, trees):
    assert_ok(run([*host_root(trees), *words(trees, operation)], ["true"]))
    made = {name for top in ("var/home/me", "run/user/1") for name in os.listdir(trees / "R" / top)}
    assert made == {operation[-1].removeprefix("/home/me/").removeprefix("/var/run/user/1/").split("/")[0]}


@pytest.mark.skipif(not IS_ROOT, reason="only root makes files of two users")
@pytest.mark.parametrize("operation", IN_A_HOST_ROOT, ids=" ".join)
def test_a_link_of_roots_own_is_no_trap_of_a_users(operation, trees):
    """The home and /run/user are bound from elsewhere here: two trees without doubt."""
    args = host_root(trees, user_ids())
    for top, place in (("var/home/me", "home"), ("run/user/1", "user")):
        (trees / "R" / top).rename(trees / place)
        (trees / "R" / top).mkdir()
    args = [{trees / "R/var/home/me": trees / "home", trees / "R/run/user/1": trees / "user"}.get(word, word)
            for word in args]
    line = [*args, *words(trees, operation)]
    assert_ok(run(line, ["true"], prefix=as_user()))
    link = "/var/run" if operation[-1].startswith("/var") else "/home"
    for made in (*(trees / "home").iterdir(), *(trees / "user").iterdir()):
        subprocess.run(["rm", "-r", made], check=True)
    # what the user could have put there is one as ever
    for change in (lambda: os.chown(trees / "R" / link[1:], *user_ids(), follow_symlinks=False),
                   lambda: os.chown(trees / "R", *user_ids()), lambda: (trees / "R").chmod(0o777)):
        change()
        assert_refused(run([*args, *words(trees, operation)], ["true"], prefix=as_user()), f"the link {link} in what")
        os.chown(trees / "R" / link[1:], 0, 0, follow_symlinks=False)
        os.chown(trees / "R", 0, 0)
        (trees / "R").chmod(0o755)
    assert_refused(run([*args, *words(trees, operation)], ["true"]), f"the link {link} in what")


@pytest.mark.skipif(IS_ROOT, reason="root's own link is root's")
@pytest.mark.skipif(not os.path.islink("/var/run") or os.stat("/var").st_mode & 0o022, reason="no link of root's at hand")
def test_a_link_of_the_systems_is_no_trap(trees):
    assert_ok(run([*BASE, "--bind", "/var", "/var", "--bind", trees / "safe", "/run", "--dir", "/var/run/made"], ["true"]))
    assert (trees / "safe" / "made").is_dir()


def test_a_link_in_a_part_of_a_tree_does_not_lead_out_of_it(trees):
    plant(trees, conf="/all/safe/file", up="/all")
    args = [*BASE, "--bind", trees, "/all", "--bind", trees / "proj", "/proj"]
    assert_refused(run([*args, "--file", data_fd("evil"), "/proj/conf"], ["true"]), "the link /proj/conf in what")
    assert_refused(run([*args, "--dir", "/proj/up/new"], ["true"]), "the link /proj/up in what")
    assert (trees / "safe" / "file").read_text() == "precious" and not (trees / "new").exists()


def test_parts_of_one_tree_are_two(trees):
    plant(trees, conf="/safe/file")
    args = [*BASE, "--bind", trees, "/all", *both(trees)[len(BASE):]]
    assert_refused(run([*args, "--file", data_fd("evil"), "/proj/conf"], ["true"]), "the link /proj/conf in what")


def test_a_source_that_only_looks_like_a_part_is_none(trees):
    """A link in the source's own way leads out of what is above it by the words."""
    plant(trees, conf="/safe/file")
    (trees / "proj" / "safe").symlink_to(trees / "safe")
    (trees / "safe-too").mkdir()
    for source in (trees / "proj" / "safe", trees / "proj" / ".." / "safe"):
        args = [*BASE, "--bind", trees / "proj", "/proj", "--bind", source, "/safe"]
        assert_refused(run([*args, "--file", data_fd("evil"), "/proj/conf"], ["true"]), "the link /proj/conf in what")
    (trees / "safe" / "link").symlink_to("/too")
    args = [*BASE, "--bind", trees / "safe", "/safe", "--bind", trees / "safe-too", "/too"]
    assert_refused(run([*args, "--dir", "/safe/link/new"], ["true"]), "the link /safe/link in what")


# ---- hostile neighbours ----

@pytest.mark.parametrize("kind", ["file", "dir"])
def test_nothing_is_changed_while_the_first_command_swaps_the_link(kind, trees):
    """It is still running, and makes what is there a link at the worst moment that it can find."""
    (trees / "proj" / "a").mkdir()
    (trees / "proj" / "a" / "file").write_text("")
    plant(trees, b="/safe")
    before = tree(trees / "safe")
    with swapping(trees / "proj" / "a", trees / "proj" / "b"):
        for number in range(60):
            what = ["--file", data_fd("evil"), "/proj/a/file"] if kind == "file" else ["--dir", f"/proj/a/{number}/x"]
            result = run([*both(trees), *what], ["true"])
            assert result.returncode in (0, 1), result
    assert tree(trees / "safe") == before and (trees / "safe" / "file").read_text() == "precious"


# ---- what it costs ----

@pytest.mark.skipif(not os.path.exists("/usr/bin/strace"), reason="needs strace")
@pytest.mark.skipif(bool(REFUSE), reason="there is no openat2 to count")
def test_a_new_place_in_a_bind_is_looked_for_its_parent_opened_and_it_is_opened(trees):
    counts = []
    for number in (5, 15):
        many = [word for n in range(number) for word in ("--ro-bind", "/usr/bin/env", f"/safe/{number}-{n}")]
        log = trees / f"log{number}"
        assert_ok(run([*both(trees), *many], ["true"],
                      prefix=["strace", "-f", "-qqq", "-o", log, "-e", "trace=openat2", "-e", "signal=none", "--"]))
        counts.append(log.read_text().count("openat2("))
    assert counts[1] - counts[0] == 3 * 10
