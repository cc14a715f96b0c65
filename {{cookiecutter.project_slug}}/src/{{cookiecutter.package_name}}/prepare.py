"""Stage 1: check the raw rows, hold some out for testing, and stop at a column that leaks."""

import hashlib
from collections import Counter
from pathlib import Path

from exact.dump import write

from . import files, params, problems, rows
from .leaks import leak
from .problems import Refused, shown

TRAIN, TEST = "train", "test"
# Where a row stands, its id, its label and the row as it was read.
Item = tuple[str, str, str, rows.Row]


def labelled(data: dict) -> list[Item]:
    """Every row of `data.file`, in the order of the ids.

    Sorting is what makes the model independent of the order of the file.
    """
    places: dict[str, str] = {}
    found = []
    for place, row in files.read(Path(data["file"])):
        where = f"{place}, column {shown(data['id'])}"
        name = rows.as_id(rows.field(row, data["id"], place), where)
        if name in places:
            raise Refused(f"{where}: {shown(name)} is also the id of {places[name]}; keep one")
        places[name] = place
        where = f"{place}, column {shown(data['label'])}"
        label = rows.as_label(rows.field(row, data["label"], place), where, data["labels"])
        found.append((place, name, label, row))
    return sorted(found, key=lambda item: item[1])


def side(place: str, name: str, row: rows.Row, split: dict) -> str:
    """Whether a row is for training or for testing; no other row has a say in it."""
    column = split["column"]
    if split["by"] == "id":
        return TEST if share(name) < split["test"] else TRAIN
    value = rows.field(row, column, place)
    where = f"{place}, column {shown(column)}"
    if split["by"] == "group":
        return TEST if share(rows.as_id(value, where)) < split["test"] else TRAIN
    if split["by"] == "time":
        moment = rows.as_moment(value, where)
        if moment is None:
            raise Refused(f"{where} is missing, so the split by time cannot place the row; add it")
        return TEST if moment >= rows.as_moment(split["test"], "split.test") else TRAIN
    if value not in (TRAIN, TEST):
        raise Refused(f"{where} is {shown(value)}; the split column says 'train' or 'test'")
    return value


def share(name: str) -> float:
    """A number from 0 to 1 that depends on `name` alone, spread evenly over many names."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def check_labels(part: str, found: list[str], data: dict) -> None:
    """Refuse a part in which a label is missing: nothing could be learned or measured of it."""
    counts = Counter(found)
    if not found:
        mend = "another share or moment in split.test, or say it in a column (split.by: column)"
        raise Refused(f"{data['file']}: there are no {part}; choose {mend}")
    if min(counts[label] for label in data["labels"]) < 1:
        have = ", ".join(f"{shown(label)}: {counts[label]}" for label in data["labels"])
        told = f"{data['file']}: the {part} lack a label ({have})"
        raise Refused(f"{told}; add such rows, or mend params.yaml")


def forget_held_out_texts(prepared: dict[str, list[rows.Row]], text: list[str]) -> int:
    """Take out of the training rows those whose texts, all of them, are a held-out row's too.

    A model that has seen a held-out text would be tested on what it remembers. Returns how many.
    """

    def texts(item):
        return tuple(item["row"][column] for column in text)

    held_out = {texts(item) for item in prepared[TEST]} - {("",) * len(text)}
    kept = [item for item in prepared[TRAIN] if texts(item) not in held_out]
    taken = len(prepared[TRAIN]) - len(kept)
    prepared[TRAIN] = kept
    return taken


def prepare(values: dict) -> dict[str, list[rows.Row]]:
    """The training and the held-out rows: id, label and the columns of the model.

    Raises Refused at the first bad row, at a leak, and where a part lacks a label.
    """
    data, split = values["data"], values["split"]
    if split["by"] == "time":
        rows.as_moment(split["test"], "params.yaml: split.test")
    items = labelled(data)
    check_labels("rows", [item[2] for item in items], data)
    parts: dict[str, list] = {TRAIN: [], TEST: []}
    for item in items:
        parts[side(item[0], item[1], item[3], split)].append(item)
    for part, items in parts.items():
        check_labels(f"{part} rows", [item[2] for item in items], data)
    # Before the columns are checked, since a leak is often missing where the label is unknown.
    stop_at_leaks(parts[TRAIN], data, values["leaks"])
    return {
        part: [
            {"id": name, "label": label, "row": rows.features(row, place, data)}
            for place, name, label, row in items
        ]
        for part, items in parts.items()
    }


def stop_at_leaks(train: list[Item], data: dict, bounds: dict) -> None:
    """Refuse a column that tells the label by itself and is not allowed by name."""
    for column in params.feature_columns(data):
        if column in bounds["allow"]:
            continue
        found = [(place, label, row[column]) for place, _, label, row in train if column in row]
        if column == data["timestamp"]:
            # As seconds, since a moment must be judged alike however it is written.
            where = f"column {shown(column)}"
            found = [(at, label, rows.as_moment(v, f"{at}, {where}")) for at, label, v in found]
        reason = leak([pair for _, *pair in found], bounds) if found else None
        if reason:
            mend = "drop it from data in params.yaml, or name it in leaks.allow"
            raise Refused(f"column {shown(column)} is a likely leak: {reason}; {mend}")


def main() -> None:
    values = params.load("data", "split", "leaks")
    data = values["data"]
    prepared = prepare(values)
    taken = forget_held_out_texts(prepared, data["text"])
    check_labels("train rows left", [item["label"] for item in prepared[TRAIN]], data)
    lines = {part: rows.json_lines(items) for part, items in prepared.items()}
    params.check_unchanged()
    write({Path(f"data/prepared/{part}.jsonl"): content for part, content in lines.items()})
    if files.is_cut(Path(data["file"])):
        print(f"prepare: {data['file']} does not end in a line end; was it cut in its last row?")
    if taken:
        print(f"prepare: {taken} training rows are left out: their text is also a held-out row's")
    for part, items in prepared.items():
        print(f"prepare: {len(items)} {part} rows")


if __name__ == "__main__":
    problems.run(main, params.check_unchanged)
