"""Moments on the command line."""

import datetime

import click
import pytest

from headrace.cli.moments import parse_moment


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90m", 5400),
        ("in 12h", 43200),
        ("30d", 2592000),
        ("+1.5h", 5400),
        ("2w", 1209600),
        ("5 s", 5),
    ],
)
def test_a_length_of_time_counts_from_now(text, seconds):
    before = datetime.datetime.now(datetime.UTC)
    found = (parse_moment(text, "--at") - before).total_seconds()
    assert seconds <= found < seconds + 5


def test_a_date_without_a_zone_is_of_this_machine():
    expected = datetime.datetime(2024, 1, 31, 8).astimezone()
    assert parse_moment("2024-01-31T08:00", "--at") == expected
    assert parse_moment("2024-01-31", "--at") == datetime.datetime(2024, 1, 31).astimezone()
    assert parse_moment("2024-01-31T08:00+02:00", "--at") == datetime.datetime(
        2024, 1, 31, 6, tzinfo=datetime.UTC
    )


@pytest.mark.parametrize("text", ["", "soon", "3", "3y", "2024-13-01", "99999999999d", "-1h"])
def test_anything_else_is_refused_with_examples(text):
    with pytest.raises(click.ClickException, match="--expires .* is no moment. Write a date"):
        parse_moment(text, "--expires")
