"""`exact vary [NAME...]`: rebuild HEAD with something else changed each time, and compare.

First with as many variations at once as go together: where that gives the same bytes, none of them
matters. Else with nothing changed, and then one after the other, to name those that changed an
output. The exit status is 0 when nothing differs, 1 when something does, 2 when it could not run.
"""

import argparse
import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from exact_model import describes, differ, dvcfiles, git, judge, rebuild, reports
from exact_model.environment import kept_environment, surroundings
from exact_model.errors import Refused
from exact_model.objects import Store
from exact_model.packages import project_root
from exact_model.processes import workplace
from exact_model.progress import Progress
from exact_model.text import printable, table
from exact_model.variations import SHELL, Variation, obstacle, usual_values, variations

# Until `exact vary` is gone, however it ends.
SPIN = 'while kill -0 "$PPID"; do :; done'
# Tells the names of libfaketime's files in shared memory, and ends when `exact vary` does.
HOLD = "import os, sys; print(os.getenv('FAKETIME_SHARED', ''), flush=True); sys.stdin.read()"


@dataclass
class Built:
    """The tree that was made under some variations, and the records of its stages."""

    tree: Path
    made: rebuild.Made

    def md5s(self) -> dict[str, str]:
        found = map(dvcfiles.outputs, self.made.stages.values())
        return {path: md5 for outs in found for path, md5 in outs.items()}


class Builder:
    """Rebuilds one commit, under variations, as often as asked; used as a context it cleans up.

    All in one place, one after the other, so that only what varies the path makes another one.
    """

    def __init__(self, root: Path, commit: str, progress: Progress):
        self.root, self.commit, self.progress = root, commit, progress
        self.store = Store(root)
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        self.place = self.stack.enter_context(workplace(self.root))
        return self

    def __exit__(self, *error):
        self.stack.close()

    @contextlib.contextmanager
    def build(self, *chosen: Variation) -> Iterator[Built]:
        """Rebuild with all that `chosen` say; Refused when a stage fails. Removed at the end."""
        with contextlib.ExitStack() as stack:
            place = self.place / "now"
            place.mkdir()
            stack.callback(rebuild.remove, place)
            folder = place
            for root in [one.folder for one in chosen if one.folder.startswith("/")]:
                made = tempfile.TemporaryDirectory(dir=root, prefix="exact-")
                folder = Path(stack.enter_context(made))
            for below in [one.folder for one in chosen if not one.folder.startswith("/")]:
                folder = folder / below
            yield self.built(place, folder, chosen)

    def usual(self) -> Built:
        """Rebuild with nothing varied, and keep that until the end."""
        with self.build() as built:
            kept = self.place / "usual"
            return Built(built.tree.parent.rename(kept) / built.tree.name, built.made)

    def built(self, place: Path, folder: Path, chosen: tuple[Variation, ...]) -> Built:
        """What `build` gives, in a tree below `folder`."""
        tree, stages, _ = describes.ready(self.root, self.commit, folder, self.store)
        made = self.run(tree, place, chosen)
        problem = judge.failure(stages, made)
        if problem:
            raise Refused(problem)
        return Built(tree, made)

    def run(self, tree: Path, place: Path, chosen: tuple[Variation, ...]) -> rebuild.Made:
        """Run the stages in `tree` under the variations."""
        environment = kept_environment(self.root, tree, self.progress.detail)
        varied = {
            name: value.replace("{place}", str(place))
            for variation in chosen
            for name, value in variation.environ.items()
        }
        with busy(any(variation.load for variation in chosen)), shared(varied):
            # Not beside the tree, which the path would move.
            environ = {"HOME": str(self.place / "home"), **usual_values(), **varied}
            if "LD_PRELOAD" in environ:
                first = str(past_the_pins(place, environment, environ))
                usual = surroundings(tree, environment)["PATH"]
                environ["PATH"] = os.pathsep.join([first, usual])
            before = tuple(word for variation in chosen for word in variation.before)
            return rebuild.reproduce(
                tree, environment, self.progress.detail, before=before, **environ
            )


def past_the_pins(place: Path, environment: Path, environ: dict[str, str]) -> Path:
    """A folder with an `exact` whose `run` lets the clock through, which it would drop."""
    folder = place / "bin"
    folder.mkdir()
    kept = [f"{name}={value}" for name, value in environ.items() if "FAKE" in name or "LD_" in name]
    real = shlex.quote(str(environment / "bin/exact"))
    again = f'[ "$1" = run ] && shift && exec {real} run env {shlex.join(kept)} "$@"'
    (folder / "exact").write_bytes(os.fsencode(f'#!/bin/sh\n{again}\nexec {real} "$@"\n'))
    (folder / "exact").chmod(0o755)
    return folder


@contextlib.contextmanager
def busy(wanted: bool) -> Iterator[None]:
    """Keep all cores but one busy while inside."""
    count = len(os.sched_getaffinity(0)) - 1 if wanted else 0
    # Who reads what this process prints must not wait for them.
    quiet = {stream: subprocess.DEVNULL for stream in ("stdin", "stdout", "stderr")}
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            spinning = subprocess.Popen([*SHELL, SPIN], start_new_session=True, **quiet)
            stack.callback(spinning.wait)
            stack.callback(spinning.kill)
        yield


@contextlib.contextmanager
def shared(environ: dict[str, str]) -> Iterator[None]:
    """Let all programs under libfaketime use the files of one that ends in peace.

    Each would have its own otherwise, and leave them when it is killed or becomes another program.
    """
    if "FAKETIME" not in environ:
        yield
        return
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command, above = [sys.executable, "-ISc", HOLD], {**os.environ, **environ}
    with subprocess.Popen(command, env=above, start_new_session=True, **pipes) as holder:
        if names := holder.stdout.readline().strip():
            environ["FAKETIME_SHARED"] = names
        yield


# -- which of them matter


@dataclass
class Finding:
    """The verdict on one variation, and the outputs that it changed."""

    name: str
    what: str
    verdict: str
    outputs: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def differing(builder: Builder, usual: Built, *chosen: Variation) -> Finding:
    """Build under the variations `chosen` and compare with what was made without."""
    names = " + ".join(variation.name for variation in chosen) or "nothing"
    what = "; ".join(variation.what for variation in chosen) or "the same again"
    builder.progress.step(names if len(chosen) < 2 else f"{len(chosen)} variations at once")
    try:
        with builder.build(*chosen) as built:
            before, after = usual.md5s(), built.md5s()
            changed = [path for path in before if after.get(path) != before[path]]
            if not changed:
                return Finding(names, what, reports.IDENTICAL)
            told = differ.describe(usual.tree / changed[0], built.tree / changed[0])
            return Finding(
                names, what, reports.DIFFERS, changed, [f"{changed[0]}: {'; '.join(told)}"]
            )
    except Refused as refusal:
        return Finding(names, what, reports.DIFFERS, notes=[str(refusal)])
    except OSError as error:
        return Finding(names, what, reports.COULD_NOT_RUN, notes=[str(error)])


def findings(builder: Builder, chosen: list[Variation]) -> Iterator[Finding]:
    """The verdict on each variation, built one by one only where all at once differ."""
    builder.progress.step("a first build")
    usual = builder.usual()
    possible = []
    for variation in chosen:
        reason = obstacle(variation, builder.root) or no_room(variation, usual.tree)
        if reason:
            yield Finding(variation.name, variation.what, reports.COULD_NOT_RUN, notes=[reason])
        else:
            possible.append(variation)
    together = [differing(builder, usual, *some) for some in rounds(possible)]
    if all(finding.verdict == reports.IDENTICAL for finding in together):
        yield from (Finding(one.name, one.what, reports.IDENTICAL) for one in possible)
        return
    again = differing(builder, usual)
    if again.verdict == reports.DIFFERS:
        again.notes.append("it makes other bytes each time: the time, or chance without a seed?")
        yield again
        return
    found = [differing(builder, usual, variation) for variation in possible]
    order = [one for one in found if one.name == "file-order" and one.outputs]
    for one in order:
        # Which needs another folder, so that what depends on the path differs there as well.
        moved = [other for other in found if other.name == "path"]
        but_for_the_path(one, moved or [differing(builder, usual, *chosen_of(["path"]))])
    yield from found
    if not order and all(finding.verdict == reports.IDENTICAL for finding in found):
        yield from together


def no_room(variation: Variation, tree: Path) -> str | None:
    """Why a build as large as `tree` does not fit where the variation wants it, if so."""
    if not variation.folder.startswith("/"):
        return None
    needed = sum(file.lstat().st_size for file in tree.rglob("*"))
    free = shutil.disk_usage(variation.folder).free
    return None if 2 * needed < free else f"{variation.folder} has too little room ({free} bytes)"


def but_for_the_path(order: Finding, moved: list[Finding]) -> None:
    """Take from `order` the outputs that differ in any other folder."""
    elsewhere = {path for one in moved for path in one.outputs}
    order.outputs = [path for path in order.outputs if path not in elsewhere]
    order.notes = [note for note in order.notes if note.partition(": ")[0] in order.outputs]
    if not order.outputs:
        order.verdict = reports.IDENTICAL


def rounds(possible: list[Variation]) -> list[list[Variation]]:
    """The variations in as few groups as can be, in none of which one undoes another."""
    found = []
    for one in possible:
        for some in found:
            if not any(clash(one, other) for other in some):
                some.append(one)
                break
        else:
            found.append([one])
    return found


def clash(one: Variation, other: Variation) -> bool:
    """Whether the two cannot both be had in one build."""
    named = one.name == other.unlike or other.name == one.unlike
    return named or bool(one.environ.keys() & other.environ.keys())


def report(found: list[Finding]) -> str:
    """A line for each variation, and what changed below it."""
    lines = []
    for line, one in zip(table((x.verdict, x.name, x.what) for x in found), found, strict=True):
        changed = [f"changed: {', '.join(one.outputs)}"] if one.outputs else []
        lines += [line, *(f"    {printable(note)}" for note in [*changed, *one.notes])]
    return "\n".join(lines)


def chosen_of(names: list[str]) -> list[Variation]:
    """The variations called `names`, or all; Refused when there is none of that name."""
    known = {one.name: one for one in variations()}
    for name in names:
        if name not in known:
            raise Refused(f"there is no variation {name!r}; name some of: {', '.join(known)}")
    return [known[name] for name in names or known]


def forget() -> None:
    """Take out of this process what its caller has set of all that is varied, but for its home."""
    os.umask(0o022)
    for name in {name for one in variations() for name in one.environ} - {"HOME"}:
        os.environ.pop(name, None)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    names = ", ".join(one.name for one in variations())
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"only some of: {names}")
    parser.add_argument("--json", action="store_true", help="the findings as JSON")


def main(arguments: argparse.Namespace) -> int:
    """Vary and print; the exit status is 0, 1 or 2 as said above."""
    chosen = chosen_of(arguments.names)
    forget()
    root = project_root(Path.cwd()).resolve()
    ((_, commit),) = git.commits(root, "HEAD")
    with Progress() as progress, Builder(root, commit, progress) as builder:
        found = list(findings(builder, chosen))
    print(json.dumps([asdict(one) for one in found], indent=2) if arguments.json else report(found))
    return 1 if any(one.verdict == reports.DIFFERS for one in found) else 0
