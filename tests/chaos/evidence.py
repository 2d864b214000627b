"""What is known of runs when they are over: by the call log, the server's tables, and its API."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Engine, Table, create_engine, select

from headrace.client import Client
from headrace.server.db import schema


class Call(NamedTuple):
    """A call of a task's function, as the function wrote it down before all else."""

    run: str
    slug: str
    map_index: int
    attempt: int
    pid: int
    #: The process that leads its session: the run's supervisor.
    session: int
    at: float
    value: Any


def read_calls(file: Path) -> list[Call]:
    """Return all calls that are written down, in the order in which they were."""
    if not file.exists():
        return []
    whole, _, _ = file.read_text().rpartition("\n")
    return [Call(*json.loads(line)) for line in whole.splitlines()]


class Trouble(NamedTuple):
    """A time in which a part was not there, or stood still."""

    part: str
    #: The flow run that it was a part of; None if it serves all of them.
    run: str | None
    begin: float
    end: float


Rows = list[dict[str, Any]]

_TABLES = {
    "attempts": schema.attempts,
    "writers": schema.writers,
    "history": schema.flow_run_states,
    "task_runs": schema.task_runs,
    "states": schema.task_run_states,
    "logs": schema.logs,
}


@dataclass
class Tables:
    """The rows of one flow run."""

    run: dict[str, Any]
    attempts: Rows = field(default_factory=list)
    writers: Rows = field(default_factory=list)
    history: Rows = field(default_factory=list)
    task_runs: Rows = field(default_factory=list)
    states: Rows = field(default_factory=list)
    logs: Rows = field(default_factory=list)

    def durable(self) -> set[tuple[Any, ...]]:
        """Return what must still be there later: all that is only ever added to."""
        return {
            *(("history", row["id"], row["state"], row["message"]) for row in self.history),
            *(("attempt", row["attempt"], row["token_hash"]) for row in self.attempts),
            *(("activated", row["attempt"], row["nonce"]) for row in self.writers),
            *(("state", row["writer"], row["seq"], row["state"]) for row in self.states),
            *(("log", row["writer"], row["seq"], row["message"]) for row in self.logs),
        }


def connect(url: str) -> Engine:
    """Return what looks into a server's database beside the server."""
    return create_engine(url.replace("postgresql:", "postgresql+psycopg:"))


def read_tables(url: str, runs: list[str]) -> dict[str, Tables]:
    """Return the rows of flow runs, by their ids; those that are not there are left out."""
    engine = connect(url)
    try:
        with engine.connect() as connection:
            chosen = select(schema.flow_runs).where(schema.flow_runs.c.id.in_(runs))
            found = {row["key"]: Tables(dict(row)) for row in connection.execute(chosen).mappings()}
            for name, table in _TABLES.items():
                for key, rows in _by_run(connection, table, list(found)).items():
                    setattr(found[key], name, rows)
    finally:
        engine.dispose()
    return {tables.run["id"]: tables for tables in found.values()}


def _by_run(connection: Connection, table: Table, keys: list[int]) -> dict[int, Rows]:
    chosen = select(table).where(table.c.run_key.in_(keys))
    for name in ("id", "attempt"):
        if name in table.c:
            chosen = chosen.order_by(table.c[name])
    by_run: dict[int, Rows] = defaultdict(list)
    for row in connection.execute(chosen).mappings():
        by_run[row["run_key"]].append(dict(row))
    return by_run


@dataclass
class Told:
    """What the API says of one flow run."""

    run: dict[str, Any]
    history: Rows
    task_runs: Rows
    logs: Rows


def ask(client: Client, run: str) -> Told:
    """Ask for all that there is to be known of a run."""

    def plain(value: Any) -> Any:
        return msgspec.to_builtins(value, builtin_types=())

    return Told(
        run=plain(client.get_flow_run(run)),
        history=plain(client.flow_run_states(run)),
        task_runs=plain(list(client.task_runs(run))),
        logs=plain(list(client.logs(run))),
    )


@dataclass
class Evidence:
    """All that is known of one flow run."""

    id: str
    flow: str
    tables: Tables
    told: Told
    calls: list[Call]
    #: What befell the run, and the parts that all runs share.
    troubles: list[Trouble]
    #: What the tables held whenever the server was about to be killed.
    durable: set[tuple[Any, ...]]
    #: What its last task is to return.
    result: int | None
