"""What a model answers, row by row."""

import joblib
import numpy

from .params import label_name
from .problems import Refused, shown


def load(source, where: str):
    """The model in `source`, a path or a file opened for reading bytes."""
    try:
        return joblib.load(source)
    except OSError:
        raise
    # What a damaged file raises depends on where the damage is.
    except Exception as error:
        told = f"{where} is damaged, or needs other packages ({shown(str(error))})"
        again = "`. .venv/bin/activate; dvc repro --force --single-item train`"
        raise Refused(f"{told}; run `.venv/bin/dvc checkout --force`, or {again}") from None


def ordered_scores(model, rows, labels: list[str]):
    """The model's probabilities with a column for each of `labels`, in their order.

    Labels are compared as text, since a model knows true and params.yaml's reader 'true'.
    Raises Refused where params.yaml, which the rows were read by, is not the model's.
    """
    classes = [label_name(label) for label in model.classes_.tolist()]
    mend = "run `make`, or give params.yaml back its old values"
    if {*classes} != {*labels}:
        known = ", ".join(map(shown, model.classes_.tolist()))
        raise Refused(f"params.yaml has other labels than the model ({known}); {mend}")
    try:
        scores = model.predict_proba(rows)[:, [classes.index(label) for label in labels]]
    except ValueError as error:
        if "infinity" in str(error):
            numbers = [(abs(v), c) for row in rows for c, v in row.items() if type(v) is float]
            number, column = max(numbers, default=(0, "none"))
            told = f"column {shown(column)} holds {number:g}, too large for the model"
            raise Refused(f"{told}; fix that row, or choose another features.numeric") from None
        raise Refused(f"params.yaml is not the model's ({error}); {mend}") from None
    if not numpy.isfinite(scores).all():
        told = "the model answers probabilities that are not numbers"
        raise Refused(f"{told}; mend the estimator's parameters in params.yaml")
    return scores


def answers(labels: list, names: list[str], scores, actual=None) -> list[dict]:
    """One answer a row: its id, its label where that is known, the predicted one and the score.

    `labels` are in the order of the columns of `scores`, as the answers shall name them. The score
    is the probability of the positive label, or of each label where there are more than two.
    """
    found = []
    for index, (name, row) in enumerate(zip(names, scores.tolist(), strict=True)):
        known = {} if actual is None else {"label": actual[index]}
        score = row[1] if len(labels) == 2 else dict(zip(labels, row, strict=True))
        predicted = labels[row.index(max(row))]
        found.append({"id": name, **known, "predicted": predicted, "score": score})
    return found
