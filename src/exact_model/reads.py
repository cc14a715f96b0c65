"""The files that a stage reads without naming them in its deps."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from exact_model.dvcfiles import outputs, overlap

# Files named in one sentence.
MOST_TOLD = 5
# What every stage reads by way of `exact run`, DVC or Python, and no byte of a model depends on.
MACHINERY = re.compile(
    r"pyproject\.toml|requirements(-dev|-remote|-notebook|-uv)?\.lock|\.python-version"
    r"|dvc\.(yaml|lock)|\.dvcignore|\.dvc/.*|src/exact/.*|vendor/.*"
)


def undeclared(
    tree: Path, stages: dict[str, dict], names: set[str], log: Path
) -> Iterator[tuple[str, str]]:
    """Stage and path of each file that a stage has read and is not in its deps.

    `names` are the files of the commit. Of what lies outside of the tree, all counts that is there,
    be it by way of a link.
    """
    here = tree.resolve().parent, log.parent.resolve()
    known = names | {path for stage in stages.values() for path in outputs(stage)}
    text = os.fsdecode(log.read_bytes()) if log.exists() else ""
    for line in dict.fromkeys(text.splitlines()):
        stage, _, path = line.partition("\t")
        if stage not in stages:
            continue
        if not Path(path).is_relative_to(tree):
            if Path(path).is_file() and not Path(path).is_relative_to(tree.parent):
                yield stage, path
            continue
        real = Path(path).resolve()
        if real.is_file() and not any(map(real.is_relative_to, here)):
            yield stage, str(real)
            continue
        inside = source_of(Path(path).relative_to(tree))
        used = [dep["path"] for dep in stages[stage].get("deps", [])]
        used += [*outputs(stages[stage]), *stages[stage].get("params", {})]
        named = MACHINERY.fullmatch(inside) or any(overlap(inside, name) for name in used)
        if inside in known and not named:
            yield stage, inside


def unnamed(read: list[tuple[str, str]]) -> Iterator[str]:
    """A sentence for each stage on what it reads without naming it."""
    for stage in dict.fromkeys(stage for stage, _ in read):
        paths = [path for name, path in read if name == stage]
        more = f" and {len(paths) - MOST_TOLD} more" if len(paths) > MOST_TOLD else ""
        yield f"{stage} reads {', '.join(paths[:MOST_TOLD])}{more}, which is not in its deps"


def outside(read: list[tuple[str, str]]) -> str | None:
    """The sentence on a file that was read and that no clone would hold; None if there is none."""
    for stage, path in read:
        if Path(path).is_absolute():
            return f"stage {stage} reads {path}, which the commit does not hold; track it with DVC"
    return None


def source_of(path: Path) -> str:
    """The name of a file, of the source where it is compiled Python."""
    if path.parent.name == "__pycache__":
        path = path.parents[1] / (path.name.partition(".")[0] + ".py")
    return path.as_posix()
