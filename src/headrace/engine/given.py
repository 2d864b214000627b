"""The states that a flow run's tasks are given to begin with, and which of them stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.core.states import Mapped
from headrace.engine.plan import NOT_A_CHILD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.core.states import State
    from headrace.core.task import Task
    from headrace.engine.plan import Measure, Node


class Given:
    """States of tasks to begin with.

    Finished ones stand: the run is not made again. Of a mapped task, its children are looked at one
    by one; the rest starts from them.

    Args:
        states: The states.
        measured: How many items their values have, and each of these, where `Node.measure` asks for
            it: by node and map index.
        keep_cached: Whether states that are `Cached` stand, as they are of this very run.
    """

    __slots__ = ("_keep_cached", "_measured", "states")

    def __init__(
        self,
        states: Mapping[Task[Any], State],
        measured: Mapping[tuple[Node, int], Measure],
        keep_cached: bool = False,
    ) -> None:
        self.states = states
        self._measured = measured
        self._keep_cached = keep_cached

    def stands(self, state: State) -> bool:
        """Tell whether a state is how the run ended: a cached one is looked at again."""
        return state.is_finished() and (self._keep_cached or not state.is_cached())

    def measure_of(self, node: Node, child: int = NOT_A_CHILD) -> Measure:
        """Return what was measured of a run's value."""
        return self._measured.get((node, child), (None, None))

    def of_children(self, node: Node, width: int) -> Sequence[State | None]:
        """Return the states that the children of a mapped task begin with, as far as there are any."""
        state = self.states.get(node.task)
        if state is None:
            return ()
        if not isinstance(state, Mapped):
            return (state,) * width  # what is said of the task holds for each of its children
        # Its set-up, clean-up or secret is wanted in this process, too.
        return () if node.task.always_runs else state.map_states[:width]
