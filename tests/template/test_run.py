"""`exact run` pins, refuses and becomes the command; `make env` makes what it wants."""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import time
import venv
from pathlib import Path

import pytest
from bake import PROJECT, ROOT

pytestmark = pytest.mark.slow
HOSTILE = {
    "PYTHONHASHSEED": "random",
    "PYTHONPATH": "/nonexistent",
    "PYTHONOPTIMIZE": "2",
    "OMP_NUM_THREADS": "7",
    "GOMP_CPU_AFFINITY": "0",
    "KMP_AFFINITY": "none",
    "OPENBLAS_CORETYPE": "Prescott",
    "OPENBLAS_NUM_THREADS": "7",
    "GOTO_NUM_THREADS": "7",
    "MKL_NUM_THREADS": "7",
    "BLIS_NUM_THREADS": "7",
    "NPY_DISABLE_CPU_FEATURES": "AVX2",
    "SCIPY_ARRAY_API": "1",
    "SKLEARN_ASSUME_FINITE": "1",
    "JOBLIB_START_METHOD": "spawn",
    "LOKY_MAX_CPU_COUNT": "7",
    "PANDAS_COPY_ON_WRITE": "warn",
    "MATPLOTLIBRC": "/nonexistent",
    "LD_PRELOAD": "",
    "LD_LIBRARY_PATH": "/nonexistent",
    "GLIBC_TUNABLES": "glibc.malloc.check=0",
    "LANG": "tr_TR.UTF-8",
    "LANGUAGE": "tr",
    "LC_ALL": "C",
    "LC_NUMERIC": "de_DE.UTF-8",
    "TZ": "Asia/Kathmandu",
}
# What the README promises, spelled out here so that a change of a pin is a change of a test.
PINS = {
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "PYTHONSAFEPATH": "1",
    "PYTHONUTF8": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "OPENBLAS_CORETYPE": "Haswell",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NPY_ENABLE_CPU_FEATURES": "X86_V3",
    "SOURCE_DATE_EPOCH": "0",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
    "EXACT_CPU": "x86-64-v3",
}


def load_run():
    """The module `exact.run` where it lies in the template."""
    file = ROOT / PROJECT / "src/exact/run.py"
    spec = importlib.util.spec_from_file_location("exact_run", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


run = load_run()


@pytest.fixture(scope="module")
def other(built, tmp_path_factory):
    """A copy with its own environment for this module's tests; `spare` repairs it after each."""
    return built.copy(tmp_path_factory.mktemp("run") / "altruism")


@pytest.fixture
def spare(other):
    files = [other.root / name for name in ("requirements.lock", ".python-version", "params.yaml")]
    before = [(file, file.read_bytes(), file.stat().st_mtime_ns) for file in files]
    yield other
    for file, content, moment in before:
        file.write_bytes(content)
        # To make, a file that was mended would be newer than the environment made from it.
        os.utime(file, ns=(moment, moment))


def program(project) -> str:
    return str(project.root / ".venv/bin/exact")


def test_pins_replace_what_the_caller_set(built):
    done = subprocess.run(
        [program(built), "run", "sh", "-c", "umask; env -0"],
        cwd=built.root,
        env={**os.environ, **HOSTILE, "MINE": "kept\nas it is"},
        umask=0o077,
        capture_output=True,
        check=True,
    )
    umask, _, variables = done.stdout.decode().partition("\n")
    inside = dict(pair.split("=", 1) for pair in variables.rstrip("\0").split("\0"))
    assert umask == "0022"
    assert inside["MINE"] == "kept\nas it is"
    pins = {**PINS, "PYTHONPATH": str(built.root / "src")}
    assert {name: inside.get(name) for name in pins} == pins
    assert not (HOSTILE.keys() - pins.keys()) & inside.keys()
    assert inside["PATH"].split(os.pathsep)[0] == str(built.root / ".venv/bin")


def test_python_inside_is_the_projects_own(built):
    code = "import sys, time; print(sys.prefix, hash('a'), sys.flags.optimize, time.tzname[0])"
    lines = [
        built.run("exact", "run", "python", "-c", code, PYTHONHASHSEED=seed).stdout
        for seed in ("1", "2")
    ]
    assert lines[0] == lines[1]
    assert lines[0].startswith(str(built.root / ".venv") + " ")
    assert lines[0].endswith(" 0 UTC\n")


@pytest.mark.parametrize(
    ("command", "status", "message"),
    [
        (["true"], 0, ""),
        (["sh", "-c", "exit 3"], 3, ""),
        (["no-such-command"], 127, "exact: there is no command 'no-such-command' on PATH\n"),
        (["./README.md"], 126, "exact: './README.md' cannot be run: Permission denied\n"),
        ([], 2, "usage: exact run CMD...\n"),
        (["--verbose", "true"], 2, "usage: exact run CMD...\n"),
        (["--", "sh", "-c", "exit 3"], 3, ""),
    ],
    ids=["success", "failure", "no such command", "no program", "no command", "option", "dashes"],
)
def test_exit_status(command, status, message, built):
    done = built.run("exact", "run", *command, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", message)


def test_a_signal_reaches_the_command_itself(built):
    process = subprocess.Popen([program(built), "run", "sleep", "60"], cwd=built.root)
    try:
        ends = time.monotonic() + 30
        while Path(f"/proc/{process.pid}/comm").read_text() != "sleep\n":
            assert process.poll() is None and time.monotonic() < ends
            time.sleep(0.02)
        process.terminate()
        assert process.wait(10) == -signal.SIGTERM
    finally:
        process.kill()
        process.wait()


def test_no_signal_is_ignored_that_the_bare_command_would_heed(built):
    def ignored(*before):
        words = [*before, "grep", "SigIgn", "/proc/self/status"]
        return subprocess.run(words, cwd=built.root, capture_output=True, check=True).stdout

    assert ignored(program(built), "run") == ignored()


def test_streams_pass_through_as_bytes(built):
    every = bytes(range(256)) * 300
    done = subprocess.run(
        [program(built), "run", "sh", "-c", r"cat; printf '\377error' >&2"],
        cwd=built.root,
        input=every,
        capture_output=True,
        check=True,
    )
    assert done.stdout == every
    assert done.stderr == b"\xfferror"


def test_works_in_a_folder_of_the_project(built):
    folder = built.root / "src/altruism"
    assert built.run("exact", "run", "pwd", cwd=folder).stdout == f"{folder}\n"


@pytest.mark.parametrize("locale", ["C", "POSIX", "tr_TR.UTF-8", "C.UTF-8"])
def test_works_where_the_locale_cannot_spell_the_folder(locale, built):
    built.run("exact", "run", "python", "-c", "import altruism.train", LC_ALL=locale)


def refusal(project, **where) -> str:
    """What `exact run` says instead of running the command; 78 means another environment."""
    done = project.run("exact", "run", "echo", "ran", check=False, **where)
    assert (done.returncode, done.stdout) == (78 if "`make env`" in done.stderr else 1, "")
    assert done.stderr.startswith("exact: ") and done.stderr.count("\n") == 1
    return done.stderr.removeprefix("exact: ").rstrip("\n")


def locked_version(project, name: str) -> str:
    return re.search(rf"^{name}==([^\s;]+)", project.read("requirements.lock"), re.M)[1]


def test_refuses_another_environment_and_names_every_difference(spare):
    numpy, joblib = (locked_version(spare, name) for name in ("numpy", "joblib"))
    python = "{}.{}".format(*spare.run("python", "-V").stdout.split()[1].split(".")[:2])
    spare.replace("requirements.lock", f"\nnumpy=={numpy}", "\nnumpy==0.1")
    spare.write(".python-version", "3.99\n")
    (folder,) = spare.root.glob(".venv/lib/python*/site-packages/joblib-*.dist-info")
    hidden = folder.rename(folder.with_suffix(".hidden"))
    try:
        told = refusal(spare)
    finally:
        hidden.rename(folder)
    assert told.split("; ") == [
        f"Python is {python} but .python-version names 3.99",
        f"joblib is not installed but requirements.lock names {joblib}",
        f"numpy is {numpy} but requirements.lock names 0.1",
        "run `make env`",
    ]


def test_refuses_a_package_that_no_lock_names(spare):
    (folder,) = spare.root.glob(".venv/lib/python*/site-packages/joblib-*.dist-info")
    stranger = folder.with_name("stranger-1.2.dist-info")
    stranger.mkdir()
    try:
        told = refusal(spare)
    finally:
        stranger.rmdir()
    assert told == "stranger 1.2 is installed but no lock names it; run `make env`"


def test_runs_in_the_copies_that_dvc_makes_for_experiments(built, tmp_path):
    copy = built.root / ".dvc/tmp/exps/standalone/one"
    shutil.copytree(built.root / "src", copy / "src")
    locks = ("requirements.lock", "requirements-dev.lock", ".python-version", "pyproject.toml")
    for name in ("dvc.yaml", "params.yaml", *locks):
        shutil.copy(built.root / name, copy)
    try:
        code = "import altruism; print(altruism.__file__)"
        told = built.run("exact", "run", "python", "-c", code, cwd=copy).stdout
    finally:
        shutil.rmtree(built.root / ".dvc/tmp/exps")
    assert told == f"{copy}/src/altruism/__init__.py\n"


def test_refuses_to_run_outside_a_project(built, tmp_path):
    told = f"{tmp_path} is not in a project with a src/exact/run.py"
    assert refusal(built, cwd=tmp_path) == told


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("  cpu: x86-64-v9", "names 'x86-64-v9'"),
        ("  gpu: x86-64-v3", "is missing"),
        ("  cpu:", "is missing"),
        ("other:\n  cpu: x86-64-v3", "is missing"),
    ],
    ids=["unknown", "missing", "empty", "elsewhere"],
)
def test_refuses_a_cpu_level_that_it_has_no_pins_for(line, told, spare):
    text, count = re.subn(r"^  cpu: x86-64-v3.*$", line, spare.read("params.yaml"), flags=re.M)
    assert count == 1
    spare.write("params.yaml", text)
    choices = "set it to one of: x86-64-v3, x86-64-v2"
    assert refusal(spare) == f"exact.cpu in params.yaml {told}; {choices}"


@pytest.mark.parametrize("line", ['  cpu: "x86-64-v2"', "  # why\n\n  cpu: 'x86-64-v2' # old"])
def test_reads_the_cpu_level_as_yaml_does(line):
    assert run.wanted_cpu(f"first: 1\nexact:\n{line}\nlast: 2\n") == "x86-64-v2"


NEW = "processor\t: 0\nflags\t\t: fpu avx2 bmi1 bmi2 f16c fma movbe popcnt sse4_1 sse4_2 ssse3\n"


def test_refuses_a_cpu_that_lacks_an_instruction_set():
    run.check_cpu("x86-64-v3", NEW)
    older = NEW.replace(" avx2", "").replace(" fma", "")
    with pytest.raises(run.Refused) as refused:
        run.check_cpu("x86-64-v3", older)
    assert str(refused.value) == (
        "this CPU is older than x86-64-v3 (it lacks avx2, fma); set exact.cpu to x86-64-v2"
    )
    run.check_cpu("x86-64-v2", older)
    with pytest.raises(run.Refused, match=r"older than x86-64-v2 \(it lacks sse4_2\)$"):
        run.check_cpu("x86-64-v2", older.replace(" sse4_2", ""))
    run.check_cpu("x86-64-v3", "processor\t: 0\nFeatures\t: fp asimd\n")


@pytest.mark.parametrize("words", [[], ["rum"], ["--unknown"]])
def test_an_unknown_word_gets_the_usage(words, built):
    done = built.run("exact", *words, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: exact [-h] [--version]")
    # The wheel of the project, with its hash.
    version = built.run("exact", "--version").stdout
    assert re.fullmatch(r"exact-model \d+\.\d+\.\d+ \(sha256:[0-9a-f]{64}\)\n", version)


def stale(project) -> Path:
    """A file that is gone once the environment has been made anew."""
    marker = project.root / ".venv/marker"
    marker.touch()
    return marker


def test_make_env_remakes_the_environment_only_when_it_is_stale(spare):
    marker = stale(spare)
    spare.run("make", "env")
    assert marker.exists()
    (spare.root / "requirements.lock").touch()
    spare.run("make", "env")
    assert not marker.exists()
    spare.run("exact", "run", "true")


def test_make_env_remakes_an_environment_that_lacks_a_package(spare):
    (folder,) = spare.root.glob(".venv/lib/python*/site-packages/joblib-*.dist-info")
    shutil.rmtree(folder)
    assert refusal(spare).endswith("; run `make env`")
    spare.run("make", "env")
    spare.run("exact", "run", "true")


def test_make_env_remakes_an_environment_that_moved(spare):
    here = spare.root
    moved = type(spare)(here.rename(here.with_name("moved")))
    try:
        moved.run("make", "env")
        done = moved.run("exact", "run", "python", "-c", "import exact; print(exact.__file__)")
        assert done.stdout == f"{moved.root}/src/exact/__init__.py\n"
    finally:
        moved.root.rename(here)
        spare.run("make", "env")


def test_dvc_shares_no_cache_with_other_users_of_the_machine(built):
    told = built.run("dvc", "doctor").stdout
    assert f"\nRepo.site_cache_dir: {built.root}/.dvc/tmp/site/" in told


def test_make_makes_a_missing_environment_and_leaves_the_active_one_alone(spare, tmp_path):
    shutil.rmtree(spare.root / ".venv")
    active = tmp_path / "active"
    venv.create(active, symlinks=True)
    before = sorted(active.rglob("*"))
    # Any Python that heeds PYTHONPATH stops at once.
    (tmp_path / "sitecustomize.py").write_text("import os; os._exit(99)\n")
    spare.run(
        "make",
        PATH=f"{active}/bin{os.pathsep}{os.environ['PATH']}",
        VIRTUAL_ENV=str(active),
        CONDA_PREFIX=str(active),
        PYTHONPATH=str(tmp_path),
    )
    assert sorted(active.rglob("*")) == before
    spare.run("exact", "run", "true")


@pytest.mark.long
def test_make_env_works_on_a_machine_without_uv_and_without_a_home(built, tmp_path):
    # Under the obscure name again, since here pip and venv have to bear it too.
    bare = type(built)(tmp_path / built.root.parent.name / "altruism")
    ignore = shutil.ignore_patterns(".venv", ".git", "cache")
    shutil.copytree(built.root, bare.root, symlinks=True, ignore=ignore)
    folders = os.environ["PATH"].split(os.pathsep)
    path = os.pathsep.join(folder for folder in folders if not (Path(folder) / "uv").exists())
    bare.run("make", "env", PATH=path, HOME="/proc/nobody", XDG_CACHE_HOME="")
    assert (bare.root / ".uv/bin/uv").exists()
    bare.run("exact", "run", "python", "-c", "import sklearn")
