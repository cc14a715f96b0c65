"""Files of rows that must be refused, and files that must give exactly the right rows.

All are made from ROWS, most by changing row 3.
"""

import csv as csv_module
import gzip
import io
import json
import zipfile

ROWS = [
    {
        "id": f"r{number}",
        "part": "test" if number > 6 else "train",
        "label": number % 2 == 0,
        "title": f"pizza please, number {number}",
        "age": number,
        "device": "web" if number % 3 else "phone",
        "moment": 1_300_000_000 + 50_000 * number,
    }
    for number in range(1, 9)
]
COLUMNS = [*ROWS[0]]


def with_value(column, value):
    """The rows, with `value` in a column of row 3; without the column where it is `...`."""
    rows = [dict(row) for row in ROWS]
    rows[2][column] = value
    if value is ...:
        del rows[2][column]
    return rows


def with_all(column, values):
    return [{**row, column: value} for row, value in zip(ROWS, values, strict=True)]


def lines(rows=ROWS, third=None, end="\n"):
    """The rows as JSON Lines, with the text `third` in place of row 3."""
    written = [json.dumps(row) for row in rows]
    if third is not None:
        written[2] = third
    return "".join(line + end for line in written).encode("utf-8", "surrogatepass")


def third(old, new):
    """The rows as JSON Lines, the text `old` of row 3 replaced."""
    line = json.dumps(ROWS[2])
    assert line.count(old) == 1
    return lines(third=line.replace(old, new))


def plain(value):
    return json.dumps(value) if isinstance(value, bool) else "" if value is None else str(value)


def csv(rows=ROWS, end="\n", header=COLUMNS):
    text = io.StringIO(newline="")
    writer = csv_module.writer(text, lineterminator=end)
    writer.writerow(header)
    writer.writerows([plain(row[name]) for name in COLUMNS] for row in rows)
    return text.getvalue().encode()


def tsv(rows=ROWS, end="\n"):
    written = [COLUMNS, *([plain(row[name]) for name in COLUMNS] for row in rows)]
    return "".join("\t".join(fields) + end for fields in written).encode()


def csv_line(line):
    """The rows as CSV, with the text `line` in place of row 3."""
    written = csv().decode().split("\n")
    written[3] = line
    return "\n".join(written).encode()


def zipped():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("../rows.csv", csv())
    return buffer.getvalue()


BOM = b"\xef\xbb\xbf"
DEEP = "[" * 500 + "]" * 500
PARQUET = b"PAR1\x15\x04\x15\x10" + bytes(30) + b"\x8a\x00\x00\x00PAR1"
MOMENT = str(ROWS[2]["moment"])
HEADER = csv().partition(b"\n")[0] + b"\n"
SUFFIX = "not what its suffix says"
# Name: the file's name, its bytes, and what the message must say beside the file's path.
REFUSED = {
    # The file is not what its suffix says.
    "gzip called .jsonl": ("rows.jsonl", gzip.compress(lines()), f"is gzip, {SUFFIX}; unpack"),
    "gzip called .csv": ("rows.csv", gzip.compress(csv()), f"is gzip, {SUFFIX}; unpack"),
    "gzip bomb": ("rows.csv", gzip.compress(bytes(10**7)), f"is gzip, {SUFFIX}; unpack"),
    "zip with a parent path": ("rows.csv", zipped(), f"is zip, {SUFFIX}; unpack it with `unzip`"),
    "Parquet called .csv": ("rows.csv", PARQUET, f"is Parquet, {SUFFIX}"),
    "gzip called .csv.gz": ("rows.csv.gz", gzip.compress(csv()), "(gzip) has a suffix that"),
    "no suffix": ("rows", csv(), "has a suffix that is none of .jsonl, .ndjson, .json, .csv"),
    "pickle": ("rows.pkl", b"\x80\x04N.", "has a suffix that is none of .jsonl"),
    "UTF-16 with its mark": ("rows.csv", csv().decode().encode("utf-16"), "is UTF-16"),
    "UTF-16 without": ("rows.csv", csv().decode().encode("utf-16-le"), "is UTF-16, not what"),
    "UTF-32": ("rows.csv", csv().decode().encode("utf-32"), "is UTF-16 or UTF-32"),
    "JSON Lines called .csv": ("rows.csv", lines(), f"is JSON, {SUFFIX}; rename it to"),
    "JSON called .csv": ("rows.csv", json.dumps(ROWS, indent=1).encode(), f"is JSON, {SUFFIX}"),
    "JSON called .tsv": ("rows.tsv", json.dumps(ROWS).encode(), f"is JSON, {SUFFIX}"),
    "CSV called .jsonl": ("rows.jsonl", csv(), "row 1: not valid JSON at 'id,part,label"),
    "CSV called .json": ("rows.json", csv(), "is not a list of rows; write [{…}, {…}]"),
    "JSON Lines called .json": ("rows.json", lines(), "is not a list of rows", ".jsonl"),
    "list called .jsonl": (
        "rows.jsonl",
        json.dumps(ROWS).encode(),
        "row 1: ",
        "is not a row; write",
    ),
    "TSV called .csv": (
        "rows.csv",
        tsv(),
        "header 'id\\tpart\\tlabel\\ttitle\\tage\\tdevice",
        "is one",
    ),
    "CSV called .tsv": (
        "rows.tsv",
        csv(),
        "device,moment' is one column; separate",
    ),
    "semicolons": (
        "rows.csv",
        csv().replace(b",", b";"),
        "device;moment' is one column; ",
    ),
    "a page to log in": (
        "rows.csv",
        b"<!doctype html>\n<p>Log in</p>\n",
        "is a web page, not what",
    ),
    "XML called .jsonl": ("rows.jsonl", b"<rows/>\n", "row 1: not valid JSON at '<rows/>'"),
    # Nothing, or too little.
    "empty JSON Lines": ("rows.jsonl", b"", "is empty; it must hold rows"),
    "empty CSV": ("rows.csv", b"", "is empty; it must hold rows"),
    "empty JSON": ("rows.json", b"", "is empty; it must hold rows"),
    "a byte order mark alone": ("rows.csv", BOM, "is empty; it must hold rows"),
    "white space alone": ("rows.csv", b" \r\n\n", "is empty; it must hold rows"),
    "header only": ("rows.csv", HEADER, "has no rows; add some"),
    "empty list": ("rows.json", b"[ ]", "has no rows; add some"),
    "one class only": (
        "rows.jsonl",
        lines([{**row, "label": True} for row in ROWS]),
        "the rows lack the label 'false' (8 rows); add rows with it",
    ),
    "one row": ("rows.jsonl", lines(ROWS[:1]), "lack the label 'true' (1 rows)"),
    # Cut short.
    "JSON Lines cut in a row": ("rows.jsonl", lines()[:-9], "row 8: not valid JSON at"),
    "JSON Lines cut in a key": ("rows.jsonl", lines()[:-35], "row 8: not valid JSON at"),
    "JSON cut between rows": (
        "rows.json",
        json.dumps(ROWS).encode()[:-1],
        "row 8: not valid JSON at its end, so it may be cut short",
    ),
    "JSON cut in a row": ("rows.json", json.dumps(ROWS).encode()[:-30], "row 8: not valid JSON"),
    "CSV cut in a row": (
        "rows.csv",
        csv()[:-16],
        "row 8 (line 9): 5 fields where the header has 7",
    ),
    "CSV cut in a quote": ("rows.csv", csv()[:-37], "row 8 (line 9): unexpected end of data"),
    "CSV cut to a valid number": ("rows.csv", csv()[:-8], "row 8", "column 'moment' is '130'"),
    # Characters.
    "Latin-1": ("rows.csv", csv_line("é").decode().encode("latin-1"), "line 4: byte 0xe9 is not"),
    "not UTF-8 in JSON": (
        "rows.jsonl",
        third("pizza", "é").replace("é".encode(), b"\xc3"),
        "line 3",
    ),
    "mixed encodings": (
        "rows.csv",
        csv(with_value("title", "naïve")) + "r9,train,true,naïve,,,\n".encode("cp1252"),
        "line 10: byte 0xef is not UTF-8; save the file as UTF-8",
    ),
    "NUL in CSV": ("rows.csv", csv(with_value("title", "a\0b")), "line 4: there is a NUL"),
    "NUL in JSON Lines": ("rows.jsonl", third("pizza", "pi\0za"), "line 3: there is a NUL"),
    "escaped NUL in JSON": (
        "rows.jsonl",
        lines(with_value("title", "a\0b")),
        "row 3, column 'title' holds a NUL character ('a\\x00b'); remove it",
    ),
    "lone surrogate in a text": (
        "rows.jsonl",
        lines(with_value("title", "a\ud800b")),
        "row 3, column 'title' holds half a surrogate pair ('a\\ud800b'); remove it",
    ),
    "lone surrogate in an id": ("rows.jsonl", lines(with_value("id", "\udfff")), "column 'id'"),
    "lone surrogate in a label": ("rows.jsonl", lines(with_value("label", "\ud800")), "row 3, col"),
    "surrogate encoded in UTF-8": (
        "rows.csv",
        csv_line("\x00").replace(b"\0", b"\xed\xa0\x80"),
        "line 4: byte 0xed is not UTF-8",
    ),
    "CR-only line ends": (
        "rows.csv",
        csv(end="\r"),
        "its lines end in CR alone; save it with LF",
    ),
    "CR-only JSON Lines": ("rows.jsonl", lines(end="\r"), "row 1", "more than one value"),
    "CR inside a field": (
        "rows.csv",
        csv_line("r3,train,false,a\rb,3,web,"),
        "row 3 (line 4): 4",
    ),
    # JSON.
    "row that is no JSON": ("rows.jsonl", lines(third="{'id': 'r3'}"), "row 3: not valid JSON at"),
    "empty line": ("rows.jsonl", lines(third=""), "row 3 is an empty line; remove it"),
    "empty last line": ("rows.jsonl", lines() + b"\n", "row 9 is an empty line; remove it"),
    "three empty lines": (
        "rows.jsonl",
        lines(third="") + b" \n\n",
        "row 3 is an empty line; remove it, and the 2 other empty lines below",
    ),
    "null for a row": (
        "rows.jsonl",
        lines(third="null"),
        "row 3: null is not a row; write an object",
    ),
    "list for a row": ("rows.jsonl", lines(third='["r3"]'), 'row 3: ["r3"] is not a row; write an'),
    "two rows on a line": ("rows.jsonl", lines(third="{} {}"), "row 3", "more than one value"),
    "comma after a row": ("rows.jsonl", lines(third="{},"), "row 3: not valid JSON at ','"),
    "tab inside a text": (
        "rows.jsonl",
        third("pizza", "pi\tza"),
        "row 3: not valid JSON at '\\tza",
    ),
    "pretty-printed": ("rows.jsonl", json.dumps(ROWS[0], indent=1).encode(), "row 1: not valid"),
    "concatenated with a mark": ("rows.jsonl", lines() + BOM + lines(), "row 9: not"),
    "NaN": ("rows.jsonl", lines(with_value("age", float("nan"))), "row 3: not valid JSON (NaN is"),
    "NaN in a list of rows": (
        "rows.json",
        json.dumps(with_value("age", float("nan"))).encode(),
        "row 3: not valid JSON (NaN is no JSON number, write null for a missing one)",
    ),
    "NaN in an unused column": ("rows.jsonl", lines(with_value("x", float("nan"))), "row 3: not"),
    "Infinity": ("rows.jsonl", lines(with_value("age", float("inf"))), "row 3", "(Infinity is no"),
    "minus Infinity": ("rows.jsonl", lines(with_value("age", -float("inf"))), "(-Infinity is no"),
    "number too large": ("rows.jsonl", third('"age": 3', '"age": 1e999'), "column 'age' is Inf"),
    "integer too large": (
        "rows.jsonl",
        lines(with_value("age", 10**400)),
        "row 3, column 'age' is",
    ),
    "category too large": (
        "rows.jsonl",
        third('"phone"', "1e999"),
        "row 3, column 'device' is Inf",
    ),
    "5000-digit integer": (
        "rows.jsonl",
        third('"age": 3', '"age": ' + "9" * 5000),
        "row 3: not valid JSON (Exceeds the limit",
    ),
    "duplicate key": ("rows.jsonl", third("{", '{"age": 1, '), "row 3", "key 'age' stands twice"),
    "duplicate key in a list": (
        "rows.json",
        b"[" + third("{", '{"age": 1, ').strip().replace(b"\n", b",") + b"]",
        "row 3: not valid JSON (the key 'age' stands twice); fix it",
    ),
    "100k nesting": ("rows.jsonl", lines(third="[" * 10**5), "row 3: not valid JSON (nested too"),
    "100k nesting in a list": ("rows.json", b"[" * 10**5, "row 1: not valid JSON (nested too deep"),
    "text after the list": ("rows.json", json.dumps(ROWS).encode() + b" []", "more than one value"),
    "comma before the end": ("rows.json", json.dumps(ROWS).encode()[:-1] + b",]", "row 9: not"),
    # Tables.
    "too few fields": (
        "rows.csv",
        csv_line("r3,train,false,pizza"),
        "row 3 (line 4): 4 fields where the header has 7 ('r3,train,false,pizza'); add or quote",
    ),
    "too many fields": ("rows.csv", csv_line("r3,train,false,a,3,web,,"), "row 3 (line 4): 8 f"),
    "extra field on every row": (
        "rows.csv",
        HEADER + csv().partition(b"\n")[2].replace(b"\n", b",x\n"),
        "row 1 (line 2): 8 fields where the header has 7",
    ),
    "comma not quoted": ("rows.csv", csv_line("r3,train,false,a, b,3,web,"), "row 3 (line 4): 8"),
    "tab in a TSV text": (
        "rows.tsv",
        tsv(with_value("title", "a\tb")),
        "row 3 (line 4): 8 fields where the header has 7",
    ),
    "empty line in a table": ("rows.csv", csv_line(""), "row 3 (line 4) is an empty line; remov"),
    "empty lines at the end": (
        "rows.csv",
        csv() + b"\n\n",
        "row 9 (line 10) is an empty line; remove it, and the one below",
    ),
    "empty lines of all kinds": (
        "rows.csv",
        csv_line("") + b" \n,,\n,,,,,,\nr9\n\n",
        "row 3 (line 4) is an empty line; remove it, and the 4 other empty lines below",
    ),
    "commas alone, fewer than columns": (
        "rows.csv",
        csv_line(",,"),
        "row 3 (line 4) is nothing but separators (',,'); remove it",
    ),
    "commas alone": (
        "rows.csv",
        csv() + b",,,,,,\n",
        "row 9 (line 10) has nothing in any column; remove it",
    ),
    "commas alone, many times": (
        "rows.csv",
        csv() + b",,,,,,\n" * 30,
        "row 9 (line 10) has nothing in any column; remove it (29 other bad rows follow)",
    ),
    "tabs alone": (
        "rows.tsv",
        tsv() + b"\t\t\n",
        "is nothing but separators ('\\t\\t'); remove it",
    ),
    "nulls alone": (
        "rows.jsonl",
        lines(third=json.dumps(dict.fromkeys(COLUMNS))),
        "row 3 has nothing in any column; remove it",
    ),
    "quote that never ends": ("rows.csv", csv_line('r3,train,false,"a,3,web,'), "row 3 (line"),
    "text after a quote": ("rows.csv", csv_line('r3,train,false,"a"b,3,web,'), "row 3 (line 4)"),
    "backslash before a quote": ("rows.csv", csv_line('r3,train,false,"a\\"b",3,web,'), "row 3"),
    "duplicate header": (
        "rows.csv",
        csv(header=[*COLUMNS[:-1], "title"]),
        "the column 'title' stands twice in the header; rename one",
    ),
    "two tables in a file": ("rows.csv", csv() + csv(), "row 9 (line 10), column 'label' is"),
    "two byte order marks": (
        "rows.csv",
        BOM * 2 + csv(),
        "among '\\ufeffid', 'part'",
    ),
    "spaces in the header": ("rows.csv", csv(header=[f" {c}" for c in COLUMNS]), "among ' id', "),
    # Columns and values.
    "missing id column": ("rows.jsonl", lines(with_value("id", ...)), "row 3: there is no column"),
    "missing label column": ("rows.jsonl", lines(with_value("label", ...)), "row 3: there is no"),
    "missing text column": (
        "rows.jsonl",
        lines(with_value("title", ...)),
        "row 3: there is no column 'title' among 'id', 'part', 'label', 'age'",
        "; add it, or fix params.yaml",
    ),
    "missing number column": (
        "rows.csv",
        csv(header=[*COLUMNS[:4], "Age", *COLUMNS[5:]]),
        "row 1 (line 2): there is no column 'age' among 'id', 'part', 'label', 'title', 'Age'",
    ),
    "missing split column": ("rows.jsonl", lines(with_value("part", ...)), "no column 'part'"),
    "missing label": ("rows.jsonl", lines(with_value("label", None)), "'label': the label is miss"),
    "empty label": (
        "rows.csv",
        csv(with_value("label", "")),
        "row 3 (line 4), column 'label': t",
    ),
    "unknown label": (
        "rows.jsonl",
        lines(with_value("label", "maybe")),
        "row 3, column 'label' is 'maybe', not in data.labels ('false', 'true'); add it there, or",
    ),
    "label drift: True": ("rows.csv", csv(with_value("label", "True")), "is 'True', not in data"),
    "label drift: 1": ("rows.jsonl", lines(with_value("label", 1)), "is 1, not in data.labels"),
    "label drift: 1.0": ("rows.jsonl", lines(with_value("label", 1.0)), "is 1.0, not in data.lab"),
    "label drift: space": ("rows.csv", csv(with_value("label", "true ")), "is 'true ', not in"),
    "label in a list": ("rows.jsonl", lines(with_value("label", [True])), "is [true], not in data"),
    "duplicate id": (
        "rows.jsonl",
        lines(with_value("id", "r1")),
        "row 3, column 'id': 'r1' is also the id of ",
        "row 1; keep one",
    ),
    "rows duplicated": ("rows.csv", csv(ROWS * 2), "row 9 (line 10), column 'id': 'r1' is also"),
    "id as number and text": (
        "rows.jsonl",
        lines(with_all("id", [7, 2, "7", 4, 5, 6, 8, 9])),
        "row 3, column 'id': '7' is also the id of",
    ),
    "id composed and not": (
        "rows.jsonl",
        lines(with_all("id", ["é", *"bcdefg", "e\u0301"])),
        "row 8, column 'id': 'é' is also the id of",
    ),
    "missing id": (
        "rows.jsonl",
        lines(with_value("id", None)),
        "row 3, column 'id' is missing; giv",
    ),
    "empty id": ("rows.csv", csv(with_value("id", "")), "row 3 (line 4), column 'id' is missing"),
    "id 1e5": ("rows.jsonl", third('"r3"', "1e5"), "row 3, column 'id' is 100000.0; give it a"),
    "id true": ("rows.jsonl", lines(with_value("id", True)), "row 3, column 'id' is true; give it"),
    "number where text belongs": (
        "rows.jsonl",
        lines(with_value("title", 5)),
        "row 3, column 'title' is 5 where text belongs; write it in quotes",
    ),
    "object where text belongs": (
        "rows.jsonl",
        lines(with_value("title", {"a": 1})),
        'is {"a": 1}',
    ),
    "list of other things": (
        "rows.jsonl",
        lines(with_value("title", ["a", None])),
        'is ["a", null]',
    ),
    "text where a number belongs": (
        "rows.csv",
        csv(with_value("age", "abc")),
        "row 3 (line 4), column 'age' is 'abc' where a number belongs; write it like 1234.5",
    ),
    **{
        f"no number: {ascii(value)}": (
            "rows.jsonl",
            lines(with_value("age", value)),
            f"row 3, column 'age' is {value!r}",
            "; write it like 1234.5, a missing one as null or",
        )
        for value in ("NA", "nan", "inf", " 5", "5 ", "1,234", "1_000", "0x10", "\u0663", "+", [])
    },
    "long value shortened": (
        "rows.jsonl",
        lines(with_value("age", "x" * 10**6)),
        f"is '{'x' * 60}…' where a number belongs",
    ),
    "lines in a value": (
        "rows.jsonl",
        lines(with_value("age", "a\nb\u2028c")),
        "is 'a\\nb\\u2028c'",
    ),
    "colours in a value": ("rows.jsonl", lines(with_value("age", "\x1b[31m")), "is '\\x1b[31m'"),
    "right to left in a value": ("rows.jsonl", lines(with_value("age", "\u202e5")), "'\\u202e5'"),
    "object as a category": (
        "rows.jsonl",
        lines(with_value("device", {})),
        "column 'device' is {}",
    ),
    "unknown part": (
        "rows.jsonl",
        lines(with_value("part", "Train")),
        "row 3, column 'part' is 'Train'; the split column says 'train' or 'test'",
    ),
    "one class in the test part": (
        "rows.jsonl",
        lines(with_all("part", ["train"] * 7 + ["test"])),
        "the test rows lack the label 'false' (1 rows); hold out other rows",
    ),
    "one class in the training part": (
        "rows.jsonl",
        lines(with_all("part", ["train"] + ["test"] * 7)),
        "the train rows lack the label 'true' (1 rows); hold out other rows",
    ),
    # Moments.
    **{
        f"no moment: {json.dumps(value)}": (
            "rows.jsonl",
            lines(with_value("moment", value)),
            f"row 3, column 'moment' is {json.dumps(value).replace(chr(34), chr(39))}, {why}",
        )
        for value, why in (
            ("12/31/2011", "which is not a moment; write it like 2011-12-31T23:59:00+00:00"),
            ("2011-13-01", "which is not a moment"),
            ("2011-02-29", "which is not a moment"),
            ("yesterday", "which is not a moment"),
            ("1323000000000", "outside 1900 to 2200"),
            (1_323_000_000_000, "outside 1900 to 2200"),
            ("0001-01-01", "outside 1900 to 2200"),
            ("2011", "too few to be seconds since 1970"),
            ("20111231", "too few to be seconds since 1970"),
            (40908, "too few to be seconds since 1970"),
            (0, "too few to be seconds since 1970"),
        )
    },
    "moment true": ("rows.jsonl", lines(with_value("moment", True)), "column 'moment' is true"),
}


# Texts that other readers take for nothing, for a number, for a comment or for a formula.
TEXTS = {
    "nothing": ["NA", "null", "None", "nan", "n/a", "", "-", "NULL"],
    "something else": ["true", "=cmd|'/c calc'!A1", "007", "#", " a ", "\\N", "1e5", "\\"],
    "odd spaces": [f"a{space}b" for space in "\u2028\u2029\x85\v\f\x1c\x1d\x1e"],
}
MOMENTS = {
    "1325375940": 1325375940.0,
    1325375940.5: 1325375940.5,
    "2011-12-31": 1325289600.0,
    "2011-12-31 23:59:00": 1325375940.0,
    "2011-12-31T23:59:00Z": 1325375940.0,
    "2011-12-31T23:59:00+00:00": 1325375940.0,
    "2012-01-01T01:59:00+02:00": 1325375940.0,
    "1955-11-05": -446774400.0,
}
IDS = ["007", "7", "1e5", "9" * 23, " r 3", "NA", "=1", "-0"]
NUMBERS = ["007", "-1.5", "+3", ".5", "5.", "1E-3", "9" * 40, "1e-999"]
LONG = "pizza " * 1_700_000


def prepared(column="id", value="r3"):
    """What `prepare` must write of the rows, with `value` in a column of row 3."""
    return [expected(row) for row in with_value(column, value)]


def expected(row):
    kinds = {"age": number, "moment": number, "label": plain}
    return {name: kinds.get(name, lambda same: same)(value) for name, value in row.items()}


def number(value):
    return float(value) if isinstance(value, int) else value


def prepared_all(column, values):
    return [expected(row) for row in with_all(column, values)]


# Name: the file's name, its bytes, what `prepare` must write, and changed parameters, if any.
ACCEPTED = {
    **{
        f"texts of {name} in {kind.__name__}": (
            f"rows.{kind.__name__}",
            kind(with_all("title", texts)),
            prepared_all("title", texts),
        )
        for name, texts in TEXTS.items()
        for kind in (csv, tsv)
    },
    "raw U+2028 and U+0085 in JSON Lines": (
        "rows.jsonl",
        third("pizza please, number 3", "a\u2028b\x85c"),
        prepared("title", "a\u2028b\x85c"),
    ),
    "all texts are digits": (
        "rows.csv",
        csv(with_all("title", ["0101", *"2345678"])),
        prepared_all("title", ["0101", *"2345678"]),
    ),
    "10 MB line": ("rows.jsonl", lines(with_value("title", LONG)), prepared("title", LONG)),
    "10 MB word in CSV": (
        "rows.csv",
        csv(with_value("title", "x" * 10**7)),
        prepared("title", "x" * 10**7),
    ),
    "NFD made NFC": (
        "rows.jsonl",
        lines(with_value("title", "cafe\u0301")),
        prepared("title", "caf\xe9"),
    ),
    "zero width and Turkish": (
        "rows.csv",
        csv(with_value("title", "vi\u200bagra İstanbul")),
        prepared("title", "vi\u200bagra İstanbul"),
    ),
    "pair of surrogates": (
        "rows.jsonl",
        lines(with_value("title", "🍕")),
        prepared("title", "🍕"),
    ),
    "missing text": ("rows.jsonl", lines(with_value("title", None)), prepared("title", "")),
    "list of texts": (
        "rows.jsonl",
        lines(with_value("title", ["a", "b"])),
        prepared("title", "a b"),
    ),
    "empty list of texts": ("rows.jsonl", lines(with_value("title", [])), prepared("title", "")),
    # Ids.
    "ids that look like numbers": (
        "rows.csv",
        csv(with_all("id", IDS)),
        prepared_all("id", IDS),
    ),
    "23-digit id in JSON": (
        "rows.jsonl",
        lines(with_value("id", int("9" * 23))),
        prepared("id", "9" * 23),
    ),
    # Quotes and line ends.
    "quotes in TSV": ("rows.tsv", tsv(with_value("title", '"a" 5"')), prepared("title", '"a" 5"')),
    "quote that opens a TSV text": (
        "rows.tsv",
        tsv(with_value("title", '"a')),
        prepared("title", '"a'),
    ),
    "quotes in CSV": (
        "rows.csv",
        csv(with_value("title", 'a,"b"\n')),
        prepared("title", 'a,"b"\n'),
    ),
    "quote in a bare CSV field": (
        "rows.csv",
        csv_line('r3,train,false,5" a,3,phone,1300150000'),
        prepared("title", '5" a'),
    ),
    "CRLF in a CSV text": (
        "rows.csv",
        csv(with_value("title", "a\r\nb")),
        prepared("title", "a\r\nb"),
    ),
    "CRLF": ("rows.csv", csv(end="\r\n"), prepared()),
    "CRLF in TSV": ("rows.tsv", tsv(end="\r\n"), prepared()),
    "CRLF in JSON Lines": ("rows.jsonl", lines(end="\r\n"), prepared()),
    "CRLF and LF": ("rows.csv", csv(end="\r\n").replace(b"\r\n", b"\n", 4), prepared()),
    "no last line end": ("rows.jsonl", lines()[:-1], prepared()),
    "byte order mark": ("rows.csv", BOM + csv(), prepared()),
    "byte order mark in TSV": ("rows.tsv", BOM + tsv(), prepared()),
    "byte order mark in JSON Lines": ("rows.jsonl", BOM + lines(), prepared()),
    "byte order mark in JSON": ("rows.json", BOM + json.dumps(ROWS).encode(), prepared()),
    # Names and forms.
    "other suffix": ("rows.ndjson", lines(), prepared()),
    "upper-case suffix": ("ROWS.CSV", csv(), prepared()),
    "odd file name": ("a 'b' ü 日本.csv", csv(), prepared()),
    "indented list": ("rows.json", json.dumps(ROWS, indent=2).encode() + b"\n", prepared()),
    "header that begins like Parquet": (
        "rows.csv",
        csv(header=["PAR1", *COLUMNS[1:]]),
        prepared(),
        {"data.id": "PAR1"},
    ),
    "columns in another order": (
        "rows.jsonl",
        lines([dict(reversed(row.items())) for row in ROWS]),
        prepared(),
    ),
    "unused column of any kind": ("rows.jsonl", lines(with_value("x", [{"a": []}])), prepared()),
    "unused half of a surrogate pair": ("rows.jsonl", lines(with_value("x", "\ud800")), prepared()),
    "unused deep value": ("rows.jsonl", third("{", '{"x": ' + DEEP + ", "), prepared()),
    "no text columns": (
        "rows.jsonl",
        lines(),
        [{name: row[name] for name in row if name != "title"} for row in prepared()],
        {"data.text": []},
    ),
    # Numbers and categories.
    "missing number": ("rows.jsonl", lines(with_value("age", None)), prepared("age", None)),
    "missing number in CSV": ("rows.csv", csv(with_value("age", "")), prepared("age", None)),
    "numbers": (
        "rows.csv",
        csv(with_all("age", NUMBERS)),
        prepared_all("age", list(map(float, NUMBERS))),
    ),
    "number in quotes": ("rows.jsonl", lines(with_value("age", "5")), prepared("age", 5.0)),
    "true as a number": ("rows.jsonl", lines(with_value("age", True)), prepared("age", 1.0)),
    "categories": (
        "rows.jsonl",
        lines(with_all("device", [3, 4.0, 0.5, True, None, "3", "a", 10**20])),
        prepared_all("device", ["3", "4", "0.5", "true", "", "3", "a", "1" + "0" * 20]),
    ),
    "category 007 in CSV": (
        "rows.csv",
        csv(with_value("device", "007")),
        prepared("device", "007"),
    ),
    # Moments.
    "moments": (
        "rows.jsonl",
        lines(with_all("moment", [*MOMENTS])),
        prepared_all("moment", [*MOMENTS.values()]),
    ),
    "missing moment": ("rows.jsonl", lines(with_value("moment", None)), prepared("moment", None)),
    "missing moment in CSV": ("rows.csv", csv(with_value("moment", "")), prepared("moment", None)),
    # Labels.
    "label as text": ("rows.jsonl", lines(with_value("label", "false")), prepared()),
    **{
        f"labels {labels} in {kind.__name__}": (
            "rows.jsonl" if kind is lines else "rows.csv",
            kind(with_all("label", labels * 4)),
            prepared_all("label", list(map(str, composed * 4))),
            {"data.labels": composed},
        )
        for labels, composed in (
            ([0, 1], [0, 1]),
            (["no", "yes"], ["no", "yes"]),
            (["e\u0301", "a b"], ["é", "a b"]),
        )
        for kind in (lines, csv)
    },
    # Other splits; the parts are the same because the values are chosen so.
    "split by time": (
        "rows.jsonl",
        lines(),
        prepared(),
        {"split.by": "time", "split.column": "moment", "split.test": "2011-03-17T08:20:00+00:00"},
    ),
    "split by seconds": (
        "rows.jsonl",
        lines(),
        prepared(),
        {"split.by": "time", "split.column": "moment", "split.test": 1_300_000_000 + 50_000 * 7},
    ),
}
