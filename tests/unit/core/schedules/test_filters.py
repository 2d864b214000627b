import datetime
import pickle
from datetime import UTC, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from headrace.core.errors import ScheduleError, ScheduleTypeError
from headrace.core.schedules import adjustments, filters

NEW_YORK = ZoneInfo("America/New_York")


def at(*args: int) -> datetime.datetime:
    return datetime.datetime(*args, tzinfo=UTC)


def local(*args: int, fold: int = 0) -> datetime.datetime:
    return datetime.datetime(*args, tzinfo=NEW_YORK, fold=fold)


@pytest.mark.parametrize(
    ("passes", "when", "expected"),
    [
        (filters.on_datetime(at(2024, 1, 1, 5)), at(2024, 1, 1, 5), True),
        (filters.on_datetime(at(2024, 1, 1, 5)), local(2024, 1, 1), True),
        (filters.on_datetime(at(2024, 1, 1, 5)), datetime.datetime(2024, 1, 1, 5), True),
        (filters.on_datetime(at(2024, 1, 1, 5)), at(2024, 1, 1, 5, 0, 1), False),
        # The wall clock is the same, the instant is not.
        (filters.on_datetime(local(2024, 11, 3, 1, 30)), local(2024, 11, 3, 1, 30, fold=1), False),
        (filters.on_date(3, 4), at(2024, 3, 4, 23, 59), True),
        (filters.on_date(3, 4), at(1999, 3, 4), True),
        (filters.on_date(3, 4), at(2024, 4, 3), False),
        (filters.on_date(2, 29), at(2024, 2, 29), True),
        (filters.at_time(time(3, 30)), at(2024, 1, 1, 3, 30), True),
        (filters.at_time(time(3, 30)), local(2024, 1, 1, 3, 30), True),
        (filters.at_time(time(3, 30)), at(2024, 1, 1, 3, 30, 1), False),
        (filters.between_datetimes(at(2024, 1, 1), at(2024, 1, 2)), at(2024, 1, 1), True),
        (filters.between_datetimes(at(2024, 1, 1), at(2024, 1, 2)), local(2024, 1, 1, 19), True),
        (filters.between_datetimes(at(2024, 1, 1), at(2024, 1, 2)), at(2024, 1, 2, 0, 0, 1), False),
        (filters.between_dates(5, 31, 6, 2), at(2024, 6, 1), True),
        (filters.between_dates(6, 1, 6, 1), at(2024, 6, 1, 12), True),
        (filters.between_dates(6, 2, 7, 1), at(2024, 6, 1), False),
        (filters.between_dates(11, 1, 7, 1), at(2024, 6, 1), True),
        (filters.between_dates(6, 2, 5, 31), at(2024, 6, 1), False),
        (filters.between_dates(6, 20, 6, 10), at(2024, 6, 15), False),
        (filters.between_dates(6, 20, 6, 10), at(2024, 12, 15), True),
        (filters.between_dates(2, 1, 2, 31), at(2024, 2, 29), True),
        (filters.between_times(time(5), time(7)), at(2024, 1, 1, 6), True),
        (filters.between_times(time(6), time(6)), at(2024, 1, 1, 6), True),
        (filters.between_times(time(7), time(5)), at(2024, 1, 1, 6), False),
        (filters.between_times(time(22), time(5)), at(2024, 1, 1, 23), True),
        (filters.between_times(time(22), time(5)), at(2024, 1, 1, 5), True),
        (filters.is_day_of_week(0), at(2024, 1, 1), True),  # a Monday
        (filters.is_day_of_week(6), at(2024, 1, 7), True),  # a Sunday
        (filters.is_day_of_week(0), at(2024, 1, 7), False),
        (filters.is_weekday, at(2024, 1, 5), True),
        (filters.is_weekday, at(2024, 1, 6), False),
        (filters.is_weekend, at(2024, 1, 6), True),
        (filters.is_weekend, at(2024, 1, 5), False),
        (filters.is_month_start, at(2024, 2, 1, 5), True),
        (filters.is_month_start, at(2024, 2, 2), False),
        (filters.is_month_end, at(2024, 2, 29), True),
        (filters.is_month_end, at(2024, 2, 28), False),
        (filters.is_month_end, at(2023, 2, 28), True),
        (filters.is_month_end, at(2023, 12, 31, 23), True),
    ],
)
def test_filters(passes, when, expected) -> None:
    assert passes(when) is expected


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: filters.on_datetime("now"), ScheduleTypeError, "on_datetime's dt must be a datetime"),
        (lambda: filters.on_date(2, 30), ScheduleError, r"on_date\(2, 30\) would never .* no such date"),
        (lambda: filters.on_date(13, 1), ScheduleError, "not 13, 1"),
        (lambda: filters.on_date("3", 4), ScheduleTypeError, "on_date's month must be an int, not '3'"),
        (lambda: filters.on_date(3, True), ScheduleTypeError, "on_date's day must be an int, not True"),
        (lambda: filters.between_dates(1, 1, 0, 5), ScheduleError, "between_dates takes months"),
        (lambda: filters.between_dates(1, 32, 2, 5), ScheduleError, "not 1, 32"),
        (lambda: filters.at_time("03:30"), ScheduleTypeError, "at_time's t must be a datetime.time"),
        (lambda: filters.at_time(time(3, tzinfo=UTC)), ScheduleTypeError, "must have no zone"),
        (lambda: filters.between_times(time(3), 5), ScheduleTypeError, "between_times' end .* not 5"),
        (lambda: filters.between_datetimes(at(2024, 1, 1), None), ScheduleTypeError, "between_datetimes' end"),
        (lambda: filters.is_day_of_week(7), ScheduleError, "0 .Monday. to 6 .Sunday., and 7"),
        (lambda: filters.is_day_of_week("mon"), ScheduleTypeError, "must be an int, not 'mon'"),
        (lambda: adjustments.add(5), ScheduleTypeError, "add takes a datetime.timedelta, not 5"),
        (lambda: adjustments.next_weekday("soon"), ScheduleTypeError, "must be a datetime"),
    ],
)  # fmt: skip
def test_bad_input_is_named(make, error, message) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("adjust", "when", "expected"),
    [
        (adjustments.add(timedelta(hours=3)), at(2024, 1, 1), "2024-01-01T03:00:00+00:00"),
        (adjustments.add(timedelta(days=-1)), at(2024, 1, 1), "2023-12-31T00:00:00+00:00"),
        # Less than a day is elapsed time, more follows the wall.
        (adjustments.add(timedelta(hours=3)), local(2024, 3, 10), "2024-03-10T04:00:00-04:00"),
        (adjustments.add(timedelta(days=1)), local(2024, 3, 9, 9), "2024-03-10T09:00:00-04:00"),
        (adjustments.add(timedelta(days=1)), local(2024, 3, 9, 2, 30), "2024-03-10T03:00:00-04:00"),
        (adjustments.add(timedelta(hours=1)), local(2024, 11, 3, 1), "2024-11-03T01:00:00-05:00"),
        (adjustments.next_weekday, at(2024, 1, 5, 9), "2024-01-05T09:00:00+00:00"),
        (adjustments.next_weekday, at(2024, 1, 6, 9), "2024-01-08T09:00:00+00:00"),
        (adjustments.next_weekday, at(2024, 1, 7, 9), "2024-01-08T09:00:00+00:00"),
        (adjustments.next_weekday, local(2024, 3, 9, 2, 30), "2024-03-11T02:30:00-04:00"),
        (adjustments.next_weekday, datetime.datetime(2024, 1, 6), "2024-01-08T00:00:00+00:00"),
    ],
)
def test_adjustments(adjust, when, expected) -> None:
    assert adjust(when).isoformat() == expected


def test_filters_compare_by_what_they_say_and_show_it() -> None:
    assert filters.at_time(time(9)) == filters.at_time(time(9))
    assert len({filters.at_time(time(9)), filters.at_time(time(9)), filters.at_time(time(8))}) == 2
    assert filters.on_date(1, 2) != filters.on_date(2, 1)
    assert filters.on_date(1, 2) != "on_date"
    assert repr(filters.on_date(1, 2)) == "on_date(month=1, day=2)"


@pytest.mark.parametrize("function", [filters.at_time(time(9)), adjustments.add(timedelta(1))])
def test_they_can_be_pickled(function) -> None:
    assert pickle.loads(pickle.dumps(function)) == function
