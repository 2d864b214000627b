"""`pause_task`: a task that waits for a person in the middle of its work."""

from __future__ import annotations

import datetime

from headrace.core.context import context
from headrace.core.errors import TaskTypeError
from headrace.core.now import now
from headrace.core.signals import PAUSE


def pause_task(message: str | None = None, duration: datetime.timedelta | None = None) -> None:
    """Pause the task that calls this, until a person resumes it or the duration is over.

    The task then runs again *from its beginning*, and this call lets it pass. To resume, run the
    flow with a `Resume` state for the task: `flow.run(task_states={task: Resume()})`.

    Args:
        message: The message of the paused state.
        duration: How long to wait at most; for ever by default.

    Raises:
        PAUSE: Unless the task was resumed.
        TaskTypeError: If the duration is no timedelta.

    Example:
        ```python
        @task
        def delete(files):
            if len(files) > 100:
                pause_task(f"Delete {len(files)} files?")
            for file in files:
                file.unlink()
        ```
    """
    if duration is not None and not isinstance(duration, datetime.timedelta):
        raise TaskTypeError(
            f"The duration of a pause is {duration!r}, a {type(duration).__name__}; give a "
            "timedelta."
        )
    if context.get("resume"):
        return
    raise PAUSE(
        message or "The task paused itself; resume it to let it go on.",
        start_time=None if duration is None else now() + duration,
    )
