"""Tasks that wait for flow runs, and take what they have given."""

from __future__ import annotations

import datetime
from typing import Any

from headrace.core.context import context
from headrace.core.errors import ArgumentError
from headrace.tasks.flow_runs.asking import task_at_home, the_client
from headrace.tasks.flow_runs.starting import ended_like
from headrace.tasks.flow_runs.views import FlowRunView, TaskRunView
from headrace.tasks.flow_runs.watching import watch_flow_run


@task_at_home
def wait_for_flow_run(
    flow_run_id: str,
    stream_states: bool = True,
    stream_logs: bool = False,
    raise_final_state: bool = False,
    max_duration: datetime.timedelta = datetime.timedelta(hours=12),
) -> FlowRunView:
    """Wait until a flow run is over.

    Args:
        flow_run_id: Its id.
        stream_states: Whether changes of its state are logged here.
        stream_logs: Whether its log lines are logged here.
        raise_final_state: Whether this task ends in its state.
        max_duration: How long to wait at most.

    Returns:
        A view of the flow run, which is over.

    Raises:
        StateSignal: With `raise_final_state`, what its state becomes here.
        NotInTime: If it is not over in time.
        ClientError: If the server does not know it, or is away for a minute.
    """
    client = the_client()
    name = client.get_flow_run(flow_run_id).name
    for line in watch_flow_run(flow_run_id, stream_states, stream_logs, max_duration):
        context.logger.log(line.level, "Flow run %r: %s", name, line.message)
    view = FlowRunView(client.get_flow_run(flow_run_id))
    if raise_final_state:
        raise ended_like(view)
    return view


@task_at_home
def get_task_run_result(
    flow_run_id: str, task_slug: str, map_index: int = -1, poll_time: int = 5
) -> Any:
    """Return what a task of another flow run has given, once that run is over.

    The value is read from where it is stored, so this process has to be able to read there.

    Args:
        flow_run_id: The flow run's id.
        task_slug: The task's slug, such as `load-1`.
        map_index: The child of a mapped task; -1 for the task itself, and for the list of all its
            children's values if it is mapped.
        poll_time: Accepted; waiting needs no polls.

    Raises:
        ArgumentError: If there is no slug, or the run is the one that this task runs in.
        ResultNotFound: If the value is not stored, or not where it can be read from here.
    """
    if not task_slug:
        raise ArgumentError(
            "There is no task_slug. A task has one in its flow: flow.slugs[task], such as 'load-1'."
        )
    if context.get("flow_run_id") == flow_run_id:
        raise ArgumentError(
            f"The flow run {flow_run_id} is the one that this task runs in, so it would wait for "
            "itself. Use the task's result directly."
        )
    the_client().wait_for_flow_run(flow_run_id)
    return TaskRunView.from_task_slug(task_slug, flow_run_id, map_index).get_result()
