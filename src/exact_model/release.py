"""`exact release VERSION`: check all that a version promises, and only then tag the commit.

The tree is clean, dvc.lock describes it, a rebuild is identical, every object is intact on the
remote, and a new clone recovers them. The tag is made last, so a release that was interrupted is
none, and running it again finishes it. With --stage the version, new or there already, is assigned
to a stage such as prod. Tags are GTO's.
"""

import argparse
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from exact_model import git, verdicts
from exact_model.errors import Refused
from exact_model.objects import Store, md5_of_bytes
from exact_model.recorded import Records
from exact_model.release_checks import (
    check_can_tag,
    check_clean,
    check_rebuilt,
    check_recovered,
    check_remote,
    check_stored,
    check_tool,
)
from exact_model.tool import running
from exact_model.verdicts import REBUILT
from exact_model.versions import (
    check_tag,
    check_version,
    model_name,
    model_path,
    parsed_version,
    released,
)

STAGE = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9_/-]*[a-zA-Z0-9])?")


# -- tags


def message(root: Path, commit: str, model: str, version: str) -> str:
    """The tag's text: what was checked, and the hashes that tell it from another."""
    lock = git.content(root, commit, "dvc.lock") or b""
    records = Records.of(root, commit)
    count = sum(len(stage["outs"]) for stage in records.stages.values())
    path = model_path(root, commit, model)
    md5 = md5_of_bytes(lock)
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


def check_assignable(root: Path, tag: str) -> None:
    """Refused where the release `tag` is not one that GTO can give a stage to."""
    git.commits(root, tag)
    check_tag(root, tag)
    if git.git(root, "cat-file", "-t", f"refs/tags/{tag}").strip() != "tag":
        told = f"{tag} was made by hand, without a message, so GTO does not know it"
        raise Refused(f"{told}; `git tag -d {tag}`, then release it")


def steps(root: Path, arguments: argparse.Namespace, on_progress: Callable) -> Iterator[str]:
    """Do it all, and tell each thing that is done; `on_progress` gets what is being done."""
    wanted, version = parsed_version(arguments.version)
    if arguments.stage and not STAGE.fullmatch(arguments.stage):
        raise Refused(f"{arguments.stage} is not a name for a stage; use letters, digits, - and _")
    commit = git.commits(root, "HEAD")[0][1]
    model = model_name(root, commit, wanted)
    model_path(root, commit, model)
    tag = f"{model}@v{version}"
    known = released(root, model)
    assigned = bool(arguments.stage) and version in known
    if assigned:
        check_assignable(root, tag)
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
