"""Which version of which model a release is of: names, numbers, tags."""

import re
import shlex
from pathlib import Path

from exact_model import dvcfiles, git, verdicts
from exact_model.errors import Refused
from exact_model.recorded import Records

VERSION = re.compile(r"(?:(?P<model>[^@#\s]+)@)?v?(?P<version>\d+\.\d+\.\d+.*)")


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
