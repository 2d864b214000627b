"""Key values: small values that flows leave for later runs, such as how far they have come."""

from __future__ import annotations

import datetime
from typing import Any

from headrace.wire.base import Answer, Request


class SetKeyValue(Request):
    """Keep a value under a key, in the place of what was there.

    Attributes:
        key: The key: unique on this server.
        value: The value: any JSON.
    """

    key: str
    value: Any


class KnownKey(Answer):
    """A key that there is a value for.

    Attributes:
        key: The key.
        updated: When its value was set.
    """

    key: str
    updated: datetime.datetime


class KeyValue(KnownKey):
    """A key with its value.

    Attributes:
        value: The value: any JSON.
    """

    value: Any
