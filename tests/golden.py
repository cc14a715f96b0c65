"""The default project as users get it, committed so that a reviewer sees each change of it.

`tests/golden/altruism` holds every file but the locks and the sample, which lie in the template as
they are; `tests/golden/files.txt` lists all of them with their mode and hash. Run this file to
renew both.
"""

import hashlib
import shutil
import tempfile
from pathlib import Path

from bake import bake

GOLDEN = Path(__file__).parent / "golden"
VERBATIM = (".lock", ".jsonl")


def rendered(folder: Path) -> Path:
    """The default project, without git, in `folder`."""
    return bake(folder, accept_hooks=False)


def listing(root: Path) -> str:
    """A line a file: mode, SHA-256 and path, in the order of the paths."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return "".join(
        f"{'755' if path.stat().st_mode & 0o100 else '644'} "
        f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.relative_to(root).as_posix()}\n"
        for path in files
    )


def renew() -> None:
    """Write the golden tree and listing anew."""
    with tempfile.TemporaryDirectory() as folder:
        root = rendered(Path(folder))
        shutil.rmtree(GOLDEN / root.name, ignore_errors=True)
        verbatim = shutil.ignore_patterns(*(f"*{ending}" for ending in VERBATIM))
        shutil.copytree(root, GOLDEN / root.name, ignore=verbatim)
        (GOLDEN / "files.txt").write_text(listing(root), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    renew()
