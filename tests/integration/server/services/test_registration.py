"""Flows are registered: one version for each change, and nothing of an executor."""

import asyncio
import datetime
from pathlib import Path
from typing import Any

import pytest

from headrace.core import now as clock
from headrace.schedules import CronSchedule, Schedule
from headrace.schedules.clocks import CronClock
from headrace.wire.claims import Exited
from headrace.wire.flow_runs import FlowRun, FlowRunState
from headrace.wire.flows import Flow, Registered, SetOverrides, SetSchedule
from headrace.wire.projects import Project
from headrace.wire.task_runs import TaskRunCounts, TaskRunPage
from tests.support.apps import App, Refused, play, serving
from tests.support.registered import (
    HOURLY,
    claimed,
    made,
    project,
    registered,
    request,
    runs,
    ticking,
)

NOON = datetime.datetime(2026, 3, 1, 12, 30, tzinfo=datetime.UTC)


async def refused(asking: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await asking
    return caught.value


def test_an_unknown_project_is_named_with_what_may_have_been_meant(
    database_url: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        await project(app, "Nightly Loads")
        error = await refused(app.post("/flows", request(project="nightly_loads"), Registered))
        assert (error.status, error.code) == (404, "project_not_found")
        assert "Did you mean 'Nightly Loads'?" in error.message
        assert "headrace project create nightly_loads" in error.message
        assert (await refused(project(app, "Nightly Loads"))).status == 409
        assert (await app.get("/projects", list[Project]))[0].flows == 0

    play(scenario, database_url, tmp_path)


def test_a_version_is_made_for_each_change(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        first = await registered(app)
        assert (first.version, first.is_new) == (1, True)
        again = await registered(app)
        assert (again.id, again.version, again.is_new) == (first.id, 1, False)
        second = await registered(app, hash="h2")
        assert (second.version, second.is_new) == (2, True)
        assert second.version_group_id == first.version_group_id
        forced = await registered(app, hash="h2", force=True)
        assert (forced.version, forced.is_new) == (3, True)
        assert (await app.get(f"/flows/{first.id}", Flow)).is_archived
        (current,) = await app.get("/flows", list[Flow])
        assert (current.version, current.graph) == (3, None)
        every = await app.get("/flows", list[Flow], archived="true", project="main", name="etl")
        assert [flow.version for flow in every] == [3, 2, 1]
        assert (await app.get(f"/flows/{forced.id}", Flow)).graph == request().graph

    play(scenario, database_url, tmp_path)


def test_an_idempotency_key_takes_the_place_of_the_hash(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app, idempotency_key="commit-1")
        assert not (await registered(app, hash="h2", idempotency_key="commit-1")).is_new
        assert (await registered(app, hash="h2", idempotency_key="commit-2")).is_new

    play(scenario, database_url, tmp_path)


def test_what_is_no_part_of_a_version_changes_without_one(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app, notes=["a"])
        again = await registered(app, notes=["b"], max_recoveries=7, on_disconnect="hold")
        assert not again.is_new
        flow = await app.get(f"/flows/{again.id}", Flow)
        assert (flow.notes, flow.max_recoveries, flow.on_disconnect) == (["b"], 7, "hold")

    play(scenario, database_url, tmp_path)


def test_what_is_registered_at_once_is_one_version_for_each_change(
    database_url: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        await project(app)
        asked = [
            app.post("/flows", request(hash=f"h{number % 4}"), Registered) for number in range(4)
        ]
        answers = await asyncio.gather(*asked)
        assert sorted(answer.version for answer in answers) == [1, 2, 3, 4]
        assert len({answer.version_group_id for answer in answers}) == 1
        same = [app.post("/flows", request(hash="same"), Registered) for _ in range(4)]
        answers = await asyncio.gather(*same)
        assert [answer.version for answer in answers] == [5] * 4
        assert sum(answer.is_new for answer in answers) == 1

    play(scenario, database_url, tmp_path)


def test_two_servers_make_one_version_for_each_change(postgresql: Any, tmp_path: Path):
    async def scenario(url: str) -> None:
        async with serving(url, tmp_path / "a") as one, serving(url, tmp_path / "b") as other:
            await project(one)
            asked = [
                app.post("/flows", request(hash=f"h{number}", schedule=HOURLY), Registered)
                for number in range(5)
                for app in (one, other)
            ]
            answers = await asyncio.gather(*asked)
            made_new = [answer.version for answer in answers if answer.is_new]
            assert sorted(made_new) == list(range(1, len(made_new) + 1))
            (current,) = await one.get("/flows", list[Flow])
            assert current.version == len(made_new)
            future = await runs(other)
            assert len(future) == len({run.scheduled_start_time for run in future})
            assert {run.flow_version for run in future} == {current.version}

    with postgresql.database() as url:
        asyncio.run(scenario(url))


def test_a_new_version_takes_over_what_nobody_has_claimed(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        time, move = ticking(NOON)
        with clock.replaced(time):
            await registered(app, schedule=HOURLY)
            by_hand = await made(app, start_time=NOON + datetime.timedelta(hours=9))
            move(hours=1)
            (taken,) = (await claimed(app, most=1)).runs
            # It has begun, so another attempt goes on with the code that it began with.
            told = Exited(attempt=1, reason="killed by SIGKILL")
            await app.post(f"/runs/{taken.id}/exited", told, type(None))
            move(hours=1)
            half_past = CronSchedule("45 * * * *")
            await registered(app, hash="h2", schedule=half_past, labels=["gpu"])
            found = {run.id: run for run in await runs(app)}
            assert found.pop(taken.id).flow_version == 1
            assert found.pop(by_hand.id).flow_version == 1
            late, *future = found.values()
            assert (late.flow_version, late.labels) == (2, ["gpu"])
            assert late.scheduled_start_time == NOON + datetime.timedelta(hours=1.5)
            history = await app.get(f"/flow-runs/{late.id}/states", list[FlowRunState])
            assert history[-1].who == "scheduler"
            assert "Version 2" in history[-1].message
            assert {run.flow_version for run in future} == {2}
            assert [str(run.scheduled_start_time)[14:16] for run in future] == ["45"] * 10

    play(scenario, database_url, tmp_path)


def test_a_run_that_a_person_has_paused_stays_paused(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        time, move = ticking(NOON)
        with clock.replaced(time):
            await registered(app, schedule=HOURLY)
            first, second, *_ = await runs(app)
            await app.post(f"/flow-runs/{second.id}/pause", None, FlowRun)
            await registered(app, hash="h2", schedule=HOURLY)
            assert first.id not in {run.id for run in await runs(app)}
            kept = await app.get(f"/flow-runs/{second.id}", FlowRun)
            assert (kept.state, kept.flow_version) == ("Paused", 2)
            assert kept.waiting is not None
            assert kept.waiting.reason.startswith("Paused by anonymous.")
            move(hours=5)
            await app.post(f"/flow-runs/{second.id}/resume", None, FlowRun)
            assert second.id in {run.id for run in (await claimed(app)).runs}

    play(scenario, database_url, tmp_path)


def test_a_new_version_that_needs_more_cancels_what_is_late(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        time, move = ticking(NOON)
        with clock.replaced(time):
            await registered(app, schedule=HOURLY)
            move(hours=1)
            await registered(app, hash="h2", required=True)
            (late,) = await runs(app)
            assert late.state == "Cancelled"
            assert "Version 2" in late.message
            assert "needs a value for 'day'" in late.message

    play(scenario, database_url, tmp_path)


def test_schedules_are_switched_off_and_on(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        flow = await registered(app, schedule=HOURLY)
        switch = f"/version-groups/{flow.version_group_id}/schedule"
        assert len(await runs(app)) == 10
        off = await app.post(switch, SetSchedule(active=False), Flow)
        assert (off.schedule_active, off.next_run) == (False, None)
        assert await runs(app) == []
        # The new version keeps what was said of the flow.
        await registered(app, hash="h2", schedule=HOURLY)
        assert await runs(app) == []
        on = await app.post(switch, SetSchedule(active=True), Flow)
        assert on.schedule_active
        assert len(await runs(app)) == 10
        await registered(app, hash="h2", schedule=HOURLY, schedule_active=False)
        assert await runs(app) == []

    play(scenario, database_url, tmp_path)


def test_a_flow_without_a_schedule_has_none_to_switch_on(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        flow = await registered(app)
        switch = f"/version-groups/{flow.version_group_id}/schedule"
        error = await refused(app.post(switch, SetSchedule(active=True), Flow))
        assert (error.status, error.code) == (409, "no_schedule")
        error = await refused(
            app.post("/version-groups/none/schedule", SetSchedule(active=True), Flow)
        )
        assert error.status == 404

    play(scenario, database_url, tmp_path)


def test_overrides_hold_for_all_versions(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        flow = await registered(app, schedule=HOURLY, labels=["etl"])
        path = f"/version-groups/{flow.version_group_id}/overrides"
        change = SetOverrides(parameters={"day": 7}, labels=["gpu"])
        await app.ask("PATCH", path, change, Flow)
        await app.ask("PATCH", path, SetOverrides(run_config={"type": "DockerRun"}), Flow)
        await registered(app, hash="h2", schedule=HOURLY, labels=["etl"])
        for run in await runs(app):
            assert (run.parameters, run.labels) == ({"day": 7}, ["gpu"])
            assert run.run_config == {"type": "DockerRun"}
        own = await made(app, parameters={"day": 8}, labels=["cpu"])
        run = await app.get(f"/flow-runs/{own.id}", FlowRun)
        assert (run.parameters, run.labels) == ({"day": 8}, ["cpu"])
        error = await refused(app.ask("PATCH", path, SetOverrides(parameters={"dya": 7}), Flow))
        assert "no parameter 'dya'. Did you mean 'day'?" in error.message
        after = await app.ask("PATCH", path, SetOverrides(reset=True), Flow)
        assert after.overrides == {}
        assert all(
            run.labels == ["etl"] for run in await runs(app, state="Scheduled") if run.id != own.id
        )

    play(scenario, database_url, tmp_path)


def test_a_schedule_that_gives_too_little_is_refused(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await project(app)
        asked = request(schedule=HOURLY, required=True)
        error = await refused(app.post("/flows", asked, Registered))
        assert (error.status, error.code) == (422, "bad_schedule")
        assert "needs a value for 'day'" in error.message
        assert await app.get("/flows", list[Flow]) == []
        enough = Schedule([CronClock("0 * * * *", parameter_defaults={"day": 3})])
        await app.post("/flows", request(schedule=enough, required=True), Registered)
        assert {run.parameters["day"] for run in await runs(app)} == {3}

    play(scenario, database_url, tmp_path)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"name": "e\ntl"}, "bad_name"),
        ({"labels": ["a\x00b"]}, "bad_name"),
        ({"labels": [f"l{number}" for number in range(51)]}, "too_many_labels"),
        ({"graph": {"name": "etl", "tasks": [], "edges": [], "executor": {}}}, "bad_graph"),
        ({"graph": {"name": "other", "tasks": [], "edges": []}}, "bad_graph"),
        ({"schedule": {"type": "Schedule", "clocks": [{"type": "Moon"}]}}, "bad_schedule"),
        ({"run_config": {"type": "SpaceRun"}}, "bad_run_config"),
        ({"storage": {"path": "x"}}, "bad_storage"),
        ({"storage": {"type": "Local", "path": "x" * 600_000}}, "too_large"),
        ({"on_disconnect": "explode"}, "bad_on_disconnect"),
        ({"lost_after": -1}, "bad_lost_after"),
        ({"max_recoveries": -1}, "bad_max_recoveries"),
        ({"notes": ["x" * 3000]}, "bad_notes"),
    ],
)
def test_what_is_not_right_is_refused_and_nothing_is_written(
    change: dict[str, Any], code: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        await project(app)
        asked = request()
        for name, value in change.items():
            setattr(asked, name, value)
        error = await refused(app.post("/flows", asked, Registered))
        assert (error.status, error.code) == (422, code)
        assert await app.get("/flows", list[Flow], archived="true") == []

    play(scenario, f"sqlite:///{tmp_path / 'x.db'}", tmp_path)


@pytest.mark.parametrize("field", ["executor", "code"])
def test_a_field_that_is_unknown_is_refused(field: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await project(app)
        import msgspec

        body = msgspec.to_builtins(request()) | {field: {"address": "tcp://private:8786"}}
        error = await refused(app.post("/flows", body, Registered))
        assert error.status == 400
        assert field in error.message

    play(scenario, f"sqlite:///{tmp_path / 'x.db'}", tmp_path)


def test_labels_that_nobody_serves_are_a_warning(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await claimed(app, labels=["etl"])
        assert (await registered(app, labels=["etl"])).warnings == []
        (warning,) = (await registered(app, labels=["etl", "gpu"], hash="h2")).warnings
        assert "labels etl, gpu" in warning
        assert "headrace agent local start --label etl --label gpu" in warning
        config = {"type": "DockerRun"}
        (warning,) = (await registered(app, run_config=config, hash="h3")).warnings
        assert "No docker agent is online" in warning

    play(scenario, database_url, tmp_path)


def test_a_flow_of_very_many_tasks_is_registered_and_run(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await project(app)
        large = request()
        pattern = next(each for each in large.graph["tasks"] if each["slug"] == "load-1")
        many = [{**pattern, "name": f"t{n}", "slug": f"t{n}-1"} for n in range(20_000)]
        edge = large.graph["edges"][0]
        edges = [
            {
                **edge,
                "upstream_task": {"slug": f"t{n}-1"},
                "downstream_task": {"slug": f"t{n + 1}-1"},
            }
            for n in range(19_999)
        ]
        large.graph.update(tasks=many, edges=edges, parameters=[], reference_tasks=[])
        await app.post("/flows", large, Registered)
        run = await made(app)
        counts = await app.get(f"/flow-runs/{run.id}/task-runs/counts", TaskRunCounts)
        assert counts.states == {"Pending": 20_000}
        page = await app.get(f"/flow-runs/{run.id}/task-runs", TaskRunPage, limit=5)
        assert [task.slug for task in page.items] == [f"t{n}-1" for n in (0, 1, 10, 100, 1000)]

    play(scenario, database_url, tmp_path)


def test_an_archived_flow_is_not_run_and_comes_back(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        flow = await registered(app, schedule=HOURLY)
        assert (await app.post(f"/flows/{flow.id}/archive", None, Flow)).is_archived
        assert await runs(app) == []
        error = await refused(made(app))
        assert (error.status, error.code) == (409, "flow_archived")
        assert (await made(app, flow_id=flow.id)).is_new
        again = await registered(app, schedule=HOURLY)
        assert (again.id, again.is_new) == (flow.id, False)
        assert len(await runs(app)) == 11

    play(scenario, database_url, tmp_path)


def test_flows_and_projects_are_deleted_unless_they_are_being_run(
    database_url: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        flow = await registered(app)
        run = await made(app)
        await claimed(app)
        for path in (f"/flows/{flow.id}", "/projects/main"):
            error = await refused(app.delete(path))
            assert error.status == 409
            assert f"headrace flow-run cancel {run.id}" in error.message
        other = await registered(app, "other", schedule=HOURLY)
        await app.delete(f"/flows/{other.id}")
        assert [found.id for found in await runs(app)] == [run.id]
        assert (await refused(app.get(f"/flows/{other.id}", Flow))).status == 404
        await project(app, "empty")
        await app.delete("/projects/empty")
        assert (await refused(app.delete("/projects/empty"))).status == 404

    play(scenario, database_url, tmp_path)


def test_a_version_group_stays_in_its_project(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        flow = await registered(app)
        await project(app, "other")
        asked = request(project="other", version_group_id=flow.version_group_id)
        error = await refused(app.post("/flows", asked, Registered))
        assert (error.status, error.code) == (409, "other_project")
        named = request("renamed", version_group_id=flow.version_group_id, hash="h2")
        assert (await app.post("/flows", named, Registered)).version == 2

    play(scenario, database_url, tmp_path)
