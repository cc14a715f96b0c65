"""The page of `exact compare --html`: one file, with no script, that asks nothing of a network."""

from collections.abc import Iterable
from html import escape

from exact_model.changes import MISSING, answer, shown
from exact_model.show import SHORT

# The style is in the page, and nothing else may be loaded or run.
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
# What is told of the commits themselves, before what became of it.
CAUSES = ("data", "code", "parameters", "environment")
# Lines of a section, rows of a kind, and letters of a row that are in the page.
MOST_LINES = 12
MOST_ROWS = 200
MOST_LETTERS = 2000
STYLE = """
:root { color-scheme: light dark; --line: #8885; --faint: #666;
  --before: #b35806; --after: #2166ac; --right: #2166ac; --wrong: #b35806;
  --better: #067a2e; --worse: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --faint: #aaa; --before: #fdae61; --after: #74add1;
  --right: #74add1; --wrong: #fdae61; --better: #6fdd8b; --worse: #ffb4ab; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
p, ul { margin: .25rem 0; } ul { padding-left: 1.2rem; } li { overflow-wrap: anywhere; }
.faint { color: var(--faint); }
table { border-collapse: collapse; } caption { text-align: left; font-weight: 600; }
td, th { padding: .2rem .8rem; text-align: left; vertical-align: top; }
th { font-weight: 600; } tr + tr > * { border-top: 1px solid var(--line); }
.number { font-variant-numeric: tabular-nums; text-align: right; }
.causes, .plots { display: grid; gap: 1rem 2rem; }
.two { display: flex; flex-wrap: wrap; gap: .5rem 2rem; }
.causes { grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); }
.plots { grid-template-columns: repeat(auto-fit, minmax(26rem, 1fr)); }
figure { margin: 0; break-inside: avoid; overflow-x: auto; }
figcaption span { margin-right: 1.5rem; }
svg.plot { width: 100%; max-width: 34rem; display: block; } svg.key { width: 2rem; height: .6rem; }
svg text { fill: currentColor; font-size: 12px; } .grid { stroke: var(--line); }
polyline, .key path { fill: none; stroke-width: 2; }
.before { stroke: var(--before); stroke-dasharray: 6 3; } .after { stroke: var(--after); }
circle { stroke: none; } circle.before { fill: var(--before); } circle.after { fill: var(--after); }
.matrix td, .matrix th { padding: .2rem .5rem; }
.matrix td { background: color-mix(in srgb, var(--shade) var(--share), transparent); }
.matrix .right { --shade: color-mix(in srgb, var(--right) 45%, transparent); }
.matrix .wrong { --shade: color-mix(in srgb, var(--wrong) 45%, transparent); }
summary { cursor: pointer; padding: .2rem 0; } .text { white-space: pre-wrap; max-width: 42rem; }
.better { color: var(--better); } .worse { color: var(--worse); }
@media print { body { margin: 0; max-width: none; } }
"""


def page(found: dict, pictures: Iterable[str], lines: dict[str, list[str]]) -> str:
    """The whole page: what `changes` found, the `pictures` of both, the lines on each section."""
    names = [escape(found[which]["name"]) for which in ("a", "b")]
    plots = "".join(pictures) or "<p>dvc.yaml declares no plots.</p>"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width">
<title>{names[0]} → {names[1]}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{names[0]} → {names[1]}</h1>
{"".join(map(commit, (found["a"], found["b"])))}
<h2>What changed</h2>
{causes(lines)}
<h2>Metrics</h2>
{metrics(found["metrics"], names)}
{folded("outputs that differ", lines["outputs"])}
<h2>Curves</h2>
<div class="plots">{plots}</div>
<h2>Answers that changed</h2>
{flips(found["flips"], names)}
</body>
</html>
"""


def commit(one: dict) -> str:
    """Which commit one of the two is, and whether its records describe it."""
    who = f"{one['commit'][:SHORT]}, {one['date'][:10]}, {one['author']}: {one['subject']}"
    text = f'<p>{escape(one["name"])} <span class="faint">({escape(who)})</span></p>'
    return text + (f'<p class="worse">{escape(one["behind"])}</p>' if one["behind"] else "")


def causes(lines: dict[str, list[str]]) -> str:
    """What was changed by somebody; what is the same is named in one line."""
    text = ""
    for name in CAUSES:
        if found := lines[name]:
            more = folded("more", found[MOST_LINES:])
            text += f"<div><h3>{name.capitalize()}</h3>{items(found[:MOST_LINES])}{more}</div>"
    same = ", ".join(name for name in CAUSES if not lines[name])
    text = f'<div class="causes">{text}</div>'
    return text + (f'<p class="faint">The same in both: {same}.</p>' if same else "")


def folded(what: str, lines: list[str]) -> str:
    """A list that is shown on demand, below how many it has; nothing for an empty one."""
    summary = f"<summary>{len(lines):,} {what}</summary>"
    return f"<details>{summary}{items(lines)}</details>" if lines else ""


def items(lines: list[str]) -> str:
    """A list of lines."""
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def metrics(found: dict, names: list[str]) -> str:
    """The numbers of both, side by side."""
    if "problem" in found:
        return f"<p>{escape(found['problem'])}</p>"
    rows = ""
    for name, (old, new) in found.items():
        change = "" if MISSING in (old, new) or old == new else f"{new - old:+.6g}"
        cells = "".join(f'<td class="number">{escape(str(v))}</td>' for v in (old, new, change))
        rows += f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'
    heads = "".join(f'<th scope="col" class="number">{word}</th>' for word in (*names, "change"))
    return f'<table><tr><th scope="col">metric</th>{heads}</tr>{rows}</table>'


def flips(found: dict, names: list[str]) -> str:
    """How many answers changed in which way, with the rows folded."""
    if "problem" in found:
        return f"<p>{escape(found['problem'])}</p>"
    text = f"<p>{found['flipped']:,} of {found['compared']:,} held-out rows that both have.</p>"
    if found["only_before"] or found["only_after"]:
        text += (
            f"<p>The held-out set is another: {found['only_before']:,} rows are only in {names[0]} "
            f"and {found['only_after']:,} only in {names[1]}, and not compared.</p>"
        )
    return text + "".join(kind(name, rows, names) for name, rows in found["rows"].items())


def kind(name: str, rows: list[dict], names: list[str]) -> str:
    """The rows of one kind, with their texts, below their number."""
    is_better = name.endswith("lost") or "right now" in name
    is_worse = name.endswith("gained") or "wrong now" in name
    mark = ' class="better"' * is_better + ' class="worse"' * is_worse
    head = "".join(f'<th scope="col">{word}</th>' for word in ("id", "label", *names, "text"))
    table = f"<table><tr>{head}</tr>{''.join(map(flipped, rows[:MOST_ROWS]))}</table>"
    if len(rows) > MOST_ROWS:
        table += f"<p>and {len(rows) - MOST_ROWS:,} more (exact compare --json has all)</p>"
    summary = f"<summary><strong{mark}>{len(rows):,} {escape(name)}</strong></summary>"
    return f"<details>{summary}{table}</details>"


def flipped(row: dict) -> str:
    """A row of the table."""
    answers = [answer(row, 0), answer(row, 1)]
    label = " → ".join(dict.fromkeys(map(shown, row["label"])))
    cells = "".join(f"<td>{escape(cell)}</td>" for cell in (str(row["id"]), label, *answers))
    text = row["text"]
    text = text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]} …"
    return f'<tr>{cells}<td class="text">{escape(text)}</td></tr>'
