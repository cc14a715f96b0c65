"""What is known of a commit before it is verified anew.

That is what `exact verify` has said of it on this machine, and what the texts of release tags say,
as far as they agree with it.
"""

import contextlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from exact_model import dvcfiles, git, recorded, reports
from exact_model.objects import md5_of_bytes
from exact_model.processes import ROOM
from exact_model.show import SHORT

# The words in a release's tag that say that a rebuild was identical.
REBUILT = "Rebuilt: all "
# Doubtful releases that are named when others were asked for.
MOST_TOLD = 10
# A line of such a text on a file and its md5.
LINE = re.compile(r"^(.+) ([0-9a-f]{32}(?:\.dir)?)$", re.MULTILINE)


def place(root: Path, commit: str) -> Path:
    return root / ROOM / "verdicts" / f"{commit}.json"


def keep(root: Path, commit: str, verdict: str) -> None:
    """Remember the verdict on `commit`; where nothing can be written, nothing is."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    file = place(root, commit)
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"date": now, "verdict": verdict}) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Doubt:
    """Why a release tag proves nothing.

    It is `wrong` where its text names something else than its commit holds; `tagged` and
    `committed` are the two hashes (md5), None where there is none.
    """

    text: str
    wrong: bool = False
    tagged: str | None = None
    committed: str | None = None


def doubts(root: Path, releases: Iterable[git.Release]) -> dict[str, Doubt]:
    """The doubt about each of `releases` that there is one about, by the name of its tag."""
    releases = list(releases)
    folders = [release.tag.rpartition("@")[0].rpartition("=")[0] for release in releases]
    insides = [f"{folder}/" if folder else "" for folder in folders]
    pairs = list(zip(releases, insides, strict=True))
    locks = git.contents(root, [f"{one.commit}:{inside}{dvcfiles.LOCK}" for one, inside in pairs])
    found = {}
    for (release, inside), (_, lock) in zip(pairs, locks, strict=True):
        # Git ends what it prints of a file by a line feed of its own.
        if told := doubt(root, release, inside, lock[:-1]):
            found[release.tag] = told
    return found


def doubt(root: Path, release: git.Release, inside: str, lock: bytes) -> Doubt | None:
    """The doubt about a release of the project in the folder `inside`, whose dvc.lock is `lock`."""
    if not release.text:
        return Doubt("it is a lightweight tag, which `exact release` did not make")
    lines = LINE.findall(release.text)
    if len(lines) < 2 or dvcfiles.LOCK not in dict(lines):
        return Doubt("its text names no model and dvc.lock, so `exact release` did not make it")
    made = {**dict(dvcfiles.locked_outputs(lock)), dvcfiles.LOCK: md5_of_bytes(lock)}
    for path, md5 in lines:
        known = made.get(path)
        if known is None:
            known = recorded.Records.of(root, release.commit, inside).md5(path)
        if known != md5:
            told = f"the tag's text names another {path} ({md5[:SHORT]}) than the commit"
            return Doubt(f"{told} ({known[:SHORT] if known else 'none'})", True, md5, known)
    first, wanted = release.text.partition("\n")[0], " ".join(release.tag.rsplit("@v", 1))
    if first != wanted:
        return Doubt(f"the tag's text is that of another release ({first})", True)
    return None


def names(name: str, release: git.Release) -> bool:
    """Whether `name`, as somebody has written it, or an end of that range is the release."""
    words = [git.OPERATOR.split(end, maxsplit=1)[0] for end in git.RANGE.split(name)]
    words = [word.removeprefix("refs/").removeprefix("tags/") for word in words]
    return release.tag in words or release.tag.rpartition("@")[2] in words


def look_at_releases(
    root: Path, report: reports.Report, releases: Iterable[git.Release], asked: list[str]
) -> None:
    """Tell in the report what is doubtful about those of the `releases` that are of its commit.

    One that is among the names that were `asked` for, and whose tag is wrong, makes it `differs`.
    """
    here = {one.tag: one for one in releases if one.commit == report.commit}
    found, others = doubts(root, here.values()), []
    for tag, told in found.items():
        if not any(names(name, here[tag]) for name in asked):
            others.append(f"{tag}: {told.text}")
            continue
        report.notes.append(f"{tag}: {told.text}")
        if told.wrong:
            stored = "tag: other" if any(line.stored for line in report.lines) else None
            hashes = (told.tagged, told.committed)
            line = reports.Line("release", tag, reports.DIFFERS, *hashes, stored=stored)
            report.lines.append(line)
    report.notes += others[:MOST_TOLD]
    if len(others) > MOST_TOLD:
        report.notes.append(f"and {len(others) - MOST_TOLD} more releases of it are doubtful")


def verified(root: Path, release: git.Release, told: Doubt | None) -> dict[str, str] | None:
    """Verdict and date (ISO 8601) on a release; None where it was not verified.

    What `exact verify` has said here comes first; what the tag says counts where nothing is
    doubtful about it.
    """
    if told and told.wrong:
        return {"date": release.date, "verdict": reports.DIFFERS}
    if found := last(root, release.commit):
        return found
    proved = REBUILT in release.text and not told
    return {"date": release.date, "verdict": reports.IDENTICAL} if proved else None


def last(root: Path, commit: str) -> dict[str, str] | None:
    """Verdict and date (ISO 8601) of the last time; None where there was none."""
    try:
        return json.loads(place(root, commit).read_bytes())
    except (OSError, ValueError):
        return None
