"""`InBucket`: how a storage asks for objects of its bucket, and what it says when that fails."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn

from headrace.core.errors import HeadraceError, StorageError
from headrace.object_stores.connections import connected
from headrace.storage.base import Storage


class InBucket(Storage):
    """A storage that has a bucket, over a file system of fsspec. A kind says whose, and who asks."""

    #: What the user calls the object's name, and the bucket.
    _key_argument: ClassVar[str] = "key"
    _bucket_noun: ClassVar[str] = "bucket"
    #: The extra that brings what is needed, and its package.
    _extra: ClassVar[str]
    _package: ClassVar[str]
    #: What to look at when the store refuses.
    _account: ClassVar[str]

    # -- what a kind says -----------------------------------------------------------------------

    @property
    @abstractmethod
    def _key(self) -> str | None:
        """The key that was given."""

    @abstractmethod
    def _options(self) -> Mapping[str, Any]:
        """Return what the file system is made with, secrets included."""

    @abstractmethod
    def _connect(self, options: Mapping[str, Any]) -> Any:
        """Return a new fsspec file system; raise `ImportError` if the package is missing."""

    @abstractmethod
    def _write(self, place: str, data: bytes, mode: str) -> None:
        """Write an object; in the mode `create` raise `FileExistsError` if there is one."""

    @abstractmethod
    def _version(self, place: str) -> str | None:
        """Return the current version of an object; None where there are no versions."""

    @abstractmethod
    def _read_version(self, place: str, version: str) -> bytes:
        """Return an object as it was in a version."""

    # -- what is made of that -----------------------------------------------------------------

    def _there(self, key: str) -> bytes:
        data = self._current(key)
        if data is None:
            self._missing(key)
        return data

    def _missing(self, key: str) -> NoReturn:
        raise StorageError(
            f"There is no {self._shown(key)}. Look whether the {self._bucket_noun} is there and the "
            "object in it; registering the flow again writes it anew."
        )

    def _current(self, key: str) -> bytes | None:
        """Return an object's bytes; None if there is no such object."""
        place = self._place(key)
        try:
            data: bytes = self._do(key, "read", lambda: self._files().cat_file(place))
        except FileNotFoundError:
            return None
        return data

    def _files(self) -> Any:
        return connected(
            self._connect,
            self._options(),
            feature=f"{self.name} storage",
            extra=self._extra,
            package=self._package,
        )

    def _place(self, key: str) -> str:
        return f"{getattr(self, self._bucket_noun)}/{key.lstrip('/')}"

    def _shown(self, key: str) -> str:
        return f"object {key} in the {self._bucket_noun} {getattr(self, self._bucket_noun)}"

    def _do(self, key: str, what: str, call: Callable[[], Any]) -> Any:
        """Ask the store; raise `FileNotFoundError` or `FileExistsError`, or a `StorageError`."""
        try:
            return call()
        except (FileNotFoundError, FileExistsError) as error:
            if what != "written" or isinstance(error, FileExistsError):
                raise
            said, way_out = f"there is no such {self._bucket_noun}", self._way_out(error)
        except HeadraceError:
            raise
        except Exception as error:  # noqa: BLE001 - three clouds' errors have no root of their own
            said = f"{type(error).__name__}: {' '.join(str(error).split()).rstrip('.')}"
            way_out = self._way_out(error)
        raise StorageError(
            f"{self.name} storage: the {self._shown(key)} cannot be {what}: {said}. {way_out}"
        )

    def _way_out(self, error: Exception) -> str:
        text = str(error).lower()
        if isinstance(error, FileNotFoundError) or "bucket does not exist" in text:
            return (
                f"Make the {self._bucket_noun}, or mend its name; storages do not make "
                f"{self._bucket_noun}s."
            )
        if isinstance(error, PermissionError) or any(
            word in text for word in ("credential", "denied", "forbidden", "authenticat", "token")
        ):
            return (
                f"Look at the {self._bucket_noun}'s name, and at who asks and what they may do there: "
                f"{self._account}."
            )
        return (
            f"Look at the address, the region and the network; who asks is said by {self._account}."
        )
