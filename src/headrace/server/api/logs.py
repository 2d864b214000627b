"""Log lines of flow runs."""

from __future__ import annotations

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from headrace.server.db.logs import LogFilter
from headrace.server.paging import check_limit, check_whole
from headrace.server.parts import Parts
from headrace.server.services import logs
from headrace.wire.logs import LogPage

_DEFAULT, _MOST = 1_000, 10_000


@get("/api/flow-runs/{run_id:str}/logs", needs="read")
async def read_logs(
    run_id: FromPath[str],
    parts: NamedDependency[Parts],
    after: FromQuery[str | None] = None,
    limit: FromQuery[int] = _DEFAULT,
    level: FromQuery[int | None] = None,
    task: FromQuery[str | None] = None,
    wait: FromQuery[float] = 0.0,
) -> LogPage:
    """Read log lines on from where the page before ended; wait for more, for so many seconds."""
    check_limit(limit, _MOST)
    if level is not None:
        check_whole(level, "The level")
    return await logs.follow(
        parts,
        run_id,
        LogFilter(level=level, task=task),
        limit=limit,
        after=after,
        seconds=wait,
    )


routes = [read_logs]
