"""Flows that tests register with a server within their own process, and processes of their runs."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from typing import Any

from headrace import Flow as AuthoredFlow
from headrace import Parameter, task
from headrace.core.description import describe_graph
from headrace.core.now import timestamp
from headrace.schedules import IntervalSchedule, Schedule
from headrace.wire.claims import Activate, Activated, Claim, Claimed
from headrace.wire.events import Event, EventAnswer, EventBatch, FlowState, LogLine, TaskState
from headrace.wire.flow_runs import CreatedFlowRun, FlowRun, FlowRunPage
from headrace.wire.flows import Registered, RegisterFlow
from headrace.wire.projects import CreateProject, Project
from tests.support.apps import App

HOURLY = IntervalSchedule(interval=datetime.timedelta(hours=1))


@task
def load(x: Any) -> Any:
    return x


def graph(name: str = "etl", required: bool = False) -> dict[str, Any]:
    """A parameter `day`, `load-1` after it, and `load-2`, mapped over what that gives."""
    with AuthoredFlow(name) as flow:
        day = Parameter("day") if required else Parameter("day", default=1)
        load.map(load(day))
    return describe_graph(flow)


def request(
    name: str = "etl",
    *,
    project: str = "main",
    hash: str = "h1",
    schedule: Schedule | None = None,
    required: bool = False,
    **fields: Any,
) -> RegisterFlow:
    """What registers the flow of `graph`."""
    return RegisterFlow(
        project=project,
        name=name,
        graph=graph(name, required),
        hash=hash,
        schedule=None if schedule is None else schedule.serialize(),
        **fields,
    )


async def project(app: App, name: str = "main") -> None:
    await app.post("/projects", CreateProject(name=name), Project)


async def registered(app: App, name: str = "etl", **fields: Any) -> Registered:
    """Register the flow of `graph`, in the project `main`, which is made first."""
    if not any(found.name == "main" for found in await app.get("/projects", list[Project])):
        await project(app)
    return await app.post("/flows", request(name, **fields), Registered)


async def made(app: App, **fields: Any) -> CreatedFlowRun:
    """Make a run of the flow `etl`."""
    body = {"flow_name": "etl", "project_name": "main", **fields}
    return await app.post("/flow-runs", body, CreatedFlowRun)


async def runs(app: App, **query: Any) -> list[FlowRun]:
    """All flow runs, those that start first first."""
    page = await app.get("/flow-runs", FlowRunPage, limit=1000, **query)
    return sorted(page.items, key=lambda run: str(run.scheduled_start_time))


class Process:
    """The process of a flow run.

    Args:
        app: The server.
        run_id: The flow run's id.
        attempt: The attempt.
        nonce: What it calls itself.
    """

    def __init__(self, app: App, run_id: str, attempt: int, nonce: str) -> None:
        self.app = app
        self.run_id = run_id
        self.attempt = attempt
        self.nonce = nonce
        self._next = 1

    async def send(self, *events: Event) -> EventAnswer:
        batch = EventBatch(
            attempt=self.attempt, nonce=self.nonce, first=self._next, events=list(events)
        )
        self._next += len(events)
        return await self.app.post(f"/runs/{self.run_id}/events", batch, EventAnswer)

    async def log(self, *messages: str, **fields: Any) -> EventAnswer:
        return await self.send(
            *(LogLine(at=timestamp(), message=message, **fields) for message in messages)
        )

    async def task(self, slug: str, type: str, map_index: int = -1, **fields: Any) -> EventAnswer:
        state = TaskState(at=timestamp(), slug=slug, type=type, map_index=map_index, **fields)
        return await self.send(state)

    async def end(self, type: str = "Success", **fields: Any) -> EventAnswer:
        return await self.send(FlowState(at=timestamp(), type=type, **fields))


async def claimed(app: App, labels: Sequence[str] = (), most: int = 10) -> Claimed:
    """What an agent called `box` gets."""
    body = Claim(agent="a1", name="box", kind="local", labels=list(labels), most=most)
    return await app.post("/claims", body, Claimed)


async def activated(app: App, run_id: str, attempt: int = 1, nonce: str = "n1") -> Process:
    body = Activate(attempt=attempt, nonce=nonce, host="box", pid=12)
    answer = await app.post(f"/runs/{run_id}/activate", body, Activated)
    assert answer.refused is None
    return Process(app, run_id, attempt, nonce)


async def started(app: App, **fields: Any) -> Process:
    """Make a run of the flow `etl`, claim it and activate its process."""
    run = await made(app, **fields)
    await claimed(app)
    return await activated(app, run.id)


def ticking(
    begin: datetime.datetime,
) -> tuple[Callable[[], datetime.datetime], Callable[..., None]]:
    """A clock for `core.now.replaced`, and what moves it on."""
    time = [begin]

    def move(**span: float) -> None:
        time[0] += datetime.timedelta(**span)

    return (lambda: time[0]), move
