"""The command that is installed takes no module from the folder in which it is called."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

LAUNCHER = Path(__file__).resolve().parents[2] / "tools/exact"


@pytest.mark.parametrize("beside", [True, False], ids=["in an environment", "by itself"])
def test_a_package_of_the_same_name(tmp_path, beside):
    """Where no Python lies beside it, as after `pip install --user`, it takes that of PATH."""
    command = Path(sys.prefix, "bin/exact")
    if not beside:
        command = tmp_path / "bin/exact"
        command.parent.mkdir()
        shutil.copy(LAUNCHER, command)
    for name in ("exact_model", "dvc", "json"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('forged')\n")
    path = os.pathsep.join([str(Path(sys.prefix, "bin")), os.environ["PATH"]])
    environ = {**os.environ, "PATH": path}
    words = [command, "verify", "--help"]
    done = subprocess.run(words, cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 0 and "--repo URL" in done.stdout, done.stderr
