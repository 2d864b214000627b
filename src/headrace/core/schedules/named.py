"""Functions with a name and arguments, so that a schedule's filters and adjustments can be stored."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, TypeVar

from headrace.core.errors import ScheduleError, ScheduleSerializationError, ScheduleTypeError
from headrace.core.schedules.wall import (
    deserialize_span,
    deserialize_time,
    serialize_span,
    serialize_time,
)

R = TypeVar("R")


class Named(Generic[R]):
    """A function of a datetime, known by the name and the arguments of what made it.

    Args:
        name: The name of the public function that made it.
        function: Called with the datetime and the arguments.
        arguments: What that public function was called with.
        reach: For an adjustment, how far it moves a time: the least and the most.
        window: For a filter, the first and the last instant that it lets pass, where it knows.
    """

    __slots__ = ("arguments", "function", "name", "reach", "window")

    def __init__(
        self,
        name: str,
        function: Callable[..., R],
        arguments: dict[str, Any],
        *,
        reach: tuple[datetime.timedelta, datetime.timedelta] | None = None,
        window: tuple[datetime.datetime, datetime.datetime] | None = None,
    ) -> None:
        self.name = name
        self.function = function
        self.arguments = arguments
        self.reach = reach
        self.window = window

    def __call__(self, dt: datetime.datetime) -> R:
        """Return what the function says of `dt`, or makes of it."""
        return self.function(dt, **self.arguments)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Named):
            return NotImplemented
        return (self.name, self.arguments) == (other.name, other.arguments)

    def __hash__(self) -> int:
        return hash((self.name, tuple(self.arguments.items())))

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.name}({arguments})"


class Kind:
    """A kind of function that a schedule takes, with those that can be stored, by name.

    Args:
        word: What one of them is called: `"filter"` or `"adjustment"`.
        plain: Those that are used as they are.
        makers: The functions that make one from arguments.
    """

    __slots__ = ("makers", "plain", "word")

    def __init__(
        self,
        word: str,
        plain: Mapping[str, Callable[..., Any]],
        makers: Mapping[str, Callable[..., Any]],
    ) -> None:
        self.word = word
        self.plain = plain
        self.makers = makers

    def check(self, functions: object, argument: str) -> list[Callable[..., Any]]:
        """Return `functions` as a list; none if it is None.

        Raises:
            ScheduleTypeError: If it is no list of functions of this kind.
        """
        if functions is None:
            return []
        if callable(functions) or not isinstance(functions, Iterable):
            raise ScheduleTypeError(
                f"{argument} must be a list of {self.word}s, not {describe(functions)}."
            )
        found = list(functions)
        for function in found:
            if not callable(function):
                raise ScheduleTypeError(
                    f"Each of {argument} must be a function of a datetime, not {function!r}."
                )
            if function in self.makers.values():
                name = describe(function)
                raise ScheduleTypeError(
                    f"{argument} holds {name} itself. Call it with its arguments: {name}(...)."
                )
        return found

    def serialize(self, function: Callable[..., Any]) -> dict[str, Any]:
        """Return a function of this kind as a JSON-able dict: its name and its arguments.

        Raises:
            ScheduleSerializationError: If it is none of those that can be stored.
            ZoneError: If a time among its arguments has a zone without a name.
        """
        if isinstance(function, Named) and function.name in self.makers:
            arguments = {name: _plain(value) for name, value in function.arguments.items()}
            return {"fn": function.name, "kwargs": arguments}
        for name, candidate in self.plain.items():
            if candidate is function:
                return {"fn": name, "kwargs": {}}
        raise ScheduleSerializationError(
            f"The {self.word} {describe(function)} runs locally but cannot be stored, because it "
            f"is a function of your own. Use those of headrace.schedules.{self.word}s."
        )

    def deserialize(self, blob: Any) -> Callable[..., Any]:
        """Make a function from what `serialize` returned.

        Raises:
            ScheduleSerializationError: If `blob` is not what `serialize` returns.
            ScheduleError: If the function does not take such arguments.
        """
        try:
            name, arguments = blob["fn"], blob["kwargs"]
            if name in self.plain and not arguments:
                return self.plain[name]
            made: Callable[..., Any] = self.makers[name](
                **{key: _rich(value) for key, value in arguments.items()}
            )
            return made
        except ScheduleError:
            raise
        except (KeyError, TypeError, AttributeError, ValueError):
            raise ScheduleSerializationError(
                f"This is no serialised {self.word}: {blob!r}."
            ) from None


def describe(function: object) -> str:
    """Return how a filter or an adjustment is called, for messages."""
    name = getattr(function, "__qualname__", None)
    return name if isinstance(name, str) else repr(function)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return {"datetime": serialize_time(value)}
    if isinstance(value, datetime.time):
        return {"time": value.isoformat()}
    if isinstance(value, datetime.timedelta):
        return {"seconds": serialize_span(value)}
    return value


def _rich(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "datetime":
        return deserialize_time(content)
    if kind == "seconds":
        return deserialize_span(content)
    try:
        return {"time": datetime.time.fromisoformat}[kind](content)
    except (KeyError, TypeError, ValueError):
        raise ScheduleSerializationError(f"This is no serialised argument: {value!r}.") from None
