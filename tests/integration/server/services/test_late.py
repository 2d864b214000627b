"""A run that is due and that nobody claims says so, once, with the reason."""

import datetime
from pathlib import Path

from headrace.core import now as clock
from headrace.server.services.late import Late
from headrace.wire.flow_runs import FlowRun, FlowRunState
from tests.support.apps import App, play
from tests.support.registered import claimed, made, registered, ticking

NOON = datetime.datetime(2026, 3, 1, 12, 30, tzinfo=datetime.UTC)


def test_a_late_run_gets_one_entry_with_the_reason(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        time, move = ticking(NOON)
        with clock.replaced(time):
            await registered(app, labels=["gpu"])
            run = await made(app)
            later = await made(app, start_time="2026-03-01T13:00:00Z")
            paused = await made(app)
            await app.post(f"/flow-runs/{paused.id}/pause", None, FlowRun)
            late = Late()
            move(seconds=14)
            assert await late.look(app.parts) == []
            move(seconds=2)
            await late.look(app.parts)
            move(minutes=2)
            assert await late.look(app.parts) == []
            found = await app.get(f"/flow-runs/{run.id}", FlowRun)
            assert found.state == "Scheduled"
            assert found.state_since == NOON
            assert found.message.startswith("Late: There is no agent with the label gpu since")
            entries = await app.get(f"/flow-runs/{run.id}/states", list[FlowRunState])
            assert [(entry.who, entry.message) for entry in entries[1:]] == [
                ("server", found.message)
            ]
            for other in (later, paused):
                assert "Late" not in (await app.get(f"/flow-runs/{other.id}", FlowRun)).message
            (taken,) = (await claimed(app, labels=["gpu"])).runs
            assert taken.id == run.id
            assert "Late" not in (await app.get(f"/flow-runs/{run.id}", FlowRun)).message

    play(scenario, database_url, tmp_path)


def test_how_late_is_late_is_a_setting(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        time, move = ticking(NOON)
        with clock.replaced(time):
            await registered(app)
            run = await made(app)
            await claimed(app, most=0)
            move(seconds=59)
            assert await Late().look(app.parts) == []
            move(seconds=2)
            await Late().look(app.parts)
            found = await app.get(f"/flow-runs/{run.id}", FlowRun)
            assert found.message.startswith("Late: No agent is online (box is offline) since")

    play(scenario, database_url, tmp_path, late_after=datetime.timedelta(minutes=1))
