"""From raw rows to an exact model, on a handful of rows: what must hold whatever the data is."""

import pickle
import subprocess
import sys
import time
from pathlib import Path

import joblib
import numpy
import pandas
import pytest
from sklearn.preprocessing import FunctionTransformer

from exact.dump import dumps, write

DATA = {
    "text": ["title"],
    "numeric": ["age"],
    "categorical": ["device"],
    "timestamp": "moment",
    "id": "id",
    "label": "label",
    "labels": ["no", "yes"],
}
FEATURES = {
    "text": {"min_df": 1},
    "text_by_column": {},
    "lengths": True,
    "numeric": "standard",
    "categorical": {},
    "timestamp": ["trend", "day"],
}
ROWS = [
    {
        "title": f"please number {number} {'thanks' if number % 3 else 'now'}",
        "age": None if number % 5 == 0 else float(number),
        "device": "web" if number % 2 else "app",
        "moment": 1_300_000_000.0 + 40_000 * number,
    }
    for number in range(30)
]
LABELS = numpy.array(["yes" if number % 3 else "no" for number in range(30)])
TRAIN = {"estimator": "logistic_regression", "logistic_regression": {"max_iter": 5000}}


@pytest.fixture(scope="module")
def model(package):
    features = package("featurize").transformer(DATA, FEATURES, pandas.DataFrame(ROWS))
    return package("train").fit(TRAIN, features, features.fit_transform(ROWS), LABELS)


def test_model_answers_a_frame_and_a_list_of_dicts_alike(model):
    frame = model.predict_proba(pandas.DataFrame(ROWS))
    assert frame.shape == (30, 2)
    assert (frame == model.predict_proba(ROWS)).all()
    assert (frame == model.predict_proba([dict(reversed(row.items())) for row in ROWS])).all()


def test_model_loads_without_this_project(model, package, tmp_path):
    code = "import joblib, sys; joblib.load(sys.argv[1]); print(*sys.modules)"
    write({tmp_path / "model.joblib": dumps(model)})
    loaded = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "model.joblib"], stdout=-1, text=True, check=True
    ).stdout.split()
    assert "sklearn.pipeline" in loaded
    assert not {name for name in loaded if name.startswith(("exact", package("rows").__package__))}


def test_model_is_the_same_once_written_and_read(model, tmp_path):
    write({tmp_path / "model.joblib": dumps(model)})
    again = joblib.load(tmp_path / "model.joblib")
    assert (again.predict_proba(ROWS) == model.predict_proba(ROWS)).all()
    assert dumps(again) == (tmp_path / "model.joblib").read_bytes()


@pytest.mark.parametrize(
    "made",
    [
        "TfidfVectorizer(stop_words='english').fit(['pizza please'])",
        "{'a', 'b', 'c', 'd'}",
        "['ab', ''.join(['a', 'b'])]",
        "RandomForestClassifier(3, random_state=0).fit([[0], [1]], ['a', 'b'])",
    ],
    ids=["address", "set", "strings", "forest"],
)
def test_bytes_do_not_depend_on_the_process(made):
    code = (
        "import hashlib; from exact.dump import dumps;"
        "from sklearn.ensemble import RandomForestClassifier;"
        "from sklearn.feature_extraction.text import TfidfVectorizer;"
        f"print(hashlib.md5(dumps({made})).hexdigest())"
    )
    source = str(Path(__file__).parents[1] / "src")
    runs = set()
    for seed in ("1", "2"):
        environ = {"PYTHONHASHSEED": seed, "PYTHONPATH": source}
        words = [sys.executable, "-c", code]
        runs.add(subprocess.run(words, env=environ, stdout=-1, check=True).stdout)
    assert len(runs) == 1


def test_equal_strings_and_padding_have_one_form():
    kind = numpy.dtype([("a", "i1"), ("b", "f8")], align=True)
    clean, dirty = numpy.zeros(2, kind), numpy.full(2 * kind.itemsize, 255, "u1").view(kind)
    dirty["a"], dirty["b"] = 0, 0
    assert clean.tobytes() != dirty.tobytes()
    assert dumps(clean) == dumps(dirty)
    assert dumps(["ab", "".join(["a", "b"])]) == dumps(["ab"] * 2)


def test_writing_leaves_the_old_file_or_the_new_one(tmp_path):
    path, other = tmp_path / "file", tmp_path / "folder"
    write({path: b"old"})
    other.mkdir()
    with pytest.raises(TypeError):
        write({path: b"new", other: "not bytes"})
    assert path.read_bytes() == b"old"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder"]


def test_a_missing_column_raises(package):
    data = {**DATA, "text": ["title", "body"]}
    with pytest.raises(package("problems").Refused, match="row 1: there is no column 'body'"):
        package("rows").features(ROWS[0], "row 1", data)


def test_a_row_stays_on_its_side_of_the_split(package):
    split = {"by": "id", "column": None, "test": 0.25}
    split["same_text"] = "keep"

    def side(number):
        return package("prepare").side("", str(number), {}, split, DATA)

    sides = [side(number) for number in range(1000)]
    assert 200 < sides.count("test") < 300
    assert sides[:10] == [side(number) for number in range(10)]


def test_vocabulary_is_cut_by_count_then_spelling(package):
    frame = pandas.DataFrame({"title": ["b a c", "a c b", "c d"]})
    made = package("featurize").vectorizer(
        {"max_features": 2, "token_pattern": r"\S+"}, "title", frame
    )
    assert made.vocabulary == ["a", "c"]


def test_own_code_is_refused_in_a_model(package):
    with pytest.raises(pickle.PicklingError, match="is this project's own code"):
        dumps(FunctionTransformer(package("rows").as_text))


def test_an_input_that_changes_during_a_stage_is_refused(package, tmp_path, monkeypatch):
    params = package("params")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(params, "dependencies", lambda: ["input"])
    for name in ("params.yaml", "input", "other"):
        (tmp_path / name).touch()
    time.sleep(0.05)
    monkeypatch.setenv("EXACT_STARTED", str(time.time_ns()))
    (tmp_path / "other").write_text("of no stage")
    params.check_unchanged()
    (tmp_path / "input").write_text("edited")
    with pytest.raises(package("problems").Refused, match="input changed while this ran"):
        params.check_unchanged()
