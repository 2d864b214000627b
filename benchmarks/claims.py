"""Flow runs that are made and handed out: many makers, many agents that compete, one server."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field
from time import perf_counter

import msgspec

from benchmarks.comparisons import Settings
from benchmarks.environments import PEERS
from benchmarks.load import Answer, Connection, Measured, encode
from benchmarks.report import HEADRACE, Row, Target, rows_of, show
from benchmarks.servers import DATABASES, measured_server
from headrace import Flow, task
from headrace.client import Client
from headrace.core.description import describe_graph
from headrace.wire.claims import Claim
from headrace.wire.flow_runs import CreateFlowRun
from headrace.wire.flows import RegisterFlow
from tests.support.servers import RunningServer

AGENTS = 50
MAKERS = 4
#: How many flow runs a maker asks for at once, and an agent takes at once.
AT_ONCE = 20
RUNS = 20_000
#: How many runs a second are made where it is measured how long each takes.
PACE = 1_000
QUICK_RUNS = 400


class _Run(msgspec.Struct):
    id: str
    attempt: int


class _Claimed(msgspec.Struct):
    runs: list[_Run]


_decode = msgspec.json.Decoder(_Claimed).decode


class _Created(msgspec.Struct):
    id: str


_created = msgspec.json.Decoder(list[_Created]).decode


@dataclass
class _Runs:
    """The flow runs of a measurement.

    Attributes:
        total: How many are to be made.
        asked: When each was asked for.
        got: When an agent got it, by its id.
        done: Set once all were handed out.
        label: What only the agents of this measurement have: nobody activates these runs, so their
            claims lapse after a minute, and must not come up in the next measurement.
    """

    total: int
    asked: dict[str, float] = field(default_factory=dict)
    got: dict[str, float] = field(default_factory=dict)
    done: asyncio.Event = field(default_factory=asyncio.Event)
    label: str = field(default_factory=lambda: str(uuid.uuid4()))

    def percentile(self, percent: float) -> float:
        """Return how many milliseconds passed at most until an agent had that share of the runs."""
        waits = [self.got[run_id] - asked for run_id, asked in self.asked.items()]
        return Measured(latencies=waits).percentile(percent) * 1000

    def check(self, *measured: Measured) -> None:
        """See that all were made and handed out, and nothing was refused."""
        for one in measured:
            if one.problems or set(one.statuses) - {200, 201}:
                raise SystemExit(f"The server answered {dict(one.statuses)}: {one.problems[:3]}")
        if not len(self.asked) == len(self.got) == self.total:
            raise SystemExit(f"{self.total}: {len(self.asked)} made, {len(self.got)} handed out")


@dataclass
class _Agent:
    """An agent that deploys nothing: it takes runs, and names those it has with its next request."""

    number: int
    most: int
    runs: _Runs
    holds: list[str] = field(default_factory=list)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    async def serve(self, url: str) -> None:
        """Ask for runs until there are no more to come."""
        connection = await Connection.open(url)
        try:
            while len(self.runs.got) < self.runs.total:
                self.take(await connection.request(self._request()))
        finally:
            connection.close()

    def _request(self) -> bytes:
        claim = Claim(
            agent=self.id,
            name=f"agent {self.number}",
            kind="local",
            labels=["gpu", self.runs.label],
            most=self.most,
            wait=30,
            deploying=self.holds,
        )
        return encode("POST", "/api/claims", msgspec.json.encode(claim))

    def take(self, answer: Answer) -> None:
        """Note the runs that it got.

        Raises:
            SystemExit: If the server refuses, or somebody has got one of them before.
        """
        if answer.status != 200:
            raise SystemExit(f"The server answered {answer.status}: {answer.decode()}")
        self.holds = [run.id for run in _decode(answer).runs]
        now = perf_counter()
        for run_id in self.holds:
            if run_id in self.runs.got:
                raise SystemExit(f"The flow run {run_id} was handed out twice.")
            self.runs.got[run_id] = now
        if len(self.runs.got) == self.runs.total:
            self.runs.done.set()


async def _make(
    url: str,
    flow_id: str,
    runs: _Runs,
    count: int,
    at_once: int,
    every: float = 0.0,
    after: float = 0.0,
) -> Measured:
    """Make runs, some at once, one request after another.

    Args:
        url: The server's address.
        flow_id: The flow's version.
        runs: Where they are noted.
        count: How many.
        at_once: How many one request asks for.
        every: How many seconds lie between the beginnings of two requests, if there is the time.
        after: After how many seconds the first begins.
    """
    body = [CreateFlowRun(flow_id=flow_id, labels=[runs.label])] * at_once
    make = encode("POST", "/api/flow-runs/batch", msgspec.json.encode(body))
    measured = Measured()
    connection = await Connection.open(url)
    due = perf_counter() + after
    for _ in range(count // at_once):
        await asyncio.sleep(due - perf_counter())
        # A server that is late makes those wait that were to come meanwhile: that counts.
        asked = due if every else perf_counter()
        due += every
        answer = await connection.request(make)
        measured.count_answer(answer, perf_counter() - asked)
        if answer.status < 300:
            runs.asked.update((run.id, asked) for run in _created(answer))
    connection.close()
    return measured


async def _together(
    url: str, flow_id: str, count: int, makers: int, at_once: int, every: float = 0.0
) -> _Runs:
    """Make runs and claim them at the same time: as fast as the server goes, or each so often."""
    count -= count % (makers * at_once)
    runs = _Runs(count)
    agents = [_Agent(number, at_once, runs) for number in range(AGENTS)]
    serving = [asyncio.create_task(agent.serve(url)) for agent in agents]
    made = await asyncio.gather(
        *(
            # Makers that keep a pace take turns.
            _make(url, flow_id, runs, count // makers, at_once, every, number * every / makers)
            for number in range(makers)
        )
    )
    try:
        await asyncio.wait_for(runs.done.wait(), 60)
    finally:
        # The others still wait for runs that will not come.
        for agent in serving:
            agent.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
    runs.check(*made)
    return runs


def claims(settings: Settings, *, rate: Target, latency: Target) -> list[Row]:
    """Measure how many flow runs are made and claimed each second, and how long each takes."""
    count = QUICK_RUNS if settings.quick else RUNS
    rows: list[Row] = []
    for database in DATABASES[:1] if settings.quick else DATABASES:
        with measured_server(database) as server:
            flow_id = register_empty(server)
            runs = asyncio.run(_together(server.url, flow_id, count, MAKERS, AT_ONCE))
            paced = asyncio.run(
                _together(
                    server.url, flow_id, count // 4, MAKERS, AT_ONCE, every=MAKERS * AT_ONCE / PACE
                )
            )
            alone = asyncio.run(_together(server.url, flow_id, count // 20, 1, 1))
        seconds = max(runs.got.values()) - min(runs.asked.values())
        figures = {HEADRACE: count / seconds}
        notes = {HEADRACE: f"{MAKERS} makers, {AT_ONCE} at once; none was handed out twice"}
        if settings.peers and database == "SQLite":
            from benchmarks.peers.prefect3_server import prefect_figures

            theirs = prefect_figures(quick=settings.quick)
            label = PEERS["prefect3"]
            # Each of its runs has to be made and to be handed out.
            each = 1 / theirs.creations_per_second + 1 / theirs.claims_per_second
            figures[label] = 1 / each
            notes[label] = f"{show(theirs.creations_per_second)} made a second; one worker"
        case = f"create + claim, {AGENTS} agents competing, {database}"
        rows += rows_of(case, "runs/s", figures, target=rate, notes=notes)
        note = (
            f"p50 {show(paced.percentile(50))}; as fast as it goes p50 {show(runs.percentile(50))}, "
            f"p99 {show(runs.percentile(99))}; one at a time p50 {show(alone.percentile(50))}, "
            f"p99 {show(alone.percentile(99))}"
        )
        rows += rows_of(
            f"the same at {PACE:,} runs/s: p99 from asking for a run until an agent has it, {database}",
            "ms",
            {HEADRACE: paced.percentile(99)},
            target=latency,
            notes={HEADRACE: note},
        )
    return rows


def register_empty(server: RunningServer) -> str:
    """Register a flow with one task that does nothing; return the id of its version."""

    @task
    def nothing() -> None:
        pass

    with Flow("claims") as flow:
        nothing()
    with Client(server.url, api_key="") as client:
        client.create_project("bench")
        registered = client.register_flow(
            RegisterFlow(
                project="bench",
                name="claims",
                graph=describe_graph(flow),
                hash="1",
                labels=["bench"],
            )
        )
    return registered.id
