"""A flow run, as `headrace flow-run show` prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from headrace.cli.output import print_fields
from headrace.cli.printable import printable, printable_line
from headrace.cli.wording import moment, style_of, took

if TYPE_CHECKING:
    from headrace.wire.flow_runs import FlowRun, Waiting
    from headrace.wire.task_runs import TaskRunCounts

_TURNS = {
    "agent": "an agent’s",
    "runner": "the run’s own process",
    "server": "the server’s",
    "user": "yours",
    "clock": "the clock’s",
}


def print_flow_run(run: FlowRun, counts: TaskRunCounts) -> None:
    """Print a flow run: its state, why it is where it is, and all that is known of it."""
    state = click.style(run.state, fg=style_of(run.state), bold=True)
    click.echo(
        f"{click.style(printable_line(run.name), bold=True)}  {state}  since {moment(run.state_since)}"
    )
    # What it waits for often begins with what its state says.
    if run.message and not (run.waiting and run.waiting.reason.startswith(run.message)):
        click.echo(f"  {printable(run.message)}")
    if run.waiting is not None:
        for line in waiting_lines(run.waiting):
            click.echo(f"  {line}")
    for note in run.notes:
        click.echo(f"  {click.style('Note:', fg='yellow')} {printable(note)}")
    click.echo()
    where = f"{run.host}, process {run.pid}" if run.host and run.pid else run.host
    print_fields(
        [
            ("flow", f"{run.flow_name}, version {run.flow_version}"),
            ("project", run.project_name),
            ("tasks", counted(counts)),
            ("parameters", run.parameters),
            ("labels", ", ".join(run.labels)),
            ("run config", (run.run_config or {}).get("type")),
            ("priority", run.priority or None),
            ("made", f"{moment(run.created)} by {run.created_by}"),
            ("scheduled for", moment(run.scheduled_start_time)),
            ("started", moment(run.started)),
            ("ended", moment(run.ended)),
            ("took", took(run.started, run.ended)),
            ("attempt", run.attempt or None),
            ("recoveries", run.recoveries or None),
            ("agent", run.agent),
            ("ran on" if run.is_finished else "runs on", where),
            ("idempotency key", run.idempotency_key),
            ("id", run.id),
        ]
    )


def waiting_lines(waiting: Waiting) -> list[str]:
    """Return why something waits, whose turn it is, and what to do about it."""
    turn = _TURNS.get(waiting.whose_turn, waiting.whose_turn)
    lines = [
        f"{click.style('Waiting:', fg='yellow', bold=True)} {printable(waiting.reason)}",
        f"{click.style('Whose turn:', bold=True)} {turn}",
    ]
    if waiting.remedy:
        lines.append(
            f"{click.style('What to do:', fg='green', bold=True)} {printable(waiting.remedy)}"
        )
    return lines


def counted(counts: TaskRunCounts) -> str:
    """Return the numbers of task runs by state: "6 task runs: 5 Success, 1 Failed"."""
    total = sum(counts.states.values())
    if not total:
        return ""
    each = ", ".join(f"{count:,} {state}" for state, count in counts.states.items())
    return f"{total:,} task run{'s' * (total != 1)}: {each}"
