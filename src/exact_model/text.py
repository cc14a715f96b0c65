"""What is printed: text that cannot steer a terminal, and tables for terminals and Markdown."""

from collections.abc import Iterable, Sequence

# Characters of a hash or a commit that people see.
SHORT = 12


def printable(text: str, most: int | None = None) -> str:
    """At most `most` characters of `text`, those escaped that could steer a terminal."""
    if most is not None and len(text) > most:
        text = text[: most - 1] + "…"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def table(rows: Iterable[Sequence[str]]) -> list[str]:
    """A line for each row, its cells escaped and below each other; the last cell may be long."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ((c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in rows)
    return ["  ".join(row).rstrip() for row in padded]


def markdown_table(rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table in Markdown, of which the first row is the heading."""
    lines = [f"| {' | '.join(markdown(printable(cell)) for cell in row)} |" for row in rows]
    columns = next((len(row) for row in rows), 0)
    return [*lines[:1], "|---" * columns + "|", *lines[1:]] if lines else []


def markdown(text: str) -> str:
    """`text` with what Markdown would take for markup escaped."""
    return "".join(f"\\{c}" if c in r"\|`*_<>[]#@" else c for c in text)
