"""Models are compared without running anything of them, and what differs is said in words.

What reads hostile files is a process of its own, which prints as JSON what a group of cases gives;
here each case is a test. Two groups are about the model of a built project, and run there.
"""

import copyreg
import functools
import importlib
import io
import json
import os
import pickle
import random
import re
import signal
import struct
import sys
import zlib
from pathlib import Path

import pytest
from processes import in_a_process

TRILLION = 10**12
SAME = "only how it is written differs; every array and every other value is equal"


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A function that gives the results of a group of cases, by their names."""
    return results_of(lambda group: in_a_process(__file__, group, tmp_path_factory.mktemp(group)))


@pytest.fixture(scope="module")
def given_there(built, tmp_path_factory):
    """The same in the environment and the folder of the built project."""
    path = os.pathsep.join([f"{built.root}/src", str(Path(__file__).parent)])

    def run(group: str):
        words = ("python", __file__, group, tmp_path_factory.mktemp(group))
        return built.run(*words, check=False, PYTHONPATH=path)

    return results_of(run)


def results_of(run):
    """A function that gives the results of a group of cases, which is run once."""
    # Kept when it failed too, since each test of the group would run it again.
    once = functools.cache(run)

    def results(group: str) -> dict:
        done = once(group)
        assert not done.returncode, done.stderr
        return json.loads(done.stdout)

    return results


def both(folder: Path, one: bytes, other: bytes, suffix: str = ".joblib") -> tuple[Path, Path]:
    """Two files with these contents."""
    files = folder / f"recorded{suffix}", folder / f"rebuilt{suffix}"
    for file, content in zip(files, (one, other), strict=True):
        file.write_bytes(content)
    return files


# -- files that would run something when they are loaded


class Call:
    """Pickled as a call of `what`, and of its result's __setstate__ if there is a state."""

    def __init__(self, what, *args, state=()):
        self.reduced = what, args, *state

    def __reduce__(self):
        return self.reduced

    def __call__(self):
        """Only what may be called is pickled as something to call."""


def touch(canary: Path) -> Call:
    return Call(os.system, f"touch '{canary}'")


def by_joblib(value) -> bytes:
    import joblib

    file = io.BytesIO()
    joblib.dump(value, file)
    return file.getvalue()


def objects(canary: Path):
    import numpy

    return numpy.array([touch(canary), 1], dtype=object)


def chained(canary: Path) -> bytes:
    system = Call(getattr, Call(__import__, "os"), "system")
    return pickle.dumps(Call(system, f"touch '{canary}'"), 4)


def extension(canary: Path) -> bytes:
    if ("os", "system") not in copyreg._extension_registry:
        copyreg.add_extension("os", "system", 7)
    name = f"c{os.system.__module__}\nsystem\n".encode()
    return pickle.dumps(touch(canary), 2).replace(name, b"\x82\x07")


def beside(canary: Path) -> bytes:
    """joblib's old form: an array in a file beside, which NumPy unpickles."""
    import numpy
    from joblib.numpy_pickle_compat import NDArrayWrapper

    file = canary.with_name("beside.npy")
    numpy.save(file, objects(canary), allow_pickle=True)
    return pickle.dumps(NDArrayWrapper(str(file), numpy.ndarray, False), 4)


def of_python_2(canary: Path) -> bytes:
    """The argument of a STRING opcode."""
    return ascii(f"touch '{canary}'").encode() + b"\n"


# What each file is, and whether it is read: the call is data, or the file is refused.
LIVE = {
    **{
        f"call, protocol {p}": (True, lambda c, p=p: pickle.dumps(touch(c), p))
        for p in (2, 3, 4, 5)
    },
    "call in a model": (True, lambda c: pickle.dumps({"steps": [("a", [touch(c)])]}, 4)),
    "eval": (True, lambda c: pickle.dumps(Call(eval, f"open({str(c)!r}, 'w')"), 4)),
    "exec": (True, lambda c: pickle.dumps(Call(exec, f"open({str(c)!r}, 'w')"), 4)),
    "getattr of __import__": (True, chained),
    "objects in an array": (True, lambda c: pickle.dumps(objects(c), 4)),
    "objects in an array, protocol 5": (True, lambda c: pickle.dumps(objects(c), 5)),
    "objects in an array of joblib": (True, lambda c: by_joblib({"a": objects(c), "b": 1})),
    "call whose result is dropped": (False, lambda c: pickle.dumps(touch(c), 2)[:-1] + b"0N."),
    "call whose result is left": (False, lambda c: pickle.dumps(touch(c), 2)[:-1] + b"N."),
    "extension code": (False, extension),
    "array in a file beside": (False, beside),
    "protocol 0": (True, lambda c: pickle.dumps(touch(c), 0)),
    "call of Python 2, INST": (True, lambda c: b"(S%sios\nsystem\n." % of_python_2(c)),
    "call of Python 2, OBJ": (True, lambda c: b"(cos\nsystem\nS%so." % of_python_2(c)),
}


def live(folder: Path) -> dict:
    """For each file: whether it is read, whether that ran it, and whether loading it does."""
    import joblib

    from exact_model import differ, inert, resaved, values

    found = {}
    for name, (_, make) in LIVE.items():
        canary = folder / "canary"
        content = make(canary)
        files = both(folder, content, content + b" ")
        reads = outcome(lambda files=files: resaved.parts(inert.read(files[0]))) is None
        outcome(lambda files=files: values.same_fitted(*files))
        differ.describe(*files)
        ran = canary.exists()
        joblib.load(io.BytesIO(content))
        found[name] = [reads, ran, canary.exists()]
        canary.unlink()
    return found


def outcome(action) -> str | None:
    """Why it is refused, None if it is not; any other error ends the program."""
    from exact_model import inert

    try:
        action()
    except inert.Unreadable as error:
        return str(error)
    return None


@pytest.mark.parametrize("name", LIVE)
def test_nothing_of_a_file_runs(name, given):
    is_read, _ = LIVE[name]
    assert given("live")[name] == [is_read, False, True]


# -- files that would take all memory or time, or are none


def wrapper(shape: tuple, kind: str = "f8", subclass: str = "ndarray") -> bytes:
    """What joblib writes before an array, without the array."""
    import numpy
    from joblib.numpy_pickle import NumpyArrayWrapper

    described = NumpyArrayWrapper(getattr(numpy, subclass), shape, "C", numpy.dtype(kind), True)
    return pickle.dumps(described, 4)


def packed() -> bytes:
    import numpy
    from joblib.numpy_pickle_compat import ZNDArrayWrapper

    state = (1, (2,), numpy.dtype("f8"), False)
    return pickle.dumps(ZNDArrayWrapper("/etc/passwd", (numpy.ndarray, (0,), b"b"), state), 4)


def rebuilt_array(shape: tuple) -> bytes:
    import numpy
    from numpy._core.multiarray import _reconstruct

    state = (1, shape, numpy.dtype("f8"), False, bytes(8))
    return pickle.dumps(Call(_reconstruct, numpy.ndarray, (0,), b"b", state=[state]), 4)


def buffered_array(shape: tuple) -> bytes:
    import numpy
    from numpy._core.numeric import _frombuffer

    return pickle.dumps(Call(_frombuffer, bytes(8), numpy.dtype("f8"), shape, "C"), 5)


def doubled(times: int = 200) -> bytes:
    """The opcodes of a tuple that holds one twice, which holds one twice, and so on."""
    return b")" + b"".join(bytes([0x71, i, 0x68, i, 0x86]) for i in range(times))


def attributes(times: int) -> bytes:
    """The opcodes of a list of a name, an attribute of it, an attribute of that one, and so on."""
    found = [b"(cos\npath\nr", struct.pack("<I", 0)]
    for i in range(times):
        found += [b"cbuiltins\ngetattr\nj", struct.pack("<I", i), b"\x8c\xc8", b"x" * 200]
        found += [b"\x86Rr", struct.pack("<I", i + 1)]
    return b"".join(found) + b"l"


def cyclic() -> bytes:
    whole, pair = [], ([],)
    pair[0].append(pair)
    whole += [whole, {"a": whole}, pair]
    return pickle.dumps(whole, 4)


HEAD = b"\x80\x05"
# How the refusal reads; None: the file is read, and equal to itself.
HARD = {
    "lists 100,000 deep": (None, lambda: HEAD + b"]" * 10**5 + b"a" * (10**5 - 1) + b"."),
    "tuples 100,000 deep": (None, lambda: HEAD + b")" + b"\x85" * 10**5 + b"."),
    "2^200 tuples": (None, lambda: HEAD + doubled() + b"."),
    "2^200 tuples as a key": (None, lambda: HEAD + b"}" + doubled() + b"K\x01s."),
    "2^200 tuples in a set": (None, lambda: HEAD + b"\x8f(" + doubled() + b"\x90."),
    "a key 100,000 deep": (
        "holds itself or too much",
        lambda: HEAD + b"})" + b"\x85" * 10**5 + b"Ns.",
    ),
    "digits": ("4300 digits", lambda: b"L" + b"9" * 10**6 + b"L\n."),
    "attributes of attributes": (None, lambda: HEAD + attributes(10**4) + b"."),
    "marks": (None, lambda: b"(" * 10**6 + b"l."),
    "a key of itself": ("holds itself or too much", lambda: HEAD + b"}q\x00h\x00Ns."),
    "wholes that hold themselves": (None, cyclic),
    "long number as a key": (None, lambda: pickle.dumps({10**5000: 10**5000}, 4)),
    "the same key twice": ("the same part twice", lambda: HEAD + b"}K\x01NsK\x01Ns."),
    "bytes8": ("only 1 remain", lambda: HEAD + b"\x8e" + struct.pack("<Q", TRILLION) + b"."),
    "bytearray8": ("only 1 remain", lambda: HEAD + b"\x96" + struct.pack("<Q", TRILLION) + b"."),
    "frame": ("cut short", lambda: HEAD + b"\x95" + struct.pack("<Q", TRILLION) + b"N."),
    "array of joblib": ("bytes than its shape needs", lambda: wrapper((TRILLION,))),
    "larger array of joblib": ("index-sized", lambda: wrapper((TRILLION, TRILLION))),
    "array of no bytes": ("not known here", lambda: wrapper((TRILLION,), "V0")),
    "array of less than nothing": ("without a shape", lambda: wrapper((-1, -8))),
    "memory map": ("bytes than its shape needs", lambda: wrapper((1,), subclass="memmap")),
    "rebuilt array": ("bytes than its shape needs", lambda: rebuilt_array((TRILLION,))),
    "buffered array": ("bytes than its shape needs", lambda: buffered_array((TRILLION,))),
    "arrays of objects in each other": ("recursion", lambda: wrapper((1,), "O")[:-1] * 3000),
    "zlib bomb": ("expands", lambda: zlib.compress(bytes(2 * 10**8), 9)),
    "packed array": ("other files", packed),
    "persistent id": ("BINPERSID", lambda: HEAD + b"K\x01Q."),
    "buffer from elsewhere": ("NEXT_BUFFER", lambda: HEAD + b"\x97."),
    "what is not remembered": ("KeyError(5)", lambda: HEAD + b"h\x05."),
    "stack too short": ("stack is too short", lambda: HEAD + b"."),
    "stack too short above a mark": ("stack is too short", lambda: HEAD + b"N(\x85."),
    "a name that is not a text": ("other than text", lambda: HEAD + b"K\x01\x8c\x01x\x93."),
    "without an end": ("before seeing STOP", lambda: HEAD + b"N"),
    "empty": ("before seeing STOP", lambda: b""),
}


def hard(folder: Path) -> dict:
    """For each file: why it is refused, and else whether it is equal to itself."""
    import resource

    from exact_model import differ, inert, resaved, values

    resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32))
    found = {}
    for name, (_, make) in HARD.items():
        content = make()
        files = both(folder, content, content + b" ")
        same = []
        why = outcome(lambda files=files, same=same: same.append(values.same_fitted(*files)))
        assert differ.describe(*files)
        assert why == outcome(lambda files=files: resaved.parts(inert.read(files[0])))
        found[name] = [why, same]
    return found


@pytest.mark.parametrize("name", HARD)
def test_no_file_takes_more_than_its_size(name, given):
    reason, _ = HARD[name]
    why, same = given("hard")[name]
    if reason is None:
        assert (why, same) == (None, [True])
    else:
        assert reason in why and "MemoryError" not in why


def damage(folder: Path) -> dict:
    """How often damaged files are read, refused and equal; any other error ends the program."""
    import numpy

    from exact_model import differ, values

    kind = numpy.dtype([("a", "f8"), ("b", "i1")], align=True)
    value = {"a": numpy.zeros((2, 3), kind), "b": [numpy.array([{1}, "x"]), numpy.float64(2)]}
    whole = {"pickle": pickle.dumps(value, 5), "joblib": by_joblib(value)}
    chance = random.Random(0)
    counts = {"refused": 0, "equal": 0, "different": 0}
    for content in whole.values():
        damaged = [content[:end] for end in range(0, len(content), 7)]
        for _ in range(500):
            changed = bytearray(content)
            for _ in range(chance.randint(1, 3)):
                changed[chance.randrange(len(changed))] = chance.randrange(256)
            damaged.append(bytes(changed))
        for changed in damaged:
            files = both(folder, content, changed)
            same = []
            why = outcome(lambda files=files, same=same: same.append(values.same_fitted(*files)))
            counts["refused" if why else "equal" if same[0] else "different"] += 1
            told = differ.describe(*files)
            assert told or changed == content
            assert all(sentence.isprintable() for sentence in told)
    return counts


def test_damaged_files_are_refused_or_compared(given):
    counts = given("damage")
    assert counts["refused"] > 500 and counts["different"] > 50
    assert counts["equal"] < counts["different"]


# -- what is the same


def writers() -> dict:
    """Each way in which others may have written a model; all give bytes."""
    import joblib

    def compressed(value, method: str) -> bytes:
        file = io.BytesIO()
        joblib.dump(value, file, compress=(method, 3))
        return file.getvalue()

    pickles = {
        f"pickle, protocol {p}": functools.partial(pickle.dumps, protocol=p) for p in (2, 3, 4, 5)
    }
    packed = {
        f"joblib, {method}": functools.partial(compressed, method=method)
        for method in ("zlib", "gzip", "bz2", "lzma", "xz")
    }
    again = {
        "joblib, after a load": lambda value: by_joblib(joblib.load(io.BytesIO(by_joblib(value))))
    }
    return {**pickles, "joblib": by_joblib, **packed, **again}


# Two numbers that are none, as 64 bits.
NANS = 0x7FF8 << 48, 0x7FF9 << 48


def padded(numpy, byte: int, second: float = 2.5):
    """A structured array between whose values there are bytes like this one."""
    kind = numpy.dtype([("a", "i1"), ("b", "f8")], align=True)
    array = numpy.frombuffer(bytes([byte]) * 2 * kind.itemsize, kind).copy()
    array["a"], array["b"] = 1, [2.5, second]
    return array


def floats(numpy, *bits: int):
    return numpy.array(bits, "u8").view("f8")


def table(numpy):
    return numpy.array([["a", {1}], ["b", {2}]])


def made(method: str) -> Call:
    return Call(Call(getattr, "a", method))


def ordered(*keys):
    import collections

    return collections.OrderedDict.fromkeys(keys)


PAIRS = {
    "True and 1": (False, lambda np: ([True], [1])),
    "1 and 1.0": (False, lambda np: (1, 1.0)),
    "0.0 and -0.0": (False, lambda np: (0.0, -0.0)),
    "NaN": (True, lambda np: (float("nan"), float("nan"))),
    "long numbers": (False, lambda np: (10**5000, 10**5000 + 1)),
    "text": (True, lambda np: ("ü\ud800", "ü\ud800")),
    "bytes": (True, lambda np: ([b"", b"\xff"], [b"", b"\xff"])),
    "text and bytes": (False, lambda np: ("a", b"a")),
    "complex numbers": (True, lambda np: (1j, 1j)),
    "other complex numbers": (False, lambda np: (1j, 2j)),
    "what a call made": (False, lambda np: (made("upper"), made("lower"))),
    "list and tuple": (False, lambda np: ([1], (1,))),
    "order of a dict": (True, lambda np: ({"a": 1, (1, "b"): 2}, {(1, "b"): 2, "a": 1})),
    "order of an OrderedDict": (False, lambda np: (ordered("a", "b"), ordered("b", "a"))),
    "keys 1 and True": (False, lambda np: ({1: 0}, {True: 0})),
    "keys 0.0 and -0.0": (False, lambda np: ({0.0: 0}, {-0.0: 0})),
    "keys NaN": (False, lambda np: tuple({nan: 1} for nan in floats(np, *NANS).tolist())),
    "order of a set": (True, lambda np: ({"a", "b", "c"}, {"c", "b", "a"})),
    "other sets": (False, lambda np: ({1, 2}, {1, 3})),
    "set and frozenset": (False, lambda np: ({1}, frozenset({1}))),
    "what is shared": (True, lambda np: ([[1]] * 2, [[1], [1]])),
    "NumPy's 1.0 and Python's": (False, lambda np: (np.float64(1), 1.0)),
    "NumPy's NaN as keys": (True, lambda np: ({np.float64("nan"): 1}, {np.float64("nan"): 1})),
    "memory order": (True, lambda np: (np.eye(2, 3), np.asfortranarray(np.eye(2, 3)))),
    "memory order of objects": (True, lambda np: (table(np), np.asfortranarray(table(np)))),
    "byte order": (True, lambda np: (np.arange(3.0), np.arange(3.0).astype(">f8"))),
    "padding": (True, lambda np: (padded(np, 0), padded(np, 255))),
    "shapes": (False, lambda np: (np.ones((2, 3)), np.ones((3, 2)))),
    "shapes of nothing": (False, lambda np: (np.ones((0, 3)), np.ones((3, 0)))),
    "f4 and f8": (False, lambda np: (np.ones(2, "f4"), np.ones(2, "f8"))),
    "the last bit": (False, lambda np: (np.ones(2), np.array([1, np.nextafter(1, 2)]))),
    "arrays of -0.0": (False, lambda np: (np.array([0.0]), np.array([-0.0]))),
    "arrays of NaN": (True, lambda np: (floats(np, NANS[0]), floats(np, NANS[0]))),
    "arrays of other NaN": (False, lambda np: (floats(np, NANS[0]), floats(np, NANS[1]))),
    "arrays of text": (True, lambda np: (np.array(["a", "ü"]), np.array(["a", "ü"]))),
    "arrays of other text": (False, lambda np: (np.array(["a", "b"]), np.array(["a", "c"]))),
    "arrays of days": (True, lambda np: (np.array(["2020-01-01"], "M8[D]"),) * 2),
    "arrays of days and hours": (False, lambda np: (np.zeros(1, "M8[D]"), np.zeros(1, "M8[h]"))),
    "arrays of objects": (True, lambda np: (np.array([{1}, "x"]), np.array([{1}, "x"]))),
    "arrays of other objects": (False, lambda np: (np.array([{1}, "x"]), np.array([{2}, "x"]))),
    "an array and a list": (False, lambda np: (np.ones(1), [1.0])),
    "functions": (False, lambda np: (np.log1p, np.expm1)),
    "types": (True, lambda np: (np.dtype("f8"), np.dtype("f8"))),
}


def pairs(folder: Path) -> dict:
    """For each pair: the answers, however the second is written, and what is told."""
    import numpy

    from exact.dump import dumps
    from exact_model import differ, values

    found = {}
    for name, (_, make) in PAIRS.items():
        value, other = make(numpy)
        same, told = set(), set()
        for write in writers().values():
            files = both(folder, dumps(value), write(other))
            same |= {values.same_fitted(*files), values.same_fitted(*files[::-1])}
            told |= {differ.describe(*files) in ([], [SAME])}
        found[name] = [[*same], [*told]]
    return found


@pytest.mark.parametrize("name", PAIRS)
def test_values_are_compared_bit_for_bit(name, given):
    is_same, _ = PAIRS[name]
    assert given("pairs")[name] == [[is_same], [is_same]]


LONG = "x" * 1000
# Two values each, and how their difference is told.
TOLD = {
    "field": (
        lambda np: ({"nodes": padded(np, 0)}, {"nodes": padded(np, 255, 3.5)}),
        ["['nodes']['b']: 1 of 2 values differ, at most 1"],
    ),
    "bit of zero": (
        lambda np: (np.zeros(3), -np.zeros(3)),
        ["the whole: 3 of 3 values differ, at most 0"],
    ),
    "infinity": (
        lambda np: (np.array([1, np.inf]), np.array([1, 2.0])),
        ["the whole: 1 of 2 values differ"],
    ),
    "text of an array": (
        lambda np: ((np.array(["a", "b"]),), (np.array(["a", "c"]),)),
        ["[0]: 1 of 2 values differ"],
    ),
    "object of an array": (
        lambda np: ([np.array([None, "a"])], [np.array([None, "b"])]),
        ["[0][1]: 'a' -> 'b'"],
    ),
    "like places": (
        lambda np: ([np.zeros(2)] * 3, [np.ones(2), np.ones(2) * 1, np.ones(2) * 2]),
        ["[0]: 2 of 2 values differ, at most 1 (and 2 more such)"],
    ),
    "type": (lambda np: ([1.0], [np.float64(1)]), ["[0]: 1.0 (float) -> 1.0 (float64)"]),
    "order": (
        lambda np: (ordered("a", "b"), ordered("b", "a")),
        ["the whole: collections.OrderedDict is made in another way"],
    ),
    "words": (lambda np: ({"a", "b"}, {"a"}), ["{'b'}: only in the recorded file"]),
    "long text": (
        lambda np: (LONG + "a" + LONG, LONG + "b" + LONG),
        [f"the whole: …'{LONG[:20]}a{LONG[:39]}' -> …'{LONG[:20]}b{LONG[:39]}'"],
    ),
    "deep place": (
        lambda np: (nested(1, 20), nested(2, 20)),
        ["…" + "['a']" * 12 + ": 1 -> 2"],
    ),
    "long number": (lambda np: (10**5000, 1), [f"the whole: {hex(10**5000)[:119]}… -> 1"]),
}


def nested(value, depth: int):
    return {"a": nested(value, depth - 1)} if depth else value


def told(folder: Path) -> dict:
    """For each pair of values: the sentences."""
    import numpy

    from exact_model import differ

    contents = {name: map(by_joblib, make(numpy)) for name, (make, _) in TOLD.items()}
    return {name: differ.describe(*both(folder, *pair)) for name, pair in contents.items()}


@pytest.mark.parametrize("name", TOLD)
def test_differences_of_values_are_told(name, given):
    assert given("told")[name] == TOLD[name][1]


# -- models


def estimators() -> dict:
    """A model of each kind that params.yaml names, fitted to the features that lie there."""
    import joblib

    (code,) = Path("src").glob("*/train.py")
    train = importlib.import_module(f"{code.parent.name}.train")
    chosen = train.params.load("train")["train"]
    features, data = (joblib.load(f"data/features/{n}.joblib") for n in ("transformer", "train"))
    names = [name for name in chosen if name != "estimator"]
    chosen["random_forest"]["n_estimators"] = chosen["hist_gradient_boosting"]["max_iter"] = 20
    fitted = {
        name: train.fit({**chosen, "estimator": name}, features, data["matrix"], data["labels"])
        for name in names
    }
    return pickle.loads(pickle.dumps(fitted))


ESTIMATORS = (
    "logistic_regression",
    "multinomial_nb",
    "complement_nb",
    "random_forest",
    "hist_gradient_boosting",
    "sgd",
)


def arrays(model) -> list:
    """All arrays of a model, those of its trees too, which can be written to."""
    import numpy

    seen, todo, found = set(), [model], []
    while todo:
        value = todo.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, numpy.ndarray) and value.dtype.hasobject:
            todo += value.ravel().tolist()
        elif isinstance(value, numpy.ndarray):
            parts = [value[name] for name in value.dtype.names or ()] or [value]
            found += [part for part in parts if part.size and part.dtype.kind in "iuf"]
        elif isinstance(value, dict | list | tuple):
            todo += value.values() if isinstance(value, dict) else value
        elif type(value).__name__ == "Tree":
            found += [value.threshold, value.value, value.feature]
        elif hasattr(value, "__dict__") and type(value).__module__.startswith("sklearn."):
            todo.append(vars(value))
    return found


def models(folder: Path) -> dict:
    """For each estimator: the answers by writer, and the arrays whose change is not seen."""
    import numpy

    from exact.dump import dumps
    from exact_model import differ, values

    found = {}
    for name, model in estimators().items():
        content = dumps(model)
        same, told = {}, []
        for writer, write in writers().items():
            files = both(folder, content, write(model))
            same[writer] = values.same_fitted(*files)
            told += differ.describe(*files)
        every, missed = arrays(model), []
        for array in every[:: max(1, len(every) // 25)]:
            place = tuple(length // 2 for length in array.shape)
            before = array[place]
            array[place] = (
                numpy.nextafter(before, numpy.inf) if array.dtype.kind == "f" else before + 1
            )
            if values.same_fitted(*both(folder, content, by_joblib(model))):
                missed.append([str(array.dtype), array.shape])
            array[place] = before
        found[name] = [same, sorted({*told}), len(every), missed]
    return found


@pytest.mark.slow
@pytest.mark.long
def test_all_estimators_are_tested(given_there):
    assert sorted(given_there("models")) == sorted(ESTIMATORS)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_a_model_is_the_same_however_it_is_written(estimator, given_there):
    same, told, _, _ = given_there("models")[estimator]
    assert len(same) == 11
    assert [writer for writer, is_same in same.items() if not is_same] == []
    assert told == [SAME]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_one_changed_number_makes_another_model(estimator, given_there):
    _, _, count, missed = given_there("models")[estimator]
    assert count >= (60 if estimator in ("random_forest", "hist_gradient_boosting") else 8)
    assert missed == []


LAST = r"steps\[2\]\[1\]"


def last(model):
    return model.steps[-1][1]


def words(model) -> dict:
    return model.steps[1][1].transformers_[0][1].vocabulary_


def other_class(model) -> None:
    from sklearn.linear_model import RidgeClassifier

    model.steps[-1] = ("estimator", RidgeClassifier())


# What is done to the model, and how the sentences read then.
CHANGES = {
    "parameters": (
        lambda m: vars(last(m)).update(C=2.0, tol=1),
        [f"{LAST}.C: 1 -> 2.0", f"{LAST}.tol: 0.001 -> 1"],
    ),
    "type of a number": (
        lambda m: vars(last(m)).update(max_iter=5000.0),
        [f"{LAST}.max_iter: 5000 -> 5000.0"],
    ),
    "NumPy's number": (
        lambda m: vars(last(m)).update(
            n_features_in_=last(m).coef_.dtype.type(last(m).n_features_in_).astype(int)
        ),
        [rf"{LAST}.n_features_in_: (\d+) \(int\) -> \1 \(int64\)"],
    ),
    "attribute": (
        lambda m: setattr(last(m), "\x1b[31mx\u202e", 1),
        [rf"{LAST}.\\x1b\[31mx\\u202e: only in the rebuilt file"],
    ),
    "no attribute": (
        lambda m: delattr(last(m), "n_iter_"),
        [f"{LAST}.n_iter_: only in the recorded file"],
    ),
    "class": (
        other_class,
        [rf"{LAST}: sklearn\S+\.LogisticRegression -> sklearn\S+\.RidgeClassifier"],
    ),
    "function of a wrapper": (
        lambda m: setattr(m.steps[0][1], "func", print),
        [r"steps\[0\]\[1\].func: builtins.getattr -> builtins.print"],
    ),
    "step": (
        lambda m: m.steps.insert(1, ("no", "passthrough")),
        [
            r"steps\[2\]\[1\]: sklearn\S+\.LogisticRegression -> sklearn\S+\.ColumnTransformer",
            r"steps\[3\]: only in the rebuilt file",
            r"steps\[1\]\[0\]: 'columns' -> 'no' \(and 2 more such\)",
        ],
    ),
    "word": (
        lambda m: words(m).update({"zzz": words(m).pop("pizza")}),
        [r"\S+.vocabulary_\['pizza'\]: only in the recorded file \(and 1 more such\)"],
    ),
    "one value": (
        lambda m: last(m).coef_.__setitem__((0, 3), 1e9),
        [rf"{LAST}.coef_: 1 of \d+ values differ, at most 1e\+09"],
    ),
    "values": (
        lambda m: last(m).coef_.__imul__(1 + 1e-9),
        [rf"{LAST}.coef_: \d+ of \d+ values differ, at most \d\S+e-\d+"],
    ),
    "shape": (
        lambda m: setattr(last(m), "coef_", last(m).coef_[:, 1:]),
        [rf"{LAST}.coef_: float64 array of shape \(1, \d+\) -> float64 array of shape \S+ \d+\)"],
    ),
    "type": (
        lambda m: setattr(last(m), "coef_", last(m).coef_.astype("f4")),
        [rf"{LAST}.coef_: float64 array of shape (\S+ \S+) -> float32 array of shape \1"],
    ),
    "all at once": (
        lambda m: [CHANGES[name][0](m) for name in ("values", "no attribute", "parameters")],
        [f"{LAST}.C: .*", f"{LAST}.tol: .*", f"{LAST}.n_iter_: only .*", f"{LAST}.coef_: .*"],
    ),
    "address": (lambda m: setattr(m.steps[1][1].transformers_[0][1], "_stop_words_id", 5), [SAME]),
    "what is not an address": (
        lambda m: setattr(m.steps[1][1].transformers_[0][1], "_stop_words_id", print),
        [r"\S+._stop_words_id: only in the rebuilt file"],
    ),
    "many parameters": (
        lambda m: vars(last(m)).update({f"p{i}": i for i in range(9)}),
        [rf"{LAST}.p{i}: only in the rebuilt file" for i in range(5)] + ["and 4 more differences"],
    ),
}


def changes(folder: Path) -> dict:
    """For each change of the model: the answer, and the sentences."""
    import joblib

    from exact_model import differ, values

    recorded = Path("models/model.joblib")
    found = {}
    for name, (change, _) in CHANGES.items():
        model = joblib.load(recorded)
        change(model)
        joblib.dump(model, folder / "rebuilt")
        same = values.same_fitted(recorded, folder / "rebuilt")
        found[name] = [same, differ.describe(recorded, folder / "rebuilt")]
    return found


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_model_is_told_by_what_changed(name, given_there):
    same, told = given_there("changes")[name]
    _, wanted = CHANGES[name]
    assert same == (wanted == [SAME])
    assert len(told) == len(wanted), told
    for sentence, pattern in zip(told, wanted, strict=True):
        assert re.fullmatch(pattern, sentence)


# -- other files

METRICS = '{"auc": 0.736, "labels": {"yes": {"f1": 0.5}}, "rows": [1, 2]}'
LINES = '{"id": "a", "score": 0.25}\n{"id": "b", "score": 0.5}\n{"id": "c", "score": 1}\n'
TABLE = "id,score\na,0.25\nb,0.5\nc,1\n"
SVG = "<svg>\n<date>2024-01-02T03:04:05</date>\n</svg>\n"
# Suffix, content of both (None: there is no file), and the sentences.
OTHERS = {
    "equal": (".json", METRICS, METRICS, []),
    "JSON": (
        ".json",
        METRICS,
        METRICS.replace("0.736", "0.741").replace("0.5", "true").replace("2]", "3]"),
        ["auc: 0.736 -> 0.741", "labels.yes.f1: 0.5 -> True", "rows[1]: 2 -> 3"],
    ),
    "JSON without suffix": (
        "",
        METRICS,
        METRICS.replace("0.736", "0.741"),
        ["auc: 0.736 -> 0.741"],
    ),
    "keys of JSON": (
        ".json",
        METRICS,
        METRICS.replace("auc", "roc"),
        ["auc: only in the recorded file", "roc: only in the rebuilt file"],
    ),
    "written JSON": (
        ".json",
        METRICS,
        METRICS + "\n",
        [
            "only how it is written differs; every value is equal",
            f"line 1: …'{METRICS[-20:]}' -> …'{METRICS[-20:]}\\n'",
            "1 of 1 lines differ",
        ],
    ),
    "JSON Lines": (
        ".jsonl",
        LINES,
        LINES.replace("0.5", "0.625").replace(": 1", ": 1.5"),
        [
            "2 of 3 lines differ, the first is line 2: score: 0.5 -> 0.625",
            "score: at most 0.5 apart",
        ],
    ),
    "fewer JSON Lines": (
        ".txt",
        LINES,
        LINES[:27].replace('"a"', "null"),
        ["lines: 3 -> 1", "1 of 3 lines differ, the first is line 1: id: 'a' -> None"],
    ),
    "CSV": (
        ".csv",
        TABLE,
        TABLE.replace("0.5", "0.625").replace("c,1", "d,1.5"),
        [
            "2 of 3 rows differ, the first is row 2: score: '0.5' -> '0.625'",
            "score: at most 0.5 apart",
        ],
    ),
    "columns of CSV": (
        ".csv",
        TABLE,
        TABLE.replace("id", "name").replace("0.5", "0.625"),
        [
            "columns only in the recorded file: id",
            "columns only in the rebuilt file: name",
            "1 of 3 rows differ, the first is row 2: score: '0.5' -> '0.625'",
            "score: at most 0.12 apart",
        ],
    ),
    "TSV": (
        ".tsv",
        "a\tb\n1\t2\n3\tx\n",
        "a\tb\n1\t5\n",
        [
            "rows: 2 -> 1",
            "1 of 2 rows differ, the first is row 1: b: '2' -> '5'",
            "b: at most 3 apart",
        ],
    ),
    "column that steers a terminal": (
        ".csv",
        "a,b\n",
        "a,\x1b[31m\n",
        ["columns only in the recorded file: b", "columns only in the rebuilt file: \\x1b[31m"],
    ),
    "ragged CSV": (
        ".csv",
        TABLE,
        TABLE + "d,2,3\n",
        ["line 5: none -> 'd,2,3\\n'", "1 of 5 lines differ", "lines: 4 -> 5"],
    ),
    "SVG with a date": (
        ".svg",
        SVG,
        SVG.replace("05<", "06<"),
        [
            "line 2: '<date>2024-01-02T03:04:05</date>' -> '<date>2024-01-02T03:04:06</date>'",
            "1 of 3 lines differ",
        ],
    ),
    "a long line": (
        ".txt",
        f"{LONG}/home/a{LONG}",
        f"{LONG}/home/b{LONG}",
        [
            f"line 1: …'{LONG[:14]}/home/a{LONG[:39]}' -> …'{LONG[:14]}/home/b{LONG[:39]}'",
            "1 of 1 lines differ",
        ],
    ),
    "text that steers a terminal": (
        ".txt",
        "a\n",
        "\x1b[31m\u202eb\r\n",
        ["line 1: 'a' -> '\\x1b[31m\\u202eb\\r'", "1 of 1 lines differ"],
    ),
    "deep JSON": (
        ".json",
        "[" * 10**5,
        "[" * 10**5 + "]",
        [f"line 1: …'{'[' * 20}' -> …'{'[' * 20}]'", "1 of 1 lines differ"],
    ),
    "binary": (
        ".png",
        b"\x89PNG\0abcd",
        b"\x89PNG\0abXdef",
        ["size: 9 -> 11 bytes", "3 of 11 bytes differ, the first at offset 7"],
    ),
    "text with NUL": ("", "a\0b", "a\0c", ["1 of 3 bytes differ, the first at offset 2"]),
    "missing": (".csv", TABLE, None, ["the rebuilt file is missing"]),
    "both missing": (
        "",
        None,
        None,
        ["the recorded file is missing", "the rebuilt file is missing"],
    ),
    "empty": (".csv", "", TABLE, ["the recorded file is empty"]),
    "both empty": (".csv", "", "", []),
}


def others(folder: Path) -> dict:
    """For each pair of files: the sentences."""
    from exact_model import differ

    found = {}
    for i, (name, (suffix, *contents, _)) in enumerate(OTHERS.items()):
        files = [folder / f"{i}-{side}{suffix}" for side in ("recorded", "rebuilt")]
        for file, content in zip(files, contents, strict=True):
            if content is not None:
                file.write_bytes(content if isinstance(content, bytes) else content.encode())
        found[name] = differ.describe(*files)
    return found


@pytest.mark.parametrize("name", OTHERS)
def test_other_files_are_told_by_what_they_are(name, given):
    *_, wanted = OTHERS[name]
    assert given("others")[name] == wanted


if __name__ == "__main__":
    # What hangs is killed, so that a test fails instead of waiting.
    signal.alarm(300)
    group, where = sys.argv[1:]
    print(json.dumps(globals()[group](Path(where))))
