"""`headrace task-run`: the runs of a flow run's tasks."""

from __future__ import annotations

from itertools import islice

import click

from headrace.cli.flow_run_page import waiting_lines
from headrace.cli.output import json_option, print_fields, print_json, print_table
from headrace.cli.printable import printable, printable_line
from headrace.cli.remote import find_flow_run, the_client
from headrace.cli.state_names import parse_states, task_run_states
from headrace.cli.task_names import name_of, parse_task_run
from headrace.cli.wording import moment, style_of, took

_HELP = """\
Task runs: those of a flow run, mapped children included.

RUN is a flow run's id, the beginning of its id, or its name.

\b
Examples:
  headrace task-run list brave-otter --state Failed
  headrace task-run show brave-otter load-1[3]
"""


@click.group("task-run", help=_HELP)
def command() -> None:
    """Task runs: those of a flow run, mapped children included."""


@command.command("list")
@click.argument("run")
@click.option(
    "--state", metavar="STATE", help="Only those in this state: failed, or pending,retrying."
)
@click.option("--task", metavar="SLUG", help="Only those of this task, such as load-1.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="How many.")
@json_option
def list_task_runs(
    run: str, state: str | None, task: str | None, limit: int, as_json: bool
) -> None:
    """List the task runs of a RUN."""
    states = parse_states(state, task_run_states)
    client = the_client()
    found = find_flow_run(client, run)
    runs = list(islice(client.task_runs(found.id, state=states, slug=task), limit + 1))
    more, runs = len(runs) > limit, runs[:limit]
    if as_json:
        print_json(runs)
        return
    print_table(
        ("task run", "state", "start", "took", "runs", "message"),
        [
            (
                name_of(each.slug, each.map_index),
                each.state,
                moment(each.started),
                took(each.started, each.ended),
                each.run_count or "",
                each.waiting.reason if each.waiting else each.message,
            )
            for each in runs
        ],
        nothing="There are no such task runs.",
    )
    if more:
        click.echo(f"There are more than {limit}. See them with a higher --limit.", err=True)


@command.command("show")
@click.argument("run")
@click.argument("task_run", metavar="SLUG[INDEX]")
@json_option
def show(run: str, task_run: str, as_json: bool) -> None:
    """Show one task run of a RUN, and its history."""
    slug, index = parse_task_run(task_run)
    client = the_client()
    flow_run = find_flow_run(client, run)
    found = client.get_task_run(flow_run.id, slug, index)
    if as_json:
        print_json(found)
        return
    state = click.style(found.state, fg=style_of(found.state), bold=True)
    since = f"  since {moment(found.state_since)}" if found.state_since else ""
    click.echo(f"{click.style(printable_line(found.name), bold=True)}  {state}{since}")
    if found.message:
        click.echo(f"  {printable(found.message)}")
    if found.waiting is not None:
        for line in waiting_lines(found.waiting):
            click.echo(f"  {line}")
    click.echo()
    print_fields(
        [
            ("flow run", f"{flow_run.name} of {flow_run.flow_name}"),
            ("task run", name_of(found.slug, found.map_index)),
            ("started", moment(found.started)),
            ("ended", moment(found.ended)),
            ("took", took(found.started, found.ended)),
            ("goes on", moment(found.due)),
            ("runs", found.run_count or None),
            ("attempt", found.attempt or None),
            ("children", found.children),
            ("result", found.location),
            ("ran on" if found.is_finished else "runs on", found.place),
            ("reused", "yes, from an earlier attempt" if found.reused else None),
        ]
    )
    history = client.task_run_states(flow_run.id, slug, index)
    if history:
        click.echo()
        print_table(
            ("at", "state", "attempt", "run", "message"),
            [
                (moment(each.at), each.state, each.attempt, each.run_count, each.message)
                for each in history
            ],
            nothing="",
        )
