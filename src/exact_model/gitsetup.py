"""What `exact setup` does: tell git how files are stored and merged, and that a store is not its.

`make` calls it each time, since a repository may be made, moved or joined after the environment.

Git is not the only reader of its configuration. DVC's git splits a command into words and runs it
without a shell, also in copies of the project that have no environment. And a repository can hold
several projects and have several working trees, which all share one configuration. So each command
is `sh -c` with words after it, and holds no path: the environment is found from the file's place.
"""

import os
import re
import shlex
from pathlib import Path

from exact_model import git

# Standard input is a notebook, `$1` its path from where git runs this; DVC's git writes %f there.
CLEAN = """
folder=./$1;
until [ "$folder" = . ]; do
    folder=${folder%/*};
    bin=$folder/.venv/bin;
    if [ -e "$bin/nbstripout" ] && [ -x "$bin/python" ]; then exec "$bin/python" -I -m STRIP; fi;
done;
if command -v nbstripout >/dev/null; then exec STRIP; fi;
echo "run make env: until then, git keeps outputs of $1" >&2;
exec cat
"""
STRIP = "nbstripout -t --extra-keys metadata.language_info"
# Its words are the files of the base, ours and theirs, and where dvc.lock is from the tree's top.
MERGE = """
bin=$(dirname -- "$4")/.venv/bin;
if [ -x "$bin/python" ]; then exec "$bin/python" -I -m exact_model merge -- "$@"; fi;
if command -v exact >/dev/null; then exec exact merge -- "$@"; fi;
echo "$4 is not merged: abort this, run make env, then do it again" >&2;
exit 1
"""
# What DVC makes in the folder of a remote.
KEPT = ("files", "runs")


def command(script: str, *words: str) -> str:
    """`script`, run with `words`, in a form that a shell and a splitter of words read alike."""
    return shlex.join(["sh", "-c", " ".join(script.split()), "exact", *words])


SETTINGS = {
    "filter.notebook.clean": command(CLEAN.replace("STRIP", STRIP), "%f"),
    "merge.exact.driver": command(MERGE, "%O", "%A", "%B", "%P"),
    "merge.ours.driver": "true",
}


def configure(root: Path) -> None:
    """Write SETTINGS into the configuration of the repository of `root`, where there is one."""
    if not git.git(root, "rev-parse", "--git-dir", check=False, own=False):
        return
    told = git.git(root, "config", "--local", "--null", "--list", own=False).split("\0")
    known = [tuple(one.split("\n", 1)) for one in told]
    for name, value in SETTINGS.items():
        if [found for found in known if found[0] == name] != [(name, value)]:
            git.git(root, "config", "--local", "--replace-all", name, value, own=False)


def stores(root: Path) -> list[Path]:
    """The folders of this machine that the project's configuration names as DVC remotes."""
    from configobj import ConfigObj

    found = []
    for name in ("config", "config.local"):
        sections = ConfigObj(str(root / ".dvc" / name), encoding="utf-8", interpolation=False)
        for section in (one for one in sections.sections if one.startswith("remote ")):
            url = str(sections[section].get("url", "://"))
            if not re.match(r"\w*://", url):
                path = os.path.join(root, ".dvc", os.path.expanduser(url))
                found.append(Path(os.path.normpath(path)))
    return found


def hide_stores(root: Path) -> None:
    """Let git ignore what lies in a store that is inside of a working tree, this one or another.

    Before there is anything, so that no `git add` in between takes data and models along.
    """
    for store in stores(root):
        if any((folder / ".git").exists() for folder in (store, *store.parents)):
            for name in KEPT:
                ignore = store / name / ".gitignore"
                if not ignore.exists():
                    ignore.parent.mkdir(parents=True, exist_ok=True)
                    ignore.write_text("*\n", encoding="utf-8")
