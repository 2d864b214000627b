"""Who is asking: API keys and the tokens of runs."""

from __future__ import annotations

import asyncio
import datetime
import hashlib
import hmac
import logging
import secrets
import time
import uuid
from collections import OrderedDict
from typing import TYPE_CHECKING

from headrace.core.errors import DatabaseError
from headrace.core.now import timestamp
from headrace.server.callers import ANONYMOUS, Caller
from headrace.server.db import keys as stored
from headrace.server.db.columns import to_time
from headrace.server.db.keys import StoredKey
from headrace.server.problems import Refusal, not_found
from headrace.server.rules.naming import check_name
from headrace.server.services.limits import FailureLimit
from headrace.wire.auth import SCOPES, CreateKey, Key, NewKey

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from headrace.server.db.database import Database
    from headrace.server.settings import ServerSettings

_log = logging.getLogger("headrace.server")

#: What keys, and the tokens of runs, begin with.
KEY_PREFIX = "hr_"
TOKEN_PREFIX = "hrt_"  # noqa: S105 - a prefix, no secret
#: For how many seconds the keys are believed to be what they were: another process may change them.
_FRESH = 5.0
#: For how many seconds they are if a key is not among them.
_FRESH_FOR_STRANGERS = 1.0
#: How often it is noted that a key was used, in seconds.
_NOTE_USE_EVERY = 60.0
_MOST_TOKENS = 20_000


def hash_of(secret: str) -> str:
    """Return what is stored of a key or a token, which has 256 random bits: its plain SHA-256."""
    return hashlib.sha256(secret.encode()).hexdigest()


def new_token() -> str:
    """Return a new token for the process of a flow run."""
    return TOKEN_PREFIX + secrets.token_urlsafe(32)


def make_key(connection: Connection, wanted: CreateKey) -> NewKey:
    """Make and store a key.

    Raises:
        Refusal: If its name is empty or no name, its scope unknown, or its time over already.
    """
    check_key(wanted)
    secret = KEY_PREFIX + secrets.token_urlsafe(32)
    key = StoredKey(
        id=str(uuid.uuid4()),
        name=wanted.name.strip(),
        scope=wanted.scope,
        hash=hash_of(secret),
        created=timestamp(),
        expires=None if wanted.expires is None else _seconds(wanted.expires),
        revoked=None,
        last_used=None,
    )
    stored.add(connection, key)
    return NewKey(key=_told(key), secret=secret)


def check_key(wanted: CreateKey) -> None:
    """See to it that a key can be as it is wanted.

    Raises:
        Refusal: If its name is empty or no name, its scope unknown, or its time over already.
    """
    if not wanted.name.strip():
        raise Refusal(400, "invalid", "The key has no name. Give one that says whose it is.")
    # It is shown in the history of what is done with the key.
    check_name("A key's name", wanted.name.strip())
    if wanted.scope not in SCOPES:
        known = ", ".join(SCOPES)
        raise Refusal(400, "invalid", f"There is no scope {wanted.scope!r}. There are: {known}.")
    if wanted.expires is not None and _seconds(wanted.expires) <= timestamp():
        raise Refusal(
            400, "invalid", f"expires: {wanted.expires} is over already. Give a time to come."
        )


class Auth:
    """Knows the keys, and who may go without one.

    A key that another process has made or revoked is known within five seconds.

    Args:
        database: Where the keys are.
        settings: What the server was started with.
    """

    def __init__(self, database: Database, settings: ServerSettings) -> None:
        self._database = database
        self._is_loopback = settings.is_loopback
        self._limit = FailureLimit(settings.most_failures)
        self._keys: dict[str, StoredKey] = {}
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        self._tokens: OrderedDict[str, Caller] = OrderedDict()
        self._noted: dict[str, float] = {}
        self._notes: set[asyncio.Task[None]] = set()

    async def is_on(self) -> bool:
        """Tell whether callers have to say who they are.

        They need not if only this machine reaches the server and no key was ever made.
        """
        await self._refresh(_FRESH)
        return bool(self._keys) or not self._is_loopback

    async def has_admin(self) -> bool:
        """Tell whether there is an admin key that is worth something."""
        await self._refresh(0.0)
        now = timestamp()
        return any(
            key.scope == "admin" and key.revoked is None and (key.expires or now + 1) > now
            for key in self._keys.values()
        )

    async def caller(self, authorization: str | None, address: str) -> Caller:
        """Return who is asking.

        Args:
            authorization: The header of this name.
            address: The client's address.

        Raises:
            Refusal: If nobody can be made out: 401, or 429 after too many failures.
        """
        if authorization is None:
            if not await self.is_on():
                return ANONYMOUS
            raise _unauthorized("This server asks for an API key, and there is none.")
        kind, _, secret = authorization.partition(" ")
        secret = secret.strip()
        if kind.lower() != "bearer" or not secret:
            raise _unauthorized("The Authorization header is not 'Bearer <key>'.")
        if secret.startswith(TOKEN_PREFIX):
            return await self._caller_of_token(secret, address)
        return await self._caller_of_key(secret, address)

    async def create(self, wanted: CreateKey) -> NewKey:
        """Make a key.

        Raises:
            Refusal: If it cannot be as it is wanted.
        """
        made = await self._database.write(lambda connection: make_key(connection, wanted))
        await self._refresh(0.0)
        return made

    async def revoke(self, key_id: str) -> None:
        """Revoke a key; from now on it is worth nothing.

        Raises:
            Refusal: If there is no such key.
        """
        now = timestamp()
        if not await self._database.write(lambda c: stored.revoke(c, key_id, now)):
            raise not_found("key", key_id, "`headrace auth list-keys` shows the keys there are.")
        await self._refresh(0.0)

    async def keys(self) -> list[Key]:
        """Return all keys, without their secrets."""
        found = await self._database.read(stored.every)
        return [_told(key) for key in found]

    def expect(self, token: str, run_id: str, attempt: int) -> None:
        """Take note of a run's token that was just made: its process comes at once.

        Args:
            token: The token.
            run_id: The flow run.
            attempt: The attempt.
        """
        self._remember(hash_of(token), _runner(run_id, attempt))

    async def finish(self) -> None:
        """Wait until it is written when keys were last used."""
        await asyncio.gather(*self._notes)

    # -- inside -------------------------------------------------------------------------------

    async def _caller_of_key(self, secret: str, address: str) -> Caller:
        await self._refresh(_FRESH)
        digest = hash_of(secret)
        key = self._keys.get(digest)
        if key is None:
            await self._refresh(_FRESH_FOR_STRANGERS)
            key = self._keys.get(digest)
        if key is None or not hmac.compare_digest(key.hash, digest):
            raise self._unknown(address, "This API key is not known here.")
        # Who has the secret may know what became of the key: it is theirs, or was.
        now = timestamp()
        if key.revoked is not None:
            raise self._unknown(address, f"The API key {key.name!r} was revoked.")
        if key.expires is not None and key.expires <= now:
            when = to_time(key.expires)
            raise self._unknown(address, f"The API key {key.name!r} expired at {when:%F %T} UTC.")
        if now - self._noted.get(key.id, key.last_used or 0.0) >= _NOTE_USE_EVERY:
            self._noted[key.id] = now
            note = asyncio.create_task(self._note_use(key.id, now))
            self._notes.add(note)
            note.add_done_callback(self._notes.discard)
        return Caller(key.name, key.scope)

    async def _caller_of_token(self, token: str, address: str) -> Caller:
        digest = hash_of(token)
        known = self._tokens.get(digest)
        if known is not None:
            self._tokens.move_to_end(digest)
            return known
        # Looked for whatever the address has done: the token may be right, and its run's life.
        found = await self._database.read(lambda c: stored.run_of_token(c, digest))
        if found is None:
            raise self._unknown(
                address, "This run token is not known here: its flow run may have been deleted."
            )
        caller = _runner(*found)
        self._remember(digest, caller)
        return caller

    def _remember(self, digest: str, caller: Caller) -> None:
        self._tokens[digest] = caller
        while len(self._tokens) > _MOST_TOKENS:
            self._tokens.popitem(last=False)

    async def _refresh(self, fresh: float) -> None:
        """Read the keys, unless they were read in the last `fresh` seconds."""
        asked = time.monotonic()
        if asked - self._read_at < fresh:
            return
        async with self._reading:
            # Whoever waited here for another reading may have it, if it began after the question.
            if self._read_at > asked or time.monotonic() - self._read_at < fresh:
                return
            began = time.monotonic()
            self._keys = {key.hash: key for key in await self._database.read(stored.every)}
            self._read_at = began

    async def _note_use(self, key_id: str, now: float) -> None:
        try:
            await self._database.write(lambda connection: stored.used(connection, key_id, now))
        except DatabaseError as error:
            _log.warning("When a key was last used was not noted: %s", error)

    def _unknown(self, address: str, what: str) -> Refusal:
        """Return the refusal of a wrong secret; nothing more is learnt after too many of them.

        Whoever does have a key is never asked how often others behind its address have failed.
        """
        wait = self._limit.wait(address)
        if wait:
            return Refusal(
                429,
                "too_many_failures",
                f"Too many wrong keys came from {address}. Mend HEADRACE_API_KEY there, and try "
                f"again in {wait} seconds.",
                {"retry-after": str(wait)},
            )
        self._limit.fail(address)
        return _unauthorized(what)


def _runner(run_id: str, attempt: int) -> Caller:
    return Caller("runner", "run", run_id, attempt)


def _unauthorized(what: str) -> Refusal:
    return Refusal(
        401,
        "not_authorized",
        f"{what} Set HEADRACE_API_KEY to a key of this server; who has the machine that it "
        f"runs on makes one with `headrace auth create-key --local`.",
        {"www-authenticate": "Bearer"},
    )


def _seconds(moment: datetime.datetime) -> float:
    if moment.tzinfo is None:
        raise Refusal(400, "invalid", f"expires: {moment} has no time zone. Give it with one.")
    return moment.timestamp()


def _told(key: StoredKey) -> Key:
    return Key(
        id=key.id,
        name=key.name,
        scope=key.scope,
        created=to_time(key.created),
        expires=to_time(key.expires),
        revoked=to_time(key.revoked),
        last_used=to_time(key.last_used),
    )
