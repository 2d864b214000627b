"""What people order of a flow run: cancel, pause, resume, restart, delete."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from sqlalchemy import Connection, delete, select, update

from headrace.server.db.columns import from_json, to_json
from headrace.server.db.flow_runs import unknown_run
from headrace.server.db.ownership import Record, load, save
from headrace.server.db.schema import flow_runs, flows, task_runs, version_groups
from headrace.server.problems import Refusal
from headrace.server.rules import ownership as rules
from headrace.server.rules.ownership import Ownership, Phase, Policy

Time = datetime.datetime


def cancel(
    connection: Connection, run_id: str, *, message: str, who: str, policy: Policy, now: Time
) -> None:
    """Cancel a flow run: at once if nobody has it, else by an order to whoever has it.

    Does nothing to one that is over.

    Args:
        connection: A connection that writes.
        run_id: The flow run's id.
        message: Who asks, and why, for people.
        who: Who asks.
        policy: How patient the server is.
        now: The time.

    Raises:
        Refusal: If there is none of this id; 404.
    """
    record = _load(connection, run_id, policy)
    save(connection, record, rules.cancel(record.own, message), who=who, now=now)


def rename(connection: Connection, run_id: str, name: str) -> None:
    """Give a flow run another name.

    Raises:
        Refusal: If there is none of this id; 404.
    """
    renamed = connection.execute(
        update(flow_runs).where(flow_runs.c.id == run_id).values(name=name)
    )
    if renamed.rowcount == 0:
        raise unknown_run(run_id)


def pause(
    connection: Connection, run_id: str, *, message: str, who: str, policy: Policy, now: Time
) -> None:
    """Pause a flow run; see `cancel` for the arguments.

    Raises:
        Refusal: If there is none of this id (404), or it is over or about to be (409).
    """
    record = _load(connection, run_id, policy)
    own = record.own
    if own.phase is Phase.FINISHED or own.cancelling is not None:
        state = own.ending if own.cancelling is None else "Cancelling"
        raise Refusal(
            409, "cannot_pause", f"The flow run {run_id} cannot be paused any more: it is {state}."
        )
    save(connection, record, rules.pause(own, message), who=who, now=now)


def resume(
    connection: Connection,
    run_id: str,
    *,
    tasks: Sequence[tuple[str, int]] | None,
    message: str,
    who: str,
    policy: Policy,
    now: Time,
) -> None:
    """Let a paused flow run go on, and its paused tasks with it; see `cancel` for the arguments.

    Args:
        connection: A connection that writes.
        run_id: The flow run's id.
        tasks: Slugs and map indexes of the paused tasks that may go on; None for all of them.
        message: Who asks, and why, for people.
        who: Who asks.
        policy: How patient the server is.
        now: The time.

    Raises:
        Refusal: If there is none of this id (404), it is not paused (409), or a task is named that
            is not (422).
    """
    record = _load(connection, run_id, policy)
    after, refused = rules.resume(record.own, message, now)
    if refused is not None:
        raise Refusal(
            409,
            "not_paused",
            f"The flow run {run_id} is not paused but {record.state}: there is nothing to resume.",
        )
    paused = _paused_tasks(connection, record.key)
    for task in tasks or ():
        if task not in paused:
            raise Refusal(
                422,
                "task_not_paused",
                f"The task {task[0]!r} with the map index {task[1]} is not paused in the flow run "
                f"{run_id}. Those that are: {sorted(paused) or 'none'}.",
            )
    approved = paused if tasks is None else set(tasks)
    if approved:
        column = flow_runs.c.resumed
        so_far = connection.scalar(select(column).where(flow_runs.c.key == record.key))
        together = {(slug, index) for slug, index in from_json(so_far)} | approved
        connection.execute(
            update(flow_runs)
            .where(flow_runs.c.key == record.key)
            .values(resumed=to_json(sorted(together)))
        )
    save(connection, record, after, who=who, now=now)


def restart(
    connection: Connection, run_id: str, *, message: str, who: str, policy: Policy, now: Time
) -> None:
    """Start a flow run that is over again; see `cancel` for the arguments.

    Raises:
        Refusal: If there is none of this id (404), or it is not over (409).
    """
    record = _load(connection, run_id, policy)
    after, refused = rules.restart(record.own, message, now)
    if refused is not None:
        raise Refusal(
            409,
            "not_finished",
            f"The flow run {run_id} is {record.state}, and not over. Cancel it first: "
            f"headrace flow-run cancel {run_id}",
        )
    save(connection, record, after, who=who, now=now)


def remove(connection: Connection, run_id: str, *, policy: Policy, now: Time) -> None:
    """Delete a flow run with all that is known of it.

    Raises:
        Refusal: If there is none of this id (404); or somebody has it, or its flow's schedule would
            make it again (409).
    """
    record = _load(connection, run_id, policy)
    if _is_live(record.own):
        raise Refusal(
            409,
            "being_run",
            f"The flow run {run_id} is {record.state}, and cannot be deleted. Cancel it first: "
            f"headrace flow-run cancel {run_id}",
        )
    choice = (
        select(flow_runs.c.scheduled_start_time)
        .join(flows, flows.c.id == flow_runs.c.flow_id)
        .join(version_groups, version_groups.c.id == flows.c.version_group_id)
        .where(
            flow_runs.c.key == record.key,
            flow_runs.c.is_auto_scheduled,
            flow_runs.c.scheduled_start_time > now.timestamp(),
            version_groups.c.schedule_active,
            flows.c.is_archived.is_(False),
        )
    )
    if connection.scalar(choice) is not None:
        raise Refusal(
            409,
            "scheduled",
            f"The schedule of the flow would make the flow run {run_id} again. Cancel this one run "
            f"(headrace flow-run cancel {run_id}), or switch the schedule off.",
        )
    connection.execute(delete(flow_runs).where(flow_runs.c.key == record.key))


def _load(connection: Connection, run_id: str, policy: Policy) -> Record:
    record = load(connection, run_id, policy)
    if record is None:
        raise unknown_run(run_id)
    return record


def _is_live(own: Ownership) -> bool:
    return own.phase in (Phase.CLAIMED, Phase.RUNNING)


def _paused_tasks(connection: Connection, run_key: int) -> set[tuple[str, int]]:
    choice = select(task_runs.c.slug, task_runs.c.map_index).where(
        task_runs.c.run_key == run_key, task_runs.c.state == "Paused"
    )
    return {(row.slug, row.map_index) for row in connection.execute(choice)}
