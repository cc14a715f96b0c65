"""Stage 4: measure the model that was written on the held-out rows."""

import csv
import hashlib
import io
import json
from collections import Counter
from pathlib import Path

import numpy
from sklearn import metrics
from sklearn.calibration import calibration_curve

from exact.dump import write

from . import params, plots, problems
from .card import card, of_sample
from .rows import count_trained, json_lines, read_prepared
from .scores import answers, load, ordered_scores

MODEL = "models/model.joblib"
REPORTS = Path("reports")
DIGITS = 6


def measure(labels: list[str], actual, scores) -> dict:
    """Every metric of the report, by name, rounded to six digits.

    `actual` holds the labels of the rows, (rows,), and `scores` the probability of each label of
    `labels`, (rows, labels). The last of two labels is the positive one; with more of them ROC AUC
    and average precision are means over the labels, each against the rest. A row of the confusion
    matrix is an actual label, a column a predicted one, both in the order of `labels`.
    """
    predicted = numpy.array(labels)[scores.argmax(axis=1)]
    hits = one_hot(labels, actual)
    if len(labels) == 2:
        hits, ranked = hits[:, 1], scores[:, 1]
    else:
        ranked = scores
    commonest, count = max(Counter(actual).items(), key=lambda item: (item[1], item[0]))
    accuracy = metrics.accuracy_score(actual, predicted)
    values = {
        "roc_auc": metrics.roc_auc_score(hits, ranked),
        "average_precision": metrics.average_precision_score(hits, ranked),
        "log_loss": metrics.log_loss(one_hot(labels, actual), scores),
        "brier_score": brier(labels, actual, scores),
        "accuracy": accuracy,
        "balanced_accuracy": metrics.balanced_accuracy_score(actual, predicted),
        "macro_f1": metrics.f1_score(actual, predicted, average="macro", zero_division=0),
        "commonest_label_accuracy": count / len(actual),
    }
    confusion = metrics.confusion_matrix(actual, predicted, labels=labels)
    return {
        **{name: round(float(value), DIGITS) for name, value in values.items()},
        "better_than_commonest_label": bool(accuracy > count / len(actual)),
        "commonest_label": commonest,
        "confusion_matrix": confusion.tolist(),
        "labels": labels,
        "rows": len(actual),
    }


def measure_parts(labels: list[str], actual, scores, train_rows: int, seen: list[bool]) -> dict:
    """The metrics of all held-out rows and, where a training row has the text of some, of the rest.

    A model may remember a text that it was trained on. `seen` says of which rows it may, (rows,).
    """
    found = {
        **measure(labels, actual, scores),
        "train_rows": train_rows,
        "rows_with_a_text_trained_on": sum(seen),
    }
    new = ~numpy.array(seen)
    rest = numpy.asarray(actual)[new].tolist()
    # Of fewer labels there is no area, and an accuracy would not be of the same question.
    if any(seen) and {*rest} == {*labels}:
        only = measure(labels, rest, scores[new])
        found |= {f"{name}_on_new_texts": only[name] for name in ("roc_auc", "accuracy")}
    return found


def one_hot(labels: list[str], actual):
    """1 where a row has a label and 0 elsewhere, (rows, labels)."""
    return (numpy.asarray(actual)[:, None] == numpy.array(labels)[None, :]).astype(int)


def brier(labels: list[str], actual, scores) -> float:
    """The mean squared error of the positive label's probability; summed over more than two."""
    squares = (scores - one_hot(labels, actual)) ** 2
    return squares[:, 1].mean() if len(labels) == 2 else squares.sum(axis=1).mean()


def curves(labels: list[str], actual, scores) -> dict[str, dict[str, list]]:
    """Points of the ROC, the precision-recall and the calibration curve, by column.

    Of the positive label, or of all answers pooled (micro average) where there are more than two.
    """
    hits = one_hot(labels, actual)
    of_positive = (slice(None), 1) if len(labels) == 2 else slice(None)
    hits, ranked = hits[of_positive].ravel(), scores[of_positive].ravel()
    false_rate, true_rate, _ = metrics.roc_curve(hits, ranked)
    precision, recall, _ = metrics.precision_recall_curve(hits, ranked)
    observed, predicted = calibration_curve(hits, ranked, n_bins=10, strategy="quantile")
    return {
        "roc": {"false_positive_rate": false_rate, "true_positive_rate": true_rate},
        "precision_recall": {"recall": recall, "precision": precision},
        "calibration": {"predicted_probability": predicted, "observed_share": observed},
    }


def table(columns: dict) -> bytes:
    """`columns` of equal length as CSV, numbers rounded to six digits."""
    text = io.StringIO(newline="")
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        lines.writerow([v if isinstance(v, str) else f"{round(float(v), DIGITS):g}" for v in row])
    return text.getvalue().encode()


def verdict(found: dict) -> str:
    """What a person should know of the metrics first, in one sentence."""
    accuracy, base = found["accuracy"], found["commonest_label_accuracy"]
    always = f"always answering '{found['commonest_label']}' ({base:.3f})"
    if not found["better_than_commonest_label"]:
        word = "worse than" if accuracy < base else "no better than"
        return f"the model is {word} {always}: its accuracy is {accuracy:.3f}"
    return f"the model is better than {always}: its accuracy is {accuracy:.3f}"


def md5(path: str) -> str:
    """The hash by which dvc.lock knows a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def main() -> None:
    values = params.load("exact", "data", "split", "features", "train", "card")
    labels = values["data"]["labels"]
    rows, actual, names = read_prepared(Path("data/prepared/test.jsonl"))
    # From the file, not from memory: what is measured is what others will load.
    scores = ordered_scores(load(MODEL, MODEL), rows, labels)
    trained = count_trained(Path("data/prepared/train.jsonl"), rows, values["data"])
    found = measure_parts(labels, actual, scores, *trained)
    report = json.dumps(found, ensure_ascii=False, allow_nan=False, indent=2, sort_keys=True)
    predicted = [labels[index] for index in scores.argmax(axis=1)]
    drawn = curves(labels, actual, scores)
    tables = {**drawn, "confusion": {"actual": actual, "predicted": predicted}}
    pictures = plots.draw(drawn, found, labels)
    hashes = {path: md5(path) for path in (values["data"]["file"], "requirements.lock", MODEL)}
    files = {
        "model_card.md": card(values, found, hashes).encode(),
        "metrics.json": (report + "\n").encode(),
        "predictions.jsonl": json_lines(answers(labels, names, scores, actual)),
        **{f"{name}.csv": table(columns) for name, columns in tables.items()},
        **{f"{name}.svg": image for name, image in pictures.items()},
    }
    params.check_unchanged()
    write({REPORTS / name: content for name, content in files.items()})
    unsaid = [f"card.{key}" for key, words in values["card"].items() if words is None]
    if unsaid:
        print(f"evaluate: not said yet in params.yaml: {', '.join(unsaid)}")
    if of_sample(values["card"], hashes[values["data"]["file"]]):
        told = "params.yaml: card.intended_use still speaks of the sample; the data is another"
        print(f"evaluate: {told}: write what this model is for")
    area = f"ROC AUC {found['roc_auc']:.3f} on {len(rows)} held-out rows"
    print(f"evaluate: {area}; {verdict(found)}")


if __name__ == "__main__":
    problems.run(main, params.check_unchanged)
