"""The md5 of what stages have made, read from the files themselves.

A stage can write into the dvc.lock of the tree that it runs in, and into the database in which DVC
looks up hashes. So neither is asked.
"""

import hashlib
import json
import os
from pathlib import Path

from exact_model.errors import Refused
from exact_model.objects import FOLDER, md5_of


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
    """The md5 of the file or folder `path` of `tree`, as DVC computes it; None if there is none."""
    place = within(tree, tree / path)
    if place.is_dir():
        return md5_of_folder(tree, place)
    return md5_of(place) if place.is_file() else None


def within(tree: Path, place: Path) -> Path:
    """`place` without links; Refused where it is a file or folder outside of `tree`."""
    real = place.resolve()
    if not real.is_relative_to(tree.resolve()):
        name = os.path.relpath(place, tree)
        raise Refused(f"{name} is a link that leads out of the project, where nothing is rebuilt")
    return real


def md5_of_folder(tree: Path, folder: Path) -> str:
    """The md5 of DVC's list of the files in `folder`, without those that .dvcignore leaves out."""
    from dvc.fs import LocalFileSystem
    from dvc.ignore import DvcIgnoreFilter

    fs, files = LocalFileSystem(), []
    ignored = DvcIgnoreFilter(fs, str(tree.resolve()))
    for place, _, names in ignored.walk(fs, str(folder)):
        for name in names:
            file = Path(place, name)
            relative = file.relative_to(folder).as_posix()
            files.append({"md5": md5_of(within(tree, file)), "relpath": relative})
    listed = json.dumps(sorted(files, key=lambda file: file["relpath"]), sort_keys=True)
    return hashlib.md5(listed.encode(), usedforsecurity=False).hexdigest() + FOLDER
