"""Values of a row: each of the kind that params.yaml says, or refused.

What is made equal, and no more: text is Unicode-normalized (NFC), a missing text or category is the
empty one, a list of texts is joined by spaces, a missing number stays missing, and a moment (epoch
seconds, or ISO 8601, UTC where it names no zone) is seconds.
"""

import json
import math
import re
import sys
import unicodedata
from datetime import UTC, datetime
from pathlib import Path

from .params import feature_columns, label_name
from .problems import Refused, shown

Row = dict[str, object]
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# The years 1900 to 2200; milliseconds, a common mistake, lie far outside.
EARLIEST, LATEST = -2208988800, 7258118400
# Fewer seconds from 1970 than this are more likely a year, 20111231 or a count of days.
DOUBTFUL = 100_000_000


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
    too_large = abs(value) > sys.float_info.max or not math.isfinite(value)
    if too_large or (isinstance(value, int) and int(float(value)) != value):
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


def texts(row: Row, data: dict) -> str | None:
    """All texts of a row of features, by which rows are called equal; None where all are empty."""
    found = [row[column] for column in data["text"]]
    return json.dumps(found) if any(found) else None


def read_prepared(path: Path) -> tuple[list[Row], list[str], list[str]]:
    """Rows, labels and ids of a file that `prepare` wrote."""
    try:
        with open(path, encoding="utf-8") as file:
            items = [json.loads(line) for line in file]
        return [i["row"] for i in items], [i["label"] for i in items], [i["id"] for i in items]
    except (KeyError, TypeError, ValueError):
        mend = "run `. .venv/bin/activate; dvc repro --force --single-item prepare`"
        raise Refused(f"{path} is damaged; {mend}") from None


def count_trained(path: Path, held_out: list[Row], data: dict) -> tuple[int, list[bool]]:
    """How many rows `path` has, and of each held-out row whether its texts are a row's there."""
    keys = [texts(row, data) for row in held_out]
    count, trained = 0, set()
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                count += 1
                trained.add(texts(json.loads(line)["row"], data))
    except (KeyError, TypeError, ValueError):
        raise Refused(f"{path} is damaged; run `dvc repro --force prepare`") from None
    return count, [key is not None and key in trained for key in keys]


def json_lines(items: list) -> bytes:
    """`items`, one a line, as strict JSON in UTF-8."""
    lines = [json.dumps(item, ensure_ascii=False, allow_nan=False) + "\n" for item in items]
    return "".join(lines).encode()
