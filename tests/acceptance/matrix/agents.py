"""The agents of the matrix, each on the realest platform that runs here."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.acceptance.matrix.flows import label
from tests.acceptance.matrix.rows import ROWS
from tests.acceptance.matrix.storages import Storages
from tests.integration.components.vertex import REGION
from tests.support.agents import RunningAgent, running_agent
from tests.support.servers import PROGRAM, RunningServer


class Agents:
    """Starts an agent of each kind when it is first needed.

    Args:
        request: Gives the fixtures of platforms.
        server: The server that they ask.
        storages: Say what runs need in their environment.
        folder: Where files are made.
        stack: Ends what is started.
    """

    def __init__(
        self,
        request: pytest.FixtureRequest,
        server: RunningServer,
        storages: Storages,
        folder: Path,
        stack: ExitStack,
    ) -> None:
        self._request = request
        self._server = server
        self._storages = storages
        self._folder = folder
        self._stack = stack
        self._running: dict[str, RunningAgent] = {}

    def start(self, kind: str) -> RunningAgent:
        """Return the agent of a kind, started if it does not run yet."""
        if kind not in self._running:
            options, env = getattr(self, f"_{kind}")()
            for name, value in self._env_of_runs(kind).items():
                options += ["--env", f"{name}={value}"]
            options += ["--name", f"matrix-{kind}"]
            home = self._folder / f"home-{kind}"
            home.mkdir()
            env["HEADRACE_HOME"] = str(home)
            self._running[kind] = self._stack.enter_context(
                running_agent(self._server, label(kind), options=options, env=env, kind=kind)
            )
        return self._running[kind]

    def _env_of_runs(self, kind: str) -> dict[str, str]:
        """Return what the storages of an agent's rows need; one agent has one environment."""
        env: dict[str, str] = {}
        for row in ROWS:
            if row.agent == kind:
                self._storages.make(row.storage, row.name)
                for name, value in self._storages.env.get(row.storage, {}).items():
                    assert env.setdefault(name, value) == value or name == "MATRIX_HOST"
        return env

    def _local(self) -> tuple[list[str], dict[str, str]]:
        return ["--import-path", str(self._storages.folder / "modules")], {}

    def _docker(self) -> tuple[list[str], dict[str, str]]:
        engine = self._request.getfixturevalue("docker_engine")
        image = self._request.getfixturevalue("headrace_image")
        return ["--base-url", engine.url, "--image", image], {}

    def _kubernetes(self) -> tuple[list[str], dict[str, str]]:
        api = self._request.getfixturevalue("kubernetes_cluster")
        path = f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"
        api.add_image("headrace:test", env={"PATH": path})
        return ["--image", "headrace:test"], {"KUBECONFIG": str(api.kubeconfig)}

    def _ecs(self) -> tuple[list[str], dict[str, str]]:
        ministack = self._request.getfixturevalue("ministack")
        image = self._request.getfixturevalue("headrace_image")
        definition = self._folder / "definition.json"
        # The engine of the tests has no other network.
        definition.write_text(
            json.dumps({"networkMode": "host", "containerDefinitions": [{"name": "flow"}]})
        )
        options = [
            *("--cluster", ministack.cluster, "--launch-type", "EC2", "--image", image),
            *("--task-definition", str(definition)),
        ]
        return options, dict(ministack.env)

    def _vertex(self) -> tuple[list[str], dict[str, str]]:
        vertex = self._request.getfixturevalue("vertex")
        options = [
            *("--region-name", REGION, "--endpoint", vertex.url),
            *("--logging-endpoint", vertex.url, "--image", "headrace:test"),
        ]
        return options, {"GOOGLE_APPLICATION_CREDENTIALS": str(vertex.key_file)}
