"""What is said of the work while it is done: on a terminal, in a log, and never in the result."""

import io
import json
import os
import pickle
import pty
import re
import sys
import termios

import pytest

from exact_model.progress import CLEAR, Progress

from .conftest import ended, start

WIDTH = 40
AGAIN = re.escape(CLEAR)


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def progress_on(monkeypatch):
    """A function that puts another standard error in the place of pytest's, within the test."""

    def put(stream: io.StringIO) -> io.StringIO:
        monkeypatch.setattr(sys, "stderr", stream)
        monkeypatch.setenv("COLUMNS", str(WIDTH))
        return stream

    return put


def test_a_log_has_a_line_for_each_step(progress_on, capsys):
    log = progress_on(io.StringIO())
    with Progress() as progress:
        progress.step("first")
        progress.detail("a part of it")
        progress.step("then \x1b[31mred\n")
    assert log.getvalue() == "first\nthen \\x1b[31mred\\n\n"
    assert capsys.readouterr().out == ""


def test_a_terminal_has_one_line_that_goes_away(progress_on, capsys):
    terminal = progress_on(Terminal())
    with Progress() as progress:
        progress.step("first")
        progress.detail("a part of it")
        progress.step("then \x1b[31mred\n" + "x" * WIDTH)
    assert capsys.readouterr().out == ""
    before, *lines, last = terminal.getvalue().split(CLEAR)
    assert (before, last) == ("", "")
    assert [line.split("; ", 1)[1] for line in lines[:2]] == ["first", "a part of it"]
    assert all(line.isprintable() and len(line) < WIDTH for line in lines)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_the_line_goes_however_it_ends(error, progress_on):
    terminal = progress_on(Terminal())
    with pytest.raises(error), Progress() as progress:
        progress.step("first")
        raise error
    assert terminal.getvalue().endswith(f"first{CLEAR}")
    # Another thread may still be at work.
    progress.of("late")("not shown")
    assert terminal.getvalue().endswith(f"first{CLEAR}")


def test_several_at_once_in_a_log(progress_on, capsys):
    log = progress_on(io.StringIO())
    with Progress(2) as progress:
        progress.of("a")("working")
        progress.done("a", "a: identical")
        progress.done("b", "b: differs", shown=True)
    assert log.getvalue() == "1/2 a: identical\n"
    assert capsys.readouterr().out == "b: differs\n"


def test_several_at_once_on_a_terminal(progress_on, capsys):
    terminal = progress_on(Terminal())
    with Progress(2) as progress:
        progress.of("a")("x")
        progress.of("b")("y")
        progress.done("a", "a: identical", shown=True)
        progress.done("b", "b: differs")
    lines = [line for line in terminal.getvalue().split(CLEAR) if line]
    assert lines == ["0/2 done, 0 s; a: x", "0/2 done, 0 s; a: x; b: y", "1/2 done, 0 s; b: y"]
    assert capsys.readouterr().out == "a: identical\n"


def test_without_standard_error(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    with Progress() as progress:
        progress.step("first")


# -- the commands


@pytest.fixture
def resaved(tmp_path):
    """A model that nobody has committed, so that it is compared with those that somebody has."""
    path = tmp_path / "other.pkl"
    path.write_bytes(pickle.dumps({"a": 1}))
    return path


def test_json_is_alone_on_standard_output(resaved, unchanged):
    done = ended(start("which", "--json", resaved, cwd=unchanged.root))
    assert done.err == "comparing it with the 2 recorded models\n"
    assert done.status == 1 and json.loads(done.out)["made"] == []


def test_on_a_terminal(resaved, unchanged):
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (24, 70))
    process = start("which", "--json", resaved, cwd=unchanged.root, stderr=theirs)
    os.close(theirs)
    out, _ = process.communicate(timeout=60)
    told = os.read(ours, 4096).decode()
    os.close(ours)
    assert re.fullmatch(f"{AGAIN}\\d s; comparing it with the 2 recorded models{AGAIN}", told)
    assert json.loads(out)["made"] == []


def test_push_says_what_it_copies(repository):
    remote = repository.root.parent / "store"
    remote.mkdir()
    config = "[core]\n    remote = store\n['remote \"store\"']\n    url = ../../store\n"
    repository.write(".dvc/config", config)
    done = ended(start("push", cwd=repository.root))
    first, second = repository.git("rev-list", "--reverse", "HEAD").split()
    assert done.err.splitlines() == [
        "asking the DVC remote for the files of 2 commits",
        f"copying models/model.pkl of {first[:12]} (1 of 2)",
        f"copying models/model.pkl of {second[:12]} (2 of 2)",
    ]
    assert (done.status, done.out) == (0, "2 files of older commits copied too\n")
    again = ended(start("push", cwd=repository.root))
    assert again == (0, "", "asking the DVC remote for the files of 2 commits\n")
