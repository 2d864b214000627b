"""Runs a flow in a test: with tasks replaced, and with the time that the test gives."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from copy import copy
from typing import TYPE_CHECKING, Any

from headrace.core.errors import FlowError
from headrace.core.now import replaced
from headrace.core.parameter import Parameter
from headrace.core.signals import StateSignal
from headrace.core.task import Task
from headrace.engine.flow_runner import FlowRunner

if TYPE_CHECKING:
    from headrace.core.states import State
    from headrace.engine.plan import Node
    from headrace.flow import Flow


def run(
    flow: Flow,
    parameters: Mapping[str, Any] | None = None,
    replace: Mapping[Task[Any] | str, Any] | None = None,
    now: datetime.datetime | Callable[[], datetime.datetime] | None = None,
    **kwargs: Any,
) -> State:
    """Run a flow once, here and now, and return its state.

    The flow is not changed. Its schedule is not followed. The tasks that are replaced keep all else
    that is theirs: their triggers, retries, mapping and handlers. But what stands in is neither
    stored nor cached, nor taken from a store or a cache: no later run takes it for the real thing.

    Args:
        flow: The flow.
        parameters: Values of its parameters, by name.
        replace: What stands in for a task, by the task, or by its slug or its name; a task that
            was called in the flow stands for all the copies that the calls have made. A function is
            called with the task's inputs, by keyword; an exception is raised; any other value is
            what the task returns.
        now: The time: one moment, or a function that is asked each time. With it, nothing waits:
            what is due later, such as a retry, goes on at once.
        **kwargs: As for `flow.run()`.

    Raises:
        FlowError: If `replace` names a task that is not in the flow, or a parameter.
        ParameterError: If a parameter is unknown or missing.
    """
    stand_ins = {
        task: _stand_in(task, given)
        for key, given in (replace or {}).items()
        for task in _tasks_named(flow, key)
    }

    class Runner(FlowRunner):
        def _plan(self) -> dict[Task[Any], Node]:
            nodes = super()._plan()
            for task, stand_in in stand_ins.items():
                nodes[task].task = stand_in
            return nodes

    with ExitStack() as stack:
        if now is not None:
            stack.enter_context(replaced(now))
        state = flow.run(dict(parameters or {}), run_on_schedule=False, runner_cls=Runner, **kwargs)
    if state is None:
        raise FlowError(f"Flow {flow.name!r} was not run: its file is being loaded.")
    return state


def _tasks_named(flow: Flow, key: Task[Any] | str) -> list[Task[Any]]:
    if isinstance(key, Task):
        found = [key] if key in flow.tasks else _copies(flow, key)
    else:
        found = [task for task, slug in flow.slugs.items() if key in (slug, task.name)]
        # A slug is one task's, whatever other tasks are called.
        found = [task for task in found if flow.slugs[task] == key] or found
    if not found:
        raise FlowError(
            f"Flow {flow.name!r} has no task {key!r} that could be replaced; it has: "
            f"{', '.join(sorted(flow.slugs.values()))}."
        )
    for task in found:
        if isinstance(task, Parameter):
            raise FlowError(
                f"{task.name!r} is a parameter of flow {flow.name!r}: give its value in "
                "`parameters`, not in `replace`."
            )
    return found


def _copies(flow: Flow, task: Task[Any]) -> list[Task[Any]]:
    """Return the tasks of a flow that calls of this one have made: who imports it has no others."""
    run = task.__dict__.get("run")
    return [] if run is None else [each for each in flow.tasks if each.__dict__.get("run") is run]


def _stand_in(task: Task[Any], given: Any) -> Task[Any]:
    twin = copy(task)
    # What stands in for a result is not to be found later where the task keeps its own.
    twin.target = twin.result = twin.cache_for = None
    twin.checkpoint = False
    twin.run = given if callable(given) and not _is_error(given) else _Giving(given)  # type: ignore[method-assign]
    return twin


def _is_error(given: Any) -> bool:
    return isinstance(given, type) and issubclass(given, BaseException)


class _Giving:
    """Returns a value, or raises it, whatever it is called with."""

    def __init__(self, given: Any) -> None:
        self.given = given

    def __call__(self, **inputs: Any) -> Any:
        if isinstance(self.given, StateSignal):
            raise copy(self.given)  # it becomes a state, and no two task runs share one
        if isinstance(self.given, BaseException) or _is_error(self.given):
            raise self.given
        return self.given
