"""The page of `exact compare --html`: one file, with no script, that asks nothing of a network."""

import base64
from collections.abc import Callable, Iterator
from html import escape

from exact.changes import MISSING, Side, answer, shown
from exact.run import Refused

PICTURES = {
    "ROC curve": "reports/roc.svg",
    "Confusion matrix": "reports/confusion.svg",
    "Precision and recall": "reports/precision_recall.svg",
    "Calibration": "reports/calibration.svg",
}
# Pictures and the style are in the page; a picture that is shown as one runs no script.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; } td, th { padding: .2rem .8rem; text-align: left; }
tr + tr td { border-top: 1px solid #8884; } td.number { font-variant-numeric: tabular-nums; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
.two img { width: 100%; background: white; } figure { margin: 0; }
pre { white-space: pre-wrap; } .text { white-space: pre-wrap; max-width: 42rem; }
.better { color: #067a2e; } .worse { color: #b3261e; }
@media (prefers-color-scheme: dark) { .better { color: #6fdd8b; } .worse { color: #ffb4ab; } }
"""


def pictures(one: Side) -> dict[str, str]:
    """Title to data URI of each picture that a side records, or to why there is none."""
    found = {}
    for title, path in PICTURES.items():
        try:
            file = one.file(path)
            if file:
                found[title] = (
                    "data:image/svg+xml;base64," + base64.b64encode(file.read_bytes()).decode()
                )
        except Refused as refusal:
            found[title] = str(refusal)
    return found


def page(
    found: dict,
    before: dict[str, str],
    after: dict[str, str],
    report: Callable[[dict], Iterator[str]],
) -> str:
    """The whole page; `before` and `after` are the `pictures` of both, `report` is the text."""
    names = [escape(found[which]["name"]) for which in ("a", "b")]
    text = escape("\n".join(report(found)).partition("\nmetrics")[0])
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width">
<title>{names[0]} → {names[1]}</title>
<style>{STYLE}</style>
<h1>{names[0]} → {names[1]}</h1>
<h2>What it did</h2>
{metrics(found["metrics"], names)}
{"".join(pair(title, names, before, after) for title in PICTURES)}
<h2>Answers that changed</h2>
{flips(found["flips"], names)}
<h2>What changed</h2>
<pre>{text}</pre>
</html>
"""


def metrics(found: dict, names: list[str]) -> str:
    """The numbers of both, side by side."""
    if "problem" in found:
        return f"<p>{escape(found['problem'])}</p>"
    rows = ""
    for name, (old, new) in found.items():
        change = "" if MISSING in (old, new) or old == new else f"{new - old:+.6g}"
        cells = "".join(f'<td class="number">{escape(str(v))}</td>' for v in (old, new, change))
        rows += f"<tr><td>{escape(name)}</td>{cells}</tr>"
    head = "".join(f"<th>{word}</th>" for word in ("metric", *names, "change"))
    return f"<table><tr>{head}</tr>{rows}</table>"


def pair(title: str, names: list[str], before: dict[str, str], after: dict[str, str]) -> str:
    """A picture of both models, side by side."""
    if title not in before and title not in after:
        return ""
    figures = ""
    for name, side in zip(names, (before, after), strict=True):
        what = side.get(title, "not recorded")
        alt = escape(f"{title} of ") + name
        image = f'<img src="{what}" alt="{alt}">' if what.startswith("data:") else escape(what)
        figures += f"<figure><figcaption>{name}</figcaption>{image}</figure>"
    return f'<h3>{title}</h3><div class="two">{figures}</div>'


def flips(found: dict, names: list[str]) -> str:
    """Each row whose answer changed, with its text."""
    if "problem" in found:
        return f"<p>{escape(found['problem'])}</p>"
    text = f"<p>{found['flipped']} of {found['compared']} held-out rows that both have.</p>"
    if found["only_before"] or found["only_after"]:
        text += (
            f"<p>The held-out set is another: {found['only_before']} rows are only in {names[0]} "
            f"and {found['only_after']} only in {names[1]}, and not compared.</p>"
        )
    for kind, rows in found["rows"].items():
        mark = "better" if kind.endswith("lost") or "right now" in kind else "worse"
        mark = mark if "gained" in kind or "lost" in kind or "right" in kind else ""
        text += f'<h3 class="{mark}">{len(rows)} {escape(kind)}</h3><table>'
        head = "".join(f"<th>{word}</th>" for word in ("id", "label", *names, "text"))
        text += f"<tr>{head}</tr>" + "".join(map(flipped, rows)) + "</table>"
    return text


def flipped(row: dict) -> str:
    """A row of the table."""
    answers = [answer(row, 0), answer(row, 1)]
    label = " → ".join(dict.fromkeys(map(shown, row["label"])))
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in (row["id"], label, *answers))
    return f'<tr>{cells}<td class="text">{escape(row["text"])}</td></tr>'
