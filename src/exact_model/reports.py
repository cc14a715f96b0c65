"""The verdict on a commit: on each of its outputs, and on all of them."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from exact_model import git
from exact_model.errors import Refused
from exact_model.tool import Tool, running

IDENTICAL, SAME_MODEL = "identical", "same model"
DIFFERS, COULD_NOT_RUN, MISSING = "differs", "could not run", "missing"
# From the best to the worst, for the verdict on several of them.
VERDICTS = (IDENTICAL, SAME_MODEL, MISSING, COULD_NOT_RUN, DIFFERS)


@dataclass
class Line:
    """The verdict on one output; hashes are md5s, None where there is no file.

    `seconds` are those of the whole stage. `stored` tells what was read back, where nothing was
    rebuilt.
    """

    stage: str
    path: str
    verdict: str
    recorded: str | None
    rebuilt: str | None
    seconds: float | None = None
    stored: str | None = None


@dataclass
class Report:
    """The verdict on one commit, with a line for each output, and what a person should know."""

    revision: str
    commit: str
    lines: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    kept: str | None = None
    problem: str | None = None
    # The tool that judges, and the one that the commit names for itself.
    tool: Tool = field(default_factory=running)
    own_tool: Tool | None = None

    @property
    def verdict(self) -> str:
        """The worst of all lines; `could not run` where there are none."""
        found = [line.verdict for line in self.lines]
        if self.problem or not found:
            found.append(COULD_NOT_RUN)
        return max(found, key=VERDICTS.index)


@contextlib.contextmanager
def filled_in(report: Report) -> Iterator[None]:
    """Put the time that is spent inside, and what goes wrong there, into the report."""
    start = time.monotonic()
    try:
        yield
    except (Refused, OSError) as error:
        report.problem = str(error)
        report.notes += git.said(error)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # What is raised by code that trusts the form of a record when it has another.
        report.problem = f"its records cannot be understood ({error!r})"
    finally:
        report.seconds = time.monotonic() - start
