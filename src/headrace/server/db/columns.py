"""What columns hold of values that no database has a type of: JSON as text, times as seconds."""

from __future__ import annotations

import datetime
from typing import Any, overload

import msgspec

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


def to_json(value: Any) -> str:
    """Return a value as a text column keeps it."""
    return _encoder.encode(value).decode()


def from_json(text: str | None) -> Any:
    """Return what `to_json` was given; None for a column that is empty."""
    return None if text is None else _decoder.decode(text)


@overload
def to_time(seconds: float) -> datetime.datetime: ...


@overload
def to_time(seconds: None) -> None: ...


@overload
def to_time(seconds: float | None) -> datetime.datetime | None: ...


def to_time(seconds: float | None) -> datetime.datetime | None:
    """Return a column's seconds since 1970 as a moment: aware, UTC; None for one that is empty."""
    return None if seconds is None else datetime.datetime.fromtimestamp(seconds, datetime.UTC)


def as_key(text: str) -> int:
    """Return a whole number that was given out as text.

    Raises:
        ValueError: If it is none, or one that no column of the database can hold.
    """
    number = int(text)
    if abs(number) >= 2**63:
        raise ValueError(f"{text} is no key.")
    return number
