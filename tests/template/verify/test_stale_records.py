"""A dvc.lock that does not describe its commit is found before anything is rebuilt."""

import re

import pytest
from places import BEHIND, MORE, RAW, append, branch_off, verify

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]


def change(name: str, old: str, new: str):
    """A change that replaces the only occurrence of `old` in a file."""
    return lambda project: project.replace(name, old, new)


def other_hash(name: str):
    """A change of the hash in a .dvc file."""
    return lambda project: project.write(name, re.sub("md5: .", "md5: f", project.read(name)))


def merged_badly(project) -> None:
    lines = project.read("dvc.lock").splitlines(keepends=True)
    lines[5:5] = ["<<<<<<< HEAD\n", lines[4], "=======\n", lines[4], ">>>>>>> other\n"]
    project.write("dvc.lock", "".join(lines))


THIRD = """  third:
    cmd: exact run python -m pizza.count
    outs: [models/third.txt]
"""
STALE = {
    "missing": (lambda project: (project.root / "dvc.lock").unlink(), "it is missing or broken"),
    "empty": (lambda project: project.write("dvc.lock", ""), "it is missing or broken"),
    "merge markers": (merged_badly, "it is missing or broken"),
    "parameter": (
        change("params.yaml", "base: 10", "base: 11"),
        "small in params.yaml has changed since stage report last ran",
    ),
    "code": (
        append("src/pizza/count.py"),
        "src/pizza/count.py has changed since stage count last ran",
    ),
    "packages": (
        append("requirements.lock"),
        "requirements.lock has changed since stage count last ran",
    ),
    "stage": (
        lambda project: project.write("dvc.yaml", project.read("dvc.yaml") + THIRD),
        "it has no stage third",
    ),
    "command": (
        change("dvc.yaml", "python -m pizza.report", "python -B -m pizza.report"),
        "the command has changed since stage report last ran",
    ),
    "dependency": (
        change(
            "dvc.yaml",
            "      - src/pizza/count.py",
            "      - src/pizza/count.py\n      - README.md",
        ),
        "README.md has changed since stage count last ran",
    ),
    "raw file": (other_hash(f"{RAW}.dvc"), f"{RAW} has changed since stage count last ran"),
    "raw folder": (other_hash(f"{MORE}.dvc"), f"{MORE} has changed since stage count last ran"),
}


@pytest.fixture(scope="module")
def stale_reports(tiny):
    """The reports on a commit for each way in which dvc.lock can be behind, from one call."""
    commits = {name: branch_off(tiny, change) for name, (change, _) in STALE.items()}
    return dict(zip(commits, verify(tiny, *commits.values(), status=2), strict=True))


@pytest.mark.parametrize("name", STALE)
def test_a_record_that_is_behind(name, stale_reports):
    report = stale_reports[name]
    assert report["verdict"] == "could not run"
    assert report["problem"].startswith(BEHIND + STALE[name][1])
    assert report["problem"].endswith("; run `make` and commit dvc.lock")
    assert "\n" not in report["problem"] and report["lines"] == []
