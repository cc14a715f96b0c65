"""Where `exact verify` runs: subfolders, worktrees, submodules, clones, read-only caches."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from places import (
    COUNT,
    METRICS,
    RAW,
    assert_identical,
    branch_off,
    in_a_shallow_clone,
    left_over,
    state_of,
    verify,
    with_store,
    working_state,
)
from projects import Project

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]


def in_a_folder_with_an_obscure_name(small, folder):
    return small.root


def in_a_subfolder_of_the_project(small, folder):
    return small.root / "src/pizza"


def in_a_worktree(small, folder):
    worktree = with_store(small, folder) / "worktree"
    small.run("git", "worktree", "add", "--quiet", "--detach", worktree)
    return worktree


def in_a_submodule(small, folder):
    parent = folder / "parent"
    small.run("git", "init", "--quiet", parent)
    local = ("-c", "protocol.file.allow=always")
    words = ("git", *local, "submodule", "--quiet", "add", small.root, "altruism")
    small.run(*words, cwd=with_store(small, parent))
    return parent / "altruism"


def in_a_clone_of_a_bare_repository(small, folder):
    small.run("git", "clone", "--quiet", "--bare", ".", folder / "bare.git")
    small.run("git", "clone", "--quiet", folder / "bare.git", with_store(small, folder) / "clone")
    return folder / "clone"


def in_a_subfolder_of_a_larger_repository(small, folder):
    place = with_store(small, folder / "team 'ü' [1]") / "altruism"
    small.run("git", "clone", "--quiet", ".", place)
    shutil.rmtree(place / ".git")
    (folder / "dvc.yaml").write_text("stages: {}\n")
    whole = Project(folder)
    small.run("git", "init", "--quiet", cwd=folder)
    small.run("git", "add", "--all", cwd=folder)
    small.run("git", "commit", "--quiet", "--message", "All", cwd=folder)
    assert whole.run("git", "ls-files", "*.dvc").stdout
    return place


PLACES = (
    in_a_folder_with_an_obscure_name,
    in_a_subfolder_of_the_project,
    in_a_shallow_clone,
    in_a_worktree,
    in_a_submodule,
    in_a_clone_of_a_bare_repository,
    in_a_subfolder_of_a_larger_repository,
)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_identical(place, small, tmp_path):
    where = place(small, tmp_path)
    (report,) = verify(small, cwd=where)
    assert_identical(report)
    assert small.run("git", "status", "--porcelain", cwd=where).stdout == ""


READ_ONLY = """
set -e
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
! touch "$1/probe" 2>/dev/null
shift
exec "$@"
"""


def read_only(folder: Path) -> list:
    """The words before a command that cannot write to `folder`; skips where that is not allowed."""
    words = ["unshare", "--mount", *(["--map-root-user"] if os.getuid() else [])]
    words += ["sh", "-c", READ_ONLY, "sh", folder]
    try:
        subprocess.run([*words, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this machine lets nobody mount a folder read-only: {error}")
    return words


@pytest.fixture
def shared_cache(small, tmp_path):
    """A cache outside of the project, which is told to use it."""
    cache = tmp_path / "shared cache"
    shutil.copytree(small.root / ".dvc/cache", cache)
    small.run("dvc", "config", "--local", "cache.dir", cache)
    yield cache
    (small.root / ".dvc/config.local").unlink()


def verify_read_only(project, cache: Path) -> None:
    before = state_of(cache)
    words = [*read_only(cache), "exact", "verify", "--json"]
    done = project.run(*words)
    (report,) = json.loads(done.stdout)
    assert_identical(report)
    assert state_of(cache) == before


def test_a_read_only_cache(small):
    verify_read_only(small, small.root / ".dvc/cache")


def test_a_read_only_cache_outside_of_the_project(small, shared_cache):
    verify_read_only(small, shared_cache)


def test_a_read_only_cache_that_lacks_the_inputs(small, shared_cache):
    shutil.rmtree(shared_cache / "files")
    verify_read_only(small, shared_cache)


def make_dirty(project) -> None:
    """Change, stage, stash, delete and add files, those that decide the model among them."""
    project.write("README.md", "stashed")
    project.run("git", "stash", "--quiet")
    for name in ("README.md", "src/pizza/count.py"):
        project.write(name, "raise SystemExit('staged')")
        project.run("git", "add", name)
    project.write("src/pizza/count.py", "raise SystemExit('changed')")
    project.run("git", "rm", "--quiet", "--cached", "Makefile")
    project.run("git", "rm", "--quiet", "LICENSE")
    for name in ("src/pizza/report.py", f"{RAW}.dvc", COUNT):
        (project.root / name).unlink()
    for name in ("dvc.lock", "params.yaml", "dvc.yaml", RAW, METRICS, "untracked", "data/raw/new"):
        project.write(name, "<<<<<<< not even YAML: {")


def test_a_dirty_working_tree_is_left_as_it_is(small):
    ignored = {small.root / name: (small.root / name).read_bytes() for name in (RAW, COUNT)}
    try:
        make_dirty(small)
        status = small.run("git", "status", "--porcelain").stdout
        assert {line[:2] for line in status.splitlines()} >= {" M", " D", "D ", "M ", "MM", "??"}
        before = working_state(small)
        (report,) = verify(small)
        assert working_state(small) == before
        assert small.run("git", "status", "--porcelain").stdout == status
    finally:
        small.run("git", "stash", "clear")
        for path, content in ignored.items():
            path.write_bytes(content)
        (small.root / "data/raw/new").unlink(missing_ok=True)
    assert_identical(report)
    assert left_over(small) == []


def test_called_by_a_hook_of_another_repository(small, tmp_path):
    small.run("git", "init", "--quiet", tmp_path)
    git = {"GIT_DIR": f"{tmp_path}/.git", "GIT_INDEX_FILE": f"{tmp_path}/.git/index"}
    before = working_state(small), state_of(tmp_path)
    (report,) = verify(small, **git, GIT_WORK_TREE=str(tmp_path), GIT_PREFIX="")
    assert_identical(report)
    assert (working_state(small), state_of(tmp_path)) == before


def test_settings_of_git_that_would_change_a_checkout(small, tmp_path):
    commit = branch_off(small, lambda project: (project.root / ".gitattributes").unlink())
    config, hook = small.root / ".git/config", small.root / ".git/hooks/post-index-change"
    before = config.read_text(encoding="utf-8")
    hook.write_text(f"#!/bin/sh\ntouch '{tmp_path}/canary'\n")
    hook.chmod(0o755)
    (small.root / ".git/info/sparse-checkout").write_text("/*\n!/src/pizza/report.py\n")
    try:
        config.write_text(before + "[core]\nautocrlf = true\nsparseCheckout = true\n")
        assert_identical(*verify(small, commit))
    finally:
        config.write_text(before)
        hook.unlink()
    assert not (tmp_path / "canary").exists()
