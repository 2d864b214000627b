"""Tables for people, JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import click

from headrace.cli.printable import printable, printable_json, printable_line
from headrace.cli.wording import style_of

#: How much of an id is shown where there is no room for all of it.
_SHORT_ID = 8
#: What stands between two columns of a table on a terminal.
_GAP = 3

json_option: Callable[[Callable[..., Any]], Callable[..., Any]] = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON, for programs."
)


def print_json(value: Any) -> None:
    """Print messages, or plain data, as JSON."""
    import msgspec

    click.echo(printable_json(msgspec.json.format(msgspec.json.encode(value).decode(), indent=2)))


def print_json_line(value: Any) -> None:
    """Print plain data as one line of JSON, at once."""
    import msgspec

    click.echo(printable_json(msgspec.json.encode(value).decode()))
    sys.stdout.flush()


def said_done(sentence: str, value: Any, as_json: bool) -> None:
    """Say what was done: in a sentence, or as JSON."""
    if as_json:
        print_json(value)
    else:
        click.echo(printable(sentence))


def print_table(
    titles: Sequence[str],
    rows: Iterable[Sequence[Any]],
    nothing: str,
    styled: str | None = "state",
    shortened: str | None = None,
) -> None:
    """Print a table; aligned plain text where nobody looks.

    Args:
        titles: The titles of the columns.
        rows: The cells of each row, as text.
        nothing: What is said, to people only, if there are no rows.
        styled: The title of the column with states, which has their colours.
        shortened: The title of a column of ids, whose beginnings do where the table is too wide
            for the terminal.
    """
    cells = [[_shown(cell) for cell in row] for row in rows]
    if not cells:
        # Standard output stays empty for programs that count lines.
        click.echo(nothing, err=True)
        return
    if sys.stdout.isatty():
        _print_rich(titles, cells, styled, shortened)
        return
    lines = [[title.upper() for title in titles], *cells]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def print_fields(fields: Iterable[tuple[str, Any]]) -> None:
    """Print names and values below each other; those with no value are left out."""
    shown = [(name, _shown(value)) for name, value in fields if value not in (None, "", [], {})]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        text = click.style(value, fg=style_of(value)) if name == "state" else value
        click.echo(f"{click.style(name.ljust(width), dim=True)}  {text}")


def _print_rich(
    titles: Sequence[str], cells: list[list[str]], styled: str | None, shortened: str | None
) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    widths = [max(map(len, column)) + _GAP for column in zip(titles, *cells, strict=True)]
    if shortened is not None and sum(widths) > console.width:
        column = titles.index(shortened)
        for line in cells:
            line[column] = line[column][:_SHORT_ID]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for title in titles:
        table.add_column(title, overflow="fold", no_wrap=title in (styled, shortened))
    for line in cells:
        table.add_row(
            *(
                Text(cell, style=style_of(cell) if title == styled else "")
                for title, cell in zip(titles, line, strict=True)
            )
        )
    console.print(table)


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        import msgspec

        value = msgspec.json.encode(value).decode()
    text = "" if value is None else str(value)
    # A line's end in a message would break the table.
    return printable_line(text)
