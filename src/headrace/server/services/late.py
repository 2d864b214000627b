"""Says of runs that are due and that nobody claims that they are late, and why."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from headrace.core.errors import DatabaseError
from headrace.core.now import now
from headrace.server.db import late_runs

if TYPE_CHECKING:
    from headrace.server.parts import Parts

_log = logging.getLogger("headrace.server")

#: How often to look, in seconds: a look is one step in an index that holds what nobody has claimed.
_LOOK_EVERY = 5.0


class Late:
    """Puts one entry into the history of each run that is late, with the reason."""

    async def run(self, parts: Parts) -> None:
        """Look for late runs until cancelled."""
        while not parts.hub.is_closed:
            try:
                await self.look(parts)
            except DatabaseError as error:
                _log.warning("Late runs could not be looked for: %s", error)
            await asyncio.sleep(_LOOK_EVERY)

    async def look(self, parts: Parts) -> list[str]:
        """Mark what is late now.

        Args:
            parts: The server's parts.

        Returns:
            The ids of the runs that were marked.
        """
        moment = now()
        before = moment - parts.settings.late_after
        late = await parts.database.read(lambda c: late_runs.late(c, before))
        if not late:
            return []
        marked = await parts.database.write(
            lambda c: late_runs.mark(c, late, policy=parts.policy, now=moment)
        )
        for run_id in marked:
            parts.hub.notify(f"run:{run_id}")
        return marked


service = Late()
