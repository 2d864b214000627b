"""`headrace flow-run`: what runs, has run and will run."""

from __future__ import annotations

import click

from headrace.cli.groups import LazyGroup

#: The module of each command, which is imported when the command is asked for.
_COMMANDS = {
    "list": "headrace.cli.commands.flow_run_reading:list_flow_runs",
    "show": "headrace.cli.commands.flow_run_reading:show",
    "states": "headrace.cli.commands.flow_run_reading:states",
    "logs": "headrace.cli.commands.flow_run_reading:logs",
    "watch": "headrace.cli.commands.flow_run_reading:watch_run",
    "cancel": "headrace.cli.commands.flow_run_orders:cancel",
    "pause": "headrace.cli.commands.flow_run_orders:pause",
    "resume": "headrace.cli.commands.flow_run_orders:resume",
    "restart": "headrace.cli.commands.flow_run_orders:restart",
    "delete": "headrace.cli.commands.flow_run_orders:delete",
}

_HELP = """\
Flow runs: looked at, followed, cancelled, paused, resumed.

RUN is a flow run's id, the beginning of its id, or its name.

\b
Examples:
  headrace flow-run list --state Running
  headrace flow-run show brave-otter
  headrace flow-run logs brave-otter --follow
  headrace flow-run cancel brave-otter --reason "wrong day"
"""

command = click.group("flow-run", cls=LazyGroup, commands=_COMMANDS, help=_HELP)(lambda: None)
