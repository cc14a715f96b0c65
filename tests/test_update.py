"""A project follows its template with `cruft`: what the template changed comes, edits stay."""

import json
import os
import re
import subprocess
import sys
import tomllib

import pytest
from bake import PROJECT, ROOT, copy_template, files

# What the template changes, in a file of its own kind each, and what a user has edited.
NEW, OLD, RENAMED = "docs/new.md", "docs/containers.md", "docs/images.md"
LINE, EDIT = "min_df: 2", "C: 1,"


class Updates:
    """A template in git with the tags v1 and v2, and the command line of somebody who uses it."""

    def __init__(self, folder):
        self.folder = folder
        # cookiecutter knows a git repository by these three letters.
        self.template = copy_template(folder / "template.git")
        for words in (("init", "--quiet"), ("add", "--all", "--force")):
            self.run("git", *words, cwd=self.template)
        self.tag("v1")
        inside = self.template / PROJECT
        (inside / NEW).write_text("New\n")
        (inside / OLD).rename(inside / RENAMED)
        self.replace(inside / "params.yaml", LINE, "min_df: 6")
        self.replace(inside / "dvc.yaml", "stages:", "# Stages\nstages:")
        self.run("git", "add", "--all", "--force", cwd=self.template)
        self.tag("v2")

    def tag(self, name):
        self.run("git", "commit", "--quiet", "--message", name, cwd=self.template)
        self.run("git", "tag", name, cwd=self.template)

    def run(self, *words, cwd, check=True):
        environ = {**os.environ, "HOME": str(self.folder), "COLUMNS": "200"}
        done = subprocess.run(
            [str(word) for word in words], cwd=cwd, env=environ, capture_output=True, text=True
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def cruft(self, *words, **how):
        return self.run(sys.executable, "-m", "cruft", *words, **how)

    @staticmethod
    def replace(path, old, new):
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1
        path.write_text(text.replace(old, new), encoding="utf-8")

    def edited(self, project, line=EDIT, new="C: 0.5,"):
        """The project with an edit of a parameter and one of a stage, committed."""
        self.replace(project / "params.yaml", line, new)
        with open(project / "src/altruism/featurize.py", "a", encoding="utf-8") as file:
            file.write("# Mine.\n")
        self.run("git", "add", "--all", cwd=project)
        self.run("git", "commit", "--quiet", "--message", "Mine", cwd=project)
        return project


@pytest.fixture
def updates(tmp_path):
    return Updates(tmp_path)


def created(updates, version="v1"):
    words = ("--no-input", "--checkout", version, "--output-dir", updates.folder / "out")
    updates.cruft("create", *words, updates.template, cwd=updates.folder)
    return updates.folder / "out/altruism"


def linked(updates):
    """Made by cookiecutter, whose user learns of cruft later."""
    words = ("--no-input", "--checkout", "v1", "--output-dir", updates.folder / "out")
    url = f"file://{updates.template}"
    updates.run(sys.executable, "-m", "cookiecutter", *words, url, cwd=updates.folder)
    project = updates.folder / "out/altruism"
    updates.cruft("link", "--no-input", "--checkout", "v1", updates.template, cwd=project)
    return project


def inside(updates):
    """In a folder of a repository that has more in it."""
    updates.run("git", "init", "--quiet", "out", cwd=updates.folder)
    return created(updates)


@pytest.mark.parametrize("made", [created, linked, inside])
def test_an_update_brings_what_changed_and_keeps_edits(made, updates):
    project = updates.edited(made(updates))
    done = updates.cruft("update", "--skip-apply-ask", cwd=project)
    assert "error" not in done.stdout + done.stderr
    fresh = bake_v2(updates)
    updates.replace(fresh / "params.yaml", EDIT, "C: 0.5,")
    found = files(project)
    assert json.loads(found.pop(".cruft.json"))["commit"] == head(updates)
    mine = "src/altruism/featurize.py"
    assert found.pop(mine) == files(fresh)[mine] + b"# Mine.\n"
    assert found == {name: content for name, content in files(fresh).items() if name != mine}
    assert NEW in found and RENAMED in found and OLD not in found
    assert "SUCCESS" in updates.cruft("check", cwd=project).stdout
    told = updates.cruft("diff", cwd=project).stdout
    assert "-# Mine." in told and ".git/" not in told


def head(updates):
    return updates.run("git", "rev-parse", "v2", cwd=updates.template).stdout.strip()


def bake_v2(updates):
    """A new project of the newest template, as it is without cruft."""
    words = ("--no-input", "--accept-hooks", "no", "--output-dir", updates.folder / "fresh")
    updates.run(sys.executable, "-m", "cookiecutter", *words, updates.template, cwd=updates.folder)
    return updates.folder / "fresh/altruism"


def test_a_project_of_an_older_template_follows_as_the_readme_says(updates):
    """Whose pyproject.toml does not tell cruft yet to leave each project's repository alone."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (said,) = re.findall(r"write `([^`]+)` after the first `{` of its `\.cruft\.json`", readme)
    updates.run("git", "checkout", "--quiet", "v1", cwd=updates.template)
    settings = updates.template / PROJECT / "pyproject.toml"
    text = settings.read_text(encoding="utf-8")
    old = re.sub(r"\[tool\.cruft\]\n(.+\n)+\n", "", text)
    assert old != text and "cruft" not in old
    settings.write_text(old, encoding="utf-8")
    updates.run("git", "add", "--all", "--force", cwd=updates.template)
    updates.tag("v0")
    project = created(updates, "v0")
    state = (project / ".cruft.json").read_text(encoding="utf-8")
    (project / ".cruft.json").write_text(state.replace("{", "{" + said, 1), encoding="utf-8")
    updates.edited(project)
    updates.cruft("update", "--skip-apply-ask", "--checkout", "v2", cwd=project)
    assert tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["tool"]["cruft"]
    assert json.loads((project / ".cruft.json").read_bytes())["commit"] == head(updates)
    assert "# Mine." in (project / "src/altruism/featurize.py").read_text("utf-8")
    assert (project / NEW).exists() and not (project / OLD).exists()


def test_a_conflict_is_seen(updates):
    project = updates.edited(created(updates), LINE, "min_df: 7")
    done = updates.cruft("update", "--skip-apply-ask", cwd=project, check=False)
    assert "params.yaml" in done.stderr
    status = updates.run("git", "status", "--porcelain", cwd=project).stdout.splitlines()
    assert "UU params.yaml" in status
    text = (project / "params.yaml").read_text(encoding="utf-8")
    assert "<<<<<<<" in text and "min_df: 6" in text and "min_df: 7" in text
    # The other files came all the same.
    assert (project / NEW).exists() and not (project / OLD).exists()
