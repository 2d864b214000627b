"""What a run's process says to the server, as requests."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import msgspec

from headrace.client.client import Client
from headrace.wire.claims import Activate, Activated, Exited
from headrace.wire.events import EventAnswer, RawEventBatch

if TYPE_CHECKING:
    from headrace.engine.run_directory import RunSpec

#: Where the events go in an encoded batch without any.
_EVENTS = b'"events":['


class RunReports:
    """The requests of one process of one flow run. Threads may share it.

    None of them is repeated in here: whoever asks knows for how long it makes sense.

    Args:
        spec: Which run it is, and where the server is.
        nonce: What the process calls itself.
    """

    def __init__(self, spec: RunSpec, nonce: str) -> None:
        self._client = Client(spec.api_url, spec.token, retries=False)
        self._spec = spec
        self._nonce = nonce

    def activate(self) -> Activated:
        """Ask to begin.

        Raises:
            ClientError: If there is no answer, or none that can be used.
        """
        asked = Activate(
            attempt=self._spec.attempt,
            nonce=self._nonce,
            host=socket.gethostname(),
            pid=os.getpid(),
        )
        return self._client.activate(self._spec.flow_run_id, asked)

    def events(self, first: int, array: bytes = b"[]", wait: float = 0.0) -> EventAnswer:
        """Deliver events, or none to renew the lease alone.

        Args:
            first: The number of the first event.
            array: The events, as a JSON array, which nobody here reads.
            wait: For how many seconds the answer may be held back until there is an order.

        Raises:
            ClientError: If there is no answer, or none that can be used.
        """
        batch = msgspec.json.encode(
            RawEventBatch(attempt=self._spec.attempt, nonce=self._nonce, first=first, wait=wait)
        )
        if array != b"[]":
            batch = batch[:-1] + b"," + _EVENTS + array[1:] + b"}"
        return self._client.events(self._spec.flow_run_id, batch, wait=wait)

    def exited(self, reason: str, by_agent: bool = False) -> None:
        """Say that the process has ended without an ending of its own.

        Args:
            reason: How it ended.
            by_agent: Whether its agent says so, as its supervisor is gone, too.

        Raises:
            ClientError: If there is no answer, or a refusal.
        """
        told = Exited(attempt=self._spec.attempt, reason=reason, by_agent=by_agent)
        self._client.exited(self._spec.flow_run_id, told)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
