import datetime
import threading
from datetime import UTC, timedelta

import pytest

from headrace.core.caching import (
    all_inputs,
    all_parameters,
    duration_only,
    hash_inputs,
    never_use,
    partial_inputs_only,
    partial_parameters_only,
)
from headrace.core.errors import TaskTypeError
from headrace.core.now import replaced
from headrace.core.result import Result
from headrace.core.states import Cached

NOW = datetime.datetime(2024, 5, 5, 12, tzinfo=UTC)
VALIDATORS = [
    duration_only,
    all_inputs,
    all_parameters,
    partial_inputs_only(["x"]),
    partial_parameters_only(["x"]),
    partial_inputs_only(),
    partial_parameters_only(),
]


@pytest.fixture(autouse=True)
def _fixed_time():
    with replaced(NOW):
        yield


def cached(inputs=None, parameters=None, **kwargs) -> Cached:
    hashed = None if inputs is None else hash_inputs(inputs)
    return Cached(hashed_inputs=hashed, cached_parameters=parameters, **kwargs)


def test_never_use_never_does() -> None:
    assert never_use(cached({"x": 1}), {"x": 1}, {}) is False


@pytest.mark.parametrize("validator", VALIDATORS)
@pytest.mark.parametrize(
    ("expiration", "expected"),
    [
        (None, True),
        (NOW + timedelta(microseconds=1), True),
        (NOW, False),
        (NOW - timedelta(days=1), False),
        (datetime.datetime(2024, 5, 5, 12, 0, 1), True),
        (datetime.datetime(2024, 5, 5, 11, 59), False),
    ],
)
def test_each_takes_the_expiration_into_account(validator, expiration, expected) -> None:
    state = cached({"x": 1}, {"x": 1}, cached_result_expiration=expiration)
    assert validator(state, {"x": 1}, {"x": 1}) is expected


@pytest.mark.parametrize(
    ("validator", "inputs", "expected"),
    [
        (all_inputs, {"x": 1, "y": [2, {"z": 3}]}, True),
        (all_inputs, {"x": 1, "y": [2, {"z": 4}]}, False),
        (all_inputs, {"x": 1}, False),
        (all_inputs, {"x": 1, "y": [2, {"z": 3}], "w": None}, False),
        (all_inputs, {}, False),
        (partial_inputs_only(["x"]), {"x": 1, "y": 9}, True),
        (partial_inputs_only(["x"]), {"x": 2, "y": [2, {"z": 3}]}, False),
        (partial_inputs_only(["x"]), {"y": [2, {"z": 3}]}, False),
        (partial_inputs_only(name for name in "xx"), {"x": 1}, True),
        (partial_inputs_only(["nobody"]), {"x": 5}, True),
        (partial_inputs_only([]), {"x": 5}, True),
        (partial_inputs_only(), {"x": 5}, True),
    ],
)
@pytest.mark.parametrize("kept", ["as hashes", "as values"])
def test_inputs(validator, inputs, expected, kept) -> None:
    then = {"x": 1, "y": [2, {"z": 3}]}
    if kept == "as hashes":
        state = cached(then)
    else:
        state = Cached(cached_inputs={name: Result(value) for name, value in then.items()})
    # Twice, since an iterable of names may be read only once.
    assert validator(state, inputs, None) is expected
    assert validator(state, inputs, None) is expected


@pytest.mark.parametrize(
    ("validator", "parameters", "expected"),
    [
        (all_parameters, {"x": 1, "y": 2}, True),
        (all_parameters, {"x": 1, "y": 3}, False),
        (all_parameters, {"x": 1}, False),
        (all_parameters, None, False),
        (partial_parameters_only(["x"]), {"x": 1, "y": 3}, True),
        (partial_parameters_only(["x"]), {"x": 2, "y": 2}, False),
        (partial_parameters_only(["x"]), None, False),
        (partial_parameters_only(["x", "y"]), {"x": 1, "y": 2, "z": 3}, True),
        (partial_parameters_only(), None, True),
    ],
)
def test_parameters(validator, parameters, expected) -> None:
    assert validator(cached(parameters={"x": 1, "y": 2}), {}, parameters) is expected


def test_no_parameters_then_or_now_are_equal() -> None:
    assert all_parameters(cached(), {}, None) is True
    assert all_parameters(cached(), {}, {}) is True


def test_what_cannot_be_hashed_is_never_taken_for_unchanged() -> None:
    lock = threading.Lock()
    state = cached({"x": 1, "lock": lock})
    assert all_inputs(state, {"x": 1, "lock": lock}, {}) is False
    assert partial_inputs_only(["x"])(state, {"x": 1, "lock": lock}, {}) is True


def test_values_that_refuse_to_be_compared_are_hashed() -> None:
    numpy = pytest.importorskip("numpy")
    state = Cached(
        cached_inputs={"x": Result(numpy.arange(3))}, cached_parameters={"p": numpy.arange(3)}
    )
    assert all_inputs(state, {"x": numpy.arange(3)}, {}) is True
    assert all_inputs(state, {"x": numpy.arange(4)}, {}) is False
    assert all_parameters(state, {}, {"p": numpy.arange(3)}) is True


@pytest.mark.parametrize("make", [partial_inputs_only, partial_parameters_only])
@pytest.mark.parametrize("names", ["x", 5, [5]])
def test_bad_names_are_refused(make, names) -> None:
    with pytest.raises(TaskTypeError, match=f"{make.__name__} takes a list of names"):
        make(names)
