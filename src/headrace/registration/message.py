"""What a server is told about a flow: no code, no executor, no values that its tasks take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from headrace.core.description import describe_graph, describe_part
from headrace.core.errors import HeadraceError, RegistrationError
from headrace.wire.flows import RegisterFlow

if TYPE_CHECKING:
    from headrace.flow import Flow
    from headrace.storage import Storage


def message_of(
    flow: Flow, project_name: str, storage: Storage, labels: Iterable[str] | None = None
) -> RegisterFlow:
    """Describe a flow for a server.

    Args:
        flow: The flow; it has a run config.
        project_name: The project's name.
        storage: Where the flow's code is, bound to a commit if it knows such.
        labels: Labels besides those of run config and storage.

    Returns:
        The message. Its hash is the same for the same flow, in every process.

    Raises:
        RegistrationError: If something about the flow is no JSON.
    """
    described = _plain(
        flow,
        {
            "name": flow.name,
            "graph": _graph(flow),
            "schedule": _described(flow, "schedule", flow.schedule),
            "storage": storage.serialize_for(flow.name),
            "run_config": _described(flow, "run config", flow.run_config),
            "labels": labels_of(flow, storage, labels),
        },
    )
    known_by = _plain(flow, {"storage": storage.known_by(flow.name)})
    return RegisterFlow(
        project=project_name,
        hash=hash_of({**described, **known_by}),
        max_recoveries=flow.max_recoveries,
        on_disconnect=flow.on_disconnect,
        lost_after=flow.lost_after,
        **described,
    )


def labels_of(flow: Flow, storage: Storage, labels: Iterable[str] | None) -> list[str]:
    """Return all labels that an agent must have to run a flow, sorted.

    Raises:
        RegistrationError: If one is no string, or a string stands for a list.
    """
    given: object = labels
    if isinstance(given, str):
        raise RegistrationError(
            f"The labels of flow {flow.name!r} are a list of strings, not {given!r}: write "
            f"labels=[{given!r}]."
        )
    every = [*(labels or ()), *storage.labels, *(getattr(flow.run_config, "labels", None) or ())]
    for label in every:
        if not isinstance(label, str) or not label:
            is_what = "empty" if label == "" else "no string"
            raise RegistrationError(f"A label of flow {flow.name!r} is {is_what}: {label!r}.")
    return sorted(set(every))


def hash_of(described: Mapping[str, Any]) -> str:
    """Return the hash that an unchanged description is known by: SHA-256, in hexadecimal digits."""
    import hashlib
    import json

    text = json.dumps(described, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _graph(flow: Flow) -> dict[str, Any]:
    """Describe the tasks. A parameter's default that is no JSON stays in the flow's code."""
    import json

    graph = describe_graph(flow)
    for task in (*graph["parameters"], *graph["tasks"]):
        if task.get("default") is not None:
            try:
                task["default"] = json.loads(json.dumps(task["default"], allow_nan=False))
            except (TypeError, ValueError):
                task["default"] = None
    return graph


def _described(flow: Flow, what: str, part: Any) -> Any:
    try:
        return describe_part(part)
    except HeadraceError as error:
        raise RegistrationError(
            f"The {what} of flow {flow.name!r} cannot be told to a server: {error}"
        ) from error


def _plain(flow: Flow, values: dict[str, Any]) -> dict[str, Any]:
    """Return values as what JSON makes of them, or say which cannot be."""
    import json

    plain: dict[str, Any] = {}
    for name, value in values.items():
        try:
            plain[name] = json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise RegistrationError(
                f"The {name.replace('_', ' ')} of flow {flow.name!r} cannot be told to a server, "
                f"because something in it is no JSON: {error}."
            ) from error
    return plain
