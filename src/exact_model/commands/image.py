"""`exact image [REV]`: the image that scores rows with a commit's model, made of that commit alone.

It is tagged MODEL:VERSION, or with the commit's hash where that is not a release, once it is whole.
The exit status is 0, or 1 with nothing tagged.
"""

import argparse
import contextlib
import hashlib
import json
import os
import re
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from exact_model import describes, dvcfiles, git, verdicts
from exact_model.container import STEP, Container, add_options, build, engine
from exact_model.errors import Misused, Refused
from exact_model.objects import Store, md5_of_bytes
from exact_model.packages import project_root
from exact_model.processes import check_writable, workplace
from exact_model.progress import Progress
from exact_model.rebuild import inside
from exact_model.recorded import Records
from exact_model.text import SHORT, printable
from exact_model.tool import running
from exact_model.versions import check_tag, model_name, model_path

OCI = "org.opencontainers.image"
OWN = "exact"
MANIFEST = "images.json"
# What no tag may hold; the + of a version becomes an underscore.
FORBIDDEN = re.compile(r"[^\w.-]", re.ASCII)
LONGEST = 128
PART = "[a-z0-9]+([._-]+[a-z0-9]+)*"
# A host has a dot or a port; whatever has none is a folder of the engine's own registry.
REGISTRY = re.compile(
    rf"([a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)+(:\d+)?|[a-zA-Z0-9-]+:\d+|{PART})(/{PART})*"
)
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


# -- what an image is called, and what it says of itself


def released(root: Path, commit: str, model: str) -> list[str]:
    """The versions of `model` at that commit, newest first, in the form that a tag may have."""
    here = [one for one in git.releases_with_texts(root).values() if one.commit == commit]
    here = [one for one in here if one.tag.startswith(f"{model}@v")]
    # One whose text names another model is none of this commit.
    told = verdicts.doubts(root, here)
    found = [one.tag for one in here[::-1] if one.tag not in told or not told[one.tag].wrong]
    return [FORBIDDEN.sub("_", tag.rpartition("@")[2]) for tag in found]


def version_of(root: Path, revision: str, commit: str, model: str) -> str:
    """The version that is asked for, or the newest one there, or the commit's first characters."""
    found = released(root, commit, model)
    asked = FORBIDDEN.sub("_", revision.rpartition("@")[2])
    return asked if asked in found else [*found, commit[:SHORT]][0]


def named(model: str, version: str) -> str:
    """What the engine calls a model's image; Refused where it could not."""
    name = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")
    if not name or len(version) > LONGEST:
        told = f"no image can be called {model}:{version}"
        raise Refused(f"{told}; a model's name has letters a to z, a version 128 characters")
    return f"{name}:{version}"


def source(root: Path) -> str:
    """Where the repository is published: no user, password or query, and no folder from here."""
    remotes = git.git(root, "remote").split()
    if not remotes:
        return ""
    chosen = "origin" if "origin" in remotes else remotes[0]
    address = git.git(root, "remote", "get-url", chosen).strip()
    if re.fullmatch(r"[\w.-]+@[\w.-]+:[^:?]+", address):
        return address
    with contextlib.suppress(ValueError):
        parts = urlsplit(address)
        if parts.scheme in ("http", "https", "ssh", "git"):
            return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    return ""


def labels(root: Path, commit: str, model: str, version: str, path: str) -> dict[str, str]:
    """The labels by which `exact which` knows the image again, and the standard ones of OCI."""
    records = Records.of(root, commit)
    lock = git.content(root, commit, dvcfiles.LOCK) or b""
    said = {
        f"{OCI}.title": model,
        f"{OCI}.version": version,
        f"{OCI}.revision": commit,
        f"{OCI}.created": git.person(root, commit)["committed"],
        f"{OCI}.source": source(root),
        f"{OWN}.model": records.md5(path) or "",
        f"{OWN}.dvc.lock": md5_of_bytes(lock),
        f"{OWN}.requirements.lock": md5_of_bytes(records.lock.encode()),
        f"{OWN}.tool": running().version,
        f"{OWN}.tool.sha256": running().sha256,
    }
    return {name: text for name, text in said.items() if text}


def make(
    root: Path, commit: str, options: argparse.Namespace, client, on_progress: Callable[[str], None]
) -> tuple[str, str]:
    """Build and tag the image of a commit; its name with tag, and its id."""
    model = model_name(root, commit, None)
    version = version_of(root, options.revision, commit, model)
    name = named(model, version)
    with workplace(root) as place:
        # The model that dvc.lock names must be the one of this code and these parameters.
        tree, _ = describes.checked(root, commit, place / "tree")
        path = model_path(root, commit, model)
        md5 = Records.of(root, commit).md5(path)
        Store(root).fetch(md5, inside(tree, path))
        said = labels(root, commit, model, version, path)
        made = build(client, tree, said[f"{OCI}.created"], "runtime", options, said, on_progress)
    client.api.tag(made, *name.split(":"))
    return name, made


def make_tools(
    root: Path, options: argparse.Namespace, client, on_progress: Callable[[str], None]
) -> tuple[str, str]:
    """Build and tag the image `--target` of the working tree; its name with tag, and its id."""
    commit = git.resolved(root, "HEAD")
    model = model_name(root, commit, None)
    name = named(model, options.target)
    committed = git.person(root, commit)["committed"]
    made = build(client, root, committed, options.target, options, {}, on_progress)
    client.api.tag(made, *name.split(":"))
    return name, made


def run(root: Path, options: argparse.Namespace, made: str, client) -> int:
    """Run what the image `made` is for on the working tree; the exit status."""
    from docker.errors import APIError

    # Where DVC keeps what the stages make, be it in the project or not.
    cache = Path(Store(root).cache.path).parents[1]
    cache.mkdir(parents=True, exist_ok=True)
    shared = [] if cache.is_relative_to(root) else [cache]
    if options.target == "build":
        return Container(client, made, *shared).call(["dvc", "repro"], root, print)
    container = Container(client, made, *shared, port=options.port)
    token = {name: text for name, text in os.environ.items() if name == "JUPYTER_TOKEN"}
    try:
        return container.call([f"--port={options.port}"], root, print, **token)
    except APIError as error:
        if not re.search("already (allocated|in use)", str(error)):
            raise
        told = f"port {options.port} of this machine is taken"
        raise Refused(f"{told}; choose another: make notebook PORT={options.port + 1}") from error


def recorded(root: Path) -> dict:
    """What the manifest holds; Refused where it cannot be read or written."""
    file = root / MANIFEST
    check_writable(file)
    try:
        return dict(json.loads(file.read_bytes())) if file.exists() else {}
    except (TypeError, ValueError) as error:
        raise Refused(f"{MANIFEST} is not a JSON object ({error}); fix it, or remove it") from None


def record(root: Path, name: str, commit: str, made: str, reference: str | None) -> None:
    """Write into the manifest, which git tracks, which image a version is."""
    file, known = root / MANIFEST, recorded(root)
    known[name] = {"revision": commit, "id": made, "reference": reference}
    text = json.dumps(known, indent=2, sort_keys=True, allow_nan=False)
    file.write_text(text + "\n", encoding="utf-8", newline="\n")


def pushed(client, name: str, registry: str) -> str:
    """Push the image to a registry; how it is named there, by digest."""
    repository, tag = f"{registry}/{name}".rsplit(":", 1)
    client.api.tag(name, repository, tag)
    digest = None
    try:
        for step in client.api.push(repository, tag, stream=True, decode=True):
            if "error" in step:
                raise Refused(f"{repository}:{tag} cannot be pushed: {printable(step['error'])}")
            digest = step.get("aux", {}).get("Digest", digest)
        if digest is None:
            raise Refused(f"{registry} told no digest of {repository}:{tag}; push it again")
    except BaseException:
        client.api.remove_image(f"{repository}:{tag}", noprune=True)
        raise
    return f"{repository}@{digest}"


# -- which commit an image is of


def identified(root: Path, reference: str) -> tuple[str, str]:
    """The commit of an image and its model's md5.

    Raises Refused where there is no such image, git does not agree with what its labels say, or
    the model in it is another.
    """
    from docker.errors import ImageNotFound

    with engine() as client:
        try:
            image = client.images.get(reference)
        except ImageNotFound:
            told = f"there is no file and no image {reference} here"
            raise Refused(f"{told}; `docker pull {reference}` gets one from a registry") from None
        path, md5 = checked(root, reference, image.labels)
        if held(client, image, path) != md5:
            raise Refused(f"{reference} holds another {path} than its labels say; do not trust it")
        return image.labels[f"{OCI}.revision"], md5


def checked(root: Path, reference: str, said: dict[str, str]) -> tuple[str, str]:
    """Path and md5 of the model that labels tell of; Refused unless git agrees with them."""
    if f"{OWN}.model" not in said:
        raise Refused(f"{reference} was not made by `exact image`, for it has no label of it")
    commit, version = said.get(f"{OCI}.revision", ""), said.get(f"{OCI}.version", "")
    lock = git.content(root, commit, dvcfiles.LOCK) if COMMIT.fullmatch(commit) else None
    told = f"{reference} says it is of commit {printable(commit)}"
    if lock is None:
        raise Refused(f"{told}, which git does not know here; `git fetch --all --tags` may help")
    packages = Records.of(root, commit).lock.encode()
    for name, content in (("dvc.lock", lock), ("requirements.lock", packages)):
        if md5_of_bytes(content) != said.get(f"{OWN}.{name}"):
            raise Refused(f"{told}, whose {name} is another; do not trust it")
    model = said.get(f"{OCI}.title", "")
    if version not in [*released(root, commit, model), commit[:SHORT]]:
        told += f" and is {printable(model)}:{printable(version)}"
        raise Refused(f"{told}, and git has no such tag there; `git fetch --tags` may help")
    paths = [path for path, md5 in dvcfiles.locked(lock) if md5 == said[f"{OWN}.model"]]
    if not paths:
        raise Refused(f"{told}, which names no model with the md5 that it has; do not trust it")
    return paths[0], said[f"{OWN}.model"]


def held(client, image, path: str) -> str | None:
    """The md5 of the file at `path` of the project in an image; None if there is none."""
    from docker.errors import NotFound

    container = client.containers.create(image.id)
    try:
        blocks, _ = container.get_archive(f"/project/{path}")
        with tempfile.TemporaryFile() as file:
            file.writelines(blocks)
            file.seek(0)
            with tarfile.open(fileobj=file) as archive:
                opened = archive.extractfile(archive.next())
                return opened and hashlib.file_digest(opened, "md5").hexdigest()
    except NotFound:
        return None
    finally:
        container.remove()


# -- the command


def resolved(root: Path, revision: str) -> str:
    """The commit that `revision` means; Refused where that is a release with a wrong tag, too."""
    commit = git.resolved(root, revision)
    for one in git.releases_with_texts(root).values():
        if one.commit == commit and verdicts.names(revision, one):
            check_tag(root, one.tag)
    return commit


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("revision", nargs="?", default="HEAD", metavar="REV", help="commit or version (HEAD)")
    add("--push", metavar="REGISTRY", help="push it there, and print its reference by digest")
    add("--record", action="store_true", help=f"name it in {MANIFEST}, for git to track")
    add(
        "--target",
        choices=("build", "notebook"),
        help="instead, the environment that the working tree is rebuilt or looked at in",
    )
    add("--run", action="store_true", help="with --target: run it on the working tree")
    add("--port", type=int, default=8888, metavar="N", help="of Jupyter on this machine (8888)")
    add_options(parser)


def check_arguments(arguments: argparse.Namespace) -> None:
    """Misused where they do not go together."""
    if arguments.target and (arguments.revision != "HEAD" or arguments.push or arguments.record):
        raise Misused("--target is of the working tree, and takes no REV, --push or --record")
    if arguments.run and not arguments.target:
        raise Misused("--run takes --target build or --target notebook")
    if arguments.push is not None and not REGISTRY.fullmatch(arguments.push.rstrip("/")):
        registry = printable(arguments.push)
        raise Misused(f"{registry} is not a registry; write one like registry.example.org/team")


def with_engine(root: Path, commit: str, arguments: argparse.Namespace) -> int:
    """Do what is asked for; the exit status."""
    with engine() as client:
        with Progress() as progress:

            def on_progress(line: str) -> None:
                progress.step(line) if STEP.match(line) else progress.detail(line)

            if arguments.target:
                name, made = make_tools(root, arguments, client, on_progress)
                progress.say(f"{name} ({made})")
            else:
                name, made = make(root, commit, arguments, client, on_progress)
                progress.say(f"{name} is the image of commit {commit[:SHORT]} ({made})")
        if arguments.target:
            return run(root, arguments, made, client) if arguments.run else 0
        if arguments.revision == "HEAD" and git.git(root, "diff", "--name-only", "HEAD", "--", "."):
            print("what is not committed is not in it", file=sys.stderr)
        reference = None
        if arguments.push:
            with Progress() as progress:
                progress.step(f"pushing it to {arguments.push}")
                reference = pushed(client, name, arguments.push.rstrip("/"))
            print(reference)
    if arguments.record:
        record(root, name, commit, made, reference)
        print(f"{MANIFEST} names it; commit that")
    return 0


def main(arguments: argparse.Namespace) -> int:
    """Build, tag, and where it is asked for push, record or run."""
    check_arguments(arguments)
    root = project_root(Path.cwd()).resolve()
    if arguments.run and arguments.target == "notebook" and os.getuid() == 0:
        raise Refused("Jupyter does not run as root; run this as another user")
    if arguments.record:
        recorded(root)
    return with_engine(root, resolved(root, arguments.revision), arguments)
