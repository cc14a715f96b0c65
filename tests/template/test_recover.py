"""The command lines that `exact which` prints are run as they stand, in the state they are for."""

import os
import re
import shlex
import shutil
import subprocess

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]
MODEL, WEIGHTS = "models/model.joblib", "weights.bin"
TAG = "altruism@v1.0.0"
WORDS = ("recover", "rebuild", "kept by")


@pytest.fixture(scope="module")
def versions(built, tmp_path_factory):
    """A project whose first release has another model and other weights than its newest commit."""
    folder = tmp_path_factory.mktemp("recover")
    project = built.copy(folder / "work/altruism")
    project.run("git", "branch", "--move", "main")
    project.write(WEIGHTS, "first")
    project.run("dvc", "add", "--quiet", WEIGHTS)
    project.commit("First weights")
    project.run("make", "push")
    project.run("git", "tag", "--annotate", "--message", "x", TAG)
    project.write(WEIGHTS, "second")
    project.run("dvc", "add", "--quiet", WEIGHTS)
    project.replace("params.yaml", "C: 1,", "C: 2,")
    project.run("dvc", "repro", "--quiet")
    project.commit("Second")
    project.run("make", "push")
    return project, folder


@pytest.fixture
def project(versions, tmp_path):
    """The project and its remote as they were, at the place that its environment is made for."""
    project, folder = versions
    saved, work = folder / "saved", folder / "work"
    if not saved.exists():
        shutil.copytree(work, saved, symlinks=True, ignore=shutil.ignore_patterns(".venv", ".uv"))
    environment = project.root / ".venv"
    environment.rename(folder / ".venv")
    shutil.rmtree(work)
    shutil.copytree(saved, work, symlinks=True)
    (folder / ".venv").rename(environment)
    return project


def md5(project, path: str, revision: str = TAG) -> str:
    """The md5 that a commit records of a file."""
    names = (f"{path}.dvc", "dvc.lock")
    records = [project.run("git", "show", f"{revision}:{name}", check=False) for name in names]
    text = "".join(done.stdout for done in records)
    name = re.escape(path.rpartition("/")[2] if path == WEIGHTS else path)
    found = re.search(rf"md5: (\w+)\n\s+size: \d+\n(?:\s+hash: md5\n)?\s+path: {name}\n", text)
    return (found or re.search(rf"path: {name}\n\s+hash: md5\n\s+md5: (\w+)", text))[1]


def lines(told: str) -> list[str]:
    """The command lines of an answer."""
    found, word = [], ""
    for line in told.splitlines():
        word = line[:11].strip() or word
        if word in WORDS:
            quoted = re.search("`(.+)`", line)
            found.append(quoted[1] if quoted else line[13:].partition("   (")[0])
    return found


def ask(project, what: str, **more) -> list[str]:
    return lines(project.run("exact", "which", what, **more).stdout)


def run(project, line: str, md5s: str, path: str = MODEL, cwd=None) -> None:
    """Run a line as it stands; then the file with that md5 lies where the line puts it."""
    root = cwd or project.root
    place = root / ("recovered" if " get " in line else path)
    place.unlink(missing_ok=True)
    project.run("sh", "-c", line, cwd=root)
    if "verify" not in line:
        assert project.run("md5sum", place).stdout.lstrip("\\").split()[0] == md5s, line
    if " get " in line:
        place.unlink()


@pytest.mark.exhaustive
def test_as_it_usually_is(project):
    wanted = md5(project, MODEL)
    checkout, get, verify = ask(project, wanted)
    assert checkout == f"git checkout {TAG} && make pull" and get.startswith("dvc get . ")
    assert verify == f"make verify REV={TAG}"
    run(project, get, wanted)
    run(project, checkout, wanted)
    # In that state, a detached HEAD, the way back is told too.
    newest = md5(project, MODEL, "main")
    for line in ask(project, newest)[:2]:
        run(project, line, newest)


def test_a_data_set(project):
    wanted = md5(project, WEIGHTS)
    checkout, get = ask(project, wanted)
    run(project, get, wanted, WEIGHTS)
    run(project, checkout, wanted, WEIGHTS)


def test_after_the_store_moved(project):
    shutil.move(project.root.parent / "altruism-store", project.root.parent / "new-store")
    project.replace(".dvc/config", "altruism-store", "new-store")
    project.commit("Move the store")
    shutil.rmtree(project.root / ".dvc/cache")
    wanted = md5(project, MODEL)
    checkout, get, _ = ask(project, wanted)
    assert "&& make pull" in checkout and ".dvc/config" in checkout
    run(project, get, wanted)
    run(project, checkout, wanted)
    # What was printed before does not work there, or this test would show nothing.
    project.run("git", "checkout", "--quiet", "--force", "main")
    shutil.rmtree(project.root / ".dvc/cache")
    (project.root / MODEL).unlink()
    done = project.run("sh", "-c", f"git checkout --quiet {TAG} && make pull", check=False)
    assert done.returncode != 0


def test_what_is_stored_nowhere_is_rebuilt(project):
    shutil.rmtree(project.root.parent / "altruism-store")
    project.run("dvc", "gc", "--workspace", "--force", "--quiet")
    wanted = md5(project, MODEL)
    told = project.run("exact", "which", wanted).stdout
    assert "recover      its bytes are neither in DVC's cache nor on the DVC remote" in told
    assert "dvc get" not in told and "make pull" not in told
    # The old weights are no input of the model, so that it can be made without them.
    assert "its bytes are neither" in project.run("exact", "which", md5(project, WEIGHTS)).stdout
    _, make, verify = lines(told)
    assert verify == f"make verify REV={TAG}"
    run(project, make, wanted)
    project.run("git", "checkout", "--quiet", "--force", "main")
    run(project, verify, wanted)
    # Without its raw data, it cannot be made either.
    shutil.rmtree(project.root / ".dvc/cache")
    told = project.run("exact", "which", wanted).stdout
    assert "rebuild      impossible here: data/raw/requests.jsonl is lost, too" in told
    assert not re.search("make (pull|verify)|dvc ", told.partition("rebuild ")[2])


def test_with_changes_that_a_checkout_would_overwrite(project):
    project.replace("params.yaml", "C: 2,", "C: 3,")
    wanted = md5(project, MODEL)
    checkout, get, _ = ask(project, wanted)
    assert checkout.startswith("git stash && ")
    run(project, get, wanted)
    run(project, checkout, wanted)
    project.run("git", "checkout", "--quiet", "main")
    project.write("README.md", project.read("README.md") + "\n")
    # A change that no checkout touches is in nobody's way.
    assert ask(project, wanted)[0].startswith("git checkout")


@pytest.mark.exhaustive
def test_odd_names(project):
    tag = "it's$HOME;a\"b&ü(1)@v1.0.0"
    project.run("git", "tag", "--delete", TAG)
    project.run("git", "tag", "--annotate", "--message", "x", tag, "main^")
    odd = "an 'odd' $HOME näme.bin"
    project.write(odd, "odd")
    project.run("dvc", "add", "--quiet", odd)
    project.commit("Odd")
    wanted = md5(project, MODEL, tag)
    checkout, get, verify = ask(project, wanted)
    assert tag in shlex.split(checkout) and shlex.split(verify)[-1] == f"REV={tag}"
    run(project, get, wanted)
    content = project.run("md5sum", odd).stdout.lstrip("\\").split()[0]
    for line in reversed(ask(project, content)):
        run(project, line, content, odd)
    project.run("git", "checkout", "--quiet", "main")
    run(project, checkout, wanted)


@pytest.mark.exhaustive
def test_a_branch_that_is_called_like_the_release(project):
    project.run("git", "branch", TAG, "main")
    wanted = md5(project, MODEL, f"refs/tags/{TAG}")
    run(project, ask(project, wanted)[0], wanted)


@pytest.mark.exhaustive
def test_in_a_clone_that_is_shallow(project, tmp_path):
    clone = project.root.with_name("clone")
    project.run("git", "clone", "--quiet", "--depth", "1", f"file://{project.root}", clone)
    shutil.copytree(project.root / ".venv", clone / ".venv", symlinks=True)
    (clone / ".venv/.made").write_text(f"{clone}\n")
    wanted = md5(project, MODEL, "main")
    checkout, get, _ = lines(project.run("exact", "which", wanted, cwd=clone).stdout)
    run(project, get, wanted, cwd=clone)


def test_in_a_folder_of_the_repository(project):
    """There, DVC does not find a remote that is named by a relative path."""
    top = project.root.parent
    shutil.rmtree(project.root / ".git")
    project.run("git", "init", "--quiet", "--initial-branch", "main", cwd=top)
    (top / ".gitignore").write_text("altruism-store\n")
    project.run("git", "add", "--all", cwd=top)
    project.run("git", "commit", "--quiet", "--message", "All", cwd=top)
    wanted = project.run("md5sum", MODEL).stdout.lstrip("\\").split()[0]
    told = ask(project, wanted)
    assert [line for line in told if line.startswith("dvc get .. altruism/models")]
    for line in told[1::-1]:
        run(project, line, wanted)
    shutil.rmtree(project.root / ".dvc/cache")
    assert not any("dvc get" in line for line in ask(project, wanted))
    run(project, ask(project, wanted)[0], wanted)


def test_what_only_the_reflog_or_the_stash_has(project):
    wanted = md5(project, WEIGHTS)
    project.write(WEIGHTS, "third")
    project.run("dvc", "add", "--quiet", WEIGHTS)
    new = md5_of(project, WEIGHTS)
    project.run("git", "stash", "--quiet")
    project.run("dvc", "checkout", "--quiet", "--force")
    keep, checkout, get = ask(project, new)
    for line in (get, checkout):
        run(project, line, new, WEIGHTS)
    project.run("sh", "-c", keep)
    # A second one is kept on a branch of its own.
    project.run("git", "checkout", "--quiet", "main")
    project.write(WEIGHTS, "fourth")
    project.run("dvc", "add", "--quiet", WEIGHTS)
    fourth = md5_of(project, WEIGHTS)
    project.commit("Fourth")
    project.run("git", "reset", "--quiet", "--hard", "HEAD^")
    project.run("sh", "-c", ask(project, fourth)[0])
    assert "kept by" not in project.run("exact", "which", fourth).stdout
    assert wanted not in (new, fourth)


def md5_of(project, path: str) -> str:
    return project.run("md5sum", path).stdout.lstrip("\\").split()[0]


def test_where_the_environment_is_not_active(project):
    """As `make which` is called by somebody who has activated nothing."""
    wanted = md5(project, MODEL)
    path = "/usr/local/bin:/usr/bin:/bin"
    environ = {**os.environ, "PATH": path}
    told = subprocess.run(
        ["make", "which", f"FILE={wanted}"],
        cwd=project.root, env=environ, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    get = lines(told)[1]
    done = subprocess.run(["sh", "-c", get], cwd=project.root, env=environ, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert md5_of(project, "recovered") == wanted


def test_from_a_folder_of_the_project(project):
    told = project.run("exact", "which", md5(project, MODEL), cwd=project.root / "models").stdout
    assert "project      the commands below are for ..; go there first" in told
