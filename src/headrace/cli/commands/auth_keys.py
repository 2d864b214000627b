"""`headrace auth create-key|list-keys|revoke-key`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from headrace.cli.moments import parse_moment
from headrace.cli.output import json_option, print_fields, print_json, print_table, said_done
from headrace.cli.remote import close_to, the_client
from headrace.cli.wording import moment

if TYPE_CHECKING:
    import datetime

    from headrace.wire.auth import NewKey

#: As `headrace.wire.auth.SCOPES`; a test holds these to it.
_SCOPES = ("admin", "user", "agent", "read")


@click.command("create-key")
@click.option(
    "--scope",
    type=click.Choice(_SCOPES),
    default="user",
    show_default=True,
    help="What it is for: all; all but keys; claiming and reporting; looking.",
)
@click.option("--name", metavar="NAME", help="Its name, for people; by default the scope.")
@click.option(
    "--expires", metavar="WHEN", help="From when on it is worth nothing: 90d, or 2025-12-31."
)
@click.option(
    "--local",
    is_flag=True,
    help="Write it into the database, without asking a server: for the first key.",
)
@click.option(
    "--database-url",
    metavar="URL",
    help="With --local: which database; also HEADRACE_DATABASE_URL.",
)
@json_option
def create_key(
    scope: str,
    name: str | None,
    expires: str | None,
    local: bool,
    database_url: str | None,
    as_json: bool,
) -> None:
    """Make an API key. It is shown this once."""
    if database_url is not None and not local:
        raise click.UsageError("--database-url says where --local writes. Add --local.")
    until = None if expires is None else parse_moment(expires, "--expires")
    if local:
        # As for a server's start: what it is told where it runs holds for its keys as well.
        url = database_url or os.environ.get("HEADRACE_DATABASE_URL") or None
        made = _make_local(name or scope, scope, until, url)
        is_first = False
    else:
        client = the_client()
        is_first = not client.server().auth
        made = client.create_key(name or scope, scope, until)
    if as_json:
        print_json(made)
        return
    print_fields(
        [
            ("key", made.secret),
            ("scope", made.key.scope),
            ("name", made.key.name),
            ("expires", moment(made.key.expires) or "never"),
            ("id", made.key.id),
        ]
    )
    click.echo("It is not shown again. Use it with: export HEADRACE_API_KEY=…", err=True)
    if is_first:
        click.echo(
            "From now on the server asks everybody for a key. Agents need one, too: "
            "headrace auth create-key --scope agent",
            err=True,
        )


@click.command("list-keys")
@json_option
def list_keys(as_json: bool) -> None:
    """List the API keys, without their secrets."""
    keys = the_client().keys()
    if as_json:
        print_json(keys)
        return
    print_table(
        ("name", "scope", "created", "expires", "last used", "revoked", "id"),
        [
            (
                key.name,
                key.scope,
                moment(key.created),
                moment(key.expires) or "never",
                moment(key.last_used) or "never",
                moment(key.revoked),
                key.id,
            )
            for key in keys
        ],
        nothing="There are no keys. Make one with: headrace auth create-key",
    )


@click.command("revoke-key")
@click.argument("key", metavar="ID_OR_NAME")
@json_option
def revoke_key(key: str, as_json: bool) -> None:
    """Make a key worth nothing, from now on."""
    client = the_client()
    keys = client.keys()
    found = [each for each in keys if key in (each.id, each.name)]
    if len(found) > 1:
        found = [each for each in found if each.revoked is None]
    if len(found) > 1:
        raise click.ClickException(
            f"{len(found)} keys are called {key!r}. Name one by its id: "
            f"{', '.join(each.id for each in found)}."
        )
    if not found:
        raise click.ClickException(
            f"There is no key {key!r}.{close_to(key, (each.name for each in keys))} "
            "List them: headrace auth list-keys"
        )
    client.revoke_key(found[0].id)
    said_done(f"The key {found[0].name!r} is revoked.", {"revoked": found[0].id}, as_json)


def _make_local(
    name: str, scope: str, expires: datetime.datetime | None, database_url: str | None
) -> NewKey:
    """Make a key in the database of this machine, whether or not a server runs on it."""
    from headrace.server.local_keys import create_key as create
    from headrace.server.settings import ServerSettings
    from headrace.wire.auth import CreateKey

    wanted = CreateKey(name=name, scope=scope, expires=expires)
    return create(ServerSettings(database_url=database_url), wanted)
