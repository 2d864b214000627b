"""The little that an ECS agent keeps on its own disk: it saves questions, and may be lost."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

#: For how many seconds ECS may describe a task that has stopped: it says "at least one hour".
_KEEP = 3 * 3600.0
#: After how many notes those that are too old are left out.
_SWEEP = 1000


class Notes:
    """Which tasks' ends the server knows, and which clusters there are tasks in but the agent's.

    If they are lost, ends are told again, which does no harm, and tasks of other clusters are left
    to their leases.

    Args:
        folder: The agent's own directory.
    """

    def __init__(self, folder: Path) -> None:
        self._released = folder / "ecs-released"
        self._clusters = folder / "ecs-clusters"
        self._lock = threading.Lock()
        self._known: set[str] = set(self.clusters())
        self._noted = 0

    def released(self) -> set[str]:
        """Return the ARNs of tasks that are over, and whose ends the server knows."""
        kept = []
        with self._lock:
            for line in _lines(self._released):
                at, _, arn = line.partition(" ")
                with contextlib.suppress(ValueError):  # cut short by a full disk
                    if time.time() - float(at) < _KEEP and arn:
                        kept.append((at, arn))
            with contextlib.suppress(OSError):
                _write(self._released, (f"{at} {arn}" for at, arn in kept))
        return {arn for _, arn in kept}

    def note_released(self, arn: str) -> None:
        """Remember that the server knows how a task ended."""
        with self._lock, contextlib.suppress(OSError), self._released.open("a") as file:
            file.write(f"{time.time():.0f} {arn}\n")
            self._noted += 1
        if self._noted % _SWEEP == 0:
            self.released()

    def clusters(self) -> list[str]:
        """Return the clusters that run configs have named."""
        return list(_lines(self._clusters))

    def note_cluster(self, cluster: str) -> None:
        """Remember that a task was started in this cluster."""
        with self._lock:
            if cluster not in self._known:
                self._known.add(cluster)
                with contextlib.suppress(OSError):
                    _write(self._clusters, sorted(self._known))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []


def _write(path: Path, lines: Iterable[str]) -> None:
    new = path.with_suffix(".new")
    new.write_text("".join(f"{line}\n" for line in lines))
    new.replace(path)
