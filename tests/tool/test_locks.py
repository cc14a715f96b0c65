"""Which lines of a commit's locks its rebuild is made with."""

from exact_model import environment
from exact_model.environment import of_the_stages

OWN = """numpy==2.0 \\
    --hash=sha256:aa
tzdata==1 ; sys_platform == 'win32' \\
    --hash=sha256:bb
"""
TOOLS = """exact-model==0.1.0 \\
    --hash=sha256:cc
dvc==3.0 \\
    --hash=sha256:dd
NumPy==2.0 \\
    --hash=sha256:ee
tzdata==1 \\
    --hash=sha256:bb
"""


def test_the_tool_is_left_out():
    kept = of_the_stages(TOOLS)
    assert "exact-model" not in kept and "sha256:cc" not in kept
    assert [name in kept for name in ("dvc==", "NumPy==", "tzdata==")] == [True] * 3


def test_a_lock_of_the_tools_gives_no_hash_to_what_the_stages_pin():
    kept = of_the_stages(TOOLS, OWN)
    assert "NumPy" not in kept and "sha256:ee" not in kept
    # The stages pin it for another platform; here it is a tool's.
    assert "dvc==3.0" in kept and "tzdata==1 \\\n    --hash=sha256:bb\n" in kept


def test_the_stages_own_lock_stays_as_it_is():
    assert of_the_stages(OWN) == OWN


def test_an_environment_is_made_again_for_another_launcher(tmp_path, monkeypatch):
    """What is written into it beside the packages is a part of its name."""
    monkeypatch.setattr(environment, "usable", lambda *words: True)
    for name in ("requirements.lock", ".python-version"):
        (tmp_path / name).write_text("")
    before = environment.kept_environment(tmp_path, tmp_path, len)
    assert environment.kept_environment(tmp_path, tmp_path, len) == before
    monkeypatch.setattr(environment, "COMMAND", "another")
    assert environment.kept_environment(tmp_path, tmp_path, len) != before
