"""The `exact` command: each of its words is a module of this package with a `main(arguments)`."""

import importlib
import os
import re
import sys
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


def main() -> int:
    """Run the command named by the first argument; its return value is the exit status."""
    arguments = sys.argv[1:]
    if arguments and arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    if not arguments or arguments[0] not in COMMANDS:
        print(USAGE, file=sys.stderr)
        return 2
    # `exact run` has a list of its own, for its command may be meant to hear the others.
    if arguments[0] != "run":
        drop_variables()
    # Imported only now: `exact run` starts before every stage and should cost no more than it must.
    try:
        return importlib.import_module(f"exact.{arguments[0].replace('-', '_')}").main(
            arguments[1:]
        )
    except KeyboardInterrupt:
        return 130
