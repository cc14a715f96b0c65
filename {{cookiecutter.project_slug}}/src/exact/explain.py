"""What differs between an output that was rebuilt and the recorded one, and the likely cause."""

import contextlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from exact import differ, git
from exact.judge import DIFFERS, IDENTICAL, SAME_MODEL, Line, Report
from exact.objects import Store, md5_of
from exact.processes import ROOM
from exact.rebuild import Made, outputs, reproduce
from exact.run import Refused

# Outputs of one stage that are described.
MOST_TOLD = 4


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
    shutil.rmtree(case.root / ROOM / "differs" / case.commit[:12], ignore_errors=True)
    lines = [line for line in case.report.lines if line.verdict == DIFFERS]
    if not lines:
        return
    case.report.kept = str(keep(case, lines))
    recorded = {line.path: fetch(case, line) for line in lines}
    first = [line for line in lines if line.stage == lines[0].stage]
    tell = case.report.notes.append
    for line in first[:MOST_TOLD]:
        rebuilt = Path(case.report.kept) / line.path
        if is_file(recorded[line.path]) and rebuilt.is_file():
            told = "; ".join(differ.describe(recorded[line.path], rebuilt))
            # Without the folder that is gone when this is read.
            tell(f"{line.path}: {told}".replace(f"{case.tree.parent}/", ""))
        elif recorded[line.path]:
            tell(f"{line.path}: other content in {', '.join(others(recorded[line.path], rebuilt))}")
    if not recorded[first[0].path]:
        tell(
            f"{first[0].path}: no intact file with the recorded hash is in git, the cache or on "
            "the remote, so the record was edited, or what it names was never pushed"
        )
    judge_models(case, recorded)
    if recorded[first[0].path]:
        tell(f"likely cause: {cause(case, first)}")


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


def others(one: Path, other: Path) -> list[str]:
    """The names of some files that are not the same in two folders."""
    names = {file.relative_to(top).as_posix() for top in (one, other) for file in top.rglob("*")}
    pairs = [(name, one / name, other / name) for name in sorted(names)]
    found = [name for name, a, b in pairs if not (a.is_dir() and b.is_dir()) and not same(a, b)]
    return found[:MOST_TOLD] or ["the whole of it"]


def same(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and md5_of(one) == md5_of(other)


def judge_models(case: Case, recorded: dict[str, Path | None]) -> None:
    """Give the verdict `same model` where it is due.

    The fitted arrays are compared without loading either file. Only when all are equal, and with
    them all that loading would call, are the stages that use the file run with the recorded one;
    what they predict and measure must be what they did with the rebuilt one.
    """
    found = []
    for line in case.report.lines:
        there = recorded.get(line.path)
        # What is no model's file at all is none of the same model.
        with contextlib.suppress(differ.Unreadable):
            if is_file(there) and differ.same_fitted(there, case.tree / line.path):
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
    now = case.again((stage,), moved)
    if any(now.get(line.path) != line.rebuilt for line in lines):
        return (
            f"{stage} makes other bytes each time (the time, chance without a seed, the order of "
            "a set, threads, the folder); `exact vary` finds which"
        )
    return agreeing(case, stage)


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
        "of the environment, or by hand; `exact vary` tells what of the machine matters"
    )
