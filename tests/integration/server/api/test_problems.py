"""Whatever is asked wrongly is answered with a problem that names it, and never with a traceback."""

from pathlib import Path

import httpx
import msgspec
import pytest

from headrace.server.application import create_app, open_parts
from headrace.server.settings import ServerSettings
from headrace.wire.base import Problem
from headrace.wire.server import ServerInfo
from tests.support.apps import App, play


def played(scenario, tmp_path: Path, **settings: object) -> None:
    play(scenario, f"sqlite:///{tmp_path / 'headrace.db'}", tmp_path, **settings)


def problem(answer: httpx.Response, status: int) -> Problem:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["headrace-wire"] == "1"
    assert "Traceback" not in answer.text
    return msgspec.json.decode(answer.content, type=Problem, strict=True)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "named"),
    [
        ("GET", "/nowhere", b"", 404, "/nowhere"),
        ("GET", "/api/nowhere", b"", 404, "/api/nowhere"),
        ("PUT", "/api/projects", b"{}", 405, "PUT"),
        ("POST", "/api/projects", b"", 400, "body"),
        ("POST", "/api/projects", b"{nix", 400, "JSON"),
        ("POST", "/api/projects", b"\xff\xfe", 400, "JSON"),
        ("POST", "/api/projects", b"[]", 400, "object"),
        ("POST", "/api/projects", b"{}", 400, "name"),
        ("POST", "/api/projects", b'{"name": 7}', 400, "name"),
        ("POST", "/api/projects", b'{"name": "x", "colour": 1}', 400, "colour"),
        (
            "POST",
            "/api/claims",
            b'{"agent":"a","name":"a","kind":"local","labels":[1]}',
            400,
            "labels",
        ),
        ("GET", "/api/flow-runs?limit=many", b"", 400, "limit"),
    ],
)
def test_a_request_that_is_wrong_is_told_what_is_wrong(
    method: str, path: str, body: bytes, status: int, named: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        answer = await app._http.request(method, path, content=body)
        assert named in problem(answer, status).message

    played(scenario, tmp_path)


def test_a_body_over_the_bound_is_refused_with_the_bound(tmp_path: Path):
    async def scenario(app: App) -> None:
        body = b'{"name": "' + b"x" * 3000 + b'"}'
        answer = await app._http.post("/api/projects", content=body)
        assert "2000 bytes" in problem(answer, 413).message

        async def chunks():
            for _ in range(30):
                yield b"x" * 100

        answer = await app._http.post("/api/projects", content=chunks())
        assert "2000 bytes" in problem(answer, 413).message
        assert (await app._http.get("/api/projects")).json() == []

    played(scenario, tmp_path, largest_body=2000)


@pytest.mark.parametrize(
    ("version", "side"), [("2", "Upgrade the server"), ("0", "Upgrade the client"), ("x", "client")]
)
def test_another_version_of_the_messages_is_refused_with_who_has_to_upgrade(
    version: str, side: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        for path in ("/api/projects", "/api/server"):
            answer = await app._http.get(path, headers={"headrace-wire": version})
            found = problem(answer, 426)
            assert found.code == "version_mismatch"
            assert side in found.message
        assert (await app._http.get("/api/server", headers={"headrace-wire": "1"})).is_success

    played(scenario, tmp_path)


def test_a_fault_of_the_server_tells_nothing_of_its_inside(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async def scenario(app: App) -> None:
        def explode(*_: object) -> None:
            raise ZeroDivisionError("the secret inside")

        app.parts.database.read = explode
        found = problem(await app._http.get("/api/projects"), 500)
        assert "secret" not in found.message
        assert "the secret inside" in caplog.text

    played(scenario, tmp_path)


def test_a_server_says_what_it_is_and_how_it_is(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        assert (await app._http.get("/health")).text == "alive"
        assert (await app._http.get("/ready")).text == "ready"
        info = msgspec.json.decode((await app._http.get("/api/server")).content, type=ServerInfo)
        assert (info.database, info.wire, info.auth) == (app.parts.database.dialect, 1, False)
        metrics = (await app._http.get("/metrics")).text
        assert 'headrace_requests_total{method="GET",route="/health",status="200"} 1.0' in metrics
        for name in ("ingested", "claimed", "writer_queue", "flow_runs", "waiting_agents"):
            assert f"# TYPE headrace_{name}" in metrics

    play(scenario, database_url, tmp_path)


def test_a_server_is_not_ready_once_its_tables_were_changed(database_url: str, tmp_path: Path):
    async def scenario(app: App) -> None:
        await app.parts.database.write(
            lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        )
        assert "9999" in problem(await app._http.get("/ready"), 503).message
        await app.parts.database.write(lambda c: c.exec_driver_sql("DROP TABLE alembic_version"))
        assert problem(await app._http.get("/ready"), 503).code == "not_ready"
        assert (await app._http.get("/health")).status_code == 200

    play(scenario, database_url, tmp_path)


def test_the_schema_knows_all_routes_and_their_messages(tmp_path: Path):
    async def scenario(app: App) -> None:
        schema = (await app._http.get("/api/openapi.json")).json()
        assert schema["info"]["title"] == "Headrace"
        assert {"/api/claims", "/api/flow-runs", "/api/runs/{run_id}/events"} <= set(
            schema["paths"]
        )
        claim = schema["components"]["schemas"]["Claim"]
        assert set(claim["required"]) == {"agent", "kind", "name"}
        for path, methods in schema["paths"].items():
            for method, operation in methods.items():
                assert operation.get("description"), f"{method} {path} is not described"
                names = [part["name"] for part in operation.get("parameters", [])]
                assert not {"parts", "caller"} & set(names), path
                problem = operation["responses"]["default"]["content"]["application/json"]
                assert problem["schema"] == {"$ref": "#/components/schemas/Problem"}
                assert not {"400", "401", "500"} & set(operation["responses"])
                is_open = operation["x-headrace-needs"] == "open"
                assert operation["security"] == ([] if is_open else [{"key": []}])
        events = schema["paths"]["/api/runs/{run_id}/events"]["post"]["requestBody"]
        body = events["content"]["application/json"]["schema"]
        assert body == {"$ref": "#/components/schemas/EventBatch"}
        assert {"EventBatch", "TaskState", "FlowState", "LogLine", "Renamed"} <= set(
            schema["components"]["schemas"]
        )
        assert "key" in schema["components"]["securitySchemes"]

    played(scenario, tmp_path)


def test_the_schema_says_what_everything_means(tmp_path: Path):
    async def scenario(app: App) -> None:
        schema = (await app._http.get("/api/openapi.json")).json()
        tags = {tag["name"] for tag in schema["tags"]}
        for path, methods in schema["paths"].items():
            for operation in methods.values():
                assert set(operation["tags"]) <= tags
                for parameter in operation.get("parameters", []):
                    assert parameter["description"], f"{path}: {parameter['name']}"
        messages = schema["components"]["schemas"]
        for name, message in messages.items():
            assert message["description"].endswith("."), name
            assert "Attributes:" not in message["description"], name
            for field, described in message.get("properties", {}).items():
                # What tells events apart is no field.
                assert "const" in described or "enum" in described or described["description"], (
                    f"{name}.{field}"
                )
        # What an event has of its base class.
        assert messages["Renamed"]["properties"]["at"]["description"].startswith("When it")

    played(scenario, tmp_path)


def test_every_route_may_be_asked_what_it_can_be_asked(tmp_path: Path):
    async def scenario(app: App) -> None:
        schema = (await app._http.get("/api/openapi.json")).json()
        for path in schema["paths"]:
            answer = await app._http.options(path.replace("{map_index}", "1"))
            assert answer.status_code == 204, path
            # Pages of other sites are told of nothing that they may.
            assert not any(name.startswith("access-control") for name in answer.headers)
            wrong = await app._http.put(path.replace("{map_index}", "1"))
            assert wrong.status_code == 405, path
            methods = {method.upper() for method in schema["paths"][path]}
            assert methods <= set(wrong.headers["allow"].split(", ")), path

    played(scenario, tmp_path)


def test_an_application_opens_its_parts_by_itself_when_nobody_has(tmp_path: Path):
    from litestar.testing import TestClient

    settings = ServerSettings(database_url=f"sqlite:///{tmp_path / 'a.db'}", home=tmp_path)
    with TestClient(create_app(settings)) as client:
        assert client.get("/ready").text == "ready"


def test_parts_can_be_opened_again_and_again(tmp_path: Path):
    import asyncio

    async def scenario() -> None:
        settings = ServerSettings(database_url=f"sqlite:///{tmp_path / 'a.db'}", home=tmp_path)
        for _ in range(3):
            async with open_parts(settings) as parts:
                assert not await parts.auth.is_on()

    asyncio.run(scenario())
