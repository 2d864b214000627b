"""The runner's end of the channel: events go out in batches, orders come in, each by its thread."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING

from headrace.engine.channel import ORDERS, Orders, events_frame, read_orders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headrace.wire.events import Event

MOST_EVENTS = 500  #: of one frame
MOST_CHARACTERS = 500_000  #: of the messages of one frame; the last one may go beyond it
BATCH_SECONDS = 0.02  #: how long events wait for others to be sent with, while there are many
MOST_WAITING = 100_000  #: events that were not sent, above which whoever makes them waits
SOFT_WAIT_SECONDS = 0.002
CLOSE_SECONDS = 30.0  #: how long the end of a run waits for the supervisor to take its last events


class Reporting:
    """Sends a run's events to its supervisor, and listens to orders.

    An event that finds nothing waiting is sent at once; while there are many they go together. None
    is dropped: when more wait than the supervisor takes, `emit` waits too.

    Args:
        sock: The runner's end of the channel.
        before_send: Called before events are sent, in the thread that sends them: what must be
            durable before anybody hears of it is made so here.
    """

    def __init__(self, sock: socket.socket, before_send: Callable[[], None] | None = None) -> None:
        self._sock = sock
        self.before_send = before_send
        self._events: deque[Event] = deque()
        self._wake = threading.Event()
        self._idle = False
        self._closing = False
        self._lost = False
        self._sender = threading.Thread(target=self._send, name="headrace-events", daemon=True)
        self._sender.start()

    @property
    def is_lost(self) -> bool:
        """Whether the supervisor is gone: nobody takes events any more."""
        return self._lost

    def emit(self, event: Event) -> None:
        """Send an event, soon. May be called from any thread."""
        events = self._events
        events.append(event)
        if self._idle:
            self._idle = False
            self._wake.set()
        elif len(events) > MOST_WAITING:
            while len(events) > MOST_WAITING and not self._lost:
                time.sleep(SOFT_WAIT_SECONDS)

    def listen(
        self,
        frames: Iterator[tuple[bytes, bytes]],
        obey: Callable[[Orders], None],
        deserted: Callable[[], None],
    ) -> None:
        """Begin to take orders, in a thread of its own.

        Args:
            frames: What arrives.
            obey: Given each order.
            deserted: Called when the supervisor's end is closed before this one.
        """

        def receive() -> None:
            for kind, payload in frames:
                if kind == ORDERS:
                    obey(read_orders(payload))
            if not self._closing:
                deserted()

        threading.Thread(target=receive, name="headrace-orders", daemon=True).start()

    def close(self) -> None:
        """Send what there is, and close the channel: no event follows."""
        self._closing = True
        self._wake.set()
        self._sender.join(CLOSE_SECONDS)
        with suppress(OSError):  # the supervisor was faster
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()

    # -- the thread that sends ----------------------------------------------------------------

    def _send(self) -> None:
        events = self._events
        sent_at = 0.0
        while True:
            if not events:
                if self._closing:
                    return
                self._idle = True
                # Whoever put one in before this thread was idle did not wake it.
                if not events and not self._closing:
                    self._wake.wait()
                self._idle = False
                self._wake.clear()
                continue
            wait = BATCH_SECONDS - (time.monotonic() - sent_at)
            if wait > 0 and len(events) < MOST_EVENTS and not self._closing:
                self._wake.wait(wait)  # which only `close` cuts short
            # Both sides touch the ends of the deque only, so neither needs a lock.
            batch: list[Event] = []
            characters = 0
            while events and len(batch) < MOST_EVENTS and characters < MOST_CHARACTERS:
                event = events.popleft()
                batch.append(event)
                characters += len(getattr(event, "message", None) or "")
            if self.before_send is not None:
                self.before_send()
            try:
                self._sock.sendall(_frame(batch))
            except OSError:
                self._lost = True
                events.clear()
                return
            sent_at = time.monotonic()


def _frame(batch: list[Event]) -> bytes:
    try:
        return events_frame(batch)
    except UnicodeEncodeError:
        # Text of undecodable bytes (names of files, output of programs) is no Unicode.
        for event in batch:
            for name in event.__struct_fields__:
                value = getattr(event, name)
                if isinstance(value, str):
                    setattr(event, name, value.encode("utf-8", "replace").decode())
        return events_frame(batch)
