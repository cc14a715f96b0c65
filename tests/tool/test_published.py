"""What an outsider's tool takes from a repository that it clones, and what it leaves."""

import os
import subprocess
from pathlib import Path

import pytest

from exact_model import published
from exact_model.errors import Refused
from exact_model.published import Published, cloned, origin_of

CONFIG = """
[core]
    remote = Store
    site_cache_dir = /tmp/evil
    analytics = true
[cache]
    dir = /tmp/evil
['remote "store"']
    url = {url}
    verify = true
    bearer_token_command = touch /tmp/evil
    configpath = evil
    keyfile = evil
    ssl_verify = /tmp/evil
{more}[hydra]
    enabled = true
    plugins_path = src
"""


def git(folder: Path, *words: str) -> str:
    own = {
        f"GIT_{role}_{what}": "x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    environ = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, **own}
    done = subprocess.run(
        ["git", *words], cwd=folder, env=environ, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def repository(
    folder: Path, *projects: str, url: str = "../../store", more: str = ""
) -> tuple[Path, str]:
    """A repository with these projects, and its commit."""
    for name in projects:
        place = folder / name
        (place / ".dvc").mkdir(parents=True)
        (place / "dvc.yaml").write_text("stages: {}\n")
        (place / "dvc.lock").write_text("schema: '2.0'\n")
        (place / ".dvc/config").write_text(CONFIG.format(url=f'"{url}"', more=more))
    folder.mkdir(exist_ok=True)
    (folder / "notes").mkdir()
    (folder / "notes/dvc.yaml").write_text("not a project: it has no dvc.lock\n")
    git(folder, "init", "--quiet", "--initial-branch", "main")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "x")
    return folder, git(folder, "rev-parse", "HEAD")


def test_nothing_of_it_is_checked_out_and_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "origin/.git/site"))
    monkeypatch.setattr(published.tempfile, "tempdir", None)
    folder, commit = repository(tmp_path / "origin", ".")
    git(folder, "tag", "v1")
    git(folder, "branch", "other")
    with cloned(str(folder)) as found:
        assert [path.name for path in found.clone.iterdir()] == [".git"]
        assert git(found.clone, "rev-parse", "v1", "other", "main").split() == [commit] * 3
        assert not list((found.clone / ".git/hooks").glob("*"))
        project = found.project(commit, None)
        found.store(project, commit, None)
        assert sorted(path.name for path in found.clone.iterdir()) == [".dvc", ".git"]
        assert found.clone.is_relative_to(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["origin"]


def test_no_program_that_its_configuration_names(tmp_path):
    folder, commit = repository(
        tmp_path / "origin", ".", url="s3://bucket/data", more="    region = eu-west-1\n"
    )
    with cloned(str(folder)) as found:
        project = found.project(commit, None)
        settings = found.settings(project, commit)[1]
        text = published.written(settings).decode()
    assert settings["remotes"]["store"] == {"url": "s3://bucket/data", "region": "eu-west-1"}
    assert settings["remote"] == "store" and "evil" not in text and "hydra" not in text


SOURCES = {
    "a path": lambda folder: str(folder),
    "its .git": lambda folder: str(folder / ".git"),
    "an address": lambda folder: folder.as_uri(),
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
@pytest.mark.parametrize("name", [".", "team/models"])
def test_a_relative_remote_is_that_of_the_original(tmp_path, source, name):
    folder, commit = repository(tmp_path / "the origin", name)
    with cloned(source(folder)) as found:
        project = found.project(commit, None)
        store, notes = found.store(project, commit, None)
        place = os.path.normpath(folder / name / "../store")
        assert notes == [f"its DVC remote store (../../store) was read at {place}"]
        assert store.address("store")[0] == place


def test_a_bare_repository_stands_where_a_clone_would(tmp_path):
    folder, commit = repository(tmp_path / "work", ".")
    git(tmp_path, "clone", "--quiet", "--bare", "work", "hub.git")
    with cloned(str(tmp_path / "hub.git")) as found:
        notes = found.store(found.project(commit, None), commit, None)[1]
    assert notes == [f"its DVC remote store (../../store) was read at {tmp_path / 'store'}"]
    assert folder.is_dir()


def test_a_folder_beside_somebody_elses_clone(tmp_path):
    folder, commit = repository(tmp_path / "origin", ".")
    with cloned(str(folder)) as found:
        away = Published(found.clone, None)
        told = r"remote store is the folder ../../store beside a clone .* place: --remote URL"
        with pytest.raises(Refused, match=told):
            away.store(away.project(commit, None), commit, None)
        mirror = str(tmp_path / """a #mirror, 'with' "names" % é""")
        store, notes = away.store(away.project(commit, None), commit, mirror)
        assert (store.address("store")[0], notes) == (mirror, [])


def tree(folder: Path, entries: dict[str, str | dict]) -> str:
    """The hash of a git tree with any names of entries, which git itself would not make."""
    content = b""
    for name, entry in sorted(entries.items()):
        if isinstance(entry, dict):
            mode, found = b"40000", tree(folder, entry)
        else:
            (folder / "blob").write_text(entry)
            mode, found = b"100644", git(folder, "hash-object", "-w", "blob")
        content += mode + b" " + name.encode() + b"\0" + bytes.fromhex(found)
    (folder / "tree").write_bytes(content)
    return git(folder, "hash-object", "-t", "tree", "-w", "--literally", "tree")


FILES = {"dvc.yaml": "stages: {}\n", "dvc.lock": "schema: '2.0'\n"}
HOSTILE = {
    "beside the clone": {"..": {"..": {"victim": FILES}}},
    "in git's own folder": {".git": FILES},
}


@pytest.mark.parametrize("entries", HOSTILE.values(), ids=HOSTILE)
def test_a_path_that_leads_out_of_the_clone_is_not_a_project(tmp_path, entries):
    git(tmp_path, "init", "--quiet", "origin")
    origin = tmp_path / "origin"
    commit = git(origin, "commit-tree", "-m", "x", tree(origin, entries))
    git(origin, "update-ref", "refs/heads/main", commit)
    with cloned(str(origin)) as found, pytest.raises(Refused, match="no dvc.yaml with a dvc.lock"):
        found.project(commit, None)


def test_what_the_user_has_told_dvc_of_a_remote_is_not_for_theirs(tmp_path, monkeypatch):
    """Their remote may have the name of one whose password is in the user's own settings."""
    monkeypatch.setenv("DVC_GLOBAL_CONFIG_DIR", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    (tmp_path / "own/config").write_text("['remote \"store\"']\n    password = secret\n")
    folder, commit = repository(tmp_path / "origin", ".", url="https://example.invalid/x")
    with cloned(str(folder)) as found:
        store, _ = found.store(found.project(commit, None), commit, None)
        assert "secret" not in str(store._repo.config["remote"])
    assert os.environ["DVC_GLOBAL_CONFIG_DIR"] == str(tmp_path / "own")


def test_which_project(tmp_path):
    folder, commit = repository(tmp_path / "origin", "a", "b/c")
    with cloned(str(folder)) as found:
        with pytest.raises(Refused, match="holds these projects: a, b/c; choose one with --path"):
            found.project(commit, None)
        assert found.project(commit, "b/c/") == found.clone / "b/c"
        for wrong in ("notes", "..", "b", "/etc"):
            with pytest.raises(Refused, match=f"{wrong} holds no dvc.yaml and dvc.lock there; it"):
                found.project(commit, wrong)
    folder, commit = repository(tmp_path / "none")
    with cloned(str(folder)) as found, pytest.raises(Refused, match="no dvc.yaml with a dvc.lock"):
        found.project(commit, None)


WRONG = {
    "nothing there": "/nowhere/at/all",
    "an option": "--upload-pack=touch evil",
    "a program": "ext::sh -c 'touch evil'",
    "an unknown scheme": "none://example.invalid/x",
}


@pytest.mark.parametrize("repo", WRONG.values(), ids=WRONG)
def test_what_cannot_be_cloned(tmp_path, monkeypatch, repo):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Refused, match="cannot be cloned: .*check the address"):
        cloned(repo).__enter__()
    assert list(tmp_path.rglob("evil")) == []


def test_settings_of_the_user_are_left_out(tmp_path, monkeypatch):
    """Hooks and templates of the user's, and programs that the original's configuration names."""
    folder, commit = repository(tmp_path / "origin", ".")
    git(folder, "config", "uploadpack.packObjectsHook", "touch evil; false")
    (tmp_path / "hooks").mkdir()
    hook = tmp_path / "hooks/post-checkout"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/evil\n")
    hook.chmod(0o755)
    settings = tmp_path / "gitconfig"
    settings.write_text(
        f"[core]\n\thooksPath = {tmp_path}/hooks\n[clone]\n\trejectShallow = true\n"
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    with cloned(str(folder)) as found:
        assert found.project(commit, None) == found.clone
    assert not (tmp_path / "evil").exists()


def test_where_a_repository_is(tmp_path):
    (tmp_path / "a b").mkdir()
    assert origin_of(str(tmp_path / "a b")) == tmp_path / "a b"
    assert origin_of((tmp_path / "a b").as_uri()) == tmp_path / "a b"
    assert origin_of("https://example.org/x.git") is None
    assert origin_of("git@example.org:x.git") is None
