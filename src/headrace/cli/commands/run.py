"""`headrace run`: runs a flow in this process, or starts a tracked run of a registered one."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click

from headrace.cli.executors import FORMS, parse_executor
from headrace.cli.exit_codes import INTERRUPTED, TERMINATED, code_of
from headrace.cli.locating import find_flow, flow_options
from headrace.cli.parameters import check_parameters, parse_parameters, read_parameter_file
from headrace.cli.tracked_run import TrackedOptions, start, tracked_options
from headrace.config import config

if TYPE_CHECKING:
    from headrace.cli.display.base import Display
    from headrace.core.states import State
    from headrace.engine.flow_runner import FlowRunner
    from headrace.flow import Flow

_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


_HELP = """\
Run the flow in FILE, here and now; or start a tracked run of a registered flow.

\b
Examples:
  headrace run etl.py
  headrace run etl.py --param day=2024-01-31 --param 'limits=[1, 2]'
  headrace run etl.py --executor threads:8
  headrace run etl.py --executor dask:tcp://127.0.0.1:8786
  headrace run -m company.flows --name nightly --schedule
  headrace run --project etl --name nightly --param day=2024-01-31 --watch

\b
Exit codes:
  0    the flow run succeeded
  1    it failed
  2    nothing was run: wrong usage, a flow that cannot be loaded, no server
  3    it is not finished: it waits for a person, or for a time
  130  it was cancelled, by Ctrl-C as a rule
  143  it was cancelled by SIGTERM

A tracked run that is not watched gives 0 as soon as it is made.
"""


@click.command("run", help=_HELP)
@flow_options
@click.option(
    "-p",
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    help="The value of a parameter, as JSON; what is no JSON is a string. May be repeated.",
)
@click.option(
    "--param-file",
    metavar="PATH",
    help="A JSON or TOML file with values of parameters; --param beats it.",
)
@click.option(
    "-e",
    "--executor",
    metavar="EXECUTOR",
    help=f"Where the tasks execute: {FORMS}. By default where the flow says, or in this thread.",
)
@click.option(
    "--log-level",
    type=click.Choice(_LEVELS, case_sensitive=False),
    help="The least severe log lines that are shown.",
)
@click.option(
    "--schedule",
    is_flag=True,
    help="Wait for the times of the flow's schedule and run at each, instead of once and now.",
)
@click.option("--no-progress", is_flag=True, help="Print plain lines, on a terminal too.")
@click.option("-q", "--quiet", is_flag=True, help="Print only what goes wrong.")
@tracked_options
def command(
    file: str | None,
    module: str | None,
    name: str | None,
    prefect1: bool,
    params: tuple[str, ...],
    param_file: str | None,
    executor: str | None,
    log_level: str | None,
    schedule: bool,
    no_progress: bool,
    quiet: bool,
    tracked: TrackedOptions,
) -> int:
    """Run the flow in FILE, here and now; or start a tracked run of a registered flow."""
    tracked.check(
        {
            "file": file,
            "--module": module,
            "--prefect1": prefect1,
            "--executor": executor,
            "--log-level": log_level,
            "--schedule": schedule,
            "--no-progress": no_progress,
            "--quiet": quiet,
        }
    )
    # What can be wrong without the flow is said before its file is run.
    values = (read_parameter_file(param_file) if param_file is not None else {}) | parse_parameters(
        params
    )
    if tracked.project is not None:
        return start(name, values, tracked)
    chosen = parse_executor(executor) if executor is not None else None
    if log_level is not None or quiet:
        config.logging.level = log_level or "ERROR"
    flow = find_flow(file, module, name, prefect1)
    if schedule and flow.schedule is None:
        raise click.ClickException(
            f"The flow {flow.name!r} has no schedule to follow. Leave out --schedule to run it now."
        )
    check_parameters(flow, values, scheduled=schedule)
    flow.validate()
    if chosen is not None:
        flow.executor = chosen
    return _run(flow, values, schedule, _display(flow.name, no_progress, quiet))


def _run(flow: Flow, values: dict[str, Any], schedule: bool, display: Display) -> int:
    with _ended_by_sigterm() as terminated, display:
        try:
            state = flow.run(values, run_on_schedule=schedule, runner_cls=_watched_by(display))
        except KeyboardInterrupt:
            # Between two runs of a schedule, or a second time while the first one is heeded.
            if sys.stderr.isatty():
                click.echo(err=True)  # what the terminal shows of Ctrl-C ends no line
            return TERMINATED if terminated else INTERRUPTED
    return code_of(state, bool(terminated))


def _display(flow: str, no_progress: bool, quiet: bool) -> Display:
    if quiet:
        from headrace.cli.display.plain import QuietDisplay

        return QuietDisplay(flow)
    if not no_progress and _is_terminal():
        from headrace.cli.display.live import LiveDisplay

        return LiveDisplay(flow)
    from headrace.cli.display.plain import PlainDisplay

    return PlainDisplay(flow)


def _is_terminal() -> bool:
    return (
        os.name == "posix"
        and sys.stdout.isatty()
        and os.environ.get("TERM", "dumb") not in ("dumb", "unknown")
        and sys.stdout.encoding.lower().replace("-", "") == "utf8"
    )


def _watched_by(display: Display) -> type[FlowRunner]:
    """Return a class of flow runners that show their runs."""
    from headrace.engine.flow_runner import FlowRunner

    class Watched(FlowRunner):
        def __init__(self, flow: Flow) -> None:
            super().__init__(flow, observer=display.begin)

        def run(self, *args: Any, **kwargs: Any) -> State:
            try:
                state = super().run(*args, **kwargs)
            except KeyboardInterrupt:
                display.end(None)
                raise
            display.end(state)
            return state

    Watched.__name__ = FlowRunner.__name__  # its log lines are a flow runner's
    return Watched


@contextmanager
def _ended_by_sigterm() -> Iterator[list[int]]:
    """Make SIGTERM cancel the run, as Ctrl-C does; yield a list that it is noted in."""
    received: list[int] = []

    def interrupt(number: int, _frame: Any) -> NoReturn:
        received.append(number)
        raise KeyboardInterrupt("The process was asked to end (SIGTERM).")

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, before)
