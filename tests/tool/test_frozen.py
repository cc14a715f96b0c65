"""What the tool and a project's src/exact must agree on, though neither imports the other."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from exact_model import errors, values, variations

TEMPLATE = Path(__file__).resolve().parents[2] / "{{cookiecutter.project_slug}}"


def loaded(name: str) -> ModuleType:
    """A module of the template's src/exact, loaded from its file."""
    spec = importlib.util.spec_from_file_location(name, TEMPLATE / f"src/exact/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_usual_values_are_those_that_a_project_pins():
    pins = loaded("run").PINS
    assert variations.USUAL.items() <= pins.items()
    varied = {name for one in variations.variations() for name in one.environ}
    assert varied & pins.keys() == variations.USUAL.keys()


def test_the_attributes_without_meaning_are_those_that_a_project_leaves_out():
    assert loaded("dump").ADDRESSES == values.ADDRESSES


def test_the_status_of_a_wrong_environment():
    assert loaded("run").WRONG_ENVIRONMENT == errors.WRONG_ENVIRONMENT == 78


def test_the_variables_that_are_kept():
    """make needs the list before there is a tool."""
    ours = Path(variations.__file__).with_name("kept_variables.txt")
    assert ours.read_bytes() == (TEMPLATE / "src/exact/kept_variables.txt").read_bytes()


@pytest.mark.parametrize(
    "file", sorted(Path(variations.__file__).parent.rglob("*.py")), ids=lambda file: file.stem
)
def test_the_tool_imports_no_code_of_a_project(file):
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"^\s*(from exact[. ]|import exact\b(?!_))", text, re.MULTILINE)
