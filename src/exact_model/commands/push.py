"""`exact push`: copy to the DVC remote what the commits name that no git remote has yet.

`dvc push` copies what the working tree names, and with --all-commits it may copy to another place
than the configured one: of an older commit it takes a relative address from the root of the disk.
The exit status is 0 when the remote has it all, and 1 when something is neither here nor there.
"""

import argparse
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from exact_model import describes, dvcfiles, git, gitsetup, history
from exact_model.commands.pull import set_aside, wanted
from exact_model.dvcfiles import Commit, parsed, tracked
from exact_model.errors import Refused
from exact_model.objects import NO_REMOTE, Store, md5_of
from exact_model.packages import project_root
from exact_model.progress import Progress
from exact_model.text import SHORT, printable

# Files named in one message.
MOST_TOLD = 3
Named = tuple[str, str, str, str | None]


def recorded(root: Path, *which: str) -> list[str]:
    """Those of the commits `which` whose records differ from their parents', oldest first."""
    words = ["rev-list", "--reverse", "--full-history", *which, "--", *history.RECORDS]
    return git.git(root, *words).split()


def named(root: Path, commits: list[str]) -> Iterator[Named]:
    """Commit, path, md5 and remote of each object that a clone would need.

    What git holds it has from there, and what is declared `push: false` is nobody else's.
    """
    inside = git.prefix(root)
    locks = git.contents(root, [f"{commit}:{inside}{dvcfiles.LOCK}" for commit in commits])
    for commit, (_, lock) in zip(commits, locks, strict=True):
        words = ["ls-tree", "-r", "-z", "--name-only", "--full-tree", commit, inside or "."]
        held = {path.removeprefix(inside) for path in git.git(root, *words).split("\0")}
        told = dvcfiles.settings(parsed(git.content(root, commit, "dvc.yaml", inside) or b""))
        for _, path, out in tracked(Commit(root, commit, inside)):
            if out.get("push") is not False and describes.MD5.fullmatch(str(out.get("md5"))):
                yield commit, path, out["md5"], out.get("remote")
        for path, md5 in dvcfiles.locked_outputs(lock):
            own = told.get(path, {})
            in_git = path in held or any(name.startswith(path + "/") for name in held)
            if own.get("push") is not False and not in_git:
                yield commit, path, md5, own.get("remote")


def absent(root: Path, store: Store, commits: Iterable[str]) -> list[Named]:
    """What the commits name and the DVC remote lacks, each object once, by the oldest commit."""
    wanted: dict[tuple[str | None, str], Named] = {}
    for one in named(root, list(commits)):
        wanted.setdefault((one[3], one[2]), one)
    found = []
    for remote in dict.fromkeys(remote for remote, _ in wanted):
        odb = store.remote(remote)
        if odb is None:
            raise Refused(NO_REMOTE)
        md5s = [md5 for other, md5 in wanted if other == remote]
        there = set(odb.oids_exist(md5s))
        found += [wanted[remote, md5] for md5 in md5s if md5 not in there]
    return found


def check_cache(root: Path, store: Store, on_progress: Callable[[str], None] = len) -> None:
    """Repair what is damaged in the cache from the working tree: DVC would push it as it is.

    Refused where the working tree does not have the right bytes either.
    """
    for one in wanted(store):
        on_progress(f"hashing {one.path.relative_to(root)}")
        if store.state(store.cache, one.md5, len) != "damaged":
            continue
        if not one.path.is_file() or md5_of(one.path) != one.md5:
            told = f"{one.path.relative_to(root)} ({one.md5}) is damaged in the cache"
            raise Refused(f"{told}; `make pull` takes it from the remote again")
        set_aside(root, store, one)
        store.keep(one.path, one.md5)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    what = "copy nothing, and hash what the cache holds of this commit (make push calls it first)"
    parser.add_argument("--check", action="store_true", help=what)


def main(arguments: argparse.Namespace) -> int:
    """Copy what is missing on the remote, each object hashed on the way."""
    root = project_root(Path.cwd()).resolve()
    gitsetup.hide_stores(root)
    store = Store(root)
    if arguments.check:
        with Progress() as progress:
            check_cache(root, store, progress.detail)
        return 0
    states = []
    with Progress() as progress:
        commits = recorded(root, "HEAD", "--not", "--remotes")
        if commits:
            progress.step(f"asking the DVC remote for the files of {len(commits)} commits")
        lost = absent(root, store, commits)
        for number, (commit, path, md5, remote) in enumerate(lost, 1):
            progress.step(f"copying {path} of {commit[:SHORT]} ({number} of {len(lost)})")
            states.append(store.push(md5, remote))
    copied = states.count("intact")
    if copied:
        print(f"{copied} files of older commits copied too")
    gone = [(*one, state) for one, state in zip(lost, states, strict=True) if state != "intact"]
    for commit, path, md5, _, state in gone[:MOST_TOLD]:
        told = f"{path} of {commit[:SHORT]} ({md5}) is not on the remote, and {state} in the cache"
        told += f"; make it again: `git checkout {commit[:SHORT]} && make && make push`"
        print(f"exact: {printable(told)}", file=sys.stderr)
    return int(bool(gone))
