"""Build the tool's wheel from src/exact_model, and put it and its hash into the template.

usage: python tools/wheel.py TEMPLATE
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from exact_model.tool import pack, unpack  # noqa: E402

LINE = re.compile(r"^exact-model==.*\n(?:[ \t]+.*\n)*", re.MULTILINE)


def build() -> tuple[str, bytes]:
    """The file name and the bytes of the wheel, which are the same for the same source."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
        environ = {**os.environ, "SOURCE_DATE_EPOCH": "0"}
        subprocess.run(command, cwd=ROOT, env=environ, check=True, capture_output=True)
        (wheel,) = Path(folder).glob("*.whl")
        return wheel.name, pack(unpack(wheel.read_bytes()))


def vendor(name: str, wheel: bytes, template: Path) -> None:
    """Put the wheel into the vendor/ of `template`, and its version and hash into the locks."""
    folder = template / "vendor"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("exact_model-*.whl"):
        old.unlink()
    (folder / name).write_bytes(wheel)
    version, found = name.split("-")[1], hashlib.sha256(wheel).hexdigest()
    line = f"exact-model=={version} \\\n    --hash=sha256:{found}\n"
    for lock in template.glob("*requirements-dev.lock*"):
        text = lock.read_text(encoding="utf-8")
        if LINE.search(text):
            changed = LINE.sub(lambda _: line, text)
        else:
            # In the order of the names, as uv writes them.
            places = [
                x.start()
                for x in re.finditer(r"^[a-z]", text, re.M)
                if text[x.start() :] > "exact-model"
            ]
            at = places[0] if places else len(text)
            changed = text[:at] + line + text[at:]
        lock.write_text(changed, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    vendor(*build(), Path(sys.argv[1]))
