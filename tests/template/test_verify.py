"""`exact verify` gives the right verdict: on the sample, and on what somebody did wrong.

Each mutant is a commit that a person could have made; its verdict must not be `identical`, and the
report must say what differs and why. Where it runs and how it stops is in test_verify_places.py.
"""

import json
import os
import re
import shutil

import pytest
from projects import Project

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]
RAW = "data/raw/requests.jsonl"
COUNTS, MODEL, SCORES = "data/counts.json", "models/small.joblib", "reports/scores.json"

# Three stages that take a second each: numbers, a model, what the model says.
COUNT = """
import json
from pathlib import Path

with open("data/raw/requests.jsonl", encoding="utf-8") as file:
    rows = [json.loads(line) for line in file]
words = {word for row in rows for word in row["request_text"].split()}
found = {"rows": len(rows), "words": len(words)}
# a mutant stands here
Path("data/counts.json").write_text(json.dumps(found))
"""
FIT = """
import json
from pathlib import Path

from exact.dump import dumps, write
from sklearn.linear_model import LogisticRegression

LABELS = [i % 2 for i in range(9000)]
count = json.loads(Path("data/counts.json").read_text())["rows"]
model = LogisticRegression().fit([[i % 7, i % 5] for i in range(count)], LABELS[:count])
write({Path("models/small.joblib"): dumps(model)})
"""
SCORE = """
import json
from pathlib import Path

import joblib

model = joblib.load("models/small.joblib")
found = {"scores": model.predict_proba([[1, 2], [3, 4]])[:, 1].tolist()}
# a mutant stands here
Path("reports").mkdir(exist_ok=True)
Path("reports/scores.json").write_text(json.dumps(found))
"""
STAGES = {
    "count": (COUNT, [RAW], COUNTS),
    "fit": (FIT, [COUNTS, "src/exact/dump.py"], MODEL),
    "score": (SCORE, [MODEL], SCORES),
}
MUTANT = "# a mutant stands here"


CODE = ("src/altruism/__init__.py", "requirements.lock", ".python-version")


def pipeline(*names: str) -> str:
    """A dvc.yaml of some of the three stages."""
    lines = ["stages:"]
    for name in names:
        _, deps, out = STAGES[name]
        deps = [*deps, f"src/altruism/{name}.py", *CODE]
        lines += [f"  {name}:", f"    cmd: exact run python -m altruism.{name}"]
        lines += [f"    deps: [{', '.join(deps)}]", "    params: [exact]"]
        lines += ["    outs:", f"      - {out}: {{persist: true}}"]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def shared(built, tmp_path_factory) -> Project:
    """The project with the small stages, built and committed: `one` with the first, `all`."""
    project = built.copy(tmp_path_factory.mktemp("verify") / "altruism")
    for name, (code, *_) in STAGES.items():
        project.write(f"src/altruism/{name}.py", code)
    (project.root / "dvc.lock").unlink()
    project.write("dvc.yaml", pipeline("count"))
    with open(project.root / ".gitignore", "a") as ignored:
        ignored.write("/data/counts.json\n")
    project.run("git", "rm", "--quiet", "reports/metrics.json")
    for name, stages in (("one", ["count"]), ("all", [*STAGES])):
        project.write("dvc.yaml", pipeline(*stages))
        project.run("dvc", "repro")
        project.commit(f"Stages: {name}")
        project.run("git", "branch", name)
    return project


def afresh(project: Project, branch: str) -> Project:
    """The shared project as it was at first, for a test to spoil."""
    project.run("git", "checkout", "--quiet", "--force", "--detach", branch)
    project.run("git", "clean", "--quiet", "--force", "-d")
    project.run("dvc", "checkout", "--quiet", "--force")
    return project


@pytest.fixture
def one(shared) -> Project:
    """The project with the first of the small stages."""
    return afresh(shared, "one")


@pytest.fixture
def small(shared) -> Project:
    """The project with all three of them."""
    return afresh(shared, "all")


def verify(project, *words, status: int, before=(), **environ) -> dict:
    """The report of `exact verify` on HEAD, which must leave the exit status `status`."""
    command = [*before, "exact", "verify", "--json", *words]
    done = project.run(*command, check=False, **environ)
    assert done.returncode == status, done.stdout + done.stderr
    (report,) = json.loads(done.stdout)
    return report


def verdicts(report) -> dict[str, str]:
    return {line["path"]: line["verdict"] for line in report["lines"]}


def told(report) -> str:
    return "\n".join(report["notes"])


def mutate(project, stage: str, code: str, *, pinned=True) -> None:
    """Put `code` into a stage, run it as its author would, and commit."""
    project.replace(f"src/altruism/{stage}.py", MUTANT, code)
    if not pinned:
        project.replace(
            "dvc.yaml", f"exact run python -m altruism.{stage}", f"python -m altruism.{stage}"
        )
    project.run("dvc", "repro")
    project.commit("A mutant")


# -- what is as it should be


def test_the_sample_is_identical(built):
    report = verify(built, status=0)
    assert report["verdict"] == "identical" and report["notes"] == []
    assert len(report["lines"]) == 16 and {*verdicts(report).values()} == {"identical"}
    assert all(line["recorded"] == line["rebuilt"] for line in report["lines"])
    assert not report["kept"] and not report["problem"]


GOOD = {
    "as it was": "",
    "time that is not written": "import time; time.time()",
    "seeded chance": "import random; found['chance'] = random.Random(1).random()",
    "a sorted set": "found['some'] = sorted(words)[:5]",
    "a set in the order of the pinned hash seed": "found['some'] = list(words)[:5]",
    "a relative path": "found['path'] = 'data/raw'",
}


@pytest.mark.parametrize("code", GOOD.values(), ids=GOOD)
def test_identical_is(one, code):
    mutate(one, "count", code)
    report = verify(one, status=0)
    assert {*verdicts(report).values()} == {"identical"} and report["notes"] == []


# -- stages that do not make the same bytes


EACH_TIME = {
    "time": "import time; found['made'] = time.time()",
    "unseeded chance": "import random; found['chance'] = random.random()",
    "a set in the order of addresses": (
        "found['some'] = [made.__name__ for made in {type(c, (), {}) for c in 'abcdefgh'}]"
    ),
}


@pytest.mark.parametrize("code", EACH_TIME.values(), ids=EACH_TIME)
def test_a_stage_that_makes_other_bytes_each_time(one, code):
    mutate(one, "count", code)
    report = verify(one, status=1)
    assert verdicts(report)[COUNTS] == "differs" == report["verdict"]
    assert "likely cause: count makes other bytes each time" in told(report)


def test_a_stage_that_iterates_over_a_set_without_a_pinned_hash_seed(one):
    mutate(one, "count", "found['some'] = list(words)[:5]", pinned=False)
    report = verify(one, status=1)
    assert verdicts(report)[COUNTS] == "differs"
    assert "count makes other bytes each time" in told(report)
    assert re.search(r"data/counts.json: some\[0\]: '.*' -> '.*'", told(report))


def test_a_stage_that_writes_an_absolute_path(one):
    mutate(one, "count", "found['path'] = str(Path('data').absolute())")
    report = verify(one, status=1)
    assert f"likely cause: count writes the path of its folder into {COUNTS}" in told(report)


def test_a_stage_that_depends_on_a_hash_of_its_path(one):
    mutate(one, "count", "import zlib; found['path'] = zlib.crc32(str(Path.cwd()).encode())")
    assert "count makes other bytes each time" in told(verify(one, status=1))


WHEN = {
    "time of a file": f"found['when'] = Path({RAW!r}).stat().st_mtime_ns",
    "order of times": (
        "found['files'] = sorted((path.stat().st_mtime_ns, path.name) for path in "
        "Path('src/altruism').glob('*.py'))[0][1]"
    ),
}


@pytest.mark.parametrize("name", WHEN)
def test_a_stage_that_depends_on_when_files_were_changed(name, one):
    # As its author may have it: the last in the alphabet was written first.
    for number, path in enumerate(sorted((one.root / "src/altruism").glob("*.py"))):
        os.utime(path, (2e9 - number, 2e9 - number))
    mutate(one, "count", WHEN[name])
    os.utime(one.root / "src/altruism/count.py")
    report = verify(one, status=1)
    assert "likely cause: count depends on when the files that it reads were" in told(report)


def test_a_stage_that_depends_on_the_number_of_threads(one):
    if len(os.sched_getaffinity(0)) < 2 or not shutil.which("taskset"):
        pytest.skip("with one core, or without taskset, there is one number of threads only")
    mutate(one, "count", "import os; found['threads'] = len(os.sched_getaffinity(0))")
    assert verify(one, status=0)["verdict"] == "identical"
    core = str(min(os.sched_getaffinity(0)))
    report = verify(one, status=1, before=("taskset", "-c", core))
    assert f"{COUNTS}: threads: 2 -> 1" in told(report)
    assert "makes the same bytes each time it is run here" in told(report)


def test_a_stage_that_fails_says_why(small):
    # Its author's folder has what a clean tree has not.
    code = "import os; os.path.exists('.venv') or exec('raise OSError(\"no luck\")')"
    mutate(small, "score", code)
    report = verify(small, status=2)
    assert report["problem"] == "stage score failed: OSError: no luck"
    assert verdicts(report) == {COUNTS: "identical", MODEL: "identical", SCORES: "could not run"}


# -- records that are not what the stages made


def test_a_model_that_was_replaced(small):
    small.run("python", "-c", REFIT.format(change="model.coef_[0, 1] *= 2"))
    small.run("dvc", "commit", "--force")
    small.commit("A better model")
    report = verify(small, status=1)
    assert verdicts(report) == {COUNTS: "identical", MODEL: "differs", SCORES: "identical"}
    assert f"{MODEL}: coef_: 1 of 2 values differ, at most " in told(report)
    assert "so its recorded output was replaced after they ran" in told(report)
    kept = {path for path in (small.root / report["kept"]).rglob("*") if path.is_file()}
    assert {path.name for path in kept} == {"small.joblib"}


REFIT = """
import joblib, numpy
model = joblib.load("models/small.joblib")
{change}
joblib.dump(model, "models/small.joblib")
"""


def test_a_model_that_was_saved_again_is_the_same_model(small):
    small.run("python", "-c", REFIT.format(change=""))
    small.run("dvc", "commit", "--force")
    small.commit("The same model")
    report = verify(small, status=1)
    assert verdicts(report) == {COUNTS: "identical", MODEL: "same model", SCORES: "identical"}
    assert report["verdict"] == "same model"
    assert "only how it is written differs" in told(report)


def test_a_model_with_the_same_arrays_and_other_predictions_differs(small):
    mutate(small, "score", "found['file'] = len(open('models/small.joblib', 'rb').read())")
    small.run("python", "-c", REFIT.format(change=""))
    small.run("dvc", "commit", "--force")
    small.commit("Other predictions")
    assert verdicts(verify(small, status=1))[MODEL] == "differs"


@pytest.mark.parametrize(
    "change",
    [
        "model.coef_[0, 0] = numpy.nextafter(model.coef_[0, 0], 1)",
        "model.C = 2.0",
        "model.extra_ = 1",
        "model.classes_ = model.classes_.astype(float)",
    ],
)
def test_a_model_that_is_changed_a_little_differs(small, change):
    small.run("python", "-c", REFIT.format(change=change))
    small.run("dvc", "commit", "--force")
    small.commit("A little")
    report = verify(small, status=1)
    assert verdicts(report)[MODEL] == "differs"


def test_a_hostile_model_is_not_run(small, tmp_path):
    canary = tmp_path / "canary"
    hostile = f"import os\nclass X:\n    __reduce__ = lambda s: (os.system, ('touch {canary}',))\n"
    small.run("python", "-c", REFIT.format(change=hostile + "model.extra_ = X()"))
    small.run("dvc", "commit", "--force")
    small.commit("A hostile model")
    report = verify(small, status=1)
    assert verdicts(report)[MODEL] == "differs" and not canary.exists()
    assert "extra_" in told(report)


def edit_lock(project, path: str, everywhere: bool) -> None:
    """Give the recorded md5 of an output another first digit: at its stage, or at its users too."""
    text = project.read("dvc.lock")
    (md5,) = {*re.findall(rf"path: {path}\n      hash: md5\n      md5: (\w+)", text)}
    other = ("1" if md5[0] != "1" else "2") + md5[1:]
    at = text.rindex(md5)
    new = text.replace(md5, other) if everywhere else text[:at] + other + text[at + len(md5) :]
    project.write("dvc.lock", new)
    project.commit("An edited lock")


def test_a_hash_that_was_edited(small):
    edit_lock(small, MODEL, everywhere=True)
    report = verify(small, status=1)
    assert verdicts(report) == {COUNTS: "identical", MODEL: "differs", SCORES: "identical"}
    assert "no intact file with the recorded hash" in told(report)


def test_a_hash_that_was_edited_in_one_of_its_places(small):
    edit_lock(small, MODEL, everywhere=False)
    report = verify(small, status=2)
    behind = "dvc.lock does not describe this commit: "
    assert report["problem"].startswith(behind + MODEL)


def change_raw(project) -> None:
    """Replace the first row of the raw file."""
    text = project.read(RAW)
    project.write(RAW, text.replace('"request_text": "', '"request_text": "Changed ', 1))


def test_a_raw_input_that_changed_after_the_run(one):
    change_raw(one)
    one.run("dvc", "add", RAW)
    one.commit("Other data")
    report = verify(one, status=2)
    assert f"{RAW} has changed since stage count last ran" in report["problem"]


def test_a_raw_input_that_changed_and_was_recorded_without_a_run(one):
    change_raw(one)
    one.run("dvc", "add", RAW)
    one.run("dvc", "commit", "--force")
    one.commit("Other data, recorded")
    report = verify(one, status=1)
    assert f"{COUNTS}: words: " in told(report)
    assert "the same bytes each time" in told(report)


def test_a_raw_input_whose_stored_bytes_changed(one):
    (md5,) = re.findall(r"md5: (\w+)", one.read(RAW + ".dvc"))
    object_ = one.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    content = object_.read_bytes()
    object_.chmod(0o644)
    try:
        object_.write_bytes(content.replace(b"a", b"b", 1))
        object_.chmod(0o444)
        report = verify(one, status=2)
    finally:
        object_.chmod(0o644)
        object_.write_bytes(content)
        object_.chmod(0o444)
    assert report["problem"].startswith(
        f"cannot get {RAW}: its object {md5} is damaged in the cache"
    )


def test_an_input_that_cannot_be_written_is_not_said_to_be_unreadable(one):
    """As on a full disk: another pull would not help."""
    before = ("bash", "-c", 'ulimit -f 1000; exec "$@"', "bash")
    problem = verify(one, status=2, before=before)["problem"]
    assert problem.startswith(f"cannot get {RAW}: ")
    assert "cannot be written: File too large; fix that" in problem
    assert "make pull" not in problem and "unreadable" not in problem


def test_an_object_that_cannot_be_read_is_not_said_to_need_a_pull(one):
    (md5,) = re.findall(r"md5: (\w+)", one.read(RAW + ".dvc"))
    object_ = one.root / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    object_.rename(object_.with_name("kept"))
    object_.mkdir()
    try:
        problem = verify(one, status=2)["problem"]
    finally:
        object_.rmdir()
        object_.with_name("kept").rename(object_)
    assert "is unreadable ([Errno 21] Is a directory" in problem and problem.endswith("; fix that")


def test_a_record_made_with_another_version_of_a_package(one):
    version = "from importlib.metadata import version; found['six'] = version('six')"
    one.replace("src/altruism/count.py", MUTANT, version)
    one.run("uv", "pip", "install", "--quiet", "--python", ".venv", "six==1.16.0")
    try:
        refused = one.run("dvc", "repro", check=False)
        one.run("python", "-m", "altruism.count")
        one.run("dvc", "commit", "--force")
    finally:
        one.run("make", "env")
    assert refused.returncode and "six is 1.16.0 but requirements.lock names" in refused.stderr
    one.commit("Made by hand")
    report = verify(one, status=1)
    assert f"{COUNTS}: six: '1.16.0' -> '1.17.0'" in told(report)
    assert "another version of a package" in told(report)


def test_an_import_that_is_missing_from_the_deps(one):
    one.write("src/altruism/helper.py", "ANSWER = 41\n")
    mutate(one, "count", "from altruism.helper import ANSWER; found['answer'] = ANSWER")
    unnoticed = "count reads src/altruism/helper.py, which is not in its deps"
    assert verify(one, status=0)["notes"] == [unnoticed]
    one.write("src/altruism/helper.py", "ANSWER = 42\n")
    assert "up to date" in one.run("dvc", "repro").stdout
    one.commit("Another answer")
    report = verify(one, status=1)
    assert f"{COUNTS}: answer: 41 -> 42" in told(report)
    assert "likely cause: count reads src/altruism/helper.py, which its deps" in told(report)


def test_a_file_that_is_read_and_missing_from_the_deps(one):
    one.write("data/more.txt", "more")
    mutate(one, "count", "found['more'] = open('data/more.txt').read()")
    assert told(verify(one, status=0)) == "count reads data/more.txt, which is not in its deps"


@pytest.mark.parametrize("way", ["by its path", "by a link", "by a folder that is a link"])
def test_a_file_that_is_read_and_that_no_clone_would_hold(way, one, tmp_path):
    path = tmp_path / "more.txt"
    path.write_text("more")
    (one.root / "notes").mkdir()
    (one.root / "notes/more").symlink_to(tmp_path if "folder" in way else path)
    names = {"by its path": str(path), "by a link": "notes/more"}
    mutate(one, "count", f"found['more'] = open({names.get(way, 'notes/more/more.txt')!r}).read()")
    report = verify(one, status=2)
    assert report["problem"].startswith(f"stage count reads {path}, which the commit does not hold")


def test_a_file_in_the_home_of_its_author_is_not_there(one, tmp_path):
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/words.txt").write_text("more")
    code = "found['more'] = (Path.home() / '.cache/words.txt').read_text()"
    one.replace("src/altruism/count.py", MUTANT, code)
    one.run("dvc", "repro", HOME=str(tmp_path))
    one.commit("A mutant")
    report = verify(one, status=2, HOME=str(tmp_path))
    assert report["problem"].startswith("stage count failed: FileNotFoundError: ")


@pytest.mark.parametrize("word", ["variable", "command"])
def test_what_is_around_the_caller_does_not_reach_a_rebuild(one, word):
    tool = one.root / ".venv/bin/of-no-lock"
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    code = {
        "variable": "os.environ.get('ANSWER', '')",
        "command": "bool(shutil.which('of-no-lock'))",
    }
    mutation = f"import os, shutil; found['around'] = {code[word]}"
    one.replace("src/altruism/count.py", MUTANT, mutation)
    try:
        one.run("dvc", "repro", ANSWER="42")
        one.commit("A mutant")
        report = verify(one, status=1, ANSWER="42")
    finally:
        tool.unlink()
    differs = {"variable": "'42' -> ''", "command": "True -> False"}[word]
    assert f"{COUNTS}: around: {differs}" in told(report)


def test_an_output_or_input_that_is_a_link_out_of_the_tree_is_refused(one, tmp_path):
    precious = tmp_path / "precious.jsonl"
    precious.write_text("mine")
    (one.root / RAW).unlink()
    (one.root / RAW).symlink_to(precious)
    one.run("git", "add", "--force", RAW)
    one.run("git", "commit", "--quiet", "--message", "A link")
    assert f"{RAW} is a symbolic link to {precious}" in verify(one, status=2)["problem"]
    assert precious.read_text() == "mine"
    one.run("git", "rm", "--quiet", RAW)
    text = one.read("dvc.lock")
    one.write("dvc.lock", text.replace(f"path: {COUNTS}", f"path: {precious}"))
    one.run("git", "commit", "--quiet", "--all", "--message", "An output elsewhere")
    assert "lies outside of the project" in verify(one, status=2)["problem"]
    assert precious.read_text() == "mine"


SHAPES = {
    "wdir": ("dvc.yaml", "  count:\n", "  count:\n    wdir: data\n", "stage count has a wdir"),
    "second dvc.yaml": ("data/dvc.yaml", "", "stages: {}\n", "the stages of data/dvc.yaml"),
    "no md5": ("dvc.lock", "      md5: ", "      md5: x", "its md5 of data/counts.json is none"),
}


@pytest.mark.parametrize(("file", "old", "new", "problem"), SHAPES.values(), ids=SHAPES)
def test_what_would_not_be_rebuilt_is_refused(file, old, new, problem, one):
    path = one.root / file
    text = path.read_text() if path.exists() else ""
    # The last one, which in dvc.lock is the output's.
    head, _, tail = text.rpartition(old) if old else ("", "", "")
    one.write(file, head + new + tail)
    one.run("git", "add", "--force", file)
    one.commit("Another shape")
    assert problem in verify(one, status=2)["problem"]


def test_an_environment_whose_files_were_edited_is_made_anew(one):
    mutate(one, "count", "import six; found['six'] = six.__dict__.get('EDITED')")
    assert verify(one, status=0)["verdict"] == "identical"
    (made,) = (one.root / ".dvc/tmp/exact/environments").glob("*/lib/python3*/site-packages/six.py")
    assert made.stat().st_nlink == 1
    made.write_text(made.read_text() + "EDITED = 1\n")
    assert verify(one, status=0)["verdict"] == "identical"


def test_a_cache_of_packages_that_was_edited_is_found(one, tmp_path):
    """In a cache of its own, for an edit in place is one of all that is linked to it."""
    own = {"UV_CACHE_DIR": str(tmp_path / "cache")}
    environment = one.root / ".dvc/tmp/exact/environments"
    shutil.rmtree(environment)
    assert verify(one, status=0, **own)["verdict"] == "identical"
    shutil.rmtree(environment)
    (kept,) = (tmp_path / "cache").glob("archive-v*/*/six.py")
    kept.write_text(kept.read_text() + "# edited\n")
    assert "uv's cache was edited: six.py" in verify(one, status=2, **own)["problem"]


def test_a_stage_without_exact_run_is_named_as_the_cause(one):
    mutate(one, "count", "import os; found['tz'] = os.environ.get('TZ')", pinned=False)
    report = verify(one, status=1, TZ="Asia/Kathmandu")
    assert f"{COUNTS}: tz: None -> 'Asia/Kathmandu'" in told(report)
    assert "the command of count does not begin with `exact run`" in told(report)
