"""The estimator that params.yaml names."""

import importlib

from sklearn.base import ClassifierMixin

from .params import ESTIMATORS
from .problems import Refused

# saga's bits do not depend on the BLAS kernel; only a probabilistic loss gives predict_proba.
DEFAULTS = {"logistic_regression": {"solver": "saga"}, "sgd": {"loss": "log_loss"}}


def estimator(train: dict) -> ClassifierMixin:
    """The unfitted estimator of the section `train`; its seed is 0 unless another is named."""
    name = train["estimator"]
    file, class_name = ESTIMATORS[name]
    # Only the one that is needed, since importing all six takes as long as fitting one.
    path = file.removesuffix(".py").replace("/", ".")
    try:
        module = importlib.import_module(f"sklearn.{path}")
    except ModuleNotFoundError:  # It is another package's.
        module = importlib.import_module(path)
    made = getattr(module, class_name)(**{**DEFAULTS.get(name, {}), **train[name]})
    if not hasattr(made, "predict_proba"):
        fix = "choose one with predict_proba"
        raise Refused(f"train.{name}: {class_name} gives no probabilities; {fix}")
    if "random_state" in made.get_params() and "random_state" not in train[name]:
        made.set_params(random_state=0)
    return made
