import datetime
from datetime import UTC, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from dateutil import tz

from headrace.core.errors import ScheduleSerializationError, ScheduleTypeError, ZoneError
from headrace.core.schedules.wall import (
    EARLIEST,
    aware,
    deserialize_span,
    deserialize_time,
    moved,
    name_of,
    occurrence,
    resolve,
    serialize_span,
    serialize_time,
    utc,
    zone_named,
)

NEW_YORK = ZoneInfo("America/New_York")
APIA = ZoneInfo("Pacific/Apia")
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")


class PendulumLike(datetime.datetime):
    """A subclass with methods of its own, as pendulum's DateTime is."""

    def add(self, days: int) -> "PendulumLike":
        raise AssertionError("schedules count on nothing but what a datetime has")


class NamedZone(datetime.tzinfo):
    """A zone that is none of the standard library's, and says its name as pendulum 2's do."""

    name = "America/New_York"

    def utcoffset(self, dt):
        return NEW_YORK.utcoffset(dt)

    def dst(self, dt):
        return NEW_YORK.dst(dt)

    def tzname(self, dt):
        return "?"


class NamelessZone(NamedZone):
    name = None

    def utcoffset(self, dt):
        return NEW_YORK.utcoffset(dt.replace(tzinfo=NEW_YORK))

    def __repr__(self) -> str:
        return "NamelessZone()"


def test_a_naive_time_is_utc() -> None:
    assert aware(datetime.datetime(2024, 1, 1), "it") == datetime.datetime(2024, 1, 1, tzinfo=UTC)


def test_a_subclass_becomes_a_plain_datetime() -> None:
    time = aware(PendulumLike(2024, 11, 3, 1, 30, tzinfo=NEW_YORK, fold=1), "it")
    assert type(time) is datetime.datetime
    assert time.tzinfo is NEW_YORK
    assert utc(time) == datetime.datetime(2024, 11, 3, 6, 30, tzinfo=UTC)


def test_a_fold_that_means_nothing_is_dropped() -> None:
    assert aware(datetime.datetime(2024, 6, 1, tzinfo=NEW_YORK, fold=1), "it").fold == 0
    assert aware(datetime.datetime(2024, 11, 3, 1, tzinfo=NEW_YORK, fold=1), "it").fold == 1


@pytest.mark.parametrize(
    ("zone", "plain"),
    [
        (UTC, UTC),
        (ZoneInfo("UTC"), UTC),
        (timezone(timedelta(0)), UTC),
        (tz.tzutc(), UTC),
        (tz.tzoffset(None, 3600), timezone(timedelta(hours=1))),
        (tz.gettz("America/New_York"), NEW_YORK),
        (NEW_YORK, NEW_YORK),
        (NamedZone(), NEW_YORK),
    ],
)
def test_zones_of_other_libraries_become_plain_ones(zone, plain) -> None:
    assert aware(datetime.datetime(2024, 1, 1, tzinfo=zone), "it").tzinfo == plain


def test_a_zone_with_no_plain_one_is_used_as_it_is() -> None:
    zone = NamelessZone()
    time = aware(datetime.datetime(2024, 6, 1, 8, tzinfo=zone), "it")
    assert time.tzinfo is zone
    assert utc(time) == datetime.datetime(2024, 6, 1, 12, tzinfo=UTC)
    with pytest.raises(ZoneError, match=r"NamelessZone\(\) has no name"):
        serialize_time(time)


@pytest.mark.parametrize("value", ["2024-01-01", datetime.date(2024, 1, 1), 0])
def test_what_is_no_datetime_is_refused(value) -> None:
    with pytest.raises(ScheduleTypeError, match="the start must be a datetime"):
        aware(value, "the start")


@pytest.mark.parametrize(
    ("wall", "zone", "instant"),
    [
        # An ordinary time.
        ("2024-06-01T09:00", NEW_YORK, "2024-06-01T13:00"),
        # 2:00 to 3:00 does not exist.
        ("2024-03-10T01:59:59", NEW_YORK, "2024-03-10T06:59:59"),
        ("2024-03-10T02:00", NEW_YORK, "2024-03-10T07:00"),
        ("2024-03-10T02:30:30.5", NEW_YORK, "2024-03-10T07:00"),
        ("2024-03-10T02:59:59.999999", NEW_YORK, "2024-03-10T07:00"),
        ("2024-03-10T03:00", NEW_YORK, "2024-03-10T07:00"),
        # 1:00 to 2:00 comes twice.
        ("2024-11-03T01:30", NEW_YORK, "2024-11-03T05:30"),
        # Half an hour does not exist.
        ("2024-10-06T02:10", LORD_HOWE, "2024-10-05T15:30"),
        # A day does not exist.
        ("2011-12-30T12:00", APIA, "2011-12-30T10:00"),
    ],
)
def test_resolve(wall, zone, instant) -> None:
    found = resolve(datetime.datetime.fromisoformat(wall), zone)
    assert found == datetime.datetime.fromisoformat(instant).replace(tzinfo=UTC)


def test_the_second_of_two_equal_times() -> None:
    wall = datetime.datetime(2024, 11, 3, 1, 30)
    assert resolve(wall, NEW_YORK, fold=1) == datetime.datetime(2024, 11, 3, 6, 30, tzinfo=UTC)


def test_a_date_that_a_zone_leaves_out_has_no_occurrence() -> None:
    assert occurrence(datetime.datetime(2011, 12, 30, 12), APIA) is None
    assert occurrence(datetime.datetime(2011, 12, 29, 12), APIA) is not None
    # Only an hour of this date is missing.
    assert occurrence(datetime.datetime(2024, 3, 10, 2, 30), NEW_YORK) is not None


def test_moved_stops_at_the_first_day_of_all() -> None:
    assert moved(datetime.datetime(2024, 1, 2, tzinfo=UTC), timedelta(-1)).day == 1
    assert moved(datetime.datetime(1, 1, 5, tzinfo=UTC), timedelta(-30)) == EARLIEST
    with pytest.raises(OverflowError):
        moved(datetime.datetime(9999, 12, 31, tzinfo=UTC), timedelta(1))


@pytest.mark.parametrize("name", ["UTC", "+05:30", "-03:00", "America/New_York", "Etc/GMT+3"])
def test_names_of_zones(name) -> None:
    assert name_of(zone_named(name)) == name


@pytest.mark.parametrize(
    "name", ["Mars/Olympus", "", "../etc/passwd", "/etc/passwd", "America", "+99:00", "+x", "a\0b"]
)
def test_an_unknown_zone_is_named(name) -> None:
    with pytest.raises(ZoneError) as raised:
        zone_named(name)
    assert repr(name) in str(raised.value)
    assert "Europe/Paris" in str(raised.value)


@pytest.mark.parametrize(
    "time",
    [
        datetime.datetime(2024, 1, 1, tzinfo=UTC),
        datetime.datetime(2024, 11, 3, 1, 30, 15, 7, tzinfo=NEW_YORK, fold=1),
        datetime.datetime(2024, 11, 3, 1, 30, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    ],
)
def test_times_go_there_and_back(time) -> None:
    back = deserialize_time(serialize_time(time))
    assert (back.replace(tzinfo=None), back.tzinfo, back.fold) == (
        time.replace(tzinfo=None),
        time.tzinfo,
        time.fold,
    )


@pytest.mark.parametrize(
    "blob",
    [
        None,
        "2024-01-01",
        {},
        {"dt": "yesterday", "tz": "UTC"},
        {"dt": "2024-01-01", "tz": 5},
        {"dt": "2024-01-01T00:00+01:00", "tz": "UTC"},
        {"dt": "2024-01-01", "tz": "UTC", "fold": 2},
    ],
)
def test_what_is_no_serialised_time_is_refused(blob) -> None:
    with pytest.raises(ScheduleSerializationError, match="no serialised time"):
        deserialize_time(blob)


@pytest.mark.parametrize("span", [timedelta(1), timedelta(microseconds=1), timedelta(-3, 5, 7)])
def test_spans_go_there_and_back(span) -> None:
    assert deserialize_span(serialize_span(span)) == span


@pytest.mark.parametrize("blob", [None, "1", True, float("nan"), 1e300])
def test_what_is_no_serialised_span_is_refused(blob) -> None:
    with pytest.raises(ScheduleSerializationError, match="no number of seconds"):
        deserialize_span(blob)
