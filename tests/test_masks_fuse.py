"""--mask and --protect on FUSE: the host's, where neither can be promised, and our own overlay."""
import pytest

from overlays import CALLERS, fuse_prefix, give, merge, needs_fuse, tree
from sandbox import BASE, assert_refused, run

pytestmark = needs_fuse
DROP = ["--cap-drop", "ALL"]


@pytest.mark.parametrize("caller", CALLERS)
def test_what_is_masked_on_an_overlay_is_hidden_in_its_layers_too(caller, tree):
    (tree / "high/dir/secret").write_text("SECRET")
    script = """set +e
for round in 1 2 3; do
    mv /m/dir/secret /m/x; mv /m/dir /m/d2; mv /m/d2 /m/dir; rm -f /m/dir/secret; mkdir /m/dir; mv /m/low /m/dir/low
done 2>/dev/null
cat /m/dir/secret /m/x /m/d2/secret 2>/dev/null; true"""
    result = merge(tree, caller, "fuse", script, ["--tmp-overlay", "/m", "--mask", "/m/dir/secret", *DROP])
    assert result.returncode == 0 and "SECRET" not in result.stdout, result


@pytest.mark.parametrize("caller", CALLERS)
def test_on_an_overlay_of_fuse_nothing_is_protected(caller, tree):
    result = merge(tree, caller, "fuse", "true", ["--tmp-overlay", "/m", "--protect", "/m/dir/old", *DROP])
    assert_refused(result, "--protect (argument", "fuse-overlayfs")
    result = merge(tree, caller, "fuse", "true", ["--tmp-overlay", "/m", "--protect-try", "/m/dir/old", *DROP])
    assert result.returncode == 0 and "stays as it is" in result.stderr


@pytest.mark.parametrize("caller", CALLERS)
def test_nothing_missing_is_masked_on_an_overlay_of_fuse(caller, tree):
    assert_refused(merge(tree, caller, "fuse", "true", ["--tmp-overlay", "/m", "--mask", "/m/none", *DROP]), "create it")


@pytest.mark.parametrize("option", ["--mask", "--protect"])
def test_a_link_on_an_overlay_of_fuse_is_no_way_out_of_it(option, tree):
    (tree / "high/out").symlink_to("/usr/bin/env")
    (tree / "high/in").symlink_to("dir/old")
    for caller in CALLERS:
        result = merge(tree, caller, "fuse", "true", ["--tmp-overlay", "/m", option, "/m/out", *DROP])
        assert_refused(result, f"{option} (argument", "the link out lies on an overlay")
        assert merge(tree, caller, "fuse", "true", ["--tmp-overlay", "/m", option, "/usr/bin/env", *DROP]).returncode == 0
    result = merge(tree, CALLERS[0], "fuse", "cat /m/in", ["--tmp-overlay", "/m", "--mask", "/m/in", *DROP])
    assert result.returncode == 0 and result.stdout == "", result


@pytest.mark.root
@pytest.mark.parametrize("option", ["--mask", "--protect"])
@pytest.mark.parametrize("caller", CALLERS)
def test_on_another_fuse_file_system_it_is_an_error(caller, option, tree):
    (tree / "mnt").mkdir()
    give(caller, tree)
    prefix = fuse_prefix(caller, f"fuse-overlayfs -o allow_other,lowerdir={tree}/low {tree}/mnt 2>/dev/null")
    args = [*BASE, "--bind", tree / "mnt", "/f", *DROP]
    assert_refused(run([*args, option, "/f/file"], ["echo"], prefix=prefix), f"{option} (argument", "FUSE file system")
    result = run([*args, option + "-try", "/f/file"], ["cat", "/f/file"], prefix=prefix)
    assert result.returncode == 0 and result.stdout == "low" and "stays as it is" in result.stderr
    result = run([*args, option, "/f"], ["true"], prefix=prefix)  # its top never goes
    assert result.returncode == 0, result
