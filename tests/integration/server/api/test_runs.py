"""What the process of a flow run is answered, from its first word to its last."""

import asyncio
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from headrace.core.now import now
from headrace.server.callers import Caller
from headrace.server.db import processes
from headrace.server.db.keys import StoredKey
from headrace.server.db.keys import add as add_key
from headrace.server.db.ownership import load, save
from headrace.server.db.schema import attempts, flow_run_states, flow_runs, logs
from headrace.server.problems import Refusal
from headrace.server.rules import ownership as rules
from headrace.server.rules.ownership import Policy
from headrace.server.services.auth import hash_of
from headrace.wire.claims import Activate, Activated, Deploying, Exited
from headrace.wire.events import (
    EventAnswer,
    EventBatch,
    FlowState,
    LogLine,
    RawEventBatch,
    TaskState,
)
from tests.support.apps import App, Refused, play, serving
from tests.support.stored_runs import insert_claim, insert_run


async def _claimed(app: App, run_id: str = "r1", **values: Any) -> None:
    def make(connection):
        insert_run(connection, run_id, **values)
        insert_claim(connection, run_id, now())

    await app.parts.database.write(make)


async def _row(app: App) -> Any:
    return await app.parts.database.read(lambda c: c.execute(select(flow_runs)).one())


def _batch(first: int, *events: Any, nonce: str = "n1", wait: float = 0.0) -> EventBatch:
    return EventBatch(attempt=1, nonce=nonce, first=first, events=list(events), wait=wait)


async def _events(app: App, batch: EventBatch | RawEventBatch) -> EventAnswer:
    return await app.post("/runs/r1/events", batch, EventAnswer)


def _change(app: App, rule):
    """Apply a rule to the run, as people's requests do."""

    def change(connection):
        record = load(connection, "r1", app.parts.policy)
        assert record is not None
        save(connection, record, rule(record.own), who="maria", now=now())

    return app.parts.database.write(change)


def test_a_process_begins_reports_and_ends(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await _claimed(
            app,
            parameters='{"day": "Monday"}',
            context='{"team": "ops"}',
            labels='["gpu"]',
            scheduled_start_time=1_700_000_000.0,
            resumed='[["load-1", -1]]',
        )
        asked = Activate(attempt=1, nonce="n1", host="node7", pid=4711)
        activated = await app.post("/runs/r1/activate", asked, Activated)
        assert activated.refused is None
        assert activated.lease == app.parts.policy.lease.total_seconds()
        run = activated.run
        assert run is not None
        assert (run.id, run.attempt, run.flow_name, run.project_name) == ("r1", 1, "etl", "main")
        assert (run.parameters, run.context, run.labels) == (
            {"day": "Monday"},
            {"team": "ops"},
            ["gpu"],
        )
        assert run.resumed == [("load-1", -1)]
        assert run.scheduled_start_time is not None
        assert run.scheduled_start_time.timestamp() == 1_700_000_000.0
        # Its answer may have been lost.
        assert (await app.post("/runs/r1/activate", asked, Activated)).run == run
        twin = Activate(attempt=1, nonce="n2")
        assert (await app.post("/runs/r1/activate", twin, Activated)).refused == "twin"
        row = await _row(app)
        assert (row.state, row.host, row.pid) == ("Running", "node7", 4711)

        line = LogLine(at=time.time(), message="It begins.")
        answer = await _events(app, _batch(1, line))
        assert (answer.stored, answer.refused, answer.lease) == (1, None, activated.lease)
        over = FlowState(at=time.time(), type="Success", message="All done.")
        answer = await _events(app, _batch(2, line, over))
        assert (answer.stored, answer.refused, answer.lease) == (3, None, 0.0)
        row = await _row(app)
        assert (row.state, row.message, row.name) == ("Success", "All done.", "run r1")
        attempt = await app.parts.database.read(lambda c: c.execute(select(attempts)).one())
        assert (attempt.nonce, attempt.host, attempt.how) == ("n1", "node7", "Success: All done.")
        assert attempt.claimed <= attempt.activated <= attempt.ended
        refused = await app.post("/runs/r1/activate", asked, Activated)
        assert (refused.refused, refused.run) == ("finished", None)

    play(scenario, database_url, tmp_path)


def test_what_is_new_is_counted(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await _claimed(app)
        await app.post("/runs/r1/activate", Activate(attempt=1, nonce="n1"), Activated)
        line = LogLine(at=time.time(), message="x")
        state = TaskState(at=time.time(), slug="load-1", type="Success")
        await _events(app, _batch(1, line, state))
        await _events(app, _batch(1, line, state, line))
        told = app.parts.metrics.render().decode()
        assert 'headrace_ingested_total{kind="log"} 2.0' in told
        assert 'headrace_ingested_total{kind="task"} 1.0' in told

    play(scenario, database_url, tmp_path)


def test_who_is_too_late_is_told(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await _claimed(app)
        told = Exited(attempt=1, reason="exit code 137")
        await app.post("/runs/r1/exited", told, type(None))
        await app.post("/runs/r1/exited", told, type(None))
        row = await _row(app)
        assert (row.state, row.message) == ("Scheduled", "Attempt 1 was lost: exit code 137.")
        late = await app.post("/runs/r1/activate", Activate(attempt=1, nonce="n1"), Activated)
        assert late.refused == "superseded"
        history = await app.parts.database.read(
            lambda c: c.execute(select(flow_run_states.c.state, flow_run_states.c.who)).all()
        )
        assert [tuple(entry) for entry in history] == [("Submitted", "a1"), ("Scheduled", "a1")]

    play(scenario, database_url, tmp_path)


def test_an_end_that_is_final_fails_the_run_at_once(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await _claimed(app)
        told = Exited(attempt=1, reason="there is no image nowhere:1", is_final=True)
        await app.post("/runs/r1/exited", told, type(None))
        row = await _row(app)
        assert (row.state, row.recoveries) == ("Failed", 0)
        assert row.message == (
            "Attempt 1 was lost: there is no image nowhere:1. Another attempt would end the same way."
        )

    play(scenario, database_url, tmp_path)


def test_what_a_process_printed_that_never_began_is_its_log(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await _claimed(app)
        told = Exited(attempt=1, reason="exit code 1", output="python: not found\nbye\n")
        await app.post("/runs/r1/exited", told, type(None))
        await app.post("/runs/r1/exited", told, type(None))
        lines = await app.parts.database.read(
            lambda c: c.execute(select(logs.c.logger, logs.c.message, logs.c.is_stale)).all()
        )
        assert [tuple(line) for line in lines] == [("output", "python: not found\nbye\n", False)]

    play(scenario, database_url, tmp_path)


def test_what_a_process_printed_that_began_has_been_told_already(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await _claimed(app)
        await app.post("/runs/r1/activate", Activate(attempt=1, nonce="n1"), Activated)
        told = Exited(attempt=1, reason="killed by SIGKILL", output="the run's own lines")
        await app.post("/runs/r1/exited", told, type(None))
        assert (await _row(app)).state == "Scheduled"
        assert await app.parts.database.read(lambda c: c.execute(select(logs)).all()) == []

    play(scenario, database_url, tmp_path)


def test_orders_wake_who_waits_for_them(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await _claimed(app)
        await app.post("/runs/r1/activate", Activate(attempt=1, nonce="n1"), Activated)
        waiting = asyncio.ensure_future(_events(app, _batch(1, wait=20.0)))
        await asyncio.sleep(0.2)
        await _events(app, _batch(1, LogLine(at=1.0, message="no order")))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        began = time.monotonic()
        await _change(app, lambda own: rules.cancel(own, "Not needed."))
        app.parts.hub.notify("orders:r1")
        answer = await waiting
        assert (answer.cancel, answer.refused) == ("Not needed.", None)
        assert time.monotonic() - began < 9
        # An order that is there already is not waited for.
        began = time.monotonic()
        assert (await _events(app, _batch(2, wait=20.0))).cancel == "Not needed."
        assert time.monotonic() - began < 9

    play(scenario, database_url, tmp_path)


def test_the_loss_of_the_run_wakes_who_waits(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await _claimed(app)
        await app.post("/runs/r1/activate", Activate(attempt=1, nonce="n1"), Activated)
        waiting = asyncio.ensure_future(_events(app, _batch(1, wait=20.0)))
        await asyncio.sleep(0.2)
        await app.post("/runs/r1/exited", Exited(attempt=1, reason="host lost"), type(None))
        assert (await waiting).refused == "superseded"

    play(scenario, database_url, tmp_path)


def test_a_wait_ends_before_the_lease_does(database_url: str, tmp_path: Path):
    import datetime

    async def scenario(app: App) -> None:
        await _claimed(app)
        await app.post("/runs/r1/activate", Activate(attempt=1, nonce="n1"), Activated)
        began = time.monotonic()
        answer = await _events(app, _batch(1, wait=60.0))
        assert (answer.refused, answer.cancel, answer.lease) == (None, None, 6.0)
        assert time.monotonic() - began < 5.9

    policy = Policy(lease=datetime.timedelta(seconds=6))
    play(scenario, database_url, tmp_path, policy=policy)


def test_a_deployment_renews_its_claim_and_says_how_far_it_is(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await _claimed(app)
        told = Deploying(attempt=1, agent="a1", message="Pulling the image.")
        answer = await app.post("/runs/r1/deploying", told, EventAnswer)
        assert (answer.refused, answer.lease) == (None, app.parts.policy.claim.total_seconds())
        assert (await _row(app)).message == "Pulling the image."
        await _change(app, lambda own: rules.cancel(own, "Not needed."))
        answer = await app.post("/runs/r1/deploying", told, EventAnswer)
        assert (answer.refused, answer.cancel) == ("cancelled", "Not needed.")
        other = Deploying(attempt=1, agent="a2")
        answer = await app.post("/runs/r1/deploying", other, EventAnswer)
        assert answer.refused == "superseded"

    play(scenario, database_url, tmp_path)


def test_a_run_that_is_not_there_is_named(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        for path, body in (
            ("activate", Activate(attempt=1, nonce="n1")),
            ("events", _batch(1)),
            ("deploying", Deploying(attempt=1, agent="a1")),
            ("exited", Exited(attempt=1, reason="x")),
        ):
            with pytest.raises(Refused, match="no flow run 'gone'") as raised:
                await app.post(f"/runs/gone/{path}", body, Activated)
            assert raised.value.status == 404

    play(scenario, database_url, tmp_path)


def test_a_batch_that_is_wrong_anywhere_stores_nothing(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await _claimed(app)
        await app.post("/runs/r1/activate", Activate(attempt=1, nonce="n1"), Activated)
        events = [b'{"event":"log","at":1.0,"message":"good"}', b'{"event":"log","at":1.0}']
        raw = RawEventBatch(attempt=1, nonce="n1", events=[msgspec.Raw(one) for one in events])
        with pytest.raises(Refused, match=r"message.*events\[1\]|events\[1\].*message") as raised:
            await _events(app, raw)
        assert (raised.value.status, raised.value.code) == (400, "invalid")
        found = await app.parts.database.read(lambda c: c.execute(select(logs)).all())
        assert found == []
        answer = await _events(app, _batch(1, LogLine(at=1.0, message="with \0 and \N{SNOWMAN}")))
        assert answer.stored == 1
        found = await app.parts.database.read(
            lambda c: c.execute(select(logs.c.message)).scalars().all()
        )
        assert found == ["with \N{REPLACEMENT CHARACTER} and \N{SNOWMAN}"]

    play(scenario, database_url, tmp_path)


async def _speak_by_token(app: App) -> None:
    """Make a key and a run's token, and send the token from now on."""
    key = StoredKey(
        id="k",
        name="k",
        scope="agent",
        hash=hash_of("hr_secret"),
        created=0.0,
        expires=None,
        revoked=None,
        last_used=None,
    )

    def set_up(connection):
        add_key(connection, key)
        token = {"token_hash": hash_of("hrt_one")}
        connection.execute(attempts.update().values(**token))

    await app.parts.database.write(set_up)
    app._http.headers["authorization"] = "Bearer hrt_one"


def test_an_agent_says_in_its_own_name_what_it_saw(tmp_path: Path):
    async def scenario(app: App) -> None:
        await _claimed(app)
        await _speak_by_token(app)
        told = Exited(attempt=1, reason="killed", by_agent=True)
        await app.post("/runs/r1/exited", told, type(None))
        history = await app.parts.database.read(
            lambda c: c.execute(select(flow_run_states.c.state, flow_run_states.c.who)).all()
        )
        assert [tuple(entry) for entry in history] == [("Submitted", "a1"), ("Scheduled", "a1")]

    async def run() -> None:
        async with serving(f"sqlite:///{tmp_path}/x.db", tmp_path) as app:
            await scenario(app)

    asyncio.run(run())


def test_a_token_speaks_for_its_own_attempt_only(tmp_path: Path):
    async def scenario(app: App) -> None:
        await _claimed(app)
        await _speak_by_token(app)
        activated = await app.post("/runs/r1/activate", Activate(attempt=1, nonce="n1"), Activated)
        assert activated.run is not None
        for path, body in (
            ("activate", Activate(attempt=2, nonce="n1")),
            ("events", EventBatch(attempt=2, nonce="n1")),
            ("exited", Exited(attempt=2, reason="x")),
        ):
            with pytest.raises(Refused, match="attempt 1.*attempt 2") as raised:
                await app.post(f"/runs/r1/{path}", body, Activated)
            assert raised.value.status == 403
        with pytest.raises(Refused) as raised:
            await app.post("/runs/r2/events", _batch(1), EventAnswer)
        assert raised.value.status == 403
        with pytest.raises(Refused) as raised:
            told = Deploying(attempt=1, agent="a1")
            await app.post("/runs/r1/deploying", told, EventAnswer)
        assert raised.value.status == 403
        # An agent, or another supervisor, speaks for any.
        app._http.headers["authorization"] = "Bearer hr_secret"
        await app.post("/runs/r1/exited", Exited(attempt=1, reason="evicted"), type(None))
        assert (await _row(app)).message == "Attempt 1 was lost: evicted."

    async def run() -> None:
        async with serving(f"sqlite:///{tmp_path}/x.db", tmp_path) as app:
            await scenario(app)

    asyncio.run(run())


def test_orders_for_whoever_asks(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await _claimed(app)
        await app.post("/runs/r1/activate", Activate(attempt=1, nonce="n1"), Activated)

        async def orders(run_id: str, attempt: int, nonce: str) -> EventAnswer:
            return await app.parts.database.read(
                lambda c: processes.orders_for(c, run_id, attempt, nonce)
            )

        assert await orders("r1", 1, "n1") == EventAnswer(stored=0)
        assert (await orders("r1", 1, "n2")).refused == "superseded"
        assert (await orders("gone", 1, "n1")).refused == "finished"
        await _change(app, lambda own: rules.pause(own, "Wait."))
        assert (await orders("r1", 1, "n1")).pause == "Wait."
        over = FlowState(at=time.time(), type="Failed")
        await _events(app, _batch(1, over))
        assert (await orders("r1", 1, "n1")).refused == "finished"

    play(scenario, database_url, tmp_path)


def test_a_key_may_speak_for_all_attempts():
    processes.check_attempt(3, Caller("k", "agent").attempt)
    with pytest.raises(Refusal, match="attempt 2"):
        processes.check_attempt(3, Caller("runner", "run", "r1", 2).attempt)
