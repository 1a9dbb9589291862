"""Binds with more than a source and a destination: one word for both, a source that is made, a source inside."""
import os

import pytest

from sandbox import BASE, host_mounts, mounts_inside, refused, shell

pytestmark = pytest.mark.core


# ---- the same path on both sides ----

@pytest.mark.parametrize("option, as_option", [("--same-bind", "--bind"), ("--same-bind-try", "--bind-try"),
                                               ("--same-ro-bind", "--ro-bind"), ("--same-ro-bind-try", "--ro-bind-try")])
def test_one_word_is_the_path_on_both_sides(option, as_option, box):
    (box / "s" / "a").mkdir(parents=True)
    prefix = host_mounts(f"mount -t tmpfs none {box}/s; mkdir {box}/s/a; mount -t tmpfs -o noexec none {box}/s/a; mount --make-rshared {box}/s",
                         then='"$@"; exit $?')
    for path in (f"{box}/s", f"{box}//s/./a/"):
        one, two = (mounts_inside(args, prefix=prefix) for args in ([option, path], [as_option, path, path]))
        below = [{point: mount[1:] for point, mount in mounts.items() if point.startswith(str(box))} for mounts in (one, two)]
        assert below[0] == below[1] and below[0]


@pytest.mark.parametrize("option", ["--same-bind", "--same-ro-bind"])
def test_a_same_path_that_does_not_exist_is_refused_but_by_the_try_form(option, box):
    refused([option, box / "missing"], f"Can't find source path {box}/missing", option, base=BASE)
    assert shell([f"{option}-try", box / "missing"], "ls -A /") == "bin\nlib\nlib64\nusr\n"


@pytest.mark.parametrize("option", ["--same-bind", "--same-bind-try", "--same-ro-bind", "--same-ro-bind-try"])
@pytest.mark.parametrize("path, why", [("usr", "no absolute path"), ("./usr", "no absolute path"), ("", "PATH is an empty path"),
                                       ("--dir", "PATH is missing")])
def test_a_same_path_that_is_not_the_same_on_both_sides_is_refused(option, path, why):
    refused([option, path], f"{option} (argument {len(BASE) + 1})", why, base=BASE)


def test_a_same_path_through_a_link_is_there_under_that_name(box):
    (box / "real").mkdir()
    (box / "real" / "f").touch()
    (box / "link").symlink_to("real")
    assert shell(["--same-ro-bind", box / "link"], f"ls {box}; ls {box}/link") == "link\nf\n"
