"""`StoredResult`: a result that is bytes at a location."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from headrace.core.errors import DeserializationError, LocationError
from headrace.core.now import now
from headrace.core.result import Result
from headrace.results.locations import checked, fill
from headrace.results.serializers import PickleSerializer, Serializer

if TYPE_CHECKING:
    from logging import Logger


class StoredResult(Result, ABC):
    """A result that is serialized and kept as bytes. Its children say where.

    A child implements `store_bytes`, `load_bytes` and `is_stored`, which take a location that is
    filled in. Nothing that is open (a file, a connection) may be kept in `self`, since results are
    pickled and travel to wherever tasks run.

    Args:
        value: The value, if it is known.
        location: A string or template, or a function of the context and the task's inputs; without
            one, each write gets a location of its own: the date and a random name.
        serializer: Turns values into bytes and back; by default a `PickleSerializer`.
    """

    def __init__(
        self,
        value: Any = None,
        location: str | os.PathLike[str] | Callable[..., str] | None = None,
        serializer: Serializer | None = None,
    ) -> None:
        if isinstance(location, os.PathLike):
            location = os.fspath(location)
        if not (location is None or isinstance(location, str) or callable(location)):
            raise LocationError(
                "A location is a string, or a function that returns one, "
                f"not {location!r} ({type(location).__name__})."
            )
        super().__init__(value, location, serializer or PickleSerializer())

    @property
    def logger(self) -> Logger:
        """The logger named after the class."""
        from headrace.config.logging import get_logger

        return get_logger(type(self).__name__)

    @property
    def default_location(self) -> str:
        """A location that nothing else has: the date and a random name."""
        return f"{now():%Y/%m/%d}/{os.urandom(16).hex()}.result"

    def format(self, /, **kwargs: Any) -> Self:
        """Return a copy whose location is filled in with `kwargs`.

        Raises:
            LocationError: If the template names a value that is not in `kwargs`, or what comes out
                leads out of the result's place.
        """
        twin = self.copy()
        template = self._template
        twin.location = self._fill(template, kwargs) if template else self.default_location
        return twin

    def exists(self, /, location: str, **kwargs: Any) -> bool:
        """Tell whether something is stored at `location`, filled in with `kwargs` if there are any.

        Raises:
            LocationError: If the location cannot be filled in, or leads out of the place.
            ResultError: If the place cannot be asked.
        """
        return self.is_stored(self._fill(location, kwargs) if kwargs else checked(location))

    def read(self, location: str) -> Self:
        """Return a copy with the value that is stored at `location`.

        Raises:
            ResultNotFound: If nothing is stored there.
            DeserializationError: If what is stored there is not what the serializer writes.
            LocationError: If the location leads out of the place.
            ResultError: If the place cannot be read from.
        """
        data = self.load_bytes(checked(location))
        twin = self.copy()
        twin.location = location
        try:
            twin.value = self.serializer.deserialize(data)
        except DeserializationError as error:
            raise DeserializationError(f"What is stored at {location}: {error}") from error
        self.logger.debug("Read %d bytes from %s.", len(data), location)
        return twin

    def write(self, /, value_: Any, **kwargs: Any) -> Self:
        """Store `value_` at the location filled in with `kwargs`, over what was there.

        Returns:
            A copy that has the value, and the location to read it from.

        Raises:
            LocationError: If the location cannot be filled in, or leads out of the place.
            SerializationError: If the serializer cannot take the value.
            ResultError: If the place cannot be written to.
        """
        twin = self.format(**kwargs)
        data = self.serializer.serialize(value_)
        assert twin.location is not None
        twin.location = self.store_bytes(twin.location, data)
        twin.value = value_
        self.logger.debug("Wrote %d bytes to %s.", len(data), twin.location)
        return twin

    def _fill(self, template: str | Callable[..., str], values: dict[str, Any]) -> str:
        return fill(template, values)

    @abstractmethod
    def store_bytes(self, location: str, data: bytes) -> str:
        """Keep `data` at `location`; return the location to read it from."""

    @abstractmethod
    def load_bytes(self, location: str) -> bytes:
        """Return what is kept at `location`; raise `ResultNotFound` if nothing is."""

    @abstractmethod
    def is_stored(self, location: str) -> bool:
        """Tell whether anything is kept at `location`."""
