"""States as JSON-able dicts, without their values, and back.

The functions get the classes they need from the states themselves: this module is below them.
"""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from headrace.core.result import Result

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.core.state import State


def serialize(state: State) -> dict[str, Any]:
    """Return `state` as a dict; of its value, only the place where it is stored."""
    blob: dict[str, Any] = {"type": type(state).__name__, "message": state.message}
    if state.context:
        blob["context"] = dict(state.context)
    if state.stored is not None and state.stored.location is not None:
        blob["location"] = state.stored.location
    if state.timestamp is not None:
        blob["timestamp"] = state.timestamp
    if state.place is not None:
        blob["place"] = list(state.place)
    for name in state._own_fields():
        blob[name] = _plain(getattr(state, name))
    if state.is_mapped():
        blob["n_map_states"] = state.n_map_states  # type: ignore[attr-defined]
    return blob


def deserialize(root: type[State], blob: Mapping[str, Any]) -> State:
    """Make a state from what `serialize` returned; its value is None.

    Args:
        root: The class at the root of all states.
        blob: The dict.

    Raises:
        ValueError: If the dict names no known type of state.
    """
    types = {
        klass.__name__: klass
        for klass in root.children(include_self=True)
        if isinstance(klass, type)
    }
    cls = types.get(str(blob.get("type")))
    if cls is None:
        raise ValueError(f"There is no state of type {blob.get('type')!r}.")
    state = cls(message=blob.get("message"), context=dict(blob.get("context", {})))
    if "location" in blob:
        state.result = Result(location=blob["location"])
    state.timestamp = blob.get("timestamp")
    if "place" in blob:
        state.place = type(state).place_of(*blob["place"])
    for name in state._own_fields():
        if name in blob:
            setattr(state, name, _rich(root, blob[name]))
    if state.is_mapped():
        state._width = blob.get("n_map_states")  # type: ignore[attr-defined]
    return state


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return {"datetime": value.isoformat()}
    if hasattr(value, "is_finished"):
        return {"state": serialize(value)}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _rich(root: type[State], value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"datetime"}:
        return datetime.datetime.fromisoformat(value["datetime"])
    if isinstance(value, dict) and set(value) == {"state"}:
        return deserialize(root, value["state"])
    if isinstance(value, list):
        return [_rich(root, item) for item in value]
    return value
