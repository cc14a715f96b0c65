"""A DVC repository that no template has made: two stages, a layout of its own, no `exact run`."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from unittest import mock

from exact_model import cli

CLEAN = """import sys
sys.path.insert(0, "code")
from tools.words import clean
lines = open("input/raw.txt").read().splitlines()
open("work.txt", "w").write("".join(clean(line) + "\\n" for line in lines))
"""
COUNT = """import json
lines = open("work.txt").read().splitlines()
json.dump({"counts": {line: lines.count(line) for line in lines}}, open("out/model.json", "w"))
json.dump({"lines": len(lines)}, open("scores.json", "w"))
"""
WORDS = "def clean(line):\n    return line.strip().lower()\n"
PIPELINE = """stages:
  clean:
    cmd: python code/clean.py
    deps: [input/raw.txt, code/clean.py, code/tools]
    outs: [work.txt]
  count:
    cmd: mkdir -p out && python code/count.py
    deps: [work.txt, code/count.py]
    outs: [out/model.json]
    metrics: [scores.json: {cache: false}]
artifacts:
  counts: {path: out/model.json, type: model}
"""


class Repository:
    """The repository in the folder `root`, run with the environment of the tests."""

    def __init__(self, root: Path):
        self.root = root
        files = {
            "code/clean.py": CLEAN,
            "code/count.py": COUNT,
            "code/tools/words.py": WORDS,
            "input/raw.txt": "One\nTwo \none\n",
            "dvc.yaml": PIPELINE,
            ".dvcignore": "__pycache__\n",
            ".gitignore": "__pycache__/\n/store/\n",
        }
        for name, text in files.items():
            self.write(name, text)
        self.run("git", "init", "--quiet", "--initial-branch", "main")
        self.run("dvc", "init", "--quiet")
        self.run("dvc", "remote", "add", "--quiet", "--default", "store", "store")
        self.run("dvc", "add", "--quiet", "input/raw.txt")
        self.build("First")

    def write(self, name: str, text: str) -> None:
        """Write a file of the repository."""
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_text(text, encoding="utf-8")

    def run(self, *words, status: int = 0, cwd: Path | None = None) -> subprocess.CompletedProcess:
        """Run a command, which must end with `status`."""
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(
            [str(word) for word in words],
            cwd=cwd or self.root,
            env={**os.environ, "PATH": path, "DVC_NO_ANALYTICS": "1"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == status, f"{words}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def exact(self, *words, status: int = 0) -> subprocess.CompletedProcess:
        """Run `exact` in this process, which has DVC already; it must end with `status`."""
        out, err, before = io.StringIO(), io.StringIO(), os.getcwd()
        with (
            mock.patch.object(sys, "argv", ["exact", *map(str, words)]),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            os.chdir(self.root)
            try:
                code = cli.main()
            except SystemExit as end:
                code = end.code
            finally:
                os.chdir(before)
        done = subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())
        assert code == status, f"{words}: {code}\n{done.stdout}{done.stderr}"
        return done

    def build(self, message: str) -> str:
        """Run the stages, push what they make, and commit all; returns the commit."""
        self.run("dvc", "repro", "--quiet")
        self.run("dvc", "push", "--quiet")
        return self.commit(message)

    def commit(self, message: str) -> str:
        """Commit all; returns the commit's hash."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)
        return self.run("git", "rev-parse", "HEAD").stdout.strip()
