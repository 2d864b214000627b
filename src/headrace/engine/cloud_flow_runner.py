"""Runs one flow for a tracked run: a `FlowRunner`, and around it what records it and orders it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.config import config
from headrace.config.logging import get_logger
from headrace.core.hashing import UNHASHABLE, hash_value
from headrace.core.now import timestamp
from headrace.core.states import Cancelled, Failed, Paused, Success, known_name
from headrace.engine.checkpoints import Checkpoints, Store, store_for
from headrace.engine.flow_runner import FlowRunner
from headrace.engine.orders import Orders
from headrace.engine.own_name import renameable
from headrace.engine.recorder import Recorder
from headrace.engine.resumption import Past, Resumption
from headrace.engine.segments import BEGUN, NOTHING, Record
from headrace.engine.turns import told_here
from headrace.wire.events import FlowState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headrace.core.states import State
    from headrace.core.task import Task
    from headrace.engine.plan import Node
    from headrace.engine.run import Run
    from headrace.flow import Flow
    from headrace.wire.claims import RunDetails
    from headrace.wire.events import Event

_ENDINGS = (Success, Failed, Cancelled)


class CloudFlowRunner:
    """Runs one attempt of a tracked flow run.

    Args:
        flow: The flow.
        details: What the server says of the run.
        emit: Takes the run's events.
        store: Where checkpoints are; by default beside the flow's results, or in the home
            directory.

    Attributes:
        orders: What the run is told to do.
        checkpoints: What later attempts will know; None if results are not to be kept.
    """

    def __init__(
        self,
        flow: Flow,
        details: RunDetails,
        emit: Callable[[Event], None],
        store: Store | None = None,
    ) -> None:
        self.flow = flow
        self.details = details
        self.orders = Orders(details.on_disconnect == "hold")
        self._emit = emit
        self._context = _context_of(details)
        self.checkpoints: Checkpoints | None = None
        #: The type of the state in which the run has ended.
        self._ended: str | None = None
        if self._context["checkpointing"]:
            store = store or store_for(flow.result, details.id, details.attempt)
            self.checkpoints = Checkpoints(store, details.attempt)
        self._recorder = Recorder(
            emit,
            self.orders,
            self.checkpoints,
            None if self.checkpoints is None else self._resumption,
        )

    def run(self) -> FlowState | None:
        """Run the flow.

        Returns:
            The state in which the run ends or is parked; None if it is not this process's to say,
            as it has lost the run, or was asked to end without being told to cancel the run.

        Raises:
            FlowError: If the run's parameters do not fit the flow.
        """
        recorder = self._recorder
        runner = FlowRunner(self.flow, tracker=recorder)
        executor = "LocalExecutor" if not self.flow.executor else type(self.flow.executor).__name__
        get_logger("CloudFlowRunner").info("Tasks run on %s.", executor)
        patience = None if self.checkpoints is None else config.flows.park_after
        state: State
        try:
            with (
                renameable(self.details.id, self._say),
                told_here(self.details.id, recorder.turned),
                self.orders,
            ):
                state = runner.run(
                    parameters=self.details.parameters, context=self._context, patience=patience
                )
        except KeyboardInterrupt as interrupt:
            # Before its tasks, as while a cluster was started, or after them.
            state = Cancelled(str(interrupt))
        finally:
            recorder.close()
        ending = self._ending(state)
        if self.checkpoints is not None and ending is not None:
            if state.is_finished():
                self._ended = ending.type
            self.checkpoints.flush()
        return ending

    def _say(self, event: Event) -> None:
        """Emit an event that is no state, as long as the run is this process's."""
        if self.orders.superseded is None and not self.orders.terminated:
            self._emit(event)

    def close(self) -> None:
        """Close the checkpoints, when the run's end is reported."""
        if self.checkpoints is None:
            return
        self.checkpoints.close()
        if self._ended is not None:
            self.checkpoints.store.end(self._ended)

    # -- how it ends ------------------------------------------------------------------------

    def _ending(self, state: State) -> FlowState | None:
        orders = self.orders
        if orders.superseded is not None:
            return None
        if orders.terminated and isinstance(state, Cancelled):
            get_logger("CloudFlowRunner").warning(
                "Nobody has cancelled the run itself: another attempt will go on with it."
            )
            return None
        if state.is_finished():
            # A flow run that is over has succeeded, failed or been cancelled, whatever a handler made.
            kind = known_name(type(state)) if isinstance(state, _ENDINGS) else "Failed"
            return FlowState(at=timestamp(), type=kind, message=state.message)
        return self._parked(state)

    def _parked(self, state: State) -> FlowState:
        """Return the state of a run that goes on in another process, at a time or when told."""
        if self.orders.pause is not None:
            return FlowState(at=timestamp(), type="Paused", message=self.orders.pause, ordered=True)
        run = self._recorder.run
        if run is None:  # a handler has put it off before it began
            start = getattr(state, "start_time", None)
            due = None if start is None else start.timestamp()
            kind = "Paused" if isinstance(state, Paused) or due is None else "Scheduled"
            return FlowState(at=timestamp(), type=kind, message=state.message, due=due)
        due = run.machine.timers.next_due
        paused = _paused(run)
        if paused:
            more = "" if len(paused) == 1 else f" (and {len(paused) - 1} more)"
            node, child, why = paused[0]
            message = f"Task {node.name_of(child)!r} is paused{more}: {why}"
            return FlowState(at=timestamp(), type="Paused", message=message, due=due)
        message = "It is parked: nothing that is left of it starts earlier."
        return FlowState(at=timestamp(), type="Scheduled", message=message, due=due)

    # -- how it begins ----------------------------------------------------------------------

    def _resumption(
        self, nodes: Mapping[Task[Any], Node], parameters: Mapping[str, Any]
    ) -> Resumption:
        """Read what earlier attempts have left, and begin this one's segment."""
        checkpoints, details = self.checkpoints, self.details
        assert checkpoints is not None
        found = hash_value(dict(parameters))
        hashed = None if found.startswith(UNHASHABLE) else found
        if details.attempt > 1:
            checkpoints.store.begin()
        past = Past(checkpoints.read() if details.attempt > 1 else (), details.restarted_after)
        checkpoints.add(Record("", -1, "", BEGUN, inputs=hashed, at=timestamp()))
        resumption = Resumption(past, nodes, checkpoints.store, hashed, details.resumed)
        if details.attempt > 1:
            self._say_what_is_taken_over(past, resumption)
        return resumption

    def _say_what_is_taken_over(self, past: Past, resumption: Resumption) -> None:
        logger = get_logger("CloudFlowRunner")
        attempt = self.details.attempt
        if not past.parameters:
            logger.warning(
                "This is attempt %d, and the checkpoints of those before it are not to be found here: "
                "every task is run again.",
                attempt,
            )
            return
        count = len(resumption.taken)
        taken = "1 task run is" if count == 1 else f"{count} task runs are"
        logger.info("This is attempt %d: %s taken over, not run again.", attempt, taken)
        values = sum(record.form == NOTHING for _, record in past.runs.values())
        if values:
            logger.info("%d that had ended are run again, as their values were not kept.", values)


def _context_of(details: RunDetails) -> dict[str, Any]:
    """Return the context keys of a tracked run."""
    return {
        "checkpointing": True,
        **details.context,
        "flow_run_id": details.id,
        "flow_run_name": details.name,
        "flow_id": details.flow_id,
        "flow_version": details.flow_version,
        "project_name": details.project_name,
        "flow_run_labels": details.labels,
        "scheduled_start_time": details.scheduled_start_time,
        "idempotency_key": details.id,
        "attempt": details.attempt,
        "running_with_backend": True,
    }


def _paused(run: Run) -> list[tuple[Node, int, str | None]]:
    """Return the task runs that wait for a person, and what each says."""
    found: list[tuple[Node, int, str | None]] = []
    for node in run.machine.unfinished():
        if isinstance(node.state, Paused):
            found.append((node, -1, node.state.message))
        for child, state in enumerate(node.children or ()):
            if isinstance(state, Paused):
                found.append((node, child, state.message))
    return found
