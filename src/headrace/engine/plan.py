"""The plan of one flow run: the graph's tasks as nodes that know whom they wait for.

A `Node` is made for every task at the start of every run, and holds all that the `FlowMachine`
knows of it. It is slotted and plain, since a flow may have a hundred thousand of them.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any

from headrace.core.states import Skipped, Success
from headrace.core.triggers import BuiltinTrigger, Tally, all_successful

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableSequence, Sequence

    from headrace.core.edge import Edge
    from headrace.core.graph import Graph
    from headrace.core.states import State
    from headrace.core.task import Task

#: How an input takes its value from its upstream node.
WHOLE = 0  #: the upstream task's value
GATHER = 1  #: the list of the values of a mapped upstream's children
ITEM = 2  #: item n of the upstream task's value, for child n
CHILD = 3  #: the value of child n of a mapped upstream, for child n
FLAT = 4  #: added to any of these: with one level of nesting taken out

#: What must be known of a node's value beside its state.
NO_MEASURE = 0
LENGTH = 1  #: how many items it has
INNER_LENGTHS = 2  #: how many items each of its items has

#: How many items a value has, and how many each of these has; None for what is not known.
Measure = tuple[int | None, list[int | None] | None]

NOT_A_CHILD = -1
#: The map index that stands for a task as a whole, in every signature of the engine.


class Input:
    """One edge as its downstream task sees it.

    Args:
        edge: The edge.
        upstream: The node that it comes from.
        how: `WHOLE`, `GATHER`, `ITEM` or `CHILD`, and `FLAT` added if one level is taken out.
    """

    __slots__ = ("edge", "how", "key", "upstream")

    def __init__(self, edge: Edge, upstream: Node, how: int) -> None:
        self.edge = edge
        self.key = edge.key
        self.upstream = upstream
        self.how = how


class Node:
    """One task in one flow run.

    Args:
        task: The task.
        slug: Its slug in the flow.
        constants: Its arguments that are known before the run.
        index: Its place in the plan: larger than that of any of its upstream nodes.

    Attributes:
        inputs: Its edges, in the order in which they were made.
        mapped: Whether any of them maps the task.
        dependents: The nodes that wait until this one is finished, last-made first.
        child_dependents: The mapped nodes whose child n waits for this node's child n.
        whole: The nodes that this one waits for as a whole.
        by_child: The mapped nodes whose child n this node's child n waits for.
        flat: The mapped nodes over whose flattened children this node is mapped. It waits for all
            of them, but each of its children hangs on one of theirs only.
        flat_dependents: The mapped nodes that are mapped over this node's flattened children.
        flat_index: Of each node in `flat`, to which of its children each item belongs.
        waiting: How many upstream nodes it still waits for.
        dirty: How many of its whole upstream nodes ended in anything but a plain success.
        measure: What must be known of its value: `NO_MEASURE`, `LENGTH` or `INNER_LENGTHS`.
        state: Its state; None until it has one.
        children: The states of its children, by map index; None until it is expanded.
        open_children: How many children are not finished.
        child_waiting: Of each child, for how many upstream children it waits.
        successful: How many children ended well, skipped ones included.
        failed: How many children ended badly.
        skipped: How many children were skipped.
        length: How many items its value has; None if that is not known or it is no sequence.
        lengths: How many items each item of its value has, or each child's value.
        settled: Whether its dependents have been told that it is finished.
        plain: Whether running it comes down to calling its function; the runner says so.
        at_home: Whether it runs beside the executor, in the runner's process; the machine says so.
    """

    __slots__ = (
        "at_home",
        "by_child",
        "child_dependents",
        "child_waiting",
        "children",
        "constants",
        "dependents",
        "dirty",
        "failed",
        "flat",
        "flat_dependents",
        "flat_index",
        "index",
        "inputs",
        "length",
        "lengths",
        "mapped",
        "measure",
        "open_children",
        "plain",
        "settled",
        "skipped",
        "slug",
        "state",
        "successful",
        "task",
        "trigger",
        "waiting",
        "whole",
    )

    def __init__(
        self, task: Task[Any], slug: str, constants: Mapping[str, Any], index: int
    ) -> None:
        self.task = task
        self.index = index
        self.slug = slug
        self.constants = constants
        self.trigger: Callable[..., bool] = task.trigger
        self.mapped = False
        self.dependents: list[Node] = []
        # What only some nodes have is one empty tuple in all others: lists that stay empty are most
        # of what the garbage collector would look at in a large flow.
        self.inputs: Sequence[Input] = ()
        self.whole: Sequence[Node] = ()
        self.by_child: Sequence[Node] = ()
        self.child_dependents: Sequence[Node] = ()
        self.flat: Sequence[Node] = ()
        self.flat_dependents: Sequence[Node] = ()
        self.flat_index: Sequence[Sequence[int]] = ()
        self.waiting = 0
        self.dirty = 0
        self.measure = NO_MEASURE
        self.state: State | None = None
        self.children: list[State | None] | None = None
        self.open_children = 0
        self.child_waiting: MutableSequence[int] | None = None
        self.successful = 0
        self.failed = 0
        self.skipped = 0
        self.length: int | None = None
        self.lengths: list[int | None] | None = None
        self.settled = False
        self.plain = False
        self.at_home = False

    def __repr__(self) -> str:
        return f"<Node {self.slug}>"

    @property
    def width(self) -> int:
        """How many children it has; 0 before it is expanded."""
        return 0 if self.children is None else len(self.children)

    @property
    def is_open(self) -> bool:
        """Whether it, or any of its children, is not finished."""
        return self.state is None or not self.state.is_finished() or self.open_children > 0

    def state_of(self, child: int) -> State | None:
        """Return the state of a child, or of the node itself for `NOT_A_CHILD`."""
        if child < 0:
            return self.state
        return None if self.children is None else self.children[child]

    def count_child(self, state: State) -> None:
        """Enter a child's finished state into the counts."""
        if isinstance(state, Success):
            self.successful += 1
            if isinstance(state, Skipped):
                self.skipped += 1
        else:
            # A cancelled or looped child is no success and no failure; a trigger sees it as
            # neither, and as finished: `failed` would be wrong for it.
            self.failed += state.is_failed()

    def name_of(self, child: int) -> str:
        """Return the task's name, with the map index in brackets for a child."""
        return self.task.name if child < 0 else f"{self.task.name}[{child}]"

    def states_above(self, child: int) -> Iterator[State | None]:
        """Yield the states that one child hangs on alone, not on whole upstream tasks."""
        for node in self.by_child:
            yield node.state if node.children is None else node.children[child]
        for node, index in zip(self.flat, self.flat_index, strict=False):
            yield node.state if node.children is None else node.children[index[child]]

    def count(self, child: int) -> Tally:
        """Count the states upstream of the node, or of one of its children."""
        total = finished = successful = len(self.constants)
        failed = skipped = 0
        for node in self.whole:
            if node.children is not None:
                total += len(node.children)
                finished += len(node.children) - node.open_children
                successful += node.successful
                failed += node.failed
                skipped += node.skipped
            else:
                state = node.state
                total += 1
                if state is not None:
                    finished += state.is_finished()
                    successful += state.is_successful()
                    failed += state.is_failed()
                    skipped += state.is_skipped()
        for state in self.states_above(child):
            total += 1
            if state is not None:
                finished += state.is_finished()
                successful += state.is_successful()
                failed += state.is_failed()
                skipped += state.is_skipped()
        return Tally(
            total, finished, successful, failed, skipped, bool(self.inputs or self.constants)
        )

    def runs_when_clean(self) -> bool:
        """Tell whether the trigger lets the task run when each upstream is a plain success."""
        trigger = self.trigger
        if trigger is all_successful:
            return True
        if not isinstance(trigger, BuiltinTrigger):
            return False
        total = len(self.constants)
        for node in self.whole:
            total += 1 if node.children is None else len(node.children)
        total += len(self.by_child) + len(self.flat)
        clean = Tally(total, total, total, 0, 0, bool(self.inputs or self.constants))
        return trigger.objection(clean) is None


def plan(graph: Graph) -> dict[Task[Any], Node]:
    """Make a node for each task of `graph`, upstream before downstream.

    Raises:
        CycleError: If tasks depend on each other in a circle.
    """
    # Nothing that is made here can be garbage yet. The collector would look through all of it again
    # and again, which costs a large flow more than making it.
    collects = gc.isenabled()
    gc.disable()
    try:
        return _make_nodes(graph)
    finally:
        if collects:
            gc.enable()


def _make_nodes(graph: Graph) -> dict[Task[Any], Node]:
    slugs = graph.slugs
    constants = graph.constants
    nodes: dict[Task[Any], Node] = {}
    nothing: Mapping[str, Any] = {}
    for task in graph.sorted_tasks():
        node = Node(task, slugs[task], constants.get(task) or nothing, len(nodes))
        edges = graph.incoming(task)
        if edges:
            _connect(node, edges, nodes)
        nodes[task] = node
    # Last-made first: a stack then gives out the first-made first.
    for node in nodes.values():
        if len(node.dependents) > 1:
            node.dependents.reverse()
    return nodes


def _connect(node: Node, edges: Sequence[Edge], nodes: Mapping[Task[Any], Node]) -> None:
    """Make the inputs of `node`, and enter it with the nodes that it waits for."""
    inputs: list[Input] = []
    whole: dict[Node, None] = {}
    for edge in edges:
        if edge.mapped or edge.flattened:
            _connect_mapped(node, edges, nodes)
            return
        upstream = nodes[edge.upstream_task]
        inputs.append(Input(edge, upstream, GATHER if upstream.mapped else WHOLE))
        whole[upstream] = None
    for upstream in whole:
        upstream.dependents.append(node)
    node.inputs = inputs
    node.whole = list(whole)
    node.waiting = len(whole)


def _connect_mapped(node: Node, edges: Sequence[Edge], nodes: Mapping[Task[Any], Node]) -> None:
    """Do what `_connect` does, where an input is mapped over or flattened."""
    inputs: list[Input] = []
    whole: dict[Node, None] = {}
    by_child: dict[Node, None] = {}
    flat: dict[Node, None] = {}
    for edge in edges:
        upstream = nodes[edge.upstream_task]
        if edge.mapped:
            node.mapped = True
            how = CHILD if upstream.mapped else ITEM
        else:
            how = GATHER if upstream.mapped else WHOLE
        if edge.flattened:
            how += FLAT
            if edge.mapped or upstream.mapped:
                # Who takes a value apart needs to know where it comes apart.
                upstream.measure = max(
                    upstream.measure, LENGTH if upstream.mapped else INNER_LENGTHS
                )
        elif how == ITEM:
            upstream.measure = max(upstream.measure, LENGTH)
        if how == CHILD:
            by_child[upstream] = None
        elif how == CHILD + FLAT:
            flat[upstream] = None
        else:
            whole[upstream] = None
        inputs.append(Input(edge, upstream, how))
    for upstream in whole:
        by_child.pop(upstream, None)
        upstream.dependents.append(node)
    for upstream in by_child:
        upstream.child_dependents = [*upstream.child_dependents, node]
    for upstream in flat:
        upstream.flat_dependents = [*upstream.flat_dependents, node]
    node.inputs = inputs
    node.whole = list(whole)
    node.by_child = list(by_child)
    node.flat = list(flat)
    node.waiting = len(whole) + len(by_child) + len(flat)
