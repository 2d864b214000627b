"""The tables of the first version.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

#: SQLite numbers rows itself only if their key is declared as plain INTEGER.
_Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "agents",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("first_seen", sa.Double(), nullable=False),
        sa.Column("last_seen", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_agents"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("expires", sa.Double(), nullable=True),
        sa.Column("revoked", sa.Double(), nullable=True),
        sa.Column("last_used", sa.Double(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("hash", name="uq_api_keys_hash"),
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
        sa.UniqueConstraint("name", name="uq_projects_name"),
    )
    op.create_table(
        "version_groups",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("schedule_active", sa.Boolean(), nullable=False),
        sa.Column("overrides", sa.Text(), server_default="{}", nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"],
            ["projects.id"],
            name="fk_version_groups_project_id_projects",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_version_groups"),
    )
    op.create_index(
        "ix_version_groups_project_id_name", "version_groups", ["project_id", "name"], unique=False
    )
    op.create_table(
        "flows",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Text(), nullable=False),
        sa.Column("version_group_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("is_archived", sa.Boolean(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("graph", sa.Text(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("schedule", sa.Text(), nullable=True),
        sa.Column("storage", sa.Text(), nullable=True),
        sa.Column("run_config", sa.Text(), nullable=True),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("notes", sa.Text(), nullable=False),
        sa.Column("max_recoveries", sa.Integer(), nullable=False),
        sa.Column("on_disconnect", sa.Text(), nullable=False),
        sa.Column("lost_after", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["projects.id"], name="fk_flows_project_id_projects", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["version_group_id"],
            ["version_groups.id"],
            name="fk_flows_version_group_id_version_groups",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_flows"),
        sa.UniqueConstraint(
            "version_group_id", "version", name="uq_flows_version_group_id_version"
        ),
    )
    op.create_index("ix_flows_project_id_name", "flows", ["project_id", "name"], unique=False)
    op.create_table(
        "flow_runs",
        sa.Column("key", _Key, autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("flow_id", sa.Text(), nullable=False),
        sa.Column("version_group_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("state_since", sa.Double(), nullable=False),
        sa.Column("created", sa.Double(), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("scheduled_start_time", sa.Double(), nullable=True),
        sa.Column("started", sa.Double(), nullable=True),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.Column("host", sa.Text(), nullable=True),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("labels", sa.Text(), nullable=False),
        sa.Column("run_config", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("is_auto_scheduled", sa.Boolean(), nullable=False),
        sa.Column("resumed", sa.Text(), server_default="[]", nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("start_time", sa.Double(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("nonce", sa.Text(), nullable=True),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("stored", sa.BigInteger(), nullable=False),
        sa.Column("recoveries", sa.Integer(), nullable=False),
        sa.Column("cancelling", sa.Text(), nullable=True),
        sa.Column("pausing", sa.Text(), nullable=True),
        sa.Column("restarted_after", sa.Integer(), server_default="0", nullable=False),
        sa.Column("ending", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("max_recoveries", sa.Integer(), nullable=False),
        sa.Column("on_disconnect", sa.Text(), nullable=False),
        sa.Column("lost_after", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["flow_id"], ["flows.id"], name="fk_flow_runs_flow_id_flows", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("key", name="pk_flow_runs"),
        sa.UniqueConstraint("id", name="uq_flow_runs_id"),
        sa.UniqueConstraint(
            "version_group_id",
            "idempotency_key",
            name="uq_flow_runs_version_group_id_idempotency_key",
        ),
    )
    op.create_index("ix_flow_runs_created", "flow_runs", ["created"], unique=False)
    op.create_index(
        "ix_flow_runs_flow_id_created", "flow_runs", ["flow_id", "created"], unique=False
    )
    op.create_index(
        "ix_flow_runs_leased",
        "flow_runs",
        ["lease_until"],
        unique=False,
        sqlite_where=sa.text("lease_until IS NOT NULL"),
        postgresql_where=sa.text("lease_until IS NOT NULL"),
    )
    op.create_index(
        "ix_flow_runs_start_time",
        "flow_runs",
        ["start_time"],
        unique=False,
        sqlite_where=sa.text("phase = 'scheduled'"),
        postgresql_where=sa.text("phase = 'scheduled'"),
    )
    op.create_index("ix_flow_runs_state_created", "flow_runs", ["state", "created"], unique=False)
    op.create_index(
        "ix_flow_runs_to_claim",
        "flow_runs",
        ["labels", "kind", "priority", "start_time"],
        unique=False,
        sqlite_where=sa.text("phase = 'scheduled'"),
        postgresql_where=sa.text("phase = 'scheduled'"),
    )
    op.create_table(
        "attempts",
        sa.Column("run_key", _Key, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("agent_name", sa.Text(), nullable=False),
        sa.Column("claimed", sa.Double(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=True),
        sa.Column("host", sa.Text(), nullable=True),
        sa.Column("pid", sa.Integer(), nullable=True),
        sa.Column("activated", sa.Double(), nullable=True),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.Column("how", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_key"], ["flow_runs.key"], name="fk_attempts_run_key_flow_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_key", "attempt", name="pk_attempts"),
        sa.UniqueConstraint("token_hash", name="uq_attempts_token_hash"),
    )
    op.create_table(
        "flow_run_states",
        sa.Column("id", _Key, autoincrement=True, nullable=False),
        sa.Column("run_key", _Key, nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("is_stale", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_key"],
            ["flow_runs.key"],
            name="fk_flow_run_states_run_key_flow_runs",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_flow_run_states"),
    )
    op.create_index("ix_flow_run_states_run_key", "flow_run_states", ["run_key"], unique=False)
    op.create_table(
        "logs",
        sa.Column("run_key", _Key, nullable=False),
        sa.Column("writer", _Key, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("logger", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=True),
        sa.Column("map_index", sa.Integer(), nullable=False),
        sa.Column("is_stale", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_key"], ["flow_runs.key"], name="fk_logs_run_key_flow_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_key", "writer", "seq", name="pk_logs"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "task_run_states",
        sa.Column("run_key", _Key, nullable=False),
        sa.Column("writer", _Key, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("map_index", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("started", sa.Double(), nullable=True),
        sa.Column("run_count", sa.Integer(), nullable=False),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("is_stale", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_key"],
            ["flow_runs.key"],
            name="fk_task_run_states_run_key_flow_runs",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("run_key", "writer", "seq", name="pk_task_run_states"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "task_runs",
        sa.Column("run_key", _Key, nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("map_index", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("started", sa.Double(), nullable=True),
        sa.Column("ended", sa.Double(), nullable=True),
        sa.Column("run_count", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("place", sa.Text(), nullable=True),
        sa.Column("due", sa.Double(), nullable=True),
        sa.Column("children", sa.Integer(), nullable=True),
        sa.Column("reused", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_key"],
            ["flow_runs.key"],
            name="fk_task_runs_run_key_flow_runs",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("run_key", "slug", "map_index", name="pk_task_runs"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "writers",
        sa.Column("id", _Key, autoincrement=True, nullable=False),
        sa.Column("run_key", _Key, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("nonce", sa.Text(), nullable=False),
        sa.Column("stored", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_key"], ["flow_runs.key"], name="fk_writers_run_key_flow_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_writers"),
        sa.UniqueConstraint("run_key", "attempt", "nonce", name="uq_writers_run_key_attempt_nonce"),
    )


def downgrade() -> None:
    """Drop the tables, with all that is in them."""
    op.drop_table("writers")
    op.drop_table("task_runs")
    op.drop_table("task_run_states")
    op.drop_table("logs")
    op.drop_table("flow_run_states")
    op.drop_table("attempts")
    op.drop_table("flow_runs")
    op.drop_table("flows")
    op.drop_table("version_groups")
    op.drop_table("projects")
    op.drop_table("api_keys")
    op.drop_table("agents")
