"""The stored record of who owns a flow run: read, decided on by `rules.ownership`, written back.

```python
record = load(connection, run_id, policy)                 # locked until the transaction's end
after = rules.ownership.cancel(record.own, "Not needed.")
record = save(connection, record, after, who="maria", now=now)
```

Nothing else writes these columns, so that what people are shown (`state`, `message`, …), the
history and the attempts' ends always agree with the record.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from headrace.server.db.columns import to_time
from headrace.server.db.schema import attempts, flow_run_states, flow_runs
from headrace.server.rules.ownership import Ownership, Phase, Policy

Time = datetime.datetime

_COLUMNS = (
    flow_runs.c.key,
    flow_runs.c.id,
    flow_runs.c.state,
    flow_runs.c.message,
    flow_runs.c.state_since,
    flow_runs.c.started,
    flow_runs.c.phase,
    flow_runs.c.start_time,
    flow_runs.c.attempt,
    flow_runs.c.agent,
    flow_runs.c.nonce,
    flow_runs.c.is_open,
    flow_runs.c.lease_until,
    flow_runs.c.stored,
    flow_runs.c.recoveries,
    flow_runs.c.cancelling,
    flow_runs.c.pausing,
    flow_runs.c.restarted_after,
    flow_runs.c.ending,
    flow_runs.c.reason,
    flow_runs.c.max_recoveries,
    flow_runs.c.on_disconnect,
    flow_runs.c.lost_after,
)
_CHOICE = select(*_COLUMNS)
_BY_ID = _CHOICE.where(flow_runs.c.id == bindparam("run_id")).with_for_update()
_BY_IDS = (
    _CHOICE.where(flow_runs.c.id.in_(bindparam("ids", expanding=True)))
    # The same order everywhere, so that two servers that lock several never wait for each other.
    .order_by(flow_runs.c.key)
    .with_for_update()
)


def to_seconds(time: Time | None) -> float | None:
    """Return a moment as the tables keep it: seconds since 1970, UTC."""
    return None if time is None else time.timestamp()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A flow run's record, as it is stored, and what people are shown of it."""

    key: int
    id: str
    own: Ownership
    #: The type of its state.
    state: str
    message: str
    #: Since when it has this state; seconds since 1970, UTC.
    state_since: float
    #: When its first attempt began; seconds since 1970, UTC.
    started: float | None


def load(connection: Connection, run_id: str, policy: Policy) -> Record | None:
    """Return a flow run's record, locked until the end of the transaction; None if there is none.

    Args:
        connection: A connection that writes.
        run_id: The flow run's id.
        policy: For how long leases and claims are given; the rest of it is the run's own.
    """
    row = connection.execute(_BY_ID, {"run_id": run_id}).one_or_none()
    return None if row is None else record_of(row, policy)


def load_many(connection: Connection, run_ids: Sequence[str], policy: Policy) -> dict[str, Record]:
    """Return flow runs' records by their ids, locked; those that do not exist are left out."""
    rows = connection.execute(_BY_IDS, {"ids": run_ids})
    return {row.id: record_of(row, policy) for row in rows}


def record_of(row: Any, policy: Policy) -> Record:
    """Return the record in a row of `flow_runs` that has all its columns."""
    return Record(
        key=row.key,
        id=row.id,
        state=row.state,
        message=row.message,
        state_since=row.state_since,
        started=row.started,
        own=Ownership(
            policy=replace(
                policy,
                lost_after=datetime.timedelta(seconds=row.lost_after),
                hold_on_disconnect=row.on_disconnect == "hold",
                max_recoveries=row.max_recoveries,
            ),
            phase=Phase(row.phase),
            start_time=to_time(row.start_time),
            attempt=row.attempt,
            agent=row.agent,
            nonce=row.nonce,
            is_open=row.is_open,
            lease_until=to_time(row.lease_until),
            stored=row.stored,
            recoveries=row.recoveries,
            cancelling=row.cancelling,
            pausing=row.pausing,
            restarted_after=row.restarted_after,
            ending=row.ending,
            reason=row.reason,
        ),
    )


def shown(own: Ownership) -> tuple[str, str]:
    """Return the type of a run's state, and what it says, as people are shown them."""
    if own.phase is Phase.FINISHED:
        return own.ending or "Failed", own.reason
    if own.phase is Phase.SCHEDULED:
        return ("Scheduled" if own.pausing is None else "Paused"), own.reason
    if own.cancelling is not None:
        return "Cancelling", own.cancelling
    if own.pausing is not None:
        return "Pausing", own.pausing
    return ("Submitted" if own.phase is Phase.CLAIMED else "Running"), own.reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a rule made of a record, and who applied it."""

    record: Record
    after: Ownership
    #: The name of an agent, of a key, `runner`, `server`, `scheduler`.
    who: str
    #: When it happened, if that was not now; seconds since 1970, UTC.
    at: float | None = None
    #: What the state says, if the rule does not say it better.
    message: str | None = None


def save(
    connection: Connection,
    record: Record,
    after: Ownership,
    *,
    who: str,
    now: Time,
    at: float | None = None,
    message: str | None = None,
) -> Record:
    """Store what a rule made of a record, with an entry of the history if people see a change.

    Args:
        connection: The connection that the record was loaded by, in the same transaction.
        record: The record, as `load` or the last `save` returned it.
        after: What the rule made of `record.own`.
        who: Who applied it: the name of an agent, of a key, `runner`, `server`, `scheduler`.
        now: The time.
        at: When it happened, if that was not now; seconds since 1970, UTC.
        message: What the state says, if the rule does not say it better.

    Returns:
        The record as it is stored now.
    """
    change = Change(record=record, after=after, who=who, at=at, message=message)
    return save_many(connection, [change], now)[0]


def save_many(connection: Connection, changes: Iterable[Change], now: Time) -> list[Record]:
    """Store what rules made of several records, each of another run (see `save`)."""
    records: list[Record] = []
    terms: list[dict[str, Any]] = []
    updates: list[dict[str, Any]] = []
    entries: list[dict[str, Any]] = []
    ends: list[dict[str, Any]] = []
    for change in changes:
        before, own = change.record, change.after
        if own == before.own and change.message is None:
            records.append(before)
            continue
        if change.message is None and _is_renewal(before.own, own):
            terms.append(_term(before.key, own))
            records.append(replace(before, own=own))
            continue
        at = now.timestamp()
        if change.at is not None:
            # Another machine's clock neither runs ahead of ours, nor ends what has not begun.
            at = max(min(change.at, at), before.state_since)
        after = _shown_after(change, at)
        updates.append(_values(after, at))
        if (after.state, after.message, own.attempt) != (
            before.state,
            before.message,
            before.own.attempt,
        ):
            entries.append(
                entry(before.key, at, after.state, after.message, own.attempt, change.who)
            )
        if _is_live(before.own) and not (_is_live(own) and own.attempt == before.own.attempt):
            how = f"{after.state}: {after.message}"
            whose = {"whose_key": before.key, "whose_attempt": before.own.attempt}
            ends.append(whose | {"ended": at, "how": how})
        records.append(after)
    for statement, values in (
        (_RENEW, terms),
        (_UPDATE, updates),
        (flow_run_states.insert(), entries),
        (_END, ends),
    ):
        if values:
            connection.execute(statement, values)
    return records


def entry(
    key: int,
    at: float,
    state: str,
    message: str,
    attempt: int,
    who: str,
    *,
    is_stale: bool = False,
) -> dict[str, Any]:
    """Return a row of `flow_run_states`."""
    return {
        "run_key": key,
        "at": at,
        "state": state,
        "message": message,
        "attempt": attempt,
        "who": who,
        "is_stale": is_stale,
    }


def _is_live(own: Ownership) -> bool:
    """Tell whether somebody deploys or runs it."""
    return own.phase in (Phase.CLAIMED, Phase.RUNNING)


def _is_renewal(before: Ownership, after: Ownership) -> bool:
    """Tell whether nothing but the lease, and what is stored, has changed."""
    return replace(before, lease_until=after.lease_until, stored=after.stored) == after


def _shown_after(change: Change, at: float) -> Record:
    """Return the record after a change that people may see."""
    before, own = change.record, change.after
    state, message = shown(own)
    is_new = state != before.state or own.attempt != before.own.attempt
    return Record(
        key=before.key,
        id=before.id,
        own=own,
        state=state,
        message=change.message or message,
        state_since=at if is_new else before.state_since,
        started=at if before.started is None and own.phase is Phase.RUNNING else before.started,
    )


def _term(key: int, own: Ownership) -> dict[str, Any]:
    return {"whose": key, "lease_until": to_seconds(own.lease_until), "stored": own.stored}


def _values(record: Record, at: float) -> dict[str, Any]:
    own = record.own
    return _term(record.key, own) | {
        "state": record.state,
        "message": record.message,
        "state_since": record.state_since,
        "started": record.started,
        "ended": at if own.phase is Phase.FINISHED else None,
        "phase": own.phase.value,
        "start_time": to_seconds(own.start_time),
        "attempt": own.attempt,
        "agent": own.agent,
        "nonce": own.nonce,
        "is_open": own.is_open,
        "recoveries": own.recoveries,
        "cancelling": own.cancelling,
        "pausing": own.pausing,
        "restarted_after": own.restarted_after,
        "ending": own.ending,
        "reason": own.reason,
    }


def _update_of(*names: str) -> Any:
    """Return an update of these columns of one flow run, for many at once."""
    values: dict[str, Any] = {name: bindparam(name) for name in names}
    return update(flow_runs).where(flow_runs.c.key == bindparam("whose")).values(values)


_RENEW = _update_of("lease_until", "stored")
_UPDATE = _update_of(
    *("lease_until", "stored", "state", "message", "state_since", "started", "ended", "phase"),
    *("start_time", "attempt", "agent", "nonce", "is_open", "recoveries", "cancelling", "pausing"),
    *("restarted_after", "ending", "reason"),
)
_END = (
    update(attempts)
    .where(
        attempts.c.run_key == bindparam("whose_key"),
        attempts.c.attempt == bindparam("whose_attempt"),
        attempts.c.ended.is_(None),
    )
    .values(ended=bindparam("ended"), how=bindparam("how"))
)
