"""The package as other programs use it."""

import json
import os
import subprocess
import sys

import pytest

import exact_model
from exact_model import errors
from exact_model.reports import Report

from .conftest import md5


def test_importing_it_imports_nothing_else(tmp_path):
    code = "import json, sys; before = {*sys.modules}; import exact_model; "
    code += "print(json.dumps(sorted({*sys.modules} - before)))"
    command = [sys.executable, "-I", "-c", code]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    found = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert found - sys.stdlib_module_names == {"exact_model"}


def test_functions_stay_functions_when_the_commands_are_imported(exact, unchanged):
    for word in exact_model.__all__:
        exact(word, "--help")
        assert callable(getattr(exact_model, word)) and getattr(exact_model, word).__doc__


def test_verify_quick(unchanged, capfd):
    report = exact_model.verify(unchanged.root, quick=True)
    assert isinstance(report, Report) and report.revision == "HEAD"
    assert report.commit == unchanged.git("rev-parse", "HEAD")
    assert [(line.path, line.verdict, line.recorded) for line in report.lines] == [
        ("models/model.pkl", "identical", md5("second model")),
        ("reports/metrics.json", "identical", md5(json.dumps({"score": 0.75}))),
    ]
    assert (report.verdict, report.problem, report.notes) == ("identical", None, [])
    assert capfd.readouterr() == ("", "")


def test_verify_says_why_it_could_not_run(repository):
    repository.write("train.py", "print(2)\n")
    repository.git("commit", "--quiet", "--all", "--message", "Stale")
    report = exact_model.verify(repository.root)
    assert report.verdict == "could not run" and "train.py" in report.problem
    assert exact_model.verify(repository.root, "HEAD^", quick=True).verdict == "identical"


def test_verify_knows_releases(repository):
    repository.git("tag", "model@v1.0.0", "HEAD^")
    report = exact_model.verify(repository.root, "v1.0.0", quick=True)
    assert report.commit == repository.git("rev-parse", "HEAD^")
    assert report.notes == [
        "model@v1.0.0: it is a lightweight tag, which `exact release` did not make"
    ]


def test_compare(unchanged, exact):
    found = exact_model.compare(unchanged.root)
    assert found["parameters"] == {"size": [1, 2]} and found["metrics"] == {"score": [0.5, 0.75]}
    assert found["a"]["subject"] == "First" and found["b"]["name"] == "HEAD"
    assert found == json.loads(exact("compare", "--json", cwd=unchanged.root).out)
    backwards = exact_model.compare(str(unchanged.root), "HEAD", "HEAD^")
    assert backwards["parameters"] == {"size": [2, 1]}


def test_which(unchanged, exact, tmp_path):
    file = tmp_path / "somewhere.pkl"
    file.write_bytes(b"first model")
    found = exact_model.which(unchanged.root, file)
    assert found["md5"] == md5("first model")
    assert [one["subject"] for one in found["made"]] == ["First"]
    assert exact_model.which(unchanged.root, md5("first model")[:8]) == found
    assert found == json.loads(exact("which", "--json", file, cwd=unchanged.root).out)


def test_which_of_what_nobody_has_committed(unchanged, tmp_path):
    file = tmp_path / "other.txt"
    file.write_bytes(b"other")
    assert exact_model.which(unchanged.root, file) == {
        "md5": md5("other"),
        "made": [],
        "same_model": [],
    }


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda root: exact_model.verify("/"), "is not in a DVC project"),
        (lambda root: exact_model.verify(root, "nothing"), "git knows no commit 'nothing'"),
        (lambda root: exact_model.verify(root, "HEAD^..HEAD"), "is a range of commits"),
        (lambda root: exact_model.compare("/"), "is not in a DVC project"),
        (lambda root: exact_model.compare(root, "nothing"), "git knows no commit 'nothing'"),
        (lambda root: exact_model.which("/", "0123abcd"), "is not in a DVC project"),
        (lambda root: exact_model.which(root, root), "is a folder"),
        (lambda root: exact_model.which(root, "x.pkl"), "there is no file x.pkl"),
    ],
)
def test_refused(call, told, unchanged):
    with pytest.raises(errors.Refused, match=told):
        call(unchanged.root)


def test_it_leaves_the_process_alone(unchanged, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.delenv("DVC_SITE_CACHE_DIR", raising=False)
    before = dict(os.environ), os.getcwd()
    exact_model.verify(unchanged.root, quick=True)
    exact_model.compare(unchanged.root)
    assert (dict(os.environ), os.getcwd()) == before
