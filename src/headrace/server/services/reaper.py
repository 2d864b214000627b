"""Takes flow runs back from owners that are gone."""

from __future__ import annotations

import asyncio
import datetime
import logging
import time
from typing import TYPE_CHECKING

from headrace.core.errors import DatabaseError
from headrace.core.now import now, timestamp
from headrace.server.db import leases

if TYPE_CHECKING:
    from headrace.server.parts import Parts

_log = logging.getLogger("headrace.server")

#: How often it looks, in seconds. A look at nothing reads a few entries of an index.
PERIOD = 1.0
#: How much later than it should a look may be, and how far the clock may have jumped, in seconds,
#: before nobody is blamed for silence in that time.
TOLERANCE = 5.0


class Reaper:
    """Takes back claims and leases that have expired, while time can be trusted.

    Lease time runs only while the server serves: after a start, and after a while in which this
    process stood still, the database did not answer, or the clock jumped, all terms begin anew.
    Where several servers share a database each of them does so for itself, which can only make a
    takeover later by one term.
    """

    def __init__(self) -> None:
        self._looked: tuple[float, float] | None = None

    async def run(self, parts: Parts) -> None:
        """Work until it is cancelled."""
        self._looked = None
        while True:
            try:
                await self.look(parts)
            except DatabaseError as error:
                _log.warning("Leases were not looked at: %s", error)
            await asyncio.sleep(PERIOD)

    async def look(self, parts: Parts) -> int:
        """Look once at all claims and leases.

        Args:
            parts: The server's parts.

        Returns:
            How many flow runs were taken back.

        Raises:
            DatabaseError: If the database cannot be used.
        """
        if not self._trusts_time():
            await self._give_new_terms(parts)
            self._note_time()
            return 0
        taken = await self._take_back(parts)
        self._note_time()
        return taken

    def _note_time(self) -> None:
        self._looked = (timestamp(), time.monotonic())

    def _trusts_time(self) -> bool:
        """Tell whether the server has served since the last look, by a clock that has not jumped."""
        if self._looked is None:
            return False
        wall = timestamp() - self._looked[0]
        steady = time.monotonic() - self._looked[1]
        return steady <= PERIOD + TOLERANCE and abs(wall - steady) <= TOLERANCE

    async def _give_new_terms(self, parts: Parts) -> None:
        moment, policy = now(), parts.policy
        while run_ids := await parts.database.read(
            lambda connection: leases.wrong_terms(connection, policy, moment)
        ):
            await self._renew(parts, run_ids, moment)

    async def _renew(self, parts: Parts, run_ids: list[str], moment: datetime.datetime) -> None:
        await parts.database.write(
            lambda connection: leases.give_new_terms(connection, run_ids, parts.policy, moment)
        )

    async def _take_back(self, parts: Parts) -> int:
        moment, count = now(), 0
        while run_ids := await parts.database.read(
            lambda connection: leases.expired(connection, moment)
        ):
            taken = await self._take(parts, run_ids, moment)
            for run_id in taken:
                parts.hub.notify(f"run:{run_id}")
                parts.hub.notify(f"orders:{run_id}")
            if taken:
                parts.hub.notify("work")
                _log.info("%d flow runs were taken back from silent owners.", len(taken))
            count += len(taken)
            if len(taken) < len(run_ids):
                # Others were renewed meanwhile; the next look sees what is left.
                break
        return count

    async def _take(self, parts: Parts, run_ids: list[str], moment: datetime.datetime) -> list[str]:
        return await parts.database.write(
            lambda connection: leases.take_back(connection, run_ids, parts.policy, moment)
        )


service = Reaper()
