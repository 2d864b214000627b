"""What is sent to a server, as JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import msgspec

from headrace.core.errors import NotJsonError

_encoder = msgspec.json.Encoder()


def encode(body: Any) -> bytes:
    """Return the JSON of a message; bytes are JSON already.

    Raises:
        NotJsonError: If it holds what is no JSON.
    """
    if isinstance(body, bytes):
        return body
    try:
        return _encoder.encode(body)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise NotJsonError(f"What is to be sent to the server is no JSON: {error}.") from error


def values(given: Mapping[str, Any] | None, what: str) -> dict[str, Any]:
    """Return values by name, after a check that they are JSON and will come back as they are.

    Args:
        given: The values; None for none at all.
        what: What they are, in one word: "parameter".

    Raises:
        NotJsonError: If one is not. Dates, sets and the like have to be turned into text by
            whoever knows how the flow reads them; NaN and infinity have no JSON.
    """
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        raise NotJsonError(
            f"{what}s have to be given as a dict of names and values, not as {given!r}."
        )
    for name, value in given.items():
        if not isinstance(name, str):
            raise NotJsonError(f"The name of a {what} has to be a string, not {name!r}.")
        _check(value, f"The {what} {name!r}")
    return dict(given)


def _check(value: Any, where: str, depth: int = 0) -> None:
    if depth > 100:
        raise NotJsonError(f"{where} is nested too deeply, or in a circle.")
    if value is None or isinstance(value, bool | int):
        return
    if isinstance(value, str):
        if not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError as error:
                raise NotJsonError(f"{where} holds text that is no Unicode: {error}.") from error
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise NotJsonError(f"{where} is or holds {value}, which JSON has no form for.")
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise NotJsonError(
                    f"{where} holds a dict with the key {key!r}, which is no string."
                )
            _check(item, where, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item, where, depth + 1)
    else:
        raise NotJsonError(
            f"{where} is or holds {value!r:.200} ({type(value).__name__}), which is no JSON. Give "
            "text, a number, true, false, None, or lists and dicts of these."
        )
