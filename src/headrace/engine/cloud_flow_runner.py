"""Runs one flow for a tracked run: a `FlowRunner`, and around it what records it and orders it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from headrace.core.now import timestamp
from headrace.engine.flow_runner import FlowRunner
from headrace.engine.orders import Orders
from headrace.wire.events import FlowState

if TYPE_CHECKING:
    from headrace.core.states import State
    from headrace.engine.reporting import Reporting
    from headrace.flow import Flow
    from headrace.wire.claims import RunDetails


class CloudFlowRunner:
    """Runs one attempt of a tracked flow run.

    Args:
        flow: The flow.
        details: What the server says of the run.
        reporting: Takes the run's events.

    Attributes:
        orders: What the run is told to do.
    """

    def __init__(self, flow: Flow, details: RunDetails, reporting: Reporting) -> None:
        self.flow = flow
        self.details = details
        self.reporting = reporting
        self.orders = Orders(details.on_disconnect == "hold")

    def run(self) -> FlowState | None:
        """Run the flow.

        Returns:
            The state in which the run ends or is parked; None if it is not this process's to say.
        """
        runner = FlowRunner(self.flow)
        with self.orders:
            state = runner.run(parameters=self.details.parameters, context=self._context())
        if self.orders.superseded is not None or self.orders.terminated:
            return None
        return _flow_state(state)

    def _context(self) -> dict[str, Any]:
        details = self.details
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


def _flow_state(state: State) -> FlowState:
    return FlowState(at=timestamp(), type=type(state).__name__, message=state.message)
