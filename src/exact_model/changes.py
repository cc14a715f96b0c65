"""What changed between two commits, and what it did, as plain data.

Nothing is rebuilt: all of it is read from git, and from the cache or the remote by recorded hash.
"""

import csv
import json
from collections.abc import Iterator

from exact_model import describes, git, recorded, verdicts
from exact_model.changed_data import data
from exact_model.dvcfiles import outputs, overlap
from exact_model.errors import Refused
from exact_model.flips import flips
from exact_model.packages import pins
from exact_model.sides import MISSING, Side, differing

csv.field_size_limit(2**31 - 1)


def changes(a: Side, b: Side) -> dict:
    """All that changed from `a` to `b`, by section; `{"problem": …}` where one cannot be told."""
    found = {"a": side(a), "b": side(b)}
    for name, of in SECTIONS.items():
        try:
            found[name] = of(a, b)
        except Refused as refusal:
            found[name] = {"problem": str(refusal)}
        except Exception as error:  # One section must not hide the others.
            found[name] = {"problem": f"the records cannot be understood ({error!r})"}
    return found


def side(one: Side) -> dict:
    """Who and what one of the two is."""
    found = git.person(one.root, one.commit)
    releases = git.releases_with_texts(one.root).values()
    told = verdicts.doubts(one.root, (this for this in releases if this.commit == one.commit))
    doubts = {tag: doubt.text for tag, doubt in told.items()}
    return {"name": one.name, **found, "behind": behind(one), "doubts": doubts}


def behind(one: Side) -> str | None:
    """Why the commit's dvc.lock does not describe it; None where it does."""
    if not one.records.stages:
        return "it has no dvc.lock that can be read, so what it made is not known"
    try:
        describes.checked(one.root, one.commit, one.place / f"tree-{id(one)}")
    except Refused as refusal:
        return str(refusal).partition("; run")[0]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        return f"its records cannot be understood ({error!r})"
    return None


# -- what changed


def code(a: Side, b: Side) -> dict:
    """Lines added and removed in each file that a stage depends on, by path."""
    named = {"dvc.yaml"}
    for one in (a, b):
        for stage in one.records.stages.values():
            named |= {dep["path"] for dep in stage.get("deps", [])}
    others = {*recorded.ENVIRONMENT, *a.raw_hashes(), *b.raw_hashes()}
    words = ["diff", "--numstat", "-z", "-M", "--relative", a.commit, b.commit, "--", "."]
    fields = iter(git.git(a.root, *words).split("\0"))
    found = {}
    for told in fields:
        if not told.strip():
            continue
        added, removed, path = told.split("\t")
        # Of a file that was renamed, both names follow.
        old, path = (path, path) if path else (next(fields), next(fields))
        if path not in others and any(overlap(one, dep) for dep in named for one in (old, path)):
            numbers = [None if count == "-" else int(count) for count in (added, removed)]
            found[path] = {"added": numbers[0], "removed": numbers[1]}
            if old != path:
                found[path]["renamed_from"] = old
    return found


def parameters(a: Side, b: Side) -> dict:
    """Each parameter that changed, by its dotted name: before and after."""
    return differing(flat(a.records.params), flat(b.records.params))


def flat(value: object, at: str = "") -> dict[str, object]:
    """Dotted name to value of all that is not a section."""
    if not isinstance(value, dict) or (at and not value):
        return {at: value}
    found = {}
    for key, inner in value.items():
        found |= flat(inner, f"{at}.{key}" if at else str(key))
    return found


def environment(a: Side, b: Side) -> dict:
    """Each package of requirements.lock, and Python, whose version changed."""
    before, after = (
        {"Python": one.records.python or MISSING, **packages(one.records.lock)} for one in (a, b)
    )
    return differing(before, after)


def packages(lock: str) -> dict[str, str]:
    """Package to version of a lock; to several, for several Pythons or machines."""
    found: dict[str, list[str]] = {}
    for name, version, _ in pins(lock):
        found.setdefault(name, []).append(version)
    return {name: " or ".join(versions) for name, versions in found.items()}


# -- what it did


def made(a: Side, b: Side) -> dict:
    """The md5s of each output that is not the same."""
    before, after = (
        {k: v for stage in one.records.stages.values() for k, v in outputs(stage).items()}
        for one in (a, b)
    )
    return differing(before, after)


def metrics(a: Side, b: Side) -> dict:
    """Each number of the metrics, of both, in a's order and then b's; MISSING is none."""
    sides = [numbers(one.metrics()) for one in (a, b)]
    names = dict.fromkeys([*sides[0], *sides[1]])
    return {name: [one.get(name, MISSING) for one in sides] for name in names}


def numbers(content: object) -> dict[str, int | float]:
    """The numbers of a metrics file, by dotted name; lists and words are none."""
    found = flat(content) if isinstance(content, dict) else {}
    return {name: value for name, value in found.items() if type(value) in (int, float)}


SECTIONS = {
    "data": data,
    "code": code,
    "parameters": parameters,
    "environment": environment,
    "outputs": made,
    "metrics": metrics,
    "flips": flips,
}


def phrase(a: Side, b: Side) -> str:
    """What changed, in one line, from what is in git alone."""
    told = list(phrases(a, b))
    return "; ".join(told) or "nothing that the model depends on"


def phrases(a: Side, b: Side) -> Iterator[str]:
    """The parts of `phrase`."""
    if a.raw_hashes() != b.raw_hashes():
        yield "data"
    for name, (old, new) in list(parameters(a, b).items())[:2]:
        yield f"{name} {shown(old)} → {shown(new)}"
    more = len(parameters(a, b)) - 2
    if more > 0:
        yield f"{more} more parameters"
    files = code(a, b)
    if files:
        yield f"code ({len(files)} file{'s' * (len(files) > 1)})"
    versions = environment(a, b)
    for name, (old, new) in list(versions.items())[:1]:
        yield f"{name} {old} → {new}" + (f" and {len(versions) - 1} more" * (len(versions) > 1))


def shown(value: object) -> str:
    """A parameter's value as params.yaml would have it, on one line."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
