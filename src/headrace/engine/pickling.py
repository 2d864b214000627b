"""Values and states of task runs as bytes, for checkpoints."""

from __future__ import annotations

import pickle
from copy import copy
from typing import TYPE_CHECKING, Any

from headrace.engine.chunk import without_value
from headrace.engine.portable import RemoteError

if TYPE_CHECKING:
    from headrace.core.states import State

_PROTOCOL = 5
_NONE = pickle.dumps(None, _PROTOCOL)


def pickled(value: Any) -> bytes | None:
    """Return a value as bytes; None if it cannot be pickled.

    What is defined in a flow's own file travels by value, by cloudpickle, as that file is no module
    that could be imported. All else is left to the pickle of Python, which is much faster.
    """
    if value is None:
        return _NONE
    try:
        return pickle.dumps(value, _PROTOCOL)
    except Exception:  # noqa: BLE001 - an object's own pickling may raise anything
        return _pickled_by_value(value)


def _pickled_by_value(value: Any) -> bytes | None:
    import cloudpickle

    try:
        data: bytes = cloudpickle.dumps(value, _PROTOCOL)
    except Exception:  # noqa: BLE001 - an object's own pickling may raise anything
        return None
    return data


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
    twin.result = RemoteError(f"{type(state.result).__name__}: {state.result}")
    return pickled(twin)


def _can_be_read(data: bytes) -> bool:
    # Exceptions that pickle but cannot be made again are common.
    try:
        pickle.loads(data)
    except Exception:  # noqa: BLE001 - an object's own unpickling may raise anything
        return False
    return True
