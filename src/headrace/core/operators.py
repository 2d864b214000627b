"""The tasks that operators between tasks make."""

from __future__ import annotations

from functools import reduce
from typing import Any

from headrace.core.attribute_defaults import defaults_from_attrs
from headrace.core.no_default import NO_DEFAULT
from headrace.core.task import Task


class GetItem(Task[Any]):
    """Evaluates `task_result[key]`.

    Args:
        default: The result if there is no such key; without it the task fails.
        *args: As for `Task`.
        **kwargs: As for `Task`.
    """

    def __init__(self, default: Any = NO_DEFAULT, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.default = default

    @defaults_from_attrs("default")
    def run(self, task_result: Any, key: Any, default: Any = NO_DEFAULT) -> Any:
        """Return the item, or the default if a mapping has no such key.

        Raises:
            KeyError: If there is no such key and no default.
            IndexError: If a sequence is too short.
        """
        try:
            return task_result[key]
        except KeyError:
            if default is NO_DEFAULT:
                raise
            return default


class GetAttr(Task[Any]):
    """Evaluates `getattr(task_result, attr)`; dots in the name go deeper.

    Args:
        default: The result if there is no such attribute; without it the task fails.
        *args: As for `Task`.
        **kwargs: As for `Task`.
    """

    def __init__(self, default: Any = NO_DEFAULT, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.default = default

    @defaults_from_attrs("default")
    def run(self, task_result: Any, attr: str, default: Any = NO_DEFAULT) -> Any:
        """Return the attribute, or the default if there is none.

        Raises:
            AttributeError: If there is no such attribute and no default.
        """
        try:
            return reduce(getattr, attr.split("."), task_result)
        except AttributeError:
            if default is NO_DEFAULT:
                raise
            return default


class Add(Task[Any]):
    """Evaluates `x + y`."""

    def run(self, x: Any, y: Any) -> Any:
        """Return the sum."""
        return x + y


class Sub(Task[Any]):
    """Evaluates `x - y`."""

    def run(self, x: Any, y: Any) -> Any:
        """Return the difference."""
        return x - y


class Mul(Task[Any]):
    """Evaluates `x * y`."""

    def run(self, x: Any, y: Any) -> Any:
        """Return the product."""
        return x * y


class Div(Task[Any]):
    """Evaluates `x / y`."""

    def run(self, x: Any, y: Any) -> Any:
        """Return the quotient."""
        return x / y


class FloorDiv(Task[Any]):
    """Evaluates `x // y`."""

    def run(self, x: Any, y: Any) -> Any:
        """Return the quotient, rounded down."""
        return x // y


class Pow(Task[Any]):
    """Evaluates `x ** y`."""

    def run(self, x: Any, y: Any) -> Any:
        """Return the power."""
        return x**y


class Mod(Task[Any]):
    """Evaluates `x % y`."""

    def run(self, x: Any, y: Any) -> Any:
        """Return the remainder."""
        return x % y


class And(Task[Any]):
    """Evaluates `x and y`."""

    def run(self, x: Any, y: Any) -> Any:
        """Return `x` if it is false, else `y`."""
        return x and y


class Or(Task[Any]):
    """Evaluates `x or y`."""

    def run(self, x: Any, y: Any) -> Any:
        """Return `x` if it is true, else `y`."""
        return x or y


class Not(Task[bool]):
    """Evaluates `not x`."""

    def run(self, x: Any) -> bool:
        """Return whether `x` is false."""
        return not x


class Equal(Task[Any]):
    """Evaluates `x == y`."""

    def run(self, x: Any, y: Any) -> Any:
        """Compare the values."""
        return x == y


class NotEqual(Task[Any]):
    """Evaluates `x != y`."""

    def run(self, x: Any, y: Any) -> Any:
        """Compare the values."""
        return x != y


class GreaterThanOrEqual(Task[Any]):
    """Evaluates `x >= y`."""

    def run(self, x: Any, y: Any) -> Any:
        """Compare the values."""
        return x >= y


class GreaterThan(Task[Any]):
    """Evaluates `x > y`."""

    def run(self, x: Any, y: Any) -> Any:
        """Compare the values."""
        return x > y


class LessThanOrEqual(Task[Any]):
    """Evaluates `x <= y`."""

    def run(self, x: Any, y: Any) -> Any:
        """Compare the values."""
        return x <= y


class LessThan(Task[Any]):
    """Evaluates `x < y`."""

    def run(self, x: Any, y: Any) -> Any:
        """Compare the values."""
        return x < y


#: The task behind each operator, by its name.
OPERATORS: dict[str, type[Task[Any]]] = {
    operator.__name__: operator
    for operator in (
        Add,
        Sub,
        Mul,
        Div,
        FloorDiv,
        Pow,
        Mod,
        And,
        Or,
        Not,
        Equal,
        NotEqual,
        GreaterThanOrEqual,
        GreaterThan,
        LessThanOrEqual,
        LessThan,
        GetItem,
        GetAttr,
    )
}
