"""Commits whose dvc.lock names a model that their stages do not make, and how each tries to pass.

Each is a function that changes the files of a checked-out project. The wrong md5 is put into
dvc.lock by the caller; a function changes what else it needs. `honest` ones stand beside them.
"""

import hashlib
import re
import zipfile
from io import BytesIO
from pathlib import Path

import yaml

# What dvc.lock is made to say of the model.
FALSE = "0" * 29 + "bad"
MODEL, METRICS = "models/model.json", "reports/metrics.json"
# Packages that a project needs for `exact run` and DVC; the others take minutes.
PACKAGES = {"numpy", "packaging", "python-dateutil", "ruamel-yaml", "six"}

TRAIN = """
import json
from pathlib import Path

rows = Path("data/raw/requests.jsonl").read_text(encoding="utf-8").count("\\n")
Path("models").mkdir(exist_ok=True)
Path("models/model.json").write_text(json.dumps({"rows": rows}))
"""
REPORT = """
import json
from pathlib import Path

model = json.loads(Path("models/model.json").read_text())
Path("reports").mkdir(exist_ok=True)
Path("reports/metrics.json").write_text(json.dumps({"digits": len(str(model["rows"]))}))
"""
RUN = "src/exact/run.py"
PIPELINE = f"""
stages:
  train:
    cmd: exact run python -m altruism.train
    deps: [data/raw/requests.jsonl, {RUN}, src/altruism/train.py, requirements.lock]
    params: [exact]
    outs:
      - models/model.json: {{persist: true}}
  report:
    cmd: exact run python -m altruism.report
    deps: [models/model.json, {RUN}, src/altruism/report.py, requirements.lock]
    metrics:
      - reports/metrics.json: {{cache: false, persist: true}}
artifacts:
  altruism: {{path: models/model.json, type: model}}
"""


def small(project) -> None:
    """Replace the stages of a new project by two that take no time, and its packages by few."""
    blocks = re.split(r"\n(?=\S)", project.read("requirements.lock").strip())
    kept = [block for block in blocks if block.partition("==")[0] in PACKAGES]
    assert len(kept) == len(PACKAGES)
    project.write("requirements.lock", "\n".join(kept) + "\n")
    for name, text in (("train", TRAIN), ("report", REPORT)):
        project.write(f"src/altruism/{name}.py", text)
    project.write("dvc.yaml", PIPELINE)
    project.write(".gitignore", project.read(".gitignore") + "/models/model.json\n")


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def relock(project) -> None:
    """Let dvc.lock name the commands, files and parameters as they are here, whatever was run."""
    lock, pipeline = (
        yaml.safe_load(project.read("dvc.lock")),
        yaml.safe_load(project.read("dvc.yaml")),
    )
    for name, stage in lock["stages"].items():
        stage["cmd"] = pipeline["stages"][name]["cmd"]
        for dep in stage["deps"]:
            if dep["path"] != MODEL:
                dep["md5"] = md5((project.root / dep["path"]).read_bytes())
    project.write("dvc.lock", yaml.safe_dump(lock, sort_keys=False))


def falsify(project) -> None:
    """Put the wrong md5 of the model into dvc.lock, wherever it stands there."""
    lock = project.read("dvc.lock")
    true = next(
        out["md5"]
        for out in yaml.safe_load(lock)["stages"]["train"]["outs"]
        if out["path"] == MODEL
    )
    assert true != FALSE
    project.write("dvc.lock", lock.replace(true, FALSE))


def append(name: str, text: str):
    """A change that puts `text` at the end of the file `name`, which may be new."""

    def change(project) -> None:
        path = project.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((path.read_text(encoding="utf-8") if path.exists() else "") + text)

    return change


def change_all(*changes):
    return lambda project: [change(project) for change in changes]


# -- the tool's wheel


def wheel_of(project) -> Path:
    (wheel,) = (project.root / "vendor").glob("exact_model-*.whl")
    return wheel


def repacked(wheel: Path, name: str, old: str, new: str) -> bytes:
    """The bytes of a wheel with `old` replaced in its file `name`."""
    from exact_model.tool import pack, unpack

    members = unpack(wheel.read_bytes())
    text = members[name].decode()
    assert text.count(old) == 1
    members[name] = text.replace(old, new).encode()
    return pack(members)


def forged_wheel(project) -> None:
    wheel = wheel_of(project)
    old, new = "    return max(found, key=VERDICTS.index)", "    return IDENTICAL"
    content = repacked(wheel, "exact_model/reports.py", f"    {old}", f"    {new}")
    assert content != wheel.read_bytes()
    wheel.write_bytes(content)


def lock_wheel(project) -> None:
    """Let the lock name the wheel that lies in vendor/."""
    found = hashlib.sha256(wheel_of(project).read_bytes()).hexdigest()
    lock = project.read("requirements-dev.lock")
    changed = re.sub(r"(exact-model==.*\n +--hash=sha256:)[0-9a-f]+", rf"\g<1>{found}", lock)
    assert changed != lock
    project.write("requirements-dev.lock", changed)


def forged_hash(project) -> None:
    """The lock names a wheel that is not the one in vendor/."""
    lock = project.read("requirements-dev.lock")
    changed = re.sub(r"(exact-model==.*\n +--hash=sha256:)[0-9a-f]+", r"\g<1>" + "ab" * 32, lock)
    project.write("requirements-dev.lock", changed)


def another_wheel(project) -> None:
    """A second wheel, of a newer version, beside the one that the lock names."""
    wheel = wheel_of(project)
    wheel.with_name("Exact.Model-9.9.9-py3-none-any.whl").write_bytes(b"not the lock's")


def upgraded_wheel(project) -> None:
    """An honest new version of the tool, and nothing else."""
    wheel = wheel_of(project)
    text = "class Refused(Exception):"
    wheel.write_bytes(repacked(wheel, "exact_model/errors.py", text, f"# Newer.\n{text}"))
    lock_wheel(project)


def upgraded_by_name(project) -> None:
    """The same for a wheel with a newer version in its name."""
    wheel = wheel_of(project)
    with zipfile.ZipFile(BytesIO(wheel.read_bytes())) as opened:
        version = wheel.name.split("-")[1]
        members = {
            name.replace(f"exact_model-{version}", "exact_model-9.9.9"): opened.read(name)
            for name in opened.namelist()
        }
    from exact_model.tool import pack

    wheel.unlink()
    (project.root / "vendor/exact_model-9.9.9-py3-none-any.whl").write_bytes(pack(members))
    lock = project.read("requirements-dev.lock")
    project.write(
        "requirements-dev.lock", lock.replace(f"exact-model=={version}", "exact-model==9.9.9")
    )
    lock_wheel(project)


# -- what runs in the rebuild

# Put behind the imports of run.py, whose last line is `return become(...)`: it runs in each stage.
LOCK_WRITER = f"""

def _forge():
    import re
    from pathlib import Path
    lock = Path("dvc.lock")
    if lock.exists():
        text = lock.read_text()
        found = re.search(r"model.json\\n +hash: md5\\n +md5: (\\w+)", text)[1]
        lock.write_text(text.replace(found, "{FALSE}"))


_forge()
"""
LOCK_CUTTER = """

def _forge():
    import re
    from pathlib import Path
    lock = Path("dvc.lock")
    if lock.exists():
        lock.write_text(re.sub(r"\\n  train:\\n(    .*\\n)*", " {}\\n", lock.read_text()))


_forge()
"""
DAEMON = f"""

def _forge():
    import contextlib, os, re, time
    from pathlib import Path
    if os.fork():
        return
    os.setsid()
    for number in range(3):
        os.close(number)
    lock = Path("dvc.lock")
    place = r"(model.json\\n +hash: md5\\n +md5: )\\w+"
    for _ in range(3000):
        with contextlib.suppress(OSError):
            text = lock.read_text()
            if "{FALSE}" not in text:
                lock.write_text(re.sub(place, r"\\g<1>{FALSE}", text))
        if not Path("dvc.yaml").exists():
            os._exit(0)
        time.sleep(0.01)
    os._exit(0)


_forge()
"""
PRINTER = f"""

def _forge():
    from pathlib import Path
    print("identical (2 of 2 outputs identical)")
    print("Running stage 'report':")
    for cache in (".dvc/cache", "../../../../../cache"):
        place = Path(cache, "files/md5/{FALSE[:2]}")
        place.mkdir(parents=True, exist_ok=True)
        (place / "{FALSE[2:]}").write_text("what a model could be")


_forge()
"""
# DVC looks hashes up in a database, by a file's name, size and time of change.
STATE = f"""
from dvc.repo import Repo
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.meta import Meta

with Repo() as repo:
    from dvc.fs import LocalFileSystem
    path = str(Path("models/model.json").resolve())
    repo.state.save(path, LocalFileSystem(), HashInfo("md5", "{FALSE}"))
"""
# In whichever process it comes to run: the judge's verdict, and a file that tells of it.
TAMPER = """
import contextlib, os, sys
if "exact_model" in " ".join(sys.orig_argv) and "verify" in sys.orig_argv:
    open(os.path.join(os.environ["FORGERY_SEEN"], __name__), "w").close()
    with contextlib.suppress(ImportError):
        from exact_model import reports
        reports.Report.verdict = "identical"
"""
PTH = "import os; exec(open(os.path.join(os.getcwd(), 'src/tamper.py')).read())\n"


def before_main(text: str):
    """Put `text` into run.py where it is imported."""

    def change(project) -> None:
        project.replace(RUN, "\ndef become(", f"{text}\n\ndef become(")

    return change


def without_run(project) -> None:
    """The stages are run by Python itself, of another folder's code."""
    project.write("dvc.yaml", project.read("dvc.yaml").replace("exact run python", "python"))


def without_locks(project) -> None:
    """Nothing says what the environment is, so that the stages run in that of the judge."""
    wheel_of(project).unlink()
    for name in ("requirements.lock", "requirements-dev.lock", ".python-version"):
        (project.root / name).unlink()
    for name in ("dvc.yaml", "dvc.lock"):
        content = yaml.safe_load(project.read(name))
        for stage in content["stages"].values():
            stage["cmd"] = stage["cmd"].replace("exact run", "PYTHONPATH=src")
            paths = [dep["path"] if isinstance(dep, dict) else dep for dep in stage["deps"]]
            pairs = zip(paths, stage["deps"], strict=True)
            stage["deps"] = [dep for path, dep in pairs if path != "requirements.lock"]
        project.write(name, yaml.safe_dump(content, sort_keys=False))


def settings_of_dvc(project) -> None:
    """Settings that name programs, code and databases; nobody may take them from a commit."""
    evil = """
[hydra]
    enabled = true
    plugins_path = src
['remote "evil"']
    url = webdavs://127.0.0.1:9/
    bearer_token_command = touch "$FORGERY_SEEN/token"
"""
    append(".dvc/config", evil)(project)
    project.write(
        ".dvc/config",
        project.read(".dvc/config").replace(
            "[core]\n", "[core]\n    site_cache_dir = ../src/site\n"
        ),
    )
    raw = "data/raw/requests.jsonl.dvc"
    project.write(raw, project.read(raw).replace("  path:", "  remote: evil\n  path:"))
    append("src/site/cache.db", "not a database")(project)
    append(".dvc/tmp/site/x", "x")(project)
    append(".dvc/config.local", "[core]\n    no_scm = true\n")(project)


def filters(project) -> None:
    append(".gitattributes", "* filter=evil\ndvc.lock filter=evil merge=evil\n")(project)
    append(".gitmodules", '[submodule "x"]\n\tpath = x\n\turl = ext::touch x\n')(project)
    append(".lfsconfig", "[lfs]\n\turl = ext::touch x\n")(project)


def old_layout(project) -> None:
    """As before the tool was a wheel: it lies in the project, and says what it likes."""
    wheel_of(project).unlink()
    lock = project.read("requirements-dev.lock")
    project.write("requirements-dev.lock", re.sub(r"exact-model==.*\n(?:[ \t]+.*\n)*", "", lock))
    for name in ("cli", "judge", "verify"):
        append(f"src/exact/{name}.py", "print('identical (2 of 2)')\nmain = lambda *_: 0\n")(
            project
        )


WORKFLOW = """
name: CI
on: [push, pull_request]
jobs:
  verify:
    runs-on: ubuntu-24.04
    steps:
      - run: echo identical
"""
MAKEFILE = """
.DEFAULT_GOAL := env
env verify:
\t@echo 'identical (2 of 2 outputs identical)'
"""

FORGED = {
    "nothing but the md5": lambda project: None,
    "the wheel and its lock line": change_all(forged_wheel, lock_wheel),
    "the wheel alone": forged_wheel,
    "the lock line alone": forged_hash,
    "a second wheel": another_wheel,
    "run.py writes dvc.lock": before_main(LOCK_WRITER),
    "run.py takes a stage out of dvc.lock": before_main(LOCK_CUTTER),
    "run.py leaves a process that writes dvc.lock": before_main(DAEMON),
    "run.py prints a verdict and fills the cache": before_main(PRINTER),
    "a stage writes into DVC's database": append("src/altruism/train.py", STATE),
    "a .pth": change_all(
        append("src/x.pth", PTH), append("x.pth", PTH), append("src/tamper.py", TAMPER)
    ),
    "sitecustomize": change_all(
        append("src/sitecustomize.py", TAMPER), append("sitecustomize.py", TAMPER)
    ),
    "usercustomize": change_all(
        append("src/usercustomize.py", TAMPER), append("usercustomize.py", TAMPER)
    ),
    "packages with the tool's and DVC's names": change_all(
        append("exact_model/__init__.py", TAMPER),
        append("src/exact_model/__init__.py", TAMPER),
        append("dvc/__init__.py", TAMPER),
        append("json.py", TAMPER),
    ),
    "the Makefile": append("Makefile", MAKEFILE),
    "the CI files": change_all(
        lambda project: project.write(".github/workflows/ci.yml", WORKFLOW),
        append(".gitlab-ci.yml", "verify:\n  script: [echo identical]\n"),
    ),
    "settings of DVC": settings_of_dvc,
    "attributes, filters and submodules of git": filters,
    "stages without exact run": without_run,
    "a judge of the old layout": old_layout,
    "no locks": without_locks,
}
HONEST = {
    "nothing": append("README.md", "\nA word.\n"),
    "the tool is upgraded": upgraded_wheel,
    "the tool is upgraded to another version": upgraded_by_name,
    "a comment in run.py": append(RUN, "\n# A remark.\n"),
    "the Makefile": append("Makefile", "\n# A remark.\n"),
    "the CI file": lambda project: project.write(".github/workflows/ci.yml", WORKFLOW),
}
