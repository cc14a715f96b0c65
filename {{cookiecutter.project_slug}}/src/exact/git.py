"""What the other commands ask git: which commits a name means, and a commit's files."""

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from exact.run import Refused

# A hook that calls `exact` has these set, and they would point at another repository or index.
OWN = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY")
# What a new clone would hold, whatever this user's settings make of it, and nothing else is done.
SETTINGS = """
core.autocrlf=false core.eol=lf core.attributesFile=/dev/null core.sparseCheckout=false
core.useReplaceRefs=false core.hooksPath=/dev/null core.fsmonitor=false core.splitIndex=false
submodule.recurse=false column.ui=never log.showSignature=false
log.diffMerges=separate log.showRoot=true
"""
# How GTO names a release: the model, an @ and a semantic version.
RELEASE = re.compile(r"[^@#]+@v\d+\.\d+\.\d+(-[\w.-]+)?(\+[\w.-]+)?")


def command(words: tuple, own: bool = True) -> list[str]:
    """The whole command of `git WORDS`, with settings of our own unless it is about the user's."""
    settings = [word for setting in SETTINGS.split() if own for word in ("-c", setting)]
    return ["git", *settings, *map(str, words)]


def git(
    root: Path,
    *words: str | Path,
    text: bool = True,
    check: bool = True,
    own: bool = True,
    **environ: str,
):
    """What `git WORDS` prints in the repository of `root`.

    Refused with its own first line where it fails, unless that is no matter (`check`).
    """
    kept = {name: value for name, value in os.environ.items() if name not in OWN}
    try:
        done = subprocess.run(
            command(words, own), cwd=root, env={**kept, **environ}, capture_output=True
        )
    except FileNotFoundError:
        raise Refused("there is no git on PATH; install it") from None
    if done.returncode and check:
        told = done.stderr.decode(errors="replace").strip().splitlines() or ["it failed"]
        raise Refused(f"git {words[0]}: {told[0].removeprefix('fatal: ')}")
    return os.fsdecode(done.stdout) if text else done.stdout


@contextlib.contextmanager
def opened(root: Path, *words: str, stdin: BinaryIO) -> Iterator[BinaryIO]:
    """What `git WORDS` prints, as a file to read while it is still at work."""
    kept = {name: value for name, value in os.environ.items() if name not in OWN}
    with subprocess.Popen(
        command(words), cwd=root, env=kept, stdin=stdin, stdout=subprocess.PIPE
    ) as child:
        yield child.stdout
        # Whoever stops reading early has what it wants.
        child.kill()


def commits(root: Path, name: str) -> list[tuple[str, str]]:
    """Name and full hash of the commit that `name` means, or of each in a range, oldest first."""
    try:
        if ".." not in name:
            found = git(root, "rev-parse", "--verify", "--end-of-options", f"{name}^{{commit}}")
            return [(name, found.strip())]
        listed = git(root, "rev-list", "--reverse", "--end-of-options", name, "--").split()
    except Refused:
        # A version is called v1.0.0 for short, where one model has it.
        found = [tag for tag in releases(root) if tag.endswith(f"@{name}")]
        if len(found) == 1 and found[0] != name:
            return commits(root, found[0])
        shallow = git(root, "rev-parse", "--is-shallow-repository").strip() == "true"
        more = " (this clone is shallow: `git fetch --unshallow --tags`)" if shallow else ""
        raise Refused(f"git knows no commit {name!r}; see `git tag` and `git log`{more}") from None
    if not listed:
        raise Refused(f"no commit is in the range {name}; name its older end first")
    return [(commit[:12], commit) for commit in listed]


def releases(root: Path) -> list[str]:
    """The names of all release tags, oldest first."""
    tags = git(root, "tag", "--list", "--sort=creatordate").splitlines()
    return [tag for tag in tags if RELEASE.fullmatch(tag)]


def prefix(root: Path) -> str:
    """The path of the project's folder from the top of its repository, with a slash at its end."""
    return git(root, "rev-parse", "--show-prefix").strip("\n")


def content(root: Path, commit: str, name: str, inside: str | None = None) -> bytes | None:
    """The bytes of the file `name` of the project as of `commit`; None where git has none.

    `inside` is the project's `prefix` as of that commit, where that is another than now.
    """
    inside = prefix(root) if inside is None else inside
    try:
        return git(root, "cat-file", "blob", f"{commit}:{inside}{name}", text=False)
    except Refused:
        return None
