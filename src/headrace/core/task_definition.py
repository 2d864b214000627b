"""What a task is, whatever flow it is part of: its settings, the signature of its `run`, copies."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Iterable, Mapping, Sequence
from types import FunctionType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self

from headrace.core.building import current_building
from headrace.core.caching import duration_only, never_use
from headrace.core.errors import TaskTypeError
from headrace.core.expressions import Expression
from headrace.core.handlers import on_failure_handler
from headrace.core.settings import authoring_settings
from headrace.core.signature import RunSignature, signature_of, unbound_signature
from headrace.core.tags import current_tags
from headrace.core.task_options import (
    RESERVED_ATTRIBUTES,
    located,
    normal_handlers,
    normal_retries,
    normal_retry_on,
    normal_tags,
    normal_timeout,
    warn_of_task_arguments,
)
from headrace.core.triggers import all_successful

if TYPE_CHECKING:
    from collections.abc import Callable
    from logging import Logger

    from typing_extensions import TypeVar

    from headrace.core.edge import Edge
    from headrace.core.result import Result
    from headrace.core.states import State

    R_co = TypeVar("R_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    R_co = TypeVar("R_co", covariant=True)


class _Logger:
    """Makes a task's logger when it is asked for: most tasks of a large flow never log."""

    def __get__(self, task: TaskDefinition[Any] | None, owner: type[Any]) -> Logger:
        import logging

        return logging.getLogger(f"headrace.{owner.__name__ if task is None else task.name}")


class _CallSignature:
    """Gives `inspect.signature(task)` what a call of the task takes; classes keep their own."""

    def __get__(self, task: TaskDefinition[Any] | None, owner: type[Any]) -> Any:
        if task is None:
            raise AttributeError("__signature__")
        import inspect

        run = list(inspect.signature(task.run).parameters.values())
        call = inspect.signature(type(task).__call__).parameters.values()
        extra = [p for p in call if p.kind is inspect.Parameter.KEYWORD_ONLY]
        kinds = inspect.Parameter
        ends_with_any = bool(run) and run[-1].kind is kinds.VAR_KEYWORD
        parameters = [*run[:-1], *extra, run[-1]] if ends_with_any else [*run, *extra]
        return inspect.Signature(parameters, return_annotation="Task")


class TaskDefinition(Expression, Generic[R_co]):
    """The part of a task that belongs to no flow: its settings and its `run`.

    Args, raises: as for `Task`, the only class that derives from this one directly.
    """

    #: Set by the tasks around a resource, which do not decide the flow's final state.
    is_resource_init: ClassVar[bool] = False
    is_resource_cleanup: ClassVar[bool] = False
    #: Whether the task runs again in a run that goes on from states of an earlier one, even if
    #: it was successful there: set-up, clean-up and secrets live in one process only.
    always_runs: ClassVar[bool] = False
    #: Whether the task runs in the process that runs the flow, in a thread of its own, whatever the
    #: executor: it waits more than it computes, or needs what only that process has, such as the
    #: server's address. A class says so, or one task: `task_args={"runs_at_home": True}`.
    runs_at_home: bool = False

    #: Whether a flow warns of an instance that is made in its block and not used.
    is_tracked: ClassVar[bool] = True

    _class_signature: ClassVar[RunSignature]
    _overwritten: ClassVar[tuple[str, ...]] = ()

    logger: ClassVar[_Logger] = _Logger()
    __signature__ = _CallSignature()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        run = cls.__dict__.get("run")
        if isinstance(run, FunctionType | classmethod):
            function = run if isinstance(run, FunctionType) else run.__func__
            cls._class_signature = unbound_signature(function, cls.__name__, skip=1)
        elif run is not None:
            cls._class_signature = signature_of(
                run.__func__ if isinstance(run, staticmethod) else run, cls.__name__
            )
        if "__init__" in cls.__dict__:
            warn_of_task_arguments(cls, TaskDefinition)
        cls._overwritten = tuple(name for name in RESERVED_ATTRIBUTES if hasattr(cls, name))

    def __init__(
        self,
        name: str | None = None,
        slug: str | None = None,
        tags: Iterable[str] | None = None,
        max_retries: int | None = None,
        retry_delay: datetime.timedelta | None = None,
        retry_on: type[Exception] | Iterable[type[Exception]] | None = None,
        timeout: float | datetime.timedelta | None = None,
        trigger: Callable[[dict[Edge, State]], bool] | None = None,
        skip_on_upstream_skip: bool = True,
        cache_for: datetime.timedelta | None = None,
        cache_validator: Callable[..., bool] | None = None,
        cache_key: str | None = None,
        checkpoint: bool | None = None,
        state_handlers: Sequence[Callable[..., State | None]] | None = None,
        on_failure: Callable[[Any, State], Any] | None = None,
        log_stdout: bool = False,
        result: Result | None = None,
        target: str | Callable[..., str] | None = None,
        task_run_name: str | Callable[..., str] | None = None,
        nout: int | None = None,
    ) -> None:
        if self.__dict__ or self._overwritten:
            self._warn_of_overwritten_attributes()
        settings = authoring_settings()
        self.name: str = name or type(self).__name__
        self.slug = slug
        self.tags: set[str] = normal_tags(tags, self.name)
        self.tags.update(current_tags())
        self.max_retries, self.retry_delay, self.retry_on = normal_retries(
            max_retries, retry_delay, retry_on, self.name
        )
        self.timeout = normal_timeout(settings.timeout if timeout is None else timeout, self.name)
        if trigger is not None and not callable(trigger):
            raise TaskTypeError(
                f"The trigger of task {self.name!r} is {trigger!r:.60}, which cannot be called; give "
                "one of headrace.triggers, or a function of {edge: state}."
            )
        self.trigger: Callable[..., bool] = trigger or all_successful
        self.skip_on_upstream_skip = skip_on_upstream_skip
        if cache_for is None and cache_validator not in (None, never_use):
            warnings.warn(
                f"Task {self.name!r} has a cache_validator but no cache_for, so it is not cached. "
                "Say how long its results may be used again, with cache_for=timedelta(...).",
                stacklevel=2,
            )
        self.cache_for = cache_for
        self.cache_key = cache_key
        self.cache_validator: Callable[..., bool] = cache_validator or (
            never_use if cache_for is None else duration_only
        )
        self.checkpoint = checkpoint
        self.target = target
        self.result = located(result, target)
        self.task_run_name = task_run_name
        self.state_handlers: list[Callable[..., State | None]] = normal_handlers(state_handlers)
        if on_failure is not None:
            self.state_handlers.append(on_failure_handler(on_failure))
        #: Whether a flow made this task by itself, from a value or a collection.
        self.auto_generated = False
        self.log_stdout = log_stdout
        self.nout: int | None = self._run_signature().nout if nout is None else nout
        building = current_building()
        if building is not None and self.is_tracked:
            building.unused[self] = None

    def _warn_of_overwritten_attributes(self) -> None:
        taken = [n for n in RESERVED_ATTRIBUTES if n in self.__dict__ or n in self._overwritten]
        if taken:
            warnings.warn(
                f"{type(self).__name__} sets the attributes {', '.join(taken)}, which Task sets, "
                "too, and overwrites. Rename them, or pass them to super().__init__().",
                stacklevel=4,
            )

    def __repr__(self) -> str:
        return f"<Task: {self.name}>"

    if TYPE_CHECKING:
        # Subclasses have any parameters they like.
        def run(self, *args: Any, **kwargs: Any) -> R_co:
            """Do the work of the task."""
            ...

    else:

        def run(self) -> None:
            """Do the work of the task; this one, of a bare `Task`, does nothing."""

    def _run_signature(self) -> RunSignature:
        own = self.__dict__.get("run")
        if own is None:
            signature = self._class_signature
            if signature.function is getattr(type(self).run, "__func__", type(self).run):
                return signature
            return signature_of(self.run, self.name)
        cached: RunSignature | None = self.__dict__.get("_own_signature")
        if cached is None or cached.function is not getattr(own, "__func__", own):
            cached = self._own_signature = signature_of(own, self.name)
        return cached

    # --------------------------------------------------------------------------------- copying

    def copy(self, **task_args: Any) -> Self:
        """Return a copy, which has none of this task's edges.

        Args:
            **task_args: Attributes that are to differ.

        Raises:
            AttributeError: If this task has no such attribute.
        """
        new = self._copy(task_args)
        building = current_building()
        if building is not None and new.is_tracked:
            building.unused[new] = None
        return new

    def _copy(self, task_args: Mapping[str, Any]) -> Self:
        building = current_building()
        if building is not None:
            building.unused.pop(self, None)
            if building.graph.is_connected(self):
                warnings.warn(
                    f"A copy is made of task {self.name!r}, which has edges in the open flow; the "
                    "copy does not have them.",
                    stacklevel=3,
                )
        new = self.__copy__()
        if task_args:
            self._change(new, task_args)
        elif new.slug:
            new.slug += "-copy"
        new.tags = self.tags.union(new.tags, current_tags())
        new.state_handlers = list(new.state_handlers)
        return new

    def __copy__(self) -> Self:
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        return new

    def _change(self, new: TaskDefinition[Any], task_args: Mapping[str, Any]) -> None:
        if new.slug and "slug" not in task_args:
            new.slug += "-copy"
        for name, value in task_args.items():
            if not hasattr(new, name):
                raise AttributeError(
                    f"Task {self.name!r} has no attribute {name!r} that a copy of it could change."
                )
            if name == "tags":
                value = normal_tags(value, self.name)
            elif name == "timeout":
                value = normal_timeout(value, self.name)
            elif name == "retry_on":
                value = normal_retry_on(value, self.name)
            elif name == "state_handlers":
                value = normal_handlers(value)
            setattr(new, name, value)
        if "target" in task_args or "result" in task_args:
            new.result = located(new.result, new.target)

    # --------------------------------------------------------------------------- introspection

    def inputs(self) -> dict[str, dict[str, Any]]:
        """Describe each input: its `type`, its `default`, and whether it is `required`."""
        from headrace.core.description import task_inputs

        return task_inputs(self.run)

    def outputs(self) -> Any:
        """Return the annotated type of the result; `Any` if there is none."""
        from headrace.core.description import task_outputs

        return task_outputs(self.run)

    def serialize(self) -> dict[str, Any]:
        """Describe the task in plain data, without its code."""
        from headrace.core.description import describe_task

        return describe_task(self)


TaskDefinition._class_signature = unbound_signature(TaskDefinition.run, "Task", skip=1)
