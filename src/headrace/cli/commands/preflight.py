"""`headrace preflight`: says what would fail if a flow were deployed."""

from __future__ import annotations

import click

from headrace.cli.exit_codes import FAILED, SUCCESS
from headrace.cli.locating import find_flow, flow_options
from headrace.cli.output import json_option, print_json

_HELP = """\
Say what would fail, or surprise, if the flow in FILE were deployed. Nothing of it is run.

The flow is loaded back from its storage in a fresh process. If there is a server, it is asked
whether an agent would take the flow's runs.

\b
Examples:
  headrace preflight etl.py
  headrace preflight -m company.flows --name nightly --label gpu
  headrace preflight etl.py --no-server --json

\b
Exit codes:
  0    nothing was found that keeps it from running
  1    its runs would fail
  2    nothing was looked at: wrong usage, or a flow that cannot be loaded
"""
_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}


@click.command("preflight", help=_HELP)
@flow_options
@click.option("-l", "--label", "labels", multiple=True, help="A label to register it with.")
@click.option("--no-server", is_flag=True, help="Do not ask the server for its agents.")
@json_option
def command(
    file: str | None,
    module: str | None,
    name: str | None,
    prefect1: bool,
    labels: tuple[str, ...],
    no_server: bool,
    as_json: bool,
) -> int:
    """Say what would fail if the flow in FILE were deployed."""
    import os
    from dataclasses import asdict

    from headrace.cli.remote import the_client
    from headrace.registration import preflight
    from headrace.storage import Local, Module

    flow = find_flow(file, module, name, prefect1)
    if flow.storage is None:
        if file is not None:
            flow.storage = Local(path=os.path.abspath(file), stored_as_script=True)
        else:
            assert module is not None
            flow.storage = Module(module)
    flow.validate()
    if no_server:
        found = preflight(flow, labels=labels)
    else:
        with the_client() as client:
            found = preflight(flow, labels=labels, client=client)
    if as_json:
        print_json([asdict(finding) for finding in found])
    for finding in () if as_json else found:
        click.secho(f"{finding.level}: ", fg=_COLOURS[finding.level], bold=True, nl=False)
        click.echo(str(finding))
    if any(finding.level == "error" for finding in found):
        return FAILED
    if not found and not as_json:
        click.echo(f"Nothing was found that would keep {flow.name!r} from running.")
    return SUCCESS
