"""The project in containers: the same bytes inside and outside, and one image for each version.

`.ci/docker` starts an engine and makes a stand-in for the base image where none can be pulled.
"""

import contextlib
import hashlib
import http.server
import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import pytest
import websocket
from projects import OBSCURE, Project
from test_exactness import STRANGER, estimators, golden, strangers_python
from test_history import older_joblib
from test_remotes import free_port, running

BASE = "python:3.11-slim-bookworm"
# The stand-in has no digest, and its package index may be on this machine's own network.
OPTIONS = ["--base", BASE, "--network", "host"]
REGISTRY = shutil.which("docker-registry")
MODEL = "models/model.joblib"
MOST_ABOVE_BASE = 450_000_000


def answers() -> bool:
    """Whether an engine is there that has the base image."""
    try:
        known = subprocess.run(["docker", "image", "inspect", BASE], capture_output=True)
    except FileNotFoundError:
        return False
    return known.returncode == 0


pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]


@pytest.fixture(scope="module")
def engine():
    if not answers():
        pytest.skip(f"no Docker engine has {BASE} (.ci/docker makes both)")


def docker(*words, **more) -> str:
    done = subprocess.run(["docker", *map(str, words)], capture_output=True, text=True, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.strip()


def inspected(image: str) -> dict:
    return json.loads(docker("image", "inspect", image))[0]


def predicted(image: str, rows: str) -> list[str]:
    """The answers of an image: no network, no volume, nothing to write, a user nobody knows."""
    words = [
        "run",
        "--rm",
        "--interactive",
        "--network",
        "none",
        "--read-only",
        "--user",
        "4242:4242",
    ]
    return docker(*words, image, input=rows).splitlines()


def outside(project, rows: str, tmp_path) -> list[str]:
    (tmp_path / "rows.jsonl").write_text(rows)
    words = ["exact", "run", "python", "-m", "altruism.predict", tmp_path / "rows.jsonl"]
    return project.run(*words).stdout.splitlines()


@pytest.fixture(scope="module")
def rows(built) -> str:
    return "".join(built.read("data/raw/requests.jsonl").splitlines(keepends=True)[:40])


# What must not get into an image: some of it committed against all rules, some of it lying there.
SECRETS = ("src/altruism/.env", "src/altruism/id.pem", "src/.netrc", ".env", "data/raw/key")


@pytest.fixture(scope="module")
def released(engine, built, tmp_path_factory) -> Project:
    """Two releases, between which a parameter and a dependency's version change; both images."""
    project = built.copy(tmp_path_factory.mktemp("images") / "altruism")
    project.run("git", "remote", "add", "backup", "https://example.org/backup.git")
    project.run(
        "git", "remote", "add", "origin", "https://user:secret@example.org/altruism.git?t=x"
    )
    for name in SECRETS:
        project.write(name, "secret")
    project.run("git", "add", "--force", *SECRETS[:3])
    project.run("git", "commit", "--quiet", "--message", "Leak")
    for version in ("v1.0.0", "v1.0.1+b.1"):
        project.run("git", "tag", "--annotate", "--message", "x", f"altruism@{version}")
    project.replace("params.yaml", "estimator: logistic_regression ", "estimator: complement_nb ")
    older_joblib(project)
    project.run("make")
    project.commit("Second")
    project.run("git", "tag", "--annotate", "--message", "x", "altruism@v2.0.0")
    for tag in ("altruism@v2.0.0", "altruism@v1.0.0"):
        project.run("exact", "image", tag, *OPTIONS)
    return project


# -- an image for each version


def test_each_version_scores_as_its_own_model_did(released, rows, tmp_path):
    told = {}
    for number in (2, 1):
        released.run("git", "checkout", "--quiet", f"altruism@v{number}.0.0")
        released.run("dvc", "checkout", "--quiet")
        released.run("make", "env")
        told[number] = outside(released, rows, tmp_path)
        assert predicted(f"altruism:v{number}.0.0", rows) == told[number]
    assert told[1] != told[2] and len(told[1]) == 40
    released.run("git", "checkout", "--quiet", "-")
    released.run("dvc", "checkout", "--quiet")
    released.run("make", "env")


def test_labels_say_where_it_comes_from(released):
    labels = inspected("altruism:v1.0.0")["Config"]["Labels"]
    # The same commit under another version.
    told = released.run("exact", "image", "v1.0.1+b.1", *OPTIONS).stdout
    assert told.startswith("altruism:v1.0.1_b.1 is the image of commit ")
    commit = released.run("git", "rev-parse", "altruism@v1.0.0^{commit}").stdout.strip()
    date = released.run("git", "log", "-1", "--format=%cI", commit).stdout.strip()
    standard = {name.rpartition(".")[2]: text for name, text in labels.items() if "image" in name}
    assert standard == {
        "title": "altruism",
        "version": "v1.0.0",
        "revision": commit,
        "created": date,
        "source": "https://example.org/altruism.git",
        "licenses": "MIT",
    }
    lock = released.run("git", "show", f"{commit}:dvc.lock").stdout
    assert labels["exact.dvc.lock"] == hashlib.md5(lock.encode()).hexdigest()
    assert labels["exact.model"] == golden()["outputs"][MODEL]
    lock = released.read("requirements-dev.lock")
    assert re.search(rf"^exact-model=={labels['exact.tool']} ", lock, re.MULTILINE)
    assert f"--hash=sha256:{labels['exact.tool.sha256']}\n" in lock


def test_which_knows_an_image(released):
    commit = released.run(
        "git", "rev-parse", "--short=12", "altruism@v1.0.0^{commit}"
    ).stdout.strip()
    for name in ("altruism:v1.0.0", inspected("altruism:v1.0.0")["Id"]):
        told = released.run("exact", "which", name).stdout
        assert f"committed    {commit}" in told and "released     altruism@v1.0.0" in told


OCI = "org.opencontainers.image"
FORGED = {
    f"{OCI}.revision=0123456789abcdef0123456789abcdef01234567": "which git does not know here",
    f"{OCI}.revision=HEAD": "which git does not know here",
    f"{OCI}.version=v9.9.9": "and git has no such tag there",
    "exact.dvc.lock=0": "whose dvc.lock is another",
    "exact.requirements.lock=0": "whose requirements.lock is another",
    "exact.model=0": "which names no model with the md5 that it has",
}


@pytest.mark.parametrize("label", FORGED)
def test_an_image_whose_labels_do_not_hold(label, released):
    words = ["build", "--tag", "altruism:forged", "--label", label, "-"]
    docker(*words, input="FROM altruism:v1.0.0\n")
    done = released.run("exact", "which", "altruism:forged", check=False)
    assert done.returncode == 2 and FORGED[label] in done.stderr


def test_an_image_whose_model_was_replaced(released, tmp_path):
    (tmp_path / "Dockerfile").write_text(f"FROM altruism:v1.0.0\nCOPY Dockerfile ./{MODEL}\n")
    docker("build", "--tag", "altruism:forged", tmp_path)
    done = released.run("exact", "which", "altruism:forged", check=False)
    assert done.returncode == 2 and f"holds another {MODEL} than its labels say" in done.stderr


# How a remote is told of in a label; None where it is not.
ADDRESSES = {
    "https://example.org/a.git": "https://example.org/a.git",
    "https://user:pass@example.org:8443/a.git?token=x#y": "https://example.org:8443/a.git",
    "ssh://git@example.org/a.git": "ssh://example.org/a.git",
    "git@example.org:team/a.git": "git@example.org:team/a.git",
    "/srv/git/a.git": "",
    "../a.git": "",
    "file:///srv/a.git": "",
    "https://[bad/a.git": "",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_a_label_tells_no_password_and_no_folder(address, built, tmp_path):
    git = ["git", "-C", tmp_path]
    subprocess.run([*git, "init", "--quiet"], check=True)
    subprocess.run([*git, "remote", "add", "origin", address], check=True)
    code = "import sys; from pathlib import Path; from exact_model.commands.image import source; "
    told = built.run("python", "-c", code + "print(source(Path(sys.argv[1])))", tmp_path).stdout
    assert told == ADDRESSES[address] + "\n"


def test_images_of_others_and_of_nobody(released):
    done = released.run("exact", "which", BASE, check=False)
    assert done.returncode == 2 and "was not made by `exact image`" in done.stderr
    done = released.run("exact", "which", "altruism:v9.9.9", check=False)
    assert done.returncode == 2 and "no image altruism:v9.9.9 here" in done.stderr


def test_what_is_in_it_and_what_is_not(released):
    names = set()
    for member, _ in files_of("altruism:v1.0.0", content=False):
        names.add(member.name)
    inside = {name for name in names if name.startswith("project/") and "__pycache__" not in name}
    kept = {"__init__", "__main__", "dump", "run"}
    machinery = {name for name in inside if name.startswith("project/src/exact/")}
    assert machinery == {f"project/src/exact/{name}.py" for name in kept}
    assert f"project/{MODEL}" in inside and not any("/data/" in name for name in inside)
    forbidden = re.compile(
        r"bin/(gcc|cc1|g\+\+|make|git|docker)$|/\.git/|/\.dvc/|\.cache/|opt/venv/.*/pip/|config\.local"
        r"|^project/.*(\.env|\.pem|\.netrc|key)$"
    )
    assert [name for name in names if forbidden.search(name)] == []
    size, base = inspected("altruism:v1.0.0")["Size"], inspected(BASE)["Size"]
    assert size - base < MOST_ABOVE_BASE
    assert inspected("altruism:v1.0.0")["Config"]["User"] == "1000:1000"


def files_of(image: str, content: bool = True):
    """Each file of an image's file system, with the hash of what it holds."""
    container = docker("create", image)
    try:
        exported = subprocess.Popen(["docker", "export", container], stdout=subprocess.PIPE)
        with tarfile.open(fileobj=exported.stdout, mode="r|") as archive:
            for member in archive:
                digest = None
                if content and member.isfile():
                    digest = hashlib.sha256(archive.extractfile(member).read()).hexdigest()
                yield member, digest
        assert exported.wait() == 0
    finally:
        docker("rm", container)


def test_a_change_of_code_installs_nothing(released):
    released.replace("src/altruism/predict.py", '"""Score the rows', '"""Score all the rows')
    released.run("make")
    commit = released.commit("Change code")
    before = inspected("altruism:v2.0.0")["RootFS"]["Layers"]
    released.run("exact", "image", *OPTIONS)
    after = inspected(f"altruism:{commit[:12]}")["RootFS"]["Layers"]
    # The packages' layer is there already.
    sizes = [len(set(before) & set(after)), len(after)]
    assert sizes[0] >= 3 and sizes[0] < sizes[1]
    # The model is that of the commit before, and yet the image is of this one.
    told = released.run("exact", "which", f"altruism:{commit[:12]}").stdout
    assert f"committed    {commit[:12]}" in told and f"git checkout {commit[:12]}" in told
    told = released.run("exact", "compare", "altruism:v2.0.0", f"altruism:{commit[:12]}").stdout
    assert told.splitlines()[1].startswith(f"to    altruism:{commit[:12]} ({commit[:12]}, ")


# The engine makes these folders itself, and dates them by its own clock; files in them it does not.
DATED = re.compile(
    r"(project|project/models|project/src|project/src/\w+|opt|opt/venv|dev|etc|proc|sys)?"
    r"|dev/(console|pts|shm)|etc/(hostname|hosts|mtab|resolv\.conf)|\.dockerenv"
)


def test_the_same_commit_built_twice_is_the_same(released):
    described = []
    for _ in range(2):
        released.run("exact", "image", "altruism@v1.0.0", *OPTIONS, "--no-cache")
        described.append(
            {
                m.name: (digest, m.mode, m.uid, m.type, m.linkname, m.mtime)
                for m, digest in files_of("altruism:v1.0.0")
            }
        )
    first, second = described
    assert first.keys() == second.keys()
    other = {name for name in first if first[name] != second[name]}
    assert {name for name in other if not DATED.fullmatch(name)} == set()
    assert all(first[name][:5] == second[name][:5] for name in other)
    seconds = released.run("git", "log", "-1", "--format=%ct", "altruism@v1.0.0").stdout
    assert first["project/src/altruism/predict.py"][-1] == int(seconds)


@pytest.mark.skipif(not REGISTRY, reason="there is no registry (Debian: docker-registry)")
def test_a_registry_and_the_manifest(released, rows, tmp_path):
    port = free_port()
    config = {
        "version": 0.1,
        "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (tmp_path / "config.yml").write_text(json.dumps(config))
    command = [REGISTRY, "serve", tmp_path / "config.yml"]
    with running(command, port, tmp_path / "log"):
        words = ["altruism@v1.0.0", *OPTIONS, "--push", f"127.0.0.1:{port}", "--record"]
        told = released.run("exact", "image", *words).stdout.splitlines()
        reference = told[1]
        assert re.fullmatch(rf"127\.0\.0\.1:{port}/altruism@sha256:[0-9a-f]{{64}}", reference)
        manifest = json.loads(released.read("images.json"))["altruism:v1.0.0"]
        assert manifest["reference"] == reference and manifest["id"] == inspected(reference)["Id"]
        assert len(predicted(reference, rows)) == 40
        assert "altruism@v1.0.0" in released.run("exact", "which", reference).stdout
    docker("image", "rm", reference, f"127.0.0.1:{port}/altruism:v1.0.0")
    (released.root / "images.json").unlink()
    words[-2] = f"127.0.0.1:{free_port()}"
    done = released.run("exact", "image", *words[:-1], check=False)
    assert done.returncode == 1 and "cannot be pushed" in done.stderr
    assert not docker("images", "--quiet", f"{words[-2]}/altruism")


@pytest.mark.parametrize(
    "registry", ["Bad Registry/x", "", "example.org/UP", "https://x.org", "-x/", "Foo"]
)
def test_no_registry(registry, built):
    done = built.run("exact", "image", *OPTIONS, f"--push={registry}", check=False)
    assert done.returncode == 2 and "is no registry" in done.stderr


def test_no_image_of_what_dvc_lock_does_not_describe(released):
    branch = released.run("git", "rev-parse", "HEAD").stdout.strip()
    text = released.read("params.yaml")
    released.replace("params.yaml", "min_df: 2", "min_df: 6")
    done = released.run("exact", "image", *OPTIONS)
    assert "what is not committed is not in it" in done.stderr
    released.commit("Forgot make")
    done = released.run("exact", "image", *OPTIONS, check=False)
    assert (
        done.returncode == 1
        and "features in params.yaml has changed since stage featurize last ran" in done.stderr
    )
    released.write("params.yaml", text)
    released.run("git", "rm", "--quiet", "dvc.lock")
    released.commit("No lock")
    done = released.run("exact", "image", *OPTIONS, check=False)
    released.run("git", "reset", "--quiet", "--hard", branch)
    assert done.returncode == 1 and "is missing or broken; run `make` and commit" in done.stderr


# -- rebuilds inside


def test_the_container_makes_what_dvc_lock_records(engine, built, tmp_path):
    # In a folder that no shell and no list of mounts may take apart, its cache elsewhere.
    project = built.copy(tmp_path / OBSCURE / "altruism")
    before, cache = project.read("dvc.lock"), tmp_path / "cache"
    md5 = golden()["outputs"][MODEL]
    shutil.move(project.root / ".dvc/cache", cache)
    shutil.rmtree(cache / "files/md5" / md5[:2])
    project.run("dvc", "config", "--local", "cache.dir", cache)
    for stage in ("models/model.joblib", "reports/metrics.json", "data/prepared/test.jsonl"):
        (project.root / stage).unlink()
    (project.root / "dvc.lock").unlink()
    project.run("make", "docker-repro", DOCKER=" ".join(OPTIONS))
    assert project.read("dvc.lock") == before
    assert (cache / "files/md5" / md5[:2] / md5[2:]).exists()
    owner = os.getuid(), os.getgid()
    assert all((p.stat().st_uid, p.stat().st_gid) == owner for p in project.root.rglob("*.joblib"))


def test_each_estimator_is_the_same_inside(engine, built, tmp_path):
    project = built.copy(tmp_path / "altruism")
    found = {}
    params = project.read("params.yaml")
    for name in estimators(project):
        project.write(
            "params.yaml", re.sub(r"(?m)^  estimator: \w+", f"  estimator: {name}", params)
        )
        project.run("make", "docker-repro", DOCKER=" ".join(OPTIONS))
        found[name] = hashlib.md5((project.root / MODEL).read_bytes()).hexdigest()
        inside = project.read("dvc.lock")
        project.run("dvc", "repro", "--force", "--no-run-cache")
        assert project.read("dvc.lock") == inside, name
    assert found == golden()["models"]


def test_verify_in_a_container(released):
    done = released.run("exact", "verify", "altruism@v1.0.0", "--container", *OPTIONS, "--json")
    (report,) = json.loads(done.stdout)
    assert report["verdict"] == "identical" and len(report["lines"]) == 16
    assert report["notes"] == []
    assert not docker("ps", "--quiet")
    done = released.run("exact", "verify", "--quick", "--container", check=False)
    assert done.returncode == 2 and "--quick rebuilds nothing" in done.stderr


def test_verify_in_a_container_sees_a_difference(released):
    branch = released.run("git", "rev-parse", "HEAD").stdout.strip()
    released.write("reports/roc.csv", "false_positive_rate,true_positive_rate\n0,0\n1,1\n")
    released.run("dvc", "commit", "--force", "--quiet")
    released.commit("Prettier")
    done = released.run("exact", "verify", "--container", *OPTIONS, check=False)
    released.run("git", "reset", "--quiet", "--hard", branch)
    released.run("dvc", "checkout", "--quiet", "--force")
    assert done.returncode == 1 and "differs    evaluate" in done.stdout


def test_verify_in_a_container_sees_what_a_stage_reads_besides(released):
    branch = released.run("git", "rev-parse", "HEAD").stdout.strip()
    code = 'open("notebooks/explore.ipynb").read()\n'
    released.write("src/altruism/scores.py", released.read("src/altruism/scores.py") + code)
    released.run("make")
    released.commit("Read a notebook")
    done = released.run("exact", "verify", "--container", *OPTIONS)
    released.run("git", "reset", "--quiet", "--hard", branch)
    released.run("dvc", "checkout", "--quiet", "--force")
    assert "evaluate reads notebooks/explore.ipynb, which is not in its deps" in done.stdout


def left() -> str:
    """The containers that verifying has started, running or not."""
    return docker("ps", "--all", "--quiet", "--filter", "label=exact.tree")


@contextlib.contextmanager
def verifying(project):
    """A verification whose container runs."""
    path = os.pathsep.join([str(project.root / ".venv/bin"), os.environ["PATH"]])
    command = ["exact", "verify", "--container", *OPTIONS]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environ = {**os.environ, "PATH": path}
    with subprocess.Popen(command, cwd=project.root, env=environ, **quiet) as child:
        while child.poll() is None and not left():
            time.sleep(0.1)
        yield child


def test_a_stop_leaves_no_container(released):
    assert not left()
    with verifying(released) as child:
        child.terminate()
    assert child.returncode == 130 and not left()


def test_what_a_kill_leaves_is_gone_the_next_time(released):
    with verifying(released) as child:
        child.kill()
    assert left()
    released.run("exact", "verify", "--container", *OPTIONS)
    assert not left()


# -- the notebook


@pytest.fixture
def theirs(engine, built):
    """A copy of the project that is another user's than root, and the words to be that user."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        project, words = Project(Path(folder) / "altruism"), []
        ignore = shutil.ignore_patterns(".venv")
        shutil.copytree(built.root, project.root, symlinks=True, ignore=ignore)
        if os.getuid():
            project.run("make", "env")
        else:
            python = strangers_python(project.read(".python-version").strip())
            project.run("make", "env", PATH=f"{python}{os.pathsep}{os.environ['PATH']}")
            subprocess.run(["chown", "--recursive", str(STRANGER), folder], check=True)
            socket = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
            group = os.stat(socket.removeprefix("unix://")).st_gid
            words = ["setpriv", f"--reuid={STRANGER}", f"--regid={group}", "--clear-groups"]
        yield project, words


def test_the_notebook_in_the_container(theirs):
    project, user = theirs
    path = os.pathsep.join([str(project.root / ".venv/bin"), os.environ["PATH"]])
    environ = {**os.environ, "PATH": path, "HOME": str(project.root.parent)}
    port = str(free_port())
    environ |= {"JUPYTER_TOKEN": "token", "DOCKER": " ".join(OPTIONS), "PORT": port}
    command = [*user, "make", "notebook"]
    with subprocess.Popen(command, cwd=project.root, env=environ, start_new_session=True) as child:
        try:
            address = f"127.0.0.1:{port}/api"
            wait_for(f"http://{address}/status?token=token", child)
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(f"http://{address}/contents/notebooks")
            book = asked(f"http://{address}/contents/notebooks/explore.ipynb?token=token")
            outputs = run_cells(address, book["content"])
            asked(f"http://{address}/contents/notebooks/explore.ipynb?token=token", "PUT", book)
            second = subprocess.run(command, cwd=project.root, env=environ, capture_output=True)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGINT)
    taken = f"port {port} of this machine is taken; choose another: make notebook PORT="
    assert second.returncode and taken in second.stderr.decode()
    assert not left()
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    assert not [o for o in outputs if o["output_type"] == "error"] and "image/svg+xml" in kinds
    # It was run and saved, outputs and all, and git sees no change.
    assert "image/svg+xml" in project.read("notebooks/explore.ipynb")
    assert project.run(*user, "git", "diff").stdout == ""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can try it as root")
def test_no_notebook_for_root(built):
    done = built.run("make", "notebook", check=False)
    assert "Jupyter does not run as root" in done.stderr


def wait_for(address: str, child: subprocess.Popen) -> None:
    while child.poll() is None:
        with contextlib.suppress(OSError):
            urllib.request.urlopen(address)
            return
        time.sleep(0.2)
    raise AssertionError("Jupyter does not answer")


def asked(address: str, method: str = "GET", body: dict | None = None) -> dict:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, content, method=method)
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def run_cells(address: str, book: dict) -> list[dict]:
    """Run each cell as Jupyter's own page does, put its outputs into it, and return all."""
    kernel = asked(
        f"http://{address}/kernels?token=token", "POST", {"path": "notebooks/explore.ipynb"}
    )["id"]
    channel = websocket.create_connection(
        f"ws://{address}/kernels/{kernel}/channels?token=token", timeout=60
    )
    found = []
    for number, cell in enumerate(c for c in book["cells"] if c["cell_type"] == "code"):
        header = {"msg_id": str(number), "msg_type": "execute_request", "version": "5.3"}
        content = {"code": "".join(cell["source"]), "silent": False, "store_history": True}
        parts = {"parent_header": {}, "metadata": {}, "channel": "shell", "buffers": []}
        header |= {"username": "", "session": "x", "date": ""}
        channel.send(json.dumps({"header": header, "content": content, **parts}))
        cell["outputs"], cell["execution_count"] = [], number + 1
        while True:
            message = json.loads(channel.recv())
            kind, content = message["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != str(number):
                continue
            if kind == "status" and content["execution_state"] == "idle":
                break
            if kind in ("stream", "display_data", "execute_result", "error"):
                content.pop("transient", None)
                cell["outputs"].append({"output_type": kind, **content})
        found += cell["outputs"]
    channel.close()
    return found


# -- engines that fail


class Engine(http.server.BaseHTTPRequestHandler):
    """What answers as an engine does, and then goes away or has no room left."""

    ends = b""
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        """Nothing, for it would stand between the lines of pytest."""

    def answered(self, content: bytes, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_GET(self):
        self.answered(json.dumps({"ApiVersion": "1.41", "Version": "20.10"}).encode())

    def do_POST(self):
        if "/build" not in self.path:
            self.server.tagged.append(self.path)
            return self.answered(b"{}", 201)
        self.drain()
        said = b'{"stream": "Step 1/9 : FROM x"}\n' + self.ends
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        # Where it goes away, the last chunk never comes.
        self.wfile.write(b"%x\r\n%s\r\n" % (len(said), said) + b"0\r\n\r\n" * bool(self.ends))
        self.wfile.flush()
        self.close_connection = True

    def drain(self) -> None:
        """Read the whole context that was sent."""
        if length := self.headers.get("Content-Length"):
            self.rfile.read(int(length))
            return
        while size := int(self.rfile.readline(), 16):
            self.rfile.read(size + 2)
        self.rfile.readline()


ENDS = {
    b"": "the Docker engine went away",
    b'{"error": "write /x: no space left on device"}\n': "`docker system prune` frees some",
    b'{"error": "The command returned a non-zero code: 1"}\n': "the image cannot be built",
}


@pytest.mark.parametrize("end", ENDS, ids=["gone", "full", "failed"])
def test_an_engine_that_ends_early_tags_nothing(end, built):
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), type("Ends", (Engine,), {"ends": end})
    )
    server.tagged = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        host = f"tcp://127.0.0.1:{server.server_port}"
        done = built.run("exact", "image", *OPTIONS, check=False, DOCKER_HOST=host)
    finally:
        server.shutdown()
    assert done.returncode == 1 and ENDS[end] in done.stderr and server.tagged == []
    assert len(done.stderr.splitlines()) == 1


def test_without_an_engine(built):
    for words in (["image"], ["verify", "--container"], ["which", "altruism:v1.0.0"]):
        done = built.run("exact", *words, check=False, DOCKER_HOST="unix:///nowhere/socket")
        assert done.returncode in (1, 2)
        assert "no Docker engine answers" in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["Dockerfile", ".dockerignore"])
@pytest.mark.parametrize("link", [False, True])
def test_a_commit_without_a_dockerfile(name, link, released):
    branch = released.run("git", "rev-parse", "HEAD").stdout.strip()
    released.run("git", "rm", "--quiet", name)
    if link:
        (released.root / name).symlink_to("/etc/passwd")
        released.run("git", "add", name)
    released.run("git", "commit", "--quiet", "-m", "None")
    done = released.run("exact", "image", *OPTIONS, check=False)
    released.run("git", "reset", "--quiet", "--hard", branch)
    assert done.returncode == 1 and f"this commit has no {name}" in done.stderr


def test_the_linter_of_dockerfiles_is_content(built):
    done = subprocess.run(["hadolint", built.root / "Dockerfile"], capture_output=True, text=True)
    assert done.stdout == "" and done.returncode == 0
