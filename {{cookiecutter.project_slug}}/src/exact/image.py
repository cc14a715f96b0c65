"""`exact image [REV]`: the image that scores rows with a commit's model, made of that commit alone.

It is tagged MODEL:VERSION, or with the commit's hash where that is no release, once it is whole.
The exit status is 0, or 1 with nothing tagged.
"""

import argparse
import hashlib
import json
import re
import sys
from pathlib import Path

from exact import git, history
from exact.container import add_options, build, engine
from exact.objects import Store
from exact.processes import stop_cleanly, workplace
from exact.rebuild import inside
from exact.release import model_name, model_path
from exact.run import Refused, project_root
from exact.show import SHORT, plain

OCI = "org.opencontainers.image"
OWN = "exact"
MANIFEST = "images.json"
# What a tag may hold beside letters and digits; a + of a version becomes an underscore.
FORBIDDEN = re.compile(r"[^\w.-]")
CREDENTIALS = re.compile(r"(?<=://)[^/]*@")


# -- what an image is called, and what it says of itself


def version_of(root: Path, commit: str, model: str) -> str:
    """The newest release of `model` at that commit, or the first characters of its hash."""
    tags = git.git(root, "tag", "--points-at", commit, "--sort=-creatordate").split()
    found = [tag for tag in tags if git.RELEASE.fullmatch(tag) and tag.startswith(f"{model}@v")]
    return FORBIDDEN.sub("_", found[0].rpartition("@")[2]) if found else commit[:SHORT]


def labels(root: Path, commit: str, model: str, version: str, path: str) -> dict[str, str]:
    """The labels by which `exact which` knows the image again, and the standard ones of OCI."""
    records = history.Records.of(root, commit)
    lock = git.content(root, commit, history.LOCK) or b""
    remotes = git.git(root, "remote").split()
    source = git.git(root, "remote", "get-url", remotes[0]).strip() if remotes else ""
    return {
        f"{OCI}.title": model,
        f"{OCI}.version": version,
        f"{OCI}.revision": commit,
        f"{OCI}.created": history.person(root, commit)["committed"],
        f"{OCI}.source": CREDENTIALS.sub("", source),
        f"{OWN}.model": records.md5(path) or "",
        f"{OWN}.dvc.lock": hashlib.md5(lock, usedforsecurity=False).hexdigest(),
        f"{OWN}.requirements.lock": hashlib.md5(records.lock.encode()).hexdigest(),
    }


def make(root: Path, commit: str, options: argparse.Namespace, client) -> tuple[str, str]:
    """Build and tag the image of a commit; its name with tag, and its id."""
    model = model_name(root, commit, None)
    version = version_of(root, commit, model)
    name = f"{FORBIDDEN.sub('-', model).lower()}:{version}"
    path = model_path(root, commit, model)
    md5 = history.Records.of(root, commit).md5(path)
    with workplace(root) as place:
        tree = git.check_out(root, commit, place / "tree")
        Store(root).fetch(md5, inside(tree, path))
        said = labels(root, commit, model, version, path)
        made = build(client, tree, said[f"{OCI}.created"], "runtime", options, said)
    client.api.tag(made, *name.split(":"))
    return name, made


def make_tools(root: Path, options: argparse.Namespace, client) -> tuple[str, str]:
    """Build and tag the image `--target` of the working tree; its name with tag, and its id."""
    commit = history.resolved(root, "HEAD")
    model = model_name(root, commit, None)
    name = f"{FORBIDDEN.sub('-', model).lower()}:{options.target}"
    committed = history.person(root, commit)["committed"]
    made = build(client, root, committed, options.target, options, {})
    client.api.tag(made, *name.split(":"))
    return name, made


def record(root: Path, name: str, commit: str, made: str, reference: str | None) -> None:
    """Write into the manifest, which git tracks, which image a version is."""
    file = root / MANIFEST
    try:
        known = dict(json.loads(file.read_bytes())) if file.exists() else {}
    except (TypeError, ValueError) as error:
        raise Refused(f"{MANIFEST} is no JSON object ({error}); mend it, or remove it") from None
    known[name] = {"revision": commit, "id": made, "reference": reference}
    text = json.dumps(known, indent=2, sort_keys=True, allow_nan=False)
    file.write_text(text + "\n", encoding="utf-8", newline="\n")


def pushed(client, name: str, registry: str) -> str:
    """Push the image to a registry; how it is named there, by digest."""
    repository, tag = f"{registry.rstrip('/')}/{name}".rsplit(":", 1)
    client.api.tag(name, repository, tag)
    digest = None
    for step in client.api.push(repository, tag, stream=True, decode=True):
        if "error" in step:
            raise Refused(f"{repository}:{tag} cannot be pushed: {plain(step['error'])}")
        digest = step.get("aux", {}).get("Digest", digest)
    if digest is None:
        raise Refused(f"{registry} told no digest of {repository}:{tag}; push it again")
    return f"{repository}@{digest}"


def identified(root: Path, reference: str) -> str:
    """The md5 of the model in an image, once git agrees with what its labels say.

    Raises Refused where there is no such image, or its labels do not hold.
    """
    from docker.errors import ImageNotFound

    with engine() as client:
        try:
            said = client.images.get(reference).labels
        except ImageNotFound:
            told = f"there is no file and no image {reference} here"
            raise Refused(f"{told}; `docker pull {reference}` gets one from a registry") from None
    commit = said.get(f"{OCI}.revision", "")
    if f"{OWN}.model" not in said:
        raise Refused(f"{reference} was not made by `exact image`, for it has no label of it")
    lock = git.content(root, commit, history.LOCK) if commit else None
    if lock is None:
        raise Refused(f"{reference} says it is of commit {commit}, which git does not know here")
    if hashlib.md5(lock, usedforsecurity=False).hexdigest() != said.get(f"{OWN}.dvc.lock"):
        raise Refused(f"{reference} says it is of commit {commit}, whose dvc.lock is another")
    md5 = said[f"{OWN}.model"]
    if md5 not in dict(map(reversed, history.locked(lock))):
        raise Refused(f"{reference} says that it has a model ({md5}) that its commit does not name")
    return md5


# -- the command


def parser() -> argparse.ArgumentParser:
    """The command's arguments."""
    found = argparse.ArgumentParser(prog="exact image", description=__doc__.partition("\n\n")[0])
    add = found.add_argument
    add("revision", nargs="?", default="HEAD", metavar="REV", help="commit or version (HEAD)")
    add("--push", metavar="REGISTRY", help="push it there, and print its reference by digest")
    add("--record", action="store_true", help=f"name it in {MANIFEST}, for git to track")
    add(
        "--target",
        choices=("build", "notebook"),
        help="instead, the environment that the working tree is rebuilt or looked at in",
    )
    add_options(found)
    return found


def main(words: list[str]) -> int:
    """Build, tag, and where it is asked for push and record."""
    options = parser()
    arguments = options.parse_args(words)
    if arguments.target and (arguments.revision != "HEAD" or arguments.push or arguments.record):
        options.error("--target is of the working tree, and takes no REV, --push or --record")
    stop_cleanly()
    clear = "\r\033[K" if sys.stderr.isatty() else ""
    try:
        root = project_root(Path.cwd()).resolve()
        commit = history.resolved(root, arguments.revision)
        with engine() as client:
            if arguments.target:
                print(clear + make_tools(root, arguments, client)[0])
                return 0
            name, made = make(root, commit, arguments, client)
            print(f"{clear}{name} is the image of commit {commit[:SHORT]} ({made})", flush=True)
            reference = pushed(client, name, arguments.push) if arguments.push else None
        if reference:
            print(reference)
        if arguments.record:
            record(root, name, commit, made, reference)
            print(f"{MANIFEST} names it; commit that")
    except (Refused, OSError) as error:
        print(f"{clear}exact: {plain(str(error))}", file=sys.stderr)
        return 1
    return 0
