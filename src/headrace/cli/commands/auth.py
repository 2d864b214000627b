"""`headrace auth`: API keys, and which one is in use."""

from __future__ import annotations

import click

from headrace.cli.groups import LazyGroup

#: The module of each command, which is imported when the command is asked for.
_COMMANDS = {
    "create-key": "headrace.cli.commands.auth_keys:create_key",
    "list-keys": "headrace.cli.commands.auth_keys:list_keys",
    "revoke-key": "headrace.cli.commands.auth_keys:revoke_key",
    "status": "headrace.cli.commands.auth_status",
}

_HELP = """\
API keys, and which one is in use.

A server that listens on this machine only, and has no keys, asks for none. The first key is made
with --local, where the server's database is.

\b
Examples:
  headrace auth create-key --local --scope admin --name me
  headrace auth create-key --scope agent --name rack-3 --expires 90d
  headrace auth status
"""

command = click.group("auth", cls=LazyGroup, commands=_COMMANDS, help=_HELP)(lambda: None)
