"""Generate projects from the template as it lies in the working tree."""

import functools
import json
import shutil
import sys
import tempfile
from fnmatch import fnmatch
from pathlib import Path

from cookiecutter.main import cookiecutter

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tools"))
import wheel  # noqa: E402

PROJECT = "{{cookiecutter.project_slug}}"
LEFTOVERS = ("__pycache__", ".*_cache", ".venv", ".DS_Store")
CHOICES = {
    question: default
    for question, default in json.loads((ROOT / "cookiecutter.json").read_bytes()).items()
    if isinstance(default, list) and not question.startswith("_")
}


@functools.cache
def scratch():
    """A folder for this process, removed when it ends."""
    return tempfile.TemporaryDirectory(prefix="bake-")


def is_leftover(name):
    return any(fnmatch(part, wild) for part in name.split("/") for wild in LEFTOVERS)


def copy_template(target):
    """The template's own files, without what tools have left between them."""
    ignore = shutil.ignore_patterns(*LEFTOVERS)
    shutil.copytree(ROOT / PROJECT, target / PROJECT, ignore=ignore)
    shutil.copytree(ROOT / "hooks", target / "hooks", ignore=ignore)
    shutil.copy(ROOT / "cookiecutter.json", target)
    return target


@functools.cache
def template():
    """The template with the wheel of today's src/exact_model; the committed one is renewed last."""
    folder = copy_template(Path(scratch().name) / "template")
    wheel.vendor(*wheel.build(), folder / PROJECT)
    return folder


@functools.cache
def committed_template():
    """The template as it is committed, with its wheel."""
    return copy_template(Path(scratch().name) / "committed")


def user_config(folder, default_context=None):
    """A user configuration that keeps cookiecutter out of the real home folder."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "cookiecutters_dir": str(folder / "cookiecutters"),
        "replay_dir": str(folder / "replay"),
        "default_context": default_context or {},
    }
    config = folder / "config.yaml"
    config.write_text(json.dumps(settings), encoding="utf-8")
    return config


def home():
    return Path(scratch().name) / "home"


def bake(output_dir, replay=None, accept_hooks=True, source=None, **answers):
    """Generate one project with these answers and defaults elsewhere; return its folder."""
    project = cookiecutter(
        str(source or template()),
        no_input=replay is None,
        extra_context=answers if replay is None else None,
        replay=replay,
        config_file=str(user_config(home())),
        accept_hooks=accept_hooks,
        output_dir=str(output_dir),
    )
    return Path(project)


def files(project):
    """Each file's path below the project and its bytes, git's own files apart."""
    paths = (path for path in Path(project).rglob("*") if path.is_file())
    named = {path.relative_to(project).as_posix(): path.read_bytes() for path in paths}
    return {name: content for name, content in named.items() if not name.startswith(".git/")}
