"""System calls by name, number and architecture, made in a sandbox, and what becomes of them."""
import errno
import json
import os
import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from sandbox import BASE, BINARY, FULL, REPO, assert_ok, data_fd, run

PROFILES = Path(BINARY).with_name("profiles")
NATIVE = platform.machine()
OTHERS = {"x86_64": ["i386", "x32"], "aarch64": ["arm"]}.get(NATIVE, [])  # that its kernels also take
ARM_COMPILER = "arm-linux-gnueabihf-gcc"
PROFILE = ["--seccomp-profile", "default"]
HIGH = 1 << 32


def table(*args):
    lines = subprocess.run([PROFILES, *args], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line.split(" ") for line in lines]


def numbers(arch):
    return {name: int(number) for a, name, number in table("--numbers") if a == arch}


class Rule:
    def __init__(self, verdict, name, word, index, mask, value, clear, action):
        self.denies, self.name, self.whole, self.word = verdict == "deny", name, word == "-", word
        self.index, self.mask, self.value, self.clear = int(index), int(mask, 0), int(value, 0), int(clear, 0)
        self.error = getattr(errno, action)

    def values(self):
        """Arguments that the rule means, with and without bits that the kernel does not look at."""
        if self.whole:
            return [None]
        if self.mask == 0:
            return [self.value, self.value + 1, 255]
        return [self.value, self.value | HIGH, self.value | 0xFFFFFFFF << 32]

    def __str__(self):
        return self.name if self.whole else f"{self.name}:{self.word}"


@pytest.fixture(scope="session")
def callers(compiled):
    """For each architecture the program that makes its calls, and what that is told."""
    source = (REPO / "tests" / "helpers" / "rawcalls.c").read_text()
    if NATIVE == "x86_64":
        program = compiled("rawcalls", source)
        return {"x86_64": (program, "native"), "x32": (program, "native"), "i386": (program, "i386")}
    if NATIVE == "aarch64":
        programs = {"aarch64": (compiled("rawcalls", source), "native")}
        if shutil.which(ARM_COMPILER):
            programs["arm"] = (compiled("rawcalls-arm", source, "-static", compiler=ARM_COMPILER), "native")
        return programs
    return {}


def calling(callers, arch):
    if arch not in callers:
        pytest.skip(f"no raw system calls of {arch}" + (f": no {ARM_COMPILER}" if arch == "arm" else ""))
    return callers[arch]


@pytest.fixture(scope="session")
def raw(callers):
    """Makes calls inside: raw(ARGS, [(ARCH, NUMBER, {INDEX: VALUE})]) is the list of errors, 0 for success."""

    def call_all(args, calls):
        lines, programs = [], set()
        for arch, number, arguments in calls:
            program, word = calling(callers, arch)
            programs.add(program)
            filled = [arguments.get(i, 2**64 - 1) for i in range(6)]
            lines.append(" ".join(map(str, [word, number, *filled])))
        result = run([*BASE, "--ro-bind", programs.pop(), "/rawcalls", *args], ["/rawcalls"],
                     stdin=data_fd("\n".join(lines) + "\n"))
        assert_ok(result)
        assert not programs and result.stdout.count("\n") == len(calls), result
        return [int(line) for line in result.stdout.split()]

    return call_all


def trace(args, command, base=FULL, expect=0, last=("flags",)):
    output = data_fd()
    result = run([*base, *args, "--seccomp-trace", output], command)
    assert result.returncode == expect, result
    os.lseek(output, 0, os.SEEK_SET)
    with os.fdopen(os.dup(output)) as lines:
        found = [json.loads(line) for line in lines]
    assert list(found[-1]) == list(last)
    return [line["call"] for line in found[:-1]], found[-1]["flags"].split(" "), found, result
