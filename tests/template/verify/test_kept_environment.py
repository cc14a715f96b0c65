"""The environment of a commit is made once, and again when it is broken."""

import os
import re
import shutil
from pathlib import Path

import pytest
from places import (
    append,
    assert_identical,
    branch_off,
    environments,
    relock,
    verify,
    with_store,
)
from projects import Project

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]


def test_the_environment_is_made_once(small, kept):
    before = environments(small)
    assert_identical(*verify(small))
    assert environments(small) == before


def remove_python(small, kept):
    for python in kept.glob("bin/python*"):
        python.unlink()


def install_another_version(small, kept):
    small.run("uv", "pip", "install", "--quiet", "--python", kept, "six==1.16.0")


BREAK = (remove_python, install_another_version)


@pytest.mark.parametrize("broken", BREAK, ids=lambda broken: broken.__name__)
def test_a_broken_environment_is_made_anew(broken, small, kept):
    before = environments(small)
    broken(small, kept)
    assert_identical(*verify(small))
    assert environments(small).keys() == before.keys() and environments(small) != before
    assert [*kept.glob("lib/python3.*/site-packages/six-1.17*")]


def in_a_copy_with_the_environment_of_the_original(small, folder):
    """Scripts of an environment name the folder that it was made in."""
    copied = with_store(small, folder) / "copy"
    ignore = shutil.ignore_patterns(".venv")
    shutil.copytree(small.root, copied, symlinks=True, ignore=ignore, copy_function=os.link)
    (index,) = {*copied.glob(".git/index")}
    # git writes it anew and would not break the link.
    content = index.read_bytes()
    index.unlink()
    index.write_bytes(content)
    return copied


def test_an_environment_of_another_folder_is_made_anew(small, kept, tmp_path):
    copied = in_a_copy_with_the_environment_of_the_original(small, tmp_path)
    before = environments(small)
    theirs = Project(copied)
    assert environments(theirs) == before
    assert_identical(*verify(small, cwd=copied))
    assert environments(theirs).keys() == before.keys() and environments(theirs) != before
    assert environments(small) == before


def name_no_version(project):
    project.replace("requirements.lock", "numpy==", "numpy==99.")


def name_another_hash(project):
    """Of the first package, which is numpy, and which requirements-dev.lock does not name."""
    first, name, others = project.read("requirements.lock").partition("packaging==")
    first = re.sub(r"(?<=sha256:)\w+", "0" * 64, first)
    project.write("requirements.lock", first + name + others)


def other_lock(change):
    """The change of requirements.lock, and of dvc.lock, as if the stages had run with it."""
    return lambda project: [change(project), relock(project, "requirements.lock")]


def test_locks_that_cannot_be_installed(small):
    locks = (name_no_version, name_another_hash)
    commits = [branch_off(small, other_lock(lock)) for lock in locks]
    before = environments(small)
    for report in verify(small, *commits, status=2):
        assert report["verdict"] == "could not run" and report["lines"] == []
        assert report["problem"].startswith("its environment cannot be made: ")
        assert "numpy" in report["problem"] and report["problem"].isprintable()
    assert environments(small) == before


def test_without_uv(small):
    commit = branch_off(small, other_lock(append("requirements.lock")))
    folders = [small.root / ".venv/bin", *map(Path, os.environ["PATH"].split(os.pathsep))]
    path = os.pathsep.join(str(one) for one in folders if not (one / "uv").exists())
    (report,) = verify(small, commit, status=2, PATH=path)
    assert re.search(r"\buv\b.*\bPATH\b", report["problem"]), report["problem"]
