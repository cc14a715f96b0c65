"""`exact run CMD...` is to the environment what `nice` is to priority.

It pins what could move a bit of the model, refuses an environment that the locks do not name, and
becomes the command, so that exit status, signals and output are the command's own.

What it cannot do: Windows has no exec, so there the command is a child whose exit status is passed
on. Masking the C library's FMA code (`x86-64-v2`) works with glibc only. Elsewhere than on Linux on
x86-64 the pins are set all the same, and a line says that the bytes can differ.
"""

import os
import re
import signal
import site
import sys
import time
from collections.abc import Sequence
from pathlib import Path

# The kernel that OpenBLAS and NumPy would choose for this CPU changes the last bits of a fit, so
# one that every CPU of the level has is named instead. NumPy refuses to start on a CPU without it.
CPUS = {
    "x86-64-v3": {"OPENBLAS_CORETYPE": "Haswell", "NPY_ENABLE_CPU_FEATURES": "X86_V3"},
    "x86-64-v2": {
        "OPENBLAS_CORETYPE": "Nehalem",
        "NPY_ENABLE_CPU_FEATURES": "X86_V2",
        "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4",
    },
}
NEEDED_FLAGS = {
    "x86-64-v3": {"avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"},
    "x86-64-v2": {"popcnt", "sse4_1", "sse4_2", "ssse3"},
}
PINS = {
    "PYTHONHASHSEED": "0",
    "PYTHONNOUSERSITE": "1",
    "PYTHONSAFEPATH": "1",
    "PYTHONUTF8": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "SOURCE_DATE_EPOCH": "0",
    "LC_ALL": "C.UTF-8",
    "TZ": "UTC",
}
# A caller's settings of these families would reach into a fit, a prediction or a plot.
DROPPED = re.compile(
    r"(PYTHON|OMP_|GOMP_|KMP_|OPENBLAS|GOTO_|MKL_|BLIS_|VECLIB_|NPY_|NUMPY_|SCIPY_|SKLEARN_|JOBLIB_"
    r"|LOKY_|PANDAS_|NARWHALS_|MATPLOTLIBRC$|GLIBC_TUNABLES$|LD_|DYLD_|LANG|LC_|TZ$)"
)
# Differences named in one message.
MOST_TOLD = 8
LOCKED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)(?: *; *([^\\\n]+?))? *\\?$", re.MULTILINE)
# Read without a YAML parser, whose import alone costs more than half of what `exact run` may.
CPU_LINE = re.compile(r"^exact:(?:[ \t]*(?:#.*)?\n)+[ \t]+cpu:[ \t]*[\"']?([\w-]+)", re.MULTILINE)


# The exit status when the environment is not this commit's (EX_CONFIG of sysexits.h).
WRONG_ENVIRONMENT = 78


class Refused(Exception):
    """The command must not run; the message is one sentence that says what to do."""


class WrongEnvironment(Refused):
    """The environment is another project's, or not what the locks say."""


def project_root(start: Path) -> Path:
    """The nearest folder at or above `start` that holds dvc.yaml and requirements.lock."""
    for folder in (start, *start.parents):
        if (folder / "dvc.yaml").is_file() and (folder / "requirements.lock").is_file():
            return folder
    raise Refused(f"{start} is in no project (no dvc.yaml and requirements.lock here or above)")


def pinned(environ: dict[str, str], cpu: str, root: Path) -> dict[str, str]:
    """`environ` without what could move a bit, and with the pins for `cpu`.

    The code is that of the project at `root`. `EXACT_CPU` tells the command which pins it got, and
    `EXACT_STARTED` when it began (ns since 1970), so that it can see which inputs changed since.
    """
    kept = {name: value for name, value in environ.items() if not DROPPED.match(name)}
    path = os.pathsep.join([str(Path(sys.executable).parent), environ.get("PATH", os.defpath)])
    ours = {"PATH": path, "PYTHONPATH": str(root / "src"), "EXACT_CPU": cpu}
    ours["EXACT_STARTED"] = str(time.time_ns())
    return {**kept, **PINS, **CPUS[cpu], **ours}


def wanted_cpu(params: str) -> str:
    """`exact.cpu` of the text of a params.yaml; `Refused` when it is missing or unknown."""
    found = CPU_LINE.search(params)
    if not found or found[1] not in CPUS:
        named = f"names {found[1]!r}" if found else "is missing"
        raise Refused(f"exact.cpu in params.yaml {named}; set it to one of: {', '.join(CPUS)}")
    return found[1]


def check_cpu(cpu: str, cpuinfo: str) -> None:
    """Refuse a CPU that lacks an instruction set of the level `cpu`.

    `cpuinfo` is the text of Linux's /proc/cpuinfo; without a line of flags nothing is checked.
    """
    flags = re.search(r"^flags\s*:(.*)$", cpuinfo, re.MULTILINE)
    lacking = sorted(NEEDED_FLAGS[cpu] - set(flags[1].split())) if flags else []
    if lacking:
        older = "; set exact.cpu to x86-64-v2" if cpu == "x86-64-v3" else ""
        raise Refused(f"this CPU is older than {cpu} (it lacks {', '.join(lacking)}){older}")


def installed(folders: list[str]) -> dict[str, str]:
    """Name (normalized) to version of every distribution in the site-packages `folders`.

    The names of the .dist-info folders are the standard's own record of both, and listing them is
    ten times faster than importing importlib.metadata.
    """
    versions = {}
    for folder in filter(os.path.isdir, folders):
        for entry in os.listdir(folder):
            if entry.endswith(".dist-info"):
                name, _, version = entry.removesuffix(".dist-info").partition("-")
                versions[normalized(name)] = version
    return versions


def normalized(name: str) -> str:
    """A distribution's name in the form in which two names of the same one are equal (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def applies(marker: str | None) -> bool:
    """Whether a lock's line with this environment marker is meant for this interpreter."""
    if not marker:
        return True
    # The usual ones, without an import that would take as long as all else that `exact run` does.
    known = [re.fullmatch(r"sys_platform == '(\w+)'", part) for part in marker.split(" or ")]
    if all(known):
        return sys.platform in {part[1] for part in known}
    try:
        from packaging.markers import Marker  # Rarely needed, so not imported every time.
    except ImportError:
        return False  # The lock names it for every machine, so that it is missing is told anyway.
    return Marker(marker).evaluate()


def unnamed(root: Path, versions: dict[str, str]) -> list[str]:
    """The installed distributions that no lock of the project at `root` names."""
    known = {
        normalized(found[0])
        for lock in root.glob("requirements*.lock")
        for found in LOCKED.findall(lock.read_text(encoding="utf-8"))
    }
    return [
        f"{name} {versions[name]} is installed but no lock names it"
        for name in sorted({*versions} - known)
    ]


def differences(root: Path, locks: Sequence[str]) -> list[str]:
    """What in this environment is not as .python-version and the `locks` of `root` say."""
    versions = installed(site.getsitepackages())
    wanted = (root / ".python-version").read_text(encoding="utf-8").strip()
    running = "{}.{}".format(*sys.version_info)
    found = []
    if running != ".".join(wanted.split(".")[:2]):
        found.append(f"Python is {running} but .python-version names {wanted}")
    for lock in locks:
        for name, version, marker in LOCKED.findall((root / lock).read_text(encoding="utf-8")):
            have = versions.get(normalized(name))
            if have != version and applies(marker):
                state = f"is {have}" if have else "is not installed"
                found.append(f"{name} {state} but {lock} names {version}")
    return found + unnamed(root, versions)


def refuse(found: list[str]) -> None:
    """Refuse this environment when anything is in the list of what is wrong with it."""
    if found:
        more = [f"and {len(found) - MOST_TOLD} more"] if len(found) > MOST_TOLD else []
        raise WrongEnvironment("; ".join([*found[:MOST_TOLD], *more, "run `make env`"]))


def check(root: Path) -> str:
    """Refuse an environment that is not this commit's; return the CPU level to pin."""
    refuse(differences(root, ["requirements.lock"]))
    cpu = wanted_cpu((root / "params.yaml").read_text(encoding="utf-8-sig"))
    if sys.platform == "linux":
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as cpuinfo:
            check_cpu(cpu, cpuinfo.read(8192))
    return cpu


def become(command: list[str], environ: dict[str, str]) -> int:
    """Replace this process by `command`; where there is no exec, run it and return its status."""
    os.umask(0o022)
    # Python ignores these two at its start, and a command would inherit that.
    for name in ("SIGPIPE", "SIGXFSZ"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        if os.name == "nt":
            import subprocess

            return subprocess.call(command, env=environ)
        os.execvpe(command[0], command, environ)
    except FileNotFoundError:
        print(f"exact: there is no command {command[0]!r} on PATH", file=sys.stderr)
        return 127
    except OSError as error:
        print(f"exact: {command[0]!r} cannot be run: {error.strerror}", file=sys.stderr)
        return 126


def main(command: list[str]) -> int:
    """Check, pin and become `command`; returns only when that failed.

    The status is 78 for another environment, 1 for any other refusal, 2, 126 or 127.
    """
    if command[:1] == ["--"]:
        command = command[1:]
    if not command or command[0].startswith("-"):
        print("usage: exact run CMD...", file=sys.stderr)
        return 2
    try:
        root = project_root(Path.cwd())
        cpu = check(root)
    except (Refused, OSError, UnicodeDecodeError) as error:
        print(f"exact: {error}", file=sys.stderr)
        return WRONG_ENVIRONMENT if isinstance(error, WrongEnvironment) else 1
    machine = os.uname().machine if hasattr(os, "uname") else os.environ["PROCESSOR_ARCHITECTURE"]
    if sys.platform != "linux" or machine != "x86_64":
        here = f"{sys.platform} on {machine}"
        note = f"on {here} the model's bytes can differ from those of Linux on x86-64"
        print(f"exact: {note}", file=sys.stderr)
    return become(command, pinned(dict(os.environ), cpu, root))
