"""Who may ask what: keys, scopes, the tokens of runs, and what strangers are told."""

import asyncio
import datetime
import hashlib
from pathlib import Path
from typing import Any

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler
from sqlalchemy import Connection, select

from headrace.core import now as clock
from headrace.core.errors import ServerError
from headrace.server.application import create_app, open_parts
from headrace.server.callers import NEEDS, Caller
from headrace.server.db.schema import api_keys, attempts
from headrace.server.local_keys import create_key
from headrace.server.settings import ServerSettings
from headrace.wire.auth import SCOPES, CreateKey, Key, NewKey
from tests.support.apps import App, play
from tests.support.registered import claimed, made, registered

SOON = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)


async def asked(
    app: App, key: str | None, method: str = "GET", path: str = "/projects", **more: Any
) -> httpx.Response:
    headers = {} if key is None else {"authorization": f"Bearer {key}"}
    return await app._http.request(method, f"/api{path}", headers=headers, **more)


async def key_of(app: App, scope: str = "admin", **fields: Any) -> NewKey:
    return await app.parts.auth.create(CreateKey(name=f"{scope} key", scope=scope, **fields))


def all_handlers(tmp_path: Path) -> list[HTTPRouteHandler]:
    app = create_app(ServerSettings(home=tmp_path))
    return [
        handler
        for route in app.routes
        for handler in getattr(route, "route_handlers", [])
        if "OPTIONS" not in handler.http_methods
    ]


def test_every_route_says_who_may_use_it(tmp_path: Path):
    handlers = all_handlers(tmp_path)
    assert len(handlers) > 30
    assert {str(handler) for handler in handlers if handler.opt.get("needs") not in NEEDS} == set()
    open_ones = {
        path for handler in handlers if handler.opt["needs"] == "open" for path in handler.paths
    }
    # The schema is at /api/openapi.json, and at /api itself.
    assert open_ones == {"/health", "/ready", "/api/server", "/openapi.json", "/"}
    # What changes something needs more than to be allowed to look.
    writing = [handler for handler in handlers if handler.http_methods - {"GET", "HEAD"}]
    assert {handler.opt["needs"] for handler in writing} == {"run", "agent", "user", "admin"}


def test_every_route_keeps_out_whoever_it_is_not_for(tmp_path: Path):
    async def scenario(app: App) -> None:
        keys = {scope: (await key_of(app, scope)).secret for scope in SCOPES}
        await registered_as(app, keys["admin"])
        run, token = await claimed_as(app, keys["admin"])
        callers = {scope: (key, Caller("x", scope)) for scope, key in keys.items()}
        callers["run"] = (token, Caller("x", "run", run))
        wrong = []
        for handler in all_handlers(tmp_path):
            need = handler.opt["needs"]
            for path in handler.paths:
                if path in ("/", "/openapi.json"):
                    continue
                method = min(handler.http_methods)
                # Another run's, for the token of a run.
                full = path.replace("{run_id:str}", "another").replace("{map_index:int}", "1")
                for scope, (secret, caller) in callers.items():
                    if caller.may(need) or (need == "read" and scope == "run"):
                        continue
                    answer = await app._http.request(
                        method, full, headers={"authorization": f"Bearer {secret}"}
                    )
                    if answer.status_code != 403:
                        wrong.append((scope, method, full, answer.status_code))
                if need != "open" and (await app._http.request(method, full)).status_code != 401:
                    wrong.append(("nobody", method, full))
        assert wrong == []

    play(scenario, f"sqlite:///{tmp_path / 'headrace.db'}", tmp_path, most_failures=1000)


async def registered_as(app: App, key: str) -> None:
    app._http.headers["authorization"] = f"Bearer {key}"
    await registered(app)
    await made(app)
    del app._http.headers["authorization"]


async def claimed_as(app: App, key: str) -> tuple[str, str]:
    app._http.headers["authorization"] = f"Bearer {key}"
    (run,) = (await claimed(app)).runs
    del app._http.headers["authorization"]
    return run.id, run.token


def test_a_server_on_loopback_asks_for_keys_from_the_first_one_on(
    database_url: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        assert (await asked(app, None)).status_code == 200
        assert not (await asked(app, None, path="/server")).json()["auth"]
        # Any other one would lock everybody out: nobody could make keys for agents.
        wanted = {"name": "rack", "scope": "agent"}
        too_narrow = await asked(app, None, "POST", "/auth/keys", json=wanted)
        assert (too_narrow.status_code, too_narrow.json()["code"]) == (409, "no_admin_key")
        assert (await asked(app, None)).status_code == 200
        new = await app.post("/auth/keys", CreateKey(name="me", scope="admin"), NewKey)
        assert new.secret.startswith("hr_")
        refused = await asked(app, None)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        assert "HEADRACE_API_KEY" in refused.json()["message"]
        assert (await asked(app, new.secret)).status_code == 200
        assert (await asked(app, None, path="/server")).json()["auth"]

    play(scenario, database_url, tmp_path)


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://127.0.0.1:4200", 200),
        ("http://localhost:5173", 200),
        ("https://evil.example", 403),
        ("http://evil.example:4200", 403),
        ("null", 403),
        ("http://[", 403),
    ],
)
def test_pages_of_other_sites_get_nothing_out_of_a_server_without_keys(
    origin: str, status: int, tmp_path: Path
):
    async def scenario(app: App) -> None:
        answer = await app._http.get("/api/projects", headers={"origin": origin})
        assert answer.status_code == status
        new = await key_of(app)
        headers = {"origin": origin, "authorization": f"Bearer {new.secret}"}
        assert (await app._http.get("/api/projects", headers=headers)).status_code == 200

    play(scenario, f"sqlite:///{tmp_path / 'headrace.db'}", tmp_path)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:4200", 200),
        ("localhost", 200),
        ("[::1]:4200", 200),
        ("evil.example:4200", 403),
        ("127.0.0.1.evil.example", 403),
        ("127.0.0.1@evil.example", 403),
        ("[", 403),
    ],
)
def test_a_name_that_was_made_to_mean_this_machine_opens_nothing(
    host: str, status: int, tmp_path: Path
):
    async def scenario(app: App) -> None:
        answer = await app._http.get("/api/projects", headers={"host": host})
        assert answer.status_code == status
        if status == 403:
            assert host in answer.json()["message"]
            # As much as its own machine's monitoring, or a proxy before it, asks.
            assert (await app._http.get("/ready", headers={"host": host})).status_code == 200
        headers = {"host": host, "authorization": f"Bearer {(await key_of(app)).secret}"}
        assert (await app._http.get("/api/projects", headers=headers)).status_code == 200

    play(scenario, f"sqlite:///{tmp_path / 'headrace.db'}", tmp_path)


def test_a_revoked_key_is_worth_nothing_at_once_and_opens_nothing(
    database_url: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        new = await key_of(app)
        assert (await asked(app, new.secret)).status_code == 200
        gone = await asked(app, new.secret, "DELETE", f"/auth/keys/{new.key.id}")
        assert gone.status_code == 204
        refused = await asked(app, new.secret)
        assert refused.status_code == 401
        assert "'admin key' was revoked" in refused.json()["message"]
        # No key is left, and still nobody gets in without one.
        assert (await asked(app, None)).status_code == 401

    play(scenario, database_url, tmp_path)


def test_a_key_expires(tmp_path: Path):
    async def scenario(app: App) -> None:
        new = await key_of(app, "user", expires=SOON)
        assert (await asked(app, new.secret)).status_code == 200
        with clock.replaced(SOON + datetime.timedelta(seconds=1)):
            refused = await asked(app, new.secret)
        assert refused.status_code == 401
        assert "'user key' expired" in refused.json()["message"]

    play(scenario, f"sqlite:///{tmp_path / 'headrace.db'}", tmp_path)


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"name": " "}, "no name"),
        ({"name": "x", "scope": "root"}, "'root'"),
        ({"name": "x", "expires": "2020-01-01T00:00:00Z"}, "expires"),
        ({"name": "x", "expires": "2120-01-01T00:00:00"}, "expires"),
        ({"name": "x", "expires": "soon"}, "expires"),
        ({"name": "x", "scopes": "read"}, "scopes"),
        ({"scope": "read"}, "name"),
    ],
)
def test_a_key_that_cannot_be_is_refused_by_the_name_of_what_is_wrong(
    body: dict[str, Any], named: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        answer = await asked(app, None, "POST", "/auth/keys", json=body)
        assert answer.status_code == 400
        assert named in answer.json()["message"]
        odd = await asked(app, None, "POST", "/auth/keys", json={"name": "a\x1b[2J"})
        assert odd.status_code == 422
        assert await app.get("/auth/keys", list[Key]) == []

    play(scenario, f"sqlite:///{tmp_path / 'headrace.db'}", tmp_path)


def test_nothing_of_a_secret_is_kept_or_shown_again(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        new = await key_of(app)
        listed = await asked(app, new.secret, path="/auth/keys")
        rows = await app.parts.database.read(lambda c: list(c.execute(select(api_keys))))
        await registered_as(app, new.secret)
        _, token = await claimed_as(app, new.secret)
        tokens = await app.parts.database.read(lambda c: list(c.execute(select(attempts))))
        for told in (listed.text, repr(rows), repr(tokens)):
            assert new.secret not in told
            assert token not in told
        assert rows[0].hash == hashlib.sha256(new.secret.encode()).hexdigest()
        assert tokens[0].token_hash == hashlib.sha256(token.encode()).hexdigest()

    play(scenario, database_url, tmp_path)


def test_the_last_use_of_a_key_is_noted(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        new = await key_of(app)
        assert new.key.last_used is None
        for _ in range(3):
            await asked(app, new.secret)
        await app.parts.auth.finish()
        (key,) = await app.parts.auth.keys()
        assert key.last_used is not None
        first = key.last_used
        with clock.replaced(first + datetime.timedelta(seconds=61)):
            await asked(app, new.secret)
        await app.parts.auth.finish()
        assert (await app.parts.auth.keys())[0].last_used == first + datetime.timedelta(seconds=61)

    play(scenario, database_url, tmp_path)


def test_too_many_wrong_keys_are_held_down_and_right_ones_are_not(tmp_path: Path):
    async def scenario(app: App) -> None:
        new = await key_of(app)
        wrong = [await asked(app, f"hr_{number}") for number in range(8)]
        assert [answer.status_code for answer in wrong] == [401] * 5 + [429] * 3
        assert int(wrong[-1].headers["retry-after"]) > 0
        assert "Too many wrong keys" in wrong[-1].json()["message"]
        assert (await asked(app, "hrt_wrong")).status_code == 429
        # Who shows nothing guesses nothing.
        assert [(await asked(app, None)).status_code for _ in range(3)] == [401] * 3
        assert (await asked(app, new.secret)).status_code == 200

    play(scenario, f"sqlite:///{tmp_path / 'headrace.db'}", tmp_path, most_failures=5)


def test_failures_behind_an_address_keep_no_run_and_no_new_key_out(tmp_path: Path):
    async def scenario(app: App) -> None:
        key = (await key_of(app)).secret
        await registered_as(app, key)
        run, token = await claimed_as(app, key)
        for number in range(8):
            await asked(app, f"hrt_{number}")
        assert (await asked(app, f"hrt_{9}")).status_code == 429
        # Neither the token nor the key has been shown before.
        assert (await asked(app, token, path=f"/flow-runs/{run}")).status_code == 200
        new = create_key(app.parts.settings, CreateKey(name="new", scope="read"))
        await asyncio.sleep(1.05)
        assert (await asked(app, new.secret)).status_code == 200

    play(scenario, f"sqlite:///{tmp_path / 'headrace.db'}", tmp_path, most_failures=5)


def test_a_stranger_does_not_learn_what_keys_there_are(tmp_path: Path):
    async def scenario(app: App) -> None:
        await key_of(app)
        answers = [
            await asked(app, secret) for secret in ("hr_", "hr_" + "x" * 43, "something else")
        ]
        assert {answer.status_code for answer in answers} == {401}
        assert len({answer.json()["message"] for answer in answers}) == 1
        basic = await app._http.get("/api/projects", headers={"authorization": "Basic eDp5"})
        assert basic.status_code == 401
        assert "Bearer" in basic.json()["message"]

    play(scenario, f"sqlite:///{tmp_path / 'headrace.db'}", tmp_path)


def test_the_token_of_a_run_is_for_that_run_only(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        key = (await key_of(app)).secret
        await registered_as(app, key)
        run, token = await claimed_as(app, key)
        await asked(
            app, key, "POST", "/flow-runs", json={"flow_name": "etl", "project_name": "main"}
        )
        other, _ = await claimed_as(app, key)
        assert (await asked(app, token, path=f"/flow-runs/{run}")).status_code == 200
        assert (await asked(app, token, path=f"/flow-runs/{other}")).status_code == 403
        assert (await asked(app, token)).status_code == 403
        body = {"attempt": 1, "nonce": "n"}
        assert (
            await asked(app, token, "POST", f"/runs/{run}/activate", json=body)
        ).status_code == 200
        assert (
            await asked(app, token, "POST", f"/runs/{other}/activate", json=body)
        ).status_code == 403
        assert (
            await asked(app, token, "POST", f"/flow-runs/{run}/cancel", json={})
        ).status_code == 403

    play(scenario, database_url, tmp_path)


def test_keys_of_another_process_are_known_soon(database_url: str, tmp_path: Path):
    settings = ServerSettings(database_url=database_url, home=tmp_path)

    async def scenario(app: App) -> None:
        assert (await asked(app, None)).status_code == 200
        new = await asyncio.to_thread(create_key, settings, CreateKey(name="first", scope="admin"))
        await asyncio.sleep(1.05)
        assert (await asked(app, new.secret)).status_code == 200
        assert (await asked(app, None)).status_code == 401

        def revoke(connection: Connection) -> None:
            connection.execute(api_keys.update().values(revoked=1.0))

        await app.parts.database.write(revoke)
        async with asyncio.timeout(30):
            while (await asked(app, new.secret)).status_code != 401:  # noqa: ASYNC110 - a poll
                await asyncio.sleep(0.1)

    play(scenario, database_url, tmp_path)


def test_an_address_that_others_reach_needs_an_admin_key_first(database_url: str, tmp_path: Path):
    settings = ServerSettings(database_url=database_url, home=tmp_path, host="0.0.0.0")

    async def started() -> None:
        async with open_parts(settings) as parts:
            assert await parts.auth.is_on()

    with pytest.raises(ServerError, match=r"0\.0\.0\.0.*headrace auth create-key --local"):
        asyncio.run(started())
    create_key(settings, CreateKey(name="looker", scope="read"))
    with pytest.raises(ServerError, match="no admin key"):
        asyncio.run(started())
    create_key(settings, CreateKey(name="me", scope="admin"))
    asyncio.run(started())
