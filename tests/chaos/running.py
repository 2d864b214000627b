"""Fixtures: a server with short leases, an agent, and registered flows, for chaos."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from sqlalchemy import update

from headrace.server.db import schema
from tests.chaos.evidence import connect
from tests.chaos.harness import LEASE, LOST_AFTER, PROJECT, Chaos
from tests.support.agents import running_agent
from tests.support.servers import headrace, running_server

LABEL = "here"
FLOWS = Path(__file__).with_name("flows_under_fire.py")


@contextmanager
def running_chaos(folder: Path, database_url: str) -> Iterator[Chaos]:
    """Run a server with short leases, and an agent, with all flows registered."""
    env = {"CHAOS_CALLS": str(folder / "calls")}
    with (
        running_server(database_url, lease=LEASE, back_off=0.1) as server,
        running_agent(server, LABEL, env=env) as agent,
    ):
        headrace(
            *("register", "--project", PROJECT, "--create-project", "--path", str(FLOWS)),
            *("--label", LABEL),
            env=server.env,
        )
        _lose_sooner(database_url)
        yield Chaos(server, agent, database_url, folder)


def _lose_sooner(database_url: str) -> None:
    """Have silent processes be taken for lost sooner than anybody may ask for."""
    engine = connect(database_url)
    with engine.begin() as connection:
        connection.execute(update(schema.flows).values(lost_after=LOST_AFTER))
    engine.dispose()


@pytest.fixture(scope="module")
def running(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chaos]:
    """One server and one agent for the tests of a file: once on SQLite, once on PostgreSQL."""
    with running_chaos(tmp_path_factory.mktemp("chaos"), shared_database_url) as chaos:
        yield chaos


@pytest.fixture
def chaos(running: Chaos) -> Iterator[Chaos]:
    """The same, whole again, and with nothing of an earlier test."""
    running.forget()
    yield running
    # Whatever a test did, the next finds all of it at work.
    if running.server.process_id is None:
        running.server.start()
    if not running.agent.is_running:
        running.agent.start()
    for pid in running.left_over():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
