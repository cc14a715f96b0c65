"""A project that lies inside of another repository: nothing of its store gets into git."""

import re
import shutil

import pytest

pytestmark = pytest.mark.slow
# What git lists of a repository inside of another one.
EMBEDDED = {"add '.gitmodules'", "add 'altruism'", "add 'trees/altruism/'"}


def git(project, *words, cwd=None) -> str:
    return project.run("git", *words, cwd=cwd).stdout


def in_a_folder(built, top):
    """One project of several in a repository; the store is beside it, inside of that."""
    left_out = shutil.ignore_patterns(".git", ".venv", "cache", "tmp")
    shutil.copytree(built.root, top / "teams/altruism", ignore=left_out)
    git(built, "init", "--quiet", "--initial-branch=main", cwd=top)
    return top / "teams/altruism"


def in_a_submodule(built, top):
    """A repository of its own, whose store is inside of the one around it."""
    git(built, "init", "--quiet", "--initial-branch=main", cwd=top)
    words = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add")
    git(built, *words, built.root, "altruism", cwd=top)
    return top / "altruism"


def in_a_worktree(built, top):
    """A second working tree, inside of the first one."""
    git(built, "clone", "--quiet", built.root, top)
    git(built, "worktree", "add", "--quiet", top / "trees/altruism", cwd=top)
    return top / "trees/altruism"


def with_the_store_inside(built, top):
    """A project whose DVC remote is a folder of its own."""
    git(built, "clone", "--quiet", built.root, top / "altruism")
    config = top / "altruism/.dvc/config"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("../../altruism-store", "../store"), encoding="utf-8")
    return top / "altruism"


def at_the_top(built, top):
    """As the template makes it: nothing is to be hidden, and nothing is written."""
    git(built, "clone", "--quiet", built.root, top / "altruism")
    return top / "altruism"


HIDDEN = [in_a_folder, in_a_submodule, in_a_worktree, with_the_store_inside]


def placed(place, built, folder):
    """The built project in such a place, with its files in DVC's cache, all committed."""
    (folder / "top").mkdir()
    project = type(built)(place(built, folder / "top"))
    project.top = folder / "top"
    shutil.copytree(built.root / ".dvc/cache", project.root / ".dvc/cache")
    (project.root / ".venv").symlink_to(built.root / ".venv")
    with open(project.root / ".gitignore", "a", encoding="utf-8") as file:
        file.write("/.venv\n")
    project.run("exact", "setup")
    project.run("dvc", "checkout", "--quiet")
    (url,) = re.findall(r'url = "(.+)"', project.read(".dvc/config"))
    project.store = (project.root / ".dvc" / url).resolve()
    git(project, "add", ".")
    git(project, "commit", "--quiet", "--message", "First model")
    return project


def added(project) -> set[str]:
    """What `git add --all` would take along, in the repositories around the project."""
    found = git(project, "add", "--all", "--dry-run", ":/").splitlines()
    if (project.top / ".git").exists():
        found += git(project, "add", "--all", "--dry-run", cwd=project.top).splitlines()
    return {*found} - EMBEDDED


@pytest.mark.parametrize("place", HIDDEN)
def test_git_takes_nothing_of_the_store(place, built, tmp_path):
    project = placed(place, built, tmp_path)
    assert added(project) == set()
    project.run("dvc", "push", "--quiet", "--run-cache")
    for name in ("files", "runs"):
        assert [path for path in (project.store / name).rglob("*") if path.is_file()]
    assert added(project) == set()
    # DVC does not take it for an object, whatever it does there.
    project.run("dvc", "gc", "--quiet", "--workspace", "--cloud", "--force")
    assert project.run("dvc", "status", "--cloud", "--quiet", check=False).returncode == 0
    assert added(project) == set()


@pytest.mark.long
@pytest.mark.parametrize("place", HIDDEN)
def test_a_release_does_not_advise_to_commit_the_store(place, built, tmp_path):
    """Of a project from before stores were hidden; it stops at what is not pushed."""
    project = placed(place, built, tmp_path)
    shutil.rmtree(project.store)
    project.store.mkdir()
    object_ = project.store / "files/md5/00/0"
    object_.parent.mkdir(parents=True)
    object_.touch()
    done = project.run("exact", "release", "v1.0.0", check=False)
    assert "is not on the remote; run `make push`" in done.stderr
    git(project, "add", "--force", object_, cwd=object_.parent)
    done = project.run("exact", "release", "v1.0.0", check=False)
    # In a repository around that of the project it is none of the release's business.
    told = "is not on the remote" if place in (in_a_submodule, in_a_worktree) else "git rm -r"
    assert told in done.stderr and "commit it" not in done.stderr
    if told == "git rm -r":
        (advice,) = re.findall("run `(git rm .+)`", done.stderr)
        project.run("sh", "-ec", advice)
        done = project.run("exact", "release", "v1.0.0", check=False)
        assert "is not on the remote" in done.stderr


def test_outside_of_a_repository_nothing_is_hidden(built, tmp_path):
    project = placed(at_the_top, built, tmp_path)
    project.run("dvc", "push", "--quiet")
    assert added(project) == set()
    assert not list(project.store.rglob(".gitignore"))


@pytest.mark.parametrize("target", ["env", "clean", "help"])
def test_make_does_not_run_in_another_folder(target, built, tmp_path):
    (tmp_path / ".venv").mkdir()
    done = built.run("make", "-f", built.root / "Makefile", target, cwd=tmp_path, check=False)
    assert done.returncode and "run make in the project, or make -C PROJECT" in done.stderr
    assert list(tmp_path.rglob("*")) == [tmp_path / ".venv"]
    assert built.run("make", "--silent", "-C", built.root, "help", cwd=tmp_path).stdout
