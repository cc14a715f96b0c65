"""The md5 of what was made is that of DVC, and is read from the files and nowhere else."""

import hashlib
import logging
import os
from pathlib import Path

import pytest

from exact_model.errors import Refused
from exact_model.hashes import hashed, md5_in


def of_dvc(tree: Path, path: str) -> str:
    """The md5 that DVC itself computes of a file or folder."""
    from dvc.repo import Repo
    from dvc_data.hashfile.build import build

    # DVC's log is bound to the standard output of whichever test came first.
    logging.getLogger("dvc").setLevel(logging.ERROR)
    with Repo.init(str(tree), no_scm=True, force=True) as repo:
        fs = repo.fs
        _, _, obj = build(
            repo.cache.local, str(tree / path), fs, "md5", ignore=repo.dvcignore, dry_run=True
        )
        return obj.hash_info.value


TREES = {
    "a file": {"out": b"x\r\n"},
    "an empty file": {"out": b""},
    "a folder": {"out/b.txt": b"b", "out/a.txt": b"a", "out/a/c.txt": b"c", "out/a-b": b"d"},
    "a folder with names": {
        'out/\u65e5\u672c "&\\': b"1",
        "out/\u00fc": b"2",
        "out/Z": b"3",
        "out/_": b"4",
    },
    "a folder with files that are ignored": {
        ".dvcignore": b"*.tmp\n/out/deep\n",
        "out/a.txt": b"a",
        "out/a.tmp": b"b",
        "out/deep/c.txt": b"c",
    },
}


@pytest.mark.parametrize("files", TREES.values(), ids=TREES)
def test_as_dvc_has_it(tmp_path, files):
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert md5_in(tmp_path, "out") == of_dvc(tmp_path, "out")


def stages(md5: str) -> dict:
    return {"train": {"cmd": "x", "outs": [{"path": "model", "md5": md5}]}}


def test_what_dvc_lock_says_is_not_believed(tmp_path):
    (tmp_path / "model").write_bytes(b"x")
    found = hashed(tmp_path, stages("0" * 32), ended=True)
    assert found["train"]["outs"][0]["md5"] == hashlib.md5(b"x").hexdigest()


def test_an_output_that_is_not_there(tmp_path):
    assert hashed(tmp_path, stages("0" * 32), ended=False) == stages(None)
    with pytest.raises(Refused, match="stage train ended without making model"):
        hashed(tmp_path, stages("0" * 32), ended=True)


def link_to_a_file(out: Path, elsewhere: Path) -> None:
    out.symlink_to(elsewhere / "file")


def link_to_a_folder(out: Path, elsewhere: Path) -> None:
    out.symlink_to(elsewhere)


def link_in_a_folder(out: Path, elsewhere: Path) -> None:
    out.mkdir()
    (out / "file").symlink_to(elsewhere / "file")


def relative_link(out: Path, elsewhere: Path) -> None:
    out.symlink_to(os.path.relpath(elsewhere / "file", out.parent))


@pytest.mark.parametrize(
    "link", [link_to_a_file, link_to_a_folder, link_in_a_folder, relative_link]
)
def test_a_link_out_of_the_tree(tmp_path, link):
    """As by a stage in a container, which does not see where the link leads outside."""
    tree, elsewhere = tmp_path / "tree", tmp_path / "elsewhere"
    tree.mkdir()
    elsewhere.mkdir()
    (elsewhere / "file").write_bytes(b"recorded")
    link(tree / "model", elsewhere)
    with pytest.raises(Refused, match="leads out of the project"):
        md5_in(tree, "model")


def test_a_link_in_the_tree(tmp_path):
    (tmp_path / "real").write_bytes(b"x")
    (tmp_path / "model").symlink_to("real")
    assert md5_in(tmp_path, "model") == hashlib.md5(b"x").hexdigest()
