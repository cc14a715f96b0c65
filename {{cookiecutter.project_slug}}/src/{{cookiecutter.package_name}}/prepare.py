"""Stage 1: check the raw rows, hold some out for testing, and stop at a column that leaks."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path

from exact.dump import write

from . import files, params, problems, rows
from .leaks import Seen, leaks
from .problems import Refused, shown

TRAIN, TEST = "train", "test"
NO_OTHERS = {"numeric": [], "categorical": [], "timestamp": None}
# Where a row stands, its id, its label and the row as it was read.
Item = tuple[str, str, str, rows.Row]


def labelled(data: dict) -> list[Item]:
    """Every row of `data.file`, in the order of the ids.

    Sorting is what makes the model independent of the order of the file.
    """
    places: dict[str, str] = {}

    def item(place: str, row: rows.Row) -> Item:
        if not places:
            rows.check_header(row, place, data)
        if row and all(value is None or value == "" for value in row.values()):
            raise Refused(f"{place} has nothing in any column; remove it")
        where = f"{place}, column {shown(data['id'])}"
        name = rows.as_id(rows.field(row, data["id"], place), where)
        if name in places:
            raise Refused(f"{where}: {shown(name)} is also the id of {places[name]}; keep one")
        places[name] = place
        where = f"{place}, column {shown(data['label'])}"
        label = rows.as_label(rows.field(row, data["label"], place), where, data["labels"])
        return place, name, label, row

    found = problems.each(files.read(Path(data["file"])), item)
    return sorted(found, key=lambda item: item[1])


def quoted(data: dict) -> str | None:
    """What to tell where the file has true or 1 as a label and data.labels has it in quotes."""
    _, row = next(files.read(Path(data["file"])))
    value = row.get(data["label"])
    if isinstance(value, str | float) or rows.label_name(value) not in data["quoted"]:
        return None
    told = f"column {shown(data['label'])} has {shown(value)} and data.labels '{shown(value)}'"
    return f"{told}, so the model answers texts; without the quotes it answers {shown(value)}"


def side(place: str, name: str, row: rows.Row, split: dict, data: dict) -> str:
    """Whether a row is for training or for testing; no other row has a say in it."""
    column = split["column"]
    if split["by"] == "id":
        together = texts(place, row, data) if split["same_text"] == "together" else None
        return TEST if share(together or name) < split["test"] else TRAIN
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


def texts(place: str, row: rows.Row, data: dict) -> str | None:
    """The texts of a row as it was read, in the form in which `rows.texts` compares them."""
    return rows.texts(rows.features(row, place, {**data, **NO_OTHERS}), data)


def share(name: str) -> float:
    """A number from 0 to 1 that depends on `name` alone, spread evenly over many names."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def check_labels(part: str, found: list[str], data: dict, fix: str) -> None:
    """Refuse a part in which a label is missing: nothing could be learned or measured of it."""
    if not found:
        raise Refused(f"{data['file']}: there are no {part}; {fix}")
    lacking = [label for label in data["labels"] if label not in {*found}]
    if lacking:
        told = f"the {part} lack the label {', '.join(map(shown, lacking))}"[:200]
        raise Refused(f"{data['file']}: {told} ({len(found)} rows); {fix}")


def check_parts(parts: dict[str, list[Item]], data: dict, split: dict) -> None:
    """Refuse a split that leaves a part without rows, or without a label."""
    everything = [item for items in parts.values() for item in items]
    for part, items in parts.items():
        if not items:
            raise Refused(f"{data['file']}: there are no {part} rows: {no_rows(everything, split)}")
        fix = "hold out other rows (see split in params.yaml), or add rows with that label"
        if split["same_text"] == "together":
            fix = "set split.same_text to keep, or add rows with that label"
        check_labels(f"{part} rows", [item[2] for item in items], data, fix)


def no_rows(items: list[Item], split: dict) -> str:
    """Why a split leaves a part without any of the rows, and what to do."""
    column, test = split["column"], split["test"]
    if split["same_text"] == "together":
        return "rows with one text are held out together; set split.same_text to keep"
    if split["by"] == "id":
        return f"a share of {test} of {len(items)} ids is too little; choose another split.test"
    values = [row[column] for *_, row in items]
    if split["by"] == "group":
        groups = len({*map(str, values)})
        told = f"{shown(column)} has {groups} different values, and a share of {test} is too little"
        return f"{told}; choose another split.test, or a column with more of them"
    if split["by"] == "time":
        moments = [rows.as_moment(value, "") for value in values]
        first, last = (datetime.fromtimestamp(at, UTC) for at in (min(moments), max(moments)))
        told = f"{shown(column)} is from {first.isoformat()} to {last.isoformat()}"
        return f"{told}; choose a split.test after the first and up to the last"
    return f"{shown(column)} is {shown(values[0])} in every row; say both 'train' and 'test' there"


def same_text(prepared: dict[str, list[rows.Row]], values: dict) -> str | None:
    """What to tell of held-out rows whose texts, all of them, a training row has too.

    A model may remember these. With `split.same_text: drop` such training rows are taken out.
    """
    data = values["data"]
    keys = {part: [rows.texts(i["row"], data) for i in items] for part, items in prepared.items()}
    held_out, trained = ({*keys[part]} - {None} for part in (TEST, TRAIN))
    seen = sum(key in trained for key in keys[TEST])
    if not seen:
        return None
    count = f"{seen} of {len(keys[TEST])} test rows have the text of a train row"
    if values["split"]["same_text"] == "keep":
        return f"{count}; reports/metrics.json has the metrics without them too (split.same_text)"
    pairs = zip(prepared[TRAIN], keys[TRAIN], strict=True)
    prepared[TRAIN] = [item for item, key in pairs if key not in held_out]
    taken = len(keys[TRAIN]) - len(prepared[TRAIN])
    left = f"train rows left after dropping {taken} with the text of a test row"
    fix = "set split.same_text to keep"
    check_labels(left, [item["label"] for item in prepared[TRAIN]], data, fix)
    return f"{count}, so {taken} train rows are dropped (split.same_text)"


def prepare(values: dict) -> dict[str, list[rows.Row]]:
    """The training and the held-out rows: id, label and the columns of the model.

    Raises Refused at the first bad row, at a leak, and where a part lacks a label.
    """
    data, split = values["data"], values["split"]
    if split["by"] == "time":
        rows.as_moment(split["test"], "params.yaml: split.test")
    items = labelled(data)
    found = {item[2] for item in items}
    two = "a model needs two of them" if len(found) < 2 else "or take it out of data.labels"
    check_labels("rows", [item[2] for item in items], data, f"add rows with it, {two}")
    parts: dict[str, list] = {TRAIN: [], TEST: []}
    for item in items:
        parts[side(item[0], item[1], item[3], split, data)].append(item)
    check_parts(parts, data, split)
    # Before the columns are checked, since a leak is often missing where the label is unknown.
    stop_at_leaks(parts[TRAIN], values)

    def prepared(place: str, name: str, label: str, row: rows.Row) -> rows.Row:
        return {"id": name, "label": label, "row": rows.features(row, place, data)}

    return {part: problems.each(items, prepared) for part, items in parts.items()}


def source(name: str, row: rows.Row, values: dict) -> str:
    """What a row has in common with its copies: the group that it is split by, or its texts."""
    if values["split"]["by"] == "group":
        return str(row[values["split"]["column"]])
    found = [row.get(column) for column in values["data"]["text"]]
    return json.dumps(found) if any(found) else name


def seen(column: str, train: list[Item], sources: list[str], data: dict) -> list[Seen]:
    """The label, the raw value and the source of each training row that has the column."""
    found = []
    for (place, _, label, row), one in zip(train, sources, strict=True):
        if column in row:
            value = row[column]
            if column == data["timestamp"]:
                # As seconds, since a moment must be judged alike however it is written.
                value = rows.as_moment(value, f"{place}, column {shown(column)}")
            found.append((label, value, one))
    return found


def stop_at_leaks(train: list[Item], values: dict) -> None:
    """Refuse a column that tells the label by itself, in a way that leaks.allow does not name."""
    data, bounds = values["data"], values["leaks"]
    sources = [source(name, row, values) for _, name, _, row in train]
    allowed = params.allowances(bounds["allow"])
    columns = params.feature_columns(data)
    for column in columns:
        found = leaks(seen(column, train, sources, data), bounds, column in data["text"])
        reasons = {check: why for check, why in found.items() if (column, check) not in allowed}
        if reasons:
            # All that was found, so that who follows the advice is not stopped here once more.
            mend = f"add {' and '.join(entry(column, check) for check in reasons)} to leaks.allow"
            if len(columns) > 1:
                mend = f"drop it from data in params.yaml, or {mend}"
            told = f"column {shown(column)} is a likely leak: {next(iter(reasons.values()))}"
            raise Refused(f"{told}; {mend}")


def entry(column: str, check: str) -> str:
    """An entry of leaks.allow, as YAML that can be copied whatever the column's name is."""
    name = json.dumps(column, ensure_ascii=False)
    safe = (c if c.isprintable() else f"\\U{ord(c):08x}" for c in name)
    return f"{{{''.join(safe)}: {check}}}"


def main() -> None:
    values = params.load("data", "split", "leaks")
    said = [quoted(values["data"])]
    prepared = prepare(values)
    said.append(same_text(prepared, values))
    lines = {part: rows.json_lines(items) for part, items in prepared.items()}
    params.check_unchanged()
    write({Path(f"data/prepared/{part}.jsonl"): content for part, content in lines.items()})
    file = values["data"]["file"]
    if files.is_cut(Path(file)):
        print(f"prepare: {file} does not end in a line end; was it cut in its last row?")
    said += rows.unvarying([item["row"] for item in prepared[TRAIN]])
    for told in filter(None, said):
        print(f"prepare: {told}")
    for part, items in prepared.items():
        print(f"prepare: {len(items)} {part} rows")


if __name__ == "__main__":
    problems.run(main, params.check_unchanged)
