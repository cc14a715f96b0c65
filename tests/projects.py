"""A generated project on the disk, and how its users run something in it."""

import os
import shutil
import subprocess
from pathlib import Path

# As nasty as a folder's name may be. Left out are `:`, which would split PATH, tab and newline, at
# which the kernel cuts the first line of a script, and `{`, which DVC takes for a place to fill in.
OBSCURE = """a b 'ü' "&" $x; 日本 #%,=@~ (1) [2] \\*?`id`<|>!^+"""


class Project:
    """A generated project on the disk, and how to run something in it as its users would."""

    def __init__(self, root: Path):
        self.root = root

    def run(self, *command, check=True, cwd=None, **environ):
        """Run `command` with the project's environment active; returns the finished process.

        A Python gets the project's code, which else `exact run` gives it.
        """
        if command[0] == "python":
            environ = {"PYTHONPATH": str(self.root / "src"), **environ}
        path = os.pathsep.join([str(self.root / ".venv/bin"), os.environ["PATH"]])
        done = subprocess.run(
            [str(word) for word in command],
            cwd=cwd or self.root,
            env={**os.environ, "PATH": path, **environ},
            capture_output=True,
            text=True,
        )
        if check and done.returncode:
            raise AssertionError(f"{command} left {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def read(self, name: str) -> str:
        return (self.root / name).read_text(encoding="utf-8")

    def write(self, name: str, text: str) -> None:
        (self.root / name).write_text(text, encoding="utf-8", newline="\n")

    def replace(self, name: str, old: str, new: str) -> None:
        """Replace the only occurrence of `old` in the file `name`."""
        text = self.read(name)
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        self.write(name, text.replace(old, new))

    def commit(self, message: str) -> str:
        """Commit everything; returns the commit's hash."""
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", message)
        return self.run("git", "rev-parse", "HEAD").stdout.strip()

    def copy(self, root: Path) -> "Project":
        """The same project at `root`, with its data, cache and model and its own environment."""
        root.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.root, root, symlinks=True, ignore=shutil.ignore_patterns(".venv"))
        copied = Project(root)
        copied.run("make", "env")
        return copied
