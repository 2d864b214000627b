"""The clock that ticks by an iCalendar recurrence rule."""

from __future__ import annotations

import datetime
import heapq
from collections.abc import Iterator
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from headrace.core.errors import ScheduleError, ScheduleSerializationError, ScheduleTypeError
from headrace.core.schedules.base import TimesClock
from headrace.core.schedules.wall import (
    UTC,
    aware,
    deserialize_time,
    occurrence,
    serialize_time,
    utc,
    wall_of,
)

if TYPE_CHECKING:
    from dateutil.rrule import rrule, rrulebase, rruleset

#: An instant in UTC, and the zone of the rule that it comes from.
Tick = tuple[datetime.datetime, datetime.tzinfo]

_DAY: Final = datetime.timedelta(days=1)
#: The length of one step of each frequency that has a fixed one, by dateutil's numbers.
_STEPS: Final = {
    2: 7 * _DAY,
    3: _DAY,
    4: datetime.timedelta(hours=1),
    5: datetime.timedelta(minutes=1),
    6: datetime.timedelta(seconds=1),
}
#: The Gregorian calendar, days of the week included, repeats after 400 years of 146,097 days.
_CYCLE: Final = 146_097 * _DAY
#: A rule with no time in this many years is taken for one that has none.
_LONGEST_WAIT_YEARS: Final = 375
#: So many times that a set excludes, one after the other, end the search for one that it does not.
_EXCLUDED_LIMIT: Final = 10_000


class RRuleClock(TimesClock):
    """A clock that ticks by an iCalendar recurrence rule (RFC 5545) or a set of such rules.

    A rule is followed on the wall clock of the zone of its `dtstart`, whatever its frequency; a
    naive `dtstart` counts as UTC. A wall-clock time that does not exist on a day ticks at the first
    instant after the gap; one that comes twice ticks at the first of the two; a date that the zone
    leaves out has no tick.

    Args:
        rrule_obj: A `dateutil.rrule.rrule` or `rruleset`. The clock looks for times among at most
            10,000 that a set excludes in a row.
        start_date: No event is earlier than this.
        end_date: No event is later than this.
        parameter_defaults: Parameters for the flow runs that the clock starts.
        labels: Labels for the flow runs that the clock starts.

    Raises:
        ScheduleTypeError: If `rrule_obj` is neither.
        ScheduleError: If a rule has no time at all, or an interval less than 1.
    """

    def __init__(
        self,
        rrule_obj: rrulebase,
        start_date: datetime.datetime | None = None,
        end_date: datetime.datetime | None = None,
        parameter_defaults: dict[str, Any] | None = None,
        labels: list[str] | None = None,
    ) -> None:
        super().__init__(start_date, end_date, parameter_defaults, labels)
        _check(rrule_obj)
        self.rrule_obj = rrule_obj

    def __repr__(self) -> str:
        return f"<RRuleClock {_text(self.rrule_obj)}>"

    def _times(self, after: datetime.datetime) -> Iterator[datetime.datetime]:
        latest = after
        for time, zone in _ticks(self.rrule_obj, after):
            if time > latest:
                latest = time
                yield time.astimezone(zone)

    def _serialize_own(self) -> dict[str, Any]:
        return {"rrule": _serialize(self.rrule_obj), **super()._serialize_own()}

    @classmethod
    def _deserialize_own(cls, arguments: dict[str, Any]) -> None:
        arguments["rrule_obj"] = _deserialize(arguments.pop("rrule"))


# dateutil gives no public way to ask a rule what it was made of; the names with an underscore that
# are read below have been the same since its version 2.


def _is_set(rule: Any) -> bool:
    return hasattr(rule, "_exdate")


def _text(rule: Any) -> str:
    return "a set of rules" if _is_set(rule) else " ".join(str(rule).split())


def _check(rule: Any) -> None:
    """Check that a rule, or each rule of a set, has times.

    Raises:
        ScheduleTypeError: If it is neither.
        ScheduleError: If one has none, or an interval less than 1.
    """
    from dateutil.rrule import rrule, rruleset

    if isinstance(rule, rruleset):
        for member in [*rule._rrule, *rule._exrule]:  # type: ignore[attr-defined]
            _check(member)
        return
    if not isinstance(rule, rrule):
        raise ScheduleTypeError(
            f"RRuleClock takes a dateutil.rrule.rrule or rruleset, not {rule!r}."
        )
    plain: Any = rule
    if plain._interval < 1:
        raise ScheduleError(f"The rule {_text(rule)} never moves on: its interval is less than 1.")
    if not _has_times(plain):
        raise ScheduleError(f"The rule {_text(rule)} never fires: no date ever matches it.")


def _has_times(rule: Any) -> bool:
    """Tell whether a rule has any time, by looking at the last centuries of the calendar.

    dateutil searches up to the year 9999 without a pause; near that year it soon comes to an end.
    """
    if rule._freq in _STEPS and rule._bysetpos and _STEPS[rule._freq] < _DAY:
        # One period of such a rule holds so many times; a position beyond them is never reached,
        # and dateutil would try each period there is.
        minutes = len(rule._byminute) if rule._freq == 4 else 1
        seconds = len(rule._bysecond) if rule._freq < 6 else 1
        if all(abs(position) > minutes * seconds for position in rule._bysetpos):
            return False
    start = wall_of(rule._dtstart)
    cycles = (datetime.MAXYEAR - _LONGEST_WAIT_YEARS - start.year) // 400
    try:
        probe = rule.replace(
            dtstart=start + max(cycles, 0) * _CYCLE, until=None, count=None, cache=False
        )
        return next(iter(probe), None) is not None
    except ValueError:  # dateutil's word for hours and minutes that its steps never reach
        return False


def _ticks(rule: Any, after: datetime.datetime) -> Iterator[Tick]:
    """Yield the ticks of a rule or a set, in order; those at or before `after` may be left out."""
    return _set_ticks(rule, after) if _is_set(rule) else _rule_ticks(rule, after)


def _rule_ticks(rule: Any, after: datetime.datetime) -> Iterator[Tick]:
    start = aware(rule._dtstart, "a rule's dtstart")
    until = None if rule._until is None else utc(aware(rule._until, "a rule's until"))
    zone = start.tzinfo or UTC
    first = wall_of(start)
    step = _STEPS.get(rule._freq)
    if step is not None and rule._count is None:
        # dateutil goes through a rule from its start. A start that is a whole number of steps
        # later gives the same times; two days of slack are more than any change of the clocks.
        stride = rule._interval * step
        first += max((wall_of(after.astimezone(zone)) - first - 2 * _DAY) // stride, 0) * stride
    for wall in rule.replace(dtstart=first, until=None, cache=False):
        time = occurrence(wall, zone)
        if time is not None:
            if until is not None and time > until:
                return
            yield time, zone


def _set_ticks(rule: Any, after: datetime.datetime) -> Iterator[Tick]:
    included = _merged(rule._rrule, rule._rdate, after)
    excluded = _merged(rule._exrule, rule._exdate, after)
    exception = next(excluded, None)
    in_a_row = 0
    for tick in included:
        while exception is not None and exception[0] < tick[0]:
            exception = next(excluded, None)
        if exception is None or exception[0] != tick[0]:
            in_a_row = 0
            yield tick
        elif (in_a_row := in_a_row + 1) > _EXCLUDED_LIMIT:
            return


def _merged(
    rules: list[Any], dates: list[datetime.datetime], after: datetime.datetime
) -> Iterator[Tick]:
    own = [aware(date, "a date of a rule set") for date in dates]
    single = sorted(((utc(date), date.tzinfo or UTC) for date in own), key=itemgetter(0))
    return heapq.merge(single, *(_ticks(rule, after) for rule in rules), key=itemgetter(0))


def _serialize(rule: Any) -> dict[str, Any]:
    if _is_set(rule):
        return {
            "rules": [_serialize(member) for member in rule._rrule],
            "dates": [serialize_time(aware(date, "a date")) for date in rule._rdate],
            "exrules": [_serialize(member) for member in rule._exrule],
            "exdates": [serialize_time(aware(date, "a date")) for date in rule._exdate],
        }
    start = aware(rule._dtstart, "a rule's dtstart")
    until = None if rule._until is None else aware(rule._until, "a rule's until")
    return {
        # As text, a rule forgets its zone; its times are kept beside it.
        "rule": str(rule.replace(dtstart=wall_of(start), until=None)).partition("RRULE:")[2],
        "dtstart": serialize_time(start),
        "until": None if until is None else serialize_time(until),
    }


def _deserialize(blob: Any) -> rrule | rruleset:
    from dateutil.rrule import rruleset, rrulestr

    try:
        if "rule" in blob:
            start = deserialize_time(blob["dtstart"])
            rule: Any = rrulestr(blob["rule"], dtstart=wall_of(start))
            until = None if blob["until"] is None else deserialize_time(blob["until"])
            made: rrule = rule.replace(dtstart=start, until=until)
            return made
        found = rruleset()
        for member in blob["rules"]:
            found.rrule(_deserialize(member))  # type: ignore[arg-type]
        for member in blob["exrules"]:
            found.exrule(_deserialize(member))  # type: ignore[arg-type]
        for date in blob["dates"]:
            found.rdate(deserialize_time(date))
        for date in blob["exdates"]:
            found.exdate(deserialize_time(date))
        return found
    except ScheduleError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ScheduleSerializationError(
            f"This is no serialised recurrence rule: {blob!r} ({error})."
        ) from None
