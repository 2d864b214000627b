"""`headrace agent local`: the agent that runs flows on its own machine."""

from __future__ import annotations

import click

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
@click.option("-n", "--name", default="local", show_default=True, help="Its name, for people.")
@click.option(
    "-l", "--label", "labels", multiple=True, help="A label; it takes runs whose labels it has."
)
@click.option(
    "-e", "--env", "env", multiple=True, metavar="NAME=VALUE", help="A variable for all its runs."
)
@click.option("--limit", type=click.IntRange(min=1), help="How many runs it has at once.")
@click.option(
    "-p",
    "--import-path",
    "import_paths",
    multiple=True,
    type=click.Path(exists=True, file_okay=False),
    help="A folder in which its runs look for modules first.",
)
@click.option(
    "--hostname-label/--no-hostname-label",
    default=True,
    help="Whether this machine's name is one of its labels, as it is by default.",
)
@click.option("--api-url", metavar="URL", help="The server's address.")
def start(
    name: str,
    labels: tuple[str, ...],
    env: tuple[str, ...],
    limit: int | None,
    import_paths: tuple[str, ...],
    hostname_label: bool,
    api_url: str | None,
) -> None:
    """Run flows on this machine."""
    from headrace.agents.local_agent import LocalAgent

    agent = LocalAgent(
        name=name,
        labels=labels,
        env_vars=_variables(env),
        limit=limit,
        import_paths=import_paths,
        hostname_label=hostname_label,
        api_url=api_url,
    )
    agent.start()


def _variables(given: tuple[str, ...]) -> dict[str, str]:
    variables = {}
    for each in given:
        name, sign, value = each.partition("=")
        if not sign or not name:
            # The text may be a secret that was meant to be a value: it is not repeated.
            raise click.BadParameter("Write a variable as NAME=VALUE.", param_hint="--env")
        variables[name] = value
    return variables
