"""Registries of images, as Debian's `docker-registry` serves them, on loopback.

How to use them: `registry` is a session fixture that takes everything from everybody;
`running_registry()` starts others for the length of a `with` block:

- `running_registry(user="u", password="p")` asks for these (Basic);
- `running_registry(read_only=True)` refuses every push.

Each has `.address` (`127.0.0.1:PORT`), which begins the names of its images:
`f"{registry.address}/flows:1"`. The engine speaks plain HTTP to it, as it is on loopback.
"""

from __future__ import annotations

import base64
import ctypes
import ctypes.util
import json
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.integration.components.server import answers, could_not_run, free_ports, serving


class Registry(NamedTuple):
    """A registry, and who may use it: everybody if there is no user."""

    address: str
    user: str | None = None
    password: str | None = None

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def write_docker_config(self, folder: Path) -> Path:
        """Write what `docker login` would: `folder` is then for `DOCKER_CONFIG`."""
        secret = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"auths": {self.address: {"auth": secret}}}))
        return folder


@contextmanager
def running_registry(
    user: str | None = None, password: str | None = None, *, read_only: bool = False
) -> Iterator[Registry]:
    """Run a registry for the length of a `with` block, empty at first.

    Args:
        user: Who may use it; by default everybody.
        password: That user's password.
        read_only: Whether it refuses all pushes.
    """
    if shutil.which("docker-registry") is None:
        could_not_run("there is no docker-registry: Debian's package has that name")
    (port,) = free_ports(1)
    home = Path(tempfile.mkdtemp(prefix="headrace-registry-"))
    settings: dict[str, object] = {
        "version": 0.1,
        "log": {"level": "warn"},
        "storage": {
            "filesystem": {"rootdirectory": str(home / "data")},
            "maintenance": {"readonly": {"enabled": read_only}},
            "delete": {"enabled": True},
        },
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    if user is not None:
        settings["auth"] = {"htpasswd": {"realm": "tests", "path": str(home / "htpasswd")}}
        (home / "htpasswd").write_text(f"{user}:{_bcrypt(password or '')}\n")
    # JSON is YAML.
    (home / "config.yml").write_text(json.dumps(settings))
    registry = Registry(f"127.0.0.1:{port}", user, password)
    try:
        with serving(
            ["docker-registry", "serve", home / "config.yml"],
            lambda: answers(f"{registry.url}/v2/"),
            home / "log",
        ):
            yield registry
    finally:
        shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def registry() -> Iterator[Registry]:
    """A registry that takes everything from everybody."""
    with running_registry() as running:
        yield running


def _bcrypt(password: str) -> str:
    """Return a password's hash in the only form that the registry reads, by the C library."""
    name = ctypes.util.find_library("crypt")
    if name is None:
        could_not_run("there is no libcrypt, which hashes the registry's password")
    crypt = ctypes.CDLL(name).crypt
    crypt.restype = ctypes.c_char_p
    salt = f"$2b$05${secrets.token_hex(11)}"
    found: bytes = crypt(password.encode(), salt.encode())
    return found.decode()
