"""Groups of commands that import a command only when it is asked for."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """A group whose commands are imported one by one: `headrace version` needs no other.

    Args:
        commands: The module of each command, in the order of the help; the command is its
            `command`. With a colon, another name in it: `package.module:name`.
    """

    def __init__(self, *args: Any, commands: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._modules = commands

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(self._modules)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in self._modules:
            return None
        module, _, name = self._modules[cmd_name].partition(":")
        command: click.Command = getattr(import_module(module), name or "command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments begin with.

        Raises:
            UsageError: If there is none of this name.
        """
        name = args[0]
        if name not in self._modules and not name.startswith("-"):
            close = difflib.get_close_matches(name, self._modules, n=1)
            there = ", ".join(self._modules)
            hint = f"Did you mean {close[0]!r}?" if close else f"There are: {there}."
            group = "" if ctx.parent is None else f" in {ctx.command_path!r}"
            raise click.UsageError(f"There is no command {name!r}{group}. {hint}", ctx)
        return super().resolve_command(ctx, args)
