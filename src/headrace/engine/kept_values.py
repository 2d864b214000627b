"""The books of values that stayed where they were computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.engine.flight import Flight, Item
    from headrace.engine.plan import Node


class KeptValues:
    """Which values of a flow run stayed on workers.

    Attributes:
        places: Of each run whose value did, the flight and the position in it.
        nodes: The nodes any of whose values did, or has done before it was lost.
    """

    __slots__ = ("nodes", "places")

    def __init__(self) -> None:
        self.places: dict[Item, tuple[Flight, int]] = {}
        self.nodes: set[Node] = set()

    def add(self, item: Item, flight: Flight, position: int) -> None:
        """Enter a value."""
        self.places[item] = (flight, position)
        self.nodes.add(item[0])
