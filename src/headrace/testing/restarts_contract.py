"""What a launcher must do when its agent is started again: that part of its contract."""

from __future__ import annotations

import time
import uuid

from headrace.testing.launcher_platform import LauncherPlatform
from headrace.testing.listened_launcher import ListenedLauncher, Start


class RestartsContract:
    """Tests of an agent's end and its next start; `LauncherContract` has them all."""

    patience: float

    def test_what_runs_is_found_again(self, platform: LauncherPlatform, started: Start) -> None:
        """An agent's end ends no run, and one that is started again sees it end."""
        first = started()
        deployment = first.running()
        first.close()
        assert platform.is_running(deployment)
        second = started()
        (found,) = second.found
        assert (found.flow_run_id, found.attempt) == (deployment.flow_run_id, deployment.attempt)
        second.launcher.cancel(found)
        second.end_of(found)
        second.gone(deployment)

    def test_what_ends_meanwhile_is_told(self, platform: LauncherPlatform, started: Start) -> None:
        """The end that no agent was there to see is told once by the next."""
        first = started()
        deployment = first.running()
        first.close()
        platform.kill(deployment)
        first.gone(deployment)
        second = started()
        second.end_of(deployment)
        time.sleep(1.0)
        assert len(second.ends_of(deployment)) == 1

    def test_ends_are_told_until_they_are_released(
        self, platform: LauncherPlatform, started: Start
    ) -> None:
        """An agent that ends before the server knows tells it after its start; then no more."""
        first = started()
        deployment = first.deploy(platform.run("fail"))
        ended = first.end_of(deployment)
        first.close()
        second = started()
        if ended.to_report:
            again = second.end_of(deployment)
            assert (again.to_report, again.is_final) == (True, False)
            assert "3" in again.how
        second.launcher.release(deployment)
        second.launcher.release(deployment)
        second.close()
        third = started()
        time.sleep(1.5)
        assert third.found == []
        assert third.ends_of(deployment) == []

    def test_other_agents_runs_are_theirs(self, platform: LauncherPlatform, started: Start) -> None:
        """An agent finds, and hears of, nothing that another one has deployed."""
        own = started()
        deployment = own.running()
        other = ListenedLauncher(platform, f"contract-{uuid.uuid4()}", self.patience)
        try:
            assert other.found == []
            own.launcher.cancel(deployment)
            own.end_of(deployment)
            time.sleep(0.5)
            assert other.ends_of(deployment) == []
        finally:
            other.close()

    def test_a_deployment_says_whose_it_is(
        self, platform: LauncherPlatform, started: Start, agent: str
    ) -> None:
        """The platform keeps flow run, attempt and agent with it, and never the token."""
        launcher = started()
        run = platform.run("wait")
        deployment = launcher.deploy(run)
        launcher.begun(deployment)
        marks = set(platform.marks(deployment))
        assert {run.id, str(run.attempt), agent} <= marks
        if run.token:
            assert not any(run.token in mark for mark in (*marks, deployment.handle))
        launcher.launcher.cancel(deployment)
