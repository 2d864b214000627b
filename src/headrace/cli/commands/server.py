"""`headrace server`: the server, its database, and how it is."""

from __future__ import annotations

import click

from headrace.cli.groups import LazyGroup

#: The module of each command, which is imported when the command is asked for.
_COMMANDS = {
    "start": "headrace.cli.commands.server_start",
    "status": "headrace.cli.commands.server_status",
    "database": "headrace.cli.commands.server_database",
}

_HELP = """\
The server: registered flows, their runs, and who runs them.

\b
Examples:
  headrace server start
  headrace server start --port 4201 --database-url postgresql://me@db.example/headrace
  headrace server status
  headrace server database upgrade
"""

command = click.group("server", cls=LazyGroup, commands=_COMMANDS, help=_HELP)(lambda: None)
