"""The plots that a dvc.yaml declares, of two models in one picture each, as SVG and HTML."""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import NamedTuple

from exact_model.changes import Side
from exact_model.dvcfiles import parsed
from exact_model.errors import Refused
from exact_model.git import content

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


def pictures(a: Side, b: Side) -> Iterator[str]:
    """Each plot that one of both declares, as HTML."""
    plots: dict[tuple[str, str], Plot] = {}
    for one in (b, a):
        for plot in declared(parsed(content(one.root, one.commit, "dvc.yaml") or b"")):
            plots.setdefault((plot.title, plot.y), plot)
    names = [escape(one.name) for one in (a, b)]
    for plot in plots.values():
        both = [points(one, plot) for one in (a, b)]
        yield figure(plot, both, names, order(a, b))


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


def figure(plot: Plot, both: list[list | str], names: list[str], labels: list[str]) -> str:
    """A plot of both models under its title; `labels` are those of the metrics, if any."""
    problems = "".join(f"<p>{escape(one)}</p>" for one in both if isinstance(one, str))
    found = [[] if isinstance(one, str) else one for one in both]
    if plot.template.startswith("confusion"):
        inside = matrices(plot, found, names, labels)
    else:
        try:
            inside = drawing(plot, [[(float(x), float(y)) for x, y in one] for one in found])
            inside += f"<figcaption>{legend(names)}</figcaption>"
        except (ValueError, ArithmeticError) as error:
            inside = f"<p>It cannot be drawn: {escape(str(error))}.</p>"
    same = "<p>Both are the same.</p>" if found[0] == found[1] and not problems else ""
    return f"<figure><h3>{escape(plot.title)}</h3>{inside}{same}{problems}</figure>"


def legend(names: list[str]) -> str:
    """Which line is whose."""
    line = '<svg class="key" viewBox="0 0 30 8"><path class="{}" d="M0 4H30"/></svg>'
    return " ".join(
        f"<span>{line.format(mark)} {name}</span>" for mark, name in zip(MARKS, names, strict=True)
    )


# -- curves


def drawing(plot: Plot, curves: list[list[tuple[float, float]]]) -> str:
    """Both curves in one picture; raises ValueError where there is nothing to draw."""
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

    label = escape(f"{plot.title}: {plot.y} over {plot.x} of both models", quote=True)
    lines = "".join(
        line(mark, [place(*point) for point in curve])
        for mark, curve in zip(MARKS, curves, strict=True)
    )
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">'
        f"{axes(plot, scales, place)}{lines}</svg>"
    )


def line(mark: str, places: list[tuple[float, float]]) -> str:
    """A curve, of which points that would fall on the last one are left out."""
    if not places:
        return ""
    kept = [place for place, last in zip(places, [None, *places], strict=False) if place != last]
    drawn = f'<polyline class="{mark}" points="{" ".join(f"{x},{y}" for x, y in kept)}"/>'
    if len(kept) <= MOST_MARKS:
        drawn += "".join(f'<circle class="{mark}" cx="{x}" cy="{y}" r="3"/>' for x, y in kept)
    return drawn


def axes(plot: Plot, scales: list[list[float]], place) -> str:
    """The grid with its numbers, and what both axes are."""
    (x0, *_, x1), (y0, *_, y1) = scales
    found = ""
    for value in scales[0]:
        x, y = place(value, y0)
        found += f'<path class="grid" d="M{x} {y}V{place(value, y1)[1]}"/>'
        found += f'<text x="{x}" y="{y + 16}" text-anchor="middle">{value:g}</text>'
    for value in scales[1]:
        x, y = place(x0, value)
        found += f'<path class="grid" d="M{x} {y}H{place(x1, value)[0]}"/>'
        found += f'<text x="{x - 7}" y="{y + 4}" text-anchor="end">{value:g}</text>'
    middle = (place(x0, y0)[0] + place(x1, y0)[0]) / 2
    height = (place(x0, y0)[1] + place(x0, y1)[1]) / 2
    across, up = (escape(name.replace("_", " ")) for name in (plot.x, plot.y))
    found += f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{across}</text>'
    turned = f'transform="translate(14 {height}) rotate(-90)"'
    return f'{found}<text {turned} text-anchor="middle">{up}</text>'


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


def matrices(plot: Plot, found: list[list], names: list[str], labels: list[str]) -> str:
    """How often each label was answered for each, by both models, and the errors of two labels."""
    met = {value for one in found for pair in one for value in pair}
    shown = [*labels, *sorted(met - {*labels})]
    counts = [Counter(one) for one in found]
    pairs = list(zip(counts, names, strict=True))
    tables = "".join(matrix(plot, shown[:MOST_LABELS], count, name) for count, name in pairs)
    text = f'<div class="two">{tables}</div>'
    if len(shown) > MOST_LABELS:
        text += f"<p>and {len(shown) - MOST_LABELS} more labels</p>"
    if len(labels) == len(shown) == 2:
        negative, positive = labels
        wrong = {"positives": (positive, negative), "negatives": (negative, positive)}
        errors = [
            f"false {kind}: {' → '.join(f'{count[pair]:,}' for count in counts)}"
            for kind, pair in wrong.items()
        ]
        text += f"<p>{escape('; '.join(errors).capitalize())}.</p>"
    return text


def matrix(plot: Plot, labels: list[str], counts: Counter, name: str) -> str:
    """The confusion matrix of one model: a row for each actual label."""
    head = "".join(f'<th scope="col">{escape(label)}</th>' for label in labels)
    rows = ""
    for actual in labels:
        total = sum(counts[predicted, actual] for predicted in labels) or 1
        cells = ""
        for predicted in labels:
            count = counts[predicted, actual]
            kind = "right" if actual == predicted else "wrong"
            share = f"--share: {count / total:.0%}"
            cells += f'<td class="number {kind}" style="{share}">{count:,}</td>'
        rows += f'<tr><th scope="row">{escape(actual)}</th>{cells}</tr>'
    corner = f"<tr><th>{escape(plot.y)} ↓ {escape(plot.x)} →</th>{head}</tr>"
    return f'<table class="matrix"><caption>{name}</caption>{corner}{rows}</table>'
