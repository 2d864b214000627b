"""`headrace project`: what flows are kept apart in."""

from __future__ import annotations

import click

from headrace.cli.output import json_option, print_fields, print_json, print_table, said_done
from headrace.cli.remote import agreed, the_client, yes_option
from headrace.cli.wording import moment

_HELP = """\
Projects: what flows are kept apart in.

\b
Examples:
  headrace project create etl --description "Nightly loads"
  headrace project list
"""


@click.group("project", help=_HELP)
def command() -> None:
    """Projects: what flows are kept apart in."""


@command.command("create")
@click.argument("name")
@click.option("--description", default="", help="What it is for.")
@click.option("--exists-ok", is_flag=True, help="Be content if there is one of this NAME.")
@json_option
def create(name: str, description: str, exists_ok: bool, as_json: bool) -> None:
    """Make a project called NAME."""
    project = the_client().create_project(name, description, exists_ok=exists_ok)
    said_done(f"There is a project {project.name!r}.", project, as_json)


@command.command("list")
@json_option
def list_projects(as_json: bool) -> None:
    """List all projects."""
    projects = the_client().projects()
    if as_json:
        print_json(projects)
        return
    print_table(
        ("name", "flows", "created", "description"),
        [(each.name, each.flows, moment(each.created), each.description) for each in projects],
        nothing="There are no projects. Make one with: headrace project create NAME",
    )


@command.command("show")
@click.argument("name")
@json_option
def show(name: str, as_json: bool) -> None:
    """Show the project called NAME, and its flows."""
    client = the_client()
    project = client.get_project(name)
    if as_json:
        print_json(project)
        return
    print_fields(
        [
            ("project", project.name),
            ("description", project.description),
            ("created", moment(project.created)),
            ("flows", project.flows),
            ("id", project.id),
        ]
    )
    click.echo()
    print_table(
        ("flow", "version", "next run"),
        [(flow.name, flow.version, moment(flow.next_run)) for flow in client.flows(name)],
        nothing="It has no flows.",
    )


@command.command("delete")
@click.argument("name")
@yes_option
@json_option
def delete(name: str, yes: bool, as_json: bool) -> None:
    """Delete the project called NAME, its flows, their runs and logs."""
    client = the_client()
    project = client.get_project(name)
    flows = f"its {project.flows} flow{'s' * (project.flows != 1)} and " if project.flows else ""
    agreed(f"The project {name!r}, {flows}all their runs and logs will be gone.", yes)
    client.delete_project(name)
    said_done(f"The project {name!r} is deleted.", {"deleted": project.id}, as_json)
