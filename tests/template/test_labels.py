"""A model answers the labels that the data has: true is true, 1 is a number, and 'yes' a text."""

import ast
import json

import pytest
from bad_rows import lines
from test_bad_input import Stage

pytestmark = pytest.mark.slow

STAGES = ("prepare", "featurize", "train", "evaluate")
BUILD = f"from altruism import {', '.join(STAGES)}; {'.main(); '.join(STAGES)}.main()"
# Without this project: what the model's file answers, as Python writes it down.
PLAIN = """
import json, joblib, sys
model = joblib.load("models/model.joblib")
rows = [json.loads(line)["row"] for line in open("data/prepared/test.jsonl", encoding="utf-8")]
print(repr(model.predict(rows).tolist()))
print(repr(model.classes_.tolist()))
assert not [name for name in sys.modules if name.startswith(("exact", "altruism"))]
"""
# Each estimator fitted to the features that lie there, and the kind of what it answers.
EVERY = """
import joblib
from altruism import params, train
chosen = params.load("train")["train"]
features, given = (joblib.load(f"data/features/{name}.joblib") for name in ("transformer", "train"))
rows = [{"title": "pizza", "age": None, "device": "web", "moment": None}]
for name in params.ESTIMATORS:
    model = train.fit({**chosen, "estimator": name}, features, given["matrix"], given["labels"])
    assert model.classes_.tolist() == sorted({*given["labels"].tolist()})
    print(name, type(model.predict(rows).tolist()[0]).__name__)
"""


@pytest.fixture(scope="module")
def stage(built, tmp_path_factory):
    """One copy of the built project for all tests of this file."""
    return Stage(built.copy(tmp_path_factory.mktemp("labels") / "altruism"))


def rows(values, count=48):
    """Rows that tell their label by a word; every fourth is held out."""
    return [
        {
            "id": f"r{number}",
            "part": "train" if number % 4 else "test",
            "label": values[number // 4 % len(values)],
            "title": f"word{number // 4 % len(values)} pizza please",
            "age": number,
            "device": "web",
            "moment": 1_300_000_000 + 50_000 * number,
        }
        for number in range(count)
    ]


# The labels in params.yaml, those in the file where they are written otherwise, and what comes out.
KINDS = {
    "true and false": ([False, True], None, [False, True]),
    "texts of them in the file": ([False, True], ["false", "true"], [False, True]),
    "texts of them in the parameters": (["false", "true"], [False, True], ["false", "true"]),
    "digits in the file": ([0, 1], ["0", "1"], [0, 1]),
    "digits in the parameters": (["0", "1"], None, ["0", "1"]),
    "numbers in an order of their own": ([10, 9, -2], None, [10, 9, -2]),
    "too large for numpy": ([2**63, 1], None, [str(2**63), "1"]),
    "number and true": ([0, True], None, ["0", "true"]),
}


@pytest.mark.long
@pytest.mark.parametrize("case", KINDS)
def test_the_model_answers_what_the_data_has(case, stage):
    labels, written, wanted = KINDS[case]
    given = rows(written or labels)
    stage.give(lines(given), **{"data.labels": labels, "leaks.max_chance": 1e-300})
    stage.project.run("exact", "run", "python", "-c", BUILD)
    predicted, classes = stage.project.run("python", "-I", "-c", PLAIN).stdout.splitlines()
    assert {*map(repr, ast.literal_eval(classes))} == {*map(repr, wanted)}
    known = dict(zip(map(repr, written or labels), map(repr, wanted), strict=True))
    asking = sorted((r for r in given if r["part"] == "test"), key=lambda row: row["id"])
    right = [known[repr(row["label"])] for row in asking]
    assert [*map(repr, ast.literal_eval(predicted))] == right
    # `predict` answers the same; a report calls a label by its text, whatever it is.
    asked = stage.root / "asked.jsonl"
    asked.write_bytes(lines(asking))
    told = stage.run("predict", asked, "--any-model").stdout.splitlines()
    assert [repr(json.loads(line)["predicted"]) for line in told] == right
    texts = [label if isinstance(label, str) else json.dumps(label) for label in wanted]
    found = json.loads(stage.project.read("reports/metrics.json"))
    assert (found["labels"], found["accuracy"]) == (texts, 1)
    answers = map(json.loads, stage.project.read("reports/predictions.jsonl").splitlines())
    assert {row["predicted"] for row in answers} == {*texts}


# The labels in params.yaml, those in the file, and what is told, if anything.
QUOTED = {
    "quoted": (
        ["false", "true"],
        [False, True],
        "labels 'false', so the model answers texts; with",
    ),
    "quoted digits": (["0", "1"], [0, 1], "column 'label' has 0 and data.labels '0', so the model"),
    "no quotes": ([False, True], None, None),
    "texts": (["false", "true"], None, None),
    "no quotes, texts": ([False, True], ["false", "true"], None),
    "a mixture": ([0, True], None, None),
    "fractions": (["0.5", "1.5"], [0.5, 1.5], None),
}


@pytest.mark.parametrize("case", QUOTED)
def test_labels_in_quotes_that_the_file_has_without(case, stage):
    """Else who asks `if model.predict(...)` would get a text, and 'false' is true."""
    labels, written, told = QUOTED[case]
    given = lines(rows(written or labels))
    stage.give(given, **{"data.labels": labels, "leaks.max_chance": 1e-300})
    done = stage.run("prepare")
    assert done.returncode == 0
    assert ("so the model answers texts" in done.stdout) is (told is not None)
    assert (told or "") in done.stdout


@pytest.mark.long
@pytest.mark.parametrize("labels", [[False, True], [2, 0, 1], ["no", "yes"]])
def test_every_estimator_takes_them(labels, stage):
    changes = {"data.labels": labels, "features.numeric": "quantile", "leaks.max_chance": 1e-300}
    stage.give(lines(rows(labels)), **changes)
    for name in ("prepare", "featurize"):
        assert stage.run(name).returncode == 0
    told = stage.project.run("exact", "run", "python", "-c", EVERY).stdout.splitlines()
    assert len(told) == 6
    assert {line.partition(" ")[2] for line in told} == {type(labels[0]).__name__}


@pytest.mark.long
def test_an_older_model_that_answers_texts_still_serves(stage):
    labels = [False, True]
    stage.give(lines(rows(labels)), **{"data.labels": labels, "leaks.max_chance": 1e-300})
    stage.project.run("exact", "run", "python", "-c", BUILD)
    older = "import joblib, numpy; model = joblib.load('models/model.joblib'); last = model[-1]; "
    older += "last.classes_ = numpy.array(['false', 'true']); joblib.dump(model, 'older.joblib')"
    stage.project.run("python", "-c", older)
    asked = ("predict", "data/raw/rows.jsonl", "--any-model")
    now = stage.run(*asked)
    assert now.returncode == 0 and now.stdout.count('"predicted": true') == 24
    assert stage.run(*asked, "--model", "older.joblib").stdout == now.stdout
    stage.change(**{"data.labels": [0, 1], "data.file": "data/raw/rows.jsonl"})
    told = stage.run(*asked).stderr
    assert "params.yaml has other labels than the model (false, true); run `make`" in told
