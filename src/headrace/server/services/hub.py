"""Wakes whoever waits for something to change, within this process and beyond it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Signal:
    """Tells whether something was notified since it was last asked."""

    __slots__ = ("_closed", "_event")

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._closed = False

    def set(self) -> None:
        """Wake whoever waits, now or when it comes to wait."""
        self._event.set()

    def close(self) -> None:
        """Let nobody wait any longer."""
        self._closed = True
        self._event.set()

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait until something is notified; what was notified before this call counts.

        Args:
            seconds: For how long at most; None for as long as it takes.

        Returns:
            Whether something was; False if the time was up, or the server is shutting down.
        """
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        if self._closed:
            return False
        self._event.clear()
        return True

    def take(self) -> bool:
        """Tell, without waiting, whether something was notified since it was last asked."""
        was_set = self._event.is_set()
        if not self._closed:
            self._event.clear()
        return was_set


class Hub:
    """Topics, and who listens to them.

    Topics are `work` (a flow run may have become claimable), `run:{id}` (states or logs of a flow
    run have changed), `orders:{id}` (whoever has it may have to do something else: it was cancelled,
    paused, taken away, or is over), `schedules` (one was switched on, or registered). Whoever writes
    notifies after the write was committed; who listens looks at the database again: a topic carries
    nothing.

    It belongs to the event loop that it was made in.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._listeners: dict[str, set[Signal]] = {}
        self._forward: Callable[[str], None] | None = None
        self._closed = False

    def notify(self, topic: str) -> None:
        """Wake all that listen to a topic, in other server processes too. Any thread may call it."""
        if self._closed:
            return
        if threading.get_ident() != self._thread:
            self._loop.call_soon_threadsafe(self.notify, topic)
            return
        self.deliver(topic)
        if self._forward is not None:
            self._forward(topic)

    def deliver(self, topic: str) -> None:
        """Wake all that listen to a topic in this process; only the event loop calls it."""
        for signal in self._listeners.get(topic, ()):
            signal.set()

    def deliver_all(self) -> None:
        """Wake everybody, as something may have been missed."""
        for signals in self._listeners.values():
            for signal in signals:
                signal.set()

    def forward(self, to: Callable[[str], None] | None) -> None:
        """Call `to` with each topic that is notified here, so that it gets to other processes."""
        self._forward = to

    @contextmanager
    def listen(self, *topics: str) -> Iterator[Signal]:
        """Listen to topics while the block runs; look at the database after this, and then wait."""
        signal = Signal()
        if self._closed:
            signal.close()
        for topic in topics:
            self._listeners.setdefault(topic, set()).add(signal)
        try:
            yield signal
        finally:
            for topic in set(topics):
                listening = self._listeners[topic]
                listening.discard(signal)
                if not listening:
                    del self._listeners[topic]

    async def wait(self, topic: str, seconds: float) -> bool:
        """Wait for the next notification of a topic.

        What was notified before is not noticed: whoever has to look first uses `listen`.

        Args:
            topic: The topic.
            seconds: For how long at most.

        Returns:
            Whether it was notified; False if the time was up, or the server is shutting down.
        """
        with self.listen(topic) as signal:
            return await signal.wait(seconds)

    @property
    def is_closed(self) -> bool:
        """Whether the server is shutting down: nobody is to wait any longer."""
        return self._closed

    def close(self) -> None:
        """Let nobody wait any longer: the server is shutting down."""
        self._closed = True
        for signals in self._listeners.values():
            for signal in signals:
                signal.close()
