"""Cache validators: whether a cached result may be used again.

A task with `cache_for` keeps its result in a `Cached` state. When the task is to run again, its
`cache_validator` is asked whether that result will do: a function of the cached state, the inputs
and the parameters of the new run that returns a bool. Each validator here but `never_use` takes the
result's expiration into account first.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from headrace.core.errors import TaskTypeError
from headrace.core.now import now

if TYPE_CHECKING:
    from headrace.core.states import Cached

CacheValidator = Callable[["Cached", Mapping[str, Any], Mapping[str, Any]], bool]


def hash_input(value: object) -> str:
    """Return a hash of a value's content; see `headrace.core.hashing.hash_value`."""
    from headrace.core.hashing import hash_value

    return hash_value(value)


def hash_inputs(inputs: Mapping[str, object]) -> dict[str, str]:
    """Return the hash of each of a task's inputs, by name."""
    return {name: hash_input(value) for name, value in inputs.items()}


def never_use(
    state: Cached,
    inputs: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> bool:
    """Never use the cached result."""
    return False


def duration_only(
    state: Cached,
    inputs: Mapping[str, Any] | None = None,
    parameters: Mapping[str, Any] | None = None,
) -> bool:
    """Use the cached result until it expires; for ever, if it does not.

    Args:
        state: The cached state.
        inputs: The inputs of the new run, by name; not looked at.
        parameters: The flow run's parameters; not looked at.
    """
    expiration = state.cached_result_expiration
    if expiration is None:
        return True
    if expiration.tzinfo is None:
        expiration = expiration.replace(tzinfo=datetime.UTC)
    return expiration > now()


def all_inputs(
    state: Cached,
    inputs: Mapping[str, Any] | None,
    parameters: Mapping[str, Any] | None = None,
) -> bool:
    """Use the cached result if it has not expired and all inputs are the same as then.

    Args:
        state: The cached state.
        inputs: The inputs of the new run, by name.
        parameters: The flow run's parameters; not looked at.
    """
    return duration_only(state) and _same_inputs(state, inputs or {}, None)


def all_parameters(
    state: Cached,
    inputs: Mapping[str, Any] | None,
    parameters: Mapping[str, Any] | None,
) -> bool:
    """Use the cached result if it has not expired and all parameters are the same as then.

    Args:
        state: The cached state.
        inputs: The inputs of the new run, by name; not looked at.
        parameters: The flow run's parameters.
    """
    return duration_only(state) and _equal(state.cached_parameters or {}, parameters or {})


def partial_inputs_only(validate_on: Iterable[str] | None = None) -> CacheValidator:
    """Make a validator: not expired, and some of the inputs are the same as then.

    Args:
        validate_on: The names of these inputs; by default none, so that only the time counts.

    Raises:
        TaskTypeError: If it is no collection of names.
    """
    names = _names(validate_on, "partial_inputs_only")

    def validator(
        state: Cached, inputs: Mapping[str, Any] | None, parameters: Mapping[str, Any] | None
    ) -> bool:
        return duration_only(state) and _same_inputs(state, inputs or {}, names)

    return validator


def partial_parameters_only(validate_on: Iterable[str] | None = None) -> CacheValidator:
    """Make a validator: not expired, and some of the parameters are the same as then.

    Args:
        validate_on: The names of these parameters; by default none, so that only the time counts.

    Raises:
        TaskTypeError: If it is no collection of names.
    """
    names = _names(validate_on, "partial_parameters_only")

    def validator(
        state: Cached, inputs: Mapping[str, Any] | None, parameters: Mapping[str, Any] | None
    ) -> bool:
        return duration_only(state) and _equal(
            _some(state.cached_parameters or {}, names), _some(parameters or {}, names)
        )

    return validator


def _same_inputs(state: Cached, inputs: Mapping[str, Any], names: frozenset[str] | None) -> bool:
    """Tell whether the inputs called `names` (None: all) are those of the cached state."""
    now_given = inputs if names is None else _some(inputs, names)
    hashed = state.hashed_inputs
    if hashed is not None:
        then = hashed if names is None else _some(hashed, names)
        # Names first: what is not to be compared is not hashed.
        return then.keys() == now_given.keys() and then == hash_inputs(now_given)
    # A state that was made by hand may hold the inputs themselves, each in a result.
    held = {name: getattr(result, "value", result) for name, result in state.cached_inputs.items()}
    return _equal(held if names is None else _some(held, names), dict(now_given))


def _some(values: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in names}


def _names(validate_on: Iterable[str] | None, owner: str) -> frozenset[str]:
    if validate_on is None:
        return frozenset()
    if isinstance(validate_on, str) or not isinstance(validate_on, Iterable):
        raise TaskTypeError(f"{owner} takes a list of names, such as ['x'], not {validate_on!r}.")
    names = frozenset(validate_on)
    for name in names:
        if not isinstance(name, str):
            raise TaskTypeError(f"{owner} takes a list of names, and {name!r} is none.")
    return names


def _equal(then: Mapping[str, Any], now_given: Mapping[str, Any]) -> bool:
    try:
        return bool(dict(then) == dict(now_given))
    except Exception:  # noqa: BLE001 - a value's own `==`: arrays, for one, refuse to say
        return hash_inputs(then) == hash_inputs(now_given)
