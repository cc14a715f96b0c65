"""What `exact vary` can change around a rebuild, and what this machine cannot."""

import glob
import os
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from exact_model.processes import ROOM

SHELL = ("sh", "-c")
# What `exact run` of a project sets (PINS of its src/exact/run.py) of the variables varied here.
USUAL = {
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
}
STRANGER = "12345"


@dataclass(frozen=True)
class Variation:
    """What is changed around a rebuild: words in front of its command, variables, its folder."""

    name: str
    what: str
    before: tuple[str, ...] = ()
    environ: dict[str, str] = field(default_factory=dict)
    # Below the place of the rebuild, or in another file system.
    folder: str = ""
    load: bool = False
    # A variation that would undo this one in the same build.
    unlike: str = ""


def variations() -> list[Variation]:
    """All that this machine may be able to do; `obstacle` tells whether it is."""
    one_core = str(min(os.sched_getaffinity(0)))
    two = {f"{name}_NUM_THREADS": "2" for name in ("OMP", "OPENBLAS", "MKL")}
    simd = {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4"}
    simd["GLIBC_TUNABLES"] = "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F"
    # Not in the letters of the caller's locale, which may have others.
    deeper = os.fsdecode("a longer/and/deeper/földer".encode())
    fixed = ("setarch", "--addr-no-randomize")
    stranger = ("unshare", "--user", f"--map-user={STRANGER}")
    own = ("--map-root-user",) if os.getuid() == 0 else ("--map-current-user", "--keep-caps")
    uts = ("unshare", "--user", *own, "--uts", *SHELL, 'hostname varied && exec "$@"')
    return [
        Variation("hash-seed", "PYTHONHASHSEED=12345", environ={"PYTHONHASHSEED": "12345"}),
        Variation("threads", "two threads asked for by the caller", environ=two, unlike="cores"),
        Variation("cores", "one core", ("taskset", "--cpu-list", one_core)),
        Variation("time-zone", "Asia/Kathmandu", environ={"TZ": "Asia/Kathmandu"}),
        Variation("day", "the clock a day ahead", environ=clock("+1d")),
        Variation("year", "the clock a year ahead", environ=clock("+400d")),
        Variation("locale", other_locale(), environ={"LC_ALL": other_locale(), "LANGUAGE": "et"}),
        Variation("umask", "077", (*SHELL, 'umask 077; exec "$@"', "sh")),
        Variation("home", "an empty folder", environ={"HOME": "{place}/home"}),
        Variation("host-name", "varied", (*uts, "sh")),
        # Inside of the one before, which needs another id.
        Variation("user", f"uid {STRANGER}, without a name", stranger),
        Variation("path", "a longer and deeper folder", folder=deeper),
        Variation("environment", "100 kB more of it", environ={"VARIED": "x" * 100_000}),
        Variation("file-order", "folders filled backwards, in memory", folder="/dev/shm"),
        Variation("aslr", "memory addresses not randomized", fixed, unlike="kernel"),
        Variation("blas", "another kernel asked for", environ={"OPENBLAS_CORETYPE": "Nehalem"}),
        Variation("simd", "AVX2, FMA and AVX-512 masked", environ=simd),
        Variation("load", "the other cores busy", load=True),
        Variation("kernel", "personality of Linux 2.6", ("setarch", "--uname-2.6")),
    ]


def clock(offset: str) -> dict[str, str]:
    """The variables that let programs see another time; none where there is no libfaketime."""
    found = glob.glob("/usr/lib*/faketime/libfaketimeMT.so.1")
    found += glob.glob("/usr/lib*/*/faketime/libfaketimeMT.so.1")
    ours = {"FAKETIME": offset, "NO_FAKE_STAT": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    return {"LD_PRELOAD": found[0], **ours} if found else {}


def other_locale() -> str:
    """A locale of this machine with other letters and number signs than English, if it has one."""
    try:
        done = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "POSIX"
    known = [name for name in done.stdout.split() if name.startswith(("et_EE", "tr_TR", "de_DE"))]
    return known[0] if known else "POSIX"


def obstacle(variation: Variation, root: Path) -> str | None:
    """Why this machine cannot make the variation; None when it can."""
    if variation.name in ("day", "year") and not variation.environ:
        return "there is no libfaketime (Debian's package faketime)"
    if variation.name == "time-zone" and not Path("/usr/share/zoneinfo", variation.what).exists():
        return "there are no time zones (Debian's package tzdata)"
    if (variation.load or variation.name == "cores") and len(os.sched_getaffinity(0)) < 2:
        return "there is one core only"
    if variation.folder.startswith("/"):
        return same_order(root / ROOM, variation.folder)
    if variation.before:
        try:
            command = [*variation.before, "true"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return f"there is no command {variation.before[0]!r}"
        if done.returncode:
            return done.stderr.strip().partition("\n")[0] or "its command fails"
    return None


def same_order(usual: Path, folder: str) -> str | None:
    """Why folders are not listed in another order in `folder` than in the `usual` one."""
    listed = []
    usual.mkdir(parents=True, exist_ok=True)
    try:
        for place, names in ((usual, range(16)), (folder, range(15, -1, -1))):
            with tempfile.TemporaryDirectory(dir=place, prefix="exact-") as made:
                for name in names:
                    Path(made, f"{name:x}").touch()
                listed.append(os.listdir(made))
    except OSError as error:
        return f"{folder} cannot be written to ({error.strerror})"
    return f"folders are listed in the same order in {folder}" if listed[0] == listed[1] else None


def usual_values() -> dict[str, str]:
    """What the variables that are varied and pinned are where they are not varied.

    So that a caller who has set one of them, or left it to chance, does not hide what it changes.
    """
    varied = {name for one in variations() for name in one.environ}
    return {name: USUAL[name] for name in varied & USUAL.keys()}
