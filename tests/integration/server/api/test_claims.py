"""Agents get runs: the right ones, in their order, at their time, each once."""

import asyncio
import datetime
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from headrace.core.now import timestamp
from headrace.server.db.schema import attempts
from headrace.wire.agents import Agent
from headrace.wire.claims import Activate, Activated, Claim, Claimed
from headrace.wire.flow_runs import CreatedFlowRun, CreateFlowRun, FlowRun, FlowRunState
from tests.support.apps import App, Refused, play
from tests.support.registered import made, registered


async def claim(app: App, agent: str = "a1", labels: str = "", **fields: Any) -> Claimed:
    body = Claim(agent=agent, name=f"box {agent}", kind="local", labels=labels.split(), **fields)
    return await app.post("/claims", body, Claimed)


async def ids(asking: Any) -> list[str]:
    return [run.id for run in (await asking).runs]


async def run_of(app: App, run_id: str) -> FlowRun:
    return await app.get(f"/flow-runs/{run_id}", FlowRun)


def soon(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(timestamp() + seconds, datetime.UTC).isoformat()


def test_a_claimed_run_says_whose_it_is_and_nobody_else_gets_it(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app, storage={"type": "Local"}, labels=["gpu"])
        new = await made(app)
        assert await ids(claim(app, "a1", "eu")) == []
        (got,) = (await claim(app, "a1", "eu gpu")).runs
        assert (got.id, got.name, got.attempt, got.lease) == (new.id, new.name, 1, 60.0)
        assert (got.flow_name, got.project_name, got.labels) == ("etl", "main", ["gpu"])
        assert got.storage == {"type": "Local"}
        assert await ids(claim(app, "a2", "gpu")) == []
        run = await run_of(app, new.id)
        assert (run.state, run.agent, run.attempt) == ("Submitted", "box a1", 1)
        assert run.message == "The agent box a1 is deploying it."
        states = await app.get(f"/flow-runs/{new.id}/states", list[FlowRunState])
        assert [(state.state, state.who) for state in states][-1] == ("Submitted", "box a1")

    play(scenario, database_url, tmp_path)


def test_runs_go_by_priority_then_by_time(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        wanted = [(0, -5), (0, -9), (5, -1), (5, -3), (-1, -100)]
        for priority, at in wanted:
            await made(app, name=f"{priority}/{at}", priority=priority, start_time=soon(at))
        got = (await claim(app, most=3)).runs + (await claim(app, most=3)).runs
        assert [run.name for run in got] == ["5/-3", "5/-1", "0/-9", "0/-5", "-1/-100"]

    play(scenario, database_url, tmp_path)


def test_an_agent_gets_runs_of_its_kind(tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        docker = await made(app, run_config={"type": "DockerRun", "labels": []})
        anywhere = await made(app, run_config={"type": "UniversalRun", "labels": []})
        assert await ids(claim(app, most=5)) == [anywhere.id]
        body = Claim(agent="d", name="d", kind="docker", most=5)
        assert await ids(app.post("/claims", body, Claimed)) == [docker.id]

    play(scenario, f"sqlite:///{tmp_path / 'headrace.db'}", tmp_path)


def test_who_waits_is_woken_at_once(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        waiting = asyncio.create_task(claim(app, wait=30))
        await asyncio.sleep(0.1)
        began = timestamp()
        new = await made(app)
        assert await ids(waiting) == [new.id]
        assert timestamp() - began < 9  # without being woken, it would be 10 s

    play(scenario, database_url, tmp_path)


def test_a_wait_ends_with_nothing_and_says_when_the_next_run_is_due(tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        began = timestamp()
        assert (await claim(app, wait=0.2)) == Claimed()
        assert 0.15 < timestamp() - began < 20
        await made(app, start_time=soon(40))
        got = await claim(app)
        assert got.runs == []
        assert got.next_due == pytest.approx(40, abs=15)

    play(scenario, f"sqlite:///{tmp_path / 'headrace.db'}", tmp_path)


def test_a_scheduled_run_is_handed_out_when_it_is_due(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        at = timestamp() + 2.0
        new = await made(app, start_time=soon(2.0))
        assert await ids(claim(app, wait=30)) == [new.id]
        assert at - 0.05 <= timestamp() < at + 7  # the next plain look would be ten seconds later

    play(scenario, database_url, tmp_path)


def test_a_run_is_handed_out_ahead_of_its_time_to_who_asks_for_that(
    database_url: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        await registered(app)
        at = timestamp() + 12
        new = await made(app, start_time=soon(12))
        waits = asyncio.create_task(claim(app, "a1", wait=30))
        await asyncio.sleep(0)
        (got,) = (await claim(app, "a2", wait=30, ahead=9.5)).runs
        assert got.id == new.id
        assert at - 9.7 < timestamp() < at
        assert at <= got.start_time.timestamp() < at + 1.5
        waits.cancel()

    play(scenario, database_url, tmp_path)


@pytest.mark.parametrize(
    ("field", "value"), [("ahead", 11), ("ahead", -1), ("most", 1001), ("most", -1), ("wait", -1)]
)
def test_what_no_agent_may_ask_is_refused_by_name(field: str, value: float, tmp_path: Path):
    async def scenario(app: App) -> None:
        with pytest.raises(Refused, match=f"{field}: {value}") as caught:
            await claim(app, **{field: value})
        assert caught.value.status == 400

    play(scenario, f"sqlite:///{tmp_path / 'headrace.db'}", tmp_path)


def test_a_deployment_that_goes_on_keeps_its_claim(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        new = await made(app)
        await claim(app)
        assert (await claim(app, most=0, deploying=[new.id])).cancelled == []
        assert (await claim(app, most=0, deploying=[new.id, "unknown"])).cancelled == ["unknown"]
        assert (await claim(app, "a2", most=0, deploying=[new.id])).cancelled == [new.id]
        await app.post(f"/flow-runs/{new.id}/cancel", {}, FlowRun)
        assert (await claim(app, most=0, deploying=[new.id])).cancelled == [new.id]

    play(scenario, database_url, tmp_path)


def test_an_agent_that_waits_learns_at_once_that_a_run_is_cancelled(
    database_url: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        await registered(app)
        new = await made(app)
        await claim(app)
        waiting = asyncio.create_task(claim(app, wait=30, deploying=[new.id]))
        await asyncio.sleep(0.1)
        began = timestamp()
        await app.post(f"/flow-runs/{new.id}/cancel", {}, FlowRun)
        assert (await waiting).cancelled == [new.id]
        assert timestamp() - began < 9

    play(scenario, database_url, tmp_path)


def test_a_claim_that_the_agent_does_not_know_of_goes_to_another_attempt(
    database_url: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        await registered(app)
        new = await made(app)
        (lost,) = (await claim(app)).runs
        # It asks again, and does not say that it has the run: the answer never got to it.
        (again,) = (await claim(app, wait=20)).runs
        assert (again.id, again.attempt) == (new.id, 2)
        assert again.token != lost.token
        twin = await app.post(f"/runs/{new.id}/activate", Activate(attempt=1, nonce="n"), Activated)
        assert twin.refused == "superseded"
        how = await app.parts.database.read(
            lambda c: c.execute(select(attempts.c.how).where(attempts.c.attempt == 1)).scalar_one()
        )
        assert "did not get to know of it" in how

    play(scenario, database_url, tmp_path)


def test_a_process_that_has_begun_is_not_taken_back(tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        new = await made(app)
        await claim(app)
        await app.post(f"/runs/{new.id}/activate", Activate(attempt=1, nonce="n"), Activated)
        assert (await claim(app, wait=5.5)).runs == []
        assert (await run_of(app, new.id)).state == "Running"

    play(scenario, f"sqlite:///{tmp_path / 'headrace.db'}", tmp_path)


def test_a_paused_run_waits_and_wakes_nobody(tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        new = await made(app, start_time=soon(0.5))
        await app.post(f"/flow-runs/{new.id}/pause", {}, FlowRun)
        commits = app.parts.database.commits
        assert (await claim(app, wait=1.5)).runs == []
        # One to look, one for its time at the most: no loop that looks again and again.
        assert app.parts.database.commits - commits <= 3

    play(scenario, f"sqlite:///{tmp_path / 'headrace.db'}", tmp_path)


def test_agents_are_known_by_what_they_said_last(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await claim(app, "a1", "gpu eu")
        await claim(app, "a2", most=0)
        await claim(app, "a1", "gpu")
        agents = {agent.id: agent for agent in await app.get("/agents", list[Agent])}
        assert {(agent.name, *agent.labels) for agent in agents.values()} == {
            ("box a1", "gpu"),
            ("box a2",),
        }
        assert all(agent.is_online for agent in agents.values())
        await app.delete("/agents/a2")
        assert [agent.id for agent in await app.get("/agents", list[Agent])] == ["a1"]
        with pytest.raises(Refused, match="no agent 'a2'"):
            await app.delete("/agents/a2")

    play(scenario, database_url, tmp_path)


def test_agents_that_compete_get_each_run_once(database_url: str, tmp_path: Path):
    total = 300

    async def scenario(app: App) -> None:
        flow = await registered(app)
        got: list[str] = []

        async def agent(number: int) -> None:
            holds: list[str] = []
            while len(got) < total:
                answer = await claim(
                    app, f"a{number}", most=1 + number % 4, wait=0.5, deploying=holds
                )
                holds = [run.id for run in answer.runs]
                got.extend(holds)

        async def maker() -> None:
            for _ in range(total // 30):
                batch = [CreateFlowRun(flow_id=flow.id)] * 10
                await app.post("/flow-runs/batch", batch, list[CreatedFlowRun])

        await asyncio.gather(*(agent(number) for number in range(12)), *(maker() for _ in range(3)))
        assert len(got) == total
        assert max(Counter(got).values()) == 1
        rows = await app.parts.database.read(
            lambda c: c.execute(select(attempts.c.run_key, attempts.c.attempt)).all()
        )
        assert len(rows) == total
        assert {row.attempt for row in rows} == {1}

    play(scenario, database_url, tmp_path)


def test_a_question_that_comes_again_is_answered_with_the_same_runs(
    database_url: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        await registered(app)
        new = [await made(app) for _ in range(3)]
        question = {"session": "s", "number": 1}
        first = await claim(app, most=2, **question)
        again = await claim(app, most=2, **question)
        assert [run.id for run in first.runs] == [run.id for run in new[:2]]
        assert again.runs == first.runs  # with the same attempts and tokens
        # Overtaken, it gets nothing; another question gets the rest.
        known = [run.id for run in again.runs]
        assert await ids(claim(app, session="s", number=2, deploying=known)) == [new[2].id]
        assert await ids(claim(app, most=2, **question)) == []

    play(scenario, database_url, tmp_path)


def test_a_question_that_comes_again_while_it_waits_takes_the_place_of_the_first(
    database_url: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        await registered(app)
        question = {"session": "s", "number": 1, "wait": 30}
        first = asyncio.create_task(claim(app, **question))
        await asyncio.sleep(0.1)
        again = asyncio.create_task(claim(app, **question))
        assert await ids(first) == []
        new = await made(app)
        assert await ids(again) == [new.id]

    play(scenario, database_url, tmp_path)


def test_an_agent_learns_that_a_process_has_begun(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        new = await made(app)
        await claim(app)
        assert (await claim(app, deploying=[new.id], most=0)).begun == []
        body = Activate(attempt=1, nonce="n")
        await app.post(f"/runs/{new.id}/activate", body, Activated)
        assert (await claim(app, deploying=[new.id], most=0)).begun == [new.id]
        # Also after a wait in which nothing happened.
        assert (await claim(app, deploying=[new.id], wait=0.2)).begun == [new.id]
        assert (await claim(app, "a2", deploying=[new.id])).begun == []

    play(scenario, database_url, tmp_path)
