"""`headrace auth status`: which server and key are in use, and whether they do."""

from __future__ import annotations

import click

from headrace.cli.output import json_option, print_fields, print_json
from headrace.cli.remote import the_client
from headrace.core.errors import NotAuthorized


@click.command("status")
@json_option
def command(as_json: bool) -> int:
    """Show which server and which key are in use, and whether the server takes it."""
    from headrace.config import config

    sources = {name: source for name, _, source in config.describe()}
    client = the_client()
    name = "api_key" if config.api_key or not config.cloud.api_key else "cloud.api_key"
    key = config.api_key or config.cloud.api_key
    server = client.server()
    refused = None
    try:
        client.projects()
    except NotAuthorized as error:
        refused = str(error)
    if as_json:
        print_json(
            {
                "api_url": client.api_url,
                "has_key": bool(key),
                "is_accepted": refused is None,
                "problem": refused,
                "server": server,
            }
        )
        return 0 if refused is None else 2
    if refused is not None:
        verdict = f"refused: {refused}"
    elif server.auth:
        verdict = "accepted"
    else:
        verdict = "not asked for: the server listens on its own machine only, and has no keys"
    print_fields(
        [
            ("server", f"{client.api_url}  ({sources['api_url']})"),
            ("version", f"Headrace {server.version}, {server.database}"),
            ("key", f"{name}  ({sources[name]})" if key else "none"),
            ("access", verdict),
        ]
    )
    return 0 if refused is None else 2
