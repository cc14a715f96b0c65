"""A commit cannot forge its own verdict: whatever it brings, an honest tool refuses it.

Each commit of forgeries.py is judged from a checkout that is trusted, as the shipped CI does it, by
an outsider with `--repo`, and by an outsider's tool that stands in a checkout of the commit itself.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from bake import bake
from forgeries import FALSE, FORGED, HONEST, MODEL, falsify, relock, small
from projects import OBSCURE, Project

pytestmark = [pytest.mark.slow, pytest.mark.long]
STATUS = {"identical": 0, "same model": 1, "differs": 1, "could not run": 2, "missing": 2}
# What tells which of them does not get as far as a rebuild, and why.
SENTENCES = {
    "the wheel alone": "vendor/exact_model-.* is sha256:.*, and requirements-dev.lock names sha",
    "the lock line alone": "vendor/exact_model-.* is sha256:.* names sha256:abab",
    "a second wheel": "vendor/Exact.Model-9.9.9-py3-none-any.whl is sha256:",
    "run.py takes a stage out of dvc.lock": "stage train did not run, though DVC says",
}
NOTES = {
    "the wheel and its lock line": "this commit's own tool is exact-model .* was judged by",
    "no locks": "rebuilt with the Python and the packages of this command",
    "a judge of the old layout": "this commit holds its tool in src/exact, unnamed; it was judged",
}


class Team:
    """A project whose main branch is honest, and a branch for each commit of forgeries.py."""

    def __init__(self, project: Project):
        self.project, self.commits = project, {}
        self.head = project.commit("Small stages")

    def branch(self, name: str, change, false: bool) -> None:
        self.project.run("git", "checkout", "--quiet", "-B", "work", "main")
        change(self.project)
        relock(self.project)
        if false:
            falsify(self.project)
        self.project.run("git", "add", "--all", "--force", "--", *self.held())
        self.commits[name] = self.project.commit(name)
        self.project.run("git", "branch", f"commit-{len(self.commits)}")
        self.project.run("git", "checkout", "--quiet", "--force", "main")

    def held(self) -> list[str]:
        """Files that a .gitignore names and the commit has all the same."""
        names = (".dvc/tmp/site/x", ".dvc/config.local", "src/site/cache.db")
        return ["README.md", *(name for name in names if (self.project.root / name).exists())]


@pytest.fixture(scope="module")
def team(tmp_path_factory) -> Team:
    folder = tmp_path_factory.mktemp("trust") / OBSCURE
    folder.mkdir()
    project = Project(bake(folder))
    small(project)
    project.run("make")
    team = Team(project)
    project.run("make", "push")
    for name, change in FORGED.items():
        team.branch(name, change, false=True)
    for name, change in HONEST.items():
        team.branch(f"honest: {name}", change, false=False)
    project.run("git", "tag", "altruism@v0.0.1", team.commits["honest: nothing"])
    return team


@pytest.fixture(scope="module")
def outsider(team, tmp_path_factory) -> Project:
    """Somebody with the tool in an environment of its own, and nothing of the project."""
    folder = tmp_path_factory.mktemp("outsider")
    person = Project(folder)
    # Beside this interpreter, whatever is on PATH. It takes no such path as the project has.
    uv = Path(sys.executable).with_name("uv")
    person.run(uv, "venv", "--quiet", ".venv")
    words = [uv, "pip", "sync", "--quiet", "--python", folder / ".venv", "--require-hashes"]
    locks = ["requirements.lock", "requirements-dev.lock"]
    person.run(*words, "--find-links", "vendor", *locks, cwd=team.project.root)
    (folder / "seen").mkdir()
    return person


def judged(who: Project, *words, cwd=None, **environ) -> tuple[int, list[dict]]:
    """Exit status and reports of `exact verify --json WORDS`."""
    tool = who.root / ".venv/bin/exact"
    environ |= {"FORGERY_SEEN": str(who.root / "seen")}
    # Whoever installs the tool has uv.
    uv = str(Path(sys.executable).parent)
    environ["PATH"] = os.pathsep.join([str(tool.parent), os.environ["PATH"], uv])
    done = who.run(tool, "verify", "--json", *words, check=False, cwd=cwd, **environ)
    assert done.stdout.strip(), done.stderr
    return done.returncode, json.loads(done.stdout)


def check(team: Team, found: dict[str, tuple[int, dict]], names=None) -> None:
    """Every forged commit is refused, with the sentence that it should have, and no honest one.

    All are there, or those with these `names`.
    """
    wrong = {}
    for name, (status, report) in found.items():
        text = "\n".join([report["problem"] or "", *report["notes"]])
        fits = report["commit"] == team.commits[name] and status == STATUS[report["verdict"]]
        expected = SENTENCES.get(name) or NOTES.get(name) or ""
        fits = fits and re.search(expected, text)
        if name.startswith("honest: "):
            fits = fits and report["verdict"] == "identical"
        else:
            fits = fits and report["verdict"] in ("differs", "could not run")
            if name not in SENTENCES and report["verdict"] == "differs":
                (line,) = [line for line in report["lines"] if line["path"] == MODEL]
                fits = fits and line["recorded"] == FALSE and line["verdict"] == "differs"
        if not fits:
            wrong[name] = (status, report["verdict"], text, report["lines"])
    assert found.keys() == {*(names or team.commits)} and not wrong


def test_from_a_checkout_that_is_trusted(team):
    status, reports = judged(team.project, "--jobs", "2", *team.commits.values())
    assert status == 1
    check(team, by_name(team, reports))
    could = {n for n, (_, report) in by_name(team, reports).items() if report["problem"]}
    # While a process that was left behind writes into dvc.lock, DVC may also fail to read it.
    assert could - {"run.py leaves a process that writes dvc.lock"} == SENTENCES.keys()


def by_name(team: Team, reports: list[dict]) -> dict[str, tuple[int, dict]]:
    """The reports by the names of their commits, each with its exit status."""
    pairs = zip(team.commits, reports, strict=True)
    return {name: (STATUS[report["verdict"]], report) for name, report in pairs}


def test_by_an_outsider(team, outsider):
    """One command for all, from a folder that is not a project; nothing of it is left."""
    left = outsider.root / "tmp"
    left.mkdir()
    words = ["--jobs", "2", "--repo", str(team.project.root), *team.commits.values()]
    status, reports = judged(outsider, *words, TMPDIR=str(left))
    assert status == 1 and list(left.iterdir()) == []
    check(team, by_name(team, reports))
    assert list((outsider.root / "seen").iterdir()) == []
    note = f"was read at {team.project.root.parent / 'altruism-store'}"
    assert [report for report in reports if note not in "\n".join(report["notes"])] == []


# What Python could import from the folder in which the judge stands.
IMPORTED = ["a .pth", "sitecustomize", "usercustomize", "packages with the tool's and DVC's names"]


@pytest.mark.parametrize("names", [IMPORTED, pytest.param(None, marks=pytest.mark.exhaustive)])
def test_in_a_checkout_of_the_commit_itself(team, outsider, tmp_path, names):
    """An outsider's tool that stands in the files of the commit that it judges."""
    clone, found = Project(tmp_path / "clone"), {}
    (tmp_path / "altruism-store").symlink_to(team.project.root.parent / "altruism-store")
    outsider.run("git", "clone", "--quiet", team.project.root, clone.root)
    for name in names or team.commits:
        commit = team.commits[name]
        outsider.run("git", "checkout", "--quiet", "--force", commit, cwd=clone.root)
        status, (report,) = judged(outsider, commit, cwd=clone.root)
        found[name] = status, report
    check(team, found, names)
    assert list((outsider.root / "seen").iterdir()) == []


def test_the_forged_wheel_does_say_identical(team, outsider, tmp_path):
    """What all this is against: the tool that a commit brings says what that commit likes."""
    commit = team.commits["the wheel and its lock line"]
    listed = team.project.run("git", "ls-tree", "--name-only", commit, "vendor/").stdout.split()
    words = ["git", "cat-file", "blob", f"{commit}:{listed[-1]}"]
    done = subprocess.run(words, cwd=team.project.root, capture_output=True, check=True)
    # As if it were installed.
    with zipfile.ZipFile(BytesIO(done.stdout)) as wheel:
        wheel.extractall(tmp_path)
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); from exact_model.cli import main; "
    code += "sys.exit(main())"
    words = [outsider.root / ".venv/bin/python", "-P", "-c", code, "verify", "--json", commit]
    path = os.pathsep.join([os.environ["PATH"], str(Path(sys.executable).parent)])
    done = outsider.run(*words, cwd=team.project.root, check=False, PATH=path)
    (report,) = json.loads(done.stdout)
    assert (done.returncode, report["verdict"]) == (0, "identical"), report


# -- the CI that projects are shipped with


class Runner:
    """A machine that runs the lines of a CI job; it reaches the project's DVC remote."""

    def __init__(self, team: Team, folder: Path):
        self.team, self.root = team, folder / "altruism"
        (folder / "altruism-store").symlink_to(team.project.root.parent / "altruism-store")
        self.url = f"file://{quote(str(team.project.root))}"
        self.summary = folder / "summary.md"

    def check_out(self, commit: str, folder: Path) -> None:
        """As actions/checkout does: one commit, without its history."""
        shutil.rmtree(folder, ignore_errors=True)
        run = self.team.project.run
        run("git", "init", "--quiet", folder)
        run("git", "fetch", "--quiet", "--depth", "1", self.url, commit, cwd=folder)
        run("git", "checkout", "--quiet", "--detach", "FETCH_HEAD", cwd=folder)

    def run(self, lines: str, **environ) -> subprocess.CompletedProcess:
        environ = {**os.environ, "GITHUB_STEP_SUMMARY": str(self.summary), **environ}
        words = ["bash", "-eo", "pipefail", "-c", lines]
        return subprocess.run(words, cwd=self.root, env=environ, capture_output=True, text=True)


def evaluated(text: str, event: dict[str, str]) -> str:
    """`text` with its ${{ A || B }} replaced by the first of these that the event has."""

    def value(found: re.Match) -> str:
        return next(event[word] for word in found[1].split(" || ") if word in event)

    return re.sub(r"\$\{\{ (.+?) \}\}", value, text)


def github_job(project: Project) -> dict:
    workflow = yaml.safe_load(project.read(".github/workflows/ci.yml"))
    assert {"push", "pull_request"} < workflow[True].keys() and workflow["permissions"] == {}
    job = workflow["jobs"]["verify"]
    assert job["permissions"] == {"contents": "read"}
    assert job["if"] == "vars.EXACT_VERIFY == 'true'"
    return job


def step(runner: Runner, one: dict, event: dict[str, str]) -> subprocess.CompletedProcess | None:
    if "uses" not in one:
        environ = {name: evaluated(text, event) for name, text in one.get("env", {}).items()}
        return runner.run(one["run"], **environ)
    assert one["uses"].startswith("actions/checkout@")
    assert one["with"]["persist-credentials"] is False
    commit = evaluated(one["with"]["ref"], event)
    runner.check_out(commit, runner.root / one["with"].get("path", "."))
    return None


SOME = [
    *("the wheel and its lock line", "the wheel alone", "the lock line alone", "the Makefile"),
    *("the CI files", "a judge of the old layout", "honest: the Makefile"),
]


@pytest.mark.parametrize("names", [SOME, pytest.param(None, marks=pytest.mark.exhaustive)])
def test_in_the_way_of_github(team, tmp_path, names):
    """A pull request is judged by its base; what ran before it is kept between the commits."""
    steps, runner, wrong = github_job(team.project)["steps"], Runner(team, tmp_path), {}
    base = {"github.event.pull_request.base.sha": team.head}
    second = [number for number, one in enumerate(steps) if "uses" in one][1]
    for one in steps[:second]:
        done = step(runner, one, base)
        assert not done or done.returncode == 0, done.stderr
    for name in names or team.commits:
        commit = team.commits[name]
        runner.summary.unlink(missing_ok=True)
        event = {"github.event.pull_request.head.sha": commit, "github.sha": "0" * 40}
        for one in steps[second:]:
            done = step(runner, one, event)
            if done and done.returncode:
                break
        said = runner.summary.read_text() if runner.summary.exists() else done.stderr
        honest = name.startswith("honest: ")
        verdict = "identical" if honest else "differs|could not run"
        if (done.returncode == 0) != honest or not re.match(f"### {commit}: ({verdict}) ", said):
            wrong[name] = (done.returncode, said)
    assert not wrong
    assert team.project.run("git", "rev-parse", "HEAD", cwd=runner.root).stdout.strip() == team.head


def test_what_is_pushed_is_judged_by_itself(team, tmp_path):
    """The same lines without a pull request, as the comment in the workflow says."""
    runner, event = Runner(team, tmp_path), {"github.sha": team.commits["honest: nothing"]}
    for one in github_job(team.project)["steps"]:
        done = step(runner, one, event)
        assert not done or done.returncode == 0, done.stderr
    said = runner.summary.read_text()
    assert f"### {event['github.sha']}: identical (2 of 2 outputs identical" in said
    assert re.search(r"^- judged by exact-model \S+ \(sha256:[0-9a-f]{64}\)$", said, re.MULTILINE)


def test_in_the_way_of_gitlab(team, tmp_path):
    folder = tmp_path / "baked"
    folder.mkdir()
    ci = yaml.safe_load(Project(bake(folder, ci="GitLab CI")).read(".gitlab-ci.yml"))
    job = ci["verify"]
    assert job["variables"] == {"GIT_STRATEGY": "clone", "GIT_CHECKOUT": "false"}
    rules = [(rule["if"], rule.get("when")) for rule in job["rules"]]
    assert rules == [
        ('$EXACT_VERIFY != "true"', "never"),
        ('$CI_PIPELINE_SOURCE == "merge_request_event"', None),
        ("$CI_OPEN_MERGE_REQUESTS", "never"),
        ("$CI_COMMIT_BRANCH || $CI_COMMIT_TAG", None),
    ]
    runner = Runner(team, tmp_path)
    team.project.run("git", "clone", "--quiet", "--no-checkout", runner.url, runner.root)
    for name in SOME:
        variables = {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main"}
        variables["CI_COMMIT_SHA"] = team.commits[name]
        done = runner.run("\n".join(job["script"]), **variables)
        honest = name.startswith("honest: ")
        verdict = "identical" if honest else "differs|could not run"
        assert (done.returncode == 0) == honest, (name, done.stdout, done.stderr)
        assert re.search(f"^{team.commits[name]}: ({verdict}) ", done.stdout, re.MULTILINE), name
    own = {"CI_COMMIT_SHA": team.commits["honest: the Makefile"]}
    assert runner.run("\n".join(job["script"]), **own).returncode == 0


# -- which tool


def test_tool_accepts_one_alone(team, outsider):
    """`--tool` is for who has read the hash elsewhere: neither tool may be another one."""
    (report,) = judged(team.project, "--quick", team.head)[1]
    ours = report["tool"]["sha256"]
    assert re.fullmatch("[0-9a-f]{64}", ours) and report["own_tool"] == report["tool"]
    where = ["--repo", team.project.root, "--quick"]
    names = ["honest: nothing", "honest: the tool is upgraded", "a judge of the old layout"]
    commits = [team.commits[name] for name in names]
    status, reports = judged(outsider, *where, "--tool", f"sha256:{ours}", *commits)
    assert [report["verdict"] for report in reports[:2]] == ["identical", "could not run"]
    assert status in (1, 2)
    assert f"--tool accepts sha256:{ours} alone" in reports[1]["problem"]
    assert "accepts" not in (reports[2]["problem"] or "") and reports[2]["own_tool"] is None
    tool = outsider.root / ".venv/bin/exact"
    words = [tool, "verify", *where, "--tool", "sha256:" + "ab" * 32, team.head]
    done = outsider.run(*words, check=False)
    assert done.returncode == 2 and done.stdout == ""
    told = f"exact: this is exact-model 0.1.0 (sha256:{ours}), and --tool accepts sha256:abab"
    assert done.stderr.startswith(told)


def test_release_names_its_tool(team, outsider, tmp_path):
    """The tag's text has the tool, older commands read it, and another tool makes no release."""
    work = team.project
    work.run("git", "checkout", "--quiet", "--force", "main")
    tool = outsider.root / ".venv/bin/exact"
    done = work.run(work.root / ".venv/bin/exact", "release", "v1.0.0")
    assert "altruism@v1.0.0 is released" in done.stdout
    text = work.run("git", "tag", "--list", "--format=%(contents)", "altruism@v1.0.0").stdout
    (report,) = judged(work, "--quick", "v1.0.0")[1]
    ours = report["tool"]["sha256"]
    assert f"\nJudged by exact-model 0.1.0 (sha256:{ours}).\n" in text
    assert report["notes"] == [] and report["verdict"] == "identical"
    work.run("git", "checkout", "--quiet", "--force", team.commits["honest: the tool is upgraded"])
    done = outsider.run(tool, "release", "v1.1.0", cwd=work.root, check=False)
    work.run("git", "checkout", "--quiet", "--force", "main")
    assert done.returncode == 1 and "this commit's own tool is exact-model 0.1.0" in done.stderr
    assert f"and this is exact-model 0.1.0 (sha256:{ours})" in done.stderr
