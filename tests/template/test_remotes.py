"""A release on remotes that are real servers on the loopback: SSH and WebDAV."""

import contextlib
import getpass
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bake import bake
from projects import Project

pytestmark = [pytest.mark.slow, pytest.mark.exhaustive]
MODEL, TAG = "models/model.joblib", "altruism@v1.0.0"
SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
SSHD_CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/key.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
Subsystem sftp internal-sftp
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def running(command: list, port: int, log: Path):
    """A server, from when it answers at `port` to the end of the block."""
    with open(log, "wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert server.poll() is None, log.read_text()
            time.sleep(0.05)
        yield
    finally:
        server.terminate()
        server.wait(timeout=30)


class Ssh:
    """Debian's openssh-server with a key of its own."""

    def __init__(self, folder: Path):
        self.folder, self.port = folder, free_port()
        for name in ("host", "key"):
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name]
            subprocess.run(command, check=True)
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        config = SSHD_CONFIG.format(port=self.port, folder=folder)
        (folder / "config").write_text(config)
        self.command = [SSHD, "-D", "-e", "-f", folder / "config"]
        self.url = f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{folder}/store"

    def configure(self, project: Project) -> None:
        key = self.folder / "key"
        project.run("dvc", "remote", "modify", "--local", "storage", "keyfile", key)


class WebDav:
    """WsgiDAV."""

    def __init__(self, folder: Path):
        self.port = free_port()
        options = f"--host 127.0.0.1 --port {self.port} --auth anonymous --server cheroot --root"
        self.command = [
            Path(sys.executable).with_name("wsgidav"),
            "--no-config",
            *options.split(),
            folder,
        ]
        self.url = f"webdav://127.0.0.1:{self.port}/store"

    def configure(self, project: Project) -> None:
        """An anonymous server asks for nothing that is not in its address."""


KINDS = {
    "ssh": pytest.param(
        Ssh, marks=pytest.mark.skipif(not SSHD, reason="no sshd (Debian: openssh-server)")
    ),
    "webdav": WebDav,
}


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def served(request, tmp_path_factory):
    """A project whose first model is pushed to a server, and the folder that this serves."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "store").mkdir()
    server = request.param(folder)
    with running(server.command, server.port, folder / "log"):
        project = Project(bake(tmp_path_factory.mktemp("project"), dvc_remote=server.url))
        project.run("make")
        server.configure(project)
        project.commit("First model")
        project.run("make", "push")
        yield project, folder / "store"


def refused(project, *words) -> str:
    done = project.run("exact", "release", "v1.0.0", *words, check=False)
    assert done.returncode == 1 and TAG not in project.run("git", "tag").stdout
    return done.stderr


def test_a_release_and_its_faults(served, tmp_path):
    project, store = served
    (there,) = store.rglob(project.run("md5sum", MODEL).stdout[2:32])
    content = there.read_bytes()
    there.unlink()
    assert f"{MODEL} (" in refused(project) and "run `make push`" in refused(project)
    project.run("make", "hooks")
    origin = tmp_path / "origin.git"
    project.run("git", "init", "--quiet", "--bare", origin)
    done = project.run("git", "push", origin, "HEAD:refs/heads/main", check=False)
    assert done.returncode and "is not on the DVC remote" in done.stdout + done.stderr
    for damaged in (content[:1000], bytes(len(content))):
        there.write_bytes(damaged)
        assert f"{MODEL} is damaged on the remote" in refused(project)
    there.unlink()
    project.run("make", "push")
    assert there.read_bytes() == content
    project.run("git", "push", origin, "HEAD:refs/heads/main")

    told = project.run("exact", "release", "v1.0.0").stdout
    assert "a new clone recovers it, byte for byte" in told
    clone = Project(tmp_path / "clone")
    project.run("git", "clone", "--quiet", project.root, clone.root)
    for file in project.root.glob(".dvc/config.local"):
        shutil.copy(file, clone.root / ".dvc")
    clone.run("git", "checkout", "--quiet", TAG)
    project.run("dvc", "pull", "--quiet", cwd=clone.root)
    assert (clone.root / MODEL).read_bytes() == content
    assert project.run("exact", "verify", "--quick", TAG).returncode == 0


def test_a_server_that_is_gone(served):
    project, _ = served
    port = re.search(r"127\.0\.0\.1:(\d+)", project.read(".dvc/config"))[1]
    elsewhere = project.read(".dvc/config").replace(port, str(free_port()))
    project.write(".dvc/config", elsewhere)
    project.commit("A server that is not there")
    done = project.run("exact", "release", "v1.9.0", check=False)
    project.run("git", "reset", "--quiet", "--hard", "HEAD^")
    assert done.returncode == 1 and "remote" in done.stderr and "Traceback" not in done.stderr
    assert "v1.9.0" not in project.run("git", "tag").stdout
