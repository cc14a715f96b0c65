"""The plots that a dvc.yaml declares, of two models in one picture each, for page.html."""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from exact_model.dvcfiles import parsed
from exact_model.errors import Refused
from exact_model.git import content
from exact_model.sides import Side

# Of a picture: its size, and the margins at the left, top, right and bottom.
WIDTH, HEIGHT = 420, 330
MARGINS = 52, 12, 14, 46
# A curve with as many points or fewer gets a mark at each.
MOST_MARKS = 30
# Labels of a confusion matrix that are shown.
MOST_LABELS = 20
MARKS = ("before", "after")


class Plot(NamedTuple):
    """A plot as dvc.yaml declares it: the column `y` over the column `x` of a table."""

    title: str
    file: str
    x: str
    y: str
    template: str


def declared(pipeline: object) -> Iterator[Plot]:
    """The plots of a dvc.yaml that name a table with its two columns."""
    found = pipeline.get("plots") if isinstance(pipeline, dict) else None
    for item in found if isinstance(found, list) else [found]:
        for title, told in item.items() if isinstance(item, dict) else ():
            x, y = (told.get("x"), told.get("y")) if isinstance(told, dict) else (None, None)
            # Without a file of its own, y is in the one after which the plot is called.
            for file, columns in y.items() if isinstance(y, dict) else [(title, y)]:
                across = x.get(file) if isinstance(x, dict) else x
                for column in columns if isinstance(columns, list) else [columns]:
                    if isinstance(across, str) and isinstance(column, str):
                        kind = str(told.get("template", ""))
                        yield Plot(str(told.get("title", title)), str(file), across, column, kind)


def pictures(a: Side, b: Side) -> Iterator[dict]:
    """What page.html shows of each plot that one of both declares."""
    plots: dict[tuple[str, str], Plot] = {}
    for one in (b, a):
        for plot in declared(parsed(content(one.root, one.commit, "dvc.yaml") or b"")):
            plots.setdefault((plot.title, plot.y), plot)
    for plot in plots.values():
        yield picture(plot, [points(one, plot) for one in (a, b)], order(a, b))


def order(a: Side, b: Side) -> list[str]:
    """The labels as the metrics have them, the positive one of two last; none if they differ."""
    labels = [one.metrics().get("labels") for one in (a, b)]
    same = labels[0] == labels[1] and isinstance(labels[0], list)
    return [*map(str, labels[0])] if same else []


def points(one: Side, plot: Plot) -> list[tuple[str, str]] | str:
    """The pairs of a plot of one side, or why there are none."""
    try:
        file = one.file(plot.file)
        return pairs(file, plot) if file else f"{plot.file} of {one.name} is not recorded"
    except Refused as refusal:
        return str(refusal)
    except (AttributeError, KeyError, TypeError, ValueError, OSError, csv.Error) as error:
        return f"{plot.file} of {one.name} cannot be understood ({error!r})"


def pairs(file: Path, plot: Plot) -> list[tuple[str, str]]:
    """The values of both columns in each row of a CSV, TSV or JSON file."""
    text = file.read_text(encoding="utf-8-sig")
    if file.suffix == ".json":
        rows = json.loads(text)
    else:
        rows = csv.DictReader(
            io.StringIO(text, newline=""), delimiter="\t" if file.suffix == ".tsv" else ","
        )
    return [(str(row[plot.x]), str(row[plot.y])) for row in rows]


def picture(plot: Plot, both: list[list | str], labels: list[str]) -> dict:
    """A plot of both models; `labels` are those of the metrics, if any."""
    problems = [one for one in both if isinstance(one, str)]
    found = [[] if isinstance(one, str) else one for one in both]
    told = {"title": plot.title, "problems": problems}
    told["is_same"] = found[0] == found[1] and not problems
    if plot.template.startswith("confusion"):
        return {**told, "matrices": matrices(plot, found, labels)}
    try:
        curves = [[(float(x), float(y)) for x, y in one] for one in found]
        return {**told, "drawing": drawing(plot, curves)}
    except (ValueError, ArithmeticError) as error:
        return {**told, "problems": [f"It cannot be drawn: {error}.", *problems]}


# -- curves


def drawing(plot: Plot, curves: list[list[tuple[float, float]]]) -> dict:
    """Where both curves and their axes lie; raises ValueError where there is nothing to draw."""
    every = [point for curve in curves for point in curve]
    if not every or not all(map(math.isfinite, (value for point in every for value in point))):
        raise ValueError("there are no points, or some that are not finite")
    scales = [ticks([point[axis] for point in every]) for axis in (0, 1)]
    left, top, right, bottom = MARGINS

    def place(x: float, y: float) -> tuple[float, float]:
        across, up = (
            (value - scale[0]) / (scale[-1] - scale[0])
            for value, scale in zip((x, y), scales, strict=True)
        )
        return (
            round(left + across * (WIDTH - left - right), 1),
            round(HEIGHT - bottom - up * (HEIGHT - top - bottom), 1),
        )

    (x0, *_, x1), (y0, *_, y1) = scales
    (west, south), (east, north) = place(x0, y0), place(x1, y1)
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "label": f"{plot.title}: {plot.y} over {plot.x} of both models",
        "across": {
            "name": plot.x.replace("_", " "),
            "middle": (west + east) / 2,
            "ticks": [(place(x, y0)[0], north, south, f"{x:g}") for x in scales[0]],
        },
        "up": {
            "name": plot.y.replace("_", " "),
            "middle": (north + south) / 2,
            "ticks": [(place(x0, y)[1], west, east, f"{y:g}") for y in scales[1]],
        },
        "curves": [
            (mark, line := kept([place(*point) for point in curve]), len(line) <= MOST_MARKS)
            for mark, curve in zip(MARKS, curves, strict=True)
        ],
    }


def kept(places: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points of a curve without those that would fall on the one before."""
    return [place for place, last in zip(places, [None, *places], strict=False) if place != last]


def ticks(values: list[float]) -> list[float]:
    """Round numbers, the first at or below all `values` and the last at or above them."""
    low, high = min(values), max(values)
    # A share or probability has the same axis in all pictures.
    if low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    if low == high:
        low, high = low - 0.5, high + 0.5
    size = 10 ** math.floor(math.log10((high - low) / 4))
    step = next(size * by for by in (1, 2, 2.5, 5, 10) if (high - low) / (size * by) <= 5)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(number * step, 12) for number in range(first, last + 1)]


# -- confusion matrices


def matrices(plot: Plot, found: list[list], labels: list[str]) -> dict:
    """How often each label was answered for each, by both models, and the errors of two labels."""
    met = {value for one in found for pair in one for value in pair}
    shown = [*labels, *sorted(met - {*labels})]
    counts = [Counter(one) for one in found]
    told = {
        "predicted": plot.x,
        "actual": plot.y,
        "labels": shown[:MOST_LABELS],
        "tables": [matrix(shown[:MOST_LABELS], one) for one in counts],
        "more": len(shown) - MOST_LABELS,
    }
    if len(labels) == len(shown) == 2:
        negative, positive = labels
        wrong = {"positives": (positive, negative), "negatives": (negative, positive)}
        errors = [
            f"false {kind}: {' → '.join(f'{count[pair]:,}' for count in counts)}"
            for kind, pair in wrong.items()
        ]
        told["errors"] = "; ".join(errors).capitalize() + "."
    return told


def matrix(labels: list[str], counts: Counter) -> list[tuple[str, list[tuple[bool, str, int]]]]:
    """Each actual label and its cells: whether that is right, its share of the row, its count."""
    rows = []
    for actual in labels:
        total = sum(counts[predicted, actual] for predicted in labels) or 1
        numbers = [(actual == predicted, counts[predicted, actual]) for predicted in labels]
        rows.append((actual, [(right, f"{count / total:.0%}", count) for right, count in numbers]))
    return rows
