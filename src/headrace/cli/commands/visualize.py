"""`headrace visualize`: draws a flow without running it."""

from __future__ import annotations

import os

import click

from headrace.cli.locating import find_flow, flow_options

#: Those that every Graphviz can write; `dot` and `gv` are its own language.
_FORMATS = ("svg", "png", "pdf", "jpg", "gif", "ps", "json", "dot", "gv")


_HELP = """\
Draw the flow in FILE, without running it.

Mapped tasks are boxes, the others are ellipses; mapped edges are dashed. Graphviz has to be
installed: the Python package by `pip install 'headrace[viz]'`, and its program `dot`.

\b
Examples:
  headrace visualize etl.py
  headrace visualize etl.py --output etl.png --horizontal
  headrace visualize -m company.flows --name nightly -o nightly.pdf
"""


@click.command("visualize", help=_HELP)
@flow_options
@click.option(
    "-o",
    "--output",
    metavar="PATH",
    help="The drawing's file; its suffix says the format: svg, png, pdf, dot, ... By default an SVG "
    "named after the flow, in the current folder; - prints the graph in Graphviz's language.",
)
@click.option("--horizontal", is_flag=True, help="Draw from left to right.")
def command(
    file: str | None,
    module: str | None,
    name: str | None,
    prefect1: bool,
    output: str | None,
    horizontal: bool,
) -> None:
    """Draw the flow in FILE, without running it."""
    flow = find_flow(file, module, name, prefect1)
    if output is None:
        output = "".join(c if c.isalnum() or c in "-_." else "-" for c in flow.name) + ".svg"
    if output == "-" or output.endswith((".dot", ".gv")):
        # Graphviz's own language needs no program of Graphviz to be written.
        from headrace.visualize import draw

        source = draw(flow, horizontal=horizontal).source
        if output == "-":
            click.echo(source, nl=False)
            return
        _write(output, source)
    else:
        _check_format(output)
        try:
            flow.visualize(filename=output, horizontal=horizontal)
        except OSError as error:
            raise _unwritable(output, error) from error
    click.echo(f"{flow.name!r} is drawn in {output}")


def _check_format(output: str) -> None:
    suffix = os.path.splitext(output)[1][1:].lower()
    if suffix not in _FORMATS:
        raise click.ClickException(
            f"The output {output!r} has no suffix that names a format; use one of: "
            f".{', .'.join(_FORMATS)}."
        )
    folder = os.path.dirname(os.path.abspath(output))
    if not os.path.isdir(folder):
        raise click.ClickException(
            f"The output {output!r} cannot be written: there is no {folder}."
        )


def _write(output: str, text: str) -> None:
    try:
        with open(output, "w", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise _unwritable(output, error) from error


def _unwritable(output: str, error: OSError) -> click.ClickException:
    return click.ClickException(f"The output {output!r} cannot be written: {error.strerror}.")
