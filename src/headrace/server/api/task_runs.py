"""Task runs: pages of them, one of them, its history."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter

from headrace.core.now import now
from headrace.server.db import task_counts, task_runs
from headrace.server.paging import DEFAULT_LIMIT, check_limit, check_whole, several
from headrace.server.parts import Parts
from headrace.wire.segments import plain
from headrace.wire.task_runs import TaskRun, TaskRunCounts, TaskRunPage, TaskRunState

_OF_RUN = "/api/flow-runs/{run_id:str}/task-runs"
_ONE = f"{_OF_RUN}/{{slug:str}}/{{map_index:int}}"


@get(_OF_RUN, needs="read")
async def list_task_runs(
    run_id: FromPath[str],
    parts: NamedDependency[Parts],
    with_state: Annotated[str | None, QueryParameter(name="state")] = None,
    slug: FromQuery[str | None] = None,
    limit: FromQuery[int] = DEFAULT_LIMIT,
    after: FromQuery[str | None] = None,
) -> TaskRunPage:
    """List task runs in the order of slugs and map indexes, and why they wait."""
    check_limit(limit)
    return await parts.database.read(
        lambda c: task_runs.listed(
            c,
            run_id,
            states=several(with_state),
            slug=slug,
            limit=limit,
            after=after,
            now=now(),
        )
    )


@get(f"{_OF_RUN}/counts", needs="read")
async def count_task_runs(run_id: FromPath[str], parts: NamedDependency[Parts]) -> TaskRunCounts:
    """Count task runs by their states."""
    return await parts.database.read(lambda c: task_counts.counts(c, run_id))


@get(_ONE, needs="read")
async def get_task_run(
    run_id: FromPath[str],
    slug: FromPath[str],
    map_index: FromPath[int],
    parts: NamedDependency[Parts],
) -> TaskRun:
    """Look at a task run, and why it waits."""
    check_whole(map_index, "The map index")
    return await parts.database.read(
        lambda c: task_runs.get(c, run_id, plain(slug), map_index, now())
    )


@get(f"{_ONE}/states", needs="read")
async def list_task_run_states(
    run_id: FromPath[str],
    slug: FromPath[str],
    map_index: FromPath[int],
    parts: NamedDependency[Parts],
) -> list[TaskRunState]:
    """List all that has happened to a task run, from its beginning on."""
    check_whole(map_index, "The map index")
    return await parts.database.read(lambda c: task_runs.states(c, run_id, plain(slug), map_index))


routes = [list_task_runs, count_task_runs, get_task_run, list_task_run_states]
