"""`headrace flow-run cancel|pause|resume|restart|delete`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.output import json_option, said_done
from headrace.cli.remote import agreed, find_flow_run, the_client, yes_option
from headrace.cli.task_names import parse_task_run

if TYPE_CHECKING:
    from headrace.wire.flow_runs import FlowRun

_reason_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--reason", metavar="TEXT", help="Why; it is kept in the run's history."
)


@click.command("cancel")
@click.argument("run")
@_reason_option
@click.option("--wait", is_flag=True, help="Wait until the run is over.")
@json_option
def cancel(run: str, reason: str | None, wait: bool, as_json: bool) -> None:
    """Cancel a RUN: its tasks are ended, its cluster is torn down."""
    client = the_client()
    found = client.cancel_flow_run(find_flow_run(client, run).id, reason)
    if wait and not found.is_finished:
        found = client.wait_for_flow_run(found.id)
    _say(found, as_json)


@click.command("pause")
@click.argument("run")
@_reason_option
@json_option
def pause(run: str, reason: str | None, as_json: bool) -> None:
    """Pause a RUN: nothing new starts, and its process ends."""
    client = the_client()
    _say(client.pause_flow_run(find_flow_run(client, run).id, reason), as_json)


@click.command("resume")
@click.argument("run")
@_reason_option
@click.option(
    "--task",
    "tasks",
    multiple=True,
    metavar="SLUG[INDEX]",
    help="Only this paused task may go on, such as load-1 or load-1[3]. May be repeated.",
)
@json_option
def resume(run: str, reason: str | None, tasks: tuple[str, ...], as_json: bool) -> None:
    """Let a paused RUN go on."""
    chosen = [parse_task_run(text) for text in tasks] or None
    client = the_client()
    _say(client.resume_flow_run(find_flow_run(client, run).id, reason, chosen), as_json)


@click.command("restart")
@click.argument("run")
@_reason_option
@json_option
def restart(run: str, reason: str | None, as_json: bool) -> None:
    """Run a RUN that is over once more.

    What had succeeded is kept, where its result can be read.
    """
    client = the_client()
    _say(client.restart_flow_run(find_flow_run(client, run).id, reason), as_json)


@click.command("delete")
@click.argument("run")
@yes_option
@json_option
def delete(run: str, yes: bool, as_json: bool) -> None:
    """Delete a RUN that is over, its task runs and logs."""
    client = the_client()
    found = find_flow_run(client, run)
    agreed(f"The flow run {found.name!r} of {found.flow_name!r} and its logs will be gone.", yes)
    client.delete_flow_run(found.id)
    said_done(f"The flow run {found.name!r} is deleted.", {"deleted": found.id}, as_json)


def _say(run: FlowRun, as_json: bool) -> None:
    why = run.waiting.reason if run.waiting else run.message
    said_done(f"The flow run {run.name!r} is {run.state}. {why}".rstrip(), run, as_json)
