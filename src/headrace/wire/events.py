"""What happens in a flow run, as its process reports it, and what it is answered.

A process numbers its events from 1, without gaps, for its (attempt, nonce). What repeats is stored
once; after a gap nothing is stored, and the answer says from where to send again.
"""

from __future__ import annotations

import msgspec

from headrace.wire.base import Answer, Request


class _Event(msgspec.Struct, kw_only=True, omit_defaults=True, tag_field="event"):
    """Something that has happened in a flow run.

    Attributes:
        at: When it happened: seconds since 1970, UTC.
    """

    at: float


class TaskState(_Event, tag="task"):
    """A task run has a new state.

    Attributes:
        slug: The task's slug.
        map_index: The child of a mapped task; -1 for the task itself.
        type: The state's type, such as `Success`.
        message: What the state says.
        started: When its function began, if no `Running` event has said it: a short run is reported
            once, when it is over.
        ended: When it ended, if that was in an earlier attempt, from which it is taken over.
        run_count: How often its function was called, this time included.
        name: The name of the task run, if it has one of its own.
        location: Where its result is stored.
        place: Where it ran, as `host:pid`.
        due: When it goes on, if it waits for a time; seconds since 1970, UTC.
        children: How many children it has, if it is `Mapped`.
        reused: Whether its result was taken over from an earlier attempt.
    """

    slug: str
    type: str
    map_index: int = -1
    message: str | None = None
    started: float | None = None
    ended: float | None = None
    run_count: int = 1
    name: str | None = None
    location: str | None = None
    place: str | None = None
    due: float | None = None
    children: int | None = None
    reused: bool = False


class FlowState(_Event, tag="flow"):
    """The flow run has a new state.

    A finished type ends it: nothing may follow. `Scheduled` with a time, or `Paused`, parks it: the
    process ends, and another attempt goes on at that time, or when a person resumes it.

    Attributes:
        type: The state's type.
        message: What the state says.
        due: When a parked run goes on; seconds since 1970, UTC; None when a person has to say.
        ordered: Whether it parks as it was told to pause. If the order was withdrawn in the
            meantime, another attempt goes on at once.
    """

    type: str
    message: str | None = None
    due: float | None = None
    ordered: bool = False


class LogLine(_Event, tag="log"):
    """A log line, or several lines of a process's output.

    Attributes:
        level: The level's number, as in `logging`.
        logger: The logger's name; `stdout` or `stderr` for a process's output.
        message: The text.
        slug: The task that wrote it, if one did.
        map_index: The child of a mapped task; -1 for the task itself.
    """

    message: str
    level: int = 20
    logger: str = "headrace"
    slug: str | None = None
    map_index: int = -1


class Renamed(_Event, tag="renamed"):
    """The flow run has a new name.

    Attributes:
        name: The name.
    """

    name: str


Event = TaskState | FlowState | LogLine | Renamed


class EventBatch(Request):
    """Events of a flow run; none at all only renew the lease.

    Attributes:
        attempt: The attempt that sends them.
        nonce: What its process calls itself.
        first: The number of the first event.
        events: The events, in order.
        wait: For how many seconds the answer may be held back until there is an order.
    """

    attempt: int
    nonce: str
    first: int = 1
    events: list[Event] = []
    wait: float = 0.0


class RawEventBatch(Request):
    """An `EventBatch` whose events are still bytes: what forwards them need not read them."""

    attempt: int
    nonce: str
    first: int = 1
    events: list[msgspec.Raw] = []
    wait: float = 0.0


class EventAnswer(Answer):
    """What became of a batch, and what the process is to do.

    Attributes:
        stored: Up to which number the events are stored durably.
        lease: For how many seconds, from when it asked, the process owns the run.
        refused: Why the run is not the process's any more: it starts nothing new, and stops. One of
            `superseded`, `twin`, `finished`.
        cancel: Why the run is to be cancelled, if it is.
        pause: Why the run is to be paused, if it is: nothing new starts, and it parks.
    """

    stored: int
    lease: float = 0.0
    refused: str | None = None
    cancel: str | None = None
    pause: str | None = None
