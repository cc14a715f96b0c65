"""No variable and no setting of the caller's changes what a command does; those that say where
things are reach what needs them.
"""

import os
import re
from pathlib import Path

import pytest
from bake import bake
from projects import Project
from wheels import wheel

# Each stops, misleads or floods some command that it reaches.
HOSTILE = {
    "PYTHON": """
        OPTIMIZE=2 HOME=/nowhere PATH=/nowhere PLATLIBDIR=x HASHSEED=abc WARNINGS=error INSPECT=1
        STARTUP=/nowhere MALLOC=debug UTF8=0 IOENCODING=ascii VERBOSE=1 DEVMODE=1 SAFEPATH=1
        INTMAXSTRDIGITS=x BREAKPOINT=x TRACEMALLOC=x PROFILEIMPORTTIME=1 CASEOK=1
    """,
    "PIP_": """
        USER=1 TARGET=/nowhere PREFIX=/nowhere ROOT=/nowhere REQUIRE_VIRTUALENV=1 DRY_RUN=1
        CONSTRAINT=/nowhere REQUIREMENT=/nowhere NO_BINARY=:all: QUIET=x PYTHON=/nowhere PLATFORM=x
    """,
    "UV_": """
        REQUIRE_HASHES=1 SYSTEM_PYTHON=x PROJECT_ENVIRONMENT=/nowhere CONSTRAINT=/nowhere
        OVERRIDE=/nowhere EXCLUDE_NEWER=2000-01-01 PRERELEASE=x RESOLUTION=x COMPILE_BYTECODE=x
        PROJECT=/nowhere WORKING_DIR=/nowhere PYTHON=3.99 ENV_FILE=/nowhere NO_CONFIG=x
        BUILD_CONSTRAINT=/nowhere NO_BINARY=1 NO_BUILD=1 TARGET=/nowhere UPGRADE=1 FORK_STRATEGY=x
    """,
    "GIT_": """
        DIR=/nowhere WORK_TREE=/nowhere INDEX_FILE=/nowhere COMMON_DIR=/nowhere TRACE=1 NAMESPACE=x
        OBJECT_DIRECTORY=/nowhere LITERAL_PATHSPECS=1 GLOB_PATHSPECS=1 ICASE_PATHSPECS=1
        EXTERNAL_DIFF=/nowhere PAGER=/nowhere CONFIG_PARAMETERS=x DEFAULT_HASH=x CONFIG=/nowhere
        EXEC_PATH=/nowhere TEMPLATE_DIR=/nowhere ATTR_SOURCE=x SHALLOW_FILE=/nowhere
        ALTERNATE_OBJECT_DIRECTORIES=/nowhere REPLACE_REF_BASE=x TRACE2=1 CURL_VERBOSE=1
    """,
    "DVC_": """
        ROOT=/nowhere STAGE=x TEST=true LOGLEVEL=bogus SITE_CACHE_DIR=/nowhere PAGER=/nowhere
        IGNORE_ISATTY=1 SHOW_TRACEBACK=1 EXP_NAME=x SQLALCHEMY_ECHO=1 EXP_BASELINE_REV=x
    """,
}
VARIABLES = {
    family: dict((family + pair).split("=", 1) for pair in pairs.split())
    for family, pairs in HOSTILE.items()
}
COMMANDS = """
exact
exact --help
exact run true
exact run python -m altruism.predict --help
exact venv
exact which models/model.joblib
exact compare --log
exact verify --quick
exact vary --help
exact vary --list
exact release x
exact push
exact data
exact merge
exact pre-push
make env
make
make push
make pull
make metrics
make plots
make lint
make hooks
""".strip().splitlines()


@pytest.fixture(scope="module")
def pushed(built, tmp_path_factory) -> Project:
    """A copy whose data and models are on its remote."""
    project = built.copy(tmp_path_factory.mktemp("variables") / "altruism")
    project.run("make", "push")
    return project


@pytest.fixture(scope="module")
def usual(pushed) -> dict:
    """What each command says and answers where nobody has set anything."""
    return {command: outcome(pushed, command) for command in COMMANDS}


def outcome(project, command: str, **environ: str) -> tuple[int, str, str]:
    done = project.run(*command.split(), check=False, **environ)
    # Both are about the moment: where the hook lies is told, and how long something took.
    return done.returncode, re.sub(r"[\d.]+ ?m?s\b", "", done.stdout), done.stderr


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_answers_as_ever(command, pushed, usual):
    hostile = {name: value for family in VARIABLES.values() for name, value in family.items()}
    assert outcome(pushed, command, **hostile) == usual[command]
    assert "Traceback" not in usual[command][2]


@pytest.mark.slow
@pytest.mark.parametrize("family", VARIABLES)
def test_every_family_alone_leaves_make_and_exact_alone(family, pushed, usual):
    """One that harms could be hidden by one that helps."""
    assert outcome(pushed, "make metrics", **VARIABLES[family]) == usual["make metrics"]


@pytest.mark.slow
@pytest.mark.parametrize("word", ["verify", "vary", "which", "compare", "release", "image"])
def test_help_needs_no_docstrings(word, pushed):
    told = pushed.run("python", "-OO", "-m", "exact_model", word, "--help").stdout
    assert told.startswith(f"usage: exact {word}")


@pytest.mark.slow
def test_git_is_given_the_settings_that_the_caller_has_for_it(pushed):
    setting = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.hooksPath",
        "GIT_CONFIG_VALUE_0": "/shared",
    }
    for command in (["make", "hooks"], ["exact", "pre-push", "--install"]):
        done = pushed.run(*command, check=False, **setting)
        assert "git's core.hooksPath is /shared" in done.stderr


def test_the_first_commit_is_made_whatever_git_is_told(tmp_path, monkeypatch):
    for name, value in VARIABLES["GIT_"].items():
        monkeypatch.setenv(name, value)
    root = bake(tmp_path)
    monkeypatch.undo()
    project = Project(root)
    assert project.run("git", "log", "--format=%an: %s").stdout == (
        "Test: Project made from the template\n"
    )
    assert project.run("git", "status", "--porcelain").stdout == ""


# What a pip.conf may say, in which only the folder of packages is to be heard.
PIP_CONF = """
[global]
no-index = true
find-links = {}
require-virtualenv = true
dry-run = true
no-binary = :all:
[install]
user = true
target = {}/target
prefix = {}/prefix
root = {}/root
constraint = /nowhere
requirement = /nowhere
"""


@pytest.mark.long
@pytest.mark.parametrize("by_variables", [False, True], ids=["pip.conf", "variables"])
def test_uv_is_installed_from_the_callers_packages_and_into_the_project(by_variables, tmp_path):
    project = Project(bake(tmp_path))
    packages = tmp_path / "packages"
    script = "#!/bin/sh\necho uv 1.0\n"
    project.write("requirements-uv.lock", wheel(packages, "uv", "1.0", script=script))
    elsewhere = tmp_path / "elsewhere"
    if by_variables:
        environ = {**VARIABLES["PYTHON"], **VARIABLES["PIP_"], "PIP_NO_INDEX": "1"}
        environ |= {"PIP_FIND_LINKS": str(packages), "PIP_TARGET": str(elsewhere / "target")}
    else:
        config = tmp_path / "pip.conf"
        config.write_text(PIP_CONF.format(packages, elsewhere, elsewhere, elsewhere))
        environ = {"PIP_CONFIG_FILE": str(config), "PIP_FIND_LINKS": ""}
    folders = os.environ["PATH"].split(os.pathsep)
    path = os.pathsep.join(folder for folder in folders if not (Path(folder) / "uv").exists())
    project.run("make", ".uv/bin/uv", PATH=path, **environ)
    assert project.run(".uv/bin/uv").stdout == "uv 1.0\n"
    assert not elsewhere.exists()
    assert project.run("git", "status", "--porcelain").stdout == " M requirements-uv.lock\n"


UV_TOML = '[pip]\ntarget = "{}"\n'


@pytest.mark.slow
def test_packages_that_uv_puts_elsewhere_are_told_in_a_sentence(built, tmp_path):
    """A uv.toml can say where, and no flag of uv takes that back."""
    project = Project(bake(tmp_path))
    (tmp_path / "config/uv").mkdir(parents=True)
    (tmp_path / "config/uv/uv.toml").write_text(UV_TOML.format(tmp_path / "elsewhere"))
    done = project.run("make", "env", check=False, XDG_CONFIG_HOME=str(tmp_path / "config"))
    assert done.returncode == 2
    assert "env: uv made something else of the locks; look for target or prefix" in done.stderr
    assert "Traceback" not in done.stderr


PYPROJECT = """
[project]
name = "altruism"
version = "0"
requires-python = ">=3.11"
dependencies = [{}]
[dependency-groups]
dev = ["tool"]
notebook = ["book"]
"""


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A project of small packages with its locks made, and then a new version of each package."""
    folder = tmp_path_factory.mktemp("locks")
    project = Project(bake(folder))
    packages = folder / "packages"
    # Where packages come from is the caller's to say.
    environ = {"UV_NO_INDEX": "1", "UV_FIND_LINKS": str(packages), "UV_CACHE_DIR": f"{folder}/uv"}
    for path in project.root.glob("requirements*.lock"):
        path.unlink()

    def release(version):
        for name in ("model", "base", "tool", "book", "uv", "new"):
            wheel(packages, name, version, needs="base" if name in ("model", "tool") else "")

    def lock(*words, check=True):
        """`make lock`; what it pinned, by lock."""
        done = project.run("make", "lock", *words, check=check, **VARIABLES["UV_"], **environ)
        texts = {path.name: path.read_text() for path in project.root.glob("requirements*.lock")}
        pins = {name: dict(re.findall(r"^(\S+)==(\S+)", texts[name], re.M)) for name in texts}
        return done, {name[12:-5]: found for name, found in sorted(pins.items())}

    release("1")
    project.write("pyproject.toml", PYPROJECT.format('"model"'))
    lock()
    release("2")
    return lock, project


@pytest.fixture
def locked(small):
    """That project, whose files are as they were when the next test begins."""
    lock, project = small
    files = [*project.root.glob("requirements*.lock"), project.root / "pyproject.toml"]
    before = {file: file.read_bytes() for file in files}
    yield lock, project
    for file, content in before.items():
        file.write_bytes(content)


def pins(model="1", base="1", tool="1", book="1", uv="1", **more):
    """What each lock pins; requirements-dev.lock leaves out what requirements.lock pins."""
    return {
        "": {"base": base, "model": model, **more},
        "-dev": {"tool": tool},
        "-notebook": {"book": book},
        "-uv": {"uv": uv},
    }


@pytest.mark.parametrize(
    ("upgrade", "expected"),
    [
        ("", pins()),
        ("model", pins(model="2")),
        ("base", pins(base="2")),
        ("tool", pins(tool="2")),
        ("book uv", pins(book="2", uv="2")),
        ("Model", pins(model="2")),
        ("model==2", pins(model="2")),
        ("all", pins("2", "2", "2", "2", "2")),
    ],
)
def test_a_lock_moves_only_what_it_is_told_to(upgrade, expected, locked):
    lock, _ = locked
    done, found = lock(f"UPGRADE={upgrade}") if upgrade else lock()
    assert found == expected, done.stderr


def test_a_new_package_moves_no_other(locked):
    lock, project = locked
    project.write("pyproject.toml", PYPROJECT.format('"model", "new"'))
    assert lock()[1] == pins(new="2")
    project.write("pyproject.toml", PYPROJECT.format('"model>=2", "new"'))
    assert lock()[1] == pins(model="2", new="2")


@pytest.mark.parametrize("upgrade", ["nothing", "$(touch${IFS}made)", "*", "mod"])
def test_a_name_that_no_lock_has_is_told(upgrade, locked):
    lock, project = locked
    done, found = lock(f"UPGRADE={upgrade}", check=False)
    assert done.returncode == 2 and found == pins()
    assert not (project.root / "made").exists()
    if upgrade in ("nothing", "mod"):
        assert f"lock: no lock names {upgrade}, so nothing was upgraded" in done.stderr
