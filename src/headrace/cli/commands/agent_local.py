"""`headrace agent local`: the agent that runs flows on its own machine."""

from __future__ import annotations

from typing import Any

import click

from headrace.cli.agent_options import agent_options
from headrace.cli.groups import LazyGroup

_COMMANDS = {"start": "headrace.cli.commands.agent_local:start"}

command = click.group(
    "local",
    cls=LazyGroup,
    commands=_COMMANDS,
    help="The agent that runs flows as processes on its own machine.",
)(lambda: None)

_HELP = """\
Run flows on this machine: each flow run in a process of its own.

The agent asks the server for flow runs whose labels are among its own. Ctrl-C, or any other end of
the agent, ends no run; when it is started again under the same name, it finds its runs.

\b
Examples:
  headrace agent local start
  headrace agent local start --label gpu --label etl --limit 4
  headrace agent local start --env STAGE=test --import-path /srv/flows
"""


@click.command("start", help=_HELP)
@agent_options("local", image=False)
@click.option(
    "-p",
    "--import-path",
    "import_paths",
    multiple=True,
    type=click.Path(exists=True, file_okay=False),
    help="A folder in which its runs look for modules first.",
)
def start(**options: Any) -> None:
    """Run flows on this machine."""
    from headrace.agents.local_agent import LocalAgent

    LocalAgent(**options).start()
