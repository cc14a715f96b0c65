"""`exact which FILE|MD5|IMAGE`: every commit that names a file by its hash, and how to get it back.

FILE may lie anywhere, and `-` is standard input; of a hash, the first characters do. The exit
status is 0 when a commit names it, 1 when none does, and 2 when that cannot be told.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from exact_model import dvcfiles, git, history, inert, recorded, recover, resaved, verdicts
from exact_model.changes import shown
from exact_model.dvcfiles import parsed
from exact_model.errors import Refused
from exact_model.history import Found
from exact_model.inert import Unreadable
from exact_model.objects import BLOCK, Store
from exact_model.packages import project_root
from exact_model.progress import Progress
from exact_model.recorded import Records
from exact_model.text import SHORT, printable

HASH = re.compile(r"([0-9a-f]{4,32})(\.dir)?")
# A container image by tag, digest or id; a file may be called so, too, and comes first.
IMAGE = re.compile(r"[\w./:-]+(:|@sha256:)[\w.-]+")
SUFFIXES = (".joblib", ".pkl", ".pickle", ".sav", ".model")
# Commits and hashes named in one answer.
MOST_TOLD = 8


def read(root: Path, source: str) -> tuple[str, Path | None, str | None]:
    """The hash (or its beginning) that `source` means; the file, or the commit of the image.

    What standard input holds is copied into a file, which the caller removes.
    """
    path = Path(source)
    if source == "-" and sys.stdin is None:
        raise Refused("standard input is closed; give a file")
    if source == "-":
        with tempfile.NamedTemporaryFile(prefix="exact-", delete=False) as file:
            try:
                shutil.copyfileobj(sys.stdin.buffer, file, BLOCK)
            except BaseException:
                Path(file.name).unlink()
                raise
        path = Path(file.name)
    elif source and path.is_dir():
        raise Refused(f"{source} is a folder; give a file, or the md5 that DVC records of a folder")
    elif not source or not path.exists():
        if HASH.fullmatch(source.lower()):
            return source.lower(), None, None
        if IMAGE.fullmatch(source):
            from exact_model.commands.image import identified

            commit, md5 = identified(root, source)
            return md5, None, commit
        kinds = "no md5 (4 to 32 of 0-9 and a-f) and no image (name:tag) either"
        raise Refused(f"there is no file {source}, and it is {kinds}")
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest(), path, None


def first(root: Path, found: Found, commit: str) -> Found:
    """What names a hash, with `commit` first, of which the image is that one asks for."""
    named = {commit: [git.prefix(root) + dvcfiles.LOCK]}
    tags = git.git(root, "tag", "--points-at", commit).split()
    return replace(found, made={**named, **found.made}, tags=tags)


def person(root: Path, commit: str, found: Found) -> dict:
    """Who made a commit, and what holds it if no branch or tag does."""
    return {**git.person(root, commit), "held_by": found.holders.get(commit)}


def story(root: Path, commit: str, paths: list[str], found: Found) -> dict:
    """What the records `paths` of `commit` tell of a file: who made it, from what, how it does."""
    named = [role for path in paths for role in recorded.roles(root, commit, path, found.md5)]
    locks = [path for path in paths if PurePosixPath(path).name == dvcfiles.LOCK]
    inside = locks[0].removesuffix(dvcfiles.LOCK) if locks else git.prefix(root)
    for role in named:
        if role["role"] == "data":
            role["path"] = role["path"].removeprefix(inside)
    records = Records.of(root, commit, inside)
    stages = [role["stage"] for role in named if role["role"] == "output"]
    upstream = [name for stage in stages for name in records.upstream(stage)]
    upstream = [name for name in records.stages if name in upstream]
    params = {}
    for name in upstream or records.stages:
        for values in records.stages[name]["params"].values():
            params.update(values)
    inputs = records.inputs(upstream or records.stages)
    data = {path: md5 for path, (md5, _) in records.data.items() if path in inputs or not inputs}
    return {
        **person(root, commit, found),
        "folder": inside,
        "as": named,
        "parameters": params,
        "metrics": recorded.metrics(root, commit, inside, records.stages),
        "data": data,
        "environment": {name: inputs[name] for name in recorded.ENVIRONMENT if inputs.get(name)},
        "python": records.python,
    }


def answer(root: Path, found: Found, stories: int | None = None) -> dict:
    """All that is known of a hash that commits name, as JSON has it; the first `stories` whole."""
    made = list(found.made.items())
    releases = git.releases_with_texts(root)
    doubts = verdicts.doubts(root, [releases[tag] for tag in found.releases if tag in releases])
    return {
        "md5": found.md5,
        "here": git.prefix(root),
        "made": [story(root, commit, paths, found) for commit, paths in made[:stories]],
        "others": [person(root, commit, found) for commit, _ in made[:MOST_TOLD][1:]],
        "count": len(made),
        "commits": found.commits,
        "holders": found.holders,
        "kept": found.kept,
        "branches": found.branches,
        "tags": found.tags,
        "releases": found.releases,
        "doubts": {tag: doubt.text for tag, doubt in doubts.items()},
    }


# -- for a terminal


def told(root: Path, known: dict) -> Iterator[tuple[str, str]]:
    """What a person asks first, as a word and what there is to it."""
    best = known["made"][0]
    role = (best["as"] or [{"role": "unknown", "path": "."}])[0]
    yield from identity(known, best)
    for other in known["others"]:
        yield "also", commit_line(other)
    if known["count"] > MOST_TOLD:
        yield "also", f"{known['count'] - MOST_TOLD} more commits (--json lists them)"
    for path, values in best["metrics"].items():
        numbers = {k: v for k, v in values.items() if type(v) in (int, float)}
        yield "metrics", ", ".join(f"{k} {v}" for k, v in numbers.items()) or path
    for section, values in best["parameters"].items():
        yield "parameters", setting(section, values)
    files = [f"{path} {md5[:SHORT]}" for path, md5 in best["data"].items()]
    yield from (("data", file) for file in [*files[:MOST_TOLD], *more(files, "--json lists them")])
    environment = [f"{name} {md5[:SHORT]}" for name, md5 in best["environment"].items()]
    yield "environment", ", ".join([*environment[:1], f"Python {best['python'] or 'unknown'}"])
    if not known["kept"]:
        yield (
            "kept by",
            f"{held(best)}; `{recover.keep(root, best['commit'])}` saves it from git's gc",
        )
    if best["folder"] != known["here"]:
        yield "project", f"that in {best['folder'] or '.'} of this repository; go there first"
    elif (here := Path.cwd().resolve()) != root:
        yield "project", f"the commands below are for {os.path.relpath(root, here)}; go there first"
    yield from recover.lines(root, known, role)


def identity(known: dict, best: dict) -> Iterator[tuple[str, str]]:
    """What it is, who committed it and when, and where it is."""
    for role in best["as"][:MOST_TOLD]:
        where = role["path"]
        kinds = {
            "output": f"{where}, output of stage {role.get('stage')}",
            "input": f"{where}, input of stage {role.get('stage')}",
            "data": f"{where}, data set of {role['record']}",
        }
        yield "file", kinds[role["role"]]
    for text in more(best["as"], "--json lists them"):
        yield "file", text
    if not best["as"]:
        yield "file", "unknown: the record that names it is broken"
    yield "md5", known["md5"]
    yield "recorded" if best["held_by"] else "committed", commit_line(best)
    if known["releases"]:
        yield "released", first_of(known["releases"])
    for tag, doubt in list(known["doubts"].items())[:MOST_TOLD]:
        yield "but", f"{tag}: {doubt}"
    yield "named by", "; ".join(naming(known))


def naming(known: dict) -> Iterator[str]:
    """How many commits name it, and what holds them."""
    if count := len([one for one in known["commits"] if one not in known["holders"]]):
        yield f"{count} commit{'s' * (count > 1)}"
    if known["branches"]:
        yield f"in branches {first_of(known['branches'])}"
    if others := [tag for tag in known["tags"] if tag not in known["releases"]]:
        yield f"tags {first_of(others)}"
    if known["holders"]:
        found = first_of(list(dict.fromkeys(known["holders"].values())))
        yield f"also {found}" if count else f"{found} only"


def first_of(names: list[str]) -> str:
    """The first of many names, and how many there are beside."""
    return ", ".join(names[:MOST_TOLD]) + "".join(f" {text}" for text in more(names))


def more(items: list, how: str = "") -> list[str]:
    """The phrase on those of `items` that are not told, if there are any."""
    count = len(items) - MOST_TOLD
    return [f"and {count:,} more" + f" ({how})" * bool(how)] if count > 0 else []


def setting(section: str, values: object) -> str:
    """A section of the parameters on one line, without the alternatives that were not chosen.

    Where a value names another entry, as `estimator: sgd` does, the entries beside that one are
    the alternatives.
    """
    entries = values if isinstance(values, dict) else {}
    names = {name for name, value in entries.items() if isinstance(value, dict)}
    chosen = {value for value in entries.values() if isinstance(value, str)} & names
    other = names - chosen if chosen else set()
    told = [f"{name} {shown(entries[name])}" for name in entries if name not in other]
    told += [f"{len(other)} others not chosen"] if other else []
    return f"{section}: {', '.join(told) or shown(values)}"


def held(person: dict) -> str:
    """What holds a commit that git may throw away."""
    return f"{person['held_by']} only" if person["held_by"] else "no branch or tag"


def commit_line(person: dict) -> str:
    """Who made a commit, when, and what for."""
    text = f"in {held(person)}: " if person["held_by"] else ""
    text += f"{person['commit'][:SHORT]} on {person['date'][:10]} by {person['author']}"
    text += f" <{person['email']}>: {person['subject']}"
    if person["committer"] != person["author"]:
        text += f" (committed by {person['committer']} on {person['committed'][:10]})"
    return text


def text_of(root: Path, known: dict) -> str:
    """The whole answer for a terminal."""
    lines, before = [], None
    for word, what in told(root, known):
        lines.append(f"{'' if word == before else word:11}  {printable(what)}".rstrip())
        before = word
    return "\n".join(lines)


# -- when no commit names it


def nearest(
    root: Path, path: Path, fetch: bool, on_progress: Callable[[str], None]
) -> tuple[list[dict], str]:
    """The commits whose model `path` holds, or is a part of, and what was looked at.

    What is in no cache is looked at only with `fetch`.
    """
    try:
        given = resaved.parts(inert.read(path))
    except (Unreadable, OSError) as error:
        told = "is not a model that can be read" if isinstance(error, Unreadable) else str(error)
        return [], f"it {told}, so it was not compared with the recorded models"
    blobs = history.records(root)
    found = models(root, blobs)
    on_progress(f"comparing it with the {len(found)} recorded models")
    store, absent, matches = Store(root), 0, resaved.Matches(given)
    with tempfile.TemporaryDirectory(prefix="exact-") as folder:
        for md5 in found:
            copy = Path(folder) / "model"
            odbs = [store.cache, *([store.remote()] if fetch and store.remote() else [])]
            if not any(store.copied(odb, md5, copy) == "intact" for odb in odbs):
                absent += 1
            else:
                matches.compare(md5, copy)
    same = []
    for md5, match in matches.best():
        hit = {blob: blobs[blob] for blob in found[md5]}
        same.append({**answer(root, history.where(root, md5, hit)), **match})
    looked = f"{len(found) - absent} of {len(found)} recorded models were compared with it"
    more = "; --fetch looks on the remote for the rest" if absent and not fetch else ""
    return same, looked + more


def models(root: Path, blobs: dict[str, set[str]]) -> dict[str, set[str]]:
    """The md5 of each file that may be a model, to those of the records `blobs` that name it."""
    found: dict[str, set[str]] = {}
    for line, text in git.contents(root, blobs):
        blob = line.split()[0].decode()
        pairs = dvcfiles.locked(text)
        if any(name.endswith(".dvc") for name in blobs[blob]):
            outs = dvcfiles.listed(parsed(text), "outs")
            pairs = [(out["path"], str(out.get("md5"))) for out in outs]
        for name, md5 in pairs:
            if name.endswith(SUFFIXES) and HASH.fullmatch(md5):
                found.setdefault(md5, set()).add(blob)
    return found


def blind(root: Path) -> Iterator[str]:
    """Why a commit that names it may be missing from this clone."""
    if git.git(root, "rev-parse", "--is-shallow-repository").strip() == "true":
        yield "this clone is shallow: `git fetch --unshallow --tags` brings the older commits"
    elif git.git(root, "remote").strip():
        yield "`git fetch --all --tags` brings what others have pushed since"


def unknown(start: str, is_file: bool, same: list[dict], looked: str, root: Path) -> Iterator[str]:
    """Say that no commit names it, and what is nearest."""
    what = f"this file (md5 {start})" if is_file else f"an md5 {start}…"
    yield f"no commit here names {what}"
    for one in same:
        yield f"\n{printable(resaved.told(one))}:"
        yield text_of(root, one)
    if not same:
        yield from blind(root)
        yield looked


def known(
    root: Path,
    source: str,
    fetch: bool,
    stories: int | None,
    on_progress: Callable[[str], None] = len,
) -> tuple[dict, Iterator[str]]:
    """All that is known of a file, md5 or image, and the lines that say so.

    The first `stories` commits are told of whole. Where no commit names it, `made` is empty and
    `same_model` has what is nearest.
    """
    start, path, commit = read(root, source)
    try:
        found = history.search(root, start)
        if len(found) > 1:
            names = ", ".join(sorted(one.md5 for one in found)[:MOST_TOLD])
            told = f"{len(found)} recorded hashes begin with {start}: {names}"
            raise Refused(f"{told}; give more of it")
        if found:
            hit = answer(root, first(root, found[0], commit) if commit else found[0], stories)
            return hit, described(root, source, hit, commit)
        same, looked = [], "an image is NAME:TAG or sha256:ID"
        looked = f"a file finds a model with its fitted arrays, too; {looked}"
        if path:
            same, looked = nearest(root, path, fetch, on_progress)
        lines = unknown(start, bool(path), same, looked, root)
        return {"md5": start, "made": [], "same_model": same}, lines
    finally:
        if source == "-" and path:
            path.unlink()


def described(root: Path, source: str, hit: dict, commit: str | None) -> Iterator[str]:
    """The answer; of an image it begins with what was checked of it."""
    if commit:
        yield f"image        {printable(source)}, whose labels and model are as git says"
    yield text_of(root, hit)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    what = "a file anywhere, - for standard input, an md5 or its beginning, or a container image"
    add("file", metavar="FILE|MD5|IMAGE", help=what)
    add("--fetch", action="store_true", help="compare with models that only the remote has, too")
    add("--json", action="store_true", help="all that is known, as JSON")


def dumped(value: object) -> str:
    """JSON; what YAML knows and JSON does not, a date, is text."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def main(arguments: argparse.Namespace) -> int:
    """Search and print; the exit status says whether a commit names it."""
    root = project_root(Path.cwd()).resolve()
    stories = None if arguments.json else 1
    with Progress() as progress:
        found, lines = known(root, arguments.file, arguments.fetch, stories, progress.step)
    print(dumped(found) if arguments.json else "\n".join(lines))
    return int(not found["made"])
