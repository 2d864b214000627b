"""A run that may not be recovered is not lost for what its agent never deployed."""

from pathlib import Path

import pytest

from headrace.wire.claims import Activate, Activated, Exited
from headrace.wire.flow_runs import FlowRun
from tests.support.apps import App, Refused, play
from tests.support.registered import activated, claimed, made, registered


async def exited(app: App, run_id: str, attempt: int, *, by_agent: bool) -> FlowRun:
    told = Exited(attempt=attempt, reason="killed by SIGKILL", by_agent=by_agent)
    await app.post(f"/runs/{run_id}/exited", told, type(None))
    return await app.get(f"/flow-runs/{run_id}", FlowRun)


def test_only_what_was_deployed_uses_up_its_one_attempt(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app, max_recoveries=0)
        run = await made(app)
        await claimed(app)
        assert (await exited(app, run.id, 1, by_agent=True)).state == "Scheduled"
        await claimed(app)
        await activated(app, run.id, attempt=2)
        over = await exited(app, run.id, 2, by_agent=True)
        assert (over.state, over.message.endswith("(max_recoveries=0).")) == ("Failed", True)
        other = await made(app)
        await claimed(app)
        assert (await exited(app, other.id, 1, by_agent=False)).state == "Failed"

    play(scenario, database_url, tmp_path)


def test_a_claim_that_was_paused_and_resumed_is_made_anew(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app, max_recoveries=0)
        run = await made(app)
        await claimed(app)
        for what in ("pause", "resume"):
            await app.post(f"/flow-runs/{run.id}/{what}", {}, FlowRun)
        # What the first agent does about the pause comes after it was withdrawn.
        assert (await exited(app, run.id, 1, by_agent=False)).state == "Scheduled"
        begin = Activate(attempt=1, nonce="late")
        late = await app.post(f"/runs/{run.id}/activate", begin, Activated)
        assert late.refused == "superseded"
        (again,) = (await claimed(app)).runs
        assert again.attempt == 2
        await (await activated(app, run.id, attempt=2)).end()
        with pytest.raises(Refused, match="not_paused"):
            await app.post(f"/flow-runs/{run.id}/resume", {}, FlowRun)
        assert (await app.get(f"/flow-runs/{run.id}", FlowRun)).recoveries == 0

    play(scenario, database_url, tmp_path)
