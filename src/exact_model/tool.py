"""Which tool this is: its version, and the sha256 of the wheel that its installed files came in.

A wheel of it is packed by one rule (`pack`): stored and sorted, with one time and one mode. So the
installed files alone tell the hash of the wheel, wherever that came from.
"""

import base64
import functools
import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata

import exact_model

NAME = "exact-model"
# What an installer adds to the files of a wheel.
ADDED = ("INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json", "uv_build.json")


@dataclass(frozen=True)
class Tool:
    """A version of the tool; `sha256` is that of its wheel, empty where it runs from its source."""

    version: str
    sha256: str

    def __str__(self) -> str:
        return f"{NAME} {self.version} ({f'sha256:{self.sha256}' if self.sha256 else 'source'})"


def pack(members: Mapping[str, bytes]) -> bytes:
    """The bytes of the wheel with these files (path to content) and their RECORD (PEP 427)."""
    (info,) = {name.split("/")[0] for name in members if ".dist-info/" in name}
    record = f"{info}/RECORD"
    contents = {name: members[name] for name in sorted(members) if name != record}
    lines = [f"{name},sha256={digest(text)},{len(text)}\n" for name, text in contents.items()]
    contents[record] = "".join([*lines, f"{record},,\n"]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as wheel:
        for name, text in contents.items():
            member = zipfile.ZipInfo(name)
            member.create_system = 3
            member.external_attr = (0o100755 if ".data/scripts/" in name else 0o100644) << 16
            wheel.writestr(member, text)
    return packed.getvalue()


def digest(content: bytes) -> str:
    """The sha256 of a file as a RECORD writes it (PEP 376)."""
    found = hashlib.sha256(content).digest()
    return base64.urlsafe_b64encode(found).decode().rstrip("=")


def unpack(wheel: bytes) -> dict[str, bytes]:
    """Path to content of the files in a wheel."""
    with zipfile.ZipFile(io.BytesIO(wheel)) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


@functools.cache
def running() -> Tool:
    """The tool that runs now."""
    try:
        installed = metadata.distribution(NAME)
    except metadata.PackageNotFoundError:
        return Tool(exact_model.__version__, "")
    scripts = f"{NAME.replace('-', '_')}-{installed.version}.data/scripts"
    members = {}
    for path in installed.files or ():
        if path.name not in ADDED and "__pycache__" not in path.parts:
            name = f"{scripts}/{path.name}" if path.parts[0] == ".." else str(path)
            members[name] = path.locate().read_bytes()
    if f"{NAME.replace('-', '_')}/tool.py" not in members:
        return Tool(exact_model.__version__, "")
    return Tool(installed.version, hashlib.sha256(pack(members)).hexdigest())
