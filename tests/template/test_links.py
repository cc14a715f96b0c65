"""What a commit's stages use is in the commit; one that links lead out of is refused.

Each case is a commit of one small repository; one command looks at all of them.
"""

import json
import os
from pathlib import Path

import pytest
from small import COMMAND, FILES, MODEL, Small

pytestmark = pytest.mark.slow


class Linked(Small):
    """The small project, and files of the same names elsewhere."""

    def __init__(self, built, folder: Path):
        super().__init__(built, folder / "repository")
        self.out = folder / "elsewhere"
        for name, text in {**FILES, MODEL: "{}\n"}.items():
            (self.out / name).parent.mkdir(parents=True, exist_ok=True)
            (self.out / name).write_text(text)
        (self.top / "shared").mkdir()
        (self.top / "shared/count.py").write_text(FILES["src/pizza/count.py"])
        self.base = self.commit("A shared file")

    def link(self, name: str, target: str | Path) -> None:
        """Put a symbolic link in the place of what is there."""
        place = self.root / name
        if place.is_dir() and not place.is_symlink():
            place.rename(self.out / f"was-{place.name}-{len(list(self.out.iterdir()))}")
        place.unlink(missing_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(target)

    def submodule(self, name: str) -> None:
        (self.root / name).mkdir(parents=True)
        self.run("git", "update-index", "--add", "--cacheinfo", f"160000,{self.base},team/{name}")


def chain(p: Linked) -> None:
    p.link("src/pizza/count.py", "../../lib/count.py")
    p.link("lib/count.py", "../../shared/count.py")
    (p.top / "shared/count.py").unlink()
    (p.top / "shared/count.py").symlink_to(p.out / "src/pizza/count.py")


def by_way_of_a_link(p: Linked) -> None:
    """As text it stays in the repository; the kernel follows the first link, then goes up."""
    (p.root / "up").symlink_to("..")
    p.link("src/pizza/count.py", "../../up/../elsewhere/src/pizza/count.py")


def hard_link(p: Linked) -> None:
    (p.root / "src/pizza/count.py").unlink()
    os.link(p.out / "src/pizza/count.py", p.root / "src/pizza/count.py")


def linked_folder(p: Linked) -> None:
    """A folder of a dep is a relative link to one that holds a link out."""
    p.link("lib/more", "../../shared")
    (p.top / "shared/x.txt").symlink_to("/etc/hostname")


def record_and(*deps: str, command: str = COMMAND, more=lambda p: None):
    def change(p: Linked) -> None:
        p.record(deps, command)
        more(p)

    return change


OUT, AWAY = "is a symbolic link to", "lies outside of the repository"
# What the refusal names, and how to make it.
REFUSED = {
    "a source": (
        f"team/src/pizza/count.py {OUT}",
        lambda p: p.link("src/pizza/count.py", p.out / "src/pizza/count.py"),
    ),
    "a source by a relative link": (
        f"team/src/pizza/count.py {OUT} ../../../..",
        lambda p: p.link("src/pizza/count.py", "../../../../elsewhere/src/pizza/count.py"),
    ),
    "a source that no dep names": (
        f"team/src/pizza/util.py {OUT}",
        lambda p: p.link("src/pizza/util.py", p.out / "src/pizza/count.py"),
    ),
    "an absolute link inside": (
        f"team/src/pizza/count.py {OUT} /",
        lambda p: p.link("src/pizza/count.py", p.root / "lib/deep/tool.py"),
    ),
    "all of src": (f"team/src {OUT}", lambda p: p.link("src", p.out / "src")),
    "a folder on the way": (f"team/src/pizza {OUT}", lambda p: p.link("src/pizza", p.out / "src")),
    "a folder as a dep": (f"team/lib {OUT}", lambda p: p.link("lib", p.out / "lib")),
    "in a folder as a dep": (
        f"team/lib/deep/x.txt {OUT}",
        lambda p: p.link("lib/deep/x.txt", p.out / "settings.yaml"),
    ),
    "in the folder that a link leads to": (f"shared/x.txt {OUT} /etc/hostname", linked_folder),
    "parameters": (
        f"team/settings.yaml {OUT}",
        lambda p: p.link("settings.yaml", p.out / "settings.yaml"),
    ),
    "an output": (
        f"team/models/count.json {OUT}",
        lambda p: p.link("models/count.json", p.out / "models/count.json"),
    ),
    "a .dvc file": (
        f"team/data/rows.csv.dvc {OUT}",
        lambda p: p.link("data/rows.csv.dvc", p.out / "settings.yaml"),
    ),
    "the pipeline": (f"team/dvc.yaml {OUT}", lambda p: p.link("dvc.yaml", p.out / "dvc.yaml")),
    "the lock of a plugin of DVC's": (
        f"team/requirements-remote.lock {OUT}",
        lambda p: p.link("requirements-remote.lock", p.out / "settings.yaml"),
    ),
    "DVC's folder": (f"team/.dvc {OUT}", lambda p: p.link(".dvc", p.out / "src")),
    "a chain": (f"shared/count.py {OUT}", chain),
    "a link by way of a link": (f"team/src/pizza/count.py {OUT}", by_way_of_a_link),
    "a circle": (
        f"team/src/pizza/count.py {OUT}",
        lambda p: p.link("src/pizza/count.py", "count.py"),
    ),
    "git's own folder": (
        f"team/src/pizza/count.py {OUT}",
        lambda p: p.link("src/pizza/count.py", "../../../.git/config"),
    ),
    "a submodule": (
        "in the submodule team/shared",
        lambda p: (p.submodule("shared"), p.link("src/pizza/count.py", "../../shared/count.py")),
    ),
    "a script that the command names": (
        f"team/scripts {OUT}",
        record_and(
            command="exact run sh 'scripts/run.sh'", more=lambda p: p.link("scripts", p.out / "src")
        ),
    ),
    "an absolute dep": (f"/etc/hostname {AWAY}", record_and("/etc/hostname")),
    "a dep above": (f"{AWAY}", record_and("../../elsewhere/settings.yaml")),
    "a dep of a URL": (
        f"https://example.org/x.csv {AWAY}",
        record_and("https://example.org/x.csv"),
    ),
    "a dep of a remote": (f"remote://storage/x.csv {AWAY}", record_and("remote://storage/x.csv")),
    "a dep at home": (f"~/x.csv {AWAY}", record_and("~/x.csv")),
}
ACCEPTED = {
    "no link": lambda p: p.write("notes/more.md", "x"),
    "a relative link": lambda p: (
        (p.root / "src/pizza/count.py").rename(p.root / "lib/count.py"),
        p.link("src/pizza/count.py", "../../lib/count.py"),
        p.record(),
    ),
    "into another folder of the repository": lambda p: p.link(
        "src/pizza/count.py", "../../../shared/count.py"
    ),
    "a folder": lambda p: (
        (p.root / "lib/deep").rename(p.root / "deep"),
        p.link("lib/deep", "../deep"),
        p.record(),
    ),
    "a link up that stays inside": lambda p: p.link("lib/here", "../../team/lib/../lib/deep"),
    "a hard link": hard_link,
    "an unused link": lambda p: p.link("notes/elsewhere", p.out / "src"),
    "an unused dangling link": lambda p: p.link("notes/gone", "/nowhere/at/all"),
    "an unused link of another project": lambda p: (p.top / "other").symlink_to("/etc"),
    "an unused submodule": lambda p: p.submodule("shared"),
    "a dep above in the repository": record_and("../shared/count.py"),
}


@pytest.fixture(scope="module")
def reports(built, tmp_path_factory) -> dict[str, dict]:
    """The report of `exact verify --quick` on each case, by its name."""
    small = Linked(built, tmp_path_factory.mktemp("links"))
    commits = {}
    for name, change in {**{name: how for name, (_, how) in REFUSED.items()}, **ACCEPTED}.items():
        change(small)
        (small.top / "name").write_text(name)
        commits[small.commit(name)] = name
        small.run("git", "reset", "--quiet", "--hard", small.base, cwd=small.top)
        small.run("git", "clean", "--quiet", "-ffdx", cwd=small.top)
    done = small.run("exact", "verify", "--quick", "--json", *commits, check=False)
    return {commits[one["commit"]]: one for one in json.loads(done.stdout)}


@pytest.mark.parametrize("name", REFUSED)
def test_what_leads_out_of_the_commit_is_refused(name, reports):
    told, _ = REFUSED[name]
    assert reports[name]["verdict"] == "could not run"
    assert told in (reports[name]["problem"] or "")


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_stays_in_the_commit_is_accepted(name, reports):
    assert (reports[name]["problem"], reports[name]["verdict"]) == (None, "identical")
