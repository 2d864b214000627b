"""Whether tasks and results can travel: to other processes, and into checkpoints."""

from __future__ import annotations

import collections.abc
import io
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, get_origin

from headrace.registration.finding import Finding

if TYPE_CHECKING:
    from headrace.core.task import Task
    from headrace.flow import Flow

#: What pickle never takes, by what a task may say that it returns.
_NEVER_PICKLED: Final = (
    types.GeneratorType,
    types.CoroutineType,
    types.ModuleType,
    types.FrameType,
    io.IOBase,
)
_LAZY: Final = (
    collections.abc.Generator,
    collections.abc.AsyncGenerator,
    collections.abc.Coroutine,
    collections.abc.Iterator,
)


def check_pickling(flow: Flow) -> Iterator[Finding]:
    """Yield the tasks that cannot be sent to the flow's executor, or whose results cannot be kept."""
    leaves = leaves_process(flow.executor)
    slugs = flow.slugs
    for task in slugs:
        subject = f"task {slugs[task]!r}"
        if leaves:
            error = _error_of_pickling(flow, task)
            if error is not None:
                yield Finding(
                    level="error",
                    subject=subject,
                    message=f"{flow.executor!r} runs it in another process, and it cannot be pickled: "
                    f"{error}",
                    remedy="Make connections, locks and open files inside the task that uses them.",
                )
        kind = _unpicklable_result(task)
        if kind is not None and task.checkpoint is not False:
            yield Finding(
                level="warning",
                subject=subject,
                message=f"It says that it returns {kind}, which cannot be pickled: its result can be "
                "kept by no checkpoint" + (" and not leave its process." if leaves else "."),
                remedy="Return a list, or the path of a file; or say checkpoint=False, and a resumed "
                "run runs it again.",
            )


def leaves_process(executor: Any) -> bool:
    """Tell whether an executor runs tasks in other processes; None is the one that does not."""
    from headrace.executors import LocalDaskExecutor, LocalExecutor

    if executor is None or isinstance(executor, LocalExecutor):
        return False
    if isinstance(executor, LocalDaskExecutor):
        return bool(executor.scheduler == "processes")
    # Of those that others have written nothing is known, and nothing is said.
    return type(executor).__module__.startswith("headrace.")


def _error_of_pickling(flow: Flow, task: Task[Any]) -> str | None:
    import cloudpickle

    try:
        cloudpickle.dumps((task, flow.constants.get(task)))
    except Exception as error:  # noqa: BLE001 - pickling runs code of every object, which raises any
        return f"{type(error).__name__}: {error}"
    return None


def _unpicklable_result(task: Task[Any]) -> str | None:
    """Return what a task says that it returns, if that cannot be pickled."""
    annotation = task.outputs()
    if isinstance(annotation, str):
        name = annotation.partition("[")[0].rpartition(".")[2]
        return annotation if name in {kind.__name__ for kind in _LAZY} else None
    kind = get_origin(annotation) or annotation
    if not isinstance(kind, type):
        return None
    if kind in _LAZY or issubclass(kind, _NEVER_PICKLED):
        if issubclass(kind, io.BytesIO | io.StringIO):
            return None
        return f"a {kind.__name__}"
    return None
