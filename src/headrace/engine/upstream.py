"""What a run's upstream means for it: whether it runs, and how many children a mapped task gets.

Pure rules over the nodes of a plan. The `FlowMachine` asks them when a run's turn has come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.core.states import Failed, Mapped, Resume, Skipped, Success
from headrace.core.triggers import BuiltinTrigger
from headrace.engine.plan import CHILD, FLAT, ITEM

if TYPE_CHECKING:
    from collections.abc import Collection, MutableSequence

    from headrace.core.edge import Edge
    from headrace.core.states import State
    from headrace.engine.plan import Node
    from headrace.engine.reopened import Reopened

SKIPPED_BY_UPSTREAM = (
    "Upstream task was skipped; if this was not the intended behavior, consider changing "
    "`skip_on_upstream_skip=False` for this task."
)


def simply_succeeded(state: State | None) -> bool:
    """Tell whether a run ended in a plain success: what any task that waits for it may build on."""
    return isinstance(state, Success) and not isinstance(state, Skipped)


def ended_cleanly(node: Node) -> bool:
    """Tell whether a node, with all its children, is a plain success."""
    if node.children is not None:
        return node.successful == len(node.children) and not node.skipped
    return simply_succeeded(node.state)


def objection(node: Node, child: int, begin: State | None) -> State | None:
    """Return the state in which a run ends because of its upstream, or None if it may run.

    Args:
        node: The task's node, whose upstream is finished.
        child: The map index; `NOT_A_CHILD` for a task that is not mapped.
        begin: The state that the run begins with, if it has one.
    """
    tally = node.count(child)
    if tally.skipped and node.task.skip_on_upstream_skip:
        return Skipped(SKIPPED_BY_UPSTREAM)
    trigger = node.trigger
    if not isinstance(trigger, BuiltinTrigger):
        return None  # a user's trigger sees values: it is called beside the task
    if trigger.needs_person and isinstance(begin, Resume):
        return None
    signal = trigger.objection(tally)
    return None if signal is None else signal.state


def expansion(node: Node) -> State:
    """Return `Mapped` with the number of a mapped task's children, or how it ends without any."""
    if node.task.skip_on_upstream_skip and _is_skipped_above(node):
        return Skipped(SKIPPED_BY_UPSTREAM)
    widths: list[int] = []
    for each in node.inputs:
        how, upstream = each.how, each.upstream
        if how % FLAT not in (ITEM, CHILD):
            continue
        state = upstream.state
        if upstream.children is not None:
            widths.append(
                _flat_width(upstream.lengths, upstream.width) if how >= FLAT else upstream.width
            )
        elif state is not None and state.is_successful():
            width = upstream.length
            if how >= FLAT and upstream.lengths is not None:
                width = _flat_width(upstream.lengths, 0)
            if width is None:
                return _unmappable(each.edge)
            widths.append(width)
    if not widths:
        return Failed("No upstream states can be mapped over.")
    return Mapped("Ready to proceed with mapping.", n_map_states=min(widths))


def open_above(node: Node, width: int, reopened: Reopened) -> MutableSequence[int]:
    """Count for each child of a mapped task how many upstream children it waits for.

    Args:
        node: The task's node.
        width: How many children it gets.
        reopened: The runs that were taken back. They had ended: they do not tell a second time.
    """
    waiting: MutableSequence[int] = bytearray(width) if len(node.by_child) < 256 else [0] * width
    for upstream in node.by_child:
        if upstream.children is None:
            continue
        for child in range(min(width, upstream.width)):
            above = upstream.children[child]
            if above is None or not (above.is_finished() or (upstream, child) in reopened):
                waiting[child] += 1
    return waiting


def _is_skipped_above(node: Node) -> bool:
    """Tell whether anything that a mapped task hangs on as a whole was skipped."""
    for upstream in node.whole:
        if upstream.skipped or isinstance(upstream.state, Skipped):
            return True
    return any(isinstance(upstream.state, Skipped) for upstream in (*node.by_child, *node.flat))


def _flat_width(lengths: Collection[int | None] | None, width: int) -> int:
    """Count the items after one level is taken out; what cannot be opened counts as one."""
    if lengths is None:
        return width
    return sum(1 if length is None else length for length in lengths)


def _unmappable(edge: Edge) -> Failed:
    return Failed(
        f"At least one upstream state has an unmappable result: {edge.upstream_task.name!r} gave "
        f"{edge.downstream_task.name!r} something without a length and items to map over."
    )


def sources(upstream: Node, width: int) -> list[int]:
    """Say to which child of `upstream` each item belongs after one level is taken out.

    Args:
        upstream: A node whose children are mapped over, flattened.
        width: How many items there are if each child is one.
    """
    lengths = [0] * width if upstream.lengths is None else upstream.lengths
    return [
        child
        for child, length in enumerate(lengths)
        for _ in range(1 if length is None else length)
    ]
