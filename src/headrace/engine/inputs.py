"""The inputs of a task run, taken from the states of its upstream tasks."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

from headrace.core.states import Failed, Mapped, State, Success
from headrace.core.wording import repr_of
from headrace.engine.plan import (
    CHILD,
    FLAT,
    INNER_LENGTHS,
    ITEM,
    NO_MEASURE,
    NOT_A_CHILD,
    Input,
    Node,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from headrace.core.edge import Edge
    from headrace.core.task import Task
    from headrace.engine.plan import Measure


class Inputs:
    """Binds the arguments of task runs, where all values are in this process."""

    __slots__ = ("_flattened",)

    def __init__(self) -> None:
        #: Values with one level taken out, by the node that they come from.
        self._flattened: dict[Node, Any] = {}

    def bind(self, node: Node, child: int) -> dict[str, Any]:
        """Return the arguments of a run: constants, and the values of upstream tasks.

        Raises:
            Exception: Whatever indexing a user's own sequence raises.
        """
        arguments = dict(node.constants)
        for each in node.inputs:
            if each.key is not None:
                how = each.how
                if how < ITEM:
                    state = each.upstream.state
                    arguments[each.key] = None if state is None else state.result
                else:
                    arguments[each.key] = self._value(each, child)
        return arguments

    def _value(self, each: Input, child: int) -> Any:
        how, upstream = each.how, each.upstream
        state = upstream.state
        if how == CHILD:
            # A mapped upstream that never got children has nothing to give to this child.
            above = None if upstream.children is None else upstream.children[child]
            return None if above is None else above.result
        value: Any = None if state is None else state.result
        if how >= FLAT:
            value = self._flat(upstream, value)
            how -= FLAT
        if how in (ITEM, CHILD):
            return value[child] if hasattr(value, "__getitem__") else None
        return value

    def _flat(self, upstream: Node, value: Any) -> Any:
        """Return a value with one level taken out; kept, as every child of a map asks for it."""
        if upstream not in self._flattened:
            if upstream.children is None:
                self._flattened[upstream] = flatten(value)
            else:
                assert upstream.lengths is not None
                self._flattened[upstream] = opened(
                    [None if child is None else child.result for child in upstream.children],
                    upstream.lengths,
                )
        return self._flattened[upstream]

    def upstream_states(self, node: Node, child: int) -> dict[Edge, State]:
        """Return what a trigger of the user's own looks at: each edge with its upstream's state."""
        from headrace.core.constant import Constant
        from headrace.core.edge import Edge

        states: dict[Edge, State] = {}
        for each in node.inputs:
            upstream, how = each.upstream, each.how
            state = upstream.state
            assert state is not None
            if how % FLAT in (ITEM, CHILD) and child >= 0:
                if how == CHILD and upstream.children is not None:
                    state = upstream.children[child]
                    assert state is not None
                    state = self._seen(upstream, child, state)
                elif how == CHILD + FLAT and upstream.children is not None:
                    index = node.flat_index[node.flat.index(upstream)]
                    state = with_value(
                        upstream.children[index[child]], self._item(each, node, child)
                    )
                else:
                    state = with_value(state, self._item(each, node, child))
            else:
                state = self._seen(upstream, NOT_A_CHILD, state)
            states[each.edge] = state
        for key, value in node.constants.items():
            edge = Edge(Constant(value), node.task, key=key)
            states[edge] = Success("Auto-generated constant value", result=value)
        return states

    def _item(self, each: Input, node: Node, child: int) -> Any:
        """Return the item of an upstream value that one child is mapped over."""
        return self._value(each, child)

    def _seen(self, upstream: Node, child: int, state: State) -> State:
        """Return a node's or a child's state as a trigger sees it."""
        return state


def with_value(state: State | None, value: Any) -> State:
    """Return a copy of a state that has one item of its value as its value."""
    assert state is not None
    twin = Success(state.message) if isinstance(state, Mapped) else copy(state)
    twin.result = value
    return twin


def flatten(value: Any) -> Any:
    """Take one level out of a sequence; what is not nested stays as it is."""
    try:
        return [item for inner in value for item in inner]
    except TypeError:
        return value


def opened(values: list[Any], lengths: Sequence[int | None]) -> list[Any]:
    """Take one level out of the values of mapped children.

    Args:
        values: The values.
        lengths: How many items each has; None for one that has nothing to open (a failed child's
            exception, a number), which stands for itself.
    """
    flat: list[Any] = []
    for value, length in zip(values, lengths, strict=True):
        if length is None:
            flat.append(value)
        else:
            flat.extend(value)
    return flat


def items_in(value: Any) -> int | None:
    """Return how many items a value has to be mapped over; None if it is no sequence."""
    if not hasattr(value, "__getitem__") or not hasattr(value, "__len__"):
        return None
    if isinstance(value, Mapping):
        return None  # it has keys, and no first item
    try:
        return len(value)
    except Exception:  # noqa: BLE001 - an array without dimensions, a sparse matrix, a lazy frame
        return None


def length_of(state: State) -> int | None:
    """Return how many items a successful state's value has to be mapped over; None if none."""
    if not state.is_successful() or state.is_skipped():
        return None
    return items_in(state.result)


def measure(asked: int, child: int, state: State) -> Measure:
    """Return what the machine must know of a value.

    Args:
        asked: `Node.measure` of the task.
        child: The map index; `NOT_A_CHILD` for a task that is not mapped.
        state: The state in which the run ended.

    Returns:
        The number of items, and of each item the number of its own; None for what is not asked
        for or is not there.
    """
    if asked == NO_MEASURE or not state.is_successful():
        return None, None
    length = length_of(state)
    if child >= 0 or asked < INNER_LENGTHS:
        return length, None
    try:
        inner: list[int | None] = [len(item) for item in state.result]
    except Exception:  # noqa: BLE001 - items without a length, or with one that raises
        return length, None
    return length, inner


def unbindable(task: Task[Any], name: str, error: Exception) -> State:
    """Return the state of a run whose inputs cannot be taken from its upstream values.

    Args:
        task: The task.
        name: Its name, with the map index if it is mapped.
        error: What went wrong, as a rule in a sequence of the user's own.
    """
    what = repr_of(error)
    task.logger.error("Task '%s': its inputs cannot be had: %s", name, what, exc_info=error)
    return Failed(f"The inputs of {name!r} cannot be had: {what}", result=error)


def measure_given(
    nodes: Mapping[Task[Any], Node], given: Mapping[Task[Any], State]
) -> dict[tuple[Node, int], Measure]:
    """Return what the machine must know of the values of the states that a run begins with."""
    measured: dict[tuple[Node, int], Measure] = {}
    for task, state in given.items():
        node = nodes[task]
        if node.measure == NO_MEASURE:
            continue
        if node.mapped and isinstance(state, Mapped):
            for child, child_state in enumerate(state.map_states):
                if child_state is not None:
                    measured[node, child] = measure(node.measure, child, child_state)
        else:
            measured[node, NOT_A_CHILD] = measure(node.measure, NOT_A_CHILD, state)
    return measured
