"""Score the rows of a file: `exact run python -m PACKAGE.predict FILE [--out FILE]`.

FILE is of any kind that the raw data may be, without need of a label; `-` is JSON Lines from
standard input. Each answer is a line of JSON. Under `exact run` its digits are the same anywhere.
"""

import argparse
import hashlib
import io
import sys
from pathlib import Path

from ruamel.yaml import YAML, YAMLError

from exact.dump import write

from . import files, params, problems, rows
from .problems import Refused, shown
from .scores import answers, load, ordered_scores

MODEL = "models/model.joblib"


def trusted(path: Path, lock: Path) -> bytes:
    """The bytes of the model at `path`, once dvc.lock names their hash; Refused otherwise.

    The check comes first because loading a model runs whatever code its file holds.
    """
    content = path.read_bytes()
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    try:
        stages = YAML(typ="safe", pure=True).load(lock.read_text(encoding="utf-8"))["stages"]
        named = {out["path"]: out.get("md5") for stage in stages.values() for out in stage["outs"]}
    except (KeyError, TypeError, ValueError, YAMLError):
        raise Refused(f"{lock} cannot be read; run `git checkout {lock}`") from None
    if named.get(MODEL) != md5:
        told = f"{path} has the md5 {md5} but dvc.lock names {named.get(MODEL, 'none')}"
        raise Refused(
            f"{told}; run `.venv/bin/dvc checkout --force`, "
            "or give --any-model if you trust the file"
        )
    return content


def read(file: str, data: dict) -> tuple[list[str], list[rows.Row]]:
    """Ids and features of the rows to score; without an id column the ids are row numbers."""
    if file == "-":
        found = files.parse(sys.stdin.buffer.read(), "standard input", files.read_json_lines)
    else:
        found = files.read(Path(file))
    names, features = [], []
    for number, (place, row) in enumerate(found, 1):
        where = f"{place}, column {shown(data['id'])}"
        names.append(rows.as_id(row[data["id"]], where) if data["id"] in row else str(number))
        features.append(rows.features(row, place, data))
    return names, features


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("file", help="rows to score, or - for JSON Lines on standard input")
    parser.add_argument("--out", type=Path, help="write here instead of to standard output")
    parser.add_argument("--model", type=Path, default=MODEL, help=f"instead of {MODEL}")
    parser.add_argument("--any-model", action="store_true", help="even if dvc.lock names another")
    chosen = parser.parse_args()
    if chosen.out and not chosen.out.parent.is_dir():
        raise Refused(f"there is no folder {chosen.out.parent}; make it first")
    data = params.load("data")["data"]
    path = Path(chosen.model)
    content = path.read_bytes() if chosen.any_model else trusted(path, Path("dvc.lock"))
    names, features = read(chosen.file, data)
    scores = ordered_scores(load(io.BytesIO(content), str(path)), features, data["labels"])
    lines = rows.json_lines(answers(data["classes"], names, scores))
    if chosen.out:
        write({chosen.out: lines})
    else:
        sys.stdout.buffer.write(lines)


if __name__ == "__main__":
    problems.run(main)
