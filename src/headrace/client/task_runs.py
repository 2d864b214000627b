"""Task runs."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.client.resource import Resource, path
from headrace.wire.segments import segment
from headrace.wire.task_runs import TaskRun, TaskRunCounts, TaskRunPage, TaskRunState


class TaskRuns(Resource):
    """What can be asked about the task runs of a flow run."""

    def task_run_page(
        self,
        flow_run_id: str,
        *,
        state: str | None = None,
        slug: str | None = None,
        limit: int | None = None,
        after: str | None = None,
    ) -> TaskRunPage:
        """Return some task runs, in the order of slugs and map indexes.

        Args:
            flow_run_id: The flow run's id.
            state: Those in a state of this type only.
            slug: Those of this task only.
            limit: At most so many.
            after: What the page before said is `next`.
        """
        return self._transport.request(
            "GET",
            path("flow-runs", flow_run_id, "task-runs"),
            query={"state": state, "slug": slug, "limit": limit, "after": after},
            answer=TaskRunPage,
        )

    def task_runs(
        self, flow_run_id: str, *, state: str | None = None, slug: str | None = None
    ) -> Iterator[TaskRun]:
        """Yield all task runs, page by page, in the order of slugs and map indexes.

        Args:
            flow_run_id: The flow run's id.
            state: Those in a state of this type only.
            slug: Those of this task only.
        """
        after: str | None = None
        while True:
            page = self.task_run_page(flow_run_id, state=state, slug=slug, after=after)
            yield from page.items
            after = page.next
            if after is None:
                return

    def task_run_counts(self, flow_run_id: str) -> TaskRunCounts:
        """Return how many task runs are in which state."""
        return self._transport.request(
            "GET", path("flow-runs", flow_run_id, "task-runs", "counts"), answer=TaskRunCounts
        )

    def get_task_run(self, flow_run_id: str, slug: str, map_index: int = -1) -> TaskRun:
        """Return the run of a task, or of one child of a mapped task.

        Raises:
            NotFound: If there is no such task run.
        """
        return self._transport.request(
            "GET",
            path("flow-runs", flow_run_id, "task-runs", segment(slug), map_index),
            answer=TaskRun,
        )

    def task_run_states(
        self, flow_run_id: str, slug: str, map_index: int = -1
    ) -> list[TaskRunState]:
        """Return the history of a task run, oldest first."""
        return self._transport.request(
            "GET",
            path("flow-runs", flow_run_id, "task-runs", segment(slug), map_index, "states"),
            answer=list[TaskRunState],
        )
