"""Which task run may be fused behind another: the one that waits for nothing but it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.engine.upstream import simply_succeeded

if TYPE_CHECKING:
    from headrace.engine.flight import Item
    from headrace.engine.plan import Node


def successor(item: Item) -> Item | None:
    """Return the run that will be ready, and will run, as soon as this one simply succeeds.

    Args:
        item: A run that has not ended.

    Returns:
        The only run that waits for it, if it waits for nothing else; else None.
    """
    node, child = item
    if child < 0:
        if node.mapped:
            return None  # it only got its children now; what follows waits for them
        if len(node.dependents) != 1:
            return None
        following = node.dependents[0]
        if (
            following.mapped
            or following.waiting != 1
            or following.dirty
            or following.state is not None
        ):
            return None
    else:
        if len(node.child_dependents) != 1:
            return None
        following = node.child_dependents[0]
        waiting = following.child_waiting
        if (
            following.children is None
            or following.dirty
            or following.flat
            or waiting is None
            or child >= len(waiting)
            or waiting[child] != 1
            or following.children[child] is not None
            or (len(following.by_child) > 1 and not _others_succeeded(following, child, node))
        ):
            return None
    return (following, child) if following.runs_when_clean() else None


def _others_succeeded(following: Node, child: int, node: Node) -> bool:
    """Tell whether all that a child is mapped over simply succeeded, but for `node`, still open."""
    return all(
        simply_succeeded(above.state if above.children is None else above.children[child])
        for above in following.by_child
        if above is not node
    )
