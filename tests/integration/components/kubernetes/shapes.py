"""The published schema of Kubernetes 1.32, as functions that check and clean what is sent."""

import functools
import importlib.resources
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

VERSION = "v1.32.0"
_FOLDER = f"kubernetes-json-schema/{VERSION}-local-strict"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"

#: Takes a value, its path with indices, its path for Go's JSON decoder (struct name, then names of
#: fields), and what is found; returns the value without unknown and empty fields.
Shape = Callable[[Any, str, tuple[str, str], "Findings"], Any]


@dataclass
class Findings:
    """What is wrong with an object."""

    unknown: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    #: In the words of Go's JSON decoder.
    mistyped: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.unknown or self.missing or self.mistyped)


@functools.cache
def definitions() -> dict[str, Any]:
    """Return the schemas of all types, by their full names."""
    folder = importlib.resources.files("kubernetes_validate")
    text = folder.joinpath(f"{_FOLDER}/_definitions.json").read_text()
    found: dict[str, Any] = json.loads(text)["$defs"]
    return found


def check(definition: str, value: Any) -> tuple[Any, Findings]:
    """Return an object without unknown and empty fields, and what is wrong with it."""
    found = Findings()
    return shape(definition)(value, "", (definition.rsplit(".", 1)[-1], ""), found), found


@functools.cache
def shape(definition: str) -> Shape:
    """Return the check of a type."""
    if definition == _QUANTITY:
        return _quantity
    if definition.endswith("IntOrString"):
        return _int_or_string
    if definition in (_META + "FieldsV1", "io.k8s.apimachinery.pkg.runtime.RawExtension"):
        return _anything
    schema = definitions()[definition]
    if "properties" in schema:
        return _struct(definition, schema)
    return _of(schema, _go_name(definition))


def _of(schema: dict[str, Any], go_type: str) -> Shape:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        # Some types hold themselves, so each is made when it is first needed.
        return lambda value, path, go, found: shape(name)(value, path, go, found)  # noqa: PLW0108
    types = schema.get("type", [])
    kinds = [types] if isinstance(types, str) else types
    if "array" in kinds:
        return _list(_of(schema["items"], _go_type(schema["items"])), go_type)
    if "object" in kinds:
        inner = schema.get("additionalProperties")
        if isinstance(inner, dict):
            return _map(_of(inner, _go_type(inner)), go_type)
        return _anything
    for kind in ("string", "integer", "boolean", "number"):
        if kind in kinds:
            return _scalar(kind, go_type)
    return _anything


def _struct(definition: str, schema: dict[str, Any]) -> Shape:
    struct = definition.rsplit(".", 1)[-1]
    fields = {name: _of(inner, _go_type(inner)) for name, inner in schema["properties"].items()}
    required = frozenset(schema.get("required", ()))
    nullable = frozenset(
        name for name, inner in schema["properties"].items() if _may_be_null(inner)
    )
    go_type = _go_name(definition)

    def clean(value: Any, path: str, go: tuple[str, str], found: Findings) -> Any:
        if not isinstance(value, dict):
            return _wrong(value, go, go_type, found)
        cleaned = {}
        for name, inner in value.items():
            field_shape = fields.get(name)
            below = f"{path}.{name}" if path else name
            if field_shape is None:
                found.unknown.append(below)
            elif inner is not None:
                kept = field_shape(
                    inner, below, (struct, f"{go[1]}.{name}" if go[1] else name), found
                )
                # As Go's `omitempty`: empty texts, lists and maps are the same as none.
                if kept not in ("", [], None) or (kept == "" and name in required):
                    cleaned[name] = kept
        found.missing += [
            f"{path}.{name}" if path else name
            for name in required
            if name not in value or (value[name] is None and name not in nullable)
        ]
        return cleaned

    return clean


def _may_be_null(schema: dict[str, Any]) -> bool:
    if "$ref" in schema:
        schema = definitions()[schema["$ref"].rsplit("/", 1)[-1]]
    return "null" in schema.get("type", "null")


def _list(item: Shape, go_type: str) -> Shape:
    def clean(value: Any, path: str, go: tuple[str, str], found: Findings) -> Any:
        if not isinstance(value, list):
            return _wrong(value, go, go_type, found)
        return [item(inner, f"{path}[{i}]", go, found) for i, inner in enumerate(value)]

    return clean


def _map(item: Shape, go_type: str) -> Shape:
    def clean(value: Any, path: str, go: tuple[str, str], found: Findings) -> Any:
        if not isinstance(value, dict):
            return _wrong(value, go, go_type, found)
        kept = {key: item(inner, f"{path}.{key}", go, found) for key, inner in value.items()}
        return kept or None

    return clean


def _scalar(kind: str, go_type: str) -> Shape:
    types: tuple[type, ...] = {
        "string": (str,),
        "boolean": (bool,),
        "integer": (int,),
        "number": (int, float),
    }[kind]

    def clean(value: Any, path: str, go: tuple[str, str], found: Findings) -> Any:
        if value is None:
            return "" if kind == "string" else None
        if not isinstance(value, types) or (isinstance(value, bool) and kind != "boolean"):
            return _wrong(value, go, go_type, found)
        return value

    return clean


def _anything(value: Any, path: str, go: tuple[str, str], found: Findings) -> Any:
    return value


def _quantity(value: Any, path: str, go: tuple[str, str], found: Findings) -> Any:
    # Numbers are taken, and always given back as text.
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return _wrong(value, go, "resource.Quantity", found)
    return str(value)


def _int_or_string(value: Any, path: str, go: tuple[str, str], found: Findings) -> Any:
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return _wrong(value, go, "intstr.IntOrString", found)
    return value


def _wrong(value: Any, go: tuple[str, str], go_type: str, found: Findings) -> Any:
    what = {bool: "bool", str: "string", list: "array", dict: "object", int: "number"}
    shown = f"number {value}" if isinstance(value, float) else what.get(type(value), "null")
    where = f"Go struct field {go[0]}.{go[1]}" if go[1] else "Go value"
    found.mistyped.append(f"json: cannot unmarshal {shown} into {where} of type {go_type}")
    return value


def _go_name(definition: str) -> str:
    *_, version, name = definition.split(".")
    return f"{version}.{name}"


def _go_type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        if "properties" not in definitions().get(name, {}):
            return str(name.rsplit(".", 1)[-1]) if name == _QUANTITY else _go_name(name)
        return _go_name(name)
    types = schema.get("type", [])
    kinds = [types] if isinstance(types, str) else types
    if "array" in kinds:
        return f"[]{_go_type(schema['items'])}"
    if "object" in kinds:
        inner = schema.get("additionalProperties")
        return (
            f"map[string]{_go_type(inner)}"
            if isinstance(inner, dict)
            else "map[string]interface {}"
        )
    if "integer" in kinds:
        return str(schema.get("format", "int64"))
    if "boolean" in kinds:
        return "bool"
    return "float64" if "number" in kinds else "string"
