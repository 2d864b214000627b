"""`SecretResult`: a secret's value, which is fetched again and never stored."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from headrace.core.errors import ResultError
from headrace.core.result import Result

if TYPE_CHECKING:
    from headrace.core.task import Task


class SecretResult(Result):
    """The value of a secret task: reading it runs the task's function again.

    Args:
        secret_task: The task; its `run` takes the secret's `name`.
        **kwargs: `value` and `location` as of every result; the location is the secret's name, by
            default the task's. A `serializer` has no use here.

    Raises:
        ResultError: If a serializer is given.
    """

    def __init__(self, secret_task: Task[Any], **kwargs: Any) -> None:
        if "serializer" in kwargs:
            raise ResultError("A SecretResult has no serializer, since a secret is never stored.")
        self.secret_task = secret_task
        kwargs.setdefault("location", secret_task.name)
        super().__init__(**kwargs)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.location}>"

    def __getstate__(self) -> dict[str, Any]:
        # The value is fetched where it is needed, so it need not travel.
        return self.__dict__ | {"value": None}

    def read(self, location: str) -> Self:
        """Return a copy with the value of the secret named `location`, fetched now."""
        twin = self.copy()
        twin.value = self.secret_task.run(name=location)
        twin.location = location
        return twin

    def write(self, /, value_: Any, **kwargs: Any) -> Self:
        """Refuse.

        Raises:
            ResultError: Always; secrets are set where they are kept.
        """
        raise ResultError("A SecretResult cannot be written; set the secret where it is kept.")
