"""The tables, the same on SQLite and PostgreSQL.

Moments are seconds since 1970, UTC, as double precision: that is how they come in by the hundred
thousand. Structured values are JSON in text columns, written and read by msgspec: the database is
never asked to look into them. Ids are text; the tables that grow with every task have a flow run's
small integer `key` instead.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)

#: Names of constraints are the same everywhere, so that migrations can name them.
metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: SQLite numbers rows itself only if their key is declared as plain INTEGER.
_Key = BigInteger().with_variant(Integer, "sqlite")


def _run_key() -> Column[int]:
    return Column("run_key", _Key, ForeignKey("flow_runs.key", ondelete="CASCADE"), nullable=False)


projects = Table(
    "projects",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("description", Text, nullable=False),
    Column("created", Double, nullable=False),
)

#: All versions of one flow, and what holds for whichever is current.
version_groups = Table(
    "version_groups",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column("name", Text, nullable=False),
    Column("schedule_active", Boolean, nullable=False),
    #: A `wire.flows.SetOverrides`, as JSON.
    Column("overrides", Text, nullable=False, server_default="{}"),
    Column("created", Double, nullable=False),
    Index(None, "project_id", "name"),
)

flows = Table(
    "flows",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False),
    Column(
        "version_group_id",
        Text,
        ForeignKey("version_groups.id", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("name", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("is_archived", Boolean, nullable=False),
    Column("created", Double, nullable=False),
    Column("hash", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("graph", Text, nullable=False),
    #: A part of the graph, kept apart so that lists of flows need not read the whole.
    Column("parameters", Text, nullable=False),
    Column("schedule", Text),
    Column("storage", Text),
    Column("run_config", Text),
    Column("labels", Text, nullable=False),
    Column("notes", Text, nullable=False),
    Column("max_recoveries", Integer, nullable=False),
    Column("on_disconnect", Text, nullable=False),
    Column("lost_after", Double, nullable=False),
    UniqueConstraint("version_group_id", "version"),
    Index(None, "project_id", "name"),
)

flow_runs = Table(
    "flow_runs",
    metadata,
    Column("key", _Key, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("flow_id", Text, ForeignKey("flows.id", ondelete="CASCADE"), nullable=False),
    Column("version_group_id", Text, nullable=False),
    Column("name", Text, nullable=False),
    # -- for people: what it looks like
    Column("state", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("state_since", Double, nullable=False),
    Column("created", Double, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("scheduled_start_time", Double),
    Column("started", Double),
    Column("ended", Double),
    Column("host", Text),
    Column("pid", Integer),
    # -- what to run
    Column("parameters", Text, nullable=False),
    Column("context", Text, nullable=False),
    #: Sorted, as JSON: runs that the same agents serve have the same text.
    Column("labels", Text, nullable=False),
    Column("run_config", Text),
    #: The kind of agent that it needs: `local`, `docker`, …; `any`.
    Column("kind", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("idempotency_key", Text),
    Column("is_auto_scheduled", Boolean, nullable=False),
    #: Slugs and map indexes of paused tasks that may go on, as JSON.
    Column("resumed", Text, nullable=False, server_default="[]"),
    # -- the record of `rules.ownership`
    Column("phase", Text, nullable=False),
    Column("start_time", Double),
    Column("attempt", Integer, nullable=False),
    Column("agent", Text),
    Column("nonce", Text),
    Column("is_open", Boolean, nullable=False),
    Column("lease_until", Double),
    Column("stored", BigInteger, nullable=False),
    Column("recoveries", Integer, nullable=False),
    Column("cancelling", Text),
    Column("pausing", Text),
    Column("restarted_after", Integer, nullable=False, server_default="0"),
    Column("ending", Text),
    Column("reason", Text, nullable=False),
    Column("max_recoveries", Integer, nullable=False),
    Column("on_disconnect", Text, nullable=False),
    Column("lost_after", Double, nullable=False),
    # Also what makes a scheduled run unique: its key is its time.
    UniqueConstraint("version_group_id", "idempotency_key"),
    Index(None, "flow_id", "created"),
    Index(None, "state", "created"),
    Index(None, "created"),
    Index(
        "ix_flow_runs_to_claim",
        "labels",
        "kind",
        "priority",
        "start_time",
        sqlite_where=text("phase = 'scheduled'"),
    ),
    Index(
        "ix_flow_runs_start_time",
        "start_time",
        sqlite_where=text("phase = 'scheduled'"),
    ),
    Index(
        "ix_flow_runs_leased",
        "lease_until",
        sqlite_where=text("lease_until IS NOT NULL"),
    ),
)

#: One row for each claim of a run.
attempts = Table(
    "attempts",
    metadata,
    _run_key(),
    Column("attempt", Integer, nullable=False),
    #: SHA-256 of the token that its process identifies with.
    Column("token_hash", Text, nullable=False, unique=True),
    Column("agent", Text, nullable=False),
    Column("agent_name", Text, nullable=False),
    Column("claimed", Double, nullable=False),
    Column("nonce", Text),
    Column("host", Text),
    Column("pid", Integer),
    Column("activated", Double),
    Column("ended", Double),
    Column("how", Text),
    PrimaryKeyConstraint("run_key", "attempt"),
)

#: Who has written events of a run, and up to which number they are stored; stale ones included.
writers = Table(
    "writers",
    metadata,
    Column("id", _Key, primary_key=True, autoincrement=True),
    _run_key(),
    Column("attempt", Integer, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("stored", BigInteger, nullable=False),
    UniqueConstraint("run_key", "attempt", "nonce"),
)

flow_run_states = Table(
    "flow_run_states",
    metadata,
    Column("id", _Key, primary_key=True, autoincrement=True),
    _run_key(),
    Column("at", Double, nullable=False),
    Column("state", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("who", Text, nullable=False),
    Column("is_stale", Boolean, nullable=False),
    Index(None, "run_key"),
)

#: The latest state of each task run.
task_runs = Table(
    "task_runs",
    metadata,
    _run_key(),
    Column("slug", Text, nullable=False),
    Column("map_index", Integer, nullable=False),
    Column("name", Text),
    Column("state", Text, nullable=False),
    Column("message", Text),
    Column("at", Double, nullable=False),
    Column("started", Double),
    Column("ended", Double),
    Column("run_count", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("location", Text),
    Column("place", Text),
    Column("due", Double),
    Column("children", Integer),
    Column("reused", Boolean, nullable=False),
    PrimaryKeyConstraint("run_key", "slug", "map_index"),
    sqlite_with_rowid=False,
)

#: All states of all task runs, as they were reported.
task_run_states = Table(
    "task_run_states",
    metadata,
    _run_key(),
    Column("writer", _Key, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", Double, nullable=False),
    Column("slug", Text, nullable=False),
    Column("map_index", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("message", Text),
    Column("started", Double),
    Column("run_count", Integer, nullable=False),
    Column("place", Text),
    Column("location", Text),
    Column("is_stale", Boolean, nullable=False),
    PrimaryKeyConstraint("run_key", "writer", "seq"),
    sqlite_with_rowid=False,
)

logs = Table(
    "logs",
    metadata,
    _run_key(),
    Column("writer", _Key, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("at", Double, nullable=False),
    Column("level", Integer, nullable=False),
    Column("logger", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("slug", Text),
    Column("map_index", Integer, nullable=False),
    Column("is_stale", Boolean, nullable=False),
    PrimaryKeyConstraint("run_key", "writer", "seq"),
    sqlite_with_rowid=False,
)

agents = Table(
    "agents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("labels", Text, nullable=False),
    Column("first_seen", Double, nullable=False),
    Column("last_seen", Double, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("scope", Text, nullable=False),
    #: SHA-256 of the key, which has 256 random bits itself: no salt, no stretching is needed.
    Column("hash", Text, nullable=False, unique=True),
    Column("created", Double, nullable=False),
    Column("expires", Double),
    Column("revoked", Double),
    Column("last_used", Double),
)

#: Values, as JSON, that flows leave for later runs.
key_values = Table(
    "key_values",
    metadata,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("updated", Double, nullable=False),
)


@event.listens_for(metadata, "before_create")
def _restrict_indexes(target: MetaData, connection: Connection, **_options: Any) -> None:
    """Restrict PostgreSQL's indexes to the rows that SQLite's are restricted to.

    To say so above would import all that is for PostgreSQL: a twelfth of a server's start.
    """
    if connection.dialect.name == "postgresql":
        for table in target.tables.values():
            for index in table.indexes:
                restricted = index.dialect_options["sqlite"]["where"]
                index.dialect_options["postgresql"]["where"] = restricted
