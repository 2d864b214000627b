"""What all run configs have in common: environment variables, labels, a serialised form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from headrace.core.errors import RunConfigError


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """How a flow run is deployed; the base of all kinds.

    Args:
        env: Environment variables for the flow run's process. Numbers become text.
        labels: Labels that an agent must have to take the flow run.

    Attributes:
        env: The variables; None if none were given.
        labels: The labels, as a frozen set.

    Raises:
        RunConfigError: If an argument has a wrong type, or contradicts another.
    """

    env: Mapping[str, str] | None = None
    labels: Iterable[str] | None = None

    def __post_init__(self) -> None:
        self._set("env", self._variables())
        self._set("labels", frozenset(self._strings("labels") or ()))

    def serialize(self) -> dict[str, Any]:
        """Return the run config as a JSON-able dict: its type, and each of its fields.

        Raises:
            RunConfigError: If a field holds what is no JSON.
        """
        import json

        values: dict[str, Any] = {"type": type(self).__name__}
        for field in fields(self):
            value = getattr(self, field.name)
            try:
                # Through text and back: what comes out is plain data that nothing else changes.
                values[field.name] = json.loads(
                    json.dumps(sorted(value) if field.name == "labels" else value)
                )
            except (TypeError, ValueError) as error:
                raise self._error(f"its {field.name} cannot be stored as JSON: {error}") from error
        return values

    # -- for the kinds ----------------------------------------------------------------------

    def _set(self, field: str, value: object) -> None:
        object.__setattr__(self, field, value)

    def _error(self, what: str) -> RunConfigError:
        return RunConfigError(f"This {type(self).__name__} cannot be used: {what}.")

    def _strings(self, field: str) -> list[str] | None:
        """Return a field that holds strings as a list; None if there are none."""
        values: object = getattr(self, field)
        if values is None:
            return None
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise self._error(f"its {field} must be a list of strings, not {values!r}")
        listed = list(values)
        for value in listed:
            if not isinstance(value, str):
                raise self._error(f"its {field} must be strings, and {value!r} is not")
        return listed

    def _variables(self) -> dict[str, str] | None:
        if self.env is None:
            return None
        if not isinstance(self.env, Mapping):
            raise self._error(f"its env must be a dict, not a {type(self.env).__name__}")
        variables: dict[str, str] = {}
        given: Iterable[tuple[object, object]] = self.env.items()
        for name, value in given:
            if not isinstance(name, str) or not isinstance(value, str | int | float):
                # The value may be a secret: it is not repeated.
                raise self._error(
                    f"its env must map names to strings, and {name!r} to a {type(value).__name__} "
                    "is something else"
                )
            variables[name] = str(value)
        return variables

    def _check_text(self, *names: str) -> None:
        """Make sure that each of these fields is a string, or None."""
        for field in names:
            value = getattr(self, field)
            if not isinstance(value, str | None):
                raise self._error(f"its {field} must be a string, not {value!r}")

    def _check_dicts(self, *names: str) -> None:
        """Make sure that each of these fields is a dict, or None."""
        for field in names:
            value = getattr(self, field)
            if not isinstance(value, Mapping | None):
                raise self._error(f"its {field} must be a dict, not a {type(value).__name__}")

    def _check_at_most_one(self, *names: str) -> None:
        """Make sure that no more than one of these fields is given."""
        given = [field for field in names if getattr(self, field) is not None]
        if len(given) > 1:
            raise self._error(f"it has {' and '.join(given)}, of which only one can be given")

    def _set_amounts(self, *names: str) -> None:
        """Turn numbers in these fields into text: an amount may have a unit."""
        for field in names:
            value = getattr(self, field)
            if isinstance(value, int | float) and not isinstance(value, bool):
                self._set(field, str(value))
        self._check_text(*names)


@dataclass(frozen=True)
class UniversalRun(RunConfig):
    """Suits an agent of any kind.

    Args:
        env: Environment variables for the flow run's process.
        labels: Labels that an agent must have to take the flow run.
    """

    # Alone among its kin it takes its two arguments by position, too.
    env: Mapping[str, str] | None = None
    labels: Iterable[str] | None = None
