"""Flow runs: made, looked at, cancelled, paused, resumed, restarted."""

from __future__ import annotations

from typing import Annotated

from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from headrace.core.now import now
from headrace.server.callers import Caller
from headrace.server.db import flow_runs as in_database
from headrace.server.db.flow_runs import RunFilter
from headrace.server.paging import DEFAULT_LIMIT, check_limit, several
from headrace.server.parts import Parts
from headrace.server.services import flow_runs
from headrace.wire.flow_runs import (
    CreatedFlowRun,
    CreateFlowRun,
    FlowRun,
    FlowRunPage,
    FlowRunState,
    Reason,
    RenameFlowRun,
    Resume,
)

#: Litestar keeps `state` for something of its own.
_State = Annotated[str | None, QueryParameter(name="state")]


@post("/api/flow-runs", needs="user")
async def create_flow_run(
    data: JSONBody[CreateFlowRun], parts: NamedDependency[Parts], caller: NamedDependency[Caller]
) -> CreatedFlowRun:
    """Make a flow run."""
    (created,) = await flow_runs.create(parts, [data], caller)
    return created


@post("/api/flow-runs/batch", needs="user")
async def create_flow_runs(
    data: JSONBody[list[CreateFlowRun]],
    parts: NamedDependency[Parts],
    caller: NamedDependency[Caller],
) -> list[CreatedFlowRun]:
    """Make many flow runs: all of them, or none."""
    return await flow_runs.create(parts, data, caller)


@get("/api/flow-runs", needs="read")
async def list_flow_runs(
    parts: NamedDependency[Parts],
    project: FromQuery[str | None] = None,
    flow: FromQuery[str | None] = None,
    flow_id: FromQuery[str | None] = None,
    name: FromQuery[str | None] = None,
    id_begins: FromQuery[str | None] = None,
    with_state: _State = None,
    limit: FromQuery[int] = DEFAULT_LIMIT,
    after: FromQuery[str | None] = None,
) -> FlowRunPage:
    """List flow runs, those that were made last first; several states have commas between them."""
    check_limit(limit)
    which = RunFilter(
        project=project,
        flow=flow,
        flow_id=flow_id,
        name=name,
        id_begins=id_begins,
        states=several(with_state),
    )
    return await parts.database.read(
        lambda c: in_database.listed(c, which, limit=limit, after=after, now=now())
    )


@get("/api/flow-runs/{run_id:str}", needs="read")
async def get_flow_run(run_id: FromPath[str], parts: NamedDependency[Parts]) -> FlowRun:
    """Look at a flow run, and why it waits."""
    return await flow_runs.get(parts, run_id)


@patch("/api/flow-runs/{run_id:str}", needs="run")
async def rename_flow_run(
    data: JSONBody[RenameFlowRun], run_id: FromPath[str], parts: NamedDependency[Parts]
) -> FlowRun:
    """Give a flow run another name."""
    return await flow_runs.rename(parts, run_id, data.name)


@delete("/api/flow-runs/{run_id:str}", needs="user")
async def delete_flow_run(run_id: FromPath[str], parts: NamedDependency[Parts]) -> None:
    """Delete a flow run with all that is known of it."""
    await flow_runs.remove(parts, run_id)


@post("/api/flow-runs/{run_id:str}/cancel", needs="user", status_code=200)
async def cancel_flow_run(
    run_id: FromPath[str],
    parts: NamedDependency[Parts],
    caller: NamedDependency[Caller],
    data: JSONBody[Reason | None] = None,
) -> FlowRun:
    """Cancel a flow run: at once if nobody has it, else by an order to whoever has it."""
    return await flow_runs.cancel(parts, run_id, data.reason if data else None, caller)


@post("/api/flow-runs/{run_id:str}/pause", needs="user", status_code=200)
async def pause_flow_run(
    run_id: FromPath[str],
    parts: NamedDependency[Parts],
    caller: NamedDependency[Caller],
    data: JSONBody[Reason | None] = None,
) -> FlowRun:
    """Pause a flow run: what runs is finished, nothing new starts."""
    return await flow_runs.pause(parts, run_id, data.reason if data else None, caller)


@post("/api/flow-runs/{run_id:str}/resume", needs="user", status_code=200)
async def resume_flow_run(
    run_id: FromPath[str],
    parts: NamedDependency[Parts],
    caller: NamedDependency[Caller],
    data: JSONBody[Resume | None] = None,
) -> FlowRun:
    """Let a paused flow run, and its paused tasks, go on."""
    return await flow_runs.resume(parts, run_id, data or Resume(), caller)


@post("/api/flow-runs/{run_id:str}/restart", needs="user", status_code=200)
async def restart_flow_run(
    run_id: FromPath[str],
    parts: NamedDependency[Parts],
    caller: NamedDependency[Caller],
    data: JSONBody[Reason | None] = None,
) -> FlowRun:
    """Start a flow run that is over again: what had succeeded, and can be read, is not run again."""
    return await flow_runs.restart(parts, run_id, data.reason if data else None, caller)


@get("/api/flow-runs/{run_id:str}/states", needs="read")
async def list_flow_run_states(
    run_id: FromPath[str], parts: NamedDependency[Parts]
) -> list[FlowRunState]:
    """List all that has happened to a flow run, from its beginning on."""
    return await parts.database.read(lambda c: in_database.states(c, run_id))


@get("/api/flow-runs/{run_id:str}/wait", needs="read")
async def wait_for_flow_run(
    run_id: FromPath[str],
    parts: NamedDependency[Parts],
    seconds: FromQuery[float] = 30.0,
    known: _State = None,
) -> FlowRun:
    """Answer as soon as the flow run's state is no longer `state`, or the time is up."""
    return await flow_runs.wait(parts, run_id, known, seconds)


routes = [
    create_flow_run,
    create_flow_runs,
    list_flow_runs,
    get_flow_run,
    rename_flow_run,
    delete_flow_run,
    cancel_flow_run,
    pause_flow_run,
    resume_flow_run,
    restart_flow_run,
    list_flow_run_states,
    wait_for_flow_run,
]
