"""The channel between a flow run's runner and its supervisor: two ends of one stream socket.

A frame is a length (4 bytes, big-endian, of what follows), one byte that says of which kind it is,
and what it carries:

| kind | from | carries |
|---|---|---|
| `RUN` | supervisor, once, first | `wire.claims.RunDetails`, as JSON |
| `ORDERS` | supervisor | `Orders`, as JSON |
| `EVENTS` | runner | their number (4 bytes), and the JSON array of `wire.events.Event`s |

The supervisor passes events on as they are: it counts them, and reads none but the last of a run
(`final_state`). When a runner's socket ends without a `wire.events.FlowState`, the runner has died.

The runner's end is `engine.reporting.Reporting`.
"""

from __future__ import annotations

import socket
import struct
from typing import TYPE_CHECKING

import msgspec

from headrace.core.errors import ChannelError
from headrace.wire.claims import RunDetails
from headrace.wire.events import Event, FlowState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RUN = b"R"
ORDERS = b"O"
EVENTS = b"E"

#: A longer frame is no frame: the two sides have lost step. In bytes.
LONGEST_FRAME = 256 * 2**20
RECEIVE_BYTES = 256 * 1024

_LENGTH = struct.Struct(">I")
_HEAD = struct.Struct(">Ic")
_COUNT = struct.Struct(">I")
#: Where a flow run's state begins in an array of events. Text in an event has its quotes escaped.
_FLOW_STATE = b'{"event":"flow"'


class Orders(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a supervisor tells its runner.

    Attributes:
        cancel: Why the run is to be cancelled, if it is.
        pause: Why the run is to be paused, if it is: nothing new starts, and it parks.
        superseded: Why the run is not this process's any more: it starts nothing new, and stops.
        lease_until: Until when the process owns the run, in seconds of `time.monotonic()`, which
            the processes of one machine share.
    """

    cancel: str | None = None
    pause: str | None = None
    superseded: str | None = None
    lease_until: float | None = None


# Made here, as making one costs milliseconds: before a runner is forked, and not in it.
_run_decoder = msgspec.json.Decoder(RunDetails)
_orders_decoder = msgspec.json.Decoder(Orders)
_flow_state_decoder = msgspec.json.Decoder(FlowState)


def frame(kind: bytes, payload: bytes) -> bytes:
    """Return a frame as it travels."""
    return _HEAD.pack(len(payload) + 1, kind) + payload


class FrameReader:
    """Takes the bytes of a stream apart into frames, however they arrive."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield the kind and what is carried of each frame that these bytes complete.

        Raises:
            ChannelError: If a frame cannot be as long as it says.
        """
        self._bytes += data
        at = 0
        held = self._bytes
        while len(held) - at >= _HEAD.size:
            (length,) = _LENGTH.unpack_from(held, at)
            if not 0 < length <= LONGEST_FRAME:
                raise ChannelError(
                    f"A frame says that it has {length} bytes; the two sides of a run's channel do "
                    "not understand each other. Are runner and supervisor of one version?"
                )
            end = at + _LENGTH.size + length
            if len(held) < end:
                break
            yield bytes(held[at + 4 : at + 5]), bytes(held[at + 5 : end])
            at = end
        del held[:at]


def read_frames(sock: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    """Yield each frame that arrives, until the other side closes the channel, or is gone."""
    reader = FrameReader()
    while True:
        try:
            data = sock.recv(RECEIVE_BYTES)
        except OSError:
            return
        if not data:
            return
        yield from reader.feed(data)


# -- the supervisor's end -----------------------------------------------------------------------


def run_frame(details: RunDetails) -> bytes:
    """Return the first frame to a runner: what to run."""
    return frame(RUN, msgspec.json.encode(details))


def orders_frame(orders: Orders) -> bytes:
    """Return a frame with orders."""
    return frame(ORDERS, msgspec.json.encode(orders))


def split_events(payload: bytes) -> tuple[int, bytes]:
    """Return how many events a frame carries, and their JSON array, as it was written."""
    (count,) = _COUNT.unpack_from(payload)
    return count, payload[_COUNT.size :]


def final_state(events: bytes) -> FlowState | None:
    """Return the state that ends or parks the run, if an array of events ends in one."""
    at = events.rfind(_FLOW_STATE)
    if at < 0:
        return None
    try:
        state = _flow_state_decoder.decode(events[at:-1])
    except msgspec.DecodeError:
        return None  # another event follows it
    return None if state.type == "Running" else state


# -- the runner's end ---------------------------------------------------------------------------


def events_frame(events: Sequence[Event]) -> bytes:
    """Return a frame with events, in order."""
    return frame(EVENTS, _COUNT.pack(len(events)) + msgspec.json.encode(events))


def receive_run(frames: Iterator[tuple[bytes, bytes]]) -> RunDetails:
    """Wait for the first frame from the supervisor, and return what it says is to be run.

    Raises:
        ChannelError: If the channel ends before, or begins with anything else.
    """
    for kind, payload in frames:
        if kind != RUN:
            break
        return _run_decoder.decode(payload)
    raise ChannelError(
        "The channel does not begin with what to run. Runners are started by `headrace execute` or "
        "by an agent, which have a supervisor talk to them."
    )


def read_orders(payload: bytes) -> Orders:
    """Return the orders that a frame carries."""
    return _orders_decoder.decode(payload)
