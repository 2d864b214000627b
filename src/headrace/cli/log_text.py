"""A log line of a tracked run, as a person reads it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import click

from headrace.cli.printable import printable, printable_line
from headrace.cli.task_names import name_of

if TYPE_CHECKING:
    from headrace.wire.logs import Log

#: Loggers whose names tell a person nothing.
_THE_RUN_ITSELF = ("headrace", "headrace.FlowRunner", "headrace.CloudFlowRunner", "FlowRunner")


def line_of(line: Log) -> str:
    """Return the time, the level, what it is about, and the message; colours where they show."""
    colour = "red" if line.level >= logging.ERROR else "yellow" if line.level >= 30 else None
    level = click.style(f"{logging.getLevelName(line.level):<8}", fg=colour, dim=colour is None)
    about = line.logger.removeprefix("headrace.") if line.logger not in _THE_RUN_ITSELF else ""
    if line.slug is not None:
        about = name_of(line.slug, line.map_index)
    head = f"{click.style(f'{line.at.astimezone():%H:%M:%S}', dim=True)} {level} "
    stale = click.style("(of an attempt that had lost the run) ", dim=True) * line.is_stale
    name = f"{click.style(printable_line(about), bold=True)}: " if about else ""
    return f"{head}{stale}{name}{printable(line.message.rstrip())}"
