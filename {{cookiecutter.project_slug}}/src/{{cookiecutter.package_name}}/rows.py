"""Rows of labelled data: read whatever the file's suffix says, and refuse what is not so.

A bad row ends in one sentence with its number (the first is row 1, a header is not counted);
nothing is repaired in silence. What is made equal, and no more: text is Unicode-normalized (NFC), a
missing text or category is the empty one, a list of texts is joined by spaces, a missing number
stays missing, and a moment (epoch seconds, or ISO 8601, UTC where it names no zone) is seconds.
"""

import csv
import io
import json
import math
import re
import sys
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from .params import feature_columns, label_name
from .problems import Refused, shown

Row = dict[str, object]
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
MAGIC = {
    b"\x1f\x8b": "gzip",
    b"PK\x03\x04": "zip",
    b"PAR1": "Parquet",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
# The years 1900 to 2200; milliseconds, a common mistake, lie far outside.
EARLIEST, LATEST = -2208988800, 7258118400
csv.field_size_limit(sys.maxsize)


def read(path: Path) -> Iterator[tuple[str, Row]]:
    """Each row of a .jsonl, .ndjson, .json, .csv or .tsv file, with how a message names it."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise Refused(f"{path} has no known suffix; rename it to one of {', '.join(READERS)}")
    content = path.read_bytes()
    for magic, kind in MAGIC.items():
        if content.startswith(magic):
            raise Refused(f"{path} is {kind}, not what its suffix says; unpack or convert it")
    return parse(content, str(path), reader)


def parse(content: bytes, where: str, reader) -> Iterator[tuple[str, Row]]:
    """The rows of `content`, of which messages speak as `where`."""
    text = decoded(content, where)
    if not text.strip():
        raise Refused(f"{where} is empty; it must hold at least two labelled rows")
    count = 0
    for count, (place, row) in enumerate(reader(text, where), 1):  # noqa: B007
        yield place, row
    if not count:
        raise Refused(f"{where} has no rows; it must hold at least two labelled rows")


def decoded(content: bytes, where: str) -> str:
    """`content` as text; its lines are those that end in a line feed, and no others."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{content[error.start]:02x}"
        raise Refused(f"{where}, line {line}: {byte} is not UTF-8; save it as UTF-8") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise Refused(f"{where}, line {line}: there is a NUL character; remove it")
    return text


def read_json_lines(text: str, where: str) -> Iterator[tuple[str, Row]]:
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        place = f"{where}, row {number}"
        yield place, checked_object(json_value(line, place), place)


def read_json(text: str, where: str) -> Iterator[tuple[str, Row]]:
    rows = json_value(text, where)
    if not isinstance(rows, list):
        raise Refused(f"{where} holds no list of rows; write [{{…}}, {{…}}] or use .jsonl")
    for number, row in enumerate(rows, 1):
        place = f"{where}, row {number}"
        yield place, checked_object(row, place)


def json_value(text: str, place: str) -> object:
    """`text` parsed as strict JSON: no NaN, no key twice, no lone surrogate."""
    try:
        return json.loads(text, object_pairs_hook=unique_keys, parse_constant=no_constant)
    except json.JSONDecodeError as error:
        line = f", line {error.lineno}" if "\n" in text else ""
        found = shown(text[error.pos : error.pos + 60]) if text[error.pos :] else "the end"
        raise Refused(f"{place}{line}: not valid JSON at {found} ({error.msg})") from None
    except (RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Refused(f"{place}: not valid JSON ({reason.partition(';')[0]})") from None


def unique_keys(pairs: list[tuple[str, object]]) -> Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {shown(twice)} stands twice")
    return row


def no_constant(word: str) -> float:
    raise ValueError(f"{word} is no JSON number, write null for a missing one")


def checked_object(value: object, place: str) -> Row:
    if not isinstance(value, dict):
        raise Refused(f'{place}: {shown(value)} is no row; write an object such as {{"id": "1"}}')
    return value


def read_csv(text: str, where: str) -> Iterator[tuple[str, Row]]:
    return read_table(text, where, dialect={"strict": True})


def read_tsv(text: str, where: str) -> Iterator[tuple[str, Row]]:
    # A quote in a TSV is a character like any other; pandas would join the rows between two.
    return read_table(text, where, dialect={"delimiter": "\t", "quoting": csv.QUOTE_NONE})


def read_table(text: str, where: str, dialect: dict) -> Iterator[tuple[str, Row]]:
    if "\n" not in text and "\r" in text:
        raise Refused(f"{where}: its lines end in CR alone; save it with LF or CRLF line ends")
    lines = csv.reader(io.StringIO(text, newline=""), **dialect)
    number = 0
    try:
        header = next(lines)
        twice = [name for name in header if header.count(name) > 1]
        if twice:
            raise Refused(f"{where}: the column {shown(twice[0])} stands twice in the header")
        for number, fields in enumerate(lines, 1):
            place = f"{where}, row {number} (line {lines.line_num})"
            if len(fields) != len(header):
                have = f"{len(fields)} fields where the header has {len(header)}"
                raise Refused(f"{place}: {have} ({shown(','.join(fields))}); add or quote them")
            yield place, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        raise Refused(f"{where}, row {number + 1} (line {lines.line_num}): {error}") from None


READERS = {
    ".jsonl": read_json_lines,
    ".ndjson": read_json_lines,
    ".json": read_json,
    ".csv": read_csv,
    ".tsv": read_tsv,
}


def field(row: Row, column: str, place: str) -> object:
    """A row's value of `column`, which must be there; what is missing is null or empty."""
    if column not in row:
        raise Refused(f"{place}: there is no column {shown(column)}; add it, or mend params.yaml")
    return row[column]


def as_text(value: object, where: str) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = " ".join(value)
    if not isinstance(value, str):
        raise Refused(f"{where} is {shown(value)} where text belongs; quote it")
    return valid(value, where)


def valid(value: str, where: str) -> str:
    """`value` in Unicode's normal form C; text that UTF-8 cannot hold is refused."""
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise Refused(f"{where} holds half a surrogate pair ({shown(value)}); remove it")
    if "\0" in value:
        raise Refused(f"{where} holds a NUL character ({shown(value)}); remove it")
    return unicodedata.normalize("NFC", value)


def as_category(value: object, where: str) -> str:
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    return as_text(value, where)


def as_number(value: object, where: str) -> float | None:
    """A number, or None for null and for an empty field of a CSV file."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and NUMBER.fullmatch(value):
        value = float(value)
    if not isinstance(value, bool | int | float):
        raise Refused(f"{where} is {shown(value)} where a number belongs; a missing one is empty")
    if abs(value) > sys.float_info.max or not math.isfinite(value):
        raise Refused(f"{where} is {shown(value)}, which no 64-bit number holds; mend it")
    return float(value)


def as_moment(value: object, where: str) -> float | None:
    """Seconds since 1970 (UTC), from a number of them or ISO 8601."""
    if isinstance(value, str) and value and not NUMBER.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            example = "write it like 2011-12-31T23:59:00+00:00 or in seconds since 1970"
            raise Refused(f"{where} is {shown(value)}, which is no moment; {example}") from None
        value = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    seconds = as_number(value, where)
    if seconds is not None and not EARLIEST <= seconds <= LATEST:
        raise Refused(f"{where} is {shown(value)}, outside 1900 to 2200; give it in seconds")
    return seconds


def as_id(value: object, where: str) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text:
        raise Refused(f"{where} is {shown(value)}; an id is a text or a whole number")
    return valid(text, where)


def as_label(value: object, where: str, labels: list[str]) -> str:
    label = label_name(value)
    if label is None:
        raise Refused(f"{where}: the label is missing ({shown(value)}); add it or drop the row")
    if label not in labels:
        known = ", ".join(map(shown, labels))
        raise Refused(f"{where} is {shown(label)}, not in data.labels ({known}); add or mend it")
    return label


def features(row: Row, place: str, data: dict) -> Row:
    """The columns of `row` that the model sees, each of its kind, in a fixed order."""
    kinds = {
        **dict.fromkeys(data["text"], as_text),
        **dict.fromkeys(data["numeric"], as_number),
        **dict.fromkeys(data["categorical"], as_category),
        data["timestamp"]: as_moment,
    }
    return {
        column: kinds[column](field(row, column, place), f"{place}, column {shown(column)}")
        for column in feature_columns(data)
    }


def read_prepared(path: Path) -> tuple[list[Row], list[str], list[str]]:
    """Rows, labels and ids of a file that `prepare` wrote."""
    with open(path, encoding="utf-8") as file:
        items = [json.loads(line) for line in file]
    return [i["row"] for i in items], [i["label"] for i in items], [i["id"] for i in items]


def json_lines(items: list) -> bytes:
    """`items`, one a line, as strict JSON in UTF-8."""
    lines = [json.dumps(item, ensure_ascii=False, allow_nan=False) + "\n" for item in items]
    return "".join(lines).encode()
