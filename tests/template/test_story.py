"""docs/which-model.md tells what really happens: the same story, played on the bundled sample."""

import re

import pytest
from bake import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]
STORY = (ROOT / "docs/which-model.md").read_text(encoding="utf-8")
RAW = "data/raw/requests.jsonl"
# What is another each time: who, when, and the commits that come of it.
OTHER = re.compile(r"\b[0-9a-f]{12}(?=, \d| on \d)|\d{4}-\d\d-\d\d|Demo( <demo@example.org>)?")


def told(text: str) -> list[str]:
    """The lines of an output without what is another each time."""
    return [OTHER.sub("#", line) for line in text.splitlines()]


def blocks() -> dict[str, list[str]]:
    """Command to output of each block of the story."""
    found = re.findall(r"```console\n\$ (.+)\n([^$`]+)```", STORY)
    return {command: told(output) for command, output in found}


@pytest.fixture(scope="module")
def played(built, tmp_path_factory):
    """The project after the story, beside the files that somebody found."""
    folder = tmp_path_factory.mktemp("story")
    project = built.copy(folder / "altruism")
    names = {f"GIT_{r}_NAME": "Demo" for r in ("AUTHOR", "COMMITTER")}
    names |= {f"GIT_{r}_EMAIL": "demo@example.org" for r in ("AUTHOR", "COMMITTER")}
    project.run("git", "commit", "--quiet", "--amend", "--reset-author", "--no-edit", **names)
    project.run("git", "reflog", "expire", "--expire=now", "--all")
    project.run("make", "push")
    project.run("exact", "release", "v1.0.0", **names)
    model = (project.root / "models/model.joblib").read_bytes()
    (folder / "model.pkl").write_bytes(model)
    project.replace("params.yaml", "estimator: logistic_regression ", "estimator: random_forest ")
    project.replace("params.yaml", "min_df: 2", "min_df: 10")
    lines = project.read(RAW).splitlines(keepends=True)
    project.write(RAW, "".join(lines[:2900]))
    project.run("dvc", "add", "--quiet", RAW)
    project.run("make")
    project.run("git", "add", "--all")
    project.run("git", "commit", "--quiet", "-m", "A forest, and 100 requests fewer", **names)
    project.run("make", "push")
    project.run("exact", "release", "v2.0.0", **names)
    code = "import joblib; joblib.dump(joblib.load('../model.pkl'), '../again.pkl', compress=3)"
    project.run("exact", "run", "python", "-c", code)
    return project


@pytest.mark.parametrize("command", blocks())
def test_each_output_is_as_the_story_says(command, played):
    words = command.replace("model.pkl", "../model.pkl").replace("again.pkl", "../again.pkl")
    done = played.run(*words.split(), check=False)
    output = told(done.stdout.replace("../", ""))
    for line in blocks()[command]:
        start = line.strip().removesuffix("…")
        assert any(other.strip().startswith(start) for other in output), line


def test_all_blocks_are_played():
    assert [command.split()[1] for command in blocks()] == ["which", "compare", "compare", "which"]
