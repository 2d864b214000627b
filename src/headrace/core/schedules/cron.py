"""The clock that ticks by a cron expression."""

from __future__ import annotations

import datetime
import re
from collections import deque
from typing import TYPE_CHECKING, Final

from headrace.core.errors import CronError, ScheduleTypeError
from headrace.core.schedules.base import TimesClock
from headrace.core.schedules.wall import UTC, occurrence, set_back, wall_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_HOUR_FIELD: Final = 1
#: `R` in a field draws a number; each question about the schedule would get another answer.
_RANDOM_FIELD: Final = re.compile(r"(?:^|\s)r(?=[\s(/]|$)", re.IGNORECASE)
_ALIASES: Final = frozenset(
    ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"]
)
#: The fields in order, each with the values it takes.
_FIELDS: Final = (
    ("minute", "0 to 59"),
    ("hour", "0 to 23"),
    ("day of the month", "1 to 31, or L for the last"),
    ("month", "1 to 12, or jan to dec"),
    ("day of the week", "0 to 7, or sun to sat; both 0 and 7 are Sunday"),
    ("second", "0 to 59"),
    ("year", "1970 to 2099"),
)
#: A date comes back within 40 years (29 February on a given weekday, around 2100).
_LONGEST_WAIT_YEARS: Final = 200


class CronClock(TimesClock):
    """A clock that ticks whenever the wall clock of its zone matches a cron expression.

    The expression has five fields (minute, hour, day of the month, month, day of the week, where
    0 and 7 are Sunday), or six (a second at the end), or seven (a year after that); or it is one of
    `@hourly @daily @midnight @weekly @monthly @yearly @annually`. Beyond numbers, lists, ranges and
    steps there are names (`mon`, `jan`), `L` (the last day of the month), `L5` (its last Friday),
    `2#3` (its third Tuesday) and `15W` (the working day nearest to the 15th).

    Across a change of the clocks in the zone of `start_date`:

    - An expression for *every hour* (its hour field is `*`, or all 24) ticks at each instant at
      which the wall clock matches. `0 * * * *` ticks each absolute hour, `*/15 * * * *` each
      quarter: no pause and no rush when the clocks change.
    - Any other expression names times of the day, and each ticks once a day. A time that does not
      exist on a day ticks at the first instant after the gap: `30 2 * * *` ticks at 3:00 on the day
      on which 2:00 becomes 3:00. A time that comes twice ticks at the first. A date that the
      zone leaves out has no tick.

    Args:
        cron: The cron expression.
        start_date: No event is earlier than this; its zone is the one that is followed, UTC by
            default.
        end_date: No event is later than this.
        parameter_defaults: Parameters for the flow runs that the clock starts.
        labels: Labels for the flow runs that the clock starts.
        day_or: Where both a day of the month and a day of the week are given: True ticks when
            either matches, as cron does; False when both do (`0 0 1-7 * 2`: the first Tuesday).
            By default True.

    Raises:
        ScheduleTypeError: If `cron` is no string.
        CronError: If it is no valid expression, or no date ever matches it (`0 0 31 2 *`).
    """

    def __init__(
        self,
        cron: str,
        start_date: datetime.datetime | None = None,
        end_date: datetime.datetime | None = None,
        parameter_defaults: dict[str, Any] | None = None,
        labels: list[str] | None = None,
        day_or: bool | None = None,
    ) -> None:
        if not isinstance(cron, str):
            raise ScheduleTypeError(f"A cron expression must be a string, not {cron!r}.")
        super().__init__(start_date, end_date, parameter_defaults, labels)
        self.cron = cron
        self.day_or = True if day_or is None else bool(day_or)
        self._every_hour = _check(cron, self.day_or)

    def __repr__(self) -> str:
        return f"<CronClock {self.cron!r} in {self.zone}>"

    def _times(self, after: datetime.datetime) -> Iterator[datetime.datetime]:
        zone = self.zone
        times = self._every_match(after) if self._every_hour else self._once_a_day(after)
        latest = after
        for time in times:
            if time > latest:
                latest = time
                yield time.astimezone(zone)

    def _once_a_day(self, after: datetime.datetime) -> Iterator[datetime.datetime]:
        """Yield the one instant of each matching wall-clock time, in order, from about `after`."""
        zone = self.zone
        for wall in self._walls(wall_of(after.astimezone(zone))):
            time = occurrence(wall, zone)
            if time is not None:
                yield time

    def _every_match(self, after: datetime.datetime) -> Iterator[datetime.datetime]:
        """Yield each instant whose wall clock matches, in order, from about `after`."""
        zone = self.zone
        local = after.astimezone(zone)
        begin = wall_of(local)
        if local.fold == 0:
            # If `after` is in the first pass of an overlap, earlier wall-clock times come again.
            begin -= set_back(local)
        # The wall goes through an overlap once, with two instants for each time: those of the
        # second pass wait here until the wall has come as far.
        second_pass: deque[datetime.datetime] = deque()
        for wall in self._walls(begin):
            local = wall.replace(tzinfo=zone)
            time = local.astimezone(UTC)
            if wall_of(time.astimezone(zone)) != wall:
                continue  # a time that does not exist matches nothing
            while second_pass and second_pass[0] < time:
                yield second_pass.popleft()
            yield time
            again = local.replace(fold=1).astimezone(UTC)
            if again > time:
                second_pass.append(again)
        yield from second_pass

    def _walls(self, after: datetime.datetime) -> Iterator[datetime.datetime]:
        """Yield the matching wall-clock times later than `after`, all naive."""
        from croniter import CroniterBadDateError, croniter

        # Naive times keep croniter away from time zones. It counts in seconds; from the last full
        # one, no match is lost.
        matches = croniter(
            self.cron,
            after.replace(microsecond=0),
            day_or=self.day_or,
            max_years_between_matches=_LONGEST_WAIT_YEARS,
        )
        while True:
            try:
                yield matches.get_next(datetime.datetime)
            except CroniterBadDateError:
                return

    def _serialize_own(self) -> dict[str, Any]:
        return {"cron": self.cron, "day_or": self.day_or, **super()._serialize_own()}


def _check(cron: str, day_or: bool) -> bool:
    """Check a cron expression, and tell whether it is one for every hour.

    Raises:
        CronError: If it is not valid, or no date ever matches.
    """
    from croniter import CroniterBadDateError, CroniterError, croniter

    if _RANDOM_FIELD.search(cron):
        raise CronError(cron, "'R' draws its times anew each time they are asked for")
    count = len(cron.split())
    if cron.startswith("@"):
        if cron.lower() not in _ALIASES:
            raise CronError(cron, f"there is no such name; there are {' '.join(sorted(_ALIASES))}")
    elif count not in {5, 6, 7}:
        raise CronError(
            cron,
            f"a cron expression has 5 fields (minute hour day month weekday), optionally a second "
            f"and a year, and this has {count}",
        )
    try:
        fields, _ = croniter.expand(cron)
        before_all = datetime.datetime(1969, 12, 31)  # noqa: DTZ001 - a wall-clock time
        croniter(
            cron, before_all, day_or=day_or, max_years_between_matches=_LONGEST_WAIT_YEARS
        ).get_next(datetime.datetime)
    except CroniterBadDateError:
        raise CronError(cron, "no date ever matches it, so it would never fire") from None
    except (CroniterError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise CronError(cron, _reason(cron, error)) from error
    return fields[_HOUR_FIELD] == ["*"]


def _reason(cron: str, error: Exception) -> str:
    """Say which field of an expression is wrong; croniter's own messages seldom do."""
    from croniter import croniter

    fields = cron.split()
    for position, field in enumerate(fields):
        alone = ["*"] * len(fields)
        alone[position] = field
        if not croniter.is_valid(" ".join(alone)):
            name, values = _FIELDS[position]
            return f"{field!r} is nothing that the field for the {name} can hold; it takes {values}"
    return " ".join(str(error).split()).rstrip(".")
