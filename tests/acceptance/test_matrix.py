"""The mix is the product: every agent, storage and executor, each with several partners.

`make matrix` writes what the server has recorded of such a run into docs/deployment-matrix.md.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from headrace.client import Client
from headrace.wire.flow_runs import FlowRun
from tests.acceptance.matrix.agents import Agents
from tests.acceptance.matrix.flows import SAYS, code
from tests.acceptance.matrix.rows import EXECUTORS, ROWS, Row
from tests.acceptance.matrix.storages import Storages
from tests.acceptance.matrix.table import Record, read_rows, written
from tests.integration.components.server import free_ports, serving
from tests.integration.components.vertex import vertex
from tests.support.servers import PROGRAM, RunningServer, running_server

__all__ = ["vertex"]

#: The first row of an agent may have to wait until its platform's images are made.
pytestmark = pytest.mark.timeout(900)

_TABLE = Path(__file__).parents[2] / "docs" / "deployment-matrix.md"


class Mix:
    """A server, and all that is mixed."""

    def __init__(self, request: pytest.FixtureRequest, folder: Path, stack: ExitStack) -> None:
        self.server: RunningServer = stack.enter_context(running_server())
        self.client = stack.enter_context(Client(self.server.url))
        self.client.create_project("matrix")
        self.storages = Storages(request, folder, stack)
        self.agents = Agents(request, self.server, self.storages, folder, stack)
        self.records: list[Record] = []
        self._folder = folder
        self._stack = stack
        self._cluster = ""

    def cluster(self) -> str:
        """Return the address of a Dask cluster that is there already, with one worker."""
        if not self._cluster:
            (port,) = free_ports(1)
            address = f"tcp://127.0.0.1:{port}"
            programs: list[list[str]] = [
                ["dask", "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"],
                ["dask", "worker", address, "--nthreads", "2", "--no-dashboard", "--no-nanny"],
            ]
            for number, (_, *arguments) in enumerate(programs):
                command = [sys.executable, "-m", "dask", *arguments]
                log = self._folder / f"dask-{number}.log"
                self._stack.enter_context(
                    serving(command, _says(log, "Registered|Scheduler at"), log)
                )
            self._cluster = address
        return self._cluster

    def register(self, row: Row) -> None:
        """Register the two flows of a row, by the command line."""
        storage = self.storages.make(row.storage, row.name)
        address = self.cluster() if "address" in EXECUTORS[row.executor] else ""
        where = self.storages.put(row.storage, row.name, code(row, storage, address))
        env = {
            **os.environ,
            **self.server.env,
            **self.storages.env.get(row.storage, {}),
            "PYTHONPATH": str(self._folder / "modules"),
        }
        done = subprocess.run(
            [PROGRAM, "register", "--project", "matrix", *where],
            env=env,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, row: Row) -> list[tuple[FlowRun, str]]:
        """Run both flows of a row at once; return them with their logs when they are over."""
        agent = self.agents.start(row.agent)
        made = [self.client.create_flow_run(f"{flow}-{row.name}", "matrix").id for flow in SAYS]
        ended = []
        for run_id in made:
            try:
                run = self.client.wait_for_flow_run(run_id, timeout=240)
            finally:
                lines = "\n".join(line.message for line in self.client.logs(run_id))
                print(f"--- log of {run_id}:\n{lines}\n--- the agent:\n{agent.log[-3000:]}")
            ended.append((run, lines))
        return ended


def _says(log: Path, pattern: str):
    return lambda: log.exists() and re.search(pattern, log.read_text(errors="replace")) is not None


@pytest.fixture(scope="module")
def mix(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mix]:
    with ExitStack() as stack:
        made = Mix(request, tmp_path_factory.mktemp("matrix"), stack)
        yield made
    if table := os.environ.get("MATRIX_TABLE"):
        assert len(made.records) == len(ROWS), "not every row has been run"
        Path(table).write_text(written(made.records))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_two_flows_in_each_mix(mix: Mix, row: Row):
    mix.register(row)
    (sums, sums_log), (words, words_log) = mix.run(row)
    for run, log, said in ((sums, sums_log, SAYS["sums"]), (words, words_log, SAYS["words"])):
        assert (run.state, run.attempt) == ("Success", 1), run.message
        assert said in log
        assert (run.agent, run.labels[0][:7]) == (f"matrix-{row.agent}", "matrix-")
    tasks = list(mix.client.task_runs(sums.id))
    assert {task.state for task in tasks} <= {"Success", "Mapped"}
    children = [task for task in tasks if task.slug == "square-1" and task.map_index >= 0]
    assert len(children) == 8
    record = Record.of(mix.client, sums, children, sums_log)
    # The server's own record says what ran: this agent, this storage, this executor.
    assert (record.agent, record.storage) == (row.agent, row.storage)
    assert record.executor == EXECUTORS[row.executor].partition("(")[0]
    is_elsewhere = row.executor in ("LocalDask-processes", "Dask-temporary", "Dask-existing")
    assert (record.task_pid != record.run_pid) is is_elsewhere, record
    retried = mix.client.get_task_run(words.id, "text-1")
    assert (retried.state, retried.run_count) == ("Success", 2)
    assert mix.client.get_task_run(words.id, "nothing-1").state == "Skipped"
    mix.records.append(record)


def test_everything_has_several_partners():
    assert len({*ROWS}) == len(ROWS)
    for part, others in ((0, (1, 2)), (1, (0, 2)), (2, (0, 1))):
        for one in {row[part] for row in ROWS}:
            for other in others:
                partners = {row[other] for row in ROWS if row[part] == one}
                assert len(partners) >= 2, (one, partners)
    kinds = {row.agent for row in ROWS}
    assert kinds == {"local", "docker", "kubernetes", "ecs", "vertex"}
    assert {row.executor for row in ROWS} == EXECUTORS.keys()
    for agent in kinds:
        assert len({row.storage for row in ROWS if row.agent == agent}) >= 3
        assert len({row.executor for row in ROWS if row.agent == agent}) >= 3


def test_every_storage_is_in_the_matrix():
    from headrace.storage.rebuilding import KINDS

    assert {row.storage for row in ROWS} == set(KINDS)


def test_the_table_in_the_docs_is_that_of_these_rows():
    kinds = {name: EXECUTORS[name].partition("(")[0] for name in EXECUTORS}
    wanted = [(row.agent, row.storage, kinds[row.executor]) for row in ROWS]
    assert read_rows(_TABLE.read_text()) == wanted
