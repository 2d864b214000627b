"""Key values: set, looked at, forgotten."""

from __future__ import annotations

from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, JSONBody

from headrace.core.now import timestamp
from headrace.server.db import key_values
from headrace.server.db.columns import to_json
from headrace.server.parts import Parts
from headrace.server.problems import Refusal
from headrace.server.rules.naming import check_name
from headrace.wire.key_values import KeyValue, KnownKey, SetKeyValue

#: How many characters a value's JSON may have: what is larger belongs where results are.
LONGEST_VALUE = 64 * 1024


@post("/api/key-values", needs="user", status_code=200)
async def set_key_value(data: JSONBody[SetKeyValue], parts: NamedDependency[Parts]) -> KeyValue:
    """Keep a value under a key, in the place of what was there."""
    key = check_name("A key", data.key)
    value = to_json(data.value)
    if len(value) > LONGEST_VALUE:
        raise Refusal(
            422,
            "value_too_long",
            f"The value of the key {key!r} has {len(value)} characters as JSON, and may have "
            f"{LONGEST_VALUE}. Store it elsewhere, and where it is under the key.",
        )
    return await parts.database.write(lambda c: key_values.put(c, key, value, timestamp()))


@get("/api/key-values", needs="read")
async def list_keys(parts: NamedDependency[Parts]) -> list[KnownKey]:
    """List all keys, sorted, without their values."""
    return await parts.database.read(key_values.every)


# A key may hold slashes, two of them in a row, too: no path does.
@get("/api/key-values/one", needs="read")
async def get_key_value(key: FromQuery[str], parts: NamedDependency[Parts]) -> KeyValue:
    """Look at a key's value."""
    return await parts.database.read(lambda c: key_values.get(c, key))


@delete("/api/key-values/one", needs="user")
async def delete_key(key: FromQuery[str], parts: NamedDependency[Parts]) -> None:
    """Forget a key and its value."""
    await parts.database.write(lambda c: key_values.remove(c, key))


routes = [set_key_value, list_keys, get_key_value, delete_key]
