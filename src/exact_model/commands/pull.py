"""`exact pull`: get this commit's data and models from the remote, and hash what was put here.

DVC believes its cache, so a damaged object is put into the working tree as if it were right. Here
such an object is set aside and taken from the remote again. The exit status is 0 when all is as
recorded, and 1 when it is not, or DVC could not get it.
"""

import argparse
import filecmp
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exact_model import git
from exact_model.errors import Refused
from exact_model.objects import FOLDER, Store, md5_of
from exact_model.packages import project_root
from exact_model.processes import ROOM, program
from exact_model.progress import Progress
from exact_model.text import printable

# Files named one by one.
MOST_TOLD = 5
CONFIG = ".dvc/config"


@dataclass(frozen=True)
class Wanted:
    """A file that a pull puts into the working tree: its place, its md5, its remote."""

    path: Path
    md5: str
    remote: str | None


def dvc_pull(root: Path) -> int:
    """Let DVC do its part, as it would be called by hand."""
    return subprocess.run([sys.executable, "-P", "-m", "dvc", "pull"], cwd=root).returncode


# -- what is here, and should be


def wanted(store: Store) -> Iterator[Wanted]:
    """Each file that is recorded, of folders those in them as far as their lists are intact."""
    for path, md5, remote in store.outputs():
        if not md5.endswith(FOLDER):
            yield Wanted(path, md5, remote)
            continue
        listing = bytearray()
        if store.state(store.cache, md5, listing.extend) != "intact":
            yield Wanted(path, md5, remote)
            continue
        for file in json.loads(listing):
            yield Wanted(path / file["relpath"], file["md5"], remote)


def wrong(store: Store) -> list[Wanted]:
    """Those files that are here with other bytes, and folders whose list is damaged."""
    return [one for one in wanted(store) if not as_recorded(store, one)]


def as_recorded(store: Store, one: Wanted) -> bool:
    """Whether a file has the recorded bytes; what is not here has no wrong ones."""
    if one.md5.endswith(FOLDER):
        return store.state(store.cache, one.md5, len) == "missing"
    return not one.path.is_file() or md5_of(one.path) == one.md5


def set_aside(root: Path, store: Store, one: Wanted) -> bool:
    """Move a damaged object out of the cache, and its copy out of the working tree.

    Returns whether there was one. A file that was changed here is left alone. Raises OSError where
    the cache may not be written.
    """
    if store.state(store.cache, one.md5, len) != "damaged":
        return False
    damaged, kept = Path(store.cache.oid_to_path(one.md5)), root / ROOM / "damaged" / one.md5
    copied = one.path.is_file() and filecmp.cmp(one.path, damaged, shallow=False)
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(damaged, kept)
    # A link to what was moved leads nowhere now.
    if copied or one.path.is_symlink():
        one.path.unlink()
    name = one.path.relative_to(root)
    print(f"{printable(str(name))} was damaged in the cache, which has moved to {kept}", flush=True)
    return True


def reason(root: Path, store: Store, one: Wanted) -> str:
    """Why a file is not as recorded, and what to do."""
    name = one.path.relative_to(root)
    state = store.state(store.cache, one.md5, len)
    if state == "intact":
        told = f"{name} was changed here and is not the recorded one ({one.md5})"
        return f"{told}; move it away and run `make pull` again"
    odb = store.remote(one.remote)
    there = store.state(odb, one.md5, len) if odb else "missing"
    told = f"{name} ({one.md5}) is {state} in the cache and {there} on the remote"
    return f"{told}; `make` makes it again if a stage makes it, else ask who has it"


# -- a store that has moved


def moved(root: Path, store: Store, name: str) -> str | None:
    """What to say where the address of the remote `name` is not there; None if it may be."""
    address, local = store.address(name)
    folder = "://" not in address
    if folder and is_store(address):
        return None
    where = f"{CONFIG}.local" if local else f"this commit's {CONFIG}"
    told = f"{where} names {address} as the DVC remote {name}"
    told += ", which is not there" if folder else ", from which nothing came"
    for branch, other in addresses(root, name):
        if other != address and ("://" in other or is_store(other)):
            modify = modified(name, other)
            return f"{told}; {branch} names {other}: run `{modify}`, then `make pull`"
    modify = modified(name, "ADDRESS")
    return f"{told}; mount it, or say where it is: `{modify}`" if folder else None


def modified(name: str, address: str) -> str:
    """The command that gives the DVC remote `name` another address, on this machine only."""
    return shlex.join([program("dvc"), "remote", "modify", "--local", name, "url", address])


def is_store(folder: str) -> bool:
    """Whether DVC has put anything into a folder; `exact setup` makes an empty one."""
    return any(path.is_dir() for path in Path(folder, "files").glob("*"))


def addresses(root: Path, name: str) -> Iterator[tuple[str, str]]:
    """Each branch, the newest first, and its address of the DVC remote `name` or its default."""
    words = ["for-each-ref", "--sort=-committerdate", "--format=%(refname:short)%00%(objectname)"]
    refs = git.git(root, *words, "refs/heads", "refs/remotes", check=False).splitlines()
    pairs = [line.split("\0") for line in refs]
    # Without git there is no branch either.
    inside = git.prefix(root) if pairs else ""
    texts = git.contents(root, [f"{commit}:{inside}{CONFIG}" for _, commit in pairs])
    for (branch, _), (_, text) in zip(pairs, texts, strict=True):
        config = configured(text)
        remotes = config.get("remote", {})
        one = remotes.get(name) or remotes.get(config.get("core", {}).get("remote")) or {}
        if address := one.get("url"):
            # A relative path is one from the configuration's own folder.
            folder = os.path.normpath(root / ".dvc" / address)
            yield branch, address if "://" in address else folder


def configured(text: bytes) -> dict:
    """The content of a DVC configuration file; empty where it is none."""
    from dvc.config import Config, ConfigError

    with tempfile.TemporaryDirectory(prefix="exact-") as folder:
        file = Path(folder) / "config"
        file.write_bytes(text)
        try:
            return Config.load_file(str(file))
        except (ConfigError, ValueError):
            return {}


# -- the command


def repaired(root: Path, store: Store, progress: Progress) -> tuple[int, list[Wanted]]:
    """Status and wrong files after what is damaged was set aside and pulled again."""
    progress.step("hashing what is here")
    bad, aside = wrong(store), []
    progress.clear()
    for one in bad:
        try:
            aside += [one] if set_aside(root, store, one) else []
        except OSError as error:
            told = f"{one.path.relative_to(root)} is damaged in the cache"
            raise Refused(f"{told}, which cannot be repaired from here: {error}") from error
    if not aside:
        return 0, bad
    status = dvc_pull(root)
    return status, [*wrong(store), *(one for one in aside if not one.path.exists())]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def main(arguments: argparse.Namespace) -> int:
    """Pull, check and repair; the exit status says whether all that is here is as recorded."""
    root = project_root(Path.cwd()).resolve()
    status = dvc_pull(root)
    store = Store(root)
    with Progress() as progress:
        again, bad = repaired(root, store, progress)
    told = [reason(root, store, one) for one in bad]
    if status or again:
        told += filter(None, (moved(root, store, name) for name in store.names()))
    for sentence in told[:MOST_TOLD]:
        print(f"exact: {printable(sentence)}", file=sys.stderr)
    if len(told) > MOST_TOLD:
        print(f"exact: and {len(told) - MOST_TOLD} more", file=sys.stderr)
    return int(bool(status or again or told))
