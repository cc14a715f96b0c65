"""The model card says what the records say."""

import hashlib
import json
import re

import pytest

pytestmark = pytest.mark.slow


def test_the_card_agrees_with_the_metrics_and_the_lock(built):
    card, found = (
        built.read("reports/model_card.md"),
        json.loads(built.read("reports/metrics.json")),
    )
    lock = built.read("dvc.lock")
    for name, value in found.items():
        if type(value) in (int, float):
            assert f"{value:.6g}" in card, name
    for row, label in zip(found["confusion_matrix"], found["labels"], strict=True):
        assert f"| actual `{label}` | {row[0]} | {row[1]} |" in card
    for path in ("data/raw/requests.jsonl", "models/model.joblib", "requirements.lock"):
        (md5,) = {*re.findall(rf"path: {re.escape(path)}\n\s+hash: md5\n\s+md5: (\w+)", lock)}
        assert md5 in card, path
    assert "Predicts whether a request for a free pizza succeeds." in card
    assert "always answering `false`: accuracy | 0.739675" in card


def test_the_commands_of_the_card_work(built, tmp_path):
    card = built.read("reports/model_card.md")
    (which,) = re.findall(r"^\$ (exact which \S+)", card, re.M)
    assert "output of stage train" in built.run(*which.split()).stdout


WORDS = {
    "estimator: logistic_regression ": "estimator: hist_gradient_boosting ",
    'not_for: "Decisions': 'not_for: "*A* | [b](c) <i>`x`</i> Decisions',
    "min_df: 2": "min_df: 7",
}


@pytest.mark.long
def test_a_change_of_its_words_alone_makes_it_anew(project):
    for old, new in WORDS.items():
        before = project.run("md5sum", "models/model.joblib").stdout
        project.replace("params.yaml", old, new)
        done = project.run("dvc", "repro").stdout
        card = project.read("reports/model_card.md")
        trained = project.run("md5sum", "models/model.joblib").stdout != before
        assert trained == ("not_for" not in old) and "evaluate" in done
    assert r"\*A\* \| \[b\](c) \<i\>\`x\`\</i\> Decisions" in card
    assert "`hist_gradient_boosting` `{" in card and '"min_df": 7' in card


SAMPLE = "data/raw/requests.jsonl"
SPEAKS = "params.yaml: card.intended_use still speaks of the sample"


@pytest.mark.long
def test_other_data_is_not_told_of_as_the_sample(project):
    """After a plain `dvc add`, which knows nothing of the card, and until the team has said it."""
    before = project.read("reports/model_card.md")
    others = project.read(SAMPLE).replace("pizza", "pasta").splitlines(keepends=True)[:2000]
    project.write("data/raw/rows.jsonl", "".join(others).replace("received_pasta", "helped"))
    project.run("dvc", "add", "data/raw/rows.jsonl")
    project.replace("params.yaml", SAMPLE, "data/raw/rows.jsonl")
    project.replace("params.yaml", "received_pizza", "helped")
    assert SPEAKS in project.run("dvc", "repro").stdout
    card = project.read("reports/model_card.md")
    assert "pizza" in before and "pizza" not in card
    assert "Not said yet: params.yaml, section card, still has the words" in card
    project.write(
        "params.yaml",
        re.sub(r"intended_use: .*", "intended_use: To share pizza.", project.read("params.yaml")),
    )
    assert SPEAKS not in project.run("dvc", "repro").stdout
    assert "To share pizza." in project.read("reports/model_card.md")


def test_the_card_knows_the_sample(built):
    """The file that the template has, and the description that it has by default."""
    code = "from altruism import card; print(card.SAMPLE_MD5, card.SAMPLE_USE)"
    md5, use = built.run("python", "-c", code).stdout.strip().split(" ", 1)
    assert md5 == hashlib.md5((built.root / SAMPLE).read_bytes()).hexdigest()
    assert f"md5: {md5}\n" in built.read(f"{SAMPLE}.dvc")
    assert f'intended_use: "{use}."' in built.read("params.yaml")
    code = "from altruism.card import *; words = {'intended_use': SAMPLE_USE + '.'}; "
    code += "print(of_sample(words, SAMPLE_MD5), of_sample(words, '0' * 32))"
    assert built.run("python", "-c", code).stdout == "False True\n"


BAD = {
    "intended_use: [a]": "card.intended_use is",
    "intended_use: ''": "card.intended_use is",
    "intended_us: a": "no parameter 'intended_us'",
}


@pytest.mark.parametrize("text", BAD)
def test_words_that_are_refused(text, built, tmp_path):
    params = re.sub(r"intended_use: .*", text, built.read("params.yaml"))
    (tmp_path / "params.yaml").write_text(params)
    code = "from pathlib import Path; from altruism import params; params.load('card')"
    done = built.run("python", "-c", code, cwd=tmp_path, check=False)
    assert BAD[text] in done.stderr
