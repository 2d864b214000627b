"""Who is asking, and what each scope may do."""

from __future__ import annotations

#: What a route needs, in the decorator of its handler: `@get("/api/projects", needs="read")`.
#: `open` is for everybody, `run` for the process of the flow run in the path, and for agents.
NEEDS = ("open", "read", "run", "agent", "user", "admin")

_RANKS = {"read": 1, "agent": 2, "user": 3, "admin": 4}
_NEEDED = {"open": 0, "read": 1, "run": 2, "agent": 2, "user": 3, "admin": 4}


class Caller:
    """Who is asking.

    Args:
        name: The key's name, `anonymous`, or `runner` for the process of a flow run.
        scope: `admin`, `user`, `agent`, `read`; `run` for the process of a flow run.
        run_id: The flow run that it is the process of.
        attempt: The attempt that it is the process of.
    """

    # No dataclass, as Litestar would take one for something to be read from the request.
    __slots__ = ("attempt", "name", "run_id", "scope")

    def __init__(
        self, name: str, scope: str, run_id: str | None = None, attempt: int | None = None
    ) -> None:
        self.name = name
        self.scope = scope
        self.run_id = run_id
        self.attempt = attempt

    def may(self, need: str, run_id: str | None = None) -> bool:
        """Tell whether it may use a route.

        A flow run's process writes its own run, reads it, and nothing else.

        Args:
            need: What the route needs: one of `NEEDS`.
            run_id: The flow run that the route is about, if it is about one.
        """
        if need == "open":
            return True
        if self.scope == "run":
            return need in ("run", "read") and run_id is not None and run_id == self.run_id
        return _RANKS[self.scope] >= _NEEDED[need]


#: Whoever asks a server that only this machine reaches and that has no keys.
ANONYMOUS = Caller("anonymous", "admin")
