"""Events that are taken in: states and log lines of many flow runs, over HTTP, durably.

The load is that of a busy server: batches of 500 events, half of them states of task runs and half
log lines of 200 bytes, of 100 flow runs, over several connections. Beside it stands what the same
rows cost without a server: bare inserts into the same tables, many batches to a commit.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select

from benchmarks.comparisons import Settings
from benchmarks.environments import PEERS
from benchmarks.load import Answer, Measured, drive, encode
from benchmarks.report import HEADRACE, Row, Target, rows_of, show
from benchmarks.servers import DATABASES, cpu_seconds
from headrace import Flow, task
from headrace.client import Client
from headrace.core.description import describe_graph
from headrace.server.db.database import make_engine, parse_url
from headrace.server.db.event_rows import LATEST_COLUMNS, LOG_COLUMNS, STATE_COLUMNS, Rows
from headrace.server.db.migrate import prepare
from headrace.server.db.postgres import copy_rows
from headrace.server.db.schema import flow_runs, logs, task_run_states, writers
from headrace.wire.claims import Activate, Claim, ClaimedRun
from headrace.wire.events import EventAnswer, LogLine, TaskState
from headrace.wire.flow_runs import CreateFlowRun
from headrace.wire.flows import RegisterFlow
from tests.support.postgres import postgresql
from tests.support.servers import RunningServer, running_server
from tests.support.stored_runs import insert_run

RUNS = 100
#: How many events a batch holds, and how many batches a run sends.
AT_ONCE = 500
BATCHES = 12
QUICK_BATCHES = 1
CONNECTIONS = 16
#: How many batches the bare inserts put into one commit, as many as the server has at hand.
_TOGETHER = CONNECTIONS
#: Seconds of a second load after which the server is killed.
_UNTIL_KILLED = 0.3
_LINE = "x" * 200
_AT = 1_800_000_000.0

_answer = msgspec.json.Decoder(EventAnswer).decode


def ingest(settings: Settings, *, sqlite: Target, postgres: Target) -> list[Row]:
    """Measure how many events are accepted each second, and see that none is lost by a kill."""
    batches = QUICK_BATCHES if settings.quick else BATCHES
    targets = {"SQLite": sqlite, "PostgreSQL": postgres}
    rows: list[Row] = []
    for database in DATABASES[:1] if settings.quick else DATABASES:
        with ExitStack() as stack:
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headrace-bench-")))
            if database == "SQLite":
                url, bare_url = (f"sqlite:///{home / name}.db" for name in ("server", "bare"))
            else:
                own = stack.enter_context(postgresql(durable=True))
                url, bare_url = (stack.enter_context(own.database()) for _ in range(2))
            bare = _bare(bare_url, batches)
            with running_server(database_url=url) as server:
                load = _prepare(server, batches)
                before = cpu_seconds(server.pid)
                measured = asyncio.run(load.send(server.url, 0, batches))
                cpu = cpu_seconds(server.pid) - before
                _check(measured, load, batches * AT_ONCE)
                more = _kill(server, load, url, batches)
        events = measured.count * AT_ONCE
        note = (
            f"p50 {show(measured.percentile(50) * 1000)}, p99 "
            f"{show(measured.percentile(99) * 1000)} ms a batch of {AT_ONCE}; server CPU "
            f"{show(cpu / events * 1e6)} µs an event; after kill -9 the counts of "
            f"{RUNS} runs match ({more:,} events were stored without the answer getting through)"
        )
        way = "executemany" if database == "SQLite" else "COPY"
        limit = f"bare {way}"
        figures = {HEADRACE: events / measured.seconds, limit: bare}
        notes = {HEADRACE: note, limit: f"a commit for each {_TOGETHER} batches"}
        if settings.peers and database == "SQLite":
            from benchmarks.peers.prefect3_server import prefect_figures

            theirs = prefect_figures(quick=settings.quick)
            label = PEERS["prefect3"]
            figures[label] = theirs.states_per_second[1]
            notes[label] = (
                f"states, one client; {show(theirs.states_per_second[16])} from 16, and "
                f"{theirs.refusals:,} requests refused or hung up on"
            )
        rows += rows_of(
            f"events over HTTP, committed durably, {RUNS} runs, {database}",
            "events/s",
            figures,
            target=targets[database],
            notes=notes,
        )
    return rows


@dataclass
class _Sender:
    """A connection that carries several runs, one batch at a time."""

    runs: list[ClaimedRun]
    #: The arrays of events, by the number of the batch: the same for each run.
    arrays: list[bytes]
    #: Up to which number the events of each run are acknowledged.
    stored: dict[str, int] = field(default_factory=dict)
    _current: str = ""

    def requests(self, begin: int, end: int) -> Iterator[bytes]:
        for number in range(begin, end):
            for run in self.runs:
                first = number * AT_ONCE + 1
                head = f'{{"attempt":{run.attempt},"nonce":"{run.id}","first":{first},"events":'
                self._current = run.id
                yield encode(
                    "POST",
                    f"/api/runs/{run.id}/events",
                    head.encode() + self.arrays[number] + b"}",
                    {"headrace-wire": "1"},
                )

    def count(self, answer: Answer) -> None:
        if answer.status == 200:
            told = _answer(answer)
            if told.refused is not None:
                raise SystemExit(f"A batch was refused: {told}")
            self.stored[self._current] = told.stored


@dataclass
class _Load:
    """All connections."""

    senders: list[_Sender]

    async def send(self, url: str, begin: int, end: int) -> Measured:
        """Send the batches of all runs with numbers from `begin` to before `end`."""
        parts = await asyncio.gather(
            *(drive(url, [sender.requests(begin, end)], sender.count) for sender in self.senders)
        )
        together = Measured()
        for part in parts:
            together.latencies += part.latencies
            together.statuses += part.statuses
            together.problems += part.problems
            together.seconds = max(together.seconds, part.seconds)
        return together

    @property
    def stored(self) -> dict[str, int]:
        """Up to which number the events of each run are acknowledged."""
        return {run: number for sender in self.senders for run, number in sender.stored.items()}


def _array(number: int) -> list[TaskState | LogLine]:
    events: list[TaskState | LogLine] = []
    for child in range(number * AT_ONCE // 2, (number + 1) * AT_ONCE // 2):
        at = _AT + child / 1000
        state = TaskState(
            at=at,
            slug="load-1",
            type="Success",
            map_index=child,
            started=at - 0.001,
            place="worker-7:4711",
            location=f"runs/load-1/{child}",
        )
        events.append(state)
        line = LogLine(at=at, message=_LINE, logger="headrace.task", slug="load-1", map_index=child)
        events.append(line)
    return events


def _prepare(server: RunningServer, batches: int) -> _Load:
    """Register a flow, make its runs, claim and activate them."""

    @task
    def load(x: int) -> int:
        return x

    with Flow("ingest") as flow:
        load.map([1, 2])
    with Client(server.url, api_key="") as client:
        client.create_project("bench")
        registered = client.register_flow(
            RegisterFlow(
                project="bench", name="ingest", graph=describe_graph(flow), hash="1", labels=[]
            )
        )
        client.create_flow_runs([CreateFlowRun(flow_id=registered.id)] * RUNS)
        claim = Claim(agent="bench", name="bench", kind="local", most=RUNS, wait=10)
        runs = client.claim(claim).runs
        if len(runs) != RUNS:
            raise SystemExit(f"{RUNS} runs were made, and {len(runs)} claimed.")
        for run in runs:
            activated = client.activate(run.id, Activate(attempt=run.attempt, nonce=run.id))
            if activated.refused is not None:
                raise SystemExit(f"A run was not activated: {activated}")
    # Twice as many as are measured: the others are under way when the server is killed.
    arrays = [msgspec.json.encode(_array(number)) for number in range(2 * batches)]
    return _Load([_Sender(runs[number::CONNECTIONS], arrays) for number in range(CONNECTIONS)])


def _check(measured: Measured, load: _Load, events: int) -> None:
    """See that every batch was acknowledged."""
    if set(measured.statuses) != {200}:
        raise SystemExit(f"Not all was accepted: {measured.statuses}, {measured.problems}")
    if set(load.stored.values()) != {events}:
        raise SystemExit(f"{events} events of each run were sent; acknowledged: {load.stored}")


def _kill(server: RunningServer, load: _Load, url: str, batches: int) -> int:
    """Kill the server under load, start it again, and compare what it has with what it had said.

    Returns:
        How many events are stored whose acknowledgment got lost.
    """

    async def interrupted() -> None:
        sending = asyncio.ensure_future(load.send(server.url, batches, 2 * batches))
        await asyncio.sleep(_UNTIL_KILLED)
        await asyncio.to_thread(server.kill)
        # Connections that break are the point; what was acknowledged is counted.
        await asyncio.gather(sending, return_exceptions=True)

    asyncio.run(interrupted())
    server.start()
    with _connected(url) as connection:
        found = connection.execute(
            select(flow_runs.c.id, writers.c.stored, flow_runs.c.stored, *_counts()).join(
                writers, writers.c.run_key == flow_runs.c.key
            )
        ).all()
    if len(found) != RUNS:
        raise SystemExit(f"{RUNS} runs were made, and {len(found)} are there.")
    more = 0
    for run, stored, owned, states, lines in found:
        acknowledged = load.stored[run]
        if not acknowledged <= stored == owned == states + lines:
            raise SystemExit(
                f"Run {run}: {acknowledged} events acknowledged, {stored} and {owned} said to be "
                f"stored, {states} states and {lines} lines there."
            )
        more += stored - acknowledged
    return more


def _counts() -> list[ColumnElement[int]]:
    return [
        select(func.count())
        .select_from(table)
        .where(table.c.run_key == flow_runs.c.key)
        .scalar_subquery()
        for table in (task_run_states, logs)
    ]


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = make_engine(parse_url(url), connections=1, writes=True)
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def _bare(url: str, batches: int) -> float:
    """Return how many events a second bare inserts into the same tables take in."""
    prepare(url)
    parts = [(run, number) for number in range(batches) for run in range(1, RUNS + 1)]
    arrays = [_array(number) for number in range(batches)]
    seconds = 0.0
    with _connected(url) as connection:
        for run in range(RUNS):
            insert_run(connection, f"r{run}")
    engine = make_engine(parse_url(url), connections=1, writes=True)
    for begin in range(0, len(parts), _TOGETHER):
        rows = Rows()
        for run, number in parts[begin : begin + _TOGETHER]:
            rows.add(
                arrays[number],
                key=run,
                writer=run,
                first=number * AT_ONCE + 1,
                attempt=1,
                is_stale=False,
            )
        latest = list(rows.latest.values())
        with engine.connect() as connection:
            started = perf_counter()
            with connection.begin():
                if connection.dialect.name == "sqlite":
                    _insert(connection, "task_run_states", STATE_COLUMNS, rows.states)
                    _insert(connection, "logs", LOG_COLUMNS, rows.logs)
                    _insert(connection, "task_runs", LATEST_COLUMNS, latest)
                else:
                    copy_rows(connection, "task_run_states", STATE_COLUMNS, rows.states)
                    copy_rows(connection, "logs", LOG_COLUMNS, rows.logs)
                    copy_rows(connection, "task_runs", LATEST_COLUMNS, latest)
            seconds += perf_counter() - started
    engine.dispose()
    return len(parts) * AT_ONCE / seconds


def _insert(
    connection: Connection, table: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]
) -> None:
    places = ", ".join("?" * len(columns))
    statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 - names of our own
    connection.exec_driver_sql(statement, rows)
