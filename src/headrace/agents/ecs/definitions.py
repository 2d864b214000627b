"""Task definitions that are registered: each once, however many runs are started from it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from headrace.agents.ecs.definition import hash_of
from headrace.agents.templates import template_at

if TYPE_CHECKING:
    from headrace.agents.ecs.api import EcsApi

#: For how many seconds what was read is taken for true: a name without a revision may mean another
#: one later, and a template may be changed.
_FRESH = 30.0


class Definitions:
    """Registers task definitions that are not registered yet, and reads those that are.

    Args:
        api: What speaks to AWS.
    """

    def __init__(self, api: EcsApi) -> None:
        self._api = api
        self._lock = threading.Lock()
        #: ARNs by family and hash; and who registers one now.
        self._arns: dict[tuple[str, str], str] = {}
        self._making: dict[tuple[str, str], threading.Lock] = {}
        self._read: dict[tuple[str, str], tuple[float, dict[str, Any]]] = {}

    def arn_of(self, definition: Mapping[str, Any]) -> str:
        """Return the ARN of a definition, which is registered unless the same is already.

        Raises:
            DeploymentError: If AWS does not take it.
        """
        key = _key(definition)
        if (known := self._arns.get(key)) is not None:
            return known
        with self._lock:
            mine = self._making.setdefault(key, threading.Lock())
        with mine:
            if (known := self._arns.get(key)) is not None:
                return known
            arn = self._api.find_definition(*key) or self._api.register(definition)
            self._arns[key] = arn
        with self._lock:
            self._making.pop(key, None)
        return arn

    def forget(self, definition: Mapping[str, Any]) -> None:
        """Look again for a definition: somebody has deregistered it."""
        self._arns.pop(_key(definition), None)

    def named(self, name: str) -> dict[str, Any]:
        """Return the definition that is registered by this name or ARN. It is not to be changed.

        Raises:
            DeploymentError: If there is none.
        """
        return self._fresh("definition", name, self._api.definition)

    def template(self, address: str) -> dict[str, Any]:
        """Return the definition in a file or at an address. It is not to be changed.

        Raises:
            DeploymentError: If it cannot be read.
        """
        return self._fresh("template", address, template_at)

    def _fresh(self, kind: str, name: str, read: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        now = time.monotonic()
        with self._lock:
            for key, (at, _) in list(self._read.items()):
                if now - at > _FRESH:
                    del self._read[key]
            known = self._read.get((kind, name))
        if known is not None:
            return known[1]
        found = read(name)
        with self._lock:
            self._read[kind, name] = (now, found)
        return found


def _key(definition: Mapping[str, Any]) -> tuple[str, str]:
    return str(definition["family"]), hash_of(definition)
