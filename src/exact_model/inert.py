"""What a pickle or joblib file holds, read without running anything of it.

A pickle is a program for a small machine that can call whatever Python can import. The machine
here has the same stack and memo, but no way to call: classes stay names, and what would have been
made by them is recorded. Numbers, texts, lists and NumPy's arrays come out as they are. How the
opcodes are encoded is known to the standard library's pickletools.
"""

import io
import math
import pickletools
import re
import types
import zlib
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import numpy

from exact_model.text import printable

# A compressed file may hold this many times its size, and this many bytes in any case.
EXPANSION = 100
ROOM = 2**26
# The letters of a qualified name.
MOST_NAMED = 1000
SIMPLE = re.compile(r"[biufcSUVO][1-9]\d{0,8}")


class Unreadable(Exception):
    """The file is not a whole pickle or joblib file; the message is one sentence that says why."""


@dataclass(frozen=True, slots=True)
class Name:
    """A class or function that a file names; it was not imported."""

    module: str
    name: str

    def __str__(self):
        return f"{self.module}.{self.name}"


@dataclass(eq=False, repr=False, slots=True)
class Inert:
    """An object that was not made: what would have been called, and all that it would have got.

    `value` is the content of plain data: an array, scalar or dtype of NumPy, or bytes.
    """

    made: object
    args: tuple = ()
    how: str = "call"
    states: list | tuple = ()
    items: list | tuple = ()
    pairs: list | tuple = ()
    value: object = None


NDARRAY = Name("numpy", "ndarray")
DICT = Name("builtins", "dict")
SETS = SET, FROZENSET = Name("builtins", "set"), Name("builtins", "frozenset")
HELD = list | tuple | Inert | Name


def read(path: Path) -> object:
    """The content of a pickle (any protocol) or joblib file (also compressed).

    Lists and tuples are Python's own; dicts, sets and all other objects are `Inert`. Raises
    Unreadable for any content that is no such file, OSError where there is no file. Memory grows
    with the file, 100 times for what is compressed, never with a length that it claims.
    """
    content = Path(path).read_bytes()
    try:
        return Machine(io.BytesIO(decompressed(content))).run()
    # Whatever goes wrong means the same, be the content nonsense, cut short or nested too deep.
    except Exception as error:
        reason = printable(str(error) if type(error) is ValueError else repr(error), 120)
        raise Unreadable(f"{path} is not a whole pickle or joblib file ({reason})") from error


def decompressed(content: bytes) -> bytes:
    """What `content` was compressed from, or itself; raises ValueError if it is cut or a bomb."""
    # The last two are imported where they are needed, since a Python can be built without them.
    if content.startswith(b"\x78"):
        stream = zlib.decompressobj()
    elif content.startswith(b"\x1f\x8b"):
        stream = zlib.decompressobj(31)
    elif content.startswith(b"BZ"):
        stream = import_module("bz2").BZ2Decompressor()
    elif content.startswith((b"\xfd7zXZ", b"\x5d\x00")):
        stream = import_module("lzma").LZMADecompressor(memlimit=2**28)
    elif content.startswith(b"\x04\x22\x4d\x18"):
        try:
            stream = import_module("lz4.frame").LZ4FrameDecompressor()
        except ModuleNotFoundError:
            raise ValueError("it is compressed by lz4, and that package is not installed") from None
    else:
        return content
    inside = stream.decompress(content, max(ROOM, EXPANSION * len(content)))
    if not stream.eof:
        raise ValueError("it is cut short, or expands to far more than its size")
    return inside


class Machine:
    """Runs the pickle at the position of a file; raises any exception for a broken one."""

    def __init__(self, file: io.BytesIO):
        self.file = file
        self.stack, self.marks, self.memo, self.dropped = [], [], {}, []
        self.protocol = 0

    def run(self) -> object:
        """What the pickle leaves on the stack."""
        for opcode, argument, _ in pickletools.genops(self.file):
            if opcode.name in PUSHED:
                self.stack.append(PUSHED[opcode.name](self, argument))
            elif opcode.name in DONE:
                DONE[opcode.name](self, argument)
            elif opcode.name != "STOP":
                raise ValueError(f"{opcode.name} is not what a model is written with")
        [result] = self.take(1)
        dropped = [value for value in self.dropped + self.stack if isinstance(value, HELD)]
        # Loading would make these too. Pickle drops only what a recursive tuple still holds.
        if dropped and not {id(value) for value in dropped} <= reachable(result):
            raise ValueError("it makes objects and drops them")
        return result

    def take(self, count: int) -> list:
        """The last `count` values, taken off the stack; none from below a mark."""
        start = len(self.stack) - count
        if start < (self.marks[-1] if self.marks else 0):
            raise ValueError("its stack is too short")
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def since_mark(self) -> list:
        """The values above the last mark, taken off the stack with it."""
        return self.take(len(self.stack) - self.marks.pop())

    def top(self):
        """The last value, left where it is."""
        self.stack += self.take(1)
        return self.stack[-1]

    def pop(self) -> None:
        """Drop a value, or the mark if nothing is above it."""
        if self.marks and self.marks[-1] == len(self.stack):
            self.marks.pop()
        else:
            self.dropped += self.take(1)

    def frame(self, length: int) -> None:
        """Refuse a frame that ends behind the file, since loading it would take up its length."""
        here = self.file.tell()
        if length > self.file.seek(0, io.SEEK_END) - here:
            raise ValueError("it is cut short")
        self.file.seek(here)

    def named(self, module: str, name: str) -> Name:
        """The name as this Python and NumPy spell it, however old the file is."""
        if type(module) is not str or type(name) is not str:
            raise ValueError("it names something by other than text")
        if self.protocol < 3:
            renamed = IMPORT_MAPPING.get(module, module), name
            module, name = NAME_MAPPING.get((module, name), renamed)
        if f"{module}.".startswith("numpy.core."):
            module = module.replace("numpy.core", "numpy._core", 1)
        return Name(module, name)

    def add(self, kind: str, values: list) -> None:
        """Give the object on top `values` as its `states`, `items` or `pairs`."""
        target = self.top()
        if type(target) is list and kind == "items":
            target += values
        elif type(target) is Inert and target.value is None:
            setattr(target, kind, getattr(target, kind) or [])
            getattr(target, kind).extend(values)
        else:
            raise ValueError(f"it changes a {type(target).__name__} as pickle never does")

    def build(self, state) -> None:
        """Give the object on top its state, which can make it an array or dtype."""
        self.add("states", [state])
        target = self.top()
        if str(target.made) == "joblib.numpy_pickle.NumpyArrayWrapper":
            self.unwrap(target, entries(state))
        elif getattr(target.made, "name", "") in ("NDArrayWrapper", "ZNDArrayWrapper"):
            raise ValueError("its arrays are in other files")
        elif type(state) is tuple and len(target.states) == 1:
            complete(target, [plain(part) for part in state])

    def unwrap(self, target: Inert, about: dict) -> None:
        """Read the array that follows the wrapper in which joblib describes it."""
        match {name: plain(value) for name, value in about.items()}:
            case {
                "subclass": Name("numpy", "ndarray" | "memmap"),
                "shape": tuple(shape),
                "order": str(order),
                "dtype": numpy.dtype() as kind,
                "allow_mmap": bool(),
                **rest,
            } if all(value is None or type(value) is int for value in rest.values()):
                if kind.hasobject:
                    target.value = Machine(self.file).run()
                    return
                if rest.get("numpy_array_alignment_bytes"):
                    self.file.read(self.file.read(1)[0])
                target.value = array(kind, shape, self.file.read(size(kind, shape)), order)
            case _:
                raise ValueError("it has an array of a type that is not known here")


def reachable(root) -> set[int]:
    """The ids of all that `root` holds, and its own."""
    seen, todo = set(), [root]
    while todo:
        value = todo.pop()
        if isinstance(value, HELD) and id(value) not in seen:
            seen.add(id(value))
            if isinstance(value, Inert):
                todo += [value.made, value.value, *value.args, *value.states, *value.items]
                todo += [part for pair in value.pairs for part in pair]
            elif not isinstance(value, Name):
                todo += value
    return seen


def plain(value):
    """The content of an `Inert` that is plain data; anything else as it is."""
    while type(value) is Inert and value.value is not None:
        value = value.value
    return value


def entries(value) -> dict[str, object]:
    """A dict with keys of text, as Python has it; raises ValueError for anything else."""
    if type(value) is not Inert or value.made != DICT or value.args or value.items:
        raise ValueError("it has no dict where there must be one")
    found = {key: entry for key, entry in value.pairs if type(key) is str}
    if len(found) != len(value.pairs):
        raise ValueError("it has other keys than different texts where it must not")
    return found


def paired(flat: list) -> list[tuple]:
    """Keys and values that follow each other, two by two."""
    return [*zip(flat[::2], flat[1::2], strict=True)]


def made(how: str, what, args: tuple, *keywords: Inert) -> Inert:
    """What calling `what`, or its __new__, would make."""
    if type(args) is not tuple:
        raise ValueError("it calls without arguments")
    if keywords:
        return Inert(what, args + keywords, how)
    if what in SETS and len(args) == 1 and type(args[0]) is list:
        return Inert(what, items=[*args[0]])
    known = as_usual(what, args)
    if known is not None:
        return known
    return Inert(what, args, how, value=decoded(what, [plain(argument) for argument in args]))


def as_usual(what, args: tuple):
    """What protocol 4 would have here; None where it would have this call.

    The earlier protocols, dill and cloudpickle call functions of their own for some objects.
    """
    match str(what), args:
        case "copyreg._reconstructor", (kind, Name("builtins", "object"), None):
            return Inert(kind, (), "new")
        case "dill._dill._load_type" | "cloudpickle.cloudpickle._builtin_type", (str(name),):
            return Name("types" if hasattr(types, name) else "builtins", name)
        case "dill._dill._create_array", (Name() as make, tuple(inner), tuple(state), None):
            array = made("call", make, inner)
            if type(array) is Inert and array.value is None:
                array.states = [state]
                complete(array, [plain(part) for part in state])
            return array
        # The name grows with each such call, and a file may have many of them.
        case "builtins.getattr", (Name(module, name), str(inner)) if len(name) < MOST_NAMED:
            return Name(module, f"{name}.{inner}")
        case "types.MethodType", (Name(_, name), owner):
            return Inert(Name("builtins", "getattr"), (owner, name.rpartition(".")[2]))
    return None


def instance(what, *args) -> Inert:
    """What Python 2 wrote of an object: its class is called only if there are arguments."""
    return made("call" if args else "new", what, args)


def decoded(what, args: list):
    """The plain data that a call would make; None for any other call."""
    match str(what), args:
        case "_codecs.encode", [str(text), "latin1" | "latin-1"]:
            return text.encode("latin-1")
        case "builtins.bytes", []:
            return b""
        case "builtins.bytearray", []:
            return bytearray()
        case "builtins.bytearray", [bytes(content)]:
            return bytearray(content)
        case "builtins.bytearray", [str(text), "latin1" | "latin-1"]:
            return bytearray(text, "latin-1")
        case "numpy._core.multiarray.scalar", [numpy.dtype() as kind, bytes(raw)]:
            return None if kind.hasobject else array(kind, (), raw)[()]
        case "numpy._core.numeric._frombuffer", [raw, numpy.dtype() as kind, tuple(shape), order]:
            return array(kind, shape, raw, order)
    return None


def complete(target: Inert, state: list) -> None:
    """Make a dtype or array of NumPy plain data, now that its state is known."""
    match str(target.made), [plain(argument) for argument in target.args], state:
        case "numpy.dtype", [str(code), int(), int()], [int(), *_]:
            found = dtype(code, state[1:])
            # Size, alignment and flags are NumPy's own, or loading them could crash.
            if found is not None and found.__reduce__()[2][5:8] == tuple(state[5:8]):
                target.value = found
        case (
            "numpy._core.multiarray._reconstruct",
            [Name("numpy", "ndarray" | "memmap"), (0,), b"b"],
            [int(), tuple(shape), numpy.dtype() as kind, int(fortran), content],
        ):
            if not kind.hasobject:
                target.value = array(kind, shape, content, "F" if fortran else "C")
            elif type(content) is list and len(content) * kind.itemsize == size(kind, shape):
                target.made, target.args, target.states, target.items = (
                    NDARRAY,
                    (shape,),
                    (),
                    content,
                )


def dtype(code: str, state: list) -> numpy.dtype | None:
    """The dtype with this state: a simple one, a moment, or a structure of both; else None."""
    match state:
        case ["<" | ">" | "|" as order, None, None, None, int(), int(), int()]:
            return numpy.dtype(order + code) if SIMPLE.fullmatch(code) else None
        case ["<" | ">" as order, None, None, None, int(), int(), int(), (known, moment)]:
            match [plain(part) for part in moment]:
                case [bytes(unit), int(count), 1, 1] if not known or not entries(known):
                    if code in ("M8", "m8") and unit.isalpha():
                        step = f"[{count}{unit.decode()}]" if unit != b"generic" else ""
                        return numpy.dtype(order + code + step)
        case ["|", None, tuple(names), fields, int(total), int(), int(flags)]:
            found = {name: [*map(plain, field)] for name, field in entries(fields).items()}
            if [*found] == [*names] and all(map(is_simple, found.values())):
                formats, offsets = zip(*found.values(), strict=True)
                parts = {"names": names, "formats": formats, "offsets": offsets}
                return numpy.dtype({**parts, "itemsize": total}, align=bool(flags & 128))
    return None


def is_simple(field: list) -> bool:
    """Whether a structure's field is a dtype without fields and objects, and where it is."""
    match field:
        case [numpy.dtype() as kind, int()]:
            return not kind.names and not kind.hasobject
    return False


def size(kind: numpy.dtype, shape: tuple) -> int:
    """The bytes of an array; raises ValueError for what is not a shape."""
    if len(shape) > 64 or not all(type(length) is int and length >= 0 for length in shape):
        raise ValueError("it has an array without a shape")
    return math.prod(shape) * kind.itemsize


def array(kind: numpy.dtype, shape: tuple, raw: bytes, order: str = "C") -> numpy.ndarray:
    """The array with these bytes; raises ValueError if they are too few or too many."""
    if kind.hasobject or type(raw) not in (bytes, bytearray) or len(raw) != size(kind, shape):
        raise ValueError("it has an array with other bytes than its shape needs")
    return numpy.ndarray(shape, kind, raw, order=order)


# What each opcode puts on the stack (m is the machine, a the opcode's own argument), and what the
# others do. Those that are missing are written by no pickler, or need a registry or a file that is
# not here.
ITS_ARGUMENT = (
    *("INT", "LONG", "FLOAT", "STRING", "UNICODE", "BINSTRING", "SHORT_BINSTRING"),
    *("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BYTEARRAY8"),
    *("SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
    *("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8"),
)
PUSHED = dict.fromkeys(ITS_ARGUMENT, lambda m, a: a) | {
    "NONE": lambda m, a: None,
    "NEWTRUE": lambda m, a: True,
    "NEWFALSE": lambda m, a: False,
    "LIST": lambda m, a: m.since_mark(),
    "DICT": lambda m, a: Inert(DICT, pairs=paired(m.since_mark())),
    "EMPTY_LIST": lambda m, a: [],
    "EMPTY_TUPLE": lambda m, a: (),
    "EMPTY_DICT": lambda m, a: Inert(DICT),
    "EMPTY_SET": lambda m, a: Inert(SET),
    "TUPLE": lambda m, a: tuple(m.since_mark()),
    "TUPLE1": lambda m, a: tuple(m.take(1)),
    "TUPLE2": lambda m, a: tuple(m.take(2)),
    "TUPLE3": lambda m, a: tuple(m.take(3)),
    "FROZENSET": lambda m, a: Inert(FROZENSET, items=m.since_mark()),
    "GET": lambda m, a: m.memo[a],
    "BINGET": lambda m, a: m.memo[a],
    "LONG_BINGET": lambda m, a: m.memo[a],
    "GLOBAL": lambda m, a: m.named(*a.split(" ", 1)),
    "STACK_GLOBAL": lambda m, a: m.named(*m.take(2)),
    "INST": lambda m, a: instance(m.named(*a.split(" ", 1)), *m.since_mark()),
    "OBJ": lambda m, a: instance(*m.since_mark()),
    "REDUCE": lambda m, a: made("call", *m.take(2)),
    "NEWOBJ": lambda m, a: made("new", *m.take(2)),
    "NEWOBJ_EX": lambda m, a: made("new with keywords", *m.take(3)),
}
DONE = {
    "PROTO": lambda m, a: setattr(m, "protocol", a),
    "FRAME": lambda m, a: m.frame(a),
    "MARK": lambda m, a: m.marks.append(len(m.stack)),
    "POP": lambda m, a: m.pop(),
    "POP_MARK": lambda m, a: m.dropped.extend(m.since_mark()),
    "PUT": lambda m, a: m.memo.update({a: m.top()}),
    "BINPUT": lambda m, a: m.memo.update({a: m.top()}),
    "LONG_BINPUT": lambda m, a: m.memo.update({a: m.top()}),
    "MEMOIZE": lambda m, a: m.memo.update({len(m.memo): m.top()}),
    "APPEND": lambda m, a: m.add("items", m.take(1)),
    "APPENDS": lambda m, a: m.add("items", m.since_mark()),
    "ADDITEMS": lambda m, a: m.add("items", m.since_mark()),
    "SETITEM": lambda m, a: m.add("pairs", paired(m.take(2))),
    "SETITEMS": lambda m, a: m.add("pairs", paired(m.since_mark())),
    "BUILD": lambda m, a: m.build(*m.take(1)),
}
