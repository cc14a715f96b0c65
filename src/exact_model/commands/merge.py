"""`exact merge BASE OURS THEIRS PATH`: git's merge driver for dvc.lock.

`make env` names it in git's configuration, and .gitattributes says for which file. A stage is taken
from the side that changed it. One that both have changed is left out, so that `make` runs it: no
hash is ever made up.
"""

import argparse
import sys
from pathlib import Path

from exact_model.dvcfiles import parsed
from exact_model.errors import Refused


def merged(base: dict, ours: dict, theirs: dict) -> tuple[dict, list[str]]:
    """Stages to their records, and the names of those that both sides have changed.

    Of a stage that one side has removed, and the other has left as it was, there is none.
    """
    found, both = {}, []
    for name in dict.fromkeys([*ours, *theirs]):
        was, mine, other = (side.get(name) for side in (base, ours, theirs))
        if mine != other and was not in (mine, other):
            both.append(name)
            continue
        chosen = other if mine == was else mine
        if chosen is not None:
            found[name] = chosen
    return found, both


def record(path: Path) -> dict:
    """The content of a dvc.lock; ValueError where it is none. An empty one has no stages."""
    text = path.read_bytes()
    content = parsed(text) if text.strip() else {"stages": {}}
    if not isinstance(content, dict) or not isinstance(content.get("stages"), dict):
        raise ValueError("it is not a dvc.lock")
    return content


def add_arguments(parser: argparse.ArgumentParser) -> None:
    for name in ("base", "ours", "theirs"):
        parser.add_argument(name, metavar=name.upper(), help="a file with that version of it")
    parser.add_argument("path", metavar="PATH", help="where dvc.lock is in the working tree")


def main(arguments: argparse.Namespace) -> int:
    """Merge as git wants it: the result in the file OURS, the status 1 for a conflict."""
    from dvc.utils.serialize import dump_yaml

    name = arguments.path
    files = (arguments.base, arguments.ours, arguments.theirs)
    try:
        base, ours, theirs = (record(Path(file)) for file in files)
    except ValueError as error:
        fix = f"run `rm {name}`, `make` and `git add {name}`"
        raise Refused(f"{name} cannot be merged ({error}); {fix}") from error
    stages, both = merged(base["stages"], ours["stages"], theirs["stages"])
    if stages != ours["stages"]:
        dump_yaml(arguments.ours, {**theirs, **ours, "stages": stages})
    if stages != theirs["stages"] or both:
        why = f"both sides changed {', '.join(both)}" if both else "both sides changed something"
        print(f"exact: {name}: {why}; run `make` and commit {name}", file=sys.stderr)
    return 0
