"""The page of `exact compare --html`: one file, with no script, that asks nothing of a network.

What is in it is chosen here, and how it looks is said in page.html, which escapes all of it.
"""

from collections.abc import Iterable, Iterator

from exact_model.changes import shown
from exact_model.flips import answer
from exact_model.sides import MISSING
from exact_model.text import SHORT

# What is told of the commits themselves, before what became of it.
CAUSES = ("data", "code", "parameters", "environment")
# Lines of a section, rows of a kind, and letters of a row that are in the page.
MOST_LINES = 12
MOST_ROWS = 200
MOST_LETTERS = 2000


def page(found: dict, pictures: Iterable[dict], lines: dict[str, list[str]]) -> str:
    """The whole page: what `changes` found, the `pictures` of both, the lines on each section."""
    from jinja2 import Environment, PackageLoader

    options = {"autoescape": True, "trim_blocks": True, "lstrip_blocks": True}
    environment = Environment(loader=PackageLoader("exact_model", ""), **options)
    environment.filters["number"] = "{:,}".format
    text = environment.get_template("page.html").render(
        names=[found[which]["name"] for which in ("a", "b")],
        commits=[commit(found[which]) for which in ("a", "b")],
        causes=[(name, *halves(lines[name])) for name in CAUSES if lines[name]],
        same=[name for name in CAUSES if not lines[name]],
        metrics=found["metrics"] if "problem" in found["metrics"] else metrics(found["metrics"]),
        outputs=lines["outputs"],
        pictures=pictures,
        flips=found["flips"],
        kinds=[] if "problem" in found["flips"] else kinds(found["flips"]),
    )
    # Its macros come first and leave empty lines.
    return text.lstrip() + "\n"


def halves(lines: list[str]) -> tuple[list[str], list[str]]:
    """The lines that are shown, and those that are shown on demand."""
    return lines[:MOST_LINES], lines[MOST_LINES:]


def commit(one: dict) -> dict[str, str]:
    """Which commit one of the two is, and why its records do not describe it, if so."""
    who = f"{one['commit'][:SHORT]}, {one['date'][:10]}, {one['author']}: {one['subject']}"
    return {"name": one["name"], "who": who, "behind": one["behind"]}


def metrics(found: dict) -> dict[str, list]:
    """The numbers of both, side by side, and by how much they differ."""
    changes = {
        name: "" if MISSING in (old, new) or old == new else f"{new - old:+.6g}"
        for name, (old, new) in found.items()
    }
    return {"rows": [(name, *pair, changes[name]) for name, pair in found.items()]}


def kinds(flips: dict) -> Iterator[dict]:
    """The rows whose answers changed in each way, with their texts."""
    for name, rows in flips["rows"].items():
        is_better = name.endswith("lost") or "right now" in name
        is_worse = name.endswith("gained") or "wrong now" in name
        yield {
            "name": name,
            "mark": "better" if is_better else "worse" if is_worse else None,
            "count": len(rows),
            "rows": map(row_of, rows[:MOST_ROWS]),
            "more": len(rows) - MOST_ROWS,
        }


def row_of(row: dict) -> tuple[list[str], str]:
    """The cells of a row, and its text."""
    label = " → ".join(dict.fromkeys(map(shown, row["label"])))
    text = row["text"]
    text = text if len(text) <= MOST_LETTERS else f"{text[:MOST_LETTERS]} …"
    return [str(row["id"]), label, answer(row, 0), answer(row, 1)], text
