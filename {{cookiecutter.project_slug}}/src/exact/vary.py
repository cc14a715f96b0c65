"""`exact vary [NAME...]`: rebuild HEAD with something else changed each time, and compare.

First with as many variations at once as go together: where that gives the same bytes, none of them
matters. Else with nothing changed, and then one after the other, to name those that changed an
output. The exit status is 0 when nothing differs, 1 when something does, 2 when it could not run.
"""

import argparse
import contextlib
import glob
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from exact import differ, git, judge, rebuild
from exact.objects import Store
from exact.run import Refused, project_root
from exact.show import Progress, plain

SHELL = ("sh", "-c")
STRANGER = "12345"
SPIN = "while :; do :; done"


@dataclass(frozen=True)
class Variation:
    """What is changed around a rebuild: words in front of its command, variables, its folder."""

    name: str
    what: str
    before: tuple[str, ...] = ()
    environ: dict[str, str] = field(default_factory=dict)
    # Below the place of the rebuild, or in another file system.
    folder: str = ""
    load: bool = False


def variations() -> list[Variation]:
    """All that this machine may be able to do; `obstacle` tells whether it is."""
    one_core = str(min(os.sched_getaffinity(0)))
    two = {f"{name}_NUM_THREADS": "2" for name in ("OMP", "OPENBLAS", "MKL")}
    simd = {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4"}
    simd["GLIBC_TUNABLES"] = "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F"
    stranger = ("unshare", "--user", f"--map-user={STRANGER}")
    uts = ("unshare", "--user", "--map-root-user", "--uts", *SHELL, 'hostname varied; exec "$@"')
    return [
        Variation("hash-seed", "PYTHONHASHSEED=12345", environ={"PYTHONHASHSEED": "12345"}),
        Variation("threads", "two threads asked for by the caller", environ=two),
        Variation("cores", "one core", ("taskset", "--cpu-list", one_core)),
        Variation("time-zone", "Asia/Kathmandu", environ={"TZ": "Asia/Kathmandu"}),
        Variation("day", "the clock a day ahead", environ=clock("+1d")),
        Variation("year", "the clock a year ahead", environ=clock("+400d")),
        Variation("locale", other_locale(), environ={"LC_ALL": other_locale(), "LANGUAGE": "et"}),
        Variation("umask", "077", (*SHELL, 'umask 077; exec "$@"', "sh")),
        Variation("home", "an empty folder", environ={"HOME": "{place}/home"}),
        Variation("host-name", "varied", (*uts, "sh")),
        # Inside of the one before, which needs another id.
        Variation("user", f"uid {STRANGER}, without a name", stranger),
        Variation("path", "a longer and deeper folder", folder="a longer/and/deeper/földer"),
        Variation("environment", "100 kB more of it", environ={"VARIED": "x" * 100_000}),
        Variation("file-order", "folders filled backwards, in memory", folder="/dev/shm"),
        Variation("aslr", "memory addresses not randomized", ("setarch", "--addr-no-randomize")),
        Variation("blas", "another kernel asked for", environ={"OPENBLAS_CORETYPE": "Nehalem"}),
        Variation("simd", "AVX2, FMA and AVX-512 masked", environ=simd),
        Variation("load", "the other cores busy", load=True),
        Variation("kernel", "personality of Linux 2.6", ("setarch", "--uname-2.6")),
    ]


def clock(offset: str) -> dict[str, str]:
    """The variables that let programs see another time; none where there is no libfaketime."""
    found = glob.glob("/usr/lib*/faketime/libfaketimeMT.so.1")
    found += glob.glob("/usr/lib*/*/faketime/libfaketimeMT.so.1")
    ours = {"FAKETIME": offset, "NO_FAKE_STAT": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return {"LD_PRELOAD": found[0], **ours} if found else {}


def other_locale() -> str:
    """A locale of this machine with other letters and number signs than English, if it has one."""
    done = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False)
    known = [name for name in done.stdout.split() if name.startswith(("et_EE", "tr_TR", "de_DE"))]
    return known[0] if known else "POSIX"


def obstacle(variation: Variation, root: Path) -> str | None:
    """Why this machine cannot make the variation; None when it can."""
    if variation.name in ("day", "year") and not variation.environ:
        return "there is no libfaketime (Debian's package faketime)"
    if variation.load and len(os.sched_getaffinity(0)) < 2:
        return "there is one core only"
    if variation.folder.startswith("/"):
        return same_order(root / rebuild.ROOM, variation.folder)
    if variation.before:
        try:
            command = [*variation.before, "true"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return f"there is no command {variation.before[0]!r}"
        if done.returncode:
            return done.stderr.strip().partition("\n")[0] or "its command fails"
    return None


def same_order(usual: Path, folder: str) -> str | None:
    """Why folders are not listed in another order in `folder` than in the `usual` one."""
    listed = []
    usual.mkdir(parents=True, exist_ok=True)
    try:
        for place, names in ((usual, range(16)), (folder, range(15, -1, -1))):
            with tempfile.TemporaryDirectory(dir=place, prefix="exact-") as made:
                for name in names:
                    Path(made, f"{name:x}").touch()
                listed.append(os.listdir(made))
    except OSError as error:
        return f"{folder} cannot be written to ({error.strerror})"
    return f"folders are listed in the same order in {folder}" if listed[0] == listed[1] else None


@dataclass
class Built:
    """The tree that was made under some variations, and the records of its stages."""

    tree: Path
    made: rebuild.Made

    def md5s(self) -> dict[str, str]:
        found = map(rebuild.outputs, self.made.stages.values())
        return {path: md5 for outs in found for path, md5 in outs.items()}


class Builder:
    """Rebuilds one commit, under variations, as often as asked; used as a context it cleans up."""

    def __init__(self, root: Path, commit: str, heard):
        self.root, self.commit, self.heard = root, commit, heard
        self.store = Store(root)
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stack.close()

    def build(self, *chosen: Variation) -> Built:
        """Rebuild with all that `chosen` say; Refused when a stage fails."""
        place = self.stack.enter_context(rebuild.workplace(self.root))
        folder = place
        for root in [one.folder for one in chosen if one.folder.startswith("/")]:
            made = tempfile.TemporaryDirectory(dir=root, prefix="exact-")
            folder = Path(self.stack.enter_context(made))
        for below in [one.folder for one in chosen if not one.folder.startswith("/")]:
            folder = folder / below
        tree = git.check_out(self.root, self.commit, folder / "tree")
        lock = tree / "dvc.lock"
        recorded = rebuild.stages_of(lock.read_bytes() if lock.exists() else None)
        stages = judge.declared(tree, recorded)
        judge.check_record(tree, stages)
        rebuild.prepare(tree, stages, self.store)
        made = self.run(tree, place, chosen)
        problem = judge.failure(stages, made)
        if problem:
            raise Refused(problem)
        return Built(tree, made)

    def run(self, tree: Path, place: Path, chosen: tuple[Variation, ...]) -> rebuild.Made:
        """Run the stages in `tree` under the variations."""
        environment = rebuild.environment(self.root, tree, self.heard)
        (place / "home").mkdir()
        environ = {
            name: value.replace("{place}", str(place))
            for variation in chosen
            for name, value in variation.environ.items()
        }
        path = [str(environment / "bin"), os.environ.get("PATH", os.defpath)]
        if "LD_PRELOAD" in environ:
            path.insert(0, str(past_the_pins(place, environment, environ)))
        environ["PATH"] = os.pathsep.join(path)
        before = tuple(word for variation in chosen for word in variation.before)
        with busy(any(variation.load for variation in chosen)):
            return rebuild.reproduce(tree, environment, self.heard, before=before, **environ)


def past_the_pins(place: Path, environment: Path, environ: dict[str, str]) -> Path:
    """A folder with an `exact` whose `run` lets the clock through, which it would drop."""
    folder = place / "bin"
    folder.mkdir()
    kept = [f"{name}={value}" for name, value in environ.items() if "FAKE" in name or "LD_" in name]
    real = shlex.quote(str(environment / "bin/exact"))
    again = f'[ "$1" = run ] && shift && exec {real} run env {shlex.join(kept)} "$@"'
    (folder / "exact").write_text(f'#!/bin/sh\n{again}\nexec {real} "$@"\n', encoding="utf-8")
    (folder / "exact").chmod(0o755)
    return folder


@contextlib.contextmanager
def busy(wanted: bool) -> Iterator[None]:
    """Keep all cores but one busy while inside."""
    count = len(os.sched_getaffinity(0)) - 1 if wanted else 0
    spinning = [subprocess.Popen([*SHELL, SPIN]) for _ in range(count)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


# -- which of them matter


@dataclass
class Finding:
    """The verdict on one variation, and the outputs that it changed."""

    name: str
    what: str
    verdict: str
    outputs: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def differing(builder: Builder, plain_one: Built, *chosen: Variation) -> Finding:
    """Build under the variations `chosen` and compare with what was made without."""
    names = " + ".join(variation.name for variation in chosen) or "nothing"
    what = "; ".join(variation.what for variation in chosen) or "the same again"
    builder.heard(names if len(chosen) < 2 else f"{len(chosen)} variations at once")
    try:
        built = builder.build(*chosen)
    except Refused as refusal:
        return Finding(names, what, judge.COULD_NOT_RUN, notes=[str(refusal)])
    before, after = plain_one.md5s(), built.md5s()
    changed = [path for path in before if after.get(path) != before[path]]
    if not changed:
        return Finding(names, what, judge.IDENTICAL)
    told = differ.describe(plain_one.tree / changed[0], built.tree / changed[0])
    return Finding(names, what, judge.DIFFERS, changed, [f"{changed[0]}: {'; '.join(told)}"])


def findings(builder: Builder, chosen: list[Variation]) -> Iterator[Finding]:
    """The verdict on each variation, built one by one only where all at once differ."""
    possible = []
    for variation in chosen:
        reason = obstacle(variation, builder.root)
        if reason:
            yield Finding(variation.name, variation.what, judge.COULD_NOT_RUN, notes=[reason])
        else:
            possible.append(variation)
    builder.heard("a first build")
    first = builder.build()
    together = [differing(builder, first, *some) for some in rounds(possible)]
    if all(finding.verdict == judge.IDENTICAL for finding in together):
        yield from (Finding(one.name, one.what, judge.IDENTICAL) for one in possible)
        return
    again = differing(builder, first)
    if again.verdict == judge.DIFFERS:
        again.notes.append("it makes other bytes each time: the time, or chance without a seed?")
        yield again
        return
    found = [differing(builder, first, variation) for variation in possible]
    yield from found
    if all(finding.verdict == judge.IDENTICAL for finding in found):
        yield from together


def rounds(possible: list[Variation]) -> list[list[Variation]]:
    """The variations in as few groups as can be, none of which sets a variable twice."""
    found = []
    for one in possible:
        for some in found:
            if not any(one.environ.keys() & other.environ.keys() for other in some):
                some.append(one)
                break
        else:
            found.append([one])
    return found


def table(found: list[Finding]) -> str:
    """A line for each variation, and what changed below it."""
    widths = [max(len(getattr(one, key)) for one in found) for key in ("verdict", "name")]
    lines = []
    for one in found:
        lines.append(f"{one.verdict:{widths[0]}}  {one.name:{widths[1]}}  {one.what}")
        if one.outputs:
            lines.append(f"    changed: {', '.join(one.outputs)}")
        lines += [f"    {note}" for note in one.notes]
    return "\n".join(map(plain, lines))


def chosen_of(names: list[str]) -> list[Variation]:
    """The variations called `names`, or all; Refused when there is none of that name."""
    known = {one.name: one for one in variations()}
    for name in names:
        if name not in known:
            raise Refused(f"there is no variation {name!r}; name some of: {', '.join(known)}")
    return [known[name] for name in names or known]


def main(words: list[str]) -> int:
    """Vary and print; the exit status is 0, 1 or 2 as said above, 130 after Ctrl-C."""
    parser = argparse.ArgumentParser(prog="exact vary", description=__doc__.partition("\n\n")[2])
    parser.add_argument("names", nargs="*", metavar="NAME", help="only these variations")
    parser.add_argument("--json", action="store_true", help="the findings as JSON")
    arguments = parser.parse_args(words)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    progress = Progress(1, tables=False)
    try:
        chosen = chosen_of(arguments.names)
        root = project_root(Path.cwd()).resolve()
        ((_, commit),) = git.commits(root, "HEAD")
        with Builder(root, commit, progress.of("HEAD")) as builder:
            found = list(findings(builder, chosen))
    except (Refused, OSError) as refusal:
        progress.clear()
        print(f"exact: {refusal}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        progress.clear()
        print("exact: stopped; what was rebuilt is removed", file=sys.stderr)
        return 130
    progress.clear()
    print(json.dumps([asdict(one) for one in found], indent=2) if arguments.json else table(found))
    return 1 if any(one.verdict == judge.DIFFERS for one in found) else 0
