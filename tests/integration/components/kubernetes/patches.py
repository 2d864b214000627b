"""The three ways to change a part of an object."""

import copy
from typing import Any

from tests.integration.components.kubernetes.answers import Refused, bad_request
from tests.integration.components.kubernetes.shapes import definitions

JSON = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def patched(kind: str, found: Any, patch: Any, definition: str) -> Any:
    """Return an object as a patch of this content type leaves it."""
    if kind == JSON:
        return _json(copy.deepcopy(found), patch)
    if kind == MERGE:
        return _merge(found, patch)
    if kind in (STRATEGIC, APPLY):
        return _strategic(found, patch, definitions().get(definition, {}))
    raise Refused(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: "
        f"{JSON}, {MERGE}, {STRATEGIC}, {APPLY}",
    )


def _merge(found: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return patch
    merged = dict(found) if isinstance(found, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = _merge(merged.get(key), value)
    return merged


def _strategic(found: Any, patch: Any, schema: dict[str, Any]) -> Any:
    if not isinstance(patch, dict):
        return patch
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    merged = dict(found) if isinstance(found, dict) else {}
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        inner = schema.get("properties", {}).get(key, {})
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, list) and inner.get("x-kubernetes-patch-strategy", "").startswith(
            "merge"
        ):
            merged[key] = _lists(merged.get(key, []), value, inner)
        elif isinstance(value, dict):
            merged[key] = _strategic(merged.get(key), value, _resolved(inner))
        else:
            merged[key] = value
    return merged


def _lists(found: list[Any], patch: list[Any], schema: dict[str, Any]) -> list[Any]:
    key = schema.get("x-kubernetes-patch-merge-key")
    if key is None:
        return found + [one for one in patch if one not in found]
    merged = list(found)
    for one in patch:
        at = next((i for i, old in enumerate(merged) if old.get(key) == one.get(key)), None)
        if one.get("$patch") == "delete":
            merged = [old for old in merged if old.get(key) != one.get(key)]
        elif at is None:
            merged.append(one)
        else:
            merged[at] = _strategic(merged[at], one, _resolved(schema["items"]))
    return merged


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in schema:
        found: dict[str, Any] = definitions()[schema["$ref"].rsplit("/", 1)[-1]]
        return found
    return schema


def _json(found: Any, operations: Any) -> Any:
    for one in operations:
        parts = [part.replace("~1", "/").replace("~0", "~") for part in one["path"].split("/")[1:]]
        holder = found
        try:
            for part in parts[:-1]:
                holder = holder[int(part)] if isinstance(holder, list) else holder[part]
            last: Any = parts[-1]
            if isinstance(holder, list):
                last = len(holder) if last == "-" else int(last)
            _operate(holder, last, one)
        except (KeyError, IndexError, ValueError, TypeError):
            raise Refused(
                422,
                "Invalid",
                "the server rejected our request due to an error in our request",
                details={},
            ) from None
    return found


def _operate(holder: Any, last: Any, operation: dict[str, Any]) -> None:
    kind = operation["op"]
    if kind == "add" and isinstance(holder, list):
        holder.insert(last, operation["value"])
    elif kind in ("add", "replace"):
        if kind == "replace":
            holder[last]
        holder[last] = operation["value"]
    elif kind == "remove":
        del holder[last]
    elif kind == "test":
        if holder[last] != operation["value"]:
            raise ValueError(last)
    else:
        raise bad_request(f"Unexpected kind: {kind}")
