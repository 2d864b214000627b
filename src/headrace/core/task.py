"""A task: one unit of work, and how a call of it becomes part of a flow."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, overload

from headrace.core.annotations import EdgeAnnotation
from headrace.core.building import current_graph
from headrace.core.errors import NotInFlowError, TaskTypeError
from headrace.core.tags import current_tags
from headrace.core.task_definition import R_co, TaskDefinition

if TYPE_CHECKING:
    from headrace.core.graph import Graph


class Task(TaskDefinition[R_co]):
    """A unit of work; the base class of all tasks.

    Subclasses define `run`. An instance is a template: calling it in a flow adds a copy of it to
    the flow, with the arguments of the call bound to the parameters of `run`, and returns the
    copy. `bind` binds without making a copy.

    Args:
        name: The task's name; by default that of its class.
        slug: What identifies the task in its flow; by default the flow makes one from the name.
        tags: Labels for the task.
        max_retries: How often the task is run again after a failure.
        retry_delay: The wait before each retry; needed if there are retries.
        retry_on: An exception type, or several, that are retried; all by default.
        timeout: How long `run` may take: seconds, or a timedelta.
        trigger: Decides from `{edge: state}` of all upstream tasks whether the task runs.
        skip_on_upstream_skip: Whether the task is skipped as soon as one upstream task is,
            whatever its trigger says.
        cache_for: How long a result may be used again by later runs.
        cache_validator: Decides whether a cached result is good; by default it is until
            `cache_for` is over.
        cache_key: Shares cached results with all tasks of this key, in any flow.
        checkpoint: Whether the result is stored, where checkpointing is on; None leaves it to
            the configuration.
        state_handlers: Called as `handler(task, old_state, new_state)` on every change of state;
            a state they return takes the place of the new one.
        on_failure: Called as `on_failure(task, state)` when the task fails.
        log_stdout: Whether what the task prints is logged.
        result: Where and how the result is stored; goes before the flow's.
        target: The location of the stored result: a template, or a function of the context's
            values. If something is there, the task does not run and takes it as its result.
        task_run_name: The task run's name: a template, or a function of the context's values.
        nout: The number of outputs, for unpacking a call; by default it is taken from a return
            annotation such as `tuple[int, str]`.

    Raises:
        TaskTypeError: If an argument has the wrong type.
        TaskDefinitionError: If the retry settings contradict each other.

    Example:
        ```python
        class AddTask(Task[int]):
            def run(self, x: int, y: int) -> int:
                return x + y

        add = AddTask()
        with Flow("sum") as flow:
            add(add(1, 2), 3)
        ```
    """

    # --------------------------------------------------------------------------------- calling

    @overload
    def __call__(
        self,
        /,
        *args: Any,
        mapped: Literal[False] = False,
        task_args: Mapping[str, Any] | None = None,
        upstream_tasks: Iterable[Any] | None = None,
        flow: Graph | None = None,
        **kwargs: Any,
    ) -> Task[R_co]: ...

    @overload
    def __call__(
        self,
        /,
        *args: Any,
        mapped: Literal[True],
        task_args: Mapping[str, Any] | None = None,
        upstream_tasks: Iterable[Any] | None = None,
        flow: Graph | None = None,
        **kwargs: Any,
    ) -> Task[list[R_co]]: ...

    @overload
    def __call__(
        self,
        /,
        *args: Any,
        mapped: bool,
        task_args: Mapping[str, Any] | None = None,
        upstream_tasks: Iterable[Any] | None = None,
        flow: Graph | None = None,
        **kwargs: Any,
    ) -> Task[Any]: ...

    def __call__(
        self,
        /,
        *args: Any,
        mapped: bool = False,
        task_args: Mapping[str, Any] | None = None,
        upstream_tasks: Iterable[Any] | None = None,
        flow: Graph | None = None,
        **kwargs: Any,
    ) -> Task[Any]:
        """Add a copy of this task to a flow, with these arguments.

        Args:
            *args: Inputs, by position: tasks or values.
            mapped: Whether the copy is mapped over all inputs that are not `unmapped`.
            task_args: Attributes that are to differ in the copy.
            upstream_tasks: Tasks that have to run before, whose results are not passed.
            flow: The flow; the open one by default.
            **kwargs: Inputs, by name.

        Returns:
            The copy.

        Raises:
            ArgumentError: If the arguments do not fit `run`.
            NotInFlowError: If there is no flow.
        """
        new = self._copy(task_args or {})
        return new.bind(*args, mapped=mapped, upstream_tasks=upstream_tasks, flow=flow, **kwargs)

    def bind(
        self,
        /,
        *args: Any,
        mapped: bool = False,
        upstream_tasks: Iterable[Any] | None = None,
        flow: Graph | None = None,
        **kwargs: Any,
    ) -> Self:
        """Add this task itself to a flow, with these arguments.

        Args and errors are those of a call.

        Returns:
            This task.
        """
        signature = self._run_signature()
        inputs = signature.bind(self.name, args, kwargs)
        graph = flow or current_graph()
        if graph is None:
            raise NotInFlowError(
                f"Task {self.name!r} was called outside a flow. Call it inside a `with Flow(...)` "
                f"block, or pass flow=...; to run its function now, call `{self.name}.run(...)`."
            )
        tags = current_tags()
        if tags:
            self.tags.update(tags)
        if signature.any_keyword:
            # Keywords that are no parameters may not even be identifiers.
            graph.set_dependencies(self, upstream_tasks, (), inputs, mapped)
        else:
            graph.bind_call(self, inputs, upstream_tasks, mapped)
        return self

    def map(
        self,
        /,
        *args: Any,
        upstream_tasks: Iterable[Any] | None = None,
        flow: Graph | None = None,
        task_args: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> Task[list[R_co]]:
        """Add a copy of this task to a flow that runs once for each element of its inputs.

        Args:
            *args: Inputs, by position: tasks or sequences. Child n gets element n of each, but
                all of those that are `unmapped`; the shortest one decides how many children
                there are.
            upstream_tasks: Tasks that have to run before; these are mapped over, too.
            flow: The flow; the open one by default.
            task_args: Attributes that are to differ in the copy.
            **kwargs: Inputs, by name.

        Returns:
            The copy.

        Raises:
            MappingError: If an input is a value that has no elements.
            ArgumentError: If the arguments do not fit `run`.
            NotInFlowError: If there is no flow.
        """
        # The copy's result is a list, whose length the annotation of `run` says nothing about.
        new = self._copy({"nout": None, **(task_args or {})})
        new.bind(*args, mapped=True, upstream_tasks=upstream_tasks, flow=flow, **kwargs)
        return new  # type: ignore[return-value]  # its result is the list of its children's

    def pipe(self, task: Any, /, **kwargs: Any) -> Any:
        """Call `task` with this task as its first input: `a.pipe(b)` is `b(a)`.

        Args:
            task: A task, or an annotation such as `flatten`.
            **kwargs: More inputs.

        Returns:
            What the call returns; for an annotation, this task.
        """
        if isinstance(task, type) and issubclass(task, EdgeAnnotation):
            return self
        return task(self, **kwargs)

    # ---------------------------------------------------------------------------- dependencies

    def set_dependencies(
        self,
        flow: Graph | None = None,
        upstream_tasks: Iterable[object] | None = None,
        downstream_tasks: Iterable[object] | None = None,
        keyword_tasks: Mapping[str, object] | None = None,
        mapped: bool = False,
        validate: bool | None = None,
    ) -> Self:
        """Connect this task to others in a flow.

        Args:
            flow: The flow; the open one by default.
            upstream_tasks: Tasks that run before this one.
            downstream_tasks: Tasks that run after this one.
            keyword_tasks: Inputs of this task, by parameter name: tasks or values.
            mapped: Whether this task is mapped over all that is upstream of it here.
            validate: Whether the flow is checked at once; by default as configured.

        Returns:
            This task.

        Raises:
            NotInFlowError: If there is no flow.
        """
        graph = flow or current_graph()
        if graph is None:
            raise NotInFlowError(
                f"No flow was given for the dependencies of task {self.name!r}, and none is open. "
                "Pass flow=..., or do it inside a `with Flow(...)` block."
            )
        graph.set_dependencies(
            self,
            upstream_tasks=upstream_tasks,
            downstream_tasks=downstream_tasks,
            keyword_tasks=keyword_tasks,
            mapped=mapped,
            validate=validate,
        )
        return self

    def set_upstream(
        self, task: object, flow: Graph | None = None, key: str | None = None, mapped: bool = False
    ) -> Self:
        """Make this task wait for `task`.

        Args:
            task: The upstream task, or a value.
            flow: The flow; the open one by default.
            key: The parameter of this task that takes the result, if any.
            mapped: Whether this task is mapped over the result.

        Returns:
            This task.
        """
        if key is not None:
            return self.set_dependencies(flow, keyword_tasks={key: task}, mapped=mapped)
        return self.set_dependencies(flow, upstream_tasks=[task], mapped=mapped)

    def set_downstream(
        self,
        task: Task[Any],
        flow: Graph | None = None,
        key: str | None = None,
        mapped: bool = False,
    ) -> Self:
        """Make `task` wait for this task.

        Args:
            task: The downstream task.
            flow: The flow; the open one by default.
            key: The parameter of the downstream task that takes this task's result, if any.
            mapped: Whether the downstream task is mapped over the result.

        Returns:
            This task.

        Raises:
            TaskTypeError: If `task` is no task.
        """
        if not isinstance(task, Task):
            raise TaskTypeError(
                f"{task!r} cannot come after task {self.name!r}: it is a {type(task).__name__}, "
                "not a task."
            )
        task.set_upstream(self, flow=flow, key=key, mapped=mapped)
        return self
