"""The one parser of the command line; a word's own arguments are in its module in commands/."""

import argparse
import importlib
import textwrap
import types

from exact_model.errors import STATUSES

SHELLS = ("bash", "zsh", "tcsh")
# Arguments that a shell completes by the names of files.
FILES = ("file", "a", "b", "html", "url")


class Word(argparse.ArgumentParser):
    """The parser of one word, which asks the word's module for its arguments when it is called."""

    filled = False

    def parse_known_args(self, *words, **more):
        self.fill()
        found, others = super().parse_known_args(*words, **more)
        if others:
            # Else the usage would be that of `exact`.
            self.error(f"unrecognized arguments: {' '.join(others)}")
        return found, others

    def fill(self) -> None:
        """Add the word's arguments, once."""
        word = self.prog.split()[-1]
        if not self.filled and word == "run":
            self.usage = "exact run CMD..."
            self.add_argument("command", nargs="*", metavar="CMD", help="the command and its words")
        elif not self.filled:
            module_of(word).add_arguments(self)
        # For what only the whole of the arguments shows to be wrong.
        self.set_defaults(parser=self)
        self.filled = True


class Version(argparse.Action):
    """Print which tool this is."""

    def __call__(self, parser, *_):
        from exact_model import tool

        print(tool.running())
        parser.exit()


class Completion(argparse.Action):
    """Print the completion of a shell."""

    def __call__(self, parser, _, shell, *__):
        import shtab

        for word in parser.words.values():
            word.fill()
            for action in word._actions:
                if action.dest in FILES:
                    action.complete = shtab.FILE
        print(shtab.complete(parser, shell))
        parser.exit()


class Help(argparse.RawDescriptionHelpFormatter):
    """Help in which the longest word does not push all sentences to lines of their own."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=16)


def module_of(word: str) -> types.ModuleType:
    """The module of a word, imported only now."""
    return importlib.import_module(f"exact_model.commands.{word.replace('-', '_')}")


def parser(words: dict[str, str]) -> argparse.ArgumentParser:
    """The parser of `words`, each with its sentence."""
    found = argparse.ArgumentParser(
        prog="exact",
        formatter_class=Help,
        description="Which model is this, and does its commit reproduce it, byte for byte?",
        epilog="exit status:\n" + "\n".join(statuses()),
    )
    add = found.add_argument
    add("--version", action=Version, nargs=0, help="print the tool's version and hash")
    print_it = "print the completion for a shell, to be evaluated by it"
    add("--print-completion", action=Completion, choices=SHELLS, help=print_it)
    each = found.add_subparsers(
        dest="word", metavar="COMMAND", title="commands", required=True, parser_class=Word
    )
    for word, sentence in words.items():
        each.add_parser(word, help=sentence, description=f"{sentence[0].upper()}{sentence[1:]}.")
    found.words = each.choices
    return found


def statuses() -> list[str]:
    """The table of exit statuses for a terminal."""
    lines = []
    for status, what in STATUSES.items():
        lines += textwrap.wrap(
            what, 92, initial_indent=f"  {status:<10}", subsequent_indent=" " * 12
        )
    return lines
