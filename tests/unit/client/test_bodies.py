"""What may be sent: JSON, and nothing that would come back as something else."""

import datetime
import decimal
import uuid

import msgspec
import pytest

from headrace.client.bodies import encode, values
from headrace.core.errors import NotJsonError

CIRCLE: list = []
CIRCLE.append(CIRCLE)


def test_json_goes_through_unchanged():
    given = {"a": [1, 2.5, None, True, "ü", {"b": (1, 2)}], "c": 2**80, "d": {}}
    assert values(given, "parameter") == given
    assert msgspec.json.decode(encode({"x": given["a"]})) == {"x": [*given["a"][:5], {"b": [1, 2]}]}
    assert values(None, "parameter") == {}


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        datetime.date(2024, 1, 31),
        datetime.datetime(2024, 1, 31, 12),
        {1, 2},
        b"bytes",
        decimal.Decimal("1.5"),
        uuid.UUID(int=7),
        object(),
        "\ud800",
        {1: 2},
        {"deep": [{"er": float("-inf")}]},
        CIRCLE,
    ],
    ids=lambda value: "object" if type(value) is object else repr(value),
)
def test_what_is_no_json_is_refused_by_its_name(value):
    with pytest.raises(NotJsonError, match="The parameter 'day' "):
        values({"day": value}, "parameter")


def test_names_have_to_be_strings_in_a_dict():
    with pytest.raises(NotJsonError, match="has to be a string, not 3"):
        values({3: 1}, "parameter")
    with pytest.raises(NotJsonError, match="as a dict of names and values"):
        values([("a", 1)], "parameter")


@pytest.mark.parametrize(
    "body", [object(), {"a": "\ud800"}, {1.5j: 2}], ids=["object", "surrogate", "key"]
)
def test_a_body_that_is_no_json_is_refused(body):
    with pytest.raises(NotJsonError, match="no JSON"):
        encode(body)


def test_bytes_are_json_already():
    assert encode(b"{") == b"{"
