"""Folders, locks and child processes that leave nothing behind, however the command ends."""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from exact_model.errors import Refused

# Below it all is made: git and DVC ignore it, and it lies in the file system of the cache.
ROOM = Path(".dvc/tmp/exact")
# How to stop what runs and is not a child of this process, such as a container.
others: list[Callable[[], object]] = []
children: set[subprocess.Popen] = set()
cancelled = threading.Event()


def check_writable(file: Path) -> None:
    """Refused where `file` cannot be written, which is to be known before the work is done."""
    if file.is_dir():
        raise Refused(f"{file} is a folder; name a file in it")
    if not file.parent.is_dir():
        raise Refused(f"{file} cannot be written: there is no folder {file.parent}; make it first")
    if not os.access(file if file.exists() else file.parent, os.W_OK):
        raise Refused(f"{file} cannot be written: you may not; choose another place")


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
                clear(left.with_suffix(""))
                left.unlink(missing_ok=True)
    handle, name = tempfile.mkstemp(suffix=".lock", dir=room)
    os.close(handle)
    with locked(Path(name)):
        folder = Path(name).with_suffix("")
        folder.mkdir()
        try:
            yield folder
        finally:
            clear(folder)
            Path(name).unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Remove a folder, also one that a stage has made read-only."""
    for path, _, _ in os.walk(folder):
        os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


def call(command: list, cwd: Path, environ: dict, on_line: Callable[[str], None]) -> int:
    """Run `command` in a process group of its own, each line that it prints given to `on_line`."""
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
    # Not read here, for what the command leaves behind may hold its output open for ever.
    reader = threading.Thread(target=lambda: [on_line(line.rstrip("\n")) for line in child.stdout])
    reader.start()
    try:
        return child.wait()
    finally:
        stop(child)
        reader.join()
        child.stdout.close()
        children.discard(child)


def stoppable(stop: Callable[[], object]) -> Callable[[], None]:
    """Remember how to stop what no child process is, until what is returned is called, once."""
    if cancelled.is_set():
        raise Refused("stopped")
    others.append(stop)

    def once() -> None:
        if stop in others:
            others.remove(stop)
            stop()

    return once


def stop_cleanly() -> None:
    """Let a `kill` and a closed terminal end this process as Ctrl-C does."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)


def cancel() -> None:
    """Kill all that runs, and let nothing run any more."""
    cancelled.set()
    for child in list(children):
        stop(child)
    while others:
        others.pop()()


def stop(child: subprocess.Popen) -> None:
    """Kill what is left of a child's process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def program(name: str) -> str:
    """How to call a program of the environment, which `make` has on PATH and a shell may not."""
    active = "MAKELEVEL" not in os.environ and shutil.which(name)
    return name if active else f".venv/bin/{name}"
