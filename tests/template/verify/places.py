"""A small project with two commits, the package renamed between them, and what is asked of it."""

import contextlib
import hashlib
import json
import os
import re
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

SLEEP = """
import signal
import subprocess

for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(name, signal.SIG_IGN)
Path("begun").touch()
subprocess.run(["sleep", "300"])
"""

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


def left_over(project) -> list[str]:
    """What lies where trees are rebuilt."""
    return sorted(path.name for path in (project.root / ROOM / "trees").glob("*"))


def alive(project) -> list[int]:
    """The processes that were started for a rebuild, and their children."""
    mark, found = f"EXACT_TREE={project.root}/".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        # Some of them end meanwhile.
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


def append(name: str):
    """A change that adds a comment to a file."""
    return lambda project: project.write(name, project.read(name) + "# changed\n")


def environments(project) -> dict[str, int]:
    """When each kept environment was made."""
    made = (project.root / ROOM / "environments").glob("*.made")
    return {path.stem: path.stat().st_mtime_ns for path in made}


def fall_asleep(project) -> None:
    """Let the first stage go on for minutes, deaf to all signals but one, in a child as well."""
    project.replace("src/pizza/count.py", "# more stands here", SLEEP)
    relock(project, "src/pizza/count.py")


def wait_for(true, seconds: float = 60) -> bool:
    """Wait until `true()`; returns whether it came to be."""
    last = time.monotonic() + seconds
    while not true() and time.monotonic() < last:
        time.sleep(0.05)
    return bool(true())


def working_state(project) -> dict[str, tuple]:
    """All of the project's folder but what git and DVC ignore for good."""
    found = state_of(project.root, without=(".venv/", ".dvc/tmp/", ".dvc/cache/"))
    assert ".git/HEAD" in found and "dvc.lock" in found
    return found


def with_store(small, folder: Path) -> Path:
    """`folder`, with the remote in it, as the relative path of a project beside it wants it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STORE).symlink_to(small.root.parent / STORE)
    return folder


FIRST, SECOND = "altruism@v1.0.0", "altruism@v1.1.0"


def asleep(project, stages: int = 1) -> bool:
    """Whether so many stages of `sleepers` run: DVC, the stage and its child for each."""
    begun = [*(project.root / ROOM / "trees").glob("*/tree/begun")]
    return len(begun) == stages and len(alive(project)) >= 3 * stages


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


def in_a_shallow_clone(small, folder):
    url = f"file://{quote(str(small.root))}"
    clone = with_store(small, folder) / "clone"
    small.run("git", "clone", "--quiet", "--depth", "1", "--branch", "main", url, clone)
    return clone


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
