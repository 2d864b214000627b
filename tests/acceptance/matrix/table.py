"""The table of what has run where, made of nothing but the server's records."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from headrace.client import Client
from headrace.wire.flow_runs import FlowRun
from headrace.wire.task_runs import TaskRun

_HEAD = """\
# What ran on what

Where a run is deployed, where its code is kept and where its tasks execute are independent. The same two flows were registered and
run in each of these mixes; each line is made of what the server had recorded afterwards: the agent's kind, the storage in the
flow's description, the executor and the process that the run named in its log, and the process of its first mapped child. Docker and ECS (MiniStack) deployed real containers; Kubernetes and Vertex AI were our fakes of their APIs, which start real
processes. `make matrix` runs it again and writes this page; the test suite runs it each time.

| agent | storage | executor | the run's process | a task's process | tasks | seconds |
|---|---|---|---|---|---|---|
"""
_ROW = re.compile(r"\| (\w+) \| (\w+) \| (\w+) \| `")
_EXECUTOR = re.compile(r"^Tasks run on (\w+)", re.MULTILINE)
_PROCESS = re.compile(r"^the run is process (\d+)", re.MULTILINE)


class Record(NamedTuple):
    """What a server has recorded of one run."""

    agent: str
    storage: str
    executor: str
    run_host: str
    run_pid: int
    task_host: str
    task_pid: int
    tasks: int
    seconds: float

    @classmethod
    def of(cls, client: Client, run: FlowRun, children: Sequence[TaskRun], log: str) -> Record:
        """Look a run up.

        Args:
            client: The server.
            run: The run, which is over.
            children: Some of its task runs.
            log: Its log.
        """
        (agent,) = [agent for agent in client.agents() if agent.name == run.agent]
        storage = client.get_flow(run.flow_id).storage or {}
        executor = _EXECUTOR.search(log)
        process = _PROCESS.search(log)
        assert executor is not None, log
        assert process is not None, log
        assert run.host is not None
        assert run.started is not None
        assert run.ended is not None
        host, _, pid = (children[0].place or "").rpartition(":")
        return cls(
            agent=agent.kind,
            storage=storage["type"],
            executor=executor[1],
            run_host=run.host,
            run_pid=int(process[1]),
            task_host=host,
            task_pid=int(pid),
            tasks=sum(client.task_run_counts(run.id).states.values()),
            seconds=(run.ended - run.started).total_seconds(),
        )


def written(records: Sequence[Record]) -> str:
    """Return the page.

    Hosts are numbered in the order in which they appear: their names are those of test machines.
    """
    hosts: dict[str, str] = {}
    for record in records:
        for host in (record.run_host, record.task_host):
            hosts.setdefault(host, f"host{len(hosts) + 1}")
    lines = [
        f"| {record.agent} | {record.storage} | {record.executor} "
        f"| `{hosts[record.run_host]}:{record.run_pid}` "
        f"| `{hosts[record.task_host]}:{record.task_pid}` "
        f"| {record.tasks} | {record.seconds:.1f} |"
        for record in records
    ]
    return _HEAD + "\n".join(lines) + "\n"


def read_rows(page: str) -> list[tuple[str, ...]]:
    """Return agent, storage and executor of each line of the page."""
    return [match.groups() for match in _ROW.finditer(page)]
