"""The small project on which `exact verify` is tried: shared, put back before each test."""

import json
import os
import shutil
import signal
import subprocess

import pytest
from places import (
    CALLS,
    ROOM,
    alive,
    append,
    assert_identical,
    branch_off,
    environments,
    fall_asleep,
    few_packages,
    left_over,
    rename_package,
    small_stages,
    verify,
    wait_for,
    working_state,
)
from projects import OBSCURE, Project


@pytest.fixture(scope="module")
def tiny(built, tmp_path_factory) -> Project:
    """The small project, pushed; its commits are the tags altruism@v1.0.0 and altruism@v1.1.0."""
    project = Project(tmp_path_factory.mktemp("places") / OBSCURE / "altruism")
    ignore = shutil.ignore_patterns(".venv", "tmp")
    shutil.copytree(built.root, project.root, symlinks=True, ignore=ignore)
    few_packages(project)
    project.run("make", "env")
    small_stages(project)
    project.commit("Small stages")
    project.run("make", "push")
    project.run("git", "tag", "altruism@v1.0.0")
    rename_package(project)
    project.commit("A new name for the package")
    project.run("git", "tag", "altruism@v1.1.0")
    return project


@pytest.fixture
def small(tiny) -> Project:
    """The small project at its last commit."""
    tiny.run("git", "checkout", "--quiet", "--force", "--detach", "main")
    tiny.run("git", "clean", "--quiet", "--force", "-d")
    return tiny


@pytest.fixture(scope="module")
def process(tiny):
    """One process for many calls, since its start costs ten times as much as a quick one."""
    with subprocess.Popen(
        [tiny.root / ".venv/bin/python", "-c", CALLS],
        cwd=tiny.root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield process


@pytest.fixture
def ask(small, process):
    """A function that gives exit status and reports of `exact verify`, whose process lives on."""

    def call(*words) -> tuple[int, list[dict]]:
        print(json.dumps(words), file=process.stdin, flush=True)
        return json.loads(process.stdout.readline())

    return call


@pytest.fixture
def kept(small):
    """The environment of the last commit, as `exact verify` keeps it."""
    if not environments(small):
        assert_identical(*verify(small))
    (name,) = environments(small)
    folder = small.root / ROOM / "environments" / name
    yield folder
    if not (folder / "bin/python").exists():
        shutil.rmtree(folder)


@pytest.fixture
def undisturbed(small):
    """The project, in which nothing may run or lie about when the test is over, or be changed."""
    before = working_state(small)
    yield small
    orphans = [] if wait_for(lambda: not alive(small), seconds=5) else alive(small)
    for pid in orphans:
        os.kill(pid, signal.SIGKILL)
    left = left_over(small)
    shutil.rmtree(small.root / ROOM / "trees", ignore_errors=True)
    assert orphans == [] and left == []
    assert working_state(small) == before


@pytest.fixture(scope="module")
def sleepers(tiny) -> list[str]:
    """Two commits that can only be interrupted."""
    one = branch_off(tiny, fall_asleep)
    return [one, branch_off(tiny, append("README.md"), one)]
