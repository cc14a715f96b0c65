"""The md5 of what stages have made, read from the files themselves.

A stage can write into the dvc.lock of the tree that it runs in, and into the database in which DVC
looks up hashes. So neither is asked.
"""

import os
from pathlib import Path

from exact_model.errors import Refused
from exact_model.objects import folder_md5, md5_of


def hashed(tree: Path, stages: dict[str, dict], ended: bool) -> dict[str, dict]:
    """`stages` of a dvc.lock, each output with the md5 that it has in `tree`; None without a file.

    Where all stages have `ended` well, a missing file is Refused, and so is a link out of `tree`.
    """
    for name, stage in stages.items():
        for out in stage.get("outs", []):
            out["md5"] = md5_in(tree, out["path"])
            if ended and not out["md5"]:
                raise Refused(f"stage {name} ended without making {out['path']}")
    return stages


def md5_in(tree: Path, path: str) -> str | None:
    """The md5 of the file or folder `path` of `tree`, as DVC computes it; None if there is none.

    Refused where it is, or holds, a link that leads out of `tree`: what is there, no stage made.
    """
    place = tree / path
    within(tree, place)
    if place.is_dir():
        for file in place.rglob("*"):
            within(tree, file)
        return folder_md5(tree, path)
    return md5_of(place) if place.is_file() else None


def within(tree: Path, place: Path) -> None:
    """Refused where `place` is outside of `tree`, by way of a link."""
    if not place.resolve().is_relative_to(tree.resolve()):
        name = os.path.relpath(place, tree)
        raise Refused(f"{name} is a link that leads out of the project, where nothing is rebuilt")
