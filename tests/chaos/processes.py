"""Which processes there are."""

from __future__ import annotations

import os
import socket
import struct
from contextlib import suppress
from pathlib import Path

from headrace.agents.fork_messages import SOCKET


def fork_servers(home: Path) -> list[int]:
    """Return the processes that listen at the sockets of agents' fork servers."""
    found = []
    for path in home.glob(f"agents/*/{SOCKET}"):
        with socket.socket(socket.AF_UNIX) as asked, suppress(OSError):
            asked.connect(str(path))
            size = struct.calcsize("3i")
            answer = asked.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
            found.append(struct.unpack("3i", answer)[0])
    return found


def command_of(pid: int) -> str:
    """Return a process's command line."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return "it has ended since"


def session_of(leader: int) -> list[int]:
    """Return all processes of a session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if os.getsid(int(folder.name)) == leader:
                found.append(int(folder.name))
    return found
