"""`headrace config`: the settings in force, and where each of them comes from."""

from __future__ import annotations

from typing import Any

import click

from headrace.config import config

_HELP = """\
Show the settings, and where each value comes from.

Without a subcommand, all of them are listed.

\b
Examples:
  headrace config
  headrace config list logging
  headrace config get flows.checkpointing
"""


@click.group("config", invoke_without_command=True, help=_HELP)
@click.pass_context
def command(ctx: click.Context) -> None:
    """Show the settings, and where each value comes from."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_settings)


@command.command("list")
@click.argument("section", required=False)
def list_settings(section: str | None = None) -> None:
    """List the settings (of a SECTION): name, value, and where it comes from.

    Later sources beat earlier ones: default, the file config.toml in the home directory of
    Headrace, environment variables such as HEADRACE__FLOWS__CHECKPOINTING.
    """
    rows = [
        (name, _shown(value), source)
        for name, value, source in config.describe()
        if section is None or name == section or name.startswith(f"{section}.")
    ]
    if not rows and section is not None:
        raise _unknown(section)
    name_width = max(len(row[0]) for row in rows)
    value_width = min(40, max(len(row[1]) for row in rows))
    for name, value, source in rows:
        click.echo(f"{name:<{name_width}}  {value:<{value_width}}  ", nl=False)
        # What somebody has set stands out from what nobody has.
        click.secho(source, dim=source == "default")


@command.command("get")
@click.argument("name")
def get_setting(name: str) -> None:
    """Print the value of one setting, by its dotted NAME; `********` for a secret."""
    for known, value, _ in config.describe():
        if known == name:
            click.echo(_shown(value))
            return
    if any(known.startswith(f"{name}.") for known, _, _ in config.describe()):
        raise click.ClickException(
            f"{name!r} is a section, not one setting. List it: headrace config list {name}"
        )
    raise _unknown(name)


def _unknown(name: str) -> click.ClickException:
    from headrace.config.spelling import suggestion

    hint = suggestion(name) or " List them all: headrace config"
    return click.ClickException(f"There is no setting {name!r}.{hint}")


def _shown(value: Any) -> str:
    """Return a value as config.toml would have it; strings bare."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "(none)"
    return "(none)" if value is None or value == "" else str(value)
