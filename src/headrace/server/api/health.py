"""Whether the server is well, and what it is."""

from __future__ import annotations

from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import Connection, func, select, text

from headrace.core.version import __version__
from headrace.server.db.schema import flow_runs
from headrace.server.parts import Parts
from headrace.wire.base import WIRE_VERSION
from headrace.wire.server import ServerInfo


@get("/health", needs="open", media_type=MediaType.TEXT, include_in_schema=False)
async def health() -> str:
    """Say that the process is alive."""
    return "alive"


@get("/ready", needs="open", media_type=MediaType.TEXT, include_in_schema=False)
async def ready(parts: NamedDependency[Parts]) -> str:
    """Say that the server can serve: the database answers."""
    await parts.database.read(_ask)
    return "ready"


@get("/metrics", needs="read", include_in_schema=False)
async def metrics(parts: NamedDependency[Parts]) -> Response[bytes]:
    """Tell Prometheus how the server is."""
    counts = await parts.database.read(_count)
    told = parts.metrics
    told.flow_runs.clear()
    for state, count in counts.items():
        told.flow_runs.labels(state).set(count)
    told.writer_queue.set(parts.database.waiting)
    return Response(told.render(), media_type=CONTENT_TYPE_LATEST)


@get("/api/server", needs="open")
async def server(parts: NamedDependency[Parts]) -> ServerInfo:
    """Say which server this is, and whether it asks for keys."""
    return ServerInfo(
        version=__version__,
        wire=WIRE_VERSION,
        database=parts.database.dialect,
        auth=await parts.auth.is_on(),
    )


def _ask(connection: Connection) -> None:
    connection.execute(text("SELECT 1")).scalar()


def _count(connection: Connection) -> dict[str, int]:
    rows = connection.execute(
        select(flow_runs.c.state, func.count().label("total")).group_by(flow_runs.c.state)
    )
    return {row.state: row.total for row in rows}


routes = [health, ready, metrics, server]
