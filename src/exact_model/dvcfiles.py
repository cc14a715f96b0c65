"""DVC's files: dvc.yaml, dvc.lock and .dvc, of a tree or of a commit alike."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from exact_model import git

LOCK = "dvc.lock"
# A path in a dvc.lock and its md5.
LOCKED = re.compile(rb"path: (.+)\n(?:\s+hash: md5\n)?\s+md5: ['\"]?([0-9a-f]{32}(?:\.dir)?)\b")
# The part of a stage, as DVC writes it, on what it has made.
OUTPUTS = re.compile(rb"^    outs:\n((?:    [- ].*(?:\n|\Z))*)", re.MULTILINE)


class Files(Protocol):
    """The files of a project, wherever they are."""

    def dvc_files(self) -> list[str]:
        """The paths of its .dvc files, in order."""

    def read(self, name: str) -> bytes | None:
        """The content of a file; None where there is none."""


class Tree:
    """The files in a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def dvc_files(self) -> list[str]:
        found = (path for path in self.folder.rglob("*.dvc") if path.is_file())
        return sorted(filter(is_dvc_file, (x.relative_to(self.folder).as_posix() for x in found)))

    def read(self, name: str) -> bytes | None:
        file = self.folder / name
        return file.read_bytes() if file.is_file() else None


class Commit:
    """The files that git has of a commit; `inside` is the project's folder there, with a slash."""

    def __init__(self, root: Path, commit: str, inside: str):
        self.root, self.commit, self.inside = root, commit, inside

    def dvc_files(self) -> list[str]:
        words = ["ls-tree", "-r", "-z", "--name-only", "--full-tree", self.commit]
        listed = git.git(self.root, *words, self.inside or ".").split("\0")
        found = (x.removeprefix(self.inside) for x in listed if x.startswith(self.inside))
        return sorted(filter(is_dvc_file, found))

    def read(self, name: str) -> bytes | None:
        return git.content(self.root, self.commit, name, self.inside)


def is_dvc_file(name: str) -> bool:
    """Whether a path is that of a .dvc file, and not of something in DVC's own folder."""
    *folders, last = name.split("/")
    return last.endswith(".dvc") and last != ".dvc" and ".dvc" not in folders


def tracked(files: Files) -> Iterator[tuple[str, str, dict]]:
    """Each .dvc file, with the path of an output of it from the project's folder, and its record.

    A path is normal: `wdir: ..` and the like leave no dots in it, unless it lies outside.
    """
    for name in files.dvc_files():
        content = parsed(files.read(name) or b"")
        for out in listed(content, "outs"):
            yield name, placed(name, content, out), out


def placed(name: str, content: dict, out: dict) -> str:
    """Where an output of the .dvc file `name` lies, from the folder from which that is named."""
    wdir = str(content.get("wdir", "."))
    return os.path.normpath(os.path.join(os.path.dirname(name), wdir, out["path"]))


def parsed(text: bytes):
    """The content of a YAML file; None where it is none."""
    try:
        return YAML(typ="safe").load(text)
    except (YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        return None


def outputs(stage: dict) -> dict[str, str]:
    """Path to recorded md5 of what a stage of a dvc.lock has made."""
    return {out["path"]: out.get("md5", "") for out in stage.get("outs", [])}


def stages_of(lock: bytes | None) -> dict[str, dict]:
    """The stages that a dvc.lock records, empty where it is missing or broken."""
    content = parsed(lock or b"")
    stages = content.get("stages") if isinstance(content, dict) else None
    return {str(name): stage for name, stage in stages.items()} if isinstance(stages, dict) else {}


def overlap(one: str, other: str) -> bool:
    """Whether one of two paths is the other, or lies in it."""
    return one == other or one.startswith(other + "/") or other.startswith(one + "/")


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


def metrics_files(pipeline: object) -> list[str]:
    """The files that a dvc.yaml calls metrics, in its order."""
    found = []
    stages = pipeline.get("stages") if isinstance(pipeline, dict) else None
    for part in (*(stages.values() if isinstance(stages, dict) else ()), pipeline):
        items = part.get("metrics") if isinstance(part, dict) else None
        for item in items if isinstance(items, list) else ():
            found += [item] if isinstance(item, str) else item if isinstance(item, dict) else []
    return list(dict.fromkeys(map(str, found)))


def artifacts(pipeline: object) -> dict[str, dict]:
    """Name to path and type of what a dvc.yaml calls artifacts."""
    found = pipeline.get("artifacts") if isinstance(pipeline, dict) else None
    return {
        str(name): {"type": told.get("type"), "path": str(told.get("path"))}
        for name, told in (found.items() if isinstance(found, dict) else ())
        if isinstance(told, dict)
    }


def unpushed(pipeline: object) -> set[str]:
    """The outputs that a dvc.yaml says are not to be pushed."""
    return {path for path, told in settings(pipeline).items() if told.get("push") is False}


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


def looked_up(content: object, key: str) -> object:
    """The value of a dotted key; None where there is none."""
    for word in key.split("."):
        if isinstance(content, list) and word.isdigit() and int(word) < len(content):
            content = content[int(word)]
        else:
            content = content.get(word) if isinstance(content, dict) else None
    return content
