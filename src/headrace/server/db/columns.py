"""Structured values in text columns: JSON, which the database is never asked to look into."""

from __future__ import annotations

from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


def to_json(value: Any) -> str:
    """Return a value as a text column keeps it."""
    return _encoder.encode(value).decode()


def from_json(text: str | None) -> Any:
    """Return what `to_json` was given; None for a column that is empty."""
    return None if text is None else _decoder.decode(text)


def as_key(text: str) -> int:
    """Return a whole number that was given out as text.

    Raises:
        ValueError: If it is none, or one that no column of the database can hold.
    """
    number = int(text)
    if abs(number) >= 2**63:
        raise ValueError(f"{text} is no key.")
    return number
