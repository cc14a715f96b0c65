"""`make` believes no environment, uv or git that does not prove itself."""

import os
import re
import shutil
import stat
from pathlib import Path

import pytest
from bake import bake
from projects import Project

PACKAGES = "lib/python3.11/site-packages/"
MAKING = "env: making .venv"


def missing(path: Path) -> None:
    """The file or folder is gone."""


def empty(path: Path) -> None:
    # A new file, for the old one is linked to that of uv's cache.
    path.touch()
    path.chmod(0o755)


def dead(path: Path) -> None:
    path.symlink_to("/gone/python3.11")


def text(content: str, mode: int = 0o755):
    """A breakage that puts a file with this content in the place of another."""

    def write(path: Path) -> None:
        path.write_text(content)
        path.chmod(mode)

    return write


# What is wrong, the place in .venv, and how it is broken.
BROKEN = [
    ("interpreter removed", "bin/python", missing),
    ("interpreter upgraded away", "bin/python", dead),
    ("interpreter not executable", "bin/python", text("#!/bin/sh\n", 0o644)),
    ("interpreter killed", "bin/python", text("#!/bin/sh\nkill -9 $$\n")),
    ("interpreter says nothing", "bin/python", text("#!/bin/sh\n")),
    ("another Python", "pyvenv.cfg", missing),
    ("exact removed", "bin/exact", missing),
    ("exact not executable", "bin/exact", text("#!/bin/sh\n", 0o644)),
    ("exact says nothing", "bin/exact", empty),
    ("exact crashes", "bin/exact", text("#!/bin/sh\necho Traceback >&2; exit 1\n")),
    ("exact refuses for another reason", "bin/exact", text("#!/bin/sh\necho exact: x; exit 1\n")),
    ("dvc removed", "bin/dvc", missing),
    ("dvc emptied", "bin/dvc", empty),
    ("code of dvc removed", PACKAGES + "dvc", missing),
    ("code of the model emptied", PACKAGES + "joblib/__init__.py", empty),
    ("a tool not installed", PACKAGES + "ruff-*.dist-info", missing),
    ("the project's code out of reach", PACKAGES + "exact.pth", empty),
    ("made halfway", ".made", missing),
    ("made in another folder", ".made", text("/elsewhere/.venv\n")),
    ("removed but for its folder", "bin", missing),
]


@pytest.fixture(scope="module")
def own(built, tmp_path_factory) -> Project:
    """A copy with its own environment, which each test leaves as it was."""
    return built.copy(tmp_path_factory.mktemp("environment") / "altruism")


def planned(project, target="env", **environ) -> str:
    """What make would do."""
    return project.run("make", "--dry-run", target, **environ).stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "how"), [case[1:] for case in BROKEN], ids=[c[0] for c in BROKEN]
)
def test_an_environment_that_is_broken_in_any_way_is_made_anew(place, how, own, tmp_path):
    (path,) = (own.root / ".venv").glob(place)
    assert MAKING not in planned(own)
    kept = path.rename(path.with_name("kept"))
    try:
        how(path)
        assert MAKING in planned(own)
    finally:
        if path.is_symlink() or path.exists():
            path.unlink()
        kept.rename(path)
    assert MAKING not in planned(own)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("params.yaml", "exact:\n  cpu: x86-64-v9\n"),
        ("params.yaml", "a: ["),
        ("dvc.yaml", "stages: ["),
        ("src/altruism/train.py", "raise SystemExit(3)\n"),
        ("dvc.lock", "stages: {"),
        ("pyproject.toml", None),
    ],
    ids=["CPU", "params.yaml", "dvc.yaml", "code", "dvc.lock", "time of pyproject.toml"],
)
def test_what_another_environment_would_not_change_makes_none(name, content, own):
    before = own.read(name)
    own.write(name, before if content is None else content)
    try:
        assert MAKING not in planned(own)
    finally:
        own.write(name, before)


@pytest.mark.slow
def test_a_broken_environment_is_whole_after_make_env(own):
    python = own.root / ".venv/bin/python"
    python.unlink()
    python.symlink_to("/gone/python3.11")
    own.run("make", "env")
    assert own.run("exact", "venv").stdout == "whole\n"
    assert own.run("make", "env").stdout == ""


def shadowed(folder: Path, name: str, content: str) -> str:
    """A PATH on which a program of this name comes first."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(content)
    (folder / name).chmod(stat.S_IRWXU)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Project:
    """A generated project that nothing was run in."""
    return Project(bake(tmp_path_factory.mktemp("fresh")))


@pytest.mark.parametrize("content", ["#!/bin/sh\nexit 127\n", "#!/gone/python\n"])
def test_a_uv_that_does_not_start_is_not_taken(content, fresh, tmp_path):
    told = planned(fresh, "lock", PATH=shadowed(tmp_path / "bin", "uv", content))
    assert '".uv/bin/uv" pip compile' in told and "-m venv --clear .uv" in told


@pytest.mark.parametrize("content", ["#!/bin/sh\nexit 1\n", "#!/gone/python\n", ""])
def test_an_own_uv_that_does_not_start_is_put_there_anew(content, fresh, tmp_path):
    path = shadowed(tmp_path / "bin", "uv", "#!/bin/sh\nexit 127\n")
    own = fresh.root / ".uv/bin/uv"
    own.parent.mkdir(parents=True, exist_ok=True)
    try:
        own.write_text("#!/bin/sh\necho uv 1.0\n")
        own.chmod(0o755)
        assert "-m venv" not in planned(fresh, "lock", PATH=path)
        own.write_text(content)
        assert "-m venv --clear .uv" in planned(fresh, "lock", PATH=path)
    finally:
        shutil.rmtree(fresh.root / ".uv")


def lost_worktree(root: Path) -> None:
    (root / ".git").write_text("gitdir: /gone/.git/worktrees/one\n")


def bad_setting(root: Path) -> None:
    shutil.copytree(root / "kept", root / ".git")
    (root / ".git/config").write_text("[core\n")


def no_head(root: Path) -> None:
    shutil.copytree(root / "kept", root / ".git")
    (root / ".git/HEAD").write_text("")


def of_another_user(root: Path) -> None:
    shutil.copytree(root / "kept", root / ".git")
    for path in (root / ".git", *(root / ".git").rglob("*")):
        os.chown(path, 12345, 12345)
    os.chown(root, 12345, 12345)


@pytest.mark.parametrize("how", [lost_worktree, bad_setting, no_head, of_another_user])
def test_a_git_that_fails_is_not_taken_for_no_git(how, fresh):
    """It would have DVC work without git, and leave the merge drivers out."""
    if how is of_another_user and os.getuid():
        pytest.skip("only root can give files to another user")
    repository = (fresh.root / ".git").rename(fresh.root / "kept")
    try:
        how(fresh.root)
        done = fresh.run("make", "--dry-run", "scm", check=False)
    finally:
        broken = fresh.root / ".git"
        broken.unlink() if broken.is_file() else shutil.rmtree(broken)
        repository.rename(broken)
        os.chown(fresh.root, os.getuid(), os.getgid())
    assert done.returncode == 2
    assert re.search(r"\*\*\* git does not work here: \S.*\n\Z", done.stderr)


def test_a_folder_without_a_repository_is_one_without_git(fresh):
    assert '[ "yes" = no ]' in planned(fresh, "scm")
    repository = (fresh.root / ".git").rename(fresh.root / "kept")
    try:
        assert '[ "no" = no ]' in planned(fresh, "scm")
    finally:
        repository.rename(fresh.root / ".git")


@pytest.mark.slow
def test_a_dvc_that_fails_is_not_taken_for_a_difference(own):
    before = own.read("dvc.yaml")
    own.write("dvc.yaml", "stages: [\n")
    try:
        done = own.run("make", "push", check=False)
    finally:
        own.write("dvc.yaml", before)
    assert done.returncode == 2
    assert "push: dvc status failed" in done.stderr and "dvc.yaml" in done.stderr
    assert "not those of dvc.lock" not in done.stderr
    removed = own.root / "models/model.joblib"
    content = removed.read_bytes()
    removed.unlink()
    try:
        done = own.run("make", "push", check=False)
    finally:
        removed.write_bytes(content)
    assert "the files here are not those of dvc.lock" in done.stderr


def test_make_prints_no_recipe(fresh):
    """What a user sees is what was said to be seen, and no line of shell."""
    lines = re.sub(r"\\\n", " ", fresh.read("Makefile")).splitlines()
    recipes = [line.strip() for line in lines if line.startswith("\t")]
    echoed = [line for line in recipes if not re.match(r"@|\$\(if .*\$\(error", line)]
    assert len(recipes) > 40 and not echoed


@pytest.mark.long
@pytest.mark.slow
def test_make_says_what_to_commit(own):
    own.replace("params.yaml", "Decisions about a person", "Choices about a person")
    done = own.run("make")
    assert "Running stage 'evaluate'" in done.stdout
    assert "git add dvc.lock" not in done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "git add" in line]
    assert line.endswith('git add --all . && git commit -m "…" && make push')
    own.run("sh", "-c", line.partition(": git ")[2].rpartition(" && ")[0].join(["git ", ""]))
    assert own.run("git", "status", "--porcelain").stdout == ""
    assert "git add" not in own.run("make").stdout
