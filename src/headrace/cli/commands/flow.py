"""`headrace flow`: what is registered."""

from __future__ import annotations

import json
from typing import Any

import click

from headrace.cli.output import json_option, print_fields, print_json, print_table, said_done
from headrace.cli.parameters import parse_parameters
from headrace.cli.printable import printable
from headrace.cli.remote import agreed, find_flow_version, project_option, the_client, yes_option
from headrace.cli.wording import moment

_HELP = """\
Registered flows, their versions and schedules.

FLOW is a flow's name, whose current version is meant, or the id of a version.

\b
Examples:
  headrace flow list --project etl
  headrace flow show nightly
  headrace flow schedule off nightly
  headrace flow overrides nightly --param day=2024-01-31 --label gpu
"""


@click.group("flow", help=_HELP)
def command() -> None:
    """Registered flows, their versions and schedules."""


@command.command("list")
@project_option
@click.option("--name", metavar="NAME", help="Only flows of this name.")
@click.option("--archived", is_flag=True, help="Older versions too.")
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
@json_option
def list_flows(
    project: str | None, name: str | None, archived: bool, limit: int | None, as_json: bool
) -> None:
    """List the flows."""
    flows = the_client().flows(project, name, archived=archived, limit=limit)
    if as_json:
        print_json(flows)
        return
    print_table(
        ("project", "name", "version", "labels", "schedule", "next run", "id"),
        [
            (
                flow.project_name,
                flow.name,
                f"{flow.version}{' (archived)' * flow.is_archived}",
                ", ".join(flow.labels),
                _schedule(flow.schedule, flow.schedule_active),
                moment(flow.next_run),
                flow.id,
            )
            for flow in flows
        ],
        nothing="There are no such flows. Register one with: headrace register -p FILE --project NAME",
    )


@command.command("show")
@click.argument("flow")
@project_option
@json_option
def show(flow: str, project: str | None, as_json: bool) -> None:
    """Show a FLOW: its version, schedule, storage, parameters and tasks."""
    found = find_flow_version(the_client(), flow, project)
    if as_json:
        print_json(found)
        return
    tasks = (found.graph or {}).get("tasks", [])
    print_fields(
        [
            ("flow", found.name),
            ("project", found.project_name),
            ("version", f"{found.version}{' (archived)' * found.is_archived}"),
            ("registered", moment(found.created)),
            ("labels", ", ".join(found.labels)),
            ("schedule", _schedule(found.schedule, found.schedule_active)),
            ("next run", moment(found.next_run)),
            ("storage", _said(found.storage)),
            ("run config", _said(found.run_config)),
            ("overrides", found.overrides),
            ("recoveries", f"at most {found.max_recoveries}"),
            ("when the server is away", found.on_disconnect),
            ("tasks", len(tasks)),
            ("id", found.id),
            ("version group", found.version_group_id),
        ]
    )
    for note in found.notes:
        click.echo(f"{click.style('Note:', fg='yellow')} {printable(note)}")
    if found.parameters:
        click.echo()
        print_table(
            ("parameter", "required", "default"),
            [
                (each.get("name"), "yes" if each.get("required") else "no", _default(each))
                for each in found.parameters
            ],
            nothing="",
        )


@command.command("archive")
@click.argument("flow")
@project_option
@json_option
def archive(flow: str, project: str | None, as_json: bool) -> None:
    """Archive a FLOW: nothing new runs of it.

    It stays to be looked at; its schedule makes no more runs.
    """
    client = the_client()
    found = find_flow_version(client, flow, project)
    client.archive_flow(found.id)
    said_done(f"{_called(found)} is archived.", {"archived": found.id}, as_json)


@command.command("delete")
@click.argument("flow")
@project_option
@yes_option
@json_option
def delete(flow: str, project: str | None, yes: bool, as_json: bool) -> None:
    """Delete this version of a FLOW, its runs and their logs."""
    client = the_client()
    found = find_flow_version(client, flow, project)
    agreed(f"{_called(found)}, all its runs and logs will be gone.", yes)
    client.delete_flow(found.id)
    said_done(f"{_called(found)} is deleted.", {"deleted": found.id}, as_json)


@command.command("schedule")
@click.argument("switch", type=click.Choice(["on", "off"]))
@click.argument("flow")
@project_option
@json_option
def schedule(switch: str, flow: str, project: str | None, as_json: bool) -> None:
    """Switch the schedule of a FLOW on or off.

    It stays so for later versions.
    """
    client = the_client()
    found = find_flow_version(client, flow, project)
    if found.schedule is None and switch == "on":
        raise click.ClickException(
            f"The flow {found.name!r} has no schedule to switch on. Give it one in its file "
            "(Flow(..., schedule=...)) and register it again."
        )
    client.set_schedule(found.version_group_id, switch == "on")
    said_done(
        f"The schedule of the flow {found.name!r} is {switch}.",
        {"version_group_id": found.version_group_id, "schedule_active": switch == "on"},
        as_json,
    )


@command.command("overrides")
@click.argument("flow")
@project_option
@click.option(
    "-p",
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    help="The value of a parameter, as JSON; what is no JSON is a string. May be repeated.",
)
@click.option("-l", "--label", "labels", multiple=True, help="A label. May be repeated.")
@click.option("--run-config", metavar="JSON", help="A run config, as its serialize() gives it.")
@click.option("--reset", is_flag=True, help="First take back all that was set before.")
@json_option
def overrides(
    flow: str,
    project: str | None,
    params: tuple[str, ...],
    labels: tuple[str, ...],
    run_config: str | None,
    reset: bool,
    as_json: bool,
) -> None:
    """Say what future runs of a FLOW take instead.

    All runs to come take it instead of what was registered, whatever the version.

    What is given takes the place of all earlier overrides of its kind.
    """
    if not (params or labels or run_config or reset):
        raise click.UsageError("Say what to override: --param, --label, --run-config or --reset.")
    values = parse_parameters(params) if params else None
    config = None if run_config is None else _object(run_config)
    client = the_client()
    found = find_flow_version(client, flow, project)
    client.set_overrides(
        found.version_group_id,
        parameters=values,
        labels=list(labels) if labels else None,
        run_config=config,
        reset=reset,
    )
    said_done(
        f"The overrides of the flow {found.name!r} are set, for all its versions.",
        {"version_group_id": found.version_group_id},
        as_json,
    )


def _called(flow: Any) -> str:
    return f"Version {flow.version} of the flow {flow.name!r} in {flow.project_name!r}"


def _schedule(schedule: dict[str, Any] | None, active: bool) -> str:
    if schedule is None:
        return ""
    return "on" if active else "off"


def _said(description: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return what a description says: what is empty, and hashes, tell a person nothing."""
    if description is None:
        return None
    return {
        name: value
        for name, value in description.items()
        if value not in (None, [], {}, "") and "hash" not in name
    }


def _default(parameter: dict[str, Any]) -> str:
    if parameter.get("required"):
        return ""
    return json.dumps(parameter.get("default"))


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise click.ClickException(f"--run-config is no JSON: {error}.") from error
    if not isinstance(value, dict):
        raise click.ClickException(
            '--run-config has to be one JSON object, such as {"type": "LocalRun", "env": {}}.'
        )
    return value
