"""Files whose bytes depend on what they hold alone.

`dumps` writes a fitted model so that fitting it again gives the same file, in any process, on any
day. Pickle does not promise that: scikit-learn's vectorizers store a memory address (its issue
#18669), equal strings are written once or twice depending on whether they are the same object, sets
have no order, and the padding of tree nodes is whatever was in memory. `joblib.load` reads the
file, and needs nothing of this project.
"""

import contextlib
import io
import os
import pickle
import sys
import types
from pathlib import Path

import numpy

# Protocol 4 is what joblib and every supported Python read; a newer default would change the bytes.
PROTOCOL = 4
SOURCE = Path(__file__).parents[1]
# The attributes of scikit-learn's estimators that hold the address of an object.
ADDRESSES = {"_stop_words_id"}


class CanonicalPickler(pickle._Pickler):
    """The pure-Python pickler (joblib builds on it too), with one form for equal objects."""

    def __init__(self, file):
        super().__init__(file, protocol=PROTOCOL)
        self._first = {}
        self._cleaned = {}

    def save(self, obj, save_persistent_id=True):
        """Write `obj`, or its representative: the first equal string or dtype of this file."""
        if type(obj) in (str, bytes):
            obj = self._first.setdefault((type(obj), obj), obj)
        elif isinstance(obj, numpy.dtype):
            obj = self._first.setdefault((numpy.dtype, obj, obj.isalignedstruct), obj)
        elif type(obj) is numpy.ndarray and obj.dtype.names:
            obj = self._without_padding(obj)
        super().save(obj, save_persistent_id)

    def reducer_override(self, obj):
        """How sets and estimators are taken apart; all others as pickle does."""
        if isinstance(obj, type | types.FunctionType):
            refuse_own_code(obj)
        if type(obj) in (set, frozenset):
            return type(obj), (sorted(obj, key=dumps),)
        if hasattr(type(obj), "__sklearn_tags__"):
            rebuild, arguments, state, *rest = obj.__reduce_ex__(PROTOCOL)
            kept = {name: value for name, value in state.items() if name not in ADDRESSES}
            return rebuild, arguments, kept, *rest
        return NotImplemented

    def _without_padding(self, array):
        """A copy of a structured array whose unused bytes are zero, the same copy each time."""
        if id(array) not in self._cleaned:
            clean = numpy.zeros(array.shape, array.dtype)
            for name in array.dtype.names:
                clean[name] = array[name]
            # The original is kept too, since its address must not be given to another array.
            self._cleaned[id(array)] = (array, clean)
        return self._cleaned[id(array)][1]


def refuse_own_code(obj: type | types.FunctionType) -> None:
    """Raise PicklingError if `obj` is defined in this project, so that others could not load it."""
    module = sys.modules.get(obj.__module__)
    file = getattr(module, "__file__", None)
    if obj.__module__ == "__main__" or (file and Path(file).is_relative_to(SOURCE)):
        told = f"{obj.__module__}.{obj.__qualname__} is this project's own code"
        raise pickle.PicklingError(
            f"{told}, without which the file would not load; use scikit-learn's own"
        )


def dumps(obj) -> bytes:
    """The canonical bytes of `obj`; raises PicklingError for code of this project."""
    buffer = io.BytesIO()
    CanonicalPickler(buffer).dump(obj)
    return buffer.getvalue()


def write(contents: dict[Path, bytes]) -> None:
    """Write all files or none: each beside its place first, then all renamed over what was there.

    Raises OSError, which names a file, with everything as it was.
    """
    # Always the same names, so that what a killed process left is overwritten by the next one.
    beside = {path: path.with_name(f".{path.name}.part") for path in contents}
    path = None
    try:
        for path, content in contents.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(beside[path], "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for path in contents:
            os.replace(beside[path], path)
    except OSError as error:
        # The error of a full disk names no file.
        error.filename = str(path)
        raise
    finally:
        for part in beside.values():
            with contextlib.suppress(OSError):
                part.unlink()
