"""What must hold before a release is tagged; each check is Refused with what to do."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from exact_model import checkout, describes, git, gitsetup, own, quick, verifying
from exact_model.errors import Refused
from exact_model.objects import NO_REMOTE, Store, md5_of
from exact_model.processes import workplace
from exact_model.recorded import Records
from exact_model.reports import IDENTICAL
from exact_model.show import remarks, summary
from exact_model.tool import running


def check_can_tag(root: Path, tag: str, commit: str) -> None:
    """Refused unless git knows who tags, can sign if it is to, and can write `tag`.

    What git would say at the very end of a release is asked before the work. Of the trial nothing
    is left but an object that no name leads to.
    """
    keys = ("tag.gpgSign", "tag.forceSignAnnotated")
    asked = [git.git(root, "config", "--type=bool", "--get", key, check=False) for key in keys]
    sign = ["-S"] if "true\n" in asked else []
    # Only the committer makes a tag; git wants the author of a commit as well.
    author = {"GIT_AUTHOR_NAME": "exact", "GIT_AUTHOR_EMAIL": "exact"}
    try:
        git.git(root, "commit-tree", *sign, "-m", "Trial", f"{commit}^{{tree}}", **author)
        trial = f"start\ncreate refs/tags/{tag} {commit}\nprepare\nabort\n"
        git.git(root, "update-ref", "--stdin", stdin=trial)
    except git.Failed as error:
        why = error.reason + (" (tag.gpgSign is set)" if sign else "")
        raise Refused(f"git cannot tag this commit yet: {why}; fix that, then release") from error


def check_clean(root: Path) -> None:
    """Refused, with the files, where the tree is not that of the commit."""
    gitsetup.hide_stores(root)
    # Not by `git status`, which takes a notebook that was run for changed.
    top = git.git(root, "rev-parse", "--show-toplevel").strip("\n")
    changed = git.git(Path(top), "diff", "--name-only", "-z", "HEAD").split("\0")
    new = git.git(Path(top), "ls-files", "--others", "--exclude-standard", "-z").split("\0")
    found = [name for name in (*changed, *new) if name]
    for store in gitsetup.stores(root):
        if inside := [name for name in found if Path(top, name).is_relative_to(store)]:
            told = f"{inside[0]} lies in the DVC remote, which git must not hold"
            raise Refused(f"{told}; run `git rm -r --cached {shlex.quote(str(store))}`")
    if found:
        names = ", ".join(found[:5]) + (" …" if len(found) > 5 else "")
        raise Refused(
            f"the tree is not clean ({names}); commit it, or `git stash --include-untracked`"
        )
    dvc = [sys.executable, "-P", "-m", "dvc", "status", "--json"]
    told = subprocess.run(dvc, cwd=root, capture_output=True, text=True)
    if told.returncode:
        said = last_words(told.stderr)
        raise Refused(f"DVC cannot tell whether dvc.lock describes the files: {said}")
    if told.stdout.strip() not in ("{}", ""):
        raise Refused("the files here are not those of dvc.lock; run `make`, and commit dvc.lock")


def last_words(told: str) -> str:
    """The first error that DVC tells."""
    found = [line for line in told.splitlines() if line.startswith("ERROR: ")]
    return found[0].removeprefix("ERROR: ") if found else "DVC failed, and tells no reason"


def check_tool(root: Path, commit: str) -> None:
    """Refused where the tool that runs is not the one that the commit names.

    The tag's text says which tool has checked the release, and its readers take that for the
    project's own: the one that its next clone installs.
    """
    texts = {name: git.content(root, commit, name) or b"" for name in own.LOCKS}
    tool = own.named({name: text.decode(errors="replace") for name, text in texts.items()})
    if tool and tool != running():
        told = f"this commit's own tool is {tool}, and this is {running()}"
        raise Refused(f"{told}; run `make env`, or commit the lock of this one, then release")


def check_rebuilt(root: Path, store: Store, name: str, commit: str, on_progress: Callable) -> str:
    """A line on the verdict, which is `identical`; Refused with what differs otherwise."""
    found = verifying.verify(store, root, name, commit, on_progress)
    if found.verdict != IDENTICAL:
        told = "; ".join(remarks(found)) or found.verdict
        raise Refused(f"the rebuild is not identical: {told}; see `make verify`")
    return f"a rebuild is identical: {summary(found)}"


def check_remote(store: Store) -> None:
    """Refused where there is no DVC remote, or its folder is not there."""
    if store.remote() is None:
        raise Refused(NO_REMOTE)
    if not store.reachable():
        raise Refused("the DVC remote's folder is not there; mount it, or run `make push`")


def check_stored(root: Path, store: Store, name: str, commit: str, on_progress: Callable) -> None:
    """Refused, with the files, unless the remote has every object of the commit, intact."""
    found = quick.check(store, root, name, commit, on_progress)
    if found.problem:
        raise Refused(found.problem)
    private = Records.of(root, commit).private
    for line in found.lines:
        if line.path in private:
            told = f"{line.path} is kept from the remote (push: false)"
            raise Refused(f"{told}, so nobody else could get this back; let it be pushed")
        if "remote: missing" in line.stored:
            raise Refused(f"{line.path} ({line.recorded}) is not on the remote; run `make push`")
        if "remote: " in line.stored and "remote: intact" not in line.stored:
            state = line.stored.partition("remote: ")[2]
            fix = "; ".join(note for note in found.notes if note.startswith(f"{line.path}:"))
            raise Refused(f"{line.path} is {state} on the remote; {fix or 'fix that first'}")


def check_recovered(root: Path, store: Store, commit: str, on_progress: Callable) -> None:
    """Refused unless a new clone, with a cache of its own, pulls each recorded byte."""
    with workplace(root) as place:
        on_progress("recovering it in a new clone")
        # What opens the remotes will lie in it.
        place.chmod(0o700)
        project = checkout.clone(root, commit, place / "clone")
        remotes = {remote for _, remote in Records.of(root, commit).data.values()} - {None}
        store.configure(project, remotes)
        done = subprocess.run(
            [sys.executable, "-P", "-m", "dvc", "pull"],
            cwd=project,
            env={**os.environ, "DVC_SITE_CACHE_DIR": str(place / "site"), "DVC_NO_ANALYTICS": "1"},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise Refused(f"a new clone cannot pull it: {last_words(done.stderr)}")
        stages = describes.declared(project)
        describes.check_record(project, stages)
        for _, path, md5, _ in quick.named(project, stages, store):
            file = project / path
            if not md5.endswith(".dir") and (not file.is_file() or md5_of(file) != md5):
                raise Refused(
                    f"a new clone gets other bytes for {path}; see `make verify REV=--quick`"
                )
