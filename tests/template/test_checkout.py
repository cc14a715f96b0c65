"""Checkouts for a verification are what git holds, whatever the settings around it say.

What a commit itself says of its files counts, though: line ends, Git LFS.
"""

import hashlib
import json
from pathlib import Path

import pytest
from small import Small

pytestmark = pytest.mark.slow
SOURCE, BIG = "src/pizza/count.py", "lib/big.bin"
EVIL = """
[filter "evil"]
    smudge = sed s/1/666/
    clean = sed s/666/1/
    required = true
[filter "lfs"]
    smudge = echo evil; true
    process = false
    required = true
"""


@pytest.fixture
def small(built, tmp_path) -> Small:
    """A commit whose attributes name a filter, of a source that git holds as it was recorded."""
    small = Small(built, tmp_path / "repository")
    small.write(".gitattributes", f"{SOURCE} filter=evil\n")
    (small.root / "link.py").symlink_to(SOURCE)
    small.record([SOURCE, "link.py"])
    small.base = small.commit("A filter is named")
    return small


def verify(small, status: int, *words: str, **environ: str) -> dict:
    done = small.run("exact", "verify", "--quick", "--json", *words, check=False, **environ)
    assert done.returncode == status, done.stdout + done.stderr
    (report,) = json.loads(done.stdout)
    return report


def hostile(small, tmp_path: Path) -> dict[str, str]:
    """Settings of the user, the system and the repository that would change a checkout."""
    attributes, hooks, template = (tmp_path / name for name in ("attributes", "hooks", "template"))
    attributes.write_text("* text eol=crlf\n")
    hook = f"#!/bin/sh\ntouch '{tmp_path}/ran'\necho evil > {SOURCE}\n"
    for folder in (hooks, template / "hooks", small.top / ".git/hooks"):
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("post-checkout", "post-index-change"):
            (folder / name).write_text(hook)
            (folder / name).chmod(0o755)
    user = tmp_path / "user"
    core = f"[core]\n    autocrlf = true\n    attributesFile = {attributes}\n"
    user.write_text(f"{EVIL}{core}    hooksPath = {hooks}\n[init]\n    templateDir = {template}\n")
    (tmp_path / "home/git").mkdir(parents=True)
    (tmp_path / "home/git/attributes").write_text("* text eol=crlf\n")
    (small.top / ".git/info/attributes").write_text("* text eol=crlf filter=evil\n")
    (small.top / ".git/info/sparse-checkout").write_text("/*\n!/team/lib\n")
    own = "    symlinks = false\n    sparseCheckout = true\n    eol = crlf\n"
    with open(small.top / ".git/config", "a") as config:
        config.write(f"{EVIL}{core}{own}")
    other = small.run("git", "hash-object", "-w", "settings.yaml").stdout.strip()
    small.run("git", "replace", small.git("rev-parse", f"HEAD:./{SOURCE}"), other)
    return {
        "GIT_CONFIG_GLOBAL": str(user),
        "GIT_CONFIG_SYSTEM": str(user),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "filter.evil.smudge",
        "GIT_CONFIG_VALUE_0": "echo evil",
        "GIT_TEMPLATE_DIR": str(template),
        "XDG_CONFIG_HOME": str(tmp_path / "home"),
    }


# A clone is made by `exact release` alone, after minutes.
CLONE = """
import sys
from pathlib import Path
from exact_model import checkout, git
root = Path.cwd()
print(checkout.clone(root, git.commits(root, "HEAD")[0][1], Path(sys.argv[1])))
"""


def test_no_setting_reaches_a_checkout_or_a_clone(small, tmp_path):
    environ = hostile(small, tmp_path)
    report = verify(small, 0, **environ)
    assert (report["verdict"], report["problem"]) == ("identical", None)
    clone = Path(small.run("python", "-c", CLONE, tmp_path / "clone", **environ).stdout.strip())
    for name in small.git("ls-files", SOURCE, "lib", "dvc.lock", "dvc.yaml").splitlines():
        held = small.run("git", "--no-replace-objects", "show", f"HEAD:./{name}").stdout
        assert (clone / name).read_bytes() == held.encode(), name
    assert (clone / "link.py").is_symlink() and not (tmp_path / "ran").exists()


def test_what_a_filter_made_is_not_what_the_commit_holds(small, tmp_path):
    """Its author's tree had what the filter makes, and so does the record."""
    small.write(SOURCE, "print(666)\n")
    small.record([SOURCE])
    small.write(SOURCE, "print(1)\n")
    small.commit("As its author had it")
    environ = hostile(small, tmp_path)
    report = verify(small, 2, **environ)
    assert f"{SOURCE} has changed since stage count last ran" in report["problem"]


def test_line_ends_and_encodings_of_the_commit_count(small):
    lines = "lib/c.txt text eol=crlf\nlib/i.txt ident\nlib/w.txt working-tree-encoding=UTF-16LE\n"
    small.write(".gitattributes", lines)
    names = ["lib/c.txt", "lib/i.txt", "lib/w.txt"]
    for name, text in zip(names, ("a\nb\n", "$Id$\n", "ü\n"), strict=True):
        encoding = "utf-16-le" if name == "lib/w.txt" else "utf-8"
        (small.root / name).write_bytes(text.encode(encoding))
    small.commit("Files of three kinds")
    for name in names:
        (small.root / name).unlink()
    small.git("checkout", "--", ".")
    assert b"\r\n" in (small.root / "lib/c.txt").read_bytes()
    assert b"$Id: " in (small.root / "lib/i.txt").read_bytes()
    small.record(names)
    small.commit("As they are checked out")
    assert verify(small, 0)["verdict"] == "identical"


def test_a_file_of_git_lfs(small):
    """Taken by its hash from the repository's store, with no filter; told where it is not there."""
    content = b"\0" * 2000
    oid = hashlib.sha256(content).hexdigest()
    (small.root / BIG).write_bytes(content)
    small.record([BIG])
    small.write(BIG, f"version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 2000\n")
    small.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
    small.commit("A file of Git LFS")
    told = verify(small, 2)["problem"]
    assert f"{BIG} is a pointer of Git LFS" in told and "`git lfs pull`" in told
    place = small.top / ".git/lfs/objects" / oid[:2] / oid[2:4] / oid
    place.parent.mkdir(parents=True)
    place.write_bytes(b"\1" * 2000)
    assert "is a pointer of Git LFS" in verify(small, 2)["problem"]
    place.write_bytes(content)
    assert verify(small, 0)["verdict"] == "identical"


def test_a_partial_clone_gets_what_it_lacks(small, tmp_path):
    small.run("git", "config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "partial"
    words = ("--quiet", "--no-checkout", "--filter=blob:none", f"file://{small.top}", clone)
    small.run("git", "clone", *words)
    small.run("git", "reset", "--quiet", cwd=clone)
    small.run("git", "checkout", "HEAD", "--", "team/dvc.yaml", "team/requirements.lock", cwd=clone)
    small.run("git", "checkout", "HEAD", "--", "team/.dvc", cwd=clone)
    done = small.run("exact", "verify", "--quick", "--json", cwd=clone / "team", check=False)
    (report,) = json.loads(done.stdout)
    assert (report["verdict"], report["problem"]) == ("identical", None)
