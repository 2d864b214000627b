"""States of task runs as bytes, for checkpoints."""

from __future__ import annotations

import pickle
from copy import copy
from typing import TYPE_CHECKING

from headrace.core.wording import str_of
from headrace.engine.outcome import without_value
from headrace.engine.pickling import pickled
from headrace.engine.portable import RemoteError

if TYPE_CHECKING:
    from headrace.core.states import State


def pickled_state(state: State) -> bytes | None:
    """Return a state with its value as bytes; None if its value cannot be pickled.

    An exception that cannot be becomes a `RemoteError` with its text.
    """
    if state.stored is not None:
        return pickled(without_value(state))
    data = pickled(state)
    if not isinstance(state.result, BaseException) or (data is not None and _can_be_read(data)):
        return data
    twin = copy(state)
    twin.result = RemoteError(f"{type(state.result).__name__}: {str_of(state.result)}")
    return pickled(twin)


def _can_be_read(data: bytes) -> bool:
    # Exceptions that pickle but cannot be made again are common.
    try:
        pickle.loads(data)
    except Exception:  # noqa: BLE001 - an object's own unpickling may raise anything
        return False
    return True
