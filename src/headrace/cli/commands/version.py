"""`headrace version`."""

from __future__ import annotations

import sys

import click

from headrace import __version__


def text() -> str:
    """Return the versions of Headrace and of the Python that it runs on."""
    python = ".".join(map(str, sys.version_info[:3]))
    return f"headrace {__version__} (Python {python})"


@click.command("version")
def command() -> None:
    """Show the version of Headrace, and of the Python it runs on."""
    click.echo(text())
