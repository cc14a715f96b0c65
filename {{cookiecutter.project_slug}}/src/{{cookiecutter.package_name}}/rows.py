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
SPACE = re.compile(r"[ \t\r\n]*")
JSON_START = re.compile(r"\s*(\[\s*)?\{\s*\"")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# How files that are no text begin; each has bytes that are no UTF-8, or a NUL.
MAGIC = {
    b"\x1f\x8b": "gzip",
    b"PK": "zip (or an .xlsx)",
    b"PAR1": "Parquet",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "Zstandard",
    b"7z\xbc\xaf": "7-Zip",
    b"ARROW1": "Arrow",
    b"SQLite format 3": "SQLite",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
    b"\xff\xfe": "UTF-16 or UTF-32",
    b"\xfe\xff": "UTF-16",
}
# The years 1900 to 2200; milliseconds, a common mistake, lie far outside.
EARLIEST, LATEST = -2208988800, 7258118400
# Fewer seconds from 1970 than this are more likely a year, 20111231 or a count of days.
DOUBTFUL = 100_000_000
# All that a C long holds on every platform.
csv.field_size_limit(2**31 - 1)


def read(path: Path) -> Iterator[tuple[str, Row]]:
    """Each row of a .jsonl, .ndjson, .json, .csv or .tsv file, with how a message names it."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise Refused(f"{path} is not there; run `make pull`, or mend its name") from None
    except IsADirectoryError:
        raise Refused(f"{path} is a folder; name one file") from None
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror}); mend that or its name") from None
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        kind = next((f" ({k})" for magic, k in MAGIC.items() if content.startswith(magic)), "")
        known = ", ".join(READERS)
        raise Refused(f"{path}{kind} has a suffix that is none of {known}; convert or rename it")
    return parse(content, str(path), reader)


def is_cut(path: Path) -> bool:
    """Whether a table's last row lacks its line end, as in a file that was cut short."""
    if path.suffix.lower() not in (".csv", ".tsv"):
        return False
    with open(path, "rb") as file:
        file.seek(-1, io.SEEK_END)
        return file.read() not in b"\r\n"


def parse(content: bytes, where: str, reader) -> Iterator[tuple[str, Row]]:
    """The rows of `content`, of which messages speak as `where`."""
    text = decoded(content, where)
    if not text.strip():
        raise Refused(f"{where} is empty; it must hold rows")
    count = 0
    for count, (place, row) in enumerate(reader(text, where), 1):  # noqa: B007
        yield place, row
    if not count:
        raise Refused(f"{where} has no rows; add some")


def decoded(content: bytes, where: str) -> str:
    """`content` as text; its lines are those that end in a line feed, and no others."""
    try:
        text = content.decode("utf-8-sig")
        at = content.find(b"\0")
    except UnicodeDecodeError as error:
        text, at = "", error.start
    if at < 0:
        return text
    for magic, kind in MAGIC.items():
        if content.startswith(magic):
            raise Refused(f"{where} is {kind}, not what its suffix says; unpack or convert it")
    line = content.count(b"\n", 0, at) + 1
    place = f"{where}, line {line}"
    if content[at]:
        raise Refused(f"{place}: byte 0x{content[at]:02x} is not UTF-8; save the file as UTF-8")
    raise Refused(f"{place}: there is a NUL character; remove it, or save the file as UTF-8")


def read_json_lines(text: str, where: str) -> Iterator[tuple[str, Row]]:
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        place = f"{where}, row {number}"
        if not line.strip():
            raise Refused(f"{place} is an empty line; remove it")
        row, end = json_value(line, 0, place)
        if end < len(line):
            raise not_json(line, end, place, "more than one value")
        yield place, checked_object(row, place)


def read_json(text: str, where: str) -> Iterator[tuple[str, Row]]:
    """The rows of a list, parsed one by one so that a message can say which is bad."""
    at = SPACE.match(text).end()
    if text[at] != "[":
        raise Refused(f"{where} is no list of rows; write [{{…}}, {{…}}], or rename it to .jsonl")
    at = SPACE.match(text, at + 1).end()
    number = 0
    while text[at : at + 1] != "]" or number:
        number += 1
        place = f"{where}, row {number}"
        row, at = json_value(text, at, place)
        yield place, checked_object(row, place)
        if text[at : at + 1] == "]":
            break
        if text[at : at + 1] != ",":
            raise not_json(text, at, place, "a comma or ] must follow")
        at += 1
    end = SPACE.match(text, at + 1).end()
    if end < len(text):
        raise not_json(text, end, where, "more than one value")


def json_value(text: str, at: int, place: str) -> tuple[object, int]:
    """The value in `text` from `at` on, and where the next begins, parsed as strict JSON.

    That is without NaN and without a key twice.
    """
    try:
        value, end = STRICT.raw_decode(text, SPACE.match(text, at).end())
        return value, SPACE.match(text, end).end()
    except json.JSONDecodeError as error:
        raise not_json(text, error.pos, place, error.msg) from None
    except (RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise Refused(f"{place}: not valid JSON ({reason.partition(';')[0]}); mend it") from None


def not_json(text: str, at: int, place: str, reason: str) -> Refused:
    """What to tell of text that is not JSON at `at`."""
    number = text.count("\n", 0, at) + 1
    line = f", line {number}" if "\n" in text else ""
    found = shown(text[at : at + 60]) if text[at:] else "its end, so it may be cut short"
    return Refused(f"{place}{line}: not valid JSON at {found} ({reason}); mend it")


def unique_keys(pairs: list[tuple[str, object]]) -> Row:
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {shown(twice)} stands twice")
    return row


def no_constant(word: str) -> float:
    raise ValueError(f"{word} is no JSON number, write null for a missing one")


STRICT = json.JSONDecoder(object_pairs_hook=unique_keys, parse_constant=no_constant)


def checked_object(value: object, place: str) -> Row:
    if not isinstance(value, dict):
        mend = 'write an object such as {"id": "1"}, or name a list of them .json'
        raise Refused(f"{place}: {shown(value)} is no row; {mend}")
    return value


def read_csv(text: str, where: str) -> Iterator[tuple[str, Row]]:
    return read_table(text, where, dialect={"strict": True})


def read_tsv(text: str, where: str) -> Iterator[tuple[str, Row]]:
    # A quote in a TSV is a character like any other; pandas would join the rows between two.
    return read_table(text, where, dialect={"delimiter": "\t", "quoting": csv.QUOTE_NONE})


def read_table(text: str, where: str, dialect: dict) -> Iterator[tuple[str, Row]]:
    if "\n" not in text and "\r" in text:
        raise Refused(f"{where}: its lines end in CR alone; save it with LF or CRLF line ends")
    if JSON_START.match(text):
        raise Refused(f"{where} is JSON, not what its suffix says; rename it to .json or .jsonl")
    lines = csv.reader(io.StringIO(text, newline=""), **dialect)
    joined = dialect.get("delimiter", ",").join
    number = 0
    try:
        header = next(lines)
        check_header(header, where)
        for number, fields in enumerate(lines, 1):
            place = f"{where}, row {number} (line {lines.line_num})"
            if not fields:
                raise Refused(f"{place} is an empty line; remove it")
            if len(fields) != len(header):
                have = f"{len(fields)} fields where the header has {len(header)}"
                raise Refused(f"{place}: {have} ({shown(joined(fields))}); add or quote them")
            yield place, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        place = f"{where}, row {number + 1} (line {lines.line_num})"
        raise Refused(f"{place}: {error}; mend its quotes") from None


def check_header(header: list[str], where: str) -> None:
    if len(header) == 1 and re.search("[\t;|,]", header[0]):
        told = f"{where}: the header {shown(header[0])} is one column"
        raise Refused(f"{told}; separate columns by a comma in .csv and by a tab in .tsv")
    for name in header:
        if header.count(name) > 1:
            told = f"{where}: the column {shown(name)} stands twice in the header"
            raise Refused(f"{told}; rename one")


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
        among = ", ".join(map(shown, row)) or "nothing"
        have = among if len(among) <= 200 else among[:200] + "…"
        mend = "add it, or mend params.yaml"
        raise Refused(f"{place}: there is no column {shown(column)} among {have}; {mend}")
    return row[column]


def as_text(value: object, where: str) -> str:
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = " ".join(value)
    if not isinstance(value, str):
        raise Refused(f"{where} is {shown(value)} where text belongs; write it in quotes")
    return valid(value, where)


def valid(value: str, where: str) -> str:
    """`value` in Unicode's normal form C; text that UTF-8 cannot hold is refused."""
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise Refused(f"{where} holds half a surrogate pair ({shown(value)}); remove it")
    if "\0" in value:
        raise Refused(f"{where} holds a NUL character ({shown(value)}); remove it")
    return unicodedata.normalize("NFC", value)


def as_category(value: object, where: str) -> str:
    """A text; of a JSON number its digits, 3 and 3.0 being the same one."""
    if isinstance(value, float):
        number = as_number(value, where)
        value = int(number) if number.is_integer() else number
    return json.dumps(value) if isinstance(value, bool | int | float) else as_text(value, where)


def as_number(value: object, where: str) -> float | None:
    """A number, or None for null and for an empty field of a CSV file."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and NUMBER.fullmatch(value):
        value = float(value)
    if not isinstance(value, bool | int | float):
        mend = "write it like 1234.5, a missing one as null or empty"
        raise Refused(f"{where} is {shown(value)} where a number belongs; {mend}")
    if abs(value) > sys.float_info.max or not math.isfinite(value):
        raise Refused(f"{where} is {shown(value)}, which no 64-bit number holds; mend it")
    return float(value)


def as_moment(value: object, where: str) -> float | None:
    """Seconds since 1970 (UTC), from a number of them or ISO 8601."""
    example = "write it like 2011-12-31T23:59:00+00:00"
    if isinstance(value, str) and value and not NUMBER.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            told = f"{where} is {shown(value)}, which is no moment"
            raise Refused(f"{told}; {example} or in seconds since 1970") from None
        seconds = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    else:
        seconds = as_number(value, where)
        if seconds is not None and abs(seconds) < DOUBTFUL:
            told = f"{where} is {shown(value)}, too few to be seconds since 1970"
            raise Refused(f"{told}; {example}, and a missing one as null or empty")
    if seconds is not None and not EARLIEST <= seconds <= LATEST:
        raise Refused(f"{where} is {shown(value)}, outside 1900 to 2200; {example} or in seconds")
    return seconds


def as_id(value: object, where: str) -> str:
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if not isinstance(text, str) or not text:
        told = "is missing" if value is None or value == "" else f"is {shown(value)}"
        raise Refused(f"{where} {told}; give it a text or a whole number")
    return valid(text, where)


def as_label(value: object, where: str, labels: list[str]) -> str:
    if value is None or value == "":
        raise Refused(f"{where}: the label is missing; add it, or drop the row")
    label = label_name(value)
    if label not in labels:
        known = ", ".join(map(shown, labels))
        raise Refused(f"{where} is {shown(value)}, not in data.labels ({known}); add or mend it")
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
