"""Flows: registered, switched on and off, archived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from headrace.core.errors import ScheduleError
from headrace.core.now import now
from headrace.core.schedules import Schedule
from headrace.server.db import flows, registration, scheduled_runs, waiting
from headrace.server.problems import Refusal
from headrace.server.rules.graphs import check_graph
from headrace.server.rules.kinds import ANY, kind_of
from headrace.server.rules.naming import check_labels, check_name
from headrace.server.rules.parameters import what_is_wrong
from headrace.server.rules.planning import PlannedRun, plan
from headrace.server.rules.warnings import labels_unserved
from headrace.server.services.flow_runs import check_run_config, check_size
from headrace.wire.flows import Flow, Registered, RegisterFlow, SetOverrides

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from headrace.server.parts import Parts

#: How many runs of a scheduled flow there are ahead of their time.
AHEAD = 10
#: How many bytes of JSON a flow's graph may be.
LARGEST_GRAPH = 64 * 1024 * 1024
#: How many notes of preflight are kept, and how many characters of each.
_MOST_NOTES, _LONGEST_NOTE = 50, 2_000


async def register(parts: Parts, request: RegisterFlow) -> Registered:
    """Register a flow: make a new version, unless it is the one that there is.

    Args:
        parts: The server's parts.
        request: What is registered.

    Raises:
        Refusal: If something about it is not right.
    """
    moment = now()
    # Both look at the whole flow, which takes a while if it is large.
    await asyncio.to_thread(_check, request)
    request.labels = check_labels(request.labels)
    planned = await asyncio.to_thread(_planned, request.schedule)

    def write(connection: Connection) -> Registered:
        return registration.register(connection, request, planned, policy=parts.policy, now=moment)

    registered = await parts.database.write(write)
    _notify(parts)

    def look(connection: Connection) -> list[str]:
        agents = waiting.agent_facts(connection, now())
        return labels_unserved(
            frozenset(request.labels), kind_of(request.run_config) or ANY, agents
        )

    registered.warnings += await parts.database.read(look)
    return registered


async def set_schedule(parts: Parts, group_id: str, active: bool) -> Flow | None:
    """Switch the schedule of a flow on or off.

    Args:
        parts: The server's parts.
        group_id: The version group.
        active: Whether it is on.

    Returns:
        The flow's current version; None if all are archived.

    Raises:
        Refusal: If there is no such version group (404), the flow has no schedule (409), or it
            cannot be run by it (422).
    """

    def write(connection: Connection, current: Flow | None, planned: Sequence[PlannedRun]) -> None:
        flows.set_schedule(connection, group_id, active)
        if not active:
            scheduled_runs.take_back(connection, group_id)
        elif current is not None:
            scheduled_runs.fill(connection, current.id, planned, now().timestamp())

    return await _change(parts, group_id, write)


async def set_overrides(parts: Parts, group_id: str, change: SetOverrides) -> Flow | None:
    """Change what all future runs of a flow take instead of what was registered.

    Runs that its schedule has asked for already, and that are still to come, are made anew.

    Args:
        parts: The server's parts.
        group_id: The version group.
        change: What to change.

    Returns:
        The flow's current version; None if all are archived.

    Raises:
        Refusal: If there is no such version group (404), or something of it does not suit the flow
            (422).
    """
    check_run_config(change.run_config)
    if change.labels is not None:
        change.labels = check_labels(change.labels)
    if change.parameters is not None:
        check_size("The parameters", change.parameters)

    def write(connection: Connection, current: Flow | None, planned: Sequence[PlannedRun]) -> None:
        if current is not None and change.parameters:
            optional = [{**parameter, "required": False} for parameter in current.parameters]
            wrong = what_is_wrong(optional, change.parameters, current.name)
            if wrong is not None:
                raise Refusal(422, "bad_parameters", wrong)
        flows.set_overrides(connection, group_id, change)
        moment = now().timestamp()
        scheduled_runs.take_back(connection, group_id, after=moment)
        if current is not None:
            scheduled_runs.fill(connection, current.id, planned, moment)

    return await _change(parts, group_id, write)


async def archive(parts: Parts, flow_id: str) -> Flow:
    """Archive a version of a flow; its scheduled runs that nobody has claimed are taken back.

    Raises:
        Refusal: If there is none of this id; 404.
    """

    def write(connection: Connection) -> Flow:
        group_id = flows.archive(connection, flow_id)
        if flows.current_of(connection, group_id) is None:
            scheduled_runs.take_back(connection, group_id)
        return flows.get(connection, flow_id)

    flow = await parts.database.write(write)
    _notify(parts)
    return flow


async def _change(
    parts: Parts,
    group_id: str,
    write: Callable[[Connection, Flow | None, Sequence[PlannedRun]], None],
) -> Flow | None:
    """Change a version group, with the runs that its schedule asks for next at hand."""
    current = await parts.database.read(lambda c: flows.current_of(c, group_id))
    planned: Sequence[PlannedRun] = ()
    if current is not None and current.schedule is not None:
        planned = await asyncio.to_thread(_planned, current.schedule)
    await parts.database.write(lambda connection: write(connection, current, planned))
    _notify(parts)
    return await parts.database.read(lambda c: flows.current_of(c, group_id))


def _notify(parts: Parts) -> None:
    parts.hub.notify("schedules")
    parts.hub.notify("work")


def _planned(schedule: dict[str, Any] | None) -> Sequence[PlannedRun]:
    if schedule is None:
        return ()
    try:
        return plan(Schedule.deserialize(schedule), now(), AHEAD)
    except (ScheduleError, OverflowError) as error:
        raise Refusal(
            422, "bad_schedule", f"The flow's schedule cannot be followed: {error}"
        ) from None


def _check(request: RegisterFlow) -> None:
    check_name("A flow's name", request.name)
    check_name("A flow's hash", request.hash)
    for what, key in (
        ("An idempotency key", request.idempotency_key),
        ("A version group's id", request.version_group_id),
    ):
        if key is not None:
            check_name(what, key)
    if request.graph.get("name") != request.name:
        raise Refusal(
            422,
            "bad_graph",
            f"The graph is that of {request.graph.get('name')!r}, not of the flow {request.name!r}.",
        )
    check_graph(request.graph)
    check_size("The flow's graph", request.graph, LARGEST_GRAPH)
    check_run_config(request.run_config)
    check_size("The flow's storage", request.storage)
    check_size("The flow's schedule", request.schedule)
    if request.storage is not None and not isinstance(request.storage.get("type"), str):
        raise Refusal(422, "bad_storage", "A storage is described with its type, as a string.")
    if request.on_disconnect not in ("continue", "hold"):
        raise Refusal(
            422,
            "bad_on_disconnect",
            f"on_disconnect is 'continue' or 'hold', not {request.on_disconnect!r}.",
        )
    if not 0 <= request.max_recoveries <= 1_000:
        raise Refusal(422, "bad_max_recoveries", "max_recoveries lies between 0 and 1,000.")
    if not 0 <= request.lost_after <= 30 * 86_400:
        raise Refusal(422, "bad_lost_after", "lost_after lies between 0 and 2,592,000 seconds.")
    if len(request.notes) > _MOST_NOTES or any(len(n) > _LONGEST_NOTE for n in request.notes):
        raise Refusal(
            422,
            "bad_notes",
            f"There may be {_MOST_NOTES} notes of {_LONGEST_NOTE:,} characters each.",
        )
