"""The locks of a project: one of the tools for every kind of remote, one of what a plugin adds."""

import json
import re
import shutil
import tomllib

import pytest
from bake import PROJECT, ROOT, bake
from projects import Project
from wheels import wheel

HOOK = (ROOT / "hooks/pre_gen_project.py").read_text(encoding="utf-8")
SCHEMES = re.search(r'^SCHEMES = "(.+)"$', HOOK, re.MULTILINE)[1].split("|")
PLUGINS = sorted({*SCHEMES} - {"http", "https", "webdavs"})
COMMON = ("requirements.lock", "requirements-dev.lock")
REMOTE = "requirements-remote.lock"
NAMED = re.compile(r"^([a-z0-9][a-z0-9-]*)==(\S+)( ; [^\\]+)? \\$")
HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}( \\)?$")


def template_lock(plugin: str) -> str:
    return f"{{% if cookiecutter.__plugin == '{plugin}' %}}{REMOTE}{{% endif %}}"


def text(name: str) -> str:
    return (ROOT / PROJECT / name).read_text(encoding="utf-8")


def pins(lock: str) -> dict[str, str]:
    """Package to version of a lock that holds nothing else, each package once and with hashes."""
    found, hashes = {}, 1
    for line in lock.splitlines():
        if HASH.match(line):
            hashes += 1
            continue
        name, version, _ = NAMED.fullmatch(line).groups()
        assert hashes and name not in found, f"{name}, or what stands before it"
        found[name], hashes = version, 0
    assert hashes
    return found


def remote(plugin: str) -> str:
    return f"{plugin}://bucket/path" if plugin else "../store"


def project_for(plugin: str, folder) -> Project:
    return Project(bake(folder, dvc_remote=remote(plugin)))


# -- what the template has


def test_there_is_a_lock_for_each_plugin_and_one_of_the_tools():
    names = [path.name for path in (ROOT / PROJECT).glob("*requirements*")]
    common = [*COMMON, "requirements-notebook.lock", "requirements-uv.lock"]
    assert sorted(names) == sorted([*common, *map(template_lock, PLUGINS)])


@pytest.mark.parametrize("plugin", PLUGINS)
def test_the_lock_of_a_plugin_has_only_what_the_plugin_adds(plugin):
    lock = text(template_lock(plugin))
    found = pins(lock)
    assert f"dvc-{plugin}" in found
    assert not {*found} & {name for common in COMMON for name in pins(text(common))}
    assert len(lock) < 15_000


def test_the_lock_of_the_tools_names_nothing_that_the_stages_pin():
    """No stage depends on it, so it must not give a package of theirs another hash."""
    everywhere = {
        line.split("==")[0]
        for line in text(COMMON[0]).splitlines()
        if "==" in line and " ; " not in line
    }
    assert "numpy" in everywhere and not everywhere & pins(text(COMMON[1])).keys()


def test_a_package_has_the_same_version_in_every_lock():
    versions = {}
    for path in (ROOT / PROJECT).glob("*requirements*"):
        for name, version in pins(path.read_text(encoding="utf-8")).items():
            versions.setdefault(name, set()).add(version)
    assert {name: found for name, found in versions.items() if len(found) > 1} == {}


@pytest.mark.parametrize("plugin", ["", *PLUGINS])
def test_a_project_has_the_lock_of_its_plugin(plugin, tmp_path):
    made = project_for(plugin, tmp_path)
    groups = tomllib.loads(made.read("pyproject.toml"))["dependency-groups"]
    assert "dvc" in groups["dev"] and groups.get("remote") == (
        [f"dvc[{plugin}]"] if plugin else None
    )
    # The tool's line is that of the wheel that the tests have built.
    tool = re.compile(r"^exact-model==.*\n(?: +--hash=.*\n)+", re.MULTILINE)
    assert all(tool.sub("", made.read(name)) == tool.sub("", text(name)) for name in COMMON)
    assert (made.root / REMOTE).exists() == bool(plugin)
    if plugin:
        assert made.read(REMOTE) == text(template_lock(plugin))


def test_the_page_on_another_remote_names_every_plugin():
    page = text("docs/your-data.md").split("## Another remote\n")[1].split("\n## ")[0]
    assert [name for name in PLUGINS if f"`{name}`" not in page and f"[{name}]" not in page] == []


def test_the_template_is_toml_before_it_is_rendered():
    """Tools that look at Python files where they lie in the template read it."""
    assert "remote" in tomllib.loads(text("pyproject.toml"))["dependency-groups"]


# -- make lock, with packages of two versions that need no network

PYPROJECT = """
[project]
name = "altruism"
version = "0"
requires-python = ">=3.11"
dependencies = ["model"]
[dependency-groups]
dev = ["tool"]{}
notebook = ["book"]
[tool.other]
remote = ["of another table"]
"""
GROUP = '\nremote = ["plugin"]'
NEEDS = {
    "model": ["base", "partly; sys_platform == 'win32'"],
    "tool": ["base"],
    "plugin": ["tool<2", "base", "partly", "shared", "more"],
    "book": ["shared"],
}


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A project of small packages, locked without a plugin and with one; then come new versions."""
    folder = tmp_path_factory.mktemp("locks")
    project = Project(bake(folder))
    environ = {
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(folder / "packages"),
        "UV_CACHE_DIR": str(folder / "uv"),
    }

    def release(version):
        for name in ("model", "base", "partly", "tool", "plugin", "shared", "more", "book", "uv"):
            needs = "\nRequires-Dist: ".join(NEEDS.get(name, []))
            wheel(folder / "packages", name, version, needs=needs)

    def lock(group, *words) -> dict[str, dict[str, str]]:
        """`make lock`; what it pinned, by lock."""
        project.write("pyproject.toml", PYPROJECT.format(group))
        project.run("make", "lock", *words, **environ)
        names = [path.name for path in project.root.glob("requirements*.lock")]
        return {name[12:-5].strip("-"): pins(project.read(name)) for name in sorted(names)}

    for path in project.root.glob("requirements*.lock"):
        path.unlink()
    release("1")
    kept = {}
    for group in ("", GROUP):
        lock(group)
        locks = project.root.glob("requirements*.lock")
        kept[group] = {path: path.read_bytes() for path in locks}
    release("2")
    return project, lock, kept


@pytest.fixture(params=["", GROUP], ids=["no plugin", "plugin"])
def before(request):
    return request.param


@pytest.fixture
def lock(first, before):
    """`make lock` in that project, whose locks are those of version 1, with a plugin or without."""
    project, lock, kept = first
    for path in project.root.glob("requirements*.lock"):
        path.unlink()
    for path, content in kept[before].items():
        path.write_bytes(content)
    return lock


def expected(**moved: str) -> dict[str, dict[str, str]]:
    """Version 1 of everything, but for what moved."""
    names = {
        "": ["base", "model", "partly"],
        "dev": ["tool"],
        "notebook": ["book", "shared"],
        "remote": ["more", "partly", "plugin", "shared"],
        "uv": ["uv"],
    }
    return {lock: {name: moved.get(name, "1") for name in names[lock]} for lock in names}


def without_plugin(**moved: str) -> dict[str, dict[str, str]]:
    return {lock: found for lock, found in expected(**moved).items() if lock != "remote"}


with_plugin = pytest.mark.parametrize("before", [GROUP], ids=["plugin"])
none = pytest.mark.parametrize("before", [""], ids=["no plugin"])


def test_a_lock_moves_nothing_by_itself(before, first, lock):
    project, _, kept = first
    lock(before)
    locks = project.root.glob("requirements*.lock")
    assert {path: path.read_bytes() for path in locks} == kept[before]


@with_plugin
@pytest.mark.parametrize("name", ["plugin", "more", "shared", "base"])
def test_one_package_moves_in_every_lock_that_has_it(name, lock):
    assert lock(GROUP, f"UPGRADE={name}") == expected(**{name: "2"})


@with_plugin
def test_the_tools_stay_at_versions_that_the_plugin_takes(lock):
    everything = dict.fromkeys(("base", "model", "partly", "book", "shared", "more", "plugin"), "2")
    assert lock(GROUP, "UPGRADE=all") == expected(**everything, uv="2")


@none
def test_a_plugin_that_is_added_moves_no_other_package(lock):
    """It takes what another lock has already, though there are newer ones."""
    assert lock(GROUP) == expected(plugin="2", more="2")


@none
def test_a_tool_moves_where_a_new_plugin_does_not_take_it(lock):
    assert lock("", "UPGRADE=tool") == without_plugin(tool="2")
    assert lock(GROUP) == expected(plugin="2", more="2")


@with_plugin
def test_the_lock_of_a_plugin_goes_with_it(lock):
    assert lock("") == without_plugin()


@with_plugin
def test_what_other_machines_alone_have_of_a_lock_is_in_that_of_the_plugin(first, lock):
    project, _, _ = first
    lock(GROUP)
    assert re.search(
        r"^partly==1 ; sys_platform == 'win32' ", project.read(COMMON[0]), re.MULTILINE
    )
    assert re.search(r"^partly==1 \\$", project.read(REMOTE), re.MULTILINE)


# -- with the packages themselves


def cases(*often: str):
    """Every plugin; the others than these only in `make test-all`."""
    rare = [name for name in PLUGINS if name not in often]
    return [*often, *(pytest.param(name, marks=pytest.mark.exhaustive) for name in rare)]


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("plugin", cases("", "s3"))
def test_the_locks_are_what_make_lock_makes(plugin, tmp_path):
    """So every package is needed, and none is missing."""
    made = project_for(plugin, tmp_path)
    made.run("make", "lock")
    assert made.run("git", "status", "--porcelain").stdout == ""


# What dvc with the extra needs here, by the packages' own words.
NEEDED = """
import importlib.metadata as metadata, json, sys
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
waiting, seen = [("dvc", sys.argv[1])], set()
while waiting:
    name, extra = pair = waiting.pop()
    if pair in seen:
        continue
    seen.add(pair)
    for line in metadata.requires(name) or ():
        need = Requirement(line)
        if not need.marker or need.marker.evaluate({"extra": extra}):
            waiting += [(canonicalize_name(need.name), extra) for extra in ["", *need.extras]]
print(json.dumps(sorted({name for name, _ in seen})))
"""


@pytest.mark.slow
@pytest.mark.parametrize("plugin", cases("", "s3", "ssh"))
def test_an_environment_of_the_locks_is_whole(plugin, tmp_path):
    made = project_for(plugin, tmp_path)
    made.run("make", "env")
    assert made.run("exact", "venv").stdout == "whole\n"
    assert made.run("make", "env").stdout == ""
    if not plugin:
        return
    made.run("python", "-c", f"import dvc_{plugin}")
    needed = json.loads(made.run("python", "-c", NEEDED, plugin).stdout)
    lock = made.read(REMOTE)
    assert {*pins(lock)} <= {*needed}
    version = pins(lock)[f"dvc-{plugin}"]
    for changed, told in (
        (lock.replace(f"dvc-{plugin}=={version}", f"dvc-{plugin}==0.1"), f"{REMOTE} names 0.1"),
        ("", "is installed but no lock names it"),
    ):
        made.write(REMOTE, changed)
        assert told in made.run("exact", "venv", check=False).stderr
    (made.root / REMOTE).unlink()
    assert "is installed but no lock names it" in made.run("exact", "venv", check=False).stderr


@pytest.mark.slow
@pytest.mark.exhaustive
def test_commits_before_a_plugin_verify_beside_those_with_it(project):
    pyproject = project.read("pyproject.toml")
    project.write(
        "pyproject.toml", re.sub(r"(?m)^(dev = .+)$", r'\1\nremote = ["dvc[ssh]"]', pyproject)
    )
    project.write(REMOTE, text(template_lock("ssh")))
    project.run("make")
    assert project.run("dvc", "status").stdout.startswith("Data and pipelines are up to date")
    project.commit("A remote of another kind")
    told = json.loads(project.run("exact", "verify", "--json", "HEAD", "HEAD^").stdout)
    assert "differs" not in json.dumps(told)
    environments = (project.root / ".dvc/tmp/exact/environments").glob("*.made")
    plugins = [made.with_suffix("").glob("lib/*/site-packages/dvc_ssh") for made in environments]
    assert sorted(len([*found]) for found in plugins) == [0, 1]


def test_a_dockerfile_installs_every_lock_that_is_there(tmp_path):
    """The loop of its stage `tools`, by a shell, with a pip that prints its words."""
    dockerfile = text("Dockerfile")
    copied = re.search(r"^COPY (requirements-dev\S+ \S+) \S+ \./$", dockerfile, re.MULTILINE)[1]
    loop = re.search(r"^RUN (for lock in .+?; done)", dockerfile, re.MULTILINE)[1]
    assert '--require-hashes --find-links . "$@" \\\n' in dockerfile
    for plugin, more in (("", []), ("s3", ["-r", REMOTE])):
        made, image = project_for(plugin, tmp_path / f"_{plugin}"), tmp_path / f"image_{plugin}"
        image.mkdir()
        for name in COMMON[:1]:
            shutil.copy(made.root / name, image)
        for pattern in copied.split():
            for path in made.root.glob(pattern):
                shutil.copy(path, image)
        told = made.run("sh", "-c", f'{loop}; printf "%s\\n" "$@"', cwd=image).stdout.split()
        assert told == ["-r", COMMON[1], *more, "-r", COMMON[0]]
