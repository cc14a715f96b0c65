"""The page of `exact compare --html`, of small histories whose reports git itself holds."""

import json
import re
from html.parser import HTMLParser

import pytest
from projects import OBSCURE
from test_which import Records

pytestmark = pytest.mark.slow
HOSTILE = "</td><script>document.title = 'ran'</script><img src=x onerror=alert(1)> & \""
CURVE, PAIRS, SINGLE = "reports/curve.csv", "reports/pairs.csv", "reports/own.tsv"
PLOTS = f"""
stages: {{}}
metrics:
  - reports/metrics.json
plots:
  - ROC <1>:
      template: simple
      x: across
      y: {{{CURVE}: up}}
  - {SINGLE}:
      x: step
      y: loss
  - Confusion:
      template: confusion
      x: predicted
      y: {{{PAIRS}: actual}}
  - reports/picture.png
"""
VOID = {"meta", "img", "br"}


class Parsed(HTMLParser):
    """The elements of a page, each with what it lies in; refuses what is not closed in order."""

    def __init__(self, text: str):
        super().__init__()
        self.open, self.found, self.texts = [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        element = (tag, dict(attributes), [name for name, _, _ in self.open], [])
        self.found.append(element)
        if tag not in VOID:
            self.open.append((tag, dict(attributes), element[3]))

    def handle_startendtag(self, tag, attributes):
        self.found.append((tag, dict(attributes), [name for name, _, _ in self.open], []))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop()[0] == tag, tag

    def handle_data(self, data):
        for _, _, texts in self.open:
            texts.append(data)

    def all(self, tag: str, **wanted) -> list[tuple[dict, list[str], str]]:
        """Attributes, enclosing elements and text of each element of that kind."""
        return [
            (attributes, inside, "".join(texts))
            for name, attributes, inside, texts in self.found
            if name == tag and all(attributes.get(k.strip("_")) == v for k, v in wanted.items())
        ]

    def words(self, tag: str) -> list[str]:
        return [text for _, _, text in self.all(tag)]


def save(records, count: int, flipped: int, up: list[float], message: str, **params) -> str:
    """Commit a version with predictions for `count` rows, of which the first `flipped` are yes."""
    (records.home / "reports").mkdir(exist_ok=True)
    (records.home / "data/prepared").mkdir(parents=True, exist_ok=True)
    rows = [{"id": f"r{i}", "row": {"text": f"{i} {HOSTILE}"}} for i in range(count)]
    answers = [
        {"id": f"r{i}", "label": "no", "predicted": "yes" if i < flipped else "no", "score": 0.5}
        for i in range(count)
    ]
    for name, lines in (("data/prepared/test", rows), ("reports/predictions", answers)):
        records.write(f"{name}.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    pairs = "".join(f"{row['label']},{row['predicted']}\n" for row in answers)
    records.write(PAIRS, "actual,predicted\n" + pairs)
    points = "".join(f"{i / (len(up) - 1)},{value}\n" for i, value in enumerate(up))
    records.write(CURVE, "across,up\n" + points)
    records.write(SINGLE, f"step\tloss\n1\t{300 * up[1]}\n2\t2000\n")
    metrics = {"labels": ["no", "yes"], "score": up[1], "rows": count}
    records.write("reports/metrics.json", json.dumps(metrics))
    records.write("params.yaml", json.dumps({"data": {"text": ["text"]}, **params}))
    return records.model(message, **params)


def page_of(records, *words) -> str:
    file = records.root / "the page.html"
    records.run("exact", "compare", "HEAD^", "HEAD", "--html", file, *words, cwd=records.home)
    return file.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def text(built, tmp_path_factory):
    """The page of two versions of which all of 10,000 answers differ."""
    records = Records(built, tmp_path_factory.mktemp("page") / OBSCURE)
    records.write("dvc.yaml", PLOTS)
    many = {f"p{i}": i for i in range(40)}
    save(records, 10_000, 0, [0, 0.5, 1], f"First {HOSTILE}")
    save(records, 10_000, 10_000, [0, 0.75, 1], "Second", **many)
    return page_of(records)


@pytest.fixture(scope="module")
def page(text):
    return Parsed(text)


def test_what_changed_comes_first(page):
    heads = ["What changed", "Metrics", "Curves", "Answers that changed"]
    assert page.words("h2") == heads
    causes = [text for text in page.words("h3") if text in ("Data", "Code", "Parameters")]
    assert causes == ["Parameters"]
    assert "p0: (none) → 0" in page.words("li")
    assert any("The same in both: data, code, environment." in text for text in page.words("p"))


def test_both_models_are_in_one_picture(page):
    figures = page.all("figure")
    assert page.words("h3")[-3:] == ["ROC <1>", SINGLE, "Confusion"] and len(figures) == 3
    for name in ("before", "after"):
        lines = page.all("polyline", class_=name)
        assert len(lines) == 2 and all("svg" in inside for _, inside, _ in lines)
    plots = page.all("svg", class_="plot")
    assert len(plots) == 2 and all(about["role"] == "img" for about, _, _ in plots)
    assert page.all("svg", class_="plot")[0][0]["aria-label"].startswith("ROC <1>: up over across")
    for caption in page.words("figcaption"):
        assert caption.split() == ["HEAD^", "HEAD"]
    # They lie on the same axes: only the middle of the first curve is another.
    before, after = (
        page.all("polyline", class_=name)[0][0]["points"].split() for name in ("before", "after")
    )
    assert before[0] == after[0] and before[2] == after[2]
    (x, y), (other_x, other_y) = (map(float, one[1].split(",")) for one in (before, after))
    assert x == other_x and other_y < y


def test_axes_hold_all_values(page):
    heights = [
        float(point.split(",")[1])
        for name in ("before", "after")
        for point in page.all("polyline", class_=name)[1][0]["points"].split()
    ]
    assert 0 < min(heights) < max(heights) < 330
    numbers = [text for _, inside, text in page.all("text") if "figure" in inside]
    assert "2000" in numbers and "0.2" in numbers


def test_confusion_matrices_and_their_errors(page):
    assert len(page.all("table", class_="matrix")) == 2
    assert any("False positives: 0 → 10,000; false negatives: 0 → 0." in t for t in page.words("p"))


def test_rows_are_shown_on_demand(page, text):
    details = page.all("details")
    assert details and all("open" not in about for about, _, _ in details)
    summaries = page.words("summary")
    assert "10,000 false positives gained" in summaries and "28 more" in summaries
    rows = [inside for _, inside, words in page.all("td", class_="text")]
    assert len(rows) == 200 and all("details" in inside for inside in rows)
    assert "and 9,800 more (exact compare --json has all)" in page.words("p")
    assert len(text) < 400_000


def test_nothing_of_a_row_or_a_commit_is_markup(page, text):
    assert not page.all("script") and not page.all("img")
    assert f"0 {HOSTILE}" in [words for _, _, words in page.all("td", class_="text")]
    assert any(HOSTILE in words for words in page.words("p"))
    assert not re.search(r"\b(?:src|href)=\"|url\(|@import|https?:", re.sub("&lt;.*", "", text))
    policies = [about["content"] for about, _, _ in page.all("meta") if "http-equiv" in about]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]


ODD = {
    "no plots": "stages: {}",
    "no list": "plots: 5",
    "a list of words": "plots: [a, {b: 1}, {c: {x: 1, y: 2}}, {d: {x: [1], y: {e: [2, 3]}}}]",
    "a missing column": f"plots: [{{T: {{x: nothing, y: {{{CURVE}: up}}}}}}]",
    "a missing file": "plots: [{T: {x: a, y: {reports/none.csv: b}}}]",
    "a picture": f"plots: [{{T: {{x: across, y: {{{PAIRS}: actual}}}}}}]",
    "a dict": f"plots: {{{CURVE}: {{x: across, y: up}}}}",
    "not YAML": "plots: [",
}


@pytest.mark.parametrize("name", ODD)
def test_odd_plots_leave_the_rest(name, built, tmp_path):
    records = Records(built, tmp_path / "odd")
    records.write("dvc.yaml", ODD[name])
    save(records, 3, 1, [0, 0.5, 1], "First")
    save(records, 3, 1, [0, 1e308, -1e308], "Second")
    page = Parsed(page_of(records))
    assert page.words("h2")[-1] == "Answers that changed"
    if name in ("no plots", "no list", "not YAML"):
        assert any("declares no plots" in text for text in page.words("p"))
    if name == "a missing column":
        assert any("KeyError('nothing')" in text for text in page.words("p"))
    if name == "a missing file":
        assert any("reports/none.csv of HEAD is not recorded" in t for t in page.words("p"))
    if name in ("a picture", "a dict"):
        assert any("It cannot be drawn" in text for text in page.words("p"))


def test_the_terminal_folds_long_lists(built, tmp_path):
    records = Records(built, tmp_path / "folded")
    save(records, 3, 1, [0, 0.5, 1], "First")
    save(records, 3, 1, [0, 0.5, 1], "Second", **{f"p{i}": i for i in range(40)})
    told = records.run("exact", "compare", cwd=records.home).stdout
    assert "p19: (none) → 19\n  and 20 more (--json has all)\n" in told and "p20" not in told
    known = records.run("exact", "compare", "--json", cwd=records.home).stdout
    assert len(json.loads(known)["parameters"]) == 40
