"""A place that asks its server over the client: a command line for each look takes too long here."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import msgspec

from headrace.client import Client
from tests.support.place import Place


class QuickPlace(Place):
    """Does what a `Place` does, but for starting a process for each question."""

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
        self.wait_for_mark("hold")
        self.wait_for_log(run, "there are 3 numbers")
        self.wait_until_doubled(run)
        return run
