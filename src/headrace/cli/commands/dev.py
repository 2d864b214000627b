"""`headrace dev`: server, agent and registration of one's own flows, in one terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from typing import IO, Any, Self

import click

from headrace.cli.exit_codes import FAILED, SUCCESS
from headrace.cli.printable import printable

#: How many seconds a server may take to start, and what it says then.
_START_SECONDS = 60.0
_SERVES = "Headrace server at"
#: For how many seconds flows wait until the server has heard of the agent.
_AGENT_SECONDS = 3.0
#: How many seconds a part has to end, once it was asked to.
_END_SECONDS = 15.0

_HELP = """\
Serve, run an agent, and register the flows in FILE whenever it changes: all in one terminal.

Ctrl-C ends all of it. Runs that are not over go on when it is started again.

\b
Examples:
  headrace dev etl.py
  headrace dev flows/ --project etl --port 4300
  headrace run --project dev --name etl --watch    # in another terminal
"""


@click.command("dev", help=_HELP)
@click.argument("paths", nargs=-1, required=True, metavar="FILE...")
@click.option("--project", default="dev", show_default=True, help="The project to register in.")
@click.option(
    "--port",
    # Not 0, for any that is free: other terminals are to know it.
    type=click.IntRange(1, 65535),
    default=4200,
    show_default=True,
    help="The server's port.",
)
@click.option("--database-url", metavar="URL", help="The server's database; see `headrace server`.")
@click.option(
    "-l", "--label", "labels", multiple=True, help="A label of the agent, besides this machine's."
)
@click.option("--prefect1", is_flag=True, help="The files were written for Prefect 1.")
def command(
    paths: tuple[str, ...],
    project: str,
    port: int,
    database_url: str | None,
    labels: tuple[str, ...],
    prefect1: bool,
) -> int:
    """Serve, run an agent, and register flows whenever they change."""
    for path in paths:
        if not os.path.exists(path):
            raise click.ClickException(f"There is no file or folder {path}.")
    url = f"http://127.0.0.1:{port}"
    parts = _Parts({**os.environ, "HEADRACE_API_URL": url, "PYTHONUNBUFFERED": "1"})
    with parts:
        database = ["--database-url", database_url] if database_url else []
        parts.start("server", "server", "start", "--port", str(port), *database)
        if not parts.wait_for_server():
            return FAILED
        agent = [word for label in labels for word in ("--label", label)]
        parts.start("agent", "agent", "local", "start", "--name", "dev", *agent)
        # Registration warns of flows whose runs no agent would take.
        parts.wait_for_agent(url)
        files = [word for path in paths for word in ("--path", path)]
        old = ["--prefect1"] if prefect1 else []
        register = ["register", "--project", project, "--create-project", "--watch", *files, *old]
        parts.start("flows", *register)
        return parts.wait()


class _Parts:
    """The processes, and what they say."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._running: dict[str, subprocess.Popen[str]] = {}
        self._serves = threading.Event()
        self._stop = threading.Event()
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        def stop(_number: int, _frame: Any) -> None:
            self._stop.set()

        for number in (signal.SIGINT, signal.SIGTERM):
            self._undo.callback(signal.signal, number, signal.signal(number, stop))
        return self

    def __exit__(self, *_exc: object) -> None:
        """End everything, the server last: the others still have something to tell it."""
        for name in ("flows", "agent", "runs", "server"):
            if name == "runs":
                _end_runs()
            elif (process := self._running.get(name)) is not None:
                _end(process)
        self._undo.close()

    def start(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a part, whose lines are shown behind its name."""
        process = subprocess.Popen(
            [sys.executable, "-m", "headrace.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=self._environment,
            # Ctrl-C reaches this process alone, which ends the others in order.
            start_new_session=True,
        )
        assert process.stdout is not None
        threading.Thread(target=self._show, args=[name, process.stdout], daemon=True).start()
        self._running[name] = process
        return process

    def wait_for_server(self) -> bool:
        """Wait until the server says that it serves; tell whether it has."""
        until = time.monotonic() + _START_SECONDS
        while not self._serves.wait(0.05):
            ended = self._running["server"].poll() is not None
            if ended or self._stop.is_set() or time.monotonic() > until:
                return False
        return True

    def wait_for_agent(self, url: str) -> None:
        """Wait a moment until the server has heard of the agent."""
        from headrace.client import Client
        from headrace.core.errors import ClientError

        until = time.monotonic() + _AGENT_SECONDS
        with Client(url, retries=False) as client:
            while time.monotonic() < until and not self._stop.wait(0.05):
                ended = self._running["agent"].poll() is not None
                with suppress(ClientError):
                    if ended or any(agent.is_online for agent in client.agents()):
                        return

    def _show(self, name: str, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                if line.startswith(_SERVES):
                    self._serves.set()
                click.echo(f"{click.style(f'{name:>6}', fg='cyan')} {printable(line.rstrip())}")

    def wait(self) -> int:
        """Wait for Ctrl-C; or until a part ends by itself, which it should not."""
        while not self._stop.wait(0.2):
            for name, process in self._running.items():
                if process.poll() is not None:
                    click.echo(f"The {name} process has ended: exit code {process.returncode}.")
                    return FAILED
        click.echo("Ending everything.")
        return SUCCESS


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _end_runs() -> None:
    """End the agent's runs and its fork server: nothing is left in the background."""
    from headrace.agents.local_leavings import end_all
    from headrace.config import config

    if left := end_all(config.home_dir, "dev", _END_SECONDS):
        click.echo(f"{left} runs have not ended in time.")
