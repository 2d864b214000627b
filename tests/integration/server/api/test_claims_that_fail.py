"""A claim that the server cannot serve costs no other agent anything."""

import asyncio
import datetime
from pathlib import Path
from typing import Any

import pytest

from headrace.server import application
from headrace.server.db import agents
from headrace.wire.claims import Claimed
from tests.support.apps import App, Refused, play
from tests.support.registered import made, registered


async def claim(app: App, agent: str, **fields: Any) -> Claimed:
    body = {"agent": agent, "name": "box", "kind": "local", "labels": [], **fields}
    return await app.post("/claims", body, Claimed)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("agent", "a\0"),
        ("name", "\0"),
        ("kind", "lo\0cal"),
        ("labels", ["eu", "\0"]),
        ("deploying", ["\0"]),
    ],
)
def test_what_cannot_be_stored_is_refused_and_others_are_served(
    field: str, value: object, database_url: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        await registered(app)
        waiting = asyncio.ensure_future(claim(app, "a1", wait=30))
        with pytest.raises(Refused, match=f"{field}: it has a NUL in it") as caught:
            await claim(app, **{"agent": "a2", field: value})
        assert caught.value.status == 400
        new = await made(app)
        assert [run.id for run in (await waiting).runs] == [new.id]

    play(scenario, database_url, tmp_path)


def test_who_comes_while_claims_stand_still_is_served_when_they_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(application, "_RESTART_AFTER", 0.5)

    async def scenario(app: App) -> None:
        with monkeypatch.context() as broken:
            broken.setattr(agents, "_SEEN", "no statement")
            with pytest.raises(Refused, match="a fault of its own"):
                await claim(app, "a1")
        # Nothing else happens that would have the server look at who waits.
        async with asyncio.timeout(20):
            assert (await claim(app, "a2")).runs == []

    url = f"sqlite:///{tmp_path / 'headrace.db'}"
    play(scenario, url, tmp_path, longest_wait=datetime.timedelta(milliseconds=10))
