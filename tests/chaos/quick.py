"""A place that asks its server over the client: a command line for each look takes too long here."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Engine, select, update

from headrace.client import Client
from headrace.server.db.database import make_engine, parse_url
from headrace.server.db.schema import flow_runs
from tests.support.place import Place


class QuickPlace(Place):
    """Does what a `Place` does, but for starting a process for each question.

    Attributes:
        database_url: Where the server has its tables.
    """

    database_url: str

    def client(self) -> Client:
        return Client(self.server.url, api_key="")

    def start(self, name: str, **parameters: object) -> str:
        with self.client() as client:
            return client.create_flow_run(name, "etl", parameters=dict(parameters)).id

    def show(self, run: str) -> Any:
        with self.client() as client:
            return msgspec.to_builtins(client.get_flow_run(run))

    def lines(self, run: str) -> str:
        """Return all log lines that the server has of a run."""
        with self.client() as client:
            return "\n".join(line.message for line in client.logs(run))

    def wait_for_log(self, run: str, text: str) -> None:
        until = time.monotonic() + 30
        while text not in (said := self.lines(run)):
            assert time.monotonic() < until, f"there is no line {text!r}:\n{said}"
            time.sleep(0.05)

    def wait_until_doubled(self, run: str) -> None:
        until = time.monotonic() + 30
        while True:
            with self.client() as client:
                counts = client.task_run_counts(run).tasks.get("double-1", {})
            if counts.get("Success", 0) >= 3:
                return
            assert time.monotonic() < until, counts
            time.sleep(0.05)

    def hold(self, until: Path) -> str:
        """Start a run that waits for a file; return its id once all that comes before is known."""
        run = self.start("held", until=str(until))
        self.wait_until_held(run)
        return run

    def wait_until_held(self, run: str) -> None:
        """Wait until a run waits for its file, and all that comes before is known."""
        self.wait_for_calls("hold", 1, run)
        self.wait_for_log(run, "there are 3 numbers")
        self.wait_until_doubled(run)

    def engine(self, *, writes: bool = False) -> Engine:
        """Return what looks into the server's database beside the server."""
        return make_engine(parse_url(self.database_url), connections=1, writes=writes)

    def wait_until_lost(self, run: str) -> None:
        """Wait until a run whose process is silent is taken for lost: as soon as its lease has passed.

        The attempt that follows has as long as its flow says, as every other.
        """
        before = self.show(run)["recoveries"]
        patience = self._lost_after(run, 0.0)
        until = time.monotonic() + 60
        while self.show(run)["recoveries"] == before:
            assert time.monotonic() < until, self.show(run)
            time.sleep(0.05)
        self._lost_after(run, patience)

    def _lost_after(self, run: str, seconds: float) -> float:
        """Set after how many seconds without its lease a run is lost; return what it was."""
        engine = self.engine(writes=True)
        this = flow_runs.c.id == run
        try:
            with engine.begin() as connection:
                before: float = connection.execute(
                    select(flow_runs.c.lost_after).where(this)
                ).scalar_one()
                connection.execute(update(flow_runs).where(this).values(lost_after=seconds))
        finally:
            engine.dispose()
        return before
