"""The page of two versions: what comes from a commit is text in it, whatever it says."""

import json
from html.parser import HTMLParser

import pytest
import wheel

from exact_model import page
from exact_model.curves import Plot, picture
from exact_model.tool import unpack

HOSTILE = "</td><script>alert(1)</script><img src=x onerror=alert(1)> & \"'{{ 7 * 7 }}"
COMMIT = {"commit": "a" * 40, "date": "2026-01-01T00:00:00Z", "behind": None}
SAME = {name: [] for name in ("data", "code", "parameters", "environment", "outputs")}
PLACES = {
    "a branch": lambda told: told["a"].update(name=HOSTILE),
    "an author": lambda told: told["b"].update(author=HOSTILE),
    "a subject": lambda told: told["b"].update(subject=HOSTILE),
    "a stale record": lambda told: told["a"].update(behind=HOSTILE),
    "a metric": lambda told: told["metrics"].update({HOSTILE: [1, 2]}),
    "a metric that one has not": lambda told: told["metrics"].update(x=["(none)", HOSTILE]),
    "no metrics": lambda told: told.update(metrics={"problem": HOSTILE}),
    "no answers": lambda told: told.update(flips={"problem": HOSTILE}),
    "a kind of row": lambda told: told["flips"]["rows"].update({HOSTILE: [row()]}),
    "a row's id": lambda told: told["flips"]["rows"]["x"].append(row(id=HOSTILE)),
    "a row's text": lambda told: told["flips"]["rows"]["x"].append(row(text=HOSTILE)),
    "a row's label": lambda told: told["flips"]["rows"]["x"].append(row(label=[HOSTILE, "b"])),
    "an answer": lambda told: told["flips"]["rows"]["x"].append(row(predicted=["a", HOSTILE])),
}
LINES = {
    "a parameter": "parameters",
    "a raw file": "data",
    "a path of code": "code",
    "a package": "environment",
    "an output": "outputs",
}
POINTS = [[("0", "1"), ("1", "2")], [("0", "1"), ("1", "3")]]
PAIRS = [[("yes", HOSTILE)], [("yes", "no")]]
CURVE, CONFUSION = "simple", "confusion"
PLOTS = {
    "a title": (Plot(HOSTILE, "f", "x", "y", CURVE), POINTS),
    "an axis": (Plot("T", "f", HOSTILE, "y", CURVE), POINTS),
    "the other axis": (Plot("T", "f", "x", HOSTILE, CURVE), POINTS),
    "a problem": (Plot("T", "f", "x", "y", CURVE), [POINTS[0], HOSTILE]),
    "a label": (Plot("T", "f", "x", "y", CONFUSION), PAIRS),
    "a column of labels": (Plot("T", "f", HOSTILE, "y", CONFUSION), PAIRS),
}


def row(**changed) -> dict:
    return {
        "id": "1",
        "label": ["a"],
        "predicted": ["a", "b"],
        "score": [0, 1],
        "text": "t",
    } | changed


def told() -> dict:
    side = {"author": "A", "subject": "S", **COMMIT}
    flips = {"compared": 2, "flipped": 1, "only_before": 1, "only_after": 0, "rows": {"x": []}}
    return {"a": {"name": "A", **side}, "b": {"name": "B", **side}, "metrics": {}, "flips": flips}


class Texts(HTMLParser):
    """The elements and texts of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.texts, self.values = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.values += [f"{name}={value}" for name, value in attributes]

    def handle_data(self, data):
        self.texts.append(data)


def check(text: str) -> None:
    found = Texts(text)
    assert not found.tags & {"script", "img"}
    assert not [value for value in found.values if value.startswith(("onerror", "src"))]
    # It is there, whole and unchanged, in a text or an attribute.
    assert any(HOSTILE in one.replace(" ", " ") for one in [*found.texts, *found.values])


@pytest.mark.parametrize("name", PLACES)
def test_what_is_hostile_is_text(name):
    found = told()
    PLACES[name](found)
    check(page.page(found, [], SAME))


@pytest.mark.parametrize("name", LINES)
def test_a_hostile_line_is_text(name):
    check(page.page(told(), [], {**SAME, LINES[name]: ["first", HOSTILE, *["x"] * 20, HOSTILE]}))


@pytest.mark.parametrize("name", PLOTS)
def test_a_hostile_plot_is_text(name):
    plot, both = PLOTS[name]
    check(page.page(told(), [picture(plot, both, [])], SAME))


def test_a_point_that_is_not_a_number_is_text():
    plot = picture(Plot("T", "f", "x", "y", CURVE), [[("0", "<script>")], POINTS[0]], [])
    texts = Texts(page.page(told(), [plot], SAME))
    assert "script" not in texts.tags and any("'<script>'" in one for one in texts.texts)


def test_what_is_harmless_is_there():
    found = told()
    found["metrics"] = {"roc_auc": [0.5, 0.75], "new": ["(none)", 1]}
    found["flips"]["rows"]["false positives gained"] = [row(id="r7", text="pizza")]
    plots = [picture(*PLOTS["a problem"], []), picture(Plot("P", "f", "x", "y", CURVE), POINTS, [])]
    texts = Texts(page.page(found, plots, {**SAME, "code": ["+1 -0 train.py"]}))
    for text in ("A → B", "roc_auc", "+0.25", "+1 -0 train.py", "r7", "pizza", "P"):
        assert text in texts.texts
    assert "svg" in texts.tags and "class=worse" in texts.values


def test_the_wheel_has_the_template_and_all_modules():
    members = unpack(wheel.build()[1])
    source = wheel.ROOT / "src/exact_model"
    there = {f"exact_model/{path.relative_to(source)}" for path in source.rglob("*.*")}
    there = {name for name in there if "__pycache__" not in name}
    assert "exact_model/page.html" in there and there <= members.keys()


def test_compare_writes_it(exact, unchanged, tmp_path):
    done = exact("compare", "--html", tmp_path / "page.html", "--json", cwd=unchanged.root)
    assert done.status == 0 and json.loads(done.out)["metrics"] == {"score": [0.5, 0.75]}
    texts = Texts((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert "HEAD^ → HEAD" in texts.texts and "size: 1 → 2" in texts.texts
