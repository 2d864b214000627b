"""Agents as programs written for Prefect 1 make them."""

from __future__ import annotations

import sys

import pytest

from tests.support.agents import running_agent

_PROGRAM = """
import headrace.compat.prefect
from prefect.agent.local import LocalAgent
LocalAgent(no_cloud_logs={no_cloud_logs}, env_vars={{"STAGE": "agent"}}).start()
"""


@pytest.mark.parametrize("no_cloud_logs", [True, False])
def test_no_cloud_logs_keeps_log_lines_here(scene, no_cloud_logs):
    program = [sys.executable, "-c", _PROGRAM.format(no_cloud_logs=no_cloud_logs)]
    with running_agent(scene.server, program=program):
        run, where = scene.start()
        assert scene.looked(where)["env"]["STAGE"] == "agent"
        scene.ended(run)
    lines = [line.message for line in scene.client.logs(run)]
    assert any("Tasks run on" in line for line in lines) is not no_cloud_logs
