"""Where a loop stands, for later attempts: now and then, the turn that comes next is recorded.

It is recorded as a try that is due, so an attempt that takes over begins with that turn. Where
nobody keeps checkpoints there is nothing to do; a worker process that has no way to report while it
calls a task has none for this either.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from headrace.core.states import Retrying
from headrace.engine.pickling import pickled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from headrace.core.context import TaskRunContext

KEPT_SECONDS: Final = 1.0  #: how often a loop's turn is recorded at most
MOST_BYTES: Final = 2**20  #: of what the next turn begins with; what is larger is not recorded


class Turn:
    """The turn that a loop goes on with.

    Args:
        slug: The task's slug.
        child: The map index; -1 for a task that is not mapped.
        data: The state to begin with, pickled.
        at: When the turn before it ended, in seconds since 1970.
    """

    __slots__ = ("at", "child", "data", "slug")

    def __init__(self, slug: str, child: int, data: bytes, at: float) -> None:
        self.slug = slug
        self.child = child
        self.data = data
        self.at = at

    def __reduce__(self) -> tuple[type[Turn], tuple[str, int, bytes, float]]:
        return Turn, (self.slug, self.child, self.data, self.at)


class Turns:
    """Takes note of the turns of a flow run's loops.

    Args:
        tell: Given those that are to be recorded, in the thread that runs the task.
    """

    def __init__(self, tell: Callable[[Turn], None]) -> None:
        self._tell = tell
        self._told: dict[tuple[str, int], float] = {}

    def note(self, scope: TaskRunContext) -> None:
        """Take note of the context in which a turn begins."""
        task = scope.task
        if task.checkpoint is False or task.always_runs or scope.resume:
            return  # that a person has let it go on is not known of a try
        item = (scope.task_slug, -1 if scope.map_index is None else scope.map_index)
        now = time.monotonic()
        if now - self._told.get(item, -KEPT_SECONDS) < KEPT_SECONDS:
            return
        self._told[item] = now
        count = scope.task_loop_count
        begin = Retrying(
            f"The loop goes on with turn {count}.",
            run_count=0,
            context={"_loop_count": count, "_loop_result": scope.task_loop_result},
        )
        data = pickled(begin)
        if data is not None and len(data) <= MOST_BYTES:
            self._tell(Turn(*item, data, time.time()))


#: Of the tracked runs that are performed in this process, by their ids.
_here: dict[str, Turns] = {}
#: Of the chunk that is run in this context, on a worker.
_chunk: ContextVar[Turns | None] = ContextVar("headrace_turns", default=None)


@contextmanager
def told_here(flow_run_id: str, tell: Callable[[Turn], None]) -> Iterator[None]:
    """Have the turns of a flow run told, of all tasks that run in this process."""
    _here[flow_run_id] = Turns(tell)
    try:
        yield
    finally:
        del _here[flow_run_id]


@contextmanager
def told_by_chunk(tell: Callable[[Turn], None]) -> Iterator[None]:
    """Have the turns of the loops in this block told, in a process that is not the runner's."""
    token = _chunk.set(Turns(tell))
    try:
        yield
    finally:
        _chunk.reset(token)


def note_turn(scope: TaskRunContext) -> None:
    """Take note of the context in which a turn of a loop begins, if anybody keeps it."""
    turns = _here.get(str(scope.find("flow_run_id"))) if _here else _chunk.get()
    if turns is not None:
        turns.note(scope)
