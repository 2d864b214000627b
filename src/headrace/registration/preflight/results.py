"""What a run that is resumed would do again, because its results cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from headrace.core.function_task import FunctionTask
from headrace.registration.finding import Finding
from headrace.registration.preflight.containers import container_of

if TYPE_CHECKING:
    from headrace.flow import Flow


def check_results(flow: Flow) -> Iterator[Finding]:
    """Yield which tasks a resumed run would run again."""
    from headrace.results import LocalResult
    from headrace.results.stored import StoredResult

    own = getattr(flow.storage, "result", None)
    result = flow.result if flow.result is not None else own
    container = container_of(flow)
    is_here = (
        result is None or isinstance(result, LocalResult) or not isinstance(result, StoredResult)
    )
    if container is not None and is_here:
        where = (
            "inside its container"
            if result is None
            else f"by {type(result).__name__}, inside its container"
        )
        yield Finding(
            level="warning",
            subject="results",
            message=f"{container} keeps a run's results {where}, which ends with the run: a resume "
            "will redo all of its tasks.",
            remedy="Give the flow a result that outlives it, such as Flow(..., "
            "result=S3Result(bucket='...')), or mount a volume at the place of its results.",
        )
    elif is_here and result is None:
        yield Finding(
            level="note",
            subject="results",
            message="It says nothing about its results, so they are kept on the machine that runs it: "
            "a resume on another machine will redo its tasks.",
            remedy="If that matters, give the flow a result that all its machines can read.",
        )
    again = sorted(flow.slugs[task] for task in flow.slugs if _is_redone(task))
    if again:
        shown = ", ".join(again[:5]) + (f" and {len(again) - 5} more" if len(again) > 5 else "")
        yield Finding(
            level="note",
            subject="results",
            message=f"These tasks keep no result (checkpoint=False), and a resume will redo them: "
            f"{shown}.",
            remedy="",
        )


def _is_redone(task: Any) -> bool:
    # Headrace's own tasks that keep nothing (parameters, secrets, resources) are meant to run again.
    own = type(task).__module__.startswith("headrace.") and not isinstance(task, FunctionTask)
    return task.checkpoint is False and not own
