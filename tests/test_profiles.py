"""The built-in profiles as programs, for every architecture that they are built for: run in a simulation, not in the kernel."""
import errno
import re
import struct
import subprocess

import pytest

from sandbox import ALLOW, ERRNO
from syscalls import PROFILES, Rule, table

# What one is built for, the names of the programs that its kernels run, and how these are told apart (linux/audit.h).
AUDIT = {"x86_64": 0xC000003E, "i386": 0x40000003, "aarch64": 0xC00000B7, "arm": 0x40000028, "riscv64": 0xC00000F3,
         "ppc64le": 0xC0000015, "s390x": 0x80000016}
RUNS = {"x86_64": ["x86_64", "i386"], "aarch64": ["aarch64", "arm"], "x86": ["i386"],
        **{arch: [arch] for arch in ("arm", "riscv64", "ppc64le", "s390x")}}
PAIRS = [(built, arch) for built in RUNS for arch in RUNS[built]]
pairs = pytest.mark.parametrize("built, arch", PAIRS)
EPERM, ENOSYS = ERRNO | errno.EPERM, ERRNO | errno.ENOSYS
NEWUSER, THREAD = 0x10000000, 0x00010000
HIGH = 1 << 32
ASYNC = 0o20000  # O_ASYNC
_made = {}


def programs(built):
    """{profile: [COMMAND's, pid 1's]}, each a list of instructions."""
    if built not in _made:
        header = subprocess.run([PROFILES, built], capture_output=True, text=True, check=True).stdout
        _made[built] = {}
        for name, text in re.findall(r"/\* (\w+): COMMAND, pid 1 \*/(.*?)\n\t},", header, re.DOTALL):
            _made[built][name] = [[tuple(int(field, 0) for field in code) for code in
                                   re.findall(r"{ (0x\w+), (\d+), (\d+), (0x\w+) }", program)]
                                  for program in text.split("(const struct sock_filter[])")[1:]]
    return _made[built]


def simulate(program, arch, number, arguments):
    """What the kernel does with a classic BPF program for seccomp(2)."""
    order = "<" if AUDIT[arch] & 0x40000000 else ">"
    data = struct.pack(order + "IIQ6Q", number, AUDIT[arch], 0, *[arguments.get(i, 0) for i in range(6)])
    value, at = 0, 0
    while True:
        code, yes, no, k = program[at]
        at += 1
        if code == 0x20:
            value = struct.unpack_from(order + "I", data, k)[0]
        elif code == 0x06:
            return k
        elif code == 0x54:
            value &= k
        elif code == 0x05:
            at += k
        else:
            taken = {0x15: value == k, 0x25: value > k, 0x35: value >= k, 0x45: bool(value & k)}[code]
            at += yes if taken else no


def answers(built, arch, profile, number, arguments):
    found = {simulate(program, arch, number, arguments) for program in programs(built)[profile]}
    assert len(found) == 1, f"COMMAND and pid 1 are answered differently: {found}"
    return found.pop()


def numbers(arch):
    return {name: int(number) for a, name, number in table("--numbers") if a == arch}


def rules(profile, arch):
    return [Rule(*fields) for fields in table("--calls", profile, {"i386": "x86"}.get(arch, arch))]


@pairs
@pytest.mark.parametrize("profile", ["default", "build"])
def test_what_a_profile_denies_is_denied_and_the_rest_is_not(built, arch, profile):
    known, listed = numbers(arch), rules(profile, arch)
    for rule in listed:
        if rule.name not in known:
            continue
        for value in rule.values():
            answer = answers(built, arch, profile, known[rule.name], {} if value is None else {rule.index: value})
            assert answer == ERRNO | rule.error, (str(rule), value, hex(answer))
    named = {rule.name for rule in listed}
    for name, number in known.items():
        if name not in named:
            assert answers(built, arch, profile, number, {i: 2**64 - 1 for i in range(6)}) == ALLOW, name


@pairs
def test_what_minimal_does_not_allow_is_denied(built, arch):
    known, listed = numbers(arch), rules("minimal", arch)
    named = {rule.name for rule in listed}
    for name, number in known.items():
        if name not in named:
            assert simulate(programs(built)["minimal"][0], arch, number, {}) == EPERM, name
    for rule in listed:
        if rule.name in known and not rule.denies:
            for value in [None] if rule.whole else [rule.value, rule.value | HIGH]:
                answer = answers(built, arch, "minimal", known[rule.name], {} if value is None else {rule.index: value})
                assert answer == ALLOW, (str(rule), value, hex(answer))


@pairs
def test_flags_of_clone_are_judged_where_the_architecture_has_them(built, arch):
    clone = numbers(arch)["clone"]
    flags, other = (1, 0) if arch == "s390x" else (0, 1)
    for profile in ("default", "minimal"):
        assert answers(built, arch, profile, clone, {flags: NEWUSER | 17}) == EPERM
        assert answers(built, arch, profile, clone, {flags: NEWUSER | THREAD, other: THREAD}) == EPERM
    assert answers(built, arch, "default", clone, {flags: 17, other: NEWUSER}) == ALLOW
    assert answers(built, arch, "minimal", clone, {flags: THREAD | 0xF00, other: NEWUSER}) == ALLOW
    assert answers(built, arch, "minimal", clone, {flags: 17, other: THREAD}) == EPERM


@pairs
def test_minimal_reaches_no_process_outside(built, arch):
    """F_SETOWN with F_SETSIG sends SIGKILL, O_ASYNC on a terminal does without the first, and a limit of processor time does."""
    known = numbers(arch)
    for name in {"fcntl", "fcntl64"} & set(known):
        for command in (8, 10, 15, 1024, 1026, 8 | HIGH, 6, 7, 1031):
            assert answers(built, arch, "minimal", known[name], {1: command}) == EPERM, command
        for command in (0, 1, 2, 3, 4, 1030):
            assert answers(built, arch, "minimal", known[name], {0: 3, 1: command, 2: 1}) == ALLOW, command
        for high in (0, HIGH):
            for flags in (ASYNC, ASYNC | 2, 0xFFFFFFFF, ASYNC | HIGH):
                assert answers(built, arch, "minimal", known[name], {1: 4 | high, 2: flags}) == EPERM, flags
            for flags in (0, 2, 0x800, 0xFFFFFFFF & ~ASYNC, HIGH, HIGH * 0xFFFF):
                assert answers(built, arch, "minimal", known[name], {1: 4 | high, 2: flags}) == ALLOW, flags
        assert answers(built, arch, "minimal", known[name], {1: 0, 2: ASYNC}) == ALLOW
    for pid in (1, 4711, 2**32 - 1, HIGH | 1):
        assert answers(built, arch, "minimal", known["prlimit64"], {0: pid}) == EPERM
    assert answers(built, arch, "minimal", known["prlimit64"], {0: 0, 1: 7}) == ALLOW
    for name in ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal", "ptrace", "setpriority",
                 "process_vm_writev", "sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr", "ioprio_set",
                 "migrate_pages", "move_pages", "setpgid", "pidfd_open", "pidfd_getfd", "process_madvise", "kcmp", "setrlimit",
                 "perf_event_open", "process_mrelease", "timer_create", "mq_notify", "io_submit", "prctl"):
        if name in known:
            assert simulate(programs(built)["minimal"][0], arch, known[name], {}) == EPERM, name
    for request in (0x8901, 0x8902, 0x5450, 0x5452):  # FIOSETOWN, SIOCSPGRP, FIONCLEX, FIOASYNC
        assert answers(built, arch, "minimal", known["ioctl"], {1: request}) == EPERM


@pairs
def test_a_number_without_a_name_is_answered_enosys(built, arch):
    named = set(numbers(arch).values())
    own = {"x86_64": range(512, 548), "arm": range(0x0F0001, 0x0F0007)}.get(arch, ())
    for number in [*(n for n in range(244, 1100) if n not in named and n not in own), 2**31, 2**32 - 1]:
        for profile in ("default", "build", "minimal"):
            assert answers(built, arch, profile, number, {}) == ENOSYS, (profile, number)


@pytest.mark.parametrize("built", RUNS)
def test_another_architecture_is_answered_enosys(built):
    for arch in sorted(set(AUDIT) - set(RUNS[built])):
        if (AUDIT[arch] ^ AUDIT[RUNS[built][0]]) & 0x40000000 == 0:
            assert simulate(programs(built)["default"][0], arch, 1, {}) == ENOSYS


def test_requests_have_the_numbers_of_the_architecture():
    """powerpc numbers those of terminals anew."""
    for built, arch, allowed, denied in (("ppc64le", "ppc64le", (0x402C7413, 0x40087468, 0x4004667F), (0x5401, 0x5413)),
                                         ("x86_64", "x86_64", (0x5401, 0x5413, 0x541B), (0x402C7413, 0x40087468))):
        ioctl = numbers(arch)["ioctl"]
        assert {answers(built, arch, "minimal", ioctl, {1: request}) for request in allowed} == {ALLOW}
        assert {answers(built, arch, "minimal", ioctl, {1: request}) for request in denied} == {EPERM}
        assert {answers(built, arch, "default", ioctl, {1: request}) for request in (0x5412, 0x541C)} == {EPERM}
