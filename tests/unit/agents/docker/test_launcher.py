"""The Docker launcher, with an engine that says what it is told to."""

from __future__ import annotations

import tarfile
import threading
import time
from typing import Any

import pytest

from headrace.agents.docker.api import EngineRefusal
from headrace.agents.docker.container import AGENT, ATTEMPT, RUN, ContainerDefaults
from headrace.agents.docker.launcher import DockerLauncher
from headrace.agents.launcher import Deployment, Ended, Waits
from headrace.engine.supervisor import Ending
from headrace.testing import LauncherContract


class Engine:
    """An engine with one container, which has ended."""

    address = "unix:///engine.sock"

    def __init__(self, code: int) -> None:
        self.listed = "exited"
        self.past: list[tuple[float, dict[str, Any]]] = []
        self.state = {"Status": "exited", "ExitCode": code, "OOMKilled": False}
        self.run = "run"
        self.is_empty = False
        self.fails_at = 0
        self._asked = 0
        self._closing = threading.Event()

    def containers(self, label: str) -> list[dict[str, Any]]:
        labels = {RUN: self.run, ATTEMPT: "1", AGENT: "agent"}
        there = {"Names": [f"/headrace-{self.run}-1"], "Labels": labels, "State": self.listed}
        return [] if self.is_empty else [there]

    def inspect(self, name: str) -> dict[str, Any]:
        self._asked += 1
        if self._asked == self.fails_at:
            raise EngineRefusal("not now")
        return {"State": self.state, "HostConfig": {}, "Config": {"Labels": {AGENT: "agent"}}}

    def copy_out(self, name: str, path: str, target: Any) -> bool:
        raise tarfile.ReadError("unexpected end of data")

    def host_config(self, **settings: Any) -> dict[str, Any]:
        return settings

    def create(self, name: str, config: Any) -> str:
        self.run = name.removeprefix("headrace-").removesuffix("-1")
        raise EngineRefusal("there is one of this name", 409)

    def events(self, label: str, since: str, opened: Any):
        opened(self)
        yield from (event for at, event in self.past if at >= float(since))
        self._closing.wait(10)

    def close(self) -> None:
        self._closing.set()


def launcher_on(engine: Any, folder: Any) -> DockerLauncher:
    return DockerLauncher(
        engine,
        api_url="http://127.0.0.1:4200",
        defaults=ContainerDefaults(image="headrace"),
        folder=folder,
        pull=False,
    )


def end_in(launcher: DockerLauncher, seconds: float) -> Ended:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for each in launcher.watch(0.1):
            if not isinstance(each, Waits):
                return each
    pytest.fail("nobody was told of its end")


def test_a_run_directory_that_cannot_be_read_hides_no_end(tmp_path) -> None:
    launcher = launcher_on(Engine(Ending.UNDELIVERED), tmp_path)
    launcher.recover("agent")
    ended = end_in(launcher, 5)
    launcher.close()
    assert ended.to_report
    assert ended.deployment.flow_run_id == "run"


def test_an_engine_that_fails_for_a_moment_hides_no_end(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("headrace.agents.docker.launcher._LOOK_SOON", 0.5)
    engine = Engine(3)
    engine.is_empty = True
    launcher = launcher_on(engine, tmp_path)
    assert list(launcher.recover("agent")) == []
    # The first question finds it there, ended already; the second is how.
    engine.fails_at = 2
    deployment = launcher.deploy(LauncherContract.run_that("fail"))
    engine.is_empty = False
    ended = end_in(launcher, 5)
    launcher.close()
    assert ended.deployment == deployment
    assert "exit code 3" in ended.how


def test_an_end_that_was_told_before_its_list_shows_it(tmp_path) -> None:
    """The stream is opened, and the list is asked for, between these two."""
    engine = Engine(3)
    engine.listed = "running"
    told = {"name": "headrace-run-1", "exitCode": "3"}
    engine.past.append((time.time() - 1, {"Action": "die", "Actor": {"Attributes": told}}))
    launcher = launcher_on(engine, tmp_path)
    launcher.recover("agent")
    ended = end_in(launcher, 5)
    launcher.close()
    assert "exit code 3" in ended.how


def test_a_container_that_another_is_just_making_is_not_taken_for_gone(
    tmp_path, monkeypatch
) -> None:
    """The engine lists it before it can be asked about; then it is made, and then it is started."""
    monkeypatch.setattr("headrace.agents.docker.launcher._LOOK_SOON", 0.1)
    monkeypatch.setattr("headrace.agents.docker.launcher._TO_START", 0.3)

    class Makes(Engine):
        def inspect(self, name: str) -> dict[str, Any]:
            return super().inspect(name) if self.state else {}

    engine = Makes(0)
    engine.listed, engine.state = "created", {}
    launcher = launcher_on(engine, tmp_path)
    launcher.recover("agent")
    until = time.monotonic() + 1
    while time.monotonic() < until:
        assert launcher.watch(0.05) == []
    engine.state = {"Status": "running", "Running": True}
    engine.listed = "running"
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        assert launcher.watch(0.05) == []
    launcher.close()


def test_a_container_that_nobody_starts_was_never_started(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("headrace.agents.docker.launcher._TO_START", 0.3)
    engine = Engine(0)
    engine.listed, engine.state = "created", {"Status": "created", "ExitCode": 0}
    launcher = launcher_on(engine, tmp_path)
    launcher.recover("agent")
    assert launcher.watch(0.1) == []
    ended = end_in(launcher, 5)
    launcher.close()
    assert ended.how == "it was never started"
    assert ended.to_report


def test_a_container_that_could_not_be_stopped_is_known_to_be_there(tmp_path) -> None:
    """The agent tries again."""

    class Refuses(Engine):
        def stop(self, name: str, seconds: int) -> None:
            raise EngineRefusal("not now")

    launcher = launcher_on(Refuses(0), tmp_path)
    with pytest.raises(EngineRefusal, match="not now"):
        launcher.cancel(Deployment(flow_run_id="run", attempt=1, handle="headrace-run-1"))
    launcher.close()
