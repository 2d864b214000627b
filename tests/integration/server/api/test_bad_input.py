"""Nothing that is sent makes the server fail: what it cannot do it refuses, and says why."""

import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headrace.wire.flow_runs import CreatedFlowRun
from tests.support.apps import App, Refused, play
from tests.support.registered import made, project, registered, request, runs

ODD = [
    "\x00",
    "a\x00b",
    "%",
    "'",
    '"',
    "\\",
    "x" * 10_000,
    "é",
    "🙂",
    "-1",
    "1e999",
    "nan",
    "1:1",
    ",",
]


async def ask(app: App, method: str, path: str, body: Any = None, **query: Any) -> None:
    try:
        await app.ask(method, path, body, msgspec.Raw, **query)
    except Refused as refused:
        if refused.status >= 500 or not refused.message:
            raise AssertionError(f"{method} {path} {body} {query}: {refused}") from refused


def test_odd_queries_are_answered(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await registered(app)
        run = await made(app)
        of_run = f"/flow-runs/{run.id}"
        for odd in ODD:
            for name in ("project", "flow", "flow_id", "name", "id_begins", "state", "after"):
                await ask(app, "GET", "/flow-runs", **{name: odd})
            for name in ("project", "name", "archived", "limit"):
                await ask(app, "GET", "/flows", **{name: odd})
            for name in ("state", "slug", "after", "limit"):
                await ask(app, "GET", f"{of_run}/task-runs", **{name: odd})
            for name in ("after", "level", "task", "wait", "limit"):
                # Nothing that is awaited comes: the run is over.
                await ask(app, "GET", f"{of_run}/logs", **{name: odd})
            await ask(app, "GET", f"{of_run}/wait", state=odd, seconds=1)
            await ask(app, "GET", f"{of_run}/wait", state="None", seconds=odd)
        for number in (2**31, 2**63, 2**200, -(2**63)):
            await ask(app, "GET", f"{of_run}/task-runs/load-1/{number}")
            await ask(app, "GET", f"{of_run}/task-runs/load-1/{number}/states")
            await ask(app, "GET", f"{of_run}/logs", level=number)
            await ask(app, "GET", f"{of_run}/logs", after=f"{number}:{number}")
            await ask(app, "GET", f"{of_run}/task-runs", after=f"{number}:load-1")
            await ask(app, "GET", "/flow-runs", after=f"1.0:{number}")
            await ask(app, "GET", "/flow-runs", limit=number)

    play(scenario, database_url, tmp_path, longest_wait=datetime.timedelta(milliseconds=20))


def test_odd_texts_are_kept_or_refused(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        flow = await registered(app)
        group = f"/version-groups/{flow.version_group_id}"
        for odd in ODD:
            await ask(app, "POST", "/projects", {"name": odd, "description": odd})
            for field in ("flow_name", "project_name", "flow_id", "name", "idempotency_key"):
                body = {"flow_name": "etl", "project_name": "main", field: odd}
                await ask(app, "POST", "/flow-runs", body)
            run = await made(app, parameters={"day": odd}, context={odd: odd})
            await ask(app, "POST", f"/flow-runs/{run.id}/pause", {"reason": odd})
            tasks = [[odd, 1]]
            await ask(app, "POST", f"/flow-runs/{run.id}/resume", {"reason": odd, "tasks": tasks})
            await ask(app, "POST", f"/flow-runs/{run.id}/cancel", {"reason": odd})
            await ask(app, "POST", f"/flow-runs/{run.id}/restart", {"reason": odd})
            await ask(app, "PATCH", f"/flow-runs/{run.id}", {"name": odd})
            await ask(app, "PATCH", f"{group}/overrides", {"labels": [odd]})
            await ask(app, "PATCH", f"{group}/overrides", {"parameters": {"day": odd}})
            await ask(app, "PATCH", f"{group}/overrides", {"run_config": {"type": odd}})
            for field in ("name", "hash", "idempotency_key", "version_group_id", "project"):
                body = msgspec.to_builtins(request()) | {field: odd}
                await ask(app, "POST", "/flows", body)
        await runs(app)

    play(scenario, database_url, tmp_path)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b"null", b'{"a": 1}', b"\xff", b'"\\ud800"', b"[" * 100_000]
)
def test_what_is_no_request_is_refused(body: bytes, tmp_path: Path):
    async def scenario(app: App) -> None:
        await project(app)
        for path in ("/flows", "/flow-runs", "/projects", "/flow-runs/batch"):
            with pytest.raises(Refused) as refused:
                await app.ask("POST", path, msgspec.Raw(body), msgspec.Raw)
            assert refused.value.status in (400, 422), (path, body)

    play(scenario, f"sqlite:///{tmp_path / 'x.db'}", tmp_path)


def test_no_runs_at_all_are_none(tmp_path: Path):
    async def scenario(app: App) -> None:
        assert await app.post("/flow-runs/batch", [], list[CreatedFlowRun]) == []

    play(scenario, f"sqlite:///{tmp_path / 'x.db'}", tmp_path)
