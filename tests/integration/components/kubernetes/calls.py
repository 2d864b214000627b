"""One request, and what its body says."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from tests.integration.components.kubernetes.access import ANONYMOUS, Action, User
from tests.integration.components.kubernetes.answers import Object, Refused, bad_request
from tests.integration.components.kubernetes.names import QUANTITY_MESSAGE, quantity
from tests.integration.components.kubernetes.resources import BY_PATH, NAMESPACES, Resource
from tests.integration.components.kubernetes.shapes import check

_ADDRESS = re.compile(
    r"^/(?P<base>api/v1|apis/[^/]+/[^/]+)"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/))?"
    r"/(?P<plural>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>[^/]+))?)?/?$"
)
_OWN_PARTS = ("status", "finalize")
_LIST = "application/json"


@dataclass
class Call:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""
    user: User = ANONYMOUS
    resource: Resource | None = None
    namespace: str = ""
    name: str = ""
    subresource: str = ""
    #: Said in the answer's `Warning` headers.
    warnings: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        found = _ADDRESS.match(self.path)
        if found is None:
            return
        parts = found.groupdict(default="")
        if parts["namespace"] and parts["plural"] in _OWN_PARTS:
            # `/namespaces/NAME/status` is a part of a namespace, nothing in it.
            parts |= {
                "plural": "namespaces", "name": parts["namespace"], "sub": parts["plural"],
                "namespace": "",
            }  # fmt: skip
        self.resource = BY_PATH.get((parts["base"], parts["plural"]))
        self.namespace, self.name = parts["namespace"], parts["name"]
        self.subresource = parts["sub"]

    @property
    def verb(self) -> str:
        if self.method == "GET" and not self.name:
            return "watch" if self.flag("watch") else "list"
        if self.method == "DELETE" and not self.name:
            return "deletecollection"
        return {
            "GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete",
        }.get(self.method, self.method.lower())  # fmt: skip

    def action(self, resource: Resource) -> Action:
        namespace = self.name if resource is NAMESPACES else self.namespace
        return Action(self.verb, resource, namespace, self.name, self.subresource)

    def flag(self, name: str) -> bool:
        return self.query.get(name, "").lower() in ("true", "1")

    def number(self, name: str) -> int | None:
        text = self.query.get(name, "")
        if not text:
            return None
        try:
            return int(text)
        except ValueError:
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None

    def document(self) -> Any:
        """Return the body as it was sent."""
        kind = self.headers.get("content-type", _LIST).partition(";")[0].strip()
        if self.method != "PATCH" and kind not in (_LIST, "application/yaml", "*/*"):
            raise Refused(
                415,
                "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: "
                "application/json, application/yaml, application/vnd.kubernetes.protobuf",
            )
        if not self.body:
            return None
        try:
            if kind.endswith("yaml"):
                return yaml.safe_load(self.body)
            return json.loads(self.body)
        except (ValueError, yaml.YAMLError) as error:
            raise bad_request(f"couldn't get version/kind; json parse error: {error}") from None


def decoded(call: Call, resource: Resource, document: Any) -> Object:
    """Return an object as the API server takes it: typed, and without what it does not know."""
    if not isinstance(document, dict):
        what = {list: "array", str: "string", bool: "bool"}.get(type(document), "number")
        raise bad_request(
            f"couldn't get version/kind; json parse error: json: cannot unmarshal {what} "
            'into Go value of type struct { APIVersion string "json:\\"apiVersion,omitempty\\""; '
            'Kind string "json:\\"kind,omitempty\\"" }'
        )
    kind = document.get("kind") or resource.kind
    version = document.get("apiVersion") or resource.api_version
    if version != resource.api_version:
        raise bad_request(
            f"the API version in the data ({version}) does not match the expected API version ({resource.api_version})"
        )
    handled = f'{kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
    if kind != resource.kind:
        raise bad_request(f'{handled}: no kind "{kind}" is registered for the resource')
    cleaned, found = check(resource.definition, document | {"kind": kind, "apiVersion": version})
    if found.mistyped:
        raise bad_request(f"{handled}: {found.mistyped[0]}")
    if _bad_quantity(cleaned):
        raise bad_request(f"{handled}: {QUANTITY_MESSAGE}")
    how = call.query.get("fieldValidation", "Warn") or "Warn"
    if how not in ("Strict", "Warn", "Ignore"):
        raise Refused(
            422,
            "Invalid",
            f'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "{how}": '
            'supported values: "Ignore", "Strict", "Warn"',
        )
    said = [f'unknown field "{path}"' for path in found.unknown]
    if said and how == "Strict":
        raise bad_request(f"{handled}: strict decoding error: {', '.join(said)}")
    if how == "Warn":
        call.warnings += said
    cleaned.setdefault("metadata", {})
    cleaned["metadata"].pop("managedFields", None)
    taken: Object = cleaned
    return taken


def _bad_quantity(value: Any) -> bool:
    """Tell whether any `limits` or `requests` hold what is no quantity."""
    if isinstance(value, list):
        return any(_bad_quantity(one) for one in value)
    if not isinstance(value, dict):
        return False
    for key, inner in value.items():
        if key in ("limits", "requests", "hard", "capacity", "allocatable") and isinstance(
            inner, dict
        ):
            if any(isinstance(one, str) and quantity(one) is None for one in inner.values()):
                return True
        elif _bad_quantity(inner):
            return True
    return False
