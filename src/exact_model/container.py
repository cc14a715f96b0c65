"""The Docker engine: images of a tree, and a command that runs in one."""

import argparse
import contextlib
import io
import os
import re
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

from exact_model import processes
from exact_model.errors import Refused
from exact_model.text import printable

# Seconds without a word of the engine.
PATIENCE = 600
# What a container is for, so that one whose owner was killed is found.
LABEL = "exact.tree"


@contextlib.contextmanager
def engine() -> Iterator:
    """A client of the Docker engine; what goes wrong with it is a Refused of one sentence."""
    import docker
    from docker.errors import APIError, DockerException
    from requests.exceptions import ReadTimeout, RequestException
    from urllib3.exceptions import HTTPError

    try:
        with contextlib.closing(docker.from_env(timeout=PATIENCE)) as client:
            yield client
    except APIError as error:
        raise Refused(f"the Docker engine refuses: {error.explanation or error}") from error
    except DockerException as error:
        told = f"no Docker engine answers ({str(error).splitlines()[0]})"
        raise Refused(f"{told}; start it, or set DOCKER_HOST") from error
    except ReadTimeout as error:
        told = f"the Docker engine has said nothing for {PATIENCE} seconds"
        raise Refused(f"{told}; look at its log and run this again") from error
    except (RequestException, HTTPError, ConnectionError) as error:
        raise Refused("the Docker engine went away; start it and run this again") from error


def add_options(parser: argparse.ArgumentParser) -> None:
    """What a build may be told where it is not as everywhere."""
    add = parser.add_argument
    add("--base", metavar="IMAGE", help="instead of the base image that the Dockerfile names")
    add("--network", metavar="NAME", help="of the build, such as host")
    add("--no-cache", action="store_true", help="run each step, whatever was built before")


STAGE = re.compile(r"^FROM\s+(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?", re.IGNORECASE)
FROM = re.compile(r"^COPY\s+(?:--\S+\s+)*--from=(\S+)", re.MULTILINE | re.IGNORECASE)


def needed(dockerfile: str, target: str) -> str:
    """Those stages of a Dockerfile that `target` is made of.

    The engine's classic builder, which its API has, runs all that stand before it.
    """
    head, *stages = re.split(r"^(?=FROM\s)", dockerfile, flags=re.MULTILINE | re.IGNORECASE)
    named = {STAGE.match(stage)[2]: stage for stage in stages}
    wanted, waiting = set(), [target]
    while waiting:
        name = waiting.pop()
        if name in named and name not in wanted:
            wanted.add(name)
            waiting += [STAGE.match(named[name])[1], *FROM.findall(named[name])]
    if target not in wanted:
        raise Refused(f"the Dockerfile has no target {target}; add it, as the template has it")
    return head + "".join(stage for name, stage in named.items() if name in wanted)


def context(tree: Path, target: str, seconds: int, file) -> None:
    """Write the build context of `tree` to `file`, every file as old as the commit and root's.

    Only what the commit's .dockerignore lets in gets there.
    """
    from docker.utils.build import exclude_paths

    lines = (tree / ".dockerignore").read_text(encoding="utf-8").splitlines()
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]

    def plainly(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        member.mtime = seconds
        member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
        return member

    dockerfile = needed((tree / "Dockerfile").read_text(encoding="utf-8"), target).encode()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name in sorted(exclude_paths(str(tree), patterns) - {"Dockerfile"}):
            archive.add(tree / name, name, recursive=False, filter=plainly)
        member = plainly(tarfile.TarInfo("Dockerfile"))
        member.size = len(dockerfile)
        archive.addfile(member, io.BytesIO(dockerfile))
    file.seek(0)


def build(
    client,
    tree: Path,
    committed: str,
    target: str,
    options: argparse.Namespace,
    labels: dict,
    on_progress: Callable[[str], None] = len,
) -> str:
    """The id of the image `target` that the Dockerfile in `tree` makes; Refused when it fails.

    `committed` is when (ISO 8601). The image has no name yet, so a build that ends early leaves
    none.
    """
    for name in ("Dockerfile", ".dockerignore"):
        if not (tree / name).is_file() or (tree / name).is_symlink():
            raise Refused(f"this commit has no {name}; take one that has")
    with tempfile.TemporaryFile() as file:
        context(tree, target, int(datetime.fromisoformat(committed).timestamp()), file)
        steps = client.api.build(
            fileobj=file,
            custom_context=True,
            decode=True,
            target=target,
            buildargs={"BASE": options.base} if options.base else {},
            labels=labels,
            network_mode=options.network,
            nocache=options.no_cache,
            rm=True,
            forcerm=True,
        )
        return outcome(steps, options.base, on_progress)


def outcome(
    steps: Iterator[dict], base: str | None = None, on_progress: Callable[[str], None] = len
) -> str:
    """The id of the image that was built; `on_progress` gets each line that the engine says."""
    made, said = None, []
    for step in steps:
        if "error" in step:
            raise Refused(f"the image cannot be built: {failure(step['error'], said, base)}")
        if text := step.get("stream", "").strip():
            said.append(printable(text))
            on_progress(said[-1])
        made = step.get("aux", {}).get("ID", made)
    if made is None:
        raise Refused("the Docker engine told of no image; look at its log")
    return made


STEP = re.compile(r"Step \d+/\d+ : ")


def failure(error: str, said: list[str], base: str | None) -> str:
    """The step that failed, the end of what it printed, and what to do; for one sentence."""
    begun = [number for number, text in enumerate(said) if STEP.match(text)]
    step = said[begun[-1]] if begun else "the first step"
    printed = " ".join(said[begun[-1] + 1 :][-2:]) if begun else ""
    # It repeats the whole command, which is in the Dockerfile.
    why = re.sub(r"The command '.*' returned", "it returned", printable(error.strip()))
    told = f"{step[:100]}: {' '.join([printed[-300:], why[-300:]]).strip()}"
    if "no space left" in told:
        return f"{told}; `docker system prune` frees some"
    if " : FROM " in step and not base:
        return f"{told}; name a mirror of the base image with --base"
    return f"{told}; fix that and run it again"


class Container:
    """An environment that is an image: what is called runs in a container of it, as the caller.

    It may write into the tree and the folders `shared` alone, which have the same paths inside.
    There is a network only with `port`, which is then a port of this machine's loopback.
    """

    def __init__(self, client, image: str, *shared: Path, port: int | None = None):
        self.client, self.image, self.shared, self.port = client, image, shared, port

    def call(
        self, words: list[str], tree: Path, on_line: Callable[[str], None], **environ: str
    ) -> int:
        """Run `words` in `tree`, each line that it prints given to `on_line`; the exit status."""
        from docker.types import Mount

        self.sweep(tree)
        network = {"ports": {f"{self.port}/tcp": ("127.0.0.1", self.port)}} if self.port else {}
        container = self.client.containers.create(
            self.image,
            words,
            user=f"{os.getuid()}:{os.getgid()}",
            working_dir=str(tree),
            environment={"PYTHONPATH": f"{tree}/src", **environ},
            mounts=[Mount(str(path), str(path), type="bind") for path in (tree, *self.shared)],
            read_only=True,
            tmpfs={"/tmp": "exec"},
            init=True,
            labels={LABEL: str(tree)},
            **(network or {"network_mode": "none"}),
        )
        try:
            stop = processes.stoppable(lambda: container.remove(force=True))
        except Refused:
            container.remove(force=True)
            raise
        try:
            container.start()
            rest = ""
            for block in container.logs(stream=True, follow=True):
                *lines, rest = (rest + block.decode(errors="replace")).split("\n")
                for line in lines:
                    on_line(line)
            return container.wait()["StatusCode"]
        finally:
            stop()

    def sweep(self, tree: Path) -> None:
        """Remove what is left of callers that were killed: their tree is gone, or is this one."""
        from docker.errors import APIError

        left = {"all": True, "filters": {"label": LABEL}, "ignore_removed": True}
        for container in self.client.containers.list(**left):
            there = container.labels[LABEL]
            if not os.path.exists(there) or (there == str(tree) and container.status != "running"):
                # Another verification may remove it at the same moment.
                with contextlib.suppress(APIError):
                    container.remove(force=True)
