"""`exact release`: nothing is tagged that does not hold, whatever goes wrong and whenever."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from projects import Project

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]
MODEL, TAG = "models/model.joblib", "altruism@v1.0.0"


@pytest.fixture(scope="module")
def pushed(built, tmp_path_factory) -> Project:
    """The built project with a git remote, everything pushed, and its environment for verify."""
    project = built.copy(tmp_path_factory.mktemp("pushed") / "altruism")
    origin = project.root.parent / "origin.git"
    project.run("git", "init", "--quiet", "--bare", "--initial-branch", "main", origin)
    project.run("git", "branch", "--move", "main")
    project.run("git", "remote", "add", "origin", origin)
    project.run("git", "push", "--quiet", "--set-upstream", "origin", "main")
    project.run("make", "push")
    assert project.run("exact", "verify").returncode == 0
    return project


@pytest.fixture
def ready(pushed):
    """The same, put back as it was after each test."""
    head = pushed.run("git", "rev-parse", "HEAD").stdout.strip()
    store, origin = (pushed.root.parent / name for name in ("altruism-store", "origin.git"))
    for path in (store, origin):
        shutil.copytree(path, path.with_name(path.name + ".kept"), symlinks=True)
    yield pushed
    for path in (store, origin):
        kept = path.with_name(path.name + ".kept")
        for folder, _, _ in os.walk(path):
            os.chmod(folder, 0o755)
        shutil.rmtree(path, ignore_errors=True)
        kept.rename(path)
    for tag in tags(pushed):
        pushed.run("git", "tag", "--delete", tag)
    pushed.run("git", "checkout", "--quiet", "--force", "main")
    pushed.run("git", "reset", "--quiet", "--hard", head)
    pushed.run("git", "clean", "--quiet", "-fd")
    pushed.run("dvc", "checkout", "--quiet", "--force")


def tags(project) -> list[str]:
    return project.run("git", "tag").stdout.split()


def release(project, *words, status=0, **environ):
    done = project.run("exact", "release", *words, check=False, **environ)
    assert done.returncode == status, done.stdout + done.stderr
    return done


def refused(project, *words, **environ) -> str:
    """The one sentence on why nothing is released; there is no new tag."""
    before = tags(project)
    done = release(project, *words, status=1, **environ)
    assert tags(project) == before
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("exact: ")
    return sentence


def place(project, path=MODEL) -> Path:
    """Where the local remote keeps the object of an output."""
    (md5,) = re.findall(rf"path: {re.escape(path)}\n\s+hash: md5\n\s+md5: (\w+)", lock_of(project))[
        :1
    ]
    return project.root.parent / "altruism-store/files/md5" / md5[:2] / md5[2:]


def lock_of(project) -> str:
    return project.read("dvc.lock")


# -- a release, and what knows it


def test_a_release_is_what_all_tools_know(ready, tmp_path):
    assert "could be released" in release(ready, "v1.0.0", "--dry-run").stdout
    assert tags(ready) == []
    told = release(ready, "v1.0.0", "--stage", "prod").stdout
    assert told.endswith(
        "tell the others: git push --atomic origin main altruism@v1.0.0 'altruism#prod#1'\n"
    )
    assert tags(ready) == ["altruism#prod#1", TAG]
    md5 = ready.run("md5sum", MODEL).stdout.split()[0]
    text = ready.run("git", "cat-file", "tag", TAG).stdout
    assert f"{MODEL} {md5}" in text and "all 16 outputs identical" in text

    table = ready.run("gto", "show").stdout
    assert "altruism" in table and "v1.0.0" in table and "#prod" in table
    got = tmp_path / "got"
    artifact = ["dvc", "artifacts", "get", ".", "altruism"]
    ready.run(*artifact, "--rev", "v1.0.0", "--out", got / "a")
    ready.run(*artifact, "--stage", "prod", "--out", got / "c")
    ready.run("dvc", "get", ".", MODEL, "--rev", TAG, "--out", got / "b")
    ready.run("sh", "-c", told.rpartition("others: ")[2])
    ready.run(
        "git", "clone", "--quiet", ready.root.parent / "origin.git", ready.root.parent / "new"
    )
    clone = Project(ready.root.parent / "new")
    ready.run("git", "checkout", "--quiet", TAG, cwd=clone.root)
    ready.run("dvc", "pull", "--quiet", cwd=clone.root)
    for path in (got / "a", got / "b", got / "c", clone.root / MODEL):
        assert path.read_bytes() == (ready.root / MODEL).read_bytes()
    shutil.rmtree(clone.root)


@pytest.mark.parametrize("version", ["1.2.3", "v1.2.3-rc.1", "altruism@v1.2.3", "v0.0.1"])
def test_versions_that_are_welcome(version, ready):
    assert "could be released" in release(ready, version, "--dry-run").stdout


VERSIONS = {
    "": "no version is given; use `make release VERSION=v1.2.0`",
    "1.2": "is not a version",
    "v01.2.3": "is not a version",
    "v1.2.3 ": "is not a version",
    "latest": "is not a version",
    "pizza@v1.2.3": "must name one artifact of type model, and names altruism",
    "v1.0.0": "is there already",
    "v0.9.9": "not newer than the newest release",
    "v1.0.0-rc.1": "not newer than the newest release",
    "v1.0.0+build": "not newer than the newest release",
}


@pytest.mark.parametrize("version", VERSIONS)
def test_versions_that_are_refused(version, ready):
    ready.run("git", "tag", "--annotate", "--message", "x", TAG)
    another_commit(ready)
    assert VERSIONS[version] in refused(ready, version)


def another_commit(project) -> None:
    project.run("git", "commit", "--quiet", "--allow-empty", "--message", "Go on")


def test_a_newer_version_of_two_digits(ready):
    for version in ("1.9.0", "1.10.0"):
        ready.run("git", "tag", "--annotate", "--message", "x", f"altruism@v{version}")
        another_commit(ready)
    assert "newest release, v1.10.0" in refused(ready, "v1.9.1")
    assert "could be released" in release(ready, "v1.10.1", "--dry-run").stdout


def test_a_stage_for_a_version_that_is_there(ready):
    release(ready, "v1.0.0")
    assert "is in stage prod" in release(ready, "v1.0.0", "--stage", "prod").stdout
    assert "is in stage prod already" in release(ready, "v1.0.0", "--stage", "prod").stdout
    assert tags(ready) == ["altruism#prod#1", TAG]
    assert "is not a name for a stage" in refused(ready, "v1.0.0", "--stage", "a b")


def test_a_stage_may_go_back_to_an_older_version(ready):
    release(ready, "v1.0.0", "--stage", "prod")
    ready.write("note.txt", "x")
    ready.commit("Another commit")
    assert "is v1" not in release(ready, "v1.1.0", "--stage", "prod").stdout
    assert "is in stage prod" in release(ready, "v1.0.0", "--stage", "prod").stdout
    assert tags(ready)[:3] == ["altruism#prod#1", "altruism#prod#2", "altruism#prod#3"]
    shown = ready.run("gto", "show", "altruism#prod").stdout
    assert "v1.0.0" in shown and "v1.1.0" not in shown


def test_a_commit_has_one_version(ready):
    release(ready, "v1.0.0")
    assert f"this commit is {TAG} already" in refused(ready, "v1.1.0", "--dry-run")
    assert ready.run("gto", "show").returncode == 0


def test_a_tag_that_gto_does_not_know(ready):
    ready.run("git", "tag", TAG)
    told = refused(ready, "v1.0.0", "--stage", "prod")
    assert f"{TAG} was made by hand" in told and f"`git tag -d {TAG}`" in told


# -- what is checked


def test_a_tree_that_is_not_clean(ready):
    ready.write("note.txt", "x")
    assert "the tree is not clean (note.txt)" in refused(ready, "v1.0.0")
    (ready.root / "note.txt").unlink()
    ready.replace("params.yaml", "max_iter: 5000", "max_iter: 5001")
    assert "the tree is not clean (params.yaml)" in refused(ready, "v1.0.0")
    ready.commit("Change what was not built")
    assert "run `make`, and commit dvc.lock" in refused(ready, "v1.0.0")


def test_an_output_that_was_replaced_and_committed(ready):
    ready.write("reports/roc.csv", "false_positive_rate,true_positive_rate\n0,0\n1,1\n")
    ready.run("dvc", "commit", "--force", "--quiet")
    ready.commit("Prettier")
    ready.run("make", "push")
    told = refused(ready, "v1.0.0")
    assert "the rebuild is not identical" in told and "reports/roc.csv" in told


def test_without_a_dvc_remote(ready):
    ready.run("dvc", "remote", "remove", "storage")
    ready.commit("No remote")
    assert "there is no DVC remote" in refused(ready, "v1.0.0")


def test_an_object_that_is_missing_on_the_remote(ready):
    place(ready).unlink()
    told = refused(ready, "v1.0.0")
    assert f"{MODEL} (" in told and "is not on the remote; run `make push`" in told
    ready.run("make", "push")
    release(ready, "v1.0.0")


@pytest.mark.parametrize("damage", ["truncated", "replaced"])
def test_an_object_that_is_damaged_on_the_remote(damage, ready):
    there = place(ready)
    content = there.read_bytes()
    there.chmod(0o644)
    there.write_bytes(content[:100] if damage == "truncated" else b"x" * len(content))
    told = refused(ready, "v1.0.0")
    assert f"{MODEL} is damaged on the remote" in told
    # What it says helps.
    (path,) = re.findall(r"remove (/.*) and run `make push`", told)
    Path(path).unlink()
    ready.run("make", "push")
    release(ready, "v1.0.0")


def test_a_remote_that_cannot_be_reached(ready):
    store = ready.root.parent / "altruism-store"
    store.rename(store.with_name("gone"))
    assert "the DVC remote's folder is not there" in refused(ready, "v1.0.0")
    store.with_name("gone").rename(store)


def test_a_remote_that_the_commit_does_not_name(ready):
    config = ready.read(".dvc/config")
    ready.write(".dvc/config", config.replace("../../altruism-store", "/nowhere/nobody"))
    store = ready.root.parent / "altruism-store"
    ready.run("dvc", "remote", "modify", "--local", "storage", "url", store)
    ready.commit("Another address")
    told = refused(ready, "v1.0.0")
    (ready.root / ".dvc/config.local").unlink()
    assert "the commit's .dvc/config has another DVC remote than is used here (storage)" in told


def test_what_opens_the_remote_is_no_matter_of_the_commit(ready):
    ready.run("dvc", "remote", "modify", "--local", "storage", "verify", "true")
    release(ready, "v1.0.0")
    (ready.root / ".dvc/config.local").unlink()


def test_a_model_that_no_stage_makes(ready):
    ready.replace("dvc.yaml", "    path: models/model.joblib", "    path: models/none.joblib")
    ready.commit("A model that is not there")
    assert "is models/none.joblib, and no stage makes that" in refused(ready, "v1.0.0")


ARTIFACTS = ["artifacts: [1]\n", "artifacts: {altruism: 5}\n", "artifacts: 7\n", ""]


@pytest.mark.parametrize("text", ARTIFACTS)
def test_a_pipeline_that_names_no_model(text, ready):
    pipeline = ready.read("dvc.yaml")
    ready.write("dvc.yaml", pipeline[: pipeline.index("artifacts:")] + text)
    ready.commit("No model")
    assert "must name one artifact of type model" in refused(ready, "v1.0.0")


# What the checks before the clone would find, so that the last one must.
UNSEEN = """
import sys
from exact_model import release
release.check_clean = release.check_stored = release.check_rebuilt = lambda *words: "unseen"
sys.argv = ["exact", "release", "v1.0.0"]
from exact_model.cli import main
sys.exit(main())
"""


def test_a_clone_that_cannot_pull(ready):
    place(ready).unlink()
    done = ready.run("python", "-c", UNSEEN, check=False)
    assert done.returncode == 1 and tags(ready) == []
    assert "a new clone cannot pull it: " in done.stderr


def test_a_clone_that_gets_other_bytes(ready):
    # Of a remote without `verify`, DVC believes a file that nobody may write.
    ready.run("dvc", "remote", "modify", "storage", "verify", "false")
    ready.commit("Trust the remote")
    there = place(ready)
    there.chmod(0o644)
    there.write_bytes(b"other")
    there.chmod(0o444)
    done = ready.run("python", "-c", UNSEEN, check=False)
    assert done.returncode == 1 and tags(ready) == []
    assert f"a new clone gets other bytes for {MODEL}" in done.stderr


def test_what_is_not_to_be_pushed_stays_here(ready):
    (ready.root / "private.txt").write_text("secret")
    ready.run("dvc", "add", "--quiet", "private.txt")
    ready.write("private.txt.dvc", ready.read("private.txt.dvc") + "  push: false\n")
    ready.commit("Something private")
    ready.run("make", "push")
    store = ready.root.parent / "altruism-store"
    secret = hashlib.md5(b"secret").hexdigest()
    assert not list(store.rglob(secret[2:]))
    told = refused(ready, "v1.0.0")
    assert "private.txt is kept from the remote (push: false)" in told


def with_one_row_more(ready, setting: str) -> str:
    """Build and commit with a raw file of which its .dvc file says `setting`; the file's md5."""
    raw = "data/raw/requests.jsonl"
    row = ready.read(raw).splitlines()[0].replace("p0001", "q1")
    ready.write(raw, ready.read(raw) + row + "\n")
    ready.run("dvc", "add", "--quiet", raw)
    ready.write(f"{raw}.dvc", ready.read(f"{raw}.dvc") + f"  {setting}\n")
    ready.run("make")
    ready.commit("One row more")
    return ready.run("md5sum", raw).stdout.split()[0]


def test_an_input_that_is_not_to_be_pushed_stays_here(ready):
    """Though dvc.lock names it, too, as what a stage reads."""
    md5 = with_one_row_more(ready, "push: false")
    ready.run("make", "hooks")
    ready.run("make", "push")
    ready.run("git", "push", "--quiet", "origin", "main")
    (ready.root / ".git/hooks/pre-push").unlink()
    assert not list((ready.root.parent / "altruism-store").rglob(md5[2:]))


def test_an_input_with_a_remote_of_its_own_goes_there_alone(ready, tmp_path):
    ready.run("dvc", "remote", "add", "secret", tmp_path / "secret")
    md5 = with_one_row_more(ready, "remote: secret")
    ready.run("exact", "push")
    assert list((tmp_path / "secret").rglob(md5[2:]))
    assert not list((ready.root.parent / "altruism-store").rglob(md5[2:]))


def test_code_that_a_stage_names_as_a_folder_is_gits(ready):
    ready.replace(
        "dvc.yaml",
        "      - ${data.file}\n      - .python",
        "      - src\n      - ${data.file}\n      - .python",
    )
    ready.run("dvc", "commit", "--force", "--quiet", "prepare")
    assert ".dir" in ready.read("dvc.lock")
    ready.commit("A folder of code")
    ready.run("make", "push")
    ready.run("make", "hooks")
    ready.run("git", "push", "--quiet", "origin", "main")
    (ready.root / ".git/hooks/pre-push").unlink()


def test_an_older_version_whose_remote_is_gone_gets_no_stage(ready, tmp_path):
    release(ready, "v1.0.0")
    shutil.copytree(ready.root.parent / "altruism-store", tmp_path / "moved")
    ready.run("dvc", "remote", "modify", "storage", "url", tmp_path / "moved")
    ready.commit("Move the store")
    told = refused(ready, "v1.0.0", "--stage", "prod")
    assert "the commit's .dvc/config has another DVC remote than is used here (storage)" in told
    assert "is released" in release(ready, "v1.1.0", "--stage", "prod").stdout


def test_a_tag_made_by_hand_is_rebuilt_before_it_gets_a_stage(ready):
    ready.write("reports/roc.csv", "false_positive_rate,true_positive_rate\n0,0\n1,1\n")
    ready.run("dvc", "commit", "--force", "--quiet")
    ready.commit("Prettier")
    ready.run("make", "push")
    ready.run("git", "tag", "--annotate", "--message", "by hand", TAG)
    assert "the rebuild is not identical" in refused(ready, "v1.0.0", "--stage", "prod")


# -- what would stop the tag is asked before the work

# What the command is given, settings of the repository with which git makes no tag, what is said.
STOPS = {
    "nobody": ([], {"user.useConfigOnly": "true"}, "no email was given"),
    "no signing key": (
        ["--dry-run"],
        {"tag.gpgSign": "true", "gpg.format": "ssh"},
        "either user.signingkey or gpg.ssh",
    ),
    "a key that does not sign": (
        ["--stage", "prod"],
        {"tag.forceSignAnnotated": "true", "gpg.program": "false"},
        "gpg failed to sign the data (tag.gpgSign is set)",
    ),
    "a lock that was left": ([], {}, "Unable to create"),
    "a tag in the way": (["--dry-run"], {}, "cannot lock ref"),
}


@pytest.mark.parametrize("stop", STOPS)
def test_what_stops_a_tag_is_said_before_the_work(stop, ready):
    words, settings, why = STOPS[stop]
    lock = ready.root / ".git/refs/tags" / f"{TAG}.lock"
    for name, value in settings.items():
        ready.run("git", "config", name, value)
    if stop == "a lock that was left":
        lock.touch()
    if stop == "a tag in the way":
        ready.run("git", "tag", f"{TAG}/x")
    before = tags(ready)
    unknown = ["-u", "GIT_COMMITTER_NAME", "-u", "GIT_COMMITTER_EMAIL", "-u", "EMAIL"]
    command = ["env", *(unknown if stop == "nobody" else []), "exact", "release", "v1.0.0", *words]
    done = ready.run(*command, check=False)
    lock.unlink(missing_ok=True)
    for name in settings:
        ready.run("git", "config", "--unset", name)
    sentence, *git_lines = done.stderr.splitlines()
    assert sentence.startswith("exact: git cannot tag this commit yet: ") and why in sentence
    # Nothing was looked at yet, and git's own remedy is there.
    assert done.returncode == 1 and done.stdout == "" and tags(ready) == before
    remedy = '    git config --global user.email "you@example.com"'
    assert (remedy in git_lines) == (stop == "nobody")


def test_a_tag_that_is_signed_by_a_key_is_made(ready, tmp_path):
    ready.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key")
    settings = {"gpg.format": "ssh", "user.signingKey": tmp_path / "key", "tag.gpgSign": "true"}
    for name, value in settings.items():
        ready.run("git", "config", name, value)
    release(ready, "v1.0.0")
    for name in settings:
        ready.run("git", "config", "--unset", name)
    assert "BEGIN SSH SIGNATURE" in ready.run("git", "cat-file", "tag", TAG).stdout


# -- tags of others


def test_a_clone_without_tags_does_not_give_a_version_twice(ready):
    release(ready, "v1.0.0")
    ready.run("git", "push", "--quiet", "origin", TAG)
    ready.run("git", "tag", "--delete", TAG)
    another_commit(ready)
    assert f"{TAG} is there already" in refused(ready, "v1.0.0")
    assert "not newer than the newest release, v1.0.0" in refused(ready, "v0.1.0")


def test_a_tag_that_was_moved(ready):
    release(ready, "v1.0.0")
    ready.run("git", "push", "--quiet", "origin", TAG)
    ready.write("note.txt", "x")
    ready.commit("Another commit")
    ready.run("git", "tag", "--force", "--annotate", "--message", "x", TAG)
    told = refused(ready, "v1.1.0")
    assert f"{TAG} was moved" in told and "git fetch origin --tags --force" in told
    ready.run("git", "fetch", "--quiet", "origin", "--tags", "--force")
    assert "could be released" in release(ready, "v1.1.0", "--dry-run").stdout


def test_a_git_remote_that_does_not_answer(ready):
    origin = ready.root.parent / "origin.git"
    origin.rename(origin.with_name("gone.git"))
    assert "origin does not tell its tags" in refused(ready, "v1.0.0")
    origin.with_name("gone.git").rename(origin)


# -- killed


KILLED_IN = {
    "the check of the remote": "exact/objects.py:state",
    "the rebuild": "exact/rebuild.py:reproduce",
    "the clone": "exact/release.py:check_recovered",
    "the pull of the clone": "subprocess.run",
    "the tag": "exact/release.py:message",
    "the stage": "exact/release.py:assign",
}
# Ends the process itself by SIGKILL where a function of that name is called.
KILL = """
import os, signal, subprocess, sys
where = {where!r}
def trace(frame, event, argument):
    file, _, name = where.partition(":")
    if name and frame.f_code.co_name == name and frame.f_code.co_filename.endswith(file):
        os.kill(os.getpid(), signal.SIGKILL)
if ":" in where:
    sys.setprofile(trace)
else:
    run = subprocess.run
    def killed(command, **more):
        if "pull" in command:
            child = subprocess.Popen(command, cwd=more["cwd"], env=more["env"])
            os.kill(os.getpid(), signal.SIGKILL)
        return run(command, **more)
    subprocess.run = killed
sys.argv = ["exact", "release", "v1.0.0", "--stage", "prod"]
from exact_model.cli import main
sys.exit(main())
"""


@pytest.mark.parametrize("where", KILLED_IN)
def test_killed_at_each_step_and_run_again(where, ready):
    code = KILL.format(where=KILLED_IN[where])
    done = ready.run("python", "-c", code, check=False)
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
    if tags(ready):
        # What is tagged already can be recovered.
        assert where == "the stage" and tags(ready) == [TAG]
        assert ready.run("exact", "verify", "--quick", TAG).returncode == 0
    release(ready, "v1.0.0", "--stage", "prod")
    assert tags(ready) == ["altruism#prod#1", TAG]
    assert not list((ready.root / ".dvc/tmp/exact/trees").iterdir())


def test_ctrl_c_leaves_nothing(ready):
    path = os.pathsep.join([str(ready.root / ".venv/bin"), os.environ["PATH"]])
    running = subprocess.Popen(
        ["exact", "release", "v1.0.0"],
        cwd=ready.root,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    trees = ready.root / ".dvc/tmp/exact/trees"
    while running.poll() is None and not list(trees.glob("*/tree/dvc.lock")):
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode == 130 and tags(ready) == [] and not list(trees.iterdir())


# -- the hook


def test_the_hook_keeps_back_what_nobody_could_get(ready):
    ready.run("make", "hooks")
    hook = ready.root / ".git/hooks/pre-push"
    try:
        ready.replace(
            "params.yaml", "estimator: logistic_regression ", "estimator: multinomial_nb "
        )
        ready.run("make")
        bad = ready.commit("Naive Bayes")
        done = ready.run("git", "push", "origin", "main", check=False)
        assert done.returncode and f"{bad[:12]} names " in done.stderr
        assert "11 files are missing there; run `make push`" in done.stderr
        assert bad not in ready.run("git", "ls-remote", "origin").stdout
        # Deleting a branch and pushing what the remote has is no matter.
        ready.run("git", "push", "origin", "HEAD^:refs/heads/other")
        ready.run("git", "push", "origin", "--delete", "other")
        # Nor may a later commit hide an earlier one.
        ready.run("git", "revert", "--no-edit", "HEAD")
        ready.run("dvc", "checkout", "--quiet")
        done = ready.run("git", "push", "origin", "main", check=False)
        assert done.returncode and f"{bad[:12]} names " in done.stderr
        assert "11 files of older commits copied too" in ready.run("make", "push").stdout
        ready.run("git", "push", "origin", "main")
        assert bad in ready.run("git", "log", "--format=%H", "origin/main").stdout
    finally:
        hook.unlink()


def test_a_file_that_is_nowhere_is_told_by_make_push(ready):
    ready.replace("params.yaml", "estimator: logistic_regression ", "estimator: sgd ")
    ready.run("make")
    lost = ready.commit("SGD")
    (md5,) = re.findall(rf"path: {MODEL}\n\s+hash: md5\n\s+md5: (\w+)", ready.read("dvc.lock"))[:1]
    ready.run("git", "revert", "--no-edit", "HEAD")
    ready.run("dvc", "checkout", "--quiet")
    here = ready.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    content = here.read_bytes()
    for damage, state in ((None, "missing"), (b"x" * len(content), "damaged")):
        here.unlink(missing_ok=True)
        if damage:
            here.write_bytes(damage)
        done = ready.run("make", "push", check=False)
        told = f"{MODEL} of {lost[:12]} ({md5}) is not on the remote, and {state} in the cache"
        assert done.returncode and told in done.stderr
    here.unlink(missing_ok=True)
    here.write_bytes(content)
    ready.run("make", "push")


def test_hooks_that_other_projects_use(ready, tmp_path):
    ready.run("git", "config", "core.hooksPath", tmp_path)
    done = ready.run("make", "hooks", check=False)
    ready.run("git", "config", "--unset", "core.hooksPath")
    assert done.returncode and "whose hooks other projects may use" in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_hook_of_somebody_else_stays(ready):
    hook = ready.root / ".git/hooks/pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho mine\n")
    done = ready.run("make", "hooks", check=False)
    assert done.returncode and "is there already" in done.stderr
    assert hook.read_text() == "#!/bin/sh\necho mine\n"
    hook.unlink()
