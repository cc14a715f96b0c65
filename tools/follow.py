"""Follow a README to the letter: run the `$ ` lines of its `console` blocks in order, in one shell.

    python tools/follow.py README.md [FOLDER]

The shell starts in FOLDER (else the README's own) as on a new machine: an empty home, a git that
knows nobody, no environment active. Each line is run as it is printed, with nobody at the keyboard.
The exit status is 0 when all lines succeed; each that fails is shown with what it printed.
"""

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

# Lines that are not run, and why.
NEWER = "it needs a template that has changed since; tests/template/test_update.py makes one"
NOT_RUN = {
    "make test": "it is the whole test suite, of which following the READMEs is a part",
    "make update": NEWER,
    "make update && make env && make": NEWER,
    "uvx --from git+https://example.org/cookiecutter-exact-model.git exact update": NEWER,
}
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"\s+# .*")
# What a new machine has: where programs and packages come from, and no setting of the caller's.
KEPT = re.compile(
    r"(PATH|LANG|TMPDIR|.*_proxy|.*_PROXY|SSL_.*|.*_CA_BUNDLE|(UV|PIP)_(?!USER|REQUIRE)\w+)$"
)


def commands(text: str) -> list[str]:
    """The lines of the console blocks that a reader would type."""
    lines = [line for block in BLOCK.findall(text) for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def skipped(command: str) -> str | None:
    """Why a command is not run; None for one that is."""
    return NOT_RUN.get(COMMENT.sub("", command))


def new_machine(home: Path) -> dict[str, str]:
    """The variables of a machine that nobody has used yet, with nothing in the folder `home`."""
    # Whatever the machine is called, git must not take its name for an address.
    (home / ".gitconfig").write_text("[user]\n\tuseConfigOnly = true\n", encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if KEPT.match(name)}
    inherited = [p for p in kept["PATH"].split(os.pathsep) if not Path(p, "activate").exists()]
    # A Python that is installed, not that of an environment.
    kept["PATH"] = os.pathsep.join([f"{sys.base_prefix}/bin", *inherited])
    return {**kept, "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}


def follow(lines: list[str], folder: Path, home: Path) -> list[tuple[str, int, str]]:
    """Command, exit status and output of each of `lines`, run in one shell in `folder`."""
    results = home / "results"
    results.mkdir()
    script = [f'exec >"{results}/0" 2>&1']
    for number, line in enumerate(lines):
        script += [f'exec >"{results}/{number}" 2>&1', line, f'echo "$?" >"{results}/{number}.rc"']
    subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=folder,
        env=new_machine(home),
        stdin=subprocess.DEVNULL,
    )
    found = []
    for number, line in enumerate(lines):
        # A line that ends the shell, or breaks its syntax, leaves none for those that follow.
        status = results / f"{number}.rc"
        output = results / str(number)
        text = output.read_text(encoding="utf-8", errors="replace") if output.exists() else ""
        found.append((line, int(status.read_text()) if status.exists() else -1, text))
    return found


def main(words: list[str]) -> int:
    """Follow the README; 0 when every line that was run succeeded, 1 otherwise."""
    readme = Path(words[0]).resolve()
    folder = Path(words[1]) if len(words) > 1 else readme.parent
    lines = commands(readme.read_text(encoding="utf-8"))
    run = [line for line in lines if skipped(line) is None]
    for line in lines:
        if why := skipped(line):
            print(f"not run  {line}\n         ({why})")
    with tempfile.TemporaryDirectory(prefix="home-") as home:
        found = follow(run, folder, Path(home))
    for line, status, output in found:
        print(f"{'ok' if status == 0 else status!s:8} {line}")
        if status:
            print("\n".join(f"         | {text}" for text in output.splitlines()[-25:]))
    failing = sum(status != 0 for _, status, _ in found)
    print(f"{len(found)} commands run, {failing} failing, {len(lines) - len(found)} not run")
    return int(failing > 0 or not found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
