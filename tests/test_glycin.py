"""glycin itself, which loads the images of GNOME's desktop in a sandbox each and finds bwrap by PATH."""
import ctypes.util
import os
import shlex
import struct
import subprocess
import zlib

import pytest

from sandbox import BINARY, ENV, IS_SANITIZED, REFUSE

LOADERS = "/usr/libexec/glycin-loaders"
pytestmark = [pytest.mark.skipif(IS_SANITIZED, reason="glycin limits the address space"),
              pytest.mark.skipif(bool(REFUSE), reason="glycin calls one program, without arguments of its own before it"),
              pytest.mark.skipif(not ctypes.util.find_library("glycin-2") or not os.path.isdir(LOADERS),
                                 reason="needs libglycin 2 and " + LOADERS)]

# Prints the size and the first pixel of an image's first frame: red, green, blue, or the other way round.
LOAD = """
import ctypes, sys
gio, gly, glib = (ctypes.CDLL(name) for name in ("libgio-2.0.so.0", "libglycin-2.so.0", "libglib-2.0.so.0"))
pointer, number = ctypes.c_void_p, ctypes.c_uint32
class Error(ctypes.Structure):
    _fields_ = [("domain", number), ("code", ctypes.c_int), ("message", ctypes.c_char_p)]
def call(library, name, result, *arguments):
    function = getattr(library, name)
    function.restype = result
    return function(*arguments)
def checked(name, object):
    error = ctypes.POINTER(Error)()
    result = call(gly, name, pointer, pointer(object), ctypes.byref(error))
    return result or sys.exit(error.contents.message.decode())
file = call(gio, "g_file_new_for_path", pointer, sys.argv[1].encode())
image = checked("gly_loader_load", call(gly, "gly_loader_new", pointer, pointer(file)))
frame = pointer(checked("gly_image_next_frame", image))
pixels = pointer(call(gly, "gly_frame_get_buf_bytes", pointer, frame))
data = call(glib, "g_bytes_get_data", pointer, pixels, None)
print(call(gly, "gly_frame_get_width", number, frame), call(gly, "gly_frame_get_height", number, frame),
      *ctypes.string_at(data, 3))
"""


def png():
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 6, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress((b"\0" + b"\0\xff\0" * 8) * 6)) + chunk(b"IEND", b""))


def bmp():
    pixels = b"\0\xff\0" * 8 * 6
    return b"BM" + struct.pack("<IIIIiiHHIIiiII", 54 + len(pixels), 0, 54, 40, 8, 6, 1, 24, 0, len(pixels), 0, 0, 0, 0) + pixels


SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="8" height="6"><rect width="8" height="6" fill="#0f0"/></svg>'


@pytest.mark.parametrize("name, content", [("green.png", png()), ("green.bmp", bmp()), ("green.svg", SVG)], ids=["png", "bmp", "svg"])
def test_glycin_loads_an_image_in_a_sandbox(name, content, box):
    (box / name).write_bytes(content)
    (box / "real").mkdir()
    (box / "real/bwrap").symlink_to(BINARY)
    (box / "bin").mkdir()
    (box / "bin/bwrap").write_text(f'#!/bin/sh\necho "$@" >>{box}/calls\nexec {shlex.quote(f"{box}/real/bwrap")} "$@"\n')
    (box / "bin/bwrap").chmod(0o755)
    env = {**ENV, "PATH": f"{box}/bin:{ENV['PATH']}", "HOME": str(box)}
    result = subprocess.run(["/usr/bin/python3", "-I", "-c", LOAD, box / name], env=env, capture_output=True, text=True,
                            stdin=subprocess.DEVNULL, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (0, "8 6 0 255 0\n", "")
    loader = (box / "calls").read_text().splitlines()[-1]
    assert f" {LOADERS}/" in loader and "--unshare-all" in loader and "--seccomp" in loader
