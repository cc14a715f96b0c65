"""`make plots` shows the project's pictures in a browser that has no network."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from bake import bake
from projects import Project

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), ""
)
# How many pixels of a screenshot are not white.
INK = """
import sys, numpy
from PIL import Image
print(int((numpy.asarray(Image.open(sys.argv[1]).convert("L")) < 200).sum()))
"""


@pytest.fixture
def pictured(built, tmp_path) -> Project:
    """A generated project that has the reports of a built one."""
    project = Project(bake(tmp_path))
    shutil.copytree(built.root / "reports", project.root / "reports", dirs_exist_ok=True)
    return project


def ink(built, page: Path, folder: Path) -> int:
    """The pixels that are not white when the browser shows `page`."""
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=800,2600"]
    command += [f"--user-data-dir={folder}/profile", f"--screenshot={folder}/shot.png"]
    command += ["--host-resolver-rules=MAP * ~NOTFOUND", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True)
    return int(built.run("python", "-c", INK, folder / "shot.png").stdout)


@pytest.mark.slow
def test_plots_are_one_page_that_holds_all_pictures(pictured):
    (pictured.root / "reports/my own & last.svg").write_text("<svg/>")
    pictured.run("make", "plots")
    page = pictured.read("dvc_plots/index.html")
    names = sorted(path.stem for path in (pictured.root / "reports").glob("*.svg"))
    assert len(names) == 5
    assert sorted(re.findall("<h2>(.*?)</h2>", page)) == names
    assert page.count('src="data:image/svg+xml;base64,') == 5
    assert not re.findall(r'(?:src|href)="(?!data:)', page) and "<script" not in page
    assert pictured.run("git", "status", "--porcelain", "--", "dvc_plots").stdout == ""


@pytest.mark.slow
@pytest.mark.skipif(not BROWSER, reason="there is no Chromium to show the page")
def test_the_page_is_not_blank_without_a_network(built, pictured, tmp_path):
    pictured.run("make", "plots")
    page = pictured.root / "dvc_plots/index.html"
    shown = ink(built, page, tmp_path)
    # The same page, whose pictures are somewhere on the network.
    elsewhere = page.with_name("elsewhere.html")
    elsewhere.write_text(
        re.sub(r'src="data:[^"]*"', 'src="https://example.org/a.svg"', page.read_text())
    )
    assert shown > 10_000 + 2 * ink(built, elsewhere, tmp_path)


def test_plots_say_what_to_do_where_there_is_none(tmp_path):
    project = Project(bake(tmp_path))
    done = project.run("make", "plots", check=False)
    assert done.returncode == 2
    assert "plots: no picture in reports/; run make\n" in done.stderr
