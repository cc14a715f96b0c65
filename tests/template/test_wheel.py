"""The wheel that projects get is what src/exact_model builds; `make wheel` renews it."""

import hashlib

import wheel
from bake import PROJECT, ROOT

from exact_model.tool import unpack

TEMPLATE = ROOT / PROJECT


def test_the_committed_wheel_is_that_of_the_source():
    name, built = wheel.build()
    committed = [path.name for path in (TEMPLATE / "vendor").iterdir()]
    assert committed == [name], "run `make wheel`"
    assert (TEMPLATE / "vendor" / name).read_bytes() == built, "run `make wheel`, and commit"


def test_the_lock_names_it():
    (path,) = (TEMPLATE / "vendor").glob("*.whl")
    lock = (TEMPLATE / "requirements-dev.lock").read_text(encoding="utf-8")
    (line,) = wheel.LINE.findall(lock)
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    assert line == f"exact-model=={path.name.split('-')[1]} \\\n    --hash=sha256:{found}\n"


def test_it_is_the_same_each_time_and_holds_the_tool():
    name, built = wheel.build()
    assert wheel.build() == (name, built)
    names = set(unpack(built))
    source = {f.relative_to(ROOT / "src").as_posix() for f in (ROOT / "src").rglob("*.[pht]*")}
    source = {name for name in source if "__pycache__" not in name}
    assert source <= names and any(name.endswith(".data/scripts/exact") for name in names)
