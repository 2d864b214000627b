"""Reads and writes: what is durable, what is undone, what is refused."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from headrace.core.errors import DatabaseBusy, DatabaseError, DatabaseUnavailable
from headrace.server.db import writer
from headrace.server.db.database import Database
from headrace.server.db.schema import agents
from tests.support.postgres import PostgreSQL
from tests.support.stores import add_agent, agent_names, opened


class Held:
    """A write that goes on until it is let go of."""

    def __init__(self, database: Database) -> None:
        self._begun, self._go = threading.Event(), threading.Event()
        self.done = asyncio.ensure_future(database.write(self._hold))

    @classmethod
    async def begun(cls, database: Database) -> Held:
        """Begin such a write; what is written from now on waits for it."""
        held = cls(database)
        assert await asyncio.to_thread(held._begun.wait, 60)
        return held

    def let_go(self) -> None:
        self._go.set()

    def _hold(self, _: Connection) -> bool:
        self._begun.set()
        return self._go.wait(60)


def test_what_waits_together_is_written_in_one_transaction(database_url: str):
    async def scenario() -> None:
        async with opened(database_url) as database:
            held = await Held.begun(database)
            rest = [asyncio.ensure_future(database.write(add_agent(f"a{n}"))) for n in range(20)]
            await asyncio.sleep(0.05)
            assert database.waiting == 20
            before = database.commits
            held.let_go()
            assert await asyncio.gather(held.done, *rest) == [True, *(f"a{n}" for n in range(20))]
            assert database.commits == before + 2
            assert len(await database.read(agent_names)) == 20

    asyncio.run(scenario())


def test_a_write_that_fails_is_undone_alone(database_url: str):
    def fail_late(connection: Connection) -> None:
        add_agent("half")(connection)
        raise LookupError("no")

    async def scenario() -> None:
        async with opened(database_url) as database:
            jobs = [add_agent("a"), fail_late, add_agent("b"), add_agent("a"), add_agent("c")]
            done = await asyncio.gather(*map(database.write, jobs), return_exceptions=True)
            assert [type(result) for result in done] == [str, LookupError, str, IntegrityError, str]
            assert await database.read(agent_names) == ["a", "b", "c"]

    asyncio.run(scenario())


def test_items_of_a_group_are_written_by_one_call_and_one_by_one_if_that_fails(database_url: str):
    calls: list[list[str]] = []

    def group(connection: Connection, items):
        calls.append(list(items))
        for item in items:
            add_agent(item)(connection)
        return [ValueError(item) if item == "odd" else item.upper() for item in items]

    async def scenario() -> None:
        async with opened(database_url) as database:
            names = ["a", "b", "odd"]
            held = await Held.begun(database)
            asked = [asyncio.ensure_future(database.write_grouped(group, name)) for name in names]
            await asyncio.sleep(0.05)
            held.let_go()
            done = await asyncio.gather(*asked, return_exceptions=True)
            assert await held.done
            assert done[:2] == ["A", "B"]
            assert isinstance(done[2], ValueError)
            assert len(calls) == 1
            assert await database.read(agent_names) == ["a", "b", "odd"]
            calls.clear()
            names = ["c", "a", "d"]
            done = await asyncio.gather(
                *(database.write_grouped(group, name) for name in names), return_exceptions=True
            )
            assert [type(result) for result in done] == [str, IntegrityError, str]
            assert await database.read(agent_names) == ["a", "b", "c", "d", "odd"]

    asyncio.run(scenario())


def test_reads_cannot_write(database_url: str):
    async def scenario() -> None:
        async with opened(database_url) as database:
            with pytest.raises(DBAPIError, match=r"readonly|read-only"):
                await database.read(add_agent("a"))
            assert await database.read(agent_names) == []

    asyncio.run(scenario())


def test_reads_go_on_beside_a_long_write(database_url: str):
    async def scenario() -> None:
        async with opened(database_url) as database:
            begun, held = threading.Event(), threading.Event()

            def slow(connection: Connection) -> None:
                add_agent("a")(connection)
                begun.set()
                held.wait(60)

            writing = asyncio.ensure_future(database.write(slow))
            assert await asyncio.to_thread(begun.wait, 60)
            found = await asyncio.gather(*(database.read(agent_names) for _ in range(10)))
            held.set()
            await writing
            assert found == [[]] * 10
            assert await database.read(agent_names) == ["a"]

    asyncio.run(scenario())


def test_too_much_that_waits_is_refused_and_not_piled_up(database_url: str, monkeypatch):
    monkeypatch.setattr(writer, "MOST_JOBS", 3)
    monkeypatch.setattr(writer, "MOST_BYTES", 1000)
    monkeypatch.setattr(writer, "_LARGE", 500)

    def group(connection: Connection, items):
        return items

    async def scenario() -> None:
        async with opened(database_url) as database:
            held = await Held.begun(database)
            waiting = [asyncio.ensure_future(database.write_grouped(group, 1, 1200))]
            await asyncio.sleep(0)
            with pytest.raises(DatabaseBusy, match="1 writes wait"):
                await database.write_grouped(group, 2, 10)
            held.let_go()
            await asyncio.gather(held.done, *waiting)
            held = await Held.begun(database)
            waiting = [asyncio.ensure_future(database.write(add_agent(f"a{n}"))) for n in range(3)]
            await asyncio.sleep(0)
            with pytest.raises(DatabaseBusy, match="Ask again"):
                await database.write(add_agent("b"))
            held.let_go()
            await asyncio.gather(held.done, *waiting)
            await database.write(add_agent("b"))

    asyncio.run(scenario())


def test_small_writes_pass_large_ones(database_url: str, monkeypatch):
    monkeypatch.setattr(writer, "_BYTES_AT_ONCE", 1)
    done: list[str] = []

    def group(connection: Connection, items):
        done.extend(items)
        return items

    async def scenario() -> None:
        async with opened(database_url) as database:
            held = await Held.begun(database)
            large = [
                asyncio.ensure_future(database.write_grouped(group, f"large {n}", 100_000))
                for n in range(3)
            ]
            await asyncio.sleep(0)
            small = asyncio.ensure_future(database.write(lambda _: done.append("small")))
            await asyncio.sleep(0)
            held.let_go()
            await asyncio.gather(held.done, small, *large)
            assert done == ["small", "large 0", "large 1", "large 2"]

    asyncio.run(scenario())


def test_a_full_disk_is_told_to_whoever_it_has_no_room_for(tmp_path: Path):
    def limit(pages: int):
        def set_limit(connection: Connection) -> None:
            found = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {found + pages}")

        return set_limit

    async def scenario() -> None:
        async with opened(f"sqlite:///{tmp_path / 'x.db'}") as database:
            await database.write(limit(5))
            jobs = [add_agent("a"), add_agent("x" * 100_000), add_agent("b")]
            done = await asyncio.gather(*map(database.write, jobs), return_exceptions=True)
            assert [type(result) for result in done] == [str, DatabaseUnavailable, str]
            assert "It was not written" in str(done[1])
            assert "disk is full" in str(done[1])
            await database.write(limit(500))
            await database.write(add_agent("x" * 100_000))
            assert [name[0] for name in await database.read(agent_names)] == ["a", "b", "x"]

    asyncio.run(scenario())


def test_closing_writes_what_waits_and_refuses_what_comes(database_url: str):
    async def scenario() -> None:
        async with opened(database_url) as database:
            held = await Held.begun(database)
            rest = [asyncio.ensure_future(database.write(add_agent(f"a{n}"))) for n in range(3)]
            await asyncio.sleep(0.05)
            closing = asyncio.ensure_future(database.close())
            await asyncio.sleep(0.05)
            with pytest.raises(DatabaseUnavailable, match="shutting down"):
                await database.write(add_agent("late"))
            held.let_go()
            await asyncio.gather(held.done, *rest, closing)
        async with opened(database_url) as database:
            assert await database.read(agent_names) == ["a0", "a1", "a2"]

    asyncio.run(scenario())


def test_what_was_answered_for_survives_a_kill(database_url: str):
    code = f"""
import asyncio, sys
sys.path.insert(0, {os.getcwd()!r})
from tests.support.stores import add_agent
from headrace.server.db.database import Database
async def main():
    database = Database.open({database_url!r})
    async def one(n):
        for i in range(100000):
            print(await database.write(add_agent(f"{{n}}-{{i}}")), flush=True)
    await asyncio.gather(*map(one, range(8)))
asyncio.run(main())
"""

    async def names() -> list[str]:
        async with opened(database_url) as database:
            return await database.read(agent_names)

    assert asyncio.run(names()) == []
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        told = [process.stdout.readline().decode().strip() for _ in range(50)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.read().decode().splitlines()[:-1]
    assert set(told) <= set(asyncio.run(names()))


def _cut(postgresql: PostgreSQL, url: str) -> None:
    """Cut the connections of this test; the server has databases of others."""
    name = url.rpartition("/")[2]
    postgresql.execute(
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    )


def test_lost_connections_are_made_anew(postgresql: PostgreSQL):
    async def scenario(url: str) -> None:
        async with opened(url) as database:
            await database.write(add_agent("a"))
            assert await database.read(agent_names) == ["a"]
            _cut(postgresql, url)
            assert await database.read(agent_names) == ["a"]
            _cut(postgresql, url)
            await database.write(add_agent("b"))
            calls = []

            def interrupted(connection: Connection) -> None:
                calls.append(1)
                add_agent("c")(connection)
                if len(calls) == 1:
                    _cut(postgresql, url)
                connection.execute(text("SELECT 1"))

            # It was lost before its commit, so nothing is doubled by doing it again.
            await asyncio.gather(database.write(interrupted), database.write(add_agent("d")))
            assert calls == [1, 1]
            assert await database.read(agent_names) == ["a", "b", "c", "d"]

    with postgresql.database() as url:
        asyncio.run(scenario(url))


def test_a_commit_that_is_not_answered_is_told_as_what_it_is(postgresql: PostgreSQL):
    async def scenario(url: str) -> None:
        async with opened(url) as database:

            def cut_at_the_end(connection: Connection) -> None:
                add_agent("a")(connection)
                pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
                # The answer of the savepoint's release comes first: the commit finds no server.
                timer = threading.Timer(
                    1.0, postgresql.execute, [f"SELECT pg_terminate_backend({pid})"]
                )
                timer.start()

            slow = text(
                "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON agents DEFERRABLE INITIALLY "
                "DEFERRED FOR EACH ROW EXECUTE FUNCTION slow()"
            )

            def make_slow(connection: Connection) -> None:
                connection.execute(
                    text(
                        "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS "
                        "$$ BEGIN IF NEW.id = 'a' THEN PERFORM pg_sleep(60); END IF; RETURN NEW; END $$"
                    )
                )
                connection.execute(slow)

            await database.write(make_slow)
            with pytest.raises(DatabaseUnavailable, match="Whether it was written is not known"):
                await database.write(cut_at_the_end)
            await database.write(add_agent("b"))
            assert "b" in await database.read(agent_names)

    with postgresql.database() as url:
        asyncio.run(scenario(url))


def test_a_deadlock_of_two_servers_is_tried_again(postgresql: PostgreSQL):
    def update(first: str, second: str, pause: float):
        def write(connection: Connection) -> None:
            for name in (first, second):
                connection.execute(agents.update().where(agents.c.id == name).values(last_seen=1.0))
                time.sleep(pause)

        return write

    async def scenario(url: str) -> None:
        async with opened(url) as one, opened(url) as other:
            await one.write(add_agent("a"))
            await one.write(add_agent("b"))
            await asyncio.gather(
                one.write(update("a", "b", 0.2)),
                other.write(update("b", "a", 0.2)),
                other.write(add_agent("c")),
            )
            assert await one.read(agent_names) == ["a", "b", "c"]

    with postgresql.database() as url:
        asyncio.run(scenario(url))


def test_a_database_that_is_away_is_told_and_then_found_again(monkeypatch):
    monkeypatch.setattr(writer, "_PATIENCE", 0.2)

    async def scenario() -> None:
        database = Database.open("postgresql://me:hidden@127.0.0.1:1/nothing")
        with pytest.raises(DatabaseUnavailable, match=r"It was not written.*127\.0\.0\.1"):
            await database.write(add_agent("a"))
        with pytest.raises(DatabaseUnavailable, match="cannot be reached") as raised:
            await database.read(agent_names)
        assert "hidden" not in str(raised.value)
        await database.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("nonsense", "no database URL"),
        ("mysql://me@host/db", "'mysql' cannot be used"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
    ],
)
def test_an_address_that_cannot_be_used_is_named(url: str, told: str):
    with pytest.raises(DatabaseError, match=told):
        Database.open(url)
