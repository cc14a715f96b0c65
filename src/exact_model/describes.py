"""Whether a commit's dvc.lock describes the commit: before a rebuild, and after it."""

import re
from pathlib import Path

from exact_model import git, links, own
from exact_model.checkout import check_out, pointed
from exact_model.dvcfiles import Tree, looked_up, outputs, overlap, parsed, stages_of, tracked
from exact_model.errors import Refused
from exact_model.objects import FOLDER, Store, folder_md5, md5_of
from exact_model.rebuild import Made, current, prepare
from exact_model.reports import Report

BEHIND = "dvc.lock does not describe this commit"
MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")


def checked(
    root: Path, commit: str, folder: Path, report: Report | None = None
) -> tuple[Path, dict]:
    """A clean tree of `commit` in the new `folder`, and its recorded stages.

    Raises Refused when its records do not describe it, or what a stage uses is not in it. The
    `report` gets what is to be said of its own tool.
    """
    tree = check_out(root, commit, folder)
    # Before anything is read that a link might bring from elsewhere.
    links.check(root, commit, stages_of(git.content(root, commit, "dvc.lock")))
    tool = own.of(tree)
    if report:
        report.own_tool = tool
        report.notes += own.notes(tree, tool)
    stages = declared(tree)
    check_record(tree, stages)
    return tree, stages


def ready(
    root: Path, commit: str, folder: Path, store: Store, report: Report | None = None
) -> tuple[Path, dict, set[str]]:
    """What `checked` gives, with the inputs in the tree, and the names of the tree's files.

    Raises Refused also when it cannot get an input.
    """
    tree, stages = checked(root, commit, folder / "tree", report)
    names = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    names |= prepare(tree, stages, store)
    return tree, current(tree, stages), names


def declared(tree: Path) -> dict[str, dict]:
    """The stages that the dvc.lock of `tree` records and its dvc.yaml has.

    Raises Refused when one is not recorded, or when there is one that would not be rebuilt.
    """
    file, lock = tree / "dvc.yaml", tree / "dvc.lock"
    named = ((parsed(file.read_bytes()) or {}).get("stages") or {}) if file.exists() else {}
    if not named:
        raise Refused("dvc.yaml names no stage")
    others = [path.relative_to(tree) for path in tree.rglob("dvc.yaml") if path != file]
    if others:
        raise Refused(f"the stages of {others[0]} are not rebuilt; move them into {file.name}")
    stages = stages_of(lock.read_bytes() if lock.exists() else None)
    # A stage with `foreach` or `matrix` is recorded as one for each value, after an @.
    bases = {name.partition("@")[0] for name in stages}
    for name, stage in named.items():
        if "wdir" in (stage.get("do") or stage):
            raise Refused(f"stage {name} has a wdir; name its paths from the project's folder")
        if name not in bases:
            what = f"it has no stage {name}" if stages else "it is missing or broken"
            raise Refused(f"{BEHIND}: {what}; run `make` and commit dvc.lock")
    found = {name: stage for name, stage in stages.items() if name.partition("@")[0] in named}
    for path, md5 in [pair for stage in found.values() for pair in outputs(stage).items()]:
        if not MD5.fullmatch(str(md5)):
            raise Refused(f"{BEHIND}: its md5 of {path} is none; run `make` and commit dvc.lock")
    return found


def check_record(tree: Path, stages: dict[str, dict]) -> None:
    """Refused, with the stage, when it was not made with what the commit holds."""
    made = {path: md5 for stage in stages.values() for path, md5 in outputs(stage).items()}
    imported = {path: out.get("md5") for _, path, out in tracked(Tree(tree))}
    known = {**imported, **made}
    for name, stage in stages.items():
        for dep in stage.get("deps", []):
            path, file = dep["path"], tree / dep["path"]
            refuse_pointers(tree, file)
            there = known.get(path) or dep.get("md5")
            if file.is_file() and path not in known:
                there = md5_of(file)
            # Of a folder that DVC tracks itself, or in one, the list is not here.
            elif file.is_dir() and listed_here(path, known):
                there = folder_md5(tree, path, known)
            if there != dep.get("md5"):
                raise Refused(behind(name, path))
        for file, values in stage.get("params", {}).items():
            if file.endswith((".yaml", ".yml")) and (tree / file).is_file():
                content = parsed((tree / file).read_bytes())
                for key, value in values.items():
                    if looked_up(content, key) != value:
                        raise Refused(behind(name, f"{key} in {file}"))


def listed_here(folder: str, known: dict[str, str]) -> bool:
    """Whether the files of a folder are those of git and of `known`: no list of DVC's is needed."""
    parts = [(path, md5 or FOLDER) for path, md5 in known.items() if overlap(folder, path)]
    return all(path.startswith(f"{folder}/") and not md5.endswith(FOLDER) for path, md5 in parts)


def refuse_pointers(tree: Path, place: Path) -> None:
    """Refused where a file, or one in a folder, is a pointer of Git LFS and not its content."""
    for file in sorted(place.rglob("*")) if place.is_dir() else [place]:
        if file.is_file() and pointed(file):
            told = f"{file.relative_to(tree)} is a pointer of Git LFS whose content is not here"
            raise Refused(f"{told}; install git-lfs and run `git lfs pull`")


def behind(stage: str, what: str) -> str:
    """The sentence on a stage that last ran with another file, parameter or the like."""
    return (
        f"{BEHIND}: {what} has changed since stage {stage} last ran; run `make` and commit dvc.lock"
    )


def check_rebuilt(stages: dict[str, dict], made: Made) -> None:
    """Refused when a stage did not run, or as it ran is not the recorded one.

    That is by its command, inputs, parameters and the names of its outputs.
    """
    for name in made.stages.keys() - stages.keys():
        raise Refused(f"{BEHIND}: it has no stage {name}; run `make` and commit dvc.lock")
    for name in stages.keys() - made.stages.keys() if made.status == 0 else ():
        raise Refused(f"stage {name} did not run, though DVC says that all is done")
    fresh = {path for stage in stages.values() for path in outputs(stage)}
    for name, stage in stages.items():
        ran = made.stages.get(name)
        if ran is None:
            continue
        for key in ("cmd", "params"):
            if stage.get(key) != ran.get(key):
                word = "the command" if key == "cmd" else "the set of parameters"
                raise Refused(behind(name, word))
        was, now = inputs(stage, fresh), inputs(ran, fresh)
        for path in sorted({*was, *now}):
            if was.get(path) != now.get(path):
                raise Refused(behind(name, path))
        if outputs(stage).keys() != outputs(ran).keys():
            raise Refused(behind(name, "the list of outputs"))


def inputs(stage: dict, fresh: set[str]) -> dict[str, object]:
    """Path to hash of what a stage depends on; of what other stages make, the name alone."""
    deps = stage.get("deps", [])
    return {
        dep["path"]: any(overlap(dep["path"], out) for out in fresh) or dep.get("md5")
        for dep in deps
    }
