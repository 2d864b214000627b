"""How a task run is named: by its task's slug and, in brackets, its map index."""

from __future__ import annotations

import re

import click

_FORM = re.compile(r"(?P<slug>[^\[\]]+)(?:\[(?P<index>\d+)\])?")


def parse_task_run(text: str) -> tuple[str, int]:
    """Return the slug and the map index that `slug` or `slug[3]` names; -1 without one.

    Raises:
        ClickException: If it is neither.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise click.ClickException(
            f"{text!r} names no task run. Write the task's slug, and for a child of a mapped task "
            "its index in brackets: load-1[3]"
        )
    return match["slug"], -1 if match["index"] is None else int(match["index"])


def name_of(slug: str, map_index: int) -> str:
    """Return `slug`, or `slug[3]` for a child of a mapped task."""
    return slug if map_index < 0 else f"{slug}[{map_index}]"
