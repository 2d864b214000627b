"""Which labels a run has, and which kind of agent it needs."""

import pytest

from headrace.run_configs import (
    DockerRun,
    ECSRun,
    KubernetesRun,
    LocalRun,
    UniversalRun,
    VertexRun,
)
from headrace.server.rules.kinds import kind_of
from headrace.server.rules.run_labels import run_labels

FLOW = {
    "flow_labels": ["box", "etl", "gpu"],
    "flow_run_config": {"type": "LocalRun", "labels": ["gpu"]},
    "storage": {"type": "Local", "labels": ["box"]},
}


def test_the_flows_labels_are_the_runs():
    assert run_labels(**FLOW, labels=None, run_config=None) == ["box", "etl", "gpu"]


def test_labels_that_are_given_take_their_place():
    assert run_labels(**FLOW, labels=["b", "a"], run_config={"labels": ["c"]}) == ["a", "b"]
    assert run_labels(**FLOW, labels=[], run_config=None) == []


def test_another_run_config_brings_its_own():
    found = run_labels(**FLOW, labels=None, run_config={"type": "LocalRun", "labels": ["cpu"]})
    assert found == ["box", "cpu", "etl"]


def test_the_storages_labels_stay_even_if_the_old_run_config_had_them_too():
    flow = FLOW | {"flow_run_config": {"labels": ["box", "gpu"]}}
    assert run_labels(**flow, labels=None, run_config={"labels": []}) == ["box", "etl"]


@pytest.mark.parametrize(
    ("run_config", "kind"),
    [
        (LocalRun(), "local"),
        (DockerRun(), "docker"),
        (KubernetesRun(), "kubernetes"),
        (ECSRun(), "ecs"),
        (VertexRun(), "vertex"),
        (UniversalRun(), "any"),
    ],
)
def test_each_run_config_names_its_kind_of_agent(run_config, kind):
    assert kind_of(run_config.serialize()) == kind


def test_what_is_no_run_config_has_no_kind():
    assert kind_of({"type": "SpaceRun"}) is None
    assert kind_of({}) is None
    assert kind_of(None) == "any"
