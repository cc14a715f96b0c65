"""DVC's experiments: a grid of parameters is tried, compared, taken and committed."""

import json
import re

import pytest
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]
# Less than OBSCURE, for DVC writes the path of a copy as ASCII, and into a URL without quotes.
FOLDER = "a b 'c' & $x;"
BOOK = "notebooks/explore.ipynb"
GRID = "train.logistic_regression.C=0.05,0.2"
BAD = "train.estimator=unheard_of"


@pytest.fixture(scope="module")
def work(built, tmp_path_factory):
    """A copy of the built project that these tests change one after the other."""
    return built.copy(tmp_path_factory.mktemp("experiments") / FOLDER / "altruism")


@pytest.fixture
def project(work):
    """The same, as it was committed, with a notebook that was run."""
    book = json.loads(work.read(BOOK))
    code = next(cell for cell in book["cells"] if cell["cell_type"] == "code")
    code["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["a row"]}]
    work.write(BOOK, json.dumps(book))
    yield work
    work.run("git", "reset", "--quiet", "--hard", "main")
    work.run("dvc", "checkout", "--quiet", "--force")


def changed(project) -> list[str]:
    """The files that are not those of the commit, whatever their time and outputs."""
    return project.run("git", "diff", "--name-only", "HEAD").stdout.split()


def stored(project, name) -> str:
    """The notebook as git stored it with the experiment `name`."""
    refs = project.run("git", "for-each-ref", "--format=%(refname)", "refs/exps").stdout.split()
    (ref,) = [ref for ref in refs if ref.endswith(f"/{name}")]
    text = project.run("git", "show", f"{ref}:{BOOK}").stdout
    assert '"cells"' in text
    return text


def names(project) -> list[str]:
    return project.run("dvc", "exp", "list", "--name-only").stdout.split()


def test_one_experiment_in_the_tree(project):
    project.run("dvc", "exp", "run", "--name", "one", "-S", "train.logistic_regression.C=0.03")
    assert "one" in names(project)
    assert changed(project) == ["dvc.lock", "params.yaml", "reports/metrics.json"]
    assert "a row" not in stored(project, "one")
    assert "a row" in project.read(BOOK)
    told = project.run("dvc", "exp", "diff", "main", "one", "--json").stdout
    (change,) = json.loads(told)["params"]["params.yaml"].values()
    assert (change["old"], change["new"]) == (1, 0.03)


def test_one_that_fails_leaves_the_tree_as_it_is(project):
    done = project.run("dvc", "exp", "run", "--temp", "--name", "bad", "-S", BAD, check=False)
    assert done.returncode and "unheard_of" in done.stdout + done.stderr
    assert "bad" not in names(project) and changed(project) == []
    assert project.run("dvc", "status", "--quiet", check=False).returncode == 0


def test_a_grid_is_tried_and_one_is_taken(project):
    """In copies of the tree; the one that was taken is what `make` would have made."""
    project.run("dvc", "exp", "run", "--queue", "--name", "grid", "-S", GRID)
    project.run("dvc", "exp", "run", "--queue", "--name", "bad", "-S", BAD)
    project.run("dvc", "exp", "run", "--run-all", check=False)
    assert changed(project) == []
    assert {*names(project)} - {"one"} == {"grid-1", "grid-2"}
    for name in ("grid-1", "grid-2"):
        assert "a row" not in stored(project, name)
    shown = project.run("dvc", "exp", "show", "--no-pager", "--csv").stdout
    assert re.search(r"^grid-2,.*,Success,", shown, re.MULTILINE)
    project.run("dvc", "exp", "branch", "grid-1", "kept")
    branch = project.run("git", "show", "kept:params.yaml").stdout
    assert yaml.safe_load(branch)["train"]["logistic_regression"]["C"] == 0.05
    project.run("dvc", "exp", "apply", "grid-2")
    assert changed(project) == ["dvc.lock", "params.yaml", "reports/metrics.json"]
    taken = project.read("dvc.lock")
    assert "Data and pipelines are up to date." in project.run("make").stdout
    project.run("git", "switch", "--quiet", "--create", "better")
    project.commit("Better model")
    assert project.read("dvc.lock") == taken
    assert "a row" not in project.run("git", "show", f"HEAD:{BOOK}").stdout
    assert project.run("exact", "verify", "--quick").returncode == 0
    made = project.read("reports/metrics.json")
    project.run("dvc", "repro", "--force", "--downstream", "train")
    assert (project.read("dvc.lock"), project.read("reports/metrics.json")) == (taken, made)
