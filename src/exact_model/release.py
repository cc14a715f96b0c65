"""`exact release VERSION`: check all that a version promises, and only then tag the commit.

The tree is clean, dvc.lock describes it, a rebuild is identical, every object is intact on the
remote, and a new clone recovers them. The tag is made last, so a release that was interrupted is
none, and running it again finishes it. With --stage the version, new or there already, is assigned
to a stage such as prod. Tags are GTO's.
"""

import argparse
import hashlib
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from exact_model import checkout, describes, dvcfiles, git, own, quick, verdicts, verifying
from exact_model.commands import setup
from exact_model.errors import Refused
from exact_model.objects import NO_REMOTE, Store, md5_of
from exact_model.processes import workplace
from exact_model.recorded import Records
from exact_model.reports import IDENTICAL
from exact_model.show import remarks, summary
from exact_model.tool import running
from exact_model.verdicts import REBUILT

VERSION = re.compile(r"(?:(?P<model>[^@#\s]+)@)?v?(?P<version>\d+\.\d+\.\d+.*)")
STAGE = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9_/-]*[a-zA-Z0-9])?")


# -- names


def model_name(root: Path, commit: str, wanted: str | None) -> str:
    """The name in tags of the model that dvc.yaml calls an artifact; GTO's, below a folder too."""
    found = [name for name, told in artifacts(root, commit).items() if told["type"] == "model"]
    inside = git.prefix(root).rstrip("/")
    tags = {f"{inside}={name}" if inside else name: name for name in found}
    chosen = [tag for tag, name in tags.items() if wanted in (None, tag, name)]
    if len(chosen) != 1:
        known = ", ".join(found) or "none"
        raise Refused(
            f"dvc.yaml must name one artifact of type model, and names {known}; "
            "add it, or say which: exact release NAME@v1.0.0"
        )
    return chosen[0]


def artifacts(root: Path, commit: str) -> dict[str, dict]:
    """Name to path and type of what dvc.yaml calls artifacts."""
    return dvcfiles.artifacts(dvcfiles.parsed(git.content(root, commit, "dvc.yaml") or b""))


def model_path(root: Path, commit: str, model: str) -> str:
    """The path of the file of `model`; Refused where dvc.lock names no such output."""
    path = artifacts(root, commit)[model.rpartition("=")[2]]["path"]
    if not Records.of(root, commit).md5(path):
        raise Refused(f"dvc.yaml says that {model} is {path}, and no stage makes that; fix it")
    return path


def parsed_version(text: str) -> tuple[str | None, str]:
    """Model, if one is named, and version; Refused unless it is a semantic version."""
    from semver import Version

    if not text:
        raise Refused("no version is given; use `make release VERSION=v1.2.0`, or any like it")
    found = VERSION.fullmatch(text)
    if not found or not Version.is_valid(found["version"]):
        raise Refused(f"{text} is not a version; use one like v1.2.0 (semver.org)")
    return found["model"], found["version"]


def released(root: Path, model: str) -> dict[str, str]:
    """Version to commit of each release of `model`, here and on the git remotes.

    Raises Refused when a tag means one commit here and another there, or a remote does not answer.
    """
    here = tags_in(git.git(root, "show-ref", "--tags", "--dereference", check=False), model)
    for remote in git.git(root, "remote").split():
        try:
            there = tags_in(git.git(root, "ls-remote", "--tags", "--", remote), model)
        except Refused as error:
            told = f"{remote} does not tell its tags ({error})"
            raise Refused(f"{told}; check `git remote -v`") from error
        for version in here.keys() & there.keys():
            if here[version] != there[version]:
                raise Refused(
                    f"{model}@v{version} was moved: it is {here[version][:12]} here and "
                    f"{there[version][:12]} on {remote}; find out which is right, for a release "
                    f"stays what it is (`git fetch {remote} --tags --force` takes theirs)"
                )
        here = {**there, **here}
    return here


def tags_in(listed: str, model: str) -> dict[str, str]:
    """Version to commit of each release of `model` in what git lists of tags."""
    found = {}
    for line in listed.splitlines():
        commit, _, name = line.partition("\t" if "\t" in line else " ")
        tag = name.removeprefix("refs/tags/")
        # A line with ^{} follows that of an annotated tag, and has its commit.
        tag = tag.removesuffix("^{}")
        if git.RELEASE.fullmatch(tag) and tag.startswith(f"{model}@v"):
            found[tag.removeprefix(f"{model}@v")] = commit
    return found


def check_version(root: Path, model: str, version: str, known: dict[str, str], commit: str) -> None:
    """Refused where the version or the commit is released already, or a newer version is."""
    from semver import Version

    tag = f"{model}@v{version}"
    for other in (other for other in known if other == version or known[other] == commit):
        check_tag(root, f"{model}@v{other}")
    if version not in known and (taken := git.meanings(root, tag)):
        what = " and ".join(label for label, _ in taken.values())
        raise Refused(f"{tag} is the name of {what} already; rename that first")
    if version in known:
        raise Refused(
            f"{model}@v{version} is there already (commit {known[version][:12]}); "
            "give the next version, for a release stays what it is"
        )
    for other in (other for other in known if known[other] == commit):
        # GTO knows one version of a commit.
        raise Refused(f"this commit is {model}@v{other} already; release the next one")
    newest = max(filter(Version.is_valid, known), key=Version.parse, default=None)
    if newest and Version.parse(version).compare(newest) <= 0:
        raise Refused(
            f"v{version} is not newer than the newest release, v{newest}; give one that is"
        )


def check_tag(root: Path, tag: str) -> None:
    """Refused where a release that is there has a tag whose text is not that of its commit."""
    releases = git.releases_with_texts(root)
    here = [releases[tag]] if tag in releases else []
    for told in verdicts.doubts(root, here).values():
        if told.wrong:
            fix = f"find out who moved it; `git tag -d {shlex.quote(tag)}` removes it here"
            raise Refused(f"{tag} is not to be believed: {told.text}; {fix}")


# -- checks


def check_can_tag(root: Path, tag: str, commit: str) -> None:
    """Refused unless git knows who tags, can sign if it is to, and can write `tag`.

    What git would say at the very end of a release is asked before the work. Of the trial nothing
    is left but an object that no name leads to.
    """
    keys = ("tag.gpgSign", "tag.forceSignAnnotated")
    asked = [git.git(root, "config", "--type=bool", "--get", key, check=False) for key in keys]
    sign = ["-S"] if "true\n" in asked else []
    # Only the committer makes a tag; git wants the author of a commit as well.
    author = {"GIT_AUTHOR_NAME": "exact", "GIT_AUTHOR_EMAIL": "exact"}
    try:
        git.git(root, "commit-tree", *sign, "-m", "Trial", f"{commit}^{{tree}}", **author)
        trial = f"start\ncreate refs/tags/{tag} {commit}\nprepare\nabort\n"
        git.git(root, "update-ref", "--stdin", stdin=trial)
    except git.Failed as error:
        why = error.reason + (" (tag.gpgSign is set)" if sign else "")
        raise Refused(f"git cannot tag this commit yet: {why}; fix that, then release") from error


def check_clean(root: Path) -> None:
    """Refused, with the files, where the tree is not that of the commit."""
    setup.hide_stores(root)
    # Not by `git status`, which takes a notebook that was run for changed.
    top = git.git(root, "rev-parse", "--show-toplevel").strip("\n")
    changed = git.git(Path(top), "diff", "--name-only", "-z", "HEAD").split("\0")
    new = git.git(Path(top), "ls-files", "--others", "--exclude-standard", "-z").split("\0")
    found = [name for name in (*changed, *new) if name]
    for store in setup.stores(root):
        if inside := [name for name in found if Path(top, name).is_relative_to(store)]:
            told = f"{inside[0]} lies in the DVC remote, which git must not hold"
            raise Refused(f"{told}; run `git rm -r --cached {shlex.quote(str(store))}`")
    if found:
        names = ", ".join(found[:5]) + (" …" if len(found) > 5 else "")
        raise Refused(
            f"the tree is not clean ({names}); commit it, or `git stash --include-untracked`"
        )
    dvc = [sys.executable, "-P", "-m", "dvc", "status", "--json"]
    told = subprocess.run(dvc, cwd=root, capture_output=True, text=True)
    if told.returncode:
        said = last_words(told.stderr)
        raise Refused(f"DVC cannot tell whether dvc.lock describes the files: {said}")
    if told.stdout.strip() not in ("{}", ""):
        raise Refused("the files here are not those of dvc.lock; run `make`, and commit dvc.lock")


def last_words(told: str) -> str:
    """The first error that DVC tells."""
    found = [line for line in told.splitlines() if line.startswith("ERROR: ")]
    return found[0].removeprefix("ERROR: ") if found else "DVC failed, and tells no reason"


def check_tool(root: Path, commit: str) -> None:
    """Refused where the tool that runs is not the one that the commit names.

    The tag's text says which tool has checked the release, and its readers take that for the
    project's own: the one that its next clone installs.
    """
    texts = {name: git.content(root, commit, name) or b"" for name in own.LOCKS}
    tool = own.named({name: text.decode(errors="replace") for name, text in texts.items()})
    if tool and tool != running():
        told = f"this commit's own tool is {tool}, and this is {running()}"
        raise Refused(f"{told}; run `make env`, or commit the lock of this one, then release")


def check_rebuilt(root: Path, store: Store, name: str, commit: str, on_progress: Callable) -> str:
    """A line on the verdict, which is `identical`; Refused with what differs otherwise."""
    found = verifying.verify(store, root, name, commit, on_progress)
    if found.verdict != IDENTICAL:
        told = "; ".join(remarks(found)) or found.verdict
        raise Refused(f"the rebuild is not identical: {told}; see `make verify`")
    return f"a rebuild is identical: {summary(found)}"


def check_remote(store: Store) -> None:
    """Refused where there is no DVC remote, or its folder is not there."""
    if store.remote() is None:
        raise Refused(NO_REMOTE)
    if not store.reachable():
        raise Refused("the DVC remote's folder is not there; mount it, or run `make push`")


def check_stored(root: Path, store: Store, name: str, commit: str, on_progress: Callable) -> None:
    """Refused, with the files, unless the remote has every object of the commit, intact."""
    found = quick.check(store, root, name, commit, on_progress)
    if found.problem:
        raise Refused(found.problem)
    private = Records.of(root, commit).private
    for line in found.lines:
        if line.path in private:
            told = f"{line.path} is kept from the remote (push: false)"
            raise Refused(f"{told}, so nobody else could get this back; let it be pushed")
        if "remote: missing" in line.stored:
            raise Refused(f"{line.path} ({line.recorded}) is not on the remote; run `make push`")
        if "remote: " in line.stored and "remote: intact" not in line.stored:
            state = line.stored.partition("remote: ")[2]
            fix = "; ".join(note for note in found.notes if note.startswith(f"{line.path}:"))
            raise Refused(f"{line.path} is {state} on the remote; {fix or 'fix that first'}")


def check_recovered(root: Path, store: Store, commit: str, on_progress: Callable) -> None:
    """Refused unless a new clone, with a cache of its own, pulls each recorded byte."""
    with workplace(root) as place:
        on_progress("recovering it in a new clone")
        # What opens the remotes will lie in it.
        place.chmod(0o700)
        project = checkout.clone(root, commit, place / "clone")
        remotes = {remote for _, remote in Records.of(root, commit).data.values()} - {None}
        store.configure(project, remotes)
        done = subprocess.run(
            [sys.executable, "-P", "-m", "dvc", "pull"],
            cwd=project,
            env={**os.environ, "DVC_SITE_CACHE_DIR": str(place / "site"), "DVC_NO_ANALYTICS": "1"},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise Refused(f"a new clone cannot pull it: {last_words(done.stderr)}")
        stages = describes.declared(project)
        describes.check_record(project, stages)
        for _, path, md5, _ in quick.named(project, stages, store):
            file = project / path
            if not md5.endswith(".dir") and (not file.is_file() or md5_of(file) != md5):
                raise Refused(
                    f"a new clone gets other bytes for {path}; see `make verify REV=--quick`"
                )


# -- tags


def message(root: Path, commit: str, model: str, version: str) -> str:
    """The tag's text: what was checked, and the hashes that tell it from another."""
    lock = git.content(root, commit, "dvc.lock") or b""
    records = Records.of(root, commit)
    count = sum(len(stage["outs"]) for stage in records.stages.values())
    path = model_path(root, commit, model)
    md5 = hashlib.md5(lock, usedforsecurity=False).hexdigest()
    return (
        f"{model} {version}\n\n{path} {records.md5(path)}\ndvc.lock {md5}\n"
        f"{REBUILT}{count} outputs identical. Recovered from the remote in a new clone.\n"
        f"Judged by {running()}.\n"
    )


def assign(root: Path, model: str, version: str, stage: str) -> str | None:
    """Give the version the stage, as GTO does; the new tag, None where it has it already."""
    from gto import api
    from gto.exceptions import GTOException

    top = git.git(root, "rev-parse", "--show-toplevel").strip("\n")
    name = model.replace("=", ":")
    try:
        there = api.find_versions_in_stage(top, name, stage) or []
        if f"v{version}" in [found.version for found in there]:
            return None
        # A version that was in the stage before may come back.
        api.assign(top, name, stage, version=f"v{version}", skip_registration=True, force=True)
    except GTOException as error:
        raise Refused(f"GTO cannot assign {stage}: {error}") from error
    commit = f"refs/tags/{model}@v{version}^{{commit}}"
    tags = git.git(root, "tag", "--list", "--sort=-creatordate", "--points-at", commit).split()
    return next(tag for tag in tags if tag.startswith(f"{model}#{stage}"))


# -- the command


def steps(root: Path, arguments: argparse.Namespace, on_progress: Callable) -> Iterator[str]:
    """Do it all, and tell each thing that is done; `on_progress` gets what is being done."""
    wanted, version = parsed_version(arguments.version)
    if arguments.stage and not STAGE.fullmatch(arguments.stage):
        raise Refused(f"{arguments.stage} is no name of a stage; use letters, digits, - and _")
    commit = git.commits(root, "HEAD")[0][1]
    model = model_name(root, commit, wanted)
    model_path(root, commit, model)
    tag = f"{model}@v{version}"
    known = released(root, model)
    assigned = bool(arguments.stage) and version in known
    if assigned:
        git.commits(root, tag)
        check_tag(root, tag)
        if git.git(root, "cat-file", "-t", f"refs/tags/{tag}").strip() != "tag":
            told = f"{tag} was made by hand, without a message, so GTO does not know it"
            raise Refused(f"{told}; `git tag -d {tag}`, then release it")
        commit = known[version]
    else:
        check_version(root, model, version, known, commit)
        check_tool(root, commit)
    store = Store(root)
    check_remote(store)
    check_can_tag(root, f"{tag}.trial" if version in known else tag, commit)
    if not assigned:
        check_clean(root)
        yield "the tree is clean, and dvc.lock describes it"
    # A tag that was made by hand says nothing of a rebuild.
    there = git.releases_with_texts(root).get(tag)
    rebuilt = there and not verdicts.doubts(root, [there]) and REBUILT in there.text
    yield from checked(root, store, tag, commit, not rebuilt, on_progress)
    if arguments.dry_run:
        yield f"{tag} could be released"
        return
    made = []
    if version not in known:
        text = message(root, commit, model, version)
        git.git(root, "tag", "--annotate", "--message", text, "--", tag, commit)
        made.append(tag)
        yield f"{tag} is released (commit {commit[:12]})"
    if arguments.stage:
        given = assign(root, model, version, arguments.stage)
        made += [given] if given else []
        yield f"{tag} is in stage {arguments.stage}" + ("" if given else " already")
    if made:
        yield from git.push_lines(root, commit, list(dict.fromkeys([tag, *made])))


def checked(
    root: Path, store: Store, tag: str, commit: str, rebuilt: bool, on_progress: Callable
) -> Iterator[str]:
    """Run each check of `commit`, and tell what was found."""
    check_stored(root, store, tag, commit, on_progress)
    yield "every object is on the remote, and its hash is right"
    if rebuilt:
        yield check_rebuilt(root, store, tag, commit, on_progress)
    check_recovered(root, store, commit, on_progress)
    yield "a new clone recovers it, byte for byte"
