"""Takes events of flow runs from requests to the database, and orders back."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from headrace.core import states
from headrace.core.state import State
from headrace.server.db.ingest import Delivery, ingest
from headrace.server.db.processes import orders_for
from headrace.server.problems import Refusal
from headrace.server.rules.batches import ENDINGS, PARKED, TOLD, ends_attempt, parked
from headrace.server.rules.texts import LONGEST, storable, storable_or_none
from headrace.wire.events import (
    Event,
    EventAnswer,
    EventBatch,
    FlowState,
    LogLine,
    Renamed,
    TaskState,
)

if TYPE_CHECKING:
    from headrace.server.parts import Parts

#: How many events one batch may hold.
MOST_EVENTS = 10_000
#: Whole numbers that the tables can hold.
_LARGEST = 2**31 - 1
_LARGEST_NUMBER = 2**62
#: The year 10000, which no datetime reaches.
_END_OF_TIME = 253_402_300_800.0
#: How long a slug, a name or a nonce may be.
_LONGEST_NAME = 1_000
#: How much of its lease a process that waits for orders may spend waiting.
_SHARE = 0.5
#: The shortest time between two looks for orders, in seconds.
_PAUSE = 0.1

#: What the metrics call an event.
_KINDS: dict[type, str] = {TaskState: "task", FlowState: "flow", LogLine: "log", Renamed: "flow"}
_TASK_TYPES = frozenset(
    name
    for name, kind in vars(states).items()
    if isinstance(kind, type) and issubclass(kind, State)
)
_FLOW_TYPES = ENDINGS.keys() | PARKED | TOLD
_decoder = msgspec.json.Decoder(EventBatch)


def decode(body: bytes) -> EventBatch:
    """Return the batch in the body of a request, fit to be stored.

    Args:
        body: The JSON of an `EventBatch`.

    Raises:
        Refusal: If anything in it is wrong; 400, or 413 if it holds too many events.
    """
    try:
        batch = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _invalid(str(error)) from error
    if len(batch.events) > MOST_EVENTS:
        raise Refusal(
            413,
            "too_many_events",
            f"The batch holds {len(batch.events)} events, and a batch may hold {MOST_EVENTS}. "
            f"Send them in several batches.",
        )
    if not 1 <= batch.attempt <= _LARGEST:
        raise _invalid(f"`attempt` is {batch.attempt}; attempts are numbered from 1")
    if not 1 <= batch.first <= _LARGEST_NUMBER:
        raise _invalid(f"`first` is {batch.first}; events are numbered from 1")
    # Few bodies hold what has to be changed, and the body, or a text's length, tells at once.
    has_nul = b"\\u0000" in body
    may_be_long = len(body) > LONGEST
    last = len(batch.events) - 1
    for position, event in enumerate(batch.events):
        if (wrong := _wrong(event, is_last=position == last)) is not None:
            raise _invalid(f"`events[{position}]`: {wrong}")
        if has_nul or (may_be_long and _is_long(event)):
            _make_storable(event)
    if has_nul or may_be_long:
        batch.nonce = storable(batch.nonce)
    return batch


async def take_events(parts: Parts, run_id: str, batch: EventBatch, size: int = 0) -> EventAnswer:
    """Store a batch of events; if it is empty and may wait, answer when there is an order.

    Args:
        parts: The server's parts.
        run_id: The flow run's id.
        batch: The batch, from `decode`.
        size: Of how many bytes it was made.

    Raises:
        Refusal: If there is no such flow run; 404.
        DatabaseError: If it was not stored.
    """
    delivery = Delivery(run_id, batch, parts.policy)
    if batch.wait <= 0 or batch.events:
        answer = await parts.database.write_grouped(ingest, delivery, size)
        if batch.events:
            _count(parts, delivery)
            parts.hub.notify(f"run:{run_id}")
            if answer.lease == 0 and answer.refused is None:
                parts.hub.notify(f"orders:{run_id}")
                if parked(batch):
                    # It is due at another time now, and may be claimed then.
                    parts.hub.notify("work")
        return answer
    until = time.monotonic() + min(
        batch.wait,
        parts.policy.lease.total_seconds() * _SHARE,
        parts.settings.longest_wait.total_seconds(),
    )
    # Listening begins before the record is read, so that no order is missed in between.
    with parts.hub.listen(f"orders:{run_id}") as signal:
        answer = await parts.database.write_grouped(ingest, delivery, size)
        while not _is_order(answer) and (left := until - time.monotonic()) > 0:
            if not await signal.wait(left):
                break
            orders = await parts.database.read(
                lambda connection: orders_for(connection, run_id, batch.attempt, batch.nonce)
            )
            answer = msgspec.structs.replace(
                answer, refused=orders.refused, cancel=orders.cancel, pause=orders.pause
            )
            # Orders that are for others, as for an earlier attempt, wake this too.
            await asyncio.sleep(min(_PAUSE, left) if not _is_order(answer) else 0)
    return answer


def _count(parts: Parts, delivery: Delivery) -> None:
    """Count what was new in a batch, for the metrics."""
    kinds = Counter(map(type, delivery.batch.events[-delivery.taken :] if delivery.taken else ()))
    for kind, count in kinds.items():
        parts.metrics.ingested.labels(_KINDS[kind]).inc(count)


def _is_order(answer: EventAnswer) -> bool:
    return not (answer.refused is None and answer.cancel is None and answer.pause is None)


def _invalid(what: str) -> Refusal:
    return Refusal(400, "invalid", f"The batch is refused as a whole: {what.removesuffix('.')}.")


def _wrong(event: Event, *, is_last: bool) -> str | None:
    """Return what is wrong with an event; None if nothing is."""
    if type(event) is LogLine:
        # Almost every event is a log line or a task's state: what is right is seen at once.
        if (
            0 <= event.at < _END_OF_TIME
            and 0 <= event.level <= _LARGEST
            and -1 <= event.map_index <= _LARGEST
            and (event.slug is None or len(event.slug) <= _LONGEST_NAME)
        ):
            return None
    elif (
        type(event) is TaskState
        and 0 <= event.at < _END_OF_TIME
        and event.type in _TASK_TYPES
        and -1 <= event.map_index <= _LARGEST
        and 0 < len(event.slug) <= _LONGEST_NAME
        and 0 <= event.run_count <= _LARGEST
        and (event.started is None or 0 <= event.started < _END_OF_TIME)
        and event.due is event.children is None
    ):
        return None
    if not 0 <= event.at < _END_OF_TIME:
        return f"`at` is {event.at}, which is no time in seconds since 1970"
    if isinstance(event, TaskState):
        return _wrong_task(event)
    if isinstance(event, LogLine):
        return _wrong_log(event)
    if isinstance(event, FlowState):
        if event.type not in _FLOW_TYPES:
            return (
                f"a flow run has no state {event.type!r}; it has {', '.join(sorted(_FLOW_TYPES))}"
            )
        if event.due is not None and not 0 <= event.due < _END_OF_TIME:
            return f"`due` is {event.due}, which is no time in seconds since 1970"
        if ends_attempt(event) and not is_last:
            return f"events follow the flow run's state {event.type!r}, after which there are none"
        return None
    if not event.name or len(event.name) > _LONGEST_NAME:
        return f"a name has 1 to {_LONGEST_NAME} characters, and this one {len(event.name)}"
    return None


def _wrong_task(event: TaskState) -> str | None:
    if event.type not in _TASK_TYPES:
        return f"there is no state {event.type!r}"
    if not -1 <= event.map_index <= _LARGEST:
        return f"`map_index` is {event.map_index}; it is -1, or the number of a child from 0"
    if not 0 < len(event.slug) <= _LONGEST_NAME:
        return f"a slug has 1 to {_LONGEST_NAME} characters, and this one {len(event.slug)}"
    if not 0 <= event.run_count <= _LARGEST:
        return f"`run_count` is {event.run_count}"
    if event.children is not None and not 0 <= event.children <= _LARGEST:
        return f"`children` is {event.children}"
    for name, moment in (("started", event.started), ("due", event.due)):
        if moment is not None and not 0 <= moment < _END_OF_TIME:
            return f"`{name}` is {moment}, which is no time in seconds since 1970"
    return None


def _wrong_log(event: LogLine) -> str | None:
    if not 0 <= event.level <= _LARGEST:
        return f"`level` is {event.level}"
    if not -1 <= event.map_index <= _LARGEST:
        return f"`map_index` is {event.map_index}; it is -1, or the number of a child from 0"
    if event.slug is not None and len(event.slug) > _LONGEST_NAME:
        return f"a slug has 1 to {_LONGEST_NAME} characters, and this one {len(event.slug)}"
    return None


def _is_long(event: Event) -> bool:
    """Tell whether any of its texts may be too long."""
    length = len(event.message or "") if not isinstance(event, Renamed) else 0
    if type(event) is LogLine:
        length += len(event.logger)
    elif type(event) is TaskState:
        length += len(event.location or "") + len(event.place or "") + len(event.name or "")
    return length > LONGEST


def _make_storable(event: Event) -> None:
    """Cut texts that are too long, and take out of them what cannot be stored."""
    if isinstance(event, Renamed):
        event.name = storable(event.name)
        return
    if isinstance(event, LogLine):
        event.message = storable(event.message)
        event.logger = storable(event.logger)
        event.slug = storable_or_none(event.slug)
        return
    event.message = storable_or_none(event.message)
    if isinstance(event, TaskState):
        event.slug = storable(event.slug)
        event.name = storable_or_none(event.name)
        event.location = storable_or_none(event.location)
        event.place = storable_or_none(event.place)
