"""Who an agent is: an id that it keeps over restarts, in a directory that is its own."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import uuid
from pathlib import Path

import msgspec

from headrace.config.private import make_private
from headrace.core.errors import ConfigError

#: How many characters of its name an agent's directory is called by.
_LONGEST = 60

#: What gives an agent its id where no directory outlives it, as in a pod.
AGENT_ID = "HEADRACE_AGENT_ID"
#: What every platform can keep as the value of a label or tag.
_FIT_ID = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")


class _Kept(msgspec.Struct):
    id: str


class AgentDirectory:
    """An agent's own directory, which no two agents use at once.

    Args:
        home: Headrace's home directory.
        name: The agent's name. If an agent of this name runs already, another directory is taken,
            so that both have an id of their own.

    Attributes:
        path: Where it is.
        id: The agent's id: that of the variable HEADRACE_AGENT_ID, else the one kept here.

    Raises:
        ConfigError: If that variable holds what is no id.
        OSError: If it cannot be made, or somebody else could change what is in it.
    """

    def __init__(self, home: str, name: str) -> None:
        given = os.environ.get(AGENT_ID, "")
        if given and not _FIT_ID.fullmatch(given):
            raise ConfigError(
                f"{AGENT_ID} must be up to 63 letters, digits, '-', '_' and '.', with a letter or "
                f"digit at both ends, and is {given!r}."
            )
        # Short enough for a file's name in any script.
        signs = (sign if sign.isalnum() or sign in "-_." else "_" for sign in name[:_LONGEST])
        folder = "".join(signs)
        if not folder.strip("."):
            folder = "_"  # and not this directory, or the one above it
        number = 1
        while True:
            suffix = "" if number == 1 else f"~{number}"
            self.path = Path(home).absolute() / "agents" / f"{folder}{suffix}"
            make_private(self.path)
            _check(self.path)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                os.close(self._lock)
                number += 1
        self.id = given or self._read_id()

    def close(self) -> None:
        """Let another agent use it."""
        os.close(self._lock)

    def _read_id(self) -> str:
        file = self.path / "agent.json"
        try:
            return msgspec.json.decode(file.read_bytes(), type=_Kept).id
        except (OSError, msgspec.DecodeError):
            found = str(uuid.uuid4())
            temporary = file.with_suffix(".new")
            temporary.write_bytes(msgspec.json.encode(_Kept(found)))
            os.replace(temporary, file)
            return found


def _check(folder: Path) -> None:
    """See to it that only this user can put something into a folder, such as a socket of their own."""
    found = folder.stat()
    if found.st_uid not in (os.geteuid(), 0):
        raise PermissionError(
            errno.EPERM, "It belongs to another user, who could take runs over", str(folder)
        )
    if found.st_mode & 0o077:
        folder.chmod(0o700)
