"""Collections that hold tasks, and what becomes of a value where a task is needed."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, Self

from headrace.core.annotations import EdgeAnnotation
from headrace.core.constant import Constant
from headrace.core.errors import ArgumentError
from headrace.core.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.core.graph import Graph


class _Items(Task[Any]):
    """A task with any number of inputs, which are given by position."""

    def bind(
        self,
        /,
        *args: Any,
        mapped: bool = False,
        upstream_tasks: Iterable[Any] | None = None,
        flow: Graph | None = None,
        **kwargs: Any,
    ) -> Self:
        """Add this task to a flow, with these items: tasks or values."""
        if kwargs:
            raise ArgumentError(
                f"Task {self.name!r} takes its items by position, not as {', '.join(kwargs)}."
            )
        items = {f"arg_{number}": item for number, item in enumerate(args, 1)}
        return super().bind(mapped=mapped, upstream_tasks=upstream_tasks, flow=flow, **items)


def _in_order(items: dict[str, Any]) -> builtins.list[Any]:
    return [items[f"arg_{number}"] for number in range(1, len(items) + 1)]


class List(_Items):
    """Gathers its inputs in a list."""

    def run(self, **items: Any) -> builtins.list[Any]:
        """Return the list."""
        return _in_order(items)


class Tuple(_Items):
    """Gathers its inputs in a tuple."""

    def run(self, **items: Any) -> builtins.tuple[Any, ...]:
        """Return the tuple."""
        return tuple(_in_order(items))


class Set(_Items):
    """Gathers its inputs in a set."""

    def run(self, **items: Any) -> builtins.set[Any]:
        """Return the set."""
        return set(items.values())


class Dict(Task[Any]):
    """Makes a dict of keys and values."""

    def run(self, keys: Iterable[Any], values: Iterable[Any]) -> builtins.dict[Any, Any]:
        """Return the dict.

        Raises:
            ArgumentError: If there are more of one than of the other.
        """
        keys, values = list(keys), list(values)
        if len(keys) != len(values):
            raise ArgumentError(
                f"{len(keys)} keys and {len(values)} values do not make a dict; give as many of "
                "one as of the other."
            )
        return dict(zip(keys, values, strict=True))


class Slice(Task[Any]):
    """Makes a slice, for `items[start:stop]` where a bound is a task."""

    def run(self, start: Any, stop: Any, step: Any) -> slice:
        """Return the slice."""
        return slice(start, stop, step)


def is_constant(value: Any) -> bool:
    """Tell whether a value holds no task, not even inside its lists, tuples, sets and dicts."""
    if isinstance(value, Task | EdgeAnnotation):
        return False
    if isinstance(value, list | tuple | set):
        return all(map(is_constant, value))
    if isinstance(value, dict):
        return all(map(is_constant, value)) and all(map(is_constant, value.values()))
    if isinstance(value, slice):
        return is_constant((value.start, value.stop, value.step))
    return True


def as_task(x: Any, flow: Graph | None = None) -> Task[Any]:
    """Make a task of a value.

    Args:
        x: A task, which is returned as it is; a list, tuple, set, dict or slice that holds tasks,
            which becomes a task that gathers them; any other value, which becomes a constant. A
            subclass of one of the collections becomes the plain collection.
        flow: The flow to which a gathering task is added; the open one by default.

    Returns:
        The task. An annotation such as `unmapped` is left behind.

    Raises:
        NotInFlowError: If a collection holds tasks and there is no flow.
    """
    if isinstance(x, Task):
        return x
    if isinstance(x, EdgeAnnotation):
        return as_task(x.value, flow=flow)
    made: Task[Any]
    if is_constant(x):
        made = Constant(x)
    elif isinstance(x, list):
        made = List().bind(*x, flow=flow)
    elif isinstance(x, tuple):
        made = Tuple().bind(*x, flow=flow)
    elif isinstance(x, set):
        made = Set().bind(*x, flow=flow)
    elif isinstance(x, dict):
        made = Dict().bind(keys=list(x), values=list(x.values()), flow=flow)
    else:
        made = Slice().bind(x.start, x.stop, x.step, flow=flow)
    made.auto_generated = True
    return made
