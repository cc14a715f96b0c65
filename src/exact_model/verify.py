"""`exact verify [REV...]`: rebuild commits and compare every output with their own dvc.lock.

The exit status is 0 when all is identical, 1 when something differs and 2 when it could not run.
What differs may be a release's tag that was asked for, whose text names another model.
"""

import argparse
import contextlib
import functools
import os
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from exact_model import (
    describes,
    git,
    judge,
    own,
    published,
    quick,
    reads,
    rebuild,
    show,
    verdicts,
)
from exact_model.container import Container, add_options, build, engine
from exact_model.environment import NOT_PINNED, kept_environment, pinned
from exact_model.errors import Refused
from exact_model.explain import Case, explain
from exact_model.objects import Store
from exact_model.packages import project_root
from exact_model.processes import cancel, cancelled, stop_cleanly, workplace
from exact_model.reports import COULD_NOT_RUN, DIFFERS, IDENTICAL, SAME_MODEL, Report, filled_in

TRACE = Path(__file__).with_name("trace.py")
STATUS = {IDENTICAL: 0, SAME_MODEL: 1, DIFFERS: 1, COULD_NOT_RUN: 2}


def verify(
    store: Store,
    root: Path,
    name: str,
    commit: str,
    heard,
    options: argparse.Namespace | None = None,
    wanted: str | None = None,
) -> Report:
    """Rebuild `commit` and compare; `heard` gets what is being done, for a progress line.

    With `options` it is rebuilt in a container of its own Dockerfile's. A commit that names another
    tool than the one with the sha256 `wanted` could not run.
    """
    report = Report(name, commit)
    with filled_in(report), workplace(root) as place, contextlib.ExitStack() as stack:
        client = stack.enter_context(engine()) if options else None
        verify_in(place, root, report, store, heard, client, options, wanted)
    if not cancelled.is_set():
        verdicts.keep(root, commit, report.verdict)
    return report


def verify_in(
    place: Path,
    root: Path,
    report: Report,
    store: Store,
    heard,
    client,
    options,
    wanted: str | None = None,
) -> None:
    """Do the work of `verify` in the folder `place`; the report is filled in on the way."""
    heard("getting its files and inputs")
    tree, stages, names = describes.ready(root, report.commit, place, store, report)
    own.check(report.own_tool, wanted)
    if client:
        heard("building its image")
        committed = git.person(root, report.commit)["committed"]
        image = build(client, tree, committed, "build", options, {})
        environment = Container(client, image, place)
    else:
        environment = kept_environment(root, tree, heard)
        report.notes += [] if pinned(tree) else [NOT_PINNED]
    # Where a container, too, can read it.
    tracer, log = place / "trace.py", place / "trace"
    shutil.copyfile(TRACE, tracer)
    traced = {"EXACT_TRACE": str(tracer), "EXACT_TRACE_LOG": str(log)}
    made = rebuild.reproduce(tree, environment, heard, **traced)
    describes.check_rebuilt(stages, made)
    report.lines = judge.compare(stages, made)
    report.problem = judge.failure(stages, made)
    read = list(dict.fromkeys(reads.undeclared(tree, stages, names, log)))
    report.notes += reads.unnamed(read)
    report.problem = report.problem or reads.outside(read)
    heard("comparing")
    explain(Case(root, report.commit, tree, environment, store, stages, made, report, read))


def wanted(root: Path, arguments: argparse.Namespace) -> list[tuple[str, str]]:
    """Name and hash of each commit that is asked for, each commit once."""
    tags = git.releases_with_texts(root) if arguments.tags else {}
    if arguments.tags and not tags and not arguments.revisions:
        raise Refused("there is no release tag (model@v1.0.0) to verify")
    names = arguments.revisions or ([] if tags else ["HEAD"])
    found = [pair for name in names for pair in git.commits(root, name)]
    found += [(tag, release.commit) for tag, release in tags.items()]
    first = {}
    for name, commit in found:
        first.setdefault(commit, (name, commit))
    return list(first.values())


def judged(task, releases, asked, root: Path, name: str, commit: str, heard) -> Report:
    """The report of `task` on a commit, and on its releases, some of which were `asked` for."""
    report = task(root, name, commit, heard)
    with contextlib.suppress(Refused):
        verdicts.look_at_releases(root, report, releases, asked)
    return report


def all_of(root: Path, pairs: list, jobs: int, task, progress: show.Progress) -> list:
    """The report of `task` on each commit, in their order, `jobs` at once."""
    with ThreadPoolExecutor(jobs) as pool:
        try:
            futures = [
                pool.submit(task, root, name, commit, progress.of(name)) for name, commit in pairs
            ]
            reports = []
            for future in futures:
                reports.append(future.result())
                progress.done(reports[-1])
            return reports
        except BaseException:
            # Whoever works on has nothing to run any more, and cleans up.
            cancel()
            pool.shutdown(cancel_futures=True)
            raise


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    found = argparse.ArgumentParser(
        prog="exact verify", description=(__doc__ or "").partition("\n\n")[0]
    )
    add = found.add_argument
    add("revisions", nargs="*", metavar="REV", help="commits, tags, branches, ranges (HEAD)")
    add("--tags", action="store_true", help="all release tags")
    add("--quick", action="store_true", help="only read back what is stored, and hash it")
    add("--jobs", type=positive, default=1, metavar="N", help="revisions at once (1)")
    add("--container", action="store_true", help="rebuild in containers of their own Dockerfiles")
    add("--tool", type=own.sha256, metavar="sha256:…", help="accept this tool alone as the judge")
    add("--repo", metavar="URL", help="verify in a new clone of this repository, then remove it")
    add("--path", metavar="FOLDER", help="with --repo: where in it the project is")
    add("--remote", metavar="URL", help="with --repo: where the data of its DVC remote is now")
    add_options(found)
    form = found.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="the report as JSON")
    form.add_argument("--summary", action="store_true", help="the report in Markdown")
    return found


def positive(text: str) -> int:
    """A whole number from 1; ValueError otherwise."""
    if int(text) < 1:
        raise ValueError
    return int(text)


def asked_for(arguments: argparse.Namespace, places: contextlib.ExitStack) -> tuple:
    """The repository that is asked about, its commits as `wanted` gives them, and what to do.

    A repository that is cloned for this is removed when `places` are left.
    """
    if arguments.tool:
        own.check_running(arguments.tool)
    task = functools.partial(quick.check if arguments.quick else verify, wanted=arguments.tool)
    if arguments.container:
        task = functools.partial(task, options=arguments)
    if arguments.repo is None:
        root = project_root(Path.cwd()).resolve()
        pairs = wanted(root, arguments)
        return root, pairs, functools.partial(task, Store(root))
    clone = places.enter_context(published.cloned(arguments.repo))
    task = functools.partial(published.report_on, clone, arguments.path, arguments.remote, task)
    return clone.clone, wanted(clone.clone, arguments), task


def main(words: list[str]) -> int:
    """Verify and print; the exit status is that of the worst verdict, 130 after Ctrl-C."""
    options = parser()
    arguments = options.parse_args(words)
    if arguments.quick and arguments.container:
        options.error("--quick rebuilds nothing, so it takes no --container")
    if arguments.repo is None and (arguments.path or arguments.remote):
        options.error("--path and --remote go with --repo")
    if arguments.repo is not None and not (arguments.revisions or arguments.tags):
        options.error("--repo takes the tags that were published, or --tags")
    stop_cleanly()
    progress = None
    try:
        with contextlib.ExitStack() as places:
            root, pairs, task = asked_for(arguments, places)
            releases = git.releases_with_texts(root)
            asked = arguments.revisions + ([*releases] if arguments.tags else [])
            task = functools.partial(judged, task, releases.values(), asked)
            form = show.json_of if arguments.json else show.markdown if arguments.summary else None
            progress = show.Progress(len(pairs), tables=form is None)
            reports = all_of(root, pairs, arguments.jobs, task, progress)
        if form:
            print(form(reports), flush=True)
    except Refused as error:
        print(show.refusal(error), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        if progress:
            progress.clear()
        print("exact: stopped; what was rebuilt is removed", file=sys.stderr)
        return 130
    except OSError as error:  # The disk is full or, which needs no word, the reader has gone.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"exact: {error}", file=sys.stderr)
        return 2
    statuses = {STATUS[report.verdict] for report in reports}
    return 1 if 1 in statuses else max(statuses)
