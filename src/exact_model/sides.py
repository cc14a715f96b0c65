"""One of two commits that are compared, and its recorded files."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from exact_model import git
from exact_model.dvcfiles import artifacts, looked_up, metrics_files, parsed
from exact_model.errors import Refused
from exact_model.objects import Store, md5_of_bytes
from exact_model.recorded import Records

# What dvc.yaml may name as an artifact of type predictions; this where it names none.
PREDICTIONS = "reports/predictions.jsonl"
MISSING = "(none)"


@dataclass(eq=False)
class Side:
    """One of the two commits, and where the files that it records can be had."""

    root: Path
    store: Store
    place: Path
    name: str
    commit: str
    records: Records

    def file(self, path: str) -> Path | None:
        """A copy of the commit's file `path`, its hash checked; None where it records none.

        Raises Refused where it records one that it cannot get.
        """
        md5 = self.records.md5(path)
        text = git.content(self.root, self.commit, path)
        if text is None and not md5:
            return None
        # Under a name of our own, for the commit may be anybody's, and name any place.
        name = hashlib.sha256(f"{md5 or self.commit} {path}".encode()).hexdigest()
        copy = self.place / (name + PurePosixPath(path).suffix)
        if text is not None:
            copy.write_bytes(text)
        elif not copy.exists():
            try:
                self.store.fetch(md5, copy, self.records.data.get(path, (None, None))[1])
            except Refused as refusal:
                raise Refused(f"cannot get {path} of {self.name}: {refusal}") from refusal
        return copy

    def raw_hashes(self) -> dict[str, str]:
        """Path to md5 of what .dvc files track, and of the raw file where git itself has it."""
        found = {path: md5 for path, (md5, _) in self.records.data.items()}
        name = looked_up(self.records.params, "data.file")
        text = git.content(self.root, self.commit, name) if isinstance(name, str) else None
        if text is not None and name not in found:
            found[name] = md5_of_bytes(text)
        return found

    def lines(self, path: str) -> dict[str, dict]:
        """The rows of a file that a stage wrote, by their id; empty where there is none."""
        file = self.file(path)
        if not file:
            return {}
        with open(file, encoding="utf-8") as opened:
            return {row["id"]: row for row in map(json.loads, opened)}

    def metrics(self) -> dict:
        """The content of what dvc.yaml calls metrics; of several files, by the path of each."""
        found = {}
        for path in metrics_files(self.pipeline()):
            file = self.file(path)
            content = parsed(file.read_bytes()) if file else None
            found |= {path: content} if isinstance(content, dict) else {}
        return next(iter(found.values())) if len(found) == 1 else found

    def pipeline(self) -> object:
        """The content of the commit's dvc.yaml."""
        return parsed(git.content(self.root, self.commit, "dvc.yaml") or b"")

    def predictions(self) -> str:
        """The path of the answers of the model to the held-out rows."""
        known = artifacts(self.pipeline()).values()
        return next((one["path"] for one in known if one["type"] == "predictions"), PREDICTIONS)


def differing(before: dict, after: dict) -> dict[str, list]:
    """What is not the same in both, by name; MISSING where one has none."""
    names = dict.fromkeys([*before, *after])
    pairs = {name: [before.get(name, MISSING), after.get(name, MISSING)] for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
