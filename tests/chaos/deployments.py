"""Ways to break deployments, the same for all that agents deploy to; each file of tests has a platform."""

from __future__ import annotations

import re
import time
import uuid
from itertools import accumulate
from typing import Any

import pytest

from tests.chaos.stage import Run, Scene


def most_at_once(runs: list[Run]) -> int:
    """Return how many of these runs were under way at once."""
    changes = []
    for run in runs:
        ((_, began),), ((_, ended),) = run.marks("first"), run.marks("done")
        changes += [(began, 1), (ended, -1)]
    return max(accumulate(change for _, change in sorted(changes)), default=0)


def _activates(request: str) -> bool:
    return re.match(r"POST \S*/activate\b", request) is not None


def _removes(request: str) -> bool:
    return request.startswith("DELETE ")


def _reports(request: str) -> bool:
    return re.match(r"POST \S*/exited\b", request) is not None


class BrokenDeployments:
    """What must come well out of it."""

    def test_twins_and_kills(self, scene: Scene) -> None:
        """What is started twice runs once; what is killed from outside says so, and goes on."""
        with scene.agent():
            run = scene.start()
            scene.begun(run)
            assert scene.platform.twin(run.id) == 11
            assert run.attempts("second") == [1]

            scene.platform.kill(run.id)
            at = time.monotonic()
            scene.until(lambda: scene.says(run, "SIGKILL (exit code 137)"), "no reason", 30)
            took = time.monotonic() - at
            scene.begun(run, attempt=2)
            run.go()
            scene.succeeded(run, attempts=2)
            scene.released()
        assert took < scene.platform.soon

    def test_an_agent_that_is_killed_while_it_deploys(self, scene: Scene) -> None:
        """Once before it knows that its request was taken, once before the run has begun."""
        with scene.agent() as agent:
            with scene.platform.gate.holding("answer", scene.platform.makes) as hold:
                run = scene.start(goes=True)
                assert hold.met.wait(60)
                agent.kill()
            agent.start()
            scene.ended(run)
            # A container that was made and not started is no use to the agent's next start.
            assert run.attempts("first") == [2 if scene.platform.starts_later else 1]
            with scene.gate.holding("connection", _activates) as hold:
                other = scene.start(goes=True)
                assert hold.met.wait(60)
                agent.kill()
                agent.start()
                scene.until(lambda: f"Found flow run {other.id}" in agent.log, "it is not found")
            scene.succeeded(other)
            scene.released()

    def test_an_agent_that_is_killed_with_ends_that_it_has_not_told(self, scene: Scene) -> None:
        """The server is away from the end of the runs until after the agent's next start."""
        with scene.agent() as agent:
            killed, goes_on = scene.start(), scene.start()
            scene.begun(killed, goes_on)
            with scene.gate.holding("request", _reports) as hold:
                scene.platform.kill(killed.id)
                assert hold.met.wait(60)
                scene.gate.cut(away=True)
                agent.kill()
            goes_on.go()
            scene.until(lambda: goes_on.marks("done"), "it does not go on")
            agent.start()
            scene.until(lambda: f"Found flow run {goes_on.id}" in agent.log, "it is not found")
            scene.gate.reopen()
            scene.begun(killed, attempt=2)
            killed.go()
            scene.succeeded(goes_on)
            scene.succeeded(killed, attempts=2)
            assert scene.says(killed, "SIGKILL (exit code 137)")
            scene.released()

    def test_two_agents_share_runs(self, scene: Scene) -> None:
        with scene.agent("--limit", "2"), scene.agent("--limit", "2", home="two"):
            runs = [scene.start(goes=True) for _ in range(6)]
            scene.succeeded(*runs)
            scene.released()
        agents = [scene.client.get_flow_run(run.id).agent for run in runs]
        assert set(agents) == {"one", "two"}
        # No agent has more than two at once.
        for name in ("one", "two"):
            mine = [run for run, agent in zip(runs, agents, strict=True) if agent == name]
            assert most_at_once(mine) <= 2

    def test_two_agents_with_one_id(self, scene: Scene) -> None:
        """A mistake, by which nothing is lost or done twice."""
        shared = f"twins-{uuid.uuid4()}"
        with (
            scene.agent(HEADRACE_AGENT_ID=shared) as agent,
            scene.agent(home="two", HEADRACE_AGENT_ID=shared),
        ):
            runs = [scene.start() for _ in range(3)]
            scene.begun(*runs)
            agent.kill()
            scene.platform.kill(runs[0].id)
            agent.start()
            scene.begun(runs[0], attempt=2)
            for run in runs:
                run.go()
            scene.succeeded(*runs[1:])
            scene.succeeded(runs[0], attempts=2)
            scene.released()

    @pytest.mark.parametrize("how", ["cut", "500", "429"])
    def test_a_platform_that_is_away_for_a_while(self, scene: Scene, how: str) -> None:
        """Before, in and after runs."""
        gate = scene.platform.gate
        with scene.agent() as agent:
            ends, goes_on = scene.start(), scene.start()
            scene.begun(ends, goes_on)
            if how == "cut":
                gate.cut(away=True)
            else:
                gate.refusal = scene.platform.refusal(busy=how == "429")
                gate.cut()
            ends.go()
            scene.ended(ends)
            before = gate.turned_away
            # While it is away for long, each next attempt comes later than the one before.
            comes = scene.start(goes=True)
            scene.until(
                lambda: f"({comes.id}, attempt 1)" in agent.log and gate.turned_away > before + 2,
                "it is not tried",
            )
            gate.reopen()
            goes_on.go()
            scene.succeeded(ends, goes_on)
            scene.ended(comes, timeout=60)
            assert len(comes.attempts("first")) == 1
            scene.released()
        # What is too busy, or away, is no fault of the run.
        if how != "500":
            assert scene.client.get_flow_run(comes.id).attempt == 1, scene.states(comes)

    def test_what_could_not_be_removed_is_removed_later(self, scene: Scene) -> None:
        if not scene.platform.removes:
            return
        with scene.agent():
            with scene.platform.gate.holding("connection", _removes) as hold:
                run = scene.start(goes=True)
                assert hold.met.wait(60)
            scene.succeeded(run)
            scene.released()

    def test_a_server_that_is_away_at_the_end(self, scene: Scene) -> None:
        with scene.agent() as agent:
            waits, gives_up = scene.start(), scene.start(HEADRACE__RUNS__FLUSH_TIMEOUT="0.5")
            scene.begun(waits, gives_up)
            scene.gate.cut(away=True)
            waits.go()
            gives_up.go()
            scene.until(lambda: waits.marks("done"), "it does not go on")
            scene.until(lambda: scene.platform.is_over(gives_up.id), "it waits for the server")
            assert not scene.platform.is_over(waits.id)
            agent.kill()
            said = agent.log.count("No runs can be claimed")
            agent.start()
            scene.until(lambda: agent.log.count("No runs can be claimed") > said, "it does not ask")
            scene.gate.reopen()
            scene.succeeded(waits)
            scene.ended(gives_up)
            scene.released()
        # Where what it had to say is lost with its container, another attempt takes it from there.
        attempt = scene.client.get_flow_run(gives_up.id).attempt
        assert attempt == (1 if scene.platform.keeps else 2)
        assert gives_up.attempts("first") == [1]
        assert gives_up.attempts("done")[0] == 1

    def test_cancelling(self, scene: Scene) -> None:
        """What has not begun, and what does not want to end."""
        graces: dict[str, Any] = {
            "HEADRACE__RUNS__CANCEL_GRACE": "0.5",
            "HEADRACE__RUNS__TERM_GRACE": "0.5",
        }
        with scene.agent():
            stubborn = scene.start(STUBBORN="yes", **graces)
            scene.begun(stubborn)
            scene.client.cancel_flow_run(stubborn.id)
            with scene.gate.holding("connection", _activates) as hold:
                pending = scene.start()
                assert hold.met.wait(60)
                scene.client.cancel_flow_run(pending.id)
                scene.ended(pending, "Cancelled")
                scene.ended(stubborn, "Cancelled")
                scene.released()
        assert pending.marks("first") == []
        assert stubborn.marks("done") == []
