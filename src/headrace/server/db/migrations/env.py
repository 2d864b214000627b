"""What Alembic runs: migrations on a connection, and within a transaction, of `migrate`."""

from __future__ import annotations

from alembic import context

from headrace.server.db.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite changes a table by making another one and copying.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
