"""Where `exact verify` runs, on which records, how it ends, and what it prints.

All on one small project, in a folder with an obscure name. The verdicts are in test_verify.py.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import termios
import time
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from conftest import OBSCURE, Project

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]
STORE = "altruism-store"
ROOM = ".dvc/tmp/exact"
RAW, MORE = "data/raw/requests.jsonl", "data/raw/more"
COUNT, METRICS = "data/prepared/count.txt", "reports/metrics.json"
BEHIND = "dvc.lock does not describe this commit: "
# What no output of a stage depends on is left out, so that an environment is soon made.
PACKAGES = {"numpy", "packaging", "python-dateutil", "ruamel-yaml", "six"}

COUNT_CODE = """
from pathlib import Path

rows = Path("data/raw/requests.jsonl").read_text(encoding="utf-8").count("\\n")
more = [path.read_text(encoding="utf-8") for path in sorted(Path("data/raw/more").iterdir())]
# more stands here
Path("data/prepared").mkdir(parents=True, exist_ok=True)
Path("data/prepared/count.txt").write_text(f"{rows} {more}")
"""
REPORT_CODE = """
import json
import re
from pathlib import Path

base = int(re.search(r"base: (\\d+)", Path("params.yaml").read_text(encoding="utf-8"))[1])
letters = len(Path("data/prepared/count.txt").read_text())
Path("reports/metrics.json").write_text(json.dumps({"digits": letters % base}))
"""
PIPELINE = """
stages:
  count:
    cmd: exact run python -m altruism.count
    deps:
      - data/raw/requests.jsonl
      - data/raw/more
      - src/altruism/__init__.py
      - src/altruism/count.py
      - requirements.lock
    params: [exact]
    outs:
      - data/prepared/count.txt: {persist: true}
  report:
    cmd: exact run python -m altruism.report
    deps:
      - data/prepared/count.txt
      - src/altruism/__init__.py
      - src/altruism/report.py
      - requirements.lock
    params: [exact, small]
    metrics:
      - reports/metrics.json: {cache: false, persist: true}
"""


# -- a small project with two commits, the package renamed between them


def few_packages(project) -> None:
    """Cut requirements.lock down to what `exact` itself needs."""
    blocks = re.split(r"\n(?=\S)", project.read("requirements.lock").strip())
    kept = [block for block in blocks if block.partition("==")[0] in PACKAGES]
    assert len(kept) == len(PACKAGES)
    project.write("requirements.lock", "\n".join(kept) + "\n")


def small_stages(project) -> None:
    """Replace the stages by two small ones, of which the first reads a folder, too."""
    project.write("src/altruism/count.py", COUNT_CODE)
    project.write("src/altruism/report.py", REPORT_CODE)
    project.write("dvc.yaml", PIPELINE)
    (project.root / "dvc.lock").unlink()
    project.write("params.yaml", project.read("params.yaml") + "\nsmall:\n  base: 10\n")
    (project.root / MORE).mkdir()
    for name in ("one", "two"):
        project.write(f"{MORE}/{name}.txt", name)
    project.run("dvc", "add", "--quiet", MORE)
    project.run("dvc", "repro")


def rename_package(project) -> None:
    """What a team does that gives its package another name."""
    project.run("git", "mv", "src/altruism", "src/pizza")
    project.write("dvc.yaml", PIPELINE.replace("altruism", "pizza"))
    project.run("dvc", "repro")


@pytest.fixture(scope="module")
def tiny(built, tmp_path_factory) -> Project:
    """The small project, pushed; its commits are the tags altruism@v1.0.0 and altruism@v1.1.0."""
    project = Project(tmp_path_factory.mktemp("places") / OBSCURE / "altruism")
    ignore = shutil.ignore_patterns(".venv", "tmp")
    shutil.copytree(built.root, project.root, symlinks=True, ignore=ignore)
    few_packages(project)
    project.run("make", "env")
    small_stages(project)
    project.commit("Small stages")
    project.run("make", "push")
    project.run("git", "tag", "altruism@v1.0.0")
    rename_package(project)
    project.commit("A new name for the package")
    project.run("git", "tag", "altruism@v1.1.0")
    return project


@pytest.fixture
def small(tiny) -> Project:
    """The small project at its last commit."""
    tiny.run("git", "checkout", "--quiet", "--force", "--detach", "main")
    tiny.run("git", "clean", "--quiet", "--force", "-d")
    return tiny


def relock(project, name: str) -> None:
    """Let dvc.lock say that the stages were run with the file `name` as it is now."""
    texts = [project.run("git", "show", f"HEAD:{name}").stdout, project.read(name)]
    before, after = [hashlib.md5(text.encode()).hexdigest() for text in texts]
    lock = project.read("dvc.lock")
    assert before in lock
    project.write("dvc.lock", lock.replace(before, after))


def branch_off(project, change, start: str = "main") -> str:
    """The commit that has `change` on top of `start`."""
    project.run("git", "checkout", "--quiet", "--force", "--detach", start)
    change(project)
    return project.commit("Changed")


def verify(project, *words, status: int = 0, **options) -> list[dict]:
    """The reports of `exact verify --json`, which must leave the exit status `status`."""
    done = project.run("exact", "verify", "--json", *words, check=False, **options)
    assert done.returncode == status, done.stdout + done.stderr
    # It is no terminal, so it gets a line for each report, and nothing else.
    assert re.fullmatch(r"(\d+/\d+ [^\n]+ s\)\n)*", done.stderr), repr(done.stderr)
    assert done.stderr.replace("\n", "").isprintable()
    return json.loads(done.stdout)


def assert_identical(report: dict) -> None:
    assert [(line["path"], line["verdict"]) for line in report["lines"]] == [
        (COUNT, "identical"),
        (METRICS, "identical"),
    ], report
    assert report["verdict"] == "identical" and not report["problem"]
    # The releases of these histories are tags that nobody checked, which is remarked on.
    notes = [note for note in report["notes"] if "it is a lightweight tag" not in note]
    assert notes == [] and report["kept"] is None


CALLS = """
import contextlib
import io
import json
import sys

from exact_model.cli import main

for line in sys.stdin:
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        sys.argv = ["exact", "verify", "--json", *json.loads(line)]
        status = main()
    print(json.dumps([status, json.loads(told.getvalue())]), flush=True)
"""


@pytest.fixture(scope="module")
def process(tiny):
    """One process for many calls, since its start costs ten times as much as a quick one."""
    with subprocess.Popen(
        [tiny.root / ".venv/bin/python", "-c", CALLS],
        cwd=tiny.root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield process


@pytest.fixture
def ask(small, process):
    """A function that gives exit status and reports of `exact verify`, whose process lives on."""

    def call(*words) -> tuple[int, list[dict]]:
        print(json.dumps(words), file=process.stdin, flush=True)
        return json.loads(process.stdout.readline())

    return call


def left_over(project) -> list[str]:
    """What lies where trees are rebuilt."""
    return sorted(path.name for path in (project.root / ROOM / "trees").glob("*"))


# -- places


def with_store(small, folder: Path) -> Path:
    """`folder`, with the remote in it, as the relative path of a project beside it wants it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STORE).symlink_to(small.root.parent / STORE)
    return folder


def in_a_folder_with_an_obscure_name(small, folder):
    return small.root


def in_a_subfolder_of_the_project(small, folder):
    return small.root / "src/pizza"


def in_a_shallow_clone(small, folder):
    url = f"file://{quote(str(small.root))}"
    clone = with_store(small, folder) / "clone"
    small.run("git", "clone", "--quiet", "--depth", "1", "--branch", "main", url, clone)
    return clone


def in_a_worktree(small, folder):
    worktree = with_store(small, folder) / "worktree"
    small.run("git", "worktree", "add", "--quiet", "--detach", worktree)
    return worktree


def in_a_submodule(small, folder):
    parent = folder / "parent"
    small.run("git", "init", "--quiet", parent)
    local = ("-c", "protocol.file.allow=always")
    words = ("git", *local, "submodule", "--quiet", "add", small.root, "altruism")
    small.run(*words, cwd=with_store(small, parent))
    return parent / "altruism"


def in_a_clone_of_a_bare_repository(small, folder):
    small.run("git", "clone", "--quiet", "--bare", ".", folder / "bare.git")
    small.run("git", "clone", "--quiet", folder / "bare.git", with_store(small, folder) / "clone")
    return folder / "clone"


def in_a_subfolder_of_a_larger_repository(small, folder):
    place = with_store(small, folder / "team 'ü' [1]") / "altruism"
    small.run("git", "clone", "--quiet", ".", place)
    shutil.rmtree(place / ".git")
    (folder / "dvc.yaml").write_text("stages: {}\n")
    whole = Project(folder)
    small.run("git", "init", "--quiet", cwd=folder)
    small.run("git", "add", "--all", cwd=folder)
    small.run("git", "commit", "--quiet", "--message", "All", cwd=folder)
    assert whole.run("git", "ls-files", "*.dvc").stdout
    return place


PLACES = (
    in_a_folder_with_an_obscure_name,
    in_a_subfolder_of_the_project,
    in_a_shallow_clone,
    in_a_worktree,
    in_a_submodule,
    in_a_clone_of_a_bare_repository,
    in_a_subfolder_of_a_larger_repository,
)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_identical(place, small, tmp_path):
    where = place(small, tmp_path)
    (report,) = verify(small, cwd=where)
    assert_identical(report)
    assert small.run("git", "status", "--porcelain", cwd=where).stdout == ""


READ_ONLY = """
set -e
mount --bind "$1" "$1"
mount -o remount,bind,ro "$1"
! touch "$1/probe" 2>/dev/null
shift
exec "$@"
"""


def read_only(folder: Path) -> list:
    """The words before a command that cannot write to `folder`; skips where that is not allowed."""
    words = ["unshare", "--mount", *(["--map-root-user"] if os.getuid() else [])]
    words += ["sh", "-c", READ_ONLY, "sh", folder]
    try:
        subprocess.run([*words, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this machine lets nobody mount a folder read-only: {error}")
    return words


@pytest.fixture
def shared_cache(small, tmp_path):
    """A cache outside of the project, which is told to use it."""
    cache = tmp_path / "shared cache"
    shutil.copytree(small.root / ".dvc/cache", cache)
    small.run("dvc", "config", "--local", "cache.dir", cache)
    yield cache
    (small.root / ".dvc/config.local").unlink()


def verify_read_only(project, cache: Path) -> None:
    before = state_of(cache)
    words = [*read_only(cache), "exact", "verify", "--json"]
    done = project.run(*words)
    (report,) = json.loads(done.stdout)
    assert_identical(report)
    assert state_of(cache) == before


def state_of(folder: Path, *, without=()) -> dict[str, tuple]:
    """Mode, time and bytes of every file below `folder`, git's own included."""
    found = {}
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not path.is_file() or name.startswith(without):
            continue
        if "__pycache__" not in path.parts:
            stat = path.stat()
            found[name] = (stat.st_mode, stat.st_mtime_ns, path.read_bytes())
    return found


def test_a_read_only_cache(small):
    verify_read_only(small, small.root / ".dvc/cache")


def test_a_read_only_cache_outside_of_the_project(small, shared_cache):
    verify_read_only(small, shared_cache)


def test_a_read_only_cache_that_lacks_the_inputs(small, shared_cache):
    shutil.rmtree(shared_cache / "files")
    verify_read_only(small, shared_cache)


def working_state(project) -> dict[str, tuple]:
    """All of the project's folder but what git and DVC ignore for good."""
    found = state_of(project.root, without=(".venv/", ".dvc/tmp/", ".dvc/cache/"))
    assert ".git/HEAD" in found and "dvc.lock" in found
    return found


def make_dirty(project) -> None:
    """Change, stage, stash, delete and add files, those that decide the model among them."""
    project.write("README.md", "stashed")
    project.run("git", "stash", "--quiet")
    for name in ("README.md", "src/pizza/count.py"):
        project.write(name, "raise SystemExit('staged')")
        project.run("git", "add", name)
    project.write("src/pizza/count.py", "raise SystemExit('changed')")
    project.run("git", "rm", "--quiet", "--cached", "Makefile")
    project.run("git", "rm", "--quiet", "LICENSE")
    for name in ("src/pizza/report.py", f"{RAW}.dvc", COUNT):
        (project.root / name).unlink()
    for name in ("dvc.lock", "params.yaml", "dvc.yaml", RAW, METRICS, "untracked", "data/raw/new"):
        project.write(name, "<<<<<<< not even YAML: {")


def test_a_dirty_working_tree_is_left_as_it_is(small):
    ignored = {small.root / name: (small.root / name).read_bytes() for name in (RAW, COUNT)}
    try:
        make_dirty(small)
        status = small.run("git", "status", "--porcelain").stdout
        assert {line[:2] for line in status.splitlines()} >= {" M", " D", "D ", "M ", "MM", "??"}
        before = working_state(small)
        (report,) = verify(small)
        assert working_state(small) == before
        assert small.run("git", "status", "--porcelain").stdout == status
    finally:
        small.run("git", "stash", "clear")
        for path, content in ignored.items():
            path.write_bytes(content)
        (small.root / "data/raw/new").unlink(missing_ok=True)
    assert_identical(report)
    assert left_over(small) == []


def test_called_by_a_hook_of_another_repository(small, tmp_path):
    small.run("git", "init", "--quiet", tmp_path)
    git = {"GIT_DIR": f"{tmp_path}/.git", "GIT_INDEX_FILE": f"{tmp_path}/.git/index"}
    before = working_state(small), state_of(tmp_path)
    (report,) = verify(small, **git, GIT_WORK_TREE=str(tmp_path), GIT_PREFIX="")
    assert_identical(report)
    assert (working_state(small), state_of(tmp_path)) == before


def test_settings_of_git_that_would_change_a_checkout(small, tmp_path):
    commit = branch_off(small, lambda project: (project.root / ".gitattributes").unlink())
    config, hook = small.root / ".git/config", small.root / ".git/hooks/post-index-change"
    before = config.read_text(encoding="utf-8")
    hook.write_text(f"#!/bin/sh\ntouch '{tmp_path}/canary'\n")
    hook.chmod(0o755)
    (small.root / ".git/info/sparse-checkout").write_text("/*\n!/src/pizza/report.py\n")
    try:
        config.write_text(before + "[core]\nautocrlf = true\nsparseCheckout = true\n")
        assert_identical(*verify(small, commit))
    finally:
        config.write_text(before)
        hook.unlink()
    assert not (tmp_path / "canary").exists()


# -- revisions


def test_a_commit_older_than_a_rename_of_the_package(small):
    assert not (small.root / "src/altruism").exists()
    (report,) = verify(small, "altruism@v1.0.0")
    assert_identical(report)


@pytest.fixture(scope="module")
def tagged(tiny):
    """The project with tags that are no release's and a branch, all on a commit that is broken."""
    broken = branch_off(tiny, lambda project: (project.root / "dvc.lock").unlink())
    tags = ("altruism#prod#1", "altruism@latest", "altruism@v2", "v1.2.0", "snapshot")
    for tag in tags:
        tiny.run("git", "tag", tag, broken)
    tiny.run("git", "branch", "side", "main~1")
    yield tiny
    tiny.run("git", "tag", "--delete", *tags)


FIRST, SECOND = "altruism@v1.0.0", "altruism@v1.1.0"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        ([], {"HEAD": SECOND}),
        ([FIRST], {FIRST: FIRST}),
        (["side", "main"], {"side": FIRST, "main": SECOND}),
        (["main", "HEAD~1"], {"main": SECOND, "HEAD~1": FIRST}),
        (["HEAD~1", "side", "HEAD", FIRST], {"HEAD~1": FIRST, "HEAD": SECOND}),
        (["main~1..main"], {"": SECOND}),
        (["main~1^..main"], {"": FIRST, " ": SECOND}),
        (["--tags"], {FIRST: FIRST, SECOND: SECOND}),
        (["HEAD", "--tags"], {"HEAD": SECOND, FIRST: FIRST}),
    ],
    ids=[
        "HEAD",
        "tag",
        "branches",
        "other order",
        "twice",
        "range",
        "longer range",
        "tags",
        "both",
    ],
)
def test_revisions(words, named, tagged, small, ask):
    """By `--quick`, which is faster; those of a range go by the begin of their hash."""
    status, reports = ask("--quick", *words)
    hashes = [small.run("git", "rev-parse", tag).stdout.strip() for tag in named.values()]
    assert [report["commit"] for report in reports] == hashes
    names = [name.strip() or commit[:12] for name, commit in zip(named, hashes, strict=True)]
    assert [report["revision"] for report in reports] == names
    assert status == 0


def refused(project, *words, cwd=None, **options) -> str:
    """The one sentence with which `exact verify` refuses, with the exit status 2."""
    done = project.run("exact", "verify", *words, cwd=cwd, check=False, **options)
    assert done.returncode == 2 and done.stdout == "", done.stdout + done.stderr
    assert re.fullmatch(r"exact: [^\n]+\n", done.stderr), done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["nonsense"], "git knows no commit 'nonsense'"),
        (["HEAD~99"], "git knows no commit 'HEAD~99'"),
        (["0" * 40], f"git knows no commit '{'0' * 40}'"),
        (["HEAD:dvc.yaml"], "git knows no commit 'HEAD:dvc.yaml'"),
        (["", "HEAD"], "git knows no commit ''"),
        (["--", "--all"], "git knows no commit '--all'"),
        (["HEAD..HEAD"], "no commit is in the range HEAD..HEAD"),
        (["main..main~1"], "no commit is in the range main..main~1"),
        (["nonsense..HEAD"], "nonsense"),
    ],
    ids=["unknown", "too old", "hash", "file", "empty", "option", "no range", "reversed", "half"],
)
def test_revisions_that_are_refused(words, told, small):
    assert told in refused(small, *words)


@pytest.mark.parametrize("words", [[FIRST], [f"{FIRST}..HEAD"]], ids=["tag", "range"])
def test_a_revision_that_a_shallow_clone_has_not(words, small, tmp_path):
    clone = in_a_shallow_clone(small, tmp_path)
    told = refused(small, *words, cwd=clone)
    assert FIRST in told and "this clone is shallow: `git fetch --unshallow --tags`" in told


def in_no_project(small, folder):
    return []


def without_git(small, folder):
    for name in ("dvc.yaml", "requirements.lock"):
        shutil.copy(small.root / name, folder)
    return []


def without_commits(small, folder):
    small.run("git", "init", "--quiet", cwd=folder)
    return without_git(small, folder)


def without_release_tags(small, folder):
    without_commits(small, folder)
    small.run("git", "add", "--all", cwd=folder)
    small.run("git", "commit", "--quiet", "--message", "All", cwd=folder)
    return ["--tags"]


def without_dvc(small, folder):
    without_release_tags(small, folder)
    return []


BARREN = {
    in_no_project: "is not in a DVC project",
    without_git: "not a git repository",
    without_commits: "git knows no commit 'HEAD'",
    without_release_tags: "there is no release tag",
    without_dvc: "DVC cannot open this project",
}


@pytest.mark.parametrize("place", BARREN, ids=lambda place: place.__name__)
def test_places_that_are_refused(place, small, tmp_path):
    words = place(small, tmp_path)
    assert BARREN[place] in refused(small, *words, cwd=tmp_path)


# -- records that do not describe their commit


def append(name: str):
    """A change that adds a comment to a file."""
    return lambda project: project.write(name, project.read(name) + "# changed\n")


def change(name: str, old: str, new: str):
    """A change that replaces the only occurrence of `old` in a file."""
    return lambda project: project.replace(name, old, new)


def other_hash(name: str):
    """A change of the hash in a .dvc file."""
    return lambda project: project.write(name, re.sub("md5: .", "md5: f", project.read(name)))


def merged_badly(project) -> None:
    lines = project.read("dvc.lock").splitlines(keepends=True)
    lines[5:5] = ["<<<<<<< HEAD\n", lines[4], "=======\n", lines[4], ">>>>>>> other\n"]
    project.write("dvc.lock", "".join(lines))


THIRD = """  third:
    cmd: exact run python -m pizza.count
    outs: [models/third.txt]
"""
STALE = {
    "missing": (lambda project: (project.root / "dvc.lock").unlink(), "it is missing or broken"),
    "empty": (lambda project: project.write("dvc.lock", ""), "it is missing or broken"),
    "merge markers": (merged_badly, "it is missing or broken"),
    "parameter": (
        change("params.yaml", "base: 10", "base: 11"),
        "stage report was made with another small in params.yaml",
    ),
    "code": (
        append("src/pizza/count.py"),
        "stage count was made with another src/pizza/count.py",
    ),
    "packages": (
        append("requirements.lock"),
        "stage count was made with another requirements.lock",
    ),
    "stage": (
        lambda project: project.write("dvc.yaml", project.read("dvc.yaml") + THIRD),
        "it has no stage third",
    ),
    "command": (
        change("dvc.yaml", "python -m pizza.report", "python -B -m pizza.report"),
        "stage report was made with another command",
    ),
    "dependency": (
        change(
            "dvc.yaml",
            "      - src/pizza/count.py",
            "      - src/pizza/count.py\n      - README.md",
        ),
        "stage count was made with another README.md",
    ),
    "raw file": (other_hash(f"{RAW}.dvc"), f"stage count was made with another {RAW}"),
    "raw folder": (other_hash(f"{MORE}.dvc"), f"stage count was made with another {MORE}"),
}


@pytest.fixture(scope="module")
def stale_reports(tiny):
    """The reports on a commit for each way in which dvc.lock can be behind, from one call."""
    commits = {name: branch_off(tiny, change) for name, (change, _) in STALE.items()}
    return dict(zip(commits, verify(tiny, *commits.values(), status=2), strict=True))


@pytest.mark.parametrize("name", STALE)
def test_a_record_that_is_behind(name, stale_reports):
    report = stale_reports[name]
    assert report["verdict"] == "could not run"
    assert report["problem"].startswith(BEHIND + STALE[name][1])
    assert report["problem"].endswith("; run `make` and commit dvc.lock")
    assert "\n" not in report["problem"] and report["lines"] == []


# -- the kept environment


def environments(project) -> dict[str, int]:
    """When each kept environment was made."""
    made = (project.root / ROOM / "environments").glob("*.made")
    return {path.stem: path.stat().st_mtime_ns for path in made}


@pytest.fixture
def kept(small):
    """The environment of the last commit, as `exact verify` keeps it."""
    if not environments(small):
        assert_identical(*verify(small))
    (name,) = environments(small)
    folder = small.root / ROOM / "environments" / name
    yield folder
    if not (folder / "bin/python").exists():
        shutil.rmtree(folder)


def test_the_environment_is_made_once(small, kept):
    before = environments(small)
    assert_identical(*verify(small))
    assert environments(small) == before


def remove_python(small, kept):
    for python in kept.glob("bin/python*"):
        python.unlink()


def install_another_version(small, kept):
    small.run("uv", "pip", "install", "--quiet", "--python", kept, "six==1.16.0")


BREAK = (remove_python, install_another_version)


@pytest.mark.parametrize("broken", BREAK, ids=lambda broken: broken.__name__)
def test_a_broken_environment_is_made_anew(broken, small, kept):
    before = environments(small)
    broken(small, kept)
    assert_identical(*verify(small))
    assert environments(small).keys() == before.keys() and environments(small) != before
    assert [*kept.glob("lib/python3.*/site-packages/six-1.17*")]


def in_a_copy_with_the_environment_of_the_original(small, folder):
    """Scripts of an environment name the folder that it was made in."""
    copied = with_store(small, folder) / "copy"
    ignore = shutil.ignore_patterns(".venv")
    shutil.copytree(small.root, copied, symlinks=True, ignore=ignore, copy_function=os.link)
    (index,) = {*copied.glob(".git/index")}
    # git writes it anew and would not break the link.
    content = index.read_bytes()
    index.unlink()
    index.write_bytes(content)
    return copied


def test_an_environment_of_another_folder_is_made_anew(small, kept, tmp_path):
    copied = in_a_copy_with_the_environment_of_the_original(small, tmp_path)
    before = environments(small)
    theirs = Project(copied)
    assert environments(theirs) == before
    assert_identical(*verify(small, cwd=copied))
    assert environments(theirs).keys() == before.keys() and environments(theirs) != before
    assert environments(small) == before


def name_no_version(project):
    project.replace("requirements.lock", "numpy==", "numpy==99.")


def name_another_hash(project):
    """Of the first package, which is numpy, and which requirements-dev.lock does not name."""
    first, name, others = project.read("requirements.lock").partition("packaging==")
    first = re.sub(r"(?<=sha256:)\w+", "0" * 64, first)
    project.write("requirements.lock", first + name + others)


def other_lock(change):
    """The change of requirements.lock, and of dvc.lock, as if the stages had run with it."""
    return lambda project: [change(project), relock(project, "requirements.lock")]


def test_locks_that_cannot_be_installed(small):
    locks = (name_no_version, name_another_hash)
    commits = [branch_off(small, other_lock(lock)) for lock in locks]
    before = environments(small)
    for report in verify(small, *commits, status=2):
        assert report["verdict"] == "could not run" and report["lines"] == []
        assert report["problem"].startswith("its environment cannot be made: ")
        assert "numpy" in report["problem"] and report["problem"].isprintable()
    assert environments(small) == before


def test_without_uv(small):
    commit = branch_off(small, other_lock(append("requirements.lock")))
    folders = [small.root / ".venv/bin", *map(Path, os.environ["PATH"].split(os.pathsep))]
    path = os.pathsep.join(str(one) for one in folders if not (one / "uv").exists())
    (report,) = verify(small, commit, status=2, PATH=path)
    assert re.search(r"\buv\b.*\bPATH\b", report["problem"]), report["problem"]


# -- stopped, killed, at once

SLEEP = """
import signal
import subprocess

for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(name, signal.SIG_IGN)
Path("begun").touch()
subprocess.run(["sleep", "300"])
"""


def fall_asleep(project) -> None:
    """Let the first stage go on for minutes, deaf to all signals but one, in a child as well."""
    project.replace("src/pizza/count.py", "# more stands here", SLEEP)
    relock(project, "src/pizza/count.py")


@pytest.fixture(scope="module")
def sleepers(tiny) -> list[str]:
    """Two commits that can only be interrupted."""
    one = branch_off(tiny, fall_asleep)
    return [one, branch_off(tiny, append("README.md"), one)]


def start(project, *words, **options) -> subprocess.Popen:
    """`exact verify` as it begins, in a process of its own."""
    path = os.pathsep.join([str(project.root / ".venv/bin"), os.environ["PATH"]])
    piped = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(
        ["exact", "verify", *words],
        cwd=project.root,
        # pytest-xdist sets the width of a terminal that is not there.
        env={**os.environ, "PATH": path, "COLUMNS": ""},
        **{**piped, **options},
    )


def wait_for(true, seconds: float = 60) -> bool:
    """Wait until `true()`; returns whether it came to be."""
    last = time.monotonic() + seconds
    while not true() and time.monotonic() < last:
        time.sleep(0.05)
    return bool(true())


def alive(project) -> list[int]:
    """The processes that were started for a rebuild, and their children."""
    mark, found = f"EXACT_TREE={project.root}/".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        # Some of them end meanwhile.
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


def asleep(project, stages: int = 1) -> bool:
    """Whether so many stages of `sleepers` run: DVC, the stage and its child for each."""
    begun = [*(project.root / ROOM / "trees").glob("*/tree/begun")]
    return len(begun) == stages and len(alive(project)) >= 3 * stages


@pytest.fixture
def undisturbed(small):
    """The project, in which nothing may run or lie about when the test is over, or be changed."""
    before = working_state(small)
    yield small
    orphans = [] if wait_for(lambda: not alive(small), seconds=5) else alive(small)
    for pid in orphans:
        os.kill(pid, signal.SIGKILL)
    left = left_over(small)
    shutil.rmtree(small.root / ROOM / "trees", ignore_errors=True)
    assert orphans == [] and left == []
    assert working_state(small) == before


STOPS = ((signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGHUP, 1), (signal.SIGINT, 2))


@pytest.mark.parametrize(("signum", "jobs"), STOPS, ids=lambda it: getattr(it, "name", None))
def test_stopped_while_a_stage_runs(signum, jobs, sleepers, undisturbed):
    process = start(undisturbed, "--jobs", str(jobs), *sleepers)
    try:
        assert wait_for(lambda: asleep(undisturbed, jobs))
        process.send_signal(signum)
        told = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert told == ("", "exact: stopped; what was rebuilt is removed\n")


def test_what_a_killed_one_left_is_removed_by_the_next(sleepers, undisturbed):
    process = start(undisturbed, sleepers[0])
    try:
        assert wait_for(lambda: asleep(undisturbed))
    finally:
        process.kill()
    process.communicate(timeout=120)
    orphans = alive(undisturbed)
    try:
        assert len(left_over(undisturbed)) == 2
        assert_identical(*verify(undisturbed))
        assert left_over(undisturbed) == []
    finally:
        # They would sleep in a folder that is no more.
        for pid in orphans:
            os.kill(pid, signal.SIGKILL)


def test_two_at_once_make_one_environment(kept, undisturbed):
    # As a process leaves it that is killed while it makes it.
    shutil.rmtree(kept / "bin")
    kept.with_suffix(".made").unlink()
    both = [start(undisturbed, "--json", rev) for rev in ("main", FIRST)]
    for process in both:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, out + err
        assert_identical(*json.loads(out))
    assert len(environments(undisturbed)) == 1


# -- what it prints


def edit_record(project) -> None:
    """Give the recorded hash of the metrics another first digit."""
    md5 = hashlib.md5(project.read(METRICS).encode()).hexdigest()
    project.replace("dvc.lock", md5, ("1" if md5[0] != "1" else "2") + md5[1:])


@pytest.fixture(scope="module")
def mixed(tiny) -> dict[str, str]:
    """A commit for each of three verdicts."""
    broken = branch_off(tiny, lambda project: (project.root / "dvc.lock").unlink())
    differs = branch_off(tiny, edit_record)
    return {"differs": differs, "could not run": broken, "identical": FIRST}


REPORT = {"revision", "commit", "verdict", "lines", "notes", "problem", "kept", "seconds"}
REPORT |= {"tool", "own_tool"}
LINE = {"stage", "path", "verdict", "recorded", "rebuilt", "seconds", "stored"}


@pytest.fixture(scope="module")
def together(tiny, mixed) -> list[dict]:
    """The reports on three commits, two of them at once."""
    return verify(tiny, "--jobs", "2", *mixed.values(), status=1)


def test_reports_as_json(together, mixed):
    assert [report["verdict"] for report in together] == [*mixed]
    assert [report["revision"] for report in together] == [*mixed.values()]
    for report in together:
        assert report.keys() == REPORT and report["seconds"] > 0
        assert re.fullmatch(r"[0-9a-f]{40}", report["commit"])
        for line in report["lines"]:
            assert line.keys() == LINE and line["stored"] is None
            assert 0 < line["seconds"] < report["seconds"]
            assert re.fullmatch(r"[0-9a-f]{32}", line["recorded"])
            assert (line["recorded"] == line["rebuilt"]) == (line["verdict"] == "identical")
    assert Path(together[0]["kept"], METRICS).is_file() and "no intact file" in str(together[0])
    assert together[1]["lines"] == [] and together[1]["problem"].startswith(BEHIND)
    assert_identical(together[2])


def without_seconds(report: dict) -> dict:
    lines = [{**line, "seconds": None} for line in report["lines"]]
    return {**report, "seconds": None, "lines": lines}


def test_jobs_change_nothing(small, together, mixed):
    alone = verify(small, *mixed.values(), status=1)
    assert [*map(without_seconds, alone)] == [*map(without_seconds, together)]


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        (["identical"], 0),
        (["identical", "differs"], 1),
        (["could not run", "identical"], 2),
        (["could not run", "differs"], 1),
    ],
    ids=["identical", "one differs", "one could not run", "one of each"],
)
def test_exit_status(verdicts, status, small, mixed):
    reports = verify(small, "--quick", *(mixed[verdict] for verdict in verdicts), status=status)
    assert [report["verdict"] for report in reports] == verdicts


def test_a_summary_in_markdown(small, mixed):
    done = small.run("exact", "verify", "--quick", "--summary", *mixed.values(), check=False)
    differs, broken, identical = ("\n" + done.stdout).split("\n### ")[1:]
    assert re.match(rf"{mixed['differs']}: differs \(5 of 6 stored files identical, ", differs)
    assert re.match(rf"{mixed['could not run']}: could not run \(\d", broken)
    assert f"- could not run: {BEHIND}" in broken
    for text in (differs, identical):
        head, line, *rows = re.findall(r"(?m)^\|.*\|$", text)
        assert head == "| verdict | record | file | recorded | stored |"
        assert line == "|---|---|---|---|---|" and len(rows) == 6
    assert re.search(rf"\| differs \| report \| {METRICS} \| \w+ \| git: other \|", differs)


# For a terminal, for Markdown, and for HTML in it.
HOSTILE = "a|b `c` <script>alert(1)_*[x](y) \x1b[31m\x07.txt"
HOSTILE_CODE = """
import sys
from pathlib import Path

name = {name!r}
if sys.argv[1:]:
    raise SystemExit(name)
Path("models").mkdir(exist_ok=True)
Path("models", name).write_text("hostile")
"""


def become_hostile(project) -> None:
    """A stage whose output has a hostile name, and one that fails with it as its last words."""
    path, command = f"models/{HOSTILE}", "exact run python -m pizza.hostile"
    project.write("src/pizza/hostile.py", HOSTILE_CODE.format(name=HOSTILE))
    stages = {"make": {"cmd": command, "outs": [path]}}
    stages["fail"] = {"cmd": f"{command} please", "deps": [path]}
    project.write("dvc.yaml", yaml.safe_dump({"stages": stages}))
    out = {"path": path, "hash": "md5", "md5": hashlib.md5(b"hostile").hexdigest(), "size": 7}
    stages = {"make": {"cmd": command, "outs": [out]}}
    stages["fail"] = {"cmd": f"{command} please", "deps": [out]}
    project.write("dvc.lock", yaml.safe_dump({"schema": "2.0", "stages": stages}))


@pytest.fixture(scope="module")
def hostile(tiny) -> str:
    return branch_off(tiny, become_hostile)


def test_hostile_names_and_messages_in_the_table(small, hostile):
    done = small.run("exact", "verify", hostile, check=False)
    assert done.returncode == 2
    shown = HOSTILE.replace("\x1b", "\\x1b").replace("\x07", "\\x07")
    lines = done.stdout.splitlines()
    assert lines[1].split() == ["verdict", "stage", "output", "recorded", "rebuilt", "seconds"]
    assert re.match(rf"identical +make +models/{re.escape(shown)}  (\w{{12}})  \1  \d", lines[2])
    assert lines[3] == f"could not run: stage fail failed: {shown}"
    assert all(map(str.isprintable, lines)) and "Traceback" not in done.stderr


def test_hostile_names_and_messages_in_markdown(small, hostile):
    told = small.run("exact", "verify", "--summary", hostile, check=False).stdout
    assert all(map(str.isprintable, told.splitlines()))
    bare = re.sub(r"\\[\\|`*_<>\[\]#]", "", told)
    assert not re.search("[`<>*_]", bare) and "](" not in bare
    for row in re.findall(r"(?m)^\|.*", bare):
        assert row.count("|") == 7, row
    assert bare.count("scriptalert(1)") == 2


FORMS = {"table": [], "json": ["--json"], "summary": ["--summary"]}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_reader_that_has_gone(form, small):
    """As `head -1` has once it has read a line."""
    ours, theirs = os.pipe()
    os.close(ours)
    process = start(small, "--quick", *form, stdout=theirs)
    os.close(theirs)
    told = process.communicate(timeout=120)[1]
    assert "Traceback" not in told and "BrokenPipe" not in told, told


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_report_that_cannot_be_written(form, small):
    with open("/dev/full", "w") as full:
        process = start(small, "--quick", *form, stdout=full)
        told = process.communicate(timeout=120)[1]
    assert process.returncode == 2
    assert "No space left on device" in told and "Traceback" not in told, told


def test_the_first_line_alone(small):
    done = small.run("sh", "-c", "exact verify --quick main altruism@v1.0.0 | head -n 1")
    assert done.stdout.startswith("main (") and done.stdout.count("\n") == 1
    assert done.stderr == ""


@contextlib.contextmanager
def at_a_terminal(project, *words):
    """`exact verify` as somebody begins it at a keyboard, and the other end of its terminal."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (24, WIDTH))
    process = start(
        project,
        *words,
        **dict.fromkeys(("stdin", "stdout", "stderr"), theirs),
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_from(terminal: int, until: str | None = None) -> str:
    """What is written to the terminal, until a text is or the last process has left it.

    Without the reset of colours with which a library of DVC's takes its leave.
    """
    found = b""
    # A terminal that all have left is an error to read.
    with contextlib.suppress(OSError):
        while until is None or until.encode() not in found:
            assert select.select([terminal], [], [], 60)[0], found.decode()
            found += os.read(terminal, 4096)
    return found.decode().replace("\x1b[0m", "")


CLEARED = "\r\x1b[K"
WIDTH = 70


def test_a_progress_line_at_a_terminal(small, kept):
    with at_a_terminal(small, "main", FIRST) as (process, terminal):
        told = read_from(terminal)
        assert process.wait() == 0
    *progress, last = told.split(CLEARED)
    for form in (r"0/2 done, \d+ s; main: count", rf"1/2 done, \d+ s; {FIRST}: report"):
        assert any(re.fullmatch(form, line) for line in progress), progress
    assert not [line for line in progress if "\n" not in line and len(line) >= WIDTH]
    assert last.startswith(f"{FIRST} (") and "done," not in last


def test_ctrl_c_at_a_terminal(undisturbed, sleepers):
    with at_a_terminal(undisturbed, sleepers[0]) as (process, terminal):
        read_from(terminal, until=": count")
        assert wait_for(lambda: asleep(undisturbed))
        os.write(terminal, b"\x03")
        told = read_from(terminal)
        assert process.wait() == 130
    assert told.split(CLEARED)[-1] == "exact: stopped; what was rebuilt is removed\r\n"


# -- `--quick`


def flipped(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


DAMAGES = {
    "flipped": flipped,
    "truncated": lambda content: content[:-1],
    "removed": None,
}


@contextlib.contextmanager
def damaged(file: Path, damage: str):
    """The stored object as something has left it that did not care about its mode."""
    content = file.read_bytes()
    mode = file.stat().st_mode
    try:
        file.unlink()
        if DAMAGES[damage]:
            file.write_bytes(DAMAGES[damage](content))
            file.chmod(0o444)
        yield
    finally:
        file.unlink(missing_ok=True)
        file.write_bytes(content)
        file.chmod(mode)


def stored(project, place: str, name: str) -> Path:
    """The file of the object of `name`, in the cache or on the remote."""
    root = {"cache": project.root / ".dvc/cache", "remote": project.root.parent / STORE}[place]
    if name == f"{MORE}/one.txt":
        md5 = hashlib.md5(b"one").hexdigest()
    elif name == COUNT:
        md5 = yaml.safe_load(project.read("dvc.lock"))["stages"]["count"]["outs"][0]["md5"]
    else:
        md5 = yaml.safe_load(project.read(f"{name}.dvc"))["outs"][0]["md5"]
    return root / "files/md5" / md5[:2] / md5[2:]


OBJECTS = (RAW, MORE, f"{MORE}/one.txt", COUNT)
INTACT = ("identical", "cache: intact, remote: intact")
GIT = {METRICS: ("identical", "git: intact")}
WHOLE = {**dict.fromkeys([*OBJECTS, f"{MORE}/two.txt"], INTACT), **GIT}
FOUND = {
    ("cache", "flipped"): (1, "differs", "cache: damaged, remote: intact"),
    ("cache", "truncated"): (1, "differs", "cache: damaged, remote: intact"),
    ("cache", "removed"): (0, "identical", "cache: missing, remote: intact"),
    ("remote", "flipped"): (1, "differs", "cache: intact, remote: damaged"),
    ("remote", "truncated"): (1, "differs", "cache: intact, remote: damaged"),
    ("remote", "removed"): (2, "could not run", "cache: intact, remote: missing"),
}


@pytest.fixture
def quick(ask):
    """What `exact verify --quick` returns: exit status, for each revision verdicts and places."""

    def call(*words) -> tuple[int, list[dict]]:
        status, reports = ask("--quick", *words)
        assert not [report["problem"] for report in reports if report["problem"]]
        return status, [
            {line["path"]: (line["verdict"], line["stored"]) for line in report["lines"]}
            for report in reports
        ]

    return call


@pytest.mark.parametrize("name", OBJECTS)
def test_every_damage_of_an_object_is_found(name, small, quick):
    assert quick() == (0, [WHOLE])
    wrong = []
    for (place, damage), (status, *found) in FOUND.items():
        with damaged(stored(small, place, name), damage):
            told = quick()
        if told != (status, [{**WHOLE, name: (*found,)}]):
            wrong.append((place, damage, told))
    assert wrong == []


def test_damage_is_found_in_every_revision_that_shares_the_object(small, quick):
    with damaged(stored(small, "remote", RAW), "flipped"):
        told = quick("--jobs", "2", FIRST, "main")
    assert told == (1, [{**WHOLE, RAW: ("differs", "cache: intact, remote: damaged")}] * 2)


def test_quick_without_a_remote(small, quick):
    small.write(".dvc/config", "[core]\n    analytics = false\n")
    whole = {**dict.fromkeys(WHOLE, ("identical", "cache: intact")), **GIT}
    assert quick() == (0, [whole])
    file = stored(small, "cache", COUNT)
    with damaged(file, "flipped"):
        assert quick() == (1, [{**whole, COUNT: ("differs", "cache: damaged")}])
    with damaged(file, "removed"):
        assert quick() == (2, [{**whole, COUNT: ("could not run", "cache: missing")}])


def test_quick_with_a_remote_that_is_not_there(small, quick):
    store = small.root.parent / STORE
    away = store.rename(store.with_name("unplugged"))
    try:
        told = quick()
        assert not store.exists()
    finally:
        away.rename(store)
    nowhere = ("could not run", "cache: intact, remote: missing")
    assert told == (2, [{**dict.fromkeys(WHOLE, nowhere), **GIT}])
