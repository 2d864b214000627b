"""A flight: a chunk that is on its way, and what the dispatcher has to know of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.engine.plan import Node

if TYPE_CHECKING:
    from headrace.core.states import State

#: A task run: the task's node, and the map index or `NOT_A_CHILD`.
Item = tuple[Node, int]


class Flight:
    """A chunk that is on its way.

    Args:
        key: The submission's key.

    Attributes:
        items: Which runs it holds, in the order of its steps.
        fused: Which of them were put in ahead of the machine's command.
        begins: The states that they begin with, of those that are no plain first run.
        open: The positions that have not been reported.
        needs: The flights whose kept values it needs.
        uses: The runs whose kept values it needs.
        handle: By which what it kept is named.
    """

    __slots__ = ("begins", "fused", "handle", "items", "key", "needs", "open", "uses")

    def __init__(self, key: str) -> None:
        self.key = key
        self.items: list[Item] = []
        self.fused: set[Item] = set()
        self.begins: dict[Item, State] = {}
        self.open: set[int] = set()
        self.needs: dict[Flight, int] = {}
        self.uses: dict[Item, None] = {}
        self.handle: Any = None
