"""`headrace server status`: which server the settings name, and how it is."""

from __future__ import annotations

import click

from headrace.cli.output import json_option, print_fields, print_json
from headrace.cli.remote import the_client


@click.command("status")
@json_option
def command(as_json: bool) -> None:
    """Show which server the settings name, and how it is."""
    with the_client() as client:
        server = client.server()
        if as_json:
            print_json({"api_url": client.api_url, "server": server})
            return
        print_fields(
            [
                ("address", client.api_url),
                ("version", server.version),
                ("messages", f"version {server.wire}"),
                ("database", server.database),
                ("API keys", "needed" if server.auth else "none needed from this machine"),
            ]
        )
