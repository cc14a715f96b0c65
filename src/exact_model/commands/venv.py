"""`exact venv`: whether .venv is whole, is what the locks name, and lies where it was made.

make asks this first, and makes .venv anew unless the answer is that it is whole: whatever else
comes back, or nothing at all, is a reason to. `exact venv --finish` ends what uv has made.
"""

import argparse
import os
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from exact_model.errors import WrongEnvironment
from exact_model.packages import LOCKS, differences, project_root, refuse

NOTEBOOK_LOCK = "requirements-notebook.lock"
# DVC's own site cache is shared by all users of the machine, and it unpickles what it finds there
# (DVC writes no path into its configuration that is not ASCII). The project's code is not named:
# what judges it must not import it.
SITE_CACHE = (
    "import os, sys; os.environ['DVC_SITE_CACHE_DIR'] = "
    "os.path.join(os.path.dirname(sys.prefix), '.dvc', 'tmp', 'site')\n"
)


def ours(environment: Path) -> dict[Path, str]:
    """The files that the environment has beside its packages, and what they hold."""
    packages = Path(sysconfig.get_path("purelib"))
    return {
        packages / "exact.pth": SITE_CACHE,
        # Scripts of packages name their interpreter by this path. Older releases compare it, too.
        environment / ".made": f"{environment.parent}\n",
    }


def finish() -> None:
    """Complete a new environment: with the place of DVC's site cache, and with its own place."""
    for path, text in ours(Path(sys.prefix).resolve()).items():
        path.write_bytes(os.fsencode(text))


def incomplete(packages: Path) -> Iterator[str]:
    """The files that are missing, or not as long as their package's RECORD says (PEP 376)."""
    for record in sorted(packages.glob("*.dist-info/RECORD")):
        for line in record.read_text(encoding="utf-8").splitlines():
            # What has no size there, such as the RECORD itself, may change.
            name, _, size = line.rsplit(",", 2)
            name = name.strip('"').replace('""', '"')
            try:
                if size and os.stat(f"{packages}/{name}").st_size != int(size):
                    yield name
            except OSError:
                yield name


def check(root: Path, environment: Path) -> None:
    """Refuse an environment in which something is missing or other than the locks say."""
    files = ours(environment).items()
    refuse([f"{path} is changed" for path, text in files if path.read_bytes() != os.fsencode(text)])
    # The notebook's packages are there when `make lab` was called.
    locks = [*LOCKS, NOTEBOOK_LOCK] if (environment / ".notebook").exists() else LOCKS
    refuse(differences(root, [name for name in locks if (root / name).exists()]))
    refuse([f"{name} is damaged" for name in incomplete(Path(sysconfig.get_path("purelib")))])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--finish", action="store_true", help="complete what uv has made, first")


def main(arguments: argparse.Namespace) -> int:
    """Say `whole`, or why it is not (status 78)."""
    if arguments.finish:
        finish()
    try:
        check(project_root(Path.cwd()).resolve(), Path(sys.prefix).resolve())
    except ValueError as error:
        raise WrongEnvironment(
            f"its files cannot be understood ({error}); run `make env`"
        ) from error
    print("whole")
    return 0
