"""The bundled sample is what its script draws, and the model finds the truth it was drawn from."""

import json
import re
import sys

import pytest
from bake import PROJECT, ROOT

sys.path.insert(0, str(ROOT / "tools"))
import sample  # noqa: E402

RAW = ROOT / PROJECT / "data/raw"


def area(scores: list[float], labels: list[bool]) -> float:
    """The area under the ROC curve: how often a positive row has the higher score of a pair."""
    positive = [score for score, label in zip(scores, labels, strict=True) if label]
    negative = [score for score, label in zip(scores, labels, strict=True) if not label]
    wins = sum((p > n) + (p == n) / 2 for p in positive for n in negative)
    return wins / len(positive) / len(negative)


def test_script_draws_the_committed_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["sample.py", str(tmp_path / "requests.jsonl")])
    sample.main()
    for name in ("requests.jsonl", "requests.jsonl.dvc"):
        assert (tmp_path / name).read_bytes() == (RAW / name).read_bytes(), "run `make sample`"


def test_sample_is_large_enough_and_mixed():
    rows = [json.loads(line) for line in (RAW / "requests.jsonl").open(encoding="utf-8")]
    assert len(rows) == len({row["request_id"] for row in rows}) >= 2000
    assert 0.2 < sum(row["received_pizza"] for row in rows) / len(rows) < 0.3


@pytest.mark.slow
def test_model_finds_the_truth(built):
    truth = {row["request_id"]: chance for row, chance in sample.simulate()}
    answers = [json.loads(line) for line in built.read("reports/predictions.jsonl").splitlines()]
    labels = [answer["label"] == "true" for answer in answers]
    best = area([truth[answer["id"]] for answer in answers], labels)
    found = area([answer["score"] for answer in answers], labels)
    assert found == pytest.approx(
        json.loads(built.read("reports/metrics.json"))["roc_auc"], abs=1e-6
    )
    assert 0.7 < best < 0.8
    assert found > best - 0.03


@pytest.mark.slow
def test_the_projects_own_tests_pass(project):
    """As its first user runs them, and as its CI does."""
    done = project.run("make", "test", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^\d+ passed in ", done.stdout.splitlines()[-1]), done.stdout
