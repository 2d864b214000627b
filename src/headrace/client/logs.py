"""The log lines of flow runs."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from headrace.client.patience import PATIENCE, patiently
from headrace.client.resource import Resource, path
from headrace.wire.logs import Log, LogPage

_LONG_POLL = 25.0


class Logs(Resource):
    """What can be asked about log lines."""

    def log_page(
        self,
        flow_run_id: str,
        *,
        after: str | None = None,
        limit: int | None = None,
        level: int | None = None,
        task: str | None = None,
        wait: float | None = None,
    ) -> LogPage:
        """Return some log lines, in the order in which they were stored.

        Args:
            flow_run_id: The flow run's id.
            after: What the page before said is `next`.
            limit: At most so many.
            level: Lines of this level, as a number of `logging`, or above.
            task: Those of the task with this slug only.
            wait: For how many seconds to wait for a line if there is none.
        """
        return self._transport.request(
            "GET",
            path("flow-runs", flow_run_id, "logs"),
            query={"after": after, "limit": limit, "level": level, "task": task, "wait": wait},
            wait=wait or 0.0,
            answer=LogPage,
        )

    def logs(
        self,
        flow_run_id: str,
        *,
        level: int | None = None,
        task: str | None = None,
        follow: bool = False,
        after: str | None = None,
        patience: float = PATIENCE,
    ) -> Iterator[Log]:
        """Yield the log lines of a flow run, in the order in which they were stored.

        Args:
            flow_run_id: The flow run's id.
            level: Lines of this level, as a number of `logging`, or above.
            task: Those of the task with this slug only.
            follow: Whether to go on, as lines come in, until the run is over.
            after: Leave out what comes before: what a page (see `log_page`) said is `next`.
            patience: When following, how many seconds a server that was reached may be away.
        """
        while True:
            wait = _LONG_POLL if follow and after is not None else None
            ask = partial(
                self.log_page, flow_run_id, after=after, level=level, task=task, wait=wait
            )
            page = patiently(ask, patience) if wait is not None else ask()
            yield from page.items
            if not page.items and (page.is_finished or not follow):
                return
            after = page.next
