"""Secrets that are kept where the flow runs."""

from __future__ import annotations

import os
from typing import Any

from headrace.config.settings import config
from headrace.config.sources import PREFIX, config_file
from headrace.core.building import current_graph
from headrace.core.context import context
from headrace.core.errors import SecretError

_NONE: Any = object()


class Secret:
    """A secret value, known by its name and looked up when it is asked for.

    It is looked for in `headrace.context.secrets`, then in the environment variable
    HEADRACE__CONTEXT__SECRETS__<name>, then under `[context.secrets]` in `config.toml`. Text that
    is JSON is decoded, so `{"user": "a"}` is a dict and `42` a number; quote it (`"42"` within
    quotes) to keep text that looks like JSON.

    The object holds the name alone: it may be pickled, logged and shown.

    Args:
        name: The secret's name; capitals count.
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        if not name:
            raise SecretError(f"A secret's name is never empty: {name!r}.")
        self.name = name

    def __repr__(self) -> str:
        return f"<Secret: {self.name}>"

    def exists(self) -> bool:
        """Tell whether the secret is in any of its places."""
        return self._find() is not _NONE

    def get(self) -> Any:
        """Return the secret's value.

        Raises:
            SecretError: If it is in none of its places, or a flow is being built.
        """
        if current_graph() is not None:
            raise SecretError(
                f"The secret {self.name!r} is asked for while a flow is being built, which would "
                "make it a part of the flow. Ask for it inside a task, or use a secret task."
            )
        value = self._find()
        if value is _NONE:
            raise SecretError(
                f"There is no secret {self.name!r}. Put it in one of three places: "
                f"headrace.context.secrets[{self.name!r}]; the environment variable "
                f"{self._variable}; or {self.name} = ... under [context.secrets] in "
                f"{config_file(os.environ)}."
            )
        if not isinstance(value, str | bytes | bytearray):
            return value
        import json

        try:
            return json.loads(value)
        except ValueError:
            return value

    @property
    def _variable(self) -> str:
        return f"{PREFIX}__CONTEXT__SECRETS__{self.name}"

    def _find(self) -> Any:
        for place in (context.get("secrets") or {}, config.context.secrets):
            # What the environment says now beats what the file said when it was read.
            if place is config.context.secrets and self._variable in os.environ:
                return os.environ[self._variable]
            if self.name in place:
                return place[self.name]
        return _NONE
