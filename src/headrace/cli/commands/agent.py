"""`headrace agent`: what deploys flow runs."""

from __future__ import annotations

import click

from headrace.cli.groups import LazyGroup

#: The module of each command, which is imported when the command is asked for. An agent needs its
#: platform's package only when it is started.
_COMMANDS = {
    "local": "headrace.cli.commands.agent_local",
    "kubernetes": "headrace.cli.commands.agent_kubernetes",
    "docker": "headrace.cli.commands.agent_docker",
    "ecs": "headrace.cli.commands.agent_ecs",
    "vertex": "headrace.cli.commands.agent_vertex",
    "list": "headrace.cli.commands.agent_list",
    "forget": "headrace.cli.commands.agent_list:forget",
}

_HELP = """\
Agents, which deploy flow runs.

They ask the server for flow runs that match their labels.

\b
Examples:
  headrace agent local start --label etl
  headrace agent docker start --image registry.example/etl:7
  headrace agent kubernetes start --help
  headrace agent list
  headrace agent list --json
"""

command = click.group("agent", cls=LazyGroup, commands=_COMMANDS, help=_HELP)(lambda: None)
