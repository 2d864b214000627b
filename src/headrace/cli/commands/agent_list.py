"""`headrace agent list`: the agents that the server has heard of."""

from __future__ import annotations

import click

from headrace.cli.output import json_option, print_json, print_table, said_done
from headrace.cli.remote import the_client
from headrace.cli.wording import moment


@click.command("list")
@json_option
def command(as_json: bool) -> None:
    """List the agents that the server has heard of."""
    agents = the_client().agents()
    if as_json:
        print_json(agents)
        return
    print_table(
        ("name", "kind", "labels", "online", "last seen", "id"),
        [
            (
                agent.name,
                agent.kind,
                ", ".join(agent.labels),
                "yes" if agent.is_online else "no",
                moment(agent.last_seen),
                agent.id,
            )
            for agent in agents
        ],
        nothing="The server has not heard of an agent. Start one with: headrace agent local start",
    )


@click.command("forget")
@click.argument("agent_id", metavar="ID")
@json_option
def forget(agent_id: str, as_json: bool) -> None:
    """Forget the agent of this ID; one that asks for work again is known again."""
    the_client().delete_agent(agent_id)
    said_done(f"The agent {agent_id} is forgotten.", {"forgotten": agent_id}, as_json)
