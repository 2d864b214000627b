"""The second half of the demo: a server, an agent, and the same flow as a tracked run.

What is done here by a program is what a person does in three terminals; each command is shown.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.markup import escape

from headrace.client import Client
from headrace.core.errors import ClientError
from headrace.wire.flow_runs import FlowRun

PROJECT = "demo"
LABEL = "demo"
#: Seconds that a server or an agent may take to be there, and to be gone.
START_SECONDS, STOP_SECONDS = 30, 10


class DemoError(Exception):
    """A part of the demo did not do what it is there for."""


class Session:
    """A server and an agent, with a home directory of their own, on a free port.

    Args:
        console: Where each command is shown.
        home: Their home directory.
    """

    def __init__(self, console: Console, home: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.home = home
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._console = console
        self._program = str(Path(sys.executable).with_name("headrace"))
        self.environment = {
            **{name: value for name, value in os.environ.items() if "HEADRACE" not in name},
            "HEADRACE_HOME": str(home),
            "HEADRACE_API_URL": self.url,
        }

    def client(self) -> Client:
        """Return a client of the server."""
        return Client(self.url, api_key="", retries=True)

    def start(self, name: str, *arguments: str) -> None:
        """Start a part that goes on in the background; what it says is kept in a file.

        Args:
            name: What it is.
            arguments: What follows `headrace`.
        """
        self._show(*arguments, "&")
        with (self.home / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                [self._program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                # Ctrl-C is for the demo, which then ends its parts in order.
                start_new_session=True,
            )

    def call(self, *arguments: str) -> int:
        """Run a command to its end, its output shown, and return its exit code.

        Args:
            arguments: What follows `headrace`.
        """
        self._show(*arguments)
        return subprocess.call([self._program, *arguments], env=self.environment)

    def wait_for(self, name: str) -> None:
        """Wait until the server serves, or the agent has been heard of.

        Args:
            name: Which of the two.

        Raises:
            DemoError: If it ends, or does not come; with the end of what it said.
        """
        until = time.monotonic() + START_SECONDS
        while not self._is_there(name):
            code = self.processes[name].poll()
            if code is not None or time.monotonic() > until:
                what = "did not get ready" if code is None else f"ended with exit code {code}"
                said = (self.home / f"{name}.log").read_text("utf-8", "replace")[-2000:]
                raise DemoError(f"The {name} {what}. What it said:\n{said}")
            time.sleep(0.02)

    def _is_there(self, name: str) -> bool:
        with self.client() as client, suppress(ClientError):
            return client.server() is not None if name == "server" else bool(client.agents())
        return False

    def stop(self) -> None:
        """End what still runs: the run, the agent, the server, and whoever they have started."""
        self._cancel_runs()
        for name in reversed(self.processes):
            process = self.processes[name]
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        # An agent's flow runs outlive it, on purpose; the demo's are not to.
        for pid in processes_of(self.home):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _cancel_runs(self) -> None:
        with self.client() as client, suppress(ClientError):
            for run in client.flow_runs(limit=10):
                if not run.is_finished:
                    client.cancel_flow_run(run.id, "The demo is over.")
                    client.wait_for_flow_run(run.id, timeout=STOP_SECONDS, patience=1)

    def _show(self, *arguments: str) -> None:
        words = [word if word == "&" else shlex.quote(word) for word in arguments]
        self._console.print(f"[bold]$ headrace {escape(' '.join(words))}[/]", soft_wrap=True)


def processes_of(home: Path) -> list[int]:
    """Return the processes that have this home directory in their environment.

    Args:
        home: The directory.
    """
    wanted = f"HEADRACE_HOME={home}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is somebody else's
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


@contextmanager
def session(console: Console, *, keep: bool) -> Iterator[Session]:
    """Make a session, and take it down at the end of the `with` block, however that comes.

    Args:
        console: Where commands are shown.
        keep: Whether to leave it as it is, if all went well.
    """
    home = Path(tempfile.mkdtemp(prefix="headrace-demo-"))
    made = Session(console, home)
    before = signal.signal(signal.SIGTERM, _interrupt)
    kept = False
    try:
        yield made
        kept = keep
    finally:
        signal.signal(signal.SIGTERM, before)
        if not kept:
            made.stop()
            shutil.rmtree(home, ignore_errors=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def run(console: Console, file: Path, parameters: Mapping[str, object], *, keep: bool) -> FlowRun:
    """Register a flow, run it through an agent, watch it to its end, and return the run.

    Args:
        console: Where it is shown.
        file: The file of the flow.
        parameters: Values of parameters.
        keep: Whether to leave server and agent running, and say how to stop them.

    Raises:
        DemoError: If a part does not do what it is there for.
    """
    given = [f"{name}={json.dumps(value)}" for name, value in parameters.items()]
    with session(console, keep=keep) as parts:
        parts.start("server", "server", "start", "--port", str(parts.port))
        parts.wait_for("server")
        parts.start("agent", "agent", "local", "start", "--label", LABEL)
        parts.wait_for("agent")
        watch = [word for each in given for word in ("--param", each)]
        name = file.stem
        commands = [
            ("project", "create", PROJECT),
            ("register", "--project", PROJECT, "--path", str(file), "--label", LABEL),
            ("run", "--project", PROJECT, "--name", name, *watch, "--watch"),
        ]
        for command in commands:
            code = parts.call(*command)
            if code != 0:
                raise DemoError(f"That command ended with exit code {code}.")
        with parts.client() as client:
            (done,) = client.flow_runs(project_name=PROJECT, limit=1)
            parts.call("flow-run", "show", done.id)
        if keep:
            _say_how_to_stop(console, parts)
        return done


def _say_how_to_stop(console: Console, parts: Session) -> None:
    # The server, the agent, and the agent's fork server, which would wait a while for another agent.
    pids = " ".join(map(str, sorted(processes_of(parts.home))))
    console.print("\n[bold]Server and agent go on[/]\n")
    console.print(f"  address    {parts.url}")
    console.print(f"  home       {parts.home}", soft_wrap=True)
    console.print(f"  to use it  export HEADRACE_API_URL={parts.url} HEADRACE_HOME={parts.home}")
    console.print(f"  to end it  kill {pids}; rm -r {parts.home}", soft_wrap=True)
