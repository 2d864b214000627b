"""Flow runs are made, ordered about, waited for; their history tells all of it."""

import asyncio
import datetime
import time
from pathlib import Path
from typing import Any

import pytest

from headrace.core import now as clock
from headrace.wire.claims import Exited
from headrace.wire.flow_runs import (
    CreatedFlowRun,
    FlowRun,
    FlowRunPage,
    FlowRunState,
    Reason,
    Resume,
)
from tests.support.apps import App, Refused, play
from tests.support.registered import (
    HOURLY,
    activated,
    claimed,
    made,
    registered,
    runs,
    started,
    ticking,
)

NOON = datetime.datetime(2026, 3, 1, 12, 30, tzinfo=datetime.UTC)


async def refused(asking: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await asking
    return caught.value


async def order(app: App, run_id: str, what: str, body: Any = None) -> FlowRun:
    return await app.post(f"/flow-runs/{run_id}/{what}", body, FlowRun)


async def history(app: App, run_id: str) -> list[tuple[str, str, int]]:
    found = await app.get(f"/flow-runs/{run_id}/states", list[FlowRunState])
    return [(entry.state, entry.who, entry.attempt) for entry in found]


def test_a_run_is_what_its_flow_says_or_what_is_asked_for(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        config = {"type": "LocalRun", "labels": ["gpu"], "env": None, "working_dir": None}
        await registered(app, labels=["etl", "gpu"], run_config=config, notes=["Mind the gap."])
        plain = await app.get(f"/flow-runs/{(await made(app)).id}", FlowRun)
        assert (plain.labels, plain.run_config, plain.parameters) == (["etl", "gpu"], config, {})
        assert (plain.created_by, plain.state, plain.notes) == (
            "anonymous",
            "Scheduled",
            ["Mind the gap."],
        )
        assert plain.waiting is not None
        other = await made(
            app,
            parameters={"day": 2},
            run_config={"type": "DockerRun", "labels": ["cpu"]},
            priority=5,
            name="by hand",
            start_time="2030-01-01T00:00:00Z",
        )
        run = await app.get(f"/flow-runs/{other.id}", FlowRun)
        assert (run.name, run.priority, run.parameters) == ("by hand", 5, {"day": 2})
        assert run.labels == ["cpu", "etl"]
        assert run.scheduled_start_time == datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
        assert run.waiting is not None
        assert run.waiting.whose_turn == "clock"

    play(scenario, database_url, tmp_path)


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({"parameters": {"dya": 1}}, 422, "no parameter 'dya'. Did you mean 'day'?"),
        ({"flow_name": "elt"}, 404, "Did you mean 'etl'?"),
        ({"project_name": "mian"}, 404, "Did you mean 'main'?"),
        ({"project_name": None}, 422, "flow_name with project_name"),
        ({"flow_id": "nothing"}, 404, "'nothing'"),
        ({"name": "a\nb"}, 422, "U+000A"),
        ({"labels": [""]}, 422, "A label"),
        ({"run_config": {"type": "X"}}, 422, "LocalRun"),
        ({"priority": 10**9}, 422, "priority"),
        ({"parameters": {"day": "x" * 600_000}}, 422, "Store the value elsewhere"),
        ({"idempotency_key": "scheduled:2026"}, 422, "schedule's"),
        ({"start_time": "tomorrow"}, 400, "start_time"),
        ({"parameter": {}}, 400, "parameter"),
    ],
)
def test_what_is_not_right_is_refused(
    fields: dict[str, Any], status: int, message: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        await registered(app)
        error = await refused(made(app, **fields))
        assert error.status == status
        assert message in error.message
        assert await runs(app) == []

    play(scenario, f"sqlite:///{tmp_path / 'x.db'}", tmp_path)


def test_a_required_parameter_is_missed(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app, required=True)
        error = await refused(made(app))
        assert (error.status, error.code) == (422, "bad_parameters")
        assert "needs a value for 'day'" in error.message
        await made(app, parameters={"day": None})

    play(scenario, database_url, tmp_path)


def test_an_id_and_names_must_not_contradict_each_other(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        flow = await registered(app)
        other = await registered(app, "other")
        error = await refused(made(app, flow_id=other.id))
        assert (error.status, error.code) == (422, "contradiction")
        named = {"flow_name": None, "project_name": None}
        for chosen in ({"flow_id": flow.id}, {"version_group_id": flow.version_group_id}):
            run = await made(app, **named, **chosen)
            assert (await app.get(f"/flow-runs/{run.id}", FlowRun)).flow_name == "etl"

    play(scenario, database_url, tmp_path)


def test_a_key_makes_one_run(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        created = await asyncio.gather(*(made(app, idempotency_key="k") for _ in range(10)))
        assert sum(run.is_new for run in created) == 1
        assert len({(run.id, run.name) for run in created}) == 1
        again = await made(app, idempotency_key="k")
        assert (again.id, again.is_new) == (created[0].id, False)
        assert len(await runs(app)) == 1
        assert len(await history(app, again.id)) == 1

    play(scenario, database_url, tmp_path)


def test_many_are_made_at_once_or_none(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        one = {"flow_name": "etl", "project_name": "main"}
        wrong = [one, {**one, "parameters": {"x": 1}}]
        error = await refused(app.post("/flow-runs/batch", wrong, list[CreatedFlowRun]))
        assert error.message.startswith("Of 2 flow runs, number 2 cannot be made, so none was.")
        assert await runs(app) == []
        keyed = [{**one, "idempotency_key": f"k{number // 2}"} for number in range(600)]
        created = await app.post("/flow-runs/batch", keyed, list[CreatedFlowRun])
        assert [run.is_new for run in created] == [True, False] * 300
        assert len(await runs(app)) == 300
        error = await refused(app.post("/flow-runs/batch", [one] * 1001, list[CreatedFlowRun]))
        assert error.code == "too_many"

    play(scenario, database_url, tmp_path)


def test_one_that_is_wrong_fails_alone(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        asked = [made(app, parameters={"x": 1} if number % 3 else {}) for number in range(30)]
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert [isinstance(result, Refused) for result in results] == [
            bool(number % 3) for number in range(30)
        ]
        assert len(await runs(app)) == 10

    play(scenario, database_url, tmp_path)


def test_pages_hold_each_run_once_newest_first(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        time_, move = ticking(NOON)
        with clock.replaced(time_):
            await registered(app)
            await registered(app, "other")
            ids = []
            for number in range(7):
                # Some are made at the same moment.
                move(seconds=number % 2)
                ids.append((await made(app, name=f"run {number}")).id)
            cancelled = await made(app, flow_name="other")
            await order(app, cancelled.id, "cancel")
        seen: list[str] = []
        after = None
        while True:
            page = await app.get("/flow-runs", FlowRunPage, flow="etl", limit=3, after=after)
            seen += [run.id for run in page.items]
            after = page.next
            if after is None:
                break
        assert seen == ids[::-1]
        assert {run.id for run in await runs(app, state="Cancelled,Failed")} == {cancelled.id}
        assert len(await runs(app, project="main")) == 8
        assert await runs(app, project="none") == []
        assert [run.id for run in await runs(app, name="run 3")] == [ids[3]]
        assert [run.id for run in await runs(app, id_begins=ids[3][:13])] == [ids[3]]
        assert await runs(app, id_begins="%") == []
        assert (await refused(app.get("/flow-runs", FlowRunPage, after="x"))).status == 422
        assert (await refused(app.get("/flow-runs", FlowRunPage, limit=0))).status == 422

    play(scenario, database_url, tmp_path)


def test_a_run_that_nobody_has_is_cancelled_at_once(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        run = await made(app)
        cancelled = await order(app, run.id, "cancel", Reason(reason="wrong day"))
        assert (cancelled.state, cancelled.is_finished) == ("Cancelled", True)
        assert cancelled.message == "Cancelled by anonymous: wrong day."
        assert cancelled.waiting is None
        assert (await claimed(app)).runs == []
        # Once more changes nothing.
        assert (await order(app, run.id, "cancel")).message == cancelled.message
        assert await history(app, run.id) == [
            ("Scheduled", "anonymous", 0),
            ("Cancelled", "anonymous", 0),
        ]

    play(scenario, database_url, tmp_path)


def test_a_run_that_somebody_runs_is_ordered_to_stop(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        process = await started(app)
        cancelling = await order(app, process.run_id, "cancel", Reason(reason="wrong day"))
        assert cancelling.state == "Cancelling"
        assert cancelling.waiting is not None
        assert cancelling.waiting.reason.startswith("Cancelled by anonymous: wrong day.")
        assert cancelling.waiting.whose_turn == "runner"
        answer = await process.send()
        assert answer.cancel == "Cancelled by anonymous: wrong day."
        await process.end("Cancelled")
        run = await app.get(f"/flow-runs/{process.run_id}", FlowRun)
        assert (run.state, run.host, run.pid, run.agent) == ("Cancelled", "box", 12, "box")
        assert [entry[:2] for entry in await history(app, run.id)] == [
            ("Scheduled", "anonymous"),
            ("Submitted", "box"),
            ("Running", "runner"),
            ("Cancelling", "anonymous"),
            ("Cancelled", "runner"),
        ]

    play(scenario, database_url, tmp_path)


def test_a_scheduled_run_is_paused_and_resumed(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        run = await made(app)
        paused = await order(app, run.id, "pause", Reason(reason="lunch"))
        assert paused.state == "Paused"
        assert paused.waiting is not None
        assert paused.waiting.remedy == f"headrace flow-run resume {run.id}"
        assert (await claimed(app)).runs == []
        assert (await order(app, run.id, "resume")).state == "Scheduled"
        assert len((await claimed(app)).runs) == 1
        error = await refused(order(app, run.id, "resume"))
        assert (error.status, error.code) == (409, "not_paused")

    play(scenario, database_url, tmp_path)


def test_a_run_that_is_resumed_before_it_has_stopped_goes_on(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        process = await started(app)
        run_id = process.run_id
        assert (await order(app, run_id, "pause")).state == "Pausing"
        told = (await process.log("one task is still running")).pause
        assert told is not None
        assert (await order(app, run_id, "resume")).state == "Running"
        await process.end("Paused", message=told, ordered=True)
        run = await app.get(f"/flow-runs/{run_id}", FlowRun)
        assert (run.state, run.message) == (
            *("Scheduled", "It was resumed before it had stopped: it goes on."),
        )
        assert [(each.id, each.attempt) for each in (await claimed(app)).runs] == [(run_id, 2)]
        second = await activated(app, run_id, attempt=2, nonce="n2")
        # What waits for a person, whatever was ordered, goes on waiting.
        await order(app, run_id, "pause")
        await order(app, run_id, "resume")
        await second.end("Paused", message="A task wants to be looked at.")
        assert (await app.get(f"/flow-runs/{run_id}", FlowRun)).state == "Paused"

    play(scenario, database_url, tmp_path)


def test_a_run_that_is_paused_while_its_agent_holds_it_has_lost_nothing(
    database_url: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        await registered(app, max_recoveries=0)
        run = await made(app)
        await claimed(app)
        await order(app, run.id, "pause", Reason(reason="not today"))
        told = Exited(attempt=1, reason="its agent was told not to start it")
        await app.post(f"/runs/{run.id}/exited", told, type(None))
        paused = await app.get(f"/flow-runs/{run.id}", FlowRun)
        assert (paused.state, paused.recoveries) == ("Paused", 0)
        assert "not today" in paused.message
        await order(app, run.id, "resume")
        (again,) = (await claimed(app)).runs
        assert (again.id, again.attempt) == (run.id, 2)

    play(scenario, database_url, tmp_path)


def test_a_run_that_paused_itself_goes_on_with_the_tasks_that_a_person_names(
    database_url: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        await registered(app)
        process = await started(app)
        await process.task("load-1", "Paused", message="Ask maria.")
        await process.task("load-2", "Paused", map_index=3)
        await process.end("Paused", message="Two tasks wait for a person.")
        run_id = process.run_id
        run = await app.get(f"/flow-runs/{run_id}", FlowRun)
        assert (run.state, run.is_finished) == ("Paused", False)
        assert run.waiting is not None
        assert "load-1, load-2[3]" in run.waiting.reason
        error = await refused(order(app, run_id, "resume", Resume(tasks=[("load-2", 4)])))
        assert (error.status, error.code) == (422, "task_not_paused")
        await order(app, run_id, "resume", Resume(tasks=[("load-2", 3)], reason="checked"))
        (again,) = (await claimed(app)).runs
        assert again.attempt == 2
        second = await activated(app, run_id, attempt=2, nonce="n2")
        details = await app.post(
            f"/runs/{run_id}/activate", {"attempt": 2, "nonce": "n2"}, dict[str, Any]
        )
        assert details["run"]["resumed"] == [["load-2", 3]]
        await second.end("Paused", message="One task waits for a person.")
        await order(app, run_id, "resume")
        assert len((await claimed(app)).runs) == 1
        await activated(app, run_id, attempt=3, nonce="n3")
        details = await app.post(
            f"/runs/{run_id}/activate", {"attempt": 3, "nonce": "n3"}, dict[str, Any]
        )
        assert sorted(details["run"]["resumed"]) == [["load-1", -1], ["load-2", 3]]

    play(scenario, database_url, tmp_path)


def test_a_run_that_is_over_is_restarted(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        process = await started(app)
        error = await refused(order(app, process.run_id, "restart"))
        assert (error.status, error.code) == (409, "not_finished")
        await process.end("Failed", message="load-1 failed.")
        assert (await refused(order(app, process.run_id, "pause"))).code == "cannot_pause"
        run = await order(app, process.run_id, "restart", Reason(reason="mended"))
        assert (run.state, run.is_finished, run.ended) == ("Scheduled", False, None)
        assert run.message == "Restarted by anonymous: mended."
        (again,) = (await claimed(app)).runs
        assert (again.id, again.attempt) == (process.run_id, 2)

    play(scenario, database_url, tmp_path)


def test_only_what_nobody_runs_and_no_schedule_makes_again_is_deleted(
    database_url: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        await registered(app, schedule=HOURLY)
        for run in await runs(app):
            error = await refused(app.delete(f"/flow-runs/{run.id}"))
            assert (error.status, error.code) == (409, "scheduled")
        process = await started(app)
        path = f"/flow-runs/{process.run_id}"
        assert (await refused(app.delete(path))).code == "being_run"
        await process.task("load-1", "Success")
        await process.log("hello")
        await process.end()
        await app.delete(path)
        assert (await refused(app.get(path, FlowRun))).status == 404
        assert (await refused(app.delete(path))).code == "flow_run_not_found"

    play(scenario, database_url, tmp_path)


def test_waiting_is_answered_when_the_state_changes(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        run = await made(app)
        path = f"/flow-runs/{run.id}/wait"
        # A state that it does not have any more is answered at once.
        at_once = await app.get(path, FlowRun, state="Running", seconds=30)
        assert at_once.state == "Scheduled"
        began = time.monotonic()
        assert (await app.get(path, FlowRun, state="Scheduled", seconds=0.2)).state == "Scheduled"
        assert 0.15 < time.monotonic() - began < 20
        waiting = asyncio.create_task(app.get(path, FlowRun, state="Scheduled", seconds=30))
        unnamed = asyncio.create_task(app.get(path, FlowRun, seconds=30))
        await asyncio.sleep(0.3)
        began = time.monotonic()
        await claimed(app)
        assert {(await waiting).state, (await unnamed).state} == {"Submitted"}
        assert time.monotonic() - began < 15  # both would wait for 30 s
        assert (await refused(app.get("/flow-runs/none/wait", FlowRun))).status == 404

    play(scenario, database_url, tmp_path)
