"""Flows of flows where the server asks for keys: a run's own token does not make other runs."""

import pytest

from headrace.client import Client
from headrace.core.errors import NotAuthorized
from tests.support.agents import running_agent
from tests.support.servers import headrace, running_server

FLOWS = """
from headrace import Flow, task
from headrace.executors import LocalDaskExecutor
from headrace.tasks import RenameFlowRun, create_flow_run

@task
def one():
    return 1

with Flow("child") as child:
    one()

@task
def renames():
    return RenameFlowRun(flow_run_name="renamed by a worker").run()

with Flow("elsewhere", executor=LocalDaskExecutor("processes", num_workers=1)) as elsewhere:
    renames()

with Flow("parent") as parent:
    create_flow_run(
        flow_name="child",
        project_name="etl",
        upstream_tasks=[RenameFlowRun(flow_run_name="renamed")()],
    )
"""


def test_a_run_that_asks_for_more_than_itself_needs_a_key(tmp_path):
    (tmp_path / "flows.py").write_text(FLOWS)
    with running_server() as server, Client(server.url, "") as first:
        admin = Client(server.url, first.create_key("me", "admin").secret)
        user = admin.create_key("flows", "user").secret
        agent = admin.create_key("rack", "agent").secret
        with pytest.raises(NotAuthorized):
            first.projects()
        admin.create_project("etl")
        headrace(
            *("register", "-p", str(tmp_path / "flows.py"), "--project", "etl"),
            env=server.env | {"HEADRACE_API_KEY": user},
        )
        with running_agent(server, env={"HEADRACE_API_KEY": agent}):
            made = admin.create_flow_run("parent", "etl")
            ended = admin.wait_for_flow_run(made.id, timeout=120)
            # The token of its own was enough for its name, and for no more.
            assert (ended.state, ended.name) == ("Failed", "renamed")
            (line,) = [each.message for each in admin.logs(made.id, level=40)]
            assert "HEADRACE_API_KEY" in line
            assert user not in line
            assert agent not in line

            # A worker has no channel to the runner for it, and asks the server by the token.
            made = admin.create_flow_run("elsewhere", "etl")
            ended = admin.wait_for_flow_run(made.id, timeout=120)
            assert (ended.state, ended.name) == ("Success", "renamed by a worker")

            keyed = admin.create_flow_run(
                "parent",
                "etl",
                run_config={"type": "LocalRun", "env": {"HEADRACE_API_KEY": user}},
                name="with a key",
            )
            assert admin.wait_for_flow_run(keyed.id, timeout=120).state == "Success"
            (child,) = admin.flow_runs(name="renamed-child") + admin.flow_runs(
                name="with a key-child"
            )
            assert child.created_by == "flows"
            assert admin.wait_for_flow_run(child.id, timeout=120).state == "Success"
