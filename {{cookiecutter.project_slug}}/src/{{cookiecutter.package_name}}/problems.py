"""How a stage refuses its input: one sentence, exit status 1, no stack trace."""

import contextlib
import json
import pickle
import sys
from collections.abc import Callable


class Refused(Exception):
    """Bad input or parameters; the message says what is wrong, where, and what to do."""


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
        reason += f"{error.strerror or error}; mend that and run it again"
    except RecursionError:
        reason = "a value is nested too deeply; flatten it"
    except MemoryError:
        reason = "the memory is too small for this input; use a larger machine or fewer rows"
    # What standard output could not take must not be tried again, with a stack trace, at the end.
    with contextlib.suppress(OSError):
        sys.stdout.close()
    stage = sys.modules["__main__"].__spec__.name.rpartition(".")[2]
    sys.exit(f"{stage}: {reason}")
