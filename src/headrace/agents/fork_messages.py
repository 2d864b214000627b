"""What an agent and its fork server say to each other: one JSON object a line."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec

from headrace.engine.process_identity import ProcessIdentity

#: The name of the socket in the agent's directory.
SOCKET = "fork-server.sock"
LOG = "fork-server.log"
#: A process id, a user's and a group's, as Linux tells them of a socket's other end.
_CREDENTIALS = struct.Struct("iII")


class Hello(msgspec.Struct, tag="hello", frozen=True, kw_only=True):
    """The fork server says who it is, to everybody who connects.

    Attributes:
        process: Which process it is.
        code: What stands for the Headrace that it has imported.
        at_start: The variables that it had when it started, of those that count only then.
    """

    process: ProcessIdentity
    code: str
    at_start: dict[str, str]


class Start(msgspec.Struct, tag="start", frozen=True, kw_only=True):
    """The agent wants a supervisor.

    Attributes:
        directory: The run's directory.
        environment: Its environment.
        working_dir: The folder that it starts in.
        import_paths: Folders that modules are looked for in first.
        command: What to run as a new program, instead of a copy of the fork server.
    """

    directory: str
    environment: dict[str, str]
    working_dir: str
    import_paths: list[str] = []
    command: list[str] | None = None


class Started(msgspec.Struct, tag="started", frozen=True, kw_only=True):
    """A supervisor was started.

    Attributes:
        pid: Its process id.
    """

    pid: int


class NotStarted(msgspec.Struct, tag="not_started", frozen=True, kw_only=True):
    """It was not.

    Attributes:
        reason: Why.
    """

    reason: str


class Gone(msgspec.Struct, tag="gone", frozen=True, kw_only=True):
    """A supervisor has ended; everybody who is connected hears of it.

    Attributes:
        directory: The run's directory.
    """

    directory: str


class Retire(msgspec.Struct, tag="retire", frozen=True, kw_only=True):
    """The agent wants no more of this fork server: it ends when its last child has."""


Message = Hello | Start | Started | NotStarted | Gone | Retire

_decoder: msgspec.json.Decoder[Message] = msgspec.json.Decoder(Message)
_encoder = msgspec.json.Encoder()


def line(message: Message) -> bytes:
    """Return a message as it travels."""
    return _encoder.encode(message) + b"\n"


class Lines:
    """Takes what arrives apart into messages."""

    def __init__(self) -> None:
        self._begun = b""

    def feed(self, data: bytes) -> Iterator[Message]:
        """Yield each message that these bytes complete."""
        *lines, self._begun = (self._begun + data).split(b"\n")
        for each in lines:
            yield _decoder.decode(each)


def short_path(folder: Path, name: str, fd: int) -> str:
    """Return a path to a socket that is short enough for the system, however long the folder's is.

    Args:
        folder: The folder that it is in.
        name: Its name there.
        fd: The folder, opened.
    """
    path = str(folder / name)
    return path if len(os.fsencode(path)) < 100 else f"/proc/self/fd/{fd}/{name}"


def is_own(sock: socket.socket) -> bool:
    """Tell whether the process at the other end of a socket is this user's."""
    if not hasattr(socket, "SO_PEERCRED"):
        return True  # the folder's permissions have to do
    found = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, user, _ = _CREDENTIALS.unpack(found)
    return bool(user == os.geteuid())


def connect(folder: Path) -> socket.socket:
    """Connect to the fork server of an agent's directory.

    Raises:
        OSError: If there is none, or it is another user's: it would be given the tokens of runs.
    """
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(10.0)
            sock.connect(short_path(folder, SOCKET, fd))
            if not is_own(sock):
                raise PermissionError(f"what listens at {folder / SOCKET} is another user's")
        except OSError:
            sock.close()
            raise
        return sock
    finally:
        os.close(fd)
