"""`exact pre-push REMOTE URL`: git's hook that keeps a commit back whose objects nobody could get.

`make hooks` installs it. Git tells on standard input what it would push; of each commit that the
git remote lacks, the DVC remote must have every object. Their bytes are not read: `exact release`
and `exact verify --quick` do that.
"""

import argparse
import shlex
import sys
from pathlib import Path

from exact_model import git
from exact_model.commands.push import MOST_TOLD, absent, recorded
from exact_model.errors import Refused
from exact_model.objects import Store
from exact_model.packages import project_root
from exact_model.progress import Progress
from exact_model.text import SHORT, printable

HOOK = """#!/bin/sh
unset GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE
folder={}
cd "$folder" && [ -x .venv/bin/python ] && exec .venv/bin/python -I -m exact_model pre-push "$@"
echo "pre-push: no environment in $folder; run make env there, or git push --no-verify" >&2
exit 1
"""


def install(root: Path) -> str:
    """Write the hook; where it lies. Refused where it would be another's, or of other projects."""
    place = shlex.quote("./" + git.prefix(root))
    # Where a repository has no such project, as one that shares the hook, it does nothing.
    run = f'(cd {place} && .venv/bin/exact pre-push "$@")'
    call = f"[ ! -x {place}.venv/bin/exact ] || {run} || exit 1"
    if shared := git.git(root, "config", "core.hooksPath", check=False, own=False).strip():
        told = f"git's core.hooksPath is {shared}, whose hooks other projects may use"
        raise Refused(f"{told}; write this line into a pre-push there: `{call}`")
    hook = Path(root, git.git(root, "rev-parse", "--git-path", "hooks", own=False).strip("\n"))
    hook /= "pre-push"
    text = HOOK.format(place)
    if hook.exists() and hook.read_text(encoding="utf-8", errors="replace") != text:
        told = f"{hook} is there already"
        raise Refused(f"{told}; add this line to it: `{call}`")
    hook.parent.mkdir(parents=True, exist_ok=True)
    hook.write_text(text, encoding="utf-8", newline="\n")
    hook.chmod(0o755)
    return str(hook)


def pushed(root: Path, remote: str, lines: list[str]) -> list[str]:
    """The commits with records of their own that `remote` would get, oldest first."""
    tips = [line.split()[1] for line in lines]
    # Zeros stand for no commit, where a branch is deleted.
    tips = [tip for tip in tips if set(tip) != {"0"}]
    return recorded(root, *tips, "--not", f"--remotes={remote}") if tips else []


def unasked(remote: str, lines: list[str]) -> str:
    """The command that pushes the same without this hook; a deleted ref has no source."""
    refs = [(line.split()[0], line.split()[2]) for line in lines]
    pairs = [f"{'' if ours == '(delete)' else ours}:{theirs}" for ours, theirs in refs]
    return shlex.join(["git", "push", "--no-verify", remote, *pairs])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("remote", nargs="?", default="origin", metavar="REMOTE", help="git's remote (origin)")
    add("url", nargs="?", metavar="URL", help="its address, which git names too")
    add("--install", action="store_true", help="instead, let git ask this before each push")


def main(arguments: argparse.Namespace) -> int:
    """Look, and tell; the exit status is 0 when git may push and 1 when it should not."""
    root = project_root(Path.cwd()).resolve()
    if arguments.install:
        print(f"hooks: git asks {install(root)} before each push")
        return 0
    lines = [line for line in sys.stdin or () if line.strip()]
    try:
        commits = pushed(root, arguments.remote, lines)
        with Progress() as progress:
            if commits:
                progress.step(f"asking the DVC remote for the files of {len(commits)} commits")
            lost = absent(root, Store(root), commits) if commits else []
    except (Refused, OSError) as error:
        if lines:
            error.add_note(f"to push without asking: `{unasked(arguments.remote, lines)}`")
        raise
    for commit, path, md5, _ in lost[:MOST_TOLD]:
        told = f"{commit[:SHORT]} names {printable(path)} ({md5}), which is not on the DVC remote"
        print(f"exact: {told}", file=sys.stderr)
    if lost:
        told = f"exact: nothing is pushed; {len(lost)} files are missing there; run `make push`"
        print(told, file=sys.stderr)
    return int(bool(lost))
