"""Drawings of flows, made by Graphviz."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from headrace.core.errors import MissingExtraError, MissingProgramError
from headrace.core.states import Mapped

if TYPE_CHECKING:
    from headrace.core.edge import Edge
    from headrace.core.graph import Graph
    from headrace.core.states import State
    from headrace.core.task import Task

_FEATURE = "flow.visualize()"
#: Half transparent, so that names stay readable on every colour.
_ALPHA = "80"
_NO_STATE = "#000000"


def draw(flow: Graph, flow_state: State | None = None, horizontal: bool = False) -> Any:
    """Draw a flow.

    Args:
        flow: The flow.
        flow_state: The state of a flow run, whose result has the states of tasks.
        horizontal: Whether the drawing goes from left to right.

    Returns:
        The `graphviz.Digraph`; its nodes are named by the slugs of tasks, those of mapped children
        by slug and map index.

    Raises:
        MissingExtraError: If the package `graphviz` is not installed.
    """
    graphviz = _graphviz()
    picture = graphviz.Digraph()
    if horizontal:
        picture.graph_attr["rankdir"] = "LR"
    drawing = _Drawing(flow, flow_state)
    for task, slug in flow.slugs.items():
        is_mapped = drawing.is_mapped(task)
        label = graphviz.escape(f"{task.name} <map>" if is_mapped else task.name)
        shape = "box" if is_mapped else "ellipse"
        for node, color in drawing.nodes(task, slug):
            style = {} if color is None else {"color": color, "style": "filled"}
            picture.node(node, label, shape=shape, **style)
    for edge in flow.edges:
        style = {"style": "dashed"} if edge.mapped else {}
        for tail, head in drawing.lines(edge):
            picture.edge(tail, head, edge.key, **style)
    return picture


class _Drawing:
    """What is drawn for the tasks and edges of a flow."""

    def __init__(self, flow: Graph, flow_state: State | None) -> None:
        self.flow = flow
        result = None if flow_state is None else flow_state.result
        self.states: dict[Task[Any], State] | None = result if isinstance(result, dict) else None

    def is_mapped(self, task: Task[Any]) -> bool:
        return any(edge.mapped for edge in self.flow.incoming(task))

    def children(self, task: Task[Any]) -> list[State | None] | None:
        """Return the states of a mapped task's children; None if the task is drawn whole."""
        state = None if self.states is None else self.states.get(task)
        if not isinstance(state, Mapped):
            return None
        return list(state.map_states) or None

    def nodes(self, task: Task[Any], slug: str) -> list[tuple[str, str | None]]:
        """Return the name and the colour of each node of a task."""
        children = self.children(task)
        if children is not None:
            return [(_name(slug, index), _color(s)) for index, s in enumerate(children)]
        return [(_name(slug), None if self.states is None else _color(self.states.get(task)))]

    def lines(self, edge: Edge) -> list[tuple[str, str]]:
        """Return both ends of each line of an edge."""
        tails = self._ends(edge.upstream_task)
        heads = self._ends(edge.downstream_task)
        one_to_one = (
            edge.mapped
            and not edge.flattened
            and self.children(edge.upstream_task) is not None
            and self.children(edge.downstream_task) is not None
        )
        if one_to_one:
            return list(zip(tails, heads, strict=False))
        return [(tail, head) for tail in tails for head in heads]

    def _ends(self, task: Task[Any]) -> list[str]:
        slug = self.flow.slugs[task]
        children = self.children(task)
        if children is None:
            return [_name(slug)]
        return [_name(slug, index) for index in range(len(children))]


def _name(slug: str, index: int | None = None) -> str:
    # Graphviz reads what follows a colon as a port of the node.
    node = slug.replace(":", "_")
    return node if index is None else f"{node}[{index}]"


def _color(state: State | None) -> str:
    return (_NO_STATE if state is None else state.color) + _ALPHA


def show(picture: Any, filename: str | os.PathLike[str] | None, format: str | None) -> None:
    """Write a drawing to a file, or open it in a viewer; in a notebook, do neither.

    Args:
        picture: The `graphviz.Digraph`.
        filename: The file to write to, if any.
        format: The file's format; by default the filename's suffix, or else "pdf".

    Raises:
        MissingProgramError: If `dot`, or a viewer where one is needed, is not installed.
        OSError: If the file cannot be written.
    """
    if filename is None and _in_notebook():
        return
    graphviz = _graphviz()
    try:
        if filename is None:
            import shutil
            import tempfile

            folder = tempfile.mkdtemp(prefix="headrace-")
            try:
                picture.render(os.path.join(folder, "flow"), view=True, format=format, cleanup=True)
            except BaseException:
                shutil.rmtree(folder, ignore_errors=True)
                raise
            # The viewer reads the file after this call has returned, so it is left behind.
            return
        stem, suffix = os.path.splitext(os.fspath(filename))
        named = suffix[1:].lower()
        if named not in graphviz.FORMATS or (format is not None and named != format):
            stem, named = os.fspath(filename), format or "pdf"
        picture.render(stem, view=False, format=named, cleanup=True)
    except graphviz.ExecutableNotFound as error:
        raise MissingProgramError(
            _FEATURE, "dot", "Install Graphviz itself; the Python package alone cannot draw."
        ) from error
    except FileNotFoundError as error:
        if filename is not None:
            raise
        raise MissingProgramError(
            _FEATURE, str(error.filename), "Pass filename=... to draw into a file instead."
        ) from error


def _graphviz() -> Any:
    try:
        import graphviz
    except ImportError as error:
        raise MissingExtraError(_FEATURE, "viz", "graphviz") from error
    return graphviz


def _in_notebook() -> bool:
    import sys

    # Whoever runs in a notebook has imported IPython already.
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and "IPKernelApp" in shell.config
