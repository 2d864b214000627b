"""A runner's process, as its supervisor sees it."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from headrace.core.errors import ChannelError
from headrace.engine.channel import (
    EVENTS,
    RECEIVE_BYTES,
    FrameReader,
    Orders,
    final_state,
    orders_frame,
    run_frame,
    split_events,
)

if TYPE_CHECKING:
    from headrace.engine.runner_start import Spawn
    from headrace.wire.claims import RunDetails
    from headrace.wire.events import FlowState

#: How often a process is looked at that cannot be waited for.
_LOOK = 0.05


class Runner:
    """A runner's process and the supervisor's end of its channel.

    Args:
        pid: Its process id: a child of this process that leads a process group.
        channel: The supervisor's end.

    Attributes:
        final: The state that ends or parks the run, once it was reported.
        is_silent: Whether its end of the channel is closed.
        has_ended: Whether the process has ended, and everything it sent was taken.
    """

    def __init__(self, pid: int, channel: socket.socket) -> None:
        self.pid = pid
        self.final: FlowState | None = None
        self.is_silent = False
        self.has_ended = False
        self._channel = channel
        channel.setblocking(False)
        self._reader = FrameReader()
        self._unsent = b""
        self._term_at = self._kill_at = float("inf")
        self._was_asked = False
        self._selector = selectors.DefaultSelector()
        self._selector.register(channel, selectors.EVENT_READ)
        self._handle = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None
        if self._handle is not None:
            self._selector.register(self._handle, selectors.EVENT_READ)
        self._listened: socket.socket | None = None

    @classmethod
    def start(cls, spawn: Spawn, details: RunDetails, stdout: int, stderr: int) -> Self:
        """Start a runner and tell it what to run."""
        ours, theirs = socket.socketpair()
        with theirs:
            pid = spawn(theirs, stdout, stderr)
        runner = cls(pid, ours)
        runner._send(run_frame(details))
        return runner

    def wait(self, bell: socket.socket, seconds: float, take: Callable[[int, bytes], None]) -> None:
        """Wait until something happens, and take the events that have arrived.

        Args:
            bell: Ends the wait too, when something arrives there.
            seconds: How long to wait.
            take: Given each frame's number of events, and their JSON array.

        """
        if self._listened is None:
            bell.setblocking(False)
            self._selector.register(bell, selectors.EVENT_READ)
            self._listened = bell
        next_rung = self._kill_at if self._was_asked else self._term_at
        seconds = min(seconds, max(0.0, next_rung - time.monotonic()))
        if self._handle is None or self._unsent:
            seconds = min(seconds, _LOOK)
        ready = {key.fileobj for key, _ in self._selector.select(seconds)}
        if bell in ready:
            with contextlib.suppress(BlockingIOError):
                bell.recv(4096)
        ended = self._is_over()
        # Looked at before the channel is read: what a process has sent is there when it has ended.
        if self._channel in ready or ended:
            self._receive(take, everything=ended)
        self._send()
        self.has_ended = ended

    def tell(self, orders: Orders) -> bool:
        """Pass on orders; return False if the runner has not taken the last ones yet."""
        if self._unsent:
            return False
        self._send(orders_frame(orders))
        return True

    def end_by(self, grace: float, more: float) -> None:
        """End the process, if it does not end by itself. May be called again and again.

        Args:
            grace: After how many seconds, from the first call on, it gets SIGTERM.
            more: After how many more it is killed, with all processes of its group.
        """
        now = time.monotonic()
        self._term_at = min(self._term_at, now + grace)
        self._kill_at = min(self._kill_at, now + grace + more)
        if now >= self._kill_at:
            self._kill_at = now + 1.0
            self._signal_group(signal.SIGKILL)
        elif now >= self._term_at and not self._was_asked:
            self._was_asked = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def reap(self) -> int:
        """Take note of how the process ended, after it was killed if it still runs.

        What is left of its group goes too, unless it has ended by itself and in order.

        Returns:
            Its exit code; a signal's number below zero.
        """
        if not self.has_ended:
            self._signal_group(signal.SIGKILL)
        elif self.final is None:
            # While it is not reaped, its id is no other process's.
            self._signal_group(signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        self._selector.close()
        if self._handle is not None:
            os.close(self._handle)
        self._channel.close()
        return os.waitstatus_to_exitcode(status)

    # -- within -------------------------------------------------------------------------------

    def _is_over(self) -> bool:
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return found is not None

    def _receive(self, take: Callable[[int, bytes], None], everything: bool) -> None:
        while not self.is_silent:
            try:
                data = self._channel.recv(RECEIVE_BYTES)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                self._hang_up()
                break
            try:
                for kind, payload in self._reader.feed(data):
                    if kind == EVENTS:
                        self._take(payload, take)
            except ChannelError:
                # Nothing that follows can be understood; the process ends without an ending.
                self._hang_up()
                break
            if not everything:
                break

    def _take(self, payload: bytes, take: Callable[[int, bytes], None]) -> None:
        count, array = split_events(payload)
        take(count, array)
        self.final = final_state(array) or self.final

    def _hang_up(self) -> None:
        self.is_silent = True
        self._selector.unregister(self._channel)

    def _send(self, data: bytes = b"") -> None:
        """Send as much as the runner takes; one that holds still must not hold its supervisor."""
        self._unsent += data
        if self.is_silent:
            self._unsent = b""
        while self._unsent:
            try:
                sent = self._channel.send(self._unsent)
            except BlockingIOError:
                return
            except OSError:
                self._unsent = b""
                return
            self._unsent = self._unsent[sent:]

    def _signal_group(self, number: int) -> None:
        for kill, target in ((os.killpg, self.pid), (os.kill, self.pid)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(target, number)
