"""A test file, run as a program of its own: what hangs or crashes there fails a test alone."""

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2] / "{{cookiecutter.project_slug}}/src"


def in_a_process(*words) -> subprocess.CompletedProcess:
    """Run a Python file with these arguments; `exact.dump` is that of the template."""
    return subprocess.run(
        [sys.executable, *map(str, words)],
        env={**os.environ, "PYTHONPATH": f"{SOURCE}{os.pathsep}{Path(__file__).parent}"},
        capture_output=True,
        text=True,
    )
