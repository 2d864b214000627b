"""Reads `api-surface.md`: the names and arguments that Prefect 1.4.1 had."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path

PAGE = Path(__file__).with_name("api-surface.md")
_ENTRY = re.compile(r"- (?P<kind>class )?`(?P<name>[\w.]+)(?P<call>\(.*?\))?`(?P<rest>.*)")
_ALSO = re.compile(r"\(also `([^`]+)`\)")
_MEMBERS = re.compile(r"- \*\*(?P<path>[\w.]+)\*\*: (?P<members>.*)")
_MEMBER = re.compile(r"`(?P<name>\w+)(?P<call>\(.*?\))?`")


@dataclass
class Name:
    """One public name: all its dotted paths, and its arguments; None if it is not called."""

    paths: list[str]
    is_class: bool = False
    arguments: list[tuple[str, object]] | None = None


@dataclass
class Surface:
    """What the page says."""

    names: list[Name] = field(default_factory=list)
    members: dict[str, list[tuple[str, list[tuple[str, object]] | None]]] = field(
        default_factory=dict
    )
    config_keys: list[str] = field(default_factory=list)
    context_keys: list[str] = field(default_factory=list)


#: Stands for "there is no default", and for a default that is no literal.
REQUIRED, SOME = "required", "some default"


def arguments(call: str) -> list[tuple[str, object]]:
    """Return the arguments of `(a, b=1, *args, **kwargs)`: names with stars, and defaults."""
    definition = ast.parse(f"def f{call}: ...").body[0]
    assert isinstance(definition, ast.FunctionDef)
    given = definition.args
    plain = [*given.posonlyargs, *given.args]
    first_default = len(plain) - len(given.defaults)
    found: list[tuple[str, object]] = []
    for position, argument in enumerate(plain):
        default: object = REQUIRED
        if position >= first_default:
            default = _default(given.defaults[position - first_default])
        found.append((argument.arg, default))
    if given.vararg is not None:
        found.append((f"*{given.vararg.arg}", REQUIRED))
    for argument, value in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        found.append((argument.arg, REQUIRED if value is None else _default(value)))
    if given.kwarg is not None:
        found.append((f"**{given.kwarg.arg}", REQUIRED))
    return found


def _default(value: ast.expr) -> object:
    try:
        literal = ast.literal_eval(value)
    except ValueError:
        return SOME
    return SOME if literal is ... else literal


def read() -> Surface:
    """Read the page."""
    surface = Surface()
    section = ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ").strip()
        elif section == "Config keys":
            surface.config_keys += re.findall(r"`([\w.]+)`", line)
        elif section == "Context keys":
            surface.context_keys += re.findall(r"`(\w+)`", line)
        elif member := _MEMBERS.match(line):
            surface.members[member["path"]] = [
                (found["name"], arguments(found["call"]) if found["call"] else None)
                for found in _MEMBER.finditer(member["members"])
            ]
        elif entry := _ENTRY.match(line):
            also = _ALSO.search(entry["rest"])
            paths = [f"{section}.{entry['name']}", *(also[1].split(", ") if also else [])]
            call = entry["call"]
            surface.names.append(
                Name(paths, bool(entry["kind"]), arguments(call) if call else None)
            )
    return surface
