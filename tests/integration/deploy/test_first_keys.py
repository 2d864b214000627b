"""`headrace-first-keys`: what makes the first keys of a server in a container, before it starts."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[3] / "deploy" / "headrace-first-keys"


def first_keys(folder, **env):
    return subprocess.run(
        [SCRIPT, *folder],
        env={
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            **env,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_keys_are_made_once_where_the_database_is(tmp_path):
    database = tmp_path / "elsewhere.db"
    env = {
        "HEADRACE_HOME": str(tmp_path / "home"),
        "HEADRACE_DATABASE_URL": f"sqlite:///{database}",
    }
    done = first_keys([tmp_path / "keys"], **env)
    assert done.returncode == 0, done.stderr
    keys = {each.name: each.read_text().strip() for each in (tmp_path / "keys").iterdir()}
    assert keys.keys() == {"admin", "agent"}
    for name, key in keys.items():
        assert (tmp_path / "keys" / name).stat().st_mode & 0o777 == 0o600
        assert len(key) > 20
        assert key not in done.stdout + done.stderr
        assert key.encode() not in database.read_bytes()
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    again = first_keys([tmp_path / "keys"], **env)
    assert (again.returncode, again.stdout) == (0, "")
    assert {each.name: each.read_text().strip() for each in (tmp_path / "keys").iterdir()} == keys
    with sqlite3.connect(database) as connection:
        scopes = connection.execute("SELECT scope FROM api_keys ORDER BY scope").fetchall()
    connection.close()
    assert scopes == [("admin",), ("agent",)]


def test_a_database_that_cannot_be_used_leaves_no_key(tmp_path):
    done = first_keys(
        [tmp_path / "keys"],
        HEADRACE_HOME=str(tmp_path),
        HEADRACE_DATABASE_URL="sqlite:////no/such/folder/file.db",
    )
    assert done.returncode != 0
    assert "/no/such/folder" in done.stderr
    assert not list((tmp_path / "keys").iterdir())


def test_where_to_has_to_be_said():
    done = first_keys([])
    assert done.returncode != 0
    assert "Usage: headrace-first-keys FOLDER" in done.stderr
