"""What becomes of task runs whose worker was lost, and of those whose inputs were lost with one.

Nothing is run a second time without a word: a run that may have begun waits as `Retrying`, with the
reason, and one that had finished is taken back in the same way, if its value is needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headrace.core.now import timestamp
from headrace.core.states import Failed, Resume, Retrying, Scheduled, State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.core.errors import ExecutionLost, ValueLost
    from headrace.engine.flight import Flight, Item
    from headrace.engine.flow_machine import FlowMachine
    from headrace.engine.packing import Packer

MOST_LOSSES = 3  #: workers that one task run may lose before it is blamed for it


class Losses:
    """Keeps the books of what was lost in one flow run.

    Args:
        machine: Decides what is run.
        packer: Knows where values were kept.
    """

    def __init__(self, machine: FlowMachine, packer: Packer) -> None:
        self._machine = machine
        self._packer = packer
        self._counts: dict[Item, int] = {}

    def lose(self, flight: Flight, error: ExecutionLost, items: Iterable[Item]) -> None:
        """Run again, visibly, what was on a worker that was lost.

        Args:
            flight: The chunk that was there.
            error: The loss.
            items: Those of its runs that had not been reported.
        """
        # A run that was lost together with others travels alone from now on: then it is known who
        # is to blame.
        blamed = error.may_be_why and len(flight.items) == 1
        for item in items:
            losses = self._counts[item] = self._counts.get(item, 0) + blamed
            if error.may_be_why:
                self._packer.alone.add(item)
            if losses > MOST_LOSSES:
                self._give_up(item, error, losses)
                continue
            reason = f"Retrying: {error} The task was running there, or about to."
            self._again(item, reason, flight.begins.get(item))

    def _give_up(self, item: Item, error: ExecutionLost, losses: int) -> None:
        node, child = item
        state = Failed(
            f"{error} It was the {losses}th worker that was lost while it ran this task: the task "
            "may need more memory than a worker has, or end the process by itself.",
            result=error,
        )
        state.timestamp = timestamp()
        node.task.logger.error("Task '%s': %s", node.name_of(child), state.message)
        self._machine.finish(node, child, state)

    def _again(self, item: Item, reason: str, begin: State | None = None) -> None:
        """Have a run made again, without counting it among the task's own retries."""
        node, child = item
        node.task.logger.warning("Task '%s': %s", node.name_of(child), reason)
        state: State
        if isinstance(begin, Resume):
            state = Resume(reason)  # a person has let it go on, and need not be asked again
        elif isinstance(begin, Retrying):
            # It is the same try, and in a loop the same turn.
            state = Retrying(reason, run_count=begin.run_count, context=begin.context)
        elif begin is not None and not isinstance(begin, Scheduled):
            # A cached state that may make the run needless: it is looked at again.
            self._machine.put_back(node, child, begin)
            return
        else:
            state = Retrying(reason, run_count=0)
        state.timestamp = timestamp()
        before = node.state_of(child)
        if before is not None and before.is_finished():
            self._machine.reopen(node, child, state)
        else:
            self._machine.finish(node, child, state)

    def make_anew(self, flight: Flight, error: ValueLost, items: Iterable[Item]) -> None:
        """Have lost values made anew for the runs that need them, which wait until then.

        Args:
            flight: The chunk that could not run.
            error: The loss.
            items: Its runs.
        """
        kept = self._packer.kept.places
        lost = set(error.keys)
        producers = [
            item for item in flight.uses if item in kept and (not lost or kept[item][0].key in lost)
        ]
        for producer in producers:
            del kept[producer]
            if not self.load(producer):
                self._again(producer, f"Retrying: {error}")
        for item in items:
            self._machine.put_back(*item, flight.begins.get(item))

    def load(self, item: Item) -> bool:
        """Read a lost value from where the task stored it; tell whether it could be."""
        node, child = item
        state = node.state_of(child)
        if state is None or state.stored is None or state.stored.location is None:
            return False
        try:
            state.load_result()
        except Exception as error:  # noqa: BLE001 - any store, and a user's own serializer
            node.task.logger.warning(
                "Task '%s': Its result was lost with a worker, and cannot be read from %s: %r",
                node.name_of(child),
                state.stored.location,
                error,
            )
            return False
        return True
