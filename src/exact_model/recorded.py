"""What the records of a commit say: its dvc.lock and .dvc files, and the texts beside them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from exact_model import git
from exact_model.dvcfiles import (
    LOCK,
    Commit,
    listed,
    outputs,
    parsed,
    placed,
    stages_of,
    tidy,
    tracked,
    unpushed,
)

# What every stage depends on beside its code and data.
ENVIRONMENT = ("requirements.lock", ".python-version")


@dataclass
class Records:
    """What a commit's dvc.lock and .dvc files record, and the texts beside them.

    `data` is path to md5 and remote of what .dvc files track, and `private` has what is not to be
    pushed. Of files that are missing or broken there is nothing.
    """

    stages: dict[str, dict]
    data: dict[str, tuple[str, str | None]]
    private: set[str]
    params: dict
    lock: str
    python: str

    @classmethod
    def of(cls, root: Path, commit: str, inside: str | None = None) -> "Records":
        """Those of the project as of `commit`; `inside` is its prefix, where that is another."""
        inside = git.prefix(root) if inside is None else inside

        def text(name: str) -> bytes:
            return git.content(root, commit, name, inside) or b""

        content = parsed(text("params.yaml"))
        stages = stages_of(git.content(root, commit, LOCK, inside))
        data = {path: out for _, path, out in tracked(Commit(root, commit, inside))}
        return cls(
            {name: tidy(stage) for name, stage in stages.items()},
            {path: (out.get("md5") or "", out.get("remote")) for path, out in data.items()},
            {path for path, out in data.items() if out.get("push") is False}
            | unpushed(parsed(text("dvc.yaml"))),
            content if isinstance(content, dict) else {},
            text("requirements.lock").decode(errors="replace"),
            text(".python-version").decode(errors="replace").strip(),
        )

    def md5(self, path: str) -> str | None:
        """The recorded md5 of an output or a tracked file."""
        made = {name: md5 for stage in self.stages.values() for name, md5 in outputs(stage).items()}
        return made.get(path) or self.data.get(path, (None, None))[0]

    def upstream(self, stage: str) -> list[str]:
        """The stage and all that it depends on, in the order of dvc.lock."""
        makers = {path: name for name in self.stages for path in outputs(self.stages[name])}
        found, waiting = set(), [stage]
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                deps = [dep["path"] for dep in self.stages[name].get("deps", [])]
                waiting += [makers[path] for path in deps if path in makers]
        return [name for name in self.stages if name in found]

    def inputs(self, names: Iterable[str]) -> dict[str, str | None]:
        """Path to md5 of what the stages `names` read and no stage has made."""
        made = {path for stage in self.stages.values() for path in outputs(stage)}
        deps = [dep for name in names for dep in self.stages[name].get("deps", [])]
        return {dep["path"]: dep.get("md5") for dep in deps if dep["path"] not in made}


def roles(root: Path, commit: str, path: str, md5: str) -> Iterator[dict[str, str]]:
    """What the hash `md5` stands for in the record `path` (from the top) of `commit`."""
    text = git.content(root, commit, path, "") or b""
    if PurePosixPath(path).name != LOCK:
        content = parsed(text)
        for out in listed(content, "outs"):
            if out.get("md5") == md5:
                yield {"record": path, "role": "data", "path": placed(path, content, out)}
        return
    for role, key in (("output", "outs"), ("input", "deps")):
        found = [
            {"record": path, "role": role, "stage": name, "path": item["path"]}
            for name, stage in stages_of(text).items()
            for item in listed(stage, key)
            if item.get("md5") == md5
        ]
        if found:
            yield from found
            return


def metrics(root: Path, commit: str, inside: str, stages: dict[str, dict]) -> dict:
    """The content of those outputs of `stages` that git has and that hold names and values."""
    found = {}
    for path in dict.fromkeys(out["path"] for stage in stages.values() for out in stage["outs"]):
        if path.endswith((".json", ".yaml", ".yml")):
            content = parsed(git.content(root, commit, path, inside) or b"")
            if isinstance(content, dict):
                found[path] = content
    return found
