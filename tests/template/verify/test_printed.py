"""What `exact verify` prints: tables, JSON, Markdown, a progress line."""

import contextlib
import fcntl
import hashlib
import os
import pty
import re
import select
import termios
from pathlib import Path

import pytest
import yaml
from places import (
    BEHIND,
    FIRST,
    METRICS,
    asleep,
    assert_identical,
    branch_off,
    start,
    verify,
    wait_for,
)

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]


def edit_record(project) -> None:
    """Give the recorded hash of the metrics another first digit."""
    md5 = hashlib.md5(project.read(METRICS).encode()).hexdigest()
    project.replace("dvc.lock", md5, ("1" if md5[0] != "1" else "2") + md5[1:])


@pytest.fixture(scope="module")
def mixed(tiny) -> dict[str, str]:
    """A commit for each of three verdicts."""
    broken = branch_off(tiny, lambda project: (project.root / "dvc.lock").unlink())
    differs = branch_off(tiny, edit_record)
    return {"differs": differs, "could not run": broken, "identical": FIRST}


REPORT = {"revision", "commit", "verdict", "lines", "notes", "problem", "kept", "seconds"}
REPORT |= {"tool", "own_tool"}
LINE = {"stage", "path", "verdict", "recorded", "rebuilt", "seconds", "stored"}


@pytest.fixture(scope="module")
def together(tiny, mixed) -> list[dict]:
    """The reports on three commits, two of them at once."""
    return verify(tiny, "--jobs", "2", *mixed.values(), status=1)


def test_reports_as_json(together, mixed):
    assert [report["verdict"] for report in together] == [*mixed]
    assert [report["revision"] for report in together] == [*mixed.values()]
    for report in together:
        assert report.keys() == REPORT and report["seconds"] > 0
        assert re.fullmatch(r"[0-9a-f]{40}", report["commit"])
        for line in report["lines"]:
            assert line.keys() == LINE and line["stored"] is None
            assert 0 < line["seconds"] < report["seconds"]
            assert re.fullmatch(r"[0-9a-f]{32}", line["recorded"])
            assert (line["recorded"] == line["rebuilt"]) == (line["verdict"] == "identical")
    assert Path(together[0]["kept"], METRICS).is_file() and "no intact file" in str(together[0])
    assert together[1]["lines"] == [] and together[1]["problem"].startswith(BEHIND)
    assert_identical(together[2])


def without_seconds(report: dict) -> dict:
    lines = [{**line, "seconds": None} for line in report["lines"]]
    return {**report, "seconds": None, "lines": lines}


def test_jobs_change_nothing(small, together, mixed):
    alone = verify(small, *mixed.values(), status=1)
    assert [*map(without_seconds, alone)] == [*map(without_seconds, together)]


@pytest.mark.parametrize(
    ("verdicts", "status"),
    [
        (["identical"], 0),
        (["identical", "differs"], 1),
        (["could not run", "identical"], 2),
        (["could not run", "differs"], 1),
    ],
    ids=["identical", "one differs", "one could not run", "one of each"],
)
def test_exit_status(verdicts, status, small, mixed):
    reports = verify(small, "--quick", *(mixed[verdict] for verdict in verdicts), status=status)
    assert [report["verdict"] for report in reports] == verdicts


def test_a_summary_in_markdown(small, mixed):
    done = small.run("exact", "verify", "--quick", "--summary", *mixed.values(), check=False)
    differs, broken, identical = ("\n" + done.stdout).split("\n### ")[1:]
    assert re.match(rf"{mixed['differs']}: differs \(5 of 6 stored files identical, ", differs)
    assert re.match(rf"{mixed['could not run']}: could not run \(\d", broken)
    assert f"- could not run: {BEHIND}" in broken
    for text in (differs, identical):
        head, line, *rows = re.findall(r"(?m)^\|.*\|$", text)
        assert head == "| verdict | record | file | recorded | stored |"
        assert line == "|---|---|---|---|---|" and len(rows) == 6
    assert re.search(rf"\| differs \| report \| {METRICS} \| \w+ \| git: other \|", differs)


# For a terminal, for Markdown, and for HTML in it.
HOSTILE = "a|b `c` <script>alert(1)_*[x](y) \x1b[31m\x07.txt"
HOSTILE_CODE = """
import sys
from pathlib import Path

name = {name!r}
if sys.argv[1:]:
    raise SystemExit(name)
Path("models").mkdir(exist_ok=True)
Path("models", name).write_text("hostile")
"""


def become_hostile(project) -> None:
    """A stage whose output has a hostile name, and one that fails with it as its last words."""
    path, command = f"models/{HOSTILE}", "exact run python -m pizza.hostile"
    project.write("src/pizza/hostile.py", HOSTILE_CODE.format(name=HOSTILE))
    stages = {"make": {"cmd": command, "outs": [path]}}
    stages["fail"] = {"cmd": f"{command} please", "deps": [path]}
    project.write("dvc.yaml", yaml.safe_dump({"stages": stages}))
    out = {"path": path, "hash": "md5", "md5": hashlib.md5(b"hostile").hexdigest(), "size": 7}
    stages = {"make": {"cmd": command, "outs": [out]}}
    stages["fail"] = {"cmd": f"{command} please", "deps": [out]}
    project.write("dvc.lock", yaml.safe_dump({"schema": "2.0", "stages": stages}))


@pytest.fixture(scope="module")
def hostile(tiny) -> str:
    return branch_off(tiny, become_hostile)


def test_hostile_names_and_messages_in_the_table(small, hostile):
    done = small.run("exact", "verify", hostile, check=False)
    assert done.returncode == 2
    shown = HOSTILE.replace("\x1b", "\\x1b").replace("\x07", "\\x07")
    lines = done.stdout.splitlines()
    assert lines[1].split() == ["verdict", "stage", "output", "recorded", "rebuilt", "seconds"]
    assert re.match(rf"identical +make +models/{re.escape(shown)}  (\w{{12}})  \1  \d", lines[2])
    assert lines[3] == f"could not run: stage fail failed: {shown}"
    assert all(map(str.isprintable, lines)) and "Traceback" not in done.stderr


def test_hostile_names_and_messages_in_markdown(small, hostile):
    told = small.run("exact", "verify", "--summary", hostile, check=False).stdout
    assert all(map(str.isprintable, told.splitlines()))
    bare = re.sub(r"\\[\\|`*_<>\[\]#]", "", told)
    assert not re.search("[`<>*_]", bare) and "](" not in bare
    for row in re.findall(r"(?m)^\|.*", bare):
        assert row.count("|") == 7, row
    assert bare.count("scriptalert(1)") == 2


FORMS = {"table": [], "json": ["--json"], "summary": ["--summary"]}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_reader_that_has_gone(form, small):
    """As `head -1` has once it has read a line."""
    ours, theirs = os.pipe()
    os.close(ours)
    process = start(small, "--quick", *form, stdout=theirs)
    os.close(theirs)
    told = process.communicate(timeout=120)[1]
    assert "Traceback" not in told and "BrokenPipe" not in told, told


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_report_that_cannot_be_written(form, small):
    with open("/dev/full", "w") as full:
        process = start(small, "--quick", *form, stdout=full)
        told = process.communicate(timeout=120)[1]
    assert process.returncode == 2
    assert "No space left on device" in told and "Traceback" not in told, told


def test_the_first_line_alone(small):
    done = small.run("sh", "-c", "exact verify --quick main altruism@v1.0.0 | head -n 1")
    assert done.stdout.startswith("main (") and done.stdout.count("\n") == 1
    assert done.stderr == ""


@contextlib.contextmanager
def at_a_terminal(project, *words):
    """`exact verify` as somebody begins it at a keyboard, and the other end of its terminal."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (24, WIDTH))
    process = start(
        project,
        *words,
        **dict.fromkeys(("stdin", "stdout", "stderr"), theirs),
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_from(terminal: int, until: str | None = None) -> str:
    """What is written to the terminal, until a text is or the last process has left it.

    Without the reset of colours with which a library of DVC's takes its leave.
    """
    found = b""
    # A terminal that all have left is an error to read.
    with contextlib.suppress(OSError):
        while until is None or until.encode() not in found:
            assert select.select([terminal], [], [], 60)[0], found.decode()
            found += os.read(terminal, 4096)
    return found.decode().replace("\x1b[0m", "")


CLEARED = "\r\x1b[K"
WIDTH = 70


def test_a_progress_line_at_a_terminal(small, kept):
    with at_a_terminal(small, "main", FIRST) as (process, terminal):
        told = read_from(terminal)
        assert process.wait() == 0
    *progress, last = told.split(CLEARED)
    for form in (r"0/2 done, \d+ s; main: count", rf"1/2 done, \d+ s; {FIRST}: report"):
        assert any(re.fullmatch(form, line) for line in progress), progress
    assert not [line for line in progress if "\n" not in line and len(line) >= WIDTH]
    assert last.startswith(f"{FIRST} (") and "done," not in last


def test_ctrl_c_at_a_terminal(undisturbed, sleepers):
    with at_a_terminal(undisturbed, sleepers[0]) as (process, terminal):
        read_from(terminal, until=": count")
        assert wait_for(lambda: asleep(undisturbed))
        os.write(terminal, b"\x03")
        told = read_from(terminal)
        assert process.wait() == 130
    assert told.split(CLEARED)[-1] == "exact: stopped; what was rebuilt is removed\r\n"
