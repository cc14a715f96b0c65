"""What differs between an output that was rebuilt and the recorded one, and the likely cause."""

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from exact_model import differ, git, inert, values
from exact_model.dvcfiles import outputs
from exact_model.errors import Refused
from exact_model.objects import Store, md5_of
from exact_model.processes import ROOM
from exact_model.rebuild import Made, reproduce
from exact_model.reports import DIFFERS, IDENTICAL, SAME_MODEL, Line, Report

# Outputs of one stage that are described.
MOST_TOLD = 4
# In ns: a second, and a moment (in 2001) when no file of a rebuild was changed.
SECOND, LONG_AGO = 10**9, 10**18


@dataclass
class Case:
    """A commit that was rebuilt in `tree`: what was recorded, what was made, where more can be."""

    root: Path
    commit: str
    tree: Path
    environment: Path
    store: Store
    stages: dict[str, dict]
    made: Made
    report: Report
    # Stage and path of what was read without being named.
    undeclared: list[tuple[str, str]]

    def again(self, targets: tuple[str, ...], tree: Path) -> dict[str, str]:
        """Path to md5 of what the stages `targets` make when they are run once more in `tree`."""
        made = reproduce(tree, self.environment, lambda stage: None, targets)
        found = [outputs(made.stages.get(name, {})) for name in targets]
        return {path: md5 for outs in found for path, md5 in outs.items()}


def explain(case: Case) -> None:
    """Add to the report what differs in the first stage that does, and why; keep what differs."""
    try:
        tell(case)
    except Exception as error:  # Whatever it is, it must not hide that something differs.
        told = f"{type(error).__name__}: {error}"
        case.report.notes.append(f"what differs cannot be explained any further ({told})")


def tell(case: Case) -> None:
    """The work of `explain`, which may fail at any point."""
    shutil.rmtree(case.root / ROOM / "differs" / case.commit[:12], ignore_errors=True)
    lines = [line for line in case.report.lines if line.verdict == DIFFERS]
    if not lines:
        return
    case.report.kept = str(keep(case, lines))
    recorded = {line.path: fetch(case, line) for line in lines}
    first = [line for line in lines if line.stage == lines[0].stage]
    note = case.report.notes.append
    for line in first[:MOST_TOLD]:
        rebuilt = Path(case.report.kept) / line.path
        if recorded[line.path]:
            told = "; ".join(differ.describe(recorded[line.path], rebuilt))
            # Without the folder that is gone when this is read.
            note(f"{line.path}: {told}".replace(f"{case.tree.parent}/", ""))
    if not recorded[first[0].path]:
        note(
            f"{first[0].path}: no intact file with the recorded hash is in git, the cache or on "
            "the remote, so the record was edited, or what it names was never pushed"
        )
    judge_models(case, recorded)
    if recorded[first[0].path]:
        note(f"likely cause: {cause(case, first)}")


def keep(case: Case, lines: list[Line]) -> Path:
    """Copy what was rebuilt and differs out of the tree; returns the folder."""
    folder = case.root / ROOM / "differs" / case.commit[:12]
    for line in lines:
        (folder / line.path).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (case.tree / line.path).is_dir() else shutil.copyfile
        copy(case.tree / line.path, folder / line.path)
    return folder


def fetch(case: Case, line: Line) -> Path | None:
    """The recorded output as a file beside the tree; None where it is not to be had."""
    path = case.tree.parent / "recorded" / line.path
    path.parent.mkdir(parents=True, exist_ok=True)
    text = git.content(case.root, case.commit, line.path)
    if text is not None:
        path.write_bytes(text)
        return path if md5_of(path) == line.recorded else None
    try:
        case.store.fetch(line.recorded, path)
    except Refused:
        return None
    return path if path.exists() else None


def is_file(path: Path | None) -> bool:
    return path is not None and path.is_file()


def judge_models(case: Case, recorded: dict[str, Path | None]) -> None:
    """Give the verdict `same model` where it is due.

    The fitted arrays are compared without loading either file. Only when all are equal, and with
    them all that loading would call, are the stages that use the file run with the recorded one;
    what they predict and measure must be what they did with the rebuilt one.
    """
    found = []
    for line in case.report.lines:
        there = recorded.get(line.path)
        # A file that is not a model cannot be the same model.
        with contextlib.suppress(inert.Unreadable):
            if is_file(there) and values.same_fitted(there, case.tree / line.path):
                found.append(line)
    paths = {line.path for line in found}
    users = tuple(
        name
        for name in case.made.stages
        if paths & {dep["path"] for dep in case.stages.get(name, {}).get("deps", [])}
    )
    if not users:
        return
    for path in paths:
        shutil.copyfile(recorded[path], case.tree / path)
    now = case.again(users, case.tree)
    before = {path: md5 for name in users for path, md5 in outputs(case.made.stages[name]).items()}
    used = {dep["path"] for name in users for dep in case.stages[name]["deps"]}
    if now == before:
        for line in found:
            line.verdict = SAME_MODEL if line.path in used else line.verdict


def cause(case: Case, lines: list[Line]) -> str:
    """Why the first stage that differs may do so, in one sentence."""
    stage = lines[0].stage
    kept = Path(case.report.kept)
    place = str(case.tree).encode()
    for line in lines:
        if (kept / line.path).is_file() and place in (kept / line.path).read_bytes():
            return f"{stage} writes the path of its folder into {line.path}"
    if all(line.verdict == SAME_MODEL for line in lines):
        return "the recorded file was saved by other means than this stage"
    # In another folder, so that a path that is hidden in the file shows as well.
    moved = case.tree.rename(case.tree.with_name("another-" + case.tree.name))
    times = put_back_in_time(moved)
    now = case.again((stage,), moved)
    if all(now.get(line.path) == line.rebuilt for line in lines):
        return agreeing(case, stage)
    for path, before in times.items():
        # What the stage has made and what DVC has written are new.
        if path.exists():
            os.utime(path, ns=before)
    now = case.again((stage,), moved)
    if all(now.get(line.path) == line.rebuilt for line in lines):
        return (
            f"{stage} depends on when the files that it reads were last changed, which no commit "
            "records; let it read what they hold, or their names, instead"
        )
    return (
        f"{stage} makes other bytes each time (the time, chance without a seed, the order of "
        "a set, threads, the folder); `.venv/bin/exact vary` finds which"
    )


def put_back_in_time(tree: Path) -> dict[Path, tuple[int, int]]:
    """Make all in `tree` years older, the newest the oldest; returns the times before.

    Times are those of access and modification, in ns since 1970.
    """
    paths = [path for path in tree.rglob("*") if not path.is_symlink()]
    found = {path: (path.stat().st_atime_ns, path.stat().st_mtime_ns) for path in paths}
    for number, path in enumerate(sorted(found, key=lambda path: (found[path][1], path))):
        then = LONG_AGO - number * SECOND
        os.utime(path, ns=(then, then))
    return found


def agreeing(case: Case, stage: str) -> str:
    """The likely cause when the stage makes the same bytes each time, but not the recorded ones."""
    read = [path for name, path in case.undeclared if name == stage]
    if read:
        return f"{stage} reads {', '.join(read[:3])}, which its deps in dvc.yaml do not name"
    commands = case.stages[stage]["cmd"]
    commands = commands if isinstance(commands, list) else [commands]
    if not all(command.startswith("exact run ") for command in commands):
        return f"the command of {stage} does not begin with `exact run`, so nothing is pinned in it"
    made = outputs(case.stages[stage]).keys()
    users = {
        name
        for name, other in case.stages.items()
        if made & {dep["path"] for dep in other.get("deps", [])}
    }
    others = [line for line in case.report.lines if line.stage in users]
    if others and all(line.verdict == IDENTICAL for line in others):
        return (
            f"the stages that use what {stage} makes come out as recorded from what it makes here, "
            "so its recorded output was replaced after they ran"
        )
    return (
        f"{stage} makes the same bytes each time it is run here, so the recorded ones were made "
        "with something else: another version of a package, another machine or day, a variable "
        "of the environment, or by hand; `.venv/bin/exact vary` tells what of the machine matters"
    )
