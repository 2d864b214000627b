"""A server, a platform and a flow for tests that break deployments."""

from __future__ import annotations

import textwrap
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

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
        self.until(lambda: not self.platform.left(), "deployments are left", 40)

    @staticmethod
    def until(condition: Callable[[], object], what: str, timeout: float = 20) -> None:
        end = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < end, what
            time.sleep(0.02)


_RUN_CONFIGS = {"docker": "Docker", "ecs": "ECS", "kubernetes": "Kubernetes", "vertex": "Vertex"}


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
