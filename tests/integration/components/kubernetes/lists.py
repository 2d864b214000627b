"""Lists of objects: chosen by selectors, and given in pages."""

import base64
import json
from typing import Any

from tests.integration.components.kubernetes.answers import Object, Refused, bad_request, expired
from tests.integration.components.kubernetes.calls import Call
from tests.integration.components.kubernetes.event_shapes import shown_as
from tests.integration.components.kubernetes.resources import Resource
from tests.integration.components.kubernetes.selectors import fields_match, labels_match
from tests.integration.components.kubernetes.store import Store

_TOO_OLD_PAGE = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list "
    "without the continue parameter."
)


class Lists:
    """Answers requests to list objects."""

    def __init__(self, store: Store) -> None:
        self._store = store
        #: The rest of lists that were asked for in pages.
        self._pages: dict[str, tuple[int, list[Object]]] = {}

    def page(self, call: Call, resource: Resource) -> Object:
        token = call.query.get("continue", "")
        limit = call.number("limit") or 0
        version = self._store.version
        if token:
            version, found = self._rest(token)
        else:
            asked = call.query.get("resourceVersion", "")
            if asked and not asked.isdecimal():
                raise bad_request(
                    f'Invalid value: "{asked}": strconv.ParseUint: parsing "{asked}": invalid syntax'
                )
            if asked and int(asked) > version:
                raise _too_large(int(asked), version)
            if call.query.get("resourceVersionMatch") == "Exact" and 0 < int(asked) < version:
                raise expired(f"too old resource version: {asked} ({version})")
            found = self.matching(call, resource)
        meta: dict[str, Any] = {"resourceVersion": str(version)}
        if limit and len(found) > limit:
            found, rest = found[:limit], found[limit:]
            meta["continue"] = self._page(version, rest)
            if not call.query.get("labelSelector") and not call.query.get("fieldSelector"):
                meta["remainingItemCount"] = len(rest)
        return {
            "kind": f"{resource.kind}List",
            "apiVersion": resource.api_version,
            "metadata": meta,
            # Items of lists are told their kind by the list.
            "items": [_bare(shown_as(resource, one)) for one in found],
        }

    def matching(self, call: Call, resource: Resource) -> list[Object]:
        """Return the objects that a request selects."""
        of_labels = labels_match(call.query.get("labelSelector", ""))
        of_fields = fields_match(call.query.get("fieldSelector", ""), resource)
        return [
            one
            for one in self._store.objects(resource, call.namespace)
            if of_labels(one) and of_fields(one)
        ]

    def _page(self, version: int, rest: list[Object]) -> str:
        start = rest[0]["metadata"]
        token = {
            "v": "meta.k8s.io/v1",
            "rv": version,
            "start": f"{start.get('namespace', '')}/{start['name']}\u0000",
        }
        text = base64.urlsafe_b64encode(json.dumps(token).encode()).decode().rstrip("=")
        self._pages[text] = (version, rest)
        return text

    def _rest(self, token: str) -> tuple[int, list[Object]]:
        if token not in self._pages:
            raise bad_request("continue key is not valid: illegal base64 data")
        version, rest = self._pages[token]
        if version < self._store.compacted:
            raise expired(_TOO_OLD_PAGE)
        return version, rest


def _bare(found: Object) -> Object:
    return {key: value for key, value in found.items() if key not in ("kind", "apiVersion")}


def _too_large(asked: int, version: int) -> Refused:
    message = f"Too large resource version: {asked}, current: {version}"
    return Refused(
        504,
        "Timeout",
        f"Timeout: {message}",
        details={
            "causes": [
                {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
            ],
            "retryAfterSeconds": 1,
        },
    )
