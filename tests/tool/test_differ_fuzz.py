"""Of any two files that differ, whatever they are, it is said how; nothing raised hides it.

This file runs in the environment of a project, too, which has NumPy and joblib.
"""

import io
import json
import pickle
import random
import sys
from pathlib import Path

import pytest
from processes import in_a_process

PAIRS = 1500
SUFFIXES = ("", ".json", ".jsonl", ".csv", ".tsv", ".svg", ".joblib", ".pkl", ".txt")
PLAIN = ("", "a", "é", "\x1b[31m", "\n", "x" * 200, 0, 1, -0.0, 1e308, 10**400, None, True, [], {})
ODD = (float("nan"), float("inf"))
# Where only one of two has something: an empty text beside another, or beside none.
EMPTY = [
    ('{"x": ""}', '{"x": "abc"}', "x: '' -> 'abc'"),
    ('{"x": "abc"}', '{"x": ""}', "x: 'abc' -> ''"),
    ('{"x": ""}', '{"x": null}', "x: '' -> None"),
    ('{"x": ["", "b"]}', '{"x": ["a", ""]}', "x[0]: '' -> 'a' (and 1 more such)"),
    ("\n", "b\n", "line 1: '' -> 'b'"),
    ("a\n\nc\n", "a\nb\nc\n", "line 2: '' -> 'b'"),
    ("a\n", "a\n\n", "line 2: none -> '\\n'"),
    ("a", "", "the rebuilt file is empty"),
]


def value(chance: random.Random, depth: int = 0):
    """Something that JSON can hold."""
    if depth > 3 or chance.random() < 0.5:
        return chance.choice(PLAIN + ODD)
    if chance.random() < 0.5:
        return [value(chance, depth + 1) for _ in range(chance.randrange(4))]
    keys = ("", "a", "id", "\u202e")
    return {chance.choice(keys): value(chance, depth + 1) for _ in range(chance.randrange(4))}


def table(chance: random.Random) -> str:
    cells = ("", "a", "1", '"', "nan", "1e999", "é", "\0")
    rows = [[chance.choice(cells) for _ in range(chance.randrange(4))] for _ in range(4)]
    return "".join(",".join(row) + chance.choice(("\n", "\r\n", "")) for row in rows)


def pickled(chance: random.Random) -> bytes:
    """Something that a model file may hold, now and then damaged."""
    import joblib
    import numpy

    odd = (numpy.array(["", "b"]), numpy.array([1, 2], "M8[s]"), numpy.zeros(2, [("a", "i4")]))
    kinds = (value(chance), numpy.arange(chance.randrange(3)), {1, ""}, b"", 1j, 10**3000, *odd)
    content, file = chance.choice(kinds), io.BytesIO()
    if chance.random() < 0.5:
        joblib.dump(content, file)
    else:
        pickle.dump(content, file, chance.randrange(2, 6))
    found = bytearray(file.getvalue())
    if chance.random() < 0.3:
        found[chance.randrange(len(found))] = chance.randrange(256)
    return bytes(found)


def content(chance: random.Random, kind: int) -> bytes:
    """The content of a file of some kind."""
    kinds = (
        lambda: json.dumps(value(chance)),
        lambda: "".join(json.dumps(value(chance)) + "\n" * chance.randrange(3) for _ in range(3)),
        lambda: table(chance),
        lambda: "<svg>" + "".join(chance.choice(("<a/>\n", "", "é")) for _ in range(4)) + "</svg>",
        lambda: chance.randbytes(chance.randrange(40)),
        lambda: pickled(chance),
    )
    found = kinds[kind]()
    return found.encode() if isinstance(found, str) else found


def described(folder: Path) -> dict:
    """What is said of each pair of EMPTY, and what is wrong with what is said of random pairs."""
    from exact_model import differ

    def told(one: bytes, other: bytes, *suffixes: str) -> list[str]:
        files = [folder / f"{i}{suffix}" for i, suffix in enumerate(suffixes)]
        for file, text in zip(files, (one, other), strict=True):
            file.write_bytes(text)
        return differ.describe(*files)

    wrong, chance = [], random.Random(7)
    for _ in range(PAIRS):
        kinds = [chance.randrange(6)] * 2
        kinds[0] = kinds[0] if chance.random() < 0.8 else chance.randrange(6)
        pair = [content(chance, kind) for kind in kinds]
        suffixes = chance.choices(SUFFIXES, k=1) * 2
        sentences = told(*pair, *suffixes)
        failed = any("cannot be described" in sentence for sentence in sentences)
        if failed or bool(sentences) != (pair[0] != pair[1]):
            wrong.append([*map(repr, pair), suffixes, sentences])
    empty = [told(one.encode(), other.encode(), ".json", ".json") for one, other, _ in EMPTY]
    # What no file can be: a folder beside a file, and a mistake in the code that describes.
    (folder / "folder").mkdir()
    (folder / "folder/a").write_text("x")
    odd = [differ.describe(folder / "folder", folder / "0.json")]
    differ.by_kind = lambda left, right: {}["mistake"]
    odd.append(told(b"a", b"b", ".txt", ".txt"))
    return {"wrong": wrong, "empty": empty, "odd": odd}


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> dict:
    done = in_a_process(__file__, tmp_path_factory.mktemp("fuzz"))
    return json.loads(done.stdout)


def test_random_pairs_are_described(found):
    assert found["wrong"] == []


@pytest.mark.parametrize("number", range(len(EMPTY)))
def test_an_empty_text_is_shown_as_one(number, found):
    assert EMPTY[number][2] in found["empty"][number]


def test_whatever_goes_wrong_something_is_said(found):
    folder, mistake = found["odd"]
    assert folder == ["other content in a"]
    assert mistake == ["how they differ cannot be described (KeyError: 'mistake')"]


if __name__ == "__main__":
    print(json.dumps(described(Path(sys.argv[1]))))
