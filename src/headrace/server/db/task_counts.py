"""How many task runs of a flow run are in which state."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import Connection, func, select

from headrace.server.db.flow_runs import row_of
from headrace.server.db.graphs import graph_of
from headrace.server.db.schema import task_runs
from headrace.server.rules.states import PENDING
from headrace.wire.task_runs import TaskRunCounts


def counts(connection: Connection, run_id: str) -> TaskRunCounts:
    """Return how many task runs of a flow run are in which state.

    Raises:
        Refusal: If there is no such flow run; 404.
    """
    row = row_of(connection, run_id)
    by_task = counts_by_task(connection, row.key)
    tasks: dict[str, dict[str, int]] = {}
    for slug in graph_of(connection, row.flow_id).slugs:
        tasks[slug] = by_task.pop(slug, {PENDING: 1})
    tasks.update(by_task)
    together: dict[str, int] = defaultdict(int)
    for states in tasks.values():
        for state, count in states.items():
            together[state] += count
    return TaskRunCounts(states=dict(together), tasks=tasks)


def counts_by_task(connection: Connection, run_key: int) -> dict[str, dict[str, int]]:
    """Return how many task runs are in which state, for each task that was heard of, by its slug.

    A mapped task's children count, and it does not; those that were not heard of are `Pending`.

    Args:
        connection: The connection.
        run_key: The flow run's key.
    """
    columns = task_runs.c
    is_child = columns.map_index >= 0
    choice = (
        select(
            columns.slug,
            columns.state,
            is_child.label("is_child"),
            func.count().label("count"),
            func.max(columns.children).label("children"),
        )
        .where(columns.run_key == run_key)
        .group_by(columns.slug, columns.state, is_child)
    )
    found: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    expected: dict[str, int] = {}
    own: dict[str, str] = {}
    for row in connection.execute(choice):
        if row.is_child:
            found[row.slug][row.state] += row._mapping["count"]
        elif row.children is not None:
            expected[row.slug] = row.children
        else:
            own[row.slug] = row.state
    for slug, children in expected.items():
        unheard = children - sum(found[slug].values())
        if unheard > 0:
            found[slug][PENDING] += unheard
    for slug, state in own.items():
        # Children may be heard of before their parent says how many there are.
        if slug not in found:
            found[slug][state] += 1
    return {slug: dict(states) for slug, states in found.items()}
