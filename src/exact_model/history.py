"""Which commits name a hash, and what a commit's records say of what it names.

A commit names a hash when its dvc.lock or a .dvc file of it does. Every commit is looked at that a
branch (local or fetched), a tag, or the reflog still reaches.
"""

import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from exact_model import git
from exact_model.errors import Refused
from exact_model.rebuild import outputs, parsed, stages_of

LOCK = "dvc.lock"
RECORDS = (f":(top,glob)**/{LOCK}", ":(top,glob)**/*.dvc")
# A path in a dvc.lock and its md5.
LOCKED = re.compile(rb"path: (.+)\n(?:\s+hash: md5\n)?\s+md5: ['\"]?([0-9a-f]{32}(?:\.dir)?)\b")
# The part of a stage, as DVC writes it, on what it has made.
OUTPUTS = re.compile(rb"^    outs:\n((?:    [- ].*(?:\n|\Z))*)", re.MULTILINE)
# What every stage depends on beside its code and data.
ENVIRONMENT = ("requirements.lock", ".python-version")
# One line for each commit, whose fields are as few bytes as no name can hold.
FORMAT = "%H%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%s"
FIELDS = ("commit", "author", "email", "date", "committer", "committer_email", "committed")
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


def contents(root: Path, names: Iterable[str], *more: str) -> Iterator[list[bytes]]:
    """For each of `names`, what `git cat-file` prints of it: its line, and then its bytes.

    `more` are options; with --batch-check there are no bytes.
    """
    with tempfile.TemporaryFile() as asked:
        asked.write("".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape"))
        asked.seek(0)
        with git.opened(root, "cat-file", *(more or ["--batch"]), stdin=asked) as output:
            while line := output.readline():
                size = line.split()[-1]
                body = b""
                if not more and size.isdigit():
                    body = output.read(int(size) + 1)
                yield [line, body]


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


def refs(root: Path, *which: str) -> list[tuple[str, str]]:
    """Name and commit of each of the references `which`, oldest first."""
    form = "%(refname)%00%(objectname)%00%(*objectname)"
    order = ["--sort=version:refname", "--sort=creatordate"]
    words = ["for-each-ref", *order, f"--format={form}", *which]
    listed = git.git(root, *words).splitlines()
    return [(name, peeled or commit) for name, commit, peeled in (x.split("\0") for x in listed)]


# -- what a commit's records say


def person(root: Path, commit: str) -> dict[str, str]:
    """Who made a commit and when (ISO 8601), and its subject."""
    told = git.git(root, "log", "-1", f"--format={FORMAT}", commit).rstrip("\n").split("\0")
    return dict(zip((*FIELDS, "subject"), told, strict=True))


@dataclass
class Records:
    """What a commit's dvc.lock and .dvc files record, and the texts beside them.

    `data` is path to md5 and remote of what .dvc files track, and `private` has what is not to be
    pushed. Of files that are missing or broken there is nothing.
    """

    stages: dict[str, dict]
    data: dict[str, tuple[str, str | None]]
    private: set[str]
    params: dict
    lock: str
    python: str

    @classmethod
    def of(cls, root: Path, commit: str, inside: str | None = None) -> "Records":
        """Those of the project as of `commit`; `inside` is its prefix, where that is another."""
        inside = git.prefix(root) if inside is None else inside

        def text(name: str) -> bytes:
            return git.content(root, commit, name, inside) or b""

        content = parsed(text("params.yaml"))
        stages = stages_of(git.content(root, commit, LOCK, inside))
        data = dict(tracked(root, commit, inside))
        return cls(
            {name: tidy(stage) for name, stage in stages.items()},
            {path: (out.get("md5") or "", out.get("remote")) for path, out in data.items()},
            {path for path, out in data.items() if out.get("push") is False}
            | unpushed(parsed(text("dvc.yaml"))),
            content if isinstance(content, dict) else {},
            text("requirements.lock").decode(errors="replace"),
            text(".python-version").decode(errors="replace").strip(),
        )

    def md5(self, path: str) -> str | None:
        """The recorded md5 of an output or a tracked file."""
        made = {name: md5 for stage in self.stages.values() for name, md5 in outputs(stage).items()}
        return made.get(path) or self.data.get(path, (None, None))[0]

    def upstream(self, stage: str) -> list[str]:
        """The stage and all that it depends on, in the order of dvc.lock."""
        makers = {path: name for name in self.stages for path in outputs(self.stages[name])}
        found, waiting = set(), [stage]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                deps = [dep["path"] for dep in self.stages[name].get("deps", [])]
                waiting += [makers[path] for path in deps if path in makers]
        return [name for name in self.stages if name in found]

    def inputs(self, names: Iterable[str]) -> dict[str, str | None]:
        """Path to md5 of what the stages `names` read and no stage has made."""
        made = {path for stage in self.stages.values() for path in outputs(stage)}
        deps = [dep for name in names for dep in self.stages[name].get("deps", [])]
        return {dep["path"]: dep.get("md5") for dep in deps if dep["path"] not in made}


def tidy(stage: object) -> dict:
    """A stage's record without what has not the form of one."""
    params = stage.get("params") if isinstance(stage, dict) else None
    files = params.items() if isinstance(params, dict) else ()
    return {
        "outs": listed(stage, "outs"),
        "deps": listed(stage, "deps"),
        "params": {name: values for name, values in files if isinstance(values, dict)},
    }


def settings(pipeline: object) -> dict[str, dict]:
    """What a dvc.yaml says of outputs beside their path, such as push and remote."""
    stages = pipeline.get("stages") if isinstance(pipeline, dict) else None
    found = {}
    for stage in stages.values() if isinstance(stages, dict) else ():
        for kind in ("outs", "metrics", "plots"):
            items = stage.get(kind) if isinstance(stage, dict) else None
            for item in items if isinstance(items, list) else ():
                for path, told in item.items() if isinstance(item, dict) else ():
                    found[path] = told if isinstance(told, dict) else {}
    return found


def unpushed(pipeline: object) -> set[str]:
    """The outputs that a dvc.yaml says are not to be pushed."""
    return {path for path, told in settings(pipeline).items() if told.get("push") is False}


def tracked(root: Path, commit: str, inside: str) -> Iterator[tuple[str, dict]]:
    """Path and record of what each .dvc file of `commit` tracks."""
    words = ["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit, inside or "."]
    for path in git.git(root, *words).split("\0"):
        name = path.removeprefix(inside)
        if path.startswith(inside) and name.endswith(".dvc") and ".dvc" not in name.split("/")[:-1]:
            content = parsed(git.content(root, commit, name, inside) or b"")
            for out in listed(content, "outs"):
                folder = PurePosixPath(name).parent / str(content.get("wdir", "."))
                yield (folder / out["path"]).as_posix(), out


def listed(content: object, key: str) -> list[dict]:
    """The items of a record's list that have a path; none where it has another form."""
    found = content.get(key) if isinstance(content, dict) else None
    items = found if isinstance(found, list) else []
    return [i for i in items if isinstance(i, dict) and isinstance(i.get("path"), str)]


def locked(lock: bytes) -> list[tuple[str, str]]:
    """Path and md5 of all that a dvc.lock names, read without a YAML parser, which is slow."""
    found = [(name.decode(errors="replace"), md5.decode()) for name, md5 in LOCKED.findall(lock)]
    return [(name.strip("'\""), md5) for name, md5 in found]


def locked_outputs(lock: bytes) -> list[tuple[str, str]]:
    """The same of what stages have made, and of nothing that they read."""
    blocks = OUTPUTS.findall(lock)
    if lock.count(b"outs:") == len(blocks):
        return [pair for block in blocks for pair in locked(block)]
    # Not as DVC writes it, so it is read as slowly as that needs.
    return [pair for stage in stages_of(lock).values() for pair in outputs(tidy(stage)).items()]


def roles(root: Path, commit: str, path: str, md5: str) -> Iterator[dict[str, str]]:
    """What the hash `md5` stands for in the record `path` (from the top) of `commit`."""
    text = git.content(root, commit, path, "") or b""
    if PurePosixPath(path).name != LOCK:
        content = parsed(text)
        for out in listed(content, "outs"):
            if out.get("md5") == md5:
                place = PurePosixPath(path).parent / str(content.get("wdir", ".")) / out["path"]
                yield {"record": path, "role": "data", "path": place.as_posix()}
        return
    for role, key in (("output", "outs"), ("input", "deps")):
        found = [
            {"record": path, "role": role, "stage": name, "path": item["path"]}
            for name, stage in stages_of(text).items()
            for item in listed(stage, key)
            if item.get("md5") == md5
        ]
        if found:
            yield from found
            return


def metrics(root: Path, commit: str, inside: str, stages: dict[str, dict]) -> dict:
    """The content of those outputs of `stages` that git has and that hold names and values."""
    found = {}
    for path in dict.fromkeys(out["path"] for stage in stages.values() for out in stage["outs"]):
        if path.endswith((".json", ".yaml", ".yml")):
            content = parsed(git.content(root, commit, path, inside) or b"")
            if isinstance(content, dict):
                found[path] = content
    return found


def resolved(root: Path, name: str) -> str:
    """The full hash of the one commit that `name` means; Refused for none or a range."""
    found = git.commits(root, name)
    if len(found) != 1 or ".." in name:
        raise Refused(f"{name} is a range of commits; name one")
    return found[0][1]
