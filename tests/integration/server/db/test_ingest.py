"""What becomes of events, in whatever pieces and order they arrive."""

import asyncio
import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from headrace.core.now import replaced
from headrace.server.db import migrate
from headrace.server.db.database import Database, make_engine, parse_url
from headrace.server.db.ingest import Delivery, ingest
from headrace.server.db.ownership import load, save
from headrace.server.db.schema import (
    flow_run_states,
    flow_runs,
    logs,
    task_run_states,
    task_runs,
    writers,
)
from headrace.server.problems import Refusal
from headrace.server.rules import ownership as rules
from headrace.server.rules.ownership import Policy
from headrace.wire.events import (
    Event,
    EventAnswer,
    EventBatch,
    FlowState,
    LogLine,
    Renamed,
    TaskState,
)
from tests.support.postgres import PostgreSQL
from tests.support.stored_runs import NOW, insert_process, insert_run
from tests.support.stores import opened

POLICY = Policy()
AT = NOW.timestamp()


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with _connected(database_url) as connection:
        yield connection


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    migrate.prepare(url)
    engine = make_engine(parse_url(url), connections=1, writes=True)
    with replaced(NOW), engine.begin() as connection:
        yield connection
    engine.dispose()


def _batch(attempt: int, nonce: str, first: int, events: list[Event]) -> EventBatch:
    return EventBatch(attempt=attempt, nonce=nonce, first=first, events=events)


def _send(connection: Connection, run_id: str, *batches: EventBatch) -> list[Any]:
    return list(ingest(connection, [Delivery(run_id, batch, POLICY) for batch in batches]))


def _task(slug: str = "load-1", type: str = "Success", at: float = AT, **fields: Any) -> TaskState:
    return TaskState(slug=slug, type=type, at=at, **fields)


def _line(message: str, at: float = AT) -> LogLine:
    return LogLine(message=message, at=at)


def _rows(connection: Connection, table, run_id: str = "r1", *without: str) -> list[dict[str, Any]]:
    """Return a run's rows, without what is another number in each run."""
    key = select(flow_runs.c.key).where(flow_runs.c.id == run_id).scalar_subquery()
    chosen = select(table).where(table.c.run_key == key).order_by(*table.primary_key.columns)
    rows = [dict(row) for row in connection.execute(chosen).mappings()]
    known = connection.execute(select(writers).where(writers.c.run_key == key)).all()
    nonces = {row.id: row.nonce for row in known}
    for row in rows:
        for name in ("run_key", *without):
            row.pop(name, None)
        if "writer" in row:
            row["writer"] = nonces[row["writer"]]
    return rows


def _lose(connection: Connection, run_id: str) -> None:
    record = load(connection, run_id, POLICY)
    assert record is not None
    after = rules.exited(record.own, record.own.attempt, "killed by SIGKILL", NOW)
    save(connection, record, after, who="a1", now=NOW)


# -- any way of delivery ------------------------------------------------------------------------

_MOMENTS = st.integers(0, 100).map(lambda seconds: AT - 100 + seconds)
_TEXTS = st.none() | st.text(
    st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=5
)
_EVENTS = st.one_of(
    st.builds(
        TaskState,
        at=_MOMENTS,
        slug=st.sampled_from(["a", "b"]),
        map_index=st.integers(-1, 1),
        type=st.sampled_from(["Running", "Success", "Failed", "Retrying", "Mapped"]),
        message=_TEXTS,
        started=st.none() | _MOMENTS,
        ended=st.none() | _MOMENTS,
        run_count=st.integers(0, 3),
        name=st.none() | st.just("named"),
        location=_TEXTS,
        place=st.none() | st.just("host:1"),
        due=st.none() | _MOMENTS,
        children=st.none() | st.integers(0, 3),
        reused=st.booleans(),
    ),
    st.builds(LogLine, at=_MOMENTS, message=_TEXTS.map(str), slug=_TEXTS),
    st.builds(FlowState, at=_MOMENTS, type=st.just("Running"), message=_TEXTS),
    st.builds(Renamed, at=_MOMENTS, name=st.sampled_from(["one", "two"])),
)


@st.composite
def _lives(draw: st.DrawFn) -> list[tuple[list[Event], int]]:
    """Return, for each attempt, its events, and how many of them arrive before it loses the run."""
    lives = []
    for _ in range(draw(st.integers(1, 3))):
        events = draw(st.lists(_EVENTS, max_size=8))
        lives.append((events, draw(st.integers(0, len(events)))))
    events, _ = lives[-1]
    if draw(st.booleans()):
        events.append(FlowState(at=AT, type=draw(st.sampled_from(["Success", "TimedOut"]))))
    lives[-1] = (events, len(events))
    return lives


def _in_order(lives: list[tuple[list[Event], int]]) -> list[list[tuple[int, int, int]]]:
    """Return slices of events, as (attempt, from, to), for the time of each attempt."""
    return [
        [
            (number, 0, lives[number][1]),
            *((earlier, lives[earlier][1], len(lives[earlier][0])) for earlier in range(number)),
        ]
        for number in range(len(lives))
    ]


@st.composite
def _deliveries(draw: st.DrawFn, lives: list[tuple[list[Event], int]]):
    """Return slices in a wild order, with repeats and gaps, of which the last ones leave none out."""
    phases = []
    for number, (_, cut) in enumerate(lives):
        wild = []
        for _ in range(draw(st.integers(0, 6))):
            whose = draw(st.integers(0, number))
            end = cut if whose == number else len(lives[whose][0])
            begin = draw(st.integers(0, end))
            wild.append((whose, begin, draw(st.integers(begin, end))))
        sure = [(number, begin, begin + 1) for begin in range(cut)]
        sure += [
            (earlier, begin, begin + 1)
            for earlier in range(number)
            for begin in range(len(lives[earlier][0]))
        ]
        phases.append([*wild, *sure])
    return phases


def _play(connection: Connection, run_id: str, lives, phases, together: int) -> None:
    insert_run(connection, run_id)
    for number, slices in enumerate(phases):
        if number:
            _lose(connection, run_id)
        # An hour later: those who lose often wait.
        insert_process(connection, run_id, f"n{number}", NOW + number * datetime.timedelta(hours=1))
        batches = [
            _batch(whose + 1, f"n{whose}", begin + 1, lives[whose][0][begin:end])
            for whose, begin, end in slices
        ]
        for begin in range(0, len(batches), together):
            _send(connection, run_id, *batches[begin : begin + together])


def _record(connection: Connection, run_id: str) -> dict[str, Any]:
    row = connection.execute(select(flow_runs).where(flow_runs.c.id == run_id)).mappings().one()
    own = ("state", "message", "name", "phase", "attempt", "stored", "ended", "is_open", "ending")
    started_with = f"run {run_id}"
    # What is told of stale states comes when it comes: the order of that alone may differ.
    told = _rows(connection, flow_run_states, run_id, "id")
    return {
        "states": _rows(connection, task_run_states, run_id),
        "logs": _rows(connection, logs, run_id),
        "latest": _rows(connection, task_runs, run_id),
        "history": sorted(map(repr, told)),
        "writers": _rows(connection, writers, run_id, "id"),
        "run": {name: row[name] for name in own if row[name] != started_with},
    }


@given(data=st.data(), lives=_lives(), together=st.integers(1, 4))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_pieces_repeats_and_disorder_change_nothing(
    connection: Connection, data: st.DataObject, lives, together: int
):
    phases = data.draw(_deliveries(lives))
    # Each example leaves nothing behind, whatever became of it.
    undone = connection.begin_nested()
    try:
        _play(connection, "plain", lives, _in_order(lives), 1)
        _play(connection, "wild", lives, phases, together)
        assert _record(connection, "wild") == _record(connection, "plain")
    finally:
        undone.rollback()


# -- one by one -----------------------------------------------------------------------------------


def test_the_latest_state_keeps_what_later_ones_do_not_say(connection: Connection):
    insert_run(connection, "r1")
    insert_process(connection, "r1", "n1")
    first = _task(type="Running", at=AT + 1, name="load 2024", place="h:1", children=3)
    (answer,) = _send(connection, "r1", _batch(1, "n1", 1, [first]))
    assert answer == EventAnswer(stored=1, lease=30.0)
    _send(connection, "r1", _batch(1, "n1", 2, [_task(at=AT + 2, location="s3://x", message="ok")]))
    (row,) = _rows(connection, task_runs)
    assert row == {
        "slug": "load-1",
        "map_index": -1,
        "name": "load 2024",
        "state": "Success",
        "message": "ok",
        "at": AT + 2,
        "started": AT + 1,
        "ended": AT + 2,
        "run_count": 1,
        "attempt": 1,
        "location": "s3://x",
        "place": "h:1",
        "due": None,
        "children": 3,
        "reused": False,
    }
    _send(connection, "r1", _batch(1, "n1", 3, [_task(type="Retrying", at=AT + 3, due=AT + 60)]))
    (row,) = _rows(connection, task_runs)
    assert (row["state"], row["ended"], row["due"], row["location"]) == (
        "Retrying",
        None,
        AT + 60,
        None,
    )


def test_what_is_taken_over_keeps_the_times_of_the_attempt_that_ran_it(connection: Connection):
    insert_run(connection, "r1")
    insert_process(connection, "r1", "n1")
    ran = [_task(type="Running", at=AT + 1), _task(at=AT + 2), _task(slug="b", at=AT + 3)]
    _send(connection, "r1", _batch(1, "n1", 1, ran))
    _lose(connection, "r1")
    insert_process(connection, "r1", "n2")
    taken = [
        _task(at=AT + 60, ended=AT + 2, reused=True),
        _task(slug="lost", at=AT + 60, ended=AT + 4, reused=True),
    ]
    _send(connection, "r1", _batch(2, "n2", 1, taken))
    times = {
        row["slug"]: (row["at"], row["started"], row["ended"])
        for row in _rows(connection, task_runs)
    }
    assert times == {
        "load-1": (AT + 60, AT + 1, AT + 2),
        "b": (AT + 3, None, AT + 3),
        "lost": (AT + 60, None, AT + 4),
    }


def test_after_a_gap_nothing_is_stored_and_the_answer_says_from_where(connection: Connection):
    insert_run(connection, "r1")
    insert_process(connection, "r1", "n1")
    lines: list[Event] = [_line(f"line {number}") for number in range(5)]
    answers = _send(
        connection,
        "r1",
        _batch(1, "n1", 1, lines[:2]),
        _batch(1, "n1", 4, lines[3:]),
        _batch(1, "n1", 2, lines[1:3]),
    )
    assert [answer.stored for answer in answers] == [2, 2, 3]
    assert [row["message"] for row in _rows(connection, logs)] == ["line 0", "line 1", "line 2"]
    assert [row["seq"] for row in _rows(connection, logs)] == [1, 2, 3]


def test_a_run_ends_with_its_last_state_and_at_its_time(connection: Connection):
    insert_run(connection, "r1", start_time=AT - 60, state_since=AT - 60)
    insert_process(connection, "r1", "n1", NOW - datetime.timedelta(minutes=1))
    events = [_task(), FlowState(at=AT - 5, type="TriggerFailed", message="load-1 failed.")]
    (answer,) = _send(connection, "r1", _batch(1, "n1", 1, events))
    assert answer == EventAnswer(stored=2, lease=0.0)
    run = connection.execute(select(flow_runs)).one()
    assert (run.state, run.message, run.ended) == ("Failed", "load-1 failed.", AT - 5)
    # Only its answer was lost: it may say it again.
    (again,) = _send(connection, "r1", _batch(1, "n1", 1, events))
    assert (again.stored, again.refused) == (2, None)
    beat, more = _send(
        connection, "r1", _batch(1, "n1", 3, []), _batch(1, "n1", 3, [_line("late")])
    )
    assert (beat.refused, more.refused) == ("finished", "finished")
    assert [row["is_stale"] for row in _rows(connection, logs)] == [True]


def test_a_run_parks_until_a_time_or_until_a_person_says(connection: Connection):
    for run_id, event, expected in (
        ("r1", FlowState(at=AT, type="Scheduled", due=AT + 3600), ("Scheduled", AT + 3600)),
        ("r2", FlowState(at=AT, type="Paused", message="Look at it."), ("Paused", None)),
    ):
        insert_run(connection, run_id)
        insert_process(connection, run_id, "n1")
        (answer,) = _send(connection, run_id, _batch(1, "n1", 1, [event]))
        assert answer == EventAnswer(stored=1, lease=0.0)
        run = connection.execute(select(flow_runs).where(flow_runs.c.id == run_id)).one()
        assert (run.state, run.start_time) == expected
        assert (run.phase, run.recoveries, run.is_open) == ("scheduled", 0, False)


def test_orders_come_with_every_answer(connection: Connection):
    insert_run(connection, "r1")
    insert_process(connection, "r1", "n1")
    record = load(connection, "r1", POLICY)
    assert record is not None
    record = save(connection, record, rules.pause(record.own, "Wait."), who="maria", now=NOW)
    (answer,) = _send(connection, "r1", _batch(1, "n1", 1, []))
    assert (answer.pause, answer.cancel) == ("Wait.", None)
    save(connection, record, rules.cancel(record.own, "No."), who="maria", now=NOW)
    (answer,) = _send(connection, "r1", _batch(1, "n1", 1, [_line("x")]))
    assert (answer.stored, answer.cancel, answer.refused) == (1, "No.", None)


def test_what_the_superseded_report_is_kept_and_changes_nothing(connection: Connection):
    insert_run(connection, "r1")
    insert_process(connection, "r1", "n1")
    _send(connection, "r1", _batch(1, "n1", 1, [_task(type="Running")]))
    _lose(connection, "r1")
    insert_process(connection, "r1", "n2")
    _send(connection, "r1", _batch(2, "n2", 1, [_task(type="Running", at=AT + 9)]))
    stale = [_task(type="Failed"), Renamed(at=AT, name="x"), FlowState(at=AT, type="Failed")]
    for _ in range(2):
        (answer,) = _send(connection, "r1", _batch(1, "n1", 2, stale))
        assert (answer.stored, answer.refused, answer.lease) == (4, "superseded", 0.0)
    (gap,) = _send(connection, "r1", _batch(1, "n1", 9, [_line("x")]))
    assert (gap.stored, gap.refused) == (4, "superseded")
    states = [
        (row["writer"], row["state"], row["is_stale"]) for row in _rows(connection, task_run_states)
    ]
    assert states == [("n1", "Running", False), ("n1", "Failed", True), ("n2", "Running", False)]
    (latest,) = _rows(connection, task_runs)
    assert (latest["state"], latest["attempt"]) == ("Running", 2)
    run = connection.execute(select(flow_runs)).one()
    assert (run.state, run.name, run.attempt) == ("Running", "run r1", 2)
    told = [row for row in _rows(connection, flow_run_states) if row["is_stale"]]
    assert [(row["state"], row["attempt"]) for row in told] == [("Failed", 1)]


def test_who_was_never_activated_leaves_nothing(connection: Connection):
    insert_run(connection, "r1")
    insert_process(connection, "r1", "n1")
    (answer,) = _send(connection, "r1", _batch(1, "twin", 1, [_line("x")]))
    assert (answer.stored, answer.refused) == (0, "superseded")
    assert _rows(connection, logs) == []


def test_a_run_that_is_not_there_spoils_nothing(connection: Connection):
    insert_run(connection, "r1")
    insert_process(connection, "r1", "n1")
    lines: list[Event] = [_line("x")]
    gone, kept = ingest(
        connection,
        [
            Delivery("gone", _batch(1, "n1", 1, lines), POLICY),
            Delivery("r1", _batch(1, "n1", 1, lines), POLICY),
        ],
    )
    assert isinstance(gone, Refusal)
    assert (gone.status, gone.code) == (404, "flow_run_not_found")
    assert isinstance(kept, EventAnswer)
    assert kept.stored == 1


def test_lengths_that_no_step_divides_are_stored_whole(connection: Connection):
    insert_run(connection, "r1")
    insert_process(connection, "r1", "n1")
    events: list[Event] = []
    for number in range(1234):
        events += [_task(map_index=number), _line(f"line {number}\ttab\\n \N{SNOWMAN}")]
    (answer,) = _send(connection, "r1", _batch(1, "n1", 1, events))
    assert answer.stored == 2468
    assert [row["map_index"] for row in _rows(connection, task_runs)] == list(range(1234))
    assert [row["message"] for row in _rows(connection, logs)] == [
        f"line {number}\ttab\\n \N{SNOWMAN}" for number in range(1234)
    ]


def test_many_processes_at_once_share_transactions(database_url: str):
    def begin(connection: Connection) -> None:
        for number in range(20):
            insert_run(connection, f"r{number}")
            insert_process(connection, f"r{number}", "n1")

    async def report(database: Database, run_id: str) -> None:
        for first in range(1, 50, 7):
            events: list[Event] = [_line(f"{first + more}") for more in range(7)]
            delivery = Delivery(run_id, _batch(1, "n1", first, events), POLICY)
            answer = await database.write_grouped(ingest, delivery)
            assert answer.stored == first + 6

    async def scenario() -> None:
        async with opened(database_url) as database:
            await database.write(begin)
            before = database.commits
            await asyncio.gather(*(report(database, f"r{number}") for number in range(20)))
            assert database.commits - before < 8 * 20 / 2
            for run_id in ("r0", "r19"):
                rows = await database.read(lambda c, run_id=run_id: _rows(c, logs, run_id))
                assert [row["message"] for row in rows] == [str(n) for n in range(1, 50)]

    asyncio.run(scenario())


def test_two_servers_take_in_for_the_same_runs(postgresql: PostgreSQL):
    runs = [f"r{number}" for number in range(10)]

    def begin(connection: Connection) -> None:
        for run_id in runs:
            insert_run(connection, run_id)
            insert_process(connection, run_id, "n1")

    async def report(servers: tuple[Database, ...], run_id: str) -> None:
        stored = 0
        while stored < 60:
            # Each batch goes to both, one of which repeats what the other has stored.
            events: list[Event] = [
                event
                for number in range(stored, min(stored + 6, 60))
                for event in [_line(str(number)) if number % 2 else _task(map_index=number)]
            ]
            delivery = Delivery(run_id, _batch(1, "n1", stored + 1, events), POLICY)
            answers = await asyncio.gather(
                *(server.write_grouped(ingest, delivery) for server in servers)
            )
            stored = answers[0].stored
            assert answers[1].stored == stored

    async def scenario(url: str) -> None:
        async with opened(url) as one, opened(url) as other:
            await one.write(begin)
            await asyncio.gather(*(report((one, other), run_id) for run_id in runs))
            for run_id in runs:
                lines = await one.read(lambda c, run_id=run_id: _rows(c, logs, run_id))
                assert [row["message"] for row in lines] == [str(n) for n in range(1, 60, 2)]
                latest = await one.read(lambda c, run_id=run_id: _rows(c, task_runs, run_id))
                assert [row["map_index"] for row in latest] == list(range(0, 60, 2))

    with postgresql.database() as url:
        asyncio.run(scenario(url))
