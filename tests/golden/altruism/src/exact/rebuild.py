"""Make a commit's outputs again: a clean tree, its inputs, its environment, all its stages.

Everything is made below `.dvc/tmp/exact` of the project, which git and DVC ignore, so the working
tree is never touched and the inputs are copied within one file system.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from exact.objects import Store
from exact.run import Refused

ROOM = Path(".dvc/tmp/exact")
LOCKS = ("requirements.lock", "requirements-dev.lock")
# What `make` sets for the commands that it runs, or an active environment for all, and a commit's
# own must not see.
OUTER = re.compile(r"MAKE|MFLAGS$|VIRTUAL_ENV|CONDA_|PYTHON|UV_|DVC_|EXACT_")
RUNNING = re.compile(r"Running stage '(?:.*:)?([^']+)'")
# As `pip install --editable` would have it, but for whichever tree the commands run in.
CODE = """import os, sys; tree = os.getenv("EXACT_TREE"); tree and sys.path.append(tree + "/src")
import os; file = os.getenv("EXACT_TRACE"); file and exec(open(file, "rb").read())
"""
EXACT = """#!/bin/sh
exec "$(dirname "$0")/python" -P -c 'import sys; from exact.cli import main; sys.exit(main())' "$@"
"""
children: set[subprocess.Popen] = set()
cancelled = threading.Event()


@contextlib.contextmanager
def locked(file: Path, wait: bool = True) -> Iterator[bool]:
    """Hold the lock `file` while inside; gives whether it could be had."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "wb") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


@contextlib.contextmanager
def workplace(root: Path) -> Iterator[Path]:
    """A new folder for one rebuild, removed when it ends; so are those whose process was killed."""
    room = root / ROOM / "trees"
    room.mkdir(parents=True, exist_ok=True)
    for left in room.glob("*.lock"):
        with locked(left, wait=False) as dead:
            if dead:
                shutil.rmtree(left.with_suffix(""), ignore_errors=True)
                left.unlink(missing_ok=True)
    folder = Path(tempfile.mkdtemp(dir=room))
    with locked(folder.with_suffix(".lock")):
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            folder.with_suffix(".lock").unlink(missing_ok=True)


def call(command: list, cwd: Path, environ: dict, heard: Callable[[str], None]) -> int:
    """Run `command` in a process group of its own, each line that it prints given to `heard`."""
    if cancelled.is_set():
        raise Refused("stopped")
    child = subprocess.Popen(
        [str(word) for word in command],
        cwd=cwd,
        env=environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    children.add(child)
    try:
        with child.stdout:
            for line in child.stdout:
                heard(line.rstrip("\n"))
        return child.wait()
    finally:
        stop(child)
        children.discard(child)


def cancel() -> None:
    """Kill all that runs, and let nothing run any more."""
    cancelled.set()
    for child in list(children):
        stop(child)


def stop(child: subprocess.Popen) -> None:
    """Kill what is left of a child's process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


# -- the environment


def environment(root: Path, tree: Path, heard: Callable[[str], None]) -> Path:
    """The environment of the locks in `tree`, made when there is none yet; returns its folder.

    Raises Refused, with what uv says, when it cannot be made.
    """
    texts = [tree / name for name in (*LOCKS, ".python-version") if (tree / name).exists()]
    key = hashlib.sha256(b"\0".join(path.read_bytes() for path in texts)).hexdigest()[:16]
    folder = root / ROOM / "environments" / key
    with locked(folder.with_suffix(".lock")):
        if not usable(folder, tree):
            heard(f"making the environment {key} of its requirements.lock, once")
            make_environment(root, tree, folder)
    return folder


def usable(folder: Path, tree: Path) -> bool:
    """Whether the environment is whole, lies where it was made, and is one that `tree` accepts."""
    made = folder / ".made"
    if not made.exists() or made.read_text(encoding="utf-8") != str(folder):
        return False
    try:
        told = subprocess.run(
            [folder / "bin/exact", "run", "true"],
            cwd=tree,
            env=surroundings(tree, folder),
            capture_output=True,
        )
    except OSError:  # Its Python is gone.
        return False
    return b"make env" not in told.stderr


def make_environment(root: Path, tree: Path, folder: Path) -> None:
    """Make the environment of the locks in `tree` at `folder`, every hash checked."""
    uv = shutil.which("uv") or root / ".uv/bin/uv"
    shutil.rmtree(folder, ignore_errors=True)
    version = (tree / ".python-version").read_text(encoding="utf-8").strip()
    locks = [name for name in LOCKS if (tree / name).exists()]
    python = ["--quiet", "--python"]
    said = []
    for words in (
        ["venv", *python, version, folder],
        ["pip", "sync", *python, folder, "--require-hashes", *locks],
    ):
        kept = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        if call([uv, *words], tree, kept, said.append):
            shutil.rmtree(folder, ignore_errors=True)
            raise Refused(f"its environment cannot be made: {' '.join(said)[:600]}")
    (packages,) = folder.glob("lib/python3.*/site-packages")
    (packages / "exact_tree.pth").write_text(CODE, encoding="utf-8")
    (folder / "bin/exact").write_text(EXACT, encoding="utf-8")
    (folder / "bin/exact").chmod(0o755)
    (folder / ".made").write_text(str(folder), encoding="utf-8")


def surroundings(tree: Path, environment: Path) -> dict[str, str]:
    """The environment variables of a command that runs in `tree` with that environment."""
    kept = {name: value for name, value in os.environ.items() if not OUTER.match(name)}
    return {
        **kept,
        "PATH": os.pathsep.join([str(environment / "bin"), os.environ.get("PATH", os.defpath)]),
        "USER": os.environ.get("USER") or str(os.getuid()),
        "EXACT_TREE": str(tree),
        # Its own, so that every file is hashed anew and nothing of the project's is written.
        "DVC_SITE_CACHE_DIR": str(tree / ".dvc/tmp/site"),
        "DVC_NO_ANALYTICS": "true",
    }


# -- the tree


def outputs(stage: dict) -> dict[str, str]:
    """Path to recorded md5 of what a stage of a dvc.lock has made."""
    return {out["path"]: out.get("md5", "") for out in stage.get("outs", [])}


def parsed(text: bytes):
    """The content of a YAML file; None where it is none."""
    try:
        return YAML(typ="safe").load(text)
    except (YAMLError, UnicodeDecodeError):
        return None


def stages_of(lock: bytes | None) -> dict[str, dict]:
    """The stages that a dvc.lock records, empty where it is missing or broken."""
    content = parsed(lock or b"")
    stages = content.get("stages") if isinstance(content, dict) else None
    return stages if isinstance(stages, dict) else {}


def overlap(one: str, other: str) -> bool:
    """Whether one of two paths is the other, or lies in it."""
    return one == other or one.startswith(other + "/") or other.startswith(one + "/")


def tracked(tree: Path) -> Iterator[tuple[Path, str, dict]]:
    """Each .dvc file of `tree`, with the path of an output of it from there, and its record."""
    for file in sorted(tree.rglob("*.dvc")):
        if file.is_file() and ".dvc" not in file.relative_to(tree).parts[:-1]:
            content = parsed(file.read_bytes()) or {}
            folder = file.parent / content.get("wdir", ".")
            for out in content.get("outs", []):
                yield file, os.path.relpath(folder / out["path"], tree), out


def prepare(tree: Path, stages: dict[str, dict], store: Store) -> set[str]:
    """Put the raw inputs of `stages` into `tree` and take away all that is to be made again.

    Returns the names of the inputs' files.
    """
    names = set()
    needed = {dep["path"] for stage in stages.values() for dep in stage.get("deps", [])}
    for file, path, out in list(tracked(tree)):
        if any(overlap(path, dep) for dep in needed):
            try:
                store.fetch(out["md5"], tree / path, out.get("remote"))
            except Refused as refusal:
                raise Refused(f"{path} cannot be had: {refusal}; run `make pull`") from refusal
            there = tree / path
            names |= {file.relative_to(tree).as_posix() for file in (there, *there.rglob("*"))}
            # DVC would import it anew when it is told to run everything.
            file.unlink(missing_ok=True)
    for stage in stages.values():
        for path in outputs(stage):
            remove(tree / path)
    (tree / "dvc.lock").unlink(missing_ok=True)
    (tree / ".dvc").mkdir(exist_ok=True)
    # There is no git here, and a cache of its own keeps what is made out of the project's.
    (tree / ".dvc/config.local").write_text(
        "[core]\n    no_scm = true\n    autostage = false\n[cache]\n    dir = cache\n"
    )
    return names


def remove(path: Path) -> None:
    """Remove a file or folder, if there is one."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


# -- the stages


@dataclass
class Made:
    """What came of running stages: their records, the seconds of each, and how they failed."""

    stages: dict[str, dict]
    seconds: dict[str, float] = field(default_factory=dict)
    output: list[str] = field(default_factory=list)
    status: int = 0


def reproduce(
    tree: Path,
    environment: Path,
    heard: Callable[[str], None],
    targets: tuple[str, ...] = (),
    before: tuple[str, ...] = (),
    **environ: str,
) -> Made:
    """Run all stages of `tree`, or only `targets`, forced; nothing that was made before is used.

    `heard` gets the name of each stage that begins. `before` are words in front of the command.
    """
    made = Made({})
    begun = [("", time.monotonic())]

    def line(text: str) -> None:
        made.output.append(text)
        if found := RUNNING.search(text):
            begun.append((found[1], time.monotonic()))
            heard(found[1])

    options = ["--force", "--no-run-cache", "--no-commit"]
    if targets:
        options += ["--single-item", *targets]
    command = [*before, environment / "bin/python", "-m", "dvc", "repro", *options]
    made.status = call(command, tree, {**surroundings(tree, environment), **environ}, line)
    ends = [start for _, start in begun[2:]] + [time.monotonic()]
    made.seconds = {name: end - start for (name, start), end in zip(begun[1:], ends, strict=False)}
    lock = tree / "dvc.lock"
    made.stages = stages_of(lock.read_bytes() if lock.exists() else None)
    return made
