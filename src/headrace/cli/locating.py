"""Which flow a command means: the arguments that say it, and finding it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from headrace.cli.failures import UserCodeFailed
from headrace.config import config
from headrace.core.errors import LoadError
from headrace.loading import flows_in_file, flows_in_module

if TYPE_CHECKING:
    from headrace.flow import Flow


def flow_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the arguments `file`, `module`, `name` and `prefect1`."""
    for decorate in reversed(
        [
            click.argument("file", required=False),
            click.option(
                "-m",
                "--module",
                metavar="MODULE",
                help="Import the flow from a module instead: package.module or package.module:flow.",
            ),
            click.option(
                "-n",
                "--name",
                metavar="NAME",
                help="The flow's name, where FILE, MODULE or project has several.",
            ),
            click.option(
                "--prefect1",
                is_flag=True,
                help="FILE was written for Prefect 1: `import prefect` gives it Headrace.",
            ),
        ]
    ):
        command = decorate(command)
    return command


def find_flow(file: str | None, module: str | None, name: str | None, prefect1: bool) -> Flow:
    """Load the flow that a command means.

    Args:
        file: The file that it is in, if it is in one.
        module: The module that it is in, if it is in one.
        name: Its name; None for the only one.
        prefect1: Whether the file is to find Headrace under the name of Prefect.

    Raises:
        UsageError: If neither or both of file and module are given.
        ClickException: If several flows are there and none is named, or none of this name is.
        LoadError: If there is no such file or module, or no flow in it.
        UserCodeFailed: If the file or module raises an exception.
    """
    if file is None and module is None:
        raise click.UsageError("Name the FILE that the flow is in, or a module with -m.")
    if file is not None and module is not None:
        raise click.UsageError(f"Give either the file {file!r} or the module {module!r}, not both.")
    # A setting that is wrong is said to be so here, and not in the middle of the user's file.
    config.home_dir  # noqa: B018 - asking is what reads them
    if prefect1:
        from headrace.compat.prefect import install

        install()
    where = file or module or ""
    flows = _load(file, module, where)
    if name is None and len(flows) > 1:
        raise click.ClickException(
            f"There are {len(flows)} flows in {where}. Choose one with --name: "
            f"{', '.join(map(repr, flows))}."
        )
    if name is not None and name not in flows:
        raise click.ClickException(
            f"There is no flow {name!r} in {where}. Flows there: {', '.join(map(repr, flows))}."
        )
    return flows[name] if name is not None else next(iter(flows.values()))


def _load(file: str | None, module: str | None, where: str) -> dict[str, Flow]:
    arguments = sys.argv
    # A file that reads its arguments while it is loaded must not find ours.
    sys.argv = [where]
    try:
        if file is not None:
            return flows_in_file(file, unique=False)
        assert module is not None
        folder = os.getcwd()
        if folder not in sys.path:
            sys.path.insert(0, folder)
        return flows_in_module(module, unique=False)
    except LoadError as error:
        if error.__cause__ is None or not isinstance(error.__cause__, SystemExit):
            hint = _hint(file, module)
            if hint:
                raise LoadError(f"{error} {hint}") from error
        raise
    except Exception as error:
        raise UserCodeFailed(where, error) from error
    finally:
        sys.argv = arguments


def _hint(file: str | None, module: str | None) -> str:
    """Return a word to somebody who has taken a module for a file, or a file for a module."""
    if file is not None and not os.path.exists(file):
        name = file.replace("/", ".").removesuffix(".py")
        if not file.endswith(".py") and "/" not in file and os.path.exists(f"{file}.py"):
            return f"Did you mean {file}.py?"
        if "." in file and "/" not in file and not file.endswith(".py"):
            return f"Is it a module? Then: -m {name}"
    if module is not None and (module.endswith(".py") or "/" in module):
        return "Is it a file? Then leave out -m."
    return ""
