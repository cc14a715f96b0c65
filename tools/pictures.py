"""Draw the pictures of the README from a project as it is: `python tools/pictures.py PROJECT`.

PROJECT has two releases, v1.0.0 and v2.0.0, and its environment, as the demo leaves it with
KEEP=yes. Chromium draws what `exact verify` prints there and the page of `exact compare --html`.
"""

import html
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PICTURES = Path(__file__).resolve().parents[1] / "docs/pictures"
TERMINAL = """<!doctype html><meta charset="utf-8">
<style>body {{ margin: 0; background: #1b1d23; color: #e6e6e6 }}
pre {{ margin: 18px 22px; font: 14px/1.45 "DejaVu Sans Mono", monospace }}
b {{ color: #7ec699 }}</style><pre>$ {command}
{text}</pre>"""


def draw(page: Path, name: str, width: int, height: int) -> None:
    """Write the picture `name` of an HTML page; width and height in pixels."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome") or "chromium"
    words = [chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    words += [f"--screenshot={PICTURES / name}", f"--window-size={width},{height}", page.as_uri()]
    subprocess.run(words, check=True, capture_output=True)


def terminal(project: Path, command: list[str], page: Path) -> int:
    """Write what `command` prints in `project` as a page; returns how many lines it has."""
    path = f"{project}/.venv/bin:/usr/local/bin:/usr/bin:/bin"
    done = subprocess.run(
        command,
        cwd=project,
        env={"PATH": path, "HOME": str(project)},
        text=True,
        capture_output=True,
        check=True,
    )
    text = html.escape(done.stdout.rstrip()).replace("identical", "<b>identical</b>")
    page.write_text(TERMINAL.format(command=html.escape(" ".join(command)), text=text), "utf-8")
    return done.stdout.rstrip().count("\n") + 2


def main(project: Path) -> None:
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder, "verdict.html")
        lines = terminal(project, ["exact", "verify", "v1.0.0"], page)
        draw(page, "verdict.png", 960, lines * 21 + 40)
        page = Path(folder, "compare.html")
        terminal(
            project,
            ["exact", "compare", "v1.0.0", "v2.0.0", "--html", str(page)],
            Path(folder, "printed.html"),
        )
        draw(page, "compare.png", 1000, 1100)


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
