"""`headrace flow-run list|show|states|logs|watch`."""

from __future__ import annotations

import click

from headrace.cli.flow_run_page import print_flow_run
from headrace.cli.log_text import line_of
from headrace.cli.output import json_option, print_json, print_json_line, print_table
from headrace.cli.remote import find_flow_run, project_option, require_flow, the_client
from headrace.cli.state_names import FLOW_RUN_STATES, parse_states
from headrace.cli.wording import moment, took

#: The names of levels that `--level` takes, and their numbers.
_LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}


@click.command("list")
@project_option
@click.option("--flow", metavar="NAME", help="Only runs of flows of this name.")
@click.option(
    "--state", metavar="STATE", help="Only runs in this state: running, or failed,cancelled."
)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="How many.")
@json_option
def list_flow_runs(
    project: str | None, flow: str | None, state: str | None, limit: int, as_json: bool
) -> None:
    """List the newest flow runs."""
    states = parse_states(state, lambda: FLOW_RUN_STATES)
    client = the_client()
    runs = client.flow_runs(project_name=project, flow_name=flow, state=states, limit=limit)
    if not runs:
        # That none are there is no answer to a name that was mistyped.
        if project is not None:
            client.get_project(project)
        if flow is not None:
            require_flow(client, flow, project)
    if as_json:
        print_json(runs)
        return
    print_table(
        ("name", "flow", "project", "state", "start", "took", "id"),
        [
            (
                run.name,
                run.flow_name,
                run.project_name,
                run.state,
                moment(run.started or run.scheduled_start_time),
                took(run.started, run.ended),
                run.id,
            )
            for run in runs
        ],
        shortened="id",
        nothing="There are no such flow runs. Start one with: "
        "headrace run --project NAME --name FLOW",
    )


@click.command("show")
@click.argument("run")
@json_option
def show(run: str, as_json: bool) -> None:
    """Show a RUN: its state, and why it is where it is."""
    client = the_client()
    found = find_flow_run(client, run)
    if as_json:
        print_json(found)
        return
    print_flow_run(found, client.task_run_counts(found.id))


@click.command("states")
@click.argument("run")
@json_option
def states(run: str, as_json: bool) -> None:
    """Show the history of a RUN: each state, why, and who did it."""
    client = the_client()
    history = client.flow_run_states(find_flow_run(client, run).id)
    if as_json:
        print_json(history)
        return
    print_table(
        ("at", "state", "attempt", "who", "message"),
        [
            (
                moment(each.at),
                each.state,
                each.attempt,
                each.who,
                f"{each.message}{' (stale: it changed nothing)' * each.is_stale}",
            )
            for each in history
        ],
        nothing="It has no history yet.",
    )


@click.command("logs")
@click.argument("run")
@click.option(
    "-f", "--follow", is_flag=True, help="Go on, as lines come in, until the run is over."
)
@click.option(
    "--level",
    type=click.Choice(list(_LEVELS), case_sensitive=False),
    help="Leave out lines that are less severe.",
)
@click.option("--task", metavar="SLUG", help="Only lines of this task, such as load-1.")
@click.option("--json", "as_json", is_flag=True, help="Print each line as JSON, for programs.")
def logs(run: str, follow: bool, level: str | None, task: str | None, as_json: bool) -> None:
    """Print the log lines of a RUN."""
    client = the_client()
    found = find_flow_run(client, run)
    number = None if level is None else _LEVELS[level]
    any_line = False
    for line in client.logs(found.id, level=number, task=task, follow=follow):
        any_line = True
        if as_json:
            print_json_line(line)
        else:
            click.echo(line_of(line))
    if not any_line:
        if task is not None:
            client.get_task_run(found.id, task)
        if not as_json:
            click.echo("There are no such log lines.", err=True)


@click.command("watch")
@click.argument("run")
@click.option("--json", "as_json", is_flag=True, help="Print each event as JSON, for programs.")
def watch_run(run: str, as_json: bool) -> int:
    """Follow a RUN to its end.

    States and log lines are shown as they come; the exit code says how it ended.
    """
    from headrace.cli.watching import watch

    client = the_client()
    return watch(client, find_flow_run(client, run).id, as_json)
