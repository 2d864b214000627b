"""Binds the arguments of steps: values that are here, and sources of those that are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.core.states import Mapped
from headrace.engine.inputs import Inputs, with_value
from headrace.engine.plan import CHILD, FLAT, GATHER, ITEM, NOT_A_CHILD, Input, Node
from headrace.engine.sources import FlatOf, FromStep, Held, ItemOf, ListOf
from headrace.executors.base import Shared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.core.states import State
    from headrace.engine.flight import Flight, Item
    from headrace.engine.kept_values import KeptValues
    from headrace.engine.shared_values import SharedValues


class Binding(Inputs):
    """Binds the arguments of the steps of one chunk.

    Args:
        inputs: What is taken apart of values that are here, for all chunks of the run.
        shared: How values that are here travel.
        kept: Which values stayed on workers.
        flight: The chunk's flight, which takes note of those of them that it needs.
        places: Which of the chunk's steps computes what, so far.
    """

    __slots__ = ("_flight", "_kept", "_places", "_shared")

    def __init__(
        self,
        inputs: Inputs,
        shared: SharedValues,
        kept: KeptValues,
        flight: Flight,
        places: Mapping[Item, int],
    ) -> None:
        self._flattened = inputs._flattened
        self._shared = shared
        self._kept = kept
        self._flight = flight
        self._places = places

    def bind(self, node: Node, child: int) -> tuple[dict[str, Any], bool]:  # type: ignore[override]
        """Return the arguments, and whether any of them is a source.

        An item that cannot be taken from a value here is left to the step, as a source that
        fails there: it is the task run that fails then.
        """
        constants, has_sources = self._shared.constants_of(node)
        arguments = dict(constants)
        kept_nodes = self._kept.nodes
        for each in node.inputs:
            if each.key is None:
                continue
            upstream = each.upstream
            above = (upstream, child if each.how == CHILD else NOT_A_CHILD)
            if above in self._places:
                source = FromStep(self._places[above])
                arguments[each.key] = FlatOf(source) if each.how >= FLAT else source
                has_sources = True
            elif upstream in kept_nodes:
                arguments[each.key] = self._source(each, node, child)
                has_sources = True
            elif each.how < ITEM:
                value = arguments[each.key] = self._shared.whole_of(upstream)
                has_sources = has_sources or type(value) is Shared
            else:
                try:
                    arguments[each.key] = self._value(each, child)
                except Exception:  # noqa: BLE001 - a user's own sequence may raise anything
                    arguments[each.key] = ItemOf(_value_of(upstream.state), child)
                    has_sources = True
        return arguments, has_sources

    def _source(self, each: Input, node: Node, child: int) -> Any:
        """Return where an input comes from, at least a part of which stayed on a worker."""
        upstream, how = each.upstream, each.how
        if how == CHILD:
            return self._one(upstream, child)
        if upstream.children is None:
            whole = self._one(upstream, NOT_A_CHILD)
            is_flat = how >= FLAT
            if how % FLAT < ITEM:  # of a map, too, that got a value of its own from a handler
                return FlatOf(whole) if is_flat else whole
            if not is_flat:
                return ItemOf(whole, child)
            if upstream.lengths is None:
                return ItemOf(FlatOf(whole), child)
            outer, inner = _place_in(upstream.lengths, child)
            return ItemOf(ItemOf(whole, outer), inner)
        if how == CHILD + FLAT:
            lengths = upstream.lengths or []
            outer, inner = _place_in(lengths, child)
            source = self._one(upstream, outer)
            return source if lengths[outer] is None else ItemOf(source, inner)
        sources = [self._one(upstream, index) for index in range(upstream.width)]
        if how == GATHER:
            return ListOf(sources)
        return ListOf(sources, upstream.lengths)

    def _item(self, each: Input, node: Node, child: int) -> Any:
        if each.upstream in self._kept.nodes:
            return self._source(each, node, child)
        return super()._item(each, node, child)

    def _seen(self, upstream: Node, child: int, state: State) -> State:
        """Return a state whose value, or those of its children, may be a source."""
        if upstream not in self._kept.nodes:
            return state
        if upstream.children is None or child >= 0:
            return with_value(state, self._one(upstream, child))
        seen = Mapped(state.message, n_map_states=upstream.width)
        seen.map_states = [
            None if each is None else with_value(each, self._one(upstream, index))
            for index, each in enumerate(upstream.children)
        ]
        return seen

    def _one(self, node: Node, child: int) -> Any:
        item = (node, child)
        kept = self._kept.places.get(item)
        if kept is None:
            return _value_of(node.state_of(child))
        flight, position = kept
        self._flight.uses[item] = None
        need = self._flight.needs.setdefault(flight, len(self._flight.needs))
        return Held(need, position)


def _value_of(state: State | None) -> Any:
    return None if state is None else state.result


def _place_in(lengths: list[int | None], index: int) -> tuple[int, int]:
    """Say which item of a nested sequence holds item `index` of the flat one, and where in it."""
    for outer, length in enumerate(lengths):
        width = 1 if length is None else length
        if index < width:
            return outer, index
        index -= width
    raise IndexError(index)
