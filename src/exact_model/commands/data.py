"""`exact data URL SHA256`: replace the raw data by a file or URL, checked by its hash.

DVC's own import does the work, so the file is tracked with its origin and `dvc update` fetches a
newer one. URL is whatever `dvc import-url` takes (a relative path, http, https or any DVC remote),
or file. Of an absolute path a copy is tracked, without its origin: it is a place on this machine,
and what DVC tracks goes into git.
"""

import argparse
import contextlib
import hashlib
import io
import json
import logging
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from exact_model.errors import Refused
from exact_model.packages import project_root
from exact_model.progress import Progress

RAW = Path("data/raw")
# How the README of the raw data begins until somebody says what a row is.
NOT_SAID = "Not said yet: "
# Beside RAW, at the same depth, so that the relative paths in the .dvc file stay true when moved.
INCOMING = Path("data/incoming")
# What the template says of its sample, and nobody has said of another file.
SAMPLE = "Predicts whether a request for a free pizza succeeds"
CARD = {
    "intended_use": SAMPLE,
    "not_for": "Decisions about a person that nobody looks at again; rows that are unlike the",
}
RAW_README = "simulated requests for a free pizza"
DESCRIBED = ("README.md", "pyproject.toml", "dvc.yaml")
# The kinds of file that a stage can read.
SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")
SECRET = re.compile(r"(?i)(auth|code|cred|key|pass|pwd|secret|sig|token)[^=&]*=")
HASH = re.compile(r"[0-9a-fA-F]{64}")


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source(url: str, root: Path) -> tuple[str, str]:
    """What is to be fetched into INCOMING, and the name of its file."""
    parts = urlsplit(url) if "://" in url else None
    if parts and parts.scheme != "file":
        # DVC would write it into the .dvc file, and that goes into git.
        user = parts.scheme in ("http", "https") and parts.username
        if parts.password or user or SECRET.search(f"{parts.query}&{parts.fragment}"):
            told = "the URL holds a secret, which would go into git; name its server without it by"
            fix = "`.venv/bin/dvc remote add NAME URL`, and the file as remote://NAME/FILE"
            raise Refused(f"{told} {fix}")
        return url, Path(unquote(parts.path)).name
    path = Path(os.path.abspath(unquote(parts.path) if parts else url))
    if path.is_dir():
        raise Refused(f"{url} is a folder; name one file")
    if path.parent == root / RAW:
        raise Refused(f"{url} lies where its copy would; move it out of {RAW} first")
    if parts or os.path.isabs(url) or path.is_relative_to(root):
        return str(path), path.name
    # DVC takes a path out of the project as seen from the folder that it writes to.
    return os.path.relpath(path, root / INCOMING), path.name


@contextlib.contextmanager
def dvc(told: str) -> Iterator:
    """DVC's repository here, in this process, so that nothing of it outlives a kill.

    Whatever goes wrong is Refused by the words `told` and DVC's own reason.
    """
    from dvc.lock import LockError
    from dvc.repo import Repo

    # Its advice to add files to git is of a path that is gone a moment later.
    logging.getLogger("dvc").setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()), Repo(".") as repo:
            yield repo
    except Exception as error:  # Each cloud's library raises its own.
        reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        wait = "; wait until that has ended" if isinstance(error, LockError) else ""
        raise Refused(f"{told}: {reason}{wait}; nothing was changed") from error


def fetch(url: str, name: str, wanted: str, copy: bool) -> Path:
    """Put `url` into INCOMING, tracked by DVC; Refused when it cannot be, or has another hash.

    With `copy` it is a path, and not recorded as the file's origin.
    """
    if name.startswith(".") or Path(name).suffix.lower() not in SUFFIXES:
        raise Refused(f"{url} names no file of rows; one ends in {', '.join(SUFFIXES)}")
    INCOMING.mkdir(parents=True)
    path = INCOMING / name
    with dvc(f"{url} cannot be fetched") as repo:
        shutil.copyfile(url, path) if copy else repo.imp_url(url, out=str(path))
    if not path.is_file():
        raise Refused(f"{url} is a folder; name one file")
    found = sha256(path)
    if found != wanted.lower():
        raise Refused(f"{url} has the SHA-256 {found}, not {wanted}; nothing was changed")
    if copy:
        with dvc(f"{url} cannot be tracked") as repo:
            repo.add(str(path))
    return path


def line_of(params: str, section: str, key: str) -> re.Match:
    """The line of a params.yaml that gives `key`; its second group is the value as it is typed."""
    # The value is quoted, or ends where the line or its comment does.
    value = r"(\"[^\"\n]*\"|'[^'\n]*'|[^\n]*?)([ \t]+#[^\n]*)?$"
    found = re.search(rf"^({section}:.*?^ +{key}:[ \t]*){value}", params, re.M | re.S)
    if not found:
        raise Refused(f"params.yaml has no line `{key}:` in its section {section}; add it")
    return found


def renamed(params: str, new: Path) -> tuple[str, Path]:
    """The text of a params.yaml with `new` as its raw file, and the file that it named before."""
    found = line_of(params, "data", "file")
    name = new.as_posix()
    value = name if re.fullmatch(r"[\w./-]+", name) else json.dumps(name, ensure_ascii=False)
    return params[: found.start(2)] + value + params[found.end(2) :], Path(found[2].strip("\"'"))


def without_sample(params: str) -> str:
    """The text of a params.yaml in which nothing is said of the model, where that was the sample's.

    What the team has written stays, for it may be true of a newer file too.
    """
    for key, words in CARD.items():
        try:
            found = line_of(params, "card", key)
        except Refused:  # A card in another form is the team's own.
            continue
        if words in found[2]:
            params = f"{params[: found.start(2)]}null{params[found.end(2) :]}"
    return params


def forget_sample(name: str) -> Iterator[str]:
    """Take the sample's words out of the raw data's README; yields what is left to say."""
    readme = RAW / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.exists() else ""
    if RAW_README in text or NOT_SAID in text:
        told = f"what a row of `{name}` is, where the rows come from, who may use them for what"
        readme.write_text(
            f"# Raw data\n\n{NOT_SAID}{told}, and what each column means.\n", encoding="utf-8"
        )
        yield f"say in {readme} where the rows come from and what the columns mean"
    if ": null" in Path("params.yaml").read_text(encoding="utf-8").partition("\ncard:")[2]:
        yield "say in params.yaml, section card, what the model is for and what not"
    still = [Path(file) for file in DESCRIBED if Path(file).exists()]
    still = [str(file) for file in still if SAMPLE in file.read_text(encoding="utf-8")]
    if still:
        yield f"say what your model does in {', '.join(still)}: there it still is '{SAMPLE}'"


def replace(path: Path) -> Path:
    """Put the imported file in the place of the raw file, and name it in params.yaml."""
    params = Path("params.yaml")
    new = RAW / path.name
    text, old = renamed(params.read_text(encoding="utf-8"), new)
    tracked = old.with_name(old.name + ".dvc")
    if old.exists() and tracked.exists() and "\ndeps:" not in "\n" + tracked.read_text("utf-8"):
        # What was never built from may be in no cache yet, and must not be lost; an import is.
        with dvc(f"{old} cannot be kept") as repo:
            repo.commit(str(tracked), force=True)
    for file in (path, path.with_name(path.name + ".dvc")):
        os.replace(file, RAW / file.name)
    params.write_text(without_sample(text), encoding="utf-8", newline="\n")
    if old != new and tracked.exists():
        old.unlink(missing_ok=True)
        tracked.unlink()
    return new


def named(text: str) -> str:
    """A URL or path; what argparse tells of an empty one."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty; give a URL or a path")
    return text


def digits(text: str) -> str:
    """A SHA-256; what argparse tells of what is none."""
    if not HASH.fullmatch(text):
        told = "give its 64 hexadecimal digits, which `sha256sum FILE` prints"
        raise argparse.ArgumentTypeError(told)
    return text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("url", type=named, metavar="URL", help="a URL that dvc import-url takes, or a path")
    add("sha256", type=digits, metavar="SHA256", help="64 hexadecimal digits (sha256sum FILE)")


def main(arguments: argparse.Namespace) -> int:
    """Import, check and replace; refused with nothing changed."""
    root = project_root(Path.cwd())
    url, name = source(arguments.url, root)
    # A relative path and a URL were typed as an origin, an absolute path as a place.
    copy = os.path.isabs(arguments.url) and not Path(url).is_relative_to(root)
    os.chdir(root)
    shutil.rmtree(INCOMING, ignore_errors=True)
    # A file of parameters that cannot take its name is refused before anything is fetched.
    renamed(Path("params.yaml").read_text(encoding="utf-8"), RAW / name)
    try:
        with Progress() as progress:
            progress.step(f"getting {arguments.url}")
            new = replace(fetch(url, name, arguments.sha256, copy))
    finally:
        shutil.rmtree(INCOMING, ignore_errors=True)
    print(f"{new} is in place; now name its columns in params.yaml and run `make`")
    for told in forget_sample(new.name):
        print(f"  {told}")
    return 0
