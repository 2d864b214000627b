"""`LocalResult`: values in files."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NoReturn

from headrace.config.private import make_private
from headrace.config.settings import config
from headrace.core.errors import LocationError, ResultError, ResultNotFound
from headrace.results.stored import StoredResult


class LocalResult(StoredResult):
    """A value in a file of the machine where the task runs.

    A file appears whole or not at all: it is written beside its place under another name and then
    renamed, so that nobody reads half of one, and a process that dies leaves what was there before.
    It is not flushed to the disk (no fsync, which would cost a task a hundred times more): a value
    survives the process, but one written in the last seconds before the *machine* loses power may
    be missing or unreadable.

    Args:
        dir: The directory; by default `results` in `headrace.config.home_dir`. A location is below
            it, unless its template itself starts with an absolute path.
        validate_dir: Whether `dir` is made absolute, and created, at once; if not, it is looked for
            where the task runs.
        **kwargs: `value`, `location` and `serializer` as of every result.

    Raises:
        ResultError: If `dir` cannot be created.
    """

    def __init__(
        self,
        dir: str | os.PathLike[str] | None = None,
        validate_dir: bool = True,
        **kwargs: Any,
    ) -> None:
        directory = os.path.join(config.home_dir, "results") if dir is None else os.fspath(dir)
        if validate_dir:
            directory = os.path.abspath(os.path.expanduser(directory))
            try:
                if dir is None:
                    make_private(directory)
                else:
                    os.makedirs(directory, exist_ok=True)
            except OSError as error:
                _fail(directory, "made a directory for results", error)
        self.dir = directory
        super().__init__(**kwargs)

    def _fill(self, template: str | Callable[..., str], values: dict[str, Any]) -> str:
        location = super()._fill(template, values)
        # An input must not be able to choose any file of the machine.
        if isinstance(template, str) and os.path.isabs(location) and not os.path.isabs(template):
            raise LocationError(
                f"The location {template!r} became the absolute path {location!r}, out of "
                f"{self.dir}. If that is meant, give a function as the location."
            )
        return location

    def store_bytes(self, location: str, data: bytes) -> str:
        """Write a file beside its place, then rename it; return the whole path."""
        path = self._path(location)
        directory = os.path.dirname(path)
        beside = os.path.join(directory, f".{os.urandom(12).hex()}.part")
        try:
            try:
                file = open(beside, "xb")  # noqa: SIM115 - closed by the `with` below
            except FileNotFoundError:
                os.makedirs(directory, exist_ok=True)
                file = open(beside, "xb")  # noqa: SIM115 - likewise
            try:
                with file:
                    file.write(data)
                os.replace(beside, path)
            except BaseException:
                os.unlink(beside)
                raise
        except OSError as error:
            _fail(path, "written", error)
        return path

    def load_bytes(self, location: str) -> bytes:
        """Return the bytes of the file."""
        path = self._path(location)
        try:
            with open(path, "rb") as file:
                return file.read()
        except FileNotFoundError:
            raise ResultNotFound(f"Nothing is stored at {path}.") from None
        except OSError as error:
            _fail(path, "read", error)

    def is_stored(self, location: str) -> bool:
        """Tell whether there is such a file."""
        return os.path.isfile(self._path(location))

    def _path(self, location: str) -> str:
        return os.path.abspath(os.path.join(self.dir, location))


def _fail(path: str, what: str, error: OSError) -> NoReturn:
    raise ResultError(f"{path} cannot be {what}: {error.strerror or error}.") from error
