"""What a clock is, and the events it gives."""

from __future__ import annotations

import datetime
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Final

from headrace.core.dates import shown
from headrace.core.errors import ScheduleError, ScheduleSerializationError, ScheduleTypeError
from headrace.core.now import now
from headrace.core.schedules.wall import (
    EARLIEST,
    UTC,
    aware,
    deserialize_time,
    moved,
    serialize_time,
    utc,
)
from headrace.core.undefined import undefined

if TYPE_CHECKING:
    from typing import Any, Self

#: The finest step of time; the difference between "after" and "from".
TICK: Final = datetime.timedelta(microseconds=1)


class ClockEvent:
    """A time at which a flow run is to start, with what that run is given.

    Events compare by their instants, with events as with datetimes; two events are equal if their
    parameters and labels are equal too.

    Args:
        start_time: When the flow run is to start; a naive datetime counts as UTC.
        parameter_defaults: Parameters for the flow run.
        labels: Labels for the flow run.
    """

    __slots__ = ("_start_time", "instant", "labels", "parameter_defaults")

    def __init__(
        self,
        start_time: datetime.datetime,
        parameter_defaults: dict[str, Any] | None = None,
        labels: list[str] | None = None,
    ) -> None:
        self._start_time = aware(start_time, "an event's start_time")
        self.parameter_defaults = parameter_defaults or {}
        self.labels = labels
        #: `start_time` in UTC: what events are compared by.
        self.instant = utc(self._start_time)

    @property
    def start_time(self) -> datetime.datetime:
        """When the flow run is to start: an aware datetime, in the zone of the clock."""
        return shown(self._start_time)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, datetime.datetime):
            return self.instant == _instant(other)
        if not isinstance(other, ClockEvent):
            return NotImplemented
        return (
            self.instant == other.instant
            and self.parameter_defaults == other.parameter_defaults
            and self.labels == other.labels
        )

    def __hash__(self) -> int:
        return hash(self.instant)

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, (ClockEvent, datetime.datetime)):
            return NotImplemented
        return self.instant < _instant(other)

    def __gt__(self, other: object) -> bool:
        if not isinstance(other, (ClockEvent, datetime.datetime)):
            return NotImplemented
        return self.instant > _instant(other)

    def __repr__(self) -> str:
        parts = [self.start_time.isoformat()]
        if self.parameter_defaults:
            parts.append(f"parameter_defaults={self.parameter_defaults!r}")
        if self.labels is not None:
            parts.append(f"labels={self.labels!r}")
        return f"ClockEvent({', '.join(parts)})"


def _instant(value: ClockEvent | datetime.datetime) -> datetime.datetime:
    if isinstance(value, ClockEvent):
        return value.instant
    return utc(aware(value, "the other time"))


class Clock:
    """The base of all clocks: something that gives events, in order of their times.

    A clock of your own overrides `events`.

    Args:
        start_date: The first moment at which the clock may give an event; naive means UTC. The
            clock follows the wall clock of its zone.
        end_date: The last moment at which it may; naive means UTC.
        parameter_defaults: Parameters for the flow runs that the clock starts.
        labels: Labels for the flow runs that the clock starts.

    Raises:
        ScheduleTypeError: If an argument is of the wrong kind.
        ScheduleError: If `end_date` comes before `start_date`.
    """

    def __init__(
        self,
        start_date: datetime.datetime | None = None,
        end_date: datetime.datetime | None = None,
        parameter_defaults: dict[str, Any] | None = None,
        labels: list[str] | None = None,
    ) -> None:
        name = type(self).__name__
        self.start_date = None if start_date is None else aware(start_date, f"{name}'s start_date")
        self.end_date = None if end_date is None else aware(end_date, f"{name}'s end_date")
        if self.start_date and self.end_date and utc(self.end_date) < utc(self.start_date):
            raise ScheduleError(
                f"{name}'s end_date {self.end_date} comes before its start_date {self.start_date}."
            )
        if parameter_defaults is not None and not isinstance(parameter_defaults, Mapping):
            raise ScheduleTypeError(
                f"{name}'s parameter_defaults must be a dict, not {parameter_defaults!r}."
            )
        self.parameter_defaults = dict(parameter_defaults or {})
        self.labels = _labels(labels, name)

    def events(self, after: datetime.datetime | None = None) -> Iterable[ClockEvent]:
        """Return the clock's events, in order, without end unless it has one.

        Args:
            after: All events are later than this; by default, than now. Naive means UTC.

        Raises:
            NotImplementedError: If a kind of clock does not say how.
        """
        raise undefined(
            self, "events", "a method that gives the ClockEvents after a time, in order"
        )

    def serialize(self) -> dict[str, Any]:
        """Return the clock as a JSON-able dict.

        Raises:
            ScheduleSerializationError: If the clock, or one of its parameters, has no such form.
            ZoneError: If a time's zone has no name.
        """
        raise ScheduleSerializationError(
            f"A clock of your own, {type(self).__name__}, runs locally but cannot be stored. Use "
            f"the clocks of headrace.schedules.clocks, or give it `serialize` and `deserialize`."
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class TimesClock(Clock, ABC):
    """The base of Headrace's own clocks: a kind of clock only says its times.

    Args:
        start_date: See `Clock`.
        end_date: See `Clock`.
        parameter_defaults: See `Clock`.
        labels: See `Clock`.
    """

    @property
    def zone(self) -> datetime.tzinfo:
        """The zone whose wall clock this clock follows: its start date's, else UTC."""
        zone = None if self.start_date is None else self.start_date.tzinfo
        return zone or UTC

    def events(self, after: datetime.datetime | None = None) -> Iterator[ClockEvent]:
        """Yield the clock's events, in order, without end unless it has one.

        Each event's `start_time` is aware, in the clock's zone.

        Args:
            after: All events are later than this; by default, than now. Naive means UTC.
        """
        begin = max(now() if after is None else utc(aware(after, "after")), EARLIEST)
        if self.start_date is not None:
            begin = max(begin, moved(utc(self.start_date), -TICK))
        end = None if self.end_date is None else utc(self.end_date)
        try:
            for time in self._times(begin):
                if end is not None and time > end:
                    return
                yield ClockEvent(time, self.parameter_defaults, self.labels)
        except OverflowError:
            # Past the last year that a datetime can hold.
            return

    @abstractmethod
    def _times(self, after: datetime.datetime) -> Iterator[datetime.datetime]:
        """Yield the clock's times after the UTC time `after`, strictly rising, in their zone."""

    def serialize(self) -> dict[str, Any]:
        """Return the clock as a JSON-able dict.

        Raises:
            ScheduleSerializationError: If one of its parameters has no such form.
            ZoneError: If a time's zone has no name.
        """
        return {
            "type": type(self).__name__,
            **self._serialize_own(),
            "parameter_defaults": _jsonable(self.parameter_defaults),
            "labels": self.labels,
        }

    def _serialize_own(self) -> dict[str, Any]:
        return {
            "start_date": None if self.start_date is None else serialize_time(self.start_date),
            "end_date": None if self.end_date is None else serialize_time(self.end_date),
        }

    @classmethod
    def deserialize(cls, blob: Mapping[str, Any]) -> Self:
        """Make a clock from what `serialize` returned.

        Raises:
            ScheduleSerializationError: If `blob` is not what `serialize` returns.
            ScheduleError: If what it says makes no clock.
        """
        arguments = {key: value for key, value in blob.items() if key != "type"}
        for name in ("start_date", "end_date"):
            if arguments.get(name) is not None:
                arguments[name] = deserialize_time(arguments[name])
        try:
            cls._deserialize_own(arguments)
            return cls(**arguments)
        except (KeyError, TypeError) as error:
            if isinstance(error, ScheduleError):
                raise
            raise ScheduleSerializationError(
                f"This is no serialised {cls.__name__}: {dict(blob)!r} ({error})."
            ) from None

    @classmethod
    def _deserialize_own(cls, arguments: dict[str, Any]) -> None:
        """Turn a kind's own serialised arguments into those of its constructor, in place."""


def _labels(labels: object, owner: str) -> list[str] | None:
    if labels is None:
        return None
    if isinstance(labels, str) or not isinstance(labels, Iterable):
        raise ScheduleTypeError(f"{owner}'s labels must be a list of strings, not {labels!r}.")
    found = list(labels)
    for label in found:
        if not isinstance(label, str):
            raise ScheduleTypeError(f"{owner}'s labels must be strings, and {label!r} is not.")
    return found


def _jsonable(parameters: dict[str, Any]) -> dict[str, Any]:
    import json

    for name, value in parameters.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError) as error:
            raise ScheduleSerializationError(
                f"The parameter default {name!r} of a clock cannot be stored, because it is no "
                f"JSON value: {error}."
            ) from None
    return dict(parameters)
