"""The `exact` command: each of its words is a module of this package with a `main(arguments)`.

Only `run` is not: what decides bytes lies in the project, and is the same for every tool.
"""

import importlib
import importlib.machinery
import os
import re
import sys
import types
from pathlib import Path

COMMANDS = {
    "run": "run CMD...          run a command under the pins of params.yaml",
    "verify": "verify [REV...]     rebuild commits and compare them with their own records",
    "vary": "vary [NAME...]      rebuild HEAD with something else changed each time, and compare",
    "which": "which WHAT          tell which commits, people and version a file or image is of",
    "compare": "compare A B         tell what changed between two commits, versions or model files",
    "release": "release VERSION     check all that a version promises, then tag it",
    "image": "image [REV]         make the container image that scores rows with a commit's model",
    "pull": "pull                get this commit's data and models, and hash what came",
    "push": "push                copy to the DVC remote what older commits name too",
    "data": "data URL SHA256     replace the raw data by a file or URL, checked by its hash",
    "update": "update [--to REV]   bring the project the newest template and tool",
    "setup": "setup               tell git how files are stored and merged (make calls it)",
    "merge": "merge ...           merge two dvc.lock, stage by stage (git calls it)",
    "pre-push": "pre-push ...        look whether the remote has what is pushed (git calls it)",
    "venv": "venv                look whether .venv is what the locks name (make calls it)",
}
USAGE = "usage: exact COMMAND ...\n\n  " + "\n  ".join(COMMANDS.values())


def drop_variables() -> None:
    """Take from this process what would change the behaviour of a Python, pip, uv, git or DVC."""
    text = Path(__file__).with_name("kept_variables.txt").read_text(encoding="utf-8")
    kept = re.sub("#.*", "", text).replace("%", ".*").split()
    for name in list(os.environ):
        if re.match("(PYTHON|PIP_|UV_|GIT_|DVC_)", name) and not re.fullmatch("|".join(kept), name):
            del os.environ[name]


def run(command: list[str]) -> int:
    """Run `command` as the project says that this folder lies in: by its own src/exact/run.py."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        file = folder / "src/exact/run.py"
        if file.is_file():
            loader = importlib.machinery.SourceFileLoader("exact.run", str(file))
            module = types.ModuleType(loader.name)
            module.__file__ = str(file)
            loader.exec_module(module)
            return module.main(command)
    print(f"exact: {here} is in no project with a src/exact/run.py", file=sys.stderr)
    return 1


def main() -> int:
    """Run the command named by the first argument; its return value is the exit status."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    if not arguments or arguments[0] not in COMMANDS:
        print(USAGE, file=sys.stderr)
        return 2
    try:
        # `exact run` has a list of its own, for its command may be meant to get the others.
        if arguments[0] == "run":
            return run(arguments[1:])
        drop_variables()
        # Imported only now: `exact run` starts before every stage and should cost little.
        name = arguments[0].replace("-", "_")
        return importlib.import_module(f"exact_model.{name}").main(arguments[1:])
    except KeyboardInterrupt:
        return 130
