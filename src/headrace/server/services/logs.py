"""Log lines, as they come."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from headrace.server.db import logs
from headrace.server.db.logs import LogFilter
from headrace.wire.logs import LogPage

if TYPE_CHECKING:
    from headrace.server.parts import Parts


async def follow(
    parts: Parts, run_id: str, which: LogFilter, *, limit: int, after: str | None, seconds: float
) -> LogPage:
    """Return the lines that follow those which were read, as soon as there are any.

    Args:
        parts: The server's parts.
        run_id: The flow run's id.
        which: Which lines.
        limit: How many at most.
        after: What the page before gave as its `next`; None to begin.
        seconds: For how long to wait for lines at most; 0 not to.

    Raises:
        Refusal: If there is no such flow run (404), or no page has given `after` (422).
    """
    loop = asyncio.get_running_loop()
    until = loop.time() + min(parts.settings.longest_wait.total_seconds(), seconds)
    with parts.hub.listen(f"run:{run_id}") as changed:
        while True:
            position = after
            page = await parts.database.read(
                lambda c, position=position: logs.page(  # type: ignore[misc]
                    c, run_id, which, limit=limit, after=position
                )
            )
            # What was passed over need not be looked at again.
            after = page.next
            left = until - loop.time()
            if page.items or page.is_finished or left <= 0 or not await changed.wait(left):
                return page
