"""What steps take along from the runner's process: tasks, constants, and whole values.

What is not small travels as `Shared`, and is the same object for all who take it: an executor may
send it to each worker once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.executors.base import Shared

if TYPE_CHECKING:
    from headrace.core.states import State
    from headrace.engine.plan import Node

SHORT_TEXT = 256  #: characters or bytes up to which a text travels as itself, not as `Shared`


class SharedValues:
    """Makes what travels of one flow run, each thing once."""

    __slots__ = ("_constants", "_tasks", "_wholes")

    def __init__(self) -> None:
        self._tasks: dict[Node, Shared] = {}
        self._constants: dict[Node, tuple[dict[str, Any], bool]] = {}
        self._wholes: dict[Node, tuple[State, Any]] = {}

    def task_of(self, node: Node) -> Shared:
        """Return a node's task, as it travels."""
        shared = self._tasks.get(node)
        if shared is None:
            shared = self._tasks[node] = Shared(node.task)
        return shared

    def constants_of(self, node: Node) -> tuple[dict[str, Any], bool]:
        """Return a node's constants, as they travel, and whether any of them is a source."""
        known = self._constants.get(node)
        if known is None:
            values = {key: _shared(value) for key, value in node.constants.items()}
            known = values, any(type(value) is Shared for value in values.values())
            self._constants[node] = known
        return known

    def whole_of(self, node: Node) -> Any:
        """Return a node's value that is in this process, as it travels."""
        state = node.state
        if state is None:
            return None
        if node.children is not None:
            return state.result  # a list of its own for each who takes it, so that any may sort it
        known = self._wholes.get(node)
        if known is None or known[0] is not state:
            known = self._wholes[node] = state, _shared(state.result)
        return known[1]


def _shared(value: Any) -> Any:
    """Return a value as it travels: by itself if it is small, else as `Shared`."""
    kind = type(value)
    if kind in _SMALL or (kind in (str, bytes) and len(value) <= SHORT_TEXT):
        return value
    return Shared(value)


_SMALL = (int, float, bool, complex, type(None))
