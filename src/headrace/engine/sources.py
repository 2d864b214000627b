"""Where a step's inputs come from that do not travel with it, and the values that these stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.core.states import Mapped
from headrace.engine.inputs import flatten, opened
from headrace.executors.base import Shared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.core.states import State


class FromStep:
    """An input that an earlier step of the same chunk computes.

    Args:
        position: Which step.
    """

    __slots__ = ("position",)

    def __init__(self, position: int) -> None:
        self.position = position

    def __reduce__(self) -> tuple[Any, ...]:
        return FromStep, (self.position,)


class Held:
    """An input that stayed on a worker.

    Args:
        need: Which of the submission's `needs` has kept it.
        position: Which step of that submission computed it.
    """

    __slots__ = ("need", "position")

    def __init__(self, need: int, position: int) -> None:
        self.need = need
        self.position = position

    def __reduce__(self) -> tuple[Any, ...]:
        return Held, (self.need, self.position)


class ItemOf:
    """One item of an input that is somewhere else.

    Args:
        source: The input.
        index: Which item.
    """

    __slots__ = ("index", "source")

    def __init__(self, source: Any, index: int) -> None:
        self.source = source
        self.index = index

    def __reduce__(self) -> tuple[Any, ...]:
        return ItemOf, (self.source, self.index)


class ListOf:
    """A list of inputs, some of which are somewhere else.

    Args:
        sources: The inputs; values stand for themselves.
        lengths: If one level is taken out: how many items each input has, see `inputs.opened`.
    """

    __slots__ = ("lengths", "sources")

    def __init__(self, sources: list[Any], lengths: list[int | None] | None = None) -> None:
        self.sources = sources
        self.lengths = lengths

    def __reduce__(self) -> tuple[Any, ...]:
        return ListOf, (self.sources, self.lengths)


class FlatOf:
    """An input that is somewhere else, with one level taken out of it.

    Args:
        source: The input.
    """

    __slots__ = ("source",)

    def __init__(self, source: Any) -> None:
        self.source = source

    def __reduce__(self) -> tuple[Any, ...]:
        return FlatOf, (self.source,)


Source = FromStep | Held | ItemOf | ListOf | FlatOf | Shared


def resolve(value: Any, states: list[State | None], held: Sequence[Mapping[int, Any]]) -> Any:
    """Return the value that a source stands for; any other value stands for itself."""
    if isinstance(value, FromStep):
        state = states[value.position]
        return None if state is None else state.result
    if isinstance(value, Held):
        return held[value.need][value.position]
    if isinstance(value, Shared):
        return value.value
    if isinstance(value, ItemOf):
        sequence = resolve(value.source, states, held)
        return sequence[value.index] if hasattr(sequence, "__getitem__") else None
    if isinstance(value, FlatOf):
        return flatten(resolve(value.source, states, held))
    if isinstance(value, ListOf):
        items = [resolve(source, states, held) for source in value.sources]
        return items if value.lengths is None else opened(items, value.lengths)
    return value


def fill(state: State, states: list[State | None], held: Sequence[Mapping[int, Any]]) -> None:
    """Give an upstream state, that a trigger is to see, the value that it has a source of."""
    if isinstance(state, Mapped) and state.map_states:
        for child in state.map_states:
            if child is not None:
                fill(child, states, held)
    elif isinstance(state.result, Source):
        state.result = resolve(state.result, states, held)
