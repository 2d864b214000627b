"""Prefect 1's log lines of tasks (when each run starts, how it ends), and its logger."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from headrace.config.logging import get_logger
from headrace.engine.flow_runner import set_default_task_runner_class
from headrace.engine.task_runner import TaskRunner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headrace.core.context import TaskRunContext
    from headrace.core.edge import Edge
    from headrace.core.states import State


class LoggingTaskRunner(TaskRunner):
    """A `TaskRunner` that logs, at INFO, when it starts and how it ended."""

    sees_all = True

    def execute(
        self,
        inputs: Mapping[str, Any],
        scope: TaskRunContext,
        state: State | None = None,
        decided: State | None = None,
        upstream_states: Mapping[Edge, State] | None = None,
    ) -> State:
        """Take the task through its steps, as `TaskRunner.execute` does."""
        logger = get_logger("TaskRunner")
        logger.info("Task '%s': Starting task run...", scope.task_full_name)
        ended = super().execute(inputs, scope, state, decided, upstream_states)
        logger.info(
            "Task '%s': Finished task run for task with final state: '%s'",
            scope.task_full_name,
            type(ended).__name__,
        )
        return ended


def log_as_prefect() -> None:
    """Log each task run, where nobody names a class of task runners; and show `prefect`'s lines."""
    set_default_task_runner_class(LoggingTaskRunner)
    # Flows may log by `logging.getLogger("prefect...")`: such lines go where Headrace's own go.
    logging.getLogger("prefect").parent = get_logger()
