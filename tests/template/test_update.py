"""A project follows its template: what the template changed comes, edits stay, the rest is said."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import wheel
from bake import PROJECT, ROOT, copy_template, files, home

from exact_model.tool import pack, unpack

pytestmark = [pytest.mark.slow, pytest.mark.long]

BUNDLE = ROOT / "tests/fixtures/old_layout.bundle"
# What the template changes, in a file of its own kind each, and what a user has edited.
NEW, OLD, RENAMED, GONE = "docs/new.md", "docs/containers.md", "docs/images.md", "docs/your-data.md"
LOCK, REMOTE_LOCK = "requirements-uv.lock", "requirements-remote.lock"
LINE, EDIT = "min_df: 2", "C: 1,"
URL = "https://ada:s3cret@example.org/template.git"
OUTPUTS = """
data/prepared/train.jsonl data/prepared/test.jsonl data/features/transformer.joblib
data/features/train.joblib models/model.joblib reports/metrics.json reports/model_card.md
reports/predictions.jsonl reports/calibration.svg reports/confusion.svg reports/roc.svg
reports/precision_recall.svg reports/calibration.csv reports/confusion.csv reports/roc.csv
reports/precision_recall.csv
"""


def run(*words, cwd, check=True, **environ):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    home().mkdir(exist_ok=True)
    own = {"HOME": str(home()), "COLUMNS": "200", "UV_CACHE_DIR": uv_cache()}
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**os.environ, "PATH": path, **own, **environ},
        capture_output=True,
        text=True,
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done


def uv_cache():
    return os.environ.get("UV_CACHE_DIR", os.path.expanduser("~/.cache/uv"))


def git(folder, *words, **how):
    return run("git", *words, cwd=folder, **how).stdout.strip()


def commit(folder, message, *flags):
    git(folder, "add", "--all", *flags)
    git(folder, "commit", "--quiet", "--allow-empty", "--message", message)
    return git(folder, "rev-parse", "HEAD")


def replace(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def renamed_wheel(content, version):
    """The wheel as another version of the tool: its bytes, and their sha256."""
    members = {
        name.replace("0.1.0", version): text.replace(
            b"Version: 0.1.0", f"Version: {version}".encode()
        )
        for name, text in unpack(content).items()
    }
    packed = pack(members)
    return packed, hashlib.sha256(packed).hexdigest()


class Template:
    """A template in git with the tags v1 and v2, where nearly each kind of change was made."""

    def __init__(self, folder):
        # cookiecutter knows a git repository by these three letters.
        self.path = copy_template(folder / "template.git")
        inside = self.path / PROJECT
        name, content = wheel.build()
        wheel.vendor(name, content, inside)
        self.tools = {"v1": (name, content, hashlib.sha256(content).hexdigest())}
        git(self.path, "init", "--quiet")
        self.commits = {"v1": self.tagged("v1")}
        (inside / NEW).write_text("New\n")
        (inside / OLD).rename(inside / RENAMED)
        (inside / GONE).unlink()
        (inside / LOCK).rename(inside / REMOTE_LOCK)
        (inside / "data/raw/README.md").write_text("Of another sample\n")
        replace(inside / "params.yaml", LINE, "min_df: 6")
        replace(inside / "dvc.yaml", "stages:", "# Stages\nstages:")
        (train,) = inside.glob("src/*/train.py")
        replace(train, "def main(", "# Theirs.\ndef main(")
        packed, digest = renamed_wheel(content, "0.2.0")
        name = name.replace("0.1.0", "0.2.0")
        wheel.vendor(name, packed, inside)
        self.tools["v2"] = name, packed, digest
        self.commits["v2"] = self.tagged("v2")

    def tagged(self, name):
        found = commit(self.path, name, "--force")
        git(self.path, "tag", name)
        return found


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    return Template(tmp_path_factory.mktemp("template"))


def started(tmp_path, *words, check=True, program="cookiecutter", **environ):
    """A new project, as its user starts it in the folder `tmp_path`."""
    (tmp_path / "out").mkdir(exist_ok=True)
    words = (program, *words, "--no-input", "--output-dir", "out")
    run(sys.executable, "-m", *words, cwd=tmp_path, PWD=str(tmp_path), **environ)
    return tmp_path / "out/altruism"


def built(project, edits=()):
    """The project with stand-ins for what its stages make, and then with edits."""
    for name in OUTPUTS.split():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(name)
    run(sys.executable, "-m", "dvc", "commit", "--force", "--quiet", cwd=project)
    commit(project, "Built")
    for name, old, new in edits:
        replace(project / name, old, new)
    if edits:
        commit(project, "Mine")
    return project


def update(project, *words):
    return run(sys.executable, "-m", "exact_model", "update", *words, cwd=project, check=False)


def record(project):
    return json.loads((project / ".cruft.json").read_text(encoding="utf-8"))


# -- the record


def by_path(template, tmp_path):
    return started(tmp_path, template.path, "--checkout", "v1"), str(template.path)


def by_relative_path(template, tmp_path):
    git(tmp_path, "clone", "--quiet", template.path, "here")
    return started(tmp_path, "./here"), str(tmp_path / "here")


def by_url(template, tmp_path):
    url = f"file://{template.path}"
    return started(tmp_path, url, "--checkout", "v1"), url


def instead(url, template, tmp_path):
    """A configuration by which git finds the template at the URL."""
    with open(tmp_path / "gitconfig", "w", encoding="utf-8") as file:
        file.write(f'[url "file://{template.path}"]\n  insteadOf = "{url}"\n')
    return {"GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig")}


def by_url_with_secrets(template, tmp_path):
    project = started(tmp_path, f"git+{URL}", **instead(URL, template, tmp_path))
    return project, "https://example.org/template.git"


def in_a_folder(template, tmp_path):
    shutil.copytree(template.path, tmp_path / "more/sub", ignore=shutil.ignore_patterns(".git"))
    git(tmp_path / "more", "init", "--quiet")
    commit(tmp_path / "more", "v1", "--force")
    project = started(tmp_path, tmp_path / "more", "--directory", "sub")
    return project, str(tmp_path / "more")


@pytest.mark.parametrize(
    "made", [by_path, by_relative_path, by_url, by_url_with_secrets, in_a_folder]
)
def test_a_new_project_records_its_template(made, template, tmp_path):
    project, where = made(template, tmp_path)
    found = record(project)
    assert found["template"] == found["context"]["cookiecutter"]["_template"] == where
    assert found["commit"] == found["context"]["cookiecutter"]["_commit"]
    assert found["checkout"] == ("v1" if made in (by_path, by_url) else None)
    assert found["directory"] == ("sub" if made is in_a_folder else None)
    assert list(found) == ["template", "commit", "checkout", "context", "directory"]
    text = (project / ".cruft.json").read_text(encoding="utf-8")
    assert "s3cret" not in text
    # Nothing else of this machine; and it is in the first commit.
    assert str(tmp_path) not in text.replace(where, "")
    assert git(project, "ls-files", ".cruft.json") and not git(project, "status", "--porcelain")
    if made is by_url:
        assert found["commit"] == template.commits["v1"]
        assert (
            "up to date"
            in run(sys.executable, "-m", "cruft", "check", "--checkout", "v1", cwd=project).stdout
        )


def test_without_a_commit_there_is_no_record(template, tmp_path):
    # In a repository, but in no commit of it: an unpacked archive.
    git(tmp_path, "init", "--quiet")
    commit(tmp_path, "Nothing")
    shutil.copytree(template.path, tmp_path / "bare", ignore=shutil.ignore_patterns(".git"))
    project = started(tmp_path, "bare")
    assert not (project / ".cruft.json").exists()
    commit(tmp_path, "All")
    done = update(project)
    assert done.returncode == 2 and "there is no .cruft.json" in done.stderr


@pytest.mark.parametrize("words", [(), ("--checkout", "v1"), ("-c", "v1", "--skip", "*.md")])
def test_cruft_create_leaves_a_clean_tree(words, template, tmp_path):
    project = started(tmp_path, "create", *words, template.path, program="cruft")
    assert not git(project, "status", "--porcelain")
    assert record(project)["checkout"] == ("v1" if words else None)


def test_no_secret_of_a_url_is_committed_for_cruft(template, tmp_path):
    url = f"{URL}?private_token=t0ken"
    words = ("create", "--checkout", "v1", url)
    project = started(tmp_path, *words, program="cruft", **instead(url, template, tmp_path))
    text = git(project, "show", "HEAD:.cruft.json")
    assert "s3cret" not in text and "t0ken" not in text and "//example.org/template.git" in text


# -- the merge


def cookiecutter(template, tmp_path):
    made = template.path.parent / "made"
    if not made.exists():
        made.mkdir()
        started(made, f"file://{template.path}", "--checkout", "v1")
    return shutil.copytree(made / "out/altruism", tmp_path / "out/altruism", symlinks=True)


def cruft(template, tmp_path):
    return started(tmp_path, "create", "--checkout", "v1", template.path, program="cruft")


def in_a_repository(template, tmp_path):
    """In a folder of a repository that has more in it."""
    git(tmp_path, "init", "--quiet", "out")
    (tmp_path / "out/other").write_text("Other\n")
    project = started(tmp_path, f"file://{template.path}", "--checkout", "v1")
    commit(tmp_path / "out", "Both")
    return project


def fresh(template, tmp_path):
    """A new project of the newest template, without a repository."""
    (tmp_path / "new").mkdir()
    words = ("--accept-hooks", "no", template.path, "--checkout", "v2")
    return started(tmp_path / "new", *words)


@pytest.mark.parametrize("made", [cookiecutter, cruft, in_a_repository])
def test_an_update_brings_what_changed_and_keeps_edits(made, template, tmp_path):
    mine = (
        ("params.yaml", EDIT, "C: 0.5,"),
        ("src/altruism/featurize.py", "def main(", "# Mine.\ndef main("),
    )
    project = built(made(template, tmp_path), mine)
    done = update(project)
    assert done.returncode == 0, done.stderr
    new = fresh(template, tmp_path)
    for name, old, replaced in mine:
        replace(new / name, old, replaced)
    # The data are the project's own.
    assert b"Of another sample" not in (project / "data/raw/README.md").read_bytes()
    (new / "data/raw/README.md").write_bytes((project / "data/raw/README.md").read_bytes())
    found, wanted = files(project), files(new)
    made_here = {".cruft.json", "dvc.lock", *OUTPUTS.split()}
    kept = {name: text for name, text in found.items() if not name.startswith(".dvc/")}
    assert {*kept} - made_here == {n for n in wanted if not n.startswith(".dvc/")}
    assert all(kept[name] == wanted[name] for name in {*kept} - made_here)
    assert {NEW, RENAMED, REMOTE_LOCK} <= {*found} and not {OLD, GONE, LOCK} & {*found}
    assert record(project)["commit"] == template.commits["v2"]
    assert "SUCCESS" in run(sys.executable, "-m", "cruft", "check", cwd=project).stdout
    commit(project, "Followed")
    again = update(project)
    assert again.returncode == 0 and "nothing to do" in again.stdout
    assert not git(project, "status", "--porcelain")


def test_settings_of_cruft_are_not_needed(template, tmp_path):
    """Older projects do not tell cruft to leave each project's repository alone."""
    project = cookiecutter(template, tmp_path)
    settings = project / "pyproject.toml"
    text = settings.read_text(encoding="utf-8")
    settings.write_text(re.sub(r"\[tool\.cruft\]\n(.+\n)+\n", "", text), encoding="utf-8")
    commit(project, "Mine")
    done = update(project)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project / NEW).exists() and "cruft" not in settings.read_text(encoding="utf-8")


def test_an_update_says_what_it_did(template, tmp_path):
    project = built(cookiecutter(template, tmp_path))
    done = update(project, "--to", "v2")
    (_, _, old), (name, content, new) = template.tools["v1"], template.tools["v2"]
    # The wheel arrives byte for byte, and its predecessor goes.
    assert files(project / "vendor") == {name: content}
    assert done.stdout.splitlines() == [
        f"the template went from {template.commits['v1'][:12]} to {template.commits['v2'][:12]}",
        f"the tool went from exact-model 0.1.0 (sha256:{old}) to exact-model 0.2.0 (sha256:{new})",
        "stage featurize is stale: features in params.yaml changed",
        "stage train is stale: src/altruism/train.py changed",
        "stage evaluate is stale: features in params.yaml changed",
        'next: `make env && make`, and `git add --all . && git commit -m "Follow the template"`',
    ]
    assert record(project)["checkout"] == "v2"


def test_a_new_tool_alone_makes_no_stage_stale(template, tmp_path):
    project = built(cookiecutter(template, tmp_path))
    git(template.path, "worktree", "add", "--quiet", tmp_path / "tool", "v1")
    packed, digest = renamed_wheel(template.tools["v1"][1], "0.3.0")
    wheel.vendor("exact_model-0.3.0-py3-none-any.whl", packed, tmp_path / "tool" / PROJECT)
    new = commit(tmp_path / "tool", "Tool", "--force")
    git(template.path, "tag", "tool", new)
    done = update(project, "--to", "tool")
    assert "no stage became stale: the model stays as it is" in done.stdout
    assert f"exact-model 0.3.0 (sha256:{digest})" in done.stdout
    assert run(sys.executable, "-m", "dvc", "status", "--json", cwd=project).stdout.strip() == "{}"


def edited(project, name, text):
    with open(project / name, "a", encoding="utf-8") as file:
        file.write(text)


def test_each_conflict_is_named_with_what_settles_it(template, tmp_path):
    project = cookiecutter(template, tmp_path)
    replace(project / "params.yaml", LINE, "min_df: 7")
    (project / NEW).write_text("Mine\n")
    edited(project, GONE, "Mine\n")
    replace(project / "requirements-dev.lock", "exact-model==0.1.0", "exact-model==0.1.1")
    commit(project, "Mine")
    done = update(project)
    assert done.returncode == 1
    theirs = "git checkout --theirs requirements-dev.lock && git add requirements-dev.lock"
    assert done.stdout.splitlines()[1:-1] == [
        f"{NEW}: you and the template added it; keep what is right and remove the markers, then "
        f"`git add {NEW}`",
        f"{GONE}: you changed it, and the template removed it; keep or remove it, then "
        f"`git add {GONE}`",
        "params.yaml: you and the template changed the same lines; keep what is right and remove "
        "the markers, then `git add params.yaml`",
        "requirements-dev.lock: you and the template pinned other versions; take the template's "
        f"with `{theirs}`, then `make lock` pins what you added to pyproject.toml",
        "`dvc status` names the stages that are stale, once that is done",
    ]
    assert "settle the above" in done.stdout.splitlines()[-1]
    letters = {
        x for x in git(project, "status", "--porcelain").splitlines() if "U" in x or "AA" in x
    }
    files_left = (f"AA {NEW}", f"UD {GONE}", "UU params.yaml", "UU requirements-dev.lock")
    assert letters == {*files_left}
    # The other files came all the same, and no reject lies about.
    assert (project / RENAMED).exists() and not (project / OLD).exists()
    assert not [*project.rglob("*.rej")]
    # What is advised settles it.
    for command in re.findall(
        "`(git (?:add|checkout) [^`]+)`", "\n".join(done.stdout.splitlines()[:-1])
    ):
        run("sh", "-c", command, cwd=project)
    git(project, "commit", "--quiet", "--all", "--message", "Followed")
    assert "nothing to do" in update(project).stdout
    lock = (project / "requirements-dev.lock").read_text(encoding="utf-8")
    assert "exact-model==0.2.0" in lock and "<<<<" not in lock


def test_what_a_project_has_removed_stays_removed(template, tmp_path):
    project = cookiecutter(template, tmp_path)
    shutil.rmtree(project / "vendor")
    for name in ("params.yaml", GONE):
        (project / name).unlink()
    commit(project, "Mine")
    done = update(project)
    assert done.returncode == 0
    says = "the template changed it; you have removed it, and it stays so"
    (wheel_name, _, _) = template.tools["v2"]
    told = [line for line in done.stdout.splitlines() if says in line]
    assert told == [f"params.yaml: {says}", f"vendor/{wheel_name}: {says}"]
    assert not any((project / name).exists() for name in ("vendor", "params.yaml", GONE))
    assert (project / NEW).exists()


def test_a_wheel_that_was_not_the_templates_is_replaced(template, tmp_path):
    project = cookiecutter(template, tmp_path)
    (old,) = (project / "vendor").glob("*.whl")
    old.write_bytes(b"\0another")
    commit(project, "Mine")
    assert update(project).returncode == 0
    name, content, _ = template.tools["v2"]
    assert files(project / "vendor") == {name: content}


# -- refusals


def dirty(project, template):
    (project / "README.md").write_text("Mine\n")
    return "README.md is not committed; commit it, or `git stash --include-untracked`", ()


def new(project, template):
    (project / "notes.txt").write_text("Mine\n")
    return "notes.txt is not committed; commit it, or `git stash --include-untracked`", ()


def unknown(project, template):
    return "has no commit, tag or branch v9", ("--to", "v9")


def moved(project, template):
    replace(
        project / ".cruft.json", f'"template": "file://{template.path}"', '"template": "/gone.git"'
    )
    commit(project, "Mine")
    return "if it has moved, correct its address in .cruft.json", ()


def rewritten(project, template):
    text = (project / ".cruft.json").read_text(encoding="utf-8")
    text = text.replace(template.commits["v1"], "0" * 39 + "1")
    (project / ".cruft.json").write_text(text, encoding="utf-8")
    commit(project, "Mine")
    return "has no commit 0000", ()


def broken(project, template):
    (project / ".cruft.json").write_text("{}")
    commit(project, "Mine")
    return ".cruft.json is broken", ()


def without_git(project, template):
    shutil.rmtree(project / ".git")
    return "an update needs git", ()


def refused_by_the_template(project, template):
    replace(project / ".cruft.json", '"license": "MIT"', '"license": "none"')
    commit(project, "Mine")
    return "cannot be rendered: ", ()


@pytest.mark.parametrize(
    "case", [dirty, new, unknown, moved, rewritten, broken, without_git, refused_by_the_template]
)
def test_a_refusal_is_one_sentence_and_changes_nothing(case, template, tmp_path):
    project = cookiecutter(template, tmp_path)
    words, arguments = case(project, template)
    before = files(project)
    done = update(project, *arguments)
    assert done.returncode == 2 and words in done.stderr
    assert "Traceback" not in done.stderr and not done.stdout
    after = files(project)
    assert {
        name: text for name, text in after.items() if not name.startswith(".dvc/tmp/")
    } == before


@pytest.mark.parametrize("case", [dirty, new])
def test_what_the_refusal_of_a_dirty_tree_says_helps(case, template, tmp_path):
    project = cookiecutter(template, tmp_path)
    words, _ = case(project, template)
    run("sh", "-c", re.search("`(.+)`", words)[1], cwd=project)
    assert update(project).returncode == 0


# -- projects that hold the tool themselves


@pytest.fixture
def old_layout(tmp_path):
    """The project of BUNDLE with its DVC remote; its template goes on to today's."""
    for branch, name in (
        ("template", "template.git"),
        ("store", "altruism-store"),
        ("main", "altruism"),
    ):
        git(tmp_path, "clone", "--quiet", "--branch", branch, BUNDLE, name)
        git(tmp_path / name, "remote", "remove", "origin")
    shutil.rmtree(tmp_path / "altruism-store/.git")
    template = tmp_path / "template.git"
    raw = {name: text for name, text in files(template).items() if "/data/raw/requests" in name}
    for name in ("hooks", PROJECT):
        shutil.rmtree(template / name)
    copy_template(template)
    wheel.vendor(*wheel.build(), template / PROJECT)
    for name, text in raw.items():
        (template / name).write_bytes(text)
    commit(template, "The tool moves out", "--force")
    return tmp_path / "altruism"


def outdated(project):
    """The edits that a team has made."""
    replace(project / "src/altruism/train.py", "def main(", "# Mine.\ndef main(")
    replace(project / "params.yaml", LINE, "min_df: 3")
    commit(project, "Mine")


def test_the_tool_leaves_a_project_of_the_old_layout(old_layout):
    outdated(old_layout)
    done = update(old_layout)
    assert done.returncode == 0, done.stderr
    assert "before, it was a part of the project's own code" in done.stdout
    assert "src/exact/run.py changed" in done.stdout
    here = {path.name for path in (old_layout / "src/exact").iterdir()}
    assert here == {path.name for path in (ROOT / PROJECT / "src/exact").iterdir()} - {
        "__pycache__"
    }
    assert "# Mine." in (old_layout / "src/altruism/train.py").read_text(encoding="utf-8")
    assert "min_df: 3" in (old_layout / "params.yaml").read_text(encoding="utf-8")
    assert [*(old_layout / "vendor").glob("exact_model-*.whl")]


@pytest.mark.slow
@pytest.mark.exhaustive
def test_old_releases_are_identical_for_the_new_tool(old_layout, tmp_path):
    """The whole way of a project of the old layout, by the README's line for it."""
    outdated(old_layout)
    # A tool from this repository, at the versions of its lock.
    source = tmp_path / "source.git"
    shutil.copytree(
        ROOT, source, ignore=shutil.ignore_patterns(".git", ".venv", "fixtures", ".*_cache")
    )
    git(source, "init", "--quiet")
    commit(source, "Tool")
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pins = [line.removesuffix(" \\") for line in lock.splitlines() if "==" in line]
    (tmp_path / "pins").write_text("\n".join(pins))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (line,) = re.findall(r"^\$ (uvx --from git\+\S+ exact update)$", readme, re.MULTILINE)
    words = re.sub(r"git\+\S+", f"git+file://{source}", line).split()
    constraint = {"UV_CONSTRAINT": str(tmp_path / "pins"), "UV_TOOL_DIR": str(tmp_path / "tools")}
    done = run(*words, cwd=old_layout, **constraint)
    assert "before, it was a part of the project's own code" in done.stdout
    run("make", "env", cwd=old_layout)
    run("make", "pull", cwd=old_layout)
    run("make", cwd=old_layout)
    commit(old_layout, "Follow the template")
    exact = old_layout / ".venv/bin/exact"
    told = run(exact, "verify", "v1.0.0", "v2.0.0", "--summary", cwd=old_layout).stdout
    assert told.count("identical (16 of 16 outputs identical") == 2
    git(old_layout, "checkout", "--quiet", "altruism@v1.0.0", "--", "dvc.lock")
    model = next(
        line.split()[-1]
        for line in (old_layout / "dvc.lock").read_text(encoding="utf-8").splitlines()[::-1]
        if "md5: " in line
    )
    git(old_layout, "checkout", "--quiet", "HEAD", "--", "dvc.lock")
    assert "v1.0.0" in run(exact, "which", model, cwd=old_layout).stdout
    told = run(exact, "compare", "v1.0.0", "v2.0.0", cwd=old_layout).stdout
    assert "logistic_regression → multinomial_nb" in told and "roc_auc" in told
    run("make", "push", cwd=old_layout)
    told = run(exact, "release", "v3.0.0", cwd=old_layout).stdout
    assert "a rebuild is identical" in told and "altruism@v3.0.0 is released" in told
