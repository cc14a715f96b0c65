"""Note which files a stage reads, so that `exact verify` can tell those that are not in its deps.

Not imported: a line in the environment that `exact verify` makes runs this file when Python starts.
It sees what Python opens, not what a library opens by itself in C.
"""

import os
import sys


def begin(stage: str, log: int) -> None:
    """Write `stage` and the path of each file read from now on to the open file `log`."""
    folders = {sys.prefix, sys.base_prefix, os.path.realpath(sys.prefix), "/lib", "/lib64"}
    # Where matplotlib keeps a list of the fonts that it has found.
    folders.add(os.environ["MPLCONFIGDIR"])
    system = ("/usr/", "/etc/", "/proc/", "/sys/", "/dev/", os.environ["EXACT_TRACE"])
    skipped = (*(folder.rstrip("/") + "/" for folder in folders), *system)
    seen = set()

    def hook(event: str, arguments: tuple) -> None:
        if event != "open" or not isinstance(arguments[0], str | bytes):
            return
        path = os.path.abspath(os.fsdecode(arguments[0]))
        writes = arguments[2] & (os.O_WRONLY | os.O_RDWR) == os.O_WRONLY
        if path not in seen and not writes and not path.startswith(skipped):
            seen.add(path)
            os.write(log, os.fsencode(f"{stage}\t{path}\n"))

    sys.addaudithook(hook)


# `exact run` itself reads params.yaml and the locks, whatever the stage does.
OWN = {"exact_model", "/opt/venv/bin/exact"}
LAUNCHER = "import sys; from exact."
# No function and no `for` inside of brackets: what runs this line of a .pth gives them no names.
if (
    "DVC_STAGE" in os.environ
    and not OWN.intersection(sys.orig_argv)
    and LAUNCHER not in "\0".join(sys.orig_argv)
):
    begin(
        os.environ["DVC_STAGE"],
        os.open(os.environ["EXACT_TRACE_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT),
    )
