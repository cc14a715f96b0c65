"""Whether two model files hold the same values, and where not, without loading either."""

import hashlib
import struct
from itertools import chain
from pathlib import Path

import numpy

from exact_model.inert import SETS, Inert, Name, Unreadable, entries, plain, read

# The attributes that a project's src/exact/dump.py leaves out, for they are addresses of objects.
ADDRESSES = {"_stop_words_id"}
# Characters of a value or path that are shown.
MOST_SHOWN = 60
ABSENT = object()
WHOLES = list | tuple | dict | Inert


def same_fitted(a: Path, b: Path) -> bool:
    """Whether two model files hold the same values of the same types, bit for bit.

    How they are written does not count: memory and byte order, padding, compression, which objects
    are shared, the order of dicts and sets, the addresses that scikit-learn stores. It does not
    prove that loading is safe. Raises Unreadable and OSError as `read` does.
    """
    return next(Comparison().differences(read(a), read(b)), None) is None


class Comparison:
    """Two values side by side, each the content of a model or JSON file."""

    def __init__(self):
        self.merged = {}
        self.keys = {}

    def differences(self, left, right):
        """Yield (path, left, right) for each place that differs; ABSENT is what one does not have.

        A path is () or (the path of the whole, the step to its part).
        """
        todo = [((), left, right)]
        while todo:
            path, left, right = todo.pop()
            left, right = plain(left), plain(right)
            if self.met(left, right):
                continue
            try:
                (label, parts), (other, others) = self.apart(left), self.apart(right)
            except RecursionError:
                raise Unreadable("a key of a dict or set holds itself or too much") from None
            if label != other:
                yield path, left, right
                continue
            for step in reversed({**parts, **others}):
                todo.append(((path, step), parts.get(step, ABSENT), others.get(step, ABSENT)))

    def met(self, left, right) -> bool:
        """Whether it follows from the pairs met so far that these are compared; remembers them.

        Each pair merges two classes of wholes, so there are fewer pairs than wholes, however these
        contain each other.
        """
        if not isinstance(left, WHOLES) or not isinstance(right, WHOLES):
            return False
        roots = []
        for at in (id(left), id(right)):
            while (above := self.merged.get(at, at)) != at:
                self.merged[at] = at = self.merged.get(above, above)
            roots.append(at)
        self.merged[roots[0]] = roots[1]
        return roots[0] == roots[1]

    def apart(self, value) -> tuple[tuple, dict]:
        """What tells `value` from others by itself, and its parts by the step to each."""
        match value:
            case Inert():
                return self.object_apart(value)
            case list() | tuple():
                return (type(value),), {f"[{i}]": part for i, part in enumerate(value)}
            case dict():
                return (dict,), {f".{name}": part for name, part in value.items()}
            case numpy.ndarray() if value.dtype.names:
                fields = {f"[{name!r}]": value[name] for name in value.dtype.names}
                return (numpy.ndarray, value.shape, *fields), fields
            case numpy.ndarray() | numpy.generic():
                return (type(value), value.shape, *raw(value)), {}
            case int():
                # In hexadecimal, since Python refuses to print very long ones in decimal.
                return (type(value), hex(value)), {}
            case float():
                return (float, struct.pack("<d", value)), {}
        return (type(value), value), {}

    def object_apart(self, value: Inert) -> tuple[tuple, dict]:
        """The same for an object that was not made."""
        named = isinstance(value.made, Name)
        parts = [] if named else [("<made by>", value.made)]
        parts += [(f"({i})", part) for i, part in enumerate(value.args)]
        if value.made in SETS:
            parts += [(f"{{{self.key(item)}}}", True) for item in value.items]
        else:
            parts += [(f"[{i}]", item) for i, item in enumerate(value.items)]
        keys = [f"[{self.key(key)}]" for key, _ in value.pairs]
        parts += zip(keys, (part for _, part in value.pairs), strict=True)
        parts += chain(*map(attributes, value.states))
        if len(dict(parts)) != len(parts):
            raise Unreadable("it holds an object that has the same part twice")
        order = tuple(keys) if str(value.made) == "collections.OrderedDict" else ()
        return (value.how, str(value.made) if named else "", order), dict(parts)

    def key(self, value) -> str:
        """A text that only equal values share, for the keys of dicts and the items of sets."""
        value = plain(value)
        if value is None or (type(value) in (str, bool, float) and value == value):
            return repr(value)
        if type(value) is int and value.bit_length() < 64:
            return repr(value)
        if (text := self.keys.get(id(value))) is None:
            label, parts = self.apart(value)
            inner = [self.key(part) for part in parts.values()]
            text = f"({', '.join(inner)})"
            if type(value) is not tuple:
                text = f"{label} {[*parts]} {text}"
            # Cut, since each of many could hold all others.
            if len(text) > MOST_SHOWN:
                text = hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()
            if isinstance(value, WHOLES):
                self.keys[id(value)] = text
        return text


def attributes(state) -> list[tuple[str, object]]:
    """The parts of an object's state: its attributes, without the addresses of other objects."""
    try:
        found = entries(state).items()
    except ValueError:
        # Such as the pair of an object with slots.
        return [("<state>", state)]
    return [(f".{k}", v) for k, v in found if k not in ADDRESSES or type(v) is not int]


def raw(value: numpy.ndarray | numpy.generic) -> tuple[str, bytes]:
    """The type and bytes of an array in one byte and memory order."""
    little = value.astype(value.dtype.newbyteorder("<"), copy=False)
    return little.dtype.str, little.tobytes()
