"""`headrace agent list`: the agents that the server has heard of."""

from __future__ import annotations

import click

from headrace.cli.output import json_option, print_json, print_table, said_done
from headrace.cli.remote import find_agent, the_client
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


@click.command("forget", short_help="Forget an agent.")
@click.argument("agent")
@json_option
def forget(agent: str, as_json: bool) -> None:
    """Forget the AGENT of this name or id; one that asks for work again is known again."""
    client = the_client()
    found = find_agent(client, agent)
    client.delete_agent(found.id)
    said_done(f"The agent {found.name!r} is forgotten.", {"forgotten": found.id}, as_json)
