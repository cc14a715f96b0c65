"""Which commits `exact verify` takes, and which it refuses."""

import re
import shutil

import pytest
from places import FIRST, SECOND, assert_identical, branch_off, in_a_shallow_clone, verify

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]


def test_a_commit_older_than_a_rename_of_the_package(small):
    assert not (small.root / "src/altruism").exists()
    (report,) = verify(small, "altruism@v1.0.0")
    assert_identical(report)


@pytest.fixture(scope="module")
def tagged(tiny):
    """The project with tags that are no release's and a branch, all on a commit that is broken."""
    broken = branch_off(tiny, lambda project: (project.root / "dvc.lock").unlink())
    tags = ("altruism#prod#1", "altruism@latest", "altruism@v2", "v1.2.0", "snapshot")
    for tag in tags:
        tiny.run("git", "tag", tag, broken)
    tiny.run("git", "branch", "side", "main~1")
    yield tiny
    tiny.run("git", "tag", "--delete", *tags)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], {"HEAD": SECOND}),
        ([FIRST], {FIRST: FIRST}),
        (["side", "main"], {"side": FIRST, "main": SECOND}),
        (["main", "HEAD~1"], {"main": SECOND, "HEAD~1": FIRST}),
        (["HEAD~1", "side", "HEAD", FIRST], {"HEAD~1": FIRST, "HEAD": SECOND}),
        (["main~1..main"], {"": SECOND}),
        (["main~1^..main"], {"": FIRST, " ": SECOND}),
        (["--tags"], {FIRST: FIRST, SECOND: SECOND}),
        (["HEAD", "--tags"], {"HEAD": SECOND, FIRST: FIRST}),
    ],
    ids=[
        "HEAD",
        "tag",
        "branches",
        "other order",
        "twice",
        "range",
        "longer range",
        "tags",
        "both",
    ],
)
def test_revisions(words, named, tagged, small, ask):
    """By `--quick`, which is faster; those of a range go by the begin of their hash."""
    status, reports = ask("--quick", *words)
    hashes = [small.run("git", "rev-parse", tag).stdout.strip() for tag in named.values()]
    assert [report["commit"] for report in reports] == hashes
    names = [name.strip() or commit[:12] for name, commit in zip(named, hashes, strict=True)]
    assert [report["revision"] for report in reports] == names
    assert status == 0


def refused(project, *words, cwd=None, **options) -> str:
    """The one sentence with which `exact verify` refuses, with the exit status 2."""
    done = project.run("exact", "verify", *words, cwd=cwd, check=False, **options)
    assert done.returncode == 2 and done.stdout == "", done.stdout + done.stderr
    assert re.fullmatch(r"exact: [^\n]+\n", done.stderr), done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nonsense"], "git knows no commit 'nonsense'"),
        (["HEAD~99"], "git knows no commit 'HEAD~99'"),
        (["0" * 40], f"git knows no commit '{'0' * 40}'"),
        (["HEAD:dvc.yaml"], "git knows no commit 'HEAD:dvc.yaml'"),
        (["", "HEAD"], "git knows no commit ''"),
        (["--", "--all"], "git knows no commit '--all'"),
        (["HEAD..HEAD"], "no commit is in the range HEAD..HEAD"),
        (["main..main~1"], "no commit is in the range main..main~1"),
        (["nonsense..HEAD"], "nonsense"),
    ],
    ids=["unknown", "too old", "hash", "file", "empty", "option", "no range", "reversed", "half"],
)
def test_revisions_that_are_refused(words, told, small):
    assert told in refused(small, *words)


@pytest.mark.parametrize("words", [[FIRST], [f"{FIRST}..HEAD"]], ids=["tag", "range"])
def test_a_revision_that_a_shallow_clone_has_not(words, small, tmp_path):
    clone = in_a_shallow_clone(small, tmp_path)
    told = refused(small, *words, cwd=clone)
    assert FIRST in told and "this clone is shallow: `git fetch --unshallow --tags`" in told


def in_no_project(small, folder):
    return []


def without_git(small, folder):
    for name in ("dvc.yaml", "requirements.lock"):
        shutil.copy(small.root / name, folder)
    return []


def without_commits(small, folder):
    small.run("git", "init", "--quiet", cwd=folder)
    return without_git(small, folder)


def without_release_tags(small, folder):
    without_commits(small, folder)
    small.run("git", "add", "--all", cwd=folder)
    small.run("git", "commit", "--quiet", "--message", "All", cwd=folder)
    return ["--tags"]


def without_dvc(small, folder):
    without_release_tags(small, folder)
    return []


BARREN = {
    in_no_project: "is not in a DVC project",
    without_git: "not a git repository",
    without_commits: "git knows no commit 'HEAD'",
    without_release_tags: "there is no release tag",
    without_dvc: "DVC cannot open this project",
}


@pytest.mark.parametrize("place", BARREN, ids=lambda place: place.__name__)
def test_places_that_are_refused(place, small, tmp_path):
    words = place(small, tmp_path)
    assert BARREN[place] in refused(small, *words, cwd=tmp_path)
