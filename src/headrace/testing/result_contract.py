"""What every result that stores values must do, as tests: subclass `ResultContract`.

```python
class TestMyResult(ResultContract):
    @pytest.fixture
    def result(self):
        return MyResult("place")
```
"""

from __future__ import annotations

import datetime
import pickle
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from headrace.core.errors import (
    DeserializationError,
    LocationError,
    ResultNotFound,
    SerializationError,
)
from headrace.core.result import Result
from headrace.core.undefined import undefined
from headrace.results.serializers import JSONSerializer, PickleSerializer

_WHEN = datetime.datetime(2026, 3, 29, 1, 30, tzinfo=datetime.UTC)


class Unpicklable:
    """A value that no serializer takes."""

    def __reduce__(self) -> Any:
        raise RuntimeError("not me")


class ResultContract:
    """Tests of one kind of result. A subclass gives the fixture `result`.

    The tests write below a location of their own (`prefix`), so a place may be used many times.
    """

    @pytest.fixture
    def result(self) -> Result:
        """Return a result with no location and the default serializer, whose place is ready."""
        raise undefined(self, "result", "a fixture that returns the result to test")

    @pytest.fixture
    def prefix(self) -> str:
        """Return the start of locations that no other test uses."""
        return f"contract/{uuid.uuid4().hex}"

    def test_what_is_written_can_be_read(self, result: Result, prefix: str) -> None:
        """The written result has value and location, and its location gives the value back."""
        written = result.at(f"{prefix}/x").write({"a": [1, 2]})
        assert written.value == {"a": [1, 2]}
        assert written.location is not None
        read = result.read(written.location)
        assert read.value == {"a": [1, 2]}
        assert read.location == written.location
        assert type(read) is type(written) is type(result)

    def test_the_result_itself_does_not_change(self, result: Result, prefix: str) -> None:
        """Writing and reading give new results."""
        template = result.at(f"{prefix}/{{name}}")
        before = dict(template.__dict__)
        written = template.write(1, name="a")
        assert written.location is not None
        template.read(written.location)
        assert template.exists(f"{prefix}/{{name}}", name="a")
        assert template.__dict__ == before

    def test_none_is_a_value(self, result: Result, prefix: str) -> None:
        """None can be stored, and is not the same as nothing."""
        written = result.at(f"{prefix}/none").write(None)
        assert written.location is not None
        assert result.exists(written.location)
        assert result.read(written.location).value is None

    def test_existence(self, result: Result, prefix: str) -> None:
        """A location exists once it is written; what is above and below it does not."""
        location = f"{prefix}/there/file"
        assert not result.exists(location)
        written = result.at(location).write(1)
        assert result.exists(location)
        assert result.exists(str(written.location))
        assert not result.exists(f"{prefix}/there")
        assert not result.exists(f"{location}/below")
        assert not result.exists(f"{prefix}/there/fil")

    def test_a_template_is_filled_in(self, result: Result, prefix: str) -> None:
        """Context and inputs fill in a template, the same for writing and asking."""
        template = f"{prefix}/{{date:%Y-%m-%d}}/{{task_name}}-{{x[0]}}.pkl"
        values = {"date": _WHEN, "task_name": "load", "x": [7]}
        assert not result.exists(template, **values)
        written = result.at(template).write("v", **values)
        assert str(written.location).endswith(f"{prefix}/2026-03-29/load-7.pkl")
        assert result.exists(template, **values)
        assert result.read(str(written.location)).value == "v"

    def test_a_function_gives_the_location(self, result: Result, prefix: str) -> None:
        """A location may be a function of context and inputs."""
        written = result.at(lambda **values: f"{prefix}/{values['n'] * 2}").write("v", n=4)
        assert str(written.location).endswith(f"{prefix}/8")
        assert result.read(str(written.location)).value == "v"

    def test_without_a_location_each_write_has_its_own(self, result: Result) -> None:
        """No two writes share a default location."""
        first, second = result.write(1), result.write(2)
        assert first.location != second.location
        assert result.read(str(first.location)).value == 1
        assert result.read(str(second.location)).value == 2

    def test_writing_again_replaces(self, result: Result, prefix: str) -> None:
        """The last write counts, whether it is longer or shorter."""
        place = result.at(f"{prefix}/again")
        for value in ("first", "second, and longer", ""):
            location = str(place.write(value).location)
            assert result.read(location).value == value

    @pytest.mark.parametrize(
        "name",
        [
            "with space",
            "ünïcödé-日本",
            "a+b=c&d",
            "100%25",
            "semi;colon",
            "qu'ote\"s",
            "{{braces}}",
            "hash#1",
            "what?x=1",
            "star*[a]",
            "dots...",
            "x" * 200,
        ],
    )
    def test_names_are_taken_as_they_are(self, result: Result, prefix: str, name: str) -> None:
        """A name is a name, whatever it means in an address, a pattern or a shell."""
        literal = f"{prefix}/{name.format()}"
        assert not result.exists(literal)
        location = str(result.at(f"{prefix}/{name}").write(name).location)
        assert location.endswith(literal)
        assert result.exists(location)
        assert result.read(location).value == name

    def test_large_values(self, result: Result, prefix: str) -> None:
        """A value of many megabytes comes back whole."""
        value = bytes(range(256)) * 4096 * 12
        location = str(result.at(f"{prefix}/large").write(value).location)
        assert result.read(location).value == value

    def test_empty_bytes_are_something(self, result: Result, prefix: str) -> None:
        """What is stored may be no bytes at all."""
        empty = result.copy()
        empty.serializer = _Raw()
        location = str(empty.at(f"{prefix}/empty").write(b"").location)
        assert empty.exists(location)
        assert empty.read(location).value == b""

    def test_the_serializer_is_used(self, result: Result, prefix: str) -> None:
        """Another serializer writes other bytes, which only its like can read."""
        json = result.copy()
        json.serializer = JSONSerializer()
        location = str(json.at(f"{prefix}/json").write({"a": None}).location)
        assert json.read(location).value == {"a": None}
        raw = result.copy()
        raw.serializer = _Raw()
        assert raw.read(location).value == b'{"a": null}'
        unreadable = result.copy()
        unreadable.serializer = PickleSerializer()
        with pytest.raises(DeserializationError, match=r"json.*PickleSerializer"):
            unreadable.read(location)

    def test_a_value_that_cannot_be_serialized_stores_nothing(
        self, result: Result, prefix: str
    ) -> None:
        """The error names the value's type, and what was there before stays."""
        place = result.at(f"{prefix}/bad")
        place.write("good")
        with pytest.raises(SerializationError, match="Unpicklable"):
            place.write(Unpicklable())
        location = str(place.format().location)
        assert result.read(location).value == "good"

    def test_nothing_there(self, result: Result, prefix: str) -> None:
        """Reading what is not there says where it looked."""
        with pytest.raises(ResultNotFound, match=f"{prefix}/nothing"):
            result.read(f"{prefix}/nothing")
        with pytest.raises(FileNotFoundError):
            result.read(f"{prefix}/nothing")

    @pytest.mark.parametrize("bad", ["{nope}", "{}", "{n:%Q!x}", "{n.nope}", "{n", "{n!z}"])
    def test_a_template_that_cannot_be_filled_in(
        self, result: Result, prefix: str, bad: str
    ) -> None:
        """The error names the template."""
        template = f"{prefix}/{bad}"
        with pytest.raises(LocationError, match="location"):
            result.at(template).write(1, n=1)
        with pytest.raises(LocationError, match="location"):
            result.exists(template, n=1)

    @pytest.mark.parametrize("bad", ["..", "../x", "a/../../x", "a/..", "", "  ", "a\0b"])
    def test_a_location_that_leads_astray(self, result: Result, bad: str) -> None:
        """A location stays below its place, and is something."""
        for act in (
            lambda: result.at("{x}").write(1, x=bad),
            lambda: result.at(lambda **_: bad).write(1),
            lambda: result.exists("{x}", x=bad),
            lambda: result.exists(bad),
            lambda: result.read(bad),
        ):
            with pytest.raises(LocationError):
                act()

    def test_a_function_that_gives_no_string(self, result: Result) -> None:
        """The error names what the function returned."""
        with pytest.raises(LocationError, match="returned 3"):
            result.at(lambda **_: 3).write(1)  # type: ignore[arg-type]

    def test_it_travels(self, result: Result, prefix: str) -> None:
        """A result works after pickling, also when it has been used before."""
        written = result.at(f"{prefix}/travel").write("v")
        for traveller in (result, written):
            arrived = pickle.loads(pickle.dumps(traveller))
            assert type(arrived) is type(result)
            assert arrived.read(str(written.location)).value == "v"
            assert arrived.at(f"{prefix}/back").write("w").value == "w"
        assert pickle.loads(pickle.dumps(written)) == written

    def test_many_threads_at_once(self, result: Result, prefix: str) -> None:
        """Writers of one location never mix; writers of many never disturb each other."""
        values = ["a" * 50_000, "b" * 80_000]

        def work(number: int) -> None:
            shared = result.at(f"{prefix}/shared").write(values[number % 2])
            assert result.read(str(shared.location)).value in values
            own = result.at(f"{prefix}/own-{number}").write(number)
            assert result.read(str(own.location)).value == number

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(work, range(24)))


class _Raw(JSONSerializer):
    """Bytes as they are."""

    def serialize(self, value: Any) -> bytes:
        assert isinstance(value, bytes)
        return value

    def deserialize(self, value: bytes) -> Any:
        return bytes(value)
