"""Results that store nothing themselves: constants, values in the state, secrets."""

import pickle

import pytest

from headrace.core.errors import (
    DeserializationError,
    ResultError,
    ResultNotImplementedError,
    SerializationError,
)
from headrace.results import (
    ConstantResult,
    DateTimeSerializer,
    JSONSerializer,
    PickleSerializer,
    PrefectResult,
    Result,
    SecretResult,
)


def test_constant():
    result = ConstantResult(value=3)
    assert result.value == 3
    assert result.read("anything") is result
    assert result.exists("anything")
    with pytest.raises(ResultError, match="cannot be written"):
        result.write(4)
    with pytest.raises(ResultError, match="has no serializer"):
        ConstantResult(serializer=JSONSerializer())


def test_prefect_result_keeps_the_value_in_the_location():
    result = PrefectResult()
    written = result.write({"a": [1, None]}, anything="ignored")
    assert written.value == {"a": [1, None]}
    assert written.location == '{"a": [1, null]}'
    assert result.location is None
    read = result.read(written.location)
    assert (read.value, read.location) == ({"a": [1, None]}, written.location)
    assert result.exists("3", n=1)
    assert not result.exists("not json")


def test_prefect_result_with_times():
    result = PrefectResult(serializer=DateTimeSerializer())
    location = "2026-03-01T12:00:00+00:00"
    assert result.write(result.read(location).value).location == location
    assert not result.exists("yesterday")


def test_prefect_result_takes_text_alone():
    with pytest.raises(TypeError, match="JSONSerializer or a DateTimeSerializer, not <PickleS"):
        PrefectResult(serializer=PickleSerializer())
    with pytest.raises(SerializationError, match="set"):
        PrefectResult().write({1})
    with pytest.raises(DeserializationError):
        PrefectResult().read("nope")


class FetchSecret:
    """Stands for a secret task: a name, and a function from a secret's name to its value."""

    name = "TOKEN"

    def run(self, name):
        return f"value of {name}"


def test_secret_result_fetches():
    result = SecretResult(FetchSecret())
    assert result.location == "TOKEN"
    read = result.read("OTHER")
    assert (read.value, read.location) == ("value of OTHER", "OTHER")
    assert result.value is None
    with pytest.raises(ResultError, match="cannot be written"):
        result.write("x")
    with pytest.raises(ResultError, match="has no serializer"):
        SecretResult(FetchSecret(), serializer=JSONSerializer())


def test_a_secrets_value_is_neither_shown_nor_pickled():
    read = SecretResult(FetchSecret()).read("TOKEN")
    assert "value of" not in repr(read)
    data = pickle.dumps(read)
    assert b"value of" not in data
    arrived = pickle.loads(data)
    assert arrived.value is None
    assert arrived.read(arrived.location).value == "value of TOKEN"


def test_the_plain_result_has_no_place():
    for act in (
        lambda: Result(1).write(1),
        lambda: Result(1).read("x"),
        lambda: Result(1).exists("x"),
    ):
        with pytest.raises(ResultNotImplementedError, match="LocalResult"):
            act()
