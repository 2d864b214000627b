"""Hundreds of requests made up from the server's own document: it keeps to it, and never fails."""

import datetime
import random
import string
from pathlib import Path
from typing import Any

import msgspec
import pytest

from headrace.wire.base import Problem
from tests.support.apps import App, play
from tests.support.registered import HOURLY, claimed, made, registered

REQUESTS = 400
#: What is asked about is there, most of the time.
ODD_TEXTS = [
    "",
    " ",
    "\x00",
    "a\x1b[31mb",
    "../../etc/passwd",
    "%2e%2e",
    "'; --",
    "é🙂",
    "x" * 5000,
    "null",
]
ODD_NUMBERS = [0, -1, 1, 2**31, 2**53, 2**63, -(2**63), 2**200, 0.5, 1e-128, 1e308]
ODD = [None, True, [], {}, "0", 7, [[]], {"a": {"b": [1]}}]


class Maker:
    """Makes values of schemas: right ones mostly.

    Args:
        document: The OpenAPI document.
        seed: What makes the values the same each time.
        known: By the names of fields and parameters, values that mean something to the server.
    """

    def __init__(self, document: dict[str, Any], seed: int, known: dict[str, list[Any]]) -> None:
        self._schemas = document["components"]["schemas"]
        self._known = known
        self.random = random.Random(seed)

    def value(self, schema: dict[str, Any], name: str = "") -> Any:
        draw = self.random
        if draw.random() < 0.03:
            return draw.choice(ODD)
        if name in self._known and draw.random() < 0.7:
            return draw.choice(self._known[name])
        if "$ref" in schema:
            return self.value(self._schemas[schema["$ref"].rpartition("/")[2]], name)
        for several in ("oneOf", "anyOf"):
            if several in schema:
                return self.value(draw.choice(schema[several]), name)
        if "enum" in schema or "const" in schema:
            return draw.choice(schema.get("enum", [schema.get("const")]))
        kind = schema.get("type", "object")
        if isinstance(kind, list):
            kind = draw.choice(kind)
        match kind:
            case "object":
                return self._object(schema)
            case "array":
                return [self.value(schema.get("items", {})) for _ in range(draw.randrange(4))]
            case "boolean":
                return draw.random() < 0.5
            case "integer":
                return draw.choice(
                    [1, 1, 2, 10, *filter(lambda n: isinstance(n, int), ODD_NUMBERS)]
                )
            case "number":
                return draw.choice([0.0, 0.0, 1.0, *ODD_NUMBERS])
            case "null":
                return None
        if schema.get("format") == "date-time" and draw.random() < 0.8:
            year = draw.choice(["0001", "1970", "2026", "9999"])
            return f"{year}-01-31T12:00:00{draw.choice(['Z', '+14:00', ''])}"
        return self.text()

    def text(self) -> str:
        if self.random.random() < 0.3:
            return self.random.choice(ODD_TEXTS)
        return "".join(self.random.choices(string.ascii_lowercase, k=self.random.randint(1, 8)))

    def _object(self, schema: dict[str, Any]) -> dict[str, Any]:
        required = set(schema.get("required", ()))
        made = {
            name: self.value(inner, name)
            for name, inner in schema.get("properties", {}).items()
            if self.random.random() < (0.97 if name in required else 0.4)
        }
        if not schema.get("properties") or self.random.random() < 0.03:
            made[self.text()] = self.random.choice(ODD)
        return made


def fits(value: Any, schema: dict[str, Any], document: dict[str, Any]) -> bool:
    """Tell whether a value is of a schema, as far as answers use schemas."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if several := schema.get("oneOf", schema.get("anyOf")):
        return any(fits(value, each, document) for each in several)
    kinds = schema.get("type")
    if kinds is None:
        return True
    if not any(
        isinstance(value, PYTHON[kind]) for kind in ([kinds] if isinstance(kinds, str) else kinds)
    ):
        return False
    if isinstance(value, bool) and "boolean" not in kinds:
        return False
    if isinstance(value, list):
        return all(fits(each, schema.get("items", {}), document) for each in value)
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        return set(schema.get("required", ())) <= set(value) and all(
            fits(each, properties.get(name, schema.get("additionalProperties") or {}), document)
            for name, each in value.items()
        )
    return True


PYTHON: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": int | float,
    "boolean": bool,
    "null": type(None),
}


def encoded(value: Any) -> bytes:
    # Numbers that are too large for msgspec may come all the same.
    import json

    return json.dumps(value, allow_nan=True).encode()


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_the_document_allows_is_answered_as_it_says(
    seed: int, database_url: str, tmp_path: Path
):
    async def scenario(app: App) -> None:
        document = (await app._http.get("/api/openapi.json")).json()
        flow = await registered(app, schedule=HOURLY)
        ids = [(await made(app)).id for _ in range(6)]
        await claimed(app, most=3)
        known = {
            "run_id": ids,
            "project": ["main"],
            "project_name": ["main"],
            "flow": ["etl"],
            "flow_name": ["etl"],
            "flow_id": [flow.id],
            "group_id": [flow.version_group_id],
            "slug": ["load-1", "load-2", "day"],
            "attempt": [1],
            "nonce": ["n1"],
            "first": [1],
            "deploying": [[ids[0], ids[0]]],
            "type": ["Running", "Success", "Failed", "Paused"],
        }
        make = Maker(document, seed, known)
        operations = [
            (path, method, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            # A key would shut out all that follows; a version of a flow takes its runs with it.
            if not path.startswith("/api/auth") and (path, method) not in KEEP
        ]
        succeeded = set()
        for number in range(REQUESTS):
            path, method, operation = operations[number % len(operations)]
            url, query = path, {}
            for parameter in operation.get("parameters", ()):
                value = make.value(parameter["schema"], parameter["name"])
                if parameter["in"] == "path":
                    value = make.text() if value in (None, "") else value
                    url = url.replace(f"{{{parameter['name']}}}", quoted(str(value)))
                elif make.random.random() < 0.4 and value is not None:
                    query[parameter["name"]] = value if isinstance(value, str) else encoded(value)
            content = None
            if body := operation.get("requestBody"):
                content = encoded(make.value(body["content"]["application/json"]["schema"]))
            answer = await app._http.request(method, url, params=query, content=content)
            told = f"{method} {url} {query} {content!r}: {answer.status_code} {answer.text[:500]}"
            assert answer.status_code < 500, told
            if answer.status_code >= 400:
                problem = msgspec.json.decode(answer.content, type=Problem, strict=True)
                assert problem.code, told
                assert problem.message, told
                assert "Traceback" not in answer.text, told
                continue
            response = operation["responses"][str(answer.status_code)]
            if "content" in response:
                schema = response["content"]["application/json"]["schema"]
                assert fits(answer.json(), schema, document), told
            else:
                assert answer.content == b"", told
            succeeded.add((path, method))
        # Most were right enough to be served.
        assert len(succeeded) > len(operations) / 2, sorted(succeeded)

    play(scenario, database_url, tmp_path, longest_wait=datetime.timedelta(milliseconds=10))


#: What would take everything that is asked about with it.
KEEP = {
    ("/api/projects/{name}", "delete"),
    ("/api/flows/{flow_id}", "delete"),
    ("/api/flow-runs/{run_id}", "delete"),
}


def quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")
