"""The parameters that a new project has are good for strangers' data, not for the sample alone.

The yardstick is what anybody would write in five lines: tf-idf and logistic regression, C=1, of the
same training rows, scored on the same held-out rows.
"""

import csv
import json
import os
import random
from pathlib import Path

import pytest
import yaml
from bake import ROOT

pytestmark = pytest.mark.slow
DATA = Path(os.environ.get("EXACT_DATA", ROOT.parent / "shared/data"))

YARDSTICK = """
import json, sys
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import make_pipeline

def plain(texts, labels, asked):
    words = TfidfVectorizer(min_df=2, sublinear_tf=True)
    model = make_pipeline(words, LogisticRegression(C=1, max_iter=1000))
    return model.fit(texts, labels).predict(asked)

def scores(labels, found):
    macro = f1_score(labels, found, average="macro")
    return {"accuracy": accuracy_score(labels, found), "macro_f1": macro}
"""
# In the project's own environment: the texts of a row are joined, since the script knows only one.
PLAIN = """
texts, labels = {}, {}
for part in ("train", "test"):
    with open(f"data/prepared/{part}.jsonl", encoding="utf-8") as file:
        items = [json.loads(line) for line in file]
    texts[part] = [" ".join(item["row"][c] for c in json.loads(sys.argv[1])) for item in items]
    labels[part] = [item["label"] for item in items]
found = plain(texts["train"], labels["train"], texts["test"])
print(json.dumps(scores(labels["test"], found)))
"""


@pytest.fixture(scope="module")
def altruism(built, tmp_path_factory):
    """One copy of the built project for all data sets."""
    return built.copy(tmp_path_factory.mktemp("defaults") / "altruism")


def defaults(project) -> dict:
    """The parameters of the template, with no column named."""
    values = yaml.safe_load(project.run("git", "show", "HEAD:params.yaml").stdout)
    nothing = {"text": [], "numeric": [], "categorical": [], "timestamp": None}
    values["data"] |= {"id": "id", "label": "label", **nothing}
    return values


def compare(project, rows: list[dict], **sections) -> tuple[dict, dict]:
    """The metrics of the project's model and those of the plain script; no stage may warn."""
    values = defaults(project)
    project.write("data/raw/rows.json", json.dumps(rows))
    values["data"] |= {"file": "data/raw/rows.json"}
    for section, keys in sections.items():
        values[section] |= keys
    rest = [f"{name}: {json.dumps(keys)}\n" for name, keys in values.items() if name != "exact"]
    project.write("params.yaml", f"exact:\n  cpu: {values['exact']['cpu']}\n" + "".join(rest))
    for stage in ("prepare", "featurize", "train", "evaluate"):
        done = project.run("exact", "run", "python", "-m", f"altruism.{stage}")
        assert done.stderr == ""
        assert (
            stage != "train" or done.stdout.startswith("train: ") and done.stdout.count("\n") == 2
        )
    script = ("exact", "run", "python", "-c", YARDSTICK + PLAIN, json.dumps(values["data"]["text"]))
    return json.loads(project.read("reports/metrics.json")), json.loads(project.run(*script).stdout)


def not_worse(ours: dict, plain: dict) -> None:
    assert ours["accuracy"] >= round(plain["accuracy"], 6), (ours, plain)
    assert ours["macro_f1"] >= round(plain["macro_f1"], 6), (ours, plain)


def there(name: str) -> Path:
    """The folder of a data set that is no part of this repository."""
    if not (DATA / name).is_dir():
        pytest.skip(f"{DATA / name} is not here; set EXACT_DATA to the folder of the data sets")
    return DATA / name


def text_rows(pairs) -> list[dict]:
    return [{"id": n, "label": label, "text": text} for n, (label, text) in enumerate(pairs)]


def test_sms_spam(altruism):
    with open(there("sms_spam") / "SMSSpamCollection", encoding="utf-8", newline="") as file:
        rows = text_rows(line.rstrip("\r\n").split("\t", 1) for line in file)
    not_worse(*compare(altruism, rows, data={"labels": ["ham", "spam"], "text": ["text"]}))


def test_rt_polarity(altruism):
    folder, pairs = there("rt_polarity"), []
    for label in ("neg", "pos"):
        with open(folder / f"rt-polarity.{label}", encoding="utf-8") as file:
            pairs += [(label, line.rstrip("\n")) for line in file]
    rows = text_rows(pairs)
    not_worse(*compare(altruism, rows, data={"labels": ["neg", "pos"], "text": ["text"]}))


LABEL = "requester_received_pizza"


def raop(folder: Path) -> list[dict]:
    """The real requests with their own split, as docs/your-data.md has them."""
    with open(folder / "test_labels.csv", encoding="utf-8", newline="") as file:
        labels = {row["request_id"]: row[LABEL] == "1" for row in csv.DictReader(file)}
    return [
        {**row, LABEL: labels.get(row["request_id"], row.get(LABEL)), "split": part}
        for part in ("train", "test")
        for row in json.loads((folder / f"{part}.json").read_text(encoding="utf-8"))
    ]


def example() -> dict:
    """The parameters of the example in docs/your-data.md."""
    (project,) = ROOT.glob("{{*")
    text = (project / "docs/your-data.md").read_text(encoding="utf-8")
    return yaml.safe_load(text.partition("## An example")[2].split("```")[1].removeprefix("yaml\n"))


def test_real_pizza_requests(altruism):
    """Columns and split of the example, and how it reads a list of names; the rest as it comes."""
    given = example()
    subreddits = {"text_by_column": given["features"]["text_by_column"]}
    data = {**given["data"], "file": "data/raw/rows.json"}
    sections = {"data": data, "split": given["split"], "features": subreddits}
    not_worse(*compare(altruism, raop(there("raop")), **sections))


# -- data that the test makes itself


def made(labels, rows, words=6, shares=None):
    """Rows whose words are rare, and each of which says a little of the label, as in real texts."""
    die = random.Random(0)
    ranked = [f"w{number}" for number in range(2500)]
    weights = [1 / (number + 4) for number in range(2500)]
    means = {word: die.choice(labels) for word in ranked}
    found = []
    for _ in range(rows):
        label = die.choices(labels, shares)[0]
        drawn = die.choices(ranked, weights, k=words * 4)
        # A word of another label is half as likely to stay.
        kept = [word for word in drawn if means[word] == label or die.random() < 0.5]
        found.append({"label": label, "text": " ".join(kept[: die.randrange(2, words * 2)])})
    return found


MADE = {
    "short texts": ((["no", "yes"], 4000), {}),
    "rare label": ((["no", "yes"], 4000), {"shares": [0.85, 0.15], "words": 10}),
}
# The stages' own functions, in one process, with the parameters that the project has; the first
# quarter of the rows is held out.
FIT = """
import pandas
from altruism import featurize, params, train

values = params.load("features", "train")
for rows in json.load(open(sys.argv[1])):
    data = {"text": ["text"], "numeric": [], "categorical": [], "timestamp": None}
    frame, labels = pandas.DataFrame(rows), [row["label"] for row in rows]
    count = len(rows) // 4
    asked, known, right, taught = frame[:count], frame[count:], labels[:count], labels[count:]
    features = featurize.transformer(data, values["features"], known)
    model = train.fit(values["train"], features, features.fit_transform(known), taught)
    ours = scores(right, model.predict(asked))
    print(json.dumps([ours, scores(right, plain(known["text"], taught, asked["text"]))]))
"""


def test_made_texts(built, tmp_path):
    """Within a few rows of a thousand, which is chance; a C of 0.1 loses ten times as many."""
    rows = [made(*words, **options) for words, options in MADE.values()]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    done = built.run("exact", "run", "python", "-c", YARDSTICK + FIT, tmp_path / "rows.json")
    for case, line in zip(MADE, done.stdout.splitlines(), strict=True):
        ours, plain = json.loads(line)
        assert all(ours[name] > plain[name] - 0.006 for name in plain), (case, ours, plain)
