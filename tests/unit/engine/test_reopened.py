"""Runs whose values were lost after they had ended are made anew, and who hangs on them waits."""

import pytest

from headrace import Flow, flatten, task
from headrace.engine.flow_machine import FlowMachine
from headrace.engine.plan import NOT_A_CHILD, plan
from headrace.states import Failed, Retrying, Success, TriggerFailed


@task
def one(x=None, y=None):
    return x, y


def machine_of(flow):
    """The machine of a flow, and its nodes by the names of their tasks."""
    machine = FlowMachine(plan(flow))
    return machine, {node.task.name: node for node in machine.nodes.values()}


def names(machine):
    """Take all commands that are ready; return them as name or name[child]."""
    taken = []
    while (command := machine.take()) is not None:
        taken.append(command)
    return [command.node.name_of(command.child) for command in taken]


def lost():
    return Retrying("Retrying: A value was lost.", run_count=0)


@pytest.fixture
def pipeline():
    with Flow("pipeline") as flow:
        a = one.map([1, 2, 3], task_args={"name": "a"})
        b = one.map(a, task_args={"name": "b"})
        c = one.map(a, b, task_args={"name": "c"})
        one(c, a, task_args={"name": "d"})
    machine, nodes = machine_of(flow)
    constant = next(node for node in machine.nodes.values() if node.task.auto_generated)
    machine.take()
    machine.finish(constant, NOT_A_CHILD, Success(result=[1, 2, 3]), 3)
    assert names(machine) == ["a[0]", "a[1]", "a[2]"]
    for child in range(3):
        machine.finish(nodes["a"], child, Success())
    assert names(machine) == ["b[2]", "b[1]", "b[0]"]
    return machine, nodes


def test_a_child_waits_for_the_child_that_is_made_anew(pipeline):
    machine, nodes = pipeline
    machine.reopen(nodes["a"], 1, lost())
    machine.finish(nodes["b"], 1, Success())
    machine.finish(nodes["b"], 2, Success())
    assert names(machine) == ["c[2]", "a[1]"]
    assert machine.is_held_back(nodes["c"], 1)
    assert not machine.is_held_back(nodes["c"], 0)
    machine.finish(nodes["a"], 1, Success())
    assert names(machine) == ["c[1]"]
    assert not machine.is_held_back(nodes["c"], 1)


def test_being_made_anew_counts_for_no_other_upstream(pipeline):
    machine, nodes = pipeline
    machine.reopen(nodes["a"], 1, lost())
    assert names(machine) == ["a[1]"]
    machine.finish(nodes["a"], 1, Success())
    assert names(machine) == []  # c[1] still waits for b[1]
    machine.finish(nodes["b"], 1, Success())
    assert names(machine) == ["c[1]"]


def test_a_child_made_anew_while_its_siblings_are_open_tells_nobody_twice():
    with Flow("open") as flow:
        a = one.map([1, 2], task_args={"name": "a"})
        b = one.map(a, task_args={"name": "b"})
        one.map(a, b, task_args={"name": "c"})
    machine, nodes = machine_of(flow)
    constant = machine.take()
    machine.finish(constant.node, NOT_A_CHILD, Success(result=[1, 2]), 2)
    assert names(machine) == ["a[0]", "a[1]"]
    machine.finish(nodes["a"], 1, Success())  # while a[0] is open, so a is not settled
    assert names(machine) == ["b[1]"]
    machine.reopen(nodes["a"], 1, lost())
    assert names(machine) == ["a[1]"]
    machine.finish(nodes["a"], 1, Success())
    assert names(machine) == []  # c[1] still waits for b[1]
    machine.finish(nodes["b"], 1, Success())
    assert names(machine) == ["c[1]"]


def test_a_run_whose_upstream_fails_when_it_is_made_anew_is_not_triggered(pipeline):
    machine, nodes = pipeline
    for child in range(3):
        machine.finish(nodes["b"], child, Success())
    machine.reopen(nodes["a"], 1, lost())
    assert names(machine) == ["a[1]", "c[2]", "c[0]"]
    machine.finish(nodes["a"], 1, Failed())
    assert names(machine) == []
    assert type(nodes["c"].children[1]) is TriggerFailed
    machine.finish(nodes["c"], 0, Success())
    machine.finish(nodes["c"], 2, Success())
    assert names(machine) == []
    assert type(nodes["d"].state) is TriggerFailed


def test_a_whole_task_waits_for_all_children_that_are_made_anew(pipeline):
    machine, nodes = pipeline
    for child in range(3):
        machine.finish(nodes["b"], child, Success())
    names(machine)
    machine.reopen(nodes["a"], 0, lost())
    machine.reopen(nodes["a"], 2, lost())
    for child in range(3):
        machine.finish(nodes["c"], child, Success())
    assert names(machine) == ["a[2]", "a[0]"]
    machine.finish(nodes["a"], 2, Success())
    assert names(machine) == []
    machine.finish(nodes["a"], 0, Success())
    assert names(machine) == ["d"]


def test_what_is_expanded_meanwhile_waits_for_the_children_made_anew():
    with Flow("late") as flow:
        a = one.map([1, 2, 3], task_args={"name": "a"})
        gate = one(task_args={"name": "gate"})
        flow.add_edge(gate, one.map(a, task_args={"name": "b"}))
    machine, nodes = machine_of(flow)
    names(machine)
    for node in machine.nodes.values():
        if node.task.auto_generated:
            machine.finish(node, NOT_A_CHILD, Success(result=[1, 2, 3]), 3)
    names(machine)
    for child in range(3):
        machine.finish(nodes["a"], child, Success())
    machine.reopen(nodes["a"], 1, lost())
    machine.finish(nodes["gate"], NOT_A_CHILD, Success())
    assert names(machine) == ["b[0]", "b[2]", "a[1]"]
    machine.finish(nodes["a"], 1, Success())
    assert names(machine) == ["b[1]"]


def test_flattened_children_wait_for_all_that_are_made_anew():
    with Flow("flat") as flow:
        a = one.map([1, 2], task_args={"name": "a"})
        one.map(flatten(a), task_args={"name": "b"})
    machine, nodes = machine_of(flow)
    names(machine)
    for node in machine.nodes.values():
        if node.task.auto_generated:
            machine.finish(node, NOT_A_CHILD, Success(result=[1, 2]), 2)
    names(machine)
    for child in range(2):
        machine.finish(nodes["a"], child, Success(), 2)
    machine.reopen(nodes["a"], 1, lost())
    assert names(machine) == ["a[1]"]
    machine.finish(nodes["a"], 1, Success(), 2)
    assert names(machine) == ["b[0]", "b[1]", "b[2]", "b[3]"]
