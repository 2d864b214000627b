"""The command `headrace` itself: finds the subcommand, and says in one line what went wrong."""

from __future__ import annotations

import errno
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import click

from headrace.cli.exit_codes import INTERRUPTED, NOTHING_RAN
from headrace.cli.failures import UserCodeFailed
from headrace.cli.groups import LazyGroup
from headrace.cli.printable import printable
from headrace.core.errors import HeadraceError

#: The module of each command, which is imported when the command is asked for.
_COMMANDS = {
    "run": "headrace.cli.commands.run",
    "register": "headrace.cli.commands.register",
    "preflight": "headrace.cli.commands.preflight",
    "dev": "headrace.cli.commands.dev",
    "project": "headrace.cli.commands.project",
    "flow": "headrace.cli.commands.flow",
    "flow-run": "headrace.cli.commands.flow_run",
    "task-run": "headrace.cli.commands.task_run",
    "key-value": "headrace.cli.commands.key_value",
    "agent": "headrace.cli.commands.agent",
    "execute": "headrace.cli.commands.execute",
    "flush": "headrace.cli.commands.flush",
    "auth": "headrace.cli.commands.auth",
    "server": "headrace.cli.commands.server",
    "visualize": "headrace.cli.commands.visualize",
    "config": "headrace.cli.commands.config",
    "version": "headrace.cli.commands.version",
}


def _print_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from headrace.cli.commands.version import text

        click.echo(text())
        ctx.exit()


_HELP = """\
Flows of tasks in plain Python.

\b
Examples:
  headrace run etl.py
  headrace run etl.py --param day=2024-01-31 --executor threads
  headrace run --project etl --name nightly --watch
  headrace flow-run list
  headrace visualize etl.py --output etl.svg
  headrace config
"""


@click.group(
    cls=LazyGroup,
    commands=_COMMANDS,
    help=_HELP,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
@click.pass_context
def headrace(ctx: click.Context) -> None:
    """Flows of tasks in plain Python."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def run(args: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        args: What follows `headrace`; by default what `sys.argv` holds.

    Returns:
        The exit code: see `headrace.cli.exit_codes`.
    """
    warnings.showwarning = _show_warning
    try:
        code = headrace.main(args, prog_name="headrace", standalone_mode=False)
    except UserCodeFailed as failure:
        click.secho(failure.text, err=True)
        _complain(str(failure))
    except click.ClickException as error:
        _complain(error.format_message(), getattr(error, "ctx", None))
    except HeadraceError as error:
        _complain(str(error))
    except OSError as error:
        if (said := _of_home(error)) is None:
            raise
        _complain(said)
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    else:
        return code if isinstance(code, int) else 0
    return NOTHING_RAN


def _of_home(error: OSError) -> str | None:
    """Say that the home directory cannot be used, if that is what is wrong."""
    from headrace.config import config

    home, name = Path(config.home_dir), error.filename
    if name is None and error.errno in (errno.ENOSPC, errno.EDQUOT):
        # What was written is known by the time that it is flushed, and its name no more.
        return f"A file could not be written: {error.strerror}. Headrace keeps its files in {home}."
    # What could not be made may be a folder that the home directory is to stand in.
    if not isinstance(name, str) or not name:
        return None
    if not Path(name).is_relative_to(home) and not home.is_relative_to(name):
        return None
    return (
        f"{name} cannot be used: {error.strerror}. Headrace keeps its files in {home}; choose "
        "another directory with HEADRACE_HOME."
    )


def _complain(message: str, ctx: click.Context | None = None) -> None:
    sys.stdout.flush()
    hint = f" See: {ctx.command_path} --help" if ctx is not None else ""
    click.secho("Error: ", fg="red", bold=True, nl=False, err=True)
    click.echo(f"{printable(message)}{hint}", err=True)


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Show a warning in one line, without the line of code that gave it."""
    from headrace.config.spelling import ConfigWarning

    # Where a setting is read says nothing; its warning names the place that it is written at.
    where = "" if issubclass(category, ConfigWarning) else f"{filename}:{lineno}: "
    kind = "" if category in (UserWarning, ConfigWarning) else f"{category.__name__}: "
    click.secho("Warning: ", fg="yellow", nl=False, err=True)
    click.echo(f"{where}{kind}{' '.join(str(message).split())}", err=True)
