"""A history as a team makes it, with git, DVC and `make`: every commit is built again, identical.

All that stages have made is deleted first, from the working tree and from DVC's cache; what is left
are the commits and the raw inputs that they name.
"""

import csv
import io
import json
import re
import shutil

import pytest
import yaml
from bake import PROJECT, ROOT
from projects import Project

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]
MODEL, RAW, METRICS = "models/model.joblib", "data/raw/requests.jsonl", "reports/metrics.json"
# One row of this many of the bundled sample, and one of how many is added or labelled anew later.
EVERY, MORE, RELABELLED = 10, 40, 15
BRANCH = "idea"
# uv as `make lock` calls it, but without --upgrade: what need not change keeps its version.
COMPILE = """uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest
    --generate-hashes --no-header --no-annotate pyproject.toml --output-file requirements.lock"""

COUNT = """
import json
from collections import Counter
from pathlib import Path

from exact.dump import write

lines = Path("data/prepared/train.jsonl").read_text(encoding="utf-8").splitlines()
rows = [json.loads(line)["row"] for line in lines]
words = Counter(word for row in rows for word in row["request_text"].split())
files = {"words": sorted(words.items())}
files["lengths"] = sorted(len(row["request_text"]) for row in rows)
write({Path(f"reports/{name}.json"): json.dumps(found).encode() for name, found in files.items()})
"""
COUNT_STAGE = """\
stages:
  count:
    cmd: exact run python -m altruism.count
    deps:
      - data/prepared/train.jsonl
      - .python-version
      - requirements.lock
      - src/exact/dump.py
      - src/altruism/__init__.py
      - src/altruism/count.py
    params: [exact]
    outs:
      - reports/words.json: {persist: true}
      - reports/lengths.json: {persist: true}
"""

# Stages of other shapes than the sample's.
SIZES = """
import sys
from pathlib import Path

*read, written = map(Path, sys.argv[1:])
written.parent.mkdir(parents=True, exist_ok=True)
files = [file for path in read for file in (path, *path.rglob("*.py"), *path.rglob("*.txt"))]
written.write_text(" ".join(str(file.stat().st_size) for file in sorted(files) if file.is_file()))
"""
SHAPES = """
stages:
  foreach:
    foreach: [one, two]
    do:
      cmd: exact run python -m pizza.sizes data/raw/rows.csv "models/${item}"
      deps: [data/raw/rows.csv]
      outs: ["models/${item}"]
  folder_of_code:
    cmd: exact run python -m pizza.sizes src/pizza models/code
    deps: [src/pizza]
    outs: [models/code]
  frozen:
    frozen: true
    cmd: exact run python -m pizza.sizes models/code models/frozen
    deps: [models/code]
    outs: [models/frozen]
  folder:
    always_changed: true
    cmd:
      - exact run python -m pizza.sizes models/code models/folder/a.txt
      - exact run python -m pizza.sizes models/one models/folder/b.txt
    deps: [models/code, models/one]
    outs: [models/folder]
  of_a_folder:
    cmd: exact run python -m pizza.sizes models/folder/a.txt models/size
    deps: [models/folder/a.txt]
    outs: [models/size]
"""


# -- changes, each a function of the project


def edit(name: str, pattern: str, new: str):
    """Replace the only place in the file `name` that matches the regular expression `pattern`."""

    def change(project: Project) -> None:
        text, count = re.subn(pattern, new, project.read(name))
        assert count == 1, f"{pattern!r} is found {count} times in {name}"
        project.write(name, text)

    return change


def param(section: str, key: str, value: str):
    """Give a parameter of a section of params.yaml another value."""
    place = rf"(?ms)(^{section}:.*?[ {{]{key}: )(\{{[^}}]*\}}|\[[^]]*\]|[\w.-]+)"
    return edit("params.yaml", place, rf"\g<1>{value}")


def both(*changes):
    """Several changes in one commit."""
    return lambda project: [change(project) for change in changes]


def estimator(name: str):
    return param("train", "estimator", name)


def sample() -> list[dict]:
    lines = (ROOT / PROJECT / RAW).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def add(project: Project, rows: list[dict]) -> None:
    """Make `rows` the raw data."""
    project.write(RAW, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    project.run("dvc", "add", RAW)


def fewer_rows(project: Project) -> None:
    add(project, sample()[::EVERY])


def more_rows(project: Project) -> None:
    add(project, sample()[::EVERY] + sample()[1::MORE])


def other_labels(project: Project) -> None:
    project.run("git", "switch", "--quiet", "main")
    rows = [json.loads(line) for line in project.read(RAW).splitlines()]
    for row in rows[::RELABELLED]:
        row["received_pizza"] = not row["received_pizza"]
    add(project, rows)


def as_csv(project: Project) -> None:
    """The same rows in a file of another name and kind."""
    rows = [json.loads(line) for line in project.read(RAW).splitlines()]
    text = io.StringIO(newline="")
    lines = csv.DictWriter(text, rows[0], lineterminator="\n")
    lines.writeheader()
    lines.writerows({**row, "received_pizza": json.dumps(row["received_pizza"])} for row in rows)
    project.run("dvc", "remove", "--outs", RAW + ".dvc")
    project.write("data/raw/rows.csv", text.getvalue())
    project.run("dvc", "add", "data/raw/rows.csv")
    edit("params.yaml", re.escape(RAW), "data/raw/rows.csv")(project)


def branch(project: Project) -> None:
    project.run("git", "switch", "--quiet", "--create", BRANCH)
    param("features", "numeric", "standard")(project)


def merge(project: Project) -> None:
    """Without a commit, since what both sides changed is made anew before it is recorded."""
    done = project.run("git", "merge", "--no-commit", BRANCH)
    assert "dvc.lock: both sides changed" in done.stderr


def revert(message: str, rebuilt: bool):
    """Take back the commit `message`; what need not be rebuilt, git itself commits."""

    def change(project: Project) -> None:
        how = "--no-commit" if rebuilt else "--no-edit"
        done = project.run("git", "revert", how, commit_of(project, message))
        assert ("dvc.lock: both sides changed" in done.stderr) == rebuilt

    return change


def older_joblib(project: Project) -> None:
    """Ask for a joblib before the pinned one, and pin what that gives."""
    (version,) = re.findall(r"^joblib==(\S+)", project.read("requirements.lock"), re.MULTILINE)
    project.replace("pyproject.toml", '"joblib"', f'"joblib<{version}"')
    project.run(*COMPILE.split())
    assert f"joblib=={version} " not in project.read("requirements.lock")


def new_stage(project: Project) -> None:
    project.write("src/altruism/count.py", COUNT)
    project.replace("dvc.yaml", "stages:\n", COUNT_STAGE)


def no_more_stage(project: Project) -> None:
    """Take the stage away; DVC leaves its record in dvc.lock."""
    text = project.read("dvc.yaml")
    start, end = text.index("  count:\n"), text.index("  prepare:\n")
    project.write("dvc.yaml", text[:start] + text[end:])
    project.run("git", "rm", "--quiet", "src/altruism/count.py")


def other_package(project: Project) -> None:
    project.run("git", "mv", "src/altruism", "src/pizza")
    for name in ("pyproject.toml", "dvc.yaml"):
        text = project.read(name).replace("src/altruism", "src/pizza")
        project.write(name, text.replace("-m altruism.", "-m pizza."))


HISTORY = {
    "300 rows": fewer_rows,
    "Less regularization": param("train", "C", "1.0"),
    "More held out": param("split", "test", "0.3"),
    "Say more in the README": edit("README.md", r"\A", "Made with care.\n\n"),
    "Multinomial naive Bayes": estimator("multinomial_nb"),
    "Complement naive Bayes": estimator("complement_nb"),
    "Random forest": estimator("random_forest"),
    "Gradient boosting": estimator("hist_gradient_boosting"),
    "SGD": estimator("sgd"),
    'Revert "SGD"': revert("SGD", rebuilt=False),
    "Logistic regression": estimator("logistic_regression"),
    "Rows added": more_rows,
    "Standardized numbers": branch,
    "No lengths": param("features", "lengths", "false"),
    "Rows relabelled": other_labels,
    "Merge the idea": merge,
    "Pairs of words": param("features", "text", "{min_df: 4, ngram_range: [1, 2]}"),
    "The time of the year": param("features", "timestamp", "[trend, day, week, year]"),
    "Longer parts of a day": edit("src/altruism/featurize.py", r"86_400, 8", "86_400, 6"),
    "Only a comment": edit("src/altruism/train.py", r"\Z", "# The end.\n"),
    "An older joblib": older_joblib,
    "CPUs since 2008": param("exact", "cpu", "x86-64-v2"),
    "CPUs since 2013": param("exact", "cpu", "x86-64-v3"),
    "A stage renamed with its record": both(
        *(edit(name, r"\n  featurize:\n", "\n  features:\n") for name in ("dvc.yaml", "dvc.lock"))
    ),
    "A stage renamed": edit("dvc.yaml", r"\n  evaluate:\n", "\n  measure:\n"),
    "A stage added": new_stage,
    "An output removed": both(
        edit("dvc.yaml", r" +- reports/lengths.json: .*\n", ""),
        edit("src/altruism/count.py", r'files\["lengths"\].*\n', ""),
    ),
    "A stage removed": no_more_stage,
    "The package renamed": other_package,
    'Revert "An older joblib"': revert("An older joblib", rebuilt=True),
    "The data as CSV": as_csv,
    "More trees": both(estimator("random_forest"), param("train", "n_estimators", "250")),
}
RELEASES = {"300 rows": "v1.0.0", "Merge the idea": "v1.1.0", "More trees": "v2.0.0"}


# -- the history


def commit_of(project: Project, message: str) -> str:
    """The hash of the only commit with this message."""
    listed = project.run("git", "log", "--all", "--format=%H %s").stdout.splitlines()
    (commit,) = [line[:40] for line in listed if line[41:] == message]
    return commit


def committed(project: Project, message: str) -> None:
    """Commit what there is to commit."""
    if project.run("git", "status", "--porcelain").stdout:
        project.commit(message)


def tamper(project: Project) -> None:
    """On a branch, two commits that a rebuild must not confirm, each taken back by the next one."""
    project.run("git", "switch", "--quiet", "--create", "tampered")
    first = locked(project, commit_of(project, "300 rows"))[MODEL]
    shutil.copy(cache(project) / first[:2] / first[2:], project.root / MODEL)
    project.run("dvc", "commit", "--force")
    project.commit("A model replaced")
    project.run("git", "revert", "--no-edit", "HEAD")
    md5 = locked(project, "HEAD")["reports/roc.svg"]
    project.replace("dvc.lock", md5, md5[::-1])
    project.commit("A hash edited")
    project.run("git", "revert", "--no-edit", "HEAD")
    project.run("git", "switch", "--quiet", "main")


def forget(project: Project) -> None:
    """Delete all that stages have made for any commit, and the raw inputs of the working tree."""
    records = project.run("git", "log", "--all", "--patch", "--format=", "--", "*.dvc").stdout
    raw = {*re.findall(r"^\+- md5: (\w+)$", records, re.MULTILINE)}
    for path in (project.root / ".dvc/cache").rglob("*"):
        if path.is_file() and path.parent.name + path.name not in raw:
            path.unlink()
    shutil.rmtree(project.root / ".dvc/tmp")
    project.run("git", "clean", "--quiet", "--force", "-d", "-X", "data", "models", "reports")
    assert not project.run("git", "status", "--porcelain").stdout


def cache(project: Project):
    return project.root / ".dvc/cache/files/md5"


def locked(project: Project, commit: str) -> dict[str, str]:
    """Path to md5 of what the dvc.lock of `commit` says that its stages made."""
    lock = yaml.safe_load(project.run("git", "show", f"{commit}:dvc.lock").stdout)
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage["outs"]}


@pytest.fixture(scope="module")
def history(built, tmp_path_factory) -> Project:
    """A project with all these commits, of which nothing but the raw inputs is left."""
    project = built.copy(tmp_path_factory.mktemp("history") / "altruism")
    for message, change in HISTORY.items():
        change(project)
        project.run("make")
        committed(project, message)
        if message in RELEASES:
            tag = f"altruism@{RELEASES[message]}"
            project.run("git", "tag", "--annotate", tag, "--message", message)
    tamper(project)
    forget(project)
    return project


def commits(project: Project) -> list[str]:
    """All commits of main, oldest first, but that of the template, which has no model."""
    (_, *found) = project.run("git", "rev-list", "--reverse", "main").stdout.split()
    return found


def verify(project: Project, *words: str) -> tuple[int, dict[str, dict]]:
    """The exit status of `exact verify`, and by a commit's message what it says of it."""
    done = project.run("exact", "verify", "--jobs", "2", "--json", *words, check=False)
    listed = project.run("git", "log", "--all", "--format=%H %s").stdout.splitlines()
    messages = {line[:40]: line[41:] for line in listed}
    return done.returncode, {messages[x["commit"]]: x for x in json.loads(done.stdout)}


def test_the_history_is_a_varied_one(history):
    params = [history.run("git", "show", f"{c}:params.yaml").stdout for c in commits(history)]
    estimators = {yaml.safe_load(text)["train"]["estimator"] for text in params}
    assert len(estimators) == 6
    assert len({locked(history, commit)[MODEL] for commit in commits(history)}) >= 15
    assert len(history.run("git", "rev-list", "--merges", "main").stdout.split()) == 1
    assert len({history.run("git", "show", f"{c}:dvc.lock").stdout for c in commits(history)}) >= 25


def test_nothing_that_a_stage_made_is_left(history):
    made = {md5 for commit in commits(history) for md5 in locked(history, commit).values()}
    left = {path.parent.name + path.name for path in cache(history).rglob("*") if path.is_file()}
    assert len(made) > 150 and len(left) == 5 and not made & left
    # The remote is a folder beside the project, made by the first push.
    assert [path.name for path in history.root.parent.iterdir()] == ["altruism"]


def test_every_commit_is_identical(history):
    (template, *_) = history.run("git", "rev-list", "--reverse", "main").stdout.split()
    status, reports = verify(history, f"{template}..main")
    assert [report["commit"] for report in reports.values()] == commits(history)
    assert len(reports) == len(HISTORY) + 1 >= 25
    others = {
        message: [report["verdict"], report["problem"], *report["notes"]]
        for message, report in reports.items()
        if report["verdict"] != "identical" or report["notes"]
    }
    assert others == {}
    assert status == 0


def test_what_was_tampered_with_is_named_alone(history):
    status, reports = verify(history, "main..tampered")
    assert status == 1
    assert {message: report["verdict"] for message, report in reports.items()} == {
        "A model replaced": "differs",
        'Revert "A model replaced"': "identical",
        "A hash edited": "differs",
        'Revert "A hash edited"': "identical",
    }
    differing = [
        line["path"]
        for report in reports.values()
        for line in report["lines"]
        if line["verdict"] != "identical"
    ]
    assert differing == [MODEL, "reports/roc.svg"]


# -- stages of other shapes


@pytest.fixture(scope="module")
def shapes(history) -> Project:
    """The same project on a branch with the stages of SHAPES, built and committed."""
    history.run("git", "switch", "--quiet", "--create", "shapes", "main")
    history.run("dvc", "checkout", "data/raw/rows.csv.dvc")
    history.write("src/pizza/sizes.py", SIZES)
    (history.root / "dvc.lock").unlink()
    # DVC never runs a frozen stage, so it is frozen after it has run.
    history.write("dvc.yaml", SHAPES.replace("frozen: true", "frozen: false"))
    history.run("git", "rm", "--quiet", "--cached", METRICS)
    history.run("make")
    history.write("dvc.yaml", SHAPES)
    history.commit("Other shapes")
    return history


def test_stages_of_other_shapes_are_identical(shapes):
    status, reports = verify(shapes, "shapes")
    report = reports["Other shapes"]
    assert report["problem"] is None
    assert len(report["lines"]) == 6
    assert {line["verdict"] for line in report["lines"]} == {"identical"} and status == 0


def test_a_folder_in_which_a_file_was_replaced_is_named(shapes):
    shapes.write("models/folder/a.txt", "1")
    shapes.run("dvc", "commit", "--force")
    shapes.commit("A file replaced")
    status, reports = verify(shapes, "shapes")
    report = reports["A file replaced"]
    assert report["problem"] is None and status == 1
    differing = [line["path"] for line in report["lines"] if line["verdict"] == "differs"]
    assert differing == ["models/folder"]
    # The cache has the recorded one.
    assert "models/folder: other content in a.txt" in report["notes"]
