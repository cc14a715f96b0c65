"""Which rows are trained on and which are held out, where texts repeat or a column is a leak."""

import json
import random
import re

import pytest
import yaml
from bad_rows import ROWS, lines
from test_bad_input import Stage, parameters, refusal, written

pytestmark = pytest.mark.slow
BY_ID = {"split.by": "id", "split.column": None}
CHECKS = ("filled", "value", "number")
TOGETHER = {**BY_ID, "split.same_text": "together"}


@pytest.fixture(scope="module")
def altruism(built, tmp_path_factory):
    """One copy of the built project for all tests of this file."""
    return built.copy(tmp_path_factory.mktemp("parts") / "altruism")


@pytest.fixture
def stage(altruism):
    return Stage(altruism)


def titled(titles, **columns):
    """A row for each title, the last third of them held out; `columns` are lists of values."""
    return [
        {
            **ROWS[number % 8],
            **{"device": "web", "moment": None, "age": number},
            "id": f"r{number}",
            "part": "test" if number >= len(titles) * 2 / 3 else "train",
            "title": title,
            **{name: values[number] for name, values in columns.items()},
        }
        for number, title in enumerate(titles)
    ]


def said(stage, rows, **changes):
    """What `prepare` prints of the texts and parts of these rows; it must take them."""
    stage.give(lines(rows), **changes)
    done = stage.run()
    assert (done.returncode, done.stderr) == (0, "")
    # These rows have columns that are the same everywhere, which is said too.
    return [line for line in done.stdout.splitlines() if "in every training row" not in line]


def parts(stage):
    """Id to part of the rows that `prepare` left."""
    return {row["id"]: row["part"] for row in stage.prepared()}


# Of twelve rows, 8 to 11 are held out; one text is equal only in Unicode's normal form.
TITLES = ["a", "caf\xe9", "c", "", "e", "a", "g", "h", "cafe\u0301", "", "a", "l"]
SEEN = "prepare: 2 of 4 test rows have the text of a train row"


def test_all_rows_are_kept_and_equal_texts_are_told(stage):
    told = said(stage, titled(TITLES))
    assert told[0].startswith(SEEN + "; ")
    assert told[1:] == ["prepare: 8 train rows", "prepare: 4 test rows"]
    assert len(parts(stage)) == 12


def test_a_params_yaml_that_is_older_keeps_all_rows(stage):
    values = parameters({})
    del values["split"]["same_text"]
    stage.give(lines(titled(TITLES)))
    stage.project.write("params.yaml", written(values))
    done = stage.run()
    assert (done.returncode, done.stderr, len(parts(stage))) == (0, "", 12)


def test_rows_to_train_on_are_dropped_where_that_is_wanted(stage):
    told = said(stage, titled(TITLES), **{"split.same_text": "drop"})
    assert told[0] == SEEN + ", so 3 train rows are dropped (split.same_text)"
    assert told[1:] == ["prepare: 5 train rows", "prepare: 4 test rows"]
    assert [name for name in sorted(parts(stage), key=lambda n: int(n[1:]))] == [
        *("r2", "r3", "r4", "r6", "r7", "r8", "r9", "r10", "r11")
    ]


@pytest.mark.parametrize("same_text", ["keep", "drop", "together"])
def test_texts_that_do_not_repeat_are_no_matter(same_text, stage):
    split = TOGETHER if same_text == "together" else {"split.same_text": same_text}
    told = said(stage, titled([f"title {number}" for number in range(60)]), **split)
    assert [re.sub(r"\d+", "N", line) for line in told] == [
        "prepare: N train rows",
        "prepare: N test rows",
    ]
    assert len(parts(stage)) == 60


def test_two_texts_are_equal_where_both_are(stage):
    rows = titled(["a", "a", "b", "a", "a", "b"], body=["x", "y", "x", "z", "x", ""])
    told = said(stage, rows, **{"data.text": ["title", "body"], "split.same_text": "drop"})
    assert told[0].startswith("prepare: 1 of 2 test rows have the text of a train row, so 1 train")


@pytest.mark.parametrize("titles", [["same"] * 12, ["a", "b", "c"] * 4])
def test_nothing_left_says_why_and_what_to_do(titles, stage):
    stage.give(lines(titled(titles)), **{"split.same_text": "drop"})
    told = refusal(stage.run())
    assert "there are no train rows left after dropping 8 with the text of a test row" in told
    (key, value) = re.search(r"; set (\S+) to (\w+)$", told).groups()
    assert len(said(stage, titled(titles), **{key: value})) == 3


def test_a_label_that_is_dropped_says_so_too(stage):
    rows = titled([*"abcdefgh", *"bdfh"])
    stage.give(lines(rows), **{"split.same_text": "drop"})
    told = refusal(stage.run())
    assert "the train rows left after dropping 4 with the text of a test row lack the label" in told
    assert told.endswith("; set split.same_text to keep")


def test_all_texts_equal_cannot_be_held_out_together(stage):
    rows = titled(["same"] * 60)
    stage.give(lines(rows), **TOGETHER)
    told = refusal(stage.run())
    assert re.search("there are no (train|test) rows: .+; set split.same_text to keep$", told)
    said(stage, rows, **BY_ID)


def test_equal_texts_are_held_out_together_and_a_row_more_moves_none(stage):
    die = random.Random(0)
    rows = titled([die.choice([""] * 9 + [*map(str, range(80))]) for _ in range(300)])
    told = said(stage, rows, **TOGETHER)
    assert len(told) == 2
    before = parts(stage)
    sides = {}
    for row in rows:
        sides.setdefault(row["title"], set()).add(before[row["id"]])
    empty = sides.pop("")
    assert {len(parts) for parts in sides.values()} == {1} and len(empty) == 2
    assert 0.1 < sum(parts == {"test"} for parts in sides.values()) / len(sides) < 0.4
    more = [{**rows[0], "id": f"more {n}", "title": f"{n}"} for n in range(60, 100)]
    die.shuffle(rows)
    said(stage, [*more, *rows], **TOGETHER)
    after = parts(stage)
    assert {name: after[name] for name in before} == before
    twins = [row for row in more if row["title"] in sides]
    assert len(twins) == 20
    assert all(sides[row["title"]] == {after[row["id"]]} for row in twins)


@pytest.mark.long
def test_short_texts_that_repeat_leave_a_model_that_is_measured_on_both(stage):
    """Three hundred titles in three thousand rows, and a number that tells something."""
    die = random.Random(1)
    rows = titled(
        [f"job {die.randrange(300)}" for _ in range(3000)],
        age=[die.gauss(number % 2 == 0, 1) for number in range(3000)],
        label=[number % 2 == 0 for number in range(3000)],
    )
    # Some of which nothing was trained on, to be measured by themselves.
    rows += [{**row, "id": f"new {row['id']}", "title": "new job"} for row in rows[-100:]]
    told = said(stage, rows)
    assert told[0].startswith("prepare: 1000 of 1100 test rows have the text of a train row; ")
    for name in ("featurize", "train", "evaluate"):
        assert stage.run(name).returncode == 0
    found = json.loads(stage.project.read("reports/metrics.json"))
    counts = [found[key] for key in ("train_rows", "rows", "rows_with_a_text_trained_on")]
    assert counts == [2000, 1100, 1000]
    assert found["roc_auc"] > 0.7 and 0.6 < found["roc_auc_on_new_texts"] < 1
    answers = map(json.loads, stage.project.read("reports/predictions.jsonl").splitlines())
    right = [row["predicted"] == row["label"] for row in answers if row["id"].startswith("new")]
    assert found["accuracy_on_new_texts"] == sum(right) / 100
    card = stage.project.read("reports/model_card.md")
    assert "| trained on | 2000 rows |" in card
    assert "| same text | 1000 of these have the text of a row trained on (`split.same_text" in card


@pytest.mark.long
def test_where_all_held_out_texts_were_trained_on_there_is_no_such_number(stage):
    said(stage, titled(["pizza", "pasta"] * 30))
    for name in ("featurize", "train", "evaluate"):
        assert stage.run(name).returncode == 0
    found = json.loads(stage.project.read("reports/metrics.json"))
    assert found["rows_with_a_text_trained_on"] == found["rows"] == 20
    assert not [key for key in found if key.endswith("_on_new_texts")]


def test_rows_without_text_are_not_equal(stage):
    assert said(stage, titled([""] * 12))[0] == "prepare: 8 train rows"
    assert said(stage, titled(["a"] * 12), **{"data.text": []})[0] == "prepare: 8 train rows"


# A leak in a column and the checks that find it: the value of a row by its label and its number.
LEAKY = {
    "filled": (lambda label, number: f"by {number}" if label else None, "filled"),
    "filled with one": (lambda label, number: "granted" if label else "", "filled value"),
    "0 and 1": (lambda label, number: int(label), "value number"),
    "a number": (lambda label, number: label + number / 10_000, "number"),
    "yes and no": (lambda label, number: "yes" if label else "no", "value"),
}
ODD = "a: {b} 'c' \"d\" \u200b \u00fc #"
ONLY_NUMBERS = ("0 and 1", "a number")


def leaky(case, name, kind):
    """Rows with a leak in the column `name` of that kind; one in four is held out."""
    found = []
    for number in range(400):
        label = number % 8 < 4
        value = LEAKY[case][0](label, number)
        value = str(value) if kind == "text" and value is not None else value
        part = "test" if number % 4 == 0 else "train"
        row = {"id": f"r{number}", "part": part, "label": label, name: value}
        found.append({**ROWS[0], "moment": None, "age": number % 7, **row})
    return found


@pytest.mark.parametrize(
    ("case", "kind"),
    [
        (case, kind)
        for case in LEAKY
        for kind in ("text", "numeric", "categorical")
        if kind != "numeric" or case in ONLY_NUMBERS
    ],
)
def test_following_the_advice_lets_in_what_was_found_and_no_more(case, kind, stage):
    columns = {f"data.{kind}": ["title", ODD] if kind == "text" else [ODD]}
    stage.give(lines(leaky(case, ODD, kind)), **columns)
    checks = {*LEAKY[case][1].split()} & ({"filled"} if kind == "text" else {*CHECKS})
    if not checks:
        assert stage.run().returncode == 0
        return
    told = refusal(stage.run())
    assert "is a likely leak: " in told
    advice = re.search(r", or add (\{.*\}) to leaks\.allow$", told)[1]
    entries = yaml.safe_load(f"[{advice.replace('} and {', '}, {')}]")
    assert {entry[ODD] for entry in entries} == checks
    others = [{ODD: check} for check in CHECKS if check not in checks]
    file = {"data.file": "data/raw/rows.jsonl"}
    stage.change(**file, **columns, **{"leaks.allow": entries})
    assert stage.run().returncode == 0
    for one in entries:
        allowed = others + [entry for entry in entries if entry != one]
        stage.change(**file, **columns, **{"leaks.allow": allowed})
        assert f": {one[ODD]}}} to leaks.allow" in refusal(stage.run())


def test_a_column_by_its_name_alone_may_be_filled_and_no_more(stage):
    rows = titled(["a"] * 300, label=[n % 2 == 0 for n in range(300)])
    filled = [{**row, "device": "yes" if row["label"] else ""} for row in rows]
    stage.give(lines(filled), **{"leaks.allow": ["device"]})
    assert 'add {"device": value} to leaks.allow' in refusal(stage.run())
    given = [{**row, "device": row["id"] if row["label"] else ""} for row in rows]
    said(stage, given, **{"leaks.allow": ["device"]})


def test_the_only_column_cannot_be_dropped_so_the_advice_is_not_to(stage):
    rows = titled(["a" if n % 2 == 0 else "" for n in range(300)])
    rows = [{**row, "label": n % 2 == 0} for n, row in enumerate(rows)]
    only = {"data.numeric": [], "data.categorical": [], "data.timestamp": None}
    stage.give(lines(rows), **only)
    told = refusal(stage.run())
    assert "drop it" not in told and told.endswith('; add {"title": filled} to leaks.allow')
    said(stage, rows, **only, **{"leaks.allow": [{"title": "filled"}]})
