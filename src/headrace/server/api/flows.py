"""Flows: registered, looked at, archived, switched on and off."""

from __future__ import annotations

from litestar import delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from headrace.server.db import flows
from headrace.server.paging import DEFAULT_LIMIT, check_limit
from headrace.server.parts import Parts
from headrace.server.services import registration
from headrace.wire.flows import Flow, Registered, RegisterFlow, SetOverrides, SetSchedule

#: How many bytes the body of a registration may have: a graph takes 600 for each task.
LARGEST_REGISTRATION = registration.LARGEST_GRAPH + 2 * 1024 * 1024


@post("/api/flows", needs="user", request_max_body_size=LARGEST_REGISTRATION)
async def register_flow(data: JSONBody[RegisterFlow], parts: NamedDependency[Parts]) -> Registered:
    """Register a flow: make a new version, unless it is the one that there is."""
    return await registration.register(parts, data)


@get("/api/flows", needs="read")
async def list_flows(
    parts: NamedDependency[Parts],
    project: FromQuery[str | None] = None,
    name: FromQuery[str | None] = None,
    archived: FromQuery[bool] = False,
    limit: FromQuery[int] = DEFAULT_LIMIT,
) -> list[Flow]:
    """List versions of flows without their graphs, by project and name, the newest first."""
    check_limit(limit)
    return await parts.database.read(
        lambda c: flows.listed(c, project=project, name=name, archived=archived, limit=limit)
    )


@get("/api/flows/{flow_id:str}", needs="read")
async def get_flow(flow_id: FromPath[str], parts: NamedDependency[Parts]) -> Flow:
    """Look at one version of a flow, with its graph."""
    return await parts.database.read(lambda c: flows.get(c, flow_id))


@delete("/api/flows/{flow_id:str}", needs="user")
async def delete_flow(flow_id: FromPath[str], parts: NamedDependency[Parts]) -> None:
    """Delete a version of a flow, with its runs."""
    await parts.database.write(lambda c: flows.remove(c, flow_id))
    parts.hub.notify("schedules")


@post("/api/flows/{flow_id:str}/archive", needs="user", status_code=200)
async def archive_flow(flow_id: FromPath[str], parts: NamedDependency[Parts]) -> Flow:
    """Archive a version of a flow: nothing runs it any more but by its id."""
    return await registration.archive(parts, flow_id)


@post("/api/version-groups/{group_id:str}/schedule", needs="user", status_code=200)
async def set_schedule(
    group_id: FromPath[str], data: JSONBody[SetSchedule], parts: NamedDependency[Parts]
) -> Flow | None:
    """Switch the schedule of a flow on or off, for this version and those to come."""
    return await registration.set_schedule(parts, group_id, data.active)


@patch("/api/version-groups/{group_id:str}/overrides", needs="user")
async def set_overrides(
    group_id: FromPath[str], data: JSONBody[SetOverrides], parts: NamedDependency[Parts]
) -> Flow | None:
    """Change what all future runs of a flow take instead of what was registered."""
    return await registration.set_overrides(parts, group_id, data)


routes = [
    register_flow,
    list_flows,
    get_flow,
    delete_flow,
    archive_flow,
    set_schedule,
    set_overrides,
]
