"""The estimators that params.yaml can name."""

from sklearn.base import ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import ComplementNB, MultinomialNB

CLASSES = {
    "logistic_regression": LogisticRegression,
    "multinomial_nb": MultinomialNB,
    "complement_nb": ComplementNB,
    "random_forest": RandomForestClassifier,
    "hist_gradient_boosting": HistGradientBoostingClassifier,
    "sgd": SGDClassifier,
}
# saga's bits do not depend on the BLAS kernel; only a probabilistic loss gives predict_proba.
DEFAULTS = {"logistic_regression": {"solver": "saga"}, "sgd": {"loss": "log_loss"}}


def estimator(train: dict) -> ClassifierMixin:
    """The unfitted estimator of the section `train`; its seed is 0 unless another is named."""
    name = train["estimator"]
    made = CLASSES[name](**{**DEFAULTS.get(name, {}), **train[name]})
    if "random_state" in made.get_params() and "random_state" not in train[name]:
        made.set_params(random_state=0)
    return made
