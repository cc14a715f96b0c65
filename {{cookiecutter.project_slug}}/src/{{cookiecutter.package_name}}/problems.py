"""How a stage refuses its input: one sentence, exit status 1, no stack trace."""

import contextlib
import json
import pickle
import sys
import unicodedata
from collections.abc import Callable, Iterable

# Bad rows are counted up to here.
MOST_COUNTED = 1000


class Refused(Exception):
    """Bad input or parameters; the message says what is wrong, where, and what to do."""


def each(rows: Iterable[tuple], check: Callable) -> list:
    """What `check` makes of each row; Refused for the first bad one, and how many more there are.

    Rows that cannot be read end the count.
    """
    good, bad = [], []
    try:
        for row in rows:
            try:
                good.append(check(*row))
            except Refused as refusal:
                bad.append(refusal)
                if len(bad) > MOST_COUNTED:
                    break
    except Refused:
        if not bad:
            raise
    if len(bad) > 1:
        more = f"{len(bad) - 1}{' or more' * (len(bad) > MOST_COUNTED)}"
        raise Refused(f"{bad[0]} ({more} other bad rows follow)")
    if bad:
        raise bad[0]
    return good


def shown(value: object, most: int = 60) -> str:
    """`value` for a message: on one line, at most `most` characters, in quotes if it is text."""
    if isinstance(value, str):
        short = value if len(value) <= most else value[:most] + "…"
        return f"'{short}'" if short.isprintable() else ascii(short)
    try:
        text = json.dumps(value, ensure_ascii=False, skipkeys=True)
    except TypeError:  # A date, which YAML has and JSON has not.
        text = str(value)
    except (RecursionError, ValueError):
        text = "a deeply nested value"
    return shown(text, most)[1:-1]


def looks(name: str) -> str:
    """What is left of `name` without case, width and blanks: equal where two names look alike."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(c for c in folded if not c.isspace() and unicodedata.category(c) != "Cf")


def visible(name: str) -> str:
    """`name` for a message, with its code points where letters may only look like others."""
    odd = name.isprintable() and not name.isascii()
    return f"{shown(name)} ({ascii(name[:60])})" if odd else shown(name)


def run(main: Callable[[], None], check: Callable[[], None] = lambda: None) -> None:
    """Call `main` and then `check`; leave with status 0, or 1 and one sentence on stderr."""
    # A console that knows fewer characters than a message has must not turn it into a stack trace.
    sys.stderr.reconfigure(errors="backslashreplace")
    try:
        main()
        check()
        sys.stdout.flush()
        return
    except (Refused, pickle.PicklingError) as refusal:
        reason = str(refusal)
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        reason = f"{error.filename}: " if error.filename else ""
        reason += f"{error.strerror or error}; fix that and run it again"
    except RecursionError:
        reason = "a value is nested too deeply; flatten it"
    except MemoryError:
        reason = "the memory is too small for this input; use a larger machine or fewer rows"
    # What standard output could not take must not be tried again, with a stack trace, at the end.
    with contextlib.suppress(OSError):
        sys.stdout.close()
    stage = sys.modules["__main__"].__spec__.name.rpartition(".")[2]
    sys.exit(f"{stage}: {reason}")
