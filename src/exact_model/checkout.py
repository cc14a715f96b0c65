"""A commit's files as git holds them, whatever this user's and this repository's settings say.

Git runs with none of them, so no filter, hook, attribute or line end of one machine gets in; what
the commit's own .gitattributes say of line ends is done. Files of Git LFS are taken by their hash.
"""

import hashlib
import os
import re
import shutil
import subprocess
from collections import deque
from pathlib import Path

from exact_model import git

# Git has checked already that the caller may read this repository.
CONFIG = "[safe]\n\tdirectory = *\n"
POINTER = re.compile(
    rb"version https://git-lfs\.github\.com/spec/v1\n(?:.*\n)*?oid sha256:([0-9a-f]{64})\n"
)
# A pointer is smaller than this, by the specification of Git LFS.
LARGEST_POINTER = 1024


def check_out(root: Path, commit: str, folder: Path) -> Path:
    """Write the files of `commit` into the new `folder`; returns the project's place in them.

    With a git directory of its own, so that neither the working tree nor the repository sees it.
    """
    folder.mkdir(parents=True)
    fetch_missing(root, commit)
    own = folder.with_name(folder.name + ".git")
    form = git.git(root, "rev-parse", "--show-object-format").strip()
    alone(folder, "init", "--quiet", "--bare", "--template=", f"--object-format={form}", own)
    objects = Path(root, git.git(root, "rev-parse", "--git-path", "objects").strip("\n"))
    places = {"GIT_DIR": own, "GIT_WORK_TREE": folder, "GIT_OBJECT_DIRECTORY": objects}
    alone(folder, "read-tree", "--reset", "-u", commit, **places)
    listed = alone(folder, "ls-files", "-z", "--", ":(top,attr:filter=lfs)", **places)
    fill_in(root, folder, listed)
    shutil.rmtree(own)
    return folder / git.prefix(root)


def clone(root: Path, commit: str, folder: Path) -> Path:
    """A new clone of the repository at `commit` in `folder`; returns the project's place in it."""
    top = git.git(root, "rev-parse", "--show-toplevel").strip("\n")
    words = ["--quiet", "--template=", "--no-local", "--no-checkout"]
    folder.mkdir()
    alone(folder, "clone", *words, "--", top, ".")
    alone(folder, "checkout", "--quiet", "--detach", commit)
    fill_in(root, folder, alone(folder, "ls-files", "-z", "--", ":(top,attr:filter=lfs)"))
    return folder / git.prefix(root)


def alone(folder: Path, *words: str | Path, **environ: str | Path) -> str:
    """What `git WORDS` prints in `folder` without the settings of the user and the system."""
    config = folder.with_name(folder.name + ".config")
    config.write_text(CONFIG, encoding="utf-8")
    kept = {name: text for name, text in os.environ.items() if not name.startswith("GIT_")}
    ours = {"GIT_CONFIG_GLOBAL": config, "GIT_CONFIG_NOSYSTEM": "1", "GIT_ATTR_NOSYSTEM": "1"}
    ours = {name: str(value) for name, value in {**ours, **environ}.items()}
    done = subprocess.run(git.command(words), cwd=folder, env={**kept, **ours}, capture_output=True)
    config.unlink()
    if done.returncode:
        raise git.Failed(str(words[0]), done.stderr)
    return os.fsdecode(done.stdout)


def fetch_missing(root: Path, commit: str) -> None:
    """Let a partial clone fetch the files of `commit`, for which it needs its settings."""
    if git.git(root, "config", "--get-regexp", r"^remote\..*\.promisor$", check=False, own=False):
        listed = git.git(root, "ls-tree", "-r", "-z", "--full-tree", commit).split("\0")[:-1]
        blobs = [line.split()[2] for line in listed if line.split()[1] == "blob"]
        deque(git.contents(root, blobs, "--batch-check"), maxlen=0)


# -- Git LFS


def fill_in(root: Path, folder: Path, listed: str) -> None:
    """Put their content into the files of Git LFS that `listed` names (each ends with NUL).

    A file whose content is nowhere stays the pointer that git holds.
    """
    common = Path(root, git.git(root, "rev-parse", "--git-common-dir").strip("\n"))
    storage = git.git(root, "config", "--path", "lfs.storage", check=False, own=False)
    storage = common / (storage.strip("\n") or "lfs")
    for name in listed.split("\0")[:-1]:
        file = folder / name
        if (oid := pointed(file)) is None:
            continue
        content = folder.with_name(folder.name + ".lfs")
        stored = storage / "objects" / oid[:2] / oid[2:4] / oid
        if stored.is_file():
            shutil.copyfile(stored, content)
        elif shutil.which("git-lfs"):
            with (
                open(file, "rb") as pointer,
                open(content, "wb") as taken,
                git.opened(root, "lfs", "smudge", stdin=pointer) as given,
            ):
                shutil.copyfileobj(given, taken)
        else:
            continue
        with open(content, "rb") as opened:
            same = hashlib.file_digest(opened, "sha256").hexdigest() == oid
        if same:
            shutil.copymode(file, content)
            os.replace(content, file)
        content.unlink(missing_ok=True)


def pointed(file: Path) -> str | None:
    """The SHA-256 that `file` names if it is a pointer of Git LFS; None otherwise."""
    if file.is_symlink() or not file.is_file() or file.stat().st_size >= LARGEST_POINTER:
        return None
    found = POINTER.match(file.read_bytes())
    return found[1].decode() if found else None
