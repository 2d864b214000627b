"""The whole at work: a server, an agent, and a flow run that is tracked from its making to its end."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from statistics import median

from benchmarks.child import Job
from benchmarks.comparisons import MICRO, Settings
from benchmarks.environments import PEERS
from benchmarks.measure import sample
from benchmarks.report import HEADRACE, Row, Target, rows_of, show
from benchmarks.servers import (
    DATABASES,
    children_cpu_seconds,
    cpu_seconds,
    measured_server,
    parent_of,
)
from headrace.client import Client
from tests.support.agents import RunningAgent, running_agent
from tests.support.servers import RunningServer, headrace

#: Seconds after the run's end in which the server is looked at: nothing may be left for it to do.
AFTERWARDS, QUICK_AFTERWARDS = 5.0, 0.5
#: Seconds between two looks at the processes of a run.
_LOOK = 0.02

#: The flow, as a user would write it.
_FILE = """\
from headrace import Flow, task
from headrace.results import LocalResult


@task
def increment(x):
    return x + 1


@task
def total(values):
    return sum(values)


with Flow("W3", result=LocalResult(dir={results!r})) as flow:
    total(increment.map(list(range({size}))))
"""


@dataclass(frozen=True, kw_only=True)
class _Took:
    """What a tracked run took, in seconds: in all, and of the CPU."""

    seconds: float
    server: float
    server_afterwards: float
    supervisor: float
    runner: float


def tracked(settings: Settings, *, target: Target) -> list[Row]:
    """Measure a task's share of a tracked run, from the run's making until it has ended."""
    size = settings.size("W3")
    rest = QUICK_AFTERWARDS if settings.quick else AFTERWARDS
    rows: list[Row] = []
    for database in DATABASES[:1] if settings.quick else DATABASES:
        with measured_server(database) as server, running_agent(server, "bench") as agent:
            _register(server, size)
            # The first run finds nothing loaded, as the first after a deployment does.
            first = _run_once(server, agent, size, rest)
            taken = [_run_once(server, agent, size, rest) for _ in range(settings.repeats)]
        figures = {HEADRACE: _middle(taken, "seconds") / size * MICRO}
        left = show(max(one.server_afterwards for one in taken) * 1000)
        notes = {
            HEADRACE: f"{show(first.seconds / size * MICRO)} at first; CPU: "
            + "".join(
                f"{part} {show(_middle(taken, part) / size * MICRO)}, "
                for part in ("server", "supervisor", "runner")
            )
            + f"server in the {rest:g} s afterwards {left} ms"
        }
        if settings.peers and database == "SQLite":
            for name, label in PEERS.items():
                job = Job(contender=name, workload="W3", size=min(size, 1_000))
                one = sample(job)
                figures[label] = one.seconds / one.tasks * MICRO
                notes[label] = f"at {one.tasks:,} tasks" + (
                    ", with its own server" if name == "prefect3" else ", without any server"
                )
        rows += rows_of(
            f"a tracked run of W3, {size:,} mapped children, checkpointing on, {database}",
            "µs a task",
            figures,
            target=target,
            notes=notes,
        )
    return rows


def _middle(taken: list[_Took], part: str) -> float:
    return float(median(getattr(one, part) for one in taken))


def _register(server: RunningServer, size: int) -> None:
    file = server.home / "w3.py"
    text = _FILE.format(results=str(server.home / "results"), size=size)
    file.write_text(text, encoding="utf-8")
    headrace("project", "create", "bench", env=server.env)
    register = ("register", "--project", "bench", "--path", str(file), "--label", "bench")
    headrace(*register, env=server.env)


def _run_once(server: RunningServer, agent: RunningAgent, size: int, rest: float) -> _Took:
    """Make a run, wait until it is over, and check that every state of it is stored."""
    with Client(server.url, api_key="") as client:
        before = cpu_seconds(server.pid)
        begun = time.perf_counter()
        made = client.create_flow_run("W3", "bench")
        watch = _Watch(client, made.id)
        watch.start()
        run = client.wait_for_flow_run(made.id, timeout=300)
        # The last state is stored in order, after all others: now the server has everything.
        seconds = time.perf_counter() - begun
        if run.state != "Success":
            raise SystemExit(f"The tracked run ended as {run.state}: {run.message}\n{agent.log}")
        ended = cpu_seconds(server.pid)
        time.sleep(rest)
        afterwards = cpu_seconds(server.pid)
        counts = client.task_run_counts(made.id)
    children = counts.tasks.get("increment-1")
    if set(counts.states) != {"Success"} or children != {"Success": size}:
        raise SystemExit(f"Not every state of the tracked run is stored: {counts}")
    return _Took(
        seconds=seconds,
        server=ended - before,
        server_afterwards=afterwards - ended,
        runner=watch.runner(),
        supervisor=watch.supervisor,
    )


class _Watch(threading.Thread):
    """Notes what the processes of a flow run use of the CPU: its supervisor, and its runner.

    Args:
        client: Where to ask for the run.
        flow_run_id: The run's id.
    """

    def __init__(self, client: Client, flow_run_id: str) -> None:
        super().__init__(name="watch a run")
        #: Seconds of CPU of the supervisor, as it was last seen.
        self.supervisor = 0.0
        self._client = client
        self._id = flow_run_id
        self._parent = 0
        self._parents_before = 0.0

    def run(self) -> None:
        """Wait for the supervisor, then look at it until it is gone."""
        while (pid := self._client.get_flow_run(self._id).pid) is None:
            time.sleep(_LOOK)
        try:
            self._parent = parent_of(pid)
            # What a process's children have used is added to it when they are over.
            self._parents_before = children_cpu_seconds(self._parent)
            while True:
                self.supervisor = cpu_seconds(pid)
                time.sleep(_LOOK)
        except (FileNotFoundError, ProcessLookupError):
            return  # it is over

    def runner(self) -> float:
        """Return the seconds of CPU of the runner, once the supervisor is gone."""
        self.join()
        everything = children_cpu_seconds(self._parent) - self._parents_before
        return max(everything - self.supervisor, 0.0)
