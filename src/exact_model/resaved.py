"""Whether a model file holds the same model as another one, however it was saved.

A file may hold the model beside other things, as in a dict, and may be a part of the other one.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy

from exact_model.inert import DICT, Inert, Unreadable, plain, read
from exact_model.text import printable
from exact_model.values import MOST_SHOWN, WHOLES, Comparison

# The attribute in which scikit-learn's estimators store the version that saved them, and the one
# in which SciPy's splines store a function whose name depends on SciPy's version.
VERSION, FUNCTION = "._sklearn_version", "._asarray"
CONTAINERS = {str(DICT), "collections.OrderedDict", "collections.defaultdict"}
# Steps of a place, and letters of each, that are printed.
MOST_STEPS = 12
WHOLE = "the whole"


class Fitted(Comparison):
    """Compares what was fitted; `versions` are those of scikit-learn that saved the objects."""

    def __init__(self):
        super().__init__()
        self.versions = set()

    def apart(self, value) -> tuple[tuple, dict]:
        """As in a `Comparison`, without what another version of a library stores otherwise."""
        label, held = super().apart(value)
        if type(value) is Inert and VERSION in held:
            self.versions.add(str(plain(held.pop(VERSION))))
        return label, {step: plain(part) for step, part in held.items() if step != FUNCTION}


class Part(NamedTuple):
    """A value of a file, and where it is: () for the whole, or (the place of its whole, a step)."""

    place: tuple
    value: object


@dataclass
class Parts:
    """Everything that a file holds, by a digest that equal values share.

    `fitted` are the digests of what holds an array, and `members` those of the objects that only
    lists, tuples and dicts hold, as in `{"vectorizer": …, "model": …}`.
    """

    whole: bytes = b""
    by_digest: dict[bytes, Part] = field(default_factory=dict)
    fitted: set[bytes] = field(default_factory=set)
    members: dict[bytes, None] = field(default_factory=dict)
    versions: set[str] = field(default_factory=set)

    @property
    def inner(self) -> set[bytes]:
        """The digests of all but the whole."""
        return {*self.by_digest} - {self.whole}


def parts(root) -> Parts:
    """The parts of what `inert.read` gives.

    Each is hashed once, so that time and memory grow with the file. Raises Unreadable.
    """
    found, comparison, digests = Parts(), Fitted(), {}
    todo = [(Part((), plain(root)), None, True)]
    while todo:
        part, opened, is_outer = todo.pop()
        if opened:
            found.whole = digests[id(part.value)] = add(found, part, opened, digests, is_outer)
        elif id(part.value) not in digests:
            # What holds itself meets this digest, which `same` makes up for.
            digests[id(part.value)] = b"itself"
            label, held = apart(comparison, part.value)
            todo.append((part, (label, held), is_outer))
            is_outer = is_outer and is_container(part.value)
            for step, value in reversed(held.items()):
                if isinstance(value, WHOLES):
                    todo.append((Part((part.place, step), value), None, is_outer))
    found.versions = comparison.versions
    return found


def apart(comparison: Fitted, value) -> tuple[tuple, dict]:
    """As `Fitted.apart`; raises Unreadable for a key that holds itself."""
    try:
        return comparison.apart(value)
    except RecursionError:
        raise Unreadable("a key of a dict or set holds itself or too much") from None


def add(found: Parts, part: Part, opened: tuple, digests: dict, is_outer: bool) -> bytes:
    """Add a part, of which all that it holds was added before; returns its digest."""
    label, held = opened
    inner = {step: digests.get(id(value)) or leaf(value) for step, value in held.items()}
    digest = hashed(label, inner)
    found.by_digest.setdefault(digest, part)
    arrays = (value for value in held.values() if isinstance(value, numpy.ndarray))
    if any(array.size for array in arrays) or not found.fitted.isdisjoint(inner.values()):
        found.fitted.add(digest)
    if is_outer and not is_container(part.value):
        found.members[digest] = None
    return digest


def leaf(value) -> bytes:
    """The digest of a number, text, name or array."""
    label, fields = Comparison().apart(value)
    return hashed(label, {step: leaf(field) for step, field in fields.items()})


def hashed(label: tuple, inner: dict[str, bytes]) -> bytes:
    """The digest of a value that `Comparison` takes apart so, in whatever order its parts are."""
    found = hashlib.sha256()
    steps = [text for pair in sorted(inner.items()) for text in pair]
    for item in [*label, None, *steps]:
        text = item if type(item) is bytes else repr(item).encode("utf-8", "backslashreplace")
        found.update(len(text).to_bytes(8) + text)
    return found.digest()


def is_container(value) -> bool:
    """Whether it is a list, tuple or dict of others, and not an object of its own."""
    return isinstance(value, list | tuple) or (
        type(value) is Inert and str(value.made) in CONTAINERS
    )


def related(given: Parts, recorded: Parts) -> list[tuple[tuple, tuple]]:
    """The places of what is the same in both, in the given file and in the recorded one.

    Both are () when the files hold the same model, one is when a file is a part of the other.
    """
    if given.whole == recorded.whole:
        pairs = [(given.whole, recorded.whole)]
    elif recorded.whole in given.fitted:
        pairs = [(recorded.whole, recorded.whole)]
    else:
        pairs = [(one, one) for one in given.members if one in given.fitted & recorded.fitted]
    both = [(given.by_digest[one], recorded.by_digest[other]) for one, other in pairs]
    return [(one.place, other.place) for one, other in both if same(one.value, other.value)]


def same(one, other) -> bool:
    """Whether two values are the same, whichever versions of the libraries saved them."""
    return next(Fitted().differences(one, other), None) is None


class Matches:
    """The recorded models that have something to do with a given file."""

    def __init__(self, given: Parts):
        self.given = given
        # By md5: the places of what is the same, and the recorded model.
        self.found: dict[str, tuple[list, Parts]] = {}
        self.inner: set[bytes] = set()

    def compare(self, md5: str, file: Path) -> None:
        """Look at the recorded model `md5` in `file`; one that cannot be read is none."""
        try:
            recorded = parts(read(file))
        except Unreadable:
            return
        self.inner |= recorded.inner
        pairs = related(self.given, recorded)
        if pairs:
            self.found[md5] = pairs, recorded

    def best(self) -> Iterator[tuple[str, dict]]:
        """The md5 of each that is most nearly the same, and how it is."""
        ranks = {md5: self.rank(*match) for md5, match in self.found.items()}
        for md5, (pairs, recorded) in self.found.items():
            if ranks[md5][0] and ranks[md5] == max(ranks.values()):
                yield (
                    md5,
                    {
                        "parts": [[shown(place) for place in pair] for pair in pairs],
                        "saved_by": [sorted(self.given.versions), sorted(recorded.versions)],
                    },
                )

    def rank(self, pairs: list, recorded: Parts) -> tuple[int, int, int]:
        """3 for the same model, 2 for one that the file holds, 1 for one of which it is a part.

        Of the latter, the one comes first with which it shares the most, and then the smallest.
        What is itself a part of a recorded model, such as a vectorizer, is in many others too. It
        counts only if it lies open in the file, and not inside of another model: 0 otherwise.
        """
        (place, other), *_ = pairs
        if place == other == ():
            return 3, 0, 0
        if other != ():
            return 1, len(pairs), -len(recorded.by_digest)
        is_open = recorded.whole not in self.inner or recorded.whole in self.given.members
        return (2, 0, 0) if is_open else (0, 0, 0)


def told(match: dict) -> str:
    """How a file and a recorded model are related, in a sentence that the model's page follows."""
    (place, other), *rest = match["parts"]
    places = ", ".join([place, *(one for one, _ in rest)])
    if place == other == WHOLE:
        text = "its fitted arrays equal this model's: it was re-saved"
    elif other == WHOLE:
        text = f"a part of it is the recorded model ({places} of the file)"
    elif place == WHOLE:
        text = f"it is a part of the recorded model ({other} of it)"
    else:
        text = f"parts of it are parts of the recorded model ({places} of the file)"
    versions = [", ".join(one) for one in match["saved_by"]]
    if versions[0] != versions[1] and all(versions):
        text += f"; scikit-learn {versions[0]} saved this file, and {versions[1]} the recorded one"
    return text


def shown(place: tuple) -> str:
    """A place as Python would have it, such as `['model'].steps[1]`."""
    steps = []
    while place and len(steps) < MOST_STEPS:
        place, step = place
        steps.insert(0, printable(step, MOST_SHOWN))
    return ("…" * bool(place) + "".join(steps)).removeprefix(".") or WHOLE
