"""`headrace agent vertex`: the agent that runs flows on Google's Vertex AI."""

from __future__ import annotations

from typing import Any

import click

from headrace.cli.agent_options import agent_options
from headrace.cli.groups import LazyGroup

_COMMANDS = {"start": "headrace.cli.commands.agent_vertex:start"}

command = click.group(
    "vertex",
    cls=LazyGroup,
    commands=_COMMANDS,
    help="The agent that runs flows on Google's Vertex AI.",
)(lambda: None)

_HELP = """\
Run flows on Vertex AI: each flow run as a custom job.

The credentials are Google's application default ones. Ctrl-C, or any other end of the agent, ends
no run; when it is started again under the same name, it finds its jobs.

\b
Examples:
  headrace agent vertex start --project etl --region-name europe-west4
  headrace agent vertex start --region-name us-central1 --label gpu --limit 20
  headrace agent vertex start --region-name us-central1 \\
      --service-account flows@etl.iam.gserviceaccount.com --image registry.example/etl:7
"""


@click.command("start", help=_HELP)
@agent_options("vertex")
@click.option("--project", help="The project's id; by default that of the credentials.")
@click.option("--region-name", required=True, metavar="REGION", help="The region.")
@click.option("--service-account", metavar="EMAIL", help="The account that jobs run as.")
@click.option("--network", metavar="NAME", help="The network that jobs are peered with.")
@click.option("--keep", is_flag=True, help="Leave jobs that are over in Vertex AI.")
@click.option("--endpoint", metavar="URL", help="Where Vertex AI is, if it is a private address.")
@click.option("--logging-endpoint", metavar="URL", help="Where Cloud Logging is, likewise.")
def start(**options: Any) -> None:
    """Run flows on Vertex AI."""
    from headrace.agents.vertex_agent import VertexAgent

    VertexAgent(**options).start()
