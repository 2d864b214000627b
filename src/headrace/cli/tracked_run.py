"""`headrace run --project`: starts a tracked run of a flow that is registered."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.moments import parse_moment
from headrace.cli.output import said_done
from headrace.cli.remote import close_to, the_client

if TYPE_CHECKING:
    from headrace.client import Client

_OPTIONS = (
    click.option(
        "--project",
        metavar="PROJECT",
        help="Start a tracked run of a registered flow, of this project; --name names the flow.",
    ),
    click.option("--run-name", metavar="NAME", help="Tracked: what the run is called."),
    click.option(
        "-l",
        "--label",
        "labels",
        multiple=True,
        metavar="LABEL",
        help="Tracked: a label instead of the flow's. May be repeated.",
    ),
    click.option("--at", metavar="WHEN", help="Tracked: when to start: 2025-01-31T08:00, or 90m."),
    click.option(
        "--priority",
        type=int,
        metavar="NUMBER",
        help="Tracked: runs with a higher one are claimed earlier.",
    ),
    click.option(
        "--idempotency-key",
        metavar="KEY",
        help="Tracked: a second run with the same key is not made.",
    ),
    click.option("--watch", is_flag=True, help="Tracked: follow the run to its end."),
    click.option("--json", "as_json", is_flag=True, help="Tracked: print JSON, for programs."),
)
#: What only a run in this process can be told, and what a tracked run has instead.
_HERE_ONLY = {
    "file": "a tracked run runs what is registered. Register the file: "
    "headrace register -p FILE --project PROJECT",
    "--module": "a tracked run runs what is registered. Register the module: "
    "headrace register -m MODULE --project PROJECT",
    "--prefect1": "a tracked run runs what is registered: headrace register --prefect1",
    "--executor": "a tracked run takes the executor from the flow's file",
    "--log-level": "a tracked run has that of its run config: LocalRun(env="
    '{"HEADRACE__LOGGING__LEVEL": "DEBUG"})',
    "--schedule": "the server follows schedules: headrace flow schedule on FLOW",
    "--no-progress": "a tracked run is shown in plain lines",
    "--quiet": "a tracked run says nothing unless it is watched",
}


@dataclass(frozen=True, kw_only=True)
class TrackedOptions:
    """What is said of a tracked run on the command line."""

    project: str | None
    run_name: str | None
    labels: tuple[str, ...]
    at: str | None
    priority: int | None
    idempotency_key: str | None
    watch: bool
    as_json: bool

    def check(self, here_only: Mapping[str, Any]) -> None:
        """Check that the options go together.

        Args:
            here_only: By name, what is given of what only a run in this process can be told.

        Raises:
            UsageError: If they contradict each other.
        """
        if self.project is None:
            tracked = {
                "--run-name": self.run_name,
                "--label": self.labels,
                "--at": self.at,
                "--priority": self.priority is not None,
                "--idempotency-key": self.idempotency_key,
                "--watch": self.watch,
                "--json": self.as_json,
            }
            for option, given in tracked.items():
                if given:
                    raise click.UsageError(
                        f"{option} is for tracked runs, and this one would run here. Say which "
                        "flow is meant: --project PROJECT --name FLOW"
                    )
            return
        for option, given in here_only.items():
            if given:
                named = f"The file {given!r}" if option == "file" else option
                raise click.UsageError(f"{named} does not go with --project: {_HERE_ONLY[option]}.")


def tracked_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of tracked runs; it gets them together, as `tracked`."""

    @wraps(command)
    def gathered(**given: Any) -> Any:
        own = {name: given.pop(name) for name in TrackedOptions.__dataclass_fields__}
        return command(**given, tracked=TrackedOptions(**own))

    decorated: Callable[..., Any] = gathered
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated


def start(flow_name: str | None, values: dict[str, Any], options: TrackedOptions) -> int:
    """Make a flow run, and watch it if that is wanted; return the exit code."""
    when = None if options.at is None else parse_moment(options.at, "--at")
    if when is not None and when < datetime.datetime.now(datetime.UTC):
        click.echo(f"--at {options.at} is over: the run starts now.", err=True)
    client = the_client()
    assert options.project is not None
    made = client.create_flow_run(
        flow_name or _only_flow(client, options.project),
        options.project,
        parameters=values,
        name=options.run_name,
        labels=list(options.labels) or None,
        start_time=when,
        priority=options.priority or 0,
        idempotency_key=options.idempotency_key,
    )
    if not (options.watch and options.as_json):
        if made.is_new:
            sentence = f"The flow run {made.name!r} is made."
        else:
            sentence = (
                f"No new flow run: the idempotency key {options.idempotency_key!r} is that of "
                f"{made.name!r}."
            )
        hint = "" if options.watch else f" Watch it: headrace flow-run watch {made.id}"
        said_done(f"{sentence}{hint}", made, options.as_json)
    if not options.watch:
        return 0
    from headrace.cli.watching import watch

    return watch(client, made.id, options.as_json)


def _only_flow(client: Client, project: str) -> str:
    """Return the name of a project's flow, if it has one only."""
    names = [flow.name for flow in client.flows(project)]
    if len(names) == 1:
        return names[0]
    if names:
        raise click.ClickException(
            f"There are {len(names)} flows in the project {project!r}. Choose one with --name: "
            f"{', '.join(map(repr, names))}."
        )
    known = [each.name for each in client.projects()]
    if project not in known:
        raise click.ClickException(
            f"There is no project {project!r}.{close_to(project, known)} Make it with: "
            f"headrace project create {project}"
        )
    raise click.ClickException(
        f"There are no flows in the project {project!r}. Register one with: "
        f"headrace register -p FILE --project {project}"
    )
