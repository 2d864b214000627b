"""`headrace flush`: delivers what runs could not, because the server was away until their end."""

from __future__ import annotations

import click

from headrace.cli.exit_codes import FAILED, SUCCESS

_HELP = """\
Deliver the events of runs that ended while the server was away.

Agents do so by themselves, for the runs that they started; this does it for all runs of this
machine whose processes have ended.
"""


@click.command("flush", help=_HELP)
def command() -> int:
    """Deliver the events of runs that ended while the server was away."""
    from headrace.config import config
    from headrace.core.errors import ClientError
    from headrace.engine.run_directory import ExitRecord, RunSpec, run_directories
    from headrace.engine.settling import is_over, settle

    delivered = failed = 0
    for directory in run_directories(config.home_dir):
        spec, ended = directory.read(RunSpec), directory.read(ExitRecord)
        if spec is None or (ended is not None and ended.reported) or not is_over(directory):
            continue
        run = f"{spec.flow_run_id}, attempt {spec.attempt}"
        try:
            told = settle(directory)
        except (ClientError, OSError) as error:
            click.echo(f"Run {run} is still to be delivered: {error}", err=True)
            failed += 1
            continue
        if told is not None:
            click.echo(f"Run {run} is delivered; its process: {told.reason}.")
            delivered += 1
    if not delivered and not failed:
        click.echo("There is nothing to deliver.")
    return FAILED if failed else SUCCESS
