"""`exact data URL SHA256`: replace the raw data by a file or URL, checked by its hash.

DVC's own import does the work, so the file is tracked with its origin and `dvc update` fetches a
newer one. URL is whatever `dvc import-url` takes (a path, http, https or any DVC remote), or file.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from exact.run import Refused, project_root

RAW = Path("data/raw")
# Beside RAW, at the same depth, so that the relative paths in the .dvc file stay true when moved.
INCOMING = Path("data/incoming")
# The value is quoted, or ends where the line or its comment does.
FILE_LINE = re.compile(
    r"^(data:.*?^ +file:[ \t]*)(\"[^\"\n]*\"|'[^'\n]*'|[^\n]*?)([ \t]+#[^\n]*)?$", re.M | re.S
)
# The kinds of file that a stage can read.
SUFFIXES = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")
SECRET = re.compile(r"(?i)(auth|code|cred|key|pass|pwd|secret|sig|token)[^=&]*=")
HASH = re.compile(r"[0-9a-fA-F]{64}")
USAGE = "usage: make data URL=https://example.org/rows.csv SHA256=<64 hexadecimal digits>"


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def source(url: str, root: Path) -> tuple[str, str]:
    """What `dvc import-url` is to fetch into INCOMING, and the name of its file."""
    parts = urlsplit(url) if "://" in url else None
    if parts and parts.scheme != "file":
        # DVC would write it into the .dvc file, and that goes into git.
        user = parts.scheme in ("http", "https") and parts.username
        if parts.password or user or SECRET.search(f"{parts.query}&{parts.fragment}"):
            told = "the URL holds a secret, which would go into git; name its server without it by"
            mend = "`.venv/bin/dvc remote add NAME URL`, and the file as remote://NAME/FILE"
            raise Refused(f"{told} {mend}")
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


def fetch(url: str, name: str, wanted: str) -> Path:
    """Import `url` into INCOMING; Refused when it cannot be had or has another hash."""
    if name.startswith(".") or Path(name).suffix.lower() not in SUFFIXES:
        raise Refused(f"{url} names no file of rows; one ends in {', '.join(SUFFIXES)}")
    INCOMING.mkdir(parents=True)
    path = INCOMING / name
    # Its errors are shown, its advice to add the file to git is not.
    done = subprocess.run(["dvc", "import-url", url, str(path)], stdout=subprocess.DEVNULL)
    if done.returncode:
        raise Refused(f"{url} cannot be fetched; nothing was changed")
    if not path.is_file():
        raise Refused(f"{url} is a folder; name one file")
    found = sha256(path)
    if found != wanted.lower():
        raise Refused(f"{url} has the SHA-256 {found}, not {wanted}; nothing was changed")
    return path


def renamed(params: str, new: Path) -> tuple[str, Path]:
    """The text of a params.yaml with `new` as its raw file, and the file that it named before."""
    found = FILE_LINE.search(params)
    if not found:
        raise Refused("params.yaml has no line `file:` in its section data; add it")
    name = new.as_posix()
    value = name if re.fullmatch(r"[\w./-]+", name) else json.dumps(name, ensure_ascii=False)
    return params[: found.start(2)] + value + params[found.end(2) :], Path(found[2].strip("\"'"))


def replace(path: Path) -> Path:
    """Put the imported file in the place of the raw file, and name it in params.yaml."""
    params = Path("params.yaml")
    new = RAW / path.name
    text, old = renamed(params.read_text(encoding="utf-8"), new)
    tracked = old.with_name(old.name + ".dvc")
    if old.exists() and tracked.exists() and "\ndeps:" not in "\n" + tracked.read_text("utf-8"):
        # What was never built from may be in no cache yet, and must not be lost; an import is.
        subprocess.run(["dvc", "commit", "--quiet", "--force", str(tracked)], check=True)
    for file in (path, path.with_name(path.name + ".dvc")):
        os.replace(file, RAW / file.name)
    params.write_text(text, encoding="utf-8", newline="\n")
    if old != new and tracked.exists():
        old.unlink(missing_ok=True)
        tracked.unlink()
    return new


def main(arguments: list[str]) -> int:
    """Import, check and replace; the exit status is 0, or 1 or 2 with nothing changed."""
    if len(arguments) != 2 or not arguments[0] or not HASH.fullmatch(arguments[1]):
        print(USAGE, file=sys.stderr)
        return 2
    try:
        root = project_root(Path.cwd())
        url, name = source(arguments[0], root)
        os.chdir(root)
        shutil.rmtree(INCOMING, ignore_errors=True)
        # A file of parameters that cannot take its name is refused before anything is fetched.
        renamed(Path("params.yaml").read_text(encoding="utf-8"), RAW / name)
        try:
            new = replace(fetch(url, name, arguments[1]))
        finally:
            shutil.rmtree(INCOMING, ignore_errors=True)
    except (Refused, OSError, subprocess.CalledProcessError) as error:
        print(f"exact: {error}", file=sys.stderr)
        return 1
    print(
        f"{new} is in place; now name its columns in params.yaml, say what they are in "
        f"{RAW}/README.md, and run `make`"
    )
    return 0
