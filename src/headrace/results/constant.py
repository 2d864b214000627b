"""`ConstantResult`: a value that is part of the flow."""

from __future__ import annotations

from typing import Any, Self

from headrace.core.errors import ResultError
from headrace.core.result import Result


class ConstantResult(Result):
    """A value that travels with the flow itself, and so is never stored.

    Args:
        **kwargs: `value` and `location` as of every result; a `serializer` has no use here.

    Raises:
        ResultError: If a serializer is given.
    """

    def __init__(self, **kwargs: Any) -> None:
        if "serializer" in kwargs:
            raise ResultError(
                "A ConstantResult has no serializer, since its value is never stored."
            )
        super().__init__(**kwargs)

    def read(self, location: str) -> Self:
        """Return this result, whatever the location."""
        return self

    def write(self, /, value_: Any, **kwargs: Any) -> Self:
        """Refuse.

        Raises:
            ResultError: Always; another value is another `ConstantResult(value=...)`.
        """
        raise ResultError(
            "A ConstantResult cannot be written; give the task a result that stores, "
            "such as LocalResult."
        )

    def exists(self, /, location: str, **kwargs: Any) -> bool:
        """Return True: the value is here."""
        return True
