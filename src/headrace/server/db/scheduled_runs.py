"""Flow runs that schedules ask for: made ahead of their time, taken back, handed to a new version."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, select, text, update

from headrace.server.db.columns import from_json
from headrace.server.db.new_runs import insert_runs, new_row
from headrace.server.db.ownership import load, save
from headrace.server.db.schema import flow_runs, flows, version_groups
from headrace.server.db.templates import TEMPLATES, Template
from headrace.server.problems import Refusal
from headrace.server.rules import ownership as rules
from headrace.server.rules.ownership import Policy
from headrace.server.rules.planning import PlannedRun
from headrace.server.rules.run_names import made_up

Time = datetime.datetime

#: Who makes them.
SCHEDULER = "scheduler"


@dataclass(frozen=True, slots=True)
class ScheduledFlow:
    """A version of a flow that has a schedule which is on.

    Attributes:
        id: The version's id.
        name: The flow's name.
        schedule: The schedule, as text: it never changes.
    """

    id: str
    name: str
    schedule: str


def scheduled_flows(connection: Connection) -> list[ScheduledFlow]:
    """Return the versions of flows that are to have scheduled runs."""
    choice = (
        select(flows.c.id, flows.c.name, flows.c.schedule)
        .join(version_groups, version_groups.c.id == flows.c.version_group_id)
        .where(
            flows.c.is_archived.is_(False),
            flows.c.schedule.is_not(None),
            version_groups.c.schedule_active,
        )
    )
    return [ScheduledFlow(row.id, row.name, row.schedule) for row in connection.execute(choice)]


def missing(
    connection: Connection, flow_id: str, planned: Sequence[PlannedRun]
) -> list[PlannedRun]:
    """Return those of the planned runs that are not there yet."""
    group = select(flows.c.version_group_id).where(flows.c.id == flow_id).scalar_subquery()
    choice = select(flow_runs.c.idempotency_key).where(
        flow_runs.c.version_group_id == group,
        flow_runs.c.idempotency_key.in_([run.key for run in planned]),
    )
    there = set(connection.scalars(choice))
    return [run for run in planned if run.key not in there]


def fill(connection: Connection, flow_id: str, planned: Sequence[PlannedRun], now: float) -> int:
    """Make those of the planned runs that are not there yet.

    Nothing is made of a version that has been archived, or whose schedule has been switched off.

    Args:
        connection: A connection that writes.
        flow_id: The version.
        planned: What its schedule asks for.
        now: The time; seconds since 1970, UTC.

    Returns:
        How many were made.

    Raises:
        Refusal: If the flow cannot be run with what a clock gives it; 422.
    """
    # Locked, so that another server cannot switch the schedule off in between.
    row = connection.execute(
        TEMPLATES.where(
            flows.c.id == flow_id,
            flows.c.is_archived.is_(False),
            version_groups.c.schedule_active,
        ).with_for_update(of=version_groups)
    ).one_or_none()
    if row is None:
        return 0
    template = Template.of(row)
    rows = [
        new_row(
            run_id=str(uuid.uuid4()),
            name=made_up(),
            created_by=SCHEDULER,
            now=now,
            start_time=run.at.timestamp(),
            idempotency_key=run.key,
            is_auto_scheduled=True,
        )
        | template.values(parameters=run.parameters, labels=run.labels, run_config=None)
        for run in planned
    ]
    return sum(created.is_new for created in insert_runs(connection, rows))


def unclaimed() -> ColumnElement[bool]:
    """Return what chooses runs that a schedule has asked for and that nobody has claimed yet."""
    # The index of runs that wait is used only if the query says literally what it is restricted to,
    # and asks for a range of it.
    return and_(
        text("flow_runs.phase = 'scheduled'"),
        flow_runs.c.start_time > 0.0,
        flow_runs.c.attempt == 0,
        flow_runs.c.is_auto_scheduled,
    )


def _unclaimed_of(group_id: str) -> ColumnElement[bool]:
    # As an expression, the group tempts no database to go through all runs that it ever had.
    return and_(unclaimed(), flow_runs.c.version_group_id.concat("") == group_id)


def take_back(connection: Connection, group_id: str, after: float | None = None) -> int:
    """Delete the scheduled runs of a flow that nobody has claimed.

    Args:
        connection: A connection that writes.
        group_id: The version group.
        after: Only those that start later than this and that nobody has paused, as they will be
            made anew; seconds since 1970, UTC.

    Returns:
        How many there were.
    """
    unwanted = delete(flow_runs).where(_unclaimed_of(group_id))
    if after is not None:
        unwanted = unwanted.where(flow_runs.c.start_time > after, flow_runs.c.pausing.is_(None))
    return connection.execute(unwanted).rowcount


def hand_over(
    connection: Connection, group_id: str, flow_id: str, *, policy: Policy, now: Time
) -> None:
    """Let a new version take the place of the old ones in runs that nobody has claimed.

    Those that are still to come are deleted: the new version's schedule asks for its own. Those
    that are due already, or paused by a person, become runs of the new version; if it does not
    take their parameters, they are cancelled.

    Args:
        connection: A connection that writes.
        group_id: The version group.
        flow_id: The new version.
        policy: How patient the server is.
        now: The time.
    """
    take_back(connection, group_id, after=now.timestamp())
    row = connection.execute(TEMPLATES.where(flows.c.id == flow_id)).one()
    template = Template.of(row)
    late = connection.execute(
        select(flow_runs.c.id, flow_runs.c.key, flow_runs.c.parameters).where(
            _unclaimed_of(group_id)
        )
    ).all()
    for run in late:
        _hand_over_one(connection, run.id, run.parameters, template, policy, now)


def _hand_over_one(
    connection: Connection,
    run_id: str,
    parameters: str,
    template: Template,
    policy: Policy,
    now: Time,
) -> None:
    record = load(connection, run_id, policy)
    if record is None or record.own.attempt:
        return  # Another server has let an agent claim it just now.
    version = f"Version {template.flow.version} of the flow"
    try:
        values: dict[str, Any] = template.values(
            parameters=from_json(parameters), labels=None, run_config=None
        )
    except Refusal as refusal:
        why = f"{version} was registered before anybody claimed it. {refusal.message}"
        save(connection, record, rules.cancel(record.own, why), who=SCHEDULER, now=now)
        return
    connection.execute(update(flow_runs).where(flow_runs.c.key == record.key).values(values))
    record = load(connection, run_id, policy)
    assert record is not None
    message = f"{version} was registered before anybody claimed it: it runs that."
    save(connection, record, record.own, who=SCHEDULER, now=now, message=message)
