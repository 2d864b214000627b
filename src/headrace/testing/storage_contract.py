"""What every storage must do, as tests: subclass `StorageContract`.

```python
class TestMyStorage(StorageContract):
    @pytest.fixture
    def make(self, tmp_path):
        def _make(flows, **arguments):
            ...  # put `StorageContract.code_of(flows)` where the storage finds it
            return MyStorage("place", **arguments)

        return _make
```
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

import pytest

from headrace.core.errors import StorageError
from headrace.core.undefined import undefined
from headrace.flow import Flow
from headrace.loading import flows_in_code
from headrace.storage import Storage, storage_from

Make = Callable[..., Storage]


class StorageContract:
    """Tests of one kind of storage. A subclass gives the fixture `make`.

    `make(flows, **arguments)` takes the names of flows and arguments that all storages take, and
    returns a storage that can hold flows of these names. Where the storage is of a kind that finds
    code which somebody else has put there, `make` puts `code_of(flows)` there.

    Attributes:
        of_all_flows: What a description has that all flows of a storage share, such as an image.
    """

    of_all_flows: ClassVar[tuple[str, ...]] = ()

    @pytest.fixture
    def make(self) -> Make:
        """Return what makes a storage."""
        raise undefined(self, "make", "a fixture that returns what makes a storage for some flows")

    @staticmethod
    def code_of(flows: Sequence[str]) -> str:
        """Return Python code that makes flows of these names, each of which gives its name."""
        lines = [
            "from headrace import Flow, task",
            "",
            "@task",
            "def give(name):",
            "    return name",
        ]
        for number, name in enumerate(flows):
            lines += [f"with Flow({name!r}) as flow_{number}:", f"    give({name!r})"]
        return "\n".join(lines) + "\n"

    @pytest.fixture
    def stored(self, make: Make) -> Iterator[Callable[..., Storage]]:
        """Make a storage and put flows into it, as registration does; it is closed afterwards."""
        made: list[Storage] = []

        def _stored(*names: str, **arguments: Any) -> Storage:
            storage = make(names, **arguments)
            for flow in flows_in_code(self.code_of(names)).values():
                storage.add_flow(flow)
            made.append(storage.build())
            return made[-1]

        yield _stored
        for storage in made:
            storage.close()

    @staticmethod
    def _gives(flow: Flow) -> Any:
        state = flow.run()
        assert state.is_successful(), state
        (task,) = (task for task in flow.tasks if task.name == "give")
        return state.result[task].result

    def test_what_is_added_is_there(self, stored: Callable[..., Storage]) -> None:
        """A flow is known by its name, and by nothing else."""
        storage = stored("nightly")
        assert "nightly" in storage
        assert list(storage.flows) == ["nightly"]
        assert isinstance(storage.flows["nightly"], str)
        assert "other" not in storage
        assert storage.flows["nightly"] not in storage

    def test_a_flow_is_loaded(self, stored: Callable[..., Storage]) -> None:
        """The flow that comes back runs, and is another object at each loading."""
        storage = stored("nightly")
        first = storage.get_flow("nightly")
        assert first.name == "nightly"
        assert self._gives(first) == "nightly"
        assert storage.get_flow("nightly").name == "nightly"

    @pytest.mark.parametrize(
        "name", ["with space", "ünïcödé-日本", "a/b", "..", "x" * 150, "'\"{}%"]
    )
    def test_names_are_taken_as_they_are(self, stored: Callable[..., Storage], name: str) -> None:
        """A flow may have any name."""
        assert self._gives(stored(name).get_flow(name)) == name

    def test_it_is_rebuilt_from_its_description(self, stored: Callable[..., Storage]) -> None:
        """What a server keeps is plain data, and gives the same storage and the same flow."""
        storage = stored("nightly", labels=["b", "a"], secrets=["S"], add_default_labels=False)
        description = storage.serialize()
        assert json.loads(json.dumps(description)) == description
        rebuilt = storage_from(json.loads(json.dumps(description)))
        try:
            assert type(rebuilt) is type(storage)
            assert rebuilt.serialize() == description
            assert rebuilt == storage
            assert rebuilt.labels == ["a", "b"]
            assert rebuilt.secrets == ["S"]
            assert self._gives(rebuilt.get_flow("nightly")) == "nightly"
        finally:
            rebuilt.close()

    def test_the_same_flow_gives_the_same_description(self, stored: Callable[..., Storage]) -> None:
        """Registering again what has not changed is no change."""
        storage = stored("nightly")
        before = storage.serialize()
        (flow,) = flows_in_code(self.code_of(["nightly"])).values()
        again = storage_from(before)
        again.add_flow(flow)
        assert again.build().serialize() == before

    def test_a_flow_does_not_mind_the_others(self, make: Make) -> None:
        """What a server is told of one flow says nothing of others in the same storage."""
        first, second = flows_in_code(self.code_of(["first", "second"])).values()
        alone, shared = make(["first", "second"]), make(["first", "second"])
        alone.add_flow(first)
        try:
            for flow in (second, first):
                shared.add_flow(flow)
        except StorageError:
            return  # one that holds a single flow
        assert "second" not in json.dumps(shared.serialize_for("first")["flows"])
        described = [each.build().serialize_for("first") for each in (shared, alone)]
        for each in described:
            for key in self.of_all_flows:
                del each[key]
        assert described[0] == described[1]

    def test_adding_a_flow_again(self, make: Make) -> None:
        """The same flow may be added again; another one of its name may not."""
        storage = make(["nightly"])
        (flow,) = flows_in_code(self.code_of(["nightly"])).values()
        assert storage.add_flow(flow) == storage.add_flow(flow) == storage.flows["nightly"]
        with pytest.raises(StorageError, match=r"two flows named 'nightly'"):
            storage.add_flow(Flow("nightly"))

    def test_a_flow_that_is_not_there(self, stored: Callable[..., Storage]) -> None:
        """The error names the flow, and those that are there."""
        with pytest.raises(StorageError, match=r"no flow 'other'.*'nightly'"):
            stored("nightly").get_flow("other")

    def test_labels(self, make: Make) -> None:
        """Labels are those given and, unless it is said not to, those of its kind."""
        assert make(["f"], labels=["b", "a"], add_default_labels=False).labels == ["a", "b"]
        with_default = make(["f"], labels=["own"], add_default_labels=True)
        assert set(with_default.labels) == {"own", *with_default.default_labels}
        assert make(["f"]).add_default_labels is True
        with pytest.raises(StorageError, match="labels"):
            make(["f"], labels="own")

    def test_pinned(self, stored: Callable[..., Storage]) -> None:
        """A pinned storage has the same flows, and is pinned for good."""
        pinned = stored("nightly").pinned()
        try:
            assert pinned.pinned().serialize() == pinned.serialize()
            assert self._gives(storage_from(pinned.serialize()).get_flow("nightly")) == "nightly"
        finally:
            pinned.close()

    def test_it_travels_inside_its_flow(self, stored: Callable[..., Storage]) -> None:
        """A flow that is pickled takes its storage along."""
        storage = stored("nightly")
        arrived = pickle.loads(pickle.dumps(storage))
        assert arrived == storage
        assert self._gives(arrived.get_flow("nightly")) == "nightly"
        arrived.close()

    def test_closing_twice(self, stored: Callable[..., Storage]) -> None:
        """A storage may be closed again, and used afterwards."""
        storage = stored("nightly")
        storage.get_flow("nightly")
        storage.close()
        storage.close()
        assert self._gives(storage.get_flow("nightly")) == "nightly"
