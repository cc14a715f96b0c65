"""What would refuse at the end of a command's work is asked before it begins.

Each command is also given something that stops the work itself, so the order shows in what is said.
"""

import pytest

pytestmark = pytest.mark.slow
# What is done before, the command, and what it says; its work would stop at `nothing`.
FIRST = {
    "a page in no folder": (
        "true",
        "exact compare nothing nothing --html no/page.html",
        "exact: no/page.html cannot be written: there is no folder no; make it first",
    ),
    "a page that is a folder": (
        "true",
        "exact compare nothing nothing --html models",
        "exact: models is a folder; name a file in it",
    ),
    "a list of images that is no list": (
        "echo [ > images.json",
        "DOCKER_HOST=unix:///nothing exact image --record",
        "exact: images.json is not a JSON object",
    ),
    "a list of images that is a folder": (
        "mkdir images.json",
        "DOCKER_HOST=unix:///nothing exact image --record",
        "images.json is a folder; name a file in it",
    ),
    "parameters without a file": (
        "sed -i 's/^  file:.*//' params.yaml",
        f"exact data nothing.csv {'0' * 64}",
        "exact: params.yaml has no line `file:` in its section data; add it",
    ),
    "answers in no folder": (
        "true",
        "exact run python -m altruism.predict nothing.jsonl --out no/answers.jsonl",
        "there is no folder no; make it first",
    ),
}


@pytest.fixture(scope="module")
def work(built, tmp_path_factory):
    return built.copy(tmp_path_factory.mktemp("first") / "altruism")


@pytest.mark.parametrize("name", FIRST)
def test_it_is_said_before_the_work(name, work):
    before, command, says = FIRST[name]
    work.run("sh", "-c", before)
    done = work.run("sh", "-c", command, check=False)
    work.run("git", "checkout", "--quiet", ".")
    work.run("git", "clean", "--quiet", "-fd")
    (sentence,) = done.stderr.splitlines()
    assert done.returncode and says in sentence


@pytest.mark.long
def test_a_page_that_can_be_written_is(work, tmp_path):
    page = tmp_path / "page.html"
    for _ in range(2):
        work.run("exact", "compare", "HEAD", "HEAD", "--html", page)
        assert page.read_text(encoding="utf-8").startswith("<!")
