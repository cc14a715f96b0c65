"""Release, change, release, go back: a fresh clone gives the first model's exact bytes."""

import functools
import hashlib
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]
MODEL = "models/model.joblib"
SAMPLE = "data/raw/requests.jsonl"


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def locked(project, name: str) -> str:
    """The md5 that dvc.lock has for the output `name`."""
    stages = yaml.safe_load(project.read("dvc.lock"))["stages"].values()
    (found,) = [out["md5"] for stage in stages for out in stage["outs"] if out["path"] == name]
    return found


def release(project, version: str) -> None:
    """What the project's README says a release is."""
    if project.run("git", "status", "--porcelain").stdout:
        project.commit(f"Model of {version}")
    project.run("make", "push")
    project.run("git", "tag", "--annotate", f"altruism@{version}", "--message", "A release")


@pytest.fixture(scope="module")
def released(built, tmp_path_factory):
    """A project with two releases of two models; `first` is the bytes of the first one."""
    project = built.copy(tmp_path_factory.mktemp("recovery") / "altruism")
    project.first = (project.root / MODEL).read_bytes()
    release(project, "v1.0.0")
    project.replace(
        "params.yaml", "estimator: logistic_regression ", "estimator: multinomial_nb      "
    )
    project.run("make")
    release(project, "v2.0.0")
    return project


@pytest.fixture(scope="module")
def clone(released):
    """A fresh clone beside the project, where the relative path to the remote is the same."""
    released.run("git", "clone", "--quiet", ".", "../clone")
    return type(released)(released.root.with_name("clone"))


def test_a_tag_brings_back_the_first_models_bytes(released, clone):
    assert (released.root / MODEL).read_bytes() != released.first
    clone.run("git", "checkout", "--quiet", "altruism@v1.0.0")
    clone.run("make", "pull")
    assert (clone.root / MODEL).read_bytes() == released.first
    assert locked(clone, MODEL) == hashlib.md5(released.first).hexdigest()
    assert clone.run("dvc", "status").stdout == "Data and pipelines are up to date.\n"
    assert clone.run("git", "status", "--porcelain").stdout == ""
    # The present comes back from the cache alone, once it was pulled.
    clone.run("git", "checkout", "--quiet", "main")
    clone.run("make", "pull")
    assert md5(clone.root / MODEL) == locked(clone, MODEL) == md5(released.root / MODEL)
    clone.run("git", "checkout", "--quiet", "altruism@v1.0.0")
    clone.run("dvc", "checkout")
    assert (clone.root / MODEL).read_bytes() == released.first


def test_make_pull_leaves_no_bytes_of_a_damaged_cache(released, clone):
    clone.run("git", "checkout", "--quiet", "altruism@v1.0.0")
    clone.run("make", "pull")
    name = locked(clone, MODEL)
    damaged = clone.root / ".dvc/cache/files/md5" / name[:2] / name[2:]
    damaged.chmod(0o644)
    damaged.write_bytes(released.first[:-1] + b"x")
    damaged.chmod(0o444)
    (clone.root / MODEL).unlink()
    assert f"{MODEL} was damaged in the cache" in clone.run("make", "pull").stdout
    assert (clone.root / MODEL).read_bytes() == damaged.read_bytes() == released.first


def test_dvc_and_gto_know_the_release(released, tmp_path):
    shown = released.run("gto", "show", "--plain").stdout
    assert "altruism" in shown and "v2.0.0" in shown
    assert "v1.0.0" in released.run("gto", "show", "altruism", "--plain").stdout
    got = tmp_path / "got"
    words = ("dvc", "get", released.root, MODEL, "--rev", "altruism@v1.0.0", "--out", got)
    released.run(*words, cwd=tmp_path)
    assert got.read_bytes() == released.first
    words = ("dvc", "artifacts", "get", released.root, "altruism", "--rev", "v1.0.0")
    released.run(*words, cwd=tmp_path)
    assert (tmp_path / "model.joblib").read_bytes() == released.first


def test_metrics_are_compared_with_the_last_commit(released):
    told = released.run("make", "--silent", "metrics").stdout
    assert re.search(r"^reports/metrics.json +roc_auc +(0\.\d+) +\1 ", told, re.M)
    changed = released.read("reports/metrics.json")
    try:
        released.write(
            "reports/metrics.json", re.sub(r'("roc_auc": )[\d.]+', r"\g<1>0.125", changed)
        )
        told = released.run("make", "--silent", "metrics").stdout
    finally:
        released.write("reports/metrics.json", changed)
    assert re.search(r"^reports/metrics.json +roc_auc +0\.\d+ +0\.125 ", told, re.M)


def test_help_lists_every_target(built):
    told = built.run("make", "help").stdout
    (phony,) = re.findall(r"^\.PHONY: (help .*)$", built.read("Makefile"), re.M)
    listed = re.findall(r"^  make ([\w-]+) +\S", told, re.M)
    assert listed == [target for target in phony.split() if target != "scm"]
    assert built.run("make", "--dry-run").stdout == built.run("make", "--dry-run", "repro").stdout


def test_notebooks_are_stored_without_outputs(project):
    """In whatever folder below notebooks/; where that cannot be, `make test` tells."""
    book = json.loads(project.read("notebooks/explore.ipynb"))
    code = next(cell for cell in book["cells"] if cell["cell_type"] == "code")
    code["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["a row"]}]
    for name in ("notebooks/explore.ipynb", "notebooks/deep/notebooks too/x 'y' $z.ipynb"):
        (project.root / name).parent.mkdir(exist_ok=True, parents=True)
        project.write(name, json.dumps(book))
        project.run("git", "add", name)
        assert "a row" in project.read(name)
        assert "a row" not in project.run("git", "show", f":{name}").stdout
    project.commit("Notebooks")
    project.run("pytest", "-q", "tests/template/test_notebooks.py")
    shutil.rmtree(project.root / ".venv")
    # Git works where the filter cannot, whatever it has to look at again.
    for name in ("explore.ipynb", "new.ipynb"):
        project.write(f"notebooks/{name}", json.dumps(book))
    os.utime(project.root / "notebooks/explore.ipynb", (1, 1))
    assert "M notebooks/explore.ipynb" in project.run("git", "status", "--porcelain").stdout
    done = project.run("git", "add", "notebooks/new.ipynb")
    assert "run make env: until then, git keeps outputs of notebooks/new.ipynb" in done.stderr
    project.commit("Notebook with outputs")
    project.run("make", "env")
    done = project.run("pytest", "-q", "tests/template/test_notebooks.py", check=False)
    assert done.returncode == 1 and "git add --renormalize notebooks`" in done.stdout
    project.run("git", "add", "--renormalize", "notebooks")
    project.run("pytest", "-q", "tests/template/test_notebooks.py")


# -- make data


@pytest.fixture(scope="module")
def fed(built, tmp_path_factory):
    """A project for the tests of `make data`, in a folder with the files to be had beside it."""
    folder = tmp_path_factory.mktemp("data")
    project = built.copy(folder / "altruism")
    project.given = folder / "given"
    project.given.mkdir()
    rows = project.read(SAMPLE).splitlines(keepends=True)[:900]
    (project.given / "half of it.jsonl").write_text("".join(rows), encoding="utf-8")
    shutil.copy(project.given / "half of it.jsonl", project.given / "rows.jsonl")
    shutil.copy(project.given / "half of it.jsonl", project.given / "requests.jsonl")
    return project


@pytest.fixture
def fresh(fed):
    """The same project as its last commit has it."""
    fed.run("git", "reset", "--quiet", "--hard")
    fed.run("git", "clean", "--quiet", "--force", "-d", "-x", "data")
    fed.run("dvc", "checkout", "--quiet")
    return fed


@pytest.fixture(scope="module")
def site(fed):
    """The address of a web server of the files in the folder `given`."""
    handler = functools.partial(Quiet, directory=fed.given)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Print nothing."""

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True  # DVC hangs up once it has read the headers.


def make_data(project, url, sha256, **options):
    return project.run("make", "data", f"URL={url}", f"SHA256={sha256}", **options)


def state(project) -> dict:
    """Every file that git or DVC keeps, with its bytes."""
    files = [path for path in project.root.rglob("*") if path.is_file()]
    names = [path.relative_to(project.root) for path in files]
    mine = [name for name in names if name.parts[0] not in (".git", ".venv", ".dvc")]
    return {str(name): (project.root / name).read_bytes() for name in mine}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("{given}/rows.jsonl", "rows.jsonl"),
        ("../given/half of it.jsonl", "half of it.jsonl"),
        ("file://{given}/half%20of%20it.jsonl", "half of it.jsonl"),
        ("{site}/rows.jsonl", "rows.jsonl"),
        ("{site}/half%20of%20it.jsonl?version=1&from=a'b#top", "half of it.jsonl"),
        ("{given}/requests.jsonl", "requests.jsonl"),
    ],
    ids=["path", "relative path", "file URL", "http", "query", "same name"],
)
def test_data_replaces_the_sample(url, name, fresh, site):
    given = fresh.given / name
    make_data(fresh, url.format(given=fresh.given, site=site), sha256(given).upper())
    raw = fresh.root / "data/raw"
    assert sorted(path.name for path in raw.iterdir() if "README" not in path.name) == sorted(
        [name, f"{name}.dvc"]
    )
    assert (raw / name).read_bytes() == given.read_bytes()
    params = yaml.safe_load(fresh.read("params.yaml"))
    assert params["data"]["file"] == f"data/raw/{name}"
    added = fresh.run("git", "add", "--all", "--verbose").stdout
    files = {f"{SAMPLE}.dvc", f"data/raw/{name}.dvc", "data/raw/README.md", "params.yaml"}
    assert set(re.findall(r"'(.*)'", added)) == files
    # An absolute path is one of this machine only.
    committed = fresh.read(f"data/raw/{name}.dvc")
    assert ("deps:" in committed) == (not url.startswith("{given}"))
    assert (str(fresh.given) in committed) == url.startswith("file:")
    shown = fresh.run("dvc", "status", f"data/raw/{name}.dvc").stdout
    assert shown == "Data and pipelines are up to date.\n"


def test_data_can_be_replaced_twice_updated_built_and_taken_back(fresh):
    first, second = fresh.given / "half of it.jsonl", fresh.given / "rows.jsonl"
    make_data(fresh, first, sha256(first))
    make_data(fresh, "../given/rows.jsonl", sha256(second))
    assert yaml.safe_load(fresh.read("params.yaml"))["data"]["file"] == "data/raw/rows.jsonl"
    rows = second.read_text(encoding="utf-8")
    second.write_text("".join(rows.splitlines(keepends=True)[:800]), encoding="utf-8")
    try:
        fresh.run("dvc", "update", "data/raw/rows.jsonl.dvc")
        assert (fresh.root / "data/raw/rows.jsonl").read_bytes() == second.read_bytes()
    finally:
        second.write_text(rows, encoding="utf-8")
    fresh.run("make")
    kept = sum(fresh.read(f"data/prepared/{part}.jsonl").count("\n") for part in ("train", "test"))
    assert 700 < kept <= 800
    fresh.run("git", "checkout", "--quiet", ".")
    fresh.run("dvc", "checkout")
    assert fresh.run("dvc", "status").stdout == "Data and pipelines are up to date.\n"


def test_data_updated_over_http_is_the_new_file(fresh, site):
    given = fresh.given / "rows.jsonl"
    make_data(fresh, f"{site}/rows.jsonl", sha256(given))
    rows = given.read_text(encoding="utf-8")
    given.write_text(rows + rows.splitlines(keepends=True)[0], encoding="utf-8")
    try:
        fresh.run("dvc", "update", "data/raw/rows.jsonl.dvc")
        assert (fresh.root / "data/raw/rows.jsonl").read_bytes() == given.read_bytes()
    finally:
        given.write_text(rows, encoding="utf-8")


def test_an_import_whose_source_is_gone_can_be_replaced(fresh):
    first, second = fresh.given / "first.jsonl", fresh.given / "second.jsonl"
    for file in (first, second):
        file.write_bytes((fresh.given / "rows.jsonl").read_bytes() + file.name.encode())
    make_data(fresh, first, sha256(first))
    first.unlink()
    make_data(fresh, second, sha256(second))
    assert [path.name for path in (fresh.root / "data/raw").glob("*.dvc")] == ["second.jsonl.dvc"]


def test_a_sample_that_was_never_built_from_is_not_lost(fresh):
    before = (fresh.root / SAMPLE).read_bytes()
    cached = hashlib.md5(before).hexdigest()
    (fresh.root / f".dvc/cache/files/md5/{cached[:2]}/{cached[2:]}").unlink()
    given = fresh.given / "rows.jsonl"
    make_data(fresh, given, sha256(given))
    fresh.run("git", "checkout", "--quiet", ".")
    fresh.run("dvc", "checkout", SAMPLE)
    assert (fresh.root / SAMPLE).read_bytes() == before


UNSAID = "card.intended_use is not said yet", "card.not_for is not said yet", "README.md: not said"


def test_data_forgets_what_was_said_of_the_sample_and_make_reminds_of_it(fresh):
    given = fresh.given / "rows.jsonl"
    done = make_data(fresh, given, sha256(given))
    for part in (
        "README.md, pyproject.toml, dvc.yaml: there it still is 'Predicts",
        "section card",
    ):
        assert part in done.stdout
    card = yaml.safe_load(fresh.read("params.yaml"))["card"]
    assert card == {"intended_use": None, "not_for": None}
    assert "pizza" not in fresh.read("data/raw/README.md")
    # The first run of `make` builds, and the second one has nothing to do.
    for _ in range(2):
        said = fresh.run("make").stdout
        assert [part for part in UNSAID if part not in said] == []
    card = fresh.read("reports/model_card.md")
    assert card.count("Not said yet") == 2 and "pizza" not in card.replace("received_pizza", "")
    fresh.replace("params.yaml", "intended_use: null", "intended_use: To sort the mail.")
    fresh.replace("params.yaml", "not_for: null", "not_for: Anything else.")
    fresh.write("data/raw/README.md", "# Raw data\n\nOurs.\n")
    for name in ("README.md", "pyproject.toml", "dvc.yaml"):
        sentence = "Predicts whether a request for a free pizza succeeds"
        fresh.write(name, fresh.read(name).replace(sentence, "Sorts the mail"))
    # A newer file of the same data: what the team has said of it stays.
    with open(given, "a", encoding="utf-8") as file:
        file.write(given.read_text(encoding="utf-8").splitlines()[0].replace("p0", "q0") + "\n")
    done = make_data(fresh, given, sha256(given))
    assert "say " not in done.stdout
    assert fresh.read("data/raw/README.md") == "# Raw data\n\nOurs.\n"
    assert "not said" not in fresh.run("make").stdout.lower()
    assert "To sort the mail." in fresh.read("reports/model_card.md")


def test_data_keeps_a_description_that_is_not_the_sample_s(fresh):
    params = re.sub(
        r"intended_use: .*", 'intended_use: "Sorts the mail."', fresh.read("params.yaml")
    )
    fresh.write("params.yaml", params)
    given = fresh.given / "rows.jsonl"
    make_data(fresh, given, sha256(given))
    card = yaml.safe_load(fresh.read("params.yaml"))["card"]
    assert card == {"intended_use": "Sorts the mail.", "not_for": None}


HOLD = """
from dvc.repo import Repo
lock = Repo(".").lock
lock.lock()
print("held", flush=True)
input()
"""


def test_data_says_why_dvc_cannot_fetch(fresh):
    given = fresh.given / "rows.jsonl"
    before = state(fresh)
    holder = subprocess.Popen(
        [fresh.root / ".venv/bin/python", "-c", HOLD],
        cwd=fresh.root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout.readline() == "held\n"
        done = make_data(fresh, "../given/rows.jsonl", sha256(given), check=False)
        assert done.returncode == 2 and state(fresh) == before
        assert "cannot be fetched: Unable to acquire lock" in done.stderr
        assert "wait until that has ended; nothing was changed" in done.stderr
    finally:
        holder.communicate("\n")
    make_data(fresh, "../given/rows.jsonl", sha256(given))


def test_data_can_be_run_again_right_after_a_kill(fresh):
    """Nothing that it has started goes on and holds DVC's lock."""
    asked, over = threading.Event(), threading.Event()

    class Slow(Quiet):
        def do_GET(self):
            asked.set()
            over.wait(60)

        do_HEAD = do_GET

    given = fresh.given / "rows.jsonl"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        words = ["data", f"http://127.0.0.1:{server.server_port}/rows.jsonl", sha256(given)]
        path = f"{fresh.root}/.venv/bin{os.pathsep}{os.environ['PATH']}"
        exact = subprocess.Popen(
            [fresh.root / ".venv/bin/exact", *words],
            cwd=fresh.root,
            env={**os.environ, "PATH": path},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            assert asked.wait(60)
            exact.kill()
            exact.wait()
            make_data(fresh, given, sha256(given))
        finally:
            exact.kill()
            over.set()
            server.shutdown()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("{given}/rows.jsonl", "has the SHA-256 "),
        ("{site}/rows.jsonl", "has the SHA-256 "),
        ("{given}/none.jsonl", "none.jsonl cannot be fetched: [Errno 2] No such file or directory"),
        ("../none.jsonl", "none.jsonl cannot be fetched: "),
        ("{site}/none.jsonl", "none.jsonl cannot be fetched: "),
        ("{given}", "is a folder; name one file"),
        ("{site}/", "names no file"),
        ("http://user:secret@127.0.0.1/rows.jsonl", "holds a secret"),
        ("https://somebody@127.0.0.1/rows.jsonl", "holds a secret"),
        ("{site}/rows.jsonl?version=1&X-Amz-Signature=abc", "holds a secret"),
        ("{site}/rows.jsonl?apikey=abc", "holds a secret"),
        ("{site}/rows.jsonl#token=abc", "holds a secret"),
        ("{given}/.hidden", "names no file"),
        ("{given}/rows.xlsx", "names no file of rows"),
        ("$(shell touch canary)/rows.jsonl", "cannot be fetched"),
        ("data/raw/requests.jsonl", "move it out of data/raw first"),
    ],
    ids=[
        "wrong bytes",
        "wrong bytes over http",
        "no file",
        "no file, seen from here",
        "no page",
        "folder",
        "no name",
        "password",
        "user",
        "token",
        "key",
        "fragment",
        "hidden",
        "other kind",
        "command",
        "itself",
    ],
)
def test_data_refuses_and_changes_nothing(url, told, fresh, site):
    before = state(fresh)
    done = make_data(fresh, url.format(given=fresh.given, site=site), "0" * 64, check=False)
    assert done.returncode == 2
    assert told in done.stderr and "Traceback" not in done.stderr
    assert state(fresh) == before
    assert fresh.run("git", "status", "--porcelain").stdout == ""


@pytest.mark.parametrize("words", [[], ["URL=rows.jsonl"], ["URL=rows.jsonl", "SHA256=abc"]])
def test_data_needs_a_url_and_a_hash(words, fed):
    done = fed.run("make", "data", *words, check=False)
    assert done.returncode == 2
    assert "usage: exact data [-h] URL SHA256" in done.stderr
    assert "exact data: error: " in done.stderr


def test_clean_removes_what_can_be_made_again_and_nothing_else(fresh):
    left = fresh.root / "models/.model.joblib.part"
    left.write_bytes(b"half")
    (fresh.root / "dvc_plots").mkdir(exist_ok=True)
    before = state(fresh)
    fresh.run("make", "clean")
    gone = before.keys() - state(fresh).keys()
    assert "models/.model.joblib.part" in gone
    assert all("__pycache__" in name or name.startswith(("models/.", ".")) for name in gone)
    assert not (fresh.root / ".venv").exists() and not (fresh.root / "dvc_plots").exists()
    assert fresh.run("git", "status", "--porcelain").stdout == ""
