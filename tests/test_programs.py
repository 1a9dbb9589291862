"""Real programs under the profiles."""
import shutil

import pytest

from sandbox import FULL, IS_ROOT, assert_ok, data_fd, python, run, shell
from syscalls import PROFILE

DEFAULT = [*FULL, "--ro-bind-try", "/etc", "/etc", "--unshare-all", "--setenv", "HOME", "/tmp", "--chdir", "/tmp"]


def need(*programs):
    for program in programs:
        if not shutil.which(program, path="/usr/bin:/bin"):
            pytest.skip(f"no {program} here")


@pytest.mark.parametrize("profile", ["default", "build"])
def test_bash_works(profile):
    args = [*DEFAULT, "--seccomp-profile", profile]
    script = "echo a b | tr a c | (read x y; echo $y$x); kill -0 $$; trap 'echo t' EXIT"
    assert shell(args, script, base=[]) == "bc\nt\n"


@pytest.mark.programs
@pytest.mark.parametrize("profile", ["default", "build"])
def test_python_works(profile):
    code = ("import threading, subprocess, multiprocessing, tempfile, ssl, sqlite3, asyncio, ctypes\n"
            "async def f(): await (await asyncio.create_subprocess_exec('true')).wait()\n"
            "asyncio.run(f())\n"
            "t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()\n"
            "print(multiprocessing.Pool(2).map(abs, [-1, -2]))\n"
            "print(subprocess.check_output(['echo', 'sub'], text=True))")
    result = run([*DEFAULT, "--seccomp-profile", profile], python(code), timeout=120)
    assert_ok(result)
    assert "thread" in result.stdout and "[1, 2]" in result.stdout and "sub" in result.stdout


@pytest.mark.programs
@pytest.mark.parametrize("profile", ["default", "build"])
def test_git_works(profile):
    need("git")
    out = shell([*DEFAULT, "--seccomp-profile", profile, "--setenv", "GIT_CONFIG_GLOBAL", "/dev/null"], """
        git init -q r; cd r; echo x > f; git add f
        git -c user.name=n -c user.email=e@e commit -qm first
        git gc -q; git clone -q . ../c; git -C ../c log --format=%s""", base=[])
    assert out == "first\n"


@pytest.mark.programs
def test_curl_reaches_loopback_under_default():
    need("curl")
    out = shell([*DEFAULT, "--seccomp-profile", "default"], """
        echo content > page; python3 -m http.server 8123 --bind 127.0.0.1 2>/dev/null & server=$!
        curl -s --retry 20 --retry-connrefused --retry-delay 1 http://127.0.0.1:8123/page; kill $server""", base=[])
    assert out == "content\n"


@pytest.mark.programs
def test_node_works_under_default():
    need("node")
    script = ("const w = require('worker_threads'); const cp = require('child_process'); const fs = require('fs');"
              "if (w.isMainThread) { new w.Worker(process.argv[1]).on('exit', () => {"
              "fs.promises.readdir('/').then(d => "
              "console.log(d.length > 2, cp.execSync('echo sub').toString().trim())) }) }")
    result = run([*DEFAULT, "--ro-bind-data", data_fd(script), "/tmp/a.js", *PROFILE], ["/usr/bin/node", "/tmp/a.js"])
    assert_ok(result)
    assert result.stdout == "true sub\n"


@pytest.mark.programs
@pytest.mark.parametrize("args", [["--no-sandbox"], []], ids=["alone", "with its own sandbox"])
def test_chromium_works_under_default(args):
    """Its own sandbox wants namespaces, which are an exception then."""
    binary = shutil.which("chromium") or shutil.which("chromium-headless-shell")
    if not binary:
        pytest.skip("no chromium here; tools/check installs it")
    exceptions = [] if args else ["--seccomp-allow", "@namespaces,chroot"]
    if not args and IS_ROOT:
        pytest.skip("chromium refuses its own sandbox for root")
    line = [*DEFAULT, "--ro-bind", "/sys", "/sys", *PROFILE, *exceptions]
    result = run(line, [binary, "--headless", *args, "--disable-gpu", "--disable-dev-shm-usage", "--dump-dom",
                        "data:text/html,<p id=x></p><script>x.textContent = 6 * 7</script>"], timeout=120)
    assert ">42<" in result.stdout, result


PROJECT = {
    "lib.c": "int twice(int x) { return 2 * x; }\n",
    "test.c": "int twice(int);\nint main(void) { return twice(21) != 42; }\n",
    "configure.ac": "AC_INIT([p], [1])\nAM_INIT_AUTOMAKE([foreign])\nAC_PROG_CC\nAC_CHECK_HEADERS([unistd.h])\n"
                    "AC_CHECK_FUNCS([fork])\nAC_CONFIG_FILES([Makefile])\nAC_OUTPUT\n",
    "Makefile.am": "check_PROGRAMS = t\nt_SOURCES = test.c lib.c\nTESTS = t\n",
    "CMakeLists.txt": "cmake_minimum_required(VERSION 3.10)\nproject(p C)\nadd_executable(t test.c lib.c)\n"
                      "enable_testing()\nadd_test(NAME t COMMAND t)\n",
    "meson.build": "project('p', 'c')\ntest('t', executable('t', 'test.c', 'lib.c'))\n",
}
BUILDS = {
    "autotools": (["autoreconf", "automake", "make", "cc"], "autoreconf -i; ./configure; make -j2 check"),
    "cmake": (["cmake", "make", "cc"], "cmake -B b .; cmake --build b -j2; cd b; ctest --output-on-failure"),
    "meson": (["meson", "ninja", "cc"], "meson setup b; ninja -C b; meson test -C b"),
}


@pytest.mark.programs
@pytest.mark.parametrize("profile", ["build", "default"])
@pytest.mark.parametrize("how", BUILDS)
def test_builds_and_their_tests_pass(how, profile, box):
    programs, script = BUILDS[how]
    need(*programs)
    for name, text in PROJECT.items():
        (box / name).write_text(text)
        (box / name).chmod(0o755)
    result = run([*DEFAULT, "--bind", box, "/work", "--chdir", "/work", "--seccomp-profile", profile],
                 ["sh", "-ec", script], timeout=120)
    assert result.returncode == 0, result


def test_build_leaves_debuggers_and_nested_sandboxes_alone():
    line = [*DEFAULT, "--seccomp-profile", "build"]
    assert_ok(run(line, ["/usr/bin/unshare", "-Urm", "mount", "-t", "tmpfs", "none", "/tmp"]))
    if shutil.which("strace", path="/usr/bin"):
        assert run(line, ["strace", "-f", "-o", "/dev/null", "sh", "-c", "true; true"]).returncode == 0
