"""The default project as users get it, committed so that a reviewer sees each change of it.

`tests/golden/files.txt` lists every file with its mode and hash. `tests/golden/altruism` holds
those that are really rendered; the others lie byte for byte in the template. Run this file to
renew both.
"""

import hashlib
import shutil
import tempfile
from pathlib import Path

from bake import PROJECT, ROOT, bake, committed_template

GOLDEN = Path(__file__).parent / "golden"


def rendered(folder: Path) -> Path:
    """The default project, without git, in `folder`."""
    return bake(folder, accept_hooks=False, source=committed_template())


def listing(root: Path) -> str:
    """A line a file: mode, SHA-256 and path, in the order of the paths."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return "".join(
        f"{'755' if path.stat().st_mode & 0o100 else '644'} "
        f"{hashlib.sha256(path.read_bytes()).hexdigest()} {path.relative_to(root).as_posix()}\n"
        for path in files
    )


def changed_by_rendering(root: Path) -> dict[str, bytes]:
    """The files of the project at `root` that are not the template's own, byte for byte."""
    texts = (path for path in (ROOT / PROJECT).rglob("*") if path.is_file())
    verbatim = {path.read_bytes() for path in texts}
    contents = {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
    }
    return {name: content for name, content in contents.items() if content not in verbatim}


def renew() -> None:
    """Write the golden tree and listing again."""
    with tempfile.TemporaryDirectory() as folder:
        root = rendered(Path(folder))
        shutil.rmtree(GOLDEN / root.name, ignore_errors=True)
        for name, content in changed_by_rendering(root).items():
            path = GOLDEN / root.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        (GOLDEN / "files.txt").write_text(listing(root), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    renew()
