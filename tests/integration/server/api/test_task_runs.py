"""Task runs: pages of them, counts, histories, and why each waits."""

import datetime
from pathlib import Path
from typing import Any

import pytest

from headrace.core.now import now, timestamp
from headrace.wire.flow_runs import FlowRun
from headrace.wire.task_runs import TaskRun, TaskRunCounts, TaskRunPage, TaskRunState
from tests.support.apps import App, Refused, play
from tests.support.registered import activated, claimed, made, registered, started


async def pages(app: App, run_id: str, limit: int, **query: Any) -> list[TaskRun]:
    found: list[TaskRun] = []
    after = None
    while True:
        page = await app.get(
            f"/flow-runs/{run_id}/task-runs", TaskRunPage, limit=limit, after=after, **query
        )
        assert len(page.items) <= limit
        found += page.items
        after = page.next
        if after is None:
            return found


async def one(app: App, run_id: str, slug: str, map_index: int = -1) -> TaskRun:
    return await app.get(f"/flow-runs/{run_id}/task-runs/{slug}/{map_index}", TaskRun)


def test_tasks_are_there_before_their_turn(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app, labels=["gpu"])
        run = await made(app)
        found = await pages(app, run.id, 2)
        assert [(task.slug, task.map_index, task.state) for task in found] == [
            ("day", -1, "Pending"),
            ("load-1", -1, "Pending"),
            ("load-2", -1, "Pending"),
        ]
        for task in found:
            assert task.waiting is not None
            assert "no agent with the label gpu" in task.waiting.reason
            assert task.waiting.remedy == "headrace agent local start --label gpu"
        await app.post(f"/flow-runs/{run.id}/cancel", None, FlowRun)
        task = await one(app, run.id, "load-1")
        assert task.waiting is not None
        assert "is over (Cancelled)" in task.waiting.reason

    play(scenario, database_url, tmp_path)


def test_each_task_says_why_it_waits(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        process = await started(app)
        run_id = process.run_id

        async def reason(slug: str, map_index: int = -1) -> str:
            waiting = (await one(app, run_id, slug, map_index)).waiting
            assert waiting is not None
            return waiting.reason

        assert await reason("day") == "It is ready, and waits for a free slot of the executor."
        assert await reason("load-1") == "It waits for the upstream task day (Pending)."
        await process.task("day", "Success")
        await process.task("load-1", "Running", place="box:99")
        assert (await reason("load-1")).startswith("It is running on box:99 since")
        assert await reason("load-2") == "It waits for the upstream task load-1 (Running)."
        due = now() + datetime.timedelta(hours=1)
        await process.task("load-1", "Retrying", message="Try 2.", due=due.timestamp())
        assert await reason("load-1") == f"Try 2. It is tried again at {due:%H:%M:%S} UTC."
        await process.task("load-1", "Paused")
        assert "paused until a person" in await reason("load-1")
        await process.task("load-1", "Running")
        await app.post(
            f"/runs/{run_id}/exited", {"attempt": 1, "reason": "killed by SIGKILL"}, type(None)
        )
        assert "It was running in attempt 1, and runs again" in await reason("load-1")
        await claimed(app)
        await activated(app, run_id, attempt=2, nonce="n2")
        assert (
            await reason("load-1") == "It was running in attempt 1, which was lost: it runs again."
        )

    play(scenario, database_url, tmp_path)


def test_mapped_children_have_pages_and_counts(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        process = await started(app)
        run_id = process.run_id
        await process.task("day", "Success")
        await process.task("load-1", "Success", location="s3://x/1", started=timestamp())
        await process.task("load-2", "Mapped", children=12)
        for number in range(11):
            state = "Failed" if number == 7 else "Success"
            await process.task("load-2", state, map_index=number, reused=number == 1)
        found = await pages(app, run_id, 4)
        assert [(task.slug, task.map_index) for task in found] == [
            ("day", -1),
            ("load-1", -1),
            ("load-2", -1),
            *(("load-2", number) for number in range(11)),
        ]
        assert [task.map_index for task in await pages(app, run_id, 5, slug="load-2")] == [
            *range(-1, 11)
        ]
        (failed,) = await pages(app, run_id, 5, state="Failed")
        assert (failed.slug, failed.map_index, failed.name) == ("load-2", 7, "load[7]")
        assert failed.is_finished
        assert failed.waiting is None
        assert await pages(app, run_id, 5, state="Pending") == []
        counts = await app.get(f"/flow-runs/{run_id}/task-runs/counts", TaskRunCounts)
        assert counts.states == {"Success": 12, "Failed": 1, "Pending": 1}
        assert counts.tasks["load-2"] == {"Success": 10, "Failed": 1, "Pending": 1}
        parent = await one(app, run_id, "load-2")
        assert (parent.children, parent.state) == (12, "Mapped")
        assert (await one(app, run_id, "load-1")).location == "s3://x/1"
        assert (await one(app, run_id, "load-2", 1)).reused

    play(scenario, database_url, tmp_path)


def test_pages_hold_pending_tasks_in_their_places(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        process = await started(app)
        await process.task("load-1", "Running")
        for limit in (1, 2, 3):
            found = await pages(app, process.run_id, limit)
            assert [(task.slug, task.state) for task in found] == [
                ("day", "Pending"),
                ("load-1", "Running"),
                ("load-2", "Pending"),
            ]
        both = await pages(app, process.run_id, 1, state="Pending,Running")
        assert [task.slug for task in both] == ["day", "load-1", "load-2"]
        pending = await pages(app, process.run_id, 1, state="Pending")
        assert [task.slug for task in pending] == ["day", "load-2"]

    play(scenario, database_url, tmp_path)


def test_a_history_tells_all_attempts(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        process = await started(app)
        run_id = process.run_id
        await process.task("load-1", "Running")
        await app.post(f"/runs/{run_id}/exited", {"attempt": 1, "reason": "gone"}, type(None))
        await claimed(app)
        second = await activated(app, run_id, attempt=2, nonce="n2")
        await second.task("load-1", "Running", place="box:1")
        await process.task("load-1", "Success")
        await second.task("load-1", "Success", message="Done.")
        path = f"/flow-runs/{run_id}/task-runs/load-1/-1/states"
        entries = await app.get(path, list[TaskRunState])
        assert [(entry.attempt, entry.state, entry.is_stale) for entry in entries] == [
            (1, "Running", False),
            (1, "Success", True),
            (2, "Running", False),
            (2, "Success", False),
        ]
        task = await one(app, run_id, "load-1")
        assert (task.state, task.message, task.attempt) == ("Success", "Done.", 2)
        nothing = f"/flow-runs/{run_id}/task-runs/day/-1/states"
        assert await app.get(nothing, list[TaskRunState]) == []

    play(scenario, database_url, tmp_path)


@pytest.mark.parametrize("path", ["lod-1/-1", "load-2/3", "lod-1/-1/states", "load-2/3/states"])
def test_what_there_is_not_is_named(path: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        run = await made(app)
        with pytest.raises(Refused) as refused:
            await app.get(f"/flow-runs/{run.id}/task-runs/{path}", TaskRun)
        assert (refused.value.status, refused.value.code) == (404, "task_run_not_found")
        assert f"headrace task-run list {run.id}" in refused.value.message

    play(scenario, f"sqlite:///{tmp_path / 'x.db'}", tmp_path)
