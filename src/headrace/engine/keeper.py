"""What a later attempt will need of a task run: decides it, and adds it to the checkpoints."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from headrace.config.logging import get_logger
from headrace.core.states import Mapped, State, Success
from headrace.engine.checkpoints import LARGE_BYTES, may_hold
from headrace.engine.pickling import pickled
from headrace.engine.resumption import is_made_anew
from headrace.engine.segments import BESIDE, NOTHING, STATE, STORED, VALUE, Record
from headrace.engine.state_pickling import pickled_state
from headrace.engine.turns import KEPT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.core.result import Result
    from headrace.engine.checkpoints import Checkpoints
    from headrace.engine.outcome import Outcome
    from headrace.engine.plan import Node
    from headrace.engine.resumption import Resumption
    from headrace.engine.run import Run
    from headrace.engine.turns import Turn
    from headrace.engine.worker_checkpoints import Place
    from headrace.executors.base import Executor
    from headrace.wire.events import TaskState

Item = tuple["Node", int]


class Keeper:
    """Keeps the checkpoints of one attempt.

    Args:
        checkpoints: Takes them.

    Attributes:
        resumption: What earlier attempts have left.
        guarded: Whether inputs are to be looked at before tasks are started: some values are such
            that no later attempt can read them, or some task run may be taken over by its inputs.
    """

    def __init__(self, checkpoints: Checkpoints) -> None:
        self._checkpoints = checkpoints
        self._run: Run | None = None
        self.resumption: Resumption | None = None
        self.guarded = False
        #: Tasks whose values no later attempt can read; and those of them that have returned one.
        self._volatile: set[Node] = set()
        self._forgotten: set[Node] = set()
        #: Hashes of the inputs of what hangs on them.
        self._hashes: dict[Item, str | None] = {}
        self._turns_flushed = time.monotonic()

    def resume(self, resumption: Resumption) -> None:
        """Go on with what earlier attempts have left."""
        self.resumption = resumption
        self.guarded = bool(resumption.candidates)

    def attach(self, run: Run) -> None:
        """Keep what this run does."""
        self._run = run
        # Known before anything is fused or packed that hangs on them.
        self._volatile = {
            node
            for node in run.machine.nodes.values()
            if node.task.checkpoint is False and not is_made_anew(node.task)
        }
        self.guarded = self.guarded or bool(self._volatile)

    def flow_result(self, result: Result | None, executor: Executor) -> Result | None:
        """Return where the flow's results go: as the flow says, or marked as `in_checkpoints`.

        Values without a location of their own go into the checkpoints, which are in the same place.
        Those that stay on workers can only if workers can write there.
        """
        if not may_hold(result):
            return result
        if executor.keeps_values and self._checkpoints.store.directory is None:
            return result
        assert result is not None
        marked = result.copy()
        marked.in_checkpoints = True
        return marked

    def open_worker_checkpoints(self) -> Place | None:
        """Return where workers write checkpoints of values that stay with them; None for nowhere."""
        if self._checkpoints.store.directory is None:
            return None
        from headrace.engine.worker_checkpoints import open_place

        try:
            return open_place(self._checkpoints.store.directory, self._checkpoints.attempt)
        except OSError:
            return None  # the checkpoints themselves will say that they cannot be written

    def known(
        self, node: Node, child: int, inputs: Mapping[str, Any]
    ) -> tuple[State, Record] | None:
        """Return what an earlier attempt has left of a task with the same inputs.

        The inputs are hashed only where an upstream's value is one that a resume cannot read.
        """
        resumption = self.resumption
        is_candidate = resumption is not None and (node.slug, child) in resumption.candidates
        volatile = any(each.upstream in self._volatile for each in node.inputs)
        if not is_candidate and not volatile:
            return None
        hashed = _hash(node, inputs)
        if is_candidate:
            assert resumption is not None
            taken = resumption.take(node, child, hashed)
            if taken is not None:
                return taken
        if volatile:
            self._hashes[node, child] = hashed
        return None

    def keep(
        self, node: Node, child: int, state: State, event: TaskState, outcome: Outcome | None
    ) -> None:
        """Add the checkpoint of a state, if it is to have one.

        Args:
            node: The task's node.
            child: The map index.
            state: The state.
            event: What is reported of it.
            outcome: What a worker has said of it, if it was executed by one.
        """
        if is_made_anew(node.task) or self._is_recorded(node, child, state, event):
            return
        if self._checkpoints.broken is not None and self._run is not None:
            self._run.patience = None  # nothing could be taken over after parking
            return
        form, data, location = self._form_of(node, child, state, outcome)
        if form == NOTHING and node not in self._forgotten:
            self._forget(node, child, outcome)
        self._checkpoints.add(
            Record(
                node.slug,
                child,
                event.type,
                form,
                event.run_count if event.children is None else event.children,
                data,
                location,
                self._hashes.pop((node, child), None) if self._hashes else None,
                event.at,
                event.place,
            )
        )

    def keep_turn(self, turn: Turn) -> None:
        """Add the checkpoint of where a loop stands. May be called from any thread."""
        self._checkpoints.add(
            Record(turn.slug, turn.child, "Retrying", STATE, 0, turn.data, at=turn.at)
        )
        # No event speaks of it that would have it written. Short loops wait for one, though.
        now = time.monotonic()
        if now - self._turns_flushed >= KEPT_SECONDS:
            self._turns_flushed = now
            self._checkpoints.flush()

    def _is_recorded(self, node: Node, child: int, state: State, event: TaskState) -> bool:
        """Tell whether an earlier attempt has recorded just this, and its record still holds."""
        resumption = self.resumption
        if resumption is None or state.place is not None:
            return False
        if event.children is not None:
            return resumption.has_taken_map(node, event.children)
        return resumption.confirms(node, child, event.type)

    def _form_of(
        self, node: Node, child: int, state: State, outcome: Outcome | None
    ) -> tuple[int, bytes | None, str | None]:
        """Return what a record holds of a state: its form, the bytes, the location."""
        if isinstance(state, Mapped):
            return STATE, None, None  # its number of children says it all
        if node.task.checkpoint is False and state.is_successful():
            return NOTHING, None, None
        if state.stored is not None:
            data = pickled_state(state)
            return (NOTHING if data is None else STORED), data, None
        if outcome is not None and outcome.kept:
            return (NOTHING if outcome.location is None else BESIDE), None, outcome.location
        if type(state) is not Success:
            data = pickled_state(state)
            return (NOTHING if data is None else STATE), data, None
        data = pickled(state.result)
        if data is None:
            return NOTHING, None, None
        if len(data) <= LARGE_BYTES:
            return VALUE, data, None
        return BESIDE, None, self._checkpoints.store.write_value(node.name_of(child), data)

    def _forget(self, node: Node, child: int, outcome: Outcome | None) -> None:
        """Take note that no later attempt can read what a task has returned."""
        self._forgotten.add(node)
        self._volatile.add(node)
        self.guarded = True
        if node.task.checkpoint is False:
            why = "it has checkpoint=False"
        elif outcome is not None and outcome.kept:
            why = "its value stayed on a worker that does not see the directory of checkpoints"
        else:
            why = "its value cannot be pickled"
        get_logger("Checkpoints").info(
            "Task '%s': a resume would run it again, as %s.", node.name_of(child), why
        )
        if self._run is not None:
            # Parking would mean doing it again: long waits are waited for here.
            self._run.patience = None


def _hash(node: Node, inputs: Mapping[str, Any]) -> str | None:
    """Return a hash of a task's inputs, without handles and secrets; None if they have none."""
    from headrace.core.hashing import UNHASHABLE, hash_value

    handles = {each.key for each in node.inputs if each.upstream.task.always_runs}
    found = hash_value({key: value for key, value in inputs.items() if key not in handles})
    return None if found.startswith(UNHASHABLE) else found
