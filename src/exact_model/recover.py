"""The command lines that get a file of a commit back, as they work here and now."""

import shlex
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from exact_model import git, recorded
from exact_model.commands import push
from exact_model.dvcfiles import overlap
from exact_model.errors import Refused
from exact_model.objects import Store
from exact_model.processes import program
from exact_model.show import SHORT

CONFIG = ".dvc/config"
NOWHERE = "its bytes are neither in DVC's cache nor on the DVC remote that .dvc/config names"


class Stored:
    """What DVC has in its cache and on its remotes; one on a network is believed to have all."""

    def __init__(self, root: Path):
        self.root = root

    @cached_property
    def store(self) -> Store:
        """Opened when it is needed, since the import of DVC is slow."""
        return Store(self.root)

    def cached(self, md5: str) -> bool:
        """Whether the cache has it, which may lie elsewhere than by default."""
        if (self.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).exists():
            return True
        try:
            return self.store.cache.exists(md5)
        except Refused:
            return False

    def has(self, md5: str, remote: str | None = None) -> bool:
        """Whether the cache or the remote has it; True where that cannot be found out."""
        if self.cached(md5):
            return True
        try:
            odb = self.store.remote(remote)
        except Refused:
            return True
        return odb is not None and (odb.fs.protocol != "local" or odb.exists(md5))


def lines(root: Path, known: dict, role: dict) -> Iterator[tuple[str, str]]:
    """A word and a command line each, to be run in the folder of the project.

    `known` is what `exact which` knows of a file, and `role` what the file is in the first commit.
    """
    best, path = known["made"][0], role["path"]
    revision, commit = release(root, known, role) or (best["commit"][:SHORT], best["commit"])
    word = shlex.quote(revision)
    verify = f"make verify REV={word}"
    if best["folder"] != known["here"] or role["role"] == "unknown":
        # What another project of this repository has stored is not looked at.
        yield "recover", f"git checkout {word} && make pull"
        if role["role"] == "output":
            yield "rebuild", verify
        return
    stored = Stored(root)
    named = push.named(root, [commit])
    absent = {name for _, name, one, remote in named if not stored.has(one, remote)}
    is_lost = git.content(root, commit, path) is None and not stored.has(known["md5"])
    checkout = f"{before(root, commit, stored)}git checkout {word} && {config(root, commit)}"
    if not absent:
        yield "recover", f"{checkout}make pull"
    if is_lost:
        yield "recover", NOWHERE
    elif alone := dvc_get(known["here"], word, path, stored.cached(known["md5"])):
        yield "recover" if absent else "", f"{alone}   (this file alone)"
    if role["role"] == "output":
        data = inputs(root, commit)
        if gone := absent & {*data}:
            yield "rebuild", f"impossible here: {', '.join(sorted(gone))} is lost, too"
            return
        if is_lost:
            pull = f"{program('dvc')} pull {shlex.join(data)} && " if data else ""
            yield "rebuild", f"{checkout}{pull}make"
        yield "" if is_lost else "rebuild", verify


def before(root: Path, commit: str, stored: Stored) -> str:
    """The commands without which git or DVC would not replace the files that lie here."""
    if not git.git(root, "rev-parse", "--verify", "--quiet", "HEAD", check=False):
        return ""
    named = [(root / name, md5, remote) for _, name, md5, remote in push.named(root, ["HEAD"])]
    alone = [one[1:] for one in named if one[0].exists() and not stored.cached(one[1])]
    is_uncached = alone and all(stored.has(*one) for one in alone)
    found = f"{program('dvc')} fetch && " if is_uncached else ""
    return found + ("git stash && " if is_in_the_way(root, commit) else "")


def inputs(root: Path, commit: str) -> list[str]:
    """The files of DVC's that the stages of a commit read and none of them makes."""
    records = recorded.Records.of(root, commit)
    needed = records.inputs(records.stages)
    return [path for path in records.data if any(overlap(path, dep) for dep in needed)]


def keep(root: Path, commit: str) -> str:
    """The command that gives a commit a branch of its own."""
    is_taken = git.git(root, "for-each-ref", "--format=%(refname)", "refs/heads/kept")
    return f"git branch kept{f'-{commit[:SHORT]}' * bool(is_taken)} {commit[:SHORT]}"


def release(root: Path, known: dict, role: dict) -> tuple[str, str] | None:
    """Name and commit of the first release, if it has the file there and no branch has its name."""
    for tag in known["releases"][:1]:
        commit = git.git(root, "rev-parse", f"refs/tags/{tag}^{{commit}}").strip()
        is_branch = git.git(root, "for-each-ref", "--format=%(refname)", f"refs/heads/{tag}")
        found = recorded.roles(root, commit, role["record"], known["md5"])
        places = [(one["role"], one["path"].removeprefix(known["here"])) for one in found]
        if (role["role"], role["path"]) in places and not is_branch:
            return tag, commit
    return None


def is_in_the_way(root: Path, commit: str) -> bool:
    """Whether a file that a checkout of `commit` would write has changes that are not in HEAD.

    Files are read here, since `git status` would run the filters that git's settings name.
    """
    words = ["diff", "--name-only", "--no-renames", "--relative", "-z", "HEAD", commit, "--", "."]
    names = [name for name in git.git(root, *words).split("\0") if name and "\n" not in name]
    held = git.contents(root, [f"HEAD:{git.prefix(root)}{name}" for name in names])
    for name, (_, text) in zip(names, held, strict=True):
        file = root / name
        if (file.read_bytes() if file.is_file() else b"") != text[:-1]:
            return True
    return False


def config(root: Path, commit: str) -> str:
    """The command that keeps the address of the DVC remote, where `commit` has another one."""
    here = git.content(root, "HEAD", CONFIG)
    if here is None or here == git.content(root, commit, CONFIG):
        return ""
    return f"git checkout {git.git(root, 'rev-parse', '--short=12', 'HEAD').strip()} {CONFIG} && "


def dvc_get(inside: str, revision: str, path: str, is_cached: bool) -> str | None:
    """The command that gets one file alone; None where there is none.

    In a project in the folder `inside` of its repository, DVC finds only what is in the cache.
    """
    if inside and not is_cached:
        return None
    top = "/".join([".."] * inside.count("/")) or "."
    file = shlex.quote(inside + path)
    return f"{program('dvc')} get {top} {file} --rev {revision} --out recovered"
