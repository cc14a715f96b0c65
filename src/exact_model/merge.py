"""`exact merge BASE OURS THEIRS PATH`: git's merge driver for dvc.lock.

`make env` names it in git's configuration, and .gitattributes says for which file. A stage is taken
from the side that changed it. One that both have changed is left out, so that `make` runs it: no
hash is ever made up.
"""

import sys
from pathlib import Path

from exact_model.dvcfiles import parsed


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
        raise ValueError("it is no dvc.lock")
    return content


def main(words: list[str]) -> int:
    """Merge as git wants it: the result in the file OURS, the status 1 for a conflict."""
    from dvc.utils.serialize import dump_yaml

    if len(words) != 4:
        print("usage: exact merge BASE OURS THEIRS PATH (git calls it)", file=sys.stderr)
        return 2
    name = words[3]
    try:
        base, ours, theirs = (record(Path(word)) for word in words[:3])
    except ValueError as error:
        fix = f"run `rm {name}`, `make` and `git add {name}`"
        print(f"exact: {name} cannot be merged ({error}); {fix}", file=sys.stderr)
        return 1
    stages, both = merged(base["stages"], ours["stages"], theirs["stages"])
    if stages != ours["stages"]:
        dump_yaml(words[1], {**theirs, **ours, "stages": stages})
    if stages != theirs["stages"] or both:
        why = f"both sides changed {', '.join(both)}" if both else "both sides changed something"
        print(f"exact: {name}: {why}; run `make` and commit {name}", file=sys.stderr)
    return 0
