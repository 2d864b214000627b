"""Events that a server does not take, however often they are sent."""

from __future__ import annotations

import logging
import time

import msgspec

from headrace.core.errors import ClientError
from headrace.engine.backlog import Backlog, split
from headrace.wire.events import Event, FlowState, LogLine, Renamed, TaskState

log = logging.getLogger("headrace.supervisor")

#: How long a message may be that the server has refused with its event.
_SHORT = 4000

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class Refusals:
    """Puts something else in the place of an event that the server refuses, so that others get by.

    A batch is refused as a whole. Sent one by one, its events show which of them it was. What goes
    in its place has its number, and says what could not be stored: a shorter message, if it was a
    long one, else a log line about it.

    Args:
        backlog: Where the events are.
    """

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._replaced = 0  # the number of the event that was last replaced

    def heed(self, error: ClientError) -> bool:
        """Take note that the next batch was refused; the one after this call is another.

        Args:
            error: What the server has said.

        Returns:
            Whether to send again; if not, the server takes nothing at all.

        Raises:
            OSError: If what is on disk cannot be read.
        """
        first, count, array = self._backlog.batch()
        if count > 1:
            self._backlog.isolate_first()
            return True
        if self._replaced == first:
            return False
        log.error("The server does not take an event: %s", error)
        self._replaced = first
        (event,) = split(array)
        self._backlog.replace_first(_encoder.encode(_acceptable(bytes(event), error)))
        return True


def _acceptable(event: bytes, error: ClientError) -> Event:
    """Return what says the same as an event that was refused, as far as it can be sent."""
    try:
        read = _decoder.decode(event)
    except msgspec.DecodeError:
        return _about(event, error)
    message = getattr(read, "message", None)
    if isinstance(read, Renamed) or not message or len(message) <= _SHORT:
        return _about(event, error, getattr(read, "at", None))
    assert isinstance(read, TaskState | FlowState | LogLine)
    read.message = f"{message[:_SHORT]} … (cut: the server did not take it: {error})"
    return read


def _about(event: bytes, error: ClientError, at: float | None = None) -> LogLine:
    shown = event[:_SHORT].decode(errors="replace")
    return LogLine(
        at=time.time() if at is None else at,
        level=40,
        message=f"The server did not take an event ({error}): {shown}",
    )
