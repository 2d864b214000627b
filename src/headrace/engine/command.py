"""A command of the flow machine: which task run comes next."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.core.states import State
    from headrace.engine.plan import Node


class Command:
    """Run a task, or one child of a mapped task.

    Args:
        node: The task's node.
        child: The map index; `NOT_A_CHILD` for a task that is not mapped.
        decided: The state in which it ends without its function being called, if that is already
            clear; it is run all the same when the task has state handlers to be told.
    """

    __slots__ = ("child", "decided", "node")

    def __init__(self, node: Node, child: int, decided: State | None = None) -> None:
        self.node = node
        self.child = child
        self.decided = decided

    def __repr__(self) -> str:
        return f"<Run {self.node.slug}[{self.child}] {self.decided or ''}>"
