"""Moments that are given on the command line."""

from __future__ import annotations

import datetime
import re

import click

_LENGTH = re.compile(r"(?:in |\+)?\s*(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def parse_moment(text: str, option: str) -> datetime.datetime:
    """Return the moment that a text means: a date, a date with a time, or a length of time from now.

    Without a zone, the time is that of this machine.

    Args:
        text: `2024-01-31`, `2024-01-31T08:00`, `2024-01-31T08:00+02:00`, `90m`, `12h`, `30d`.
        option: The option that it was given by, for the message.

    Raises:
        ClickException: If it is none of these.
    """
    length = _LENGTH.fullmatch(text.strip())
    try:
        if length is not None:
            seconds = float(length["number"]) * _SECONDS[length["unit"]]
            return datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
        return datetime.datetime.fromisoformat(text.strip()).astimezone(datetime.UTC)
    except (ValueError, OverflowError) as error:
        raise click.ClickException(
            f"{option} {text!r} is no moment. Write a date, 2024-01-31, with a time if need be, "
            "2024-01-31T08:00 (of this machine's zone) or 2024-01-31T08:00+02:00, or a length of "
            "time from now: 90m, 12h, 30d."
        ) from error
