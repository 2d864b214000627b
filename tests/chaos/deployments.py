"""Ways to break deployments, the same for all that agents deploy to; each file has a platform of them."""

from __future__ import annotations

import re
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from headrace.client import Client
from tests.chaos.gate import gate_to
from tests.chaos.platforms import Platform
from tests.support.agents import RunningAgent, running_agent
from tests.support.servers import headrace, running_server

_FLOW = """
import os, signal, time
from pathlib import Path
from headrace import Flow, Parameter, task
from headrace.results import LocalResult

if os.environ.get("STUBBORN"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

def mark(folder, name):
    with open(f"{folder}/{name}", "a") as file:
        file.write(f"{os.environ['HEADRACE_RUN_ATTEMPT']} {time.time()}\\n")

@task
def first(folder):
    mark(folder, "first")
    return 1

@task
def second(value, folder):
    mark(folder, "second")
    while not Path(f"{folder}/go").exists():
        try:
            time.sleep(0.02)
        except BaseException:
            if not os.environ.get("STUBBORN"):
                raise
    mark(folder, "done")
    return value

with Flow("broken into", result=LocalResult("@RESULTS@")) as flow:
    folder = Parameter("folder")
    second(first(folder), folder)
"""


class Run:
    """A run, and what its tasks tell."""

    def __init__(self, id: str, folder: Path) -> None:
        self.id = id
        self.folder = folder

    def go(self) -> None:
        """Let its second task end."""
        (self.folder / "go").touch()

    def marks(self, name: str) -> list[tuple[int, float]]:
        """Return in which attempts a task was called, and when."""
        file = self.folder / name
        lines = file.read_text().splitlines() if file.exists() else []
        return [(int(attempt), float(at)) for attempt, at in (line.split() for line in lines)]

    def attempts(self, name: str) -> list[int]:
        """Return in which attempts a task was called."""
        return [attempt for attempt, _ in self.marks(name)]


class Scene:
    """A server and a platform, each behind a gate, and a flow."""

    def __init__(self, platform: Platform, folder: Path, stack: ExitStack) -> None:
        self.platform = platform
        self.folder = folder
        self.server = stack.enter_context(running_server())
        self.gate = gate_to("127.0.0.1", self.server.port)
        stack.callback(self.gate.close)
        self._unfinished: list[str] = []
        self.client = stack.enter_context(Client(self.server.url))
        file = folder / "flow.py"
        file.write_text(textwrap.dedent(_FLOW).replace("@RESULTS@", str(folder / "results")))
        headrace(
            *("register", "--project", "p", "--create-project", "--path", str(file)),
            env=self.server.env,
        )

    @contextmanager
    def agent(self, *options: str, home: str = "one", **env: str) -> Iterator[RunningAgent]:
        """Run an agent; it and its runs have the server behind the gate."""
        own = self.folder / home
        own.mkdir(exist_ok=True)
        given = {"HEADRACE_API_URL": self.gate.url, "HEADRACE_HOME": str(own)}
        all_options = [
            *("--name", home),
            *self.platform.options,
            *("--env", "HEADRACE__FLOWS__CHECKPOINTING=true", *options),
        ]
        with running_agent(
            self.server,
            kind=self.platform.kind,
            options=all_options,
            env={**given, **self.platform.env, **env},
        ) as running:
            yield running
            assert running.is_running, running.log[-3000:]
        assert "Traceback" not in running.log, running.log[-5000:]

    def start(self, *, goes: bool = False, image: str | None = None, **env: str) -> Run:
        """Make a run.

        Args:
            goes: Whether its second task is not held.
            image: Its image, if it is not that of all.
            env: Its environment variables.
        """
        folder = self.folder / uuid.uuid4().hex
        folder.mkdir()
        if goes:
            (folder / "go").touch()
        config: dict[str, object] = {
            "type": f"{_RUN_CONFIGS[self.platform.kind]}Run",
            "labels": [],
            "env": env,
        }
        if image is not None:
            config["image"] = image
        made = self.client.create_flow_run(
            "broken into", "p", parameters={"folder": str(folder)}, run_config=config, labels=[]
        )
        self._unfinished.append(made.id)
        return Run(made.id, folder)

    def begun(self, *runs: Run, attempt: int = 1) -> None:
        """Wait until runs are in their second task, and the server knows of the first's end."""
        for run in runs:
            self.until(partial(self._is_in_second, run, attempt), f"{run.id} begins not")

    def _is_in_second(self, run: Run, attempt: int) -> bool:
        if attempt not in run.attempts("second"):
            return False
        return any(each.state == "Success" for each in self.client.task_runs(run.id))

    def give_up(self) -> None:
        """Cancel what a test that has failed leaves behind."""
        for run in self._unfinished:
            if not self.client.get_flow_run(run).is_finished:
                self.client.cancel_flow_run(run)
        self._unfinished.clear()

    def ended(self, run: Run, state: str = "Success", timeout: float = 30) -> None:
        def is_over() -> bool:
            return self.client.get_flow_run(run.id).is_finished

        self.until(is_over, f"{run.id} does not end: {self.states(run)}", timeout)
        found = self.client.get_flow_run(run.id)
        assert found.state == state, f"{found.message}: {self.states(run)}"

    def succeeded(self, *runs: Run, attempts: int = 1) -> None:
        """See that runs end well, and nothing of them was done twice but what was broken off."""
        for run in runs:
            self.ended(run)
            found = (run.attempts("first"), run.attempts("done"))
            assert found == ([1], [attempts]), f"{found}: {self.states(run)}"
            assert run.attempts("second") == list(range(1, attempts + 1)), self.states(run)
            assert self.client.get_flow_run(run.id).attempt == attempts

    def states(self, run: Run) -> list[tuple[str, str | None]]:
        return [(each.state, each.message) for each in self.client.flow_run_states(run.id)]

    def says(self, run: Run, words: str) -> bool:
        return any(words in (said or "") for _, said in self.states(run))

    def released(self) -> None:
        """Wait until nothing is left on the platform."""
        self.until(lambda: not self.platform.left(), f"left: {self.platform.left()}", 40)

    @staticmethod
    def until(condition: Callable[[], object], what: str, timeout: float = 20) -> None:
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, what
            time.sleep(0.02)


_RUN_CONFIGS = {"docker": "Docker", "ecs": "ECS", "kubernetes": "Kubernetes", "vertex": "Vertex"}


def most_at_once(runs: list[Run]) -> int:
    """Return how many of these runs were under way at once."""
    changes = []
    for run in runs:
        ((_, began),), ((_, ended),) = run.marks("first"), run.marks("done")
        changes += [(began, 1), (ended, -1)]
    return max(accumulate(change for _, change in sorted(changes)), default=0)


def _activates(request: str) -> bool:
    return re.match(r"POST \S*/activate\b", request) is not None


def _reports(request: str) -> bool:
    return re.match(r"POST \S*/exited\b", request) is not None


@pytest.fixture(scope="module")
def stage(platform: Platform) -> Iterator[Scene]:
    """A server for all tests of a module, whose fixture `platform` has the module's scope."""
    with ExitStack() as stack:
        yield Scene(platform, platform.folder, stack)


@pytest.fixture
def scene(stage: Scene) -> Iterator[Scene]:
    yield stage
    stage.gate.reopen()
    stage.platform.gate.reopen()
    stage.give_up()
    stage.platform.clear()


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
            scene.until(
                lambda: f"Found flow run {goes_on.id}" in agent.log,
                f"it is not found: {agent.is_running} {agent.process_id}"
                + __import__("subprocess").getoutput(
                    f"cat /proc/{agent.process_id}/cmdline /proc/{agent.process_id}/wchan; ls -l /proc/{agent.process_id}/fd; ss -tnp | grep {agent.process_id}"
                ),
            )
            scene.gate.reopen()
            scene.begun(killed, attempt=2)
            killed.go()
            scene.succeeded(goes_on)
            scene.succeeded(killed, attempts=2)
            assert scene.says(killed, "SIGKILL (exit code 137)")
            scene.released()

    def test_two_agents_share_runs(self, scene: Scene) -> None:
        with scene.agent("--limit", "2"), scene.agent("--limit", "2", home="two"):
            runs = [scene.start(goes=True) for _ in range(8)]
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
            comes = scene.start(goes=True)
            ends.go()
            scene.ended(ends)
            before = gate.turned_away
            scene.until(
                lambda: f"({comes.id}, attempt 1)" in agent.log and gate.turned_away > before + 2,
                "it is not tried",
            )
            gate.reopen()
            goes_on.go()
            scene.succeeded(ends, goes_on)
            scene.ended(comes)
            assert len(comes.attempts("first")) == 1
            scene.released()
        # What is too busy, or away, is no fault of the run.
        if how != "500":
            assert scene.client.get_flow_run(comes.id).attempt == 1, scene.states(comes)

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
            agent.start()
            scene.until(lambda: agent.log.count("No runs can be claimed") == 2, "it does not ask")
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
        graces: dict[str, Any] = {"HEADRACE__RUNS__CANCEL_GRACE": "0.5", "HEADRACE__RUNS__TERM_GRACE": "0.5"}
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
