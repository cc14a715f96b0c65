"""The Makefile of this repository."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KEPT = "{{cookiecutter.project_slug}}/src/exact/kept_variables.txt"
# What .venv/bin/python is: nothing, or a program of a Python that is gone, or that fails.
PYTHONS = {
    "none": None,
    "gone": "#!/nowhere/python\n",
    "failing": "#!/bin/sh\necho no >&2; exit 1\n",
}


@pytest.mark.parametrize("python", PYTHONS.values(), ids=PYTHONS)
def test_make_is_silent_about_an_environment_that_is_not_there(python, tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / KEPT).parent.mkdir(parents=True)
    shutil.copy(ROOT / KEPT, tmp_path / KEPT)
    if python:
        (tmp_path / ".venv/bin").mkdir(parents=True)
        (tmp_path / ".venv/bin/python").write_text(python)
        (tmp_path / ".venv/bin/python").chmod(0o755)
    done = subprocess.run(["make", "help"], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "") and "make demo" in done.stdout
    (tmp_path / "requirements.lock").touch()
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / ".venv").mkdir(exist_ok=True)
    (tmp_path / ".venv/.made").touch()
    done = subprocess.run(["make", "-n", "env"], cwd=tmp_path, capture_output=True, text=True)
    assert "making .venv" in done.stdout and done.stderr == ""
