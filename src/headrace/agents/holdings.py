"""What an agent holds: the flow runs that it has claimed, or found again, and that are not over.

Plain bookkeeping without a clock or threads: whoever calls it holds a lock.

```text
take ──▶ WAITING ──start──▶ DEPLOYING ──deployed──▶ DEPLOYED ──has_begun──▶ BEGUN
            └──────────────────┴────────────over───────┴──────────────────────┘
```
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headrace.agents.launcher import Deployment

#: A flow run's id, and an attempt.
Key = tuple[str, int]

#: How many runs an agent names with a claim at most; the server refuses more.
MOST_NAMED = 1000


class Stage(Enum):
    """How far a flow run is."""

    WAITING = auto()  #: for its time
    DEPLOYING = auto()  #: the launcher is being asked
    DEPLOYED = auto()  #: the platform has it
    BEGUN = auto()  #: its process is its own master


@dataclass(slots=True)
class _Held:
    stage: Stage
    deployment: Deployment | None = None
    #: Whether the server has said not to go on with it, and how often it has.
    is_dropped: bool = False
    drops: int = 0


@dataclass(frozen=True, slots=True)
class Dropped:
    """What is to be done about a run that is not to be gone on with.

    Attributes:
        given_back: Those that were still waiting: they are held no more.
        deploying: Those that the launcher is just being asked for.
        deployed: Those that the platform has.
    """

    given_back: tuple[Key, ...] = ()
    deploying: tuple[Key, ...] = ()
    deployed: tuple[Deployment, ...] = ()


class Holdings:
    """The flow runs of one agent.

    Args:
        limit: How many there may be; None for as many as come.
        at_once: How many may be on their way to the platform.
    """

    def __init__(self, limit: int | None, at_once: int) -> None:
        self._limit = limit
        self._at_once = at_once
        # When one has been deployed the next is there: it need not be asked for first.
        self._most_deploying = at_once + at_once * 2 // 5
        self._held: dict[Key, _Held] = {}
        self._deploying = 0
        #: Those whose claims have to be kept alive.
        self._unbegun: dict[Key, _Held] = {}

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, key: Key) -> bool:
        return key in self._held

    # -- what is asked for ------------------------------------------------------------------------

    @property
    def room(self) -> int:
        """How many more there may be now."""
        room = min(self._most_deploying - self._deploying, MOST_NAMED - len(self._unbegun))
        if self._limit is not None:
            room = min(room, self._limit - len(self._held))
        return max(0, room)

    @property
    def to_ask_for(self) -> int:
        """How many more to ask for now: a few are not worth a question while all hands are full."""
        is_idle = self._deploying < self._at_once
        return self.room if is_idle or self.room >= self._at_once // 5 else 0

    @property
    def waiting(self) -> int:
        """How many wait for their time."""
        return sum(held.stage is Stage.WAITING for held in self._unbegun.values())

    @property
    def is_deploying(self) -> bool:
        """Whether there are any whose processes have not begun."""
        return bool(self._unbegun)

    def to_name(self) -> list[str]:
        """Return the ids of those whose claims are to be kept alive, sorted."""
        # One that the server has said not to go on with would only be answered at once again.
        named = {key[0] for key, held in self._unbegun.items() if not held.is_dropped}
        return sorted(named)[:MOST_NAMED]

    def unbegun(self) -> list[Deployment]:
        """Return what the platform has and has not begun yet, as far as is known."""
        return [held.deployment for held in self._unbegun.values() if held.deployment is not None]

    def is_waited_for(self, key: Key) -> bool:
        """Tell whether a run's process is still to begin."""
        return key in self._unbegun

    # -- what happens -----------------------------------------------------------------------------

    def take(self, key: Key, *, is_due: bool) -> bool:
        """Take a run; return False if it is held already."""
        if key in self._held:
            return False
        self._add(key, _Held(Stage.DEPLOYING if is_due else Stage.WAITING))
        self._deploying += is_due
        return True

    def find(self, deployment: Deployment) -> None:
        """Take a run that was deployed before this agent was started again."""
        key = (deployment.flow_run_id, deployment.attempt)
        if key not in self._held:
            self._add(key, _Held(Stage.DEPLOYED, deployment))

    def start(self, key: Key) -> bool:
        """Note that a run is due; return whether it is to be deployed now."""
        held = self._held.get(key)
        if held is None or held.stage is not Stage.WAITING:
            return False
        held.stage = Stage.DEPLOYING
        self._deploying += 1
        return True

    def deployed(self, deployment: Deployment) -> bool:
        """Note that the platform has a run; return whether it is to be cancelled at once."""
        held = self._held.get((deployment.flow_run_id, deployment.attempt))
        if held is None or held.stage is not Stage.DEPLOYING:
            return False  # its end was heard of before
        held.stage = Stage.DEPLOYED
        held.deployment = deployment
        self._deploying -= 1
        return held.is_dropped

    def begun(self, keys: Iterable[Key]) -> None:
        """Note that processes have begun."""
        for key in keys:
            held = self._unbegun.get(key)
            if held is not None and held.stage is Stage.DEPLOYED:
                held.stage = Stage.BEGUN
                del self._unbegun[key]

    def keys_of(self, run_ids: Iterable[str]) -> list[Key]:
        """Return the attempts of runs whose processes have not begun."""
        wanted = set(run_ids)
        return [key for key in self._unbegun if key[0] in wanted]

    def drop(self, run_id: str) -> Dropped:
        """Take the server's word that a run is not to be gone on with."""
        given_back: list[Key] = []
        deploying: list[Key] = []
        deployed: list[Deployment] = []
        for key in self.keys_of([run_id]):
            held = self._unbegun[key]
            if held.is_dropped:
                continue
            held.is_dropped = True
            held.drops += 1
            if held.stage is Stage.WAITING:
                self.over(key)
                given_back.append(key)
            elif held.deployment is not None:
                deployed.append(held.deployment)
            else:
                deploying.append(key)
        return Dropped(tuple(given_back), tuple(deploying), tuple(deployed))

    def give_back(self) -> list[Key]:
        """Let go of those that wait for their time; return which these were."""
        left = [key for key, held in self._unbegun.items() if held.stage is Stage.WAITING]
        for key in left:
            self.over(key)
        return left

    def drops(self, key: Key) -> int:
        """Tell how often the server has said not to go on with a run; 0 if that is past."""
        held = self._unbegun.get(key)
        return held.drops if held is not None and held.is_dropped else 0

    def pick_up(self, key: Key) -> None:
        """Name a run again that was dropped: the server may think otherwise by now."""
        if key in self._unbegun:
            self._unbegun[key].is_dropped = False

    def older(self, key: Key) -> list[Deployment]:
        """Return the deployments of earlier attempts that have not begun: they are not to any more."""
        run_id, attempt = key
        return [
            held.deployment
            for (its_run, its_attempt), held in self._unbegun.items()
            if its_run == run_id and its_attempt < attempt and held.deployment is not None
        ]

    def over(self, key: Key) -> None:
        """Note that an attempt is over, or was not deployed."""
        held = self._held.pop(key, None)
        self._unbegun.pop(key, None)
        if held is not None:
            self._deploying -= held.stage is Stage.DEPLOYING

    def _add(self, key: Key, held: _Held) -> None:
        self._held[key] = held
        self._unbegun[key] = held
