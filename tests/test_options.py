"""The command line: its grammar, every contradiction, every kind of bad input."""
import os
import re

import pytest

from lines import NEEDS, PATHS, TABLE, TAKE_FD, TAKE_WORDS, each
from sandbox import (BASE, BINARY, IS_ROOT, PREFIX, Holder, args_fd, assert_ok, assert_refused, bpf, data_fd, inside,
                     keep, refused, run, run_python, shell, tree)

pytestmark = pytest.mark.core


# ---- shape of the line ----

def test_help_names_every_option():
    result = run(["--help"])
    assert_ok(result)
    assert TABLE.keys() <= {*re.findall(r"^\s+(--[a-z0-9-]+)", result.stdout, re.M)}


def test_help_names_no_option_twice():
    listed = re.findall(r"^\s+(--[a-z0-9-]+)", run(["--help"]).stdout, re.M)
    assert len(listed) == len(set(listed))


def test_the_last_line_of_help_says_where_more_is():
    assert run(["--help"]).stdout.splitlines()[-1].startswith("man bwrapish: ")


def test_help_begins_with_the_usage_of_the_name_it_was_called_by():
    assert run(["--help"]).stdout.splitlines()[0] == f"usage: {BINARY} [OPTIONS...] [--] COMMAND [ARGS...]"


def test_no_arguments_at_all_is_a_short_usage_on_stderr(box):
    (box / "bwrapish").symlink_to(BINARY)
    result = run([], program=box / "bwrapish")
    assert (result.returncode, result.stdout) == (1, "") and result.stderr.startswith("usage: ") and result.stderr.count("\n") == 3


NO_COMMAND = {"a bind": (["--ro-bind", "/", "ls"], "--ro-bind (argument 1) took ls as its DEST; write --ro-bind / / ls"),
              "a container's bind": (["--ro-bind", "/a:/b", "ls"], "--ro-bind (argument 1) took ls as its DEST; write --ro-bind /a /b ls"),
              "a value": (["--setenv", "A", "true"], "--setenv (argument 1) took true as its VALUE; write --setenv A VALUE true"),
              "a place": (["--tmpfs", "ls"], "--tmpfs (argument 1) took ls as its DEST; write --tmpfs DEST ls"),
              "a path": (["--symlink", "usr/lib64", "/lib64"], "--symlink (argument 1) took /lib64 as its DEST; what is to be run stands behind that"),
              "a descriptor": (["--args", None], "--args (argument 1) took "),
              "nothing behind": (["--"], "nothing stands behind --"),
              "a line's end": (["--unshare-pid"], "the line ends with --unshare-pid (argument 1); what is to be run stands behind that")}


@pytest.mark.parametrize("case", NO_COMMAND)
def test_no_command_is_one_line_that_says_who_took_it(case, box):
    args, words = NO_COMMAND[case]
    args = [data_fd("--unshare-pid\0") if word is None else word for word in args]
    for name in ("bwrapish", "bwrap"):
        (box / name).symlink_to(BINARY)
    assert_refused(run(args, program=box / "bwrapish"), f"no COMMAND: {words}", prefix="bwrapish: ")
    result = run(args, program=box / "bwrap")
    assert result.returncode == 1 and result.stderr.startswith("usage: ") and f"\nbwrap: no COMMAND: {words}" in result.stderr


def test_args_of_lines_instead_of_words_is_told():
    refused(["--args", data_fd("--unshare-net\n--unshare-pid\n")], "a word of --args ends with a NUL and not with a newline")


def test_version_is_one_line_with_the_name_first():
    result = run(["--version"])
    assert_ok(result)
    assert re.fullmatch(r"bwrapish \d+(\.\d+)*\S*\n", result.stdout)


def test_under_the_name_bwrap_version_and_messages_are_bubblewraps(box):
    (box / "bwrap").symlink_to(BINARY)
    version = run(["--version"], program=box / "bwrap")
    assert_ok(version)
    assert re.fullmatch(r"bubblewrap 0\.13\.1 \(bwrapish \S+\)\n", version.stdout)
    assert_refused(run(["--no-such"], ["true"], program=box / "bwrap"), "Unknown option", prefix="bwrap: ")


@pytest.mark.parametrize("args, words", [
    (["--ro-bind", "/missing", "/x"], "^bwrap: Can't find source path /missing: No such file or directory"),
    (["--overlay-src", "/missing", "--tmp-overlay", "/x"], "^bwrap: Can't find source path /missing: No such file"),
    (["--overlay", "/u", "/w", "/x"], "^bwrap: --overlay requires at least one --overlay-src"),
    (["--tmp-overlay", "/x"], "^bwrap: --tmp-overlay requires at least one --overlay-src"),
    (["--overlay-src", "/usr", "--ro-overlay", "/x"], "^bwrap: --ro-overlay requires at least two --overlay-src"),
    (["--overlay-src", "/usr", "--chdir", "/"], "^bwrap: --overlay-src must be followed by another --overlay-src or one of "
     "--overlay, --tmp-overlay, or --ro-overlay"),
    (["--symlink", "/a", "/x", "--symlink", "/b", "/x"], "Can't make symlink .*: existing destination is /a\n"),
    (["--dir", "/x", "--symlink", "/b", "/x"], "Can't make symlink .* not a symlink\n"),
    (["--file", None, "/x", "--ro-bind", "/usr", "/x"], "Can't mount on /x: .*not a directory"),
    (["--dir", "/x", "--ro-bind", "/usr/bin/env", "/x"], "Can't mount on /x: .*not a file"),
    (["--file", None, "/x", "--ro-bind", "/usr/bin/env", "/x/y"], "Not a directory"),
    (["--chmod", "700", "/missing"], "No such file or directory"),
], ids=str)
def test_words_that_bubblewraps_own_tests_look_for(args, words, box):
    (box / "bwrap").symlink_to(BINARY)
    args = [data_fd() if word is None else word for word in args]
    result = run([*BASE, *args], ["echo", "COMMAND RAN"], program=box / "bwrap")
    assert_refused(result, prefix="bwrap: ")
    assert re.search(words, result.stderr), result.stderr


def test_double_dash_ends_options_and_is_dropped():
    assert shell([], "echo ok") == "ok\n"
    assert run([*BASE, "--", "echo", "--", "--bind"]).stdout == "-- --bind\n"


def test_first_word_without_a_dash_ends_options():
    assert run([*BASE, "echo", "--unshare-pid", "-x"]).stdout == "--unshare-pid -x\n"


@pytest.mark.parametrize("command", [["--help"], ["--bind", "/", "/", "id"], ["-c"]])
def test_words_after_double_dash_are_a_command_even_if_they_look_like_options(command):
    refused(BASE, f"execvp {command[0]}: No such file or directory", command=command)


@pytest.mark.parametrize("word", ["-", "-x", "--unshare-everything", "--unshare", "--unshare-pi", "--bind=/usr",
                                  "--chdir=/", "---", "--Bind", "-help", "--unshare-pid "])
def test_unknown_options_are_refused(word):
    refused([word], "Unknown option", word)


def test_more_than_9000_words_are_taken():
    assert run([*BASE, *["--setenv", "A", "1"] * 4000], ["printenv", "A"]).stdout == "1\n"


# ---- --args ----

def test_args_are_parsed_in_place():
    fd = args_fd(["--setenv", "A", "2"])
    assert run([*BASE, "--setenv", "A", "1", "--args", fd, "--setenv", "B", "3"],
               ["sh", "-c", "echo $A$B"]).stdout == "23\n"


def test_args_is_repeatable_and_its_last_nul_optional():
    first, second = data_fd("--setenv\0A\0two words"), args_fd(["--setenv", "B", ""])
    assert run([*BASE, "--args", first, "--args", second], ["sh", "-c", 'echo "$A${B-unset}"']).stdout == "two words\n"


def test_args_may_hold_more_than_9000_words():
    assert run([*BASE, "--args", args_fd(["--setenv", "A", "1"] * 4000)], ["printenv", "A"]).stdout == "1\n"


def test_args_may_be_empty():
    assert_ok(run([*BASE, "--args", data_fd()], ["true"]))


def test_args_descriptor_zero_is_valid():
    result = run([*BASE, "--args", "0"], ["printenv", "A"], stdin=args_fd(["--setenv", "A", "1"]))
    assert result.stdout == "1\n"


def test_args_descriptor_is_closed():
    fd = args_fd(["--setenv", "A", "1"])
    assert not inside(["--args", fd], f"os.path.exists('/proc/self/fd/{fd}')", base=[*BASE, "--proc", "/proc"])


def test_a_pending_modifier_carries_into_args():
    assert inside(["--perms", "0700", "--args", args_fd(["--dir", "/d"])], "oct(os.stat('/d').st_mode & 0o7777)") \
        == "0o700"


def test_a_pending_modifier_does_not_carry_out_of_args():
    refused(["--args", args_fd(["--perms", "0700"]), "--dir", "/d"], "--perms", base=BASE)


def test_args_inside_args_is_refused():
    refused(["--args", args_fd(["--args", "0"])], "--args", "(argument 1, word 1)", base=[])


@pytest.mark.parametrize("word", [["--"], ["true"], ["--", "true"], ["--setenv", "A", "1", "true"]])
def test_a_command_or_double_dash_inside_args_is_refused(word):
    refused(["--args", args_fd(word)], f"(argument 1, word {4 if len(word) > 2 else 1})")


@pytest.mark.parametrize("where", [0, 3])
def test_a_path_in_args_is_told_with_its_word(where):
    fd = args_fd([*["--setenv", "A", "1"][:where], "--bind", "/no such thing", "/x"])
    refused(["--args", fd], f"--bind (argument 1, word {where + 1})", "/no such thing")


# ---- missing words, numbers, descriptors, paths ----

@each(TAKE_WORDS)
def test_option_at_the_end_of_the_line_lacks_its_argument(option):
    assert_refused(run([option.name]), option.name)


@each([option for option in TAKE_WORDS if len(option.words) > 1])
def test_option_with_one_of_two_arguments_is_refused(option):
    assert_refused(run([option.name, *["0"] * (len(option.words) - 1)]), option.name)


@each(TAKE_FD)
def test_what_is_not_an_open_descriptor_is_refused(option):
    for number in ("x", "-1", "", "+1", " 1", "1 ", "0x1", "1e1", "99999999999999999999", "4294967296", "2147483648",
                   "1000"):
        refused(option.line(number), option.name)


@pytest.mark.parametrize("option", ["--uid", "--gid"])
def test_bad_ids_are_refused(option):
    for number in ("", "x", "-1", "1x", "4294967295", "4294967296", "0x0", "18446744073709551616", "1.5"):
        refused(["--unshare-user", option, number], option)


@pytest.mark.parametrize("number", [1, 2147483647, 2147483648, 4294967294])
def test_ids_up_to_two_to_the_32_minus_two_are_taken(number):
    assert shell(["--unshare-user", "--uid", str(number), "--gid", str(number)], "id -u; id -g") \
        == f"{number}\n{number}\n"


@pytest.mark.parametrize("before, after", [(["--perms"], ["--dir", "/d"]), (["--chmod"], ["/"])])
def test_bad_modes_are_refused(before, after):
    for mode in ("", "8", "0o7", "x", "-1", "10000", "77777", "0x1", "07 "):
        refused([*before, mode, *after], before[0])


def test_bad_sizes_are_refused():
    for size in ("", "0", "x", "-1", "k", "01k", "0x", "0b11", "08", "18446744073709551616", str(2 ** 63), "1 "):
        refused(["--size", size, "--tmpfs", "/t"], "--size")


@each([option for option in TAKE_WORDS if PATHS & {*option.words}])
def test_empty_paths_are_refused(option):
    valid = {"FD": "0", "OCTAL": "0755"}
    for place, word in enumerate(option.words):
        if word in PATHS and (option.name, word) != ("--symlink", "SRC"):  # a link may say anything
            words = [valid.get(other, "/usr") for other in option.words]
            words[place] = ""
            refused([*NEEDS.get(option.name, ([], []))[0], option.name, *words], option.name, base=BASE)


@pytest.mark.parametrize("args", [["--bind", "/usr", "--proc"], ["--bind", "--dev", "/dev"], ["--tmpfs", "--dir"],
                                  ["--dir", "--"], ["--ro-bind-try", "/usr", "--unshare-all"],
                                  ["--chdir", "--clearenv"],
                                  ["--file", "0", "--perms"], ["--symlink", "/usr", "--bind"], ["--proc", "--dev"],
                                  ["--lock-file", "--info-fd"]], ids=" ".join)
def test_a_path_that_begins_with_two_dashes_names_the_option_that_lacks_its_argument(args):
    refused(args, f"{args[0]} (argument {1 + len(BASE)})", base=BASE)


@pytest.mark.parametrize("args", [["--setenv", "A=B", "c"], ["--setenv", "", "c"], ["--setenv", "=", "c"]])
def test_impossible_variable_names_are_refused(args):
    refused(args, "--setenv", base=BASE)


@pytest.mark.parametrize("name", ["CAP_NOPE", "", "all caps", "CAP_", "41", "CAP_CHOWN,CAP_KILL"])
@pytest.mark.parametrize("option", ["--cap-add", "--cap-drop"])
def test_unknown_capabilities_are_refused(option, name):
    refused([option, name], option, base=BASE)


@pytest.mark.parametrize("value", ["", "shared", "Slave", "rslave"])
def test_unknown_propagations_are_refused(value):
    refused(["--propagation", value, "--bind", "/usr", "/x"], "--propagation")


@pytest.mark.parametrize("option", ["--bind", "--ro-bind", "--dev-bind"])
def test_missing_source_is_refused(option, box):
    refused([option, box / "missing", "/x"], f"{option} (argument 1)", "Can't find source path", f"{box}/missing",
            "No such file or directory")


@pytest.mark.user
@pytest.mark.skipif(os.access("/root", os.X_OK), reason="/root can be searched")
@pytest.mark.parametrize("option", ["--bind", "--ro-bind-try", "--dev-bind-try", "--bind-try"])
def test_source_below_an_unsearchable_directory_is_refused_even_with_try(option):
    refused([option, "/root/x", "/x"], option, "Can't find source path /root/x", "Permission denied", base=BASE)


@pytest.mark.parametrize("option", ["--bind-try", "--ro-bind-try", "--dev-bind-try"])
def test_try_skips_only_what_does_not_exist(option, box):
    (box / "file").touch()
    assert shell([option, box / "missing", "/x"], "ls -d /x 2>&- || echo no") == "no\n"
    refused([option, box / "file" / "below", "/x"], option, "Not a directory", base=BASE)


def test_a_path_longer_than_path_max_is_refused():
    refused(["--bind", "/" + "x" * 5000, "/x"], "--bind", "File name too long")
    refused(["--dir", "/" + "x" * 300], "--dir", "File name too long", base=BASE)


def test_a_failing_line_leaves_nothing_on_the_host(box):
    before = tree(box)
    refused(["--bind", box, "/o", "--dir", "/made", "--file", data_fd("x"), "/f", "--ro-bind", "/missing", "/x"],
            "Can't find source path", base=BASE, command=["touch", "/o/ran"], cwd=box)
    refused(["--bind", box, "/o", "--unshare-pid", "--chdir", "/missing"], "--chdir", base=BASE,
            command=["touch", "/o/ran"], cwd=box)
    assert tree(box) == before


# ---- contradictions ----

@pytest.mark.parametrize("args, named", [
    (["--unshare-user", "--disable-userns", "--userns-block-fd", "0", "--info-fd", "1"], "--disable-userns"),
    (["--userns-block-fd", "0", "--info-fd", "1"], "--userns-block-fd"),
    (["--unshare-user", "--userns-block-fd", "0"], "--userns-block-fd"),
    (["--disable-userns"], "--disable-userns"),
    (["--unshare-all", "--disable-userns"], "--disable-userns"),
    (["--unshare-user-try", "--disable-userns"], "--disable-userns"),
    (["--hostname", "h"], "--hostname"),
    (["--as-pid-1"], "--as-pid-1"),
    (["--unshare-pid", "--as-pid-1", "--lock-file", "/usr/bin/env"], "--as-pid-1"),
    (["--perms", "0700", "--perms", "0700", "--dir", "/d"], "--perms"),
    (["--size", "4096", "--size", "4096", "--tmpfs", "/d"], "--size"),
    (["--perms", "0700", "--bind", "/usr", "/d"], "--perms"),
    (["--perms", "0700", "--proc", "/proc"], "--perms"),
    (["--perms", "0700", "--symlink", "a", "/b"], "--perms"),
    (["--size", "4096", "--dir", "/d"], "--size"),
    (["--size", "4096", "--bind", "/usr", "/d"], "--size"),
    (["--perms", "0700"], "--perms"),
    (["--size", "4096"], "--size"),
    (["--propagation", "slave"], "--propagation"),
    (["--propagation", "slave", "--tmpfs", "/t"], "--propagation"),
    (["--argv0", "a", "--argv0", "b"], "--argv0"),
], ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "")
def test_contradictions_are_refused(args, named):
    refused(args, named, base=BASE)


@each([option for option in TABLE.values() if option.needs])
def test_an_option_that_needs_another_is_refused_without_it(option):
    words = [{"FD": 0, "SECONDS": "1", "PORT": "1", "ADDR:PORT": "[::1]:1", "[ADDR:]PORT[:PORT]": "1", "TARGET": "unix:x"}.get(word, "x") for word in option.words]
    user = ["--unshare-user"] if option.name == "--userns-block-fd" else []  # of all that it needs this is told first
    refused([*user, option.name, *words], f"{option.name} (argument {len(user) + 1})", re.match("--[a-z-]+", option.needs)[0])


@each([option for option in TABLE.values() if "needs-policy" in option.traits])
def test_an_option_for_a_policy_is_refused_without_one(option):
    refused([option.name, *({"FD": 0, "ACTION": "EPERM"}[word] for word in option.words)], option.name, "--seccomp-profile")


def test_seccomp_with_add_seccomp_fd_is_refused():
    refused(["--seccomp", data_fd(), "--add-seccomp-fd", data_fd()], "--seccomp", "--add-seccomp-fd", base=BASE)


@pytest.mark.parametrize("other", ["--unshare-user", "--unshare-user-try", "--unshare-all"])
def test_userns_with_a_new_user_namespace_is_refused(other):
    fd = keep(os.open("/proc/self/ns/user", os.O_RDONLY))
    refused(["--userns", fd, other], "--userns", base=BASE)


@pytest.mark.parametrize("option", ["--uid", "--gid"])
def test_another_id_needs_a_user_namespace(option):
    if IS_ROOT:
        refused([option, "5"], option, base=BASE)
    else:  # always gets one
        assert shell([option, "5"], f"id -{option[2]}") == "5\n"


@pytest.mark.parametrize("option", ["--uid", "--gid"])
def test_the_callers_own_ids_need_no_user_namespace(option):
    number = os.getuid() if option == "--uid" else os.getgid()
    assert shell([option, str(number)], f"id -{option[2]}") == f"{number}\n"


@pytest.mark.parametrize("args", [["--share-net"], ["--unshare-net", "--share-net"], ["--unshare-all", "--share-net"]])
def test_share_net_keeps_the_network_whatever_was_said_before(args):
    assert inside(args, "os.readlink('/proc/self/ns/net')", base=[*BASE, "--proc", "/proc"]) \
        == os.readlink("/proc/self/ns/net")


def test_unshare_net_after_share_net_is_a_new_network():
    link = inside(["--share-net", "--unshare-net"], "os.readlink('/proc/self/ns/net')", base=[*BASE, "--proc", "/proc"])
    assert link != os.readlink("/proc/self/ns/net")


# ---- last one wins ----

def test_only_the_last_chdir_takes_effect():
    result = run([*BASE, "--chdir", "/usr", "--chdir", "/usr/bin"], ["pwd"])
    assert (result.returncode, result.stdout) == (0, "/usr/bin\n")
    assert result.stderr.count("\n") == 1 and result.stderr.startswith(PREFIX)
    assert "Only the last --chdir option will take effect" in result.stderr


@pytest.mark.parametrize("args, command, output", [
    (["--uid", "1", "--uid", "2"], ["id", "-u"], "2\n"),
    (["--gid", "1", "--gid", "2"], ["id", "-g"], "2\n"),
    (["--unshare-uts", "--hostname", "one", "--hostname", "two"], ["uname", "-n"], "two\n"),
])
def test_the_last_value_wins_with_a_warning(args, command, output):
    result = run([*BASE, "--unshare-user", *args], command)
    assert (result.returncode, result.stdout) == (0, output)
    option = args[-2]
    assert result.stderr.count("\n") == 1 and f"Only the last {option} option will take effect" in result.stderr


@pytest.mark.parametrize("option", ["--block-fd", "--info-fd", "--json-status-fd", "--seccomp"])
def test_the_last_descriptor_wins_with_a_warning_and_the_first_never_passes(option):
    first, second = data_fd(), data_fd()
    if option == "--seccomp":
        first, second = data_fd(bpf({})), data_fd(bpf({}))
    result = run_python([option, first, option, second],
                        f"import os\nfor n in ({first}, {second}):\n try: os.fstat(n); print('open', n)\n"
                        " except OSError: pass\nprint('ran')")
    assert (result.returncode, result.stdout) == (0, "ran\n")
    assert f"Only the last {option} option will take effect" in result.stderr


def test_the_last_userns_wins_with_a_warning():
    with Holder("--user", "--map-current-user") as one, Holder("--user", "--map-current-user") as two:
        result = run([*BASE, "--proc", "/proc", "--cap-drop", "ALL",
                      "--userns", one.namespace("user"), "--userns", two.namespace("user")],
                     ["readlink", "/proc/self/ns/user"])
        assert result.stdout == os.readlink(f"/proc/{two.pid}/ns/user") + "\n", result
        assert "Only the last --userns option will take effect" in result.stderr


# ---- positions and levels ----

@pytest.mark.parametrize("before", [[], ["--unshare-pid"], ["--setenv", "A", "--bind"]])
def test_messages_tell_the_options_position_on_the_line(before):
    message = refused([*before, "--ro-bind", "/x y", "/x"])
    assert message == f"{PREFIX}Can't find source path /x y: No such file or directory, at " \
                      f"--ro-bind (argument {len(before) + 1})\n"


def test_a_failing_operation_tells_its_own_position_and_not_the_first_one():
    refused(["--dir", "/a", "--dir", "/a/b", "--remount-ro", "/a/b"], f"--remount-ro (argument {len(BASE) + 5})",
            "/a/b", base=BASE)


def test_level_prefix_marks_errors_and_warnings():
    error = run(["--level-prefix", "--ro-bind", "/missing", "/x"], ["true"])
    assert_refused(error, "Can't find source path", prefix="<3>" + PREFIX)
    warning = run([*BASE, "--level-prefix", "--chdir", "/", "--chdir", "/"], ["true"])
    assert warning.returncode == 0 and warning.stderr.startswith("<4>" + PREFIX)


@pytest.mark.parametrize("word", ["/a\nb", "/a\x1b[31mb", "/a\rb", "/a\x7fb", "/a\u009bb"])
def test_control_characters_are_escaped_in_messages(word):
    message = refused(["--ro-bind", word, "/x"], "Can't find source path")
    assert all(ch.isprintable() for ch in message[:-1]), ascii(message)
    assert "\\x" in message


def test_bytes_that_are_no_utf8_are_escaped_in_messages():
    result = run(["--ro-bind", os.fsdecode(b"/a\xff\xfeb"), "/x"], ["true"], text=False)
    assert result.returncode == 1 and b"/a\\xff\\xfeb" in result.stderr and result.stderr.isascii()


def test_positions_in_args_are_told_with_both_numbers():
    refused(["--unshare-pid", "--args", args_fd(["--setenv", "A", "1", "--setenv", "A=", "1"])],
            "--setenv (argument 2, word 4)")
