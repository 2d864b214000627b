"""A real server with a flow that tells about the process that it runs in."""

from __future__ import annotations

import datetime
import json
import os
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headrace.client import Client
from headrace.engine.run_directory import RunDirectory, SupervisorRecord, run_directories
from headrace.wire.claims import Claim, ClaimedRun
from headrace.wire.flow_runs import FlowRun
from tests.support.agents import RunningAgent, processes_of, running_agent
from tests.support.servers import RunningServer, headrace, running_server

#: Says what its process is like, waits for a file, and ends.
_FLOW = """
import json, os, random, signal, sys, threading, time
from contextlib import suppress
from pathlib import Path
from headrace import Flow, Parameter, task

def open_files():
    for fd in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # another thread has closed it, or it was the listing's
            yield os.readlink(f"/proc/self/fd/{fd}")

@task
def look(where):
    found = {
        "env": dict(os.environ), "cwd": os.getcwd(), "path": sys.path, "pid": os.getpid(),
        "parent": os.getppid(), "session": os.getsid(0), "at": time.time(),
        "random": random.random(), "zone": time.tzname[0], "hash": hash("headrace"),
        "files": sorted(open_files()),
        "alarm": signal.getsignal(signal.SIGALRM) is signal.SIG_DFL,
        "threads": threading.active_count(),
        "modules": sorted(sys.modules),
    }
    part = Path(where + ".part")
    part.write_text(json.dumps(found))
    part.rename(where)

@task
def wait(until):
    while until and not Path(until).exists():
        time.sleep(0.02)

with Flow("looks") as flow:
    wait(Parameter("until", default=""), upstream_tasks=[look(Parameter("where"))])
"""


class Scene:
    """A server, its client, and the flow `looks`."""

    def __init__(self, server: RunningServer, client: Client, folder: Path) -> None:
        self.server = server
        self.client = client
        self.folder = folder
        self.home = server.home
        self._runs: dict[Path, str] = {}
        #: Those of the test that is run.
        self._open: list[str] = []

    def start(
        self,
        run_config: dict[str, Any] | None = None,
        until: Path | None = None,
        start_time: datetime.datetime | None = None,
    ) -> tuple[str, Path]:
        """Make a run; return its id, and the file in which its process tells about itself."""
        where = self.folder / f"look-{len(self._runs) + 1}"
        created = self.client.create_flow_run(
            "looks",
            "p",
            parameters={"where": str(where), "until": str(until or "")},
            run_config=run_config,
            labels=[],
            start_time=start_time,
        )
        self._runs[where] = created.id
        self._open.append(created.id)
        return created.id, where

    def looked(self, where: Path, timeout: float = 90) -> Any:
        """Wait until the process of a run has told about itself."""

        def has_told() -> bool:
            run = self.client.get_flow_run(self._runs[where])
            told = where.exists()
            assert told or not run.is_finished, f"it is {run.state} without a look: {run.message}"
            return told

        self.until(has_told, f"{where} is not written", timeout, self._runs[where])
        return json.loads(where.read_text())

    def ended(self, run_id: str, state: str = "Success", timeout: float = 90) -> FlowRun:
        """Wait until a run is over, and return it."""
        self.until(
            lambda: self.client.get_flow_run(run_id).is_finished, "it does not end", timeout, run_id
        )
        run = self.client.get_flow_run(run_id)
        assert run.state == state, self.seen(run_id)
        return run

    def seen(self, run_id: str) -> str:
        """Tell all that is known of a run: for whoever reads that a test has failed."""
        run = self.client.get_flow_run(run_id)
        states = [(each.state, each.message) for each in self.client.flow_run_states(run_id)]
        lines = [line.message for line in self.client.logs(run_id)]
        return f"{run.state}, attempt {run.attempt}: {run.message}\n{states}\n{lines[-20:]}"

    def supervisor(self, run_id: str) -> tuple[RunDirectory, SupervisorRecord]:
        """Return the directory of a run's only attempt here, and its supervisor."""
        (directory,) = [
            each for each in run_directories(str(self.home)) if run_id in str(each.path)
        ]
        self.until(lambda: directory.read(SupervisorRecord) is not None, "no supervisor")
        record = directory.read(SupervisorRecord)
        assert record is not None
        return directory, record

    def claimed(self, run_id: str) -> ClaimedRun:
        """Claim a run by hand."""
        asked = Claim(agent="by-hand", name="by hand", kind="local", wait=30.0)
        return self.got(run_id, asked)

    def got(self, run_id: str, asked: Claim) -> ClaimedRun:
        """Return what an agent is given that asks for a run by hand."""
        claimed = self.client.claim(asked).runs
        assert [run.id for run in claimed] == [run_id], self.seen(run_id)
        return claimed[0]

    def cancel_all(self) -> None:
        """Have nothing that a test has begun go on, or be tried again beside those that follow."""
        if not self.server.is_running:  # the test that killed it has failed
            self.server.restart(kill=True)
        for run_id in self._open:
            if not self.client.get_flow_run(run_id).is_finished:
                self.client.cancel_flow_run(run_id)
        self._open.clear()

    def until(
        self, condition: Callable[[], object], what: str, timeout: float = 90, run_id: str = ""
    ) -> None:
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() >= end:
                runs = [run_id] if run_id else self._open
                told = map(self.seen, runs if self.server.is_running else [])
                raise AssertionError("\n".join([what, *told]))
            time.sleep(0.02)


@pytest.fixture(scope="module")
def whole(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("agents")
    file = folder / "looks.py"
    file.write_text(textwrap.dedent(_FLOW))
    with running_server(shared_database_url) as server:
        with Client(server.url) as client:
            headrace(
                *("register", "--project", "p", "--create-project", "--path", str(file)),
                env=server.env,
            )
            yield Scene(server, client, folder)
        # Fork servers stay for a while when their agents have gone; nothing is left by a test.
        assert os.getpid() not in processes_of(server.home)


@pytest.fixture
def scene(whole: Scene) -> Iterator[Scene]:
    yield whole
    whole.cancel_all()


@pytest.fixture
def agent(scene: Scene, tmp_path: Path) -> Iterator[Callable[..., RunningAgent]]:
    """Start agents that are ended with the test, with all that they have started."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def start(*options: str, **env: str) -> RunningAgent:
            return stack.enter_context(
                running_agent(scene.server, options=list(options), env=dict(env))
            )

        yield start
