"""Which tool a commit names for itself, and what is said when it is not the one that judges."""

import hashlib
from pathlib import Path

import pytest

from exact_model import own
from exact_model.environment import of_the_stages
from exact_model.errors import Refused
from exact_model.reports import IDENTICAL, Line, Report
from exact_model.show import json_of, markdown, table
from exact_model.tool import Tool, running

A, B = "a" * 64, "b" * 64
WHEEL = b"a wheel"
FOUND = hashlib.sha256(WHEEL).hexdigest()
LINE = "exact-model==1.2.3 \\\n    --hash=sha256:{}\n"
OTHERS = "dvc==3.0.0 \\\n    --hash=sha256:{}\nexact-model-more==9 \\\n    --hash=sha256:{}\n"

NAMED = {
    "none": (OTHERS.format(A, B), None),
    "one": (OTHERS.format(B, B) + LINE.format(A), Tool("1.2.3", A)),
    "spelled otherwise": ("Exact_Model==1.2.3 --hash=sha256:" + A, Tool("1.2.3", A)),
    "for one system": (
        f"exact-model==1.2.3 ; sys_platform == 'linux' --hash=sha256:{A}",
        Tool("1.2.3", A),
    ),
    "an empty lock": ("", None),
    "in a comment": (f"# exact-model==1.2.3 --hash=sha256:{A}\n", None),
}
UNCLEAR = {
    "two hashes": LINE.format(A) + f"    --hash=sha256:{B}\n",
    "two lines": LINE.format(A) + LINE.format(B),
    "two versions": LINE.format(A) + LINE.format(A).replace("1.2.3", "1.2.4"),
    "no hash": "exact-model==1.2.3\n",
    "an address": f"exact-model @ file:///tmp/x.whl --hash=sha256:{A}\n",
    "a range": f"exact-model>=1 --hash=sha256:{A}\n",
}


@pytest.mark.parametrize(("text", "tool"), NAMED.values(), ids=NAMED)
def test_named(text, tool):
    assert own.named({"requirements-dev.lock": text}) == tool


@pytest.mark.parametrize("text", [*(text for text, _ in NAMED.values()), *UNCLEAR.values()])
def test_what_is_named_is_what_a_rebuild_leaves_out(text):
    left = of_the_stages(text)
    assert own.named({"requirements-dev.lock": left}) is None
    others = [line for line in text.splitlines() if line.startswith(("numpy", "dvc", "#"))]
    assert [line for line in left.splitlines() if line in others] == others


@pytest.mark.parametrize("text", UNCLEAR.values(), ids=UNCLEAR)
def test_named_unclearly(text):
    with pytest.raises(Refused, match="requirements-dev.lock does not name one version"):
        own.named({"requirements.lock": "numpy==1\n", "requirements-dev.lock": text})


def project(folder: Path, lock: str, **wheels: bytes) -> Path:
    (folder / "vendor").mkdir()
    (folder / "requirements-dev.lock").write_text(lock)
    for name, content in wheels.items():
        (folder / "vendor" / name.replace("__", ".")).write_bytes(content)
    return folder


def test_the_wheel_of_the_lock(tmp_path):
    wheels = {"exact_model-1__2__3-py3-none-any__whl": WHEEL, "other-1__0__whl": b"x"}
    assert own.of(project(tmp_path, LINE.format(FOUND), **wheels)) == Tool("1.2.3", FOUND)


def test_no_wheel_is_needed(tmp_path):
    assert own.of(project(tmp_path, LINE.format(A))) == Tool("1.2.3", A)


@pytest.mark.parametrize(
    "name", ["exact_model-1.2.3.whl", "Exact-Model-1.2.3.tar.gz", "exact.model-9"]
)
def test_another_wheel(tmp_path, name):
    project(tmp_path, LINE.format(A), **{name.replace(".", "__"): WHEEL})
    with pytest.raises(Refused) as refused:
        own.of(tmp_path)
    assert f"vendor/{name} is sha256:{FOUND}" in str(refused.value)
    assert f"requirements-dev.lock names sha256:{A}" in str(refused.value)


def test_a_wheel_that_no_lock_names(tmp_path):
    project(tmp_path, "", exact_model=b"x")
    with pytest.raises(Refused, match="requirements-dev.lock names no tool"):
        own.of(tmp_path)


def test_a_link_in_the_place_of_the_wheel(tmp_path):
    project(tmp_path, LINE.format(FOUND), other=WHEEL)
    (tmp_path / "vendor/exact_model-1.2.3.whl").symlink_to("other")
    with pytest.raises(Refused, match="is not a plain file"):
        own.of(tmp_path)


def test_notes(tmp_path):
    (tmp_path / "src/exact").mkdir(parents=True)
    assert own.notes(tmp_path, running()) == []
    assert own.notes(tmp_path, None) == []
    other = Tool("9.9.9", A)
    (told,) = own.notes(tmp_path, other)
    assert told == f"this commit's own tool is {other}; it was judged by {running()}"
    (tmp_path / "requirements-dev.lock").write_text("dvc==3\n")
    assert "names no exact-model; it was judged by" in own.notes(tmp_path, None)[0]
    (tmp_path / "src/exact/judge.py").touch()
    assert "holds its tool in src/exact, unnamed" in own.notes(tmp_path, None)[0]


def test_sha256_of_the_command_line():
    assert own.sha256(f"sha256:{A}") == own.sha256(A.upper()) == A
    for wrong in ("", "sha256:", A[1:], f"md5:{A}", f"{A} "):
        with pytest.raises(ValueError):
            own.sha256(wrong)


def test_accepted():
    own.check(None, A)
    own.check(Tool("1", A), A)
    own.check(Tool("1", B), None)
    with pytest.raises(Refused, match=f"own tool is exact-model 1 .*accepts sha256:{A} alone"):
        own.check(Tool("1", B), A)
    with pytest.raises(Refused, match=f"and --tool accepts sha256:{A} alone; install"):
        own.check_running(A)


def test_every_form_of_a_report_names_the_tool():
    lines = [Line("train", "model", IDENTICAL, A[:32], A[:32])]
    report = Report("v1.0.0", "c" * 40, lines, tool=Tool("1.2.3", A), own_tool=Tool("1.2.2", B))
    told = f"judged by exact-model 1.2.3 (sha256:{A})"
    assert table(report).splitlines()[-1] == told
    assert markdown([report]).splitlines()[-1] == f"- {told}"
    assert f'"tool": {{\n      "sha256": "{A}",\n      "version": "1.2.3"' in json_of([report])
    assert f'"own_tool": {{\n      "sha256": "{B}"' in json_of([report])


def test_a_lock_that_is_not_utf_8(tmp_path):
    (tmp_path / "requirements-dev.lock").write_bytes(b"# caf\xe9\n")
    with pytest.raises(Refused, match="requirements-dev.lock is not UTF-8; run `make lock`"):
        own.of(tmp_path)
