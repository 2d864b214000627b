"""`prefect.Client` where it needs no server, and `prefect.agent.local.LocalAgent`."""

import inspect
import logging

import pytest

from headrace import context
from headrace.compat.prefect.agent import LocalAgent
from headrace.compat.prefect.client import Client
from headrace.config import set_temporary_config
from headrace.core.errors import AttributeNotOfferedError, CallNotOfferedError


@pytest.fixture
def client():
    with set_temporary_config({"api_url": "http://127.0.0.1:1", "api_key": ""}):
        return Client()


def test_log_lines_of_the_run_that_it_is_called_in_are_written(client, caplog):
    with context(flow_run_id="mine"), caplog.at_level(logging.INFO, "headrace"):
        client.write_run_logs(
            [
                {"flow_run_id": "mine", "message": "100 %s", "level": "WARNING", "name": "load"},
                {"message": "more"},
            ]
        )
        with pytest.raises(CallNotOfferedError, match=r"context\.logger"):
            client.write_run_logs([{"flow_run_id": "other", "message": "x"}])
    assert [(r.name, r.levelno, r.getMessage()) for r in caplog.records] == [
        ("headrace.load", 30, "100 %s"),
        ("headrace.Client", 20, "more"),
    ]


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("{ flow_run_by_pk { id } }", "get_flow_run"),
        ({"query": {"flow": {"id", "name"}}}, "GET /api/flows"),
        ("mutation { set_schedule_inactive }", "set_schedule"),
        ("{ tenant { id } }", "Use headrace.client.Client"),
    ],
)
def test_queries_are_refused_with_the_call_that_takes_their_place(client, query, words):
    with pytest.raises(CallNotOfferedError, match="openapi.json") as caught:
        client.graphql(query)
    assert words in str(caught.value)


def test_what_is_not_there_names_the_way_out(client):
    with pytest.raises(AttributeNotOfferedError, match="'?Client.get_available_tenants"):
        client.get_available_tenants()
    assert not hasattr(client, "attach_headers")
    assert client.get_cloud_url("flow-run", "1") == "http://127.0.0.1:1/flow-run/1"


def test_a_local_agent_takes_what_prefects_took():
    assert list(inspect.signature(LocalAgent).parameters) == [
        *("agent_config_id", "name", "labels", "env_vars", "import_paths", "show_flow_logs"),
        *("hostname_label", "max_polls", "agent_address", "no_cloud_logs"),
    ]
