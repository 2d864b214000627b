"""`headrace key-value`: small values that flows leave for later runs."""

from __future__ import annotations

import json

import click

from headrace.cli.output import json_option, print_json, print_table, said_done
from headrace.cli.printable import printable
from headrace.cli.remote import the_client
from headrace.cli.wording import moment

_HELP = """\
Small values that flows leave for later runs.

\b
Examples:
  headrace key-value set "last day" 2024-01-31
  headrace key-value set limits '{"rows": 1000}'
  headrace key-value get "last day"
"""


@click.group("key-value", help=_HELP)
def command() -> None:
    """Small values that flows leave for later runs."""


@command.command("set")
@click.argument("key")
@click.argument("value")
@json_option
def set_value(key: str, value: str, as_json: bool) -> None:
    """Keep VALUE under KEY: JSON, or else a string."""
    from headrace.cli.parameters import parse_value

    the_client().set_key_value(key, parse_value(value, f"the key {key!r}", "'...'"))
    said_done(f"The key {key!r} is set.", {"set": key}, as_json)


@command.command("get")
@click.argument("key")
@json_option
def get(key: str, as_json: bool) -> None:
    """Print the value of KEY: text as it is, all else as JSON."""
    value = the_client().get_key_value(key)
    if as_json:
        print_json(value)
    else:
        click.echo(printable(value if isinstance(value, str) else json.dumps(value)))


@command.command("list")
@json_option
def list_keys(as_json: bool) -> None:
    """List all keys."""
    known = the_client().keys_of_values()
    if as_json:
        print_json(known)
        return
    print_table(
        ("key", "set at"),
        [(each.key, moment(each.updated)) for each in known],
        nothing="There are no keys. Set one with: headrace key-value set KEY VALUE",
    )


@command.command("delete")
@click.argument("key")
@json_option
def delete(key: str, as_json: bool) -> None:
    """Forget KEY and its value."""
    the_client().delete_key(key)
    said_done(f"The key {key!r} is deleted.", {"deleted": key}, as_json)
