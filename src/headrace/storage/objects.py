"""`ObjectStorage`: flows in objects of a bucket, whoever's cloud it is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from headrace.core.errors import StorageError
from headrace.storage.bucket import InBucket
from headrace.storage.contents import (
    digest_of,
    flow_in,
    mark_in,
    pickled,
    script_at,
    slug_of,
)
from headrace.storage.fingerprint import fingerprint

if TYPE_CHECKING:
    from typing import Self

    from headrace.flow import Flow


class _Code(NamedTuple):
    """A flow's code that is still to be written."""

    #: None for a script that somebody else has put there.
    data: bytes | None
    #: A pickle's fingerprint.
    mark: str | None


class ObjectStorage(InBucket):
    """Flows in objects of a bucket: pickles, or the Python files that make them.

    Each object is named after the flow and after what is in it, unless its key is given: so what is
    registered later never takes the place of what older runs are loading. The description holds the
    SHA-256 of the object, and of an object with a key of its own the version, where the bucket keeps
    versions. A run loads exactly these bytes; where they are gone, that is an error.

    A kind says how its bucket is reached. `add_flow` pickles, or reads the Python file; `build`
    writes.

    Attributes:
        hashes: By the name of each flow, the SHA-256 of its object.
        versions: By the name of each flow whose object has a key of its own, the object's version;
            empty where the bucket keeps no versions.
    """

    by_flow: ClassVar[tuple[str, ...]] = ("flows", "hashes", "versions")
    is_elsewhere: ClassVar[bool] = True

    def __init__(
        self,
        stored_as_script: bool = False,
        local_script_path: str | os.PathLike[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(stored_as_script=stored_as_script, **kwargs)
        for argument in (self._key_argument, self._bucket_noun):
            value = getattr(self, argument)
            if not isinstance(value, str | None) or value == "":
                raise StorageError(
                    f"The {argument} of {self.name} storage is a string, not {value!r}."
                )
        if not getattr(self, self._bucket_noun):
            raise StorageError(f"{self.name} storage needs the name of a {self._bucket_noun}.")
        if (self._key or "").endswith("/"):
            raise StorageError(
                f"The {self._key_argument} {self._key!r} of {self.name} storage names no object, but a "
                "folder. Leave it out, and each flow gets a key of its own."
            )
        self.local_script_path = None if local_script_path is None else os.fspath(local_script_path)
        self.hashes: dict[str, str] = {}
        self.versions: dict[str, str] = {}
        self._pending: dict[str, _Code] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_pending": {}}

    @property
    def script_here(self) -> str | None:
        """The Python file that is kept: the one named, or else the one that is being registered."""
        from headrace.core.context import context

        return self.local_script_path or context.get("local_script_path")

    # -- keeping and loading --------------------------------------------------------------------

    def add_flow(self, flow: Flow) -> str:
        """Take a flow in; return the key of the object that `build` writes.

        Raises:
            StorageError: If another flow of this name was added, the key is taken by another flow, or
                the Python file cannot be read.
            SerializationError: If the flow cannot be pickled.
        """
        self.check_name(flow)
        self._check_secrets()
        if self.stored_as_script:
            data, mark = self._script(), None
            name = None if data is None else f"{slug_of(flow.name)}/{digest_of(data)[:32]}.py"
        else:
            mark = fingerprint(flow)
            data, name = pickled(flow, mark), f"{slug_of(flow.name)}/{mark}"
        key = self._key or name or self.flows.get(flow.name)
        if key is None:
            raise StorageError(
                f"{self.name} storage with stored_as_script=True needs local_script_path, the Python "
                f"file that is to be uploaded (local_script_path=__file__), or {self._key_argument}, "
                "where it is already."
            )
        if not self.stored_as_script and key in {
            where for other, where in self.flows.items() if other != flow.name
        }:
            raise StorageError(
                f"The {self._shown(key)} holds one flow already, and a pickle holds one only. Give the flow "
                f"{flow.name!r} a storage of its own, or leave out `{self._key_argument}`."
            )
        self._pending[flow.name] = _Code(data, mark)
        self.hashes.pop(flow.name, None)
        self.versions.pop(flow.name, None)
        return self.keep(flow, key)

    def build(self) -> Self:
        """Write what was added and is not there yet.

        Raises:
            StorageError: If the bucket cannot be reached or written to, or refuses.
            MissingExtraError: If the package that speaks to it is not installed.
            SecretError: If a secret that it needs cannot be used.
        """
        for flow_name, code in list(self._pending.items()):
            key = self.flows[flow_name]
            data = self._there(key) if code.data is None else self._put(key, code.data, code.mark)
            self.hashes[flow_name] = digest_of(data)
            if self._key is not None:
                self._pin_version(flow_name, key)
            del self._pending[flow_name]
        return self

    def pinned(self) -> Self:
        """Return this storage, which is bound to what was written.

        Raises:
            StorageError: If a flow was added and not written.
        """
        missing = sorted(self.flows.keys() - self.hashes.keys())
        if missing:
            raise StorageError(
                f"{', '.join(map(repr, missing))}: added to {self.name} storage, and not written yet. "
                "Call its build() before registering with build=False."
            )
        return self

    def get_flow(self, flow_name: str) -> Flow:
        """Load a flow; errors are those of every storage, and those of `build`."""
        key = self.location_of(flow_name)
        data = self._registered(flow_name, key)
        self.logger.info("Loading the flow %r from %s.", flow_name, self._shown(key))
        return flow_in(data, flow_name, self._shown(key), is_script=self.stored_as_script)

    def serialize(self) -> dict[str, Any]:
        """Describe the storage; see `Storage.serialize`.

        Raises:
            StorageError: If an argument is no JSON, or a secret.
        """
        self._check_secrets()
        return {
            **super().serialize(),
            "hashes": dict(sorted(self.hashes.items())),
            "versions": dict(sorted(self.versions.items())),
        }

    def restore(self, description: dict[str, Any]) -> None:
        """Take over flows, hashes and versions; see `Storage.restore`."""
        super().restore(description)
        self.hashes = dict(description.get("hashes") or {})
        self.versions = dict(description.get("versions") or {})

    # -- parts --------------------------------------------------------------------------------

    def _script(self) -> bytes | None:
        return None if self.script_here is None else script_at(self.script_here)

    def _put(self, key: str, data: bytes, mark: str | None) -> bytes:
        """Write code, unless the same is there; return what is there then."""
        place = self._place(key)
        before = self._current(key)
        if before is not None and _is_same(before, data, mark):
            return before
        # What has a name of its own is never overwritten by two who register it at once.
        mode = "overwrite" if self._key is not None or before is not None else "create"
        if before is not None:
            self._check_overwriting(key)
        try:
            self._do(key, "written", lambda: self._write(place, data, mode))
        except FileExistsError:
            return self._there(key)
        return data

    def _check_secrets(self) -> None:
        """Make sure that no argument is a secret: it would go to the server, and into each pickle."""

    def _check_overwriting(self, key: str) -> None:
        """Make sure that an object that is there may be overwritten."""

    def _pin_version(self, flow_name: str, key: str) -> None:
        place = self._place(key)
        try:
            version = self._do(key, "asked for its version", lambda: self._version(place))
            if version is None:
                return
            data = self._do(key, "read", lambda: self._read_version(place, version))
        except FileNotFoundError:
            self._missing(key)
        if digest_of(data) != self.hashes[flow_name]:
            raise StorageError(
                f"The {self._shown(key)} was overwritten by somebody else while the flow {flow_name!r} was "
                f"written there. Register it again; without `{self._key_argument}` each flow has an "
                "object that nobody else writes."
            )
        self.versions[flow_name] = version

    def _registered(self, flow_name: str, key: str) -> bytes:
        """Return the bytes that were registered."""
        known = self.hashes.get(flow_name)
        data = self._current(key)
        if data is not None and known in {None, digest_of(data)}:
            return data
        version = self.versions.get(flow_name)
        if version is not None:
            place = self._place(key)
            try:
                old: bytes = self._do(key, "read", lambda: self._read_version(place, version))
            except FileNotFoundError:
                old = b""
            if digest_of(old) == known:
                return old
        if data is None:
            self._missing(key)
        raise StorageError(
            f"The {self._shown(key)} is not what was registered for the flow {flow_name!r}: it has been "
            "overwritten since. Register the flow again, and start a new run; without "
            f"`{self._key_argument}`, or in a {self._bucket_noun} that keeps versions, what is "
            "registered later leaves older versions of a flow alone."
        )


def _is_same(before: bytes, data: bytes, mark: str | None) -> bool:
    """Tell whether what is there makes the same flow: two pickles of one flow differ in their bytes."""
    return before == data if mark is None else mark_in(before) == mark
