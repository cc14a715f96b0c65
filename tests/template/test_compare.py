"""`exact compare`: what changed between two versions, and what it did, on real models."""

import csv
import json
import re
import shutil
import subprocess

import pytest
from projects import Project

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]
MODEL, RAW = "models/model.joblib", "data/raw/requests.jsonl"
V1, V2, V3 = (f"altruism@v{number}.0.0" for number in (1, 2, 3))
HOSTILE = "<script>document.title = 'ran'</script><img src=x onerror=alert(1)> & \033[31m"
BROWSER = shutil.which("chromium") or shutil.which("google-chrome")


def rows(project) -> list[dict]:
    return [json.loads(line) for line in project.read(RAW).splitlines()]


def save(project, found: list[dict]) -> None:
    project.write(RAW, "".join(json.dumps(row) + "\n" for row in found))
    project.run("dvc", "add", "--quiet", RAW)


def version(project, tag: str, message: str) -> str:
    project.run("make")
    commit = project.commit(message)
    project.run("git", "tag", "--annotate", "--message", message, tag)
    return commit


@pytest.fixture(scope="module")
def story(built, tmp_path_factory) -> Project:
    """Three versions: the second has other data and another estimator, the third other code."""
    project = built.copy(tmp_path_factory.mktemp("story") / "altruism")
    shutil.rmtree(project.root / ".dvc/tmp/exact", ignore_errors=True)
    project.run("git", "branch", "--move", "main")
    project.run("git", "tag", "--annotate", "--message", "First", V1)
    held_out = {
        json.loads(line)["id"] for line in project.read("data/prepared/test.jsonl").splitlines()
    }
    found = rows(project)
    kept = [row for row in found[:2800] if row["request_id"] not in ("p0001", "p0002")]
    first = [row for row in kept if row["request_id"] in held_out][:3]
    for row in first:
        row["received_pizza"] = not row["received_pizza"]
    for row in kept:
        row["request_text"] += HOSTILE if row["request_id"] in held_out else ""
        row["source"] = "web"
    new = {**found[-1], "request_id": "q1", "request_text": "brand new", "source": "web"}
    save(project, [*kept, new])
    project.replace("params.yaml", "estimator: logistic_regression ", "estimator: complement_nb ")
    version(project, V2, "Naive Bayes, on the new export")
    project.replace("src/altruism/featurize.py", '"""Stage 2', '"""The second stage, 2')
    lock = project.read("requirements.lock")
    (joblib,) = re.findall(r"^joblib==([\d.]+)", lock, re.M)
    project.write("requirements.lock", lock + "# A comment that no package hears of.\n")
    version(project, V3, "Tidy up")
    # A version of a package that is in no index: only its record is compared.
    project.write("requirements.lock", lock.replace(f"joblib=={joblib}", "joblib==9.9.9"))
    project.commit("Another joblib")
    project.run("exact", "push")
    return project


def compared(project, *words, **more) -> dict:
    return json.loads(project.run("exact", "compare", *words, "--json", **more).stdout)


@pytest.fixture(scope="module")
def first_two(story) -> dict:
    return compared(story, V1, V2)


# -- what changed


def test_rows_labels_and_columns(first_two):
    found = first_two["data"]["rows"]
    assert (found["before"], found["after"]) == (3000, 2799)
    assert found["added"] == ["q1"] and len(found["removed"]) == 202
    assert {"p0001", "p0002", "p3000"} <= {*found["removed"]}
    assert len(found["relabelled"]) == 3
    assert found["columns_added"] == ["source"] and found["columns_removed"] == []
    assert {*found["values_changed"]} == {"request_text"}


def test_the_held_out_set(story, first_two):
    before = story.run("git", "show", f"{V1}:reports/metrics.json").stdout
    after = story.run("git", "show", f"{V2}:reports/metrics.json").stdout
    held = first_two["data"]["held_out"]
    assert held["both"] + held["only_before"] == json.loads(before)["rows"]
    assert held["both"] + held["only_after"] == json.loads(after)["rows"]
    # The split is by a hash of the id, so no row goes over.
    assert held["now_held_out"] == held["now_trained_on"] == []


def test_parameters_code_and_environment(story, first_two):
    assert first_two["parameters"] == {"train.estimator": ["logistic_regression", "complement_nb"]}
    assert first_two["code"] == first_two["environment"] == {}
    later = compared(story, V2, "main")
    assert later["code"] == {"src/altruism/featurize.py": {"added": 1, "removed": 1}}
    assert later["parameters"] == {} and later["data"] == {"files": {}}
    (old, new) = later["environment"]["joblib"]
    assert new == "9.9.9" and old != new and {*later["environment"]} == {"joblib"}


# -- what it did


def test_metrics_are_those_that_git_has(story, first_two):
    for which, tag in enumerate((V1, V2)):
        known = json.loads(story.run("git", "show", f"{tag}:reports/metrics.json").stdout)
        for name, pair in first_two["metrics"].items():
            # There is no such number where no text is new, or none was trained on.
            assert pair[which] == known.get(name, "(none)")
    assert {"roc_auc", "log_loss", "rows"} <= {*first_two["metrics"]}


def predictions(project, tag) -> dict[str, dict]:
    project.run("git", "checkout", "--quiet", tag)
    project.run("dvc", "checkout", "--quiet", "--force")
    found = [json.loads(line) for line in project.read("reports/predictions.jsonl").splitlines()]
    return {row["id"]: row for row in found}


def test_flips_are_all_and_only_those(story, first_two):
    before, after = predictions(story, V1), predictions(story, V2)
    story.run("git", "checkout", "--quiet", "main")
    flips = first_two["flips"]
    both = before.keys() & after.keys()
    assert flips["compared"] == len(both)
    assert flips["only_before"] == len(before) - len(both)
    assert flips["only_after"] == len(after) - len(both)
    wanted: dict[str, set[str]] = {}
    for name in both:
        old, new = before[name], after[name]
        if old["predicted"] == new["predicted"]:
            continue
        if old["label"] != new["label"]:
            kind = "relabelled, and predicted differently"
        else:
            wrong = "positives" if new["label"] == "false" else "negatives"
            kind = f"false {wrong} {'gained' if new['predicted'] != new['label'] else 'lost'}"
        wanted.setdefault(kind, set()).add(name)
    assert {kind: {row["id"] for row in found} for kind, found in flips["rows"].items()} == wanted
    assert flips["flipped"] == sum(map(len, wanted.values())) > 50 and len(wanted) >= 4
    for found in flips["rows"].values():
        for row in found:
            assert row["score"] == [before[row["id"]]["score"], after[row["id"]]["score"]]


def test_each_flip_has_its_text(story, first_two):
    raw = {row["request_id"]: row for row in rows(story)}
    for found in first_two["flips"]["rows"].values():
        for row in found:
            assert raw[row["id"]]["request_title"] in row["text"]


def test_the_other_way_round_is_the_mirror(story, first_two):
    back = compared(story, V2, V1)
    pairs = [("gained", "lost"), ("lost", "gained")]
    for kind in ("false positives", "false negatives"):
        for one, other in pairs:
            ids = [
                {row["id"] for row in side["flips"]["rows"].get(f"{kind} {word}", [])}
                for side, word in ((first_two, one), (back, other))
            ]
            assert ids[0] == ids[1]
    assert back["data"]["rows"]["removed"] == ["q1"]


def test_a_commit_and_itself_are_the_same(story):
    found = compared(story, V2, f"{V2}^{{commit}}")
    assert found["data"] == {"files": {}} and found["flips"]["flipped"] == 0
    assert not (found["code"] or found["parameters"] or found["environment"] or found["outputs"])


def test_more_than_two_labels_in_json(story, tmp_path):
    """Kinds of errors have no name where there are more than two labels."""
    code = """
from exact_model.flips import kind_of
row = lambda label, predicted: {"label": label, "predicted": predicted}
for pair in [("b", "c"), ("c", "b"), ("a", "c")]:
    print(kind_of(row("b", pair[0]), row("b", pair[1]), None))
"""
    told = story.run("python", "-c", code).stdout.splitlines()
    assert told == [
        "right before, wrong now",
        "wrong before, right now",
        "wrong before and now, in another way",
    ]


def test_the_same_rows_in_a_file_of_another_kind(story, tmp_path):
    """And in git instead of DVC, which is data all the same."""
    clone = another(story, tmp_path)
    found = rows(clone)
    columns = dict.fromkeys(key for row in found for key in row)
    with open(clone.root / "data/raw/rows.csv", "w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(columns)
        for row in found:
            cells = [row.get(key) for key in columns]
            lines.writerow(
                ["" if v is None else v if isinstance(v, str) else json.dumps(v) for v in cells]
            )
    clone.run("git", "rm", "--quiet", f"{RAW}.dvc")
    clone.replace("params.yaml", RAW, "data/raw/rows.csv")
    clone.run("git", "add", "--force", "data/raw/rows.csv")
    clone.commit("CSV, in git")
    known = compared(story, cwd=clone.root)["data"]
    assert {*known["files"]} == {RAW, "data/raw/rows.csv"}
    assert not any(known["rows"][key] for key in ("added", "removed", "relabelled"))
    assert known["rows"]["values_changed"] == {}


def test_code_that_a_stage_names_as_a_folder(story, tmp_path):
    clone = another(story, tmp_path)
    lock = clone.read("dvc.lock")
    clone.write("dvc.lock", lock.replace("path: src/altruism/featurize.py", "path: src/altruism"))
    clone.commit("A folder of code")
    clone.replace("src/altruism/featurize.py", "The second stage", "Stage two")
    clone.commit("Change it")
    found = compared(story, cwd=clone.root)
    assert {*found["code"]} == {"src/altruism/featurize.py"}


def another(story, tmp_path) -> Project:
    """A clone of the story with its cache, for records of a test's own."""
    clone = Project(tmp_path / "clone")
    story.run("git", "clone", "--quiet", story.root, clone.root)
    settings = f"[cache]\n    dir = {story.root}/.dvc/cache\n"
    (clone.root / ".dvc/config.local").write_text(settings)
    clone.run = lambda *words, **more: story.run(*words, **{"cwd": clone.root, **more})
    clone.run("dvc", "checkout", "--quiet")
    return clone


PLACES = ["/{outside}", "../../../../../../../..{outside}", "data/../../../{name}"]


@pytest.mark.parametrize("place", PLACES)
def test_a_record_of_somebody_else_names_no_place_here(place, story, tmp_path):
    """Neither is anything written where it says, nor read from there."""
    clone = another(story, tmp_path)
    outside = tmp_path / "outside.jsonl"
    md5 = story.run("md5sum", "data/prepared/test.jsonl").stdout.split()[0]
    path = place.format(outside=outside, name=outside.name)
    path = path[1:] if path.startswith("//") else path
    lock = clone.read("dvc.lock")
    added = (
        f"  odd:\n    cmd: x\n    outs:\n    - path: {path}\n      hash: md5\n      md5: {md5}\n"
    )
    clone.write("dvc.lock", lock + added)
    clone.replace("params.yaml", f"file: {RAW}", f"file: {path}")
    clone.commit("Odd")
    for secret in (None, '{"request_id": "SECRET", "token": 1}\n'):
        if secret:
            outside.write_text(secret)
        done = story.run("exact", "compare", "--json", cwd=clone.root)
        assert "SECRET" not in done.stdout and "token" not in done.stdout
        assert (outside.read_text() if outside.exists() else None) == secret
    assert [p.name for p in tmp_path.iterdir() if p.name != "outside.jsonl"] == ["clone"]


# -- what may be compared


def test_model_files_are_their_commits(story, first_two, tmp_path):
    for number, tag in enumerate((V1, V2)):
        story.run("dvc", "get", ".", MODEL, "--rev", tag, "--out", tmp_path / f"{number}.joblib")
    found = compared(story, tmp_path / "0.joblib", tmp_path / "1.joblib")
    for section in ("data", "parameters", "metrics", "flips"):
        assert found[section] == first_two[section]
    assert found["a"]["commit"] == first_two["a"]["commit"]
    assert V1 in found["a"]["name"]


def test_without_names_head_and_its_parent(story):
    found = compared(story)
    assert found["a"]["subject"] == "Tidy up" and found["b"]["subject"] == "Another joblib"


REFUSED = {
    "no-such-tag": "git knows no commit 'no-such-tag'",
    "HEAD~1..HEAD": "is a range of commits",
    "README.md": "no commit here names README.md; `make which FILE=README.md`",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_compared(name, story):
    done = story.run("exact", "compare", name, "HEAD", check=False)
    assert done.returncode == 2 and REFUSED[name] in done.stderr and done.stdout == ""


def test_what_is_gone_leaves_the_rest(story, tmp_path):
    """Without cache and remote there is still all that git has."""
    clone = Project(tmp_path / "clone")
    story.run("git", "clone", "--quiet", story.root, clone.root)
    done = story.run("exact", "compare", V1, V2, cwd=clone.root)
    assert "train.estimator: logistic_regression → complement_nb" in done.stdout
    assert "roc_auc" in done.stdout and "cannot get " in done.stdout
    found = json.loads(story.run("exact", "compare", V1, V2, "--json", cwd=clone.root).stdout)
    assert "cannot get " in found["flips"]["problem"]


def test_a_commit_without_a_record(story):
    first = story.run("git", "rev-list", "--max-parents=0", "HEAD").stdout.strip()
    told = story.run("exact", "compare", first, V1).stdout
    assert "it has no dvc.lock that can be read" in told


# -- how it looks


def test_text_for_a_terminal(story):
    told = story.run("exact", "compare", V1, V2).stdout
    order = [
        told.index(f"\n{word}")
        for word in ("data", "code", "parameters", "environment", "outputs", "metrics", "flips")
    ]
    assert order == sorted(order) and "\033" not in told
    assert "3 relabelled: " in told and "202 removed: " in told
    assert re.search(r"\d+ false positives gained\n    \w+ is false: false \(0\.\d+\) → true", told)
    assert "the held-out set is another" in told


@pytest.fixture(scope="module")
def page(story, tmp_path_factory):
    file = tmp_path_factory.mktemp("page") / "a page.html"
    story.run("exact", "compare", V1, V2, "--html", file)
    return file


def test_the_page_is_self_contained_and_runs_nothing(page):
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"<script|<img|<[^>]*\b(?:src|href)=|url\(|@import", text)
    assert text.count('<polyline class="before"') == text.count('<polyline class="after"') == 3
    assert "&lt;script&gt;" in text and V1 in text and V2 in text


SEEN = """
import sys
from matplotlib.image import imread
picture = imread(sys.argv[1])[..., :3]
for color in ([0x21, 0x66, 0xac], [0xb3, 0x58, 0x06]):
    near = (abs(picture * 255 - color) < 24).all(axis=2)
    print(*(int(half.sum()) for half in (near[:, :600], near[:, 600:])))
"""


@pytest.mark.skipif(not BROWSER, reason="there is no Chromium (Debian: chromium)")
def test_the_page_in_a_browser(page, story, tmp_path):
    common = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path}/x",
    ]
    wanted = [
        f"--screenshot={tmp_path}/page.png",
        "--window-size=1200,2600",
        "--enable-logging=stderr",
    ]
    done = subprocess.run(
        [*common, *wanted, page.as_uri()], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0 and "CONSOLE" not in done.stderr, done.stderr
    # Both curves are drawn in the pictures of both columns.
    counts = story.run("python", "-c", SEEN, tmp_path / "page.png").stdout.split()
    assert min(map(int, counts)) > 200, counts
    shown = subprocess.run(
        [*common, "--dump-dom", page.as_uri()], capture_output=True, text=True, timeout=120
    )
    assert f"<title>{V1} → {V2}</title>" in shown.stdout and "<script" not in shown.stdout


# -- all releases


def logged(project) -> list[str]:
    """The log, without what is remarked on tags that `exact release` did not make."""
    lines = project.run("exact", "compare", "--log").stdout.splitlines()
    return [line for line in lines if not line.startswith(" ")]


def test_the_log_of_releases(story):
    told = logged(story)
    assert [line.split()[0] for line in told[:-1]] == [V3, V2, V1]
    assert "the first release" in told[2] and "roc_auc 0.724782" in told[2]
    assert "data; train.estimator logistic_regression → complement_nb" in told[1]
    assert "code (1 file)" in told[0]
    assert all("not verified here" in line and "Test" in line for line in told[:-1])
    assert (
        told[-1] == "the newest release is not verified here; `make verify REV=--tags` verifies all"
    )


def test_the_log_knows_what_was_verified(story):
    assert story.run("exact", "verify", V3, check=False).returncode == 0
    told = logged(story)
    assert re.search(r"identical \d{4}-\d\d-\d\d", told[0]) and "not verified" in told[1]
    assert told[-1].startswith(f"verified back to {V3}, 1 of 3")
    found = json.loads(story.run("exact", "compare", "--log", "--json").stdout)
    assert [one["version"] for one in found] == [V3, V2, V1]
    assert found[0]["verified"]["verdict"] == "identical" and found[1]["verified"] is None


def test_each_model_has_releases_of_its_own(story, tmp_path):
    clone = another(story, tmp_path)
    clone.run("git", "tag", "--annotate", "--message", "x", "burger@v1.0.0")
    clone.run("git", "tag", "--annotate", "--message", "x", "elsewhere=altruism@v9.0.0")
    told = clone.run("exact", "compare", "--log").stdout.splitlines()
    (burger,) = [line for line in told if line.startswith("burger@v1.0.0")]
    assert "the first release" in burger and "elsewhere" not in "\n".join(told)


def test_log_takes_no_names(story):
    for words in (["--log", "HEAD"], ["--log", "--html", "x.html"]):
        done = story.run("exact", "compare", *words, check=False)
        assert done.returncode == 2 and "--log takes neither names nor --html" in done.stderr


def test_a_record_that_does_not_describe_its_commit(story, tmp_path):
    clone = another(story, tmp_path)
    clone.replace("params.yaml", "alpha: 0.0002", "alpha: 0.0004")
    clone.commit("Changed, and not built")
    told = clone.run("exact", "compare").stdout
    assert "dvc.lock does not describe this commit: stage " in told
    assert "does not describe" not in clone.run("exact", "compare", V1, V2).stdout


def test_a_version_for_short(story):
    assert (
        compared(story, "v1.0.0", "v2.0.0")["a"]["commit"] == compared(story, V1, V2)["a"]["commit"]
    )


def test_without_a_release(built):
    assert "there is no release yet" in built.run("exact", "compare", "--log").stdout
