"""Claims and leases of flow runs that nobody renews."""

from __future__ import annotations

from sqlalchemy import Connection, and_, case, or_, select

from headrace.server.db.ownership import Change, load_many, save_many
from headrace.server.db.schema import flow_runs
from headrace.server.rules import ownership as rules
from headrace.server.rules.ownership import Phase, Policy, Time

#: How many runs one transaction deals with, so that others need not wait for all of them.
AT_ONCE = 500
#: By how many seconds a term may be renewed while others are given new ones.
_LATER = 60.0

_PATIENCE = case(
    (
        and_(flow_runs.c.phase == Phase.RUNNING.value, flow_runs.c.on_disconnect != "hold"),
        flow_runs.c.lost_after,
    ),
    else_=0.0,
)


def expired(connection: Connection, now: Time) -> list[str]:
    """Return the ids of some runs whose owners have been silent for too long; maybe a few more."""
    moment = now.timestamp()
    found = connection.execute(
        select(flow_runs.c.id)
        # The first condition is the index's; the sum alone would read every run that is leased.
        .where(flow_runs.c.lease_until <= moment, flow_runs.c.lease_until + _PATIENCE <= moment)
        .order_by(flow_runs.c.lease_until)
        .limit(AT_ONCE)
    )
    return list(found.scalars())


def take_back(connection: Connection, run_ids: list[str], policy: Policy, now: Time) -> list[str]:
    """Take runs back whose owners have been silent for too long.

    Args:
        connection: The connection.
        run_ids: Those to look at.
        policy: For how long leases and claims are given.
        now: The time.

    Returns:
        The ids of those that were taken back.
    """
    changes = []
    for record in load_many(connection, run_ids, policy).values():
        after = rules.expire(record.own, now)
        if after != record.own:
            changes.append(Change(record=record, after=after, who="server"))
    save_many(connection, changes, now)
    return [change.record.id for change in changes]


def wrong_terms(connection: Connection, policy: Policy, now: Time) -> list[str]:
    """Return the ids of some runs whose claim or lease ends before a full new term, or long after."""
    moment = now.timestamp()
    is_running = flow_runs.c.phase == Phase.RUNNING.value
    until = flow_runs.c.lease_until
    lease, claim = policy.lease.total_seconds(), policy.claim.total_seconds()
    # A microsecond is what is lost between a time in the tables and one of the rules.
    found = connection.execute(
        select(flow_runs.c.id)
        .where(
            or_(
                and_(is_running, until < moment + lease - 1e-5),
                and_(~is_running, until < moment + claim - 1e-5),
                and_(is_running, until > moment + lease + _LATER),
                # One that was claimed ahead of its time is held until then.
                and_(
                    ~is_running,
                    until > moment + claim + _LATER,
                    until > flow_runs.c.start_time + claim + _LATER,
                ),
            )
        )
        .order_by(flow_runs.c.key)
        .limit(AT_ONCE)
    )
    return list(found.scalars())


def give_new_terms(connection: Connection, run_ids: list[str], policy: Policy, now: Time) -> None:
    """Give runs a full new term, as nobody could renew anything for a while.

    Args:
        connection: The connection.
        run_ids: Which runs.
        policy: For how long leases and claims are given.
        now: The time from which the terms count.
    """
    records = load_many(connection, run_ids, policy).values()
    save_many(
        connection,
        [
            Change(record=record, after=rules.server_started(record.own, now), who="server")
            for record in records
        ],
        now,
    )
