"""`exact verify --quick` reads back what is stored, and finds every damage."""

import contextlib
import hashlib
from pathlib import Path

import pytest
import yaml
from places import COUNT, FIRST, METRICS, MORE, RAW, STORE

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGES = {
    "flipped": flipped,
    "truncated": lambda content: content[:-1],
    "removed": None,
}


@contextlib.contextmanager
def damaged(file: Path, damage: str):
    """The stored object as something has left it that did not care about its mode."""
    content = file.read_bytes()
    mode = file.stat().st_mode
    try:
        file.unlink()
        if DAMAGES[damage]:
            file.write_bytes(DAMAGES[damage](content))
            file.chmod(0o444)
        yield
    finally:
        file.unlink(missing_ok=True)
        file.write_bytes(content)
        file.chmod(mode)


def stored(project, place: str, name: str) -> Path:
    """The file of the object of `name`, in the cache or on the remote."""
    root = {"cache": project.root / ".dvc/cache", "remote": project.root.parent / STORE}[place]
    if name == f"{MORE}/one.txt":
        md5 = hashlib.md5(b"one").hexdigest()
    elif name == COUNT:
        md5 = yaml.safe_load(project.read("dvc.lock"))["stages"]["count"]["outs"][0]["md5"]
    else:
        md5 = yaml.safe_load(project.read(f"{name}.dvc"))["outs"][0]["md5"]
    return root / "files/md5" / md5[:2] / md5[2:]


OBJECTS = (RAW, MORE, f"{MORE}/one.txt", COUNT)
INTACT = ("identical", "cache: intact, remote: intact")
GIT = {METRICS: ("identical", "git: intact")}
WHOLE = {**dict.fromkeys([*OBJECTS, f"{MORE}/two.txt"], INTACT), **GIT}
FOUND = {
    ("cache", "flipped"): (1, "differs", "cache: damaged, remote: intact"),
    ("cache", "truncated"): (1, "differs", "cache: damaged, remote: intact"),
    ("cache", "removed"): (0, "identical", "cache: missing, remote: intact"),
    ("remote", "flipped"): (1, "differs", "cache: intact, remote: damaged"),
    ("remote", "truncated"): (1, "differs", "cache: intact, remote: damaged"),
    ("remote", "removed"): (2, "missing", "cache: intact, remote: missing"),
}


@pytest.fixture
def quick(ask):
    """What `exact verify --quick` returns: exit status, for each revision verdicts and places."""

    def call(*words) -> tuple[int, list[dict]]:
        status, reports = ask("--quick", *words)
        assert not [report["problem"] for report in reports if report["problem"]]
        return status, [
            {line["path"]: (line["verdict"], line["stored"]) for line in report["lines"]}
            for report in reports
        ]

    return call


@pytest.mark.parametrize("name", OBJECTS)
def test_every_damage_of_an_object_is_found(name, small, quick):
    assert quick() == (0, [WHOLE])
    wrong = []
    for (place, damage), (status, *found) in FOUND.items():
        with damaged(stored(small, place, name), damage):
            told = quick()
        if told != (status, [{**WHOLE, name: (*found,)}]):
            wrong.append((place, damage, told))
    assert wrong == []


def test_damage_is_found_in_every_revision_that_shares_the_object(small, quick):
    with damaged(stored(small, "remote", RAW), "flipped"):
        told = quick("--jobs", "2", FIRST, "main")
    assert told == (1, [{**WHOLE, RAW: ("differs", "cache: intact, remote: damaged")}] * 2)


def test_quick_without_a_remote(small, quick):
    small.write(".dvc/config", "[core]\n    analytics = false\n")
    whole = {**dict.fromkeys(WHOLE, ("identical", "cache: intact")), **GIT}
    assert quick() == (0, [whole])
    file = stored(small, "cache", COUNT)
    with damaged(file, "flipped"):
        assert quick() == (1, [{**whole, COUNT: ("differs", "cache: damaged")}])
    with damaged(file, "removed"):
        assert quick() == (2, [{**whole, COUNT: ("missing", "cache: missing")}])


def test_quick_with_a_remote_that_is_not_there(small, quick):
    store = small.root.parent / STORE
    away = store.rename(store.with_name("unplugged"))
    try:
        told = quick()
        assert not store.exists()
    finally:
        away.rename(store)
    nowhere = ("missing", "cache: intact, remote: missing")
    assert told == (2, [{**dict.fromkeys(WHOLE, nowhere), **GIT}])
