"""Which commits name a hash, and what a commit's records say of what it names.

A commit names a hash when its dvc.lock or a .dvc file of it does. Every commit is looked at that a
branch (local or fetched), a tag, or the reflog still reaches.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from exact_model import git
from exact_model.dvcfiles import LOCK
from exact_model.git import contents, refs

RECORDS = (f":(top,glob)**/{LOCK}", ":(top,glob)**/*.dvc")
# What has commits beside branches and tags, by the beginning of its references.
HOLDERS = {
    "refs/stash": "git stash",
    "refs/exps/": "DVC's queue of experiments",
    "refs/notes/": "git notes",
    "refs/original/": "the backup of git filter-branch",
    "refs/bisect/": "git bisect",
}
EXPERIMENT = re.compile(r"refs/exps/[0-9a-f]{2}/[0-9a-f]{38}/(.+)")


@dataclass
class Found:
    """The commits that name a hash.

    `made` are those of them that do while none of their parents does, with the records that name
    it there (path from the top of the repository), oldest first, but those that no branch or tag
    reaches come last. `holders` has of each of the latter what reaches it, such as "git stash".
    `branches` contain one of `made`, and `tags` are of a commit that names the hash.
    """

    md5: str
    commits: list[str] = field(default_factory=list)
    made: dict[str, list[str]] = field(default_factory=dict)
    branches: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    holders: dict[str, str] = field(default_factory=dict)

    @property
    def kept(self) -> bool:
        """Whether a branch or a tag reaches one of `made`, so that git does not throw it away."""
        return any(commit not in self.holders for commit in self.made)

    @property
    def releases(self) -> list[str]:
        """Those of the tags that are releases."""
        return [tag for tag in self.tags if git.RELEASE.fullmatch(tag)]


def records(root: Path) -> dict[str, set[str]]:
    """Blob to paths of every dvc.lock and .dvc file of the history."""
    words = ["log", "--all", "--reflog", "--full-history", "-m", "--raw", "--no-abbrev", "-z"]
    listed = git.git(root, *words, "--no-renames", "--format=", "--", *RECORDS).split("\0")
    found: dict[str, set[str]] = {}
    for told, path in zip(listed[::2], listed[1::2], strict=False):
        _, mode, _, blob, _ = told.strip().split(" ")
        # Git takes names to look up one a line.
        usual = "\n" not in path and ".dvc" not in path.split("/")[:-1]
        if mode.startswith("100") and usual:
            found.setdefault(blob, set()).add(path)
    return found


def named(root: Path, start: str, blobs: dict[str, set[str]]) -> dict[str, set[str]]:
    """Each md5 that begins with `start` in one of `blobs`, to the blobs that name it."""
    wanted = re.compile(rb"\bmd5: ['\"]?(" + start.encode() + rb"[0-9a-f]*(?:\.dir)?)\b")
    found: dict[str, set[str]] = {}
    for line, text in contents(root, blobs):
        for md5 in set(wanted.findall(text)):
            found.setdefault(md5.decode(), set()).add(line.split()[0].decode())
    return found


def search(root: Path, start: str) -> list[Found]:
    """What is known of each md5 that begins with `start`."""
    blobs = records(root)
    return [
        where(root, md5, {b: blobs[b] for b in hit})
        for md5, hit in named(root, start, blobs).items()
    ]


def where(root: Path, md5: str, blobs: dict[str, set[str]]) -> Found:
    """The commits whose records are among `blobs`, which name `md5`."""
    listed = git.git(
        root, "rev-list", "--all", "--reflog", "--topo-order", "--parents"
    ).splitlines()
    parents = {words[0]: words[1:] for words in map(str.split, reversed(listed))}
    paths = sorted(set().union(*blobs.values()))
    asked = [(commit, path) for commit in parents for path in paths]
    answers = contents(root, (f"{commit}:{path}" for commit, path in asked), "--batch-check")
    naming: dict[str, list[str]] = {}
    for (commit, path), (line, _) in zip(asked, answers, strict=True):
        if line.split()[0].decode() in blobs:
            naming.setdefault(commit, []).append(path)
    found = Found(md5, [*naming], holders=holders(root, parents, [*naming]))
    for commit, files in sorted(naming.items(), key=lambda pair: pair[0] in found.holders):
        if not any(parent in naming for parent in parents[commit]):
            found.made[commit] = files
    holding = [f"--contains={commit}" for commit in found.made]
    for name, _ in refs(root, *holding, "refs/heads", "refs/remotes"):
        short = name.removeprefix("refs/").partition("/")[2]
        found.branches += [] if short.endswith("/HEAD") else [short]
    tags = refs(root, "refs/tags")
    found.tags = [name.removeprefix("refs/tags/") for name, commit in tags if commit in naming]
    return found


def holders(root: Path, parents: dict[str, list[str]], commits: list[str]) -> dict[str, str]:
    """What reaches each of `commits` that no branch or tag reaches."""
    heads: dict[str, list[str]] = {"": []}
    for name, commit in refs(root):
        heads.setdefault(holder(name), []).append(commit)
    reached = reachable(parents, heads.pop(""), set())
    others = [commit for commit in commits if commit not in reached]
    if not others:
        return {}
    # Of the stash, only the newest entry is a reference.
    stash = git.git(root, "log", "--walk-reflogs", "--format=%H", "refs/stash", "--", check=False)
    heads.setdefault(HOLDERS["refs/stash"], []).extend(stash.split())
    heads["the checked-out commit"] = git.git(root, "rev-parse", "HEAD", check=False).split()
    found = {}
    for name, tips in heads.items():
        reaches = reachable(parents, tips, reached)
        found |= {one: name for one in others if one in reaches and one not in found}
    return {commit: found.get(commit, "the reflog") for commit in others}


def holder(name: str) -> str:
    """What a reference is, in words; none for a branch or a tag."""
    if name.startswith(("refs/heads/", "refs/remotes/", "refs/tags/")):
        return ""
    if experiment := EXPERIMENT.fullmatch(name):
        return f"DVC's experiment {experiment[1]}"
    return next((word for start, word in HOLDERS.items() if name.startswith(start)), name)


def reachable(parents: dict[str, list[str]], tips: list[str], known: set[str]) -> set[str]:
    """The commits that `tips` reach, without those behind one that is in `known`."""
    found, todo = set(), [*tips]
    while todo:
        commit = todo.pop()
        if commit in parents and commit not in found and commit not in known:
            found.add(commit)
            todo += parents[commit]
    return found


# -- what a commit's records say
