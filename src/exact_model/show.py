"""How the reports of `exact verify` look: for a terminal, as JSON, and in Markdown."""

import json
import shutil
import sys
import threading
import time
from dataclasses import asdict

from exact_model import git
from exact_model.reports import COULD_NOT_RUN, IDENTICAL, Report

SHORT = 12
HEAD = ("verdict", "stage", "output", "recorded", "rebuilt", "seconds")
STORED_HEAD = ("verdict", "record", "file", "recorded", "stored")


def plain(text: str) -> str:
    """`text` without what a terminal would take for more than text."""
    return "".join(c if c.isprintable() or c == " " else f"\\x{ord(c):02x}" for c in text)


def refusal(error: BaseException) -> str:
    """Why a command did not do its work: our sentence, and below it what git said about it."""
    return "\n".join([f"exact: {plain(str(error))}", *(f"  {plain(x)}" for x in git.said(error))])


def summary(report: Report) -> str:
    """One line on a report."""
    same = sum(line.verdict == IDENTICAL for line in report.lines)
    what = "stored files" if report.lines and report.lines[0].stored else "outputs"
    count = f"{same} of {len(report.lines)} {what} identical, " if report.lines else ""
    name = plain(report.revision)
    if not report.commit.startswith(name):
        name += f" ({report.commit[:SHORT]})"
    return f"{name}: {report.verdict} ({count}{report.seconds:.1f} s)"


def rows(report: Report) -> list[tuple[str, ...]]:
    """A heading, and the cells of a line for each output; seconds stand at a stage's first."""
    if report.lines and report.lines[0].stored:
        lines = report.lines
        found = [(x.verdict, x.stage, x.path, (x.recorded or "-")[:SHORT], x.stored) for x in lines]
        return [STORED_HEAD, *(tuple(map(plain, cells)) for cells in found)]
    found, before = [HEAD], None
    for line in report.lines:
        seconds = "" if line.seconds is None or line.stage == before else f"{line.seconds:.1f}"
        hashes = (line.recorded or "-")[:SHORT], (line.rebuilt or "-")[:SHORT]
        found.append((line.verdict, plain(line.stage), plain(line.path), *hashes, seconds))
        before = line.stage
    return found if report.lines else []


def remarks(report: Report) -> list[str]:
    """What a person should know beside the table."""
    told = [f"{COULD_NOT_RUN}: {report.problem}"] if report.problem else []
    told += report.notes
    if report.kept:
        told.append(f"what was rebuilt and differs is in {report.kept}")
    return [plain(text) for text in told]


def table(report: Report) -> str:
    """A report for a terminal."""
    lines = rows(report)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    return "\n".join([summary(report), *text, *remarks(report), judged_by(report)])


def judged_by(report: Report) -> str:
    """The tool that a verdict is of."""
    return f"judged by {report.tool}"


def markdown(reports: list[Report]) -> str:
    """All reports for a pull request: a heading and a table each."""
    text = []
    for report in reports:
        text += [f"### {escaped(summary(report))}", ""]
        for number, cells in enumerate(rows(report)):
            text.append(f"| {' | '.join(map(escaped, cells))} |")
            text += ["|---" * len(cells) + "|"] if number == 0 else []
        text += ["", *(f"- {escaped(x)}" for x in (*remarks(report), judged_by(report))), ""]
    return "\n".join(text).strip()


def escaped(text: str) -> str:
    """`text` with what Markdown would take for markup escaped."""
    return "".join(f"\\{c}" if c in r"\|`*_<>[]#@" else c for c in text)


def json_of(reports: list[Report]) -> str:
    """All reports as a JSON list."""
    found = [{**asdict(report), "verdict": report.verdict} for report in reports]
    return json.dumps(found, indent=2, sort_keys=True)


class Progress:
    """What is being done, on one line of stderr; in a log, a line for each commit that is done.

    With `tables`, each report is printed to stdout as soon as it is there.
    """

    def __init__(self, total: int, tables: bool):
        self.total, self.tables, self.finished = total, tables, 0
        self.terminal = sys.stderr.isatty()
        self.lock, self.doing, self.start = threading.Lock(), {}, time.monotonic()

    def of(self, name: str):
        """The function that takes what is being done for the commit `name`."""

        def heard(text: str) -> None:
            with self.lock:
                self.doing[name] = text
                self.draw()

        return heard

    def draw(self) -> None:
        """Write the line anew."""
        if self.terminal:
            at = f"{self.finished}/{self.total} done, {time.monotonic() - self.start:.0f} s"
            now = "; ".join(f"{name}: {text}" for name, text in self.doing.items())
            width = shutil.get_terminal_size().columns - 1
            print("\r\033[K" + plain(f"{at}; {now}")[:width], end="", file=sys.stderr, flush=True)

    def clear(self) -> None:
        """Take the line away."""
        if self.terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def done(self, report: Report) -> None:
        """A commit has its verdict."""
        with self.lock:
            self.finished += 1
            self.doing.pop(report.revision, None)
            self.clear()
            if self.tables:
                print(table(report) + "\n", flush=True)
            elif not self.terminal:
                print(
                    f"{self.finished}/{self.total} {summary(report)}", file=sys.stderr, flush=True
                )
            if self.finished < self.total:
                self.draw()
