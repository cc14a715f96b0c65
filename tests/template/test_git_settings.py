"""What `make` writes into git's configuration works for each reader of it, in each layout."""

import json
import os
import shutil
from pathlib import Path

import pytest
import yaml

pytestmark = pytest.mark.slow
# Where projects lie in one repository: at its top, and in folders below it.
TOP, BELOW, OTHER = ".", "teams/a b 'ü' $x", "notebooks/two"
LAYOUTS = {"top": [TOP], "below": [BELOW], "two": [BELOW, OTHER], "nested": [TOP, BELOW, OTHER]}
BOOK = "notebooks/deep/notebooks/x 'y' $z.ipynb"
GIT = ("git", "add", "--")
# How `dvc exp` adds files: with the first of three readers of git's files that can do it.
DVC = ("python", "-c", "import sys; from scmrepo.git import Git; Git('.').add(sys.argv[1:])")
MESSAGE = "run make env: until then, git keeps outputs of "


class Layout:
    """A git repository with the projects `folders`, which all have the built one's environment."""

    def __init__(self, built, top, *folders):
        self.built, self.top, self.folders = built, top, folders
        top.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        for folder in folders:
            (top / folder / "notebooks").mkdir(parents=True)
            for name in ("dvc.yaml", "requirements.lock", ".gitattributes"):
                shutil.copy(built.root / name, top / folder / name)
            for name in (".venv", "src"):
                (top / folder / name).symlink_to(built.root / name)
            (top / folder / ".gitignore").write_text("/.venv\n/src\n")
            self.setup(folder)
        self.commit()

    def run(self, *words, cwd=".", active=True, check=True):
        """Run something with the built project's environment active, or with none on PATH."""
        # The environment of the tests holds the tool, too.
        found = (one for one in os.environ["PATH"].split(":") if not Path(one, "exact").exists())
        environ = {} if active else {"PATH": ":".join(found)}
        return self.built.run(*words, cwd=self.top / cwd, check=check, **environ)

    def git(self, *words, **more):
        return self.run("git", *words, active=False, **more)

    def setup(self, folder):
        done = self.run("exact", "setup", cwd=folder)
        assert (done.stdout, done.stderr) == ("", "")

    def commit(self, message="Commit"):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def write_book(self, folder, name=BOOK):
        """Write a notebook that was run; its path from the top."""
        book = json.loads(self.built.read("notebooks/explore.ipynb"))
        code = next(cell for cell in book["cells"] if cell["cell_type"] == "code")
        code["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["a row"]}]
        path = self.top / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(book))
        return path.relative_to(self.top).as_posix()

    def has_outputs(self, path):
        """Whether git stored the notebook with its outputs; the file always keeps them."""
        assert "a row" in (self.top / path).read_text()
        text = self.git("show", f":{path}").stdout
        assert '"cells"' in text
        return "a row" in text


# -- notebooks


@pytest.mark.parametrize("folders", LAYOUTS.values(), ids=LAYOUTS)
@pytest.mark.parametrize("reader", [GIT, DVC], ids=["git", "dvc"])
def test_a_notebook_is_stored_without_outputs(reader, folders, built, tmp_path):
    layout = Layout(built, tmp_path / "top", *folders)
    for folder in folders:
        path = layout.write_book(folder)
        layout.run(*reader, path)
        assert not layout.has_outputs(path), folder


@pytest.mark.parametrize("folder", [TOP, BELOW])
@pytest.mark.parametrize("place", ["", "notebooks/deep"])
def test_git_finds_the_environment_from_any_folder(place, folder, built, tmp_path):
    layout = Layout(built, tmp_path / "top", folder)
    path = layout.write_book(folder)
    layout.git("add", ".", cwd=f"{folder}/{place}")
    assert not layout.has_outputs(path)


@pytest.mark.parametrize("folder", [TOP, BELOW])
def test_git_finds_the_environment_in_a_worktree_and_after_a_move(folder, built, tmp_path):
    layout = Layout(built, tmp_path / "top", folder)
    layout.git("worktree", "add", "--quiet", tmp_path / "tree")
    tree = tmp_path / "tree" / folder
    (tree / ".venv").symlink_to(built.root / ".venv")
    (layout.top / folder / ".venv").unlink()
    layout.top = tmp_path / "tree"
    path = layout.write_book(folder)
    layout.git("add", "--all")
    assert not layout.has_outputs(path)
    moved = Layout(built, tmp_path / "before", folder)
    moved.top = moved.top.rename(tmp_path / "after 'it'")
    path = moved.write_book(folder)
    moved.git("add", "--all")
    assert not moved.has_outputs(path)


def without(venv):
    venv.unlink()


def dangling(venv):
    venv.unlink()
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python").symlink_to("/gone/python3")
    (venv / "bin/nbstripout").write_text("#!/gone/python3\n")
    (venv / "bin/nbstripout").chmod(0o755)


def another(venv):
    venv.unlink()
    (venv / "bin").mkdir(parents=True)
    (venv / "bin/python").symlink_to(shutil.which("true"))


@pytest.mark.parametrize("broken", [without, dangling, another])
@pytest.mark.parametrize("folder", [TOP, BELOW])
def test_without_the_environment_git_works_and_says_what_it_stores(folder, broken, built, tmp_path):
    layout = Layout(built, tmp_path / "top", folder)
    broken(layout.top / folder / ".venv")
    path = layout.write_book(folder)
    assert layout.git(*GIT[1:], path).stderr == f"{MESSAGE}{path}\n"
    assert layout.has_outputs(path)
    # Another project's environment strips it as well.
    os.utime(layout.top / path, (1, 1))
    assert layout.run(*GIT, path).stderr == ""
    assert not layout.has_outputs(path)


# -- merges


def lock(**made) -> str:
    stages = {
        name: {"cmd": name, "outs": [{"path": name, "md5": md5 * 32}]} for name, md5 in made.items()
    }
    return yaml.safe_dump({"schema": "2.0", "stages": stages}, sort_keys=False)


def diverged(layout, folder):
    """Two branches whose dvc.lock say another thing of one stage, and each of one more."""
    for name, made in {"main": "1", "one": "2", "two": "3"}.items():
        layout.git("checkout", "--quiet", *([] if name == "main" else ["-b", name, "main"]))
        more = {} if name == "main" else {name: "4"}
        (layout.top / folder / "dvc.lock").write_text(lock(same="0", both=made, **more))
        layout.commit(name)
    layout.git("checkout", "--quiet", "one")


# What DVC's git does with the setting, which it looks up by itself only for files at the top.
DULWICH = """
import subprocess, sys
from dulwich.merge_drivers import get_merge_driver_registry
from dulwich.repo import Repo
repo = Repo.discover(".")
driver = get_merge_driver_registry(repo.get_config_stack()).get_driver("exact")
path = sys.argv[1]
asked = [["git", "show", f"{side}:{path}"] for side in ("main", "one", "two")]
merged, whole = driver.merge(*[subprocess.check_output(words) for words in asked], path)
open(repo.path + "/" + path, "wb").write(merged)
sys.exit(not whole)
"""


def merged(layout, folder):
    return {*yaml.safe_load((layout.top / folder / "dvc.lock").read_text())["stages"]}


@pytest.mark.parametrize("folder", [TOP, BELOW])
def test_git_merges_stage_by_stage(folder, built, tmp_path):
    layout = Layout(built, tmp_path / "top", folder)
    diverged(layout, folder)
    layout.git("merge", "--quiet", "--no-edit", "two", cwd=f"{folder}/notebooks")
    assert merged(layout, folder) == {"same", "one", "two"}


@pytest.mark.parametrize("folder", [TOP, BELOW])
@pytest.mark.parametrize("inside", [True, False])
def test_dvc_merges_stage_by_stage(inside, folder, built, tmp_path):
    layout = Layout(built, tmp_path / "top", folder)
    diverged(layout, folder)
    path = os.path.normpath(f"{folder}/dvc.lock")
    layout.run("python", "-c", DULWICH, path, cwd=folder if inside else ".")
    assert merged(layout, folder) == {"same", "one", "two"}


@pytest.mark.parametrize("folder", [TOP, BELOW])
def test_a_merge_without_the_environment_is_a_conflict(folder, built, tmp_path):
    layout = Layout(built, tmp_path / "top", folder)
    diverged(layout, folder)
    (layout.top / folder / ".venv").unlink()
    done = layout.git("merge", "two", check=False)
    assert done.returncode == 1 and "CONFLICT" in done.stdout
    assert "dvc.lock is not merged: abort this, run make env, then do it again\n" in done.stderr
    layout.git("merge", "--abort")
    (layout.top / folder / ".venv").symlink_to(built.root / ".venv")
    layout.git("merge", "--quiet", "--no-edit", "two")


# -- the settings themselves


def test_other_readers_read_the_same(built, tmp_path):
    """`dvc exp run --queue` copies the file with a reader of its own; libgit2 reads it, too."""
    layout = Layout(built, tmp_path / "top", TOP)
    code = """
import sys, pygit2
from configobj import ConfigObj
copy = ConfigObj(list_values=False)
copy.merge(ConfigObj(".git/config", list_values=False))
copy.write(open(sys.argv[1], "wb"))
for one in pygit2.Repository(".").config:
    print(one.name, one.value, sep="\\n", end="\\0")
"""
    told = layout.run("python", "-c", code, tmp_path / "copy").stdout
    asked = ("--null", "--get-regexp", r"^(filter|merge)\..*")
    settings = layout.git("config", *asked).stdout.split("\0")[:-1]
    assert len(settings) == 3 and {*settings} <= {*told.split("\0")}
    assert layout.git("config", "--file", tmp_path / "copy", *asked).stdout == "".join(
        setting + "\0" for setting in settings
    )


def test_setup_changes_what_is_old_and_nothing_else(built, tmp_path):
    layout = Layout(built, tmp_path / "top", TOP)
    config = layout.top / ".git/config"
    wanted = config.read_text()
    before = config.stat()
    layout.setup(TOP)
    assert config.stat().st_mtime_ns == before.st_mtime_ns
    for name, values in {
        "filter.notebook.clean": ["p=/%f; cat"],
        "merge.exact.driver": ["one", "two"],
    }.items():
        layout.git("config", "--unset-all", name)
        for value in values:
            layout.git("config", "--add", name, value)
    layout.git("config", "user.name", "Somebody")
    layout.setup(TOP)
    told = layout.git("config", "--local", "--list").stdout.splitlines()
    config.write_text(wanted)
    assert sorted(told) == sorted(
        [*layout.git("config", "--local", "--list").stdout.splitlines(), "user.name=Somebody"]
    )


def test_setup_needs_no_repository_and_no_lock(built, tmp_path):
    layout = Layout(built, tmp_path / "top", TOP)
    layout.git("config", "--unset", "merge.ours.driver")
    (layout.top / ".git/config.lock").touch()
    done = layout.run("exact", "setup")
    assert "could not lock config file" in done.stderr and done.stderr.count("\n") == 1
    shutil.rmtree(layout.top / ".git")
    layout.setup(TOP)
    assert not (layout.top / ".git").exists()
