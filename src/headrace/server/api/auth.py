"""API keys: made, listed, revoked."""

from __future__ import annotations

from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from headrace.server.parts import Parts
from headrace.server.problems import Refusal
from headrace.server.services.auth import check_key
from headrace.wire.auth import CreateKey, Key, NewKey


@post("/api/auth/keys", needs="admin")
async def create_key(data: JSONBody[CreateKey], parts: NamedDependency[Parts]) -> NewKey:
    """Make an API key; the answer is the only place where it is shown."""
    check_key(data)
    if data.scope != "admin" and not await parts.auth.is_on():
        # From the first key on everybody needs one, and only an admin's makes more of them.
        raise Refusal(
            409,
            "no_admin_key",
            "The first key has to be an admin's: from then on this server asks everybody for a key, "
            "agents too, and nobody else could make theirs. Make it with: headrace auth create-key "
            "--scope admin",
        )
    return await parts.auth.create(data)


@get("/api/auth/keys", needs="admin")
async def list_keys(parts: NamedDependency[Parts]) -> list[Key]:
    """List all API keys, without their secrets."""
    return await parts.auth.keys()


@delete("/api/auth/keys/{key_id:str}", needs="admin")
async def revoke_key(key_id: FromPath[str], parts: NamedDependency[Parts]) -> None:
    """Revoke an API key at once."""
    await parts.auth.revoke(key_id)


routes = [create_key, list_keys, revoke_key]
