"""`headrace agent docker`: the agent that runs flows in Docker containers."""

from __future__ import annotations

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
def start(
    name: str,
    labels: tuple[str, ...],
    env: dict[str, str],
    limit: int | None,
    hostname_label: bool,
    api_url: str | None,
    image: str | None,
    networks: tuple[str, ...],
    volumes: tuple[str, ...],
    base_url: str | None,
    no_pull: bool,
    show_flow_logs: bool,
    docker_client_timeout: float,
    keep: bool,
) -> None:
    """Run flows in containers."""
    from headrace.agents.docker_agent import DockerAgent

    agent = DockerAgent(
        base_url=base_url,
        image=image,
        networks=networks,
        volumes=volumes,
        pull=not no_pull,
        keep=keep,
        show_flow_logs=show_flow_logs,
        docker_client_timeout=docker_client_timeout,
        name=name,
        labels=labels,
        env_vars=env,
        limit=limit,
        hostname_label=hostname_label,
        api_url=api_url,
    )
    agent.start()
