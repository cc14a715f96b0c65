"""Verify one commit: rebuild it and compare every output with its own dvc.lock."""

import argparse
import contextlib
import shutil
from pathlib import Path

from exact_model import describes, git, judge, own, reads, rebuild, verdicts
from exact_model.container import Container, build, engine
from exact_model.environment import NOT_PINNED, kept_environment, pinned
from exact_model.errors import Refused
from exact_model.explain import Case, explain
from exact_model.objects import Store
from exact_model.processes import cancelled, workplace
from exact_model.reports import Report, filled_in

TRACE = Path(__file__).with_name("trace.py")


def verify(
    store: Store,
    root: Path,
    name: str,
    commit: str,
    on_progress,
    options: argparse.Namespace | None = None,
    wanted: str | None = None,
) -> Report:
    """Rebuild `commit` and compare; `on_progress` gets what is being done, for a progress line.

    With `options` it is rebuilt in a container of its own Dockerfile's. A commit that names another
    tool than the one with the sha256 `wanted` could not run.
    """
    report = Report(name, commit)
    with filled_in(report), workplace(root) as place, contextlib.ExitStack() as stack:
        client = stack.enter_context(engine()) if options else None
        verify_in(place, root, report, store, on_progress, client, options, wanted)
    if not cancelled.is_set():
        verdicts.keep(root, commit, report.verdict)
    return report


def verify_in(
    place: Path,
    root: Path,
    report: Report,
    store: Store,
    on_progress,
    client,
    options,
    wanted: str | None = None,
) -> None:
    """Do the work of `verify` in the folder `place`; the report is filled in on the way."""
    on_progress("getting its files and inputs")
    tree, stages, names = describes.ready(root, report.commit, place, store, report)
    own.check(report.own_tool, wanted)
    if client:
        on_progress("building its image")
        committed = git.person(root, report.commit)["committed"]
        image = build(client, tree, committed, "build", options, {}, on_progress)
        environment = Container(client, image, place)
    else:
        environment = kept_environment(root, tree, on_progress)
        report.notes += [] if pinned(tree) else [NOT_PINNED]
    # Where a container, too, can read it.
    tracer, log = place / "trace.py", place / "trace"
    shutil.copyfile(TRACE, tracer)
    traced = {"EXACT_TRACE": str(tracer), "EXACT_TRACE_LOG": str(log)}
    made = rebuild.reproduce(tree, environment, on_progress, **traced)
    describes.check_rebuilt(stages, made)
    report.lines = judge.compare(stages, made)
    report.problem = judge.failure(stages, made)
    read = list(dict.fromkeys(reads.undeclared(tree, stages, names, log)))
    report.notes += reads.unnamed(read)
    report.problem = report.problem or reads.outside(read)
    on_progress("comparing")
    explain(Case(root, report.commit, tree, environment, store, stages, made, report, read))


def judged(task, releases, asked, root: Path, name: str, commit: str, on_progress) -> Report:
    """The report of `task` on a commit, and on its releases, some of which were `asked` for."""
    report = task(root, name, commit, on_progress)
    with contextlib.suppress(Refused):
        verdicts.look_at_releases(root, report, releases, asked)
    return report
