"""Print the md5 of every output of every kind of model and feature, as JSON.

Run in a project as `exact run python every_kind.py FOLDER [KIND...]`. All is done in one process,
since importing scikit-learn on an emulated CPU takes ten times as long as one kind, and a program
that an emulated one starts would run on the real CPU. What was made is left in FOLDER, by kind.
"""

import contextlib
import hashlib
import json
import os
import sys
from pathlib import Path

from altruism import evaluate, featurize, params, prepare, train
from ruamel.yaml import YAML

# One row of this many: 250 of the bundled sample, some with missing values.
EVERY = 12
RAW = "data/raw/requests.jsonl"
CHARACTERS = {"analyzer": "char", "ngram_range": [1, 6]}
THREE_LABELS = {"label": "device", "labels": ["app", "mobile", "web"], "categorical": []}


def trained(estimator: str, **options) -> dict[str, dict]:
    return {"train": {"estimator": estimator, estimator: options}}


# What to change in params.yaml, beside one kind for each estimator as params.yaml has it.
KINDS = {
    "lbfgs on characters": {
        **trained("logistic_regression", solver="lbfgs"),
        "features": {"text": CHARACTERS},
    },
    "naive Bayes on characters": {
        **trained("multinomial_nb"),
        "features": {"text": CHARACTERS},
    },
    "pairs of words": {"features": {"text": {"ngram_range": [1, 2], "sublinear_tf": True}}},
    "max_features, no lengths": {"features": {"text": {"max_features": 50}, "lengths": False}},
    "standard numbers, all of the timestamp": {
        "features": {"numeric": "standard", "timestamp": ["trend", "day", "week", "year"]},
    },
    "numbers as they are, rare categories": {
        "features": {"numeric": "none", "categorical": {"drop": "first", "min_frequency": 70}},
    },
    "numbers alone": {"data": {"text": []}},
    "three labels": {"data": THREE_LABELS},
    "three labels by trees": {
        **trained("hist_gradient_boosting", max_iter=30),
        "data": THREE_LABELS,
    },
}


def kinds(values: dict) -> dict[str, dict]:
    """All kinds by name; `values` is what params.yaml holds."""
    estimators = [name for name in values["train"] if name != "estimator"]
    return {**{name: {"train": {"estimator": name}} for name in estimators}, **KINDS}


def outputs(pipeline: dict) -> list[str]:
    """The paths of all that the stages of dvc.yaml make."""
    outs = [out for stage in pipeline.values() for out in stage["outs"] + stage.get("metrics", [])]
    return [out if isinstance(out, str) else [*out][0] for out in outs]


def make(folder: Path, values: dict, rows: str) -> None:
    """Run the four stages in `folder`, which must not exist."""
    (folder / RAW).parent.mkdir(parents=True)
    (folder / RAW).write_text(rows, encoding="utf-8")
    (folder / "requirements.lock").write_bytes(Path("requirements.lock").read_bytes())
    # YAML takes JSON.
    (folder / "params.yaml").write_text(json.dumps(values), encoding="utf-8")
    with contextlib.chdir(folder), contextlib.redirect_stdout(sys.stderr):
        for stage in (prepare, featurize, train, evaluate):
            stage.main()


def main(folder: Path, chosen: list[str]) -> None:
    yaml = YAML(typ="safe", pure=True)
    values = yaml.load(Path("params.yaml").read_text(encoding="utf-8"))
    names = outputs(yaml.load(Path("dvc.yaml").read_text(encoding="utf-8"))["stages"])
    rows = "".join(Path(RAW).read_text(encoding="utf-8").splitlines(keepends=True)[::EVERY])
    # The stages would refuse a params.yaml that was written after `exact run` began.
    params.check_unchanged = lambda: None
    found = {}
    for kind, changes in kinds(values).items():
        if kind in chosen or not chosen:
            merged = {name: {**keys, **changes.get(name, {})} for name, keys in values.items()}
            make(folder / kind, merged, rows)
            made = {name: (folder / kind / name).read_bytes() for name in names}
            found[kind] = {name: hashlib.md5(content).hexdigest() for name, content in made.items()}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(Path(os.path.abspath(sys.argv[1])), sys.argv[2:])
