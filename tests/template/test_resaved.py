"""A recorded model is found in a file that was re-saved, however that was done.

The template's own environment has no scikit-learn, so this file runs in that of a project too:
there it asks `exact which` about each case in one process, and here each case is a test.
"""

import copy
import io
import json
import pickle
import sys
import types
from contextlib import redirect_stdout
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.long]
MODEL, TRANSFORMER = "models/model.joblib", "data/features/transformer.joblib"
RE_SAVED = "its fitted arrays equal this model's: it was re-saved"


# -- how a file may be written


def by_joblib(model, **options) -> bytes:
    import joblib

    file = io.BytesIO()
    joblib.dump(model, file, **options)
    return file.getvalue()


def in_python(model, protocol: int, pickler=pickle._Pickler) -> bytes:
    file = io.BytesIO()
    pickler(file, protocol).dump(model)
    return file.getvalue()


def by_cloudpickle(model) -> bytes:
    import cloudpickle

    return cloudpickle.dumps(model)


class LikeDill(pickle._Pickler):
    """Takes arrays, built-in types and bound methods apart as dill does, which is not installed."""

    def reducer_override(self, obj):
        import numpy

        if type(obj) is numpy.ndarray and not obj.dtype.hasobject:
            return sys.modules["dill._dill"]._create_array, (*obj.__reduce__(), None)
        for name, kind in (("slice", slice), ("MethodType", types.MethodType)):
            if obj is kind:
                return sys.modules["dill._dill"]._load_type, (name,)
        if type(obj) is types.MethodType:
            return types.MethodType, (obj.__func__, obj.__self__)
        return NotImplemented


def by_dill(model, protocol: int) -> bytes:
    module = types.ModuleType("dill._dill")
    for name in ("_create_array", "_load_type"):
        function = types.FunctionType((lambda: None).__code__, {"__name__": "dill._dill"}, name)
        function.__module__, function.__qualname__ = "dill._dill", name
        setattr(module, name, function)
    sys.modules["dill"] = sys.modules["dill._dill"] = module
    return in_python(model, protocol, LikeDill)


def by_another_scikit_learn(model) -> bytes:
    import sklearn.base

    now, sklearn.base.__version__ = sklearn.base.__version__, "1.99.0"
    try:
        return pickle.dumps(model)
    finally:
        sklearn.base.__version__ = now


def by_another_scipy(model) -> bytes:
    """Splines hold a function that each SciPy has elsewhere."""
    text = pickle.dumps(model, 2)
    name = b"cscipy._lib.array_api_compat.numpy._aliases\nasarray\n"
    assert name in text
    return text.replace(name, b"cscipy._lib._array_api\n_asarray\n")


def by_another_numpy(model) -> bytes:
    text = pickle.dumps(model, 2)
    assert b"numpy._core" in text
    return text.replace(b"numpy._core", b"numpy.core")


def mapped(model):
    """The model as it is loaded without its arrays being read."""
    import joblib

    joblib.dump(model, "mapped.joblib")
    return joblib.load("mapped.joblib", mmap_mode="r")


def turned(model):
    """The same model, its numbers in the other byte order."""
    other = copy.deepcopy(model)
    other[-1].coef_ = other[-1].coef_.astype(">f8")
    return other


def changed(model, **attributes):
    other = copy.deepcopy(model)
    for name, change in attributes.items():
        setattr(other[-1], name, change(getattr(other[-1], name, None)))
    return other


class Bundle:
    """Somebody's own class."""


def bundle(model) -> Bundle:
    made = Bundle()
    made.model, made.threshold = model, 0.3
    return made


def pipeline(model):
    from sklearn.pipeline import make_pipeline

    return make_pipeline("passthrough", model)


SAME = {
    **{f"pickle, protocol {p}": lambda m, p=p: pickle.dumps(m, p) for p in range(6)},
    **{f"Python's pickler, protocol {p}": lambda m, p=p: in_python(m, p) for p in (0, 1)},
    **{f"joblib, protocol {p}": lambda m, p=p: by_joblib(m, protocol=p) for p in (0, 1, 5)},
    **{
        f"joblib, {method}": lambda m, method=method: by_joblib(m, compress=(method, 3))
        for method in ("zlib", "gzip", "bz2", "lzma", "xz")
    },
    "joblib, protocol 0, zlib": lambda m: by_joblib(m, protocol=0, compress=3),
    "cloudpickle": by_cloudpickle,
    **{f"as dill, protocol {p}": lambda m, p=p: by_dill(m, p) for p in (0, 4)},
    "another scikit-learn": by_another_scikit_learn,
    "another SciPy": by_another_scipy,
    "another NumPy": by_another_numpy,
    "memory map, joblib": lambda m: by_joblib(mapped(m)),
    **{f"memory map, protocol {p}": lambda m, p=p: pickle.dumps(mapped(m), p) for p in (0, 5)},
    "byte order": lambda m: pickle.dumps(turned(m)),
    "byte order, protocol 0": lambda m: pickle.dumps(turned(m), 0),
}
# What holds the model or a part of it, and what is said of that.
HELD = "a part of it is the recorded model ({} of the file)"
PART = "parts of it are parts of the recorded model ({} of the file)"
PARTS = {
    "dict": (HELD.format("['model']"), lambda m: {"model": m, "meta": 1}),
    "list": (HELD.format("[1]"), lambda m: ["v1", m]),
    "tuple in a dict": (HELD.format("['a'][0]"), lambda m: {"a": (m, 0.5)}),
    "pipeline": (HELD.format("steps[1][1]"), pipeline),
    "object": (HELD.format("model"), bundle),
    "classifier": ("it is a part of the recorded model (steps[2][1] of it)", lambda m: m[-1]),
    "vectorizer and classifier": (
        PART.format("['vec'], ['clf']"),
        lambda m: {"vec": m[1], "clf": m[-1]},
    ),
    "vectorizer, other classifier": (
        PART.format("['vec']"),
        lambda m: {"vec": m[1], "clf": changed(m, intercept_=lambda v: v + 1)[-1]},
    ),
}
OTHER = {
    "another number": lambda m: changed(m, intercept_=lambda v: v + 1e-9),
    "another precision": lambda m: changed(m, coef_=lambda v: v.astype("f4")),
    "another parameter": lambda m: changed(m, C=lambda v: v * 2),
    "another attribute": lambda m: changed(m, note=lambda v: "x"),
    "another number in a dict": lambda m: {"model": changed(m, intercept_=lambda v: v + 1e-9)},
    "another number in a pipeline": lambda m: pipeline(changed(m, intercept_=lambda v: v + 1e-9)),
    "unfitted": lambda m: {"model": type(m[-1])()},
    "numbers alone": lambda m: {"coef": m[-1].coef_},
    "nothing": lambda m: {},
}


def asked(project: str) -> dict:
    """What `exact which` prints of each case, and what it is as JSON."""
    import os

    import joblib

    from exact_model.cli import main

    os.chdir(project)
    model = joblib.load(MODEL)
    os.chdir(sys.argv[2])
    contents = {name: write(model) for name, write in SAME.items()}
    for name, (_, make) in PARTS.items():
        contents[name] = pickle.dumps(make(model), 0 if "dict" in name else 4)
    contents |= {name: pickle.dumps(make(model)) for name, make in OTHER.items()}
    file = Path(sys.argv[2], "case").resolve()
    os.chdir(project)
    found = {}
    for name, content in contents.items():
        file.write_bytes(content)
        found[name] = []
        for words in ([], ["--json"]):
            with redirect_stdout(io.StringIO()) as printed:
                sys.argv = ["exact", "which", str(file), *words]
                status = main()
            found[name].append(printed.getvalue())
        found[name].append(status)
    return found


@pytest.fixture(scope="module")
def told(built, tmp_path_factory):
    folder = tmp_path_factory.mktemp("resaved")
    done = built.run("python", __file__, built.root, folder)
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", SAME)
def test_the_same_model_is_found(name, told):
    text, as_json, status = told[name]
    assert status == 1 and RE_SAVED in text, text
    (known,) = json.loads(as_json)["same_model"]
    assert known["made"][0]["as"][0]["path"] == MODEL
    remark = f"{RE_SAVED}; scikit-learn 1.99.0 saved this file, and "
    assert (remark in text) == (name == "another scikit-learn")


@pytest.mark.parametrize("name", PARTS)
def test_a_part_is_found(name, told):
    text, as_json, status = told[name]
    assert status == 1 and PARTS[name][0] in text, text
    (known,) = json.loads(as_json)["same_model"]
    wanted = TRANSFORMER if "other" in name else MODEL
    assert known["made"][0]["as"][0]["path"] == wanted


@pytest.mark.parametrize("name", OTHER)
def test_another_model_is_not(name, told):
    text, as_json, status = told[name]
    assert status == 1 and "recorded models were compared with it" in text and MODEL not in text
    assert json.loads(as_json)["same_model"] == []


if __name__ == "__main__":
    print(json.dumps(asked(sys.argv[1])))
