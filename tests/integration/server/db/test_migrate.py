"""The tables come and go by migrations, with what is in them, and are those of the models."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, select, text

from headrace.core.errors import DatabaseUnavailable, DatabaseVersionError
from headrace.server.db import migrate, migrations
from headrace.server.db.database import make_engine, parse_url
from headrace.server.db.schema import flow_runs, metadata
from tests.support.postgres import PostgreSQL
from tests.support.stored_runs import insert_process, insert_run


@contextmanager
def _connected(url: str) -> Iterator[Connection]:
    engine = make_engine(parse_url(url), connections=1, writes=True)
    with engine.begin() as connection:
        yield connection
    engine.dispose()


def _described(url: str) -> list[str]:
    """Return everything about the tables that the database itself can tell."""
    with _connected(url) as connection:
        if connection.dialect.name == "sqlite":
            found = connection.execute(text("SELECT sql FROM sqlite_master")).scalars()
            return sorted(_ordered(sql) for sql in found if sql and "alembic" not in sql)
        columns = connection.execute(
            text(
                "SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, "
                "column_default, is_identity) FROM information_schema.columns "
                "WHERE table_schema = 'public' AND table_name NOT LIKE 'alembic%'"
            )
        ).scalars()
        constraints = connection.execute(
            text(
                "SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid)) "
                "FROM pg_constraint WHERE connamespace = 'public'::regnamespace "
                "AND conrelid::regclass::text NOT LIKE 'alembic%'"
            )
        ).scalars()
        indexes = connection.execute(
            text(
                "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' "
                "AND tablename NOT LIKE 'alembic%'"
            )
        ).scalars()
        return sorted([*columns, *constraints, *indexes])


def _ordered(sql: str) -> str:
    """Return a statement with its lines in order: that of constraints says nothing."""
    return "\n".join(sorted(line.strip().rstrip(",") for line in sql.splitlines() if line.strip()))


def _by_steps(url: str) -> None:
    with _connected(url) as connection:
        migrate._migrate(connection, "head", down=False)


def test_the_steps_make_the_tables_of_the_models(database_url: str):
    _by_steps(database_url)
    stepped = _described(database_url)
    with _connected(database_url) as connection:
        context = MigrationContext.configure(connection, opts={"compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    migrate.reset(database_url)
    assert _described(database_url) == stepped


def test_the_newest_step_is_the_one_that_servers_expect():
    settings = Config()
    settings.set_main_option("script_location", migrations.__path__[0])
    assert ScriptDirectory.from_config(settings).get_heads() == [migrate.HEAD]


def test_up_and_down_and_up_with_runs_in_the_tables(database_url: str):
    assert migrate.revision_of(database_url) is None
    migrate.prepare(database_url)
    assert migrate.revision_of(database_url) == migrate.HEAD
    with _connected(database_url) as connection:
        insert_run(connection, "r1")
        insert_process(connection, "r1", "n1")
    migrate.prepare(database_url)
    with _connected(database_url) as connection:
        assert connection.execute(select(flow_runs.c.id)).scalars().all() == ["r1"]
    migrate.downgrade(database_url)
    assert migrate.revision_of(database_url) is None
    with _connected(database_url) as connection:
        assert set(inspect(connection).get_table_names()) <= {"alembic_version"}
    migrate.upgrade(database_url)
    with _connected(database_url) as connection:
        assert connection.execute(select(flow_runs.c.id)).scalars().all() == []
        insert_run(connection, "r2")


def test_a_reset_leaves_nothing_but_empty_tables(database_url: str):
    migrate.prepare(database_url)
    with _connected(database_url) as connection:
        insert_run(connection, "r1")
    migrate.reset(database_url)
    assert migrate.revision_of(database_url) == migrate.HEAD
    with _connected(database_url) as connection:
        assert connection.execute(select(flow_runs.c.id)).scalars().all() == []


def test_tables_of_a_newer_version_are_left_alone(database_url: str):
    migrate.prepare(database_url)
    with _connected(database_url) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseVersionError, match="9999"):
        migrate.prepare(database_url)
    assert migrate.revision_of(database_url) == "9999"


def test_another_programs_tables_are_left_alone(database_url: str):
    with _connected(database_url) as connection:
        connection.execute(text("CREATE TABLE agents (x INTEGER)"))
    with pytest.raises(DatabaseVersionError, match="agents.*of its own"):
        migrate.prepare(database_url)


def test_a_revision_that_is_not_there_is_named(database_url: str):
    migrate.prepare(database_url)
    with pytest.raises(DatabaseVersionError, match="0815"):
        migrate.upgrade(database_url, "0815")
    with pytest.raises(DatabaseVersionError, match="0815"):
        migrate.downgrade(database_url, "0815")


def test_servers_that_start_at_once_migrate_once(database_url: str):
    code = f"from headrace.server.db import migrate; migrate.prepare({database_url!r})"
    started = [
        subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(4)
    ]
    assert [(process.communicate()[1], process.returncode) for process in started] == [(b"", 0)] * 4
    assert migrate.revision_of(database_url) == migrate.HEAD
    with _connected(database_url) as connection:
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().all()
    assert found == [migrate.HEAD]


def test_a_database_that_says_no_is_not_asked_again(postgresql: PostgreSQL, tmp_path: Path):
    began = time.monotonic()
    with pytest.raises(DatabaseUnavailable, match="unable to open"):
        migrate.prepare(f"sqlite:///{tmp_path}/no/such/place.db")
    with pytest.raises(DatabaseUnavailable, match='"nobody_made_it" does not exist'):
        migrate.prepare(postgresql.url("nobody_made_it"))
    assert time.monotonic() - began < migrate._PATIENCE * 0.9


def test_a_database_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(migrate, "_PATIENCE", 0.1)
    with pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1:1/x cannot be used") as raised:
        migrate.prepare("postgresql://me:hidden@127.0.0.1:1/x")
    assert "hidden" not in str(raised.value)


def test_looking_at_the_revision_does_not_import_alembic(database_url: str):
    migrate.prepare(database_url)
    code = (
        "import sys; from headrace.server.db import migrate; "
        f"migrate.prepare({database_url!r}); print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
