"""What is printed cannot steer a terminal, nor be taken for markup."""

import pytest

from exact_model.text import markdown_table, printable, table

KEPT = ["", "a b", "naïve", "日本", "🍕", "e\u0301", "\\x1b", "`x` | <b>"]
ESCAPED = {
    "escape": ("\x1b[31m", "\\x1b[31m"),
    "line feed": ("a\nb", "a\\nb"),
    "carriage return": ("a\rb", "a\\rb"),
    "tab": ("a\tb", "a\\tb"),
    "bell": ("\x07", "\\x07"),
    "delete": ("\x7f", "\\x7f"),
    "C1 control": ("\x9b31m", "\\x9b31m"),
    "right to left": ("\u202e", "\\u202e"),
    "zero width": ("\u200b", "\\u200b"),
    "line separator": ("\u2028", "\\u2028"),
    "half a pair": ("\udcff", "\\udcff"),
    "beyond 16 bits": ("\U000e0001", "\\U000e0001"),
}


@pytest.mark.parametrize("text", KEPT)
def test_kept(text):
    assert printable(text) == text


@pytest.mark.parametrize("name", ESCAPED)
def test_escaped(name):
    text, told = ESCAPED[name]
    assert printable(text) == told and told.isprintable()


def test_cut():
    assert printable("x" * 10, 10) == "x" * 10
    assert printable("x" * 11, 10) == "x" * 9 + "…"


def test_a_table_for_a_terminal():
    rows = [("verdict", "stage"), ("same\n", "a\x1b"), ("x", "long one")]
    assert table(rows) == ["verdict  stage", "same\\n   a\\x1b", "x        long one"]
    assert table([]) == []
    assert table([("a", "")]) == ["a"]


def test_a_table_in_markdown():
    assert markdown_table([("a", "b"), ("x|y", "<i>\n")]) == [
        "| a | b |",
        "|---|---|",
        "| x\\|y | \\<i\\>\\\\n |",
    ]
    assert markdown_table([]) == []
