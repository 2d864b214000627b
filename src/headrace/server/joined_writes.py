"""Answers in one piece: uvicorn writes the head of an answer, and then its body.

Each write wakes whoever reads, so an answer in two pieces costs both sides twice.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol


class JoinedWrites:
    """A transport that holds back what is written until the answer is whole, or the loop goes on.

    Args:
        transport: The transport that it stands for.
    """

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._held: list[bytes] = []

    def write(self, data: bytes) -> None:
        """Write soon."""
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)

    def flush(self) -> None:
        """Write what was held back."""
        if self._held:
            data = b"".join(self._held)
            self._held.clear()
            self._transport.write(data)

    def close(self) -> None:
        """Write what was held back, then close."""
        self.flush()
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class JoiningProtocol(AutoHTTPProtocol):  # type: ignore[valid-type,misc] # chosen when it is imported
    """uvicorn's protocol of a connection, which writes each answer in one piece."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with a connection."""
        super().connection_made(JoinedWrites(transport))

    def on_response_complete(self) -> None:
        """Send an answer that is whole."""
        self.transport.flush()
        super().on_response_complete()
