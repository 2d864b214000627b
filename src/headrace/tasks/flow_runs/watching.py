"""A flow run, followed from another one."""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from headrace.core.errors import NotInTime
from headrace.tasks.flow_runs.asking import the_client

if TYPE_CHECKING:
    from headrace.wire.flow_runs import FlowRunState
    from headrace.wire.logs import Log

#: For how many seconds the server is asked to hold back its answer: log lines come so late at most.
_LONG_POLL = 2.0


class FlowRunLog(NamedTuple):
    """A log line of a flow run, or a change of its state."""

    #: When.
    timestamp: datetime.datetime
    #: The level's number, as in `logging`.
    level: int
    #: The text.
    message: str

    @classmethod
    def of(cls, line: Log) -> FlowRunLog:
        """Return a line as it is told here."""
        return cls(line.at, line.level, line.message)

    @classmethod
    def of_state(cls, entry: FlowRunState) -> FlowRunLog:
        """Return a change of state as it is told here."""
        text = f"Entered state <{entry.state}>: {entry.message}"
        return cls(entry.at, logging.INFO, text)


def watch_flow_run(
    flow_run_id: str,
    stream_states: bool = True,
    stream_logs: bool = True,
    max_duration: datetime.timedelta = datetime.timedelta(hours=12),
) -> Iterator[FlowRunLog]:
    """Yield what happens in a flow run until it is over.

    Args:
        flow_run_id: The flow run's id.
        stream_states: Whether changes of its state are among it.
        stream_logs: Whether its log lines are among it.
        max_duration: How long at most.

    Raises:
        NotInTime: If it is not over by then.
        NotFound: If there is no such flow run.
    """
    from headrace.client.patience import patiently

    client = the_client()
    end = time.monotonic() + max_duration.total_seconds()
    run = client.get_flow_run(flow_run_id)
    after: str | None = None
    shown = 0
    while True:
        entries: list[FlowRunLog] = []
        if stream_states:
            history = patiently(partial(client.flow_run_states, flow_run_id))
            entries += [FlowRunLog.of_state(each) for each in history[shown:]]
            shown = len(history)
        lines = True
        while stream_logs and lines:
            page = patiently(partial(client.log_page, flow_run_id, after=after))
            after, lines = page.next, bool(page.items)
            entries += [FlowRunLog.of(line) for line in page.items]
        yield from sorted(entries)
        if run.is_finished:
            return
        left = end - time.monotonic()
        if left <= 0:
            why = run.waiting.reason if run.waiting else run.message
            raise NotInTime(
                f"The flow run {run.name!r} ({run.id}) is not over after {max_duration}: it is "
                f"{run.state}. {why}".rstrip()
            )
        ask = partial(client.next_flow_run_state, flow_run_id, run.state, min(_LONG_POLL, left))
        run = patiently(ask)
