"""Files of rows: read whatever the suffix says, and refuse what is not so.

A bad row ends in one sentence with its number (the first is row 1, a header is not counted);
nothing is repaired in silence.
"""

import contextlib
import csv
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

from .params import MARKER, composed
from .problems import Refused, looks, shown, visible
from .rows import Row

SPACE = re.compile(r"[ \t\r\n]*")
JSON_START = re.compile(r"\s*(\[\s*)?\{\s*\"")
# How files that are not text begin, and how to get their rows; each has bytes that are not UTF-8,
# or a NUL.
EXPORT = "write its rows as .csv or .jsonl"
MAGIC = {
    b"\x1f\x8b": ("gzip", "unpack it with `gzip -dc`"),
    b"PK": ("zip", "unpack it with `unzip`"),
    b"BZh": ("bzip2", "unpack it with `bzip2 -dc`"),
    b"\xfd7zXZ": ("xz", "unpack it with `xz -dc`"),
    b"\x28\xb5\x2f\xfd": ("Zstandard", "unpack it with `zstd -dc`"),
    b"\x04\x22\x4d\x18": ("LZ4", "unpack it with `lz4 -dc`"),
    b"7z\xbc\xaf": ("7-Zip", "unpack it with `7z x`"),
    b"Rar!": ("RAR", "unpack it with `unrar x`"),
    b"PAR1": ("Parquet", EXPORT),
    b"ARROW1": ("Arrow (Feather)", EXPORT),
    b"FEA1": ("Feather", EXPORT),
    b"ORC": ("ORC", EXPORT),
    b"Obj\x01": ("Avro", EXPORT),
    b"\x89HDF": ("HDF5", EXPORT),
    b"\x93NUMPY": ("a NumPy array", EXPORT),
    b"SQLite format 3": ("SQLite", EXPORT),
    b"\xd0\xcf\x11\xe0": ("an old Excel file", EXPORT),
    b"%PDF-": ("PDF", EXPORT),
    **{bytes([0x80, version]): ("a pickle", EXPORT) for version in range(2, 6)},
    b"\xff\xfe": ("UTF-16 or UTF-32", "save it as UTF-8"),
    b"\xfe\xff": ("UTF-16", "save it as UTF-8"),
}
# How texts begin that are not rows, and how to get the rows.
PAGE = "download the file itself, since the address gave a page, perhaps to log in"
POINTERS = {
    r"version https://git-lfs\.github\.com/spec/": ("a pointer of Git LFS", "run `git lfs pull`"),
    r"(?s)(?=(outs|md5|frozen|deps|wdir|desc|meta):)(.*\n)??outs:\n- \w+:": (
        "a .dvc file, which only names one",
        "get the file that it names from where it came",
    ),
    r"(?i)<!doctype html|<html": ("a web page", PAGE),
    r"<\?xml": ("XML", EXPORT),
    r"%PDF-": ("PDF", EXPORT),
    r"\{\\rtf": ("RTF", EXPORT),
}
# All that a C long holds on every platform.
csv.field_size_limit(2**31 - 1)


def read(path: Path) -> Iterator[tuple[str, Row]]:
    """Each row of a .jsonl, .ndjson, .json, .csv or .tsv file, with how a message names it."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise Refused(f"{path} is not there; {where_it_is(path)}") from None
    except IsADirectoryError:
        raise Refused(f"{path} is a folder; name one file") from None
    except OSError as error:
        raise Refused(f"{path} cannot be read ({error.strerror}); fix that or its name") from None
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        kind, fix = binary(content) or ("", "convert or rename it")
        told = f"{path}{f' ({kind})' if kind else ''} has a suffix that is none of"
        raise Refused(f"{told} {', '.join(READERS)}; {fix}")
    return parse(content, str(path), reader)


def where_it_is(path: Path) -> str:
    """What to do where there is no file `path`."""
    names = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    for name in sorted(names):
        if name != path.name and looks(name) == looks(path.name):
            return f"it is there as {visible(name)}: rename it, or write that in data.file"
    return "run `make pull`, or fix its name"


def binary(content: bytes) -> tuple[str, str] | None:
    """What a file is that is not text, and how to get its rows; None where nobody knows."""
    if content[257:262] == b"ustar":
        return "tar", "unpack it with `tar -xf`"
    if content.startswith(b"PK") and re.search(rb"\[Content_Types\]|xl/", content[:2000]):
        return "an Excel file (.xlsx)", EXPORT
    if content[:2].count(b"\0") == 1:
        return "UTF-16", "save it as UTF-8"
    return next((told for magic, told in MAGIC.items() if content.startswith(magic)), None)


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
    start = text[:2000].lstrip()
    for pattern, (kind, fix) in POINTERS.items():
        if re.match(pattern, start):
            raise Refused(f"{where} is {kind}, not what its suffix says; {fix}")
    if not start and not text.strip():
        raise Refused(f"{where} is empty; it must hold rows")
    count = 0
    for count, (place, row) in enumerate(reader(text, where), 1):  # noqa: B007
        yield place, row if "".join(row).isascii() else with_names_composed(row, place)
    if not count:
        raise Refused(f"{where} has no rows; add some")


def with_names_composed(row: Row, place: str) -> Row:
    """`row` with the names of its columns in normal form C, where two that look alike are one."""
    found = {composed(name): value for name, value in row.items()}
    if len(found) < len(row):
        names = [*map(composed, row)]
        twice = next(name for name in names if names.count(name) > 1)
        told = f"{place}: the column {shown(twice)} is there in two Unicode forms"
        raise Refused(f"{told}; rename one")
    return found


def decoded(content: bytes, where: str) -> str:
    """`content` as text; its lines are those that end in a line feed, and no others."""
    try:
        text = content.decode("utf-8-sig")
        at = content.find(b"\0")
    except UnicodeDecodeError as error:
        text, at = "", error.start
    if at < 0:
        return text
    if known := binary(content):
        raise Refused(f"{where} is {known[0]}, not what its suffix says; {known[1]}")
    line = content.count(b"\n", 0, at) + 1
    place = f"{where}, line {line}"
    if content[at]:
        raise Refused(f"{place}: byte 0x{content[at]:02x} is not UTF-8; save the file as UTF-8")
    raise Refused(f"{place}: there is a NUL character; remove it, or save the file as UTF-8")


def read_json_lines(text: str, where: str) -> Iterator[tuple[str, Row]]:
    lines = text.removesuffix("\n").split("\n")
    for number, line in enumerate(lines, 1):
        place = f"{where}, row {number}"
        if not line.strip():
            raise empty(place, "an empty line", (not later.strip() for later in lines[number:]))
        row, end = json_value(line, 0, place)
        if end < len(line):
            raise not_json(line, end, place, "more than one value")
        yield place, checked_object(row, place)


def read_json(text: str, where: str) -> Iterator[tuple[str, Row]]:
    """The rows of a list, parsed one by one so that a message can say which is bad."""
    at = SPACE.match(text).end()
    if text[at] != "[":
        raise no_list(text, at, where)
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


def no_list(text: str, at: int, where: str) -> Refused:
    """What to tell of a .json file that begins otherwise."""
    fix = "write [{…}, {…}], or rename it to .jsonl or .csv if it is such a file"
    if text[at] == "{":
        value, end = json_value(text, at, f"{where}, row 1")
        if end == len(text) and isinstance(value, dict):
            told = f"one object with the keys {', '.join(map(shown, value))}"[:200]
            fix = "write its rows alone: [{…}, {…}] (in pandas, to_json with orient='records')"
            return Refused(f"{where} is {told}, not a list of rows; {fix}")
        fix = "rename it to .jsonl, or write [{…}, {…}]"
    return Refused(f"{where} is not a list of rows; {fix}")


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
        raise Refused(f"{place}: not valid JSON ({reason.partition(';')[0]}); fix it") from None


def not_json(text: str, at: int, place: str, reason: str) -> Refused:
    """What to tell of text that is not JSON at `at`."""
    number = text.count("\n", 0, at) + 1
    line = f", line {number}" if "\n" in text else ""
    found = shown(text[at : at + 60]) if text[at:] else "its end, so it may be cut short"
    if MARKER.match(text, at):
        return conflict(f"{place}{line}", found)
    fix = "fix it"
    if place.endswith(", row 1") and not line and re.match(r"[^{\[\"]*[,\t;]", text):
        fix = "if it is a table, rename it to .csv or .tsv"
    return Refused(f"{place}{line}: not valid JSON at {found} ({reason}); {fix}")


def conflict(place: str, found: str) -> Refused:
    """What to tell of a marker that git leaves around what it cannot merge."""
    fix = "keep one side of each conflict and remove the markers"
    return Refused(f"{place}: git left a conflict marker here ({found}); {fix}")


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
        fix = 'write an object such as {"id": "1"}, or name a list of them .json'
        raise Refused(f"{place}: {shown(value)} is not a row; {fix}")
    if value and all(isinstance(one, dict) for one in value.values()):
        fix = "write rows (in pandas, to_json with orient='records', lines=True)"
        raise Refused(f"{place}: {shown(value)} holds columns, not a row; {fix}")
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
            if len(fields) != len(header):
                if is_empty(fields):
                    what = f"nothing but separators ({shown(joined(fields))})"
                    raise empty(place, what if fields else "an empty line", map(is_empty, lines))
                if MARKER.match(fields[0]):
                    raise conflict(place, shown(joined(fields)))
                have = f"{len(fields)} fields where the header has {len(header)}"
                raise Refused(f"{place}: {have} ({shown(joined(fields))}); add or quote them")
            yield place, dict(zip(header, fields, strict=True))
    except csv.Error as error:
        place = f"{where}, row {number + 1} (line {lines.line_num})"
        raise Refused(f"{place}: {error}; fix its quotes") from None


def is_empty(fields: list[str]) -> bool:
    return not any(map(str.strip, fields))


def empty(place: str, what: str, later: Iterator[bool]) -> Refused:
    """What to tell of a line without a row, and how many of the `later` ones are empty, too."""
    count = 0
    with contextlib.suppress(csv.Error):
        for one in later:
            count += one
    more = f", and the {count} other empty lines below" if count > 1 else ""
    return Refused(f"{place} is {what}; remove it{more or ', and the one below' * count}")


def check_header(header: list[str], where: str) -> None:
    if MARKER.match(header[0] if header else ""):
        raise conflict(f"{where}, line 1", shown(header[0]))
    if len(header) == 1 and re.search("[\t;|,]", header[0]):
        told = f"{where}: the header {shown(header[0])} is one column"
        raise Refused(f"{told}; separate columns by a comma in .csv and by a tab in .tsv")
    if header.count("") > 1:
        told = f"{where}: {header.count('')} columns have no name in its first line"
        raise Refused(f"{told} ({shown(','.join(header))}); name each, or remove them")
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
