"""The words of the command and what each takes; nothing is done by asking for help."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from exact_model import cli, errors

from .conftest import ended, start

DOCS = Path(__file__).parents[2] / "docs/commands.md"
WORDS = list(cli.WORDS)


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize("word", WORDS)
def test_every_word_has_help_and_does_nothing(word, option, exact, unchanged):
    # Another test may have called `exact pre-push --install` there.
    hook = unchanged.root / ".git/hooks/pre-push"
    hook.unlink(missing_ok=True)
    before = unchanged.git("status", "--porcelain", "--ignored")
    done = exact(word, option, cwd=unchanged.root)
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(f"usage: exact {word}") and "make " not in done.out.split("\n")[0]
    sentence = cli.WORDS[word]
    assert f"{sentence[0].upper()}{sentence[1:]}." in re.sub(r"\s+", " ", done.out)
    assert unchanged.git("status", "--porcelain", "--ignored") == before
    assert not hook.exists()


def test_help_names_every_word_and_every_status(exact):
    done = exact("--help")
    assert (done.status, done.err) == (0, "")
    told = re.sub(r"\s+", " ", done.out)
    for word, sentence in cli.WORDS.items():
        assert f" {word} {sentence}" in told
    for status, what in errors.STATUSES.items():
        assert f" {status} {what}" in told


@pytest.mark.parametrize("word", ["--help", "--version", "run", "which"])
def test_nothing_heavy_is_imported_for(word, tmp_path):
    code = "import sys; from exact_model.cli import main; status = main(); found = "
    code += "{name.partition('.')[0] for name in sys.modules}; print(sorted(found & "
    code += "{'dvc', 'docker', 'gto', 'jinja2', 'ruamel', 'numpy', 'shtab'})); sys.exit(status)"
    words = [word] if word.startswith("-") else [word, "--help"]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=tmp_path, capture_output=True, text=True
    )
    allowed = ["numpy", "ruamel"] if word == "which" else []
    assert done.stdout.splitlines()[-1] == str(allowed), done.stderr


def test_version(exact):
    done = exact("--version")
    assert (done.status, done.err) == (0, "")
    assert re.fullmatch(r"exact-model \d+\.\d+\.\d+ \((source|sha256:[0-9a-f]{64})\)\n", done.out)


def test_no_word_gets_the_help(exact):
    done = exact()
    assert (done.status, done.out, done.err) == (2, "", exact("--help").out)


TAKEN = {
    "verify": [["--json"], ["--summary", "a"], ["--jobs", "2", "a", "b"], ["--quick", "--tags"]],
    "vary": [[], ["--json"], ["umask", "locale"]],
    "which": [["x"], ["-"], ["--json", "--fetch", "x"]],
    "compare": [[], ["a"], ["a", "b", "--json", "--html", "x"], ["--log", "--json"]],
    "release": [["v1.0.0"], ["v1.0.0", "--stage", "prod"], ["v1.0.0", "--dry-run"]],
    "image": [[], ["v1", "--push", "a.b/c", "--record"], ["--target", "build", "--run"]],
    "pull": [[]],
    "push": [[], ["--check"]],
    "data": [["rows.csv", "0" * 64], ["https://x.org/rows.csv", "aF" * 32]],
    "update": [[], ["--to", "v2.0.0"]],
    "setup": [[]],
    "merge": [["a", "b", "c", "d"], ["--", "a", "b", "c", "-d/dvc.lock"]],
    "pre-push": [[], ["origin"], ["origin", "../url"], ["--install"]],
    "venv": [[], ["--finish"]],
}
NOT_TAKEN = {
    "verify": [["--json", "--summary"], ["--jobs", "0"], ["--jobs", "x"], ["--unknown"]],
    "vary": [["--list"]],
    "which": [[], ["a", "b"]],
    "compare": [["a", "b", "c"], ["--html"]],
    "release": [[], ["v1", "v2"], ["v1", "--stage"]],
    "image": [["a", "b"], ["--target", "other"], ["--port", "x"]],
    "pull": [["x"], ["--force"]],
    "push": [["x"]],
    "data": [[], ["rows.csv"], ["", "0" * 64], ["rows.csv", "0" * 63], ["rows.csv", "g" * 64]],
    "update": [["v2.0.0"], ["--to"]],
    "setup": [["x"]],
    "merge": [[], ["a", "b", "c"], ["a", "b", "c", "d", "e"]],
    "pre-push": [["a", "b", "c"]],
    "venv": [["--other"], ["x"]],
}
# Of which each argument is right, and all together are not.
NOT_TOGETHER = {
    "verify": [["--quick", "--container"]],
    "compare": [["--log", "a"], ["--log", "--html", "x"]],
    "image": [["v1", "--target", "build"], ["--run"], ["--push", "not a registry"]],
}


def cases(lists: dict) -> list:
    return [(word, words) for word, some in lists.items() for words in some]


@pytest.fixture
def asked(monkeypatch):
    """What the commands are called with; each does nothing else."""
    from exact_model import arguments

    found, original = [], arguments.module_of
    monkeypatch.setattr(arguments, "module_of", lambda word: Called(original(word), found))
    return found


class Called:
    """A word's module, of which only the arguments are real."""

    def __init__(self, module, found):
        self.add_arguments, self.found = module.add_arguments, found

    def main(self, arguments):
        self.found.append(arguments)
        return 0


@pytest.mark.parametrize(("word", "words"), cases(TAKEN))
def test_taken(word, words, exact, asked):
    assert exact(word, *words) == (0, "", "")
    assert asked[0].word == word


@pytest.mark.parametrize(("word", "words"), cases(NOT_TAKEN))
def test_not_taken(word, words, exact, asked):
    done = exact(word, *words)
    assert (done.status, done.out, asked) == (2, "", [])
    assert done.err.startswith(f"usage: exact {word}") and f"exact {word}: error: " in done.err


@pytest.mark.parametrize(("word", "words"), cases(NOT_TOGETHER))
def test_not_taken_together(word, words, exact, unchanged):
    done = exact(word, *words, cwd=unchanged.root)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith(f"usage: exact {word}") and f"exact {word}: error: " in done.err


@pytest.mark.parametrize("words", [["rum"], ["--unknown"], ["verifyy", "--help"], [""], ["run "]])
def test_an_unknown_word(words, exact):
    done = exact(*words)
    assert (done.status, done.out) == (2, "")
    assert done.err.startswith("usage: exact [-h]") and "exact: error: " in done.err


def test_data_says_what_a_hash_is(exact):
    told = exact("data", "rows.csv", "abc").err
    assert "give its 64 hexadecimal digits, which `sha256sum FILE` prints" in told
    assert "make data" not in told


# -- run

RUN = """
import sys
def main(words):
    print(words, 'argparse' in sys.modules, 'exact_model.git' in sys.modules)
    return 7
"""


@pytest.mark.parametrize("words", [["true"], ["--", "--help"], ["--verbose", "x"], [], ["a", "-h"]])
def test_run_is_the_projects_own(words, tmp_path):
    file = tmp_path / "src/exact/run.py"
    file.parent.mkdir(parents=True)
    file.write_text(RUN)
    (tmp_path / "below").mkdir()
    done = ended(start("run", *words, cwd=tmp_path / "below"))
    assert done == (7, f"{words} False False\n", "")


def test_run_outside_of_a_project(exact, tmp_path):
    done = exact("run", "true", cwd=tmp_path)
    assert (done.status, done.out) == (1, "")
    assert done.err == f"exact: {tmp_path} is not in a project with a src/exact/run.py\n"


# -- completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_completion(shell, exact, tmp_path):
    done = exact("--print-completion", shell)
    assert (done.status, done.err) == (0, "")
    for word in WORDS:
        assert word in done.out
    if shell != "tcsh":
        assert "--container" in done.out and "--dry-run" in done.out
    if program := shutil.which(shell):
        file = tmp_path / "completion"
        file.write_text(done.out)
        assert subprocess.run([program, "-n", file], capture_output=True).stderr == b""


ASKED = """
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_shtab_exact
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("words", "wanted", "others"),
    [
        (["exact", ""], {"verify", "which", "pre-push"}, {"--quick"}),
        (["exact", "ve"], {"verify", "venv"}, {"which"}),
        (["exact", "verify", "--"], {"--quick", "--container", "--json"}, {"--dry-run"}),
        (["exact", "release", "--d"], {"--dry-run"}, {"--stage"}),
        (["exact", "image", "--target", ""], {"build", "notebook"}, {"--run"}),
        (["exact", "which", ""], {"a model.pkl"}, set()),
    ],
)
def test_what_bash_completes(words, wanted, others, exact, tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files/a model.pkl").touch()
    (tmp_path / "completion").write_text(exact("--print-completion", "bash").out)
    asked = ["bash", "-c", ASKED, "bash", tmp_path / "completion", *words]
    done = subprocess.run(asked, cwd=tmp_path / "files", capture_output=True, text=True)
    found = set(done.stdout.splitlines())
    assert wanted <= found and not others & found, (found, done.stderr)


@pytest.mark.parametrize("words", [["fish"], []])
def test_no_completion_for(words, exact):
    done = exact("--print-completion", *words)
    assert (done.status, done.out) == (2, "") and "--print-completion" in done.err


def test_the_docs_have_the_same_words_and_statuses():
    text = DOCS.read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) +\| (.+?) +\|$", text, re.M)
    known = {first.strip("`"): second for first, second in rows if set(first) - {"-", " "}}
    for word, sentence in cli.WORDS.items():
        assert known.get(f"exact {word}") == sentence
    for status, what in errors.STATUSES.items():
        assert known.get(status) == what
