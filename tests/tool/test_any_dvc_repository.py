"""The commands in a DVC repository that no template has made, and what they cannot promise."""

import json
import re
import shutil

import pytest
from dvc_repo import PIPELINE, WORDS, Repository


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Repository:
    return Repository(tmp_path_factory.mktemp("any"))


@pytest.fixture
def repository(made, tmp_path) -> Repository:
    """A copy of one that is built and committed."""
    shutil.copytree(made.root, tmp_path / "copy", symlinks=True)
    copy = object.__new__(Repository)
    copy.root = tmp_path / "copy"
    return copy


def verify(repository, status: int, *words: str) -> dict:
    (report,) = json.loads(repository.exact("verify", "--json", *words, status=status).stdout)
    return report


def test_a_rebuild_is_identical_and_says_that_nothing_is_pinned(repository):
    report = verify(repository, 0)
    assert report["verdict"] == "identical"
    assert {line["path"] for line in report["lines"]} == {
        "work.txt",
        "out/model.json",
        "scores.json",
    }
    assert any("which nothing pins" in note for note in report["notes"])


def test_a_forged_hash_differs(repository):
    lock = (repository.root / "dvc.lock").read_text()
    md5 = re.search(r"path: out/model.json\n\s+hash: md5\n\s+md5: (\w+)", lock)[1]
    repository.write("dvc.lock", lock.replace(md5, "0" * 29 + "bad"))
    repository.commit("Forged")
    report = verify(repository, 1)
    assert [x["path"] for x in report["lines"] if x["verdict"] == "differs"] == ["out/model.json"]


@pytest.mark.parametrize("quick", [(), ("--quick",)], ids=["rebuilt", "quick"])
def test_a_folder_that_a_stage_depends_on_is_hashed(repository, quick):
    """`deps: [code/tools]`, the usual form: a change of a file in it is a stale record."""
    repository.write("code/tools/words.py", WORDS + "# changed\n")
    repository.commit("Stale")
    problem = verify(repository, 2, *quick)["problem"]
    assert "dvc.lock does not describe this commit" in problem and "code/tools" in problem


@pytest.mark.parametrize("changed", [False, True], ids=["as recorded", "changed"])
def test_a_folder_of_which_dvc_tracks_a_file(repository, changed):
    """`deps: [input]`: one file there is in git, another is DVC's."""
    repository.write("input/lookup.csv", "a\n")
    repository.write("dvc.yaml", PIPELINE.replace("[input/raw.txt, ", "[input, "))
    repository.build("A folder")
    if changed:
        repository.write("input/lookup.csv", "b\n")
        repository.commit("Stale")
    report = verify(repository, 2 if changed else 0, "--quick")
    assert bool(report["problem"]) == changed
    if changed:
        assert "input has changed since stage clean last ran" in report["problem"]


def test_a_folder_with_files_that_dvc_ignores(repository):
    repository.write("code/tools/__pycache__/words.pyc", "x")
    assert verify(repository, 0, "--quick")["verdict"] == "identical"


@pytest.mark.parametrize("wdir", ["..", "../input", "."])
def test_a_dvc_file_with_a_folder_of_its_own(repository, wdir):
    """`wdir: ..` and its like mean the same file to every command."""
    (repository.root / "input/raw.txt.dvc").rename(repository.root / "input/other.dvc")
    path = {"..": "input/raw.txt", "../input": "raw.txt", ".": "raw.txt"}[wdir]
    text = (repository.root / "input/other.dvc").read_text()
    text = text.replace("path: raw.txt", f"path: {path}") + f"wdir: {wdir}\n"
    repository.write("input/other.dvc", text)
    repository.build("Moved")
    assert verify(repository, 0)["verdict"] == "identical"
    assert verify(repository, 0, "--quick")["verdict"] == "identical"
    assert "input/raw.txt" in repository.exact("which", "input/raw.txt").stdout


def test_which_names_the_commit_of_a_model(repository):
    told = repository.exact("which", "out/model.json").stdout
    assert "First" in told and "count" in told


def test_compare_tells_code_data_metrics_and_outputs(repository):
    repository.write("input/raw.txt", "One\nTwo \none\nThree\n")
    repository.run("dvc", "commit", "--force", "--quiet", "input/raw.txt.dvc")
    repository.write("code/tools/words.py", WORDS.replace("lower", "upper"))
    repository.build("Second")
    found = json.loads(repository.exact("compare", "HEAD^", "HEAD", "--json").stdout)
    assert found["code"] == {"code/tools/words.py": {"added": 1, "removed": 1}}
    assert found["metrics"] == {"lines": [3, 4]}
    assert {*found["outputs"]} == {"work.txt", "out/model.json", "scores.json"}
    assert [*found["data"]["files"]] == ["input/raw.txt"]
    assert "problem" not in json.dumps(found)


def test_a_file_beside_the_locks_is_no_lock(repository):
    """`requirements_weights.csv` and `dvc.notes` only begin as files that every stage reads."""
    from exact_model.reads import MACHINERY

    refused = ("requirements_weights.csv", "dvc.notes", "src/exactly.py", "pyproject.tomls")
    accepted = ("requirements.lock", "requirements-dev.lock", "dvc.yaml", "src/exact/run.py")
    assert not [name for name in refused if MACHINERY.fullmatch(name)]
    assert not [name for name in accepted if not MACHINERY.fullmatch(name)]


def test_stages_of_other_files_are_refused(repository):
    repository.write("more/dvc.yaml", PIPELINE)
    repository.commit("Two pipelines")
    assert "more/dvc.yaml" in verify(repository, 2)["problem"]
