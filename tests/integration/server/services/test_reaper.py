"""What the silent are left with, and when."""

import asyncio
import datetime
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

from sqlalchemy import select, text

from headrace.core.now import replaced
from headrace.server.db.schema import flow_runs
from headrace.server.rules.ownership import Policy
from headrace.server.services import reaper
from headrace.server.services.hub import Hub
from headrace.server.services.reaper import Reaper
from tests.support.stored_runs import NOW, insert_claim, insert_process, insert_run
from tests.support.stores import opened

SECOND = datetime.timedelta(seconds=1)
POLICY = Policy(lease=30 * SECOND, claim=60 * SECOND)


class Clock:
    """Both clocks, which a test moves."""

    def __init__(self) -> None:
        self.wall = NOW
        self.steady = 1000.0

    def __call__(self) -> datetime.datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.steady

    def pass_(self, seconds: float) -> None:
        self.wall += seconds * SECOND
        self.steady += seconds


@asynccontextmanager
async def _parts(url: str) -> AsyncIterator[Any]:
    async with opened(url) as database:
        yield SimpleNamespace(database=database, hub=Hub(), policy=POLICY)


def _lease(connection):
    return connection.execute(select(flow_runs.c.lease_until)).scalar_one()


def _states(connection):
    rows = connection.execute(select(flow_runs).order_by(flow_runs.c.key))
    return [(row.id, row.phase, row.attempt, row.recoveries) for row in rows]


def test_the_silent_lose_their_runs_after_their_term(database_url: str, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(reaper, "time", clock)

    def begin(connection):
        insert_run(connection, "claimed")
        insert_claim(connection, "claimed")
        insert_run(connection, "running", lost_after=20.0)
        insert_process(connection, "running", "n1")
        insert_run(connection, "holding", lost_after=1e6, on_disconnect="hold")
        insert_process(connection, "holding", "n1")
        insert_run(connection, "waiting")

    async def scenario() -> None:
        async with _parts(database_url) as parts:
            await parts.database.write(begin)
            service = Reaper()
            assert await service.look(parts) == 0
            taken = []
            with parts.hub.listen("work") as work:
                for _ in range(15):
                    clock.pass_(5)
                    taken.append(await service.look(parts))
                assert await work.wait(0.1)
            # The first look gave full terms: 30 s and 60 s from then.
            assert taken == [0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0]
            assert await parts.database.read(_states) == [
                ("claimed", "scheduled", 1, 1),
                ("running", "scheduled", 1, 1),
                ("holding", "scheduled", 1, 1),
                ("waiting", "scheduled", 0, 0),
            ]

    with replaced(clock):
        asyncio.run(scenario())


def test_time_in_which_nobody_served_does_not_count(database_url: str, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(reaper, "time", clock)

    def begin(connection):
        insert_run(connection, "running", lost_after=0.0)
        insert_process(connection, "running", "n1")

    async def scenario() -> None:
        async with _parts(database_url) as parts:
            await parts.database.write(begin)
            # After a start, much later.
            clock.pass_(10_000)
            service = Reaper()
            assert await service.look(parts) == 0
            assert await parts.database.read(_lease) == clock.wall.timestamp() + 30
            # After the process stood still.
            clock.pass_(100)
            assert await service.look(parts) == 0
            assert await parts.database.read(_lease) == clock.wall.timestamp() + 30
            # After the clock jumped ahead, which no monotonic clock does.
            clock.pass_(1)
            clock.wall += 3600 * SECOND
            assert await service.look(parts) == 0
            assert await parts.database.read(_lease) == clock.wall.timestamp() + 30
            # Back again: the dead are not to keep their runs until the clock is there once more.
            clock.pass_(1)
            clock.wall -= 3600 * SECOND
            assert await service.look(parts) == 0
            assert await parts.database.read(_lease) == clock.wall.timestamp() + 30
            for _ in range(6):
                clock.pass_(5)
                taken = await service.look(parts)
            assert taken == 1

    with replaced(clock):
        asyncio.run(scenario())


def test_a_claim_ahead_of_its_time_keeps_its_term(database_url: str, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(reaper, "time", clock)

    def begin(connection):
        insert_run(connection, "claimed")
        insert_claim(connection, "claimed", NOW)

    async def scenario() -> None:
        async with _parts(database_url) as parts:
            await parts.database.write(begin)
            clock.wall -= 10 * SECOND
            assert await Reaper().look(parts) == 0
            assert await parts.database.read(_lease) == NOW.timestamp() + 60
            clock.wall -= 3600 * SECOND
            assert await Reaper().look(parts) == 0
            assert await parts.database.read(_lease) == NOW.timestamp() + 60

    with replaced(clock):
        asyncio.run(scenario())


def test_many_runs_get_new_terms_at_once(database_url: str, monkeypatch):
    from headrace.server.db import leases

    monkeypatch.setattr(leases, "AT_ONCE", 3)
    clock = Clock()
    monkeypatch.setattr(reaper, "time", clock)

    def begin(connection):
        for number in range(7):
            insert_run(connection, f"r{number}", lost_after=0.0)
            insert_process(connection, f"r{number}", "n1")

    async def scenario() -> None:
        async with _parts(database_url) as parts:
            await parts.database.write(begin)
            clock.pass_(100)
            service = Reaper()
            assert await service.look(parts) == 0
            ends = await parts.database.read(
                lambda c: set(c.execute(select(flow_runs.c.lease_until)).scalars())
            )
            assert ends == {clock.wall.timestamp() + 30}
            for _ in range(6):
                clock.pass_(5)
                taken = await service.look(parts)
            assert taken == 7

    with replaced(clock):
        asyncio.run(scenario())


def test_an_idle_look_reads_an_index(tmp_path):
    from sqlalchemy.dialects import sqlite

    from headrace.server.db import leases

    seen = []

    async def scenario() -> None:
        async with opened(f"sqlite:///{tmp_path / 'x.db'}") as database:

            def look(connection):
                real = connection.execute

                class Spy:
                    def execute(self, statement):
                        seen.append(statement)
                        return real(statement)

                assert leases.expired(Spy(), NOW) == []
                compiled = seen[0].compile(
                    dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}
                )
                plan = real(text(f"EXPLAIN QUERY PLAN {compiled}"))
                return " ".join(row.detail for row in plan)

            assert "ix_flow_runs_leased" in await database.read(look)

    asyncio.run(scenario())
