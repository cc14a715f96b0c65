"""Merge into a project what its template changed, as git merges a branch.

.cruft.json says which commit of which template a project is of, in the form of cruft. cruft makes a
project of that commit and one of the commit to go to, and git merges what differs between the two:
a file that both sides changed is merged line by line, and is a plain conflict where that fails.
"""

import json
import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exact_model import git
from exact_model.errors import Refused
from exact_model.processes import call

RECORD = ".cruft.json"
# Of what goes wrong the text alone, and no traceback.
CRUFT = """
import json, sys
from pathlib import Path
import cruft
asked = json.loads(sys.argv[1])
try:
    cruft.create(asked.pop("template"), Path(asked.pop("output_dir")), **asked)
except Exception as error:
    sys.exit(str(error))
"""
# Whatever a user has set, a file is followed, and a folder is not guessed.
RENAMES = ("-c", "merge.renames=true", "-c", "merge.directoryRenames=false")
PERSON = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in (("NAME", "exact update"), ("EMAIL", "exact-update@localhost"))
}


def record(root: Path) -> dict:
    """What cruft has written down of the template."""
    try:
        found = json.loads((root / RECORD).read_text(encoding="utf-8"))
        found["commit"] + found["template"]
        found["context"]["cookiecutter"].keys()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise Refused(f"{RECORD} is broken; `git log {RECORD}` has older ones") from error
    return found


def status(root: Path) -> list[tuple[str, str]]:
    """Git's two letters on each file of the whole repository that is not as in HEAD, and its path
    from the project's folder. All of a repository that holds several projects is looked at, for
    the update can be taken back by `git reset --hard` alone."""
    found = git.git(root, "status", "--porcelain", "--no-renames", "-z", own=False).split("\0")
    top = git.git(root, "rev-parse", "--show-toplevel", own=False).strip("\n")
    return [(one[:2], os.path.relpath(Path(top, one[3:]), root)) for one in found if one]


def clone(root: Path, folder: Path, known: dict, wanted: str) -> tuple[str, str]:
    """Clone the template to the new `folder`; the commits that the project is of and goes to."""
    template = known["template"]
    try:
        git.git(root, "clone", "--quiet", "--no-checkout", template, folder, own=False)
    except git.Failed as error:
        told = f"the template {template} cannot be cloned: {error.reason}"
        raise Refused(f"{told}; if it has moved, correct its address in {RECORD}") from error
    old = git.peel(folder, known["commit"])
    if not old:
        raise Refused(f"{template} has no commit {known['commit']}, which {RECORD} names")
    new = git.peel(folder, f"origin/{wanted}") or git.peel(folder, wanted) if wanted else ""
    if wanted and not new:
        raise Refused(f"{template} has no commit, tag or branch {wanted}")
    return old, new or git.peel(folder, "HEAD")


def render(folder: Path, known: dict, template: Path, commit: str) -> tuple[Path, dict]:
    """The project as the template's `commit` makes it, below the new `folder`; its context."""
    folder.mkdir()
    answers = known["context"]["cookiecutter"].items()
    asked = {
        "template": str(template),
        "output_dir": str(folder),
        "checkout": commit,
        "directory": known.get("directory"),
        # The others are not answers, but what the template makes of them.
        "extra_context": {name: value for name, value in answers if not name.startswith("_")},
    }
    said: list[str] = []
    command = [sys.executable, "-I", "-c", CRUFT, json.dumps(asked)]
    if call(command, folder, dict(os.environ), said.append):
        # A hook says what is wrong, and cookiecutter then that a hook failed.
        cause = "; ".join(said[-3:])[:600] or "it failed"
        raise Refused(f"the template's commit {commit[:12]} cannot be rendered: {cause}")
    (made,) = folder.iterdir()
    return made, json.loads((made / RECORD).read_text(encoding="utf-8"))["context"]


def skipped(root: Path, known: dict) -> list[str]:
    """What cruft's settings keep out of updates, and what is not the template's."""
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    more = settings.get("tool", {}).get("cruft", {}).get("skip", [])
    return [RECORD, *known.get("skip", []), *more]


def commit_of(root: Path, made: Path, skip: list[str], parent: str, message: str) -> str:
    """A commit of the files in `made`, at the project's place in its repository."""
    for path in {path for wild in skip for path in made.glob(wild)}:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    places = ("--absolute-git-dir", "--show-prefix")
    inside, prefix = (git.git(root, "rev-parse", x, own=False).strip("\n") for x in places)
    own = {"GIT_DIR": inside, "GIT_WORK_TREE": str(made), "GIT_INDEX_FILE": f"{made}.index"}
    git.git(made, "-c", f"core.excludesFile={os.devnull}", "add", "--all", **own)
    tree = git.git(made, "write-tree", **own).strip()
    if prefix:
        own["GIT_INDEX_FILE"] += ".whole"
        git.git(made, "read-tree", f"--prefix={prefix}", tree, **own)
        tree = git.git(made, "write-tree", **own).strip()
    words = ["commit-tree", "-m", message, *(["-p", parent] if parent else []), tree]
    return git.git(made, *words, **own, **PERSON).strip()


@dataclass(frozen=True)
class Change:
    """What a template has changed: a commit of git's that says so, and the new .cruft.json."""

    commit: str
    record: dict


def changed(root: Path, wanted: str) -> Change | None:
    """What the template has changed up to its commit `wanted`, the newest one where that is empty.

    Git keeps it as a commit that no branch names. None where the project is of that commit.
    """
    known = record(root)
    with tempfile.TemporaryDirectory(prefix="exact-update-") as name:
        folder = Path(name).resolve()
        commits = clone(root, folder / "template", known, wanted)
        if commits[0] == commits[1]:
            return None
        skip, made = skipped(root, known), ""
        for number, commit in enumerate(commits):
            project, context = render(folder / str(number), known, folder / "template", commit)
            made = commit_of(root, project, skip, made, f"the template at {commit[:12]}")
    context["cookiecutter"]["_template"] = known["template"]
    new = {"commit": commits[1], "checkout": wanted or None, "context": context}
    return Change(made, {**known, **new})


def merge(root: Path, change: Change) -> list[str]:
    """Merge it into the working tree and the index; what of it a user may not expect, in words."""
    try:
        git.git(root, *RENAMES, "cherry-pick", "--no-commit", change.commit)
    except git.Failed:
        # Conflicts are looked at later; anything else has left the working tree as it was.
        if not any("U" in letters or letters == "AA" for letters, _ in status(root)):
            raise
    text = json.dumps(change.record, ensure_ascii=False, indent=2) + "\n"
    (root / RECORD).write_text(text, encoding="utf-8", newline="\n")
    return [*settled(root)]


def settled(root: Path) -> Iterator[str]:
    """Settle the conflicts that have one good end, and tell which."""
    for letters, path in status(root):
        if letters in ("DU", "UA"):
            git.git(root, "rm", "--quiet", "--", path)
            yield f"{path}: the template changed it; you have removed it, and it stays so"
        elif letters in ("UU", "AA") and path.endswith(".whl"):
            git.git(root, "checkout", "--theirs", "--", path)
            git.git(root, "add", "--", path)
            yield f"{path}: it was not the template's, and is now"
