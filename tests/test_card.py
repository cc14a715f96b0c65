"""The model card says what the records say."""

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
