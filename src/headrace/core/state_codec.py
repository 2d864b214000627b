"""States as JSON-able dicts, without their values, and back."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from headrace.core import states

if TYPE_CHECKING:
    from collections.abc import Mapping


def serialize(state: states.State) -> dict[str, Any]:
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
    if isinstance(state, states.Mapped):
        blob["n_map_states"] = state.n_map_states
    return blob


def deserialize(blob: Mapping[str, Any]) -> states.State:
    """Make a state from what `serialize` returned; its value is None.

    Raises:
        ValueError: If the dict names no known type of state.
    """
    cls = _types().get(str(blob.get("type")))
    if cls is None:
        raise ValueError(f"There is no state of type {blob.get('type')!r}.")
    state = cls(message=blob.get("message"), context=dict(blob.get("context", {})))
    if "location" in blob:
        state.result = states.Result(location=blob["location"])
    state.timestamp = blob.get("timestamp")
    if "place" in blob:
        state.place = states.Place(*blob["place"])
    for name in state._own_fields():
        if name in blob:
            setattr(state, name, _rich(blob[name]))
    if isinstance(state, states.Mapped):
        state._width = blob.get("n_map_states")
    return state


def _types() -> dict[str, type[states.State]]:
    return {
        klass.__name__: klass
        for klass in states.State.children(include_self=True)
        if isinstance(klass, type)
    }


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return {"datetime": value.isoformat()}
    if isinstance(value, states.State):
        return {"state": serialize(value)}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value


def _rich(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"datetime"}:
        return datetime.datetime.fromisoformat(value["datetime"])
    if isinstance(value, dict) and set(value) == {"state"}:
        return deserialize(value["state"])
    if isinstance(value, list):
        return [_rich(item) for item in value]
    return value
