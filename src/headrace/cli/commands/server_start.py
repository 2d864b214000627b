"""`headrace server start`: serves until it is asked to end."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from headrace.server.parts import Parts

_HELP = """\
Serve until Ctrl-C or SIGTERM.

Everything is kept in one SQLite file below the home directory, or in PostgreSQL; the tables are
made, and brought up to date, at the start. At an address that other machines can reach, an admin
key has to be there first: `headrace auth create-key --local --scope admin`.
"""


@click.command("start", help=_HELP)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen at.")
@click.option(
    "--port", type=int, default=4200, show_default=True, help="The port; 0 for one that is free."
)
@click.option(
    "--database-url",
    envvar="HEADRACE_DATABASE_URL",
    metavar="URL",
    help="sqlite:///path/to/file.db or postgresql://user:password@host/name.",
)
def command(host: str, port: int, database_url: str | None) -> None:
    """Serve until it is asked to end."""
    from headrace.server.serving import serve
    from headrace.server.settings import ServerSettings

    # A server's log goes to the standard error, with times: it runs under a supervisor or a shell.
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    for name in ("uvicorn.error", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    serve(ServerSettings(host=host, port=port, database_url=database_url), _say_where)
    click.echo("The server has ended.")


def _say_where(url: str, parts: Parts) -> None:
    database = parts.database.url.render_as_string(hide_password=True)
    click.echo(f"Headrace server at {url}, database {database}")
    click.echo(f"What it can be asked: {url}/api/openapi.json")
    sys.stdout.flush()
