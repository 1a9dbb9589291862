"""Destinations: where inside the new root they are, what is made on the way, and that none is ever on the host."""
import os

import pytest

from sandbox import (BASE, args_fd, as_user, assert_ok, close, data_fd, inside, keep, mounts_inside, pipe, refused, run,
                     shell, start, swapping, tree, user_ids, wait_for)

pytestmark = pytest.mark.core


def mode(args, path):
    return oct(inside(args, f"os.lstat({path!r}).st_mode & 0o7777"))[2:]


# ---- symbolic links inside the new root ----

@pytest.mark.parametrize("target", ["/real", "real", "./real", "../real", "/../../real", "x/../real", "//real//",
                                    "/real/."])
def test_symlink_in_a_destinations_parent_is_followed_inside_the_new_root(target, box):
    (box / "file").touch()
    args = ["--dir", "/real", "--dir", "/x", "--symlink", target, "/link", "--ro-bind", box, "/link/b",
            "--dir", "/link/d", "--file", data_fd("text"), "/link/f"]
    assert shell(args, "cd /real; ls; ls b; cat f") == "b\nd\nf\nfile\ntext"


@pytest.mark.parametrize("operation", [["--tmpfs", "/link"], ["--bind", "/usr/share", "/link"], ["--dev", "/link"],
                                       ["--proc", "/link"], ["--ro-bind-try", "/usr/share", "/link"]], ids=" ".join)
def test_symlink_at_the_destination_of_a_mount_is_followed(operation):
    mounts = mounts_inside(["--dir", "/real", "--symlink", "real", "/link", *operation])
    assert "/real" in mounts and "/link" not in mounts


def test_symlink_at_the_destination_of_a_file_operation_is_followed(box):
    args = ["--dir", "/d", "--file", data_fd("old"), "/d/f", "--symlink", "d/f", "/link", "--symlink", "d", "/dlink"]
    assert shell([*args, "--ro-bind-data", data_fd("new"), "/link"], "cat /d/f") == "new"
    assert mode([*args[:2], "--dir", "/dlink2", "--file", data_fd(), "/d/f", "--symlink", "d/f", "/link",
                 "--chmod", "0711", "/link"], "/d/f") == "711"


def test_file_writes_through_an_existing_file_and_link():
    args = ["--file", data_fd("older text"), "/f", "--symlink", "f", "/link", "--file", data_fd("new"), "/link"]
    assert shell(args, "cat /f; test -L /link") == "new"


def test_var_run_style_links_are_followed(box):
    (box / "sock").touch()
    args = ["--dir", "/run", "--symlink", "/run", "/var/run", "--symlink", "../run", "/var/run2",
            "--bind", box, "/var/run/app/one", "--bind", box / "sock", "/var/run2/two"]
    assert shell(args, "ls /run /run/app /run/app/one") == "/run:\napp\ntwo\n\n/run/app:\none\n\n/run/app/one:\nsock\n"


def test_links_of_links_are_followed():
    args = ["--dir", "/a/real", "--symlink", "/a", "/b", "--symlink", "b/real", "/c", "--symlink", "/c/../real", "/d"]
    assert shell([*args, "--dir", "/d/made"], "ls /a/real") == "made\n"


@pytest.mark.parametrize("path", ["/../../a", "/../a/../../a", "//a//", "/./a/.", "/a/", "a", "../a", "./a"])
def test_dots_slashes_and_relative_destinations_stay_inside(path):
    assert inside(["--dir", path], "os.path.isdir('/a')")


def test_dotdot_is_taken_after_the_link_as_the_kernel_does():
    args = ["--dir", "/a/b/c", "--symlink", "/a/b/c", "/l", "--dir", "/l/../made"]
    assert shell(args, "ls /a/b") == "c\nmade\n"


@pytest.mark.parametrize("operation", [["--dir", "/l/x"], ["--dir", "/l"], ["--tmpfs", "/l"], ["--tmpfs", "/l/x"],
                                       ["--bind", "/usr", "/l"], ["--ro-bind", "/usr/bin/env", "/l"], ["--proc", "/l"],
                                       ["--dev", "/l/x"], ["--symlink", "x", "/l/x"], ["--chmod", "0700", "/l"],
                                       ["--remount-ro", "/l"], ["--mqueue", "/l"]], ids=" ".join)
def test_dangling_links_are_refused(operation):
    refused(["--symlink", "/nowhere/at/all", "/l", *operation], operation[0], operation[-1], base=BASE)


def test_data_through_dangling_links_is_refused(box):
    for option in ("--file", "--bind-data", "--ro-bind-data"):
        refused(["--symlink", "nowhere", "/l", option, data_fd("x"), "/l"], option, base=BASE)


def test_nothing_is_created_through_a_dangling_link_in_a_bound_directory(box):
    (box / "in").mkdir()
    for name, target in (("abs", f"{box}/made"), ("rel", "../made"), ("inside", "made"), ("dev", "/dev/shm/made")):
        (box / "in" / name).symlink_to(target)
        before = tree(box)
        for args in (["--dir", f"/in/{name}"], ["--file", data_fd("x"), f"/in/{name}"], ["--dir", f"/in/{name}/x"],
                     ["--ro-bind", "/usr/bin/env", f"/in/{name}"], ["--tmpfs", f"/in/{name}/x/y"],
                     ["--symlink", "x", f"/in/{name}/x"]):
            refused(["--bind", box / "in", "/in", *args], args[0], base=BASE)
        assert tree(box) == before


@pytest.mark.parametrize("links", [[("b", "/a"), ("a", "/b")], [("/a", "/a")], [("a/x", "/a")]])
def test_link_loops_are_refused(links):
    args = [word for target, path in links for word in ("--symlink", target, path)]
    refused([*args, "--dir", "/a/made"], "--dir", "Too many levels of symbolic links", base=BASE)
    refused([*args, "--tmpfs", "/a"], "--tmpfs", "Too many levels of symbolic links", base=BASE)


@pytest.mark.parametrize("magic", ["/proc/self/root", "/proc/self/cwd", "/proc/self/fd/9", "/proc/thread-self/root",
                                   "/proc/1/root", "/proc/self/exe"])
def test_magic_links_of_proc_are_refused_as_destinations(magic, box):
    for proc in (["--proc", "/proc"], ["--ro-bind", "/proc", "/proc"], ["--unshare-pid", "--proc", "/proc"]):
        for args in (["--dir", f"{magic}{box}/made"], ["--tmpfs", f"{magic}/made"], ["--file", data_fd("x"), magic],
                     ["--symlink", magic, "/l", "--dir", f"/l{box}/made"]):
            refused([*proc, *args], base=BASE, cwd=box)
    refused(["--bind", "/", "/", "--dir", f"{magic}{box}/made"], cwd=box)
    assert tree(box) == []


@pytest.mark.parametrize("where", ["absolute", "relative", "parent"])
def test_hostile_link_in_a_bound_host_directory_never_leads_to_the_host(where, box):
    (box / "outside").mkdir()
    (box / "shared" / "deep").mkdir(parents=True)
    link = box / "shared" / "deep" / "link"
    link.symlink_to({"absolute": box / "outside", "relative": "../../outside",
                     "parent": "../../../" * 9 + str(box)[1:]}[where])
    for args in (["--dir", "/s/deep/link/made"], ["--file", data_fd("x"), "/s/deep/link/made"],
                 ["--symlink", "x", "/s/deep/link/made"], ["--ro-bind", "/usr/bin/env", "/s/deep/link/made"]):
        run([*BASE, "--bind", box / "shared", "/s", *args], ["true"])
        assert tree(box / "outside") == [] and sorted(os.listdir(box)) == ["outside", "shared"]


def test_the_same_link_leads_to_what_the_sandbox_shows_there(box):
    (box / "outside").mkdir()
    (box / "shared").mkdir()
    (box / "shared" / "link").symlink_to(box / "outside")
    args = ["--bind", box / "shared", "/s", "--tmpfs", box / "outside", "--dir", "/s/link/made"]
    assert shell(args, f"ls {box}/outside") == "made\n"
    assert tree(box / "outside") == []


def test_a_file_in_the_middle_of_a_destination_is_refused():
    refused(["--file", data_fd(), "/f", "--dir", "/f/x"], "--dir", "Not a directory", base=BASE)
    refused(["--file", data_fd(), "/f", "--tmpfs", "/f/x/y"], "--tmpfs", "Not a directory", base=BASE)
    refused(["--file", data_fd(), "/f", "--dir", "/f/"], "--dir", base=BASE)


@pytest.mark.parametrize("args", [["--bind", "/usr/bin", "/f"], ["--tmpfs", "/f"], ["--dev", "/f"], ["--proc", "/f"],
                                  ["--bind", "/usr/bin/env", "/d"], ["--dir", "/f"], ["--mqueue", "/f"]], ids=" ".join)
def test_the_wrong_type_of_destination_is_refused(args):
    refused(["--file", data_fd(), "/f", "--dir", "/d", *args], args[0], args[-1], base=BASE)


def test_the_wrong_type_of_destination_for_data_is_refused():
    for option in ("--file", "--bind-data", "--ro-bind-data"):
        refused(["--dir", "/d", option, data_fd("x"), "/d"], option, base=BASE)


# ---- directories that cannot be read ----

@pytest.mark.user
@pytest.mark.parametrize("bits", [0o711, 0o111, 0o100])
def test_parents_that_can_be_searched_but_not_read_work_on_both_sides(bits, box):
    (box / "p" / "q" / "src").mkdir(parents=True)
    (box / "p" / "q" / "src" / "f").touch()
    (box / "p" / "q" / "mnt").mkdir()
    (box / "p" / "q").chmod(bits)
    (box / "p").chmod(bits)
    args = ["--bind", box, "/b", "--ro-bind", box / "p/q/src", "/b/p/q/mnt", "--ro-bind", box / "p/q/src/f", "/f"]
    assert shell(args, "ls /b/p/q/mnt; test -e /f") == "f\n"


@pytest.mark.root
def test_foreign_0711_parents_work_for_a_user(box):
    (box / "p" / "home").mkdir(parents=True)
    (box / "p" / "home" / "f").touch()
    os.chown(box / "p" / "home", *user_ids())
    (box / "p").chmod(0o711)
    args = ["--ro-bind", "/", "/", "--tmpfs", "/tmp", "--bind", box / "p" / "home", box / "p" / "home",
            "--bind", box, "/tmp/b", "--ro-bind", "/usr/share", "/tmp/b/p/home"]
    result = run(args, ["ls", box / "p" / "home"], prefix=as_user())
    assert_ok(result)
    assert result.stdout == "f\n"


@pytest.mark.user
@pytest.mark.skipif(os.access("/root", os.X_OK), reason="/root can be searched")
def test_an_unsearchable_parent_is_refused_with_its_cause():
    refused(["--ro-bind", "/", "/b", "--tmpfs", "/b/root/d"], "--tmpfs", "/b/root/d", "Permission denied", base=BASE)


# ---- sources ----

@pytest.mark.parametrize("form", ["{0}/abs/sub/f", "{0}/chain/sub/f", "{0}/real/sub/../sub/./f", "{0}//real///sub/f",
                                  "/proc/self/root{0}/real/sub/f", "real/sub/f", "./chain/sub/f",
                                  "/proc/self/cwd/real/sub/f"])
def test_sources_are_resolved_as_the_caller_sees_them(form, box):
    (box / "real" / "sub").mkdir(parents=True)
    (box / "real" / "sub" / "f").write_text("F")
    (box / "abs").symlink_to(box / "real")
    (box / "chain").symlink_to("abs")
    assert shell(["--ro-bind", form.format(box), "/x"], "cat /x", cwd=box) == "F"


def test_a_source_may_be_a_descriptors_link_in_proc(box):
    (box / "f").write_text("F")
    fd = keep(os.open(box / "f", os.O_RDONLY))
    assert shell(["--ro-bind", f"/proc/self/fd/{fd}", "/x"], "cat /x", pass_fds=[fd]) == "F"


def test_sources_are_resolved_before_any_operation_runs(box):
    """A source is the host's even where an earlier operation covers or shows something of that path."""
    (box / "f").write_text("host")
    args = ["--tmpfs", str(box), "--file", data_fd("inside"), box / "f", "--ro-bind", box / "f", "/x"]
    assert shell(args, f"cat /x {box}/f") == "hostinside"


def test_a_dangling_source_link_is_a_missing_source(box):
    (box / "l").symlink_to("nowhere")
    refused(["--ro-bind", box / "l", "/x"], "Can't find source path", f"{box}/l")
    assert shell(["--ro-bind-try", box / "l", "/x"], "ls -d /x 2>&- || echo skipped") == "skipped\n"


# ---- what is made on the way ----

@pytest.mark.parametrize("operation, parent", [
    (["--bind", "/usr", "/p/q/x"], "700"), (["--ro-bind", "/usr/bin/env", "/p/q/x"], "700"),
    (["--dev-bind", "/usr", "/p/q/x"], "700"), (["--ro-bind-data", None, "/p/q/x"], "700"),
    (["--bind-data", None, "/p/q/x"], "700"), (["--dir", "/p/q/x"], "755"), (["--file", None, "/p/q/x"], "755"),
    (["--tmpfs", "/p/q/x"], "755"),
    (["--perms", "0750", "--dir", "/p/q/x"], "750"), (["--perms", "0700", "--dir", "/p/q/x"], "700"),
    (["--perms", "0640", "--file", None, "/p/q/x"], "750"), (["--perms", "0600", "--file", None, "/p/q/x"], "700"),
    (["--perms", "1777", "--tmpfs", "/p/q/x"], "755"), (["--perms", "0700", "--tmpfs", "/p/q/x"], "700"),
], ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else value)
def test_modes_of_parents_that_are_made(operation, parent):
    for path in ("/p", "/p/q"):
        assert mode([data_fd("x") if word is None else word for word in operation], path) == parent


def test_a_missing_destination_of_a_bind_is_made_by_type(box):
    (box / "dir").mkdir(mode=0o700)
    (box / "file").touch(mode=0o600)
    (box / "under").mkdir()
    shell(["--bind", box / "under", "/u", "--bind", box / "dir", "/u/d", "--ro-bind", box / "file", "/u/f"], "true")
    made = {name: oct((box / "under" / name).stat().st_mode) for name in ("d", "f")}
    assert made == {"d": "0o40755", "f": "0o100444"}


def test_the_callers_umask_changes_no_mode_that_is_made():
    args = ["--dir", "/d", "--file", data_fd(), "/f", "--tmpfs", "/t"]
    prefix = ["sh", "-c", 'umask 077; exec "$@"', "sh"]
    assert inside(args, "[oct(os.stat(p).st_mode & 0o777) for p in ('/d', '/f', '/t')]", prefix=prefix) \
        == ["0o755", "0o666", "0o755"]


def test_existing_parents_keep_their_mode():
    assert mode(["--perms", "0711", "--dir", "/p", "--dir", "/p/x", "--bind", "/usr", "/p/y"], "/p") == "711"


@pytest.mark.parametrize("path", ["/x/../l/made", "/x/./../l//made/", "x/y/../../l/made"])
def test_what_is_behind_dots_in_parents_that_are_made_is_looked_up(path):
    args = ["--dir", "/real", "--symlink", "/real", "/l", "--tmpfs", path, "--dir", f"{path}/deeper/still"]
    assert inside(args, "os.path.isdir('/x') and os.path.isdir('/real/made/deeper/still')")


# ---- one destination after the other ----

@pytest.mark.parametrize("below", [[], ["--tmpfs", "/p"]], ids=" ".join)
@pytest.mark.parametrize("covering", [["--tmpfs", "/p"], ["--tmpfs", "/p/q"], ["--dev", "/p/q"], ["--tmpfs", "/link"],
                                      ["--tmpfs", "/p/x/../q"], ["--tmpfs", "/p/q/."], ["--tmpfs", "/p/q/.."],
                                      ["--bind", "HOST", "/p"], ["--tmpfs", "/", *BASE],
                                      ["--ro-bind-data", "DATA", "/p/q/one", "--tmpfs", "/p"]], ids=" ".join)
def test_a_directory_that_was_covered_is_not_where_the_next_destination_is_made(below, covering, box):
    (box / "host").mkdir()
    (box / "shown").mkdir()
    covering = [{"HOST": box / "host", "DATA": data_fd("text")}.get(word, word) for word in covering]
    args = [*below, "--dir", "/p/x", "--symlink", "/p/q", "/link", "--ro-bind", "/usr/lib", "/p/q/before", *covering,
            "--ro-bind", box / "shown", "/p/q/1", "--ro-bind", box / "shown", "/p/q/2", "--dir", "/p/q/3",
            "--symlink", "3", "/p/q/4"]
    assert inside(args, "[os.path.exists(f'/p/q/{name}') for name in ('before', 1, 2, 3, 4)]") == [False] + 4 * [True]
    assert tree(box / "shown") == []


@pytest.mark.parametrize("operation", [["--tmpfs", "/p/b"], ["--ro-bind", "/usr", "/p/b"],
                                       ["--ro-bind-data", "DATA", "/p/b"]], ids=" ".join)
def test_a_directory_of_ours_that_became_read_only_takes_further_destinations_and_stays_so(operation):
    operation = [data_fd("x") if word == "DATA" else word for word in operation]
    args = ["--tmpfs", "/p/a", "--remount-ro", "/", *operation, "--dir", "/p/c"]
    script = "ls /p; test -e /p/b; touch /p/a/x; ! touch /p/x 2>&-; ! mkdir /x 2>&-"
    assert shell(args, script) == "a\nb\nc\n"


@pytest.mark.parametrize("line, blamed", [
    (["--tmpfs", "/p/man", "--ro-bind", "/usr/share", "/p", "--chmod", "0700", "/p/man"], "--ro-bind (argument 15) made it"),
    (["--ro-bind", "/usr/share", "/p", "--tmpfs", "/p/doc", "--remount-ro", "/p//doc/.", "--chmod", "0700", "/p/doc"],
     "--remount-ro (argument 18) made it"),
    (["--ro-bind", "/usr/share", "/p", "--ro-bind-try", "/missing", "/p/doc", "--chmod", "0700", "/p/doc"], "--ro-bind (argument 13) made it"),
    (["--ro-bind", "/usr/share", "/p", "--bind-try", "/missing", "/p/doc", "--chmod", "0700", "/p/doc"], "--ro-bind (argument 13) made it"),
], ids=["covered", "closed", "not covered", "not covered by a writable one"])
def test_what_made_a_place_read_only_is_the_last_that_covers_it(line, blamed):
    refused([*BASE, *line], "Read-only file system", blamed)


# ---- where setup keeps things of its own meanwhile ----

def with_scratch(kind):
    """(operations, prefix) of a line for which setup needs a place of its own while it builds."""
    if kind == "data":
        return ["--ro-bind-data", data_fd("text"), "/data"], []
    binds = [word for number in range(60) for word in ("--ro-bind", "/usr/lib", f"/d/{number}")]
    return binds, ["prlimit", "--nofile=48:48"]


@pytest.mark.parametrize("kind", ["data", "set aside"])
@pytest.mark.parametrize("operation, expression, expected", [
    (["--tmpfs", "/var/../home"], "os.listdir('/home')", []),
    (["--tmpfs", "/var/link"], "os.listdir('/home')", []),
    (["--ro-bind", "/usr/share", "/var/../home"], "'doc' in os.listdir('/home')", True),
    (["--dir", "/var/../new"], "os.path.isdir('/new')", True),
    (["--dir", "/var/link/new"], "os.path.isdir('/home/new')", True),
    (["--file", "DATA", "/var/../home/f"], "open('/home/f').read()", "text"),
    (["--symlink", "x", "/var/../home/l"], "os.readlink('/home/l')", "x"),
    (["--remount-ro", "/var/.."], "os.access('/', os.W_OK)", False),
    (["--chmod", "0700", "/var/.."], "oct(os.stat('/').st_mode)[-3:]", "700"),
    (["--tmpfs", "/", *BASE], "sorted(os.listdir('/'))", ["bin", "lib", "lib64", "usr"]),
])
def test_a_path_that_climbs_to_the_root_stays_in_it_while_setup_has_a_place_of_its_own(kind, operation, expression, expected):
    """Until then what was made there was lost, and a mask with it."""
    more, prefix = with_scratch(kind)
    operation = [data_fd("text") if word == "DATA" else word for word in operation]
    args = ["--dir", "/home/secret", "--dir", "/var", "--symlink", "../home", "/var/link", *more, *operation]
    assert inside(args, expression, prefix=prefix) == expected


@pytest.mark.parametrize("source", ["/../usr/share", "../usr/share", "LINK"])
def test_a_source_that_climbs_to_the_root_is_the_hosts_when_others_were_set_aside(source, box):
    more, prefix = with_scratch("set aside")
    (box / "link").symlink_to("../" * 30 + "usr/share")
    source = str(box / "link") if source == "LINK" else source
    args = [*more, "--ro-bind-try", source, "/climbed", "--ro-bind", "/usr", "/all"]
    assert inside(args, "os.path.isdir('/climbed/doc'), len(os.listdir('/d')), os.path.isdir('/d/59/python3')",
                  prefix=prefix) == (True, 60, True)


def test_nothing_of_setups_own_place_is_left_or_seen():
    more, prefix = with_scratch("set aside")
    args = [*more, "--ro-bind", "/", "/all", "--proc", "/proc", "--ro-bind-data", data_fd("text"), "/data"]
    points = inside(args, "[line.split()[4] for line in open('/proc/self/mountinfo')]", prefix=prefix)
    assert {point for point in points if not point.startswith("/all")} == \
        {"/", "/usr", "/proc", "/data", *(f"/d/{number}" for number in range(60)), *(p for p in points if p.startswith("/proc/"))}
    assert inside(args, "[os.path.exists(f'/all/{name}') for name in ('0', 'host', 'data')]", prefix=prefix) == [False] * 3


# ---- depth ----

def test_long_and_deep_destinations_work(box):
    deep = "/" + "/".join(["d" * 200] * 15)
    assert inside(["--dir", deep, "--ro-bind", "/usr/bin", deep + "/bin"], f"os.path.exists({deep + '/bin/env'!r})")


def test_a_chain_of_thirty_links_is_followed_and_of_fifty_refused():
    def chain(length):
        return ["--dir", "/l0", *(word for i in range(length) for word in ("--symlink", f"l{i}", f"/l{i + 1}"))]

    assert inside(["--args", args_fd(chain(30)), "--dir", "/l30/x"], "os.path.isdir('/l0/x')")
    refused(["--args", args_fd(chain(50)), "--dir", "/l50/x"], "Too many levels of symbolic links", base=BASE)


# ---- hostile neighbours ----

def test_nothing_is_made_outside_while_a_neighbour_swaps_directory_and_link(box):
    (box / "outside").mkdir()
    (box / "shared" / "a").mkdir(parents=True)
    (box / "shared" / "b").symlink_to(box / "outside")
    with swapping(box / "shared" / "a", box / "shared" / "b"):
        for number in range(40):
            run([*BASE, "--bind", box / "shared", "/s", "--dir", f"/s/a/made{number}", "--ro-bind", "/usr", "/s/a/u",
                 "--file", data_fd("x"), f"/s/a/file{number}"], ["true"])
    assert tree(box / "outside") == []


def test_a_directory_that_a_neighbour_moves_away_gets_nothing_more(box):
    """What was opened for one operation is not the place of the next where the host can rename it."""
    (box / "outside").mkdir()
    (box / "shared").mkdir()
    read_end, write_end = pipe()
    args = [*BASE, "--bind", box / "shared", "/s", "--ro-bind", "/usr", "/s/d/one", "--file", read_end, "/s/wait",
            "--ro-bind", "/usr", "/s/d/two"]
    with start(args, ["true"]) as sandbox:
        wait_for((box / "shared" / "wait").exists)
        (box / "shared" / "d").rename(box / "outside" / "d")
        close(write_end)
        assert sandbox.wait() == 0
    assert {path.name for path in (box / "outside").rglob("*")} == {"d", "one"}
    assert (box / "shared" / "d" / "two").is_dir()
