"""Runs in the runner's process that belong there, beside whatever the executor does elsewhere.

Each has a thread of its own while it lasts: as a rule it waits for the server, or for another flow
run, which must hold up neither the dispatcher nor a slot of the executor.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final

from headrace.core.errors import SerializationError, ValueLost
from headrace.engine.chunk import run_chunk
from headrace.engine.timeouts import raise_in_thread
from headrace.executors.base import Ended, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from headrace.engine.chunk import Chunk
    from headrace.engine.flight import Flight
    from headrace.executors.base import Event, Executor

MOST_THREADS: Final = 32  #: runs that are under way at the same time; the others wait their turn


class Home:
    """The threads of one flow run.

    Args:
        executor: Brings what its workers have kept.
        channel: Takes what is to be said of the runs, as that of an executor does.

    Attributes:
        flights: Those that the dispatcher has not heard the end of, by key.
    """

    def __init__(self, executor: Executor, channel: Callable[[Event], None]) -> None:
        self._executor = executor
        self._channel = channel
        self._lock = threading.Lock()
        self._busy: set[int] = set()
        self.flights: dict[str, Flight] = {}

    @property
    def has_room(self) -> bool:
        """Whether another run may begin."""
        return len(self.flights) < MOST_THREADS

    def begin(self, flight: Flight, chunk: Chunk, uses: Sequence[tuple[int, int]]) -> None:
        """Run a chunk of one step, in a thread that the process does not wait for at its end.

        Args:
            flight: The chunk's flight.
            chunk: The chunk.
            uses: What of that which its needs have kept is used: which need, and which position.
        """
        self.flights[flight.key] = flight
        threading.Thread(
            target=self._work, args=(flight, chunk, uses), name="headrace-home", daemon=True
        ).start()

    def leave(self, flight: Flight) -> None:
        """Take note that a flight is over."""
        self.flights.pop(flight.key, None)

    def cancel(self) -> None:
        """Raise `KeyboardInterrupt` in the threads, at their next line of Python."""
        with self._lock:
            for ident in self._busy:
                raise_in_thread(ident, KeyboardInterrupt)

    # -- in a thread --------------------------------------------------------------------------

    def _work(self, flight: Flight, chunk: Chunk, uses: Sequence[tuple[int, int]]) -> None:
        error: BaseException | None = None
        ident = threading.get_ident()
        try:
            with self._lock:
                self._busy.add(ident)
            try:
                outcomes, _ = run_chunk(chunk, self._held(flight, uses))
                self._channel(Report(flight.key, outcomes))
            except BaseException as raised:  # noqa: BLE001 - whatever it was, it is the dispatcher's
                error = raised
            with self._lock:
                self._busy.discard(ident)
        except KeyboardInterrupt as interrupt:
            # It came just before or just after. There is no second: `cancel` asks who is busy.
            error = error or interrupt
            self._busy.discard(ident)
        self._channel(Ended(flight.key, error))

    def _held(self, flight: Flight, uses: Sequence[tuple[int, int]]) -> list[Mapping[int, Any]]:
        """Bring here what stayed on workers and is needed.

        Raises:
            ValueLost: If some of it is gone.
            SerializationError: If some of it cannot travel.
        """
        if not flight.needs:
            return []
        values = self._executor.gather([need.handle for need in flight.needs])
        lost = [value for value in values if isinstance(value, ValueLost)]
        if lost:
            raise ValueLost(lost[0].worker, tuple(key for each in lost for key in each.keys))
        for need, position in uses:
            value = values[need][position]
            if isinstance(value, SerializationError):
                raise SerializationError(
                    f"An input cannot be brought to the runner's process, where the task runs: {value}"
                )
        return values
