"""What changed between two commits, and what it did, as plain data.

Nothing is rebuilt: all of it is read from git, and from the cache or the remote by recorded hash.
"""

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from exact_model import describes, git, recorded, verdicts
from exact_model.dvcfiles import artifacts, looked_up, metrics_files, outputs, overlap, parsed
from exact_model.errors import Refused
from exact_model.objects import Store
from exact_model.packages import LOCKED
from exact_model.recorded import Records

# What dvc.yaml may name as an artifact of type predictions; this where it names none.
PREDICTIONS = "reports/predictions.jsonl"
HELD_OUT = "data/prepared/test.jsonl"
TRAINED = "data/prepared/train.jsonl"
MISSING = "(none)"
# Of two classes, what an answer that was right and is wrong now has become, and the reverse.
KINDS = {
    ("broken", False): "false positives gained",
    ("broken", True): "false negatives gained",
    ("fixed", False): "false positives lost",
    ("fixed", True): "false negatives lost",
}
OTHERS = {
    "broken": "right before, wrong now",
    "fixed": "wrong before, right now",
    "moved": "wrong before and now, in another way",
    "relabelled": "relabelled, and predicted differently",
}
csv.field_size_limit(2**31 - 1)


@dataclass(eq=False)
class Side:
    """One of the two commits, and where the files that it records can be had."""

    root: Path
    store: Store
    place: Path
    name: str
    commit: str
    records: Records

    def file(self, path: str) -> Path | None:
        """A copy of the commit's file `path`, its hash checked; None where it records none.

        Raises Refused where it records one that it cannot get.
        """
        md5 = self.records.md5(path)
        text = git.content(self.root, self.commit, path)
        if text is None and not md5:
            return None
        # Under a name of our own, for the commit may be anybody's, and name any place.
        name = hashlib.sha256(f"{md5 or self.commit} {path}".encode()).hexdigest()
        copy = self.place / (name + PurePosixPath(path).suffix)
        if text is not None:
            copy.write_bytes(text)
        elif not copy.exists():
            try:
                self.store.fetch(md5, copy, self.records.data.get(path, (None, None))[1])
            except Refused as refusal:
                raise Refused(f"cannot get {path} of {self.name}: {refusal}") from refusal
        return copy

    def raw_hashes(self) -> dict[str, str]:
        """Path to md5 of what .dvc files track, and of the raw file where git itself has it."""
        found = {path: md5 for path, (md5, _) in self.records.data.items()}
        name = looked_up(self.records.params, "data.file")
        text = git.content(self.root, self.commit, name) if isinstance(name, str) else None
        if text is not None and name not in found:
            found[name] = hashlib.md5(text, usedforsecurity=False).hexdigest()
        return found

    def lines(self, path: str) -> dict[str, dict]:
        """The rows of a file that a stage wrote, by their id; empty where there is none."""
        file = self.file(path)
        if not file:
            return {}
        with open(file, encoding="utf-8") as opened:
            return {row["id"]: row for row in map(json.loads, opened)}

    def metrics(self) -> dict:
        """The content of what dvc.yaml calls metrics; of several files, by the path of each."""
        found = {}
        for path in metrics_files(self.pipeline()):
            file = self.file(path)
            content = parsed(file.read_bytes()) if file else None
            found |= {path: content} if isinstance(content, dict) else {}
        return next(iter(found.values())) if len(found) == 1 else found

    def pipeline(self) -> object:
        """The content of the commit's dvc.yaml."""
        return parsed(git.content(self.root, self.commit, "dvc.yaml") or b"")

    def predictions(self) -> str:
        """The path of the answers of the model to the held-out rows."""
        known = artifacts(self.pipeline()).values()
        return next((one["path"] for one in known if one["type"] == "predictions"), PREDICTIONS)


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


def data(a: Side, b: Side) -> dict:
    """Rows, labels and columns of the raw data, and which of the rows are held out."""
    hashes = [one.raw_hashes() for one in (a, b)]
    found = {"files": differing(*hashes)}
    names = [looked_up(one.records.params, "data.file") for one in (a, b)]
    before, after = (one.get(name) for one, name in zip(hashes, names, strict=True))
    if before and after and before != after:
        found["rows"] = rows(raw(a, names[0]), raw(b, names[1]), b)
    if a.records.md5(HELD_OUT) != b.records.md5(HELD_OUT):
        found["held_out"] = moved(a, b)
    return found


def raw(one: Side, name: str) -> dict[str, dict]:
    """The rows of the raw file by their id, as `prepare` has accepted them."""
    path = one.file(name)
    if path is None:
        raise Refused(f"{name} of {one.name} is recorded nowhere")
    text = path.read_text(encoding="utf-8-sig")
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        kind = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if suffix == ".tsv" else {}
        found = csv.DictReader(io.StringIO(text, newline=""), **kind)
    elif suffix == ".json":
        found = json.loads(text)
    else:
        found = map(json.loads, filter(None, text.split("\n")))
    column = looked_up(one.records.params, "data.id")
    return {str(row[column]): {key: as_text(value) for key, value in row.items()} for row in found}


def as_text(value: object) -> str:
    """A value as CSV would have it, so that it is the same in a file of another kind."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def rows(before: dict, after: dict, b: Side) -> dict:
    """The counts that a person asks for, and the ids."""
    both = [name for name in after if name in before]
    label = looked_up(b.records.params, "data.label")
    columns = [{key for row in side.values() for key in row} for side in (before, after)]
    shared = [key for key in sorted(columns[0] & columns[1]) if key != label]
    changed = {key: sum(before[n].get(key) != after[n].get(key) for n in both) for key in shared}
    return {
        "before": len(before),
        "after": len(after),
        "added": [name for name in after if name not in before],
        "removed": [name for name in before if name not in after],
        "relabelled": [n for n in both if before[n].get(label) != after[n].get(label)],
        "columns_added": sorted(columns[1] - columns[0]),
        "columns_removed": sorted(columns[0] - columns[1]),
        "values_changed": {key: count for key, count in changed.items() if count},
    }


def moved(a: Side, b: Side) -> dict:
    """How the held-out set differs, and which rows went over between it and the trained ones."""
    held, trained = [one.lines(HELD_OUT) for one in (a, b)], [one.lines(TRAINED) for one in (a, b)]
    return {
        "both": sum(name in held[0] for name in held[1]),
        "only_before": sum(name not in held[1] for name in held[0]),
        "only_after": sum(name not in held[0] for name in held[1]),
        "now_held_out": [name for name in held[1] if name in trained[0]],
        "now_trained_on": [name for name in held[0] if name in trained[1]],
    }


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
    """Dotted name to value of all that is no section."""
    if not isinstance(value, dict) or (at and not value):
        return {at: value}
    found = {}
    for key, inner in value.items():
        found |= flat(inner, f"{at}.{key}" if at else str(key))
    return found


def differing(before: dict, after: dict) -> dict[str, list]:
    """What is not the same in both, by name; MISSING where one has none."""
    names = dict.fromkeys([*before, *after])
    pairs = {name: [before.get(name, MISSING), after.get(name, MISSING)] for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def environment(a: Side, b: Side) -> dict:
    """Each package of requirements.lock, and Python, whose version changed."""
    before, after = (
        {"Python": one.records.python or MISSING, **packages(one.records.lock)} for one in (a, b)
    )
    return differing(before, after)


def packages(lock: str) -> dict[str, str]:
    """Package to version of a lock; to several, for several Pythons or machines."""
    found: dict[str, list[str]] = {}
    for name, version, _ in LOCKED.findall(lock):
        found.setdefault(re.sub(r"[-_.]+", "-", name).lower(), []).append(version)
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


def flips(a: Side, b: Side) -> dict:
    """The held-out rows of both whose answer changed, by what that means."""
    before, after = a.lines(a.predictions()), b.lines(b.predictions())
    if not before and not after:
        return {"compared": 0, "only_before": 0, "only_after": 0, "flipped": 0, "rows": {}}
    if not all(
        isinstance(row.get("predicted"), str) for row in (*before.values(), *after.values())
    ):
        raise Refused(
            f"{b.predictions()} has answers without a `predicted`, so none can be matched"
        )
    if not before or not after:
        without = a.name if not before else b.name
        raise Refused(f"{without} records no {b.predictions()}, so no rows can be matched")
    labels = [one.metrics().get("labels") or [] for one in (a, b)]
    positive = labels[0][-1] if labels[0] == labels[1] and len(labels[0]) == 2 else None
    both = [name for name in after if name in before]
    found: dict[str, list] = {}
    texts = {}
    for name in both:
        if before[name]["predicted"] != after[name]["predicted"]:
            texts = texts or {**a.lines(HELD_OUT), **b.lines(HELD_OUT)}
            kind = kind_of(before[name], after[name], positive)
            found.setdefault(kind, []).append(flip(before[name], after[name], texts.get(name), b))
    return {
        "compared": len(both),
        "only_before": len(before) - len(both),
        "only_after": len(after) - len(both),
        "flipped": sum(map(len, found.values())),
        "rows": {
            kind: found[kind] for kind in (*KINDS.values(), *OTHERS.values()) if kind in found
        },
    }


def kind_of(before: dict, after: dict, positive: str | None) -> str:
    """What it means that the answer to a row changed; `positive` is the label, if one of two is."""
    if before["label"] != after["label"]:
        return OTHERS["relabelled"]
    right = [row["predicted"] == row["label"] for row in (before, after)]
    what = "broken" if right[0] else "fixed" if right[1] else "moved"
    known = KINDS.get((what, after["label"] == positive)) if positive else None
    return known or OTHERS[what]


def flip(before: dict, after: dict, row: dict | None, b: Side) -> dict:
    """One row whose answer changed; `text` is what the model read of it."""
    values = (row or {}).get("row", {})
    columns = looked_up(b.records.params, "data.text") or []
    columns = [columns] if isinstance(columns, str) else columns
    # Where there is no text, all that the row holds tells it from others.
    texts = [str(values[key]) for key in columns if values.get(key)] or [
        json.dumps(values, ensure_ascii=False)
    ]
    return {
        "id": after["id"],
        "label": [before["label"], after["label"]],
        "predicted": [before["predicted"], after["predicted"]],
        "score": [before["score"], after["score"]],
        "text": "\n".join(texts),
    }


def answer(row: dict, which: int) -> str:
    """What one of the two models says of a row, and how sure it is."""
    score, predicted = row["score"][which], row["predicted"][which]
    score = score.get(predicted) if isinstance(score, dict) else score
    return f"{predicted} ({score:.3f})" if isinstance(score, float | int) else f"{predicted}"


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
