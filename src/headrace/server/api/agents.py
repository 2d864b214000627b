"""Agents: what they get, and which there are."""

from __future__ import annotations

from typing import Any

from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from headrace.core.now import timestamp
from headrace.server.db import agents as stored
from headrace.server.parts import Parts
from headrace.server.problems import not_found
from headrace.wire.agents import Agent
from headrace.wire.claims import Claim, Claimed


@post("/api/claims", needs="agent", status_code=200)
async def claim(
    data: JSONBody[Claim], request: Request[Any, Any, Any], parts: NamedDependency[Parts]
) -> Claimed:
    """Give an agent flow runs to deploy, as soon as there are any."""
    claimed = await parts.claims.claim(data, _gone(request))
    for run in claimed.runs:
        parts.auth.expect(run.token, run.id, run.attempt)
    return claimed


@get("/api/agents", needs="read")
async def list_agents(parts: NamedDependency[Parts]) -> list[Agent]:
    """List all agents, those heard of last first."""
    return await parts.database.read(lambda connection: stored.every(connection, timestamp()))


@delete("/api/agents/{agent_id:str}", needs="user")
async def forget_agent(agent_id: FromPath[str], parts: NamedDependency[Parts]) -> None:
    """Forget an agent; it comes back if it is heard of again."""
    if not await parts.database.write(lambda connection: stored.forget(connection, agent_id)):
        raise not_found("agent", agent_id, "`headrace agent list` shows the agents there are.")


async def _gone(request: Request[Any, Any, Any]) -> None:
    """Wait until the client has closed its connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


routes = [claim, list_agents, forget_agent]
