"""A bad input gives the right result or a loud exit, never a silent change.

Each case runs the real stage in a real project; bad_rows.py holds the files of rows.
"""

import json
import random
import re

import pytest
from bad_rows import (
    ACCEPTED,
    LONG,
    REFUSED,
    ROWS,
    csv,
    expected,
    lines,
    prepared,
    with_all,
    with_value,
)

pytestmark = pytest.mark.slow

PARAMS = {
    "exact": {"cpu": "x86-64-v3"},
    "data": {
        "file": "data/raw/rows.jsonl",
        "id": "id",
        "label": "label",
        "labels": [False, True],
        "text": ["title"],
        "numeric": ["age"],
        "categorical": ["device"],
        "timestamp": "moment",
    },
    "split": {"by": "column", "column": "part", "test": 0.25, "same_text": "keep"},
    "leaks": {"max_auc": 0.95, "max_chance": 1e-9, "allow": []},
    "features": {
        "text": {"min_df": 1},
        "text_by_column": {},
        "lengths": True,
        "numeric": "standard",
        "categorical": {},
        "timestamp": ["trend", "day"],
    },
    "train": {
        "estimator": "logistic_regression",
        "logistic_regression": {"max_iter": 5000},
        "multinomial_nb": {},
        "complement_nb": {},
        "random_forest": {},
        "hist_gradient_boosting": {},
        "sgd": {},
    },
    "card": {"intended_use": "Test.", "not_for": "Anything else."},
}


@pytest.fixture(scope="module")
def altruism(built, tmp_path_factory):
    """One copy of the built project for all tests of this file."""
    return built.copy(tmp_path_factory.mktemp("bad") / "altruism")


class Stage:
    """How to run a stage of the project on a raw file and parameters of a test's own."""

    def __init__(self, project):
        self.project = project
        self.root = project.root

    def give(self, content, name="rows.jsonl", **changes):
        """Put a raw file and the parameters in place; changes are named `section.key`."""
        path = self.root / "data/raw" / name
        path.write_bytes(content)
        self.change(**{"data.file": f"data/raw/{name}", **changes})

    def change(self, **changes):
        self.project.write("params.yaml", written(parameters(changes)))

    def run(self, name="prepare", *arguments, before=""):
        command = ["exact", "run", "python", "-m", f"altruism.{name}", *arguments]
        if before:
            command = ["bash", "-c", f'{before}; exec "$@"', "bash", *command]
        return self.project.run(*command, check=False)

    def outputs(self, folder="data/prepared"):
        """Every file of a folder, hidden ones too, with its bytes."""
        return {path.name: path.read_bytes() for path in (self.root / folder).iterdir()}

    def prepared(self):
        """The rows of both parts that `prepare` left, flat, with their part."""
        return [
            {"id": item["id"], "label": item["label"], "part": part, **item["row"]}
            for part in ("train", "test")
            for item in map(json.loads, lines_of(self.outputs()[f"{part}.jsonl"]))
        ]


@pytest.fixture
def stage(altruism):
    return Stage(altruism)


def lines_of(content):
    return content.decode().removesuffix("\n").split("\n")


def canonical(rows):
    """Rows as text, in the order of their ids, so that 1, 1.0 and true are three things."""
    return sorted(json.dumps(row, sort_keys=True) for row in rows)


def parameters(changes):
    """PARAMS with some changed, named `section.key`."""
    values = {section: dict(keys) for section, keys in PARAMS.items()}
    for name, value in changes.items():
        section, _, key = name.partition(".")
        values[section][key] = value
    return values


def written(values):
    """Parameters as YAML, of which JSON is a part; `exact run` wants the CPU on its own line."""
    rest = [f"{section}: {json.dumps(values[section])}" for section in values if section != "exact"]
    return "\n".join([f"exact:\n  cpu: {values['exact']['cpu']}", *rest, ""])


def refusal(done, stage="prepare"):
    """The one sentence of a stage that refused; it must say what is wrong and what to do."""
    assert done.returncode == 1, (done.returncode, done.stdout, done.stderr[-2000:])
    # Two stages say what they are about to do, since it can take long.
    assert re.fullmatch(r"((featurize|train): fitting .+\n)?", done.stdout)
    (line,) = done.stderr.removesuffix("\n").split("\n")
    assert line.isprintable() and len(line) < 600, line
    told = line.removeprefix(f"{stage}: ")
    assert told != line
    assert re.search(r"; \S", told), f"{told!r} does not say what to do"
    return told


@pytest.mark.parametrize(
    ("name", "content", "wanted"),
    [
        pytest.param(name, content, told, id=case)
        for case, (name, content, *told) in REFUSED.items()
    ],
)
def test_refused(name, content, wanted, stage):
    stage.give(content, name)
    before = stage.outputs()
    told = refusal(stage.run())
    assert stage.outputs() == before
    for part in [f"data/raw/{name}" * (" rows lack" not in told), *wanted]:
        assert part in told


@pytest.mark.parametrize(
    ("name", "content", "rows", "changes"),
    [
        pytest.param(name, content, rows, dict(*changes), id=case)
        for case, (name, content, rows, *changes) in ACCEPTED.items()
    ],
)
def test_accepted(name, content, rows, changes, stage):
    stage.give(content, name, **changes)
    done = stage.run()
    assert (done.returncode, done.stderr) == (0, "")
    assert canonical(stage.prepared()) == canonical(rows)
    assert {*stage.outputs()} == {"train.jsonl", "test.jsonl"}


@pytest.mark.parametrize("kind", ["link", "far link"])
def test_a_linked_input_is_followed(kind, stage, tmp_path):
    target = tmp_path / "elsewhere"
    target.write_bytes(lines())
    stage.give(b"", "linked.jsonl")
    link = stage.root / "data/raw/linked.jsonl"
    link.unlink()
    link.symlink_to(target if kind == "far link" else "rows.jsonl")
    (stage.root / "data/raw/rows.jsonl").write_bytes(lines())
    assert stage.run().returncode == 0
    assert canonical(stage.prepared()) == canonical(prepared())


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("data/raw/absent.csv", "data/raw/absent.csv is not there; run `make pull`"),
        ("data/raw/broken link.csv", "data/raw/broken link.csv is not there; run `make pull`"),
        ("data/raw", "data/raw is a folder; name one file"),
        ("data/raw/folder.csv", "data/raw/folder.csv is a folder; name one file"),
        ("data/raw/loop.csv", "data/raw/loop.csv cannot be read (Too many levels of symbolic"),
        ("params.yaml/rows.csv", "params.yaml/rows.csv cannot be read (Not a directory)"),
        ("data/raw/" + "x" * 300 + ".csv", "cannot be read (File name too long)"),
    ],
)
def test_an_input_that_is_no_file(name, wanted, stage):
    folder = stage.root / "data/raw"
    for link, target in (("broken link.csv", "nowhere"), ("loop.csv", "loop.csv")):
        (folder / link).unlink(missing_ok=True)
        (folder / link).symlink_to(target)
    (folder / "folder.csv").mkdir(exist_ok=True)
    stage.change(**{"data.file": name})
    before = stage.outputs()
    assert wanted in refusal(stage.run())
    assert stage.outputs() == before


@pytest.mark.parametrize("depth", [400, 940, 980, 983, 985, 986, 990, 5000])
def test_any_depth_is_refused_in_a_used_column(depth, stage):
    """Between what the parser takes and what a message can show there must be no gap."""
    deep = "[" * depth + "]" * depth
    stage.give(lines(third=json.dumps(ROWS[2]).replace('"phone"', deep)))
    before = stage.outputs()
    assert re.search("text belongs|nested too deep", refusal(stage.run()))
    assert stage.outputs() == before


def test_three_and_twenty_labels(stage):
    for count in (3, 20):
        names = [f"label {number}" for number in range(count)]
        rows = [
            {**ROWS[0], "id": f"{part}{number}", "part": part, "label": name, "title": part}
            for part in ("train", "test")
            for number, name in enumerate(names)
        ]
        stage.give(csv(rows), "rows.csv", **{"data.labels": names})
        assert stage.run().returncode == 0
        assert canonical(stage.prepared()) == canonical(map(expected, rows))


def test_order_of_the_rows_does_not_matter(stage):
    made = set()
    for seed in range(4):
        rows = [dict(row, title=f"pizza {number % 90}") for number, row in enumerate(ROWS * 20)]
        rows = [{**row, "id": f"{number}"} for number, row in enumerate(rows)]
        random.Random(seed).shuffle(rows)
        stage.give(lines(rows), **{"split.by": "id", "split.column": None})
        done = stage.run()
        made.add((done.returncode, done.stdout, *stage.outputs().values()))
    assert len(made) == 1
    assert done.returncode == 0


@pytest.mark.parametrize("by", ["id", "group"])
def test_a_row_more_moves_no_other(by, stage):
    rows = [{**ROWS[n % 8], "id": f"{n}", "title": f"{n}", "part": f"{n % 25}"} for n in range(100)]
    split = {"split.by": by, "split.column": {"id": None, "group": "part"}[by]}
    stage.give(lines(rows), **split)
    assert stage.run().returncode == 0
    before = stage.prepared()
    stage.give(lines([{**rows[0], "id": "one more", "title": "more"}, *rows]), **split)
    assert stage.run().returncode == 0
    assert [row for row in stage.prepared() if row["id"] != "one more"] == before


def test_a_table_that_may_be_cut_in_its_last_field_is_said_to_be(stage):
    stage.give(csv()[:-1], "rows.csv")
    done = stage.run()
    said = "prepare: data/raw/rows.csv does not end in a line end; was it cut in its last row?"
    assert (done.returncode, done.stdout.split("\n")[0]) == (0, said)


@pytest.mark.parametrize("blocks", [0, 1, 2, 8, 20])
def test_full_disk_leaves_both_files_as_they_were(blocks, stage):
    """Of the two files the smaller one is written first and fits on the disk, the larger not."""
    stage.give(lines())
    assert stage.run().returncode == 0
    before = stage.outputs()
    rows = [
        {**ROWS[n % 8], "id": f"{n}", "title": f"{n} " * 20, "part": "train" if n < 8 else "test"}
        for n in range(300)
    ]
    stage.give(lines(rows))
    told = refusal(stage.run(before=f"ulimit -f {blocks}"))
    assert re.match(r"data/prepared/(train|test)\.jsonl: File too large; fix that", told)
    assert stage.outputs() == before


def test_output_folder_that_is_a_file(stage):
    stage.give(lines())
    folder = stage.root / "data/prepared"
    folder.rename(folder.with_name("kept"))
    folder.write_text("")
    try:
        assert ": File exists; fix" in refusal(stage.run())
    finally:
        folder.unlink()
        folder.with_name("kept").rename(folder)


def test_full_standard_output(stage):
    stage.give(lines())
    before = "exec >/dev/full"
    assert refusal(stage.run(before=before)).startswith("No space left on device;")
    assert canonical(stage.prepared()) == canonical(prepared())


def test_too_little_memory(stage):
    stage.give(lines(with_value("title", LONG * 15)))
    before = stage.outputs()
    assert "the memory is too small" in refusal(stage.run(before="ulimit -v 300000"))
    assert stage.outputs() == before


TYPED = [
    ("features.text", "min_dff", "min_df"),
    ("features.text", "ngram-range", "ngram_range"),
    ("features.text", "Sublinear_TF", "sublinear_tf"),
    ("features.categorical", "min_freq", "min_frequency"),
    ("train.logistic_regression", "c", "C"),
    ("train.logistic_regression", "max_iters", "max_iter"),
    ("train.multinomial_nb", "alfa", "alpha"),
    ("train.complement_nb", "normed", "norm"),
    ("train.random_forest", "n_estimator", "n_estimators"),
    ("train.hist_gradient_boosting", "learning_rat", "learning_rate"),
    ("train.sgd", "alphas", "alpha"),
]


# What a typing error makes of every name in params.yaml, and of some options of scikit-learn's.
def misspelled():
    for section, keys in PARAMS.items():
        yield f"{section}", {**parameters({}), section + "s": {}}, f"did you mean '{section}'?"
        for key in keys:
            values = parameters({})
            values[section][key + key[-1]] = values[section].pop(key)
            if section != "exact":
                yield f"{section}.{key}", values, f"did you mean '{key}'?"
    for name, typed, meant in TYPED:
        yield f"{name}.{typed}", parameters({name: {typed: 1}}), f"did you mean '{meant}'?"
    by_column = {"features.text_by_column": {"title": {"min_def": 2}}}
    yield "features.text_by_column", parameters(by_column), "did you mean 'min_df'?"
    yield (
        "features: a column",
        parameters({"features.text_by_column": {"titel": {}}}),
        ("did you mean 'title'?"),
    )
    for entry in ("aeg", {"aeg": "number"}):
        yield "leaks: a column", parameters({"leaks.allow": [entry]}), "did you mean 'age'?"
    yield (
        "train: nothing like it",
        parameters({"train.sgd": {"xyzzy": 1}}),
        "; it has alpha, average, ",
    )
    for name in ("input", "tokenizer", "vocabulary", "dtype", "preprocessor"):
        yield f"features.text.{name}", parameters({"features.text": {name: "x"}}), f"'{name}'"


# Name of a parameter and a value of the wrong kind, or one that does not go with the others.
WRONG = [
    ("data.file", None),
    ("data.file", ["a.csv"]),
    ("data.file", ""),
    ("data.id", 5),
    ("data.id", "title"),
    ("data.label", "age"),
    ("data.label", "id"),
    ("data.labels", [False]),
    ("data.labels", []),
    ("data.labels", "no, yes"),
    ("data.labels", [0, 1.0]),
    ("data.labels", [None, True]),
    ("data.labels", [True, "true"]),
    ("data.labels", ["é", "e\u0301"]),
    ("data.labels", ["", "yes"]),
    ("data.labels", [[0], [1]]),
    ("data.text", "title"),
    ("data.text", ["title", "title"]),
    ("data.text", ["title", 5]),
    ("data.text", None),
    ("data.numeric", ["title"]),
    ("data.categorical", {"device": 1}),
    ("data.timestamp", False),
    ("data.timestamp", ["moment"]),
    ("split.by", "random"),
    ("split.by", ["id"]),
    ("split.by", "id"),
    ("split.column", None),
    ("split.column", 3),
    ("split.test", None),
    ("split.test", True),
    ("leaks.max_auc", 0),
    ("leaks.max_auc", 1.5),
    ("leaks.max_auc", "0.95"),
    ("leaks.max_chance", -1),
    ("leaks.max_chance", True),
    ("leaks.allow", "age"),
    ("leaks.allow", None),
    ("leaks.allow", [None]),
    ("leaks.allow", [["age"]]),
    ("leaks.allow", [{"age": "all"}]),
    ("leaks.allow", [{"age": ["number"]}]),
    ("leaks.allow", [{"age": "number", "title": "filled"}]),
    ("leaks.allow", {"age": "number"}),
    ("split.same_text", None),
    ("split.same_text", True),
    ("split.same_text", "kept"),
    ("features.text", None),
    ("features.text", [{"min_df": 5}]),
    ("features.text", {"max_features": 0}),
    ("features.text", {"max_features": -5}),
    ("features.text", {"max_features": "100"}),
    ("features.text", {"max_features": 2.5}),
    ("features.text", {"max_features": True}),
    ("features.text", {"token_pattern": "("}),
    ("features.text", {"token_pattern": "[z-a]"}),
    ("features.text", {"token_pattern": 5}),
    ("features.text", {"stop_words": "frnch"}),
    ("features.text", {"stop_words": ["the", 2011]}),
    ("features.text_by_column", []),
    ("features.text_by_column", {"title": None}),
    ("features.text_by_column", {"title": {"token_pattern": "*"}}),
    ("features.lengths", "yes"),
    ("features.lengths", 1),
    ("features.numeric", None),
    ("features.numeric", "minmax"),
    ("features.categorical", {"handle_unknown": "error"}),
    ("features.timestamp", "day"),
    ("features.timestamp", ["hour"]),
    ("features.timestamp", ["day", "day"]),
    ("train.estimator", "svm"),
    ("train.estimator", None),
    ("train.estimator", ["sgd"]),
    ("train.sgd", None),
    ("train.sgd", 0.1),
    ("train.sgd", {"loss": "hinge"}),
    ("train.sgd", {"random_state": None}),
    ("train.random_forest", {"random_state": None}),
    ("train.random_forest", {1: 2}),
]
WRONG_TOGETHER = {
    "no feature column": {
        **dict.fromkeys(["data.text", "data.numeric", "data.categorical"], []),
        "data.timestamp": None,
    },
    "share of 0": {"split.by": "id", "split.column": None, "split.test": 0},
    "share of 1": {"split.by": "group", "split.column": "part", "split.test": 1.0},
    "share below 0": {"split.by": "id", "split.column": None, "split.test": -0.25},
    "moment for a share": {"split.by": "id", "split.column": None, "split.test": "2012-06-01"},
    "equal texts of groups": {
        "split.by": "group",
        "split.column": "part",
        "split.same_text": "together",
    },
    "equal texts of moments": {
        "split.by": "time",
        "split.column": "moment",
        "split.test": "2012-06-01",
        "split.same_text": "together",
    },
    "equal texts of a given split": {"split.same_text": "together"},
    "dropped texts without a text": {"data.text": [], "split.same_text": "drop"},
    "equal texts without a text": {
        "split.by": "id",
        "split.column": None,
        "data.text": [],
        "split.same_text": "together",
    },
    "time without a column": {"split.by": "time", "split.column": None, "split.test": "2012-06-01"},
}
WELCOME = {
    "as it is": {},
    "labels of two kinds": {"data.labels": [0, "yes"]},
    "twenty labels": {"data.labels": [f"{number}" for number in range(20)]},
    "no timestamp": {"data.timestamp": None},
    "bigrams": {"features.text": {"ngram_range": [1, 2], "stop_words": ["the"], "norm": None}},
    "characters": {"features.text": {"analyzer": "char_wb", "max_features": 1000}},
    "by column": {"features.text_by_column": {"title": {"max_features": None}}},
    "categories": {"features.categorical": {"min_frequency": 2, "drop": "if_binary"}},
    "modified_huber": {"train.sgd": {"loss": "modified_huber", "random_state": 7}},
    "allowed": {"leaks.allow": ["age", "title"]},
    "allowed by check": {"leaks.allow": [{"age": "number"}, {"age": "value"}, {"title": "filled"}]},
    "no text": {"data.text": []},
    "dropped": {"split.same_text": "drop"},
    "together": {"split.by": "id", "split.column": None, "split.same_text": "together"},
    "other CPU": {"exact.cpu": "x86-64-v2"},
}
BROKEN = {
    "13th month": "split: {test: 2012-13-01}",
    "tab": "data:\n\tfile: x",
    "key twice": "data: {id: a, id: b}",
    "bracket": "data: [",
    "tag": "data: !!python/object/apply:os.system ['true']",
    "5000 digits": "split: {test: " + "9" * 5000 + "}",
    "deep": "data: " + "[" * 5000,
    "itself": "data: &a [*a]",
    "a list": "- exact",
    "a word": "exact",
    "nothing": "",
    "key of any kind": "[a, b]: c",
}
LOAD = """
import json, pathlib, sys
from altruism import params, problems
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.yaml")):
    try:
        params.load(path=path)
        print("null")
    except problems.Refused as refusal:
        print(json.dumps(str(refusal)))
"""


@pytest.fixture
def load(stage, altruism, tmp_path):
    """What `params.load` says of each of many texts of params.yaml, None where it takes one."""

    def told(texts):
        for number, text in enumerate(texts):
            (tmp_path / f"{number:03}.yaml").write_text(text, encoding="utf-8")
        stage.change()
        done = altruism.run("python", "-c", LOAD, tmp_path)
        said = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(said) == len(texts)
        return said

    return told


def test_misspelled_parameters(load):
    names, values, wanted = zip(*misspelled(), strict=True)
    for name, told, part in zip(names, load([*map(written, values)]), wanted, strict=True):
        assert told and part in told, (name, told)
        assert re.split("[.:]", name)[0] in told, (name, told)


def test_wrong_parameters(load):
    changes = [{name: value} for name, value in WRONG] + [*WRONG_TOGETHER.values()]
    said = load([written(parameters(change)) for change in changes])
    for change, told in zip(changes, said, strict=True):
        assert told and re.search("; |must be", told), (change, told)
        assert told.startswith("params.yaml: "), (change, told)
        section, _, key = [*change][0].partition(".")
        assert key in told or f"{section} uses '" in told or len(change) > 1, (change, told)
    together = dict(zip(WRONG_TOGETHER, said[-len(WRONG_TOGETHER) :], strict=True))
    for case in (case for case in together if "texts" in case):
        assert "same_text" in together[case] and "set it to keep" in together[case], case


def test_moment_without_quotes(load):
    """YAML makes a date of it, which the message must show as it was typed."""
    text = written(parameters({"split.test": "MOMENT"})).replace('"MOMENT"', "2012-06-01")
    (told,) = load([text])
    assert (
        "split.test is 2012-06-01; it must be a share such as 0.25, or a moment in quotes" in told
    )


def test_broken_parameters(load):
    for name, told in zip(BROKEN, load(BROKEN.values()), strict=True):
        assert told and told.isprintable() and len(told) < 500, (name, told)


def test_welcome_parameters(load):
    said = load([written(parameters(change)) for change in WELCOME.values()])
    assert dict(zip(WELCOME, said, strict=True)) == dict.fromkeys(WELCOME)


@pytest.mark.long
@pytest.mark.parametrize("name", ["prepare", "featurize", "train", "evaluate", "predict"])
def test_every_stage_checks_the_parameters_first(name, stage):
    stage.give(lines(), **{"train.random_forest": {"n_estimator": 5}})
    folders = ("data/prepared", "data/features", "models", "reports")
    before = [stage.outputs(folder) for folder in folders]
    told = refusal(stage.run(name, *["data/raw/rows.jsonl"] * (name == "predict")), name)
    wanted = "params.yaml: train.random_forest has no parameter 'n_estimator'; did you mean"
    assert told.startswith(wanted)
    assert [stage.outputs(folder) for folder in folders] == before


@pytest.mark.parametrize(
    ("moment", "wanted"),
    [
        (0.25, "is 0.25, too few"),
        ("June", "is 'June', which is not a moment"),
        (1e12, "outside 1900"),
    ],
)
def test_split_by_a_time_that_is_none(moment, wanted, stage):
    stage.give(lines(), **{"split.by": "time", "split.column": "moment", "split.test": moment})
    told = refusal(stage.run())
    assert told.startswith("params.yaml: split.test ") and wanted in told


@pytest.mark.parametrize(
    ("by", "value", "wanted"),
    [
        ("time", None, "column 'moment' is missing, so the split by time cannot place the row"),
        ("time", "June", "column 'moment' is 'June', which is not a moment"),
        ("group", None, "column 'moment' is missing; give it a text or a whole number"),
        ("group", 1.5, "column 'moment' is 1.5; give it a text or a whole number"),
        ("group", ..., "there is no column 'moment'"),
    ],
)
def test_split_value_that_cannot_be_used(by, value, wanted, stage):
    moment = {"time": "2011-03-17", "group": 0.25}[by]
    split = {"split.by": by, "split.column": "moment", "split.test": moment}
    stage.give(lines(with_value("moment", value)), **split, **{"data.timestamp": None})
    told = refusal(stage.run())
    assert told.startswith("data/raw/rows.jsonl, row 3") and wanted in told


# What `featurize` or `train` must refuse: the texts of the rows and the parameters.
NO_MODEL = {
    "stop words only": ("featurize", ["the and of"] * 8, {"stop_words": "english"}, "empty vocab"),
    "empty texts": ("featurize", [""] * 8, {}, "every training text is empty"),
    "single letters": ("featurize", ["a b c"] * 8, {}, "empty vocabulary"),
    "no word often enough": ("featurize", None, {"min_df": 100}, "features in params.yaml"),
    "range of one": ("featurize", None, {"ngram_range": [1]}, "ngram_range is [1]"),
    "range backwards": ("featurize", None, {"ngram_range": [2, 1]}, "ngram_range"),
    "two groups": ("featurize", None, {"token_pattern": "(a)(b)"}, "capturing group"),
    "unknown analyser": ("featurize", None, {"analyzer": "words"}, "analyzer"),
    "unknown norm": ("featurize", None, {"norm": "l3"}, "norm"),
    "no word, cut": ("featurize", [""] * 8, {"max_features": 5}, "text is empty"),
    "text for a number": ("train", None, {}, "train.logistic_regression: The 'C' parameter"),
}


@pytest.mark.long
@pytest.mark.parametrize("case", NO_MODEL)
def test_what_no_model_can_be_made_of(case, stage):
    name, texts, options, wanted = NO_MODEL[case]
    rows = with_all("title", [f"{text} " * n for n, text in enumerate(texts, 1)]) if texts else ROWS
    stage.give(lines(rows))
    assert stage.run().returncode == 0
    if name == "train":
        assert stage.run("featurize").returncode == 0
    stage.change(**{"features.text": options, "train.logistic_regression": {"C": "high"}})
    folder = {"featurize": "data/features", "train": "models"}[name]
    before = stage.outputs(folder)
    told = refusal(stage.run(name), name)
    assert wanted in told and "params.yaml" in told
    assert stage.outputs(folder) == before


@pytest.mark.long
def test_odd_but_good_rows_make_a_model_that_answers(stage, altruism, tmp_path):
    """From missing numbers, odd spaces and odd names to a score, through all five programs."""
    rows = [
        {
            **{name: value for name, value in row.items() if name not in ("title", "age")},
            "a  b": f"caf\u0065\u0301 \u2028 {row['title']}",
            "all missing": None,
            "a: b": None if row["age"] in (2, 7) else row["age"],
        }
        for row in ROWS
    ]
    stage.give(
        lines(rows),
        **{"data.text": ["a  b"], "data.numeric": ["all missing", "a: b"]},
    )
    for name in ("prepare", "featurize", "train", "evaluate"):
        done = stage.run(name)
        assert (name, done.stderr, done.returncode) == (name, "", 0)
    unseen = {"a  b": "zzz qqq", "all missing": None, "a: b": None, "device": "?", "moment": None}
    path = tmp_path / "new.jsonl"
    path.write_bytes(lines([unseen, {**unseen, "all missing": 5, "a: b": 1e99, "id": "last"}]))
    done = stage.run("predict", path, "--any-model")
    assert (done.returncode, done.stderr) == (0, "")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert [answer["id"] for answer in answers] == ["1", "last"]
    assert all(0 <= answer["score"] <= 1 for answer in answers)


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (lines(with_value("age", "abc")), "row 3, column 'age' is 'abc' where a number belongs"),
        (lines(with_value("title", ...)), "row 3: there is no column 'title'"),
        (lines(with_value("id", 1.5)), "row 3, column 'id' is 1.5"),
        (lines()[:-9], "row 8: not valid JSON at"),
        (b"", "is empty; it must hold rows"),
    ],
    ids=["text for a number", "no column", "id", "cut", "empty"],
)
def test_bad_rows_to_score(content, wanted, stage, tmp_path):
    stage.give(lines())
    given, out = tmp_path / "new.jsonl", tmp_path / "answers.jsonl"
    given.write_bytes(content)
    out.write_text("as it was")
    told = refusal(stage.run("predict", given, "--out", out, "--any-model"), "predict")
    assert str(given) in told and wanted in told
    assert out.read_text() == "as it was"
    assert {*tmp_path.iterdir()} == {given, out}
