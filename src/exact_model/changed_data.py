"""What changed in the raw data and in what is held out of it."""

import csv
import io
import json

from exact_model.dvcfiles import looked_up
from exact_model.errors import Refused
from exact_model.sides import Side, differing

HELD_OUT = "data/prepared/test.jsonl"
TRAINED = "data/prepared/train.jsonl"


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
