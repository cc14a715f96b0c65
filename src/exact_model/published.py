"""A published repository, as an outsider verifies it: nothing of it is believed, or put on disk.

Its objects are cloned into a temporary folder, without a working tree. A commit's files are checked
out only where its stages run. Of a commit's DVC configuration, only where its remotes are is taken:
other settings name programs to run, or files of this machine.
"""

import contextlib
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from exact_model import checkout, git
from exact_model.errors import Refused
from exact_model.objects import Store, config_text
from exact_model.processes import clear
from exact_model.reports import Report, filled_in

# What a remote may be told by a commit that nobody trusts.
PLAIN = {
    "url",
    "endpointurl",
    "region",
    "port",
    "user",
    "version_aware",
    "allow_anonymous_login",
    "account_name",
    "projectname",
    "oss_endpoint",
    "use_https",
}
# Where DVC reads what its user and the machine have set.
OF_THE_USER = ("DVC_GLOBAL_CONFIG_DIR", "DVC_SYSTEM_CONFIG_DIR")
REMOTE = re.compile(r"""^['"]?remote "(.+?)"['"]?$""")
GET = "name its place: --remote URL"


@dataclass
class Published:
    """The clone of a repository: its folder, and where the repository is, if on this machine."""

    clone: Path
    origin: Path | None
    # Commits share the place of their configuration, which is read when a store is made of it.
    lock: threading.Lock = field(default_factory=threading.Lock)

    def project(self, commit: str, path: str | None) -> Path:
        """The place of the project in the clone, as of `commit`: `path`, or the only one."""
        listed = git.git(self.clone, "ls-tree", "-r", "-z", "--name-only", "--full-tree", commit)
        names = {PurePosixPath(name) for name in listed.split("\0")[:-1]}
        found = sorted(
            name.parent
            for name in names
            if name.name == "dvc.yaml"
            and name.with_name("dvc.lock") in names
            # git lets a hostile tree hold these, which would lead out of the clone.
            and not {"..", ".git"} & {*name.parts}
        )
        if path is not None:
            wanted = PurePosixPath(os.path.normpath(path))
            if wanted not in found:
                raise Refused(f"{path} holds no dvc.yaml and dvc.lock there; {listing(found)}")
            found = [wanted]
        if len(found) != 1:
            raise Refused(f"{listing(found)}; choose one with --path" if found else listing(found))
        place = self.clone / found[0]
        place.mkdir(parents=True, exist_ok=True)
        return place

    def store(self, project: Path, commit: str, url: str | None) -> tuple[Store, list[str]]:
        """The objects of the remotes of `commit`, or of the one at `url`, and what was done."""
        folder, settings = self.settings(project, commit)
        if url is not None:
            name = settings["remote"] or "outside"
            settings["remote"], settings["remotes"][name] = name, {"url": absolute(url)}
        notes = self.lead(folder, settings)
        (folder / ".dvc").mkdir(parents=True, exist_ok=True)
        (folder / ".dvc/config").write_bytes(written(settings))
        used = settings["remotes"].get(settings["remote"], {}).get("url")
        get = f"its DVC remote is {used}; if its data lies elsewhere, {GET}" if used else GET
        return Store(project, get=get), notes

    def settings(self, project: Path, commit: str) -> tuple[Path, dict]:
        """The folder of the .dvc that `project` belongs to as of `commit`, and its remotes."""
        from configobj import ConfigObj, ConfigObjError

        for folder in (project, *project.parents):
            inside = folder.relative_to(self.clone).as_posix()
            prefix = "" if inside == "." else f"{inside}/"
            text = git.content(self.clone, commit, ".dvc/config", prefix)
            if text is not None or folder == self.clone:
                break
        try:
            lines = (text or b"").decode("utf-8-sig").splitlines()
            config = ConfigObj(lines, interpolation=False)
        except (ConfigObjError, UnicodeDecodeError) as error:
            raise Refused(f".dvc/config of this commit cannot be read: {error}") from None
        remotes = {}
        for name, section in config.items():
            found = REMOTE.match(name)
            if found and isinstance(section, dict):
                texts = {k.lower(): text for k, text in section.items() if isinstance(text, str)}
                kept = {key: text for key, text in texts.items() if key in PLAIN}
                if "url" in kept:
                    remotes[found[1].lower()] = kept
        core = config.get("core")
        default = core.get("remote", "") if isinstance(core, dict) else ""
        return folder if text is not None else project, {
            "remote": str(default).lower(),
            "remotes": remotes,
        }

    def lead(self, folder: Path, settings: dict) -> list[str]:
        """Let relative remotes lead where they lead from the original; returns what was done.

        Refused where the default is a folder beside a clone of somebody else's; others are dropped.
        """
        notes = []
        for name, told in [*settings["remotes"].items()]:
            url = told.get("url", "")
            if "://" in url or not url or os.path.isabs(url):
                continue
            if not self.origin and name != settings["remote"]:
                del settings["remotes"][name]
                continue
            if not self.origin:
                place = (
                    f"its DVC remote {name} is the folder {url} beside a clone on another machine"
                )
                raise Refused(f"{place}; {GET}")
            there = self.origin / folder.relative_to(self.clone) / ".dvc"
            told["url"] = os.path.normpath(there / url)
            notes.append(f"its DVC remote {name} ({url}) was read at {told['url']}")
        return notes


def listing(found: list[PurePosixPath]) -> str:
    """A sentence on the projects that are there."""
    names = ", ".join("." if name == PurePosixPath(".") else str(name) for name in found)
    return f"it holds these projects: {names}" if found else "no dvc.yaml with a dvc.lock is there"


def absolute(url: str) -> str:
    """`url` as it is, a path from the current folder's."""
    return url if "://" in url else str(Path(url).resolve())


def written(settings: dict) -> bytes:
    """The text of a .dvc/config with these remotes."""
    return config_text(
        settings["remotes"], core={"remote": settings["remote"], "analytics": "false"}
    )


def origin_of(repo: str) -> Path | None:
    """The folder of a repository that is on this machine; None where it is not.

    Of a clone with a working tree that is the top of it.
    """
    parts = urlsplit(repo)
    path = Path(unquote(parts.path)) if parts.scheme == "file" else Path(repo)
    if not path.is_dir():
        return None
    path = path.resolve()
    return path.parent if path.name == ".git" else path


@contextlib.contextmanager
def cloned(repo: str) -> Iterator[Published]:
    """A clone of `repo`, a URL or a path, in a temporary folder that is removed in the end."""
    origin = origin_of(repo)
    # What a path means from here, git would not find from the folder of the clone.
    source = repo if origin is None or "://" in repo else str(Path(repo).resolve())
    place = Path(tempfile.mkdtemp(prefix="exact-"))
    # What this user has told DVC of a remote, such as a password, is not for one of that name.
    before = {name: os.environ.get(name) for name in OF_THE_USER}
    os.environ.update(dict.fromkeys(before, str(place / "settings")))
    try:
        clone = place / "clone"
        clone.mkdir()
        words = ["--quiet", "--template=", "--bare", "--no-local"]
        try:
            checkout.alone(clone, "clone", *words, "--", source, ".git", GIT_TERMINAL_PROMPT="0")
        except git.Failed as error:
            raise Refused(f"{repo} cannot be cloned: {error.reason}; check the address") from error
        git.git(clone, "config", "core.bare", "false")
        yield Published(clone, origin)
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            os.environ.update({} if value is None else {name: value})
        clear(place)


def report_on(
    published: Published, path, url, task, _, name: str, commit: str, on_progress
) -> Report:
    """What `task` reports on the commit of a clone, with what was done to get its data.

    `path` and `url` are those of `--path` and `--remote`.
    """
    report = Report(name, commit)
    with filled_in(report), published.lock:
        project = published.project(commit, path)
        store, notes = published.store(project, commit, url)
    if not report.problem:
        report = task(store, project, name, commit, on_progress)
        report.notes[:0] = notes
        # It is removed with the clone.
        report.kept = None
    return report
