"""Plays the supervisor of a runner's process, and collects what it reports."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from headrace.engine.channel import (
    EVENTS,
    Orders,
    final_state,
    orders_frame,
    read_frames,
    run_frame,
    split_events,
)
from headrace.wire.claims import RunDetails
from headrace.wire.events import Event, FlowState, LogLine, TaskState

_EVENTS = msgspec.json.Decoder(list[Event])


def details(file: Path, flow: str, attempt: int = 1, **more: Any) -> RunDetails:
    """What a server would say of a run of a flow in a file."""
    from headrace.storage import Local

    storage = more.pop("storage", None)
    if storage is None:
        storage = Local(path=str(file), stored_as_script=True).serialize()
        storage["flows"] = {flow: str(file)}
    return RunDetails(
        **{
            "id": "run-1",
            "name": "brave-otter",
            "attempt": attempt,
            "flow_id": "flow-1",
            "flow_name": flow,
            "flow_version": 1,
            "project_name": "tests",
            "storage": storage,
            **more,
        }
    )


class Supervisor:
    """A supervisor that keeps what its runner says.

    Args:
        sock: Its end of the channel.
        run: What to run.
    """

    def __init__(self, sock: socket.socket, run: RunDetails) -> None:
        self._sock = sock
        self.frames: list[bytes] = []
        self._events: list[Event] = []
        self._arrived = threading.Condition()
        self._closed = False
        sock.sendall(run_frame(run))
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        for kind, payload in read_frames(self._sock):
            assert kind == EVENTS
            count, raw = split_events(payload)
            events = _EVENTS.decode(raw)
            assert len(events) == count
            with self._arrived:
                self.frames.append(raw)
                self._events.extend(events)
                self._arrived.notify_all()
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()

    def order(self, **orders: Any) -> None:
        self._sock.sendall(orders_frame(Orders(**orders)))

    def wait_for(self, test: Callable[[Event], bool], seconds: float = 90.0) -> Event:
        """Wait for an event that passes a test."""
        deadline = time.monotonic() + seconds
        seen = 0
        with self._arrived:
            while True:
                while seen < len(self._events):
                    seen += 1
                    if test(self._events[seen - 1]):
                        return self._events[seen - 1]
                left = deadline - time.monotonic()
                if self._closed or left <= 0 or not self._arrived.wait(left):
                    raise AssertionError(f"It never came; there is: {self._events}")

    @property
    def events(self) -> list[Event]:
        with self._arrived:
            return list(self._events)

    def end(self, seconds: float = 120.0) -> FlowState | None:
        """Wait until the runner has closed the channel; return how the run ended."""
        self._thread.join(seconds)
        assert not self._thread.is_alive(), f"It goes on: {self.events}"
        return final_state(self.frames[-1]) if self.frames else None

    def close(self) -> None:
        self._sock.close()

    # -- what there is --------------------------------------------------------------------

    def tasks(self, slug: str | None = None) -> list[TaskState]:
        return [
            each
            for each in self.events
            if isinstance(each, TaskState) and (slug is None or each.slug == slug)
        ]

    def last(self) -> dict[tuple[str, int], TaskState]:
        """The last state of each task run."""
        return {(each.slug, each.map_index): each for each in self.tasks()}

    def types(self) -> dict[str, str]:
        """The type of the last state of each task run, by a name as `slug[3]`."""
        return {
            slug if child < 0 else f"{slug}[{child}]": state.type
            for (slug, child), state in self.last().items()
        }

    def lines(self) -> list[LogLine]:
        return [each for each in self.events if isinstance(each, LogLine)]

    def text(self) -> str:
        return "\n".join(each.message for each in self.lines())


class Process(Supervisor):
    """A supervisor whose runner is a process of its own.

    Args:
        run: What to run.
        home: Headrace's home directory.
        environment: More environment variables.
    """

    def __init__(
        self, run: RunDetails, home: Path, environment: dict[str, str] | None = None
    ) -> None:
        ours, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "headrace.engine.runner_process", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env={**os.environ, "HEADRACE_HOME": str(home), **(environment or {})},
            stdout=subprocess.DEVNULL,
        )
        theirs.close()
        super().__init__(ours, run)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(60)
        self.end()

    def finish(self, seconds: float = 120.0) -> FlowState | None:
        """Wait until the runner has ended; return how the run did."""
        state = self.end(seconds)
        self.process.wait(seconds)
        self.close()
        return state

    def desert(self) -> None:
        """Go away without a word."""
        self._sock.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(60)
        self.close()


def write_flow(folder: Path, code: str, name: str = "flow_file.py") -> Path:
    """Write a file of flows."""
    file = folder / name
    file.write_text(code)
    return file


def called(log: Path) -> Sequence[str]:
    """What tasks have written to a file of calls, in order."""
    return log.read_text().split() if log.exists() else []


# -- in this process ----------------------------------------------------------------------------


class Attempt:
    """One attempt at a run, in this process, whose events are kept.

    Args:
        flow: The flow.
        home: The directory of checkpoints.
        number: Which attempt it is.
        **more: Fields of the run's details.
    """

    def __init__(self, flow: Any, home: Path, number: int = 1, **more: Any) -> None:
        from headrace.engine.checkpoints import DirectoryStore
        from headrace.engine.cloud_flow_runner import CloudFlowRunner

        self.events: list[Event] = []
        run = details(Path("flow.py"), flow.name, number, storage={"type": "Local"}, **more)
        self.store = DirectoryStore(home, run.id, number)
        self.runner = CloudFlowRunner(flow, run, self.events.append, self.store)

    def run(self) -> FlowState | None:
        try:
            return self.runner.run()
        finally:
            self.runner.close()

    def tasks(self) -> list[TaskState]:
        return [each for each in self.events if isinstance(each, TaskState)]

    def types(self) -> dict[tuple[str, int], str]:
        """The type of the last state of each task run."""
        return {(each.slug, each.map_index): each.type for each in self.tasks()}

    def reused(self) -> set[tuple[str, int]]:
        """The task runs that were taken over."""
        return {(each.slug, each.map_index) for each in self.tasks() if each.reused}

    def ran(self) -> set[tuple[str, int]]:
        """The task runs whose functions were called."""
        return {
            (each.slug, each.map_index)
            for each in self.tasks()
            if each.place is not None and not each.reused
        }
