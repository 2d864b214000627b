"""What an agent knows of its containers: which are being started, live, told of, released."""

from __future__ import annotations

import threading
from enum import Enum

from headrace.agents.launcher import Deployment


class Seen(Enum):
    """What a container that is there means to the agent."""

    NEW = "new"  #: not known until now
    LIVE = "live"  #: known, and not over
    RELEASED = "released"  #: over, and to be removed
    OTHERWISE = "otherwise"  #: being started, or its end was told: nothing is to be done


class Known:
    """Containers by name. May be used from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._starting: set[str] = set()
        #: Those that have ended while they were being started.
        self._early: set[str] = set()
        self._live: dict[str, Deployment] = {}
        self._told: set[str] = set()
        self._released: set[str] = set()

    @property
    def live(self) -> list[Deployment]:
        """Those that are not over."""
        with self._lock:
            return list(self._live.values())

    @property
    def settled(self) -> set[str]:
        """The names of those that are not over, and not just being started."""
        with self._lock:
            return self._live.keys() - self._starting

    @property
    def released(self) -> set[str]:
        """The names of those that may be removed."""
        with self._lock:
            return set(self._released)

    def starts(self, deployment: Deployment) -> None:
        """Take note that it is being started: until then its end is nobody else's to tell."""
        with self._lock:
            self._starting.add(deployment.handle)

    def made(self, deployment: Deployment) -> None:
        """Take note that it is there."""
        with self._lock:
            self._live[deployment.handle] = deployment
            self._told.discard(deployment.handle)
            self._released.discard(deployment.handle)

    def unmade(self, deployment: Deployment) -> None:
        """Take note that it could not be started."""
        with self._lock:
            self._live.pop(deployment.handle, None)

    def started(self, deployment: Deployment) -> bool:
        """Take note that starting it is done; return whether it has ended meanwhile."""
        with self._lock:
            self._starting.discard(deployment.handle)
            has_ended = deployment.handle in self._early
            self._early.discard(deployment.handle)
            return has_ended

    def see(self, deployment: Deployment) -> Seen:
        """Take note that a container is there, and return what that means."""
        name = deployment.handle
        with self._lock:
            if name in self._starting:
                return Seen.OTHERWISE
            if name in self._released:
                return Seen.RELEASED
            if name in self._told:
                return Seen.OTHERWISE
            is_new = name not in self._live
            self._live[name] = deployment
            return Seen.NEW if is_new else Seen.LIVE

    def ending(self, name: str) -> Deployment | None:
        """Return whose a container is that has ended; None if nobody is to be told that now."""
        with self._lock:
            if name in self._starting:
                # It may even have been made before: it was found there, and running.
                self._early.add(name)
                return None
            return self._live.get(name)

    def tell(self, name: str) -> bool:
        """Take note that its end is about to be told; return whether it was not before."""
        with self._lock:
            is_first = name not in self._told
            self._told.add(name)
            return is_first

    def over(self, name: str) -> bool:
        """Take note that it is over; return whether it was not before."""
        with self._lock:
            self._told.add(name)
            return self._live.pop(name, None) is not None

    def release(self, name: str) -> None:
        """Take note that it may be removed; that it was is seen by a look at what is there."""
        with self._lock:
            self._live.pop(name, None)
            self._released.add(name)

    def forget(self, names: set[str]) -> None:
        """Forget some that were released, and are not there any more."""
        with self._lock:
            self._told -= names
            self._released -= names
