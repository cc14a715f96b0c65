"""The tool that a commit names for itself, beside the one that judges it.

A commit names its tool by one line of its lock, with the sha256 of a wheel, and may hold that wheel
in vendor/. Neither is ever run by what judges: they are only told, and compared.
"""

import hashlib
import re
from pathlib import Path

from packaging.utils import canonicalize_name

from exact_model.errors import Refused
from exact_model.packages import BLOCK, LOCKS
from exact_model.tool import NAME, Tool, running

# Where the template names it.
LOCK = "requirements-dev.lock"
VENDOR = "vendor"
PINNED = re.compile(r"==([^\s;\\]+)")
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
SHA256 = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
# Where a project held its tool before that was a wheel.
OLD_JUDGE = "src/exact/judge.py"


def named(texts: dict[str, str]) -> Tool | None:
    """The tool that the `texts` of locks name, by their file's name; None where they name none.

    Refused where that is not one version with one sha256, for nobody could say which tool it is.
    """
    found = [
        (lock, rest)
        for lock, text in texts.items()
        for name, rest in BLOCK.findall(text)
        if canonicalize_name(name) == NAME
    ]
    if not found:
        return None
    hashes = {one for _, rest in found for one in HASH.findall(rest)}
    versions = {one for _, rest in found for one in PINNED.findall(rest)}
    if len(hashes) != 1 or len(versions) != 1:
        told = f"{found[0][0]} does not name one version of {NAME} with one sha256"
        raise Refused(f"{told}; pin it as the template does: {NAME}==… --hash=sha256:…")
    return Tool(versions.pop(), hashes.pop())


def of(tree: Path) -> Tool | None:
    """The tool that the commit in `tree` names.

    Refused where a wheel of it lies in vendor/ that is not the one that the lock names.
    """
    files = {name: tree / name for name in LOCKS if (tree / name).is_file()}
    tool = named({name: text_of(file) for name, file in files.items()})
    folder = tree / VENDOR
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        if canonicalize_name(re.split(r"-\d", file.name)[0]) != NAME:
            continue
        place = f"{VENDOR}/{file.name}"
        if file.is_symlink() or not file.is_file():
            raise Refused(f"{place} is not a plain file; put the wheel itself there")
        found = hashlib.sha256(file.read_bytes()).hexdigest()
        if found != (tool.sha256 if tool else ""):
            lock = f"names sha256:{tool.sha256}" if tool else "names no tool"
            told = f"{place} is sha256:{found}, and {LOCK} {lock}"
            raise Refused(f"{told}; find out who replaced one of the two")
    return tool


def text_of(lock: Path) -> str:
    """The text of a lock; Refused where it is not UTF-8."""
    try:
        return lock.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise Refused(f"{lock.name} is not UTF-8; run `make lock` and commit it") from None


def notes(tree: Path, tool: Tool | None) -> list[str]:
    """What a reader of a verdict on the commit in `tree` should know about its own `tool`."""
    judge = running()
    if tool and tool != judge:
        return [f"this commit's own tool is {tool}; it was judged by {judge}"]
    if not tool and (tree / OLD_JUDGE).is_file():
        return [f"this commit holds its tool in src/exact, unnamed; it was judged by {judge}"]
    if not tool and (tree / LOCK).is_file():
        return [f"this commit's {LOCK} names no {NAME}; it was judged by {judge}"]
    return []


def sha256(text: str) -> str:
    """The sha256 of `--tool sha256:…`; ValueError where it is none."""
    found = SHA256.fullmatch(text.lower())
    if not found:
        raise ValueError(text)
    return found[1]


def check(tool: Tool | None, wanted: str | None) -> None:
    """Refused where the commit's own `tool` is not the one with the sha256 `wanted`, if one is.

    A commit that names none cannot bring another judge in, so it is accepted.
    """
    if tool and wanted and tool.sha256 != wanted:
        raise Refused(f"this commit's own tool is {tool}, and --tool accepts sha256:{wanted} alone")


def check_running(wanted: str) -> None:
    """Refused where the tool that runs is not the one with the sha256 `wanted`."""
    judge = running()
    if judge.sha256 != wanted:
        told = f"this is {judge}, and --tool accepts sha256:{wanted} alone"
        raise Refused(f"{told}; install the wheel with that hash, and run this again")
