"""How the reports of `exact verify` look: for a terminal, as JSON, and in Markdown."""

import json
from dataclasses import asdict

from exact_model import text
from exact_model.reports import COULD_NOT_RUN, IDENTICAL, Report
from exact_model.text import SHORT, printable

HEAD = ("verdict", "stage", "output", "recorded", "rebuilt", "seconds")
STORED_HEAD = ("verdict", "record", "file", "recorded", "stored")


def summary(report: Report) -> str:
    """One line on a report."""
    same = sum(line.verdict == IDENTICAL for line in report.lines)
    what = "stored files" if report.lines and report.lines[0].stored else "outputs"
    count = f"{same} of {len(report.lines)} {what} identical, " if report.lines else ""
    name = printable(report.revision)
    if not report.commit.startswith(name):
        name += f" ({report.commit[:SHORT]})"
    return f"{name}: {report.verdict} ({count}{report.seconds:.1f} s)"


def rows(report: Report) -> list[tuple[str, ...]]:
    """A heading, and the cells of a line for each output; seconds stand at a stage's first."""
    if report.lines and report.lines[0].stored:
        lines = report.lines
        found = [(x.verdict, x.stage, x.path, (x.recorded or "-")[:SHORT], x.stored) for x in lines]
        return [STORED_HEAD, *found]
    found, before = [HEAD], None
    for line in report.lines:
        seconds = "" if line.seconds is None or line.stage == before else f"{line.seconds:.1f}"
        hashes = (line.recorded or "-")[:SHORT], (line.rebuilt or "-")[:SHORT]
        found.append((line.verdict, line.stage, line.path, *hashes, seconds))
        before = line.stage
    return found if report.lines else []


def remarks(report: Report) -> list[str]:
    """What a person should know beside the table."""
    told = [f"{COULD_NOT_RUN}: {report.problem}"] if report.problem else []
    told += report.notes
    if report.kept:
        told.append(f"what was rebuilt and differs is in {report.kept}")
    return [printable(one) for one in told]


def table(report: Report) -> str:
    """A report for a terminal."""
    lines = [summary(report), *text.table(rows(report)), *remarks(report), judged_by(report)]
    return "\n".join(lines)


def judged_by(report: Report) -> str:
    """The tool that a verdict is of."""
    return f"judged by {report.tool}"


def markdown(reports: list[Report]) -> str:
    """All reports for a pull request: a heading and a table each."""
    lines = []
    for report in reports:
        remarked = (*remarks(report), judged_by(report))
        lines += [f"### {text.markdown(summary(report))}", "", *text.markdown_table(rows(report))]
        lines += ["", *(f"- {text.markdown(remark)}" for remark in remarked), ""]
    return "\n".join(lines).strip()


def json_of(reports: list[Report]) -> str:
    """All reports as a JSON list."""
    found = [{**asdict(report), "verdict": report.verdict} for report in reports]
    return json.dumps(found, indent=2, sort_keys=True)
