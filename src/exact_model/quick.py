"""`exact verify --quick`: read back all that a commit's records name, and hash it again."""

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from exact_model import describes, dvcfiles, own, rebuild, reports
from exact_model.objects import FOLDER, Store, md5_of
from exact_model.processes import workplace
from exact_model.reports import Line, Report


def check(
    store: Store, root: Path, name: str, commit: str, on_progress, wanted: str | None = None
) -> Report:
    """Read each object that `commit` names from the cache and the remote; a line for each."""
    report = Report(name, commit)
    with reports.filled_in(report), workplace(root) as place:
        tree, stages = describes.checked(root, commit, place / "tree", report)
        own.check(report.own_tool, wanted)
        records = list(named(tree, stages, store))
        on_progress(f"reading {len(records)} objects")
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            report.lines = list(pool.map(lambda record: line_of(tree, store, *record), records))
        report.notes += list(advice(store, records, report.lines))
    return report


def named(tree: Path, stages: dict, store: Store) -> Iterator[tuple[str, str, str, str | None]]:
    """Stage (or .dvc file), path, md5 and remote of all that the records in `tree` name."""
    for file, path, out in dvcfiles.tracked(dvcfiles.Tree(tree)):
        yield from unfolded(
            store, PurePosixPath(file).name, path, out.get("md5", ""), out.get("remote")
        )
    for name, stage in stages.items():
        for path, md5 in dvcfiles.outputs(stage).items():
            yield from unfolded(store, name, path, md5, None)


def unfolded(store: Store, stage: str, path: str, md5: str, remote: str | None) -> Iterator:
    """The record itself, and for a folder one for each file in it."""
    yield stage, path, md5, remote
    if md5.endswith(FOLDER):
        for odb in filter(None, (store.cache, store.remote(remote))):
            listing = bytearray()
            if store.state(odb, md5, listing.extend) == "intact":
                for file in json.loads(listing):
                    yield stage, f"{path}/{file['relpath']}", file["md5"], remote
                return


def line_of(tree: Path, store: Store, stage: str, path: str, md5: str, remote: str | None) -> Line:
    """The verdict on one object. What is in the commit itself need not be stored elsewhere.

    It is `identical` where the remote and, if it is there, the cache have it intact; without a
    remote, where the cache has.
    """
    committed = rebuild.inside(tree, path)
    if committed.is_file():
        same = md5_of(committed) == md5
        verdict = reports.IDENTICAL if same else reports.DIFFERS
        return Line(stage, path, verdict, md5, None, stored=f"git: {'intact' if same else 'other'}")
    places = {"cache": store.cache, "remote": store.remote(remote)}
    states = {name: store.state(odb, md5) for name, odb in places.items() if odb}
    needed = states.get("remote", states["cache"])
    if "damaged" in states.values():
        verdict = reports.DIFFERS
    else:
        known = {"intact": reports.IDENTICAL, "missing": reports.MISSING}
        verdict = known.get(needed, reports.COULD_NOT_RUN)
    stored = ", ".join(f"{name}: {state}" for name, state in states.items())
    return Line(stage, path, verdict, md5, None, stored=stored)


def advice(store: Store, records: list[tuple], lines: list[Line]) -> Iterator[str]:
    """What to do about objects that are not as they should be."""
    for (_, path, md5, remote), line in zip(records, lines, strict=True):
        for name, odb in (("cache", store.cache), ("remote", store.remote(remote))):
            if f"{name}: damaged" in line.stored:
                then = "pull" if name == "cache" else "push"
                yield f"{path}: remove {odb.oid_to_path(md5)} and run `make {then}`"
    absent = sum("remote: missing" in line.stored for line in lines)
    if absent:
        lost = any("cache: missing, remote: missing" in line.stored for line in lines)
        then = "`make` and `make push`" if lost else "`make push`"
        yield f"{absent} of {len(lines)} files are not on the remote; {then} on that commit"
