"""The log lines of flow runs."""

from __future__ import annotations

import time
from collections.abc import Iterator

from headrace.client.flow_runs import PATIENCE
from headrace.client.resource import Resource, path
from headrace.core.errors import ServerUnreachable
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
        patience: float = PATIENCE,
    ) -> Iterator[Log]:
        """Yield the log lines of a flow run, in the order in which they were stored.

        Args:
            flow_run_id: The flow run's id.
            level: Lines of this level, as a number of `logging`, or above.
            task: Those of the task with this slug only.
            follow: Whether to go on, as lines come in, until the run is over.
            patience: When following, how many seconds a server that was reached may be away.
        """
        after: str | None = None
        silent_until: float | None = None
        while True:
            try:
                page = self.log_page(
                    flow_run_id,
                    after=after,
                    level=level,
                    task=task,
                    wait=_LONG_POLL if follow and after is not None else None,
                )
            except ServerUnreachable:
                now = time.monotonic()
                silent_until = silent_until or now + patience
                if not follow or after is None or now >= silent_until:
                    raise
                time.sleep(min(1.0, patience))
                continue
            silent_until = None
            yield from page.items
            if not page.items and (page.is_finished or not follow):
                return
            after = page.next
