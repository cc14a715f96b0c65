"""`exact data URL SHA256`: replace the raw data by a file or URL, checked by its hash.

DVC's own import does the work, so the file is tracked with its origin and `dvc update` fetches a
newer one. URL is whatever `dvc import-url` takes: a path, http, https, file, or any DVC remote.
"""

import hashlib
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
FILE_LINE = re.compile(r"^(data:.*?^  file:[ \t]*)([^\s#]+)", re.MULTILINE | re.DOTALL)
HASH = re.compile(r"[0-9a-fA-F]{64}")
USAGE = "usage: make data URL=https://example.org/rows.csv SHA256=<64 hexadecimal digits>"


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fetch(url: str, wanted: str) -> Path:
    """Import `url` into INCOMING; Refused when it cannot be had or has another hash."""
    shutil.rmtree(INCOMING, ignore_errors=True)
    INCOMING.mkdir(parents=True)
    name = Path(unquote(urlsplit(url).path)).name
    path = INCOMING / name
    if subprocess.run(["dvc", "import-url", "--quiet", url, str(path)]).returncode:
        raise Refused(f"{url} cannot be fetched; nothing was changed")
    if not path.is_file():
        raise Refused(f"{url} is a folder; name one file")
    found = sha256(path)
    if found != wanted.lower():
        raise Refused(f"{url} has the SHA-256 {found}, not {wanted}; nothing was changed")
    return path


def replace(path: Path) -> Path:
    """Put the imported file in the place of what RAW held, and name it in params.yaml."""
    params = Path("params.yaml")
    text = params.read_text(encoding="utf-8")
    new = RAW / path.name
    changed, count = FILE_LINE.subn(lambda found: found[1] + new.as_posix(), text, count=1)
    if not count:
        raise Refused("params.yaml has no line `file:` in its section data; add it")
    for old in RAW.glob("*.dvc"):
        (RAW / old.stem).unlink(missing_ok=True)
        old.unlink()
    for source in (path, path.with_name(path.name + ".dvc")):
        os.replace(source, RAW / source.name)
    params.write_text(changed, encoding="utf-8", newline="\n")
    return new


def main(arguments: list[str]) -> int:
    """Import, check and replace; the exit status is 0, or 1 or 2 with nothing changed."""
    if len(arguments) != 2 or not arguments[0] or not HASH.fullmatch(arguments[1]):
        print(USAGE, file=sys.stderr)
        return 2
    try:
        os.chdir(project_root(Path.cwd()))
        new = replace(fetch(*arguments))
    except (Refused, OSError) as error:
        print(f"exact: {error}", file=sys.stderr)
        return 1
    finally:
        shutil.rmtree(INCOMING, ignore_errors=True)
    print(f"{new} is in place; now name its columns in params.yaml and run `make`")
    return 0
