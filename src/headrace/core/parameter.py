"""Parameters: the inputs of a flow."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any, Self

from headrace.core.context import context
from headrace.core.dates import shown
from headrace.core.errors import ParameterError, TaskDefinitionError
from headrace.core.no_default import NO_DEFAULT
from headrace.core.signals import FAIL
from headrace.core.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headrace.core.graph import Graph


class Parameter(Task[Any]):
    """An input of a flow, given when the flow runs.

    Args:
        name: The name by which the value is given; it is the parameter's slug, too.
        default: The value if none is given; JSON-able.
        required: Whether a value has to be given; by default if there is no default.
        tags: Labels for the task.

    Attributes:
        default: The default, or None.
        required: Whether a value has to be given.

    Example:
        ```python
        with Flow("greet") as flow:
            greet(Parameter("name", default="world"))
        flow.run(name="Marvin")
        ```
    """

    def __init__(
        self,
        name: str,
        default: Any = NO_DEFAULT,
        required: bool | None = None,
        tags: Iterable[str] | None = None,
    ) -> None:
        if not name or not isinstance(name, str):
            raise TaskDefinitionError(f"A parameter's name has to be a string, not {name!r}.")
        self.required: bool = default is NO_DEFAULT if required is None else required
        self.default: Any = None if default is NO_DEFAULT else default
        # Each run is given the value, so it is not stored.
        super().__init__(name=name, slug=name, tags=tags, checkpoint=False)

    def __repr__(self) -> str:
        return f"<Parameter: {self.name}>"

    def __call__(self, flow: Graph | None = None) -> Self:  # type: ignore[override]
        """Add the parameter to a flow; nothing is copied, since it is one of a kind.

        Args:
            flow: The flow; the open one by default.

        Returns:
            This parameter.

        Raises:
            NotInFlowError: If there is no flow.
        """
        self.bind(flow=flow)
        return self

    def copy(self, name: str, **task_args: Any) -> Self:  # type: ignore[override]
        """Return a copy under another name.

        Args:
            name: The copy's name and slug.
            **task_args: Attributes that are to differ.

        Raises:
            AttributeError: If parameters have no such attribute.
        """
        return super().copy(name=name, slug=name, **task_args)

    def run(self) -> Any:
        """Return the value of this flow run, or the default.

        Raises:
            FAIL: If a value is required but was not given.
        """
        given = context.get("parameters") or {}
        if self.name in given:
            return given[self.name]
        if self.required:
            raise FAIL(
                f"The parameter {self.name!r} is required but was not given; pass it to "
                f"flow.run(parameters={{{self.name!r}: ...}})."
            )
        return self.default

    def serialize(self) -> dict[str, Any]:
        """Describe the parameter in plain data."""
        return {**super().serialize(), "default": self.default, "required": self.required}


class DateTimeParameter(Parameter):
    """A parameter that is a point in time.

    Its value is given as an ISO 8601 string, a `date` or a `datetime`; the task's result is a
    `datetime`. One without a time zone is taken as UTC.

    Args:
        name: The name by which the value is given.
        default: The value if none is given.
        required: Whether a value has to be given; if not, and without a default, it is None.
        tags: Labels for the task.
    """

    def __init__(
        self,
        name: str,
        default: Any = NO_DEFAULT,
        required: bool = True,
        tags: Iterable[str] | None = None,
    ) -> None:
        super().__init__(name=name, default=default, required=required, tags=tags)

    def run(self) -> datetime.datetime | None:
        """Return the value of this flow run as a point in time.

        Raises:
            FAIL: If a value is required but was not given.
            ParameterError: If the value is no point in time.
        """
        value = super().run()
        if value is None:
            return None
        if isinstance(value, str):
            try:
                value = datetime.datetime.fromisoformat(value.strip())
            except ValueError as error:
                raise self._no_time(value) from error
        elif isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
            value = datetime.datetime(value.year, value.month, value.day, tzinfo=datetime.UTC)
        if not isinstance(value, datetime.datetime):
            raise self._no_time(value)
        return shown(value if value.tzinfo is not None else value.replace(tzinfo=datetime.UTC))

    def _no_time(self, value: object) -> ParameterError:
        return ParameterError(
            f"The parameter {self.name!r} was given {value!r}, which is no point in time; give an "
            "ISO 8601 string such as '2030-01-31T08:00:00+00:00', or a datetime."
        )
