"""What a run's process says to the server, as requests."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import msgspec

from headrace.client.transport import Transport
from headrace.wire.claims import Activate, Activated, Exited
from headrace.wire.events import EventAnswer, RawEventBatch

if TYPE_CHECKING:
    from headrace.engine.run_directory import RunSpec

_encoder = msgspec.json.Encoder()


class RunReports:
    """The requests of one process of one flow run. Threads may share it.

    None of them is repeated in here: whoever asks knows for how long it makes sense.

    Args:
        spec: Which run it is, and where the server is.
        nonce: What the process calls itself.
    """

    def __init__(self, spec: RunSpec, nonce: str) -> None:
        self._transport = Transport(spec.api_url, spec.token or None, retries=False)
        self._path = f"/runs/{spec.flow_run_id}"
        self._attempt = spec.attempt
        self._nonce = nonce

    def activate(self) -> Activated:
        """Ask to begin.

        Raises:
            ClientError: If there is no answer, or none that can be used.
        """
        body = Activate(
            attempt=self._attempt, nonce=self._nonce, host=socket.gethostname(), pid=os.getpid()
        )
        return self._transport.request("POST", f"{self._path}/activate", body, answer=Activated)

    def events(self, first: int, array: bytes = b"[]", wait: float = 0.0) -> EventAnswer:
        """Deliver events, or none to renew the lease alone.

        Args:
            first: The number of the first event.
            array: The events, as a JSON array.
            wait: For how many seconds the answer may be held back until there is an order.

        Raises:
            ClientError: If there is no answer, or none that can be used.
        """
        batch = RawEventBatch(
            attempt=self._attempt,
            nonce=self._nonce,
            first=first,
            events=msgspec.Raw(array),  # type: ignore[arg-type]
            wait=wait,
        )
        return self._transport.request(
            "POST", f"{self._path}/events", _encoder.encode(batch), answer=EventAnswer, wait=wait
        )

    def exited(self, reason: str) -> None:
        """Say that the process has ended without an ending of its own.

        Raises:
            ClientError: If there is no answer, or a refusal.
        """
        body = Exited(attempt=self._attempt, reason=reason)
        self._transport.request("POST", f"{self._path}/exited", body)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()
