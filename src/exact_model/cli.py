"""The `exact` command: its words, its options, and its one end.

Only `run` is not in the folder commands/: what decides bytes lies in the project, and is the same
for every tool. It starts before every stage, so nothing that it does not need is imported first.
"""

import importlib
import importlib.machinery
import os
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path

WORDS = {
    "run": "run a command with everything pinned that could change a model's bits",
    "verify": "rebuild commits and compare them with their own records",
    "vary": "rebuild HEAD with something else changed each time, to find what changes a bit",
    "which": "find the commit, author and version that a file or image comes from",
    "compare": "show what changed between two commits, versions or model files",
    "release": "check all that a version promises, then tag it",
    "image": "make the container image that scores rows with a commit's model",
    "pull": "get this commit's data and models, and hash what came",
    "push": "push the files of older, unpushed commits to the DVC remote",
    "data": "replace the raw data by a file or URL, checked by its hash",
    "update": "bring the project the newest template and tool",
    "setup": "tell git how files are stored and merged (make calls it)",
    "merge": "merge two dvc.lock, stage by stage (git calls it)",
    "pre-push": "check that the DVC remote has the files of what is pushed (git calls it)",
    "venv": "check that .venv is what the locks name (make calls it)",
}


def main() -> int:
    """Do what the command line says; the exit status is one of `errors.STATUSES`."""
    words = sys.argv[1:]
    try:
        # `exact run` has a list of its own, for its command may be meant to get the others.
        if words[:1] == ["run"] and words[1:2] not in (["-h"], ["--help"]):
            return run(words[1:])
        drop_variables()
        return called(words)
    except KeyboardInterrupt:
        return 130


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
    print(f"exact: {here} is not in a project with a src/exact/run.py", file=sys.stderr)
    return 1


# -- all other words


def called(words: list[str]) -> int:
    """Call the module of the first of the `words`, and end as `errors.STATUSES` says."""
    from exact_model import arguments, errors, output, processes

    output.take_over()
    word, module = words[0] if words else "", None
    try:
        parser = arguments.parser(WORDS)
        if not words:
            parser.print_help(sys.stderr)
            return errors.COULD_NOT
        chosen, status = ended_by_argparse(parser.parse_args, words)
        if chosen:
            word = chosen.word
            module = arguments.module_of(word)
            processes.stop_cleanly()
            try:
                status = module.main(chosen)
            except errors.Misused as error:
                _, status = ended_by_argparse(chosen.parser.error, str(error))
        sys.stdout.flush()
        return status
    except (errors.Refused, OSError) as error:
        print("\n".join(sentences(error)), file=sys.stderr)
        wrong = isinstance(error, errors.WrongEnvironment)
        return errors.WRONG_ENVIRONMENT if wrong else errors.REFUSED.get(word, errors.NO)
    except KeyboardInterrupt:
        import signal

        # What is still to be cleaned up is not to be stopped by an impatient second one.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print(f"exact: {getattr(module, 'WHEN_STOPPED', 'stopped')}", file=sys.stderr)
        return errors.STOPPED


def ended_by_argparse(act, words) -> tuple:
    """What `act` gives, and 0; or nothing, and the status with which argparse ends."""
    try:
        return act(words), 0
    except SystemExit as ended:
        return None, ended.code or 0


def sentences(error: BaseException) -> Iterator[str]:
    """Why a command did not do its work: our sentence, what git said about it, and notes."""
    from exact_model import git
    from exact_model.text import printable

    yield f"exact: {printable(str(error))}"
    yield from (f"  {printable(line)}" for line in git.said(error))
    yield from (f"exact: {printable(note)}" for note in getattr(error, "__notes__", ()))
