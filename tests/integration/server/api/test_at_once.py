"""Many clients who ask for the same thing, or for opposite things, at the same moment."""

import asyncio
import random
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headrace.wire.claims import Activate, Activated
from headrace.wire.flow_runs import FlowRun, FlowRunState
from headrace.wire.flows import Flow
from tests.support.apps import App, Refused, play
from tests.support.registered import claimed, made, registered, request, started


async def all_of(asking: list[Any]) -> list[Any]:
    """Ask all at once; a refusal is its status."""
    answers = await asyncio.gather(*asking, return_exceptions=True)
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, Refused):
            raise answer
    return [answer.status if isinstance(answer, Refused) else answer for answer in answers]


async def run_of(app: App, run_id: str) -> FlowRun:
    return await app.get(f"/flow-runs/{run_id}", FlowRun)


def test_one_idempotency_key_makes_one_run(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        runs = await all_of([made(app, idempotency_key="once") for _ in range(20)])
        assert len({run.id for run in runs}) == 1
        assert Counter(run.is_new for run in runs) == {True: 1, False: 19}

    play(scenario, database_url, tmp_path)


def test_one_flow_registered_by_many_is_one_version(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        same = await all_of([registered(app, "same") for _ in range(10)])
        assert Counter((each.version, each.is_new) for each in same) == {
            (1, True): 1,
            (1, False): 9,
        }
        different = await all_of([registered(app, "same", hash=f"v{n}") for n in range(10)])
        assert sorted(each.version for each in different) == list(range(2, 12))
        versions = await app.get("/flows", list[Flow], name="same", archived=True)
        assert [flow.version for flow in versions if not flow.is_archived] == [11]

    play(scenario, database_url, tmp_path)


def test_a_run_that_is_cancelled_while_it_is_claimed_is_not_begun(
    database_url: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        await registered(app)
        chance = random.Random(1)
        outcomes: Counter[str] = Counter()
        for _ in range(25):
            run_id = (await made(app)).id
            both = [claimed(app, most=1), cancelled_soon(app, run_id, chance.random() * 0.01)]
            chance.shuffle(both)
            answers = await all_of(both)
            runs = [run for answer in answers if hasattr(answer, "runs") for run in answer.runs]
            run = await run_of(app, run_id)
            if not runs:
                assert run.state == "Cancelled"
                outcomes["not claimed"] += 1
                continue
            body = Activate(attempt=1, nonce="n1", host="box", pid=1)
            activated = await app.post(f"/runs/{run_id}/activate", body, Activated)
            if activated.refused is None:
                # It is told with its first words: its orders are those of its first report.
                raise AssertionError(f"it may begin though it is {run.state}")
            outcomes["claimed"] += 1
            assert (await run_of(app, run_id)).state == "Cancelled"
        assert outcomes["claimed"] + outcomes["not claimed"] == 25

    play(scenario, database_url, tmp_path)


async def cancelled_soon(app: App, run_id: str, seconds: float) -> FlowRun:
    await asyncio.sleep(seconds)
    return await app.post(f"/flow-runs/{run_id}/cancel", {}, FlowRun)


def test_storms_of_orders_leave_one_story(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        process = await started(app)
        of_run = f"/flow-runs/{process.run_id}"

        async def order(what: str) -> FlowRun:
            return await app.post(f"{of_run}/{what}", {}, FlowRun)

        await all_of([order(what) for what in ["pause", "resume"] * 20])
        run = await run_of(app, process.run_id)
        answer = await process.log("still here")
        assert (run.state == "Pausing") == (answer.pause is not None)
        await all_of([order(what) for what in ["pause", "resume", "cancel", "restart"] * 10])
        assert (await run_of(app, process.run_id)).state == "Cancelling"
        assert (await process.log("still here")).cancel is not None
        await process.end("Cancelled")
        answers = await all_of([order(what) for what in ["cancel", "pause", "resume"] * 5])
        assert not any(answer == 500 for answer in answers)
        assert (await run_of(app, process.run_id)).state == "Cancelled"
        states = await app.get(f"{of_run}/states", list[FlowRunState])
        assert states[-1].state == "Cancelled"

    play(scenario, database_url, tmp_path)


@pytest.mark.parametrize("what", ["run", "flow", "project"])
def test_what_is_being_run_is_not_deleted_and_its_process_goes_on(
    what: str, database_url: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        flow = await registered(app)
        process = await started(app)
        path = {
            "run": f"/flow-runs/{process.run_id}",
            "flow": f"/flows/{flow.id}",
            "project": "/projects/main",
        }[what]
        with pytest.raises(Refused) as refused:
            await app.delete(path)
        assert refused.value.status == 409
        assert f"headrace flow-run cancel {process.run_id}" in refused.value.message
        assert (await process.log("still here")).refused is None
        await process.end()
        await app.delete(path)
        # Whoever says something of it later learns that it is gone.
        with pytest.raises(Refused) as gone:
            await process.log("too late")
        assert gone.value.status == 404

    play(scenario, database_url, tmp_path)


def test_requests_that_take_the_same_name_are_told_who_was_first(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        body = {"name": "one"}
        answers = await all_of([app.post("/projects", body, msgspec.Raw) for _ in range(10)])
        assert Counter(answer for answer in answers if answer == 409) == {409: 9}
        wanted = [app.post("/flows", request(project="one"), msgspec.Raw) for _ in range(5)]
        assert not any(isinstance(answer, int) for answer in await all_of(wanted))

    play(scenario, database_url, tmp_path)
