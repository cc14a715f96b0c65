"""A repository with a project of one stage, whose files git holds, so that nothing is built."""

import hashlib
import json
from pathlib import Path

import yaml
from projects import Project

from exact_model.objects import folder_md5

FILES = {
    "src/pizza/__init__.py": "",
    "src/pizza/count.py": "print(1)\n",
    "lib/deep/tool.py": "print(2)\n",
    "settings.yaml": "size: 3\n",
    "notes/read.md": "x\n",
}
MODEL = "models/count.json"
COMMAND = "exact run python -m pizza.count"

# Runs several commands in one process, since each would import DVC anew.
EACH = """
import contextlib, io, json, sys
from exact_model.cli import main
found = []
for words in json.load(sys.stdin):
    sys.argv, out, err = ["exact", *words], io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main()
    found.append((status, out.getvalue(), err.getvalue()))
print(json.dumps(found))
"""


def md5(text: str | bytes) -> str:
    content = text.encode() if isinstance(text, str) else text
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


class Small(Project):
    """The project in `folder` of a repository at `top`; it runs in the environment of `built`."""

    def __init__(self, built, top: Path, folder: str = "team"):
        super().__init__(top / folder)
        self.top, self.built, self.model = top, built, "{}\n"
        for name, text in FILES.items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_text(text)
        (self.root / ".dvc").mkdir()
        (self.root / ".dvc/config").write_text("")
        for name in ("requirements.lock", ".python-version"):
            (self.root / name).write_bytes((built.root / name).read_bytes())
        self.record()
        self.run("git", "init", "--quiet", "--initial-branch", "main", self.top)
        self.base = self.commit("As it should be")

    def run(self, *command, **more):
        path = f"{self.built.root}/.venv/bin:/usr/local/bin:/usr/bin:/bin"
        return super().run(*command, **{**more, "PATH": path})

    def record(self, deps=(), command=COMMAND, model: str = "{}\n") -> None:
        """Write a model, and the dvc.yaml and dvc.lock of a stage that makes it of these deps.

        The recorded hashes are those of the files as they are here.
        """
        deps = ["src/pizza/count.py", "lib", *deps]
        stage = {"cmd": command, "deps": deps, "params": [{"settings.yaml": ["size"]}]}
        stage["metrics"] = [{MODEL: {"cache": False}}]
        files = {dep: self.root / dep for dep in deps if "://" not in dep}
        hashes = {dep: md5(f.read_bytes()) for dep, f in files.items() if f.is_file()}
        hashes |= {dep: folder_md5(self.root, dep) for dep, f in files.items() if f.is_dir()}
        recorded = [{"path": dep, "md5": hashes.get(dep, "0" * 32)} for dep in deps]
        found = {"cmd": command, "deps": recorded, "params": {"settings.yaml": {"size": 3}}}
        found["outs"] = [{"path": MODEL, "hash": "md5", "md5": md5(model)}]
        artifacts = {"pizza": {"path": MODEL, "type": "model"}}
        pipeline = {"stages": {"count": stage}, "artifacts": artifacts}
        lock = {"schema": "2.0", "stages": {"count": found}}
        (self.root / "models").mkdir(exist_ok=True)
        for name, content in (("dvc.yaml", pipeline), ("dvc.lock", lock)):
            self.write(name, yaml.safe_dump(content, sort_keys=False))
        self.write(MODEL, model)

    def git(self, *words) -> str:
        return self.run("git", *words).stdout.strip()

    def each(self, commands: list[tuple[str, ...]]) -> list[tuple[int, str, str]]:
        """Exit status, output and errors of each `exact` command."""
        file = self.top.with_name("commands")
        file.write_text(json.dumps(commands))
        script = f"import sys; sys.stdin = open({str(file)!r}){EACH}"
        return [tuple(one) for one in json.loads(self.run("python", "-c", script).stdout)]
