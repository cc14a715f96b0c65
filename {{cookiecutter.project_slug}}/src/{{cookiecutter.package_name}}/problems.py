"""How a stage refuses its input: one sentence, exit status 1, no stack trace."""

import sys
from collections.abc import Callable


class Refused(Exception):
    """Bad input or parameters; the message says what is wrong, where, and what to do."""


def shown(value: object, most: int = 60) -> str:
    """`value` for a message: quoted, on one line, at most `most` characters of it."""
    text = value if isinstance(value, str) else repr(value)
    short = text if len(text) <= most else text[:most] + "…"
    return ascii(short) if not short.isprintable() else f"'{short}'"


def run(main: Callable[[], None]) -> None:
    """Call `main` and leave with status 0, or 1 and one sentence on standard error."""
    # A console that knows fewer characters than a message has must not turn it into a stack trace.
    sys.stderr.reconfigure(errors="backslashreplace")
    stage = sys.modules["__main__"].__spec__.name.rpartition(".")[2]
    try:
        main()
    except Refused as refusal:
        sys.exit(f"{stage}: {refusal}")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.exit(f"{stage}: {where}{error.strerror or error}")
