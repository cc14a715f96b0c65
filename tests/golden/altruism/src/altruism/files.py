"""Files of rows: read whatever the suffix says, and refuse what is not so.

A bad row ends in one sentence with its number (the first is row 1, a header is not counted);
nothing is repaired in silence.
"""

import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

from .problems import Refused, shown
from .rows import Row

SPACE = re.compile(r"[ \t\r\n]*")
JSON_START = re.compile(r"\s*(\[\s*)?\{\s*\"")
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
