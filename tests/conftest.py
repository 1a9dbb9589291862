"""Options, markers and fixtures of the run-for-real suite; sandbox.py has the words that the tests use."""
import os
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

import pytest

import sandbox


def pytest_addoption(parser):
    parser.addoption("--refuse-openat2", choices=["ENOSYS", "EPERM"],
                     help="run every bwrapish where openat2 fails with this error")


def pytest_configure(config):
    for marker in ("core: what --quick runs, and the runs without openat2 and with clang",
                   "programs: runs large programs for real: left out where the processor is emulated",
                   "root: needs a root caller, for fixtures or as the subject",
                   "user: is about a caller without capabilities"):
        config.addinivalue_line("markers", marker)
    refuse = config.getoption("--refuse-openat2")
    if refuse:
        helper = Path(_compiled_helpers()) / "refuse"
        _compile(sandbox.REPO / "tests" / "helpers" / "refuse.c", helper)
        sandbox.REFUSE[:] = [str(helper), refuse]


def _compiled_helpers():
    directory = tempfile.mkdtemp(prefix="bwrapish-helpers-", dir="/tmp")
    os.chmod(directory, 0o755)
    _to_remove.append(directory)
    return directory


_to_remove = []


def pytest_unconfigure():
    while _to_remove:
        shutil.rmtree(_to_remove.pop())


def _compile(source, output, *flags, compiler="cc"):
    subprocess.run([compiler, "-O1", "-Wall", "-Wextra", "-Werror", *flags, "-o", str(output), str(source)], check=True)


def pytest_report_header(config):
    version = subprocess.run([sandbox.BINARY, "--version"], capture_output=True, text=True)
    refuse = config.getoption("--refuse-openat2")
    return (f"under test: {sandbox.BINARY} ({version.stdout.strip()}), uid {os.getuid()}, kernel {os.uname().release}"
            + (f", openat2 refused with {refuse}" if refuse else ""))


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("root") and not sandbox.IS_ROOT:
            item.add_marker(pytest.mark.skip(reason="needs root"))
        if item.get_closest_marker("user") and sandbox.IS_ROOT:
            item.add_marker(pytest.mark.skip(reason="is about a caller without capabilities; the user's run has it"))


@pytest.fixture(autouse=True)
def _close_descriptors():
    yield
    sandbox.close_kept()


@pytest.fixture
def box():
    """A directory on the host that every user can reach; removed afterwards, whatever modes it holds."""
    path = Path(tempfile.mkdtemp(prefix="bwrapish-test-", dir="/tmp"))
    path.chmod(0o755)
    yield path
    for directory, names, _ in os.walk(path):
        for name in names:
            inner = os.path.join(directory, name)
            if stat.S_ISDIR(os.lstat(inner).st_mode):
                os.chmod(inner, 0o700)
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def compiled():
    """Compiles C source text; returns the program's path."""
    directory = Path(_compiled_helpers())

    def build(name, source, *flags, **options):
        program = directory / name
        if not program.exists():
            text = directory / f"{name}.c"
            text.write_text(source)
            _compile(text, program, *flags, **options)
        return program

    return build
