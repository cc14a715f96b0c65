"""`exact pre-push REMOTE URL`: git's hook that keeps a commit back whose objects nobody could get.

`make hooks` installs it. Git tells on standard input what it would push; of each commit that the
git remote lacks, the DVC remote must have every object. Their bytes are not read: `exact release`
and `exact verify --quick` do that.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from exact.objects import Store
from exact.push import MOST_TOLD, absent, recorded
from exact.run import Refused, project_root
from exact.show import SHORT

NOTHING = "0" * 40


def pushed(root: Path, remote: str, lines: Iterable[str]) -> list[str]:
    """The commits with records of their own that `remote` would get, oldest first."""
    tips = [line.split()[1] for line in lines if line.strip()]
    tips = [tip for tip in tips if tip != NOTHING]
    return recorded(root, *tips, "--not", f"--remotes={remote}") if tips else []


def main(words: list[str]) -> int:
    """Look, and tell; the exit status is 0 when git may push and 1 when it should not."""
    try:
        root = project_root(Path.cwd()).resolve()
        commits = pushed(root, words[0] if words else "origin", sys.stdin)
        lost = absent(root, Store(root), commits) if commits else []
    except (Refused, OSError) as error:
        told = f"exact: nothing is pushed: {error}; `git push --no-verify` skips this"
        print(told, file=sys.stderr)
        return 1
    for commit, path, md5, _ in lost[:MOST_TOLD]:
        told = f"exact: {commit[:SHORT]} names {path} ({md5}), which is not on the DVC remote"
        print(told, file=sys.stderr)
    if lost:
        told = f"exact: nothing is pushed; {len(lost)} files are missing there; run `make push`"
        print(told, file=sys.stderr)
    return int(bool(lost))
