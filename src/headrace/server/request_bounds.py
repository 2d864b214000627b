"""How long a request may take to arrive, and how large its head may be.

Without such bounds, whoever sends requests a byte at a time, or none at all, keeps as many
connections of the server as it may have, and all others out.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

#: Within how many seconds a request has to be there as a whole, from its first byte, or from when
#: its connection was opened. 8 MiB need 120 s over a line of 0.6 Mbit/s.
LONGEST_ARRIVAL = 120.0
#: How many bytes a request's head may have; up to one read of the network more may pass.
LARGEST_HEAD = 64 * 1024


class BoundedRequests(AutoHTTPProtocol):  # type: ignore[valid-type,misc] # chosen when it is imported
    """uvicorn's protocol of a connection, which hangs up on requests that do not arrive."""

    longest_arrival = LONGEST_ARRIVAL

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with a connection: its first request has to come."""
        super().connection_made(transport)
        self._arriving: asyncio.TimerHandle | None = None
        self._head = 0
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """End with a connection."""
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what has come of a request."""
        super().data_received(data)
        cycle: Any = self.cycle
        if cycle is not None and not cycle.response_complete:
            # Its head is here.
            self._head = 0
            if cycle.more_body:
                self._expect()
            else:
                self._arrived()
            return
        if self.transport.is_closing():
            return
        if cycle is None or not cycle.more_body:
            self._head += len(data)
        # Else it may be the rest of a body that was refused, whose sender is to read why.
        if self._head > LARGEST_HEAD:
            self.send_400_response("The head of the request is too large.")
        self._expect()

    def _expect(self) -> None:
        if self._arriving is None:
            self._arriving = self.loop.call_later(self.longest_arrival, self._give_up)

    def _arrived(self) -> None:
        if self._arriving is not None:
            self._arriving.cancel()
            self._arriving = None

    def _give_up(self) -> None:
        self._arriving = None
        # Clients that keep connections for later are told when those are closed, too.
        if not self.transport.is_closing():
            self.transport.close()
