"""dvc.lock is merged stage by stage, by real `git merge` and `git rebase`; no hash is made up."""

import re

import pytest
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]
BRANCHES = {
    "estimator": ("estimator: logistic_regression ", "estimator: multinomial_nb "),
    "features": ("min_df: 2", "min_df: 9"),
    "iterations": ("max_iter: 5000", "max_iter: 4000"),
}


def stages(project, revision="HEAD") -> dict:
    return yaml.safe_load(project.run("git", "show", f"{revision}:dvc.lock").stdout)["stages"]


def hashes(record) -> set[str]:
    return set(re.findall(r"\b[0-9a-f]{32}\b", str(record)))


@pytest.fixture(scope="module")
def branches(built, tmp_path_factory):
    """The built project with a branch for each change, its model built and committed."""
    project = built.copy(tmp_path_factory.mktemp("branches") / "altruism")
    project.run("git", "branch", "--move", "main")
    for name, change in BRANCHES.items():
        project.run("git", "switch", "--quiet", "-c", name, "main")
        project.run("dvc", "checkout", "--quiet")
        project.replace("params.yaml", *change)
        project.run("make")
        project.commit(name)
    # A change of what no stage depends on, so that a merge is needed.
    project.run("git", "switch", "--quiet", "-c", "words", "main")
    project.write("notes.txt", "x")
    project.commit("words")
    return project


@pytest.fixture
def on(branches):
    """Go to a new branch from another one, as it was committed."""

    def go(name):
        branches.run("git", "switch", "--quiet", "--force-create", "test", name)
        branches.run("dvc", "checkout", "--quiet", "--force")
        return branches

    yield go
    branches.run("git", "reset", "--quiet", "--hard")
    branches.run("git", "switch", "--quiet", "main")


def test_one_side_changed(on):
    project = on("words")
    project.run("git", "merge", "--quiet", "--no-edit", "estimator")
    assert stages(project) == stages(project, "estimator")
    project.run("dvc", "checkout", "--quiet")
    assert project.run("dvc", "status", "--quiet", check=False).returncode == 0


def test_both_changed_the_same_stages(on):
    """The stages are left out, `make` runs them, and what comes out is that of both changes."""
    project = on("estimator")
    merge = project.run("git", "merge", "--no-edit", "features")
    assert "both sides changed train, evaluate; run `make` and commit dvc.lock" in merge.stderr
    found = stages(project)
    assert {*found} == {"prepare", "featurize"}
    assert found["featurize"] == stages(project, "features")["featurize"]
    known = hashes(stages(project, "estimator")) | hashes(stages(project, "features"))
    assert hashes(found) <= known
    told = project.run("exact", "verify", check=False)
    assert told.returncode == 2 and "dvc.lock does not describe this commit" in told.stdout
    project.run("make")
    assert {*yaml.safe_load(project.read("dvc.lock"))["stages"]} == {*stages(project, "main")}
    assert project.run("dvc", "status", "--quiet", check=False).returncode == 0
    made = project.read("dvc.lock")
    # The same as both changes made by hand.
    project.commit("Merged")
    for change in BRANCHES["estimator"], BRANCHES["features"]:
        assert change[1] in project.read("params.yaml")
    assert hashes(made) - known, "the merged model is neither side's"


def test_a_rebase(on):
    project = on("estimator")
    done = project.run("git", "rebase", "features")
    assert "run `make` and commit dvc.lock" in done.stderr
    assert {*stages(project)} == {"prepare", "featurize"}
    known = hashes(stages(project, "estimator")) | hashes(stages(project, "features"))
    assert hashes(stages(project)) <= known
    project.run("make")
    assert project.run("dvc", "status", "--quiet", check=False).returncode == 0


def test_a_cherry_pick_and_its_revert(on):
    project = on("words")
    project.run("git", "cherry-pick", "estimator")
    assert stages(project) == stages(project, "estimator")
    project.run("git", "revert", "--no-edit", "HEAD")
    assert stages(project) == stages(project, "main")


def test_a_file_that_is_no_record_is_a_conflict(on):
    project = on("estimator")
    project.write("dvc.lock", "stages: [\n")
    project.commit("Broken")
    done = project.run("git", "merge", "--no-edit", "features", check=False)
    assert done.returncode == 1 and "dvc.lock cannot be merged" in done.stderr
    assert "CONFLICT" in done.stdout
    project.run("git", "merge", "--abort")


def test_without_the_environment_git_calls_it_a_conflict(on, tmp_path):
    project = on("estimator")
    clone = tmp_path / "clone"
    project.run("git", "clone", "--quiet", project.root, clone)
    project.run("git", "config", "merge.exact.driver", "no-such-program %O", cwd=clone)
    project.run("git", "switch", "--quiet", "estimator", cwd=clone)
    done = project.run("git", "merge", "--no-edit", "origin/features", cwd=clone, check=False)
    assert done.returncode and "dvc.lock" in done.stdout + done.stderr


# -- stage by stage

RECORD = "    cmd: {0}\n    outs:\n    - path: {0}.txt\n      hash: md5\n      md5: {1}\n"


def lock(**made) -> str:
    text = "".join(f"  {name}:\n{RECORD.format(name, md5 * 32)}" for name, md5 in made.items())
    return "schema: '2.0'\nstages:\n" + text if made else ""


CASES = {
    "none": (dict(a="1"), dict(a="1"), dict(a="1"), dict(a="1"), ""),
    "theirs": (dict(a="1"), dict(a="1"), dict(a="2"), dict(a="2"), ""),
    "ours": (dict(a="1"), dict(a="2"), dict(a="1"), dict(a="2"), "something"),
    "both alike": (dict(a="1"), dict(a="2"), dict(a="2"), dict(a="2"), ""),
    "both": (dict(a="1", b="1"), dict(a="2", b="1"), dict(a="3", b="1"), dict(b="1"), "a"),
    "each another": (
        dict(a="1", b="1"), dict(a="2", b="1"), dict(a="1", b="2"), dict(a="2", b="2"), "something",
    ),
    "added by both": (dict(a="1"), dict(a="1", b="1"), dict(a="1", b="2"), dict(a="1"), "b"),
    "added by each": (
        dict(a="1"), dict(a="1", b="1"), dict(a="1", c="1"), dict(a="1", b="1", c="1"), "something",
    ),
    "removed": (dict(a="1", b="1"), dict(a="1"), dict(a="1", b="1"), dict(a="1"), "something"),
    "removed and changed": (dict(a="1", b="1"), dict(a="1"), dict(a="1", b="2"), dict(a="1"), "b"),
    "no base": (dict(), dict(a="1"), dict(b="1"), dict(a="1", b="1"), "something"),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_stage_by_stage(case, built, tmp_path):
    *sides, wanted, told = CASES[case]
    for name, made in zip(("base", "ours", "theirs"), sides, strict=True):
        (tmp_path / name).write_text(lock(**made))
    words = [tmp_path / name for name in ("base", "ours", "theirs")]
    done = built.run("exact", "merge", *words, "dvc.lock")
    # DVC's own form, so that it will not be rewritten.
    assert (tmp_path / "ours").read_text() == lock(**wanted)
    assert done.stderr == (
        f"exact: dvc.lock: both sides changed {told}; run `make` and commit dvc.lock\n"
        if told
        else ""
    )


BROKEN = ["stages: [", "7", "stages: 7", "<<<<<<< ours\nstages: {}\n", "\0"]


@pytest.mark.parametrize("side", ["base", "ours", "theirs"])
@pytest.mark.parametrize("text", BROKEN)
def test_what_is_no_record_stays_as_it_is(text, side, built, tmp_path):
    for name in ("base", "ours", "theirs"):
        (tmp_path / name).write_text(text if name == side else lock(a="1"))
    words = [tmp_path / name for name in ("base", "ours", "theirs")]
    done = built.run("exact", "merge", *words, "dvc.lock", check=False)
    assert done.returncode == 1 and "dvc.lock cannot be merged" in done.stderr
    assert (tmp_path / "ours").read_text() == (text if side == "ours" else lock(a="1"))
