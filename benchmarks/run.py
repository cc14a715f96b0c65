"""Measure what DVC and `exact run` cost on the bundled sample, and renew the table of README.md.

Each line times two commands in turn, so that a machine that slows down slows both, and gives the
median of each and the median of their ratios. A command that says `took SECONDS` is taken at its
word, so that a fit can be timed without the imports before it.
"""

import hashlib
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "tests"), str(HERE.parent / "tools")]
import sample  # noqa: E402
from bake import bake  # noqa: E402

RUNS = 5
TAG = "altruism@v1.0.0"
STAGES = ("prepare", "featurize", "train", "evaluate")
ONE_PROCESS = "from altruism import " + ", ".join(STAGES) + "; "
ONE_PROCESS += "; ".join(f"{stage}.main()" for stage in STAGES)
# A machine where nobody has told git who they are can measure, too.
PERSON = {
    f"GIT_{role}_{what}": value
    for role in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "Benchmark"), ("EMAIL", "benchmark@example.org"))
}
START, END = "<!-- measured -->", "<!-- end -->"
# What is timed, what it is compared with, both commands, and what goes before each of them untimed.
STAGES_LINE = (
    "`dvc repro --force`, all four stages, {rows} rows",
    "one Python process doing the same work",
    "dvc repro --force --quiet",
    f"exact run python -c '{ONE_PROCESS}'",
    "true",
)
LINES = [
    STAGES_LINE,
    (
        "`dvc repro` with nothing to do",
        "`dvc version`",
        "dvc repro --quiet",
        "dvc version",
        "true",
    ),
    ("`exact run true`", "`true`", "exact run true", "true", "true"),
    (
        "`git checkout TAG && dvc checkout`",
        "copying the same files",
        f"git checkout --quiet {TAG} && dvc checkout --quiet",
        "cp -r ../kept/* .",
        "git checkout --force --quiet main && dvc checkout --quiet",
    ),
]
VERIFY_LINE = (
    "`exact verify`, all four stages, {rows} rows",
    "`dvc repro --force` in place",
    "exact verify",
    "dvc repro --force --quiet",
    "true",
)
QUICK_LINE = (
    "`exact verify --quick`, 1 GB in the cache and on the remote",
    "`md5sum` of the same files",
    "exact verify --quick",
    "find .dvc/cache/files ../altruism-store -type f -exec md5sum {} +",
    "true",
)
WHICH_LINE = (
    "`exact which MD5`, {rows} commits",
    "`git log -S MD5` over dvc.lock",
    "exact which {md5}",
    "git log --all --format=%H -S {md5} -- dvc.lock",
    "true",
)
BASE = "python:3.11-slim-bookworm"
# Where the base image is a stand-in, it has no digest, and the package index may be this machine's.
BUILD = f"docker build --quiet --target runtime --network host --build-arg BASE={BASE} --tag plain"
IMAGE = f"exact image --network host --base {BASE}"
CHANGE = "date +'# %N' >> src/altruism/predict.py && git commit --quiet --all --message Code"
ONE_ROW = "head -1 data/raw/requests.jsonl |"
CONTAINER = "docker run --rm --interactive --network none --read-only plain"
IMAGE_LINES = [
    (
        "`exact image`, nothing built before",
        "`docker build` of the working tree",
        f"{IMAGE} --no-cache",
        f"{BUILD} --no-cache .",
        "true",
    ),
    (
        "`exact image` after a change of code",
        "`docker build` of the working tree",
        IMAGE,
        f"{BUILD} .",
        CHANGE,
    ),
    (
        "from `docker run` to the first score",
        "the same without a container",
        f"{ONE_ROW} {CONTAINER}",
        f"{ONE_ROW} exact run python -m altruism.predict -",
        "true",
    ),
]
HISTORIES = (1_000, 10_000)
MANY_ROWS = 30_000
GIGABYTE = 10**9
# The estimator is made once before, since that imports it.
FIT = """python -c '
import time, joblib
from altruism import params, train
chosen = params.load("train")["train"]
features = joblib.load("data/features/transformer.joblib")
rows = joblib.load("data/features/train.joblib")
train.estimator(chosen)
start = time.perf_counter()
train.fit(chosen, features, rows["matrix"], rows["labels"])
print("took", time.perf_counter() - start)'"""
PINS = ("OPENBLAS_CORETYPE", "NPY_ENABLE_CPU_FEATURES", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
UNPINNED = "exact run env " + " ".join(f"-u {pin}" for pin in PINS) + " " + FIT


def fit_lines(estimator: str, name: str) -> list[tuple]:
    """The lines that tell what each level of pins costs this estimator."""
    v2, v3 = (f"sed -i 's/cpu: x86-64-v./cpu: x86-64-v{n}/' params.yaml && " for n in (2, 3))
    pinned = f"exact run {FIT}"
    what, bare = f"fit of {name}, {{rows}} rows, ", "no pins of CPU and threads"
    fewer = "s/n_estimators: 200/n_estimators: 20/; s/max_iter: 150/max_iter: 30/"
    chosen = f"sed -i 's/estimator: .*/estimator: {estimator}/; {fewer}' params.yaml"
    return [
        (what + "`x86-64-v3`", bare, v3 + pinned, v3 + UNPINNED, chosen),
        (what + "`x86-64-v2`", "`x86-64-v3`", v2 + pinned, v3 + pinned, chosen),
    ]


FIT_LINES = [
    *fit_lines("logistic_regression", "`logistic_regression`"),
    # Fewer trees than in params.yaml, since each is fitted alike.
    *fit_lines("hist_gradient_boosting", "`hist_gradient_boosting` with 30 trees"),
    *fit_lines("random_forest", "`random_forest` with 20 trees"),
]


def prepared(folder: Path) -> Path:
    """A project in `folder` with a tagged first model, and a second one on its main branch."""
    root = bake(folder)
    for command in (
        "make --silent",
        "git add --all && git commit --quiet --message First",
        f"git tag -a {TAG} -m First",
        "mkdir ../kept && cp -r data models reports ../kept",
        "sed -i 's/estimator: .*/estimator: multinomial_nb/' params.yaml && make --silent",
        "git add --all && git commit --quiet --message Second",
    ):
        shell(root, command)
    return root


def shell(root: Path, command: str) -> float:
    """Seconds that `command` takes in the project at `root` with its environment active."""
    path = os.pathsep.join([str(root / ".venv/bin"), os.environ["PATH"]])
    start = time.perf_counter()
    done = subprocess.run(
        command,
        shell=True,
        cwd=root,
        env={**os.environ, **PERSON, "PATH": path},
        check=True,
        stdout=subprocess.PIPE,
    )
    elapsed = time.perf_counter() - start
    said = re.search(rb"^took (\S+)$", done.stdout, re.M)
    return float(said[1]) if said else elapsed


def grown(root: Path) -> Path:
    """The project with MANY_ROWS rows of the same kind in the place of its sample."""
    raw = root / "data/raw/requests.jsonl"
    shell(root, "git checkout --force --quiet main && rm data/raw/requests.jsonl*")
    lines = (json.dumps(row) + "\n" for row, _ in sample.simulate(rows=MANY_ROWS))
    raw.write_text("".join(lines), encoding="utf-8")
    shell(root, f"dvc add --quiet {raw.relative_to(root)}")
    shell(root, "sed -i 's/estimator: .*/estimator: logistic_regression/' params.yaml")
    return root


def stored(root: Path) -> Path:
    """The project with a large file more in its cache and on its remote."""
    shell(root, "git checkout --force --quiet main && dvc checkout --quiet")
    shell(root, f"head -c {GIGABYTE} /dev/urandom > data/raw/large.bin")
    shell(root, "dvc add --quiet data/raw/large.bin && git add --all")
    shell(root, "git commit --quiet -m Large && make --silent push")
    return root


def long_history(root: Path, count: int) -> tuple[Path, tuple]:
    """A repository of `count` commits, each with another model in its dvc.lock; and its line."""
    folder = root.parent / f"history-{count}"
    shell(root, f"git clone --quiet . {folder}")
    text = (root / "dvc.lock").read_bytes()
    made = re.search(rb"path: models/model.joblib\n.*\n\s+md5: (\w+)", text)[1]
    commits = [b"reset refs/heads/main\nfrom refs/heads/main^0\n"]
    for number in range(count):
        md5 = hashlib.md5(b"%d" % number).hexdigest().encode()
        lock, who = text.replace(made, md5), b"Benchmark <benchmark@example.org> %d +0000" % number
        commits.append(
            b"commit refs/heads/main\ncommitter %s\ndata 1\nx\nM 644 inline dvc.lock\ndata %d\n%s\n"
            % (who, len(lock), lock)
        )
    subprocess.run(
        ["git", "fast-import", "--quiet"], cwd=folder, input=b"".join(commits), check=True
    )
    shell(folder, "git reset --quiet --hard")
    (folder / ".venv").symlink_to(root / ".venv")
    middle = hashlib.md5(b"%d" % (count // 2)).hexdigest()
    return folder, tuple(word.replace("{md5}", middle) for word in WHICH_LINE)


def image_lines() -> list[tuple]:
    """The lines that need a Docker engine with the base image, where there is one."""
    try:
        subprocess.run(["docker", "image", "inspect", BASE], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        print(f"no Docker engine has {BASE} (.ci/docker makes both); its lines are left out")
        return []
    return IMAGE_LINES


def measure(root: Path, lines: list[tuple], count: int) -> list[str]:
    """A row of the table for each of `lines`, of a project with `count` rows."""
    rows = []
    for what, base, command, other, before in lines:
        pairs = []
        for _ in range(RUNS + 1):
            shell(root, before)
            first = shell(root, command)
            shell(root, before)
            pairs.append((first, shell(root, other)))
        # The first run of each fills the disk cache and is not counted.
        times, others = zip(*pairs[1:], strict=True)
        ratio = statistics.median(a / b for a, b in pairs[1:])
        extra = statistics.median(a - b for a, b in pairs[1:])
        numbers = [statistics.median(times), statistics.median(others), extra, ratio]
        figures = " | ".join(f"{number:.2f}" for number in numbers)
        rows.append(f"| {what.format(rows=f'{count:,}')} | {base} | {figures} |")
        print(rows[-1], flush=True)
    return rows


def renew(rows: list[str]) -> None:
    """Put `rows` into README.md, between its two marks."""
    readme = HERE / "README.md"
    text = readme.read_text(encoding="utf-8")
    head, rest = text.split(START)
    _, tail = rest.split(END)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    table = [
        START,
        f"Median of {RUNS} runs on {machine}:",
        "",
        "| what | compared with | seconds | seconds of that | more seconds | times as long |",
        "|---|---|---|---|---|---|",
        *rows,
        END,
    ]
    readme.write_text(head + "\n".join(table) + tail, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        project = prepared(Path(made))
        rows = measure(project, [*LINES, VERIFY_LINE, *image_lines()], sample.ROWS)
        for commits in HISTORIES:
            folder, line = long_history(project, commits)
            rows += measure(folder, [line], commits)
        rows += measure(stored(project), [QUICK_LINE], sample.ROWS)
        renew(rows + measure(grown(project), [STAGES_LINE, *FIT_LINES], MANY_ROWS))
