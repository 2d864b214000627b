"""The next ten runs of each flow with a schedule are there, each once, whatever else goes on."""

import asyncio
import datetime
import logging
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import update

from headrace.core import now as clock
from headrace.core.errors import DatabaseBusy
from headrace.schedules import CronSchedule, IntervalSchedule, Schedule
from headrace.schedules.clocks import CronClock, DatesClock
from headrace.server import application
from headrace.server.db import writer
from headrace.server.db.scheduled_runs import fill
from headrace.server.db.schema import flows
from headrace.server.parts import Parts
from headrace.server.rules.planning import plan
from headrace.server.services.scheduler import Scheduler
from headrace.wire.flow_runs import FlowRun
from headrace.wire.flows import Flow, SetOverrides, SetSchedule
from tests.support.apps import App, play, serving
from tests.support.registered import HOURLY, claimed, made, registered, request, runs, ticking

NOON = datetime.datetime(2026, 3, 1, 12, 30, tzinfo=datetime.UTC)
UTC = datetime.UTC


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the application's own scheduler stand still: it could look at any time, and so with a
    clock or flows that the test has just changed.
    """

    class Still:
        async def run(self, parts: Parts) -> None:
            with parts.hub.listen("schedules") as told:
                while not parts.hub.is_closed:
                    await told.wait(None)

    monkeypatch.setattr(application, "scheduler", Still())


def times(found: list[FlowRun], zone: datetime.tzinfo = UTC) -> list[str]:
    return [
        f"{run.scheduled_start_time.astimezone(zone):%m-%d %H:%M}"
        for run in found
        if run.scheduled_start_time is not None
    ]


@pytest.mark.usefixtures("alone")
def test_ten_runs_are_ahead_and_follow_the_time(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        time, move = ticking(NOON)
        with clock.replaced(time):
            await registered(app, schedule=HOURLY, labels=["etl"])
            scheduler = Scheduler()
            pause = await scheduler.look(app.parts)
            assert pause == datetime.timedelta(minutes=1)
            first = await runs(app)
            assert times(first) == [f"03-01 {hour}:00" for hour in range(13, 23)]
            assert {(run.created_by, *run.labels) for run in first} == {("scheduler", "etl")}
            move(minutes=30, seconds=-20)
            assert await scheduler.look(app.parts) == datetime.timedelta(seconds=20)
            assert len(await runs(app)) == 10
            move(hours=2, seconds=20)
            await scheduler.look(app.parts)
            assert times(await runs(app))[-3:] == ["03-01 23:00", "03-02 00:00", "03-02 01:00"]
            assert len(await runs(app)) == 13

    play(scenario, database_url, tmp_path)


@pytest.mark.usefixtures("alone")
@pytest.mark.parametrize(
    ("zone", "begin"),
    [
        ("Europe/Berlin", "2026-03-25"),
        ("Europe/Berlin", "2026-10-21"),
        ("America/New_York", "2026-03-04"),
        ("America/New_York", "2026-10-28"),
    ],
)
def test_a_daily_run_keeps_its_time_when_the_clocks_change(
    zone: str, begin: str, database_url: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        there = ZoneInfo(zone)
        start = datetime.datetime.fromisoformat(begin).replace(hour=12, tzinfo=there)
        time, move = ticking(start.astimezone(UTC))
        with clock.replaced(time):
            daily = CronSchedule(
                "30 3 * * *", start_date=datetime.datetime(2026, 1, 1, tzinfo=there)
            )
            await registered(app, schedule=daily)
            scheduler = Scheduler()
            await scheduler.look(app.parts)
            for _ in range(4):
                move(days=1)
                await scheduler.look(app.parts)
            found = await runs(app)
            days = [start + datetime.timedelta(days=number) for number in range(1, 15)]
            assert times(found, there) == [f"{day:%m-%d} 03:30" for day in days]
            assert len({run.scheduled_start_time.utcoffset() for run in found}) == 1
            offsets = {run.scheduled_start_time.astimezone(there).utcoffset() for run in found}
            assert len(offsets) == 2

    play(scenario, database_url, tmp_path)


def test_clocks_bring_their_parameters_and_labels(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        time, _ = ticking(NOON)
        with clock.replaced(time):
            two = Schedule(
                [
                    CronClock("0 * * * *", parameter_defaults={"day": 5}, labels=["gpu"]),
                    CronClock("0 */2 * * *"),
                ]
            )
            await registered(app, schedule=two, labels=["etl"])
            found = [(*times([run]), run.parameters, run.labels) for run in await runs(app)]
            assert found[0] == ("03-01 13:00", {"day": 5}, ["gpu"])
            assert sorted(found[1:3], key=str) == [
                ("03-01 14:00", {"day": 5}, ["gpu"]),
                ("03-01 14:00", {}, ["etl"]),
            ] or sorted(found[1:3], key=str) == [
                ("03-01 14:00", {}, ["etl"]),
                ("03-01 14:00", {"day": 5}, ["gpu"]),
            ]

    play(scenario, database_url, tmp_path)


@pytest.mark.usefixtures("alone")
def test_a_schedule_that_ends_makes_no_more(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        time, move = ticking(NOON)
        with clock.replaced(time):
            ends = NOON + datetime.timedelta(hours=2)
            await registered(app, schedule=CronSchedule("0 * * * *", end_date=ends))
            scheduler = Scheduler()
            await scheduler.look(app.parts)
            assert times(await runs(app)) == ["03-01 13:00", "03-01 14:00"]
            move(days=1)
            await scheduler.look(app.parts)
            assert len(await runs(app)) == 2

    play(scenario, database_url, tmp_path)


@pytest.mark.usefixtures("alone")
def test_a_schedule_that_is_bad_stops_no_other(
    database_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async def scenario(app: App) -> None:
        time, move = ticking(NOON)
        with clock.replaced(time):
            bad = await registered(app, "bad", schedule=HOURLY)
            missing = await registered(app, "missing", schedule=HOURLY)
            good = await registered(app, "good", schedule=HOURLY)
            needs = '[{"name": "day", "required": true}]'

            def spoil(connection: Any) -> None:
                for flow_id, values in (
                    (bad.id, {"schedule": '{"type": "Schedule", "clocks": [{"type": "Moon"}]}'}),
                    (missing.id, {"parameters": needs}),
                ):
                    connection.execute(update(flows).where(flows.c.id == flow_id).values(values))

            await app.parts.database.write(spoil)
            move(hours=5)
            scheduler = Scheduler()
            with caplog.at_level(logging.WARNING, "headrace.server"):
                for _ in range(3):
                    await scheduler.look(app.parts)
                    move(minutes=10)
            assert len(await runs(app, flow="good")) == 15
            assert len(await runs(app, flow="bad")) == 10
            assert len(await runs(app, flow="missing")) == 10
            said = [record.getMessage() for record in caplog.records]
            # Once, not at each of three looks.
            assert len([text for text in said if "'bad'" in text]) == 1
            assert len([text for text in said if "needs a value for 'day'" in text]) == 1
            (note,) = (await app.get(f"/flows/{bad.id}", Flow)).notes
            assert note.startswith("Its schedule cannot be read")
            (note,) = (await app.get(f"/flows/{missing.id}", Flow)).notes
            assert "needs a value for 'day'" in note
            assert (await app.get(f"/flows/{good.id}", Flow)).notes == []

    play(scenario, database_url, tmp_path)


@pytest.mark.usefixtures("alone")
def test_a_run_that_was_cancelled_is_not_made_again(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        time, _ = ticking(NOON)
        with clock.replaced(time):
            await registered(app, schedule=HOURLY)
            first = (await runs(app))[0]
            await app.post(f"/flow-runs/{first.id}/cancel", None, FlowRun)
            await Scheduler().look(app.parts)
            found = await runs(app)
            assert len(found) == 10
            assert found[0].state == "Cancelled"

    play(scenario, database_url, tmp_path)


def test_runs_that_are_there_follow_overrides(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        time, move = ticking(NOON)
        with clock.replaced(time):
            flow = await registered(app, schedule=HOURLY)
            move(hours=1)
            path = f"/version-groups/{flow.version_group_id}/overrides"
            await app.ask("PATCH", path, SetOverrides(parameters={"day": 3}), Flow)
            late, *future = await runs(app)
            assert late.parameters == {}
            assert [run.parameters for run in future] == [{"day": 3}] * 10

    play(scenario, database_url, tmp_path)


def test_several_servers_make_each_run_once(postgresql: Any, tmp_path: Path):
    async def scenario(url: str) -> None:
        async with serving(url, tmp_path / "a") as one, serving(url, tmp_path / "b") as other:
            time, move = ticking(NOON)
            with clock.replaced(time):
                for number in range(5):
                    await registered(one, f"flow {number}", schedule=HOURLY)
                for _ in range(3):
                    move(hours=3)
                    schedulers = [Scheduler() for _ in range(4)]
                    await asyncio.gather(
                        *(
                            scheduler.look(app.parts)
                            for scheduler, app in zip(
                                schedulers, (one, other, one, other), strict=True
                            )
                        )
                    )
                assert len(await runs(one)) == 5 * 19

    with postgresql.database() as url:
        asyncio.run(scenario(url))


def test_the_service_makes_runs_by_itself_and_agents_get_them(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        # The first is not past when the service comes to it, however slow the machine is.
        soon = clock.now() + datetime.timedelta(seconds=8)
        dates = [soon + datetime.timedelta(seconds=number) for number in range(12)]
        await registered(app, schedule=Schedule([DatesClock(dates)]))
        async with asyncio.timeout(90):
            while len(await runs(app)) < 12:  # noqa: ASYNC110 - a poll
                await asyncio.sleep(0.1)
        assert len(await runs(app)) == 12
        assert len((await claimed(app, most=1)).runs) == 1

    play(scenario, database_url, tmp_path)


@pytest.mark.usefixtures("alone")
def test_a_flow_that_is_registered_by_another_server_is_found(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        time, move = ticking(NOON)
        with clock.replaced(time):
            scheduler = Scheduler()
            await scheduler.look(app.parts)
            flow = await registered(app, schedule=IntervalSchedule(interval=datetime.timedelta(1)))
            await scheduler.look(app.parts)
            move(days=3)
            await scheduler.look(app.parts)
            assert len(await runs(app)) == 13
            await app.post(f"/flows/{flow.id}/archive", None, Flow)
            move(days=3)
            await scheduler.look(app.parts)
            assert await runs(app) == []

    play(scenario, database_url, tmp_path)


def test_a_plan_that_comes_too_late_makes_nothing(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        time, _ = ticking(NOON)
        with clock.replaced(time):
            flow = await registered(app, schedule=HOURLY)
            planned = plan(HOURLY, NOON, 10)
            switch = f"/version-groups/{flow.version_group_id}/schedule"

            async def filled() -> int:
                return await app.parts.database.write(
                    lambda connection: fill(connection, flow.id, planned, NOON.timestamp())
                )

            # Another server has planned it while this one was told otherwise.
            await app.post(switch, SetSchedule(active=False), Flow)
            assert await filled() == 0
            await app.post(switch, SetSchedule(active=True), Flow)
            assert await filled() == 0
            assert len(await runs(app)) == 10
            await app.post(f"/flows/{flow.id}/archive", None, Flow)
            assert await filled() == 0
            assert await runs(app) == []

    play(scenario, database_url, tmp_path)


def test_runs_by_hand_are_left_alone(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        time, _ = ticking(NOON)
        with clock.replaced(time):
            flow = await registered(app, schedule=HOURLY)
            run = await made(app, start_time="2026-03-01T20:00:00Z")
            await app.post("/flows", request(hash="h2", schedule=HOURLY), dict[str, Any])
            kept = await app.get(f"/flow-runs/{run.id}", FlowRun)
            assert (kept.flow_id, kept.state) == (flow.id, "Scheduled")

    play(scenario, database_url, tmp_path)


@pytest.mark.usefixtures("alone")
def test_a_database_that_takes_nothing_for_a_while_costs_no_run_after_it(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    async def scenario(app: App) -> None:
        time, move = ticking(NOON)
        with clock.replaced(time):
            await registered(app, schedule=HOURLY)
            scheduler = Scheduler()
            await scheduler.look(app.parts)
            with monkeypatch.context() as patched:
                patched.setattr(writer, "MOST_JOBS", 0)
                for _ in range(12):
                    move(hours=1)
                    with pytest.raises(DatabaseBusy):
                        await scheduler.look(app.parts)
            move(minutes=5)
            await scheduler.look(app.parts)
            move(minutes=25)
            await scheduler.look(app.parts)
            assert "03-02 01:00" in times(await runs(app))

    play(scenario, database_url, tmp_path)


@pytest.mark.usefixtures("alone")
def test_a_clock_that_is_set_back_costs_no_run(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        time, move = ticking(NOON + datetime.timedelta(hours=3))
        with clock.replaced(time):
            await registered(app, schedule=HOURLY)
            scheduler = Scheduler()
            await scheduler.look(app.parts)
            move(hours=-3)
            await scheduler.look(app.parts)
            assert times(await runs(app))[:4] == [f"03-01 {hour}:00" for hour in range(13, 17)]

    play(scenario, database_url, tmp_path)


def test_a_version_that_stays_keeps_to_its_own_schedule(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        time, _ = ticking(NOON)
        with clock.replaced(time):
            await registered(app, schedule=HOURLY, idempotency_key="build 7")
            often = IntervalSchedule(interval=datetime.timedelta(minutes=7))
            again = await registered(app, hash="h2", schedule=often, idempotency_key="build 7")
            assert not again.is_new
            assert times(await runs(app)) == [f"03-01 {hour}:00" for hour in range(13, 23)]

    play(scenario, database_url, tmp_path)
