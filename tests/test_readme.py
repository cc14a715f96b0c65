"""The numbers and links in the READMEs are those that a reader will see."""

import json
import re

import pytest
from bake import PROJECT, ROOT
from golden import GOLDEN

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ["README.md", f"{PROJECT}/README.md"])
def test_readme_is_short(path):
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) < 150


def test_demo_ends_with_the_golden_hashes():
    models = json.loads((GOLDEN / "md5.json").read_bytes())["models"]
    shown = dict(re.findall(r"^(v\d\.0\.0|recovered) +([0-9a-f]{32})$", README, re.MULTILINE))
    assert shown == {
        "v1.0.0": models["logistic_regression"],
        "v2.0.0": models["multinomial_nb"],
        "recovered": models["logistic_regression"],
    }


def test_the_table_of_verify_has_the_golden_model():
    md5 = json.loads((GOLDEN / "md5.json").read_bytes())["outputs"]["models/model.joblib"]
    assert f"models/model.joblib               {md5[:12]}  {md5[:12]}  " in README


def test_the_story_of_a_file_is_that_of_the_golden_model():
    md5 = json.loads((GOLDEN / "md5.json").read_bytes())["outputs"]["models/model.joblib"]
    story = (ROOT / "docs/which-model.md").read_text(encoding="utf-8")
    assert story.count(f"md5          {md5}\n") == 2 and f"{md5[:12]} → " in story


@pytest.mark.parametrize("path", re.findall(r"\]\(<?((?!http)[^)>]+)>?\)", README))
def test_linked_file_exists(path):
    assert (ROOT / path).is_file()


@pytest.mark.slow
def test_generated_readme_says_what_the_build_prints(built):
    line = next(line for line in built.read("README.md").splitlines() if "evaluate:" in line)
    metrics = json.loads(built.read("reports/metrics.json"))
    numbers = [metrics[name] for name in ("roc_auc", "commonest_label_accuracy", "accuracy")]
    assert re.findall(r"0\.\d{3}", line) == [f"{number:.3f}" for number in numbers]
    assert f"on {metrics['rows']} held-out rows" in line
