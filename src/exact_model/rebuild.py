"""Make a commit's outputs again: a clean tree, its inputs, its environment, all its stages.

Everything is made below `.dvc/tmp/exact` of the project, which git and DVC ignore, so the working
tree is never touched and the inputs are copied within one file system.
"""

import re
import shutil
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from exact_model.container import Container
from exact_model.dvcfiles import Tree, outputs, overlap, stages_of, tracked
from exact_model.environment import surroundings
from exact_model.errors import Refused
from exact_model.hashes import hashed
from exact_model.objects import Store
from exact_model.processes import call

FROZEN = re.compile(r"^(\s+frozen:\s*)true\b", re.MULTILINE)
RUNNING = re.compile(r"Running stage '(?:.*:)?([^']+)'")


def inside(tree: Path, path: str) -> Path:
    """The place of `path` in `tree`; Refused when it lies elsewhere, be it by way of a link."""
    place = tree / path
    if not (place.parent.resolve() / place.name).is_relative_to(tree.resolve()):
        raise Refused(f"{path} lies outside of the project, where nothing is rebuilt")
    return place


def prepare(tree: Path, stages: dict[str, dict], store: Store) -> set[str]:
    """Put the raw inputs of `stages` into `tree` and take away all that is to be made again.

    Returns the names of the inputs' files.
    """
    names = set()
    made = [inside(tree, path) for stage in stages.values() for path in outputs(stage)]
    needed = {dep["path"] for stage in stages.values() for dep in stage.get("deps", [])}
    for name, path, out in list(tracked(Tree(tree))):
        if any(overlap(path, dep) for dep in needed):
            try:
                place = inside(tree, path)
                # It may be a link, which would be written through.
                remove(place)
                store.fetch(out["md5"], place, out.get("remote"))
            except Refused as refusal:
                raise Refused(f"cannot get {path}: {refusal}") from refusal
            there = tree / path
            names |= {file.relative_to(tree).as_posix() for file in (there, *there.rglob("*"))}
            # DVC would import it anew when it is told to run everything.
            (tree / name).unlink(missing_ok=True)
    for path in made:
        remove(path)
    (tree / "dvc.lock").unlink(missing_ok=True)
    # What a commit holds in DVC's own places could be taken for what DVC has found out itself.
    for name in (".dvc/tmp", ".dvc/cache", ".dvc/config.local"):
        remove(tree / name)
    # DVC would not run a frozen stage, whatever it is told to force.
    pipeline = (tree / "dvc.yaml").read_text(encoding="utf-8")
    (tree / "dvc.yaml").write_text(FROZEN.sub(r"\1false", pipeline), encoding="utf-8")
    (tree / ".dvc").mkdir(exist_ok=True)
    # There is no git here, and a cache of its own keeps what is made out of the project's.
    (tree / ".dvc/config.local").write_text(
        "[core]\n    no_scm = true\n    autostage = false\n[cache]\n    dir = cache\n"
    )
    return names


def remove(path: Path) -> None:
    """Remove a file or folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


# -- the stages


def current(tree: Path, stages: dict[str, dict]) -> dict[str, dict]:
    """Those of the recorded `stages` that the dvc.yaml of `tree` still has.

    DVC keeps in dvc.lock what `foreach` and `matrix` named once. Asked before any stage runs,
    since one could take another out of the files that tell of it.
    """
    if not any("@" in name for name in stages):
        return stages
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(tree)) as repo:
            named = {stage.name for stage in repo.index.stages if hasattr(stage, "name")}
    except DvcException as error:
        raise Refused(f"DVC cannot read its stages: {error}") from error
    return {name: stage for name, stage in stages.items() if name in named}


@dataclass
class Made:
    """What came of running stages: their records, the seconds of each, and how they failed."""

    stages: dict[str, dict]
    seconds: dict[str, float] = field(default_factory=dict)
    # Its end, for a stage may print for days.
    output: deque[str] = field(default_factory=lambda: deque(maxlen=1000))
    status: int = 0


def reproduce(
    tree: Path,
    environment: Path | Container,
    on_progress: Callable[[str], None],
    targets: tuple[str, ...] = (),
    before: tuple[str, ...] = (),
    **environ: str,
) -> Made:
    """Run all stages of `tree`, or only `targets`, forced; nothing that was made before is used.

    `on_progress` gets the name of each stage that begins. `before` are words in front of the
    command.
    """
    made = Made({})
    begun = [("", time.monotonic())]

    def line(text: str) -> None:
        made.output.append(text)
        if found := RUNNING.search(text):
            begun.append((found[1], time.monotonic()))
            on_progress(found[1])

    options = ["--force", "--no-run-cache", "--no-commit"]
    if targets:
        options += ["--single-item", *targets]
    command = ["-P", "-m", "dvc", "repro", *options]
    if isinstance(environment, Container):
        made.status = environment.call(["python", *command], tree, line, **environ)
    else:
        environ = {**surroundings(tree, environment), **environ}
        Path(environ["HOME"]).mkdir(exist_ok=True)
        words = [*before, environment / "bin/python", *command]
        made.status = call(words, tree, environ, line)
    ends = [start for _, start in begun[2:]] + [time.monotonic()]
    made.seconds = {name: end - start for (name, start), end in zip(begun[1:], ends, strict=False)}
    lock = tree / "dvc.lock"
    found = stages_of(lock.read_bytes() if lock.exists() else None)
    made.stages = hashed(tree, found, ended=made.status == 0)
    return made
