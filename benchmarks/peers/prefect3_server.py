"""Prefect 3's server, measured from outside as Headrace's is: over HTTP, by the same load generator."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from benchmarks.environments import environment_variables, peer
from benchmarks.load import Answer, Measured, drive, encode
from benchmarks.servers import cpu_seconds, descendants, usage

#: How many seconds it may take to start.
PATIENCE = 120.0
#: How often what is needed beforehand is asked for.
_TRIES = 30
#: How long it is left alone, and how long its idleness is measured, in seconds.
REST, IDLE = 10.0, 20.0


class PrefectServer:
    """A running server, on SQLite, as its users get it.

    Args:
        url: Its address.
        pid: Its process id.
        seconds_to_healthy: How long it took until it answered that it is healthy.
    """

    def __init__(self, url: str, pid: int, seconds_to_healthy: float) -> None:
        self.url = url
        self.pid = pid
        self.seconds_to_healthy = seconds_to_healthy

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Ask for something and return what is answered.

        Args:
            path: The path below `/api`.
            body: The body, to be sent as JSON.

        Raises:
            RuntimeError: If it is refused.
        """
        request = Request(  # noqa: S310 - the address is this machine's
            f"{self.url}/api{path}",
            json.dumps(body).encode(),
            {"content-type": "application/json"},
            method="POST",
        )
        for attempt in range(_TRIES):
            try:
                with urlopen(request, timeout=60) as answer:  # noqa: S310 - likewise
                    got: dict[str, Any] = json.loads(answer.read() or b"null")
                    return got
            except HTTPError as error:
                # It answers so when its database is locked; what is set up is not what is timed.
                if error.code != 503 or attempt == _TRIES - 1:
                    raise RuntimeError(f"{path}: {error.code} {error.read()[:500]!r}") from error
                time.sleep(0.5)
        raise AssertionError("not reached")

    def cpu(self) -> float:
        """Return the seconds of CPU that it has used, with its child processes."""
        return sum(cpu_seconds(pid) for pid in [self.pid, *descendants(self.pid)])

    def memory(self) -> int:
        """Return the bytes that it holds in memory, with its child processes."""
        accounts = [usage(pid) for pid in [self.pid, *descendants(self.pid)]]
        return sum(account.proportional or account.resident for account in accounts)


@contextmanager
def prefect_server() -> Iterator[PrefectServer]:
    """Run the server for the length of a `with` block, with a database of its own."""
    program = peer("prefect3").with_name("prefect")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as home, Path(home, "log").open("wb") as log:
        environment = environment_variables(Path(home)) | {"PREFECT_HOME": home}
        started = time.perf_counter()
        process = subprocess.Popen(
            [program, "server", "start", "--host", "127.0.0.1", "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            while not _is_healthy(url):
                if process.poll() is not None or time.perf_counter() - started > PATIENCE:
                    said = Path(home, "log").read_text("utf-8", "replace")[-2000:]
                    raise RuntimeError(f"Prefect's server does not start:\n{said}")
                time.sleep(0.02)
            yield PrefectServer(url, process.pid, time.perf_counter() - started)
        finally:
            below = descendants(process.pid)
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            for pid in below:
                subprocess.run(["kill", "-9", str(pid)], capture_output=True, check=False)


def _is_healthy(url: str) -> bool:
    try:
        with urlopen(f"{url}/api/health", timeout=5) as answer:  # noqa: S310 - of this machine
            return bool(answer.status == 200)
    except OSError:
        return False


@dataclass(frozen=True, kw_only=True)
class PrefectFigures:
    """What was measured of Prefect's server.

    Attributes:
        seconds_to_healthy: From the start of its process until it answered that it is healthy.
        idle_cpu: The share of a core that it uses while nobody asks for anything, in percent.
        idle_memory: The bytes that it holds then.
        states_per_second: How many states of task runs it takes each second, from one client and
            from sixteen; only what it answered with success counts.
        creations_per_second: How many flow runs of a deployment it makes each second, eight clients.
        claims_per_second: How many of them a worker's poll hands out each second.
        statuses: How many answers had which status, over all these.
    """

    seconds_to_healthy: float
    idle_cpu: float
    idle_memory: int
    states_per_second: dict[int, float]
    creations_per_second: float
    claims_per_second: float
    statuses: dict[int, int]

    @property
    def refusals(self) -> int:
        """How many requests were refused or hung up on."""
        return sum(count for status, count in self.statuses.items() if not 200 <= status < 300)


@cache
def prefect_figures(*, quick: bool = False) -> PrefectFigures:
    """Measure Prefect's server; once, however often it is asked for.

    Args:
        quick: Whether to do the least of everything.
    """
    count = 20 if quick else 300
    with prefect_server() as server:
        time.sleep(1 if quick else REST)
        before, begun = server.cpu(), time.perf_counter()
        time.sleep(1 if quick else IDLE)
        idle_cpu = (server.cpu() - before) / (time.perf_counter() - begun) * 100
        idle_memory = server.memory()
        statuses: Counter[int] = Counter()
        states = {}
        for clients in (1, 16):
            measured = _set_states(server, clients, count)
            statuses += measured.statuses
            states[clients] = _successes(measured) / measured.seconds
        created, claimed = _create_and_claim(server, count)
        statuses += created.statuses + claimed.statuses
        return PrefectFigures(
            seconds_to_healthy=server.seconds_to_healthy,
            idle_cpu=idle_cpu,
            idle_memory=idle_memory,
            states_per_second=states,
            creations_per_second=_successes(created) / created.seconds,
            claims_per_second=_successes(created) / claimed.seconds,
            statuses=dict(statuses),
        )


def _successes(measured: Measured) -> int:
    return sum(count for status, count in measured.statuses.items() if 200 <= status < 300)


def _set_states(server: PrefectServer, clients: int, count: int) -> Measured:
    """Take task runs through the states of a run: each client one after another."""
    flow = server.post("/flows/", {"name": f"states-{clients}"})
    run = server.post("/flow_runs/", {"flow_id": flow["id"], "state": {"type": "RUNNING"}})
    kinds = ("PENDING", "RUNNING", "COMPLETED")

    def requests() -> Iterator[bytes]:
        for n in range(max(count // clients // len(kinds), 1)):
            task = {
                "flow_run_id": run["id"],
                "task_key": "bench",
                "dynamic_key": f"{n}-{uuid.uuid4()}",
            }
            made = server.post("/task_runs/", task)
            for kind in kinds:
                body = json.dumps({"state": {"type": kind}, "force": False}).encode()
                yield encode("POST", f"/api/task_runs/{made['id']}/set_state", body)

    # The task runs are made beforehand: only their states are timed.
    return _drive(server, [list(requests()) for _ in range(clients)])


def _create_and_claim(server: PrefectServer, count: int) -> tuple[Measured, Measured]:
    """Make flow runs of a deployment, then hand all of them out to a worker of its pool."""
    server.post("/work_pools/", {"name": "bench", "type": "process"})
    flow = server.post("/flows/", {"name": "claims"})
    deployment = server.post(
        "/deployments/",
        {"name": "bench", "flow_id": flow["id"], "work_pool_name": "bench", "entrypoint": "a.py:a"},
    )
    make = encode("POST", f"/api/deployments/{deployment['id']}/create_flow_run", b"{}")
    created = _drive(server, [[make] * (count // 8) for _ in range(8)])
    seen: set[str] = set()

    def note(answer: Answer) -> None:
        seen.update(each["flow_run"]["id"] for each in json.loads(answer))

    def claims() -> Iterator[bytes]:
        # A worker polls, then sets each of its runs to Pending, which is what makes it its own.
        body = json.dumps({"limit": 50}).encode()
        done: set[str] = set()
        while len(done) < _successes(created):
            yield encode("POST", "/api/work_pools/bench/get_scheduled_flow_runs", body)
            fresh = seen - done
            if not fresh:
                return
            for flow_run in sorted(fresh):
                pending = json.dumps({"state": {"type": "PENDING"}, "force": False}).encode()
                yield encode("POST", f"/api/flow_runs/{flow_run}/set_state", pending)
            done |= fresh

    def note_polls(answer: Answer) -> None:
        if answer.startswith(b"["):
            note(answer)

    return created, _drive(server, [claims()], note_polls)


def _drive(
    server: PrefectServer, streams: Any, on_answer: Callable[[Answer], None] | None = None
) -> Measured:
    return asyncio.run(drive(server.url, streams, on_answer))
