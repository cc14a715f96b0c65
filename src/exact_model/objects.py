"""The bytes that a recorded hash stands for, from DVC's cache or remote, hashed as they are read.

DVC trusts its cache and, unless told otherwise, its remotes: a flipped bit is checked out as if it
were the recorded file (treeverse/dvc #5978). Nothing here believes a name.
"""

import contextlib
import functools
import hashlib
import json
import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from exact_model.errors import Refused

BLOCK = 1 << 20
FOLDER = ".dir"
PULL = "run `make pull`"
NO_REMOTE = (
    "there is no DVC remote to keep data and models on; "
    "add one: `.venv/bin/dvc remote add --default store ../store`, and commit .dvc/config"
)


@functools.cache
def scratch() -> str:
    """A folder for this process alone, removed when it ends."""
    folder = tempfile.TemporaryDirectory(prefix="exact-")
    # Held, since it is removed as soon as nothing refers to it.
    return _held.append(folder) or folder.name


_held = []


class Store:
    """The cache and the remotes of the project at `root`, as they are configured now.

    `on_progress` gets what is fetched from a remote, which may take long. `get` says what to do
    about an object that is nowhere.
    """

    def __init__(self, root: Path, on_progress: Callable[[str], None] = len, get: str = PULL):
        self._on_progress = on_progress
        # Imported when first needed, for it takes a third of a second.
        from dvc.exceptions import DvcException
        from dvc.repo import Repo

        # DVC unpickles what it finds in its site cache. That must not be one that others may write
        # into, or that the project's own configuration names.
        place = os.environ.get("DVC_SITE_CACHE_DIR") or scratch()
        self.get = get
        self._remotes = {}
        self._states = {}
        self._lock = threading.Lock()
        try:
            self._repo = Repo(str(root), config={"core": {"site_cache_dir": place}})
            self.cache = self._repo.cache.local
        except DvcException as error:
            raise Refused(f"DVC cannot open this project: {error}") from error

    def remote(self, name: str | None = None):
        """The objects of the remote `name` or, without one, of the default; None if there is none.

        Raises Refused when it cannot be opened, or keeps its files under other names than hashes.
        """
        from dvc.config import NoRemoteError
        from dvc.exceptions import DvcException

        with self._lock:
            if name not in self._remotes:
                try:
                    self._remotes[name] = self._repo.cloud.get_remote_odb(name)
                except NoRemoteError:
                    self._remotes[name] = None
                except (DvcException, OSError, ImportError, ValueError) as error:
                    raise Refused(f"the DVC remote cannot be opened: {error}") from error
            return self._remotes[name]

    def outputs(self) -> list[tuple[Path, str, str | None]]:
        """Place, md5 and own remote of all that dvc.lock and .dvc files record and DVC caches."""
        from dvc.exceptions import DvcException

        try:
            outs = [out for out in self._repo.index.outs if out.use_cache and out.is_in_repo]
        except DvcException as error:
            raise Refused(f"DVC cannot read its records: {error}") from error
        outs = [out for out in outs if out.hash_name == "md5" and out.hash_info]
        return [(Path(out.fs_path), out.hash_info.value, out.remote) for out in outs]

    def names(self) -> list[str]:
        """The remotes that the records here use, the default first."""
        default = self._repo.config["core"].get("remote")
        found = dict.fromkeys([default, *(remote for _, _, remote in self.outputs())])
        return [name for name in found if name in self._repo.config["remote"]]

    def address(self, name: str) -> tuple[str, bool]:
        """The address of a remote, and whether it is not git's, but this clone's own."""
        local = self._repo.config.load_one("local").get("remote", {}).get(name, {})
        return self._repo.config["remote"][name]["url"], "url" in local

    def reachable(self) -> bool:
        """Whether the default remote is elsewhere, or a folder of this machine that is there."""
        odb = self.remote()
        return odb.fs.protocol != "local" or Path(odb.path).parents[1].is_dir()

    def configure(self, clone: Path, named: set[str]) -> None:
        """Give a clone of the project at `clone` this one's remotes, and a cache of its own.

        Their addresses may be paths from here, and what opens them is in no commit. `named` are
        remotes that its .dvc files name. Refused where the configuration of the commit that is
        checked out there has another address for one of these, or for the default, than is used.
        """
        from dvc.config import Config

        committed = Config.load_file(str(clone / ".dvc/config"))
        here = Config.load_file(str(Path(self._repo.root_dir) / ".dvc/config"))
        own, used = self._repo.config.load_one("repo"), self._repo.config
        default = committed.get("core", {}).get("remote")
        for name in sorted({str(default), *named}):
            # As they are written, since a path would be one from each clone.
            addresses = [
                told.get("remote", {}).get(name, {}).get("url") for told in (committed, here)
            ]
            urls = [told.get("remote", {}).get(name, {}).get("url") for told in (own, used)]
            other = default != used["core"].get("remote") or urls[0] != urls[1]
            if other or None in addresses or addresses[0] != addresses[1]:
                told = f"the commit's .dvc/config has another DVC remote than is used here ({name})"
                raise Refused(f"{told}, so no clone would find it; release a commit that has it")
        default = self._repo.config["core"].get("remote")
        ours = {"core": {"remote": default} if default else {}}
        ours["cache"] = {"dir": str(clone / ".dvc/cache"), "type": "copy"}
        text = config_text(self._repo.config["remote"], **ours)
        (clone / ".dvc/config.local").write_bytes(text)

    def fetch(self, md5: str, path: Path, remote: str | None = None) -> None:
        """Write the object `md5` to `path`, a folder if it is one; Refused where none is intact."""
        path.parent.mkdir(parents=True, exist_ok=True)
        state = self.copied(self.cache, md5, path)
        told = f"{state} in the cache"
        if state != "intact":
            odb = self.remote(remote)
            self._on_progress(f"getting {md5} from the remote")
            state = self.copied(odb, md5, path) if odb else "missing"
            told += f" and {state} on the remote" if odb else " and there is no remote"
            if state == "intact":
                self.keep(path, md5)
        if state != "intact":
            path.unlink(missing_ok=True)
            # What cannot be read, for want of a right or by a disk's fault, no pull brings back.
            fix = "fix that" if "unreadable" in told and self.get == PULL else self.get
            raise Refused(f"its object {md5} is {told}; {fix}")
        if md5.endswith(FOLDER):
            files = json.loads(path.read_bytes())
            path.unlink()
            for file in files:
                if ".." in file["relpath"].split("/") or file["relpath"].startswith("/"):
                    raise Refused(f"its object {md5} names {file['relpath']}, outside of it")
                self.fetch(file["md5"], path / file["relpath"], remote)

    def state(self, odb, md5: str, write: Callable[[bytes], object] | None = None) -> str:
        """What the object `md5` of `odb` is: intact, damaged, missing or unreadable.

        Each block of its bytes is also given to `write`. Without that, what was read once is known.
        """
        if write or (odb.path, md5) not in self._states:
            self._states[odb.path, md5] = state(odb, md5, write or len)
        return self._states[odb.path, md5]

    def copied(self, odb, md5: str, path: Path) -> str:
        """Write the object `md5` to `path`, Refused where that fails; returns its state."""
        try:
            with open(path, "wb") as file:
                return self.state(odb, md5, file.write)
        except OSError as error:  # Of the file that is written, for `state` tells of the object.
            raise Refused(f"{path} cannot be written: {error.strerror}; fix that") from error

    def push(self, md5: str, remote: str | None = None) -> str:
        """Copy an object from the cache to the remote, a folder's files first; its state here."""
        listing = bytearray()
        state = self.state(self.cache, md5, listing.extend if md5.endswith(FOLDER) else None)
        if state == "intact":
            states = [self.push(file["md5"], remote) for file in json.loads(listing or "[]")]
            state = next((one for one in states if one != "intact"), state)
        odb = self.remote(remote)
        if state == "intact" and not odb.exists(md5):
            odb.add(self.cache.oid_to_path(md5), self.cache.fs, md5)
        return state

    def keep(self, path: Path, md5: str) -> None:
        """Put a file whose bytes are right into the cache; one that is read-only stays as it is."""
        from dvc.fs import LocalFileSystem

        with self._lock, contextlib.suppress(OSError):
            self.cache.add(str(path), LocalFileSystem(), md5)


def config_text(remotes: Mapping[str, Mapping], **sections: Mapping) -> bytes:
    """The text of a DVC configuration; DVC itself writes no path into one that is not ASCII."""
    from configobj import ConfigObj

    named = {f'remote "{name}"': {**told} for name, told in remotes.items()}
    config = ConfigObj({**sections, **named})
    config.encoding = "utf-8"
    return b"\n".join(line.encode() if isinstance(line, str) else line for line in config.write())


def state(odb, md5: str, write: Callable[[bytes], object]) -> str:
    """As `Store.state`, read anew."""
    found = hashlib.md5(usedforsecurity=False)
    failed = []

    def written(block: bytes) -> None:
        try:
            write(block)
        except OSError as error:
            failed.append(error)
            raise

    try:
        with odb.fs.open(odb.oid_to_path(md5), "rb") as file:
            while block := file.read(BLOCK):
                found.update(block)
                written(block)
    except FileNotFoundError:
        return "missing"
    except Exception as error:  # Each cloud's library raises its own.
        if failed:
            raise failed[0] from None
        return f"unreadable ({error})"
    return "intact" if found.hexdigest() == md5.removesuffix(FOLDER) else "damaged"


def md5_of(path: Path) -> str:
    """The md5 of a file, as DVC computes it."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def folder_md5(tree: Path, path: str, known: Mapping[str, str] | None = None) -> str:
    """The md5 of the folder `path` of a project, as DVC computes it: of the list of its files.

    What a .dvcignore of the project names does not count. `known` has the md5s of files by their
    path in the project, whether they are there or not.
    """
    from dvc.fs import LocalFileSystem
    from dvc.ignore import DvcIgnoreFilter

    fs, folder, files, known = LocalFileSystem(), tree / path, [], known or {}
    # Not by way of a DVC repository, which would open whatever caches the project's settings name.
    for place, _, names in DvcIgnoreFilter(fs, str(tree)).walk(fs, str(folder)):
        for name in names:
            file = Path(place, name)
            if file.relative_to(tree).as_posix() not in known:
                files.append({"md5": md5_of(file), "relpath": file.relative_to(folder).as_posix()})
    inside = {name for name in known if name.startswith(f"{path}/")}
    files += [{"md5": known[name], "relpath": name.removeprefix(f"{path}/")} for name in inside]
    listing = json.dumps(sorted(files, key=lambda file: file["relpath"]), sort_keys=True)
    return md5_of_bytes(listing.encode()) + FOLDER


def md5_of_bytes(content: bytes) -> str:
    """The md5 of these bytes, as DVC computes it."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
