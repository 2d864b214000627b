"""Log lines are read on from where somebody has stopped: each once, in order, late ones too."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from headrace.wire.flow_runs import FlowRun
from headrace.wire.logs import LogPage
from tests.support.apps import App, Refused, play, serving
from tests.support.registered import Process, activated, claimed, registered, started


async def page(app: App, run_id: str, after: str | None = None, **query: object) -> LogPage:
    return await app.get(f"/flow-runs/{run_id}/logs", LogPage, after=after, **query)


async def read_all(app: App, run_id: str, limit: int = 3, **query: object) -> list[str]:
    lines: list[str] = []
    after = None
    while True:
        found = await page(app, run_id, after, limit=limit, **query)
        lines += [line.message for line in found.items]
        assert len(found.items) <= limit
        if not found.items:
            return lines
        after = found.next


def test_lines_come_once_and_in_order(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        process = await started(app)
        run_id = process.run_id
        nothing = await page(app, run_id)
        assert (nothing.items, nothing.is_finished) == ([], False)
        await process.log(*(f"line {number}" for number in range(8)))
        await process.task("load-1", "Running")
        await process.log("last")
        assert await read_all(app, run_id) == [*(f"line {number}" for number in range(8)), "last"]
        whole = await page(app, run_id)
        assert not whole.is_finished
        await process.log("more")
        rest = await page(app, run_id, whole.next)
        assert [line.message for line in rest.items] == ["more"]
        await process.end()
        end = await page(app, run_id, rest.next)
        assert (end.items, end.is_finished) == ([], True)
        assert not (await page(app, run_id, limit=2)).is_finished
        assert (await page(app, run_id, limit=100)).is_finished

    play(scenario, database_url, tmp_path)


def test_lines_are_chosen_by_level_and_task(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        process = await started(app)
        run_id = process.run_id
        for number in range(10):
            await process.log(f"flow {number}", level=20)
            await process.log(f"task {number}", level=30, slug="load-1", map_index=number)
        assert await read_all(app, run_id, level=30) == [f"task {number}" for number in range(10)]
        assert await read_all(app, run_id, task="load-1", limit=4) == await read_all(
            app, run_id, level=30
        )
        nothing = await page(app, run_id, level=40)
        assert nothing.items == []
        # What was passed over is not looked at again.
        assert nothing.next == (await page(app, run_id, limit=1000)).next
        await process.log("bad", level=40)
        (line,) = (await page(app, run_id, nothing.next, level=40)).items
        assert (line.message, line.level, line.attempt, line.slug) == ("bad", 40, 1, None)

    play(scenario, database_url, tmp_path)


async def lost(app: App, process: Process) -> None:
    """Let an attempt be lost."""
    await app.post(
        f"/runs/{process.run_id}/exited",
        {"attempt": process.attempt, "reason": "killed by SIGKILL"},
        type(None),
    )


def test_late_lines_of_an_older_attempt_come_too(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        first = await started(app)
        run_id = first.run_id
        await first.log("first 1", "first 2")
        await lost(app, first)
        await claimed(app)
        second = await activated(app, run_id, attempt=2, nonce="n2")
        await second.log("second 1")
        seen = await page(app, run_id)
        assert [line.message for line in seen.items] == ["first 1", "first 2", "second 1"]
        await first.log("first 3")
        await second.log("second 2")
        after = await page(app, run_id, seen.next)
        assert [(line.message, line.attempt, line.is_stale) for line in after.items] == [
            ("first 3", 1, True),
            ("second 2", 2, False),
        ]
        await second.end()
        assert (await page(app, run_id, after.next)).is_finished
        assert await read_all(app, run_id, limit=2) == [
            *("first 1", "first 2", "second 1", "first 3", "second 2")
        ]

    play(scenario, database_url, tmp_path)


def test_whoever_follows_gets_lines_as_they_come(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        process = await started(app)
        run_id = process.run_id
        lines: list[str] = []

        async def follow() -> None:
            after = None
            while True:
                found = await page(app, run_id, after, wait=30, limit=7)
                lines.extend(line.message for line in found.items)
                after = found.next
                if found.is_finished:
                    return

        following = asyncio.create_task(follow())
        for number in range(30):
            await process.log(f"a {number}", f"b {number}")
            await asyncio.sleep(0.005)
        began = time.monotonic()
        await process.end()
        await asyncio.wait_for(following, 60)
        assert time.monotonic() - began < 15  # it would wait for 30 s
        assert lines == [f"{letter} {number}" for number in range(30) for letter in "ab"]

    play(scenario, database_url, tmp_path)


def test_whoever_follows_at_another_server_gets_them_too(postgresql: Any, tmp_path: Path):
    async def scenario(url: str) -> None:
        async with serving(url, tmp_path / "a") as one, serving(url, tmp_path / "b") as other:
            await registered(one)
            process = await started(one)
            run_id = process.run_id
            following = asyncio.create_task(page(other, run_id, wait=30))
            waiting = asyncio.create_task(
                other.get(f"/flow-runs/{run_id}/wait", FlowRun, state="Running", seconds=30)
            )
            await asyncio.sleep(0.5)
            began = time.monotonic()
            await process.log("hello")
            assert [line.message for line in (await following).items] == ["hello"]
            await process.end()
            assert (await waiting).state == "Success"
            assert time.monotonic() - began < 15  # both would wait for 30 s

    with postgresql.database() as url:
        asyncio.run(scenario(url))


def test_a_wait_ends_when_its_time_is_up(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        process = await started(app)
        began = time.monotonic()
        assert (await page(app, process.run_id, wait=0.3)).items == []
        assert 0.25 < time.monotonic() - began < 20
        # A run that is over has nothing to wait for.
        await app.post(f"/flow-runs/{process.run_id}/cancel", None, FlowRun)
        await process.end("Cancelled")
        assert (await asyncio.wait_for(page(app, process.run_id, wait=30), 20)).is_finished

    play(scenario, database_url, tmp_path)


@pytest.mark.parametrize(
    "query", [{"after": "x"}, {"after": "1:x"}, {"limit": 0}, {"limit": 10**6}]
)
def test_what_cannot_be_asked_is_refused(query: dict[str, object], tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        process = await started(app)
        with pytest.raises(Refused) as refused:
            await page(app, process.run_id, **query)
        assert refused.value.status == 422
        with pytest.raises(Refused) as refused:
            await page(app, "none")
        assert refused.value.code == "flow_run_not_found"

    play(scenario, f"sqlite:///{tmp_path / 'x.db'}", tmp_path)
