"""What `exact verify` has said of commits on this machine, for `exact compare --log`."""

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path

from exact import git
from exact.processes import ROOM

# The words in a release's tag that say that a rebuild was identical.
REBUILT = "Rebuilt: all "


def place(root: Path, commit: str) -> Path:
    return root / ROOM / "verdicts" / f"{commit}.json"


def keep(root: Path, commit: str, verdict: str) -> None:
    """Remember the verdict on `commit`; where nothing can be written, nothing is."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    file = place(root, commit)
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"date": now, "verdict": verdict}) + "\n", encoding="utf-8")


def tagged(root: Path, tag: str) -> dict[str, str] | None:
    """What `exact release` has found before it made the tag; None for a tag made otherwise."""
    form = "%(taggerdate:iso-strict)%00%(contents)"
    told = git.git(root, "for-each-ref", f"--format={form}", f"refs/tags/{tag}")
    date, _, text = told.partition("\0")
    return {"date": date, "verdict": "identical"} if REBUILT in text else None


def last(root: Path, commit: str) -> dict[str, str] | None:
    """Verdict and date (ISO 8601) of the last time; None where there was none."""
    try:
        return json.loads(place(root, commit).read_bytes())
    except (OSError, ValueError):
        return None
