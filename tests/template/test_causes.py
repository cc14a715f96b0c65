"""A refusal names the cause of a fault, and whoever does what it says is accepted.

Each case is a bad input, parts of the message, and the cure that the message names. All cases run
through the real stages, many in one process, in a folder of their own.
"""

import base64
import bz2
import csv as csv_module
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import tarfile
import unicodedata
import zipfile

import pytest
from bad_rows import ROWS, csv, lines, tsv, with_all, with_value
from test_bad_input import parameters, written

pytestmark = pytest.mark.slow

RUN = """
import base64, contextlib, io, json, os, runpy, sys
from pathlib import Path

class Kept(io.StringIO):
    def close(self):
        "What was printed is read later."

for line in open(sys.argv[1], encoding="utf-8"):
    stages, files = json.loads(line)
    for name, content in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(base64.b64decode(content))
    printed, told = Kept(), None
    for stage in stages:
        try:
            with contextlib.redirect_stdout(printed):
                runpy.run_module(f"altruism.{stage}", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            told = end.code
            break
    print(json.dumps([told, printed.getvalue()]))
"""
ALL = ("prepare", "featurize", "train", "evaluate")


@pytest.fixture(scope="module")
def outcomes(built, tmp_path_factory):
    """What each of many runs says: the refusal, or None, and what was printed.

    A run is stages, the raw file's name and content, and changed parameters or a whole params.yaml.
    """
    folder = tmp_path_factory.mktemp("causes")
    (folder / "dvc.yaml").write_bytes((built.root / "dvc.yaml").read_bytes())
    (folder / "requirements.lock").write_bytes((built.root / "requirements.lock").read_bytes())

    def run(runs):
        with open(folder / "runs", "w", encoding="utf-8") as file:
            for stages, name, content, given in runs:
                text = given
                if not isinstance(given, str):
                    text = written(parameters({"data.file": f"data/raw/{name}", **given}))
                files = {f"data/raw/{name}": content, "params.yaml": text.encode()}
                coded = {path: base64.b64encode(told).decode() for path, told in files.items()}
                file.write(json.dumps([stages, coded]) + "\n")
        done = built.run("python", "-c", RUN, folder / "runs", cwd=folder)
        said = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(said) == len(runs)
        return said

    return run


def check(outcomes, cases, stages=("prepare",)):
    """Each case: raw file's name and content, parameters, parts of the message, cured those three.

    A cure of None is one that this test cannot do, such as to write the rows with another program.
    """
    bad = [(stages, name, content, given) for name, content, given, *_ in cases.values()]
    cures = {case: cure for case, (*_, cure) in cases.items() if cure is not None}
    cured = [(stages, *cure) for cure in cures.values()]
    said = outcomes(bad + cured)
    wrong = []
    for (case, (_, _, _, wanted, _)), (told, _) in zip(cases.items(), said, strict=False):
        lacks = [part for part in wanted if part not in str(told)]
        if not told or lacks or not str(told).isprintable() or len(told) > 600 or "; " not in told:
            wrong.append((case, told, lacks))
    for case, (told, _) in zip(cures, said[len(cases) :], strict=True):
        if told:
            wrong.append((case, "after its cure", told))
    assert not wrong, "\n".join(map(str, wrong))


# -- columns that look alike


def renamed(old, new):
    """The rows as CSV, with another name for a column."""
    return csv().replace(old.encode(), new.encode(), 1)


ALIKE = {
    "another case": ("age", "Age", "is there as 'Age'"),
    "a blank after it": ("age", "age ", "is there as 'age '"),
    "a blank before it": ("age", " age", "is there as ' age'"),
    "no-break space": ("age", "age\xa0", r"is there as 'age\xa0'"),
    "zero width": ("age", "ag\u200be", r"is there as 'ag\u200be'"),
    "soft hyphen": ("age", "a\xadge", r"is there as 'a\xadge'"),
    "full width": ("age", "ａｇｅ", r"is there as 'ａｇｅ' ('\uff41\uff47\uff45')"),
    "second byte order mark": ("id", "\ufeff\ufeffid", r"is there as '\ufeffid'"),
    "Cyrillic": ("age", "\u0430ge", r"did you mean 'аge' ('\u0430ge')?"),
    "typing error": ("device", "devise", "did you mean 'devise'?"),
    "blank for a line": ("moment", "mo ment", "is there as 'mo ment'"),
    "ligature": ("title", "tit\ufb02e", r"did you mean 'titﬂe' ('tit\ufb02e')?"),
}
NAMED = {
    "id": "data.id",
    "age": "data.numeric",
    "device": "data.categorical",
    "moment": "data.timestamp",
    "title": "data.text",
}


def test_a_column_that_only_looks_alike(outcomes):
    cases = {}
    for case, (old, new, told) in ALIKE.items():
        name = new.removeprefix("\ufeff")
        listed = NAMED[old] in ("data.numeric", "data.categorical", "data.text")
        cure = {NAMED[old]: [name] if listed else name}
        content = renamed(old, new)
        parts = [f"there is no column '{old}' among", told, "write its name so in params.yaml"]
        cases[case] = ("rows.csv", content, {}, parts, ("rows.csv", content, cure))
    check(outcomes, cases)


COMPOSED, SPLIT = "größe é", unicodedata.normalize("NFD", "größe é")


@pytest.mark.parametrize(("in_file", "in_params"), [(COMPOSED, SPLIT), (SPLIT, COMPOSED)])
def test_unicode_forms_of_a_name_are_one_name(in_file, in_params, outcomes):
    """In each place of params.yaml that names a column, and each kind of file."""
    places = {
        "id": {"data.id": in_params},
        "label": {"data.label": in_params},
        "age": {"data.numeric": [in_params], "leaks.allow": [in_params]},
        "device": {"data.categorical": [in_params]},
        "moment": {"data.timestamp": in_params},
        "part": {"split.column": in_params},
        "title": {"data.text": [in_params], "features.text_by_column": {in_params: {}}},
    }
    runs = []
    for old, given in places.items():
        for name, content in (
            ("rows.csv", csv(header=[in_file if one == old else one for one in ROWS[0]])),
            ("rows.tsv", tsv().replace(old.encode(), in_file.encode(), 1)),
            (
                "rows.jsonl",
                lines([{in_file if k == old else k: row[k] for k in row} for row in ROWS]),
            ),
        ):
            runs.append((("prepare",), name, content, given))
    assert [told for told, _ in outcomes(runs)] == [None] * len(runs)


def test_unicode_forms_of_a_name_that_stand_twice(outcomes):
    header = [*ROWS[0], "é", "e\u0301"]
    table = io.StringIO(newline="")
    csv_module.writer(table).writerows([header, *([*row.values(), 1, 2] for row in ROWS)])
    rows = [{**row, "é": 1, "e\u0301": 2} for row in ROWS]
    by_column = {"features.text_by_column": {"é": {}, "e\u0301": {}}}
    two = ["'é' is there in two Unicode forms; rename one"]
    good = ("rows.csv", csv(), {})
    check(
        outcomes,
        {
            "table": ("rows.csv", table.getvalue().encode(), {}, two, good),
            "JSON": ("rows.jsonl", lines(rows), {}, ["row 1: ", *two], good),
            "list": ("rows.csv", csv(), {"data.text": ["é", "e\u0301"]}, ["same one"], good),
            "mapping": ("rows.csv", csv(), by_column, ["text_by_column", "same one"], good),
        },
    )


# -- tables without a usable first line


def headless(rows=ROWS):
    """The rows as CSV without their first line, and parameters that name columns after a row."""
    first = [*csv_module.reader(csv(rows).decode().splitlines())][1]
    part = dict(zip(ROWS[0], first, strict=True))
    given = {
        "data.id": part["id"],
        "data.label": part["label"],
        "data.text": [part["title"]],
        "data.numeric": [part["age"]],
        "data.categorical": [],
        "data.timestamp": None,
        "split.by": "id",
        "split.column": None,
        "split.test": 0.5,
    }
    return csv(rows).partition(b"\n")[2], given


GOOD = ("rows.csv", csv(), {})


WITHOUT, BY_VALUES = headless()
UNNAMED = csv(header=["", *[*ROWS[0]][1:]])
NO_NAMES = {
    "named as it should be": (
        "rows.csv",
        WITHOUT,
        {},
        ["no column 'id'", "first line is a row", "add a line of names"],
        GOOD,
    ),
    "named after its first row": (
        "rows.csv",
        WITHOUT,
        BY_VALUES,
        ["row 1 (line 2)", "line above looks like a row", "write a line of names above"],
        GOOD,
    ),
    "texts only": (
        "rows.csv",
        WITHOUT,
        {**BY_VALUES, "data.numeric": []},
        ["line above looks like a row"],
        GOOD,
    ),
    "an index without a name": (
        "rows.csv",
        UNNAMED,
        {},
        ["a column has no name: write one for it into the file's first line"],
        GOOD,
    ),
    "pandas' word for it": (
        "rows.csv",
        UNNAMED,
        {"data.id": "Unnamed: 0"},
        ["no column 'Unnamed: 0'", "a column has no name"],
        GOOD,
    ),
    "named by nothing": (
        "rows.csv",
        UNNAMED,
        {"data.id": ""},
        ["data.id is ''", "write one into the first line"],
        GOOD,
    ),
    "a title above": (
        "rows.csv",
        b"Report,,,,,,\n" + csv(),
        {},
        ["6 columns have no name in its first line", "name each"],
        GOOD,
    ),
    "bars": (
        "rows.csv",
        csv().replace(b",", b"|"),
        {},
        ["header 'id|part|", "is one column; separate columns by a comma in .csv"],
        GOOD,
    ),
}


def test_a_table_whose_first_line_has_no_names(outcomes):
    check(outcomes, NO_NAMES)


def test_names_that_only_resemble_the_values_of_a_row_are_names(outcomes):
    numbered = b",".join(b"%d" % n for n in range(7)) + b"\n" + WITHOUT
    by_number = {
        "data.id": "0",
        "data.label": "2",
        "data.text": ["3"],
        "data.numeric": ["4"],
        "data.categorical": ["5"],
        "data.timestamp": "6",
        "split.column": "1",
    }
    accepted = [
        (("prepare",), "rows.csv", numbered, by_number),
        (
            ("prepare",),
            "rows.csv",
            renamed("label", "spam"),
            {"data.label": "spam"},
        ),
        (
            ("prepare",),
            "rows.csv",
            csv(with_all("label", ["ham", "spam"] * 4)).replace(b"label", b"spam", 1),
            {"data.label": "spam", "data.labels": ["ham", "spam"]},
        ),
        (("prepare",), "rows.csv", renamed("age", "2011"), {"data.numeric": ["2011"]}),
    ]
    assert [told for told, _ in outcomes(accepted)] == [None] * len(accepted)


# -- files that are something else


def packed(kind):
    buffer = io.BytesIO()
    if kind == "tar":
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            entry = tarfile.TarInfo("rows.csv")
            entry.size = len(csv())
            archive.addfile(entry, io.BytesIO(csv()))
    else:
        names = {"xlsx": ["[Content_Types].xml", "xl/workbook.xml"], "zip": ["rows.csv"]}[kind]
        with zipfile.ZipFile(buffer, "w") as archive:
            for name in names:
                archive.writestr(name, csv())
    return buffer.getvalue()


def database():
    with sqlite3.connect(":memory:") as connection:
        connection.execute("create table rows (id)")
        return connection.serialize()


LFS = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'a' * 64}\nsize 12345\n".encode()
TRACKED = (
    b"outs:\n- md5: e4978e952499648518c8fcbbccb963b4\n  size: 12\n  hash: md5\n  path: r.csv\n"
)
IMPORTED = b"md5: 0123abcd\nfrozen: true\ndeps:\n- path: /a.csv\n  size: 1\n" + TRACKED
ELSE = {
    "Git LFS": (LFS, "a pointer of Git LFS", "run `git lfs pull`"),
    "tracked by DVC": (TRACKED, "a .dvc file", "get the file that it names"),
    "imported by DVC": (IMPORTED, "a .dvc file", "get the file that it names"),
    "a page": (b"<!DOCTYPE html>\n<title>404</title>\n", "a web page", "download the file itself"),
    "a page in small letters": (b"\n <html><body>a,b</body></html>", "a web page", "download"),
    "XML": (b'<?xml version="1.0"?>\n<rows/>', "XML", "write its rows as .csv or .jsonl"),
    "PDF": (b"%PDF-1.4\n% text\n", "PDF", "write its rows"),
    "PDF with bytes": (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", "PDF", "write its rows"),
    "UTF-16": (csv().decode().encode("utf-16"), "UTF-16", "save it as UTF-8"),
    "UTF-16 without a mark": (csv().decode().encode("utf-16-le"), "UTF-16", "save it as UTF-8"),
    "UTF-16, big end first": (csv().decode().encode("utf-16-be"), "UTF-16", "save it as UTF-8"),
    "gzip": (gzip.compress(csv()), "gzip", "`gzip -dc`"),
    "bzip2": (bz2.compress(csv()), "bzip2", "`bzip2 -dc`"),
    "xz": (lzma.compress(csv()), "xz", "`xz -dc`"),
    "Zstandard": (b"\x28\xb5\x2f\xfd\x24\x0b", "Zstandard", "`zstd -dc`"),
    "zip": (packed("zip"), "zip", "`unzip`"),
    "Excel": (packed("xlsx"), "an Excel file (.xlsx)", "write its rows"),
    "tar": (packed("tar"), "tar", "`tar -xf`"),
    "Parquet": (b"PAR1\x15\x04\x15\x10" + bytes(30) + b"PAR1", "Parquet", "write its rows"),
    "Feather": (b"ARROW1\0\0\xff\xff\xff\xff", "Arrow (Feather)", "write its rows"),
    "SQLite": (database(), "SQLite", "write its rows"),
    "pickle": (pickle.dumps(ROWS), "a pickle", "write its rows"),
    "NumPy": (b"\x93NUMPY\x01\x00v\x00{'descr'", "a NumPy array", "write its rows"),
    "HDF5": (b"\x89HDF\r\n\x1a\n\0\0", "HDF5", "write its rows"),
}


def test_a_file_that_is_something_else(outcomes):
    cases = {}
    for case, (content, kind, fix) in ELSE.items():
        for suffix in ("csv", "jsonl", "json", "tsv"):
            parts = [f"rows.{suffix} is {kind}", "not what its suffix says", fix]
            cases[f"{case} called .{suffix}"] = (f"rows.{suffix}", content, {}, parts, None)
        parts = [kind, "has a suffix that", fix]
        if not content.isascii() or b"\0" in content:
            cases[f"{case} called .data"] = ("rows.data", content, {}, parts, None)
    check(outcomes, cases)


OURS, THEIRS = "<<<<<<< HEAD", ">>>>>>> other"


def torn(rows, at):
    """Lines of which two sides have changed one, as git leaves them."""
    kept = rows.decode().split("\n")
    kept[at : at + 1] = [OURS, kept[at], "=======", kept[at], THEIRS]
    return "\n".join(kept).encode()


def test_conflict_markers(outcomes):
    fix = "keep one side of each conflict and remove the markers"
    whole = written(parameters({"data.file": "data/raw/rows.csv"}))
    left = csv().replace(b"\n", b"\n=======\n", 1)
    cases = {
        "rows of a table": ("rows.csv", torn(csv(), 3), {}, ["row 3 (line 4)", OURS, fix], GOOD),
        "names": ("rows.csv", torn(csv(), 0), {}, ["line 1", OURS, fix], GOOD),
        "TSV": ("rows.tsv", torn(tsv(), 3), {}, ["row 3 (line 4)", OURS, fix], GOOD),
        "JSON Lines": ("rows.jsonl", torn(lines(), 3), {}, ["row 4", OURS, fix], GOOD),
        "JSON": (
            "rows.json",
            torn(json.dumps(ROWS, indent=0).encode(), 5),
            {},
            ["row 1", OURS, fix],
            GOOD,
        ),
        "half removed": ("rows.csv", left, {}, ["row 1 (line 2)", "=======", fix], GOOD),
        "parameters": (
            "rows.csv",
            csv(),
            torn(whole.encode(), 3).decode(),
            ["params.yaml, line 4", fix],
            GOOD,
        ),
    }
    check(outcomes, cases)
    text = [f"{OURS}\n=======\n{THEIRS}\n", *"abcdefg"]
    (told, _), *_ = outcomes([(("prepare",), "rows.csv", csv(with_all("title", text)), {})])
    assert told is None, "a text may hold what git writes"


def test_json_of_another_shape(outcomes):
    by_column = {name: {str(n): row[name] for n, row in enumerate(ROWS)} for name in ROWS[0]}
    listed = ("rows.json", json.dumps(ROWS).encode(), {})
    rows = ["orient='records'"]
    check(
        outcomes,
        {
            "CSV called .jsonl": ("rows.jsonl", csv(), {}, ["rename it to .csv or .tsv"], GOOD),
            "CSV called .json": ("rows.json", csv(), {}, ["rename it to .jsonl or .csv"], GOOD),
            "lines called .json": (
                "rows.json",
                lines(),
                {},
                ["rename it to .jsonl"],
                ("rows.jsonl", lines(), {}),
            ),
            "rows below a key": (
                "rows.json",
                json.dumps({"data": ROWS}).encode(),
                {},
                ["one object with the keys 'data'", *rows],
                listed,
            ),
            "columns": ("rows.json", json.dumps(by_column).encode(), {}, rows, listed),
            "columns in .jsonl": ("rows.jsonl", json.dumps(by_column).encode(), {}, rows, listed),
        },
    )


# -- labels


def labelled(texts, kind=csv):
    return kind(with_all("label", [*texts] * 4))


# The members of data.labels as they are typed, what the file has, and what the message must say.
LABELS = {
    "0.0, 1.0": (["0.0", "1.0"], ["holds 0.0; put it in quotes", "'0.0'"]),
    "0, 0.5": (["0", "0.5"], ["holds 0.5; put it in quotes"]),
    "1e3, 2": (["1000.0", "2"], ["holds 1000.0; put it in quotes"]),
    "2011-01-01, 2011-01-02": (
        ["2011-01-01", "2011-01-02"],
        ["holds 2011-01-01; put it in quotes", "'2011-01-01'"],
    ),
    "no, null": (["no", "null"], ["holds null", "'null' in quotes"]),
    "no, ~": (["no", "~"], ["holds null", "in quotes"]),
    "no, ''": (["no", "yes"], ["holds ''", "remove what is empty"]),
    ".nan, 1": (["nan", "1"], ["holds NaN; put it in quotes"]),
    "[0], [1]": (["0", "1"], ["holds [0]; write each value alone"]),
    "true, 'true'": (["true", "false"], ["holds true and 'true', which are the same one"]),
    "1, '1'": (["1", "2"], ["holds 1 and '1', which are the same one"]),
    "10, 010": (["10", "010"], ["holds 10 and 10, which are the same one"]),
    "é, e\u0301": (["é", "b"], ["which are the same one; keep one"]),
}


def text_of(labels):
    """params.yaml with data.labels as they are typed here."""
    whole = written(parameters({"data.file": "data/raw/rows.csv", "data.labels": "LABELS"}))
    return whole.replace('"LABELS"', labels)


def test_labels_that_are_not_texts(outcomes):
    cases = {
        typed: (
            "rows.csv",
            labelled(have),
            text_of(f"[{typed}]"),
            ["data.labels", *told],
            ("rows.csv", labelled(have), {"data.labels": have}),
        )
        for typed, (have, told) in LABELS.items()
    }
    check(outcomes, cases)


# As they are typed, and as the file has them.
WRITTEN = {
    "pandas' True": ("false, true", ["False", "True"], "write 'False' there, in quotes"),
    "leading zero": ("010, 020", ["010", "020"], "write '010' there, in quotes"),
    "underscore": ("1_000, 2_000", ["1_000", "2_000"], "write '1_000' there, in quotes"),
    "sixteens": ("0x10, 0x20", ["0x10", "0x20"], "write '0x10' there, in quotes"),
    "fraction": ("0, 1", ["0.0", "1.0"], "write '0.0' there, in quotes"),
    "case": ("no, yes", ["No", "Yes"], "write 'No' there, in quotes"),
    "blank": ("no, yes", ["no ", "yes "], "write 'no ' there, in quotes"),
    "no-break space": ("a b, c", ["a\xa0b", "c"], r"write 'a\xa0b' there, in quotes"),
    "other words": ("no, yes", ["nein", "ja"], "add it there, or fix the row"),
}


def test_labels_that_the_file_writes_otherwise(outcomes):
    cases = {
        case: (
            "rows.csv",
            labelled(have),
            text_of(f"[{typed}]"),
            ["column 'label' is", told],
            ("rows.csv", labelled(have), {"data.labels": have}),
        )
        for case, (typed, have, told) in WRITTEN.items()
    }
    check(outcomes, cases)


def test_labels_in_mixed_case(outcomes):
    """Where the file has both, no list of labels is right, so the rows have to be made alike."""
    mixed = csv(with_all("label", ["no", "yes", "No", "yes"] * 2))
    cases = {
        typed: (
            "rows.csv",
            mixed,
            {"data.labels": [typed, "yes"]},
            [f"instead of '{typed}', if no row has '{typed}', else make the rows alike"],
            ("rows.csv", labelled([typed, "yes"]), {"data.labels": [typed, "yes"]}),
        )
        for typed in ("no", "No")
    }
    check(outcomes, cases)


def test_fractions_in_json_are_labels_once_they_are_in_quotes(outcomes):
    rows, given = labelled([0.0, 0.5], lines), {"data.labels": ["0.0", "0.5"]}
    ((told, _),) = outcomes([(("prepare",), "rows.jsonl", rows, given)])
    assert told is None


NAMES = {
    "data.id": ("5", "data.id is 5; it must be a name; put it in quotes", "5"),
    "data.label": ("2011-01-01", "it must be a name; put it in quotes", "2011-01-01"),
    "data.timestamp": ("true", "a name or null; put it in quotes", "true"),
    "split.column": ("1.5", "a name or null; put it in quotes", "1.5"),
    "data.text": ("[2011]", "it holds 2011; put it in quotes", ["2011"]),
    "data.numeric": ("[age, 1.5]", "it holds 1.5; put it in quotes", ["1.5"]),
    "data.categorical": ("[null]", "it holds null; remove what is empty", []),
    "leaks.allow": ("[on, 0x10]", "it holds 16; put it in quotes", []),
}


def test_names_that_are_not_texts(outcomes):
    cases = {}
    column = {
        "data.id": "id",
        "data.label": "label",
        "data.timestamp": "moment",
        "split.column": "part",
        "data.text": "title",
        "data.numeric": "age",
    }
    for name, (typed, told, cured) in NAMES.items():
        whole = written(parameters({"data.file": "data/raw/rows.csv", name: "TYPED"}))
        new = cured[0] if isinstance(cured, list) and cured else cured
        content = renamed(column[name], new) if name in column else csv()
        text = whole.replace('"TYPED"', typed)
        cure = ("rows.csv", content, {name: cured})
        cases[name] = ("rows.csv", content, text, [name, told], cure)
    check(outcomes, cases)


# -- splits


MOMENTS = {"split.by": "time", "split.column": "moment"}
EARLY, LATE, AT_GOOD = (
    {**MOMENTS, "split.test": moment} for moment in ("2000-01-01", "2030-01-01", 1_300_350_000)
)
BY_ID = {"split.by": "id", "split.column": None}
BY_DEVICE = {"split.by": "group", "split.column": "device", "split.test": 0.5}
BY_PART = {"split.by": "group", "split.column": "part"}
ONE_PART = csv(with_all("part", ["train"] * 8))
ONE_LABEL = csv(with_all("label", [True] * 8))
RARE_LABEL = csv(with_all("label", [False, True] * 3 + [False, False]))
THREE_LABELS = {"data.labels": ["false", "true", "maybe"]}
NOT_IN_BOTH = {
    "all in train": (
        "rows.csv",
        ONE_PART,
        {},
        ["no test rows: 'part' is 'train' in every row; say both 'train' and 'test' there"],
        GOOD,
    ),
    "before all": (
        "rows.csv",
        csv(),
        EARLY,
        ["no train rows: 'moment' is from 2011-03-13", "; choose a split.test after"],
        ("rows.csv", csv(), AT_GOOD),
    ),
    "after all": (
        "rows.csv",
        csv(),
        LATE,
        ["no test rows", "to 2011-03-17", "; choose a split.test after"],
        ("rows.csv", csv(), AT_GOOD),
    ),
    "too few ids": (
        "rows.csv",
        csv(),
        {**BY_ID, "split.test": 0.001},
        ["no test rows", "a share of 0.001 of 8 ids", "choose another split.test"],
        ("rows.csv", csv(), {**BY_ID, "split.test": 0.5}),
    ),
    "one group": (
        "rows.csv",
        ONE_PART,
        {**BY_PART, "split.test": 0.5},
        ["'part' has 1 different values", "a column with more of them"],
        ("rows.csv", ONE_PART, {**BY_DEVICE, "split.column": "title"}),
    ),
    "one label": (
        "rows.csv",
        ONE_LABEL,
        {},
        ["the rows lack the label 'false' (8 rows); add rows with it", "needs two"],
        GOOD,
    ),
    "a label too many": (
        "rows.csv",
        csv(),
        THREE_LABELS,
        ["the rows lack the label 'maybe'", "take it out of data.labels"],
        GOOD,
    ),
    "one label held out": (
        "rows.csv",
        RARE_LABEL,
        {},
        ["the test rows lack the label 'true' (2 rows); hold out other rows"],
        ("rows.csv", RARE_LABEL, {**BY_ID, "split.test": 0.5}),
    ),
}


def test_a_part_without_rows_or_a_label(outcomes):
    check(outcomes, NOT_IN_BOTH)


# -- numbers, and columns of nothing


@pytest.mark.parametrize("scale", ["standard", "quantile", "none"])
def test_numbers_too_large_to_compute_with(scale, outcomes):
    """Named by row and column before any scaler sees them; below the bound all stages work."""
    given = {"features.numeric": scale}
    told = ["row 3", "column 'age' is", "too large to compute with (over 1e100); use a larger unit"]
    check(
        outcomes,
        {
            f"{value:g}": (
                "rows.jsonl",
                lines(with_value("age", value)),
                given,
                told,
                ("rows.jsonl", lines(with_value("age", None)), given),
            )
            for value in (1e308, -1e308, 1e200, 2e100, 2**400)
        },
    )
    if scale != "none":
        good = lines(with_all("age", [1e100, -1e100, 1e99, 5e-324, 0, 1, -1e-300, None]))
        assert outcomes([(ALL, "rows.jsonl", good, given)])[0][0] is None


def test_a_number_that_is_too_large_for_one_estimator_only(outcomes):
    rows = lines(with_value("age", 1e50))
    given = {"features.numeric": "none", "train.estimator": "random_forest"}
    told = ["train.random_forest", "feature 'numeric__age'", "features.numeric: standard"]
    cure = ("rows.jsonl", rows, {**given, "features.numeric": "standard"})
    cases = {"training": ("rows.jsonl", rows, given, told, cure)}
    rows = lines([*ROWS[:7], {**ROWS[7], "age": 1e50}])
    told = ["column 'age' holds 1e+50, too large for the model; fix that row"]
    cure = ("rows.jsonl", rows, {**given, "features.numeric": "quantile"})
    check(outcomes, {**cases, "scoring": ("rows.jsonl", rows, given, told, cure)}, ALL)


UNVARYING = {
    "age": ([None] * 8, "is empty"),
    "device": ([""] * 8, "is empty"),
    "moment": ([None] * 8, "is empty"),
}


def test_a_column_that_teaches_nothing_is_named(outcomes):
    """It is accepted, for data of another day may fill it; also one that is held out only."""
    # Held-out rows only have another value.
    cases = {**UNVARYING, "age": ([None] * 8, "is empty"), "age ": ([7] * 6 + [1, 2], "is 7.0")}
    runs = [
        (("prepare",), "rows.jsonl", lines(with_all(name.strip(), values)), {"data.text": []})
        for name, (values, _) in cases.items()
    ]
    for name, (told, printed) in zip(cases, outcomes(runs), strict=True):
        said = f"prepare: column '{name.strip()}' {cases[name][1]} in every training row, so the"
        assert told is None and said in printed, (name, told, printed)
    ((told, printed),) = outcomes([(("prepare",), "rows.jsonl", lines(), {})])
    assert told is None and "learns nothing" not in printed


def test_texts_of_which_nothing_is_left(outcomes):
    blank = lines(with_all("title", [" " * n for n in range(1, 9)]))
    words = lines(with_all("title", ["the " * n for n in range(1, 9)]))
    check(
        outcomes,
        {
            "blank": (
                "rows.jsonl",
                blank,
                {},
                ["'title': every training text is empty; drop it from data.text in params.yaml"],
                ("rows.jsonl", blank, {"data.text": []}),
            ),
            "stop words": (
                "rows.jsonl",
                words,
                {"features.text": {"stop_words": "english"}},
                ["'title': empty vocabulary", "stop words; fix features"],
                ("rows.jsonl", words, {}),
            ),
        },
        ("prepare", "featurize"),
    )


def test_bad_rows_are_counted(outcomes):
    rows = with_all("age", [1, "a", 3, "b", 5, "c", 7, 8])
    labels = with_all("label", [True, "x", "y", "z"] * 2)
    runs = [
        (("prepare",), "rows.jsonl", lines(rows), {}),
        (("prepare",), "rows.jsonl", lines(labels), {}),
        (("prepare",), "rows.jsonl", lines(labels) + b"{\n", {}),
        (("prepare",), "rows.jsonl", lines(with_value("age", "a")), {}),
    ]
    one, two, cut, single = (told for told, _ in outcomes(runs))
    assert "column 'age' is 'a' where" in one and one.endswith("(2 other bad rows follow)")
    assert "row 2, column 'label' is 'x'" in two and two.endswith("(5 other bad rows follow)")
    assert "row 2, column 'label' is 'x'" in cut
    assert "row 3" in single and "follow" not in single


# -- estimators


FOREIGN = [
    ("lightgbm/sklearn.py", "LGBMClassifier", "names lightgbm/sklearn.py, which no installed"),
    ("linear_model/_logistics.py", "LogisticRegression", "which no installed package has; fix the"),
    ("linear_model/_logistic.py", "LogisticRegresion", "is not in it; name one of: 'LogisticRegr"),
    ("svm/_classes.py", "LinearSVC", "LinearSVC gives no probabilities; choose one"),
]
WELCOME = [
    ("ensemble/_forest.py", "ExtraTreesClassifier", None),
    ("sklearn/ensemble/_forest.py", "ExtraTreesClassifier", None),
]
LOAD = """
import json, sys
from altruism import estimators, params, problems
for source in json.loads(sys.argv[1]):
    params.ESTIMATORS["new"] = tuple(source)
    try:
        params.argument_names(*source)
        estimators.estimator({"new": {}, "estimator": "new"})
        print("null")
    except problems.Refused as refusal:
        print(json.dumps(str(refusal)))
"""


def test_an_estimator_that_cannot_be_used(built):
    """It is added to the table in params.py; one of another package than scikit-learn may be."""
    cases = [*FOREIGN, ("svm/_classes.py", "SVC", "probabilities"), *WELCOME]
    sources = json.dumps([source[:2] for source in cases])
    said = [*map(json.loads, built.run("python", "-c", LOAD, sources).stdout.splitlines())]
    for (*_, wanted), told in zip(cases, said, strict=True):
        assert told == wanted or (wanted in told and "; " in told), (wanted, told)
