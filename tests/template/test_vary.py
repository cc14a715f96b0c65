"""`exact vary` finds whatever a stage depends on, calls it by its name, and blames nothing else.

All tests share one project. Its stages see one thing for each variation and write it into a file of
that name; one of them runs as it is (`bare`), the other under `exact run` (`held`). So one table,
of the outputs that each variation changed, tells what is found and what the pins hold.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from projects import OBSCURE

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]
MODULE = "src/altruism/sees.py"
SOURCE = '''"""Write into FOLDER what a stage sees: python -m altruism.sees FOLDER NAME..."""

import contextlib
import datetime
import hashlib
import json
import locale
import math
import os
import random
import socket
import sys
import time
from array import array
from pathlib import Path

import numpy

COMMITTED = datetime.datetime.fromtimestamp(START, datetime.UTC)
LOG, WAIT = "LOG", "WAIT"
LONG = 50_000
NUMBERS = numpy.arange(3600) / 29
SQUARE = NUMBERS.reshape(60, 60)


def days() -> int:
    return round((datetime.datetime.now(datetime.UTC) - COMMITTED) / datetime.timedelta(days=1))


def decimal_point() -> str:
    return locale.setlocale(locale.LC_ALL, "") + " " + locale.str(0.5)


def mode() -> str:
    file = Path("made")
    file.touch()
    made = file.stat().st_mode
    file.unlink()
    return oct(made)


def md5(numbers) -> str:
    return hashlib.md5(numbers).hexdigest()


def threads() -> int:
    numpy.ones((300, 300)) @ numpy.ones((300, 300))
    return len(os.listdir("/proc/self/task"))


def words() -> int:
    return sum(map(len, os.environ.values())) // LONG


def command(process: str) -> list[bytes]:
    return Path("/proc", process, "cmdline").read_bytes().split(b"\\0")


def parent(process: str) -> str:
    return Path("/proc", process, "stat").read_text(errors="replace").rpartition(")")[2].split()[1]


def spinning() -> int:
    """How many shells run a loop beside this, as children of the same `exact vary`."""
    above = str(os.getpid())
    while above != "0" and b"vary" not in command(above):
        above = parent(above)
    found = 0
    for process in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            found += parent(process) == above and b"while" in b" ".join(command(process))
    return found if above != "0" else 0


def strict() -> None:
    if words():
        sys.exit("the environment is too long")


SEES = {
    "hash-seed": lambda: list({"a", "b", "c", "d", "e", "f", "g", "h"}),
    "threads": threads,
    "cores": lambda: len(os.sched_getaffinity(0)),
    "time-zone": lambda: time.strftime("%H:%M", time.localtime(0)),
    "day": days,
    "year": lambda: days() // 365,
    "locale": decimal_point,
    "umask": mode,
    "home": lambda: os.path.expanduser(b"~"),
    "host-name": socket.gethostname,
    "user": os.getuid,
    "path": os.getcwdb,
    "environment": words,
    "file-order": lambda: os.listdir("many"),
    "aslr": lambda: int(Path("/proc/self/personality").read_text(), 16) & 0x0040000,
    "blas": lambda: md5(SQUARE @ SQUARE),
    "simd": lambda: md5(numpy.exp(NUMBERS.astype("f") / 20)),
    "libm": lambda: md5(array("d", map(math.exp, NUMBERS / 20))),
    "load": spinning,
    "kernel": lambda: os.uname().release,
    "time": time.time,
    "chance": random.random,
    "strict": strict,
    "secret": lambda: Path(".dvc/tmp/secret").read_text(),
}


def main(folder: str, names: list[str]) -> None:
    seen = {name: str(SEES[name]()) for name in names}
    for name, text in seen.items():
        Path(folder, name + ".txt").write_text(text + "\\n", encoding="utf-8")
    with open(LOG, "a", encoding="utf-8") as log:
        print(json.dumps([folder, seen]), file=log)
    while "load" in names and os.path.exists(WAIT) and spinning():
        time.sleep(0.02)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
'''
# What each variation changes of what a stage sees.
CHANGES = {
    "hash-seed": {"hash-seed"},
    "threads": {"threads"},
    "cores": {"cores"},
    "time-zone": {"time-zone"},
    "day": {"day"},
    "year": {"day", "year"},
    "locale": {"locale"},
    "umask": {"umask"},
    "home": {"home"},
    "host-name": {"host-name"},
    "user": {"user"},
    "path": {"path"},
    "environment": {"environment"},
    "file-order": {"file-order"},
    "aslr": {"aslr"},
    "blas": {"blas"},
    "simd": {"simd", "libm"},
    "load": {"load"},
    "kernel": {"kernel"},
}
PINNED = ("hash-seed", "threads", "time-zone", "locale", "umask", "blas", "simd", "libm")
ALL = sorted(set().union(*CHANGES.values()))
# A caller who already has what is varied hides nothing by it.
CALLER = {
    "PYTHONHASHSEED": "12345",
    "OMP_NUM_THREADS": "2",
    "OPENBLAS_NUM_THREADS": "2",
    "OPENBLAS_CORETYPE": "Nehalem",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F",
    "TZ": "Asia/Kathmandu",
}


class Varied:
    """A project with stages that see, and `exact vary` in it."""

    def __init__(self, project, folder: Path):
        self.project, self.root = project, project.root
        self.log, self.wait = folder / "log", folder / "wait"
        self.trees = self.root / ".dvc/tmp/exact/trees"
        self.source = SOURCE.replace("START", str(int(time.time())))
        for name, file in (("LOG", self.log), ("WAIT", self.wait)):
            self.source = self.source.replace(f'"{name}"', repr(str(file)))
        project.write(MODULE, self.source)

    def have(self, *, held, bare=()) -> None:
        """Commit stages that see these names, built."""
        stages = {}
        for name, before, seen in (("bare", "", bare), ("held", "exact run ", held)):
            command = f"{before}python -m altruism.sees out/{name} {' '.join(seen)}"
            deps = [".python-version", "requirements.lock", MODULE]
            outs = [{f"out/{name}/{one}.txt": {"persist": True}} for one in seen]
            if seen:
                stages[name] = {"cmd": command, "deps": deps, "outs": outs}
        self.project.write("dvc.yaml", yaml.safe_dump({"stages": stages}))
        self.project.run("dvc", "repro", "--quiet")
        if self.project.run("git", "status", "--porcelain").stdout:
            self.project.commit(f"See {', '.join([*bare, *held])}")

    def vary(self, *words, before=(), **environ):
        self.log.unlink(missing_ok=True)
        command = (*before, "exact", "vary", *words)
        return self.project.run(*command, check=False, **environ)

    def seen(self, stage: str) -> list[dict[str, str]]:
        """What the stage has seen in each build since `vary`."""
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        return [seen for folder, seen in map(json.loads, lines) if folder == f"out/{stage}"]

    def state(self) -> dict:
        """Content and time of every file of the project that is not its tools'."""
        files = [path for path in self.root.rglob("*") if path.is_file() and not path.is_symlink()]
        named = {str(path.relative_to(self.root)): path for path in files}
        return {
            name: (path.read_bytes(), path.stat().st_mtime_ns)
            for name, path in named.items()
            # Python keeps what it has compiled, of whatever was not imported before.
            if not name.startswith((".venv/", ".dvc/tmp/")) and "__pycache__" not in name
        }


def verdicts(done) -> dict[str, str]:
    """The verdict on each variation, in the order of the JSON."""
    return {one["name"]: one["verdict"] for one in json.loads(done.stdout)}


@pytest.fixture(scope="module")
def varied(built, tmp_path_factory) -> Varied:
    folder = tmp_path_factory.mktemp("vary")
    project = built.copy(folder / OBSCURE / "altruism")
    (project.root / "many").mkdir()
    for number in range(16):
        project.write(f"many/{number:x}", "")
    for name in ("bare", "held"):
        (project.root / "out" / name).mkdir(parents=True)
        project.write(f"out/{name}/.gitignore", "*.txt\n")
    return Varied(project, folder)


def said(done) -> str:
    """What is on standard error beside a line for each step, of which there is the first."""
    assert done.stderr.startswith("a first build\n"), done.stderr
    return re.sub(r"^(a first build|\d+ variations at once|[a-z-]+)\n", "", done.stderr, flags=re.M)


@pytest.fixture(scope="module")
def table(varied):
    """The findings by name, of all variations of stages that see everything, and what they saw."""
    varied.have(held=ALL, bare=ALL)
    before = varied.state()
    private = ("sh", "-c", 'umask 077; exec "$@"', "sh")
    done = varied.vary("--json", before=private, **CALLER)
    assert said(done) == ""
    assert varied.state() == before and not list(varied.trees.iterdir())
    found = {one["name"]: one for one in json.loads(done.stdout)}
    return done.returncode, found, {stage: varied.seen(stage) for stage in ("bare", "held")}


def possible(found: dict, name: str) -> dict:
    """The finding on the variation `name`; skips where this machine cannot make it."""
    if found[name]["verdict"] == "could not run":
        pytest.skip(f"{name} could not run: {'; '.join(found[name]['notes'])}")
    return found[name]


def test_all_variations_are_tried(table):
    status, found, _ = table
    assert status == 1
    assert sorted(found) == sorted(CHANGES)


@pytest.mark.parametrize("name", CHANGES)
def test_a_stage_is_caught_at_what_it_depends_on(name, table):
    finding = possible(table[1], name)
    held = CHANGES[name].difference(PINNED)
    changed = [f"out/bare/{one}.txt" for one in CHANGES[name]]
    changed += [f"out/held/{one}.txt" for one in held]
    assert (finding["verdict"], finding["outputs"]) == ("differs", sorted(changed))
    assert finding["notes"][0].startswith(f"{sorted(changed)[0]}: ")
    assert " -> " in finding["notes"][0]


@pytest.mark.parametrize("name", CHANGES)
def test_what_changes_alone_changes_among_all_at_once(name, table):
    _, found, seen = table
    possible(found, name)
    alone = sum(one["verdict"] != "could not run" for one in found.values())
    first, *rounds = seen["bare"][: -alone - 1]
    assert 1 <= len(rounds) <= 3
    for one in CHANGES[name]:
        assert any(each[one] != first[one] for each in rounds), f"{one} is never {name}"


def test_a_stage_that_depends_on_nothing_is_blamed_for_nothing(varied):
    varied.have(held=PINNED)
    done = varied.vary("--json")
    assert (done.returncode, said(done)) == (0, "")
    findings = json.loads(done.stdout)
    assert sorted(one["name"] for one in findings) == sorted(CHANGES)
    for one in findings:
        assert one["verdict"] in ("identical", "could not run") and one["outputs"] == []
        assert bool(one["notes"]) == (one["verdict"] == "could not run")
    # All at once, so that the usual case is a matter of a few builds.
    assert len(varied.seen("held")) <= 4


def test_names_choose_and_the_table_says_what_differs(varied):
    varied.have(held=["umask"], bare=["umask"])
    done = varied.vary("umask", "environment")
    assert (done.returncode, said(done)) == (1, "")
    assert done.stdout.splitlines() == [
        "differs    umask        077",
        "    changed: out/bare/umask.txt",
        "    out/bare/umask.txt: line 1: '0o100644' -> '0o100600'; 1 of 1 lines differ",
        "identical  environment  100 kB more of it",
    ]


def test_what_another_folder_changes_is_not_the_order_of_its_files(varied, table):
    possible(table[1], "file-order")
    varied.have(held=["path"])
    done = varied.vary("--json", "file-order", "umask")
    assert (done.returncode, said(done)) == (0, "")
    assert verdicts(done) == {"file-order": "identical", "umask": "identical"}


def test_the_time_and_chance_are_told_from_what_is_varied(varied):
    varied.have(held=["time", "umask", "chance"])
    done = varied.vary("umask", "environment")
    assert (done.returncode, said(done)) == (1, "")
    verdict, changed, *_, hint = done.stdout.splitlines()
    assert verdict == "differs  nothing  the same again"
    assert changed == "    changed: out/held/chance.txt, out/held/time.txt"
    assert hint.startswith("    it makes other bytes each time")


def test_a_stage_that_fails_where_something_is_varied_depends_on_it(varied):
    varied.have(held=["strict"])
    done = varied.vary("--json", "umask", "environment")
    assert (done.returncode, said(done)) == (1, "")
    assert verdicts(done) == {"umask": "identical", "environment": "differs"}
    assert "stage held failed: the environment is too long" in done.stdout


def test_a_stage_that_fails_anyhow_is_told_in_one_sentence(varied):
    secret = varied.root / ".dvc/tmp/secret"
    secret.write_text("not committed")
    varied.have(held=["secret"])
    done = varied.vary()
    assert (done.returncode, done.stdout) == (2, "")
    (told,) = done.stderr.splitlines()
    assert told.startswith("exact: stage held failed: FileNotFoundError:")
    assert not list(varied.trees.iterdir())


def test_an_unknown_name_is_answered_with_the_known_ones(varied):
    varied.have(held=["umask"])
    done = varied.vary("umask", "moon")
    assert (done.returncode, done.stdout) == (2, "")
    told = re.fullmatch(r"exact: there is no variation 'moon'; name .*: (.*)\n", done.stderr)
    assert sorted(told[1].split(", ")) == sorted(CHANGES)
    assert varied.seen("held") == []


def test_a_locale_without_the_letters_of_the_folder_is_no_obstacle(varied):
    known = subprocess.run(["locale", "-a"], capture_output=True, text=True).stdout.split()
    if "de_DE" not in known:
        pytest.skip("there is no locale de_DE, whose letters are those of Latin-1")
    varied.have(held=["umask", "path"])
    done = varied.vary("--json", "locale", "path", LC_ALL="de_DE")
    assert (done.returncode, said(done)) == (1, "")
    assert verdicts(done) == {"locale": "identical", "path": "differs"}


def test_head_is_varied_and_the_working_tree_left_alone(varied):
    varied.have(held=["umask"])
    varied.project.write(MODULE, varied.source.replace('"umask": mode', '"umask": random.random'))
    try:
        varied.project.run("git", "add", MODULE)
        varied.project.write("out/held/umask.txt", "another\n")
        before = varied.state()
        done = varied.vary("--json", "umask")
        assert verdicts(done) == {"umask": "identical"} and done.returncode == 0
        assert {seen["umask"] for seen in varied.seen("held")} == {"0o100644"}
        assert varied.state() == before
    finally:
        varied.project.run("git", "reset", "--quiet", "--hard")


# -- machines that cannot make all variations


@pytest.fixture
def tools(tmp_path):
    """A folder for PATH with the few programs that `exact vary` must have, and no others."""
    for name in ("git", "sh", "env", "dirname", "true", "uv"):
        (tmp_path / name).symlink_to(shutil.which(name))
    return tmp_path


def only(varied, tools: Path) -> dict[str, str]:
    return {"PATH": os.pathsep.join([str(varied.root / ".venv/bin"), str(tools)])}


def test_what_a_missing_program_would_vary_could_not_run(varied, tools):
    varied.have(held=["umask"])
    needs = {"host-name": "unshare", "user": "unshare", "aslr": "setarch", "kernel": "setarch"}
    if len(os.sched_getaffinity(0)) > 1:
        needs["cores"] = "taskset"
    done = varied.vary("--json", *needs, "locale", "umask", **only(varied, tools))
    assert (done.returncode, said(done)) == (0, "")
    found = {one["name"]: one for one in json.loads(done.stdout)}
    for name, program in needs.items():
        assert found[name]["verdict"] == "could not run"
        assert found[name]["notes"] == [f"there is no command '{program}'"]
    assert found["locale"]["verdict"] == found["umask"]["verdict"] == "identical"


def test_a_host_name_that_cannot_be_set_could_not_run(varied, tools, table):
    possible(table[1], "host-name")
    (tools / "unshare").symlink_to(shutil.which("unshare"))
    varied.have(held=["umask"])
    done = varied.vary("--json", "host-name", **only(varied, tools))
    assert verdicts(done) == {"host-name": "could not run"} and done.returncode == 0
    assert "hostname" in done.stdout and "not found" in done.stdout


def test_without_libfaketime_the_clock_could_not_run(varied):
    varied.have(held=["umask"])
    hidden = "import glob, sys; glob.glob = lambda *_: []; from exact_model.cli import main"
    words = ("--json", "day", "year", "umask")
    call = f"sys.argv = {['exact', 'vary', *words]}; sys.exit(main())"
    done = varied.project.run("python", "-c", f"{hidden}; {call}")
    wanted = {"day": "could not run", "year": "could not run", "umask": "identical"}
    assert verdicts(done) == wanted
    assert done.stdout.count("there is no libfaketime") == 2


# -- Ctrl-C

two_cores = pytest.mark.skipif(
    len(os.sched_getaffinity(0)) < 2, reason="there is one core only, so none is kept busy"
)


def below(process: int) -> set[int]:
    """All processes that `process` has started, and those that they have."""
    parents = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            text = status.read_text(errors="replace")
            parents[int(status.parent.name)] = int(text.rpartition(")")[2].split()[1])
    found, todo = set(), {process}
    while todo:
        todo = {child for child, parent in parents.items() if parent in todo}
        found |= todo
    return found


def left_by(processes: set[int]) -> set[Path]:
    """Their own entries in /proc, and those in shared memory that they work in or name."""
    found = {Path(f"/proc/{process}") for process in processes}
    for folder in list(found):
        with contextlib.suppress(OSError):
            found |= {Path(*Path(os.readlink(folder / "cwd")).parts[:4])}
            environ = (folder / "environ").read_text(errors="replace")
            for shared in re.finditer(r"\0FAKETIME_SHARED=/(\S+) /([^\0]+)", environ):
                found |= {Path("/dev/shm", f"sem.{shared[1]}"), Path("/dev/shm", shared[2])}
    return {path for path in found if path.parts[1:2] == ("proc",) or "shm" in path.parts}


def gone(paths: set[Path]) -> bool:
    """Whether none is left, within seconds; a process that nobody has waited for is gone."""
    for _ in range(250):
        left = [path for path in paths if path.exists()]
        if not [path for path in left if "\nState:\tZ" not in status_of(path)]:
            return True
        time.sleep(0.02)
    return False


def status_of(path: Path) -> str:
    try:
        return (path / "status").read_text(errors="replace")
    except OSError:
        return ""


@contextlib.contextmanager
def at_work(varied):
    """`exact vary` while a stage runs in memory, under another clock, beside a busy core."""
    varied.log.unlink(missing_ok=True)
    varied.wait.touch()
    path = os.pathsep.join([str(varied.root / ".venv/bin"), os.environ["PATH"]])
    running = subprocess.Popen(
        ["exact", "vary", "day", "file-order", "load"],
        cwd=varied.root,
        env={**os.environ, "PATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    started = set()
    try:
        while running.poll() is None and not any(int(x["load"]) for x in varied.seen("held")):
            time.sleep(0.02)
        started = below(running.pid)
        yield running, started
    finally:
        varied.wait.unlink(missing_ok=True)
        running.kill()
        running.wait()
        for process in started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        running.communicate(timeout=120)


@two_cores
@pytest.mark.parametrize(
    "stop", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda one: one.name
)
def test_a_stop_leaves_nothing_behind(stop, varied):
    varied.have(held=["load"])
    before = varied.state()
    with at_work(varied) as (running, started):
        traces = left_by(started)
        assert len([path for path in traces if "proc" in path.parts]) >= 3
        # A terminal sends Ctrl-C and its end to all that it runs.
        (os.kill if stop == signal.SIGTERM else os.killpg)(running.pid, stop)
        told = running.communicate(timeout=120)
        assert gone(traces)
    assert (running.returncode, told[0]) == (130, "")
    assert told[1].splitlines()[-1] == "exact: stopped; what was rebuilt is removed"
    assert not list(varied.trees.iterdir())
    assert varied.state() == before


@two_cores
def test_no_loop_outlives_a_vary_that_is_killed(varied):
    varied.have(held=["load"])
    with at_work(varied) as (running, started):
        traces = left_by(started)
        running.kill()
        running.wait()
        varied.wait.unlink()
        memory = {path for path in traces if path.name.startswith("exact-")}
        assert gone(traces - memory)
    for folder in memory:
        shutil.rmtree(folder)
    assert varied.vary("--json", "umask").returncode == 0
    assert not list(varied.trees.iterdir())
