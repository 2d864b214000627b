"""`headrace agent docker`: the agent that runs flows in Docker containers."""

from __future__ import annotations

from typing import Any

import click

from headrace.cli.agent_options import agent_options
from headrace.cli.groups import LazyGroup

_COMMANDS = {"start": "headrace.cli.commands.agent_docker:start"}

command = click.group(
    "docker",
    cls=LazyGroup,
    commands=_COMMANDS,
    help="The agent that runs flows in Docker containers.",
)(lambda: None)

_HELP = """\
Run flows in containers: each flow run in one of its own.

The engine is that of DOCKER_HOST, or the one on this machine. Ctrl-C, or any other end of the agent,
ends no run; when it is started again under the same name, it finds its containers.

\b
Examples:
  headrace agent docker start --label etl
  headrace agent docker start --image registry.example/etl:7 --network backend
  headrace agent docker start --volume /srv/data:/data:ro --limit 8 --show-flow-logs
"""


@click.command("start", help=_HELP)
@agent_options("docker")
@click.option(
    "--network",
    "networks",
    multiple=True,
    metavar="NAME",
    help="A network that containers are connected to; may be repeated.",
)
@click.option(
    "--volume",
    "volumes",
    multiple=True,
    metavar="FOLDER:/INSIDE[:ro]",
    help="A folder or volume that containers see; may be repeated.",
)
@click.option("-b", "--base-url", metavar="URL", help="The engine's address.")
@click.option("--no-pull", is_flag=True, help="Take images as they are on the engine's machine.")
@click.option("--show-flow-logs", is_flag=True, help="Print here what containers print.")
@click.option(
    "--docker-client-timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long the engine may take to answer.",
)
@click.option("--keep", is_flag=True, help="Keep containers that are over, with “-over” added.")
def start(no_pull: bool, **options: Any) -> None:
    """Run flows in containers."""
    from headrace.agents.docker_agent import DockerAgent

    DockerAgent(pull=not no_pull, **options).start()
