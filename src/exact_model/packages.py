"""What is installed in an environment, and what the locks of a project say should be."""

import re
import site
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from packaging.markers import Marker
from packaging.utils import canonicalize_name

from exact_model.errors import Refused, WrongEnvironment

# The last one is there where the remote needs a plugin of DVC.
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-remote.lock")
# Differences named in one message.
MOST_TOLD = 8
# A requirement of a lock: its name, and the rest with the lines that continue it.
BLOCK = re.compile(r"^([A-Za-z0-9][\w.-]*)(.*(?:\n[ \t]+.*)*\n?)", re.MULTILINE)
MARKER = re.compile(r";\s*(.+?)\s*(?:\\|--hash|$)", re.MULTILINE)
LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?: *; *([^\\\n]+?))? *\\?$", re.MULTILINE)


def project_root(start: Path) -> Path:
    """The nearest folder at or above `start` with dvc.yaml and either DVC's .dvc or a lock."""
    for folder in (start, *start.parents):
        marks = (folder / ".dvc").is_dir() or (folder / "requirements.lock").is_file()
        if marks and (folder / "dvc.yaml").is_file():
            return folder
    raise Refused(f"{start} is not in a DVC project (no dvc.yaml and .dvc here or above)")


def installed() -> dict[str, str]:
    """Name (normalized) to version of all in this environment, by the names of their folders.

    `importlib.metadata` reads a file of each, and takes ten times as long.
    """
    folders = [Path(folder) for folder in site.getsitepackages()]
    names = (path.stem for folder in folders for path in folder.glob("*.dist-info"))
    pairs = (name.partition("-") for name in names)
    return {canonicalize_name(name): version for name, _, version in pairs}


def pins(text: str) -> Iterator[tuple[str, str, str]]:
    """Normalized name, version and marker of each package that the text of a lock pins."""
    for name, version, marker in LOCKED.findall(text):
        yield canonicalize_name(name), version, marker


def differences(root: Path, locks: Sequence[str]) -> list[str]:
    """What in this environment is not as .python-version and the `locks` of `root` say."""
    versions = installed()
    wanted = (root / ".python-version").read_text(encoding="utf-8").strip()
    running = "{}.{}".format(*sys.version_info)
    found = []
    if running != ".".join(wanted.split(".")[:2]):
        found.append(f"Python is {running} but .python-version names {wanted}")
    for lock in locks:
        for name, version, marker in pins((root / lock).read_text(encoding="utf-8")):
            have = versions.get(name)
            if have != version and (not marker or Marker(marker).evaluate()):
                state = f"is {have}" if have else "is not installed"
                found.append(f"{name} {state} but {lock} names {version}")
    known = {
        name
        for lock in root.glob("requirements*.lock")
        for name, _, _ in pins(lock.read_text(encoding="utf-8"))
    }
    return found + [
        f"{name} {versions[name]} is installed but no lock names it"
        for name in sorted({*versions} - known)
    ]


def refuse(found: list[str]) -> None:
    """Refuse this environment when anything is in the list of what is wrong with it."""
    if found:
        more = [f"and {len(found) - MOST_TOLD} more"] if len(found) > MOST_TOLD else []
        raise WrongEnvironment("; ".join([*found[:MOST_TOLD], *more, "run `make env`"]))
