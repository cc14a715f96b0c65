"""Another minor version of Python, once `.python-version` names it, makes the same bytes."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from projects import Project
from test_cpus import V3, differences, every_kind
from test_exactness import assert_exact, estimators, fit, golden, md5

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]


def folder_of(version: str) -> str:
    """The folder of a Python that uv knows or pyenv has made; skips where there is none."""
    words = ("python", "list", "--only-installed", "--output-format", "json", version)
    told = subprocess.run(["uv", *words], capture_output=True, text=True, check=True).stdout
    found = [python["path"] for python in json.loads(told)]
    found += Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")
    if not found:
        pytest.skip(f"there is no Python {version} here")
    return str(Path(found[0]).parent)


@pytest.fixture(scope="module")
def wanted(built, tmp_path_factory):
    """What the Python that the template names makes, by kind."""
    return every_kind(built, V3, tmp_path_factory.mktemp("pythons") / "made")


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_another_python_makes_the_same(version, built, wanted, tmp_path):
    path = f"{folder_of(version)}{os.pathsep}{os.environ['PATH']}"
    project = Project(tmp_path / "altruism")
    shutil.copytree(built.root, project.root, symlinks=True, ignore=shutil.ignore_patterns(".venv"))
    project.write(".python-version", f"{version}\n")
    told = project.run("make", PATH=path).stdout
    assert "Running stage 'evaluate'" in told
    assert project.run("exact", "run", "python", "-V").stdout.startswith(f"Python {version}.")
    assert_exact(project)
    assert differences(every_kind(project, V3, tmp_path / "made"), wanted) == {}
    models = {name: md5(fit(project, name)) for name in estimators(project)}
    assert models == golden()["models"]
