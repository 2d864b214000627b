"""A step gets the same arguments wherever the values that they are made of happen to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace import Flow, flatten, mapped, task
from headrace.core.context import FlowRunContext, current
from headrace.core.triggers import BuiltinTrigger
from headrace.engine.binding import Binding
from headrace.engine.command import Command
from headrace.engine.flight import Flight, Item
from headrace.engine.flow_machine import FlowMachine
from headrace.engine.fusing import successor
from headrace.engine.inputs import Inputs
from headrace.engine.kept_values import KeptValues
from headrace.engine.outcome import without_value
from headrace.engine.plan import NOT_A_CHILD, plan
from headrace.engine.run import Run
from headrace.engine.shared_values import SharedValues
from headrace.engine.sources import Source, fill, resolve
from headrace.engine.upstream import simply_succeeded
from headrace.states import State, Success
from tests.support.random_flows import build, quiet, recipes


def number(x: Any = None) -> int:
    return 1


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    token = current.set(current.get())  # plain runs leave their context to whoever began them
    with quiet():
        yield
    current.reset(token)


class Workers:
    """Keeps some of the values of a run that is made in this process, as if on workers."""

    def __init__(self, random: Random, share: float) -> None:
        self.kept = KeptValues()
        self.values: dict[Flight, dict[int, Any]] = {}
        self._states: dict[Item, State] = {}
        self._random = random
        self._share = share
        self._flights = [Flight(str(number)) for number in range(3)]

    def ended(self, item: Item, state: State) -> None:
        """See how a run ended, and perhaps keep its value."""
        if (
            simply_succeeded(state)
            and not state.is_mapped()
            and self._random.random() < self._share
        ):
            flight = self._random.choice(self._flights)
            values = self.values.setdefault(flight, {})
            self.kept.add(item, flight, len(values))
            values[len(values)] = state.result
            self._states[item] = state

    @contextmanager
    def away(self) -> Iterator[None]:
        """Take the values that were kept out of this process for the time of a block."""
        for item, state in self._states.items():
            _enter(item, without_value(state))
        try:
            yield
        finally:
            for item, state in self._states.items():
                _enter(item, state)

    def held(self, flight: Flight) -> list[Mapping[int, Any]]:
        """Return what a chunk that needs it is called with."""
        assert sorted(flight.needs.values()) == list(range(len(flight.needs)))
        return [self.values[need] for need in flight.needs]


def _enter(item: Item, state: State) -> None:
    node, child = item
    if child < 0:
        node.state = state
    else:
        assert node.children is not None
        node.children[child] = state


def outcome_of(bind: Any) -> Any:
    """Return what a call returns, or the type of what it raises."""
    try:
        return bind()
    except Exception as error:  # a sequence that is no sequence raises what it likes
        return type(error)


def commands(run: Run) -> Iterator[Command]:
    """Yield what a machine says is to be run, until nothing is left."""
    while True:
        command = run.machine.take()
        if command is not None:
            yield command
        elif run.machine.timers.next_due is None:
            return
        else:
            run.wake()


def resolved(
    arguments: Mapping[str, Any],
    states: list[State | None],
    held: Sequence[Mapping[int, Any]],
) -> dict[str, Any]:
    """Return the arguments that a step calls its function with."""
    return {key: resolve(value, states, held) for key, value in arguments.items()}


def seen(states: Mapping[Any, State]) -> dict[Any, Any]:
    """Return what a trigger can see of upstream states; each constant has an edge of its own."""
    return {
        (edge.upstream_task.name, edge.key, edge.mapped): (type(state), state.result)
        for edge, state in states.items()
    }


@given(recipes(), st.integers(0, 2**16), st.sampled_from([0.0, 0.5, 1.0]))
def test_what_stayed_on_workers_is_bound_to_the_same_arguments(
    recipe: Any, seed: int, share: float
) -> None:
    machine = FlowMachine(plan(build(recipe)))
    run = Run(machine, FlowRunContext("flow", "run", "run", {}))
    workers = Workers(Random(seed), share)
    shared = SharedValues()
    for command in commands(run):
        node, child = command.node, command.child
        if command.decided is None:
            expected = outcome_of(partial(Inputs().bind, node, child))
            flight = Flight("this")
            with workers.away():
                binding = Binding(Inputs(), shared, workers.kept, flight, {})
                arguments, has_sources = binding.bind(node, child)
            held = workers.held(flight)
            found = outcome_of(partial(resolved, arguments, [], held))
            assert found == expected
            assert has_sources or not any(isinstance(each, Source) for each in arguments.values())
            assert set(flight.uses) <= set(workers.kept.places)
            assert {workers.kept.places[item][0] for item in flight.uses} == set(flight.needs)
            if not isinstance(node.trigger, BuiltinTrigger) and isinstance(expected, dict):
                flight = Flight("this")
                with workers.away():
                    binding = Binding(Inputs(), shared, workers.kept, flight, {})
                    states = binding.upstream_states(node, child)
                for state in states.values():
                    fill(state, [], workers.held(flight))
                assert seen(states) == seen(Inputs().upstream_states(node, child))
        state = run.execute(command)
        run.finish(node, child, state)
        workers.ended((node, child), state)


@given(recipes(), st.integers(0, 2**16), st.sampled_from([0.0, 0.5]))
def test_what_an_earlier_step_computes_is_bound_to_the_same_arguments(
    recipe: Any, seed: int, share: float
) -> None:
    machine = FlowMachine(plan(build(recipe)))
    run = Run(machine, FlowRunContext("flow", "run", "run", {}))
    workers = Workers(Random(seed), share)
    shared = SharedValues()
    for command in commands(run):
        item = (command.node, command.child)
        following = successor(item)
        flight = Flight("this")
        arguments: dict[str, Any] = {}
        if following is not None:
            with workers.away():
                binding = Binding(Inputs(), shared, workers.kept, flight, {item: 0})
                arguments, _ = binding.bind(*following)
        state = run.execute(command)
        run.finish(*item, state)
        if following is not None and simply_succeeded(state):
            held = workers.held(flight)
            assert resolved(arguments, [state], held) == Inputs().bind(*following)
        workers.ended(item, state)


@pytest.mark.parametrize("kept", [False, True])
def test_a_map_that_got_a_value_of_its_own_is_taken_as_that_value(kept: bool) -> None:
    with Flow("rescued") as flow:
        many = task(number, name="many").map(task(number, name="source")())
        task(number, name="gather")(many)
        task(number, name="flat gather")(flatten(many))
        task(number, name="flat child")(mapped(flatten(many)))
    machine = FlowMachine(plan(flow))
    nodes = {node.task.name: node for node in machine.nodes.values()}
    value = [[1], [2, 3]]
    machine.finish(nodes["source"], NOT_A_CHILD, Success(), None)
    # Its source cannot be mapped over; a state handler has made a success of that.
    machine.finish(nodes["many"], NOT_A_CHILD, Success(result=value), len(value))
    books = KeptValues()
    if kept:
        books.add((nodes["many"], NOT_A_CHILD), Flight("there"), 0)
        nodes["many"].state = Success()
    found = {}
    for name, child in (("gather", NOT_A_CHILD), ("flat gather", NOT_A_CHILD), ("flat child", 1)):
        binding = Binding(Inputs(), SharedValues(), books, Flight("this"), {})
        arguments, _ = binding.bind(nodes[name], child)
        found[name] = resolved(arguments, [], [{0: value}])["x"]
    assert found == {"gather": value, "flat gather": [1, 2, 3], "flat child": 2}
