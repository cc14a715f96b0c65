"""What the other commands ask git: which commits a name means, and a commit's files."""

import contextlib
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from exact_model.errors import Refused

# One line for each commit, whose fields are as few bytes as no name can hold.
FORMAT = "%H%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%s"
FIELDS = ("commit", "author", "email", "date", "committer", "committer_email", "committed")

# What a new clone would hold, whatever this user's settings make of it, and nothing else is done.
SETTINGS = """
core.autocrlf=false core.eol=lf core.attributesFile=/dev/null core.sparseCheckout=false
core.useReplaceRefs=false core.hooksPath=/dev/null core.fsmonitor=false core.splitIndex=false
submodule.recurse=false column.ui=never log.showSignature=false
log.diffMerges=separate log.showRoot=true
"""
# How GTO names a release: the model, an @ and a semantic version.
RELEASE = re.compile(r"[^@#]+@v\d+\.\d+\.\d+(-[\w.-]+)?(\+[\w.-]+)?")
RANGE = re.compile(r"(\.{2,3})")
# What may follow a name and means another commit than the name does.
OPERATOR = re.compile(r"[~^:]|@\{")
HASH_START, FULL_HASH = re.compile(r"[0-9a-fA-F]{4,63}"), re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# Lines of git's own that are shown below one refusal; a checkout can have thousands.
MOST_SAID = 20


class Failed(Refused):
    """A git command failed: one sentence on it, and in `said` the lines that git itself wrote."""

    def __init__(self, command: str, stderr: bytes):
        text = stderr.decode(errors="replace").expandtabs(2)
        lines = [line.rstrip() for line in text.splitlines() if line.strip()] or ["it failed"]
        # What git found out comes last where its advice comes first.
        first = next((line for line in lines if line.startswith("fatal: ")), lines[0])
        self.reason = first.removeprefix("fatal: ").removeprefix("error: ")
        super().__init__(f"git {command}: {self.reason}")
        self.said = [line for line in lines if line != first][:MOST_SAID]


def said(error: BaseException | None) -> list[str]:
    """Git's own lines on `error` or on what it was raised for; empty where git is not the cause."""
    while error is not None and not getattr(error, "said", None):
        hidden = error.__suppress_context__
        error = error.__cause__ or (None if hidden else error.__context__)
    return error.said if error else []


def command(words: tuple, own: bool = True) -> list[str]:
    """The whole command of `git WORDS`, with settings of our own unless it is about the user's."""
    settings = [word for setting in SETTINGS.split() if own for word in ("-c", setting)]
    return ["git", *settings, *map(str, words)]


def git(
    root: Path,
    *words: str | Path,
    text: bool = True,
    check: bool = True,
    own: bool = True,
    stdin: str = "",
    **environ: str,
):
    """What `git WORDS` prints in the repository of `root`; it reads `stdin`.

    Raises `Failed` with all that git says where it fails, unless that is no matter (`check`).
    """
    try:
        done = subprocess.run(
            command(words, own),
            cwd=root,
            env={**os.environ, **environ},
            input=stdin.encode(),
            capture_output=True,
        )
    except FileNotFoundError:
        raise Refused("there is no git on PATH; install it") from None
    if done.returncode and check:
        raise Failed(next(str(word) for word in words if str(word)[0] != "-"), done.stderr)
    return os.fsdecode(done.stdout) if text else done.stdout


@contextlib.contextmanager
def opened(root: Path, *words: str, stdin: BinaryIO) -> Iterator[BinaryIO]:
    """What `git WORDS` prints, as a file to read while it is still at work."""
    with subprocess.Popen(command(words), cwd=root, stdin=stdin, stdout=subprocess.PIPE) as child:
        yield child.stdout
        # Whoever stops reading early has what it wants.
        child.kill()


# -- names


class Ambiguous(Refused):
    """A name that means several commits."""


@dataclass(frozen=True)
class Release:
    """A release tag: its commit, its text (empty for a lightweight tag) and its date (ISO 8601)."""

    tag: str
    commit: str
    text: str
    date: str


def releases_with_texts(root: Path) -> dict[str, Release]:
    """All releases by the names of their tags, oldest first; git is asked once, not per tag."""
    fields = ("refname", "objecttype", "objectname", "*objecttype", "*objectname")
    form = "".join(f"%({field})%00" for field in (*fields, "taggerdate:iso-strict", "contents"))
    told = git(root, "for-each-ref", "--sort=creatordate", f"--format={form}", "refs/tags")
    # No field can hold a NUL, so they are told apart by their number alone.
    parts, found = iter(told.split("\0")), {}
    for name, kind, commit, inner, peeled, date, text in zip(*[parts] * 7, strict=False):
        tag = name.lstrip("\n").removeprefix("refs/tags/")
        if RELEASE.fullmatch(tag):
            commit = peeled if inner == "commit" else commit
            if "tag" in (inner, kind) and inner != "commit":
                commit = peel(root, f"refs/tags/{tag}")
            found[tag] = Release(tag, commit, text if kind == "tag" else "", date)
    return {tag: release for tag, release in found.items() if release.commit}


def releases(root: Path) -> list[str]:
    """The names of all release tags, oldest first."""
    return [*releases_with_texts(root)]


def peel(root: Path, name: str) -> str:
    """The full hash of the commit that git finds by `name`; empty where it finds none."""
    words = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
    return git(root, *words, check=False).strip()


def meanings(root: Path, word: str) -> dict[str, tuple[str, str]]:
    """What `word` may mean: its whole name to what that is and its commit.

    Git itself takes the first that it finds, and knows no short names of releases.
    """
    if not word or FULL_HASH.fullmatch(word):
        return {}
    kinds = {"tags/": "the tag ", "heads/": "the branch ", "remotes/": "the remote branch "}
    places = [f"refs/{kind}{word}" for kind in ("", *kinds)] + [f"refs/remotes/{word}/HEAD"]
    listed = git(root, "for-each-ref", "--format=%(refname)", *places).splitlines()
    found = {}
    for name in (name for name in listed if name in places):
        kind = next((kind for kind in kinds if name.startswith(f"refs/{kind}")), "")
        short = name.removeprefix(f"refs/{kind}")
        found[name] = kinds.get(kind, "the reference ") + short, peel(root, name)
    if found and HASH_START.fullmatch(word):
        for name in git(root, "rev-parse", f"--disambiguate={word}", check=False).split():
            found[name] = f"the commit {name[:12]}", peel(root, name)
    if re.match(r"v\d", word):
        for release in releases_with_texts(root).values():
            if release.tag.rpartition("@")[2] == word:
                found[release.tag] = f"the release {release.tag}", release.commit
    found = {name: told for name, told in found.items() if told[1]}
    own = peel(root, word)
    if own and own not in (commit for _, commit in found.values()):
        found[word] = f"git's {word}", own
    return found


def spelled(root: Path, name: str) -> str:
    """`name` as git understands it; Refused where its parts mean different commits."""
    word = OPERATOR.split(name, maxsplit=1)[0]
    found = meanings(root, word)
    if len({commit for _, commit in found.values()}) > 1:
        told = " and ".join(label for label, _ in found.values())
        whole = " or ".join(found)
        raise Ambiguous(f"{word} is {told}, which differ; write the whole name: {whole}")
    # A version is called v1.0.0 for short, which git does not know.
    known = all(label.startswith("the release ") for label, _ in found.values())
    return f"refs/tags/{next(iter(found))}{name[len(word) :]}" if found and known else name


def commits(root: Path, name: str) -> list[tuple[str, str]]:
    """Name and full hash of the commit that `name` means, or of each in a range, oldest first."""
    ends = RANGE.split(name, maxsplit=1)
    asked = "".join(end if RANGE.fullmatch(end) else spelled(root, end) for end in ends)
    try:
        if len(ends) == 1:
            words = ["rev-parse", "--verify", "--end-of-options", f"{asked}^{{commit}}"]
            return [(name, git(root, *words).strip())]
        listed = git(root, "rev-list", "--reverse", "--end-of-options", asked, "--").split()
    except Refused:
        shallow = git(root, "rev-parse", "--is-shallow-repository").strip() == "true"
        more = " (this clone is shallow: `git fetch --unshallow --tags`)" if shallow else ""
        raise Refused(f"git knows no commit {name!r}; see `git tag` and `git log`{more}") from None
    if not listed:
        raise Refused(f"no commit is in the range {name}; name its older end first")
    return [(commit[:12], commit) for commit in listed]


def short(root: Path, *names: str) -> list[str]:
    """The refs below `names`, as short as git understands them: main, tags/main if both are."""
    return git(root, "for-each-ref", "--format=%(refname:short)", *names).split()


def push_lines(root: Path, commit: str, tags: list[str]) -> Iterator[str]:
    """How others get `tags`: a command that pushes them with a branch that has `commit`, or none.

    Where the commit is on no branch, or there is no remote, a line on that comes first.
    """
    head = git(root, "symbolic-ref", "--quiet", "HEAD", check=False).strip()
    own = git(root, "for-each-ref", "--format=%(push:remotename)", head).strip() if head else ""
    default = git(root, "config", "--get", "remote.pushDefault", check=False).strip()
    known = git(root, "remote").split()
    # A remote may be an address, too, and `.` stands for this repository.
    fits = (one for one in (own, default, "origin", *known) if one in known or "/" in one)
    remote = next(fits, None)
    if not remote:
        remote = "origin"
        yield "there is no git remote yet; first `git remote add origin <URL>`"
    branch = []
    if head and git(root, "rev-parse", "HEAD").strip() == commit:
        branch = short(root, head)
    elif not short(root, "--contains", commit, f"refs/remotes/{remote}/"):
        branch = short(root, "--contains", commit, "refs/heads/")[:1]
        if not branch:
            branch = [re.sub("[@#=]+", "-", tags[0])]
            yield f"no branch has this commit; first `git branch {branch[0]} {commit[:12]}`"
    refs = [*branch, *(name for tag in tags for name in short(root, f"refs/tags/{tag}"))]
    atomic = ["--atomic"] if len(refs) > 1 else []
    yield f"tell the others: {shlex.join(['git', 'push', *atomic, remote, *refs])}"


# -- files


def prefix(root: Path) -> str:
    """The path of the project's folder from the top of its repository, with a slash at its end."""
    return git(root, "rev-parse", "--show-prefix").strip("\n")


def content(root: Path, commit: str, name: str, inside: str | None = None) -> bytes | None:
    """The bytes of the file `name` of the project as of `commit`; None where git has none.

    `inside` is the project's `prefix` as of that commit, where that is another than now.
    """
    inside = prefix(root) if inside is None else inside
    try:
        return git(root, "cat-file", "blob", f"{commit}:{inside}{name}", text=False)
    except Refused:
        return None


def person(root: Path, commit: str) -> dict[str, str]:
    """Who made a commit and when (ISO 8601), and its subject."""
    told = git(root, "log", "-1", f"--format={FORMAT}", commit).rstrip("\n").split("\0")
    return dict(zip((*FIELDS, "subject"), told, strict=True))


def contents(root: Path, names: Iterable[str], *more: str) -> Iterator[list[bytes]]:
    """For each of `names`, what `git cat-file` prints of it: its line, and then its bytes.

    `more` are options; with --batch-check there are no bytes.
    """
    with tempfile.TemporaryFile() as asked:
        asked.write("".join(f"{name}\n" for name in names).encode("utf-8", "surrogateescape"))
        asked.seek(0)
        with opened(root, "cat-file", *(more or ["--batch"]), stdin=asked) as output:
            while line := output.readline():
                size = line.split()[-1]
                body = b""
                if not more and size.isdigit():
                    body = output.read(int(size) + 1)
                yield [line, body]


def refs(root: Path, *which: str) -> list[tuple[str, str]]:
    """Name and commit of each of the references `which`, oldest first."""
    form = "%(refname)%00%(objectname)%00%(*objectname)"
    order = ["--sort=version:refname", "--sort=creatordate"]
    words = ["for-each-ref", *order, f"--format={form}", *which]
    listed = git(root, *words).splitlines()
    return [(name, peeled or commit) for name, commit, peeled in (x.split("\0") for x in listed)]


def resolved(root: Path, name: str) -> str:
    """The full hash of the one commit that `name` means; Refused for none or a range."""
    found = commits(root, name)
    if len(found) != 1 or ".." in name:
        raise Refused(f"{name} is a range of commits; name one")
    return found[0][1]
