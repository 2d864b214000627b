"""Graphs of flows in the database, as task runs are looked at."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import Connection, select

from headrace.server.db.columns import from_json
from headrace.server.db.schema import flows
from headrace.server.rules.graphs import upstreams


class StoredGraph:
    """The tasks of a version of a flow.

    Args:
        text: The graph, as it is stored.

    Attributes:
        names: The tasks' names, by slug.
        slugs: The slugs, sorted.
        upstreams: The slugs of each task's upstream tasks, by its slug.
    """

    def __init__(self, text: str) -> None:
        graph = from_json(text)
        self.names: dict[str, str] = {task["slug"]: task["name"] for task in graph["tasks"]}
        self.slugs: list[str] = sorted(self.names)
        self.upstreams: dict[str, list[str]] = upstreams(graph)


def graph_of(connection: Connection, flow_id: str) -> StoredGraph:
    """Return the graph of a version of a flow, which must exist."""
    text = connection.scalar(select(flows.c.graph).where(flows.c.id == flow_id))
    assert text is not None
    return _parsed(text)


# By their text: a version of a flow never changes, and its runs are looked at again and again.
@lru_cache(maxsize=16)
def _parsed(text: str) -> StoredGraph:
    return StoredGraph(text)
