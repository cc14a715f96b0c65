"""`exact update`: bring the project the newest template and tool, and say what is left to do.

template.py does the merge. What is left is said here: each conflict, the tool's version and hash,
and the stages that are stale now.
"""

import argparse
import contextlib
import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exact_model import git, own
from exact_model.errors import Refused
from exact_model.packages import project_root
from exact_model.processes import program
from exact_model.progress import Progress
from exact_model.template import RECORD, changed, merge, record, status
from exact_model.text import printable

CONFLICTS = {
    "UU": "you and the template changed the same lines; keep what is right and remove the markers",
    "AA": "you and the template added it; keep what is right and remove the markers",
    "UD": "you changed it, and the template removed it; keep or remove it",
}

WHEN_STOPPED = "stopped; `git reset --hard` takes back what was merged"


@dataclass(frozen=True)
class State:
    """What an update may change: the template's commit, the tool of the locks, stale stages."""

    commit: str
    tool: str
    stale: dict[str, set[str]] | None


# -- before


def check_ready(root: Path) -> None:
    """Refused where cruft could not update, or would mix its changes with others."""
    if not (root / RECORD).is_file():
        cruft = ".venv/bin/cruft" if (root / ".venv/bin/cruft").exists() else "uvx cruft"
        raise Refused(
            f"there is no {RECORD} to say which template this is of; run `{cruft} link --checkout "
            "COMMIT URL` with the template's URL and the commit that the project was made from, "
            "and commit the file"
        )
    if not git.git(root, "rev-parse", "--git-dir", check=False, own=False):
        raise Refused("an update needs git, to merge your changes; run `git init` and commit all")
    dirty = [path for _, path in status(root)]
    if dirty:
        more = f" and {len(dirty) - 1} more" if len(dirty) > 1 else ""
        raise Refused(
            f"{dirty[0]}{more} is not committed; commit it, or `git stash --include-untracked`"
        )


def state(root: Path) -> State:
    """How the project is now."""
    locks = {file.name: own.text_of(file) for file in root.glob("requirements*.lock")}
    tool = None
    # A lock may be in conflict.
    with contextlib.suppress(Refused):
        tool = own.named(locks)
    return State(record(root)["commit"], str(tool or ""), stale(root))


def stale(root: Path) -> dict[str, set[str]] | None:
    """Each stage that `dvc repro` would run, and why; None where DVC cannot tell."""
    command = [sys.executable, "-P", "-m", "dvc", "status", "--json"]
    done = subprocess.run(command, cwd=root, capture_output=True, encoding="utf-8")
    try:
        found = json.loads(done.stdout)
    except ValueError:
        return None
    return {
        stage: {reason for one in changes for reason in reasons(one)}
        for stage, changes in found.items()
    }


def reasons(change: str | dict) -> Iterator[str]:
    """In words, what `dvc status` says of a stage: "always changed", "changed command", or lists
    of files, where a file of parameters has a list of its own."""
    if isinstance(change, str):
        yield {"changed command": "its command changed"}.get(change, f"it is {change}")
        return
    for kind, files in change.items():
        for path, how in files.items():
            if isinstance(how, dict):
                yield from (f"{key} in {path} changed" for key in how)
            elif kind == "changed deps":
                verbs = {"new": "was added", "deleted": "is gone"}
                yield f"{path} {verbs.get(how, 'changed')}"


def conflicts(root: Path) -> dict[str, str]:
    """Each file that waits for its user, and what to do there."""
    found = {}
    for letters, path in status(root):
        name = shlex.quote(path)
        if "U" in letters or letters in ("AA", "DD"):
            words = CONFLICTS.get(letters, "it was renamed or removed on one side; settle it")
            found[path] = f"{words}, then `git add {name}`"
            if path.endswith(".lock") and letters == "UU":
                take = f"git checkout --theirs {name} && git add {name}"
                found[path] = (
                    f"you and the template pinned other versions; take the template's with "
                    f"`{take}`, then `make lock` pins what you added to pyproject.toml"
                )
    return found


# -- after


def lines(root: Path, before: State, left: dict[str, str]) -> Iterator[str]:
    """What the update did, and what is left to do."""
    after = state(root)
    yield f"the template went from {before.commit[:12]} to {after.commit[:12]}"
    if not any(path.endswith(".lock") for path in left):
        yield from tool_lines(before.tool, after.tool)
    for path, words in left.items():
        yield f"{path}: {words}"
    if after.stale is None:
        yield f"`{program('dvc')} status` names the stages that are stale, once that is done"
    else:
        yield from stale_lines(before.stale or {}, after.stale)
    settle = "settle the above, then " if left else ""
    keep = 'git add --all . && git commit -m "Follow the template"'
    yield f"next: {settle}`make env && make`, and `{keep}`"


def tool_lines(before: str, after: str) -> Iterator[str]:
    """Which tool the locks name now."""
    if not after:
        yield "no lock names a tool"
    elif not before:
        yield f"the tool is {after} now; before, it was a part of the project's own code"
    elif before == after:
        yield f"the tool is {after}, as before"
    else:
        yield f"the tool went from {before} to {after}"


def stale_lines(before: dict[str, set[str]], after: dict[str, set[str]]) -> Iterator[str]:
    """Which stages the update made stale, and why."""
    found = {stage: why - before.get(stage, set()) for stage, why in after.items()}
    for stage, why in found.items():
        if why:
            yield f"stage {stage} is stale: {', '.join(sorted(why))}"
    if not any(found.values()):
        yield "no stage became stale: the model stays as it is"


# -- the command


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """To which commit of the template."""
    told = "the commit, tag or branch of the template to go to; its newest commit by default"
    parser.add_argument("--to", metavar="COMMIT_OR_TAG", default="", help=told)


def main(arguments: argparse.Namespace) -> int:
    """Update; the exit status is 0, or 1 where something is left to settle."""
    root = project_root(Path.cwd()).resolve()
    check_ready(root)
    with Progress() as progress:
        progress.step("comparing the template's commits")
        change = changed(root, arguments.to)
    if change is None:
        print(f"nothing to do: the project is of {record(root)['commit'][:12]}, as wanted")
        return 0
    before = state(root)
    said = merge(root, change)
    left = conflicts(root)
    for line in [*said, *lines(root, before, left)]:
        print(printable(line), flush=True)
    return 1 if left else 0
