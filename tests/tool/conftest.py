"""Repositories made by the test itself, in which the tool is called in this process or in another.

Nothing here needs a generated project or its environment.
"""

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from exact_model import cli

METRICS = "reports/metrics.json"
PIPELINE = """
stages:
  train:
    cmd: python train.py
    deps: [train.py]
    params: [size]
    outs: [models/model.pkl]
    metrics: [reports/metrics.json: {cache: false}]
"""
TRAIN = "print(1)\n"


class Ended(NamedTuple):
    """How a command ended."""

    status: int
    out: str
    err: str


def md5(content: str | bytes) -> str:
    content = content.encode() if isinstance(content, str) else content
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


class Repository:
    """A git repository with a project of one stage, whose model is in DVC's cache alone."""

    def __init__(self, root: Path):
        self.root = root
        root.mkdir()
        self.git("init", "--quiet", "--initial-branch", "main")
        self.write(".dvc/config", "")
        self.write(".dvc/.gitignore", "/cache\n/tmp\n/config.local\n")
        self.write(".gitignore", "/models/\n")
        self.write("requirements.lock", "")
        self.write(".python-version", "3.11\n")
        self.write("dvc.yaml", PIPELINE)
        self.write("train.py", TRAIN)

    def git(self, *words: str) -> str:
        done = subprocess.run(["git", *words], cwd=self.root, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def write(self, name: str, content: str | bytes) -> str:
        """Write a file; its md5."""
        content = content.encode() if isinstance(content, str) else content
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_bytes(content)
        return md5(content)

    def keep(self, content: bytes) -> str:
        """Put an object into DVC's cache; its md5."""
        found = md5(content)
        self.write(f".dvc/cache/files/md5/{found[:2]}/{found[2:]}", content)
        return found

    def version(self, model: bytes, message: str, score: float = 0.5, size: int = 1) -> str:
        """Commit a record of `model`, which the stage has made; the commit's hash."""
        outs = {"models/model.pkl": self.keep(model)}
        outs[METRICS] = self.write(METRICS, json.dumps({"score": score}))
        self.write("params.yaml", f"size: {size}\n")
        train = {
            "cmd": "python train.py",
            "deps": [{"path": "train.py", "hash": "md5", "md5": md5(TRAIN)}],
            "params": {"params.yaml": {"size": size}},
            "outs": [{"path": path, "hash": "md5", "md5": one} for path, one in outs.items()],
        }
        lock = {"schema": "2.0", "stages": {"train": train}}
        self.write("dvc.lock", yaml.safe_dump(lock, sort_keys=False))
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")


def two_versions(root: Path) -> Repository:
    """Two commits with a model each."""
    found = Repository(root)
    found.version(b"first model", "First")
    found.version(b"second model", "Second", 0.75, 2)
    return found


@pytest.fixture
def repository(tmp_path) -> Repository:
    """Two versions, for one test to do with as it likes."""
    return two_versions(tmp_path / "project")


@pytest.fixture(scope="session")
def unchanged(tmp_path_factory, neutral_environment) -> Repository:
    """Two versions, in which no test may change anything that git knows."""
    return two_versions(tmp_path_factory.mktemp("unchanged") / "project")


@pytest.fixture
def exact(monkeypatch, capsys):
    """A function that calls the command in this process, in some folder, and tells how it ended."""

    def call(*words: object, cwd: Path | None = None) -> Ended:
        before = dict(os.environ)
        handlers = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGHUP)}
        handlers[signal.SIGINT] = signal.getsignal(signal.SIGINT)
        monkeypatch.setattr(sys, "argv", ["exact", *map(str, words)])
        if cwd:
            monkeypatch.chdir(cwd)
        capsys.readouterr()
        try:
            status = cli.main()
        finally:
            os.environ.clear()
            os.environ.update(before)
            for number, handler in handlers.items():
                signal.signal(number, handler)
        return Ended(status, *capsys.readouterr())

    return call


def start(*words: object, cwd: Path, **options) -> subprocess.Popen:
    """The command as a process of its own."""
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    command = [sys.executable, "-I", "-m", "exact_model", *map(str, words)]
    return subprocess.Popen(command, cwd=cwd, **options)


def ended(process: subprocess.Popen) -> Ended:
    out, err = process.communicate(timeout=60)
    return Ended(process.returncode, out, err)
