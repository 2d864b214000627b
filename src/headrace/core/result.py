"""The port for results: what a value is, where it is stored, and how it is found again."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from headrace.core.errors import ResultNotImplementedError

if TYPE_CHECKING:
    from logging import Logger


class Result:
    """A value and the place where it is stored.

    The base class has no place: it carries a value, and `read`, `write` and `exists` raise.
    `headrace.results` has the ones that store.

    Args:
        value: The value itself; None if it has not been read yet.
        location: Where it is stored: a string, or, before it is written, a template that is
            formatted with the run's context and the task's inputs (`"{task_name}/{date:%F}.pkl"`),
            or a function that takes these as keywords and returns the string.
        serializer: Turns values into bytes and back; each implementation says its default.
    """

    #: Whether a tracked run keeps values for it in its checkpoints, many in one file, where neither
    #: a task nor this result names a location. The engine says so, of a copy.
    in_checkpoints: bool = False

    def __init__(
        self,
        value: Any = None,
        location: str | Callable[..., str] | None = None,
        serializer: Any = None,
    ) -> None:
        self.value = value
        self.location = location if location is None or isinstance(location, str) else None
        self._template = location
        self.serializer = serializer

    @property
    def logger(self) -> Logger:
        """The logger named after the class."""
        import logging

        return logging.getLogger(f"headrace.{type(self).__name__}")

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.location or repr(self.value)}>"

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return self.__dict__ == other.__dict__

    __hash__ = object.__hash__

    def copy(self) -> Self:
        """Return a shallow copy: the same value and place, free to be changed apart."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def from_value(self, value: Any) -> Self:
        """Return a copy that carries `value` and keeps this result's place and serializer."""
        twin = self.copy()
        twin.value = value
        return twin

    def at(self, location: str | Callable[..., str]) -> Self:
        """Return a copy whose place is `location`: a string, a template, or a function."""
        twin = self.copy()
        twin.location = location if isinstance(location, str) else None
        twin._template = location
        return twin

    def format(self, /, **kwargs: Any) -> Self:
        """Return a copy whose location is this one's template filled in with `kwargs`.

        Raises:
            KeyError: If the template names a key that is not in `kwargs`.
        """
        twin = self.copy()
        template = self._template
        if template is not None:
            twin.location = (
                template.format(**kwargs) if isinstance(template, str) else template(**kwargs)
            )
        return twin

    def exists(self, /, location: str, **kwargs: Any) -> bool:
        """Tell whether something is stored at `location`, filled in with `kwargs`."""
        raise ResultNotImplementedError(_no_place(self))

    def read(self, location: str) -> Self:
        """Return a copy with the value that is stored at `location`."""
        raise ResultNotImplementedError(_no_place(self))

    def write(self, /, value_: Any, **kwargs: Any) -> Self:
        """Store `value_` at the location filled in with `kwargs`; return a copy that has both."""
        raise ResultNotImplementedError(_no_place(self))


class NoResultType(Result):
    """The type of `NoResult`, which says that there is no value at all."""

    def __repr__(self) -> str:
        return "<No result>"


NoResult = NoResultType()


def _no_place(result: Result) -> str:
    return (
        f"{type(result).__name__} has no place to store values; "
        "give the task or the flow a result such as LocalResult(dir=...)."
    )
