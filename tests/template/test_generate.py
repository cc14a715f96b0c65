"""Every way to generate gives the same files, and no state of git is a reason to get none."""

import os
import re
import shutil
import subprocess
import sys
import venv

import pytest
from bake import CHOICES, PROJECT, ROOT, files, is_leftover, template, user_config

GIT = shutil.which("git")
BY_HAND = re.compile(r'run in the project: (git init && .*git commit -m "First commit")')
NASTY = "a b 'ü' & $x; 日本"
# What git knows on a new machine: neither a configuration nor an identity.
BARE = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C.UTF-8"}


def run(*command, **options):
    words = [os.fspath(word) for word in command]
    return subprocess.run(words, capture_output=True, encoding="utf-8", errors="replace", **options)


def git(*arguments, cwd):
    """What git prints to somebody who has an identity and configured nothing else."""
    person = ("-c", "user.name=Somebody", "-c", "user.email=somebody@example.com")
    done = run(GIT, *person, *arguments, cwd=cwd, env={"PATH": os.environ["PATH"], **BARE})
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commits(project):
    return git("log", "--format=%D|%an|%ae|%s", cwd=project).splitlines()


def script(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    path.chmod(0o755)
    return path


class Shell:
    """The command line of somebody with an empty home folder."""

    def __init__(self, folder):
        self.home = folder / "home"
        self.config = user_config(self.home)
        self.variables = {**BARE, "PATH": os.environ["PATH"], "HOME": str(self.home)}

    def cookiecutter(self, *arguments, python=sys.executable, typed="", **variables):
        command = (python, "-m", "cookiecutter", "--config-file", self.config, *arguments)
        return run(*command, cwd=self.home, input=typed, env=self.variables | variables)

    def generate(self, output, *options, source=None, answers=(), **how):
        """Generate one project into `output`; return its folder and what was printed."""
        if not {"--replay", "typed"} & {*options, *how}:
            options = ("--no-input", *options)
        where = ("--output-dir", output, *options, source or template(), *answers)
        done = self.cookiecutter(*where, **how)
        assert done.returncode == 0, done.stderr
        (project,) = output.iterdir()
        return project, done.stdout


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """The files of a project generated in the plainest way."""
    folder = tmp_path_factory.mktemp("plain")
    return files(Shell(folder).generate(folder / "out")[0])


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The template as a git repository, tagged v1, with one more file in its newest commit."""
    # cookiecutter knows that a file URL is of a git repository by these three letters.
    folder = tmp_path_factory.mktemp("repository") / "template.git"
    shutil.copytree(template(), folder)
    git("init", "--quiet", cwd=folder)
    git("add", "--all", "--force", cwd=folder)
    git("commit", "--quiet", "--message", "First", cwd=folder)
    git("tag", "v1", cwd=folder)
    (folder / "{{cookiecutter.project_slug}}" / "NEW.md").write_text("new\n")
    git("add", "--all", cwd=folder)
    git("commit", "--quiet", "--message", "Second", cwd=folder)
    return folder


def test_project_is_one_commit_on_main_and_the_next_steps_are_told(shell, tmp_path):
    project, printed = shell.generate(tmp_path / "out")
    commit = "HEAD -> main|Your Name|you@example.com|Project made from the template"
    assert commits(project) == [commit]
    assert git("status", "--porcelain", cwd=project) == ""
    assert printed.splitlines()[-1] == '  git add . && git commit -m "First model" && make push'


# Nobody knows who commits here, or git does, or an answer that a shell would read otherwise.
PEOPLE = {
    "nobody": ("[user]\nuseConfigOnly = true\n", "Ada Lovelace"),
    "a name with quotes": ("[user]\nuseConfigOnly = true\n", "O'Brien; (& 李明) #1 !"),
    "the user": ("[user]\nname = Somebody\nemail = somebody@example.com\n", "Ada Lovelace"),
}


@pytest.mark.parametrize("who", PEOPLE)
@pytest.mark.parametrize("beside", [True, False])
def test_the_next_steps_work_where_they_are_printed(who, beside, shell, tmp_path):
    """A shell with an empty home runs them as they are; the READMEs' test runs their `make`."""
    text, author = PEOPLE[who]
    config = tmp_path / "gitconfig"
    config.write_text(text)
    given = {"GIT_CONFIG_GLOBAL": str(config), "PWD": str(shell.home)}
    output = shell.home if beside else tmp_path / NASTY
    options = ("--no-input", "--output-dir", output, template(), f"author={author}")
    printed = shell.cookiecutter(*options, **given).stdout
    steps = [line.strip() for line in printed.partition("Next:")[2].splitlines() if line.strip()]
    assert steps[0] == "cd altruism" or not beside
    assert len(steps) == (3 if who == "the user" else 5)
    assert steps[1] == "make" and steps[-1].endswith(" && make push")
    steps[1], steps[-1] = "echo model > model", steps[-1].removesuffix(" && make push")
    done = run("sh", "-ec", "\n".join(steps), cwd=shell.home, env=shell.variables | given)
    assert done.returncode == 0, done.stderr
    newest = commits(output / "altruism")[0]
    name = "Somebody" if who == "the user" else author
    assert newest.startswith(f"HEAD -> main|{name}|") and newest.endswith("|First model")


def test_what_is_to_be_done_by_hand_makes_a_commit(shell, tmp_path):
    config = tmp_path / "gitconfig"
    config.write_text("[user]\nuseConfigOnly = true\n")
    given = {"GIT_CONFIG_GLOBAL": str(config)}
    nothing = {"PATH": str(tmp_path / "nothing")}
    project, printed = shell.generate(tmp_path / "out", **given, **nothing)
    moved = project.rename(tmp_path / "moved")
    (line,) = BY_HAND.findall(printed)
    done = run("sh", "-ec", line, cwd=moved, env=shell.variables | given)
    assert done.returncode == 0, done.stderr
    assert commits(moved)[0].endswith("|Your Name|you@example.com|First commit")


def test_by_git_url_and_tag(shell, tmp_path, repository, plain):
    url = repository.as_uri()
    tagged, _ = shell.generate(tmp_path / "tagged", "--checkout", "v1", source=url)
    newest, _ = shell.generate(tmp_path / "newest", source=url)
    # A template in git has a commit, which the project records for `exact update`.
    found = [files(one) for one in (tagged, newest)]
    assert all(one.pop(".cruft.json") for one in found)
    assert found == [plain, plain | {"NEW.md": b"new\n"}]


def test_git_holds_every_file_of_the_template():
    if not (ROOT / ".git").exists():
        pytest.skip("this copy of the template is no git repository")
    # The .gitignore of the generated project is in force here too, and would leave its data out.
    wanted = ("--others", "--ignored", "--exclude-standard", "-z", "--", PROJECT, "hooks")
    ignored = git("ls-files", *wanted, cwd=ROOT).split("\0")
    assert [name for name in ignored if name and not is_leftover(name)] == []


def test_by_typing(shell, tmp_path, plain):
    assert files(shell.generate(tmp_path / "out", typed="\n" * len(CHOICES) * 9)[0]) == plain


def test_by_replay(shell, tmp_path):
    answers = ("project_name=O'Brien 李明", "project_slug=replayed", "license=Apache-2.0")
    first, _ = shell.generate(tmp_path / "first", answers=answers)
    again, _ = shell.generate(tmp_path / "again", "--replay")
    assert again.name == "replayed"
    assert files(again) == files(first)


def test_into_a_nasty_folder_and_a_console_that_cannot_show_it(shell, tmp_path, plain):
    project, printed = shell.generate(tmp_path / NASTY, PYTHONIOENCODING="cp1252:strict")
    assert files(project) == plain
    assert len(commits(project)) == 1
    assert "Next:" in printed


def test_without_hooks(shell, tmp_path, plain):
    project, _ = shell.generate(tmp_path / "out", "--accept-hooks", "no")
    assert files(project) == plain
    assert not (project / ".git").exists()


def test_without_git(shell, tmp_path, plain):
    project, printed = shell.generate(tmp_path / "out", PATH=str(tmp_path / "nothing"))
    assert files(project) == plain
    assert "No first commit was made, because git is not installed" in printed
    assert BY_HAND.search(printed) and "make push" in printed


def test_with_a_git_that_has_no_initial_branch(shell, tmp_path):
    script(
        tmp_path / "old" / "git",
        'case " $* " in',
        '*" -b "*|*" --initial-branch"*|*" --object-format"*) exit 129;;',
        f'*" init "*) shift 2; exec "{GIT}" -c init.defaultBranch=master "$@";;',
        "esac",
        f'exec "{GIT}" "$@"',
    )
    path = f"{tmp_path / 'old'}{os.pathsep}{os.environ['PATH']}"
    project, _ = shell.generate(tmp_path / "out", PATH=path)
    assert commits(project)[0].startswith("HEAD -> main|")


def test_the_users_own_identity_wins(shell, tmp_path):
    config = tmp_path / "gitconfig"
    config.write_text("[user]\nname = Ada Lovelace\nemail = ada@example.com\n")
    project, _ = shell.generate(tmp_path / "out", GIT_CONFIG_GLOBAL=str(config))
    assert "|Ada Lovelace|ada@example.com|" in commits(project)[0]


def test_with_a_hostile_configuration_of_git(shell, tmp_path, plain):
    for hook in ("pre-commit", "commit-msg", "prepare-commit-msg", "post-commit"):
        script(tmp_path / "hooks" / hook, f"touch '{tmp_path}/canary'", "exit 1")
        script(tmp_path / "templates/hooks" / hook, f"touch '{tmp_path}/canary'", "exit 1")
    (tmp_path / "ignore").write_text("*\n")
    config = tmp_path / "gitconfig"
    config.write_text(
        "[user]\nuseConfigOnly = true\n[commit]\ngpgSign = true\n[gpg]\nprogram = false\n"
        f"[core]\nhooksPath = {tmp_path}/hooks\nexcludesFile = {tmp_path}/ignore\n"
        f"autocrlf = true\nsafecrlf = true\n[init]\ntemplateDir = {tmp_path}/templates\n"
    )
    given = {"GIT_CONFIG_GLOBAL": str(config), "GIT_DEFAULT_HASH": "sha256"}
    project, _ = shell.generate(tmp_path / "out", **given)
    assert len(commits(project)) == 1
    assert len(git("rev-parse", "HEAD", cwd=project)) == 40
    assert git("status", "--porcelain", cwd=project) == ""
    assert files(project) == plain
    assert not (tmp_path / "canary").exists()


def test_inside_another_repository(shell, tmp_path, plain):
    outer = tmp_path / "outer"
    outer.mkdir()
    git("init", "--quiet", cwd=outer)
    git("commit", "--quiet", "--allow-empty", "--message", "Outer", cwd=outer)
    before = {path: path.read_bytes() for path in outer.rglob("*") if path.is_file()}
    project, printed = shell.generate(outer / "below")
    assert f"lies inside another git repository, {outer}: commit it there." in printed
    # What is told to do next commits the project and nothing else of that repository.
    assert not BY_HAND.search(printed) and "git add . && git commit" in printed
    assert files(project) == plain
    shutil.rmtree(outer / "below")
    assert {path: path.read_bytes() for path in outer.rglob("*") if path.is_file()} == before


def test_inside_a_repository_that_ignores_the_folder(shell, tmp_path, plain):
    """Which will never hold it, so the project has a repository of its own."""
    outer = tmp_path / "outer"
    outer.mkdir()
    git("init", "--quiet", cwd=outer)
    (outer / ".gitignore").write_text("/below/\n")
    project, printed = shell.generate(outer / "below")
    assert "No first commit" not in printed and len(commits(project)) == 1
    assert files(project) == plain


def test_from_a_hook_of_another_repository(shell, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    git("init", "--quiet", cwd=other)
    given = {"GIT_DIR": str(other / ".git"), "GIT_INDEX_FILE": str(other / ".git/index")}
    project, _ = shell.generate(tmp_path / "out", **given)
    assert len(commits(project)) == 1
    assert git("ls-files", cwd=other) == git("branch", "--list", cwd=other) == ""


def test_over_a_project_that_has_a_history(shell, tmp_path):
    project, _ = shell.generate(tmp_path / "out")
    git("checkout", "--quiet", "-b", "work", cwd=project)
    _, printed = shell.generate(tmp_path / "out", "--overwrite-if-exists")
    assert "the folder already is a git repository" in printed
    assert [line.split("|")[0] for line in commits(project)] == ["HEAD -> work, main"]


@pytest.mark.parametrize("command", ["init", "symbolic-ref", "add", "commit"])
def test_with_a_git_that_fails(command, shell, tmp_path, plain):
    broken = f'case " $* " in *" {command} "*) echo "fatal: no luck" >&2; exit 128;; esac'
    script(tmp_path / "broken" / "git", broken, f'exec "{GIT}" "$@"')
    path = f"{tmp_path / 'broken'}{os.pathsep}{os.environ['PATH']}"
    project, printed = shell.generate(tmp_path / "out", PATH=path)
    assert "git failed with fatal: no luck: fix that" in printed
    assert BY_HAND.search(printed)
    assert files(project) == plain


def test_with_a_name_that_git_refuses(shell, tmp_path):
    _, printed = shell.generate(tmp_path / "out", answers=("author=.",))
    assert "No first commit was made, because git failed with " in printed


@pytest.mark.parametrize("licence", CHOICES["license"])
def test_only_the_licence_differs(licence, shell, tmp_path, plain):
    chosen = files(shell.generate(tmp_path / "out", answers=(f"license={licence}",))[0])
    changed = {name for name in {*chosen, *plain} if chosen.get(name) != plain.get(name)}
    assert chosen.keys() == plain.keys()
    assert changed <= {"Dockerfile", "LICENSE", "pyproject.toml", "README.md"}
    assert ("LICENSE" in changed) == (licence != CHOICES["license"][0])
    assert b"Your Name" in chosen["LICENSE"]


def is_of(choice, name):
    homes = {"GitHub Actions": ".github/", "GitLab CI": ".gitlab-ci.yml"}
    return choice in homes and name.startswith(homes[choice])


@pytest.mark.parametrize("choice", CHOICES["ci"])
def test_only_the_ci_differs(choice, shell, tmp_path, plain):
    chosen = files(shell.generate(tmp_path / "out", answers=(f"ci={choice}",))[0])
    own = {name for name in chosen if is_of(choice, name)}
    others = {name for name in plain if is_of(CHOICES["ci"][0], name)}
    assert bool(own) == (choice != "none")
    assert chosen.keys() - own == plain.keys() - others
    shared = chosen.keys() & plain.keys() - {"README.md"}
    assert {name for name in shared if chosen[name] != plain[name]} == set()


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize(("version", "works"), [("2.1.1", False), ("2.4.0", True)])
def test_oldest_cookiecutter(version, works, shell, tmp_path):
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv/bin/python"
    installed = run(python, "-m", "pip", "install", "--quiet", f"cookiecutter=={version}")
    if installed.returncode:
        pytest.skip(f"cookiecutter {version} cannot be installed: {installed.stderr[-200:]}")
    output = tmp_path / "out"
    output.mkdir()
    where = ("--no-input", "--output-dir", output, template())
    done = shell.cookiecutter(*where, python=python)
    assert (done.returncode == 0) == works == any(output.iterdir())
    assert ("needs cookiecutter 2.4 or newer" in done.stderr) != works
    assert "Traceback" not in done.stderr
