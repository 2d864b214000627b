"""`ObjectStoreResult`: values in a cloud's object store, over fsspec."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

from headrace.core.errors import (
    HeadraceError,
    LocationError,
    ResultError,
    ResultNotFound,
)
from headrace.object_stores.connections import connected
from headrace.results.stored import StoredResult


class ObjectStoreResult(StoredResult):
    """A value in an object of a bucket. Its children say which cloud's.

    An object appears whole or not at all, as every object store promises. The connection is made
    in the process that needs it and kept there, never in the result.
    """

    #: The extra of `headrace` that brings what is needed, and the package it is in.
    _extra: ClassVar[str]
    _package: ClassVar[str]

    @abstractmethod
    def _bucket(self) -> str:
        """Return the name of the bucket."""

    @abstractmethod
    def _options(self) -> Mapping[str, Any]:
        """Return what the file system is made with, secrets included."""

    @abstractmethod
    def _connect(self, options: Mapping[str, Any]) -> Any:
        """Return a new fsspec file system; raise `ImportError` if the package is missing."""

    def _write_options(self, data: bytes) -> Mapping[str, Any]:
        """Return what the file system is told along with an object of these bytes."""
        return {}

    def store_bytes(self, location: str, data: bytes) -> str:
        """Write an object, over what was there; return the location as it is."""
        place = self._object(location)
        try:
            self._files().pipe_file(place, data, **self._write_options(data))
        except Exception as error:  # noqa: BLE001 - three clouds' errors have no root of their own
            self._fail(location, "written to", error)
        return location

    def load_bytes(self, location: str) -> bytes:
        """Return the bytes of the object."""
        place = self._object(location)
        try:
            data: bytes = self._files().cat_file(place)
        except FileNotFoundError as error:
            raise ResultNotFound(f"Nothing is stored at {self._shown(location)}.") from error
        except Exception as error:  # noqa: BLE001 - likewise
            self._fail(location, "read from", error)
        return data

    def is_stored(self, location: str) -> bool:
        """Tell whether there is such an object."""
        place = self._object(location)
        try:
            kind: str = self._files().info(place)["type"]
        except FileNotFoundError:
            return False
        except Exception as error:  # noqa: BLE001 - likewise
            self._fail(location, "asked", error)
        return kind == "file"

    def _files(self) -> Any:
        """Return this process's file system for this result's options."""
        return connected(
            self._connect,
            self._options(),
            feature=type(self).__name__,
            extra=self._extra,
            package=self._package,
        )

    def _object(self, location: str) -> str:
        key = location.lstrip("/")
        if not key or key.endswith("/"):
            raise LocationError(f"The location {location!r} names no object.")
        return f"{self._bucket()}/{key}"

    def _shown(self, location: str) -> str:
        return f"{location} in {self._bucket()}"

    def _fail(self, location: str, what: str, error: Exception) -> NoReturn:
        if isinstance(error, HeadraceError):
            raise error
        raise ResultError(
            f"{type(self).__name__}: {self._bucket()} cannot be {what} for {location}: "
            f"{type(error).__name__}: {str(error).rstrip('.')}."
        ) from error
