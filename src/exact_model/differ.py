"""What differs between a recorded file and the one that a rebuild made, in a few sentences.

Models are read by `exact_model.inert`, so that nothing of either file is run.
"""

import codecs
import csv
import filecmp
import json
from itertools import zip_longest
from pathlib import Path

import numpy

from exact_model.inert import Inert, Name, Unreadable, read
from exact_model.text import printable
from exact_model.values import ABSENT, MOST_SHOWN, Comparison, raw

MOST_TOLD = 6
# A larger JSON file is compared line by line.
MOST_PARSED = 2**26
BLOCK = 2**20
REWRITTEN = "only how it is written differs"


# -- sentences


def describe(recorded: Path, rebuilt: Path) -> list[str]:
    """What differs, in at most six sentences, the most telling first; none for equal files.

    The content shows what a file is, but for CSV and TSV, which their suffix shows. No sentence has
    a character that steers a terminal. Raises nothing, since the difference counts in any case.
    """
    try:
        told = sentences(Path(recorded), Path(rebuilt))
    except Exception as error:  # An odd file, a full memory, a mistake here.
        told = [f"how they differ cannot be described ({type(error).__name__}: {error})"]
    if len(told) > MOST_TOLD:
        told[MOST_TOLD - 1 :] = [f"and {len(told) - MOST_TOLD + 1} more differences"]
    return [printable(sentence, 400) for sentence in told]


def sentences(recorded: Path, rebuilt: Path) -> list[str]:
    """All that can be said of two files or folders, of which one may be missing."""
    files = {"recorded": recorded, "rebuilt": rebuilt}
    told = [f"the {name} file is missing" for name, file in files.items() if not file.exists()]
    if told:
        return told
    if recorded.is_dir() or rebuilt.is_dir():
        found = others(recorded, rebuilt)
        return [f"other content in {', '.join(found[:MOST_TOLD])}"] * bool(found)
    sizes = {name: file.stat().st_size for name, file in files.items()}
    if any(sizes.values()):
        told = [f"the {name} file is empty" for name, size in sizes.items() if size == 0]
    return told or by_kind(recorded, rebuilt)


def others(one: Path, other: Path) -> list[str]:
    """The names of the files that are not the same in two folders; "." where one is a file."""
    names = {file.relative_to(top) for top in (one, other) for file in top.rglob("*")}
    pairs = [(name.as_posix(), one / name, other / name) for name in sorted(names or {Path()})]
    return [name for name, a, b in pairs if not (a.is_dir() and b.is_dir()) and not same(a, b)]


def same(one: Path, other: Path) -> bool:
    """Whether both are files with the same bytes."""
    return one.is_file() and other.is_file() and filecmp.cmp(one, other, shallow=False)


def by_kind(left: Path, right: Path) -> list[str]:
    """The sentences for two files that are there, as what both of them are."""
    if filecmp.cmp(left, right, shallow=False):
        return []
    if not (is_text(left) and is_text(right)):
        try:
            told = by_values(read(left), read(right))
            return told or [f"{REWRITTEN}; every array and every other value is equal"]
        except Unreadable as error:
            meant = {left.suffix, right.suffix} & {".joblib", ".pkl", ".pickle"}
            return [str(error)] * bool(meant) + by_bytes(left, right)
    for teller in (by_table, by_document, by_records):
        told = teller(left, right)
        if told is not None:
            return told or [f"{REWRITTEN}; every value is equal", *by_lines(left, right)]
    return by_lines(left, right)


def is_text(file: Path) -> bool:
    """Whether the beginning of a file is UTF-8 without NUL."""
    with open(file, "rb") as stream:
        start = stream.read(BLOCK)
    try:
        codecs.getincrementaldecoder("utf-8")().decode(start)
    except UnicodeDecodeError:
        return False
    return b"\0" not in start


def by_values(left, right) -> list[str]:
    """The sentences for the content of two models or JSON files."""
    groups = {}
    for path, one, other in Comparison().differences(left, right):
        # The end of a deep path tells most, and the same attribute of all trees is told once.
        steps = []
        while path and len(steps) < 12:
            path, step = path
            steps.insert(0, printable(step, MOST_SHOWN))
        place = ("…" * bool(path) + "".join(steps)).removeprefix(".") or "the whole"
        rank, told = difference(one, other, bool(steps) and steps[-1].startswith("."))
        like = (rank, *(step if step.startswith(".") else "" for step in steps))
        groups.setdefault(like, []).append(f"{place}: {told}")
    ordered = sorted(groups.items(), key=lambda group: group[0][0])
    return [told[0] + f" (and {len(told) - 1} more such)" * (len(told) > 1) for _, told in ordered]


def difference(left, right, is_attribute: bool) -> tuple[int, str]:
    """How little a difference tells, from 0, and the difference in words."""
    if left is ABSENT or right is ABSENT:
        return 2, f"only in the {'rebuilt' if left is ABSENT else 'recorded'} file"
    texts = [shown(left), shown(right)]
    if isinstance(left, str) and isinstance(right, str):
        texts = around(*(text.encode("utf-8", "surrogatepass") for text in (left, right)))
    elif texts[0] == texts[1]:
        texts = [f"{shown(value)} ({type(value).__name__})" for value in (left, right)]
    told = " -> ".join(texts)
    if isinstance(left, numpy.ndarray) and isinstance(right, numpy.ndarray):
        kinds = [(array.dtype.newbyteorder("<"), array.shape) for array in (left, right)]
        return (3, told) if kinds[0] != kinds[1] else (5, array_difference(left, right))
    if isinstance(left, Inert) and isinstance(right, Inert):
        return 0, told if shown(left) != shown(right) else f"{shown(left)} is made in another way"
    return 1 if is_attribute else 4, told


def array_difference(left: numpy.ndarray, right: numpy.ndarray) -> str:
    """How many values of two arrays of one type and shape differ, how far numbers are apart."""
    bits = [numpy.frombuffer(raw(a)[1], "u1").reshape(a.size, a.itemsize) for a in (left, right)]
    changed = (bits[0] != bits[1]).any(axis=1)
    told = f"{changed.sum()} of {changed.size} values differ"
    if left.dtype.kind in "iufc":
        wide = "G" if left.dtype.kind == "c" else "g"
        with numpy.errstate(all="ignore"):
            gaps = abs(left.astype(wide) - right.astype(wide)).ravel()[changed]
        if numpy.isfinite(gaps).any():
            told += f", at most {float(gaps[numpy.isfinite(gaps)].max()):.2g}"
    return told


def shown(value) -> str:
    """A value in a few words."""
    match value:
        case Inert(made=Name()):
            text = str(value.made)
        case Inert():
            text = "an object"
        case numpy.ndarray():
            text = f"{value.dtype} array of shape {value.shape}"
        case list() | tuple() | dict():
            text = f"{type(value).__name__} of length {len(value)}"
        case int():
            text = str(value) if value.bit_length() < 200 else hex(value)
        case str() | bytes() | bytearray():
            text = repr(value[:MOST_SHOWN])
        case _:
            text = "nothing" if value is ABSENT else str(value)
    return printable(text, 2 * MOST_SHOWN)


def by_document(left: Path, right: Path) -> list[str] | None:
    """The sentences for two JSON files; None for others."""
    if max(left.stat().st_size, right.stat().st_size) > MOST_PARSED:
        return None
    try:
        return by_values(json.loads(left.read_bytes()), json.loads(right.read_bytes()))
    except (ValueError, RecursionError):
        return None


def by_table(left: Path, right: Path) -> list[str] | None:
    """The sentences for two CSV or TSV files with as many cells in each row; None for others."""
    if not {left.suffix, right.suffix} <= {".csv", ".tsv"}:
        return None
    try:
        tables = cells(left), cells(right)
        columns = [next(rows) for rows in tables]
        common = {*columns[0]} & {*columns[1]}
        told = []
        for side, names in zip(("recorded", "rebuilt"), columns, strict=True):
            lone = [name[:MOST_SHOWN] for name in names if name not in common]
            told += [f"columns only in the {side} file: {', '.join(lone)}"] * bool(lone)
        return told + by_rows(*(named(*both, common) for both in zip(columns, tables, strict=True)))
    except (ValueError, csv.Error, StopIteration):
        return None


def cells(file: Path):
    """Yield the rows of a CSV or TSV file, the first of which names the columns."""
    with open(file, encoding="utf-8", newline="") as stream:
        yield from csv.reader(stream, delimiter="\t" if file.suffix == ".tsv" else ",")


def named(columns: list[str], rows, wanted: set[str]):
    """Yield each row's cells in the `wanted` columns; raises ValueError for too few or many."""
    if len({*columns}) != len(columns):
        raise ValueError("two columns have the same name")
    for row in rows:
        yield {name: cell for name, cell in zip(columns, row, strict=True) if name in wanted}


def by_records(left: Path, right: Path) -> list[str] | None:
    """The sentences for two files with a JSON object in each line; None for others."""
    try:
        with open(left, "rb") as lines, open(right, "rb") as others:
            changed_fields({}, json.loads(lines.readline()))
            lines.seek(0)
            return by_rows(lines, others, "line")
    except (ValueError, RecursionError):
        return None


def by_rows(rows, others, unit: str = "row") -> list[str]:
    """The sentences for two streams of rows: dicts, or lines of JSON."""
    number, lacking, changed, first, gaps = 0, [0, 0], 0, "", {}
    for number, (row, other) in enumerate(zip_longest(rows, others), 1):
        if row == other:
            continue
        if row is None or other is None:
            lacking[other is None] += 1
            continue
        fields = changed_fields(*(json.loads(r) if type(r) is bytes else r for r in (row, other)))
        if fields and not changed:
            some = [f"{k[:MOST_SHOWN]}: {shown(a)} -> {shown(b)}" for k, (a, b) in fields.items()]
            first = f"the first is {unit} {number}: {', '.join(some[:3])}"
        changed += bool(fields)
        for name, (one, two) in fields.items():
            gap = abs(number_of(one) - number_of(two))
            gaps[name] = max(gap, gaps.get(name, 0)) if gap == gap else gaps.get(name, 0)
    told = lengths(unit, number, lacking)
    if changed:
        told.append(f"{changed} of {number} {unit}s differ, {first}")
    return told + [f"{k[:MOST_SHOWN]}: at most {gap:.2g} apart" for k, gap in gaps.items() if gap]


def lengths(unit: str, number: int, lacking: list[int]) -> list[str]:
    """The sentence for two files of which the longer has `number` lines or rows."""
    left, right = (number - lack for lack in lacking)
    return [f"{unit}s: {left} -> {right}"] * (left != right)


def changed_fields(row: dict, other: dict) -> dict[str, tuple]:
    """The pair of values for each field that differs; raises ValueError for what is not a dict."""
    if type(row) is not dict or type(other) is not dict:
        raise ValueError("a line is not an object")
    pairs = {name: (row.get(name, ABSENT), other.get(name, ABSENT)) for name in {**row, **other}}
    return {name: pair for name, pair in pairs.items() if repr(pair[0]) != repr(pair[1])}


def number_of(value) -> float:
    """A cell or field as a number, NaN if it is none."""
    try:
        return float("nan" if isinstance(value, bool) else value)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def by_lines(left: Path, right: Path) -> list[str]:
    """The sentences for two texts."""
    number, lacking, changed, told = 0, [0, 0], 0, []
    with open(left, "rb") as lines, open(right, "rb") as others:
        for number, (line, other) in enumerate(zip_longest(lines, others), 1):
            if line != other:
                changed += 1
                lacking[other is None] += line is None or other is None
                told = told or [f"line {number}: {' -> '.join(around(line, other))}"]
    return [*told, f"{changed} of {number} lines differ", *lengths("line", number, lacking)]


def around(*lines: bytes | None) -> list[str]:
    """What stands in two lines where they begin to differ, in quotes."""
    start = max(0, differing(*(line or b"" for line in lines))[1] - MOST_SHOWN // 3)
    start = start if max(len(line or b"") for line in lines) > MOST_SHOWN else 0
    end = "\n" if all(line and line.endswith(b"\n") for line in lines) else ""
    cuts = [None if line is None else line[start : start + MOST_SHOWN] for line in lines]
    return [
        "none"
        if cut is None
        else "…" * bool(start) + repr(cut.decode("utf-8", "replace").removesuffix(end))
        for cut in cuts
    ]


def by_bytes(left: Path, right: Path) -> list[str]:
    """The sentences for two files of which no more is known than their bytes."""
    contents = left.read_bytes(), right.read_bytes()
    sizes, (number, first) = [*map(len, contents)], differing(*contents)
    told = [f"size: {sizes[0]} -> {sizes[1]} bytes"] * (sizes[0] != sizes[1])
    return [*told, f"{number} of {max(sizes)} bytes differ, the first at offset {first}"]


def differing(left: bytes, right: bytes) -> tuple[int, int]:
    """How many bytes differ, and where the first is; those that only one has differ too."""
    shared, longest = sorted([len(left), len(right)])
    places = numpy.frombuffer(left[:shared], "u1") != numpy.frombuffer(right[:shared], "u1")
    number = int(numpy.count_nonzero(places))
    return number + longest - shared, int(places.argmax()) if number else shared
