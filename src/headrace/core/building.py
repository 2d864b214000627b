"""What is being built at this moment: the graph that is open in a `with` block."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contextvars import Token

    from headrace.core.graph import Graph
    from headrace.core.task_definition import TaskDefinition


class Building:
    """One open `with graph:` block.

    Args:
        graph: The graph that tasks called in the block are added to.

    Attributes:
        unused: Tasks made in the block that no graph has taken up yet, in the order they were made.
    """

    __slots__ = ("graph", "unused")

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.unused: dict[TaskDefinition[Any], None] = {}


_building: ContextVar[Building | None] = ContextVar("headrace_building", default=None)


def current_building() -> Building | None:
    """Return the innermost open block of this thread or asynchronous task, if there is one."""
    return _building.get()


def current_graph() -> Graph | None:
    """Return the graph of the innermost open `with` block, or None outside of all blocks."""
    building = _building.get()
    return None if building is None else building.graph


def open_building(building: Building) -> Token[Building | None]:
    """Make `building` the innermost block; pass the token to `close_building` to end it."""
    return _building.set(building)


def close_building(token: Token[Building | None]) -> None:
    """End the block that `open_building` began."""
    _building.reset(token)
