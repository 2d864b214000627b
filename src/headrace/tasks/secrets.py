"""Secret tasks: secrets that are fetched when the flow runs, and never stored."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, ClassVar

from headrace.config.secrets import Secret
from headrace.core.errors import SecretError, TaskDefinitionError
from headrace.core.task import Task
from headrace.results.secret import SecretResult

if TYPE_CHECKING:
    from collections.abc import Callable


class SecretBase(Task[Any]):
    """The base class of tasks whose result is a secret; subclasses define `run(self, name=None)`.

    The result is never stored: a run that goes on later runs the task again.

    Args:
        **kwargs: As for `Task`, but for `result`.

    Raises:
        TaskDefinitionError: If a `result` is given, which would store the secret.
    """

    always_runs: ClassVar[bool] = True

    def __init__(self, **kwargs: Any) -> None:
        if kwargs.get("result") is not None or kwargs.get("target") is not None:
            raise TaskDefinitionError(
                f"The secret task {kwargs.get('name') or type(self).__name__!r} was given a result "
                "or a target, where its value would be stored. Leave it out: secrets are not stored."
            )
        kwargs["checkpoint"] = False
        super().__init__(**kwargs)
        self.result = SecretResult(secret_task=self)


class PrefectSecret(SecretBase):
    """A secret that `headrace.secrets.Secret` finds: in the context, environment or `config.toml`.

    Args:
        name: The secret's name, and the task's; it may be given when the task is called, instead.
        **kwargs: As for `Task`, but for `result`.

    Raises:
        TaskDefinitionError: If a `result` is given.

    Example:
        ```python
        with Flow("load") as flow:
            load(password=PrefectSecret("DATABASE_PASSWORD"))
        ```
    """

    def __init__(self, name: str | None = None, **kwargs: Any) -> None:
        self.secret_name = name
        super().__init__(name=name, **kwargs)

    def run(self, name: str | None = None) -> Any:
        """Return the secret's value.

        Args:
            name: The secret's name; by default the one that the task was made with.

        Raises:
            SecretError: If there is no such secret, or no name.
        """
        return Secret(self._name_of(name)).get()

    def _name_of(self, name: str | None) -> str:
        found = self.secret_name if name is None else name
        if found is None:
            raise SecretError(
                f"The secret task {self.name!r} was not told which secret it is to get; give the "
                f"name: {type(self).__name__}('DATABASE_PASSWORD')."
            )
        return found


class EnvVarSecret(PrefectSecret):
    """A secret in an environment variable of the process that runs the task.

    Args:
        name: The variable's name, and the task's; it may be given when the task is called, instead.
        cast: Turns the text into the value, as `int` does.
        raise_if_missing: Whether it is an error if there is no such variable; else the value is
            None then.
        **kwargs: As for `Task`, but for `result`.

    Raises:
        TaskDefinitionError: If a `result` is given.
    """

    def __init__(
        self,
        name: str | None = None,
        cast: Callable[[str], Any] | None = None,
        raise_if_missing: bool = False,
        **kwargs: Any,
    ) -> None:
        self.cast = cast
        self.raise_if_missing = raise_if_missing
        super().__init__(name=name, **kwargs)

    def run(self, name: str | None = None) -> Any:
        """Return the variable's value, cast.

        Args:
            name: The variable's name; by default the one that the task was made with.

        Raises:
            SecretError: If there is no name; or no such variable, if that is an error; or if it
                cannot be cast.
        """
        name = self._name_of(name)
        value = os.environ.get(name)
        if value is None:
            if self.raise_if_missing:
                raise SecretError(f"The environment variable {name!r} is not set.")
            return None
        if self.cast is None:
            return value
        try:
            return self.cast(value)
        except Exception as error:  # noqa: BLE001 - any message may show the secret
            raise SecretError(
                f"The environment variable {name!r} has a value that {self.cast!r} does not take "
                f"({type(error).__name__}); it is not shown, since it is a secret."
            ) from None
