"""Stage 3: fit the estimator of params.yaml and write the model, one file that takes raw rows."""

import warnings
from pathlib import Path

import joblib
import numpy
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import Pipeline

from exact.dump import dumps, write

from . import params, problems
from .estimators import estimator
from .featurize import dense
from .problems import Refused, shown


def fit(train: dict, features: Pipeline, matrix, labels) -> Pipeline:
    """The model: the steps of `features` and an estimator fitted to `matrix`, (rows, features).

    Raises Refused with scikit-learn's own reason where the two do not go together.
    """
    steps = [("dense", dense())] if train["estimator"] == "hist_gradient_boosting" else []
    steps.append(("estimator", estimator(train)))
    last = Pipeline(steps)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            last.fit(matrix, labels)
    except (OverflowError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split()) + largest(features, matrix)
        raise Refused(f"train.{train['estimator']}: {reason}; fix it in params.yaml") from None
    for warning in caught:
        print(f"train: {train['estimator']}: {' '.join(str(warning.message).split())}")
    if "n_jobs" in last[-1].get_params():
        # Sums over trees in the order in which workers finish differ from call to call.
        last[-1].set_params(n_jobs=None)
    return Pipeline(features.steps + last.steps)


def largest(features: Pipeline, matrix) -> str:
    """Which feature of `matrix` holds a number that is too large, or none; empty if all are fine.

    An estimator may compute with 32 bits.
    """
    most = abs(matrix).max(axis=0)
    most = numpy.nan_to_num(most.toarray() if hasattr(most, "toarray") else most, nan=numpy.inf)
    if most.max() <= numpy.finfo(numpy.float32).max:
        return ""
    name = features["columns"].get_feature_names_out()[most.argmax()]
    return f" (look at the feature {shown(name)}; features.numeric: standard keeps numbers small)"


def main() -> None:
    chosen = params.load("train")["train"]
    features = joblib.load("data/features/transformer.joblib")
    train = joblib.load("data/features/train.joblib")
    # Said at once, for it can take hours.
    print(f"train: fitting {chosen['estimator']} to {len(train['labels'])} rows", flush=True)
    model = fit(chosen, features, train["matrix"], train["labels"])
    params.check_unchanged()
    write({Path("models/model.joblib"): dumps(model)})
    print(f"train: {chosen['estimator']} fitted to {len(train['labels'])} rows")


if __name__ == "__main__":
    problems.run(main, params.check_unchanged)
