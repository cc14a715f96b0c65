"""Whether what was rebuilt is what a commit's dvc.lock records."""

import contextlib
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from exact_model import git, links, own
from exact_model.checkout import check_out, pointed
from exact_model.objects import Store, md5_of
from exact_model.rebuild import (
    BEHIND,
    Made,
    current,
    outputs,
    overlap,
    parsed,
    prepare,
    stages_of,
    tracked,
)
from exact_model.errors import Refused
from exact_model.tool import Tool, running

IDENTICAL, SAME_MODEL = "identical", "same model"
DIFFERS, COULD_NOT_RUN = "differs", "could not run"
# From the best to the worst, for the verdict on several of them.
VERDICTS = (IDENTICAL, SAME_MODEL, COULD_NOT_RUN, DIFFERS)
MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
# Files named in one sentence.
MOST_TOLD = 5
# What every stage reads by way of `exact run`, DVC or Python, and no byte of a model depends on.
MACHINERY = (
    "pyproject.toml",
    "requirements",
    ".python-version",
    "dvc.",
    ".dvc",
    "src/exact/",
    "vendor/",
)


@dataclass
class Line:
    """The verdict on one output; hashes are md5s, None where there is no file.

    `seconds` are those of the whole stage. `stored` tells what was read back, where nothing was
    rebuilt.
    """

    stage: str
    path: str
    verdict: str
    recorded: str | None
    rebuilt: str | None
    seconds: float | None = None
    stored: str | None = None


@dataclass
class Report:
    """The verdict on one commit, with a line for each output, and what a person should know."""

    revision: str
    commit: str
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    kept: str | None = None
    problem: str | None = None
    # The tool that judges, and the one that the commit names for itself.
    tool: Tool = field(default_factory=running)
    own_tool: Tool | None = None

    @property
    def verdict(self) -> str:
        """The worst of all lines; `could not run` where there are none."""
        found = [line.verdict for line in self.lines]
        if self.problem or not found:
            found.append(COULD_NOT_RUN)
        return max(found, key=VERDICTS.index)


@contextlib.contextmanager
def filled_in(report: Report) -> Iterator[None]:
    """Put the time that is spent inside, and what goes wrong there, into the report."""
    start = time.monotonic()
    try:
        yield
    except (Refused, OSError) as error:
        report.problem = str(error)
        report.notes += git.said(error)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # What is raised by code that trusts the form of a record when it has another.
        report.problem = f"its records cannot be understood ({error!r})"
    finally:
        report.seconds = time.monotonic() - start


def checked(
    root: Path, commit: str, folder: Path, report: Report | None = None
) -> tuple[Path, dict]:
    """A clean tree of `commit` in the new `folder`, and its recorded stages.

    Raises Refused when its records do not describe it, or what a stage uses is not in it. The
    `report` gets what is to be said of its own tool.
    """
    tree = check_out(root, commit, folder)
    tool = own.of(tree)
    if report:
        report.own_tool = tool
        report.notes += own.notes(tree, tool)
    # Before anything is read that a link might bring from elsewhere.
    links.check(root, commit, stages_of(git.content(root, commit, "dvc.lock")))
    stages = declared(tree)
    check_record(tree, stages)
    return tree, stages


def ready(
    root: Path, commit: str, folder: Path, store: Store, report: Report | None = None
) -> tuple[Path, dict, set[str]]:
    """What `checked` gives, with the inputs in the tree, and the names of the tree's files.

    Raises Refused when an input cannot be had, too.
    """
    tree, stages = checked(root, commit, folder / "tree", report)
    names = {path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file()}
    names |= prepare(tree, stages, store)
    return tree, current(tree, stages), names


# -- does the record describe the commit?


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
    imported = {path: out.get("md5") for _, path, out in tracked(tree)}
    for name, stage in stages.items():
        for dep in stage.get("deps", []):
            path, file = dep["path"], tree / dep["path"]
            if file.is_file() and pointed(file):
                told = f"{path} is a pointer of Git LFS whose content is not here"
                raise Refused(f"{told}; install git-lfs and run `git lfs pull`")
            there = made.get(path) or imported.get(path)
            there = there or (md5_of(file) if file.is_file() else dep.get("md5"))
            if there != dep.get("md5"):
                raise Refused(behind(name, f"another {path}"))
        for file, values in stage.get("params", {}).items():
            if file.endswith((".yaml", ".yml")) and (tree / file).is_file():
                content = parsed((tree / file).read_bytes())
                for key, value in values.items():
                    if looked_up(content, key) != value:
                        raise Refused(behind(name, f"another {key} in {file}"))


def behind(stage: str, with_what: str) -> str:
    return f"{BEHIND}: stage {stage} was made with {with_what}; run `make` and commit dvc.lock"


def looked_up(content: object, key: str) -> object:
    """The value of a dotted key; None where there is none."""
    for word in key.split("."):
        if isinstance(content, list) and word.isdigit() and int(word) < len(content):
            content = content[int(word)]
        else:
            content = content.get(word) if isinstance(content, dict) else None
    return content


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
                word = "command" if key == "cmd" else "parameters"
                raise Refused(behind(name, f"another {word}"))
        was, now = inputs(stage, fresh), inputs(ran, fresh)
        for path in sorted({*was, *now}):
            if was.get(path) != now.get(path):
                raise Refused(behind(name, f"another {path}"))
        if outputs(stage).keys() != outputs(ran).keys():
            raise Refused(behind(name, "other outputs"))


def inputs(stage: dict, fresh: set[str]) -> dict[str, object]:
    """Path to hash of what a stage depends on; of what other stages make, the name alone."""
    deps = stage.get("deps", [])
    return {
        dep["path"]: any(overlap(dep["path"], out) for out in fresh) or dep.get("md5")
        for dep in deps
    }


# -- verdicts


def compare(stages: dict[str, dict], made: Made) -> list[Line]:
    """A line for each recorded output, in the order in which the stages ran."""
    order = [name for name in made.stages if name in stages]
    order += [name for name in stages if name not in made.stages]
    lines = []
    for name in order:
        now = outputs(made.stages.get(name, {}))
        for path, md5 in outputs(stages[name]).items():
            new = now.get(path)
            verdict = IDENTICAL if new and new == md5 else DIFFERS if new else COULD_NOT_RUN
            lines.append(Line(name, path, verdict, md5, new, made.seconds.get(name)))
    return lines


def failure(stages: dict[str, dict], made: Made) -> str | None:
    """The first stage that did not come to its end, and the last thing it said."""
    if made.status == 0:
        return None
    lost = [name for name in stages if name not in made.stages]
    begun = [name for name in made.seconds if name in lost]
    said = [line for line in made.output if line.strip() and not line.startswith(("ERROR", ">"))]
    told = [line for line in made.output if line.startswith("ERROR")]
    last = ending(said if begun else told or said)
    stage = f"stage {(begun or lost)[0]}" if begun or lost else "`dvc repro`"
    return f"{stage} failed: {last[:400]}"


def ending(said: list[str]) -> str:
    """The last line that was said, or all of an exception's message."""
    count = 1
    if any(line.startswith("Traceback ") for line in said):
        while count < len(said) and not said[-count - 1].startswith((" ", "Traceback ")):
            count += 1
    return " ".join(said[-count:]) or "it said nothing"


def undeclared(
    tree: Path, stages: dict[str, dict], names: set[str], log: Path
) -> Iterator[tuple[str, str]]:
    """Stage and path of each file that a stage has read and its deps do not name.

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
        named = inside.startswith(MACHINERY) or any(overlap(inside, name) for name in used)
        if inside in known and not named:
            yield stage, inside


def unnamed(read: list[tuple[str, str]]) -> Iterator[str]:
    """A sentence for each stage on what it reads without naming it."""
    for stage in dict.fromkeys(stage for stage, _ in read):
        paths = [path for name, path in read if name == stage]
        more = f" and {len(paths) - MOST_TOLD} more" if len(paths) > MOST_TOLD else ""
        yield f"{stage} reads {', '.join(paths[:MOST_TOLD])}{more}, which its deps do not name"


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
