"""The environment of a commit: made from its own locks, kept under their hash, checked at use.

uv links or copies from a cache that anyone may have edited, so the files are hashed here again.
"""

import base64
import csv
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from packaging.utils import canonicalize_name

from exact_model.errors import WRONG_ENVIRONMENT, Refused
from exact_model.packages import BLOCK, LOCKS, MARKER
from exact_model.processes import ROOM, call, locked
from exact_model.tool import NAME

# What a command is given of the caller's variables: where things are, not what they should do.
KEPT = re.compile(
    r"(PATH|USER|LOGNAME|SHELL|TERM|TMPDIR|TZ|LANG|LC_\w+|LD_LIBRARY_PATH|SSL_CERT_\w+)$"
)
# The tool that judges is not there, and no other one: a stage needs the commit's own `exact run`.
# `-I` keeps the caller's PYTHON* variables from this interpreter, which some of them would stop.
COMMAND = """#!/bin/sh
[ "$1" = run ] || { echo "exact: a rebuild has \\`exact run\\` and no other command" >&2; exit 2; }
file=$(readlink -f -- "$0")
exec "${file%/*}/python" -I -c 'import sys; from exact.run import main; sys.exit(main(sys.argv[2:]))' "$@"
"""  # noqa: E501
# As `pip install --editable` would have it, but for whichever tree the commands run in.
CODE = """import os, sys; tree = os.getenv("EXACT_TREE"); tree and sys.path.append(tree + "/src")
import os; file = os.getenv("EXACT_TRACE"); file and exec(open(file, "rb").read())
"""


# What is said of a commit that has no locks.
NOT_PINNED = (
    "it has no requirements.lock and .python-version, so it was rebuilt with the Python and the "
    "packages of this command, which nothing pins, and what its stages read was not watched"
)


def pinned(tree: Path) -> bool:
    """Whether the commit in `tree` says what its environment is."""
    return all((tree / name).exists() for name in (LOCKS[0], ".python-version"))


def kept_environment(root: Path, tree: Path, on_progress: Callable[[str], None]) -> Path:
    """The environment of the locks in `tree`, made when there is none yet; returns its folder.

    Where the commit has no locks, it is the environment of this command. Raises Refused, with what
    uv says, when it cannot be made.
    """
    if not pinned(tree):
        return Path(sys.prefix)
    files = [tree / name for name in (*LOCKS, ".python-version") if (tree / name).exists()]
    texts = [of_the_stages(path.read_text(encoding="utf-8")) for path in files]
    # With what is written into it beside the packages.
    key = hashlib.sha256("\0".join([*texts, COMMAND, CODE]).encode()).hexdigest()[:16]
    folder = root / ROOM / "environments" / key
    with locked(folder.with_suffix(".lock")):
        if not usable(folder, tree):
            on_progress(f"making the environment {key} of its requirements.lock, once")
            make_environment(root, tree, folder)
    return folder


def usable(folder: Path, tree: Path) -> bool:
    """Whether the environment is whole, lies where it was made, and is one that `tree` accepts."""
    made = folder.with_suffix(".made")
    if not made.exists() or made.read_text(encoding="utf-8") != state_of(folder):
        return False
    return not refusal(folder, tree)


def refusal(folder: Path, tree: Path) -> str:
    """Why `tree` cannot be run in the environment at `folder`; empty where it can."""
    options = {"cwd": tree, "env": surroundings(tree, folder), "capture_output": True}
    try:
        # It lies elsewhere and may be gone, or have lost its libraries.
        python = subprocess.run([folder / "bin/python", "-I", "-c", ""], **options)
        done = subprocess.run([folder / "bin/exact", "run", "true"], **options)
    except OSError as error:
        return str(error)
    if python.returncode:
        return f"its Python does not start (status {python.returncode})"
    # Any other failure is the commit's own, and another environment would not change it. Older
    # commits have not this status, and are known by what they say.
    if done.returncode == WRONG_ENVIRONMENT or b"make env" in done.stderr:
        return done.stderr.decode(errors="replace").strip()
    return ""


def of_the_stages(lock: str, own: str = "") -> str:
    """The text of a lock without the tool, and without what the stages' `own` lock pins.

    Else the locks of the tools, which no stage depends on, could give a package another hash.
    """
    pinned = {(NAME, ""), *(requirement(found) for found in BLOCK.finditer(own))}

    def kept(found: re.Match) -> str:
        name, marker = requirement(found)
        return "" if {(name, ""), (name, marker)} & pinned else found[0]

    return BLOCK.sub(kept, lock)


def requirement(found: re.Match) -> tuple[str, str]:
    """Normalized name and marker of what BLOCK has found; the marker is empty where none is."""
    marker = MARKER.search(found[2])
    return canonicalize_name(found[1]), marker[1] if marker else ""


def is_uv(program: str | Path) -> bool:
    """Whether a program is there, starts, and says that it is uv."""
    try:
        done = subprocess.run([program, "--version"], capture_output=True)
    except OSError:
        return False
    return done.stdout.startswith(b"uv ")


def make_environment(root: Path, tree: Path, folder: Path) -> None:
    """Make the environment of the locks in `tree` at `folder`, every hash checked."""
    found = [shutil.which("uv"), root / ".uv/bin/uv", Path(sys.executable).parent / "uv"]
    uv = next((uv for uv in found if uv and is_uv(uv)), None)
    if not uv:
        fix = "install uv, or run `make env`"
        raise Refused(f"its environment cannot be made: no uv on PATH starts; {fix}")
    folder.with_suffix(".made").unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    version = (tree / ".python-version").read_text(encoding="utf-8").strip()
    locks, own = [], ""
    for name in LOCKS:
        if (tree / name).exists():
            text = of_the_stages((tree / name).read_text(encoding="utf-8"), own)
            own = own or text
            locks.append(folder.with_name(f"{folder.name}-{name}"))
            locks[-1].write_text(text, encoding="utf-8")
    python = ["--quiet", "--python"]
    said = []
    for words in (
        ["venv", *python, version, folder],
        # Copied, since an edit of a file that is linked would be one of the cache, too.
        ["pip", "sync", *python, folder, "--require-hashes", "--link-mode", "copy", *locks],
    ):
        environ = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
        if call([uv, *words], tree, environ, said.append):
            shutil.rmtree(folder, ignore_errors=True)
            raise Refused(f"its environment cannot be made: {' '.join(said)[:600]}")
    (packages,) = folder.glob("lib/python3.*/site-packages")
    (packages / "exact_tree.pth").write_text(CODE, encoding="utf-8")
    (folder / "bin/exact").write_text(COMMAND, encoding="utf-8")
    (folder / "bin/exact").chmod(0o755)
    for name in damaged(packages):
        shutil.rmtree(folder)
        clean = shlex.join([str(uv), "cache", "clean"])
        raise Refused(f"uv's cache was edited: {name} is not its package's; run `{clean}`")
    if why := refusal(folder, tree):
        shutil.rmtree(folder)
        raise Refused(f"its environment cannot be made: {why}")
    folder.with_suffix(".made").write_text(state_of(folder), encoding="utf-8")


def damaged(packages: Path) -> Iterator[str]:
    """The files that are not what their package's own list of hashes says."""
    for record in packages.glob("*.dist-info/RECORD"):
        with open(record, newline="", encoding="utf-8") as lines:
            for name, told, _ in csv.reader(lines):
                kind, _, digest = told.partition("=")
                if kind:
                    with open(packages / name, "rb") as file:
                        found = hashlib.file_digest(file, kind).digest()
                    if base64.urlsafe_b64encode(found).decode().rstrip("=") != digest:
                        yield name


def state_of(folder: Path) -> str:
    """Where the environment lies and what its files are, by size and time of change."""
    found = hashlib.sha256(os.fsencode(folder))
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for name in sorted(files):
            told = os.lstat(os.path.join(path, name))
            found.update(os.fsencode(f"{path}/{name} {told.st_size} {told.st_mtime_ns}\n"))
    return found.hexdigest()


def surroundings(tree: Path, environment: Path) -> dict[str, str]:
    """The environment variables of a command that runs in `tree` with that environment."""
    kept = {name: value for name, value in os.environ.items() if KEPT.match(name)}
    # Without the project's own environment, in which there may be commands that no lock names.
    own = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    path = [str(environment / "bin"), *(folder for folder in path if folder != own)]
    return {
        **kept,
        "PATH": os.pathsep.join(path),
        "USER": os.environ.get("USER") or str(os.getuid()),
        # An empty one: what lies in the caller's is in no clone. A list of fonts takes a second.
        "HOME": str(tree.parent / "home"),
        "MPLCONFIGDIR": str((environment if pinned(tree) else tree).with_suffix(".matplotlib")),
        "EXACT_TREE": str(tree),
        # Its own, so that every file is hashed anew and nothing of the project's is written.
        "DVC_SITE_CACHE_DIR": str(tree / ".dvc/tmp/site"),
        "DVC_NO_ANALYTICS": "true",
        # A stage that asks git must not be told of whatever is checked out around the tree.
        "GIT_CEILING_DIRECTORIES": str(tree.parent),
    }
