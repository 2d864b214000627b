"""`Local`: flows in files of the machine that runs them."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any, ClassVar

from headrace.config import config
from headrace.config.private import make_private
from headrace.core.errors import StorageError
from headrace.storage.base import Storage
from headrace.storage.contents import MARK_LENGTH, flow_in, mark_in, pickled

if TYPE_CHECKING:
    from headrace.flow import Flow


class Local(Storage):
    """Flows in files of this machine: pickles that are made here, or the Python files themselves.

    Its default label is the machine's name, so that only agents of this machine run its flows.

    A run notices if it gets other code than was registered. A pickle is named after what is in it,
    and a new one is written beside it, so one that differs is an error. A Python file may be changed
    by design: the run takes it as it is now and warns of it.

    Args:
        directory: Where pickles are written; by default `flows` in `headrace.config.home_dir`.
        validate: Whether paths are made absolute here and now; if not, they are taken as they are,
            for a machine that is not this one.
        path: The file of the flow. With `stored_as_script` the Python file, or the dotted name of a
            module; without, where the pickle is written.
        stored_as_script: Whether `path` is the file that makes the flow, instead of a pickle.
        **kwargs: Arguments of every storage.

    Attributes:
        hashes: By the name of each flow, what its file is known by: the SHA-256 of a Python file,
            the fingerprint of a pickle.

    Raises:
        StorageError: If an argument has a wrong type.
    """

    described: ClassVar[tuple[str, ...]] = ("directory", "path")
    by_flow: ClassVar[tuple[str, ...]] = ("flows", "hashes")

    def __init__(
        self,
        directory: str | os.PathLike[str] | None = None,
        validate: bool = True,
        path: str | os.PathLike[str] | None = None,
        stored_as_script: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(stored_as_script=stored_as_script, **kwargs)
        for name, value in (("directory", directory), ("path", path)):
            if not isinstance(value, str | os.PathLike | None):
                raise StorageError(f"The {name} of a Local storage is a string, not {value!r}.")
        self.directory = (
            os.path.join(config.home_dir, "flows") if directory is None else os.fspath(directory)
        )
        self.path = None if path is None else os.fspath(path)
        self.hashes: dict[str, str] = {}
        if validate:
            self.directory = os.path.abspath(os.path.expanduser(self.directory))
            if self.path is not None and not self._is_module(self.path):
                self.path = os.path.abspath(os.path.expanduser(self.path))

    @property
    def default_labels(self) -> list[str]:
        """The machine's name."""
        import socket

        return [socket.gethostname()]

    def add_flow(self, flow: Flow) -> str:
        """Take a flow in: pickle it, or note the file that makes it; return the file's path.

        Raises:
            StorageError: If another flow of this name was added, `stored_as_script` has no path, or
                the file cannot be written.
            SerializationError: If the flow cannot be pickled.
        """
        self.check_name(flow)
        if self.stored_as_script:
            return self._add_script(flow)
        from headrace.flow_files import write_whole
        from headrace.storage.fingerprint import fingerprint

        mark = fingerprint(flow)
        folder = re.sub(r"[^\w.-]+", "-", flow.name.lower()).strip("-.") or "flow"
        location = self.path or os.path.join(self.directory, folder, mark)
        if self.path and self.path in self.flows.values() and flow.name not in self.flows:
            raise StorageError(
                f"{self.path} holds one flow already, and a pickle holds one only. Give the flow "
                f"{flow.name!r} a storage of its own, or leave out `path`."
            )
        # The same flow is not written again: what a run may be reading stays as it is.
        if _mark_of(location) != mark:
            data = pickled(flow, mark)
            _make(os.path.dirname(location))
            try:
                write_whole(location, data)
            except OSError as error:
                raise StorageError(
                    f"The flow {flow.name!r} cannot be written to {location}: {error.strerror}."
                ) from error
        self.hashes[flow.name] = mark
        return self.keep(flow, location)

    def get_flow(self, flow_name: str) -> Flow:
        """Load a flow; errors are those of every storage."""
        location = self.location_of(flow_name)
        if not self.stored_as_script and not self._is_module(location):
            return self._unpickled(flow_name, location)
        if self._is_module(location):
            from headrace.loading import extract_flow_from_module

            return extract_flow_from_module(location, flow_name)
        from headrace.loading import extract_flow_from_file

        self._compare(flow_name, location)
        try:
            return extract_flow_from_file(location, flow_name=flow_name)
        except FileNotFoundError as error:
            if os.path.exists(location):
                raise  # it is one that the file itself looks for
            raise StorageError(_missing(flow_name, location)) from error

    def serialize(self) -> dict[str, Any]:
        """Describe the storage; see `Storage.serialize`."""
        return {**super().serialize(), "hashes": dict(sorted(self.hashes.items()))}

    def restore(self, description: dict[str, Any]) -> None:
        """Take over flows and hashes; see `Storage.restore`."""
        super().restore(description)
        # They were made absolute where the storage was described, which may be another machine.
        self.directory, self.path = description["directory"], description["path"]
        self.hashes = dict(description.get("hashes") or {})

    # -- parts --------------------------------------------------------------------------------

    def _add_script(self, flow: Flow) -> str:
        if not self.path:
            raise StorageError(
                "A Local storage with stored_as_script=True needs the path of the file: "
                "Local(path=__file__, stored_as_script=True)."
            )
        digest = None if self._is_module(self.path) else _digest(self.path)
        if digest is not None:
            self.hashes[flow.name] = digest
        return self.keep(flow, self.path)

    def _is_module(self, path: str) -> bool:
        """Tell whether a path is the dotted name of a module."""
        return (
            self.stored_as_script
            and os.sep not in path
            and not path.endswith(".py")
            and all(part.isidentifier() for part in path.partition(":")[0].split("."))
            and not os.path.isfile(path)
        )

    def _compare(self, flow_name: str, location: str) -> None:
        known, now = self.hashes.get(flow_name), _digest(location)
        if known is not None and now is not None and known != now:
            self.logger.warning(
                "%s has changed since the flow %r was registered from it. This run takes the file as "
                "it is now; register the flow again to say so.",
                location,
                flow_name,
            )

    def _unpickled(self, flow_name: str, location: str) -> Flow:
        try:
            with open(location, "rb") as file:
                data = file.read()
        except FileNotFoundError as error:
            raise StorageError(_missing(flow_name, location)) from error
        except OSError as error:
            raise StorageError(
                f"The flow {flow_name!r} cannot be read from {location}: {error.strerror}."
            ) from error
        known = self.hashes.get(flow_name)
        if known is not None and mark_in(data) != known:
            raise StorageError(
                f"{location} is not the pickle of the flow {flow_name!r} that was registered: it has "
                "been written anew or is damaged. Register the flow again, and start a new run."
            )
        return flow_in(data, flow_name, location, is_script=False)


def _missing(flow_name: str, location: str) -> str:
    return (
        f"The flow {flow_name!r} is to be loaded from {location}, and there is no such file on this "
        "machine. Register the flow again from here, let an agent run it that has the file (that is "
        "what the label with the machine's name is for), or give the flow another storage."
    )


def _make(directory: str) -> None:
    try:
        if directory.startswith(os.path.join(os.path.abspath(config.home_dir), "")):
            make_private(directory)  # a flow's code, and what it holds, is nobody else's business
        else:
            os.makedirs(directory, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"The directory {directory} for flows cannot be made: {error.strerror}."
        ) from error


def _digest(path: str) -> str | None:
    """Return the SHA-256 of a file; None if it cannot be read here."""
    from hashlib import file_digest

    try:
        with open(path, "rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _mark_of(path: str) -> str | None:
    """Return the fingerprint in the file of a pickle; None if there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - MARK_LENGTH))
            return mark_in(file.read())
    except OSError:
        return None
