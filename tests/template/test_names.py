"""A name that means several commits is refused by every command that takes one; others are not."""

import json

import pytest
from small import MODEL, Small, md5

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def named(built, tmp_path_factory) -> Small:
    """Commits `one` to `four` of a project in a folder, with names that several of them share."""
    small = Small(built, tmp_path_factory.mktemp("names") / "repository")
    for number in ("one", "two", "three", "four"):
        model = json.dumps(number)
        small.record(model=model)
        setattr(small, number, small.commit(number))
    one, two, three = small.one, small.two, small.three

    def release(tag, commit):
        small.git("tag", "--annotate", "--message", "by hand", f"team=pizza@{tag}", commit)

    # A tag, a branch, and two models' releases, each of another commit than the release.
    for version in ("v1.0.0", "v2.0.0", "v3.0.0", "v4.0.0", "v5.0.0", "v6.0.0"):
        release(version, one)
    small.git("tag", "v1.0.0", two)
    small.git("branch", "v2.0.0", two)
    small.git("tag", "--annotate", "--message", "other", "other@v3.0.0", two)
    # The same commit, and names that only look alike.
    small.git("tag", "v4.0.0", one)
    small.git("branch", "v4.0.0", one)
    small.git("update-ref", "refs/remotes/origin/v5.0.0", two)
    small.write("v6.0.0", "a file of this name")
    release("v7.0.0", three)
    small.git("branch", "both", one)
    small.git("tag", "both", two)
    small.git("branch", "team=pizza@v9.0.0", one)
    release("v9.0.0", two)
    small.git("update-ref", "refs/heads/origin/far", one)
    small.git("update-ref", "refs/remotes/origin/far", two)
    small.git("branch", three[:7], one)
    small.git("tag", "HEADS", three)
    return small


# What is asked for, and what it may mean.
AMBIGUOUS = {
    "v1.0.0": ["the tag v1.0.0", "the release team=pizza@v1.0.0"],
    "v1.0.0^": ["the tag v1.0.0", "the release team=pizza@v1.0.0"],
    "v1.0.0~1": ["the tag v1.0.0", "the release team=pizza@v1.0.0"],
    "v1.0.0^0": ["the tag v1.0.0", "the release team=pizza@v1.0.0"],
    "v1.0.0..HEAD": ["the tag v1.0.0", "the release team=pizza@v1.0.0"],
    "HEAD~3..v1.0.0": ["the tag v1.0.0", "the release team=pizza@v1.0.0"],
    "v4.0.0...v1.0.0": ["the tag v1.0.0", "the release team=pizza@v1.0.0"],
    "v2.0.0": ["the branch v2.0.0", "the release team=pizza@v2.0.0"],
    "v2.0.0@{0}": ["the branch v2.0.0", "the release team=pizza@v2.0.0"],
    "v3.0.0": ["the release team=pizza@v3.0.0", "the release other@v3.0.0"],
    "both": ["the tag both", "the branch both"],
    "team=pizza@v9.0.0": ["the tag team=pizza@v9.0.0", "the branch team=pizza@v9.0.0"],
    "origin/far": ["the branch origin/far", "the remote branch origin/far"],
    "{three}": ["the branch {three}", "the commit {three}"],
}
# What is asked for, and the commit that it means.
CLEAR = {
    "HEAD": "four",
    "HEAD~1": "three",
    "main": "four",
    "main@{0}": "four",
    "HEADS": "three",
    "v4.0.0": "one",
    "v5.0.0": "one",
    "v6.0.0": "one",
    "v6.0.0^": "base",
    "team=pizza@v1.0.0": "one",
    "team=pizza@v1.0.0^0": "one",
    "refs/tags/v1.0.0": "two",
    "tags/v1.0.0": "two",
    "heads/v2.0.0": "two",
    "other@v3.0.0": "two",
    "refs/tags/team=pizza@v9.0.0": "two",
    "refs/remotes/origin/far": "two",
    "{two}": "two",
    "{whole}": "three",
}


def filled(text: str, named) -> str:
    """The name `text` with hashes in it."""
    for word, hash_ in {"three": named.three[:7], "two": named.two, "whole": named.three}.items():
        text = text.replace(f"{{{word}}}", hash_)
    return text


@pytest.fixture(scope="module")
def verified(named) -> dict[str, tuple[int, str, str]]:
    """What `exact verify --quick` says of each name, after HEAD where it is to be refused."""
    words = {name: ("HEAD", filled(name, named)) for name in AMBIGUOUS}
    words |= {name: (filled(name, named),) for name in CLEAR}
    told = named.each([("verify", "--quick", "--json", *names) for names in words.values()])
    return dict(zip(words, told, strict=True))


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_a_name_of_several_commits_is_refused(name, named, verified):
    wanted = [filled(text, named) for text in AMBIGUOUS[name]]
    status, out, err = verified[name]
    # Nothing is looked at before all names are understood.
    assert (status, out) == (2, "")
    (sentence,) = err.splitlines()
    assert all(text in sentence for text in wanted), sentence
    # What it advises to write is understood.
    told, _, whole = sentence.partition(", which differ; write the whole name: ")
    assert all(named.git("rev-parse", f"{one}^{{commit}}") for one in whole.split(" or "))


@pytest.mark.parametrize(
    "words",
    [
        ("compare", "v1.0.0", "HEAD"),
        ("compare", "HEAD", "v2.0.0"),
        ("image", "v1.0.0"),
        ("verify", "--container", "v1.0.0"),
        ("release", "team=pizza@v9.0.0", "--stage", "prod"),
    ],
)
def test_by_every_command(words, named):
    done = named.run("exact", *words, check=False)
    assert done.returncode in (1, 2) and done.stdout == ""
    assert "which differ; write the whole name: " in done.stderr


@pytest.mark.parametrize("name", CLEAR)
def test_a_name_of_one_commit_is_understood(name, named, verified):
    status, out, err = verified[name]
    assert status == 0, err
    (report,) = json.loads(out)
    assert (report["commit"], report["verdict"]) == (getattr(named, CLEAR[name]), "identical")


def test_a_range_between_short_names_of_releases(named):
    done = named.run("exact", "verify", "--quick", "--json", "v5.0.0..team=pizza@v7.0.0")
    assert [one["commit"] for one in json.loads(done.stdout)] == [named.two, named.three]


def test_a_file_that_is_called_like_a_commit(named):
    """For `exact compare`, which takes files, too: it is refused where it is another commit's."""
    named.write("v4.0.0", json.dumps("two"))
    assert md5(json.dumps("two")) in named.git("show", f"{named.two}:./dvc.lock")
    done = named.run("exact", "compare", "v4.0.0", "HEAD", check=False)
    assert done.returncode == 2 and "write ./v4.0.0 for the file" in done.stderr
    for name, commit in (("./v4.0.0", named.two), ("refs/tags/v4.0.0", named.one)):
        done = named.run("exact", "compare", "--json", name, "HEAD")
        assert json.loads(done.stdout)["a"]["commit"] == commit
    named.write("v4.0.0", json.dumps("one"))
    done = named.run("exact", "compare", "--json", "v4.0.0", "HEAD")
    assert json.loads(done.stdout)["a"]["commit"] == named.one
    assert (named.root / MODEL).exists()
