"""How far a flow run has come, for whoever watches it from another thread.

Running tasks costs nothing more for being watched: the numbers are those that the flow machine keeps
for itself, and they are added up when somebody asks. What is asked while the run goes on may be a
moment old; it is exact once the run is over.
"""

from __future__ import annotations

from operator import add
from typing import TYPE_CHECKING, NamedTuple

from headrace.core.states import Skipped, Success

if TYPE_CHECKING:
    from headrace.core.states import State
    from headrace.engine.plan import Node
    from headrace.engine.run import Run


class Counts(NamedTuple):
    """Task runs, counted. The children of a mapped task count, and it does not.

    Attributes:
        total: All that are known of so far: a mapped task is one until it has children.
        successful: Those that ended well, but for the skipped ones.
        skipped: Those that were skipped.
        failed: Those that ended badly, or not at all because something upstream did.
        cancelled: Those that ended in no other way.
        waiting: Those that wait for a time: of a retry, or of the end of a pause.
    """

    total: int = 0
    successful: int = 0
    skipped: int = 0
    failed: int = 0
    cancelled: int = 0
    waiting: int = 0

    @property
    def done(self) -> int:
        """How many are over."""
        return self.successful + self.skipped + self.failed + self.cancelled


class OpenMap(NamedTuple):
    """A mapped task whose children are not all over.

    Attributes:
        name: The task's name.
        done: How many children are over.
        total: How many there are.
    """

    name: str
    done: int
    total: int


class Progress:
    """Reads how far one flow run has come. All methods may be called from any one thread.

    Args:
        run: The flow run.

    Attributes:
        open_maps: The mapped tasks that were under way when `count` was last called.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._machine = run.machine
        # What is over is counted once: a look at a run of many tasks costs as much as is open.
        self._open = list(run.machine.nodes.values())
        self._closed = Counts()
        self.open_maps: list[OpenMap] = []

    def count(self) -> Counts:
        """Count the task runs as they are now. Takes about 0.1 µs for each task that is open."""
        total, successful, skipped, failed, cancelled, _ = self._closed
        closed = [total, successful, skipped, failed, cancelled]
        open_now = [0, 0, 0, 0, 0]
        still: list[Node] = []
        maps: list[OpenMap] = []
        for node in self._open:
            children = node.children
            if not children:
                state = node.state
                if state is None or not state.is_finished():
                    open_now[0] += 1
                    still.append(node)
                else:
                    closed[0] += 1
                    closed[_place(state)] += 1
                continue
            width, ahead = len(children), node.open_children
            into = closed
            if ahead:
                into = open_now
                still.append(node)
                maps.append(OpenMap(node.task.name, width - ahead, width))
            into[0] += width
            into[1] += node.successful - node.skipped
            into[2] += node.skipped
            into[3] += node.failed
            # The machine writes while this reads: a child may be over and not counted yet.
            into[4] += max(0, width - ahead - node.successful - node.failed)
        self._open = still
        self._closed = Counts(*closed)
        self.open_maps = maps
        counts = Counts(*map(add, closed, open_now))
        return counts._replace(waiting=len(self._machine.timers))

    @property
    def is_cancelled(self) -> bool:
        """Whether the run was asked to end: nothing new begins."""
        return self._machine.cancelled is not None

    def count_running(self) -> int:
        """Count the task runs that are being executed, as far as this process knows."""
        return self._run.count_running()


def _place(state: State) -> int:
    """Return at which place of `Counts` a state counts that a run ended in."""
    if isinstance(state, Success):
        return 2 if isinstance(state, Skipped) else 1
    return 3 if state.is_failed() else 4
