"""The local launcher where processes cannot be copied: each run is a new program."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headrace.agents.local import LocalLauncher
from headrace.core.errors import DeploymentError


@pytest.fixture
def launcher(scene, tmp_path: Path, monkeypatch) -> Iterator[LocalLauncher]:
    # Runs inherit the environment of the agent, which is this process.
    monkeypatch.setenv("HEADRACE_HOME", str(scene.home))
    found = LocalLauncher(str(scene.home), tmp_path, scene.server.url, forks=False)
    assert list(found.recover("by-hand")) == []
    yield found
    found.close()


def _ended(launcher):
    until = time.monotonic() + 90
    while time.monotonic() < until:
        if ended := launcher.watch(0.2):
            return ended
    raise AssertionError("nothing has ended")


def test_a_run_is_deployed_and_its_end_is_seen(scene, launcher, tmp_path):
    run_id, where = scene.start(until=tmp_path / "go")
    deployment = launcher.deploy(scene.claimed(run_id))
    found = scene.looked(where)
    assert "click" in found["modules"]  # a new program
    scene.until(lambda: launcher.has_begun(deployment), "it has not begun")
    (tmp_path / "go").touch()
    (ended,) = _ended(launcher)
    assert ended.deployment == deployment
    assert (ended.how, ended.to_report) == ("exit code 0", False)
    scene.ended(run_id)


def test_a_supervisor_that_is_killed_is_reported(scene, launcher, tmp_path):
    run_id, where = scene.start(until=tmp_path / "go")
    launcher.deploy(scene.claimed(run_id))
    scene.looked(where)
    _, record = scene.supervisor(run_id)
    os.kill(record.process.pid, signal.SIGKILL)
    (ended,) = _ended(launcher)
    assert "killed by SIGKILL" in ended.how
    scene.client.cancel_flow_run(run_id)
    scene.ended(run_id, "Cancelled")


def test_a_deployment_can_be_ended_and_that_is_no_fault_of_the_run(scene, launcher, tmp_path):
    run_id, where = scene.start(until=tmp_path / "go")
    deployment = launcher.deploy(scene.claimed(run_id))
    scene.looked(where)
    launcher.cancel(deployment)
    _ended(launcher)
    launcher.cancel(deployment)  # does nothing any more
    states = scene.client.flow_run_states(run_id)
    assert any("stopped by SIGTERM" in state.message for state in states)
    scene.client.cancel_flow_run(run_id)
    scene.ended(run_id, "Cancelled")


def test_a_folder_that_is_not_there_is_said(scene, launcher):
    run_id, _ = scene.start({"type": "LocalRun", "working_dir": "/none/such"})
    with pytest.raises(DeploymentError, match="/none/such"):
        launcher.deploy(scene.claimed(run_id))
    scene.client.cancel_flow_run(run_id)
