"""A step: one task run of a chunk, as it travels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.engine.plan import NO_MEASURE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headrace.core.edge import Edge
    from headrace.core.states import State


class Step:
    """One task run in a chunk.

    Args:
        task: Which of the chunk's tasks.
        slug: The task's slug.
        child: The map index; `NOT_A_CHILD` for a task that is not mapped.
        inputs: The arguments: values, or sources where `has_sources`.
        has_sources: Whether any argument is a source.
        plain: Whether running it comes down to calling the task's function.
        measure: What must be known of its value, as `Node.measure`.
        begin: The state to begin with.
        decided: The state in which it ends without its function being called.
        upstream_states: The upstream states, for a trigger of the user's own.
        after: The earlier steps of this chunk that must simply succeed before it.
        context: More context keys for this task.
        wants_value: Whether its value must not stay on the worker.
    """

    __slots__ = (
        "after",
        "begin",
        "child",
        "context",
        "decided",
        "has_sources",
        "inputs",
        "measure",
        "plain",
        "slug",
        "task",
        "upstream_states",
        "wants_value",
    )

    def __init__(
        self,
        task: int,
        slug: str,
        child: int,
        inputs: dict[str, Any],
        has_sources: bool = False,
        plain: bool = True,
        measure: int = NO_MEASURE,
        begin: State | None = None,
        decided: State | None = None,
        upstream_states: Mapping[Edge, State] | None = None,
        after: Sequence[int] = (),
        context: Mapping[str, Any] | None = None,
        wants_value: bool = False,
    ) -> None:
        self.task = task
        self.slug = slug
        self.child = child
        self.inputs = inputs
        self.has_sources = has_sources
        self.plain = plain
        self.measure = measure
        self.begin = begin
        self.decided = decided
        self.upstream_states = upstream_states
        self.after = after
        self.context = context
        self.wants_value = wants_value

    def __reduce__(self) -> tuple[Any, ...]:
        values = tuple(getattr(self, name) for name in _STEP_FIELDS)
        last = len(values)
        # Most steps end in defaults: they do not travel.
        while last > 4 and values[last - 1] is _STEP_DEFAULTS.get(last - 1, ()):
            last -= 1
        return Step, values[:last]


_STEP_FIELDS = (
    "task",
    "slug",
    "child",
    "inputs",
    "has_sources",
    "plain",
    "measure",
    "begin",
    "decided",
    "upstream_states",
    "after",
    "context",
    "wants_value",
)
_STEP_DEFAULTS: dict[int, Any] = {
    4: False,
    5: True,
    6: NO_MEASURE,
    7: None,
    8: None,
    9: None,
    10: (),
    11: None,
    12: False,
}
