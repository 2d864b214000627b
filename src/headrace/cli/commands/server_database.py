"""`headrace server database`: brings tables up to date, or back, or empties them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from headrace.cli.remote import agreed, yes_option

_HELP = """\
The tables of the server's database.

A server brings them up to date when it starts; these commands do so while none runs.
"""

_url = click.option(
    "--database-url",
    envvar="HEADRACE_DATABASE_URL",
    metavar="URL",
    help="The database; by default the file below the home directory.",
)


@click.group("database", help=_HELP)
def command() -> None:
    """Tables of the server's database."""


@command.command("upgrade")
@_url
@click.argument("revision", required=False)
def upgrade(database_url: str | None, revision: str | None) -> None:
    """Bring the tables to REVISION, or to the newest."""
    from headrace.server.db import migrate

    def perform(url: Any) -> None:
        if revision is None:
            migrate.upgrade(url)
        else:
            migrate.upgrade(url, revision)

    _alone(database_url, perform, "The tables of {url} are up to date.")


@command.command("downgrade")
@_url
@click.argument("revision")
@yes_option
def downgrade(database_url: str | None, revision: str, yes: bool) -> None:
    """Bring the tables back to REVISION: -1 is the one before, base no tables at all."""
    from headrace.server.db import migrate

    agreed("What only newer tables hold is lost. Go on?", yes)
    _alone(database_url, lambda url: migrate.downgrade(url, revision), f"{{url}} is at {revision}.")


@command.command("reset")
@_url
@yes_option
def reset(database_url: str | None, yes: bool) -> None:
    """Delete everything, keys included, and make empty tables."""
    from headrace.server.db import migrate

    agreed("All projects, flows, runs and keys are deleted. Go on?", yes)
    _alone(database_url, migrate.reset, "{url} is empty.")


def _alone(database_url: str | None, perform: Callable[[Any], None], done: str) -> None:
    """Do something to the database while no server of this machine uses it."""
    from headrace.server.lock import alone_with
    from headrace.server.settings import ServerSettings

    url = ServerSettings(database_url=database_url).database
    with alone_with(url):
        perform(url)
    click.echo(done.format(url=url.render_as_string(hide_password=True)))
