"""Tasks that rename and cancel flow runs."""

from __future__ import annotations

from typing import Any

from headrace.core.attribute_defaults import defaults_from_attrs
from headrace.core.context import context
from headrace.core.errors import ArgumentError
from headrace.core.names import objection_to
from headrace.core.task import Task
from headrace.tasks.flow_runs.asking import client_of_this_run, the_client


class RenameFlowRun(Task[Any]):
    """Gives a flow run another name.

    The tracked run that it is part of gets it by its events, so the server may be away just now.

    Args:
        flow_run_id: The flow run's id; by default that of the run that this task is part of.
        flow_run_name: The name.
        **kwargs: As for `Task`.
    """

    runs_at_home = True

    def __init__(
        self, flow_run_id: str | None = None, flow_run_name: str | None = None, **kwargs: Any
    ) -> None:
        self.flow_run_id = flow_run_id
        self.flow_run_name = flow_run_name
        super().__init__(**kwargs)

    @defaults_from_attrs("flow_run_id", "flow_run_name")
    def run(self, flow_run_id: str | None = None, flow_run_name: str | None = None) -> bool:
        """Rename the flow run.

        Args:
            flow_run_id: As for the task.
            flow_run_name: As for the task.

        Returns:
            True.

        Raises:
            ArgumentError: If there is no name, or none that can be used, or no flow run.
            ClientError: If the server cannot do it.
        """
        if not flow_run_name:
            raise ArgumentError(f"The task {self.name!r} has no flow_run_name: say the new name.")
        if (objection := objection_to(flow_run_name)) is not None:
            raise ArgumentError(
                f"The task {self.name!r} has a flow_run_name that cannot be used: it {objection}: "
                f"{flow_run_name:.60}."
            )
        run_id = _this_one(flow_run_id, self.name)
        is_mine = run_id == context.get("flow_run_id")
        if is_mine:
            from headrace.engine.own_name import rename_own_run

            if rename_own_run(run_id, flow_run_name):
                return True
        # One's own function that calls this may be on a worker.
        client = client_of_this_run() if is_mine else the_client()
        client.rename_flow_run(run_id, flow_run_name)
        return True


class CancelFlowRun(Task[Any]):
    """Cancels a flow run.

    Args:
        flow_run_id: The flow run's id; by default that of the run that this task is part of.
        **kwargs: As for `Task`.
    """

    runs_at_home = True

    def __init__(self, flow_run_id: str | None = None, **kwargs: Any) -> None:
        self.flow_run_id = flow_run_id
        super().__init__(**kwargs)

    @defaults_from_attrs("flow_run_id")
    def run(self, flow_run_id: str | None = None) -> bool:
        """Cancel the flow run.

        Args:
            flow_run_id: As for the task.

        Returns:
            True.

        Raises:
            ArgumentError: If there is no flow run.
            ClientError: If the server cannot do it.
        """
        mine = context.get("flow_run_name") if context.get("running_with_backend") else None
        the_client().cancel_flow_run(
            _this_one(flow_run_id, self.name),
            f"Cancelled by the task {self.name!r}{f' of the flow run {mine!r}' * bool(mine)}.",
        )
        return True


def _this_one(flow_run_id: str | None, task_name: str) -> str:
    found = flow_run_id or (
        context.get("flow_run_id") if context.get("running_with_backend") else None
    )
    if not found:
        raise ArgumentError(
            f"The task {task_name!r} has no flow_run_id, and the run that it is part of is no "
            "tracked one. Say which flow run is meant."
        )
    return str(found)
