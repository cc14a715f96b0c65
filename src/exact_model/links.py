"""Whether all that a commit's stages use is in the commit, whatever its symbolic links say.

Git, DVC and Python follow a link, so one that leads out of the repository gives this machine's file
for the commit's. Links that nothing uses may lead anywhere.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from exact_model import dvcfiles, git
from exact_model.errors import Refused

# What the stages are run by and with, beside what they name themselves.
ALWAYS = (
    *("dvc.yaml", "dvc.lock", "params.yaml", ".dvc", ".dvcignore", "pyproject.toml", "src"),
    *(".python-version", "requirements.lock", "requirements-dev.lock", "requirements-remote.lock"),
    "vendor",
)
WORDS = re.compile(r"[^\s;&|<>()'\"=]+")
# Linux gives up after as many.
MOST_FOLLOWED = 40
# Links of a chain named in one sentence.
MOST_TOLD = 3
LINK, SUBMODULE = "120000", "160000"


class Tree:
    """The symbolic links (to what they hold) and submodules of a commit, from the top."""

    def __init__(self, root, commit: str):
        listed = git.git(root, "ls-tree", "-r", "-z", "--full-tree", commit).split("\0")[:-1]
        found = [(*line.partition("\t")[0].split(" "), line.partition("\t")[2]) for line in listed]
        links = [(blob, path) for mode, _, blob, path in found if mode == LINK]
        texts = git.contents(root, [blob for blob, _ in links])
        self.links = {
            path: body[:-1].decode("utf-8", "surrogateescape")
            for (_, path), (_, body) in zip(links, texts, strict=True)
        }
        self.submodules = {path for mode, _, _, path in found if mode == SUBMODULE}

    def place(self, path: str) -> str:
        """Where the kernel finds `path`; Refused where that is not in the commit."""
        done: list[str] = []
        waiting, via = path.split("/")[::-1], []
        while waiting:
            part = waiting.pop()
            if part == ".." and done:
                done.pop()
            elif part == "..":
                raise Refused(out_of_it(path, via))
            elif part not in ("", "."):
                done.append(part)
            name = "/".join(done)
            if name in self.submodules:
                told = f"{path} lies in the submodule {name}, whose files no rebuild gets"
                raise Refused(f"{told}; put them into this repository")
            if part == ".git":
                raise Refused(out_of_it(path, via))
            if name in self.links:
                via.append((name, self.links[name]))
                if self.links[name].startswith("/") or len(via) > MOST_FOLLOWED:
                    raise Refused(out_of_it(path, via))
                done.pop()
                waiting += self.links[name].split("/")[::-1]
        return "/".join(done)

    def below(self, folder: str) -> Iterator[str]:
        """The links in `folder` and in its folders."""
        return (name for name in self.links if not folder or name.startswith(f"{folder}/"))


def out_of_it(path: str, via: list[tuple[str, str]]) -> str:
    """The sentence on a path that leads out of the commit, by way of the links `via`."""
    if not via:
        told = f"{path} lies outside of the repository, so no commit says what it holds"
        return f"{told}; move it in, or track a copy of it (`dvc import-url`)"
    told = [f"{name} is a symbolic link to {target}" for name, target in dict.fromkeys(via)]
    return (
        f"{' and '.join(told[-MOST_TOLD:])}, which no clone of this commit has; commit the file "
        "itself in its place, or a relative link that stays in the repository"
    )


def check(root, commit: str, stages: dict[str, dict]) -> None:
    """Refused, with the link, where something that the recorded `stages` use is not in the commit.

    That are their deps, outputs, files of parameters and commands, all of src/, and .dvc files.
    """
    tree, inside = Tree(root, commit), git.prefix(root)
    tidy = [dvcfiles.tidy(stage) for stage in stages.values()]
    deps = [dep["path"] for stage in tidy for dep in stage["deps"]]
    for path in deps:
        if "://" in path or path.startswith(("/", "~/")):
            raise Refused(out_of_it(path, []))
    made = [out["path"] for stage in tidy for out in stage["outs"]]
    params = [file for stage in tidy for file in stage["params"]]
    used = {inside + path for path in (*ALWAYS, *deps, *made, *params) if path[:1] != "/"}
    used |= {name for name in tree.links if name.endswith(".dvc") and name.startswith(inside)}
    follow(tree, used | set(commanded(tree, inside, stages)))


def commanded(tree: Tree, inside: str, stages: dict[str, dict]) -> Iterator[str]:
    """The paths among the words of the stages' commands that are links or go by way of one."""
    for stage in stages.values():
        command = stage.get("cmd") if isinstance(stage, dict) else None
        for word in WORDS.findall(str(command)):
            path = (PurePosixPath(inside) / word).as_posix()
            if any(f"{path}/".startswith(f"{name}/") for name in tree.links):
                yield path


def follow(tree: Tree, used: Iterable[str]) -> None:
    """Look where each of `used` leads, and all links in it; Refused for one that leads out."""
    waiting, seen = list(used), set()
    while waiting:
        place = tree.place(waiting.pop())
        if place not in seen:
            seen.add(place)
            waiting += tree.below(place)
