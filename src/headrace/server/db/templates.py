"""Versions of flows, as flow runs are made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, bindparam, select

from headrace.server.db import projects as in_projects
from headrace.server.db.columns import from_json, to_json
from headrace.server.db.schema import flows, projects, version_groups
from headrace.server.problems import Refusal
from headrace.server.rules.kinds import ANY, kind_of
from headrace.server.rules.naming import did_you_mean
from headrace.server.rules.parameters import check_parameters
from headrace.server.rules.run_labels import run_labels
from headrace.wire.flow_runs import CreateFlowRun
from headrace.wire.flows import SetOverrides


@dataclass(slots=True)
class Template:
    """A version of a flow, as runs are made of it.

    Attributes:
        flow: The version: a row of `flows`, with its group's overrides.
        parameters: The parameters that it declares.
        overrides: What all runs of the flow take instead of what was registered.
    """

    flow: Row[Any]
    parameters: list[dict[str, Any]]
    overrides: SetOverrides
    #: How a run is deployed of which nothing else was said: most are made so.
    _plain: dict[str, Any] | None = None

    @classmethod
    def of(cls, row: Row[Any]) -> Template:
        """Make it of a row that `TEMPLATES` gave."""
        overrides = from_json(row.overrides)
        return cls(row, from_json(row.parameters), SetOverrides(**overrides))

    def values(
        self,
        *,
        parameters: Mapping[str, Any],
        labels: Iterable[str] | None,
        run_config: dict[str, Any] | None,
    ) -> dict[str, Any]:
        """Return the columns of a run that depend on its flow.

        Args:
            parameters: Values of parameters, over the flow's overrides.
            labels: Labels instead of the flow's.
            run_config: A run config instead of the flow's.

        Raises:
            Refusal: If the flow does not take these parameters, or needs more; 422.
        """
        values = {**(self.overrides.parameters or {}), **parameters}
        check_parameters(self.parameters, values, self.flow.name)
        if labels is None and run_config is None:
            self._plain = self._plain or self._deployment(None, None)
            deployment = self._plain
        else:
            deployment = self._deployment(labels, run_config)
        return {"parameters": to_json(values), **deployment}

    def _deployment(
        self, labels: Iterable[str] | None, run_config: dict[str, Any] | None
    ) -> dict[str, Any]:
        """Return the columns that say how a run is deployed."""
        flow, overrides = self.flow, self.overrides
        own_config = from_json(flow.run_config)
        other_config = run_config if run_config is not None else overrides.run_config
        found = run_labels(
            from_json(flow.labels),
            flow_run_config=own_config,
            storage=from_json(flow.storage),
            # A run config that is given with the run brings its labels; the overrides' do not count.
            labels=overrides.labels if labels is None and run_config is None else labels,
            run_config=other_config,
        )
        config = own_config if other_config is None else other_config
        return {
            "flow_id": flow.id,
            "version_group_id": flow.version_group_id,
            "labels": to_json(found),
            "run_config": None if config is None else to_json(config),
            "kind": kind_of(config) or ANY,
            "max_recoveries": flow.max_recoveries,
            "on_disconnect": flow.on_disconnect,
            "lost_after": flow.lost_after,
        }


#: Versions of flows, as `Template.of` takes them.
TEMPLATES: Select[Any] = (
    select(
        *(column for column in flows.c if column.name not in ("graph", "notes")),
        version_groups.c.overrides,
        version_groups.c.schedule_active,
        projects.c.name.label("project_name"),
    )
    .join(version_groups, version_groups.c.id == flows.c.version_group_id)
    .join(projects, projects.c.id == flows.c.project_id)
)


_BY_ID = TEMPLATES.where(flows.c.id == bindparam("flow_id"))


def find(connection: Connection, request: CreateFlowRun) -> Template:
    """Return the version that a run is to be made of.

    Raises:
        Refusal: If there is none (404), all are archived (409), or what was said of it contradicts
            itself or does not suffice (422).
    """
    if request.flow_id is not None:
        row = connection.execute(_BY_ID, {"flow_id": request.flow_id}).one_or_none()
        if row is None:
            raise Refusal(
                404,
                "flow_not_found",
                f"There is no version of a flow with the id {request.flow_id!r}. See which there "
                f"are with: headrace flow list",
            )
        _check_agrees(request, row)
        return Template.of(row)
    if request.version_group_id is not None:
        row = _newest(connection, flows.c.version_group_id == request.version_group_id)
        if row is None:
            raise Refusal(
                404,
                "flow_not_found",
                f"There is no flow with the version group {request.version_group_id!r}. See which "
                f"there are with: headrace flow list",
            )
    elif request.flow_name is not None and request.project_name is not None:
        project_id = in_projects.id_of(connection, request.project_name)
        named = (flows.c.project_id == project_id) & (flows.c.name == request.flow_name)
        row = _newest(connection, named)
        if row is None:
            raise _unknown(connection, project_id, request.project_name, request.flow_name)
    else:
        raise Refusal(
            422,
            "no_flow",
            "Say which flow to run: flow_id, or version_group_id, or flow_name with project_name.",
        )
    if row.is_archived:
        raise Refusal(
            409,
            "flow_archived",
            f"All versions of the flow {row.name!r} of the project {row.project_name!r} are "
            f"archived. Register it again, or run one version by its flow_id.",
        )
    _check_agrees(request, row)
    return Template.of(row)


def _check_agrees(request: CreateFlowRun, row: Row[Any]) -> None:
    """Make sure that nothing which was said of the flow contradicts the version that was found."""
    for what, said, found in (
        ("flow_name", request.flow_name, row.name),
        ("project_name", request.project_name, row.project_name),
        ("version_group_id", request.version_group_id, row.version_group_id),
    ):
        if said is not None and said != found:
            raise Refusal(
                422,
                "contradiction",
                f"The flow that was asked for has the {what} {found!r}, not {said!r}. Say either "
                f"its id, or its names.",
            )


def _newest(connection: Connection, which: ColumnElement[bool]) -> Row[Any] | None:
    """Return the current version of a flow, or the latest one if all are archived."""
    newest = TEMPLATES.where(which).order_by(flows.c.is_archived, flows.c.created.desc())
    return connection.execute(newest.limit(1)).one_or_none()


def _unknown(connection: Connection, project_id: str, project: str, name: str) -> Refusal:
    choice = select(flows.c.name).where(flows.c.project_id == project_id).distinct()
    known = connection.scalars(choice).all()
    has = "" if known else " It has none yet: register one with headrace register."
    return Refusal(
        404,
        "flow_not_found",
        f"There is no flow {name!r} in the project {project!r}.{did_you_mean(name, known)}{has} "
        f"See which there are with: headrace flow list",
    )
