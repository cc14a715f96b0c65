"""The numbers and links in the READMEs are those that a reader will see."""

import csv
import json
import re
import shutil
import subprocess
import sys

import pytest
from bake import PROJECT, ROOT, bake
from golden import GOLDEN

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", ["README.md", f"{PROJECT}/README.md"])
def test_readme_is_short(path):
    assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) < 190


def test_demo_ends_with_the_golden_hashes():
    models = json.loads((GOLDEN / "md5.json").read_bytes())["models"]
    shown = dict(re.findall(r"^(v\d\.0\.0|recovered) +([0-9a-f]{32})$", README, re.MULTILINE))
    assert shown == {
        "v1.0.0": models["logistic_regression"],
        "v2.0.0": models["multinomial_nb"],
        "recovered": models["logistic_regression"],
    }


def test_the_picture_of_verify_is_of_the_golden_model():
    """Its text is for readers who do not see it; `tools/pictures.py` draws it anew."""
    md5 = json.loads((GOLDEN / "md5.json").read_bytes())["outputs"]["models/model.joblib"]
    assert f"![exact verify v1.0.0: identical, models/model.joblib {md5[:12]}]" in README


def test_the_story_of_a_file_is_that_of_the_golden_model():
    md5 = json.loads((GOLDEN / "md5.json").read_bytes())["outputs"]["models/model.joblib"]
    story = (ROOT / "docs/which-model.md").read_text(encoding="utf-8")
    assert story.count(f"md5          {md5}\n") == 2 and f"{md5[:12]} → " in story


@pytest.mark.parametrize("path", re.findall(r"\]\(<?((?!http)[^)>]+)>?\)", README))
def test_linked_file_exists(path):
    assert (ROOT / path).is_file()


@pytest.mark.slow
def test_generated_readme_says_what_the_build_prints(built):
    line = next(line for line in built.read("README.md").splitlines() if "evaluate:" in line)
    metrics = json.loads(built.read("reports/metrics.json"))
    numbers = [metrics[name] for name in ("roc_auc", "commonest_label_accuracy", "accuracy")]
    assert re.findall(r"0\.\d{3}", line) == [f"{number:.3f}" for number in numbers]
    assert f"on {metrics['rows']} held-out rows" in line


def test_rows_without_an_id_are_numbered_as_the_docs_say(tmp_path):
    """Texts that hold commas, quotes and line ends stay as they are."""
    text = (ROOT / PROJECT / "docs/your-data.md").read_text(encoding="utf-8")
    block = text.partition("**Rows without an id**")[2].split("```")[1]
    given = [{"title": 'a, "b"\nc', "label": "1"}, {"title": "é", "label": "0"}]
    with open(tmp_path / "rows.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["title", "label"])
        writer.writeheader()
        writer.writerows(given)
    lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in given]
    (tmp_path / "rows.jsonl").write_text("".join(lines), encoding="utf-8")
    for line in re.findall(r"^\$ (.+)", block, re.MULTILINE):
        subprocess.run(line, shell=True, cwd=tmp_path, check=True)
    with open(tmp_path / "numbered.csv", encoding="utf-8", newline="") as file:
        assert [*csv.DictReader(file)] == [{"id": "1", **given[0]}, {"id": "2", **given[1]}]
    lines = (tmp_path / "numbered.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [{"id": 1, **given[0]}, {"id": 2, **given[1]}]


# -- followed to the letter

FOLLOW = ROOT / "tools/follow.py"


def followed(readme, *words) -> subprocess.CompletedProcess:
    command = [sys.executable, FOLLOW, readme, *words]
    return subprocess.run(command, capture_output=True, text=True)


# What a README says, and how following it ends; `SHELL` lines are in one shell, as they stand.
WORDS = {
    "a command that fails": ("$ false", 1, "1 commands run, 1 failing"),
    "a command that is not there": ("$ exact which x", 1, "127      exact which x"),
    "a syntax error": ("$ echo ) (", 1, "1 commands run, 1 failing"),
    "the end of the shell": ("$ exit 0\n$ true", 1, "2 commands run, 2 failing"),
    "somebody who is asked": ("$ read name", 1, "1 commands run, 1 failing"),
    "an identity of git": ("$ git init -q x && git -C x commit -q --allow-empty -m x", 1, "128 "),
    "no command at all": ("prints nothing", 1, "0 commands run"),
    "one shell, a comment, an output": (
        "$ cd ..   # up\nout\n$ test -d here",
        0,
        "2 commands run, 0 ",
    ),
    "one that is not run": (
        "$ make test   # long\n$ true",
        0,
        "1 commands run, 0 failing, 1 not run",
    ),
}


@pytest.mark.parametrize("words", WORDS)
def test_following_a_readme_finds_what_fails(words, tmp_path):
    lines, status, says = WORDS[words]
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "README.md").write_text(f"```console\n{lines}\n```\n\n```yaml\n$ false\n```\n")
    done = followed(folder / "README.md")
    assert done.returncode == status and says in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.exhaustive
def test_no_command_of_the_readme_fails(tmp_path):
    """In a copy of the template that holds what a clone would."""
    listed = ("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    for name in filter(None, names.split("\0")):
        place = tmp_path / "template" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy(ROOT / name, place)
    done = followed(tmp_path / "template/README.md")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.exhaustive
def test_no_command_of_a_projects_readme_fails(tmp_path):
    done = followed(bake(tmp_path, project_name="Free Pizza") / "README.md")
    assert done.returncode == 0, done.stdout + done.stderr
