"""The lines that say how others get a release work in the state in which they are printed."""

import os
import re
import subprocess
import sys

import pytest
from bake import ROOT

TAG = "altruism@v1.0.0"
# A commit that `origin` has, and one on top of it that is released.
START = f"""
git init -q --bare -b main ../origin.git
git init -q --bare -b main ../backup.git
git init -q -b main
git commit -q --allow-empty -m First
git push -q ../origin.git main
git commit -q --allow-empty -m Second
git tag -a -m Text {TAG}
"""
ORIGIN, BACKUP = "git remote add origin ../origin.git", "git remote add backup ../backup.git"
BOTH = f"{BACKUP}; {ORIGIN}; git fetch -q origin"
# What was done before the release, the lines that are printed, and the remote that gets the tag.
ON_MAIN = f"git push --atomic origin main {TAG}"
STATES = {
    "one remote": (ORIGIN, ON_MAIN, "origin"),
    "two remotes, nothing said": (BOTH, ON_MAIN, "origin"),
    "two remotes without origin": (
        f"{BACKUP}; git remote add hub ../origin.git",
        f"git push --atomic backup main {TAG}",
        "backup",
    ),
    "the branch's upstream": (
        f"{BOTH}; git config branch.main.remote backup; "
        "git config branch.main.merge refs/heads/main",
        f"git push --atomic backup main {TAG}",
        "backup",
    ),
    "remote.pushDefault": (
        f"{BOTH}; git branch -q -u origin/main; git config remote.pushDefault backup",
        f"git push --atomic backup main {TAG}",
        "backup",
    ),
    "branch.main.pushRemote": (
        f"{BOTH}; git config remote.pushDefault origin; git config branch.main.pushRemote backup",
        f"git push --atomic backup main {TAG}",
        "backup",
    ),
    "an address as remote": (
        f"{ORIGIN}; git config branch.main.pushRemote ../backup.git",
        f"git push --atomic ../backup.git main {TAG}",
        "backup",
    ),
    "an upstream in this repository": (
        f"{ORIGIN}; git branch -q other; git branch -q -u other",
        ON_MAIN,
        "origin",
    ),
    "a remote that is gone": (
        f"{ORIGIN}; git config branch.main.pushRemote gone",
        ON_MAIN,
        "origin",
    ),
    "another branch": (
        f"{ORIGIN}; git switch -q -c feature/a.b",
        f"git push --atomic origin feature/a.b {TAG}",
        "origin",
    ),
    "a tag of the branch's name": (
        f"{ORIGIN}; git tag main HEAD^",
        f"git push --atomic origin heads/main {TAG}",
        "origin",
    ),
    "a branch of the release's name": (
        f"{ORIGIN}; git branch {TAG} HEAD^",
        f"git push --atomic origin main tags/{TAG}",
        "origin",
    ),
    "detached, on a branch that the remote has": (
        f"{ORIGIN}; git push -q origin main; git checkout -q {TAG}",
        f"git push origin {TAG}",
        "origin",
    ),
    "detached, on a branch that the remote lacks": (
        f"{BOTH}; git checkout -q {TAG}",
        ON_MAIN,
        "origin",
    ),
    "detached, on no branch": (
        f"{ORIGIN}; git checkout -q {TAG}; git branch -q -f main HEAD^",
        "no branch has this commit; first `git branch altruism-v1.0.0 COMMIT`\n"
        f"git push --atomic origin altruism-v1.0.0 {TAG}",
        "origin",
    ),
    "detached, with another remote to push to": (
        f"{BOTH}; git config remote.pushDefault backup; git checkout -q {TAG}",
        f"git push --atomic backup main {TAG}",
        "backup",
    ),
    "on a branch without the release": (
        f"{ORIGIN}; git push -q origin main; git switch -q -c other HEAD^",
        f"git push origin {TAG}",
        "origin",
    ),
    "no remote": (
        "true",
        f"there is no git remote yet; first `git remote add origin <URL>`\n{ON_MAIN}",
        "origin",
    ),
}


@pytest.fixture
def work(tmp_path):
    """A repository with a release, beside two bare ones; runs lines of shell in it."""
    folder = tmp_path / "a b" / "work"
    folder.mkdir(parents=True)

    def run(lines: str, check=True) -> subprocess.CompletedProcess:
        words = ["sh", "-ec" if check else "-c", lines]
        return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=check)

    run.folder = folder
    run(START)
    return run


def printed(work, *tags: str) -> list[str]:
    """What is printed after a release: `git.push_lines`, from the template as it lies there."""
    code = (
        "import sys; from pathlib import Path; from exact_model import git; "
        "print(*git.push_lines(Path.cwd(), sys.argv[1], sys.argv[2:]), sep='\\n')"
    )
    commit = work(f"git rev-parse '{TAG}^{{commit}}'").stdout.strip()
    done = subprocess.run(
        [sys.executable, "-B", "-c", code, commit, *(tags or [TAG])],
        cwd=work.folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}/src"},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def commands(lines: list[str]) -> str:
    """The commands in these lines, as somebody types them."""
    found = [re.findall("`(.+)`", line) or [line.partition("others: ")[2]] for line in lines]
    return "\n".join(command.replace("<URL>", "../origin.git") for (command,) in found)


@pytest.mark.parametrize("state", STATES)
def test_the_push_lines_work(state, work):
    before, expected, remote = STATES[state]
    work(before)
    lines = printed(work)
    commit = work(f"git rev-parse '{TAG}^{{commit}}'").stdout.strip()
    text = "\n".join(lines).replace("tell the others: ", "").replace(commit[:12], "COMMIT")
    assert text == expected
    work(commands(lines))
    there = f"git -C ../{remote}.git"
    assert work(f"{there} rev-parse '{TAG}^{{commit}}'").stdout.strip() == commit
    # Whoever clones finds it on a branch, too.
    assert work(f"{there} for-each-ref --contains {commit} refs/heads").stdout


def test_a_stage_goes_along(work):
    work(f"{ORIGIN}; git tag -a -m x 'altruism#prod#1' {TAG}")
    (line,) = printed(work, TAG, "altruism#prod#1")
    assert line.endswith(f"git push --atomic origin main {TAG} 'altruism#prod#1'")
    work(commands([line]))
    assert work("git -C ../origin.git tag").stdout.split() == ["altruism#prod#1", TAG]


def test_nothing_goes_where_the_branch_is_refused(work):
    work(ORIGIN)
    hook = work.folder.parent / "origin.git/hooks/update"
    hook.write_text('#!/bin/sh\n[ "$1" != refs/heads/main ]\n')
    hook.chmod(0o755)
    before = work("git -C ../origin.git show-ref").stdout
    done = work(commands(printed(work)), check=False)
    assert done.returncode and "[remote rejected] main" in done.stderr
    assert work("git -C ../origin.git show-ref").stdout == before
