"""What bench/run gives its contenders: a desktop's line, filters, a place with many mounts."""
import ctypes
import os
import shutil
import struct
import sys


def desktop_line(folder):
    """What a desktop launcher asks for: about 60 operations, two lock files, a filter and an info descriptor."""
    tree = folder / "desktop"
    for directory in ("usr/bin", "usr/lib", "usr/share", "app", "home/.config", "home/.cache", "home/.local"):
        (tree / directory).mkdir(parents=True)
    shutil.copy(folder / "bin" / "nothing", tree / "usr/bin/nothing")
    (tree / "usr/.ref").touch()
    (tree / "app/.ref").touch()
    args = ["--unshare-user", "--unshare-pid", "--unshare-ipc",
            "--ro-bind", f"{tree}/usr", "/usr", "--lock-file", "/usr/.ref",
            "--ro-bind", f"{tree}/app", "/app", "--lock-file", "/app/.ref",
            "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run", "--tmpfs", "/var/tmp",
            "--perms", "0700", "--dir", "/run/user/1000", "--dir", "/var/cache", "--dir", "/var/lib"]
    for name in ("bin", "sbin", "lib", "lib64"):
        args += ["--symlink", f"usr/{name}", f"/{name}"]
    args += ["--symlink", "/run", "/var/run"]
    n_binds = 2
    for name in (".config", ".cache", ".local"):
        args += ["--bind", f"{tree}/home/{name}", f"/home/user/{name}"]
        n_binds += 1
    for i in range(15):
        (tree / f"extension-{i}").mkdir()
        args += ["--ro-bind", f"{tree}/extension-{i}", f"/run/extensions/{i}/share"]
        n_binds += 1
    while n_binds < 35:
        (tree / f"file-{n_binds}").write_text("shared\n")
        args += ["--ro-bind", f"{tree}/file-{n_binds}", f"/run/host/etc/file-{n_binds}"]
        n_binds += 1
    redirections = []
    for fd in range(10, 20):
        (tree / f"data-{fd}").write_text(f"data for {fd}\n" * 20)
        redirections.append(f"{fd}<{tree}/data-{fd}")
        args += ["--perms", "0644", "--ro-bind-data", str(fd), f"/etc/data-{fd}"]
    (tree / "filter").write_bytes(seccomp_filter())
    redirections += [f"20<{tree}/filter", f"21>{folder}/out/info"]
    args += ["--setenv", "XDG_RUNTIME_DIR", "/run/user/1000", "--unsetenv", "TMPDIR", "--chdir", "/home/user",
             "--seccomp", "20", "--info-fd", "21"]
    return args, redirections


def seccomp_filter():
    """Thirty comparisons with numbers that no system call has, then allow."""
    load_number, jump_if_equal, give = 0x20, 0x15, 0x06
    program = [(load_number, 0, 0, 0)]
    for i in range(30):
        program += [(jump_if_equal, 0, 1, 100000 + i), (give, 0, 0, 0x00050001)]
    program.append((give, 0, 0, 0x7fff0000))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


def guard_of_eight():
    """Eight instructions, of which each call runs all but one."""
    compared = [struct.pack("HBBI", 0x15, 5 - i, 0, 5000 + i) for i in range(6)]
    return struct.pack("HBBI", 0x20, 0, 0, 0) + b"".join(compared) + struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000)


def with_mounts(place, n, command):
    """Makes n mounts at `place`, then becomes the command."""
    libc = ctypes.CDLL(None, use_errno=True)
    ms_bind = 4096

    def mount(*args):
        if libc.mount(*args) < 0:
            sys.exit(f"mount: {os.strerror(ctypes.get_errno())}")

    mount(b"none", os.fsencode(place), b"tmpfs", 0, None)
    for i in range(int(n)):
        path = os.fsencode(f"{place}/{i}")
        os.mkdir(path)
        mount(path, path, None, ms_bind, None)
    os.execvp(command[0], command)
