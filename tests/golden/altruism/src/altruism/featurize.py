"""Stage 2: learn from the training rows how a raw row becomes numbers, and apply it to them."""

from pathlib import Path

import numpy
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
)
from sklearn.utils._set_output import PandasAdapter

from exact.dump import dumps, write

from . import params, problems
from .problems import Refused, shown
from .rows import read_prepared

# Each with an empty group: what a group holds is the token, so that all tokens are the same one.
COUNTED = {"words": r"()\S+", "lines": r"()[^\n]+"}
# Seconds of a cycle, and into how many parts a spline divides it.
CYCLES = {"day": (86_400, 8), "week": (604_800, 7), "year": (31_556_952, 12)}
FEATURES = Path("data/features")


def transformer(data: dict, features: dict, frame) -> Pipeline:
    """The steps from raw rows to a matrix, unfitted; `frame` is what a vocabulary is cut by.

    Only scikit-learn's own classes, so that the model's file loads without this project.
    """
    steps = []
    for column in data["text"]:
        chosen = {**features["text"], **features["text_by_column"].get(column, {})}
        steps.append((f"{column}: terms", vectorizer(chosen, column, frame), column))
        for name, pattern in COUNTED.items() if features["lengths"] else ():
            steps.append((f"{column}: {name}", counter(pattern, features["numeric"]), column))
    if data["numeric"]:
        steps.append(("numeric", scaler(features["numeric"]), data["numeric"]))
    if data["categorical"]:
        encoder = OneHotEncoder(**{"handle_unknown": "ignore", **features["categorical"]})
        # As in prepared rows: a missing category is the empty one.
        filled = make_pipeline(SimpleImputer(strategy="constant", fill_value=""), encoder)
        steps.append(("categorical", filled, data["categorical"]))
    for part in features["timestamp"] if data["timestamp"] else ():
        step = cycle(*CYCLES[part]) if part in CYCLES else scaler(features["numeric"])
        steps.append((f"{data['timestamp']}: {part}", step, [data["timestamp"]]))
    # The adapter is scikit-learn's own way from a list of rows to a frame; it leaves a frame as is.
    as_frame = FunctionTransformer(
        PandasAdapter().create_container, kw_args={"X_original": None, "columns": None}
    )
    # A name with two underscores would be taken for a parameter of a step.
    steps = [(name.replace("__", "_ _"), *rest) for name, *rest in steps]
    # A row's terms have the length 1 in each text; all texts together shall weigh as one does,
    # since the parameters that suit one text, such as C, would otherwise overfit to several.
    weights = {name: len(data["text"]) ** -0.5 for name, *_ in steps if name.endswith(": terms")}
    columns = ColumnTransformer(steps, sparse_threshold=1, transformer_weights=weights)
    return Pipeline([("frame", as_frame), ("columns", columns)])


def vectorizer(chosen: dict, column: str, frame) -> TfidfVectorizer:
    """Terms of a text column, weighted; `max_features` keeps the commonest, ties by spelling.

    scikit-learn cuts a tie by the order in which a CPU's sort leaves it.
    """
    chosen = {name: tuple(v) if isinstance(v, list) else v for name, v in chosen.items()}
    if isinstance(chosen.get("stop_words"), tuple):
        chosen["stop_words"] = list(chosen["stop_words"])
    most = chosen.pop("max_features", None)
    if most is None:
        return TfidfVectorizer(**chosen)
    shared = CountVectorizer().get_params().keys() & chosen.keys()
    counts = CountVectorizer(**{name: chosen[name] for name in shared})
    try:
        totals = numpy.asarray(counts.fit_transform(frame[column]).sum(axis=0)).ravel()
    except (TypeError, ValueError) as error:
        raise refusal(error, shown(column), frame[column]) from None
    terms = counts.get_feature_names_out()
    kept = sorted(range(len(terms)), key=lambda index: (-totals[index], terms[index]))[:most]
    return TfidfVectorizer(**chosen, vocabulary=sorted(str(terms[index]) for index in kept))


def counter(pattern: str, scale: str) -> Pipeline:
    """How often `pattern` is found in a text, counted as the only term of a vocabulary."""
    count = CountVectorizer(token_pattern=pattern, vocabulary=[""], lowercase=False)
    return make_pipeline(count, dense(), *scaling(scale))


def dense() -> ColumnTransformer:
    """A sparse matrix made dense, by a class of scikit-learn's."""
    return ColumnTransformer([("all", "passthrough", slice(0, None))], sparse_threshold=0)


def scaler(scale: str) -> Pipeline:
    """Numbers with the missing ones filled by the median and marked as such, then scaled."""
    fill = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    return make_pipeline(fill, *scaling(scale))


def scaling(scale: str) -> list:
    """What brings numbers of any unit to a common range; quantiles mind no outlier."""
    if scale == "quantile":
        # All rows, since a subsample would be drawn at random.
        return [QuantileTransformer(n_quantiles=100, subsample=None)]
    return [StandardScaler()] if scale == "standard" else []


def cycle(seconds: int, parts: int) -> Pipeline:
    """A smooth function of the time of the day, week or year, as periodic splines."""
    knots = numpy.linspace(0, seconds, parts + 1).reshape(-1, 1)
    fill = SimpleImputer(strategy="median", keep_empty_features=True)
    return make_pipeline(fill, SplineTransformer(knots=knots, extrapolation="periodic"))


def culprit(steps: list, frame) -> tuple[str, list[str]]:
    """Which of the column transformer's steps cannot be fitted, for a message, and its texts."""
    for name, step, columns in steps:
        try:
            clone(step).fit(frame[columns])
        except (TypeError, ValueError):
            one = isinstance(columns, str)
            return shown(columns) if one else name, [*frame[columns]] if one else []
    return "features", []


def refusal(error: Exception, where: str, texts: list[str]) -> Refused:
    """What to tell of scikit-learn's `error`, where the column's texts are known of these."""
    reason = " ".join(str(error).split())
    if "no terms remain" in reason or "empty vocabulary" in reason:
        if not any(text.strip() for text in texts):
            return Refused(
                f"{where}: every training text is empty; drop it from data.text in params.yaml"
            )
        if not all(text.isascii() for text in texts):
            reason += "; a script without spaces between words needs analyzer: char"
    return Refused(f"{where}: {reason}; fix features in params.yaml")


def main() -> None:
    values = params.load("data", "features")
    rows, labels, _ = read_prepared(Path("data/prepared/train.jsonl"))
    # Said at once, for it can take minutes.
    print(f"featurize: fitting the features to {len(rows)} rows", flush=True)
    frame = PandasAdapter().create_container(rows, None, None)
    fitted = transformer(values["data"], values["features"], frame)
    try:
        matrix = fitted.fit_transform(frame)
    except (TypeError, ValueError) as error:
        raise refusal(error, *culprit(fitted["columns"].transformers, frame)) from None
    # What the model answers: true is true there, and not the text that it is in prepared rows.
    known = dict(zip(values["data"]["labels"], values["data"]["classes"], strict=True))
    train = {"matrix": matrix, "labels": numpy.array([known[label] for label in labels])}
    params.check_unchanged()
    write({FEATURES / "transformer.joblib": dumps(fitted), FEATURES / "train.joblib": dumps(train)})
    print("featurize: {} rows, {} features".format(*matrix.shape))


if __name__ == "__main__":
    problems.run(main, params.check_unchanged)
