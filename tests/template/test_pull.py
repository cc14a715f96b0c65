"""`exact pull` leaves no wrong bytes, whatever DVC's cache holds, and loses nothing of the user's.

The project has two files, one with a remote of its own, one that is not pushed, and a folder.
"""

import hashlib
import os
import re
import shlex
import shutil
from pathlib import Path

import pytest
from small import Small

pytestmark = pytest.mark.slow
FILES = {"a.txt": "first", "own.txt": "second", "many/x.txt": "third", "many/y.txt": "fourth"}
PRIVATE = "private.txt"
RAW = "data/raw"


class Stored(Small):
    """The small project at the top of a repository, with data in a DVC cache and two remotes."""

    def __init__(self, built, top: Path):
        super().__init__(built, top, ".")
        self.write(".gitignore", "/data/raw/?*\n!/data/raw/*.dvc\n")
        self.write(".dvc/.gitignore", "/tmp\n/cache\n/config.local\n")
        self.write(".dvc/config", "[core]\n    remote = storage\n    analytics = false\n")
        for name in ("storage", "other"):
            (top.parent / name).mkdir()
            self.run("dvc", "remote", "add", name, top.parent / name)
            self.run("dvc", "remote", "modify", name, "verify", "true")
        for name, text in {**FILES, PRIVATE: "mine"}.items():
            (self.root / RAW / name).parent.mkdir(parents=True, exist_ok=True)
            self.write(f"{RAW}/{name}", text)
        names = [f"{RAW}/{name}" for name in ("a.txt", "own.txt", "many", PRIVATE)]
        self.run("dvc", "add", "--quiet", *names)
        for name, setting in (("own.txt", "remote: other"), (PRIVATE, "push: false")):
            file = f"{RAW}/{name}.dvc"
            self.write(file, f"{self.read(file)}  {setting}\n")
        self.commit("Data")
        self.run("dvc", "push", "--quiet")

    def cached(self, name: str, base: str = ".dvc/cache") -> Path:
        """Where the object of a file lies in the cache or in a remote."""
        record = self.root / f"{RAW}/{name}.dvc"
        if record.exists():
            md5 = re.search(r"md5: (\w+(\.dir)?)", record.read_text())[1]
        else:
            md5 = hashlib.md5(FILES[name].encode()).hexdigest()
        return self.root / base / "files/md5" / md5[:2] / md5[2:]

    def here(self) -> dict[str, str | None]:
        paths = {name: self.root / RAW / name for name in FILES}
        return {n: p.read_text() if p.is_file() else None for n, p in paths.items()}

    def remove(self) -> None:
        """Take the data out of the working tree."""
        for path in (self.root / RAW).iterdir():
            if path.suffix != ".dvc":
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def pull(self, status: int = 0, **more):
        done = self.run("exact", "pull", check=False, **more)
        assert done.returncode == status, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done


def damage(path: Path) -> None:
    """Change one byte of an object, which stays read-only, as DVC has it."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    path.chmod(0o444)


@pytest.fixture(scope="module")
def stored(built, tmp_path_factory) -> Stored:
    return Stored(built, tmp_path_factory.mktemp("pull") / "repository")


@pytest.fixture
def fresh(stored):
    """The project, put back as it was after each test."""
    kept = stored.top.parent.with_name("kept")
    shutil.copytree(stored.top.parent, kept, symlinks=True)
    yield stored
    for folder, _, _ in os.walk(stored.top.parent):
        os.chmod(folder, 0o755)
    shutil.rmtree(stored.top.parent)
    kept.rename(stored.top.parent)


def test_what_is_whole_is_left(fresh):
    fresh.remove()
    fresh.pull()
    assert fresh.here() == FILES and (fresh.root / RAW / PRIVATE).read_text() == "mine"
    assert fresh.pull().stdout == "Everything is up to date.\n"
    # What is not on the remote, and is not to be, is not missed.
    shutil.rmtree(fresh.root / ".dvc/cache")
    fresh.remove()
    done = fresh.run("exact", "pull", check=False)
    assert fresh.here() == FILES and "is not the recorded" not in done.stderr


@pytest.mark.parametrize("kind", ["copy", "symlink"])
def test_a_damaged_cache_is_repaired(kind, fresh):
    fresh.run("dvc", "config", "--local", "cache.type", kind)
    damaged = ["a.txt", "own.txt", "many/x.txt"]
    for name in damaged:
        damage(fresh.cached(name))
    fresh.remove()
    told = fresh.pull().stdout
    assert fresh.here() == FILES
    for name in damaged:
        assert f"{RAW}/{name} was damaged in the cache" in told
        assert fresh.cached(name).read_text() == FILES[name]
        kept = fresh.root / ".dvc/tmp/exact/damaged" / hashlib.md5(FILES[name].encode()).hexdigest()
        assert kept.read_text()[:-1] == FILES[name][:-1]


def test_a_damaged_list_of_a_folder_is_repaired(fresh):
    """DVC finds this one by itself; whoever does, no wrong name may be left."""
    place = fresh.cached("many")
    content = place.read_text().replace("x.txt", "z.txt")
    place.chmod(0o644)
    place.write_text(content)
    place.chmod(0o444)
    fresh.remove()
    fresh.pull()
    assert fresh.here() == FILES


def test_what_is_intact_nowhere_is_told(fresh):
    for name in ("a.txt", "own.txt"):
        damage(fresh.cached(name))
    damage(fresh.cached("a.txt", "../storage"))
    fresh.cached("own.txt", "../other").unlink()
    fresh.remove()
    told = fresh.pull(1).stderr
    for name, state in (("a.txt", "damaged"), ("own.txt", "missing")):
        assert re.search(rf"{RAW}/{name} \(.* {state} on the remote; `make` makes it again", told)
    # No wrong bytes are left, and the others are here.
    assert fresh.here() == {**FILES, "a.txt": None, "own.txt": None}


def test_what_was_changed_here_is_kept(fresh):
    fresh.write(f"{RAW}/a.txt", "an edit of hours")
    damage(fresh.cached("a.txt"))
    fresh.write(f"{RAW}/many/x.txt", "another")
    told = fresh.pull(1).stderr
    assert fresh.here() == {**FILES, "a.txt": "an edit of hours", "many/x.txt": "another"}
    for name in ("a.txt", "many/x.txt"):
        assert f"{RAW}/{name} was changed here" in told


def test_a_cache_that_cannot_be_written(fresh):
    """As one that a team shares may be; mounted, for root may write anywhere."""
    damage(fresh.cached("a.txt"))
    fresh.remove()
    cache = shlex.quote(str(fresh.root / ".dvc/cache"))
    mount = f"mount --bind {cache} {cache} && mount -o remount,bind,ro {cache} && exec exact pull"
    words = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount)
    done = fresh.run(*words, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert f"{RAW}/a.txt is damaged in the cache, which cannot be repaired from here" in done.stderr


def test_a_store_that_has_moved(fresh):
    """The commit names the address of then; a newer one of another branch is told, and works."""
    fresh.run("git", "tag", "then")
    (fresh.top.parent / "storage").rename(fresh.top.parent / "new place")
    fresh.run("dvc", "remote", "modify", "storage", "url", fresh.top.parent / "new place")
    fresh.commit("Move the store")
    fresh.run("git", "checkout", "--quiet", "then")
    shutil.rmtree(fresh.root / ".dvc/cache")
    fresh.remove()
    done = fresh.pull(1)
    told = done.stderr.splitlines()[-1]
    assert f"this commit's .dvc/config names {fresh.top.parent}/storage" in told
    assert "which is not there; main names " in told
    fresh.run(*shlex.split(re.search("run `(.*)`, then `make pull`", told)[1]))
    fresh.run("exact", "pull", check=False)
    assert fresh.here() == FILES


def test_a_store_that_is_nowhere(fresh):
    (fresh.top.parent / "storage").rename(fresh.top.parent / "away")
    shutil.rmtree(fresh.root / ".dvc/cache")
    fresh.remove()
    told = fresh.pull(1).stderr.splitlines()[-1]
    assert told.startswith("exact: this commit's .dvc/config names ") and "mount it, or say" in told
    fresh.run("dvc", "remote", "modify", "--local", "storage", "url", "/nowhere/else")
    assert ".dvc/config.local names /nowhere/else" in fresh.pull(1).stderr


def test_what_is_damaged_in_the_cache_is_not_pushed(fresh):
    """DVC looks at names only, and would store it for everybody."""
    assert fresh.run("exact", "push", "--check").stdout == ""
    object_ = fresh.cached("many/x.txt")
    damage(object_)
    # The file in the working tree is right, so the object is made of it again.
    assert "was damaged in the cache" in fresh.run("exact", "push", "--check").stdout
    assert object_.read_text() == FILES["many/x.txt"]
    assert fresh.here() == FILES
    object_ = fresh.cached("a.txt")
    damage(object_)
    (fresh.root / RAW / "a.txt").unlink()
    fresh.run("dvc", "checkout", "--quiet")
    done = fresh.run("exact", "push", "--check", check=False)
    assert done.returncode == 1 and "data/raw/a.txt" in done.stderr
    assert "is damaged in the cache; `make pull` takes it from the remote again" in done.stderr
    fresh.pull()
    assert fresh.run("exact", "push", "--check").stdout == ""
    assert fresh.here() == FILES


def test_make_push_asks_that_first(built):
    lines = built.run("make", "--dry-run", "push").stdout
    assert -1 < lines.find("exact push --check") < lines.find("dvc push")


def test_make_pull_is_this(built):
    assert "exact pull" in built.run("make", "--dry-run", "pull").stdout
