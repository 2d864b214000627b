"""Values as bytes, for checkpoints."""

from __future__ import annotations

import pickle
from typing import Any

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
