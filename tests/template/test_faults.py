"""What goes wrong on real machines: after each fault the project is whole, or says so loudly."""

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
import yaml
from projects import OBSCURE

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]
STAGES = ("prepare", "featurize", "train", "evaluate")
MODEL = "models/model.joblib"
METRICS = "reports/metrics.json"
RAW = "data/raw/requests.jsonl"
STORE = "altruism-store"
NOTHING_TO_DO = "Data and pipelines are up to date.\n"
STRANGER = 12345


def outputs(project, *stages) -> list[str]:
    """Paths of what these stages make."""
    pipeline = yaml.safe_load(project.read("dvc.yaml"))["stages"]
    made = [pipeline[stage] for stage in stages]
    outs = [out for one in made for out in one["outs"] + one.get("metrics", [])]
    return [out if isinstance(out, str) else [*out][0] for out in outs]


def snapshot(project) -> dict[str, bytes]:
    """dvc.lock, the raw data and every output, as they are."""
    names = ["dvc.lock", RAW, *outputs(project, *STAGES)]
    return {name: (project.root / name).read_bytes() for name in names}


def cached(root: Path, project, name: str) -> Path:
    """Where the DVC store `root` holds the output or raw file `name` of the last commit."""
    lock = yaml.safe_load(project.run("git", "show", "HEAD:dvc.lock").stdout)["stages"].values()
    (md5,) = [out["md5"] for stage in lock for out in stage["outs"] if out["path"] == name]
    return root / "files/md5" / md5[:2] / md5[2:]


def forget(project, *stages) -> None:
    """Make DVC run these stages, over outputs that are an earlier model's and must survive."""
    lock = yaml.safe_load(project.read("dvc.lock"))
    for stage in stages:
        del lock["stages"][stage]
    project.write("dvc.lock", yaml.safe_dump(lock, sort_keys=False))
    for name in outputs(project, *stages):
        (project.root / name).write_bytes(b"earlier")


@pytest.fixture(scope="module")
def work(built, tmp_path_factory):
    """A project that this module's tests may break: `fresh` repairs it before each."""
    project = built.copy(tmp_path_factory.mktemp("faults") / "altruism")
    project.whole = snapshot(project)
    return project


@pytest.fixture
def fresh(work):
    work.run("git", "checkout", "--quiet", "--force", "main")
    work.run("dvc", "checkout", "--quiet", "--force")
    assert snapshot(work) == work.whole
    return work


def is_whole(project) -> bool:
    """Whether everything is as the uninterrupted build left it, and nothing else lies about."""
    assert not [path for path in project.root.glob("[!.]*/**/*.part")]
    assert project.run("git", "status", "--porcelain").stdout == ""
    return snapshot(project) == project.whole


# -- interrupted


def killed_while_writing(project, stage: str) -> None:
    """Run `dvc repro` and kill it with all its children when `stage` writes its first output.

    Named pipes lie where the stage writes before it renames, so it can be seen to write.
    """
    paths = [project.root / name for name in outputs(project, stage)]
    named = [path.with_name(f".{path.name}.part") for path in paths]
    for name in named:
        os.mkfifo(name)
    ends = {os.open(name, os.O_RDONLY | os.O_NONBLOCK): name for name in named}
    repro = subprocess.Popen(
        ["dvc", "repro"],
        cwd=project.root,
        env={**os.environ, "PATH": f"{project.root}/.venv/bin{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    writing, last = [], time.monotonic() + 120
    try:
        while not writing and repro.poll() is None and time.monotonic() < last:
            writing, _, _ = select.select(ends, [], [], 0.2)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(repro.pid, signal.SIGKILL)
        repro.wait()
    for end, name in ends.items():
        os.close(end)
        name.unlink(missing_ok=True)
        if end in writing:
            name.write_bytes(b"half")
    assert writing, f"{stage} wrote to none of {[name.name for name in named]}"


def test_killed_in_every_stage(fresh):
    forget(fresh, *STAGES)
    for number, stage in enumerate(STAGES):
        killed_while_writing(fresh, stage)
        for name in outputs(fresh, *STAGES[number + 1 :]):
            assert (fresh.root / name).read_bytes() == b"earlier", f"{name} after {stage}"
    fresh.run("dvc", "repro")
    assert is_whole(fresh)


@pytest.mark.parametrize(
    ("seconds", "name", "refused"),
    [
        (0.3, "src/altruism/train.py", True),
        (0.6, "src/altruism/estimators.py", True),
        (2.0, "params.yaml", True),
        (2.0, "requirements.lock", True),
        (2.0, "src/altruism/predict.py", False),
    ],
)
def test_an_input_edited_while_a_stage_runs(seconds, name, refused, fresh):
    """DVC would record the edited input as what the model was made from."""
    fresh.replace("params.yaml", "estimator: logistic_regression", "estimator: random_forest")
    fresh.replace("params.yaml", "n_estimators: 200", "n_estimators: 600")
    before = {path: (fresh.root / path).read_bytes() for path in ("dvc.lock", MODEL)}
    repro = subprocess.Popen(
        ["dvc", "repro", "train"],
        cwd=fresh.root,
        env={**os.environ, "PATH": f"{fresh.root}/.venv/bin{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    told = ""
    while "exact run python -m altruism.train" not in told:
        told += repro.stdout.readline()
    time.sleep(seconds)
    with open(fresh.root / name, "a", encoding="utf-8") as file:
        file.write("\n# edited\n")
    told += repro.communicate(timeout=120)[0]
    assert (f"train: {name} changed while this ran" in told) == refused
    assert (repro.returncode != 0) == refused
    after = {path: (fresh.root / path).read_bytes() for path in before}
    assert (after == before) == refused


def test_two_at_once(fresh):
    forget(fresh, "train", "evaluate")
    path = f"{fresh.root}/.venv/bin{os.pathsep}{os.environ['PATH']}"
    both = [
        subprocess.Popen(
            ["dvc", "repro"],
            cwd=fresh.root,
            env={**os.environ, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    told = [process.communicate(timeout=120)[0] for process in both]
    assert 0 in [process.returncode for process in both], told
    for process, text in zip(both, told, strict=True):
        assert process.returncode == 0 or re.search("busy|lock", text), text
    fresh.run("dvc", "repro")
    assert is_whole(fresh)


FULL_DISK = r"""
set -e
mount --bind .venv "$1/venv"
mount -t tmpfs -o size=1g tmpfs "$PWD"
cd "$PWD"
cp -a "$1/seed/." .
mkdir .venv
mount --bind "$1/venv" .venv
used=$(df -k --output=used . | tail -n 1)
for number in 0 1 2 3 4 5 6 7 8 9; do
    mount -o "remount,size=$((used + number * $2 / 9))k" "$PWD"
    dvc repro >>"$1/log" 2>&1 && echo ok || echo "failed $?"
    cmp data/raw/requests.jsonl "$1/seed/data/raw/requests.jsonl"
done
mount -o remount,size=1g "$PWD"
dvc repro >>"$1/log" 2>&1
cp -a . "$1/after"
"""


def unshare(*command, **options):
    """Run `command` where it can mount what nobody else sees; skip where that is not allowed."""
    words = ["unshare", "--mount", *(["--map-root-user"] if os.getuid() else [])]
    try:
        subprocess.run([*words, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], check=True, **options)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"a full disk needs the right to mount a small one: {error}")
    return [*words, *command]


def test_full_disk_at_ten_sizes(fresh, tmp_path):
    words = unshare()
    forget(fresh, *STAGES)
    # The metrics are in git, and so are not in DVC's cache.
    kept = [name for name in outputs(fresh, *STAGES) if name != METRICS]
    for name in kept:
        cached(fresh.root / ".dvc/cache", fresh, name).unlink()
    # Each output lies in the folder and in the cache, and DVC keeps some books of its own.
    needed = sum(2 * len(fresh.whole[name]) for name in kept) // 1024 + 400
    seed = shutil.ignore_patterns(".venv", "tmp", "__pycache__")
    shutil.copytree(fresh.root, tmp_path / "seed", symlinks=True, ignore=seed)
    (tmp_path / "venv").mkdir()
    (tmp_path / "after").mkdir()
    told = fresh.run(*words, "sh", "-c", FULL_DISK, "sh", tmp_path, needed).stdout.splitlines()
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert len(told) == 10 and len([line for line in told if line != "ok"]) >= 5, told
    assert "No space left on device" in log and "Traceback" not in log
    after = type(fresh)(tmp_path / "after")
    assert snapshot(after) == fresh.whole
    for name in kept:
        assert cached(after.root / ".dvc/cache", fresh, name).read_bytes() == fresh.whole[name]
    shutil.rmtree(after.root / ".git")
    shutil.copytree(after.root / ".dvc/cache", fresh.root / ".dvc/cache", dirs_exist_ok=True)


# -- refused


def staged(project) -> list[str]:
    """What a careless `git add --all` would commit."""
    project.run("git", "add", "--all")
    return project.run("git", "diff", "--cached", "--name-only").stdout.split()


def test_a_later_stage_fails(fresh):
    fresh.replace("params.yaml", "\n  test: 0.25 ", "\n  test: 0.30 ")
    fresh.replace("params.yaml", ", tol: 0.001,", ", tol: -1,")
    done = fresh.run("make", check=False)
    assert done.returncode == 2
    assert "failed to reproduce 'train'" in done.stderr and "Traceback" not in done.stderr
    now = snapshot(fresh)
    for name in outputs(fresh, "train", "evaluate"):
        assert now[name] == fresh.whole[name], f"{name} changed"
    assert now["data/prepared/test.jsonl"] != fresh.whole["data/prepared/test.jsonl"]
    assert staged(fresh) == ["dvc.lock", "params.yaml"]
    fresh.run("git", "reset", "--quiet", "--hard")
    fresh.run("dvc", "checkout")
    assert is_whole(fresh)
    assert fresh.run("dvc", "status").stdout == NOTHING_TO_DO


def test_a_later_stage_of_the_very_first_build_fails(fresh):
    fresh.run("git", "checkout", "--quiet", "HEAD~1")
    for name in outputs(fresh, *STAGES):
        (fresh.root / name).unlink(missing_ok=True)
    fresh.replace("params.yaml", ", tol: 0.001,", ", tol: -1,")
    assert fresh.run("make", check=False).returncode == 2
    assert (fresh.root / "data/features/train.joblib").exists()
    # DVC takes back what it had told git to ignore, but git never relied on that.
    assert staged(fresh) == ["dvc.lock", "params.yaml"]


def test_changed_and_missing_outputs_are_made_again(fresh):
    (fresh.root / MODEL).write_bytes(b"somebody's")
    (fresh.root / METRICS).write_text("{}\n")
    (fresh.root / "reports/predictions.jsonl").unlink()
    assert fresh.run("dvc", "status").stdout != NOTHING_TO_DO
    fresh.run("dvc", "repro")
    assert is_whole(fresh)
    (fresh.root / MODEL).write_bytes(b"somebody's")
    fresh.run("dvc", "checkout", "--force")
    assert is_whole(fresh)


def test_merge_markers_in_the_lock(fresh):
    lock = fresh.read("dvc.lock")
    half = len(lock) // 2
    fresh.write("dvc.lock", f"{lock[:half]}\n<<<<<<< HEAD\n{lock[half:]}=======\n>>>>>>> other\n")
    done = fresh.run("dvc", "repro", check=False)
    assert done.returncode != 0 and "dvc.lock" in done.stderr
    fresh.run("git", "checkout", "--quiet", "dvc.lock")
    assert is_whole(fresh)
    assert fresh.run("dvc", "status").stdout == NOTHING_TO_DO


TORN = [
    "dvc.lock",
    "dvc.yaml",
    "params.yaml",
    ".dvc/config",
    "pyproject.toml",
    "requirements.lock",
    f"{RAW}.dvc",
]


def test_make_names_a_file_with_conflict_markers_and_its_cure_works(fresh):
    for name in TORN:
        whole = fresh.read(name)
        first, rest = whole.split("\n", 1)
        fresh.write(name, f"<<<<<<< HEAD\n{first}\n=======\n{first}\n>>>>>>> other\n{rest}")
        done = fresh.run("make", check=False)
        assert done.returncode == 2 and f"{name}: git left conflict markers here; " in done.stderr
        lock = "remove dvc.lock: make makes it again"
        cure = lock if name == "dvc.lock" else "keep one side of each conflict"
        assert cure in done.stderr and (lock in done.stderr) == (name == "dvc.lock")
        fresh.write(name, whole)
    (fresh.root / "dvc.lock").unlink()
    fresh.run("make")
    assert is_whole(fresh)


# -- another place


@pytest.fixture(scope="module")
def pushed(work):
    work.run("make", "push")
    return work


def clone(pushed, folder: Path, *options):
    """A clone in `folder`, with the remote beside it, as its relative path wants it."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / STORE).exists():
        (folder / STORE).symlink_to(pushed.root.parent / STORE)
    pushed.run("git", *options, "clone", "--quiet", ".", folder / "clone")
    return type(pushed)(folder / "clone")


def in_a_folder_with_an_obscure_name(pushed, folder):
    return clone(pushed, folder / OBSCURE)


def with_line_ends_of_windows(pushed, folder):
    cloned = clone(pushed, folder, "-c", "core.autocrlf=true")
    cloned.run("git", "config", "core.autocrlf", "true")
    cloned.run("git", "checkout", "--quiet", "--force", ".")
    return cloned


def in_a_worktree(pushed, folder):
    pushed.run("git", "worktree", "prune")
    pushed.run("git", "worktree", "add", "--quiet", "--detach", "../worktree")
    return type(pushed)(pushed.root.with_name("worktree"))


def in_a_submodule(pushed, folder):
    parent = type(pushed)(folder / "parent")
    parent.root.mkdir()
    parent.run("git", "init", "--quiet")
    local = ("-c", "protocol.file.allow=always")
    parent.run("git", *local, "submodule", "--quiet", "add", pushed.root, "altruism")
    (parent.root / STORE).symlink_to(pushed.root.parent / STORE)
    return type(pushed)(parent.root / "altruism")


PLACES = (
    in_a_folder_with_an_obscure_name,
    with_line_ends_of_windows,
    in_a_worktree,
    in_a_submodule,
)


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_recovered(place, pushed, fresh, tmp_path):
    other = place(pushed, tmp_path)
    other.whole = pushed.whole
    other.run("make", "pull")
    assert is_whole(other)
    assert other.run("dvc", "status").stdout == NOTHING_TO_DO
    other.run("exact", "run", "python", "-c", "import altruism.train")
    assert "Running stage" not in other.run("make").stdout
    assert is_whole(other)


def test_without_git_and_with_it_again(fresh, tmp_path):
    bare = type(fresh)(tmp_path / "altruism")
    ignore = shutil.ignore_patterns(".venv", ".git")
    shutil.copytree(fresh.root, bare.root, symlinks=True, ignore=ignore)
    forget(bare, "evaluate")
    bare.run("make")
    assert snapshot(bare) == fresh.whole
    bare.run("make", "push")
    bare.run("git", "init", "--quiet")
    bare.run("make")
    assert "no_scm" not in bare.read(".dvc/config.local")
    bare.commit("All of it")
    assert bare.run("git", "ls-files", "models", "data/prepared").stdout == ""


@pytest.fixture
def strangers(fresh):
    """A copy that belongs to another user; skipped where only root could make it."""
    if os.getuid():
        pytest.skip("only root can give files to another user")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        root = Path(folder) / "altruism"
        ignore = shutil.ignore_patterns(".venv")
        shutil.copytree(fresh.root, root, symlinks=True, ignore=ignore)
        subprocess.run(["chown", "-R", str(STRANGER), folder], check=True)
        yield type(fresh)(root)


def test_run_by_root_in_the_folder_of_another_user(strangers, fresh):
    """git refuses it, and make says so with git's own remedy, instead of doing without git."""
    forget(strangers, "evaluate")
    done = strangers.run("make", check=False)
    assert done.returncode == 2 and not (strangers.root / ".dvc/config.local").exists()
    assert "git does not work here: fatal: detected dubious ownership" in done.stderr
    assert f"git config --global --add safe.directory '{strangers.root}'".replace("'", "") in (
        done.stderr.replace("'", "")
    )
    remedy = {"GIT_CONFIG_GLOBAL": str(strangers.root.parent / "gitconfig")}
    add = ("git", "config", "--global", "--add", "safe.directory", strangers.root)
    strangers.run(*add, **remedy)
    done = strangers.run("make", **remedy)
    assert "Running stage 'evaluate'" in done.stdout
    assert snapshot(strangers) == fresh.whole
    strangers.run("make", "push", **remedy)


# -- the remote


@pytest.fixture
def store(pushed, fresh, tmp_path):
    """The object of the model in a remote of this test's own, and a clone that has nothing yet."""
    shutil.copytree(pushed.root.parent / STORE, tmp_path / STORE)
    return cached(tmp_path / STORE, pushed, MODEL), clone(pushed, tmp_path)


def test_a_damaged_remote_is_never_pulled_from(store, pushed):
    stored, other = store
    good = stored.read_bytes()
    middle = len(good) // 2
    flipped = good[:middle] + bytes([good[middle] ^ 1]) + good[middle + 1 :]
    for bad in (flipped, good[:middle], b"", None):
        # DVC removes a damaged object where it finds it, so each has to be put there anew.
        stored.unlink(missing_ok=True)
        if bad is not None:
            stored.write_bytes(bad)
            # DVC takes a read-only object for one that it has checked, unless told to verify.
            stored.chmod(0o444)
        assert other.run("make", "pull", check=False).returncode == 2
        assert not (other.root / MODEL).exists()
    assert other.run("make", "push", check=False).returncode == 2
    stored.write_bytes(good)
    other.run("make", "pull")
    other.whole = pushed.whole
    assert is_whole(other)
    # In no store at all, which DVC itself calls a success.
    stored.unlink()
    cached(other.root / ".dvc/cache", other, MODEL).unlink()
    done = other.run("make", "push", check=False)
    assert done.returncode == 2 and "push: " in done.stderr
    other.run("make")
    other.run("make", "push")
    assert stored.read_bytes() == good


def test_push_brings_back_what_the_remote_lost(store):
    stored, other = store
    other.run("make", "pull")
    good = stored.read_bytes()
    stored.unlink()
    other.run("make", "push")
    assert stored.read_bytes() == good


def test_without_a_remote(store):
    _, other = store
    other.root.with_name(STORE).rename(other.root.with_name("unplugged"))
    start = time.monotonic()
    assert other.run("make", "pull", check=False).returncode == 2
    assert not (other.root / MODEL).exists()
    assert time.monotonic() - start < 60
