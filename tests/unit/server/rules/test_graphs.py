"""Only the description of a graph is let in, and only if it fits together."""

import copy
from typing import Any

import pytest

from headrace import Flow, Parameter, task
from headrace.core.description import describe_graph
from headrace.server.problems import Refusal
from headrace.server.rules.graphs import check_graph, upstreams


@task
def load(x: Any) -> Any:
    return x


def described() -> dict[str, Any]:
    with Flow("etl") as flow:
        first = load(Parameter("day", default=1))
        second = load.map([first])
        load(second, upstream_tasks=[first])
    return describe_graph(flow)


def test_what_a_flow_describes_is_let_in():
    check_graph(described())


def test_upstreams_are_named_by_slug():
    found = upstreams(described())
    assert found["load-1"] == ["day"]
    assert "load-1" in found["load-3"] and "load-2" in found["load-3"]


def changed(change: Any) -> dict[str, Any]:
    graph = copy.deepcopy(described())
    change(graph)
    return graph


def add_executor(graph: dict[str, Any]) -> None:
    graph["executor"] = {"address": "tcp://private:8786"}


def add_code(graph: dict[str, Any]) -> None:
    graph["tasks"][0]["code"] = "import os"


def add_edge_value(graph: dict[str, Any]) -> None:
    graph["edges"][0]["value"] = 5


def double(graph: dict[str, Any]) -> None:
    graph["tasks"].append(graph["tasks"][0])


def lose_a_task(graph: dict[str, Any]) -> None:
    graph["tasks"] = [task for task in graph["tasks"] if task["slug"] != "load-1"]


def turn_around(graph: dict[str, Any]) -> None:
    edge = copy.deepcopy(graph["edges"][0])
    edge["upstream_task"], edge["downstream_task"] = edge["downstream_task"], edge["upstream_task"]
    graph["edges"].append(edge)


def refer_to_nothing(graph: dict[str, Any]) -> None:
    graph["reference_tasks"].append({"slug": "nothing"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (add_executor, "the key 'executor'"),
        (add_code, "the key 'code'"),
        (add_edge_value, "the key 'value'"),
        (double, "Two tasks have the slug"),
        (lose_a_task, "'load-1', which is not among the tasks"),
        (turn_around, "in a circle"),
        (refer_to_nothing, "'nothing', which is not among the tasks"),
        (lambda graph: graph.pop("edges"), "lacks the key 'edges'"),
        (lambda graph: graph.update(tasks={}), "tasks must be a list"),
        (lambda graph: graph["tasks"].append({"name": "x"}), "must have a slug"),
        (lambda graph: graph["edges"].append({"upstream_task": 1, "downstream_task": 2}), "slug"),
    ],
)
def test_anything_else_is_refused(change: Any, message: str):
    with pytest.raises(Refusal) as refused:
        check_graph(changed(change))
    assert refused.value.status == 422
    assert message in refused.value.message
