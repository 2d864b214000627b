"""The words of the OpenAPI document: what messages, their fields and parameters mean."""

from __future__ import annotations

import inspect
import pkgutil
import re
from functools import cache
from importlib import import_module
from typing import Any

import msgspec

import headrace.wire

_FIELD = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)

#: What the first word of a path after `/api` is about.
_TAGS = {
    "projects": "What flows are kept apart in.",
    "flows": "Registered flows: versions, with their graphs.",
    "version-groups": "All versions of a flow: their schedule's switch, and what runs take instead.",
    "flow-runs": "Flow runs, their task runs, states and logs; and what they are told to do.",
    "agents": "Agents that the server has heard of.",
    "auth": "API keys.",
    "key-values": "Small values that flows leave for later runs.",
    "server": "The server itself.",
    "claims": "For agents: flow runs to deploy.",
    "runs": "For the processes of flow runs, and whoever sees them end.",
}

_PAGE = "Where the page begins: `next` of the one before; the first page if it is not given."
_STATES = "Only those in a state of this type; several have commas between them."

#: What a parameter means, by its name; where that differs, by its path and name.
_PARAMETERS = {
    "after": _PAGE,
    "agent_id": "The agent's id.",
    "archived": "Whether to list older versions, too.",
    "flow": "Only runs of flows of this name.",
    "flow_id": "The id of a version of a flow.",
    "group_id": "The id of the version group.",
    "id_begins": "Only those whose id begins so.",
    "key": "The key.",
    "key_id": "The key's id.",
    "level": "Only lines of at least this level, as Python's logging numbers them: 30 is a warning.",
    "limit": "At most so many.",
    "map_index": "Which child of a mapped task; -1 for the task itself.",
    "name": "Only those of this name.",
    "project": "Only those of the project of this name.",
    "run_id": "The flow run's id.",
    "seconds": "For how long to hold the answer back.",
    "slug": "The task's slug.",
    "state": _STATES,
    "task": "Only lines of the task of this slug.",
    "wait": "For how many seconds to hold the answer back if there is nothing.",
    ("/api/flow-runs", "flow_id"): "Only runs of this version of a flow.",
    ("/api/flow-runs/{run_id}/logs", "after"): "Where to go on: `next` of the answer before.",
    ("/api/flow-runs/{run_id}/task-runs", "slug"): "Only those of the task of this slug.",
    ("/api/flow-runs/{run_id}/wait", "state"): "The state that is known already; any if not given.",
    ("/api/projects/{name}", "name"): "The project's name.",
}


def describe(document: dict[str, Any]) -> None:
    """Say in a document what everything in it means.

    Args:
        document: The document; it is changed.
    """
    for name, schema in document["components"]["schemas"].items():
        if (kind := _messages().get(name)) is not None:
            _describe_message(schema, kind)
    for path, operations in document["paths"].items():
        for operation in operations.values():
            operation["tags"] = [path.split("/")[2]]
            for parameter in operation.get("parameters", ()):
                name = parameter["name"]
                words = _PARAMETERS.get((path, name)) or _PARAMETERS.get(name)
                if words is not None:
                    parameter["description"] = words
    document["tags"] = [{"name": name, "description": words} for name, words in _TAGS.items()]


def _describe_message(schema: dict[str, Any], kind: type[msgspec.Struct]) -> None:
    schema["description"] = _summary(kind)
    words = {
        field: text
        for ancestor in reversed(kind.__mro__)
        for field, text in _fields(ancestor).items()
    }
    for field, described in schema.get("properties", {}).items():
        # The tag of an event is no field of its class.
        if field in words:
            described["description"] = words[field]


@cache
def _messages() -> dict[str, type[msgspec.Struct]]:
    """Return all messages, by the names that they have in the document."""
    modules = [
        import_module(f"{headrace.wire.__name__}.{each.name}")
        for each in pkgutil.iter_modules(headrace.wire.__path__)
    ]
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, msgspec.Struct)
    }


def _summary(kind: type) -> str:
    """Return what a docstring says before its attributes."""
    return " ".join((inspect.getdoc(kind) or "").partition("\n\nAttributes:")[0].split())


def _fields(kind: type) -> dict[str, str]:
    """Return what a class's own docstring says of its attributes."""
    own = inspect.cleandoc(kind.__doc__ or "").partition("Attributes:\n")[2]
    return {name: " ".join(text.split()) for name, text in _FIELD.findall(own)}
