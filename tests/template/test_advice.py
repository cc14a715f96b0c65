"""Each command that a message prints is run as a user would, in the state that prints it.

Every case leads to a state, runs the command that prints the message there, takes the advice out of
what it really printed, runs it as it is, and looks whether it did what it is for. The shell is that
of somebody who has not activated the project's environment.
"""

import ast
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from bake import PROJECT, ROOT

sys.path.append(str(ROOT / "tools"))
from follow import new_machine

MODEL, TAG = "models/model.joblib", "altruism@v1.0.0"
HASH = "0" * 64


@dataclass(frozen=True)
class Case:
    """Lines of shell, and what finds the advice in the output of `prints`.

    `state` leads to the message and `prints` prints it. Each of `advice` finds one command, in its
    group. `works` fails before the advice was followed, and succeeds after. `given` are words that
    stand for something of the user's, and what a user might put there.
    """

    state: str
    prints: str
    advice: tuple[str, ...]
    works: str
    given: tuple[tuple[str, str], ...] = ()
    status: int = 0


def place_of(path: str, store: str) -> str:
    """A line of shell that puts the place of an output's object into the variable `o`."""
    md5 = f"$(sed -n '\\|path: {path}|,/md5: /s/.*md5: //p' dvc.lock | head -n 1)"
    return f'm={md5}; o="{store}/files/md5/$(echo $m | cut -c-2)/$(echo $m | cut -c3-)"'


IN_CACHE, IN_STORE = place_of(MODEL, ".dvc/cache"), place_of(MODEL, "../altruism-store")
INTACT = "git show HEAD:dvc.lock | grep -q $(md5sum < models/model.joblib | cut -c-32)"
STAGE = ".venv/bin/exact run .venv/bin/python -m altruism"
CLEAN = 'test -z "$(git status --porcelain)"'
CASES = {
    "release, tree not clean": Case(
        "echo x > note.txt",
        "make release VERSION=v1.0.0",
        ("or `(git stash .+?)`",),
        CLEAN,
    ),
    "release, not built": Case(
        "sed -i 's/max_iter: 5000/max_iter: 4000/' params.yaml; git commit -qam Faster",
        "make release VERSION=v1.0.0",
        ("run `(make)`, and commit dvc.lock",),
        "git diff dvc.lock | grep -q '^[+].*max_iter: 4000'",
    ),
    "release, object missing": Case(
        f'{IN_STORE}; rm -f "$o"',
        "make release VERSION=v1.0.0",
        ("is not on the remote; run `(make push)`",),
        f'{IN_STORE}; test -f "$o"',
    ),
    "release, store gone": Case(
        "rm -rf ../altruism-store",
        "make release VERSION=v1.0.0",
        ("mount it, or run `(make push)`",),
        f'{IN_STORE}; test -f "$o"',
    ),
    "release, no DVC remote": Case(
        ".venv/bin/dvc remote remove storage; git commit -qam 'No remote'",
        "make release VERSION=v1.0.0",
        ("add one: `(.+?)`",),
        "make push",
    ),
    "release, remote of another name": Case(
        "printf '[core]\\n[remote \"storage\"]\\n url = ../../altruism-store\\n' > .dvc/config; "
        "git commit -qam 'No default'",
        "make release VERSION=v1.0.0",
        ("add one: `(.+?)`",),
        "make push",
    ),
    "release, no identity": Case(
        "git config --unset user.name; git config --unset user.email",
        "make release VERSION=v1.0.0",
        ("(git config --global user.email .+)", "(git config --global user.name .+)"),
        "git var GIT_COMMITTER_IDENT",
    ),
    "release, git remote gone": Case(
        "git remote add origin ../nowhere.git",
        "make release VERSION=v1.0.0",
        ("check `(.+)`",),
        "true",
    ),
    "release, tag moved": Case(
        f"git init -q --bare ../origin.git; git remote add origin ../origin.git; "
        f"git tag -a -m x {TAG}; git push -q origin {TAG}; git tag -f -a -m x {TAG} second",
        "make release VERSION=v1.1.0",
        ("`(.+)` takes theirs",),
        f"test $(git rev-parse '{TAG}^{{commit}}') = $(git rev-parse main)",
    ),
    "release, tag without a text": Case(
        f"git tag {TAG}",
        ".venv/bin/exact release v1.0.0 --stage prod",
        ("`(git tag -d .+?)`",),
        f"! git rev-parse -q --verify {TAG}",
    ),
    "somebody else's folder": Case(
        "chown 12345 . .git",
        ".venv/bin/exact which models/model.joblib",
        ("(git config --global --add safe.directory .+)",),
        "git status",
    ),
    "push, not built": Case(
        "sed -i 's/max_iter: 5000/max_iter: 3000/' params.yaml",
        "make push",
        ("run '(make)', and commit",),
        "make push",
    ),
    "push, an older object lost": Case(
        f"git checkout -q second; {IN_CACHE}; "
        'f=$o; g="../altruism-store/${o#.dvc/cache/}"; rm -f "$f" "$g"; '
        "git checkout -q -b later; git checkout -q main -- .; git commit -qm 'As before'; "
        ".venv/bin/dvc checkout -q",
        "make push",
        ("make it again: `(.+)`",),
        f'git checkout -q second; {IN_STORE}; test -f "$o"',
    ),
    "hook, an object missing": Case(
        "make hooks; git init -q --bare ../origin.git; git remote add origin ../origin.git; "
        f'{IN_STORE}; rm -f "$o"',
        "git push origin main",
        ("run `(make push)`",),
        "git push origin main",
    ),
    "hook, no DVC remote": Case(
        "make hooks; git init -q --bare ../origin.git; git remote add origin ../origin.git; "
        ".venv/bin/dvc remote remove storage; git commit -qam 'No remote'",
        "git push origin main",
        ("to push without asking: `(.+)`",),
        "git -C ../origin.git rev-parse -q --verify main",
    ),
    "hooks, another's hook": Case(
        "mkdir -p .git/hooks; printf '#!/bin/sh\\necho mine >&2\\n' > .git/hooks/pre-push; "
        "chmod +x .git/hooks/pre-push; "
        "git init -q --bare ../origin.git; git remote add origin ../origin.git; "
        f'{IN_STORE}; rm -f "$o"',
        "make hooks",
        ("add this line to it: `(.+)`",),
        "git push --dry-run origin main 2>&1 | grep 'nothing is pushed'",
        (("^(.*)$", r"echo '\1' >> .git/hooks/pre-push"),),
    ),
    "hooks, hooks of many projects": Case(
        "mkdir ../hooks; printf '#!/bin/sh\\n' > ../hooks/pre-push; chmod +x ../hooks/pre-push; "
        "git config core.hooksPath ../hooks; "
        "git init -q --bare ../origin.git; git remote add origin ../origin.git; "
        f'{IN_STORE}; rm -f "$o"',
        "make hooks",
        ("into a pre-push there: `(.+)`",),
        "git push --dry-run origin main 2>&1 | grep 'nothing is pushed'",
        (("^(.*)$", r"echo '\1' >> ../hooks/pre-push"),),
    ),
    "verify, shallow clone": Case(
        f"git tag {TAG} HEAD^; git clone -q --depth 1 --no-tags file://$PWD ../clone; "
        "ln -s $PWD/.venv ../clone/.venv",
        f"cd ../clone && make verify REV='--quick {TAG}'",
        ("shallow: `(.+)`",),
        f"cd ../clone && git rev-parse -q --verify {TAG}",
        (("^", "cd ../clone && "),),
    ),
    "verify, unknown": Case(
        "true",
        "make verify REV='--quick nothing'",
        ("see `(git tag)`", "and `(git log)`"),
        "true",
    ),
    "quick, damaged in the cache": Case(
        f'{IN_CACHE}; chmod +w "$o"; echo x > "$o"; rm models/model.joblib',
        "make verify REV=--quick",
        (r"joblib: (remove \S+) and", "run `(make pull)`"),
        INTACT,
        (("^remove", "rm -f"),),
    ),
    "quick, damaged on the remote": Case(
        f'{IN_STORE}; chmod +w "$o"; echo x > "$o"',
        "make verify REV=--quick",
        (r"joblib: (remove \S+) and", "run `(make push)`"),
        "make verify REV=--quick",
        (("^remove", "rm -f"),),
    ),
    "quick, nowhere": Case(
        f'{IN_STORE}; rm -f "$o"; {IN_CACHE}; rm -f "$o" models/model.joblib',
        "make verify REV=--quick",
        ("remote; `(make)` and", "and `(make push)`"),
        "make verify REV=--quick",
    ),
    "which, unknown": Case(
        "git init -q --bare ../origin.git; git remote add origin ../origin.git; "
        "git push -q origin second; git tag x second; git push -q origin x; git tag -d x; "
        "git update-ref -d refs/remotes/origin/second",
        "make which FILE=README.md",
        ("`(git fetch .+)` brings",),
        "git rev-parse -q --verify x && git rev-parse -q --verify origin/second",
    ),
    "which, kept by the reflog alone": Case(
        "git checkout -q second; cp models/model.joblib ../m; .venv/bin/dvc checkout -q; "
        "cp models/model.joblib ../m; git checkout -q main; git branch -D second; "
        ".venv/bin/dvc checkout -q",
        "make which FILE=../m",
        ("`(git branch kept .+?)` saves it",),
        "git rev-parse -q --verify kept",
    ),
    "compare, unknown": Case(
        "true",
        "make compare A=README.md",
        ("`(make which FILE=.+?)` looks",),
        "true",
        # What make makes of the status 1.
        status=2,
    ),
    "compare, nothing verified": Case(
        f"git tag -a -m x {TAG}; rm -rf .dvc/tmp/exact/verdicts",
        ".venv/bin/exact compare --log",
        ("`(make verify REV=--tags)` verifies all",),
        ".venv/bin/exact compare --log | grep 'all 1 are verified'",
    ),
    "compare, no release": Case(
        "true",
        ".venv/bin/exact compare --log",
        ("`(make release .+?)` makes",),
        f"git rev-parse -q --verify {TAG}",
    ),
    "predict, another model": Case(
        "echo x > models/model.joblib",
        f"{STAGE}.predict data/raw/requests.jsonl",
        ("run `(.venv/bin/dvc .+?)`",),
        INTACT,
    ),
    "predict, no record": Case(
        "echo { > dvc.lock",
        f"{STAGE}.predict data/raw/requests.jsonl",
        ("run `(git checkout dvc.lock)`",),
        "git diff --quiet",
    ),
    "featurize, bad rows": Case(
        "chmod +w data/prepared/train.jsonl; echo x > data/prepared/train.jsonl",
        f"{STAGE}.featurize",
        ("run `(.+)`",),
        ".venv/bin/dvc status --quiet",
    ),
    "evaluate, damaged model": Case(
        "chmod +w models/model.joblib; echo x > models/model.joblib",
        f"{STAGE}.evaluate",
        ("run `(.+?)`",),
        INTACT,
    ),
    "evaluate, again": Case(
        "chmod +w models/model.joblib; echo x > models/model.joblib",
        f"{STAGE}.evaluate",
        ("or `(.+?)`",),
        INTACT,
    ),
    "prepare, no file": Case(
        "rm data/raw/requests.jsonl",
        f"{STAGE}.prepare",
        ("run `(make pull)`",),
        "test -f data/raw/requests.jsonl",
    ),
    "verify, an input nowhere": Case(
        "cp data/raw/requests.jsonl ../kept.jsonl; m=$(sed -n 's/.*md5: \\(.*\\)/\\1/p' "
        "data/raw/requests.jsonl.dvc | grep -v '^md5$' | head -n 1); "
        'o="files/md5/$(echo $m | cut -c-2)/$(echo $m | cut -c3-)"; '
        'chmod +w ".dvc/cache/$o"; echo x > ".dvc/cache/$o"; rm data/raw/requests.jsonl; '
        'mv "../altruism-store/$o" ../away; '
        "echo \"mv ../away '../altruism-store/$o'; rm -f '.dvc/cache/$o'\" > ../back.sh",
        "make verify",
        ("run `(make pull)`",),
        "test -f data/raw/requests.jsonl",
        (("^", "sh ../back.sh; "),),
    ),
    "merge, a broken record": Case(
        "git checkout -q -b broken; echo { > dvc.lock; git commit -qam Broken; "
        "git checkout -q second",
        "git merge broken",
        ("run `(rm dvc.lock)`", "`(make)` and", "and `(git add dvc.lock)`"),
        'test -z "$(git diff --name-only --diff-filter=U)" && .venv/bin/dvc status --quiet',
    ),
    "data, a secret": Case(
        "true",
        f"make data URL=https://a:b@example.org/rows.csv SHA256={HASH}",
        ("`(.+ remote add NAME URL)`",),
        ".venv/bin/dvc remote list | grep -q there",
        (("NAME URL", "there https://example.org"),),
    ),
    "data, done": Case(
        "cp data/raw/requests.jsonl ../rows.jsonl",
        "make data URL=../rows.jsonl SHA256=$(sha256sum ../rows.jsonl | cut -c-64)",
        ("run `(make)`",),
        ".venv/bin/dvc status --quiet",
    ),
    "another project's environment": Case(
        "git clone -q . ../other",
        "cd ../other && ../altruism/.venv/bin/exact run true",
        ("run `(make env)`", r"then `(\. .+)`"),
        "cd ../other && .venv/bin/exact run true",
        (("^make", "cd ../other && make"),),
    ),
    "verify, no uv": Case(
        "rm -rf .uv .dvc/tmp/exact",
        ".venv/bin/exact verify",
        ("run `(make env)`",),
        "test -x .uv/bin/uv",
    ),
    "a notebook with outputs": Case(
        'printf \'%s\' \'{"cells": [{"cell_type": "code", "execution_count": 1, "id": "a", '
        '"metadata": {}, "outputs": [{"name": "stdout", "output_type": "stream", '
        '"text": ["1"]}], "source": ["1"]}], "metadata": {}, "nbformat": 4, '
        '"nbformat_minor": 5}\' > notebooks/a.ipynb; git config filter.notebook.clean cat; '
        "git add notebooks; rm .venv/.made",
        ".venv/bin/pytest -q tests/template/test_notebooks.py",
        ("run `(make env)`", "then `(git add .+?)`"),
        ".venv/bin/pytest -q tests/template/test_notebooks.py",
    ),
}


class Shell:
    """The shell of a new user of the project, who has not activated its environment."""

    def __init__(self, root: Path, home: Path):
        self.root, self.env = root, new_machine(home)

    def __call__(self, lines: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            ["bash", "-c", lines],
            cwd=self.root,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def must(self, lines: str) -> str:
        done = self(f"set -e; {lines}")
        assert done.returncode == 0, f"{lines}\n{done.stdout}"
        return done.stdout


KEPT = (".git", ".dvc", "../altruism-store", "../home")


@pytest.fixture(scope="module")
def project_of_two(built, tmp_path_factory) -> Shell:
    """The built project, pushed, with another model on the branch `second`."""
    folder = tmp_path_factory.mktemp("advice")
    project = built.copy(folder / "altruism")
    (folder / "home").mkdir()
    shell = Shell(project.root, folder / "home")
    shell.must(
        "git branch -M main; git config user.name Test; git config user.email test@example.org; "
        "make push; git checkout -q -b second; "
        "sed -i 's/estimator: logistic_regression /estimator: multinomial_nb /' params.yaml; "
        "make; git commit -qam 'Naive Bayes'; make push; git checkout -q main; "
        ".venv/bin/dvc checkout -q; rm -rf ../kept; mkdir ../kept; "
        f"cp -a {' '.join(KEPT)} ../kept/"
    )
    return shell


@pytest.fixture
def shell(project_of_two):
    """The same, as it was before each test."""
    yield project_of_two
    back = "; ".join(f"cp -a ../kept/{Path(path).name} {path}" for path in KEPT)
    project_of_two.must(
        "chown $(id -u) . .git; cd ..; "
        "find . -mindepth 1 -maxdepth 1 ! -name altruism ! -name kept "
        f"-exec rm -rf {{}} + ; cd altruism; rm -rf {' '.join(KEPT)}; {back}; "
        "git checkout -q -f main; git clean -qfd; [ -e .venv/.made ] || pwd -P > .venv/.made; "
        ".venv/bin/dvc checkout -q --force"
    )


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("name", CASES)
def test_the_advice_works(name, shell):
    case = CASES[name]
    if "chown" in case.state and os.getuid():
        pytest.skip("only root can give a folder to somebody else")
    shell.must(case.state)
    printed = shell(case.prints).stdout
    assert case.works == "true" or shell(case.works).returncode, "it works before the advice"
    for pattern in case.advice:
        found = re.findall(pattern, printed)
        assert len(found) >= 1, f"{pattern} is not in what was printed:\n{printed}"
        line = found[0]
        for old, new in case.given:
            line = re.sub(old, new, line)
        done = shell(line)
        assert done.returncode == case.status, f"{line}\n{done.stdout}\n-- printed by\n{printed}"
    shell.must(case.works)


@pytest.mark.slow
@pytest.mark.exhaustive
def test_push_says_what_it_does_before_it_does_it(shell):
    """Each step may take long, and DVC draws its bars on terminals alone."""
    said = [line for line in shell.must("make push").splitlines() if not line.startswith("make")]
    assert said == [
        "push: comparing the files here with dvc.lock",
        "push: copying to the remote what it lacks",
        "Everything is up to date.",
        "push: checking that it has the files of older commits",
        "push: checking that the remote has all of it",
    ]


# -- no advice is left out

# Each command in a message, by its file, and the case above that runs it. `{}` is what the message
# fills in.
RUN = {
    "Makefile: make": "push, not built",
    "compare.py: make release VERSION=v1.0.0": "compare, no release",
    "compare.py: make verify REV=--tags": "compare, nothing verified",
    "compare.py: make which FILE={}": "compare, unknown",
    "data.py: .venv/bin/dvc remote add NAME URL": "data, a secret",
    "data.py: make": "data, done",
    "environment.py: make env": "verify, no uv",
    "git.py: git fetch --unshallow --tags": "verify, shallow clone",
    "git.py: git log": "verify, unknown",
    "git.py: git tag": "verify, unknown",
    "image.py: git fetch --all --tags": "which, unknown",
    "describes.py: make": "release, not built",
    "merge.py: git add {}": "merge, a broken record",
    "merge.py: make": "merge, a broken record",
    "objects.py: make pull": "verify, an input nowhere",
    "objects.py: .venv/bin/dvc remote add --default store ../store": "release, no DVC remote",
    "pre_push.py: make push": "hook, an object missing",
    "push.py: git checkout {} && make && make push": "push, an older object lost",
    "quick.py: make": "quick, nowhere",
    "quick.py: make push": "quick, nowhere",
    "quick.py: make {}": "quick, damaged in the cache",
    "versions.py: git fetch {} --tags --force": "release, tag moved",
    "versions.py: git remote -v": "release, git remote gone",
    "release_checks.py: git stash --include-untracked": "release, tree not clean",
    "release.py: git tag -d {}": "release, tag without a text",
    "versions.py: git tag -d {}": "release, tag without a text",
    "release_checks.py: make": "release, not built",
    "release_checks.py: make push": "release, object missing",
    "release_checks.py: make verify REV=--quick": "quick, nowhere",
    "run.py: make env": "another project's environment",
    "packages.py: make env": "another project's environment",
    "venv.py: make env": "another project's environment",
    "which.py: git fetch --all --tags": "which, unknown",
    "which.py: git fetch --unshallow --tags": "verify, shallow clone",
    "files.py: make pull": "prepare, no file",
    "params.py: make env": "another project's environment",
    "predict.py: .venv/bin/dvc checkout --force": "predict, another model",
    "predict.py: git checkout {}": "predict, no record",
    "rows.py: . .venv/bin/activate; dvc repro --force --single-item prepare": "featurize, bad rows",
    "scores.py: . .venv/bin/activate; dvc repro --force --single-item train": "evaluate, again",
    "scores.py: .venv/bin/dvc checkout --force": "evaluate, damaged model",
    "scores.py: make": "release, not built",
    "test_notebooks.py: git add --renormalize notebooks": "a notebook with outputs",
    "test_notebooks.py: make env": "a notebook with outputs",
}
# Where else it is run, or why it is not.
ELSEWHERE = {
    "own.py: make lock": "test_locks.py runs it; the refusal is tool/test_own.py's",
    "update.py: git reset --hard": "what a Ctrl-C in a merge leaves is a matter of time",
    "update.py: git stash --include-untracked": "test_update.py",
    "release_checks.py: make env": "test_trust.py has the refusal, and all tests make env",
    "Makefile: .venv/bin/dvc status --cloud": "run by `make push` itself, whose words it explains",
    "container.py: docker system prune": "would empty the engine of whoever runs the tests",
    "explain.py: .venv/bin/exact vary": "test_readme.py follows the README, which has it",
    "git.py: git branch {} {}": "test_push_lines.py",
    "git.py: git remote add origin <URL>": "test_push_lines.py",
    "files.py: git lfs pull": "takes a git-lfs and a server of its own",
    "describes.py: git lfs pull": "takes a git-lfs and a server of its own",
    "image.py: docker pull {}": "takes a registry",
    "image.py: git fetch --tags": "takes an engine; as `which, unknown`",
    "versions.py: make release VERSION=v1.2.0": "test_readme.py, by another version",
    "release_checks.py: make verify": "test_readme.py follows the README, which has it",
    "params.py: make lock env": "test_variables.py runs make lock, all tests make env",
    "pull.py: make": "test_pull.py",
    "pull.py: make pull": "test_pull.py",
    "push.py: make pull": "test_pull.py",
    "release_checks.py: git rm -r --cached {}": "test_layouts.py",
    "template.py: git log {}": "a look at the history of one file",
    "update.py: git add {}": "test_update.py settles a conflict",
    "update.py: git init": "test_update.py has a project without git",
    "update.py: make env && make": "test_update.py, on a project of the old layout",
    "update.py: make lock": "test_variables.py runs make lock",
    "params.py: make": "test_faults.py changes a file while a stage runs",
}
TOOLS = r"(?:make|git|dvc|docker|uv|pip|exact|source|\.|\S*/bin/\S+) [^`']+|make"
QUOTED = re.compile(rf"(?<![\w`])(?:`({TOOLS})`|'({TOOLS})')")
# What names a thing and asks nobody to run it.
NAMES = {"dvc repro", "exact run", "exact run\\", "exact image", "exact release", "dvc import-url"}


def messages(file: Path):
    """The texts in a program that may be printed, with `{}` for what is filled in."""
    if file.name == "Makefile":
        yield from re.findall(".*(?:echo|DVC_STATUS,).*", file.read_text(encoding="utf-8"))
        return
    tree = ast.parse(file.read_text(encoding="utf-8"))
    inner = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            # A docstring.
            inner.add(node.value)
        if isinstance(node, ast.JoinedStr):
            inner.update(child for child in ast.walk(node) if child is not node)
    for node in ast.walk(tree):
        if node in inner:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = (x.value if isinstance(x, ast.Constant) else "{}" for x in node.values)
            yield "".join(parts)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_every_command_in_a_message_is_run_by_a_test():
    project = ROOT / PROJECT
    files = [project / "Makefile", *project.glob("src/*/*.py"), *project.glob("tests/*.py")]
    files += (ROOT / "src/exact_model").rglob("*.py")
    found = {
        f"{file.name}: {command}"
        for file in files
        for text in messages(file)
        for pair in QUOTED.findall(text)
        if (command := pair[0] or pair[1]) not in NAMES
    }
    known = RUN.keys() | ELSEWHERE.keys()
    assert found - known == set(), "give these a case above"
    assert known - found == set(), "these are printed no more"
    assert set(RUN.values()) <= CASES.keys()
