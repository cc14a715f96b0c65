"""`exact release VERSION`: what it takes and prints; what it does is in exact_model.release."""

import argparse
from pathlib import Path

from exact_model.packages import project_root
from exact_model.progress import Progress
from exact_model.release import steps


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("version", metavar="VERSION", help="such as v1.2.0, or NAME@v1.2.0 where there are several")
    add("--stage", metavar="NAME", help="assign the version, new or not, to a stage such as prod")
    add("--dry-run", action="store_true", help="check everything, and tag nothing")


def main(arguments: argparse.Namespace) -> int:
    """Check and tag; where it is refused, nothing is tagged that does not hold."""
    root = project_root(Path.cwd()).resolve()
    with Progress() as progress:
        for line in steps(root, arguments, progress.step):
            progress.say(line)
    return 0
