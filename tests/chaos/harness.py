"""Runs real flow runs on a real server and a real agent, breaks any part of them, and judges.

```python
run = chaos.start("inline")
chaos.wait_for_calls(run, 5)
chaos.kill("runner", run)
chaos.finish()          # waits until all runs are over and nothing of them is left, and judges them
```
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, get_args

from headrace.client import Client
from headrace.core.errors import ClientError
from headrace.engine.run_directory import RunDirectory, SupervisorRecord
from headrace.wire.flow_runs import FlowRun
from tests.chaos.evidence import Call, Evidence, Trouble, ask, read_calls, read_tables
from tests.chaos.invariants import violations
from tests.chaos.processes import command_of, fork_servers, session_of
from tests.support.agents import RunningAgent, processes_of
from tests.support.servers import RunningServer

#: Seconds that a process owns its run without a word; its claim is twice as long.
LEASE = 2.0
#: Seconds after its lease after which a silent process is taken for lost.
LOST_AFTER = 1.0
PROJECT = "chaos"

#: What can be broken: what all runs share, and what a run has of its own. `run` is all of the latter.
Shared = Literal["server", "agent", "fork server"]
Own = Literal["supervisor", "runner", "run"]
Part = Shared | Own


class Chaos:
    """A server, an agent and the runs between them.

    Args:
        server: The server.
        agent: The agent, which serves the label `here`.
        database_url: Where the server has its tables.
        folder: Where calls are written down.

    Attributes:
        story: What was done, in words, for whoever reads of a failure.
    """

    def __init__(
        self, server: RunningServer, agent: RunningAgent, database_url: str, folder: Path
    ) -> None:
        self.server = server
        self.agent = agent
        self.folder = folder
        self.story: list[str] = []
        self._url = database_url
        self._runs: dict[str, str] = {}
        self._results: dict[str, int] = {}
        self._troubles: list[Trouble] = []
        self._durable: dict[str, set[tuple[Any, ...]]] = {}
        self._began = time.time()

    # -- runs ---------------------------------------------------------------------------------

    def client(self) -> Client:
        return Client(self.server.url, api_key="")

    def start(
        self, flow: str, *, count: int = 6, pace: float = 0.05, labels: list[str] | None = None
    ) -> str:
        """Make a run of one of the flows, and return its id."""
        with self.client() as client:
            run = client.create_flow_run(
                flow, PROJECT, parameters={"count": count, "pace": pace}, labels=labels
            ).id
        self._runs[run] = flow
        self._results[run] = 4 * sum(range(count))
        self.tell(f"{flow} is run {run}")
        return run

    def tell(self, what: str) -> None:
        """Add to the story."""
        self.story.append(f"{time.time() - self._began:7.3f} {what}")

    def calls(self, run: str) -> list[Call]:
        """Return the calls of a run's functions so far."""
        return [call for call in read_calls(self.folder / "calls") if call.run == run]

    def wait_for_calls(self, run: str, count: int, attempt: int = 1) -> None:
        """Wait until so many calls were made in an attempt, or in a later one, or the run is over."""
        until = time.monotonic() + 60
        looks = 0
        while sum(call.attempt >= attempt for call in self.calls(run)) < count:
            assert time.monotonic() < until, self.explained(f"{run} makes no {count} calls")
            looks += 1
            if looks % 100 == 0 and self.shown(run).is_finished:
                return
            time.sleep(0.005)

    def shown(self, run: str) -> FlowRun:
        with self.client() as client:
            return client.get_flow_run(run)

    # -- faults -------------------------------------------------------------------------------

    def kill(self, *parts: Part, run: str | None = None) -> None:
        """Kill parts at once, and then start again what a machine starts again: server, agent.

        Args:
            parts: What to kill.
            run: Whose supervisor or runner; where all is to go, the runs' that are under way.
        """
        begin = time.time()
        if "server" in parts:
            self._note_durable()
        pids = [pid for part in parts for pid in self.pids(part, run)]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.tell(f"killed {', '.join(parts)} {run or ''} {pids}")
        if "server" in parts:
            self.server.kill()
            self.server.start()
        if "agent" in parts:
            self.agent.kill()
            self.agent.start()
        self._note(parts, run, begin)

    def kill_all(self) -> None:
        """Kill every process there is at once, as a power cut would; start the server and the agent."""
        begin = time.time()
        self._note_durable()
        pids = [self.server.pid, self.agent.pid, *self.agent.processes()]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.tell(f"killed everything {pids}")
        self.server.kill()
        self.agent.kill()
        self.server.start()
        self.agent.start()
        self._note(("server", "agent", "fork server", "run"), None, begin)

    @contextmanager
    def stopped(self, *parts: Part, run: str | None = None) -> Iterator[None]:
        """Have parts stand still for the length of a `with` block."""
        begin = time.time()
        pids = [pid for part in parts for pid in self.pids(part, run)]
        self.tell(f"stopped {', '.join(parts)} {run or ''} {pids}")
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            self.tell(f"let {', '.join(parts)} {run or ''} go on")
            self._note(parts, run, begin)

    def pids(self, part: Part, run: str | None = None) -> list[int]:
        """Return the processes that a part is made of now."""
        if part == "server":
            return [self.server.pid]
        if part == "agent":
            return [self.agent.pid]
        if part == "fork server":
            return fork_servers(self.agent.home)
        chosen = [run] if run is not None else list(self._runs)
        found: list[int] = []
        for each in chosen:
            for record in self._supervisors(each):
                runner = [] if record.runner is None else [record.runner.pid]
                if part == "run":
                    found += session_of(record.process.pid)
                else:
                    found += [record.process.pid] if part == "supervisor" else runner
        return found

    def _supervisors(self, run: str) -> Iterator[SupervisorRecord]:
        for path in (self.agent.home / "runs" / run).glob("*/supervisor.json"):
            record = RunDirectory(path.parent).read(SupervisorRecord)
            if record is not None and record.process.is_alive():
                yield record

    def _note(self, parts: tuple[Part, ...], run: str | None, begin: float) -> None:
        now = time.time()
        for part in parts:
            whose = None if part in get_args(Shared) else run
            self._troubles.append(Trouble(part, whose, begin, now))

    def _note_durable(self) -> None:
        for run, tables in read_tables(self._url, list(self._runs)).items():
            self._durable.setdefault(run, set()).update(tables.durable())

    # -- judgement ----------------------------------------------------------------------------

    def finish(self, state: str = "Success", seconds: float = 60) -> dict[str, Evidence]:
        """Wait until all runs are over and nothing of them is left, and judge.

        Args:
            state: How all of them are to end.
            seconds: How long to wait at most.

        Returns:
            What is known of each run.
        """
        runs = self._wait_until_over(seconds)
        found = self._wait_until_quiet()
        known = self._collect()
        found += [each for evidence in known.values() for each in violations(evidence)]
        found += [f"{run} is gone" for run in self._runs if run not in known]
        found += [
            f"{run.id} of {run.flow_name} is {run.state}: {run.message}"
            for run in runs
            if run.state != state
        ]
        assert not found, self.explained("\n".join(found))
        self.forget()
        return known

    def forget(self) -> None:
        """Begin anew: what was until now is not judged any more."""
        (self.folder / "calls").unlink(missing_ok=True)
        for kept in (self._runs, self._results, self._troubles, self._durable, self.story):
            kept.clear()
        self._began = time.time()

    def _wait_until_over(self, seconds: float) -> list[FlowRun]:
        until = time.monotonic() + seconds
        while True:
            with suppress(ClientError), self.client() as client:
                runs = [client.get_flow_run(run) for run in self._runs]
                if all(run.is_finished for run in runs):
                    return runs
                waiting = [(run.id, run.state, run.message, run.waiting) for run in runs]
                assert time.monotonic() < until, self.explained(f"they do not end: {waiting}")
            assert time.monotonic() < until + 10, self.explained("the server does not answer")
            time.sleep(0.05)

    def _wait_until_quiet(self) -> list[str]:
        """Wait until no process of a run is left, and return what is to be said of those that stay."""
        until = time.monotonic() + 20
        while left := self.left_over():
            if time.monotonic() > until:
                return [f"process {pid} is left behind: {command_of(pid)}" for pid in left]
            time.sleep(0.02)
        return []

    def left_over(self) -> list[int]:
        """Return what processes there are, but for the server, the agent and its fork server."""
        known = {self.server.pid, self.agent.pid, *fork_servers(self.agent.home)}
        return [pid for pid in processes_of(self.agent.home) if pid not in known]

    def _collect(self) -> dict[str, Evidence]:
        tables = read_tables(self._url, list(self._runs))
        with self.client() as client:
            return {
                run: Evidence(
                    id=run,
                    flow=flow,
                    tables=tables[run],
                    told=ask(client, run),
                    calls=self.calls(run),
                    troubles=[each for each in self._troubles if each.run in (None, run)],
                    durable=self._durable.get(run, set()),
                    result=self._results[run],
                )
                for run, flow in self._runs.items()
                if run in tables
            }

    def explained(self, what: str) -> str:
        """Return what is wrong, with all that was done and called, and the histories of the runs."""
        lines = [what, *self.story]
        for run, tables in read_tables(self._url, list(self._runs)).items():
            lines.append(f"history of {run}:")
            lines += [
                f"{row['at'] - self._began:7.3f} {row['attempt']} {row['state']} {row['who']}: "
                f"{row['message']}{' (stale)' if row['is_stale'] else ''}"
                for row in tables.history
            ]
        lines += [
            f"{call.at - self._began:7.3f} {call.run[:8]} {call.attempt} {call.slug} "
            f"{call.map_index} by {call.pid} of {call.session}"
            for call in read_calls(self.folder / "calls")
        ]
        return "\n".join(lines)
