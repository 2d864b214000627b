"""The options that the agents of all kinds have."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def agent_options(
    kind: str, *, image: bool = True, hostname_label: bool = True
) -> Callable[[F], F]:
    """Give a command the options of an agent, in the order of its help.

    The command is called with `name`, `labels` (a tuple), `env_vars` (a dict), `limit` and `api_url`,
    and with `hostname_label` and `image` (None if it was not given) where they are asked for: as the
    class of the agent calls them.

    Args:
        kind: The kind of agent, which is what one without a name is called.
        image: Whether its runs are started from an image.
        hostname_label: Whether its machine's name may be a label.
    """
    options = [
        click.option("-n", "--name", default=kind, show_default=True, help="Its name, for people."),
        click.option(
            "-l",
            "--label",
            "labels",
            multiple=True,
            help="A label; it takes runs whose labels it has.",
        ),
        click.option(
            "-e",
            "--env",
            "env_vars",
            multiple=True,
            metavar="NAME[=VALUE]",
            callback=_variables,
            help="A variable for all its runs; without a value, that of its own environment.",
        ),
        click.option("--limit", type=click.IntRange(min=1), help="How many runs it has at once."),
    ]
    if hostname_label:
        options.append(
            click.option(
                "--hostname-label/--no-hostname-label",
                default=True,
                help="Whether this machine's name is one of its labels, as it is by default.",
            )
        )
    options.append(click.option("--api-url", metavar="URL", help="The server's address."))
    if image:
        options.append(
            click.option(
                "--image",
                callback=_image,
                help="The image of runs that name none; by default that of `agents.default_image`.",
            )
        )

    def add(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def _image(_context: click.Context, _option: click.Parameter, given: str | None) -> str | None:
    if given is not None and (not given or any(each.isspace() for each in given)):
        raise click.BadParameter(f"{given!r} is no image: write it like registry.example/etl:7.")
    return given


def _variables(
    _context: click.Context, _option: click.Parameter, given: tuple[str, ...]
) -> dict[str, str]:
    variables = {}
    for each in given:
        name, sign, value = each.partition("=")
        if name and not sign and (own := os.environ.get(name)) is not None:
            value = own
        elif not sign or not name:
            # The text may be a secret that was meant to be a value: it is not repeated.
            raise click.BadParameter(
                "Write a variable as NAME=VALUE, or as NAME alone if it is in the agent's environment.",
                param_hint="--env",
            )
        variables[name] = value
    return variables
