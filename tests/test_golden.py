"""What a user gets by default is what is committed in tests/golden."""

from golden import GOLDEN, VERBATIM, listing, rendered

RENEW = "; if this is meant, run `make golden` and commit the diff"


def test_default_project_is_the_golden_tree(tmp_path):
    root = rendered(tmp_path)
    assert listing(root) == (GOLDEN / "files.txt").read_text(encoding="utf-8"), (
        "files, modes or hashes changed" + RENEW
    )
    for path in root.rglob("*"):
        if path.is_file() and path.suffix not in VERBATIM:
            golden = GOLDEN / "altruism" / path.relative_to(root)
            assert path.read_bytes() == golden.read_bytes(), f"{golden} changed{RENEW}"


def test_golden_tree_has_no_other_file(tmp_path):
    root = rendered(tmp_path)
    files = {path.relative_to(root) for path in root.rglob("*") if path.is_file()}
    tree = GOLDEN / "altruism"
    golden = {path.relative_to(tree) for path in tree.rglob("*") if path.is_file()}
    assert golden == {path for path in files if path.suffix not in VERBATIM}
