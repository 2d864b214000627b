"""Flow runs: made, looked at, cancelled, paused, resumed, waited for."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from headrace.client.bodies import values
from headrace.client.patience import PATIENCE, patiently
from headrace.client.resource import Resource, path
from headrace.client.run_config import described
from headrace.core.errors import ArgumentError, NotInTime
from headrace.wire.flow_runs import (
    CreatedFlowRun,
    CreateFlowRun,
    FlowRun,
    FlowRunPage,
    FlowRunState,
    Reason,
    RenameFlowRun,
    Resume,
)

if TYPE_CHECKING:
    import datetime

    from headrace.run_configs.base import RunConfig

#: For how many seconds the server is asked to hold back its answer to "has it changed?".
_LONG_POLL = 25.0


class FlowRuns(Resource):
    """What can be asked about flow runs."""

    def create_flow_run(
        self,
        flow_name: str | None = None,
        project_name: str | None = None,
        *,
        flow_id: str | None = None,
        version_group_id: str | None = None,
        parameters: dict[str, Any] | None = None,
        name: str | None = None,
        labels: list[str] | None = None,
        run_config: RunConfig | dict[str, Any] | None = None,
        start_time: datetime.datetime | None = None,
        priority: int = 0,
        idempotency_key: str | None = None,
        context: dict[str, Any] | None = None,
    ) -> CreatedFlowRun:
        """Make a flow run; an agent whose labels fit starts it.

        Args:
            flow_name: The flow's name, with the project's; its current version is run.
            project_name: The project's name.
            flow_id: The id of a version, instead of the names.
            version_group_id: A version group, instead of the names.
            parameters: Values of parameters, by name; the flow's defaults fill in the rest.
            name: The run's name; by default one is made up.
            labels: Labels instead of the flow's.
            run_config: A run config instead of the flow's.
            start_time: When to start, an aware datetime; at once by default.
            priority: Runs with a higher one are claimed earlier.
            idempotency_key: A second request with the same key makes no second run.
            context: More context keys for the run.

        Raises:
            NotFound: If there is no such project or flow.
            Refused: If the parameters do not fit the flow, or names and ids contradict each other.
            NotJsonError: If a parameter is no JSON.
            ArgumentError: If the labels are one string.
        """
        given: object = labels
        if isinstance(given, str):
            raise ArgumentError(
                f"The labels of a flow run are a list of strings, not {given!r}: write "
                f"labels=[{given!r}]."
            )
        body = CreateFlowRun(
            flow_id=flow_id,
            flow_name=flow_name,
            project_name=project_name,
            version_group_id=version_group_id,
            parameters=values(parameters, "parameter"),
            name=name,
            labels=None if labels is None else list(labels),
            run_config=described(run_config),
            start_time=start_time,
            priority=priority,
            idempotency_key=idempotency_key,
            context=values(context, "context key"),
        )
        return self._transport.request(
            "POST", "/flow-runs", body, CreatedFlowRun, repeatable=idempotency_key is not None
        )

    def create_flow_runs(self, runs: list[CreateFlowRun]) -> list[CreatedFlowRun]:
        """Make many flow runs at once: all of them, or none if one cannot be made."""
        return self._transport.request("POST", "/flow-runs/batch", runs, list[CreatedFlowRun])

    def get_flow_run(self, flow_run_id: str) -> FlowRun:
        """Return a flow run.

        Raises:
            NotFound: If there is none of this id.
        """
        return self._transport.request("GET", path("flow-runs", flow_run_id), answer=FlowRun)

    def flow_run_page(
        self,
        *,
        project_name: str | None = None,
        flow_name: str | None = None,
        name: str | None = None,
        id_begins: str | None = None,
        state: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> FlowRunPage:
        """Return some flow runs, newest first.

        Args:
            project_name: Those of this project only.
            flow_name: Those of flows of this name only.
            name: Those of this name only.
            id_begins: Those whose id begins so only.
            state: Those in a state of this type only; several have commas between them.
            limit: At most so many.
            after: What the page before said is `next`.
        """
        query = {
            "project": project_name,
            "flow": flow_name,
            "name": name,
            "id_begins": id_begins,
            "state": state,
            "limit": limit,
            "after": after,
        }
        return self._transport.request("GET", "/flow-runs", query=query, answer=FlowRunPage)

    def flow_runs(
        self,
        *,
        project_name: str | None = None,
        flow_name: str | None = None,
        name: str | None = None,
        id_begins: str | None = None,
        state: str | None = None,
        limit: int = 100,
    ) -> list[FlowRun]:
        """Return the newest flow runs, newest first.

        Args:
            project_name: Those of this project only.
            flow_name: Those of flows of this name only.
            name: Those of this name only.
            id_begins: Those whose id begins so only.
            state: Those in a state of this type only; several have commas between them.
            limit: At most so many, over as many pages as it takes.
        """
        found: list[FlowRun] = []
        after: str | None = None
        while len(found) < limit:
            page = self.flow_run_page(
                project_name=project_name,
                flow_name=flow_name,
                name=name,
                id_begins=id_begins,
                state=state,
                limit=min(limit - len(found), 200),
                after=after,
            )
            found += page.items
            after = page.next
            if after is None:
                break
        return found

    def delete_flow_run(self, flow_run_id: str) -> None:
        """Delete a flow run that is over, with its task runs and logs.

        Raises:
            Conflict: If it is not over.
        """
        self._transport.request("DELETE", path("flow-runs", flow_run_id))

    def cancel_flow_run(self, flow_run_id: str, reason: str | None = None) -> FlowRun:
        """Cancel a flow run: its tasks are ended, its cluster is torn down.

        Returns:
            The run as it is now: `Cancelling` until its process has obeyed.
        """
        return self._tell(flow_run_id, "cancel", Reason(reason=reason))

    def pause_flow_run(self, flow_run_id: str, reason: str | None = None) -> FlowRun:
        """Pause a flow run: nothing new starts, and its process ends."""
        return self._tell(flow_run_id, "pause", Reason(reason=reason))

    def resume_flow_run(
        self,
        flow_run_id: str,
        reason: str | None = None,
        tasks: list[tuple[str, int]] | None = None,
    ) -> FlowRun:
        """Let a paused flow run go on.

        Args:
            flow_run_id: Its id.
            reason: Why, for people.
            tasks: Slugs, with map indexes (-1 for a task that is not mapped), of the paused tasks
                that may go on; None for all.
        """
        return self._tell(flow_run_id, "resume", Resume(reason=reason, tasks=tasks))

    def restart_flow_run(self, flow_run_id: str, reason: str | None = None) -> FlowRun:
        """Run a flow run that is over once more: what had succeeded and can be read is kept."""
        return self._tell(flow_run_id, "restart", Reason(reason=reason))

    def rename_flow_run(self, flow_run_id: str, name: str) -> FlowRun:
        """Give a flow run another name."""
        return self._transport.request(
            "PATCH",
            path("flow-runs", flow_run_id),
            RenameFlowRun(name=name),
            FlowRun,
            repeatable=True,
        )

    def _tell(self, flow_run_id: str, what: str, body: Reason | Resume) -> FlowRun:
        return self._transport.request("POST", path("flow-runs", flow_run_id, what), body, FlowRun)

    def flow_run_states(self, flow_run_id: str) -> list[FlowRunState]:
        """Return the history of a flow run, oldest first."""
        return self._transport.request(
            "GET", path("flow-runs", flow_run_id, "states"), answer=list[FlowRunState]
        )

    def next_flow_run_state(
        self, flow_run_id: str, state: str, seconds: float = _LONG_POLL
    ) -> FlowRun:
        """Return a flow run as soon as its state is no longer `state`, or the time is over.

        Args:
            flow_run_id: Its id.
            state: The type of the state that it had.
            seconds: How long to wait at most.
        """
        return self._transport.request(
            "GET",
            path("flow-runs", flow_run_id, "wait"),
            query={"seconds": seconds, "state": state},
            wait=seconds,
            answer=FlowRun,
        )

    def wait_for_flow_run(
        self, flow_run_id: str, timeout: float | None = None, *, patience: float = PATIENCE
    ) -> FlowRun:
        """Wait until a flow run is over.

        Args:
            flow_run_id: Its id.
            timeout: How many seconds to wait at most; None for as long as it takes.
            patience: How many seconds a server that was reached may be away in between.

        Returns:
            The flow run, finished.

        Raises:
            NotInTime: If it is not over when the time is.
            NotFound: If there is no such run.
        """
        end = None if timeout is None else time.monotonic() + timeout
        run = self.get_flow_run(flow_run_id)
        while not run.is_finished:
            left = _LONG_POLL if end is None else min(_LONG_POLL, end - time.monotonic())
            if left <= 0:
                raise NotInTime(
                    f"The flow run {run.name!r} ({run.id}) is not over after {timeout:g} s: it is "
                    f"{run.state}. {run.waiting.reason if run.waiting else run.message}".rstrip()
                )
            ask = partial(self.next_flow_run_state, flow_run_id, run.state, left)
            run = patiently(ask, patience)
        return run
