"""The report's pictures, as SVG files whose bytes depend on the numbers alone."""

import io
from pathlib import Path

import matplotlib
import matplotlib.font_manager
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

TITLES = {
    "roc": "ROC curve (area {roc_auc:.3f})",
    "precision_recall": "Precision and recall (average precision {average_precision:.3f})",
    "calibration": "Calibration (Brier score {brier_score:.3f})",
    "confusion": "Confusion on {rows} held-out rows (accuracy {accuracy:.3f})",
}
# Of more than two labels, whose areas are means over the labels and not those of these curves.
POOLED = {
    "roc": "ROC curve, the answers for all labels pooled",
    "precision_recall": "Precision and recall, the answers for all labels pooled",
    "calibration": "Calibration, the answers for all labels pooled",
}


def draw(curves: dict, found: dict, labels: list[str]) -> dict[str, bytes]:
    """A picture of each of `curves` and of the confusion matrix in the metrics `found`."""
    use_only_what_is_bundled()
    pictures = {}
    for name, columns in curves.items():
        titles = TITLES if len(labels) == 2 else POOLED
        figure, axes = blank(titles[name].format(**found))
        (across, x), (up, y) = columns.items()
        style = "o-" if name == "calibration" else "-"
        axes.plot(x, y, style, color="#2166ac", linewidth=1.8, label="model", clip_on=False)
        by_chance(axes, name, found, labels)
        axes.set(xlabel=words(across), ylabel=words(up), xlim=(0, 1), ylim=(0, 1))
        axes.legend(frameon=False, loc="best" if name != "roc" else "lower right")
        pictures[name] = as_svg(figure)
    pictures["confusion"] = confusion(found, labels)
    return pictures


def use_only_what_is_bundled() -> None:
    """Forget the user's settings and the machine's fonts, either of which would move a line."""
    matplotlib.rcdefaults()
    matplotlib.rcParams.update({"svg.hashsalt": "exact", "svg.fonttype": "path"})
    manager = matplotlib.font_manager.fontManager
    manager.ttflist = []
    for font in sorted(Path(matplotlib.get_data_path(), "fonts/ttf").glob("DejaVuSans*.ttf")):
        manager.addfont(font)


def blank(title: str) -> tuple[Figure, object]:
    figure = Figure(figsize=(5.4, 4.4), layout="constrained")
    FigureCanvasSVG(figure)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=11)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def by_chance(axes, name: str, found: dict, labels: list[str]) -> None:
    """The line of a model that knows nothing, or of one that is perfectly calibrated."""
    if name == "precision_recall":
        positive = sum(found["confusion_matrix"][-1])
        share = positive / found["rows"] if len(labels) == 2 else 1 / len(labels)
        ends, line = [share, share], "chance"
    else:
        ends, line = [0, 1], "perfect" if name == "calibration" else "chance"
    axes.plot([0, 1], ends, ":", color="#777777", linewidth=1.2, label=line)


def confusion(found: dict, labels: list[str]) -> bytes:
    """Rows are the actual labels, columns the predicted ones; shades are shares of a row."""
    figure, axes = blank(TITLES["confusion"].format(**found))
    counts = found["confusion_matrix"]
    shares = [[count / max(1, sum(row)) for count in row] for row in counts]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    small = {"fontsize": max(4, min(10, 80 // len(labels)))}
    axes.set_xticks(range(len(labels)), labels, rotation=90 if len(labels) > 6 else 0, **small)
    axes.set_yticks(range(len(labels)), labels, **small)
    axes.set(xlabel="predicted", ylabel="actual")
    for row, line in enumerate(counts):
        for column, count in enumerate(line):
            shade = "white" if shares[row][column] > 0.5 else "black"
            axes.text(column, row, str(count), ha="center", va="center", color=shade, **small)
    return as_svg(figure)


def words(name: str) -> str:
    return name.replace("_", " ")


def as_svg(figure: Figure) -> bytes:
    image = io.BytesIO()
    figure.savefig(image, format="svg", metadata={"Date": None})
    return image.getvalue()
