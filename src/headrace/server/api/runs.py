"""What the process of a flow run, its supervisor and its agent tell."""

from __future__ import annotations

from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from headrace.core.now import now
from headrace.server.callers import Caller
from headrace.server.db import processes
from headrace.server.parts import Parts
from headrace.server.services.ingest import decode, take_events
from headrace.wire.claims import Activate, Activated, Deploying, Exited
from headrace.wire.events import EventAnswer


@post("/api/runs/{run_id:str}/activate", needs="run", status_code=200)
async def activate(
    run_id: FromPath[str],
    data: JSONBody[Activate],
    parts: NamedDependency[Parts],
    caller: NamedDependency[Caller],
) -> Activated:
    """Let a process begin, if it is the first of the run's latest attempt."""
    processes.check_attempt(data.attempt, caller.attempt)
    activated = await parts.database.write(
        lambda connection: processes.activate(connection, run_id, data, parts.policy, now())
    )
    parts.hub.notify(f"run:{run_id}")
    return activated


@post("/api/runs/{run_id:str}/events", needs="run", status_code=200)
async def events(
    run_id: FromPath[str],
    request: Request[Any, Any, Any],
    parts: NamedDependency[Parts],
    caller: NamedDependency[Caller],
) -> EventAnswer:
    """Store events of a run, each once and in order; renew its lease; give orders."""
    # Read here, as the parameter `data` would be decoded by way of slower parts.
    body = await request.body()
    batch = decode(body)
    processes.check_attempt(batch.attempt, caller.attempt)
    return await take_events(parts, run_id, batch, len(body))


@post("/api/runs/{run_id:str}/deploying", needs="agent", status_code=200)
async def deploying(
    run_id: FromPath[str], data: JSONBody[Deploying], parts: NamedDependency[Parts]
) -> EventAnswer:
    """Renew the claim of an agent whose deployment goes on."""
    answer = await parts.database.write(
        lambda connection: processes.deploying(connection, run_id, data, parts.policy, now())
    )
    parts.hub.notify(f"run:{run_id}")
    return answer


@post("/api/runs/{run_id:str}/exited", needs="run", status_code=204)
async def exited(
    run_id: FromPath[str],
    data: JSONBody[Exited],
    parts: NamedDependency[Parts],
    caller: NamedDependency[Caller],
) -> None:
    """Take the word of whoever saw the process of an attempt end."""
    processes.check_attempt(data.attempt, caller.attempt)
    who = "runner" if caller.scope == "run" and not data.by_agent else None
    is_changed = await parts.database.write(
        lambda connection: processes.exited(connection, run_id, data, parts.policy, now(), who)
    )
    if is_changed:
        parts.hub.notify(f"run:{run_id}")
        parts.hub.notify(f"orders:{run_id}")
        parts.hub.notify("work")


routes = [activate, events, deploying, exited]
