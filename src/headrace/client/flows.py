"""Flows: versions, schedules, overrides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from headrace.client.bodies import values
from headrace.client.resource import Resource, path
from headrace.client.run_config import described
from headrace.wire.flows import Flow, Registered, RegisterFlow, SetOverrides, SetSchedule

if TYPE_CHECKING:
    from headrace.run_configs.base import RunConfig


class Registrable(Protocol):
    """What can register itself: a `headrace.Flow`."""

    def register(self, project_name: str, *, client: Any, **options: Any) -> Any:
        """Register it in a project, by a client."""


class Flows(Resource):
    """What can be asked about flows."""

    def register(self, flow: Registrable, project_name: str, **options: Any) -> Any:
        """Register a flow in a project, as `flow.register` does, by this client.

        Args:
            flow: The flow.
            project_name: The project's name.
            options: What else `flow.register` takes.

        Returns:
            What `flow.register` returns.
        """
        return flow.register(project_name, client=self, **options)

    def register_flow(self, flow: RegisterFlow) -> Registered:
        """Register a flow that is described already.

        Raises:
            NotFound: If there is no such project.
        """
        return self._transport.request("POST", "/flows", flow, Registered)

    def flows(
        self,
        project_name: str | None = None,
        name: str | None = None,
        *,
        archived: bool = False,
        limit: int | None = None,
    ) -> list[Flow]:
        """Return flows, without their graphs.

        Args:
            project_name: Those of this project only.
            name: Those of this name only.
            archived: Whether archived versions are among them.
            limit: At most so many.
        """
        query = {"project": project_name, "name": name, "archived": archived, "limit": limit}
        return self._transport.request("GET", "/flows", query=query, answer=list[Flow])

    def get_flow(self, flow_id: str) -> Flow:
        """Return a version of a flow, with its graph.

        Raises:
            NotFound: If there is none of this id.
        """
        return self._transport.request("GET", path("flows", flow_id), answer=Flow)

    def archive_flow(self, flow_id: str) -> None:
        """Archive a version of a flow: its schedule makes no more runs."""
        self._transport.request("POST", path("flows", flow_id, "archive"))

    def delete_flow(self, flow_id: str) -> None:
        """Delete a version of a flow with its runs.

        Raises:
            NotFound: If there is none of this id.
            Conflict: If runs of it are not over.
        """
        self._transport.request("DELETE", path("flows", flow_id))

    def set_schedule(self, version_group_id: str, active: bool) -> None:
        """Switch the schedule of a flow on or off, for this version and those to come."""
        self._transport.request(
            "POST",
            path("version-groups", version_group_id, "schedule"),
            SetSchedule(active=active),
            repeatable=True,
        )

    def set_overrides(
        self,
        version_group_id: str,
        *,
        parameters: dict[str, Any] | None = None,
        labels: list[str] | None = None,
        run_config: RunConfig | dict[str, Any] | None = None,
        reset: bool = False,
    ) -> None:
        """Say what all future runs of a flow take instead of what was registered.

        Args:
            version_group_id: The flow's version group.
            parameters: Values of parameters; None leaves them as they are.
            labels: Labels; None leaves them as they are.
            run_config: A run config, or one described; None leaves it as it is.
            reset: Whether everything that was set before is taken back first.
        """
        overrides = SetOverrides(
            parameters=None if parameters is None else values(parameters, "parameter"),
            labels=labels,
            run_config=described(run_config),
            reset=reset,
        )
        self._transport.request(
            "PATCH",
            path("version-groups", version_group_id, "overrides"),
            overrides,
            repeatable=True,
        )
