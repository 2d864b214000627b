"""Whether the server is well, and what it is."""

from __future__ import annotations

from litestar import MediaType, Response, get
from litestar.di import NamedDependency
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from headrace.core.version import __version__
from headrace.server.db.migrate import HEAD
from headrace.server.db.schema import flow_runs
from headrace.server.parts import Parts
from headrace.server.problems import Refusal
from headrace.wire.base import WIRE_VERSION
from headrace.wire.server import ServerInfo


@get("/health", needs="open", media_type=MediaType.TEXT, include_in_schema=False)
async def health() -> str:
    """Say that the process is alive."""
    return "alive"


@get("/ready", needs="open", media_type=MediaType.TEXT, include_in_schema=False)
async def ready(parts: NamedDependency[Parts]) -> str:
    """Say that the server can serve: the database answers, and its tables are the right ones."""
    revision = await parts.database.read(_revision)
    if revision != HEAD:
        raise Refusal(
            503,
            "not_ready",
            f"The tables are at revision {revision}, and this server needs {HEAD}: another version "
            f"of Headrace has changed them. Start this server again, or the one that fits.",
        )
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


def _revision(connection: Connection) -> str | None:
    try:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except (OperationalError, ProgrammingError) as error:
        if error.connection_invalidated:
            raise
        return None
    return None if found is None else str(found)


def _count(connection: Connection) -> dict[str, int]:
    rows = connection.execute(
        select(flow_runs.c.state, func.count().label("total")).group_by(flow_runs.c.state)
    )
    return {row.state: row.total for row in rows}


routes = [health, ready, metrics, server]
