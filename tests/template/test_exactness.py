"""The same bytes, whoever builds the bundled sample's model, where, and under which settings.

`tests/golden/md5.json` holds the md5 of every output and of the model of every estimator, so that
each machine that runs these tests is compared with all others. Run this file to renew it.
"""

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
import yaml
from bake import bake
from golden import GOLDEN
from projects import Project

pytestmark = pytest.mark.slow
FILE = GOLDEN / "md5.json"
RENEW = "if this is meant, run `make golden` and commit the diff"
STAGES = ("prepare", "featurize", "train", "evaluate")
MODEL = "models/model.joblib"
RAW = "data/raw/requests.jsonl"
STRANGER = 12345

# A caller's settings that reach into arithmetic.
NUMBERS = {
    "PYTHONHASHSEED": "12345",
    "PYTHONOPTIMIZE": "2",
    "OPENBLAS_CORETYPE": "Prescott",
    "OPENBLAS_NUM_THREADS": "2",
    "OMP_NUM_THREADS": "2",
    "MKL_NUM_THREADS": "2",
    "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3",
    "NPY_PROMOTION_STATE": "legacy",
    "SKLEARN_ASSUME_FINITE": "1",
    "SKLEARN_WORKING_MEMORY": "1",
    "SKLEARN_ENABLE_METADATA_ROUTING": "1",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4",
    "LOKY_MAX_CPU_COUNT": "1",
}
# And those that reach into dates, file names, texts and pictures.
SURROUNDINGS = {
    "TZ": "Asia/Kathmandu",
    "LANG": "tr_TR.UTF-8",
    "LC_ALL": "C",
    "LC_NUMERIC": "de_DE.UTF-8",
    "PYTHONIOENCODING": "ascii",
    "PYTHONUTF8": "0",
    "SOURCE_DATE_EPOCH": "1700000000",
    "MPLBACKEND": "svg",
    "USER": "somebody",
}
MATPLOTLIBRC = "lines.linewidth: 9\nfont.family: monospace\nsvg.fonttype: none\nfigure.dpi: 30\n"


def golden() -> dict:
    return json.loads(FILE.read_text(encoding="utf-8"))


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def md5s(project) -> dict[str, str]:
    """The md5 of every output of the four stages."""
    stages = yaml.safe_load(project.read("dvc.yaml"))["stages"].values()
    outs = [out for stage in stages for out in stage["outs"] + stage.get("metrics", [])]
    names = [out if isinstance(out, str) else [*out][0] for out in outs]
    return {name: md5(project.root / name) for name in names}


def run_stages(project, *before, stages=STAGES, **environ) -> None:
    """What `dvc repro --force` runs, without the second that DVC itself takes for each stage."""
    (code,) = project.root.glob("src/*/train.py")
    for stage in stages:
        words = ("exact", "run", "python", "-m", f"{code.parent.name}.{stage}")
        project.run(*before, *words, **environ)


def estimators(project) -> list[str]:
    """All that train.estimator may be: each has its parameters in params.yaml."""
    train = yaml.safe_load(project.read("params.yaml"))["train"]
    return [name for name in train if name != "estimator"]


def fit(project, estimator: str, **environ) -> Path:
    """Fit another estimator to the features that lie there; returns the file of the model."""
    before = project.read("params.yaml")
    chosen = re.sub(r"(?m)^  estimator: \w+", f"  estimator: {estimator}", before)
    try:
        project.write("params.yaml", chosen)
        run_stages(project, stages=["train"], **environ)
    finally:
        project.write("params.yaml", before)
    return project.root / MODEL


def renew() -> None:
    """Write the golden md5s anew."""
    with tempfile.TemporaryDirectory() as folder:
        project = Project(bake(Path(folder)))
        project.run("make")
        found = {"outputs": md5s(project)}
        found["models"] = {name: md5(fit(project, name)) for name in estimators(project)}
    text = json.dumps(found, indent=2, sort_keys=True) + "\n"
    FILE.write_text(text, encoding="utf-8", newline="\n")


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    """The same project in another folder, under other names, built by `make`."""
    folder = tmp_path_factory.mktemp("exactness")
    names = {"project_name": "Zweites Büro", "project_slug": "other-2", "package_name": "bureau"}
    project = Project(bake(folder, **names, description="Another one", author="O'Brien 李明"))
    # The card says what the model is for, and which file of data it is from.
    use = "Predicts whether a request for a free pizza succeeds."
    project.replace("params.yaml", 'intended_use: "Another one."', f'intended_use: "{use}"')
    project.run("make")
    return project


def assert_exact(project, but: str | None = None) -> None:
    """Every output is the golden one; the first in the order of the stages is named first."""
    found, wanted = md5s(project), golden()["outputs"]
    assert found.keys() == wanted.keys(), RENEW
    assert [name for name in found if found[name] != wanted[name] and name != but] == [], RENEW


def empty(project) -> None:
    """Remove all outputs, so that what is compared was made by the test."""
    for name in md5s(project):
        (project.root / name).unlink()


def test_in_a_folder_with_an_obscure_name(built):
    assert_exact(built)


def test_under_another_name_in_another_folder(twin):
    assert_exact(twin)


@pytest.mark.long
def test_with_a_callers_settings_of_arithmetic_on_one_core(twin):
    empty(twin)
    # The first of the cores that this process may use; where there is no taskset, on all of them.
    core = str(min(os.sched_getaffinity(0)))
    one_core = ["taskset", "-c", core] if shutil.which("taskset") else []
    run_stages(twin, *one_core, **NUMBERS)
    assert_exact(twin)


@pytest.mark.long
def test_with_a_callers_locale_time_zone_umask_and_matplotlibrc(twin, tmp_path):
    empty(twin)
    home = tmp_path / "home"
    settings = home / ".config/matplotlib/matplotlibrc"
    settings.parent.mkdir(parents=True)
    settings.write_text(MATPLOTLIBRC)
    shutil.copy(settings, twin.root)
    where = {
        "HOME": str(home),
        "MPLCONFIGDIR": str(settings.parent),
        "MATPLOTLIBRC": str(settings),
        "XDG_CONFIG_HOME": str(home / ".config"),
    }
    umask = os.umask(0o077)
    try:
        run_stages(twin, **SURROUNDINGS, **where)
    finally:
        os.umask(umask)
        (twin.root / "matplotlibrc").unlink()
    assert_exact(twin)
    assert {(twin.root / name).stat().st_mode & 0o777 for name in md5s(twin)} == {0o644}


def test_in_one_process_that_is_no_stage(twin):
    empty(twin)
    code = "; ".join(f"bureau.{stage}.main()" for stage in STAGES)
    code = f"import {', '.join(f'bureau.{stage}' for stage in STAGES)}; {code}"
    twin.run("exact", "run", "python", "-c", code)
    assert_exact(twin)


@pytest.mark.long
def test_with_rows_and_keys_in_another_order(twin):
    empty(twin)
    before = twin.read(RAW)
    rows = [list(json.loads(line).items()) for line in before.splitlines()]
    chance = random.Random(1)
    chance.shuffle(rows)
    for row in rows:
        chance.shuffle(row)
    twin.write(RAW, "".join(json.dumps(dict(row)) + "\n" for row in rows))
    try:
        run_stages(twin)
    finally:
        twin.write(RAW, before)
    # Which names the hash of the file.
    assert_exact(twin, but="reports/model_card.md")


def as_stranger(*words) -> list[str]:
    """The command that runs `words` as a user who is not root."""
    return ["setpriv", f"--reuid={STRANGER}", f"--regid={STRANGER}", "--clear-groups", *words]


def strangers_python(version: str) -> str:
    """A folder with a Python that any user may run; skips where there is none."""
    own = "import ensurepip, sys; sys.exit(sys.prefix != sys.base_prefix)"
    for folder in [*os.environ["PATH"].split(os.pathsep), "/usr/local/bin", "/usr/bin"]:
        python = f"{folder}/python{version}"
        if os.path.exists(python):
            probe = as_stranger(python, "-c", own)
            if not subprocess.run(probe, cwd="/", capture_output=True).returncode:
                return folder
    pytest.skip(f"no Python {version} here may be run by another user than root")


@pytest.mark.long
def test_as_another_user(built):
    if os.getuid() or not shutil.which("setpriv"):
        pytest.skip("only root, with setpriv, can become another user")
    python = strangers_python(built.read(".python-version").strip())
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        project = Project(Path(folder) / "altruism")
        ignore = shutil.ignore_patterns(".venv")
        shutil.copytree(built.root, project.root, symlinks=True, ignore=ignore)
        subprocess.run(["chown", "-R", str(STRANGER), folder], check=True)
        # git lets root into another user's repository where it is told to.
        trust = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory"}
        path = f"{python}{os.pathsep}{os.environ['PATH']}"
        project.run("make", "env", PATH=path, **trust, GIT_CONFIG_VALUE_0="*")
        empty(project)
        (project.root / "dvc.lock").unlink()
        # Nor has this user a name, like one of a container that is run with a bare number.
        nameless = ("env", "-u", "USER", "-u", "LOGNAME", "-u", "LNAME", "-u", "USERNAME")
        project.run(*as_stranger(*nameless, "make"), HOME=folder)
        assert_exact(project)
        assert (project.root / MODEL).stat().st_uid == STRANGER


@pytest.mark.long
def test_the_cpu_level_is_recorded_and_another_one_rebuilds(twin):
    lock = yaml.safe_load(twin.read("dvc.lock"))["stages"]
    cpus = {stage: lock[stage]["params"]["params.yaml"]["exact"]["cpu"] for stage in STAGES}
    assert cpus == dict.fromkeys(STAGES, "x86-64-v3")
    twin.replace("params.yaml", "cpu: x86-64-v3 ", "cpu: x86-64-v2 ")
    try:
        told = twin.run("dvc", "repro").stdout
        inside = twin.run("exact", "run", "env").stdout.splitlines()
    finally:
        twin.replace("params.yaml", "cpu: x86-64-v2 ", "cpu: x86-64-v3 ")
    assert re.findall(r"^Running stage '(\w+)'", told, re.M) == [*STAGES]
    assert {
        "OPENBLAS_CORETYPE=Nehalem",
        "NPY_ENABLE_CPU_FEATURES=X86_V2",
        "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4",
        "EXACT_CPU=x86-64-v2",
    } <= {*inside}
    lock = yaml.safe_load(twin.read("dvc.lock"))["stages"]
    assert lock["train"]["params"]["params.yaml"]["exact"]["cpu"] == "x86-64-v2"


# -- the models of all estimators


@pytest.fixture(scope="module")
def fitted(built, tmp_path_factory):
    """A function that gives the file of an estimator's model, fitted under hostile settings."""
    folder = tmp_path_factory.mktemp("models")
    project = built.copy(folder / "altruism")

    def model(estimator: str) -> Path:
        file = folder / f"{estimator}.joblib"
        if not file.exists():
            shutil.move(fit(project, estimator, **NUMBERS), file)
        return file

    return model


ESTIMATORS = (
    "logistic_regression",
    "multinomial_nb",
    "complement_nb",
    "random_forest",
    "hist_gradient_boosting",
    "sgd",
)
# Names the module of everything that a pickle calls by name.
GLOBALS = """
import pickle, sys

class Reader(pickle.Unpickler):
    def find_class(self, module, name):
        print(module)
        return super().find_class(module, name)

with open(sys.argv[1], "rb") as file:
    Reader(file).load()
"""


def test_all_estimators_are_tested(built):
    assert sorted(golden()["models"]) == sorted(ESTIMATORS) == sorted(estimators(built))
    assert golden()["models"]["logistic_regression"] == golden()["outputs"][MODEL]


@pytest.mark.long
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_every_estimator_is_exact_and_needs_scikit_learn_alone(estimator, fitted, built):
    file = fitted(estimator)
    assert md5(file) == golden()["models"][estimator], RENEW
    modules = {*built.run("python", "-c", GLOBALS, file).stdout.split()}
    assert any(module.startswith("sklearn.") for module in modules)
    roots = {module.partition(".")[0] for module in modules}
    assert roots <= {"sklearn", "numpy", "scipy", "builtins", "copyreg"}


# What a model needs where it is used; `uv pip check` tells when one of them wants another.
USED = {"joblib", "cloudpickle", "narwhals", "numpy", "pandas", "python-dateutil", "scikit-learn"}
USED |= {"scipy", "six", "threadpoolctl", "tzdata"}
PREDICT = """
import json, sys
import joblib, pandas

model = joblib.load(sys.argv[1])
rows = [json.loads(line)["row"] for line in open(sys.argv[2], encoding="utf-8")]
for given in (rows, pandas.DataFrame(rows)):
    print(json.dumps([model.predict(given).tolist(), model.predict_proba(given)[:, 1].tolist()]))
"""


@pytest.mark.long
def test_model_predicts_where_there_is_only_scikit_learn_and_pandas(built, tmp_path):
    blocks = re.split(r"\n(?=\S)", built.read("requirements.lock"))
    subset = [block for block in blocks if block.partition("==")[0] in USED]
    (tmp_path / "subset.lock").write_text("\n".join(subset) + "\n")
    version = built.read(".python-version").strip()
    built.run("uv", "venv", "--quiet", "--python", version, tmp_path / "venv")
    pip = ("uv", "pip", "--quiet")
    python = ("--python", tmp_path / "venv")
    hashed = ("install", "--no-deps", "--require-hashes", "--requirement", tmp_path / "subset.lock")
    built.run(*pip, *hashed, *python)
    built.run(*pip, "check", *python)
    shutil.copy(built.root / MODEL, tmp_path)
    words = (
        "-I",
        "-c",
        PREDICT,
        tmp_path / "model.joblib",
        built.root / "data/prepared/test.jsonl",
    )
    told = built.run(tmp_path / "venv/bin/python", *words, cwd=tmp_path).stdout.splitlines()
    recorded = [json.loads(line) for line in built.read("reports/predictions.jsonl").splitlines()]
    assert len(told) == 2 and len(recorded) > 100
    for predicted, scores in map(json.loads, told):
        # As the data has its labels: true, and not the text by which a report calls it.
        assert predicted == [row["predicted"] == "true" for row in recorded]
        # Without the pins of `exact run`, the last digits may be another CPU's.
        assert scores == pytest.approx([row["score"] for row in recorded], abs=1e-9)


if __name__ == "__main__":
    renew()
