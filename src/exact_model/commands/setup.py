"""`exact setup`: tell git how files are stored and merged, and that a store is not its own."""

import argparse
import sys
from pathlib import Path

from exact_model.errors import Refused
from exact_model.gitsetup import configure, hide_stores
from exact_model.packages import project_root


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """It takes none."""


def main(arguments: argparse.Namespace) -> int:
    """Do what can be done and tell what cannot: nothing here is needed to build a model."""
    root = project_root(Path.cwd()).resolve()
    for step in (configure, hide_stores):
        try:
            step(root)
        # A ConfigObjError, of a file that DVC refuses too, is a SyntaxError.
        except (Refused, OSError, SyntaxError) as error:
            print(f"exact setup: {error}", file=sys.stderr)
    return 0
