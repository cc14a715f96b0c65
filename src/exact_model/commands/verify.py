"""`exact verify [REV...]`: rebuild commits and compare every output with their own dvc.lock.

The exit status is 0 when all is identical, 1 when something differs and 2 when it could not run.
What differs may be a release's tag that was asked for, whose text names another model.
"""

import argparse
import contextlib
import functools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from exact_model import git, own, published, quick, show, verifying
from exact_model.container import add_options
from exact_model.errors import Misused, Refused
from exact_model.objects import Store
from exact_model.packages import project_root
from exact_model.processes import cancel
from exact_model.progress import Progress
from exact_model.reports import COULD_NOT_RUN, DIFFERS, IDENTICAL, MISSING, SAME_MODEL

WHEN_STOPPED = "stopped; what was rebuilt is removed"
STATUS = {IDENTICAL: 0, SAME_MODEL: 1, DIFFERS: 1, COULD_NOT_RUN: 2, MISSING: 2}


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


def all_of(root: Path, pairs: list, jobs: int, task, progress: Progress, tables: bool) -> list:
    """The report of `task` on each commit, in their order, `jobs` at once.

    With `tables`, each is printed as soon as it is there.
    """
    with ThreadPoolExecutor(jobs) as pool:
        try:
            futures = [
                pool.submit(task, root, name, commit, progress.of(name)) for name, commit in pairs
            ]
            reports = []
            for future in futures:
                reports.append(report := future.result())
                text = f"{show.table(report)}\n" if tables else show.summary(report)
                progress.done(report.revision, text, tables)
            return reports
        except BaseException:
            # Whoever works on has nothing to run any more, and cleans up.
            cancel()
            pool.shutdown(cancel_futures=True)
            raise


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("revisions", nargs="*", metavar="REV", help="commits, tags, branches, ranges (HEAD)")
    add("--tags", action="store_true", help="all release tags")
    add("--quick", action="store_true", help="only read back what is stored, and hash it")
    add("--jobs", type=positive, default=1, metavar="N", help="revisions at once (1)")
    add("--container", action="store_true", help="rebuild in containers of their own Dockerfiles")
    add("--tool", type=own.sha256, metavar="sha256:…", help="accept this tool alone as the judge")
    add("--repo", metavar="URL", help="verify in a new clone of this repository, then remove it")
    add("--path", metavar="FOLDER", help="with --repo: where in it the project is")
    add("--remote", metavar="URL", help="with --repo: where the data of its DVC remote is now")
    add_options(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="the report as JSON")
    form.add_argument("--summary", action="store_true", help="the report in Markdown")


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
    verify = quick.check if arguments.quick else verifying.verify
    task = functools.partial(verify, wanted=arguments.tool)
    if arguments.container:
        task = functools.partial(task, options=arguments)
    if arguments.repo is None:
        root = project_root(Path.cwd()).resolve()
        pairs = wanted(root, arguments)
        return root, pairs, functools.partial(task, Store(root))
    clone = places.enter_context(published.cloned(arguments.repo))
    task = functools.partial(published.report_on, clone, arguments.path, arguments.remote, task)
    return clone.clone, wanted(clone.clone, arguments), task


def main(arguments: argparse.Namespace) -> int:
    """Verify and print; the exit status is that of the worst verdict."""
    if arguments.quick and arguments.container:
        raise Misused("--quick rebuilds nothing, so it takes no --container")
    if arguments.repo is None and (arguments.path or arguments.remote):
        raise Misused("--path and --remote go with --repo")
    if arguments.repo is not None and not (arguments.revisions or arguments.tags):
        raise Misused("--repo takes the tags that were published, or --tags")
    form = show.json_of if arguments.json else show.markdown if arguments.summary else None
    with contextlib.ExitStack() as places:
        root, pairs, task = asked_for(arguments, places)
        releases = git.releases_with_texts(root)
        asked = arguments.revisions + ([*releases] if arguments.tags else [])
        task = functools.partial(verifying.judged, task, releases.values(), asked)
        with Progress(len(pairs)) as progress:
            reports = all_of(root, pairs, arguments.jobs, task, progress, tables=form is None)
    if form:
        print(form(reports))
    statuses = {STATUS[report.verdict] for report in reports}
    return 1 if 1 in statuses else max(statuses)
