"""`exact compare A B`: what changed between two commits, tags or model files, and what it did.

A is HEAD's parent and B is HEAD unless they are named. With --log, the newest releases, one a line.
"""

import argparse
import contextlib
import functools
import shlex
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath

from exact_model import changes, curves, dvcfiles, git, history, page, reports, verdicts
from exact_model.commands.which import IMAGE, dumped, read
from exact_model.dvcfiles import parsed
from exact_model.errors import Misused, Refused
from exact_model.flips import answer
from exact_model.objects import Store
from exact_model.packages import project_root
from exact_model.processes import check_writable, workplace
from exact_model.progress import Progress
from exact_model.recorded import Records
from exact_model.sides import MISSING, Side
from exact_model.text import SHORT, printable, table

# Rows of each kind, and letters of each, that a terminal shows.
MOST_ROWS = 5
MOST_LETTERS = 160
# Lines of a section that a terminal shows.
MOST_LINES = 20
# What --log shows of the metrics, where it is there; the first number otherwise.
MAIN_METRIC = "roc_auc"
# Releases that --log shows.
MOST_RELEASES = 50


def commit_of(root: Path, name: str) -> tuple[str, str]:
    """Name and hash of the commit that `name` means, or that made that file or image."""
    try:
        commit = git.resolved(root, name)
    except git.Ambiguous:
        raise
    except Refused:
        if not Path(name).is_file() and not IMAGE.fullmatch(name):
            raise
    else:
        check_file(root, name, commit)
        return name, commit
    md5, _, commit = read(root, name)
    if commit:
        return name, commit
    found = history.search(root, md5)
    if not found:
        raise Refused(
            f"no commit here names {name}; "
            f"`make which FILE={shlex.quote(name)}` looks for what is nearest"
        )
    records, here = next(iter(found[0].made.values())), git.prefix(root)
    locks = [record for record in records if PurePosixPath(record).name == dvcfiles.LOCK]
    # A project at the top of a repository may have others in folders of it.
    if here + dvcfiles.LOCK not in (locks or [here + dvcfiles.LOCK]):
        raise Refused(f"{name} is of another project, whose record is {records[0]}; compare there")
    tag = next(iter(found[0].releases), None)
    commit = git.resolved(root, tag) if tag else next(iter(found[0].made))
    return f"{name} ({tag or commit[:SHORT]})", commit


def check_file(root: Path, name: str, commit: str) -> None:
    """Refused where the file `name`, if there is one, is of other commits than `commit`."""
    if Path(name).is_file():
        for found in history.search(root, read(root, name)[0]):
            if commit not in found.commits:
                other = f"the file {name} of the commit {found.commits[0][:SHORT]}"
                told = f"{name} is the commit {commit[:SHORT]} and {other}"
                raise git.Ambiguous(f"{told}; write ./{name} for the file, or the whole hash")


def sides(root: Path, names: list[str], place: Path, store: Store | None) -> list[Side]:
    """A side for each of `names`."""
    pairs = [commit_of(root, name) for name in names]
    return [Side(root, store, place, *pair, Records.of(root, pair[1])) for pair in pairs]


# -- for a terminal


def report(found: dict) -> Iterator[str]:
    """All that changed, in the order a person asks."""
    for word, one in (("from", found["a"]), ("to", found["b"])):
        told = f"{one['commit'][:SHORT]}, {one['date'][:10]}, {one['author']}: {one['subject']}"
        yield f"{word:5} {one['name']} ({told})"
        if one["behind"]:
            yield f"      {one['behind']}"
        doubts = list(one["doubts"].items())[:MOST_ROWS]
        yield from (f"      {tag}: {doubt}" for tag, doubt in doubts)
    for name, lines in texts(found).items():
        yield ""
        yield name if lines else f"{name}: the same"
        # The metrics are a table, and of the flips the rows of each kind are cut already.
        most = len(lines) if name in ("metrics", "flips") else MOST_LINES
        yield from (f"  {line}" for line in lines[:most])
        if len(lines) > most:
            yield f"  and {len(lines) - most:,} more (--json has all)"


def texts(found: dict) -> dict[str, list[str]]:
    """The lines on each section; none for one that is the same in both."""
    told = {}
    for name, of in REPORTS.items():
        section = found[name]
        try:
            told[name] = [section["problem"]] if "problem" in section else list(of(section))
        except Exception as error:  # One section must not hide the others.
            told[name] = [f"the records cannot be understood ({error!r})"]
    return told


def on_data(found: dict) -> Iterator[str]:
    for path, hashes in found["files"].items():
        yield f"{path}  {' → '.join(str(md5)[:SHORT] for md5 in hashes)}"
    if known := found.get("rows"):
        yield f"{known['before']} rows → {known['after']}"
        for word in ("added", "removed", "relabelled"):
            if names := known[word]:
                yield f"{len(names)} {word}: {some(names)}"
        for word in ("columns_added", "columns_removed"):
            if known[word]:
                yield f"{word.replace('_', ' ')}: {', '.join(known[word])}"
        for column, count in known["values_changed"].items():
            yield f"{column}: other values in {count} rows"
    if known := found.get("held_out"):
        if known["only_before"] or known["only_after"]:
            yield (
                f"the held-out set is another: {known['both']} rows in both, "
                f"{known['only_before']} only before, {known['only_after']} only after"
            )
        else:
            yield f"the same {known['both']} rows are held out, with other content"
        if known["now_held_out"]:
            names = some(known["now_held_out"])
            yield f"{len(known['now_held_out'])} rows were trained on and are held out: {names}"
        if known["now_trained_on"]:
            names = some(known["now_trained_on"])
            yield f"{len(known['now_trained_on'])} rows were held out and are trained on: {names}"


def on_code(found: dict) -> Iterator[str]:
    for path, told in found.items():
        was = f" (was {told['renamed_from']})" if "renamed_from" in told else ""
        lines = "binary" if told["added"] is None else f"+{told['added']} -{told['removed']}"
        yield f"{lines:10} {path}{was}"


def on_pairs(found: dict) -> Iterator[str]:
    for name, (old, new) in found.items():
        yield f"{name}: {changes.shown(old)} → {changes.shown(new)}"


def on_outputs(found: dict) -> Iterator[str]:
    for path, (old, new) in found.items():
        yield f"{path}  {str(old)[:SHORT]} → {str(new)[:SHORT]}"


def on_metrics(found: dict) -> Iterator[str]:
    width = max(map(len, found), default=0)
    for name, (old, new) in found.items():
        if MISSING in (old, new):
            yield f"{name.ljust(width)}  {old} → {new}"
        else:
            change = f"{new - old:+.6g}" if new != old else "the same"
            yield f"{name.ljust(width)}  {old:<10} {new:<10} {change}"


def on_flips(found: dict) -> Iterator[str]:
    both = f"{found['compared']} held-out rows that both have"
    yield f"predictions differ on {found['flipped']} of the {both}"
    if found["only_before"] or found["only_after"]:
        yield (
            f"the held-out set is another: {found['only_before']} rows are only in the first "
            f"and {found['only_after']} only in the second, and not compared"
        )
    for kind, rows in found["rows"].items():
        yield f"{len(rows)} {kind}"
        for row in rows[:MOST_ROWS]:
            label = " → ".join(dict.fromkeys(row["label"]))
            yield f"  {row['id']} is {label}: {answer(row, 0)} → {answer(row, 1)}"
            text = textwrap.shorten(row["text"], MOST_LETTERS, placeholder=" …")
            yield from textwrap.wrap(text, 92, initial_indent="    ", subsequent_indent="    ")
        if len(rows) > MOST_ROWS:
            yield f"  and {len(rows) - MOST_ROWS} more (--json has all)"


def some(names: list[str]) -> str:
    """The first of many names."""
    more = " …" if len(names) > MOST_ROWS else ""
    return ", ".join(names[:MOST_ROWS]) + more


REPORTS = {
    "data": on_data,
    "code": on_code,
    "parameters": on_pairs,
    "environment": on_pairs,
    "outputs": on_outputs,
    "metrics": on_metrics,
    "flips": on_flips,
}


# -- all releases


def log(root: Path, most: int | None = None) -> tuple[list[dict], int]:
    """Each release of this project's models, newest first, and how many there are.

    Who, when, what changed since the one before of the same model, how good it is; of the `most`
    newest only, if there are more.
    """
    inside = git.prefix(root).rstrip("/")
    releases = git.releases_with_texts(root)
    pairs, last = [], {}
    for tag in releases:
        folder, _, model = tag.rpartition("@")[0].rpartition("=")
        if folder == inside:
            pairs.append((tag, last.get(model)))
            last[model] = tag
    doubts = verdicts.doubts(root, (releases[tag] for tag, _ in pairs[::-1][:most]))
    # Many tags may be of one commit, which is looked at once.
    side, known, changed = map(functools.cache, (partial(side_of, root), recorded, changes.phrase))
    found = []
    for tag, before in pairs[::-1][:most]:
        one, old = (side(releases[name].commit) if name else None for name in (tag, before))
        verified = verdicts.verified(root, releases[tag], doubts.get(tag))
        change = changed(old, one) if old else "the first release"
        doubt = doubts[tag].text if tag in doubts else None
        line = {"changed": change, "verified": verified, "doubt": doubt}
        found.append({"version": tag, **known(one), **line})
    return found, len(pairs)


def side_of(root: Path, commit: str) -> Side:
    """What git alone has of a commit."""
    return Side(root, None, root, commit, commit, Records.of(root, commit))


def recorded(one: Side) -> dict:
    """When a release was committed and by whom, and its main metric."""
    person = git.person(one.root, one.commit)
    known = {}
    for path in dvcfiles.metrics_files(one.pipeline()):
        known |= changes.numbers(parsed(git.content(one.root, one.commit, path) or b""))
    name = MAIN_METRIC if MAIN_METRIC in known else next(iter(known), None)
    metric = {name: known[name]} if name else {}
    return {"date": person["date"][:10], "author": person["author"], "metric": metric}


def log_lines(releases: list[dict], count: int) -> Iterator[str]:
    """`log` of `count` releases for a terminal."""
    rows = []
    for one in releases:
        metric = " ".join(f"{name} {value}" for name, value in one["metric"].items())
        told = one["verified"]
        verdict = f"{told['verdict']} {told['date'][:10]}" if told else "not verified here"
        rows.append([one["version"], one["date"], one["author"], metric, verdict, one["changed"]])
    for line, one in zip(table(rows), releases, strict=True):
        yield line
        if one["doubt"]:
            yield f"    {one['doubt']}"
    if count > len(releases):
        yield f"and {count - len(releases):,} older releases (--json lists all)"
    yield far_back(releases, count)


def far_back(releases: list[dict], count: int) -> str:
    """Down to which of the `releases`, the newest of `count`, all verdicts are `identical`."""
    good = []
    for one in releases:
        if (one["verified"] or {}).get("verdict") != reports.IDENTICAL:
            break
        good.append(one["version"])
    every = "`make verify REV=--tags` verifies all"
    if not good:
        return f"the newest release is not verified here; {every}"
    if len(good) == count:
        return f"all {len(good)} are verified, back to {good[-1]}"
    return f"verified back to {good[-1]}, {len(good)} of {count:,}; {every}"


# -- the command


@contextlib.contextmanager
def both(root: Path, names: list[str], on_progress: Callable[[str], None]) -> Iterator[tuple]:
    """The two sides that are asked for, and a place for their files while they are compared."""
    with workplace(root) as place:
        yield sides(root, names, place, Store(root, on_progress))


def compared(root: Path, a: str, b: str) -> dict:
    """All that changed between two commits, versions or model files."""
    with both(root, [a, b], len) as pair:
        return changes.changes(*pair)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("a", nargs="?", metavar="A", help="commit, tag or model file (HEAD^)")
    add("b", nargs="?", metavar="B", help="commit, tag or model file (HEAD)")
    add("--log", action="store_true", help="the newest releases, a line each")
    add("--json", action="store_true", help="all that changed, as JSON")
    add("--html", type=Path, metavar="FILE", help="also write a page with both models' curves")


def main(arguments: argparse.Namespace) -> int:
    """Compare and print."""
    if arguments.log and (arguments.html or arguments.a):
        raise Misused("--log takes neither names nor --html")
    root = project_root(Path.cwd()).resolve()
    if arguments.log:
        show_log(root, arguments.json)
        return 0
    if arguments.html:
        check_writable(arguments.html)
    names = [arguments.a or "HEAD^", arguments.b or "HEAD"]
    with Progress() as progress, both(root, names, progress.step) as (a, b):
        found = changes.changes(a, b)
        if arguments.html:
            html = page.page(found, curves.pictures(a, b), texts(found))
            arguments.html.write_text(html, encoding="utf-8", newline="\n")
    print(dumped(found) if arguments.json else printable_lines(report(found)))
    return 0


def show_log(root: Path, as_json: bool) -> None:
    """Print all releases."""
    releases, count = log(root, None if as_json else MOST_RELEASES)
    if as_json:
        print(dumped(releases))
    elif releases:
        print(printable_lines(log_lines(releases, count)))
    else:
        print("there is no release yet; `make release VERSION=v1.0.0` makes the first")


def printable_lines(lines: Iterator[str]) -> str:
    return "\n".join(map(printable, lines))
