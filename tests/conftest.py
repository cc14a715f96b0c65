"""One generated project with its environment and its first model, shared by all tests."""

import os
import shutil
import signal

import pytest
from bake import bake
from filelock import FileLock
from projects import OBSCURE, Project


@pytest.fixture(autouse=True, scope="session")
def neutral_environment():
    """A git identity of the tests' own, and nothing of the caller's that names another project."""
    git = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE")
    # Under `make test`, a project's own make would be told that it is the make of a make.
    make = ("MAKELEVEL", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES")
    for name in ("VIRTUAL_ENV", *git, *make):
        os.environ.pop(name, None)
    for role in ("AUTHOR", "COMMITTER"):
        os.environ[f"GIT_{role}_NAME"] = "Test"
        os.environ[f"GIT_{role}_EMAIL"] = "test@example.org"
    os.environ["GIT_CONFIG_GLOBAL"] = os.devnull
    # A shell that starts the tests in the background lets them, and all that they run, ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def built(tmp_path_factory, worker_id) -> Project:
    """The default project, its model built and committed. Shared, so tests change a copy only."""
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent
    folder = shared / OBSCURE
    with FileLock(shared / "built.lock"):
        if not (folder / "done").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            project = Project(bake(folder))
            project.run("make")
            project.commit("First model")
            (folder / "done").touch()
    return Project(folder / "altruism")


@pytest.fixture
def project(built, tmp_path) -> Project:
    """A copy of the built project, for one test to do with as it likes."""
    return built.copy(tmp_path / "altruism")
