"""What happens to containers while the launcher is just asking: each end is told, and told once.

The engine here does what one of version 20.10 does: it tells of an end before its list of containers
shows it. Between any question and its answer containers end, people remove them, and events are heard,
as another thread of the agent would do just then.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.agents.docker import launcher as launcher_module
from headrace.agents.docker.api import DockerApi, EngineAway, EngineRefusal
from headrace.agents.docker.container import AGENT, ATTEMPT, RUN, ContainerDefaults, name_of
from headrace.agents.docker.launcher import DockerLauncher
from headrace.agents.launcher import Ended
from headrace.core.errors import DeploymentError
from headrace.testing import LauncherContract

T = TypeVar("T")


class Container:
    def __init__(self, labels: Mapping[str, str], status: str = "created") -> None:
        self.labels = labels
        self.status = self.listed = status


class Engine:
    """An engine, and what happens there while it is asked.

    Attributes:
        there: Its containers.
        ended: The names of those whose processes have ended.
        meanwhile: What other threads of the agent do.
        is_calm: Whether nothing happens any more but what is asked for.
        faults: How many questions it may still answer with a fault.
    """

    def __init__(self, data: st.DataObject) -> None:
        self.there: dict[str, Container] = {}
        self.ended: set[str] = set()
        self.events: list[dict[str, Any]] = []
        self.meanwhile: Callable[[], None] = lambda: None
        self.is_calm = True
        self.faults = data.draw(st.integers(0, 3))
        self._data = data
        self._is_happening = False

    def happen(self) -> None:
        """Let up to two things happen."""
        if self.is_calm or self._is_happening:
            return
        self._is_happening = True
        for _ in range(self._data.draw(st.integers(0, 2))):
            what = self._data.draw(st.sampled_from((None, self.end, self.show, self.lose)))
            if what is None:
                self.meanwhile()
            elif self.there:
                what(self._data.draw(st.sampled_from(sorted(self.there))))
        self._is_happening = False

    def end(self, name: str) -> None:
        """End a container's process."""
        if self.there[name].status == "running":
            self.there[name].status = "exited"
            self.ended.add(name)
            self._publish("die", name, exitCode="3")

    def show(self, name: str) -> None:
        """Have the list say what is the case."""
        self.there[name].listed = self.there[name].status

    def lose(self, name: str) -> None:
        """Remove a container."""
        self.end(name)
        del self.there[name]
        self._publish("destroy", name)

    def _publish(self, action: str, name: str, **attributes: str) -> None:
        actor = {"Attributes": {"name": name, **attributes}}
        self.events.append({"Action": action, "Actor": actor})

    # -- what it is asked ---------------------------------------------------------------------------

    def containers(self, label: str) -> list[dict[str, Any]]:
        return self._asked(
            lambda: [
                {"Names": [f"/{name}"], "Labels": each.labels, "State": each.listed}
                for name, each in self.there.items()
            ]
        )

    def inspect(self, name: str) -> dict[str, Any]:
        return self._asked(lambda: self._described(name))

    def host_config(self, **given: Any) -> dict[str, Any]:
        return given

    def create(self, name: str, config: Mapping[str, Any]) -> str:
        if name in self.there:
            raise EngineRefusal("there is one of this name", 409)
        self._asked(lambda: self.there.setdefault(name, Container(config["Labels"])))
        return name

    def start(self, name: str) -> None:
        def answer() -> None:
            if name not in self.there:
                raise EngineRefusal("there is none", 404)
            if self.there[name].status == "created":
                self.there[name].status = self.there[name].listed = "running"

        self._asked(answer)

    def remove(self, name: str) -> None:
        self._asked(lambda: self.lose(name) if name in self.there else None)

    def _described(self, name: str) -> dict[str, Any]:
        if (found := self.there.get(name)) is None:
            return {}
        code = 3 if found.status == "exited" else 0
        state = {"Status": found.status, "Running": found.status == "running"}
        return {
            "State": {**state, "ExitCode": code, "OOMKilled": False},
            "HostConfig": {},
            "Config": {"Labels": found.labels},
        }

    def _asked(self, answer: Callable[[], T]) -> T:
        self.happen()
        self._fail()  # without doing it
        found = answer()
        self.happen()
        self._fail()  # having done it
        return found

    def _fail(self) -> None:
        if self.is_calm or not self.faults or self._data.draw(st.integers(0, 3)):
            return
        self.faults -= 1
        raise self._data.draw(st.sampled_from((EngineRefusal, EngineAway)))("injected")


class AtOnce:
    """Does aside what threads would do."""

    def __init__(self, *_: Any) -> None:
        pass

    def submit(self, what: Callable[..., None], *given: Any) -> None:
        what(*given)


class Agent:
    """A launcher without threads, whose events are heard when the test says so."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.launcher = DockerLauncher(
            cast(DockerApi, engine),
            api_url="http://127.0.0.1:4200",
            defaults=ContainerDefaults(image="headrace"),
            folder=folder,
            pull=False,
        )
        self.launcher._agent = "agent"
        self.told: list[str] = []
        self._engine = engine
        self._heard = 0
        self._is_open = False
        engine.meanwhile = self.go_on

    def hear(self) -> None:
        """Hear the next event, unless one is just being heard."""
        if self._is_open and self._heard < len(self._engine.events):
            self._is_open = False
            with contextlib.suppress(EngineAway):  # the stream is opened anew then, from there
                self.launcher._heard(self._engine.events[self._heard])
                self._heard += 1
                self._is_open = True

    def go_on(self) -> None:
        """Do what other threads do while one waits for an answer."""
        self.hear()
        self.read()

    def open(self) -> None:
        """Open the event stream anew; what was heard last is heard again."""
        self._is_open = False
        with contextlib.suppress(EngineAway, EngineRefusal):
            self.launcher._look()
            self._is_open = True
            self._heard = max(0, self._heard - 1)

    def look(self) -> None:
        with contextlib.suppress(EngineAway, EngineRefusal):
            self.launcher._look()

    def read(self) -> None:
        """Take the news as an agent does: what is told to the server is let go of."""
        while not self.launcher._news.empty():
            news = self.launcher._news.get()
            if isinstance(news, Ended):
                self.told.append(news.deployment.handle)
                self.launcher.release(news.deployment)

    def is_up_to_date(self) -> bool:
        return self._is_open and self._heard == len(self._engine.events)

    def looks_soon(self) -> bool:
        soon = launcher_module._LOOK_SOON + 1
        return self.launcher._look_at < launcher_module.time.monotonic() + soon


@pytest.fixture(scope="module", autouse=True)
def no_threads() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launcher_module, "ThreadPoolExecutor", AtOnce)
        patch.setattr(launcher_module, "_AGAIN", 0.0)
        # Nothing takes time here: test_launcher.py holds that one has a while to be started.
        patch.setattr(launcher_module, "_TO_START", 0.0)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("agent")


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_each_end_is_told_once(folder: Path, data: st.DataObject) -> None:
    """And at once: the look at all containers of every half minute is not needed for it."""
    engine = Engine(data)
    agent = Agent(engine, folder)
    found = {RUN: "run-0", ATTEMPT: "1", AGENT: "agent"}
    engine.there[name_of("run-0", 1)] = Container(found, "running")  # by an earlier process
    due = [f"run-{number + 1}" for number in range(data.draw(st.integers(0, 3)))]
    refused = set()

    def deploy() -> None:
        if due:
            run = msgspec.structs.replace(LauncherContract.run_that("succeed"), id=due.pop())
            try:
                agent.launcher.deploy(run)
            except DeploymentError:
                refused.add(name_of(run.id, 1))

    agent.open()
    engine.is_calm = False
    steps = (deploy, agent.open, agent.hear, agent.read, agent.look, engine.happen)
    for _ in range(data.draw(st.integers(1, 15))):
        data.draw(st.sampled_from(steps))()

    # Nothing goes wrong any more; all that runs ends, and some is shown late.
    engine.is_calm = True
    if not agent._is_open:
        agent.open()
    for name in list(engine.there):
        engine.end(name)
    while not agent.is_up_to_date():
        agent.hear()
        agent.read()
    agent.read()
    if agent.looks_soon():  # it has seen to that itself
        for name in list(engine.there):
            engine.show(name)
        agent.look()
        agent.read()

    assert engine.there == {}
    assert len(agent.told) == len(set(agent.told))
    assert engine.ended - refused <= set(agent.told) <= engine.ended | refused | {""}
    agent.look()
    known = agent.launcher._known
    assert not known.live
    assert not known._starting | known._early | known._told | known._released
