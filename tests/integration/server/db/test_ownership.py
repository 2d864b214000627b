"""What the rules decide is what the tables say."""

import datetime
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, select

from headrace.server.db.database import make_engine, parse_url
from headrace.server.db.ownership import Change, Record, load, load_many, save, save_many
from headrace.server.db.schema import attempts, flow_run_states, flow_runs, metadata
from headrace.server.rules import ownership as rules
from headrace.server.rules.ownership import Phase, Policy
from tests.support.stored_runs import NOW, insert_claim, insert_process, insert_run

POLICY = Policy(lease=datetime.timedelta(seconds=7), claim=datetime.timedelta(seconds=9))
SECOND = datetime.timedelta(seconds=1)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = make_engine(parse_url(database_url), connections=1, writes=True)
    with engine.begin() as connection:
        metadata.create_all(connection)
        yield connection
    engine.dispose()


def _load(connection: Connection, run_id: str = "r1") -> Record:
    record = load(connection, run_id, POLICY)
    assert record is not None
    return record


def _row(connection: Connection, run_id: str = "r1"):
    return connection.execute(select(flow_runs).where(flow_runs.c.id == run_id)).one()


def _history(connection: Connection):
    rows = connection.execute(select(flow_run_states).order_by(flow_run_states.c.id))
    return [(row.state, row.message, row.attempt, row.who) for row in rows]


def test_a_run_that_does_not_exist_has_no_record(connection: Connection):
    assert load(connection, "nobody", POLICY) is None
    assert load_many(connection, ["nobody"], POLICY) == {}


def test_terms_come_from_the_server_and_the_rest_of_the_policy_from_the_run(connection: Connection):
    insert_run(connection, "r1", max_recoveries=1, on_disconnect="hold", lost_after=12.5)
    policy = _load(connection).own.policy
    assert policy == Policy(
        lease=POLICY.lease,
        claim=POLICY.claim,
        lost_after=datetime.timedelta(seconds=12.5),
        hold_on_disconnect=True,
        max_recoveries=1,
    )


def test_a_record_is_read_as_it_was_saved(connection: Connection):
    insert_run(connection, "r1")
    record = _load(connection)
    after, _ = rules.claim(record.own, "a1", NOW)
    saved = save(connection, record, after, who="a1", now=NOW)
    assert saved == _load(connection)
    after, _ = rules.activate(saved.own, 1, "n1", NOW + SECOND)
    saved = save(connection, saved, after, who="runner", now=NOW + SECOND)
    assert saved == _load(connection)
    assert saved.own.phase is Phase.RUNNING


def test_a_life_is_told_with_who_and_why(connection: Connection):
    insert_run(connection, "r1")
    insert_process(connection, "r1", "n1")
    record = _load(connection)
    record = save(
        connection, record, rules.cancel(record.own, "Not needed."), who="maria", now=NOW + SECOND
    )
    after = rules.exited(record.own, 1, "killed by SIGKILL", NOW + 2 * SECOND)
    save(connection, record, after, who="a1", now=NOW + 2 * SECOND)
    story = "Not needed. Attempt 1 was lost: killed by SIGKILL."
    assert _history(connection) == [
        ("Submitted", "Agent a1 is deploying it.", 1, "a1"),
        ("Running", "It is running.", 1, "runner"),
        ("Cancelling", "Not needed.", 1, "maria"),
        ("Cancelled", story, 1, "a1"),
    ]
    row = _row(connection)
    assert (row.state, row.message, row.phase) == ("Cancelled", story, "finished")
    assert row.started == NOW.timestamp()
    assert row.ended == row.state_since == NOW.timestamp() + 2
    attempt = connection.execute(select(attempts)).one()
    assert (attempt.ended, attempt.how) == (row.ended, f"Cancelled: {story}")


def test_a_renewed_lease_is_no_story(connection: Connection):
    insert_run(connection, "r1")
    insert_process(connection, "r1", "n1")
    told = _history(connection)
    record = _load(connection)
    after, _ = rules.write(record.own, 1, "n1", rules.Batch(first=1, count=5), NOW + SECOND)
    saved = save(connection, record, after, who="runner", now=NOW + SECOND)
    assert saved == _load(connection)
    assert saved.own.stored == 5
    assert _history(connection) == told
    assert _row(connection).state_since == NOW.timestamp()


def test_an_attempt_that_is_lost_ends_and_the_next_one_keeps_when_the_run_started(
    connection: Connection,
):
    insert_run(connection, "r1")
    insert_process(connection, "r1", "n1")
    record = _load(connection)
    later = NOW + 60 * SECOND
    after = rules.exited(record.own, 1, "exit code 137", later)
    record = save(connection, record, after, who="a1", now=later)
    assert (record.state, record.message) == ("Scheduled", "Attempt 1 was lost: exit code 137.")
    assert insert_claim(connection, "r1", later) == 2
    row = _row(connection)
    assert (row.started, row.ended, row.attempt) == (NOW.timestamp(), None, 2)
    ends = connection.execute(select(attempts.c.ended).order_by(attempts.c.attempt)).scalars().all()
    assert ends == [later.timestamp(), None]


def test_a_run_that_is_restarted_has_not_ended(connection: Connection):
    insert_run(connection, "r1")
    record = _load(connection)
    record = save(connection, record, rules.cancel(record.own, "No."), who="maria", now=NOW)
    after, _ = rules.restart(record.own, "Yes.", NOW + SECOND)
    save(connection, record, after, who="maria", now=NOW + SECOND)
    row = _row(connection)
    assert (row.state, row.message, row.ended) == ("Scheduled", "Yes.", None)


@pytest.mark.parametrize(("at", "ended"), [(30, 30), (90, 60), (-30, 0)])
def test_what_happened_earlier_is_told_at_its_time_as_far_as_that_can_be(
    connection: Connection, at: float, ended: float
):
    insert_run(connection, "r1")
    record = _load(connection)
    after = rules.cancel(record.own, "No.")
    moment = NOW.timestamp() + at
    save(connection, record, after, who="maria", now=NOW + 60 * SECOND, at=moment)
    assert _row(connection).ended == NOW.timestamp() + ended


def test_many_runs_are_changed_at_once(connection: Connection):
    for run_id in ("r1", "r2", "r3"):
        insert_run(connection, run_id)
    records = load_many(connection, ["r3", "r1", "r2", "r4"], POLICY)
    assert list(records) == ["r1", "r2", "r3"]
    paused = rules.pause(records["r2"].own, "Wait.")
    changes = [
        Change(record=records["r1"], after=rules.cancel(records["r1"].own, "No."), who="maria"),
        Change(record=records["r2"], after=paused, who="maria", message="Wait for Monday."),
        Change(record=records["r3"], after=records["r3"].own, who="maria"),
    ]
    saved = save_many(connection, changes, NOW)
    assert [record.state for record in saved] == ["Cancelled", "Paused", "Scheduled"]
    assert saved[1].message == "Wait for Monday."
    assert {record.id: record for record in saved} == load_many(
        connection, ["r1", "r2", "r3"], POLICY
    )
    assert len(_history(connection)) == 2
