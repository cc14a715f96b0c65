"""Values of a row: each of the kind that params.yaml says, or refused.

What is made equal, and no more: text is Unicode-normalized (NFC), a missing text or category is the
empty one, a list of texts is joined by spaces, a missing number stays missing, and a moment (epoch
seconds, or ISO 8601, UTC where it names no zone) is seconds.
"""

import contextlib
import difflib
import json
import math
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from .params import composed, feature_columns, label_name
from .problems import Refused, looks, shown, visible

Row = dict[str, object]
PREPARE_AGAIN = "run `. .venv/bin/activate; dvc repro --force --single-item prepare`"
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
# The years 1900 to 2200; milliseconds, a common mistake, lie far outside.
EARLIEST, LATEST = -2208988800, 7258118400
# A scaler squares numbers and adds them up, and a sum of these squares is still a 64-bit number.
LARGEST = 1e100
# Fewer seconds from 1970 than this are more likely a year, 20111231 or a count of days.
DOUBTFUL = 100_000_000


def field(row: Row, column: str, place: str) -> object:
    """A row's value of `column`, which must be there; what is missing is null or empty."""
    if column not in row:
        among = ", ".join(map(shown, row)) or "nothing"
        have = among if len(among) <= 200 else among[:200] + "…"
        told = f"{place}: there is no column {visible(column)} among {have}"
        raise Refused(f"{told}; {advice(column, [*row])}")
    return row[column]


def advice(column: str, names: list[str]) -> str:
    """What to do where `column` is not one of the `names` of a row."""
    write = "write its name so in params.yaml, or rename it in the file"
    alike = [name for name in names if looks(name) == looks(column) != ""]
    if alike:
        return f"it is there as {visible(alike[0])}: {write}"
    if any(map(is_value, names)):
        return "if the file's first line is a row, add a line of names above it"
    if re.search("[\t;|]", "".join(names)):
        return "columns are separated by a comma in .csv and by a tab in .tsv: save it so"
    if "" in names:
        return "a column has no name: write one for it into the file's first line"
    if near := difflib.get_close_matches(column, names, n=1):
        return f"did you mean {visible(near[0])}? Then {write}"
    return "add it, or fix params.yaml"


def is_value(name: str) -> bool:
    """Whether what should be a column's name is rather a number, a moment or a sentence."""
    try:
        return bool(NUMBER.fullmatch(name) or len(name.split()) > 4 or datetime.fromisoformat(name))
    except ValueError:
        return name.lower() in ("true", "false")


def check_header(row: Row, place: str, data: dict) -> None:
    """Refuse a table without a header whose columns params.yaml calls by the values of a row.

    That row would be lost without a word. `row` is the first one after it.
    """
    counted = [*row] == [str(number) for number in range(len(row))]
    pattern = re.sub(r"\d+", "0", data["id"])
    like_an_id = "0" in pattern and pattern == re.sub(r"\d+", "0", str(row.get(data["id"])))
    values = like_an_id or any(map(is_value, feature_columns(data)))
    if data["label"] in data["labels"] and values and not counted:
        told = f"{place}: the line above looks like a row too, and data.label is"
        raise Refused(f"{told} {shown(data['label'])}; write a line of names above all rows")


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
    return composed(value)


def as_category(value: object, where: str) -> str:
    """A text; of a JSON number its digits, 3 and 3.0 being the same one."""
    if isinstance(value, float):
        number = finite(value, where)
        value = int(number) if number.is_integer() else number
    return json.dumps(value) if isinstance(value, bool | int | float) else as_text(value, where)


def as_number(value: object, where: str) -> float | None:
    """A number, or None for null and for an empty field of a CSV file."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and NUMBER.fullmatch(value):
        value = float(value)
    if not isinstance(value, bool | int | float):
        fix = "write it like 1234.5, a missing one as null or empty"
        raise Refused(f"{where} is {shown(value)} where a number belongs; {fix}")
    number = finite(value, where)
    if abs(number) > LARGEST:
        fix = "use a larger unit, and write a missing one as null or empty"
        raise Refused(f"{where} is {shown(value)}, too large to compute with (over 1e100); {fix}")
    return number


def finite(value: bool | int | float, where: str) -> float:
    """`value` as a 64-bit number, where there is one."""
    too_large = abs(value) > sys.float_info.max or not math.isfinite(value)
    if too_large or (isinstance(value, int) and int(float(value)) != value):
        raise Refused(f"{where} is {shown(value)}, which no 64-bit number holds; fix it")
    return float(value)


def as_moment(value: object, where: str) -> float | None:
    """Seconds since 1970 (UTC), from a number of them or ISO 8601."""
    example = "write it like 2011-12-31T23:59:00+00:00"
    if isinstance(value, str) and value and not NUMBER.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            told = f"{where} is {shown(value)}, which is not a moment"
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
    # A fraction is as its text, so that one can be listed: '0.5', in quotes.
    label = json.dumps(value) if isinstance(value, float) else label_name(value)
    if label not in labels:
        known = ", ".join(map(shown, labels))
        told = f"{where} is {shown(value)}, not in data.labels ({known})"
        for one in labels:
            if label and (looks(one) == looks(label) or equal(one, label)):
                fix = f"write {visible(label)} there, in quotes, instead of {shown(one)}"
                raise Refused(
                    f"{told}; {fix}, if no row has {shown(one)}, else make the rows alike"
                )
        raise Refused(f"{told}; add it there, or fix the row")
    return label


def equal(one: str, other: str) -> bool:
    """Whether two texts are the same number for YAML, as 010 and 10.0 are, or 1_000 and 0x3e8."""
    numbers = []
    for text in (one, other):
        for kind in (float, lambda text: int(text, 0)):
            with contextlib.suppress(ValueError):
                numbers.append(kind(text))
                break
    return len(numbers) == 2 and numbers[0] == numbers[1]


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


def unvarying(train: list[Row]) -> Iterator[str]:
    """What to tell of each column that is the same in all rows of `train`."""
    for column in train[0] if train else ():
        values = {row[column] for row in train}
        if len(values) == 1:
            (value,) = values
            state = f"is {shown(value)}" if value not in (None, "") else "is empty"
            told = f"column {shown(column)} {state} in every training row"
            yield f"{told}, so the model learns nothing from it; drop it from data in params.yaml"


def read_prepared(path: Path) -> tuple[list[Row], list[str], list[str]]:
    """Rows, labels and ids of a file that `prepare` wrote."""
    try:
        with open(path, encoding="utf-8") as file:
            items = [json.loads(line) for line in file]
        return [i["row"] for i in items], [i["label"] for i in items], [i["id"] for i in items]
    except (KeyError, TypeError, ValueError):
        raise Refused(f"{path} is damaged; {PREPARE_AGAIN}") from None


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
        raise Refused(f"{path} is damaged; {PREPARE_AGAIN}") from None
    return count, [key is not None and key in trained for key in keys]


def json_lines(items: list) -> bytes:
    """`items`, one a line, as strict JSON in UTF-8."""
    lines = [json.dumps(item, ensure_ascii=False, allow_nan=False) + "\n" for item in items]
    return "".join(lines).encode()
