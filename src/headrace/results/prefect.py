"""`PrefectResult`: small values, kept inside the location itself."""

from __future__ import annotations

from typing import Any, Self

from headrace.core.errors import DeserializationError
from headrace.core.result import Result
from headrace.results.serializers import DateTimeSerializer, JSONSerializer


class PrefectResult(Result):
    """A small value that *is* its location, as JSON text, and so is stored with the state.

    Args:
        **kwargs: `value`, `location` and `serializer` as of every result; the serializer is a
            `JSONSerializer`, the default, or a `DateTimeSerializer`.

    Raises:
        TypeError: If it is another one.
    """

    def __init__(self, **kwargs: Any) -> None:
        serializer = kwargs.setdefault("serializer", JSONSerializer())
        if not isinstance(serializer, JSONSerializer | DateTimeSerializer):
            raise TypeError(
                "A PrefectResult keeps its value as text, with a JSONSerializer or a "
                f"DateTimeSerializer, not {serializer!r}."
            )
        super().__init__(**kwargs)

    def read(self, location: str) -> Self:
        """Return a copy with the value that `location` holds.

        Raises:
            DeserializationError: If it holds none.
        """
        twin = self.copy()
        twin.value = self.serializer.deserialize(location.encode())
        twin.location = location
        return twin

    def write(self, /, value_: Any, **kwargs: Any) -> Self:
        """Return a copy that has the value, and a location that holds it.

        Raises:
            SerializationError: If the serializer cannot take the value.
        """
        twin = self.copy()
        twin.location = self.serializer.serialize(value_).decode()
        twin.value = value_
        return twin

    def exists(self, /, location: str, **kwargs: Any) -> bool:
        """Tell whether `location` holds a value."""
        try:
            self.serializer.deserialize(location.encode())
        except DeserializationError:
            return False
        return True
