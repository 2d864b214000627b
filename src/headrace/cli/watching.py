"""A tracked run, followed to its end: states and log lines as they come."""

from __future__ import annotations

import datetime
import heapq
import queue
import threading
from collections.abc import Callable, Iterator
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Protocol

import click

from headrace.cli.exit_codes import FAILED, INTERRUPTED, SUCCESS, UNFINISHED
from headrace.cli.flow_run_page import counted, waiting_lines
from headrace.cli.log_text import line_of
from headrace.cli.output import print_json_line
from headrace.cli.printable import printable
from headrace.cli.wording import style_of, took

if TYPE_CHECKING:
    from headrace.client import Client
    from headrace.wire.flow_runs import FlowRun, FlowRunState, Waiting
    from headrace.wire.logs import Log

#: How long, in seconds, a run may stay in a state before it is said why; and then is asked again.
_SOON = 1.5
_ASKED_EVERY = 5.0
_CODES = {"Success": SUCCESS, "Failed": FAILED, "Cancelled": INTERRUPTED}
_VERDICTS = {"Success": "succeeded", "Failed": "failed", "Cancelled": "was cancelled"}


def watch(client: Client, flow_run_id: str, as_json: bool = False) -> int:
    """Print what happens in a flow run until it is over. Ctrl-C ends the watching, not the run.

    Args:
        client: The client.
        flow_run_id: The flow run's id.
        as_json: Whether each event is printed as one line of JSON.

    Returns:
        The exit code that says how the run ended.
    """
    show: _Show = _JsonLines() if as_json else _Lines()
    events: queue.SimpleQueue[Callable[[], None] | BaseException | None] = queue.SimpleQueue()
    watcher = _Watcher(client, flow_run_id, show, events)
    watcher.start()
    try:
        while (event := events.get()) is not None:
            if isinstance(event, BaseException):
                raise event
            event()
    except KeyboardInterrupt:
        click.echo(
            "\nNo longer watching; the run goes on. Cancel it with: "
            f"headrace flow-run cancel {flow_run_id}",
            err=True,
        )
        return INTERRUPTED
    run = client.get_flow_run(flow_run_id)
    show.end(run, counted(client.task_run_counts(flow_run_id)))
    return _CODES.get(run.state, SUCCESS if run.is_finished else UNFINISHED)


class _Watcher:
    """Asks for what has happened already, and then for what happens, log lines and states at once.

    Its threads only ask; the main one prints.
    """

    def __init__(self, client: Client, flow_run_id: str, show: _Show, events: Any) -> None:
        self._client = client
        self._id = flow_run_id
        self._show = show
        self._events = events
        #: The states that were shown, and up to where log lines were.
        self._shown = 0
        self._read: str | None = None
        self._logs = self._thread(self._follow_logs)
        self._states = self._thread(self._follow_states)

    def start(self) -> None:
        self._thread(self._begin).start()

    def _thread(self, target: Callable[[], None]) -> threading.Thread:
        def guarded() -> None:
            try:
                target()
            except BaseException as error:  # noqa: BLE001 - the main thread raises it again
                self._events.put(error)

        # A daemon: Ctrl-C must not wait for an answer that is being held back.
        return threading.Thread(target=guarded, name=f"headrace-{target.__name__}", daemon=True)

    def _begin(self) -> None:
        history = self._client.flow_run_states(self._id)
        self._shown = len(history)
        states = ((entry.at, partial(self._show.state, entry)) for entry in history)
        for _, event in heapq.merge(states, self._lines_so_far(), key=itemgetter(0)):
            self._events.put(event)
        self._logs.start()
        self._states.start()

    def _lines_so_far(self) -> Iterator[tuple[datetime.datetime, Callable[[], None]]]:
        while True:
            page = self._client.log_page(self._id, after=self._read)
            self._read = page.next
            if not page.items:
                return
            for line in page.items:
                yield line.at, partial(self._show.log, line)

    def _follow_logs(self) -> None:
        for line in self._client.logs(self._id, follow=True, after=self._read):
            self._events.put(partial(self._show.log, line))

    def _follow_states(self) -> None:
        from headrace.client.patience import patiently

        run = self._client.get_flow_run(self._id)
        said: Waiting | None = None
        stayed = ""
        while True:
            if run.is_finished:
                self._logs.join()  # the last word is the last state's
            history = patiently(partial(self._client.flow_run_states, self._id))
            for entry in history[self._shown :]:
                self._events.put(partial(self._show.state, entry))
            self._shown = len(history)
            if run.is_finished:
                self._events.put(None)
                return
            seconds = _SOON if run.state != stayed else _ASKED_EVERY
            stayed = run.state
            run = patiently(partial(self._client.next_flow_run_state, self._id, run.state, seconds))
            # A run that goes on says so by its log lines.
            stuck = run.state == stayed and run.state != "Running"
            if stuck and run.waiting is not None and run.waiting != said:
                said = run.waiting
                self._events.put(partial(self._show.waiting, said))


class _Show(Protocol):
    """How events are shown."""

    def log(self, line: Log) -> None: ...

    def state(self, entry: FlowRunState) -> None: ...

    def waiting(self, waiting: Waiting) -> None: ...

    def end(self, run: FlowRun, counts: str) -> None: ...


class _Lines:
    """Lines for people."""

    def log(self, line: Log) -> None:
        click.echo(line_of(line))

    def state(self, entry: FlowRunState) -> None:
        time = click.style(f"{entry.at.astimezone():%H:%M:%S}", dim=True)
        state = click.style(f"{entry.state:<10}", fg=style_of(entry.state), bold=True)
        stale = " (of an attempt that had lost the run)" * entry.is_stale
        click.echo(f"{time} {state} {printable(entry.message)}{stale}")

    def waiting(self, waiting: Waiting) -> None:
        for line in waiting_lines(waiting):
            click.echo(f"           {line}")

    def end(self, run: FlowRun, counts: str) -> None:
        verdict = click.style(_VERDICTS.get(run.state, run.state), fg=style_of(run.state))
        after = took(run.started, run.ended)
        reason = f": {run.message}" if run.state != "Success" and run.message else ""
        click.echo(
            f"Flow run {run.name!r} of {run.flow_name!r} {verdict}"
            f"{f' after {after}' * bool(after)}{printable(reason)}"
        )
        if counts:
            click.echo(f"  {counts}")


class _JsonLines:
    """Lines for programs: one object each, with what it is as `event`."""

    def log(self, line: Log) -> None:
        print_json_line({"event": "log", "log": line})

    def state(self, entry: FlowRunState) -> None:
        print_json_line({"event": "state", "state": entry})

    def waiting(self, waiting: Waiting) -> None:
        print_json_line({"event": "waiting", "waiting": waiting})

    def end(self, run: FlowRun, counts: str) -> None:
        print_json_line({"event": "end", "flow_run": run})
