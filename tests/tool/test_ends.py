"""How a command ends: its status, and what it says when it could not do its work."""

import os
import signal
import subprocess
import sys
import time

import pytest

from exact_model import arguments, cli, errors, git

from .conftest import ended, md5, start

# What each word needs to get as far as its work.
ENOUGH = {
    "which": ["0123abcd"],
    "release": ["v1.0.0"],
    "data": ["rows.csv", "0" * 64],
    "merge": ["a", "b", "c", "d"],
}
WORDS = [word for word in cli.WORDS if word != "run"]
DOCUMENTED = {"verify": 2, "vary": 2, "which": 2, "compare": 2, "update": 2, "venv": 78}


def failed() -> git.Failed:
    return git.Failed("push", b"hint: pull first\nfatal: no way \x1b[31m\nhint: then push\n")


def noted() -> errors.Refused:
    error = errors.Refused("it is not there")
    error.add_note("to go on: `make`")
    return error


def caused() -> errors.Refused:
    error = errors.Refused("no tags are known")
    error.__cause__ = failed()
    return error


@pytest.fixture
def acting(monkeypatch):
    """A function that lets every word do something else than its own."""

    def act(what, **attributes) -> None:
        class Module:
            add_arguments = staticmethod(lambda parser: None)
            main = staticmethod(lambda chosen: what())

        for name, value in attributes.items():
            setattr(Module, name, value)
        monkeypatch.setattr(arguments, "module_of", lambda word: Module)

    return act


def raiser(error):
    def act():
        raise error

    return act


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (errors.Refused("no \x1b[31mred\n here"), "exact: no \\x1b[31mred\\n here\n"),
        (noted(), "exact: it is not there\nexact: to go on: `make`\n"),
        (
            failed(),
            "exact: git push: no way \\x1b[31m\n  hint: pull first\n  hint: then push\n",
        ),
        (
            caused(),
            "exact: no tags are known\n  hint: pull first\n  hint: then push\n",
        ),
        (FileNotFoundError(2, "No such file", "x"), "exact: [Errno 2] No such file: 'x'\n"),
    ],
    ids=["refused", "with a note", "git", "caused by git", "no file"],
)
def test_what_is_refused(error, told, word, exact, acting):
    acting(raiser(error))
    assert exact(word) == (DOCUMENTED.get(word, 1), "", told)


@pytest.mark.parametrize("word", WORDS)
def test_another_environment(word, exact, acting):
    acting(raiser(errors.WrongEnvironment("it is another; run `make env`")))
    assert exact(word) == (78, "", "exact: it is another; run `make env`\n")


@pytest.mark.parametrize("status", [0, 1, 2])
@pytest.mark.parametrize("word", WORDS)
def test_what_is_not_refused(word, status, exact, acting):
    acting(lambda: print("told") or status)
    assert exact(word) == (status, "told\n", "")


def test_what_stops_a_command(exact, acting):
    acting(raiser(KeyboardInterrupt()))
    assert exact("which") == (130, "", "exact: stopped\n")
    acting(raiser(KeyboardInterrupt()), WHEN_STOPPED="stopped; all is removed")
    assert exact("verify") == (130, "", "exact: stopped; all is removed\n")


@pytest.mark.parametrize("error", [ValueError("a bug"), KeyError("x"), AssertionError()])
def test_a_bug_shows_its_traceback(error, exact, acting):
    acting(raiser(error))
    with pytest.raises(type(error)):
        exact("which")


@pytest.mark.parametrize("word", WORDS)
def test_outside_of_a_project(word, exact, tmp_path):
    done = exact(word, *ENOUGH.get(word, []), cwd=tmp_path)
    assert (done.status, done.out) == (DOCUMENTED.get(word, 1), "")
    assert done.err.startswith("exact: ") and done.err.count("\n") == 1
    assert "is not in a DVC project" in done.err or word == "merge"


# -- a reader that has gone, a full disk

PRINTING = [
    (["--help"], 0),
    (["--version"], 0),
    (["--print-completion", "zsh"], 0),
    (["verify", "--help"], 0),
    (["run", "--help"], 0),
    (["verify", "--quick"], 0),
    (["which", md5("first model")], 0),
    (["which", md5("first model"), "--json"], 0),
    (["which", "0123abcd"], 1),
    (["compare"], 0),
    (["compare", "--json"], 0),
    (["compare", "--log"], 0),
    (["pre-push", "--install"], 0),
]
FULL = "exact: cannot write to standard output: No space left on device; make room and run this "
names = pytest.mark.parametrize(
    ("words", "status"), PRINTING, ids=[" ".join(words) for words, _ in PRINTING]
)


@names
def test_who_has_read_enough_is_no_error(words, status, unchanged):
    reader, writer = os.pipe()
    os.close(reader)
    done = ended(start(*words, cwd=unchanged.root, stdout=writer))
    os.close(writer)
    assert (done.status, done.err) == (status, "")


@names
def test_a_full_disk_is_one_sentence(words, status, unchanged):
    with open("/dev/full", "wb") as full:
        done = ended(start(*words, cwd=unchanged.root, stdout=full))
    assert (done.status, done.err) == (DOCUMENTED.get(words[0], 1), f"{FULL}again\n")


@names
def test_what_is_read_to_its_end(words, status, exact, unchanged):
    done = exact(*words, cwd=unchanged.root)
    assert (done.status, done.err) == (status, "") and done.out.endswith("\n")


def test_nobody_hears_the_errors(unchanged):
    for closed in ("2>&-", "2>/dev/full", ">&- 2>&-"):
        command = f'"$1" -I -m exact_model which 0123abcd-no {closed}'
        done = subprocess.run(["sh", "-c", command, "sh", sys.executable], cwd=unchanged.root)
        assert done.returncode == 2


def test_what_is_printed_goes_into_no_file_when_stdout_is_closed(unchanged):
    command = '"$1" -I -m exact_model which "$2" >&-'
    given = ["sh", "-c", command, "sh", sys.executable, md5("first model")]
    done = subprocess.run(given, cwd=unchanged.root, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    assert unchanged.git("status", "--porcelain") == ""


# -- Ctrl-C

# What asks git before it does anything, by a git that does not answer.
ASKING = ["verify", "which", "compare", "release", "image", "setup", "pre-push --install"]
SLEEPY = '#!/bin/sh\necho "$$" >> "{}"\nexec sleep 60\n'


SIGNALS = [(words, signal.SIGINT) for words in ASKING]
SIGNALS += [("release", signal.SIGTERM), ("which", signal.SIGHUP)]


@pytest.mark.parametrize(("words", "number"), SIGNALS)
def test_stopped(words, number, unchanged, tmp_path):
    marker = tmp_path / "asked"
    (tmp_path / "git").write_text(SLEEPY.format(marker))
    (tmp_path / "git").chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    word, *more = words.split()
    words = [word, *ENOUGH.get(word, []), *more]
    process = start(*words, cwd=unchanged.root, env={**os.environ, "PATH": path})
    try:
        until = time.monotonic() + 30
        while not marker.exists() and time.monotonic() < until:
            time.sleep(0.05)
        process.send_signal(number)
        done = ended(process)
    finally:
        process.kill()
        for pid in marker.read_text().split():
            try:
                os.kill(int(pid), signal.SIGKILL)
            except ProcessLookupError:
                continue
    more = "; what was rebuilt is removed" if word in ("verify", "vary") else ""
    assert done == (130, "", f"exact: stopped{more}\n")
