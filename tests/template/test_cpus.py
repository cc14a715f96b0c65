"""Every kind of model and feature is the same bytes on every x86-64 CPU, and no pin is idle.

`.ci/qemu` brings the other CPUs. What a kind is, and how few rows it has, tests/every_kind.py says.
"""

import functools
import json
import os
import platform
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from bake import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.exhaustive,
    pytest.mark.skipif(
        (platform.system(), platform.machine()) != ("Linux", "x86_64"),
        reason="the promise is for Linux on x86-64",
    ),
]
DRIVER = ROOT / "tests/every_kind.py"
MODEL = "models/model.joblib"
V3, V2 = "x86-64-v3", "x86-64-v2"
EMULATED = {V3: ("Haswell", "EPYC-Rome"), V2: ("Nehalem", "SandyBridge", "Haswell")}
# The flag in /proc/cpuinfo that stands for all of a level's.
NEEDED = {V3: "avx2", V2: "sse4_2"}
CPUINFO = Path("/proc/cpuinfo")


def every_kind(project, level: str, folder: Path, *before, kinds=(), **environ) -> dict[str, dict]:
    """The md5 of every output by kind, made in `folder` by the command `before` and Python."""
    params = project.read("params.yaml")
    at_level = re.sub(r"(?m)^  cpu: x86-64-v\d", f"  cpu: {level}", params)
    if at_level != params:
        project.write("params.yaml", at_level)
    words = ("exact", "run", *before, project.root / ".venv/bin/python", DRIVER, folder, *kinds)
    return json.loads(project.run(*words, **environ).stdout)


def require(need: str) -> None:
    """Skip where the CPU has no such flag, or not so many cores are ours."""
    if need.endswith(" cores"):
        lacking = len(os.sched_getaffinity(0)) < int(need.split()[0])
    else:
        lacking = need not in re.search(r"(?m)^flags.*", CPUINFO.read_text())[0].split()
    if lacking:
        pytest.skip(f"this machine has no {need}")


def differences(found: dict, wanted: dict) -> dict[str, list[str]]:
    """The outputs that differ, by kind."""
    assert found.keys() == wanted.keys()
    differing = {
        kind: [name for name in wanted[kind] if found[kind][name] != wanted[kind][name]]
        for kind in wanted
    }
    return {kind: names for kind, names in differing.items() if names}


@pytest.fixture(scope="module")
def work(built, tmp_path_factory):
    return built.copy(tmp_path_factory.mktemp("cpus") / "altruism")


@pytest.fixture(scope="module")
def native(work, tmp_path_factory):
    """A function that gives what this machine's own CPU makes at a level, by kind."""

    @functools.cache
    def made(level: str) -> dict[str, dict]:
        require(NEEDED[level])
        return every_kind(work, level, tmp_path_factory.mktemp("native") / level)

    return made


@pytest.fixture(scope="module")
def qemu() -> str:
    done = subprocess.run([ROOT / ".ci/qemu"], capture_output=True, text=True)
    if done.returncode:
        reason = f".ci/qemu: {done.stderr.strip().splitlines()[-1]}"
        # A machine that is there to test must not pass for want of what it tests with.
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return done.stdout.strip()


def in_parallel(function, items) -> dict:
    """What `function` gives for each of `items`, on all cores at once."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(items, pool.map(function, items), strict=True))


@pytest.mark.parametrize("level", EMULATED)
def test_each_kind_is_another_model(level, native):
    """So none of the parameters that make a kind was without effect."""
    assert len({made[MODEL] for made in native(level).values()}) == len(native(level)) > 12


# An emulated run takes one core and, where it has that to itself, a minute and a half.
@pytest.mark.parametrize("level", EMULATED)
def test_every_cpu_of_the_level_makes_the_same(level, native, work, qemu, tmp_path):
    wanted = native(level)

    def differing(cpu):
        return differences(every_kind(work, level, tmp_path / cpu, qemu, "-cpu", cpu), wanted)

    assert in_parallel(differing, EMULATED[level]) == {cpu: {} for cpu in EMULATED[level]}


# What a caller may ask for to get other code.
CALLERS = {
    "the oldest code": {
        "OPENBLAS_CORETYPE": "Prescott",
        "NPY_ENABLE_CPU_FEATURES": "",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX512F,-AVX2,-AVX,-FMA,-FMA4,-SSE4_2",
    },
    "the code of SSE4.2": {
        "OPENBLAS_CORETYPE": "Nehalem",
        "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4",
    },
    "the newest code, two threads": {
        "OPENBLAS_CORETYPE": "SkylakeX",
        "NPY_ENABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
        "OPENBLAS_NUM_THREADS": "2",
        "OMP_NUM_THREADS": "2",
    },
}


@pytest.mark.parametrize("level", EMULATED)
def test_a_caller_who_asks_for_other_code_gets_the_same(level, native, work, tmp_path):
    wanted = native(level)

    def differing(caller):
        return differences(every_kind(work, level, tmp_path / caller, **CALLERS[caller]), wanted)

    assert in_parallel(differing, CALLERS) == {caller: {} for caller in CALLERS}


# At a level, a pin, what it is changed to (nothing: left out), a kind whose model then differs, and
# what this machine must have for that.
PINS = [
    (V3, "OPENBLAS_CORETYPE", "Nehalem", "lbfgs on characters", "avx2"),
    (V3, "NPY_ENABLE_CPU_FEATURES", "", "naive Bayes on characters", "avx512bw"),
    (V3, "OMP_NUM_THREADS", "2", "hist_gradient_boosting", "2 cores"),
    (V3, "OPENBLAS_NUM_THREADS", "2", "lbfgs on characters", "2 cores"),
    (V2, "OPENBLAS_CORETYPE", "Haswell", "lbfgs on characters", "avx2"),
    (V2, "NPY_ENABLE_CPU_FEATURES", "", "naive Bayes on characters", "avx512bw"),
    (V2, "GLIBC_TUNABLES", "", "logistic_regression", "fma"),
]


@pytest.mark.parametrize(
    ("level", "pin", "value", "kind", "need"),
    [pytest.param(*line, id=f"{line[0]}-{line[1]}") for line in PINS],
)
def test_without_a_pin_a_model_differs(pin, value, kind, need, level, native, work, tmp_path):
    require(need)
    changed = [f"{pin}={value}"] if value else ["-u", pin]
    (found,) = every_kind(work, level, tmp_path / "made", "env", *changed, kinds=[kind]).values()
    assert found[MODEL] != native(level)[kind][MODEL]


def test_without_the_pins_an_older_cpu_makes_another_model(work, qemu, tmp_path):
    require("avx2")
    bare = ("env", "-u", "OPENBLAS_CORETYPE", "-u", "NPY_ENABLE_CPU_FEATURES")
    kinds = ["logistic_regression", "lbfgs on characters"]
    here = every_kind(work, V3, tmp_path / "here", *bare, kinds=kinds)
    there = every_kind(work, V3, tmp_path / "there", *bare, qemu, "-cpu", "Nehalem", kinds=kinds)
    assert [kind for kind in kinds if here[kind][MODEL] == there[kind][MODEL]] == []


# -- a CPU that is older than the level

OLDER = "processor\t: 0\nflags\t\t: fpu sse sse2 ssse3 sse4_1 sse4_2 popcnt avx\n"
TOLD = "this CPU is older than x86-64-v3 (it lacks avx2, bmi1, bmi2, f16c, fma, movbe); "
TOLD += "set exact.cpu to x86-64-v2"


@pytest.fixture
def older(tmp_path) -> list[str]:
    """The words that run a command where /proc/cpuinfo tells of a CPU without AVX2."""
    fake = tmp_path / "cpuinfo"
    fake.write_text(OLDER)
    script = 'mount --bind "$0" /proc/cpuinfo && exec "$@"'
    words = ["unshare", "--mount", "sh", "-c", script, str(fake)]
    if not shutil.which("unshare"):
        pytest.skip("there is no unshare here to hide the real CPU with")
    if subprocess.run([*words, "true"], capture_output=True).returncode:
        pytest.skip("only a user who may mount can hide the real CPU")
    return words


def test_an_older_cpu_is_refused_in_one_sentence_that_names_what_helps(project, older):
    done = project.run(*older, "exact", "run", "echo", "ran", check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"exact: {TOLD}\n")
    before = project.read("dvc.lock"), (project.root / MODEL).read_bytes()
    done = project.run(*older, "dvc", "repro", "--force", check=False)
    assert done.returncode and done.stderr.count(f"exact: {TOLD}\n") == 1
    assert "Traceback" not in done.stderr and "Running stage 'featurize'" not in done.stdout
    assert before == (project.read("dvc.lock"), (project.root / MODEL).read_bytes())
    project.replace("params.yaml", "cpu: x86-64-v3 ", "cpu: x86-64-v2 ")
    assert project.run(*older, "exact", "run", "echo", "ran").stdout == "ran\n"
