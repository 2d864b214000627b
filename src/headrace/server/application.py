"""The server put together: the only place that knows all of its parts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Protocol

from litestar import Litestar, Request, Router
from litestar.datastructures import MutableScopeHeaders, State
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.types import Message, Scope

from headrace.core.errors import DatabaseError, ServerError
from headrace.core.version import __version__
from headrace.server.db.database import Database
from headrace.server.db.migrate import prepare
from headrace.server.document import DocumentPlugin
from headrace.server.faults import handle
from headrace.server.guard import caller_of, guard
from headrace.server.lock import alone_with
from headrace.server.parts import Parts
from headrace.server.routes import ROUTES
from headrace.server.services.auth import Auth
from headrace.server.services.claims import Claims
from headrace.server.services.hub import Hub
from headrace.server.services.late import service as late
from headrace.server.services.metrics import Metrics
from headrace.server.services.notifications import Notifications
from headrace.server.services.reaper import service as reaper
from headrace.server.services.scheduler import service as scheduler
from headrace.server.settings import ServerSettings
from headrace.wire.base import WIRE_HEADER, WIRE_VERSION

_log = logging.getLogger("headrace.server")

#: After how many seconds a service that has failed is started again.
_RESTART_AFTER = 5.0


class Service(Protocol):
    """Something that the server does by itself, all the time."""

    async def run(self, parts: Parts) -> None:
        """Work until it is cancelled."""
        ...


class _OnlyTheSchema(Router):
    """Takes the schema's route, and not the page that Litestar shows for all others below it."""

    def register(self, value: Any) -> Any:
        if "/openapi.json" in getattr(value, "paths", ()):
            return super().register(value)
        return []


def create_app(settings: ServerSettings, parts: Parts | None = None) -> Litestar:
    """Make the application.

    Args:
        settings: How the server is set up.
        parts: The parts, if they are open already; else they are opened when it starts, and closed
            when it ends.

    Returns:
        The ASGI application.
    """

    @asynccontextmanager
    async def lifespan(app: Litestar) -> AsyncIterator[None]:
        async with open_parts(settings) as opened:
            app.state.parts = opened
            yield

    return Litestar(
        route_handlers=ROUTES,
        lifespan=[] if parts is not None else [lifespan],
        state=State({"parts": parts}),
        guards=[guard],
        dependencies={
            "parts": Provide(_parts, sync_to_thread=False),
            "caller": Provide(caller_of, sync_to_thread=False),
        },
        exception_handlers={Exception: handle},
        before_send=[_count_and_mark],
        request_max_body_size=settings.largest_body,
        openapi_config=OpenAPIConfig(
            title="Headrace",
            version=__version__,
            use_handler_docstrings=True,
            openapi_router=_OnlyTheSchema(
                "/api", route_handlers=[], opt={"needs": "open"}, include_in_schema=False
            ),
            render_plugins=[DocumentPlugin()],
        ),
        logging_config=None,
    )


@asynccontextmanager
async def open_parts(settings: ServerSettings) -> AsyncIterator[Parts]:
    """Open the database, bring its tables up to date, and start the services.

    Raises:
        DatabaseError: If the database cannot be used.
        ServerError: If everybody could reach the server and nobody would have to say who they are.
    """
    async with AsyncExitStack() as stack:
        url = settings.database
        stack.enter_context(alone_with(url))
        await asyncio.to_thread(prepare, url)
        database = Database.open(url)
        stack.push_async_callback(database.close)
        auth = Auth(database, settings)
        stack.push_async_callback(auth.finish)
        if not settings.is_loopback and not await auth.has_admin():
            raise ServerError(
                f"{settings.host} can be reached by other machines, and there is no admin key that "
                f"would keep strangers out. Make one with `headrace auth create-key --local "
                f"--scope admin`, or listen at 127.0.0.1."
            )
        hub = Hub()
        stack.callback(hub.close)
        metrics = Metrics()
        claims = Claims(database, hub, settings.policy, metrics, settings.longest_wait)
        stack.push_async_callback(claims.finish)
        parts = Parts(
            database=database,
            hub=hub,
            settings=settings,
            metrics=metrics,
            auth=auth,
            claims=claims,
        )
        services: dict[str, Service] = {
            "claims": claims,
            "scheduler": scheduler,
            "reaper": reaper,
            "late runs": late,
        }
        if database.dialect == "postgresql":
            services["notifications"] = Notifications(url)
        running = [
            asyncio.create_task(_keep_running(name, service, parts))
            for name, service in services.items()
        ]
        stack.push_async_callback(_stop, running)
        yield parts


async def _keep_running(name: str, service: Service, parts: Parts) -> None:
    """Run a service, and run it again if it fails: the others, and the API, go on."""
    while not parts.hub.is_closed:
        try:
            await service.run(parts)
            return
        except DatabaseError as error:
            _log.warning("The service %r stands still: %s", name, error)
            await asyncio.sleep(_RESTART_AFTER)
        except Exception:  # noqa: BLE001 - whatever it is: a server without a scheduler is none
            _log.exception("The service %r failed; it starts again.", name)
            await asyncio.sleep(_RESTART_AFTER)


async def _stop(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _parts(request: Request[Any, Any, Any]) -> Parts:
    # Asking for `state` itself would copy it for each request.
    parts: Parts = request.app.state.parts
    return parts


_WIRE = str(WIRE_VERSION)


async def _count_and_mark(message: Message, scope: Scope) -> None:
    """Say in each answer which version of the messages this is, and count it."""
    if message["type"] != "http.response.start":
        return
    MutableScopeHeaders.from_message(message)[WIRE_HEADER] = _WIRE
    app: Litestar = scope["litestar_app"]
    parts: Parts = app.state.parts
    parts.metrics.count(
        str(scope.get("method", "")),
        scope.get("path_template") or "unknown",
        message["status"],
        scope["state"].get("began"),
    )
