"""Notebooks are stored without outputs, for those hold rows of the data."""

import json
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def git(*words: str) -> str:
    """What git prints; skips where there is none, or no repository."""
    try:
        return subprocess.run(
            ["git", *words], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("there is no git repository here")


def test_no_notebook_is_stored_with_outputs():
    for name in git("ls-files", "-z", "--", "notebooks/*.ipynb").split("\0")[:-1]:
        cells = json.loads(git("cat-file", "blob", f":./{name}"))["cells"]
        mend = "run `make env`, then `git add --renormalize notebooks`"
        assert not [cell for cell in cells if cell.get("outputs")], f"{name} has outputs: {mend}"
