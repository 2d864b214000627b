"""Packs commands into chunks: which task runs travel together, and with what.

Two things make a chunk: *children* of mapped tasks and other ready runs that are short enough by
what was measured of their kind, and *fused* successors: the task, or child, that waits for nothing
but the run before it and will run if that one simply succeeds. How much is packed depends on how
much is ready: never so much that a worker would stand idle.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from headrace.core.triggers import BuiltinTrigger
from headrace.engine.chunk import Chunk
from headrace.engine.chunk_builder import ChunkBuilder
from headrace.engine.flight import Flight, Item
from headrace.engine.fusing import successor
from headrace.engine.kept_values import KeptValues
from headrace.engine.pace import Pace
from headrace.engine.places import here
from headrace.engine.shared_values import SharedValues

if TYPE_CHECKING:
    from collections.abc import Callable

    from headrace.engine.command import Command
    from headrace.engine.run import Run
    from headrace.engine.worker_checkpoints import Place

MOST_STEPS = 1024  #: of one chunk, however short they are: it has to be pickled, too
LEAST_SHARE = 0.1  #: of a chunk's time, below which sharing out work costs more than it gains


class Packer:
    """Makes chunks of what is ready.

    Args:
        run: The flow run.
        seconds: How much work one chunk should hold; 0 for one run each.
        log_level: From which level on log lines are brought here; None for chunks that run here.

    Attributes:
        kept: Which values stayed where they were computed.
        pace: How long runs take.
        alone: Runs that travel alone, as a chunk with them was lost.
        checkpoints: Where workers write checkpoints of values that stay with them.
    """

    def __init__(self, run: Run, seconds: float, log_level: int | None = None) -> None:
        self._run = run
        self._seconds = seconds
        self._log_level = log_level
        self.kept = KeptValues()
        self.pace = Pace()
        self.alone: set[Item] = set()
        self.checkpoints: Place | None = None
        self._count = 0
        self._shared = SharedValues()

    def _share(self, ready: int, slots: int) -> tuple[float, int]:
        """Say how much of what is ready goes into one chunk: seconds, and runs of unknown length.

        A part of the rest each time, so that chunks get smaller as the work runs out, and those
        that turn out long leave something for the others to do meanwhile.
        """
        seconds = self._seconds
        typical = self.pace.typical
        if typical is not None:
            work = ready * typical / (2 * slots)
            seconds = min(seconds, max(seconds * LEAST_SHARE, work))
        return seconds, ceil(ready / (2 * slots))

    def pack(
        self,
        first: Command,
        take: Callable[[], Command | None],
        ready: int,
        slots: int,
    ) -> tuple[Flight, Chunk, Command | None]:
        """Make a chunk that begins with `first`.

        Args:
            first: The first command.
            take: Gives further commands, until it returns None.
            ready: How many of these there are, about.
            slots: How many chunks run at the same time.

        Returns:
            The flight, the chunk, and a command that was taken but does not fit in any more.
        """
        self._count += 1
        run = self._run
        flight = Flight(f"{run.scope.flow_run_id}-{self._count}")
        chunk = Chunk(
            flight.key,
            run.scope,
            [],
            [],
            self._seconds or None,
            run.flow_result,
            run.task_runner_cls,
            run.task_runner_handlers,
            log_level=self._log_level,
            home=None if self._log_level is None else here(),
            checkpoints=self.checkpoints,
        )
        builder = ChunkBuilder(run, flight, chunk, self._shared, self.kept)
        left, unknown = self._share(ready + 1, slots)
        command: Command | None = first
        while command is not None:
            node, child = command.node, command.child
            item = (node, child)
            if builder.places and not self._may_share(item):
                return flight, chunk, command
            builder.add(item, command.decided)
            pace = self.pace.of(node)
            if pace is None:
                unknown -= 1
            else:
                left -= pace
            if not self._may_share(item):
                break
            left = self._fuse(builder, item, left)
            if unknown <= 0 or left <= 0 or len(chunk.steps) >= MOST_STEPS:
                break
            command = take()
        return flight, chunk, None

    def _may_share(self, item: Item) -> bool:
        """Tell whether a run may travel with others."""
        task = item[0].task
        return (
            self._seconds > 0
            and not item[0].at_home
            and task.timeout is None
            and isinstance(task.trigger, BuiltinTrigger)
            and item not in self.alone
            and not any(":" in tag for tag in task.tags)
        )

    def _fuse(self, builder: ChunkBuilder, item: Item, left: float) -> float:
        """Add what follows a run and waits for nothing else, as long as there is time left."""
        tracker = self._run.tracker
        if tracker is not None and tracker.guarded:
            return left  # what follows is to be looked at before it is run
        machine, places = self._run.machine, builder.places
        while left > 0 and len(builder.chunk.steps) < MOST_STEPS:
            following = successor(item)
            if (
                following is None
                or following in places
                or not self._may_share(following)
                or machine.begins(*following)
                or machine.is_held_back(*following)
            ):
                break
            builder.add(following, None, after=(places[item],))
            builder.flight.fused.add(following)
            left -= self.pace.of(following[0]) or 0.0
            item = following
        return left
