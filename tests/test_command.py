"""COMMAND: its environment, directory, name and start, and what it inherits."""
import os

import pytest

from lines import form_args, forms
from sandbox import BASE, ENV, FULL, WITH_PROC, assert_ok, data_fd, inside, refused, run, shell

pytestmark = pytest.mark.core


# ---- what is inherited ----

@forms
def test_umask_is_the_callers(form):
    result = run([*BASE, *form_args(form)], ["sh", "-c", "umask"], prefix=["sh", "-c", 'umask 0147; exec "$@"', "sh"])
    assert result.stdout == "0147\n"


@forms
def test_no_new_privs_is_always_set(form):
    result = run([*WITH_PROC, *form_args(form)], ["cat", "/proc/self/status"])
    assert "NoNewPrivs:\t1\n" in result.stdout


def test_resource_limits_and_niceness_are_the_callers():
    result = run(BASE, ["sh", "-c", "ulimit -Sn; ulimit -Hn; ulimit -c; nice"],
                 prefix=["nice", "-n", "3", "prlimit", "--nofile=111:222", "--core=0"])
    assert result.stdout.split() == ["111", "222", "0", str(min(os.nice(0) + 3, 19))]


def test_the_oom_score_is_the_callers():
    adjustment = inside([], "open('/proc/self/oom_score_adj').read()", base=WITH_PROC)
    assert adjustment == open("/proc/self/oom_score_adj").read()


HARNESS = {k for k in ENV if k not in ("PATH", "HOME", "LC_ALL")}


def environ(args, **options):
    result = run([*BASE, *args], ["env", "-0"], **options)
    assert_ok(result)
    pairs = dict(item.split("=", 1) for item in result.stdout.split("\0") if item)
    return {k: v for k, v in pairs.items() if k not in HARNESS}


# ---- environment ----

def test_the_environment_is_the_callers_with_pwd():
    assert environ([], env={**ENV, "A": "1", "PWD": "/lie"}) \
        == {"PATH": ENV["PATH"], "HOME": ENV["HOME"], "LC_ALL": "C", "A": "1", "PWD": "/"}


def test_environment_options_apply_in_order():
    assert environ(["--setenv", "A", "1", "--setenv", "A", "2", "--unsetenv", "B", "--setenv", "C", "",
                    "--setenv", "D", "x", "--unsetenv", "D"], env={"B": "x", "PATH": "/usr/bin"}) \
        == {"A": "2", "C": "", "PATH": "/usr/bin", "PWD": "/"}


def test_clearenv_clears_all_but_pwd_and_what_comes_after_it():
    assert environ(["--setenv", "A", "1", "--clearenv", "--setenv", "B", "2"]) == {"B": "2", "PWD": "/"}


def test_env_keeps_a_name_of_the_caller():
    caller = {**ENV, "KEPT": "yes", "SECRET": "no"}
    assert environ(["--clearenv", "--env", "KEPT", "--env", "NOT_THERE"], env=caller) == {"KEPT": "yes", "PWD": "/"}
    assert environ(["--clearenv", "--setenv", "KEPT", "mine", "--env", "KEPT"], env=caller) \
        == {"KEPT": "yes", "PWD": "/"}


def test_unsetenv_of_what_is_not_there_is_fine():
    assert "NOT_THERE" not in environ(["--unsetenv", "NOT_THERE"])


def test_pwd_is_always_set_and_comes_last():
    assert environ(["--setenv", "PWD", "/lie", "--chdir", "/usr"])["PWD"] == "/usr"
    assert environ(["--unsetenv", "PWD"])["PWD"] == "/"


def test_values_may_hold_anything():
    value = "a=b\n\x1b\té \\ '\""
    assert environ(["--setenv", "A", value])["A"] == value


def test_path_set_on_the_line_finds_the_command(box):
    (box / "tool").write_text("#!/bin/sh\necho found\n")
    (box / "tool").chmod(0o755)
    line = [*BASE, "--ro-bind", box, "/opt/bin", "--setenv", "PATH", "/opt/bin:/usr/bin"]
    assert run(line, ["tool"]).stdout == "found\n"
    refused([*BASE, "--ro-bind", box, "/opt/bin"], "execvp tool: No such file or directory", command=["tool"])


def test_without_path_the_systems_default_finds_the_command():
    assert run([*BASE, "--unsetenv", "PATH"], ["echo", "ok"]).stdout == "ok\n"


def test_environment_variables_never_change_policy(box):
    hostile = {**ENV, "LD_LIBRARY_PATH": "/nowhere", "BWRAP": "x", "BWRAPISH_DEBUG": "1", "TMPDIR": str(box),
               "POSIXLY_CORRECT": "1", "LANG": "xx_XX.UTF-8", "LC_ALL": "xx", "LOCPATH": str(box), "NLSPATH": str(box)}
    assert run(BASE, ["echo", "ok"], env=hostile).stdout == "ok\n" and os.listdir(box) == []


# ---- directory ----

def test_chdir_goes_inside_the_sandbox():
    assert shell(["--chdir", "/usr/bin"], "pwd; echo $PWD") == "/usr/bin\n/usr/bin\n"


@pytest.mark.parametrize("where", ["/missing", "/f", "/f/x"])
def test_chdir_that_fails_is_an_error(where):
    refused(["--file", data_fd(), "/f", "--chdir", where], "--chdir", where, base=BASE)


def test_chdir_follows_links_inside():
    assert shell(["--symlink", "/usr", "/l", "--chdir", "/l"], "/bin/pwd -P") == "/usr\n"


def test_without_chdir_the_callers_directory_is_kept_if_it_exists_inside(box):
    home = {**ENV, "HOME": "/usr/share"}
    assert shell(["--bind", box, box], "pwd; echo $PWD", cwd=box, env=home) == f"{box}\n{box}\n"


def test_without_chdir_home_is_next_and_then_the_root(box):
    assert shell([], "pwd; echo $PWD", cwd=box, env={**ENV, "HOME": "/usr/share"}) == "/usr/share\n/usr/share\n"
    assert shell([], "pwd; echo $PWD", cwd=box) == "/\n/\n"
    assert shell(["--setenv", "HOME", "/usr/bin"], "pwd", cwd=box) in ("/\n", "/usr/bin\n")


def test_the_callers_directory_is_the_sandboxs_one_of_that_name(box):
    (box / "host-file").touch()
    assert shell(["--tmpfs", box], "ls -A .", cwd=box) == ""


def test_the_hosts_directory_does_not_leak_through_cwd(box):
    assert inside([], f"(os.getcwd(), os.readlink('/proc/self/cwd'), os.path.exists({str(box)!r}))", cwd=box,
                  base=[*BASE, "--proc", "/proc"]) == ("/", "/", False)


def test_a_deleted_working_directory_is_no_obstacle(box):
    (box / "d").mkdir()
    prefix = ["sh", "-c", f'cd {box}/d && rmdir {box}/d && exec "$@"', "sh"]
    assert run(BASE, ["pwd"], prefix=prefix).stdout == "/\n"


# ---- argv0 and exec ----

def test_a_sandbox_without_anything_in_it_is_said_to_be_empty():
    for args in ([], ["--unshare-all"], ["--unshare-pid", "--die-with-parent"]):
        refused(args, "execvp ls: No such file or directory; nothing is bound into the sandbox", command=["ls"])


def test_argv0_is_the_commands_name_and_lookup_still_uses_command():
    assert run([*BASE, "--argv0", "other name"], ["sh", "-c", "echo $0"]).stdout == "other name\n"
    assert run([*BASE, "--argv0", ""], ["cat", "/missing"]).stderr.startswith(": /missing")
    refused([*BASE, "--argv0", "sh"], "execvp missing: No such file or directory", command=["missing"])


def test_words_of_the_command_pass_unchanged():
    odd = ["", " ", "a b", "\n", "--", "-x", "$HOME", "\\", "é"]
    assert run(BASE, ["printf", "[%s]", *odd]).stdout == "".join(f"[{word}]" for word in odd)


@pytest.mark.parametrize("program", ["usr/bin/env", "./usr/bin/env", "/usr/../usr/bin/env"])
def test_a_command_with_a_slash_is_a_path(program):
    assert run(BASE, [program, "echo", "ok"]).stdout == "ok\n"


def script(box, text, mode=0o755, name="script"):
    (box / name).write_bytes(text)
    (box / name).chmod(mode)
    return ["--ro-bind", box, "/box"]


@pytest.mark.parametrize("args", [[], ["--unshare-pid"]], ids=str)
def test_a_script_without_an_interpreter_line_is_run_by_sh(args, box):
    bound = script(box, b'echo "[$0] [$1] [$#]"\n')
    assert run([*BASE, *args, *bound], ["/box/script", "one", "two"]).stdout == "[/box/script] [one] [2]\n"
    found = run([*BASE, *args, *bound, "--setenv", "PATH", "/box:/usr/bin"], ["script"])
    assert found.stdout == "[/box/script] [] [0]\n"


@pytest.mark.parametrize("args", [[], ["--unshare-pid"], ["--unshare-all", "--die-with-parent"]], ids=str)
def test_a_missing_script_interpreter_is_named(args, box):
    bound = script(box, b"#!/opt/missing/perl -w\n")
    refused([*BASE, *args, *bound], "execvp /box/script: No such file or directory", "/opt/missing/perl",
            command=["/box/script"])


def test_a_missing_elf_interpreter_is_named(box, compiled):
    program = compiled("elsewhere", "int main(void) { return 0; }", "-Wl,--dynamic-linker=/opt/missing/ld.so")
    refused([*BASE, "--ro-bind", program, "/elsewhere"], "execvp /elsewhere: No such file or directory",
            "/opt/missing/ld.so", command=["/elsewhere"])


def test_a_script_with_line_ends_of_dos_is_told(box):
    bound = script(box, b"#!/bin/sh\r\necho\r\n")
    refused([*BASE, *bound], "its lines end as in DOS, and there is no program /bin/sh\\x0d",
            command=["/box/script"])


@pytest.mark.parametrize("command, cause", [("/usr", "Permission denied; it is a directory"), ("/box/plain", "Permission denied"),
                                            ("/box/plain/x", "Not a directory"),
                                            ("", "No such file or directory; COMMAND is an empty word"),
                                            ("/box/" + "x" * 300, "File name too long")])
def test_a_command_that_cannot_be_run_is_one_line_and_exit_1(command, cause, box):
    refused([*BASE, *script(box, b"x", 0o644, "plain")], f"execvp {command}: {cause}", command=[command])


def test_path_lookup_goes_on_past_what_may_not_be_run(box):
    (box / "a").mkdir()
    (box / "b").mkdir()
    script(box, b"#!/bin/sh\necho a\n", 0o644, "a/tool")
    bound = script(box, b"#!/bin/sh\necho b\n", 0o755, "b/tool")
    assert run([*BASE, *bound, "--setenv", "PATH", "/missing:/box/a:/box/b"], ["tool"]).stdout == "b\n"
    refused([*BASE, *bound, "--setenv", "PATH", "/missing:/box/a"], "execvp tool: Permission denied", command=["tool"])


def test_the_command_is_looked_up_inside_and_not_on_the_host(box):
    (box / "only-on-host").write_text("#!/bin/sh\necho no\n")
    (box / "only-on-host").chmod(0o755)
    refused(BASE, "execvp", command=[box / "only-on-host"])
    assert_ok(run([*FULL, "--bind", box, box], [box / "only-on-host"]))


def test_command_is_executed_once_and_only_after_setup(box):
    script_text = b"#!/bin/sh\nls / >/out/list; echo once >>/out/count\n"
    (box / "out").mkdir()
    shell([*script(box, script_text), "--bind", box / "out", "/out", "--dir", "/last"], "/box/script")
    assert (box / "out/count").read_text() == "once\n" and "last" in (box / "out/list").read_text()
