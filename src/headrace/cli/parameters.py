"""The values of a flow's parameters, from the command line and from a file."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

import click

if TYPE_CHECKING:
    from headrace.flow import Flow


def parse_parameter(text: str) -> tuple[str, Any]:
    """Return the name and the value that `name=value` gives.

    The value is read as JSON; what is no JSON is a string. What begins like a JSON object, list or
    string has to be one.

    Raises:
        ClickException: If there is no `=` or no name, or the value is broken JSON.
    """
    name, equals, value = text.partition("=")
    name = name.strip()
    if not equals or not name:
        raise click.ClickException(f"--param {text!r} is not of the form NAME=VALUE.")
    return name, parse_value(value, f"--param {name}", f"--param '{name}=...'")


def parse_value(text: str, what: str, example: str) -> Any:
    """Return the value that a text gives, as of a parameter.

    Args:
        text: The text: JSON, or else a string.
        what: What it is the value of, for the message.
        example: How it is written in a shell.

    Raises:
        ClickException: If it is broken JSON.
    """
    try:
        return json.loads(text, parse_constant=_no_number)
    except ValueError as error:
        if text.lstrip()[:1] in ("{", "[", '"'):
            raise click.ClickException(
                f"The value of {what} begins like JSON, but is none: {error}. Inside JSON, strings "
                f"stand in double quotes; in a shell, put all of it into single ones: {example}"
            ) from error
        return text


def parse_parameters(texts: Iterable[str]) -> dict[str, Any]:
    """Return the values that several `name=value` give.

    Raises:
        ClickException: As for `parse_parameter`, and if a name comes twice.
    """
    values: dict[str, Any] = {}
    for text in texts:
        name, value = parse_parameter(text)
        if name in values:
            raise click.ClickException(f"The parameter {name!r} is given twice: by two --param.")
        values[name] = value
    return values


def read_parameter_file(path: str) -> dict[str, Any]:
    """Return the values in a JSON or TOML file, which holds one object.

    Raises:
        ClickException: If it is neither, cannot be read, or holds something else.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in (".json", ".toml"):
        raise click.ClickException(
            f"The parameter file {path!r} is neither .json nor .toml, so it is not clear how to "
            "read it."
        )
    try:
        with open(path, "rb") as stream:
            data = stream.read()
    except OSError as error:
        raise click.ClickException(
            f"The parameter file {path!r} cannot be read: {error.strerror}."
        ) from error
    try:
        values = _read_toml(data) if suffix == ".toml" else json.loads(data)
    except ValueError as error:  # of JSON, of TOML, and of text that is no UTF-8
        kind = suffix[1:].upper()
        raise click.ClickException(f"The parameter file {path!r} is no {kind}: {error}.") from error
    if not isinstance(values, dict):
        raise click.ClickException(
            f"The parameter file {path!r} holds {_kind(values)}, but has to hold one object: "
            '{"name": value, ...}.'
        )
    return values


def check_parameters(flow: Flow, values: dict[str, Any], scheduled: bool = False) -> None:
    """Check the names of the values against the flow's parameters.

    Args:
        flow: The flow.
        values: The values that are given.
        scheduled: Whether the flow's schedule may give the missing ones.

    Raises:
        ClickException: If the flow has no such parameter, or a required one is missing.
    """
    known = {parameter.name: parameter for parameter in flow.parameters()}
    for name in values:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            there = ", ".join(sorted(known)) or "none"
            hint = f"Did you mean {close[0]!r}?" if close else f"It has: {there}."
            raise click.ClickException(f"The flow {flow.name!r} has no parameter {name!r}. {hint}")
    missing = sorted(p.name for p in known.values() if p.required and p.name not in values)
    if missing and not scheduled:
        raise click.ClickException(
            f"The flow {flow.name!r} needs {'a value' if len(missing) == 1 else 'values'} for: "
            f"{', '.join(missing)}. Give {'it' if len(missing) == 1 else 'them'} with "
            f"{' '.join(f'--param {name}=...' for name in missing)}"
        )


def _read_toml(data: bytes) -> Any:
    import tomllib

    return tomllib.loads(data.decode())


def _no_number(text: str) -> NoReturn:
    # JSON has no NaN and no Infinity, though Python's reader takes them.
    raise ValueError(f"{text} is no JSON")


def _kind(value: Any) -> str:
    if isinstance(value, list):
        return "a list"
    return f"the value {json.dumps(value)}"
