"""What a user gets by default is what is committed in tests/golden."""

from bake import files
from golden import GOLDEN, changed_by_rendering, listing, rendered

RENEW = "; if this is meant, run `make golden` and commit the diff"


def test_default_project_is_the_golden_one(tmp_path):
    root = rendered(tmp_path)
    assert listing(root) == (GOLDEN / "files.txt").read_text(encoding="utf-8"), (
        "files, modes or hashes changed" + RENEW
    )
    golden = files(GOLDEN / root.name)
    found = changed_by_rendering(root)
    assert found.keys() == golden.keys()
    for name, content in found.items():
        assert content == golden[name], f"{name} changed{RENEW}"
