"""Gives the tests the project's package under a name that does not depend on the project's."""

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def package():
    """A function that imports a module of the project's package by its name."""
    (featurize,) = ROOT.glob("src/*/featurize.py")
    return lambda name: importlib.import_module(f"{featurize.parent.name}.{name}")
