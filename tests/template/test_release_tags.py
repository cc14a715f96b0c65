"""A release tag is believed where its text is that of its commit, as `exact release` writes it."""

import json
import shutil

import pytest
from small import MODEL, Small, md5

pytestmark = pytest.mark.slow
HAND = "`exact release` did not make it"
TEXT = "{tag} {version}\n\n{path} {model}\ndvc.lock {lock}\nRebuilt: all 1 outputs identical. "
TEXT += "Recovered from the remote in a new clone.\n"


def text_of(small: Small, name: str, version: str, **other: str) -> str:
    """The text that `exact release` writes for a version at the commit `name`, but for `other`."""
    known = {"tag": "team=pizza", "version": version, "path": MODEL, "model": md5(name)}
    known["lock"] = md5(small.run("git", "show", f"{getattr(small, name)}:./dvc.lock").stdout)
    return TEXT.format(**{**known, **other})


# The version, its commit, and the text of its tag (None: a lightweight one).
GENUINE = {
    "v1.0.0": ("one", lambda p: text_of(p, "one", "1.0.0")),
    "v1.0.1-rc.1": ("one", lambda p: text_of(p, "one", "1.0.1-rc.1") + "\nSigned by somebody\n"),
}
WRONG = {
    "v2.0.0": ("two", lambda p: text_of(p, "one", "2.0.0"), "names another models/count.json"),
    "v2.1.0": ("two", lambda p: text_of(p, "two", "2.1.0", model="0" * 32), "another models/c"),
    "v2.2.0": ("two", lambda p: text_of(p, "two", "2.2.0", lock="0" * 32), "another dvc.lock"),
    "v2.3.0": ("two", lambda p: text_of(p, "two", "2.2.9"), "is that of another release (team="),
    "v2.4.0": ("two", lambda p: text_of(p, "two", "2.4.0", path="no.bin"), "another no.bin"),
    "v3.0.0": ("bare", lambda p: text_of(p, "two", "3.0.0"), "than the commit (none)"),
}
UNPROVEN = {
    "v4.0.0": ("two", None, "it is a lightweight tag, which `exact release` did not make"),
    "v4.1.0": ("two", lambda p: "A release", HAND),
    "v4.2.0": ("two", lambda p: "Rebuilt: all 16 outputs identical.", HAND),
    "v4.3.0": ("two", lambda p: f"Registering pizza\n\n{MODEL} {md5('two')}", HAND),
}


@pytest.fixture(scope="module")
def tagged(built, tmp_path_factory) -> Small:
    """A project whose releases are of three commits; the last has no dvc.lock."""
    small = Small(built, tmp_path_factory.mktemp("tags") / "repository")
    for name in ("one", "two"):
        small.record(model=name)
        setattr(small, name, small.commit(name))
    small.git("rm", "--quiet", "dvc.lock")
    small.bare = small.commit("No record")
    for version, (name, text, *_) in {**GENUINE, **WRONG, **UNPROVEN}.items():
        words = ["--annotate", "--message", text(small)] if text else []
        small.git("tag", *words, f"team=pizza@{version}", getattr(small, name))
    # A tag of a tag is one of its commit.
    text = text_of(small, "one", "1.2.0")
    small.git("tag", "--annotate", "--message", text, "team=pizza@v1.2.0", "team=pizza@v1.0.0")
    small.git("reset", "--quiet", "--hard", small.two)
    return small


@pytest.fixture(scope="module")
def reports(tagged) -> dict[str, tuple[int, dict]]:
    """Exit status and report of `exact verify --quick` on each version."""
    versions = [*GENUINE, *WRONG, *UNPROVEN, "v1.2.0"]
    told = tagged.each([("verify", "--quick", "--json", version) for version in versions])
    pairs = zip(versions, told, strict=True)
    return {version: (status, *json.loads(out)) for version, (status, out, _) in pairs}


@pytest.mark.parametrize("version", [*GENUINE, "v1.2.0"])
def test_a_genuine_release_is_believed(version, reports):
    status, report = reports[version]
    assert (status, report["verdict"], report["notes"]) == (0, "identical", [])


@pytest.mark.parametrize("version", WRONG)
def test_a_tag_of_another_model_differs(version, reports):
    status, report = reports[version]
    assert (status, report["verdict"]) == (1, "differs")
    (line,) = [line for line in report["lines"] if line["stage"] == "release"]
    assert (line["path"], line["verdict"]) == (f"team=pizza@{version}", "differs")
    told = [note for note in report["notes"] if note.startswith(f"team=pizza@{version}: ")]
    assert WRONG[version][-1] in "".join(told)


@pytest.mark.parametrize("version", UNPROVEN)
def test_a_tag_made_by_hand_gets_a_remark(version, reports):
    status, report = reports[version]
    assert (status, report["verdict"]) == (0, "identical")
    told = [note for note in report["notes"] if note.startswith(f"team=pizza@{version}: ")]
    assert UNPROVEN[version][-1] in "".join(told)


def test_all_tags_at_once(tagged):
    """A commit is looked at once, and each of its tags."""
    done = tagged.run("exact", "verify", "--quick", "--json", "--tags", check=False)
    reports = {one["commit"]: one for one in json.loads(done.stdout)}
    assert done.returncode == 1 and len(reports) == 3
    lines = [line for one in reports.values() for line in one["lines"]]
    wrong = {line["path"] for line in lines if line["stage"] == "release"}
    assert wrong == {f"team=pizza@{version}" for version in WRONG}
    done = tagged.run("exact", "verify", "--quick", "v1.0.0..v2.0.0", check=False)
    assert done.returncode == 1 and "\ndiffers " in done.stdout
    # The commit itself is what is asked for here, so the tags are but told.
    done = tagged.run("exact", "verify", "--quick", "--json", "HEAD")
    (report,) = json.loads(done.stdout)
    assert report["verdict"] == "identical" and len(report["notes"]) == 9


def test_which_tells_what_the_tags_are_worth(tagged):
    status = tagged.run("exact", "which", md5("one")).stdout
    assert "released     team=pizza@v1.0.0, team=pizza@v1.0.1-rc.1" in status
    assert "but " not in status
    known = json.loads(tagged.run("exact", "which", md5("two"), "--json").stdout)
    versions = [one for one in {**WRONG, **UNPROVEN} if one != "v3.0.0"]
    assert known["doubts"].keys() == {f"team=pizza@{one}" for one in versions}
    told = tagged.run("exact", "which", md5("two")).stdout
    assert f"team=pizza@v2.0.0: the tag's text names another {MODEL} ({md5('one')[:12]})" in told


def test_compare_tells_it_too(tagged):
    told = tagged.run("exact", "compare", "v1.0.0", "v2.0.0").stdout
    assert "team=pizza@v2.0.0: the tag's text names another" in told and "v1.0.0: " not in told


def test_the_log_calls_no_such_release_verified(tagged):
    releases = json.loads(tagged.run("exact", "compare", "--log", "--json").stdout)
    found = {one["version"].rpartition("@")[2]: one for one in releases}
    verdicts = {version: (one["verified"] or {}).get("verdict") for version, one in found.items()}
    for version in (*GENUINE, "v1.2.0"):
        assert verdicts[version] == "identical" and not found[version]["doubt"]
    for version, (*_, told) in WRONG.items():
        assert verdicts[version] == "differs" and told in found[version]["doubt"]
    for version, (*_, told) in UNPROVEN.items():
        assert verdicts[version] is None and told in found[version]["doubt"]
    told = tagged.run("exact", "compare", "--log").stdout
    assert "all " not in told.splitlines()[-1] and "the tag's text names another" in told


@pytest.mark.parametrize(
    "words",
    [
        ("release", "v2.0.0", "--stage", "prod"),
        ("release", "v2.0.0"),
        ("release", "v9.0.0"),
        ("image", "v2.0.0"),
        ("image", "team=pizza@v2.0.0"),
    ],
)
def test_release_and_image_go_on_from_no_such_release(words, tagged):
    done = tagged.run("exact", *words, check=False)
    assert done.returncode == 1 and "is not to be believed: the tag's text" in done.stderr
    assert "`git tag -d " in done.stderr


def test_many_tags_are_read_at_once(tagged, tmp_path):
    """Git is started as often for 500 tags as for a few."""
    log, shim = tmp_path / "log", tmp_path / "bin/git"
    shim.parent.mkdir()
    shim.write_text(f"#!/bin/sh\necho x >> '{log}'\nexec {shutil.which('git')} \"$@\"\n")
    shim.chmod(0o755)
    ask = ("sh", "-c", f"PATH='{shim.parent}':$PATH exact which {md5('one')}")
    tagged.run(*ask)
    few = len(log.read_text())
    commands = "".join(f"create refs/tags/team=pizza@v7.0.{n} {tagged.one}\n" for n in range(500))
    (tmp_path / "commands").write_text(commands)
    tagged.run("sh", "-c", f"git update-ref --stdin < '{tmp_path}/commands'")
    log.unlink()
    tagged.run(*ask)
    assert 0 < len(log.read_text()) == few
